//! One Parquet file: its footer, checked, and reads of its bytes.
//!
//! `lineitem.parquet` gives 53 row groups of 113,263 rows and 16 columns, each a checked range of the file.
//!
//! Invariants: after [`ParquetFile::open`] every column chunk lies inside the file and no count is negative, so later
//! code need not ask again.
//!
//! Does not: decode pages.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use super::super::open::FileKey;
use super::super::{FileIdentity, FormatError, fields_of_schema, guard};
use super::index::PageIndex;
use super::kind::{Kind, Leaf};
use super::scratch;
use crate::host::{Cursor, ReadAt, read_range};
use crate::types::{Field, LogicalType};

const MAGIC: &[u8] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8] = b"PARE";
/// What is read of a file's end at first; most footers fit.
const TAIL_BYTES: u64 = 256 << 10;

/// An open file with its footer.
#[derive(Debug)]
pub(super) struct ParquetFile {
    pub(super) identity: FileIdentity,
    pub(super) arrow: ArrowReaderMetadata,
    pub(super) columns: Vec<FileColumn>,
    pub(super) index: PageIndex,
    handle: Arc<dyn ReadAt>,
}

/// A top-level column as this file stores it.
#[derive(Clone, Debug)]
pub(super) struct FileColumn {
    pub(super) field: Field,
    /// The only leaf, if the column is flat.
    pub(super) leaf: Option<Leaf>,
}

impl ParquetFile {
    /// Reads and checks the footer.
    pub(super) fn open(handle: Arc<dyn ReadAt>, key: &FileKey) -> Result<Self, FormatError> {
        let path = &key.path;
        let footer = read_footer(&*handle, path)?;
        let mut hasher = DefaultHasher::new();
        footer.hash(&mut hasher);
        let (arrow, columns) = guard(path, || decode_footer(&footer, path))?;
        check_chunks(arrow.metadata(), key.size_bytes, path)?;
        Ok(Self {
            identity: FileIdentity {
                path: Arc::clone(path),
                size_bytes: key.size_bytes,
                mtime_ns: key.mtime_ns,
                footer_hash: hasher.finish(),
            },
            arrow,
            columns,
            index: PageIndex::default(),
            handle,
        })
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.arrow.metadata()
    }

    pub(super) fn row_group(&self, index: usize) -> &RowGroupMetaData {
        self.metadata().row_group(index)
    }

    /// Reads a range of the file; a short file is an error.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Bytes, FormatError> {
        let bytes = read_range(&*self.handle, offset, len).map_err(|e| self.read_error(e))?;
        Ok(bytes.into())
    }

    /// Reads a whole column chunk with one read.
    pub(super) fn read_chunk(&self, chunk: &ColumnChunkMetaData) -> Result<ChunkBytes, FormatError> {
        let (start, len) = chunk.byte_range();
        let all = std::iter::once(start..start.saturating_add(len));
        self.read_parts(start, all.collect::<Vec<_>>().as_slice())
    }

    /// Reads ranges of a column chunk one after the other, as if they were all of it.
    pub(super) fn read_parts(&self, start: u64, parts: &[Range<u64>]) -> Result<ChunkBytes, FormatError> {
        let len = parts.iter().map(|part| part.end - part.start).sum::<u64>();
        let len = usize::try_from(len).map_err(|_| self.corrupt("a column chunk is too large"))?;
        let mut memory = scratch::take(len);
        let mut at = 0;
        for part in parts {
            let end = at + usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
            let slot = memory
                .get_mut(at..end)
                .ok_or_else(|| self.corrupt("a column chunk is too large"))?;
            self.handle.read_at(part.start, slot).map_err(|e| self.read_error(e))?;
            at = end;
        }
        let memory = memory.freeze();
        Ok(ChunkBytes {
            start,
            bytes: memory.slice(..len),
            memory: Some(memory),
        })
    }

    fn read_error(&self, source: io::Error) -> FormatError {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.corrupt("it ends too early"),
            io::ErrorKind::InvalidData => self.corrupt(source.to_string()),
            _ => FormatError::io(&self.identity.path, source),
        }
    }

    /// A reader of the whole file for columns of several chunks.
    pub(super) fn whole(&self) -> WholeFile {
        WholeFile(Arc::clone(&self.handle))
    }

    /// An error that names this file.
    pub(super) fn corrupt(&self, message: impl Into<String>) -> FormatError {
        FormatError::corrupt(&self.identity.path, message)
    }
}

