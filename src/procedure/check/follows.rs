//! Errors of a body that only follow from others.
//!
//! In `let g = adder('a'); return g(1)` the argument is wrong, and `g` does not exist because of that.
//!
//! Invariants: the error that others follow from is told.
//!
//! Does not: look at what errors say, but for names that do not exist.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, RoutineBody};

use super::super::Definition;

/// Whether an error only follows from another one: it is about the same place, or about a name whose declaration went wrong.
pub(super) fn follows(error: &Diagnostic, other: &Diagnostic, definition: &Definition) -> bool {
    let place = |error: &Diagnostic| (error.span().start, error.span().end);
    let missing = error.message.strip_suffix("` does not exist");
    let name = missing.and_then(|missing| missing.rsplit('`').next());
    let declared = || declared_in(&definition.routine.body);
    place(error) == place(other) || name.is_some_and(|name| declared().contains(&name.to_lowercase()))
}

/// The names of what a body declares and makes, in lower case.
pub(super) fn declared_in(body: &RoutineBody) -> HashSet<String> {
    let mut declared = Declared(HashSet::new());
    declared.body(body);
    declared.0
}

/// The same for a statement.
pub(super) fn declared_by(statement: &ast::Statement) -> HashSet<String> {
    let mut declared = Declared(HashSet::new());
    declared.statement(&mut statement.clone());
    declared.0
}

struct Declared(HashSet<String>);

impl Declared {
    fn body(&mut self, body: &RoutineBody) {
        match body.clone() {
            RoutineBody::Block(mut block) => self.block(&mut block),
            RoutineBody::Value(mut value) => visit::walk_value(self, &mut value),
        }
    }
}

impl VisitMut for Declared {
    fn statement(&mut self, statement: &mut ast::Statement) {
        let name = match &statement.kind {
            ast::StatementKind::Let(variable) => Some(&variable.name),
            ast::StatementKind::For(each) => Some(&each.name),
            ast::StatementKind::Routine(routine) => routine.name.last(),
            ast::StatementKind::DefineMacro(declared) => Some(&declared.name),
            ast::StatementKind::CreateTable(create) => create.name.last(),
            ast::StatementKind::CreateView(create) => create.name.last(),
            ast::StatementKind::AlterTable(alter) => alter.name.last(),
            _ => None,
        };
        self.0.extend(name.map(|name| name.text.to_lowercase()));
        visit::walk_statement(self, statement);
    }
}
