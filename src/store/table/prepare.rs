//! What is staged, encoded: segments ready to be entered in a tree, with their keys.
//!
//! Three rows become a block inside their entry, 400 an object, 17,000 a file; of each, the keys of the rows are at hand
//! before the lock under which commits are made is taken.
//!
//! Invariants: files are durable when this is done. Rows in memory that were deleted again are not written.
//!
//! Does not: look at other transactions.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::BooleanArray;
use roaring::RoaringBitmap;

use super::block;
use super::changes::{Body, Changes, Pending, Staged, TableChanges, write_pending};
use super::core::Core;
use super::entry::{Facts, Place};
use super::error::CommitError;
use super::file;
use super::index::{Keys, all_but};
use super::keyed::{Emit, Picked, Wanted, entries_of};
use super::lineage::Kept;
use super::rows::Rows;
use super::runs::{Run, Sorter, Spill};
use super::segment::Segment;
use crate::catalog::{EntityId, Indexed, TableDef};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject};

/// A block of more rows is a file.
const BLOCK_ROWS: usize = 1 << 14;
/// A longer block is a file.
const BLOCK_BYTES: usize = 64 << 10;
/// A longer block is an object of its own.
const INLINE_BYTES: usize = 256;
/// A segment that is ready for a commit.
#[derive(Debug)]
pub(super) struct Ready {
    pub number: u32,
    pub rows: usize,
    pub deletes: Option<RoaringBitmap>,
    pub place: Place,
    pub bytes: u64,
    pub facts: Vec<Facts>,
    pub object: Option<NewObject>,
    pub segment: Arc<Segment>,
    /// Ids and commits that rows keep.
    pub kept: Option<Arc<Kept>>,
    /// Of each of the table's indexes, what it says of the live rows.
    pub keys: Vec<Run>,
}

impl Ready {
    pub(super) fn live_rows(&self) -> u64 {
        self.rows as u64 - self.deletes.as_ref().map_or(0, RoaringBitmap::len)
    }
}

/// Of so many rows of a segment, what was read is kept for those that follow soon.
const FEW_ROWS: usize = 1 << 12;

/// Changes of a table whose rows are encoded.
#[derive(Debug)]
pub(super) struct ReadyTable {
    pub keys: Arc<Indexed>,
    pub appended: Vec<Ready>,
}

/// A transaction's changes, encoded, with all files durable.
#[derive(Debug)]
pub(in crate::store) struct Prepared {
    pub(super) changes: Arc<Changes>,
    /// Those that have rows to change and are still there.
    pub(super) tables: BTreeMap<EntityId, ReadyTable>,
}

impl Prepared {
    pub(in crate::store) fn new(core: &Arc<Core>, changes: Arc<Changes>) -> Result<Self, CommitError> {
        let mut tables = BTreeMap::new();
        for (id, table) in changes.tables.iter().filter(|(_, table)| !table.is_empty()) {
            // A table that was dropped after all takes its rows with it.
            let Some(def) = changes.catalog.table(*id) else {
                continue;
            };
            let keys = changes.catalog.indexed(*id);
            let mut spill = None;
            let mut ready = |staged| ready(core, (def, &keys), table, staged, &mut spill);
            let appended: Vec<_> = table.staged().iter().map(&mut ready).collect::<Result<_, _>>()?;
            let appended: Vec<_> = appended.into_iter().filter(|ready| ready.live_rows() > 0).collect();
            tables.insert(*id, ReadyTable { keys, appended });
        }
        sync_files(core, tables.values().flat_map(|table| &table.appended))?;
        Ok(Self { changes, tables })
    }
}

/// Makes the names of new files durable.
pub(super) fn sync_files<'r>(core: &Core, ready: impl IntoIterator<Item = &'r Ready>) -> Result<(), StoreError> {
    let is_file = |ready: &Ready| matches!(ready.place, Place::File(_));
    if !ready.into_iter().any(is_file) {
        return Ok(());
    }
    let folder = core.segments_folder();
    let synced = core.machine.disk.sync_folder(&folder);
    synced.map_err(|error| StoreError::io(&folder, error))
}

fn unfit(what: String) -> StoreError {
    StoreError::Unfit(what)
}

