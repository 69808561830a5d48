//! Taking correlations out of a subquery, so that it becomes one side of a join.
//!
//! `(SELECT 0.2 * avg(l_quantity) FROM lineitem WHERE l_partkey = p_partkey)` correlates through `l_partkey = p_partkey`. The predicate
//! is pulled up; at the aggregate, `l_partkey` becomes a grouping key; the block joins on `p_partkey = l_partkey` and
//! computes `0.2 * avg` above the join. An aggregate without rows differs from a missing group only in its counts,
//! which become `coalesce(count, 0)`.
//!
//! Invariants: the plan that comes out has no free columns; joined on the predicates it gives what the subquery gave.
//!
//! Does not: pull through outer joins' right sides or unions (after Neumann and Kemper, "Unnesting Arbitrary
//! Queries", 2015, the general case needs the domain of the outer columns; here only predicates move).

use std::collections::{HashMap, HashSet};

use super::Binder;
use super::subquery::Joined;
use crate::plan::logical::{
    Aggregate, AggregateFunction, ColumnId, CompareOp, Expr, ExprKind, JoinKind, Plan, SortKey,
};
use crate::plan::properties;
use crate::types::{LogicalType, Value};

/// Whether functions are called for rows of a plan.
pub(super) fn has_calls(plan: &Plan) -> bool {
    matches!(plan, Plan::Called { .. }) || plan.children().into_iter().any(has_calls)
}

/// A plan without correlations, and the predicates that held them.
#[derive(Clone, Debug)]
pub(super) struct Pulled {
    pub(super) plan: Plan,
    pub(super) predicates: Vec<Expr>,
}

/// What a correlation cannot be pulled through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Blocked(pub(super) &'static str);

/// `outer = inner` with the inner side made of the subquery's columns only.
pub(super) fn outer_inner(predicate: &Expr, inner: &HashSet<ColumnId>) -> Option<(Expr, Expr)> {
    predicate.as_equality()?;
    sides(predicate, inner)
}

/// The sides of `outer = inner` or `outer IS NOT DISTINCT FROM inner`.
pub(super) fn sides(predicate: &Expr, inner: &HashSet<ColumnId>) -> Option<(Expr, Expr)> {
    let ExprKind::Compare {
        op: CompareOp::Eq | CompareOp::NotDistinct,
        left,
        right,
    } = &predicate.kind
    else {
        return None;
    };
    let within = |e: &Expr| !e.columns().is_empty() && e.within(inner);
    let outside = |e: &Expr| e.columns().is_disjoint(inner);
    if within(right) && outside(left) {
        Some(((**left).clone(), (**right).clone()))
    } else if within(left) && outside(right) {
        Some(((**right).clone(), (**left).clone()))
    } else {
        None
    }
}

