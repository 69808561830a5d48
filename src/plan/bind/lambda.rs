//! Lambdas and pipes in a query: a function of its own, which is called with the columns that it names.
//!
//! `SELECT xs |> map(x => x * t.k) FROM t` calls a function of `xs` and `t.k`, whose body is a loop over the elements; it is code of the
//! query's kernel, like other functions.
//!
//! Invariants: outside of lambdas, what holds none is bound here, and passed; inside, only names are, so that nothing is computed
//! that the lambda would not.
//!
//! Does not: check the function; whoever implements [`crate::plan::TableResolver::lambda`] does.

use gobi_grammar::ast::{self, ArmBody, ExprKind as K, Ident, Query};

use super::select::Block;
use super::{Binder, Bound};
use crate::plan::LambdaCall;
use crate::plan::logical::{Expr, ExprKind};
use crate::plan::properties;

/// What is passed to the function so far.
#[derive(Default)]
struct Passed {
    values: Vec<Expr>,
    written: Vec<ast::Expr>,
}

impl<'a> Binder<'a> {
    /// Whether a call has a function without a name among its arguments. An aggregate takes none: it is over rows.
    pub(super) fn has_lambda(call: &ast::Call) -> bool {
        let is_lambda = |arg: &ast::Expr| matches!(arg.kind, K::Lambda(_));
        call.args.iter().any(is_lambda) && super::call::aggregate_function(&call.name.text).is_none()
    }

    /// A pipe, or a call with a lambda.
    pub(super) fn lambda_call(&mut self, block: &mut Block<'a>, e: &ast::Expr) -> Bound<Expr> {
        let mut passed = Passed::default();
        let mut body = e.clone();
        self.pass(block, &mut body, &mut Vec::new(), &mut passed)?;
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
        };
        Ok(Expr {
            kind,
            ty: callee.result,
            span: e.span,
        })
    }

    /// Puts parameters in the places of what the function does not compute itself.
    fn pass(
        &mut self,
        block: &mut Block<'a>,
        e: &mut ast::Expr,
        shadows: &mut Vec<String>,
        passed: &mut Passed,
    ) -> Bound<()> {
        let whole = shadows.is_empty() && !holds_lambda(e);
        match &mut e.kind {
            K::Literal(_) => return Ok(()),
            K::Lambda(lambda) => {
                let before = shadows.len();
                // What is inside of a lambda without parameters is inside, too.
                shadows.push(String::new());
                shadows.extend(lambda.params.iter().map(|param| param.text.clone()));
                let done = match &mut lambda.body {
                    ArmBody::Expr(body) => self.pass(block, body, shadows, passed),
                    ArmBody::Block(body) => {
                        let span = body.span;
                        self.unsupported("a lambda with a block in a query is", span)
                    }
                };
                shadows.truncate(before);
                return done;
            }
            K::Name(path) => {
                let own = path
                    .first()
                    .is_some_and(|first| shadows.iter().any(|s| s.eq_ignore_ascii_case(&first.text)));
                let function = matches!(path.as_slice(), [name] if self.tables.has_routine(&name.text));
                if own || function {
                    return Ok(());
                }
                return self.hand_over(block, e, passed);
            }
            K::Braced(_) | K::Subquery(_) | K::Exists(_) | K::Window { .. } | K::Ordered { .. } | K::Parameter(_) => {
                return self.hand_over(block, e, passed);
            }
            K::Call(call) if is_range(call) => {}
            _ if whole => return self.hand_over(block, e, passed),
            _ => {}
        }
        let mut done = Ok(());
        e.for_each_child_mut(&mut |child| {
            let fine = self.pass(block, child, shadows, passed);
            done = done.and(fine);
        });
        done
    }

    /// Binds an expression, and puts the parameter that has its value in its place.
    fn hand_over(&mut self, block: &mut Block<'a>, e: &mut ast::Expr, passed: &mut Passed) -> Bound<()> {
        let known = passed.written.iter().position(|written| written == e);
        let at = match known {
            Some(at) => at,
            None => {
                let value = self.kept(e);
                let value = self.expr(block, value)?;
                passed.values.push(value);
                passed.written.push(e.clone());
                passed.values.len() - 1
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
        Ok(())
    }

    /// An expression that lives as long as the binding.
    fn kept(&self, e: &ast::Expr) -> &'a ast::Expr {
        let query = Query::of(ast::QueryBody::Values(vec![vec![e.clone()]]), e.span);
        let kept: &'a Query = self.views.push_get(Box::new(query));
        match &kept.body {
            ast::QueryBody::Values(rows) => &rows[0][0],
            _ => unreachable!("it was made of values"),
        }
    }
}

/// Whether a call is of numbers, which the function counts itself.
fn is_range(call: &ast::Call) -> bool {
    matches!(call.name.text.to_lowercase().as_str(), "range" | "generate_series")
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
