//! Files as relations: what a scan needs to know about a file, and how it reads one column of one part of it.
//!
//! `lineitem.parquet` is a [`Relation`] of 49 units (its row groups); [`Relation::read`] of unit 3, column 4 gives the
//! decoded [`ColumnChunk`] of `l_quantity` there.
//!
//! A relation is opened by [`open()`]: `open` finds the files, and either `parquet`, whose footers say how each column is
//! stored, or `blocks`, over what `csv`, `json`, `ipc` and `orc` cut into blocks. `convert` turns Arrow arrays into
//! chunks where a format has no faster way; [`write()`] is the way back. A new format is a module that implements
//! `blocks::Blocks`, a [`Format`], and an arm in `open`.
//!
//! Invariants: units are independent and may be read by any thread; a column has the same [`Layout`](crate::types::Layout)
//! in every unit; the statistics are promises that `read` checks. Blocks of text formats are taken apart once and
//! remembered for a moment, so a scan reads all columns of a unit before it goes on to the next.
//!
//! Does not: cache (the store does), evaluate expressions, or know who asks.

mod batches;
mod blocks;
mod convert;
mod csv;
mod ipc;
mod json;
mod open;
mod orc;
mod parquet;
mod rows;
#[cfg(test)]
pub(crate) mod testing;
mod write;

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

pub use batches::{Batch, BatchRelation};
pub(crate) use convert::{Target, chunk_from_arrow};
pub use csv::CsvOptions;
pub use open::{Format, OpenOptions, forget_opened, open, open_folder, open_on};
pub(crate) use parquet::{EncodedParquet, ParquetPart, encode_parquet};
pub use rows::Rows;
pub use write::{Compression, WriteError, WriteOptions, write, write_on};

use crate::types::arrow::from_field;
use crate::types::{ColumnChunk, Field, TableStats, Value};

/// What identifies the contents of a file, so that a cached chunk can never be stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// Canonical path.
    pub path: Arc<Path>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i128,
    /// Hash of the footer (Parquet, ORC, Arrow) or of the first and last blocks (text).
    pub footer_hash: u64,
}

impl std::hash::Hash for FileIdentity {
    /// Leaves out the path: the footer's hash tells files apart just as well, and a scan hashes this for every chunk.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.size_bytes, self.mtime_ns, self.footer_hash).hash(state);
    }
}

/// What tells a decoded chunk apart from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChunkKey {
    /// A column of a part of a file that anyone may change.
    File {
        /// The file as it was when it was opened.
        file: FileIdentity,
        /// Part of it.
        part: usize,
        /// Column of that.
        column: usize,
    },
    /// A column of something immutable that goes by the hash of its contents.
    Content {
        /// The hash.
        content: [u8; 32],
        /// Column of it.
        column: usize,
        /// A hash of how the chunk is laid out, where the same contents can be laid out in several ways.
        shape: [u8; 16],
    },
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

    /// What a cache keeps a chunk under: two chunks that have the same key are the same.
    fn chunk_key(&self, unit: usize, column: usize) -> ChunkKey;

    /// Whether the chunks of a unit are soon others, so that nobody is to keep them for those who come later.
    fn passes(&self, _unit: usize) -> bool {
        false
    }

    /// Rows of the unit outside which no row can satisfy all bounds.
    fn candidates(&self, unit: usize, bounds: &[Bound]) -> Rows;

    /// Decodes one column of one unit; also gives the bytes read from the file.
    fn read(&self, unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError>;

    /// Decodes at least the given rows of one column of one unit. A format that cannot leave out any decodes them all.
    fn read_rows(&self, unit: usize, column: usize, _rows: &Rows) -> Result<PartialChunk, FormatError> {
        self.read(unit, column).map(PartialChunk::whole)
    }
}

/// A chunk of which perhaps only some rows were decoded.
#[derive(Debug)]
pub struct PartialChunk {
    /// Has a place for every row of the unit; rows that were not decoded are zero and not NULL.
    pub chunk: ColumnChunk,
    /// The rows that were decoded, if not all.
    pub rows: Option<Rows>,
    /// Bytes read from the file.
    pub bytes_read: u64,
}

