//! One value of any type, as literals, statistics and error messages hold it.
//!
//! `DATE '1970-01-02'` is `Value::Int(1)` of type date; `1.50` is `Value::Int(150)` of type decimal(3,2): the type
//! always travels beside the value.
//!
//! Invariants: integers, decimals (unscaled), dates (days), times and timestamps (microseconds) are all
//! [`Value::Int`].
//!
//! Does not: compute; arithmetic is the engine's.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{LogicalType, uuid};

/// A value without its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// Boolean.
    Boolean(bool),
    /// Anything that is stored as an integer.
    Int(i128),
    /// Real and double.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Blob(Arc<[u8]>),
    /// Interval.
    Interval(Interval),
    /// Elements of an array.
    Array(Vec<Value>),
    /// Values of a struct, in the order of its fields.
    Struct(Vec<Value>),
}

/// What a text takes beside its bytes.
pub const TEXT_HEAD_BYTES: usize = 32;

/// An interval: its three parts do not convert into each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Value {
    /// Bytes that it takes, with what it refers to.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Value::String(text) => TEXT_HEAD_BYTES + text.len(),
                Value::Blob(bytes) => TEXT_HEAD_BYTES + bytes.len(),
                Value::Array(parts) | Value::Struct(parts) => parts.iter().map(Value::weight).sum(),
                _ => 0,
            }
    }

    /// The integer stored, if it is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Int(v) => Some(*v),
            Value::Boolean(b) => Some((*b).into()),
            _ => None,
        }
    }

    /// As shown to a user: `1.50`, `1994-01-01`, `text`, `NULL`.
    pub fn display(&self, ty: &LogicalType) -> String {
        match (self, ty) {
            (Value::Null, _) => "NULL".into(),
            (Value::Boolean(b), _) => b.to_string(),
            (Value::Int(v), LogicalType::Boolean) => (*v != 0).to_string(),
            (Value::Int(v), LogicalType::Decimal { scale, .. }) => decimal_text(*v, *scale),
            (Value::Int(v), LogicalType::Date) => date_text(*v),
            (Value::Int(v), LogicalType::Time) => time_text(*v),
            (Value::Int(v), LogicalType::Timestamp | LogicalType::TimestampTz) => {
                let day = v.div_euclid(86_400_000_000);
                format!("{} {}", date_text(day), time_text(v.rem_euclid(86_400_000_000)))
            }
            (Value::Int(v), LogicalType::Uuid) => uuid::text(*v),
            (Value::Int(v), LogicalType::Enum(labels)) => labels.label(*v).unwrap_or("?").to_owned(),
            (Value::Int(v), _) => v.to_string(),
            (Value::Float(v), _) => float_text(*v),
            (Value::String(s), _) => s.to_string(),
            (Value::Blob(b), _) => b.iter().map(|byte| format!("\\x{byte:02X}")).collect(),
            (Value::Interval(i), _) => i.to_string(),
            (Value::Array(items), LogicalType::Array(item)) => {
                let items: Vec<_> = items.iter().map(|v| v.display(item)).collect();
                format!("[{}]", items.join(", "))
            }
            (Value::Array(entries), LogicalType::Map(of)) => {
                let entry = |entry: &Value| match entry {
                    Value::Struct(parts) => match parts.as_slice() {
                        [key, value] => format!("{}={}", key.display(&of.0), value.display(&of.1)),
                        _ => String::new(),
                    },
                    _ => String::new(),
                };
                let items: Vec<String> = entries.iter().map(entry).collect();
                format!("{{{}}}", items.join(", "))
            }
            (Value::Struct(values), LogicalType::Struct(fields)) => {
                let items: Vec<_> = values
                    .iter()
                    .zip(fields)
                    .map(|(v, f)| format!("'{}': {}", f.name.replace('\'', "''"), v.display(&f.ty)))
                    .collect();
                format!("{{{}}}", items.join(", "))
            }
            (other, _) => format!("{other:?}"),
        }
    }
}

/// The order of two values of one type in which everything has a place: NaN equals itself and is above all numbers, NULL equals
/// itself and is above everything, intervals have months of 30 days, arrays and structs go element by element.
pub fn total_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => (*a == Value::Null).cmp(&(*b == Value::Null)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        (Value::Interval(a), Value::Interval(b)) => a.total_micros().cmp(&b.total_micros()),
        (Value::Array(a), Value::Array(b)) | (Value::Struct(a), Value::Struct(b)) => {
            let parts = a.iter().zip(b).map(|(a, b)| total_order(a, b));
            let first = parts.into_iter().find(|order| *order != Ordering::Equal);
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => a.as_int().cmp(&b.as_int()),
    }
}

impl Interval {
    /// Microseconds, with months of 30 days.
    pub fn total_micros(&self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * 86_400_000_000 + i128::from(self.micros)
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        let mut part = |n: i64, unit: &str| {
            if n != 0 {
                parts.push(format!("{n} {unit}{}", if n.abs() == 1 { "" } else { "s" }));
            }
        };
        part((self.months / 12).into(), "year");
        part((self.months % 12).into(), "month");
        part(self.days.into(), "day");
        if self.micros != 0 || parts.is_empty() {
            let sign = if self.micros < 0 { "-" } else { "" };
            parts.push(format!("{sign}{}", time_text(self.micros.unsigned_abs().into())));
        }
        f.write_str(&parts.join(" "))
    }
}

/// `150` at scale 2 is `1.50`.
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}

/// The shortest text that reads back as the same double, with a `.0` on whole numbers.
pub fn float_text(v: f64) -> String {
    if v.is_nan() {
        "nan".into()
    } else if v.is_infinite() {
        if v > 0.0 { "inf".into() } else { "-inf".into() }
    } else if v != 0.0 && (v.abs() >= 1e16 || v.abs() < 1e-5) {
        format!("{v:e}")
    } else {
        format!("{v:?}")
    }
}

fn date_text(days: i128) -> String {
    let date = i32::try_from(days).ok().and_then(|d| {
        chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::Duration::days(d.into()))
    });
    date.map_or_else(|| format!("day {days}"), |d| d.format("%Y-%m-%d").to_string())
}

fn time_text(micros: i128) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return text;
    }
    format!("{text}.{fraction:06}").trim_end_matches('0').to_string()
}
