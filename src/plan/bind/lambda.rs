//! Lambdas and pipes in a query: a function of its own, which is called with the columns that it names.
//!
//! `SELECT xs |> map(x => x * t.k) FROM t` calls a function of `xs` and `t.k`, whose body is a loop over the elements; it is code of the
//! query's kernel, like other functions.
//!
//! Invariants: outside of lambdas, what holds none is bound here, and passed; inside, only names are, so that nothing is computed
//! that the lambda would not.
//!
//! Does not: check the function; whoever implements [`crate::plan::TableResolver::lambda`] does.

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, ExprKind as K, Ident, Query, StatementKind};

use super::scope::Found;
use super::select::Block;
use super::{Binder, Bound};
use crate::functions;
use crate::plan::LambdaCall;
use crate::plan::logical::{Called, Expr, ExprKind};
use crate::plan::properties;
use crate::types::{LogicalType, Value};

/// What is passed to the function so far.
#[derive(Default)]
struct Passed {
    values: Vec<Expr>,
    written: Vec<ast::Expr>,
    /// Functions that are named, and not passed.
    functions: Vec<String>,
}

impl<'a> Binder<'a> {
    /// Whether a call has a function without a name among its arguments. An aggregate takes one behind an array: it is over rows.
    pub(super) fn has_lambda(call: &ast::Call) -> bool {
        let is_lambda = |arg: &ast::Expr| matches!(arg.kind, K::Lambda(_));
        match super::call::aggregate_function(&call.name.text) {
            None => call.args.iter().any(is_lambda),
            Some(_) => matches!(call.args.as_slice(), [source, by] if is_lambda(by) && !is_lambda(source)),
        }
    }

    /// Whether a call has functions of the user's among its arguments, by their names.
    pub(super) fn has_function_name(&mut self, block: &Block<'a>, call: &ast::Call) -> bool {
        let takes_any = self.tables.has_routine(&call.name.text)
            || super::call::aggregate_function(&call.name.text).is_none()
                && functions::all()
                    .iter()
                    .all(|known| !call.name.text.eq_ignore_ascii_case(known.name));
        takes_any && call.args.iter().any(|arg| self.is_function_name(block, arg))
    }

    /// Whether a call has calls of functions that give functions among its arguments.
    pub(super) fn has_given_function(&mut self, block: &Block<'a>, call: &ast::Call) -> bool {
        !self.in_body
            && call.args.iter().any(|arg| match &arg.kind {
                K::Named { value, .. } => self.gives_function(block, value),
                _ => self.gives_function(block, arg),
            })
    }

    /// Whether an expression is a call of a function that gives a function.
    fn gives_function(&mut self, block: &Block<'a>, e: &ast::Expr) -> bool {
        let K::Call(call) = &e.kind else { return false };
        match self.member_call(block, call) {
            Some(Ok(member)) => self.tables.gives_function(&member),
            _ => self.tables.gives_function(call),
        }
    }

    /// Whether an argument is the name of a function of the user's.
    pub(super) fn is_function_name(&mut self, block: &Block<'a>, arg: &ast::Expr) -> bool {
        let arg = match &arg.kind {
            K::Named { value, .. } => value,
            _ => arg,
        };
        let K::Name(path) = &arg.kind else { return false };
        let [name] = path.as_slice() else { return false };
        if self.in_body || !self.tables.has_routine(&name.text) || block.alias(&name.text).is_some() {
            return false;
        }
        let mut scopes = std::iter::once(&block.scope).chain(&self.outer);
        let is_column = scopes.any(|scope| !matches!(scope.find(path), Found::Nothing));
        !is_column && self.tables.variable(&name.text).is_none()
    }

    /// A pipe, or a call with a lambda.
    pub(super) fn lambda_call(&mut self, block: &mut Block<'a>, e: &ast::Expr) -> Bound<Expr> {
        let mut body = e.clone();
        let mut passing = Passing {
            binder: self,
            block,
            shadows: Vec::new(),
            passed: Passed::default(),
            done: Ok(()),
        };
        passing.expr(&mut body);
        let (passed, done) = (passing.passed, passing.done);
        done?;
        let described = passed.values.iter().enumerate().map(|(at, value)| {
            let nullable = match self.in_body {
                true => {
                    let nullable = value
                        .columns()
                        .into_iter()
                        .filter(|id| self.info(*id).nullable)
                        .collect();
                    properties::may_be_null(value, &nullable)
                }
                false => block.may_be_null(self, value),
            };
            (param(at), value.ty.clone(), nullable)
        });
        let call = LambdaCall {
            body: &body,
            params: described.collect(),
            dialect: self.dialect,
        };
        if !self.in_body && self.tables.calls_for_rows() && self.tables.lambda_asks(&call, &passed.functions) {
            let callee = match self.tables.called_lambda(&call) {
                Ok(callee) if callee.effects => return self.does_more("lambda", e.span),
                Ok(callee) => callee,
                Err(error) => return self.fail(error),
            };
            let params = (0..passed.values.len()).map(param).collect();
            let function = Called::Expression {
                body: Box::new(body),
                params,
            };
            return self.called(block, function, callee.result, passed.values, e.span);
        }
        let callee = match self.tables.lambda(&call) {
            Some(Ok(callee)) => callee,
            Some(Err(error)) => return self.fail(error),
            None => return self.unsupported("a lambda here is", e.span),
        };
        let kind = ExprKind::Routine {
            routine: callee.routine,
            name: "lambda".into(),
            args: passed.values,
            nullable: callee.nullable,
            volatile: callee.volatile,
        };
        let called = Expr {
            kind,
            ty: callee.result,
            span: e.span,
        };
        Ok(self.once(block, called))
    }

