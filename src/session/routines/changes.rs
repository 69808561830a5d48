//! Changes of data in a body, looked at for errors before the body is kept.
//!
//! `upsert procedure p() { update t set prize = 1 }` fails where `t` has a column `price`, and `{ call bill('x') }` where `bill` takes a number.
//!
//! Invariants: nothing is changed. A body that makes or alters tables may change what is not there yet, so it is left alone.
//!
//! Does not: look at queries; the check of the body has bound them.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::StatementKind as K;

use super::{Naming, Running, called};
use crate::catalog::EntityId;
use crate::procedure::{Question, QuestionKind};
use crate::session::databases::Which;
use crate::session::store::View;
use crate::session::{Error, Session, change, target};
use crate::types::Value;

/// Binds the changes among what a body asks, with NULLs for its variables; what they name, and write.
pub fn check(session: &mut Session, questions: &[Question], view: &View, running: Running) -> Result<Naming, Error> {
    let outer = session.relations.naming.replace(Naming::default());
    // What is checked may call itself, and is not in the database yet.
    let routines = &mut session.relations.routines;
    let pinned = routines.pinned.clone();
    routines.pinned.get_or_insert_with(|| routines.known.clone());
    let checked = look(session, questions, view, running);
    session.relations.routines.pinned = pinned;
    let mut named = std::mem::replace(&mut session.relations.naming, outer).unwrap_or_default();
    named.writes.extend(added_to(questions, view));
    checked.map(|()| named)
}

/// What is wrong with a body, and with the changes that it would ask for, in the order of the text.
pub fn beside(session: &mut Session, mut errors: Vec<Diagnostic>, unasked: &[Question], running: Running) -> Error {
    if let (false, Some(view)) = (unasked.is_empty(), session.relations.view.clone())
        && let Err(further) = check(session, unasked, &view, running)
    {
        errors.extend(further.diagnostics);
        errors.sort_by_key(|error| (error.span().start, error.span().end));
        errors.dedup();
    }
    Error::all(errors)
}

/// The tables that rows are collected for.
fn added_to(questions: &[Question], view: &View) -> Vec<EntityId> {
    let tables = questions.iter().filter_map(|question| match &question.kind {
        QuestionKind::Rows { table, .. } => change::target(view, table).ok(),
        _ => None,
    });
    tables.map(|(id, _)| id).collect()
}

fn look(session: &mut Session, questions: &[Question], view: &View, running: Running) -> Result<(), Error> {
    let written = &mut session.relations.written;
    written.iter_mut().for_each(|written| written.variables_of(questions));
    let changes = questions.iter().filter_map(|question| match &question.kind {
        QuestionKind::Run(statement) => Some((question, statement)),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    let is_of_rows = |kind: &K| {
        matches!(
            kind,
            K::Insert(_) | K::Upsert(_) | K::Update(_) | K::Delete(_) | K::Merge(_)
        )
    };
    let all_there = changes
        .iter()
        .all(|(_, statement)| is_of_rows(&statement.kind) || matches!(statement.kind, K::CallRoutine(_)));
    let mut wrong: Result<(), Error> = Ok(());
    for (question, statement) in changes {
        let call = match &statement.kind {
            K::CallRoutine(call) => Some(call),
            kind if is_of_rows(kind) => None,
            _ => continue,
        };
        let given = question.given.iter();
        let given = given.map(|(name, ty)| (name.to_lowercase(), (ty.clone(), Value::Null)));
        let routines = &mut session.relations.routines;
        let outer = routines.inside.replace(given.collect());
        let outer_lifted = std::mem::replace(&mut routines.lifted, question.functions.clone());
        let running = Running {
            dialect: question.dialect,
            span: statement.span,
            only_bind: true,
            ..running
        };
        let bound = match call {
            Some(call) => called::look(session, call, view, running),
            None => bind(session, &statement.kind, view, running),
        };
        session.relations.routines.inside = outer;
        session.relations.routines.lifted = outer_lifted;
        if all_there {
            wrong = both(wrong, bound);
        }
    }
    wrong
}

/// What is wrong with two statements, each thing once.
fn both(one: Result<(), Error>, other: Result<(), Error>) -> Result<(), Error> {
    match (one, other) {
        (Err(mut one), Err(other)) => {
            let is_new = |error: &Diagnostic| !one.diagnostics.contains(error);
            let new: Vec<Diagnostic> = other.diagnostics.into_iter().filter(is_new).collect();
            one.diagnostics.extend(new);
            Err(one)
        }
        (one, other) => one.and(other),
    }
}

/// Binds a change of rows in the database that has the table.
fn bind(session: &mut Session, kind: &K, view: &View, running: Running) -> Result<(), Error> {
    let which = target::seen(session, kind);
    let view = match which {
        Which::Own => Some(view.clone()),
        Which::Other(_) => session.relations.view_of(which).cloned(),
    };
    // That of a folder of files is refused when it runs.
    let Some(mut view) = view else { return Ok(()) };
    let naming = session.relations.naming.as_ref();
    let writes = naming.map_or(0, |naming| naming.writes.len());
    let bound = change::run(session, kind, &mut view, running).map(drop);
    if let (Which::Other(_), Some(naming)) = (which, &mut session.relations.naming) {
        naming.writes.truncate(writes);
    }
    bound
}
