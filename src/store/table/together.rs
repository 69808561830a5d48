//! Rows of several transactions that become one commit, and so one segment.
//!
//! Fifteen transactions that add a row each to `t` are committed together: instead of fifteen segments of a row there is one of
//! fifteen, which is encoded, entered in the tree and later compacted once.
//!
//! Invariants: rows stand in the order of the transactions, unless the table is sorted. Each transaction keeps what its commit relies on.
//!
//! Does not: say which transactions may become one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changes::{Body, Changes, Pending, Staged, TableChanges};
use super::core::Core;
use super::error::CommitError;
use super::partition::PartitionKey;
use super::prepare::{Prepared, ReadyTable, ready_rows, sync_files};
use super::rows::Rows;
use crate::catalog::EntityId;

/// A transaction of more rows is encoded by itself, before it waits for others.
const FEW_ROWS: usize = 64;
/// Likewise.
const FEW_BYTES: usize = 16 << 10;

impl Changes {
    /// Whether a few rows are added that are in memory, and nothing else is done to rows.
    pub(in crate::store) fn adds_few(&self) -> bool {
        let is_few = |table: &TableChanges| {
            let staged = table.staged();
            let rows: usize = staged.iter().map(|staged| staged.rows).sum();
            let bytes: usize = staged.iter().filter_map(in_memory).map(|pending| pending.bytes).sum();
            let is_plain = |staged: &Staged| {
                let pending = in_memory(staged);
                pending.is_some_and(|pending| pending.batches.iter().all(|rows| rows.kept.is_none()))
            };
            rows <= FEW_ROWS && bytes <= FEW_BYTES && staged.iter().all(is_plain) && table.only_appends()
        };
        self.tables.values().all(is_few)
    }
}

fn in_memory(staged: &Staged) -> Option<&Pending> {
    match &staged.body {
        Body::Rows(pending) => Some(pending),
        Body::File(_) => None,
    }
}

/// Rows of a partition of a table.
#[derive(Default)]
struct Together {
    /// The number of the first segment that they were to be.
    number: u32,
    batches: Vec<Rows>,
}

impl Prepared {
    /// What some transactions that add a few rows change, encoded: one for each, of which the first that has a table has the rows of all.
    /// The tables are defined alike in all of them.
    pub(in crate::store) fn together(core: &Arc<Core>, all: &[&Arc<Changes>]) -> Result<Vec<Self>, CommitError> {
        if let [only] = all {
            return Ok(vec![only.prepare(core)?]);
        }
        let mut rows: BTreeMap<EntityId, Vec<(&PartitionKey, Together)>> = BTreeMap::new();
        for changes in all {
            for (id, table) in &changes.tables {
                let of_table = rows.entry(*id).or_default();
                for staged in table.staged() {
                    add(of_table, staged);
                }
            }
        }
        let mut prepared = Vec::with_capacity(all.len());
        for changes in all {
            let mut tables = BTreeMap::new();
            for id in changes.tables.keys() {
                if let Some(parts) = rows.remove(id)
                    && let Some(ready) = ready_table(core, changes, *id, parts)?
                {
                    tables.insert(*id, ready);
                }
            }
            let changes = Arc::clone(changes);
            prepared.push(Self { changes, tables });
        }
        let appended = prepared.iter().flat_map(|prepared| prepared.tables.values());
        sync_files(core, appended.flat_map(|table| &table.appended))?;
        Ok(prepared)
    }
}

fn add<'a>(parts: &mut Vec<(&'a PartitionKey, Together)>, staged: &'a Staged) {
    let Some(pending) = in_memory(staged).filter(|_| staged.rows > 0) else {
        return;
    };
    let fits = |(partition, together): &&mut (&PartitionKey, Together)| {
        let pair = (together.batches.first(), pending.batches.first());
        let alike = matches!(pair, (Some(known), Some(rows)) if known.has_columns_of(rows));
        alike && **partition == staged.partition
    };
    let together = match parts.iter_mut().find(fits) {
        Some((_, together)) => together,
        None => {
            let number = staged.number;
            let batches = Vec::new();
            parts.push((&staged.partition, Together { number, batches }));
            match parts.last_mut() {
                Some((_, together)) => together,
                None => return,
            }
        }
    };
    together.batches.extend(pending.batches.iter().cloned());
}

fn ready_table(
    core: &Arc<Core>,
    changes: &Changes,
    id: EntityId,
    parts: Vec<(&PartitionKey, Together)>,
) -> Result<Option<ReadyTable>, CommitError> {
    let Some(def) = changes.catalog.table(id).filter(|_| !parts.is_empty()) else {
        return Ok(None);
    };
    let keys = changes.catalog.indexed(id);
    let (mut appended, mut spill) = (Vec::with_capacity(parts.len()), None);
    for (_, Together { number, batches }) in parts {
        let pending = Pending::of(batches);
        appended.push(ready_rows(core, (def, &keys), number, &pending, &mut spill)?);
    }
    Ok(Some(ReadyTable { keys, appended }))
}
