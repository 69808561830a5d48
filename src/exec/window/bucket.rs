//! Some of a window's rows, sorted: whole partitions, one behind the other.
//!
//! The rows `(a, 3) (b, 1) (a, 1) (a, 1)` of `PARTITION BY 1st ORDER BY 2nd` are sorted to `2 3 0 1`; the partitions are `0..3` and
//! `3..4`, and rows 0 and 1 of the order are peers.
//!
//! Invariants: positions count in the sorted order; equal rows keep the order in which they came.
//!
//! Does not: share anything with other buckets.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::Int64Type;

use super::frame::Frames;
use super::{aggregate, internal, pick};
use crate::exec::ExecError;
use crate::exec::sort::{Place, Start};
use crate::plan::physical::WindowSpec;
use crate::plan::physical::logical::{WindowCall, WindowFunction};

/// Sorted rows.
pub(super) struct Bucket {
    /// Batch and row of each.
    pub(super) places: Vec<(usize, usize)>,
    /// Positions of the partitions.
    pub(super) partitions: Vec<Range<usize>>,
    /// For each position, the first and the end of its peers.
    pub(super) peers: Vec<Range<u32>>,
}

impl Bucket {
    /// Rows in order, and what begins with each; the first begins a partition.
    pub(super) fn of(places: &[Place], starts: &[Start]) -> Self {
        let mut partitions = Vec::new();
        let mut peers = Vec::with_capacity(places.len());
        let (mut partition, mut first) = (0, 0);
        for at in 1..=starts.len() {
            let start = starts.get(at).copied().unwrap_or(Start::Partition);
            if start == Start::Nothing {
                continue;
            }
            peers.resize(at, first as u32..at as u32);
            first = at;
            if start == Start::Partition {
                partitions.push(partition..at);
                partition = at;
            }
        }
        Self {
            places: places.iter().map(Place::pair).collect(),
            partitions,
            peers,
        }
    }

    /// A column of the batches, sorted.
    pub(super) fn column(&self, batches: &[RecordBatch], column: usize) -> Result<ArrayRef, ExecError> {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| &**batch.column(column)).collect();
        interleave(&arrays, &self.places).map_err(internal)
    }

    /// The results of a call.
    pub(super) fn compute(
        &self,
        batches: &[RecordBatch],
        window: &WindowSpec,
        call: &WindowCall<usize>,
    ) -> Result<ArrayRef, ExecError> {
        let args: Vec<ArrayRef> = call
            .args
            .iter()
            .map(|column| self.column(batches, *column))
            .collect::<Result<_, _>>()?;
        match call.function {
            WindowFunction::RowNumber | WindowFunction::Rank | WindowFunction::DenseRank => {
                Ok(Arc::new(Int64Array::from(self.numbers(call.function))))
            }
            WindowFunction::PercentRank | WindowFunction::CumeDist => {
                Ok(Arc::new(Float64Array::from(self.shares(call.function))))
            }
            WindowFunction::Ntile => self.ntile(&args),
            WindowFunction::Lag | WindowFunction::Lead => pick::offset(self, call, &args),
            WindowFunction::FirstValue | WindowFunction::LastValue | WindowFunction::NthValue => {
                let frames = Frames::of(self, batches, window, &call.frame)?;
                pick::framed(&frames, call, &args)
            }
            WindowFunction::Aggregate(function) => {
                let frames = Frames::of(self, batches, window, &call.frame)?;
                let filter = call.filter.map(|column| self.column(batches, column)).transpose()?;
                aggregate::compute(&frames, function, &call.ty, &args, filter.as_ref())
            }
        }
    }

    fn numbers(&self, function: WindowFunction) -> Vec<i64> {
        let mut out = Vec::with_capacity(self.places.len());
        for partition in &self.partitions {
            let (mut dense, mut last) = (0, None);
            for at in partition.clone() {
                let first = self.peers[at].start as usize;
                if last.replace(first) != Some(first) {
                    dense += 1;
                }
                out.push(match function {
                    WindowFunction::RowNumber => (at - partition.start + 1) as i64,
                    WindowFunction::Rank => (first - partition.start + 1) as i64,
                    _ => dense,
                });
            }
        }
        out
    }

    fn shares(&self, function: WindowFunction) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.places.len());
        for partition in &self.partitions {
            let count = partition.len() as f64;
            for at in partition.clone() {
                let peers = &self.peers[at];
                out.push(match function {
                    WindowFunction::PercentRank if partition.len() == 1 => 0.0,
                    WindowFunction::PercentRank => (peers.start as usize - partition.start) as f64 / (count - 1.0),
                    _ => (peers.end as usize - partition.start) as f64 / count,
                });
            }
        }
        out
    }

    /// The first parts have a row more than the others where the rows do not divide evenly.
    fn ntile(&self, args: &[ArrayRef]) -> Result<ArrayRef, ExecError> {
        let Some(parts) = args.first().map(|array| array.as_primitive::<Int64Type>()) else {
            return Err(ExecError::internal("`ntile` without an argument"));
        };
        let mut out = Vec::with_capacity(self.places.len());
        for partition in &self.partitions {
            let count = partition.len() as i64;
            for at in partition.clone() {
                if parts.is_null(at) {
                    out.push(None);
                    continue;
                }
                let parts = parts.value(at);
                if parts <= 0 {
                    return Err(ExecError::user("22014", "`ntile` takes a number above 0"));
                }
                let row = (at - partition.start) as i64;
                let (size, larger) = (count / parts, count % parts);
                let before = larger * (size + 1);
                out.push(Some(match row < before {
                    true => row / (size + 1) + 1,
                    false => larger + (row - before) / size.max(1) + 1,
                }));
            }
        }
        Ok(Arc::new(Int64Array::from(out)))
    }
}
