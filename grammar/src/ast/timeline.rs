//! The timeline: points in time, relations as they were, snapshots, branches, watermarks.
//!
//! `t AS OF COMMIT 'ab12'` is the relation `t` with a [`TableTime::AsOf`] whose [`When`] names a commit.
//!
//! Invariants: names of snapshots, branches and watermarks may be written as strings; such a name counts as quoted.
//!
//! Does not: resolve a time to a commit.

use super::{Expr, Ident, ObjectKind, Path, Span};

/// A point of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// What.
    pub kind: WhenKind,
    /// Where.
    pub span: Span,
}

/// How a point is named.
#[derive(Clone, Debug, PartialEq)]
pub enum WhenKind {
    /// Epoch seconds, an ISO string, `'1 hour ago'`, or another expression.
    At(Box<Expr>),
    /// `COMMIT 'ab12'`: by its hash or the beginning of it.
    Commit(String),
    /// `TAG 'q1'`, also `SNAPSHOT 'q1'`.
    Tag(String),
    /// `BRANCH 'b'`: the head of a branch.
    Branch(String),
}

/// What a relation shows of its history.
#[derive(Clone, Debug, PartialEq)]
pub enum TableTime {
    /// `AS OF when`.
    AsOf(When),
    /// `SINCE a [UNTIL b]`: rows last written then.
    Since {
        /// After.
        since: When,
        /// Up to and with; none: now.
        until: Option<When>,
    },
    /// `CHANGES SINCE a [UNTIL b]`: the change log.
    Changes {
        /// After.
        since: ChangesStart,
        /// Up to and with; none: now.
        until: Option<When>,
    },
}

/// Where a change log begins.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangesStart {
    /// At a point in time.
    When(When),
    /// `WATERMARK w`.
    Watermark(Ident),
}

/// `CREATE BRANCH [IF NOT EXISTS] b [FROM when]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateBranch {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Ident,
    /// Where it begins; none: here.
    pub from: Option<When>,
}

/// `CREATE SNAPSHOT [IF NOT EXISTS] 's' [AS OF when]`, also `SNAPSHOT 's' …`; `FROM when` is the same.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSnapshot {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Ident,
    /// What it names; none: the last commit.
    pub at: Option<When>,
}

/// `CREATE WATERMARK [IF NOT EXISTS] w ON t [AT when]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateWatermark {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Ident,
    /// Of.
    pub table: Path,
    /// Where it stands; none: here.
    pub at: Option<When>,
}

/// `MERGE BRANCH b [INTO c] [USING OURS | THEIRS]`.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeBranch {
    /// Whose changes.
    pub name: Ident,
    /// Into; none: the branch in use.
    pub into: Option<Ident>,
    /// What becomes of rows that both branches changed; none: they are conflicts.
    pub pick: Option<MergePick>,
}

/// Whose rows a merge takes where both branches changed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergePick {
    /// Those of the branch that is merged into.
    Ours,
    /// Those of the branch that is merged.
    Theirs,
}

/// `DIFF [t] BETWEEN when AND when`.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// None: all tables.
    pub table: Option<Path>,
    /// The earlier state.
    pub from: When,
    /// The later state.
    pub to: When,
}

/// `DIFF PROCEDURE p [BETWEEN when AND when]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffRoutine {
    /// A procedure, a function or a module.
    pub kind: ObjectKind,
    /// Which.
    pub name: Path,
    /// The earlier state and the later one; none: the version before the last one, and the last one.
    pub between: Option<(When, When)>,
}

/// `LOG [t] [LIMIT n]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// None: commits of all tables.
    pub table: Option<Path>,
    /// At most so many, newest first.
    pub limit: Option<Expr>,
}

/// `BLAME t [WHERE e]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Blame {
    /// Which table.
    pub table: Path,
    /// Which rows.
    pub filter: Option<Expr>,
}
