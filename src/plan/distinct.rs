//! Turns aggregates over distinct values into two aggregations.
//!
//! `SELECT k, count(DISTINCT x), sum(y) GROUP BY k` becomes `sum(s)`, `count(x)` by `k` over (`sum(y) AS s` by `k, x`).
//!
//! Invariants: all distinct aggregates of one operator have the same argument; others can be computed in two steps.
//!
//! Does not: apply to `min` and `max`, for which DISTINCT changes nothing.

use super::logical::{Aggregate, AggregateFunction, ColumnId, ColumnInfo, Expr, ExprKind, Plan};
use super::physical::PlanError;
use crate::types::LogicalType;

/// The outer of the two aggregations.
pub(super) struct Split {
    /// The inner one.
    pub(super) inner: Plan,
    /// Keys of the outer one.
    pub(super) keys: Vec<(ColumnId, Expr)>,
    /// Aggregates of the outer one.
    pub(super) aggregates: Vec<(ColumnId, Aggregate)>,
}

/// `None` if nothing is distinct.
pub(super) fn split(
    input: &Plan,
    keys: &[(ColumnId, Expr)],
    aggregates: &[(ColumnId, Aggregate)],
    columns: &[ColumnInfo],
) -> Result<Option<Split>, PlanError> {
    let changes = |a: &Aggregate| {
        a.distinct
            && !matches!(
                a.function,
                AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::AnyValue
            )
    };
    let distinct: Vec<&Aggregate> = aggregates.iter().map(|(_, a)| a).filter(|a| changes(a)).collect();
    let Some(arg) = distinct.first().and_then(|a| a.arg.clone()) else {
        return Ok(None);
    };
    if distinct.iter().any(|a| a.filter.is_some()) {
        return Err(PlanError::Unsupported("FILTER on a DISTINCT aggregate".into()));
    }
    if distinct.iter().any(|a| a.arg.as_ref() != Some(&arg)) {
        return Err(PlanError::Unsupported(
            "DISTINCT aggregates of different arguments in one query".into(),
        ));
    }
    let mut fresh = (columns.len() as u32..).map(|n| ColumnId(n + (1 << 24)));
    let mut next = || fresh.next().unwrap_or(ColumnId(u32::MAX));
    let distinct_id = next();
    let mut inner_keys = keys.to_vec();
    inner_keys.push((distinct_id, arg.clone()));
    let mut inner_aggregates = Vec::new();
    let mut outer = Vec::new();
    for (id, aggregate) in aggregates {
        if changes(aggregate) {
            let over = Aggregate {
                arg: Some(column(distinct_id, &arg.ty)),
                distinct: false,
                ..aggregate.clone()
            };
            outer.push((*id, over));
            continue;
        }
        let partial = next();
        outer.push((*id, merge(aggregate, partial)?));
        inner_aggregates.push((
            partial,
            Aggregate {
                distinct: false,
                ..aggregate.clone()
            },
        ));
    }
    let inner = Plan::Aggregate {
        input: Box::new(input.clone()),
        keys: inner_keys,
        aggregates: inner_aggregates,
    };
    let keys = keys.iter().map(|(id, expr)| (*id, column(*id, &expr.ty))).collect();
    Ok(Some(Split {
        inner,
        keys,
        aggregates: outer,
    }))
}

/// The aggregate that puts partial results together.
fn merge(aggregate: &Aggregate, partial: ColumnId) -> Result<Aggregate, PlanError> {
    let function = match aggregate.function {
        AggregateFunction::Count | AggregateFunction::CountMerge => AggregateFunction::CountMerge,
        AggregateFunction::List | AggregateFunction::Bag => {
            return Err(PlanError::Unsupported("array_agg beside a DISTINCT aggregate".into()));
        }
        AggregateFunction::ExactSum => {
            return Err(PlanError::Unsupported("a variance beside a DISTINCT aggregate".into()));
        }
        AggregateFunction::Avg => return Err(PlanError::Unsupported("avg beside a DISTINCT aggregate".into())),
        same => same,
    };
    let arg = Some(column(partial, &aggregate.ty));
    Ok(Aggregate {
        function,
        arg,
        distinct: false,
        filter: None,
        ty: aggregate.ty.clone(),
    })
}

fn column(id: ColumnId, ty: &LogicalType) -> Expr {
    Expr {
        kind: ExprKind::Column(id),
        ty: ty.clone(),
        span: Default::default(),
    }
}
