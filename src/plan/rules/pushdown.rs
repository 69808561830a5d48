//! Filter pushdown: every filter is applied as soon as its columns exist.
//!
//! ```text
//! Filter c_custkey = o_custkey and o_orderdate < DATE '1995-03-15' (Join cross (Scan customer) (Scan orders))
//! Join inner on c_custkey = o_custkey (Scan customer) (Scan orders where o_orderdate < DATE '1995-03-15')
//! ```
//!
//! Why it is right: a filter commutes with what keeps or drops whole rows (sorts, unions, other filters), with
//! projections once its columns are replaced by what they stand for, with the elements of arrays and the values of calls if it
//! mentions none of them, with grouping if it concerns keys only, and with the side of a join that it mentions, unless that side is
//! filled with NULLs. A filter that is never true for a row
//! filled with NULLs makes the outer join an inner one.
//!
//! Invariants: equalities between the sides of an inner join are its keys afterwards. Does not: move filters through LIMIT.

use std::collections::{HashMap, HashSet};

use super::{empty_like, fold, implied};
use crate::plan::logical::{ColumnId, ColumnInfo, CompareOp, Expr, ExprKind, JoinKind, Plan};
use crate::plan::properties;
use crate::types::Value;

/// Pushes all filters of a plan.
pub(super) fn push_filters(plan: Plan, columns: &[ColumnInfo]) -> Plan {
    Pusher { columns }.push(plan, Vec::new())
}

struct Pusher<'c> {
    columns: &'c [ColumnInfo],
}

/// A join taken apart.
struct Parts {
    kind: JoinKind,
    left: Plan,
    right: Plan,
    keys: Vec<(Expr, Expr)>,
    null_equal: bool,
    residual: Vec<Expr>,
}

impl Parts {
    fn build(self) -> Plan {
        Plan::Join {
            kind: self.kind,
            left: Box::new(self.left),
            right: Box::new(self.right),
            keys: self.keys,
            null_equal: self.null_equal,
            residual: self.residual,
        }
    }
}

