//! Ranges of a tree, in either direction.
//!
//! `tree.scan(Included(b"a"), Excluded(b"b"), Direction::Forward)` gives all entries whose keys begin with `a`, reading
//! the nodes that hold them and no others.
//!
//! Invariants: entries come in order, each checked through its node's hash; after an error the scan has ended.
//!
//! Does not: read ahead.

use std::ops::Bound;
use std::sync::Arc;

use super::node::Node;
use super::{Entry, Tree};
use crate::store::StoreError;

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Keys ascend.
    Forward,
    /// Keys descend.
    Backward,
}

/// Entries of a range, in order.
pub struct Scan<'a> {
    tree: Tree<'a>,
    direction: Direction,
    /// Where the scan begins; it lies after all keys before the first entry is found.
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// Nodes from the root to a leaf, each with how many of its entries are still to come.
    stack: Vec<(Arc<Node>, usize)>,
    begun: bool,
    done: bool,
}

impl<'a> Tree<'a> {
    /// The entries between two bounds, the lower one first, whatever the direction.
    pub fn scan(&self, low: Bound<&[u8]>, high: Bound<&[u8]>, direction: Direction) -> Scan<'a> {
        let (low, high) = (low.map(<[u8]>::to_vec), high.map(<[u8]>::to_vec));
        let (start, end) = match direction {
            Direction::Forward => (low, high),
            Direction::Backward => (high, low),
        };
        Scan {
            tree: *self,
            direction,
            start,
            end,
            stack: Vec::new(),
            begun: false,
            done: false,
        }
    }

    /// All entries.
    pub fn iter(&self) -> Scan<'a> {
        self.scan(Bound::Unbounded, Bound::Unbounded, Direction::Forward)
    }

    /// The entries whose keys begin so.
    pub fn prefix(&self, prefix: &[u8]) -> Scan<'a> {
        let mut after = prefix.to_vec();
        while after.pop_if(|last| *last == u8::MAX).is_some() {}
        let high = match after.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(after.as_slice())
            }
            None => Bound::Unbounded,
        };
        self.scan(Bound::Included(prefix), high, Direction::Forward)
    }
}

impl Scan<'_> {
    fn step(&mut self) -> Result<Option<Entry>, StoreError> {
        if !self.begun {
            self.begun = true;
            let root = self.tree.load_root()?;
            self.enter(root);
        }
        while let Some((node, left)) = self.stack.last_mut() {
            let Some(rest) = left.checked_sub(1) else {
                self.stack.pop();
                continue;
            };
            let index = match self.direction {
                Direction::Forward => node.len() - *left,
                Direction::Backward => rest,
            };
            *left = rest;
            let node = Arc::clone(node);
            let Some(entry) = node.get(index) else {
                continue;
            };
            if node.level == 0 {
                return Ok(self
                    .is_inside(entry.key)
                    .then(|| (entry.key.to_vec(), entry.value.to_vec())));
            }
            let child = self.tree.load_child(&node, entry)?;
            self.enter(child);
        }
        Ok(None)
    }

    /// Goes into a node at the first entry that can be in the range.
    fn enter(&mut self, node: Arc<Node>) {
        let len = node.len();
        let keys = |before: &dyn Fn(&[u8]) -> bool| node.partition_point(before);
        let left = match (self.direction, &self.start) {
            (_, Bound::Unbounded) => len,
            (Direction::Forward, Bound::Included(key)) => len - keys(&|other| other < key.as_slice()),
            (Direction::Forward, Bound::Excluded(key)) => len - keys(&|other| other <= key.as_slice()),
            (Direction::Backward, Bound::Included(key)) if node.level == 0 => keys(&|other| other <= key.as_slice()),
            (Direction::Backward, Bound::Excluded(key)) if node.level == 0 => keys(&|other| other < key.as_slice()),
            // The child in which the key belongs has keys before it, too.
            (Direction::Backward, Bound::Included(key) | Bound::Excluded(key)) => {
                len.min(keys(&|other| other < key.as_slice()) + 1)
            }
        };
        self.stack.push((node, left));
    }

    fn is_inside(&self, key: &[u8]) -> bool {
        match (self.direction, &self.end) {
            (_, Bound::Unbounded) => true,
            (Direction::Forward, Bound::Included(end)) => key <= end.as_slice(),
            (Direction::Forward, Bound::Excluded(end)) => key < end.as_slice(),
            (Direction::Backward, Bound::Included(end)) => key >= end.as_slice(),
            (Direction::Backward, Bound::Excluded(end)) => key > end.as_slice(),
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
