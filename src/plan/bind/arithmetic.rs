//! Arithmetic: the types of `+ - * / % div ||`.
//!
//! `l_extendedprice * (1 - l_discount)` with both decimal(15,2): the literal becomes `1.00`, the difference
//! decimal(16,2), the product decimal(31,4).
//!
//! Invariants: a chain of n terms is bound by one loop; constants are computed at once where that cannot fail.
//!
//! Does not: compare.

use gobi_grammar::ast::{ChainOp, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::coerce::{cast, decimal_shape, least_type, wider};
use super::{Binder, Bound};
use crate::plan::eval;
use crate::plan::explain::arith_symbol;
use crate::plan::logical::{ArithOp, ChainStep, Expr, ExprKind};
use crate::types::{LogicalType, Value};

/// The types of one step: what its sides are converted to, and what comes out.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    left: LogicalType,
    right: LogicalType,
    ty: LogicalType,
}

/// Why a step cannot be typed.
enum NoStep {
    /// No meaning for these types.
    Types,
    /// No meaning, and what to do instead.
    Help(&'static str),
    /// Too many digits.
    Scale,
}

impl Step {
    fn all(ty: LogicalType) -> Step {
        Step {
            left: ty.clone(),
            right: ty.clone(),
            ty,
        }
    }
}

impl Binder<'_> {
    /// Appends one operator to what was bound so far.
    pub(super) fn chain_step(&mut self, left: Expr, op: ChainOp, right: Expr) -> Bound<Expr> {
        let array = |e: &Expr| matches!(e.ty, LogicalType::Array(_));
        if op == ChainOp::Concat && (array(&left) || array(&right)) {
            return self.concat_arrays(left, right);
        }
        let arith = self.arith_op(op, &left.ty, &right.ty);
        if arith == ArithOp::Add && left.ty == LogicalType::Interval && is_moment(&right.ty) {
            return self.chain_step(right, op, left);
        }
        if let Some(days) = day_count(arith, &left, &right) {
            let moved = self.chain_step(left, op, days)?;
            return Ok(cast(moved, &LogicalType::Date));
        }
        match (arith, &left.ty, &right.ty) {
            (ArithOp::Add, number, LogicalType::Date) if number.is_integer() => {
                return self.chain_step(right, op, left);
            }
            (ArithOp::Add | ArithOp::Sub, LogicalType::Date, number) if number.is_integer() => {
                let span = left.span.to(right.span);
                let name = if arith == ArithOp::Add {
                    "add_days"
                } else {
                    "subtract_days"
                };
                return self.named_function(name, vec![left, right], span);
            }
            _ => {}
        }
        let dates = left.ty == LogicalType::Date && right.ty == LogicalType::Date;
        if arith == ArithOp::Sub && is_moment(&left.ty) && is_moment(&right.ty) && !dates {
            let span = left.span.to(right.span);
            return self.named_function("time_between", vec![left, right], span);
        }
        match self.step_types(arith, &left, &right) {
            Ok(step) => Ok(append(left, arith, step, right)),
            Err(problem) => self.no_step(problem, arith, &left, &right),
        }
    }

    fn arith_op(&self, op: ChainOp, left: &LogicalType, right: &LogicalType) -> ArithOp {
        let text = *left == LogicalType::String || *right == LogicalType::String;
        match op {
            ChainOp::Add if text => ArithOp::Concat,
            ChainOp::Add => ArithOp::Add,
            ChainOp::Sub => ArithOp::Sub,
            ChainOp::Concat => ArithOp::Concat,
            ChainOp::Mul => ArithOp::Mul,
            ChainOp::Div => ArithOp::Div,
            ChainOp::IntDiv => ArithOp::IntDiv,
            ChainOp::Rem => ArithOp::Rem,
        }
    }

    fn step_types(&self, op: ArithOp, left: &Expr, right: &Expr) -> Result<Step, NoStep> {
        use LogicalType as T;
        match (op, &left.ty, &right.ty) {
            (ArithOp::Concat, a, b) => concat_types(a, b),
            (ArithOp::Add | ArithOp::Sub, T::Date | T::Timestamp, T::Interval) => Ok(Step {
                left: T::Timestamp,
                right: T::Interval,
                ty: T::Timestamp,
            }),
            (ArithOp::Add | ArithOp::Sub, T::TimestampTz, T::Interval) => Ok(Step {
                left: T::TimestampTz,
                right: T::Interval,
                ty: T::TimestampTz,
            }),
            (ArithOp::Add | ArithOp::Sub, T::Interval, T::Interval) => Ok(Step::all(T::Interval)),
            (ArithOp::Mul, T::Interval, times) if times.is_integer() => Ok(Step {
                left: T::Interval,
                right: T::BigInt,
                ty: T::Interval,
            }),
            (ArithOp::Mul, times, T::Interval) if times.is_integer() => Ok(Step {
                left: T::BigInt,
                right: T::Interval,
                ty: T::Interval,
            }),
            (ArithOp::Sub, T::Date, T::Date) => Ok(Step {
                left: T::Date,
                right: T::Date,
                ty: T::BigInt,
            }),
            (ArithOp::Sub, T::Date, T::String) | (ArithOp::Sub, T::String, T::Date) => {
                Err(NoStep::Help("write the string as `DATE '…'`"))
            }
            (_, T::Null, T::Null) => Ok(Step::all(T::BigInt)),
            (ArithOp::Div, T::Null, other) | (ArithOp::Div, other, T::Null) if other.is_numeric() => {
                self.numeric_types(op, (other, None), (other, None))
            }
            (_, T::Null, other) | (_, other, T::Null) if other.is_numeric() => {
                self.numeric_types(op, (other, None), (other, None))
            }
            (_, a, b) if a.is_numeric() && b.is_numeric() => {
                self.numeric_types(op, (a, left.as_literal()), (b, right.as_literal()))
            }
            _ => Err(NoStep::Types),
        }
    }

