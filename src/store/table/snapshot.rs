//! A database as of one commit, and a table of it.
//!
//! `snapshot.table(id)?.relation(None)?` is what a scan reads; `relation(Some(&changes))` shows what a transaction has
//! staged as well.
//!
//! Invariants: a snapshot never changes. The catalog is read when it is made; a table's segments when they are first asked
//! for.
//!
//! Does not: follow a branch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use roaring::RoaringBitmap;

use super::RowAddress;
use super::changes::TableChanges;
use super::core::{Core, Opened, lock, malformed};
use super::entry::{
    ENTITIES, NEXT_ENTITY, SegmentEntry, TableState, entity_of_key, read_entity, segment_key, segment_of_key,
    segments_prefix, state_key,
};
use super::index::{KeyRange, find, find_range, index_key, key_text};
use super::keyed::same_keys;
use super::plan::{Plan, natural_plans};
use super::relation::{Part, TableRelation, fields};
use super::segment::{Deletes, Segment};
use crate::catalog::{Catalog, ColumnNo, Entity, EntityId, Entry, KeyDef, TableDef};
use crate::formats::Relation;
use crate::store::StoreError;
use crate::store::object::{CommitId, Kind, ObjectId, ReadObjects};
use crate::store::tree::Tree;
use crate::store::wire::{Malformed, Reader};
use crate::types::{Field, Value};

/// A database as of a commit.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    commit: Option<CommitId>,
    root: ObjectId,
    catalog: Arc<Catalog>,
    /// While this is there, what the commit leads to is kept.
    _opened: Option<Opened>,
    /// Tables that were asked for.
    tables: Mutex<HashMap<EntityId, Arc<TableSnapshot>>>,
    /// How tables changed that nobody asked for since.
    planned: Mutex<HashMap<EntityId, Arc<Planned>>>,
    /// States of tables that were written, or asked for.
    states: Mutex<HashMap<EntityId, Arc<TableState>>>,
}

/// A table of a snapshot before, and how it changed since: a list that each commit adds to, sharing the rest.
#[derive(Debug)]
struct Planned {
    older: Arc<TableSnapshot>,
    changed: ChangedSegments,
    before: Option<Arc<Planned>>,
    /// Segments in all of the list.
    segments: usize,
}

impl Planned {
    fn new(older: &Arc<TableSnapshot>, changed: ChangedSegments, before: Option<&Arc<Planned>>) -> Arc<Self> {
        Arc::new(Self {
            older: Arc::clone(older),
            segments: changed.len() + before.map_or(0, |before| before.segments),
            changed,
            before: before.cloned(),
        })
    }

    /// What became of segments in the end.
    fn changed(&self) -> ChangedSegments {
        let mut all = self.changed.clone();
        let mut before = self.before.as_deref();
        while let Some(earlier) = before {
            for (number, entry) in &earlier.changed {
                all.entry(*number).or_insert_with(|| entry.clone());
            }
            before = earlier.before.as_deref();
        }
        all
    }
}

/// Changed segments beyond which a table is loaded anew.
const MAX_PLANNED: usize = 1000;

/// What became of segments: their entries, or nothing.
pub(super) type ChangedSegments = BTreeMap<u32, Option<Vec<u8>>>;

impl Snapshot {
    /// What a commit's root leads to; nothing, without one.
    pub(in crate::store) fn load(core: &Arc<Core>, commit: Option<CommitId>) -> Result<Self, StoreError> {
        let root = match commit {
            Some(id) => core.timeline.commit_record(id)?.root,
            None => core.empty().id,
        };
        let catalog = Arc::new(load_catalog(core, root)?);
        Ok(Self::new(core, commit, root, catalog))
    }

