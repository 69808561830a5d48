//! FUNCTION, UPSERT PROCEDURE, CREATE FUNCTION: a definition, checked, and kept by the session or the database.
//!
//! `upsert procedure p as (a int) { insert into t values (a) }` keeps its text in the catalog; the same text again makes no new
//! version; a text that does not check leaves the one before it.
//!
//! Invariants: what is kept was checked; a name is that of one function or procedure.
//!
//! Does not: run bodies.

use std::sync::Arc;

use gobi_grammar::ast::{self, RoutineForm};
use gobi_grammar::{Diagnostic, Dialect};

use super::known::{self, Known};
use super::models::{self, Spec};
use super::together::{self, Part};
use super::{Naming, Running, changes, unsupported};
use crate::catalog::{Catalog, Entity, EntityId, MAIN_SCHEMA, RoutineDef, Source};
use crate::plan::{RoutineCall, bind_type};
use crate::procedure::{Callable, Definition, Definitions as _, Instances, Question, check_definition};
use crate::session::databases::TEMP;
use crate::session::relations::{Relations, StatementTables};
use crate::session::settings::dialect_name;
use crate::session::store::View;
use crate::session::{Error, Session, StatementResult, types};
use crate::types::{Field, LogicalType};

/// Makes a function of the session.
pub fn define(session: &mut Session, routine: &ast::Routine, running: Running) -> Result<StatementResult, Error> {
    let name = name_of(routine, running)?;
    if let Some((first, _)) = routine.metadata.first() {
        let message = "metadata of a function of the session is not supported yet";
        let help = "`upsert procedure` keeps a model in the database";
        return Err(Error::new(
            Diagnostic::new("0A000", first.span, message).with_help(help),
        ));
    }
    refuse(session, routine, running)?;
    let kept = session.relations.routines.known.clone();
    let definition = match declared(session, &name.text, running) {
        Some(definition) => definition,
        None => {
            let (definition, _) = read(session, &name.text, running)?;
            session.relations.routines.known.keep(definition.clone());
            definition
        }
    };
    let mut instances = session.relations.take_checks();
    let checked = checked_among(session, &definition, &mut instances);
    match &checked {
        Ok(_) => session.relations.keep_checks(instances),
        Err(_) => session.relations.routines.known = kept,
    }
    checked.map(|_| StatementResult::Done)
}

/// The definition, if the script has made it known already because of those before it.
fn declared(session: &Session, name: &str, running: Running) -> Option<Arc<Definition>> {
    let routines = &session.relations.routines;
    let is_it = |known: &Arc<Definition>| {
        let place = known.routine.name.first().map(|name| name.span);
        place.is_some_and(|place| routines.sources.is_written_at(place, &session.script, running.span))
    };
    let mut named = routines.known.local_named(name);
    named.find(|known| is_it(known)).cloned()
}

/// Whether LET gives a name to a lambda.
pub fn is_lambda(variable: &ast::Let) -> bool {
    matches!(&variable.value, ast::Value::Expr(value) if matches!(value.kind, ast::ExprKind::Lambda(_)))
}

/// An error if a name is that of a variable.
pub fn check_free(session: &Session, name: &ast::Ident) -> Result<(), Error> {
    if !session.relations.routines.is_variable(&name.text) {
        return Ok(());
    }
    let message = format!(
        "`{}` is a variable with a value, and cannot be a function too",
        name.text
    );
    Err(Error::new(Diagnostic::new("42804", name.span, message)))
}

