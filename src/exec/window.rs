//! Window functions over finished batches.
//!
//! `sum(x) OVER (PARTITION BY k ORDER BY d)` over a million rows: all rows are sorted by `k, d`, each worker takes whole partitions
//! and goes over them once, and the sums are put back to where their rows stand.
//!
//! Invariants: rows keep their places, results are appended as columns; a frame costs at most the logarithm of its size.
//!
//! Does not: sort more than fits into memory.

mod aggregate;
mod bucket;
mod frame;
mod pick;
mod tree;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, interleave};
use arrow::datatypes::{Field, Schema};

use super::finish::options;
use super::pool::Team;
use super::sort::{self, Place, SortBy, Start};
use super::{CancelToken, ExecError};
use crate::plan::physical::WindowSpec;
use bucket::Bucket;

const OPERATOR: &str = "window";
/// Rows of whole partitions that a worker takes at a time, at least.
const UNIT_ROWS: usize = 1 << 14;
/// Bytes for each row beside its keys: its place, its start, where its results are.
const ROW_BYTES: usize = 24;
/// Bytes of a result, about.
const RESULT_BYTES: usize = 16;

/// Appends the results of all windows.
pub fn compute(
    batches: Vec<RecordBatch>,
    windows: &[WindowSpec],
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<Vec<RecordBatch>, ExecError> {
    let mut batches: Vec<RecordBatch> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if u32::try_from(rows).is_err() {
        return Err(ExecError::resource("a window over more than four billion rows".into()));
    }
    for window in windows {
        if !batches.is_empty() {
            batches = one(batches, window, team, cancel)?;
        }
    }
    Ok(batches)
}

fn one(
    batches: Vec<RecordBatch>,
    window: &WindowSpec,
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<Vec<RecordBatch>, ExecError> {
    let batches = Arc::new(batches);
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let bytes = rows * (ROW_BYTES + RESULT_BYTES * window.calls.len());
    let _reserved = team.budget.reserve(bytes, OPERATOR)?;
    let order = Arc::new(Sorted::of(&batches, window, team, cancel)?);
    let units = Arc::new(units(&order.starts));
    let found = Arc::new(Found::new(&batches));
    let (shared, window, stop) = (batches.clone(), Arc::new(window.clone()), cancel.clone());
    let (spec, noted, ranges) = (window.clone(), found.clone(), units.clone());
    let results = team.map(units.len(), move |number| {
        let range = ranges[number].clone();
        noted.note(number, &order.places[range.clone()]);
        let bucket = Bucket::of(&order.places[range.clone()], &order.starts[range]);
        let results = spec.calls.iter().map(|call| {
            stop.check()?;
            bucket.compute(&shared, &spec, call)
        });
        results.collect::<Result<Vec<ArrayRef>, _>>()
    })?;
    let (results, cancel) = (Arc::new(results), cancel.clone());
    team.map(batches.len(), move |number| {
        cancel.check()?;
        append(&batches[number], &window, &results, &found.places[number])
    })
}

/// All rows, partition by partition, each in its order.
struct Sorted {
    places: Vec<Place>,
    starts: Vec<Start>,
}

impl Sorted {
    fn of(
        batches: &Arc<Vec<RecordBatch>>,
        window: &WindowSpec,
        team: &Team<'_>,
        cancel: &CancelToken,
    ) -> Result<Self, ExecError> {
        let partition = window.partition.iter().map(|column| (*column, ascending()));
        let order = window.order.iter().map(|(column, key)| (*column, options(key)));
        let by = SortBy {
            columns: partition.chain(order).collect(),
            partition: window.partition.len(),
            operator: OPERATOR,
        };
        if by.columns.is_empty() {
            return Ok(Self::as_they_come(batches));
        }
        let buckets = sort::spread(batches, &by, team, cancel)?;
        let (shared, cancel) = (buckets.clone(), cancel.clone());
        let parts = team.map(buckets.sizes().len(), move |bucket| {
            cancel.check()?;
            Ok(shared.starts(bucket))
        })?;
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut all = Self {
            places: Vec::with_capacity(rows),
            starts: Vec::with_capacity(rows),
        };
        for (places, mut starts) in parts {
            if let (Some(before), Some(first), Some(start)) = (all.places.last(), places.first(), starts.first_mut()) {
                *start = buckets.start(*before, *first);
            }
            all.places.extend(places);
            all.starts.extend(starts);
        }
        Ok(all)
    }

    /// Without PARTITION BY and ORDER BY all rows are peers.
    fn as_they_come(batches: &[RecordBatch]) -> Self {
        let of_batch = |(number, batch): (usize, &RecordBatch)| {
            (0..batch.num_rows() as u32).map(move |row| Place {
                batch: number as u32,
                row,
            })
        };
        let places: Vec<Place> = batches.iter().enumerate().flat_map(of_batch).collect();
        let mut starts = vec![Start::Nothing; places.len()];
        starts[0] = Start::Partition;
        Self { places, starts }
    }
}

fn ascending() -> SortOptions {
    SortOptions {
        descending: false,
        nulls_first: false,
    }
}

/// Whole partitions that are worked on together.
fn units(starts: &[Start]) -> Vec<Range<usize>> {
    let mut units = Vec::new();
    let mut from = 0;
    for (at, _) in starts
        .iter()
        .enumerate()
        .filter(|(_, start)| **start == Start::Partition)
    {
        if at - from >= UNIT_ROWS {
            units.push(from..at);
            from = at;
        }
    }
    units.push(from..starts.len());
    units
}

/// Where the results of every row are.
struct Found {
    /// Of each batch, of each row: the unit, above 32 bits, and the position in it.
    places: Vec<Vec<AtomicU64>>,
}

impl Found {
    fn new(batches: &[RecordBatch]) -> Self {
        let of_batch = |batch: &RecordBatch| (0..batch.num_rows()).map(|_| AtomicU64::new(0)).collect();
        Self {
            places: batches.iter().map(of_batch).collect(),
        }
    }

    /// The rows of a unit. Others note other rows, and nobody looks before all have.
    fn note(&self, unit: usize, rows: &[Place]) {
        for (at, place) in rows.iter().enumerate() {
            let (batch, row) = place.pair();
            self.places[batch][row].store((unit as u64) << 32 | at as u64, Ordering::Relaxed);
        }
    }
}

/// The batch with the results of each of its rows.
fn append(
    batch: &RecordBatch,
    window: &WindowSpec,
    results: &[Vec<ArrayRef>],
    found: &[AtomicU64],
) -> Result<RecordBatch, ExecError> {
    let pair = |found: &AtomicU64| {
        let found = found.load(Ordering::Relaxed);
        ((found >> 32) as usize, found as u32 as usize)
    };
    let pairs: Vec<(usize, usize)> = found.iter().map(pair).collect();
    let mut columns = batch.columns().to_vec();
    let mut fields: Vec<Arc<Field>> = batch.schema_ref().fields().iter().cloned().collect();
    for number in 0..window.calls.len() {
        let parts: Vec<&dyn Array> = results.iter().map(|unit| &*unit[number]).collect();
        let column = interleave(&parts, &pairs).map_err(internal)?;
        let name = format!("w{}", fields.len());
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(internal)
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("a window failed: {error}"))
}
