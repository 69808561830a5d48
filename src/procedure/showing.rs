//! What CALL makes of a procedure that ends with a query: its rows are shown.
//!
//! `upsert procedure late() { delete from note; select * from orders where due < now() }` shows the orders when it is called.
//!
//! Invariants: a body in which somebody wants the value of RETURN, or of the procedure itself, stays as it is.
//!
//! Does not: run anything.

use std::collections::HashSet;

use gobi_grammar::ast;

use super::{Definition, words_of};

impl Definition {
    /// The same, but for the query that it ends with: its rows are shown, and are not its value. `None` if it ends otherwise, or
    /// somebody inside of it wants a value.
    pub fn showing(&self) -> Option<Self> {
        let routine = &self.routine;
        let mut block = match &routine.body {
            ast::RoutineBody::Block(block) => block.clone(),
            ast::RoutineBody::Value(ast::Value::Query(query)) => ast::Block {
                statements: vec![shown(query)],
                span: query.span,
            },
            ast::RoutineBody::Value(_) => return None,
        };
        let last = block.statements.pop()?;
        let ending = match last.kind {
            ast::StatementKind::Query(query) => shown(&query),
            ast::StatementKind::Return(Some(value)) => match *value {
                ast::Value::Query(query) => shown(&query),
                _ => return None,
            },
            _ => return None,
        };
        let is_plain = routine.returns == ast::Returns::Inferred && routine.receiver.is_none();
        // A RETURN further up, or a call of itself, takes the value.
        let name = self.name.to_lowercase();
        let takes = |words: HashSet<String>| words.contains("return") || words.contains(&name);
        if !is_plain || takes(words_of(&ending, self.dialect)) {
            return None;
        }
        if block
            .statements
            .iter()
            .any(|inner| takes(words_of(inner, self.dialect)))
        {
            return None;
        }
        let span = ending.span;
        block.statements.push(ending);
        block.statements.push(ast::Statement {
            kind: ast::StatementKind::Return(None),
            span,
        });
        let routine = ast::Routine {
            body: ast::RoutineBody::Block(block),
            ..routine.clone()
        };
        let shown = Self {
            constants: self.constants.clone(),
            ..Self::of(self.name.clone(), routine, self.dialect)
        };
        Some(shown)
    }

    /// Whether its statements do more than computing variables for what it ends with.
    pub fn has_effects(&self) -> bool {
        let ast::RoutineBody::Block(block) = &self.routine.body else {
            return false;
        };
        let before = block.statements.split_last().map_or(&[][..], |(_, before)| before);
        before
            .iter()
            .any(|statement| !matches!(statement.kind, ast::StatementKind::Let(_)))
    }
}

fn shown(query: &ast::Query) -> ast::Statement {
    ast::Statement {
        kind: ast::StatementKind::Query(query.clone()),
        span: query.span,
    }
}
