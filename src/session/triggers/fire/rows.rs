//! Rows as triggers see them, and as they leave them.
//!
//! A batch of an UPDATE becomes the columns of `OLD` and `NEW`, with what happened to each row; what a trigger before rows has assigned goes
//! back into the batch, and the rows that it skips leave it.
//!
//! Invariants: a batch keeps the order of its rows, and its other columns.
//!
//! Does not: run bodies.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field as ArrowField, Int64Type, Schema};
use gobi_grammar::Diagnostic;

use super::Firing;
use super::events::has_old_row;
use crate::plan::change::{Change, Layout};
use crate::procedure::{RowOutput, SKIPPED};
use crate::session::Error;
use crate::session::triggers::ready::Ready;
use crate::types::Field;
use crate::types::arrow::to_arrow;

/// What happened to a row that came.
const INSERTED: usize = 0;
/// And to one that goes.
const DELETED: usize = 2;

/// Rows that have changed.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// By the places of the table's columns; those that are not wanted are not there.
    pub(super) old: Vec<Option<ArrayRef>>,
    pub(super) new: Vec<ArrayRef>,
    /// The number of the arm, and what happened: 0 inserted, 1 updated, 2 deleted.
    pub(super) kinds: Vec<(usize, usize)>,
}

impl Changed {
    /// The memory that they take.
    pub(super) fn bytes(&self) -> usize {
        let arrays = self.old.iter().flatten().chain(&self.new);
        let arrays = arrays.map(|array| array.get_array_memory_size()).sum::<usize>();
        arrays + self.kinds.capacity() * size_of::<(usize, usize)>()
    }
}

impl Firing {
    /// The rows of a batch, as triggers see them.
    pub(super) fn changed(
        &self,
        batch: &RecordBatch,
        (change, layout, first_old): (&Change<'_>, &Layout, usize),
    ) -> Changed {
        let mut old = vec![None; self.target.columns.len()];
        for (at, place) in self.old.iter().enumerate() {
            if let Some(slot) = old.get_mut(*place) {
                *slot = batch.columns().get(first_old + at).cloned();
            }
        }
        let (first, count) = layout.new;
        let new = batch.columns().get(first..first + count).unwrap_or_default().to_vec();
        let addresses = layout
            .address
            .and_then(|at| batch.columns().get(at))
            .map(|c| c.as_primitive::<Int64Type>());
        let actions = layout.action.and_then(|at| batch.columns().get(at));
        let actions = actions.map(|column| column.as_primitive::<arrow::datatypes::Int32Type>());
        let kinds = (0..batch.num_rows()).map(|row| {
            let arm = actions.map_or(0, |actions| usize::try_from(actions.value(row)).unwrap_or_default());
            let makes = change.arms.get(arm).is_some_and(|arm| arm.action.makes_a_row());
            let had = addresses.is_some_and(|addresses| addresses.is_valid(row))
                || addresses.is_none() && has_old_row(change, arm);
            let kind = match (had, makes) {
                (true, true) => 1,
                (true, false) => 2,
                _ => 0,
            };
            (arm, kind)
        });
        Changed {
            old,
            new,
            kinds: kinds.collect(),
        }
    }

    pub(super) fn column(&self, at: usize, array: Option<ArrayRef>, rows: usize) -> ArrayRef {
        let ty = self
            .target
            .columns
            .get(at)
            .map_or(arrow::datatypes::DataType::Null, |field| to_arrow(&field.ty));
        array.unwrap_or_else(|| new_null_array(&ty, rows))
    }

    /// The batch as a trigger before rows leaves it.
    pub(super) fn replaced(
        &self,
        batch: &RecordBatch,
        layout: &Layout,
        ready: &Ready,
        out: Vec<ArrayRef>,
    ) -> Result<RecordBatch, Error> {
        let internal = |error: arrow::error::ArrowError| {
            Error::new(Diagnostic::new("XX000", self.running.span, error.to_string()))
        };
        let keep: Option<BooleanArray> = out.first().map(|state| {
            let states = state.as_primitive::<Int64Type>().values().iter();
            states.map(|state| Some(*state != SKIPPED as i64)).collect()
        });
        let mut columns = batch.columns().to_vec();
        for (output, array) in ready.trigger.outputs.iter().zip(out) {
            if let RowOutput::New(at) = output
                && *at < layout.new.1
                && let Some(column) = columns.get_mut(layout.new.0 + at)
            {
                *column = array;
            }
        }
        let schema = batch.schema();
        let fields = schema
            .fields()
            .iter()
            .map(|field| ArrowField::clone(field).with_nullable(true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema.into(), columns, &options).map_err(internal)?;
        match keep {
            Some(keep) if keep.false_count() > 0 => filter_record_batch(&batch, &keep).map_err(internal),
            _ => Ok(batch),
        }
    }

    /// Keeps the rows for triggers that read them all.
    pub(super) fn keep(&mut self, changed: &Changed) -> Result<(), Error> {
        let Some(kept) = &mut self.kept else {
            return Ok(());
        };
        let span = self.running.span;
        let columns = &self.target.columns;
        let mut kinds = changed.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        for happened in kinds {
            let mask: BooleanArray = changed.kinds.iter().map(|kind| Some(*kind == happened)).collect();
            let rows = |values: &[ArrayRef], wanted: bool| -> Result<Option<RecordBatch>, arrow::error::ArrowError> {
                if !wanted || values.len() < columns.len() || columns.is_empty() {
                    return Ok(None);
                }
                batch_of(columns, values)
                    .and_then(|batch| filter_record_batch(&batch, &mask))
                    .map(Some)
            };
            let old: Vec<ArrayRef> = changed.old.iter().flatten().cloned().collect();
            let batches = rows(&old, happened.1 != INSERTED)
                .and_then(|old| Ok([old, rows(&changed.new, happened.1 != DELETED)?]))
                .map_err(|error| Error::new(Diagnostic::new("XX000", span, error.to_string())))?;
            let sizes = batches.iter().flatten().map(RecordBatch::get_array_memory_size);
            self.kept_bytes += sizes.sum::<usize>();
            kept.push(KeptRows { happened, batches });
        }
        Ok(())
    }
}

/// Rows of a batch that are kept, to which the same has happened.
#[derive(Debug)]
pub(super) struct KeptRows {
    /// The number of the arm, and what happened.
    pub(super) happened: (usize, usize),
    /// Before, and after.
    pub(super) batches: [Option<RecordBatch>; 2],
}

fn batch_of(columns: &[Field], values: &[ArrayRef]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let fields = columns
        .iter()
        .map(|field| ArrowField::new(&field.name, to_arrow(&field.ty), true));
    RecordBatch::try_new(Schema::new(fields.collect::<Vec<_>>()).into(), values.to_vec())
}
