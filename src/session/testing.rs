//! The TEST blocks of a script: what `gobi test` runs.
//!
//! `test sums { assert add(1, 2) = 3, 'three' }` is checked wherever it stands, and run where tests are asked for; what it changes is
//! undone.
//!
//! Invariants: a test sees what the statements before it have made, and nothing of other tests; a test that fails does not keep the others
//! from running.
//!
//! Does not: choose the branch; who asks for tests does.

use std::collections::HashSet;

use gobi_grammar::ast::{self, Ident, Literal, MaintainTask, ObjectKind, Span, StatementKind as K, Test};
use gobi_grammar::{Diagnostic, Dialect};

use super::change::Running;
use super::{Error, Session, StatementResult, routines};

/// What came of a test.
#[derive(Debug)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// Why it failed, if it did.
    pub error: Option<Error>,
}

impl Session {
    /// Runs a script and its tests; an error outside of them ends it.
    pub fn test(&mut self, script: &str) -> (Vec<TestOutcome>, Result<(), Error>) {
        let outer = self.testing.replace(Vec::new());
        let mut ended = Ok(());
        for result in self.execute(script) {
            let shown = match result {
                Ok(StatementResult::Rows(mut stream)) => stream.try_for_each(|batch| batch.map(drop)),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = shown {
                ended = Err(error);
                break;
            }
        }
        let outcomes = std::mem::replace(&mut self.testing, outer);
        (outcomes.unwrap_or_default(), ended)
    }

    /// From here on, statements that reach beyond the branch that the session is on are refused.
    pub fn confine(&mut self) {
        self.confined = true;
    }
}

/// An error for a statement about branches, snapshots or all history, of a session that is to leave nothing behind.
pub fn refuse_beyond_branch(session: &Session, kind: &K, span: Span) -> Result<(), Error> {
    let is_beyond = match kind {
        K::CreateSnapshot(_) | K::CreateBranch(_) | K::UseBranch(_) | K::MergeBranch(_) => true,
        K::Drop(drop) => matches!(drop.kind, ObjectKind::Snapshot | ObjectKind::Branch),
        K::Maintain(maintain) => maintain.task == MaintainTask::Vacuum,
        _ => false,
    };
    if !session.confined || !is_beyond {
        return Ok(());
    }
    let message = format!("{} in a script that is tested is not supported", kind.name());
    let help = "`gobi test` runs the script on a branch that is thrown away, and this reaches beyond it; without `-d` the database is in memory, and everything goes";
    Err(Error::new(Diagnostic::new("0A000", span, message).with_help(help)))
}

/// Errors for the tests of a script that have the name of one before them.
pub fn repeated(statements: &[(ast::Statement, Dialect)]) -> Vec<Diagnostic> {
    let tests = statements.iter().filter_map(|(statement, _)| match &statement.kind {
        K::Test(test) => Some(test),
        _ => None,
    });
    let mut names = HashSet::new();
    let again = tests.filter(|test| !names.insert(&test.name.text));
    again.map(|test| named_again(test)).collect()
}

fn named_again(test: &Test) -> Diagnostic {
    let message = format!("there is a test `{}` already", test.name.text);
    Diagnostic::new("42710", test.name.span, message).with_help("give each a name of its own")
}

/// TEST: looked at, and run if somebody wants to know.
pub fn run(session: &mut Session, test: &Test, running: Running) -> Result<StatementResult, Error> {
    let body = body_of(test, running);
    let same = |outcome: &TestOutcome| outcome.name == test.name.text;
    if session.testing.iter().flatten().any(same) {
        return Err(Error::new(named_again(test)));
    }
    let variables = session.relations.routines.saved();
    if session.testing.is_none() {
        let looked = routines::look_at_body(session, &body, running);
        session.relations.routines.restore(variables);
        return looked.map(|_| StatementResult::Done);
    }
    let result = undone(session, running, &mut |session| {
        routines::run_body(session, &body, running)
    });
    session.relations.routines.restore(variables);
    session.pending.clear();
    let sources = &session.relations.routines.sources;
    let error = result.err().map(|error| error.resolved(sources, running.span));
    let name = test.name.text.clone();
    session
        .testing
        .get_or_insert_default()
        .push(TestOutcome { name, error });
    Ok(StatementResult::Done)
}

/// Does something, and undoes what it has changed.
fn undone(
    session: &mut Session,
    running: Running,
    work: &mut dyn FnMut(&mut Session) -> Result<StatementResult, Error>,
) -> Result<(), Error> {
    let before = Ident {
        text: "\0test".to_owned(),
        quoted: true,
        span: running.span,
    };
    let inside = session.in_transaction();
    match (session.store.is_some(), inside) {
        (false, _) => return work(session).map(drop),
        (true, true) => session.savepoint(&before)?,
        (true, false) => session.begin(false, None, running.span)?,
    }
    let done = work(session).map(drop);
    let undone = match inside {
        true => session
            .end_savepoint(&before, true)
            .and_then(|()| session.end_savepoint(&before, false)),
        false => session.rollback(running.span),
    };
    done.and(undone)
}

/// The block as a statement.
pub fn body_of(test: &Test, running: Running) -> ast::Statement {
    let always = ast::Expr {
        kind: ast::ExprKind::Literal(Literal::Boolean(true)),
        span: running.span,
    };
    ast::Statement {
        kind: K::If(ast::If {
            arms: vec![(always, test.body.clone())],
            otherwise: None,
        }),
        span: running.span,
    }
}
