//! Statements about the session and the database as a whole: prepared statements, attached databases, upkeep.
//!
//! `EXECUTE p (1, batch: 5)` is an [`Execute`] with a positional and a named [`Argument`].
//!
//! Invariants: none beyond those of [`super`].
//!
//! Does not: decide whether EXECUTE names a prepared statement or an attached script.

use super::{Expr, Ident, ObjectKind, Path, Span, Statement, TypeName};

/// `PREPARE name [(types)] AS statement`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// Its name.
    pub name: Ident,
    /// Types of its parameters, as far as they are given.
    pub types: Vec<TypeName>,
    /// What is prepared.
    pub statement: Box<Statement>,
}

/// `EXECUTE name [(arguments)]`: a prepared statement, or an attached script.
#[derive(Clone, Debug, PartialEq)]
pub struct Execute {
    /// Which.
    pub name: Path,
    /// In the order of the text.
    pub args: Vec<Argument>,
}

/// An argument: `1` or `batch: 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The parameter's name, if it is given.
    pub name: Option<Ident>,
    /// Its value.
    pub value: Expr,
}

/// `DEALLOCATE name | ALL`.
#[derive(Clone, Debug, PartialEq)]
pub struct Deallocate {
    /// None: all of them.
    pub name: Option<Ident>,
}

/// `ATTACH 'x.gobi' [AS a] [READ ONLY]`, `ATTACH name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attach {
    /// What.
    pub source: AttachSource,
    /// The name it goes by; none: one made from the source.
    pub alias: Option<Ident>,
    /// `READ ONLY`.
    pub read_only: bool,
}

/// What is attached.
#[derive(Clone, Debug, PartialEq)]
pub enum AttachSource {
    /// A file, a folder, a script or a URL.
    Path(String, Span),
    /// A daemon that is mounted under this name.
    Name(Ident),
}

/// `DETACH [IF EXISTS] name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Detach {
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Which.
    pub name: Ident,
}

/// `DESCRIBE kind name`, for what is no relation.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeObject {
    /// What kind of object.
    pub kind: ObjectKind,
    /// Which.
    pub name: Path,
}

/// `ANALYZE [t [(columns)]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Analyze {
    /// None: all tables.
    pub table: Option<Path>,
    /// Empty: all.
    pub columns: Vec<Ident>,
}

/// `VACUUM [t]`, `CHECKPOINT`, `COMPACT [t]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintain {
    /// What is done.
    pub task: MaintainTask,
    /// None: the whole database.
    pub table: Option<Path>,
}

/// Upkeep that a user may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaintainTask {
    /// `VACUUM`: removes what nothing refers to.
    Vacuum,
    /// `CHECKPOINT`: writes the head out.
    Checkpoint,
    /// `COMPACT`: merges small segments.
    Compact,
}

/// `CACHE STATS`, `CACHE CLEAR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// `STATS`: its counters, as rows.
    Stats,
    /// `CLEAR`: empties it.
    Clear,
}
