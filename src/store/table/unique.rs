//! Keys that a statement gives twice, found when it ends rather than when its transaction does.
//!
//! `INSERT INTO t VALUES (1), (2)` where 2 is there already: the new keys, sorted, are compared with each other, with the
//! rows that the transaction staged before, with the index of its snapshot, and with that of the newest commit.
//!
//! Invariants: only keys of rows that are new since the last look are compared. What is found here would be found by the
//! commit too, which has the last word.
//!
//! Does not: see what other transactions have not committed.

use super::RowAddress;
use super::changes::{Changes, TableChanges};
use super::core::Core;
use super::index::{Keys, Located};
use super::keyed::same_keys;
use super::snapshot::{Snapshot, load_state};
use crate::catalog::{EntityId, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::object::{CommitId, ObjectId};
use crate::store::tree::Tree;

/// More keys than this share of an index are merged with all of it instead of looked up one by one.
const MERGE_SHARE: u64 = 16;
/// Fewer are always looked up.
const FEW: usize = 1000;

/// A key that is there twice.
#[derive(Clone, Debug)]
pub struct Twice {
    /// The table.
    pub id: EntityId,
    /// Its name.
    pub table: String,
    /// The key's name.
    pub constraint: String,
    /// The values, as `(a) = (1)`.
    pub key: String,
    /// The committed row that has it; none if the transaction wrote both.
    pub row: Option<RowAddress>,
    /// Whether the transaction's snapshot does not have that row yet.
    pub is_newer: bool,
    /// Whether the transaction changes or deletes the row that had the key in its snapshot.
    pub is_replaced: bool,
    /// The commit that wrote it then, if it is known.
    pub by: Option<CommitId>,
}

impl std::fmt::Display for Twice {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            table, key, constraint, ..
        } = self;
        write!(out, "`{table}` has a row with {key} already, against `{constraint}`")
    }
}

/// The first key that rows staged after `before` give twice.
pub fn find_twice(changes: &Changes, before: Option<&Changes>, newest: &Snapshot) -> Result<Option<Twice>, StoreError> {
    for keyed in changes.keyed() {
        let id = keyed.id;
        let before = before.and_then(|before| before.tables.get(&id));
        let new = keyed.since(before)?;
        let looking = Looking {
            changes,
            id,
            def: keyed.def,
            table: keyed.table,
            before,
            newest,
        };
        for (key, mut found) in keyed.indexed.keys().iter().zip(new) {
            found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            if let Some(twice) = looking.key(key, &found)? {
                return Ok(Some(twice));
            }
        }
    }
    Ok(None)
}

struct Looking<'a> {
    changes: &'a Changes,
    id: EntityId,
    def: &'a TableDef,
    table: &'a TableChanges,
    before: Option<&'a TableChanges>,
    newest: &'a Snapshot,
}

impl Looking<'_> {
    fn key(&self, key: &KeyDef, new: &Keys) -> Result<Option<Twice>, StoreError> {
        if let Some(pair) = new.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return self.twice(key, pair[1].1.address, None, false);
        }
        if let Some(before) = self.before.filter(|before| !before.staged().is_empty()) {
            for (bytes, located) in new {
                let found = before.find_bytes(self.def, key, bytes)?;
                if found.is_some_and(|row| !self.is_gone(row)) {
                    return self.twice(key, located.address, None, false);
                }
            }
        }
        if self.table.is_truncated() {
            return Ok(None);
        }
        let base = self.changes.base();
        let core = base.core();
        let root = |snapshot: &Snapshot| -> Result<Option<ObjectId>, StoreError> {
            let known = snapshot.catalog().table(self.id);
            if known.is_some_and(|known| !same_keys(known, self.def, &key.columns)) {
                return Ok(None);
            }
            let index = load_state(core, snapshot.root(), self.id)?.index(&key.columns);
            Ok(index.filter(|root| *root != core.empty().id))
        };
        let (old, newest) = (root(base)?, root(self.newest)?);
        for (root, is_newer) in [(old, false), (newest.filter(|root| Some(*root) != old), true)] {
            let Some(root) = root else { continue };
            if let Some((address, row)) = self.in_index(core, root, new)? {
                let twice = self.twice(key, address, Some(row), is_newer)?;
                let is_replaced = is_newer && self.had_key(core, old, (new, address))?;
                return Ok(twice.map(|twice| Twice { is_replaced, ..twice }));
            }
        }
        Ok(None)
    }

    fn is_gone(&self, row: RowAddress) -> bool {
        let deletes = self.table.deletes_of(row.segment());
        deletes.is_some_and(|rows| rows.contains(row.row()))
    }

    /// The first new row whose key an index has for a row that stays, and that row.
    fn in_index(
        &self,
        core: &Core,
        root: ObjectId,
        new: &Keys,
    ) -> Result<Option<(RowAddress, RowAddress)>, StoreError> {
        let tree = Tree::new(core, root);
        let known = |value: &[u8]| Located::read(root, value).map(|located| located.address);
        if new.len() <= FEW || (new.len() as u64) <= tree.len()? / MERGE_SHARE {
            for (bytes, located) in new {
                let Some(value) = tree.get(bytes)? else { continue };
                let row = known(&value)?;
                if !self.is_gone(row) {
                    return Ok(Some((located.address, row)));
                }
            }
            return Ok(None);
        }
        let mut new = new.iter().peekable();
        for entry in tree.iter() {
            let (bytes, value) = entry?;
            while new.next_if(|(key, _)| *key < bytes).is_some() {}
            match new.peek() {
                None => break,
                Some((key, located)) if *key == bytes => {
                    let row = known(&value)?;
                    if !self.is_gone(row) {
                        return Ok(Some((located.address, row)));
                    }
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether the key of a new row was that of another one in the transaction's snapshot.
    fn had_key(
        &self,
        core: &Core,
        old: Option<ObjectId>,
        (new, address): (&Keys, RowAddress),
    ) -> Result<bool, StoreError> {
        let (Some(root), Some((bytes, _))) = (old, new.iter().find(|(_, located)| located.address == address)) else {
            return Ok(false);
        };
        Ok(Tree::new(core, root).get(bytes)?.is_some())
    }

    /// The commit that wrote a row of the newest snapshot.
    fn writer_of(&self, row: RowAddress) -> Result<Option<CommitId>, StoreError> {
        let core = self.newest.core();
        let Some(part) = self.newest.table(self.id)?.part(None, row.segment())? else {
            return Ok(None);
        };
        let (_, commit) = part.segment.who(core, row.row())?;
        commit.map(|index| core.timeline.commit_at(index)).transpose()
    }

    fn twice(
        &self,
        key: &KeyDef,
        new: RowAddress,
        row: Option<RowAddress>,
        is_newer: bool,
    ) -> Result<Option<Twice>, StoreError> {
        let by = match row.filter(|_| is_newer) {
            Some(row) => self.writer_of(row)?,
            None => None,
        };
        Ok(Some(Twice {
            by,
            id: self.id,
            table: self.def.name.clone(),
            constraint: key.name.clone(),
            key: self.table.key_text(self.def, key, new)?,
            row,
            is_newer,
            is_replaced: false,
        }))
    }
}