fn ready(
    core: &Arc<Core>,
    (def, keys): (&TableDef, &Indexed),
    changes: &TableChanges,
    staged: &Staged,
    spill: &mut Option<Arc<Spill>>,
) -> Result<Ready, StoreError> {
    let deletes = changes.deletes_of(staged.number);
    match &staged.body {
        Body::File(written) => {
            let mut ready = of_file(staged.number, staged.rows, deletes.cloned(), written)?;
            ready.keys = match staged.known_keys(def, keys).filter(|_| ready.deletes.is_none()) {
                Some(known) => known.to_vec(),
                None => {
                    let segments = [(Arc::clone(&ready.segment), 0)];
                    keys.runs(core, def, &segments, &all_but(ready.deletes.as_ref()), spill)?
                }
            };
            Ok(ready)
        }
        Body::Rows(pending) => {
            let pending = without(pending, staged.rows, deletes)?;
            ready_rows(core, (def, keys), staged.number, &pending, spill)
        }
    }
}

fn of_file(
    number: u32,
    rows: usize,
    deletes: Option<RoaringBitmap>,
    written: &file::NewFile,
) -> Result<Ready, StoreError> {
    written.publishing.wait()?;
    Ok(Ready {
        number,
        rows,
        deletes: deletes.filter(|deletes| !deletes.is_empty()),
        place: Place::File(written.object.id),
        bytes: written.bytes,
        facts: written.facts.clone(),
        object: Some(written.object.clone()),
        segment: Arc::new(Segment::written(number, rows, written)),
        kept: written.kept.clone(),
        keys: Vec::new(),
    })
}

impl Indexed {
    /// The keys that some rows of a segment have in each index, in order; of what the index says only the addresses.
    pub(super) fn runs_of(
        &self,
        core: &Core,
        def: &TableDef,
        segment: &Segment,
        rows: &RoaringBitmap,
        spill: &mut Option<Arc<Spill>>,
    ) -> Result<Vec<Run>, StoreError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let count = usize::try_from(rows.len()).unwrap_or(usize::MAX);
        let is_one = |row: u32| rows.contains(row);
        let picked = match count > FEW_ROWS {
            true => Picked::Where(&is_one),
            false => Picked::These(rows),
        };
        self.sorted(core, count, spill, &mut |emit| {
            entries_of(core, def, self.wanted(false), (segment, 0), picked, emit)
        })
    }

    fn wanted(&self, hashed: bool) -> Wanted<'_> {
        Wanted {
            keys: &self.all,
            unique: self.keys,
            hashed: hashed && self.keys > 0,
        }
    }

    /// The same, in order, of a segment that is in several parts, each with the rows before it.
    pub(super) fn runs(
        &self,
        core: &Core,
        def: &TableDef,
        parts: &[(Arc<Segment>, usize)],
        rows: &dyn Fn(u32) -> bool,
        spill: &mut Option<Arc<Spill>>,
    ) -> Result<Vec<Run>, StoreError> {
        let count = parts.iter().map(|(segment, _)| segment.rows).sum();
        let parts = parts.iter().filter(|_| !self.is_empty());
        self.sorted(core, count, spill, &mut |emit| {
            for (segment, before) in parts.clone() {
                let wanted = self.wanted(true);
                entries_of(core, def, wanted, (segment, *before), Picked::Where(rows), emit)?;
            }
            Ok(())
        })
    }

    /// The entries of each index that `fill` gives out, about so many, in order.
    fn sorted(
        &self,
        core: &Core,
        count: usize,
        spill: &mut Option<Arc<Spill>>,
        fill: &mut dyn FnMut(&mut Emit<'_>) -> Result<(), StoreError>,
    ) -> Result<Vec<Run>, StoreError> {
        let mut sorters: Vec<Sorter> = self.all.iter().map(|_| Sorter::with_capacity(count)).collect();
        fill(&mut |number, key, located| {
            if let Some(sorter) = sorters.get_mut(number) {
                sorter.push(key, located);
            }
            Ok(())
        })?;
        let runs = sorters.into_iter().map(|sorter| sorter.finish(core, spill));
        runs.collect()
    }

    /// The same of rows that are in memory.
    pub(super) fn runs_in(
        &self,
        core: &Core,
        def: &TableDef,
        number: u32,
        rows: &[Rows],
        spill: &mut Option<Arc<Spill>>,
    ) -> Result<Vec<Run>, StoreError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut before = 0;
        let part = |rows: &Rows| {
            let segment = Arc::new(Segment::staged(number, Arc::new(rows.clone())));
            before += rows.len;
            (segment, before - rows.len)
        };
        let parts: Vec<_> = rows.iter().map(part).collect();
        self.runs(core, def, &parts, &|_| true, spill)
    }
}

