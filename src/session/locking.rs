//! The locks of a statement: claimed when its rows are staged, before anybody hears of it.
//!
//! `UPDATE t SET b = 1 WHERE a = 2` has staged a row in the place of another; it waits for whoever has written that row, and
//! is then done, or must run again (read committed), or is too late (40001).
//!
//! Invariants: what a statement staged becomes part of its transaction only when its locks are held and its keys are there
//! once. A statement that is to run again holds no more than before.
//!
//! Does not: keep locks; the store does.

use std::sync::Arc;
use std::time::Duration;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::Error;
use super::isolation::Isolation;
use super::store::store_error;
use crate::exec::CancelToken;
use crate::store::database::Database;
use crate::store::locks::{Claimed, Holder, LockError, Overtaken, Patience};
use crate::store::table::{Changes, CommitError, ConflictOn, Overlap, OverlapOn, Twice, find_twice, row_text};

/// A statement that wants its locks.
pub struct Locking<'a> {
    /// Where.
    pub database: &'a Database,
    /// On which branch.
    pub branch: &'a str,
    /// Whose.
    pub holder: &'a Holder,
    /// What the transaction has staged before.
    pub before: Option<&'a Changes>,
    /// What to do about somebody who was first.
    pub isolation: Isolation,
    /// Whether a key that another transaction has made meanwhile is a reason to try again, not an error of the user's.
    pub upserts: bool,
    /// At most so long; 0 is as long as it takes.
    pub timeout_ms: u64,
    /// What stops it.
    pub cancel: &'a CancelToken,
    /// Where the statement stands.
    pub span: Span,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Locked {
    /// The locks are held.
    Held,
    /// The statement is to run again, on top of what is committed now; new things get numbers that are at least this.
    Again(u64),
}

