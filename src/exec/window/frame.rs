//! The rows that each row's frame takes.
//!
//! `ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW` at position 5 of `0..9` is `4..5` and `6..7`.
//!
//! Invariants: a frame lies within its partition; its stretches do not overlap and stand in order.
//!
//! Does not: look at arguments.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::row::{RowConverter, Rows, SortField};

use super::bucket::Bucket;
use super::internal;
use crate::exec::ExecError;
use crate::exec::finish::options;
use crate::plan::physical::WindowSpec;
use crate::plan::physical::logical::{FrameExclude, FrameUnit, WindowBound, WindowFrame};

/// The frames of a bucket's rows.
pub(super) struct Frames<'b> {
    /// Whose.
    pub(super) bucket: &'b Bucket,
    /// For each position, before anything is taken out.
    whole: Vec<Range<u32>>,
    exclude: FrameExclude,
    /// Every frame starts where its partition does, and nothing is taken out.
    pub(super) running: bool,
}

impl<'b> Frames<'b> {
    /// Finds the frames.
    pub(super) fn of(
        bucket: &'b Bucket,
        batches: &[RecordBatch],
        window: &WindowSpec,
        frame: &WindowFrame<usize>,
    ) -> Result<Self, ExecError> {
        let start = Bound::of(bucket, batches, window, frame, &frame.start)?;
        let end = Bound::of(bucket, batches, window, frame, &frame.end)?;
        let mut whole = Vec::with_capacity(bucket.places.len());
        for partition in &bucket.partitions {
            let groups = Groups::of(bucket, partition, frame.unit);
            for at in partition.clone() {
                let from = start.start(at, partition, bucket, &groups)?;
                let to = end.end(at, partition, bucket, &groups)?;
                let from = from.clamp(partition.start, partition.end);
                let to = to.clamp(from, partition.end);
                whole.push(from as u32..to as u32);
            }
        }
        Ok(Self {
            bucket,
            whole,
            exclude: frame.exclude,
            running: matches!(frame.start, WindowBound::UnboundedPreceding)
                && frame.exclude == FrameExclude::NoOthers
                && !matches!(
                    (frame.unit, &frame.end),
                    // Distances may differ from row to row, so that an end may go back.
                    (_, WindowBound::Preceding(_) | WindowBound::Following(_))
                ),
        })
    }

    /// The positions of a row's frame, as up to three stretches.
    pub(super) fn stretches(&self, at: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let whole = self.whole[at].start as usize..self.whole[at].end as usize;
        let peers = self.bucket.peers[at].start as usize..self.bucket.peers[at].end as usize;
        let (hole, kept) = match self.exclude {
            FrameExclude::NoOthers => (whole.end..whole.end, 0..0),
            FrameExclude::CurrentRow => (at..at + 1, 0..0),
            FrameExclude::Group => (peers, 0..0),
            FrameExclude::Ties => (peers, at..at + 1),
        };
        let within = |part: Range<usize>| part.start.max(whole.start)..part.end.min(whole.end);
        let parts = [
            within(whole.start..hole.start),
            within(kept),
            within(hole.end..whole.end),
        ];
        parts.into_iter().filter(|part| part.start < part.end)
    }

    /// What the values of each frame come to, where frames only grow: each value is looked at once.
    pub(super) fn running_over<T: Copy>(&self, values: &[T], none: T, combine: impl Fn(T, T) -> T) -> Vec<T> {
        let mut out = Vec::with_capacity(values.len());
        for partition in &self.bucket.partitions {
            let (mut sum, mut done) = (none, partition.start);
            for at in partition.clone() {
                let end = (self.whole[at].end as usize).max(done);
                sum = values[done..end].iter().fold(sum, |sum, value| combine(sum, *value));
                done = end;
                out.push(sum);
            }
        }
        out
    }
}

/// The groups of peers of a partition, for GROUPS.
struct Groups {
    /// Where each starts.
    starts: Vec<usize>,
    end: usize,
}

impl Groups {
    fn of(bucket: &Bucket, partition: &Range<usize>, unit: FrameUnit) -> Self {
        let mut starts = Vec::new();
        let mut at = partition.start;
        while unit == FrameUnit::Groups && at < partition.end {
            starts.push(at);
            at = bucket.peers[at].end as usize;
        }
        Self {
            starts,
            end: partition.end,
        }
    }

    /// The group of a position, as a number that may be moved.
    fn number(&self, at: usize) -> i64 {
        self.starts.partition_point(|start| *start <= at) as i64 - 1
    }

    fn start(&self, number: i64) -> usize {
        match usize::try_from(number) {
            Ok(number) => self.starts.get(number).copied().unwrap_or(self.end),
            Err(_) => self.starts.first().copied().unwrap_or(self.end),
        }
    }

