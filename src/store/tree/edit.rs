//! Changed trees: a sorted batch of edits makes a new root and the few nodes that the old tree does not have.
//!
//! Putting one key into a tree of 100,000 writes a new leaf, and a new node on each level above it. Level by level, the
//! nodes that edits fall into are taken apart and cut anew from where each begins, until an old boundary is met again; what
//! became of them is the batch of edits for the level above.
//!
//! Invariants: the root is that of the tree built from scratch with the same contents ([`super::build()`]); nodes that no edit
//! reaches are not read; the new nodes are exactly those that are not among the old ones that were read.
//!
//! Does not: write; the new nodes go with a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::build::Builder;
use super::chunk::{Chunker, Ended};
use super::node::{Node, NodeEntry};
use super::splice::{Spliced, splice};
use super::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Tree, empty, malformed_node};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects};

/// What becomes of keys: a value, or nothing.
pub type Edit = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A changed tree.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Its root.
    pub root: ObjectId,
    /// Nodes that must be written with it.
    pub nodes: Vec<NewObject>,
}

/// Whether the value that a key has, which is given with it, may be replaced.
pub type Replaces<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// The tree that edits make of another.
pub fn edit(source: &dyn ReadObjects, root: ObjectId, edits: Edit) -> Result<Edited, StoreError> {
    let edited = edit_if(source, root, edits, &mut |_, _| true)?;
    Ok(edited.unwrap_or_else(|| unchanged(root)))
}

fn unchanged(root: ObjectId) -> Edited {
    let nodes = Vec::new();
    Edited { root, nodes }
}

/// The same; `None` as soon as a value may not be replaced.
pub fn edit_if(
    source: &dyn ReadObjects,
    root: ObjectId,
    edits: Edit,
    replaces: &mut Replaces<'_>,
) -> Result<Option<Edited>, StoreError> {
    edits
        .iter()
        .try_for_each(|(key, value)| check(key, value.as_deref().unwrap_or_default()))?;
    match splice(source, root, &edits, replaces)? {
        Spliced::Done(edited) => Ok(Some(edited)),
        Spliced::Apart => edit_apart(source, root, edits, replaces),
        Spliced::Refused => Ok(None),
    }
}

/// Takes every node that edits fall into apart.
fn edit_apart(
    source: &dyn ReadObjects,
    root: ObjectId,
    edits: Edit,
    replaces: &mut Replaces<'_>,
) -> Result<Option<Edited>, StoreError> {
    let mut walker = Walker::new(Tree::new(source, root))?;
    let mut changes = edits;
    let mut nodes = HashMap::new();
    let mut top = Edit::new();
    for level in 0..=walker.root.level {
        if changes.is_empty() {
            return Ok(Some(unchanged(root)));
        }
        let mut any = |_: &[u8], _: &[u8]| true;
        let replaces: &mut Replaces<'_> = if level == 0 { replaces } else { &mut any };
        let mut cutter = Cutter::new(level, &mut nodes);
        if !cutter.run(&mut walker, changes, replaces)? {
            return Ok(None);
        }
        (changes, top) = cutter.finish();
    }
    if changes.is_empty() {
        return Ok(Some(unchanged(root)));
    }
    let top = top
        .into_iter()
        .filter_map(|(key, value)| Some(NodeEntry { key, value: value? }))
        .collect();
    let root = raise(&mut walker, top, &mut nodes)?;
    // Sorted, so that the same edit writes the same bytes.
    let mut nodes: Vec<_> = nodes.into_values().collect();
    nodes.sort_by_key(|node| node.id);
    Ok(Some(Edited { root, nodes }))
}