    pub(super) fn new(core: &Arc<Core>, commit: Option<CommitId>, root: ObjectId, catalog: Arc<Catalog>) -> Self {
        Self(Arc::new(Inner {
            core: Arc::clone(core),
            commit,
            root,
            catalog,
            _opened: commit.map(|commit| Opened::new(core, commit)),
            tables: Mutex::default(),
            planned: Mutex::default(),
            states: Mutex::default(),
        }))
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(super) fn root(&self) -> ObjectId {
        self.0.root
    }

    /// The same, now that it has an id.
    pub(in crate::store) fn committed(self, commit: CommitId) -> Self {
        let tables = std::mem::take(&mut *lock(&self.0.tables));
        let planned = std::mem::take(&mut *lock(&self.0.planned));
        let named = Self::new(&self.0.core, Some(commit), self.0.root, Arc::clone(&self.0.catalog));
        *lock(&named.0.tables) = tables;
        *lock(&named.0.planned) = planned;
        *lock(&named.0.states) = std::mem::take(&mut *lock(&self.0.states));
        named
    }

    /// A table's state.
    pub(super) fn state(&self, table: EntityId) -> Result<Arc<TableState>, StoreError> {
        if let Some(known) = lock(&self.0.states).get(&table) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(load_state(&self.0.core, self.0.root, table)?);
        lock(&self.0.states).insert(table, Arc::clone(&found));
        Ok(found)
    }

    /// What is known of tables' states because they were just written.
    pub(super) fn has_states(&self, states: impl IntoIterator<Item = (EntityId, TableState)>) {
        let states = states.into_iter().map(|(id, state)| (id, Arc::new(state)));
        lock(&self.0.states).extend(states);
    }

    /// Takes over what is known of tables: all of it where they are the same in both, what became of their segments where
    /// they are not, for when they are asked for. Tables that were redefined start anew.
    pub(super) fn adopt(
        &self,
        older: &Snapshot,
        mut changed: BTreeMap<EntityId, ChangedSegments>,
        redefined: impl Fn(EntityId) -> bool,
    ) {
        let (known, planned) = (lock(&older.0.tables), lock(&older.0.planned));
        let (mut tables, mut plans) = (lock(&self.0.tables), lock(&self.0.planned));
        for (id, table) in known.iter().filter(|(id, _)| !redefined(**id)) {
            match changed.remove(id) {
                None => drop(tables.insert(*id, Arc::clone(table))),
                Some(changes) => drop(plans.insert(*id, Planned::new(table, changes, None))),
            }
        }
        for (id, before) in planned.iter().filter(|(id, _)| !redefined(**id)) {
            match changed.remove(id) {
                None => drop(plans.insert(*id, Arc::clone(before))),
                Some(now) if before.segments + now.len() <= MAX_PLANNED => {
                    plans.insert(*id, Planned::new(&before.older, now, Some(before)));
                }
                // A thousand commits that nobody reads cost more than one look at the tree.
                Some(_) => {}
            }
        }
    }

    /// The commit; none in an empty database.
    pub fn commit_id(&self) -> Option<CommitId> {
        self.0.commit
    }

    /// The place of its commit in the log; none in an empty database.
    pub(super) fn index(&self) -> Result<Option<u64>, StoreError> {
        let place = self.0.commit.map(|commit| self.0.core.timeline.place(commit));
        Ok(place.transpose()?.map(|place| place.index))
    }

    /// All definitions.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.0.catalog
    }

    /// A table of the catalog.
    pub fn table(&self, table: EntityId) -> Result<Arc<TableSnapshot>, StoreError> {
        if let Some(known) = lock(&self.0.tables).get(&table) {
            return Ok(Arc::clone(known));
        }
        let def = self.0.catalog.table(table).ok_or(StoreError::NoTable(table.0))?;
        let found = self.table_as(table, def)?;
        let planned = lock(&self.0.planned).remove(&table);
        if let Some(planned) = planned {
            found.follow(&planned.older, &planned.changed())?;
        }
        lock(&self.0.tables).insert(table, Arc::clone(&found));
        Ok(found)
    }

    /// A table's rows under another definition, such as one that a transaction has changed or just made. Indexes in which the keys of
    /// that would be others are left out.
    pub fn table_as(&self, table: EntityId, def: &TableDef) -> Result<Arc<TableSnapshot>, StoreError> {
        let mut state = TableState::clone(&*self.state(table)?);
        if let Some(known) = self.0.catalog.table(table).filter(|known| *known != def) {
            let is_same = |(columns, _): &(Vec<ColumnNo>, ObjectId)| same_keys(known, def, columns);
            state.indexes.retain(is_same);
            state.plain.retain(is_same);
        }
        Ok(Arc::new(TableSnapshot {
            core: Arc::clone(&self.0.core),
            id: table,
            def: def.clone(),
            root: self.0.root,
            state,
            parts: OnceLock::new(),
            relation: OnceLock::new(),
            natural: OnceLock::new(),
        }))
    }
}