/// `let f = x => …` of a script: a function of the session, which keeps the values of the variables that it names.
pub fn lambda(session: &mut Session, name: &ast::Ident, running: Running) -> Result<StatementResult, Error> {
    check_free(session, name)?;
    let script = Arc::clone(&session.script);
    let range = running.span.start as usize..running.span.end as usize;
    let text = script.get(range).unwrap_or_default();
    let sources = &mut session.relations.routines.sources;
    let origin = sources.add(&name.text, text, Some(running.span.start));
    let read = gobi_grammar::parse_at(text, running.dialect, origin)
        .statements
        .into_iter()
        .next();
    let Some(ast::StatementKind::Let(read)) = read.map(|statement| statement.kind) else {
        return Err(unsupported("a lambda of this form", running.span));
    };
    let ast::Value::Expr(ast::Expr {
        kind: ast::ExprKind::Lambda(lambda),
        span,
    }) = read.value
    else {
        return Err(unsupported("a lambda of this form", running.span));
    };
    let constants = session.relations.routines.values();
    let definition = Definition::of_lambda(&name.text, &lambda, span, running.dialect, constants);
    let known = definition.words().clone();
    let mut definition = definition;
    definition.constants.retain(|(name, _, _)| {
        let own = lambda.params.iter().any(|param| param.text.eq_ignore_ascii_case(name));
        known.contains(&name.to_lowercase()) && !own
    });
    let definition = Arc::new(definition);
    let before = session.relations.routines.known.clone();
    session.relations.routines.known.keep(definition.clone());
    if let Err(error) = checked(session, &definition) {
        session.relations.routines.known = before;
        return Err(error);
    }
    Ok(StatementResult::Done)
}

fn name_of(routine: &ast::Routine, running: Running) -> Result<&ast::Ident, Error> {
    match routine.name.as_slice() {
        [name] => Ok(name),
        _ => Err(unsupported("a function in a schema", running.span)),
    }
}

/// Makes a function or procedure of the database, with those of the script that are made together with it.
pub fn store(session: &mut Session, routine: &ast::Routine, view: &mut View, running: Running) -> Result<(), Error> {
    let types = session.relations.types();
    let is_there = |member: &together::Member| together::is_there(view.catalog(), member, &types);
    let together = &mut session.relations.routines.together;
    match together.of(&session.script, running.span, &is_there) {
        Part::Alone => alone(session, routine, view, running),
        Part::First(members) => together::store(session, &members, view, running),
        Part::Made => Ok(()),
    }
}

/// A definition that the database is to have.
pub(super) struct New<'r> {
    pub routine: &'r ast::Routine,
    pub name: &'r ast::Ident,
    pub definition: Arc<Definition>,
    text: String,
    dialect: Dialect,
    receiver: Option<String>,
    /// What it takes the place of.
    before: Option<(EntityId, RoutineDef)>,
}

impl<'r> New<'r> {
    /// Reads it; `None` if what is there stays.
    pub fn read(
        session: &mut Session,
        routine: &'r ast::Routine,
        view: &View,
        running: Running,
    ) -> Result<Option<Self>, Error> {
        let name = name_of(routine, running)?;
        refuse(session, routine, running)?;
        let (mut definition, text) = read(session, &name.text, running)?;
        Arc::make_mut(&mut definition).stored = true;
        let receiver = receiver_of(session, &definition)?;
        let before = view.catalog().routines(MAIN_SCHEMA, &name.text);
        let before = before.into_iter().find(|(_, def)| def.receiver == receiver);
        let before = before.map(|(entry, def)| (entry.id, def.clone()));
        if let Some((_, known)) = &before
            && stays(known, routine, name, &text)?
        {
            return Ok(None);
        }
        Ok(Some(Self {
            routine,
            name,
            definition,
            text,
            dialect: running.dialect,
            receiver,
            before,
        }))
    }

    /// What is kept of it.
    pub fn def(&self, signature: String, named: Naming) -> RoutineDef {
        RoutineDef {
            name: self.name.text.clone(),
            procedure: self.routine.is_procedure,
            receiver: self.receiver.clone(),
            members: None,
            source: Source {
                text: self.text.clone(),
                dialect: dialect_name(self.dialect).into(),
            },
            signature,
            version: self.before.as_ref().map_or(1, |(_, def)| def.version + 1),
            names: named.names,
            writes: named.writes,
            definer: self.routine.rights == Some(ast::Rights::Definer),
        }
    }

    /// Puts it into the catalog.
    pub fn put(&self, catalog: &mut Catalog, def: RoutineDef) -> Result<EntityId, Error> {
        let made = match &self.before {
            Some((id, _)) => catalog.replace(*id, Entity::Routine(def)).map(|()| *id),
            None => catalog.create(MAIN_SCHEMA, Entity::Routine(def)),
        };
        made.map_err(|error| Error::new(Diagnostic::new(error.code(), self.name.span, error.to_string())))
    }
}

