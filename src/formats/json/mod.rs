//! JSON files as relations: an object per line, or an array of objects, cut into blocks of records.
//!
//! `events.jsonl` with lines like `{"id": 1, "who": {"name": "Ann"}}` has the columns `id bigint` and
//! `who struct(name string)`.
//!
//! Invariants: types come from the first block and hold for all; what does not fit is an error with its line.
//!
//! Does not: guess numbers in strings, or drop unknown keys.

mod build;
mod scan;
mod shape;
mod words;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use serde::de::DeserializeSeed;

use super::blocks::{Blocks, Memo, identity, read};
use super::convert::{Target, chunk_from_arrow};
use super::csv::line_of;
use super::open::FileKey;
use super::{FileIdentity, FormatError, guard};
use crate::host::{Disk, ReadAt};
use crate::types::{ColumnChunk, Field, LogicalType};
use build::ObjectBuilder;
use scan::{Framing, Malformed, Scanner};
use shape::{Shape, fields_of, known_as};

/// A file, cut into blocks.
#[derive(Debug)]
struct JsonFile {
    handle: Arc<dyn ReadAt>,
    identity: FileIdentity,
    fields: Vec<Field>,
    shapes: Vec<(String, Shape)>,
    framing: Framing,
    blocks: Vec<Block>,
    memo: Memo<Vec<ArrayRef>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    start: u64,
    end: u64,
    rows: usize,
}

/// Blocks end at the first record end after this.
const BLOCK_BYTES: u64 = 4 << 20;
const PIECE_BYTES: u64 = 4 << 20;

/// The column of a file in which no object has a key: a relation has at least one.
const WHOLE: &str = "json";

/// Opens a file of lines, or of values.
pub(super) fn open(
    disk: &dyn Disk,
    key: &FileKey,
    lines: bool,
    types: &[(String, LogicalType)],
) -> Result<Arc<dyn Blocks>, FormatError> {
    let handle = disk.open(&key.path).map_err(|e| FormatError::io(&key.path, e))?;
    let framing = if lines { Framing::Lines } else { Framing::Values };
    let blocks = cut(&*handle, key, framing)?;
    let mut file = JsonFile {
        identity: identity(&*handle, key, ("json", framing, types))?,
        handle,
        fields: Vec::new(),
        shapes: Vec::new(),
        framing,
        blocks,
        memo: Memo::default(),
    };
    let wanted = types.iter().map(|(name, ty)| Field {
        name: name.clone(),
        ty: ty.clone(),
        nullable: true,
    });
    file.shapes = file.infer(&wanted.collect::<Vec<_>>())?;
    for (name, shape) in &mut file.shapes {
        if let Some((_, ty)) = types.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            let wanted = std::mem::replace(shape, Shape::Null).wanted_as(ty);
            *shape = wanted.map_err(|message| FormatError::corrupt(&key.path, format!("`{name}`: {message}")))?;
        }
    }
    file.fields = fields_of(&file.shapes);
    if file.fields.is_empty() {
        file.fields.push(Field {
            name: WHOLE.into(),
            ty: LogicalType::String,
            nullable: true,
        });
    }
    Ok(Arc::new(file))
}

fn cut(handle: &dyn ReadAt, key: &FileKey, framing: Framing) -> Result<Vec<Block>, FormatError> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = Block::default();
    let mut on_record = |start: u64, end: u64| {
        if open.rows == 0 {
            open.start = start;
        }
        open.end = end;
        open.rows += 1;
        if end - open.start >= BLOCK_BYTES {
            blocks.push(std::mem::take(&mut open));
        }
    };
    let start = skip_bom(handle, key)?;
    let mut scanner = Scanner::new(framing, start);
    let mut at = start;
    let error = |bad: Malformed| error_at(handle, &key.path, bad.at, bad.message);
    while at < key.size_bytes {
        let piece = read(handle, &key.path, at, PIECE_BYTES.min(key.size_bytes - at))?;
        scanner.scan(&piece, &mut on_record).map_err(error)?;
        at += piece.len() as u64;
    }
    scanner.finish(&mut on_record).map_err(error)?;
    if open.rows > 0 {
        blocks.push(open);
    }
    Ok(blocks)
}

fn skip_bom(handle: &dyn ReadAt, key: &FileKey) -> Result<u64, FormatError> {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    let head = read(handle, &key.path, 0, key.size_bytes.min(BOM.len() as u64))?;
    Ok(if head == BOM { BOM.len() as u64 } else { 0 })
}

