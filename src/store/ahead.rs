//! Transactions that are durable before they are a commit.
//!
//! Sixteen sessions insert a row each, again and again. To make a commit of each, or of what sixteen do at a time, costs more than the
//! disk does: nodes are edited and hashed. So such a transaction is written as a redo record, and is acknowledged when that is synced.
//! A little later, or when somebody wants to read, one commit is made of all records that came meanwhile: "INSERT of 120 transactions".
//! Those that came one after the other, each after the one before was acknowledged, still become a commit each. The records are all that is
//! kept of them, so that after a crash the same is done with what is found.
//!
//! The walk: [`Database::commit_ahead`] looks the new keys up in the newest commit, and then, under a mutex, among those that came since;
//! then it queues the record. [`Database::catch_up`] makes the commits: whoever reads a branch, changes anything else, or looks at the
//! history calls it first; and so does the worker, a few milliseconds later.
//!
//! Invariants: nobody sees a state of a branch that lacks what was acknowledged before. Only what cannot fail goes ahead: rows that come to
//! tables that are as they were, with keys that are there nowhere. While another commit is queued, nothing goes ahead. What goes ahead
//! is a commit after the next opening, whatever happens.
//!
//! A statement that goes ahead by itself has no place in the lock table: its keys are made known among those that came, and then it looks
//! whether somebody else has claimed them. Whoever claims keys looks among those that came, after that: [`Database::meets_ahead`]. So of
//! two with the same key at least one sees the other.
//!
//! Does not: order transactions that run side by side; none of them has seen another.

mod admission;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use hashbrown::{HashMap, HashSet};

use self::admission::{Admitted, Entry, GENERATIONS, Generation, State, first_run};
use super::StoreError;
use super::database::Database;
use super::locks::Holder;
use super::object::CommitId;
use super::table::core::lock;
use super::table::{About, Changes, CommitError, KeyHashes, Prepared, Snapshot, WrittenAhead};
use super::timeline::{Draft, Mode, RefKind};

/// If so many wait, commits are made of them at once.
const MOST: usize = 1024;

/// What is durable, and no commit yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
    /// How many are no commit yet.
    count: AtomicUsize,
    /// What to wait for until the last commit can be read that was made of some.
    made: AtomicU64,
    /// The last redo record that was acknowledged.
    acknowledged: AtomicU64,
    /// The newest commit of a branch that nothing but what went ahead follows; changed with the state's mutex held. Everybody asks for it.
    bases: RwLock<HashMap<String, Snapshot>>,
    /// By branch, oldest first: commits that can be read, though they may not be written yet.
    readable: Mutex<HashMap<String, VecDeque<Readable>>>,
}

/// A commit of what went ahead.
#[derive(Clone, Debug)]
struct Readable {
    snapshot: Snapshot,
    height: u64,
    /// What is durable when all is that it is made of.
    needs: u64,
}

impl Ahead {
    fn base(&self, branch: &str) -> Option<Snapshot> {
        let bases = self.bases.read().unwrap_or_else(PoisonError::into_inner);
        bases.get(branch).cloned()
    }

    fn bases_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Snapshot>> {
        self.bases.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys are compared with nothing any more.
    fn forget_bases(&self) {
        let mut state = lock(&self.state);
        state.branches.clear();
        self.bases_mut().clear();
    }
}

/// The queue of a database's commits, held.
pub(super) type Queued<'a> = MutexGuard<'a, HashMap<String, Snapshot>>;

impl Database {
    /// Makes a transaction durable that only adds a few rows, without a commit; the height that its commit will have. `None`: it has to
    /// be committed as others are, which it cannot without a place in the lock table, if it has none.
    pub fn commit_ahead(
        &self,
        branch: &str,
        changes: &Arc<Changes>,
        about: &About,
        holder: Option<&Holder>,
    ) -> Result<Option<u64>, CommitError> {
        if about.is_quoted || !changes.goes_ahead() {
            return Ok(None);
        }
        let by = holder.map_or_else(|| self.locks().number(), Holder::id);
        let after = self.ahead.acknowledged.load(Ordering::SeqCst);
        let mut entry = Entry {
            branch: branch.to_string(),
            record: changes.encode_ahead(branch, about, after)?.into(),
            catalog: Arc::clone(changes.base().catalog()),
            about: about.clone(),
            by: Some(by),
            keys: Vec::new(),
            ticket: 0,
            number: 0,
            time_us: 0,
            after,
        };
        for _ in 0..GENERATIONS {
            let Some(base) = self.base_for_rows(branch)? else {
                return Ok(None);
            };
            if !Arc::ptr_eq(base.catalog(), changes.base().catalog()) {
                return Ok(None);
            }
            let Some(keys) = changes.new_keys(&base)? else {
                return Ok(None);
            };
            let mut state = lock(&self.ahead.state);
            // Whoever claims something from now on sees the keys when the mutex is given back.
            if holder.is_none() && self.locks().are_in_the_way(branch, changes, &keys) {
                return Ok(None);
            }
            let height = match state.admit(branch, base.commit_id(), &keys) {
                Admitted::At(height) => height,
                Admitted::Taken => return Ok(None),
                Admitted::Late => continue,
            };
            let queued = self.core.timeline.redo(Arc::clone(&entry.record))?;
            let waiting = self.ahead.count.fetch_add(1, Ordering::SeqCst) + 1;
            (entry.ticket, entry.number, entry.time_us) = (queued.ticket, queued.number, queued.time_us);
            entry.keys = keys;
            state.entries.push(entry);
            drop(state);
            self.core.timeline.wait(queued.ticket)?;
            if holder.is_none() {
                self.locks().went_ahead(by, branch, changes, height);
            }
            self.ahead.acknowledged.fetch_max(queued.number, Ordering::SeqCst);
            if waiting >= MOST
                && let Err(error) = self.catch_up()
            {
                tracing::warn!("what was acknowledged is no commit yet: {error}");
            }
            return Ok(Some(height));
        }
        Ok(None)
    }

