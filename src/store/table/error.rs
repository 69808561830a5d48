//! Why there is no commit.
//!
//! `row 17179869187 of `t` changed in the meantime by commit 5f1c…` is a [`Conflict`]: whoever began later may try again.
//!
//! Invariants: a conflict names the table, and what of it; a duplicate the table, its constraint and the key.
//!
//! Does not: retry.

use std::sync::Arc;

use super::RowAddress;
use crate::store::StoreError;
use crate::store::object::CommitId;

/// Who commits, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Who.
    pub author: Arc<str>,
    /// Why.
    pub message: Arc<str>,
    /// Whether the message is somebody's own: then the commit is that transaction's alone.
    pub is_quoted: bool,
}

/// Why there is no commit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another transaction was first.
    #[error("{0}")]
    Conflict(Conflict),
    /// A key is there already.
    #[error("`{table}` has a row with {key} already, against `{constraint}`")]
    Duplicate {
        /// The table's name.
        table: String,
        /// The key's name.
        constraint: String,
        /// The values.
        key: String,
    },
}

/// What two transactions changed.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The table, or whatever it is, by name.
    pub table: String,
    /// What of it.
    pub on: ConflictOn,
    /// The commit that was first, if it is one of the last few thousand.
    pub by: Option<CommitId>,
}

/// What of a table two transactions changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConflictOn {
    /// A row that both deleted or replaced.
    Row(RowAddress),
    /// The definition.
    Definition,
    /// Both made something of this name.
    Name,
    /// All rows, of which one changed some and the other deleted all.
    AllRows,
    /// Rows that a foreign key leads to, or comes from.
    Related,
    /// Anything at all.
    Branch,
    /// A row that a serializable transaction has read, or would read now; without one, the definition.
    Read {
        /// Where it is.
        row: Option<RowAddress>,
        /// The values of its primary key, as `(id) = (2)`.
        key: String,
    },
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.on {
            ConflictOn::Row(row) => write!(out, "row {} of `{}`", row.0, self.table)?,
            ConflictOn::Definition => write!(out, "the definition of `{}`", self.table)?,
            ConflictOn::Name => write!(out, "the name `{}`", self.table)?,
            ConflictOn::AllRows => write!(out, "the rows of `{}`", self.table)?,
            ConflictOn::Branch => out.write_str("the branch")?,
            ConflictOn::Related => write!(out, "rows of `{}` that a foreign key is about", self.table)?,
            ConflictOn::Read { row: None, .. } => write!(out, "the definition of `{}`, which was read,", self.table)?,
            ConflictOn::Read { key, .. } if key.is_empty() => {
                write!(out, "a row of `{}` that this transaction has read", self.table)?;
            }
            ConflictOn::Read { key, .. } => {
                let table = &self.table;
                write!(
                    out,
                    "the row with key {key} of `{table}`, which this transaction has read,"
                )?;
            }
        }
        out.write_str(" changed in the meantime")?;
        match self.by {
            Some(commit) => write!(out, " by commit {commit}"),
            None => Ok(()),
        }
    }
}
