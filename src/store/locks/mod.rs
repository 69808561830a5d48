//! Who has written what and not ended yet: row, key and table locks, and who waits for them.
//!
//! ```text
//! let one = locks.begin("main", "UPDATE t SET b = 1 WHERE a = 2");
//! one.reads(Some(10));                                          // its snapshot is that of height 10
//! one.claim(&changes, &patience)?                               // Claimed::Held: nobody else has the row
//! two.claim(&others, &patience)?                                // waits, as long as `one` has not ended
//! one.committed(commit, Some(11));                              // `two` has Claimed::Overtaken
//! ```
//!
//! There is no object per row. A transaction's locks are what it has staged: its [`Footprint`] shares the sets of deleted rows
//! with its changes, and its keys are looked up in the rows that it appended. So a statement claims its locks when it has
//! staged its rows, all of them at once, and a load of a million rows costs nothing that one row does not, unless somebody
//! else writes to the same table.
//!
//! A statement that only adds a few rows does without a place in the table: see [`Locks::are_in_the_way`].
//!
//! Invariants: what a transaction claims is compared with all that others have claimed by then, under one mutex, so that of
//! two which touch the same at least the later sees the other. A transaction that waits has given back what it waits with.
//! Locks are not durable, and cost no sync.
//!
//! Does not: have the last word; a commit finds what was written past this table (by compaction, or by a merge of branches).

mod claim;
mod show;
mod state;
#[cfg(test)]
mod tests;
mod wait;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::StoreError;
use super::object::CommitId;
use super::table::core::lock;
use super::table::{Changes, Footprint, KeyHash, Overlap, RowAddress};
use crate::catalog::EntityId;
use crate::host::Clock;

use claim::{Blocked, Claim, Compared, compare};
pub use show::LockLine;
use state::{Ended, Holding, Standing, State};

/// The number of a transaction, counted from 1 in each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(pub u64);

impl std::fmt::Display for TxnId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "transaction {}", self.0)
    }
}

/// One after the other: who asks for something in a lane is answered before anybody else in it can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u64);

impl Lane {
    /// A lane of one's own.
    pub fn begin() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The lock table of a database.
#[derive(Debug)]
pub struct Locks {
    clock: Arc<dyn Clock>,
    /// The last number that was given out.
    last: AtomicU64,
    /// How many transactions have not ended.
    open: AtomicUsize,
    state: Mutex<State>,
    /// Somebody gave something back.
    freed: Condvar,
    /// How many wait for that.
    waiting: AtomicUsize,
}

/// A transaction's place in the table; when it is dropped, the transaction has been rolled back.
#[derive(Debug)]
pub struct Holder {
    locks: Arc<Locks>,
    id: TxnId,
}

/// How long a transaction waits.
pub struct Patience<'a> {
    /// Whether somebody asked it to stop.
    pub cancelled: Box<dyn Fn() -> bool + 'a>,
    /// At most so long.
    pub timeout: Option<Duration>,
}

/// What comes of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody else has touched any of it since the transaction's snapshot.
    Held,
    /// Somebody else has, and has been committed; nothing is held of it.
    Overtaken(Overtaken),
}

/// Who was first, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overtaken {
    /// Who.
    pub by: TxnId,
    /// With what.
    pub overlap: Overlap,
}

impl std::fmt::Display for Overtaken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} was changed by {} in the meantime", self.overlap, self.by)
    }
}

