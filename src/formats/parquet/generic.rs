//! Columns of any type and encoding, through the Arrow reader.
//!
//! A `list<struct<…>>` column comes back as one Arrow array behind `Physical::Nested` values.
//!
//! Invariants: see [`super::super::convert`].
//!
//! Does not: be fast; [`super::fast`] is for flat columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::super::convert::{Target, chunk_from_arrow};
use super::super::{FormatError, guard};
use super::file::ParquetFile;
use crate::types::ColumnChunk;

/// Decodes one top-level column of one row group; also gives the bytes read.
pub(super) fn read(
    file: &ParquetFile,
    group: usize,
    root: usize,
    target: &Target,
) -> Result<(ColumnChunk, u64), FormatError> {
    let (array, bytes) = read_array(file, group, root)?;
    let chunk = chunk_from_arrow(&array, target).map_err(|message| column_error(file, root, message))?;
    Ok((chunk, bytes))
}

/// One top-level column of one row group as the library gives it, and the bytes read.
pub(super) fn read_array(file: &ParquetFile, group: usize, root: usize) -> Result<(ArrayRef, u64), FormatError> {
    let schema = file.arrow.parquet_schema();
    let metadata = file.row_group(group);
    let leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == root);
    let chunks: Vec<_> = leaves.map(|leaf| metadata.column(leaf)).collect();
    let bytes = chunks.iter().map(|chunk| chunk.byte_range().1).sum();
    let array = match chunks.as_slice() {
        [chunk] => {
            let reader = file.read_chunk(chunk)?;
            guard(&file.identity.path, || decode(file, reader, group, root))?
        }
        _ => guard(&file.identity.path, || decode(file, file.whole(), group, root))?,
    };
    Ok((array, bytes))
}

/// A corruption error that names the column.
pub(super) fn column_error(file: &ParquetFile, root: usize, message: impl std::fmt::Display) -> FormatError {
    let name = file.columns.get(root).map_or("?", |column| &column.field.name);
    file.corrupt(format!("column `{name}`: {message}"))
}

fn decode<R: ChunkReader + 'static>(
    file: &ParquetFile,
    reader: R,
    group: usize,
    root: usize,
) -> Result<ArrayRef, FormatError> {
    let rows = usize::try_from(file.row_group(group).num_rows()).unwrap_or(0);
    let corrupt = |e: &dyn std::fmt::Display| column_error(file, root, e);
    let mask = ProjectionMask::roots(file.arrow.parquet_schema(), [root]);
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, file.arrow.clone())
        .with_projection(mask)
        .with_row_groups(vec![group])
        .with_batch_size(rows.clamp(1, 1 << 20))
        .build()
        .map_err(|e| corrupt(&e))?;
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for batch in batches {
        arrays.push(Arc::clone(batch.map_err(|e| corrupt(&e))?.column(0)));
    }
    let array = match arrays.as_slice() {
        [] => new_empty_array(file.arrow.schema().field(root).data_type()),
        [array] => Arc::clone(array),
        many => {
            let many: Vec<_> = many.iter().map(|array| &**array).collect();
            arrow::compute::concat(&many).map_err(|e| corrupt(&e))?
        }
    };
    if array.len() != rows {
        return Err(corrupt(&format!("{} rows where the footer says {rows}", array.len())));
    }
    Ok(array)
}
