//! Rows in memory as a relation.
//!
//! Two batches of a hundred rows are a relation of two units; a column that nobody reads need not be there.
//!
//! Invariants: every batch has as many columns as the relation; no two relations share the keys of their chunks.
//!
//! Does not: prune, or copy what it is given before it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::ArrayRef;

use super::convert::{Target, chunk_from_arrow};
use super::{Bound, ChunkKey, FormatError, Relation, Rows};
use crate::types::{ColumnChunk, ColumnStats, Field, TableStats};

/// Rows of a batch: its columns, as far as somebody reads them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// How many rows.
    pub rows: usize,
    /// The columns.
    pub columns: Vec<Option<ArrayRef>>,
}

/// The relation.
#[derive(Debug)]
pub struct BatchRelation {
    fields: Vec<Field>,
    targets: Vec<Target>,
    stats: TableStats,
    batches: Vec<Batch>,
    number: u64,
}

impl BatchRelation {
    /// Of these columns.
    pub fn new(fields: Vec<Field>, batches: Vec<Batch>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let targets: Vec<Target> = fields.iter().map(|field| Target::natural(&field.ty)).collect();
        let unknown = targets.iter().map(|target| ColumnStats::unknown(target.layout.clone()));
        Self {
            stats: TableStats {
                rows: Some(batches.iter().map(|batch| batch.rows as u64).sum()),
                columns: unknown.collect(),
            },
            fields,
            targets,
            batches,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Relation for BatchRelation {
    fn schema(&self) -> &[Field] {
        &self.fields
    }

    fn stats(&self) -> &TableStats {
        &self.stats
    }

    fn units(&self) -> usize {
        self.batches.len()
    }

    fn unit_rows(&self, unit: usize) -> usize {
        self.batches[unit].rows
    }

    fn chunk_key(&self, unit: usize, column: usize) -> ChunkKey {
        let mut content = *b"rows in memory: number and unit\0";
        content[16..24].copy_from_slice(&self.number.to_le_bytes());
        content[24..].copy_from_slice(&(unit as u64).to_le_bytes());
        ChunkKey::Content {
            content,
            column,
            shape: *b"rows in memory..",
        }
    }

    fn candidates(&self, unit: usize, _bounds: &[Bound]) -> Rows {
        Rows::all(self.batches[unit].rows)
    }

    fn read(&self, unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError> {
        let corrupt = |message: String| FormatError::Corrupt {
            path: "rows in memory".into(),
            message,
        };
        let Some(array) = &self.batches[unit].columns[column] else {
            return Err(corrupt(format!("column {column} was not kept")));
        };
        let chunk = chunk_from_arrow(array, &self.targets[column]).map_err(corrupt)?;
        Ok((chunk, 0))
    }
}

impl Batch {
    /// Of all columns.
    pub fn of(batch: &arrow::array::RecordBatch) -> Self {
        Self {
            rows: batch.num_rows(),
            columns: batch.columns().iter().map(Arc::clone).map(Some).collect(),
        }
    }
}
