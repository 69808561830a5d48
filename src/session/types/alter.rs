//! ALTER TYPE: another list of labels, or other fields, for a type that stays.
//!
//! `ALTER TYPE tier ADD VALUE 'gold' BEFORE 'vip'` gives the columns of that type one label more, and writes no row: what a store has for the
//! labels that were there stays what it was. Only keys, which are in the order of the labels, are made anew.
//!
//! Invariants: the columns, types and variables made of a type follow it; rows never change. What would break a function, a view or the
//! definition of a table is refused.
//!
//! Does not: alter what a schema or an attached database has.

use std::sync::Arc;

use gobi_grammar::ast::{AlterType, DropBehavior, Ident, LabelPlace, Span, TypeChange as C, TypeName};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect};

use super::{missing, name_of};
use crate::catalog::{Catalog, Entity, EntityId, MAIN_SCHEMA, RoutineDef, TableDef, TypeDef};
use crate::plan::bind_type;
use crate::session::change::Running;
use crate::session::define::{self, views};
use crate::session::store::View;
use crate::session::{Error, Session, constraints, routines, triggers};
use crate::types::labels::MOST_LABELS;
use crate::types::{EnumType, Field, LogicalType};

/// ALTER TYPE of a database.
pub fn alter(session: &mut Session, alter: &AlterType, view: &mut View, running: Running) -> Result<(), Error> {
    let name = name_of(&alter.name)?;
    let Some((id, def)) = view.catalog().named_type(MAIN_SCHEMA, &name.text) else {
        let names: Vec<&str> = view.catalog().types().map(|(_, def)| def.name.as_str()).collect();
        return Err(missing(name, names));
    };
    if def.says.is_some() {
        let message = format!("`{}` is an exception, not a type", name.text);
        let help = format!("declare it again: `type exception as {}('…')`", name.text);
        return Err(Error::new(Diagnostic::new("42809", name.span, message).with_help(help)));
    }
    let old = def.clone();
    let Some(new) = changed(session, &old, &alter.change, name, running.dialect)? else {
        return Ok(());
    };
    let tables = tables_of(view.catalog(), id);
    refuse_rows(view.catalog(), &old, &new, &tables, running.span)?;
    let before = view.clone();
    let dependants = view.catalog().dependants(id);
    put(view, id, Entity::Type(new.clone()), running.span)?;
    for id in &dependants {
        follow(view, *id, &old.ty, &new.ty, running.span)?;
    }
    for table in tables {
        if let Some(def) = view.catalog().table(table).cloned() {
            let outer = session.relations.view.replace(view.clone());
            let checked = constraints::check_definition(session, &def, running.span);
            session.relations.view = outer;
            checked.map_err(|error| {
                let table = view.catalog().described(&[table]);
                let message = format!("{} is needed by {table}: {error}", what_goes(&alter.change));
                let help = "change its defaults and checks first";
                Error::new(Diagnostic::new("2BP01", running.span, message).with_help(help))
            })?;
        }
    }
    let cascade = matches!(&alter.change, C::DropField { behavior, .. } if *behavior == Some(DropBehavior::Cascade));
    keep_dependants(session, (&before, view), (id, &alter.change), cascade, running)
}

/// ALTER TYPE of a session without a database.
pub fn alter_local(session: &mut Session, alter: &AlterType, running: Running) -> Result<(), Error> {
    let name = name_of(&alter.name)?;
    let Some((kept, ty)) = session.relations.routines.known.local_type(&name.text).cloned() else {
        let types = session.relations.types();
        return Err(missing(name, types.declared().map(|(name, _)| name)));
    };
    let old = TypeDef {
        name: kept,
        ty,
        says: None,
    };
    let Some(new) = changed(session, &old, &alter.change, name, running.dialect)? else {
        return Ok(());
    };
    let routines = &mut session.relations.routines;
    routines.known.forget_type(&name.text);
    routines.known.keep_type(&new.name, new.ty.clone());
    let others: Vec<(String, LogicalType)> = routines.known.local_types().collect();
    for (name, ty) in others {
        routines.known.keep_type(&name, ty.with_type(&old.ty, &new.ty));
    }
    if let (LogicalType::Enum(old), LogicalType::Enum(new)) = (&old.ty, &new.ty) {
        routines.retype(old, new);
    }
    Ok(())
}

