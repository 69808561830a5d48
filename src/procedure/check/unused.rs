//! Variables that nobody reads.
//!
//! In `function f(x) { let y = x * 2; return x }` the variable `y` is declared for nothing.
//!
//! Invariants: a warning, never an error; a name that begins with `_` says that it is not to be read, and variables of a script may be
//! read by what follows.
//!
//! Does not: look at parameters: whoever calls decides on them.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;

use super::Checker;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;

impl Checker<'_> {
    /// Says which variables of a finished body are never read; the first `params` are not its own.
    pub(super) fn warn_of_unused(&mut self, body: &[Statement], params: usize) {
        // What uses a value of unknown type is not made; the body is checked again when all types are known.
        if self.instances.unresolved || self.concluded() != *self.assumed {
            return;
        }
        let mut read: HashSet<ColumnId> = HashSet::new();
        Statement::mentions(body, &mut |id, is_assigned| {
            if !is_assigned {
                read.insert(id);
            }
        });
        for (id, span) in &self.lets {
            let name = &self.variables[id.0 as usize].name;
            if (id.0 as usize) < params || read.contains(id) || name.starts_with('_') {
                continue;
            }
            let message = format!("variable `{name}` is never read");
            let help = format!("leave it out, or call it `_{name}`");
            let warning = Diagnostic::new("01000", *span, message).with_help(help);
            if !self.instances.warnings.contains(&warning) {
                self.instances.warnings.push(warning);
            }
        }
    }
}
