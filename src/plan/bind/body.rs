//! Expressions of bodies, and calls of functions of the user's.
//!
//! In `total = total + r.price`, `total` and `r` are variables; in `SELECT f(x) FROM t` with `function f(a double)`, the column
//! is converted to double and the call names the function made for doubles.
//!
//! Invariants: an expression of a body has no aggregate and no subquery; those are statements of their own.
//!
//! Does not: look into functions.

use std::collections::HashSet;

use gobi_grammar::ast::{self, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::coerce::{cast, with_literal};
use super::scope::Scope;
use super::select::{Block, Place};
use super::{Binder, Bound, Reported};
use crate::plan::logical::{Expr, ExprKind, GivenName, TableId};
use crate::plan::{
    BodyScope, Moment, Named, NamedTypes, ResolveError, RoutineCall, TableInfo, TableResolver, constant,
};
use crate::types::LogicalType;

/// Binds an expression of a body; see [`crate::plan::bind_scalar`].
pub(in crate::plan) fn bind_scalar(
    expr: &ast::Expr,
    body: &BodyScope<'_>,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<Expr, Vec<Diagnostic>> {
    let views = elsa::FrozenVec::new();
    let mut binder = Binder::new(dialect, tables, &views);
    binder.in_body = true;
    binder.tried = body.tried;
    for variable in body.variables {
        binder.new_column(&variable.name, variable.ty.clone(), variable.nullable);
    }
    let mut scope = Scope::default();
    // The innermost of a name hides the others.
    let mut seen = HashSet::with_capacity(body.names.len());
    for name in body.names.iter().rev() {
        let of = name.of.as_deref();
        if seen.insert((of.map(str::to_lowercase), name.name.to_lowercase())) {
            scope.push_relation(of, [(name.name.clone(), name.id)]);
            if let Some(last) = scope.columns.last_mut() {
                last.hidden = of.is_some();
            }
        }
    }
    let mut block = Block::new(scope, Place::Other);
    let bound = binder.expr(&mut block, expr);
    if !block.aggregates.is_empty() {
        let message = "an aggregate needs rows; write a query in parentheses";
        binder.errors.push(Diagnostic::new("42803", expr.span, message));
    }
    match bound {
        Ok(bound) if binder.errors.is_empty() => Ok(bound),
        _ => {
            binder.errors.sort_by_key(|d| (d.span().start, d.span().end));
            binder.errors.dedup();
            Err(binder.errors)
        }
    }
}

/// The type that a name stands for.
pub(in crate::plan) fn bind_type(
    name: &ast::TypeName,
    dialect: Dialect,
    types: &NamedTypes,
) -> Result<LogicalType, Vec<Diagnostic>> {
    let views = elsa::FrozenVec::new();
    let mut tables = TypesOnly(types);
    let mut binder = Binder::new(dialect, &mut tables, &views);
    binder.type_name(name).map_err(|Reported| binder.errors)
}

/// Converts a value to the type of a variable, where nobody has to ask for that: between numbers, from dates to times, and
/// constants that can be read as the type.
pub(in crate::plan) fn converted(expr: Expr, ty: &LogicalType) -> Option<Expr> {
    if expr.ty == *ty {
        return Some(expr);
    }
    if let Some(value) = expr.as_literal() {
        return constant::convert(value, &expr.ty, ty).is_ok().then(|| cast(expr, ty));
    }
    if let (ExprKind::Case { .. }, LogicalType::Enum(_)) = (&expr.kind, ty) {
        return labels_of(expr, ty);
    }
    let numbers = expr.ty.is_numeric() && ty.is_numeric();
    let wider = super::coerce::common_type(&expr.ty, ty).as_ref() == Some(ty);
    (numbers || wider || expr.ty == LogicalType::Null || are_digits_kept(&expr.ty, ty)).then(|| cast(expr, ty))
}

/// Whether arrays of decimals become others in which no digit behind the point is lost: variables hold more digits than what they are made of.
fn are_digits_kept(from: &LogicalType, to: &LogicalType) -> bool {
    use LogicalType as T;
    match (from, to) {
        (T::Array(from), T::Array(to)) => are_digits_kept(from, to),
        (T::Decimal { scale: from, .. }, T::Decimal { scale: to, .. }) => from <= to,
        _ => false,
    }
}

/// CASE over texts that are written out, as labels of an enum.
fn labels_of(expr: Expr, ty: &LogicalType) -> Option<Expr> {
    let span = expr.span;
    let ExprKind::Case { arms, otherwise } = expr.kind else {
        return None;
    };
    let arms = arms.into_iter().map(|(when, then)| Some((when, converted(then, ty)?)));
    let arms = arms.collect::<Option<_>>()?;
    let otherwise = Box::new(converted(*otherwise, ty)?);
    Some(Expr {
        kind: ExprKind::Case { arms, otherwise },
        ty: ty.clone(),
        span,
    })
}

impl<'a> Binder<'a> {
    /// The variable of the script or body that the query stands in, as its value.
    pub(super) fn variable(&mut self, name: &ast::Ident, span: Span) -> Option<Expr> {
        if !self.frames.is_empty() {
            // Nobody's variables are seen by the body of a function.
            return None;
        }
        let (ty, value) = self.tables.variable(&name.text)?;
        Some(self.given(GivenName::Variable(name.text.clone()), value, ty, span))
    }

    /// `r.a`, where `r` is the row of a loop.
    pub(super) fn row_variable(&mut self, row: &ast::Ident, column: &ast::Ident, span: Span) -> Option<Expr> {
        if !self.frames.is_empty() {
            return None;
        }
        let name = format!("{}.{}", row.text, column.text);
        let (ty, value) = self.tables.variable(&name)?;
        Some(self.given(GivenName::Variable(name), value, ty, span))
    }

    /// `e` of `catch e`, which is its message where it stands by itself.
    pub(super) fn caught_message(&mut self, name: &ast::Ident, span: Span) -> Option<Expr> {
        // Where the query runs there are those of its parts that it names.
        let parts = self.tables.variables_of(&name.text);
        let is_part = |part: &String| ["code", "line", "message"].contains(&part.as_str());
        let message = ast::Ident {
            text: "message".to_owned(),
            quoted: true,
            span: name.span,
        };
        match parts.iter().all(is_part) && parts.iter().any(|part| part == "message") {
            true => self.row_variable(name, &message, span),
            false => None,
        }
    }

    /// A call of a function of the user's, if there is one of that name.
    pub(super) fn routine_call(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        span: Span,
    ) -> Option<Bound<Expr>> {
        if !self.tables.has_routine(&call.name.text) {
            return None;
        }
        let mut names = Vec::with_capacity(call.args.len());
        let mut args = Vec::with_capacity(call.args.len());
        let mut failed = false;
        for arg in &call.args {
            let (name, value) = match &arg.kind {
                ast::ExprKind::Named { name, value } => (Some(name), &**value),
                _ => (None, arg),
            };
            names.push(name);
            match self.expr(block, value) {
                Ok(bound) => args.push(bound),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Some(Err(Reported));
        }
        let described = names.iter().zip(&args).map(|(name, arg)| {
            let nullable = match self.in_body {
                true => {
                    let nullable = arg.columns().into_iter().filter(|id| self.info(*id).nullable).collect();
                    crate::plan::properties::may_be_null(arg, &nullable)
                }
                false => block.may_be_null(self, arg),
            };
            (*name, arg.ty.clone(), nullable)
        });
        let described = RoutineCall {
            name: &call.name,
            args: described.collect(),
        };
        if !self.in_body
            && let Some(asking) = self.tables.query_function(&described)
        {
            return Some(match asking {
                Ok(function) if function.is_async => self.waits(&call.name),
                Ok(function) => self.asked(block, function, &described, args, span),
                Err(error) => self.fail(error),
            });
        }
        let callee = match self.tables.routine(&described)? {
            Ok(callee) => callee,
            Err(error) => return Some(self.fail(error)),
        };
        if callee.is_async && !self.in_body {
            return Some(self.waits(&call.name));
        }
        if callee.effects && !self.in_body {
            return Some(self.does_more(&call.name.text, span));
        }
        let called = self.passed(&call.name.text, callee, args, span);
        Some(called.map(|called| self.once(block, called)))
    }

    /// The error of a function that queries would wait for.
    pub(super) fn waits<T>(&mut self, name: &ast::Ident) -> Bound<T> {
        let message = format!("`{}` is async; a query calls only functions that are not", name.text);
        let help = format!(
            "call it before, as in `let x = {}(…)`, or declare it `as sync`",
            name.text
        );
        self.fail(Diagnostic::new("42809", name.span, message).with_help(help))
    }

    /// An argument in the type of its parameter.
    pub(super) fn passed_as(&mut self, value: Expr, ty: &LogicalType) -> Bound<Expr> {
        let (from, place) = (value.ty.clone(), value.span);
        match converted(value.clone(), ty) {
            Some(value) => Ok(value),
            None if with_literal(ty, &value).is_some() => self.convert_constant(value, ty),
            None => {
                let message = format!("an argument of type {ty} is wanted here, not {from}");
                self.fail(super::coerce::misfit(&Expr { span: place, ..value }, ty, message))
            }
        }
    }

    fn passed(&mut self, name: &str, callee: crate::plan::Callee, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let values = self.passed_values(callee.params, &args)?;
        let kind = ExprKind::Routine {
            routine: callee.routine,
            name: name.into(),
            args: values,
            nullable: callee.nullable,
            volatile: callee.volatile,
        };
        Ok(Expr {
            kind,
            ty: callee.result,
            span,
        })
    }
}

/// Where there is nothing to find but types.
struct TypesOnly<'t>(&'t NamedTypes);

impl TableResolver for TypesOnly<'_> {
    fn types(&self) -> NamedTypes {
        self.0.clone()
    }

    fn by_name(&mut self, _: &[&str], _: Option<&Moment>) -> Result<Option<Named>, ResolveError> {
        Ok(None)
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        Err(ResolveError {
            code: "58P01",
            message: format!("there is no file `{path}` here"),
        })
    }

    fn info(&self, _: TableId) -> &TableInfo {
        unreachable!("no table was ever found")
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