impl Locking<'_> {
    /// Locks what is staged; waits if it must.
    pub fn lock(&self, changes: &Arc<Changes>) -> Result<Locked, Error> {
        loop {
            match self.holder.claim(changes, &self.patience()) {
                Err(error) => return Err(self.failed(&error)),
                Ok(Claimed::Held) => {}
                Ok(Claimed::Overtaken(overtaken)) => match &overtaken.overlap.on {
                    OverlapOn::Number(least) => return Ok(Locked::Again(*least)),
                    _ if self.isolation == Isolation::ReadCommitted => return Ok(Locked::Again(0)),
                    // Whether the key is there to stay is the index's to say.
                    OverlapOn::Key(_) => continue,
                    _ => return Err(self.too_late(&overtaken)),
                },
            }
            // The commit that follows at once looks at the keys, too. Where others delete rows, one may be about to be free; and
            // if the statement is to run again for a key that is new, that must be known now.
            let again = self.upserts || self.isolation == Isolation::ReadCommitted;
            let met = self.database.meets_ahead(self.branch, changes);
            let met = met.map_err(|error| store_error(&error, self.span))?;
            if self.before.is_none() && !met && !self.holder.has_company(changes, !again) {
                return Ok(Locked::Held);
            }
            let Some(twice) = self.find_twice(changes)? else {
                return Ok(Locked::Held);
            };
            if let Some(locked) = self.key_is_taken(&twice)? {
                return Ok(locked);
            }
        }
    }

    fn find_twice(&self, changes: &Changes) -> Result<Option<Twice>, Error> {
        let found = self
            .database
            .head(self.branch)
            .and_then(|newest| find_twice(changes, self.before, &newest));
        found.map_err(|error| {
            self.holder.give_back(self.before);
            store_error(&error, self.span)
        })
    }

    /// A key that is there already: for good, or in a row that somebody is about to delete. `None`: that one was rolled back,
    /// so the key is to be looked at again.
    fn key_is_taken(&self, twice: &Twice) -> Result<Option<Locked>, Error> {
        self.holder.give_back(self.before);
        let read_committed = self.isolation == Isolation::ReadCommitted;
        if twice.is_newer {
            if read_committed {
                return Ok(Some(Locked::Again(0)));
            }
            if twice.is_replaced {
                let row = Overlap {
                    name: twice.table.clone(),
                    on: OverlapOn::Row(twice.key.clone()),
                };
                return Err(self.conflict(format!("{row} was changed by {} in the meantime", self.by(twice))));
            }
            if self.upserts {
                let by = self.by(twice);
                return Err(self.conflict(format!("{twice}, made by {by} in the meantime")));
            }
        }
        let row = twice.row.filter(|_| !twice.is_newer);
        if let Some(row) = row {
            let overlap = Overlap {
                name: twice.table.clone(),
                on: OverlapOn::Row(twice.key.clone()),
            };
            let patience = self.patience();
            let was_written = self.holder.is_written(twice.id, row);
            let waited = self.holder.await_row(overlap, (twice.id, row), &patience);
            match waited.map_err(|error| self.failed(&error))? {
                Some(_) if read_committed => return Ok(Some(Locked::Again(0))),
                Some(overtaken) => return Err(self.too_late(&overtaken)),
                None if was_written => return Ok(None),
                None => {}
            }
        }
        Err(Error::new(Diagnostic::new("23505", self.span, twice.to_string())))
    }

    /// Who has written the row that has the key.
    fn by(&self, twice: &Twice) -> String {
        let by = twice.by.and_then(|commit| self.database.locks().transaction_of(commit));
        by.map_or_else(|| "another transaction".to_string(), |by| by.to_string())
    }

    fn patience(&self) -> Patience<'_> {
        Patience {
            cancelled: Box::new(|| self.cancel.is_cancelled()),
            timeout: (self.timeout_ms > 0).then(|| Duration::from_millis(self.timeout_ms)),
        }
    }

    fn too_late(&self, overtaken: &Overtaken) -> Error {
        self.conflict(overtaken.to_string())
    }

    fn conflict(&self, message: String) -> Error {
        let help = "roll back, and try the transaction again";
        Error::new(Diagnostic::new("40001", self.span, message).with_help(help))
    }

    fn failed(&self, error: &LockError) -> Error {
        let (code, help) = match error {
            LockError::Store(error) => return store_error(error, self.span),
            LockError::Deadlock { .. } => (
                "40P01",
                "roll back, and try the transaction again; the other one goes on",
            ),
            LockError::InTheWay { .. } => ("55P03", "end the transaction of that connection first"),
            LockError::Timeout { .. } => (
                "55P03",
                "SHOW LOCKS tells who holds what; `SET lock_timeout = off` waits on",
            ),
            LockError::Cancelled { .. } => ("57014", ""),
        };
        let diagnostic = Diagnostic::new(code, self.span, error.to_string());
        Error::new(match help {
            "" => diagnostic,
            help => diagnostic.with_help(help),
        })
    }
}

/// What a commit reports that was refused; `changes` are what it was of.
pub fn commit_error(database: &Database, changes: &Changes, error: &CommitError, span: Span) -> Error {
    let conflict = match error {
        CommitError::Store(error) => return store_error(error, span),
        CommitError::Duplicate { .. } => return Error::new(Diagnostic::new("23505", span, error.to_string())),
        CommitError::Conflict(conflict) => conflict,
    };
    let by = conflict.by.and_then(|commit| database.locks().transaction_of(commit));
    let message = match (&conflict.on, by) {
        (_, None) => error.to_string(),
        (ConflictOn::Row(row), Some(by)) => {
            let entry = changes.base().catalog().entries();
            let id = entry
                .filter(|entry| entry.entity.name() == conflict.table)
                .map(|entry| entry.id);
            let text = id.last().and_then(|id| row_text(changes.base(), id, *row).ok());
            let on = OverlapOn::Row(text.unwrap_or_default());
            let name = conflict.table.clone();
            let overlap = Overlap { name, on };
            Overtaken { by, overlap }.to_string()
        }
        (_, Some(by)) => format!("{error}, which is {by}"),
    };
    let help = "try the transaction again";
    Error::new(Diagnostic::new("40001", span, message).with_help(help))
}
