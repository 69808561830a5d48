//! Arithmetic that keeps the type of its argument: absolute value, rounding, remainders.
//!
//! `round(2.45, 1)` is 2.50, a decimal as its argument was: 245 at scale 2 becomes 250.
//!
//! Invariants: integers and decimals never pass through a float; a result that its type cannot hold is an error.
//!
//! Does not: hold what is only defined on doubles.

use super::body::{Answer, Call, FunctionError, Scalar};
use super::emit;
use super::entry::strict;
use super::{Class, Function, Param as P, returns};
use crate::types::LogicalType;
use crate::types::cast::{div_round, pow10};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("abs", &[P::Integer], returns::first, abs)
        .fallible()
        .doc("The value without its sign", "abs(-7) → 7"),
    strict("abs", &[P::Decimal], returns::first, abs)
        .inline(emit::abs)
        .doc("The value without its sign", "abs(-1.50) → 1.50"),
    strict("abs", &[P::Float], returns::first, |call, _| float(call, f64::abs))
        .inline(emit::abs)
        .doc("The value without its sign", "abs(-1.5e0) → 1.5"),
    strict("sign", &[P::Integer], returns::tinyint, sign)
        .inline(emit::sign)
        .doc("-1, 0 or 1", "sign(-7) → -1"),
    strict("sign", &[P::Decimal], returns::tinyint, sign)
        .inline(emit::sign)
        .doc("-1, 0 or 1", "sign(0.5) → 1"),
    strict("sign", &[P::Float], returns::tinyint, sign)
        .inline(emit::sign)
        .doc("-1, 0 or 1; 0 for NaN", "sign(-0.5e0) → -1"),
    strict("round", &[P::Integer], returns::first, same)
        .inline(emit::same)
        .doc("The integer itself", "round(7) → 7"),
    strict("round", &[P::Decimal], whole, |call, _| {
        scaled(call, div_round, "round")
    })
    .doc("To the nearest integer, halves away from zero", "round(-2.50) → -3"),
    strict("round", &[P::Float], returns::first, |call, _| float(call, f64::round))
        .doc("To the nearest integer, halves away from zero", "round(2.5e0) → 3.0"),
    strict("round", &[P::Integer, P::BigInt], returns::first, |call, _| {
        places(call, div_round, "round")
    })
    .fallible()
    .doc(
        "To a power of ten for a negative second argument",
        "round(1250, -2) → 1300",
    ),
    strict("round", &[P::Decimal, P::BigInt], wider, |call, _| {
        places(call, div_round, "round")
    })
    .fallible()
    .doc(
        "To so many digits after the point, halves away from zero; the scale stays",
        "round(2.455, 2) → 2.460",
    ),
    strict("round", &[P::Float, P::BigInt], returns::first, |call, _| {
        float_places(call, f64::round)
    })
    .doc(
        "To so many digits after the point, halves away from zero",
        "round(2.46e0, 1) → 2.5",
    ),
    strict("trunc", &[P::Integer], returns::first, same)
        .aka(&["truncate"])
        .inline(emit::same)
        .doc("The integer itself", "trunc(7) → 7"),
    strict("trunc", &[P::Decimal], whole, |call, _| {
        scaled(call, div_trunc, "trunc")
    })
    .aka(&["truncate"])
    .doc("Without the digits after the point", "trunc(-2.75) → -2"),
    strict("trunc", &[P::Float], returns::first, |call, _| float(call, f64::trunc))
        .aka(&["truncate"])
        .inline(emit::trunc)
        .doc("Without the digits after the point", "trunc(-2.75e0) → -2.0"),
    strict("trunc", &[P::Integer, P::BigInt], returns::first, |call, _| {
        places(call, div_trunc, "trunc")
    })
    .aka(&["truncate"])
    .fallible()
    .doc(
        "Down to a power of ten for a negative second argument",
        "trunc(1250, -2) → 1200",
    ),
    strict("trunc", &[P::Decimal, P::BigInt], wider, |call, _| {
        places(call, div_trunc, "trunc")
    })
    .aka(&["truncate"])
    .fallible()
    .doc(
        "With only so many digits after the point; the scale stays",
        "trunc(2.455, 2) → 2.450",
    ),
    strict("trunc", &[P::Float, P::BigInt], returns::first, |call, _| {
        float_places(call, f64::trunc)
    })
    .aka(&["truncate"])
    .doc("With only so many digits after the point", "trunc(2.46e0, 1) → 2.4"),
    strict("floor", &[P::Integer], returns::first, same)
        .inline(emit::same)
        .doc("The integer itself", "floor(7) → 7"),
    strict("floor", &[P::Decimal], whole, |call, _| {
        scaled(call, i128::div_euclid, "floor")
    })
    .doc("The next integer below, or the value if it is one", "floor(-2.25) → -3"),
    strict("floor", &[P::Float], returns::first, |call, _| float(call, f64::floor))
        .inline(emit::floor)
        .doc(
            "The next integer below, or the value if it is one",
            "floor(-2.25e0) → -3.0",
        ),
    strict("ceil", &[P::Integer], returns::first, same)
        .aka(&["ceiling"])
        .inline(emit::same)
        .doc("The integer itself", "ceil(7) → 7"),
    strict("ceil", &[P::Decimal], whole, |call, _| scaled(call, div_ceil, "ceil"))
        .aka(&["ceiling"])
        .doc("The next integer above, or the value if it is one", "ceil(2.25) → 3"),
    strict("ceil", &[P::Float], returns::first, |call, _| float(call, f64::ceil))
        .aka(&["ceiling"])
        .inline(emit::ceil)
        .doc(
            "The next integer above, or the value if it is one",
            "ceil(2.25e0) → 3.0",
        ),
    strict(
        "mod",
        &[P::Common(Class::Number), P::Common(Class::Number)],
        returns::first,
        modulo,
    )
    .fallible()
    .doc("The remainder, with the sign of the dividend", "mod(-7, 3) → -1"),
    strict(
        "gcd",
        &[P::Common(Class::Integer), P::Common(Class::Integer)],
        returns::first,
        gcd,
    )
    .aka(&["greatest_common_divisor"])
    .fallible()
    .doc("The greatest common divisor", "gcd(42, 57) → 3"),
    strict(
        "lcm",
        &[P::Common(Class::Integer), P::Common(Class::Integer)],
        returns::first,
        lcm,
    )
    .aka(&["least_common_multiple"])
    .fallible()
    .doc("The least common multiple", "lcm(4, 6) → 12"),
    strict("factorial", &[P::BigInt], |_| LogicalType::HugeInt, factorial)
        .fallible()
        .doc("The product of all integers from 1 on", "factorial(5) → 120"),
];

