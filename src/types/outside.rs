//! Columns as they leave for those who know Arrow's types only: labels of enums as texts, maps as maps.
//!
//! A column of `Tier('basic', 'vip')` is one of small integers in the engine; a program that reads a result, and a file that is
//! written, get the texts. A map is a list of entries in the engine, and Arrow's map outside.
//!
//! Invariants: what has neither in it is given as it is.
//!
//! Does not: read such columns; `formats` does.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::array::{StructArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema, SchemaRef};

use super::arrow::to_arrow;
use super::{EnumType, Field, LogicalType, Value, cell};

/// Whether a column of the type is another one outside.
pub fn differs(ty: &LogicalType) -> bool {
    match ty {
        LogicalType::Enum(_) | LogicalType::Map(_) => true,
        LogicalType::Array(item) => differs(item),
        LogicalType::Struct(fields) => fields.iter().any(|field| differs(&field.ty)),
        _ => false,
    }
}

/// The Arrow type outside.
pub fn arrow_type(ty: &LogicalType) -> DataType {
    match ty {
        LogicalType::Enum(_) => DataType::Utf8View,
        LogicalType::Array(item) => DataType::List(Arc::new(ArrowField::new_list_field(arrow_type(item), true))),
        LogicalType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        LogicalType::Map(of) => DataType::Map(entries_field(of), false),
        other => to_arrow(other),
    }
}

/// The schema outside.
pub fn schema(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()))
}

fn field(field: &Field) -> ArrowField {
    ArrowField::new(&field.name, arrow_type(&field.ty), field.nullable)
}

fn entries_field((key, value): &(LogicalType, LogicalType)) -> Arc<ArrowField> {
    let key = ArrowField::new("key", arrow_type(key), false);
    let value = ArrowField::new("value", arrow_type(value), true);
    let entry = DataType::Struct(Fields::from(vec![key, value]));
    Arc::new(ArrowField::new("entries", entry, false))
}

/// A batch of these columns, outside; the schema is that of [`schema`].
pub fn batch(batch: &RecordBatch, fields: &[Field], schema: &SchemaRef) -> Result<RecordBatch, String> {
    let columns = batch.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| array(column, &field.ty));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| error.to_string())
}

/// A column of the type, outside.
pub fn array(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    let failed = |error: arrow::error::ArrowError| error.to_string();
    match ty {
        LogicalType::Enum(labels) => label_texts(array, labels),
        LogicalType::Array(item) if differs(item) => {
            let lists = array.as_list::<i32>();
            let items = self::array(lists.values(), item)?;
            let field = Arc::new(ArrowField::new_list_field(items.data_type().clone(), true));
            let list = ListArray::try_new(field, lists.offsets().clone(), items, lists.nulls().cloned());
            list.map(|list| Arc::new(list) as ArrayRef).map_err(failed)
        }
        LogicalType::Struct(fields) if differs(ty) => {
            let DataType::Struct(outside) = arrow_type(ty) else {
                return Ok(array.clone());
            };
            structs(array.as_struct(), fields, outside).map(|structs| Arc::new(structs) as ArrayRef)
        }
        LogicalType::Map(of) => {
            let lists = array.as_list::<i32>();
            let field = entries_field(of);
            let (LogicalType::Struct(fields), DataType::Struct(outside)) = (LogicalType::entry(of), field.data_type())
            else {
                return Ok(array.clone());
            };
            let entries = structs(lists.values().as_struct(), &fields, outside.clone())?;
            let map = MapArray::try_new(
                Arc::clone(&field),
                lists.offsets().clone(),
                entries,
                lists.nulls().cloned(),
                false,
            );
            map.map(|map| Arc::new(map) as ArrayRef).map_err(failed)
        }
        _ => Ok(array.clone()),
    }
}

fn structs(array: &StructArray, fields: &[Field], outside: Fields) -> Result<StructArray, String> {
    let columns = array.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| self::array(column, &field.ty));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    StructArray::try_new_with_length(outside, columns, array.nulls().cloned(), array.len())
        .map_err(|error| error.to_string())
}

/// Each label is made a text once, and taken for the rows that have it.
fn label_texts(array: &ArrayRef, labels: &EnumType) -> Result<ArrayRef, String> {
    let mut texts = StringViewBuilder::with_capacity(labels.labels.len());
    labels.labels.iter().for_each(|label| texts.append_value(label));
    let row = |row: usize| match cell::value(array, row) {
        Value::Int(number) => u32::try_from(number).ok(),
        _ => None,
    };
    let rows: UInt32Array = (0..array.len()).map(row).collect();
    take(&texts.finish(), &rows, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::array::from_values;

    #[test]
    fn labels_become_texts() {
        let labels = ["basic", "a label that is no short text"].map(str::to_owned);
        let tier = Arc::new(EnumType {
            name: "Tier".into(),
            labels: labels.to_vec(),
        });
        assert_eq!(tier.number("basic"), Some(0));
        assert_eq!(tier.number("Basic"), None);
        assert_eq!(tier.label(2), None);
        let ty = LogicalType::Enum(tier);
        let numbers = from_values(&[Value::Int(1), Value::Null, Value::Int(0)], &ty).unwrap();
        let texts = array(&numbers, &ty).unwrap();
        let shown: Vec<Value> = (0..3).map(|row| cell::value(&texts, row)).collect();
        let label = |at: usize| Value::String(labels[at].as_str().into());
        assert_eq!(shown, [label(1), Value::Null, label(0)]);
        assert_eq!(*texts.data_type(), arrow_type(&ty));
    }
}
