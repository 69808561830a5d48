//! The definitions of a merge.
//!
//! One branch added a column to `t`, the other made a view `v`: merged, there are both. Had both added a column, `t` would be a
//! conflict.
//!
//! Invariants: a definition that one side changed is taken from there, if the rows that the other side changed keep what it
//! promises: columns may have come, gone or been renamed, and enums may have got labels, but keys, checks, references and types are
//! else the same. What one side made of an enum has the labels that the other side gave it.
//!
//! Does not: read rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{MergeConflict, Merged, Pick, Sides};
use crate::catalog::{Catalog, ColumnDef, Entity, EntityId, Entry, TableDef};
use crate::store::StoreError;
use crate::store::table::relies::same_segments;
use crate::types::{Field, LogicalType};

/// The catalog of both; what cannot be put together is a conflict, unless somebody has said whose is to be taken and no row would be
/// read otherwise than it was written.
pub(super) fn merge(sides: &Sides<'_>, pick: Option<Pick>, merged: &mut Merged) -> Result<Catalog, StoreError> {
    let (base, ours, theirs) = (
        sides.other.base.catalog(),
        sides.ours.catalog(),
        sides.other.snapshot.catalog(),
    );
    let mut entries: BTreeMap<EntityId, Entry> = ours.entries().map(|entry| (entry.id, entry.clone())).collect();
    for (id, entry) in theirs.changes_since(base) {
        let all = (base.get(id), ours.get(id), entry);
        let (before, mine, _) = all;
        let is_mark = |entry: Option<&Entry>| matches!(entry.map(|entry| &*entry.entity), Some(Entity::Watermark(_)));
        if entry == mine || is_mark(entry.or(before)) {
            continue;
        }
        let is_theirs = mine == before && keeps_promises((before, entry), merged.ours.contains(&id));
        if is_theirs || resolved(id, all, sides, pick, merged)? && pick == Some(Pick::Theirs) {
            match entry {
                Some(entry) => drop(entries.insert(id, entry.clone())),
                None => drop(entries.remove(&id)),
            }
        }
    }
    // Rows that they changed come under definitions that we changed.
    for (id, mine) in ours.changes_since(base) {
        let (before, theirs) = (base.get(id), theirs.get(id));
        if before == theirs
            && !keeps_promises((before, mine), merged.theirs.contains(&id))
            && resolved(id, (before, mine, theirs), sides, pick, merged)?
            && pick == Some(Pick::Theirs)
            && let Some(theirs) = theirs
        {
            entries.insert(id, theirs.clone());
        }
    }
    for entry in theirs.entries() {
        if let Entity::Index(index) = &*entry.entity
            && merged.back.contains(&index.table)
        {
            entries.insert(entry.id, entry.clone());
        }
    }
    follow_types(base, &mut entries, merged);
    check(&mut entries, sides, pick, merged);
    let next = ours.next_id().max(theirs.next_id());
    Ok(Catalog::new(entries.into_values(), next))
}

/// Whether what was said about a conflict decides it; if not, it is one.
fn resolved(
    id: EntityId,
    (base, ours, theirs): (Option<&Entry>, Option<&Entry>, Option<&Entry>),
    sides: &Sides<'_>,
    pick: Option<Pick>,
    merged: &mut Merged,
) -> Result<bool, StoreError> {
    let (taken, left, rows) = match pick {
        Some(Pick::Ours) => (ours, theirs, merged.theirs.contains(&id)),
        Some(Pick::Theirs) => (theirs, ours, !same_segments(&sides.other.base, sides.ours, id)?),
        None => (None, None, true),
    };
    let fits = match (taken, left) {
        _ if pick.is_none() => false,
        (Some(taken), Some(left)) => {
            keeps_promises((Some(left), Some(taken)), rows) && !(rows && are_mixed_up((base, left, taken)))
        }
        _ => true,
    };
    if !fits {
        merged.conflicts.push(conflict("definition", (base, ours, theirs)));
        return Ok(false);
    }
    if pick == Some(Pick::Ours) && theirs.is_none() {
        // Their rows went with the table, which stays.
        merged.theirs.remove(&id);
    }
    if pick == Some(Pick::Theirs) && ours.is_none() {
        merged.theirs.remove(&id);
        merged.back.insert(id);
    }
    Ok(true)
}

/// Whether both sides gave the number of a new column to columns that are not the same.
fn are_mixed_up((base, left, taken): (Option<&Entry>, &Entry, &Entry)) -> bool {
    let (Entity::Table(left), Entity::Table(taken)) = (&*left.entity, &*taken.entity) else {
        return false;
    };
    let is_old = |no| match base.map(|base| &*base.entity) {
        Some(Entity::Table(base)) => base.by_no(no).is_some(),
        _ => false,
    };
    let mut new = taken.columns.iter().filter(|column| !is_old(column.no));
    new.any(|column| left.by_no(column.no).is_some_and(|other| other != column))
}

/// Whether rows that were changed under one definition, if there are any, are good under another.
fn keeps_promises((before, after): (Option<&Entry>, Option<&Entry>), rows: bool) -> bool {
    let table = |entry: Option<&Entry>| match entry.map(|entry| &*entry.entity) {
        Some(Entity::Table(def)) => Some(def.clone()),
        _ => None,
    };
    match (table(before), table(after)) {
        (Some(before), Some(after)) if rows => promises(&before) == promises(&after) && keeps_columns(&before, &after),
        (Some(_), None) => !rows,
        _ => true,
    }
}

