//! Arguments with names, which are computed in the order of the text.
//!
//! In `f(b: next(), a: next())` with `function f(a, b)` the value of `b` is computed first: both are kept in variables, and `f` is called with these.
//!
//! Invariants: arguments that stand in the order of the parameters are left as they are, and so are functions, constants and variables.
//!
//! Does not: look whether parameters and arguments fit.

use gobi_grammar::ast::{Call, Expr, ExprKind, Ident, Param};

use super::Checker;
use crate::plan::routine::Statement;

impl Checker<'_> {
    /// Whether a call has arguments to keep before it.
    pub(super) fn has_held_arguments(&self, call: &Call) -> bool {
        self.is_out_of_order(call) && call.args.iter().any(|arg| self.is_held(value_of(arg)))
    }

    /// Keeps the arguments of such a call in variables; `false` after an error.
    pub(super) fn hold_arguments(&mut self, call: &mut Call, out: &mut Vec<Statement>) -> bool {
        if !self.is_out_of_order(call) {
            return true;
        }
        for arg in &mut call.args {
            let place = match &mut arg.kind {
                ExprKind::Named { value, .. } => &mut **value,
                _ => arg,
            };
            if !self.is_held(place) {
                continue;
            }
            let Some(value) = self.expr(place, out) else {
                return false;
            };
            let held = self.new_variable("", Some(value.ty.clone()), false);
            self.set(held, value, out);
            *place = self.reference(held, place.span);
        }
        true
    }

    /// Whether the names of arguments stand in another order than the parameters of what is called.
    fn is_out_of_order(&self, call: &Call) -> bool {
        let names: Vec<&Ident> = call.args.iter().filter_map(name_of).collect();
        if names.len() < 2 {
            return false;
        }
        if let Some(closure) = self.closure(&call.name.text) {
            let written = closure.written.as_ref();
            return written.is_some_and(|written| is_another(&names, &written.params));
        }
        let definitions = &self.instances.definitions;
        let found = definitions.find_at(&call.name);
        let all = found.into_iter().chain(definitions.methods(&call.name.text));
        all.into_iter()
            .any(|definition| is_another(&names, &definition.routine.params))
    }

    fn is_held(&self, value: &Expr) -> bool {
        let is_plain = match &value.kind {
            ExprKind::Neg(inner) => matches!(inner.kind, ExprKind::Literal(_)),
            ExprKind::Literal(_) | ExprKind::Name(_) => true,
            _ => false,
        };
        !is_plain && !self.is_function(value)
    }
}

/// Whether parameters have another order than these names.
fn is_another(names: &[&Ident], params: &[Param]) -> bool {
    let at = |name: &&Ident| {
        params
            .iter()
            .position(|param| param.name.text.eq_ignore_ascii_case(&name.text))
    };
    let places: Option<Vec<usize>> = names.iter().map(at).collect();
    places.is_some_and(|places| !places.is_sorted())
}

fn name_of(arg: &Expr) -> Option<&Ident> {
    match &arg.kind {
        ExprKind::Named { name, .. } => Some(name),
        _ => None,
    }
}

fn value_of(arg: &Expr) -> &Expr {
    match &arg.kind {
        ExprKind::Named { value, .. } => value,
        _ => arg,
    }
}
