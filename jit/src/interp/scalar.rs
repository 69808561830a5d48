//! Scalar arithmetic, comparisons and conversions as steps.
//!
//! Example: `sdiv` on `i32` is `|a, b| if b == 0 { 0 } else { a.wrapping_div(b) }`, so `MIN / -1` is `MIN`.
//!
//! Invariants: total, like the IR's operations; nothing panics, whatever the operands.
//!
//! Does not: know vectors, except that both share the closures' style.

use super::step::{Run, binary, flagged, ternary, unary};
use crate::ir::{Checked, Convert, FloatBinary, FloatCond, FloatUnary, IntBinary, IntCond, IntUnary, Type};

/// Calls the macro with the Rust types of a scalar integer type; pointers are unsigned words.
macro_rules! for_int {
    ($ty:expr, $table:ident $(, $arg:expr)*) => {
        match $ty {
            Type::I8 => $table!(i8, u8 $(, $arg)*),
            Type::I16 => $table!(i16, u16 $(, $arg)*),
            Type::I32 => $table!(i32, u32 $(, $arg)*),
            Type::I64 | Type::Ptr => $table!(i64, u64 $(, $arg)*),
            Type::I128 => $table!(i128, u128 $(, $arg)*),
            other => unreachable!("the verifier keeps {other} from scalar integer operations"),
        }
    };
}

macro_rules! int_binary_table {
    ($t:ty, $u:ty, $op:expr) => {
        match $op {
            IntBinary::Add => binary(<$t>::wrapping_add),
            IntBinary::Sub => binary(<$t>::wrapping_sub),
            IntBinary::Mul => binary(<$t>::wrapping_mul),
            IntBinary::SDiv => binary(|a: $t, b: $t| if b == 0 { 0 } else { a.wrapping_div(b) }),
            IntBinary::UDiv => binary(|a: $u, b: $u| a.checked_div(b).unwrap_or(0)),
            IntBinary::SRem => binary(|a: $t, b: $t| if b == 0 { 0 } else { a.wrapping_rem(b) }),
            IntBinary::URem => binary(|a: $u, b: $u| a.checked_rem(b).unwrap_or(0)),
            IntBinary::And => binary(|a: $t, b: $t| a & b),
            IntBinary::Or => binary(|a: $t, b: $t| a | b),
            IntBinary::Xor => binary(|a: $t, b: $t| a ^ b),
            IntBinary::AndNot => binary(|a: $t, b: $t| a & !b),
            IntBinary::Shl => binary(|a: $t, b: $t| a.wrapping_shl(b as u32)),
            IntBinary::SShr => binary(|a: $t, b: $t| a.wrapping_shr(b as u32)),
            IntBinary::UShr => binary(|a: $u, b: $u| a.wrapping_shr(b as u32)),
            IntBinary::Rotl => binary(|a: $t, b: $t| a.rotate_left(b as u32 % <$t>::BITS)),
            IntBinary::SMin => binary(|a: $t, b: $t| a.min(b)),
            IntBinary::SMax => binary(|a: $t, b: $t| a.max(b)),
            IntBinary::UMin => binary(|a: $u, b: $u| a.min(b)),
            IntBinary::UMax => binary(|a: $u, b: $u| a.max(b)),
            IntBinary::SMulHi => binary(|a: i64, b: i64| ((i128::from(a) * i128::from(b)) >> 64) as i64),
            IntBinary::UMulHi => binary(|a: u64, b: u64| ((u128::from(a) * u128::from(b)) >> 64) as u64),
        }
    };
}

pub(super) fn int_binary(op: IntBinary, ty: Type) -> Run {
    for_int!(ty, int_binary_table, op)
}

macro_rules! checked_table {
    ($t:ty, $u:ty, $op:expr) => {
        match $op {
            Checked::Add => flagged(<$t>::overflowing_add),
            Checked::Sub => flagged(<$t>::overflowing_sub),
            Checked::Mul => flagged(<$t>::overflowing_mul),
        }
    };
}

