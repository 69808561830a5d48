//! One value of a result, as text or as JSON.
//!
//! Row 0 of a decimal(15,2) column holding 150 is `1.50` in both; a date is `1994-01-01`, quoted in JSON.
//!
//! Invariants: decimals and integers keep all their digits; NULL is `None` as text and `null` in JSON; numbers that JSON
//! cannot hold (`nan`, `inf`) are JSON strings.
//!
//! Does not: align, quote for CSV, or decide what NULL looks like.

use arrow::array::Array;

use crate::types::arrow::from_arrow;
pub use crate::types::cell::value;
use crate::types::{LogicalType, Value};

/// The text of a cell; `None` is NULL.
pub fn text(array: &dyn Array, row: usize, ty: &LogicalType) -> Option<String> {
    match value(array, row) {
        Value::Null => None,
        value => Some(value.display(ty)),
    }
}

/// Appends a cell to a JSON text.
pub fn write_json(out: &mut String, array: &dyn Array, row: usize, ty: &LogicalType) {
    write_value(out, &value(array, row), ty);
}

fn write_value(out: &mut String, value: &Value, ty: &LogicalType) {
    match (value, ty) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(b), _) => out.push_str(if *b { "true" } else { "false" }),
        (Value::Int(_), _) if ty.is_numeric() => out.push_str(&value.display(ty)),
        (Value::Float(v), _) if v.is_finite() => out.push_str(&value.display(ty)),
        (Value::Array(items), LogicalType::Array(item)) => {
            write_list(out, ('[', ']'), items.iter(), |out, value| {
                write_value(out, value, item)
            });
        }
        (Value::Struct(values), LogicalType::Struct(fields)) => {
            write_list(out, ('{', '}'), values.iter().zip(fields), |out, (value, field)| {
                write_string(out, &field.name);
                out.push(':');
                write_value(out, value, &field.ty);
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
    out.push_str(&serde_json::Value::String(text.to_string()).to_string());
}

/// The logical types of an Arrow schema's columns; what has none is shown as a string.
pub fn logical_types(schema: &arrow::datatypes::Schema) -> Vec<LogicalType> {
    let types = schema.fields().iter().map(|field| from_arrow(field.data_type()));
    types.map(|ty| ty.unwrap_or(LogicalType::String)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StructArray};
    use arrow::datatypes::DataType;

    fn check(array: &dyn Array, ty: &LogicalType, texts: &[Option<&str>], jsons: &[&str]) {
        for row in 0..array.len() {
            assert_eq!(text(array, row, ty).as_deref(), texts[row]);
            let mut json = String::new();
            write_json(&mut json, array, row, ty);
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
    fn what_json_has_no_number_for_is_a_string() {
        let array = Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY]);
        check(
            &array,
            &LogicalType::Double,
            &[Some("1.0"), Some("nan"), Some("inf")],
            &["1.0", "\"nan\"", "\"inf\""],
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
