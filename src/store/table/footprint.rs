//! What a transaction has touched, so far as another one must not touch it before the first has ended.
//!
//! `UPDATE t SET b = 1 WHERE a = 2` touches the address of that row, and the keys of the row that replaces it; `TRUNCATE t`
//! and `ALTER TABLE t` touch all of `t`; `CREATE TABLE u` the name `u`. Where two transactions touch the same, that is an
//! [`Overlap`].
//!
//! Invariants: rows are sets of positions by segment, shared with what is staged, so that a million of them cost what a few
//! do. Keys are not listed at all: they are looked up in the rows that the other one has staged.
//!
//! Does not: wait, or know who of two was first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::RowAddress;
use super::changes::Changes;
use super::index::Keys;
use super::moved::Moves;
use super::snapshot::Snapshot;
use crate::catalog::{Catalog, Entity, EntityId, KeyDef};
use crate::store::StoreError;

/// What some changes touch, without the keys.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    tables: BTreeMap<EntityId, Touch>,
    /// Schema and name, in lower case, of what was made or renamed.
    names: BTreeSet<(Arc<str>, String)>,
    /// Numbers that were given to something new.
    created: BTreeSet<EntityId>,
    /// Nothing but rows that come.
    only_adds: bool,
}

/// What is touched of a table.
#[derive(Clone, Debug, Default)]
pub struct Touch {
    /// Its name.
    name: String,
    rows: BTreeMap<u32, Arc<RoaringBitmap>>,
    appended: u64,
    /// All of it: the definition, or every row.
    whole: bool,
}

/// What two transactions both touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The name of the table, or of what else it is.
    pub name: String,
    /// What of it.
    pub on: OverlapOn,
}

/// What of a table two transactions both touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlapOn {
    /// A row, as `(id) = (2)`; empty if the table has no primary key.
    Row(String),
    /// A key that both give to a row.
    Key(String),
    /// All of it.
    Table,
    /// Its name.
    Name,
    /// A number: who comes second takes one that is at least this.
    Number(u64),
}

impl OverlapOn {
    /// Its kind: `row`, `key`, `table` or `name`.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Row(_) => "row",
            Self::Key(_) => "key",
            Self::Table => "table",
            Self::Name | Self::Number(_) => "name",
        }
    }

    /// The key, if it is a row or a key.
    pub fn key(&self) -> &str {
        match self {
            Self::Row(key) | Self::Key(key) => key,
            _ => "",
        }
    }
}

impl std::fmt::Display for Overlap {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.name;
        match &self.on {
            OverlapOn::Row(key) if key.is_empty() => write!(out, "a row of `{name}`"),
            OverlapOn::Row(key) => write!(out, "the row with key {key} of `{name}`"),
            OverlapOn::Key(key) => write!(out, "the key {key} of `{name}`"),
            OverlapOn::Table => write!(out, "the table `{name}`"),
            OverlapOn::Name | OverlapOn::Number(_) => write!(out, "the name `{name}`"),
        }
    }
}

/// A line of a list of locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The table, or the name.
    pub name: String,
    /// Whether it is all of it.
    pub whole: bool,
    /// Rows deleted or replaced.
    pub rows: u64,
    /// Rows appended.
    pub appended: u64,
}

impl Footprint {
    /// Of what is staged.
    pub fn of(changes: &Changes) -> Self {
        let mut footprint = Self::default();
        for (id, table) in changes.tables.iter().filter(|(_, table)| !table.is_empty()) {
            let touch = footprint.touch(*id, &changes.catalog);
            touch.rows = table.deletes_by_segment().clone();
            touch.appended = table.appended();
            touch.whole = table.is_truncated();
        }
        footprint.definitions(changes);
        let adds = |touch: &Touch| !touch.whole && touch.rows.is_empty();
        footprint.only_adds =
            footprint.names.is_empty() && footprint.created.is_empty() && footprint.tables.values().all(adds);
        footprint
    }

    /// Whether nothing but rows are added.
    pub fn only_adds(&self) -> bool {
        self.only_adds
    }

