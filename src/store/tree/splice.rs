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

use std::ops::Range;

use super::chunk::{self, Chunker, Ended, MIN_NODE_BYTES};
use super::edit::{Edit, Edited, Replaces};
use super::node::{NodeEntry, entry_size, write_entry, write_head};
use super::{MAX_NODE_BYTES, malformed_node};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects};
use crate::store::wire::{Malformed, Reader};

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

/// A node's bytes as they become.
struct Part {
    body: Vec<u8>,
    /// Its last key, if that is another than the old node's.
    last_key: Option<Vec<u8>>,
    count: u64,
    /// The old node in which it begins.
    base: ObjectId,
}

impl Part {
    fn of(ended: Ended, base: ObjectId) -> Self {
        let Ended { body, last_key, count } = ended;
        Self {
            body,
            last_key: Some(last_key),
            count,
            base,
        }
    }
}

/// An inner node with other children: their hashes in the place of the old ones, as long as all stand where they did.
fn inner(
    (body, id, count): (&[u8], ObjectId, u64),
    level: u8,
    children: &[Child],
    is_last: bool,
) -> Result<Spliced<Vec<Part>>, Malformed> {
    let mut part = Part {
        body: body.to_vec(),
        last_key: None,
        count,
        base: id,
    };
    for Child { slot, count, made } in children {
        let [only] = made.as_slice() else {
            return cut_inner((body, id), level, children, is_last);
        };
        let entry = NodeEntry::of_child(Vec::new(), only.id, only.count);
        part.count = (part.count + only.count).saturating_sub(*count);
        match &only.last_key {
            // Nothing is behind it that its length would move.
            Some(key) if is_last && slot.value.end == body.len() => {
                let before = slot.key_before(body)?;
                part.body.truncate(slot.start);
                write_entry(&mut part.body, level, &before, key, &entry.value);
                part.last_key = Some(key.clone());
            }
            // Another size may make another boundary.
            Some(_) => return cut_inner((body, id), level, children, is_last),
            None => match part.body.get_mut(slot.value.clone()) {
                Some(place) if place.len() == entry.value.len() => place.copy_from_slice(&entry.value),
                _ => return cut_inner((body, id), level, children, is_last),
            },
        }
    }
    Ok(Spliced::Done(vec![part]))
}

/// The same, cut anew.
fn cut_inner(
    (body, id): (&[u8], ObjectId),
    level: u8,
    children: &[Child],
    is_last: bool,
) -> Result<Spliced<Vec<Part>>, Malformed> {
    let mut cutter = Cutter::new(level, id);
    let mut walk = Walk::new(body)?;
    let mut children = children.iter().peekable();
    while let Some(slot) = walk.next()? {
        match children.next_if(|child| child.slot.start == slot.start) {
            None => cutter.push(&walk.key, body.get(slot.value).unwrap_or_default()),
            Some(child) => child.made.iter().for_each(|made| {
                let entry = NodeEntry::of_child(Vec::new(), made.id, made.count);
                cutter.push(made.last_key.as_ref().unwrap_or(&walk.key), &entry.value);
            }),
        }
    }
    Ok(cutter.finish(is_last, &walk.key))
}

/// Puts a node's entries into nodes of their own.
struct Cutter {
    chunker: Chunker,
    parts: Vec<Part>,
    /// The old node whose entries come.
    from: ObjectId,
    /// Where the node that goes on begins.
    base: ObjectId,
}

impl Cutter {
    fn new(level: u8, from: ObjectId) -> Self {
        Self {
            chunker: Chunker::new(level),
            parts: Vec::new(),
            from,
            base: from,
        }
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.chunker.is_at_boundary() {
            self.base = self.from;
        }
        let ended = self.chunker.push(key, value);
        self.parts.extend(ended.map(|ended| Part::of(ended, self.base)));
    }

