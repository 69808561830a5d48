//! Join and group tables: what sinks fill and later pipelines read.
//!
//! After the build side of `orders JOIN customer` has run, each worker holds some rows; they are put together, and an index over them
//! is made: row numbers by `c_custkey - 1`, rows of one key linked through their headers.
//!
//! Invariants: an index is made once, by one thread, before anything reads it; row 0 is nobody's partner.
//!
//! Does not: evaluate keys (kernels stored them in the rows).

use std::sync::Arc;

use super::ExecError;
use super::memory::{Block, Budget, RowBuffer};
use crate::plan::physical::{GroupStrategy, GroupTable, JoinStrategy, JoinTable, RowField};
use crate::types::Physical;

/// What a worker collected of a join's build side.
#[derive(Debug)]
pub enum PartialBuild {
    /// Rows.
    Rows(RowBuffer),
    /// A bit per possible key.
    Bits(Block),
}

/// A finished join table.
#[derive(Debug)]
pub struct BuiltJoin {
    /// The rows; empty for a bitmap.
    pub rows: RowBuffer,
    /// Bitmap, dense index or directory.
    pub index: Option<Block>,
    /// For directories: 64 minus the bits of a place.
    pub shift: u64,
    /// No two rows have the same key.
    pub unique: bool,
    /// The build side had no row at all.
    pub empty: bool,
    /// A build row had a NULL key.
    pub saw_null: bool,
}

const OPERATOR: &str = "join build";

/// Puts the workers' parts together.
pub fn finish_join(
    table: &JoinTable,
    parts: Vec<PartialBuild>,
    saw_null: bool,
    budget: &Arc<Budget>,
) -> Result<BuiltJoin, ExecError> {
    let mut bits: Option<Block> = None;
    let mut rows = RowBuffer::new(table.layout.stride.max(8), OPERATOR);
    let mut buffers = Vec::new();
    for part in parts {
        match part {
            PartialBuild::Rows(buffer) => buffers.push(buffer),
            PartialBuild::Bits(block) => match &mut bits {
                None => bits = Some(block),
                Some(all) => {
                    for (word, other) in all.as_mut_slice::<u64>().iter_mut().zip(block.as_slice::<u64>()) {
                        *word |= other;
                    }
                }
            },
        }
    }
    buffers.sort_by_key(|buffer| std::cmp::Reverse(buffer.count));
    for buffer in buffers {
        if rows.count == 1 {
            rows = buffer;
        } else {
            rows.append(&buffer, budget)?;
        }
    }
    rows.make_room(0, budget)?;
    let mut built = BuiltJoin {
        rows,
        index: None,
        shift: 0,
        unique: true,
        empty: false,
        saw_null,
    };
    match table.strategy {
        JoinStrategy::Bitmap { range, .. } => {
            let mut block = match bits {
                Some(block) => block,
                None => bitmap(range, budget)?,
            };
            // What fell outside (NULL keys) went to the bit past the end, where nothing may be found.
            let at = range as usize;
            let end = &mut block.as_mut_slice::<u8>()[at / 8];
            *end &= !(1 << (at % 8));
            built.empty = !saw_null && block.as_slice::<u64>().iter().all(|word| *word == 0);
            built.index = Some(block);
        }
        JoinStrategy::Dense { min, range } => {
            built.index = Some(dense_index(
                table,
                &built.rows,
                (min, range),
                &mut built.unique,
                budget,
            )?);
            built.empty = built.rows.count == 1 && !saw_null;
        }
        JoinStrategy::Hash => {
            directory(&mut built, budget)?;
            built.empty = built.rows.count == 1 && !saw_null;
        }
    }
    Ok(built)
}

/// A bitmap with one bit more than there are keys.
pub fn bitmap(range: u64, budget: &Arc<Budget>) -> Result<Block, ExecError> {
    Block::zeroed((range as usize + 1).div_ceil(64) * 8, budget, OPERATOR)
}

fn dense_index(
    table: &JoinTable,
    rows: &RowBuffer,
    (min, range): (i64, u64),
    unique: &mut bool,
    budget: &Arc<Budget>,
) -> Result<Block, ExecError> {
    let mut index = Block::zeroed((range as usize + 1) * 4, budget, OPERATOR)?;
    let places = index.as_mut_slice::<u32>();
    let key = &table.layout.fields[0];
    for number in 1..rows.count {
        let row = rows.row(number);
        // SAFETY: the row is in use, so its key field lies in memory.
        let value = unsafe { read_int(row.wrapping_add(key.offset as usize), key) };
        let place = &mut places[value.wrapping_sub(min) as usize];
        *unique &= *place == 0;
        // SAFETY: the first four bytes of a row are its link.
        unsafe { row.cast::<u32>().write(*place) };
        *place = number as u32;
    }
    Ok(index)
}