    /// The array of the numbers from 0 to below a count; none for NULL.
    pub(super) fn numbers_below(&mut self, count: Expr, span: ast::Span) -> Bound<Expr> {
        if let Some(count) = count.as_literal() {
            let numbers = (0..count.as_int().unwrap_or(0)).map(Value::Int).collect();
            let ty = LogicalType::Array(Box::new(LogicalType::BigInt));
            return Ok(Expr::literal(Value::Array(numbers), ty, span));
        }
        let ident = |text: String| Ident {
            text,
            quoted: true,
            span,
        };
        let name = ast::Expr {
            kind: K::Name(vec![ident(param(0))]),
            span,
        };
        let range = ast::Call {
            name: ident("range".to_owned()),
            distinct: false,
            star: false,
            args: vec![name],
            filter: None,
        };
        let body = ast::Expr {
            kind: K::Call(range),
            span,
        };
        let call = LambdaCall {
            body: &body,
            params: vec![(param(0), count.ty.clone(), true)],
            dialect: self.dialect,
        };
        match self.tables.lambda(&call) {
            Some(Ok(callee)) => Ok(Expr {
                kind: ExprKind::Routine {
                    routine: callee.routine,
                    name: "lambda".into(),
                    args: vec![count],
                    nullable: callee.nullable,
                    volatile: callee.volatile,
                },
                ty: callee.result,
                span,
            }),
            Some(Err(error)) => self.fail(error),
            None => self.unsupported("`unnest` of several arrays here is", span),
        }
    }

    /// An expression that lives as long as the binding.
    pub(super) fn kept(&self, e: &ast::Expr) -> &'a ast::Expr {
        let query = Query::of(ast::QueryBody::Values(vec![vec![e.clone()]]), e.span);
        let kept: &'a Query = self.views.push_get(Box::new(query));
        match &kept.body {
            ast::QueryBody::Values(rows) => &rows[0][0],
            _ => unreachable!("it was made of values"),
        }
    }
}

/// Puts parameters in the places of what the function does not compute itself.
struct Passing<'p, 'a> {
    binder: &'p mut Binder<'a>,
    block: &'p mut Block<'a>,
    /// Names that lambdas, patterns and blocks declare; there is one, if only an empty one, inside of a lambda.
    shadows: Vec<String>,
    passed: Passed,
    done: Bound<()>,
}

impl Passing<'_, '_> {
    /// Makes `m.f(x)` a call of what the module has, unless `m` is a name of a lambda's.
    fn name_member(&mut self, e: &mut ast::Expr) {
        let K::Call(call) = &mut e.kind else { return };
        let Some(K::Name(path)) = call.args.first().map(|first| &first.kind) else {
            return;
        };
        let is_own = |first: &Ident| self.shadows.iter().any(|s| s.eq_ignore_ascii_case(&first.text));
        if path.first().is_some_and(is_own) {
            return;
        }
        if let Some(Ok(member)) = self.binder.member_call(self.block, call) {
            *call = member;
        }
    }
}

impl VisitMut for Passing<'_, '_> {
    fn expr(&mut self, e: &mut ast::Expr) {
        self.name_member(e);
        let whole = self.shadows.is_empty() && !self.holds_function(e);
        let gives = self.binder.gives_function(self.block, e);
        match &mut e.kind {
            K::Literal(_) => {}
            K::Lambda(lambda) => self.lambda(lambda),
            K::Name(path) => {
                let own = path
                    .first()
                    .is_some_and(|first| self.shadows.iter().any(|s| s.eq_ignore_ascii_case(&first.text)));
                let function = matches!(path.as_slice(), [name] if self.binder.tables.has_routine(&name.text));
                if !own && !function {
                    self.hand_over(e);
                } else if let (false, [name]) = (own, path.as_slice()) {
                    self.passed.functions.push(name.text.clone());
                }
            }
            K::Braced(_) | K::Subquery(_) | K::Exists(_) | K::Window { .. } | K::Ordered { .. } | K::Parameter(_) => {
                self.hand_over(e);
            }
            K::Call(call) if is_range(call) => visit::walk_expr(self, e),
            K::Named { .. } => visit::walk_expr(self, e),
            K::Call(_) if gives => visit::walk_expr(self, e),
            _ if whole => self.hand_over(e),
            K::Try(attempt) => {
                let before = self.shadows.len();
                let names = attempt.catch.iter().flat_map(ast::Catch::names);
                self.shadows.extend(names.map(|name| name.text.clone()));
                visit::walk_expr(self, e);
                self.shadows.truncate(before);
            }
            _ => visit::walk_expr(self, e),
        }
    }