fn read_footer(handle: &dyn ReadAt, path: &Path) -> Result<Bytes, FormatError> {
    let size = handle.stat().size_bytes;
    let corrupt = |message: &str| FormatError::corrupt(path, message);
    let read = |offset: u64, len: u64| {
        read_range(handle, offset, usize::try_from(len).unwrap_or(usize::MAX)).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => FormatError::corrupt(path, e.to_string()),
            _ => FormatError::io(path, e),
        })
    };
    if size < 12 {
        return Err(corrupt("too short for a Parquet file"));
    }
    let tail_len = size.min(TAIL_BYTES);
    let tail = Bytes::from(read(size - tail_len, tail_len)?);
    let (rest, end) = tail.split_at(tail.len() - 8);
    let (len, magic) = end.split_at(4);
    match magic {
        MAGIC => {}
        ENCRYPTED_MAGIC => return Err(FormatError::unsupported(path, "an encrypted footer")),
        _ => return Err(corrupt("no Parquet footer at its end (truncated?)")),
    }
    let len = u64::from(u32::from_le_bytes(len.try_into().map_err(|_| corrupt("no footer"))?));
    if len + 12 > size {
        return Err(corrupt("the footer is longer than the file"));
    }
    let in_tail = usize::try_from(len).ok().filter(|len| *len <= rest.len());
    match in_tail {
        Some(len) => Ok(tail.slice(rest.len() - len..rest.len())),
        None => Ok(read(size - 8 - len, len)?.into()),
    }
}

fn decode_footer(footer: &[u8], path: &Path) -> Result<(ArrowReaderMetadata, Vec<FileColumn>), FormatError> {
    let corrupt = |e: ParquetError| FormatError::corrupt(path, e.to_string());
    let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(footer).map_err(corrupt)?);
    let stored = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let stored = ArrowReaderMetadata::try_new(Arc::clone(&metadata), stored).map_err(corrupt)?;
    // The embedded Arrow schema refines types; a damaged one must not hide the data.
    let arrow = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()).unwrap_or_else(|_| stored.clone());
    let stored_types = stored.schema().fields().iter().map(|field| field.data_type());
    let fields = fields_of_schema(arrow.schema(), path)?.into_iter();
    let types = arrow
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type())
        .zip(stored_types);
    let columns = fields
        .zip(types)
        .enumerate()
        .map(|(root, (field, (hinted, stored_type)))| FileColumn {
            leaf: find_leaf(&arrow, root, &field.ty, (hinted, stored_type)),
            field,
        });
    let columns = columns.collect();
    Ok((arrow, columns))
}

fn find_leaf(
    arrow: &ArrowReaderMetadata,
    root: usize,
    ty: &LogicalType,
    (hinted, stored): (&DataType, &DataType),
) -> Option<Leaf> {
    let schema = arrow.parquet_schema();
    let index = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root)?;
    let column = schema.column(index);
    let flat = column.path().parts().len() == 1 && column.max_rep_level() == 0 && column.max_def_level() <= 1;
    flat.then(|| Leaf {
        index,
        kind: Kind::of(&column, ty, hinted, stored),
        optional: column.max_def_level() == 1,
        width: usize::try_from(column.type_length()).unwrap_or(0),
    })
}

fn check_chunks(metadata: &ParquetMetaData, size: u64, path: &Path) -> Result<(), FormatError> {
    let leaves = metadata.file_metadata().schema_descr().num_columns();
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let rows = usize::try_from(group.num_rows()).ok();
        let fits = group.num_columns() == leaves
            && rows.is_some_and(|rows| rows <= i32::MAX as usize)
            && group.columns().iter().all(|chunk| chunk_fits(chunk, size));
        if !fits {
            return Err(FormatError::corrupt(
                path,
                format!("row group {index} lies outside the file"),
            ));
        }
    }
    Ok(())
}

fn chunk_fits(chunk: &ColumnChunkMetaData, size: u64) -> bool {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (Ok(start), Ok(len)) = (u64::try_from(start), u64::try_from(chunk.compressed_size())) else {
        return false;
    };
    let ordered = chunk
        .dictionary_page_offset()
        .is_none_or(|d| d <= chunk.data_page_offset());
    ordered && chunk.num_values() >= 0 && start.checked_add(len).is_some_and(|end| end <= size)
}

/// The bytes of one column chunk, addressed by their offsets in the file.
#[derive(Debug)]
pub(super) struct ChunkBytes {
    pub(super) start: u64,
    pub(super) bytes: Bytes,
    /// The memory behind the bytes, if it may be used again.
    pub(super) memory: Option<Bytes>,
}

impl ChunkBytes {
    fn at(&self, offset: u64) -> Result<usize, ParquetError> {
        let at = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        at.filter(|at| *at <= self.bytes.len()).ok_or_else(outside)
    }
}

fn outside() -> ParquetError {
    ParquetError::EOF("a page lies outside its column chunk".into())
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for ChunkBytes {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.bytes.slice(self.at(start)?..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let at = self.at(start)?;
        let end = at.checked_add(length).filter(|end| *end <= self.bytes.len());
        Ok(self.bytes.slice(at..end.ok_or_else(outside)?))
    }
}

/// The file as the generic reader wants it.
#[derive(Debug)]
pub(super) struct WholeFile(Arc<dyn ReadAt>);

impl Length for WholeFile {
    fn len(&self) -> u64 {
        self.0.stat().size_bytes
    }
}

impl ChunkReader for WholeFile {
    type T = io::BufReader<Cursor>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(Cursor::new(Arc::clone(&self.0), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(read_range(&*self.0, start, length)?.into())
    }
}
