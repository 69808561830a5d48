//! Single values: out of arrays, and as bytes.
//!
//! `value_at(&array, 3, &Date)` is `Value::Int(8766)`; `write_value` makes four bytes of it, `key_bytes` an order-preserving
//! form for indexes.
//!
//! Invariants: `read_value` gives back what `write_value` wrote. Keys compare as bytes like the values do, across integer
//! widths, and no key is the beginning of another.
//!
//! Does not: convert between types; that is `types::cast`'s and Arrow's.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{self as dt, ArrowNativeType, ArrowPrimitiveType, DataType, IntervalUnit, TimeUnit};

use super::block::MAX_DEPTH;
use crate::formats::integers;
use crate::store::wire::{Malformed, Reader, write_bytes};
use crate::types::{Interval, LogicalType, Value};

/// The value of a row, of an array of the type's own Arrow type.
pub(super) fn value_at(array: &ArrayRef, row: usize, ty: &LogicalType) -> Result<Value, String> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Float32 => Value::Float(array.as_primitive::<dt::Float32Type>().value(row).into()),
        DataType::Float64 => Value::Float(array.as_primitive::<dt::Float64Type>().value(row)),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).into()),
        DataType::Utf8View => Value::String(array.as_string_view().value(row).into()),
        DataType::Binary => Value::Blob(array.as_binary::<i32>().value(row).into()),
        DataType::BinaryView => Value::Blob(array.as_binary_view().value(row).into()),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let parts = array.as_primitive::<dt::IntervalMonthDayNanoType>().value(row);
            Value::Interval(Interval {
                months: parts.months,
                days: parts.days,
                micros: parts.nanoseconds / 1000,
            })
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let LogicalType::Array(item) = &*ty.laid_out() else {
                return Err(format!("a list where {ty} was expected"));
            };
            let values = (0..items.len()).map(|index| value_at(&items, index, item));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        DataType::Struct(_) => {
            let LogicalType::Struct(fields) = ty else {
                return Err(format!("a struct where {ty} was expected"));
            };
            let columns = array.as_struct().columns().iter().zip(fields);
            let values = columns.map(|(column, field)| value_at(column, row, &field.ty));
            Value::Struct(values.collect::<Result<_, _>>()?)
        }
        _ => Value::Int(int_at(array, row)?),
    })
}

/// The stored integer of a row.
fn int_at(array: &ArrayRef, row: usize) -> Result<i128, String> {
    fn at<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> i128
    where
        T::Native: Into<i128>,
    {
        array.as_primitive::<T>().value(row).into()
    }
    Ok(match array.data_type() {
        DataType::Int8 => at::<dt::Int8Type>(array, row),
        DataType::Int16 => at::<dt::Int16Type>(array, row),
        DataType::Int32 => at::<dt::Int32Type>(array, row),
        DataType::Int64 => at::<dt::Int64Type>(array, row),
        DataType::UInt64 => at::<dt::UInt64Type>(array, row),
        DataType::Decimal128(..) => at::<dt::Decimal128Type>(array, row),
        DataType::Date32 => at::<dt::Date32Type>(array, row),
        DataType::Timestamp(TimeUnit::Microsecond, _) => at::<dt::TimestampMicrosecondType>(array, row),
        _ => {
            let one = integers(&array.slice(row, 1))?;
            one.first().copied().unwrap_or_default()
        }
    })
}

pub(super) mod tag {
    pub(in crate::store::table) const NULL: u8 = 0;
    pub(in crate::store::table) const FALSE: u8 = 1;
    pub(in crate::store::table) const TRUE: u8 = 2;
    pub(in crate::store::table) const INT: u8 = 3;
    pub(in crate::store::table) const FLOAT: u8 = 4;
    pub(in crate::store::table) const STRING: u8 = 5;
    pub(in crate::store::table) const BLOB: u8 = 6;
    pub(in crate::store::table) const INTERVAL: u8 = 7;
    pub(in crate::store::table) const ARRAY: u8 = 8;
    pub(in crate::store::table) const STRUCT: u8 = 9;
}