    /// Whether rows that went ahead, or are about to, may have keys that some changes give to rows, too: those can be read then. To be
    /// asked when the keys are claimed.
    pub fn meets_ahead(&self, branch: &str, changes: &Changes) -> Result<bool, StoreError> {
        if lock(&self.ahead.state).is_idle() {
            return Ok(false);
        }
        let keys = KeyHashes::of(changes)?;
        let meets = lock(&self.ahead.state).meets(branch, &keys);
        if meets {
            self.catch_up()?;
        }
        Ok(meets)
    }

    /// A recent commit of a branch, for a statement that only adds rows and looks at none: nothing but rows that came may be missing.
    /// `None`: it has to look at the newest like any other.
    pub fn base_for_rows(&self, branch: &str) -> Result<Option<Snapshot>, StoreError> {
        if let Some(base) = self.ahead.base(branch) {
            return Ok(Some(base));
        }
        if !self.goes_ahead {
            return Ok(None);
        }
        let mut queued = lock(&self.queued);
        // Another thread may have been here meanwhile, and keys may have come since.
        if let Some(base) = self.ahead.base(branch) {
            return Ok(Some(base));
        }
        self.make_commits(&mut queued, None)?;
        let newest = self.newest(&queued, branch, &[])?;
        let Some(height) = self.height(&newest)? else {
            return Ok(None);
        };
        queued.insert(branch.to_string(), newest.clone());
        let generation = Generation {
            base: Some(newest.clone()),
            height: height + 1,
            keys: HashSet::new(),
        };
        let mut state = lock(&self.ahead.state);
        state.branches.insert(branch.to_string(), VecDeque::from([generation]));
        self.ahead.bases_mut().insert(branch.to_string(), newest.clone());
        Ok(Some(newest))
    }

