//! MODULE, IMPORT, SHOW MODULES, DESCRIBE MODULE: definitions under one name.
//!
//! `module geo { function area(r double) => 3.14 * r * r }` is kept by the database, where there is one, and else by the session; `geo.area(2)`
//! calls its function, and behind `import geo` so does `area(2)`.
//!
//! Invariants: every member was checked; a text that does not check leaves the module before it.
//!
//! Does not: resolve calls; the binder and the checker do.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, DropBehavior, Ident, ObjectKind, Show, Span};
use gobi_grammar::similar::nearest;

use super::known::{self, Known};
use super::{Naming, Running, define};
use crate::catalog::{Entity, EntityId, MAIN_SCHEMA, MemberDef, RoutineDef, Source};
use crate::plan::check_macro;
use crate::procedure::Module;
use crate::session::relations::Relations;
use crate::session::settings::dialect_name;
use crate::session::store::View;
use crate::session::{Error, ResultStream, Session, listing, types};

/// Makes a module of the session.
pub fn define(session: &mut Session, module: &ast::Module, running: Running) -> Result<(), Error> {
    let (read, _) = read(session, module, running)?;
    let kept = session.relations.routines.known.clone();
    session.relations.routines.known.keep_module(read.clone());
    let declared = read.types.iter().map(|define| types::declare(session, define, running));
    let declared = declared.collect::<Result<(), _>>();
    let checked = declared.and_then(|()| {
        refuse(session, &read, running)?;
        checked(session, &read, running)
    });
    if checked.is_err() {
        session.relations.routines.known = kept;
    }
    checked.map(drop)
}

/// Makes a module of the database.
pub fn store(session: &mut Session, module: &ast::Module, view: &mut View, running: Running) -> Result<(), Error> {
    let name = &module.name;
    let before = view.catalog().module(MAIN_SCHEMA, &name.text);
    let before = before.map(|(entry, def)| (entry.id, def.clone()));
    let (read, text) = read(session, module, running)?;
    if before.as_ref().is_some_and(|(_, def)| def.source.text == text) {
        return Ok(());
    }
    let own = before.as_ref().map(|(id, _)| *id);
    for define in &read.types {
        types::create(session, define, (view, own), running)?;
        // Others are made of it.
        session.relations.view = Some(view.clone());
    }
    refuse(session, &read, running)?;
    session.relations.refresh_routines();
    let kept = session.relations.routines.known.clone();
    session.relations.routines.known = session.relations.routines.known.stored_only();
    session.relations.routines.known.try_module(read.clone());
    let checked = Relations::as_kept(session, |session| checked(session, &read, running));
    session.relations.routines.known = kept;
    let checked = checked.map_err(|error| define::of_session(session, error));
    let (members, mut named) = checked?;
    named
        .names
        .extend(types_of(view, &name.text).into_iter().map(|(id, _)| id));
    let itself = before.as_ref().map(|(id, _)| *id);
    named.settle(view.catalog(), |id| Some(id) == itself, &read.words());
    if let Some((id, before)) = &before {
        still_there(view, (*id, before), &members, name)?;
    }
    let def = Entity::Routine(RoutineDef {
        name: name.text.clone(),
        procedure: false,
        receiver: None,
        signature: String::new(),
        version: before.as_ref().map_or(1, |(_, def)| def.version + 1),
        members: Some(members),
        source: Source {
            text,
            dialect: dialect_name(running.dialect).into(),
        },
        names: named.names,
        writes: named.writes,
        definer: false,
    });
    let catalog = &mut view.changes.catalog;
    let made = match before {
        Some((id, _)) => catalog.replace(id, def),
        None => catalog.create(MAIN_SCHEMA, def).map(drop),
    };
    made.map_err(|error| Error::new(Diagnostic::new(error.code(), name.span, error.to_string())))?;
    let is_there = |gone: &str| {
        let mut types = read.types.iter().flat_map(|define| &define.name);
        types.any(|name| name.text.eq_ignore_ascii_case(gone))
    };
    let gone = types_of(view, &name.text).into_iter().map(|(_, gone)| gone);
    let gone: Vec<String> = gone.filter(|gone| !is_there(gone)).collect();
    drop_types(session, gone, (name.span, None), view)
}

/// The types of a module of the database.
fn types_of(view: &View, module: &str) -> Vec<(EntityId, String)> {
    let prefix = format!("{}.", module.to_lowercase());
    let all = view.catalog().types();
    let own = all.filter(|(_, def)| def.name.to_lowercase().starts_with(&prefix));
    own.map(|(id, def)| (id, def.name.clone())).collect()
}

