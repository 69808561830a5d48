//! Calls that run by themselves, as all sessions of a database know them.
//!
//! `call load('a')` of a procedure that is `as async` gives the number 1; `SHOW JOBS` has a row for it, and `await 1` its value, in this session or
//! another one.
//!
//! Invariants: a number is given once; what a job gave stays known while its number is among the last [`KEPT`]; an error that nobody waited for
//! is told once, to the session that began the job or what began it.
//!
//! Does not: start or stop threads; know what a job does.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Show, Span};

use crate::exec::CancelToken;
use crate::host::{Clock, RealClock};
use crate::session::listing::like_of;
use crate::session::store::Store;
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
    begun_by: BegunBy,
    started_us: i64,
    ended: Option<Ended>,
    /// Somebody knows how it ended.
    told: bool,
}

/// Who has begun a call.
#[derive(Clone, Debug)]
pub struct BegunBy {
    /// The jobs that a session shares with those which it has begun.
    family: Weak<Jobs>,
    /// The script that ran.
    script: Arc<str>,
    /// The place of the call in it.
    place: Span,
}

impl BegunBy {
    /// A session, for a call that stands here.
    pub fn of(session: &Session, place: Span) -> Self {
        Self {
            family: Arc::downgrade(&session.own_jobs),
            script: session.script.clone(),
            place,
        }
    }
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
    pub fn begin(&self, call: String, ty: LogicalType, interrupt: Interrupt, begun_by: BegunBy) -> Result<i64, Error> {
        let mut state = self.lock();
        if state.jobs.values().filter(|job| job.ended.is_none()).count() >= MOST {
            let message = format!("more than {MOST} calls run by themselves");
            let help = "wait for some of them: `await …`";
            return Err(Error::new(
                Diagnostic::new("53400", begun_by.place, message).with_help(help),
            ));
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
        let job = Job {
            call,
            ty,
            interrupt,
            begun_by,
            started_us: self.clock.now_us(),
            ended: None,
            told: false,
        };
        state.jobs.insert(number, job);
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
            let Some(job) = state.jobs.get_mut(&number) else {
                let message = format!("there is no job {number}");
                let help = "`SHOW JOBS` lists those of this process";
                return Err(Error::new(Diagnostic::new("22023", span, message).with_help(help)));
            };
            if let Some(ended) = &job.ended {
                job.told = true;
                return ended.result.clone().map(|value| (job.ty.clone(), value));
            }
            if stop.is_cancelled() {
                job.interrupt.cancel();
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Warnings about jobs of a session that have failed, and of which nobody knows yet.
    fn untold(&self, by: &BegunBy) -> Vec<Diagnostic> {
        let mut state = self.lock();
        let jobs = state.jobs.iter_mut();
        let jobs = jobs.filter(|(_, job)| !job.told && Weak::ptr_eq(&job.begun_by.family, &by.family));
        let warning = |(number, job): (&i64, &mut Job)| {
            let Err(error) = &job.ended.as_ref()?.result else {
                return None;
            };
            let message = format!("job {number}, `{}`, has failed: {error}", job.call);
            let help = "`await` waits for it, and has its error, which TRY can catch";
            let mut warning = Diagnostic::new("01000", job.begun_by.place, message).with_help(help);
            if !Arc::ptr_eq(&job.begun_by.script, &by.script) {
                warning.labels.clear();
            }
            job.told = true;
            Some(warning)
        };
        jobs.filter_map(warning).collect()
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

    /// Waits for the calls that it has begun to run by themselves; not in a transaction, which some may be waiting for.
    pub fn end_jobs(&mut self) {
        if !self.store.as_ref().is_some_and(Store::in_transaction) {
            self.spawned.join();
        }
    }

    /// Warnings about those that have failed since it was last asked, and that nobody has waited for.
    pub(in crate::session) fn failed_jobs(&self) -> Vec<Diagnostic> {
        self.jobs().untold(&BegunBy::of(self, Span::default()))
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