/// The type after a change; `None` if it is as it was.
fn changed(
    session: &Session,
    old: &TypeDef,
    change: &C,
    name: &Ident,
    dialect: Dialect,
) -> Result<Option<TypeDef>, Error> {
    let bound = |ty: &TypeName| bind_type(ty, dialect, &session.relations.types()).map_err(Error::all);
    let mut new = old.clone();
    match (change, &mut new.ty) {
        (C::Rename(to), ty) => {
            if session.relations.types().find(&to.text).is_some() && !to.text.eq_ignore_ascii_case(&old.name) {
                return Err(user("42710", to.span, format!("the type `{}` exists already", to.text)));
            }
            name_of(std::slice::from_ref(to))?;
            new.name.clone_from(&to.text);
            if let LogicalType::Enum(labels) = ty {
                Arc::make_mut(labels).name.clone_from(&to.text);
            }
        }
        (
            C::AddLabel {
                if_not_exists,
                label,
                place,
            },
            LogicalType::Enum(labels),
        ) => {
            if labels.number(&label.0).is_some() && *if_not_exists {
                return Ok(None);
            }
            add_label(Arc::make_mut(labels), label, place.as_ref())?;
        }
        (C::RenameLabel { label, to }, LogicalType::Enum(labels)) => {
            let at = position(labels, label)?;
            free(labels, to)?;
            if let Some(renamed) = Arc::make_mut(labels).labels.get_mut(at) {
                renamed.clone_from(&to.0);
            }
        }
        (C::AddLabel { label, .. } | C::RenameLabel { label, .. }, ty) => {
            let message = format!("`{}` is no enum, but {}", name.text, in_words(ty));
            return Err(user("42809", label.1, message));
        }
        (change, LogicalType::Struct(fields)) => {
            if !change_fields(fields, change, bound)? {
                return Ok(None);
            }
        }
        (_, ty) => {
            let message = format!("`{}` is no struct, but {}", name.text, in_words(ty));
            return Err(user("42809", name.span, message));
        }
    }
    if new.ty.is_too_large() {
        return Err(Error::new(crate::plan::too_large_type(name.span)));
    }
    Ok(Some(new))
}

fn in_words(ty: &LogicalType) -> String {
    match ty {
        LogicalType::Enum(_) => "an enum".into(),
        LogicalType::Struct(_) => "a struct".into(),
        other => format!("another name for {other}"),
    }
}

fn add_label(labels: &mut EnumType, label: &(String, Span), place: Option<&LabelPlace>) -> Result<(), Error> {
    free(labels, label)?;
    if labels.labels.len() >= MOST_LABELS {
        return Err(user(
            "54000",
            label.1,
            format!("an enum has at most {MOST_LABELS} labels"),
        ));
    }
    let at = match place {
        None => labels.labels.len(),
        Some(place) => position(labels, &place.label)? + usize::from(!place.before),
    };
    labels.insert(at, label.0.clone());
    Ok(())
}

fn position(labels: &EnumType, (label, span): &(String, Span)) -> Result<usize, Error> {
    let found = labels.labels.iter().position(|known| known == label);
    found.ok_or_else(|| {
        let message = format!("`{label}` is no label of {}", labels.name);
        let mut error = Diagnostic::new("22P02", *span, message);
        let near = nearest(label, labels.labels.iter().map(String::as_str));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        Error::new(error)
    })
}

fn free(labels: &EnumType, (label, span): &(String, Span)) -> Result<(), Error> {
    match labels.number(label) {
        None => Ok(()),
        Some(_) => Err(user("42710", *span, format!("label `{label}` is there already"))),
    }
}

/// Changes the fields of a struct; whether there was something to change.
fn change_fields(
    fields: &mut Vec<Field>,
    change: &C,
    bound: impl Fn(&TypeName) -> Result<LogicalType, Error>,
) -> Result<bool, Error> {
    match change {
        C::AddField { name, ty } => {
            new_field(fields, name)?;
            fields.push(Field {
                name: name.text.clone(),
                ty: bound(ty)?,
                nullable: true,
            });
        }
        C::DropField { if_exists, name, .. } => {
            if *if_exists && !fields.iter().any(|field| is(field, name)) {
                return Ok(false);
            }
            field(fields, name)?;
            if fields.len() == 1 {
                let message = format!("`{}` is the only field", name.text);
                return Err(user("42601", name.span, message));
            }
            fields.retain(|field| !is(field, name));
        }
        C::RenameField { name, to } => {
            if !name.text.eq_ignore_ascii_case(&to.text) {
                new_field(fields, to)?;
            }
            field(fields, name)?.name.clone_from(&to.text);
        }
        C::FieldType { name, ty } => field(fields, name)?.ty = bound(ty)?,
        C::AddLabel { .. } | C::RenameLabel { .. } | C::Rename(_) => {}
    }
    Ok(true)
}

fn is(field: &Field, name: &Ident) -> bool {
    field.name.eq_ignore_ascii_case(&name.text)
}

fn field<'f>(fields: &'f mut [Field], name: &Ident) -> Result<&'f mut Field, Error> {
    let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
    let mut fields = fields.iter_mut();
    fields.find(|field| is(field, name)).ok_or_else(|| {
        let mut error = Diagnostic::new("42703", name.span, format!("there is no field `{}`", name.text));
        let near = nearest(&name.text, names.iter().map(String::as_str));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        Error::new(error)
    })
}

fn new_field(fields: &[Field], name: &Ident) -> Result<(), Error> {
    match fields.iter().any(|field| is(field, name)) {
        false => Ok(()),
        true => Err(user(
            "42701",
            name.span,
            format!("field `{}` is there already", name.text),
        )),
    }
}

