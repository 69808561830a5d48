//! Functions inside bodies.
//!
//! `function gross(x decimal(10,2)) => x * rate` in a body is a function of the statements behind it, which keeps the value that `rate` has where it
//! stands.
//!
//! Invariants: what it assigns stays inside, and what is assigned later does not reach it, as with lambdas.
//!
//! Does not: see functions that are written behind it.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ArmBody, Block, RoutineBody, RoutineForm, Span, StatementKind as K};

use super::super::params;
use super::Checker;
use super::lambda::Closure;
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::Statement;
use crate::plan::{bind_type, converted};

impl Checker<'_> {
    /// A function that is written inside a body.
    pub(super) fn inner_function(&mut self, routine: &ast::Routine, span: Span, out: &mut Vec<Statement>) {
        let name = match routine.name.as_slice() {
            [name] if routine.form == RoutineForm::Local && routine.receiver.is_none() => name,
            _ => {
                let message = "a function of this form inside a body is not supported yet";
                return self.error(Diagnostic::new("0A000", span, message));
            }
        };
        if routine.mode == Some(ast::Mode::Async) || !routine.metadata.is_empty() {
            let message = "`as async` and metadata of a function inside a body are not supported yet";
            return self.error(Diagnostic::new("0A000", span, message));
        }
        let lambda = ast::Lambda {
            params: routine.params.iter().map(|param| param.name.clone()).collect(),
            body: ArmBody::Block(block_of(&routine.body, span)),
        };
        self.let_lambda(name, &lambda, out);
        let made = [self.closures.last_mut(), self.named.last_mut()];
        for closure in made.into_iter().flatten().filter(|closure| closure.name == name.text) {
            closure.written = Some(Arc::new(routine.clone()));
        }
    }

    /// A call of such a function: arguments by position and name, defaults, and the types that are written.
    pub(super) fn call_inner(
        &mut self,
        closure: &Closure,
        written: &ast::Routine,
        call: &ast::Call,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        let span = call.args.iter().fold(call.name.span, |span, arg| span.to(arg.span));
        let by_place = call.args.iter().take_while(|arg| named(arg).is_none()).count();
        self.check_arguments(written, call, by_place, span)?;
        let mut args = Vec::with_capacity(written.params.len());
        for (at, param) in written.params.iter().enumerate() {
            let given = call.args.get(at).filter(|_| at < by_place).or_else(|| {
                let same =
                    |arg: &&ast::Expr| named(arg).is_some_and(|name| name.text.eq_ignore_ascii_case(&param.name.text));
                call.args.iter().find(same)
            });
            let Some(value) = given.map(value_of).or(param.default.as_ref()) else {
                let message = format!("`{}` needs a value for `{}`", call.name.text, param.name.text);
                self.error(Diagnostic::new("42883", span, message).with_help(shape(written)));
                return None;
            };
            args.push(self.argument(value, param, out)?);
        }
        self.apply_closure(closure, &args, span, out)
    }

    /// An error if there are arguments that no parameter takes.
    fn check_arguments(&mut self, written: &ast::Routine, call: &ast::Call, by_place: usize, span: Span) -> Option<()> {
        let takes = written.params.len();
        let name = &call.name.text;
        let known = |name: &ast::Ident| {
            let mut params = written.params.iter().skip(by_place);
            params.any(|param| param.name.text.eq_ignore_ascii_case(&name.text))
        };
        let stray = call
            .args
            .iter()
            .skip(by_place)
            .find(|arg| !named(arg).is_some_and(known));
        let (place, message) = match stray.map(|arg| (arg.span, named(arg))) {
            Some((place, Some(stray))) => (
                place,
                format!("`{name}` has no parameter `{}` to be named here", stray.text),
            ),
            Some((place, None)) => (place, "arguments by position come before those by name".to_owned()),
            None if by_place > takes => {
                let plural = if takes == 1 { "" } else { "s" };
                (
                    span,
                    format!("`{name}` takes {takes} argument{plural}, and is given {by_place}"),
                )
            }
            None => return Some(()),
        };
        self.error(Diagnostic::new("42883", place, message).with_help(shape(written)));
        None
    }

    /// The value of a parameter, as a variable of its type.
    pub(super) fn argument(
        &mut self,
        value: &ast::Expr,
        param: &ast::Param,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let bound = self.expr(value, out)?;
        let fits = self.fitting(bound, param)?;
        let held = self.new_variable("", Some(fits.ty.clone()), false);
        self.set(held, fits, out);
        Some(held)
    }

    /// A value in the type of a parameter.
    pub(super) fn fitting(&mut self, bound: Expr, param: &ast::Param) -> Option<Expr> {
        let Some(ty) = &param.ty else { return Some(bound) };
        let ty = match bind_type(ty, self.dialect, &self.instances.types) {
            Ok(ty) => ty,
            Err(errors) => {
                self.errors.extend(errors);
                return None;
            }
        };
        let (from, place) = (bound.ty.clone(), bound.span);
        let fits = converted(bound, &ty);
        if fits.is_none() {
            let message = format!(
                "`{}` is {ty}, and cannot be given a value of type {from}",
                param.name.text
            );
            self.error(Diagnostic::new("42804", place, message).with_help(format!("cast it: `… :: {ty}`")));
        }
        fits
    }
}

fn block_of(body: &RoutineBody, span: Span) -> Block {
    match body {
        RoutineBody::Block(block) => block.clone(),
        RoutineBody::Value(value) => Block {
            statements: vec![ast::Statement {
                kind: K::Return(Some(Box::new(value.clone()))),
                span,
            }],
            span,
        },
    }
}

/// What its calls look like, for help lines.
fn shape(written: &ast::Routine) -> String {
    let name: Vec<&str> = written.name.iter().map(|part| part.text.as_str()).collect();
    params::shape(&name.join("."), &written.params)
}

fn named(arg: &ast::Expr) -> Option<&ast::Ident> {
    match &arg.kind {
        ast::ExprKind::Named { name, .. } => Some(name),
        _ => None,
    }
}

fn value_of(arg: &ast::Expr) -> &ast::Expr {
    match &arg.kind {
        ast::ExprKind::Named { value, .. } => value,
        _ => arg,
    }
}
