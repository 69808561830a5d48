//! How a table's columns are laid out, over all of its segments, and what is promised of them.
//!
//! `a` lies in -3..=9 in one segment and in 0..=70,000 in another: four bytes per row. `city` has 40 strings in the
//! dictionaries of three files and two more in blocks: one-byte codes of 42 strings.
//!
//! Invariants: a promise holds for every row of every segment, deleted or not. Where one segment promises nothing, nothing
//! is promised.
//!
//! Does not: read more than dictionaries, and what is small.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use hashbrown::HashSet;
use sha2::{Digest, Sha256};

use super::cell::at_most;
use super::core::{Core, as_store_error};
use super::labels::numbered_range;
use super::segment::{Open, Segment, missing_value, same_integers};
use crate::catalog::{ColumnDef, TableDef};
use crate::formats::Target;
use crate::store::StoreError;
use crate::types::cast::cast;
use crate::types::{ColumnStats, Dictionary, Layout, LogicalType, Physical, Value};

/// Rows in small segments beyond which their strings are not looked at.
const SMALL_ROWS: usize = 1 << 16;
/// Distinct strings that 16-bit codes can number.
const DICTIONARY_ENTRIES: usize = 1 << 15;

/// What chunks of a column are.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub stats: ColumnStats,
    pub target: Target,
    /// A hash of the target: the same contents have another chunk under another one.
    pub shape: [u8; 16],
}

/// What a segment promises of a column in its type of today.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// `None`: nothing is known, unless all are NULL.
    pub range: Option<(Value, Value)>,
    pub null_count: u64,
    pub all_null: bool,
}

impl Known {
    pub(super) fn of(segment: &Segment, column: &ColumnDef) -> Result<Self, StoreError> {
        let rows = segment.rows as u64;
        let Some(facts) = segment.facts()?.iter().find(|facts| facts.no == column.no) else {
            let value = missing_value(column);
            let all_null = value == Value::Null;
            return Ok(Self {
                null_count: if all_null { rows } else { 0 },
                all_null,
                range: (!all_null).then(|| (value.clone(), value)),
            });
        };
        let range = facts.range.clone();
        let range = range.and_then(|(min, max)| {
            let bound = |value| converted(value, &facts.ty, &column.ty);
            numbered_range((bound(min)?, bound(max)?), &column.ty)
        });
        Ok(Self {
            range,
            null_count: facts.null_count,
            all_null: facts.null_count == rows,
        })
    }
}

/// A bound in another type; widening keeps the order.
fn converted(value: Value, from: &LogicalType, to: &LogicalType) -> Option<Value> {
    if same_integers(from, to) || from.is_float() && to.is_float() {
        return Some(value);
    }
    if *to == LogicalType::String {
        return None;
    }
    cast(&value, from, to).ok()
}

/// The least range that holds two.
pub(super) fn union(known: Option<(Value, Value)>, other: (Value, Value)) -> (Value, Value) {
    let Some((min, max)) = known else {
        return other;
    };
    let least = if at_most(&other.0, &min) == Some(true) {
        other.0
    } else {
        min
    };
    let most = if at_most(&max, &other.1) == Some(true) {
        other.1
    } else {
        max
    };
    (least, most)
}

/// Plans a column of a table.
pub(super) fn plan(core: &Core, column: &ColumnDef, segments: &[Arc<Segment>]) -> Result<Plan, StoreError> {
    let mut target = Target::natural(&column.ty);
    let mut stats = ColumnStats::unknown(target.layout.clone());
    let mut range = None;
    let mut complete = true;
    let mut nulls = 0;
    for segment in segments {
        let known = Known::of(segment, column)?;
        nulls += known.null_count;
        match known.range {
            _ if known.all_null => {}
            Some(found) => range = Some(union(range.take(), found)),
            None => complete = false,
        }
    }
    stats.null_count = Some(nulls);
    target.not_null = nulls == 0;
    if let Some((min, max)) = range.filter(|_| complete) {
        promise(min, max, &mut stats, &mut target);
    }
    if column.ty == LogicalType::String
        && let Some(dictionary) = dictionary(core, column, segments)?
    {
        let text = |text: Option<&Arc<str>>| text.map(|text| Value::String(Arc::clone(text)));
        stats.min = text(dictionary.entries().first());
        stats.max = text(dictionary.entries().last());
        stats.distinct = Some(dictionary.len() as u64);
        let codes = if dictionary.len() <= 128 {
            Physical::I8
        } else {
            Physical::I16
        };
        stats.layout = Layout::Dict { codes, dictionary };
    }
    target.layout = stats.layout.clone();
    let shape = shape(column, &target);
    Ok(Plan { stats, target, shape })
}

