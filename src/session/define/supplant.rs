//! A view in the place of a table, or a table in that of a view.
//!
//! A model that was a view and is a table now has its view supplanted: views, functions and triggers that name it read the table.
//!
//! Invariants: what names it has to check with the new one; the old one's history stays with the old one.
//!
//! Does not: say who may; models do.

use gobi_grammar::Diagnostic;

use super::views;
use crate::catalog::{CatalogError, Entity, EntityId};
use crate::session::change::Running;
use crate::session::store::View;
use crate::session::{Error, Session, routines, triggers};

/// Puts an entity in the place of one of another kind. `what` names what goes away.
pub fn run(
    session: &mut Session,
    view: &mut View,
    (id, entity): (EntityId, Entity),
    what: &str,
    running: Running,
) -> Result<(), Error> {
    let before = view.clone();
    if let Entity::View(def) = &entity {
        views::check_reads(view, def, id, running.span)?;
    }
    let new = view.changes.catalog.supplant(id, entity);
    let new = new.map_err(|error| refused(&error, running))?;
    view.changes.tables.remove(&id);
    let mut needed: Vec<String> = views::broken_with_reasons(session, &before, view, id)
        .iter()
        .map(routines::Broken::with_reason)
        .collect();
    let broken = routines::broken(session, &before, view, id);
    needed.extend(broken.iter().map(routines::Broken::with_reason));
    if !needed.is_empty() {
        let message = format!("{what} is needed by {}", needed.join(", "));
        let help = "drop them first, or replace them with ones that do without";
        return Err(Error::new(
            Diagnostic::new("2BP01", running.span, message).with_help(help),
        ));
    }
    views::refresh(session, view, new);
    routines::refresh(session, view, new);
    triggers::check_all(session, view, new, what, running)
}

fn refused(error: &CatalogError, running: Running) -> Error {
    let error = Diagnostic::new(error.code(), running.span, error.to_string());
    Error::new(error.with_help("drop what needs it first"))
}
