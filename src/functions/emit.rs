//! Inline code of numeric functions.
//!
//! `sign(x)` of a bigint becomes `(x > 0) - (x < 0)`, two comparisons and a subtraction.
//!
//! Invariants: gives exactly what the function's body gives, for every input.
//!
//! Does not: handle NULL; see [`super::Function::emit`].

use gobi_jit::FunctionBuilder;
use gobi_jit::ir::{FloatCond, IntCond, Type, Value};

use super::EmitArgs;

/// The argument itself.
pub(super) fn same(_: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    args.values[0]
}

/// Decimals and floats.
pub(super) fn abs(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let x = args.values[0];
    if b.ty(x).is_float() {
        return b.fabs(x);
    }
    let zero = zero(b, x);
    let negative = b.icmp(IntCond::Slt, x, zero);
    let negated = b.neg(x);
    b.select(negative, negated, x)
}

pub(super) fn sign(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let x = args.values[0];
    let zero = zero(b, x);
    let (above, below) = if b.ty(x).is_float() {
        (b.fcmp(FloatCond::Gt, x, zero), b.fcmp(FloatCond::Lt, x, zero))
    } else {
        (b.icmp(IntCond::Sgt, x, zero), b.icmp(IntCond::Slt, x, zero))
    };
    b.sub(above, below)
}

pub(super) fn floor(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    b.ffloor(args.values[0])
}

pub(super) fn ceil(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    b.fceil(args.values[0])
}

pub(super) fn trunc(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    b.ftrunc(args.values[0])
}

/// A double times a constant.
pub(super) fn times(b: &mut FunctionBuilder, args: &EmitArgs<'_>, factor: f64) -> Value {
    let factor = b.f64const(factor);
    b.fmul(args.values[0], factor)
}

pub(super) fn is_nan(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let x = args.values[0];
    b.fcmp(FloatCond::Uno, x, x)
}

pub(super) fn is_infinite(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    against_infinity(b, args, FloatCond::Eq)
}

pub(super) fn is_finite(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    against_infinity(b, args, FloatCond::Lt)
}

fn against_infinity(b: &mut FunctionBuilder, args: &EmitArgs<'_>, cond: FloatCond) -> Value {
    let magnitude = b.fabs(args.values[0]);
    let infinity = match b.ty(magnitude) {
        Type::F32 => b.f32const(f32::INFINITY),
        _ => b.f64const(f64::INFINITY),
    };
    b.fcmp(cond, magnitude, infinity)
}

/// The result is a smallint.
pub(super) fn bit_count(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let ones = b.popcnt(args.values[0]);
    match b.ty(ones) {
        Type::I16 => ones,
        Type::I8 => b.uext(ones, Type::I16),
        _ => b.trunc(ones, Type::I16),
    }
}

fn zero(b: &mut FunctionBuilder, like: Value) -> Value {
    match b.ty(like) {
        Type::F32 => b.f32const(0.0),
        Type::F64 => b.f64const(0.0),
        ty => b.iconst(ty, 0),
    }
}
