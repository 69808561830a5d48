//! The expressions and constraints of a table's definition: DEFAULT, GENERATED, CHECK, and their names.
//!
//! `CREATE TABLE t (a int DEFAULT 1 CHECK (a > 0))` keeps the texts `1` and `a > 0`, the latter under the name `t_a_check`.
//!
//! Invariants: what is kept has been bound against the table's columns; names of constraints differ within a table.
//!
//! Does not: check rows.

use gobi_grammar::ast::{
    self, ColumnConstraintKind, CreateTable, Expr, ExprKind, Ident, Query, SelectItem, Span, TableRef, TableRefKind,
};
use gobi_grammar::{Diagnostic, Dialect};

use super::change::shape;
use super::relations::StatementTables;
use super::{Error, Session, define};
use crate::catalog::{CheckDef, Source, TableDef};
use crate::plan;

/// DEFAULT.
pub fn set_default(def: &mut TableDef, at: usize, expr: &Expr, dialect: Dialect, span: Span) -> Result<(), Error> {
    let source = shape::source_of(expr, dialect);
    let Some(column) = def.columns.get_mut(at) else {
        return Ok(());
    };
    if column.generated.is_some() {
        return Err(both(&column.name, span));
    }
    match column.default.replace(source) {
        None => Ok(()),
        Some(_) => Err(twice(&column.name, "defaults", span)),
    }
}

/// GENERATED ALWAYS AS.
pub fn set_generated(def: &mut TableDef, at: usize, expr: &Expr, dialect: Dialect, span: Span) -> Result<(), Error> {
    let source = shape::source_of(expr, dialect);
    let Some(column) = def.columns.get_mut(at) else {
        return Ok(());
    };
    if column.default.is_some() {
        return Err(both(&column.name, span));
    }
    match column.generated.replace(source) {
        None => Ok(()),
        Some(_) => Err(twice(&column.name, "expressions", span)),
    }
}

/// CHECK, of a column or of the whole row.
pub fn add_check(
    def: &mut TableDef,
    column: Option<&str>,
    name: Option<&Ident>,
    (expr, dialect): (&Expr, Dialect),
    span: Span,
) -> Result<(), Error> {
    let stem = match column {
        Some(column) => format!("{}_{column}_check", def.name),
        None => format!("{}_check", def.name),
    };
    let name = constraint_name(def, name, stem, span)?;
    let condition = shape::source_of(expr, dialect);
    def.checks.push(CheckDef { name, condition });
    Ok(())
}

/// A constraint's name: the one that was given, or one made from a stem that no other has.
pub fn constraint_name(def: &TableDef, given: Option<&Ident>, stem: String, span: Span) -> Result<String, Error> {
    let keys = def.keys().map(|key| key.name.as_str());
    let checks = def.checks.iter().map(|check| check.name.as_str());
    let foreign = def.foreign_keys.iter().map(|key| key.name.as_str());
    let taken: Vec<&str> = keys.chain(checks).chain(foreign).collect();
    let is_taken = |name: &str| taken.iter().any(|other| other.eq_ignore_ascii_case(name));
    match given {
        Some(name) if is_taken(&name.text) => {
            let message = format!("`{}` has a constraint `{}` already", def.name, name.text);
            Err(Error::new(Diagnostic::new("42710", span, message)))
        }
        Some(name) => Ok(name.text.clone()),
        None if !is_taken(&stem) => Ok(stem),
        None => {
            let mut numbered = (1..).map(|n| format!("{stem}{n}"));
            Ok(numbered.find(|name| !is_taken(name)).unwrap_or(stem))
        }
    }
}

/// The expression of a generated column.
pub fn generating(column: &ast::ColumnDef) -> Option<&Expr> {
    column.constraints.iter().find_map(|constraint| match &constraint.kind {
        ColumnConstraintKind::Generated { expr, .. } => Some(expr),
        _ => None,
    })
}

/// A query with all columns of a table, out of one with those that have a type: the others are their expressions.
pub fn with_inferred(create: &CreateTable, typed: Query) -> Query {
    let name = |text: &Ident| Expr {
        kind: ExprKind::Name(vec![text.clone()]),
        span: text.span,
    };
    let item = |column: &ast::ColumnDef| SelectItem::Expr {
        expr: match (&column.ty, generating(column)) {
            (None, Some(expr)) => expr.clone(),
            _ => name(&column.name),
        },
        alias: Some(column.name.clone()),
    };
    let from = TableRef {
        kind: TableRefKind::Query(Box::new(typed)),
        time: None,
        alias: create.name.last().cloned(),
        columns: Vec::new(),
        span: Span::default(),
    };
    define::select(create.columns.iter().map(item).collect(), vec![from], None)
}

/// Binds all expressions of a definition.
pub fn check_definition(session: &mut Session, def: &TableDef, span: Span) -> Result<(), Error> {
    let has = |source: &Option<Source>| source.is_some();
    let plain = def.checks.is_empty();
    if plain
        && !def
            .columns
            .iter()
            .any(|column| has(&column.default) || has(&column.generated))
    {
        return Ok(());
    }
    let shape = shape::shape(def, span)?;
    let mut tables = StatementTables::new(&mut session.relations);
    shape::check(&shape, span, |change| {
        plan::bind_change(change, Dialect::Grizzly, &mut tables).map(drop)
    })
}

fn both(column: &str, span: Span) -> Error {
    let message = format!("column `{column}` is generated, and can have no default");
    Error::new(Diagnostic::new("42601", span, message))
}

fn twice(column: &str, what: &str, span: Span) -> Error {
    let message = format!("column `{column}` has several {what}");
    Error::new(Diagnostic::new("42601", span, message))
}
