//! Comparisons: a literal is brought to the column's type, never the column to the literal's.
//!
//! `l_shipdate <= TIMESTAMP '1998-09-02 12:00:00'` on a date column is `l_shipdate <= DATE '1998-09-02'`; `l_quantity > 2.555` on
//! decimal(15,2) is `l_quantity > 2.55`, which is the same for every value that the column can have.
//!
//! Invariants: the rewritten comparison agrees with the written one on every value of the column's type, NULL included.
//!
//! Does not: compare strings with numbers; that needs a cast.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::coerce::{cast, unify};
use super::{Binder, Bound};
use crate::plan::constant::{self, DAY_MICROS, scale_of};
use crate::plan::eval;
use crate::plan::logical::{CompareOp, Expr, ExprKind};
use crate::types::{LogicalType, Value};

/// A literal on the grid of a column's type.
enum Snapped {
    /// The same value.
    Exact(Value),
    /// Between this grid value and the next.
    After(Value),
    /// Below everything that the type can hold.
    Below,
    /// Above everything that the type can hold.
    Above,
}

impl Binder<'_> {
    /// `left op right`.
    pub(super) fn compare(&mut self, op: CompareOp, left: Expr, right: Expr) -> Bound<Expr> {
        let (left, right) = (eval::fold(left), eval::fold(right));
        match (left.as_literal().is_some(), right.as_literal().is_some()) {
            (false, true) => self.compare_literal(op, left, right),
            (true, false) => self.compare_literal(op.mirrored(), right, left),
            // Of two constants, a string gives way to the other one, on whichever side it stands.
            (true, true) if is_plain(&left) && right.ty == LogicalType::String => self.compare_literal(op, left, right),
            (true, true) if left.ty == LogicalType::String && is_plain(&right) => {
                self.compare_literal(op.mirrored(), right, left)
            }
            _ => self.compare_general(op, left, right),
        }
    }

    fn compare_literal(&mut self, op: CompareOp, column: Expr, literal: Expr) -> Bound<Expr> {
        let span = column.span.to(literal.span);
        let value = literal.as_literal().cloned().unwrap_or(Value::Null);
        if let Some(snapped) = snap(&value, &literal.ty, &column.ty) {
            return Ok(eval::fold(apply(op, column, snapped, literal.span, span)));
        }
        let text = matches!(value, Value::String(_)) && literal.ty == LogicalType::String;
        let text = text && column.ty != LogicalType::String;
        if text || value == Value::Null {
            let ty = column.ty.clone();
            let literal = self.convert_constant(literal, &ty)?;
            return Ok(eval::fold(Expr::compare(op, column, literal)));
        }
        self.compare_general(op, column, literal)
    }

    fn compare_general(&mut self, op: CompareOp, left: Expr, right: Expr) -> Bound<Expr> {
        let Some(ty) = unify(&[&left, &right]) else {
            return self.not_comparable(&left, &right);
        };
        let ty = if ty == LogicalType::Null {
            LogicalType::Boolean
        } else {
            ty
        };
        let (left, right) = (self.convert_constant(left, &ty)?, self.convert_constant(right, &ty)?);
        Ok(eval::fold(Expr::compare(op, left, right)))
    }

    fn not_comparable<T>(&mut self, left: &Expr, right: &Expr) -> Bound<T> {
        let message = format!("{} and {} cannot be compared", left.ty, right.ty);
        let error = Diagnostic::new("42804", left.span.to(right.span), message);
        self.fail(error.with_help("cast one side to the other's type with `::`"))
    }

    /// `e IN (a, b, …)`.
    pub(super) fn in_list(&mut self, expr: Expr, items: Vec<Expr>, negated: bool, span: Span) -> Bound<Expr> {
        let items: Vec<Expr> = items.into_iter().map(eval::fold).collect();
        if expr.as_literal().is_none()
            && let Some(test) = literal_list(&expr, &items, negated, span)
        {
            return Ok(test);
        }
        let mut arms = Vec::with_capacity(items.len());
        for item in items {
            arms.push(self.compare(CompareOp::Eq, expr.clone(), item)?);
        }
        let any = Expr::or(arms, span);
        Ok(match negated {
            true => Expr::boolean(ExprKind::Not(Box::new(any)), span),
            false => any,
        })
    }

    /// `e BETWEEN low AND high`: both comparisons.
    pub(super) fn between(&mut self, expr: Expr, low: Expr, high: Expr, negated: bool, span: Span) -> Bound<Expr> {
        let low = self.compare(CompareOp::GtEq, expr.clone(), low);
        let high = self.compare(CompareOp::LtEq, expr, high);
        let both = Expr::and(vec![low?, high?], span);
        Ok(match negated {
            true => Expr::boolean(ExprKind::Not(Box::new(both)), span),
            false => both,
        })
    }
}

