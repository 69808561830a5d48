//! Functions, procedures, models and modules that a change of what they name would break.
//!
//! `ALTER TABLE orders DROP total` is refused while a procedure says `select total from orders`: it would not check any more.
//!
//! Invariants: only those that have checked before, or were not there, and do not check afterwards count.
//!
//! Does not: look at triggers, whose bodies are checked for their tables; see `triggers::check_all`.

use std::collections::HashSet;
use std::sync::Arc;

use super::models::{self, Spec};
use super::{Naming, define};
use crate::catalog::{Entity, EntityId, RoutineDef};
use crate::procedure::Definition;
use crate::session::relations::Relations;
use crate::session::store::View;
use crate::session::{Error, Session};

/// Something that a change would break.
#[derive(Debug)]
pub struct Broken {
    pub id: EntityId,
    /// What it is, with the line that would be wrong.
    pub what: String,
    /// What would be wrong.
    pub why: String,
    /// The place is in its own text.
    pub in_itself: bool,
}

impl Broken {
    /// ``procedure `p` (line 3): what is wrong``.
    pub fn with_reason(&self) -> String {
        match self.why.as_str() {
            "" => self.what.clone(),
            why => format!("{}: {why}", self.what),
        }
    }

    /// What an error says of something that a change breaks.
    pub fn by(session: &Session, view: &View, id: EntityId, error: &Error) -> Self {
        let what = view.catalog().described(&[id]);
        let name = view.catalog().get(id).map(|entry| entry.entity.name());
        let first = error.diagnostics.first();
        let sources = &session.relations.routines.sources;
        let place = first.and_then(|first| sources.line_text(first.span().start));
        let own = place.as_ref().is_none_or(|(of, _, _)| name == Some(*of));
        let what = match place {
            Some((_, line, _)) if own => format!("{what} (line {line})"),
            Some((of, line, _)) => format!("{what} (line {line} of `{of}`)"),
            None => what,
        };
        Self {
            id,
            what,
            why: first.map(|first| first.message.clone()).unwrap_or_default(),
            in_itself: own,
        }
    }
}

/// What names an entity and does not check any more after it has changed.
pub fn broken(session: &mut Session, before: &View, after: &View, changed: EntityId) -> Vec<Broken> {
    let mut routines = before.catalog().dependants(changed);
    routines.extend(after.catalog().dependants(changed));
    let mut known = HashSet::new();
    let is_routine = |id: &EntityId| {
        let now = after.catalog().get(*id).map(|entry| &*entry.entity);
        matches!(now, Some(Entity::Routine(_))) && known.insert(*id)
    };
    routines.retain(is_routine);
    let mut found = Vec::new();
    for id in routines {
        let Some(error) = wrong(session, after, id) else {
            continue;
        };
        // One that is new has to check; it is nothing that was wrong already.
        if before.catalog().get(id).is_none() || wrong(session, before, id).is_none() {
            found.push(Broken::by(session, after, id, &error));
        }
    }
    session.relations.refresh_routines();
    found
}

/// What is wrong with a routine in a view.
fn wrong(session: &mut Session, view: &View, id: EntityId) -> Option<Error> {
    let outer = session.relations.view.replace(view.clone());
    let found = error_of(session, id);
    session.relations.view = outer;
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
        let Ok((signature, mut named)) = define::signature_of(session, definition) else {
            continue;
        };
        named.settle(after.catalog(), |named| named == id, definition.words());
        let Naming { names, writes } = named;
        let now = RoutineDef {
            signature,
            names,
            writes,
            ..def.clone()
        };
        if now != def {
            // The name stays, so nothing else has it.
            drop(after.changes.catalog.replace(id, Entity::Routine(now)));
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
        Relations::as_kept(session, |session| work(session, &definition));
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
