//! Changes of data in a body, looked at for errors before the body is kept.
//!
//! `upsert procedure p() { update t set prize = 1 }` fails where `t` has a column `price`.
//!
//! Invariants: nothing is changed. A body that makes or alters tables may change what is not there yet, so it is left alone.
//!
//! Does not: look at queries; the check of the body has bound them.

use gobi_grammar::ast::StatementKind as K;

use super::Running;
use crate::procedure::{Question, QuestionKind};
use crate::session::store::View;
use crate::session::{Error, Session, change};
use crate::types::Value;

/// Binds the changes among what a body asks, with NULLs for its variables.
pub fn check(session: &mut Session, questions: &[Question], view: &View, running: Running) -> Result<(), Error> {
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
        return Ok(());
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
        session.relations.routines.inside = outer;
        bound?;
    }
    Ok(())
}
