//! Entries put into a tree node by node: what almost every commit does.
//!
//! A row's key goes into a leaf of 40 entries: the bytes before its place and those behind it are copied as they are, and the nodes above
//! get a new hash in the place of the old one. A leaf that grows too long becomes two; one that no longer ends where it did is cut anew
//! together with the next. A thousand rows that a compaction has moved get new values where the old ones stand.
//!
//! Invariants: the result is that of [`super::edit()`]. Where a node that is not a leaf would end elsewhere, or leaves of several parents
//! must be cut together, or all entries of a node go, nothing is decided here: the answer is [`Spliced::Apart`].
//!
//! Does not: report damage; whoever takes the nodes apart then does.

mod part;
mod walk;

use super::edit::{Edit, Edited, Replaces};
use super::malformed_node;
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects};
use crate::store::wire::Malformed;
use part::{Cutter, Part, cut_leaf, inner, leaf};
use walk::{Slot, Walk};

/// What comes of it.
pub(super) enum Spliced<T> {
    /// This.
    Done(T),
    /// Nodes must be taken apart.
    Apart,
    /// A value may not be replaced.
    Refused,
}

/// The tree that edits make of another.
pub(super) fn splice(
    source: &dyn ReadObjects,
    root: ObjectId,
    edits: &Edit,
    replaces: &mut Replaces<'_>,
) -> Result<Spliced<Edited>, StoreError> {
    let all: Vec<KeyValue<'_>> = edits.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
    let mut splicer = Splicer {
        source,
        replaces,
        nodes: Vec::new(),
    };
    let (root, mut nodes) = match splicer.node((root, 0), None, &all, true)? {
        Spliced::Done(made) => match made.as_slice() {
            [only] => (only.id, splicer.nodes),
            // The tree gets higher.
            _ => return Ok(Spliced::Apart),
        },
        Spliced::Apart => return Ok(Spliced::Apart),
        Spliced::Refused => return Ok(Spliced::Refused),
    };
    // Sorted, so that the same edit writes the same bytes.
    nodes.sort_by_key(|node| node.id);
    Ok(Spliced::Done(Edited { root, nodes }))
}

struct Splicer<'a, 'e> {
    source: &'a dyn ReadObjects,
    replaces: &'a mut Replaces<'e>,
    nodes: Vec<NewObject>,
}

/// A node in the place of another, or of a part of it.
struct Made {
    id: ObjectId,
    /// Its last key, if that is another than the old node's.
    last_key: Option<Vec<u8>>,
    /// Entries of the tree below.
    count: u64,
}

/// A key, and what becomes of it.
type KeyValue<'a> = (&'a [u8], Option<&'a [u8]>);

