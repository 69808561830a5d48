//! From staged changes to a commit: on top of whatever is newest.
//!
//! A transaction began at commit 10 and deleted row 3 of segment 4; meanwhile commit 11 appended a segment and commit 12
//! deleted row 9 of segment 4. Its commit becomes 13: the tree of 12, with both rows deleted. Had 12 deleted row 3, it would
//! be a [`Conflict`].
//!
//! Rows are encoded, and files written, before the lock is taken; under it trees are edited, in memory; outside of it again
//! the commit is waited for, together with others.
//!
//! Invariants: what was appended never collides. A row is deleted once. An entity is changed by one of two transactions
//! that run side by side. A key is there once.
//!
//! Does not: retry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashSet;
use roaring::RoaringBitmap;

use super::RowAddress;
use super::changes::{Changes, TableChanges};
use super::core::{Core, malformed};
use super::entry::{
    NEXT_ENTITY, Origin, Place, SegmentEntry, TableState, entity_key, segment_key, segment_of_key, segments_prefix,
    state_key, write_entity,
};
use super::error::{About, CommitError, Conflict, ConflictOn};
use super::index::{IndexChanges, Refused, all_but, key_text, update};
use super::keyed::{same_hashes, same_keys};
use super::lineage::Lineage;
use super::moved::Moves;
use super::prepare::{Prepared, Ready, ReadyTable};
use super::reads::Stale;
use super::relies::same_rows;
use super::runs::{Run, Spill};
use super::segment::Segment;
use super::snapshot::{ChangedSegments, Snapshot, load_deletes, read_deletes};
use crate::catalog::{Catalog, Entity, EntityId, Entry, Indexed, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::object::{CommitId, Kind, NewObject, ObjectId};
use crate::store::timeline::Draft;
use crate::store::tree::{self, Edit, Tree};
use crate::store::wire::{Malformed, write_varint};

/// Commits looked at for the one that is to blame for a conflict.
const BLAME_COMMITS: usize = 4096;

/// A transaction that adds more segments to a table makes a commit of its own.
const MOST_JOINED: usize = 8;

/// A longer lineage is an object of its own.
const INLINE_LINEAGE_BYTES: usize = 64;

/// A commit that is queued.
pub(in crate::store) struct Queued {
    pub snapshot: Snapshot,
    pub draft: Draft,
}

impl Prepared {
    /// The commit of some transactions on top of the newest one; each comes with the snapshot where its changes began.
    /// Several may only add rows: see [`Changes::joins`].
    pub(in crate::store) fn apply(
        members: &[(&Self, &Snapshot)],
        branch: &str,
        newest: &Snapshot,
        about: &About,
    ) -> Result<Queued, CommitError> {
        let mut applying = Applying::new(newest);
        let mut catalog = Arc::clone(newest.catalog());
        for (prepared, base) in members {
            applying.base = base;
            catalog = applying.member(prepared)?;
        }
        applying.finish(branch, catalog, about)
    }

    /// Whether it may become one commit with others like it: see [`Changes::joins`].
    pub(in crate::store) fn joins(&self, base: &Snapshot, newest: &Snapshot) -> bool {
        let is_small = |table: &ReadyTable| {
            let appended = &table.appended;
            appended.len() <= MOST_JOINED && appended.iter().all(|ready| !matches!(ready.place, Place::File(_)))
        };
        self.tables.values().all(is_small) && self.changes.joins(base, newest)
    }
}

impl Changes {
    /// Whether they may become one commit with others like them: they add rows to tables that are as they were, and depend on nothing that
    /// those change.
    pub(in crate::store) fn joins(&self, base: &Snapshot, newest: &Snapshot) -> bool {
        let only_adds = |table: &TableChanges| !table.is_truncated() && table.committed_deletes().next().is_none();
        Arc::ptr_eq(base.catalog(), newest.catalog())
            && self.catalog.changes_since(base.catalog()).is_empty()
            && self.reads.is_none()
            && self.merges.is_none()
            && !self.only_on_base
            && self.tables.values().all(only_adds)
    }
}

/// A commit being made.
struct Applying<'a> {
    core: &'a Arc<Core>,
    /// Where the changes of the transaction began that is looked at.
    base: &'a Snapshot,
    newest: &'a Snapshot,
    /// Its place in the log.
    index: u64,
    edits: Edit,
    objects: Vec<NewObject>,
    tables: BTreeMap<EntityId, Touched<'a>>,
    /// Per table, what becomes of its segments.
    segments: BTreeMap<EntityId, ChangedSegments>,
    appended: BTreeSet<(EntityId, u32)>,
    redefined: BTreeSet<EntityId>,
    /// Of the tables, afterwards.
    states: BTreeMap<EntityId, TableState>,
    merges: Option<CommitId>,
    /// Where keys of many rows are that go.
    spill: Option<Arc<Spill>>,
}

