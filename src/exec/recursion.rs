//! Recursive CTEs: the base once, then the step over what the last run gave, until it gives nothing new.
//!
//! `SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5` runs its step five times; the fifth gives no row. (The semi-naive
//! evaluation of Bancilhon and Ramakrishnan, as SQL:1999 prescribes it.)
//!
//! Invariants: the step is compiled once; all rows that are kept are taken from the budget; between two runs a cancelled query
//! ends.
//!
//! Does not: bound the number of runs.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashSet;

use super::ExecError;
use super::memory::{Budget, Reservation};
use super::prepare::Prepared;
use super::results::Results;
use super::run::Query;
use super::temp::TempData;
use crate::compile::BLOCK_ROWS;
use crate::types::Field;
use crate::types::arrow::arrow_schema;

const OPERATOR: &str = "recursive CTE";

impl Query {
    /// Runs the recursive CTEs that wait for so many subqueries. One that is used by another runs before it.
    pub(super) fn recursions_after(&mut self, subqueries: usize) -> Result<(), ExecError> {
        let plan = self.prepared.plan.clone();
        let numbered = plan.recursions.iter().enumerate();
        let waiting = numbered.filter(|(_, recursion)| recursion.subqueries_before == subqueries);
        let mut waiting: Vec<usize> = waiting.map(|(number, _)| number).collect();
        let is_ready = |number: usize, waiting: &[usize]| {
            let recursion = &plan.recursions[number];
            let read = recursion.base.temps.iter().chain(&recursion.step.temps);
            let mut read = read.filter_map(|temp| temp.recursion);
            read.all(|other| other == number || !waiting.contains(&other))
        };
        while let Some(at) = waiting.iter().rposition(|number| is_ready(*number, &waiting)) {
            let number = waiting.remove(at);
            let rows = self.recursion(number)?;
            self.recursive[number] = Some(Arc::new(rows));
        }
        Ok(())
    }

    fn recursion(&mut self, number: usize) -> Result<TempData, ExecError> {
        let plan = self.prepared.plan.clone();
        let recursion = &plan.recursions[number];
        let [base, step] = self.prepared.recursions[number].clone();
        let fields = &recursion.fields;
        let mut grown = Grown::new(fields, recursion.distinct, &self.budget)?;
        let parts = plan.subqueries.len() + 2 * number;
        let mut rows = self.inner_rows(base, parts)?;
        loop {
            let new = grown.add(rows)?;
            if new.is_empty() {
                return grown.all.finish();
            }
            self.recursive[number] = Some(Arc::new(TempData::of_batches(new, fields.clone(), Vec::new())));
            self.options.cancel.check()?;
            rows = self.inner_rows(step.clone(), parts + 1)?;
        }
    }

    /// All rows of a query that is the part of this one with that number.
    fn inner_rows(&mut self, prepared: Arc<Prepared>, part: usize) -> Result<Vec<RecordBatch>, ExecError> {
        let (sender, receiver) = Results::kept();
        let counts = self.inner(prepared, sender).run_all()?;
        self.add_inner_profile(part, counts);
        receiver.into_iter().collect()
    }
}

/// The rows that a recursive CTE has so far.
pub struct Grown {
    all: Collected,
    /// Of those that have to be distinct.
    seen: Option<Seen>,
}

impl Grown {
    /// None yet.
    pub fn new(fields: &[Field], distinct: bool, budget: &Arc<Budget>) -> Result<Self, ExecError> {
        let all = Collected::new(fields, budget)?;
        let seen = match distinct {
            true => Some(Seen::new(&all.schema, budget)?),
            false => None,
        };
        Ok(Self { all, seen })
    }

    /// Adds the rows of a run; gives those that were not there.
    pub fn add(&mut self, rows: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ExecError> {
        let mut new = Vec::new();
        for batch in rows {
            let batch = self.all.named(&batch)?;
            let batch = match &mut self.seen {
                Some(seen) => seen.drop_known(&batch)?,
                None => batch,
            };
            if batch.num_rows() > 0 {
                self.all.add(batch.clone())?;
                new.push(batch);
            }
        }
        Ok(new)
    }

    /// All of them.
    pub fn into_batches(mut self) -> Result<Vec<RecordBatch>, ExecError> {
        self.all.put_together()?;
        Ok(self.all.batches)
    }
}

/// The rows of all runs.
struct Collected {
    fields: Vec<Field>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Small batches that wait to be put together.
    small: Vec<RecordBatch>,
    small_rows: usize,
    reserved: Reservation,
}

impl Collected {
    fn new(fields: &[Field], budget: &Arc<Budget>) -> Result<Self, ExecError> {
        Ok(Self {
            fields: fields.to_vec(),
            schema: arrow_schema(fields),
            batches: Vec::new(),
            small: Vec::new(),
            small_rows: 0,
            reserved: budget.reserve(0, OPERATOR)?,
        })
    }

    /// The batch with the names of the CTE's columns.
    fn named(&self, batch: &RecordBatch) -> Result<RecordBatch, ExecError> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), batch.columns().to_vec(), &options).map_err(internal)
    }

    fn add(&mut self, batch: RecordBatch) -> Result<(), ExecError> {
        let bytes = self.reserved.bytes() + batch.get_array_memory_size();
        self.reserved.resize(bytes, OPERATOR)?;
        if batch.num_rows() >= BLOCK_ROWS {
            self.batches.push(batch);
            return Ok(());
        }
        self.small_rows += batch.num_rows();
        self.small.push(batch);
        if self.small_rows >= BLOCK_ROWS {
            self.put_together()?;
        }
        Ok(())
    }

    fn put_together(&mut self) -> Result<(), ExecError> {
        if self.small.is_empty() {
            return Ok(());
        }
        let small: usize = self.small.iter().map(RecordBatch::get_array_memory_size).sum();
        let batch = concat_batches(&self.schema, &self.small).map_err(internal)?;
        let bytes = self.reserved.bytes() + batch.get_array_memory_size();
        self.reserved.resize(bytes.saturating_sub(small), OPERATOR)?;
        self.batches.push(batch);
        self.small.clear();
        self.small_rows = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<TempData, ExecError> {
        self.put_together()?;
        Ok(TempData::of_batches(self.batches, self.fields, vec![self.reserved]))
    }
}

/// The rows that were there already, as bytes.
struct Seen {
    converter: RowConverter,
    rows: HashSet<Box<[u8]>>,
    reserved: Reservation,
}

impl Seen {
    fn new(schema: &SchemaRef, budget: &Arc<Budget>) -> Result<Self, ExecError> {
        let fields = schema
            .fields()
            .iter()
            .map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(fields.collect()).map_err(internal)?,
            rows: HashSet::new(),
            reserved: budget.reserve(0, OPERATOR)?,
        })
    }

    /// The rows that are new, each once.
    fn drop_known(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ExecError> {
        let rows = self.converter.convert_columns(batch.columns()).map_err(internal)?;
        let mut bytes = self.reserved.bytes();
        let mut new = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            if !self.rows.contains(row.data()) {
                bytes += row.data().len() + 2 * size_of::<Box<[u8]>>();
                self.rows.insert(row.data().into());
                new.push(number as u32);
            }
        }
        self.reserved.resize(bytes, OPERATOR)?;
        if new.len() == batch.num_rows() {
            return Ok(batch.clone());
        }
        take_record_batch(batch, &UInt32Array::from(new)).map_err(internal)
    }
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("a recursive CTE's rows do not fit together: {error}"))
}
