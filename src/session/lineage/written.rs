//! Lineage of columns through statements: which columns a procedure or a trigger writes, and what it makes them from.
//!
//! In `insert into daily select day, sum(total) from orders` of the procedure `sum_up`, `daily.total` is made from `orders.total`, by `sum_up`.
//!
//! Invariants: what is collected is what the binder says of the statements, which are looked at and not run.
//!
//! Does not: follow the variables of a body; see `following`.

use std::collections::BTreeSet;
use std::sync::Arc;

use gobi_grammar::Dialect;
use gobi_grammar::ast::Query;

use super::columns::Column;
use super::following::follow;
use crate::catalog::{EntityId, TriggerDef};
use crate::plan;
use crate::plan::change::Change;
use crate::plan::logical;
use crate::plan::origins::{Origins, origins};
use crate::procedure::{Definition, Question};
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::routines::Values;
use crate::session::store::View;
use crate::session::{Error, Session, routines, triggers};
use crate::types::Value;

/// What a value is made from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub columns: BTreeSet<Column>,
    /// `x`, `r.x`, in lower case.
    pub variables: BTreeSet<String>,
}

impl Sources {
    pub fn add(&mut self, other: Self) {
        self.columns.extend(other.columns);
        self.variables.extend(other.variables);
    }

    fn of(origins: Origins, tables: &StatementTables<'_>) -> Self {
        let columns = origins.columns.into_iter();
        Self {
            columns: columns.filter_map(|(table, at)| tables.column_of(table, at)).collect(),
            variables: origins.variables.into_iter().map(|name| name.to_lowercase()).collect(),
        }
    }
}

/// A column that a statement writes, and what it makes it from.
#[derive(Clone, Debug)]
pub struct Written {
    pub column: Column,
    pub from: Sources,
}

/// What statements say that are looked at.
#[derive(Debug, Default)]
pub struct Collected {
    pub written: Vec<Written>,
    /// The variables that they mention, without values.
    pub given: Values,
}

impl Collected {
    /// Takes the variables of what a body asks.
    pub fn variables_of(&mut self, questions: &[Question]) {
        for (name, ty) in questions.iter().flat_map(|question| &question.given) {
            self.given.insert(name.to_lowercase(), (ty.clone(), Value::Null));
        }
    }
}

/// Binds a change, and collects what it makes the columns of a table from.
pub fn note(session: &mut Session, change: &Change<'_>, table: EntityId, running: Running) -> Result<(), Error> {
    let mut tables = looking(session);
    let bound = plan::bind_change(change, running.dialect, &mut tables);
    let (query, layout) = bound.map_err(Error::all)?;
    let (first, count) = layout.new;
    let all = origins(&query).into_iter().skip(first).take(count);
    let mut written = Vec::new();
    for (column, from) in change.shape.columns.iter().zip(all) {
        let column = (table, column.field.name.to_lowercase());
        let mut from = Sources::of(from, &tables);
        // A value that stays is made from nothing.
        from.columns.remove(&column);
        written.push(Written { column, from });
    }
    let collected = session.relations.written.iter_mut();
    collected.for_each(|collected| collected.written.append(&mut written));
    Ok(())
}

/// The columns of a query, and what each is made from; none, if it does not bind.
pub fn sources_of(session: &mut Session, query: &Query, dialect: Dialect) -> Vec<(String, Sources)> {
    let mut tables = looking(session);
    match plan::bind(query, dialect, &mut tables) {
        Ok(bound) => named(&bound, &tables),
        Err(_) => Vec::new(),
    }
}

fn named(bound: &logical::Query, tables: &StatementTables<'_>) -> Vec<(String, Sources)> {
    let outputs = bound.output.iter().zip(origins(bound));
    let named = outputs.map(|((_, field), from)| (field.name.clone(), Sources::of(from, tables)));
    named.collect()
}

/// Views as such, and variables as what they are.
fn looking(session: &mut Session) -> StatementTables<'_> {
    let mut tables = StatementTables::new(&mut session.relations);
    tables.restart(true);
    tables.take_views_as_tables();
    tables
}

/// What the statements of a routine of the database write.
pub fn of_routine(session: &mut Session, id: EntityId) -> Vec<Written> {
    let mut all = Vec::new();
    routines::each_of(session, id, &mut |session, definition: &Arc<Definition>| {
        let collected = collected(session, |session| _ = routines::check_alone(session, definition));
        all.extend(follow(session, definition, None, collected));
    });
    all
}

/// What the statements of a trigger write, fired by each of its tables.
pub fn of_trigger(
    session: &mut Session,
    view: &View,
    id: EntityId,
    def: &TriggerDef,
    running: Running,
) -> Vec<Written> {
    let mut definitions = Vec::new();
    routines::each_of(session, def.call, &mut |_, definition: &Arc<Definition>| {
        if def.calls(&definition.name) {
            definitions.push(Arc::clone(definition));
        }
    });
    let mut all = Vec::new();
    for target in &def.targets {
        let of = session.relations.given_of.replace(*target);
        let collected = collected(session, |session| {
            // What does not check any more says nothing.
            _ = triggers::look(session, view, (id, def), *target, running);
        });
        if let Some(definition) = definitions.first() {
            all.extend(follow(session, definition, Some(*target), collected));
        }
        session.relations.given_of = of;
    }
    all
}

fn collected(session: &mut Session, look: impl FnOnce(&mut Session)) -> Collected {
    let outer = session.relations.written.replace(Collected::default());
    look(session);
    std::mem::replace(&mut session.relations.written, outer).unwrap_or_default()
}
