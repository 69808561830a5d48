//! One node with edits in it: as it is but for some bytes, or cut anew into one or several.
//!
//! `put` copies the bytes of a leaf before and behind a new entry; where the leaf may end elsewhere then, `cut_leaf` gives its entries to
//! a [`Cutter`].
//!
//! Invariants: a node that ends where the old one did, with the same key and size, keeps its boundary.
//!
//! Does not: read nodes.

use super::super::MAX_NODE_BYTES;
use super::super::chunk::{self, Chunker, Ended, MIN_NODE_BYTES};
use super::super::edit::Replaces;
use super::super::node::{NodeEntry, entry_size, write_entry, write_head};
use super::walk::{Slot, Walk};
use super::{Child, KeyValue, Spliced};
use crate::store::object::ObjectId;
use crate::store::wire::Malformed;

/// A node's bytes as they become.
pub(super) struct Part {
    pub(super) body: Vec<u8>,
    /// Its last key, if that is another than the old node's.
    pub(super) last_key: Option<Vec<u8>>,
    pub(super) count: u64,
    /// The old node in which it begins.
    pub(super) base: ObjectId,
}

impl Part {
    pub(super) fn of(ended: Ended, base: ObjectId) -> Self {
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
pub(super) fn inner(
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
pub(super) fn cut_inner(
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
pub(super) struct Cutter {
    pub(super) chunker: Chunker,
    pub(super) parts: Vec<Part>,
    /// The old node whose entries come.
    pub(super) from: ObjectId,
    /// Where the node that goes on begins.
    pub(super) base: ObjectId,
}

impl Cutter {
    pub(super) fn new(level: u8, from: ObjectId) -> Self {
        Self {
            chunker: Chunker::new(level),
            parts: Vec::new(),
            from,
            base: from,
        }
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.chunker.is_at_boundary() {
            self.base = self.from;
        }
        let ended = self.chunker.push(key, value);
        self.parts.extend(ended.map(|ended| Part::of(ended, self.base)));
    }

    /// The nodes in the place of one whose last key this was, if the next one on the level still begins behind them.
    pub(super) fn finish(mut self, is_last: bool, last_key: &[u8]) -> Spliced<Vec<Part>> {
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
pub(super) fn leaf(
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
pub(super) fn cut_leaf(
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

pub(super) enum Put {
    /// The leaf with one entry more.
    Added(Part),
    /// The key is there already, or the leaf might end elsewhere.
    Elsewise,
}

/// Puts a new entry into a leaf, unless the leaf might end elsewhere then.
pub(super) fn put(
    (body, base, count): (&[u8], ObjectId, u64),
    key: &[u8],
    value: &[u8],
    is_last: bool,
) -> Result<Put, Malformed> {
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
pub(super) fn inserted(body: &[u8], walk: &Walk<'_>, next: &Slot, (key, value): (&[u8], &[u8])) -> Vec<u8> {
    let mut out = head(0, walk.count + 1, body.len() + entry_size(key, value) + 8);
    out.extend_from_slice(body.get(walk.first..next.start).unwrap_or_default());
    write_entry(&mut out, 0, &walk.before, key, value);
    // The next one shares other bytes now; all behind it is as it was.
    let next_value = body.get(next.value.clone()).unwrap_or_default();
    write_entry(&mut out, 0, key, &walk.key, next_value);
    out.extend_from_slice(body.get(next.value.end..).unwrap_or_default());
    out
}

pub(super) fn head(level: u8, entries: usize, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 4);
    write_head(&mut out, level, entries);
    out
}