/// The root over the nodes of what was the topmost level: higher levels come, or go.
fn raise(
    walker: &mut Walker<'_>,
    mut top: Vec<NodeEntry>,
    nodes: &mut HashMap<ObjectId, NewObject>,
) -> Result<ObjectId, StoreError> {
    let level = walker.root.level;
    if top.len() > 1 {
        let above = level.checked_add(1).ok_or(too_high())?;
        let mut emit = |node: NewObject| drop(nodes.insert(node.id, node));
        let mut builder = Builder::from_level(above, &mut emit);
        top.iter()
            .try_for_each(|NodeEntry { key, value }| builder.push(key, value))?;
        return builder.finish();
    }
    let Some(only) = top.pop() else {
        let none = empty();
        let id = none.id;
        nodes.insert(id, none);
        return Ok(id);
    };
    let (mut root, _) = only
        .as_ref()
        .child()
        .map_err(|malformed| malformed_node(walker.tree.root, malformed.0))?;
    loop {
        let node = match nodes.get(&root) {
            Some(new) => Node::decode(&new.body).map_err(|malformed| malformed_node(root, malformed.0))?,
            None => walker.load(root)?.as_ref().clone(),
        };
        match node.get(0) {
            Some(only) if node.len() == 1 && node.level > 0 => {
                nodes.remove(&root);
                (root, _) = only.child().map_err(|malformed| malformed_node(root, malformed.0))?;
            }
            _ => return Ok(root),
        }
    }
}

pub(super) fn too_high() -> StoreError {
    StoreError::TooLarge {
        what: "the height of a tree",
        found: 256,
        limit: 255,
    }
}

pub(super) fn check(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    for (what, found, limit) in [
        ("a key", key.len(), MAX_KEY_BYTES),
        ("a value", value.len(), MAX_VALUE_BYTES),
    ] {
        if found > limit {
            let (found, limit) = (found as u64, limit as u64);
            return Err(StoreError::TooLarge { what, found, limit });
        }
    }
    Ok(())
}

/// Reads nodes of a level in order. Inner nodes are kept, so that each is read once.
struct Walker<'a> {
    tree: Tree<'a>,
    root: Arc<Node>,
    kept: HashMap<ObjectId, Arc<Node>>,
}

/// A node of a level, and the way to it from the root.
struct Place {
    id: ObjectId,
    node: Arc<Node>,
    /// Ancestors from the root down, each with the index of the entry taken.
    path: Vec<(Arc<Node>, usize)>,
}

impl<'a> Walker<'a> {
    fn new(tree: Tree<'a>) -> Result<Self, StoreError> {
        Ok(Self {
            root: tree.load_root()?,
            tree,
            kept: HashMap::new(),
        })
    }

    fn load(&mut self, id: ObjectId) -> Result<Arc<Node>, StoreError> {
        if let Some(node) = self.kept.get(&id) {
            return Ok(Arc::clone(node));
        }
        let node = self.tree.load(id)?;
        if node.level > 0 {
            self.kept.insert(id, Arc::clone(&node));
        }
        Ok(node)
    }

    /// The node of a level in which a key belongs; the last one for a key after all others.
    fn seek(&mut self, level: u8, key: &[u8]) -> Result<Place, StoreError> {
        let place = Place {
            id: self.tree.root,
            node: Arc::clone(&self.root),
            path: Vec::new(),
        };
        self.descend(place, level, |node| node.seek(key).min(node.len().saturating_sub(1)))
    }

    fn descend(&mut self, mut place: Place, level: u8, choose: impl Fn(&Node) -> usize) -> Result<Place, StoreError> {
        while place.node.level > level {
            let index = choose(&place.node);
            let (id, child) = self.child(&place.node, index)?;
            place.path.push((place.node, index));
            (place.id, place.node) = (id, child);
        }
        Ok(place)
    }

    fn child(&mut self, parent: &Node, index: usize) -> Result<(ObjectId, Arc<Node>), StoreError> {
        let damaged = |what| malformed_node(self.tree.root, what);
        let entry = parent.get(index).ok_or_else(|| damaged("an inner node is empty"))?;
        let (id, _) = entry.child().map_err(|malformed| damaged(malformed.0))?;
        let node = self.load(id)?;
        if node.level.checked_add(1) != Some(parent.level) {
            return Err(malformed_node(id, "the node is not on the level that its parent says"));
        }
        Ok((id, node))
    }

    /// The node after this one on its level.
    fn next(&mut self, place: Place) -> Result<Option<Place>, StoreError> {
        let level = place.node.level;
        let mut path = place.path;
        while let Some((node, index)) = path.pop() {
            if index + 1 < node.len() {
                let (id, child) = self.child(&node, index + 1)?;
                path.push((node, index + 1));
                let place = Place { id, node: child, path };
                return self.descend(place, level, |_| 0).map(Some);
            }
        }
        Ok(None)
    }
}

