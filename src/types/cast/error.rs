//! Why a value cannot be converted.
//!
//! `CAST('abc' AS bigint)` fails with 22P02 and ``cannot convert `abc` to bigint``.
//!
//! Invariants: the message names the value and the type, is lowercase and has no full stop.
//!
//! Does not: know where the value came from.

use crate::types::LogicalType;

/// A conversion that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CastError {
    /// SQLSTATE: 22003 out of range, 22P02 invalid text, 22007 and 22008 dates and times, 42846 no such conversion.
    pub code: &'static str,
    /// What failed, with the value.
    pub message: String,
}

impl CastError {
    /// Text that is not of the type's form.
    pub fn invalid(text: &str, to: &dyn std::fmt::Display) -> Self {
        Self::text("22P02", text, to)
    }

    /// Text that is not a date, time, timestamp or interval.
    pub fn invalid_datetime(text: &str, to: &dyn std::fmt::Display) -> Self {
        Self::text("22007", text, to)
    }

    /// A date or time that does not exist or cannot be stored.
    pub fn datetime_range(value: &str, to: &dyn std::fmt::Display) -> Self {
        Self::new("22008", format!("`{value}` is out of range for {to}"))
    }

    /// A number that the type cannot hold.
    pub fn out_of_range(value: &str, to: &dyn std::fmt::Display) -> Self {
        Self::new("22003", format!("{value} does not fit in {to}"))
    }

    /// A pair of types without a conversion.
    pub fn no_cast(from: &LogicalType, to: &LogicalType) -> Self {
        Self::new("42846", format!("cannot convert {from} to {to}"))
    }

    /// Text that is no label of an enum.
    pub fn no_label(text: &str, to: &dyn std::fmt::Display) -> Self {
        Self::new("22P02", format!("`{text}` is no label of {to}"))
    }

    /// Text that is no JSON, by what its reader says.
    pub fn no_json(text: &str, what: &dyn std::fmt::Display) -> Self {
        Self::new("22P02", format!("cannot convert `{}` to json: {what}", shortened(text)))
    }

    /// JSON that no value of a type is written as.
    pub fn misfit(text: &str, to: &dyn std::fmt::Display) -> Self {
        Self::text("22P02", &shortened(text), to)
    }

    fn text(code: &'static str, text: &str, to: &dyn std::fmt::Display) -> Self {
        Self::new(code, format!("cannot convert `{text}` to {to}"))
    }

    fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }
}

/// Letters of a long text that are shown.
const SHOWN: usize = 60;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
