//! Entries of an encoded node, one after the other, with the places of their bytes.
//!
//! Invariants: what is given lies within the node.
//!
//! Does not: look at where nodes end.

use std::ops::Range;

use crate::store::object::ObjectId;
use crate::store::wire::{Malformed, Reader};

/// Entries of a node, one after the other.
pub(super) struct Walk<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) len: usize,
    pub(super) level: u8,
    pub(super) count: usize,
    pub(super) left: usize,
    /// Where the first entry begins.
    pub(super) first: usize,
    /// The key of the last entry that was given, and that of the one before.
    pub(super) key: Vec<u8>,
    pub(super) before: Vec<u8>,
}

/// Where an entry begins, and its value.
pub(super) struct Slot {
    pub(super) start: usize,
    pub(super) value: Range<usize>,
}

impl Slot {
    /// The child of an inner node, and the entries below it.
    pub(super) fn child(&self, body: &[u8]) -> Result<(ObjectId, u64), Malformed> {
        let mut reader = Reader::new(body.get(self.value.clone()).unwrap_or_default());
        Ok((reader.id()?, reader.varint()?))
    }

    /// The key of the entry before this one.
    pub(super) fn key_before(&self, body: &[u8]) -> Result<Vec<u8>, Malformed> {
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
    pub(super) fn new(body: &'a [u8]) -> Result<Self, Malformed> {
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

    pub(super) fn is_at_end(&self) -> bool {
        self.left == 0
    }

    pub(super) fn next(&mut self) -> Result<Option<Slot>, Malformed> {
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
