//! CSV and TSV files as relations: cut into blocks at record ends when they are opened, parsed block by block.
//!
//! `orders.csv` of 100 MB is 50 blocks of 2 MB. The first line `id,day,note` is its header; `id` is bigint because
//! every one of the first records says so, and the line where one does not is named in the error.
//!
//! Invariants: the number of rows of a block, counted when it was cut, is the number parsed; an empty field without
//! quotes is NULL, `""` is the empty string.
//!
//! Does not: guess encodings; text is UTF-8.

mod sniff;
mod split;
pub(super) mod values;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use bytes::Bytes;

use super::blocks::{Blocks, Memo, identity, read};
use super::convert::{Target, Wide, filled, narrow};
use super::open::FileKey;
use super::{FileIdentity, FormatError};
use crate::host::{Disk, ReadAt};
use crate::types::chunk::string_view;
use crate::types::{ColumnChunk, Field, LogicalType, Physical, json};
use sniff::{Shape, line_end, sniff};
use split::{Boundaries, Dialect, Quoting, Records, Span, unescape};

/// What may be said about a CSV file; what is left out is guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CsvOptions {
    /// The first record names the columns.
    pub header: Option<bool>,
    /// Between fields.
    pub delimiter: Option<u8>,
    /// Around fields; `"` if left out.
    pub quote: Option<u8>,
    /// Types of columns by name.
    pub types: Vec<(String, LogicalType)>,
}

impl CsvOptions {
    fn type_of(&self, name: &str) -> Option<LogicalType> {
        let found = self.types.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, ty)| ty.clone())
    }
}

/// A file, cut into blocks.
#[derive(Debug)]
struct CsvFile {
    handle: Arc<dyn ReadAt>,
    identity: FileIdentity,
    fields: Vec<Field>,
    dialect: Dialect,
    blocks: Arc<[Block]>,
    memo: Memo<SplitBlock>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    start: u64,
    len: u64,
    rows: usize,
}

/// A block's text and where its fields are, record by record.
#[derive(Debug)]
struct SplitBlock {
    text: Arc<String>,
    spans: Vec<Span>,
}

const BOM: &[u8] = b"\xef\xbb\xbf";
/// What is looked at to guess.
const SAMPLE_BYTES: u64 = 1 << 20;
/// Blocks end at the first record end after this.
const BLOCK_BYTES: u64 = 2 << 20;
/// Read at a time while blocks are cut.
const PIECE_BYTES: u64 = 4 << 20;

/// Opens a file.
pub(super) fn open(disk: &dyn Disk, key: &FileKey, options: &CsvOptions) -> Result<Arc<dyn Blocks>, FormatError> {
    let handle = disk.open(&key.path).map_err(|e| FormatError::io(&key.path, e))?;
    let mut sample = read(&*handle, &key.path, 0, key.size_bytes.min(SAMPLE_BYTES))?;
    if sample.starts_with(&[0xff, 0xfe]) || sample.starts_with(&[0xfe, 0xff]) {
        return Err(FormatError::unsupported(&key.path, "UTF-16 text"));
    }
    let skip = if sample.starts_with(BOM) { BOM.len() } else { 0 };
    sample.drain(..skip);
    if key.size_bytes > SAMPLE_BYTES {
        let newline = line_end(&sample, options.quote.unwrap_or(b'"'));
        let end = memchr::memrchr(newline, &sample).map_or(sample.len(), |at| at + 1);
        sample.truncate(end);
    }
    let Shape {
        dialect,
        fields,
        data_start,
    } = sniff(&sample, options);
    let start = (skip + data_start) as u64;
    let blocks = known_cut(&*handle, key, start, dialect, fields.len())?;
    Ok(Arc::new(CsvFile {
        identity: identity(&*handle, key, (options, "csv"))?,
        handle,
        fields,
        dialect,
        blocks,
        memo: Memo::default(),
    }))
}

