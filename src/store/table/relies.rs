//! What a transaction has seen of other rows, and what its commit relies on: keys that are there, rows that are not.
//!
//! A row of `orders` was added that refers to customer 7: there must be one when it is committed, whoever deletes customers
//! meanwhile. Customer 8 was deleted because no order refers to it: no order may have come since.
//!
//! Invariants: what is relied on was so in the snapshot that it was seen in. It holds in the one that the commit is made on top
//! of, or there is no commit: of two transactions that break a foreign key only together, the second fails. Rows that were moved by
//! compaction look new, which at worst is a conflict that was none.
//!
//! Does not: know foreign keys.

use std::collections::{BTreeMap, BTreeSet};

use super::changelog::Counts;
use super::changes::Changes;
use super::entry::{segment_of_key, segments_prefix};
use super::index::{find, index_key};
use super::keyed::same_keys;
use super::snapshot::{Snapshot, load_state};
use crate::catalog::{ColumnNo, EntityId, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::tree::Tree;
use crate::types::Value;

/// More keys than this are not kept one by one.
const MAX_KEYS: usize = 10_000;

/// What a commit relies on.
#[derive(Clone, Debug, Default)]
pub struct Relies {
    keys: BTreeMap<(EntityId, Vec<ColumnNo>), BTreeSet<Vec<u8>>>,
    none_gone: BTreeMap<EntityId, Snapshot>,
    none_new: BTreeMap<EntityId, Snapshot>,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Among the rows of the transaction.
    Staged,
    /// Among those that were committed before.
    Committed,
    /// Nowhere.
    Absent,
    /// There is no index to look it up in.
    Unknown,
}

impl Relies {
    /// Whether it relies on nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.none_gone.is_empty() && self.none_new.is_empty()
    }

    /// A key of a table is there.
    pub fn on_key(&mut self, base: &Snapshot, table: EntityId, key: &KeyDef, values: &[Value]) {
        let Some(bytes) = index_key(values) else { return };
        if self.none_gone.contains_key(&table) {
            return;
        }
        let known = self.keys.entry((table, key.columns.clone())).or_default();
        known.insert(bytes);
        if known.len() > MAX_KEYS {
            self.on_no_row_gone(base, table);
        }
    }

    /// No row of a table goes.
    pub fn on_no_row_gone(&mut self, base: &Snapshot, table: EntityId) {
        self.none_gone.entry(table).or_insert_with(|| base.clone());
        self.keys.retain(|(of, _), _| *of != table);
    }

    /// No row of a table comes.
    pub fn on_no_row_new(&mut self, base: &Snapshot, table: EntityId) {
        self.none_new.entry(table).or_insert_with(|| base.clone());
    }

    /// The table of which something that was relied on does not hold.
    pub(super) fn broken(&self, newest: &Snapshot) -> Result<Option<EntityId>, StoreError> {
        for ((table, columns), keys) in &self.keys {
            let state = load_state(newest.core(), newest.root(), *table)?;
            let Some(root) = state.index(columns) else {
                return Ok(Some(*table));
            };
            for key in keys {
                if find(&**newest.core(), root, key)?.is_none() {
                    return Ok(Some(*table));
                }
            }
        }
        for (table, seen) in &self.none_gone {
            if same_rows(seen, newest, *table)? {
                continue;
            }
            let now = segments(newest, *table)?;
            if segments(seen, *table)?
                .iter()
                .any(|(number, entry)| now.get(number) != Some(entry))
            {
                return Ok(Some(*table));
            }
        }
        for (table, seen) in &self.none_new {
            if same_rows(seen, newest, *table)? {
                continue;
            }
            let before = segments(seen, *table)?;
            if segments(newest, *table)?
                .keys()
                .any(|number| !before.contains_key(number))
            {
                return Ok(Some(*table));
            }
        }
        Ok(None)
    }
}

/// Whether a table has the rows that it had, though compaction may have moved them.
pub(super) fn same_rows(before: &Snapshot, now: &Snapshot, table: EntityId) -> Result<bool, StoreError> {
    let state = |of: &Snapshot| load_state(of.core(), of.root(), table);
    let (old, new) = (state(before)?, state(now)?);
    if old == new {
        return Ok(true);
    }
    // Rows that come have new ids, and what goes without any coming makes them fewer; what is written anew keeps its id.
    let as_many = (old.next_row, old.rows) == (new.next_row, new.rows);
    Ok(as_many && now.counts_since(before, before, table)? == Counts::default())
}

/// Whether a table has the very segments that it had, none of them written anew.
pub(super) fn same_segments(before: &Snapshot, now: &Snapshot, table: EntityId) -> Result<bool, StoreError> {
    Ok(segments(before, table)? == segments(now, table)?)
}

/// The segments of a table: their numbers, and what the tree says of them.
fn segments(snapshot: &Snapshot, table: EntityId) -> Result<BTreeMap<u32, Vec<u8>>, StoreError> {
    let mut found = BTreeMap::new();
    for entry in Tree::new(&**snapshot.core(), snapshot.root()).prefix(&segments_prefix(table)) {
        let (key, value) = entry?;
        found.extend(segment_of_key(&key).map(|number| (number, value)));
    }
    Ok(found)
}

impl Changes {
    /// Where a row with these values in a key's columns is, as the transaction sees the table.
    pub fn presence(
        &self,
        base: &Snapshot,
        table: EntityId,
        def: &TableDef,
        key: &KeyDef,
        values: &[Value],
    ) -> Result<Presence, StoreError> {
        let staged = self.tables.get(&table);
        if let Some(staged) = staged
            && staged.find_key(def, key, values)?.is_some()
        {
            return Ok(Presence::Staged);
        }
        let Some(known) = base.catalog().table(table) else {
            return Ok(Presence::Absent);
        };
        if staged.is_some_and(|staged| staged.is_truncated()) {
            return Ok(Presence::Absent);
        }
        let has_key = known.keys().any(|known| known.columns == key.columns);
        if !has_key || !same_keys(known, def, &key.columns) {
            return Ok(Presence::Unknown);
        }
        let Some(row) = base.table_as(table, def)?.find_key(key, values)? else {
            return Ok(Presence::Absent);
        };
        let deletes = staged.and_then(|staged| staged.deletes_of(row.segment()));
        match deletes.is_some_and(|deletes| deletes.contains(row.row())) {
            true => Ok(Presence::Absent),
            false => Ok(Presence::Committed),
        }
    }
}
