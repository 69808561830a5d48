//! Exceptions that have names: declared and kept as types are.
//!
//! `type exception as NoStock('none left')` is kept in the database, where there is one, so that a procedure that throws `NoStock()` says
//! the same to every session.
//!
//! Invariants: a name is that of a type or of an exception; the same declaration again changes nothing, another one what it says from
//! then on.
//!
//! Does not: throw or catch; bodies do.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{DefineException, Ident};

use super::super::{Error, Session, define, routines};
use crate::catalog::{Catalog, Entity, EntityId, MAIN_SCHEMA, TypeDef};
use crate::session::store::View;
use crate::types::LogicalType;

/// Declares an exception of the session, which has no database.
pub fn declare(session: &mut Session, exception: &DefineException) -> Result<(), Error> {
    let known = &mut session.relations.routines.known;
    if known.local_type(&exception.name.text).is_some() {
        return Err(taken("type", &exception.name));
    }
    known.keep_exception(exception);
    Ok(())
}

/// Declares an exception of a database.
pub fn create(exception: &DefineException, view: &mut View) -> Result<(), Error> {
    let name = &exception.name;
    let says = routines::declared(exception).says;
    let def = TypeDef {
        name: name.text.clone(),
        ty: LogicalType::exception(),
        says: Some(says.clone()),
    };
    let found = view.catalog().named_type(MAIN_SCHEMA, &name.text);
    let found = found.map(|(id, def)| (id, def.says.clone()));
    let catalog = &mut view.changes.catalog;
    let made = match found {
        None => catalog.create(MAIN_SCHEMA, Entity::Type(def)).map(drop),
        Some((_, None)) => return Err(taken("type", name)),
        Some((_, Some(said))) if said == says => return Ok(()),
        Some((id, Some(_))) => catalog.replace(id, Entity::Type(def)),
    };
    made.map_err(|error| define::catalog_error(&error, name.span))
}

/// The name is that of something else.
pub fn taken(kind: &str, name: &Ident) -> Error {
    let article = if kind == "exception" { "an" } else { "a" };
    let message = format!("`{}` is {article} {kind} already", name.text);
    Error::new(Diagnostic::new("42710", name.span, message).with_help("give it another name"))
}

/// Exceptions that a text names, by its words: those of the database, and the modules that others belong to.
pub fn named_in(catalog: &Catalog, words: &HashSet<String>) -> Vec<EntityId> {
    let own = catalog.exceptions();
    let own = own.filter(|(_, name, _)| words.contains(&name.to_lowercase()));
    let mut named: Vec<EntityId> = own.map(|(id, _, _)| id).collect();
    for entry in catalog.entries() {
        let Entity::Routine(def) = &*entry.entity else { continue };
        let members = def.members.iter().flatten();
        let mut exceptions = members.filter(|member| member.kind == "exception");
        let is_named = |name: &str| {
            let (module, short) = name.split_once('.').unwrap_or_default();
            words.contains(name) || words.contains(module) && words.contains(short)
        };
        if exceptions.any(|member| is_named(&member.name.to_lowercase())) {
            named.push(entry.id);
        }
    }
    named
}