fn alone(session: &mut Session, routine: &ast::Routine, view: &mut View, running: Running) -> Result<(), Error> {
    let Some(new) = New::read(session, routine, view, running)? else {
        return Ok(());
    };
    let definition = &new.definition;
    let spec = Spec::of(&new.name.text, &definition.routine).map_err(Error::new)?;
    let itself = new.before.as_ref().map(|(id, _)| *id);
    let replaced = itself.and_then(|id| {
        let known = session.relations.routines.known.of_entry(id);
        known.into_iter().next()
    });
    let (callable, mut named, columns) = checked_stored(session, definition, (spec.as_ref(), &new.text))?;
    if let Some(spec) = &spec {
        models::check_audits(session, definition, spec, running)?;
    }
    warn(session, models::unscheduled(definition), running);
    named.settle(view.catalog(), |id| Some(id) == itself, definition.words());
    let signature = match &spec {
        Some(spec) => spec.signature(),
        None => kept_signature(definition, callable.as_ref()),
    };
    let def = new.def(signature, named);
    new.put(&mut view.changes.catalog, def)?;
    match &spec {
        Some(spec) => models::make_ahead(
            session,
            view,
            (definition, spec, &columns),
            replaced.as_deref(),
            running,
        ),
        None => Ok(()),
    }
}

/// The signature that is kept with a definition which is no model.
pub(super) fn kept_signature(definition: &Definition, callable: Option<&Callable>) -> String {
    match definition.is_of_triggers() {
        true => "trigger".to_owned(),
        false => signature(definition, callable),
    }
}

/// Whether a definition leaves what is there as it is; an error if it does not say that it may replace it.
fn stays(known: &RoutineDef, routine: &ast::Routine, name: &ast::Ident, text: &str) -> Result<bool, Error> {
    if let RoutineForm::Create {
        or_replace,
        if_not_exists,
    } = routine.form
    {
        if if_not_exists {
            return Ok(true);
        }
        if !or_replace {
            let kind = if known.procedure { "procedure" } else { "function" };
            let message = format!("the {kind} `{}` exists already", name.text);
            let help = "write `CREATE OR REPLACE`, or `upsert`";
            return Err(Error::new(Diagnostic::new("42723", name.span, message).with_help(help)));
        }
    }
    if known.procedure != routine.is_procedure {
        let kind = |is_procedure| if is_procedure { "procedure" } else { "function" };
        let message = format!("`{}` is a {}", name.text, kind(known.procedure));
        let help = format!("drop it first: `drop {} {}`", kind(known.procedure), name.text);
        return Err(Error::new(Diagnostic::new("42809", name.span, message).with_help(help)));
    }
    Ok(known.source.text == text)
}

/// Tells whoever runs or checks the script.
pub(super) fn warn(session: &mut Session, warning: Option<Diagnostic>, running: Running) {
    let Some(warning) = warning else { return };
    let routines = &mut session.relations.routines;
    routines
        .notices
        .push(routines.sources.resolve(warning.clone(), running.span));
    routines.warnings.push(warning);
}

/// Checks a definition of the database, and the columns of what it fills if it is a model, by what the database has: what the session has is not there when another one calls it.
fn checked_stored(
    session: &mut Session,
    definition: &Arc<Definition>,
    (spec, text): (Option<&Spec>, &str),
) -> Result<(Option<Callable>, Naming, Vec<Field>), Error> {
    let kept = session.relations.routines.known.clone();
    session.relations.refresh_routines();
    let mut instances = session.relations.take_stored_checks(definition);
    let known = &mut session.relations.routines.known;
    *known = known.stored_only();
    known.try_stored(definition.clone());
    let checked = match spec {
        Some(spec) => {
            let checked = Relations::as_kept(session, |session| models::check(session, definition, spec));
            checked.map(|(named, columns)| (None, named, columns))
        }
        None => {
            instances.redefine(Arc::new(known.clone()));
            let checked = Relations::as_kept(session, |session| checked_among(session, definition, &mut instances));
            checked.map(|(callable, named)| (callable, named, Vec::new()))
        }
    };
    session.relations.routines.known = kept;
    if checked.is_ok() {
        session.relations.keep_stored_checks(instances, &definition.name, text);
    }
    checked.map_err(|error| of_session(session, error))
}

