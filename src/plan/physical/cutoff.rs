//! ORDER BY with LIMIT: rows that cannot be among the first are dropped before the rest of their columns is computed.
//!
//! For `ORDER BY revenue DESC LIMIT 20` the step is `$p IS NULL OR NOT revenue < $p`, where `$p` is the twentieth best revenue that
//! the worker has seen.
//!
//! Invariants: only rows are dropped that are worse by the first key alone than as many rows as are wanted; equal ones stay.
//!
//! Does not: keep the rows or find the value of the parameter (the worker does).

use super::{Finish, Pipeline, Step};
use crate::plan::logical::{CompareOp, Expr, ExprKind, SubqueryId};
use crate::types::{LogicalType, Physical};

/// No cutoff for more rows than this: to know the worst of them would cost more than it saves.
pub const MOST_ROWS: u64 = 1 << 14;
/// No cutoff where so few rows for each wanted one arrive that most would pass.
const WORTH_ROWS: u64 = 8;
/// The parameter's number, beyond those of subqueries.
const PARAMETER: usize = 1 << 20;

/// The step in front of a sink of these columns, if it pays.
pub(super) fn step(pipeline: &Pipeline, columns: &[Expr], finish: &Finish) -> Option<Step> {
    let (column, sort) = finish.sort.first()?;
    let wanted = finish.limit?.checked_add(finish.offset)?;
    let few = pipeline
        .rows_bound
        .is_some_and(|rows| rows < wanted.saturating_mul(WORTH_ROWS));
    let key = columns.get(*column)?;
    if wanted == 0 || wanted > MOST_ROWS || few || !is_ordered(&key.ty) {
        return None;
    }
    let of = |kind, ty| Expr {
        kind,
        ty,
        span: key.span,
    };
    let number = u32::try_from(PARAMETER).ok()?;
    let worst = of(ExprKind::Subquery(SubqueryId(number)), key.ty.clone());
    let is_null = |expr: &Expr| {
        let kind = ExprKind::IsNull {
            expr: Box::new(expr.clone()),
            negated: false,
        };
        of(kind, LogicalType::Boolean)
    };
    let beyond = ExprKind::Compare {
        op: if sort.desc { CompareOp::Lt } else { CompareOp::Gt },
        left: Box::new(key.clone()),
        right: Box::new(worst.clone()),
    };
    // Negated, so that a NaN is kept whatever it compares to.
    let within = ExprKind::Not(Box::new(of(beyond, LogicalType::Boolean)));
    let mut either = vec![is_null(&worst), of(within, LogicalType::Boolean)];
    if sort.nulls_first {
        either.push(is_null(key));
    }
    Some(Step::Cutoff {
        predicate: of(ExprKind::Or(either), LogicalType::Boolean),
        parameter: PARAMETER,
    })
}

/// Types whose values order as numbers or bytes do.
fn is_ordered(ty: &LogicalType) -> bool {
    let physical = ty.physical();
    !ty.is_nested() && (physical.is_int() || matches!(physical, Physical::F32 | Physical::F64 | Physical::Str))
}
