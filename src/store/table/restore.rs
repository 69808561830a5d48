//! Back to a state of the past, as changes like any others.
//!
//! Since commit 10 row 5 was updated, row 6 deleted and row 9 inserted. To restore 10 is to write row 5 anew as it was, to insert
//! row 6 again under its id, and to delete row 9; what did not change is not touched.
//!
//! Invariants: the definitions become those of the past, watermarks too: what was made of changes goes back together with how
//! far they were read. Numbers are not given out again. No commit may come in between.
//!
//! Does not: go back to a state that is not in the history of the snapshot: the same ids mean other rows there.

use std::collections::BTreeMap;

use super::RowAddress;
use super::changelog::{Place, Step};
use super::changes::Changes;
use super::copy::Copier;
use super::relation::Part;
use super::snapshot::Snapshot;
use crate::catalog::{Catalog, EntityId, TableDef};
use crate::store::StoreError;

impl Changes {
    /// Stages what makes an earlier state of the snapshot that they are on top of.
    pub fn restore(&mut self, then: &Snapshot) -> Result<(), StoreError> {
        let now = self.base().clone();
        self.only_on_base = true;
        let next = now.catalog().next_id().max(then.catalog().next_id());
        self.catalog = Catalog::new(then.catalog().entries().cloned(), next);
        let tables: Vec<(EntityId, TableDef)> = then
            .catalog()
            .entries()
            .filter_map(|entry| Some((entry.id, then.catalog().table(entry.id)?.clone())))
            .collect();
        for (id, def) in tables {
            match now.catalog().table(id) {
                Some(known) => self.restore_rows((id, &def), known.columns != def.columns, (&now, then))?,
                None => self.restore_table((id, &def), then)?,
            }
        }
        Ok(())
    }

    /// A table that was dropped since.
    pub(super) fn restore_table(
        &mut self,
        (id, def): (EntityId, &TableDef),
        then: &Snapshot,
    ) -> Result<(), StoreError> {
        let table = then.table(id)?;
        let staged = self.table(id)?;
        let mut copier = Copier::new(then.core(), def);
        for part in table.parts()? {
            let mut rows = Vec::new();
            for row in 0..super::position(part.segment.rows) {
                if !part.deletes.as_ref().is_some_and(|deletes| deletes.contains(row))
                    && let Some(id) = part.segment.who(then.core(), row)?.0
                {
                    rows.push((row, id));
                }
            }
            copier.append(staged, &part.segment, &rows)?;
        }
        Ok(())
    }

    /// The rows of a table that differ; if it has other `columns`, those too that a compaction moved, since it kept the columns of
    /// its time.
    fn restore_rows(
        &mut self,
        (id, def): (EntityId, &TableDef),
        columns: bool,
        (now, then): (&Snapshot, &Snapshot),
    ) -> Result<(), StoreError> {
        let core = then.core();
        let step = Step::of(core, id, (now.root(), then.root()), then.root())?;
        let moved = if columns { step.moved.as_slice() } else { &[] };
        let both = step.updated.iter().chain(moved);
        let gone = step.deleted.iter().chain(both.clone().map(|(before, _)| before));
        let gone: Vec<RowAddress> = gone.filter_map(|place| address(&step.old, place)).collect();
        let back = step.inserted.iter().chain(both.map(|(_, after)| after));
        let mut by_part: BTreeMap<usize, Vec<(u32, u64)>> = BTreeMap::new();
        for place in back {
            by_part.entry(place.part).or_default().push((place.row, place.id));
        }
        if gone.is_empty() && by_part.is_empty() {
            return Ok(());
        }
        let staged = self.table(id)?;
        staged.delete(&gone);
        let mut copier = Copier::new(core, def);
        for (part, mut rows) in by_part {
            rows.sort_unstable();
            if let Some(part) = step.new.get(part) {
                copier.append(staged, &part.segment, &rows)?;
            }
        }
        Ok(())
    }
}

/// Where a row of a list of parts is.
pub(super) fn address(parts: &[Part], place: &Place) -> Option<RowAddress> {
    let part = parts.get(place.part)?;
    Some(RowAddress::new(part.segment.number, place.row as usize))
}