/// A table of which rows change.
struct Touched<'a> {
    def: &'a TableDef,
    keys: &'a Indexed,
    state: TableState,
    /// Of each index.
    changes: Vec<IndexChanges>,
    appended: Vec<&'a Ready>,
}

impl<'a> Touched<'a> {
    fn new(def: &'a TableDef, keys: &'a Indexed, state: TableState) -> Self {
        Self {
            def,
            keys,
            state,
            changes: keys.all.iter().map(|_| IndexChanges::default()).collect(),
            appended: Vec::new(),
        }
    }
}

impl<'a> Applying<'a> {
    fn new(newest: &'a Snapshot) -> Self {
        let core = newest.core();
        Self {
            core,
            base: newest,
            newest,
            index: core.timeline.queued_size(),
            edits: Edit::new(),
            objects: Vec::new(),
            tables: BTreeMap::new(),
            segments: BTreeMap::new(),
            appended: BTreeSet::new(),
            redefined: BTreeSet::new(),
            states: BTreeMap::new(),
            merges: None,
            spill: None,
        }
    }

    /// Takes a transaction in; the catalog with what it changes.
    fn member(&mut self, prepared: &'a Prepared) -> Result<Arc<Catalog>, CommitError> {
        let changes = &*prepared.changes;
        if changes.only_on_base && !self.is_direct() {
            let (table, by) = (String::new(), self.newest.commit_id());
            let on = ConflictOn::Branch;
            return Err(CommitError::Conflict(Conflict { table, on, by }));
        }
        self.merges = changes.merges;
        let catalog = self.catalog(&changes.catalog)?;
        if !self.is_direct()
            && let Some(table) = changes.relies.broken(self.newest)?
        {
            return Err(self.conflict(name_of(self.newest.catalog().get(table)), ConflictOn::Related, table));
        }
        if let Some(reads) = &changes.reads
            && let Some(Stale { table, row, key }) = reads.stale(self.base, self.newest)?
        {
            let name = name_of(self.newest.catalog().get(table).or(self.base.catalog().get(table)));
            return Err(self.conflict(name, ConflictOn::Read { row, key }, table));
        }
        for (id, table) in &prepared.tables {
            if let (Some(def), Some(changes)) = (changes.catalog.table(*id), changes.tables.get(id)) {
                self.table(*id, def, (table, changes), &catalog)?;
            }
        }
        for id in self.redefined.clone() {
            if let Some(def) = catalog.table(id)
                && !prepared.tables.contains_key(&id)
            {
                self.new_keys(id, def, &catalog.indexed(id))?;
            }
        }
        Ok(catalog)
    }

    fn is_direct(&self) -> bool {
        self.base.commit_id() == self.newest.commit_id()
    }

    /// The newest catalog, with what was changed.
    fn catalog(&mut self, changed: &Catalog) -> Result<Arc<Catalog>, CommitError> {
        let (base, newest) = (self.base.catalog(), self.newest.catalog());
        let changes = changed.changes_since(base);
        if changes.is_empty() {
            return Ok(Arc::clone(newest));
        }
        // Nobody else has changed it: what the transaction made of it is what there will be.
        let mut entries = (!self.is_direct()).then(|| {
            let entries = newest.entries().map(|entry| (entry.id, entry.clone()));
            entries.collect::<BTreeMap<EntityId, Entry>>()
        });
        for (id, entry) in changes {
            if base.get(id) != newest.get(id) {
                let named = entry.or(newest.get(id)).or(base.get(id));
                return Err(self.conflict(name_of(named), ConflictOn::Definition, id));
            }
            // What the definition promises was true of the rows that the transaction saw.
            if base.table(id).is_some() && !self.is_direct() && self.rows_changed(id)? {
                return Err(self.conflict(name_of(entry.or(base.get(id))), ConflictOn::AllRows, id));
            }
            self.redefined.insert(id);
            if let Some(Entity::Index(index)) = entry.or(base.get(id)).map(|entry| &*entry.entity) {
                self.redefined.insert(index.table);
            }
            match entry {
                Some(entry) => {
                    let object = NewObject::new(Kind::CATALOG, entry.entity.encode());
                    self.edits
                        .insert(entity_key(id), Some(write_entity(&entry.schema, object.id)));
                    self.objects.push(object);
                    if let Some(entries) = &mut entries {
                        entries.insert(id, entry.clone());
                    }
                }
                None => {
                    self.edits.insert(entity_key(id), None);
                    if let Some(entries) = &mut entries {
                        entries.remove(&id);
                    }
                    self.drop_table(id)?;
                }
            }
        }
        let next = changed.next_id().max(newest.next_id());
        let mut value = Vec::new();
        write_varint(&mut value, next);
        self.edits.insert(NEXT_ENTITY.to_vec(), Some(value));
        let Some(entries) = entries else {
            let mut catalog = changed.clone();
            catalog.reserve(next);
            return Ok(Arc::new(catalog));
        };
        self.check_dependants(changed)?;
        self.check_names(&entries)?;
        Ok(Arc::new(Catalog::new(entries.into_values(), next)))
    }

