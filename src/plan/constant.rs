//! Constants: reading literals and converting values exactly from one type to another while a query is planned.
//!
//! `'1994-01-01'` read as a date is `Int(8766)`; `24` as decimal(15,2) is `Int(2400)`.
//!
//! Invariants: a conversion either keeps the value exactly or says why not; it never rounds silently except to floats.
//!
//! Does not: run over columns; that is the engine's.

use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::types::{Interval, LogicalType, Value};

/// Microseconds of a day.
pub const DAY_MICROS: i128 = 86_400_000_000;

/// Why a constant cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// SQLSTATE.
    pub code: &'static str,
    /// Lowercase sentence.
    pub message: String,
}

impl Misfit {
    fn unreadable(text: &str, ty: &LogicalType) -> Misfit {
        let code = match ty {
            LogicalType::Date | LogicalType::Time | LogicalType::Timestamp | LogicalType::TimestampTz => "22007",
            _ => "22018",
        };
        Misfit {
            code,
            message: format!("`{text}` is not a valid {ty}"),
        }
    }

    fn out_of_range(value: &Value, from: &LogicalType, to: &LogicalType) -> Misfit {
        Misfit {
            code: "22003",
            message: format!("{} is out of range for {to}", value.display(from)),
        }
    }

    fn no_way(from: &LogicalType, to: &LogicalType) -> Misfit {
        Misfit {
            code: "42804",
            message: format!("{from} cannot be converted to {to}"),
        }
    }
}

/// A value and the type it has.
pub type Typed = (Value, LogicalType);

/// Digits of a non-negative integer, at least one.
pub fn digits(value: i128) -> u8 {
    let mut rest = value.unsigned_abs();
    let mut count = 1;
    while rest >= 10 {
        rest /= 10;
        count += 1;
    }
    count
}

/// The type with the least precision that holds an unscaled value.
pub fn least_decimal(unscaled: i128, scale: u8) -> LogicalType {
    let precision = digits(unscaled).max(scale).max(1);
    LogicalType::Decimal { precision, scale }
}

/// 10^n; `None` beyond 38.
pub fn power_of_ten(n: u8) -> Option<i128> {
    10i128.checked_pow(n.into())
}

/// `1.50` as unscaled 150 with scale 2.
pub fn parse_decimal(text: &str) -> Option<(i128, u8)> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38)?;
    let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    (unscaled < power_of_ten(38)?).then_some((if negative { -unscaled } else { unscaled }, scale))
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Option<i128> {
    let date = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?;
    Some(days_of(date))
}

/// Microseconds since midnight of `HH:MM[:SS[.ffffff]]`.
pub fn parse_time(text: &str) -> Option<i128> {
    let text = text.trim();
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"));
    let since = time.ok()?.signed_duration_since(NaiveTime::MIN);
    since.num_microseconds().map(i128::from)
}

/// Microseconds since 1970-01-01 of `YYYY-MM-DD[ T]HH:MM…`; a date alone is its midnight.
pub fn parse_timestamp(text: &str) -> Option<i128> {
    let text = text.trim().trim_end_matches('Z');
    if let Some(days) = parse_date(text) {
        return Some(days * DAY_MICROS);
    }
    let (date, time) = text.split_once([' ', 'T'])?;
    Some(parse_date(date)? * DAY_MICROS + parse_time(time)?)
}

/// `7 day`, `1 year 2 months`, `1 month 3 days 04:05:06`.
pub fn parse_interval(text: &str) -> Option<Interval> {
    let mut out = Interval::default();
    let mut words = text.split_whitespace();
    let mut any = false;
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, clock) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest));
            out.micros += sign * i64::try_from(parse_time(clock)?).ok()?;
        } else {
            let (amount, unit) = match word.find(|c: char| c.is_ascii_alphabetic()) {
                Some(at) if at > 0 => word.split_at(at),
                Some(_) => return None,
                None => (word, words.next()?),
            };
            add_unit(&mut out, amount, unit)?;
        }
        any = true;
    }
    any.then_some(out)
}

fn add_unit(out: &mut Interval, amount: &str, unit: &str) -> Option<()> {
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('s').filter(|u| u.len() > 1).unwrap_or(&unit);
    let (whole, scale) = parse_decimal(amount)?;
    let micros = |per: i64| i64::try_from(whole * i128::from(per) / power_of_ten(scale)?).ok();
    let count = |per: i32| match scale {
        0 => i32::try_from(whole).ok()?.checked_mul(per),
        _ => None,
    };
    match unit {
        "millennium" => out.months = out.months.checked_add(count(12_000)?)?,
        "century" => out.months = out.months.checked_add(count(1_200)?)?,
        "decade" => out.months = out.months.checked_add(count(120)?)?,
        "year" | "yr" | "y" => out.months = out.months.checked_add(count(12)?)?,
        "quarter" => out.months = out.months.checked_add(count(3)?)?,
        "month" | "mon" => out.months = out.months.checked_add(count(1)?)?,
        "week" | "w" => out.days = out.days.checked_add(count(7)?)?,
        "day" | "d" => out.days = out.days.checked_add(count(1)?)?,
        "hour" | "hr" | "h" => out.micros = out.micros.checked_add(micros(3_600_000_000)?)?,
        "minute" | "min" | "m" => out.micros = out.micros.checked_add(micros(60_000_000)?)?,
        "second" | "sec" | "s" => out.micros = out.micros.checked_add(micros(1_000_000)?)?,
        "millisecond" | "ms" | "msec" => out.micros = out.micros.checked_add(micros(1_000)?)?,
        "microsecond" | "us" | "usec" => out.micros = out.micros.checked_add(micros(1)?)?,
        _ => return None,
    }
    Some(())
}

