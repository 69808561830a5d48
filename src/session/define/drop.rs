//! DROP of tables, views, indexes, schemas, functions, procedures and types.
//!
//! `DROP TABLE orders CASCADE` drops the views that read it, too, and takes the foreign keys that lead to it away.
//!
//! Invariants: what others need goes only with CASCADE; the error lists them.
//!
//! Does not: free rows; history keeps them.

mod expressions;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Drop, DropBehavior, Ident, ObjectKind};
use gobi_grammar::similar::nearest;

use super::{catalog_error, schema_and_name};
use crate::catalog::{CatalogError, Entity, EntityId, Entry, MAIN_SCHEMA};
use crate::procedure::written_receiver;
use crate::session::change::Running;
use crate::session::store::View;
use crate::session::{Error, Session};
use crate::session::{routines, triggers, types};

/// Whether DROP is about what a catalog names.
pub fn is_ours(drop: &Drop) -> bool {
    kind_of(drop.kind).is_some()
}

fn kind_of(kind: ObjectKind) -> Option<&'static str> {
    match kind {
        ObjectKind::Table => Some("table"),
        ObjectKind::View => Some("view"),
        ObjectKind::Index => Some("index"),
        ObjectKind::Schema => Some("schema"),
        ObjectKind::Function => Some("function"),
        ObjectKind::Procedure => Some("procedure"),
        ObjectKind::Watermark => Some("watermark"),
        ObjectKind::Trigger => Some("trigger"),
        ObjectKind::Type => Some("type"),
        ObjectKind::Module => Some("module"),
        _ => None,
    }
}

/// Drops them.
pub fn run(session: &mut Session, drop: &Drop, view: &mut View, running: Running) -> Result<(), Error> {
    if drop.kind == ObjectKind::Type {
        return types::drop(session, drop, view);
    }
    if drop.kind == ObjectKind::Trigger {
        return triggers::define::drop(drop, view);
    }
    if matches!(drop.kind, ObjectKind::Function | ObjectKind::Procedure)
        && let Some(error) = drop.names.iter().find_map(|path| of_module(view, path))
    {
        return Err(error);
    }
    let receiver = drop.receiver.as_ref();
    let receiver = receiver.map(|ty| written_receiver(ty, running.dialect, &session.relations.types()));
    let receiver = receiver.transpose().map_err(Error::all)?.map(|ty| ty.to_string());
    let kind = kind_of(drop.kind).unwrap_or("object");
    let mut going: Vec<(EntityId, &Ident)> = Vec::new();
    for path in &drop.names {
        let (schema, name) = match drop.kind {
            ObjectKind::Schema => schema_name(path)?,
            _ => schema_and_name(path)?,
        };
        let mut found = found(view, drop.kind, &schema, &name.text);
        let all = found.len();
        if let Some(receiver) = &receiver {
            found.retain(
                |entry| matches!(&*entry.entity, Entity::Routine(def) if def.receiver.as_ref() == Some(receiver)),
            );
        }
        let Some(entry) = found.first().cloned() else {
            if drop.if_exists {
                continue;
            }
            if let Some(receiver) = receiver.filter(|_| all > 0) {
                let message = format!("{kind} `{}` of the receiver {receiver} does not exist", name.text);
                return Err(Error::new(Diagnostic::new("42883", name.span, message)));
            }
            return Err(missing(view, kind, &schema, name));
        };
        if entry.entity.kind() != kind {
            return Err(wrong_kind(&entry, kind, name));
        }
        going.extend(found.iter().map(|entry| (entry.id, name)));
    }
    let cascade = drop.behavior == Some(DropBehavior::Cascade);
    all(session, view, &going, cascade)?;
    if drop.kind == ObjectKind::Module {
        let names = drop.names.iter().filter_map(|path| path.last());
        for name in names {
            routines::drop_module_types(session, name, drop.behavior, view)?;
        }
    }
    Ok(())
}

