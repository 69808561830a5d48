//! Changes of data in a body, looked at for errors before the body is kept.
//!
//! `upsert procedure p() { update t set prize = 1 }` fails where `t` has a column `price`.
//!
//! Invariants: nothing is changed. A body that makes or alters tables may change what is not there yet, so it is left alone.
//!
//! Does not: look at queries; the check of the body has bound them.

use gobi_grammar::ast::{InsertSource, Query, StatementKind as K};

use super::Running;
use crate::catalog::EntityId;
use crate::plan;
use crate::procedure::{Question, QuestionKind};
use crate::session::relations::StatementTables;
use crate::session::store::View;
use crate::session::{Error, Session, change};
use crate::types::Value;

/// Binds the changes among what a body asks, with NULLs for its variables; the tables and views that they are about.
pub fn check(
    session: &mut Session,
    questions: &[Question],
    view: &View,
    running: Running,
) -> Result<Vec<EntityId>, Error> {
    let mut names = Vec::new();
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
    if !changes
        .iter()
        .all(|(_, statement)| is_of_rows(&statement.kind) || matches!(statement.kind, K::CallRoutine(_)))
    {
        return Ok(names);
    }
    for (question, statement) in changes.into_iter().filter(|(_, statement)| is_of_rows(&statement.kind)) {
        let given = question.given.iter();
        let given = given.map(|(name, ty)| (name.to_lowercase(), (ty.clone(), Value::Null)));
        let outer = session.relations.routines.inside.replace(given.collect());
        let mut view = view.clone();
        let running = Running {
            dialect: question.dialect,
            span: statement.span,
            only_bind: true,
            ..running
        };
        let bound = change::run(session, &statement.kind, &mut view, running);
        if bound.is_ok() {
            names.extend(named(session, &statement.kind, &view, running));
        }
        session.relations.routines.inside = outer;
        bound?;
    }
    Ok(names)
}

/// The table that a change is made to, and what the query of its rows names.
fn named(session: &mut Session, kind: &K, view: &View, running: Running) -> Vec<EntityId> {
    let (target, query) = match kind {
        K::Insert(insert) => (&insert.target, query_of(&insert.source)),
        K::Upsert(upsert) => (&upsert.target, query_of(&upsert.source)),
        K::Update(update) => (&update.target, None),
        K::Delete(delete) => (&delete.target, None),
        K::Merge(merge) => (&merge.target, None),
        _ => return Vec::new(),
    };
    let mut names: Vec<EntityId> = Vec::new();
    names.extend(change::target(view, &target.table).ok().map(|(id, _)| id));
    if let Some(query) = query {
        let mut tables = StatementTables::new(&mut session.relations);
        // What is wrong with it was said when the change was bound.
        if plan::bind(query, running.dialect, &mut tables).is_ok() {
            names.extend(tables.named());
        }
    }
    names
}

fn query_of(source: &InsertSource) -> Option<&Query> {
    match source {
        InsertSource::Query(query) => Some(query),
        _ => None,
    }
}
