//! The bytes of a node.
//!
//! A leaf with the keys `seg/11` and `seg/12`: level 0, 2 entries; 0 bytes shared, `seg/11`, its value; 5 shared, `2`, its
//! value. An inner entry's value is a hash and a count.
//!
//! Invariants: one encoding for one node; keys strictly ascend; decoding never panics.
//!
//! Does not: decide which entries share a node.

use std::cmp::Ordering;
use std::ops::Range;

use super::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use crate::store::object::ObjectId;
use crate::store::wire::{Malformed, Reader, write_bytes, write_varint};

/// A node, read. Its entries are pieces of one array: a node has dozens of them, and trees are walked all the time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// 0 for a leaf.
    pub level: u8,
    /// Keys, each followed by its value.
    bytes: Vec<u8>,
    /// Where each key ends, and its value.
    ends: Vec<(usize, usize)>,
}

/// An entry: of a leaf, a key and its value; of an inner node, a child's last key, and its hash and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryRef<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
}

/// An entry by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeEntry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl NodeEntry {
    /// An inner entry.
    pub(super) fn of_child(key: Vec<u8>, id: ObjectId, count: u64) -> Self {
        let mut value = id.0.to_vec();
        write_varint(&mut value, count);
        Self { key, value }
    }

    pub(super) fn as_ref(&self) -> EntryRef<'_> {
        let Self { key, value } = self;
        EntryRef { key, value }
    }
}

impl EntryRef<'_> {
    /// The child's hash and the number of entries below it.
    pub(super) fn child(&self) -> Result<(ObjectId, u64), Malformed> {
        child(self.value)
    }

    pub(super) fn to_owned(self) -> NodeEntry {
        let (key, value) = (self.key.to_vec(), self.value.to_vec());
        NodeEntry { key, value }
    }
}

/// About what an entry takes in a node. Depends on the entry alone, so that boundaries do too.
pub(super) fn entry_size(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + 4
}

/// Entries of the tree below an entry: for an inner one, what it says.
pub(super) fn below(level: u8, value: &[u8]) -> u64 {
    match level {
        0 => 1,
        _ => child(value).map_or(0, |(_, count)| count),
    }
}

fn child(value: &[u8]) -> Result<(ObjectId, u64), Malformed> {
    let mut reader = Reader::new(value);
    let child = (reader.id()?, reader.varint()?);
    reader.finish()?;
    Ok(child)
}

/// What stands before a node's entries.
pub(super) fn write_head(out: &mut Vec<u8>, level: u8, entries: usize) {
    out.push(level);
    write_varint(out, entries as u64);
}

/// An entry behind the one whose key was `before`.
pub(super) fn write_entry(out: &mut Vec<u8>, level: u8, before: &[u8], key: &[u8], value: &[u8]) {
    let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    write_varint(out, shared as u64);
    write_bytes(out, &key[shared..]);
    if level == 0 {
        write_bytes(out, value);
    } else {
        out.extend_from_slice(value);
    }
}

impl Node {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// An entry by its place.
    pub(super) fn get(&self, index: usize) -> Option<EntryRef<'_>> {
        let (key_end, end) = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before));
        let start = start.map_or(0, |(_, end)| *end);
        Some(EntryRef {
            key: self.bytes.get(start..key_end)?,
            value: self.bytes.get(key_end..end)?,
        })
    }

    pub(super) fn last(&self) -> Option<EntryRef<'_>> {
        self.get(self.len().checked_sub(1)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Entries of the tree below.
    pub(super) fn count(&self) -> u64 {
        self.iter().map(|entry| below(self.level, entry.value)).sum()
    }

    /// The first entry whose key is not before this one.
    pub(super) fn seek(&self, key: &[u8]) -> usize {
        self.partition_point(|other| other < key)
    }

    /// How many keys, from the first on, are so.
    pub(super) fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).is_some_and(|entry| before(entry.key)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_head(&mut out, self.level, self.len());
        let mut before: &[u8] = &[];
        for EntryRef { key, value } in self.iter() {
            write_entry(&mut out, self.level, before, key, value);
            before = key;
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (level, count) = (reader.byte()?, reader.size()?);
        if count > reader.left() {
            return Err(Malformed("a node's entries are fewer than it says"));
        }
        let mut node = Self {
            level,
            bytes: Vec::with_capacity(bytes.len() + bytes.len() / 4),
            ends: Vec::with_capacity(count),
        };
        // Where the last key is.
        let mut last = 0..0;
        for _ in 0..count {
            let start = node.bytes.len();
            read_key(&mut reader, &mut node.bytes, last.clone())?;
            let key_end = node.bytes.len();
            let (before, key) = (node.bytes.get(last), node.bytes.get(start..));
            if !node.ends.is_empty() && key <= before {
                return Err(Malformed("a node's keys do not ascend"));
            }
            last = start..key_end;
            let value = match level {
                0 => reader.bytes()?,
                _ => read_child(&mut reader)?,
            };
            if value.len() > MAX_VALUE_BYTES {
                return Err(Malformed("a value is too long"));
            }
            node.bytes.extend_from_slice(value);
            node.ends.push((key_end, node.bytes.len()));
        }
        reader.finish()?;
        if level > 0 && node.len() == 0 {
            return Err(Malformed("an inner node is empty"));
        }
        Ok(node)
    }
}

