//! What a redo record says: the rows of a transaction that only adds a few.
//!
//! `INSERT INTO t VALUES (1, 'x')` becomes: branch `main`, author and message, table 3, and a block of one row. Read again, on top of the
//! newest commit of `main`, it is [`Changes`] as the transaction had staged them.
//!
//! Invariants: a transaction is written so only if nothing but the keys of its rows can keep it from being committed.
//!
//! Does not: say whether those keys are there already in what is no commit yet.

use std::collections::BTreeMap;

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

/// What a redo record says, but for its rows: a transaction that is durable, and no commit yet.
pub(in crate::store) struct WrittenAhead<'a> {
    pub branch: &'a str,
    author: &'a str,
    message: &'a str,
    /// The last record that had been acknowledged when it began.
    pub after: u64,
}

impl<'a> WrittenAhead<'a> {
    /// Of what [`Changes::encode_ahead`] wrote.
    pub(in crate::store) fn decode(record: &'a [u8]) -> Result<Self, StoreError> {
        Self::read(record, &mut |_, _| {}).map_err(unfit)
    }

    pub(in crate::store) fn about(&self) -> About {
        About {
            author: self.author.into(),
            message: self.message.into(),
            is_quoted: false,
        }
    }

    /// Gives out the blocks, with their tables.
    fn read(record: &'a [u8], block: &mut dyn FnMut(EntityId, &'a [u8])) -> Result<Self, Malformed> {
        let mut reader = Reader::new(record);
        let after = reader.varint()?;
        let mut text = || {
            let text = std::str::from_utf8(reader.bytes()?);
            text.map_err(|_| Malformed("a redo record has a text that is not UTF-8"))
        };
        let (branch, author, message) = (text()?, text()?, text()?);
        for _ in 0..reader.varint()? {
            let id = EntityId(reader.varint()?);
            for _ in 0..reader.varint()? {
                block(id, reader.bytes()?);
            }
        }
        reader.finish()?;
        Ok(Self {
            branch,
            author,
            message,
            after,
        })
    }
}

fn unfit(Malformed(what): Malformed) -> StoreError {
    StoreError::Unfit(what.into())
}

impl Changes {
    /// The rows of some redo records, in their order, as one transaction on top of their branch's newest commit would have added them.
    pub(in crate::store) fn redone<'a>(
        records: impl Iterator<Item = &'a [u8]>,
        newest: &Snapshot,
    ) -> Result<Self, StoreError> {
        let mut tables: BTreeMap<EntityId, Vec<&[u8]>> = BTreeMap::new();
        for record in records {
            WrittenAhead::read(record, &mut |id, block| tables.entry(id).or_default().push(block)).map_err(unfit)?;
        }
        let mut changes = Self::new(newest);
        for (id, blocks) in tables {
            let Some(def) = newest.catalog().table(id).cloned() else {
                let what = format!("a redo record is about table {}, which is not there", id.0);
                return Err(StoreError::Unfit(what));
            };
            let table = changes.table(id)?;
            for rows in block::decode_all(blocks.into_iter()).map_err(StoreError::Unfit)? {
                table.append_rows(&def, rows.typed(&def))?;
            }
        }
        Ok(changes)
    }
}
