//! Functions that pick the value of another row: `lag`, `lead`, `first_value`, `last_value`, `nth_value`.
//!
//! `lag(x, 1, 0)` at the first row of a partition is 0, at any other the `x` of the row before it.
//!
//! Invariants: a row outside the partition or frame gives NULL, or the default.
//!
//! Does not: compute values.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use arrow::compute::{interleave, take};
use arrow::datatypes::Int64Type;

use super::bucket::Bucket;
use super::frame::Frames;
use super::internal;
use crate::exec::ExecError;
use crate::plan::physical::logical::{WindowCall, WindowFunction};

/// Positions of the rows whose value is not NULL.
struct Present(Vec<u32>);

impl Present {
    fn of(values: &ArrayRef) -> Self {
        let nulls = values.logical_nulls();
        let valid = |at: &u32| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*at as usize));
        Self((0..values.len() as u32).filter(valid).collect())
    }

    /// How many lie before a position.
    fn before(&self, at: usize) -> usize {
        self.0.partition_point(|p| (*p as usize) < at)
    }

    fn get(&self, number: i64) -> Option<usize> {
        let number = usize::try_from(number).ok()?;
        self.0.get(number).map(|p| *p as usize)
    }
}

/// `lag` and `lead`.
pub(super) fn offset(bucket: &Bucket, call: &WindowCall<usize>, args: &[ArrayRef]) -> Result<ArrayRef, ExecError> {
    let (Some(values), Some(distance)) = (args.first(), args.get(1)) else {
        return Err(ExecError::internal("`lag` without its arguments"));
    };
    let distance = distance.as_primitive::<Int64Type>();
    let present = call.ignore_nulls.then(|| Present::of(values));
    let missing = new_null_array(values.data_type(), 1);
    let mut picks = Vec::with_capacity(values.len());
    for partition in &bucket.partitions {
        for at in partition.clone() {
            let by = match call.function {
                WindowFunction::Lag => distance.value(at).saturating_neg(),
                _ => distance.value(at),
            };
            let found = match &present {
                _ if distance.is_null(at) => {
                    picks.push((2, 0));
                    continue;
                }
                None => usize::try_from((at as i64).saturating_add(by)).ok(),
                Some(_) if by == 0 => Some(at),
                Some(present) if by < 0 => present.get((present.before(at) as i64).saturating_add(by)),
                Some(present) => present.get((present.before(at + 1) as i64).saturating_add(by - 1)),
            };
            picks.push(match found.filter(|found| partition.contains(found)) {
                Some(found) => (0, found),
                None if args.len() > 2 => (1, at),
                None => (2, 0),
            });
        }
    }
    let default = args.get(2).unwrap_or(&missing);
    interleave(&[&**values, &**default, &*missing], &picks).map_err(internal)
}

/// The functions of a frame's rows.
pub(super) fn framed(frames: &Frames<'_>, call: &WindowCall<usize>, args: &[ArrayRef]) -> Result<ArrayRef, ExecError> {
    let Some(values) = args.first() else {
        return Err(ExecError::internal("`first_value` without an argument"));
    };
    let numbers = args.get(1).map(|array| array.as_primitive::<Int64Type>());
    let present = call.ignore_nulls.then(|| Present::of(values));
    let mut picks = Vec::with_capacity(values.len());
    for at in 0..values.len() {
        let number = match call.function {
            WindowFunction::NthValue => match numbers.filter(|numbers| numbers.is_valid(at)) {
                Some(numbers) if numbers.value(at) <= 0 => {
                    return Err(ExecError::user("22016", "`nth_value` takes a position above 0"));
                }
                Some(numbers) => Some(numbers.value(at) as usize - 1),
                None => None,
            },
            _ => Some(0),
        };
        let last = call.function == WindowFunction::LastValue;
        let found = number.and_then(|number| nth(frames, at, number, last, present.as_ref()));
        picks.push(found.map(|found| found as u32));
    }
    take(values, &UInt32Array::from(picks), None).map_err(internal)
}

/// The n-th row of a frame, from its start or its end.
fn nth(frames: &Frames<'_>, at: usize, mut number: usize, last: bool, present: Option<&Present>) -> Option<usize> {
    let mut parts: Vec<_> = frames.stretches(at).collect();
    if last {
        parts.reverse();
    }
    for part in parts {
        let (first, count) = match present {
            Some(present) => {
                let first = present.before(part.start);
                (first, present.before(part.end) - first)
            }
            None => (part.start, part.len()),
        };
        if number < count {
            let found = if last {
                first + count - 1 - number
            } else {
                first + number
            };
            return match present {
                Some(present) => present.get(found as i64),
                None => Some(found),
            };
        }
        number -= count;
    }
    None
}
