//! Triggers that a change of what their bodies name would break.
//!
//! `upsert function net(price double, rate double) …` in the place of `net(price)` breaks a trigger whose procedure says `NEW.total = net(NEW.price)`.
//!
//! Invariants: only those that have checked before and do not check afterwards count.
//!
//! Does not: look at ALTER; see `ready::check_all`.

use super::ready::{self, look};
use crate::catalog::{Entity, EntityId, TriggerDef};
use crate::session::change::Running;
use crate::session::routines::Broken;
use crate::session::store::View;
use crate::session::{Error, Session};

/// What names an entity, at whatever distance, and does not check any more after it has changed.
pub fn broken(session: &mut Session, before: &View, after: &View, changed: EntityId, running: Running) -> Vec<Broken> {
    let mut found = Vec::new();
    for (id, def) in concerned(after, changed) {
        let Some(error) = wrong(session, after, (id, &def), running) else {
            continue;
        };
        let then = match before.catalog().get(id).map(|entry| &*entry.entity) {
            Some(Entity::Trigger(then)) => Some(then.clone()),
            _ => None,
        };
        if then.is_none_or(|then| wrong(session, before, (id, &then), running).is_none()) {
            found.push(Broken::by(session, after, id, &error));
        }
    }
    session.relations.refresh_routines();
    found
}

/// Notes what the bodies of triggers name now.
pub fn refresh(session: &mut Session, after: &mut View, changed: EntityId, running: Running) {
    for (id, def) in concerned(after, changed) {
        // What is wrong with it is said when the transaction ends.
        _ = ready::check(session, after, (id, &def), running);
    }
}

/// The triggers that something is of concern for, at whatever distance.
pub fn concerned(view: &View, changed: EntityId) -> Vec<(EntityId, TriggerDef)> {
    let mut needs = view.catalog().dependants(changed);
    needs.push(changed);
    let triggers = view.catalog().entries().filter_map(|entry| match &*entry.entity {
        Entity::Trigger(def) if needs.contains(&entry.id) || def.targets.iter().any(|id| needs.contains(id)) => {
            Some((entry.id, def.clone()))
        }
        _ => None,
    });
    triggers.collect()
}

/// What is wrong with a trigger in a view.
fn wrong(session: &mut Session, view: &View, (id, def): (EntityId, &TriggerDef), running: Running) -> Option<Error> {
    let outer = session.relations.view.replace(view.clone());
    session.relations.refresh_routines();
    let mut targets = def.targets.iter();
    let error = targets.find_map(|target| look(session, view, (id, def), *target, running).err());
    session.relations.view = outer;
    error
}
