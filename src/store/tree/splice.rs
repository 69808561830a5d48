//! A few entries put into a tree without taking its nodes apart: what almost every commit does.
//!
//! A row's key goes into a leaf of 40 entries: the bytes before its place and those behind it are copied as they are, and the nodes above
//! get a new hash in the place of the old one. Nothing is decoded but the way there.
//!
//! Invariants: the result is that of [`super::edit()`]. Where a node might end elsewhere than it did, or an entry goes, nothing is
//! decided here: the answer is `None`.
//!
//! Does not: report damage; whoever takes the nodes apart then does.

use std::ops::Range;

use super::chunk::{self, MIN_NODE_BYTES};
use super::edit::{Edit, Edited};
use super::node::{entry_size, write_entry, write_head};
use super::{MAX_NODE_BYTES, malformed_node};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects};
use crate::store::wire::{Malformed, Reader, write_varint};

/// More edits are as well done by taking nodes apart.
const MOST: usize = 64;

/// The tree that a few edits make of another; `None` if its nodes must be taken apart.
pub(super) fn splice(source: &dyn ReadObjects, root: ObjectId, edits: &Edit) -> Result<Option<Edited>, StoreError> {
    if edits.len() > MOST {
        return Ok(None);
    }
    let mut all = Vec::with_capacity(edits.len());
    for (key, value) in edits {
        let Some(value) = value else { return Ok(None) };
        all.push((key.as_slice(), value.as_slice()));
    }
    let nodes = Vec::new();
    let mut splicer = Splicer { source, nodes };
    let Some(made) = splicer.node(root, None, &all, true)? else {
        return Ok(None);
    };
    let (root, mut nodes) = (made.id, splicer.nodes);
    // Sorted, so that the same edit writes the same bytes.
    nodes.sort_by_key(|node| node.id);
    Ok(Some(Edited { root, nodes }))
}

struct Splicer<'a> {
    source: &'a dyn ReadObjects,
    nodes: Vec<NewObject>,
}

/// A node in the place of another.
struct Made {
    id: ObjectId,
    /// Its last key, if that is another.
    last_key: Option<Vec<u8>>,
    /// Entries that came to the tree below.
    added: u64,
}

type KeyValue<'a> = (&'a [u8], &'a [u8]);

