//! The lock table as rows: who holds, and who waits.
//!
//! `transaction 3 holds 2 rows of orders since 12:00:01, UPDATE orders …`; `transaction 5 waits for transaction 3 …`.
//!
//! Invariants: a moment's picture, taken under the table's mutex.
//!
//! Does not: format times.

use super::wait::one_line;
use super::{Locks, TxnId, lock};

/// A line of the table.
#[derive(Clone, Debug)]
pub struct LockLine {
    /// Whose.
    pub id: TxnId,
    /// On which branch.
    pub branch: String,
    /// The table, or what else it is.
    pub table: String,
    /// `row`, `key`, `table` or `name`.
    pub mode: &'static str,
    /// Rows deleted or replaced.
    pub rows: u64,
    /// Rows appended.
    pub appended: u64,
    /// The key that is waited for.
    pub key: String,
    /// For whom it waits; who holds, does not.
    pub waits_for: Option<TxnId>,
    /// The statement that changes something, or did so last.
    pub statement: String,
    /// Since when, in microseconds since the epoch: the statement runs, or the wait goes on.
    pub since_us: i64,
}

impl Locks {
    /// Who holds what, and who waits; in the order of the transactions' numbers.
    pub fn lines(&self) -> Vec<LockLine> {
        let state = lock(&self.state);
        let mut lines = Vec::new();
        for (id, holding) in &state.holders {
            let line = |table: &str, mode| LockLine {
                id: *id,
                branch: holding.branch.to_string(),
                table: table.to_string(),
                mode,
                rows: 0,
                appended: 0,
                key: String::new(),
                waits_for: None,
                statement: one_line(&holding.statement),
                since_us: holding.since_us,
            };
            for touched in holding.standing.claim.iter().flat_map(|claim| claim.footprint.lines()) {
                let mode = if touched.whole { "table" } else { "row" };
                lines.push(LockLine {
                    rows: touched.rows,
                    appended: touched.appended,
                    ..line(&touched.name, mode)
                });
            }
            if let Some(wait) = holding.waits.as_ref().filter(|wait| wait.over.is_none()) {
                let overlap = &wait.overlap;
                lines.push(LockLine {
                    key: overlap.on.key().to_string(),
                    waits_for: Some(wait.on),
                    since_us: wait.since_us,
                    ..line(&overlap.name, overlap.on.mode())
                });
            }
        }
        lines
    }
}