/// The tables that have columns of a type.
fn tables_of(catalog: &Catalog, id: EntityId) -> Vec<EntityId> {
    let dependants = catalog.dependants(id).into_iter();
    let ty = catalog.types().find(|(known, _)| *known == id).map(|(_, def)| &def.ty);
    let is_made_of = |table: &TableDef| {
        let has = |ty: &LogicalType| table.columns.iter().any(|column| column.ty.has_type(ty));
        ty.is_some_and(has)
    };
    dependants
        .filter(|id| catalog.table(*id).is_some_and(is_made_of))
        .collect()
}

/// Rows stay as they are: the fields of structs.
fn refuse_rows(catalog: &Catalog, old: &TypeDef, new: &TypeDef, tables: &[EntityId], span: Span) -> Result<(), Error> {
    if !tables.is_empty() && old.ty != new.ty && matches!(old.ty, LogicalType::Struct(_)) {
        let needed = catalog.described(tables);
        let message = format!("`{}` as it was is needed by {needed}", old.name);
        let help = "make another type, and a column of that";
        return Err(Error::new(Diagnostic::new("2BP01", span, message).with_help(help)));
    }
    Ok(())
}

/// Has what is made of a type be made of what it is now.
fn follow(view: &mut View, id: EntityId, old: &LogicalType, new: &LogicalType, span: Span) -> Result<(), Error> {
    let Some(entry) = view.catalog().get(id) else {
        return Ok(());
    };
    let mut entity = (*entry.entity).clone();
    match &mut entity {
        Entity::Table(def) => {
            for column in &mut def.columns {
                let ty = column.ty.with_type(old, new);
                column.missing = column.missing.take().map(|text| renamed(text, &column.ty, &ty));
                column.ty = ty;
            }
        }
        Entity::Type(def) => def.ty = def.ty.with_type(old, new),
        Entity::Routine(RoutineDef {
            receiver: Some(receiver),
            ..
        }) if *receiver == old.to_string() => *receiver = new.to_string(),
        _ => return Ok(()),
    }
    put(view, id, entity, span)
}

/// What rows have that are older than their column, where a label has another name.
fn renamed(text: String, old: &LogicalType, new: &LogicalType) -> String {
    let (LogicalType::Enum(old), LogicalType::Enum(new)) = (old, new) else {
        return text;
    };
    let renamed = |number| (old.labels.len() == new.labels.len()).then(|| new.label(number));
    let renamed = old.number(&text).and_then(renamed).flatten();
    renamed.map_or(text, str::to_owned)
}

fn put(view: &mut View, id: EntityId, entity: Entity, span: Span) -> Result<(), Error> {
    let put = view.changes.catalog.replace(id, entity);
    put.map_err(|error| define::catalog_error(&error, span))
}

/// Refuses a change that breaks views, functions or triggers, or drops them.
fn keep_dependants(
    session: &mut Session,
    (before, view): (&View, &mut View),
    (id, change): (EntityId, &C),
    cascade: bool,
    running: Running,
) -> Result<(), Error> {
    let span = running.span;
    if cascade {
        let views = views::broken(session, before, view, id);
        let routines = routines::broken(session, before, view, id);
        for id in views.into_iter().chain(routines.into_iter().map(|broken| broken.id)) {
            if view.catalog().get(id).is_some() {
                let gone = view.changes.catalog.drop(id, true);
                gone.map_err(|error| define::catalog_error(&error, span))?;
            }
        }
    }
    let what = what_goes(change);
    // In a transaction they may be changed, too; its end asks them.
    let is_asked_later = session.in_transaction();
    if !is_asked_later || views::broken(session, before, view, id).is_empty() {
        views::keep_dependants(session, before, view, id, &what, span)?;
    }
    let broken = routines::broken(session, before, view, id);
    if !broken.is_empty() && !is_asked_later {
        let names: Vec<String> = broken.into_iter().map(|broken| broken.what).collect();
        let message = format!("{what} is needed by {}", names.join(", "));
        let help = "drop them first, or replace them in the same transaction: `BEGIN; …; COMMIT`";
        return Err(Error::new(Diagnostic::new("2BP01", span, message).with_help(help)));
    }
    routines::refresh(session, view, id);
    for table in tables_of(&view.catalog().clone(), id) {
        let name = view.catalog().described(&[table]);
        triggers::check_all(session, view, table, &format!("{name} as it was"), running)?;
    }
    Ok(())
}

fn what_goes(change: &C) -> String {
    match change {
        C::RenameLabel { label, .. } => format!("the label `{}`", label.0),
        C::DropField { name, .. } | C::RenameField { name, .. } | C::FieldType { name, .. } => {
            format!("the field `{}` as it was", name.text)
        }
        C::Rename(_) => "the name that it had".into(),
        C::AddLabel { .. } | C::AddField { .. } => "the type as it was".into(),
    }
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
