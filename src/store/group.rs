//! Transactions that commit at the same time, as one commit where they may be.
//!
//! Sixteen sessions insert a row each. While the disk is busy with a commit, the others queue up here; the first to find it
//! free makes one commit of those that only add rows and say the same of themselves: "INSERT of 15 transactions". So nodes are
//! edited, hashed and written once for all of them, and not fifteen times one after the other.
//!
//! Invariants: each transaction hears of its own success once its commit is durable, or of its own failure: if several cannot be
//! one commit, each is made one by itself. Transactions of one commit touch no row and no key in common.
//!
//! Does not: order transactions that wait together; none of them has seen another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Thread};

use super::StoreError;
use super::database::Database;
use super::table::core::lock;
use super::table::{About, Changes, CommitError, Prepared, Snapshot};
use super::timeline::Pending;

/// A transaction that is to be committed.
#[derive(Debug)]
pub(super) struct Request {
    pub branch: String,
    /// Where its changes began.
    pub base: Snapshot,
    pub work: Work,
    pub about: About,
    /// The sort of commit, and what belongs to it.
    pub flavor: (u8, Vec<u8>),
}

/// What it changes.
#[derive(Debug)]
pub(super) enum Work {
    /// A few rows that come, encoded with those of others.
    Few(Arc<Changes>),
    /// Encoded.
    Ready(Prepared),
}

/// One that waits.
#[derive(Debug)]
struct Waiting {
    request: Request,
    outcome: OnceLock<Result<Snapshot, CommitError>>,
    thread: Thread,
}

/// Those that wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Group(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Waiting>>,
    leading: bool,
    /// Transactions whose commits are on their way to the disk.
    writing: usize,
}

impl State {
    /// Whether one of those that wait should make commits of all that do. While the disk is busy they wait for more of them,
    /// until they are half of all that are `open`: then their commits are made meanwhile.
    fn may_lead(&self, open: usize) -> bool {
        !self.leading && (self.writing == 0 || 2 * self.waiting.len() >= open.max(4))
    }

    fn wake_next(&self) {
        if let Some(next) = self.waiting.front() {
            next.thread.unpark();
        }
    }
}

/// A commit that is queued, and whose it is.
struct Made<'a> {
    pending: Pending<'a>,
    snapshot: Snapshot,
    of: Vec<Arc<Waiting>>,
}

impl Database {
    /// Commits a transaction, perhaps with others; durable when it returns.
    pub(super) fn commit_together(&self, request: Request) -> Result<Snapshot, CommitError> {
        let mine = Arc::new(Waiting {
            request,
            outcome: OnceLock::new(),
            thread: thread::current(),
        });
        let mut state = lock(&self.group.0);
        state.waiting.push_back(Arc::clone(&mine));
        loop {
            // Perhaps it has led.
            if let Some(outcome) = mine.outcome.get() {
                return outcome.clone();
            }
            let waits = state.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, &mine));
            if !waits || !state.may_lead(self.locks().open()) {
                drop(state);
                // Woken by the leader, or for no reason; then it waits again.
                thread::park();
                if let Some(outcome) = mine.outcome.get() {
                    return outcome.clone();
                }
                state = lock(&self.group.0);
                continue;
            }
            state.leading = true;
            let taken = Taken(std::mem::take(&mut state.waiting));
            drop(state);
            let mut leading = Leading {
                database: self,
                writing: None,
            };
            let made = self.make_all(&taken);
            leading.writes(made.iter().map(|made| made.of.len()).sum());
            self.settle(made);
            drop(leading);
            drop(taken);
            state = lock(&self.group.0);
        }
    }

    /// Makes commits of transactions and queues them for the disk.
    fn make_all(&self, taken: &Taken) -> Vec<Made<'_>> {
        let mut made = Vec::new();
        let mut waiting = taken.0.clone();
        while let Some(first) = waiting.pop_front() {
            let mut alike = vec![first];
            take_alike(&mut alike, &mut waiting);
            // If they cannot be one commit, the fault is with one of them.
            if alike.len() > 1
                && let Ok(commit) = self.make(&alike)
            {
                made.push(commit);
                continue;
            }
            for alone in alike {
                match self.make(std::slice::from_ref(&alone)) {
                    Ok(commit) => made.push(commit),
                    Err(error) => alone.ends(Err(error)),
                }
            }
        }
        made
    }

    /// Waits for the disk, and tells those whose commits are there.
    fn settle(&self, made: Vec<Made<'_>>) {
        for Made { pending, snapshot, of } in made {
            let outcome = pending.wait().map(|commit| {
                self.remember(commit, &snapshot);
                snapshot
            });
            for waiting in of {
                waiting.ends(outcome.clone().map_err(CommitError::from));
            }
        }
    }

    /// One commit of some transactions, queued for the disk.
    fn make(&self, members: &[Arc<Waiting>]) -> Result<Made<'_>, CommitError> {
        let requests: Vec<&Request> = members.iter().map(|waiting| &waiting.request).collect();
        let Some(first) = requests.first() else {
            return Err(StoreError::Interrupted.into());
        };
        let mut about = first.about.clone();
        if let 2.. = requests.len() {
            about.message = format!("{} of {} transactions", about.message, requests.len()).into();
        }
        let few = requests.iter().filter_map(|request| request.few());
        let together = Prepared::together(&self.core, &few.collect::<Vec<_>>())?;
        let mut together = together.iter();
        let prepared = requests.iter().filter_map(|request| match &request.work {
            Work::Ready(prepared) => Some((prepared, &request.base)),
            Work::Few(_) => Some((together.next()?, &request.base)),
        });
        let prepared: Vec<_> = prepared.collect();
        let (pending, snapshot) = self.queue(&prepared, &first.branch, &about, first.flavor.clone())?;
        let of = members.to_vec();
        Ok(Made { pending, snapshot, of })
    }
}