impl Pusher<'_> {
    /// The plan with `predicates` applied above it, as far down as they go.
    fn push(&self, plan: Plan, predicates: Vec<Expr>) -> Plan {
        let predicates = fold::flat_conjuncts(predicates);
        if predicates.iter().any(never_true) {
            return empty_like(&plan);
        }
        match plan {
            Plan::Filter {
                input,
                predicates: mut own,
            } => {
                own.extend(predicates);
                self.push(*input, own)
            }
            Plan::Project { input, columns } => self.push_project(*input, columns, predicates),
            Plan::Scan {
                table,
                name,
                columns,
                mut filters,
            } => {
                filters.extend(predicates);
                Plan::Scan {
                    table,
                    name,
                    columns,
                    filters: fold::flat_conjuncts(filters),
                }
            }
            Plan::Sort {
                input,
                keys,
                limit: None,
            } => Plan::Sort {
                input: Box::new(self.push(*input, predicates)),
                keys,
                limit: None,
            },
            Plan::Aggregate { .. } => self.push_aggregate(plan, predicates),
            Plan::UnionAll { columns, inputs } => self.push_union(columns, inputs, &predicates),
            Plan::Join {
                kind,
                left,
                right,
                keys,
                null_equal,
                residual,
            } => {
                let parts = Parts {
                    kind,
                    left: *left,
                    right: *right,
                    keys,
                    null_equal,
                    residual,
                };
                self.push_join(parts, predicates)
            }
            other => self.push_before(other, predicates),
        }
    }

    /// Only what concerns the rows before a call, or before the elements of an array, goes below it; nothing below what is left.
    fn push_before(&self, mut plan: Plan, mut predicates: Vec<Expr>) -> Plan {
        let (mut below, all) = (Vec::new(), predicates.len());
        if let Plan::Called { input, .. } | Plan::Unnest { input, .. } = &plan {
            let before = input.output_set();
            let goes_below = |e: &mut Expr| e.within(&before) && !e.is_volatile();
            below.extend(predicates.extract_if(..all, goes_below));
        }
        for child in plan.children_mut() {
            *child = self.push(child.take(), std::mem::take(&mut below));
        }
        plan.filtered(predicates)
    }

    fn push_project(&self, input: Plan, columns: Vec<(ColumnId, Expr)>, predicates: Vec<Expr>) -> Plan {
        let made: HashMap<ColumnId, &Expr> = columns.iter().map(|(id, e)| (*id, e)).collect();
        // What is another value each time it is computed is computed once.
        let is_settled = |predicate: &Expr| {
            let mut named = predicate.columns().into_iter();
            !named.any(|id| made.get(&id).is_some_and(|value| value.is_volatile()))
        };
        let (mut below, above): (Vec<Expr>, Vec<Expr>) = predicates.into_iter().partition(is_settled);
        for predicate in &mut below {
            predicate.substitute(&|id| made.get(&id).map(|e| (*e).clone()));
            fold::simplify(predicate);
        }
        let projected = Plan::Project {
            input: Box::new(self.push(input, below)),
            columns,
        };
        projected.filtered(above)
    }

    fn push_aggregate(&self, plan: Plan, predicates: Vec<Expr>) -> Plan {
        let Plan::Aggregate {
            input,
            keys,
            aggregates,
        } = plan
        else {
            return plan.filtered(predicates);
        };
        let made: HashMap<ColumnId, Expr> = keys.iter().cloned().collect();
        let ids: HashSet<ColumnId> = made.keys().copied().collect();
        let is_volatile = |e: &Expr| e.columns().iter().any(|id| made.get(id).is_some_and(Expr::is_volatile));
        let goes_below = |e: &Expr| !keys.is_empty() && e.within(&ids) && !is_volatile(e);
        let (mut below, above): (Vec<Expr>, Vec<Expr>) = predicates.into_iter().partition(goes_below);
        for predicate in &mut below {
            predicate.substitute(&|id| made.get(&id).cloned());
        }
        let grouped = Plan::Aggregate {
            input: Box::new(self.push(*input, below)),
            keys,
            aggregates,
        };
        grouped.filtered(above)
    }

    fn push_union(&self, columns: Vec<ColumnId>, inputs: Vec<(Plan, Vec<ColumnId>)>, predicates: &[Expr]) -> Plan {
        let inputs = inputs.into_iter().map(|(input, taken)| {
            let renamed: HashMap<ColumnId, ColumnId> = columns.iter().copied().zip(taken.iter().copied()).collect();
            let mut own = predicates.to_vec();
            for predicate in &mut own {
                predicate.rewrite(&mut |e| {
                    if let Some(to) = e.as_column().and_then(|id| renamed.get(&id)) {
                        e.kind = ExprKind::Column(*to);
                    }
                });
            }
            (self.push(input, own), taken)
        });
        let inputs = inputs.collect();
        Plan::UnionAll { columns, inputs }
    }

    fn push_join(&self, mut join: Parts, predicates: Vec<Expr>) -> Plan {
        join.kind = self.stricter(&mut join, &predicates);
        match join.kind {
            JoinKind::Inner if !join.null_equal => self.push_inner(join, predicates),
            JoinKind::Inner | JoinKind::Full => {
                join.left = self.push(join.left, Vec::new());
                join.right = self.push(join.right, Vec::new());
                join.build().filtered(predicates)
            }
            JoinKind::Left => self.push_left(join, predicates),
            JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti => self.push_semi(join, predicates),
        }
    }

    /// The kind of join that the filters above leave: filters that reject NULLs undo the filling.
    fn stricter(&self, join: &mut Parts, predicates: &[Expr]) -> JoinKind {
        if !matches!(join.kind, JoinKind::Left | JoinKind::Full) {
            return join.kind;
        }
        let mut rejected = HashSet::new();
        for predicate in predicates {
            properties::rejected_nulls(predicate, &mut |id| {
                rejected.insert(id);
            });
        }
        let needs = |plan: &Plan| !plan.output_set().is_disjoint(&rejected);
        let (left, right) = (needs(&join.left), needs(&join.right));
        match (join.kind, left, right) {
            (JoinKind::Left, _, true) | (JoinKind::Full, true, true) => JoinKind::Inner,
            (JoinKind::Full, true, false) => JoinKind::Left,
            (JoinKind::Full, false, true) => {
                std::mem::swap(&mut join.left, &mut join.right);
                join.keys.iter_mut().for_each(|(l, r)| std::mem::swap(l, r));
                JoinKind::Left
            }
            (kind, ..) => kind,
        }
    }

    /// All conditions of nested inner joins are gathered, what they imply is added, and each goes as low as it can.
    fn push_inner(&self, mut join: Parts, mut predicates: Vec<Expr>) -> Plan {
        hoist(&mut join.left, &mut predicates);
        hoist(&mut join.right, &mut predicates);
        predicates.extend(join.residual);
        predicates.extend(join.keys.into_iter().map(|(l, r)| Expr::compare(CompareOp::Eq, l, r)));
        predicates = fold::flat_conjuncts(predicates);
        let mut relations = Vec::new();
        leaves(&join.left, &mut relations);
        leaves(&join.right, &mut relations);
        implied::add_implied(&mut predicates, &relations);
        self.distribute(join.left, join.right, predicates)
    }

    /// An inner join of two sides, conditions and all.
    fn distribute(&self, left: Plan, right: Plan, predicates: Vec<Expr>) -> Plan {
        let (left_set, right_set) = (left.output_set(), right.output_set());
        let (mut to_left, mut to_right) = (Vec::new(), Vec::new());
        let (mut keys, mut residual) = (Vec::new(), Vec::new());
        for predicate in predicates {
            if predicate.within(&left_set) {
                to_left.push(predicate);
            } else if predicate.within(&right_set) {
                to_right.push(predicate);
            } else {
                match as_key(&predicate, &left_set, &right_set) {
                    Some(key) => keys.push(key),
                    None => residual.push(predicate),
                }
            }
        }
        let build = Parts {
            kind: JoinKind::Inner,
            left: self.push_side(left, to_left),
            right: self.push_side(right, to_right),
            keys,
            null_equal: false,
            residual,
        };
        build.build()
    }

    /// Below an inner join, another one has lost its conditions to the gathering and only gets its share back.
    fn push_side(&self, plan: Plan, predicates: Vec<Expr>) -> Plan {
        if predicates.iter().any(never_true) {
            return empty_like(&plan);
        }
        match plan {
            Plan::Join {
                kind: JoinKind::Inner,
                left,
                right,
                keys,
                null_equal: false,
                residual,
            } if keys.is_empty() && residual.is_empty() => self.distribute(*left, *right, predicates),
            other => self.push(other, predicates),
        }
    }

    fn push_left(&self, mut join: Parts, predicates: Vec<Expr>) -> Plan {
        let (left_set, right_set) = (join.left.output_set(), join.right.output_set());
        let (to_left, above): (Vec<Expr>, Vec<Expr>) = predicates.into_iter().partition(|e| e.within(&left_set));
        let mut to_right = across_keys(&to_left, &join.keys);
        let (own, rest): (Vec<Expr>, Vec<Expr>) = join.residual.into_iter().partition(|e| only(e, &right_set));
        to_right.extend(own);
        let (keys, residual) = match join.null_equal {
            true => (Vec::new(), rest),
            false => keys_of(rest, &left_set, &right_set),
        };
        join.keys.extend(keys);
        join.residual = residual;
        join.left = self.push(join.left, to_left);
        join.right = self.push(join.right, to_right);
        join.build().filtered(above)
    }

    /// Filters above a semi or anti join concern its left side; its own conditions on the right side go there.
    fn push_semi(&self, mut join: Parts, predicates: Vec<Expr>) -> Plan {
        let (left_set, right_set) = (join.left.output_set(), join.right.output_set());
        let mut to_left = predicates;
        let (mut to_right, mut rest) = (Vec::new(), Vec::new());
        for predicate in fold::flat_conjuncts(join.residual) {
            if only(&predicate, &right_set) {
                to_right.push(predicate);
            } else if join.kind == JoinKind::Semi && predicate.within(&left_set) {
                to_left.push(predicate);
            } else {
                rest.push(predicate);
            }
        }
        let (keys, residual) = match join.kind {
            JoinKind::NullAwareAnti => (Vec::new(), rest),
            _ if join.null_equal => (Vec::new(), rest),
            _ => keys_of(rest, &left_set, &right_set),
        };
        join.keys.extend(keys);
        join.residual = residual;
        if join.kind != JoinKind::NullAwareAnti && !join.null_equal {
            to_right.extend(across_keys(&to_left, &join.keys));
        }
        join.left = self.push(join.left, to_left);
        join.right = self.push(join.right, to_right);
        if join.kind == JoinKind::NullAwareAnti && self.no_null_keys(&join) {
            join.kind = JoinKind::Anti;
        }
        join.build()
    }

    fn no_null_keys(&self, join: &Parts) -> bool {
        let left = properties::nullable_columns(&join.left, self.columns);
        let right = properties::nullable_columns(&join.right, self.columns);
        join.keys
            .iter()
            .all(|(l, r)| !properties::may_be_null(l, &left) && !properties::may_be_null(r, &right))
    }
}

