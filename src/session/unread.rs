//! A relation that a statement names and does not read, because an index has found the rows that it wants.
//!
//! In `SELECT * FROM t WHERE id = 7` the rows of all of `t` are never asked for; this stands in their place.
//!
//! Invariants: it has no rows.
//!
//! Does not: know what it stands for.

use crate::formats::{Bound, ChunkKey, FormatError, Relation, Rows};
use crate::types::{ColumnChunk, Field, TableStats};

/// Nothing.
#[derive(Debug, Default)]
pub struct Unread(TableStats);

impl Relation for Unread {
    fn schema(&self) -> &[Field] {
        &[]
    }

    fn stats(&self) -> &TableStats {
        &self.0
    }

    fn units(&self) -> usize {
        0
    }

    fn unit_rows(&self, _: usize) -> usize {
        0
    }

    fn chunk_key(&self, _: usize, column: usize) -> ChunkKey {
        ChunkKey::Content {
            content: [0; 32],
            column,
            shape: [0; 16],
        }
    }

    fn candidates(&self, _: usize, _: &[Bound]) -> Rows {
        Rows::default()
    }

    fn read(&self, _: usize, _: usize) -> Result<(ColumnChunk, u64), FormatError> {
        Err(FormatError::Corrupt {
            path: String::new(),
            message: "a relation that was not planned is read".into(),
        })
    }
}
