//! `WITH (…)` of CREATE TABLE: how a table lies in the store.
//!
//! `WITH (storage = 'mor', sort_by = (day, id))` keeps deleted rows beside their segments, and writes the rows of a segment in the
//! order of their days.
//!
//! Invariants: an option that is not there yet is refused, not left out.
//!
//! Does not: sort; segments are sorted when they are written.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Expr, ExprKind, Ident};
use gobi_grammar::similar::nearest;

use super::unsupported;
use crate::catalog::{ColumnNo, SortColumn, Storage, TableDef};
use crate::session::{Error, script};

const OPTIONS: [&str; 3] = ["storage", "partition_by", "sort_by"];

/// Takes all options.
pub fn apply(def: &mut TableDef, options: &[(Ident, Expr)]) -> Result<(), Error> {
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in options {
        let option = name.text.to_ascii_lowercase();
        if seen.contains(&option) {
            let message = format!("the option `{option}` is there twice");
            return Err(Error::new(Diagnostic::new("42601", name.span, message)));
        }
        match option.as_str() {
            "storage" => def.storage = storage(value)?,
            "sort_by" => def.sort_by = sort_by(def, value)?,
            "partition_by" => def.partition_by = partition_by(def, value)?,
            _ => {
                let mut error = Diagnostic::new("22023", name.span, format!("a table has no option `{}`", name.text));
                error.help = Some(match nearest(&name.text, OPTIONS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the options are {}", OPTIONS.join(", ")),
                });
                return Err(Error::new(error));
            }
        }
        seen.push(option);
    }
    Ok(())
}

fn storage(value: &Expr) -> Result<Storage, Error> {
    let kinds = ["mor", "cow", "hybrid"];
    let text = script::value_text(value).unwrap_or_default().to_ascii_lowercase();
    match text.as_str() {
        "mor" => Ok(Storage::Mor),
        "cow" => Ok(Storage::Cow),
        "hybrid" => Ok(Storage::Hybrid),
        _ => {
            let mut error = Diagnostic::new("22023", value.span, format!("`storage` takes {}", kinds.join(", ")));
            error.help = nearest(&text, kinds).map(|near| format!("did you mean `{near}`?"));
            Err(Error::new(error))
        }
    }
}

/// `day` or `(day, region)`.
fn partition_by(def: &TableDef, value: &Expr) -> Result<Vec<ColumnNo>, Error> {
    let items = match &value.kind {
        ExprKind::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut columns = Vec::new();
    for item in items {
        let Some(name) = script::value_text(item) else {
            return Err(unsupported("an expression in `partition_by`", item.span));
        };
        let no = column(def, name.trim(), item, "partitioning")?;
        if columns.contains(&no) {
            let message = format!("column `{}` is there twice", name.trim());
            return Err(Error::new(Diagnostic::new("42701", item.span, message)));
        }
        columns.push(no);
    }
    Ok(columns)
}

/// A column of a simple type.
fn column(def: &TableDef, name: &str, item: &Expr, what: &str) -> Result<ColumnNo, Error> {
    let Some(column) = def.column(name) else {
        let message = format!("column `{name}` of `{}` does not exist", def.name);
        let mut error = Diagnostic::new("42703", item.span, message);
        let names = def.columns.iter().map(|column| column.name.as_str());
        error.help = nearest(name, names).map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    };
    if column.ty.is_nested() {
        return Err(unsupported(&format!("{what} by the type {}", column.ty), item.span));
    }
    Ok(column.no)
}

/// `day`, `(day, id)` or `'day desc'`.
fn sort_by(def: &TableDef, value: &Expr) -> Result<Vec<SortColumn>, Error> {
    let items = match &value.kind {
        ExprKind::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut sort = Vec::new();
    for item in items {
        let text = script::value_text(item).unwrap_or_default();
        let is_column = def.column(text.trim()).is_some();
        let (name, order) = match text.trim().rsplit_once(char::is_whitespace) {
            Some((name, order)) if !is_column => (name.trim_end(), Some(order)),
            _ => (text.trim(), None),
        };
        let desc = match order.map(str::to_ascii_lowercase).as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                let message = format!("`{other}` is no order; it is asc or desc");
                return Err(Error::new(Diagnostic::new("22023", item.span, message)));
            }
        };
        let column = column(def, name, item, "sorting")?;
        sort.push(SortColumn { column, desc });
    }
    Ok(sort)
}
