//! Statements that change rows: they become queries, whose rows then change a table.
//!
//! `UPDATE t SET b = b + 1 WHERE a < 10` runs `SELECT t._row, t.a, t.b + 1 FROM t WHERE a < 10`; the rows at those addresses are
//! deleted, and the new ones appended.
//!
//! The walk: a file for each statement says what it is as a [`Change`] → `plan::bind_change` makes a query of it →
//! [`apply`] runs that and stages what it gives. [`shape`] reads the table's own expressions.
//!
//! Invariants: the query reads what was there before the statement; what is staged is dropped if the statement fails.
//!
//! Does not: lock, or commit.

pub mod apply;
mod computed;
pub mod foreign;
mod insert;
mod known;
mod merge;
pub mod orphans;
pub mod repeated;
pub mod shape;
mod update;
mod watch;

use gobi_grammar::ast::{Ident, Path, Query, Span, StatementKind as K};
use gobi_grammar::{Diagnostic, Dialect};

pub use known::{Known, Table};

use super::define::drop::not_a_table;
use super::define::schema_and_name;
use super::store::{View, store_error};
use super::{Error, Phases, ResultStream, Session, StatementResult, triggers};
use crate::catalog::{Entity, EntityId, TableDef};

/// A statement that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// How its text is to be read.
    pub dialect: Dialect,
    /// Time so far.
    pub phases: Phases,
    /// Where it stands.
    pub span: Span,
    /// It is only looked at for errors.
    pub only_bind: bool,
}

/// What a statement did.
#[derive(Debug, Default)]
pub struct Done {
    /// How many rows.
    pub rows: u64,
    /// What RETURNING gives.
    pub returned: Option<ResultStream>,
}

/// Runs a statement that changes rows.
pub fn run(session: &mut Session, kind: &K, view: &mut View, running: Running) -> Result<Done, Error> {
    match kind {
        K::Insert(insert) => insert::insert(session, insert, view, running),
        K::Upsert(upsert) => insert::upsert(session, upsert, view, running),
        K::Update(update) => update::update(session, update, view, running),
        K::Delete(delete) => update::delete(session, delete, view, running),
        K::Merge(merge) => merge::merge(session, merge, view, running),
        other => Err(super::define::unsupported(&other.name(), running.span)),
    }
}

impl Done {
    /// As the result of a statement.
    pub fn result(self) -> StatementResult {
        match self.returned {
            Some(mut stream) => {
                stream.affected = Some(self.rows);
                StatementResult::Rows(stream)
            }
            None => StatementResult::RowsAffected(self.rows),
        }
    }
}

/// Appends the rows of a query to a table.
pub fn fill(
    session: &mut Session,
    query: &Query,
    (id, def): (EntityId, &TableDef),
    view: &mut View,
    running: Running,
) -> Result<u64, Error> {
    fill_columns(session, query, &[], (id, def), view, running)
}

/// Appends the rows of a query to a table, into some of its columns; none: all.
pub fn fill_columns(
    session: &mut Session,
    query: &Query,
    columns: &[Ident],
    (id, def): (EntityId, &TableDef),
    view: &mut View,
    running: Running,
) -> Result<u64, Error> {
    let table = Table::new(id, def.clone());
    insert::fill(session, query, columns, &table, view, running).map(|done| done.rows)
}

/// TRUNCATE: all rows of each table.
pub fn truncate(tables: &[Path], view: &mut View, span: Span) -> Result<(), Error> {
    let ids = tables.iter().map(|path| target(view, path).map(|(id, _)| id));
    let ids: Vec<EntityId> = ids.collect::<Result<_, _>>()?;
    foreign::refuse_truncate(view, &ids, span)?;
    for id in ids {
        let table = view.changes.table(id).map_err(|error| store_error(&error, span))?;
        table.truncate();
    }
    Ok(())
}

/// The table that a statement changes.
pub fn target(view: &View, path: &Path) -> Result<(EntityId, TableDef), Error> {
    let (schema, name) = schema_and_name(view.local(path))?;
    let found = view.catalog().find(&[&schema, &name.text]);
    if let Some(entry) = found {
        return match &*entry.entity {
            Entity::Table(def) => Ok((entry.id, def.clone())),
            _ => Err(not_a_table(entry, name)),
        };
    }
    let message = format!("table `{}` does not exist", name.text);
    let mut error = Diagnostic::new("42P01", name.span, message);
    let tables = view
        .catalog()
        .entries()
        .filter(|entry| matches!(&*entry.entity, Entity::Table(_)));
    let names: Vec<&str> = tables.map(|entry| entry.entity.name()).collect();
    error.help = gobi_grammar::similar::nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
    Err(Error::new(error))
}

/// The table, or the view whose changes triggers stand for, that a statement changes.
fn table(session: &mut Session, view: &View, path: &Path) -> Result<Table, Error> {
    let (schema, name) = schema_and_name(view.local(path))?;
    if let Some(entry) = view.catalog().find(&[&schema, &name.text]) {
        match &*entry.entity {
            Entity::View(def) => return triggers::view_as_table(view, entry.id, def, name),
            Entity::Table(def) => return Ok(session.tables.table(entry, def)),
            _ => {}
        }
    }
    target(view, path).map(|(id, def)| Table::new(id, def))
}

/// Where columns are in a table.
fn positions(def: &TableDef, names: &[Ident]) -> Result<Vec<usize>, Error> {
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let at = position(def, name)?;
        if places.contains(&at) {
            let message = format!("column `{}` is there twice", name.text);
            return Err(Error::new(Diagnostic::new("42701", name.span, message)));
        }
        places.push(at);
    }
    Ok(places)
}

fn position(def: &TableDef, name: &Ident) -> Result<usize, Error> {
    let found = def
        .columns
        .iter()
        .position(|column| column.name.eq_ignore_ascii_case(&name.text));
    found.ok_or_else(|| {
        let message = format!("column `{}` of `{}` does not exist", name.text, def.name);
        let mut error = Diagnostic::new("42703", name.span, message);
        let names = def.columns.iter().map(|column| column.name.as_str());
        error.help = gobi_grammar::similar::nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
        Error::new(error)
    })
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
