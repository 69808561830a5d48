//! What a serializable transaction has read, so that its commit can tell whether it would read the same again.
//!
//! `SELECT sum(n) FROM t WHERE id BETWEEN 1 AND 5` reads of `t` whatever passes `id >= 1 and id <= 5`. Before the commit, the
//! trees of the snapshot and of the newest commit are compared: a row that came or went in between and passes is a conflict,
//! and one with the id 7 is none.
//!
//! Invariants: a read is at least as wide as what the query looked at: a condition that is not understood is left out. What
//! was read stays read when the transaction goes back to a savepoint, since somebody has seen it.
//!
//! Does not: compare rows that did not change; equal subtrees are skipped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::ArrayRef;
use roaring::RoaringBitmap;

use super::cell::{at_most, value_at};
use super::core::{Core, lock, malformed};
use super::entry::{SegmentEntry, segment_of_key, segments_prefix};
use super::index::key_text;
use super::relies::same_rows;
use super::segment::{Open, Segment};
use super::snapshot::{Snapshot, load_deletes};
use super::{RowAddress, position};
use crate::catalog::{ColumnNo, EntityId, TableDef};
use crate::store::StoreError;
use crate::store::object::{Kind, ObjectId};
use crate::store::tree::{Change, diff};
use crate::store::wire::Malformed;
use crate::types::Value;

/// Reads of a table beyond which all of it counts as read.
const MAX_READS: usize = 1000;

/// What was read, shared by all that a transaction stages.
#[derive(Clone, Debug, Default)]
pub struct Reads(Arc<Mutex<BTreeMap<EntityId, TableReads>>>);

#[derive(Clone, Debug)]
enum TableReads {
    All,
    /// Rows that pass all tests of one of them.
    Some(Vec<Vec<Test>>),
}

/// A condition on a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Which.
    pub column: ColumnNo,
    /// What it may be.
    pub allowed: Allowed,
}

/// Values that pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// This and greater ones.
    AtLeast(Value),
    /// This and lesser ones.
    AtMost(Value),
    /// These.
    OneOf(Vec<Value>),
}

/// A row that was read, or would have been, and is another now.
#[derive(Clone, Debug)]
pub(super) struct Stale {
    pub table: EntityId,
    /// None if the table itself is another.
    pub row: Option<RowAddress>,
    /// Its key, if the table has one.
    pub key: String,
}

impl Reads {
    /// Rows of a table that pass all tests were read.
    pub fn add(&self, table: EntityId, tests: Vec<Test>) {
        let mut tables = lock(&self.0);
        let reads = tables.entry(table).or_insert_with(|| TableReads::Some(Vec::new()));
        match reads {
            TableReads::Some(known) if !tests.is_empty() && known.len() < MAX_READS => {
                if !known.contains(&tests) {
                    known.push(tests);
                }
            }
            _ => *reads = TableReads::All,
        }
    }

    /// Something that was read from one snapshot and is another in a newer one.
    pub(super) fn stale(&self, base: &Snapshot, newest: &Snapshot) -> Result<Option<Stale>, StoreError> {
        let tables = lock(&self.0);
        if tables.is_empty() || base.root() == newest.root() {
            return Ok(None);
        }
        let redefined = tables
            .keys()
            .find(|id| base.catalog().get(**id) != newest.catalog().get(**id));
        if let Some(table) = redefined {
            let (row, key) = (None, String::new());
            return Ok(Some(Stale {
                table: *table,
                row,
                key,
            }));
        }
        let mut prefixes = Vec::new();
        for (id, reads) in &*tables {
            // A compaction changes segments, and no row.
            if !same_rows(base, newest, *id)? {
                prefixes.push((segments_prefix(*id), *id, reads));
            }
        }
        for change in diff(&**base.core(), base.root(), newest.root()) {
            let change = change?;
            let read = prefixes.iter().find(|(prefix, ..)| change.key.starts_with(prefix));
            let (Some((_, id, reads)), Some(number)) = (read, segment_of_key(&change.key)) else {
                continue;
            };
            let Some(def) = newest.catalog().table(*id) else {
                continue;
            };
            let core = base.core();
            for (segment, rows) in changed_rows(core, newest.root(), number, &change)? {
                if let Some(row) = reads.first(core, def, &segment, &rows)? {
                    let key = match &def.primary_key {
                        Some(key) => key_text(core, def, key, &segment, row)?,
                        None => String::new(),
                    };
                    let row = Some(RowAddress::new(number, row as usize));
                    let table = *id;
                    return Ok(Some(Stale { table, row, key }));
                }
            }
        }
        Ok(None)
    }
}

