//! Blocks read: the rows of one, or of several together.
//!
//! Of three blocks of a row (int, string) each, the numbers are read into one vector and the texts into another, and become arrays of three
//! values: an array for each block would cost more than all that is in it.
//!
//! Invariants: those of [`super`], whatever the bytes are.
//!
//! Does not: read files.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Float32Array, Float64Array, ListArray, StringViewArray,
    StructArray, UInt32Array, new_empty_array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field as ArrowField};

use super::super::cell::{index, read_wide};
use super::super::rows::{Column, Rows};
use super::{MAX_ROWS, NO_NULLS, ONLY_NULLS, SOME_NULLS, VERSION, read_type};
use crate::catalog::ColumnNo;
use crate::store::wire::{Malformed, Reader};
use crate::types::LogicalType;
use crate::types::array::{intervals_to_array, ints_to_array};
use crate::types::arrow::{arrow_field, to_arrow};

/// What [`encode`] wrote.
pub(in crate::store::table) fn decode(bytes: &[u8]) -> Result<Rows, String> {
    let mut rows = decode_all(std::iter::once(bytes))?;
    rows.pop().ok_or_else(|| "there is no block".into())
}

/// The rows of several blocks, in their order; those of neighbours with the same columns are put together.
pub(in crate::store::table) fn decode_all<'b>(blocks: impl Iterator<Item = &'b [u8]>) -> Result<Vec<Rows>, String> {
    let mut all: Vec<Gathered<'b>> = Vec::new();
    for bytes in blocks {
        let mut reader = Reader::new(bytes);
        let (len, count) = read_head(&mut reader)?;
        let mut beyond = reader.clone();
        let joins = match all.last_mut() {
            Some(last) => last.add(&mut beyond, len, count)?,
            None => false,
        };
        match joins {
            true => reader = beyond,
            false => all.push(Gathered::read(&mut reader, len, count)?),
        }
        text(reader.finish())?;
    }
    all.into_iter().map(Gathered::finish).collect()
}

fn text<T>(result: Result<T, Malformed>) -> Result<T, String> {
    result.map_err(|Malformed(what)| what.to_string())
}

/// How many rows and columns there are.
fn read_head(reader: &mut Reader<'_>) -> Result<(usize, usize), String> {
    if text(reader.byte())? != VERSION {
        return Err("a block has an unknown version".into());
    }
    let len = text(reader.size())?;
    if len > MAX_ROWS {
        return Err("a block has too many rows".into());
    }
    Ok((len, text(reader.size())?))
}

fn read_column_head(reader: &mut Reader<'_>) -> Result<(ColumnNo, LogicalType), String> {
    let no = u32::try_from(text(reader.varint())?).map_err(|_| "a column's number is too large")?;
    Ok((ColumnNo(no), text(read_type(reader, 0))?))
}

/// Rows of blocks that have the same columns.
struct Gathered<'b> {
    len: usize,
    columns: Vec<GatheredColumn<'b>>,
}

/// A column of them: arrays, and behind those values without a NULL.
struct GatheredColumn<'b> {
    no: ColumnNo,
    ty: LogicalType,
    arrays: Vec<ArrayRef>,
    plain: Option<Plain<'b>>,
}

impl<'b> Gathered<'b> {
    fn read(reader: &mut Reader<'b>, len: usize, count: usize) -> Result<Self, String> {
        let mut columns = Vec::with_capacity(count.min(reader.left()));
        for _ in 0..count {
            let (no, ty) = read_column_head(reader)?;
            let mut column = GatheredColumn {
                no,
                arrays: Vec::new(),
                plain: Plain::of(&ty),
                ty,
            };
            column.add(reader, len)?;
            columns.push(column);
        }
        Ok(Self { len, columns })
    }

    /// Adds the rows of a block, if it has the same columns.
    fn add(&mut self, reader: &mut Reader<'b>, len: usize, count: usize) -> Result<bool, String> {
        if len == 0 || count != self.columns.len() || self.len + len > MAX_ROWS {
            return Ok(false);
        }
        for at in 0..count {
            let (no, ty) = read_column_head(reader)?;
            match self
                .columns
                .get_mut(at)
                .filter(|known| known.no == no && known.ty == ty)
            {
                Some(column) => column.add(reader, len)?,
                None => {
                    self.columns
                        .iter_mut()
                        .take(at)
                        .for_each(|column| column.take_back(len));
                    return Ok(false);
                }
            }
        }
        self.len += len;
        Ok(true)
    }

