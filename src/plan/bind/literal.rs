//! Literals: which type a constant has when it stands alone.
//!
//! `1_000` is a bigint (grizzly) or an integer (ansi), `1.50` a decimal(3,2), `DATE '1994-01-01'` day 8766.
//!
//! Invariants: an exact literal keeps every digit.
//!
//! Does not: adapt literals to their surroundings; coercion does.

use std::sync::Arc;

use gobi_grammar::ast::{Literal, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::{Binder, Bound};
use crate::plan::constant;
use crate::plan::logical::Expr;
use crate::types::{LogicalType, Value};

impl Binder<'_> {
    /// A literal; `negative` is a minus sign written before it.
    pub(super) fn literal(&mut self, literal: &Literal, negative: bool, span: Span) -> Bound<Expr> {
        match typed(literal, negative, self.dialect) {
            Some((value, ty)) => Ok(Expr::literal(value, ty, span)),
            None if self.tried
                && let Some((text, ty)) = read_later(literal) =>
            {
                let text = Value::String(Arc::from(text));
                Ok(super::coerce::cast(Expr::literal(text, LogicalType::String, span), &ty))
            }
            None => self.fail(unreadable(literal, span)),
        }
    }
}

/// What is read when it is computed, where somebody catches that it cannot be.
fn read_later(literal: &Literal) -> Option<(&str, LogicalType)> {
    match literal {
        Literal::Date(text) => Some((text, LogicalType::Date)),
        Literal::Time(text) => Some((text, LogicalType::Time)),
        Literal::Timestamp(text) => Some((text, LogicalType::Timestamp)),
        Literal::Interval(text) => Some((text, LogicalType::Interval)),
        _ => None,
    }
}

/// The value of a literal, and its type; `None` if it cannot be read.
pub(super) fn typed(literal: &Literal, negative: bool, dialect: Dialect) -> Option<(Value, LogicalType)> {
    let sign = if negative { -1 } else { 1 };
    match literal {
        Literal::Null => Some((Value::Null, LogicalType::Null)),
        Literal::Boolean(b) => Some((Value::Boolean(*b), LogicalType::Boolean)),
        Literal::Integer(text) => integer(text, sign, dialect),
        Literal::Decimal(text) => constant::parse_decimal(text)
            .map(|(unscaled, scale)| (Value::Int(sign * unscaled), constant::least_decimal(unscaled, scale))),
        Literal::Float(text) => {
            let value = text.parse::<f64>().ok();
            value.map(|v| (Value::Float(if negative { -v } else { v }), LogicalType::Double))
        }
        Literal::String(text) => Some((Value::String(Arc::from(text.as_str())), LogicalType::String)),
        Literal::Blob(bytes) => Some((Value::Blob(Arc::from(bytes.as_slice())), LogicalType::Blob)),
        Literal::Date(text) => constant::parse_date(text).map(|v| (Value::Int(v), LogicalType::Date)),
        Literal::Time(text) => constant::parse_time(text).map(|v| (Value::Int(v), LogicalType::Time)),
        Literal::Timestamp(text) => constant::parse_timestamp(text).map(|v| (Value::Int(v), LogicalType::Timestamp)),
        Literal::Interval(text) => constant::parse_interval(text).map(|v| (Value::Interval(v), LogicalType::Interval)),
    }
}

fn integer(text: &str, sign: i128, dialect: Dialect) -> Option<(Value, LogicalType)> {
    let value = sign * text.parse::<i128>().ok()?;
    let narrow = match dialect {
        Dialect::Grizzly => LogicalType::BigInt,
        Dialect::Ansi => LogicalType::Integer,
    };
    let fits = |ty: &LogicalType| ty.int_range().is_some_and(|(low, high)| (low..=high).contains(&value));
    let ty = [narrow, LogicalType::BigInt].into_iter().find(fits);
    Some((Value::Int(value), ty.unwrap_or(LogicalType::HugeInt)))
}

fn unreadable(literal: &Literal, span: Span) -> Diagnostic {
    let (code, text, what, help) = match literal {
        Literal::Date(text) => ("22007", text, "date", "write it as `YYYY-MM-DD`"),
        Literal::Time(text) => ("22007", text, "time", "write it as `HH:MM:SS`"),
        Literal::Timestamp(text) => ("22007", text, "timestamp", "write it as `YYYY-MM-DD HH:MM:SS`"),
        Literal::Interval(text) => ("22007", text, "interval", "write it as `7 days` or `1 year 2 months`"),
        Literal::Integer(text) | Literal::Decimal(text) | Literal::Float(text) => (
            "22003",
            text,
            "number",
            "numbers have at most 38 digits; write `1e40` for a double",
        ),
        _ => return Diagnostic::new("22000", span, "the literal cannot be read"),
    };
    let message = match code {
        "22003" => format!("the number {text} is out of range"),
        _ => format!("`{text}` is not a valid {what}"),
    };
    Diagnostic::new(code, span, message).with_help(help)
}
