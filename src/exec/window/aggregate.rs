//! Aggregates over frames.
//!
//! `sum(x) OVER (ORDER BY d ROWS 2 PRECEDING)` of integers is the difference of two prefix sums; of doubles, whose differences would
//! not be exact, it is read off a segment tree, and where all frames start with their partition it is a running sum.
//!
//! Invariants: an aggregate over a frame is what it would be over a group of the frame's rows.
//!
//! Does not: DISTINCT.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type};
use arrow::row::{RowConverter, SortField};

use super::frame::Frames;
use super::internal;
use super::tree::Tree;
use crate::exec::ExecError;
use crate::plan::physical::logical::AggregateFunction;
use crate::types::LogicalType;
use crate::types::exact::Exact;

/// No position.
const NONE: u32 = u32::MAX;

/// The results for all rows.
pub(super) fn compute(
    frames: &Frames<'_>,
    function: AggregateFunction,
    ty: &LogicalType,
    args: &[ArrayRef],
    filter: Option<&ArrayRef>,
) -> Result<ArrayRef, ExecError> {
    let arg = args.first();
    let rows = frames.bucket.places.len();
    let taken = Taken::of(rows, arg, filter);
    let Some(arg) = arg else {
        return Ok(Arc::new(Int64Array::from(taken.with_nulls().counts(frames))));
    };
    match function {
        AggregateFunction::Count => Ok(Arc::new(Int64Array::from(taken.counts(frames)))),
        AggregateFunction::Sum if !ty.is_float() => integer_sums(frames, arg, &taken, ty),
        AggregateFunction::Sum => {
            let sums = float_sums(frames, arg, &taken)?;
            let counts = taken.counts(frames);
            let sums = sums
                .into_iter()
                .zip(counts)
                .map(|(sum, count)| (count > 0).then_some(sum));
            Ok(Arc::new(sums.collect::<Float64Array>()))
        }
        AggregateFunction::Avg => averages(frames, arg, &taken),
        AggregateFunction::Min => extremes(frames, arg, &taken, false),
        AggregateFunction::Max => extremes(frames, arg, &taken, true),
        AggregateFunction::AnyValue => firsts(frames, arg, &taken),
        AggregateFunction::List | AggregateFunction::Bag => lists(frames, arg, &taken.with_nulls()),
        AggregateFunction::ExactSum => exact_sums(frames, arg, args.get(1), &taken),
        AggregateFunction::CountMerge => Err(ExecError::internal("a merging count over a window")),
    }
}

/// Which rows count: those that the filter lets pass, and of these the ones whose argument is not NULL.
struct Taken {
    passed: Vec<bool>,
    counted: Vec<bool>,
}

impl Taken {
    fn of(rows: usize, arg: Option<&ArrayRef>, filter: Option<&ArrayRef>) -> Self {
        let passed: Vec<bool> = match filter {
            Some(filter) => filter.as_boolean().iter().map(|keep| keep == Some(true)).collect(),
            None => vec![true; rows],
        };
        let nulls = arg.and_then(|arg| arg.logical_nulls());
        let counted = match nulls {
            Some(nulls) => passed
                .iter()
                .zip(nulls.iter())
                .map(|(pass, valid)| *pass && valid)
                .collect(),
            None => passed.clone(),
        };
        Self { passed, counted }
    }

    /// The same with NULLs counted.
    fn with_nulls(&self) -> Self {
        Self {
            passed: self.passed.clone(),
            counted: self.passed.clone(),
        }
    }

    fn counts(&self, frames: &Frames<'_>) -> Vec<i64> {
        let mut before = Vec::with_capacity(self.counted.len() + 1);
        let mut total = 0i64;
        before.push(0);
        before.extend(self.counted.iter().map(|counts| {
            total += i64::from(*counts);
            total
        }));
        let count = |at| {
            frames
                .stretches(at)
                .map(|part| before[part.end] - before[part.start])
                .sum()
        };
        (0..self.counted.len()).map(count).collect()
    }
}