/// A table that rows are added to, and its keys.
pub(super) struct Keyed<'a> {
    pub id: EntityId,
    pub table: &'a TableChanges,
    pub def: &'a TableDef,
    pub indexed: Arc<Indexed>,
}

impl Keyed<'_> {
    /// The keys of the rows, but for those that were there before; of each of the table's keys.
    pub(super) fn since(&self, before: Option<&TableChanges>) -> Result<Vec<Keys>, StoreError> {
        self.table.keys_since(self.def, self.indexed.keys(), before)
    }
}

impl Changes {
    /// Tables with keys that rows are added to, and that are still there.
    pub(super) fn keyed(&self) -> impl Iterator<Item = Keyed<'_>> {
        let adds = self.tables.iter().filter(|(_, table)| !table.staged().is_empty());
        let keyed = adds.filter_map(|(id, table)| {
            let def = self.catalog.table(*id)?;
            let (id, indexed) = (*id, self.catalog.indexed(*id));
            Some(Keyed {
                id,
                table,
                def,
                indexed,
            })
        });
        keyed.filter(|keyed| keyed.indexed.keys > 0)
    }
}

/// Rows in memory that are deleted again are not written at all.
fn without(pending: &Pending, rows: usize, deletes: Option<&RoaringBitmap>) -> Result<Pending, StoreError> {
    let Some(deletes) = deletes.filter(|deletes| !deletes.is_empty()) else {
        return Ok(Pending::of(pending.batches.clone()));
    };
    let mask: BooleanArray = (0..rows)
        .map(|row| Some(!deletes.contains(super::position(row))))
        .collect();
    let all = Rows::concat(&pending.batches).map_err(unfit)?;
    Ok(Pending::of(vec![all.filter(&mask).map_err(unfit)?]))
}

pub(super) fn ready_rows(
    core: &Arc<Core>,
    (def, keys): (&TableDef, &Indexed),
    number: u32,
    pending: &Pending,
    spill: &mut Option<Arc<Spill>>,
) -> Result<Ready, StoreError> {
    let rows: usize = pending.batches.iter().map(|batch| batch.len).sum();
    if rows <= BLOCK_ROWS {
        let all = Rows::concat(&pending.batches).map_err(unfit)?;
        let all = all.sorted(&def.sort_by).map_err(unfit)?;
        let bytes = block::encode(&all).map_err(unfit)?;
        if bytes.len() <= BLOCK_BYTES {
            let keys = keys.runs_in(core, def, number, std::slice::from_ref(&all), spill)?;
            return ready_block(number, all, bytes, keys);
        }
    }
    let (written, runs) = write_pending(core, (def, keys), number, pending, spill)?;
    let mut ready = of_file(number, rows, None, &written)?;
    ready.keys = runs;
    Ok(ready)
}

fn ready_block(number: u32, rows: Rows, bytes: Vec<u8>, keys: Vec<Run>) -> Result<Ready, StoreError> {
    let len = rows.len;
    let size = bytes.len() as u64;
    let inline = bytes.len() <= INLINE_BYTES;
    let (place, object) = match inline {
        true => (Place::Inline(bytes.into()), None),
        false => {
            let object = NewObject::new(Kind::SEGMENT, bytes);
            (Place::Block(object.id), Some(object))
        }
    };
    Ok(Ready {
        number,
        rows: len,
        deletes: None,
        place,
        bytes: size,
        facts: if inline {
            Vec::new()
        } else {
            rows.facts().map_err(unfit)?
        },
        object,
        kept: rows.kept.clone().map(Arc::new),
        segment: Arc::new(Segment::staged(number, Arc::new(rows))),
        keys,
    })
}
