//! The reference conversion of one value from one type to another.
//!
//! `cast(&Value::String("1.255".into()), &String, &Decimal { precision: 5, scale: 2 })` is `Value::Int(126)`: 1.26, since
//! numbers round half away from zero when digits are dropped (floats to integers: half to even).
//!
//! Invariants: a result always lies in the range of its type; `cast` succeeds or fails with a [`CastError`] whenever
//! [`castable`], and fails with 42846 otherwise; NULL stays NULL.
//!
//! Does not: run in queries' inner loops; generated code does the same for the types it knows.

mod datetime;
mod error;
mod interval;
mod number;
mod scan;

#[cfg(test)]
mod tests;

use super::civil::MICROS_PER_DAY;
use super::text::json_of;
use super::{Field, LogicalType, Value, json, uuid};
pub use datetime::{parse_date, parse_time, parse_timestamp};
pub use error::CastError;
pub use interval::{Unit, interval_unit, parse_interval};
use number::{Number, plain_integer};
pub use number::{div_round, parse_decimal, pow10, rescale};

/// The value of type `from` as a value of type `to`.
pub fn cast(value: &Value, from: &LogicalType, to: &LogicalType) -> Result<Value, CastError> {
    if !castable(from, to) {
        return Err(CastError::no_cast(from, to));
    }
    if from == to {
        return Ok(value.clone());
    }
    match value {
        Value::Null => Ok(Value::Null),
        _ if *to == LogicalType::String => Ok(Value::String(value.display(from).into())),
        Value::String(text) if *from == LogicalType::Json => json::to_value(text, to),
        _ if *to == LogicalType::Json && *from != LogicalType::String => Ok(Value::String(json_of(value, from).into())),
        Value::Boolean(b) => from_int((*b).into(), to),
        Value::Int(v) => match from {
            LogicalType::Decimal { scale, .. } => from_decimal(*v, *scale, to),
            _ if is_datetime(from) => from_datetime(*v, from, to),
            _ => from_int(*v, to),
        },
        Value::Float(v) => from_float(*v, to),
        Value::String(text) => from_text(text, to),
        Value::Array(items) => from_array(items, &from.laid_out(), &to.laid_out()),
        Value::Struct(values) => from_struct(values, from, to),
        Value::Blob(_) | Value::Interval(_) => Err(CastError::no_cast(from, to)),
    }
}

/// Whether some values of type `from` can be converted to `to`.
pub fn castable(from: &LogicalType, to: &LogicalType) -> bool {
    use LogicalType as T;
    let number = |ty: &T| ty.is_numeric() || *ty == T::Boolean;
    match (from, to) {
        (T::Null, _) | (_, T::String | T::Json) => true,
        (from, to) if from == to => true,
        (T::Json, to) => *to != T::Null,
        (T::String, to) => !to.is_nested() && *to != T::Null,
        (from, to) if number(from) => number(to),
        (T::Date, T::Timestamp | T::TimestampTz) => true,
        (T::Timestamp | T::TimestampTz, T::Date | T::Time | T::Timestamp | T::TimestampTz) => true,
        (T::Array(from), T::Array(to)) => castable(from, to),
        (T::Map(from), T::Map(to)) => castable(&from.0, &to.0) && castable(&from.1, &to.1),
        (T::Struct(from), T::Struct(to)) => {
            let found =
                |field: &Field| field_index(from, &field.name).is_some_and(|i| castable(&from[i].ty, &field.ty));
            from.len() == to.len() && to.iter().all(found)
        }
        _ => false,
    }
}

fn is_datetime(ty: &LogicalType) -> bool {
    use LogicalType as T;
    matches!(ty, T::Date | T::Time | T::Timestamp | T::TimestampTz)
}

fn from_int(v: i128, to: &LogicalType) -> Result<Value, CastError> {
    let too_large = || CastError::out_of_range(&v.to_string(), to);
    match to {
        LogicalType::Boolean => Ok(Value::Boolean(v != 0)),
        LogicalType::Real => Ok(Value::Float((v as f32).into())),
        LogicalType::Double => Ok(Value::Float(v as f64)),
        LogicalType::Decimal { scale, .. } => stored(rescale(v, 0, *scale), to).ok_or_else(too_large),
        _ => stored(Some(v), to).ok_or_else(too_large),
    }
}

fn from_decimal(v: i128, scale: u8, to: &LogicalType) -> Result<Value, CastError> {
    let to_scale = match to {
        LogicalType::Boolean => return Ok(Value::Boolean(v != 0)),
        LogicalType::Real => return Ok(Value::Float((decimal_to_float(v, scale) as f32).into())),
        LogicalType::Double => return Ok(Value::Float(decimal_to_float(v, scale))),
        LogicalType::Decimal { scale, .. } => *scale,
        _ => 0,
    };
    stored(rescale(v, scale, to_scale), to)
        .ok_or_else(|| CastError::out_of_range(&super::value::decimal_text(v, scale), to))
}

/// `unscaled / 10^scale` as the double that one division gives.
pub fn decimal_to_float(unscaled: i128, scale: u8) -> f64 {
    unscaled as f64 / 10f64.powi(scale.into())
}

fn from_float(v: f64, to: &LogicalType) -> Result<Value, CastError> {
    let too_large = || CastError::out_of_range(&super::value::float_text(v), to);
    let rounded = match to {
        LogicalType::Boolean => return Ok(Value::Boolean(v != 0.0)),
        LogicalType::Double => return Ok(Value::Float(v)),
        LogicalType::Real => return single(v).ok_or_else(too_large),
        LogicalType::Decimal { scale, .. } => (v * 10f64.powi((*scale).into())).round(),
        _ => v.round_ties_even(),
    };
    stored(float_to_int(rounded), to).ok_or_else(too_large)
}

