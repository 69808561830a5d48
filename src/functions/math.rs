//! Functions of doubles.
//!
//! `ln(0)` fails with 2201E: ``cannot take the logarithm of zero``; `exp(1000)` is infinity.
//!
//! Invariants: where the mathematical function has no value for a finite argument the call fails, but for `pow`, which
//! follows IEEE 754.
//!
//! Does not: round decimals; `numeric` does.

use super::body::{Answer, Call, FunctionError, Scalar};
use super::emit;
use super::entry::strict;
use super::{Function, Native, Param as P, returns};
use crate::types::uuid;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("sqrt", &[P::Double], returns::double, |call, _| sqrt(call))
        .native(Native::SquareRoot)
        .fallible()
        .doc("The square root", "sqrt(2) → 1.4142135623730951"),
    strict("cbrt", &[P::Double], returns::double, |call, _| total(call, f64::cbrt))
        .doc("The cube root", "cbrt(-8) → -2.0"),
    strict("exp", &[P::Double], returns::double, |call, _| total(call, f64::exp)).doc("e to the power", "exp(0) → 1.0"),
    strict("ln", &[P::Double], returns::double, |call, _| logarithm(call, f64::ln))
        .fallible()
        .doc("The natural logarithm", "ln(1) → 0.0"),
    strict("log10", &[P::Double], returns::double, |call, _| {
        logarithm(call, f64::log10)
    })
    .aka(&["log"])
    .fallible()
    .doc("The logarithm to base 10", "log10(1000) → 3.0"),
    strict("log2", &[P::Double], returns::double, |call, _| {
        logarithm(call, f64::log2)
    })
    .fallible()
    .doc("The logarithm to base 2", "log2(8) → 3.0"),
    strict("log", &[P::Double, P::Double], returns::double, |call, _| {
        log_base(call)
    })
    .fallible()
    .doc(
        "The logarithm of the second argument to the base of the first",
        "log(2, 64) → 6.0",
    ),
    strict("pow", &[P::Double, P::Double], returns::double, |call, _| {
        Ok(Scalar::Float(call.float(0)?.powf(call.float(1)?)))
    })
    .aka(&["power"])
    .doc("The first argument to the power of the second", "pow(2, 10) → 1024.0"),
    strict("sin", &[P::Double], returns::double, |call, _| circular(call, f64::sin))
        .fallible()
        .doc("Sine", "sin(0) → 0.0"),
    strict("cos", &[P::Double], returns::double, |call, _| circular(call, f64::cos))
        .fallible()
        .doc("Cosine", "cos(0) → 1.0"),
    strict("tan", &[P::Double], returns::double, |call, _| circular(call, f64::tan))
        .fallible()
        .doc("Tangent", "tan(0) → 0.0"),
    strict("cot", &[P::Double], returns::double, |call, _| cotangent(call))
        .fallible()
        .doc("Cotangent", "round(cot(1), 4) → 0.6421"),
    strict("asin", &[P::Double], returns::double, |call, _| {
        inverse(call, f64::asin)
    })
    .fallible()
    .doc("The angle of a sine", "asin(0) → 0.0"),
    strict("acos", &[P::Double], returns::double, |call, _| {
        inverse(call, f64::acos)
    })
    .fallible()
    .doc("The angle of a cosine", "acos(1) → 0.0"),
    strict("atan", &[P::Double], returns::double, |call, _| total(call, f64::atan))
        .doc("The angle of a tangent", "atan(0) → 0.0"),
    strict("atan2", &[P::Double, P::Double], returns::double, |call, _| {
        Ok(Scalar::Float(call.float(0)?.atan2(call.float(1)?)))
    })
    .doc(
        "The angle of the point with that ordinate and abscissa",
        "atan2(0, 1) → 0.0",
    ),
    strict("sinh", &[P::Double], returns::double, |call, _| total(call, f64::sinh))
        .doc("Hyperbolic sine", "sinh(0) → 0.0"),
    strict("cosh", &[P::Double], returns::double, |call, _| total(call, f64::cosh))
        .doc("Hyperbolic cosine", "cosh(0) → 1.0"),
    strict("tanh", &[P::Double], returns::double, |call, _| total(call, f64::tanh))
        .doc("Hyperbolic tangent", "tanh(0) → 0.0"),
    strict("pi", &[], returns::double, |_, _| {
        Ok(Scalar::Float(std::f64::consts::PI))
    })
    .inline(|b, _| b.f64const(std::f64::consts::PI))
    .doc("π", "pi() → 3.141592653589793"),
    strict("degrees", &[P::Double], returns::double, |call, _| {
        total(call, |v| v * DEGREES)
    })
    .inline(|b, args| emit::times(b, args, DEGREES))
    .doc("Radians as degrees", "degrees(pi()) → 180.0"),
    strict("radians", &[P::Double], returns::double, |call, _| {
        total(call, |v| v * RADIANS)
    })
    .inline(|b, args| emit::times(b, args, RADIANS))
    .doc("Degrees as radians", "radians(180) → 3.141592653589793"),
    strict("isnan", &[P::Float], returns::boolean, |call, _| {
        test(call, f64::is_nan)
    })
    .inline(emit::is_nan)
    .doc("Whether the value is NaN", "isnan(0e0) → false"),
    strict("isinf", &[P::Float], returns::boolean, |call, _| {
        test(call, f64::is_infinite)
    })
    .inline(emit::is_infinite)
    .doc("Whether the value is infinite", "isinf(exp(1000)) → true"),
    strict("isfinite", &[P::Float], returns::boolean, |call, _| {
        test(call, f64::is_finite)
    })
    .inline(emit::is_finite)
    .doc("Whether the value is neither infinite nor NaN", "isfinite(1e0) → true"),
    strict("random", &[], returns::double, |call, _| random(call))
        .volatile()
        .doc(
            "A random number from 0 up to, but not including, 1",
            "isfinite(random()) → true",
        ),
    strict("gen_random_uuid", &[], returns::uuid, |call, _| {
        Ok(Scalar::Int(uuid::random(call.env.random_wide())))
    })
    .aka(&["uuid", "uuidv4"])
    .volatile()
    .doc(
        "A new uuid of random bits (version 4)",
        "length(concat(gen_random_uuid())) → 36",
    ),
    strict("uuidv7", &[], returns::uuid, |call, _| {
        Ok(Scalar::Int(uuid::at_time(call.env.now_micros(), call.env.random_bits())))
    })
    .volatile()
    .doc(
        "A new uuid that begins with the time at which the statement began, in microseconds, and goes on with random bits (version 7)",
        "length(concat(uuidv7())) → 36",
    ),
];

