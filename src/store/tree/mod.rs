//! The Merkle tree over sorted keys: snapshots of the database, and key indexes.
//!
//! `Tree::new(&timeline, root).get(b"t/7/seg/12")` reads one node per level, each checked against the hash in its parent,
//! and the first against the root. [`edit`] gives the root of a changed tree and the few nodes that are new.
//!
//! It is a B+ tree whose node boundaries follow from the contents ([`chunk`]): a node ends after a key whose hash says so.
//! So equal contents have equal nodes and an equal root, whatever the history; a change of one entry changes one node per
//! level; and two versions share all else, which [`diff`] skips unseen.
//!
//! Invariants: keys are unique and ascending, within and across nodes; an inner entry carries its child's last key, hash
//! and number of entries below. A node is at most [`MAX_NODE_BYTES`] and one entry long, whatever the keys.
//!
//! Does not: write nodes, or know what keys and values mean.

mod build;
mod chunk;
mod diff;
mod edit;
mod merge;
mod node;
mod proof;
mod scan;
mod splice;

use std::sync::Arc;

use super::object::{Kind, NewObject, ObjectId, ReadObjects};
use super::{Damage, StoreError};
use node::{Node, Sought};

pub use build::{Builder, build};
pub use diff::{Change, Diff, diff, diff_prefix};
pub use edit::{Edit, Edited, edit, edit_if};
pub use merge::{Conflict, Merged, merge};
pub(crate) use node::{children, visit_leaf};
pub use proof::{ProofNodes, Proved, Recorder};
pub use scan::{Direction, Scan};

/// What a node is long on average.
pub const TARGET_NODE_BYTES: usize = 2048;
/// A node takes no further entry once it is so long.
pub const MAX_NODE_BYTES: usize = 4 * TARGET_NODE_BYTES;
/// The longest key.
pub const MAX_KEY_BYTES: usize = 4096;
/// The longest value.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// A tree of some root.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    source: &'a dyn ReadObjects,
    root: ObjectId,
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The empty tree: one node without entries.
pub fn empty() -> NewObject {
    NewObject::new(Kind::NODE, Node::default().encode())
}

impl<'a> Tree<'a> {
    /// The tree that has this root; nothing is read yet.
    pub fn new(source: &'a dyn ReadObjects, root: ObjectId) -> Self {
        Self { source, root }
    }

    /// Its root.
    pub fn root(&self) -> ObjectId {
        self.root
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut id = self.root;
        let mut wanted = None;
        loop {
            let body = self.source.read(Kind::NODE, id)?;
            let sought = node::seek_encoded(&body, key).map_err(|malformed| malformed_node(id, malformed.0))?;
            if wanted.is_some_and(|level| level != sought.0) {
                return Err(malformed_node(id, "the node is not on the level that its parent says"));
            }
            match sought {
                (_, Sought::Value(value)) => return Ok(Some(value.to_vec())),
                (_, Sought::Nothing) => return Ok(None),
                (level, Sought::Child(child)) => (id, wanted) = (child, level.checked_sub(1)),
            }
        }
    }

    /// The number of entries.
    pub fn len(&self) -> Result<u64, StoreError> {
        Ok(self.load_root()?.count())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// Levels of nodes; 1 for a tree that is one leaf.
    pub fn height(&self) -> Result<u32, StoreError> {
        Ok(u32::from(self.load_root()?.level) + 1)
    }

    fn load_root(&self) -> Result<Arc<Node>, StoreError> {
        self.load(self.root)
    }

    fn load(&self, id: ObjectId) -> Result<Arc<Node>, StoreError> {
        let body = self.source.read(Kind::NODE, id)?;
        let node = Node::decode(&body).map_err(|malformed| malformed_node(id, malformed.0))?;
        Ok(Arc::new(node))
    }

    /// A child, which must be what its parent says.
    fn load_child(&self, parent: &Node, entry: node::EntryRef<'_>) -> Result<Arc<Node>, StoreError> {
        let (id, count) = entry
            .child()
            .map_err(|malformed| malformed_node(self.root, malformed.0))?;
        let child = self.load(id)?;
        let fits = child.level.checked_add(1) == Some(parent.level)
            && child.last().is_some_and(|last| last.key == entry.key)
            && child.count() == count;
        if fits {
            Ok(child)
        } else {
            Err(malformed_node(id, "the node is not what its parent says"))
        }
    }
}

/// A node whose hash is right was written so: the file is not to blame, but the tree cannot be trusted.
fn malformed_node(id: ObjectId, what: &str) -> StoreError {
    Damage::new(std::path::Path::new("packs"), what)
        .of(Kind::NODE, id)
        .into()
}

#[cfg(test)]
mod tests;
