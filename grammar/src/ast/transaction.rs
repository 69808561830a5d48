//! Transactions.
//!
//! `ROLLBACK TO s` goes back to a savepoint, `ROLLBACK TO '1 hour ago'` to a commit.
//!
//! Invariants: a bare name behind ROLLBACK TO is a savepoint; any other expression is a point in time.
//!
//! Does not: say what a level means.

use super::{Ident, When};

/// `BEGIN [READ ONLY] [ISOLATION LEVEL …]`, `START TRANSACTION …`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// `READ ONLY` (true) or `READ WRITE` (false).
    pub read_only: Option<bool>,
    /// `ISOLATION LEVEL …`.
    pub isolation: Option<Isolation>,
}

/// Isolation levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// `READ COMMITTED`, also `READ UNCOMMITTED`.
    ReadCommitted,
    /// `SNAPSHOT`, also `REPEATABLE READ`.
    Snapshot,
    /// `SERIALIZABLE`.
    Serializable,
}

/// `COMMIT [MESSAGE 'm']`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// What the log says of it.
    pub message: Option<String>,
}

/// `ROLLBACK [TO …]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Rollback {
    /// `ROLLBACK`, `ABORT`: the whole transaction.
    Transaction,
    /// `ROLLBACK TO [SAVEPOINT] s`.
    Savepoint(Ident),
    /// `ROLLBACK TO when`: a new commit with the state of an old one.
    To(When),
}
