//! Filters that follow from others, so that they can be applied before a join.
//!
//! ```text
//! Filter (n1.n_name = 'FRANCE' and n2.n_name = 'GERMANY') or (n1.n_name = 'GERMANY' and n2.n_name = 'FRANCE')
//! Filter (the same) and n1.n_name in ('FRANCE', 'GERMANY') and n2.n_name in ('GERMANY', 'FRANCE')
//! ```
//!
//! Why it is right: a disjunction implies the disjunction of any conjuncts chosen one from each arm; `a = b` and a
//! filter on `a` imply the filter on `b`. The new filters are added, nothing is taken away, and each concerns one
//! relation only, so that it reaches a scan.
//!
//! Invariants: what is added is implied by what was there, also for NULLs (a filter keeps rows for which it is true).
//!
//! Does not: derive from comparisons other than with constants.

use std::collections::HashSet;

use super::boolean;
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind};

/// Predicates beyond this number are not searched.
const MAX_PREDICATES: usize = 200;

/// Adds what the predicates imply for each single relation.
pub(super) fn add_implied(predicates: &mut Vec<Expr>, relations: &[HashSet<ColumnId>]) {
    if predicates.len() > MAX_PREDICATES {
        return;
    }
    let mut added = Vec::new();
    for predicate in predicates.iter() {
        if let ExprKind::Or(arms) = &predicate.kind
            && !relations.iter().any(|relation| predicate.within(relation))
        {
            added.extend(
                relations
                    .iter()
                    .filter_map(|relation| from_arms(arms, relation, predicate)),
            );
        }
    }
    push_new(predicates, added);
    let constants = across_equalities(predicates);
    push_new(predicates, constants);
}

fn push_new(predicates: &mut Vec<Expr>, added: Vec<Expr>) {
    for predicate in added {
        if !predicates.contains(&predicate) {
            predicates.push(predicate);
        }
    }
}

/// The disjunction of what each arm says of one relation, if every arm says something.
pub(super) fn from_arms(arms: &[Expr], relation: &HashSet<ColumnId>, whole: &Expr) -> Option<Expr> {
    let mut own_arms = Vec::with_capacity(arms.len());
    for arm in arms {
        let of_relation = |e: &Expr| e.within(relation) && !e.columns().is_empty();
        let own: Vec<Expr> = arm.clone().conjuncts().into_iter().filter(of_relation).collect();
        if own.is_empty() {
            return None;
        }
        own_arms.push(boolean::and(own, whole.span));
    }
    Some(boolean::or(own_arms, whole.span))
}

/// `a = b` and `a < 5` give `b < 5`.
fn across_equalities(predicates: &[Expr]) -> Vec<Expr> {
    let pairs: Vec<(ColumnId, ColumnId)> = predicates.iter().filter_map(equal_columns).collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let classes = classes(&pairs);
    let mut added = Vec::new();
    for predicate in predicates {
        let Some(id) = constant_test(predicate) else { continue };
        for class in classes.iter().filter(|class| class.contains(&id)) {
            for other in class.iter().filter(|other| **other != id) {
                added.push(moved(predicate, id, *other));
            }
        }
    }
    added
}

/// The two columns of `a = b`.
pub(super) fn equal_columns(predicate: &Expr) -> Option<(ColumnId, ColumnId)> {
    let (left, right) = predicate.as_equality()?;
    Some((left.as_column()?, right.as_column()?))
}

/// Sets of columns that are equal to each other.
pub(super) fn classes(pairs: &[(ColumnId, ColumnId)]) -> Vec<Vec<ColumnId>> {
    let mut classes: Vec<Vec<ColumnId>> = Vec::new();
    for (a, b) in pairs {
        let at_a = classes.iter().position(|class| class.contains(a));
        let at_b = classes.iter().position(|class| class.contains(b));
        match (at_a, at_b) {
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => {
                let moved = classes.swap_remove(x.max(y));
                if let Some(class) = classes.get_mut(x.min(y)) {
                    class.extend(moved);
                }
            }
            (Some(x), None) => classes[x].push(*b),
            (None, Some(y)) => classes[y].push(*a),
            (None, None) => classes.push(vec![*a, *b]),
        }
    }
    classes
}

/// The column of a comparison with constants.
pub(super) fn constant_test(predicate: &Expr) -> Option<ColumnId> {
    match &predicate.kind {
        ExprKind::Compare { op, left, right } if right.as_literal().is_some() => {
            let plain = !matches!(op, CompareOp::Distinct | CompareOp::NotDistinct | CompareOp::NotEq);
            left.as_column().filter(|_| plain)
        }
        ExprKind::InList {
            expr, negated: false, ..
        } => expr.as_column(),
        _ => None,
    }
}

/// The predicate about another column of the same type.
pub(super) fn moved(predicate: &Expr, from: ColumnId, to: ColumnId) -> Expr {
    let mut out = predicate.clone();
    out.rewrite(&mut |e| {
        if e.as_column() == Some(from) {
            e.kind = ExprKind::Column(to);
        }
    });
    out
}
