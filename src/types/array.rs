//! Values as Arrow arrays: columns of known values, and of one value throughout.
//!
//! `[Int(1), Null]` of the type `int` is an `Int64Array` with one NULL.
//!
//! Invariants: the array has the type that [`to_arrow`] gives for the values' type; [`super::cell::value`] gives the values back.
//!
//! Does not: convert; a value that is none of its type's is an error.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Float32Array, Float64Array, IntervalMonthDayNanoArray, ListArray,
    PrimitiveArray, StringViewArray, StructArray, make_array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{self as dt, ArrowPrimitiveType, DataType, TimeUnit};

use super::arrow::to_arrow;
use super::{Field, Interval, LogicalType, Value};

/// A column of values.
pub fn from_values(values: &[Value], ty: &LogicalType) -> Result<ArrayRef, String> {
    let array: ArrayRef = match ty {
        LogicalType::Null => return Ok(new_null_array(&DataType::Null, values.len())),
        LogicalType::Array(item) => return lists(values, item, ty),
        LogicalType::Struct(fields) => return structs(values, fields, ty),
        LogicalType::Map(_) => return from_values(values, &ty.laid_out()),
        LogicalType::String | LogicalType::Json => Arc::new(StringViewArray::from_iter_values(all(
            values,
            ty,
            |value| match value {
                Value::String(text) => Some(&**text),
                _ => None,
            },
        )?)),
        LogicalType::Blob => Arc::new(BinaryViewArray::from_iter_values(all(
            values,
            ty,
            |value| match value {
                Value::Blob(bytes) => Some(&**bytes),
                _ => None,
            },
        )?)),
        LogicalType::Real => {
            let floats = all(values, ty, float)?;
            Arc::new(Float32Array::from_iter_values(floats.iter().map(|value| *value as f32)))
        }
        LogicalType::Double => Arc::new(Float64Array::from(all(values, ty, float)?)),
        LogicalType::Interval => {
            let intervals = all(values, ty, |value| match value {
                Value::Interval(interval) => Some(*interval),
                _ => None,
            })?;
            let part = |of: fn(&Interval) -> i128| intervals.iter().map(of).collect::<Vec<_>>();
            let (months, days) = (part(|all| all.months.into()), part(|all| all.days.into()));
            intervals_to_array(&months, &days, &part(|all| all.micros.into()))?
        }
        _ => ints_to_array(
            &all(values, ty, |value| match value {
                Value::Boolean(value) => Some(i128::from(*value)),
                Value::Int(value) => Some(*value),
                _ => None,
            })?,
            ty,
        )?,
    };
    let Some(nulls) = nulls_of(values) else {
        return Ok(array);
    };
    let data = array.to_data().into_builder().nulls(Some(nulls)).build();
    data.map(make_array).map_err(|error| error.to_string())
}

fn lists(values: &[Value], item: &LogicalType, ty: &LogicalType) -> Result<ArrayRef, String> {
    let DataType::List(field) = to_arrow(ty) else {
        return Err(format!("a constant of the type {ty}"));
    };
    let mut elements = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        let before = elements.len();
        match value {
            Value::Array(own) => elements.extend_from_slice(own),
            Value::Null => {}
            other => return Err(format!("{other:?} where {ty} was expected")),
        }
        lengths.push(elements.len() - before);
    }
    let elements = from_values(&elements, item)?;
    let array = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), elements, nulls_of(values));
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn structs(values: &[Value], fields: &[Field], ty: &LogicalType) -> Result<ArrayRef, String> {
    let DataType::Struct(arrow) = to_arrow(ty) else {
        return Err(format!("a constant of the type {ty}"));
    };
    let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(values.len()); fields.len()];
    for value in values {
        let own = match value {
            Value::Struct(own) if own.len() == fields.len() => own.as_slice(),
            Value::Null => &[],
            other => return Err(format!("{other:?} where {ty} was expected")),
        };
        for (at, column) in columns.iter_mut().enumerate() {
            column.push(own.get(at).cloned().unwrap_or(Value::Null));
        }
    }
    let arrays = columns.iter().zip(fields);
    let arrays = arrays.map(|(values, field)| from_values(values, &field.ty));
    let arrays = arrays.collect::<Result<_, _>>()?;
    let array = StructArray::try_new_with_length(arrow, arrays, nulls_of(values), values.len());
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

/// Which values there are; none if all are.
fn nulls_of(values: &[Value]) -> Option<NullBuffer> {
    let any = values.contains(&Value::Null);
    any.then(|| values.iter().map(|value| *value != Value::Null).collect())
}

/// What the values are; something that nobody sees where they are NULL.
fn all<'v, T: Default>(
    values: &'v [Value],
    ty: &LogicalType,
    of: impl Fn(&'v Value) -> Option<T>,
) -> Result<Vec<T>, String> {
    let one = |value: &'v Value| match value {
        Value::Null => Ok(T::default()),
        value => of(value).ok_or_else(|| format!("{value:?} where {ty} was expected")),
    };
    values.iter().map(one).collect()
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn primitives<T: ArrowPrimitiveType>(values: &[i128], ty: DataType) -> Result<ArrayRef, String>
where
    T::Native: TryFrom<i128>,
{
    let native = values.iter().map(|value| T::Native::try_from(*value));
    let native: Vec<T::Native> = native
        .collect::<Result<_, _>>()
        .map_err(|_| format!("a value that is none of {ty}"))?;
    Ok(Arc::new(
        PrimitiveArray::<T>::from_iter_values(native).with_data_type(ty),
    ))
}