/// What decides where a file is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    file: FileIdentity,
    start: u64,
    dialect: Dialect,
    columns: usize,
}

/// Files cut lately: a load opens its file for the names of its columns, and again when it knows their types.
static KNOWN_CUTS: Mutex<VecDeque<(Cut, Arc<[Block]>)>> = Mutex::new(VecDeque::new());
/// So many are kept.
const MOST_CUTS: usize = 8;

/// Forgets where files are cut.
pub(super) fn forget() {
    KNOWN_CUTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The blocks of a file, perhaps as they were found when it was opened before.
fn known_cut(
    handle: &dyn ReadAt,
    key: &FileKey,
    start: u64,
    dialect: Dialect,
    columns: usize,
) -> Result<Arc<[Block]>, FormatError> {
    let wanted = Cut {
        file: identity(handle, key, "cut")?,
        start,
        dialect,
        columns,
    };
    let known = || KNOWN_CUTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, blocks)) = known().iter().find(|(cut, _)| *cut == wanted) {
        return Ok(Arc::clone(blocks));
    }
    let blocks: Arc<[Block]> = cut(handle, key, start, dialect, columns)?.into();
    let mut known = known();
    known.truncate(MOST_CUTS - 1);
    known.push_front((wanted, Arc::clone(&blocks)));
    Ok(blocks)
}

fn cut(
    handle: &dyn ReadAt,
    key: &FileKey,
    start: u64,
    dialect: Dialect,
    columns: usize,
) -> Result<Vec<Block>, FormatError> {
    let mut cutter = Cutter::new(start, columns);
    let mut boundaries = Boundaries::new(dialect);
    let mut at = start;
    while at < key.size_bytes {
        let piece = read(handle, &key.path, at, PIECE_BYTES.min(key.size_bytes - at))?;
        boundaries.scan(&piece, |end| {
            let before = end.checked_sub(2).map_or(cutter.last_byte, |i| piece.get(i).copied());
            let pair = before == Some(b'\r') && dialect.newline == b'\n';
            cutter.record(at + end as u64, pair);
        });
        cutter.last_byte = piece.last().copied();
        at += piece.len() as u64;
    }
    if boundaries.in_quotes() {
        let line = line_of(handle, &key.path, cutter.record_start, dialect.newline)?;
        return Err(line_error(&key.path, line, "a quote is never closed"));
    }
    Ok(cutter.finish(key.size_bytes))
}

/// Collects records into blocks.
struct Cutter {
    blocks: Vec<Block>,
    block_start: u64,
    record_start: u64,
    rows: usize,
    columns: usize,
    /// The last byte of the piece before.
    last_byte: Option<u8>,
}

impl Cutter {
    fn new(start: u64, columns: usize) -> Self {
        Self {
            blocks: Vec::new(),
            block_start: start,
            record_start: start,
            rows: 0,
            columns,
            last_byte: None,
        }
    }

    fn record(&mut self, end: u64, carriage_return: bool) {
        let len = end - self.record_start;
        let blank = len == 1 || (len == 2 && carriage_return);
        self.rows += usize::from(!blank || self.columns == 1);
        self.record_start = end;
        if end - self.block_start >= BLOCK_BYTES {
            self.close(end);
        }
    }

    fn close(&mut self, end: u64) {
        if end > self.block_start {
            self.blocks.push(Block {
                start: self.block_start,
                len: end - self.block_start,
                rows: self.rows,
            });
        }
        self.block_start = end;
        self.rows = 0;
    }

    fn finish(mut self, file_end: u64) -> Vec<Block> {
        if file_end > self.record_start {
            self.record(file_end + 1, false);
        }
        self.close(file_end);
        self.blocks
    }
}

impl Blocks for CsvFile {
    fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn block_rows(&self) -> Vec<usize> {
        self.blocks.iter().map(|block| block.rows).collect()
    }

