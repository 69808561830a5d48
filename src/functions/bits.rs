//! Integers as bits.
//!
//! `bit_count(-1::integer)` is 32: negative numbers are two's complement in the width of their type.
//!
//! Invariants: unsigned numbers have no sign bit to count, although they lie in a wider signed layout.
//!
//! Does not: hold the operators on truth values.

use super::body::{Answer, Call, FunctionError, Scalar};
use super::emit;
use super::entry::strict;
use super::{Class, Function, Param as P, returns};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("bit_count", &[P::Integer], returns::smallint, bit_count)
        .inline(emit::bit_count)
        .doc("Number of bits that are 1", "bit_count(31) → 5"),
    strict("bit_and", BOTH, returns::first, |call, _| both(call, |a, b| a & b))
        .inline(|b, args| b.and(args.values[0], args.values[1]))
        .doc("Bits that are 1 in both", "bit_and(12, 10) → 8"),
    strict("bit_or", BOTH, returns::first, |call, _| both(call, |a, b| a | b))
        .inline(|b, args| b.or(args.values[0], args.values[1]))
        .doc("Bits that are 1 in either", "bit_or(12, 10) → 14"),
    strict("xor", BOTH, returns::first, |call, _| both(call, |a, b| a ^ b))
        .inline(|b, args| b.xor(args.values[0], args.values[1]))
        .doc("Bits that are 1 in exactly one", "xor(12, 10) → 6"),
    strict("shift_left", &[P::Integer, P::BigInt], returns::first, shift_left)
        .fallible()
        .doc(
            "Bits moved up; what the type cannot hold is an error",
            "shift_left(3, 4) → 48",
        ),
    strict("shift_right", &[P::Integer, P::BigInt], returns::first, shift_right)
        .fallible()
        .doc("Bits moved down, the sign kept", "shift_right(48, 4) → 3"),
];

const BOTH: &[P] = &[P::Common(Class::Integer), P::Common(Class::Integer)];

fn both<'a>(call: &Call<'a>, f: fn(i128, i128) -> i128) -> Answer<'a> {
    Ok(Scalar::Int(f(call.int(0)?, call.int(1)?)))
}

fn bit_count<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let bits = 8 * call.ty(0).physical().bytes().min(16);
    // The sign is repeated above the type's own width.
    let ones = (call.int(0)? << (128 - bits)).count_ones();
    Ok(Scalar::Int(ones.into()))
}

/// How far to shift; past the last bit is as far as the last bit.
fn distance(call: &Call<'_>) -> Result<u32, FunctionError> {
    let by = call.small(1)?;
    u32::try_from(by.min(127))
        .map_err(|_| FunctionError::new("22003", format!("cannot shift by a negative number: {by}")))
}

fn shift_left<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (v, by) = (call.int(0)?, distance(call)?);
    let shifted = v << by;
    call.checked((shifted >> by == v).then_some(shifted), "shift_left")
}

fn shift_right<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::Int(call.int(0)? >> distance(call)?))
}