    fn numeric_types(
        &self,
        op: ArithOp,
        (left, left_value): (&LogicalType, Option<&Value>),
        (right, right_value): (&LogicalType, Option<&Value>),
    ) -> Result<Step, NoStep> {
        let integers = left.is_integer() && right.is_integer();
        if op == ArithOp::Div && (self.dialect == Dialect::Grizzly || !integers) {
            return Ok(Step::all(LogicalType::Double));
        }
        if integers {
            return Ok(Step::all(self.integer_type((left, left_value), (right, right_value))));
        }
        if op == ArithOp::IntDiv {
            return Err(NoStep::Help("`div` divides integers; use `/`"));
        }
        if left.is_float() || right.is_float() {
            let sides = [(left, left_value), (right, right_value)];
            let is_real = |ty: &LogicalType| *ty == LogicalType::Real;
            let adapts = |(ty, value): &(&LogicalType, Option<&Value>)| is_real(ty) || value.is_some();
            let constants = left_value.is_some() && right_value.is_some();
            let wide = constants && sides.iter().any(|(ty, _)| **ty == LogicalType::Double);
            let real = sides.iter().any(|(ty, _)| is_real(ty)) && sides.iter().all(adapts) && !wide;
            return Ok(Step::all(match real {
                true => LogicalType::Real,
                false => LogicalType::Double,
            }));
        }
        let adapt = |ty: &LogicalType, v: Option<&Value>| v.map_or_else(|| ty.clone(), |v| least_type(v, ty));
        decimal_types(op, &adapt(left, left_value), &adapt(right, right_value))
    }

    /// Grizzly computes in 64 bits at least; a literal takes the other side's type if it fits there.
    fn integer_type(
        &self,
        (left, left_value): (&LogicalType, Option<&Value>),
        (right, right_value): (&LogicalType, Option<&Value>),
    ) -> LogicalType {
        let fits = |value: Option<&Value>, ty: &LogicalType| {
            let value = value.and_then(Value::as_int);
            value.is_some_and(|v| ty.int_range().is_some_and(|(low, high)| (low..=high).contains(&v)))
        };
        let common = match (left_value, right_value) {
            (Some(_), None) if fits(left_value, right) => right.clone(),
            (None, Some(_)) if fits(right_value, left) => left.clone(),
            _ => wider(left, right),
        };
        let narrow = common
            .int_range()
            .is_some_and(|(low, high)| high < i64::MAX.into() && low > i128::MIN);
        match self.dialect {
            Dialect::Grizzly if narrow => LogicalType::BigInt,
            Dialect::Ansi if narrow => wider(&common, &LogicalType::Integer),
            _ => common,
        }
    }

    fn no_step<T>(&mut self, problem: NoStep, op: ArithOp, left: &Expr, right: &Expr) -> Bound<T> {
        let span = left.span.to(right.span);
        let error = match problem {
            NoStep::Scale => Diagnostic::new(
                "22003",
                span,
                "the product would have more than 38 digits after the point",
            )
            .with_help("cast one side to `double` or to a decimal with fewer digits"),
            NoStep::Types | NoStep::Help(_) => {
                let message = format!("`{}` has no meaning for {} and {}", arith_symbol(op), left.ty, right.ty);
                Diagnostic::new("42883", span, message)
            }
        };
        self.fail(match problem {
            NoStep::Help(help) => error.with_help(help),
            _ => error,
        })
    }

