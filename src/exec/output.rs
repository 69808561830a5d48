//! Batches: column buffers that kernels write, and the Arrow arrays that they become.
//!
//! A sink of `c_name, revenue` has one buffer of 16-byte views and one of 16-byte integers, each with room for a few blocks, and a
//! byte per row for NULL.
//!
//! Invariants: an array owns everything that it refers to: texts, and the parts of arrays and structs, are copied out of chunks
//! and arenas when a batch is made.
//!
//! Does not: sort.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::array::{
    Array, ArrayRef, BooleanArray, ListArray, RecordBatch, RecordBatchOptions, StructArray, make_array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field as ArrowField, Fields, SchemaRef};

use super::ExecError;
use super::frame::Frame;
use super::host::text_of;
use super::memory::{Block, Budget};
use super::nested;
use crate::compile::BLOCK_ROWS;
use crate::compile::frame::Slot;
use crate::types::arrow::{arrow_field, to_arrow};
use crate::types::nested::{ELEMENTS_AT, NestedLayout};
use crate::types::{Field, LogicalType, Physical};

/// Column buffers of a sink.
#[derive(Debug)]
pub struct Output {
    columns: Vec<(Block, Block)>,
    /// Bytes of a value of each.
    widths: Vec<usize>,
    capacity: usize,
    /// With more rows it is full.
    limit: usize,
    /// Rows written.
    pub rows: usize,
}

/// Who takes memory for batches.
pub const OPERATOR: &str = "result batch";
/// Some batches wait for their reader, so none takes much more than this.
pub const BATCH_BYTES: usize = 4 << 20;
/// What is not needed of a batch's rows, so that a column of eight bytes a value stays below a step of [`super::memory::taken`].
const SPARE_ROWS: usize = 8;
/// Room is made for so many rows at least: kernels write several at once.
const LEAST_ROWS: usize = 64;

impl Output {
    /// For batches of about `batch_rows`; fewer, if the rows are wide. It has no room yet.
    pub fn new(fields: &[Field], batch_rows: usize, budget: &Arc<Budget>) -> Result<Self, ExecError> {
        let widths: Vec<usize> = fields.iter().map(|field| field.ty.physical().bytes()).collect();
        let row_bytes: usize = widths.iter().map(|width| width + 1).sum();
        let wide = (BATCH_BYTES / row_bytes.max(1)).max(BLOCK_ROWS);
        let batch_rows = match batch_rows > 4 * BLOCK_ROWS {
            true => batch_rows - BLOCK_ROWS - SPARE_ROWS,
            false => batch_rows,
        };
        let mut columns = Vec::with_capacity(fields.len());
        for _ in fields {
            let values = Block::zeroed(0, budget, OPERATOR)?;
            columns.push((values, Block::zeroed(0, budget, OPERATOR)?));
        }
        Ok(Self {
            columns,
            widths,
            capacity: 0,
            limit: batch_rows.min(wide),
            rows: 0,
        })
    }

