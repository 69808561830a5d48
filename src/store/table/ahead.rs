//! What a redo record says: the rows of a transaction that only adds a few.
//!
//! `INSERT INTO t VALUES (1, 'x')` becomes: branch `main`, author and message, table 3, and a block of one row. Read again, on top of the
//! newest commit of `main`, it is [`Changes`] as the transaction had staged them.
//!
//! Invariants: a transaction is written so only if nothing but the keys of its rows can keep it from being committed.
//!
//! Does not: say whether those keys are there already in what is no commit yet.

use super::block;
use super::changes::{Body, Changes, TableChanges};
use super::error::About;
use super::keyset::KeyHash;
use super::rows::Rows;
use super::snapshot::Snapshot;
use crate::catalog::{EntityId, Storage};
use crate::store::StoreError;
use crate::store::tree::Tree;
use crate::store::wire::{Malformed, Reader, checksum, write_bytes, write_varint};

impl Changes {
    /// Whether they can be durable before they are a commit: a few rows come to tables that are as they were, and nothing else is relied
    /// on.
    pub(in crate::store) fn goes_ahead(&self) -> bool {
        let is_plain = |id: &EntityId| {
            let def = self.catalog.table(*id);
            def.is_some_and(|def| def.storage != Storage::Cow)
        };
        !self.tables.is_empty()
            && self.reads.is_none()
            && self.merges.is_none()
            && !self.only_on_base
            && self.relies.is_empty()
            && self.adds_few()
            && self.tables.keys().all(is_plain)
            && self.catalog.changes_since(self.base().catalog()).is_empty()
    }

    /// The keys of the rows, if a snapshot has none of them, and no two are the same.
    pub(in crate::store) fn new_keys(&self, newest: &Snapshot) -> Result<Option<Vec<KeyHash>>, StoreError> {
        let core = newest.core();
        let mut hashes = Vec::new();
        for keyed in self.keyed() {
            let state = newest.state(keyed.id)?;
            let found = keyed.since(None)?;
            for ((seed, key), mut keys) in (0..).zip(keyed.indexed.keys()).zip(found) {
                keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                if keys.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                    return Ok(None);
                }
                let root = state.index(&key.columns).filter(|root| *root != core.empty().id);
                for (bytes, _) in &keys {
                    if let Some(root) = root
                        && Tree::new(&**core, root).get(bytes)?.is_some()
                    {
                        return Ok(None);
                    }
                    hashes.push((keyed.id, checksum(seed, bytes)));
                }
            }
        }
        Ok(Some(hashes))
    }

    /// As a redo record has them; `after` is the last one that had been acknowledged when they began.
    pub(in crate::store) fn encode_ahead(
        &self,
        branch: &str,
        about: &About,
        after: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::with_capacity(256);
        write_varint(&mut out, after);
        write_bytes(&mut out, branch.as_bytes());
        write_bytes(&mut out, about.author.as_bytes());
        write_bytes(&mut out, about.message.as_bytes());
        write_varint(&mut out, self.tables.len() as u64);
        for (id, table) in &self.tables {
            write_varint(&mut out, id.0);
            let blocks: Vec<&Rows> = rows(table).collect();
            write_varint(&mut out, blocks.len() as u64);
            for rows in blocks {
                write_bytes(&mut out, &block::encode(rows).map_err(StoreError::Unfit)?);
            }
        }
        Ok(out)
    }
}

fn rows(table: &TableChanges) -> impl Iterator<Item = &Rows> {
    let batches = table.staged().iter().map(|staged| match &staged.body {
        Body::Rows(pending) => pending.batches.as_slice(),
        Body::File(_) => &[],
    });
    batches.flatten().filter(|rows| rows.len > 0)
}

/// A transaction that is durable, but no commit yet.
pub(in crate::store) struct WrittenAhead {
    pub branch: String,
    pub about: About,
    /// The last record that had been acknowledged when it began.
    pub after: u64,
    tables: Vec<(EntityId, Vec<Rows>)>,
}

impl WrittenAhead {
    /// What [`Changes::encode_ahead`] wrote.
    pub(in crate::store) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::read(bytes).map_err(|Malformed(what)| StoreError::Unfit(what.into()))
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let after = reader.varint()?;
        let branch = reader.text()?;
        let (author, message) = (reader.text()?, reader.text()?);
        let mut tables = Vec::new();
        for _ in 0..reader.varint()? {
            let id = EntityId(reader.varint()?);
            let mut blocks = Vec::new();
            for _ in 0..reader.varint()? {
                let rows = block::decode(reader.bytes()?);
                blocks.push(rows.map_err(|_| Malformed("a redo record has a block that cannot be read"))?);
            }
            tables.push((id, blocks));
        }
        reader.finish()?;
        let about = About {
            author,
            message,
            is_quoted: false,
        };
        Ok(Self {
            branch,
            about,
            after,
            tables,
        })
    }

    /// The changes, on top of the branch's newest commit.
    pub(in crate::store) fn changes(&self, newest: &Snapshot) -> Result<Changes, StoreError> {
        let mut changes = Changes::new(newest);
        for (id, blocks) in &self.tables {
            let Some(def) = newest.catalog().table(*id).cloned() else {
                return Err(StoreError::Unfit(format!(
                    "a redo record is about table {}, which is not there",
                    id.0
                )));
            };
            let table = changes.table(*id)?;
            for rows in blocks {
                table.append_rows(&def, rows.clone())?;
            }
        }
        Ok(changes)
    }
}
