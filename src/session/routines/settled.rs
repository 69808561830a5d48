//! Whether what the database has still checks when a transaction that redefines something is done.
//!
//! `upsert function rate(country string) …` in the place of `rate()` is refused while the procedure `bill` calls `rate()`; `BEGIN`, both of
//! them, and `COMMIT` are not: the transaction leaves nothing that does not check.
//!
//! Invariants: a definition that did not check before the transaction does not stop it. Outside of a transaction a statement is one.
//!
//! Does not: look at what is dropped: that statement refuses at once.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::define::without_own;
use super::dependants::{self, Broken};
use crate::catalog::{Entity, EntityId, TableDef};
use crate::session::change::Running;
use crate::session::define::views;
use crate::session::store::View;
use crate::session::{Error, Phases, Session, constraints, triggers};
use crate::store::table::{Changes, Snapshot};

/// A statement has redefined what others name: they get the signatures, columns and names that they have now.
pub fn refresh(session: &mut Session, before: &View, after: &mut View, running: Running) {
    for id in redefined(before, after) {
        views::refresh(session, after, id);
        dependants::refresh(session, after, id);
        triggers::refresh(session, after, id, running);
    }
    // What is gone is not suggested any more.
    let outer = session.relations.view.replace(after.clone());
    session.relations.refresh_routines();
    session.relations.view = outer;
}

/// An error if something checked before, and does not check any more.
pub fn check(session: &mut Session, before: &View, after: &View, running: Running) -> Result<(), Error> {
    let mut changed = Vec::new();
    let mut broken: Vec<Broken> = Vec::new();
    for id in redefined(before, after) {
        let mut found = broken_by(session, before, after, id, running);
        found.retain(|found| broken.iter().all(|known| known.id != found.id));
        if !found.is_empty() {
            changed.push(id);
            broken.append(&mut found);
        }
    }
    broken.extend(tables_broken(session, before, after, running));
    if broken.is_empty() {
        return Ok(());
    }
    let gone = gone(before, after);
    // What only names something else that is broken says nothing new.
    if broken.iter().any(|broken| broken.in_itself) {
        broken.retain(|broken| broken.in_itself);
    }
    let name = |id: &EntityId| Some(format!("`{}`", after.catalog().get(*id)?.entity.name()));
    let mut changed: Vec<String> = changed.iter().filter_map(name).collect();
    if changed.is_empty() {
        // Something else is wrong by what is gone, or by what other expressions of tables call.
        let all = redefined(before, after);
        changed = all.iter().filter_map(name).collect();
        changed.extend(gone.iter().map(|gone| format!("`{gone}`")));
    }
    let needed: Vec<String> = broken.iter().map(Broken::with_reason).collect();
    let (changed, was) = match changed.as_slice() {
        [one] => (one.clone(), "it was"),
        more => (more.join(", "), "they were"),
    };
    let message = format!("{changed} as {was} is needed by {}", needed.join("; "));
    let help = "change what needs it in the same transaction: `BEGIN; …; COMMIT`; or drop that first";
    Err(Error::new(
        Diagnostic::new("2BP01", running.span, message).with_help(help),
    ))
}

/// The same for what a transaction leaves that is about to be committed.
pub fn check_transaction(session: &mut Session, span: Span) -> Result<(), Error> {
    let view = match &mut session.store {
        Some(store) if store.in_transaction() => store.view(span)?,
        _ => None,
    };
    let Some(after) = view else { return Ok(()) };
    let before = View {
        changes: Changes::new(&after.base),
        ..after.clone()
    };
    if after.catalog().is(before.catalog()) {
        return Ok(());
    }
    let running = Running {
        dialect: session.settings.dialect,
        phases: Phases::default(),
        span,
        only_bind: true,
    };
    check(session, &before, &after, running)
}

/// The same for what a merge of two branches leaves: what one of them has redefined may be needed by what the other has made.
pub fn check_merge(session: &mut Session, theirs: &Snapshot, after: &mut View, running: Running) -> Result<(), Error> {
    let sides = [after.base.clone(), theirs.clone()].map(|base| View {
        changes: Changes::new(&base),
        base,
        ..after.clone()
    });
    for before in &sides {
        check(session, before, after, running).map_err(|mut error| {
            if let Some(first) = error.diagnostics.first_mut() {
                first.help = Some("change one of them on its branch, and merge then".into());
            }
            error
        })?;
    }
    for before in &sides {
        refresh(session, before, after, running);
    }
    Ok(())
}

/// What has another text or other columns than before.
fn redefined(before: &View, after: &View) -> Vec<EntityId> {
    let changes = after.catalog().changes_since(before.catalog()).into_iter();
    let is_other = |id: EntityId, now: &Entity| match (before.catalog().get(id).map(|entry| &*entry.entity), now) {
        (Some(Entity::Routine(then)), Entity::Routine(now)) => then.source != now.source,
        (Some(Entity::View(then)), Entity::View(now)) => then.query != now.query,
        (Some(Entity::Table(then)), Entity::Table(now)) => then.fields() != now.fields(),
        (Some(Entity::Type(then)), Entity::Type(now)) => then != now,
        _ => false,
    };
    let changed = changes.filter(|(id, entry)| entry.is_some_and(|entry| is_other(*id, &entry.entity)));
    changed.map(|(id, _)| id).collect()
}

fn broken_by(session: &mut Session, before: &View, after: &View, changed: EntityId, running: Running) -> Vec<Broken> {
    let mut found = views::broken_with_reasons(session, before, after, changed);
    found.extend(dependants::broken(session, before, after, changed));
    found.extend(triggers::broken(session, before, after, changed, running));
    found
}

/// The names of functions, procedures and modules that are not there any more, in lower case.
fn gone(before: &View, after: &View) -> Vec<String> {
    let gone = before
        .catalog()
        .entries()
        .filter(|entry| matches!(&*entry.entity, Entity::Routine(_)) && after.catalog().get(entry.id).is_none());
    gone.map(|entry| entry.entity.name().to_lowercase()).collect()
}

/// Tables whose defaults, checks or generated columns call what is not there any more, or is another one.
fn tables_broken(session: &mut Session, before: &View, after: &View, running: Running) -> Vec<Broken> {
    let mut names = gone(before, after);
    let mut changed = redefined(before, after);
    changed.retain(|id| {
        after
            .catalog()
            .get(*id)
            .is_some_and(|entry| matches!(&*entry.entity, Entity::Routine(_)))
    });
    for id in changed.clone() {
        changed.extend(after.catalog().dependants(id));
    }
    let name = |id: &EntityId| Some(after.catalog().get(*id)?.entity.name().to_lowercase());
    names.extend(changed.iter().filter_map(name));
    if names.is_empty() {
        return Vec::new();
    }
    let tables = after.catalog().entries().filter_map(|entry| match &*entry.entity {
        Entity::Table(def) if names.iter().any(|name| def.mentions(name)) => Some((entry.id, def.clone())),
        _ => None,
    });
    let tables: Vec<(EntityId, TableDef)> = tables.collect();
    let mut broken = Vec::new();
    for (id, def) in tables {
        if let Err(error) = checked_in(session, after, &def, running)
            && checked_in(session, before, &def, running).is_ok()
        {
            broken.push(Broken::by(session, after, id, &error));
        }
    }
    session.relations.refresh_routines();
    broken
}

fn checked_in(session: &mut Session, view: &View, def: &TableDef, running: Running) -> Result<(), Error> {
    let outer = session.relations.view.replace(view.clone());
    let checked = without_own(session, |session| {
        constraints::check_definition(session, def, running.span)
    });
    session.relations.view = outer;
    checked
}