/// Does something with the functions that the database has, and none of the session's.
pub fn without_own<T>(session: &mut Session, work: impl FnOnce(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
    session.relations.refresh_routines();
    let own = session.relations.routines.known.clone();
    session.relations.routines.known = own.stored_only();
    let done = work(session);
    session.relations.routines.known = own;
    done.map_err(|error| of_session(session, error))
}

/// Says what to do about a function, or a table, that the session has and the database has not.
pub fn of_session(session: &Session, mut error: Error) -> Error {
    let known = &session.relations.routines.known;
    let temp = session.relations.named_database(TEMP);
    let temp = temp.and_then(|temp| session.relations.view_of(temp));
    for diagnostic in &mut error.diagnostics {
        let table = diagnostic.message.strip_prefix("table `");
        let table = table
            .and_then(|rest| rest.split('`').next())
            .unwrap_or_default()
            .to_owned();
        let short = table.strip_prefix("temp.").unwrap_or(&table);
        if diagnostic.code == "42P01" && temp.is_some_and(|temp| temp.catalog().find(&[short]).is_some()) {
            let help = format!(
                "`{short}` is a temporary table of the session, which other sessions do not have: make it without `TEMP`, or give the rows as a parameter"
            );
            diagnostic.help = Some(help);
        } else if diagnostic.code == "42P01" && session.relations.routines.together.may_be_rows(short) {
            let help = "what a trigger calls has the rows of its statement as `new_rows` and `old_rows`; one that `returns trigger` knows the names of REFERENCING, too";
            diagnostic.help.get_or_insert_with(|| help.to_owned());
        }
        let name = diagnostic.message.split("function `").nth(1);
        let name = name
            .and_then(|name| name.split('`').next())
            .unwrap_or_default()
            .to_owned();
        if diagnostic.code == "42883" && session.relations.routines.together.defines_later(&name) {
            diagnostic.help = Some(format!(
                "`{name}` is defined later: definitions that call each other stand one directly behind another, and are made together"
            ));
        } else if diagnostic.code == "42883" && known.is_local(&name) {
            diagnostic.help = Some(format!(
                "`{name}` is a function of the session: `upsert function {name} …` keeps it in the database"
            ));
        }
    }
    error
}

/// The type of a definition's receiver, which tells it from others of its name.
fn receiver_of(session: &Session, definition: &Definition) -> Result<Option<String>, Error> {
    let bound = crate::procedure::receiver_of(definition, &session.relations.types());
    Ok(bound.transpose().map_err(Error::all)?.map(|ty| ty.to_string()))
}

/// A definition of the database, and what makes functions for it: of the database too, whatever the session has.
pub fn stored_definition(session: &mut Session, name: &str) -> Option<(Arc<Definition>, Instances)> {
    session.relations.refresh_routines();
    let known = Arc::new(session.relations.routines.known.stored_only());
    let definition = known.find(name)?;
    Some((definition, Instances::new(known)))
}

/// Makes a function known that is defined later in the script.
pub fn declare(session: &mut Session, name: &str, span: ast::Span, dialect: Dialect) {
    if let Some((definition, _)) = read_at(session, name, span, dialect) {
        session.relations.routines.known.keep(definition);
    }
}

/// Reads the definition again, with places in a range of its own; its text too.
fn read(session: &mut Session, name: &str, running: Running) -> Result<(Arc<Definition>, String), Error> {
    let read = read_at(session, name, running.span, running.dialect);
    read.ok_or_else(|| unsupported("a function of this form", running.span))
}

fn read_at(session: &mut Session, name: &str, span: ast::Span, dialect: Dialect) -> Option<(Arc<Definition>, String)> {
    let script = Arc::clone(&session.script);
    let text = script.get(span.start as usize..span.end as usize).unwrap_or_default();
    let origin = session.relations.routines.sources.add(name, text, Some(span.start));
    let known = &session.relations.routines.known;
    let definition = known::read((name, &|name| known.is_type(name)), text, dialect, origin)?;
    Some((Arc::new(definition), text.to_owned()))
}

/// Checks a definition by itself; its types, if they are known, and what it names in the database.
pub fn checked(session: &mut Session, definition: &Definition) -> Result<(Option<Callable>, Naming), Error> {
    if definition.is_of_triggers() {
        // It is checked for the tables of the triggers that call it.
        return Ok((None, Naming::default()));
    }
    let mut instances = Instances::new(Arc::new(session.relations.routines.known.clone()));
    checked_among(session, definition, &mut instances)
}

/// The same, among routines that are there already.
fn checked_among(
    session: &mut Session,
    definition: &Definition,
    instances: &mut Instances,
) -> Result<(Option<Callable>, Naming), Error> {
    if definition.is_of_triggers() {
        return Ok((None, Naming::default()));
    }
    let first = instances.begin();
    let mut tables = StatementTables::new(&mut session.relations);
    let callable = match check_definition(definition, instances, &mut tables) {
        Ok(callable) => callable,
        Err(errors) => {
            let unasked = instances.unasked_by(definition);
            return Err(changes::beside(session, errors, &unasked, looking(definition)));
        }
    };
    let names = tables.named();
    let named = named(session, definition, (instances, first), names)?;
    Ok((callable, named))
}

/// Checks a call of a definition by itself; what it asks. What it names goes into `into`.
pub fn asked_by_call(
    session: &mut Session,
    definition: &Definition,
    call: &RoutineCall<'_>,
    into: &mut Naming,
) -> Result<Vec<Question>, Error> {
    let mut instances = Instances::new(Arc::new(session.relations.routines.known.clone()));
    let first = instances.begin();
    let mut tables = StatementTables::new(&mut session.relations);
    let called = instances.call(call, Some(&mut tables));
    let names = tables.named();
    let callee = called.ok_or_else(|| unsupported("a body of this form", call.name.span))?;
    callee.map_err(Error::new)?;
    into.add(named(session, definition, (&mut instances, first), names)?);
    Ok(instances.asked_since(first))
}

/// What a definition that was checked names, its queries `names`; the warnings of it are kept.
fn named(
    session: &mut Session,
    definition: &Definition,
    (instances, first): (&mut Instances, usize),
    mut names: Vec<EntityId>,
) -> Result<Naming, Error> {
    let warnings = std::mem::take(&mut instances.warnings);
    session.relations.routines.warnings = warnings;
    let told = std::mem::take(&mut instances.told);
    session
        .relations
        .routines
        .tell(&told, gobi_grammar::ast::Span::default());
    let view = session.relations.view.as_ref();
    if let Some(view) = view {
        names.extend(types::named_in(view.catalog(), definition.words()));
    }
    let types = session.relations.types();
    for called in instances.called() {
        names.extend(known::entries_of(view, &types, &called));
    }
    let mut named = Naming {
        names,
        writes: Vec::new(),
    };
    if let Some(view) = session.relations.view.clone() {
        named.add(changes::check(
            session,
            &instances.asked_since(first),
            &view,
            looking(definition),
        )?);
    }
    Ok(named)
}

fn looking(definition: &Definition) -> Running {
    Running {
        dialect: definition.dialect,
        phases: crate::session::Phases::default(),
        span: ast::Span::default(),
        only_bind: true,
    }
}

/// The signature of a definition, and what it names.
pub fn signature_of(session: &mut Session, definition: &Definition) -> Result<(String, Naming), Error> {
    let (callable, named) = checked(session, definition)?;
    Ok((signature(definition, callable.as_ref()), named))
}

/// `(a bigint, b = …) -> double`; a type that depends on the call is `any`.
pub fn signature(definition: &Definition, callable: Option<&Callable>) -> String {
    let rows = rows(definition, callable);
    let (result, params) = rows
        .split_last()
        .map_or(("", rows.as_slice()), |(last, rest)| (last[1].as_str(), rest));
    let shown = params.iter().map(|row| match row[2].as_str() {
        "" => format!("{} {}", row[0], row[1]),
        default => format!("{} {} = {default}", row[0], row[1]),
    });
    format!("({}) -> {result}", shown.collect::<Vec<_>>().join(", "))
}

/// A row for each parameter and one for the result.
pub fn described(session: &mut Session, definition: &Definition) -> Result<Vec<Vec<String>>, Error> {
    let kept: Known = session.relations.routines.known.clone();
    let model = models::described(session, definition);
    let rows = match model {
        Some(rows) => Ok(rows),
        None => checked(session, definition).map(|checked| rows(definition, checked.0.as_ref())),
    };
    session.relations.routines.known = kept;
    let mut rows = rows?;
    let said = Spec::described(&definition.routine).into_iter();
    rows.extend(said.map(|[name, value]| vec![name, value, String::new()]));
    let rights = definition.routine.rights;
    rows.extend(rights.map(|rights| vec!["security".to_owned(), rights.name().to_owned(), String::new()]));
    Ok(rows)
}

pub fn rows(definition: &Definition, callable: Option<&Callable>) -> Vec<Vec<String>> {
    let params = definition.routine.params.iter().enumerate().map(|(at, param)| {
        let ty = callable
            .and_then(|callable| callable.params.get(at)?.clone())
            .or_else(|| param.ty.as_ref().map(ToString::to_string));
        let default = param.default.as_ref().map(|value| {
            let statement = ast::Statement {
                kind: ast::StatementKind::Eval(Box::new(value.clone())),
                span: value.span,
            };
            let text = gobi_grammar::print(std::slice::from_ref(&statement), definition.dialect);
            text.trim_end().trim_end_matches(';').to_owned()
        });
        vec![
            param.name.text.clone(),
            ty.unwrap_or_else(|| "any".into()),
            default.unwrap_or_default(),
        ]
    });
    let result = callable.and_then(|callable| callable.result.as_ref());
    let result = match (result, &definition.routine.returns) {
        (Some(result), _) => result.clone(),
        (None, ast::Returns::Type(ty)) => ty.to_string(),
        (None, ast::Returns::Void) => "void".to_owned(),
        (None, ast::Returns::Rows(_)) => "relation".to_owned(),
        (None, ast::Returns::Inferred) => "any".to_owned(),
    };
    params
        .chain([vec!["returns".to_owned(), result, String::new()]])
        .collect()
}

/// What a definition may ask for and the engine does not do yet.
pub fn refuse(session: &mut Session, routine: &ast::Routine, running: Running) -> Result<(), Error> {
    session.relations.refresh_routines();
    let known = &session.relations.routines.known;
    let read = Definition::of_routine("", routine.clone(), running.dialect, &|name| known.is_type(name));
    let generics = read.routine.type_params.iter();
    // They stand for any type here.
    let any = generics.map(|generic| (generic.text.to_lowercase(), LogicalType::Null));
    let types = session.relations.types().with(any.collect());
    if let Some(receiver) = &read.routine.receiver {
        bind_type(receiver, running.dialect, &types).map_err(Error::all)?;
    }
    if routine.rights.is_some() && routine.form == ast::RoutineForm::Local {
        let span = routine.name.first().map_or(running.span, |name| name.span);
        let message = "only what the database keeps has rights of its own: `security` stands in UPSERT and CREATE";
        return Err(Error::new(Diagnostic::new("42601", span, message)));
    }
    let mut seen: Vec<&str> = Vec::new();
    for param in &routine.params {
        if seen.iter().any(|name| name.eq_ignore_ascii_case(&param.name.text)) {
            let message = format!("parameter `{}` is there twice", param.name.text);
            return Err(Error::new(Diagnostic::new("42601", param.name.span, message)));
        }
        seen.push(&param.name.text);
        if let Some(ty) = &param.ty {
            bind_type(ty, running.dialect, &types).map_err(Error::all)?;
        }
    }
    Ok(())
}
