//! BEGIN, COMMIT, ROLLBACK, savepoints; and the frame in which statements change the database.
//!
//! `INSERT INTO t VALUES (1)` outside a transaction is committed when it has ended; inside one it is seen by the statements that
//! follow it, and by nobody else.
//!
//! Invariants: a statement that fails changes nothing, and makes its transaction one that can only be rolled back.
//!
//! Does not: change rows itself.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{ObjectKind, Rollback, RoutineForm, Span, StatementKind as K};

use super::change::{self, Running};
use super::databases::Which;
use super::define;
use super::isolation::Isolation;
use super::routines::models::audited;
use super::routines::{Macros, Values, settled};
use super::store::{Done, View, store_error};
use super::transaction::Message;
use super::triggers::{self, within};
use super::{Error, Session, StatementResult, load, routines, target, timeline, types};

/// Runs a statement about transactions; `None` for any other one.
pub fn run(session: &mut Session, kind: &K, span: Span) -> Option<Result<StatementResult, Error>> {
    if session.store.is_none() && session.databases.attached.is_empty() {
        let about = matches!(
            kind,
            K::Begin(_) | K::Commit(_) | K::Rollback(_) | K::Savepoint(_) | K::Release(_)
        );
        return about.then(|| Err(no_database(kind, span)));
    }
    let done = match kind {
        K::Begin(begin) => session.begin(
            begin.read_only == Some(true),
            begin.isolation.map(Isolation::from),
            span,
        ),
        K::Commit(commit) => session.commit(
            commit
                .message
                .as_deref()
                .map_or(Message::Kind("COMMIT"), Message::Quoted),
            span,
        ),
        K::Rollback(Rollback::Transaction) => session.rollback(span),
        K::Rollback(Rollback::Savepoint(name)) => session.end_savepoint(name, true),
        K::Savepoint(name) => session.savepoint(name),
        K::Release(name) => session.end_savepoint(name, false),
        _ => return None,
    };
    Some(done.map(|()| StatementResult::Done))
}

pub fn no_database(kind: &K, span: Span) -> Error {
    without_database(&kind.name(), span)
}

/// What needs a database has none.
pub fn without_database(what: &str, span: Span) -> Error {
    let message = format!("{what} without a database is not supported yet");
    let help = "name the folder of a database, or a new one, with `-d`";
    Error::new(Diagnostic::new("0A000", span, message).with_help(help))
}

/// Whether a statement changes the database.
pub fn changes(kind: &K) -> bool {
    match kind {
        K::CreateTable(_) | K::CreateView(_) | K::CreateSchema(_) | K::CreateIndex(_) | K::AlterTable(_) => true,
        K::Insert(_) | K::Upsert(_) | K::Update(_) | K::Delete(_) | K::Merge(_) => true,
        K::CopyFrom(_) | K::Truncate(_) => true,
        K::CreateWatermark(_) | K::AdvanceWatermark(_) => true,
        K::MergeBranch(_) | K::Rollback(Rollback::To(_)) => true,
        K::UpsertTrigger(_) | K::CreateTrigger(_) | K::ToggleTrigger(_) => true,
        K::DefineType(_) | K::DefineException(_) | K::AlterType(_) => true,
        K::Drop(drop) => define::drop::is_ours(drop),
        K::Routine(routine) => routine.form != RoutineForm::Local,
        K::Module(_) => true,
        _ => false,
    }
}

/// Whether a statement takes a key that is there for a row to be changed, not for an error.
pub fn upserts(kind: &K) -> bool {
    match kind {
        K::Insert(insert) => insert.on_conflict.is_some(),
        K::Upsert(_) | K::Merge(_) => true,
        _ => false,
    }
}

/// Runs a statement that changes the database.
pub fn change(session: &mut Session, kind: &K, running: Running) -> Result<StatementResult, Error> {
    let target = target::of(session, kind, running.span)?;
    if session.store_of(target.which).is_none() && target.which == Which::Own {
        return Err(no_database(kind, running.span));
    }
    let kind = target.kind.as_ref().unwrap_or(kind);
    let home = target::names_are_its_own(kind);
    framed_in(
        session,
        (target.which, home),
        &kind.name(),
        running.span,
        &mut |session, view| changed(session, kind, view, running),
    )
}

/// Runs what changes a view of the session's own database.
pub fn framed<T>(
    session: &mut Session,
    message: &str,
    span: Span,
    work: &mut dyn FnMut(&mut Session, &mut View) -> Result<T, Error>,
) -> Result<T, Error> {
    framed_in(session, (Which::Own, false), message, span, work)
}

/// Runs what changes a view of a database, perhaps with all names being that database's own; what it has changed becomes part
/// of the transaction, or a commit of its own.
pub fn framed_in<T>(
    session: &mut Session,
    (which, home): (Which, bool),
    message: &str,
    span: Span,
    work: &mut dyn FnMut(&mut Session, &mut View) -> Result<T, Error>,
) -> Result<T, Error> {
    if session.within.is_some() {
        return within::framed(session, which, span, work);
    }
    loop {
        let mut view = session.writing(which, span)?;
        match which {
            Which::Own => {
                session.relations.view = Some(view.clone());
                session.relations.others = session.databases.seen(span);
            }
            Which::Other(_) => session.refresh_view(span)?,
        }
        session.relations.writes(which, &view, home);
        let done = work(session, &mut view);
        let done = done.and_then(|result| Ok((result, session.written(which, view, message, span)?)));
        match done {
            Ok((result, Done::Finished)) => return Ok(result),
            Ok((_, Done::Again)) => {}
            Err(error) => {
                session.failed();
                return Err(error);
            }
        }
    }
}

