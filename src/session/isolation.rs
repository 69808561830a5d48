//! What transactions see of each other, and what a statement does about somebody who was first.
//!
//! Two transactions add 1 to the same row; the second waits for the first, which then commits. Under read committed the second
//! statement runs again, on what is there now; under snapshot isolation it ends with 40001.
//!
//! Invariants: a statement runs again only if nothing of it can have been seen.
//!
//! Does not: take locks; see [`super::locking`].

use std::fmt;

use gobi_grammar::ast;

/// Isolation levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Every statement reads what is committed when it begins.
    ReadCommitted,
    /// All statements read what was committed when the transaction began.
    Snapshot,
    /// The same, and what was read must not have changed by the time of the commit.
    Serializable,
}

impl Isolation {
    /// As it is written after SET, in any case; `repeatable read` is another name for snapshot.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split([' ', '_']).filter(|word| !word.is_empty()).collect();
        match words.join(" ").to_ascii_lowercase().as_str() {
            "read committed" | "read uncommitted" => Some(Self::ReadCommitted),
            "snapshot" | "repeatable read" => Some(Self::Snapshot),
            "serializable" => Some(Self::Serializable),
            _ => None,
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::ReadCommitted => "read committed",
            Self::Snapshot => "snapshot",
            Self::Serializable => "serializable",
        })
    }
}

impl From<ast::Isolation> for Isolation {
    fn from(level: ast::Isolation) -> Self {
        match level {
            ast::Isolation::ReadCommitted => Self::ReadCommitted,
            ast::Isolation::Snapshot => Self::Snapshot,
            ast::Isolation::Serializable => Self::Serializable,
        }
    }
}