    /// One of two transactions may have redefined what the other has made something of, which was checked against what was there before.
    fn check_dependants(&self, changed: &Catalog) -> Result<(), CommitError> {
        let (base, newest) = (self.base.catalog(), self.newest.catalog());
        for (ours, theirs) in [(changed, &**newest), (newest, changed)] {
            let made = ours.changes_since(base);
            for (id, entry) in theirs.changes_since(base) {
                let was = base.get(id);
                if was.is_none_or(|was| matches!(&*was.entity, Entity::Watermark(_) | Entity::Index(_))) {
                    continue;
                }
                let needing = ours.dependants(id);
                let calls = |entry: &Entry| matches!(&*entry.entity, Entity::Table(def) if was.is_some_and(|was| def.mentions(was.entity.name())));
                let user = made
                    .iter()
                    .find(|(user, now)| now.is_some_and(|now| needing.contains(user) || calls(now)));
                if let Some((user, now)) = user {
                    // What somebody else has done is to blame.
                    let (id, blamed) = match std::ptr::eq(ours, changed) {
                        true => (id, entry.or(was)),
                        false => (*user, *now),
                    };
                    return Err(self.conflict(name_of(blamed), ConflictOn::Definition, id));
                }
            }
        }
        Ok(())
    }

    /// Two transactions may have made different things of the same name.
    fn check_names(&self, entries: &BTreeMap<EntityId, Entry>) -> Result<(), CommitError> {
        let mut names = BTreeSet::new();
        for entry in entries.values() {
            if !names.insert((&*entry.schema, entry.entity.key())) {
                return Err(self.conflict(entry.entity.name().into(), ConflictOn::Name, entry.id));
            }
            // The other transaction may have dropped what this one relies on.
            if entry.entity.needs().iter().any(|needed| !entries.contains_key(needed)) {
                return Err(self.conflict(entry.entity.name().into(), ConflictOn::Definition, entry.id));
            }
        }
        Ok(())
    }

    /// Whether somebody else has changed rows of a table.
    fn rows_changed(&self, id: EntityId) -> Result<bool, StoreError> {
        Ok(!same_rows(self.base, self.newest, id)?)
    }

    fn drop_table(&mut self, id: EntityId) -> Result<(), StoreError> {
        let tree = Tree::new(&**self.core, self.newest.root());
        for entry in tree.prefix(&segments_prefix(id)) {
            self.edits.insert(entry?.0, None);
        }
        self.edits.insert(state_key(id), None);
        Ok(())
    }