impl PartialChunk {
    /// A chunk with all its rows, and the bytes read.
    pub fn whole((chunk, bytes_read): (ColumnChunk, u64)) -> Self {
        Self {
            chunk,
            rows: None,
            bytes_read,
        }
    }
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
    /// An option is unknown, or its value is.
    #[error("{message}")]
    Option {
        /// What, with the names that are known.
        message: String,
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

impl FormatError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        FormatError::Io {
            path: path.display().to_string(),
            source,
        }
    }

    fn corrupt(path: &Path, message: impl Into<String>) -> Self {
        FormatError::Corrupt {
            path: path.display().to_string(),
            message: message.into(),
        }
    }

    fn unsupported(path: &Path, feature: impl Into<String>) -> Self {
        FormatError::Unsupported {
            path: path.display().to_string(),
            feature: feature.into(),
        }
    }
}

/// Runs a foreign decoder; if it panics on damaged data, that is an error like any other.
fn guard<T>(path: &Path, decode: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
    // Nothing that the closure borrows is used again after a panic, so no broken invariant can be seen.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(FormatError::corrupt(path, "its contents make no sense to the decoder")))
}

/// Some value between `min` and `max` may satisfy the bound.
pub(crate) fn may_match(min: &Value, max: &Value, bound: &Bound) -> bool {
    // NaN is above all numbers, and statistics do not count it.
    let capped = !matches!(max, Value::Float(_));
    let below = bound.max.as_ref().is_some_and(|high| less(high, min));
    let above = bound.min.as_ref().is_some_and(|low| less(max, low));
    !(below || (above && capped))
}

/// Every value between `min` and `max` surely satisfies the bound.
fn must_match(min: &Value, max: &Value, bound: &Bound) -> bool {
    let at_least = |a: &Value, b: &Value| a == b || less(b, a);
    let low = bound.min.as_ref().is_none_or(|low| at_least(min, low));
    let high = bound.max.as_ref().is_none_or(|high| at_least(high, max));
    low && high
}

/// Surely less; false where the values do not compare.
fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::String(a), Value::String(b)) => a < b,
        _ => a.as_int().zip(b.as_int()).is_some_and(|(a, b)| a < b),
    }
}

/// For each column of the first file, where the other one has it; the types must be equal.
fn require_same_columns(
    first_path: &Path,
    first: &[&Field],
    path: &Path,
    other: &[&Field],
) -> Result<Vec<usize>, FormatError> {
    let mismatch = |message: String| FormatError::SchemaMismatch {
        first: first_path.display().to_string(),
        path: path.display().to_string(),
        message,
    };
    if let Some(extra) = other.iter().find(|field| first.iter().all(|f| f.name != field.name)) {
        return Err(mismatch(format!("column `{}` is only in the former", extra.name)));
    }
    let find = |field: &&Field| {
        let at = other.iter().position(|o| o.name == field.name);
        let at = at.ok_or_else(|| mismatch(format!("column `{}` is missing", field.name)))?;
        let (wanted, found) = (&field.ty, &other[at].ty);
        if wanted != found {
            return Err(mismatch(format!("column `{}` is {found}, not {wanted}", field.name)));
        }
        Ok(at)
    };
    first.iter().map(find).collect()
}

/// Converts an Arrow array to a chunk in the natural layout of a type; the error says what the array breaks.
pub fn natural_chunk(array: &arrow::array::ArrayRef, ty: &crate::types::LogicalType) -> Result<ColumnChunk, String> {
    convert::chunk_from_arrow(array, &convert::Target::natural(ty))
}

/// The values of an array that gobi stores as integers, in its units; NULLs hold anything.
pub(crate) fn integers(array: &arrow::array::ArrayRef) -> Result<Vec<i128>, String> {
    Ok(match convert::widen(array)? {
        convert::Wide::I64(values) => values.into_iter().map(i128::from).collect(),
        convert::Wide::I128(values) => values,
    })
}

/// The columns of an Arrow schema; a type that gobi lacks is an error.
fn fields_of_schema(schema: &arrow::datatypes::Schema, path: &Path) -> Result<Vec<Field>, FormatError> {
    let field = |field: &Arc<arrow::datatypes::Field>| {
        let ty = from_field(field).ok_or_else(|| {
            let feature = format!("the type {} of column `{}`", field.data_type(), field.name());
            FormatError::unsupported(path, feature)
        })?;
        Ok(Field {
            name: field.name().clone(),
            ty,
            nullable: field.is_nullable(),
        })
    };
    schema.fields().iter().map(field).collect()
}

#[cfg(test)]
mod tests;