    /// Whether nothing but rows are added by both, so that they can only have keys in common.
    pub fn both_only_add(&self, other: &Self) -> bool {
        self.only_adds && other.only_adds
    }

    fn touch(&mut self, id: EntityId, catalog: &Catalog) -> &mut Touch {
        let named = || Touch {
            name: catalog
                .get(id)
                .map_or_else(String::new, |entry| entry.entity.name().into()),
            ..Touch::default()
        };
        self.tables.entry(id).or_insert_with(named)
    }

    fn definitions(&mut self, changes: &Changes) {
        let base = changes.base().catalog();
        for (id, entry) in changes.catalog.changes_since(base) {
            let old = base.get(id);
            if old.is_none() {
                self.created.insert(id);
            }
            if let Some(entry) = entry
                && old.is_none_or(|old| old.entity.key() != entry.entity.key() || old.schema != entry.schema)
            {
                let name = entry.entity.key();
                self.names.insert((Arc::clone(&entry.schema), name));
            }
            let Some(either) = entry.or(old) else { continue };
            self.touch(id, if entry.is_some() { &changes.catalog } else { base })
                .whole = true;
            if let Entity::Index(index) = &*either.entity {
                self.touch(index.table, base).whole = true;
            }
        }
    }

    /// Whether nothing is touched.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.names.is_empty()
    }

    /// Whether it has a table that some changes have, too; with `only_deleting`, one of which rows go.
    pub fn has_table_of(&self, changes: &Changes, only_deleting: bool) -> bool {
        if only_deleting && self.only_adds {
            return false;
        }
        let goes = |touch: &Touch| !only_deleting || touch.whole || !touch.rows.is_empty();
        let mut tables = changes.tables.iter().filter(|(_, table)| !table.is_empty());
        tables.any(|(id, _)| self.tables.get(id).is_some_and(goes))
    }

    /// Whether a table is touched.
    pub fn has_table(&self, table: EntityId) -> bool {
        self.tables.contains_key(&table)
    }

    /// Whether a row is among those that are deleted or replaced.
    pub fn has_row(&self, table: EntityId, row: RowAddress) -> bool {
        let Some(touch) = self.tables.get(&table) else {
            return false;
        };
        touch.whole
            || touch
                .rows
                .get(&row.segment())
                .is_some_and(|rows| rows.contains(row.row()))
    }

    /// What is touched, for people.
    pub fn lines(&self) -> Vec<Touched> {
        let line = |touch: &Touch| Touched {
            name: touch.name.clone(),
            whole: touch.whole,
            rows: touch.rows.values().map(|rows| rows.len()).sum(),
            appended: touch.appended,
        };
        self.tables.values().map(line).collect()
    }

    /// What both touch, the keys of rows left aside; `mine` are the changes that `self` is of.
    pub fn overlap(&self, mine: &Changes, other: &Self) -> Result<Option<Overlap>, StoreError> {
        let found = |name: &str, on| {
            let name = name.to_string();
            Ok(Some(Overlap { name, on }))
        };
        if let Some((_, name)) = self.names.intersection(&other.names).next() {
            return found(name, OverlapOn::Name);
        }
        if let Some(id) = self.created.intersection(&other.created).next() {
            let next = other.created.last().map_or(id.0, |last| last.0) + 1;
            let name = mine.catalog.get(*id).map_or("", |entry| entry.entity.name());
            return found(name, OverlapOn::Number(next));
        }
        for (id, touch) in &self.tables {
            let Some(theirs) = other.tables.get(id) else {
                continue;
            };
            if touch.whole || theirs.whole {
                return found(&theirs.name, OverlapOn::Table);
            }
            for (segment, rows) in &touch.rows {
                let both = theirs.rows.get(segment).and_then(|theirs| (&**rows & &**theirs).min());
                if let Some(row) = both {
                    let row = RowAddress::new(*segment, row as usize);
                    let text = row_text(mine.base(), *id, row)?;
                    return found(&theirs.name, OverlapOn::Row(text));
                }
            }
        }
        Ok(None)
    }
}