    fn table(
        &mut self,
        id: EntityId,
        def: &'a TableDef,
        (table, changes): (&'a ReadyTable, &TableChanges),
        catalog: &Catalog,
    ) -> Result<(), CommitError> {
        let same_definition = self.base.catalog().get(id) == self.newest.catalog().get(id);
        if catalog.table(id).is_none() || !same_definition {
            return Err(self.conflict(def.name.clone(), ConflictOn::Definition, id));
        }
        let mut touched = match self.tables.remove(&id) {
            Some(touched) => touched,
            None => Touched::new(def, &table.keys, TableState::clone(&*self.newest.state(id)?)),
        };
        if changes.is_truncated() {
            self.truncate(id, def, &mut touched.state)?;
        }
        for (number, deletes) in &self.deleted(id, def, changes)? {
            let segment = self.delete(id, def, *number, deletes, &mut touched.state)?;
            // Keys that come again need not be known: where they led to says which entries go.
            let by_place = if changes.moves(*number) { table.keys.keys } else { 0 };
            let (unique, others) = touched.changes.split_at_mut(by_place);
            for changes in unique {
                changes.moved.insert(*number);
            }
            let (spill, keys) = (&mut self.spill, table.keys.from(by_place));
            for (changes, removed) in others
                .iter_mut()
                .zip(keys.runs_of(self.core, def, &segment, deletes, spill)?)
            {
                changes.removed.push(removed);
            }
        }
        for ready in &table.appended {
            self.append(id, ready, &mut touched.state)?;
            for (changes, added) in touched.changes.iter_mut().zip(&ready.keys) {
                changes.added.push(added.clone());
            }
            touched.appended.push(ready);
        }
        self.tables.insert(id, touched);
        Ok(())
    }

    /// Rows that are to be deleted, where they are now: a compaction may have moved them.
    fn deleted(
        &self,
        id: EntityId,
        def: &TableDef,
        changes: &TableChanges,
    ) -> Result<BTreeMap<u32, RoaringBitmap>, CommitError> {
        let mut all: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
        let mut moves = None;
        for (number, rows) in changes.committed_deletes() {
            if self.is_direct() || self.segment(id, number)?.is_some() {
                *all.entry(number).or_default() |= rows;
                continue;
            }
            let moves = match &moves {
                Some(moves) => moves,
                None => moves.insert(Moves::between(self.base, self.newest, id)?),
            };
            match moves.find_again(number, rows)? {
                Ok(found) => found
                    .into_iter()
                    .for_each(|(number, rows)| *all.entry(number).or_default() |= rows),
                Err(row) => return Err(self.conflict(def.name.clone(), ConflictOn::Row(row), id)),
            }
        }
        Ok(all)
    }

    /// Gives a table the roots that its indexes have after its changes.
    fn indexes(&mut self, id: EntityId, table: Touched<'_>) -> Result<(), CommitError> {
        let Touched {
            def,
            keys,
            mut state,
            changes,
            appended,
        } = table;
        let mut indexes = Vec::new();
        for ((at, key), changes) in keys.all.iter().enumerate().zip(changes) {
            let plain = at >= keys.keys;
            let known = match plain {
                false => state.index(&key.columns),
                true => state.plain_index(&key.columns),
            };
            let (root, changes) = match known.filter(|_| !self.retyped(id, def, (key, plain))) {
                Some(root) => (root, changes),
                None => {
                    let mut added = self.committed_keys(id, def, key, plain)?;
                    added.extend(changes.added);
                    let all = IndexChanges {
                        added,
                        ..IndexChanges::default()
                    };
                    (self.core.empty().id, all)
                }
            };
            let (root, nodes) = match update(self.core, root, changes) {
                Ok(updated) => updated,
                Err(Refused::Store(error)) => return Err(error.into()),
                Err(Refused::Duplicate(row)) => return Err(self.duplicate(id, (def, &appended), key, row)?),
            };
            self.objects.extend(nodes);
            // It is in no pack before somebody needs it.
            let empty = self.core.empty();
            self.objects.extend((root == empty.id).then(|| empty.clone()));
            indexes.push((key.columns.clone(), root));
        }
        state.plain = indexes.split_off(keys.keys.min(indexes.len()));
        state.indexes = indexes;
        self.edits.insert(state_key(id), Some(state.encode()));
        self.states.insert(id, state);
        Ok(())
    }

    /// Whether an index says something else of rows than it does in the newest snapshot: its keys have another form, or their hashes are
    /// of other values. Nobody asks a plain one for hashes.
    fn retyped(&self, id: EntityId, def: &TableDef, (key, plain): (&KeyDef, bool)) -> bool {
        let old = self.newest.catalog().table(id);
        let same = |old: &TableDef| same_keys(old, def, &key.columns) && (plain || same_hashes(old, def));
        old.is_some_and(|old| !same(old))
    }

    /// What an index says of the rows that were committed before, and stay.
    fn committed_keys(&self, id: EntityId, def: &TableDef, key: &KeyDef, plain: bool) -> Result<Vec<Run>, StoreError> {
        let tree = Tree::new(&**self.core, self.newest.root());
        let appended = |number: &u32| self.appended.contains(&(id, *number));
        let mut values: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for entry in tree.prefix(&segments_prefix(id)) {
            let (key, value) = entry?;
            values.extend(segment_of_key(&key).map(|number| (number, value)));
        }
        for (number, value) in self
            .segments
            .get(&id)
            .into_iter()
            .flatten()
            .filter(|(number, _)| !appended(number))
        {
            match value {
                Some(value) => drop(values.insert(*number, value.clone())),
                None => drop(values.remove(number)),
            }
        }
        let one = Indexed {
            all: vec![key.clone()],
            keys: usize::from(!plain),
        };
        let (mut found, mut spill) = (Vec::new(), None);
        for (number, value) in values {
            let entry = self.entry(&value)?;
            let deletes = match entry.deletes {
                Some((_, id)) => match self.objects.iter().find(|object| object.id == id) {
                    Some(object) => Some(read_deletes(id, &object.body)?),
                    None => load_deletes(self.core, &entry)?,
                },
                None => None,
            };
            let parts = [(Arc::new(Segment::of_entry(number, &entry)?), 0)];
            found.extend(one.runs(self.core, def, &parts, &all_but(deletes.as_ref()), &mut spill)?);
        }
        Ok(found)
    }

    fn entry(&self, value: &[u8]) -> Result<SegmentEntry, StoreError> {
        let root = self.newest.root();
        SegmentEntry::decode(value).map_err(|Malformed(what)| malformed(Kind::NODE, root, what))
    }

    /// A table whose keys changed, and whose rows did not.
    fn new_keys(&mut self, id: EntityId, def: &TableDef, keys: &Indexed) -> Result<(), CommitError> {
        let state = TableState::clone(&*self.newest.state(id)?);
        let known = state.indexes.iter().chain(&state.plain).map(|(columns, _)| columns);
        let same = state.indexes.len() == keys.keys && known.eq(keys.all.iter().map(|key| &key.columns));
        let mut all = keys.all.iter().enumerate();
        if same && !all.any(|(at, key)| self.retyped(id, def, (key, at >= keys.keys))) {
            return Ok(());
        }
        self.indexes(id, Touched::new(def, keys, state))
    }

    fn duplicate(
        &self,
        id: EntityId,
        (def, appended): (&TableDef, &[&Ready]),
        key: &KeyDef,
        row: RowAddress,
    ) -> Result<CommitError, StoreError> {
        let staged = appended.iter().find(|ready| ready.number == row.segment());
        let segment = match staged {
            Some(ready) => Some(Arc::clone(&ready.segment)),
            None => match self.segment(id, row.segment())? {
                Some((entry, _)) => Some(Arc::new(Segment::of_entry(row.segment(), &entry)?)),
                None => None,
            },
        };
        let text = segment.map(|segment| key_text(self.core, def, key, &segment, row.row()));
        Ok(CommitError::Duplicate {
            table: def.name.clone(),
            constraint: key.name.clone(),
            key: text.transpose()?.unwrap_or_default(),
        })
    }

    fn put_segment(&mut self, table: EntityId, number: u32, value: Option<Vec<u8>>) {
        self.edits.insert(segment_key(table, number), value.clone());
        self.segments.entry(table).or_default().insert(number, value);
    }

    fn truncate(&mut self, id: EntityId, def: &TableDef, state: &mut TableState) -> Result<(), CommitError> {
        let prefix = segments_prefix(id);
        let segments = |root| {
            Tree::new(&**self.core, root)
                .prefix(&prefix)
                .collect::<Result<Vec<_>, _>>()
        };
        let newest = segments(self.newest.root())?;
        if !self.is_direct() && newest != segments(self.base.root())? && !same_rows(self.base, self.newest, id)? {
            return Err(self.conflict(def.name.clone(), ConflictOn::AllRows, id));
        }
        for (key, _) in newest {
            if let Some(number) = segment_of_key(&key) {
                self.put_segment(id, number, None);
            }
        }
        state.rows = 0;
        state.indexes.clear();
        state.plain.clear();
        Ok(())
    }

    fn delete(
        &mut self,
        id: EntityId,
        def: &TableDef,
        number: u32,
        rows: &RoaringBitmap,
        state: &mut TableState,
    ) -> Result<Segment, CommitError> {
        let (entry, known) = match self.segment(id, number)? {
            Some(found) => found,
            None => {
                let row = RowAddress::new(number, rows.min().unwrap_or(0) as usize);
                return Err(self.conflict(def.name.clone(), ConflictOn::Row(row), id));
            }
        };
        let segment = Segment::of_entry(number, &entry)?;
        let known = known.unwrap_or_default();
        let gone = (&known & rows).min();
        if let Some(row) = gone {
            let on = ConflictOn::Row(RowAddress::new(number, row as usize));
            return Err(self.conflict(def.name.clone(), on, id));
        }
        if rows.max().is_some_and(|last| last as usize >= segment.rows) {
            return Err(StoreError::Unfit(format!("segment {number} has {} rows only", segment.rows)).into());
        }
        state.rows = state.rows.saturating_sub(rows.len());
        let all = known | rows;
        if all.len() == segment.rows as u64 {
            self.put_segment(id, number, None);
            return Ok(segment);
        }
        let deletes = Some(self.put_deletes(&all)?);
        let entry = SegmentEntry { deletes, ..entry };
        self.put_segment(id, number, Some(entry.encode()));
        Ok(segment)
    }

    /// A segment of the newest snapshot, and what is deleted of it.
    fn segment(
        &self,
        table: EntityId,
        number: u32,
    ) -> Result<Option<(SegmentEntry, Option<RoaringBitmap>)>, StoreError> {
        let root = self.newest.root();
        segment_at(self.core, root, table, number)
    }

    fn put_deletes(&mut self, rows: &RoaringBitmap) -> Result<(u64, ObjectId), StoreError> {
        let mut body = Vec::new();
        let written = rows.serialize_into(&mut body);
        written.map_err(|error| StoreError::Unfit(error.to_string()))?;
        let object = NewObject::new(Kind::DELETES, body);
        let id = object.id;
        self.objects.push(object);
        Ok((rows.len(), id))
    }

    fn append(&mut self, id: EntityId, ready: &Ready, state: &mut TableState) -> Result<(), StoreError> {
        let deletes = ready.deletes.as_ref().map(|rows| self.put_deletes(rows)).transpose()?;
        let inline = matches!(ready.place, Place::Inline(_));
        let entry = SegmentEntry {
            place: ready.place.clone(),
            origin: self.origin(id, ready, state)?,
            deletes,
            rows: if inline { 0 } else { ready.rows as u64 },
            bytes: ready.bytes,
            columns: ready.facts.clone(),
        };
        self.objects.extend(ready.object.clone());
        self.put_segment(id, ready.number, Some(entry.encode()));
        self.appended.insert((id, ready.number));
        state.next_segment = state.next_segment.max(ready.number.saturating_add(1));
        state.rows += ready.live_rows();
        Ok(())
    }

    /// Ids for new rows, and the lineage of all.
    fn origin(&mut self, id: EntityId, ready: &Ready, state: &mut TableState) -> Result<Origin, StoreError> {
        let rows = super::position(ready.rows);
        let are_new = ready.kept.as_ref().map_or(ready.rows, |kept| kept.new_rows());
        if are_new > 0 {
            state.next_row = self.core.first_row(id, state.next_row)?;
        }
        let lineage = self.lineage(ready, rows, state);
        self.core.rows_given(id, state.next_row);
        Ok(self.origin_of(&lineage, rows))
    }

    fn lineage(&self, ready: &Ready, rows: u32, state: &mut TableState) -> Lineage {
        match &ready.kept {
            Some(kept) => kept.resolve(&mut state.next_row, self.index),
            None => {
                let first = state.next_row;
                state.next_row += u64::from(rows);
                Lineage::plain(first, self.index)
            }
        }
    }

    fn origin_of(&mut self, lineage: &Lineage, rows: u32) -> Origin {
        if let Some((first_row, commit)) = lineage.as_plain() {
            return Origin::Plain { first_row, commit };
        }
        let bytes = lineage.encode(rows);
        if bytes.len() <= INLINE_LINEAGE_BYTES {
            return Origin::Inline {
                first_row: lineage.id(0),
                bytes: bytes.into(),
            };
        }
        let object = NewObject::new(Kind::LINEAGE, bytes);
        let id = object.id;
        self.objects.push(object);
        Origin::Object {
            first_row: lineage.id(0),
            id,
        }
    }

    fn finish(mut self, branch: &str, catalog: Arc<Catalog>, about: &About) -> Result<Queued, CommitError> {
        for (id, table) in std::mem::take(&mut self.tables) {
            self.indexes(id, table)?;
        }
        let edited = tree::edit(&**self.core, self.newest.root(), self.edits)?;
        let empty = self.core.empty();
        // Each tree is edited once, so all of its new nodes are part of it.
        let mut objects = self.objects;
        objects.extend(edited.nodes);
        objects.extend((edited.root == empty.id).then(|| empty.clone()));
        let mut seen = HashSet::with_capacity(objects.len());
        objects.retain(|object| seen.insert((object.kind, object.id)));
        let snapshot = Snapshot::new(self.core, None, edited.root, Arc::clone(&catalog));
        snapshot.adopt(self.newest, self.segments, |id| self.redefined.contains(&id));
        snapshot.has_states(self.states);
        let draft = Draft {
            schema: definitions_hash(&catalog),
            author: about.author.to_string(),
            message: about.message.to_string(),
            index: Some(self.index),
            merged: self.merges.into_iter().collect(),
            objects,
            ..Draft::new(branch, self.newest.commit_id(), edited.root)
        };
        Ok(Queued { snapshot, draft })
    }

    /// A conflict, and the first commit after the base that is to blame for it.
    fn conflict(&self, table: String, on: ConflictOn, id: EntityId) -> CommitError {
        let by = self.blame(&on, id).unwrap_or_default();
        CommitError::Conflict(Conflict { table, on, by })
    }

    fn blame(&self, on: &ConflictOn, id: EntityId) -> Result<Option<CommitId>, StoreError> {
        let Some(newest) = self.newest.commit_id() else {
            return Ok(None);
        };
        let mut blamed = None;
        let mut after: Option<(CommitId, Option<Vec<u8>>)> = None;
        for found in self.core.timeline.first_parents(newest).take(BLAME_COMMITS) {
            let (commit, record) = found?;
            let now = self.fingerprint(record.root, on, id)?;
            if let Some((later, value)) = &after
                && *value != now
            {
                blamed = Some(*later);
            }
            if Some(commit) == self.base.commit_id() {
                return Ok(blamed);
            }
            after = Some((commit, now));
        }
        Ok(blamed.or(after.map(|(commit, _)| commit)))
    }

    /// What a conflict is about, as of some root.
    fn fingerprint(&self, root: ObjectId, on: &ConflictOn, id: EntityId) -> Result<Option<Vec<u8>>, StoreError> {
        match on {
            ConflictOn::Row(row) | ConflictOn::Read { row: Some(row), .. } => {
                let found = segment_at(self.core, root, id, row.segment())?;
                let live = found.is_some_and(|(_, deletes)| !deletes.is_some_and(|rows| rows.contains(row.row())));
                Ok(live.then(Vec::new))
            }
            ConflictOn::Branch => Ok(None),
            ConflictOn::AllRows | ConflictOn::Related => Tree::new(&**self.core, root).get(&state_key(id)),
            ConflictOn::Definition | ConflictOn::Name | ConflictOn::Read { row: None, .. } => {
                Tree::new(&**self.core, root).get(&entity_key(id))
            }
        }
    }
}

pub(super) fn segment_at(
    core: &Core,
    root: ObjectId,
    table: EntityId,
    number: u32,
) -> Result<Option<(SegmentEntry, Option<RoaringBitmap>)>, StoreError> {
    let Some(value) = Tree::new(core, root).get(&segment_key(table, number))? else {
        return Ok(None);
    };
    let entry = SegmentEntry::decode(&value).map_err(|Malformed(what)| malformed(Kind::NODE, root, what))?;
    let deletes = load_deletes(core, &entry)?;
    Ok(Some((entry, deletes)))
}

fn name_of(entry: Option<&Entry>) -> String {
    entry.map_or_else(String::new, |entry| entry.entity.name().into())
}

/// The hash that stands for all definitions.
fn definitions_hash(catalog: &Catalog) -> ObjectId {
    let hash = |catalog: &Catalog| {
        let mut all = Vec::new();
        for entry in catalog.entries() {
            all.extend(entry.id.0.to_le_bytes());
            let definition = catalog.hash_of(entry, |entity| ObjectId::of(Kind::CATALOG, &entity.encode()).0);
            all.extend(write_entity(&entry.schema, ObjectId(definition)));
        }
        ObjectId::of(Kind::CATALOG, &all).0
    };
    ObjectId(catalog.hash(hash))
}
