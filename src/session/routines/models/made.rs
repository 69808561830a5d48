//! What a model makes: its table, or its view, in the place of what it had made as another kind.
//!
//! `daily` was of the kind `view` and is `full` now: the view `models.daily` goes, and the table `models.daily` comes, in one change. A view that reads it
//! goes on, if its columns are there.
//!
//! Invariants: what the model has not made stays, but a table without rows, which becomes the model's.
//!
//! Does not: write rows, or say when; `ahead` and `target` do.

use gobi_grammar::ast::{CreateView, Ident, Query};
use gobi_grammar::{Diagnostic, Dialect};

use super::Parts;
use super::ahead::has_rows;
use super::spec::Spec;
use crate::catalog::{Catalog, Entity, EntityId, Entry, MAIN_SCHEMA, SchemaDef, TableDef};
use crate::procedure::Definitions as _;
use crate::session::change::Running;
use crate::session::define::{catalog_error, plain_table, supplant, views};
use crate::session::relations::Relations;
use crate::session::routines::without_own;
use crate::session::store::View;
use crate::session::{Error, Session};
use crate::types::Field;

/// The view that a model has made, if a model with its text makes the same.
pub fn view_of(session: &Session, catalog: &Catalog, model: &str) -> Option<EntityId> {
    let definition = session.relations.routines.known.find(model)?;
    let spec = Spec::of(&definition.name, &definition.routine).ok()??;
    let [schema, name] = &spec.target;
    let entry = catalog.find(&[schema, name])?;
    let Entity::View(def) = &*entry.entity else { return None };
    let query = Parts::of(session, &definition).ok()?.query;
    let is_same = spec.kind.is_view()
        && entry.entity.is_made_by(model)
        && def.query.text == views::text_of(&query, definition.dialect);
    is_same.then_some(entry.id)
}

/// A model that makes something.
#[derive(Clone, Copy)]
pub struct Made<'m> {
    pub spec: &'m Spec,
    /// The model's name.
    pub model: &'m str,
    pub running: Running,
}