    /// The nodes in the place of one whose last key this was, if the next one on the level still begins behind them.
    fn finish(mut self, is_last: bool, last_key: &[u8]) -> Spliced<Vec<Part>> {
        if is_last {
            let last = self.chunker.finish();
            self.parts.extend(last.map(|ended| Part::of(ended, self.base)));
        }
        if let [only] = self.parts.as_mut_slice() {
            only.last_key.take_if(|key| key == last_key);
        }
        match self.chunker.is_at_boundary() && !self.parts.is_empty() {
            true => Spliced::Done(self.parts),
            false => Spliced::Apart,
        }
    }
}

/// A leaf with other entries.
fn leaf(
    (body, id, count): (&[u8], ObjectId, u64),
    edits: &[KeyValue<'_>],
    is_last: bool,
    replaces: &mut Replaces<'_>,
) -> Result<Spliced<Vec<Part>>, Malformed> {
    if let [(key, Some(value))] = edits
        && let Put::Added(part) = put((body, id, count), key, value, is_last)?
    {
        return Ok(Spliced::Done(vec![part]));
    }
    let mut walk = Walk::new(body)?;
    let mut edits_left = edits.iter().peekable();
    let mut replaced = body.to_vec();
    let mut is_alike = true;
    while let Some(slot) = walk.next()? {
        while let Some((_, value)) = edits_left.next_if(|(key, _)| *key < walk.key.as_slice()) {
            is_alike &= value.is_none();
        }
        let Some((key, value)) = edits_left.next_if(|(key, _)| *key == walk.key.as_slice()) else {
            continue;
        };
        match (value, replaced.get_mut(slot.value)) {
            (Some(_), Some(place)) if !replaces(key, place) => return Ok(Spliced::Refused),
            (Some(value), Some(place)) if place.len() == value.len() => place.copy_from_slice(value),
            _ => is_alike = false,
        }
    }
    if !is_alike || edits_left.any(|(_, value)| value.is_some()) {
        let mut cutter = Cutter::new(0, id);
        return Ok(match cut_leaf(&mut cutter, body, edits, replaces)? {
            Some(last_key) => cutter.finish(is_last, &last_key),
            None => Spliced::Refused,
        });
    }
    Ok(Spliced::Done(vec![Part {
        body: replaced,
        last_key: None,
        count,
        base: id,
    }]))
}

/// Gives a cutter the entries of a leaf, with edits among them; the last key that the leaf had, or `None` if a value may not be replaced.
fn cut_leaf(
    cutter: &mut Cutter,
    body: &[u8],
    edits: &[KeyValue<'_>],
    replaces: &mut Replaces<'_>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let mut walk = Walk::new(body)?;
    let mut edits = edits.iter().peekable();
    let mut put = |key: &[u8], value: Option<&[u8]>| {
        if let Some(value) = value {
            cutter.push(key, value);
        }
    };
    while let Some(slot) = walk.next()? {
        while let Some((key, value)) = edits.next_if(|(key, _)| *key < walk.key.as_slice()) {
            put(key, *value);
        }
        let old = body.get(slot.value).unwrap_or_default();
        match edits.next_if(|(key, _)| *key == walk.key.as_slice()) {
            Some((key, Some(_))) if !replaces(key, old) => return Ok(None),
            Some((key, value)) => put(key, *value),
            None => put(&walk.key, Some(old)),
        }
    }
    edits.for_each(|(key, value)| put(key, *value));
    Ok(Some(walk.key))
}

enum Put {
    /// The leaf with one entry more.
    Added(Part),
    /// The key is there already, or the leaf might end elsewhere.
    Elsewise,
}

/// Puts a new entry into a leaf, unless the leaf might end elsewhere then.
fn put((body, base, count): (&[u8], ObjectId, u64), key: &[u8], value: &[u8], is_last: bool) -> Result<Put, Malformed> {
    let added = entry_size(key, value);
    let mut walk = Walk::new(body)?;
    let mut made: Option<Vec<u8>> = None;
    let (mut size, mut last_size) = (0, 0);
    while let Some(entry) = walk.next()? {
        let entry_bytes = entry_size(&walk.key, body.get(entry.value.clone()).unwrap_or_default());
        if made.is_none() && walk.key.as_slice() >= key {
            if walk.key == key || chunk::ends_after(0, key, added, size + added) {
                return Ok(Put::Elsewise);
            }
            made = Some(inserted(body, &walk, &entry, (key, value)));
        }
        size += entry_bytes;
        last_size = entry_bytes;
        let passes = size < MIN_NODE_BYTES && size + added >= MIN_NODE_BYTES;
        let ends = passes && !walk.is_at_end() && chunk::ends_after(0, &walk.key, entry_bytes, size + added);
        if made.is_some() && (ends || size + added >= MAX_NODE_BYTES) {
            return Ok(Put::Elsewise);
        }
    }
    let count = count + 1;
    if let Some(body) = made {
        let last_key = None;
        return Ok(Put::Added(Part {
            body,
            last_key,
            count,
            base,
        }));
    }
    // Behind all others, where only the end of the tree kept the node open.
    if !is_last || walk.count > 0 && chunk::ends_after(0, &walk.key, last_size, size) {
        return Ok(Put::Elsewise);
    }
    let mut body_after = head(0, walk.count + 1, body.len() + added);
    body_after.extend_from_slice(body.get(walk.first..).unwrap_or_default());
    write_entry(&mut body_after, 0, &walk.key, key, value);
    Ok(Put::Added(Part {
        body: body_after,
        last_key: Some(key.to_vec()),
        count,
        base,
    }))
}

/// A leaf with an entry before the one that the walk is at.
fn inserted(body: &[u8], walk: &Walk<'_>, next: &Slot, (key, value): (&[u8], &[u8])) -> Vec<u8> {
    let mut out = head(0, walk.count + 1, body.len() + entry_size(key, value) + 8);
    out.extend_from_slice(body.get(walk.first..next.start).unwrap_or_default());
    write_entry(&mut out, 0, &walk.before, key, value);
    // The next one shares other bytes now; all behind it is as it was.
    let next_value = body.get(next.value.clone()).unwrap_or_default();
    write_entry(&mut out, 0, key, &walk.key, next_value);
    out.extend_from_slice(body.get(next.value.end..).unwrap_or_default());
    out
}

fn head(level: u8, entries: usize, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 4);
    write_head(&mut out, level, entries);
    out
}

/// Entries of a node, one after the other.
struct Walk<'a> {
    reader: Reader<'a>,
    len: usize,
    level: u8,
    count: usize,
    left: usize,
    /// Where the first entry begins.
    first: usize,
    /// The key of the last entry that was given, and that of the one before.
    key: Vec<u8>,
    before: Vec<u8>,
}