    /// `-e`.
    pub(super) fn negate(&mut self, expr: Expr, span: Span) -> Bound<Expr> {
        let ty = match &expr.ty {
            ty if ty.is_float() || *ty == LogicalType::Interval => ty.clone(),
            LogicalType::Null => LogicalType::BigInt,
            LogicalType::Decimal { .. } | LogicalType::HugeInt => expr.ty.clone(),
            ty if ty.is_integer() => self.integer_type((ty, None), (&LogicalType::TinyInt, None)),
            ty => {
                let message = format!("`-` has no meaning for {ty}");
                return self.fail(Diagnostic::new("42883", span, message));
            }
        };
        let operand = Box::new(cast(expr, &ty));
        let kind = ExprKind::Neg(operand);
        Ok(eval::fold(Expr { kind, ty, span }))
    }
}

fn is_moment(ty: &LogicalType) -> bool {
    matches!(
        ty,
        LogicalType::Date | LogicalType::Timestamp | LogicalType::TimestampTz
    )
}

/// `date + 3`: the days as an interval.
fn day_count(op: ArithOp, left: &Expr, right: &Expr) -> Option<Expr> {
    let moves = matches!(op, ArithOp::Add | ArithOp::Sub) && left.ty == LogicalType::Date && right.ty.is_integer();
    let days = right.as_literal().filter(|_| moves)?.as_int()?;
    let interval = crate::types::Interval {
        days: i32::try_from(days).ok()?,
        ..Default::default()
    };
    Some(Expr::literal(
        Value::Interval(interval),
        LogicalType::Interval,
        right.span,
    ))
}

fn concat_types(left: &LogicalType, right: &LogicalType) -> Result<Step, NoStep> {
    match (left, right) {
        (LogicalType::Boolean, LogicalType::Boolean) => Err(NoStep::Help("use `or`")),
        _ if left.is_nested() || right.is_nested() => Err(NoStep::Types),
        (LogicalType::Blob, _) | (_, LogicalType::Blob) => Err(NoStep::Types),
        _ => Ok(Step::all(LogicalType::String)),
    }
}

fn decimal_types(op: ArithOp, left: &LogicalType, right: &LogicalType) -> Result<Step, NoStep> {
    let ((p1, s1), (p2, s2)) = (decimal_shape(left), decimal_shape(right));
    let decimal = |precision: u8, scale: u8| LogicalType::Decimal {
        precision: precision.clamp(1, 38),
        scale,
    };
    if op == ArithOp::Mul {
        if s1 + s2 > 38 {
            return Err(NoStep::Scale);
        }
        return Ok(Step {
            left: decimal(p1, s1),
            right: decimal(p2, s2),
            ty: decimal(p1 + p2, s1 + s2),
        });
    }
    let scale = s1.max(s2);
    let whole = (p1 - s1).max(p2 - s2);
    let carry = u8::from(op != ArithOp::Rem);
    Ok(Step {
        left: decimal(p1 - s1 + scale, scale),
        right: decimal(p2 - s2 + scale, scale),
        ty: decimal(whole + scale + carry, scale),
    })
}

/// `1 / 0` of integers or decimals: an error when it is run. (A float divided by zero, or by a float zero, is infinite.)
fn divides_by_exact_zero(op: ArithOp, left: &Expr, right: &Expr) -> bool {
    let zero = matches!(right.as_literal(), Some(Value::Int(0)));
    op == ArithOp::Div && zero && !left.ty.is_float() && !right.ty.is_float()
}

/// A cast that stays one, so that what is run still sees that the divisor is exact.
fn kept_cast(expr: Expr, ty: &LogicalType) -> Expr {
    let span = expr.span;
    let kind = ExprKind::Cast {
        expr: Box::new(expr),
        try_: false,
    };
    Expr {
        kind,
        ty: ty.clone(),
        span,
    }
}

/// Builds the step; a chain that was just bound is extended, so that it stays one flat list.
fn append(left: Expr, op: ArithOp, step: Step, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    let constant = left.as_literal().is_some() && right.as_literal().is_some();
    let operand = match divides_by_exact_zero(op, &left, &right) {
        true => kept_cast(right, &step.right),
        false => cast(right, &step.right),
    };
    let (mut left_expr, left_ty) = (left, step.left);
    // An exact dividend stays as it is until it is run, for the same reason as an exact zero below it.
    let exact = op == ArithOp::Div && left_expr.ty.is_numeric() && !left_expr.ty.is_float();
    if !exact && (left_expr.as_literal().is_some() || left_expr.ty == LogicalType::Null) {
        left_expr = cast(left_expr, &left_ty);
    }
    let next = ChainStep {
        op,
        left_ty,
        operand,
        ty: step.ty.clone(),
        span,
    };
    let kind = match left_expr.kind {
        ExprKind::Chain { first, mut rest } => {
            rest.push(next);
            ExprKind::Chain { first, rest }
        }
        kind => ExprKind::Chain {
            first: Box::new(Expr {
                kind,
                ty: left_expr.ty,
                span: left_expr.span,
            }),
            rest: vec![next],
        },
    };
    let chain = Expr {
        kind,
        ty: step.ty,
        span,
    };
    if constant { eval::fold(chain) } else { chain }
}
