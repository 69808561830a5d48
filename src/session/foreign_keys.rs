//! FOREIGN KEY in a definition: which table and key it leads to, and what becomes of rows whose partner goes.
//!
//! `o_custkey bigint REFERENCES customer ON DELETE CASCADE` leads to the primary key of `customer`; it is called
//! `orders_o_custkey_fkey` unless it is given a name.
//!
//! Invariants: the other table has a primary or unique key of exactly the columns that are referred to, whose types are those
//! of the referring ones.
//!
//! Does not: look at rows; see `change::foreign`.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{
    ColumnConstraintKind, CreateTable, Ident, Reference, ReferentialAction, Span, TableConstraintKind,
};

use super::constraints::constraint_name;
use super::define::schema_and_name;
use super::{Error, define};
use crate::catalog::{Catalog, ColumnNo, Entity, EntityId, ForeignKeyDef, KeyAction, TableDef};
use crate::types::LogicalType;

/// Adds the foreign keys that CREATE TABLE writes; `id` is the number that the table has or will have.
pub fn add_all(catalog: &Catalog, def: &mut TableDef, id: EntityId, create: &CreateTable) -> Result<(), Error> {
    for column in &create.columns {
        for constraint in &column.constraints {
            if let ColumnConstraintKind::References(reference) = &constraint.kind {
                let own = std::slice::from_ref(&column.name);
                add(catalog, def, id, constraint.name.as_ref(), own, reference)?;
            }
        }
    }
    for constraint in &create.constraints {
        if let TableConstraintKind::ForeignKey { columns, reference } = &constraint.kind {
            add(catalog, def, id, constraint.name.as_ref(), columns, reference)?;
        }
    }
    Ok(())
}

/// Adds one.
pub fn add(
    catalog: &Catalog,
    def: &mut TableDef,
    id: EntityId,
    name: Option<&Ident>,
    columns: &[Ident],
    reference: &Reference,
) -> Result<(), Error> {
    let own = numbers(def, columns)?;
    let (table, other) = referenced_table(catalog, def, id, reference)?;
    let referenced = referenced_columns(&other, reference)?;
    if own.len() != referenced.len() {
        let message = format!("{} columns refer to {}", own.len(), referenced.len());
        return Err(user("42830", reference.span, message));
    }
    let mut sorted = referenced.clone();
    sorted.sort();
    let is_key = other.keys().any(|key| {
        let mut columns = key.columns.clone();
        columns.sort();
        columns == sorted
    });
    if !is_key {
        let message = format!(
            "`{}` has no primary or unique key ({})",
            other.name,
            other.column_names(&referenced)
        );
        return Err(user("42830", reference.span, message));
    }
    for (own, theirs) in own.iter().zip(&referenced) {
        if let (Some(own), Some(theirs)) = (def.by_no(*own), other.by_no(*theirs))
            && !same_values(&own.ty, &theirs.ty)
        {
            let message = format!(
                "column `{}` is {}, but `{}` of `{}` is {}",
                own.name, own.ty, theirs.name, other.name, theirs.ty
            );
            return Err(user("42804", reference.span, message));
        }
    }
    let stem = format!("{}_{}_fkey", def.name, def.column_names(&own).replace(", ", "_"));
    let key = ForeignKeyDef {
        name: constraint_name(def, name, stem, reference.span)?,
        columns: own,
        table,
        referenced,
        on_delete: action(reference.on_delete),
        on_update: action(reference.on_update),
    };
    refuse_generated(def, &key, reference.span)?;
    def.foreign_keys.push(key);
    Ok(())
}

/// A column that is computed cannot be set to something else when its partner goes.
fn refuse_generated(def: &TableDef, key: &ForeignKeyDef, span: Span) -> Result<(), Error> {
    let is_generated = |no: &ColumnNo| def.by_no(*no).is_some_and(|column| column.generated.is_some());
    let sets = |action: KeyAction| matches!(action, KeyAction::SetNull | KeyAction::SetDefault);
    let changes = sets(key.on_delete) || sets(key.on_update) || key.on_update == KeyAction::Cascade;
    match key.columns.iter().find(|no| is_generated(no)) {
        Some(no) if changes => {
            let message = format!("`{}` is generated, and cannot be set", def.column_names(&[*no]));
            Err(user("42601", span, message))
        }
        _ => Ok(()),
    }
}

fn referenced_table(
    catalog: &Catalog,
    def: &TableDef,
    id: EntityId,
    reference: &Reference,
) -> Result<(EntityId, TableDef), Error> {
    let (schema, name) = schema_and_name(&reference.table)?;
    let found = catalog.find(&[&schema, &name.text]);
    if let Some(entry) = found.filter(|entry| entry.id != id) {
        return match &*entry.entity {
            Entity::Table(other) => Ok((entry.id, other.clone())),
            _ => Err(define::drop::not_a_table(entry, name)),
        };
    }
    if name.text.eq_ignore_ascii_case(&def.name) {
        return Ok((id, def.clone()));
    }
    let message = format!("table `{}` does not exist", name.text);
    Err(user("42P01", name.span, message))
}

fn referenced_columns(other: &TableDef, reference: &Reference) -> Result<Vec<ColumnNo>, Error> {
    if !reference.columns.is_empty() {
        return numbers(other, &reference.columns);
    }
    match &other.primary_key {
        Some(key) => Ok(key.columns.clone()),
        None => {
            let message = format!("`{}` has no primary key", other.name);
            Err(user("42830", reference.span, message))
        }
    }
}

fn numbers(def: &TableDef, names: &[Ident]) -> Result<Vec<ColumnNo>, Error> {
    let number = |name: &Ident| {
        let column = def.column(&name.text).ok_or_else(|| {
            let message = format!("column `{}` of `{}` does not exist", name.text, def.name);
            user("42703", name.span, message)
        })?;
        Ok(column.no)
    };
    names.iter().map(number).collect()
}

/// Whether values of both types are compared as they are, and looked up as they are.
fn same_values(a: &LogicalType, b: &LogicalType) -> bool {
    a == b || a.is_integer() && b.is_integer()
}

fn action(written: Option<ReferentialAction>) -> KeyAction {
    match written {
        None | Some(ReferentialAction::NoAction) => KeyAction::Refuse,
        Some(ReferentialAction::Restrict) => KeyAction::Restrict,
        Some(ReferentialAction::Cascade) => KeyAction::Cascade,
        Some(ReferentialAction::SetNull) => KeyAction::SetNull,
        Some(ReferentialAction::SetDefault) => KeyAction::SetDefault,
    }
}

fn user(code: &'static str, span: Span, message: String) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
