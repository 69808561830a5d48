//! The cells of a column as bytes, without a value in between: for whoever goes through many rows.
//!
//! `Cells::of(&dates, &Date).write_value(&mut out, 3)` appends what [`super::cell::write_value`] makes of row 3.
//!
//! Invariants: the bytes are those of the value that [`value_at`] gives.
//!
//! Does not: know keys or hashes.

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{self as dt, DataType, TimeUnit};

use super::cell::{float_key, int_key, key_bytes, tag, text_key, value_at, write_value, write_wide};
use crate::store::wire::write_bytes;
use crate::types::{LogicalType, Value};

/// A column.
pub(super) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    I128(&'a [i128]),
    F64(&'a [f64]),
    Text(&'a StringViewArray),
    Blob(&'a BinaryViewArray),
    /// The rest, value by value.
    Other(&'a ArrayRef, &'a LogicalType),
}

impl<'a> Cells<'a> {
    /// Of an array of the type's own Arrow type.
    pub(super) fn of(array: &'a ArrayRef, ty: &'a LogicalType) -> Self {
        let values = match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Int8 => Values::I8(array.as_primitive::<dt::Int8Type>().values()),
            DataType::Int16 => Values::I16(array.as_primitive::<dt::Int16Type>().values()),
            DataType::Int32 => Values::I32(array.as_primitive::<dt::Int32Type>().values()),
            DataType::Date32 => Values::I32(array.as_primitive::<dt::Date32Type>().values()),
            DataType::Int64 => Values::I64(array.as_primitive::<dt::Int64Type>().values()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::I64(array.as_primitive::<dt::TimestampMicrosecondType>().values())
            }
            DataType::Decimal128(..) => Values::I128(array.as_primitive::<dt::Decimal128Type>().values()),
            DataType::Float64 => Values::F64(array.as_primitive::<dt::Float64Type>().values()),
            DataType::Utf8View => Values::Text(array.as_string_view()),
            DataType::BinaryView => Values::Blob(array.as_binary_view()),
            _ => Values::Other(array, ty),
        };
        let nulls = match values {
            Values::Other(..) => None,
            _ => array.nulls().filter(|nulls| nulls.null_count() > 0),
        };
        Self { nulls, values }
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    fn int(&self, row: usize) -> Option<i128> {
        Some(match &self.values {
            Values::I8(values) => values[row].into(),
            Values::I16(values) => values[row].into(),
            Values::I32(values) => values[row].into(),
            Values::I64(values) => values[row].into(),
            Values::I128(values) => values[row],
            _ => return None,
        })
    }

    /// Appends a cell with its kind, and what `head` does before it; nothing, if it is NULL.
    pub(super) fn write_value(
        &self,
        out: &mut Vec<u8>,
        row: usize,
        head: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), String> {
        if self.is_null(row) {
            return Ok(());
        }
        if let Values::Other(array, ty) = &self.values {
            let value = value_at(array, row, ty)?;
            if value != Value::Null {
                head(out);
                write_value(out, &value);
            }
            return Ok(());
        }
        head(out);
        if let Some(value) = self.int(row) {
            out.push(tag::INT);
            write_wide(out, value);
            return Ok(());
        }
        match &self.values {
            Values::Bool(values) => out.push(if values.value(row) { tag::TRUE } else { tag::FALSE }),
            Values::F64(values) => {
                out.push(tag::FLOAT);
                out.extend(values[row].to_le_bytes());
            }
            Values::Text(values) => {
                out.push(tag::STRING);
                write_bytes(out, values.value(row).as_bytes());
            }
            Values::Blob(values) => {
                out.push(tag::BLOB);
                write_bytes(out, values.value(row));
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes what [`Cells::write_value`] appends, behind a head that is the same for all cells of the column.
    pub(super) fn put_value(&self, out: &mut Scratch, row: usize, head: &[u8]) -> Result<(), String> {
        if self.is_null(row) {
            return Ok(());
        }
        match &self.values {
            Values::I32(values) => out.put_int(head, values[row].into()),
            Values::I64(values) => out.put_int(head, values[row]),
            Values::I128(values) => match i64::try_from(values[row]) {
                Ok(value) => out.put_int(head, value),
                Err(_) => return self.put_any(out, row, head),
            },
            Values::Text(values) => out.put_bytes(head, tag::STRING, values.value(row).as_bytes()),
            Values::Blob(values) => out.put_bytes(head, tag::BLOB, values.value(row)),
            _ => return self.put_any(out, row, head),
        }
        Ok(())
    }

    fn put_any(&self, out: &mut Scratch, row: usize, head: &[u8]) -> Result<(), String> {
        let mut value = Vec::new();
        self.write_value(&mut value, row, |_| {})?;
        if let Some((tag, rest)) = value.split_first() {
            let room = out.room(head.len() + value.len());
            room[..head.len()].copy_from_slice(head);
            room[head.len()] = *tag;
            room[head.len() + 1..].copy_from_slice(rest);
        }
        Ok(())
    }

    /// Appends the order-preserving form of a cell; false if it is NULL, or there is none.
    pub(super) fn write_key(&self, out: &mut Vec<u8>, row: usize) -> Result<bool, String> {
        if self.is_null(row) {
            return Ok(false);
        }
        match &self.values {
            Values::Bool(values) => int_key(out, values.value(row).into()),
            Values::F64(values) => float_key(out, values[row]),
            Values::Text(values) => text_key(out, values.value(row).as_bytes()),
            Values::Blob(values) => text_key(out, values.value(row)),
            Values::Other(array, ty) => return Ok(key_bytes(out, &value_at(array, row, ty)?).is_some()),
            _ => int_key(out, self.int(row).unwrap_or_default()),
        }
        Ok(true)
    }

    /// Whether a cell is NULL, whatever its type.
    pub(super) fn is_null_cell(&self, row: usize) -> bool {
        match &self.values {
            Values::Other(array, _) => array.is_null(row) || *array.data_type() == DataType::Null,
            _ => self.is_null(row),
        }
    }
}

/// Bytes that are written over and over again, by row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    len: usize,
}

/// A number of 64 bits takes so many bytes at most.
const VARINT_BYTES: usize = 10;

impl Scratch {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// What was written.
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Room for more bytes, which count as written.
    fn room(&mut self, more: usize) -> &mut [u8] {
        let start = self.len;
        self.len += more;
        if self.bytes.len() < self.len {
            self.bytes.resize((2 * self.len).max(256), 0);
        }
        &mut self.bytes[start..start + more]
    }

    /// Gives back room that was not needed.
    fn unused(&mut self, bytes: usize) {
        self.len -= bytes;
    }

    fn put_int(&mut self, head: &[u8], value: i64) {
        let zigzag = (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned();
        self.put_number(head, tag::INT, zigzag);
    }

    fn put_bytes(&mut self, head: &[u8], tag: u8, bytes: &[u8]) {
        self.put_number(head, tag, bytes.len() as u64);
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    fn put_number(&mut self, head: &[u8], tag: u8, number: u64) {
        let most = head.len() + 1 + VARINT_BYTES;
        let room = self.room(most);
        for (slot, byte) in room.iter_mut().zip(head) {
            *slot = *byte;
        }
        room[head.len()] = tag;
        let mut at = head.len() + 1;
        let mut rest = number;
        while rest >= 0x80 {
            room[at] = (rest & 0x7f) as u8 | 0x80;
            rest >>= 7;
            at += 1;
        }
        room[at] = rest as u8;
        self.unused(most - at - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, Int32Array, Time64MicrosecondArray};

    use super::*;
    use crate::types::array::from_values;

    #[test]
    fn cells_are_the_bytes_of_their_values() {
        use LogicalType as T;
        let decimal = T::Decimal {
            precision: 38,
            scale: 2,
        };
        let ints = [0, 1, -1, 127, -128, i128::from(i64::MAX), i128::from(i64::MIN)].map(Value::Int);
        let small = [Value::Int(7), Value::Int(-8), Value::Null].to_vec();
        let texts = ["", "a", "a\0b", "a text that is longer than a view"].map(|text| Value::String(text.into()));
        let cases: Vec<(T, Vec<Value>)> = vec![
            (
                T::Boolean,
                vec![Value::Boolean(true), Value::Null, Value::Boolean(false)],
            ),
            (T::TinyInt, small.clone()),
            (T::SmallInt, small.clone()),
            (T::Integer, small.clone()),
            (T::Date, small.clone()),
            (T::Time, small.clone()),
            (T::BigInt, ints.to_vec()),
            (T::TimestampTz, ints.to_vec()),
            (
                decimal,
                [&ints[..], &[Value::Int(1 << 100), Value::Int(-(1 << 100))]].concat(),
            ),
            (T::Uuid, [i128::MIN, i128::MAX, 3].map(Value::Int).to_vec()),
            (T::UBigInt, vec![Value::Int(u64::MAX.into()), Value::Int(0)]),
            (
                T::Double,
                vec![
                    Value::Float(-0.0),
                    Value::Float(1.5),
                    Value::Float(f64::NAN),
                    Value::Null,
                ],
            ),
            (T::Real, vec![Value::Float(0.5), Value::Null]),
            (T::String, [&texts[..], &[Value::Null]].concat()),
            (T::Blob, vec![Value::Blob([0, 1, 255].as_slice().into()), Value::Null]),
        ];
        for (ty, values) in cases {
            let array = from_values(&values, &ty).unwrap();
            let cells = Cells::of(&array, &ty);
            for row in 0..values.len() {
                let value = value_at(&array, row, &ty).unwrap();
                let (mut wanted, mut found) = (Vec::new(), Vec::new());
                if value != Value::Null {
                    write_value(&mut wanted, &value);
                }
                cells.write_value(&mut found, row, |_| {}).unwrap();
                assert_eq!(found, wanted, "{ty} {value:?}");
                let mut scratch = Scratch::default();
                scratch.put_int(&[], 7);
                scratch.clear();
                cells.put_value(&mut scratch, row, &[9, 9]).unwrap();
                let headed = if wanted.is_empty() {
                    wanted
                } else {
                    [&[9, 9], &wanted[..]].concat()
                };
                assert_eq!(scratch.as_slice(), headed, "{ty} {value:?}");
                let (mut wanted, mut found) = (Vec::new(), Vec::new());
                let is_key = key_bytes(&mut wanted, &value).is_some();
                assert_eq!(cells.write_key(&mut found, row).unwrap(), is_key);
                assert_eq!(found, wanted, "{ty} {value:?}");
                assert_eq!(cells.is_null_cell(row), value == Value::Null);
            }
        }
    }

    #[test]
    fn slices_begin_where_they_begin() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]).slice(1, 2));
        let cells = Cells::of(&array, &LogicalType::Integer);
        assert!(cells.is_null_cell(0));
        assert_eq!(cells.int(1), Some(3));
        let other: ArrayRef = Arc::new(Float32Array::from(vec![0.5, 1.5]).slice(1, 1));
        let mut out = Vec::new();
        Cells::of(&other, &LogicalType::Real).write_key(&mut out, 0).unwrap();
        let mut wanted = Vec::new();
        float_key(&mut wanted, 1.5);
        assert_eq!(out, wanted);
        let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![5]));
        assert!(!Cells::of(&times, &LogicalType::Time).is_null_cell(0));
    }
}
