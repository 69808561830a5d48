//! What a body asks its session.
//!
//! `let n = (SELECT count(*) FROM t WHERE a = x)` asks with the value of `x`, and takes one value.
//!
//! Invariants: the questions of a program are numbered; a loop over rows has three in a row: open, next, close.
//!
//! Does not: answer.

use std::sync::Arc;

use gobi_grammar::Dialect;
use gobi_grammar::ast::{self, Span};

use super::Definition;
use crate::types::{Field, LogicalType};

/// What a body asks.
#[derive(Clone, Debug)]
pub struct Question {
    /// What.
    pub kind: QuestionKind,
    /// Variables whose values come with it: name and type.
    pub given: Vec<(String, LogicalType)>,
    /// Types of the answer.
    pub taken: Vec<LogicalType>,
    /// How its text is to be read.
    pub dialect: Dialect,
    /// Functions of the body that it may call.
    pub functions: Vec<Arc<Definition>>,
}

impl Question {
    /// Where it stands; `None` if it is only a part of what stands before it.
    pub fn span(&self) -> Option<Span> {
        match &self.kind {
            QuestionKind::Row(query, _)
            | QuestionKind::Exists(query)
            | QuestionKind::Open(query, _)
            | QuestionKind::Stream(query, _)
            | QuestionKind::Show(query) => Some(query.span),
            QuestionKind::Run(statement) => Some(statement.span),
            QuestionKind::Rows { span, .. } => Some(*span),
            QuestionKind::Spawn(call) => Some(call.span),
            _ => None,
        }
    }
}

impl QuestionKind {
    /// Whether it can be asked for the rows of a query: it changes nothing, shows nothing, and starts nothing.
    pub fn only_reads(&self) -> bool {
        !matches!(
            self,
            QuestionKind::Run(_)
                | QuestionKind::Rows { .. }
                | QuestionKind::Show(_)
                | QuestionKind::ShowArray(_)
                | QuestionKind::Spawn(_)
                | QuestionKind::Await
        )
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            QuestionKind::Run(_) | QuestionKind::Rows { .. } | QuestionKind::Savepoint
        )
    }
}

/// The kinds of question.
#[derive(Clone, Debug)]
pub enum QuestionKind {
    /// The only row of a query, or NULLs.
    Row(Box<ast::Query>, Vec<Field>),
    /// Whether a query has a row.
    Exists(Box<ast::Query>),
    /// Begins a query whose rows are asked for one by one.
    Open(Box<ast::Query>, Vec<Field>),
    /// Begins a stream, whose number is given back.
    Stream(Box<ast::Query>, Vec<Field>),
    /// Whether a stream has more rows.
    HasNext,
    /// So many rows of a stream, or a batch.
    Batch,
    /// A stream is given up.
    GiveUp,
    /// Begins a loop over what is left of a stream.
    Follow,
    /// The next row.
    Next,
    /// No more rows are wanted.
    Close,
    /// A statement that changes something.
    Run(Box<ast::Statement>),
    /// Rows that are collected, and added together.
    Rows {
        /// The table.
        table: ast::Path,
        /// Columns that the values go into.
        columns: Vec<Field>,
        /// The INSERT.
        span: ast::Span,
    },
    /// Nothing but that rows which were collected are added now.
    Flush,
    /// A query whose rows are shown.
    Show(Box<ast::Query>),
    /// An array whose elements are shown, as rows of these columns.
    ShowArray(Vec<Field>),
    /// Begins something that may be undone.
    Savepoint,
    /// It is not undone.
    Keep,
    /// It is.
    Undo,
    /// Begins a call that runs by itself.
    Spawn(Box<ast::Expr>),
    /// Waits for the value of one.
    Await,
}
