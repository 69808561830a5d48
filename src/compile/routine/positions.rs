//! Whole numbers that are never below zero: positions of elements that need not be counted from the end.
//!
//! In `for i in range(n) { let child = 2 * i + 1; while child < n { child = 2 * child + 1 } }` both `i` and `child` are.
//!
//! Invariants: it is assumed of all variables at first, and of those no more that are given anything else, until nothing changes: what
//! holds before each assignment then holds after it. Sums and products that do not fit are errors, never negative.
//!
//! Does not: know how large they get.

use crate::functions;
use crate::plan::physical::logical::{ArithOp, ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::{Routine, Statement};
use crate::types::Value;

/// Functions that count something.
const COUNTS: &[&str] = &["array_length", "length", "abs"];

/// For each variable, whether it is such a number; `given` are those whose values come from elsewhere.
pub(super) fn never_negative(routine: &Routine, given: &[ColumnId]) -> Vec<bool> {
    let variables = routine.variables.iter().enumerate();
    let may_be = variables.map(|(at, variable)| {
        let is_given = at < routine.params || given.iter().any(|id| id.0 as usize == at);
        variable.ty.is_integer() && !variable.nullable && !is_given
    });
    let mut assumed: Vec<bool> = may_be.collect();
    loop {
        let mut next = assumed.clone();
        Statement::each(&routine.body, &mut |statement| refute(statement, &assumed, &mut next));
        if next == assumed {
            return assumed;
        }
        assumed = next;
    }
}

/// Takes back what a statement does not keep to.
fn refute(statement: &Statement, assumed: &[bool], next: &mut [bool]) {
    let mut not = |id: ColumnId| {
        if let Some(slot) = next.get_mut(id.0 as usize) {
            *slot = false;
        }
    };
    match statement {
        Statement::Set(id, value) if !is_one(value, assumed) => not(*id),
        Statement::Range {
            variable,
            start,
            stop,
            step,
            ..
        } => {
            let up = step.as_literal().is_some_and(|step| is_at_least(step, 1)) && is_one(start, assumed);
            // Going down it ends before `stop`.
            let down = step.as_literal().is_some_and(|step| !is_at_least(step, 0))
                && (stop.as_literal().is_some_and(|stop| is_at_least(stop, -1)) || is_one(stop, assumed));
            if !(up || down) {
                not(*variable);
            }
        }
        Statement::Tidy { .. } => {}
        Statement::Ask { taken, .. } | Statement::Rows { taken, .. } => taken.iter().for_each(|id| not(*id)),
        Statement::Try { caught, .. } => caught.iter().for_each(|id| not(*id)),
        Statement::Store { variable, .. } => not(*variable),
        _ => {}
    }
}

fn is_at_least(value: &Value, least: i128) -> bool {
    value.as_int().is_some_and(|value| value >= least)
}

/// Whether an expression is never below zero.
fn is_one(expr: &Expr, assumed: &[bool]) -> bool {
    if !expr.ty.is_integer() {
        return false;
    }
    match &expr.kind {
        ExprKind::Literal(value) => is_at_least(value, 0),
        ExprKind::Column(id) => assumed.get(id.0 as usize).copied().unwrap_or(false),
        ExprKind::Cast { expr, try_: false } => is_one(expr, assumed),
        ExprKind::Chain { first, rest } => {
            let keeps = |op: ArithOp| matches!(op, ArithOp::Add | ArithOp::Mul | ArithOp::IntDiv | ArithOp::Rem);
            let steps = rest.iter();
            let mut steps = steps.map(|step| keeps(step.op) && step.ty.is_integer() && is_one(&step.operand, assumed));
            is_one(first, assumed) && steps.all(|keeps| keeps)
        }
        ExprKind::Case { arms, otherwise } => {
            let mut values = arms.iter().map(|(_, value)| value).chain([&**otherwise]);
            values.all(|value| is_one(value, assumed))
        }
        ExprKind::Call { function, .. } => COUNTS.contains(&functions::function(*function).name),
        _ => false,
    }
}
