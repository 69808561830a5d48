//! The PEG itself: pest turns the `.pest` files of this crate into [`Rule`] and [`Script`].
//!
//! For example `SELECT a + 1` becomes `query_stmt(query(query_term(select_clause(…))))`.
//!
//! Invariants: all keyword rules lie between `kw_abort` and `kw_zone`, in the order of `keywords.pest`.
//!
//! Does not: build trees; see [`crate::parser`].
#![allow(missing_docs)]

#[derive(pest_derive::Parser)]
#[grammar = "keywords.pest"]
#[grammar = "lexical.pest"]
#[grammar = "expr.pest"]
#[grammar = "query.pest"]
#[grammar = "ddl.pest"]
#[grammar = "dml.pest"]
#[grammar = "transaction.pest"]
#[grammar = "timeline.pest"]
#[grammar = "session.pest"]
#[grammar = "procedure.pest"]
#[grammar = "trigger.pest"]
#[grammar = "automation.pest"]
#[grammar = "statement.pest"]
pub struct Script;
