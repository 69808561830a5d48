//! What a transaction has staged: rows appended, rows deleted, definitions changed.
//!
//! `changes.table(id).append(def, &batch)?` keeps the batch in memory; when some hundred thousand rows are there, they
//! become a file at once. `savepoint()` is a copy that shares all of it.
//!
//! Invariants: nothing here can be seen by others before it is committed. The address of a staged row does not change once
//! a relation has shown it. At most some 64 MB of a table's rows are in memory, fewer under a memory limit.
//!
//! Does not: check keys; a commit does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use roaring::RoaringBitmap;

use super::RowAddress;
use super::core::Core;
use super::error::CommitError;
use super::file::{self, GROUP_ROWS, NewFile};
use super::given;
use super::index::{Keys, StagedKeys, index_key, key_text};
use super::keyed::keys_of;
use super::lineage::Kept;
use super::partition::{self, PartitionKey};
use super::prepare::Prepared;
use super::publish::Publishing;
use super::reads::Reads;
use super::relies::Relies;
use super::rows::Rows;
use super::runs::{Run, Spill};
use super::segment::Segment;
use super::snapshot::Snapshot;
use crate::catalog::{Catalog, EntityId, Indexed, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::object::CommitId;
use crate::types::Value;

/// Rows in memory beyond which they become a file.
pub(super) const FLUSH_ROWS: usize = 4 * GROUP_ROWS;
/// Bytes in memory beyond which rows become a file, if memory suffices.
pub(super) const FLUSH_BYTES: usize = 64 << 20;
/// Rows in memory take this share of a memory limit, since others like them wait in front of them or are encoded behind them.
const MEMORY_SHARE: usize = 16;
/// Batches of so many rows are left as they are.
const MERGED_ROWS: usize = 1 << 14;

/// Everything that a transaction has staged.
///
/// Two transactions that create something on top of the same snapshot give it the same number, so the second to commit has
/// a conflict, and must begin anew.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The definitions as the transaction sees them.
    pub catalog: Catalog,
    /// By table.
    pub tables: BTreeMap<EntityId, TableChanges>,
    /// What the commit relies on.
    pub relies: Relies,
    /// What was read, if the commit depends on that.
    pub reads: Option<Reads>,
    /// A commit that theirs has as a further parent.
    pub merges: Option<CommitId>,
    /// There may be no commit between the base and theirs.
    pub only_on_base: bool,
    base: Snapshot,
    flush_bytes: usize,
}

impl Changes {
    /// Nothing yet.
    pub fn new(base: &Snapshot) -> Self {
        Self {
            catalog: Catalog::clone(base.catalog()),
            tables: BTreeMap::new(),
            relies: Relies::default(),
            reads: None,
            merges: None,
            only_on_base: false,
            base: base.clone(),
            flush_bytes: FLUSH_BYTES,
        }
    }

    /// Rows are to take no more than their share of so many bytes of memory, from here on.
    pub fn limit_memory(&mut self, bytes: usize) {
        self.flush_bytes = (bytes / MEMORY_SHARE).min(FLUSH_BYTES);
        for table in self.tables.values_mut() {
            table.flush_bytes = self.flush_bytes;
        }
    }

    /// The changes of a table, none at first.
    pub fn table(&mut self, table: EntityId) -> Result<&mut TableChanges, StoreError> {
        use std::collections::btree_map::Entry;
        match self.tables.entry(table) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(vacant) => {
                let mut changes = TableChanges::new(&self.base, table)?;
                changes.flush_bytes = self.flush_bytes;
                changes.indexed = self.catalog.indexed(table);
                Ok(vacant.insert(changes))
            }
        }
    }

    /// Whether a commit would change nothing.
    pub fn is_empty(&self, base: &Snapshot) -> bool {
        self.merges.is_none()
            && self.tables.values().all(TableChanges::is_empty)
            && self.catalog.changes_since(base.catalog()).is_empty()
    }

    /// The same rows on top of another snapshot, with the definitions that go with that.
    pub(super) fn on(&self, base: &Snapshot, catalog: Catalog) -> Self {
        Self {
            catalog,
            base: base.clone(),
            ..self.clone()
        }
    }

    /// The snapshot that they are on top of.
    pub fn base(&self) -> &Snapshot {
        &self.base
    }

    /// Everything encoded, as far as it can be before it is known on top of what it goes.
    pub(in crate::store) fn prepare(self: &Arc<Self>, core: &Arc<Core>) -> Result<Prepared, CommitError> {
        Prepared::new(core, Arc::clone(self))
    }

    /// A copy to return to.
    pub fn savepoint(&self) -> Self {
        self.clone()
    }
}

