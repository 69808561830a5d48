//! The page index: where each data page of a column chunk lies, which rows it has, and between which values they are.
//!
//! A chunk of 100,000 dates in pages of 20,000 rows has five locations and five ranges; `day >= 1998-09-01` may hold in
//! the last page only, so rows 80,000 to 100,000 are all that any column of the row group is read for.
//!
//! Invariants: an index that is absent, damaged, or contradicts the footer says nothing: then every page may hold every
//! row's value, and a chunk is read whole. Pages that are read through an index must have as many rows as it says.
//! What is cut off a long string widens the range.
//!
//! Does not: decode pages. Format: `ColumnIndex` and `OffsetIndex` of `parquet.thrift`; "Parquet page index" in
//! PageIndex.md.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use parquet::basic::ColumnOrder;
use parquet::file::metadata::ColumnChunkMetaData;

use super::super::{Bound, Rows, less, may_match, must_match};
use super::file::ParquetFile;
use super::header::Compact;
use super::kind::{ChunkFacts, Leaf};
use crate::types::Value;

/// What was read of a file's page index so far; `None` for what is of no use.
#[derive(Debug, Default)]
pub(super) struct PageIndex {
    chunks: Kept<Arc<ChunkPages>>,
    facts: Kept<Arc<[PageFacts]>>,
}

/// By row group and leaf.
type Kept<T> = Mutex<HashMap<(usize, usize), Option<T>>>;

/// Where the pages of a column chunk are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChunkPages {
    /// Start of the chunk in the file: the dictionary page, if there is one.
    start: u64,
    /// Of the data pages, ascending; the ranges of the file do not overlap, those of rows are gapless.
    pages: Vec<PagePlace>,
}

/// Where a data page is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PagePlace {
    bytes: Range<u64>,
    rows: Range<usize>,
}

/// What is known of the values of a page.
#[derive(Debug, PartialEq)]
struct PageFacts {
    all_null: bool,
    range: Option<(Value, Value)>,
}

/// The pages to read for some rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Ranges of the file: the dictionary page and data pages, neighbours joined.
    pub(super) bytes: Vec<Range<u64>>,
    /// The rows of each data page.
    pub(super) places: Vec<Range<usize>>,
}

/// The rows of a row group that may satisfy all bounds, each on the leaf beside it.
pub(super) fn candidates(file: &ParquetFile, group: usize, bounds: &[(&Leaf, &Bound)]) -> Rows {
    let metadata = file.row_group(group);
    let mut rows = Rows::all(usize::try_from(metadata.num_rows()).unwrap_or(0));
    // Footers first, since they are in memory.
    let facts: Vec<_> = bounds
        .iter()
        .map(|(leaf, _)| ChunkFacts::of(leaf, metadata.column(leaf.index)))
        .collect();
    for (facts, (_, bound)) in facts.iter().zip(bounds) {
        let outside = |(min, max): &(Value, Value)| !may_match(min, max, bound);
        if facts.all_null() || facts.range.as_ref().is_some_and(outside) {
            return Rows::default();
        }
    }
    for (facts, (leaf, bound)) in facts.iter().zip(bounds) {
        let inside = |(min, max): &(Value, Value)| must_match(min, max, bound);
        if facts.null_count == Some(0) && facts.range.as_ref().is_some_and(inside) {
            continue;
        }
        if let Some(kept) = kept_by(file, group, leaf, facts, bound) {
            rows = rows.and(&kept);
        }
    }
    rows
}

/// The rows of the pages that may satisfy a bound; `None` if the index does not tell.
fn kept_by(file: &ParquetFile, group: usize, leaf: &Leaf, chunk: &ChunkFacts, bound: &Bound) -> Option<Rows> {
    let places = locate(file, group, leaf)?;
    if places.pages.len() < 2 {
        return None;
    }
    let facts = page_facts(file, group, leaf, chunk, &places)?;
    let keeps = |facts: &PageFacts| {
        let outside = |(min, max): &(Value, Value)| !may_match(min, max, bound);
        !facts.all_null && !facts.range.as_ref().is_some_and(outside)
    };
    let pages = places.pages.iter().zip(facts.iter());
    Some(Rows::of(
        pages
            .filter(|(_, facts)| keeps(facts))
            .map(|(page, _)| page.rows.clone()),
    ))
}

/// What to read of a column chunk for some rows; `None` if that is everything, or the index does not tell.
pub(super) fn reading(file: &ParquetFile, group: usize, leaf: &Leaf, rows: &Rows) -> Option<Reading> {
    let places = locate(file, group, leaf)?;
    let wanted: Vec<&PagePlace> = places.pages.iter().filter(|page| rows.touches(&page.rows)).collect();
    if wanted.is_empty() || wanted.len() == places.pages.len() {
        return None;
    }
    let first = places.pages.first()?.bytes.start;
    let mut bytes: Vec<Range<u64>> = Vec::new();
    let dictionary = std::iter::once(places.start..first).filter(|range| !range.is_empty());
    for range in dictionary.chain(wanted.iter().map(|page| page.bytes.clone())) {
        match bytes.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => bytes.push(range),
        }
    }
    Some(Reading {
        bytes,
        places: wanted.iter().map(|page| page.rows.clone()).collect(),
    })
}

fn locate(file: &ParquetFile, group: usize, leaf: &Leaf) -> Option<Arc<ChunkPages>> {
    remembered(&file.index.chunks, (group, leaf.index), || {
        let chunk = file.row_group(group).column(leaf.index);
        let bytes = read(file, chunk.offset_index_offset(), chunk.offset_index_length())?;
        let rows = usize::try_from(file.row_group(group).num_rows()).ok()?;
        places(&bytes, chunk, rows).map(Arc::new)
    })
}

