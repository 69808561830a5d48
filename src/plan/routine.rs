//! Functions and bodies of the language, names resolved and types checked: what `compile` makes code of.
//!
//! `function twice(x int) => x * 2` has one variable, `x`, which is its parameter, and the statement `return #0 * 2`, where `#0`
//! is a [`ColumnId`] that counts the routine's variables.
//!
//! Invariants: every expression mentions variables of its own routine only; a variable has a value wherever it is read; what
//! is assigned has the variable's type; a variable that is never assigned a NULL is not nullable.
//!
//! Does not: say how anything was written; `procedure` makes these from syntax trees.

use std::collections::BTreeSet;

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
    /// Exceptions that may leave it.
    pub raises: Vec<String>,
    /// It calls out: statements of SQL, or errors that are thrown and caught.
    pub effects: bool,
}

/// A routine as the body of a loop over rows: which of its variables are columns.
#[derive(Clone, Debug, Default)]
pub struct RowShape {
    /// Variables that get their value from a column, for each row.
    pub inputs: Vec<ColumnId>,
    /// Variables whose value goes into a column.
    pub outputs: Vec<ColumnId>,
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
    /// It is an array, and no element of it is NULL.
    pub full: bool,
}

/// A step into an array, a struct or a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The element at the position that a bigint variable holds.
    Element(ColumnId),
    /// The field of this number.
    Field(usize),
    /// The value of the key that a variable holds; the entry is made where there is none.
    Key(ColumnId),
}

/// How many elements an array will have.
#[derive(Clone, Debug)]
pub struct Room {
    /// So many.
    pub count: Expr,
    /// Not fewer.
    pub exact: bool,
}

