//! Models whose query reads the table that they fill.
//!
//! `upsert procedure seen <{ kind: 'incremental_unmanaged' }> returns relation(id int) => select id from raw where id > (select max(id) from
//! models.seen)` is checked with a table of one column, and that table is made before its first run.
//!
//! Invariants: only what the model declares is taken for its columns.
//!
//! Does not: say what is in the table.

use gobi_grammar::{Dialect, ast};

use super::desk::Desk;
use super::spec::{Kind, Spec};
use super::{Parts, with_own};
use crate::catalog::{Catalog, Entity, SchemaDef, TableDef};
use crate::plan::bind_type;
use crate::procedure::{Definition, declared_columns};
use crate::session::{Error, Session};
use crate::types::Field;

/// The columns that a query declares.
fn declared(session: &Session, query: &ast::Query, dialect: Dialect) -> Option<Vec<Field>> {
    let (_, columns) = declared_columns(query)?;
    let types = session.relations.types();
    let field = |(name, ty): (&ast::Ident, &ast::TypeName)| {
        let ty = bind_type(ty, dialect, &types).ok()?;
        let (name, nullable) = (name.text.clone(), true);
        Some(Field { name, ty, nullable })
    };
    columns.into_iter().map(field).collect()
}

fn fills_table(spec: &Spec) -> bool {
    !matches!(spec.kind, Kind::View | Kind::Embedded | Kind::External)
}

/// Does something about a model while its table is there, without rows, if that is not there yet and its columns are declared.
pub fn with_table<T>(
    session: &mut Session,
    definition: &Definition,
    spec: &Spec,
    work: impl FnOnce(&mut Session) -> T,
) -> T {
    let outer = session.relations.view.clone();
    if let Some(mut view) = outer.clone()
        && fills_table(spec)
        && let Ok(parts) = Parts::of(session, definition)
        && let Some(fields) = declared(session, &parts.query, definition.dialect)
        && put_table(&mut view.changes.catalog, spec, &with_own(spec, fields)).is_some()
    {
        session.relations.view = Some(view);
    }
    let done = work(session);
    session.relations.view = outer;
    done
}

/// Puts the table of a model into a catalog; `None` if something has its name.
pub fn put_table(catalog: &mut Catalog, spec: &Spec, fields: &[Field]) -> Option<()> {
    let [schema, table] = &spec.target;
    let mut def = TableDef::new(table);
    fields.iter().for_each(|field| def.add(&field.name, field.ty.clone()));
    if !catalog.has_schema(schema) {
        let made = catalog.create("", Entity::Schema(SchemaDef { name: schema.clone() }));
        made.ok()?;
    }
    catalog.create(schema, Entity::Table(def)).ok().map(drop)
}

/// Says what to do about a model that reads its own table, and declares no columns.
pub fn unknown(mut error: Error, spec: &Spec) -> Error {
    let missing = format!("table `{}.{}` does not exist", spec.target[0], spec.target[1]);
    for diagnostic in &mut error.diagnostics {
        if diagnostic.code == "42P01" && diagnostic.message.eq_ignore_ascii_case(&missing) {
            let help = "a model that reads its own table declares its columns: `returns relation(id int, …)`";
            diagnostic.help.get_or_insert_with(|| help.to_owned());
        }
    }
    error
}

impl Desk<'_> {
    /// Makes the table for a query that may read it, if it is not there, as far as that declares its columns. Whether it was there.
    pub fn make_own(&mut self, spec: &Spec) -> Result<bool, Error> {
        if !fills_table(spec) || self.has_table(spec)? {
            return Ok(true);
        }
        if let Some(fields) = declared(self.session, self.query, self.dialect) {
            self.create_table(spec, &fields)?;
            self.session.refresh_view(self.running.span)?;
        }
        Ok(false)
    }
}