    /// Makes commits of all that is durable and none yet, so that it can be read.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        if self.ahead.count.load(Ordering::SeqCst) > 0 {
            self.make_commits(&mut lock(&self.queued), None)?;
        }
        // Another thread may have made them a moment ago.
        self.core.timeline.wait_lazy(self.ahead.made.load(Ordering::SeqCst))
    }

    /// Whether there are commits that are in memory only, since nothing is written here.
    pub(super) fn has_made_up(&self) -> bool {
        self.mode() == Mode::Read && self.ahead.made.load(Ordering::SeqCst) > 0
    }

    /// The queue of commits, for one that changes no rows: others may go ahead meanwhile.
    pub(super) fn queue_beside(&self) -> Result<Queued<'_>, StoreError> {
        let mut queued = lock(&self.queued);
        self.make_commits(&mut queued, None)?;
        Ok(queued)
    }

    /// The queue of commits, for one that is not of what went ahead: all that did is a commit now, and nothing does until the queue is
    /// given back.
    pub(super) fn queue_alone(&self) -> Result<Queued<'_>, StoreError> {
        // The most of them while others still may.
        let mut queued = self.queue_beside()?;
        self.ahead.forget_bases();
        self.make_commits(&mut queued, None)?;
        Ok(queued)
    }

    /// Makes, moves or removes a branch or tag: see [`super::timeline::Timeline::set_ref`].
    pub fn set_ref(
        &self,
        kind: RefKind,
        name: &str,
        expected: Option<CommitId>,
        target: Option<CommitId>,
    ) -> Result<(), StoreError> {
        let queued = self.queue_alone()?;
        let set = self.core.timeline.set_ref(kind, name, expected, target);
        // All that was made before is written now.
        lock(&self.ahead.readable).clear();
        drop(queued);
        set
    }

    /// Snapshots that only what goes ahead needs are not kept any longer.
    pub(super) fn forget_bases(&self) {
        self.ahead.forget_bases();
        for (branch, readable) in lock(&self.ahead.readable).iter_mut() {
            let tip = self.core.timeline.resolve(RefKind::Branch, branch);
            let height = tip
                .and_then(|tip| self.core.timeline.place(tip).ok())
                .map(|place| place.height);
            readable.retain(|readable| height.is_none_or(|height| height < readable.height));
        }
    }

    /// The newest commit of a branch that what was acknowledged is part of, if it is not written yet. Nobody waits for the disk but for
    /// what another commit has taken along.
    pub(super) fn not_written_yet(&self, branch: &str) -> Result<Option<Snapshot>, StoreError> {
        let timeline = &self.core.timeline;
        if self.ahead.count.load(Ordering::SeqCst) > 0 {
            self.make_commits(&mut lock(&self.queued), Some(timeline.durable()))?;
        }
        let newest = lock(&self.ahead.readable)
            .get(branch)
            .and_then(|all| all.back().cloned());
        let Some(newest) = newest else { return Ok(None) };
        timeline.wait(newest.needs)?;
        let written = timeline.resolve(RefKind::Branch, branch);
        let written = written.map(|tip| timeline.place(tip)).transpose()?;
        let is_written = written.is_none_or(|place| place.height >= newest.height);
        Ok((!is_written).then_some(newest.snapshot))
    }

    /// Takes over what was durable, and no commit, when the database was opened.
    pub(super) fn found_ahead(&self) -> Result<(), StoreError> {
        let mut entries = Vec::new();
        for record in self.core.timeline.take_found() {
            let written = WrittenAhead::decode(&record.body)?;
            let newest = self.newest(&lock(&self.queued), written.branch, &[])?;
            entries.push(Entry {
                branch: written.branch.to_string(),
                catalog: Arc::clone(newest.catalog()),
                about: written.about(),
                after: written.after,
                record: Arc::clone(&record.body),
                by: None,
                keys: Vec::new(),
                ticket: 0,
                number: record.number,
                time_us: record.time_us,
            });
        }
        self.ahead.count.store(entries.len(), Ordering::SeqCst);
        lock(&self.ahead.state).entries = entries;
        Ok(())
    }

    /// Makes commits of all entries, or of those that are durable.
    fn make_commits(&self, queued: &mut Queued<'_>, durable: Option<u64>) -> Result<(), StoreError> {
        if self.ahead.count.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let entries = lock(&self.ahead.state).take(durable);
        let mut rest = entries.as_slice();
        while let Some(len) = first_run(rest) {
            let (run, after) = rest.split_at(len);
            match self.make_commit(queued, run) {
                Ok(made) => drop(self.ahead.made.fetch_max(made, Ordering::SeqCst)),
                Err(error) => {
                    let made = entries.len() - rest.len();
                    lock(&self.ahead.state).give_back(entries.into_iter().skip(made).collect());
                    return Err(error);
                }
            }
            self.ahead.count.fetch_sub(len, Ordering::SeqCst);
            rest = after;
        }
        lock(&self.ahead.state).leaving.clear();
        let branches: HashSet<&String> = entries.iter().map(|entry| &entry.branch).collect();
        for branch in branches {
            if let Some(newest) = queued.get(branch) {
                let height = self.height(newest)?.map_or(0, |height| height + 1);
                let mut state = lock(&self.ahead.state);
                if state.begin(branch, newest, height) {
                    self.ahead.bases_mut().insert(branch.clone(), newest.clone());
                }
            }
        }
        Ok(())
    }

    /// One commit of some entries, queued; what to wait for until it can be read.
    fn make_commit(&self, queued: &mut Queued<'_>, run: &[Entry]) -> Result<u64, StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Err(StoreError::Interrupted);
        };
        let mut about = first.about.clone();
        if let 2.. = run.len() {
            about.message = format!("{} of {} transactions", about.message, run.len()).into();
        }
        let made = || -> Result<_, CommitError> {
            let newest = self.newest(queued, &first.branch, &[])?;
            let changes = Changes::redone(run.iter().map(|entry| &*entry.record), &newest)?;
            let prepared = Arc::new(changes).prepare(&self.core)?;
            Prepared::apply(&[(&prepared, &newest)], &first.branch, &newest, &about)
        };
        let made = made().map_err(|error| match error {
            CommitError::Store(error) => error,
            error => StoreError::Unfit(format!("what was acknowledged cannot be committed: {error}")),
        })?;
        let draft = Draft {
            redone: Some((last.number, last.time_us)),
            ..made.draft
        };
        let pending = self.core.timeline.submit(draft)?;
        let (commit, ticket) = (pending.id(), pending.ticket());
        let snapshot = made.snapshot.committed(commit);
        self.remember(commit, &snapshot);
        let readable = Readable {
            height: self.height(&snapshot)?.unwrap_or_default(),
            needs: last.ticket,
            snapshot: snapshot.clone(),
        };
        queued.insert(first.branch.clone(), snapshot);
        let mut all = lock(&self.ahead.readable);
        let of_branch = all.entry(first.branch.clone()).or_default();
        of_branch.push_back(readable);
        while of_branch.len() > GENERATIONS {
            of_branch.pop_front();
        }
        drop(all);
        self.locks().made(commit, run.iter().filter_map(|entry| entry.by));
        Ok(ticket)
    }

    /// For what the database was opened.
    pub fn mode(&self) -> Mode {
        self.core.timeline.mode()
    }

    /// Whether another process has written nothing since it was opened.
    pub fn is_current(&self) -> Result<bool, StoreError> {
        self.core.timeline.is_current()
    }
}
