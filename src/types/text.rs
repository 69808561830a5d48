//! A cell of an Arrow array as text: as it is shown, as a field of CSV, as JSON.
//!
//! Row 0 of a decimal(15,2) column holding 150 is `1.50` in all three; a date is `1994-01-01`, quoted in JSON.
//!
//! Invariants: there is one text for a value, wherever it is written: [`Value::display`]'s; decimals and integers keep all their
//! digits.
//!
//! Does not: align, or decide what NULL looks like.

use std::collections::HashSet;
use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use super::{LogicalType, Value, cell};

/// Names of which no two are the same: a second `a` becomes `a_1`.
pub fn distinct_names(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let distinct = |base: String| {
        let again = (1..).map(|count| format!("{base}_{count}"));
        let mut candidates = std::iter::once(base.clone()).chain(again);
        candidates.find(|name| taken.insert(name.clone())).unwrap_or(base)
    };
    names.into_iter().map(distinct).collect()
}

/// What JSON gets for doubles that it has no number for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    /// Strings, `"nan"`: any reader takes them.
    Quoted,
    /// `NaN`, `Infinity`, `-Infinity`: not in the standard, but they stay numbers.
    Bare,
}

/// Appends the text of a cell; false, and nothing, for NULL.
pub fn write_text(out: &mut String, array: &dyn Array, row: usize, ty: &LogicalType) -> bool {
    if array.is_null(row) {
        return false;
    }
    match (array.data_type(), ty) {
        (DataType::Utf8View, _) => out.push_str(array.as_string_view().value(row)),
        (DataType::Int64, LogicalType::BigInt) => push(out, array.as_primitive::<Int64Type>().value(row)),
        (DataType::Int32, LogicalType::Integer) => push(out, array.as_primitive::<Int32Type>().value(row)),
        _ => match cell::value(array, row) {
            Value::Null => return false,
            value => out.push_str(&value.display(ty)),
        },
    }
    true
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a field of a line of CSV, in quotes where it needs them: it looks like NULL, or holds a delimiter, quote or line end.
pub fn write_field(out: &mut String, text: &str, delimiter: char, null: &str) {
    let special = |c: char| c == delimiter || matches!(c, '"' | '\n' | '\r');
    if text != null && !text.contains(special) {
        return out.push_str(text);
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// Appends a cell to a JSON text.
pub fn write_json(out: &mut String, array: &dyn Array, row: usize, ty: &LogicalType, non_finite: NonFinite) {
    match (array.data_type(), ty) {
        (DataType::Utf8View, LogicalType::Json) if array.is_valid(row) => {
            write_raw(out, array.as_string_view().value(row));
        }
        (DataType::Utf8View, _) if array.is_valid(row) => write_string(out, array.as_string_view().value(row)),
        (DataType::Int64, LogicalType::BigInt) if array.is_valid(row) => {
            push(out, array.as_primitive::<Int64Type>().value(row));
        }
        _ => write_value(out, &cell::value(array, row), ty, non_finite),
    }
}

/// A value as a JSON text.
pub fn json_of(value: &Value, ty: &LogicalType) -> String {
    let mut out = String::new();
    write_value(&mut out, value, ty, NonFinite::Quoted);
    out
}

/// JSON as it is, but in one line: its strings have no line ends.
fn write_raw(out: &mut String, json: &str) {
    match json.contains(['\n', '\r']) {
        true => out.push_str(&json.replace(['\n', '\r'], " ")),
        false => out.push_str(json),
    }
}

fn write_value(out: &mut String, value: &Value, ty: &LogicalType, non_finite: NonFinite) {
    match (value, ty) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(b), _) => out.push_str(if *b { "true" } else { "false" }),
        (Value::Int(_), _) if ty.is_numeric() => out.push_str(&value.display(ty)),
        (Value::String(json), LogicalType::Json) => write_raw(out, json),
        (Value::Float(v), _) if v.is_finite() => out.push_str(&value.display(ty)),
        (Value::Float(v), _) if non_finite == NonFinite::Bare => out.push_str(match v {
            v if v.is_nan() => "NaN",
            v if *v > 0.0 => "Infinity",
            _ => "-Infinity",
        }),
        (Value::Array(items), LogicalType::Array(item)) => {
            write_list(out, ('[', ']'), items.iter(), |out, value| {
                write_value(out, value, item, non_finite);
            });
        }
        (Value::Array(entries), LogicalType::Map(of)) => {
            let entries = entries.iter().filter_map(|entry| match entry {
                Value::Struct(parts) => parts.first().zip(parts.get(1)),
                _ => None,
            });
            write_list(out, ('{', '}'), entries, |out, (key, value)| {
                write_string(out, &key.display(&of.0));
                out.push(':');
                write_value(out, value, &of.1, non_finite);
            });
        }
        (Value::Struct(values), LogicalType::Struct(fields)) => {
            write_list(out, ('{', '}'), values.iter().zip(fields), |out, (value, field)| {
                write_string(out, &field.name);
                out.push(':');
                write_value(out, value, &field.ty, non_finite);
            });
        }
        _ => write_string(out, &value.display(ty)),
    }
}

fn write_list<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}

