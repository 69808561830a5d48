//! Boolean simplification: NOT moves inwards, constants vanish, what all arms of an OR share moves out of it.
//!
//! ```text
//! (p_partkey = l_partkey and p_size < 5) or (p_partkey = l_partkey and p_size > 40)
//! p_partkey = l_partkey and (p_size < 5 or p_size > 40)
//! ```
//!
//! Why it is right: De Morgan's laws, `x and (a or b) = (x and a) or (x and b)` and the inverses of comparisons hold in
//! three-valued logic. The join key hidden in TPC-H 19 is found this way.
//!
//! Invariants: chains of any length are handled by loops. Does not: compare more than a few hundred arms pairwise.

use gobi_grammar::ast::Span;

use crate::plan::logical::{CompareOp, Expr, ExprKind};
use crate::types::{LogicalType, Value};

/// Lists longer than this are not searched for repeats.
pub(super) const MAX_COMPARED: usize = 64;

/// A conjunction without constants and repeats.
pub(super) fn and(items: Vec<Expr>, span: Span) -> Expr {
    connect(items, span, false)
}

/// A disjunction without constants and repeats, its common conjuncts factored out, equalities gathered into lists.
pub(super) fn or(arms: Vec<Expr>, span: Span) -> Expr {
    let whole = connect(arms, span, true);
    match whole.kind {
        ExprKind::Or(arms) => factored(gathered(arms), span),
        kind => Expr { kind, ..whole },
    }
}

/// Flattens; `stop` is the value that decides the whole: false for AND, true for OR.
fn connect(items: Vec<Expr>, span: Span, stop: bool) -> Expr {
    let mut flat: Vec<Expr> = Vec::with_capacity(items.len());
    let few = items.len() <= MAX_COMPARED;
    for item in items {
        if item.as_literal() == Some(&Value::Boolean(stop)) {
            return Expr::truth(stop, span);
        }
        match item.kind {
            ExprKind::Literal(Value::Boolean(_)) => {}
            ExprKind::And(inner) if !stop => flat.extend(inner),
            ExprKind::Or(inner) if stop => flat.extend(inner),
            kind => {
                let item = Expr { kind, ..item };
                if !few || !flat.contains(&item) {
                    flat.push(item);
                }
            }
        }
    }
    if stop { Expr::or(flat, span) } else { Expr::and(flat, span) }
}

/// NOT, moved inwards.
pub(super) fn not(inner: Expr, span: Span) -> Expr {
    let negate = |e: Expr| {
        let at = e.span;
        not(e, at)
    };
    match inner.kind {
        ExprKind::Not(e) => *e,
        ExprKind::Literal(Value::Boolean(b)) => Expr::truth(!b, span),
        ExprKind::And(items) => or(items.into_iter().map(negate).collect(), span),
        ExprKind::Or(items) => and(items.into_iter().map(negate).collect(), span),
        ExprKind::Compare { op, left, right } => {
            let op = inverse(op);
            Expr::boolean(ExprKind::Compare { op, left, right }, span)
        }
        ExprKind::IsNull { expr, negated } => {
            let negated = !negated;
            Expr::boolean(ExprKind::IsNull { expr, negated }, span)
        }
        ExprKind::InList { expr, negated, list } => {
            let negated = !negated;
            Expr::boolean(ExprKind::InList { expr, negated, list }, span)
        }
        ExprKind::Like {
            expr,
            negated,
            case_insensitive,
            pattern,
            escape,
        } => {
            let kind = ExprKind::Like {
                expr,
                negated: !negated,
                case_insensitive,
                pattern,
                escape,
            };
            Expr::boolean(kind, span)
        }
        kind => {
            let inner = Expr { kind, ..inner };
            Expr::boolean(ExprKind::Not(Box::new(inner)), span)
        }
    }
}

fn inverse(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::Lt => CompareOp::GtEq,
        CompareOp::LtEq => CompareOp::Gt,
        CompareOp::Gt => CompareOp::LtEq,
        CompareOp::GtEq => CompareOp::Lt,
        CompareOp::Distinct => CompareOp::NotDistinct,
        CompareOp::NotDistinct => CompareOp::Distinct,
    }
}

/// `a = 1 or a = 2` as `a in (1, 2)`.
fn gathered(arms: Vec<Expr>) -> Vec<Expr> {
    let mut out: Vec<Expr> = Vec::with_capacity(arms.len());
    // Index in `out` of the list that is being filled; neighbours are gathered, which keeps this linear.
    let mut open: Option<usize> = None;
    for arm in arms {
        let Some((expr, values)) = as_list(&arm) else {
            out.push(arm);
            continue;
        };
        let target = open.and_then(|at| out.get_mut(at)).filter(|e| as_list(e).is_some_and(|(e, _)| e == expr));
        match target {
            Some(target) => extend_list(target, values),
            None => {
                open = Some(out.len());
                out.push(arm);
            }
        }
    }
    out
}

fn as_list(arm: &Expr) -> Option<(&Expr, Vec<Value>)> {
    match &arm.kind {
        ExprKind::Compare {
            op: CompareOp::Eq,
            left,
            right,
        } if !left.is_constant() => {
            let value = right.as_literal().filter(|v| **v != Value::Null)?;
            Some((left, vec![value.clone()]))
        }
        ExprKind::InList {
            expr,
            negated: false,
            list,
        } => Some((expr, list.clone())),
        _ => None,
    }
}

fn extend_list(target: &mut Expr, values: Vec<Value>) {
    if let ExprKind::Compare { left, right, .. } = &mut target.kind {
        let null = Expr::literal(Value::Null, LogicalType::Null, target.span);
        let expr = Box::new(std::mem::replace(&mut **left, null));
        let list = right.as_literal().cloned().into_iter().collect();
        target.kind = ExprKind::InList {
            expr,
            negated: false,
            list,
        };
    }
    if let ExprKind::InList { list, .. } = &mut target.kind {
        for value in values {
            if list.len() > MAX_COMPARED * 16 || !list.contains(&value) {
                list.push(value);
            }
        }
    }
}

/// Moves the conjuncts that all arms share out of the disjunction.
fn factored(arms: Vec<Expr>, span: Span) -> Expr {
    if arms.len() < 2 || arms.len() > MAX_COMPARED {
        return Expr::or(arms, span);
    }
    let split: Vec<Vec<Expr>> = arms.into_iter().map(Expr::conjuncts).collect();
    let (first, rest) = match split.split_first() {
        Some(parts) => parts,
        None => return Expr::truth(false, span),
    };
    let common: Vec<Expr> = first.iter().filter(|e| rest.iter().all(|arm| arm.contains(e))).cloned().collect();
    if common.is_empty() {
        let arms = split.into_iter().map(|arm| Expr::and(arm, span)).collect();
        return Expr::or(arms, span);
    }
    let mut arms = Vec::with_capacity(split.len());
    for arm in split {
        let left: Vec<Expr> = arm.into_iter().filter(|e| !common.contains(e)).collect();
        if left.is_empty() {
            // `(x) or (x and a)` is `x`.
            return Expr::and(common, span);
        }
        arms.push(Expr::and(left, span));
    }
    let mut whole = common;
    whole.push(or(arms, span));
    Expr::and(whole, span)
}
