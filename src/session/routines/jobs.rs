//! Calls that run by themselves, as all sessions of a database know them.
//!
//! `call load('a')` of a procedure that is `as async` gives the number 1; `SHOW JOBS` has a row for it, and `await 1` its value, in this session or
//! another one.
//!
//! Invariants: a number is given once; what a job gave stays known while its number is among the last [`KEPT`].
//!
//! Does not: start or stop threads; know what a job does.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Show, Span};

use crate::exec::CancelToken;
use crate::host::{Clock, RealClock};
use crate::session::listing::like_of;
use crate::session::{Error, Interrupt, ResultStream, Session};
use crate::types::{LogicalType, Value};

/// So many calls may run at once.
const MOST: usize = 256;
/// So many jobs are remembered, besides those that run.
const KEPT: usize = 4096;
/// Who waits looks so often whether it is to stop.
const LOOK: Duration = Duration::from_millis(5);

/// The jobs of a database.
#[derive(Debug, Default)]
pub struct Jobs {
    state: Mutex<State>,
    changed: Condvar,
    clock: RealClock,
}

#[derive(Debug, Default)]
struct State {
    last: i64,
    jobs: BTreeMap<i64, Job>,
}

/// A call.
#[derive(Debug)]
struct Job {
    call: String,
    ty: LogicalType,
    interrupt: Interrupt,
    started_us: i64,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Ended {
    at_us: i64,
    result: Result<Value, Error>,
}

impl Job {
    fn state(&self) -> &'static str {
        match &self.ended {
            None => "running",
            Some(Ended { result: Ok(_), .. }) => "done",
            Some(Ended { result: Err(_), .. }) => "failed",
        }
    }
}

impl Jobs {
    /// Notes a call that begins, whose value will have this type; its number.
    pub fn begin(&self, call: String, ty: LogicalType, interrupt: Interrupt, span: Span) -> Result<i64, Error> {
        let mut state = self.lock();
        if state.jobs.values().filter(|job| job.ended.is_none()).count() >= MOST {
            let message = format!("more than {MOST} calls run by themselves");
            let help = "wait for some of them: `await …`";
            return Err(Error::new(Diagnostic::new("53400", span, message).with_help(help)));
        }
        while state.jobs.len() >= KEPT {
            let ended = state.jobs.iter().find(|(_, job)| job.ended.is_some());
            let Some(oldest) = ended.map(|(number, _)| *number) else {
                break;
            };
            state.jobs.remove(&oldest);
        }
        state.last += 1;
        let number = state.last;
        let started_us = self.clock.now_us();
        let ended = None;
        state.jobs.insert(
            number,
            Job {
                call,
                ty,
                interrupt,
                started_us,
                ended,
            },
        );
        Ok(number)
    }

    /// A call has ended.
    pub fn end(&self, number: i64, result: Result<Value, Error>) {
        let at_us = self.clock.now_us();
        if let Some(job) = self.lock().jobs.get_mut(&number) {
            job.ended = Some(Ended { at_us, result });
        }
        self.changed.notify_all();
    }

    /// Waits for a call: the type of its value, and the value, or its error. Being asked to stop stops what is waited for.
    pub fn wait(&self, number: i64, stop: &CancelToken, span: Span) -> Result<(LogicalType, Value), Error> {
        let mut state = self.lock();
        loop {
            let Some(job) = state.jobs.get(&number) else {
                let message = format!("there is no job {number}");
                let help = "`SHOW JOBS` lists those of this process";
                return Err(Error::new(Diagnostic::new("22023", span, message).with_help(help)));
            };
            if let Some(ended) = &job.ended {
                return ended.result.clone().map(|value| (job.ty.clone(), value));
            }
            if stop.is_cancelled() {
                job.interrupt.cancel();
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// The jobs of its database; its own, if it has none.
    pub(super) fn jobs(&self) -> Arc<Jobs> {
        match &self.store {
            Some(store) => store.jobs(),
            None => self.own_jobs.clone(),
        }
    }
}

/// `SHOW JOBS [LIKE 'load%']`.
pub fn show(session: &Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    if let Some(first) = show.of.first() {
        return Err(super::unsupported("SHOW JOBS IN", first.span));
    }
    let like = like_of(show)?;
    let jobs = session.jobs();
    let state = jobs.lock();
    let wanted = |job: &Job| like.as_ref().is_none_or(|like| like.matches(job.call.as_bytes()));
    let time = |us: i64| Value::Int(us.into()).display(&LogicalType::Timestamp);
    let row = |(number, job): (&i64, &Job)| {
        let error = match &job.ended {
            Some(Ended { result: Err(error), .. }) => error.to_string(),
            _ => String::new(),
        };
        vec![
            number.to_string(),
            job.call.clone(),
            job.state().to_owned(),
            time(job.started_us),
            job.ended.as_ref().map_or_else(String::new, |ended| time(ended.at_us)),
            error,
        ]
    };
    let rows: Vec<_> = state.jobs.iter().filter(|(_, job)| wanted(job)).map(row).collect();
    let columns = ["job", "call", "state", "started", "ended", "error"];
    Ok(ResultStream::strings(&columns, &rows, span))
}
