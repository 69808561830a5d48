//! Merging neighbours: projections into one, limits into sorts, and dropping sorts whose order nobody sees.
//!
//! ```text
//! Limit 10 (Project a, b (Sort by b (Scan t)))
//! Project a, b (Limit 10 (Sort by b limit 10 (Scan t)))
//! ```
//!
//! Why it is right: a limit commutes with a projection, since that keeps rows one by one; rows beyond the limit of a
//! sort are never seen; a relation without LIMIT has no order unless the query asks for it at the top, or makes an array of its
//! rows, so a sort below a join, another grouping or a union does nothing.
//!
//! Invariants: expressions that are used more than once are not duplicated unless they are columns or literals.
//! Does not: remove a sort that a LIMIT above needs.

use std::collections::HashMap;

use crate::plan::logical::{AggregateFunction, ColumnId, Expr, ExprKind, Plan};
use crate::plan::walk::count_columns;

/// Merges throughout; `ordered`: the order of the rows is seen.
pub(super) fn plan(plan: &mut Plan, ordered: bool) {
    loop {
        let taken = plan.take();
        let (next, changed) = step(taken, ordered);
        *plan = next;
        if !changed {
            break;
        }
    }
    let below = match plan {
        Plan::Project { .. } | Plan::Filter { .. } => ordered,
        Plan::Limit { .. } => true,
        // An array has its rows in their order.
        Plan::Aggregate { aggregates, .. } => aggregates.iter().any(|(_, a)| a.function == AggregateFunction::List),
        _ => false,
    };
    for child in plan.children_mut() {
        self::plan(child, below);
    }
}

/// One rewriting at the root.
fn step(plan: Plan, ordered: bool) -> (Plan, bool) {
    match plan {
        Plan::Sort { input, limit: None, .. } if !ordered => (*input, true),
        Plan::Limit { input, limit, offset } => merge_limit(*input, limit, offset),
        Plan::Project { input, columns } => merge_project(*input, columns),
        Plan::Filter { input, predicates } if predicates.is_empty() => (*input, true),
        Plan::Filter { input, mut predicates } => match *input {
            Plan::Filter {
                input,
                predicates: inner,
            } => {
                predicates.splice(0..0, inner);
                (Plan::Filter { input, predicates }, true)
            }
            input => {
                let input = Box::new(input);
                (Plan::Filter { input, predicates }, false)
            }
        },
        other => (other, false),
    }
}

fn merge_limit(input: Plan, limit: Option<u64>, offset: u64) -> (Plan, bool) {
    let limited = |input: Plan| Plan::Limit {
        input: Box::new(input),
        limit,
        offset,
    };
    let wanted = limit.map(|limit| limit.saturating_add(offset));
    match input {
        Plan::Project { input, columns } => {
            let input = Box::new(limited(*input));
            (Plan::Project { input, columns }, true)
        }
        Plan::Sort {
            input,
            keys,
            limit: before,
        } => {
            let tighter = match (wanted, before) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let changed = tighter != before;
            let sort = Plan::Sort {
                input,
                keys,
                limit: tighter,
            };
            (limited(sort), changed)
        }
        Plan::Limit {
            input,
            limit: inner_limit,
            offset: inner_offset,
        } => {
            let left = inner_limit.map(|inner| inner.saturating_sub(offset));
            let limit = match (limit, left) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let offset = inner_offset.saturating_add(offset);
            (Plan::Limit { input, limit, offset }, true)
        }
        other => (limited(other), false),
    }
}

fn merge_project(input: Plan, columns: Vec<(ColumnId, Expr)>) -> (Plan, bool) {
    let mut columns = columns;
    match input {
        Plan::Project {
            input: below,
            columns: inner,
        } => {
            if !worth_merging(&columns, &inner) {
                let input = Box::new(Plan::Project {
                    input: below,
                    columns: inner,
                });
                return (Plan::Project { input, columns }, false);
            }
            let made: HashMap<ColumnId, Expr> = inner.into_iter().collect();
            for (_, expr) in &mut columns {
                expr.substitute(&|id| made.get(&id).cloned());
            }
            (Plan::Project { input: below, columns }, true)
        }
        input => {
            let same = columns.iter().all(|(id, e)| e.as_column() == Some(*id));
            let whole = input.output();
            if same && columns.len() == whole.len() && columns.iter().zip(&whole).all(|((id, _), out)| id == out) {
                return (input, true);
            }
            let input = Box::new(input);
            (Plan::Project { input, columns }, false)
        }
    }
}

/// No computation of the inner projection would be done twice.
fn worth_merging(outer: &[(ColumnId, Expr)], inner: &[(ColumnId, Expr)]) -> bool {
    let mut uses: HashMap<ColumnId, usize> = HashMap::new();
    outer.iter().for_each(|(_, e)| count_columns(e, &mut uses));
    let cheap = |e: &Expr| {
        matches!(
            e.kind,
            ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::Subquery(_)
        )
    };
    inner
        .iter()
        .all(|(id, e)| cheap(e) || uses.get(id).copied().unwrap_or(0) <= 1)
}
