//! Lineage of columns through statements: which columns a procedure or a trigger writes, and what it makes them from.
//!
//! In `insert into daily select day, sum(total) from orders` of the procedure `sum_up`, `daily.total` is made from `orders.total`, by `sum_up`.
//!
//! Invariants: what is collected is what the binder says of the statements, which are looked at and not run.
//!
//! Does not: follow the variables of a body.

use std::collections::BTreeSet;

use super::columns::Column;
use crate::catalog::{EntityId, TriggerDef};
use crate::plan;
use crate::plan::change::Change;
use crate::plan::origins::{Origin, origins};
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::store::View;
use crate::session::{Error, Session, routines, triggers};

/// A column that a statement writes, and what it makes it from.
#[derive(Clone, Debug)]
pub struct Written {
    pub column: Column,
    pub from: BTreeSet<Column>,
}

/// Binds a change, and collects what it makes the columns of a table from.
pub fn note(session: &mut Session, change: &Change<'_>, table: EntityId, running: Running) -> Result<(), Error> {
    let mut tables = StatementTables::new(&mut session.relations);
    tables.take_views_as_tables();
    let bound = plan::bind_change(change, running.dialect, &mut tables);
    let (query, layout) = bound.map_err(Error::all)?;
    let all = origins(&query);
    let (first, count) = layout.new;
    let mut written = Vec::new();
    for (at, column) in change.shape.columns.iter().enumerate().take(count) {
        let from = all.get(first + at).into_iter().flatten();
        let from = from.filter_map(|(table, at): &Origin| tables.column_of(*table, *at));
        let column = (table, column.field.name.to_lowercase());
        // A value that stays is made from nothing.
        let from: BTreeSet<Column> = from.filter(|from| *from != column).collect();
        if !from.is_empty() {
            written.push(Written { column, from });
        }
    }
    session
        .relations
        .written
        .iter_mut()
        .for_each(|all| all.append(&mut written));
    Ok(())
}

/// What the statements of a routine of the database write.
pub fn of_routine(session: &mut Session, id: EntityId) -> Vec<Written> {
    collected(session, |session| _ = routines::error_of(session, id))
}

/// What the statements of a trigger write, fired by each of its tables.
pub fn of_trigger(
    session: &mut Session,
    view: &View,
    id: EntityId,
    def: &TriggerDef,
    running: Running,
) -> Vec<Written> {
    let mut all = Vec::new();
    for target in &def.targets {
        let of = session.relations.given_of.replace(*target);
        all.extend(collected(session, |session| {
            // What does not check any more says nothing.
            _ = triggers::look(session, view, (id, def), *target, running);
        }));
        session.relations.given_of = of;
    }
    all
}

fn collected(session: &mut Session, look: impl FnOnce(&mut Session)) -> Vec<Written> {
    let outer = session.relations.written.replace(Vec::new());
    look(session);
    std::mem::replace(&mut session.relations.written, outer).unwrap_or_default()
}
