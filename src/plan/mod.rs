//! From syntax tree to a typed, optimised logical plan, and from there to physical pipelines.
//!
//! Does not: read files; what relations exist, and what is known of them, comes through a [`TableResolver`].

pub mod access;
mod bind;
pub mod change;
pub mod constant;
mod distinct;
pub mod estimate;
pub mod eval;
pub mod explain;
pub mod logical;
pub mod physical;
pub mod properties;
mod rules;
#[cfg(test)]
mod tests;
mod walk;

use gobi_grammar::{Diagnostic, Dialect, ast};

use crate::types::{Field, LogicalType, TableStats, Value};
use logical::TableId;

/// What the planner may know of a relation.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// Name shown in plans.
    pub name: String,
    /// Columns; the last [`TableInfo::system_columns`] are the engine's own.
    pub schema: Vec<Field>,
    /// How many of the columns no `*` shows. One that is called [`LIVE_COLUMN`] says which rows there are.
    pub system_columns: usize,
    /// Statistics, one entry per column.
    pub stats: TableStats,
}

/// The system column that is false for rows that were deleted.
pub const LIVE_COLUMN: &str = "_live";

/// The system column that is the address of a row.
pub const ROW_COLUMN: &str = "_row";

/// What a name stands for.
#[derive(Debug)]
pub enum Named {
    /// Rows that can be scanned.
    Table(TableId),
    /// A query of its own.
    View(Box<View>),
}

/// A named query.
#[derive(Debug)]
pub struct View {
    /// What it shows.
    pub query: ast::Query,
    /// How its text is to be read.
    pub dialect: Dialect,
    /// Its columns' names; fewer leave the rest as they are.
    pub columns: Vec<String>,
}

/// A moment of the timeline, as it was named.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A commit, by its hash or the beginning of it.
    Commit(String),
    /// A tag.
    Tag(String),
    /// The newest commit of a branch.
    Branch(String),
    /// A time as text: ISO 8601, or `1 hour ago`.
    Text(String),
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    Micros(i64),
}

/// Where the binder finds relations; the session implements it.
pub trait TableResolver {
    /// A relation by its name parts, as it is or as it was; `None` if there is none.
    fn by_name(&mut self, parts: &[&str], as_of: Option<&Point>) -> Result<Option<Named>, ResolveError>;

    /// A file, glob or URL as a relation.
    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError>;

    /// The query of a view is bound from here on: what it names, the statement does not name itself.
    fn enter_view(&mut self) {}

    /// The query of a view ends.
    fn leave_view(&mut self) {}

    /// Indexes of a relation.
    fn indexes(&self, _table: TableId) -> Vec<access::Index> {
        Vec::new()
    }

    /// Another relation, of the same columns, that has those rows which an index finds, perhaps with others; `None` if a scan
    /// of all rows is as good. `one`: each of the wanted has one row at most.
    fn pick(&mut self, _: TableId, _: &access::Index, _: &[access::Wanted], _one: bool) -> Option<TableId> {
        None
    }

    /// A relation resolved before.
    fn info(&self, table: TableId) -> &TableInfo;

    /// What a parameter stands for; `None` if there is none of that name.
    fn parameter(&self, _name: &str) -> Option<Parameter> {
        None
    }

    /// Names that exist, for suggestions.
    fn names(&self) -> Vec<String>;
}

/// What a parameter of a prepared statement stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The value.
    pub value: Value,
    /// Its type; a text takes the type of its context, as a literal does.
    pub ty: LogicalType,
}

/// Why a relation cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ResolveError {
    /// SQLSTATE.
    pub code: &'static str,
    /// What.
    pub message: String,
}

/// Resolves names and types. What it returns cannot fail to type; all errors of the query are reported at once.
pub fn bind(
    query: &ast::Query,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<logical::Query, Vec<Diagnostic>> {
    bind::bind(query, dialect, tables)
}

/// The same for rows that go into columns: the result has exactly these types, converted as by a cast.
pub fn bind_into(
    query: &ast::Query,
    wanted: &[Field],
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<logical::Query, Vec<Diagnostic>> {
    bind::bind_into(query, wanted, dialect, tables)
}

/// Binds a statement that changes rows as a query that says how: see [`change::Layout`].
pub fn bind_change(
    change: &change::Change<'_>,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<(logical::Query, change::Layout), Vec<Diagnostic>> {
    bind::change::bind(change, dialect, tables)
}

/// Rewrites a bound query into an equivalent, cheaper one.
pub fn optimize(query: logical::Query, tables: &mut dyn TableResolver) -> logical::Query {
    rules::optimize(query, tables)
}