fn days_of(date: NaiveDate) -> i128 {
    i128::from(date.num_days_from_ce()) - 719_163
}

/// A timestamp moved by an interval: months first (clamped to the month's end), then days, then microseconds.
pub fn add_interval(micros: i128, interval: Interval) -> Option<i128> {
    let epoch = NaiveDateTime::default();
    let moment = epoch.checked_add_signed(TimeDelta::microseconds(i64::try_from(micros).ok()?))?;
    let months = Months::new(interval.months.unsigned_abs());
    let moment = match interval.months < 0 {
        true => moment.checked_sub_months(months)?,
        false => moment.checked_add_months(months)?,
    };
    let moved = moment
        .checked_add_signed(TimeDelta::days(interval.days.into()))?
        .checked_add_signed(TimeDelta::microseconds(interval.micros))?;
    moved.signed_duration_since(epoch).num_microseconds().map(i128::from)
}

/// Converts a constant exactly.
pub fn convert(value: &Value, from: &LogicalType, to: &LogicalType) -> Result<Value, Misfit> {
    if from == to || *value == Value::Null {
        return Ok(value.clone());
    }
    let misfit = || Misfit::no_way(from, to);
    match (value, to) {
        (_, LogicalType::String) => Ok(Value::String(Arc::from(value.display(from)))),
        (Value::String(text), _) => parse(text, to).ok_or_else(|| Misfit::unreadable(text, to)),
        (Value::Boolean(b), _) if to.is_integer() => Ok(Value::Int((*b).into())),
        (Value::Int(v), LogicalType::Date) if is_timestamp(from) => Ok(Value::Int(v.div_euclid(DAY_MICROS))),
        (Value::Int(v), _) if *from == LogicalType::Date && is_timestamp(to) => Ok(Value::Int(v * DAY_MICROS)),
        (Value::Int(_), _) if is_timestamp(from) && is_timestamp(to) => Ok(value.clone()),
        (Value::Int(_), LogicalType::Boolean) if from.is_integer() => Ok(Value::Boolean(*value != Value::Int(0))),
        (Value::Int(_), _) if from.is_numeric() && to.is_float() => to_float(value, from, to),
        (Value::Int(v), _) if from.is_numeric() && to.is_numeric() => rescale(*v, from, to),
        (Value::Float(v), LogicalType::Real) => Ok(Value::Float(f64::from(*v as f32))),
        (Value::Float(_), LogicalType::Double) => Ok(value.clone()),
        (Value::Float(v), _) if to.is_numeric() => from_float(*v, to).ok_or_else(|| Misfit::out_of_range(value, from, to)),
        _ => Err(misfit()),
    }
}

fn is_timestamp(ty: &LogicalType) -> bool {
    matches!(ty, LogicalType::Timestamp | LogicalType::TimestampTz)
}

/// Digits after the point of an exact number.
pub fn scale_of(ty: &LogicalType) -> u8 {
    match ty {
        LogicalType::Decimal { scale, .. } => *scale,
        _ => 0,
    }
}

fn to_float(value: &Value, from: &LogicalType, to: &LogicalType) -> Result<Value, Misfit> {
    let exact: f64 = value.display(from).parse().unwrap_or(f64::NAN);
    Ok(Value::Float(match to {
        LogicalType::Real => f64::from(exact as f32),
        _ => exact,
    }))
}

/// Rounds half away from zero where the target has fewer digits after the point, as SQL casts do.
fn rescale(v: i128, from: &LogicalType, to: &LogicalType) -> Result<Value, Misfit> {
    let (old, new) = (scale_of(from), scale_of(to));
    let moved = match new >= old {
        true => power_of_ten(new - old).and_then(|p| v.checked_mul(p)),
        false => power_of_ten(old - new).map(|p| {
            let half = if v < 0 { -(p / 2) } else { p / 2 };
            (v + half) / p
        }),
    };
    let (low, high) = to.stored_range().unwrap_or((i128::MIN, i128::MAX));
    let fits = moved.filter(|m| *m >= low && *m <= high).map(Value::Int);
    fits.ok_or_else(|| Misfit::out_of_range(&Value::Int(v), from, to))
}

fn from_float(v: f64, to: &LogicalType) -> Option<Value> {
    let scaled = v * 10f64.powi(scale_of(to).into());
    let rounded = match to {
        LogicalType::Decimal { .. } => scaled.round(),
        _ => scaled.round_ties_even(),
    };
    let (low, high) = to.stored_range()?;
    if !rounded.is_finite() || rounded.abs() >= 1.7e38 {
        return None;
    }
    let value = rounded as i128;
    (value >= low && value <= high).then_some(Value::Int(value))
}

fn parse(text: &str, to: &LogicalType) -> Option<Value> {
    let trimmed = text.trim();
    match to {
        LogicalType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "1" => Some(Value::Boolean(true)),
            "false" | "f" | "no" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
        LogicalType::Date => parse_date(trimmed).map(Value::Int),
        LogicalType::Time => parse_time(trimmed).map(Value::Int),
        LogicalType::Timestamp | LogicalType::TimestampTz => parse_timestamp(trimmed).map(Value::Int),
        LogicalType::Interval => parse_interval(trimmed).map(Value::Interval),
        LogicalType::Real => trimmed.parse::<f32>().ok().map(|v| Value::Float(v.into())),
        LogicalType::Double => trimmed.parse().ok().map(Value::Float),
        _ if to.is_numeric() => {
            let (unscaled, scale) = parse_decimal(trimmed)?;
            rescale(unscaled, &least_decimal(unscaled, scale), to).ok()
        }
        _ => None,
    }
}