    fn read(&self, block: usize, column: usize, target: &Target) -> Result<(ColumnChunk, u64), FormatError> {
        let (split, bytes) = self.memo.get_or_load(block, || self.split(block))?;
        let texts = Texts {
            split: &split,
            quote: self.dialect.quote,
            columns: self.fields.len(),
            column,
        };
        match texts.chunk(target) {
            Ok(chunk) => Ok((chunk, bytes)),
            Err(bad) => {
                let field = &self.fields[column];
                let message = format!("`{}` is not {} (column `{}`)", bad.text, a(&field.ty), field.name);
                Err(self.error_at(block, bad.at, &message))
            }
        }
    }
}

/// The type with its article.
fn a(ty: &LogicalType) -> String {
    let name = ty.to_string();
    let article = if name.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

impl CsvFile {
    fn split(&self, block: usize) -> Result<(SplitBlock, u64), FormatError> {
        let Block { start, len, rows } = self.blocks[block];
        if len > u64::from(u32::MAX) {
            return Err(self.error_at(block, 0, "a record of more than 4 GiB"));
        }
        let bytes = read(&*self.handle, &self.identity.path, start, len)?;
        let text = String::from_utf8(bytes)
            .map_err(|e| self.error_at(block, e.utf8_error().valid_up_to(), "text that is not UTF-8"))?;
        let columns = self.fields.len();
        let mut spans = Vec::with_capacity(rows * columns);
        let mut records = Records::new(text.as_bytes(), self.dialect);
        loop {
            let at = records.position();
            let Some(found) = records.next_into(&mut spans) else {
                break;
            };
            let found = found.map_err(|bad| self.error_at(block, bad.at, &bad.message))?;
            if found == columns {
                continue;
            }
            let blank = matches!(spans.last(), Some(s) if s.start == s.end && s.quoting == Quoting::None);
            if found != 1 || !blank {
                return Err(self.error_at(block, at, &format!("{found} fields where {columns} were expected")));
            }
            spans.pop();
        }
        if spans.len() != rows * columns {
            return Err(FormatError::corrupt(
                &self.identity.path,
                "it changed while it was read",
            ));
        }
        let text = Arc::new(text);
        Ok((SplitBlock { text, spans }, len))
    }

    fn error_at(&self, block: usize, at: usize, message: &str) -> FormatError {
        let offset = self.blocks[block].start + at as u64;
        match line_of(&*self.handle, &self.identity.path, offset, self.dialect.newline) {
            Ok(line) => line_error(&self.identity.path, line, message),
            Err(error) => error,
        }
    }
}

fn line_error(path: &Path, line: u64, message: &str) -> FormatError {
    FormatError::Line {
        path: path.display().to_string(),
        line,
        message: message.to_string(),
    }
}

/// The 1-based line of an offset; only errors need it, so it is counted then.
pub(super) fn line_of(handle: &dyn ReadAt, path: &Path, offset: u64, newline: u8) -> Result<u64, FormatError> {
    let mut line = 1;
    let mut at = 0;
    while at < offset {
        let piece = read(handle, path, at, PIECE_BYTES.min(offset - at))?;
        line += memchr::memchr_iter(newline, &piece).count() as u64;
        at += piece.len() as u64;
    }
    Ok(line)
}

/// One column of a block.
struct Texts<'a> {
    split: &'a SplitBlock,
    quote: u8,
    columns: usize,
    column: usize,
}

/// A text that is no value of the column's type.
struct BadText {
    at: usize,
    text: String,
}