/// Drops the types of a module that is not there any more.
pub fn drop_types_of(
    session: &mut Session,
    name: &Ident,
    behavior: Option<DropBehavior>,
    view: &mut View,
) -> Result<(), Error> {
    let names = types_of(view, &name.text).into_iter().map(|(_, name)| name);
    drop_types(session, names.collect(), (name.span, behavior), view)
}

fn drop_types(
    session: &mut Session,
    names: Vec<String>,
    (span, behavior): (Span, Option<DropBehavior>),
    view: &mut View,
) -> Result<(), Error> {
    let path = |text: String| {
        vec![Ident {
            text,
            quoted: true,
            span,
        }]
    };
    let drop = ast::Drop {
        kind: ObjectKind::Type,
        if_exists: true,
        names: names.into_iter().map(path).collect(),
        behavior,
        receiver: None,
        on: None,
    };
    types::drop(session, &drop, view)
}

/// An error if something that is called from outside is not a member any more.
fn still_there(
    view: &View,
    (id, before): (EntityId, &RoutineDef),
    members: &[MemberDef],
    name: &Ident,
) -> Result<(), Error> {
    let is_there = |gone: &&MemberDef| {
        members
            .iter()
            .all(|member| !member.name.eq_ignore_ascii_case(&gone.name))
    };
    for gone in before.members.iter().flatten().filter(is_there) {
        for user in view.catalog().dependants(id) {
            let Some(entry) = view.catalog().get(user) else {
                continue;
            };
            let is_needed = match &*entry.entity {
                Entity::Routine(def) => def.source.text.to_lowercase().contains(&gone.name.to_lowercase()),
                Entity::Trigger(def) => def.call == id && def.member.is_some() && def.calls(&gone.name),
                _ => false,
            };
            if is_needed {
                let message = format!("`{}` is needed by {}", gone.name, view.catalog().described(&[user]));
                let help = "leave it there, or drop what needs it first";
                return Err(Error::new(Diagnostic::new("2BP01", name.span, message).with_help(help)));
            }
        }
    }
    Ok(())
}

/// Reads the module again, with places in a range of its own; its text too.
fn read(session: &mut Session, module: &ast::Module, running: Running) -> Result<(Arc<Module>, String), Error> {
    let script = Arc::clone(&session.script);
    let range = running.span.start as usize..running.span.end as usize;
    let text = script.get(range).unwrap_or_default();
    let sources = &mut session.relations.routines.sources;
    let origin = sources.add(&module.name.text, text, Some(running.span.start));
    let again = known::read_module(text, running.dialect, origin);
    let known = &session.relations.routines.known;
    let is_type = |name: &str| known.is_type(name);
    let read = Module::of(again.as_ref().unwrap_or(module), running.dialect, &is_type).map_err(Error::new)?;
    for made in &read.macros {
        check_macro(made).map_err(Error::new)?;
    }
    Ok((Arc::new(read), text.to_owned()))
}

/// What its functions may ask for and the engine does not do yet.
fn refuse(session: &mut Session, module: &Module, running: Running) -> Result<(), Error> {
    let mut routines = module.routines.iter();
    routines.try_for_each(|definition| define::refuse(session, &definition.routine, running))
}

/// The members as they are kept, and what they name in the database.
fn checked(session: &mut Session, module: &Module, running: Running) -> Result<(Vec<MemberDef>, Naming), Error> {
    let mut members = Vec::new();
    let (mut all, mut warnings) = (Naming::default(), Vec::new());
    for definition in &module.routines {
        let (callable, named) = define::checked(session, definition)?;
        all.add(named);
        warnings.append(&mut session.relations.routines.warnings);
        let kind = if definition.routine.is_procedure {
            "procedure"
        } else {
            "function"
        };
        members.push(MemberDef {
            name: definition.name.clone(),
            kind: kind.to_owned(),
            signature: define::signature(definition, callable.as_ref()),
        });
    }
    for made in &module.macros {
        let params: Vec<&str> = made.params.iter().map(|param| param.name.text.as_str()).collect();
        members.push(MemberDef {
            name: made.name.text.clone(),
            kind: "macro".to_owned(),
            signature: format!("({})", params.join(", ")),
        });
    }
    for (name, kind) in module
        .types
        .iter()
        .flat_map(|define| define.name.iter().map(|name| (name, define.body.kind())))
    {
        members.push(MemberDef {
            name: name.text.clone(),
            kind: kind.to_owned(),
            signature: String::new(),
        });
    }
    members.extend(module.exceptions.iter().map(|define| MemberDef {
        name: define.name.text.clone(),
        kind: "exception".to_owned(),
        signature: String::new(),
    }));
    if running.only_bind {
        session.relations.routines.warnings = warnings;
    }
    Ok((members, all))
}

