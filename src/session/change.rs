//! INSERT, UPDATE and DELETE: statements that become queries, whose rows then change a table.
//!
//! `UPDATE t SET b = b + 1 WHERE a < 10` runs `SELECT t._row, t.a, t.b + 1 FROM t WHERE a < 10`; the rows at those addresses are
//! deleted, and the new ones appended.
//!
//! Invariants: the query reads what was there before the statement; nothing is changed until it has ended without an error.
//!
//! Does not: check keys (the commit does).

use std::collections::HashSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use gobi_grammar::ast::{
    Assigned, AssignmentKind, Delete, Expr, ExprKind, Ident, Insert, InsertSource, Literal, Path, Query, QueryBody,
    SelectItem, Span, TableRef, TableRefKind, Target, Update, With,
};
use gobi_grammar::{Diagnostic, Dialect};

use super::define::drop::not_a_table;
use super::define::{schema_and_name, select, unsupported};
use super::store::{View, store_error};
use super::{Error, Phases, Session, statement};
use crate::catalog::{Entity, EntityId, TableDef};
use crate::store::table::{ROW_COLUMN, RowAddress};
use crate::types::{Field, LogicalType};

/// A statement that runs.
#[derive(Clone, Copy)]
pub struct Running {
    /// How its text is to be read.
    pub dialect: Dialect,
    /// Time so far.
    pub phases: Phases,
    /// Where it stands.
    pub span: Span,
}

/// INSERT: how many rows.
pub fn insert(session: &mut Session, insert: &Insert, view: &mut View, running: Running) -> Result<u64, Error> {
    refuse(&insert.with, insert.returning.is_empty(), running.span)?;
    if let Some(conflict) = &insert.on_conflict {
        return Err(unsupported("ON CONFLICT", conflict.span));
    }
    let (id, def) = target(view, &insert.target.table)?;
    let query = source(&def, &insert.columns, &insert.source, running.span)?;
    fill(session, &query, (id, &def), view, running)
}

