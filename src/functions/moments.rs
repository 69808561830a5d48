//! What sums of numbers, of their squares and of their products come to: variances, covariances, correlations, regressions.
//!
//! `var_samp(x)` is `variance_of(count(x), s, q, 1)`, where `s` and `q` are the exact sums of `x` and of `x * x`: `n q - s s` over
//! `n (n - 1)`.
//!
//! Invariants: sums come as the bits of an [`Exact`].
//!
//! Does not: add anything up; the states of aggregates do.

use super::body::{Answer, Call, FunctionError, Scalar};
use super::entry::strict;
use super::{Function, Param as P, returns};
use crate::types::exact::Exact;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("variance_of", &[P::BigInt, P::Integer, P::Integer, P::BigInt], returns::double, |call, _| {
        if !complete(call) {
            return Ok(Scalar::Null);
        }
        let (n, less) = (call.small(0)?, call.small(3)?);
        if n <= less {
            return Ok(Scalar::Null);
        }
        let sum = sum(call, 1)?;
        float(positive(spread(n, sum, sum, self::sum(call, 2)?)) / (n as f64 * n.saturating_sub(less) as f64))
    })
    .sees_nulls()
    .doc(
        "The variance of so many numbers, of which the exact sums of themselves and of their squares are known, divided by so many less; NULL if none are left",
        "variance_of(2, 0, 0, 1) → 0.0",
    ),
    strict(
        "covariance_of",
        &[P::BigInt, P::Integer, P::Integer, P::Integer, P::BigInt],
        returns::double,
        |call, _| {
            if !complete(call) {
                return Ok(Scalar::Null);
            }
            let (n, less) = (call.small(0)?, call.small(4)?);
            if n <= less {
                return Ok(Scalar::Null);
            }
            float(spread(n, sum(call, 1)?, sum(call, 2)?, sum(call, 3)?) / (n as f64 * n.saturating_sub(less) as f64))
        },
    )
    .sees_nulls()
    .doc(
        "The covariance of so many pairs, of which the exact sums of either side and of the products are known, divided by so many less; NULL if none are left",
        "covariance_of(2, 0, 0, 0, 1) → 0.0",
    ),
    strict("regression_of", REGRESSION, returns::double, |call, _| regression(call)).sees_nulls().doc(
        "A figure of the regression of so many pairs (0: the correlation, 1: its square, 2: the slope, 3: the intercept), of which the \
         exact sums of y, x, y², x² and of the products are known; NULL if there is none",
        "regression_of(2, 0, 0, 0, 0, 0, 2) → NULL",
    ),
];

const REGRESSION: &[P] = &[
    P::BigInt,
    P::Integer,
    P::Integer,
    P::Integer,
    P::Integer,
    P::Integer,
    P::BigInt,
];

fn regression<'a>(call: &Call<'a>) -> Answer<'a> {
    if !complete(call) {
        return Ok(Scalar::Null);
    }
    let n = call.small(0)?;
    let (y, x, xy) = (sum(call, 1)?, sum(call, 2)?, sum(call, 5)?);
    let (yy, xx, xy) = (
        spread(n, y, y, sum(call, 3)?),
        spread(n, x, x, sum(call, 4)?),
        spread(n, y, x, xy),
    );
    if n < 1 || xx <= 0.0 {
        return Ok(Scalar::Null);
    }
    let correlation = (xy / (xx.sqrt() * yy.max(0.0).sqrt())).clamp(-1.0, 1.0);
    let slope = xy / xx;
    match call.small(6)? {
        0 if yy <= 0.0 => Ok(Scalar::Null),
        0 => float(correlation),
        // A level line explains all that there is of a constant.
        1 if yy <= 0.0 => float(1.0),
        1 => float(correlation * correlation),
        2 => float(slope),
        _ => float((y.0 - slope * x.0) / n as f64),
    }
}

/// Rounding may leave a little less than nothing; what is no number stays none.
fn positive(spread: f64) -> f64 {
    if spread < 0.0 { 0.0 } else { spread }
}

/// No argument is NULL; if one is, so is the result, as it may be of others too.
fn complete(call: &Call<'_>) -> bool {
    !call.args.contains(&Scalar::Null)
}

fn float<'a>(value: f64) -> Answer<'a> {
    Ok(Scalar::Float(value))
}

fn sum(call: &Call<'_>, i: usize) -> Result<Exact, FunctionError> {
    call.int(i).map(Exact::from_bits)
}

/// `n ab - a b`: n² times the covariance of a population.
fn spread(n: i64, a: Exact, b: Exact, ab: Exact) -> f64 {
    let n = n as f64;
    let (left, right) = (Exact::product(n, ab.0), Exact::product(a.0, b.0));
    let difference = left.plus(Exact(-right.0, -right.1));
    difference.0 + (difference.1 + n * ab.1 - a.0 * b.1 - a.1 * b.0)
}
