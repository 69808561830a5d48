//! Rows of segments, read again: their values, or as rows of a table that keep their ids.
//!
//! Rows 3 and 9 of segment 4, with the ids 40 and 46, are appended to what a transaction stages, as `(3, 40), (9, 46)`.
//!
//! Invariants: rows are read under one definition, whatever they were written with. A group of rows is decoded once for all of
//! them that are asked for in a row.
//!
//! Does not: ask whether rows are deleted.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};

use super::cell::value_at;
use super::changes::TableChanges;
use super::core::{Core, malformed};
use super::lineage::Kept;
use super::rows::{Column, Rows};
use super::segment::{Open, Segment};
use crate::catalog::TableDef;
use crate::store::StoreError;
use crate::store::object::{Kind, ObjectId};
use crate::types::Value;

/// Groups of rows that are kept decoded.
const MAX_GROUPS: usize = 32;

/// Reads rows under a definition.
pub(super) struct Copier<'a> {
    core: &'a Arc<Core>,
    def: &'a TableDef,
    groups: HashMap<([u8; 32], usize), Arc<[ArrayRef]>>,
}

/// Where a row is: its group, the position there, and how many rows the group has.
struct InGroup {
    group: usize,
    row: usize,
    first: usize,
    rows: usize,
}

impl<'a> Copier<'a> {
    pub(super) fn new(core: &'a Arc<Core>, def: &'a TableDef) -> Self {
        let groups = HashMap::new();
        Self { core, def, groups }
    }

    /// The values of a row, in the order of the definition.
    pub(super) fn values(&mut self, segment: &Segment, row: u32) -> Result<Vec<Value>, StoreError> {
        let place = self.place(segment, row)?;
        let arrays = self.arrays(segment, place.group)?;
        let values = self.def.columns.iter().zip(&*arrays);
        let values = values.map(|(column, array)| value_at(array, place.row, &column.ty));
        let values: Result<_, _> = values.collect();
        values.map_err(|what| malformed(Kind::SEGMENT, ObjectId(segment.content), what))
    }

    /// Stages rows, which are in order, under ids that they keep.
    pub(super) fn append(
        &mut self,
        into: &mut TableChanges,
        segment: &Segment,
        rows: &[(u32, u64)],
    ) -> Result<(), StoreError> {
        let mut rest = rows;
        while let Some((first, _)) = rest.first() {
            let place = self.place(segment, *first)?;
            let end = place.first + place.rows;
            let inside = rest.partition_point(|(row, _)| (*row as usize) < end);
            let (here, after) = rest.split_at(inside.max(1));
            let picked: UInt32Array = here.iter().map(|(row, _)| row - super::position(place.first)).collect();
            let arrays = self.arrays(segment, place.group)?;
            let columns = self.def.columns.iter().zip(&*arrays);
            let columns = columns.map(|(column, array)| Column::of(column, array));
            let all = Rows {
                len: place.rows,
                columns: columns.collect::<Result<_, _>>().map_err(StoreError::Unfit)?,
                kept: None,
            };
            let mut copied = all.take(&picked).map_err(StoreError::Unfit)?;
            copied.kept = Some(Kept::updated(here.iter().map(|(_, id)| Some(*id)).collect()));
            into.append_rows(self.def, copied)?;
            rest = after;
        }
        Ok(())
    }

    fn place(&self, segment: &Segment, row: u32) -> Result<InGroup, StoreError> {
        let groups = match segment.open(self.core)? {
            Open::Rows(rows) => vec![rows.len],
            Open::File(file) => file.groups.clone(),
        };
        let mut first = 0;
        for (group, rows) in groups.into_iter().enumerate() {
            if (row as usize) < first + rows {
                let row = row as usize - first;
                return Ok(InGroup {
                    group,
                    row,
                    first,
                    rows,
                });
            }
            first += rows;
        }
        let what = "a segment that has too few rows";
        Err(malformed(Kind::SEGMENT, ObjectId(segment.content), what))
    }

    fn arrays(&mut self, segment: &Segment, group: usize) -> Result<Arc<[ArrayRef]>, StoreError> {
        let key = (segment.content, group);
        if let Some(known) = self.groups.get(&key) {
            return Ok(Arc::clone(known));
        }
        let columns = self.def.columns.iter();
        let arrays = columns.map(|column| segment.array(self.core, group, column));
        let arrays: Arc<[ArrayRef]> = arrays.collect::<Result<Vec<_>, _>>()?.into();
        if self.groups.len() >= MAX_GROUPS {
            self.groups.clear();
        }
        self.groups.insert(key, Arc::clone(&arrays));
        Ok(arrays)
    }
}
