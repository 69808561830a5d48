//! What can be said of a plan's columns without looking at data: which may be NULL.
//!
//! Above `orders LEFT JOIN lineitem`, every column of `lineitem` may be NULL; above `WHERE l_tax > 0`, `l_tax` is not.
//!
//! Invariants: a column missing from the result is never NULL; one that is in it may be.
//!
//! Does not: estimate how many NULLs there are.

use std::collections::HashSet;

use super::logical::{Aggregate, AggregateFunction, ColumnId, ColumnInfo, CompareOp, Expr, ExprKind, JoinKind, Plan};
use crate::functions::{self, NullRule};
use crate::types::Value;

/// Columns of a plan's output that may be NULL.
pub fn nullable_columns(plan: &Plan, columns: &[ColumnInfo]) -> HashSet<ColumnId> {
    match plan {
        Plan::Scan { filters, .. } => {
            let mut set = declared(plan, columns);
            drop_rejected(&mut set, filters);
            set
        }
        Plan::Values { .. } | Plan::Range { .. } | Plan::Recursive { .. } => declared(plan, columns),
        Plan::UnionAll {
            columns: output,
            inputs,
        } => {
            let mut set = HashSet::new();
            for (input, taken) in inputs {
                let below = nullable_columns(input, columns);
                let pairs = output.iter().zip(taken).filter(|(_, from)| below.contains(from));
                set.extend(pairs.map(|(to, _)| *to));
            }
            set
        }
        Plan::Filter { input, predicates } => {
            let mut set = nullable_columns(input, columns);
            drop_rejected(&mut set, predicates);
            set
        }
        Plan::Sort { input, .. } | Plan::Limit { input, .. } => nullable_columns(input, columns),
        Plan::Called { input, call } => with(nullable_columns(input, columns), call.column),
        Plan::ForEach { input, each } => {
            let mut set = nullable_columns(input, columns);
            let held = each.values.iter().map(|(_, _, held)| *held);
            set.extend(held.filter(|id| columns.get(id.0 as usize).is_none_or(|info| info.nullable)));
            set
        }
        Plan::Window { input, calls, .. } => {
            let mut set = nullable_columns(input, columns);
            let declared = |id: &ColumnId| columns.get(id.0 as usize).is_none_or(|info| info.nullable);
            set.extend(calls.iter().map(|(id, _)| *id).filter(declared));
            set
        }
        Plan::Unnest { input, element, .. } => with(nullable_columns(input, columns), *element),
        Plan::Project { input, columns: made } => {
            let mut below = nullable_columns(input, columns);
            add_free(&mut below, input, made.iter().map(|(_, e)| e), columns);
            let nullable = made.iter().filter(|(_, e)| may_be_null(e, &below));
            nullable.map(|(id, _)| *id).collect()
        }
        Plan::Aggregate {
            input,
            keys,
            aggregates,
        } => {
            let mut below = nullable_columns(input, columns);
            let args = aggregates.iter().flat_map(|(_, a)| &a.arg);
            add_free(&mut below, input, keys.iter().map(|(_, e)| e).chain(args), columns);
            let nullable_keys = keys.iter().filter(|(_, e)| may_be_null(e, &below)).map(|(id, _)| *id);
            let global = keys.is_empty();
            let nullable = aggregates
                .iter()
                .filter(|(_, a)| aggregate_may_be_null(a, global, &below));
            nullable_keys.chain(nullable.map(|(id, _)| *id)).collect()
        }
        Plan::Join { .. } => nullable_after_join(plan, columns),
    }
}

/// Adds what expressions over a plan name beside its columns, as far as it may be NULL: names of functions and columns of outer queries.
fn add_free<'e>(
    nullable: &mut HashSet<ColumnId>,
    input: &Plan,
    exprs: impl Iterator<Item = &'e Expr>,
    columns: &[ColumnInfo],
) {
    let may_be = |id: &ColumnId| columns.get(id.0 as usize).is_none_or(|info| info.nullable);
    let named: HashSet<ColumnId> = exprs.flat_map(Expr::columns).filter(may_be).collect();
    if named.is_subset(nullable) {
        return;
    }
    let own = input.output_set();
    nullable.extend(named.difference(&own));
}

fn with(mut set: HashSet<ColumnId>, column: ColumnId) -> HashSet<ColumnId> {
    set.insert(column);
    set
}

fn nullable_after_join(plan: &Plan, columns: &[ColumnInfo]) -> HashSet<ColumnId> {
    let Plan::Join {
        kind,
        left,
        right,
        keys,
        null_equal,
        residual,
    } = plan
    else {
        return HashSet::new();
    };
    let mut set = match kind {
        JoinKind::Full => left.output_set(),
        _ => nullable_columns(left, columns),
    };
    match kind {
        JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti => {}
        JoinKind::Left | JoinKind::Full => set.extend(right.output()),
        JoinKind::Inner => set.extend(nullable_columns(right, columns)),
    }
    if *kind == JoinKind::Inner || *kind == JoinKind::Semi {
        drop_rejected(&mut set, residual);
        if !null_equal {
            for (l, r) in keys {
                strict_columns(l, &mut |id| {
                    set.remove(&id);
                });
                strict_columns(r, &mut |id| {
                    set.remove(&id);
                });
            }
        }
    }
    set
}

