//! Arithmetic, conversions, and when they can fail.
//!
//! `sum(a) + 1` of two 64-bit integers whose ranges are not known becomes a checked addition with a cold error exit; where the
//! ranges prove that nothing can overflow, a bare addition.
//!
//! Invariants: the exact result is computed or the kernel fails; nothing wraps. An integer value is held in 64 bits iff its
//! computed range fits there.
//!
//! Does not: decide types (the binder did).

use crate::plan::physical::Span;
use gobi_jit::ir::{Checked, FloatCond, IntCond, Type, Value};

use super::emit::Emitter;
use super::frame::Slot;
use super::narrow::{common, multiples, only};
use super::value::{Kind, Nullable, both, kind_of};
use super::{HostCall, HostWork, texts};
use crate::functions::{self, FunctionId};
use crate::plan::physical::facts::exact_range;
use crate::plan::physical::logical::{ArithOp, ChainStep, Expr, ExprKind};
use crate::types::{LogicalType, Physical};

const OUT_OF_RANGE: &str = "22003";
const DIVISION_BY_ZERO: &str = "22012";

type Range = Option<(i128, i128)>;

fn fits_i64(range: Range) -> bool {
    range.is_some_and(|(low, high)| low >= i64::MIN.into() && high <= i64::MAX.into())
}

fn within(inner: Range, outer: Range) -> bool {
    match (inner, outer) {
        (Some(inner), Some(outer)) => inner.0 >= outer.0 && inner.1 <= outer.1,
        _ => false,
    }
}

