//! What the engine keeps: the Merkle timeline of all tables, and decoded chunks in memory.
//!
//! `cache::ChunkCache::new(1 << 30)` keeps up to a gibibyte of decoded columns between queries.
//!
//! Invariants: objects are immutable and named by their hash; what is cached can be made again from the files.
//!
//! Does not: know SQL.

pub mod cache;
pub(crate) mod delta;
mod error;
pub mod log;
pub mod object;
pub(crate) mod pack;
pub mod tree;
pub(crate) mod wire;

pub use error::{Damage, StoreError};

/// The version of the format of all files here.
pub const FORMAT_VERSION: u32 = 1;
