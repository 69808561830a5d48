//! ALTER TABLE: another definition for rows that stay where they are.
//!
//! `ALTER TABLE orders ADD note string DEFAULT '-', ALTER id TYPE hugeint` writes a definition of some hundred bytes, and nothing
//! else: rows that were written before have `-`, and their ids are read as wider numbers.
//!
//! Invariants: no row is written. Rows satisfy a constraint before it becomes part of the definition. What would end a view,
//! a constraint or an index is refused with the list of them, or ends them too, with CASCADE.
//!
//! Does not: evaluate expressions itself; queries do.

mod columns;
mod constraints;
mod names;
mod rows;
mod types;
pub mod whole;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{AlterActionKind as A, AlterTable, ColumnChange as C, DropBehavior, Ident, Span};
use gobi_grammar::similar::nearest;

use super::drop::not_a_table;
use super::{catalog_error, schema_and_name, views};
use crate::catalog::{Entity, EntityId, KeyDef, TableDef};
use crate::session::change::Running;
use crate::session::store::View;
use crate::session::{Error, Session, routines, triggers};

/// ALTER TABLE.
pub fn run(session: &mut Session, alter: &AlterTable, view: &mut View, running: Running) -> Result<(), Error> {
    let (schema, name) = schema_and_name(&alter.name)?;
    let found = view.catalog().find(&[&schema, &name.text]).cloned();
    let Some(entry) = found else {
        if alter.if_exists {
            return Ok(());
        }
        let tables = view.catalog().entries().filter(|entry| entry.entity.kind() == "table");
        let names = tables.map(|entry| entry.entity.name());
        let mut error = Diagnostic::new("42P01", name.span, format!("table `{}` does not exist", name.text));
        error.help = nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    };
    let Entity::Table(_) = &*entry.entity else {
        return Err(not_a_table(&entry, name));
    };
    let mut altering = Altering {
        session,
        view,
        id: entry.id,
        schema,
        running,
    };
    for action in &alter.actions {
        altering.action(&action.kind, action.span)?;
    }
    let what = format!("`{}` as it was", name.text);
    triggers::check_all(session, view, entry.id, &what, running)
}

/// Fails if two rows of a table have the same values in some columns.
pub fn check_unique(
    session: &mut Session,
    view: &mut View,
    id: EntityId,
    schema: &str,
    key: &KeyDef,
    running: Running,
) -> Result<(), Error> {
    let mut altering = Altering {
        session,
        view,
        id,
        schema: schema.to_string(),
        running,
    };
    let def = altering.def()?;
    altering.check_unique(&def, key)
}

/// A table that is being altered.
struct Altering<'a> {
    session: &'a mut Session,
    view: &'a mut View,
    id: EntityId,
    schema: String,
    running: Running,
}

impl Altering<'_> {
    fn action(&mut self, action: &A, span: Span) -> Result<(), Error> {
        match action {
            A::AddColumn { if_not_exists, column } => self.add_column(column, *if_not_exists, span),
            A::DropColumn {
                if_exists,
                name,
                behavior,
            } => self.drop_column(name, *if_exists, is_cascade(*behavior)),
            A::RenameColumn { name, to } => self.rename_column(name, to),
            A::RenameTable { to } => self.rename_table(to),
            A::AlterColumn { name, change } => match change {
                C::Type(ty) => self.widen(name, ty, span),
                C::SetDefault(expr) => self.set_default(name, expr, span),
                C::DropDefault => self.drop_default(name),
                C::SetNotNull => self.set_not_null(name),
                C::DropNotNull => self.drop_not_null(name),
            },
            A::AddConstraint(constraint) => self.add_constraint(constraint),
            A::DropConstraint {
                if_exists,
                name,
                behavior,
            } => self.drop_constraint(name, *if_exists, is_cascade(*behavior)),
        }
    }

    /// The definition as it is by now.
    fn def(&self) -> Result<TableDef, Error> {
        let def = self.view.catalog().table(self.id).cloned();
        def.ok_or_else(|| user("XX000", self.running.span, "the table went while it was altered"))
    }

    /// Takes a definition that no view may care about.
    fn put(&mut self, def: TableDef, span: Span) -> Result<(), Error> {
        let replaced = self.view.changes.catalog.replace(self.id, Entity::Table(def));
        replaced.map_err(|error| catalog_error(&error, span))
    }

    /// Takes a definition, unless that ends a view or a program; with CASCADE, where it may stand, those go. `what` names what
    /// goes away.
    fn put_visible(&mut self, def: TableDef, cascade: Option<bool>, what: &str, span: Span) -> Result<(), Error> {
        let before = self.view.clone();
        self.put(def, span)?;
        if cascade == Some(true) {
            for view in views::broken(self.session, &before, self.view, self.id) {
                self.drop(view, span)?;
            }
            views::refresh(self.session, self.view, self.id);
            for routine in routines::broken(self.session, &before, self.view, self.id) {
                self.drop(routine.id, span)?;
            }
            routines::refresh(self.session, self.view, self.id);
            return triggers::drop_broken(self.session, self.view, self.id, self.running);
        }
        views::keep_dependants(self.session, &before, self.view, self.id, what, span)?;
        let broken = routines::broken(self.session, &before, self.view, self.id);
        if broken.is_empty() {
            routines::refresh(self.session, self.view, self.id);
            return Ok(());
        }
        let names: Vec<String> = broken.into_iter().map(|broken| broken.what).collect();
        let message = format!("{what} is needed by {}", names.join(", "));
        let help = match cascade {
            Some(_) => "drop them first, or with it: `CASCADE`",
            None => "drop them first, or replace them with ones that do without",
        };
        Err(Error::new(Diagnostic::new("2BP01", span, message).with_help(help)))
    }

    /// Drops what needs a part of the table, and what needs that; it may have gone with another one.
    fn drop(&mut self, id: EntityId, span: Span) -> Result<(), Error> {
        if self.view.catalog().get(id).is_none() {
            return Ok(());
        }
        let gone = self.view.changes.catalog.drop(id, true);
        gone.map(drop).map_err(|error| catalog_error(&error, span))
    }

    /// Where a column is.
    fn position(&self, def: &TableDef, name: &Ident) -> Result<usize, Error> {
        let mut columns = def.columns.iter();
        let found = columns.position(|column| column.name.eq_ignore_ascii_case(&name.text));
        found.ok_or_else(|| {
            let message = format!("column `{}` of `{}` does not exist", name.text, def.name);
            let mut error = Diagnostic::new("42703", name.span, message);
            let names = def.columns.iter().map(|column| column.name.as_str());
            error.help = nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
            Error::new(error)
        })
    }
}

fn is_cascade(behavior: Option<DropBehavior>) -> bool {
    behavior == Some(DropBehavior::Cascade)
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
