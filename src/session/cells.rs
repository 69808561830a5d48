//! One value of a result, as text or as JSON.
//!
//! Row 0 of a decimal(15,2) column holding 150 is `1.50` in both; a date is `1994-01-01`, quoted in JSON.
//!
//! Invariants: texts are those of [`crate::types::text`]; NULL is `None` as text and `null` in JSON; numbers that JSON cannot hold
//! (`nan`, `inf`) are JSON strings.
//!
//! Does not: align, or decide what NULL looks like.

use arrow::array::Array;

use crate::types::LogicalType;
use crate::types::arrow::from_field;
pub use crate::types::cell::value;
use crate::types::text::{self, NonFinite};
pub use crate::types::text::{distinct_names, write_field, write_string};

/// The text of a cell; `None` is NULL.
pub fn text(array: &dyn Array, row: usize, ty: &LogicalType) -> Option<String> {
    let mut out = String::new();
    text::write_text(&mut out, array, row, ty).then_some(out)
}

/// Appends a cell to a JSON text.
pub fn write_json(out: &mut String, array: &dyn Array, row: usize, ty: &LogicalType) {
    text::write_json(out, array, row, ty, NonFinite::Quoted);
}

/// The logical types of an Arrow schema's columns; what has none is shown as a string.
pub fn logical_types(schema: &arrow::datatypes::Schema) -> Vec<LogicalType> {
    let types = schema.fields().iter().map(|field| from_field(field));
    types.map(|ty| ty.unwrap_or(LogicalType::String)).collect()
}