impl Emitter<'_> {
    pub(super) fn chain(&mut self, first: &Expr, rest: &[ChainStep]) -> Nullable {
        if let Some(pieces) = texts::joined(first, rest) {
            return self.join_texts(&pieces);
        }
        let mut left = self.expr(first);
        let mut ty = first.ty.clone();
        for step in rest {
            let exact = !ty.is_float() && divides_by_exact(&step.operand);
            if step.left_ty != ty {
                left = self.cast(left, &ty, &step.left_ty, false, step.span);
            }
            left = self.step(left, step, exact);
            ty = step.ty.clone();
        }
        left
    }

    fn step(&mut self, left: Nullable, step: &ChainStep, exact: bool) -> Nullable {
        let right = self.expr(&step.operand);
        match (&step.left_ty, &step.operand.ty) {
            _ if step.op == ArithOp::Concat => self.call_body("concat", &[left, right], step),
            (_, LogicalType::Interval) | (LogicalType::Interval, _) => {
                self.call_body(interval_op(step.op), &[left, right], step)
            }
            _ if step.ty.is_float() => self.float_step(left, right, step, exact),
            _ => self.int_step(left, right, step),
        }
    }

    fn float_step(&mut self, x: Nullable, y: Nullable, step: &ChainStep, exact: bool) -> Nullable {
        let valid = both(&mut self.b, x.valid, y.valid);
        let value = match step.op {
            ArithOp::Add => self.b.fadd(x.value, y.value),
            ArithOp::Sub => self.b.fsub(x.value, y.value),
            ArithOp::Mul => self.b.fmul(x.value, y.value),
            ArithOp::Div => {
                if exact {
                    let zero = if y.kind == Kind::F32 {
                        self.b.f32const(0.0)
                    } else {
                        self.b.f64const(0.0)
                    };
                    let is_zero = self.b.fcmp(FloatCond::Eq, y.value, zero);
                    let site = self.site(DIVISION_BY_ZERO, "division by zero", [None, None], step.span);
                    self.fail_if(is_zero, valid, site, &[]);
                }
                self.b.fdiv(x.value, y.value)
            }
            _ => return self.call_body(if step.op == ArithOp::Rem { "fmod" } else { "fdiv" }, &[x, y], step),
        };
        Nullable::new(value, x.kind, valid)
    }

    fn int_step(&mut self, x: Nullable, y: Nullable, step: &ChainStep) -> Nullable {
        let valid = both(&mut self.b, x.valid, y.valid);
        if matches!(step.op, ArithOp::Div | ArithOp::IntDiv | ArithOp::Rem) {
            return self.divide(x, y, valid, step);
        }
        let limit = step.ty.stored_range();
        let range = exact_range(step.op, x.range, y.range);
        let narrow = x.kind == Kind::Int && y.kind == Kind::Int;
        let types = [Some(step.left_ty.clone()), Some(step.operand.ty.clone())];
        let site = |e: &mut Self| {
            let message = format!("{} out of range: {{0}} {} {{1}}", step.ty, symbol(step.op));
            e.site(OUT_OF_RANGE, &message, types.clone(), step.span)
        };
        let (value, kind) = if narrow && fits_i64(range) {
            let product = (step.op == ArithOp::Mul).then(|| only(&y)).flatten();
            let value = match product {
                Some(by) => self.times(x.value, by),
                None => self.plain(step.op, x.value, y.value),
            };
            (value, Kind::Int)
        } else if narrow && fits_i64(limit) {
            let site = site(self);
            (self.narrow_step(step.op, (&x, &y), valid, site), Kind::Int)
        } else {
            let (a, b) = (self.widened(x.clone()).value, self.widened(y.clone()).value);
            let value = if range.is_some() {
                self.plain(step.op, a, b)
            } else {
                let (value, overflow) = self.b.checked(checked(step.op), a, b);
                let site = site(self);
                self.fail_if(overflow, valid, site, &[&x, &y]);
                value
            };
            (value, Kind::Wide)
        };
        let result = Nullable {
            range: range.or(limit),
            ..Nullable::new(value, kind, valid)
        };
        if within(range, limit) || limit == full(kind) {
            return Nullable {
                range: multiples(step.op, common(range, limit), [&x, &y]),
                ..result
            };
        }
        let site = site(self);
        self.check_range(result, limit, site, &[&x, &y])
    }

    /// Fails unless the value lies within the limits of its type.
    fn check_range(&mut self, value: Nullable, limit: Range, site: usize, operands: &[&Nullable]) -> Nullable {
        let Some((low, high)) = limit else { return value };
        if within(value.range, limit) {
            return value;
        }
        let outside = if value.kind == Kind::Int {
            let low = self.b.iconst(Type::I64, low.max(i64::MIN.into()));
            let high = self.b.iconst(Type::I64, high.min(i64::MAX.into()));
            let (below, above) = (
                self.b.icmp(IntCond::Slt, value.value, low),
                self.b.icmp(IntCond::Sgt, value.value, high),
            );
            self.b.or(below, above)
        } else {
            let (low, high) = (self.b.iconst128(low), self.b.iconst128(high));
            let (below, above) = (
                self.b.icmp(IntCond::Slt, value.value, low),
                self.b.icmp(IntCond::Sgt, value.value, high),
            );
            self.b.or(below, above)
        };
        self.fail_if(outside, value.valid, site, operands);
        let range = common(value.range, limit);
        let checked = Nullable { range, ..value };
        if checked.kind == Kind::Wide && fits_i64(range) {
            let low = self.b.trunc(checked.value, Type::I64);
            return Nullable {
                value: low,
                kind: Kind::Int,
                ..checked
            };
        }
        checked
    }

    pub(super) fn plain(&mut self, op: ArithOp, x: Value, y: Value) -> Value {
        match op {
            ArithOp::Add => self.b.add(x, y),
            ArithOp::Sub => self.b.sub(x, y),
            _ => self.b.mul(x, y),
        }
    }

    fn divide(&mut self, x: Nullable, y: Nullable, valid: Option<Value>, step: &ChainStep) -> Nullable {
        let (a, b) = if x.kind == Kind::Int && y.kind == Kind::Int {
            (x, y)
        } else {
            (self.widened(x), self.widened(y))
        };
        let zero = self.b.iconst(a.kind.ir(), 0);
        let is_zero = self.b.icmp(IntCond::Eq, b.value, zero);
        let may_be_zero = b.range.is_none_or(|(low, high)| low <= 0 && high >= 0);
        if may_be_zero {
            let site = self.site(DIVISION_BY_ZERO, "division by zero", [None, None], step.span);
            self.fail_if(is_zero, valid, site, &[]);
        }
        let limit = step.ty.stored_range();
        let range = exact_range(step.op, a.range, b.range);
        if let Some(value) = self.divide_by_power(step.op, &a, &b) {
            return Nullable {
                range,
                ..Nullable::new(value, a.kind, valid)
            };
        }
        if step.op == ArithOp::Rem {
            let value = self.b.srem(a.value, b.value);
            return Nullable {
                range,
                ..Nullable::new(value, a.kind, valid)
            };
        }
        // The least integer divided by -1 has no result of its type.
        let least = self.b.iconst(a.kind.ir(), full(a.kind).map_or(0, |(low, _)| low));
        let minus_one = self.b.iconst(a.kind.ir(), -1);
        let (is_least, is_minus) = (
            self.b.icmp(IntCond::Eq, a.value, least),
            self.b.icmp(IntCond::Eq, b.value, minus_one),
        );
        let overflow = self.b.and(is_least, is_minus);
        let may_be_minus_one = b.range.is_none_or(|(low, high)| low <= -1 && high >= -1);
        let types = [Some(step.left_ty.clone()), Some(step.operand.ty.clone())];
        let site = self.site(
            OUT_OF_RANGE,
            &format!("{} out of range: {{0}} div {{1}}", step.ty),
            types,
            step.span,
        );
        let may_be_least = |(low, _)| Some(low) == full(a.kind).map(|(low, _)| low);
        if may_be_minus_one && a.range.is_none_or(may_be_least) {
            self.fail_if(overflow, valid, site, &[&a, &b]);
        }
        let value = self.b.sdiv(a.value, b.value);
        let result = Nullable {
            range,
            ..Nullable::new(value, a.kind, valid)
        };
        self.check_range(result, limit, site, &[&a, &b])
    }

    pub(super) fn negate(&mut self, inner: &Expr, expr: &Expr) -> Nullable {
        let x = self.expr(inner);
        match x.kind {
            Kind::F32 | Kind::F64 => Nullable::new(self.b.fneg(x.value), x.kind, x.valid),
            Kind::Interval => {
                let call = HostCall {
                    work: HostWork::NegateInterval,
                    args: vec![expr.ty.clone()],
                    result: expr.ty.clone(),
                    span: expr.span,
                };
                self.call_host_body(call, &[x])
            }
            _ => {
                let ty = expr.ty.clone();
                let zero = Nullable::int(self.b.iconst(Type::I64, 0), None, Some((0, 0)));
                let step = ChainStep {
                    op: ArithOp::Sub,
                    left_ty: ty.clone(),
                    operand: inner.clone(),
                    ty,
                    span: expr.span,
                };
                self.int_step(zero, x, &step)
            }
        }
    }

    // --- conversions

    pub(super) fn cast(
        &mut self,
        x: Nullable,
        from: &LogicalType,
        to: &LogicalType,
        try_: bool,
        span: Span,
    ) -> Nullable {
        if from == to {
            return x;
        }
        if *from == LogicalType::Null {
            return self.null(to);
        }
        match (scale(from), scale(to)) {
            (Some(a), Some(b)) if !try_ => return self.rescale(x, (from, a), (to, b), span),
            _ => {}
        }
        match (from, to) {
            (_, LogicalType::Double) if scale(from).is_some() => {
                let valid = x.valid;
                Nullable::new(self.double(&x, from), Kind::F64, valid)
            }
            (LogicalType::Real, LogicalType::Double) => Nullable::new(self.b.promote(x.value), Kind::F64, x.valid),
            (LogicalType::Boolean, to) if to.is_integer() => {
                Nullable::int(self.b.uext(x.value, Type::I64), x.valid, Some((0, 1)))
            }
            (from, LogicalType::String) if texts::has_digits(from) && x.kind == Kind::Int => self.digits(&x),
            (LogicalType::Enum(labels), LogicalType::String) if x.kind == Kind::Int => self.label(&x, labels),
            (LogicalType::Json, LogicalType::String) => x,
            (LogicalType::Timestamp, LogicalType::TimestampTz) | (LogicalType::TimestampTz, LogicalType::Timestamp) => {
                x
            }
            (LogicalType::Date, LogicalType::Timestamp | LogicalType::TimestampTz) if fits_day_range(x.range) => {
                let day = self.b.iconst(Type::I64, 86_400_000_000i64);
                let range = x.range.map(|(l, h)| (l * 86_400_000_000, h * 86_400_000_000));
                Nullable::int(self.b.mul(x.value, day), x.valid, range)
            }
            _ => {
                let call = HostCall {
                    work: HostWork::Cast { try_ },
                    args: vec![from.clone()],
                    result: to.clone(),
                    span,
                };
                self.call_host_body(call, &[x])
            }
        }
    }

    /// Integers and decimals to another scale; rounds half away from zero.
    fn rescale(&mut self, x: Nullable, from: (&LogicalType, u8), to: (&LogicalType, u8), span: Span) -> Nullable {
        let message = format!("`{{0}}` does not fit in {}", to.0);
        let site = |e: &mut Self| e.site(OUT_OF_RANGE, &message, [Some(from.0.clone()), None], span);
        let limit = to.0.stored_range();
        let scaled = if to.1 >= from.1 {
            let factor = 10i128.pow((to.1 - from.1).into());
            if factor == 1 {
                x.clone()
            } else {
                self.scale_up(&x, factor, site)
            }
        } else {
            self.scale_down(&x, 10i128.pow((from.1 - to.1).into()))
        };
        if within(scaled.range, limit) {
            return scaled;
        }
        let site = site(self);
        self.check_range(scaled, limit, site, &[&x])
    }

    fn scale_up(&mut self, x: &Nullable, factor: i128, site: impl Fn(&mut Self) -> usize) -> Nullable {
        let range = exact_range(ArithOp::Mul, x.range, Some((factor, factor)));
        if x.kind == Kind::Int && fits_i64(range) {
            let by = self.b.iconst(Type::I64, factor);
            return Nullable::int(self.b.mul(x.value, by), x.valid, range);
        }
        let wide = self.widened(x.clone());
        let by = self.b.iconst128(factor);
        let value = if range.is_some() {
            self.b.mul(wide.value, by)
        } else {
            let (value, overflow) = self.b.checked(Checked::Mul, wide.value, by);
            let site = site(self);
            self.fail_if(overflow, x.valid, site, &[x]);
            value
        };
        Nullable {
            range,
            ..Nullable::new(value, Kind::Wide, x.valid)
        }
    }

    fn scale_down(&mut self, x: &Nullable, factor: i128) -> Nullable {
        let x = if factor > i64::MAX.into() {
            self.widened(x.clone())
        } else {
            x.clone()
        };
        let ty = x.kind.ir();
        let by = self.b.iconst(ty, factor);
        let quotient = self.b.sdiv(x.value, by);
        let rest = self.b.srem(x.value, by);
        let half = self.b.iconst(ty, factor / 2);
        let minus_half = self.b.iconst(ty, -(factor / 2));
        let up = self.b.icmp(IntCond::Sge, rest, half);
        let down = self.b.icmp(IntCond::Sle, rest, minus_half);
        let (up, down) = (self.b.uext(up, ty), self.b.uext(down, ty));
        let value = self.b.add(quotient, up);
        let value = self.b.sub(value, down);
        let range = x.range.map(|(l, h)| (l / factor - 1, h / factor + 1));
        Nullable {
            range,
            ..Nullable::new(value, x.kind, x.valid)
        }
    }

    /// The double nearest to an integer or decimal.
    pub(super) fn double(&mut self, x: &Nullable, ty: &LogicalType) -> Value {
        let double = match x.kind {
            Kind::Int => self.b.stof(x.value, Type::F64),
            Kind::Wide => {
                // By magnitude: of -5, the low half alone is 2^64 - 5, which is no double.
                let zero = self.b.iconst128(0);
                let negated = self.b.sub(zero, x.value);
                let negative = self.b.icmp(IntCond::Slt, x.value, zero);
                let magnitude = self.b.select(negative, negated, x.value);
                let shift = self.b.iconst128(64);
                let high = self.b.ushr(magnitude, shift);
                let (high, low) = (self.b.trunc(high, Type::I64), self.b.trunc(magnitude, Type::I64));
                let (high, low) = (self.b.utof(high, Type::F64), self.b.utof(low, Type::F64));
                let unit = self.b.f64const(18_446_744_073_709_551_616.0);
                let high = self.b.fmul(high, unit);
                let double = self.b.fadd(high, low);
                let opposite = self.b.fneg(double);
                self.b.select(negative, opposite, double)
            }
            Kind::F32 => self.b.promote(x.value),
            _ => x.value,
        };
        match scale(ty) {
            Some(scale) if scale > 0 => {
                let by = self.b.f64const(10f64.powi(scale.into()));
                self.b.fdiv(double, by)
            }
            _ => double,
        }
    }

    // --- function calls

    pub(super) fn square_root(&mut self, of: &Nullable, expr: &Expr) -> Nullable {
        let zero = self.b.f64const(0.0);
        let negative = self.b.fcmp(FloatCond::Lt, of.value, zero);
        let message = "cannot take the square root of a negative number: {0}";
        let site = self.site("2201F", message, [Some(LogicalType::Double), None], expr.span);
        self.fail_if(negative, of.valid, site, &[of]);
        Nullable::new(self.b.fsqrt(of.value), Kind::F64, of.valid)
    }

    pub(super) fn call_function(&mut self, function: FunctionId, args: &[Expr], expr: &Expr) -> Nullable {
        let def = functions::function(function);
        if let Some(native) = def.native {
            let part = self.access(native, args, expr);
            return self.shared(part, &expr.ty);
        }
        if let Some(value) = self.look_up(def.name, args, expr) {
            return value;
        }
        if let Some(text) = texts::concatenated(expr).and_then(|args| self.concat(args)) {
            return text;
        }
        let values: Vec<Nullable> = args
            .iter()
            .map(|arg| {
                let value = self.expr(arg);
                self.natural(value, &arg.ty)
            })
            .collect();
        let Some(emit) = def.emit else {
            let call = HostCall {
                work: HostWork::Function(function),
                args: args.iter().map(|a| a.ty.clone()).collect(),
                result: expr.ty.clone(),
                span: expr.span,
            };
            return self.call_host_body(call, &values);
        };
        let mut valid = None;
        let mut inputs = Vec::new();
        for (value, arg) in values.iter().zip(args) {
            valid = both(&mut self.b, valid, value.valid);
            let narrow = narrow_type(&arg.ty);
            inputs.push(if self.b.ty(value.value) == narrow {
                value.value
            } else {
                self.b.trunc(value.value, narrow)
            });
        }
        let types: Vec<LogicalType> = args.iter().map(|arg| arg.ty.clone()).collect();
        let value = emit(
            &mut self.b,
            &functions::EmitArgs {
                values: &inputs,
                types: &types,
            },
        );
        let kind = kind_of(&expr.ty);
        let value = if kind == Kind::Int && self.b.ty(value) != Type::I64 {
            self.b.sext(value, Type::I64)
        } else {
            value
        };
        let range = self
            .facts(expr)
            .range
            .filter(|_| matches!(kind, Kind::Int | Kind::Wide));
        Nullable {
            range,
            ..Nullable::new(value, kind, valid)
        }
    }

    fn call_body(&mut self, name: &'static str, args: &[Nullable], step: &ChainStep) -> Nullable {
        let call = HostCall {
            work: match name {
                "concat" => HostWork::Concat,
                name => HostWork::Operator(name),
            },
            args: vec![step.left_ty.clone(), step.operand.ty.clone()],
            result: step.ty.clone(),
            span: step.span,
        };
        self.call_host_body(call, args)
    }

    /// Calls a host function for the row at hand: arguments and result lie in 32-byte cells on the stack (16 of value, one of
    /// validity).
    pub(super) fn call_host_body(&mut self, call: HostCall, args: &[Nullable]) -> Nullable {
        let result_ty = call.result.clone();
        let cells = self.b.slot(32 * (args.len() as u32 + 1));
        let base = self.b.slot_addr(cells);
        for (i, (arg, ty)) in args.iter().zip(&call.args).enumerate() {
            let arg = self.natural(arg.clone(), ty);
            self.store_cell(&arg, base, 32 * (i as i32 + 1));
        }
        let index = self.shared.host_calls.len();
        let site = self.site("XX000", "", [None, None], call.span);
        self.shared.host_calls.push(call);
        let host_state = self.slot(Slot::Host);
        let number = self.b.iconst(Type::I64, index as i64);
        let (host, sig) = self.host("call_scalar", &[Type::Ptr, Type::I64, Type::Ptr]);
        let status = self
            .b
            .call_host(host, &sig, &[host_state, number, base])
            .unwrap_or(number);
        let zero = self.b.iconst(Type::I64, 0);
        let failed = self.b.icmp(IntCond::Ne, status, zero);
        self.fail_if(failed, None, site, &[]);
        let facts = crate::plan::physical::Facts::of_type(&result_ty, true);
        let valid = self.b.load(Type::I8, base, 16);
        self.load_stored(base, 0, &facts).with_valid(Some(valid))
    }

    pub(super) fn store_cell(&mut self, arg: &Nullable, base: Value, offset: i32) {
        let valid = match arg.valid {
            Some(valid) => valid,
            None => self.b.iconst(Type::I8, 1),
        };
        self.b.store(valid, base, offset + 16);
        match arg.kind {
            Kind::Text | Kind::Interval => {
                let bits = self.b.load(Type::I128, arg.value, 0);
                self.b.store(bits, base, offset);
            }
            _ => self.b.store(arg.value, base, offset),
        }
    }

    pub(super) fn like_dynamic(
        &mut self,
        x: Nullable,
        pattern: Nullable,
        escape: Option<char>,
        case_insensitive: bool,
        span: Span,
    ) -> Nullable {
        let call = HostCall {
            work: HostWork::Like {
                escape,
                case_insensitive,
            },
            args: vec![LogicalType::String; 2],
            result: LogicalType::Boolean,
            span,
        };
        self.call_host_body(call, &[x, pattern])
    }

    /// An interval as microseconds, with months of 30 days, for comparisons.
    pub(super) fn interval_micros(&mut self, interval: Value) -> Value {
        let months = self.b.load(Type::I32, interval, 0);
        let days = self.b.load(Type::I32, interval, 4);
        let micros = self.b.load(Type::I64, interval, 8);
        let (months, days) = (self.b.sext(months, Type::I128), self.b.sext(days, Type::I128));
        let thirty = self.b.iconst128(30);
        let day = self.b.iconst128(86_400_000_000);
        let month_days = self.b.mul(months, thirty);
        let days = self.b.add(month_days, days);
        let from_days = self.b.mul(days, day);
        let micros = self.b.sext(micros, Type::I128);
        self.b.add(from_days, micros)
    }

    // --- what can fail

    /// Whether computing the expression can raise an error.
    pub(super) fn may_fail(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Routine { .. } => true,
            ExprKind::Column(id) => match self.binding(*id) {
                Some(crate::plan::physical::Binding::Expr(inner)) => self.may_fail(inner),
                _ => false,
            },
            ExprKind::Literal(_) | ExprKind::Subquery(_) => false,
            ExprKind::Cast { expr: inner, .. } => {
                let (from, to) = (&inner.ty, &expr.ty);
                let harmless = match (scale(from), scale(to)) {
                    (Some(a), Some(b)) if b >= a => {
                        let factor = 10i128.checked_pow((b - a).into());
                        let range =
                            factor.and_then(|f| exact_range(ArithOp::Mul, self.facts(inner).range, Some((f, f))));
                        within(range, to.stored_range())
                    }
                    _ => matches!(to, LogicalType::Double) && (scale(from).is_some() || from.is_float()),
                };
                !harmless || self.may_fail(inner)
            }
            ExprKind::Chain { first, rest } => self.chain_may_fail(first, rest),
            ExprKind::Neg(inner) => !inner.ty.is_float() || self.may_fail(inner),
            ExprKind::Not(inner) | ExprKind::IsNull { expr: inner, .. } | ExprKind::InList { expr: inner, .. } => {
                self.may_fail(inner)
            }
            ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Coalesce(items) => {
                items.iter().any(|item| self.may_fail(item))
            }
            ExprKind::Compare { left, right, .. } => self.may_fail(left) || self.may_fail(right),
            ExprKind::Like { expr, pattern, .. } => {
                !matches!(pattern.kind, ExprKind::Literal(_)) || self.may_fail(expr)
            }
            ExprKind::Case { arms, otherwise } => {
                arms.iter().any(|(c, v)| self.may_fail(c) || self.may_fail(v)) || self.may_fail(otherwise)
            }
            ExprKind::Call { function, args } => {
                functions::function(*function).fallible || args.iter().any(|arg| self.may_fail(arg))
            }
        }
    }

    fn chain_may_fail(&self, first: &Expr, rest: &[ChainStep]) -> bool {
        if self.may_fail(first) {
            return true;
        }
        let facts = self.facts(first);
        let (mut range, mut ty) = (facts.range, first.ty.clone());
        for step in rest {
            if self.may_fail(&step.operand) {
                return true;
            }
            if step.ty.is_float() && matches!(step.op, ArithOp::Add | ArithOp::Sub | ArithOp::Mul) {
                ty = step.ty.clone();
                continue;
            }
            if step.left_ty != ty {
                range = match (scale(&ty), scale(&step.left_ty)) {
                    (Some(a), Some(b)) if b >= a => 10i128
                        .checked_pow((b - a).into())
                        .and_then(|f| exact_range(ArithOp::Mul, range, Some((f, f)))),
                    _ => return true,
                };
            }
            let operand = self.facts(&step.operand).range;
            range = exact_range(step.op, range, operand);
            let plain = matches!(step.op, ArithOp::Add | ArithOp::Sub | ArithOp::Mul);
            if !plain || !within(range, step.ty.stored_range()) {
                return true;
            }
            ty = step.ty.clone();
        }
        false
    }

    /// Whether an expression's value will be held as [`Kind::Int`].
    pub(super) fn held_as_int(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Literal(_) => true,
            ExprKind::Column(id) => match self.binding(*id) {
                Some(crate::plan::physical::Binding::Expr(inner)) => self.held_as_int(inner),
                _ => {
                    let facts = self.facts(expr);
                    facts.stored.is_int() && facts.stored != Physical::I128
                }
            },
            ExprKind::Cast { expr: inner, .. } => {
                scale(&inner.ty).is_some() && fits_i64(self.facts(expr).range) && self.held_as_int(inner)
            }
            ExprKind::Chain { first, rest } => {
                let steps = rest.iter().all(|s| {
                    matches!(s.op, ArithOp::Add | ArithOp::Sub | ArithOp::Mul) && self.held_as_int(&s.operand)
                });
                // A value that stays in 64 bits at the end may still have been wider on the way.
                steps && self.held_as_int(first) && fits_i64(self.facts(expr).range) && rest.len() == 1
            }
            _ => false,
        }
    }
}

