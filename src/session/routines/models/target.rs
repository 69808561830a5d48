//! The table of a model: made from the columns of the query, and kept in step with them.
//!
//! A query that gives a column more than the table has adds it to the table, where the rows that are there have NULL in it.
//!
//! Invariants: what other models keep is never lost by a change of the query: only those that are computed whole are made anew.
//!
//! Does not: write rows.

use super::desk::{Desk, Rows, quoted};
use super::made::Made;
use super::spec::{Kind, Spec};
use super::{Done, with_own};
use crate::catalog::Entity;
use crate::session::define::alter::whole;
use crate::session::define::text::type_text;
use crate::session::{Error, transactions};
use crate::types::{Field, LogicalType};

impl Spec {
    /// The name of the table in a statement.
    pub fn table(&self) -> String {
        let [schema, name] = &self.target;
        format!("{}.{}", quoted(schema), quoted(name))
    }
}

impl<'d> Desk<'d> {
    /// The columns of the table, if there is one.
    fn columns_of(&mut self, spec: &Spec) -> Result<Option<Vec<(String, LogicalType)>>, Error> {
        self.session.refresh_view(self.running.span)?;
        let [schema, name] = &spec.target;
        let view = self.session.relations.view.as_ref();
        let found = view.and_then(|view| view.catalog().find(&[schema, name]).cloned());
        match found.as_ref().map(|entry| &*entry.entity) {
            None | Some(Entity::View(_)) => Ok(None),
            Some(Entity::Table(def)) => {
                let columns = def.columns.iter();
                Ok(Some(
                    columns.map(|column| (column.name.clone(), column.ty.clone())).collect(),
                ))
            }
            Some(other) => {
                let message = format!(
                    "the model's table would be `{schema}.{name}`, which is a {}",
                    other.kind()
                );
                let help = "give it another one: `target: 'sales.daily'`";
                let mut error = self.error("42809", message);
                error
                    .diagnostics
                    .iter_mut()
                    .for_each(|first| first.help = Some(help.to_owned()));
                Err(error)
            }
        }
    }

    /// Whether the table is there.
    pub fn has_table(&mut self, spec: &Spec) -> Result<bool, Error> {
        self.columns_of(spec).map(|columns| columns.is_some())
    }

    /// Makes the table, or gives it the columns that the rows have.
    pub fn make_table(&mut self, spec: &Spec, rows: &Rows) -> Result<(), Error> {
        let table = spec.table();
        let own: &[String] = if spec.kind.is_dimension() { &spec.valid } else { &[] };
        let Some(known) = self.columns_of(spec)? else {
            return self.create_table(spec, &rows.fields);
        };
        let (made, span) = (self.made(spec), self.running.span);
        let view = self.session.relations.view.as_ref();
        if !view.is_some_and(|view| made.is_ready(view)) {
            transactions::framed(self.session, "CALL", span, &mut |_, view| made.take(view))?;
        }
        let whole = matches!(spec.kind, Kind::Full | Kind::Seed);
        let has = |name: &str| rows.fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
        let is_own = |name: &str| own.iter().any(|own| own.eq_ignore_ascii_case(name));
        let gone: Vec<&String> = known
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !has(name) && !is_own(name))
            .collect();
        let same = |name: &str, ty: &LogicalType| {
            let found = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.is_some_and(|(_, known)| known == ty)
        };
        let differ = rows.fields.iter().any(|field| !same(&field.name, &field.ty));
        if whole && (differ || !gone.is_empty()) {
            return self.take_columns(spec, rows);
        }
        if let Some(gone) = gone.first() {
            let message = format!(
                "the query no longer gives the column `{gone}` of {}.{}",
                spec.target[0], spec.target[1]
            );
            let mut error = self.error("42703", message);
            let [schema, name] = &spec.target;
            let help = format!("drop it first: `ALTER TABLE {schema}.{name} DROP COLUMN {gone}`");
            error
                .diagnostics
                .iter_mut()
                .for_each(|first| first.help = Some(help.clone()));
            return Err(error);
        }
        for field in &rows.fields {
            let name = quoted(&field.name);
            let (ty, shown) = (&field.ty, type_text(&field.ty));
            let found = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(&field.name));
            match found {
                None => drop(self.change(&format!("ALTER TABLE {table} ADD COLUMN {name} {shown}"))?),
                Some((_, known)) if known != ty && crate::plan::common_type(known, ty).as_ref() != Some(known) => {
                    self.change(&format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {shown}"))?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The table is made anew in its place, for rows that take that of all that are there.
    fn take_columns(&mut self, spec: &Spec, rows: &Rows) -> Result<(), Error> {
        let running = self.running;
        let [schema, name] = &spec.target;
        let taken = transactions::framed(self.session, "CALL", running.span, &mut |session, view| match view
            .catalog()
            .find(&[schema, name])
            .map(|entry| entry.id)
        {
            Some(id) => whole::take_columns(session, view, (id, &rows.fields), running),
            None => Ok(()),
        });
        taken.map_err(|mut error| {
            for first in &mut error.diagnostics {
                if first.code == "2BP01" {
                    let help = format!("the query of the model gives other columns than `{schema}.{name}` has: change or drop what needs those, and call it again");
                    first.help = Some(help);
                }
            }
            error
        })
    }

    pub fn create_table(&mut self, spec: &Spec, fields: &[Field]) -> Result<(), Error> {
        let columns = with_own(spec, fields.to_vec());
        let (made, span) = (self.made(spec), self.running.span);
        transactions::framed(self.session, "CALL", span, &mut |session, view| {
            made.table(session, view, &columns)
        })
    }

    fn made<'m>(&self, spec: &'m Spec) -> Made<'m>
    where
        'd: 'm,
    {
        Made {
            spec,
            model: self.model,
            running: self.running,
        }
    }

    pub fn make_schema(&mut self, schema: &str) -> Result<(), Error> {
        self.session.refresh_view(self.running.span)?;
        let view = self.session.relations.view.as_ref();
        if view.is_some_and(|view| view.catalog().has_schema(schema)) {
            return Ok(());
        }
        self.change(&format!("CREATE SCHEMA {}", quoted(schema))).map(drop)
    }

    /// A model that is a view; the same one is not made again.
    pub fn make_view(&mut self, spec: &Spec) -> Result<Done, Error> {
        self.session.refresh_view(self.running.span)?;
        let (made, query, dialect) = (self.made(spec), self.query, self.dialect);
        transactions::framed(self.session, "CALL", self.running.span, &mut |session, view| {
            made.view(session, view, query, dialect)
        })?;
        Ok(Done::default())
    }
}
