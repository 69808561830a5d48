//! Constants while a query is planned: least types, scales, and dates moved by intervals.
//!
//! `24` as decimal(15,2) is `Int(2400)`; the least type of `1.50` is decimal(3,2); 2024-01-31 moved by one month is 2024-02-29.
//!
//! Invariants: a conversion is the engine's own ([`crate::types::cast`]), so that folding changes no result.
//!
//! Does not: run over columns; that is the engine's.

use crate::types::cast::{self, CastError};
use crate::types::civil::add_months;
use crate::types::{Interval, LogicalType, Value};

/// Microseconds of a day.
pub const DAY_MICROS: i128 = 86_400_000_000;

/// Converts a constant as the engine would.
pub fn convert(value: &Value, from: &LogicalType, to: &LogicalType) -> Result<Value, CastError> {
    match value {
        Value::Null => Ok(Value::Null),
        _ => cast::cast(value, from, to),
    }
}

/// Digits of an integer, at least one.
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
    cast::pow10(n)
}

/// `1.50` as unscaled 150 with scale 2; only digits, a sign and one point.
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

/// Days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i128> {
    cast::parse_date(text).ok().map(i128::from)
}

/// Microseconds since midnight.
pub fn parse_time(text: &str) -> Option<i128> {
    cast::parse_time(text).ok().map(i128::from)
}

/// Microseconds since 1970-01-01.
pub fn parse_timestamp(text: &str) -> Option<i128> {
    cast::parse_timestamp(text).ok().map(i128::from)
}

/// `7 day`, `1 year 2 months`.
pub fn parse_interval(text: &str) -> Option<Interval> {
    cast::parse_interval(text).ok()
}

/// A timestamp moved by an interval: months first (clamped to the month's end), then days, then microseconds.
pub fn add_interval(micros: i128, interval: Interval) -> Option<i128> {
    let day = i64::try_from(micros.div_euclid(DAY_MICROS)).ok()?;
    let moved = add_months(day, interval.months.into())?;
    let days = i128::from(moved) + i128::from(interval.days);
    let micros = days * DAY_MICROS + micros.rem_euclid(DAY_MICROS) + i128::from(interval.micros);
    i64::try_from(micros).ok().map(i128::from)
}

/// Digits after the point of an exact number.
pub fn scale_of(ty: &LogicalType) -> u8 {
    match ty {
        LogicalType::Decimal { scale, .. } => *scale,
        _ => 0,
    }
}