/// A row that both delete or replace, though a compaction between their snapshots has moved it.
pub fn moved_row(mine: &Changes, other: &Changes) -> Result<Option<Overlap>, StoreError> {
    if mine.base().commit_id() == other.base().commit_id() {
        return Ok(None);
    }
    let deletes = |changes: &Changes, id| {
        let table = changes.tables.get(id);
        table.is_some_and(|table| table.committed_deletes().next().is_some())
    };
    let both = mine
        .tables
        .keys()
        .filter(|id| deletes(mine, *id) && deletes(other, *id));
    let both: Vec<EntityId> = both.copied().collect();
    if both.is_empty() {
        return Ok(None);
    }
    let (older, newer) = match mine.base().index()? < other.base().index()? {
        true => (mine, other),
        false => (other, mine),
    };
    for id in both {
        let (Some(old), Some(new)) = (older.tables.get(&id), newer.tables.get(&id)) else {
            continue;
        };
        let now = newer.base().table(id)?;
        let mut moves = None;
        for (segment, rows) in old.committed_deletes() {
            if now.has_segment(segment)? {
                continue;
            }
            let moves = match &moves {
                Some(moves) => moves,
                None => moves.insert(Moves::between(older.base(), newer.base(), id)?),
            };
            // A row that is nowhere any more is the older one's to lose.
            for (number, rows) in moves.find_again(segment, rows)?.unwrap_or_default() {
                if let Some(row) = new.deletes_of(number).and_then(|theirs| (theirs & &rows).min()) {
                    let text = row_text(newer.base(), id, RowAddress::new(number, row as usize))?;
                    let (name, on) = (now.definition().name.clone(), OverlapOn::Row(text));
                    return Ok(Some(Overlap { name, on }));
                }
            }
        }
    }
    Ok(None)
}

/// The primary key of a row of a snapshot; empty if there is none.
pub fn row_text(snapshot: &Snapshot, table: EntityId, row: RowAddress) -> Result<String, StoreError> {
    let Some(def) = snapshot.catalog().table(table) else {
        return Ok(String::new());
    };
    match &def.primary_key {
        Some(key) => snapshot.table(table)?.key_text(key, row),
        None => Ok(String::new()),
    }
}

/// The keys of rows that some changes add, and another may not have, too.
#[derive(Debug)]
pub struct AddedKeys<'a> {
    changes: &'a Changes,
    tables: BTreeMap<EntityId, Vec<(KeyDef, Keys)>>,
}

impl<'a> AddedKeys<'a> {
    /// Of the rows of some changes, but for those that were there before; only where the other adds rows, too.
    pub fn new(changes: &'a Changes, before: Option<&Changes>, other: &Changes) -> Result<Self, StoreError> {
        let mut tables = BTreeMap::new();
        for keyed in changes.keyed() {
            let id = keyed.id;
            if other.tables.get(&id).is_none_or(|theirs| theirs.staged().is_empty()) {
                continue;
            }
            let before = before.and_then(|before| before.tables.get(&id));
            let found = keyed.since(before)?;
            tables.insert(id, keyed.indexed.keys().iter().cloned().zip(found).collect());
        }
        Ok(Self { changes, tables })
    }

    /// One that another transaction gives to a row of its own.
    pub fn shared(&self, other: &Changes) -> Result<Option<Overlap>, StoreError> {
        for (id, keys) in &self.tables {
            let (Some(mine), Some(def)) = (self.changes.tables.get(id), self.changes.catalog.table(*id)) else {
                continue;
            };
            let Some(theirs) = other.tables.get(id).filter(|theirs| !theirs.staged().is_empty()) else {
                continue;
            };
            for (key, found) in keys {
                for (bytes, located) in found {
                    if theirs.find_bytes(def, key, bytes)?.is_some() {
                        let (name, key) = (def.name.clone(), mine.key_text(def, key, located.address)?);
                        let on = OverlapOn::Key(key);
                        return Ok(Some(Overlap { name, on }));
                    }
                }
            }
        }
        Ok(None)
    }
}
