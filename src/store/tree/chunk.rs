//! Where nodes end.
//!
//! After each entry a coin is thrown that the entry's key and level decide: it ends the node with a chance of the entry's
//! size over [`TARGET_NODE_BYTES`]. A node shorter than a quarter of that never ends, one of [`MAX_NODE_BYTES`] always.
//!
//! Invariants: where a node ends depends only on the entries since the last end. So a change moves boundaries up to the
//! next one that old and new contents share, and no further; and the bounds on the size hold for keys that someone chose
//! to defeat the coin, too. An inner node has at least two entries unless it is the last, so that levels shrink.
//!
//! A node is encoded while it grows: most entries of a large load are never seen apart.
//!
//! Does not: read or hash nodes.

use super::node::{below, entry_size, write_entry, write_head};
use super::{MAX_NODE_BYTES, TARGET_NODE_BYTES};
use crate::store::wire::checksum;

pub(super) const MIN_NODE_BYTES: usize = TARGET_NODE_BYTES / 4;
/// With this divisor of the coin, and no end below the minimum, nodes are about the target long.
const SPREAD_BYTES: u64 = (TARGET_NODE_BYTES - MIN_NODE_BYTES) as u64;

/// Cuts a sequence of entries of a level into nodes.
#[derive(Debug, Default)]
pub(super) struct Chunker {
    level: u8,
    /// The entries of the node that goes on, encoded.
    body: Vec<u8>,
    entries: usize,
    /// Entries of the tree below them.
    count: u64,
    size: usize,
    /// The key that came last.
    last_key: Vec<u8>,
}

/// A node that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its bytes.
    pub body: Vec<u8>,
    /// Its last key.
    pub last_key: Vec<u8>,
    /// Entries of the tree below.
    pub count: u64,
}

impl Chunker {
    pub(super) fn new(level: u8) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// A node ended with the last entry, or nothing came yet.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.entries == 0
    }

    /// The key that came last, in whichever node; empty if none did.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Takes the next entry; gives the node that it ends, if it does.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Option<Ended> {
        let size = entry_size(key, value);
        self.size += size;
        let too_few = self.level > 0 && self.entries == 0;
        let ends = !too_few && ends_after(self.level, key, size, self.size);
        let before = match self.entries {
            0 => &[],
            _ => self.last_key.as_slice(),
        };
        write_entry(&mut self.body, self.level, before, key, value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.entries += 1;
        self.count += below(self.level, value);
        if ends { self.finish() } else { None }
    }

    /// The last node, which ends because nothing follows.
    pub(super) fn finish(&mut self) -> Option<Ended> {
        let (entries, count) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.count));
        self.size = 0;
        if entries == 0 {
            return None;
        }
        let mut body = Vec::with_capacity(self.body.len() + 4);
        write_head(&mut body, self.level, entries);
        body.append(&mut self.body);
        Some(Ended {
            body,
            last_key: self.last_key.clone(),
            count,
        })
    }
}

/// Whether a node ends after an entry of this size, with which all of its entries take so many bytes.
pub(super) fn ends_after(level: u8, key: &[u8], size: usize, node_bytes: usize) -> bool {
    if node_bytes < MIN_NODE_BYTES {
        return false;
    }
    if node_bytes >= MAX_NODE_BYTES {
        return true;
    }
    let coin = checksum(u64::from(level), key);
    let chance = (size as u64).min(SPREAD_BYTES);
    coin / SPREAD_BYTES < u64::MAX / SPREAD_BYTES / SPREAD_BYTES * chance
}
