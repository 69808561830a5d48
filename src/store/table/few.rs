//! The values of a few rows, by their addresses: what a look-up by key gives, without a relation in between.
//!
//! `table.values_of(None, &[row], &[0, 2])` is one row of two values: the table's first and third column at that address.
//!
//! Invariants: the values are those that a scan of the rows would give, in the same order; rows that are deleted are left out.
//!
//! Does not: plan or decode more than the columns that are asked for.

use std::sync::Arc;

use super::RowAddress;
use super::changes::TableChanges;
use super::relation::{Extra, Part, extras, stats_of_extras};
use super::segment::{Open, Segment};
use super::snapshot::TableSnapshot;
use crate::store::StoreError;
use crate::types::{TableStats, Value};

/// A row group of a segment, and the place of a row in it.
struct Place {
    segment: Arc<Segment>,
    group: usize,
    row: usize,
}

impl TableSnapshot {
    /// What is known of so many rows at most before any is looked at.
    pub fn stats_of(&self, staged: Option<&TableChanges>, rows: usize) -> Result<TableStats, StoreError> {
        let extras = extras(self.has_deletes(staged)?);
        let plans = self.natural_plans().iter().map(|plan| plan.stats.clone());
        Ok(TableStats {
            rows: Some(rows as u64),
            columns: plans.chain(stats_of_extras(&extras, &[])).collect(),
        })
    }

    /// Some columns of some rows, of the snapshot or staged; columns go by their places among those of the table and the hidden
    /// ones behind them. `None`: one of these is nothing that is looked up.
    pub fn values_of(
        &self,
        staged: Option<&TableChanges>,
        rows: &[RowAddress],
        columns: &[usize],
    ) -> Result<Option<Vec<Vec<Value>>>, StoreError> {
        let extras = extras(self.has_deletes(staged)?);
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows.dedup();
        let mut all = Vec::with_capacity(rows.len());
        for address in rows {
            let Some(place) = self.place(staged, address)? else {
                continue;
            };
            let mut values = Vec::with_capacity(columns.len());
            for at in columns {
                let value = match self.def.columns.get(*at) {
                    Some(column) => {
                        let segment = &place.segment;
                        segment.kept_value(&self.core, (place.group, place.row), column)?
                    }
                    None => match extras.get(*at - self.def.columns.len()) {
                        Some(Extra::Address) => Value::Int(address.0.cast_signed().into()),
                        Some(Extra::Live) => Value::Boolean(true),
                        _ => return Ok(None),
                    },
                };
                values.push(value);
            }
            all.push(values);
        }
        Ok(Some(all))
    }

    /// Where a row is, unless it is deleted.
    fn place(&self, staged: Option<&TableChanges>, address: RowAddress) -> Result<Option<Place>, StoreError> {
        let more = staged.and_then(|staged| staged.deletes_of(address.segment()));
        if more.is_some_and(|gone| gone.contains(address.row())) {
            return Ok(None);
        }
        let (segment, mut row) = match staged.map(|staged| staged.holder(address)).transpose()?.flatten() {
            Some(held) => held,
            None => match self.part(staged, address.segment())? {
                Some(part) if !is_deleted(&part, address) => (part.segment, address.row() as usize),
                _ => return Ok(None),
            },
        };
        let file = match segment.open(&self.core)? {
            Open::Rows(rows) => {
                let group = 0;
                return Ok((row < rows.len).then_some(Place { segment, group, row }));
            }
            Open::File(file) => file,
        };
        for (group, rows) in file.groups.iter().enumerate() {
            if row < *rows {
                return Ok(Some(Place { segment, group, row }));
            }
            row -= rows;
        }
        Ok(None)
    }
}

/// Whether a row of a committed part is deleted.
fn is_deleted(part: &Part, address: RowAddress) -> bool {
    part.deletes.as_deref().is_some_and(|gone| gone.contains(address.row()))
}