    /// Makes room for more rows: most results have few, and memory that nobody writes to is not worth zeroing.
    pub fn make_room(&mut self, count: usize, budget: &Arc<Budget>) -> Result<(), ExecError> {
        let needed = self.rows + count;
        if needed <= self.capacity {
            return Ok(());
        }
        let most = (self.limit + BLOCK_ROWS).max(needed);
        let capacity = (self.capacity * 2).min(most).max(needed);
        let capacity = capacity.next_multiple_of(LEAST_ROWS);
        let columns = std::mem::take(&mut self.columns).into_iter().zip(&self.widths);
        for ((values, validity), width) in columns {
            let values = values.grown(capacity * width, budget, OPERATOR)?;
            self.columns.push((values, validity.grown(capacity, budget, OPERATOR)?));
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Points the frame's slots to the buffers.
    pub fn attach(&self, frame: &mut Frame) {
        for (column, (values, validity)) in self.columns.iter().enumerate() {
            frame.set(Slot::Out { column }, values.address() as u64);
            frame.set(Slot::OutValidity { column }, validity.address() as u64);
        }
        frame.set(Slot::OutPosition, self.rows as u64);
    }

    /// Whether it is time for a batch.
    pub fn is_full(&self) -> bool {
        self.rows > self.limit
    }

    /// Calls `see` with the bytes of each value of a column (of `width` bytes each) that is not NULL, for the next `count` rows.
    pub fn each_valid(&self, column: usize, width: usize, count: usize, mut see: impl FnMut(&[u8])) {
        let Some((values, validity)) = self.columns.get(column) else {
            return;
        };
        let rows = self.rows..self.rows + count;
        let values = values.as_slice::<u8>()[rows.start * width..].chunks_exact(width);
        for (value, valid) in values.zip(&validity.as_slice::<u8>()[rows]) {
            if *valid != 0 {
                see(value);
            }
        }
    }

    /// The first of the rows from `start` on that would make the batch of those before it larger than `most`; and the bytes that are
    /// copied for these.
    pub fn end_of_part(&self, fields: &[Field], start: usize, most: usize) -> (usize, usize) {
        let is_own = |ty: &LogicalType| ty.is_nested() || ty.physical() == Physical::Str;
        let columns = self.columns.iter().zip(fields).filter(|(_, field)| is_own(&field.ty));
        let columns: Vec<OwnColumn<'_>> = columns
            .map(|((values, validity), field)| OwnColumn {
                values: values.as_slice(),
                validity: validity.as_slice(),
                width: field.ty.physical().bytes(),
                layout: NestedLayout::of(&field.ty),
            })
            .collect();
        if columns.is_empty() {
            return (self.rows, 0);
        }
        let mut bytes = 0_usize;
        for row in start..self.rows {
            let more = columns.iter().map(|column| column.bytes(row, most));
            let more = more.fold(0_usize, usize::saturating_add);
            if row > start && bytes.saturating_add(more) > most {
                return (row, bytes);
            }
            bytes = bytes.saturating_add(more);
        }
        (self.rows, bytes)
    }

    /// Makes a batch of some of the rows that were written.
    pub fn part(&self, rows: Range<usize>, fields: &[Field], schema: &SchemaRef) -> Result<RecordBatch, ExecError> {
        let arrays = self.columns.iter().zip(fields).map(|((values, validity), field)| {
            let valid = &validity.as_slice::<u8>()[rows.clone()];
            let width = field.ty.physical().bytes();
            let bytes = &values.as_slice::<u8>()[rows.start * width..rows.end * width];
            array(&field.ty, bytes, valid)
        });
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_, _>>()?;
        let rows = rows.len();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .map_err(|e| ExecError::internal(&format!("a batch does not fit its schema: {e}")))
    }
}

/// A column whose values refer to bytes that a batch has copies of.
struct OwnColumn<'o> {
    values: &'o [u8],
    validity: &'o [u8],
    width: usize,
    layout: Option<NestedLayout>,
}

impl OwnColumn<'_> {
    /// What the value of a row takes beside its own place; an array or a struct is counted up to `most`.
    fn bytes(&self, row: usize, most: usize) -> usize {
        let value = self.values.get(row * self.width..).unwrap_or_default();
        match &self.layout {
            _ if self.validity.get(row) == Some(&0) => 0,
            Some(layout) => {
                let object = u64::from_le_bytes(*value.first_chunk().unwrap_or(&[0; 8])) as *const u8;
                // SAFETY: a valid address that a kernel wrote is that of an object of its column's type.
                unsafe { nested::weight(object, layout, (COPIED_BYTES, most)) }
            }
            None => match u32::from_le_bytes(*value.first_chunk().unwrap_or(&[0; 4])) as usize {
                0..=12 => 0,
                length => length,
            },
        }
    }
}

/// What a value takes on its way into an array, about.
const COPIED_BYTES: usize = 16;

