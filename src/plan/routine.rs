//! Functions and bodies of the language, names resolved and types checked: what `compile` makes code of.
//!
//! `function twice(x int) => x * 2` has one variable, `x`, which is its parameter, and the statement `return #0 * 2`, where `#0`
//! is a [`ColumnId`] that counts the routine's variables.
//!
//! Invariants: every expression mentions variables of its own routine only; a variable has a value wherever it is read; what
//! is assigned has the variable's type; a variable that is never assigned a NULL is not nullable.
//!
//! Does not: say how anything was written; `procedure` makes these from syntax trees.

use gobi_grammar::ast::Span;

use super::logical::{ColumnId, Expr};
use crate::types::LogicalType;

/// A routine of a [`Program`], as calls name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoutineId(pub u32);

/// Routines that may call each other, addressed by [`RoutineId`].
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The routines.
    pub routines: Vec<Routine>,
}

/// A function for arguments of certain types, or a body.
#[derive(Clone, Debug, Default)]
pub struct Routine {
    /// Its name.
    pub name: String,
    /// Its variables, addressed by [`ColumnId`]; the parameters come first.
    pub variables: Vec<Variable>,
    /// How many of them are parameters.
    pub params: usize,
    /// Type of what it gives, and whether that may be NULL; `None`: nothing.
    pub result: Option<(LogicalType, bool)>,
    /// What it does.
    pub body: Vec<Statement>,
    /// It may call itself.
    pub recursive: bool,
    /// It calls out: statements of SQL, or errors that are thrown and caught.
    pub effects: bool,
}

/// A variable of a routine.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name; empty for one that the checker made.
    pub name: String,
    /// Its type.
    pub ty: LogicalType,
    /// May be NULL.
    pub nullable: bool,
}

/// A statement of a routine.
#[derive(Clone, Debug)]
pub enum Statement {
    /// Assigns a variable.
    Set(ColumnId, Expr),
    /// Computes something for its errors and effects.
    Eval(Expr),
    /// The first arm whose condition is true.
    If {
        /// Conditions and what is done.
        arms: Vec<(Expr, Vec<Statement>)>,
        /// Else.
        otherwise: Vec<Statement>,
    },
    /// As long as the condition is true.
    While {
        /// Done before each test.
        before: Vec<Statement>,
        /// The test.
        condition: Expr,
        /// The body.
        body: Vec<Statement>,
    },
    /// For the integers from `start`, `step` apart, before `stop`.
    Range {
        /// The variable, bigint.
        variable: ColumnId,
        /// The first.
        start: Expr,
        /// Not reached.
        stop: Expr,
        /// The distance, not 0.
        step: Expr,
        /// The body.
        body: Vec<Statement>,
        /// Where it stands.
        span: Span,
    },
    /// Leaves the routine.
    Return(Option<Expr>),
    /// Leaves the loop.
    Break,
    /// Goes on with the loop.
    Continue,
    /// Asks the session for something; what it gives goes into variables.
    Ask {
        /// Which question, among those of the body.
        question: usize,
        /// The values that it needs.
        given: Vec<ColumnId>,
        /// Where the answers go.
        taken: Vec<ColumnId>,
        /// Where it stands.
        span: Span,
    },
    /// Asks for one row after another, until there is none.
    Rows {
        /// Which question.
        question: usize,
        /// The values that it needs.
        given: Vec<ColumnId>,
        /// The columns of a row.
        taken: Vec<ColumnId>,
        /// The body.
        body: Vec<Statement>,
        /// Where it stands.
        span: Span,
    },
    /// Fails.
    Throw {
        /// The exception's name.
        code: Expr,
        /// What it says.
        message: Expr,
        /// Where it stands.
        span: Span,
    },
    /// Does something, and something else if that fails.
    Try {
        /// What may fail.
        body: Vec<Statement>,
        /// Where the error's code, message and line go.
        caught: [ColumnId; 3],
        /// What is done then.
        handler: Vec<Statement>,
    },
    /// Fails with the error that was caught last.
    Rethrow,
}
