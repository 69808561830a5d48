//! Statements that define: CREATE TABLE; and, a kind a file, views, schemas and DROP.
//!
//! `CREATE TABLE t (a int PRIMARY KEY, b string)` puts a definition into the catalog; `CREATE TABLE t AS SELECT …` rows too.
//!
//! Invariants: what a definition asks for and the engine does not do yet is an error, never left out.
//!
//! Does not: write; the transaction does.

pub mod alter;
pub mod drop;
pub mod indexes;
mod options;
pub mod schemas;
pub mod supplant;
pub mod text;
pub mod views;

use gobi_grammar::ast::{
    self, ColumnConstraintKind as C, CreateTable, Expr, ExprKind, Ident, Literal, Query, Select, SelectItem, Span,
    TableConstraintKind as T,
};
use gobi_grammar::{Diagnostic, Dialect};

use super::relations::StatementTables;
use super::store::{View, store_error};
use super::{Error, Session, constraints, foreign_keys, statement};
use crate::catalog::{CatalogError, Entity, EntityId, KeyDef, MAIN_SCHEMA, TableDef};
use crate::types::{Field, LogicalType};

/// Makes the definition; `None` if the table is there and may be.
pub fn create_table(
    session: &mut Session,
    create: &CreateTable,
    view: &mut View,
    dialect: Dialect,
) -> Result<Option<TableDef>, Error> {
    let span = create.name.first().map_or_else(Span::default, |name| name.span);
    let (schema, name) = schema_and_name(&create.name)?;
    let known = view.catalog().find(&[&schema, &name.text]).cloned();
    if known.is_some() && create.if_not_exists {
        return Ok(None);
    }
    let fields = match &create.query {
        Some(query) => {
            let mut tables = StatementTables::new(&mut session.relations);
            let bound = statement::bind(query, dialect, &mut tables)?;
            bound.output.into_iter().map(|(_, field)| field).collect()
        }
        None => column_types(session, create, dialect)?,
    };
    let known = known.filter(|_| create.or_replace);
    if let Some(entry) = known
        && let Entity::Table(old) = &*entry.entity
    {
        let mut def = definition(create, &name.text, &fields, dialect, old.next_column)?;
        foreign_keys::add_all(view.catalog(), &mut def, entry.id, create)?;
        constraints::check_definition(session, &def, span)?;
        replace_table(session, view, entry.id, def.clone(), span)?;
        return Ok(Some(def));
    }
    let mut def = definition(create, &name.text, &fields, dialect, 0)?;
    let id = EntityId(view.catalog().next_id());
    foreign_keys::add_all(view.catalog(), &mut def, id, create)?;
    constraints::check_definition(session, &def, span)?;
    let catalog = &mut view.changes.catalog;
    catalog
        .create(&schema, Entity::Table(def.clone()))
        .map_err(|error| catalog_error(&error, span))?;
    Ok(Some(def))
}

/// Another definition, and no rows, for a table that keeps its number and with it its history. Its columns are new ones,
/// whatever they are called.
fn replace_table(session: &mut Session, view: &mut View, id: EntityId, def: TableDef, span: Span) -> Result<(), Error> {
    let before = view.clone();
    let referencing = view.catalog().referencing(id);
    if let Some((_, other)) = referencing.first() {
        let message = format!("`{}` is needed by a foreign key of table `{}`", def.name, other.name);
        return Err(Error::new(Diagnostic::new("2BP01", span, message)));
    }
    let indexes: Vec<EntityId> = view
        .catalog()
        .entries()
        .filter(|entry| matches!(&*entry.entity, Entity::Index(index) if index.table == id))
        .map(|entry| entry.id)
        .collect();
    let what = format!("what `{}` has now", def.name);
    let catalog = &mut view.changes.catalog;
    for index in indexes {
        catalog.drop(index, true).map_err(|error| catalog_error(&error, span))?;
    }
    let replaced = catalog.replace(id, Entity::Table(def));
    replaced.map_err(|error| catalog_error(&error, span))?;
    let table = view.changes.table(id).map_err(|error| store_error(&error, span))?;
    table.truncate();
    views::keep_dependants(session, &before, view, id, &what, span)
}

