//! The rows of a table in a merge.
//!
//! Theirs: the row of key 2 became `(2, Bo, 25)`. Ours: nothing of key 2. So our row of key 2 goes, and theirs comes under the id
//! that ours had.
//!
//! Invariants: rows are compared by their values under the merged definition. A row whose key both sides changed, each to
//! another one, is a conflict: else it would be there twice.
//!
//! Does not: read rows that neither side changed.

use std::collections::{BTreeMap, HashMap};

use super::super::changelog::{Place, Step};
use super::super::changes::TableChanges;
use super::super::copy::Copier;
use super::super::index::index_key;
use super::super::keyed::same_keys;
use super::super::relation::Part;
use super::super::restore::address;
use super::super::snapshot::TableSnapshot;
use super::super::{RowAddress, index};
use super::{MergeConflict, Pick, Sides};
use crate::catalog::{EntityId, TableDef};
use crate::store::StoreError;
use crate::types::Value;

/// What rows go by: the bytes of the primary key, or of the id.
type Identity = Vec<u8>;

/// What a side did to a row.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// In the parts where both parted.
    before: Option<Place>,
    /// In the side's own parts.
    after: Option<Place>,
}

/// What a side did.
struct Side {
    step: Step,
    touched: HashMap<Identity, Touched>,
    /// Rows that are elsewhere than before, though they are as they were.
    places: HashMap<u64, Place>,
}

/// A table being merged.
pub(super) struct Merging<'a> {
    id: EntityId,
    def: &'a TableDef,
    copier: Copier<'a>,
    table: Option<std::sync::Arc<TableSnapshot>>,
    /// Our definition, if its keys are not those of the merged one.
    keyed: Option<(&'a TableDef, Copier<'a>)>,
    ours: Side,
    theirs: Side,
    /// Our rows that go.
    gone: Vec<RowAddress>,
    /// Their rows that come: by part, position and id.
    come: BTreeMap<usize, Vec<(u32, u64)>>,
    /// What both changed.
    pub conflicts: Vec<MergeConflict>,
}

