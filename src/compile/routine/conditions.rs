//! Conditions as branches: what is true behind them, and when a choice is better than a branch.
//!
//! `if i < n and a[i] < a[i + 1] { i = i + 1 }` is two branches, and behind the first `i + 1` fits; `if x % 2 = 0 { x = x div 2 } else { x = 3 * x + 1 }`
//! computes both and takes one: which of them, no processor can foresee.
//!
//! Invariants: what SQL would not compute, because `and` or `or` is decided before, is not computed where it may fail; NULL is not true.
//!
//! Does not: write loops.

use gobi_jit::ir::{Block, Value};

use super::known::Range;
use crate::compile::emit::Emitter;
use crate::compile::value::{Nullable, invert, is_true};
use crate::functions::{self, Native};
use crate::plan::physical::logical::{ArithOp, ColumnId, CompareOp, Expr, ExprKind};
use crate::plan::physical::routine::Statement;
use crate::types::{LogicalType, Physical, Value as Literal};

/// Operations of an expression that is computed though it may not be needed.
const CHEAP: usize = 3;

/// A choice between two values of a variable.
pub(super) struct Choice<'e> {
    variable: ColumnId,
    then: &'e Expr,
    otherwise: Option<&'e Expr>,
}

impl Emitter<'_> {
    /// Ends the block: to `then` if the condition is true, else to `otherwise`.
    pub(super) fn branch_on(&mut self, condition: &Expr, then: Block, otherwise: Block) {
        match &condition.kind {
            ExprKind::And(items) if self.decides_early(items) => {
                let (last, first) = items.split_last().expect("AND has operands");
                first.iter().for_each(|item| self.go_on_if(item, otherwise));
                self.branch_on(last, then, otherwise);
            }
            ExprKind::Or(items) if self.decides_early(items) => {
                let (last, first) = items.split_last().expect("OR has operands");
                for item in first {
                    let next = self.b.block();
                    self.branch_on(item, then, next);
                    self.b.switch_to(next);
                }
                self.branch_on(last, then, otherwise);
            }
            ExprKind::Not(inner) => {
                let inner = self.expr(inner);
                match inner.valid {
                    None => self.b.branch(inner.value, otherwise, then),
                    Some(valid) => {
                        let not = invert(&mut self.b, inner.value);
                        let taken = self.b.and(not, valid);
                        self.b.branch(taken, then, otherwise);
                    }
                }
            }
            _ => {
                let condition = self.expr(condition);
                let taken = is_true(&mut self.b, &condition);
                self.b.branch(taken, then, otherwise);
            }
        }
    }

    /// Goes to `otherwise` unless the condition is true, which is known from here on.
    fn go_on_if(&mut self, condition: &Expr, otherwise: Block) {
        let next = self.b.block();
        self.branch_on(condition, next, otherwise);
        self.b.switch_to(next);
        self.assume(condition, true);
    }

    /// Whether operands of AND or OR that may fail come after others that are never NULL: these decide by branches.
    fn decides_early(&self, items: &[Expr]) -> bool {
        let never_null = |item: &Expr| !self.facts(item).nullable;
        items.iter().skip(1).any(|item| self.may_fail(item)) && items.iter().rev().skip(1).all(never_null)
    }

    /// A condition is true, or is not.
    pub(super) fn assume(&mut self, condition: &Expr, holds: bool) {
        match &condition.kind {
            ExprKind::And(items) if holds => items.iter().for_each(|item| self.assume(item, true)),
            ExprKind::Or(items) if !holds => items.iter().for_each(|item| self.assume(item, false)),
            ExprKind::Not(inner) if !self.facts(inner).nullable => self.assume(inner, !holds),
            ExprKind::Compare { op, left, right } => {
                let known = holds || !(self.facts(left).nullable || self.facts(right).nullable);
                let op = if holds { Some(*op) } else { opposite(*op) };
                if let Some(op) = op.filter(|_| known && left.ty.is_integer()) {
                    self.assume_order(op, left, right);
                    self.assume_order(op.mirrored(), right, left);
                }
            }
            _ => {}
        }
    }

    fn assume_order(&mut self, op: CompareOp, left: &Expr, right: &Expr) {
        let ExprKind::Column(id) = left.kind else { return };
        if let Some((low, high)) = self.facts(right).range {
            let known = &mut self.frame_of().known;
            match op {
                CompareOp::Lt => known.bound(id, (i128::MIN, high.saturating_sub(1))),
                CompareOp::LtEq => known.bound(id, (i128::MIN, high)),
                CompareOp::Gt => known.bound(id, (low.saturating_add(1), i128::MAX)),
                CompareOp::GtEq => known.bound(id, (low, i128::MAX)),
                CompareOp::Eq => known.bound(id, (low, high)),
                _ => {}
            }
        }
        let Some(array) = self.measured(right) else { return };
        match op {
            CompareOp::Lt if self.bounds_of(id).is_some_and(|(low, _)| low >= 0) => {
                self.frame_of().known.found_inside(array, id);
            }
            CompareOp::Lt | CompareOp::LtEq | CompareOp::Eq => self.frame_of().known.measures(id, array),
            _ => {}
        }
    }

    /// The array whose length a number does not exceed.
    pub(super) fn measured(&self, number: &Expr) -> Option<ColumnId> {
        let routine = self.routine.as_ref()?;
        match &number.kind {
            ExprKind::Column(id) => routine.known.measured(*id),
            ExprKind::Call { function, args } if functions::function(*function).native == Some(Native::Length) => {
                let array = args.first()?;
                let is_array = matches!(array.ty, LogicalType::Array(_));
                match array.kind {
                    ExprKind::Column(id) if is_array => Some(id),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The bounds of a variable that is a whole number.
    pub(super) fn bounds_of(&self, id: ColumnId) -> Option<Range> {
        self.routine.as_ref().and_then(|routine| routine.bounds_of(id))
    }

    // --- choices

    /// Whether an IF is a choice between two numbers, both of which cost less than a branch that is not foreseen. Not if what decides
    /// comes from memory: with a branch the processor goes on with a guess while it waits, and fetches what the rounds after need.
    pub(super) fn choice<'e>(
        &mut self,
        condition: &Expr,
        body: &'e [Statement],
        otherwise: &'e [Statement],
    ) -> Option<Choice<'e>> {
        let ExprKind::Compare { left, right, .. } = &condition.kind else {
            return None;
        };
        if !self.is_cheap(left) || !self.is_cheap(right) {
            return None;
        }
        let [Statement::Set(variable, then)] = body else {
            return None;
        };
        let otherwise = match otherwise {
            [] => None,
            [Statement::Set(other, value)] if other == variable => Some(value),
            _ => return None,
        };
        let is_number = self.is_plain_number(*variable);
        let cheap = [Some(then), otherwise]
            .into_iter()
            .flatten()
            .all(|value| self.is_cheap(value));
        (is_number && cheap).then_some(Choice {
            variable: *variable,
            then,
            otherwise,
        })
    }

    /// Writes `if condition { v = then } else { v = otherwise }` without a branch.
    pub(super) fn choose(&mut self, condition: &Expr, choice: &Choice<'_>) {
        let value = self.expr(condition);
        let taken = is_true(&mut self.b, &value);
        let here = self.frame_of().known.clone();
        self.assume(condition, true);
        let then = self.counted_if(taken, choice.then);
        self.frame_of().known.clone_from(&here);
        let otherwise = match choice.otherwise {
            None => self.variable(choice.variable),
            Some(value) => {
                self.assume(condition, false);
                let not = invert(&mut self.b, taken);
                self.counted_if(not, value)
            }
        };
        self.frame_of().known = here;
        let value = self.b.select(taken, then.value, otherwise.value);
        let range = then
            .range
            .zip(otherwise.range)
            .map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
        self.set_variable(choice.variable, Nullable::int(value, None, range));
    }

    /// An expression whose errors count only if something is true.
    fn counted_if(&mut self, taken: Value, value: &Expr) -> Nullable {
        let outer = self.counts_if;
        self.counts_if = Some(outer.map_or(taken, |outer| self.b.and(outer, taken)));
        let result = self.expr(value);
        let result = self.natural(result, &value.ty);
        self.counts_if = outer;
        result
    }

    /// A variable that is a whole number of at most 64 bits, and never NULL.
    pub(super) fn is_plain_number(&mut self, id: ColumnId) -> bool {
        let facts = self.frame_of().facts(id);
        is_narrow(&facts.ty) && !facts.nullable
    }

    fn is_cheap(&self, value: &Expr) -> bool {
        self.cost(value).is_some_and(|cost| cost <= CHEAP) && !self.facts(value).nullable
    }

    /// How many operations of the processor, about; `None`: it must not be computed unless it is needed.
    fn cost(&self, value: &Expr) -> Option<usize> {
        if !is_narrow(&value.ty) {
            return None;
        }
        match &value.kind {
            ExprKind::Column(_) => Some(0),
            ExprKind::Literal(Literal::Int(_)) => Some(0),
            ExprKind::Chain { first, rest } => {
                let mut cost = self.cost(first)?;
                for step in rest {
                    let by = match step.operand.kind {
                        ExprKind::Literal(Literal::Int(by)) => by,
                        _ => 0,
                    };
                    let simple = matches!(step.op, ArithOp::Add | ArithOp::Sub | ArithOp::Mul);
                    let shift = matches!(step.op, ArithOp::IntDiv | ArithOp::Rem) && by > 0 && by & (by - 1) == 0;
                    if !(simple || shift) || !is_narrow(&step.ty) || !is_narrow(&step.left_ty) {
                        return None;
                    }
                    cost += 1 + self.cost(&step.operand)?;
                }
                Some(cost)
            }
            _ => None,
        }
    }
}

fn is_narrow(ty: &LogicalType) -> bool {
    ty.is_integer() && ty.physical() != Physical::I128
}

fn opposite(op: CompareOp) -> Option<CompareOp> {
    match op {
        CompareOp::Lt => Some(CompareOp::GtEq),
        CompareOp::LtEq => Some(CompareOp::Gt),
        CompareOp::Gt => Some(CompareOp::LtEq),
        CompareOp::GtEq => Some(CompareOp::Lt),
        CompareOp::NotEq => Some(CompareOp::Eq),
        _ => None,
    }
}