fn declared(plan: &Plan, columns: &[ColumnInfo]) -> HashSet<ColumnId> {
    let nullable = |id: &ColumnId| columns.get(id.0 as usize).is_none_or(|info| info.nullable);
    plan.output().into_iter().filter(nullable).collect()
}

fn drop_rejected(set: &mut HashSet<ColumnId>, predicates: &[Expr]) {
    for predicate in predicates {
        rejected_nulls(predicate, &mut |id| {
            set.remove(&id);
        });
    }
}

/// An aggregate's result may be NULL.
fn aggregate_may_be_null(aggregate: &Aggregate, global: bool, below: &HashSet<ColumnId>) -> bool {
    aggregate.function != AggregateFunction::Count
        && (global || aggregate.filter.is_some() || aggregate.arg.as_ref().is_none_or(|arg| may_be_null(arg, below)))
}

/// Functions that give an array or a struct, whatever they are given.
const ALWAYS_VALUES: &[&str] = &["list_value", "row", "array_append", "array_prepend"];

/// An expression may be NULL, given the columns that may.
pub fn may_be_null(expr: &Expr, nullable: &HashSet<ColumnId>) -> bool {
    match &expr.kind {
        ExprKind::Column(id) => nullable.contains(id),
        ExprKind::Literal(value) => *value == Value::Null,
        ExprKind::Subquery(_) | ExprKind::Cast { try_: true, .. } => true,
        ExprKind::Call { function, args } => {
            let function = functions::function(*function);
            let strict = function.nulls == NullRule::Strict;
            !ALWAYS_VALUES.contains(&function.name) && (!strict || args.iter().any(|arg| may_be_null(arg, nullable)))
        }
        ExprKind::Routine { nullable, .. } => *nullable,
        ExprKind::IsNull { .. } => false,
        ExprKind::Compare {
            op: CompareOp::Distinct | CompareOp::NotDistinct,
            ..
        } => false,
        ExprKind::Coalesce(items) => items.iter().all(|e| may_be_null(e, nullable)),
        ExprKind::Case { arms, otherwise } => {
            arms.iter().any(|(_, e)| may_be_null(e, nullable)) || may_be_null(otherwise, nullable)
        }
        _ => {
            let mut any = false;
            expr.for_each_child(&mut |child| any = any || may_be_null(child, nullable));
            any
        }
    }
}

/// Calls `f` with each column that is not NULL in a row for which the predicate is true.
pub fn rejected_nulls(predicate: &Expr, f: &mut dyn FnMut(ColumnId)) {
    match &predicate.kind {
        ExprKind::And(items) => items.iter().for_each(|e| rejected_nulls(e, f)),
        ExprKind::Or(arms) => {
            let mut sets = arms.iter().map(|arm| {
                let mut set = HashSet::new();
                rejected_nulls(arm, &mut |id| {
                    set.insert(id);
                });
                set
            });
            let first = sets.next().unwrap_or_default();
            let common = sets.fold(first, |a, b| a.intersection(&b).copied().collect());
            common.into_iter().for_each(f);
        }
        ExprKind::Not(inner) => match &inner.kind {
            ExprKind::And(_) | ExprKind::Or(_) => {}
            ExprKind::IsNull { expr, negated: false } => strict_columns(expr, f),
            _ => strict_columns(inner, f),
        },
        ExprKind::IsNull { expr, negated: true } => strict_columns(expr, f),
        _ => strict_columns(predicate, f),
    }
}

/// Calls `f` with each column whose NULL makes the expression NULL.
pub fn strict_columns(expr: &Expr, f: &mut dyn FnMut(ColumnId)) {
    match &expr.kind {
        ExprKind::Column(id) => f(*id),
        ExprKind::Compare {
            op: CompareOp::Distinct | CompareOp::NotDistinct,
            ..
        } => {}
        ExprKind::Cast { .. }
        | ExprKind::Chain { .. }
        | ExprKind::Neg(_)
        | ExprKind::Not(_)
        | ExprKind::Compare { .. }
        | ExprKind::InList { .. }
        | ExprKind::Like { .. } => expr.for_each_child(&mut |child| strict_columns(child, f)),
        ExprKind::Call { function, .. } if functions::function(*function).nulls == NullRule::Strict => {
            expr.for_each_child(&mut |child| strict_columns(child, f));
        }
        _ => {}
    }
}
