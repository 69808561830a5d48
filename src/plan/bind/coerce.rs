//! Types that meet: the common type of several expressions and the conversions that lead there.
//!
//! `CASE … THEN l_extendedprice * (1 - l_discount) ELSE 0 END` has the type of its first arm: the literal 0 becomes a
//! decimal of that scale, no column is converted.
//!
//! Invariants: a literal gives way to a column; a constant is converted while binding, exactly; everything else gets
//! a `Cast` that is written out.
//!
//! Does not: convert strings that are not literals to anything; that needs an explicit cast.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::names::suggestion;
use super::{Binder, Bound};
use crate::plan::constant;
use crate::plan::logical::{Expr, ExprKind};
use crate::types::{Field, LogicalType, Value};

/// The type with which values of two types can meet without loss, if there is one.
pub(in crate::plan) fn common_type(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        _ if a.is_integer() && b.is_integer() => Some(wider(a, b)),
        (T::Date, T::Timestamp) | (T::Timestamp, T::Date) => Some(T::Timestamp),
        (T::Date | T::Timestamp, T::TimestampTz) | (T::TimestampTz, T::Date | T::Timestamp) => Some(T::TimestampTz),
        (T::Array(a), T::Array(b)) => common_type(a, b).map(|item| T::Array(Box::new(item))),
        (T::Struct(a), T::Struct(b)) => common_struct(a, b),
        (T::Map(a), T::Map(b)) => Some(T::Map(Box::new((common_type(&a.0, &b.0)?, common_type(&a.1, &b.1)?)))),
        (T::Enum(_), T::String) | (T::String, T::Enum(_)) => Some(T::String),
        _ if !a.is_numeric() || !b.is_numeric() => None,
        _ if a.is_float() || b.is_float() => Some(T::Double),
        _ => Some(common_decimal(a, b)),
    }
}

/// The struct with the fields of both, which have the same names in the same order.
fn common_struct(a: &[Field], b: &[Field]) -> Option<LogicalType> {
    let both = a.iter().zip(b).map(|(a, b)| {
        let ty = common_type(&a.ty, &b.ty).filter(|_| super::scope::same(&a.name, &b.name))?;
        Some(Field {
            name: a.name.clone(),
            ty,
            nullable: true,
        })
    });
    let fields = both.collect::<Option<_>>()?;
    (a.len() == b.len()).then_some(LogicalType::Struct(fields))
}

/// The smallest integer type that holds both.
pub(super) fn wider(a: &LogicalType, b: &LogicalType) -> LogicalType {
    use LogicalType as T;
    let bounds = |ty: &T| ty.int_range().unwrap_or((0, 0));
    let (low, high) = (bounds(a).0.min(bounds(b).0), bounds(a).1.max(bounds(b).1));
    let signed = [T::TinyInt, T::SmallInt, T::Integer, T::BigInt];
    let unsigned = [T::UTinyInt, T::USmallInt, T::UInteger, T::UBigInt];
    let holds = |ty: &&T| bounds(ty).0 <= low && bounds(ty).1 >= high;
    let choices = if low == 0 { &unsigned } else { &signed };
    choices.iter().find(holds).cloned().unwrap_or(T::HugeInt)
}

/// Precision and scale that hold every value of an exact type.
pub(super) fn decimal_shape(ty: &LogicalType) -> (u8, u8) {
    match ty {
        LogicalType::Decimal { precision, scale } => (*precision, *scale),
        LogicalType::TinyInt | LogicalType::UTinyInt => (3, 0),
        LogicalType::SmallInt | LogicalType::USmallInt => (5, 0),
        LogicalType::Integer | LogicalType::UInteger => (10, 0),
        LogicalType::BigInt => (19, 0),
        LogicalType::UBigInt => (20, 0),
        _ => (38, 0),
    }
}

fn common_decimal(a: &LogicalType, b: &LogicalType) -> LogicalType {
    let ((p1, s1), (p2, s2)) = (decimal_shape(a), decimal_shape(b));
    let scale = s1.max(s2);
    let precision = ((p1 - s1).max(p2 - s2) + scale).min(38);
    LogicalType::Decimal { precision, scale }
}

/// The type of a constant that adapts: integers take the least precision that holds them. A decimal has it as it is written; one that is
/// cast has what it was cast to.
pub(super) fn least_type(value: &Value, ty: &LogicalType) -> LogicalType {
    match value {
        Value::Int(v) if ty.is_integer() => constant::least_decimal(*v, 0),
        _ => ty.clone(),
    }
}

/// The common type of several expressions, in which literals give way.
pub(super) fn unify(exprs: &[&Expr]) -> Option<LogicalType> {
    let is_literal = |e: &&&Expr| e.as_literal().is_some();
    let fixed = exprs.iter().filter(|e| !is_literal(e));
    let mut ty = LogicalType::Null;
    for expr in fixed {
        ty = common_type(&ty, &expr.ty)?;
    }
    for expr in exprs.iter().filter(is_literal) {
        ty = with_literal(&ty, expr)?;
    }
    Some(ty)
}

