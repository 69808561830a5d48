//! Operators that have no inline form: interval arithmetic, remainders of floats.
//!
//! `DATE '2024-01-31' + INTERVAL '1 month'` is 2024-02-29: months first, clipped to the month's last day, then days, then the rest.
//!
//! Invariants: a result outside its type's range is an error, never wrapped.
//!
//! Does not: resolve types.

use super::ExecError;
use crate::types::{Interval, LogicalType, Value, civil};

const DAY_MICROS: i128 = 86_400_000_000;

/// Applies an operator to two values; NULL gives NULL.
pub(super) fn apply(
    name: &str,
    left: (&Value, &LogicalType),
    right: (&Value, &LogicalType),
    result: &LogicalType,
) -> Result<Value, ExecError> {
    if matches!(left.0, Value::Null) || matches!(right.0, Value::Null) {
        return Ok(Value::Null);
    }
    let out_of_range = || ExecError::user("22008", format!("{result} out of range"));
    match (name, left.0, right.0) {
        ("fmod", Value::Float(a), Value::Float(b)) => Ok(Value::Float(a % b)),
        ("fdiv", Value::Float(a), Value::Float(b)) => Ok(Value::Float((a / b).trunc())),
        ("mul_interval", Value::Interval(i), Value::Int(n)) | ("mul_interval", Value::Int(n), Value::Interval(i)) => {
            scaled(*i, *n).map(Value::Interval).ok_or_else(out_of_range)
        }
        ("add_interval", Value::Interval(a), Value::Interval(b)) => {
            sum(*a, *b).map(Value::Interval).ok_or_else(out_of_range)
        }
        ("sub_interval", Value::Interval(a), Value::Interval(b)) => scaled(*b, -1)
            .and_then(|b| sum(*a, b))
            .map(Value::Interval)
            .ok_or_else(out_of_range),
        ("add_interval", Value::Int(at), Value::Interval(i)) => moved(*at, left.1, *i, result).ok_or_else(out_of_range),
        ("add_interval", Value::Interval(i), Value::Int(at)) => {
            moved(*at, right.1, *i, result).ok_or_else(out_of_range)
        }
        ("sub_interval", Value::Int(at), Value::Interval(i)) => scaled(*i, -1)
            .and_then(|i| moved(*at, left.1, i, result))
            .ok_or_else(out_of_range),
        _ => Err(ExecError::unsupported(format!("{} {name} {}", left.1, right.1))),
    }
}

fn sum(a: Interval, b: Interval) -> Option<Interval> {
    Some(Interval {
        months: a.months.checked_add(b.months)?,
        days: a.days.checked_add(b.days)?,
        micros: a.micros.checked_add(b.micros)?,
    })
}

fn scaled(i: Interval, by: i128) -> Option<Interval> {
    Some(Interval {
        months: i32::try_from(i128::from(i.months).checked_mul(by)?).ok()?,
        days: i32::try_from(i128::from(i.days).checked_mul(by)?).ok()?,
        micros: i64::try_from(i128::from(i.micros).checked_mul(by)?).ok()?,
    })
}

/// A date (days), time or timestamp (microseconds), moved by an interval.
fn moved(at: i128, ty: &LogicalType, i: Interval, result: &LogicalType) -> Option<Value> {
    if *ty == LogicalType::Time {
        return Some(Value::Int((at + i128::from(i.micros)).rem_euclid(DAY_MICROS)));
    }
    let (day, rest) = match ty {
        LogicalType::Date => (at, 0),
        _ => (at.div_euclid(DAY_MICROS), at.rem_euclid(DAY_MICROS)),
    };
    let day = civil::add_months(i64::try_from(day).ok()?, i.months.into())?;
    let micros = (i128::from(day) + i128::from(i.days)) * DAY_MICROS + rest + i128::from(i.micros);
    let stored = if *result == LogicalType::Date {
        micros.div_euclid(DAY_MICROS)
    } else {
        micros
    };
    let (low, high) = result.stored_range()?;
    (low..=high).contains(&stored).then_some(Value::Int(stored))
}
