//! Arrow IPC (Feather V2): a file's record batches are its units; a stream is read whole when it is opened.
//!
//! `t.feather` with three batches of 64 Ki rows is a relation of three units.
//!
//! Invariants: foreign decoders run guarded, since damaged flatbuffers may make them panic.
//!
//! Does not: read Feather V1.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileDecoder, StreamReader, read_footer_length};
use arrow::ipc::{Block, root_as_footer, root_as_message};

use super::blocks::{Blocks, Memo, identity, read};
use super::convert::{Target, chunk_from_arrow};
use super::open::FileKey;
use super::{FileIdentity, FormatError, fields_of_schema, guard};
use crate::host::{Disk, ReadAt};
use crate::types::{ColumnChunk, Field};

const MAGIC: &[u8] = b"ARROW1";
const FEATHER_V1_MAGIC: &[u8] = b"FEA1";
/// The end of a file: the footer's length and the magic.
const TRAILER_BYTES: u64 = 10;

#[derive(Debug)]
struct IpcFile {
    identity: FileIdentity,
    fields: Vec<Field>,
    rows: Vec<usize>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    File {
        handle: Arc<dyn ReadAt>,
        decoder: FileDecoder,
        blocks: Vec<Block>,
        memo: Memo<RecordBatch>,
    },
    Stream(Vec<RecordBatch>),
}

/// Opens a file or a stream.
pub(super) fn open(disk: &dyn Disk, key: &FileKey) -> Result<Arc<dyn Blocks>, FormatError> {
    let handle = disk.open(&key.path).map_err(|e| FormatError::io(&key.path, e))?;
    let head = read(&*handle, &key.path, 0, key.size_bytes.min(8))?;
    if head.starts_with(FEATHER_V1_MAGIC) {
        return Err(FormatError::unsupported(&key.path, "Feather version 1"));
    }
    let is_file = head.starts_with(MAGIC);
    let opened = guard(&key.path, || {
        if is_file {
            open_file(handle.clone(), key)
        } else {
            open_stream(&*handle, key)
        }
    });
    let (schema, rows, source) = opened?;
    Ok(Arc::new(IpcFile {
        identity: identity(&*handle, key, "ipc")?,
        fields: fields_of_schema(&schema, &key.path)?,
        rows,
        source,
    }))
}

type Opened = (Schema, Vec<usize>, Source);

fn open_file(handle: Arc<dyn ReadAt>, key: &FileKey) -> Result<Opened, FormatError> {
    let corrupt = |message: &dyn std::fmt::Display| FormatError::corrupt(&key.path, message.to_string());
    let short = || FormatError::corrupt(&key.path, "the footer does not fit the file");
    let trailer_at = key.size_bytes.checked_sub(TRAILER_BYTES).ok_or_else(short)?;
    let trailer = read(&*handle, &key.path, trailer_at, TRAILER_BYTES)?;
    let trailer = trailer.try_into().map_err(|_| short())?;
    let len = read_footer_length(trailer).map_err(|e| corrupt(&e))? as u64;
    let footer_at = trailer_at.checked_sub(len).ok_or_else(short)?;
    let footer = read(&*handle, &key.path, footer_at, len)?;
    let footer = root_as_footer(&footer).map_err(|e| corrupt(&e))?;
    let schema = footer.schema().ok_or_else(short)?;
    let schema = arrow::ipc::convert::fb_to_schema(schema);
    let mut decoder = FileDecoder::new(Arc::new(schema.clone()), footer.version());
    for block in footer.dictionaries().iter().flatten() {
        let data = read_block(&*handle, key, block)?;
        decoder.read_dictionary(block, &data).map_err(|e| corrupt(&e))?;
    }
    let blocks: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
    let rows = blocks
        .iter()
        .map(|block| block_rows(&*handle, key, block).ok_or_else(short));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let source = Source::File {
        handle,
        decoder,
        blocks,
        memo: Memo::default(),
    };
    Ok((schema, rows, source))
}

fn read_block(handle: &dyn ReadAt, key: &FileKey, block: &Block) -> Result<Buffer, FormatError> {
    let range = || {
        let metadata = u64::try_from(block.metaDataLength()).ok()?;
        let len = metadata.checked_add(u64::try_from(block.bodyLength()).ok()?)?;
        Some((u64::try_from(block.offset()).ok()?, len))
    };
    let (offset, len) = range().ok_or_else(|| FormatError::corrupt(&key.path, "a block lies outside the file"))?;
    Ok(Buffer::from(read(handle, &key.path, offset, len)?))
}

/// Rows of a batch, from its message alone.
fn block_rows(handle: &dyn ReadAt, key: &FileKey, block: &Block) -> Option<usize> {
    let (offset, len) = (
        u64::try_from(block.offset()).ok()?,
        u64::try_from(block.metaDataLength()).ok()?,
    );
    let message = read(handle, &key.path, offset, len).ok()?;
    // A continuation marker precedes the length since version 0.15.
    let skip = if message.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let message = root_as_message(message.get(skip..)?).ok()?;
    usize::try_from(message.header_as_record_batch()?.length()).ok()
}

fn open_stream(handle: &dyn ReadAt, key: &FileKey) -> Result<Opened, FormatError> {
    let corrupt = |e: ArrowError| FormatError::corrupt(&key.path, e.to_string());
    let bytes = read(handle, &key.path, 0, key.size_bytes)?;
    let reader = StreamReader::try_new(bytes.as_slice(), None).map_err(corrupt)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(corrupt)?;
    let rows = batches.iter().map(RecordBatch::num_rows).collect();
    Ok((Schema::clone(&schema), rows, Source::Stream(batches)))
}

impl IpcFile {
    fn batch(&self, block: usize) -> Result<(RecordBatch, u64), FormatError> {
        let (handle, decoder, blocks, memo) = match &self.source {
            Source::Stream(batches) => return Ok((batches[block].clone(), 0)),
            Source::File {
                handle,
                decoder,
                blocks,
                memo,
            } => (handle, decoder, blocks, memo),
        };
        let path = &self.identity.path;
        let key = FileKey {
            path: Arc::clone(path),
            size_bytes: self.identity.size_bytes,
            mtime_ns: self.identity.mtime_ns,
        };
        let (batch, bytes) = memo.get_or_load(block, || {
            guard(path, || {
                let data = read_block(&**handle, &key, &blocks[block])?;
                let batch = decoder.read_record_batch(&blocks[block], &data);
                let batch = batch.map_err(|e| FormatError::corrupt(path, e.to_string()))?;
                let batch = batch.filter(|batch| batch.num_rows() == self.rows[block]);
                let batch = batch.ok_or_else(|| FormatError::corrupt(path, "a batch is not what its footer says"))?;
                Ok((batch, data.len() as u64))
            })
        })?;
        Ok((RecordBatch::clone(&batch), bytes))
    }
}

impl Blocks for IpcFile {
    fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn block_rows(&self) -> Vec<usize> {
        self.rows.clone()
    }

    fn read(&self, block: usize, column: usize, target: &Target) -> Result<(ColumnChunk, u64), FormatError> {
        let (batch, bytes) = self.batch(block)?;
        let path = &self.identity.path;
        let chunk = guard(path, || {
            let chunk = chunk_from_arrow(batch.column(column), target);
            chunk.map_err(|message| FormatError::corrupt(path, message))
        })?;
        Ok((chunk, bytes))
    }
}