/// A number of up to 128 bits, LEB128 after zigzag.
pub(super) fn write_wide(out: &mut Vec<u8>, value: i128) {
    if let Ok(value) = i64::try_from(value) {
        let mut rest = (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned();
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        return out.push(rest as u8);
    }
    let mut rest = (value.cast_unsigned() << 1) ^ (value >> 127).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// What [`write_wide`] wrote.
pub(super) fn read_wide(reader: &mut Reader<'_>) -> Result<i128, Malformed> {
    let mut value = 0_u128;
    for shift in (0..128).step_by(7) {
        let byte = reader.byte()?;
        let bits = u128::from(byte & 0x7f);
        value |= bits << shift;
        if bits << shift >> shift != bits {
            return Err(Malformed("a number is too large"));
        }
        if byte & 0x80 == 0 {
            return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    Err(Malformed("a number is too long"))
}

/// A value with its kind: a tag, then its bytes.
pub(super) fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(tag::NULL),
        Value::Boolean(false) => out.push(tag::FALSE),
        Value::Boolean(true) => out.push(tag::TRUE),
        Value::Int(value) => {
            out.push(tag::INT);
            write_wide(out, *value);
        }
        Value::Float(value) => {
            out.push(tag::FLOAT);
            out.extend(value.to_le_bytes());
        }
        Value::String(text) => {
            out.push(tag::STRING);
            write_bytes(out, text.as_bytes());
        }
        Value::Blob(bytes) => {
            out.push(tag::BLOB);
            write_bytes(out, bytes);
        }
        Value::Interval(Interval { months, days, micros }) => {
            out.push(tag::INTERVAL);
            [i128::from(*months), (*days).into(), (*micros).into()]
                .into_iter()
                .for_each(|part| write_wide(out, part));
        }
        Value::Array(values) | Value::Struct(values) => {
            let is_array = matches!(value, Value::Array(_));
            out.push(if is_array { tag::ARRAY } else { tag::STRUCT });
            write_wide(out, values.len() as i128);
            values.iter().for_each(|value| write_value(out, value));
        }
    }
}

/// What [`write_value`] wrote.
pub(super) fn read_value(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    read_value_in(reader, 0)
}

fn read_value_in(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    Ok(match reader.byte()? {
        tag::NULL => Value::Null,
        tag::FALSE => Value::Boolean(false),
        tag::TRUE => Value::Boolean(true),
        tag::INT => Value::Int(read_wide(reader)?),
        tag::FLOAT => Value::Float(f64::from_le_bytes(reader.array()?)),
        tag::STRING => Value::String(reader.text()?.into()),
        tag::BLOB => Value::Blob(reader.bytes()?.into()),
        tag::INTERVAL => Value::Interval(Interval {
            months: read_narrow(reader)?,
            days: read_narrow(reader)?,
            micros: read_narrow(reader)?,
        }),
        tag::ARRAY => Value::Array(read_values(reader, depth)?),
        tag::STRUCT => Value::Struct(read_values(reader, depth)?),
        _ => return Err(Malformed("a value of an unknown kind")),
    })
}

fn read_values(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Value>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed("a value is nested too deeply"));
    }
    // Each takes a byte or more, so that no number asks for more memory than there are bytes.
    let count = usize::try_from(read_wide(reader)?).ok();
    let count = count.filter(|count| *count <= reader.left());
    let count = count.ok_or(Malformed("a value has too many parts"))?;
    (0..count).map(|_| read_value_in(reader, depth + 1)).collect()
}

fn read_narrow<T: TryFrom<i128>>(reader: &mut Reader<'_>) -> Result<T, Malformed> {
    let value = read_wide(reader)?;
    T::try_from(value).map_err(|_| Malformed("a number is too large"))
}