/// Appends a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    let plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\' | 0x7f);
    if text.as_bytes().iter().all(plain) {
        out.push('"');
        out.push_str(text);
        return out.push('"');
    }
    out.push_str(&serde_json::Value::String(text.to_string()).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringViewArray, StructArray};

    fn check(array: &dyn Array, ty: &LogicalType, texts: &[Option<&str>], jsons: &[&str]) {
        for row in 0..array.len() {
            let mut text = String::new();
            let written = write_text(&mut text, array, row, ty);
            assert_eq!(written.then_some(text.as_str()), texts[row]);
            let mut json = String::new();
            write_json(&mut json, array, row, ty, NonFinite::Quoted);
            assert_eq!(json, jsons[row]);
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        let array = Decimal128Array::from(vec![Some(150), None])
            .with_precision_and_scale(15, 2)
            .unwrap();
        let ty = LogicalType::Decimal {
            precision: 15,
            scale: 2,
        };
        check(&array, &ty, &[Some("1.50"), None], &["1.50", "null"]);
    }

    #[test]
    fn what_json_has_no_number_for_is_a_string_or_a_word() {
        let array = Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        check(
            &array,
            &LogicalType::Double,
            &[Some("1.0"), Some("nan"), Some("inf"), Some("-inf")],
            &["1.0", "\"nan\"", "\"inf\"", "\"-inf\""],
        );
        let mut bare = String::new();
        (0..4).for_each(|row| write_json(&mut bare, &array, row, &LogicalType::Double, NonFinite::Bare));
        assert_eq!(bare, "1.0NaNInfinity-Infinity");
    }

    #[test]
    fn texts_are_escaped() {
        let array = StringViewArray::from(vec![Some("é"), Some("a\"b\\\n\u{1}"), None]);
        check(
            &array,
            &LogicalType::String,
            &[Some("é"), Some("a\"b\\\n\u{1}"), None],
            &["\"é\"", "\"a\\\"b\\\\\\n\\u0001\"", "null"],
        );
    }

    #[test]
    fn structs_are_objects() {
        let fields = arrow::datatypes::Fields::from(vec![arrow::datatypes::Field::new("a", DataType::Int64, true)]);
        let array = StructArray::new(fields, vec![Arc::new(Int64Array::from(vec![Some(1), None]))], None);
        let ty = LogicalType::Struct(vec![Field {
            name: "a".into(),
            ty: LogicalType::BigInt,
            nullable: true,
        }]);
        check(
            &array,
            &ty,
            &[Some("{'a': 1}"), Some("{'a': NULL}")],
            &["{\"a\":1}", "{\"a\":null}"],
        );
    }
}
