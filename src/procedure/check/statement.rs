//! Statements of a body.
//!
//! `if x > 0 { y = 1 } else { return 2 }` becomes an IF whose second branch ends the routine; behind it `y` has a value.
//!
//! Invariants: what stands behind a statement that never ends is reported, and not made.
//!
//! Does not: deal with expressions, queries or patterns; its neighbours do.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, StatementKind as K, Step, Value};

use super::matching::null;
use super::value::natural;
use super::{Assigned, Checker, Returned};
use crate::plan::logical::{ColumnId, Expr};
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
        match &last.kind {
            _ if !self.flow.is_reachable() => self.unreachable(last.span),
            K::Eval(value) if self.wanted != Returned::Void && !is_bare_try(value) => {
                self.return_value(Some(&Value::Expr((**value).clone())), last.span, &mut out);
            }
            K::Query(query) if !self.shows => {
                self.return_value(Some(&Value::Query(Box::new(query.clone()))), last.span, &mut out);
            }
            K::If(branches) if self.wanted != Returned::Void => self.if_value(branches, &mut out),
            _ => out.extend(self.statements(std::slice::from_ref(last))),
        }
        out
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
            self.statement(statement, &mut out);
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
                Value::Expr(values) => self.each(each, values, out),
            },
            K::Return(value) => self.return_value(value.as_deref(), statement.span, out),
            K::Break | K::Continue => self.leave_loop(&statement.kind, statement.span, out),
            K::Throw(value) => self.throw(value.as_deref(), statement.span, out),
            K::Assert(assert) => self.assert(assert, out),
            K::Eval(value) => match &value.kind {
                ast::ExprKind::Try(attempt) => self.attempt(attempt, value.span, None, out),
                ast::ExprKind::Call(call) if call.name.text.eq_ignore_ascii_case("error") => {
                    self.throw(Some(value), statement.span, out);
                }
                _ => {
                    if let Some(value) = self.expr(value, out) {
                        out.push(Statement::Eval(value));
                    }
                }
            },
            K::Query(query) => self.show(query, out),
            K::Routine(_) => {
                let message = "a function inside a body is not supported yet";
                self.error(Diagnostic::new("0A000", statement.span, message));
            }
            K::Begin(_) | K::Commit(_) | K::Rollback(_) => {
                let message = format!(
                    "{} cannot stand in a body, which is one transaction",
                    statement.kind.name()
                );
                let help = "write `try { … } catch e { … }`: what failed is undone";
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
    fn value(&mut self, value: &Value, out: &mut Vec<Statement>) -> Option<Expr> {
        match value {
            Value::Expr(expr) => self.expr(expr, out),
            Value::Query(query) => {
                let id = self.scalar_query(query, out)?;
                let ty = self.variables[id.0 as usize].ty.clone();
                Some(Expr::column(id, ty, query.span))
            }
        }
    }

    fn let_statement(&mut self, variable: &ast::Let, out: &mut Vec<Statement>) {
        let value = self.value(&variable.value, out);
        let declared = match variable.ty.as_ref().map(|ty| bind_type(ty, self.dialect)) {
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
            (None, _, Some(ty)) => self.new_variable(&variable.name.text, Some(ty), false),
            (None, Some(value), None) => self.inferred(&variable.name.text, value),
            // The error in its value is known; what uses it is not to be blamed for that.
            (None, None, None) => self.new_variable(&variable.name.text, None, true),
        };
        if self.find(&variable.name.text).is_none() {
            self.name(&variable.name.text, id);
        }
        match value {
            Some(value) => self.set(id, value, out),
            None => self.flow.assign(id),
        }
    }

    fn assign(&mut self, assign: &ast::Assign, out: &mut Vec<Statement>) {
        let value = self.value(&assign.value, out);
        let Some(id) = self.find(&assign.name.text) else {
            return self.unknown(&assign.name);
        };
        if let Some(step) = assign.path.first() {
            let what = match step {
                Step::Field(_) => "assigning a field",
                Step::Index(_) => "assigning an element",
            };
            let message = format!("{what} is not supported yet");
            return self.error(Diagnostic::new("0A000", assign.name.span, message));
        }
        if let Some(value) = value {
            self.set(id, value, out);
        }
    }

    /// Branches, each by a function that gives its statements.
    fn branches(
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

    fn repeat(&mut self, repeat: &ast::While, out: &mut Vec<Statement>) {
        let mut before = Vec::new();
        let condition = self.condition(&repeat.condition, "`while`", &mut before);
        let body = self.loop_body(&repeat.body.statements);
        let endless = matches!(
            &repeat.condition.kind,
            ast::ExprKind::Literal(ast::Literal::Boolean(true))
        );
        if let Some(condition) = condition {
            out.push(Statement::While {
                before,
                condition,
                body,
            });
        }
        if endless && !leaves(&repeat.body.statements) {
            self.flow.end();
        }
    }

    /// The body of a loop, which may run not at all: what it assigns is not sure behind it.
    pub(super) fn loop_body(&mut self, statements: &[ast::Statement]) -> Vec<Statement> {
        let before = self.flow.clone();
        self.loops += 1;
        let body = self.statements(statements);
        self.loops -= 1;
        self.flow = before;
        body
    }

    fn leave_loop(&mut self, kind: &K, span: Span, out: &mut Vec<Statement>) {
        if self.loops == 0 {
            let message = format!("{} outside a loop", kind.name());
            return self.error(Diagnostic::new("42601", span, message));
        }
        out.push(match kind {
            K::Break => Statement::Break,
            _ => Statement::Continue,
        });
        self.flow.end();
    }

    /// `for x in range(a, b)` counts; any other array is walked through by position.
    fn each(&mut self, each: &ast::For, values: &ast::Expr, out: &mut Vec<Statement>) {
        if let ast::ExprKind::Call(call) = &values.kind
            && matches!(call.name.text.to_lowercase().as_str(), "range" | "generate_series")
            && (1..=3).contains(&call.args.len())
        {
            return self.count(each, call, values.span, out);
        }
        let Some(array) = self.expr(values, out) else { return };
        let LogicalType::Array(item) = array.ty.clone() else {
            let message = format!("`for` goes over an array, `range(…)` or a query, not over {}", array.ty);
            return self.error(Diagnostic::new("42804", values.span, message));
        };
        let held = self.inferred("", &array);
        self.set(held, array, out);
        let position = self.temporary(LogicalType::BigInt, false);
        let array = self.reference(held, values.span);
        let at = self.reference(position, values.span);
        let length = call("length", vec![array.clone()], values.span);
        let element = ast::Expr {
            kind: ast::ExprKind::Index {
                expr: Box::new(array),
                index: Box::new(at),
                safe: false,
            },
            span: values.span,
        };
        let Some(stop) = self.expr(&length, out) else { return };
        let Some(stop) = converted(stop, &LogicalType::BigInt) else {
            return;
        };
        let names = self.names.len();
        let variable = self.new_variable(&each.name.text, Some(*item), false);
        let mut first = Vec::new();
        if let Some(element) = self.expr(&element, &mut first) {
            self.set(variable, element, &mut first);
        }
        self.name(&each.name.text, variable);
        let flow = self.flow.clone();
        let body = self.loop_body(&each.body.statements);
        self.flow = flow;
        self.flow.forget(variable);
        self.names.truncate(names);
        first.extend(body);
        out.push(range(
            position,
            [int(0, values.span), stop, int(1, values.span)],
            first,
            values.span,
        ));
    }

    fn count(&mut self, each: &ast::For, call: &ast::Call, span: Span, out: &mut Vec<Statement>) {
        let mut bounds = Vec::new();
        for arg in &call.args {
            let Some(bound) = self.expr(arg, out) else { return };
            let ty = bound.ty.clone();
            let Some(bound) = Some(bound).filter(|b| b.ty.is_integer() || b.ty == LogicalType::Null) else {
                let message = format!("a range counts in whole numbers, not in {ty}");
                return self.error(Diagnostic::new("42804", arg.span, message));
            };
            bounds.extend(converted(bound, &LogicalType::BigInt));
        }
        let closed = call.name.text.eq_ignore_ascii_case("generate_series");
        if closed {
            let message = "`for` over `generate_series` is not supported yet";
            return self.error(Diagnostic::new("0A000", span, message).with_help("write `range(a, b + 1)`"));
        }
        let bounds = match <[Expr; 1]>::try_from(bounds) {
            Ok([stop]) => [int(0, span), stop, int(1, span)],
            Err(bounds) => match <[Expr; 2]>::try_from(bounds) {
                Ok([start, stop]) => [start, stop, int(1, span)],
                Err(bounds) => match <[Expr; 3]>::try_from(bounds) {
                    Ok(bounds) => bounds,
                    Err(_) => return,
                },
            },
        };
        let names = self.names.len();
        let variable = self.temporary(LogicalType::BigInt, false);
        self.variables[variable.0 as usize].name.clone_from(&each.name.text);
        self.name(&each.name.text, variable);
        let body = self.loop_body(&each.body.statements);
        self.names.truncate(names);
        out.push(range(variable, bounds, body, span));
    }

    /// RETURN, and the value that a function ends with.
    pub(super) fn return_value(&mut self, value: Option<&Value>, span: Span, out: &mut Vec<Statement>) {
        let bound = match value {
            None => None,
            Some(value) => match self.value(value, out) {
                Some(bound) => Some(bound),
                None => return self.flow.end(),
            },
        };
        let result = match (self.wanted.clone(), bound) {
            (Returned::Void, Some(bound)) => {
                let message = "a function that returns void has no value";
                self.error(Diagnostic::new("42804", bound.span, message));
                None
            }
            (Returned::Void, None) => None,
            (Returned::Type(ty), bound) => self.returned_as(bound.unwrap_or_else(|| null(span)), ty),
            (Returned::Inferred, None) if self.returned.is_none() => None,
            (Returned::Inferred, bound) => self.returned_inferred(bound.unwrap_or_else(|| null(span))),
        };
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

    fn returned_inferred(&mut self, bound: Expr) -> Option<Expr> {
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
    fn throw(&mut self, value: Option<&ast::Expr>, span: Span, out: &mut Vec<Statement>) {
        self.flow_after_throw(value, span, out);
        self.flow.end();
    }

    fn flow_after_throw(&mut self, value: Option<&ast::Expr>, span: Span, out: &mut Vec<Statement>) {
        let Some(value) = value else {
            return out.push(Statement::Rethrow);
        };
        let text = |text: &str| ast::Expr {
            kind: ast::ExprKind::Literal(ast::Literal::String(text.to_owned())),
            span: value.span,
        };
        let definitions = Arc::clone(&self.instances.definitions);
        let said = |name: &str| definitions.exception(name).unwrap_or_else(|| name.to_owned());
        let (name, message) = match &value.kind {
            ast::ExprKind::Call(call) if call.args.len() <= 1 && self.is_exception_name(&call.name.text) => {
                let name = if call.name.text.eq_ignore_ascii_case("error") {
                    "P0001"
                } else {
                    &call.name.text
                };
                let message = call
                    .args
                    .first()
                    .cloned()
                    .unwrap_or_else(|| text(&said(&call.name.text)));
                (text(name), message)
            }
            ast::ExprKind::Name(path) if path.len() == 1 && definitions.exception(&path[0].text).is_some() => {
                (text(&path[0].text), text(&said(&path[0].text)))
            }
            ast::ExprKind::Name(path) if path.len() == 1 && self.is_caught(&path[0].text) => {
                return out.push(Statement::Rethrow);
            }
            _ => (text("P0001"), value.clone()),
        };
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

    /// Whether a call names an exception: no function has that name.
    fn is_exception_name(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("error")
            || self.instances.definitions.find(name).is_none()
                && !crate::functions::all()
                    .iter()
                    .any(|f| f.name.eq_ignore_ascii_case(name))
    }

    fn is_caught(&self, name: &str) -> bool {
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

/// Whether a BREAK of the loop itself is among the statements of its body.
fn leaves(statements: &[ast::Statement]) -> bool {
    statements.iter().any(|statement| match &statement.kind {
        K::Break => true,
        K::If(branches) => {
            branches.arms.iter().any(|(_, block)| leaves(&block.statements))
                || branches
                    .otherwise
                    .as_ref()
                    .is_some_and(|block| leaves(&block.statements))
        }
        K::Eval(value) => match &value.kind {
            // What these hold is not looked through: they may leave.
            ast::ExprKind::Try(_) | ast::ExprKind::Match(_) => true,
            _ => false,
        },
        _ => false,
    })
}

fn is_bare_try(value: &ast::Expr) -> bool {
    matches!(&value.kind, ast::ExprKind::Try(attempt) if matches!(attempt.body, ast::ArmBody::Block(_)) && attempt.catch.is_none())
}

fn int(value: i128, span: Span) -> Expr {
    Expr::literal(crate::types::Value::Int(value), LogicalType::BigInt, span)
}

fn range(variable: ColumnId, [start, stop, step]: [Expr; 3], body: Vec<Statement>, span: Span) -> Statement {
    Statement::Range {
        variable,
        start,
        stop,
        step,
        body,
        span,
    }
}

fn call(name: &str, args: Vec<ast::Expr>, span: Span) -> ast::Expr {
    let name = ast::Ident {
        text: name.to_owned(),
        quoted: false,
        span,
    };
    ast::Expr {
        kind: ast::ExprKind::Call(ast::Call {
            name,
            distinct: false,
            star: false,
            args,
            filter: None,
        }),
        span,
    }
}
