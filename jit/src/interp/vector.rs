//! Vector operations as steps, lane by lane.
//!
//! Example: `icmp slt` on `i32x4` is `|a, b| if a < b { -1 } else { 0 }` on four lanes.
//!
//! Invariants: lane 0 is the lowest in memory; masks are all ones or all zeros per lane.
//!
//! Does not: use the machine's vector instructions on purpose; this is the reference.

use super::step::{Lane, Reg, Run, Step, binary, ternary, unary};
use crate::ir::{FloatBinary, FloatCond, IntBinary, IntCond, IntUnary, Lanes, Type};

/// Calls the macro with the Rust types and the lane count of a vector of integers.
macro_rules! for_int_lanes {
    ($ty:expr, $table:ident $(, $arg:expr)*) => {
        match $ty {
            Type::I8x16 => $table!(i8, u8, 16 $(, $arg)*),
            Type::I16x8 => $table!(i16, u16, 8 $(, $arg)*),
            Type::I32x4 => $table!(i32, u32, 4 $(, $arg)*),
            Type::I64x2 => $table!(i64, u64, 2 $(, $arg)*),
            other => unreachable!("the verifier keeps {other} from operations on integer lanes"),
        }
    };
}

fn map<T: Lane, R: Lane, const N: usize>(f: impl Fn(T) -> R + Copy) -> Run
where
    [R; N]: Reg,
{
    unary(move |a: [T; N]| a.map(f))
}

fn zip<T: Lane, R: Lane, const N: usize>(f: impl Fn(T, T) -> R + Copy) -> Run {
    binary(move |a: [T; N], b: [T; N]| std::array::from_fn::<R, N, _>(|i| f(a[i], b[i])))
}

macro_rules! int_binary_table {
    ($t:ty, $u:ty, $n:literal, $op:expr) => {
        match $op {
            IntBinary::Add => zip::<$t, $t, $n>(<$t>::wrapping_add),
            IntBinary::Sub => zip::<$t, $t, $n>(<$t>::wrapping_sub),
            IntBinary::Mul => zip::<$t, $t, $n>(<$t>::wrapping_mul),
            IntBinary::And => zip::<$t, $t, $n>(|a, b| a & b),
            IntBinary::Or => zip::<$t, $t, $n>(|a, b| a | b),
            IntBinary::Xor => zip::<$t, $t, $n>(|a, b| a ^ b),
            IntBinary::AndNot => zip::<$t, $t, $n>(|a, b| a & !b),
            IntBinary::SMin => zip::<$t, $t, $n>(|a, b| a.min(b)),
            IntBinary::SMax => zip::<$t, $t, $n>(|a, b| a.max(b)),
            IntBinary::UMin => zip::<$t, $t, $n>(|a, b| (a as $u).min(b as $u) as $t),
            IntBinary::UMax => zip::<$t, $t, $n>(|a, b| (a as $u).max(b as $u) as $t),
            other => unreachable!("the verifier keeps {other:?} from vectors"),
        }
    };
}

pub(super) fn int_binary(op: IntBinary, ty: Type) -> Run {
    for_int_lanes!(ty, int_binary_table, op)
}

macro_rules! int_unary_table {
    ($t:ty, $u:ty, $n:literal, $op:expr) => {
        match $op {
            IntUnary::Neg => map::<$t, $t, $n>(<$t>::wrapping_neg),
            IntUnary::Not => map::<$t, $t, $n>(|a| !a),
            other => unreachable!("the verifier keeps {other:?} from vectors"),
        }
    };
}

pub(super) fn int_unary(op: IntUnary, ty: Type) -> Run {
    for_int_lanes!(ty, int_unary_table, op)
}

macro_rules! icmp_table {
    ($t:ty, $u:ty, $n:literal, $cond:expr) => {
        match $cond {
            IntCond::Eq => zip::<$t, $t, $n>(|a, b| -<$t>::from(a == b)),
            IntCond::Ne => zip::<$t, $t, $n>(|a, b| -<$t>::from(a != b)),
            IntCond::Slt => zip::<$t, $t, $n>(|a, b| -<$t>::from(a < b)),
            IntCond::Sle => zip::<$t, $t, $n>(|a, b| -<$t>::from(a <= b)),
            IntCond::Sgt => zip::<$t, $t, $n>(|a, b| -<$t>::from(a > b)),
            IntCond::Sge => zip::<$t, $t, $n>(|a, b| -<$t>::from(a >= b)),
            IntCond::Ult => zip::<$t, $t, $n>(|a, b| -<$t>::from((a as $u) < b as $u)),
            IntCond::Ule => zip::<$t, $t, $n>(|a, b| -<$t>::from(a as $u <= b as $u)),
            IntCond::Ugt => zip::<$t, $t, $n>(|a, b| -<$t>::from(a as $u > b as $u)),
            IntCond::Uge => zip::<$t, $t, $n>(|a, b| -<$t>::from(a as $u >= b as $u)),
        }
    };
}

pub(super) fn icmp(cond: IntCond, ty: Type) -> Run {
    for_int_lanes!(ty, icmp_table, cond)
}

macro_rules! for_float_lanes {
    ($ty:expr, $table:ident, $arg:expr) => {
        match $ty {
            Type::F32x4 => $table!(f32, i32, 4, $arg),
            Type::F64x2 => $table!(f64, i64, 2, $arg),
            other => unreachable!("the verifier keeps {other} from operations on float lanes"),
        }
    };
}

