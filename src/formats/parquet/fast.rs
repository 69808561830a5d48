//! Flat columns, from pages straight into their layout.
//!
//! `l_quantity`: the dictionary page's 50 decimals become 50 `i16` once; each data page is 6-bit codes that are unpacked
//! and replaced by them.
//!
//! Invariants: what it returns equals what the generic path returns; promises are checked on dictionaries and on plain
//! values as they are decoded.
//!
//! Does not: decode DELTA encodings, booleans or nested columns: [`Stop::Fallback`] sends those to the generic path.

use std::ops::Range;

use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::ArrowNativeType;
use bytes::Bytes;

use super::super::convert::Target;
use super::super::{FormatError, guard};
use super::file::ParquetFile;
use super::header::kind;
use super::hybrid;
use super::index::Reading;
use super::kind::{Kind, Leaf};
use super::pages::{Page, Pages, encoding};
use super::sinks::{CodeSink, FloatSink, IntSink, Sink, TextSink};
use crate::types::{ColumnChunk, Layout, Physical};

/// Why a page could not be decoded here.
#[derive(Debug)]
pub(super) enum Stop {
    /// The generic path may do it.
    Fallback,
    /// The data are damaged.
    Corrupt(String),
}

/// Decodes a column of a row group; `None` if only the generic path can.
pub(super) fn read(
    file: &ParquetFile,
    group: usize,
    root: usize,
    leaf: &Leaf,
    target: &Target,
) -> Result<Option<(ColumnChunk, u64)>, FormatError> {
    if leaf.kind == Kind::Other {
        return Ok(None);
    }
    let metadata = file.row_group(group);
    let chunk = metadata.column(leaf.index);
    let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
    if chunk.num_values() != metadata.num_rows() {
        let message = format!("{} values where the footer says {rows} rows", chunk.num_values());
        return Err(super::generic::column_error(file, root, message));
    }
    let bytes_read = chunk.byte_range().1;
    let bytes = file.read_chunk(chunk)?;
    let decoded = guard(&file.identity.path, || {
        let decoded = Pages::new(bytes, chunk, rows).and_then(|pages| dispatch(pages, rows, None, leaf, target));
        Ok(decoded)
    })?;
    match decoded {
        Ok(chunk) => Ok(Some((chunk, bytes_read))),
        Err(Stop::Fallback) => Ok(None),
        Err(Stop::Corrupt(message)) => Err(super::generic::column_error(file, root, message)),
    }
}

/// Decodes some pages of a column of a row group, and gives the bytes read; `None` if they are not what the index says.
pub(super) fn read_pages(
    file: &ParquetFile,
    group: usize,
    leaf: &Leaf,
    target: &Target,
    reading: &Reading,
) -> Option<(ColumnChunk, u64)> {
    let metadata = file.row_group(group);
    let chunk = metadata.column(leaf.index);
    if leaf.kind == Kind::Other || chunk.num_values() != metadata.num_rows() {
        return None;
    }
    let rows = usize::try_from(metadata.num_rows()).ok()?;
    let bytes_read = reading.bytes.iter().map(|part| part.end - part.start).sum();
    let bytes = file.read_parts(chunk.byte_range().0, &reading.bytes).ok()?;
    let places = Some(&*reading.places);
    let decode = || Ok(Pages::new(bytes, chunk, rows).and_then(|pages| dispatch(pages, rows, places, leaf, target)));
    let decoded = guard(&file.identity.path, decode).ok()?;
    Some((decoded.ok()?, bytes_read))
}

fn dispatch(
    pages: Pages,
    rows: usize,
    places: Option<&[Range<usize>]>,
    leaf: &Leaf,
    target: &Target,
) -> Result<ColumnChunk, Stop> {
    let column = Column {
        rows,
        places,
        optional: leaf.optional,
        not_null: target.not_null,
    };
    match (&target.layout, target.layout.stored()) {
        (Layout::Dict { dictionary, .. }, Physical::I8) => column.decode(pages, CodeSink::<i8>::new(dictionary)),
        (Layout::Dict { dictionary, .. }, _) => column.decode(pages, CodeSink::<i16>::new(dictionary)),
        (_, Physical::Str) => column.decode(pages, TextSink::new(leaf)),
        (_, Physical::F32) => column.decode(pages, FloatSink::<f32>::new(target)),
        (_, Physical::F64) => column.decode(pages, FloatSink::<f64>::new(target)),
        (_, Physical::I8) => column.decode(pages, IntSink::<i8>::new(leaf, target)),
        (_, Physical::I16) => column.decode(pages, IntSink::<i16>::new(leaf, target)),
        (_, Physical::I32) => column.decode(pages, IntSink::<i32>::new(leaf, target)),
        (_, Physical::I64) => column.decode(pages, IntSink::<i64>::new(leaf, target)),
        (_, Physical::I128) => column.decode(pages, IntSink::<i128>::new(leaf, target)),
        (_, Physical::Interval | Physical::Nested) => Err(Stop::Fallback),
    }
}

/// What all pages of a column have in common.
struct Column<'a> {
    rows: usize,
    /// The rows of each page, if not all pages are there.
    places: Option<&'a [Range<usize>]>,
    optional: bool,
    not_null: bool,
}

/// Where the rows of the next page go.
struct Places<'a> {
    rows: usize,
    row: usize,
    listed: Option<std::slice::Iter<'a, Range<usize>>>,
}

