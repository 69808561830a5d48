//! `spawn` and `await`: calls that run by themselves, and their values.
//!
//! `let a = spawn load('a')` asks for a number; `await a` asks for the value of the call with that number. `await 1` waits for a job, and leaves its
//! value alone.
//!
//! Invariants: a future is a struct of the number and of a field with the type of the value, so that its type says what it gives; the
//! arguments are computed before the call begins.
//!
//! Does not: run anything.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Expr, ExprKind, Span};

use super::super::question::QuestionKind;
use super::Checker;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;
use crate::types::LogicalType;

impl Checker<'_> {
    /// `spawn f(…)`.
    pub(super) fn spawn(&mut self, value: &Expr, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let ExprKind::Call(call) = &value.kind else {
            let message = "`spawn` takes a call of a function or procedure";
            self.error(Diagnostic::new("42601", value.span, message).with_help("write `spawn f(…)`"));
            return None;
        };
        self.effects = true;
        if self.tables.is_none() {
            let message = "`spawn` in a function that a query calls is not supported yet";
            self.error(Diagnostic::new("0A000", span, message));
            return None;
        }
        if !self.instances.has(&call.name.text) {
            let message = format!("`{}` is not a function or procedure of one's own", call.name.text);
            self.error(Diagnostic::new("42883", call.name.span, message));
            return None;
        }
        let (mut call, mut given) = (call.clone(), Vec::new());
        for arg in &mut call.args {
            let place = match &mut arg.kind {
                ExprKind::Named { value, .. } => &mut **value,
                _ => arg,
            };
            let bound = self.expr(place, out)?;
            let held = self.new_variable("", Some(bound.ty.clone()), false);
            self.set(held, bound, out);
            *place = self.reference(held, place.span);
            given.push(held);
        }
        let call = Expr {
            kind: ExprKind::Call(call),
            span: value.span,
        };
        // Bound for its type and its errors only.
        let ty = self.expr(&call, &mut Vec::new())?.ty;
        let kind = QuestionKind::Spawn(Box::new(call));
        Some(self.ask_for_one(kind, given, (future_of(ty), false), span, out))
    }

    /// `await x`.
    pub(super) fn await_value(&mut self, value: &Expr, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        self.effects = true;
        let bound = self.expr(value, out)?;
        let Some(ty) = bound.ty.awaited().cloned() else {
            if bound.ty.is_integer() {
                let message =
                    "the value of a job that is named by its number is not supported yet: its type is not known before";
                let help = "wait in a statement of its own, `await 1`; or keep the future: `let f = spawn …`, and take `await f`";
                self.error(Diagnostic::new("0A000", value.span, message).with_help(help));
                return None;
            }
            let message = format!("`await` takes what `spawn` gives, not {}", bound.ty);
            self.error(Diagnostic::new("42804", value.span, message));
            return None;
        };
        let held = self.new_variable("", Some(bound.ty.clone()), false);
        self.set(held, bound, out);
        Some(self.ask_for_one(QuestionKind::Await, vec![held], (ty, true), span, out))
    }

    /// A statement `await x`: the same with the future in a variable, if it is one. A job is waited for by its number, and nobody takes its
    /// value, whose type is not known here.
    pub(super) fn await_alone(&mut self, job: &Expr, span: Span, out: &mut Vec<Statement>) -> Option<Expr> {
        let bound = self.expr(job, out)?;
        let is_number = bound.ty.is_integer();
        let held = self.new_variable("", Some(bound.ty.clone()), false);
        self.set(held, bound, out);
        if is_number {
            self.effects = true;
            self.ask_for_one(QuestionKind::Await, vec![held], (LogicalType::Boolean, true), span, out);
            return None;
        }
        let kind = ExprKind::Await(Box::new(self.reference(held, job.span)));
        Some(Expr { kind, span })
    }
}

/// The type of a future; what gives nothing gives a truth that is NULL.
fn future_of(ty: LogicalType) -> LogicalType {
    match ty {
        LogicalType::Null => LogicalType::Boolean.future(),
        ty => ty.future(),
    }
}
