//! Columns as they leave for those who know Arrow's types only: labels of enums as texts, UUIDs as their bytes, maps as maps.
//!
//! A column of `Tier('basic', 'vip')` is one of small integers in the engine; a program that reads a result, and a file that is
//! written, get the texts. A map is a list of entries in the engine, and Arrow's map outside. A uuid is an integer in the engine, and
//! Arrow's extension type `arrow.uuid` outside, and JSON is a text that says so.
//!
//! Invariants: what has none of them in it is given as it is.
//!
//! Does not: read such columns; `formats` does.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::array::{FixedSizeBinaryArray, PrimitiveArray, StructArray, UInt32Array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Decimal128Type, Field as ArrowField, Fields, Schema, SchemaRef};

use super::arrow::{EXTENSION, EXTENSION_METADATA, JSON, UUID, to_arrow};
use super::{EnumType, Field, LogicalType, Value, cell, uuid};

/// Whether a column of the type is another one outside.
pub fn differs(ty: &LogicalType) -> bool {
    match ty {
        LogicalType::Enum(_) | LogicalType::Uuid | LogicalType::Json | LogicalType::Map(_) => true,
        LogicalType::Array(item) => differs(item),
        LogicalType::Struct(fields) => fields.iter().any(|field| differs(&field.ty)),
        _ => false,
    }
}