/// What is staged for a table.
#[derive(Clone, Debug)]
pub struct TableChanges {
    core: Arc<Core>,
    table: EntityId,
    /// Greater than the number of any segment of the snapshot.
    least: u32,
    staged: Vec<Staged>,
    /// Deleted rows by segment, committed and staged ones.
    deletes: BTreeMap<u32, Arc<RoaringBitmap>>,
    /// Segments whose rows are deleted there, and come again, all of them.
    moved: RoaringBitmap,
    truncated: bool,
    /// What the table had indexes of when the first rows were staged.
    indexed: Arc<Indexed>,
    /// Where entries of its indexes go that are many.
    spill: Option<Arc<Spill>>,
    /// Bytes in memory beyond which rows become a file.
    flush_bytes: usize,
    /// The last file that was given to the disk.
    publishing: Option<Arc<Publishing>>,
}

/// A segment to be.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub number: u32,
    pub rows: usize,
    pub body: Body,
    keys: Arc<StagedKeys>,
    /// What indexes say of the rows, if it is a file.
    runs: Option<Arc<FileRuns>>,
    /// The partition of its rows; empty if the table has none.
    pub partition: PartitionKey,
}

/// What indexes say of the rows of a file, made while the rows were in memory.
#[derive(Debug)]
struct FileRuns {
    def: TableDef,
    indexed: Arc<Indexed>,
    runs: Vec<Run>,
}

impl Staged {
    /// What indexes say of all rows, if that is known for this definition.
    pub(super) fn known_keys(&self, def: &TableDef, indexed: &Indexed) -> Option<&[Run]> {
        let known = self.runs.as_ref()?;
        (known.def == *def && *known.indexed == *indexed).then_some(&known.runs)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// In memory.
    Rows(Pending),
    /// In a file already.
    File(NewFile),
}

/// Rows in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    pub batches: Vec<Rows>,
    /// Per batch.
    found: Vec<Arc<Found>>,
    pub bytes: usize,
    /// Somebody has seen their addresses, so they must stay in order.
    exposed: Arc<AtomicBool>,
    /// The rows as a relation shows them.
    shown: Arc<OnceLock<Arc<Segment>>>,
}

/// What was found out of a batch.
#[derive(Debug, Default)]
struct Found {
    keys: StagedKeys,
    segment: OnceLock<Arc<Segment>>,
}

impl Found {
    /// The batch as a segment of its own.
    fn segment(&self, batch: &Rows) -> &Arc<Segment> {
        let made = || Arc::new(Segment::staged(0, Arc::new(batch.clone())));
        self.segment.get_or_init(made)
    }
}

impl Pending {
    /// Rows whose addresses nobody needs any more.
    pub(super) fn of(batches: Vec<Rows>) -> Self {
        Self {
            batches,
            ..Self::default()
        }
    }

    /// How many there are.
    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(|batch| batch.len).sum()
    }

    pub(super) fn is_exposed(&self) -> bool {
        self.exposed.load(Ordering::Relaxed) || self.shown.get().is_some()
    }

    /// What holds a row, and the row's place there: its batch, as putting all batches together would take longer than looking.
    fn holder(&self, row: usize) -> Option<(Arc<Segment>, usize)> {
        self.exposed.store(true, Ordering::Relaxed);
        let mut row = row;
        for (batch, found) in self.batches.iter().zip(&self.found) {
            if row < batch.len {
                return Some((Arc::clone(found.segment(batch)), row));
            }
            row -= batch.len;
        }
        None
    }
}

impl TableChanges {
    /// Nothing yet, on top of a snapshot.
    pub fn new(base: &Snapshot, table: EntityId) -> Result<Self, StoreError> {
        let core = Arc::clone(base.core());
        let least = base.state(table)?.next_segment;
        Ok(Self {
            core,
            table,
            least,
            staged: Vec::new(),
            deletes: BTreeMap::new(),
            moved: RoaringBitmap::new(),
            truncated: false,
            indexed: Arc::default(),
            spill: None,
            flush_bytes: FLUSH_BYTES,
            publishing: None,
        })
    }

