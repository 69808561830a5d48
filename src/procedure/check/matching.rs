//! MATCH and TRY as statements that leave their value in a variable.
//!
//! `let v = x match {1 -> {log(); 'a'}, _ -> 'b'}` is an IF of two arms, each of which assigns `v`.
//!
//! Invariants: the arms cover every value; all values have one type.
//!
//! Does not: deal with arms that are expressions only; those are CASE, and the binder's.

use gobi_grammar::ast::{self, ArmBody, Catch, Pattern, Span, StatementKind as K};

use super::Checker;
use super::statement::is_error;
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::plan::routine::Statement;
use crate::plan::{
    covers_all, never_reached, not_exhaustive, not_in_all, one_of_several, unreachable_arm, with_fields,
};
use crate::types::{LogicalType, Value};

impl Checker<'_> {
    /// The value of a MATCH whose arms hold statements.
    pub(super) fn match_value(
        &mut self,
        matching: &ast::Match,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let unwanted = std::mem::take(&mut self.unwanted);
        let subject = self.expr(&matching.subject, out)?;
        let held = self.inferred("", &subject);
        self.set(held, subject, out);
        let matching = &*with_fields(matching, &self.variables[held.0 as usize].ty);
        let result = self.new_variable("", Some(LogicalType::Null), false);
        self.declared[result.0 as usize] = false;
        if let Some(error) = never_reached(matching) {
            self.error(error);
        }
        let before = self.flow.clone();
        let mut after: Option<super::Assigned> = None;
        let mut branches: Vec<(Vec<Statement>, Option<Expr>, Vec<Statement>)> = Vec::new();
        let mut complete = false;
        for arm in matching.arms.iter() {
            self.flow = before.clone();
            let names = self.names.len();
            let mut tests = Vec::new();
            let condition = self.arm_condition(arm, held, &mut tests);
            let mut body = Vec::new();
            self.with_unwanted(unwanted, |checker| checker.arm_value(&arm.body, result, &mut body));
            self.names.truncate(names);
            match &mut after {
                Some(after) => after.meet(&self.flow),
                None => after = Some(self.flow.clone()),
            }
            if !complete {
                complete = condition.as_ref().is_some_and(Option::is_none);
                branches.push((tests, condition?, body));
            }
        }
        let subject = &self.variables[held.0 as usize];
        let covered = covers_all(&subject.ty, subject.nullable, matching);
        if !complete && !covered {
            let error = not_exhaustive(&subject.ty, matching, span);
            self.error(error);
        }
        self.flow = after.unwrap_or(before);
        let mut rest: Vec<Statement> = Vec::new();
        for (tests, condition, body) in branches.into_iter().rev() {
            let mut all = tests;
            match condition {
                None => all.extend(body),
                Some(condition) => all.push(Statement::If {
                    arms: vec![(condition, body)],
                    otherwise: rest,
                }),
            }
            rest = all;
        }
        out.extend(rest);
        Some(result)
    }

    /// The condition of an arm: `None` after an error, `Some(None)` if it always holds.
    fn arm_condition(&mut self, arm: &ast::MatchArm, held: ColumnId, out: &mut Vec<Statement>) -> Option<Option<Expr>> {
        if let Some(name) = one_of_several(arm) {
            self.error(not_in_all(name));
            return None;
        }
        let mut always = false;
        let mut tests: Vec<ast::Expr> = Vec::new();
        for pattern in &arm.patterns {
            match self.pattern_test(held, pattern, out)? {
                Some(test) => tests.push(test),
                None => always = true,
            }
        }
        let mut all = Vec::new();
        if !always {
            all.push(joined(tests, ast::ExprKind::Or));
        }
        if let (Some(guard), Some(matches)) = (&arm.guard, all.first())
            && self.lifts(guard)
        {
            let matches = matches.clone();
            return self.guarded(&matches, guard, out).map(Some);
        }
        all.extend(arm.guard.clone());
        if all.is_empty() {
            return Some(None);
        }
        self.condition(&joined(all, ast::ExprKind::And), "`match`", out)
            .map(Some)
    }

    /// Whether a pattern matches, and its guard, which holds statements, is true: that is done only if the pattern matches.
    fn guarded(&mut self, matches: &ast::Expr, guard: &ast::Expr, out: &mut Vec<Statement>) -> Option<Expr> {
        let condition = self.condition(matches, "`match`", out)?;
        let holds = self.temporary(LogicalType::Boolean, true);
        let mut body = Vec::new();
        let value = self.condition(guard, "`match`", &mut body)?;
        self.set(holds, value, &mut body);
        let mut otherwise = Vec::new();
        let kind = ExprKind::Literal(Value::Boolean(false));
        let (ty, span) = (LogicalType::Boolean, guard.span);
        self.set(holds, Expr { kind, ty, span }, &mut otherwise);
        let arms = vec![(condition, body)];
        out.push(Statement::If { arms, otherwise });
        Some(self.held(holds, guard.span))
    }

    /// What a pattern tests: `None` after an error, `Some(None)` if it matches everything.
    fn pattern_test(
        &mut self,
        held: ColumnId,
        pattern: &Pattern,
        out: &mut Vec<Statement>,
    ) -> Option<Option<ast::Expr>> {
        let subject = self.reference(held, Span::default());
        Some(match pattern {
            Pattern::Any(_) => None,
            Pattern::Bind(name) => {
                self.name(&name.text, held);
                None
            }
            Pattern::Value(value) => Some(equal(&subject, value)),
            Pattern::Range(low, high) => Some(ast::Expr {
                span: low.span.to(high.span),
                kind: ast::ExprKind::Between {
                    expr: Box::new(subject.clone()),
                    negated: false,
                    low: Box::new(low.clone()),
                    high: Box::new(high.clone()),
                },
            }),
            Pattern::OneOf(patterns) => {
                let mut tests = Vec::with_capacity(patterns.len());
                let mut always = false;
                for pattern in patterns {
                    match self.pattern_test(held, pattern, out)? {
                        Some(test) => tests.push(test),
                        None => always = true,
                    }
                }
                (!always).then(|| joined(tests, ast::ExprKind::Or))
            }
            Pattern::Fields(fields, span) => {
                let mut tests = Vec::new();
                if self.variables[held.0 as usize].nullable {
                    let expr = Box::new(subject.clone());
                    let (negated, test) = (true, ast::IsTest::Null);
                    let kind = ast::ExprKind::Is { expr, negated, test };
                    tests.push(ast::Expr { kind, span: *span });
                }
                for (name, pattern) in fields {
                    let (expr, name) = (Box::new(subject.clone()), name.clone());
                    let span = name.span;
                    let field = ast::ExprKind::Field { expr, name };
                    let value = self.expr(&ast::Expr { kind: field, span }, out)?;
                    let part = self.inferred("", &value);
                    self.set(part, value, out);
                    tests.extend(self.pattern_test(part, pattern, out)?);
                }
                (!tests.is_empty()).then(|| joined(tests, ast::ExprKind::And))
            }
        })
    }

    /// The right side of an arm, assigned.
    pub(super) fn arm_value(&mut self, body: &ArmBody, result: ColumnId, out: &mut Vec<Statement>) {
        match body {
            ArmBody::Expr(value) => self.value_or_error(value, result, out),
            ArmBody::Block(block) => {
                let names = self.names.len();
                self.valued_block(&block.statements, block.span, Some(result), out);
                self.names.truncate(names);
            }
        }
    }

    /// A value, assigned; `ERROR('…')` in its place ends what runs.
    fn value_or_error(&mut self, value: &ast::Expr, result: ColumnId, out: &mut Vec<Statement>) {
        if is_error(value) {
            return self.throw(Some(value), value.span, out);
        }
        if let Some(value) = self.expr(value, out) {
            self.set(result, value, out);
        }
    }

    /// Looks at something whose value may be wanted by nobody.
    fn with_unwanted<T>(&mut self, unwanted: bool, look: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.unwanted, unwanted);
        let looked = look(self);
        self.unwanted = outer;
        looked
    }

    /// Statements of which the last may be an expression, a query or an IF, whose value is assigned.
    pub(super) fn valued_block(
        &mut self,
        statements: &[ast::Statement],
        span: Span,
        result: Option<ColumnId>,
        out: &mut Vec<Statement>,
    ) {
        let unwanted = std::mem::take(&mut self.unwanted);
        if let (Some(result), Some((last, before))) = (result, statements.split_last())
            && let ends = &last.kind
            && matches!(ends, K::Eval(_) | K::Query(_) | K::If(_))
            && (!unwanted || matches!(ends, K::Eval(_)))
        {
            let statements = self.statements(before);
            out.extend(statements);
            match ends {
                _ if !self.flow.is_reachable() => out.extend(self.statements(std::slice::from_ref(last))),
                K::Eval(value) => self.with_unwanted(unwanted, |checker| checker.value_or_error(value, result, out)),
                K::If(branches) => self.valued_if(branches, (last.span, result), out),
                K::Query(query) => {
                    if let Some(value) = self.value(&ast::Value::Query(Box::new(query.clone())), out) {
                        self.set(result, value, out);
                    }
                }
                _ => {}
            }
            return;
        }
        let statements = self.statements(statements);
        out.extend(statements);
        if let Some(result) = result.filter(|_| self.flow.is_reachable()) {
            self.set(result, null(span), out);
        }
    }

    /// An IF that ends such statements: the value of its branch is theirs.
    fn valued_if(&mut self, branches: &ast::If, (span, result): (Span, ColumnId), out: &mut Vec<Statement>) {
        if branches.otherwise.is_none() {
            self.set(result, null(span), out);
        }
        self.branches(branches, out, |checker, statements| {
            let mut body = Vec::new();
            checker.valued_block(statements, span, Some(result), &mut body);
            body
        });
    }

    /// The value of `try e catch {…}`; NULL after an error that has no arm.
    pub(super) fn try_value(&mut self, attempt: &ast::Try, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let result = self.new_variable("", Some(LogicalType::Null), false);
        self.declared[result.0 as usize] = false;
        self.attempt(attempt, span, Some(result), out);
        Some(result)
    }

    /// TRY; its value goes into a variable, if it is wanted.
    pub(super) fn attempt(
        &mut self,
        attempt: &ast::Try,
        span: Span,
        result: Option<ColumnId>,
        out: &mut Vec<Statement>,
    ) {
        let unwanted = std::mem::take(&mut self.unwanted);
        let before = self.flow.clone();
        let raised = self.raised_so_far();
        self.tries += 1;
        let outer = std::mem::replace(&mut self.effects, false);
        let outer_flushes = std::mem::replace(&mut self.flushes, false);
        let mut body = Vec::new();
        match (&attempt.body, result) {
            (ArmBody::Block(block), result) => self.with_unwanted(unwanted, |checker| {
                checker.valued_block(&block.statements, block.span, result, &mut body);
            }),
            (ArmBody::Expr(value), Some(result)) => self.value_or_error(value, result, &mut body),
            (ArmBody::Expr(value), None) if is_error(value) => self.throw(Some(value), value.span, &mut body),
            (ArmBody::Expr(value), None) => {
                let value = self.expr(value, &mut body).map(Statement::Eval);
                body.extend(value);
            }
        }
        self.tries -= 1;
        let effects = std::mem::replace(&mut self.effects, outer);
        self.effects |= effects;
        let flushes = std::mem::replace(&mut self.flushes, outer_flushes);
        self.flushes |= flushes;
        let tried = std::mem::replace(&mut self.flow, before);
        let caught = ["code", "message"].map(|_| self.temporary(LogicalType::String, false));
        let line = self.temporary(LogicalType::BigInt, true);
        let caught = [caught[0], caught[1], line];
        let mut handler = Vec::new();
        let catch = self.caught(&attempt.catch, raised);
        self.begin_handler(raised, &catch);
        self.handlers.push(caught[1]);
        self.with_unwanted(unwanted, |checker| {
            checker.handler(&catch, caught, result, span, &mut handler);
        });
        self.handlers.pop();
        self.end_handler();
        self.flow.meet(&tried);
        if effects {
            self.guarded_by_savepoint(&mut body, &mut handler, span, out);
        } else if flushes {
            // What is wrong with a row from before the block is not caught by it.
            self.flush(span, out);
        }
        out.push(Statement::Try { body, caught, handler });
    }

    fn handler(
        &mut self,
        catch: &Option<Catch>,
        caught: [ColumnId; 3],
        result: Option<ColumnId>,
        span: Span,
        out: &mut Vec<Statement>,
    ) {
        match catch {
            None => {
                if let Some(result) = result {
                    self.set(result, null(span), out);
                }
            }
            Some(Catch::Block { name, body }) => {
                let names = self.names.len();
                if let Some(name) = name {
                    self.exception_names(&name.text, caught);
                }
                self.valued_block(&body.statements, body.span, result, out);
                self.names.truncate(names);
            }
            Some(Catch::Arms(arms)) => self.catch_arms(arms, caught, result, out),
        }
    }

    /// `e.code`, `e.message` and `e.line`, and `e` itself, which is its message.
    fn exception_names(&mut self, name: &str, caught: [ColumnId; 3]) {
        self.name(name, caught[1]);
        for (field, id) in ["code", "message", "line"].into_iter().zip(caught) {
            self.names.push(crate::plan::BodyName {
                of: Some(name.to_owned()),
                name: field.to_owned(),
                id,
            });
        }
    }

    fn catch_arms(
        &mut self,
        arms: &[ast::CatchArm],
        caught: [ColumnId; 3],
        result: Option<ColumnId>,
        out: &mut Vec<Statement>,
    ) {
        let unwanted = std::mem::take(&mut self.unwanted);
        let before = self.flow.clone();
        let mut after: Option<super::Assigned> = None;
        let mut otherwise = vec![Statement::Rethrow(caught[1])];
        let mut branches = Vec::new();
        for (at, arm) in arms.iter().enumerate() {
            let name = &arm.exception;
            self.flow = before.clone();
            let mut statements = Vec::new();
            let errors = self.errors.len();
            let names = self.names.len();
            if let Some(name) = &arm.name {
                self.exception_names(&name.text, caught);
            }
            match (&arm.body, result) {
                (ArmBody::Expr(value), None) => {
                    let value = self.expr(value, &mut statements).map(Statement::Eval);
                    statements.extend(value);
                }
                (body, Some(result)) => self.with_unwanted(unwanted, |checker| {
                    checker.arm_value(body, result, &mut statements);
                }),
                (ArmBody::Block(block), None) => {
                    self.valued_block(&block.statements, block.span, None, &mut statements)
                }
            }
            self.names.truncate(names);
            self.advise_catch(name, errors);
            match &mut after {
                Some(after) => after.meet(&self.flow),
                None => after = Some(self.flow.clone()),
            }
            if matches!(name.text.as_str(), "_" | "Exception" | "exception") {
                otherwise = statements;
                if let Some(never) = arms.get(at + 1) {
                    self.error(unreachable_arm(never.body.span()));
                }
                break;
            }
            branches.push((self.is_exception(&name.text, caught[0], name.span), statements));
        }
        self.flow = after.unwrap_or(before);
        out.push(Statement::If {
            arms: branches,
            otherwise,
        });
    }

    /// What stands before the arrow is an exception; whoever uses it as a variable wants `catch e {…}`.
    fn advise_catch(&mut self, name: &ast::Ident, errors: usize) {
        let unknown = format!("variable `{}` does not exist", name.text);
        for error in self
            .errors
            .iter_mut()
            .skip(errors)
            .filter(|error| error.message == unknown)
        {
            let help = format!(
                "before the arrow stands the name of an exception; `catch {} {{ … }}` has the error as a variable",
                name.text
            );
            error.help = Some(help);
        }
    }
}

fn equal(subject: &ast::Expr, value: &ast::Expr) -> ast::Expr {
    let kind = match &value.kind {
        ast::ExprKind::Literal(ast::Literal::Null) => ast::ExprKind::Is {
            expr: Box::new(subject.clone()),
            negated: false,
            test: ast::IsTest::Null,
        },
        _ => ast::ExprKind::Compare {
            op: ast::CompareOp::Eq,
            left: Box::new(subject.clone()),
            right: Box::new(value.clone()),
        },
    };
    ast::Expr { kind, span: value.span }
}

fn joined(mut items: Vec<ast::Expr>, make: fn(Vec<ast::Expr>) -> ast::ExprKind) -> ast::Expr {
    match items.len() {
        1 => items.remove(0),
        _ => ast::Expr {
            span: items.first().map_or_else(Span::default, |item| item.span),
            kind: make(items),
        },
    }
}

pub(super) fn null(span: Span) -> Expr {
    Expr {
        kind: ExprKind::Literal(Value::Null),
        ty: LogicalType::Null,
        span,
    }
}
