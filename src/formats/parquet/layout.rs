//! From footers to layouts: the narrowest integers, the dictionaries, and the promises that come with them.
//!
//! `l_discount decimal(15,2)` lies in 0..=10 in every row group: `Plain(I8)`. `l_shipmode` has the same seven strings in
//! every dictionary page: `Dict { I8, [AIR, FOB, …] }`.
//!
//! Invariants: a range promised is the union over all row groups of all files, inside the type's own range; a dictionary
//! is the union of all dictionary pages, and exists only if no data page is encoded otherwise.
//!
//! Does not: read data pages.

use std::sync::Arc;

use hashbrown::HashSet;
use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;

use super::super::convert::Target;
use super::super::{FormatError, guard};
use super::Part;
use super::fast::Stop;
use super::file::{ChunkBytes, ParquetFile};
use super::header::kind;
use super::kind::{ChunkFacts, Leaf};
use super::pages::Pages;
use crate::types::{ColumnStats, Dictionary, Field, Layout, Physical, Value};

/// A dictionary page larger than this, compressed, is not read when a file is opened.
const DICTIONARY_PAGE_BYTES: i64 = 64 << 10;
/// Dictionary pages of one column, in all files, beyond which its dictionary is not built.
const DICTIONARY_TOTAL_BYTES: i64 = 4 << 20;
/// Distinct strings that 16-bit codes can number.
const DICTIONARY_ENTRIES: usize = 1 << 15;

/// Statistics, and what chunks of the column must be.
pub(super) fn plan(field: &Field, column: usize, parts: &[Part]) -> Result<(ColumnStats, Target), FormatError> {
    let mut target = Target::natural(&field.ty);
    let mut stats = ColumnStats::unknown(target.layout.clone());
    let Some(facts) = all_facts(column, parts) else {
        return Ok((stats, target));
    };
    stats.null_count = facts.iter().map(|f| f.null_count).sum();
    target.not_null = stats.null_count == Some(0);
    match target.layout.stored() {
        Physical::Str => plan_dictionary(column, parts, &facts, &mut stats)?,
        physical => {
            if let Some((min, max)) = union(&facts) {
                plan_range(physical, min, max, &mut stats, &mut target);
            }
        }
    }
    target.layout = stats.layout.clone();
    Ok((stats, target))
}

/// One entry per row group; `None` if a file stores the column in a way without statistics.
pub(super) fn all_facts(column: usize, parts: &[Part]) -> Option<Vec<ChunkFacts>> {
    let mut facts = Vec::new();
    for part in parts {
        let leaf = part.leaf(column)?;
        let groups = part.file.metadata().row_groups();
        facts.extend(
            groups
                .iter()
                .map(|group| ChunkFacts::of(leaf, group.column(leaf.index))),
        );
    }
    Some(facts)
}

fn union(facts: &[ChunkFacts]) -> Option<(Value, Value)> {
    let mut known = None;
    for fact in facts.iter().filter(|fact| !fact.all_null()) {
        let (min, max) = fact.range.clone()?;
        known = Some(match known {
            None => (min, max),
            Some((low, high)) => (lesser(low, min, true), lesser(high, max, false)),
        });
    }
    known
}

fn lesser(a: Value, b: Value, least: bool) -> Value {
    let a_less = match (&a, &b) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Float(a), Value::Float(b)) => a < b,
        _ => true,
    };
    if a_less == least { a } else { b }
}

fn plan_range(natural: Physical, min: Value, max: Value, stats: &mut ColumnStats, target: &mut Target) {
    match (min, max) {
        (Value::Int(min), Value::Int(max)) if natural.is_int() => {
            let (low, high) = target.range.unwrap_or((i128::MIN, i128::MAX));
            let (min, max) = (min.max(low), max.min(high));
            if min > max {
                return;
            }
            target.range = Some((min, max));
            stats.layout = Layout::Plain(Physical::for_range(min, max).min(natural));
            stats.min = Some(Value::Int(min));
            stats.max = Some(Value::Int(max));
        }
        (Value::Float(min), Value::Float(max)) => {
            target.float_range = Some((min, max));
            stats.min = Some(Value::Float(min));
            stats.max = Some(Value::Float(max));
        }
        _ => {}
    }
}