    fn finish(self) -> Result<Rows, String> {
        let columns = self.columns.into_iter().map(GatheredColumn::finish);
        let columns = columns.collect::<Result<_, _>>()?;
        let (len, kept) = (self.len, None);
        Ok(Rows { len, columns, kept })
    }
}

impl<'b> GatheredColumn<'b> {
    fn add(&mut self, reader: &mut Reader<'b>, rows: usize) -> Result<(), String> {
        let form = text(reader.byte())?;
        if let (Some(plain), NO_NULLS) = (&mut self.plain, form) {
            return plain.read(reader, rows);
        }
        self.settle()?;
        self.arrays.push(read_column_of(form, reader, &self.ty, rows)?);
        Ok(())
    }

    /// Takes back the rows that were added last.
    fn take_back(&mut self, rows: usize) {
        match &mut self.plain {
            Some(plain) if plain.len() > 0 => plain.truncate(plain.len() - rows),
            _ => drop(self.arrays.pop()),
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        if let Some(plain) = self.plain.as_mut().filter(|plain| plain.len() > 0) {
            self.arrays.push(plain.array(&self.ty)?);
            plain.truncate(0);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Column, String> {
        self.settle()?;
        let array = match self.arrays.as_slice() {
            [only] => Arc::clone(only),
            [] => new_empty_array(&to_arrow(&self.ty)),
            several => {
                let several: Vec<&dyn Array> = several.iter().map(|array| &**array).collect();
                concat(&several).map_err(|error| error.to_string())?
            }
        };
        let (no, ty) = (self.no, self.ty);
        Ok(Column::new(no, ty, array))
    }
}

/// Values of a type that is one number or one text each.
enum Plain<'b> {
    Reals(Vec<f32>),
    Doubles(Vec<f64>),
    Texts(Vec<&'b [u8]>),
    Numbers(Vec<i128>),
}

impl<'b> Plain<'b> {
    fn of(ty: &LogicalType) -> Option<Self> {
        Some(match ty {
            LogicalType::Real => Self::Reals(Vec::new()),
            LogicalType::Double => Self::Doubles(Vec::new()),
            LogicalType::String | LogicalType::Blob | LogicalType::Json => Self::Texts(Vec::new()),
            LogicalType::Null | LogicalType::Interval => return None,
            LogicalType::Array(_) | LogicalType::Map(_) | LogicalType::Struct(_) => return None,
            _ => Self::Numbers(Vec::new()),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Reals(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Numbers(values) => values.len(),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Reals(values) => values.truncate(len),
            Self::Doubles(values) => values.truncate(len),
            Self::Texts(values) => values.truncate(len),
            Self::Numbers(values) => values.truncate(len),
        }
    }

    /// Reads more of them.
    fn read(&mut self, reader: &mut Reader<'b>, rows: usize) -> Result<(), String> {
        match self {
            Self::Reals(values) => {
                let (bytes, _) = text(reader.take(rows.saturating_mul(4)))?.as_chunks::<4>();
                values.extend(bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            Self::Doubles(values) => {
                let (bytes, _) = text(reader.take(rows.saturating_mul(8)))?.as_chunks::<8>();
                values.extend(bytes.iter().map(|bytes| f64::from_le_bytes(*bytes)));
            }
            Self::Texts(values) => read_texts(reader, rows, values)?,
            Self::Numbers(values) => read_numbers(reader, rows, values)?,
        }
        Ok(())
    }

    fn array(&self, ty: &LogicalType) -> Result<ArrayRef, String> {
        Ok(match (self, ty) {
            (Self::Reals(values), _) => Arc::new(Float32Array::from(values.clone())),
            (Self::Doubles(values), _) => Arc::new(Float64Array::from(values.clone())),
            (Self::Texts(values), LogicalType::Blob) => Arc::new(BinaryViewArray::from_iter_values(values)),
            (Self::Texts(values), _) => {
                let texts = values.iter().map(|bytes| std::str::from_utf8(bytes));
                let texts: Vec<_> = texts.collect::<Result<_, _>>().map_err(|_| "a text is not UTF-8")?;
                Arc::new(StringViewArray::from_iter_values(texts))
            }
            (Self::Numbers(values), LogicalType::Boolean) => {
                Arc::new(BooleanArray::from_iter(values.iter().map(|value| Some(*value != 0))))
            }
            (Self::Numbers(values), ty) => ints_to_array(values, ty)?,
        })
    }
}

fn read_column(reader: &mut Reader<'_>, ty: &LogicalType, rows: usize) -> Result<ArrayRef, String> {
    let form = text(reader.byte())?;
    read_column_of(form, reader, ty, rows)
}

fn read_column_of(form: u8, reader: &mut Reader<'_>, ty: &LogicalType, rows: usize) -> Result<ArrayRef, String> {
    match form {
        NO_NULLS => read_values(reader, ty, rows),
        ONLY_NULLS => Ok(new_null_array(&to_arrow(ty), rows)),
        SOME_NULLS => {
            let bits = text(reader.take(rows.div_ceil(8)))?;
            let mut valid = 0;
            let indices = (0..rows).map(|row| {
                let is_valid = bits[row / 8] >> (row % 8) & 1 == 1;
                is_valid.then(|| {
                    valid += 1;
                    index(valid - 1)
                })
            });
            let indices = UInt32Array::from_iter(indices);
            let values = read_values(reader, ty, valid)?;
            take(&values, &indices, None).map_err(|error| error.to_string())
        }
        _ => Err("a column has an unknown form".into()),
    }
}

fn read_values(reader: &mut Reader<'_>, ty: &LogicalType, rows: usize) -> Result<ArrayRef, String> {
    if let Some(mut plain) = Plain::of(ty) {
        plain.read(reader, rows)?;
        return plain.array(ty);
    }
    Ok(match ty {
        LogicalType::Interval => {
            let mut part = || {
                let mut values = Vec::new();
                read_numbers(reader, rows, &mut values).map(|()| values)
            };
            intervals_to_array(&part()?, &part()?, &part()?)?
        }
        LogicalType::Map(_) => read_values(reader, &ty.laid_out(), rows)?,
        LogicalType::Array(item) => {
            let lengths = read_lengths(reader, rows)?;
            let items = lengths.iter().sum::<usize>();
            if items > MAX_ROWS {
                return Err("an array has too many items".into());
            }
            let items = read_column(reader, item, items)?;
            let field = Arc::new(ArrowField::new_list_field(to_arrow(item), true));
            let list = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, None);
            Arc::new(list.map_err(|error| error.to_string())?)
        }
        LogicalType::Struct(fields) => {
            let columns = fields.iter().map(|field| read_column(reader, &field.ty, rows));
            let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
            let fields = fields.iter().map(arrow_field).collect();
            let array = StructArray::try_new_with_length(fields, columns, None, rows);
            Arc::new(array.map_err(|error| error.to_string())?)
        }
        LogicalType::Null => new_null_array(&DataType::Null, rows),
        other => return Err(format!("values of the type {other} are not stored so")),
    })
}

fn read_texts<'a>(reader: &mut Reader<'a>, rows: usize, into: &mut Vec<&'a [u8]>) -> Result<(), String> {
    let lengths = read_lengths(reader, rows)?;
    into.reserve(lengths.len());
    for len in lengths {
        into.push(text(reader.take(len))?);
    }
    Ok(())
}

fn read_lengths(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<usize>, String> {
    let mut numbers = Vec::new();
    read_numbers(reader, rows, &mut numbers)?;
    // What one block can have in all, so that sums do not overflow.
    let length = |number: i128| usize::try_from(number).ok().filter(|len| *len <= u32::MAX as usize);
    let lengths: Option<Vec<_>> = numbers.into_iter().map(length).collect();
    lengths.ok_or_else(|| "a length is impossible".into())
}

fn read_numbers(reader: &mut Reader<'_>, rows: usize, into: &mut Vec<i128>) -> Result<(), String> {
    let least = text(read_wide(reader))?;
    let width = usize::from(text(reader.byte())?);
    if width == 0 {
        into.resize(into.len() + rows, least);
        return Ok(());
    }
    if !matches!(width, 1 | 2 | 4 | 8 | 16) {
        return Err("a number's width is impossible".into());
    }
    let bytes = text(reader.take(rows.saturating_mul(width)))?;
    let number = |bytes: &[u8]| {
        let mut wide = [0; 16];
        wide[..width].copy_from_slice(bytes);
        least.wrapping_add(i128::from_le_bytes(wide))
    };
    into.extend(bytes.chunks_exact(width).map(number));
    Ok(())
}