impl Splicer<'_> {
    /// The node that edits make of one; `is_last` of those on its level.
    fn node(
        &mut self,
        id: ObjectId,
        level: Option<u8>,
        edits: &[KeyValue<'_>],
        is_last: bool,
    ) -> Result<Option<Made>, StoreError> {
        let body = self.source.read(Kind::NODE, id)?;
        let found = body.first().copied();
        if level.is_some_and(|level| found != Some(level)) {
            return Ok(None);
        }
        let made = match found {
            Some(0) => leaf(&body, edits, is_last).map_err(|Malformed(what)| malformed_node(id, what))?,
            Some(level) => self.inner(id, &body, level, edits, is_last)?,
            None => None,
        };
        let Some(Spliced { body, last_key, added }) = made else {
            return Ok(None);
        };
        let object = NewObject::new(Kind::NODE, body).packed(Packing::Delta(id));
        let made = Made {
            id: object.id,
            last_key,
            added,
        };
        if object.id != id {
            self.nodes.push(object);
        }
        Ok(Some(made))
    }

    /// An inner node whose children are edited first.
    fn inner(
        &mut self,
        id: ObjectId,
        body: &[u8],
        level: u8,
        edits: &[KeyValue<'_>],
        is_last: bool,
    ) -> Result<Option<Spliced>, StoreError> {
        let failed = |Malformed(what)| malformed_node(id, what);
        let mut spliced = Spliced {
            body: body.to_vec(),
            last_key: None,
            added: 0,
        };
        let mut rest = edits;
        while let Some((key, _)) = rest.first() {
            let Some(place) = child_of(&spliced.body, key).map_err(failed)? else {
                return Ok(None);
            };
            let mine = match place.is_last {
                true => rest.len(),
                false => rest.partition_point(|(key, _)| *key <= place.key.as_slice()),
            };
            let (mine, others) = rest.split_at(mine.max(1));
            rest = others;
            let Some(made) = self.node(place.child, level.checked_sub(1), mine, is_last && place.is_last)? else {
                return Ok(None);
            };
            let mut value = made.id.0.to_vec();
            write_varint(&mut value, place.count + made.added);
            match made.last_key {
                // Its boundary would be another than the one that its key and size made.
                None if value.len() != place.value.len() => return Ok(None),
                None => drop(spliced.body.splice(place.value, value)),
                Some(key) => {
                    spliced.body.truncate(place.start);
                    write_entry(&mut spliced.body, level, &place.before, &key, &value);
                    spliced.last_key = Some(key);
                }
            }
            spliced.added += made.added;
        }
        Ok(Some(spliced))
    }
}

/// A node's bytes as they become.
struct Spliced {
    body: Vec<u8>,
    last_key: Option<Vec<u8>>,
    added: u64,
}

/// A leaf with some entries more, or other values.
fn leaf(body: &[u8], edits: &[KeyValue<'_>], is_last: bool) -> Result<Option<Spliced>, Malformed> {
    let mut spliced = Spliced {
        body: body.to_vec(),
        last_key: None,
        added: 0,
    };
    for (key, value) in edits {
        match put(&spliced.body, key, value, is_last)? {
            None => return Ok(None),
            Some(Put::Replaced(place)) => drop(spliced.body.splice(place, value.iter().copied())),
            Some(Put::Added { body, at_end }) => {
                spliced.body = body;
                spliced.added += 1;
                if at_end {
                    spliced.last_key = Some(key.to_vec());
                }
            }
        }
    }
    Ok(Some(spliced))
}

enum Put {
    /// A value as long as the one before stands here now.
    Replaced(Range<usize>),
    /// The leaf with one entry more, perhaps its last.
    Added { body: Vec<u8>, at_end: bool },
}

/// Puts an entry into a leaf, unless the leaf might end elsewhere then.
fn put(body: &[u8], key: &[u8], value: &[u8], is_last: bool) -> Result<Option<Put>, Malformed> {
    let added = entry_size(key, value);
    let mut walk = Walk::new(body)?;
    let mut made: Option<Vec<u8>> = None;
    let (mut size, mut last_size) = (0, 0);
    while let Some(entry) = walk.next()? {
        let entry_bytes = entry_size(&walk.key, body.get(entry.value.clone()).unwrap_or_default());
        if made.is_none() && walk.key.as_slice() >= key {
            if walk.key == key {
                return Ok((entry.value.len() == value.len()).then_some(Put::Replaced(entry.value)));
            }
            if chunk::ends_after(0, key, added, size + added) {
                return Ok(None);
            }
            made = Some(inserted(body, &walk, &entry, (key, value)));
        }
        size += entry_bytes;
        last_size = entry_bytes;
        let passes = size < MIN_NODE_BYTES && size + added >= MIN_NODE_BYTES;
        let ends = passes && !walk.is_at_end() && chunk::ends_after(0, &walk.key, entry_bytes, size + added);
        if made.is_some() && (ends || size + added >= MAX_NODE_BYTES) {
            return Ok(None);
        }
    }
    if let Some(body) = made {
        let at_end = false;
        return Ok(Some(Put::Added { body, at_end }));
    }
    // Behind all others, where only the end of the tree kept the node open.
    if !is_last || walk.count > 0 && chunk::ends_after(0, &walk.key, last_size, size) {
        return Ok(None);
    }
    let mut out = head(0, walk.count + 1, body.len() + added);
    out.extend_from_slice(body.get(walk.first..).unwrap_or_default());
    write_entry(&mut out, 0, &walk.key, key, value);
    let (body, at_end) = (out, true);
    Ok(Some(Put::Added { body, at_end }))
}

/// A leaf with an entry before the one that the walk is at.
fn inserted(body: &[u8], walk: &Walk<'_>, next: &Slot, (key, value): KeyValue<'_>) -> Vec<u8> {
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

/// Where a child stands in its parent.
struct Child {
    child: ObjectId,
    count: u64,
    start: usize,
    value: Range<usize>,
    key: Vec<u8>,
    before: Vec<u8>,
    is_last: bool,
}

/// The child of an inner node in which a key belongs; the last one for a key behind all others.
fn child_of(body: &[u8], key: &[u8]) -> Result<Option<Child>, Malformed> {
    let mut walk = Walk::new(body)?;
    while let Some(entry) = walk.next()? {
        if walk.key.as_slice() < key && !walk.is_at_end() {
            continue;
        }
        let mut reader = Reader::new(body.get(entry.value.clone()).unwrap_or_default());
        return Ok(Some(Child {
            child: reader.id()?,
            count: reader.varint()?,
            start: entry.start,
            value: entry.value,
            is_last: walk.is_at_end(),
            key: walk.key,
            before: walk.before,
        }));
    }
    Ok(None)
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
