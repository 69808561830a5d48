//! What `spawn` starts, and CALL of what is `as async`: calls that run at the same time, each in a session and a transaction of its own.
//!
//! `let a = spawn load('a'); let b = spawn load('b'); await a; await b` runs both at once. A future is a struct of the job's number and of
//! the type of its value; CALL shows the number, by which `await 1` waits in a statement of its own.
//!
//! Invariants: a call that was started ends before the session does; being asked to stop while waiting stops what is waited for.
//!
//! Does not: see what the transaction that spawned has not committed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ExprKind, Span, StatementKind as K};

use super::jobs::BegunBy;
use super::{Held, Running, body, models, unsupported};
use crate::plan::routine::Variable;
use crate::procedure::Definitions as _;
use crate::session::{Error, ResultStream, Session, StatementResult, statement};
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType, Value, cell};

/// The threads of the calls that a session has started.
#[derive(Debug, Default)]
pub struct Spawned(Vec<JoinHandle<()>>);

impl Spawned {
    /// Waits for them.
    pub fn join(&mut self) {
        for thread in self.0.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the thread of a job panicked");
            }
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.join();
    }
}

/// Starts a call whose value has this type; its number.
pub fn spawn(
    session: &mut Session,
    (call, ty): (&ast::Expr, LogicalType),
    given: Vec<(String, LogicalType, Value)>,
    running: Running,
) -> Result<i64, Error> {
    if session.within.is_some() {
        return Err(unsupported("`spawn` in a trigger", running.span));
    }
    let mut child = session.another();
    let held = given.into_iter().map(|(name, ty, value)| Held {
        variable: Variable {
            name,
            nullable: value == Value::Null,
            ty,
            full: false,
        },
        declared: true,
        value,
    });
    child.relations.routines.variables = held.collect();
    let shown = shown(session, call, running);
    let sources = &session.relations.routines.sources;
    let place = sources
        .resolve(Diagnostic::new("01000", call.span, ""), running.span)
        .span();
    let begun_by = BegunBy::of(session, place);
    let call = call.clone();
    let work = move |child: &mut Session| body::value_of(child, &call, running);
    start(session, child, (shown, ty), (running, begun_by), work)
}

/// Starts the run of a model, whose value is the row that CALL shows.
fn spawn_model(session: &mut Session, call: &ast::CallRoutine, running: Running) -> Result<i64, Error> {
    let mut child = session.another();
    child.relations.routines.variables = session.relations.routines.seen();
    let text = session
        .script
        .get(running.span.start as usize..running.span.end as usize);
    let shown = text
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let ty = models::row_type(session, call)?;
    let call = call.clone();
    let work = move |child: &mut Session| {
        child.refresh_view(running.span)?;
        let done = models::call(child, &call, running);
        let Some(StatementResult::Rows(stream)) = done.transpose()? else {
            return Ok(Value::Null);
        };
        let mut row = Value::Null;
        for batch in stream {
            let batch = batch?;
            let cells = batch.columns().iter().filter(|_| batch.num_rows() > 0);
            row = Value::Struct(cells.map(|column| cell::value(column, 0)).collect());
        }
        Ok(row)
    };
    let begun_by = BegunBy::of(session, running.span);
    start(session, child, (shown, ty), (running, begun_by), work)
}

/// Starts something in a session of its own; the number of the job.
fn start(
    session: &mut Session,
    mut child: Session,
    (shown, ty): (String, LogicalType),
    (running, begun_by): (Running, BegunBy),
    work: impl FnOnce(&mut Session) -> Result<Value, Error> + Send + 'static,
) -> Result<i64, Error> {
    let jobs = session.jobs();
    // What it waits for is told under its own name, not that of the statement that has started it.
    child.statement = shown.as_str().into();
    let number = jobs.begin(shown, ty, child.interrupt(), begun_by)?;
    let theirs = jobs.clone();
    let work = move || {
        let done = catch_unwind(AssertUnwindSafe(|| {
            statement::begins(&mut child, None);
            work(&mut child)
        }));
        let result = done.unwrap_or_else(|_| {
            let message = "a call that was spawned panicked";
            Err(Error::new(Diagnostic::new("XX000", running.span, message)))
        });
        // Its locks and its part of the database are given back before anybody knows that it has ended.
        drop(child);
        theirs.end(number, result);
    };
    let thread = std::thread::Builder::new().name("gobi-spawned".into()).spawn(work);
    let thread = thread.map_err(|error| {
        let message = format!("cannot start a thread: {error}");
        let error = Error::new(Diagnostic::new("53000", running.span, message));
        jobs.end(number, Err(error.clone()));
        error
    })?;
    session.spawned.0.retain(|thread| !thread.is_finished());
    session.spawned.0.push(thread);
    Ok(number)
}