/// Appends the rows of a query to a table.
pub fn fill(
    session: &mut Session,
    query: &Query,
    (id, def): (EntityId, &TableDef),
    view: &mut View,
    running: Running,
) -> Result<u64, Error> {
    let wanted = def.fields();
    let stream = statement::rows_into(session, query, &wanted, running)?;
    let failed = |error| store_error(&error, running.span);
    let mut rows = 0;
    let table = view.changes.table(id).map_err(failed)?;
    for batch in stream {
        let batch = batch?;
        check_nulls(def, &batch, running.span)?;
        table.append(def, &batch).map_err(failed)?;
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}

/// UPDATE: how many rows.
pub fn update(session: &mut Session, update: &Update, view: &mut View, running: Running) -> Result<u64, Error> {
    refuse(&update.with, update.returning.is_empty(), running.span)?;
    let (id, def) = target(view, &update.target.table)?;
    let name = target_name(&update.target);
    let mut values: Vec<Expr> = def
        .columns
        .iter()
        .map(|column| qualified(&name, &column.name))
        .collect();
    let mut assigned = HashSet::new();
    for assignment in &update.set {
        let pairs = match &assignment.kind {
            AssignmentKind::One { column, value } => match column.as_slice() {
                [column] => vec![(column, value)],
                _ => return Err(unsupported("SET of a field", assignment.span)),
            },
            AssignmentKind::Row { columns, values } => columns.iter().zip(values).collect(),
            AssignmentKind::Query { .. } => return Err(unsupported("SET from a query", assignment.span)),
        };
        for (column, value) in pairs {
            let at = position(&def, column)?;
            if !assigned.insert(at) {
                let message = format!("column `{}` is set twice", column.text);
                return Err(Error::new(Diagnostic::new("42601", column.span, message)));
            }
            values[at] = value_of(value);
        }
    }
    let mut from = vec![target_ref(&update.target)];
    from.extend(update.from.iter().cloned());
    let items = std::iter::once(qualified(&name, ROW_COLUMN)).chain(values);
    let query = select(items.map(item).collect(), from, update.filter.clone());
    let changed = addressed(session, &query, &def.fields(), running)?;
    let failed = |error| store_error(&error, running.span);
    let table = view.changes.table(id).map_err(failed)?;
    let mut rows = 0;
    for (addresses, batch) in &changed {
        check_nulls(&def, batch, running.span)?;
        table.delete(addresses);
        rows += addresses.len() as u64;
    }
    for (_, batch) in &changed {
        table.append(&def, batch).map_err(failed)?;
    }
    Ok(rows)
}

/// DELETE: how many rows.
pub fn delete(session: &mut Session, delete: &Delete, view: &mut View, running: Running) -> Result<u64, Error> {
    refuse(&delete.with, delete.returning.is_empty(), running.span)?;
    let (id, _) = target(view, &delete.target.table)?;
    let name = target_name(&delete.target);
    let mut from = vec![target_ref(&delete.target)];
    from.extend(delete.using.iter().cloned());
    let query = select(vec![item(qualified(&name, ROW_COLUMN))], from, delete.filter.clone());
    let gone = addressed(session, &query, &[], running)?;
    let failed = |error| store_error(&error, running.span);
    let table = view.changes.table(id).map_err(failed)?;
    let mut rows = 0;
    for (addresses, _) in &gone {
        table.delete(addresses);
        rows += addresses.len() as u64;
    }
    Ok(rows)
}

/// TRUNCATE: all rows of each table.
pub fn truncate(tables: &[Path], view: &mut View, span: Span) -> Result<(), Error> {
    for path in tables {
        let (id, _) = target(view, path)?;
        let table = view.changes.table(id).map_err(|error| store_error(&error, span))?;
        table.truncate();
    }
    Ok(())
}

/// The rows of a query whose first column is an address, each address once: the first row that has it.
fn addressed(
    session: &mut Session,
    query: &Query,
    fields: &[Field],
    running: Running,
) -> Result<Vec<(Vec<RowAddress>, RecordBatch)>, Error> {
    let row = Field {
        name: ROW_COLUMN.into(),
        ty: LogicalType::BigInt,
        nullable: false,
    };
    let wanted: Vec<Field> = std::iter::once(row).chain(fields.iter().cloned()).collect();
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for batch in statement::rows_into(session, query, &wanted, running)? {
        let batch = batch?;
        let addresses = batch.column(0).as_primitive::<Int64Type>().values();
        let first: Vec<bool> = addresses.iter().map(|address| seen.insert(*address)).collect();
        let addresses = addresses.iter().zip(&first).filter(|(_, first)| **first);
        let addresses: Vec<RowAddress> = addresses.map(|(a, _)| RowAddress(a.cast_unsigned())).collect();
        let internal =
            |error: arrow::error::ArrowError| Error::new(Diagnostic::new("XX000", running.span, error.to_string()));
        let kept = arrow::compute::filter_record_batch(&batch, &first.into()).map_err(internal)?;
        let columns: Vec<usize> = (1..kept.num_columns()).collect();
        out.push((addresses, kept.project(&columns).map_err(internal)?));
    }
    Ok(out)
}

/// What an INSERT adds, a value for each column of the table.
fn source(def: &TableDef, columns: &[Ident], source: &InsertSource, span: Span) -> Result<Query, Error> {
    let places = match columns {
        [] => (0..def.columns.len()).collect(),
        names => names
            .iter()
            .map(|name| position(def, name))
            .collect::<Result<Vec<_>, _>>()?,
    };
    if let Some((at, _)) = places
        .iter()
        .enumerate()
        .find(|(at, place)| places[..*at].contains(*place))
    {
        let message = format!("column `{}` is there twice", columns[at].text);
        return Err(Error::new(Diagnostic::new("42701", columns[at].span, message)));
    }
    let given = match source {
        InsertSource::DefaultValues => {
            let row = def.columns.iter().map(|_| item(null())).collect();
            return Ok(select(row, Vec::new(), None));
        }
        InsertSource::Values(rows) => {
            if let Some(row) = rows.iter().find(|row| row.len() != places.len()) {
                let message = format!("{} values for {} columns", row.len(), places.len());
                return Err(Error::new(Diagnostic::new("42601", span, message)));
            }
            let rows = rows.iter().map(|row| row.iter().map(value_of).collect()).collect();
            Query {
                body: QueryBody::Values(rows),
                span,
                ..select(Vec::new(), Vec::new(), None)
            }
        }
        InsertSource::Query(query) => (**query).clone(),
    };
    if places.iter().copied().eq(0..def.columns.len()) {
        return Ok(given);
    }
    let names: Vec<Ident> = places.iter().map(|at| ident(&def.columns[*at].name)).collect();
    let rows = TableRef {
        kind: TableRefKind::Query(Box::new(given)),
        time: None,
        alias: Some(ident("new")),
        columns: names,
        span,
    };
    let value = |at: usize| match places.contains(&at) {
        true => item(qualified(&ident("new"), &def.columns[at].name)),
        false => item(null()),
    };
    Ok(select((0..def.columns.len()).map(value).collect(), vec![rows], None))
}

/// The table that a statement changes.
pub fn target(view: &View, path: &Path) -> Result<(EntityId, TableDef), Error> {
    let (schema, name) = schema_and_name(path)?;
    let found = view.catalog().find(&[&schema, &name.text]);
    if let Some(entry) = found {
        return match &*entry.entity {
            Entity::Table(def) => Ok((entry.id, def.clone())),
            _ => Err(not_a_table(entry, name)),
        };
    }
    let message = format!("table `{}` does not exist", name.text);
    Err(Error::new(Diagnostic::new("42P01", name.span, message)))
}

fn refuse(with: &With, returns_nothing: bool, span: Span) -> Result<(), Error> {
    if !with.ctes.is_empty() {
        return Err(unsupported("WITH before a change", span));
    }
    if !returns_nothing {
        return Err(unsupported("RETURNING", span));
    }
    Ok(())
}

/// NOT NULL.
fn check_nulls(def: &TableDef, batch: &RecordBatch, span: Span) -> Result<(), Error> {
    for (column, values) in def.columns.iter().zip(batch.columns()) {
        if column.not_null && values.null_count() > 0 {
            let message = format!("column `{}` of `{}` cannot be NULL", column.name, def.name);
            return Err(Error::new(Diagnostic::new("23502", span, message)));
        }
    }
    Ok(())
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

/// The name that the target goes by.
fn target_name(target: &Target) -> Ident {
    let last = target.table.last().cloned();
    target.alias.clone().or(last).unwrap_or_else(|| ident(""))
}

fn target_ref(target: &Target) -> TableRef {
    TableRef {
        kind: TableRefKind::Name(target.table.clone()),
        time: None,
        alias: target.alias.clone(),
        columns: Vec::new(),
        span: target.span,
    }
}

/// No column has another default yet than NULL.
fn value_of(value: &Assigned) -> Expr {
    match value {
        Assigned::Default(_) => null(),
        Assigned::Value(expr) => expr.clone(),
    }
}

fn ident(text: &str) -> Ident {
    Ident {
        text: text.to_string(),
        quoted: true,
        span: Span::default(),
    }
}

fn qualified(relation: &Ident, column: &str) -> Expr {
    Expr {
        kind: ExprKind::Name(vec![relation.clone(), ident(column)]),
        span: relation.span,
    }
}

fn null() -> Expr {
    Expr {
        kind: ExprKind::Literal(Literal::Null),
        span: Span::default(),
    }
}

fn item(expr: Expr) -> SelectItem {
    SelectItem::Expr { expr, alias: None }
}