/// Rows of a segment that are in one of two snapshots only.
fn changed_rows(
    core: &Core,
    root: ObjectId,
    number: u32,
    change: &Change,
) -> Result<Vec<(Segment, RoaringBitmap)>, StoreError> {
    let side = |value: &Option<Vec<u8>>| -> Result<Option<(Segment, RoaringBitmap)>, StoreError> {
        let Some(value) = value else { return Ok(None) };
        let failed = |Malformed(what): Malformed| malformed(Kind::NODE, root, what);
        let entry = SegmentEntry::decode(value).map_err(failed)?;
        let segment = Segment::of_entry(number, &entry)?;
        let mut live = RoaringBitmap::new();
        live.insert_range(0..position(segment.rows));
        if let Some(deletes) = load_deletes(core, &entry)? {
            live -= deletes;
        }
        Ok(Some((segment, live)))
    };
    let (old, new) = (side(&change.old)?, side(&change.new)?);
    Ok(match (old, new) {
        (Some((segment, old)), Some((same, new))) if segment.content == same.content => vec![(segment, old ^ new)],
        (old, new) => old.into_iter().chain(new).collect(),
    })
}

impl TableReads {
    /// The first of some rows that was read.
    fn first(
        &self,
        core: &Core,
        def: &TableDef,
        segment: &Segment,
        rows: &RoaringBitmap,
    ) -> Result<Option<u32>, StoreError> {
        let all = match self {
            Self::All => return Ok(rows.min()),
            Self::Some(reads) => reads,
        };
        let groups = match segment.open(core)? {
            Open::Rows(rows) => vec![rows.len],
            Open::File(file) => file.groups.clone(),
        };
        let mut start = 0;
        for (group, len) in groups.into_iter().enumerate() {
            let end = start + position(len);
            if rows.range_cardinality(start..end) > 0 {
                let mut columns = BTreeMap::new();
                for test in all.iter().flatten() {
                    if let Some(column) = def.by_no(test.column) {
                        columns.insert(test.column, (segment.array(core, group, column)?, &column.ty));
                    }
                }
                let value = |no: ColumnNo, row: u32| -> Result<Option<Value>, StoreError> {
                    let Some((array, ty)) = columns.get(&no) else {
                        return Ok(None);
                    };
                    cell(segment, array, (row - start) as usize, ty).map(Some)
                };
                for row in rows.range(start..end) {
                    for tests in all {
                        let mut passes = true;
                        for test in tests {
                            passes = passes && value(test.column, row)?.is_none_or(|value| test.allowed.has(&value));
                        }
                        if passes {
                            return Ok(Some(row));
                        }
                    }
                }
            }
            start = end;
        }
        Ok(None)
    }
}

fn cell(segment: &Segment, array: &ArrayRef, row: usize, ty: &crate::types::LogicalType) -> Result<Value, StoreError> {
    value_at(array, row, ty).map_err(|what| malformed(Kind::SEGMENT, ObjectId(segment.content), what))
}

impl Allowed {
    /// Whether a value may pass; NULL does not.
    fn has(&self, value: &Value) -> bool {
        if *value == Value::Null {
            return false;
        }
        // Values that do not compare here may do so in the engine.
        let ordered = |a: &Value, b: &Value| is_nan(a) || is_nan(b) || at_most(a, b) != Some(false);
        match self {
            Self::AtLeast(least) => ordered(least, value),
            Self::AtMost(most) => ordered(value, most),
            Self::OneOf(values) => values.iter().any(|one| ordered(one, value) && ordered(value, one)),
        }
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float(float) if float.is_nan())
}