impl<'a> Places<'a> {
    fn new(column: &Column<'a>) -> Self {
        Self {
            rows: column.rows,
            row: 0,
            listed: column.places.map(<[_]>::iter),
        }
    }

    fn are_filled(&self) -> bool {
        match &self.listed {
            Some(listed) => listed.len() == 0,
            None => self.row >= self.rows,
        }
    }

    fn take(&mut self, rows: usize) -> Result<Range<usize>, Stop> {
        let place = match &mut self.listed {
            Some(listed) => listed.next().filter(|place| place.len() == rows).cloned(),
            None => self.row.checked_add(rows).map(|end| self.row..end),
        };
        let place = place.ok_or_else(too_many)?;
        self.row = place.end;
        Ok(place)
    }
}

/// A data page, taken apart.
struct DataPage {
    rows: usize,
    encoding: i64,
    levels: Bytes,
    values: Bytes,
}

impl Column<'_> {
    fn decode<S: Sink>(&self, mut pages: Pages, mut sink: S) -> Result<ColumnChunk, Stop> {
        let mut values = MutableBuffer::from_len_zeroed(self.rows * size_of::<S::Out>());
        let mut validity = self.optional.then(|| MutableBuffer::from_len_zeroed(self.rows));
        if let (Some(bytes), Some(_)) = (&mut validity, self.places) {
            bytes.as_slice_mut().fill(1);
        }
        let mut table = Vec::new();
        let mut places = Places::new(self);
        let mut null_count = 0;
        while !places.are_filled() {
            let Some(page) = pages.next(sink.keeps_pages())? else {
                break;
            };
            let Some(page) = self.take_apart(page, &mut sink, &mut table)? else {
                continue;
            };
            let rows = places.take(page.rows)?;
            let out = values
                .typed_data_mut::<S::Out>()
                .get_mut(rows.clone())
                .ok_or_else(too_many)?;
            let valid = match &mut validity {
                Some(bytes) => hybrid::levels(&page.levels, &mut bytes.as_slice_mut()[rows.clone()])?,
                None => page.rows,
            };
            values_of(&page, &table, &mut sink, &mut out[..valid])?;
            if let Some(bytes) = validity.as_ref().filter(|_| valid < page.rows) {
                spread(out, &bytes.as_slice()[rows], valid);
            }
            null_count += page.rows - valid;
        }
        if !places.are_filled() {
            let message = format!("{} rows where the footer says {}", places.row, self.rows);
            return Err(Stop::Corrupt(message));
        }
        if null_count > 0 && self.not_null {
            return Err(Stop::Corrupt("a NULL where the statistics say there is none".into()));
        }
        Ok(ColumnChunk {
            rows: self.rows,
            values: values.into(),
            validity: validity.filter(|_| null_count > 0).map(Buffer::from),
            owners: sink.owners(),
        })
    }

    /// Gives a data page to decode; a dictionary page goes to the sink.
    fn take_apart<S: Sink>(&self, page: Page, sink: &mut S, table: &mut Vec<S::Out>) -> Result<Option<DataPage>, Stop> {
        let Page { header, body } = page;
        let mut data = DataPage {
            rows: header.values,
            encoding: header.encoding,
            levels: Bytes::new(),
            values: body,
        };
        match header.kind {
            kind::DICTIONARY => {
                *table = sink.dictionary(data.values, header.values)?;
                return Ok(None);
            }
            kind::DATA_V2 if header.repetition_bytes != 0 || header.definition_bytes > data.values.len() => {
                return Err(misfit());
            }
            kind::DATA_V2 => data.levels = data.values.split_to(header.definition_bytes),
            _ if !self.optional => {}
            _ if header.level_encoding != encoding::RLE => return Err(Stop::Fallback),
            _ => data.cut_levels_v1()?,
        }
        Ok(Some(data))
    }
}

fn misfit() -> Stop {
    Stop::Corrupt("the levels of a page do not fit it".into())
}

impl DataPage {
    /// Version 1 puts the levels, after their length, before the values.
    fn cut_levels_v1(&mut self) -> Result<(), Stop> {
        let split = self.values.split_first_chunk::<4>();
        let len = split.map(|(len, rest)| (u32::from_le_bytes(*len) as usize, rest.len()));
        match len {
            Some((len, left)) if len <= left => {
                self.levels = self.values.slice(4..4 + len);
                self.values = self.values.slice(4 + len..);
                Ok(())
            }
            _ => Err(misfit()),
        }
    }
}

fn too_many() -> Stop {
    Stop::Corrupt("more rows than the footer says".into())
}

fn values_of<S: Sink>(page: &DataPage, table: &[S::Out], sink: &mut S, out: &mut [S::Out]) -> Result<(), Stop> {
    match page.encoding {
        encoding::PLAIN => sink.plain(&page.values, out),
        encoding::RLE_DICTIONARY | encoding::PLAIN_DICTIONARY => match page.values.split_first() {
            Some((width, codes)) => hybrid::gather(codes, *width, table, out),
            None if out.is_empty() => Ok(()),
            None => Err(Stop::Corrupt("an empty page".into())),
        },
        _ => Err(Stop::Fallback),
    }
}

/// Moves the `valid` values at the front to the rows that are not NULL; the others get zeros.
fn spread<T: ArrowNativeType>(out: &mut [T], validity: &[u8], mut valid: usize) {
    for row in (0..out.len()).rev() {
        out[row] = if validity[row] == 0 {
            T::default()
        } else {
            valid -= 1;
            out[valid]
        };
    }
}
