//! Compaction: many small segments become few large ones, in a commit that changes nothing anybody can read.
//!
//! A table of 10,000 segments of one row becomes one of one segment of 10,000 rows; a file of which a third is deleted is
//! written again without those rows. It is universal: segments of about the same size are put together, so that a row is
//! rewritten once per order of magnitude, not once per load.
//!
//! Invariants: every row keeps its values, its id and its commit; deleted rows go. What somebody else changes
//! meanwhile wins, and the compaction gives up. A transaction that began before it finds its rows again: the commit lists
//! which segments became which ([`Moved`]), and rows are found in them by their ids.
//!
//! Does not: reclaim space; old commits still have the old segments, until they are collected.

use std::sync::Arc;

use arrow::array::UInt32Array;
use roaring::RoaringBitmap;

use super::changes::{FLUSH_BYTES, FLUSH_ROWS, Pending};
use super::core::Core;
use super::file::GROUP_ROWS;
use super::lineage::Kept;
use super::moved::Moved;
use super::partition;
use super::prepare::{Prepared, Ready, ReadyTable, ready_rows, sync_files};
use super::relation::Part;
use super::rows::{Column, Rows};
use super::runs::Spill;
use super::segment::Open;
use super::snapshot::Snapshot;
use super::{Changes, CommitError};
use crate::catalog::{EntityId, Indexed, Storage, TableDef};
use crate::store::StoreError;

/// The flavor of a compaction's commit.
pub const COMPACTION: u8 = 1;

/// How much is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Where something is deleted, and nothing else: what a commit to a table that is copied on write is followed by.
    Touched,
    /// Where there are many segments of about one size, or much is deleted.
    Tiers,
    /// Everything that is not as large as it can be, or of which something is deleted.
    All,
}

/// How a table's rows are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragmentation {
    /// Segments.
    pub segments: u64,
    /// Rows in them, deleted ones too.
    pub rows: u64,
    /// Deleted rows.
    pub deleted: u64,
    /// Bytes of the segments.
    pub bytes: u64,
}

/// Segments of a tier are put together when there are so many.
const FANOUT: usize = 8;
/// The same of those of up to 63 rows, which cost a scan less than a commit costs a writer.
const FANOUT_OF_FEW: usize = 128;
/// A segment is rewritten without anybody's asking if one row of so many is deleted.
const DELETED_SHARE: u64 = 3;
/// Fewer deleted rows cost less than a commit does.
const MANY_DELETED: u64 = 1024;
/// A file of so many bytes is large, however few its rows.
const LARGE_BYTES: u64 = 16 << 20;
/// A file of so many bytes is left alone unless somebody asks: loads under a small memory limit write such files.
const FAIR_BYTES: u64 = 8 << 20;

impl Snapshot {
    /// How a table's rows are spread.
    pub fn fragmentation(&self, table: EntityId) -> Result<Fragmentation, StoreError> {
        let table = self.table(table)?;
        let mut all = Fragmentation::default();
        for part in table.parts()? {
            all.segments += 1;
            all.rows += part.segment.rows as u64;
            all.deleted += deleted(part);
            all.bytes += part.segment.bytes;
        }
        Ok(all)
    }
}

fn deleted(part: &Part) -> u64 {
    part.deletes.as_ref().map_or(0, |deletes| deletes.len())
}

fn is_large(part: &Part, effort: Effort) -> bool {
    let (rows, bytes) = match effort {
        // A whole row group is as good to scan as several in one file.
        Effort::Tiers => (GROUP_ROWS, FAIR_BYTES),
        Effort::All | Effort::Touched => (FLUSH_ROWS / 2, LARGE_BYTES),
    };
    part.segment.rows >= rows || part.segment.bytes >= bytes
}

fn live_rows(part: &Part) -> RoaringBitmap {
    let mut live = RoaringBitmap::new();
    live.insert_range(0..super::position(part.segment.rows));
    match &part.deletes {
        Some(deletes) => live - &**deletes,
        None => live,
    }
}

/// Segments between a number of rows and eight times as many.
fn tier(part: &Part) -> u32 {
    (part.segment.rows as u64 - deleted(part)).max(1).ilog2() / FANOUT.ilog2()
}

/// What is worth rewriting: runs of neighbours, so that rows stay in the order in which they came.
fn choose(parts: &[Part], storage: Storage, effort: Effort) -> Vec<Vec<Part>> {
    let mut parts = parts.to_vec();
    parts.sort_by_key(Part::place);
    let full_tier = (0..u64::BITS).rev().find(|wanted| {
        let inside = parts
            .iter()
            .filter(|part| !is_large(part, effort) && tier(part) == *wanted);
        let least = if *wanted <= 1 { FANOUT_OF_FEW } else { FANOUT };
        inside.count() >= least
    });
    let worn = |part: &Part| match effort {
        Effort::Tiers if storage == Storage::Mor => false,
        Effort::Tiers => deleted(part) >= MANY_DELETED && deleted(part) * DELETED_SHARE > part.segment.rows as u64,
        Effort::All | Effort::Touched => deleted(part) > 0,
    };
    let small = |part: &Part| match effort {
        Effort::Tiers => !is_large(part, effort) && full_tier.is_some_and(|full| tier(part) <= full),
        Effort::All => !is_large(part, effort),
        Effort::Touched => false,
    };
    let least = match effort {
        Effort::Tiers => FANOUT / 2,
        Effort::All | Effort::Touched => 2,
    };
    let runs = parts.split(|part| !worn(part) && !small(part));
    let pays = |run: &&[Part]| run.len() >= least || run.iter().any(worn);
    runs.filter(pays).map(<[Part]>::to_vec).collect()
}