/// Why nothing is claimed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LockError {
    /// Two transactions wait for each other, or more in a circle.
    #[error(
        "deadlock: `{mine}` waits for {overlap}, which {other} holds, and {other} waits for this transaction with `{theirs}`"
    )]
    Deadlock {
        /// The statement that has come to its end.
        mine: String,
        /// What it waits for.
        overlap: Overlap,
        /// Who holds that.
        other: TxnId,
        /// The statement that closes the circle.
        theirs: String,
    },
    /// Who is waited for comes after this statement.
    #[error("{overlap} is held by {by} of another connection, which can go on only when this statement has ended")]
    InTheWay {
        /// Who holds it.
        by: TxnId,
        /// What.
        overlap: Overlap,
    },
    /// It took too long.
    #[error("{overlap} is held by {by}, and the lock timeout of {timeout_ms} ms is over")]
    Timeout {
        /// Who holds it.
        by: TxnId,
        /// What.
        overlap: Overlap,
        /// The limit.
        timeout_ms: u128,
    },
    /// Somebody asked.
    #[error("the statement was cancelled while it waited for {by}")]
    Cancelled {
        /// Who was waited for.
        by: TxnId,
    },
    /// The rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Locks {
    /// An empty table.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            last: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            state: Mutex::default(),
            freed: Condvar::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Wakes those who wait, if any do: it costs a system call.
    fn tell(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_all();
        }
    }

    /// The number of a transaction that has no place in the table, or not yet.
    pub(super) fn number(&self) -> TxnId {
        TxnId(self.last.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// A transaction on a branch, and its first statement.
    pub fn begin(self: &Arc<Self>, branch: &str, statement: &str) -> Holder {
        let id = self.number();
        let holding = Holding {
            branch: branch.into(),
            reads: None,
            statement: statement.into(),
            since_us: self.clock.now_us(),
            standing: Standing::default(),
            waits: None,
            lane: None,
        };
        let mut state = lock(&self.state);
        state.holders.insert(id, holding);
        self.open.fetch_add(1, Ordering::SeqCst);
        drop(state);
        Holder {
            locks: Arc::clone(self),
            id,
        }
    }

    /// A commit was made of transactions that had ended before.
    pub(super) fn made(&self, commit: CommitId, of: impl IntoIterator<Item = TxnId>) {
        let mut state = lock(&self.state);
        of.into_iter().for_each(|id| state.is_in(commit, id));
    }

    /// How many transactions have not ended.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn end(&self, id: TxnId, commit: Option<(Option<CommitId>, u64)>) -> Option<Holding> {
        let ended = lock(&self.state).end(id, commit);
        if ended.is_some() {
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
        ended
    }

    fn any_claim(&self, branch: &str, is_met: impl Fn(&Claim) -> bool) -> bool {
        if self.open() == 0 {
            return false;
        }
        let state = lock(&self.state);
        let mut all = state.holders.values().filter(|holding| *holding.branch == *branch);
        all.any(|holding| holding.standing.claim.as_deref().is_some_and(&is_met))
    }

    /// Whether somebody has claimed of a table what new rows have to wait for, whatever their keys are.
    pub fn are_busy_with(&self, branch: &str, table: EntityId) -> bool {
        self.any_claim(branch, |claim| claim.is_about_rows_of(table))
    }

    /// Whether rows that come, with these keys, may have to wait for somebody who has a claim. If not, they need no place in the table:
    /// they are made known among what goes ahead before this is asked, and whoever claims anything later looks there.
    pub(super) fn are_in_the_way(&self, branch: &str, changes: &Changes, keys: &[KeyHash]) -> bool {
        self.any_claim(branch, |claim| claim.may_touch(changes, keys))
    }

    /// A transaction without a place in the table is durable, and will be a commit of at least this height. Those that are open may have
    /// an older snapshot.
    pub(super) fn went_ahead(&self, id: TxnId, branch: &str, changes: &Changes, height: u64) {
        if self.open() == 0 {
            return;
        }
        let ended = Ended {
            id,
            branch: branch.into(),
            height: height + 1,
            footprint: Arc::new(Footprint::of(changes)),
        };
        let mut state = lock(&self.state);
        state.ended.push_back(ended);
        state.forget();
    }

    /// The transaction that made one of the last few thousand commits; `None` if several share it.
    pub fn transaction_of(&self, commit: CommitId) -> Option<TxnId> {
        let state = lock(&self.state);
        let mut found = state.recent.iter().filter(|(known, _)| *known == commit);
        let (_, id) = found.next()?;
        found.next().is_none().then_some(*id)
    }
}

impl Holder {
    /// The transaction's number.
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// The transaction reads a commit of this height now; none is before the first.
    pub fn reads(&self, height: Option<u64>) {
        self.with(|holding| holding.reads = Some(height.map_or(0, |height| height + 1)));
    }

    /// It comes from a lane.
    pub fn comes_from(&self, lane: Lane) {
        self.with(|holding| holding.lane = Some(lane));
    }

    /// The statement that runs now.
    pub fn runs(&self, statement: &str) {
        let now = self.locks.clock.now_us();
        self.with(|holding| {
            holding.statement = statement.into();
            holding.since_us = now;
        });
    }

    fn with(&self, change: impl FnOnce(&mut Holding)) {
        if let Some(holding) = lock(&self.locks.state).holders.get_mut(&self.id) {
            change(holding);
        }
    }

    /// Whether others that have not ended have written to the tables of some changes; with `only_deleting`, have deleted or
    /// replaced rows of them.
    pub fn has_company(&self, changes: &Changes, only_deleting: bool) -> bool {
        let state = lock(&self.locks.state);
        let mut others = state.others(self.id);
        others.any(|(_, holding)| {
            let claim = holding.standing.claim.as_ref();
            claim.is_some_and(|claim| claim.footprint.has_table_of(changes, only_deleting))
        })
    }

    /// Whether another one that has not ended deletes or replaces a row.
    pub fn is_written(&self, table: EntityId, row: RowAddress) -> bool {
        let state = lock(&self.locks.state);
        let mut others = state.others(self.id);
        others.any(|(_, holding)| holding.writes(table, row))
    }

    /// Claims everything that is staged, having waited for whoever has some of it.
    pub fn claim(&self, changes: &Arc<Changes>, patience: &Patience<'_>) -> Result<Claimed, LockError> {
        let claim = Claim::of(Arc::clone(changes));
        if changes.adds_few() || self.locks.open() > 1 {
            claim.keys()?;
        }
        let started = std::time::Instant::now();
        let mut waited: Option<Overtaken> = None;
        loop {
            let (before, others, ended) = lock(&self.locks.state).publish(self.id, &claim);
            let compared = compare(&claim, before.claim.as_deref(), others, ended);
            let compared = compared.inspect_err(|_| self.back_to(&before))?;
            match compared {
                Compared::Free => match waited {
                    Some(overtaken) => {
                        self.back_to(&before);
                        return Ok(Claimed::Overtaken(overtaken));
                    }
                    None => return Ok(Claimed::Held),
                },
                Compared::Overtaken(overtaken) => {
                    self.back_to(&before);
                    return Ok(Claimed::Overtaken(overtaken));
                }
                Compared::Blocked(blocked) => {
                    let by = blocked.by;
                    let overlap = blocked.overlap.clone();
                    if self.wait(blocked, &before, patience, started)? {
                        waited = Some(Overtaken { by, overlap });
                    }
                }
            }
        }
    }

    /// Waits for whoever deletes a row that has not been claimed, such as the one that has a key. `None`: nobody does, or
    /// who did was rolled back.
    pub fn await_row(
        &self,
        overlap: Overlap,
        (table, row): (EntityId, RowAddress),
        patience: &Patience<'_>,
    ) -> Result<Option<Overtaken>, LockError> {
        let blocked = {
            let state = lock(&self.locks.state);
            let mut others = state.others(self.id);
            match others.find(|(_, holding)| holding.writes(table, row)) {
                Some((by, holding)) => Blocked {
                    by,
                    version: holding.standing.version,
                    overlap,
                },
                None => {
                    let by = state.overtaken(self.id, |ended| ended.footprint.has_row(table, row));
                    return Ok(by.map(|by| Overtaken { by, overlap }));
                }
            }
        };
        let (by, overlap) = (blocked.by, blocked.overlap.clone());
        let before = lock(&self.locks.state).standing(self.id);
        let committed = self.wait(blocked, &before, patience, std::time::Instant::now())?;
        Ok(committed.then_some(Overtaken { by, overlap }))
    }

    /// Gives back whatever was claimed since these were the changes: a savepoint, or nothing.
    pub fn give_back(&self, changes: Option<&Changes>) {
        let claim = changes.map(|changes| Claim::of(Arc::new(changes.savepoint())));
        let mut state = lock(&self.locks.state);
        state.versions += 1;
        let version = state.versions;
        if let Some(holding) = state.holders.get_mut(&self.id) {
            holding.standing = Standing { claim, version };
        }
        state.release(self.id, |_| true, false);
        drop(state);
        self.locks.tell();
    }

    /// Gives back what was only to be compared.
    fn back_to(&self, before: &Standing) {
        lock(&self.locks.state).withdraw(self.id, before);
        self.locks.tell();
    }

    /// The transaction is durable, and will be a commit of at least this height.
    pub fn went_ahead(self, height: u64) {
        let ended = self.locks.end(self.id, Some((None, height + 1)));
        drop(ended);
    }

    /// The transaction has been committed, as a commit of this height.
    pub fn committed(self, commit: CommitId, height: Option<u64>) {
        let height = height.map_or(0, |height| height + 1);
        let ended = self.locks.end(self.id, Some((Some(commit), height)));
        // What it held is given up when others may go on.
        drop(ended);
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let ended = self.locks.end(self.id, None);
        drop(ended);
        self.locks.tell();
    }
}