const DEGREES: f64 = 180.0 / std::f64::consts::PI;
const RADIANS: f64 = std::f64::consts::PI / 180.0;

fn total<'a>(call: &Call<'a>, f: fn(f64) -> f64) -> Answer<'a> {
    call.float(0).map(|v| Scalar::Float(f(v)))
}

fn test<'a>(call: &Call<'a>, f: fn(f64) -> bool) -> Answer<'a> {
    call.float(0).map(|v| Scalar::boolean(f(v)))
}

fn sqrt<'a>(call: &Call<'a>) -> Answer<'a> {
    let v = call.float(0)?;
    if v < 0.0 {
        let message = format!("cannot take the square root of a negative number: {}", call.shown(0));
        return Err(FunctionError::new("2201F", message));
    }
    Ok(Scalar::Float(v.sqrt()))
}

/// An argument that has a logarithm.
fn positive(call: &Call<'_>, i: usize) -> Result<f64, FunctionError> {
    let v = call.float(i)?;
    if v == 0.0 {
        return Err(FunctionError::new("2201E", "cannot take the logarithm of zero"));
    }
    if v < 0.0 {
        let message = format!("cannot take the logarithm of a negative number: {}", call.shown(i));
        return Err(FunctionError::new("2201E", message));
    }
    Ok(v)
}

fn logarithm<'a>(call: &Call<'a>, f: fn(f64) -> f64) -> Answer<'a> {
    positive(call, 0).map(|v| Scalar::Float(f(v)))
}

fn log_base<'a>(call: &Call<'a>) -> Answer<'a> {
    let (base, v) = (positive(call, 0)?.log2(), positive(call, 1)?.log2());
    if base == 0.0 {
        return Err(FunctionError::new("2201E", "there is no logarithm to base 1"));
    }
    Ok(Scalar::Float(v / base))
}

fn out_of_range(call: &Call<'_>, what: &str) -> FunctionError {
    FunctionError::new("22003", format!("{what} is not defined for {}", call.shown(0)))
}

fn circular<'a>(call: &Call<'a>, f: fn(f64) -> f64) -> Answer<'a> {
    let v = call.float(0)?;
    if v.is_infinite() {
        return Err(out_of_range(call, "a trigonometric function"));
    }
    Ok(Scalar::Float(f(v)))
}

fn cotangent<'a>(call: &Call<'a>) -> Answer<'a> {
    if call.float(0)? == 0.0 {
        return Err(out_of_range(call, "the cotangent"));
    }
    circular(call, |v| v.tan().recip())
}

fn inverse<'a>(call: &Call<'a>, f: fn(f64) -> f64) -> Answer<'a> {
    let v = call.float(0)?;
    if v.abs() > 1.0 {
        return Err(out_of_range(call, "the inverse of sine or cosine"));
    }
    Ok(Scalar::Float(f(v)))
}

/// The top 53 bits as a fraction.
fn random<'a>(call: &Call<'a>) -> Answer<'a> {
    let bits = call.env.random_bits() >> 11;
    Ok(Scalar::Float(bits as f64 / (1u64 << 53) as f64))
}