/// Neither a string nor made of other values.
fn is_plain(e: &Expr) -> bool {
    e.ty != LogicalType::String && !e.ty.is_nested()
}

/// All items constants that snap to the tested type: one list of literals.
fn literal_list(expr: &Expr, items: &[Expr], negated: bool, span: Span) -> Option<Expr> {
    let mut seen = std::collections::HashSet::new();
    let (mut list, mut null) = (Vec::with_capacity(items.len()), false);
    for item in items {
        let value = item.as_literal()?;
        if *value == Value::Null {
            null = true;
            continue;
        }
        if let Snapped::Exact(value) = snap(value, &item.ty, &expr.ty)?
            && seen.insert(format!("{value:?}"))
        {
            list.push(value);
        }
    }
    let test = match list.len() {
        0 => always(expr.clone(), negated, span),
        1 => {
            let op = if negated { CompareOp::NotEq } else { CompareOp::Eq };
            let literal = Expr::literal(list.remove(0), expr.ty.clone(), span);
            Expr::compare(op, expr.clone(), literal)
        }
        _ => {
            let expr = Box::new(expr.clone());
            Expr::boolean(ExprKind::InList { expr, negated, list }, span)
        }
    };
    if !null {
        return Some(test);
    }
    let unknown = Expr::literal(Value::Null, LogicalType::Boolean, span);
    Some(match negated {
        true => Expr::and(vec![test, unknown], span),
        false => Expr::or(vec![test, unknown], span),
    })
}

/// A comparison whose outcome is known but for NULL: `e = e` or `e <> e`.
fn always(expr: Expr, outcome: bool, span: Span) -> Expr {
    let op = if outcome { CompareOp::Eq } else { CompareOp::NotEq };
    let mut test = Expr::compare(op, expr.clone(), expr);
    test.span = span;
    test
}

fn apply(op: CompareOp, column: Expr, snapped: Snapped, literal_span: Span, span: Span) -> Expr {
    let with = |op: CompareOp, column: Expr, value: Value| {
        let ty = column.ty.clone();
        Expr::compare(op, column, Expr::literal(value, ty, literal_span))
    };
    let below = matches!(snapped, Snapped::Below);
    match (snapped, op) {
        (Snapped::Exact(value), _) => with(op, column, value),
        (_, CompareOp::Eq) => always(column, false, span),
        (_, CompareOp::NotEq) => always(column, true, span),
        (_, CompareOp::Distinct) => Expr::truth(true, span),
        (_, CompareOp::NotDistinct) => Expr::truth(false, span),
        (Snapped::After(value), CompareOp::Lt | CompareOp::LtEq) => with(CompareOp::LtEq, column, value),
        (Snapped::After(value), CompareOp::Gt | CompareOp::GtEq) => with(CompareOp::Gt, column, value),
        (Snapped::Below | Snapped::Above, CompareOp::Lt | CompareOp::LtEq) => always(column, !below, span),
        (Snapped::Below | Snapped::Above, CompareOp::Gt | CompareOp::GtEq) => always(column, below, span),
    }
}