/// Sums of integers and decimals by differences of prefix sums, which are exact.
fn integer_sums(frames: &Frames<'_>, arg: &ArrayRef, taken: &Taken, ty: &LogicalType) -> Result<ArrayRef, ExecError> {
    let scale = match ty {
        LogicalType::Decimal { scale, .. } => scale.cast_signed(),
        _ => 0,
    };
    let wide = cast(arg, &DataType::Decimal128(38, scale)).map_err(internal)?;
    let values = wide.as_primitive::<Decimal128Type>().values();
    let out_of_range = || ExecError::user("22003", format!("{ty} out of range: a sum over a window"));
    let mut before = Vec::with_capacity(values.len() + 1);
    let mut total = 0i128;
    before.push(total);
    for (value, counts) in values.iter().zip(&taken.counted) {
        if *counts {
            total = total.checked_add(*value).ok_or_else(out_of_range)?;
        }
        before.push(total);
    }
    let counts = taken.counts(frames);
    let most = 10i128.pow(38);
    let mut out = Vec::with_capacity(values.len());
    for (at, count) in counts.into_iter().enumerate() {
        let mut sum = 0i128;
        for part in frames.stretches(at) {
            let part = before[part.end]
                .checked_sub(before[part.start])
                .ok_or_else(out_of_range)?;
            sum = sum.checked_add(part).ok_or_else(out_of_range)?;
        }
        if sum <= -most || sum >= most {
            return Err(out_of_range());
        }
        out.push((count > 0).then_some(sum));
    }
    let sums = Decimal128Array::from(out)
        .with_precision_and_scale(38, scale)
        .map_err(internal)?;
    Ok(Arc::new(sums))
}

/// Sums of doubles: running where frames only grow, else from a tree.
fn float_sums(frames: &Frames<'_>, arg: &ArrayRef, taken: &Taken) -> Result<Vec<f64>, ExecError> {
    let doubles = cast(arg, &DataType::Float64).map_err(internal)?;
    let doubles = doubles.as_primitive::<Float64Type>().values();
    let counted = doubles.iter().zip(&taken.counted);
    let values: Vec<f64> = counted.map(|(v, counts)| if *counts { *v } else { 0.0 }).collect();
    if frames.running {
        return Ok(frames.running_over(&values, 0.0, |a, b| a + b));
    }
    let tree = Tree::new(&values, 0.0, |a, b| a + b);
    let sum = |at| {
        frames
            .stretches(at)
            .fold(0.0, |sum, part| tree.both(sum, tree.of(part)))
    };
    Ok((0..values.len()).map(sum).collect())
}

/// Exact sums of doubles or of products, as their bits.
fn exact_sums(
    frames: &Frames<'_>,
    arg: &ArrayRef,
    times: Option<&ArrayRef>,
    taken: &Taken,
) -> Result<ArrayRef, ExecError> {
    let doubles = arg.as_primitive::<Float64Type>().values();
    let times = times.map(|times| times.as_primitive::<Float64Type>().values());
    let value = |at: usize| match times {
        _ if !taken.counted[at] => Exact::default(),
        Some(times) => Exact::product(doubles[at], times[at]),
        None => Exact(doubles[at], 0.0),
    };
    let values: Vec<Exact> = (0..doubles.len()).map(value).collect();
    let sums = match frames.running {
        true => frames.running_over(&values, Exact::default(), Exact::plus),
        false => {
            let tree = Tree::new(&values, Exact::default(), Exact::plus);
            let both = |sum, part| tree.both(sum, tree.of(part));
            let sum = |at| frames.stretches(at).fold(Exact::default(), both);
            (0..values.len()).map(sum).collect()
        }
    };
    let bits = sums.into_iter().map(Exact::to_bits);
    Ok(Arc::new(
        Decimal128Array::from_iter_values(bits).with_data_type(DataType::Decimal128(38, 0)),
    ))
}

