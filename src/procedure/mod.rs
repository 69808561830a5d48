//! The language's functions and bodies: from syntax trees to checked routines, and to what a session has to answer.
//!
//! `function twice(x) => x * 2` is kept as a [`Definition`]; the call `twice(1.5)` makes a routine of it for a decimal, which
//! `compile` turns into code; a second call with a decimal finds the same routine.
//!
//! The walk of a body: [`check`] gives every name a variable and every expression a type, statement by statement, by the binder
//! of `plan`; what only a session can do (a query, a change of data) becomes a [`Question`]; the result is a
//! [`plan::routine::Program`](crate::plan::routine::Program). The lowering to IR is in [`compile::routine`](crate::compile::routine),
//! beside that of queries, so that one place knows what an expression becomes, and a query gets a function into the module
//! of its kernel.
//!
//! Invariants: nothing runs before the whole body is checked; a routine is made once for each list of argument types; a variable
//! has a value wherever it is read.
//!
//! Does not: run anything, keep definitions, or know databases; `session` does, through [`Definitions`] and [`Question`].

// The walk through this room names its private modules; readers of the source follow it.
#![allow(rustdoc::private_intra_doc_links)]

mod check;
mod instances;
mod params;
mod question;

use std::collections::HashSet;
use std::sync::Arc;

use gobi_grammar::Dialect;
use gobi_grammar::ast;

pub use check::{
    CALLED, Callable, Checked, CheckedTrigger, Given, RowInput, RowOutput, SKIPPED, TriggerOf, check_body,
    check_definition, check_trigger,
};
pub use instances::Instances;
pub use question::{Question, QuestionKind};

/// A function or procedure as it was written.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name, case preserved.
    pub name: String,
    /// Its syntax tree.
    pub routine: ast::Routine,
    /// How its text is to be read.
    pub dialect: Dialect,
}

impl Definition {
    /// The words of its text, in lower case.
    pub fn words(&self) -> HashSet<String> {
        let statement = ast::Statement {
            kind: ast::StatementKind::Routine(Box::new(self.routine.clone())),
            span: ast::Span::default(),
        };
        words_of(&statement, self.dialect)
    }

    /// Whether it names the row, or the rows, of a trigger, so that it can be checked for the tables of triggers only.
    pub fn is_of_triggers(&self) -> bool {
        let words = self.words();
        OF_TRIGGERS.iter().any(|word| words.contains(*word))
    }
}

/// Words that have a meaning in the body of a trigger.
const OF_TRIGGERS: &[&str] = &[
    "new",
    "old",
    "new_rows",
    "old_rows",
    "tg_op",
    "tg_name",
    "tg_table_name",
    "skip",
];

/// The words of a statement, in lower case: what it may mention is among them.
fn words_of(statement: &ast::Statement, dialect: Dialect) -> HashSet<String> {
    let text = gobi_grammar::print(std::slice::from_ref(statement), dialect);
    let tokens = gobi_grammar::scan::tokens(&text, dialect);
    let word = |token: &gobi_grammar::scan::Token| {
        let word = text.get(token.start..token.end).unwrap_or_default();
        word.trim_matches(['`', '"']).to_lowercase()
    };
    tokens.iter().map(word).collect()
}

/// Where functions and procedures are found by name; the session implements it.
pub trait Definitions: std::fmt::Debug {
    /// The one of that name, whatever its case.
    fn find(&self, name: &str) -> Option<Arc<Definition>>;

    /// The names of all.
    fn names(&self) -> Vec<String>;

    /// What an exception says where THROW gives no message.
    fn exception(&self, _name: &str) -> Option<String> {
        None
    }
}

/// None.
#[derive(Debug, Default)]
pub struct NoDefinitions;

impl Definitions for NoDefinitions {
    fn find(&self, _: &str) -> Option<Arc<Definition>> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