impl Place {
    fn is_last(&self) -> bool {
        self.path.iter().all(|(node, index)| index + 1 == node.len())
    }
}

/// Takes nodes of a level apart and cuts them anew.
struct Cutter<'a> {
    chunker: Chunker,
    /// The old node in which the node being put together begins.
    base: Option<ObjectId>,
    /// Old nodes that were taken apart: their entries above.
    old: BTreeMap<Vec<u8>, Vec<u8>>,
    old_ids: HashSet<ObjectId>,
    /// What becomes of entries above.
    above: Edit,
    nodes: &'a mut HashMap<ObjectId, NewObject>,
}

impl<'a> Cutter<'a> {
    fn new(level: u8, nodes: &'a mut HashMap<ObjectId, NewObject>) -> Self {
        Self {
            chunker: Chunker::new(level),
            base: None,
            old: BTreeMap::new(),
            old_ids: HashSet::new(),
            above: Edit::new(),
            nodes,
        }
    }

    /// False as soon as a value may not be replaced.
    fn run(&mut self, walker: &mut Walker<'_>, edits: Edit, replaces: &mut Replaces<'_>) -> Result<bool, StoreError> {
        let level = self.level();
        let mut edits = edits.into_iter().peekable();
        while let Some((key, _)) = edits.peek() {
            let mut place = walker.seek(level, key)?;
            loop {
                if !self.take_apart(&place, &mut edits, replaces) {
                    return Ok(false);
                }
                if self.chunker.is_at_boundary() {
                    break;
                }
                match walker.next(place)? {
                    Some(next) => place = next,
                    None => {
                        let last = self.chunker.finish();
                        self.emit(last);
                        break;
                    }
                }
            }
        }
        Ok(true)
    }

    fn level(&self) -> u8 {
        self.chunker.level()
    }

    /// Merges a node's entries with the edits that fall into it; false if a value may not be replaced.
    fn take_apart(
        &mut self,
        place: &Place,
        edits: &mut std::iter::Peekable<std::collections::btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>>>,
        replaces: &mut Replaces<'_>,
    ) -> bool {
        if let Some(last) = place.node.last() {
            let entry = NodeEntry::of_child(last.key.to_vec(), place.id, place.node.count());
            self.above.entry(entry.key.clone()).or_insert(None);
            self.old.insert(entry.key, entry.value);
        }
        self.old_ids.insert(place.id);
        for entry in place.node.iter() {
            while let Some((key, value)) = edits.next_if(|(key, _)| key.as_slice() < entry.key) {
                self.push(place.id, &key, value.as_deref());
            }
            match edits.next_if(|(key, _)| key == entry.key) {
                Some((key, Some(_))) if !replaces(&key, entry.value) => return false,
                Some((key, value)) => self.push(place.id, &key, value.as_deref()),
                None => self.push(place.id, entry.key, Some(entry.value)),
            }
        }
        if place.is_last() {
            for (key, value) in edits.by_ref() {
                self.push(place.id, &key, value.as_deref());
            }
        }
        true
    }

    fn push(&mut self, from: ObjectId, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else {
            return;
        };
        self.base.get_or_insert(from);
        let ended = self.chunker.push(key, value);
        self.emit(ended);
    }

    fn emit(&mut self, node: Option<Ended>) {
        let base = self.base;
        let (Some(node), Some(base)) = (node, base) else {
            return;
        };
        self.base = None;
        let object = NewObject::new(Kind::NODE, node.body).packed(Packing::Delta(base));
        let entry = NodeEntry::of_child(node.last_key, object.id, node.count);
        self.above.insert(entry.key, Some(entry.value));
        if !self.old_ids.contains(&object.id) {
            self.nodes.insert(object.id, object);
        }
    }

    /// The edits for the level above, those only that change something; and all of them.
    fn finish(self) -> (Edit, Edit) {
        let changes = self
            .above
            .iter()
            .filter(|(key, value)| self.old.get(*key) != value.as_ref());
        let changes = changes.map(|(key, value)| (key.clone(), value.clone())).collect();
        (changes, self.above)
    }
}
