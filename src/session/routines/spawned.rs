//! What `spawn` has started: calls that run at the same time, each in a session and a transaction of its own.
//!
//! `let a = spawn load('a'); let b = spawn load('b'); await a; await b` runs both at once. A future is a struct of the call's number and of
//! the type of its value.
//!
//! Invariants: a call that was started ends before the session does; being asked to stop while waiting stops what is waited for.
//!
//! Does not: see what the transaction that spawned has not committed.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::{Held, Running, body, unsupported};
use crate::plan::routine::Variable;
use crate::session::{Error, Interrupt, Session, statement};
use crate::types::{LogicalType, Value};

/// So many calls may run at once for a session.
const MOST: usize = 256;
/// Who waits looks so often whether it is to stop.
const LOOK: Duration = Duration::from_millis(5);

/// The calls of a session.
#[derive(Debug, Default)]
pub struct Spawned {
    runs: BTreeMap<i64, Run>,
    last: i64,
}

#[derive(Debug)]
enum Run {
    Going(Going),
    Done(Result<Value, Error>),
}

#[derive(Debug)]
struct Going {
    result: Receiver<Result<Value, Error>>,
    interrupt: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Going {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a call that was spawned panicked");
        }
    }
}

/// Starts a call; its number.
pub fn spawn(
    session: &mut Session,
    call: &ast::Expr,
    given: Vec<(String, LogicalType, Value)>,
    running: Running,
) -> Result<i64, Error> {
    if session.within.is_some() {
        return Err(unsupported("`spawn` in a trigger", running.span));
    }
    let going = session.spawned.runs.values().filter(|run| matches!(run, Run::Going(_)));
    if going.count() >= MOST {
        let message = format!("more than {MOST} calls were spawned and not awaited");
        return Err(Error::new(Diagnostic::new("53400", call.span, message)));
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
    let interrupt = child.interrupt();
    let (sender, result) = sync_channel(1);
    let call = call.clone();
    let work = move || {
        statement::begins(&mut child, None);
        // Nobody listens if the session is gone.
        let _ = sender.send(body::value_of(&mut child, &call, running));
    };
    let thread = std::thread::Builder::new().name("gobi-spawned".into()).spawn(work);
    let thread = thread.map_err(|error| {
        let message = format!("cannot start a thread: {error}");
        Error::new(Diagnostic::new("53000", running.span, message))
    })?;
    session.spawned.last += 1;
    let number = session.spawned.last;
    let going = Going {
        result,
        interrupt,
        thread: Some(thread),
    };
    session.spawned.runs.insert(number, Run::Going(going));
    Ok(number)
}

/// Waits for a call; its value, or its error.
pub fn wait(session: &mut Session, number: i64, span: Span) -> Result<Value, Error> {
    let cancel = statement::options_inside(session).cancel;
    let Some(run) = session.spawned.runs.get_mut(&number) else {
        let message = "the future is not of a call of this session";
        return Err(Error::new(Diagnostic::new("22023", span, message)));
    };
    let going = match run {
        Run::Done(result) => return result.clone(),
        Run::Going(going) => going,
    };
    let result = loop {
        match going.result.recv_timeout(LOOK) {
            Ok(result) => break result,
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => going.interrupt.cancel(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let message = "a call that was spawned panicked";
                break Err(Error::new(Diagnostic::new("XX000", span, message)));
            }
        }
    };
    *run = Run::Done(result.clone());
    result
}