/// FALSE or NULL.
fn never_true(predicate: &Expr) -> bool {
    matches!(predicate.as_literal(), Some(Value::Boolean(false) | Value::Null))
}

fn only(predicate: &Expr, set: &HashSet<ColumnId>) -> bool {
    predicate.within(set) && !predicate.columns().is_empty()
}

/// Takes the conditions out of nested inner joins and the filters between them.
fn hoist(plan: &mut Plan, predicates: &mut Vec<Expr>) {
    while let Plan::Filter { input, predicates: own } = plan {
        if !is_plain_inner(input) && !matches!(**input, Plan::Filter { .. }) {
            return;
        }
        predicates.append(own);
        *plan = input.take();
    }
    if !is_plain_inner(plan) {
        return;
    }
    if let Plan::Join {
        left,
        right,
        keys,
        residual,
        ..
    } = plan
    {
        predicates.append(residual);
        let equal = keys.drain(..).map(|(l, r)| Expr::compare(CompareOp::Eq, l, r));
        predicates.extend(equal);
        hoist(left, predicates);
        hoist(right, predicates);
    }
}

fn is_plain_inner(plan: &Plan) -> bool {
    matches!(
        plan,
        Plan::Join {
            kind: JoinKind::Inner,
            null_equal: false,
            ..
        }
    )
}