fn error_at(handle: &dyn ReadAt, path: &Path, offset: u64, message: impl Into<String>) -> FormatError {
    match line_of(handle, path, offset, b'\n') {
        Ok(line) => FormatError::Line {
            path: path.display().to_string(),
            line,
            message: message.into(),
        },
        Err(error) => error,
    }
}

impl Blocks for JsonFile {
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
        let (arrays, bytes) = self.memo.get_or_load(block, || self.parse(block))?;
        let chunk = chunk_from_arrow(&arrays[column], target);
        let chunk = chunk.map_err(|message| FormatError::corrupt(&self.identity.path, message))?;
        Ok((chunk, bytes))
    }
}

impl JsonFile {
    fn infer(&self, wanted: &[Field]) -> Result<Vec<(String, Shape)>, FormatError> {
        let mut all = Shape::Object(Vec::new());
        if !self.blocks.is_empty() {
            self.each_record(0, |record, _| {
                let shape: Shape = serde_json::from_slice(record).map_err(|e| (e.line(), plain(&e)))?;
                let Shape::Object(fields) = shape else {
                    return Err((1, "an object was expected".into()));
                };
                let shape = Shape::Object(known_as(fields, wanted));
                let known = std::mem::replace(&mut all, Shape::Null);
                all = known.merge(shape).map_err(|e| (1, e))?;
                Ok(())
            })?;
        }
        match all {
            Shape::Object(fields) => Ok(fields),
            _ => Ok(Vec::new()),
        }
    }

    fn parse(&self, block: usize) -> Result<(Vec<ArrayRef>, u64), FormatError> {
        let mut builder = None;
        self.each_record(block, |record, words| {
            let builder = builder.get_or_insert_with(|| ObjectBuilder::new(&self.shapes, words));
            let mut json = serde_json::Deserializer::from_slice(record);
            let done = builder.deserialize(&mut json).and_then(|()| json.end());
            done.map_err(|e| (e.line(), plain(&e)))
        })?;
        let Block { start, end, .. } = self.blocks[block];
        if self.shapes.is_empty() {
            let objects: Vec<&str> = vec!["{}"; self.blocks[block].rows];
            return Ok((vec![Arc::new(StringArray::from(objects))], end - start));
        }
        // Offsets of strings may overflow if a block is one giant record; the builders panic then.
        let arrays = guard(&self.identity.path, || Ok(builder.map(ObjectBuilder::finish)))?;
        Ok((arrays.unwrap_or_default(), end - start))
    }

    /// Hands every record of a block to `take`, with whether bare words may be marked in it; its error is a line in the record and a message.
    fn each_record(
        &self,
        block: usize,
        mut take: impl FnMut(&[u8], bool) -> Result<(), (usize, String)>,
    ) -> Result<(), FormatError> {
        let Block { start, end, rows } = self.blocks[block];
        let path = &self.identity.path;
        let bytes = read(&*self.handle, path, start, end - start)?;
        let mut spans = Vec::with_capacity(rows);
        let mut scanner = Scanner::new(self.framing, 0);
        let mut on_record = |start: u64, end: u64| spans.push((start, end));
        // A block may be cut from inside an array, whose commas a scanner of its own must expect.
        scanner.inside_array();
        let scanned = scanner.scan(&bytes, &mut on_record);
        scanned.map_err(|bad| error_at(&*self.handle, path, start + bad.at, bad.message))?;
        if self.framing == Framing::Lines {
            let finished = scanner.finish(&mut on_record);
            finished.map_err(|bad| error_at(&*self.handle, path, start + bad.at, bad.message))?;
        }
        if spans.len() != rows {
            return Err(FormatError::corrupt(path, "it changed while it was read"));
        }
        let words = words::may_occur(&bytes);
        for (from, to) in spans {
            let record = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            let record = record.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default();
            let taken = match words {
                true => take(&words::marked(record), true),
                false => take(record, false),
            };
            taken.map_err(|(line, message)| {
                let newlines = memchr::memchr_iter(b'\n', record).nth(line.saturating_sub(2));
                let into = if line > 1 {
                    newlines.map_or(0, |at| at as u64 + 1)
                } else {
                    0
                };
                error_at(&*self.handle, path, start + from + into, message)
            })?;
        }
        Ok(())
    }
}

/// The error without serde's position, which counts from the record.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