/// `name` or `schema.name`.
pub fn schema_and_name(path: &[Ident]) -> Result<(String, &Ident), Error> {
    match path {
        [name] => Ok((MAIN_SCHEMA.into(), name)),
        [schema, name] => Ok((schema.text.clone(), name)),
        other => {
            let span = other.first().map_or_else(Span::default, |name| name.span);
            let message = "a table is named `name` or `schema.name`";
            Err(Error::new(Diagnostic::new("42601", span, message)))
        }
    }
}

/// The types of the columns: those of a query of NULLs that is cast to them.
fn column_types(session: &mut Session, create: &CreateTable, dialect: Dialect) -> Result<Vec<Field>, Error> {
    let item = |column: &ast::ColumnDef| {
        let Some(ty) = &column.ty else {
            let message = format!("column `{}` has no type", column.name.text);
            return Err(Error::new(Diagnostic::new("42601", column.span, message)));
        };
        let null = Expr {
            kind: ExprKind::Literal(Literal::Null),
            span: column.span,
        };
        let expr = Expr {
            kind: ExprKind::Cast {
                expr: Box::new(null),
                ty: ty.clone(),
                try_: false,
            },
            span: column.span,
        };
        let alias = Some(column.name.clone());
        Ok(SelectItem::Expr { expr, alias })
    };
    let typed = create
        .columns
        .iter()
        .filter(|column| constraints::generating(column).is_none() || column.ty.is_some());
    let items = typed.map(item).collect::<Result<Vec<_>, _>>()?;
    let mut query = select(items, Vec::new(), None);
    if create.columns.iter().any(|column| column.ty.is_none()) {
        query = constraints::with_inferred(create, query);
    }
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = statement::bind(&query, dialect, &mut tables)?;
    Ok(bound.output.into_iter().map(|(_, field)| field).collect())
}

/// The type that a type's name stands for.
pub fn type_of(session: &mut Session, ty: &ast::TypeName, span: Span, dialect: Dialect) -> Result<LogicalType, Error> {
    let null = Expr {
        kind: ExprKind::Literal(Literal::Null),
        span,
    };
    let cast = Expr {
        kind: ExprKind::Cast {
            expr: Box::new(null),
            ty: ty.clone(),
            try_: false,
        },
        span,
    };
    let item = SelectItem::Expr {
        expr: cast,
        alias: None,
    };
    let query = select(vec![item], Vec::new(), None);
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = statement::bind(&query, dialect, &mut tables)?;
    let first = bound.output.into_iter().next();
    Ok(first.map_or(LogicalType::Null, |(_, field)| field.ty))
}

/// `SELECT items FROM from WHERE filter`.
pub fn select(items: Vec<SelectItem>, from: Vec<ast::TableRef>, filter: Option<Expr>) -> Query {
    let select = Select::of(items, from, Span::default());
    Select { filter, ..select }.query()
}

/// The definition, whose columns are numbered from `first`.
fn definition(
    create: &CreateTable,
    name: &str,
    fields: &[Field],
    dialect: Dialect,
    first: u32,
) -> Result<TableDef, Error> {
    let mut def = TableDef {
        next_column: first,
        ..TableDef::new(name)
    };
    for (at, field) in fields.iter().enumerate() {
        let written = create.columns.get(at);
        let place = written.map_or_else(Span::default, |column| column.span);
        let name = written.map_or(field.name.as_str(), |column| column.name.text.as_str());
        add_column(&mut def, name, &field.ty, place)?;
    }
    if create.query.is_some() && !create.columns.is_empty() && create.columns.len() != fields.len() {
        let message = format!("{} columns for {} values", create.columns.len(), fields.len());
        let span = create.columns.first().map_or_else(Span::default, |column| column.span);
        return Err(Error::new(Diagnostic::new("42601", span, message)));
    }
    for (at, column) in create.columns.iter().enumerate() {
        column_constraints(&mut def, at, column, dialect)?;
    }
    for constraint in &create.constraints {
        let name = constraint.name.as_ref();
        match &constraint.kind {
            T::PrimaryKey(columns) => add_key(&mut def, columns, name, true, constraint.span)?,
            T::Unique(columns) => add_key(&mut def, columns, name, false, constraint.span)?,
            T::Check(expr) => constraints::add_check(&mut def, None, name, (expr, dialect), constraint.span)?,
            // They need the other tables; see `foreign_keys`.
            T::ForeignKey { .. } => {}
        }
    }
    options::apply(&mut def, &create.options)?;
    Ok(def)
}

