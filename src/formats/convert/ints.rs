//! Integer-like arrays: to wide integers in gobi's units, then to the width of the layout.
//!
//! `Timestamp(Nanosecond)` 1_500 is 1 microsecond; `Date64` 86_400_000 is day 1.
//!
//! Invariants: [`narrow`] writes only values inside the promised range, which fit the layout.
//!
//! Does not: know strings or files.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{self as dt, ArrowNativeType, DataType, TimeUnit};

use super::filled;
use crate::types::{Physical, uuid};

/// Integers before they are narrowed.
#[derive(Debug)]
pub(crate) enum Wide {
    /// Fit in 64 bits.
    I64(Vec<i64>),
    /// May need more.
    I128(Vec<i128>),
}

/// The values of an array as integers in gobi's units; NULLs hold anything.
pub(crate) fn widen(array: &ArrayRef) -> Result<Wide, String> {
    let wide = match array.data_type() {
        DataType::Null => vec![0; array.len()],
        DataType::Boolean => array.as_boolean().values().iter().map(i64::from).collect(),
        DataType::Int8 => plain::<dt::Int8Type>(array),
        DataType::Int16 => plain::<dt::Int16Type>(array),
        DataType::Int32 => plain::<dt::Int32Type>(array),
        DataType::Int64 => plain::<dt::Int64Type>(array),
        DataType::UInt8 => plain::<dt::UInt8Type>(array),
        DataType::UInt16 => plain::<dt::UInt16Type>(array),
        DataType::UInt32 => plain::<dt::UInt32Type>(array),
        DataType::UInt64 => return Ok(Wide::I128(wider::<dt::UInt64Type>(array))),
        DataType::Decimal32(..) => plain::<dt::Decimal32Type>(array),
        DataType::Decimal64(..) => plain::<dt::Decimal64Type>(array),
        DataType::Decimal128(..) => return Ok(Wide::I128(wider::<dt::Decimal128Type>(array))),
        // No other type of such arrays is kept as integers.
        DataType::FixedSizeBinary(16) => {
            let bytes = array.as_fixed_size_binary();
            let number = |row| uuid::of_bytes(bytes.value(row)).unwrap_or_default();
            return Ok(Wide::I128((0..bytes.len()).map(number).collect()));
        }
        DataType::Date32 => plain::<dt::Date32Type>(array),
        DataType::Date64 => scaled(plain::<dt::Date64Type>(array), array, |ms| {
            Some(ms.div_euclid(86_400_000))
        })?,
        DataType::Time32(TimeUnit::Second) => scaled(plain::<dt::Time32SecondType>(array), array, seconds)?,
        DataType::Time32(_) => scaled(plain::<dt::Time32MillisecondType>(array), array, millis)?,
        DataType::Time64(TimeUnit::Microsecond) => plain::<dt::Time64MicrosecondType>(array),
        DataType::Time64(_) => scaled(plain::<dt::Time64NanosecondType>(array), array, nanos)?,
        DataType::Timestamp(TimeUnit::Second, _) => scaled(plain::<dt::TimestampSecondType>(array), array, seconds)?,
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            scaled(plain::<dt::TimestampMillisecondType>(array), array, millis)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => plain::<dt::TimestampMicrosecondType>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            scaled(plain::<dt::TimestampNanosecondType>(array), array, nanos)?
        }
        other => return Err(format!("{other} where an integer was expected")),
    };
    Ok(Wide::I64(wide))
}

fn plain<T: dt::ArrowPrimitiveType>(array: &ArrayRef) -> Vec<i64>
where
    T::Native: AsI64,
{
    let values = array.as_primitive::<T>().values();
    values.iter().map(|v| v.as_i64()).collect()
}

fn wider<T: dt::ArrowPrimitiveType>(array: &ArrayRef) -> Vec<i128>
where
    i128: From<T::Native>,
{
    let values = array.as_primitive::<T>().values();
    values.iter().map(|&v| v.into()).collect()
}

trait AsI64: Copy {
    fn as_i64(self) -> i64;
}

