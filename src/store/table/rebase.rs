//! What a transaction has staged, moved on top of a newer snapshot: read committed begins every statement so.
//!
//! A transaction staged the deletion of row 3 of segment 4 on top of commit 10; its next statement reads commit 12 without
//! that row.
//!
//! Invariants: staged rows and their addresses stay as they are. What a newer commit leaves no place for is a conflict.
//!
//! Does not: look at rows; locks keep others from the same ones.

use std::collections::BTreeMap;

use super::changes::Changes;
use super::error::{CommitError, Conflict, ConflictOn};
use super::moved::Moves;
use super::snapshot::Snapshot;
use crate::catalog::{Catalog, EntityId, Entry};

impl Changes {
    /// The same changes on top of a newer snapshot of the same branch.
    pub fn rebased(&self, onto: &Snapshot) -> Result<Self, CommitError> {
        if self.base().commit_id() == onto.commit_id() {
            return Ok(self.clone());
        }
        let catalog = self.rebased_catalog(onto)?;
        let mut moved = Vec::new();
        for (id, table) in self.tables.iter().filter(|(_, table)| !table.is_empty()) {
            if self.base().catalog().get(*id).is_none() {
                continue;
            }
            let name = || self.catalog.table(*id).map_or_else(String::new, |def| def.name.clone());
            if self.base().catalog().get(*id) != onto.catalog().get(*id) {
                return Err(conflict(name(), ConflictOn::Definition));
            }
            let newer = onto.table(*id)?;
            let mut moves = None;
            for (segment, rows) in table.committed_deletes() {
                if newer.has_segment(segment)? {
                    continue;
                }
                // Compaction moved the rows, or somebody deleted them.
                let moves = match &moves {
                    Some(moves) => moves,
                    None => moves.insert(Moves::between(self.base(), onto, *id)?),
                };
                match moves.find_again(segment, rows)? {
                    Ok(found) => moved.push((*id, segment, found)),
                    Err(row) => return Err(conflict(name(), ConflictOn::Row(row))),
                }
            }
        }
        let mut rebased = self.on(onto, catalog);
        for (id, segment, found) in moved {
            if let Some(table) = rebased.tables.get_mut(&id) {
                table.move_deletes(segment, found);
            }
        }
        Ok(rebased)
    }

    fn rebased_catalog(&self, onto: &Snapshot) -> Result<Catalog, CommitError> {
        let (base, newest) = (self.base().catalog(), onto.catalog());
        let changes = self.catalog.changes_since(base);
        if changes.is_empty() {
            return Ok(Catalog::clone(newest));
        }
        let mut entries: BTreeMap<EntityId, Entry> = newest.entries().map(|entry| (entry.id, entry.clone())).collect();
        for (id, entry) in changes {
            if base.get(id) != newest.get(id) {
                let named = entry.or(newest.get(id)).or(base.get(id));
                let name = named.map_or_else(String::new, |entry| entry.entity.name().into());
                return Err(conflict(name, ConflictOn::Definition));
            }
            match entry {
                Some(entry) => drop(entries.insert(id, entry.clone())),
                None => drop(entries.remove(&id)),
            }
        }
        let next = self.catalog.next_id().max(newest.next_id());
        Ok(Catalog::new(entries.into_values(), next))
    }
}

fn conflict(table: String, on: ConflictOn) -> CommitError {
    CommitError::Conflict(Conflict { table, on, by: None })
}