impl<'a> Merging<'a> {
    pub(super) fn new((id, def): (EntityId, &'a TableDef), sides: &'a Sides<'_>) -> Result<Self, StoreError> {
        let core = sides.ours.core();
        let mut copier = Copier::new(core, def);
        let base = &sides.other.base;
        let mut side = |root| {
            let step = Step::of(core, id, (base.root(), root), base.root())?;
            Side::new(step, def, &mut copier)
        };
        let (ours, theirs) = (side(sides.ours.root())?, side(sides.other.snapshot.root())?);
        let known = sides.ours.catalog().table(id);
        let other_keys = |mine: &&TableDef| {
            let key = def.primary_key.as_ref();
            key.is_some_and(|key| !same_keys(mine, def, &key.columns))
        };
        Ok(Self {
            id,
            def,
            copier,
            table: known.map(|_| sides.ours.table(id)).transpose()?,
            keyed: known.filter(other_keys).map(|mine| (mine, Copier::new(core, mine))),
            ours,
            theirs,
            gone: Vec::new(),
            come: BTreeMap::new(),
            conflicts: Vec::new(),
        })
    }

    /// Finds out what is to go and to come, and what both changed.
    pub(super) fn compare(&mut self, pick: Option<Pick>) -> Result<(), StoreError> {
        let mut all: Vec<(Identity, Touched)> = self.theirs.touched.drain().collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        // Where rows that were there before went, if we gave them other keys.
        let moved: HashMap<u64, Identity> = self.moved();
        for (identity, theirs) in all {
            let elsewhere = theirs
                .after
                .and_then(|after| moved.get(&after.id))
                .filter(|ours| **ours != identity)
                .and_then(|ours| self.ours.touched.get(ours))
                .copied();
            let ours = self.ours.touched.get(&identity).copied().or(elsewhere);
            if let Some(ours) = ours {
                if elsewhere.is_none() && self.same(ours.after, theirs.after)? {
                    continue;
                }
                match pick {
                    None => {
                        let conflict = self.conflict(&identity, ours, theirs)?;
                        self.conflicts.push(conflict);
                        continue;
                    }
                    Some(Pick::Ours) => continue,
                    Some(Pick::Theirs) => {}
                }
            }
            self.take(&identity, ours, theirs)?;
        }
        Ok(())
    }

    /// Our rows that are there under another identity than before.
    fn moved(&self) -> HashMap<u64, Identity> {
        let came = |touched: &Touched| touched.after.filter(|_| touched.before.is_none());
        let went: HashMap<u64, ()> = self
            .ours
            .touched
            .values()
            .filter_map(|touched| Some((touched.before?.id, ())))
            .collect();
        let rows = self.ours.touched.iter();
        let rows = rows.filter_map(|(identity, touched)| Some((came(touched)?.id, identity.clone())));
        rows.filter(|(id, _)| went.contains_key(id)).collect()
    }

    /// Their row takes the place of ours.
    fn take(&mut self, identity: &Identity, ours: Option<Touched>, theirs: Touched) -> Result<(), StoreError> {
        let old = match ours {
            Some(touched) => touched
                .after
                .map(|after| (address(&self.ours.step.new, &after), after.id)),
            None => self.untouched(identity, theirs.before)?,
        };
        if let Some((address, _)) = old {
            self.gone.extend(address);
        }
        if let Some(after) = theirs.after {
            let id = old.map_or(after.id, |(_, id)| id);
            self.come.entry(after.part).or_default().push((after.row, id));
        }
        Ok(())
    }

    /// Our row that is as it was where the branches parted: its address, and its id.
    fn untouched(
        &mut self,
        identity: &Identity,
        before: Option<Place>,
    ) -> Result<Option<(Option<RowAddress>, u64)>, StoreError> {
        let (Some(table), Some(before)) = (&self.table, before) else {
            return Ok(None);
        };
        if let Some(key) = &self.def.primary_key {
            let identity = match &mut self.keyed {
                Some((mine, copier)) => &self::identity(mine, copier, &self.theirs.step.old, &before)?,
                None => identity,
            };
            let root = table.state.index(&key.columns);
            let found = root.map(|root| index::find(&*table.core, root, identity)).transpose()?;
            return Ok(found.flatten().map(|located| (Some(located.address), before.id)));
        }
        if let Some(now) = self.ours.places.get(&before.id) {
            return Ok(Some((address(&self.ours.step.new, now), before.id)));
        }
        Ok(Some((address(&self.theirs.step.old, &before), before.id)))
    }

    fn values(&mut self, parts: Parts, place: Option<Place>) -> Result<Option<Vec<Value>>, StoreError> {
        let parts = match parts {
            Parts::Base => &self.theirs.step.old,
            Parts::OurBase => &self.ours.step.old,
            Parts::Ours => &self.ours.step.new,
            Parts::Theirs => &self.theirs.step.new,
        };
        let Some((place, part)) = place.and_then(|place| Some((place, parts.get(place.part)?))) else {
            return Ok(None);
        };
        self.copier.values(&part.segment, place.row).map(Some)
    }

    fn same(&mut self, ours: Option<Place>, theirs: Option<Place>) -> Result<bool, StoreError> {
        Ok(self.values(Parts::Ours, ours)? == self.values(Parts::Theirs, theirs)?)
    }

    fn conflict(&mut self, identity: &Identity, ours: Touched, theirs: Touched) -> Result<MergeConflict, StoreError> {
        let base = match self.values(Parts::Base, theirs.before)? {
            None => self.values(Parts::OurBase, ours.before)?,
            found => found,
        };
        let mine = self.values(Parts::Ours, ours.after)?;
        let other = self.values(Parts::Theirs, theirs.after)?;
        let key = match &self.def.primary_key {
            Some(key) => {
                let row = other.as_ref().or(mine.as_ref()).or(base.as_ref());
                let at = |no| self.def.columns.iter().position(|column| column.no == no);
                let places: Vec<usize> = key.columns.iter().filter_map(|no| at(*no)).collect();
                row.map_or_else(String::new, |row| self.text(row, &places))
            }
            None => {
                let id = identity.as_slice().try_into().map(u64::from_be_bytes);
                format!("_row_id {}", id.unwrap_or_default())
            }
        };
        let places: Vec<usize> = (0..self.def.columns.len()).collect();
        let text = |row: Option<Vec<Value>>| row.map(|row| self.text(&row, &places));
        Ok(MergeConflict {
            entities: [None; 3],
            name: self.def.name.clone(),
            on: "row",
            key,
            base: text(base),
            ours: text(mine),
            theirs: text(other),
        })
    }

    fn text(&self, row: &[Value], places: &[usize]) -> String {
        let value = |at: &usize| Some(row.get(*at)?.display(&self.def.columns.get(*at)?.ty));
        let values: Vec<String> = places.iter().filter_map(value).collect();
        match values.as_slice() {
            [one] => one.clone(),
            many => format!("({})", many.join(", ")),
        }
    }

    /// Stages what is to go and to come.
    pub(super) fn stage(mut self, staged: &mut TableChanges) -> Result<(), StoreError> {
        debug_assert_eq!(self.table.as_ref().map_or(self.id, |table| table.id), self.id);
        staged.delete(&self.gone);
        for (part, mut rows) in std::mem::take(&mut self.come) {
            rows.sort_unstable();
            if let Some(part) = self.theirs.step.new.get(part) {
                self.copier.append(staged, &part.segment, &rows)?;
            }
        }
        Ok(())
    }
}

/// Where a place is.
#[derive(Clone, Copy)]
enum Parts {
    Base,
    OurBase,
    Ours,
    Theirs,
}

impl Side {
    fn new(step: Step, def: &TableDef, copier: &mut Copier<'_>) -> Result<Self, StoreError> {
        let mut touched: HashMap<Identity, Touched> = HashMap::new();
        let updated = step.updated.iter();
        for place in step.deleted.iter().chain(updated.clone().map(|(before, _)| before)) {
            let identity = identity(def, copier, &step.old, place)?;
            touched.entry(identity).or_default().before = Some(*place);
        }
        for place in step.inserted.iter().chain(updated.map(|(_, after)| after)) {
            let identity = identity(def, copier, &step.new, place)?;
            touched.entry(identity).or_default().after = Some(*place);
        }
        let mut same = Vec::new();
        for (identity, touched) in &touched {
            if let (Some(before), Some(after)) = (touched.before, touched.after)
                && values(copier, &step.old, &before)? == values(copier, &step.new, &after)?
            {
                same.push(identity.clone());
            }
        }
        for identity in same {
            touched.remove(&identity);
        }
        let elsewhere = step.moved.iter().chain(&step.updated);
        // A table with a key has an index to find them by.
        let elsewhere = elsewhere.filter(|_| def.primary_key.is_none());
        let places = elsewhere.map(|(_, after)| (after.id, *after)).collect();
        Ok(Self { step, touched, places })
    }
}

fn values(copier: &mut Copier<'_>, parts: &[Part], place: &Place) -> Result<Vec<Value>, StoreError> {
    match parts.get(place.part) {
        Some(part) => copier.values(&part.segment, place.row),
        None => Ok(Vec::new()),
    }
}

/// What a row goes by.
fn identity(def: &TableDef, copier: &mut Copier<'_>, parts: &[Part], place: &Place) -> Result<Identity, StoreError> {
    let by_id = place.id.to_be_bytes().to_vec();
    let Some(key) = &def.primary_key else {
        return Ok(by_id);
    };
    let row = values(copier, parts, place)?;
    let at = |no| def.columns.iter().position(|column| column.no == no);
    let key = key.columns.iter().filter_map(|no| row.get(at(*no)?).cloned());
    Ok(index_key(&key.collect::<Vec<_>>()).unwrap_or(by_id))
}