/// The lists at these addresses; texts and elements are copied out of the objects.
fn lists(item: &LogicalType, bytes: &[u8], valid: &[u8], nulls: Option<NullBuffer>) -> Result<ArrayRef, ExecError> {
    let stride = item.physical().bytes();
    let mut offsets = Vec::with_capacity(valid.len() + 1);
    let (mut values, mut flags) = (Vec::new(), Vec::new());
    offsets.push(0i32);
    for object in objects(bytes, valid) {
        if let Some(object) = object {
            // SAFETY: a valid address that a kernel wrote is that of an array whose elements have this stride.
            let (elements, validity) = unsafe {
                let length = nested::length(object);
                let start = object.add(ELEMENTS_AT);
                (
                    std::slice::from_raw_parts(start, length * stride),
                    std::slice::from_raw_parts(start.add(nested::room(object) * stride), length),
                )
            };
            values.extend_from_slice(elements);
            flags.extend_from_slice(validity);
        }
        offsets.push(
            i32::try_from(flags.len()).map_err(|_| {
                ExecError::resource("the arrays of one batch hold more than two billion elements".into())
            })?,
        );
    }
    let child = array(item, &values, &flags)?;
    let field = Arc::new(ArrowField::new_list_field(child.data_type().clone(), true));
    let offsets = OffsetBuffer::new(offsets.into());
    let list = ListArray::try_new(field, offsets, child, nulls);
    list.map(|list| Arc::new(list) as ArrayRef).map_err(misfit)
}

/// The structs at these addresses.
fn structs(ty: &LogicalType, bytes: &[u8], valid: &[u8], nulls: Option<NullBuffer>) -> Result<ArrayRef, ExecError> {
    let (LogicalType::Struct(fields), Some(NestedLayout::Struct { fields: places, .. })) = (ty, NestedLayout::of(ty))
    else {
        return Err(ExecError::internal("a struct column without fields"));
    };
    let mut children = Vec::with_capacity(fields.len());
    for (i, (field, place)) in fields.iter().zip(&places).enumerate() {
        let width = place.shape.bytes();
        let mut values = Vec::with_capacity(valid.len() * width);
        let mut flags = Vec::with_capacity(valid.len());
        for object in objects(bytes, valid) {
            // SAFETY: a valid address that a kernel wrote is that of a struct of this layout.
            let part = object.and_then(|object| unsafe { nested::field(object, place.offset, i) });
            flags.push(u8::from(part.is_some()));
            match part {
                // SAFETY: a field lies within its object.
                Some(at) => values.extend_from_slice(unsafe { std::slice::from_raw_parts(at, width) }),
                None => values.resize(values.len() + width, 0),
            }
        }
        children.push(array(&field.ty, &values, &flags)?);
    }
    let arrow_fields: Fields = fields.iter().map(arrow_field).collect();
    StructArray::try_new_with_length(arrow_fields, children, nulls, valid.len())
        .map(|structs| Arc::new(structs) as ArrayRef)
        .map_err(misfit)
}

/// The objects of a column of addresses; `None` where the row is NULL.
fn objects<'a>(bytes: &'a [u8], valid: &'a [u8]) -> impl Iterator<Item = Option<*const u8>> + 'a {
    bytes.chunks_exact(8).zip(valid).map(|(chunk, valid)| {
        let address = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        (*valid != 0 && address != 0).then_some(address as *const u8)
    })
}

fn misfit(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("a nested column does not fit its type: {error}"))
}

/// A column of values in their natural layout.
pub fn array(ty: &LogicalType, bytes: &[u8], valid: &[u8]) -> Result<ArrayRef, ExecError> {
    let rows = valid.len();
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows, |i| valid[i] != 0));
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    match ty {
        LogicalType::Map(of) => return lists(&LogicalType::entry(of), bytes, valid, nulls),
        LogicalType::Array(item) => return lists(item, bytes, valid, nulls),
        LogicalType::Struct(_) => return structs(ty, bytes, valid, nulls),
        _ => {}
    }
    let physical = ty.physical();
    let ty = to_arrow(ty);
    match &ty {
        DataType::Null => return Ok(new_null_array(&ty, rows)),
        DataType::Boolean => {
            let bits = BooleanBuffer::collect_bool(rows, |i| bytes[i] != 0);
            return Ok(Arc::new(BooleanArray::new(bits, nulls)));
        }
        _ => {}
    }
    let mut buffers = Vec::new();
    let first = match (&ty, physical) {
        (_, Physical::Str) => {
            let (views, texts) = own_texts(bytes, valid);
            buffers.extend(texts);
            Buffer::from_vec(views)
        }
        (_, Physical::Interval) => intervals(bytes, rows),
        (DataType::UInt8, _) => narrowed::<i16, u8>(bytes, rows, |v| v as u8),
        (DataType::UInt16, _) => narrowed::<i32, u16>(bytes, rows, |v| v as u16),
        (DataType::UInt32, _) => narrowed::<i64, u32>(bytes, rows, |v| v as u32),
        (DataType::UInt64, _) => narrowed::<i128, u64>(bytes, rows, |v| v as u64),
        (DataType::Decimal128(_, _), Physical::I64) => narrowed::<i64, i128>(bytes, rows, i128::from),
        _ => Buffer::from_slice_ref(&bytes[..rows * physical.bytes()]),
    };
    buffers.insert(0, first);
    let data = ArrayData::builder(ty).len(rows).nulls(nulls).buffers(buffers).build();
    data.map(make_array)
        .map_err(|e| ExecError::internal(&format!("a column does not fit its type: {e}")))
}