fn page_facts(
    file: &ParquetFile,
    group: usize,
    leaf: &Leaf,
    chunk_facts: &ChunkFacts,
    places: &ChunkPages,
) -> Option<Arc<[PageFacts]>> {
    remembered(&file.index.facts, (group, leaf.index), || {
        let ordered = match file.metadata().file_metadata().column_order(leaf.index) {
            ColumnOrder::TYPE_DEFINED_ORDER(_) => true,
            ColumnOrder::UNDEFINED => false,
            ColumnOrder::UNKNOWN => return None,
        };
        let chunk = file.row_group(group).column(leaf.index);
        let bytes = read(file, chunk.column_index_offset(), chunk.column_index_length())?;
        let facts = decode_facts(&bytes, leaf, ordered, &places.pages)?;
        consistent(&facts, chunk_facts).then(|| facts.into())
    })
}

/// Makes a part of the index, or takes it from where it was kept.
fn remembered<T: Clone>(kept: &Kept<T>, key: (usize, usize), make: impl FnOnce() -> Option<T>) -> Option<T> {
    let known = kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    known.unwrap_or_else(|| {
        let made = make();
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, made.clone());
        made
    })
}

fn read(file: &ParquetFile, offset: Option<i64>, len: Option<i32>) -> Option<bytes::Bytes> {
    let (offset, len) = (u64::try_from(offset?).ok()?, usize::try_from(len?).ok()?);
    file.read(offset, len).ok()
}

/// An OffsetIndex, checked against the chunk.
fn places(bytes: &[u8], chunk: &ColumnChunkMetaData, rows: usize) -> Option<ChunkPages> {
    let mut found: Vec<(u64, u64, usize)> = Vec::new();
    let mut reader = Compact::new(bytes);
    reader.fields(|reader, id, ty| match id {
        1 => {
            found = reader.list(location)?;
            Some(())
        }
        _ => reader.pass(ty),
    })?;
    let (start, len) = chunk.byte_range();
    let end = start.checked_add(len)?;
    let mut pages = Vec::with_capacity(found.len());
    let mut at = start;
    for (number, (offset, len, first)) in found.iter().enumerate() {
        let next = found.get(number + 1).map_or(rows, |(_, _, first)| *first);
        let range = *offset..offset.checked_add(*len)?;
        let fits = at <= range.start && range.start < range.end && range.end <= end && *first < next;
        if !fits {
            return None;
        }
        at = range.end;
        pages.push(PagePlace {
            bytes: range,
            rows: *first..next,
        });
    }
    (pages.first()?.rows.start == 0).then_some(ChunkPages { start, pages })
}

/// A PageLocation: offset, size with the header, first row.
fn location(reader: &mut Compact<'_>) -> Option<(u64, u64, usize)> {
    let (mut offset, mut size, mut first) = (None, None, None);
    reader.fields(|reader, id, ty| {
        match id {
            1 => offset = u64::try_from(reader.int()?).ok(),
            2 => size = u64::try_from(reader.int()?).ok(),
            3 => first = usize::try_from(reader.int()?).ok(),
            _ => reader.pass(ty)?,
        }
        Some(())
    })?;
    Some((offset?, size?, first?))
}

/// A ColumnIndex: one entry per page.
fn decode_facts(bytes: &[u8], leaf: &Leaf, ordered: bool, pages: &[PagePlace]) -> Option<Vec<PageFacts>> {
    let (mut null_pages, mut mins, mut maxs, mut null_counts) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut reader = Compact::new(bytes);
    reader.fields(|reader, id, ty| {
        match id {
            1 => null_pages = reader.list(Compact::listed_bool)?,
            2 => mins = reader.list(Compact::binary)?,
            3 => maxs = reader.list(Compact::binary)?,
            5 => null_counts = Some(reader.list(Compact::int)?),
            _ => reader.pass(ty)?,
        }
        Some(())
    })?;
    let lens = [null_pages.len(), mins.len(), maxs.len()];
    let counted = null_counts.as_ref().is_none_or(|counts| counts.len() == pages.len());
    if lens != [pages.len(); 3] || !counted {
        return None;
    }
    let facts = pages.iter().enumerate().map(|(number, page)| {
        let nulls = null_counts.as_ref().map(|counts| counts[number]);
        let all_null = nulls.is_none_or(|nulls| usize::try_from(nulls) == Ok(page.rows.len()));
        let range = || {
            leaf.kind
                .range_of_bytes(leaf.width, ordered, mins[number], maxs[number])
        };
        match null_pages[number] {
            // The two ways of saying it must agree.
            true => PageFacts { all_null, range: None },
            false => PageFacts {
                all_null: false,
                range: range().filter(|(min, max)| !less(max, min)),
            },
        }
    });
    Some(facts.collect())
}

/// No page claims what the footer rules out for the whole chunk.
fn consistent(pages: &[PageFacts], chunk: &ChunkFacts) -> bool {
    let inside = |page: &PageFacts| match (&page.range, &chunk.range) {
        (Some((Value::Int(min), Value::Int(max))), Some((Value::Int(low), Value::Int(high)))) => {
            low <= min && max <= high
        }
        _ => true,
    };
    let null_free = chunk.null_count == Some(0);
    pages.iter().all(|page| inside(page) && !(null_free && page.all_null))
}
