//! Trees built from scratch: entries in order go in, nodes come out as they end.
//!
//! Six million entries of a key index come out of a merge one by one; each is written into the leaf that goes on, and forgotten.
//!
//! Invariants: of each level one node is in memory. Keys ascend, or it is an error.
//!
//! Does not: write nodes to anywhere.

use super::chunk::{Chunker, Ended};
use super::edit::{check, too_high};
use super::node::NodeEntry;
use super::{empty, malformed_node};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId};

/// Builds a tree from entries in ascending order of their keys; gives the root, and each node to `emit` as it is done.
pub fn build(
    entries: impl IntoIterator<Item = Result<super::Entry, StoreError>>,
    emit: &mut dyn FnMut(NewObject),
) -> Result<ObjectId, StoreError> {
    let mut builder = Builder::new(emit);
    for entry in entries {
        let (key, value) = entry?;
        builder.push(&key, &value)?;
    }
    builder.finish()
}

/// Builds levels from one on.
pub struct Builder<'a> {
    first: u8,
    any: bool,
    levels: Vec<Level>,
    emit: &'a mut dyn FnMut(NewObject),
}

struct Level {
    chunker: Chunker,
    /// Nodes so far, and the last of them.
    nodes: u64,
    last: Option<ObjectId>,
}

impl<'a> Builder<'a> {
    /// A tree whose nodes are given to `emit`.
    pub fn new(emit: &'a mut dyn FnMut(NewObject)) -> Self {
        Self::from_level(0, emit)
    }

    /// The levels of a tree from one on.
    pub(super) fn from_level(first: u8, emit: &'a mut dyn FnMut(NewObject)) -> Self {
        Self {
            first,
            any: false,
            levels: Vec::new(),
            emit,
        }
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        check(key, value)?;
        let last = self.levels.first().map(|level| level.chunker.last_key());
        if self.any && last.is_some_and(|last| last >= key) {
            return Err(malformed_node(empty().id, "the keys given to a tree do not ascend"));
        }
        self.any = true;
        self.push_at(0, key, value)
    }

    fn push_at(&mut self, index: usize, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if index == self.levels.len() {
            let level = u8::try_from(index)
                .ok()
                .and_then(|index| self.first.checked_add(index))
                .ok_or(too_high())?;
            self.levels.push(Level {
                chunker: Chunker::new(level),
                nodes: 0,
                last: None,
            });
        }
        match self.levels[index].chunker.push(key, value) {
            Some(node) => self.end_node(index, node),
            None => Ok(()),
        }
    }

    fn end_node(&mut self, index: usize, node: Ended) -> Result<(), StoreError> {
        let object = NewObject::new(Kind::NODE, node.body);
        let level = &mut self.levels[index];
        level.nodes += 1;
        level.last = Some(object.id);
        let entry = NodeEntry::of_child(node.last_key, object.id, node.count);
        (self.emit)(object);
        self.push_at(index + 1, &entry.key, &entry.value)
    }

    /// Ends the last node of each level, up to the level that has one node only: the root.
    pub fn finish(mut self) -> Result<ObjectId, StoreError> {
        let mut index = 0;
        while index < self.levels.len() {
            let is_top = self.levels[index].nodes == 0;
            if let Some(node) = self.levels[index].chunker.finish() {
                if is_top {
                    let object = NewObject::new(Kind::NODE, node.body);
                    let id = object.id;
                    (self.emit)(object);
                    return Ok(id);
                }
                self.end_node(index, node)?;
            }
            let level = &self.levels[index];
            if let (1, Some(id)) = (level.nodes, level.last) {
                return Ok(id);
            }
            index += 1;
        }
        let none = empty();
        let id = none.id;
        (self.emit)(none);
        Ok(id)
    }
}