/// Drops what does not change whether there is a row: projections, orders, DISTINCT, LIMIT above zero.
pub(super) fn existence_only(plan: Plan) -> Plan {
    match plan {
        Plan::Project { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Window { input, .. }
        | Plan::Called { input, .. } => existence_only(*input),
        Plan::Limit {
            input,
            limit,
            offset: 0,
        } if limit != Some(0) => existence_only(*input),
        Plan::Aggregate {
            input,
            keys,
            aggregates,
        } if !keys.is_empty() && aggregates.is_empty() => existence_only(*input),
        other => other,
    }
}

/// An aggregate that gives one row whatever its input.
pub(super) fn is_global_aggregate(plan: &Plan) -> bool {
    matches!(plan, Plan::Aggregate { keys, .. } if keys.is_empty())
}

/// Pulls all correlated predicates to the top; `lacks`: an aggregate without keys that stands there need not have a row where there is
/// none below.
pub(super) fn pull(binder: &mut Binder<'_>, plan: Plan, lacks: bool) -> Result<Pulled, Blocked> {
    let free = plan.free_columns();
    match lacks && is_global_aggregate(&plan) && !free.is_empty() {
        true => pull_aggregate(binder, plan, &free),
        false => pull_from(binder, plan, &free),
    }
}

fn pull_from(binder: &mut Binder<'_>, plan: Plan, free: &HashSet<ColumnId>) -> Result<Pulled, Blocked> {
    if plan.free_columns().is_disjoint(free) {
        let predicates = Vec::new();
        return Ok(Pulled { plan, predicates });
    }
    match plan {
        Plan::Filter { input, predicates } => {
            let mut below = pull_from(binder, *input, free)?;
            let (pulled, kept): (Vec<Expr>, Vec<Expr>) =
                predicates.into_iter().partition(|e| !e.columns().is_disjoint(free));
            below.predicates.extend(pulled);
            below.plan = below.plan.filtered(kept);
            Ok(below)
        }
        Plan::Project { input, columns } => pull_project(binder, *input, columns, free),
        // Whoever reads it wants its row, whatever is below.
        _ if is_global_aggregate(&plan) => Err(Blocked("an aggregate without GROUP BY")),
        Plan::Aggregate { .. } => pull_aggregate(binder, plan, free),
        Plan::Join { .. } => pull_join(binder, plan, free),
        Plan::Sort { input, .. } => pull_from(binder, *input, free),
        Plan::Limit { input, limit, offset } => pull_limit(binder, *input, (limit, offset), free),
        Plan::UnionAll { .. } => Err(Blocked("a set operation")),
        Plan::Unnest {
            input,
            array,
            element,
            position,
        } if array.columns().is_disjoint(free) => {
            let below = pull_from(binder, *input, free)?;
            let plan = binder.unnested(below.plan, array, (element, position));
            Ok(Pulled { plan, ..below })
        }
        Plan::Unnest { .. } => Err(Blocked("unnest")),
        Plan::Window { .. } => pull_window(binder, plan, free),
        Plan::Values { .. } => Err(Blocked("VALUES over outer columns")),
        // Predicates are looked at before the call.
        Plan::Called { .. } => Err(Blocked("a call")),
        Plan::ForEach { .. } => Err(Blocked("this operator")),
        Plan::Scan { .. } | Plan::Range { .. } | Plan::Recursive { .. } => Err(Blocked("this relation")),
    }
}

fn pull_project(
    binder: &mut Binder<'_>,
    input: Plan,
    mut columns: Vec<(ColumnId, Expr)>,
    free: &HashSet<ColumnId>,
) -> Result<Pulled, Blocked> {
    if columns.iter().any(|(_, e)| !e.columns().is_disjoint(free)) {
        return Err(Blocked("outer columns in its select list"));
    }
    let below = pull_from(binder, input, free)?;
    let listed: HashSet<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
    for id in needed(&below.predicates, free) {
        if !listed.contains(&id) {
            columns.push((id, binder.column_expr(id, Default::default())));
        }
    }
    Ok(Pulled {
        plan: Plan::Project {
            input: Box::new(below.plan),
            columns,
        },
        predicates: below.predicates,
    })
}

/// The subquery's own columns among those of the predicates, in a fixed order.
fn needed(predicates: &[Expr], free: &HashSet<ColumnId>) -> Vec<ColumnId> {
    let mut all = HashSet::new();
    predicates.iter().for_each(|e| e.add_columns(&mut all));
    let mut own: Vec<ColumnId> = all.into_iter().filter(|id| !free.contains(id)).collect();
    own.sort_unstable();
    own
}

/// Equalities with outer columns become grouping keys.
fn pull_aggregate(binder: &mut Binder<'_>, plan: Plan, free: &HashSet<ColumnId>) -> Result<Pulled, Blocked> {
    let Plan::Aggregate {
        input,
        mut keys,
        aggregates,
    } = plan
    else {
        return Err(Blocked("this operator"));
    };
    let mut own_free = false;
    keys.iter()
        .for_each(|(_, e)| own_free |= !e.columns().is_disjoint(free));
    for (_, aggregate) in &aggregates {
        aggregate.for_each_expr(&mut |e| own_free |= !e.columns().is_disjoint(free));
    }
    if own_free {
        return Err(Blocked("outer columns in its aggregates"));
    }
    let below = pull_from(binder, *input, free)?;
    let inner = below.plan.output_set();
    let nullable = binder.nullable_columns(&below.plan);
    let mut predicates = Vec::with_capacity(below.predicates.len());
    for predicate in below.predicates {
        let Some((outer, key)) = outer_inner(&predicate, &inner) else {
            return Err(Blocked("an aggregate and a correlation other than `=`"));
        };
        let known = keys.iter().find(|(_, e)| *e == key).map(|(id, _)| *id);
        let id = known.unwrap_or_else(|| match key.as_column() {
            Some(id) => id,
            None => binder.new_column("key", key.ty.clone(), properties::may_be_null(&key, &nullable)),
        });
        let column = Expr::column(id, key.ty.clone(), key.span);
        if known.is_none() {
            keys.push((id, key));
        }
        predicates.push(Expr::compare(CompareOp::Eq, outer, column));
    }
    Ok(Pulled {
        plan: Plan::Aggregate {
            input: Box::new(below.plan),
            keys,
            aggregates,
        },
        predicates,
    })
}

/// LIMIT for each combination of values that equalities with outer columns compare.
fn pull_limit(
    binder: &mut Binder<'_>,
    input: Plan,
    rows: (Option<u64>, u64),
    free: &HashSet<ColumnId>,
) -> Result<Pulled, Blocked> {
    let order = order_of(&input);
    let below = pull_from(binder, input, free)?;
    let each = compared(&below)?;
    let plan = binder.some_of_each(below.plan, each, order, rows);
    Ok(Pulled { plan, ..below })
}

/// Window functions within each such combination.
fn pull_window(binder: &mut Binder<'_>, window: Plan, free: &HashSet<ColumnId>) -> Result<Pulled, Blocked> {
    let Plan::Window {
        input,
        mut partition,
        order,
        calls,
    } = window
    else {
        return Err(Blocked("this operator"));
    };
    let mut below = pull_from(binder, *input, free)?;
    for key in compared(&below)? {
        let (plan, key) = binder.stored(below.plan, key);
        below.plan = plan;
        partition.extend(key.as_column());
    }
    below.plan = Plan::Window {
        input: Box::new(below.plan),
        partition,
        order,
        calls,
    };
    Ok(below)
}

/// What equalities compare outer columns with, if all predicates are such.
fn compared(below: &Pulled) -> Result<Vec<Expr>, Blocked> {
    let inner = below.plan.output_set();
    let key = |predicate| outer_inner(predicate, &inner).map(|(_, key)| key);
    let keys: Option<Vec<Expr>> = below.predicates.iter().map(key).collect();
    keys.ok_or(Blocked("a correlation other than `=`"))
}

/// The order that the rows of a plan have, as far as its columns show it.
pub(super) fn order_of(plan: &Plan) -> Vec<SortKey> {
    match plan {
        Plan::Sort { keys, .. } => keys.clone(),
        Plan::Filter { input, .. } | Plan::Limit { input, .. } => order_of(input),
        Plan::Project { input, columns } => {
            let shown = |key: SortKey| {
                let mut own = columns.iter().filter(|(_, e)| e.as_column() == Some(key.column));
                own.next().map(|(column, _)| SortKey { column: *column, ..key })
            };
            order_of(input).into_iter().map_while(shown).collect()
        }
        _ => Vec::new(),
    }
}

fn pull_join(binder: &mut Binder<'_>, plan: Plan, free: &HashSet<ColumnId>) -> Result<Pulled, Blocked> {
    let Plan::Join {
        kind,
        left,
        right,
        keys,
        null_equal,
        residual,
    } = plan
    else {
        return Err(Blocked("this operator"));
    };
    let uses_free = |e: &Expr| !e.columns().is_disjoint(free);
    let inner = kind == JoinKind::Inner;
    let own_free = keys.iter().any(|(l, r)| uses_free(l) || uses_free(r)) || residual.iter().any(uses_free);
    if !inner && (own_free || !right.free_columns().is_disjoint(free)) {
        return Err(Blocked("an outer reference inside a join that is not an inner join"));
    }
    if kind == JoinKind::Full || (own_free && null_equal) {
        return Err(Blocked("an outer reference inside a full join"));
    }
    let left = pull_from(binder, *left, free)?;
    let right = pull_from(binder, *right, free)?;
    let mut predicates = left.predicates;
    predicates.extend(right.predicates);
    let (free_keys, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(l, r)| uses_free(l) || uses_free(r));
    let (free_residual, residual) = residual.into_iter().partition(uses_free);
    let equal = |(l, r): (Expr, Expr)| Expr::compare(CompareOp::Eq, l, r);
    predicates.extend(free_keys.into_iter().map(equal));
    predicates.extend::<Vec<Expr>>(free_residual);
    Ok(Pulled {
        plan: Plan::Join {
            kind,
            left: Box::new(left.plan),
            right: Box::new(right.plan),
            keys,
            null_equal,
            residual,
        },
        predicates,
    })
}

/// A correlated scalar subquery as a value over an aggregate that is still to be joined; no aggregate if the value is made of
/// outer columns only.
pub(super) fn scalar(plan: Plan, value: Expr) -> Result<(Expr, Option<Plan>), Blocked> {
    let mut value = value;
    match plan {
        Plan::Project { input, columns } => {
            let made: HashMap<ColumnId, Expr> = columns.into_iter().collect();
            value.substitute(&|id| made.get(&id).cloned());
            if matches!(&*input, Plan::Values { columns, rows } if columns.is_empty() && rows.len() == 1) {
                return Ok((value, None));
            }
            scalar(*input, value)
        }
        Plan::Filter { input, predicates } if over_global_aggregate(&input) => {
            let (ty, span) = (value.ty.clone(), value.span);
            let null = Expr::literal(Value::Null, ty.clone(), span);
            let kind = ExprKind::Case {
                arms: vec![(Expr::and(predicates, span), value)],
                otherwise: Box::new(null),
            };
            scalar(*input, Expr { kind, ty, span })
        }
        Plan::Sort { input, .. } if over_global_aggregate(&input) => scalar(*input, value),
        Plan::Limit {
            input,
            limit,
            offset: 0,
        } if limit != Some(0) && over_global_aggregate(&input) => scalar(*input, value),
        Plan::Aggregate {
            input,
            keys,
            aggregates,
        } if keys.is_empty() => {
            let counts = aggregates
                .iter()
                .filter(|(_, a)| a.function == AggregateFunction::Count);
            let counts: HashSet<ColumnId> = counts.map(|(id, _)| *id).collect();
            value.rewrite(&mut |e| {
                if e.as_column().is_some_and(|id| counts.contains(&id)) {
                    *e = or_zero(e.clone());
                }
            });
            let aggregate = Plan::Aggregate {
                input,
                keys,
                aggregates,
            };
            Ok((value, Some(aggregate)))
        }
        _ => Err(Blocked("a value other than an aggregate")),
    }
}

/// The value of the only row of a plan, as a value over an aggregate that is still to be joined: more rows are an error.
pub(super) fn only_row(binder: &mut Binder<'_>, plan: Plan, value: &Expr) -> (Expr, Plan) {
    let (ty, span) = (value.ty.clone(), value.span);
    let first = binder.new_column("value", ty.clone(), true);
    let rows = binder.new_column("count", LogicalType::BigInt, true);
    let aggregate = |function, arg, ty| Aggregate {
        function,
        arg,
        distinct: false,
        filter: None,
        ty,
    };
    let counted = Plan::Aggregate {
        input: Box::new(plan),
        keys: Vec::new(),
        aggregates: vec![
            (
                first,
                aggregate(AggregateFunction::AnyValue, Some(value.clone()), ty.clone()),
            ),
            (rows, aggregate(AggregateFunction::Count, None, LogicalType::BigInt)),
        ],
    };
    let rows = Expr::column(rows, LogicalType::BigInt, span);
    let single = super::nested::call("single_row", vec![rows], LogicalType::Boolean, span);
    let kind = ExprKind::Case {
        arms: vec![(single, Expr::column(first, ty.clone(), span))],
        otherwise: Box::new(Expr::literal(Value::Null, ty.clone(), span)),
    };
    (Expr { kind, ty, span }, counted)
}

/// Only projections, filters, orders and limits stand above a global aggregate.
fn over_global_aggregate(plan: &Plan) -> bool {
    match plan {
        Plan::Project { input, .. }
        | Plan::Filter { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. } => over_global_aggregate(input),
        other => is_global_aggregate(other),
    }
}

/// A count of a group that may not be there.
pub(super) fn or_zero(count: Expr) -> Expr {
    let span = count.span;
    let ty = count.ty.clone();
    let zero = Expr::literal(Value::Int(0), ty.clone(), span);
    let kind = ExprKind::Coalesce(vec![count, zero]);
    Expr { kind, ty, span }
}

/// The join with each combination of its keys once, which keeps the number of left rows, and what is not NULL where there is a partner;
/// `None` if it has a residual.
pub(super) fn distinct_keys(binder: &mut Binder<'_>, join: Joined) -> Option<(Joined, Expr)> {
    if !join.residual.is_empty() || join.keys.is_empty() {
        return None;
    }
    let nullable = binder.nullable_columns(&join.right);
    let mut groups: Vec<(ColumnId, Expr)> = Vec::new();
    let mut keys = Vec::new();
    for (outer, inner) in join.keys {
        let known = groups.iter().find(|(_, e)| *e == inner).map(|(id, _)| *id);
        let id = known
            .or_else(|| inner.as_column())
            .unwrap_or_else(|| binder.new_column("key", inner.ty.clone(), properties::may_be_null(&inner, &nullable)));
        keys.push((outer, Expr::column(id, inner.ty.clone(), inner.span)));
        if known.is_none() {
            groups.push((id, inner));
        }
    }
    let (mut found, mut aggregates) = (keys.first()?.1.clone(), Vec::new());
    if join.null_equal {
        let rows = binder.new_column("count", LogicalType::BigInt, false);
        found = Expr::column(rows, LogicalType::BigInt, found.span);
        aggregates.push((rows, super::subquery::count_of(None)));
    }
    let joined = Joined {
        kind: join.kind,
        right: Plan::Aggregate {
            input: Box::new(join.right),
            keys: groups,
            aggregates,
        },
        keys,
        null_equal: join.null_equal,
        residual: Vec::new(),
    };
    Some((joined, found))
}