    /// Whether nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.deletes.is_empty() && !self.truncated
    }

    /// Whether rows are added, and nothing is done to any.
    pub(super) fn only_appends(&self) -> bool {
        self.deletes.is_empty() && !self.truncated
    }

    /// Rows appended, and not deleted again.
    pub fn appended(&self) -> u64 {
        let live = |staged: &Staged| {
            let deleted = self.deletes.get(&staged.number).map_or(0, |deletes| deletes.len());
            staged.rows as u64 - deleted
        };
        self.staged.iter().map(live).sum()
    }

    /// Stages rows: a batch of the table's columns, in their order.
    pub fn append(&mut self, def: &TableDef, batch: &RecordBatch) -> Result<(), StoreError> {
        self.append_rows(def, Rows::of_batch(def, batch).map_err(StoreError::Unfit)?)
    }

    /// Stages rows that take the place of others, whose ids they keep; a row without an id is new. See
    /// [`super::TableSnapshot::row_ids`].
    pub fn append_updated(
        &mut self,
        def: &TableDef,
        batch: &RecordBatch,
        ids: Vec<Option<u64>>,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::of_batch(def, batch).map_err(StoreError::Unfit)?;
        if ids.len() != rows.len {
            return Err(StoreError::Unfit(format!("{} ids of {} rows", ids.len(), rows.len)));
        }
        rows.kept = ids.iter().any(Option::is_some).then(|| Kept::updated(ids));
        self.append_rows(def, rows)
    }

    /// The id of a staged row; none if it is new. The outer `None`: it is not staged.
    pub(super) fn id_of(&self, row: RowAddress) -> Option<Option<u64>> {
        let staged = self.staged.iter().find(|staged| staged.number == row.segment())?;
        let mut at = row.row() as usize;
        let kept = match &staged.body {
            Body::File(file) => file.kept.as_deref(),
            Body::Rows(pending) => pending.batches.iter().find_map(|batch| {
                let here = at < batch.len;
                if !here {
                    at -= batch.len;
                }
                here.then_some(batch.kept.as_ref())
            })?,
        };
        Some(kept.and_then(|kept| kept.of(at).0))
    }

    pub(super) fn append_rows(&mut self, def: &TableDef, rows: Rows) -> Result<(), StoreError> {
        let mut rest = rows;
        while rest.len > 0 {
            let (part, left) = rest.split(GROUP_ROWS);
            if def.partition_by.is_empty() {
                self.push(def, PartitionKey::default(), part)?;
            } else {
                for (key, rows) in partition::split(def, part).map_err(StoreError::Unfit)? {
                    self.push(def, key, rows)?;
                }
            }
            rest = left;
        }
        Ok(())
    }

    fn push(&mut self, def: &TableDef, partition: PartitionKey, rows: Rows) -> Result<(), StoreError> {
        let last = self.staged.iter().rposition(|staged| staged.partition == partition);
        let fits = |staged: &Staged| match &staged.body {
            Body::Rows(pending) => pending.batches.last().is_none_or(|batch| batch.has_columns_of(&rows)),
            Body::File(_) => false,
        };
        let at = match last.filter(|at| self.staged.get(*at).is_some_and(fits)) {
            Some(at) => at,
            None => {
                self.staged.push(Staged {
                    number: self.core.number(self.table, self.least)?,
                    rows: 0,
                    body: Body::Rows(Pending::default()),
                    keys: Arc::default(),
                    runs: None,
                    partition,
                });
                self.staged.len() - 1
            }
        };
        let Some(Staged {
            rows: count,
            body: Body::Rows(pending),
            ..
        }) = self.staged.get_mut(at)
        else {
            return Ok(());
        };
        *count += rows.len;
        pending.push(rows)?;
        if *count >= FLUSH_ROWS || pending.bytes >= self.flush_bytes {
            return self.flush(def, at);
        }
        match def.partition_by.is_empty() {
            true => Ok(()),
            false => self.bound_partitions(def),
        }
    }

    /// Writes the largest of the partitions in memory to files, until what is left is no more than a table without any has.
    fn bound_partitions(&mut self, def: &TableDef) -> Result<(), StoreError> {
        loop {
            let sizes = self
                .staged
                .iter()
                .enumerate()
                .filter_map(|(at, staged)| match &staged.body {
                    Body::Rows(pending) => Some((pending.bytes, at)),
                    Body::File(_) => None,
                });
            let (total, largest) = sizes.fold((0, None), |(total, largest), size| {
                (total + size.0, largest.max(Some(size)))
            });
            match largest {
                Some((_, at)) if total >= self.flush_bytes => self.flush(def, at)?,
                _ => return Ok(()),
            }
        }
    }

    /// Writes a staged segment to a file.
    fn flush(&mut self, def: &TableDef, at: usize) -> Result<(), StoreError> {
        let Some(staged) = self.staged.get_mut(at) else {
            return Ok(());
        };
        if let Body::Rows(pending) = &staged.body {
            let (indexed, spill) = (&self.indexed, &mut self.spill);
            let (file, runs) = write_pending(&self.core, (def, indexed), staged.number, pending, spill)?;
            // One file goes to the disk while the rows of the next one come, not more.
            if let Some(before) = self.publishing.replace(Arc::clone(&file.publishing)) {
                before.wait()?;
            }
            staged.body = Body::File(file);
            staged.runs = Some(Arc::new(FileRuns {
                def: def.clone(),
                indexed: Arc::clone(indexed),
                runs,
            }));
        }
        Ok(())
    }

    /// Stages deletions, of rows of the snapshot or of staged ones. A row that is deleted already is left alone.
    pub fn delete(&mut self, rows: &[RowAddress]) {
        for row in rows {
            let deletes = self.deletes.entry(row.segment()).or_default();
            Arc::make_mut(deletes).insert(row.row());
        }
    }

    /// Stages that a segment goes, whose rows, which are these, come again in others.
    pub(super) fn move_all(&mut self, segment: u32, rows: RoaringBitmap) {
        self.deletes.insert(segment, Arc::new(rows));
        self.moved.insert(segment);
    }

    /// Whether all rows of a segment come again.
    pub(super) fn moves(&self, segment: u32) -> bool {
        self.moved.contains(segment)
    }

    /// Rows that are to be deleted have moved from a segment to others.
    pub(super) fn move_deletes(&mut self, from: u32, into: BTreeMap<u32, RoaringBitmap>) {
        self.deletes.remove(&from);
        for (segment, rows) in into {
            *Arc::make_mut(self.deletes.entry(segment).or_default()) |= rows;
        }
    }

    /// A number for a segment that is made outside of here.
    pub(super) fn number(&self) -> Result<u32, StoreError> {
        self.core.number(self.table, self.least)
    }

    /// Stages the deletion of all rows, staged ones too.
    pub fn truncate(&mut self) {
        self.staged.clear();
        self.deletes.clear();
        self.truncated = true;
    }

    /// Live staged rows, unless there are more than `most`.
    pub fn addresses(&self, most: usize) -> Option<Vec<RowAddress>> {
        let count: usize = self.staged.iter().map(|staged| staged.rows).sum();
        let rows = self.staged.iter().flat_map(|staged| {
            let deletes = self.deletes_of(staged.number);
            let is_live = move |row: &usize| !deletes.is_some_and(|rows| rows.contains(super::position(*row)));
            (0..staged.rows)
                .filter(is_live)
                .map(|row| RowAddress::new(staged.number, row))
        });
        (count <= most).then(|| rows.collect())
    }

    /// Whether all rows of the snapshot are deleted.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    pub(super) fn staged(&self) -> &[Staged] {
        &self.staged
    }

    pub(super) fn deletes_of(&self, segment: u32) -> Option<&RoaringBitmap> {
        self.deletes.get(&segment).map(|deletes| &**deletes)
    }

    /// Deleted rows of the snapshot.
    pub(super) fn committed_deletes(&self) -> impl Iterator<Item = (u32, &RoaringBitmap)> {
        let is_staged = |number: u32| self.staged.iter().any(|staged| staged.number == number);
        let deletes = self.deletes.iter().map(|(number, deletes)| (*number, &**deletes));
        deletes.filter(move |(number, _)| !is_staged(*number))
    }

    /// What is appended, as segments.
    pub(super) fn segments(&self) -> Result<Vec<Arc<Segment>>, StoreError> {
        self.staged.iter().map(|staged| self.shown(staged)).collect()
    }

    /// A staged segment by its number.
    pub(super) fn segment(&self, number: u32) -> Result<Option<Arc<Segment>>, StoreError> {
        let found = self.staged.iter().find(|staged| staged.number == number);
        found.map(|staged| self.shown(staged)).transpose()
    }

    /// What holds a staged row, and the row's place there.
    pub(super) fn holder(&self, row: RowAddress) -> Result<Option<(Arc<Segment>, usize)>, StoreError> {
        let Some(staged) = self.staged.iter().find(|staged| staged.number == row.segment()) else {
            return Ok(None);
        };
        let at = row.row() as usize;
        match &staged.body {
            Body::Rows(pending) if pending.shown.get().is_none() => Ok(pending.holder(at)),
            _ => Ok(Some((self.shown(staged)?, at))),
        }
    }

    fn shown(&self, staged: &Staged) -> Result<Arc<Segment>, StoreError> {
        match &staged.body {
            Body::File(file) => {
                file.publishing.wait()?;
                Ok(Arc::new(Segment::written(staged.number, staged.rows, file)))
            }
            Body::Rows(pending) => {
                if let Some(known) = pending.shown.get() {
                    return Ok(Arc::clone(known));
                }
                let rows = Rows::concat(&pending.batches).map_err(StoreError::Unfit)?;
                let segment = Arc::new(Segment::staged(staged.number, Arc::new(rows)));
                Ok(Arc::clone(pending.shown.get_or_init(|| segment)))
            }
        }
    }

    /// The staged row that has these values in a key's columns, and was not deleted again.
    pub fn find_key(&self, def: &TableDef, key: &KeyDef, values: &[Value]) -> Result<Option<RowAddress>, StoreError> {
        match index_key(values) {
            Some(wanted) => self.find_bytes(def, key, &wanted),
            None => Ok(None),
        }
    }

    /// The same for a key as an index has it.
    pub(super) fn find_bytes(
        &self,
        def: &TableDef,
        key: &KeyDef,
        wanted: &[u8],
    ) -> Result<Option<RowAddress>, StoreError> {
        for staged in self.staged.iter().rev() {
            let is_live = |row: &u32| !self.deletes_of(staged.number).is_some_and(|rows| rows.contains(*row));
            let found = match &staged.body {
                Body::Rows(pending) => pending.find(&self.core, def, key, wanted)?,
                Body::File(_) => {
                    let segment = self.shown(staged)?;
                    staged.keys.find(&self.core, def, key, &segment, wanted)?
                }
            };
            if let Some(row) = found.filter(is_live) {
                return Ok(Some(RowAddress::new(staged.number, row as usize)));
            }
        }
        Ok(None)
    }
}

