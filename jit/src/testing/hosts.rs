//! Host functions that test modules call: every type that can cross, and every number of parameters.
//!
//! Example: `test.mix(true, -1, 2, ptr, 0.5)` is a number that depends on each argument.
//!
//! Invariants: pure, or writing only through the pointers they are given.
//!
//! Does not: anything useful.

use crate::HostTable;

extern "C" fn nothing() {}

extern "C" fn one() -> i64 {
    1
}

extern "C" fn negate(x: i32) -> i32 {
    x.wrapping_neg()
}

extern "C" fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

extern "C" fn mix(flag: bool, small: i8, word: i64, ptr: *const u8, float: f64) -> i64 {
    let float = if float.is_nan() { 0 } else { float.to_bits() as i64 };
    let address = ptr.addr() as i64;
    word.wrapping_mul(31)
        .wrapping_add(i64::from(small))
        .rotate_left(u32::from(flag))
        ^ float
        ^ address
}

extern "C" fn half(x: f64) -> f64 {
    // A NaN's payload could differ between the two ways to run; it must not reach memory.
    if x.is_nan() { 0.0 } else { x / 2.0 }
}

extern "C" fn sign(x: i64) -> i8 {
    x.signum() as i8
}

extern "C" fn is_odd(x: u32) -> bool {
    x % 2 == 1
}

extern "C" fn same(ptr: *mut u8) -> *mut u8 {
    ptr
}

#[allow(clippy::too_many_arguments)]
extern "C" fn eight(a: i64, b: i32, c: i8, d: f64, e: i64, f: u64, g: f64, h: i64) -> i64 {
    let ints = [a, i64::from(b), i64::from(c), e, f as i64, h];
    let floats = [d, g].map(|x| if x.is_nan() { 0 } else { x.to_bits() as i64 });
    ints.into_iter()
        .chain(floats)
        .fold(0, |sum: i64, x| sum.wrapping_mul(1_000_003).wrapping_add(x))
}

crate::host_functions! {
    /// The functions, to be used in a [`HostTable`].
    pub static HOSTS = {
        "test.nothing" => nothing();
        "test.one" => one() -> i64;
        "test.negate" => negate(x: i32) -> i32;
        "test.add" => add(a: i64, b: i64) -> i64;
        "test.mix" => mix(flag: bool, small: i8, word: i64, ptr: *const u8, float: f64) -> i64;
        "test.half" => half(x: f64) -> f64;
        "test.sign" => sign(x: i64) -> i8;
        "test.is_odd" => is_odd(x: u32) -> bool;
        "test.same" => same(ptr: *mut u8) -> *mut u8;
        "test.eight" => eight(a: i64, b: i32, c: i8, d: f64, e: i64, f: u64, g: f64, h: i64) -> i64;
    };
}

/// A table of all of them.
pub fn host_table() -> HostTable {
    HostTable::new(&HOSTS)
}
