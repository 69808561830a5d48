//! What machine code cannot do by itself: 128-bit division, the slow way of checked 128-bit products, and rounding on
//! processors without the instruction.
//!
//! Example: `sdiv.i128` becomes a call of `rt.sdiv128(out, a_low, a_high, b_low, b_high)`, which writes the quotient.
//!
//! Invariants: total like the IR's operations; no function unwinds.
//!
//! Does not: appear in the host table; modules cannot name these.

use cranelift_codegen::ir::LibCall;

/// The functions that lowering calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    SDiv,
    UDiv,
    SRem,
    URem,
    MulChecked,
}

/// All of them: `(out, a_low, a_high, b_low, b_high) -> flag`.
type Wide = extern "C" fn(*mut i128, u64, u64, u64, u64) -> u64;

impl Runtime {
    pub(crate) const ALL: [Runtime; 5] = [
        Runtime::SDiv,
        Runtime::UDiv,
        Runtime::SRem,
        Runtime::URem,
        Runtime::MulChecked,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Runtime::SDiv => "rt.sdiv128",
            Runtime::UDiv => "rt.udiv128",
            Runtime::SRem => "rt.srem128",
            Runtime::URem => "rt.urem128",
            Runtime::MulChecked => "rt.mul_checked128",
        }
    }

    fn function(self) -> Wide {
        match self {
            Runtime::SDiv => sdiv,
            Runtime::UDiv => udiv,
            Runtime::SRem => srem,
            Runtime::URem => urem,
            Runtime::MulChecked => mul_checked,
        }
    }
}

/// Address of the function with this symbol.
pub(crate) fn address(name: &str) -> Option<*const u8> {
    let runtime = Runtime::ALL.into_iter().find(|runtime| runtime.name() == name);
    runtime
        .map(|runtime| runtime.function() as *const u8)
        .or_else(|| rounding(name))
}

/// Symbol of a function that Cranelift itself may call.
pub(crate) fn libcall_name(call: LibCall) -> String {
    format!("rt.{call}")
}

fn rounding(name: &str) -> Option<*const u8> {
    let wide: extern "C" fn(f64) -> f64 = match name {
        "rt.CeilF64" => ceil64,
        "rt.FloorF64" => floor64,
        "rt.TruncF64" => trunc64,
        "rt.NearestF64" => nearest64,
        _ => return rounding_single(name),
    };
    Some(wide as *const u8)
}

fn rounding_single(name: &str) -> Option<*const u8> {
    let single: extern "C" fn(f32) -> f32 = match name {
        "rt.CeilF32" => ceil32,
        "rt.FloorF32" => floor32,
        "rt.TruncF32" => trunc32,
        "rt.NearestF32" => nearest32,
        _ => return None,
    };
    Some(single as *const u8)
}

macro_rules! round {
    ($($name:ident: $ty:ty = $method:ident;)*) => {
        $(extern "C" fn $name(x: $ty) -> $ty { x.$method() })*
    };
}
round! {
    ceil64: f64 = ceil; floor64: f64 = floor; trunc64: f64 = trunc; nearest64: f64 = round_ties_even;
    ceil32: f32 = ceil; floor32: f32 = floor; trunc32: f32 = trunc; nearest32: f32 = round_ties_even;
}

fn join(low: u64, high: u64) -> i128 {
    (i128::from(high as i64) << 64) | i128::from(low)
}

macro_rules! wide {
    ($($name:ident(|$a:ident, $b:ident| $result:expr);)*) => {$(
        extern "C" fn $name(out: *mut i128, a_low: u64, a_high: u64, b_low: u64, b_high: u64) -> u64 {
            let ($a, $b) = (join(a_low, a_high), join(b_low, b_high));
            let (result, flag): (i128, bool) = $result;
            // SAFETY: lowering passes the address of a stack slot of 16 bytes.
            unsafe { out.write_unaligned(result) };
            u64::from(flag)
        }
    )*};
}
wide! {
    sdiv(|a, b| (if b == 0 { 0 } else { a.wrapping_div(b) }, false));
    udiv(|a, b| ((a as u128).checked_div(b as u128).unwrap_or(0) as i128, false));
    srem(|a, b| (if b == 0 { 0 } else { a.wrapping_rem(b) }, false));
    urem(|a, b| ((a as u128).checked_rem(b as u128).unwrap_or(0) as i128, false));
    mul_checked(|a, b| a.overflowing_mul(b));
}