/// # Safety
/// `at` holds an integer stored as the field says.
unsafe fn read_int(at: *const u8, field: &RowField) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        match field.facts.stored {
            Physical::I8 => at.cast::<i8>().read_unaligned().into(),
            Physical::I16 => at.cast::<i16>().read_unaligned().into(),
            Physical::I32 => at.cast::<i32>().read_unaligned().into(),
            _ => at.cast::<i64>().read_unaligned(),
        }
    }
}

/// Chains by the upper bits of the hash; an entry holds the first row of a chain and a bit for each hash in it.
fn directory(built: &mut BuiltJoin, budget: &Arc<Budget>) -> Result<(), ExecError> {
    let rows = &built.rows;
    let bits = (rows.count * 2).next_power_of_two().trailing_zeros().max(6);
    let mut index = Block::zeroed(8 << bits, budget, OPERATOR)?;
    let places = index.as_mut_slice::<u64>();
    built.shift = u64::from(64 - bits);
    for number in 1..rows.count {
        let row = rows.row(number);
        // SAFETY: the kernel stored the hash in the first eight bytes of the row.
        let hash = unsafe { row.cast::<u64>().read() };
        let place = &mut places[(hash >> built.shift) as usize];
        // SAFETY: the link takes the place of the hash's lower half.
        unsafe { row.cast::<u32>().write(*place as u32) };
        let tag = 1u64 << (32 + (hash & 31));
        *place = (*place & !0xffff_ffff) | tag | number as u64;
    }
    built.unique = false;
    built.index = Some(index);
    Ok(())
}

/// Groups that a worker collects, and in the end all of them.
#[derive(Debug)]
pub struct Groups {
    /// Hashed groups with row 0 unused; or all possible groups.
    pub rows: RowBuffer,
    /// Row numbers by hash, for hashed groups.
    pub index: Option<Block>,
    /// Places in the index minus one.
    pub mask: u64,
    /// Groups possible, where they are addressed directly.
    pub size: Option<usize>,
}

const GROUP_OPERATOR: &str = "aggregation";

impl Groups {
    /// No groups yet.
    pub fn new(table: &GroupTable, budget: &Arc<Budget>) -> Result<Self, ExecError> {
        let mut rows = RowBuffer::new(table.layout.stride, GROUP_OPERATOR);
        let size = match &table.strategy {
            GroupStrategy::Single => Some(1),
            GroupStrategy::Direct { size, .. } => Some(*size as usize),
            GroupStrategy::Hash => None,
        };
        rows.make_room(size.unwrap_or(0), budget)?;
        let mut groups = Self {
            rows,
            index: None,
            mask: 0,
            size,
        };
        if size.is_none() {
            groups.make_room(1, budget)?;
        }
        Ok(groups)
    }

    /// Makes room for so many new groups and keeps the index at most half full.
    pub fn make_room(&mut self, more: usize, budget: &Arc<Budget>) -> Result<(), ExecError> {
        if self.size.is_some() {
            return Ok(());
        }
        self.rows.make_room(more, budget)?;
        let needed = (self.rows.count + more) * 2;
        if self.index.is_some() && needed as u64 <= self.mask + 1 {
            return Ok(());
        }
        let places = (needed * 2).next_power_of_two().max(1024);
        let mut index = Block::zeroed(places * 4, budget, GROUP_OPERATOR)?;
        let mask = places - 1;
        let slots = index.as_mut_slice::<u32>();
        for number in 1..self.rows.count {
            // SAFETY: the first eight bytes of a group's row are its hash.
            let hash = unsafe { self.rows.row(number).cast::<u64>().read() };
            let mut at = (hash >> 32) as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = number as u32;
        }
        self.index = Some(index);
        self.mask = mask as u64;
        Ok(())
    }

    /// First row and number of rows to be read.
    pub fn row_range(&self) -> (usize, usize) {
        match self.size {
            Some(size) => (0, size),
            None => (1, self.rows.count),
        }
    }
}