/// A double as a single; finite values stay finite or fail.
fn single(v: f64) -> Option<Value> {
    let single = v as f32;
    (single.is_finite() || !v.is_finite()).then(|| Value::Float(single.into()))
}

/// The integer of a whole double; `None` for NaN and past 128 bits.
fn float_to_int(v: f64) -> Option<i128> {
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    (-LIMIT..LIMIT).contains(&v).then_some(v as i128)
}

fn from_datetime(v: i128, from: &LogicalType, to: &LogicalType) -> Result<Value, CastError> {
    use LogicalType as T;
    let day = i128::from(MICROS_PER_DAY);
    let converted = match (from, to) {
        (T::Date, T::Timestamp | T::TimestampTz) => v * day,
        (T::Timestamp | T::TimestampTz, T::Date) => v.div_euclid(day),
        (T::Timestamp | T::TimestampTz, T::Time) => v.rem_euclid(day),
        (T::Timestamp | T::TimestampTz, T::Timestamp | T::TimestampTz) => v,
        _ => return Err(CastError::no_cast(from, to)),
    };
    stored(Some(converted), to).ok_or_else(|| CastError::datetime_range(&Value::Int(v).display(from), to))
}

/// The stored integer if the type holds it.
fn stored(v: Option<i128>, ty: &LogicalType) -> Option<Value> {
    let (low, high) = ty.stored_range()?;
    v.filter(|v| (low..=high).contains(v)).map(Value::Int)
}

/// A text as a value of a type.
pub fn from_text(text: &str, to: &LogicalType) -> Result<Value, CastError> {
    use LogicalType as T;
    match to {
        T::Boolean => boolean(text)
            .map(Value::Boolean)
            .ok_or_else(|| CastError::invalid(text, to)),
        T::Real | T::Double => float(text, to),
        T::Date => match parse_date(text) {
            Err(error) if error.code == "22007" => timestamp_as_date(text).ok_or(error),
            parsed => parsed.map(|v| Value::Int(v.into())),
        },
        T::Time => parse_time(text).map(|v| Value::Int(v.into())),
        T::Timestamp | T::TimestampTz => parse_timestamp(text).map(|v| Value::Int(v.into())),
        T::Interval => parse_interval(text).map(Value::Interval),
        T::Blob => blob(text)
            .map(|b| Value::Blob(b.into()))
            .ok_or_else(|| CastError::invalid(text, to)),
        T::Enum(labels) => {
            let number = labels.number(text).map(Value::Int);
            number.ok_or_else(|| CastError::no_label(text, to))
        }
        T::Json => json::check(text).map(|()| Value::String(text.into())),
        T::Uuid => uuid::parse(text)
            .map(Value::Int)
            .ok_or_else(|| CastError::invalid(text, to)),
        T::Decimal { scale, .. } => number(text, (*scale).into(), to),
        _ => number(text, 0, to),
    }
}

fn number(text: &str, scale: i32, to: &LogicalType) -> Result<Value, CastError> {
    let power = u8::try_from(scale).ok().and_then(pow10);
    if let (Some(plain), Some(power)) = (plain_integer(text), power) {
        let value = i128::from(plain).checked_mul(power);
        return stored(value, to).ok_or_else(|| CastError::out_of_range(text, to));
    }
    let number = Number::parse(text).ok_or_else(|| CastError::invalid(text, to))?;
    stored(number.at_scale(scale), to).ok_or_else(|| CastError::out_of_range(text.trim(), to))
}

fn timestamp_as_date(text: &str) -> Option<Value> {
    let micros = parse_timestamp(text).ok()?;
    Some(Value::Int(micros.div_euclid(MICROS_PER_DAY).into()))
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn float(text: &str, to: &LogicalType) -> Result<Value, CastError> {
    let trimmed = text.trim();
    let parsed = match to {
        LogicalType::Real => trimmed.parse::<f32>().map(f64::from),
        _ => trimmed.parse::<f64>(),
    };
    let v = parsed.map_err(|_| CastError::invalid(text, to))?;
    // The parser turns what is too large into infinity, which is meant only where it is spelt out.
    if v.is_infinite() && trimmed.bytes().any(|b| b.is_ascii_digit()) {
        return Err(CastError::out_of_range(trimmed, to));
    }
    Ok(Value::Float(v))
}

/// Text as bytes; `\xHH` is the byte HH.
fn blob(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let [b'x' | b'X', high, low, tail @ ..] = tail else {
            return None;
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = tail;
    }
    Some(bytes)
}

fn from_array(items: &[Value], from: &LogicalType, to: &LogicalType) -> Result<Value, CastError> {
    let (LogicalType::Array(from), LogicalType::Array(to)) = (from, to) else {
        return Err(CastError::no_cast(from, to));
    };
    let items = items.iter().map(|item| cast(item, from, to));
    items.collect::<Result<_, _>>().map(Value::Array)
}

/// Fields are matched by name.
fn from_struct(values: &[Value], from: &LogicalType, to: &LogicalType) -> Result<Value, CastError> {
    let (LogicalType::Struct(fields), LogicalType::Struct(to_fields)) = (from, to) else {
        return Err(CastError::no_cast(from, to));
    };
    let convert = |field: &Field| {
        let found = field_index(fields, &field.name).and_then(|i| Some((values.get(i)?, &fields[i].ty)));
        let (value, ty) = found.ok_or_else(|| CastError::no_cast(from, to))?;
        cast(value, ty, &field.ty)
    };
    to_fields
        .iter()
        .map(convert)
        .collect::<Result<_, _>>()
        .map(Value::Struct)
}

fn field_index(fields: &[Field], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))
}
