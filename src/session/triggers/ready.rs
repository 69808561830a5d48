//! A trigger, checked and compiled for the columns of a table.
//!
//! The body of `set_total` for `orders` is a kernel with the inputs `price` and `amount` and the output `total`; it is made once, and made
//! again when the procedure, the table, or anything else that the body names has changed.
//!
//! Invariants: what is run was checked against the definitions that the statement sees.
//!
//! Does not: run it.

use std::sync::Arc;

use gobi_grammar::ast::{self, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::dependants::concerned;
use crate::catalog::{Entity, EntityId, Source, Timing, TriggerDef};
use crate::compile::routine::compile_rows;
use crate::exec::routine::BodyTypes;
use crate::exec::{JitMode, RowBody};
use crate::procedure::{
    CheckedTrigger, Definition, Instances, Question, QuestionKind, RowOutput, TriggerOf, check_trigger,
};
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::routines::{Naming, Routines, Slots, question_types, stored_definition};
use crate::session::settings::parse_dialect;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, change, define, routines, statement, types};
use crate::types::{Field, LogicalType};

/// What the rows before a statement are called in a trigger after it.
pub const OLD_ROWS: &str = "old_rows";
/// What the rows after it are called.
pub const NEW_ROWS: &str = "new_rows";

/// What the rows of a statement are called in the body of a trigger: those before it, and those after it.
pub fn names_of_rows(def: &TriggerDef) -> [&str; 2] {
    [
        def.old_rows.as_deref().unwrap_or(OLD_ROWS),
        def.new_rows.as_deref().unwrap_or(NEW_ROWS),
    ]
}

/// A trigger that can be run.
#[derive(Debug)]
pub struct Ready {
    /// Its number.
    pub id: EntityId,
    /// Its definition.
    pub def: TriggerDef,
    /// What was checked.
    pub trigger: CheckedTrigger,
    /// Its code.
    pub body: RowBody,
    /// Plans of what it asks.
    pub slots: Slots,
    /// It asks for something, if only for rows to be added.
    pub asks: bool,
    /// It reads nothing, and changes nothing but by adding rows, which may as well come after each batch.
    pub only_adds: bool,
    /// It reads the rows before, and after the change as relations.
    pub reads_rows: bool,
    needs: Vec<(EntityId, Arc<Entity>)>,
    named: Naming,
    jit: JitMode,
}

/// What a trigger fires for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table or view.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Field>,
}

impl Target {
    /// A table or view of the catalog.
    pub fn of(view: &View, id: EntityId) -> Option<Self> {
        let entry = view.catalog().get(id)?;
        let columns = match &*entry.entity {
            Entity::Table(def) => def.fields(),
            Entity::View(def) => def.columns.clone(),
            _ => return None,
        };
        Some(Self {
            id,
            name: entry.entity.name().to_owned(),
            columns,
        })
    }
}

/// The triggers of a table that are enabled, in the order in which they fire.
pub fn of_table(
    session: &mut Session,
    view: &View,
    target: &Target,
    running: Running,
) -> Result<Vec<Arc<Ready>>, Error> {
    let enabled = view.catalog().triggers_of(target.id).filter(|(_, def)| !def.disabled);
    let mut all: Vec<(EntityId, TriggerDef)> = enabled.map(|(id, def)| (id, def.clone())).collect();
    all.sort_by_cached_key(|(_, def)| (def.order, def.name.to_lowercase()));
    all.into_iter()
        .map(|(id, def)| ready(session, view, (id, def), target, running))
        .collect()
}

/// Checks the triggers of a table, and those that call a procedure, against what the view has now.
pub fn check_all(
    session: &mut Session,
    view: &mut View,
    changed: EntityId,
    what: &str,
    running: Running,
) -> Result<(), Error> {
    for (id, def) in concerned(view, changed) {
        check(session, view, (id, &def), running).map_err(|error| {
            let first = error.diagnostics.first();
            let why = first.map_or("", |first| first.message.as_str());
            let place = first.map(|first| first.span().start);
            let sources = &session.relations.routines.sources;
            let line = place.and_then(|place| sources.line_text(place));
            let line = line.map_or(String::new(), |(name, line, _)| format!(" (line {line} of `{name}`)"));
            let message = format!("{what} is needed by trigger `{}`{line}: {why}", def.name);
            let help = format!("change what it calls first, or drop it: `DROP TRIGGER {}`", def.name);
            Error::new(Diagnostic::new("2BP01", running.span, message).with_help(help))
        })?;
    }
    Ok(())
}