impl Made<'_> {
    /// Makes the table, unless there is one.
    pub fn table(self, session: &mut Session, view: &mut View, columns: &[Field]) -> Result<(), Error> {
        let mut def = plain_table(&self.spec.target[1], columns, self.running.span)?;
        def.made_by = Some(self.model.to_owned());
        match self.there(view) {
            Some(entry) if matches!(&*entry.entity, Entity::Table(_)) => self.take(view),
            Some(entry) => self.supplant(session, view, &entry, Entity::Table(def)),
            None => self.create(view, Entity::Table(def)),
        }
    }

    /// Makes the view, unless it is there.
    pub fn view(self, session: &mut Session, view: &mut View, query: &Query, dialect: Dialect) -> Result<(), Error> {
        let there = self.there(view);
        if let Some(Entity::View(known)) = there.as_ref().map(|entry| &*entry.entity)
            && known.query.text == views::text_of(query, dialect)
        {
            return Ok(());
        }
        let create = self.create_view(query);
        without_own(session, |session| {
            Relations::as_kept(session, |session| {
                let mut def = views::defined(session, &create, view, dialect)?;
                def.made_by = Some(self.model.to_owned());
                let Some(entry) = there else {
                    return self.create(view, Entity::View(def));
                };
                self.check_maker(&entry)?;
                match &*entry.entity {
                    Entity::View(_) => views::replace(session, view, (entry.id, def), self.running.span),
                    _ => self.supplant(session, view, &entry, Entity::View(def)),
                }
            })
        })
    }

    /// Takes a table that is there: the model's own, or one without rows that no model has made, which is the model's from here on. An error for
    /// any other, and for one that cannot keep what the model's kind keeps.
    pub fn take(self, view: &mut View) -> Result<(), Error> {
        let Some(entry) = self.there(view) else { return Ok(()) };
        let Entity::Table(def) = &*entry.entity else {
            return Ok(());
        };
        if !entry.entity.is_made_by(self.model) {
            self.check_maker_of_table(view, def)?;
            let of = (entry.id, def);
            match has_rows(view, of, self.running)? {
                true => self.check_maker(&entry)?,
                false => {
                    let def = TableDef {
                        made_by: Some(self.model.to_owned()),
                        ..def.clone()
                    };
                    let replaced = view.changes.catalog.replace(entry.id, Entity::Table(def));
                    replaced.map_err(|error| catalog_error(&error, self.running.span))?;
                }
            }
        }
        self.check_versions(def)
    }

    /// Whether there is nothing to take: the table that is there is the model's, and keeps what its kind keeps.
    pub fn is_ready(self, view: &View) -> bool {
        let is_ready = |entry: Entry| match &*entry.entity {
            Entity::Table(def) => entry.entity.is_made_by(self.model) && self.check_versions(def).is_ok(),
            _ => false,
        };
        self.there(view).is_some_and(is_ready)
    }

    /// An error if the table is that of another model.
    fn check_maker_of_table(self, view: &View, def: &TableDef) -> Result<(), Error> {
        let others = |other: &&String| !view.catalog().routines(MAIN_SCHEMA, other).is_empty();
        let Some(other) = def.made_by.as_ref().filter(others) else {
            return Ok(());
        };
        let [schema, name] = &self.spec.target;
        let message = format!("`{schema}.{name}` is the table of the model `{other}`");
        let help = format!(
            "keep the model `{}` in another one (`target: 'sales.daily'`), or drop it: `DROP TABLE {schema}.{name}`",
            self.model
        );
        Err(Error::new(
            Diagnostic::new("42809", self.running.span, message).with_help(help),
        ))
    }

    /// An error if a table of versions does not say when each was the current one: another kind of model has filled it.
    fn check_versions(self, def: &TableDef) -> Result<(), Error> {
        if !self.spec.kind.is_dimension() {
            return Ok(());
        }
        let has = |name: &str| {
            let mut columns = def.columns.iter();
            columns.any(|column| column.name.eq_ignore_ascii_case(name))
        };
        let Some(missing) = self.spec.valid.iter().find(|name| !has(name)) else {
            return Ok(());
        };
        let [schema, name] = &self.spec.target;
        let kind = self.spec.kind.name();
        let message = format!(
            "the table `{schema}.{name}` has no column `{missing}`, by which a model of kind `{kind}` keeps versions"
        );
        let help = format!(
            "drop it, and the model makes it anew: `DROP TABLE {schema}.{name}`; or keep the versions in another one: `target: 'sales.daily'`"
        );
        Err(Error::new(
            Diagnostic::new("42809", self.running.span, message).with_help(help),
        ))
    }

    fn there(self, view: &View) -> Option<Entry> {
        let [schema, name] = &self.spec.target;
        view.catalog().find(&[schema, name]).cloned()
    }

    fn create(self, view: &mut View, entity: Entity) -> Result<(), Error> {
        let schema = &self.spec.target[0];
        let failed = |error| catalog_error(&error, self.running.span);
        let catalog = &mut view.changes.catalog;
        if !catalog.has_schema(schema) {
            let def = SchemaDef { name: schema.clone() };
            catalog.create("", Entity::Schema(def)).map_err(failed)?;
        }
        catalog.create(schema, entity).map(drop).map_err(failed)
    }

    fn supplant(self, session: &mut Session, view: &mut View, entry: &Entry, entity: Entity) -> Result<(), Error> {
        self.check_maker(entry)?;
        let [schema, name] = &self.spec.target;
        let what = format!("the {} `{schema}.{name}`", entry.entity.kind());
        supplant::run(session, view, (entry.id, entity), &what, self.running)
    }

    /// An error if what is there is not the model's to replace.
    fn check_maker(self, entry: &Entry) -> Result<(), Error> {
        if entry.entity.is_made_by(self.model) {
            return Ok(());
        }
        let [schema, name] = &self.spec.target;
        let kind = entry.entity.kind();
        let message = format!(
            "`{schema}.{name}` is a {kind} that the model `{}` has not made",
            self.model
        );
        let help = format!(
            "drop it (`DROP {} {schema}.{name}`), or keep the model in another one: `target: 'sales.daily'`",
            kind.to_uppercase()
        );
        Err(Error::new(
            Diagnostic::new("42809", self.running.span, message).with_help(help),
        ))
    }

    fn create_view(self, query: &Query) -> CreateView {
        let ident = |name: &String| Ident {
            text: name.clone(),
            quoted: true,
            span: self.running.span,
        };
        CreateView {
            or_replace: true,
            temporary: false,
            materialized: false,
            if_not_exists: false,
            name: self.spec.target.iter().map(ident).collect(),
            columns: Vec::new(),
            options: Vec::new(),
            query: Box::new(query.clone()),
        }
    }
}