/// The Arrow type outside.
pub fn arrow_type(ty: &LogicalType) -> DataType {
    match ty {
        LogicalType::Enum(_) => DataType::Utf8View,
        LogicalType::Uuid => DataType::FixedSizeBinary(16),
        LogicalType::Array(item) => DataType::List(item_field(item)),
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
    named(&field.name, &field.ty, field.nullable)
}

/// A field that says which type it is where Arrow has none of its own.
fn named(name: &str, ty: &LogicalType, nullable: bool) -> ArrowField {
    let field = ArrowField::new(name, arrow_type(ty), nullable);
    match ty {
        LogicalType::Uuid => field.with_metadata([(EXTENSION.to_owned(), UUID.to_owned())].into()),
        LogicalType::Json => field.with_metadata(
            [
                (EXTENSION.to_owned(), JSON.to_owned()),
                (EXTENSION_METADATA.to_owned(), String::new()),
            ]
            .into(),
        ),
        _ => field,
    }
}

fn item_field(item: &LogicalType) -> Arc<ArrowField> {
    Arc::new(named(ArrowField::LIST_FIELD_DEFAULT_NAME, item, true))
}

fn entries_field((key, value): &(LogicalType, LogicalType)) -> Arc<ArrowField> {
    let key = named("key", key, false);
    let value = named("value", value, true);
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
        LogicalType::Uuid => {
            let numbers = array.as_primitive::<Decimal128Type>();
            let bytes = numbers
                .values()
                .iter()
                .flat_map(|number| uuid::bytes(*number))
                .collect();
            let array = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(bytes), numbers.nulls().cloned());
            array.map(|array| Arc::new(array) as ArrayRef).map_err(failed)
        }
        LogicalType::Array(item) if differs(item) => {
            let lists = array.as_list::<i32>();
            let items = self::array(lists.values(), item)?;
            let list = ListArray::try_new(item_field(item), lists.offsets().clone(), items, lists.nulls().cloned());
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

/// A column from outside as the engine has it, as far as UUIDs are in it; others are given as they are.
pub fn inside(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    match (ty, array.data_type()) {
        (LogicalType::Uuid, DataType::FixedSizeBinary(16)) => {
            let bytes = array.as_fixed_size_binary();
            let number = |row| uuid::of_bytes(bytes.value(row)).unwrap_or_default();
            let numbers =
                PrimitiveArray::<Decimal128Type>::new((0..bytes.len()).map(number).collect(), bytes.nulls().cloned());
            Ok(Arc::new(numbers.with_data_type(to_arrow(ty))))
        }
        (ty, _) if !ty.has_type(&LogicalType::Uuid) => Ok(array.clone()),
        (LogicalType::Array(item), DataType::List(_)) => {
            let lists = array.as_list::<i32>();
            lists_of(inside(lists.values(), item)?, lists.offsets(), lists.nulls())
        }
        (LogicalType::Struct(fields), DataType::Struct(_)) if fields.len() == array.as_struct().num_columns() => {
            inside_struct(array.as_struct(), fields)
        }
        (LogicalType::Map(of), DataType::Map(..)) => {
            let maps = array.as_map();
            let entries: ArrayRef = Arc::new(maps.entries().clone());
            lists_of(inside(&entries, &LogicalType::entry(of))?, maps.offsets(), maps.nulls())
        }
        _ => Ok(array.clone()),
    }
}

fn lists_of(items: ArrayRef, offsets: &OffsetBuffer<i32>, nulls: Option<&NullBuffer>) -> Result<ArrayRef, String> {
    let field = Arc::new(ArrowField::new_list_field(items.data_type().clone(), true));
    let list = ListArray::try_new(field, offsets.clone(), items, nulls.cloned());
    list.map(|list| Arc::new(list) as ArrayRef)
        .map_err(|error| error.to_string())
}

fn inside_struct(array: &StructArray, fields: &[Field]) -> Result<ArrayRef, String> {
    let columns = array.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| inside(column, &field.ty));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let named = array.fields().iter().zip(&columns);
    let named = named.map(|(field, column)| ArrowField::new(field.name(), column.data_type().clone(), true));
    StructArray::try_new_with_length(named.collect(), columns, array.nulls().cloned(), array.len())
        .map(|structs| Arc::new(structs) as ArrayRef)
        .map_err(|error| error.to_string())
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
        let tier = Arc::new(EnumType::new("Tier", labels.to_vec()));
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

    #[test]
    fn uuids_become_bytes_wherever_they_are_and_come_back() {
        let field = |name: &str, ty: LogicalType| Field {
            name: name.into(),
            ty,
            nullable: true,
        };
        let array = |item: LogicalType| LogicalType::Array(Box::new(item));
        let map = LogicalType::Map(Box::new((LogicalType::Uuid, LogicalType::Uuid)));
        let (low, high) = (Value::Int(i128::MIN), Value::Int(i128::MAX));
        let entry = Value::Struct(vec![low.clone(), high.clone()]);
        for (ty, value) in [
            (LogicalType::Uuid, low.clone()),
            (array(LogicalType::Uuid), Value::Array(vec![high.clone(), Value::Null])),
            (
                LogicalType::Struct(vec![field("n", LogicalType::BigInt), field("u", LogicalType::Uuid)]),
                Value::Struct(vec![Value::Int(1), high]),
            ),
            (map, Value::Array(vec![entry])),
        ] {
            let values = [value.clone(), Value::Null, value];
            let own = from_values(&values, &ty).unwrap();
            let outer = array_outside(&own, &ty);
            let named = field("c", ty.clone());
            assert_eq!(super::super::arrow::from_field(&super::field(&named)), Some(ty.clone()));
            let back = arrow::compute::cast(&inside(&outer, &ty).unwrap(), own.data_type()).unwrap();
            let back: Vec<Value> = (0..3).map(|row| cell::value(&back, row)).collect();
            assert_eq!(back, values, "{ty}");
        }
        let json = field("j", LogicalType::Array(Box::new(LogicalType::Json)));
        assert_eq!(super::super::arrow::from_field(&super::field(&json)), Some(json.ty));
        let own = from_values(&[low], &LogicalType::Uuid).unwrap();
        let bytes = array_outside(&own, &LogicalType::Uuid);
        assert_eq!(bytes.as_fixed_size_binary().value(0), [0; 16]);
    }

    fn array_outside(array: &ArrayRef, ty: &LogicalType) -> ArrayRef {
        let outer = super::array(array, ty).unwrap();
        assert_eq!(*outer.data_type(), arrow_type(ty));
        outer
    }
}