/// IMPORT.
pub fn import(session: &mut Session, names: &[Ident]) -> Result<(), Error> {
    session.relations.refresh_routines();
    for name in names {
        let known = &mut session.relations.routines.known;
        let Some(module) = known.module(&name.text).cloned() else {
            return Err(missing(known, name));
        };
        let kept = known.clone();
        known.import(&name.text);
        for member in module.names() {
            let short = member.split_once('.').map_or("", |(_, short)| short);
            let importing = known.importing(short);
            let other = importing.iter().find(|other| !other.eq_ignore_ascii_case(&name.text));
            if let Some(other) = other {
                let message = format!("`{short}` would be both `{other}.{short}` and `{member}`");
                let help = format!("import one of them, and call the other by its whole name: `{member}(…)`");
                *known = kept;
                return Err(Error::new(Diagnostic::new("42725", name.span, message).with_help(help)));
            }
        }
    }
    Ok(())
}

fn missing(known: &Known, name: &Ident) -> Error {
    let mut error = Diagnostic::new("42704", name.span, format!("module `{}` does not exist", name.text));
    let [local, stored] = known.modules();
    let names: Vec<&str> = local.chain(stored).map(|module| module.name.as_str()).collect();
    error.help = match nearest(&name.text, names.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if names.is_empty() => Some("there is none yet: write `module m { function … }`".to_owned()),
        None => Some(format!("there is {}", names.join(", "))),
    };
    Error::new(error)
}

/// `SHOW MODULES [LIKE 'pattern']`.
pub fn list(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    if let Some(first) = show.of.first() {
        return Err(super::unsupported("SHOW MODULES IN a schema", first.span));
    }
    let like = listing::like_of(show)?;
    session.relations.refresh_routines();
    let [local, stored] = session.relations.routines.known.modules();
    let row = |module: &Arc<Module>, kept: &str| {
        let short = |name: &str| name.split_once('.').map_or(name, |(_, short)| short).to_owned();
        let types = module
            .types
            .iter()
            .flat_map(|define| &define.name)
            .map(|name| &name.text);
        let exceptions = module.exceptions.iter().map(|define| &define.name.text);
        let mut members: Vec<String> = module
            .names()
            .chain(types)
            .chain(exceptions)
            .map(|name| short(name))
            .collect();
        // Once for all receivers.
        members.dedup();
        vec![module.name.clone(), members.join(", "), kept.to_owned()]
    };
    let local = local.map(|module| row(module, "session"));
    let mut rows: Vec<Vec<String>> = local.chain(stored.map(|module| row(module, "database"))).collect();
    rows.retain(|row| like.as_ref().is_none_or(|like| like.matches(row[0].as_bytes())));
    rows.sort();
    Ok(ResultStream::strings(&["name", "members", "kept in"], &rows, span))
}

/// `DESCRIBE MODULE m`: a row for each member.
pub fn describe(session: &mut Session, name: &Ident, running: Running) -> Result<ResultStream, Error> {
    session.relations.refresh_routines();
    let known = session.relations.routines.known.clone();
    let Some(module) = known.module(&name.text) else {
        return Err(missing(&known, name));
    };
    let described = checked(session, module, running);
    session.relations.routines.known = known;
    let (members, _) = described?;
    let row = |member: MemberDef| vec![member.name, member.kind, member.signature];
    let rows: Vec<Vec<String>> = members.into_iter().map(row).collect();
    Ok(ResultStream::strings(
        &["name", "kind", "signature"],
        &rows,
        running.span,
    ))
}

/// DROP MODULE of modules of the session; `None` if they may be the database's.
pub fn drop_local(session: &mut Session, drop: &ast::Drop) -> Option<Result<(), Error>> {
    let known = &mut session.relations.routines.known;
    let all_local = drop
        .names
        .iter()
        .all(|path| matches!(path.as_slice(), [name] if known.is_local_module(&name.text)));
    if !all_local && session.store.is_some() {
        return None;
    }
    for name in drop.names.iter().flatten() {
        if !known.forget_module(&name.text) && !drop.if_exists {
            return Some(Err(missing(known, name)));
        }
    }
    Some(Ok(()))
}
