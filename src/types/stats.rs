//! What is known about a relation before it is read.
//!
//! `lineitem.parquet` at scale 1: 6,001,215 rows; `l_quantity` between 1.00 and 50.00, no NULLs.
//!
//! Invariants: `min`, `max` and `null_count`, where present, are promises: readers check them while they decode and
//! fail with a corruption error if the data break them, so that generated code may rely on them. `rows` and `distinct`
//! are promises only where their docs say so.
//!
//! Does not: estimate; that is the planner's.

use super::{Value, chunk::Layout};

/// Statistics of a relation.
#[derive(Clone, Debug, Default)]
pub struct TableStats {
    /// Exact number of rows, if known without reading the data.
    pub rows: Option<u64>,
    /// One per column of the schema.
    pub columns: Vec<ColumnStats>,
}

/// Statistics of one column.
#[derive(Clone, Debug)]
pub struct ColumnStats {
    /// No value is less (integers, decimals, dates, timestamps, floats without NaN, strings).
    pub min: Option<Value>,
    /// No value is greater.
    pub max: Option<Value>,
    /// Exact number of NULLs.
    pub null_count: Option<u64>,
    /// Number of distinct values: exact for dictionary layouts, else an estimate.
    pub distinct: Option<u64>,
    /// How the column is stored in chunks.
    pub layout: Layout,
}

impl ColumnStats {
    /// Nothing known but the layout.
    pub fn unknown(layout: Layout) -> Self {
        Self {
            min: None,
            max: None,
            null_count: None,
            distinct: None,
            layout,
        }
    }

    /// Smallest and largest stored integer, where both are known.
    pub fn int_range(&self) -> Option<(i128, i128)> {
        Some((self.min.as_ref()?.as_int()?, self.max.as_ref()?.as_int()?))
    }
}
