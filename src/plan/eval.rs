//! The value of an expression without columns, where computing it cannot fail.
//!
//! `DATE '1998-12-01' - INTERVAL '90 days'` is the timestamp 1998-09-02 00:00:00; `1 / 0` has no value here and is left
//! to fail, or not, when the query runs.
//!
//! Invariants: agrees with the engine on every value that it gives: three-valued logic, overflow is a failure.
//!
//! Does not: evaluate subqueries or columns.

use std::cmp::Ordering;
use std::sync::Arc;

use super::constant;
use super::logical::{ArithOp, ChainStep, CompareOp, Expr, ExprKind};
use crate::functions::{self, Env, FunctionId, Resolved, Stability};
use crate::types::value::total_order;
use crate::types::{Interval, LogicalType, Value};

/// Memory that a value takes at most that is computed while a query is planned.
const FOLDED_BYTES: usize = 1 << 16;

/// The expression, or the literal that it always is.
pub fn fold(expr: Expr) -> Expr {
    if expr.as_literal().is_some() {
        return expr;
    }
    match evaluate(&expr) {
        Some(value) => Expr::literal(value, expr.ty, expr.span),
        None => expr,
    }
}

/// The expression's value; `None` if it depends on data or fails.
pub fn evaluate(expr: &Expr) -> Option<Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value.clone()),
        ExprKind::Column(_) | ExprKind::Subquery(_) | ExprKind::Routine { .. } => None,
        ExprKind::Cast { expr: inner, try_ } => match constant::convert(&evaluate(inner)?, &inner.ty, &expr.ty) {
            Ok(value) => Some(value),
            Err(_) => try_.then_some(Value::Null),
        },
        ExprKind::Chain { first, rest } => {
            let mut value = (evaluate(first)?, first.ty.clone());
            for step in rest {
                value = (chain_step(&value, step)?, step.ty.clone());
            }
            Some(value.0)
        }
        ExprKind::Neg(inner) => negate(evaluate(inner)?, &expr.ty),
        ExprKind::Not(inner) => Some(from_truth(truth(inner)?.map(|b| !b))),
        ExprKind::And(items) => connective(items, false),
        ExprKind::Or(items) => connective(items, true),
        ExprKind::Compare { op, left, right } => compare(*op, &evaluate(left)?, &evaluate(right)?),
        ExprKind::IsNull { expr, negated } => Some(Value::Boolean((evaluate(expr)? == Value::Null) != *negated)),
        ExprKind::InList { expr, negated, list } => {
            let value = evaluate(expr)?;
            let same = |other: &Value| total_order(other, &value) == Ordering::Equal;
            let found = (value != Value::Null).then(|| list.iter().any(same) != *negated);
            Some(from_truth(found))
        }
        ExprKind::Like {
            expr,
            negated,
            case_insensitive,
            pattern,
            escape,
        } => like(evaluate(expr)?, evaluate(pattern)?, *case_insensitive, *escape).map(|v| match v {
            Value::Boolean(b) => Value::Boolean(b != *negated),
            other => other,
        }),
        ExprKind::Case { arms, otherwise } => {
            for (condition, value) in arms {
                if truth(condition)? == Some(true) {
                    return evaluate(value);
                }
            }
            evaluate(otherwise)
        }
        ExprKind::Coalesce(items) => {
            for item in items {
                let value = evaluate(item)?;
                if value != Value::Null {
                    return Some(value);
                }
            }
            Some(Value::Null)
        }
        ExprKind::Call { function, args } => call(*function, args, &expr.ty),
    }
}

/// A function of constants, unless it depends on more than its arguments.
fn call(function: FunctionId, args: &[Expr], ty: &LogicalType) -> Option<Value> {
    if functions::function(function).stability != Stability::Immutable {
        return None;
    }
    let values: Vec<Value> = args.iter().map(evaluate).collect::<Option<_>>()?;
    let resolved = Resolved {
        function,
        arg_types: args.iter().map(|arg| arg.ty.clone()).collect(),
        result: ty.clone(),
    };
    // What is large is made when the query runs, where memory is counted.
    functions::within(FOLDED_BYTES, || {
        functions::evaluate(&resolved, &values, &Env::new(0, 0)).ok()
    })
}

/// `Some(None)` is unknown.
fn truth(expr: &Expr) -> Option<Option<bool>> {
    match evaluate(expr)? {
        Value::Boolean(b) => Some(Some(b)),
        Value::Int(v) => Some(Some(v != 0)),
        Value::Null => Some(None),
        _ => None,
    }
}

fn from_truth(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Boolean)
}

