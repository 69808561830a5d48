//! Constant folding: what does not depend on data is computed once, here.
//!
//! ```text
//! Filter l_shipdate < DATE '1994-01-01' + INTERVAL '1 year' and 1 = 1
//! Filter l_shipdate < DATE '1995-01-01'
//! ```
//!
//! Why it is right: expressions have no effects, and only values that the engine would compute without an error are
//! put in their place; `1 / 0` stays, since a row may never reach it.
//!
//! Invariants: types do not change. Does not: look below columns.

use gobi_grammar::ast::Span;

use super::boolean;
use crate::plan::eval;
use crate::plan::logical::{Expr, ExprKind, Plan};
use crate::types::{LogicalType, Value};

/// Simplifies every expression of a plan.
pub(super) fn plan(plan: &mut Plan) {
    for child in plan.children_mut() {
        self::plan(child);
    }
    plan.for_each_expr_mut(&mut simplify);
    if let Plan::Filter { predicates, .. }
    | Plan::Scan {
        filters: predicates, ..
    }
    | Plan::Join {
        residual: predicates, ..
    } = plan
    {
        *predicates = flat_conjuncts(std::mem::take(predicates));
    }
}

/// Splits conjunctions and drops TRUE and repeats.
pub(super) fn flat_conjuncts(predicates: Vec<Expr>) -> Vec<Expr> {
    let mut split = Vec::with_capacity(predicates.len());
    predicates.into_iter().for_each(|e| e.split_into(&mut split));
    let mut out: Vec<Expr> = Vec::with_capacity(split.len());
    let few = split.len() <= boolean::MAX_COMPARED;
    for predicate in split {
        let known = few && out.contains(&predicate);
        if predicate.as_literal() != Some(&Value::Boolean(true)) && !known {
            out.push(predicate);
        }
    }
    out
}

/// Simplifies an expression from its leaves up.
pub(super) fn simplify(expr: &mut Expr) {
    expr.rewrite(&mut |e| {
        let span = e.span;
        let ty = e.ty.clone();
        let old = std::mem::replace(e, Expr::truth(true, span));
        *e = step(old);
        e.ty = ty;
    });
}

fn step(mut expr: Expr) -> Expr {
    let (ty, span) = (expr.ty.clone(), expr.span);
    if expr.as_literal().is_none() && children_constant(&expr) && !is_exact_zero(&expr) {
        expr = eval::fold(expr);
    }
    match expr.kind {
        ExprKind::And(items) => boolean::and(items, span),
        ExprKind::Or(arms) => boolean::or(arms, span),
        ExprKind::Not(inner) => boolean::not(*inner, span),
        ExprKind::Cast { expr: inner, .. } if inner.ty == ty => *inner,
        ExprKind::Case { arms, otherwise } => case(arms, *otherwise, ty, span),
        ExprKind::Coalesce(items) => coalesce(items, ty, span),
        kind => Expr { kind, ty, span },
    }
}

/// An integer or decimal zero made a float: as a divisor it is an error, which a float zero is not.
fn is_exact_zero(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Cast { expr: inner, .. } => expr.ty.is_float() && inner.as_literal() == Some(&Value::Int(0)),
        _ => false,
    }
}

fn children_constant(expr: &Expr) -> bool {
    let mut constant = !matches!(expr.kind, ExprKind::Column(_) | ExprKind::Subquery(_));
    expr.for_each_child(&mut |child| constant &= child.as_literal().is_some());
    constant
}

/// Arms that are never taken go; an arm that always is taken ends the list.
fn case(arms: Vec<(Expr, Expr)>, mut otherwise: Expr, ty: LogicalType, span: Span) -> Expr {
    let mut kept = Vec::with_capacity(arms.len());
    for (condition, value) in arms {
        match condition.as_literal() {
            Some(Value::Boolean(true)) => {
                otherwise = value;
                break;
            }
            Some(Value::Boolean(false) | Value::Null) => {}
            _ => kept.push((condition, value)),
        }
    }
    if kept.is_empty() {
        return otherwise;
    }
    let kind = ExprKind::Case {
        arms: kept,
        otherwise: Box::new(otherwise),
    };
    Expr { kind, ty, span }
}

/// NULLs go; nothing after a constant is ever used.
fn coalesce(items: Vec<Expr>, ty: LogicalType, span: Span) -> Expr {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let constant = item.as_literal().cloned();
        if constant == Some(Value::Null) {
            continue;
        }
        kept.push(item);
        if constant.is_some() {
            break;
        }
    }
    match kept.len() {
        0 => Expr::literal(Value::Null, ty, span),
        1 => kept.remove(0),
        _ => Expr {
            kind: ExprKind::Coalesce(kept),
            ty,
            span,
        },
    }
}
