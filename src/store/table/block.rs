//! Small segments: columns of a few rows in as few bytes as they need.
//!
//! The row (7, 'ada', NULL) of a table (int, string, date) is 19 bytes: version, rows, columns, and per column its number,
//! its type and what follows below.
//!
//! ```text
//! block    version 1 (1), rows, columns (varints), per column: number (varint), type, column
//! type     1 byte; decimal: precision (1), scale (1); array: type of the items; map: of keys, of values; struct: fields (varint), per field
//!          name (text), may be NULL (1), type
//! column   00: no NULLs, values; 01: some, a bit per row, 1 for a value, lowest first, values of those; 02: only NULLs
//! values   integers, booleans, decimals, dates, times: numbers
//!          floats: 4 or 8 bytes each; intervals: numbers of months, of days, of microseconds
//!          texts and blobs: numbers, their lengths; then their bytes
//!          arrays and maps: numbers, their lengths; then a column of all items; structs: a column per field
//! numbers  the least (wide signed varint), bytes per number (1: 0, 1, 2, 4, 8 or 16), per number its distance from that
//! ```
//!
//! Invariants: what is decoded has the type's own Arrow type and satisfies it. Decoding never panics, and takes no more
//! memory than the bytes account for, but for constants: of those there are as many as the caller allows rows.
//!
//! Does not: compress; the packs do.

mod read;

use std::mem::discriminant;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{filter, is_not_null};
use arrow::datatypes::{self as dt, DataType};

use super::cell::write_wide;
use super::given;
use super::rows::{Content, Rows};
use crate::formats::integers;
use crate::store::wire::{Malformed, Reader, write_bytes, write_varint};
use crate::types::{Field, LogicalType, Physical};

pub(super) use read::{decode, decode_all};

const VERSION: u8 = 1;
/// No block has more rows.
pub(super) const MAX_ROWS: usize = 1 << 20;

pub(super) const NO_NULLS: u8 = 0;
pub(super) const SOME_NULLS: u8 = 1;
pub(super) const ONLY_NULLS: u8 = 2;

/// The bytes of some rows; the error says what cannot be stored.
pub(super) fn encode(rows: &Rows) -> Result<Vec<u8>, String> {
    let mut out = vec![VERSION];
    write_varint(&mut out, rows.len as u64);
    write_varint(&mut out, rows.columns.len() as u64);
    for column in &rows.columns {
        write_varint(&mut out, column.no.0.into());
        write_type(&mut out, &column.ty);
        match &column.content {
            Content::Array(array) => write_column(&mut out, array, &column.ty)?,
            Content::Given(values) => given::write_column(&mut out, values),
        }
    }
    Ok(out)
}

// ---------------------------------------------------------------- types

/// Types without parameters, by their tags.
const PLAIN_TYPES: [LogicalType; 22] = [
    LogicalType::Null,
    LogicalType::Boolean,
    LogicalType::TinyInt,
    LogicalType::SmallInt,
    LogicalType::Integer,
    LogicalType::BigInt,
    LogicalType::HugeInt,
    LogicalType::UTinyInt,
    LogicalType::USmallInt,
    LogicalType::UInteger,
    LogicalType::UBigInt,
    LogicalType::Real,
    LogicalType::Double,
    LogicalType::String,
    LogicalType::Blob,
    LogicalType::Date,
    LogicalType::Time,
    LogicalType::Timestamp,
    LogicalType::TimestampTz,
    LogicalType::Interval,
    LogicalType::Uuid,
    LogicalType::Json,
];
const DECIMAL: u8 = 0x20;
const ARRAY: u8 = 0x21;
const STRUCT: u8 = 0x22;
const MAP: u8 = 0x23;
/// Types nest no deeper.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn write_type(out: &mut Vec<u8>, ty: &LogicalType) {
    match ty {
        LogicalType::Decimal { precision, scale } => out.extend([DECIMAL, *precision, *scale]),
        LogicalType::Array(item) => {
            out.push(ARRAY);
            write_type(out, item);
        }
        LogicalType::Map(of) => {
            out.push(MAP);
            write_type(out, &of.0);
            write_type(out, &of.1);
        }
        LogicalType::Struct(fields) => {
            out.push(STRUCT);
            write_varint(out, fields.len() as u64);
            for field in fields {
                write_bytes(out, field.name.as_bytes());
                out.push(field.nullable.into());
                write_type(out, &field.ty);
            }
        }
        // The table says which labels there are, and the numbers read as any.
        LogicalType::Enum(_) if ty.physical() == Physical::I8 => write_type(out, &LogicalType::TinyInt),
        LogicalType::Enum(_) => write_type(out, &LogicalType::SmallInt),
        plain => {
            let same = |known: &LogicalType| discriminant(known) == discriminant(plain);
            let tag = PLAIN_TYPES.iter().position(same).unwrap_or_default();
            out.push(tag as u8);
        }
    }
}

