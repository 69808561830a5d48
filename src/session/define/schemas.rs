//! CREATE SCHEMA.
//!
//! `CREATE SCHEMA sales; CREATE TABLE sales.orders (id int)`: names of different schemas do not meet.
//!
//! Invariants: the schema `main` is always there, and is where unqualified names are.
//!
//! Does not: keep a search path.

use gobi_grammar::ast::CreateSchema;

use super::catalog_error;
use super::drop::schema_name;
use crate::catalog::{Entity, SchemaDef};
use crate::session::Error;
use crate::session::store::View;

/// CREATE SCHEMA.
pub fn create(create: &CreateSchema, view: &mut View) -> Result<(), Error> {
    let known = |name: &str| view.catalog().has_schema(name);
    if create.if_not_exists && matches!(create.name.as_slice(), [name] if known(&name.text)) {
        return Ok(());
    }
    let (_, name) = schema_name(&create.name)?;
    let entity = Entity::Schema(SchemaDef {
        name: name.text.clone(),
    });
    let made = view.changes.catalog.create("", entity);
    made.map(drop).map_err(|error| catalog_error(&error, name.span))
}
