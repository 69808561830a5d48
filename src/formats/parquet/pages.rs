//! The pages of a column chunk, decompressed.
//!
//! The chunk of `l_shipdate` in a row group is one dictionary page and two data pages.
//!
//! Invariants: a page that claims to unpack to more than the column chunk's total is an error before any memory is taken.
//!
//! Does not: decode values.

use std::sync::Arc;

use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::fast::Stop;
use super::file::ChunkBytes;

/// Reads pages in the order of the file.
pub(super) struct Pages {
    reader: SerializedPageReader<ChunkBytes>,
}

impl Pages {
    /// Over the bytes of a chunk.
    pub(super) fn new(bytes: ChunkBytes, chunk: &ColumnChunkMetaData, rows: usize) -> Result<Self, Stop> {
        let reader = SerializedPageReader::new(Arc::new(bytes), chunk, rows, None);
        let reader = reader.map_err(|e| Stop::Corrupt(e.to_string()))?;
        Ok(Self { reader })
    }

    /// The next page.
    pub(super) fn next(&mut self, _keep: bool) -> Result<Option<Page>, Stop> {
        self.reader.get_next_page().map_err(|e| Stop::Corrupt(e.to_string()))
    }
}
