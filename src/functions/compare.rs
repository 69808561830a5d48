//! The greatest and the least of several values.
//!
//! `greatest(1, NULL, 3)` is 3: NULLs are left out, and the result is NULL only if all are.
//!
//! Invariants: NaN is above all other floats; -0.0 and 0.0 are equal, and the earlier one stays; strings compare by
//! their bytes, intervals with months of 30 days.
//!
//! Does not: compare nested values.

use std::cmp::Ordering;

use super::body::{Answer, Call, FunctionError, Scalar};
use super::entry::strict;
use super::{Class, Function, Param as P, returns};
use crate::types::Interval;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("greatest", &[P::Common(Class::Any)], returns::first, |call, _| {
        pick(call, Ordering::Greater)
    })
    .variadic()
    .sees_nulls()
    .doc(
        "The greatest of the arguments that are not NULL",
        "greatest(1, NULL, 3) → 3",
    ),
    strict("least", &[P::Common(Class::Any)], returns::first, |call, _| {
        pick(call, Ordering::Less)
    })
    .variadic()
    .sees_nulls()
    .doc("The least of the arguments that are not NULL", "least('b', 'a') → a"),
    strict("single_row", &[P::BigInt], returns::boolean, |call, _| single(call))
        .fallible()
        .doc(
            "True; an error if the argument, a number of rows, is above 1: what a subquery is held to that is used as a value",
            "single_row(1) → true",
        ),
];

fn single<'a>(call: &Call<'a>) -> Answer<'a> {
    match call.int(0)? {
        ..=1 => Ok(Scalar::boolean(true)),
        _ => {
            let message = "a subquery used as a value gives more than one row";
            Err(FunctionError::new("21000", message))
        }
    }
}

fn pick<'a>(call: &Call<'a>, wanted: Ordering) -> Answer<'a> {
    let values = call.args.iter().copied().filter(|arg| *arg != Scalar::Null);
    let best = values.reduce(|best, next| if order(&next, &best) == wanted { next } else { best });
    Ok(best.unwrap_or(Scalar::Null))
}

fn order(a: &Scalar<'_>, b: &Scalar<'_>) -> Ordering {
    match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => a.cmp(b),
        (Scalar::Float(a), Scalar::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Scalar::Bytes(a), Scalar::Bytes(b)) => a.cmp(b),
        (Scalar::Interval(a), Scalar::Interval(b)) => micros(a).cmp(&micros(b)),
        _ => Ordering::Equal,
    }
}

fn micros(interval: &Interval) -> i128 {
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    days * 86_400_000_000 + i128::from(interval.micros)
}
