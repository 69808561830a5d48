//! Decoded column chunks: what a scan reads, a cache holds and generated code runs over.
//!
//! A string column with seven distinct values lies here as seven sorted [`Dictionary`] entries and one byte per row.
//!
//! Invariants: `values` holds exactly `rows` elements of the layout's physical type, little-endian and 64-byte aligned;
//! long string views and nested values hold absolute addresses into `owners` (or into the dictionary), so a chunk must stay alive while
//! anything copied from it is used. Dictionary entries are distinct and sorted by their bytes, so codes compare like the
//! strings they stand for. Rows that are NULL hold zeros.
//!
//! Does not: know where the data came from.

use std::sync::Arc;

use arrow::buffer::Buffer;

use super::Physical;

/// How a column is stored in all its chunks; fixed when a relation is opened, known to the planner.
#[derive(Clone, Debug)]
pub enum Layout {
    /// Values of this physical type; may be narrower than the logical type's own.
    Plain(Physical),
    /// Codes of the integer type (`I8` up to 128 entries, `I16` up to 32,768) into the dictionary.
    Dict {
        /// Type of the codes, never negative.
        codes: Physical,
        /// All values that occur.
        dictionary: Arc<Dictionary>,
    },
}

impl Layout {
    /// The type of what lies in [`ColumnChunk::values`].
    pub fn stored(&self) -> Physical {
        match self {
            Layout::Plain(physical) => *physical,
            Layout::Dict { codes, .. } => *codes,
        }
    }
}

/// The distinct strings of a column, complete and immutable.
#[derive(Debug)]
pub struct Dictionary {
    entries: Vec<Arc<str>>,
    views: Buffer,
}

impl Dictionary {
    /// Takes the entries in any order, sorts them and drops repeats.
    pub fn new(mut entries: Vec<Arc<str>>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let texts = entries.iter().map(|text| string_view(text.as_bytes()));
        let views: Vec<u128> = texts.chain([string_view(b"")]).collect();
        Self {
            entries,
            views: Buffer::from_vec(views),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The string of a code.
    pub fn get(&self, code: usize) -> Option<&str> {
        self.entries.get(code).map(|text| &**text)
    }

    /// The entries in the order of their codes.
    pub fn entries(&self) -> &[Arc<str>] {
        &self.entries
    }

    /// The code of a string.
    pub fn code(&self, text: &str) -> Option<usize> {
        self.entries.binary_search_by(|entry| (**entry).cmp(text)).ok()
    }

    /// String views of all entries, 16 bytes each, valid while the dictionary lives; and that of the empty text, which kernels read for NULL:
    /// its code is at most the number of entries.
    pub fn views(&self) -> &Buffer {
        &self.views
    }
}

/// One column of one unit of a relation (a row group, a block of lines).
#[derive(Debug)]
pub struct ColumnChunk {
    /// Number of rows.
    pub rows: usize,
    /// The values, as the column's [`Layout`] says.
    pub values: Buffer,
    /// One byte per row, 1 for a value and 0 for NULL; `None` if no row is NULL.
    pub validity: Option<Buffer>,
    /// What long string views point into, and the objects of nested values.
    pub owners: Vec<Buffer>,
}

impl ColumnChunk {
    /// Memory held, in bytes.
    pub fn size_bytes(&self) -> usize {
        let buffers = self
            .owners
            .iter()
            .chain(&self.validity)
            .map(|b| b.capacity())
            .sum::<usize>();
        self.values.capacity() + buffers + size_of::<Self>()
    }
}

/// The 16-byte view of a text that stays where it is while the view is used: see [`Physical::Str`].
pub fn string_view(text: &[u8]) -> u128 {
    let mut view = [0u8; 16];
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    view[..4].copy_from_slice(&len.to_le_bytes());
    if text.len() <= 12 {
        view[4..4 + text.len()].copy_from_slice(text);
    } else {
        view[4..8].copy_from_slice(&text[..4]);
        view[8..].copy_from_slice(&(text.as_ptr() as u64).to_le_bytes());
    }
    u128::from_le_bytes(view)
}
