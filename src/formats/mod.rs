//! Files as relations: what a scan needs to know about a file, and how it reads one column of one part of it.
//!
//! `lineitem.parquet` is a [`Relation`] of 49 units (its row groups); [`Relation::read`] of unit 3, column 4 gives the
//! decoded [`ColumnChunk`] of `l_quantity` there.
//!
//! Invariants: units are independent and may be read by any thread; a column has the same [`Layout`] in every unit; the
//! statistics are promises that `read` checks.
//!
//! Does not: cache (the store does), evaluate expressions, or know who asks.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::types::{ColumnChunk, Field, TableStats, Value};

/// What identifies the contents of a file, so that a cached chunk can never be stale.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Canonical path.
    pub path: Arc<std::path::Path>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i128,
    /// Hash of the footer (Parquet, ORC, Arrow) or of the first and last blocks (text).
    pub footer_hash: u64,
}

/// A range that a scan's filter allows for one column; used only to skip, never to decide.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Index of the column in the schema.
    pub column: usize,
    /// No wanted value is less.
    pub min: Option<Value>,
    /// No wanted value is greater.
    pub max: Option<Value>,
}

/// A relation made of independent units.
pub trait Relation: Debug + Send + Sync {
    /// Columns, in order.
    fn schema(&self) -> &[Field];

    /// What is known without reading the data; one entry per column of the schema.
    fn stats(&self) -> &TableStats;

    /// Number of units.
    fn units(&self) -> usize;

    /// Exact number of rows of a unit.
    fn unit_rows(&self, unit: usize) -> usize;

    /// The file and the part of it that a unit is (for cache keys and messages).
    fn unit_source(&self, unit: usize) -> (FileIdentity, usize);

    /// Row ranges of the unit, ascending and disjoint, outside which no row can satisfy all bounds.
    fn candidates(&self, unit: usize, bounds: &[Bound]) -> Vec<Range<usize>>;

    /// Decodes one column of one unit; also gives the bytes read from the file.
    fn read(&self, unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError>;
}

/// What can go wrong with a file; each variant names it.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is not there, or may not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// File.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// No file matches a pattern.
    #[error("no file matches `{pattern}`")]
    NoMatch {
        /// The glob.
        pattern: String,
    },
    /// The contents are damaged, truncated, or contradict the file's own statistics.
    #[error("`{path}` is damaged: {message}")]
    Corrupt {
        /// File.
        path: String,
        /// What.
        message: String,
    },
    /// A text file has a bad line.
    #[error("`{path}` line {line}: {message}")]
    Line {
        /// File.
        path: String,
        /// 1-based.
        line: u64,
        /// What.
        message: String,
    },
    /// A feature of the format that gobi does not read.
    #[error("`{path}`: {feature} is not supported")]
    Unsupported {
        /// File.
        path: String,
        /// Which.
        feature: String,
    },
    /// The files of a glob differ in schema.
    #[error("`{path}` has a different schema than `{first}`: {message}")]
    SchemaMismatch {
        /// The first file.
        first: String,
        /// The one that differs.
        path: String,
        /// How.
        message: String,
    },
}
