//! Walking over expressions.
//!
//! The children of `f(a, b + 1)` are `a` and `b + 1`.
//!
//! Invariants: a query, a block and a lambda inside an expression are not its children.
//!
//! Does not: recurse; the caller does.

use super::{ArmBody, Expr, ExprKind};

impl Expr {
    /// Calls `f` on each direct child, which it may replace.
    pub fn for_each_child_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match &mut self.kind {
            ExprKind::Chain { first, rest } => {
                f(first);
                rest.iter_mut().for_each(|(_, _, operand)| f(operand));
            }
            ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Coalesce(items) | ExprKind::Array(items) => {
                items.iter_mut().for_each(f);
            }
            ExprKind::Not(inner) | ExprKind::Neg(inner) => f(inner),
            ExprKind::Spawn(inner) | ExprKind::Await(inner) => f(inner),
            ExprKind::Compare { left, right, .. } | ExprKind::IsDistinct { left, right, .. } => {
                f(left);
                f(right);
            }
            ExprKind::Between { expr, low, high, .. } => [expr, low, high].into_iter().for_each(|e| f(e)),
            ExprKind::InList { expr, list, .. } => {
                f(expr);
                list.iter_mut().for_each(f);
            }
            ExprKind::Like {
                expr, pattern, escape, ..
            } => {
                f(expr);
                f(pattern);
                escape.iter_mut().for_each(|e| f(e));
            }
            ExprKind::Case {
                operand,
                arms,
                otherwise,
            } => {
                operand.iter_mut().for_each(|e| f(e));
                for (when, then) in arms {
                    f(when);
                    f(then);
                }
                otherwise.iter_mut().for_each(|e| f(e));
            }
            ExprKind::Call(call) => {
                call.args.iter_mut().for_each(&mut *f);
                call.filter.iter_mut().for_each(|e| f(e));
            }
            ExprKind::Pipe { source, stages } => {
                f(source);
                stages.iter_mut().flat_map(|stage| &mut stage.args).for_each(f);
            }
            ExprKind::Struct(fields) | ExprKind::Instance { fields, .. } => {
                fields.iter_mut().for_each(|(_, value)| f(value));
            }
            ExprKind::Map(entries) => {
                for (key, value) in entries {
                    f(key);
                    f(value);
                }
            }
            ExprKind::Index { expr, index: part, .. } | ExprKind::Access { expr, path: part, .. } => {
                f(expr);
                f(part);
            }
            ExprKind::Slice { expr, low, high } => {
                f(expr);
                low.iter_mut().chain(high).for_each(|e| f(e));
            }
            _ => self.unary_children_mut(f),
        }
    }

    fn unary_children_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match &mut self.kind {
            ExprKind::InQuery { expr, .. }
            | ExprKind::Is { expr, .. }
            | ExprKind::Cast { expr, .. }
            | ExprKind::Extract { expr, .. }
            | ExprKind::Field { expr, .. }
            | ExprKind::Named { value: expr, .. } => f(expr),
            ExprKind::Match(matching) => {
                f(&mut matching.subject);
                for arm in &mut matching.arms {
                    for pattern in &mut arm.patterns {
                        pattern.each_value_mut(f);
                    }
                    arm.guard.iter_mut().for_each(&mut *f);
                    if let ArmBody::Expr(value) = &mut arm.body {
                        f(value);
                    }
                }
            }
            ExprKind::Try(attempt) => {
                if let ArmBody::Expr(value) = &mut attempt.body {
                    f(value);
                }
            }
            _ => {}
        }
    }
}
