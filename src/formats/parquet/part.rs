//! One Parquet file whose columns are read one at a time, each into the layout that the caller wants.
//!
//! A table of two segments, `a` in -3..=9 in one and in 0..=70,000 in the other, reads both as four-byte integers: the
//! union of what [`ParquetPart::facts`] says of each.
//!
//! Invariants: what [`ParquetPart::read`] gives satisfies its target, or is an error.
//!
//! Does not: choose layouts; see [`super::layout`] for files that stand for themselves.

use std::path::Path;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::super::open::FileKey;
use super::super::{FormatError, Target};
use super::file::ParquetFile;
use super::kind::ChunkFacts;
use super::{Part, fast, generic, layout};
use crate::host::ReadAt;
use crate::types::{ColumnChunk, Field, Value};

/// An open file.
#[derive(Debug)]
pub(crate) struct ParquetPart {
    part: Part,
}

/// What the footer promises of a column of a row group.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnFacts {
    /// No value is less than the first or greater than the second.
    pub range: Option<(Value, Value)>,
    /// Exact number of NULLs.
    pub null_count: Option<u64>,
}

impl ParquetPart {
    /// Reads and checks the footer; `path` is for messages.
    pub(crate) fn open(handle: Arc<dyn ReadAt>, path: &Path) -> Result<Self, FormatError> {
        let stat = handle.stat();
        let key = FileKey {
            path: path.into(),
            size_bytes: stat.size_bytes,
            mtime_ns: stat.mtime_ns,
        };
        let file = Arc::new(ParquetFile::open(handle, &key)?);
        let columns = (0..file.columns.len()).collect();
        Ok(Self {
            part: Part { file, columns },
        })
    }

    /// A column's name and stored type; `None` past the last.
    pub(crate) fn field(&self, column: usize) -> Option<&Field> {
        self.part.file.columns.get(column).map(|column| &column.field)
    }

    /// Rows of each row group.
    pub(crate) fn group_rows(&self) -> Vec<usize> {
        let groups = self.part.file.metadata().row_groups().iter();
        groups
            .map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
            .collect()
    }

    /// What is promised of a column in a row group.
    pub(crate) fn facts(&self, group: usize, column: usize) -> ColumnFacts {
        let Some(leaf) = self.part.leaf(column) else {
            return ColumnFacts::default();
        };
        let facts = ChunkFacts::of(leaf, self.part.file.row_group(group).column(leaf.index));
        ColumnFacts {
            range: facts.range,
            null_count: facts.null_count,
        }
    }

    /// All strings of a column, if it is small dictionaries throughout.
    pub(crate) fn dictionary(&self, column: usize) -> Result<Option<Vec<Arc<str>>>, FormatError> {
        let parts = std::slice::from_ref(&self.part);
        let Some(facts) = layout::all_facts(column, parts) else {
            return Ok(None);
        };
        let entries = layout::dictionary_entries(column, parts, &facts)?;
        Ok(entries.map(|entries| entries.into_iter().collect()))
    }

    /// Decodes a column of a row group; also gives the bytes read. The target's type may be wider than what is stored,
    /// if it stores the same integers.
    pub(crate) fn read(&self, group: usize, column: usize, target: &Target) -> Result<(ColumnChunk, u64), FormatError> {
        if let Some(leaf) = self.part.leaf(column)
            && let Some(decoded) = fast::read(&self.part.file, group, column, leaf, target)?
        {
            return Ok(decoded);
        }
        generic::read(&self.part.file, group, column, target)
    }

    /// A column of a row group as the Parquet library gives it.
    pub(crate) fn read_array(&self, group: usize, column: usize) -> Result<ArrayRef, FormatError> {
        generic::read_array(&self.part.file, group, column).map(|(array, _)| array)
    }
}