/// Drops the triggers of those that do not check any more.
pub fn drop_broken(session: &mut Session, view: &mut View, changed: EntityId, running: Running) -> Result<(), Error> {
    for (id, def) in concerned(view, changed) {
        if check(session, view, (id, &def), running).is_err() {
            let gone = view.changes.catalog.drop(id, true);
            gone.map_err(|error| Error::new(Diagnostic::new(error.code(), running.span, error.to_string())))?;
        }
    }
    Ok(())
}

/// Checks a trigger for all its targets, and notes what its body names.
pub fn check(
    session: &mut Session,
    view: &mut View,
    (id, def): (EntityId, &TriggerDef),
    running: Running,
) -> Result<(), Error> {
    let mut named = Naming::default();
    for target in &def.targets {
        if let Some(target) = Target::of(view, *target) {
            let ready = ready(session, view, (id, def.clone()), &target, running)?;
            named.add(ready.named.clone());
        }
    }
    let mut words = std::collections::HashSet::new();
    routines::each_of(session, def.call, &mut |_, definition| {
        if def.calls(&definition.name) {
            words.extend(definition.words().iter().cloned());
        }
    });
    named.settle(view.catalog(), |id| def.targets.contains(&id) || id == def.call, &words);
    let Naming { names, writes } = named;
    if names != def.names || writes != def.writes {
        let def = TriggerDef {
            names,
            writes,
            ..def.clone()
        };
        // Its name stays, so nothing else has it.
        drop(view.changes.catalog.replace(id, Entity::Trigger(def)));
    }
    Ok(())
}

/// Checks a trigger for one of its targets, whatever is known of it.
pub fn look(
    session: &mut Session,
    view: &View,
    (id, def): (EntityId, &TriggerDef),
    target: EntityId,
    running: Running,
) -> Result<(), Error> {
    let Some(target) = Target::of(view, target) else {
        return Ok(());
    };
    let given = session.relations.given.len();
    let made = make(session, view, (id, def.clone()), &target, running);
    session.relations.given.truncate(given);
    made.map(drop)
}

fn ready(
    session: &mut Session,
    view: &View,
    (id, def): (EntityId, TriggerDef),
    target: &Target,
    running: Running,
) -> Result<Arc<Ready>, Error> {
    let key = (id, target.id);
    let jit = session.settings.jit;
    if let Some(known) = session.triggers.ready.get(&key)
        && known.def == def
        && known.jit == jit
        && known.needs.iter().all(|(id, entity)| is_same(view, *id, entity))
    {
        return Ok(Arc::clone(known));
    }
    let seen = session.relations.view.replace(view.clone());
    let given = session.relations.given.len();
    let made = Routines::now(session, |session| make(session, view, (id, def), target, running));
    session.relations.given.truncate(given);
    session.relations.view = seen;
    let made = Arc::new(made?);
    session.triggers.ready.insert(key, Arc::clone(&made));
    Ok(made)
}

fn is_same(view: &View, id: EntityId, entity: &Arc<Entity>) -> bool {
    let now = view.catalog().get(id).map(|entry| &entry.entity);
    now.is_some_and(|now| Arc::ptr_eq(now, entity) || now == entity)
}

fn make(
    session: &mut Session,
    view: &View,
    (id, def): (EntityId, TriggerDef),
    target: &Target,
    running: Running,
) -> Result<Ready, Error> {
    let (definition, mut instances) = callee(session, view, &def, running.span)?;
    let when = def
        .when
        .as_ref()
        .map(|when| read(session, &def.name, when, running.span))
        .transpose()?;
    let args = arguments(session, &def, running.span)?;
    if !def.each_row && def.timing == Timing::After {
        for name in names_of_rows(&def) {
            let none = change::foreign::relation_of_fields(view, &target.columns, &[]);
            let none = none.map_err(|error| store_error(&error, running.span))?;
            session.relations.given.push((name.to_owned(), none));
        }
    }
    let of = TriggerOf {
        name: &def.name,
        table: &target.name,
        columns: if def.each_row { &target.columns } else { &[] },
        before: def.timing == Timing::Before,
        when: when.as_ref().map(|(when, dialect)| (when, *dialect)),
        args: &args,
        span: running.span,
    };
    let mut tables = StatementTables::new(&mut session.relations);
    let trigger = check_trigger(&definition, &of, &mut instances, &mut tables).map_err(Error::all)?;
    let names = tables.named();
    refuse_spawn(&instances.asked())?;
    let called = instances.called();
    let columns = of.columns.iter().map(|column| column.name.clone());
    session.relations.routines.rows = columns.collect();
    let changes = routines::changes::check(session, &instances.asked(), view, running);
    session.relations.routines.rows.clear();
    let mut named = changes?;
    named.names.extend(names);
    let body = code(session, &trigger, target, running.span)?;
    let types = session.relations.types();
    for called in called {
        named.names.extend(routines::entries_of(Some(view), &types, &called));
    }
    let words = definition.words();
    named.names.extend(types::named_in(view.catalog(), words));
    let needed = named.names.iter().chain(&named.writes).copied();
    let needs = needed.chain([def.call, target.id]);
    let needs = needs.filter_map(|id| Some((id, Arc::clone(&view.catalog().get(id)?.entity))));
    let asked = instances.asked();
    let adds = |kind: &QuestionKind| matches!(kind, QuestionKind::Rows { .. });
    Ok(Ready {
        id,
        asks: !asked.is_empty(),
        only_adds: asked.iter().all(|question| adds(&question.kind)),
        reads_rows: names_of_rows(&def)
            .iter()
            .any(|name| words.contains(&name.to_lowercase())),
        def,
        slots: Slots::of_body(&trigger.checked),
        trigger,
        body,
        needs: needs.collect(),
        named,
        jit: session.settings.jit,
    })
}

