//! Arrow arrays into column chunks, whatever the file format.
//!
//! A `Decimal128Array` of unscaled values 100…5000 whose layout is `Plain(I16)` becomes 2 bytes per row; a `StringArray`
//! becomes views into its own buffer.
//!
//! Invariants: a chunk returned satisfies its [`Target`] (range, NULLs, dictionary); rows that are NULL hold zeros.
//!
//! Does not: choose layouts or know files; errors are plain texts that the caller pins to a file.

mod ints;
mod nested;
mod strings;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer};
use arrow::datatypes::{DataType, IntervalUnit};

use crate::types::{ColumnChunk, Layout, LogicalType, Physical, arrow::to_arrow};

pub(crate) use ints::{Wide, narrow, widen, zero_nulls};
pub(crate) use strings::dictionary_codes;

/// What a column's chunks must be.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Type of the column.
    pub ty: LogicalType,
    /// How it is stored.
    pub layout: Layout,
    /// Range promised for integer-like values.
    pub range: Option<(i128, i128)>,
    /// Range promised for floats.
    pub float_range: Option<(f64, f64)>,
    /// Promised to hold no NULL.
    pub not_null: bool,
}

impl Target {
    /// The type's natural layout, and nothing promised beyond the type.
    pub fn natural(ty: &LogicalType) -> Self {
        Self {
            ty: ty.clone(),
            layout: Layout::Plain(ty.physical()),
            range: ty.stored_range(),
            float_range: None,
            not_null: false,
        }
    }
}

/// Converts an array; the error says what the data break.
pub(crate) fn chunk_from_arrow(array: &ArrayRef, target: &Target) -> Result<ColumnChunk, String> {
    let array = &flatten(array, &target.ty)?;
    let rows = array.len();
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    if target.not_null && nulls.is_some() {
        return Err("a NULL where the statistics say there is none".into());
    }
    let mut chunk = ColumnChunk {
        rows,
        values: Buffer::default(),
        validity: nulls.as_ref().map(validity_bytes),
        owners: Vec::new(),
    };
    match (&target.layout, target.layout.stored()) {
        (Layout::Dict { codes, dictionary }, _) => {
            chunk.values = dictionary_codes(array, dictionary, *codes)?;
        }
        (_, Physical::Str) => strings::views(array, &mut chunk)?,
        (_, Physical::Nested) => {
            nested::objects(array, &target.ty, &mut chunk)?;
        }
        (_, Physical::Interval) => chunk.values = intervals(array)?,
        (_, Physical::F32 | Physical::F64) => chunk.values = floats(array, nulls.as_ref(), target)?,
        (_, physical) => {
            let mut wide = ints::widen(array)?;
            zero_nulls(&mut wide, nulls.as_ref());
            chunk.values = narrow(&wide, physical, target.range, nulls.as_ref())?;
        }
    }
    Ok(chunk)
}

/// Undoes dictionary encoding, and brings lists of any kind to the plain one.
fn flatten(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    let wanted = match array.data_type() {
        DataType::Dictionary(_, value) => (**value).clone(),
        DataType::Float16 => DataType::Float32,
        DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::ListView(_) | DataType::LargeListView(_)
            if ty.is_nested() =>
        {
            to_arrow(ty)
        }
        _ => return Ok(Arc::clone(array)),
    };
    arrow::compute::cast(array, &wanted).map_err(|e| e.to_string())
}

/// One byte per row, 1 for a value.
pub(crate) fn validity_bytes(nulls: &NullBuffer) -> Buffer {
    let mut bytes = MutableBuffer::from_len_zeroed(nulls.len());
    for (byte, valid) in bytes.as_slice_mut().iter_mut().zip(nulls.iter()) {
        *byte = valid.into();
    }
    bytes.into()
}

/// Zeroed and aligned room for values, filled by `fill`.
pub(crate) fn filled<T: arrow::datatypes::ArrowNativeType>(rows: usize, fill: impl FnOnce(&mut [T])) -> Buffer {
    let mut buffer = MutableBuffer::from_len_zeroed(rows * size_of::<T>());
    fill(buffer.typed_data_mut());
    buffer.into()
}

fn floats(array: &ArrayRef, nulls: Option<&NullBuffer>, target: &Target) -> Result<Buffer, String> {
    use arrow::datatypes::{Float32Type, Float64Type};
    let (low, high) = target.float_range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let mut broken = false;
    let mut keep = |row: usize, value: f64| {
        let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
        broken |= valid && (value < low || value > high);
        valid
    };
    let values = match array.data_type() {
        DataType::Float32 => {
            let source = array.as_primitive::<Float32Type>().values();
            filled::<f32>(source.len(), |out| {
                for (row, (slot, &value)) in out.iter_mut().zip(source).enumerate() {
                    *slot = if keep(row, value.into()) { value } else { 0.0 };
                }
            })
        }
        DataType::Float64 => {
            let source = array.as_primitive::<Float64Type>().values();
            filled::<f64>(source.len(), |out| {
                for (row, (slot, &value)) in out.iter_mut().zip(source).enumerate() {
                    *slot = if keep(row, value) { value } else { 0.0 };
                }
            })
        }
        other => return Err(format!("{other} where {} was expected", target.ty)),
    };
    if broken {
        return Err(format!("a value outside the statistics {low}..={high}"));
    }
    Ok(values)
}

fn intervals(array: &ArrayRef) -> Result<Buffer, String> {
    use arrow::datatypes::{IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType};
    let pack = |months: i32, days: i32, micros: i64| -> i128 {
        let low = u64::from(months.cast_unsigned()) | u64::from(days.cast_unsigned()) << 32;
        (u128::from(low) | u128::from(micros.cast_unsigned()) << 64).cast_signed()
    };
    let rows = array.len();
    let value: Box<dyn Fn(usize) -> i128> = match array.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>();
            Box::new(move |row| pack(months.value(row), 0, 0))
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let parts = array.as_primitive::<IntervalDayTimeType>();
            Box::new(move |row| {
                let part = parts.value(row);
                pack(0, part.days, i64::from(part.milliseconds) * 1000)
            })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let parts = array.as_primitive::<IntervalMonthDayNanoType>();
            Box::new(move |row| {
                let part = parts.value(row);
                pack(part.months, part.days, part.nanoseconds / 1000)
            })
        }
        other => return Err(format!("{other} where interval was expected")),
    };
    Ok(filled::<i128>(rows, |out| {
        for (row, slot) in out.iter_mut().enumerate() {
            if array.is_valid(row) {
                *slot = value(row);
            }
        }
    }))
}
