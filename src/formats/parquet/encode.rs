//! Parquet files as [`super::fast`] reads them best, made in memory.
//!
//! `encode_parquet(&schema, &batches, 122_880)` is a file of row groups of that size: Snappy, dictionaries where they are
//! small, plain values elsewhere, few and large pages, no page index.
//!
//! Invariants: the parts that it lists lie one behind the other and cover the whole file: the magic, each column chunk,
//! the footer.
//!
//! Does not: write files.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

/// A file, and the parts that are read at once.
#[derive(Debug)]
pub(crate) struct EncodedParquet {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its parts, without gaps.
    pub parts: Vec<Range<usize>>,
}

/// Dictionaries stay so small that one look at them when a table is opened is cheap.
const DICTIONARY_BYTES: usize = 48 << 10;
const PAGE_BYTES: usize = 1 << 20;

/// Encodes batches; the error says what the format lacks.
pub(crate) fn encode_parquet(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    group_rows: usize,
) -> Result<EncodedParquet, String> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(group_rows))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(group_rows)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties)).map_err(|error| error.to_string())?;
    for batch in batches {
        writer.write(batch).map_err(|error| error.to_string())?;
    }
    let metadata = writer.close().map_err(|error| error.to_string())?;
    let mut bounds = vec![0];
    for chunk in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let (start, len) = chunk.byte_range();
        bounds.extend([start, start + len]);
    }
    bounds.push(bytes.len() as u64);
    bounds.sort_unstable();
    bounds.dedup();
    let bounds: Vec<_> = bounds
        .into_iter()
        .map(|bound| usize::try_from(bound).unwrap_or(usize::MAX))
        .collect();
    let parts = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
    Ok(EncodedParquet { bytes, parts })
}