/// A call that runs by itself would not be a part of the statement that fires the trigger.
fn refuse_spawn(asked: &[Question]) -> Result<(), Error> {
    let spawned = asked.iter().find_map(|question| match &question.kind {
        QuestionKind::Spawn(call) => Some(call.span),
        _ => None,
    });
    match spawned {
        Some(span) => Err(define::unsupported("`spawn` in a trigger", span)
            .with_help("call it without `spawn`, or put what is to be done into a table")),
        None => Ok(()),
    }
}

/// What the procedure is called with.
fn arguments(session: &mut Session, def: &TriggerDef, span: Span) -> Result<Vec<ast::Argument>, Error> {
    let mut args = Vec::with_capacity(def.args.len());
    for (name, source) in &def.args {
        let name = (!name.is_empty()).then(|| ast::Ident {
            text: name.clone(),
            quoted: true,
            span,
        });
        let (value, _) = read(session, &def.name, source, span)?;
        args.push(ast::Argument { name, value });
    }
    Ok(args)
}

/// The code of a body over rows.
fn code(session: &mut Session, trigger: &CheckedTrigger, target: &Target, span: Span) -> Result<RowBody, Error> {
    let options = statement::options_inside(session);
    let types = BodyTypes {
        params: trigger.inputs.iter().map(|input| input.ty(&target.columns)).collect(),
        result: None,
        questions: trigger.checked.questions.iter().map(question_types).collect(),
        loops: true,
    };
    let outputs = trigger.outputs.iter().map(|output| match output {
        RowOutput::State => LogicalType::BigInt,
        RowOutput::New(at) => target
            .columns
            .get(*at)
            .map_or(LogicalType::Null, |field| field.ty.clone()),
    });
    let code = compile_rows(&trigger.checked.program, trigger.checked.body, &trigger.shape, false);
    let body = session.engine.prepare_rows(code, types, outputs.collect(), &options);
    body.map_err(|error| Error::from_exec(error, span))
}

/// The procedure, and what it can call: what the database has, and nothing of the session's.
fn callee(
    session: &mut Session,
    view: &View,
    def: &TriggerDef,
    span: Span,
) -> Result<(Arc<Definition>, Instances), Error> {
    let found = view.catalog().get(def.call);
    let (Some(Entity::Routine(_)), Some(name)) = (found.map(|entry| &*entry.entity), def.callee(view.catalog())) else {
        let message = format!("the procedure of the trigger `{}` is gone", def.name);
        return Err(Error::new(Diagnostic::new("42883", span, message)));
    };
    stored_definition(session, name).ok_or_else(|| match &def.member {
        Some(member) => {
            let message = format!("the procedure `{member}` of the trigger `{}` is gone", def.name);
            Error::new(Diagnostic::new("42883", span, message))
        }
        None => {
            let message = format!("the text of `{name}` cannot be read");
            Error::new(Diagnostic::new("XX001", span, message))
        }
    })
}

/// A kept expression; errors in it name the trigger.
fn read(session: &mut Session, trigger: &str, source: &Source, span: Span) -> Result<(ast::Expr, Dialect), Error> {
    let damaged = || {
        let message = format!(
            "the expression `{}` of the trigger `{trigger}` cannot be read",
            source.text
        );
        Error::new(Diagnostic::new("XX001", span, message))
    };
    let dialect = parse_dialect(&source.dialect).ok_or_else(damaged)?;
    let text = format!("SELECT {}", source.text);
    let origin = session.relations.routines.sources.add(trigger, &text, None);
    let parsed = gobi_grammar::parse_at(&text, dialect, origin);
    let statement = parsed
        .statements
        .into_iter()
        .next()
        .filter(|_| parsed.diagnostics.is_empty());
    let expr = statement.and_then(change::shape::expression).ok_or_else(damaged)?;
    Ok((expr, dialect))
}
