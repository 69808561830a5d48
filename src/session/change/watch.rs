//! What a change does to foreign keys, kept while its rows go by: keys that are no longer there, and new references.
//!
//! `UPDATE customer SET id = id + 100 WHERE id < 3`, where orders refer to `id`, loses the keys 1 and 2, which moved to 101 and 102.
//! `INSERT INTO orders …` gains references.
//!
//! Invariants: only columns of keys are kept, and only where a foreign key is about them; an UPDATE that sets none keeps nothing.
//!
//! Does not: judge; [`super::foreign`] does, when the statement has been staged.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{filter_record_batch, or};
use arrow::datatypes::{Field as ArrowField, Schema};
use gobi_grammar::ast::Assignment;

use super::Table;
use crate::catalog::{Catalog, ColumnNo, TableDef};
use crate::plan::change::{Action, Change};

/// What is watched of a table, and what was seen.
#[derive(Debug, Default)]
pub struct Watch {
    /// Places of columns that foreign keys of tables lead to.
    pub lost: Vec<usize>,
    /// Places of columns that are part of foreign keys of the table itself.
    pub gained: Vec<usize>,
    /// The values of `lost` columns in rows that are gone.
    pub gone: Vec<RecordBatch>,
    /// The values of `lost` columns in rows whose key changed: those before, then those after.
    pub moved: Vec<RecordBatch>,
    /// The values of `gained` columns in new rows.
    pub new: Vec<RecordBatch>,
}

impl Watch {
    /// What a change may do to foreign keys.
    pub fn new(catalog: &Catalog, table: &Table, change: &Change<'_>) -> Self {
        let place = |no: &ColumnNo| table.def.columns.iter().position(|column| column.no == *no);
        let touches = |columns: &[ColumnNo]| {
            columns
                .iter()
                .filter_map(place)
                .any(|at| is_touched(&table.def, change, at))
        };
        let removes = change.arms.iter().any(|arm| matches!(arm.action, Action::Delete));
        let mut watch = Self::default();
        for (_, _, key) in catalog.foreign_keys_to(table.id) {
            if removes || touches(&key.referenced) && has_old_rows(change) {
                watch.lost.extend(key.referenced.iter().filter_map(place));
            }
        }
        for key in &table.def.foreign_keys {
            if touches(&key.columns) {
                watch.gained.extend(key.columns.iter().filter_map(place));
            }
        }
        for places in [&mut watch.lost, &mut watch.gained] {
            places.sort_unstable();
            places.dedup();
        }
        watch
    }

    /// Whether there is nothing to watch.
    pub fn is_idle(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }

    /// Keeps the new rows' references.
    pub fn gain(&mut self, added: &RecordBatch) -> Result<(), arrow::error::ArrowError> {
        if !self.gained.is_empty() && added.num_rows() > 0 {
            self.new.push(added.project(&self.gained)?);
        }
        Ok(())
    }

    /// Keeps what is lost: the old values of the rows, their new ones, which rows there were, and which have a new row.
    pub fn lose(
        &mut self,
        old: &[ArrayRef],
        new: &[ArrayRef],
        had: &BooleanArray,
        has: Option<&BooleanArray>,
    ) -> Result<(), arrow::error::ArrowError> {
        if self.lost.is_empty() {
            return Ok(());
        }
        let none = BooleanArray::from(vec![false; had.len()]);
        let has = match has {
            _ if new.is_empty() => &none,
            Some(has) => has,
            None => had,
        };
        let gone: BooleanArray = had
            .iter()
            .zip(has.iter())
            .map(|(had, has)| Some(had? && !has?))
            .collect();
        push(&mut self.gone, filter_record_batch(&batch_of(old)?, &gone)?);
        if new.is_empty() {
            return Ok(());
        }
        let after: Vec<ArrayRef> = self.lost.iter().filter_map(|at| new.get(*at)).cloned().collect();
        let mut differs = none.clone();
        for (old, new) in old.iter().zip(&after) {
            differs = or(&differs, &distinct(old, new)?)?;
        }
        let moved: BooleanArray = (0..had.len())
            .map(|row| Some(had.value(row) && has.value(row) && differs.value(row)))
            .collect();
        let both: Vec<ArrayRef> = old.iter().cloned().chain(after).collect();
        push(&mut self.moved, filter_record_batch(&batch_of(&both)?, &moved)?);
        Ok(())
    }
}

fn push(batches: &mut Vec<RecordBatch>, batch: RecordBatch) {
    if batch.num_rows() > 0 {
        batches.push(batch);
    }
}

/// Columns without names.
fn batch_of(columns: &[ArrayRef]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let fields: Vec<ArrowField> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| ArrowField::new(format!("c{i}"), column.data_type().clone(), true))
        .collect();
    let rows = columns.first().map_or(0, |column| column.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Schema::new(fields).into(), columns.to_vec(), &options)
}

/// Whether rows of the table may be replaced.
fn has_old_rows(change: &Change<'_>) -> bool {
    let replaces = |action: &Action<'_>| matches!(action, Action::Update(_) | Action::Replace(_));
    change.arms.iter().any(|arm| replaces(&arm.action))
}

/// Whether a column may get another value.
fn is_touched(def: &TableDef, change: &Change<'_>, at: usize) -> bool {
    let Some(column) = def.columns.get(at) else {
        return false;
    };
    let sets = |assignment: &Assignment| assignment.columns().any(|name| name.eq_ignore_ascii_case(&column.name));
    change.arms.iter().any(|arm| match arm.action {
        Action::Delete | Action::Nothing => false,
        Action::Update(set) => column.generated.is_some() || set.iter().any(sets),
        Action::Replace(places) => column.generated.is_some() || places.contains(&at),
        Action::Propose | Action::Insert(..) | Action::InsertDefaults => true,
    })
}
