//! Functions, procedures, models and modules that a change of what they name would break.
//!
//! `ALTER TABLE orders DROP total` is refused while a procedure says `select total from orders`: it would not check any more.
//!
//! Invariants: only those that have checked before and do not check afterwards count.
//!
//! Does not: look at triggers, whose bodies are checked for their tables; see `triggers::check_all`.

use std::sync::Arc;

use super::define;
use super::models::{self, Spec};
use crate::catalog::{Entity, EntityId, RoutineDef};
use crate::procedure::Definition;
use crate::session::store::View;
use crate::session::{Error, Session};

/// Something that a change would break.
#[derive(Debug)]
pub struct Broken {
    pub id: EntityId,
    /// What it is, with the line that would be wrong.
    pub what: String,
}

/// What names an entity and does not check any more after it has changed.
pub fn broken(session: &mut Session, before: &View, after: &View, changed: EntityId) -> Vec<Broken> {
    let dependants = before.catalog().dependants(changed).into_iter();
    let is_routine = |id: &EntityId| {
        let entity = |view: &View| view.catalog().get(*id).map(|entry| entry.entity.clone());
        matches!(entity(before).as_deref(), Some(Entity::Routine(_))) && entity(after).is_some()
    };
    let routines: Vec<EntityId> = dependants.filter(is_routine).collect();
    let wrong = |session: &mut Session, view: &View, id: EntityId| {
        let outer = session.relations.view.replace(view.clone());
        let found = error_of(session, id);
        session.relations.view = outer;
        found
    };
    let mut found = Vec::new();
    for id in routines {
        let Some(error) = wrong(session, after, id) else {
            continue;
        };
        if wrong(session, before, id).is_none() {
            let what = described(session, after, id, &error);
            found.push(Broken { id, what });
        }
    }
    session.relations.refresh_routines();
    found
}

/// Gives the routines that name an entity the signatures that they have now.
pub fn refresh(session: &mut Session, after: &mut View, changed: EntityId) {
    let outer = session.relations.view.replace(after.clone());
    session.relations.refresh_routines();
    for id in after.catalog().dependants(changed) {
        let Some(Entity::Routine(def)) = after.catalog().get(id).map(|entry| (*entry.entity).clone()) else {
            continue;
        };
        let definitions = session.relations.routines.known.of_entry(id);
        let [definition] = definitions.as_slice() else { continue };
        let is_plain = def.members.is_none() && !definition.is_of_triggers();
        if !is_plain || !matches!(Spec::of(&definition.name, &definition.routine), Ok(None)) {
            continue;
        }
        if let Ok(signature) = define::signature_of(session, definition)
            && signature != def.signature
        {
            // The name stays, so nothing else has it.
            drop(
                after
                    .changes
                    .catalog
                    .replace(id, Entity::Routine(RoutineDef { signature, ..def })),
            );
        }
    }
    session.relations.view = outer;
    session.relations.refresh_routines();
}

/// What is wrong with a routine of the database in the session's view.
fn error_of(session: &mut Session, id: EntityId) -> Option<Error> {
    let mut error = None;
    each_of(session, id, &mut |session, definition| {
        if error.is_none() {
            error = check_alone(session, definition).err();
        }
    });
    error
}

/// Does something with each definition of an entry, while nothing of the session's is known.
pub fn each_of(session: &mut Session, id: EntityId, work: &mut dyn FnMut(&mut Session, &Arc<Definition>)) {
    session.relations.refresh_routines();
    let kept = session.relations.routines.known.clone();
    session.relations.routines.known = kept.stored_only();
    let warnings = std::mem::take(&mut session.relations.routines.warnings);
    for definition in kept.of_entry(id) {
        work(session, &definition);
    }
    session.relations.routines.known = kept;
    session.relations.routines.warnings = warnings;
}

/// Checks one definition.
pub fn check_alone(session: &mut Session, definition: &Arc<Definition>) -> Result<(), Error> {
    match Spec::of(&definition.name, &definition.routine).map_err(Error::new)? {
        Some(spec) => models::check(session, definition, &spec).map(drop),
        None => define::checked(session, definition).map(drop),
    }
}

/// ``procedure `p` (line 3)``.
fn described(session: &Session, view: &View, id: EntityId, error: &Error) -> String {
    let what = view.catalog().described(&[id]);
    let place = error.diagnostics.first().map(|first| first.span().start);
    let sources = &session.relations.routines.sources;
    match place.and_then(|place| sources.line_text(place)) {
        Some((_, line, _)) => format!("{what} (line {line})"),
        None => what,
    }
}
