//! The worker that compacts tables behind the commits, and makes commits of what went ahead of them.
//!
//! After an INSERT the session says `database.compact_later("main", [t])`; now and then a thread looks at the segments of `t`, and
//! puts small ones together if there are many of a size. Nobody waits for it.
//!
//! Invariants: at most one thread per database, and none before the first commit. It stays until the database is closed, since
//! a new one costs more than what there is to do, and keeps no database open. Closing lets it finish what is small, and gives
//! up the rest. What fails is left as it was.
//!
//! Does not: decide what is worth it; see [`super::table::Effort`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::database::Database;
use super::table::core::lock;
use super::table::{About, Effort};
use crate::catalog::EntityId;

/// A table is looked at once in so many commits.
const COMMITS: u32 = 64;
/// So long after a transaction went ahead commits are made of all that did.
const PAUSE: Duration = Duration::from_millis(10);
/// Transactions that went ahead are few commits.
const AHEAD_OF_COMMIT: usize = 16;
/// Rows that are still rewritten once the database is being closed.
const LAST_ROWS: usize = 20_000;

/// What is to be done, and who does it.
#[derive(Debug, Default)]
pub(super) struct Background {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread has, too.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to be done.
    called: Condvar,
    /// Transactions went ahead.
    ahead: AtomicBool,
    /// How many.
    went_ahead: AtomicUsize,
    /// Rows rewritten since the database is being closed.
    last_rows: AtomicUsize,
}

/// What the worker does.
enum Task {
    /// Looks at a table of a branch.
    Compact(String, EntityId),
    /// Makes commits of what went ahead.
    CatchUp,
}

#[derive(Debug, Default)]
struct State {
    /// Commits to each table since it was looked at.
    commits: BTreeMap<EntityId, BTreeMap<String, u32>>,
    queue: VecDeque<(String, EntityId)>,
    closing: bool,
}

impl Database {
    /// Has tables looked at that a commit to a branch changed. Returns at once.
    pub fn compact_later(self: &Arc<Self>, branch: &str, tables: impl IntoIterator<Item = EntityId>) {
        let background = &self.background;
        let mut state = lock(&background.shared.state);
        let mut is_new = false;
        for table in tables {
            let of_table = state.commits.entry(table).or_default();
            if !of_table.contains_key(branch) {
                of_table.insert(branch.to_string(), 0);
            }
            let Some(commits) = of_table.get_mut(branch) else {
                continue;
            };
            // The first time too: a process may make one commit only.
            let due = commits.is_multiple_of(COMMITS);
            *commits += 1;
            let queued = |(other, known): &(String, EntityId)| *known == table && other == branch;
            if due && !state.queue.iter().any(queued) {
                state.queue.push_back((branch.to_string(), table));
                is_new = true;
            }
        }
        if !is_new || state.closing {
            return;
        }
        drop(state);
        self.call_worker();
    }

    /// Has commits made of what went ahead, a little later. Returns at once.
    pub fn catch_up_later(self: &Arc<Self>, branch: &str, tables: impl IntoIterator<Item = EntityId>) {
        let shared = &self.background.shared;
        if shared
            .went_ahead
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(AHEAD_OF_COMMIT)
        {
            self.compact_later(branch, tables);
        }
        if !shared.ahead.swap(true, Ordering::SeqCst) {
            self.call_worker();
        }
    }

    /// Wakes the worker, or makes it.
    fn call_worker(self: &Arc<Self>) {
        let background = &self.background;
        let mut thread = lock(&background.thread);
        if thread.is_none() && !lock(&background.shared.state).closing {
            let (shared, database) = (Arc::clone(&background.shared), Arc::downgrade(self));
            let spawned = thread::Builder::new()
                .name("gobi-compact".into())
                .spawn(move || shared.work_off(&database));
            *thread = spawned
                .inspect_err(|error| tracing::warn!("compaction: no thread: {error}"))
                .ok();
        }
        background.shared.called.notify_one();
    }

    /// Writes the segments of a table anew of which a commit has deleted rows: what copying on write means. Others may commit
    /// meanwhile; if they keep it from committing, the next such commit does it.
    pub fn rewrite_touched(&self, branch: &str, table: EntityId) {
        let about = About {
            author: "gobi".into(),
            message: "copy on write".into(),
            ..About::default()
        };
        if let Err(error) = self.compact(branch, table, Effort::Touched, about, &|_| true) {
            tracing::warn!("copying table {} on write: {error}", table.0);
        }
    }

    /// Does one thing that was queued.
    fn work(&self, branch: &str, table: EntityId, shared: &Shared) {
        let about = About {
            author: "gobi".into(),
            message: "COMPACT".into(),
            ..About::default()
        };
        let done = self.compact(branch, table, Effort::Tiers, about, &|rows| shared.goes_on(rows));
        if let Err(error) = done {
            tracing::warn!("compaction of table {}: {error}", table.0);
        }
    }

    /// Waits for the worker; nothing is done after it.
    pub(super) fn stop_compacting(&self) {
        self.background.shared.close();
        let thread = lock(&self.background.thread).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // It has told what failed.
            drop(thread.join());
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    /// Does what is queued, until the database is closed or gone.
    fn work_off(&self, database: &Weak<Database>) {
        while let Some(task) = self.next() {
            let Some(database) = database.upgrade() else { return };
            match task {
                Task::Compact(branch, table) => database.work(&branch, table, self),
                Task::CatchUp => {
                    if let Err(error) = database.catch_up() {
                        tracing::warn!("what was acknowledged is no commit yet: {error}");
                    }
                }
            }
        }
    }

    /// What is to be done next, when there is something; `None` at the end.
    fn next(&self) -> Option<Task> {
        let mut state = lock(&self.state);
        loop {
            if let Some((branch, table)) = state.queue.pop_front() {
                return Some(Task::Compact(branch, table));
            }
            if state.closing {
                return None;
            }
            if self.ahead.load(Ordering::SeqCst) {
                let waited = self.called.wait_timeout(state, PAUSE);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                self.ahead.store(false, Ordering::SeqCst);
                return Some(Task::CatchUp);
            }
            state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        lock(&self.state).closing = true;
        self.called.notify_all();
    }

    fn goes_on(&self, rows: usize) -> bool {
        !lock(&self.state).closing || self.last_rows.fetch_add(rows, Ordering::Relaxed) + rows <= LAST_ROWS
    }
}
