//! What CALL makes of a procedure that ends with a query: its rows are shown.
//!
//! `upsert procedure late() { delete from note; select * from orders where due < now() }` shows the orders when it is called.
//!
//! Invariants: a body in which somebody wants the value of RETURN, or of the procedure itself, stays as it is.
//!
//! Does not: run anything.

use gobi_grammar::ast;
use gobi_grammar::ast::visit::{self, VisitMut};

use super::Definition;

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
        if self.relation {
            Early.block(&mut block);
        }
        block.statements.push(ending);
        let mut taking = Taking {
            name: &self.name,
            takes: false,
        };
        taking.block(&mut block);
        if !is_plain || taking.takes {
            return None;
        }
        let span = block.span;
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

/// Makes `return select …` before the end a query that is shown, and a RETURN.
struct Early;

impl VisitMut for Early {
    fn block(&mut self, block: &mut ast::Block) {
        let mut statements = Vec::with_capacity(block.statements.len());
        for mut statement in std::mem::take(&mut block.statements) {
            // Those of a function in it are its own.
            if !matches!(statement.kind, ast::StatementKind::Routine(_)) {
                visit::walk_statement(self, &mut statement);
            }
            if let ast::StatementKind::Return(Some(value)) = &mut statement.kind
                && let ast::Value::Query(query) = &**value
            {
                statements.push(shown(query));
                statement.kind = ast::StatementKind::Return(None);
            }
            statements.push(statement);
        }
        block.statements = statements;
    }

    fn expr(&mut self, _expr: &mut ast::Expr) {}
}

/// Whether somebody takes the value of a RETURN, or of the routine itself.
struct Taking<'n> {
    name: &'n str,
    takes: bool,
}

impl VisitMut for Taking<'_> {
    fn statement(&mut self, statement: &mut ast::Statement) {
        self.takes |= matches!(statement.kind, ast::StatementKind::Return(Some(_)));
        visit::walk_statement(self, statement);
    }

    fn call(&mut self, call: &mut ast::Call) {
        self.takes |= call.name.text.eq_ignore_ascii_case(self.name);
    }
}

fn shown(query: &ast::Query) -> ast::Statement {
    ast::Statement {
        kind: ast::StatementKind::Query(query.clone()),
        span: query.span,
    }
}