impl TableChanges {
    /// The keys of the live rows that were staged after `before` was a savepoint.
    pub(super) fn keys_since(
        &self,
        def: &TableDef,
        keys: &[KeyDef],
        before: Option<&Self>,
    ) -> Result<Vec<Keys>, StoreError> {
        let mut all: Vec<Keys> = keys.iter().map(|_| Vec::new()).collect();
        for staged in &self.staged {
            let known = before.map_or(0, |before| before.rows_of(staged));
            if known == staged.rows {
                continue;
            }
            let is_new = |row: u32| {
                row as usize >= known && !self.deletes_of(staged.number).is_some_and(|rows| rows.contains(row))
            };
            let found = match &staged.body {
                Body::Rows(pending) => pending.keys_from(&self.core, def, keys, staged.number, known, &is_new)?,
                Body::File(_) => keys_of(&self.core, def, keys, &*self.shown(staged)?, &is_new, false)?,
            };
            for (all, found) in all.iter_mut().zip(found) {
                all.extend(found);
            }
        }
        Ok(all)
    }

    /// How many rows of a segment are here, at the places that they have there.
    fn rows_of(&self, other: &Staged) -> usize {
        let same = |staged: &&Staged| {
            staged.number == other.number && matches!(staged.body, Body::File(_)) == matches!(other.body, Body::File(_))
        };
        self.staged.iter().find(same).map_or(0, |staged| staged.rows)
    }