/// Drops entities, which may need each other; with `cascade` all that needs them.
pub fn all(session: &mut Session, view: &mut View, ids: &[(EntityId, &Ident)], cascade: bool) -> Result<(), Error> {
    let Some((_, first)) = ids.first() else { return Ok(()) };
    let numbers: Vec<EntityId> = ids.iter().map(|(id, _)| *id).collect();
    let going = view.catalog().going(&numbers);
    let calling = expressions::calling(session, view, &going, first.span);
    if cascade {
        expressions::take(view, &calling, first)?;
    }
    let called: Vec<String> = calling.iter().map(expressions::Expression::described).collect();
    let gone = view.changes.catalog.drop_all(&numbers, cascade, &called);
    let place = |error: &CatalogError| match error {
        CatalogError::Needed { names, .. } => {
            let named = names.first().map_or("", String::as_str);
            let is_it = |(_, ident): &&(EntityId, &Ident)| ident.text.eq_ignore_ascii_case(named);
            ids.iter().find(is_it).map_or(first.span, |(_, ident)| ident.span)
        }
        _ => first.span,
    };
    for entry in gone.map_err(|error| catalog_error(&error, place(&error)))? {
        view.changes.tables.remove(&entry.id);
    }
    Ok(())
}

/// The error of what a module of the database holds.
fn of_module(view: &View, path: &[Ident]) -> Option<Error> {
    let [module, name] = path else { return None };
    let (_, def) = view.catalog().module(MAIN_SCHEMA, &module.text)?;
    let whole = format!("{}.{}", module.text, name.text);
    let mut members = def.members.iter().flatten();
    let member = members.find(|member| member.name.eq_ignore_ascii_case(&whole))?;
    Some(routines::part_of_module(&member.name, module, name))
}

/// What DROP is about: one object, or the functions of one name.
fn found(view: &View, kind: ObjectKind, schema: &str, name: &str) -> Vec<Entry> {
    let catalog = view.catalog();
    let of_receivers = || {
        catalog
            .routines(schema, name)
            .into_iter()
            .map(|(entry, _)| entry.clone())
    };
    match kind {
        ObjectKind::Module => catalog
            .module(schema, name)
            .map(|(entry, _)| entry.clone())
            .into_iter()
            .collect(),
        _ => match catalog.find(&[schema, name]) {
            Some(entry) if !matches!(&*entry.entity, Entity::Routine(_)) => vec![entry.clone()],
            _ => of_receivers().collect(),
        },
    }
}

/// A schema's own name; schemas lie in no schema.
pub fn schema_name(path: &[Ident]) -> Result<(String, &Ident), Error> {
    match path {
        [name] if name.text.eq_ignore_ascii_case(MAIN_SCHEMA) => {
            let message = "the schema `main` is always there";
            Err(Error::new(Diagnostic::new("42939", name.span, message)))
        }
        [name] => Ok((String::new(), name)),
        other => {
            let span = other.first().map(|name| name.span).unwrap_or_default();
            let message = "a schema has a single name";
            Err(Error::new(Diagnostic::new("42601", span, message)))
        }
    }
}

fn missing(view: &View, kind: &'static str, schema: &str, name: &Ident) -> Error {
    let code = match kind {
        "table" | "view" => "42P01",
        "schema" => "3F000",
        "function" | "procedure" => "42883",
        _ => "42704",
    };
    let same =
        |entry: &&Entry| entry.entity.kind() == kind && (kind == "schema" || *entry.schema == *schema.to_lowercase());
    let names = view.catalog().entries().filter(same).map(|entry| entry.entity.name());
    let mut error = Diagnostic::new(code, name.span, format!("{kind} `{}` does not exist", name.text));
    error.help = nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
    Error::new(error)
}

fn wrong_kind(entry: &Entry, wanted: &str, name: &Ident) -> Error {
    let (found, article) = (entry.entity.kind(), |word: &str| match word {
        "index" => "an index".to_string(),
        other => format!("a {other}"),
    });
    let message = format!("`{}` is {}, not {}", name.text, article(found), article(wanted));
    let help = format!("use DROP {}", found.to_uppercase());
    Error::new(Diagnostic::new("42809", name.span, message).with_help(help))
}

/// The rows of an entity that is no table cannot be changed.
pub fn not_a_table(entry: &Entry, name: &Ident) -> Error {
    let found = match &*entry.entity {
        Entity::View(_) => "a view",
        Entity::Routine(_) => "a function",
        Entity::Watermark(_) => "a watermark",
        Entity::Trigger(_) => "a trigger",
        _ => "an index",
    };
    let message = format!("`{}` is {found}, not a table", name.text);
    Error::new(Diagnostic::new("42809", name.span, message))
}
