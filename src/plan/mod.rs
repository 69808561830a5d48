//! From syntax tree to a typed, optimised logical plan, and from there to physical pipelines.
//!
//! Does not: read files; what relations exist, and what is known of them, comes through a [`TableResolver`].

mod bind;
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

use crate::types::{Field, TableStats};
use logical::TableId;

/// What the planner may know of a relation.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// Name shown in plans.
    pub name: String,
    /// Columns.
    pub schema: Vec<Field>,
    /// Statistics, one entry per column.
    pub stats: TableStats,
}

/// Where the binder finds relations; the session implements it.
pub trait TableResolver {
    /// A relation by its name parts; `None` if there is none.
    fn by_name(&mut self, parts: &[&str]) -> Result<Option<TableId>, ResolveError>;

    /// A file, glob or URL as a relation.
    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError>;

    /// A relation resolved before.
    fn info(&self, table: TableId) -> &TableInfo;

    /// Names that exist, for suggestions.
    fn names(&self) -> Vec<String>;
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

/// Rewrites a bound query into an equivalent, cheaper one.
pub fn optimize(query: logical::Query, tables: &dyn TableResolver) -> logical::Query {
    rules::optimize(query, tables)
}