/// The column sets of the relations that nested inner joins connect.
fn leaves(plan: &Plan, out: &mut Vec<HashSet<ColumnId>>) {
    match plan {
        Plan::Join { left, right, .. } if is_plain_inner(plan) => {
            leaves(left, out);
            leaves(right, out);
        }
        _ => out.push(plan.output_set()),
    }
}

/// `left = right` as a join key, whichever way it is written.
pub(super) fn as_key(
    predicate: &Expr,
    left_set: &HashSet<ColumnId>,
    right_set: &HashSet<ColumnId>,
) -> Option<(Expr, Expr)> {
    let (left, right) = predicate.as_equality()?;
    if only(left, left_set) && only(right, right_set) {
        Some((left.clone(), right.clone()))
    } else if only(left, right_set) && only(right, left_set) {
        Some((right.clone(), left.clone()))
    } else {
        None
    }
}

fn keys_of(
    predicates: Vec<Expr>,
    left: &HashSet<ColumnId>,
    right: &HashSet<ColumnId>,
) -> (Vec<(Expr, Expr)>, Vec<Expr>) {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for predicate in predicates {
        match as_key(&predicate, left, right) {
            Some(key) => keys.push(key),
            None => rest.push(predicate),
        }
    }
    (keys, rest)
}

/// Constant tests of left keys, said of the right keys that they must equal.
fn across_keys(to_left: &[Expr], keys: &[(Expr, Expr)]) -> Vec<Expr> {
    let mut out = Vec::new();
    for predicate in to_left {
        let Some(id) = implied::constant_test(predicate) else {
            continue;
        };
        for (l, r) in keys {
            if let (true, Some(to)) = (l.as_column() == Some(id), r.as_column()) {
                out.push(implied::moved(predicate, id, to));
            }
        }
    }
    out
}