/// A statement of a routine.
#[derive(Clone, Debug)]
pub enum Statement {
    /// Assigns a variable.
    Set(ColumnId, Expr),
    /// Assigns a part of an array, struct or map.
    Store {
        /// The variable.
        variable: ColumnId,
        /// Where in it, from the outside in.
        path: Vec<Part>,
        /// The part.
        value: Expr,
        /// Where it stands.
        span: Span,
    },
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
    /// Begins an array that grows: nothing else reads the variable until it is complete.
    Begin {
        /// The variable.
        array: ColumnId,
        /// Counts its elements.
        count: ColumnId,
        /// How many there will be, where that is known.
        room: Option<Room>,
    },
    /// Adds an element.
    Append {
        /// The variable.
        array: ColumnId,
        /// Its counter.
        count: ColumnId,
        /// The element.
        value: Expr,
    },
    /// The array is complete: a value like any other.
    Complete {
        /// The variable.
        array: ColumnId,
        /// Its counter.
        count: ColumnId,
    },
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
    /// Hands values over as a row that is added to a table later, but before anything else is asked.
    Collect {
        /// Which question.
        question: usize,
        /// The values.
        given: Vec<ColumnId>,
        /// The same INSERT has a row behind it, with which it is added.
        more: bool,
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
    /// Gives back memory that none of these variables reaches, if much was taken since the routine began.
    Tidy {
        /// All variables that may hold a text, an array or a struct which was made since.
        variables: Vec<ColumnId>,
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
    /// Fails with the error whose message a handler around has put into this variable.
    Rethrow(ColumnId),
}

impl Program {
    /// The numbers of the questions that its routines ask.
    pub fn questions(&self) -> BTreeSet<usize> {
        self.routines.iter().flat_map(Routine::questions).collect()
    }
}

impl Routine {
    /// The numbers of the questions that its body asks.
    pub fn questions(&self) -> Vec<usize> {
        Statement::questions(&self.body)
    }
}

impl Statement {
    /// Calls `see` with each statement, and with those inside it.
    pub fn each(statements: &[Statement], see: &mut dyn FnMut(&Statement)) {
        for statement in statements {
            see(statement);
            for block in statement.blocks() {
                Statement::each(block, see);
            }
        }
    }

    /// The numbers of the questions that statements ask.
    pub fn questions(statements: &[Statement]) -> Vec<usize> {
        let mut asked = Vec::new();
        Statement::each(statements, &mut |statement| match statement {
            Statement::Ask { question, .. }
            | Statement::Rows { question, .. }
            | Statement::Collect { question, .. } => asked.push(*question),
            _ => {}
        });
        asked
    }

    /// Whether it does something again and again.
    pub fn is_loop(&self) -> bool {
        matches!(
            self,
            Statement::While { .. } | Statement::Range { .. } | Statement::Rows { .. }
        )
    }

    /// Where it stands, as far as that is known.
    pub fn span(&self) -> Option<Span> {
        match self {
            Statement::Set(_, value) | Statement::Eval(value) | Statement::Append { value, .. } => Some(value.span),
            Statement::If { arms, .. } => arms.first().map(|(condition, _)| condition.span),
            Statement::While { condition, .. } => Some(condition.span),
            Statement::Return(value) => value.as_ref().map(|value| value.span),
            Statement::Store { span, .. }
            | Statement::Range { span, .. }
            | Statement::Ask { span, .. }
            | Statement::Collect { span, .. }
            | Statement::Rows { span, .. }
            | Statement::Throw { span, .. } => Some(*span),
            _ => None,
        }
    }

    /// The statements inside it.
    pub fn blocks(&self) -> Vec<&[Statement]> {
        match self {
            Statement::If { arms, otherwise } => {
                let bodies = arms.iter().map(|(_, body)| body.as_slice());
                bodies.chain([otherwise.as_slice()]).collect()
            }
            Statement::While { before, body, .. } => vec![before, body],
            Statement::Range { body, .. } | Statement::Rows { body, .. } => vec![body],
            Statement::Try { body, handler, .. } => vec![body, handler],
            _ => Vec::new(),
        }
    }

    /// The same, to be changed.
    pub fn blocks_mut(&mut self) -> Vec<&mut Vec<Statement>> {
        match self {
            Statement::If { arms, otherwise } => {
                let bodies = arms.iter_mut().map(|(_, body)| body);
                bodies.chain([otherwise]).collect()
            }
            Statement::While { before, body, .. } => vec![before, body],
            Statement::Range { body, .. } | Statement::Rows { body, .. } => vec![body],
            Statement::Try { body, handler, .. } => vec![body, handler],
            _ => Vec::new(),
        }
    }

    /// Calls `see` with each variable that statements read (`false`) or assign (`true`).
    pub fn mentions(statements: &[Statement], see: &mut dyn FnMut(ColumnId, bool)) {
        Statement::each(statements, &mut |statement| statement.own_mentions(see));
    }

    /// Calls `see` with each expression of the statement itself.
    pub fn exprs<'s>(&'s self, see: &mut dyn FnMut(&'s Expr)) {
        match self {
            Statement::Set(_, value)
            | Statement::Store { value, .. }
            | Statement::Eval(value)
            | Statement::Append { value, .. } => see(value),
            Statement::Return(value) => value.iter().for_each(see),
            Statement::If { arms, .. } => arms.iter().for_each(|(condition, _)| see(condition)),
            Statement::While { condition, .. } => see(condition),
            Statement::Range { start, stop, step, .. } => [start, stop, step].into_iter().for_each(see),
            Statement::Begin { room, .. } => room.iter().map(|room| &room.count).for_each(see),
            Statement::Throw { code, message, .. } => [code, message].into_iter().for_each(see),
            Statement::Ask { .. }
            | Statement::Rows { .. }
            | Statement::Collect { .. }
            | Statement::Tidy { .. }
            | Statement::Complete { .. }
            | Statement::Try { .. }
            | Statement::Break
            | Statement::Continue
            | Statement::Rethrow(_) => {}
        }
    }

    fn own_mentions(&self, see: &mut dyn FnMut(ColumnId, bool)) {
        self.exprs(&mut |expr| expr.columns().into_iter().for_each(|id| see(id, false)));
        match self {
            Statement::Set(id, _) => see(*id, true),
            Statement::Store { variable, path, .. } => {
                for part in path {
                    if let Part::Element(held) | Part::Key(held) = part {
                        see(*held, false);
                    }
                }
                see(*variable, false);
                see(*variable, true);
            }
            Statement::Range { variable, .. } => see(*variable, true),
            Statement::Ask { given, taken, .. } | Statement::Rows { given, taken, .. } => {
                given.iter().for_each(|id| see(*id, false));
                taken.iter().for_each(|id| see(*id, true));
            }
            Statement::Collect { given, .. } => given.iter().for_each(|id| see(*id, false)),
            // They hold the same, but elsewhere.
            Statement::Tidy { variables, .. } => variables.iter().for_each(|id| see(*id, true)),
            Statement::Begin { array, count, .. }
            | Statement::Append { array, count, .. }
            | Statement::Complete { array, count } => [array, count].into_iter().for_each(|id| see(*id, true)),
            Statement::Try { caught, .. } => caught.iter().for_each(|id| see(*id, true)),
            _ => {}
        }
    }
}