/// Reads integers of one width and gives another.
fn narrowed<A: Bytes, B: arrow::datatypes::ArrowNativeType>(bytes: &[u8], rows: usize, f: impl Fn(A) -> B) -> Buffer {
    let size = size_of::<A>();
    let values: Vec<B> = bytes[..rows * size]
        .chunks_exact(size)
        .map(|chunk| f(A::read(chunk)))
        .collect();
    Buffer::from_vec(values)
}

trait Bytes {
    fn read(chunk: &[u8]) -> Self;
}

macro_rules! bytes {
    ($($ty:ty),*) => {$(
        impl Bytes for $ty {
            fn read(chunk: &[u8]) -> Self {
                let mut bytes = [0; size_of::<$ty>()];
                bytes.copy_from_slice(chunk);
                <$ty>::from_le_bytes(bytes)
            }
        }
    )*};
}
bytes!(i16, i32, i64, i128);

/// Months, days and microseconds become months, days and nanoseconds.
fn intervals(bytes: &[u8], rows: usize) -> Buffer {
    narrowed::<i128, i128>(bytes, rows, |v| {
        let bits = v.cast_unsigned();
        let micros = ((bits >> 64) as u64).cast_signed();
        let nanos = micros.saturating_mul(1000).cast_unsigned();
        ((bits & u128::from(u64::MAX)) | (u128::from(nanos) << 64)).cast_signed()
    })
}

/// Most bytes in one text buffer of an Arrow view array.
const TEXT_BUFFER_BYTES: usize = 1 << 30;

/// Copies long texts together; views refer to them by buffer and offset.
fn own_texts(bytes: &[u8], valid: &[u8]) -> (Vec<u128>, Vec<Buffer>) {
    let mut views = Vec::with_capacity(valid.len());
    let mut texts: Vec<Buffer> = Vec::new();
    let long = |(chunk, valid): (&[u8], &u8)| match chunk.first_chunk() {
        Some(len) if *valid != 0 => Some(u32::from_le_bytes(*len) as usize).filter(|len| *len > 12),
        _ => None,
    };
    let total: usize = bytes.chunks_exact(16).zip(valid).filter_map(long).sum();
    let mut text: Vec<u8> = Vec::with_capacity(total.min(TEXT_BUFFER_BYTES));
    for (chunk, valid) in bytes.chunks_exact(16).zip(valid) {
        let view = u128::from_le_bytes(chunk.try_into().unwrap_or_default());
        let len = view as u32 as usize;
        if *valid == 0 {
            views.push(0);
        } else if len <= 12 {
            views.push(view);
        } else {
            // SAFETY: a valid view that a kernel wrote points to text that the query keeps alive until the batch is made.
            let source = unsafe { text_of(chunk.as_ptr()) };
            if text.len() + len > TEXT_BUFFER_BYTES {
                texts.push(Buffer::from_vec(std::mem::take(&mut text)));
            }
            let place = (texts.len() as u128) << 64 | (text.len() as u128) << 96;
            views.push(view & u128::from(u64::MAX) | place);
            text.extend_from_slice(source);
        }
    }
    if !text.is_empty() {
        texts.push(Buffer::from_vec(text));
    }
    (views, texts)
}