/// A compaction whose new segments are written.
pub(in crate::store) struct Compaction {
    base: Snapshot,
    changes: Changes,
    table: EntityId,
    appended: Vec<Ready>,
    /// What becomes what.
    pub(in crate::store) moved: Moved,
}

impl Compaction {
    /// Rewrites segments of a table; `None` if that is not worth it, or `goes_on`, asked before so many rows are rewritten, said no.
    pub(in crate::store) fn write(
        base: &Snapshot,
        table: EntityId,
        effort: Effort,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Self>, CommitError> {
        let Some(def) = base.catalog().table(table) else {
            return Ok(None);
        };
        let core = base.core();
        let known = base.table(table)?;
        let groups = partition::groups(core, def, known.parts()?)?;
        let chosen = groups.iter().flat_map(|group| choose(group, def.storage, effort));
        let chosen: Vec<Vec<Part>> = chosen.collect();
        if chosen.is_empty() {
            return Ok(None);
        }
        let mut changes = Changes::new(base);
        let staged = changes.table(table)?;
        let keys = base.catalog().indexed(table);
        let mut writer = Writer::new(core, def, &keys);
        let mut from = RoaringBitmap::new();
        for run in &chosen {
            for part in run {
                let live = live_rows(part);
                from.insert(part.segment.number);
                if !writer.add(part, &live, &mut || staged.number(), goes_on)? {
                    return Ok(None);
                }
                staged.move_all(part.segment.number, live);
            }
            writer.flush(&mut || staged.number())?;
        }
        let appended = writer.done;
        sync_files(core, &appended)?;
        let into = appended.iter().map(|ready| ready.number).collect();
        let moved = Moved { table, from, into };
        Ok(Some(Self {
            base: base.clone(),
            changes,
            table,
            appended,
            moved,
        }))
    }

    /// Hands the changes out, as those of any transaction.
    pub(in crate::store) fn prepared(self) -> Option<(Snapshot, Prepared)> {
        self.changes.catalog.table(self.table)?;
        let ready = ReadyTable {
            keys: self.changes.catalog.indexed(self.table),
            appended: self.appended,
        };
        let tables = [(self.table, ready)].into();
        let changes = Arc::new(self.changes);
        Some((self.base, Prepared { changes, tables }))
    }
}

/// Rows on their way into new segments.
struct Writer<'a> {
    core: &'a Arc<Core>,
    def: &'a TableDef,
    keys: &'a Indexed,
    spill: Option<Arc<Spill>>,
    pending: Pending,
    done: Vec<Ready>,
}

type NextNumber<'a> = dyn FnMut() -> Result<u32, StoreError> + 'a;

impl<'a> Writer<'a> {
    fn new(core: &'a Arc<Core>, def: &'a TableDef, keys: &'a Indexed) -> Self {
        Self {
            core,
            def,
            keys,
            spill: None,
            pending: Pending::default(),
            done: Vec::new(),
        }
    }

    /// Adds the live rows of a segment; false if that was stopped.
    fn add(
        &mut self,
        part: &Part,
        live: &RoaringBitmap,
        next: &mut NextNumber<'_>,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, StoreError> {
        let groups = match part.segment.open(self.core)? {
            Open::Rows(rows) => vec![rows.len],
            Open::File(file) => file.groups.clone(),
        };
        let mut start = 0;
        for (group, rows) in groups.into_iter().enumerate() {
            if !goes_on(rows) {
                return Ok(false);
            }
            let inside = super::position(start)..super::position(start + rows);
            let picked: Vec<u32> = live.range(inside.clone()).map(|row| row - inside.start).collect();
            self.add_group(part, (group, start), picked, rows)?;
            if self.pending.rows() >= FLUSH_ROWS || self.pending.bytes >= FLUSH_BYTES {
                self.flush(next)?;
            }
            start += rows;
        }
        Ok(true)
    }

    fn add_group(
        &mut self,
        part: &Part,
        (group, start): (usize, usize),
        picked: Vec<u32>,
        rows: usize,
    ) -> Result<(), StoreError> {
        let mut columns = Vec::with_capacity(self.def.columns.len());
        for column in &self.def.columns {
            let array = part.segment.array(self.core, group, column)?;
            columns.push(Column::of(column, &array).map_err(StoreError::Unfit)?);
        }
        let kept = Some(self.kept(part, start, rows)?);
        let len = rows;
        let mut batch = Rows { len, columns, kept };
        if picked.len() < rows {
            batch = batch.take(&UInt32Array::from(picked)).map_err(StoreError::Unfit)?;
        }
        self.pending.push_apart(batch);
        Ok(())
    }

    /// Who some rows of a segment are.
    fn kept(&self, part: &Part, start: usize, rows: usize) -> Result<Kept, StoreError> {
        let (mut ids, mut commits) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for row in start..start + rows {
            let (id, commit) = part.segment.who(self.core, super::position(row))?;
            ids.push(id);
            commits.push(commit);
        }
        Ok(Kept {
            ids: ids.into(),
            commits: commits.into(),
        })
    }

    /// Ends a segment.
    fn flush(&mut self, next: &mut NextNumber<'_>) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut self.pending);
        if pending.rows() == 0 {
            return Ok(());
        }
        let ready = ready_rows(self.core, (self.def, self.keys), next()?, &pending, &mut self.spill)?;
        self.done.push(ready);
        Ok(())
    }
}
