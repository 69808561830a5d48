//! ADD, DROP and ALTER COLUMN, but for its type.
//!
//! `ADD note string DEFAULT '-'` evaluates the default once: that is what the rows have that were there before.
//!
//! Invariants: a column's number is its own for ever, so a column that is dropped and added again has none of its old values.
//!
//! Does not: write rows.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ColumnConstraintKind, Expr, ExprKind, Ident, SelectItem, Span};

use super::names::mentions;
use super::types::alone;
use super::{Altering, user};
use crate::catalog::{ColumnNo, Entity, EntityId, Source, TableDef};
use crate::session::change::shape;
use crate::session::define::{add_column, catalog_error, column_constraints, column_types, select, unsupported};
use crate::session::{Error, cells, constraints, foreign_keys, statement};
use crate::types::cast::cast;
use crate::types::{LogicalType, Value};

impl Altering<'_> {
    /// `ADD c type …`.
    pub(super) fn add_column(&mut self, column: &ast::ColumnDef, if_not_exists: bool, span: Span) -> Result<(), Error> {
        let old = self.def()?;
        if if_not_exists && old.column(&column.name.text).is_some() {
            return Ok(());
        }
        if constraints::generating(column).is_some() && self.has_rows(&old)? {
            let message = format!("adding a generated column to `{}`, which has rows,", old.name);
            return Err(unsupported(&message, span).with_help("make another table with CREATE TABLE … AS"));
        }
        let mut def = old.clone();
        let types = column_types(self.session, &alone(column.clone()), self.running.dialect)?;
        let ty = types.into_iter().next().map_or(LogicalType::Null, |field| field.ty);
        let at = def.columns.len();
        add_column(&mut def, &column.name.text, &ty, column.name.span)?;
        column_constraints(&mut def, at, column, self.running.dialect)?;
        for constraint in &column.constraints {
            if let ColumnConstraintKind::References(reference) = &constraint.kind {
                let (own, name) = (std::slice::from_ref(&column.name), constraint.name.as_ref());
                foreign_keys::add(self.view.catalog(), &mut def, self.id, name, own, reference)?;
            }
        }
        self.check_expressions(&def, span)?;
        if let Some(added) = def.columns.get_mut(at)
            && let Some(default) = &added.default
        {
            let default = default.clone();
            added.missing = self.missing(&default, column, &added.ty)?;
        }
        self.adopt(&old, def, span)
    }

    /// What rows have that were there before a column: its default as it is now.
    fn missing(
        &mut self,
        default: &Source,
        column: &ast::ColumnDef,
        ty: &LogicalType,
    ) -> Result<Option<String>, Error> {
        let span = column.span;
        let mut expr = shape::rule(&column.name.text, default, span)?.expr;
        if let Some(ty) = &column.ty {
            let kind = ExprKind::Cast {
                expr: Box::new(expr),
                ty: ty.clone(),
                try_: false,
            };
            expr = Expr { kind, span };
        }
        let item = SelectItem::Expr { expr, alias: None };
        let query = select(vec![item], Vec::new(), None);
        let running = self.running;
        let stream = statement::query_stream(self.session, &query, running.dialect, running.phases, span)?;
        let mut found = Value::Null;
        for batch in stream {
            let batch = batch?;
            if batch.num_rows() > 0 {
                found = cells::value(batch.column(0), 0);
            }
        }
        if found == Value::Null {
            return Ok(None);
        }
        let text = found.display(ty);
        let back = cast(&Value::String(text.as_str().into()), &LogicalType::String, ty);
        match back {
            Ok(back) if back == found => Ok(Some(text)),
            _ => {
                let message = format!("adding a column of the type {ty} with a default");
                Err(unsupported(&message, span).with_help("add it without, and UPDATE it"))
            }
        }
    }

    /// `DROP c`.
    pub(super) fn drop_column(&mut self, name: &Ident, if_exists: bool, cascade: bool) -> Result<(), Error> {
        let mut def = self.def()?;
        if if_exists && def.column(&name.text).is_none() {
            return Ok(());
        }
        let at = self.position(&def, name)?;
        if def.columns.len() == 1 {
            let message = format!("`{}` is the only column of `{}`", name.text, def.name);
            return Err(user("42601", name.span, message).with_help("drop the table"));
        }
        let column = def.columns.remove(at);
        let indexes = self.indexes_of(column.no);
        let needed_by = self.needed_by(&def, &column.name, column.no, &indexes);
        let what = format!("the column `{}` of `{}`", column.name, def.name);
        let generated = |other: &crate::catalog::ColumnDef| {
            other
                .generated
                .as_ref()
                .is_some_and(|s| mentions(s, &def.name, &column.name))
        };
        if let Some(other) = def.columns.iter().find(|other| generated(other)) {
            let message = format!("{what} is needed by the generated column `{}`", other.name);
            return Err(user("2BP01", name.span, message).with_help("drop that column first"));
        }
        if !cascade && !needed_by.is_empty() {
            let message = format!("{what} is needed by {}", needed_by.join(", "));
            let help = "CASCADE drops them, too";
            return Err(Error::new(Diagnostic::new("2BP01", name.span, message).with_help(help)));
        }
        self.forget(&mut def, &column.name, column.no, &indexes, name.span)?;
        self.put_visible(def, Some(cascade), &what, name.span)
    }

    fn indexes_of(&self, no: ColumnNo) -> Vec<EntityId> {
        let has = |entity: &Entity| matches!(entity, Entity::Index(index) if index.table == self.id && index.columns.contains(&no));
        let entries = self.view.catalog().entries();
        entries
            .filter(|entry| has(&entry.entity))
            .map(|entry| entry.id)
            .collect()
    }

    /// What a column is part of, but for views.
    fn needed_by(&self, def: &TableDef, name: &str, no: ColumnNo, indexes: &[EntityId]) -> Vec<String> {
        let mut found = Vec::new();
        let keys = def.keys().filter(|key| key.columns.contains(&no)).map(|key| &key.name);
        let checks = def
            .checks
            .iter()
            .filter(|check| mentions(&check.condition, &def.name, name));
        let foreign = def
            .foreign_keys
            .iter()
            .filter(|key| key.columns.contains(&no))
            .map(|key| &key.name);
        let own = keys.chain(checks.map(|check| &check.name)).chain(foreign);
        found.extend(own.map(|name| format!("constraint `{name}`")));
        found.extend(indexes.iter().map(|id| self.view.catalog().described(&[*id])));
        for (_, other) in self.view.catalog().referencing(self.id) {
            let keys = other
                .foreign_keys
                .iter()
                .filter(|key| key.table == self.id && key.referenced.contains(&no));
            found.extend(keys.map(|key| format!("foreign key `{}` of table `{}`", key.name, other.name)));
        }
        if def.partition_by.contains(&no) {
            found.push("partition_by".into());
        }
        if def.sort_by.iter().any(|sort| sort.column == no) {
            found.push("sort_by".into());
        }
        found
    }

    /// Takes a column out of all that it is part of.
    fn forget(
        &mut self,
        def: &mut TableDef,
        name: &str,
        no: ColumnNo,
        indexes: &[EntityId],
        span: Span,
    ) -> Result<(), Error> {
        let keys: Vec<Vec<ColumnNo>> = def
            .keys()
            .filter(|key| key.columns.contains(&no))
            .map(|key| key.columns.clone())
            .collect();
        for columns in keys {
            self.drop_references(&columns, span)?;
        }
        def.primary_key.take_if(|key| key.columns.contains(&no));
        def.unique.retain(|key| !key.columns.contains(&no));
        def.foreign_keys.retain(|key| !key.columns.contains(&no));
        let table = def.name.clone();
        def.checks.retain(|check| !mentions(&check.condition, &table, name));
        def.partition_by.retain(|other| *other != no);
        def.sort_by.retain(|sort| sort.column != no);
        for index in indexes {
            let gone = self.view.changes.catalog.drop(*index, true);
            gone.map_err(|error| catalog_error(&error, span))?;
        }
        Ok(())
    }

    /// `ALTER c SET DEFAULT e`.
    pub(super) fn set_default(&mut self, name: &Ident, expr: &Expr, span: Span) -> Result<(), Error> {
        let mut def = self.def()?;
        let at = self.position(&def, name)?;
        if let Some(column) = def.columns.get_mut(at) {
            column.default = None;
        }
        constraints::set_default(&mut def, at, expr, self.running.dialect, span)?;
        self.check_expressions(&def, span)?;
        self.put(def, span)
    }

    /// `ALTER c DROP DEFAULT`.
    pub(super) fn drop_default(&mut self, name: &Ident) -> Result<(), Error> {
        let mut def = self.def()?;
        let at = self.position(&def, name)?;
        if let Some(column) = def.columns.get_mut(at) {
            column.default = None;
        }
        self.put(def, name.span)
    }

    /// `ALTER c SET NOT NULL`.
    pub(super) fn set_not_null(&mut self, name: &Ident) -> Result<(), Error> {
        let old = self.def()?;
        let at = self.position(&old, name)?;
        let mut def = old.clone();
        if let Some(column) = def.columns.get_mut(at) {
            column.not_null = true;
        }
        self.adopt(&old, def, name.span)
    }

    /// `ALTER c DROP NOT NULL`.
    pub(super) fn drop_not_null(&mut self, name: &Ident) -> Result<(), Error> {
        let mut def = self.def()?;
        let at = self.position(&def, name)?;
        let Some(column) = def.columns.get_mut(at) else {
            return Ok(());
        };
        if def
            .primary_key
            .as_ref()
            .is_some_and(|key| key.columns.contains(&column.no))
        {
            let message = format!(
                "column `{}` is part of the primary key, and cannot be NULL",
                column.name
            );
            return Err(user("42P16", name.span, message));
        }
        column.not_null = false;
        self.put_visible(def, None, "NOT NULL", name.span)
    }
}
