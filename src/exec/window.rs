//! Window functions over finished batches.
//!
//! `sum(x) OVER (PARTITION BY k ORDER BY d)` over a million rows: they are put into buckets by the hash of `k`, each worker sorts a
//! bucket by `k, d` and goes over its partitions once, and the sums are put back to where their rows stand.
//!
//! Invariants: rows keep their places, results are appended as columns; a frame costs at most the logarithm of its size.
//!
//! Does not: sort more than fits into memory.

mod aggregate;
mod bucket;
mod frame;
mod pick;
mod tree;

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use arrow::compute::{concat, concat_batches, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};

use super::pool::Team;
use super::run::lock;
use super::{CancelToken, ExecError};
use crate::plan::physical::WindowSpec;
use crate::plan::physical::logical::SortKey;
use crate::types::arrow::to_arrow;
use bucket::Bucket;

const OPERATOR: &str = "window";

/// Rows of a bucket that one worker sorts: its row numbers, and the results in that order.
type Done = (Vec<u32>, Vec<ArrayRef>);

/// Puts all batches together and appends the results of all windows.
pub fn compute(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    windows: &[WindowSpec],
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<RecordBatch, ExecError> {
    let mut all = concat_batches(schema, batches).map_err(internal)?;
    if u32::try_from(all.num_rows()).is_err() {
        return Err(ExecError::resource("a window over more than four billion rows".into()));
    }
    for window in windows {
        all = one(&all, window, team, cancel)?;
    }
    Ok(all)
}

/// What the workers of a window share.
struct Input {
    batch: RecordBatch,
    window: WindowSpec,
    /// Keys of partitions and of the order, as bytes that compare like them.
    partition: Option<Rows>,
    order: Option<Rows>,
    buckets: Vec<Mutex<Vec<u32>>>,
    done: Vec<Mutex<Option<Done>>>,
    cancel: CancelToken,
}

fn one(
    batch: &RecordBatch,
    window: &WindowSpec,
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<RecordBatch, ExecError> {
    let rows = batch.num_rows();
    // Row numbers, keys, and a result per call.
    let _reserved = team.budget.reserve(rows * 24 * (2 + window.calls.len()), OPERATOR)?;
    let ascending = |column: &usize| (*column, ascending());
    let partition = keys(batch, &window.partition.iter().map(ascending).collect::<Vec<_>>())?;
    let order: Vec<(usize, SortKey)> = window.order.clone();
    let order = keys(batch, &order)?;
    let bytes = |rows: &Option<Rows>| rows.as_ref().map_or(0, Rows::size);
    let _keys = team.budget.reserve(bytes(&partition) + bytes(&order), OPERATOR)?;
    let buckets = spread(rows, partition.as_ref(), team.threads);
    let input = Arc::new(Input {
        batch: batch.clone(),
        window: window.clone(),
        partition,
        order,
        done: buckets.iter().map(|_| Mutex::new(None)).collect(),
        buckets: buckets.into_iter().map(Mutex::new).collect(),
        cancel: cancel.clone(),
    });
    let shared = input.clone();
    team.each(input.buckets.len(), move |number| shared.work(number))?;
    input.append()
}

fn ascending() -> SortKey {
    SortKey {
        column: crate::plan::physical::logical::ColumnId(0),
        desc: false,
        nulls_first: false,
    }
}

/// The columns as bytes that compare like their rows in that order.
fn keys(batch: &RecordBatch, columns: &[(usize, SortKey)]) -> Result<Option<Rows>, ExecError> {
    if columns.is_empty() {
        return Ok(None);
    }
    let fields = columns
        .iter()
        .map(|(column, key)| sort_field(batch.column(*column), key));
    let converter = RowConverter::new(fields.collect()).map_err(internal)?;
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .map(|(column, _)| batch.column(*column).clone())
        .collect();
    converter.convert_columns(&arrays).map(Some).map_err(internal)
}

fn sort_field(array: &ArrayRef, key: &SortKey) -> SortField {
    let options = arrow::compute::SortOptions {
        descending: key.desc,
        nulls_first: key.nulls_first,
    };
    SortField::new_with_options(array.data_type().clone(), options)
}

/// Row numbers in buckets, so that the rows of a partition are together.
fn spread(rows: usize, partition: Option<&Rows>, threads: usize) -> Vec<Vec<u32>> {
    let numbers = 0..u32::try_from(rows).unwrap_or(u32::MAX);
    let Some(partition) = partition.filter(|_| rows >= Team::WORTH_SHARING && threads > 1) else {
        return vec![numbers.collect()];
    };
    let mut buckets = vec![Vec::new(); threads * 4];
    let count = buckets.len() as u64;
    let state = hashbrown::DefaultHashBuilder::default();
    for number in numbers {
        let mut hasher = state.build_hasher();
        hasher.write(partition.row(number as usize).data());
        buckets[(hasher.finish() % count) as usize].push(number);
    }
    buckets
}

impl Input {
    fn work(&self, number: usize) -> Result<(), ExecError> {
        self.cancel.check()?;
        let rows = std::mem::take(&mut *lock(&self.buckets[number]));
        let bucket = Bucket::of(rows, self.partition.as_ref(), self.order.as_ref());
        let mut results = Vec::with_capacity(self.window.calls.len());
        for call in &self.window.calls {
            self.cancel.check()?;
            results.push(bucket.compute(&self.batch, &self.window, call)?);
        }
        *lock(&self.done[number]) = Some((bucket.rows, results));
        Ok(())
    }

    /// The batch with the results, each where its row stands.
    fn append(&self) -> Result<RecordBatch, ExecError> {
        let done: Vec<Done> = self.done.iter().filter_map(|done| lock(done).take()).collect();
        let mut places = vec![0u32; self.batch.num_rows()];
        let order = done.iter().flat_map(|(rows, _)| rows);
        for (at, row) in order.enumerate() {
            places[*row as usize] = at as u32;
        }
        let places = UInt32Array::from(places);
        let mut columns = self.batch.columns().to_vec();
        let mut fields: Vec<Arc<Field>> = self.batch.schema_ref().fields().iter().cloned().collect();
        for (number, call) in self.window.calls.iter().enumerate() {
            let parts: Vec<&dyn Array> = done
                .iter()
                .filter_map(|(_, arrays)| arrays.get(number).map(|a| &**a))
                .collect();
            let sorted = match parts.is_empty() {
                true => new_empty_array(&to_arrow(&call.ty)),
                false => concat(&parts).map_err(internal)?,
            };
            let column = take(&sorted, &places, None).map_err(internal)?;
            fields.push(Arc::new(Field::new(
                format!("w{}", fields.len()),
                column.data_type().clone(),
                true,
            )));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(internal)
    }
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("a window failed: {error}"))
}