/// AND stops at false, OR at true.
fn connective(items: &[Expr], stop: bool) -> Option<Value> {
    let mut unknown = false;
    for item in items {
        match truth(item)? {
            Some(value) if value == stop => return Some(Value::Boolean(stop)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Some(if unknown { Value::Null } else { Value::Boolean(!stop) })
}

/// Order of two values of one type; `None` where there is no order.
pub fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => Some(float_order(*a, *b)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Blob(a), Value::Blob(b)) => Some(a.cmp(b)),
        (Value::Array(_), Value::Array(_)) | (Value::Struct(_), Value::Struct(_)) => Some(total_order(a, b)),
        (Value::Boolean(_) | Value::Int(_), Value::Boolean(_) | Value::Int(_)) => Some(a.as_int()?.cmp(&b.as_int()?)),
        _ => None,
    }
}

/// NaN equals itself and is greater than all numbers; the zeros are equal.
fn float_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The comparison's value.
pub fn compare(op: CompareOp, a: &Value, b: &Value) -> Option<Value> {
    let nulls = (*a == Value::Null, *b == Value::Null);
    match (op, nulls) {
        (CompareOp::Distinct, (x, y)) if x || y => return Some(Value::Boolean(x != y)),
        (CompareOp::NotDistinct, (x, y)) if x || y => return Some(Value::Boolean(x == y)),
        (_, (x, y)) if x || y => return Some(Value::Null),
        _ => {}
    }
    let order = order(a, b)?;
    Some(Value::Boolean(match op {
        CompareOp::Eq | CompareOp::NotDistinct => order == Ordering::Equal,
        CompareOp::NotEq | CompareOp::Distinct => order != Ordering::Equal,
        CompareOp::Lt => order == Ordering::Less,
        CompareOp::LtEq => order != Ordering::Greater,
        CompareOp::Gt => order == Ordering::Greater,
        CompareOp::GtEq => order != Ordering::Less,
    }))
}

fn negate(value: Value, ty: &LogicalType) -> Option<Value> {
    match value {
        Value::Null => Some(Value::Null),
        Value::Float(v) => Some(Value::Float(-v)),
        Value::Int(v) => in_range(v.checked_neg()?, ty),
        Value::Interval(i) => Some(Value::Interval(Interval {
            months: i.months.checked_neg()?,
            days: i.days.checked_neg()?,
            micros: i.micros.checked_neg()?,
        })),
        _ => None,
    }
}

fn in_range(v: i128, ty: &LogicalType) -> Option<Value> {
    let (low, high) = ty.stored_range()?;
    (low..=high).contains(&v).then_some(Value::Int(v))
}

fn chain_step((value, ty): &(Value, LogicalType), step: &ChainStep) -> Option<Value> {
    let left = constant::convert(value, ty, &step.left_ty).ok()?;
    let right = evaluate(&step.operand)?;
    match (&left, &right) {
        (Value::Null, _) | (_, Value::Null) => Some(Value::Null),
        (Value::Float(a), Value::Float(b)) => float_step(step, *a, *b),
        (Value::String(a), Value::String(b)) if step.op == ArithOp::Concat => {
            Some(Value::String(Arc::from(format!("{a}{b}"))))
        }
        (Value::Int(moment), Value::Interval(interval)) if matches!(step.op, ArithOp::Add | ArithOp::Sub) => {
            let sign = if step.op == ArithOp::Sub {
                negate(right.clone(), &step.ty)?
            } else {
                Value::Interval(*interval)
            };
            match sign {
                Value::Interval(interval) => constant::add_interval(*moment, interval).map(Value::Int),
                _ => None,
            }
        }
        (Value::Int(a), Value::Int(b)) => in_range(int_step(step.op, *a, *b)?, &step.ty),
        _ => None,
    }
}

fn float_step(step: &ChainStep, a: f64, b: f64) -> Option<Value> {
    let value = match step.op {
        ArithOp::Add => a + b,
        ArithOp::Sub => a - b,
        ArithOp::Mul => a * b,
        ArithOp::Div => a / b,
        ArithOp::Rem => a % b,
        ArithOp::IntDiv | ArithOp::Concat => return None,
    };
    let single = step.ty == LogicalType::Real;
    let exact_zero = b == 0.0 && matches!(step.op, ArithOp::Div | ArithOp::Rem);
    (!exact_zero).then_some(Value::Float(if single { f64::from(value as f32) } else { value }))
}

fn int_step(op: ArithOp, a: i128, b: i128) -> Option<i128> {
    match op {
        ArithOp::Add => a.checked_add(b),
        ArithOp::Sub => a.checked_sub(b),
        ArithOp::Mul => a.checked_mul(b),
        ArithOp::Div | ArithOp::IntDiv => a.checked_div(b),
        ArithOp::Rem => a.checked_rem(b),
        ArithOp::Concat => None,
    }
}

fn like(text: Value, pattern: Value, case_insensitive: bool, escape: Option<char>) -> Option<Value> {
    match (text, pattern) {
        (Value::Null, _) | (_, Value::Null) => Some(Value::Null),
        (Value::String(text), Value::String(pattern)) => {
            Some(Value::Boolean(matches_like(&text, &pattern, case_insensitive, escape)))
        }
        _ => None,
    }
}

/// One element of a LIKE pattern.
#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Any,
    One,
    Exactly(char),
}

/// `text LIKE pattern`, in time proportional to the product of their lengths at worst.
pub fn matches_like(text: &str, pattern: &str, case_insensitive: bool, escape: Option<char>) -> bool {
    let lower = |s: &str| {
        if case_insensitive {
            s.to_lowercase()
        } else {
            s.to_string()
        }
    };
    let text: Vec<char> = lower(text).chars().collect();
    let pieces = pieces(&lower(pattern), escape);
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pieces.get(p) {
            Some(Piece::Any) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(Piece::One) => (t, p) = (t + 1, p + 1),
            Some(Piece::Exactly(c)) if *c == text[t] => (t, p) = (t + 1, p + 1),
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (t, p) = (from + 1, after);
                }
                None => return false,
            },
        }
    }
    pieces
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|piece| *piece == Piece::Any))
}

fn pieces(pattern: &str, escape: Option<char>) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            c if Some(c) == escape => chars.next().map_or(Piece::Exactly(c), Piece::Exactly),
            '%' => Piece::Any,
            '_' => Piece::One,
            c => Piece::Exactly(c),
        });
    }
    out
}