/// What a definition promises of the values in its rows.
fn promises(def: &TableDef) -> impl PartialEq + use<'_> {
    (&def.primary_key, &def.unique, &def.checks, &def.foreign_keys)
}

fn keeps_columns(before: &TableDef, after: &TableDef) -> bool {
    after.columns.iter().all(|column| match before.by_no(column.no) {
        Some(old) => {
            old.ty.is_part_of(&column.ty) && old.not_null == column.not_null && old.generated == column.generated
        }
        None => column.generated.is_none() && (!column.not_null || column.missing.is_some()),
    })
}

/// What one side made of an enum that the other one changed is made of what that is now, if it only got labels.
fn follow_types(base: &Catalog, entries: &mut BTreeMap<EntityId, Entry>, merged: &mut Merged) {
    let changed = |entry: &Entry| match (&*entry.entity, base.get(entry.id).map(|entry| &*entry.entity)) {
        (Entity::Type(now), Some(Entity::Type(then)))
            if then.ty != now.ty && matches!(then.ty, LogicalType::Enum(_)) =>
        {
            Some((then.ty.clone(), now.ty.clone()))
        }
        _ => None,
    };
    let changed: Vec<(LogicalType, LogicalType)> = entries.values().filter_map(changed).collect();
    for (then, now) in changed {
        for entry in entries.values_mut() {
            let has = types_of(&entry.entity).any(|ty| ty.has_type(&then));
            if has && then.is_part_of(&now) {
                set_types(Arc::make_mut(&mut entry.entity), |ty| ty.with_type(&then, &now));
            } else if has {
                let all = (None, Some(&*entry), None);
                merged.conflicts.push(conflict("definition", all));
            }
        }
    }
}

/// The types that a definition is made of.
fn types_of(entity: &Entity) -> impl Iterator<Item = &LogicalType> {
    let (columns, fields, ty) = match entity {
        Entity::Table(def) => (def.columns.as_slice(), [].as_slice(), None),
        Entity::View(def) => ([].as_slice(), def.columns.as_slice(), None),
        Entity::Type(def) => ([].as_slice(), [].as_slice(), Some(&def.ty)),
        _ => ([].as_slice(), [].as_slice(), None),
    };
    let columns = columns.iter().map(|column: &ColumnDef| &column.ty);
    columns.chain(fields.iter().map(|field: &Field| &field.ty)).chain(ty)
}

/// Makes it of others.
fn set_types(entity: &mut Entity, new: impl Fn(&LogicalType) -> LogicalType) {
    match entity {
        Entity::Table(def) => def.columns.iter_mut().for_each(|column| column.ty = new(&column.ty)),
        Entity::View(def) => def.columns.iter_mut().for_each(|column| column.ty = new(&column.ty)),
        Entity::Type(def) => def.ty = new(&def.ty),
        _ => {}
    }
}

/// Names that are there twice, and what needs something that is gone.
fn check(entries: &mut BTreeMap<EntityId, Entry>, sides: &Sides<'_>, pick: Option<Pick>, merged: &mut Merged) {
    let (mut names, mut gone) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries.values() {
        let name = (&*entry.schema, entry.entity.key());
        if let Some(other) = names.insert(name, entry) {
            let is_ours = sides.ours.catalog().get(other.id) == Some(other);
            let (ours, theirs) = if is_ours { (other, entry) } else { (entry, other) };
            match pick {
                Some(Pick::Ours) => drop(gone.insert(theirs.id)),
                Some(Pick::Theirs) => drop(gone.insert(ours.id)),
                None => merged
                    .conflicts
                    .push(conflict("name", (None, Some(ours), Some(theirs)))),
            }
        }
    }
    // What belongs to what goes is its side's, too.
    let belongs = |entry: &Entry, gone: &BTreeSet<EntityId>| match &*entry.entity {
        Entity::Index(_) | Entity::Watermark(_) => entry.entity.needs().iter().any(|needed| gone.contains(needed)),
        _ => false,
    };
    gone.extend(
        entries
            .values()
            .filter(|entry| belongs(entry, &gone))
            .map(|entry| entry.id)
            .collect::<Vec<_>>(),
    );
    entries.retain(|id, _| !gone.contains(id));
    for entry in entries.values() {
        if entry.entity.needs().iter().any(|needed| !entries.contains_key(needed)) {
            merged
                .conflicts
                .push(conflict("definition", (Some(entry), Some(entry), None)));
        }
    }
}

fn conflict(on: &'static str, (base, ours, theirs): (Option<&Entry>, Option<&Entry>, Option<&Entry>)) -> MergeConflict {
    let text = |entry: &Entry| format!("{} `{}`", entry.entity.kind(), entry.entity.name());
    let named = ours.or(theirs).or(base);
    MergeConflict {
        name: named.map_or_else(String::new, |entry| entry.entity.name().into()),
        on,
        key: String::new(),
        base: base.map(text),
        ours: ours.map(text),
        theirs: theirs.map(text),
        entities: [base, ours, theirs].map(|entry| entry.map(|entry| entry.id)),
    }
}
