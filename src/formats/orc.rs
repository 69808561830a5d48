//! ORC files: stripes are the units.
//!
//! `t.orc` with two stripes is a relation of two units; one column of one is read by projection.
//!
//! Invariants: the foreign decoder runs guarded, since damaged files may make it panic.
//!
//! Does not: use ORC's statistics.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use orc_rust::arrow_reader::ArrowReaderBuilder;
use orc_rust::projection::ProjectionMask;
use orc_rust::reader::ChunkReader;
use orc_rust::schema::TimestampPrecision;

use super::blocks::{Blocks, identity};
use super::convert::{Target, chunk_from_arrow};
use super::open::FileKey;
use super::{FileIdentity, FormatError, fields_of_schema, guard};
use crate::host::{Cursor, Disk, ReadAt, read_range};
use crate::types::{ColumnChunk, Field};

#[derive(Debug)]
struct OrcFile {
    handle: Arc<dyn ReadAt>,
    identity: FileIdentity,
    fields: Vec<Field>,
    stripes: Vec<Stripe>,
}

#[derive(Clone, Debug)]
struct Stripe {
    bytes: Range<usize>,
    rows: usize,
}

/// Opens a file.
pub(super) fn open(disk: &dyn Disk, key: &FileKey) -> Result<Arc<dyn Blocks>, FormatError> {
    let handle = disk.open(&key.path).map_err(|e| FormatError::io(&key.path, e))?;
    let (fields, stripes) = guard(&key.path, || {
        let reader = builder(&handle, key)?;
        let stripes = reader.file_metadata().stripe_metadatas().iter().map(|stripe| {
            let len = stripe.index_length() + stripe.data_length() + stripe.footer_length();
            let start = usize::try_from(stripe.offset()).ok()?;
            let end = start.checked_add(usize::try_from(len).ok()?)?;
            let rows = usize::try_from(stripe.number_of_rows()).ok()?;
            (end as u64 <= key.size_bytes).then_some(Stripe {
                bytes: start..end,
                rows,
            })
        });
        let stripes: Option<Vec<_>> = stripes.collect();
        let stripes = stripes.ok_or_else(|| FormatError::corrupt(&key.path, "a stripe lies outside the file"))?;
        Ok((fields_of_schema(&reader.schema(), &key.path)?, stripes))
    })?;
    Ok(Arc::new(OrcFile {
        identity: identity(&*handle, key, "orc")?,
        handle,
        fields,
        stripes,
    }))
}

fn builder(handle: &Arc<dyn ReadAt>, key: &FileKey) -> Result<ArrowReaderBuilder<OrcBytes>, FormatError> {
    let reader = ArrowReaderBuilder::try_new(OrcBytes(Arc::clone(handle)));
    let reader = reader.map_err(|e| FormatError::corrupt(&key.path, e.to_string()))?;
    Ok(reader.with_timestamp_precision(TimestampPrecision::Microsecond))
}

impl OrcFile {
    fn array(&self, block: usize, column: usize) -> Result<ArrayRef, FormatError> {
        let path = &self.identity.path;
        let key = FileKey {
            path: Arc::clone(path),
            size_bytes: self.identity.size_bytes,
            mtime_ns: self.identity.mtime_ns,
        };
        let corrupt = |e: &dyn std::fmt::Display| FormatError::corrupt(path, e.to_string());
        let stripe = &self.stripes[block];
        let reader = builder(&self.handle, &key)?;
        let mask = {
            let root = reader.file_metadata().root_data_type();
            ProjectionMask::named_roots(root, &[&self.fields[column].name])
        };
        let batches = reader
            .with_projection(mask)
            .with_file_byte_range(stripe.bytes.start..stripe.bytes.start + 1)
            .with_batch_size(stripe.rows.max(1))
            .build();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for batch in batches {
            let batch = batch.map_err(|e| corrupt(&e))?;
            arrays.push(
                batch
                    .columns()
                    .first()
                    .cloned()
                    .ok_or_else(|| corrupt(&"a column is missing"))?,
            );
        }
        let many: Vec<_> = arrays.iter().map(|array| &**array).collect();
        let array = arrow::compute::concat(&many).map_err(|e| corrupt(&e))?;
        if array.len() != stripe.rows {
            return Err(corrupt(&"a stripe has not the rows that the footer says"));
        }
        Ok(array)
    }
}

impl Blocks for OrcFile {
    fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn block_rows(&self) -> Vec<usize> {
        self.stripes.iter().map(|stripe| stripe.rows).collect()
    }

    fn read(&self, block: usize, column: usize, target: &Target) -> Result<(ColumnChunk, u64), FormatError> {
        let path = &self.identity.path;
        let chunk = guard(path, || {
            let chunk = chunk_from_arrow(&self.array(block, column)?, target);
            chunk.map_err(|message| FormatError::corrupt(path, message))
        })?;
        // The reader does not tell what it read; the column's even share of the stripe is the best guess.
        let share = self.stripes[block].bytes.len() / self.fields.len().max(1);
        Ok((chunk, share as u64))
    }
}

/// The file as the ORC reader wants it.
#[derive(Debug)]
struct OrcBytes(Arc<dyn ReadAt>);

impl ChunkReader for OrcBytes {
    type T = io::BufReader<Cursor>;

    fn len(&self) -> u64 {
        self.0.stat().size_bytes
    }

    fn get_read(&self, offset: u64) -> io::Result<Self::T> {
        Ok(io::BufReader::new(Cursor::new(Arc::clone(&self.0), offset)))
    }

    fn get_bytes(&self, offset: u64, length: u64) -> io::Result<bytes::Bytes> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        Ok(read_range(&*self.0, offset, length)?.into())
    }
}
