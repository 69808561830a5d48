//! Maps of generated code: entries are found, and put, where they lie.
//!
//! `m[k]` goes over the entries of `m`, or asks an index if it has been asked more than a few times before; `m[k] = v` writes the value into the
//! entry of `k`, or a new entry behind the others, if the variable has the map for itself.
//!
//! Invariants: an index is of an object's address: there are none where addresses come again for other objects, and they are forgotten
//! when memory is given back. An entry is written to only if it has a mark, as its map has.
//!
//! Does not: see keys that are NULL; there is no entry for them.

use std::collections::HashMap;

use super::ExecError;
use super::growing::{fresh, moved, taken_over};
use super::host::{CELL_BYTES, Host, VALID_AT};
use super::nested::{self, element, field, length, room};
use crate::types::nested::{ELEMENTS_AT, FieldPlace, NestedLayout, Shape};

/// Maps of fewer entries have no index.
const FEW: usize = 16;
/// Nor have those that were asked less often.
const SELDOM: u32 = 4;
/// Maps that are remembered.
const MOST_MAPS: usize = 256;
/// An entry's address.
const STRIDE: usize = 8;

/// The indexes of maps, by their addresses.
#[derive(Debug, Default)]
pub(super) struct Maps {
    /// Objects stay where they are until this is said to be over.
    pub(super) lasting: bool,
    known: HashMap<usize, Known>,
    /// What the indexes take.
    bytes: usize,
}

/// A map that was asked.
#[derive(Debug, Default)]
struct Known {
    asked: u32,
    index: Index,
}

/// Positions of entries by the hashes of their keys: open addressing, at most half full.
#[derive(Debug, Default)]
struct Index {
    /// A part of the hash, and the position plus one; 0: free.
    slots: Vec<(u32, u32)>,
    count: usize,
}

impl Maps {
    /// Forgets all indexes.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.bytes = 0;
    }

    /// Bytes of the indexes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Index {
    fn add(&mut self, hash: u64) {
        if self.slots.len() < 2 * (self.count + 1) {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![(0, 0); (old.len() * 2).max(64)];
            old.into_iter()
                .filter(|slot| slot.1 != 0)
                .for_each(|slot| self.place(slot));
        }
        self.count += 1;
        self.place((hash as u32, self.count as u32));
    }

    fn place(&mut self, slot: (u32, u32)) {
        let mask = self.slots.len() - 1;
        let mut at = slot.0 as usize & mask;
        while self.slots[at].1 != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as u32 as usize & mask;
        loop {
            let (part, position) = self.slots[at];
            let position = (position as usize).checked_sub(1)?;
            if part == hash as u32 && is_it(position) {
                return Some(position);
            }
            at = (at + 1) & mask;
        }
    }
}

/// How the entries of a map lie.
struct Entries<'l> {
    map: &'l NestedLayout,
    entry: &'l NestedLayout,
    key: &'l FieldPlace,
    value: &'l FieldPlace,
    bytes: usize,
}

impl<'l> Entries<'l> {
    fn of(map: &'l NestedLayout) -> Option<Self> {
        let NestedLayout::Array {
            item: Shape::Nested(entry),
        } = map
        else {
            return None;
        };
        let NestedLayout::Struct { fields, bytes } = &**entry else {
            return None;
        };
        let [key, value] = fields.as_slice() else { return None };
        Some(Self {
            map,
            entry,
            key,
            value,
            bytes: *bytes,
        })
    }

    /// # Safety
    /// `object` is such a map that has more than `i` entries.
    unsafe fn at(&self, object: *const u8, i: usize) -> *mut u8 {
        // SAFETY: the caller's promise; an entry is never NULL.
        unsafe {
            let place = element(object, STRIDE, i).unwrap_or(object);
            place.cast::<*mut u8>().read_unaligned()
        }
    }

    /// # Safety
    /// As for [`Self::at`]; `key` holds a key.
    unsafe fn is_of(&self, object: *const u8, i: usize, key: *const u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let known = field(self.at(object, i), self.key.offset, 0);
            nested::compare_parts(known, Some(key), &self.key.shape).is_eq()
        }
    }

    /// The position of a key.
    ///
    /// # Safety
    /// `object` is such a map, and `key` holds a key.
    unsafe fn find(&self, maps: &mut Maps, object: *const u8, key: *const u8) -> Option<usize> {
        // SAFETY: the caller's promise.
        let is_it = |i: usize| unsafe { self.is_of(object, i, key) };
        // SAFETY: as above.
        let count = unsafe { length(object) };
        if count < FEW || !maps.lasting {
            return (0..count).find(|i| is_it(*i));
        }
        if maps.known.len() > MOST_MAPS {
            maps.forget();
        }
        let known = maps.known.entry(object as usize).or_default();
        known.asked = known.asked.saturating_add(1);
        if known.asked < SELDOM {
            return (0..count).find(|i| is_it(*i));
        }
        let before = known.index.slots.len();
        // SAFETY: as above.
        let found = unsafe {
            for i in known.index.count..count {
                let part = field(self.at(object, i), self.key.offset, 0);
                known.index.add(nested::hash_of(part, &self.key.shape));
            }
            known.index.find(nested::hash_of(Some(key), &self.key.shape), is_it)
        };
        let slots = known.index.slots.len() - before;
        maps.bytes += slots * size_of::<(u32, u32)>();
        found
    }
}

