//! Statements of a body.
//!
//! `if x > 0 { y = 1 } else { return 2 }` becomes an IF whose second branch ends the routine; behind it `y` has a value.
//!
//! Invariants: what stands behind a statement that never ends is reported, and not made.
//!
//! Does not: deal with expressions, loops, queries or patterns; its neighbours do.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, StatementKind as K, Value};

use super::matching::null;
use super::value::{has_blocks, natural};
use super::{Assigned, Checker, Returned};
use crate::plan::logical::Expr;
use crate::plan::routine::Statement;
use crate::plan::{bind_type, common_type, converted};
use crate::types::LogicalType;

impl Checker<'_> {
    /// Statements in order.
    pub(super) fn block(&mut self, statements: &[ast::Statement]) -> Vec<Statement> {
        self.statements(statements)
    }

    /// The statements of a function, of which the last one, if it is an expression, is its value.
    pub(super) fn function_block(&mut self, statements: &[ast::Statement]) -> Vec<Statement> {
        let Some((last, before)) = statements.split_last() else {
            return Vec::new();
        };
        let mut out = self.statements(before);
        let variable = self.variable_called_log(last);
        let last = variable.as_ref().unwrap_or(last);
        match &last.kind {
            _ if !self.flow.is_reachable() => self.unreachable(last.span),
            K::Eval(value) if self.wanted != Returned::Void && !is_bare_try(value) && !is_error(value) => {
                let value = match &value.kind {
                    ast::ExprKind::Await(job) => match self.await_alone(job, value.span, &mut out) {
                        Some(future) => Box::new(future),
                        None => return out,
                    },
                    _ => value.clone(),
                };
                // Behind what a procedure ends with, rows are shown.
                let shown = self.shows && !self.is_typed() && matches!(value.kind, ast::ExprKind::Call(_));
                self.alone = shown.then_some(value.span);
                self.unwanted = self.shows && !self.is_typed() && has_blocks(&value);
                self.return_value(Some(&Value::Expr(*value)), last.span, &mut out);
                (self.alone, self.unwanted) = (None, false);
            }
            K::Query(query) if !self.shows || self.is_typed() => {
                self.return_value(Some(&Value::Query(Box::new(query.clone()))), last.span, &mut out);
            }
            K::Then(then) if !self.shows || self.is_typed() => {
                if let Some(rows) = self.then(then, &mut out) {
                    let rows = self.reference(rows, last.span);
                    match self.wanted {
                        Returned::Rows => {
                            let rows = self.expr(&rows, &mut out);
                            self.return_array(rows, last.span, &mut out);
                        }
                        _ => self.return_value(Some(&Value::Expr(rows)), last.span, &mut out),
                    }
                }
            }
            K::If(branches) if self.wanted != Returned::Void => self.if_value(branches, &mut out),
            _ => out.extend(self.statements(std::slice::from_ref(last))),
        }
        out
    }

    /// A value by itself that is a variable, though a statement is written like it.
    fn variable_called_log(&self, statement: &ast::Statement) -> Option<ast::Statement> {
        let name = "log";
        let is_bare = matches!(&statement.kind, K::Log(log) if log.table.is_none() && log.limit.is_none());
        self.find(name).filter(|_| is_bare)?;
        let span = statement.span;
        let name = ast::Ident {
            text: name.to_owned(),
            quoted: false,
            span,
        };
        let kind = ast::ExprKind::Name(vec![name]);
        let kind = K::Eval(Box::new(ast::Expr { kind, span }));
        Some(ast::Statement { kind, span })
    }

    /// Whether it is said what the body gives.
    fn is_typed(&self) -> bool {
        matches!(self.wanted, Returned::Type(_))
    }

    /// An IF that ends a function: the value of its branch is the function's.
    fn if_value(&mut self, branches: &ast::If, out: &mut Vec<Statement>) {
        self.branches(branches, out, |checker, statements| checker.function_block(statements));
    }

    pub(super) fn statements(&mut self, statements: &[ast::Statement]) -> Vec<Statement> {
        let mut out = Vec::new();
        for statement in statements {
            if !self.flow.is_reachable() {
                self.unreachable(statement.span);
                break;
            }
            self.at(statement.span, |checker| checker.statement(statement, &mut out));
        }
        out
    }

    fn unreachable(&mut self, span: Span) {
        let message = "this is never reached";
        let help = "the statement before it always leaves";
        self.error(Diagnostic::new("42P20", span, message).with_help(help));
    }

    fn statement(&mut self, statement: &ast::Statement, out: &mut Vec<Statement>) {
        match &statement.kind {
            K::Let(variable) => self.let_statement(variable, out),
            K::Assign(assign) => self.assign(assign, out),
            K::If(branches) => self.branches(branches, out, |checker, statements| checker.scoped(statements)),
            K::While(repeat) => self.repeat(repeat, out),
            K::For(each) => match &each.values {
                Value::Query(query) => self.rows(each, query, out),
                // The grammar has none here.
                Value::Then(then) => self.rows(each, &then.query, out),
                Value::Expr(values) => match self.rows_of(values, out) {
                    Some(query) => self.rows(each, &query, out),
                    None => self.each(each, values, out),
                },
            },
            K::Return(value) => self.return_value(value.as_deref(), statement.span, out),
            K::Break | K::Continue => self.leave_loop(&statement.kind, statement.span, out),
            K::Throw(value) => self.throw(value.as_deref(), statement.span, out),
            K::Assert(assert) => self.assert(assert, out),
            K::Eval(value) => match &value.kind {
                ast::ExprKind::Try(attempt) => self.attempt(attempt, value.span, None, out),
                ast::ExprKind::Await(job) => {
                    let future = self.await_alone(job, value.span, out);
                    let bound = future.and_then(|future| self.expr(&future, out));
                    out.extend(bound.map(Statement::Eval));
                }
                _ if is_error(value) => self.throw(Some(value), statement.span, out),
                _ => {
                    self.alone = matches!(value.kind, ast::ExprKind::Call(_)).then_some(value.span);
                    self.unwanted = has_blocks(value);
                    let bound = self.expr(value, out);
                    (self.alone, self.unwanted) = (None, false);
                    out.extend(bound.map(Statement::Eval));
                }
            },
            K::Query(_) if self.trigger.is_some() => {
                let message = "a query by itself has nobody to show its rows to in a trigger";
                self.error(Diagnostic::new("0A000", statement.span, message));
            }
            K::Query(query) => self.show(query, out),
            K::Then(then) => {
                if let Some(rows) = self.then(then, out) {
                    self.show_yielded(rows, statement.span, out);
                }
            }
            K::Yield(value) => self.yield_value(value.as_deref(), statement.span, out),
            K::Routine(routine) => self.inner_function(routine, statement.span, out),
            K::Begin(_) | K::Commit(_) | K::Rollback(_) => {
                let message = format!(
                    "{} cannot stand in a body, which is one transaction",
                    statement.kind.name()
                );
                let help = "write `try { … } catch e { … }`: what failed is undone";
                self.error(Diagnostic::new("0A000", statement.span, message).with_help(help));
            }
            K::DefineMacro(_) | K::Module(_) | K::Test(_) | K::Audit(_) => {
                let message = format!("{} in a body is not supported yet", statement.kind.name());
                let help = "write it before the body: it stands by itself";
                self.error(Diagnostic::new("0A000", statement.span, message).with_help(help));
            }
            K::Unsupported { .. } | K::Copy(_) | K::Explain(_) | K::Set(_) | K::Show(_) => {
                let message = format!("{} in a body is not supported yet", statement.kind.name());
                self.error(Diagnostic::new("0A000", statement.span, message));
            }
            _ => self.run(statement, out),
        }
    }

    /// Statements whose loop variables end with them; what LET declares does not.
    fn scoped(&mut self, statements: &[ast::Statement]) -> Vec<Statement> {
        self.statements(statements)
    }

    /// A value; a query gives its only row.
    pub(super) fn value(&mut self, value: &Value, out: &mut Vec<Statement>) -> Option<Expr> {
        match value {
            Value::Expr(expr) => self.expr(expr, out),
            Value::Query(query) => {
                let id = self.scalar_query(query, out)?;
                let ty = self.variables[id.0 as usize].ty.clone();
                Some(Expr::column(id, ty, query.span))
            }
            Value::Then(then) => self.yielded(then, out),
        }
    }

    fn let_statement(&mut self, variable: &ast::Let, out: &mut Vec<Statement>) {
        // The name of an expression that stands by itself in a script, as nobody can write it.
        self.unwanted = self.is_script && variable.name.text.starts_with('\0');
        if let Value::Expr(ast::Expr {
            kind: ast::ExprKind::Lambda(lambda),
            ..
        }) = &variable.value
        {
            return self.let_lambda(&variable.name, lambda, out);
        }
        if self.let_function(variable, out).is_some() {
            return;
        }
        let caught = self.let_value(variable);
        let value = self.value(caught.as_ref().unwrap_or(&variable.value), out);
        let declared = match variable
            .ty
            .as_ref()
            .map(|ty| bind_type(ty, self.dialect, &self.instances.types))
        {
            Some(Err(errors)) => return self.errors.extend(errors),
            Some(Ok(ty)) => Some(ty),
            None => None,
        };
        let id = match (self.find(&variable.name.text), &value, declared) {
            (Some(id), _, None) => id,
            (Some(id), _, Some(ty)) if self.variables[id.0 as usize].ty == ty => id,
            (Some(id), _, Some(ty)) => {
                let known = self.variables[id.0 as usize].ty.clone();
                let message = format!("`{}` is {known} already, and cannot be {ty} too", variable.name.text);
                return self.error(Diagnostic::new("42804", variable.name.span, message));
            }
            (None, _, Some(ty)) => {
                let id = self.new_variable(&variable.name.text, Some(ty), false);
                self.may_be_full(id);
                id
            }
            (None, Some(value), None) => self.inferred(&variable.name.text, value),
            // The error in its value is known; what uses it is not to be blamed for that.
            (None, None, None) => self.new_variable(&variable.name.text, None, true),
        };
        if self.find(&variable.name.text).is_none() {
            self.name(&variable.name.text, id);
            self.lets.push((id, variable.name.span));
        }
        match value {
            Some(value) => self.set(id, value, out),
            None => self.flow.assign(id),
        }
    }

    pub(super) fn assign(&mut self, assign: &ast::Assign, out: &mut Vec<Statement>) {
        if self.assign_row(assign, out) || self.assign_function(assign, out) {
            return;
        }
        let caught = self.assigned_value(assign);
        let value = self.value(caught.as_ref().unwrap_or(&assign.value), out);
        if let Some(column) = self.new_column(assign) {
            match (column, value, assign.path.get(1..)) {
                (Some(id), Some(value), None | Some([])) => self.set(id, value, out),
                (Some(id), Some(value), Some(path)) => self.assign_part(id, path, value, assign.name.span, out),
                _ => {}
            }
            return;
        }
        let Some(id) = self.find(&assign.name.text) else {
            return self.unknown(&assign.name);
        };
        if !assign.path.is_empty() {
            if let Some(value) = value {
                self.assign_part(id, &assign.path, value, assign.name.span, out);
            }
            return;
        }
        if let Some(value) = value {
            self.set(id, value, out);
        }
    }

    /// Branches, each by a function that gives its statements.
    pub(super) fn branches(
        &mut self,
        branches: &ast::If,
        out: &mut Vec<Statement>,
        mut each: impl FnMut(&mut Self, &[ast::Statement]) -> Vec<Statement>,
    ) {
        let mut after: Option<Assigned> = None;
        let mut join = |checker: &Self| match &mut after {
            Some(after) => after.meet(&checker.flow),
            None => after = Some(checker.flow.clone()),
        };
        let mut made: Vec<(Vec<Statement>, Option<Expr>, Vec<Statement>)> = Vec::new();
        for (condition, block) in &branches.arms {
            let mut before = Vec::new();
            let condition = self.condition(condition, "`if`", &mut before);
            let flow = self.flow.clone();
            let body = each(self, &block.statements);
            join(self);
            self.flow = flow;
            made.push((before, condition, body));
        }
        let mut rest = match &branches.otherwise {
            Some(block) => each(self, &block.statements),
            None => Vec::new(),
        };
        join(self);
        if let Some(after) = after {
            self.flow = after;
        }
        for (before, condition, body) in made.into_iter().rev() {
            let Some(condition) = condition else { continue };
            let mut all = before;
            match rest.as_mut_slice() {
                // An ELIF whose condition needs no statement is another arm.
                [Statement::If { arms, .. }] if !arms.is_empty() => {
                    arms.insert(0, (condition, body));
                    all.append(&mut rest);
                }
                _ => all.push(Statement::If {
                    arms: vec![(condition, body)],
                    otherwise: rest,
                }),
            }
            rest = all;
        }
        out.extend(rest);
    }

    /// RETURN, and the value that a function ends with.
    pub(super) fn return_value(&mut self, value: Option<&Value>, span: Span, out: &mut Vec<Statement>) {
        if self.leave_trigger(value, span, out) {
            return;
        }
        if self.is_script && self.givers == 0 {
            let help = "a block of a script has no value; `throw` ends it, and `break` a loop";
            let error = Diagnostic::new("42601", span, "RETURN outside a body").with_help(help);
            self.error(error);
            return self.flow.end();
        }
        if self.wanted == Returned::Rows {
            return self.return_rows(value, span, out);
        }
        let bound = match value {
            None => None,
            Some(value) => {
                let caught = self.returned_value(value);
                match self.value(caught.as_ref().unwrap_or(value), out) {
                    Some(bound) => Some(bound),
                    None => return self.flow.end(),
                }
            }
        };
        let result = match (self.wanted.clone(), bound) {
            (Returned::Void, Some(bound)) => {
                let message = "a function that returns void has no value";
                let help = "write `returns` with a type, or leave the value out";
                self.error(Diagnostic::new("42804", bound.span, message).with_help(help));
                None
            }
            (Returned::Void, None) => None,
            (Returned::Type(ty), bound) => self.returned_as(bound.unwrap_or_else(|| null(span)), ty),
            (Returned::Inferred | Returned::Rows, None) if self.returned.is_none() => None,
            (Returned::Inferred | Returned::Rows, bound) => self.returned_inferred(bound.unwrap_or_else(|| null(span))),
        };
        self.flush_in_try(span, out);
        out.push(Statement::Return(result));
        self.flow.end();
    }

    fn returned_as(&mut self, bound: Expr, ty: LogicalType) -> Option<Expr> {
        let nullable = self.may_be_null(&bound) || self.returned.as_ref().is_some_and(|(_, nullable)| *nullable);
        self.returned = Some((ty.clone(), nullable));
        let (from, span) = (bound.ty.clone(), bound.span);
        let value = converted(bound, &ty);
        if value.is_none() {
            let message = format!("the function returns {ty}, not {from}");
            self.error(Diagnostic::new("42804", span, message).with_help(format!("cast it: `… :: {ty}`")));
        }
        value
    }

    pub(super) fn returned_inferred(&mut self, bound: Expr) -> Option<Expr> {
        let nullable = self.may_be_null(&bound);
        let assumed = self.instances.assumed_result().map(|(ty, _)| ty);
        let before = self.returned.take();
        let so_far = before
            .as_ref()
            .map(|(ty, _)| ty.clone())
            .or(assumed)
            .unwrap_or(LogicalType::Null);
        let nullable = nullable || before.as_ref().is_some_and(|(_, nullable)| *nullable);
        let Some(common) = common_type(&so_far, &bound.ty) else {
            self.returned = before;
            let message = format!("the function returns {so_far} elsewhere, and {} here", bound.ty);
            self.error(Diagnostic::new("42804", bound.span, message).with_help("write its type: `returns …`"));
            return None;
        };
        let common = natural(&common);
        self.returned = Some((common.clone(), nullable));
        converted(bound, &common)
    }

    /// `throw Name('message')`, `throw 'message'`, `ERROR('message')`, and THROW by itself.
    pub(super) fn throw(&mut self, value: Option<&ast::Expr>, span: Span, out: &mut Vec<Statement>) {
        self.flow_after_throw(value, span, out);
        self.flow.end();
    }

    /// `ERROR('…')` where a value stands.
    pub(super) fn throw_as_value(&mut self, error: &ast::Expr, out: &mut Vec<Statement>) {
        self.flow_after_throw(Some(error), error.span, out);
    }

    fn flow_after_throw(&mut self, value: Option<&ast::Expr>, span: Span, out: &mut Vec<Statement>) {
        self.flush(span, out);
        let Some(value) = value else {
            let Some(message) = self.handlers.last().copied() else {
                let message = "`throw` without a value stands in a handler, which has caught something";
                let help = "say what is thrown: `throw 'what went wrong'`";
                return self.error(Diagnostic::new("42601", span, message).with_help(help));
            };
            return self.throw_caught(message, out);
        };
        if let Some(error) = self.not_thrown(value) {
            return self.error(error);
        }
        let text = |text: &str| ast::Expr {
            kind: ast::ExprKind::Literal(ast::Literal::String(text.to_owned())),
            span: value.span,
        };
        let (name, message) = match (self.thrown(value), &value.kind) {
            (Some((exception, message)), _) => {
                let said = || text(&exception.says);
                (text(&exception.name), message.unwrap_or_else(said))
            }
            (None, ast::ExprKind::Name(path)) if path.len() == 1 && self.is_row(&path[0].text) => {
                let caught = self.find(&path[0].text);
                match caught.filter(|caught| self.handlers.contains(caught)) {
                    Some(message) => return self.throw_caught(message, out),
                    // A function has it of the handler that it stands in.
                    None => fields_of_caught(&path[0], value.span),
                }
            }
            _ => match self.thrown_again(value) {
                Some(thrown) => thrown,
                None => (text("P0001"), value.clone()),
            },
        };
        if let ast::ExprKind::Literal(ast::Literal::String(name)) = &name.kind {
            self.raises(name, span);
        }
        let (Some(name), Some(message)) = (self.expr(&name, out), self.expr(&message, out)) else {
            return;
        };
        let (from, place) = (message.ty.clone(), message.span);
        match converted(message, &LogicalType::String) {
            Some(message) => out.push(Statement::Throw {
                code: name,
                message,
                span,
            }),
            None => {
                let error = format!("an exception has a message of type string, not {from}");
                self.error(Diagnostic::new("42804", place, error));
            }
        }
    }

    /// Whether a name is that of the row of a loop.
    pub(super) fn is_row(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|known| known.of.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(name)))
    }

    fn assert(&mut self, assert: &ast::Assert, out: &mut Vec<Statement>) {
        let condition = self.condition(&assert.condition, "`assert`", out);
        let default = ast::Expr {
            kind: ast::ExprKind::Literal(ast::Literal::String("the assertion does not hold".to_owned())),
            span: assert.condition.span,
        };
        let message = assert.message.as_ref().unwrap_or(&default);
        let mut otherwise = Vec::new();
        let flow = self.flow.clone();
        self.flow_after_throw(Some(message), assert.condition.span, &mut otherwise);
        self.flow = flow;
        if let Some(condition) = condition {
            out.push(Statement::If {
                arms: vec![(condition, Vec::new())],
                otherwise,
            });
        }
    }
}

/// `ERROR('…')`, which ends what runs.
pub(super) fn is_error(value: &ast::Expr) -> bool {
    matches!(&value.kind, ast::ExprKind::Call(call) if call.name.text.eq_ignore_ascii_case("error"))
}

fn is_bare_try(value: &ast::Expr) -> bool {
    matches!(&value.kind, ast::ExprKind::Try(attempt) if matches!(attempt.body, ast::ArmBody::Block(_)) && attempt.catch.is_none())
}

/// The code and the message of a caught error, as expressions.
fn fields_of_caught(name: &ast::Ident, span: Span) -> (ast::Expr, ast::Expr) {
    let field = |field: &str| {
        let column = ast::Ident {
            text: field.to_owned(),
            quoted: true,
            span,
        };
        let kind = ast::ExprKind::Name(vec![name.clone(), column]);
        ast::Expr { kind, span }
    };
    (field("code"), field("message"))
}
