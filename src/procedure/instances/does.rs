//! What routines do besides giving a value: changing data, asking, raising exceptions.
//!
//! Invariants: what a routine calls counts as its own.
//!
//! Does not: look at bodies; it looks at what their checks have found.

use std::collections::BTreeSet;

use super::super::question::QuestionKind;
use super::{Instance, Instances};
use crate::plan::logical::{Expr, ExprKind};
use crate::plan::routine::{Routine, RoutineId, Statement};

impl Instances {
    /// Whether an expression calls a routine that asks its session, as far as it is known of one that is being checked.
    pub(in crate::procedure) fn any_effects(&self, expr: &Expr) -> bool {
        let mut any = match &expr.kind {
            ExprKind::Routine { routine, .. } => {
                let number = routine.0 as usize;
                let asks = |instance: &Instance| instance.routine.effects;
                self.routines.get(number).is_some_and(asks)
            }
            _ => false,
        };
        expr.for_each_child(&mut |child| any = any || self.any_effects(child));
        any
    }

    /// Whether a routine asks its session for something of this kind, itself or by what it calls.
    pub(super) fn any_question(&self, number: usize, is: &dyn Fn(&QuestionKind) -> bool) -> bool {
        self.any_called(number, &|routine| {
            let mut asked = routine.questions().into_iter();
            asked.any(|at| self.questions.get(at).is_none_or(|question| is(&question.kind)))
        })
    }

    /// Whether a routine computes something that is another value with each call, itself or by what it calls.
    pub(super) fn is_volatile(&self, number: usize) -> bool {
        self.any_called(number, &|routine| {
            let mut any = false;
            Statement::each(&routine.body, &mut |statement| {
                statement.exprs(&mut |expr| any |= expr.is_volatile());
            });
            any
        })
    }

    /// Whether something is true of a routine, or of one that it calls.
    fn any_called(&self, number: usize, is: &dyn Fn(&Routine) -> bool) -> bool {
        fn callees(expr: &Expr, into: &mut Vec<usize>) {
            if let ExprKind::Routine { routine, .. } = &expr.kind {
                into.push(routine.0 as usize);
            }
            expr.for_each_child(&mut |child| callees(child, into));
        }
        let (mut next, mut seen) = (vec![number], BTreeSet::new());
        while let Some(number) = next.pop() {
            let Some(instance) = self.routines.get(number).filter(|_| seen.insert(number)) else {
                continue;
            };
            if is(&instance.routine) {
                return true;
            }
            Statement::each(&instance.routine.body, &mut |statement| {
                statement.exprs(&mut |expr| callees(expr, &mut next));
            });
        }
        false
    }

    /// Exceptions that the routines which an expression calls may throw; what is being checked is not known yet.
    pub(in crate::procedure) fn raised_by(&self, expr: &Expr) -> Vec<String> {
        let mut names = match &expr.kind {
            ExprKind::Routine { routine, .. } => self.raised_by_routine(*routine),
            _ => Vec::new(),
        };
        expr.for_each_child(&mut |child| names.extend(self.raised_by(child)));
        names
    }

    /// The same for a routine.
    pub(in crate::procedure) fn raised_by_routine(&self, routine: RoutineId) -> Vec<String> {
        let instance = self.routines.get(routine.0 as usize);
        instance
            .map(|instance| instance.routine.raises.clone())
            .unwrap_or_default()
    }
}
