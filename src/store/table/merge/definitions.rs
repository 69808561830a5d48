//! The definitions of a merge.
//!
//! One branch added a column to `t`, the other made a view `v`: merged, there are both. Had both added a column, `t` would be a
//! conflict.
//!
//! Invariants: a definition that one side changed is taken from there, if the rows that the other side changed keep what it
//! promises: columns may have come, gone or been renamed, but keys, checks, references and types are the same.
//!
//! Does not: read rows.

use std::collections::BTreeMap;

use super::{MergeConflict, Merged, Sides};
use crate::catalog::{Catalog, Entity, EntityId, Entry, TableDef};

/// The catalog of both; what cannot be put together is a conflict.
pub(super) fn merge(sides: &Sides<'_>, merged: &mut Merged) -> Catalog {
    let (base, ours, theirs) = (
        sides.other.base.catalog(),
        sides.ours.catalog(),
        sides.other.snapshot.catalog(),
    );
    let mut entries: BTreeMap<EntityId, Entry> = ours.entries().map(|entry| (entry.id, entry.clone())).collect();
    for (id, entry) in theirs.changes_since(base) {
        let (before, mine) = (base.get(id), ours.get(id));
        let is_mark = |entry: Option<&Entry>| matches!(entry.map(|entry| &*entry.entity), Some(Entity::Watermark(_)));
        if entry == mine || is_mark(entry.or(before)) {
            continue;
        }
        if mine != before || !keeps_promises((before, entry), merged.ours.contains(&id)) {
            merged.conflicts.push(conflict("definition", (before, mine, entry)));
            continue;
        }
        match entry {
            Some(entry) => drop(entries.insert(id, entry.clone())),
            None => drop(entries.remove(&id)),
        }
    }
    // Rows that they changed come under definitions that we changed.
    for (id, mine) in ours.changes_since(base) {
        let (before, theirs) = (base.get(id), theirs.get(id));
        if before == theirs && !keeps_promises((before, mine), merged.theirs.contains(&id)) {
            merged.conflicts.push(conflict("definition", (before, mine, theirs)));
        }
    }
    check(&entries, sides, merged);
    let next = ours.next_id().max(theirs.next_id());
    Catalog::new(entries.into_values(), next)
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
        Some(old) => old.ty == column.ty && old.not_null == column.not_null && old.generated == column.generated,
        None => column.generated.is_none() && (!column.not_null || column.missing.is_some()),
    })
}

/// Names that are there twice, and what needs something that is gone.
fn check(entries: &BTreeMap<EntityId, Entry>, sides: &Sides<'_>, merged: &mut Merged) {
    let mut names = BTreeMap::new();
    for entry in entries.values() {
        let name = (&*entry.schema, entry.entity.name().to_ascii_lowercase());
        if let Some(other) = names.insert(name, entry) {
            let is_ours = sides.ours.catalog().get(other.id) == Some(other);
            let (ours, theirs) = if is_ours { (other, entry) } else { (entry, other) };
            merged
                .conflicts
                .push(conflict("name", (None, Some(ours), Some(theirs))));
        }
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
    }
}
