//! Where rows come from: the id of each, and the height of the commit that wrote it.
//!
//! A segment of three rows that one commit wrote says `first row id 40, height 7`, and its rows are 40, 41 and 42. A compacted
//! segment has rows of many commits: it says the same of its first row, and carries the rest as two more columns.
//!
//! ```text
//! column 4294967295   row ids, bigint; there unless they follow on each other
//! column 4294967294   heights, bigint; there unless all are the same
//! ```
//!
//! Invariants: a row keeps id and height wherever it moves.
//!
//! Does not: show them to anybody.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;

use super::core::{Core, as_store_error};
use super::rows::Column;
use super::segment::{Open, Segment};
use crate::catalog::ColumnNo;
use crate::store::StoreError;
use crate::types::LogicalType;

/// The column of row ids.
pub(super) const ROW_ID: ColumnNo = ColumnNo(u32::MAX);
/// The column of heights.
pub(super) const HEIGHT: ColumnNo = ColumnNo(u32::MAX - 1);

/// What a file calls a column that no table defines; `None` if it is another one.
pub(super) fn name(no: ColumnNo) -> Option<&'static str> {
    match no {
        ROW_ID => Some("_row_id"),
        HEIGHT => Some("_commit"),
        _ => None,
    }
}

/// The origins of some rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins {
    pub ids: Vec<i64>,
    pub heights: Vec<i64>,
}

impl Origins {
    /// Those of a row group of a segment, or of all of one that is no file.
    pub(super) fn of(core: &Core, segment: &Segment, group: usize) -> Result<Self, StoreError> {
        let (start, len) = match segment.open(core)? {
            Open::Rows(rows) => (0, rows.len),
            Open::File(file) => {
                let before = file.groups.iter().take(group).sum();
                (before, file.groups.get(group).copied().unwrap_or(0))
            }
        };
        let first = signed(segment.origin.first_row).saturating_add(i64::try_from(start).unwrap_or(i64::MAX));
        let ids = match stored(core, segment, group, ROW_ID)? {
            Some(ids) => ids,
            None => (0..len)
                .map(|row| first.saturating_add(i64::try_from(row).unwrap_or(i64::MAX)))
                .collect(),
        };
        let heights = match stored(core, segment, group, HEIGHT)? {
            Some(heights) => heights,
            None => vec![signed(segment.origin.height); len],
        };
        Ok(Self { ids, heights })
    }

    /// Adds others behind.
    pub(super) fn append(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.heights.extend(other.heights);
    }

    /// Some of them, by their positions.
    pub(super) fn pick(&self, rows: &[u32]) -> Self {
        let of = |values: &[i64]| {
            rows.iter()
                .filter_map(|row| values.get(*row as usize).copied())
                .collect()
        };
        Self {
            ids: of(&self.ids),
            heights: of(&self.heights),
        }
    }

    /// What a segment's entry says of them, and the columns that say the rest; all of it, if rows may still change places.
    pub(super) fn columns(&self, all: bool) -> (Origin, Vec<Column>) {
        let first = Origin {
            first_row: self.ids.first().map_or(0, |id| id.unsigned_abs()),
            height: self.heights.first().map_or(0, |height| height.unsigned_abs()),
        };
        let column = |no, values: &[i64]| Column {
            no,
            ty: LogicalType::BigInt,
            array: Arc::new(Int64Array::from_iter_values(values.iter().copied())) as ArrayRef,
        };
        let mut columns = Vec::new();
        if all || self.heights.windows(2).any(|pair| pair[0] != pair[1]) {
            columns.push(column(HEIGHT, &self.heights));
        }
        if all || self.ids.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
            columns.push(column(ROW_ID, &self.ids));
        }
        (first, columns)
    }
}

/// The origin of a segment's first row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub first_row: u64,
    pub height: u64,
}

impl Origin {
    /// Of rows that have no ids yet: they come after all others.
    pub(super) const LAST: Self = Self {
        first_row: u64::MAX,
        height: 0,
    };
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn stored(core: &Core, segment: &Segment, group: usize, no: ColumnNo) -> Result<Option<Vec<i64>>, StoreError> {
    let array = match segment.open(core)? {
        Open::Rows(rows) => rows.column(no).map(|column| Arc::clone(&column.array)),
        Open::File(file) => match segment.stored(no)? {
            Some((index, ty)) => Some(file.array(group, index, &ty).map_err(as_store_error)?),
            None => None,
        },
    };
    // A block's types are its own word.
    let Some(array) = array else { return Ok(None) };
    match array.as_primitive_opt::<Int64Type>() {
        Some(numbers) => Ok(Some(numbers.values().to_vec())),
        None => Err(segment.malformed("the ids of rows are no numbers")),
    }
}