/// The catalog of a snapshot tree.
fn load_catalog(core: &Core, root: ObjectId) -> Result<Catalog, StoreError> {
    let tree = Tree::new(core, root);
    let mut entries = Vec::new();
    for entry in tree.prefix(&ENTITIES) {
        let (key, value) = entry?;
        let failed = |what: &str| malformed(Kind::NODE, root, what);
        let id = entity_of_key(&key).ok_or_else(|| failed("an entity's key is malformed"))?;
        let (schema, object) = read_entity(&value).map_err(|Malformed(what)| failed(what))?;
        let body = core.read(Kind::CATALOG, object)?;
        let entity = Entity::decode(&body).map_err(|error| malformed(Kind::CATALOG, object, error.to_string()))?;
        entries.push(Entry {
            id,
            schema: schema.into(),
            entity: Arc::new(entity),
        });
    }
    let next_id = match tree.get(NEXT_ENTITY)? {
        Some(value) => Reader::new(&value)
            .varint()
            .map_err(|Malformed(what)| malformed(Kind::NODE, root, what))?,
        None => 0,
    };
    Ok(Catalog::new(entries, next_id))
}

/// A table's state; an empty one, if nothing was written to it.
pub(super) fn load_state(core: &Core, root: ObjectId, table: EntityId) -> Result<TableState, StoreError> {
    match Tree::new(core, root).get(&state_key(table))? {
        Some(value) => TableState::decode(&value).map_err(|Malformed(what)| malformed(Kind::NODE, root, what)),
        None => Ok(TableState::default()),
    }
}

/// A table as of a commit.
#[derive(Debug)]
pub struct TableSnapshot {
    pub(super) core: Arc<Core>,
    pub(super) id: EntityId,
    pub(super) def: TableDef,
    pub(super) root: ObjectId,
    pub(super) state: TableState,
    parts: OnceLock<Vec<Part>>,
    /// Without anything staged.
    relation: OnceLock<Arc<dyn Relation>>,
    /// How the columns of some rows only are laid out.
    natural: OnceLock<Vec<Plan>>,
}

impl TableSnapshot {
    /// Rows that are not deleted.
    pub fn rows(&self) -> u64 {
        self.state.rows
    }

    /// Rows that are not deleted, with what is staged.
    pub fn live_rows(&self, staged: Option<&TableChanges>) -> Result<u64, StoreError> {
        let Some(staged) = staged else {
            return Ok(self.rows());
        };
        if staged.is_truncated() {
            return Ok(staged.appended());
        }
        let mut gone = 0;
        for (number, rows) in staged.committed_deletes() {
            let known = self.part(None, number)?.and_then(|part| part.deletes);
            gone += rows.len() - known.map_or(0, |known| known.intersection_len(rows));
        }
        Ok((self.rows() + staged.appended()).saturating_sub(gone))
    }

    /// Bytes of its segments, as they are stored or held.
    pub fn bytes(&self, staged: Option<&TableChanges>) -> Result<u64, StoreError> {
        let mut bytes = 0;
        if !staged.is_some_and(TableChanges::is_truncated) {
            bytes += self.parts()?.iter().map(|part| part.segment.bytes).sum::<u64>();
        }
        for segment in staged.map(TableChanges::segments).transpose()?.unwrap_or_default() {
            bytes += segment.bytes;
        }
        Ok(bytes)
    }

    /// Its definition.
    pub fn definition(&self) -> &TableDef {
        &self.def
    }

    /// The table's columns, then the hidden ones.
    pub fn relation(&self, staged: Option<&TableChanges>) -> Result<Arc<dyn Relation>, StoreError> {
        let Some(staged) = staged.filter(|staged| !staged.is_empty()) else {
            if let Some(known) = self.relation.get() {
                return Ok(Arc::clone(known));
            }
            let mut parts = self.parts()?.to_vec();
            parts.sort_by_key(Part::place);
            let made = TableRelation::new(Arc::clone(&self.core), &self.def, parts, self.has_deletes(None)?)?;
            return Ok(Arc::clone(self.relation.get_or_init(|| Arc::new(made))));
        };
        let mut parts = match staged.is_truncated() {
            true => Vec::new(),
            false => self.parts()?.to_vec(),
        };
        for segment in staged.segments()? {
            let deletes = None;
            parts.push(Part { segment, deletes });
        }
        parts.sort_by_key(Part::place);
        for part in &mut parts {
            if let Some(more) = staged.deletes_of(part.segment.number) {
                part.deletes = Some(unite(part.deletes.take(), more));
            }
        }
        let has_deletes = self.has_deletes(Some(staged))?;
        let made = TableRelation::new(Arc::clone(&self.core), &self.def, parts, has_deletes)?;
        Ok(Arc::new(made))
    }

    /// The columns that the relation has, known before it is planned.
    pub fn fields(&self, staged: Option<&TableChanges>) -> Result<Vec<Field>, StoreError> {
        Ok(fields(&self.def, self.has_deletes(staged)?))
    }

