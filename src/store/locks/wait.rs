//! Waiting for another transaction to end: the wait-for graph, and what ends a wait.
//!
//! Transaction 3 waits for 5, 5 waits for 8; when 8 is about to wait for 3, the circle is closed, and 8 gets the error. Where requests of
//! several connections are read one after the other, none of them waits for another: that could never be answered.
//!
//! Invariants: a transaction waits for one other at a time; when that gives anything back it looks again, so no edge of the
//! graph is older than what it was made for. Circles are found before a wait begins.
//!
//! Does not: decide who is right; see [`super::Claimed`].

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Blocked, Holder, LockError, Patience, Standing, State, TxnId, lock};
use crate::store::table::Overlap;

/// How often a transaction that waits looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(10);
/// Longer statements are cut in messages.
const MAX_TEXT: usize = 120;

/// That a transaction waits.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub on: TxnId,
    /// The claim of the other that stands in the way.
    pub version: u64,
    pub overlap: Overlap,
    pub since_us: i64,
    /// How it came out: whether the other has been committed.
    pub over: Option<bool>,
}

impl Holder {
    /// Gives back what is not to be held while waiting, and returns when the other has ended or given something back:
    /// whether it has been committed.
    pub(super) fn wait(
        &self,
        blocked: Blocked,
        before: &Standing,
        patience: &Patience<'_>,
        started: Instant,
    ) -> Result<bool, LockError> {
        let Blocked { by, version, overlap } = blocked;
        let mut state = lock(&self.locks.state);
        state.withdraw(self.id, before);
        self.locks.tell();
        if state
            .holders
            .get(&by)
            .is_none_or(|other| other.standing.version != version)
        {
            return Ok(false);
        }
        if let Some(theirs) = state.circle(self.id, by) {
            return Err(LockError::Deadlock {
                mine: state.text(self.id),
                overlap,
                other: by,
                theirs: state.text(theirs),
            });
        }
        if state.is_in_the_way(self.id, by) {
            return Err(LockError::InTheWay { by, overlap });
        }
        let wait = Wait {
            on: by,
            version,
            overlap: overlap.clone(),
            since_us: self.locks.clock.now_us(),
            over: None,
        };
        if let Some(mine) = state.holders.get_mut(&self.id) {
            mine.waits = Some(wait);
        }
        let ended = loop {
            let over = state.holders.get(&self.id).and_then(|mine| mine.waits.as_ref()?.over);
            if let Some(committed) = over {
                break Ok(committed);
            }
            if (patience.cancelled)() {
                break Err(LockError::Cancelled { by });
            }
            let left = patience
                .timeout
                .map(|timeout| timeout.saturating_sub(started.elapsed()));
            if let (Some(Duration::ZERO), Some(timeout)) = (left, patience.timeout) {
                let timeout_ms = timeout.as_millis();
                break Err(LockError::Timeout {
                    by,
                    overlap,
                    timeout_ms,
                });
            }
            let look = left.unwrap_or(LOOK).min(LOOK);
            // Counted under the mutex that whoever gives something back holds after this, or has held before.
            self.locks.waiting.fetch_add(1, Ordering::SeqCst);
            let woken = self.locks.freed.wait_timeout(state, look);
            self.locks.waiting.fetch_sub(1, Ordering::SeqCst);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        if let Some(mine) = state.holders.get_mut(&self.id) {
            mine.waits = None;
        }
        ended
    }
}

impl State {
    /// The transaction that waits for `id`, if who `id` is about to wait for comes to wait for it.
    fn circle(&self, id: TxnId, on: TxnId) -> Option<TxnId> {
        let mut at = on;
        loop {
            let wait = self.holders.get(&at)?.waits.as_ref()?;
            match wait.over {
                Some(_) => return None,
                None if wait.on == id => return Some(at),
                None => at = wait.on,
            }
        }
    }

    /// Whether who `id` is about to wait for, or whoever that waits for, comes after it in the same lane.
    fn is_in_the_way(&self, id: TxnId, on: TxnId) -> bool {
        let lane = self.holders.get(&id).and_then(|mine| mine.lane);
        let mut at = Some(on);
        while let Some(holding) = at.and_then(|at| self.holders.get(&at)).filter(|_| lane.is_some()) {
            if holding.lane == lane {
                return true;
            }
            let wait = holding.waits.as_ref().filter(|wait| wait.over.is_none());
            at = wait.map(|wait| wait.on);
        }
        false
    }

    /// Ends the waits for some claims of a transaction.
    pub(super) fn release(&mut self, id: TxnId, of: impl Fn(u64) -> bool, committed: bool) {
        for holding in self.holders.values_mut() {
            let wait = holding.waits.as_mut();
            if let Some(wait) = wait.filter(|wait| wait.on == id && of(wait.version)) {
                wait.over.get_or_insert(committed);
            }
        }
    }

    fn text(&self, id: TxnId) -> String {
        self.holders
            .get(&id)
            .map_or_else(String::new, |holding| one_line(&holding.statement))
    }
}

/// A statement on one line, cut where it is long.
pub(super) fn one_line(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