/// Where a literal lies on the grid of a type; `None`: no exact relation is known, or it is not comparable.
fn snap(value: &Value, from: &LogicalType, to: &LogicalType) -> Option<Snapped> {
    // Only a text that was written as such stands for something else.
    if *value == Value::Null || *from == LogicalType::Json && from != to {
        return None;
    }
    let exact = |to: &LogicalType| constant::convert(value, from, to).ok().map(Snapped::Exact);
    match (value, from, to) {
        (Value::String(_), LogicalType::String, LogicalType::Enum(_)) => exact(to),
        _ if from == to => Some(Snapped::Exact(value.clone())),
        (Value::String(text), _, LogicalType::Date) => {
            let days = constant::parse_date(text);
            days.map_or_else(
                || constant::parse_timestamp(text).map(day_of),
                |days| Some(Snapped::Exact(Value::Int(days))),
            )
        }
        (Value::String(_), _, LogicalType::String | LogicalType::Blob) => None,
        (Value::String(text), _, _) if to.is_integer() || matches!(to, LogicalType::Decimal { .. }) => {
            let (unscaled, scale) = constant::parse_decimal(text.trim())?;
            number(unscaled, scale, to)
        }
        (Value::String(_), _, _) => exact(to),
        (Value::Int(v), LogicalType::Timestamp, LogicalType::Date) => Some(day_of(*v)),
        (Value::Int(_), LogicalType::Date, LogicalType::Timestamp) => exact(to),
        (Value::Int(_), _, _) if from.is_numeric() && to.is_float() => exact(to),
        (Value::Int(v), _, _) if from.is_numeric() && to.is_numeric() => number(*v, scale_of(from), to),
        (Value::Float(_), _, _) if to.is_float() => exact(to),
        (Value::Float(v), _, _) if to.is_integer() => whole_number(*v, to),
        _ => None,
    }
}

fn day_of(micros: i128) -> Snapped {
    let day = Value::Int(micros.div_euclid(DAY_MICROS));
    match micros.rem_euclid(DAY_MICROS) {
        0 => Snapped::Exact(day),
        _ => Snapped::After(day),
    }
}

fn number(unscaled: i128, scale: u8, to: &LogicalType) -> Option<Snapped> {
    let target = scale_of(to);
    let (low, high) = to.stored_range()?;
    let outside = || if unscaled < 0 { Snapped::Below } else { Snapped::Above };
    let (value, exact) = if target >= scale {
        match constant::power_of_ten(target - scale).and_then(|p| unscaled.checked_mul(p)) {
            Some(value) => (value, true),
            None => return Some(outside()),
        }
    } else {
        let unit = constant::power_of_ten(scale - target)?;
        (unscaled.div_euclid(unit), unscaled.rem_euclid(unit) == 0)
    };
    Some(match value {
        v if v < low => Snapped::Below,
        v if v > high || (v == high && !exact) => Snapped::Above,
        v if exact => Snapped::Exact(Value::Int(v)),
        v => Snapped::After(Value::Int(v)),
    })
}

fn whole_number(v: f64, to: &LogicalType) -> Option<Snapped> {
    if v.is_nan() || v.abs() >= 9.0e15 {
        return None;
    }
    let scale = if v.fract() == 0.0 { 0 } else { 1 };
    // A fraction anywhere between two integers compares like their middle.
    let unscaled = if scale == 0 {
        v as i128
    } else {
        v.floor() as i128 * 10 + 5
    };
    number(unscaled, scale, to)
}

/// The key of an equality of two columns, brought to one type.
pub(super) fn same_type(left: Expr, right: Expr) -> Option<(Expr, Expr)> {
    let ty = unify(&[&left, &right])?;
    Some((cast(left, &ty), cast(right, &ty)))
}