macro_rules! as_i64 {
    ($($native:ty),*) => {$(impl AsI64 for $native { fn as_i64(self) -> i64 { self.into() } })*};
}
as_i64!(i8, i16, i32, i64, u8, u16, u32);

fn seconds(s: i64) -> Option<i64> {
    s.checked_mul(1_000_000)
}

fn millis(ms: i64) -> Option<i64> {
    ms.checked_mul(1_000)
}

fn nanos(ns: i64) -> Option<i64> {
    Some(ns.div_euclid(1_000))
}

fn scaled(mut values: Vec<i64>, array: &ArrayRef, scale: fn(i64) -> Option<i64>) -> Result<Vec<i64>, String> {
    for (row, value) in values.iter_mut().enumerate() {
        *value = match scale(*value) {
            Some(scaled) => scaled,
            None if array.is_null(row) => 0,
            None => return Err(format!("the time {value} is out of range")),
        };
    }
    Ok(values)
}

/// Puts zeros where the array is NULL.
pub(crate) fn zero_nulls(wide: &mut Wide, nulls: Option<&NullBuffer>) {
    let Some(nulls) = nulls else { return };
    match wide {
        Wide::I64(values) => clear(values, nulls),
        Wide::I128(values) => clear(values, nulls),
    }
}

fn clear<T: Default>(values: &mut [T], nulls: &NullBuffer) {
    for (value, valid) in values.iter_mut().zip(nulls.iter()) {
        if !valid {
            *value = T::default();
        }
    }
}

/// Checks the range and stores the values in the layout's width.
pub(crate) fn narrow(
    wide: &Wide,
    physical: Physical,
    range: Option<(i128, i128)>,
    nulls: Option<&NullBuffer>,
) -> Result<Buffer, String> {
    if let Some((low, high)) = range {
        check_range(wide, low, high, nulls)?;
    }
    match wide {
        Wide::I64(values) => store(values, physical),
        Wide::I128(values) => store(values, physical),
    }
    .ok_or_else(|| format!("a value does not fit the layout {physical:?}"))
}

fn check_range(wide: &Wide, low: i128, high: i128, nulls: Option<&NullBuffer>) -> Result<(), String> {
    let outside = match wide {
        Wide::I64(values) => outside(values, nulls, |v| i128::from(v) < low || i128::from(v) > high),
        Wide::I128(values) => outside(values, nulls, |v| v < low || v > high),
    };
    match outside {
        Some(value) => Err(format!("the value {value} is outside {low}..={high}")),
        None => Ok(()),
    }
}

fn outside<T: Copy + Into<i128>>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    is_outside: impl Fn(T) -> bool,
) -> Option<i128> {
    let valid = |row| nulls.is_none_or(|nulls| nulls.is_valid(row));
    let mut found = values
        .iter()
        .enumerate()
        .filter(|(row, v)| is_outside(**v) && valid(*row));
    found.next().map(|(_, v)| (*v).into())
}

fn store<T>(values: &[T], physical: Physical) -> Option<Buffer>
where
    T: Copy + TryInto<i8> + TryInto<i16> + TryInto<i32> + TryInto<i64> + Into<i128>,
{
    match physical {
        Physical::I8 => try_store::<T, i8>(values),
        Physical::I16 => try_store::<T, i16>(values),
        Physical::I32 => try_store::<T, i32>(values),
        Physical::I64 => try_store::<T, i64>(values),
        Physical::I128 => Some(filled::<i128>(values.len(), |out| {
            for (slot, &value) in out.iter_mut().zip(values) {
                *slot = value.into();
            }
        })),
        _ => None,
    }
}

fn try_store<T: Copy + TryInto<N>, N: ArrowNativeType>(values: &[T]) -> Option<Buffer> {
    let mut fits = true;
    let buffer = filled::<N>(values.len(), |out| {
        for (slot, &value) in out.iter_mut().zip(values) {
            match value.try_into() {
                Ok(narrow) => *slot = narrow,
                Err(_) => fits = false,
            }
        }
    });
    fits.then_some(buffer)
}
