//! The worker that compacts tables behind the commits.
//!
//! After an INSERT the session says `database.compact_later("main", [t])`; every eighth time a thread looks at the segments of
//! `t`, and puts small ones together if there are many of a size. Nobody waits for it.
//!
//! Invariants: at most one thread per database, none without work. Closing the database lets it finish what is small, and
//! gives up the rest. What fails is left as it was.
//!
//! Does not: decide what is worth it; see [`super::table::Effort`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::database::Database;
use super::table::core::lock;
use super::table::{About, Effort};
use crate::catalog::EntityId;

/// A table is looked at once in so many commits.
const COMMITS: u32 = 8;
/// Rows that are still rewritten once the database is being closed.
const LAST_ROWS: usize = 20_000;

/// What is to be done, and who does it.
#[derive(Debug, Default)]
pub(super) struct Background {
    state: Mutex<State>,
    /// Rows rewritten since the database is being closed.
    last_rows: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Commits to each table since it was looked at.
    commits: BTreeMap<(String, EntityId), u32>,
    queue: VecDeque<(String, EntityId)>,
    running: bool,
    closing: bool,
    thread: Option<JoinHandle<()>>,
}

impl Database {
    /// Has tables looked at that a commit to a branch changed. Returns at once.
    pub fn compact_later(self: &Arc<Self>, branch: &str, tables: impl IntoIterator<Item = EntityId>) {
        let mut state = lock(&self.background.state);
        for table in tables {
            let key = (branch.to_string(), table);
            let commits = state.commits.entry(key.clone()).or_insert(0);
            // The first time too: a process may make one commit only.
            let due = commits.is_multiple_of(COMMITS);
            *commits += 1;
            if due && !state.queue.contains(&key) {
                state.queue.push_back(key);
            }
        }
        if state.queue.is_empty() || state.running || state.closing {
            return;
        }
        let database = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("gobi-compact".into())
            .spawn(move || database.work_off());
        match spawned {
            Ok(thread) => {
                state.running = true;
                // One that ended before is gone with its handle.
                state.thread = Some(thread);
            }
            Err(error) => tracing::warn!("compaction: no thread: {error}"),
        }
    }

    /// Writes the segments of a table anew of which a commit has deleted rows: what copying on write means. Others may commit
    /// meanwhile; if they keep it from committing, the next such commit does it.
    pub fn rewrite_touched(&self, branch: &str, table: EntityId) {
        let about = About {
            author: "gobi".into(),
            message: "copy on write".into(),
        };
        if let Err(error) = self.compact(branch, table, Effort::Touched, about, &|_| true) {
            tracing::warn!("copying table {} on write: {error}", table.0);
        }
    }

    /// Does what is queued.
    fn work_off(&self) {
        while let Some((branch, table)) = self.background.next() {
            let about = About {
                author: "gobi".into(),
                message: "COMPACT".into(),
            };
            if let Err(error) = self.compact(&branch, table, Effort::Tiers, about, &|rows| {
                self.background.goes_on(rows)
            }) {
                tracing::warn!("compaction of table {}: {error}", table.0);
            }
        }
    }

    /// Waits for the worker; nothing is done after it.
    pub(super) fn stop_compacting(&self) {
        let thread = {
            let mut state = lock(&self.background.state);
            state.closing = true;
            state.thread.take()
        };
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // It has told what failed.
            drop(thread.join());
        }
    }
}

impl Background {
    fn next(&self) -> Option<(String, EntityId)> {
        let mut state = lock(&self.state);
        let next = state.queue.pop_front();
        state.running = next.is_some();
        next
    }

    fn goes_on(&self, rows: usize) -> bool {
        !lock(&self.state).closing || self.last_rows.fetch_add(rows, Ordering::Relaxed) + rows <= LAST_ROWS
    }
}