    /// The values of a staged row's key, for messages.
    pub(super) fn key_text(&self, def: &TableDef, key: &KeyDef, row: RowAddress) -> Result<String, StoreError> {
        match self.segment(row.segment())? {
            Some(segment) => key_text(&self.core, def, key, &segment, row.row()),
            None => Ok(String::new()),
        }
    }

    /// Deleted rows by segment.
    pub(super) fn deletes_by_segment(&self) -> &BTreeMap<u32, Arc<RoaringBitmap>> {
        &self.deletes
    }
}

impl Pending {
    /// The keys of some of the rows from a position on.
    fn keys_from(
        &self,
        core: &Core,
        def: &TableDef,
        keys: &[KeyDef],
        number: u32,
        from: usize,
        wanted: &dyn Fn(u32) -> bool,
    ) -> Result<Vec<Keys>, StoreError> {
        let mut all: Vec<Keys> = keys.iter().map(|_| Vec::new()).collect();
        let mut start = 0;
        for batch in &self.batches {
            let (first, end) = (super::position(start), start + batch.len);
            start = end;
            if end <= from {
                continue;
            }
            if let Some(given) = given::key_columns(batch, def, keys) {
                for (all, columns) in all.iter_mut().zip(&given) {
                    all.extend(given::keys(columns, batch.len, (number, first), wanted));
                }
                continue;
            }
            let segment = Segment::staged(number, Arc::new(batch.clone()));
            let found = keys_of(core, def, keys, &segment, &|row| wanted(first + row), false)?;
            for (all, found) in all.iter_mut().zip(found) {
                all.extend(found.into_iter().map(|(key, mut located)| {
                    let row = first + located.address.row();
                    located.address = RowAddress::new(number, row as usize);
                    (key, located)
                }));
            }
        }
        Ok(all)
    }