    /// How the columns of some rows are laid out.
    pub(super) fn natural_plans(&self) -> &[Plan] {
        self.natural.get_or_init(|| natural_plans(&self.def))
    }

    /// Whether rows of some segment are deleted.
    pub(super) fn has_deletes(&self, staged: Option<&TableChanges>) -> Result<bool, StoreError> {
        if staged.is_some_and(|staged| !staged.deletes_by_segment().is_empty()) {
            return Ok(true);
        }
        let truncated = staged.is_some_and(TableChanges::is_truncated);
        Ok(!truncated && self.parts()?.iter().any(|part| part.deletes.is_some()))
    }

    /// Some rows only, live ones of the snapshot or staged ones: what a look-up by key reads. It has the columns of the relation
    /// of all rows, which are `fields`.
    pub fn relation_of(
        &self,
        staged: Option<&TableChanges>,
        rows: &[RowAddress],
        fields: &[Field],
    ) -> Result<Arc<dyn Relation>, StoreError> {
        let mut wanted: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for row in rows {
            wanted.entry(row.segment()).or_default().push(row.row() as usize);
        }
        let mut picked = Vec::new();
        for (number, mut rows) in wanted {
            rows.sort_unstable();
            rows.dedup();
            let Some(part) = self.part(staged, number)? else {
                continue;
            };
            let mine = part.deletes.as_deref();
            let staged = staged.and_then(|staged| staged.deletes_of(number));
            let is_live = |row: &usize| {
                let row = super::position(*row);
                !mine.is_some_and(|rows| rows.contains(row)) && !staged.is_some_and(|rows| rows.contains(row))
            };
            rows.retain(|row| *row < part.segment.rows && is_live(row));
            picked.push((part, rows));
        }
        let plans = self.natural_plans().to_vec();
        let made = TableRelation::of_rows(Arc::clone(&self.core), &self.def, plans, fields, picked)?;
        Ok(Arc::new(made))
    }

    /// The ids of rows, live or not, of the snapshot or staged; none for rows that are not committed.
    pub fn row_ids(&self, staged: Option<&TableChanges>, rows: &[RowAddress]) -> Result<Vec<Option<u64>>, StoreError> {
        let mut ids = Vec::with_capacity(rows.len());
        let mut last: Option<(u32, Option<Part>)> = None;
        for row in rows {
            if let Some(id) = staged.and_then(|staged| staged.id_of(*row)) {
                ids.push(id);
                continue;
            }
            let part = match last.take_if(|(number, _)| *number == row.segment()) {
                Some((_, part)) => part,
                None => self.part(None, row.segment())?,
            };
            ids.push(match &part {
                Some(part) => part.segment.who(&self.core, row.row())?.0,
                None => None,
            });
            last = Some((row.segment(), part));
        }
        Ok(ids)
    }

    /// A segment by its number, found in the tree if the others were not asked for yet.
    pub(super) fn part(&self, staged: Option<&TableChanges>, number: u32) -> Result<Option<Part>, StoreError> {
        if let Some(segment) = staged.map(|staged| staged.segment(number)).transpose()?.flatten() {
            let deletes = None;
            return Ok(Some(Part { segment, deletes }));
        }
        if staged.is_some_and(TableChanges::is_truncated) {
            return Ok(None);
        }
        if let Some(known) = self.parts.get() {
            let found = known.binary_search_by_key(&number, |part| part.segment.number);
            return Ok(found.ok().and_then(|index| known.get(index)).cloned());
        }
        let key = segment_key(self.id, number);
        let value = Tree::new(&*self.core, self.root).get(&key)?;
        value
            .map(|value| load_part(&self.core, self.root, &key, &value))
            .transpose()
    }

    /// The row that has these values in a key's columns; none if one of them is NULL, or the table has no such key.
    pub fn find_key(&self, key: &KeyDef, values: &[Value]) -> Result<Option<RowAddress>, StoreError> {
        let (Some(root), Some(bytes)) = (self.state.index(&key.columns), index_key(values)) else {
            return Ok(None);
        };
        Ok(find(&*self.core, root, &bytes)?.map(|located| located.address))
    }

    /// Whether it has a segment of this number.
    pub(super) fn has_segment(&self, number: u32) -> Result<bool, StoreError> {
        Ok(self.part(None, number)?.is_some())
    }