pub(super) fn read_type(reader: &mut Reader<'_>, depth: usize) -> Result<LogicalType, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed("a type is nested too deeply"));
    }
    Ok(match reader.byte()? {
        DECIMAL => {
            let (precision, scale) = (reader.byte()?, reader.byte()?);
            if !(1..=38).contains(&precision) || scale > precision {
                return Err(Malformed("a decimal's precision is impossible"));
            }
            LogicalType::Decimal { precision, scale }
        }
        ARRAY => LogicalType::Array(Box::new(read_type(reader, depth + 1)?)),
        MAP => {
            let key = read_type(reader, depth + 1)?;
            LogicalType::Map(Box::new((key, read_type(reader, depth + 1)?)))
        }
        STRUCT => {
            let count = reader.size()?;
            let mut fields = Vec::with_capacity(count.min(reader.left()));
            for _ in 0..count {
                let (name, nullable) = (reader.text()?, reader.byte()? != 0);
                let ty = read_type(reader, depth + 1)?;
                fields.push(Field { name, ty, nullable });
            }
            LogicalType::Struct(fields)
        }
        tag => {
            let known = PLAIN_TYPES.get(usize::from(tag));
            known.cloned().ok_or(Malformed("a type is unknown"))?
        }
    })
}

// ---------------------------------------------------------------- columns

fn write_column(out: &mut Vec<u8>, array: &ArrayRef, ty: &LogicalType) -> Result<(), String> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let Some(nulls) = nulls else {
        out.push(NO_NULLS);
        return write_values(out, array, ty);
    };
    if nulls.null_count() == array.len() {
        out.push(ONLY_NULLS);
        return Ok(());
    }
    out.push(SOME_NULLS);
    let mut bits = vec![0_u8; array.len().div_ceil(8)];
    nulls.valid_indices().for_each(|row| bits[row / 8] |= 1 << (row % 8));
    out.extend(bits);
    let failed = |error: arrow::error::ArrowError| error.to_string();
    let valid = is_not_null(array).map_err(failed)?;
    write_values(out, &filter(array, &valid).map_err(failed)?, ty)
}

fn write_values(out: &mut Vec<u8>, array: &ArrayRef, ty: &LogicalType) -> Result<(), String> {
    match array.data_type() {
        DataType::Null => {}
        DataType::Float32 => {
            let values = array.as_primitive::<dt::Float32Type>().values();
            values.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        DataType::Float64 => {
            let values = array.as_primitive::<dt::Float64Type>().values();
            values.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        DataType::Utf8View => {
            let texts = array.as_string_view();
            write_texts(out, (0..texts.len()).map(|row| texts.value(row).as_bytes()));
        }
        DataType::BinaryView => {
            let blobs = array.as_binary_view();
            write_texts(out, (0..blobs.len()).map(|row| blobs.value(row)));
        }
        DataType::Interval(_) => {
            let parts = array.as_primitive::<dt::IntervalMonthDayNanoType>().values();
            write_numbers(out, parts.iter().map(|part| part.months.into()));
            write_numbers(out, parts.iter().map(|part| part.days.into()));
            write_numbers(out, parts.iter().map(|part| (part.nanoseconds / 1000).into()));
        }
        DataType::List(_) => {
            let LogicalType::Array(item) = &*ty.laid_out() else {
                return Err(format!("a list where {ty} was expected"));
            };
            let lists = array.as_list::<i32>();
            let offsets = lists.offsets();
            let lengths: Vec<i128> = offsets.lengths().map(|len| len as i128).collect();
            write_numbers(out, lengths.iter().copied());
            let first = usize::try_from(offsets.first().copied().unwrap_or(0)).unwrap_or(0);
            let items = lengths.iter().sum::<i128>();
            let items = lists.values().slice(first, usize::try_from(items).unwrap_or(0));
            write_column(out, &items, item)?;
        }
        DataType::Struct(_) => {
            let LogicalType::Struct(fields) = ty else {
                return Err(format!("a struct where {ty} was expected"));
            };
            for (column, field) in array.as_struct().columns().iter().zip(fields) {
                write_column(out, column, &field.ty)?;
            }
        }
        _ => write_numbers(out, integers(array)?.iter().copied()),
    }
    Ok(())
}

pub(super) fn write_texts<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a [u8]> + Clone) {
    write_numbers(out, texts.clone().map(|text| text.len() as i128));
    texts.for_each(|text| out.extend(text));
}

/// Numbers as their distances from the least.
pub(super) fn write_numbers(out: &mut Vec<u8>, values: impl Iterator<Item = i128> + Clone) {
    let mut bounds = values.clone();
    let first = bounds.next().unwrap_or(0);
    let (least, most) = bounds.fold((first, first), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    let span = most.wrapping_sub(least).cast_unsigned();
    let bytes = span
        .checked_ilog2()
        .map_or(0, |bits| (bits / 8 + 1).next_power_of_two() as usize);
    write_wide(out, least);
    out.push(bytes as u8);
    for value in values {
        out.extend(&value.wrapping_sub(least).to_le_bytes()[..bytes]);
    }
}

#[cfg(test)]
mod tests;
