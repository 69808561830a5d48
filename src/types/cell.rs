//! A cell of an Arrow array as a value.
//!
//! Row 1 of a list array `[[1], [2, NULL]]` is `Value::Array([Int(2), Null])`.
//!
//! Invariants: the types are those in which results leave the engine; another one is given as the text that Arrow shows.
//!
//! Does not: run where rows are many; results are read a cell at a time, to be shown.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryViewArray, PrimitiveArray, StringArray,
    StringViewArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};

use super::{Interval, Value, uuid};

/// A cell as a value.
pub fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => int::<Int8Type>(array, row),
        DataType::Int16 => int::<Int16Type>(array, row),
        DataType::Int32 => int::<Int32Type>(array, row),
        DataType::Int64 => int::<Int64Type>(array, row),
        DataType::UInt8 => int::<UInt8Type>(array, row),
        DataType::UInt16 => int::<UInt16Type>(array, row),
        DataType::UInt32 => int::<UInt32Type>(array, row),
        DataType::UInt64 => int::<UInt64Type>(array, row),
        DataType::Decimal128(..) => int::<Decimal128Type>(array, row),
        DataType::FixedSizeBinary(16) => {
            uuid::of_bytes(array.as_fixed_size_binary().value(row)).map_or(Value::Null, Value::Int)
        }
        DataType::Date32 => int::<Date32Type>(array, row),
        DataType::Time64(TimeUnit::Microsecond) => int::<Time64MicrosecondType>(array, row),
        DataType::Timestamp(TimeUnit::Microsecond, _) => int::<TimestampMicrosecondType>(array, row),
        DataType::Float32 => Value::Float(single(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        _ => variable_value(array, row),
    }
}

fn variable_value(array: &dyn Array, row: usize) -> Value {
    let any = array.as_any();
    if let Some(texts) = any.downcast_ref::<StringViewArray>() {
        return Value::String(texts.value(row).into());
    }
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        return Value::String(texts.value(row).into());
    }
    if let Some(blobs) = any.downcast_ref::<BinaryViewArray>() {
        return Value::Blob(blobs.value(row).into());
    }
    if let Some(blobs) = any.downcast_ref::<BinaryArray>() {
        return Value::Blob(blobs.value(row).into());
    }
    match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let parts = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            Value::Interval(Interval {
                months: parts.months,
                days: parts.days,
                micros: parts.nanoseconds / 1000,
            })
        }
        DataType::List(_) => {
            let items: ArrayRef = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|i| value(&items, i)).collect())
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            Value::Struct(columns.iter().map(|column| value(column, row)).collect())
        }
        DataType::Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(row));
            Value::Array((0..entries.len()).map(|i| value(&entries, i)).collect())
        }
        _ => foreign_value(array, row),
    }
}

/// A type that the engine does not give out, shown as Arrow shows it.
fn foreign_value(array: &dyn Array, row: usize) -> Value {
    let text = arrow::util::display::array_value_to_string(array, row);
    Value::String(Arc::from(text.unwrap_or_default()))
}

fn int<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Value
where
    T::Native: Into<i128>,
{
    let values: &PrimitiveArray<T> = array.as_primitive();
    Value::Int(values.value(row).into())
}

/// The double whose shortest text is that of the single: 0.1f32 is shown as `0.1`.
fn single(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}
