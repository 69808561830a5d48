//! How much macros may make of a statement.
//!
//! `macro twice(x) => x + x`, and 25 macros that call each other so, make 33 million parts of one call.
//!
//! Invariants: what is over a limit is told before it is made, and names the macro.
//!
//! Does not: expand.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{Call, Expr};

/// Parts of all that the macros of a statement, or of a body, stand for.
pub(super) const MOST_PARTS: usize = 100_000;
/// Levels of an expression that macros are in: as many as a statement has without them, several times.
const MOST_LEVELS: usize = 1_000;
/// Calls of one macro within what it stands for.
const MOST_OPEN: usize = 64;

/// How large an expression is.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::plan) struct Size {
    /// Expressions in it, itself among them.
    pub(in crate::plan) parts: usize,
    /// How deep they stand in each other.
    pub(in crate::plan) levels: usize,
}

impl Size {
    /// That of an expression.
    pub(super) fn of(expr: &Expr) -> Self {
        let mut walk = Measure::default();
        walk.expr(&mut expr.clone());
        walk.size
    }
}

#[derive(Default)]
struct Measure {
    level: usize,
    size: Size,
}

impl VisitMut for Measure {
    fn expr(&mut self, expr: &mut Expr) {
        self.level += 1;
        self.size.parts += 1;
        self.size.levels = self.size.levels.max(self.level);
        visit::walk_expr(self, expr);
        self.level -= 1;
    }
}

/// The macros that are being expanded, and what was made by them.
#[derive(Clone, Debug, Default)]
pub struct Expansions {
    /// Their names, the innermost last.
    open: Vec<String>,
    /// How deep the expression at hand stands in others.
    level: usize,
    parts: usize,
}

impl Expansions {
    /// Goes into an expression.
    pub fn enter(&mut self) {
        self.level += 1;
    }

    /// Leaves it, and the macros that were expanded since there were so many.
    pub fn leave(&mut self, open: usize) {
        self.level -= 1;
        self.open.truncate(open);
    }

    /// How many macros are being expanded.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Whether there is too much already, which was said.
    pub(super) fn is_full(&self) -> bool {
        self.parts > MOST_PARTS
    }

    /// Counts the expression that a call stands for; an error if it is too much.
    pub fn add_expr(&mut self, call: &Call, expr: &Expr) -> Result<(), Diagnostic> {
        self.add(call, Size::of(expr))
    }

    /// Counts what a call stands for; an error if it is too much.
    pub(in crate::plan) fn add(&mut self, call: &Call, size: Size) -> Result<(), Diagnostic> {
        let name = &call.name.text;
        self.parts += size.parts;
        let same = self.open.iter().filter(|open| super::scope::same(open, name)).count();
        let message = if same >= MOST_OPEN {
            format!("the macro `{name}` leads to itself")
        } else if self.level + size.levels > MOST_LEVELS {
            format!("the macro `{name}` makes an expression of more than {MOST_LEVELS} levels")
        } else if self.parts > MOST_PARTS {
            return Err(too_large(call));
        } else {
            self.open.push(name.clone());
            return Ok(());
        };
        Err(Diagnostic::new("54001", call.name.span, message))
    }
}

pub(super) fn too_large(call: &Call) -> Diagnostic {
    let name = &call.name.text;
    let message = format!("the macro `{name}` makes an expression of more than {MOST_PARTS} parts");
    let help = "a parameter that it names twice is there twice: a function takes its value once";
    Diagnostic::new("54001", call.name.span, message).with_help(help)
}