    /// The values of a row's key, for messages.
    pub(super) fn key_text(&self, key: &KeyDef, row: RowAddress) -> Result<String, StoreError> {
        match self.part(None, row.segment())? {
            Some(part) => key_text(&self.core, &self.def, key, &part.segment, row.row()),
            None => Ok(String::new()),
        }
    }

    /// Whether a key's columns, or those of a plain index, have an index here.
    pub fn has_index(&self, columns: &[ColumnNo]) -> bool {
        self.state.index(columns).is_some() || self.state.plain_index(columns).is_some()
    }

    /// Rows of the snapshot whose values in the first columns of an index are these, and whose value in the next one lies in
    /// a range; in the order of the index, unless there are more than `most`. They may be more than those: values that are
    /// very long are cut off.
    pub fn find_rows(
        &self,
        columns: &[ColumnNo],
        range: &KeyRange,
        most: usize,
    ) -> Result<Option<Vec<RowAddress>>, StoreError> {
        let (root, plain) = match (self.state.index(columns), self.state.plain_index(columns)) {
            (Some(root), _) => (root, false),
            (None, Some(root)) => (root, true),
            (None, None) => return Ok(None),
        };
        match range.bytes(plain) {
            Some((low, high)) => find_range(
                &*self.core,
                root,
                low.as_ref().map(Vec::as_slice),
                high.as_ref().map(Vec::as_slice),
                most,
            ),
            None => Ok(Some(Vec::new())),
        }
    }

    /// All segments, in the order of their numbers.
    pub(super) fn parts(&self) -> Result<&[Part], StoreError> {
        if let Some(known) = self.parts.get() {
            return Ok(known);
        }
        let mut parts = Vec::new();
        for entry in Tree::new(&*self.core, self.root).prefix(&segments_prefix(self.id)) {
            let (key, value) = entry?;
            parts.push(load_part(&self.core, self.root, &key, &value)?);
        }
        Ok(self.parts.get_or_init(|| parts))
    }

    /// Shares the segments that an older snapshot of the table has loaded.
    pub(super) fn follow(&self, older: &TableSnapshot, changed: &ChangedSegments) -> Result<(), StoreError> {
        let Some(known) = older.parts.get() else {
            return Ok(());
        };
        let kept = known.iter().filter(|part| !changed.contains_key(&part.segment.number));
        let mut parts: Vec<Part> = kept.cloned().collect();
        for (number, value) in changed {
            if let Some(value) = value {
                let key = segment_key(self.id, *number);
                let mut part = load_part(&self.core, self.root, &key, value)?;
                let same = known.binary_search_by_key(number, |part| part.segment.number).ok();
                if let Some(same) = same.and_then(|index| known.get(index)) {
                    part.segment = Arc::clone(&same.segment);
                }
                parts.push(part);
            }
        }
        parts.sort_by_key(|part| part.segment.number);
        self.parts.get_or_init(|| parts);
        Ok(())
    }
}

/// A segment as an entry of the tree has it.
pub(super) fn load_part(core: &Core, root: ObjectId, key: &[u8], value: &[u8]) -> Result<Part, StoreError> {
    let failed = |what: &'static str| malformed(Kind::NODE, root, what);
    let number = segment_of_key(key).ok_or_else(|| failed("a segment's key is malformed"))?;
    let entry = SegmentEntry::decode(value).map_err(|Malformed(what)| failed(what))?;
    let segment = Arc::new(Segment::of_entry(number, &entry)?);
    let deletes = load_deletes(core, &entry)?.map(Arc::new);
    Ok(Part { segment, deletes })
}

/// What is deleted of a segment.
pub(super) fn load_deletes(core: &Core, entry: &SegmentEntry) -> Result<Option<RoaringBitmap>, StoreError> {
    let Some((count, id)) = entry.deletes else {
        return Ok(None);
    };
    let deletes = read_deletes(id, &core.read(Kind::DELETES, id)?)?;
    if deletes.len() != count {
        let what = "it does not have as many rows as its segment says";
        return Err(malformed(Kind::DELETES, id, what));
    }
    Ok(Some(deletes))
}

/// A DELETES object.
pub(super) fn read_deletes(id: ObjectId, body: &[u8]) -> Result<RoaringBitmap, StoreError> {
    RoaringBitmap::deserialize_from(body).map_err(|error| malformed(Kind::DELETES, id, error.to_string()))
}

fn unite(deletes: Option<Deletes>, more: &RoaringBitmap) -> Deletes {
    match deletes {
        Some(deletes) => Arc::new(&*deletes | more),
        None => Arc::new(more.clone()),
    }
}
