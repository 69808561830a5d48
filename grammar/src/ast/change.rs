//! Statements that change rows.
//!
//! `INSERT INTO t VALUES (1, DEFAULT)` is an [`Insert`] whose source is [`InsertSource::Values`] with one row of two
//! [`Assigned`] values.
//!
//! Invariants: DEFAULT is a value of its own only where a column is assigned; anywhere else the word is a name.
//!
//! Does not: know which columns a table has.

use super::{Cte, Expr, Ident, Path, Query, SelectItem, Span, TableRef};

/// `WITH [RECURSIVE] …` before a statement that changes rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct With {
    /// `RECURSIVE`.
    pub recursive: bool,
    /// Empty where there is no WITH.
    pub ctes: Vec<Cte>,
}

/// The table that is changed, and the name it goes by in the statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Which.
    pub table: Path,
    /// `AS t`.
    pub alias: Option<Ident>,
    /// Where.
    pub span: Span,
}

/// What a column is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned {
    /// `DEFAULT`.
    Default(Span),
    /// A value.
    Value(Expr),
}

/// `INSERT INTO target [(columns)] source [ON CONFLICT …] [RETURNING …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// `WITH …`.
    pub with: With,
    /// Into.
    pub target: Target,
    /// Empty: all, in the order of the table.
    pub columns: Vec<Ident>,
    /// The new rows.
    pub source: InsertSource,
    /// `ON CONFLICT …`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING …`; empty where there is none.
    pub returning: Vec<SelectItem>,
}

/// Where new rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertSource {
    /// `DEFAULT VALUES`: one row.
    DefaultValues,
    /// `VALUES (…), …` and nothing behind it.
    Values(Vec<Vec<Assigned>>),
    /// A query, SELECT or FROM first.
    Query(Box<Query>),
}

/// `ON CONFLICT [(columns)] DO …`.
#[derive(Clone, Debug, PartialEq)]
pub struct OnConflict {
    /// The key that is in conflict; empty: any.
    pub columns: Vec<Ident>,
    /// What then.
    pub action: ConflictAction,
    /// Where.
    pub span: Span,
}

/// What is done with a new row whose key is there already.
#[derive(Clone, Debug, PartialEq)]
pub enum ConflictAction {
    /// `DO NOTHING`.
    Nothing,
    /// `DO UPDATE SET … [WHERE …]`.
    Update {
        /// `SET …`.
        set: Vec<Assignment>,
        /// `WHERE …`.
        filter: Option<Expr>,
    },
}

/// `UPSERT INTO target [(columns)] [KEY (columns)] source [RETURNING …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Upsert {
    /// `WITH …`.
    pub with: With,
    /// Into.
    pub target: Target,
    /// Empty: all, in the order of the table.
    pub columns: Vec<Ident>,
    /// `KEY (…)`; empty: the table's primary key.
    pub key: Vec<Ident>,
    /// The rows.
    pub source: InsertSource,
    /// `RETURNING …`.
    pub returning: Vec<SelectItem>,
}

/// `UPDATE target SET … [FROM …] [WHERE …] [RETURNING …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `WITH …`.
    pub with: With,
    /// What is changed.
    pub target: Target,
    /// `SET …`, at least one.
    pub set: Vec<Assignment>,
    /// `FROM …`.
    pub from: Vec<TableRef>,
    /// `WHERE …`.
    pub filter: Option<Expr>,
    /// `RETURNING …`.
    pub returning: Vec<SelectItem>,
}

/// One item of SET.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// What.
    pub kind: AssignmentKind,
    /// Where.
    pub span: Span,
}

impl Assignment {
    /// The names of the columns that it sets.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let (path, list): (&[Ident], &[Ident]) = match &self.kind {
            AssignmentKind::One { column, .. } => (column.get(..1).unwrap_or_default(), &[]),
            AssignmentKind::Row { columns, .. } | AssignmentKind::Query { columns, .. } => (&[], columns),
        };
        path.iter().chain(list).map(|name| name.text.as_str())
    }
}

/// The forms of an assignment.
#[derive(Clone, Debug, PartialEq)]
pub enum AssignmentKind {
    /// `c = e`; a longer path names a field of a struct.
    One {
        /// Assigned to.
        column: Path,
        /// Its new value.
        value: Assigned,
    },
    /// `(a, b) = (e, f)`: as many values as columns.
    Row {
        /// Assigned to.
        columns: Vec<Ident>,
        /// Their new values.
        values: Vec<Assigned>,
    },
    /// `(a, b) = (query)`.
    Query {
        /// Assigned to.
        columns: Vec<Ident>,
        /// Gives one row.
        query: Box<Query>,
    },
}

/// `DELETE FROM target [USING …] [WHERE …] [RETURNING …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// `WITH …`.
    pub with: With,
    /// From.
    pub target: Target,
    /// `USING …`.
    pub using: Vec<TableRef>,
    /// `WHERE …`.
    pub filter: Option<Expr>,
    /// `RETURNING …`.
    pub returning: Vec<SelectItem>,
}

/// `MERGE INTO target USING source ON … WHEN … [RETURNING …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// `WITH …`.
    pub with: With,
    /// Into.
    pub target: Target,
    /// `USING …`.
    pub source: TableRef,
    /// `ON …`.
    pub on: Expr,
    /// `WHEN …`, at least one; the first that holds is taken.
    pub clauses: Vec<MergeClause>,
    /// `RETURNING …`.
    pub returning: Vec<SelectItem>,
}

/// `WHEN … [AND e] THEN action`.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeClause {
    /// Which rows.
    pub rows: MergeRows,
    /// `AND e`.
    pub filter: Option<Expr>,
    /// What then.
    pub action: MergeAction,
    /// Where.
    pub span: Span,
}

/// The rows that a WHEN is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRows {
    /// `MATCHED`: pairs.
    Matched,
    /// `NOT MATCHED [BY TARGET]`: rows of the source without a partner.
    NotMatched,
    /// `NOT MATCHED BY SOURCE`: rows of the target without a partner.
    NotMatchedBySource,
}

/// What MERGE does with a row.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeAction {
    /// `UPDATE SET …`.
    Update(Vec<Assignment>),
    /// `DELETE`.
    Delete,
    /// `INSERT [(columns)] VALUES (…)`.
    Insert {
        /// Empty: all, in the order of the table.
        columns: Vec<Ident>,
        /// The row.
        values: Vec<Assigned>,
    },
    /// `INSERT DEFAULT VALUES`.
    InsertDefaults,
    /// `DO NOTHING`.
    Nothing,
}

/// `COPY table [(columns)] FROM 'file' [(options)]`, also `COPY 'file' TO table`.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyFrom {
    /// Into.
    pub table: Path,
    /// Empty: all.
    pub columns: Vec<Ident>,
    /// The file's path, or a pattern.
    pub source: String,
    /// Where the path stands.
    pub source_span: Span,
    /// As of [`super::Copy`].
    pub options: Vec<(Ident, Expr)>,
}