/// Takes those out of the queue that may become one commit with the first.
fn take_alike(alike: &mut Vec<Arc<Waiting>>, waiting: &mut VecDeque<Arc<Waiting>>) {
    let Some(Waiting { request: first, .. }) = alike.first().map(|first| &**first) else {
        return;
    };
    if waiting.is_empty() || !first.joins(&first.base) {
        return;
    }
    let (base, branch, about) = (first.base.clone(), first.branch.clone(), first.about.clone());
    let fits = |other: &Request| other.branch == branch && other.about == about && other.joins(&base);
    for other in std::mem::take(waiting) {
        match fits(&other.request) {
            true => alike.push(other),
            false => waiting.push_back(other),
        }
    }
}

impl Request {
    /// Whether it may become one commit with others, all of which began where the definitions were the same.
    fn joins(&self, other: &Snapshot) -> bool {
        let joins = match &self.work {
            Work::Ready(prepared) => prepared.joins(&self.base, other),
            Work::Few(changes) => changes.joins(&self.base, other),
        };
        joins && self.flavor.0 == 0 && !self.about.is_quoted
    }

    fn few(&self) -> Option<&Arc<Changes>> {
        match &self.work {
            Work::Few(changes) => Some(changes),
            Work::Ready(_) => None,
        }
    }
}

impl Waiting {
    fn ends(&self, outcome: Result<Snapshot, CommitError>) {
        // It ends once.
        drop(self.outcome.set(outcome));
    }
}

/// Whoever makes commits for those that wait, and then waits for the disk. When it is done, or panics, one more is woken to be the next.
struct Leading<'a> {
    database: &'a Database,
    /// Transactions whose commits are made.
    writing: Option<usize>,
}

impl Leading<'_> {
    /// So many transactions' commits are made; others may make theirs.
    fn writes(&mut self, count: usize) {
        self.writing = Some(count);
        let mut state = lock(&self.database.group.0);
        state.leading = false;
        state.writing += count;
        state.wake_next();
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.database.group.0);
        match self.writing {
            None => state.leading = false,
            Some(count) => state.writing -= count,
        }
        state.wake_next();
    }
}

/// Those for whom somebody makes commits. When that is over they are woken; nothing is known of those that have heard nothing then, since
/// whoever made their commits has panicked.
struct Taken(VecDeque<Arc<Waiting>>);

impl Drop for Taken {
    fn drop(&mut self) {
        let me = thread::current().id();
        for waiting in self.0.drain(..) {
            waiting.ends(Err(StoreError::Interrupted.into()));
            if waiting.thread.id() != me {
                waiting.thread.unpark();
            }
        }
    }
}