/// Plans of all columns that promise nothing but what the definition does: they cost no look at any segment.
pub(super) fn natural_plans(def: &TableDef) -> Vec<Plan> {
    let plan = |column: &ColumnDef| {
        let mut target = Target::natural(&column.ty);
        let mut stats = ColumnStats::unknown(target.layout.clone());
        target.not_null = column.not_null;
        stats.null_count = column.not_null.then_some(0);
        let shape = shape(column, &target);
        Plan { stats, target, shape }
    };
    def.columns.iter().map(plan).collect()
}

fn promise(min: Value, max: Value, stats: &mut ColumnStats, target: &mut Target) {
    let natural = target.layout.stored();
    if let (Some(low), Some(high)) = (min.as_int(), max.as_int())
        && natural.is_int()
    {
        if low > high {
            return;
        }
        target.range = Some((low, high));
        stats.layout = Layout::Plain(Physical::for_range(low, high).min(natural));
        (stats.min, stats.max) = (Some(min), Some(max));
    } else if let (Value::Float(low), Value::Float(high)) = (&min, &max) {
        target.float_range = Some((*low, *high));
        (stats.min, stats.max) = (Some(min), Some(max));
    }
}

/// All strings of a column, where they are few and easily found.
fn dictionary(
    core: &Core,
    column: &ColumnDef,
    segments: &[Arc<Segment>],
) -> Result<Option<Arc<Dictionary>>, StoreError> {
    let small: usize = segments
        .iter()
        .filter(|segment| segment.is_small())
        .map(|segment| segment.rows)
        .sum();
    let rows: usize = segments.iter().map(|segment| segment.rows).sum();
    if small > SMALL_ROWS {
        return Ok(None);
    }
    let mut known: HashSet<Arc<str>> = HashSet::new();
    // Files first: a column that has no dictionary there has none at all.
    let (files, blocks): (Vec<_>, Vec<_>) = segments.iter().partition(|segment| !segment.is_small());
    for segment in files.into_iter().chain(blocks) {
        if !add_texts(core, column, segment, &mut known)? || known.len() > DICTIONARY_ENTRIES {
            return Ok(None);
        }
    }
    let worthwhile = known.len() <= 256 || known.len() * 2 <= rows;
    if known.is_empty() || !worthwhile {
        return Ok(None);
    }
    Ok(Some(Arc::new(Dictionary::new(known.into_iter().collect()))))
}

/// Adds a segment's strings; false if they cannot be told.
fn add_texts(
    core: &Core,
    column: &ColumnDef,
    segment: &Segment,
    known: &mut HashSet<Arc<str>>,
) -> Result<bool, StoreError> {
    let known_facts = Known::of(segment, column)?;
    if known_facts.all_null {
        return Ok(true);
    }
    let stored = segment.stored(column.no)?;
    if let (Open::File(file), Some((index, ty))) = (segment.open(core)?, stored) {
        if ty != LogicalType::String {
            return Ok(false);
        }
        let texts = file.dictionary(index).map_err(as_store_error)?;
        known.extend(texts.iter().flat_map(|texts| texts.iter().cloned()));
        return Ok(texts.is_some());
    }
    if !segment.is_small() {
        // The column was added later: one value.
        let text = match missing_value(column) {
            Value::String(text) => text,
            _ => return Ok(false),
        };
        known.insert(text);
        return Ok(true);
    }
    let array = segment.array(core, 0, column)?;
    let texts = array.as_string_view();
    for row in (0..texts.len()).filter(|row| texts.is_valid(*row)) {
        if !known.contains(texts.value(row)) {
            known.insert(texts.value(row).into());
        }
    }
    Ok(true)
}

fn shape(column: &ColumnDef, target: &Target) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(format!("{:?} {:?} {:?}", column.no, column.ty, column.missing));
    match &target.layout {
        Layout::Plain(physical) => hasher.update(format!("{physical:?}")),
        Layout::Dict { codes, dictionary } => {
            hasher.update(format!("dictionary {codes:?}"));
            for text in dictionary.entries() {
                hasher.update((text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let mut shape = [0; 16];
    shape.copy_from_slice(&hash[..16]);
    shape
}
