//! Where nodes end.
//!
//! After each entry a coin is thrown that the entry's key and level decide: it ends the node with a chance of the entry's
//! size over [`TARGET_NODE_BYTES`]. A node shorter than a quarter of that never ends, one of [`MAX_NODE_BYTES`] always.
//!
//! Invariants: where a node ends depends only on the entries since the last end. So a change moves boundaries up to the
//! next one that old and new contents share, and no further; and the bounds on the size hold for keys that someone chose
//! to defeat the coin, too. An inner node has at least two entries unless it is the last, so that levels shrink.
//!
//! Does not: read or hash nodes.

use super::node::{Node, NodeEntry};
use super::{MAX_NODE_BYTES, TARGET_NODE_BYTES};
use crate::store::wire::checksum;

const MIN_NODE_BYTES: usize = TARGET_NODE_BYTES / 4;
/// With this divisor of the coin, and no end below the minimum, nodes are about the target long.
const SPREAD_BYTES: u64 = (TARGET_NODE_BYTES - MIN_NODE_BYTES) as u64;

/// Cuts a sequence of entries of a level into nodes.
#[derive(Debug)]
pub(super) struct Chunker {
    level: u8,
    entries: Vec<NodeEntry>,
    size: usize,
}

impl Chunker {
    pub(super) fn new(level: u8) -> Self {
        Self {
            level,
            entries: Vec::new(),
            size: 0,
        }
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// A node ended with the last entry, or nothing came yet.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the next entry; gives the node that it ends, if it does.
    pub(super) fn push(&mut self, entry: NodeEntry) -> Option<Node> {
        self.size += entry.size();
        let ends = self.ends_after(&entry);
        self.entries.push(entry);
        if ends { self.finish() } else { None }
    }

    /// The last node, which ends because nothing follows.
    pub(super) fn finish(&mut self) -> Option<Node> {
        self.size = 0;
        let entries = std::mem::take(&mut self.entries);
        let level = self.level;
        (!entries.is_empty()).then_some(Node { level, entries })
    }

    fn ends_after(&self, entry: &NodeEntry) -> bool {
        let too_few = self.level > 0 && self.entries.is_empty();
        if too_few || self.size < MIN_NODE_BYTES {
            return false;
        }
        if self.size >= MAX_NODE_BYTES {
            return true;
        }
        let coin = checksum(u64::from(self.level), &entry.key);
        let chance = (entry.size() as u64).min(SPREAD_BYTES);
        coin / SPREAD_BYTES < u64::MAX / SPREAD_BYTES / SPREAD_BYTES * chance
    }
}