/// A decimal without digits after the point; one more before it, since rounding may carry.
fn whole(args: &[LogicalType]) -> LogicalType {
    match returns::first(args) {
        LogicalType::Decimal { precision, scale } if scale > 0 => LogicalType::Decimal {
            precision: precision.saturating_sub(scale) + 1,
            scale: 0,
        },
        other => other,
    }
}

/// A decimal with one digit more before the point, since rounding may carry.
fn wider(args: &[LogicalType]) -> LogicalType {
    match returns::first(args) {
        LogicalType::Decimal { precision, scale } => LogicalType::Decimal {
            precision: (precision + 1).min(38),
            scale,
        },
        other => other,
    }
}

fn same<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    call.int(0).map(Scalar::Int)
}

fn float<'a>(call: &Call<'a>, f: fn(f64) -> f64) -> Answer<'a> {
    call.float(0).map(|v| Scalar::Float(f(v)))
}

fn abs<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    call.checked(call.int(0)?.checked_abs(), "abs")
}

fn sign<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::Int(match call.args.first() {
        Some(Scalar::Float(v)) => i128::from(*v > 0.0) - i128::from(*v < 0.0),
        _ => call.int(0)?.signum(),
    }))
}

fn div_trunc(value: i128, divisor: i128) -> i128 {
    value / divisor
}

fn div_ceil(value: i128, divisor: i128) -> i128 {
    -(-value).div_euclid(divisor)
}

/// A decimal divided down to scale 0.
fn scaled<'a>(call: &Call<'a>, divide: fn(i128, i128) -> i128, what: &str) -> Answer<'a> {
    let value = call.int(0)?;
    call.checked(pow10(call.scale(0)).map(|unit| divide(value, unit)), what)
}

/// An integer or decimal divided down to the second argument's digits after the point, at its own scale.
fn places<'a>(call: &Call<'a>, divide: fn(i128, i128) -> i128, what: &str) -> Answer<'a> {
    let value = call.int(0)?;
    let dropped = i64::from(call.scale(0)).saturating_sub(call.small(1)?);
    if dropped <= 0 {
        return Ok(Scalar::Int(value));
    }
    // Past 10^38 nothing is left: no value of 128 bits reaches half of the next power.
    let unit = u8::try_from(dropped).ok().and_then(pow10);
    call.checked(unit.map_or(Some(0), |unit| divide(value, unit).checked_mul(unit)), what)
}

fn float_places<'a>(call: &Call<'a>, round: fn(f64) -> f64) -> Answer<'a> {
    let (value, places) = (call.float(0)?, call.small(1)?.clamp(-400, 400));
    if !value.is_finite() {
        return Ok(Scalar::Float(value));
    }
    let factor = 10f64.powi(i32::try_from(places.abs()).unwrap_or(400));
    let result = if places >= 0 {
        round(value * factor) / factor
    } else {
        round(value / factor) * factor
    };
    // The factor overflows where the value has no digits to lose, or none to keep.
    let lost = if places >= 0 { value } else { 0.0 };
    Ok(Scalar::Float(if result.is_finite() { result } else { lost }))
}

fn modulo<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    if let (Some(Scalar::Float(a)), Some(Scalar::Float(b))) = (call.args.first(), call.args.get(1)) {
        return Ok(Scalar::Float(a % b));
    }
    let (a, b) = (call.int(0)?, call.int(1)?);
    if b == 0 {
        return Err(FunctionError::new(
            "22012",
            format!("division by zero: mod({}, 0)", call.shown(0)),
        ));
    }
    Ok(Scalar::Int(a.wrapping_rem(b)))
}

/// Euclid's algorithm.
fn gcd_of(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn gcd<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let gcd = gcd_of(call.int(0)?.unsigned_abs(), call.int(1)?.unsigned_abs());
    call.checked(i128::try_from(gcd).ok(), "gcd")
}

fn lcm<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (a, b) = (call.int(0)?.unsigned_abs(), call.int(1)?.unsigned_abs());
    let lcm = match gcd_of(a, b) {
        0 => Some(0),
        gcd => (a / gcd).checked_mul(b),
    };
    call.checked(lcm.and_then(|v| i128::try_from(v).ok()), "lcm")
}

fn factorial<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let n = call.int(0)?;
    if n < 0 {
        return Err(FunctionError::new("22003", format!("factorial({n}) is not defined")));
    }
    // 34! no longer fits; no need to go on.
    let product = (1..=n.min(34)).try_fold(1i128, i128::checked_mul);
    call.checked(product, "factorial")
}