    fn lambda(&mut self, lambda: &mut ast::Lambda) {
        let before = self.shadows.len();
        // What is inside of a lambda without parameters is inside, too.
        self.shadows.push(String::new());
        self.shadows
            .extend(lambda.params.iter().map(|param| param.text.clone()));
        visit::walk_arm(self, &mut lambda.body);
        self.shadows.truncate(before);
    }

    fn arm(&mut self, arm: &mut ast::MatchArm) {
        let before = self.shadows.len();
        for pattern in &arm.patterns {
            pattern.each_name(&mut |name| self.shadows.push(name.text.clone()));
        }
        visit::walk_match_arm(self, arm);
        self.shadows.truncate(before);
    }

    fn block(&mut self, block: &mut ast::Block) {
        let before = self.shadows.len();
        for statement in &mut block.statements {
            // What is declared further up is in reach of what comes behind it.
            self.statement(statement);
            if let StatementKind::Let(variable) = &statement.kind {
                self.shadows.push(variable.name.text.clone());
            }
        }
        self.shadows.truncate(before);
    }

    fn statement(&mut self, statement: &mut ast::Statement) {
        let before = self.shadows.len();
        match &statement.kind {
            StatementKind::For(each) => self.shadows.push(each.name.text.clone()),
            StatementKind::Routine(routine) => {
                self.shadows
                    .extend(routine.params.iter().map(|param| param.name.text.clone()));
            }
            _ => {}
        }
        visit::walk_statement(self, statement);
        self.shadows.truncate(before);
        if let StatementKind::Routine(routine) = &statement.kind {
            self.shadows.extend(routine.name.iter().map(|name| name.text.clone()));
        }
    }

    fn query(&mut self, query: &mut Query) {
        let refused = self.binder.unsupported("a query in a lambda of a query is", query.span);
        self.done = self.done.and(refused);
    }
}

impl<'a> Passing<'_, 'a> {
    /// Whether a lambda, or a function by its name, is within an expression.
    fn holds_function(&mut self, e: &ast::Expr) -> bool {
        if holds_lambda(e) {
            return true;
        }
        if let K::Call(call) = &e.kind
            && (self.binder.has_function_name(self.block, call) || self.binder.gives_function(self.block, e))
        {
            return true;
        }
        let mut found = false;
        e.clone()
            .for_each_child_mut(&mut |child| found = found || self.holds_function(child));
        found
    }

    /// Binds an expression, and puts the parameter that has its value in its place.
    fn hand_over(&mut self, e: &mut ast::Expr) {
        let known = self.passed.written.iter().position(|written| written == e);
        let at = match known {
            Some(at) => at,
            None => {
                let kept: &'a ast::Expr = self.binder.kept(e);
                match self.binder.expr(self.block, kept) {
                    Ok(value) => self.passed.values.push(value),
                    Err(reported) => {
                        self.done = Err(reported);
                        return;
                    }
                }
                self.passed.written.push(e.clone());
                self.passed.values.len() - 1
            }
        };
        *e = ast::Expr {
            kind: K::Name(vec![Ident {
                text: param(at),
                quoted: true,
                span: e.span,
            }]),
            span: e.span,
        };
    }
}

/// Whether a call is of numbers, which the function counts itself.
fn is_range(call: &ast::Call) -> bool {
    matches!(call.name.text.to_lowercase().as_str(), "range" | "generate_series")
}

/// `range(…)` as the array of its numbers: `map(range(…), n => n)`; `None` if a call is another one.
pub(in crate::plan) fn as_numbers(call: &ast::Call, span: ast::Span) -> Option<ast::Expr> {
    if !is_range(call) {
        return None;
    }
    let ident = |text: &str| Ident {
        text: text.to_owned(),
        quoted: true,
        span,
    };
    let of = |kind| ast::Expr { kind, span };
    let same = K::Lambda(Box::new(ast::Lambda {
        params: vec![ident("n")],
        body: ast::ArmBody::Expr(of(K::Name(vec![ident("n")]))),
    }));
    Some(of(K::Call(ast::Call {
        name: ident("map"),
        distinct: false,
        star: false,
        args: vec![of(K::Call(call.clone())), of(same)],
        filter: None,
    })))
}

/// The name of a parameter, which no text has.
fn param(at: usize) -> String {
    format!("${at}")
}

/// Whether an expression has a lambda or a pipe in it.
fn holds_lambda(e: &ast::Expr) -> bool {
    match &e.kind {
        K::Lambda(_) | K::Pipe { .. } => true,
        K::Call(call) => call.args.iter().any(holds_lambda),
        _ => {
            let mut e = e.clone();
            let mut found = false;
            e.for_each_child_mut(&mut |child| found = found || holds_lambda(child));
            found
        }
    }
}