/// An array of stored integers without NULLs.
pub fn ints_to_array(values: &[i128], ty: &LogicalType) -> Result<ArrayRef, String> {
    let arrow = to_arrow(ty);
    match &arrow {
        DataType::Boolean => Ok(Arc::new(BooleanArray::from_iter(
            values.iter().map(|value| Some(*value != 0)),
        ))),
        DataType::Int8 => primitives::<dt::Int8Type>(values, arrow),
        DataType::Int16 => primitives::<dt::Int16Type>(values, arrow),
        DataType::Int32 => primitives::<dt::Int32Type>(values, arrow),
        DataType::Int64 => primitives::<dt::Int64Type>(values, arrow),
        DataType::UInt8 => primitives::<dt::UInt8Type>(values, arrow),
        DataType::UInt16 => primitives::<dt::UInt16Type>(values, arrow),
        DataType::UInt32 => primitives::<dt::UInt32Type>(values, arrow),
        DataType::UInt64 => primitives::<dt::UInt64Type>(values, arrow),
        DataType::Decimal128(..) => primitives::<dt::Decimal128Type>(values, arrow),
        DataType::Date32 => primitives::<dt::Date32Type>(values, arrow),
        DataType::Time64(_) => primitives::<dt::Time64MicrosecondType>(values, arrow),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitives::<dt::TimestampMicrosecondType>(values, arrow),
        other => Err(format!("{other} is not stored as integers")),
    }
}

/// An array of intervals without NULLs.
pub fn intervals_to_array(months: &[i128], days: &[i128], micros: &[i128]) -> Result<ArrayRef, String> {
    let mut out = Vec::with_capacity(months.len());
    for ((months, days), micros) in months.iter().zip(days).zip(micros) {
        let parts = i32::try_from(*months).ok().zip(i32::try_from(*days).ok());
        let nanos = i64::try_from(*micros).ok().and_then(|micros| micros.checked_mul(1000));
        let ((months, days), nanos) = parts.zip(nanos).ok_or("an interval that is too long")?;
        out.push(dt::IntervalMonthDayNano::new(months, days, nanos));
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::from(out)))
}

/// An array that has one value throughout.
pub fn constant_array(value: &Value, ty: &LogicalType, rows: usize) -> Result<ArrayRef, String> {
    Ok(match value {
        Value::Null => new_null_array(&to_arrow(ty), rows),
        Value::Boolean(value) => ints_to_array(&vec![i128::from(*value); rows], ty)?,
        Value::Int(value) => ints_to_array(&vec![*value; rows], ty)?,
        Value::Float(value) if *ty == LogicalType::Real => {
            let values = std::iter::repeat_n(f32::from_f64_lossy(*value), rows);
            Arc::new(PrimitiveArray::<dt::Float32Type>::from_iter_values(values))
        }
        Value::Float(value) => Arc::new(PrimitiveArray::<dt::Float64Type>::from_iter_values(
            std::iter::repeat_n(*value, rows),
        )),
        Value::String(text) => Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(&**text, rows))),
        Value::Blob(bytes) => Arc::new(BinaryViewArray::from_iter_values(std::iter::repeat_n(&**bytes, rows))),
        Value::Interval(Interval { months, days, micros }) => {
            let many = |value: i128| vec![value; rows];
            intervals_to_array(&many((*months).into()), &many((*days).into()), &many((*micros).into()))?
        }
        Value::Array(_) | Value::Struct(_) => return Err(format!("a constant of the type {ty}")),
    })
}

trait Lossy {
    fn from_f64_lossy(value: f64) -> Self;
}

impl Lossy for f32 {
    fn from_f64_lossy(value: f64) -> Self {
        // The value was made from a single, or rounds to the nearest one as SQL has it.
        value as Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::cell::value;

    #[test]
    fn values_come_back() {
        let interval = Interval {
            months: 1,
            days: -2,
            micros: 3,
        };
        let decimal = LogicalType::Decimal { precision: 9, scale: 2 };
        for (ty, some) in [
            (LogicalType::Null, Value::Null),
            (LogicalType::Boolean, Value::Boolean(true)),
            (LogicalType::TinyInt, Value::Int(-7)),
            (LogicalType::UBigInt, Value::Int(u64::MAX.into())),
            (LogicalType::HugeInt, Value::Int(1 << 80)),
            (LogicalType::Uuid, Value::Int(i128::MIN)),
            (decimal, Value::Int(150)),
            (LogicalType::Date, Value::Int(8766)),
            (LogicalType::TimestampTz, Value::Int(-1)),
            (LogicalType::Real, Value::Float(0.5)),
            (LogicalType::Double, Value::Float(-0.0)),
            (LogicalType::String, Value::String("a text that is no short one".into())),
            (LogicalType::Blob, Value::Blob([0, 255].as_slice().into())),
            (LogicalType::Interval, Value::Interval(interval)),
        ] {
            let values = [some.clone(), Value::Null, some];
            let array = from_values(&values, &ty).unwrap();
            assert_eq!(*array.data_type(), to_arrow(&ty));
            let back: Vec<Value> = (0..3).map(|row| value(&array, row)).collect();
            assert_eq!(back, values, "{ty}");
        }
    }

    #[test]
    fn misfits_are_errors() {
        assert!(from_values(&[Value::Int(128)], &LogicalType::TinyInt).is_err());
        assert!(from_values(&[Value::Int(1)], &LogicalType::String).is_err());
        assert!(from_values(&[Value::Boolean(true)], &LogicalType::Double).is_err());
    }
}