macro_rules! float_binary_table {
    ($t:ty, $mask:ty, $n:literal, $op:expr) => {
        match $op {
            FloatBinary::Add => zip::<$t, $t, $n>(|a, b| a + b),
            FloatBinary::Sub => zip::<$t, $t, $n>(|a, b| a - b),
            FloatBinary::Mul => zip::<$t, $t, $n>(|a, b| a * b),
            FloatBinary::Div => zip::<$t, $t, $n>(|a, b| a / b),
        }
    };
}

pub(super) fn float_binary(op: FloatBinary, ty: Type) -> Run {
    for_float_lanes!(ty, float_binary_table, op)
}

macro_rules! fcmp_table {
    ($t:ty, $mask:ty, $n:literal, $cond:expr) => {
        match $cond {
            FloatCond::Eq => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a == b)),
            FloatCond::Ne => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a != b)),
            FloatCond::Lt => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a < b)),
            FloatCond::Le => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a <= b)),
            FloatCond::Gt => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a > b)),
            FloatCond::Ge => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a >= b)),
            FloatCond::Uno => zip::<$t, $mask, $n>(|a, b| -<$mask>::from(a.is_nan() || b.is_nan())),
        }
    };
}

pub(super) fn fcmp(cond: FloatCond, ty: Type) -> Run {
    for_float_lanes!(ty, fcmp_table, cond)
}

pub(super) fn bit_select() -> Run {
    ternary(|mask: u128, then: u128, otherwise: u128| then & mask | otherwise & !mask)
}

pub(super) fn any_true() -> Run {
    unary(|a: u128| u8::from(a != 0))
}

/// Calls the macro with the Rust type and the lane count of any vector.
macro_rules! for_lanes {
    ($ty:expr, $table:ident) => {
        match $ty {
            Type::I8x16 => $table!(i8, 16),
            Type::I16x8 => $table!(i16, 8),
            Type::I32x4 => $table!(i32, 4),
            Type::I64x2 => $table!(i64, 2),
            Type::F32x4 => $table!(f32, 4),
            Type::F64x2 => $table!(f64, 2),
            other => unreachable!("the verifier keeps {other} from vector operations"),
        }
    };
}

macro_rules! splat_table {
    ($t:ty, $n:literal) => {
        unary(|a: $t| [a; $n])
    };
}

pub(super) fn splat(ty: Type) -> Run {
    for_lanes!(ty, splat_table)
}

unsafe fn extract_step<T: Lane + Reg, const N: usize>(regs: *mut u64, step: &Step) {
    // SAFETY: registers come from verified IR.
    unsafe { <[T; N]>::get(regs, step.a)[step.imm as usize].put(regs, step.d) }
}

macro_rules! extract_table {
    ($t:ty, $n:literal) => {
        extract_step::<$t, $n> as Run
    };
}

/// `d = a[imm]`.
pub(super) fn extract_lane(ty: Type) -> Run {
    for_lanes!(ty, extract_table)
}

unsafe fn insert_step<T: Lane + Reg, const N: usize>(regs: *mut u64, step: &Step) {
    // SAFETY: registers come from verified IR.
    unsafe {
        let mut lanes = <[T; N]>::get(regs, step.a);
        lanes[step.imm as usize] = T::get(regs, step.b);
        lanes.put(regs, step.d);
    }
}

macro_rules! insert_table {
    ($t:ty, $n:literal) => {
        insert_step::<$t, $n> as Run
    };
}

/// `d = a with a[imm] = b`.
pub(super) fn insert_lane(ty: Type) -> Run {
    for_lanes!(ty, insert_table)
}

macro_rules! high_bits_table {
    ($t:ty, $u:ty, $n:literal) => {
        unary(|a: [$t; $n]| {
            a.iter()
                .rev()
                .fold(0_u32, |bits, lane| bits << 1 | u32::from(*lane < 0))
        })
    };
}

pub(super) fn high_bits(ty: Type) -> Run {
    let ints = match ty {
        Type::F32x4 => Type::I32x4,
        Type::F64x2 => Type::I64x2,
        ty => ty,
    };
    for_int_lanes!(ints, high_bits_table)
}

pub(super) fn snarrow(ty: Type) -> Run {
    match ty {
        Type::I16x8 => binary(|a: [i16; 8], b: [i16; 8]| {
            std::array::from_fn::<i8, 16, _>(|i| if i < 8 { a[i] } else { b[i - 8] }.clamp(-128, 127) as i8)
        }),
        _ => binary(|a: [i32; 4], b: [i32; 4]| {
            std::array::from_fn::<i16, 8, _>(|i| if i < 4 { a[i] } else { b[i - 4] }.clamp(-32768, 32767) as i16)
        }),
    }
}

macro_rules! widen_table {
    ($from:ty, $unsigned:ty, $n:literal, $to:ty, $half:literal, $how:expr) => {
        match $how {
            Lanes::SWidenLow => unary(|a: [$from; $n]| std::array::from_fn::<$to, $half, _>(|i| a[i].into())),
            Lanes::SWidenHigh => unary(|a: [$from; $n]| std::array::from_fn::<$to, $half, _>(|i| a[i + $half].into())),
            Lanes::UWidenLow => {
                unary(|a: [$from; $n]| std::array::from_fn::<$to, $half, _>(|i| (a[i] as $unsigned).into()))
            }
            Lanes::UWidenHigh => {
                unary(|a: [$from; $n]| std::array::from_fn::<$to, $half, _>(|i| (a[i + $half] as $unsigned).into()))
            }
        }
    };
}

pub(super) fn widen(how: Lanes, from: Type) -> Run {
    match from {
        Type::I8x16 => widen_table!(i8, u8, 16, i16, 8, how),
        Type::I16x8 => widen_table!(i16, u16, 8, i32, 4, how),
        _ => widen_table!(i32, u32, 4, i64, 2, how),
    }
}
