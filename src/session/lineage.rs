//! SHOW LINEAGE: what an object is made from, and what is made from it.
//!
//! `SHOW LINEAGE total` gives `upstream | 1 | table | order_item` where the procedure `total` names that table, and `downstream | 1 | trigger | sums`
//! where a trigger calls it; what those need, in turn, is at a distance of 2.
//!
//! Invariants: each object is there once on each side, at its least distance; what is shown is what the transaction sees.
//!
//! Does not: follow what a text makes up while it runs.

mod columns;
mod following;
mod written;

pub use written::{Collected, note};

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Show, Span};
use gobi_grammar::similar::nearest;

use super::{Error, ResultStream, Session, routines, transactions};
use crate::catalog::{Catalog, Entity, EntityId, Entry, MAIN_SCHEMA};

/// `SHOW LINEAGE name`.
pub fn show(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    let view = session.relations.view.clone();
    let view = view.ok_or_else(|| transactions::without_database("SHOW LINEAGE", span))?;
    let catalog = view.catalog();
    let Some(last) = show.of.last().filter(|_| show.like.is_none()) else {
        let message = "SHOW LINEAGE takes the name of an object: `SHOW LINEAGE p`";
        return Err(Error::new(Diagnostic::new("42601", span, message)));
    };
    let parts: Vec<&str> = show.of.iter().map(|part| part.text.as_str()).collect();
    let Some(found) = object(catalog, &parts) else {
        let of = parts.split_last().and_then(|(_, parts)| object(catalog, parts));
        return match of {
            Some(of) if is_member(of, &parts) => Err(of_module(of, &parts, last.span)),
            Some(of) if of.entity.kind() == "module" => Err(unknown(catalog, &parts, last.span)),
            Some(of) => columns::show(session, of.id, last, span),
            None => Err(unknown(catalog, &parts, last.span)),
        };
    };
    let mut filled = models(session, catalog);
    for entry in catalog.entries() {
        filled.extend(writes(catalog, entry.id).into_iter().map(|table| (entry.id, table)));
    }
    let made_from = |id: EntityId| -> Vec<EntityId> {
        let filled = filled.iter().filter(|(_, table)| *table == id);
        let from = catalog.get(id).map(made_from).unwrap_or_default().into_iter();
        from.chain(filled.map(|(by, _)| *by)).collect()
    };
    let upstream = walk(found.id, &|id| made_from(*id));
    let downstream = walk(found.id, &|id| {
        let entries = catalog.entries().filter(|entry| made_from(entry.id).contains(id));
        entries.map(|entry| entry.id).collect()
    });
    let mut rows = Vec::new();
    for (side, all) in [("upstream", upstream), ("downstream", downstream)] {
        let mut side: Vec<Vec<String>> = all
            .into_iter()
            .filter_map(|(id, distance)| Some((catalog.get(id)?, distance)))
            .map(|(entry, distance)| {
                let entity = &entry.entity;
                vec![
                    side.to_owned(),
                    distance.to_string(),
                    entity.kind().to_owned(),
                    entity.name().to_owned(),
                ]
            })
            .collect();
        side.sort();
        rows.append(&mut side);
    }
    Ok(ResultStream::strings(
        &["side", "distance", "kind", "name"],
        &rows,
        span,
    ))
}

/// Whether a module has something under a name.
fn is_member(of: &Entry, parts: &[&str]) -> bool {
    let Entity::Routine(def) = &*of.entity else {
        return false;
    };
    let whole = parts.join(".");
    let mut members = def.members.iter().flatten();
    members.any(|member| member.name.eq_ignore_ascii_case(&whole))
}

/// The error of what a module has: what it names is known of the whole.
fn of_module(module: &Entry, parts: &[&str], span: Span) -> Error {
    let name = module.entity.name();
    let message = format!("`{}` is a part of the module `{name}`", parts.join("."));
    Error::new(Diagnostic::new("42809", span, message).with_help(format!("write `SHOW LINEAGE {name}`")))
}

/// An object by its name: a table, a view or a routine, else a trigger, else a module, else a function of receivers.
fn object<'c>(catalog: &'c Catalog, parts: &[&str]) -> Option<&'c Entry> {
    let (schema, name) = match parts {
        [name] => (MAIN_SCHEMA, *name),
        [schema, name] => (*schema, *name),
        _ => return None,
    };
    let trigger = || catalog.trigger(schema, name).and_then(|(id, _)| catalog.get(id));
    let module = || catalog.module(schema, name).map(|(entry, _)| entry);
    let method = || catalog.routines(schema, name).first().map(|(entry, _)| *entry);
    let found = catalog.find(parts).or_else(trigger).or_else(module);
    found.or_else(method)
}

/// What an object names, but for what it writes; a table is made from nothing, whatever its keys refer to.
fn made_from(entry: &Entry) -> Vec<EntityId> {
    match &*entry.entity {
        Entity::Table(_) | Entity::Index(_) | Entity::Schema(_) => Vec::new(),
        Entity::Routine(routine) => routine.names.clone(),
        Entity::Trigger(trigger) => [&trigger.names[..], &[trigger.call], &trigger.targets].concat(),
        other => other.needs(),
    }
}

/// The tables that a routine or trigger writes, by itself or by what it calls.
fn writes(catalog: &Catalog, id: EntityId) -> Vec<EntityId> {
    let called = walk(id, &|id| match catalog.get(*id).map(|entry| &*entry.entity) {
        Some(Entity::Routine(routine)) => routine.names.clone(),
        Some(Entity::Trigger(trigger)) => [&trigger.names[..], &[trigger.call]].concat(),
        _ => Vec::new(),
    });
    let all = called.into_iter().map(|(id, _)| id).chain([id]);
    let written = all.filter_map(|id| match catalog.get(id).map(|entry| &*entry.entity) {
        Some(Entity::Routine(routine)) => Some(routine.writes.clone()),
        Some(Entity::Trigger(trigger)) => Some(trigger.writes.clone()),
        _ => None,
    });
    written.flatten().collect()
}

/// Models, and the tables that they fill.
fn models(session: &mut Session, catalog: &Catalog) -> Vec<(EntityId, EntityId)> {
    let mut found = Vec::new();
    for entry in catalog.entries() {
        if let Entity::Routine(def) = &*entry.entity
            && let Some([schema, name]) = routines::model_target(session, &def.name)
        {
            found.extend(catalog.find(&[&schema, &name]).map(|table| (entry.id, table.id)));
        }
    }
    found
}

/// Objects with their distances, nearest first.
fn walk<T: Clone + PartialEq>(from: T, next: &dyn Fn(&T) -> Vec<T>) -> Vec<(T, usize)> {
    let mut found: Vec<(T, usize)> = vec![(from, 0)];
    let mut at = 0;
    while let Some((id, distance)) = found.get(at).cloned() {
        for other in next(&id) {
            if found.iter().all(|(known, _)| *known != other) {
                found.push((other, distance + 1));
            }
        }
        at += 1;
    }
    found.remove(0);
    found
}

fn unknown(catalog: &Catalog, parts: &[&str], span: Span) -> Error {
    let name = parts.last().copied().unwrap_or_default();
    let message = format!("there is no object `{name}`");
    let names: Vec<&str> = catalog.entries().map(|entry| entry.entity.name()).collect();
    let mut error = Diagnostic::new("42P01", span, message);
    error.help = nearest(name, names).map(|near| format!("did you mean `{near}`?"));
    Error::new(error)
}
