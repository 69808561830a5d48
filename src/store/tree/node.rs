//! The bytes of a node.
//!
//! A leaf with the keys `seg/11` and `seg/12`: level 0, 2 entries; 0 bytes shared, `seg/11`, its value; 5 shared, `2`, its
//! value. An inner entry's value is a hash and a count.
//!
//! Invariants: one encoding for one node; keys strictly ascend; decoding never panics.
//!
//! Does not: decide which entries share a node.

use super::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use crate::store::object::ObjectId;
use crate::store::wire::{Malformed, Reader, write_bytes, write_varint};

/// A node, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// 0 for a leaf.
    pub level: u8,
    pub entries: Vec<NodeEntry>,
}

/// An entry: of a leaf, a key and its value; of an inner node, a child's last key, and its hash and count.
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

    /// The child's hash and the number of entries below it.
    pub(super) fn child(&self) -> Result<(ObjectId, u64), Malformed> {
        child(&self.value)
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
    pub(super) fn empty() -> Self {
        Self::default()
    }

    /// Entries of the tree below.
    pub(super) fn count(&self) -> u64 {
        let entries = self.entries.iter();
        entries.map(|entry| below(self.level, &entry.value)).sum()
    }

    /// The first entry whose key is not before this one.
    pub(super) fn seek(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|entry| entry.key.as_slice() < key)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_head(&mut out, self.level, self.entries.len());
        let mut before: &[u8] = &[];
        for NodeEntry { key, value } in &self.entries {
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
        let mut entries: Vec<NodeEntry> = Vec::with_capacity(count);
        for _ in 0..count {
            let before = entries.last().map_or(&[][..], |entry| &entry.key);
            let key = read_key(&mut reader, before)?;
            if !entries.is_empty() && key.as_slice() <= before {
                return Err(Malformed("a node's keys do not ascend"));
            }
            let value = if level == 0 {
                reader.bytes()?.to_vec()
            } else {
                read_child(&mut reader)?
            };
            if value.len() > MAX_VALUE_BYTES {
                return Err(Malformed("a value is too long"));
            }
            entries.push(NodeEntry { key, value });
        }
        reader.finish()?;
        if level > 0 && entries.is_empty() {
            return Err(Malformed("an inner node is empty"));
        }
        Ok(Self { level, entries })
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
    let mut current = Vec::with_capacity(key.len() + 16);
    for _ in 0..count {
        let shared = reader.size()?;
        if shared > current.len() {
            return Err(Malformed("a key shares more than there is"));
        }
        current.truncate(shared);
        current.extend_from_slice(reader.bytes()?);
        let found = current.as_slice() >= key;
        if level == 0 {
            let value = reader.bytes()?;
            if found {
                let sought = if current == key {
                    Sought::Value(value)
                } else {
                    Sought::Nothing
                };
                return Ok((level, sought));
            }
        } else {
            let child = reader.id()?;
            if found {
                return Ok((level, Sought::Child(child)));
            }
            reader.varint()?;
        }
    }
    Ok((level, Sought::Nothing))
}

fn read_key(reader: &mut Reader<'_>, before: &[u8]) -> Result<Vec<u8>, Malformed> {
    let shared = before
        .get(..reader.size()?)
        .ok_or(Malformed("a key shares more than there is"))?;
    let rest = reader.bytes()?;
    // One encoding only: as much is shared as can be.
    if before.get(shared.len()).is_some_and(|byte| Some(byte) == rest.first()) {
        return Err(Malformed("a key shares less than it could"));
    }
    if shared.len() + rest.len() > MAX_KEY_BYTES {
        return Err(Malformed("a key is too long"));
    }
    Ok([shared, rest].concat())
}

fn read_child(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let mut value = reader.take(32)?.to_vec();
    write_varint(&mut value, reader.varint()?);
    Ok(value)
}

/// What an encoded node refers to: its children, none for a leaf.
pub(crate) fn children(body: &[u8]) -> Result<Vec<ObjectId>, Malformed> {
    let node = Node::decode(body)?;
    if node.level == 0 {
        return Ok(Vec::new());
    }
    node.entries
        .iter()
        .map(|entry| entry.child().map(|(id, _)| id))
        .collect()
}

/// The entries of an encoded leaf; none for an inner node.
pub(crate) fn leaf_entries(body: &[u8]) -> Result<Vec<super::Entry>, Malformed> {
    let node = Node::decode(body)?;
    let entries = node.entries.into_iter().filter(|_| node.level == 0);
    Ok(entries.map(|entry| (entry.key, entry.value)).collect())
}
