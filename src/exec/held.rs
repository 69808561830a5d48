//! Chunks that a query reads, each counted once however many workers read it.
//!
//! `SELECT max(s) FROM t` on two workers decodes `s` unit by unit; while both work on one unit its chunk counts once, and when the
//! last of them lets go of it, it counts no more.
//!
//! Invariants: a chunk counts as long as a worker or a row of a table may point into it. What is read at the moment is free up to
//! [`FREE_BYTES`]: a query that keeps nothing can be run with any limit.
//!
//! Does not: keep chunks for later queries; the cache does.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;

use super::ExecError;
use super::memory::{Budget, Reservation};
use super::run::lock;
use crate::types::ColumnChunk;

/// So much of what is read is not worth counting.
const FREE_BYTES: usize = 16 << 20;
const OPERATOR: &str = "scan";

/// All chunks that a query has.
#[derive(Debug)]
pub struct HeldChunks(Mutex<Held>);

#[derive(Debug)]
struct Held {
    /// How many have a chunk, by its address.
    holders: HashMap<usize, usize>,
    bytes: usize,
    reserved: Reservation,
}

impl Held {
    fn count(&mut self, bytes: usize) -> Result<(), ExecError> {
        self.reserved.resize(bytes.saturating_sub(FREE_BYTES), OPERATOR)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl HeldChunks {
    /// None yet.
    pub fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Held {
            holders: HashMap::new(),
            bytes: 0,
            reserved: budget.empty(),
        })))
    }

    /// Counts a chunk until it is let go.
    pub fn hold(self: &Arc<Self>, chunk: Arc<ColumnChunk>) -> Result<HeldChunk, ExecError> {
        let mut held = lock(&self.0);
        let bytes = held.bytes + chunk.size_bytes();
        let address = Arc::as_ptr(&chunk) as usize;
        if !held.holders.contains_key(&address) {
            held.count(bytes)?;
        }
        *held.holders.entry(address).or_default() += 1;
        drop(held);
        let all = Some(Arc::clone(self));
        Ok(HeldChunk { chunk, all })
    }
}

/// A chunk that somebody holds.
#[derive(Debug)]
pub struct HeldChunk {
    chunk: Arc<ColumnChunk>,
    all: Option<Arc<HeldChunks>>,
}

impl HeldChunk {
    /// A part of an intermediate result, which is counted as a whole.
    pub fn uncounted(chunk: Arc<ColumnChunk>) -> Self {
        Self { chunk, all: None }
    }
}

impl Deref for HeldChunk {
    type Target = ColumnChunk;

    fn deref(&self) -> &ColumnChunk {
        &self.chunk
    }
}

impl Drop for HeldChunk {
    fn drop(&mut self) {
        let Some(all) = &self.all else { return };
        let mut held = lock(&all.0);
        let address = Arc::as_ptr(&self.chunk) as usize;
        let Some(holders) = held.holders.get_mut(&address) else {
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            held.holders.remove(&address);
            let bytes = held.bytes.saturating_sub(self.chunk.size_bytes());
            // To give back never fails.
            drop(held.count(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::buffer::Buffer;

    use super::*;

    fn chunk(bytes: usize) -> Arc<ColumnChunk> {
        Arc::new(ColumnChunk {
            rows: bytes,
            values: Buffer::from_vec(vec![0u8; bytes]),
            validity: None,
            owners: Vec::new(),
        })
    }

    #[test]
    fn a_chunk_counts_once_until_nobody_has_it() {
        let budget = Budget::new(64 << 20);
        let held = HeldChunks::new(&budget);
        let large = chunk(40 << 20);
        let first = held.hold(large.clone()).expect("room");
        let left = budget.left_bytes();
        assert!(left < 40 << 20, "{left}");
        let second = held.hold(large).expect("it counts already");
        assert_eq!(budget.left_bytes(), left);
        drop(first);
        assert_eq!(budget.left_bytes(), left);
        let refused = held.hold(chunk(48 << 20)).expect_err("there is no room");
        assert!(refused.message.contains("scan"), "{refused:?}");
        drop(second);
        assert_eq!(budget.left_bytes(), 64 << 20);
        held.hold(chunk(FREE_BYTES / 2)).expect("room");
        assert_eq!(budget.left_bytes(), 64 << 20);
    }
}