/// Appends the order-preserving form of a value that is not NULL; `None` for types that have none.
///
/// Integers: 0x80 plus or minus the number of bytes, then the bytes, big-endian, of the value (or, below zero, of its
/// complement, inverted). Floats: 8 bytes. Texts and blobs: 00 escaped as 00 FF, and 00 00 at the end.
pub(super) fn key_bytes(out: &mut Vec<u8>, value: &Value) -> Option<()> {
    match value {
        Value::Boolean(value) => int_key(out, (*value).into()),
        Value::Int(value) => int_key(out, *value),
        Value::Float(value) => float_key(out, *value),
        Value::String(text) => text_key(out, text.as_bytes()),
        Value::Blob(bytes) => text_key(out, bytes),
        Value::Interval(Interval { months, days, micros }) => {
            [i128::from(*months), (*days).into(), (*micros).into()]
                .into_iter()
                .for_each(|part| int_key(out, part));
        }
        Value::Null | Value::Array(_) | Value::Struct(_) => return None,
    }
    Some(())
}

pub(super) fn float_key(out: &mut Vec<u8>, value: f64) {
    // One zero and one NaN, which is greatest.
    let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
    let bits = canonical.to_bits();
    let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
    out.extend((bits ^ flip).to_be_bytes());
}

pub(super) fn int_key(out: &mut Vec<u8>, value: i128) {
    if let Ok(value) = u64::try_from(value) {
        let skip = value.leading_zeros() / 8;
        out.push(0x88 - skip as u8);
        return out.extend(&value.to_be_bytes()[skip as usize..]);
    }
    let magnitude = if value < 0 { !value } else { value };
    let bytes = magnitude.to_be_bytes();
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    let len = (bytes.len() - skip) as u8;
    if value < 0 {
        out.push(0x7f - len);
        out.extend(bytes[skip..].iter().map(|byte| !byte));
    } else {
        out.push(0x80 + len);
        out.extend(&bytes[skip..]);
    }
}

pub(super) fn text_key(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend([0, 0]);
}

/// Whether two values are in order, equal ones too; `None` where the values do not compare.
pub(super) fn at_most(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => Some(a <= b),
        (Value::String(a), Value::String(b)) => Some(a <= b),
        _ => Some(a.as_int()? <= b.as_int()?),
    }
}

/// Bytes of memory that an array takes.
pub(super) fn memory_bytes(array: &ArrayRef) -> usize {
    array.get_buffer_memory_size()
}

/// A row number as Arrow's `take` wants it.
pub(super) fn index(row: usize) -> u32 {
    u32::from_usize(row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        key_bytes(&mut out, value).unwrap();
        out
    }

    proptest! {
        #[test]
        fn keys_compare_like_values(a: i128, b: i64, s: String, t: String, x: f64, y: f64) {
            prop_assert_eq!(key(&Value::Int(a)).cmp(&key(&Value::Int(b.into()))), a.cmp(&b.into()));
            prop_assert_eq!(key(&Value::Int((b >> 40).into())).cmp(&key(&Value::Int(b.into()))), (b >> 40).cmp(&b));
            let text = |s: &str| key(&Value::String(s.into()));
            prop_assert_eq!(text(&s).cmp(&text(&t)), s.cmp(&t));
            if let Some(order) = x.partial_cmp(&y) {
                prop_assert_eq!(key(&Value::Float(x)).cmp(&key(&Value::Float(y))), order);
            }
        }

        #[test]
        fn values_come_back(wide: i128, text: String, float: f64) {
            let interval = Interval { months: -3, days: 40, micros: i64::MIN };
            let flat = [
                Value::Int(wide),
                Value::String(text.into()),
                Value::Float(float),
                Value::Boolean(true),
                Value::Interval(interval),
                Value::Null,
            ];
            let nested = Value::Struct(vec![Value::Array(flat.to_vec()), Value::Array(Vec::new())]);
            for value in flat.into_iter().chain([nested]) {
                let mut out = Vec::new();
                write_value(&mut out, &value);
                let mut reader = Reader::new(&out);
                prop_assert_eq!(read_value(&mut reader).unwrap(), value);
                prop_assert!(reader.is_empty());
            }
        }
    }
}
