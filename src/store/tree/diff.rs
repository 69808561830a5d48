//! The difference of two trees.
//!
//! Between two versions of a million entries that differ in one, `diff` reads the nodes on the way to it, in both, and gives
//! one [`Change`]; whatever both share, it skips by its hash.
//!
//! Invariants: changes come in the order of their keys, each key once. A node is read only if the other tree does not have
//! it at the same place.
//!
//! Does not: say how values differ.

use std::cmp::Ordering;

use super::node::{Node, NodeEntry};
use super::{Tree, malformed_node};
use crate::store::StoreError;
use crate::store::object::{ObjectId, ReadObjects};

/// A key whose value differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Vec<u8>,
    /// Its value in the old tree.
    pub old: Option<Vec<u8>>,
    /// Its value in the new tree.
    pub new: Option<Vec<u8>>,
}

/// The changes from one tree to another.
pub struct Diff<'a> {
    old: Side<'a>,
    new: Side<'a>,
    roots: Option<(ObjectId, ObjectId)>,
    done: bool,
}

/// The changes that make the tree of root `new` of that of root `old`.
pub fn diff<'a>(source: &'a dyn ReadObjects, old: ObjectId, new: ObjectId) -> Diff<'a> {
    Diff {
        old: Side::new(Tree::new(source, old)),
        new: Side::new(Tree::new(source, new)),
        roots: Some((old, new)),
        done: false,
    }
}

/// The same, for keys that begin so only; nodes of others are not read.
pub fn diff_prefix<'a>(source: &'a dyn ReadObjects, old: ObjectId, new: ObjectId, prefix: &[u8]) -> Diff<'a> {
    let mut changes = diff(source, old, new);
    changes.old.prefix = prefix.to_vec();
    changes.new.prefix = prefix.to_vec();
    changes
}

/// What is left of a tree; what comes next is last.
struct Side<'a> {
    tree: Tree<'a>,
    /// Keys that do not begin so are left out.
    prefix: Vec<u8>,
    items: Vec<Item>,
}

enum Item {
    Entry(NodeEntry),
    Subtree {
        id: ObjectId,
        level: u8,
        last: Vec<u8>,
        /// All its keys come after this one.
        after: Option<Vec<u8>>,
    },
}

/// What to do with the next items of both sides.
enum Step {
    SkipBoth,
    OpenOld,
    OpenNew,
    OpenBoth,
    Give(Ordering),
}

impl<'a> Side<'a> {
    fn new(tree: Tree<'a>) -> Self {
        Self {
            tree,
            prefix: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Puts a node's entries in its place.
    fn open(&mut self) -> Result<(), StoreError> {
        let Some(Item::Subtree { id, level, last, after }) = self.items.pop() else {
            return Ok(());
        };
        let node = self.tree.load(id)?;
        if node.level != level || node.last().is_none_or(|entry| entry.key != last) {
            return Err(malformed_node(id, "the node is not what its parent says"));
        }
        self.push_node(&node, after)
    }

    fn push_node(&mut self, node: &Node, mut after: Option<Vec<u8>>) -> Result<(), StoreError> {
        let mut items = Vec::with_capacity(node.len());
        for entry in node.iter() {
            if node.level == 0 {
                if entry.key.starts_with(&self.prefix) {
                    items.push(Item::Entry(entry.to_owned()));
                }
                continue;
            }
            let is_past = |after: &Vec<u8>| *after >= self.prefix && !after.starts_with(&self.prefix);
            if entry.key < self.prefix.as_slice() || after.as_ref().is_some_and(is_past) {
                after = Some(entry.key.to_vec());
                continue;
            }
            let (id, _) = entry
                .child()
                .map_err(|malformed| malformed_node(self.tree.root, malformed.0))?;
            let (level, last) = (node.level - 1, entry.key.to_vec());
            let subtree = Item::Subtree { id, level, last, after };
            items.push(subtree);
            after = Some(entry.key.to_vec());
        }
        self.items.extend(items.into_iter().rev());
        Ok(())
    }

    fn take(&mut self) -> Option<NodeEntry> {
        match self.items.pop() {
            Some(Item::Entry(entry)) => Some(entry),
            _ => None,
        }
    }
}

/// Which of two items comes first, as far as it can be told unopened.
fn judge(old: Option<&Item>, new: Option<&Item>) -> Option<Step> {
    use Item::{Entry, Subtree};
    Some(match (old, new) {
        (None, None) => return None,
        (Some(Entry(_)), None) => Step::Give(Ordering::Less),
        (None, Some(Entry(_))) => Step::Give(Ordering::Greater),
        (Some(Subtree { .. }), None) => Step::OpenOld,
        (None, Some(Subtree { .. })) => Step::OpenNew,
        (Some(Entry(old)), Some(Entry(new))) => Step::Give(old.key.cmp(&new.key)),
        (Some(Entry(old)), Some(Subtree { after: Some(after), .. })) if old.key <= *after => Step::Give(Ordering::Less),
        (Some(Entry(_)), Some(Subtree { .. })) => Step::OpenNew,
        (Some(Subtree { after: Some(after), .. }), Some(Entry(new))) if new.key <= *after => {
            Step::Give(Ordering::Greater)
        }
        (Some(Subtree { .. }), Some(Entry(_))) => Step::OpenOld,
        (Some(Subtree { id: old, .. }), Some(Subtree { id: new, .. })) if old == new => Step::SkipBoth,
        (Some(Subtree { last, .. }), Some(Subtree { after: Some(after), .. })) if last <= after => Step::OpenOld,
        (Some(Subtree { after: Some(after), .. }), Some(Subtree { last, .. })) if last <= after => Step::OpenNew,
        (Some(Subtree { level: old, .. }), Some(Subtree { level: new, .. })) => match old.cmp(new) {
            Ordering::Greater => Step::OpenOld,
            Ordering::Less => Step::OpenNew,
            Ordering::Equal => Step::OpenBoth,
        },
    })
}

impl Diff<'_> {
    fn step(&mut self) -> Result<Option<Change>, StoreError> {
        if let Some((old, new)) = self.roots.take() {
            if old == new {
                return Ok(None);
            }
            let (old, new) = (self.old.tree.load_root()?, self.new.tree.load_root()?);
            self.old.push_node(&old, None)?;
            self.new.push_node(&new, None)?;
        }
        while let Some(step) = judge(self.old.items.last(), self.new.items.last()) {
            match step {
                Step::SkipBoth => drop((self.old.items.pop(), self.new.items.pop())),
                Step::OpenOld => self.old.open()?,
                Step::OpenNew => self.new.open()?,
                Step::OpenBoth => {
                    self.old.open()?;
                    self.new.open()?;
                }
                Step::Give(order) => {
                    if let Some(change) = self.give(order) {
                        return Ok(Some(change));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The change that the next entries are, if they are one.
    fn give(&mut self, order: Ordering) -> Option<Change> {
        let old = if order.is_le() { self.old.take() } else { None };
        let new = if order.is_ge() { self.new.take() } else { None };
        let key = old.as_ref().or(new.as_ref())?.key.clone();
        let (old, new) = (old.map(|entry| entry.value), new.map(|entry| entry.value));
        (old != new).then_some(Change { key, old, new })
    }
}

impl Iterator for Diff<'_> {
    type Item = Result<Change, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