/// Where a look-up in a node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought<'a> {
    Value(&'a [u8]),
    Child(ObjectId),
    Nothing,
}

/// A node's level, and where a key is to be found: without taking the whole node apart, since look-ups do this most.
pub(super) fn seek_encoded<'a>(bytes: &'a [u8], key: &[u8]) -> Result<(u8, Sought<'a>), Malformed> {
    let mut reader = Reader::new(bytes);
    let (level, count) = (reader.byte()?, reader.size()?);
    // The length of the current key, and how many of its bytes the wanted one begins with, which is greater.
    let (mut len, mut matched) = (0, 0);
    for _ in 0..count {
        let (shared, rest) = (reader.size()?, reader.bytes()?);
        if shared > len {
            return Err(Malformed("a key shares more than there is"));
        }
        len = shared + rest.len();
        // What differs from the wanted key within what is shared makes this one less, too.
        let order = match key.get(shared..).filter(|_| shared <= matched) {
            None => Ordering::Less,
            Some(wanted) => {
                let same = rest.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                matched = shared + same;
                rest[same..].cmp(&wanted[same..])
            }
        };
        if level == 0 {
            let value = reader.bytes()?;
            match order {
                Ordering::Less => {}
                Ordering::Equal => return Ok((level, Sought::Value(value))),
                Ordering::Greater => return Ok((level, Sought::Nothing)),
            }
        } else {
            let child = reader.id()?;
            if order != Ordering::Less {
                return Ok((level, Sought::Child(child)));
            }
            reader.varint()?;
        }
    }
    Ok((level, Sought::Nothing))
}

/// Appends the next key, which may share bytes with the one before, to the array that this one is in.
fn read_key(reader: &mut Reader<'_>, out: &mut Vec<u8>, before: Range<usize>) -> Result<(), Malformed> {
    let shared = reader.size()?;
    if shared > before.len() {
        return Err(Malformed("a key shares more than there is"));
    }
    let rest = reader.bytes()?;
    // One encoding only: as much is shared as can be.
    let next = out.get(before.start + shared).filter(|_| shared < before.len());
    if next.is_some() && next == rest.first() {
        return Err(Malformed("a key shares less than it could"));
    }
    if shared + rest.len() > MAX_KEY_BYTES {
        return Err(Malformed("a key is too long"));
    }
    out.extend_from_within(before.start..before.start + shared);
    out.extend_from_slice(rest);
    Ok(())
}

/// A child's id and count, as they stand there.
fn read_child<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let mut ahead = reader.clone();
    ahead.take(32)?;
    ahead.varint()?;
    reader.take(reader.left() - ahead.left())
}

/// What an encoded node refers to: its children, none for a leaf.
pub(crate) fn children(body: &[u8]) -> Result<Vec<ObjectId>, Malformed> {
    if body.first() == Some(&0) {
        return Ok(Vec::new());
    }
    let node = Node::decode(body)?;
    node.iter().map(|entry| entry.child().map(|(id, _)| id)).collect()
}

/// Shows the entries of an encoded leaf, none of an inner node.
pub(crate) fn visit_leaf(
    body: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if body.first().is_some_and(|level| *level > 0) {
        return Ok(());
    }
    let node = Node::decode(body)?;
    node.iter().try_for_each(|entry| visit(entry.key, entry.value))
}
