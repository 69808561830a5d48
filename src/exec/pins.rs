//! Chunks that rows of a worker's tables point into, and texts that move out of them.
//!
//! `SELECT city, max(name) FROM people GROUP BY city` has twenty groups when a unit of 120,000 rows has ended. Their texts are copied to
//! the worker's arena, and the unit's chunks can go. Where most rows have a text of their own, as in the build side of a join that
//! keeps all of them, the chunks stay instead.
//!
//! Invariants: a text is copied before the chunk that it lies in is let go.
//!
//! Does not: move arrays and structs, or what lists of `array_agg` point to; whoever has those keeps the chunks.

use std::ops::Range;

use super::ExecError;
use super::held::HeldChunk;
use super::host::{Host, text_of};
use crate::plan::physical::{RowField, RowLayout};
use crate::types::Physical;

/// Less is not worth a look at the rows.
const WORTH_BYTES: usize = 2 << 20;
/// Texts move if they are at most this share of their chunks.
const SHARE: usize = 2;

/// A worker's chunks.
#[derive(Debug, Default)]
pub struct Pins {
    /// Since rows were looked at.
    fresh: Vec<HeldChunk>,
    fresh_bytes: usize,
    /// Those of which most is needed.
    kept: Vec<HeldChunk>,
}

/// Rows in a worker's memory, which nobody else uses now.
pub struct OwnRows<'a> {
    /// What they hold.
    pub layout: &'a RowLayout,
    /// Address of the row with number 0.
    pub address: *mut u8,
    /// Which.
    pub rows: &'a [Range<usize>],
}

impl Pins {
    /// Adds a chunk.
    pub fn push(&mut self, chunk: HeldChunk) {
        self.fresh_bytes += chunk.size_bytes();
        self.fresh.push(chunk);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fresh.len() + self.kept.len()
    }

    /// Lets all go: nothing points into them any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// All of them.
    pub fn into_all(self) -> Vec<HeldChunk> {
        let mut all = self.kept;
        all.extend(self.fresh);
        all
    }

    /// Whether it pays to look at rows of so many bytes.
    pub fn is_worth(&self, rows_bytes: usize) -> bool {
        self.fresh_bytes >= WORTH_BYTES.max(rows_bytes)
    }

    /// Copies the texts of some rows out of the chunks that came since the last call, if that lets most of their memory go.
    ///
    /// # Safety
    /// The rows are in use and of the layout, and have what is to be known of the chunks' texts; nothing else points into those.
    pub unsafe fn settle(&mut self, rows: &OwnRows<'_>, host: &mut Host) -> Result<(), ExecError> {
        let (fresh, held_bytes) = (std::mem::take(&mut self.fresh), std::mem::take(&mut self.fresh_bytes));
        let texts = Texts::of(&fresh);
        let mut needed = 0;
        // SAFETY: the caller's promise.
        unsafe { rows.each_text(&mut |view| needed += texts.length(view)) };
        // For a moment both are there: where memory is short, the chunks stay.
        if needed.saturating_mul(SHARE) > held_bytes || host.admit(needed).is_err() {
            self.kept.extend(fresh);
            return Ok(());
        }
        // SAFETY: as above; a view that has a length here points to a text of a chunk that is still there.
        unsafe {
            rows.each_text(&mut |view| {
                if texts.length(view) > 0 {
                    let moved = host.arena.text(text_of(view));
                    view.cast::<u128>().write_unaligned(moved);
                }
            });
        }
        host.settle()
    }
}

impl OwnRows<'_> {
    /// Shows the view of each text that is not NULL.
    ///
    /// # Safety
    /// The rows are in use and of the layout.
    unsafe fn each_text(&self, see: &mut dyn FnMut(*mut u8)) {
        let texts = self
            .layout
            .fields
            .iter()
            .filter(|field| field.facts.stored == Physical::Str);
        let texts: Vec<&RowField> = texts.collect();
        for row in self.rows.iter().flat_map(Clone::clone) {
            let row = self.address.wrapping_add(row * self.layout.stride as usize);
            for field in &texts {
                // SAFETY: the caller's promise; the validity byte lies in the row, too.
                let is_valid = field
                    .validity
                    .is_none_or(|at| unsafe { row.add(at as usize).read() } != 0);
                if is_valid {
                    see(row.wrapping_add(field.offset as usize));
                }
            }
        }
    }
}

/// Where the texts of some chunks lie.
struct Texts {
    /// Start and end of each buffer, in order.
    buffers: Vec<(usize, usize)>,
}

impl Texts {
    fn of(chunks: &[HeldChunk]) -> Self {
        let buffers = chunks.iter().flat_map(|chunk| &chunk.owners);
        let mut buffers: Vec<(usize, usize)> = buffers
            .map(|buffer| (buffer.as_ptr() as usize, buffer.as_ptr() as usize + buffer.len()))
            .collect();
        buffers.sort_unstable();
        Self { buffers }
    }

    /// The length of a text that lies in one of them; 0 of others.
    ///
    /// # Safety
    /// `view` is the address of a view.
    fn length(&self, view: *const u8) -> usize {
        // SAFETY: a view has 16 bytes; a long one holds the address of its text.
        let (length, at) = unsafe {
            (
                view.cast::<u32>().read_unaligned() as usize,
                view.add(8).cast::<usize>().read_unaligned(),
            )
        };
        let behind = self.buffers.partition_point(|(start, _)| *start <= at);
        let buffer = behind.checked_sub(1).and_then(|before| self.buffers.get(before));
        match buffer {
            Some((_, end)) if length > 12 && at + length <= *end => length,
            _ => 0,
        }
    }
}