pub(super) fn checked(op: Checked, ty: Type) -> Run {
    for_int!(ty, checked_table, op)
}

macro_rules! int_unary_table {
    ($t:ty, $u:ty, $op:expr) => {
        match $op {
            IntUnary::Neg => unary(<$t>::wrapping_neg),
            IntUnary::Not => unary(|a: $t| !a),
            IntUnary::Clz => unary(|a: $t| a.leading_zeros() as $t),
            IntUnary::Ctz => unary(|a: $t| a.trailing_zeros() as $t),
            IntUnary::Popcnt => unary(|a: $t| a.count_ones() as $t),
            IntUnary::Bswap => unary(<$t>::swap_bytes),
        }
    };
}

pub(super) fn int_unary(op: IntUnary, ty: Type) -> Run {
    for_int!(ty, int_unary_table, op)
}

macro_rules! icmp_table {
    ($t:ty, $u:ty, $cond:expr) => {
        match $cond {
            IntCond::Eq => binary(|a: $t, b: $t| u8::from(a == b)),
            IntCond::Ne => binary(|a: $t, b: $t| u8::from(a != b)),
            IntCond::Slt => binary(|a: $t, b: $t| u8::from(a < b)),
            IntCond::Sle => binary(|a: $t, b: $t| u8::from(a <= b)),
            IntCond::Sgt => binary(|a: $t, b: $t| u8::from(a > b)),
            IntCond::Sge => binary(|a: $t, b: $t| u8::from(a >= b)),
            IntCond::Ult => binary(|a: $u, b: $u| u8::from(a < b)),
            IntCond::Ule => binary(|a: $u, b: $u| u8::from(a <= b)),
            IntCond::Ugt => binary(|a: $u, b: $u| u8::from(a > b)),
            IntCond::Uge => binary(|a: $u, b: $u| u8::from(a >= b)),
        }
    };
}

pub(super) fn icmp(cond: IntCond, ty: Type) -> Run {
    for_int!(ty, icmp_table, cond)
}

macro_rules! for_float {
    ($ty:expr, $table:ident, $arg:expr) => {
        match $ty {
            Type::F32 => $table!(f32, $arg),
            Type::F64 => $table!(f64, $arg),
            other => unreachable!("the verifier keeps {other} from scalar float operations"),
        }
    };
}

macro_rules! float_binary_table {
    ($t:ty, $op:expr) => {
        match $op {
            FloatBinary::Add => binary(|a: $t, b: $t| a + b),
            FloatBinary::Sub => binary(|a: $t, b: $t| a - b),
            FloatBinary::Mul => binary(|a: $t, b: $t| a * b),
            FloatBinary::Div => binary(|a: $t, b: $t| a / b),
        }
    };
}

pub(super) fn float_binary(op: FloatBinary, ty: Type) -> Run {
    for_float!(ty, float_binary_table, op)
}

macro_rules! float_unary_table {
    ($t:ty, $op:expr) => {
        match $op {
            FloatUnary::Neg => unary(|a: $t| -a),
            FloatUnary::Abs => unary(<$t>::abs),
            FloatUnary::Sqrt => unary(<$t>::sqrt),
            FloatUnary::Floor => unary(<$t>::floor),
            FloatUnary::Ceil => unary(<$t>::ceil),
            FloatUnary::Trunc => unary(<$t>::trunc),
            FloatUnary::Nearest => unary(<$t>::round_ties_even),
        }
    };
}

pub(super) fn float_unary(op: FloatUnary, ty: Type) -> Run {
    for_float!(ty, float_unary_table, op)
}