    fn end(&self, number: i64) -> usize {
        match number {
            ..0 => self.starts.first().copied().unwrap_or(self.end),
            number => self.start(number.saturating_add(1)),
        }
    }
}

/// An end of the frames, with what it needs.
enum Bound {
    First,
    Last,
    Current {
        rows: bool,
    },
    /// So many rows or groups, negative if before.
    Distance {
        by: Int64Array,
        before: bool,
        groups: bool,
    },
    /// Up to a value of the sort key: keys and values, as bytes that compare like them.
    Value {
        keys: Rows,
        values: Rows,
    },
}

impl Bound {
    fn of(
        bucket: &Bucket,
        batches: &[RecordBatch],
        window: &WindowSpec,
        frame: &WindowFrame<usize>,
        bound: &WindowBound<usize>,
    ) -> Result<Self, ExecError> {
        let (column, before) = match bound {
            WindowBound::UnboundedPreceding => return Ok(Bound::First),
            WindowBound::UnboundedFollowing => return Ok(Bound::Last),
            WindowBound::CurrentRow => {
                return Ok(Bound::Current {
                    rows: frame.unit == FrameUnit::Rows,
                });
            }
            WindowBound::Preceding(column) => (*column, true),
            WindowBound::Following(column) => (*column, false),
        };
        let values = bucket.column(batches, column)?;
        if frame.unit == FrameUnit::Range {
            return Self::value(bucket, batches, window, values);
        }
        let by = values.as_primitive::<Int64Type>().clone();
        if by.null_count() > 0 || by.values().iter().any(|by| *by < 0) {
            return Err(ExecError::user(
                "22013",
                "the distance of a frame cannot be NULL or negative",
            ));
        }
        Ok(Bound::Distance {
            by,
            before,
            groups: frame.unit == FrameUnit::Groups,
        })
    }

    fn value(
        bucket: &Bucket,
        batches: &[RecordBatch],
        window: &WindowSpec,
        values: ArrayRef,
    ) -> Result<Self, ExecError> {
        let Some((column, key)) = window.order.first() else {
            return Err(ExecError::internal("RANGE with a distance but without a sort key"));
        };
        let keys = bucket.column(batches, *column)?;
        let field = SortField::new_with_options(keys.data_type().clone(), options(key));
        let converter = RowConverter::new(vec![field]).map_err(internal)?;
        Ok(Bound::Value {
            keys: converter.convert_columns(&[keys]).map_err(internal)?,
            values: converter.convert_columns(&[values]).map_err(internal)?,
        })
    }

    fn start(&self, at: usize, partition: &Range<usize>, bucket: &Bucket, groups: &Groups) -> Result<usize, ExecError> {
        Ok(match self {
            Bound::First => partition.start,
            Bound::Last => partition.end,
            Bound::Current { rows: true } => at,
            Bound::Current { rows: false } => bucket.peers[at].start as usize,
            Bound::Distance {
                by,
                before,
                groups: false,
            } => moved(at, by.value(at), *before),
            Bound::Distance {
                by,
                before,
                groups: true,
            } => groups.start(signed(groups.number(at), by.value(at), *before)),
            Bound::Value { keys, values } => {
                let wanted = values.row(at);
                partition.start + point(partition, |j| keys.row(j) < wanted)
            }
        })
    }

    fn end(&self, at: usize, partition: &Range<usize>, bucket: &Bucket, groups: &Groups) -> Result<usize, ExecError> {
        Ok(match self {
            Bound::First => partition.start,
            Bound::Last => partition.end,
            Bound::Current { rows: true } => at + 1,
            Bound::Current { rows: false } => bucket.peers[at].end as usize,
            Bound::Distance {
                by,
                before,
                groups: false,
            } => match *before && by.value(at) > at as i64 {
                true => 0,
                false => moved(at, by.value(at), *before).saturating_add(1),
            },
            Bound::Distance {
                by,
                before,
                groups: true,
            } => groups.end(signed(groups.number(at), by.value(at), *before)),
            Bound::Value { keys, values } => {
                let wanted = values.row(at);
                partition.start + point(partition, |j| keys.row(j) <= wanted)
            }
        })
    }
}

fn signed(at: i64, by: i64, before: bool) -> i64 {
    if before {
        at.saturating_sub(by)
    } else {
        at.saturating_add(by)
    }
}

fn moved(at: usize, by: i64, before: bool) -> usize {
    usize::try_from(signed(at as i64, by, before)).unwrap_or(0)
}

/// How many positions at the partition's start satisfy the test, which no later one does.
fn point(partition: &Range<usize>, test: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (partition.start, partition.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if test(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low - partition.start
}