    /// The last row that has a key.
    fn find(&self, core: &Core, def: &TableDef, key: &KeyDef, wanted: &[u8]) -> Result<Option<u32>, StoreError> {
        let mut end: usize = self.batches.iter().map(|batch| batch.len).sum();
        for (batch, found) in self.batches.iter().zip(&self.found).rev() {
            end -= batch.len;
            if let Some(row) = found.keys.find(core, def, key, found.segment(batch), wanted)? {
                return Ok(Some(super::position(end) + row));
            }
        }
        Ok(None)
    }

    /// Adds rows that nobody looks at before they are written: whoever writes them puts them together.
    pub(super) fn push_apart(&mut self, rows: Rows) {
        self.exposed = Arc::new(AtomicBool::new(self.is_exposed()));
        self.shown = Arc::default();
        self.bytes += rows.bytes();
        self.batches.push(rows);
        self.found.push(Arc::default());
    }

    /// Adds rows. Small batches of about the same size are put together, so that there are never many.
    pub(super) fn push(&mut self, rows: Rows) -> Result<(), StoreError> {
        self.push_apart(rows);
        while let [.., before, last] = self.batches.as_slice()
            && before.len <= 2 * last.len
            && before.len + last.len <= MERGED_ROWS
        {
            let both = Rows::concat(&[before.clone(), last.clone()]).map_err(StoreError::Unfit)?;
            self.batches.truncate(self.batches.len() - 2);
            self.found.truncate(self.batches.len());
            self.batches.push(both);
            self.found.push(Arc::default());
        }
        Ok(())
    }
}

/// Writes rows to a file, in the table's order if it has one and nobody has seen them yet; and makes what indexes say of them.
pub(super) fn write_pending(
    core: &Arc<Core>,
    (def, indexed): (&TableDef, &Indexed),
    number: u32,
    pending: &Pending,
    spill: &mut Option<Arc<Spill>>,
) -> Result<(NewFile, Vec<Run>), StoreError> {
    let sorted;
    let rows = if def.sort_by.is_empty() || pending.is_exposed() {
        pending.batches.as_slice()
    } else {
        let rows = Rows::concat(&pending.batches).map_err(StoreError::Unfit)?;
        sorted = [rows.sorted(&def.sort_by).map_err(StoreError::Unfit)?];
        &sorted
    };
    let (file, runs) = std::thread::scope(|scope| {
        let runs = scope.spawn(|| indexed.runs_in(core, def, number, rows, spill));
        let file = file::write(core, def, rows);
        (file, runs.join())
    });
    let lost = || StoreError::Unfit("the thread that makes keys has failed".into());
    Ok((file?, runs.map_err(|_| lost())??))
}
