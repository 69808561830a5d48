//! What the engine keeps: for now, decoded chunks in memory.
//!
//! `cache::ChunkCache::new(1 << 30)` keeps up to a gibibyte of decoded columns between queries.
//!
//! Invariants: what is kept can be made again from the files.
//!
//! Does not: write.

pub mod cache;