impl Splicer<'_, '_> {
    /// The nodes that edits make of one, which has so many entries below it; `is_last` of those on its level.
    fn node(
        &mut self,
        (id, count): (ObjectId, u64),
        level: Option<u8>,
        edits: &[KeyValue<'_>],
        is_last: bool,
    ) -> Result<Spliced<Vec<Made>>, StoreError> {
        let body = self.source.read(Kind::NODE, id)?;
        let found = body.first().copied();
        if level.is_some_and(|level| found != Some(level)) {
            return Ok(Spliced::Apart);
        }
        let failed = |Malformed(what)| malformed_node(id, what);
        let parts = match found {
            Some(0) => leaf((&body, id, count), edits, is_last, self.replaces).map_err(failed)?,
            Some(level) => {
                let children = match self.children(id, &body, level, edits, is_last)? {
                    Spliced::Done(children) => children,
                    Spliced::Apart => return Ok(Spliced::Apart),
                    Spliced::Refused => return Ok(Spliced::Refused),
                };
                inner((&body, id, count), level, &children, is_last).map_err(failed)?
            }
            None => Spliced::Apart,
        };
        Ok(match parts {
            Spliced::Done(parts) => Spliced::Done(self.made(parts, &[id])),
            Spliced::Apart => Spliced::Apart,
            Spliced::Refused => Spliced::Refused,
        })
    }

    /// Keeps nodes that are not among the old ones.
    fn made(&mut self, parts: Vec<Part>, old: &[ObjectId]) -> Vec<Made> {
        let mut made = Vec::with_capacity(parts.len());
        for part in parts {
            let object = NewObject::new(Kind::NODE, part.body).packed(Packing::Delta(part.base));
            made.push(Made {
                id: object.id,
                last_key: part.last_key,
                count: part.count,
            });
            if !old.contains(&object.id) {
                self.nodes.push(object);
            }
        }
        made
    }

    /// What becomes of the children of an inner node that edits fall into.
    fn children(
        &mut self,
        id: ObjectId,
        body: &[u8],
        level: u8,
        edits: &[KeyValue<'_>],
        is_last: bool,
    ) -> Result<Spliced<Vec<Child>>, StoreError> {
        let failed = |Malformed(what)| malformed_node(id, what);
        let mut walk = Walk::new(body).map_err(failed)?;
        let mut rest = edits;
        let mut children = Vec::new();
        while !rest.is_empty()
            && let Some(slot) = walk.next().map_err(failed)?
        {
            let is_end = walk.is_at_end();
            let mine = match is_end {
                true => rest.len(),
                false => rest.partition_point(|(key, _)| *key <= walk.key.as_slice()),
            };
            if mine == 0 {
                continue;
            }
            let (mine, others) = rest.split_at(mine);
            let (child, count) = slot.child(body).map_err(failed)?;
            let made = match self.node((child, count), level.checked_sub(1), mine, is_last && is_end)? {
                Spliced::Done(made) => made,
                Spliced::Apart if level == 1 && !is_end => {
                    match self.leaves((id, body), &mut walk, (slot, rest), is_last, &mut children)? {
                        Spliced::Done(others) => rest = others,
                        Spliced::Apart => return Ok(Spliced::Apart),
                        Spliced::Refused => return Ok(Spliced::Refused),
                    }
                    continue;
                }
                Spliced::Apart => return Ok(Spliced::Apart),
                Spliced::Refused => return Ok(Spliced::Refused),
            };
            rest = others;
            children.push(Child { slot, count, made });
        }
        Ok(Spliced::Done(children))
    }

    /// Cuts a leaf together with those behind it, up to where one ends as it did; the edits behind that.
    fn leaves<'e>(
        &mut self,
        (id, body): (ObjectId, &[u8]),
        walk: &mut Walk<'_>,
        (first, edits): (Slot, &'e [KeyValue<'e>]),
        is_last: bool,
        children: &mut Vec<Child>,
    ) -> Result<Spliced<&'e [KeyValue<'e>]>, StoreError> {
        let failed = |Malformed(what)| malformed_node(id, what);
        let (mut cutter, mut old, mut rest) = (Cutter::new(0, id), Vec::new(), edits);
        let at = children.len();
        let mut next = Some(first);
        while let Some(slot) = next {
            let (leaf, count) = slot.child(body).map_err(failed)?;
            let is_end = walk.is_at_end();
            let mine = match is_end {
                true => rest.len(),
                false => rest.partition_point(|(key, _)| *key <= walk.key.as_slice()),
            };
            let (mine, others) = rest.split_at(mine);
            rest = others;
            let leaf_body = self.source.read(Kind::NODE, leaf)?;
            if leaf_body.first() != Some(&0) {
                return Ok(Spliced::Apart);
            }
            cutter.from = leaf;
            let cut = cut_leaf(&mut cutter, &leaf_body, mine, self.replaces);
            if cut.map_err(|Malformed(what)| malformed_node(leaf, what))?.is_none() {
                return Ok(Spliced::Refused);
            }
            old.push(leaf);
            let made = Vec::new();
            children.push(Child { slot, count, made });
            if is_end || cutter.chunker.is_at_boundary() {
                break;
            }
            next = walk.next().map_err(failed)?;
        }
        match cutter.finish(is_last && walk.is_at_end(), &[]) {
            Spliced::Done(parts) => {
                let made = self.made(parts, &old);
                if let Some(first) = children.get_mut(at) {
                    first.made = made;
                }
                Ok(Spliced::Done(rest))
            }
            _ => Ok(Spliced::Apart),
        }
    }
}

/// A child that was edited.
struct Child {
    /// Where it stands in its parent.
    slot: Slot,
    /// Entries that were below it.
    count: u64,
    /// What it becomes; nothing if the child before it has its entries, too.
    made: Vec<Made>,
}