fn full(kind: Kind) -> Range {
    match kind {
        Kind::Int => Some((i64::MIN.into(), i64::MAX.into())),
        Kind::Wide => Some((i128::MIN, i128::MAX)),
        _ => None,
    }
}

fn fits_day_range(range: Range) -> bool {
    range.is_some_and(|(low, high)| low > -100_000_000 && high < 100_000_000)
}

/// Digits after the point of a type that is stored as a scaled integer.
fn scale(ty: &LogicalType) -> Option<u8> {
    match ty {
        LogicalType::Decimal { scale, .. } => Some(*scale),
        ty if ty.is_integer() => Some(0),
        _ => None,
    }
}

fn narrow_type(ty: &LogicalType) -> Type {
    match ty.physical() {
        Physical::I8 => Type::I8,
        Physical::I16 => Type::I16,
        Physical::I32 => Type::I32,
        Physical::I64 | Physical::Nested => Type::I64,
        Physical::I128 => Type::I128,
        Physical::F32 => Type::F32,
        Physical::F64 => Type::F64,
        Physical::Str | Physical::Interval => Type::Ptr,
    }
}

pub(super) fn checked(op: ArithOp) -> Checked {
    match op {
        ArithOp::Add => Checked::Add,
        ArithOp::Sub => Checked::Sub,
        _ => Checked::Mul,
    }
}

fn symbol(op: ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "+",
        ArithOp::Sub => "-",
        ArithOp::Mul => "*",
        ArithOp::Div => "/",
        ArithOp::IntDiv => "div",
        ArithOp::Rem => "%",
        ArithOp::Concat => "||",
    }
}

fn interval_op(op: ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "add_interval",
        ArithOp::Sub => "sub_interval",
        ArithOp::Mul => "mul_interval",
        _ => "div_interval",
    }
}

/// Of exact numbers, division by zero is an error; as soon as a float takes part it is infinity.
fn divides_by_exact(divisor: &Expr) -> bool {
    match &divisor.kind {
        ExprKind::Cast { expr, .. } => !expr.ty.is_float(),
        ExprKind::Literal(_) => true,
        _ => false,
    }
}