/// The type with which a constant can meet values of a type.
pub(super) fn with_literal(ty: &LogicalType, expr: &Expr) -> Option<LogicalType> {
    let Some(value) = expr.as_literal() else {
        return common_type(ty, &expr.ty);
    };
    let adapts = matches!(ty, LogicalType::Decimal { .. }) && matches!(value, Value::Int(_)) && expr.ty.is_numeric();
    if adapts {
        return common_type(ty, &least_type(value, &expr.ty));
    }
    let text = matches!(value, Value::String(_)) && expr.ty == LogicalType::String;
    let whole = ty.is_integer() && expr.ty.is_integer();
    let real = *ty == LogicalType::Real && expr.ty.is_numeric();
    if (text || whole || real) && *ty != LogicalType::Null && constant::convert(value, &expr.ty, ty).is_ok() {
        return Some(ty.clone());
    }
    common_type(ty, &expr.ty)
}

/// Converts; constants at once, others by a `Cast`.
pub(super) fn cast(expr: Expr, ty: &LogicalType) -> Expr {
    if expr.ty == *ty {
        return expr;
    }
    let span = expr.span;
    if let Some(value) = expr.as_literal()
        && let Ok(value) = constant::convert(value, &expr.ty, ty)
    {
        return Expr::literal(value, ty.clone(), span);
    }
    Expr {
        kind: ExprKind::Cast {
            expr: Box::new(expr),
            try_: false,
        },
        ty: ty.clone(),
        span,
    }
}

/// What is wrong with a value that does not become a type unasked: a text is no label, or the message.
pub(in crate::plan) fn misfit(value: &Expr, ty: &LogicalType, message: String) -> Diagnostic {
    if let (Some(constant), LogicalType::Enum(_)) = (value.as_literal(), ty)
        && let Err(failed) = constant::convert(constant, &value.ty, ty)
    {
        let mut error = Diagnostic::new(failed.code, value.span, failed.message);
        error.help = label_help(constant, ty);
        return error;
    }
    if let (Some(constant @ Value::String(_)), LogicalType::Json) = (value.as_literal(), ty)
        && let Err(failed) = constant::convert(constant, &value.ty, ty)
    {
        return Diagnostic::new(failed.code, value.span, failed.message);
    }
    Diagnostic::new("42804", value.span, message).with_help(format!("cast it: `… :: {ty}`"))
}

/// What a text that is no label may have been meant to be.
pub(super) fn label_help(value: &Value, ty: &LogicalType) -> Option<String> {
    let (Value::String(text), LogicalType::Enum(labels)) = (value, ty) else {
        return None;
    };
    suggestion(text, labels.labels.iter().cloned()).or_else(|| {
        let known: Vec<String> = labels.labels.iter().take(8).map(|label| format!("`{label}`")).collect();
        let more = if labels.labels.len() > known.len() { ", …" } else { "" };
        Some(format!("its labels are {}{more}", known.join(", ")))
    })
}

impl Binder<'_> {
    /// Brings several expressions to one type.
    pub(super) fn unify_all(&mut self, exprs: Vec<Expr>, what: &str, span: Span) -> Bound<(Vec<Expr>, LogicalType)> {
        let Some(ty) = unify(&exprs.iter().collect::<Vec<_>>()) else {
            let mut types: Vec<String> = exprs.iter().map(|e| format!("`{}`", e.ty)).collect();
            types.dedup();
            let message = format!("{what} have no common type: {}", types.join(", "));
            return self.fail(Diagnostic::new("42804", span, message).with_help("cast them to one type with `::`"));
        };
        let mut out = Vec::with_capacity(exprs.len());
        for expr in exprs {
            out.push(self.convert_constant(expr, &ty)?);
        }
        Ok((out, ty))
    }

    /// Converts; a constant that does not fit is an error, here or, where one is caught, when it is computed.
    pub(super) fn convert_constant(&mut self, expr: Expr, ty: &LogicalType) -> Bound<Expr> {
        if let Some(value) = expr.as_literal()
            && !self.tried
            && let Err(misfit) = constant::convert(value, &expr.ty, ty)
        {
            let mut error = Diagnostic::new(misfit.code, expr.span, misfit.message);
            error.help = label_help(value, ty);
            return self.fail(error);
        }
        Ok(cast(expr, ty))
    }

    /// Requires a boolean; `place` is such as `WHERE`.
    pub(super) fn require_boolean(&mut self, expr: Expr, place: &str) -> Bound<Expr> {
        match expr.ty {
            LogicalType::Boolean => Ok(expr),
            LogicalType::Null => Ok(cast(expr, &LogicalType::Boolean)),
            _ => {
                let message = format!("{place} needs a boolean, not {}", expr.ty);
                let help = match expr.ty.is_numeric() {
                    true => "compare it: `… <> 0`",
                    false => "compare it with a value: `… = …`",
                };
                self.fail(Diagnostic::new("42804", expr.span, message).with_help(help))
            }
        }
    }
}