impl<'a> Texts<'a> {
    fn spans(&self) -> impl Iterator<Item = &'a Span> {
        self.split.spans.iter().skip(self.column).step_by(self.columns)
    }

    fn rows(&self) -> usize {
        self.split.spans.len() / self.columns
    }

    /// The text of a field that is not a string; `None` if it is empty.
    fn text(&self, span: &Span) -> Option<Cow<'a, str>> {
        let text = &self.split.text[span.start as usize..span.end as usize];
        match span.quoting {
            _ if text.is_empty() => None,
            Quoting::Escaped => {
                let mut plain = Vec::new();
                unescape(text.as_bytes(), self.quote, &mut plain);
                Some(String::from_utf8_lossy(&plain).into_owned().into())
            }
            _ => Some(text.into()),
        }
    }

    fn chunk(&self, target: &Target) -> Result<ColumnChunk, BadText> {
        let rows = self.rows();
        let mut chunk = ColumnChunk {
            rows,
            values: Buffer::default(),
            validity: self.validity(target),
            owners: Vec::new(),
        };
        match target.layout.stored() {
            Physical::Str => {
                if target.ty == LogicalType::Json {
                    self.parsed(|text| json::check(text).ok())?;
                }
                self.views(&mut chunk);
            }
            Physical::F32 => {
                let values = self.parsed(|text| values::parse_float(text).map(|v| v as f32))?;
                chunk.values = filled::<f32>(rows, |out| out.copy_from_slice(&values));
            }
            Physical::F64 => {
                let values = self.parsed(values::parse_float)?;
                chunk.values = filled::<f64>(rows, |out| out.copy_from_slice(&values));
            }
            physical => {
                let wide = match values::IntReader::of(&target.ty) {
                    _ if target.ty == LogicalType::BigInt => Wide::I64(self.parsed(values::parse_bigint)?),
                    Some(reader) => Wide::I64(self.parsed(|text| reader.read(text))?),
                    None => Wide::I128(self.parsed(|text| values::parse_int_like(text, &target.ty))?),
                };
                // Parsing has checked the type's range already.
                chunk.values = narrow(&wide, physical, None, None).map_err(|text| BadText { at: 0, text })?;
            }
        }
        Ok(chunk)
    }

    fn validity(&self, target: &Target) -> Option<Buffer> {
        let is_null = |span: &Span| {
            // There is no empty JSON.
            let string = target.layout.stored() == Physical::Str && target.ty != LogicalType::Json;
            span.start == span.end && (span.quoting == Quoting::None || !string)
        };
        self.spans().any(is_null).then(|| {
            filled::<u8>(self.rows(), |out| {
                for (slot, span) in out.iter_mut().zip(self.spans()) {
                    *slot = u8::from(!is_null(span));
                }
            })
        })
    }

    fn parsed<T: Default>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, BadText> {
        let value = |span: &Span| match self.text(span) {
            None => Ok(T::default()),
            Some(text) => parse(&text).ok_or_else(|| BadText {
                at: span.start as usize,
                text: text.into_owned(),
            }),
        };
        let mut values = Vec::with_capacity(self.rows());
        for span in self.spans() {
            values.push(value(span)?);
        }
        Ok(values)
    }

    fn views(&self, chunk: &mut ColumnChunk) {
        let block = self.split.text.as_bytes();
        let mut plain = Vec::new();
        let mut ends = Vec::new();
        for span in self.spans().filter(|span| span.quoting == Quoting::Escaped) {
            unescape(span.bytes(block), self.quote, &mut plain);
            ends.push(plain.len());
        }
        let mut starts = std::iter::once(0).chain(ends.clone());
        let mut ends = ends.into_iter();
        let mut long = false;
        chunk.values = filled::<i128>(chunk.rows, |out| {
            for (slot, span) in out.iter_mut().zip(self.spans()) {
                let text = match span.quoting {
                    Quoting::Escaped => &plain[starts.next().unwrap_or(0)..ends.next().unwrap_or(0)],
                    _ => span.bytes(block),
                };
                long |= text.len() > 12;
                *slot = string_view(text).cast_signed();
            }
        });
        if long {
            let text = SharedText(Arc::clone(&self.split.text));
            chunk.owners = vec![Buffer::from(Bytes::from_owner(text)), Buffer::from_vec(plain)];
        }
    }
}

/// A block's text as the owner of views.
struct SharedText(Arc<String>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests;
