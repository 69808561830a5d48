//! ADD and DROP CONSTRAINT, and how a stricter definition is taken: after a look at the rows.
//!
//! `ADD CONSTRAINT positive CHECK (total > 0)` fails with 23514 if some row has a total of 0.
//!
//! Invariants: while rows are looked at, the definition promises nothing yet that is to be found out.
//!
//! Does not: check rows that come later; changes do.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Span, TableConstraint, TableConstraintKind as T};
use gobi_grammar::similar::nearest;

use super::rows::quoted;
use super::{Altering, user};
use crate::catalog::{ColumnNo, Entity, TableDef};
use crate::session::define::{add_key, catalog_error};
use crate::session::settings::parse_dialect;
use crate::session::{Error, constraints, foreign_keys};

impl Altering<'_> {
    /// `ADD [CONSTRAINT n] …`.
    pub(super) fn add_constraint(&mut self, constraint: &TableConstraint) -> Result<(), Error> {
        let old = self.def()?;
        let mut def = old.clone();
        let (name, span) = (constraint.name.as_ref(), constraint.span);
        match &constraint.kind {
            T::PrimaryKey(columns) => add_key(&mut def, columns, name, true, span)?,
            T::Unique(columns) => add_key(&mut def, columns, name, false, span)?,
            T::Check(expr) => constraints::add_check(&mut def, None, name, (expr, self.running.dialect), span)?,
            T::ForeignKey { columns, reference } => {
                foreign_keys::add(self.view.catalog(), &mut def, self.id, name, columns, reference)?;
            }
        }
        self.check_expressions(&def, span)?;
        self.adopt(&old, def, span)
    }

    /// Takes a definition that asks more of the rows than the old one, once they have been found to comply.
    pub(super) fn adopt(&mut self, old: &TableDef, def: TableDef, span: Span) -> Result<(), Error> {
        let mut lenient = def.clone();
        for column in &mut lenient.columns {
            column.not_null &= old.by_no(column.no).is_some_and(|old| old.not_null);
        }
        let keys: Vec<_> = old.keys().map(|key| key.name.clone()).collect();
        lenient.primary_key.take_if(|key| !keys.contains(&key.name));
        lenient.unique.retain(|key| keys.contains(&key.name));
        lenient.foreign_keys.retain(|key| old.foreign_keys.contains(key));
        self.put(lenient.clone(), span)?;
        for (column, before) in def.columns.iter().zip(&lenient.columns) {
            if column.not_null && !before.not_null {
                let condition = format!("{} IS NULL", quoted(&column.name));
                if self.has_row(&def, &condition, gobi_grammar::Dialect::Grizzly)? {
                    let message = format!("column `{}` of `{}` is NULL in some rows", column.name, def.name);
                    let help = "give it a DEFAULT, or UPDATE those rows first";
                    return Err(Error::new(Diagnostic::new("23502", span, message).with_help(help)));
                }
            }
        }
        for key in def.keys().filter(|key| !keys.contains(&key.name)) {
            self.check_unique(&def, key)?;
        }
        for check in def.checks.iter().filter(|check| !old.checks.contains(check)) {
            let dialect = parse_dialect(&check.condition.dialect).unwrap_or_default();
            if self.has_row(&def, &format!("NOT ({})", check.condition.text), dialect)? {
                let message = format!(
                    "some row of `{}` is against `{}`: {}",
                    def.name, check.name, check.condition.text
                );
                return Err(user("23514", span, message));
            }
        }
        for key in def.foreign_keys.iter().filter(|key| !old.foreign_keys.contains(key)) {
            self.check_reference(&def, key)?;
        }
        // The views have been fine with the lenient definition, which shows the same columns.
        self.put_visible(def, None, "the definition", span)
    }

    /// Whether the table has any row.
    pub(super) fn has_rows(&mut self, def: &TableDef) -> Result<bool, Error> {
        self.has_row(def, "true", gobi_grammar::Dialect::Grizzly)
    }

    /// Binds the expressions of a definition.
    pub(super) fn check_expressions(&mut self, def: &TableDef, span: Span) -> Result<(), Error> {
        constraints::check_definition(self.session, def, span)
    }

    /// `DROP CONSTRAINT n`.
    pub(super) fn drop_constraint(&mut self, name: &Ident, if_exists: bool, cascade: bool) -> Result<(), Error> {
        let mut def = self.def()?;
        let is_it = |other: &str| other.eq_ignore_ascii_case(&name.text);
        let key = def.keys().find(|key| is_it(&key.name)).cloned();
        let (checks, foreign) = (def.checks.len(), def.foreign_keys.len());
        def.checks.retain(|check| !is_it(&check.name));
        def.foreign_keys.retain(|key| !is_it(&key.name));
        if let Some(key) = key {
            let leading = self.references_to(&key.columns);
            if !cascade && !leading.is_empty() {
                let message = format!("`{}` is needed by {}", key.name, leading.join(", "));
                let help = "CASCADE drops them, too";
                return Err(Error::new(Diagnostic::new("2BP01", name.span, message).with_help(help)));
            }
            self.drop_references(&key.columns, name.span)?;
            def.primary_key.take_if(|key| is_it(&key.name));
            def.unique.retain(|key| !is_it(&key.name));
        } else if def.checks.len() == checks && def.foreign_keys.len() == foreign {
            if if_exists {
                return Ok(());
            }
            let message = format!("`{}` has no constraint `{}`", def.name, name.text);
            let mut error = Diagnostic::new("42704", name.span, message);
            let names = def
                .keys()
                .map(|key| &key.name)
                .chain(def.checks.iter().map(|check| &check.name));
            error.help = nearest(&name.text, names.map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            return Err(Error::new(error));
        }
        self.put(def, name.span)
    }

    /// Foreign keys of other tables that lead to a key.
    fn references_to(&self, columns: &[ColumnNo]) -> Vec<String> {
        let mut found = Vec::new();
        for (_, other) in self.view.catalog().referencing(self.id) {
            let keys = other
                .foreign_keys
                .iter()
                .filter(|key| key.table == self.id && same_columns(&key.referenced, columns));
            found.extend(keys.map(|key| format!("foreign key `{}` of table `{}`", key.name, other.name)));
        }
        found
    }

    /// Takes the foreign keys of other tables away that lead to a key.
    pub(super) fn drop_references(&mut self, columns: &[ColumnNo], span: Span) -> Result<(), Error> {
        let others: Vec<_> = self
            .view
            .catalog()
            .referencing(self.id)
            .into_iter()
            .map(|(id, def)| (id, def.clone()))
            .collect();
        for (id, mut other) in others {
            other
                .foreign_keys
                .retain(|key| key.table != self.id || !same_columns(&key.referenced, columns));
            let replaced = self.view.changes.catalog.replace(id, Entity::Table(other));
            replaced.map_err(|error| catalog_error(&error, span))?;
        }
        Ok(())
    }
}

fn same_columns(a: &[ColumnNo], b: &[ColumnNo]) -> bool {
    a.len() == b.len() && a.iter().all(|no| b.contains(no))
}