/// Whether a statement may make something that has a number.
fn makes(kind: &K) -> bool {
    matches!(
        kind,
        K::CreateTable(_)
            | K::CreateView(_)
            | K::CreateSchema(_)
            | K::CreateIndex(_)
            | K::CreateWatermark(_)
            | K::Routine(_)
            | K::Module(_)
            | K::UpsertTrigger(_)
            | K::CreateTrigger(_)
            | K::DefineType(_)
            | K::DefineException(_)
    )
}

/// Whether a statement keeps a text, which has to mean the same to every session: it has no macros, and no variables.
fn keeps_text(kind: &K) -> bool {
    match kind {
        K::CreateTable(create) => create.query.is_none(),
        K::AlterTable(_) | K::AlterType(_) => true,
        kind => makes(kind),
    }
}

/// Whether a statement may put something else in the place of what others name.
fn redefines(kind: &K) -> bool {
    match kind {
        K::CreateTable(create) => create.or_replace,
        K::CreateView(create) => create.or_replace,
        // A column more is one that a body may not expect.
        K::Routine(_) | K::Module(_) | K::AlterTable(_) => true,
        // What it takes away may be called by what is no object of its own: an expression of a table.
        K::Drop(drop) => matches!(
            drop.kind,
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Module
        ),
        _ => false,
    }
}

fn changed(session: &mut Session, kind: &K, view: &mut View, running: Running) -> Result<StatementResult, Error> {
    let may_break_audits = audited::may_break(view, kind);
    if !redefines(kind) && !may_break_audits {
        return changed_alone(session, kind, view, running);
    }
    let before = view.clone();
    let done = changed_alone(session, kind, view, running)?;
    if may_break_audits {
        audited::settle(session, (&before, view), kind, running)?;
    }
    if !redefines(kind) {
        return Ok(done);
    }
    if !session.in_transaction() {
        settled::check(session, &before, view, running)?;
    }
    settled::refresh(session, &before, view, running);
    Ok(done)
}

fn changed_alone(session: &mut Session, kind: &K, view: &mut View, running: Running) -> Result<StatementResult, Error> {
    if !keeps_text(kind) {
        return change_in(session, kind, view, running);
    }
    let routines = &mut session.relations.routines;
    let macros = routines.known.swap_macros(Macros::default());
    let variables = routines.stand_in(Some(Values::new()));
    let done = match hides_functions(kind) {
        true => routines::without_own(session, |session| change_in(session, kind, view, running)),
        false => change_in(session, kind, view, running),
    };
    let routines = &mut session.relations.routines;
    routines.stand_in(variables);
    routines.known.swap_macros(macros);
    done
}

/// Whether a statement keeps expressions or queries of everybody's. Those of functions, modules and triggers see to that themselves.
fn hides_functions(kind: &K) -> bool {
    match kind {
        K::CreateTable(create) => !create.temporary,
        K::CreateView(create) => !create.temporary,
        K::AlterTable(_) => true,
        _ => false,
    }
}

fn change_in(session: &mut Session, kind: &K, view: &mut View, running: Running) -> Result<StatementResult, Error> {
    if makes(kind) {
        let next = view.database.next_entity();
        let next = next.map_err(|error| store_error(&error, running.span))?;
        view.changes.catalog.reserve(next);
    }
    match kind {
        K::CreateTable(create) => {
            let Some(def) = define::create_table(session, create, view, running.dialect)? else {
                return Ok(StatementResult::Done);
            };
            let Some(query) = &create.query else {
                return Ok(StatementResult::Done);
            };
            let (id, _) = change::target(view, &create.name)?;
            let rows = change::fill(session, query, (id, &def), view, running)?;
            return Ok(StatementResult::RowsAffected(rows));
        }
        K::CopyFrom(copy) => return load::run(session, copy, view, running),
        K::Drop(drop) => define::drop::run(session, drop, view, running)?,
        K::CreateView(create) => define::views::create(session, create, view, running.dialect)?,
        K::AlterTable(alter) => define::alter::run(session, alter, view, running)?,
        K::CreateIndex(create) => define::indexes::create(session, create, view, running)?,
        K::DefineType(define) => types::create(session, define, (view, None), running)?,
        K::DefineException(exception) => types::exceptions::create(exception, view)?,
        K::AlterType(alter) => types::alter(session, alter, view, running)?,
        K::CreateSchema(create) => define::schemas::create(create, view)?,
        K::Routine(routine) => routines::store(session, routine, view, running)?,
        K::Module(module) => routines::store_module(session, module, view, running)?,
        K::UpsertTrigger(upsert) => triggers::define::upsert(session, upsert, view, running)?,
        K::CreateTrigger(create) => triggers::define::create(session, create, view, running)?,
        K::ToggleTrigger(toggle) => triggers::define::toggle(toggle, view)?,
        K::CreateWatermark(create) => timeline::watermarks::create(session, create, view, running)?,
        K::AdvanceWatermark(name) => timeline::watermarks::advance(name, view)?,
        K::Truncate(tables) => change::truncate(tables, view, running.span)?,
        other => return change::run(session, other, view, running).map(change::Done::result),
    }
    Ok(StatementResult::Done)
}
