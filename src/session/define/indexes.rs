//! CREATE INDEX.
//!
//! `CREATE INDEX ON orders (who, total)` makes `orders_who_total_idx`, which finds `who = 'Ada'`, and of those `total > 10`.
//!
//! Invariants: the index is there when the transaction commits. A unique one is refused at once if the rows do not allow it.
//!
//! Does not: build the index; the commit does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{CreateIndex, ExprKind, Ident, OrderItem, Span};

use super::{alter, catalog_error, schema_and_name, unsupported};
use crate::catalog::{ColumnNo, Entity, IndexDef, KeyDef, TableDef};
use crate::session::change::{self, Running};
use crate::session::store::View;
use crate::session::{Error, Session};
use crate::types::LogicalType;

/// CREATE INDEX.
pub fn create(session: &mut Session, create: &CreateIndex, view: &mut View, running: Running) -> Result<(), Error> {
    let (schema, _) = schema_and_name(&create.table)?;
    if let Some(name) = create.name.as_ref().filter(|_| create.if_not_exists)
        && view.catalog().find(&[&schema, &name.text]).is_some()
    {
        return Ok(());
    }
    let (id, def) = change::target(view, &create.table)?;
    let columns = columns(&def, &create.keys)?;
    let taken = |name: &str| view.catalog().find(&[&schema, name]).is_some();
    let name = match &create.name {
        Some(name) => name.text.clone(),
        None => free_name(&def, &columns, taken),
    };
    let span = create.name.as_ref().map_or(running.span, |name| name.span);
    if create.unique {
        let key = KeyDef {
            name: name.clone(),
            columns: columns.clone(),
        };
        alter::check_unique(session, view, id, &schema, &key, running)?;
    }
    let index = IndexDef {
        name,
        table: id,
        columns,
        unique: create.unique,
    };
    let made = view.changes.catalog.create(&schema, Entity::Index(index));
    made.map(drop).map_err(|error| catalog_error(&error, span))
}

fn columns(def: &TableDef, keys: &[OrderItem]) -> Result<Vec<ColumnNo>, Error> {
    let mut columns = Vec::new();
    for key in keys {
        let span = key.expr.span;
        if key.desc || key.nulls_first.is_some() {
            return Err(unsupported("the order of a column in an index", span)
                .with_help("an index is read in both directions, and has no NULLs"));
        }
        let name = match &key.expr.kind {
            ExprKind::Name(parts) => match parts.as_slice() {
                [name] => name,
                _ => return Err(unsupported("an index of expressions", span)),
            },
            _ => return Err(unsupported("an index of expressions", span)),
        };
        let column = column(def, name)?;
        if columns.contains(&column) {
            let message = format!("column `{}` is there twice", name.text);
            return Err(Error::new(Diagnostic::new("42701", span, message)));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn column(def: &TableDef, name: &Ident) -> Result<ColumnNo, Error> {
    let Some(column) = def.column(&name.text) else {
        let message = format!("column `{}` of `{}` does not exist", name.text, def.name);
        let mut error = Diagnostic::new("42703", name.span, message);
        let names = def.columns.iter().map(|column| column.name.as_str());
        error.help = gobi_grammar::similar::nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    };
    check_type(&column.ty, "an index", name.span)?;
    Ok(column.no)
}

/// What keys and indexes cannot hold is refused, or they would say nothing of it.
pub fn check_type(ty: &LogicalType, what: &str, span: Span) -> Result<(), Error> {
    match ty {
        LogicalType::Array(_) | LogicalType::Struct(_) | LogicalType::Map(_) => {
            Err(unsupported(&format!("{what} of the type {ty}"), span))
        }
        _ => Ok(()),
    }
}

fn free_name(def: &TableDef, columns: &[ColumnNo], taken: impl Fn(&str) -> bool) -> String {
    let stem = format!("{}_{}_idx", def.name, def.column_names(columns).replace(", ", "_"));
    let mut numbered = (1..).map(|n| format!("{stem}{n}"));
    match taken(&stem) {
        false => stem,
        true => numbered.find(|name| !taken(name)).unwrap_or(stem),
    }
}