macro_rules! fcmp_table {
    ($t:ty, $cond:expr) => {
        match $cond {
            FloatCond::Eq => binary(|a: $t, b: $t| u8::from(a == b)),
            FloatCond::Ne => binary(|a: $t, b: $t| u8::from(a != b)),
            FloatCond::Lt => binary(|a: $t, b: $t| u8::from(a < b)),
            FloatCond::Le => binary(|a: $t, b: $t| u8::from(a <= b)),
            FloatCond::Gt => binary(|a: $t, b: $t| u8::from(a > b)),
            FloatCond::Ge => binary(|a: $t, b: $t| u8::from(a >= b)),
            FloatCond::Uno => binary(|a: $t, b: $t| u8::from(a.is_nan() || b.is_nan())),
        }
    };
}

pub(super) fn fcmp(cond: FloatCond, ty: Type) -> Run {
    for_float!(ty, fcmp_table, cond)
}

/// `cond != 0 ? then : otherwise`; bits are bits, so only the size matters.
pub(super) fn select(ty: Type) -> Run {
    match ty {
        Type::I128 => ternary(|cond: u8, then: u128, otherwise: u128| if cond != 0 { then } else { otherwise }),
        _ => ternary(|cond: u8, then: u64, otherwise: u64| if cond != 0 { then } else { otherwise }),
    }
}

pub(super) fn convert(op: Convert, from: Type, to: Type) -> Run {
    match op {
        Convert::SExt => sext(from, to),
        Convert::UExt if to == Type::I128 => unary(|a: u64| u128::from(a)),
        Convert::UExt => copy(to),
        Convert::Trunc => trunc(to),
        Convert::SToF | Convert::UToF => to_float(op, from, to),
        Convert::FToS => to_int(from, to),
        Convert::Promote => unary(|a: f32| f64::from(a)),
        Convert::Demote => unary(|a: f64| a as f32),
        Convert::Bitcast => copy(to),
    }
}

macro_rules! sext_table {
    ($t:ty, $u:ty, $to:expr) => {
        match $to {
            Type::I16 => unary(|a: $t| a as i16),
            Type::I32 => unary(|a: $t| a as i32),
            Type::I64 => unary(|a: $t| a as i64),
            _ => unary(|a: $t| a as i128),
        }
    };
}

fn sext(from: Type, to: Type) -> Run {
    for_int!(from, sext_table, to)
}

/// The low word holds the low bits of every type.
fn trunc(to: Type) -> Run {
    match to {
        Type::I8 => unary(|a: u64| a as u8),
        Type::I16 => unary(|a: u64| a as u16),
        Type::I32 => unary(|a: u64| a as u32),
        _ => unary(|a: u64| a),
    }
}

fn to_float(op: Convert, from: Type, to: Type) -> Run {
    let signed = op == Convert::SToF;
    match (from, to) {
        (Type::I32, Type::F32) if signed => unary(|a: i32| a as f32),
        (Type::I32, Type::F64) if signed => unary(|a: i32| f64::from(a)),
        (Type::I64, Type::F32) if signed => unary(|a: i64| a as f32),
        (Type::I64, Type::F64) if signed => unary(|a: i64| a as f64),
        (Type::I32, Type::F32) => unary(|a: u32| a as f32),
        (Type::I32, Type::F64) => unary(|a: u32| f64::from(a)),
        (Type::I64, Type::F32) => unary(|a: u64| a as f32),
        _ => unary(|a: u64| a as f64),
    }
}

fn to_int(from: Type, to: Type) -> Run {
    match (from, to) {
        (Type::F32, Type::I32) => unary(|a: f32| a as i32),
        (Type::F32, Type::I64) => unary(|a: f32| a as i64),
        (Type::F64, Type::I32) => unary(|a: f64| a as i32),
        _ => unary(|a: f64| a as i64),
    }
}

/// Copies a value of the type.
pub(super) fn copy(ty: Type) -> Run {
    if ty.bytes() == 16 {
        unary(|a: u128| a)
    } else {
        unary(|a: u64| a)
    }
}