/// A table of nothing but columns.
pub fn plain_table(name: &str, fields: &[Field], span: Span) -> Result<TableDef, Error> {
    let mut def = TableDef::new(name);
    for field in fields {
        add_column(&mut def, &field.name, &field.ty, span)?;
    }
    Ok(def)
}

/// Some names are the engine's own.
fn check_column_name(name: &str, span: Span) -> Result<(), Error> {
    if crate::store::table::is_hidden(name) {
        let message = format!("`{name}` is a name of the engine's own");
        return Err(Error::new(Diagnostic::new("42939", span, message)));
    }
    Ok(())
}

fn add_column(def: &mut TableDef, name: &str, ty: &LogicalType, span: Span) -> Result<(), Error> {
    if def.column(name).is_some() {
        let message = format!("column `{name}` is there twice");
        return Err(Error::new(Diagnostic::new("42701", span, message)));
    }
    check_column_name(name, span)?;
    let ty = match ty {
        LogicalType::Null => LogicalType::Integer,
        other => other.clone(),
    };
    def.add(name, ty);
    Ok(())
}

fn column_constraints(def: &mut TableDef, at: usize, column: &ast::ColumnDef, dialect: Dialect) -> Result<(), Error> {
    for constraint in &column.constraints {
        let span = constraint.span;
        let own = std::slice::from_ref(&column.name);
        match &constraint.kind {
            C::NotNull => def.columns[at].not_null = true,
            C::Null => {}
            C::PrimaryKey => add_key(def, own, constraint.name.as_ref(), true, constraint.span)?,
            C::Unique => add_key(def, own, constraint.name.as_ref(), false, constraint.span)?,
            C::Default(expr) => constraints::set_default(def, at, expr, dialect, span)?,
            C::Check(expr) => {
                let (own, name) = (Some(column.name.text.as_str()), constraint.name.as_ref());
                constraints::add_check(def, own, name, (expr, dialect), span)?;
            }
            C::Generated { expr, .. } => constraints::set_generated(def, at, expr, dialect, span)?,
            C::References(_) => {}
        }
    }
    Ok(())
}

fn add_key(def: &mut TableDef, names: &[Ident], name: Option<&Ident>, primary: bool, span: Span) -> Result<(), Error> {
    let mut columns = Vec::new();
    for column in names {
        let Some(at) = def
            .columns
            .iter()
            .position(|c| c.name.eq_ignore_ascii_case(&column.text))
        else {
            let message = format!("column `{}` does not exist", column.text);
            return Err(Error::new(Diagnostic::new("42703", column.span, message)));
        };
        indexes::check_type(&def.columns[at].ty, "a key", column.span)?;
        def.columns[at].not_null |= primary;
        columns.push(def.columns[at].no);
    }
    let suffix = if primary {
        "pkey".to_string()
    } else {
        format!("{}_key", def.column_names(&columns).replace(", ", "_"))
    };
    let name = constraints::constraint_name(def, name, format!("{}_{suffix}", def.name), span)?;
    let key = KeyDef { name, columns };
    if !primary {
        def.unique.push(key);
        return Ok(());
    }
    if def.primary_key.replace(key).is_some() {
        return Err(Error::new(Diagnostic::new(
            "42P16",
            span,
            "a table has one primary key",
        )));
    }
    Ok(())
}

/// A part of a statement that cannot be run yet.
pub fn unsupported(what: &str, span: Span) -> Error {
    Error::new(Diagnostic::new("0A000", span, format!("{what} is not supported yet")))
}

pub fn catalog_error(error: &CatalogError, span: Span) -> Error {
    let mut said = Diagnostic::new(error.code(), span, error.to_string());
    if let CatalogError::Needed { .. } = error {
        said.help = Some("drop what needs it first, or with it: `CASCADE`".to_owned());
    }
    Error::new(said)
}