/// 1: the address of the entry of the key in the cell is in the cell's place; 0: there is none, and an address that may be read is there.
pub(super) extern "C" fn map_find(host: *mut u8, object: *const u8, layout: *const u8, cell: *mut u8) -> i64 {
    // SAFETY: generated code passes the host, a map, its layout, and a cell with a key.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let found = match Entries::of(&*layout.cast::<NestedLayout>()) {
            Some(entries) if cell.add(VALID_AT).read() != 0 => {
                let found = entries.find(&mut host.maps, object, cell);
                found.map(|i| entries.at(object, i).cast_const())
            }
            _ => None,
        };
        cell.cast::<*const u8>().write_unaligned(found.unwrap_or(object));
        i64::from(found.is_some())
    }
}

/// Puts an entry into a map whose address is at `place`; the key and the value are in cells. 1: there is no memory.
pub(super) extern "C" fn map_put(host: *mut u8, place: *mut u8, layout: *const u8, cells: *const u8) -> i64 {
    // SAFETY: generated code passes the host, the place of a map's address, its layout, and two cells.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let Some(entries) = Entries::of(&*layout.cast::<NestedLayout>()) else {
            return host.failed(ExecError::internal("a map that has no entries"));
        };
        match entry_of(host, place.cast(), &entries, cells) {
            Ok(entry) => {
                write_part(entry, (1, entries.value), cells.add(CELL_BYTES));
                0
            }
            Err(error) => host.failed(error),
        }
    }
}

/// The address of the entry of a key takes the key's place in the cell; where there is none, one is made whose value is NULL. 1: there is no memory.
pub(super) extern "C" fn map_entry(host: *mut u8, place: *mut u8, layout: *const u8, cell: *mut u8) -> i64 {
    // SAFETY: generated code passes the host, the place of a map's address, its layout, and a cell with a key.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let Some(entries) = Entries::of(&*layout.cast::<NestedLayout>()) else {
            return host.failed(ExecError::internal("a map that has no entries"));
        };
        match entry_of(host, place.cast(), &entries, cell) {
            Ok(entry) => {
                cell.cast::<*mut u8>().write_unaligned(entry);
                0
            }
            Err(error) => host.failed(error),
        }
    }
}

/// The entry of a key, which the map has for itself, in a map that the variable has for itself from here on.
///
/// # Safety
/// As for [`map_entry`].
unsafe fn entry_of(
    host: &mut Host,
    place: *mut *mut u8,
    entries: &Entries<'_>,
    key: *const u8,
) -> Result<*mut u8, ExecError> {
    // SAFETY: the caller's promise.
    unsafe {
        let old = place.read_unaligned();
        let count = length(old);
        let found = entries.find(&mut host.maps, old, key);
        let is_own = old.add(entries.map.mark_at()).read() != 0;
        let is_full = found.is_none() && count >= room(old);
        let mut object = old;
        if !is_own || is_full {
            let wanted = if found.is_none() { (2 * count).max(8) } else { count };
            object = moved(host, old, (count, wanted), STRIDE)?;
            object.cast::<u64>().write(count as u64);
            taken_over(old, object, entries.map);
            place.write_unaligned(object);
            if is_own && let Some(known) = host.maps.known.remove(&(old as usize)) {
                host.maps.known.insert(object as usize, known);
            }
        }
        if let Some(i) = found {
            return own_entry(host, entries, object, i);
        }
        let entry = fresh(host, entries.bytes)?;
        entry.add(entries.entry.mark_at()).write(1);
        write_part(entry, (0, entries.key), key);
        object.add(ELEMENTS_AT + room(object) * STRIDE + count).write(1);
        object
            .add(ELEMENTS_AT + count * STRIDE)
            .cast::<*mut u8>()
            .write_unaligned(entry);
        object.cast::<u64>().write(count as u64 + 1);
        Ok(entry)
    }
}

/// An entry that the map has for itself.
///
/// # Safety
/// `object` is such a map, with a mark, that has more than `i` entries.
unsafe fn own_entry(host: &mut Host, entries: &Entries<'_>, object: *mut u8, i: usize) -> Result<*mut u8, ExecError> {
    // SAFETY: the caller's promise.
    unsafe {
        let old = entries.at(object, i);
        if old.add(entries.entry.mark_at()).read() != 0 {
            return Ok(old);
        }
        let new = fresh(host, entries.bytes)?;
        new.copy_from_nonoverlapping(old, entries.bytes);
        taken_over(old, new, entries.entry);
        object
            .add(ELEMENTS_AT + i * STRIDE)
            .cast::<*mut u8>()
            .write_unaligned(new);
        Ok(new)
    }
}

/// # Safety
/// `entry` is an entry with such a field, and `cell` holds a value of its shape.
unsafe fn write_part(entry: *mut u8, (i, place): (usize, &FieldPlace), cell: *const u8) {
    // SAFETY: the caller's promise; what is NULL is zeros.
    unsafe {
        let valid = cell.add(VALID_AT).read();
        entry.add(i).write(valid);
        let at = entry.add(place.offset);
        match valid {
            0 => at.write_bytes(0, place.shape.bytes()),
            _ => at.copy_from_nonoverlapping(cell, place.shape.bytes()),
        }
    }
}
