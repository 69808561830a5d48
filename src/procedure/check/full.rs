//! Arrays without NULLs: what is read of them has a value, and code need not look whether it does.
//!
//! `let a = range(n) |> map(i => i * i)` is one, as long as every `a[i] = x` of the body has an `x` that is never NULL.
//!
//! Invariants: as with types, what is assumed of a variable is checked against all that the body does to it, and assumed no more in
//! the next round if something does not fit.
//!
//! Does not: know arrays that come from elsewhere: parameters, columns, answers to questions.

use super::Checker;
use crate::functions;
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::types::{LogicalType, Value};

impl Checker<'_> {
    /// The variable is only given values by `set`, by assigning its elements, and by appending.
    pub(super) fn may_be_full(&mut self, id: ColumnId) {
        let at = id.0 as usize;
        let gaps = self.next[at].gaps;
        let variable = &mut self.variables[at];
        variable.full = !gaps && matches!(variable.ty, LogicalType::Array(_));
    }

    /// Whether no element of what an expression gives is NULL.
    pub(super) fn is_full(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Literal(Value::Array(items)) => !items.contains(&Value::Null),
            ExprKind::Column(id) => self.variables[id.0 as usize].full,
            ExprKind::Cast { expr, try_: false } => self.is_full(expr),
            ExprKind::Call { function, args } => match functions::function(*function).name {
                "list_value" => args.iter().all(|arg| !self.may_be_null(arg)),
                "array_concat" => args.iter().all(|arg| self.is_full(arg)),
                "array_append" | "array_prepend" => {
                    let full = |arg: &Expr| match arg.ty == expr.ty {
                        true => self.is_full(arg),
                        false => !self.may_be_null(arg),
                    };
                    args.iter().all(full)
                }
                "array_slice" | "array_reverse" | "array_sort" => args.first().is_some_and(|arg| self.is_full(arg)),
                _ => false,
            },
            _ => false,
        }
    }

    /// An expression that is NULL whenever the other is, and that has no elements of full arrays.
    pub(super) fn without_elements(&self, expr: &Expr) -> Expr {
        let mut simpler = expr.clone();
        self.replace_elements(&mut simpler);
        simpler
    }

    fn replace_elements(&self, expr: &mut Expr) {
        if let ExprKind::Call { function, args } = &mut expr.kind
            && functions::function(*function).name == "array_get"
            && let ExprKind::Column(id) = args[0].kind
            && self.variables[id.0 as usize].full
        {
            // What is made of them does not matter: it is NULL if one of them is.
            expr.kind = ExprKind::And(std::mem::take(args));
        }
        expr.for_each_child_mut(&mut |child| self.replace_elements(child));
    }
}