/// Where an entry begins, and its value.
struct Slot {
    start: usize,
    value: Range<usize>,
}

impl Slot {
    /// The child of an inner node, and the entries below it.
    fn child(&self, body: &[u8]) -> Result<(ObjectId, u64), Malformed> {
        let mut reader = Reader::new(body.get(self.value.clone()).unwrap_or_default());
        Ok((reader.id()?, reader.varint()?))
    }

    /// The key of the entry before this one.
    fn key_before(&self, body: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut walk = Walk::new(body)?;
        while let Some(slot) = walk.next()? {
            if slot.start == self.start {
                break;
            }
        }
        Ok(walk.before)
    }
}

impl<'a> Walk<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (level, count) = (reader.byte()?, reader.size()?);
        Ok(Self {
            first: body.len() - reader.left(),
            len: body.len(),
            reader,
            level,
            count,
            left: count,
            key: Vec::new(),
            before: Vec::new(),
        })
    }

    fn is_at_end(&self) -> bool {
        self.left == 0
    }

    fn next(&mut self) -> Result<Option<Slot>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let start = self.len - self.reader.left();
        self.before.clone_from(&self.key);
        let shared = self.reader.size()?;
        if shared > self.key.len() {
            return Err(Malformed("a key shares more than there is"));
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(self.reader.bytes()?);
        let value = if self.level == 0 {
            let len = self.reader.bytes()?.len();
            let end = self.len - self.reader.left();
            end - len..end
        } else {
            let at = self.len - self.reader.left();
            self.reader.take(32)?;
            self.reader.varint()?;
            at..self.len - self.reader.left()
        };
        Ok(Some(Slot { start, value }))
    }
}
