//! What is another value each time it is computed becomes a column, so that it is one value wherever the expression around it is used.
//!
//! `SELECT CASE (random() * 3)::int WHEN 0 THEN 'a' WHEN 1 THEN 'b' END FROM t` compares one number with both: `random()` is a column that
//! a projection below computes, and the conditions of the CASE mention it.
//!
//! Invariants: each call that is written is computed once for each row; ORDER BY means the call of the select list where that has the same.
//!
//! Does not: see to it that the engine computes the column once (the physical plan does), or look into bodies (their checker does).

use super::select::{Block, Place};
use super::subquery::Attach;
use super::{Binder, Bound};
use crate::functions;
use crate::plan::logical::{ColumnId, Expr, ExprKind, Plan};

impl<'a> Binder<'a> {
    /// A call as a column of its block, if its value changes from call to call.
    pub(super) fn once(&mut self, block: &mut Block<'a>, call: Expr) -> Expr {
        let attaches = !matches!(block.place, Place::On | Place::Other);
        if self.in_body || !attaches || !is_volatile_call(&call) {
            return call;
        }
        if block.place == Place::Order
            && let Some(column) = same(&block.joins_above, &call)
        {
            return Expr::column(column, call.ty, call.span);
        }
        let name = match &call.kind {
            ExprKind::Call { function, .. } => functions::function(*function).name,
            ExprKind::Routine { name, .. } => name,
            _ => "value",
        };
        let column = self.new_column(name, call.ty.clone(), true);
        let value = Expr::column(column, call.ty.clone(), call.span);
        block.joins().push(Attach::Value(column, call));
        value
    }

    /// What is compared with several others, where it is no column already.
    pub(super) fn held(&mut self, block: &Block<'a>, value: Expr) -> Bound<Expr> {
        if self.in_body || !value.is_volatile() {
            return Ok(value);
        }
        if block.place != Place::Other || !value.columns().is_empty() {
            return self.unsupported(
                "to compare what changes from call to call several times here is",
                value.span,
            );
        }
        let column = self.new_column("value", value.ty.clone(), true);
        let (ty, span) = (value.ty.clone(), value.span);
        let row = Plan::Project {
            input: Box::new(Plan::unit()),
            columns: vec![(column, value)],
        };
        let kind = ExprKind::Subquery(self.add_value(row, column));
        Ok(Expr { kind, ty, span })
    }
}

impl Block<'_> {
    /// Computes columns below the grouping that keys of it mention.
    pub(super) fn compute_below(&mut self, keys: &[Expr]) {
        let named = |attach: &Attach| match attach {
            Attach::Value(column, _) => keys.iter().any(|key| key.columns().contains(column)),
            _ => false,
        };
        let (below, above) = std::mem::take(&mut self.joins_above).into_iter().partition(named);
        self.joins_above = above;
        let below: Vec<Attach> = below;
        self.joins_below.extend(below);
    }
}

/// The rows of a plan with one more column.
pub(super) fn with_value(plan: Plan, columns: Vec<(ColumnId, Expr)>, value: (ColumnId, Expr)) -> Plan {
    Plan::Project {
        input: Box::new(plan),
        columns: columns.into_iter().chain([value]).collect(),
    }
}

/// Whether it is the call itself that changes, not only what it is given.
fn is_volatile_call(call: &Expr) -> bool {
    let mut given = false;
    call.for_each_child(&mut |arg| given |= arg.is_volatile());
    !given && call.is_volatile()
}

/// The column of the same call.
fn same(attached: &[Attach], call: &Expr) -> Option<ColumnId> {
    attached.iter().find_map(|attach| match attach {
        Attach::Value(column, made) if made == call => Some(*column),
        _ => None,
    })
}