fn plan_dictionary(
    column: usize,
    parts: &[Part],
    facts: &[ChunkFacts],
    stats: &mut ColumnStats,
) -> Result<(), FormatError> {
    let Some(known) = dictionary_entries(column, parts, facts)? else {
        return Ok(());
    };
    let rows: u64 = facts.iter().map(|f| f.rows).sum();
    let worthwhile = known.len() <= 256 || (known.len() as u64) * 2 <= rows;
    if known.is_empty() || !worthwhile {
        return Ok(());
    }
    let dictionary = Arc::new(Dictionary::new(known.into_iter().collect()));
    let text = |entry: Option<&Arc<str>>| entry.map(|text| Value::String(Arc::clone(text)));
    stats.min = text(dictionary.entries().first());
    stats.max = text(dictionary.entries().last());
    stats.distinct = Some(dictionary.len() as u64);
    let codes = if dictionary.len() <= 128 {
        Physical::I8
    } else {
        Physical::I16
    };
    stats.layout = Layout::Dict { codes, dictionary };
    Ok(())
}

/// The strings of all dictionary pages of a column; `None` if not all its values are there, or they are too many.
pub(super) fn dictionary_entries(
    column: usize,
    parts: &[Part],
    facts: &[ChunkFacts],
) -> Result<Option<HashSet<Arc<str>>>, FormatError> {
    let Some(pages) = dictionary_pages(column, parts, facts) else {
        return Ok(None);
    };
    let mut known: HashSet<Arc<str>> = HashSet::new();
    for (file, chunk) in pages {
        let page = read_dictionary(file, chunk)?;
        for text in PlainTexts(&page) {
            let text = text.ok_or_else(|| file.corrupt("a dictionary page is damaged"))?;
            if !known.contains(text) {
                known.insert(text.into());
            }
        }
        if known.len() > DICTIONARY_ENTRIES {
            return Ok(None);
        }
    }
    Ok(Some(known))
}

/// All dictionary pages of a column that is encoded by small dictionaries only.
fn dictionary_pages<'a>(
    column: usize,
    parts: &'a [Part],
    facts: &[ChunkFacts],
) -> Option<Vec<(&'a ParquetFile, &'a ColumnChunkMetaData)>> {
    let mut pages = Vec::new();
    let mut total = 0;
    let mut facts = facts.iter();
    for part in parts {
        let leaf = part.leaf(column).filter(|leaf| is_text(leaf))?;
        for group in part.file.metadata().row_groups() {
            let chunk = group.column(leaf.index);
            if facts.next().is_some_and(ChunkFacts::all_null) {
                continue;
            }
            let size = dictionary_only(chunk)?;
            total += size;
            if size > DICTIONARY_PAGE_BYTES || total > DICTIONARY_TOTAL_BYTES {
                return None;
            }
            pages.push((&*part.file, chunk));
        }
    }
    Some(pages)
}

fn is_text(leaf: &Leaf) -> bool {
    leaf.kind == super::kind::Kind::Text
}

/// Size of the dictionary page, if every data page refers to it.
fn dictionary_only(chunk: &ColumnChunkMetaData) -> Option<i64> {
    let by_dictionary = |e: Encoding| matches!(e, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    let only = match chunk.page_encoding_stats_mask() {
        Some(mask) => mask.encodings().all(by_dictionary),
        None => {
            // Without page statistics, PLAIN may mean the dictionary page or a data page.
            let mut encodings = chunk.encodings();
            encodings.all(|e| by_dictionary(e) || matches!(e, Encoding::RLE) || is_bit_packed(e))
        }
    };
    let start = chunk.dictionary_page_offset().filter(|_| only)?;
    Some(chunk.data_page_offset() - start).filter(|size| *size > 0)
}

#[allow(deprecated, reason = "old files list it for their levels")]
fn is_bit_packed(encoding: Encoding) -> bool {
    encoding == Encoding::BIT_PACKED
}

/// The decompressed dictionary page of a chunk.
fn read_dictionary(file: &ParquetFile, chunk: &ColumnChunkMetaData) -> Result<bytes::Bytes, FormatError> {
    let (start, _) = chunk.byte_range();
    let len = usize::try_from(chunk.data_page_offset()).unwrap_or(0) - usize::try_from(start).unwrap_or(0);
    let bytes = ChunkBytes {
        start,
        bytes: file.read(start, len)?,
        memory: None,
    };
    guard(&file.identity.path, || {
        let page = Pages::new(bytes, chunk, 0).and_then(|mut pages| pages.next(true));
        match page {
            Ok(Some(page)) if page.header.kind == kind::DICTIONARY => Ok(page.body),
            Err(Stop::Corrupt(message)) => Err(file.corrupt(message)),
            _ => Err(file.corrupt("a column chunk has no dictionary page where its footer says so")),
        }
    })
}

/// The texts of a PLAIN page; `None` where it is damaged.
pub(super) struct PlainTexts<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for PlainTexts<'a> {
    type Item = Option<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let text = self.0.split_first_chunk::<4>().and_then(|(len, rest)| {
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            self.0 = rest;
            std::str::from_utf8(text).ok()
        });
        if text.is_none() {
            self.0 = &[];
        }
        Some(text)
    }
}