fn averages(frames: &Frames<'_>, arg: &ArrayRef, taken: &Taken) -> Result<ArrayRef, ExecError> {
    let counts = taken.counts(frames);
    let exact = match arg.data_type() {
        DataType::Decimal128(_, scale) => Some(scale.cast_unsigned()),
        ty if ty.is_integer() => Some(0),
        _ => None,
    };
    let sums: Vec<f64> = match exact {
        Some(scale) => {
            let ty = LogicalType::Decimal { precision: 38, scale };
            let sums = integer_sums(frames, arg, taken, &ty)?;
            let sums = sums.as_primitive::<Decimal128Type>();
            let sum = |sum: &i128| crate::types::cast::decimal_to_float(*sum, scale);
            sums.values().iter().map(sum).collect()
        }
        None => float_sums(frames, arg, taken)?,
    };
    let means = sums.into_iter().zip(counts);
    let means = means.map(|(sum, count)| (count > 0).then(|| sum / count as f64));
    Ok(Arc::new(means.collect::<Float64Array>()))
}

/// Least or greatest values, from a tree of the positions where they stand.
fn extremes(frames: &Frames<'_>, arg: &ArrayRef, taken: &Taken, greatest: bool) -> Result<ArrayRef, ExecError> {
    let converter = RowConverter::new(vec![SortField::new(arg.data_type().clone())]).map_err(internal)?;
    let rows = converter.convert_columns(std::slice::from_ref(arg)).map_err(internal)?;
    let better = |a: u32, b: u32| match (a, b) {
        (NONE, other) | (other, NONE) => other,
        (a, b) => match (rows.row(b as usize).cmp(&rows.row(a as usize)), greatest) {
            (std::cmp::Ordering::Less, false) | (std::cmp::Ordering::Greater, true) => b,
            _ => a,
        },
    };
    let counted = taken.counted.iter().enumerate();
    let positions: Vec<u32> = counted
        .map(|(at, counts)| if *counts { at as u32 } else { NONE })
        .collect();
    if frames.running {
        return picked(arg, frames.running_over(&positions, NONE, better).into_iter());
    }
    let tree = Tree::new(&positions, NONE, better);
    let best = |at| {
        frames
            .stretches(at)
            .fold(NONE, |best, part| tree.both(best, tree.of(part)))
    };
    picked(arg, (0..positions.len()).map(best))
}

fn firsts(frames: &Frames<'_>, arg: &ArrayRef, taken: &Taken) -> Result<ArrayRef, ExecError> {
    let counted = taken.counted.iter().enumerate();
    let positions: Vec<u32> = counted
        .filter(|(_, counts)| **counts)
        .map(|(at, _)| at as u32)
        .collect();
    let first = |at: usize| {
        let found = frames.stretches(at).find_map(|part| {
            let next = positions.partition_point(|p| (*p as usize) < part.start);
            positions.get(next).copied().filter(|p| (*p as usize) < part.end)
        });
        found.unwrap_or(NONE)
    };
    picked(arg, (0..taken.counted.len()).map(first))
}

fn picked(arg: &ArrayRef, positions: impl Iterator<Item = u32>) -> Result<ArrayRef, ExecError> {
    let positions: UInt32Array = positions.map(|at| (at != NONE).then_some(at)).collect();
    take(arg, &positions, None).map_err(internal)
}

fn lists(frames: &Frames<'_>, arg: &ArrayRef, taken: &Taken) -> Result<ArrayRef, ExecError> {
    let (mut lengths, mut positions) = (Vec::new(), Vec::new());
    for at in 0..arg.len() {
        let before = positions.len();
        let items = frames.stretches(at).flatten().filter(|row| taken.counted[*row]);
        positions.extend(items.map(|row| row as u32));
        lengths.push(positions.len() - before);
        if i32::try_from(positions.len()).is_err() {
            let message = "the arrays of a window hold more than two billion elements";
            return Err(ExecError::resource(message.into()));
        }
    }
    let valid = NullBuffer::from(lengths.iter().map(|length| *length > 0).collect::<Vec<_>>());
    let items = take(arg, &UInt32Array::from(positions), None).map_err(internal)?;
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, Some(valid));
    list.map(|list| Arc::new(list) as ArrayRef).map_err(internal)
}