/// The text of a call, in one line.
fn shown(session: &Session, call: &ast::Expr, running: Running) -> String {
    let text = session.script.get(call.span.start as usize..call.span.end as usize);
    let text = match text {
        // A call that CALL makes has the place of the whole statement.
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => {
            let kind = K::Eval(Box::new(call.clone()));
            let statement = ast::Statement { kind, span: call.span };
            gobi_grammar::print(std::slice::from_ref(&statement), running.dialect)
        }
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").trim_end_matches(';').to_owned()
}

/// Waits for a job; its value, or its error.
pub fn wait(session: &Session, number: i64, span: Span) -> Result<(LogicalType, Value), Error> {
    let stop = statement::options_inside(session).cancel;
    session.jobs().wait(number, &stop, span)
}

/// Whether CALL starts a job.
pub fn is_async(session: &mut Session, call: &ast::CallRoutine) -> bool {
    let [name] = call.name.as_slice() else { return false };
    session.relations.refresh_routines();
    let routines = &session.relations.routines;
    let definition = routines.pinned.as_ref().unwrap_or(&routines.known).find(&name.text);
    definition.is_some_and(|definition| definition.routine.mode == Some(ast::Mode::Async))
}

/// CALL of what is `as async`: its job is shown.
pub fn call(session: &mut Session, call: &ast::CallRoutine, running: Running) -> Result<StatementResult, Error> {
    let span = running.span;
    let number = if models::is_one(session, call) {
        if session.within.is_some() {
            return Err(unsupported("CALL of a model in a trigger", span));
        }
        spawn_model(session, call, running)?
    } else {
        let value = body::called(session, call, running)?;
        let kind = ExprKind::Spawn(Box::new(value));
        let future = body::taken(session, &ast::Expr { kind, span }, running)?;
        future.and_then(|(_, future)| number_of(&future)).unwrap_or_default()
    };
    let fields = vec![Field {
        name: "job".to_owned(),
        ty: LogicalType::BigInt,
        nullable: false,
    }];
    let column: ArrayRef = Arc::new(Int64Array::from(vec![number]));
    let batch = RecordBatch::try_new(arrow_schema(&fields), vec![column]);
    let batch = batch.map_err(|error| Error::new(Diagnostic::new("XX000", span, error.to_string())))?;
    Ok(StatementResult::Rows(ResultStream::ready(fields, batch, span)))
}

/// `await x` as a statement, where `x` is a future or the number of a job: its value, which has a type only then.
pub fn awaited(session: &mut Session, job: &ast::Expr, running: Running) -> Result<(LogicalType, Value), Error> {
    let wrong = |ty: &LogicalType| {
        let message = format!("`await` takes what `spawn` or CALL gives, not {ty}");
        Error::new(Diagnostic::new("42804", job.span, message))
    };
    let Some((ty, value)) = body::taken(session, job, running)? else {
        return Err(wrong(&LogicalType::Null));
    };
    let number = match &value {
        Value::Int(number) if ty.is_integer() => i64::try_from(*number).ok(),
        value => number_of(value).filter(|_| ty.awaited().is_some()),
    };
    let number = number.ok_or_else(|| wrong(&ty))?;
    wait(session, number, job.span)
}

/// The number of a future or of a stream.
pub fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Struct(fields) => i64::try_from(fields.first()?.as_int()?).ok(),
        _ => None,
    }
}
