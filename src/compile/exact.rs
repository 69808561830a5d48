//! Exact sums of doubles and of products of two doubles, to 106 bits.
//!
//! The state of `exact_sum(x * x)` is two doubles, `high` and `low`: the product `p` and what it lacks are found without error, so is
//! the sum of `high` and `p` and what that lacks; what was lacking is added to `low`.
//!
//! The algorithms are Knuth's sum of two and Dekker's product of two ("A floating-point technique for extending the available
//! precision", 1971).
//!
//! Invariants: `high` is in the upper half of the state's 128 bits; a state of zeros is the sum of nothing.
//!
//! Does not: keep finite what is too large for a double.

use gobi_jit::ir::{Type, Value};

use super::emit::Emitter;
use super::value::{Kind, Nullable};

/// The state with one more number, or product of two; rows that do not count add zero.
pub(super) fn add(
    e: &mut Emitter<'_>,
    old: &Nullable,
    value: &Nullable,
    times: Option<&Nullable>,
    counts: Option<Value>,
) -> Nullable {
    let number = |e: &mut Emitter<'_>, value: &Nullable| {
        let double = match value.kind {
            Kind::F32 => e.b.promote(value.value),
            _ => value.value,
        };
        let Some(counts) = counts else { return double };
        let zero = e.b.f64const(0.0);
        e.b.select(counts, double, zero)
    };
    let value = number(e, value);
    let (value, lost) = match times {
        Some(times) => {
            let times = number(e, times);
            let (product, lost) = product(e, value, times);
            (product, Some(lost))
        }
        None => (value, None),
    };
    more(e, old, value, lost)
}

/// Two states as one.
pub(super) fn merge(e: &mut Emitter<'_>, old: &Nullable, other: &Nullable) -> Nullable {
    let (high, low) = parts(e, other);
    more(e, old, high, Some(low))
}

fn more(e: &mut Emitter<'_>, old: &Nullable, value: Value, lost: Option<Value>) -> Nullable {
    let (high, mut low) = parts(e, old);
    let sum = e.b.fadd(high, value);
    let back = e.b.fsub(sum, high);
    let rest = e.b.fsub(sum, back);
    let rest = e.b.fsub(high, rest);
    let missed = e.b.fsub(value, back);
    let missed = e.b.fadd(rest, missed);
    low = e.b.fadd(low, missed);
    if let Some(lost) = lost {
        low = e.b.fadd(low, lost);
    }
    let (high, low) = (wide(e, sum), wide(e, low));
    let half = e.b.iconst128(64);
    let high = e.b.shl(high, half);
    Nullable::new(e.b.or(high, low), Kind::Wide, None)
}

/// The two doubles of a state.
fn parts(e: &mut Emitter<'_>, state: &Nullable) -> (Value, Value) {
    let half = e.b.iconst128(64);
    let high = e.b.ushr(state.value, half);
    let (high, low) = (e.b.trunc(high, Type::I64), e.b.trunc(state.value, Type::I64));
    (e.b.bitcast(high, Type::F64), e.b.bitcast(low, Type::F64))
}

fn wide(e: &mut Emitter<'_>, double: Value) -> Value {
    let bits = e.b.bitcast(double, Type::I64);
    e.b.uext(bits, Type::I128)
}

/// The product and what it lacks.
fn product(e: &mut Emitter<'_>, a: Value, b: Value) -> (Value, Value) {
    let product = e.b.fmul(a, b);
    let (a_high, a_low) = halves(e, a);
    let (b_high, b_low) = if a == b { (a_high, a_low) } else { halves(e, b) };
    let mut lost = e.b.fmul(a_high, b_high);
    lost = e.b.fsub(lost, product);
    for (x, y) in [(a_high, b_low), (a_low, b_high), (a_low, b_low)] {
        let part = e.b.fmul(x, y);
        lost = e.b.fadd(lost, part);
    }
    (product, lost)
}

/// Veltkamp's split into 26 bits each.
fn halves(e: &mut Emitter<'_>, x: Value) -> (Value, Value) {
    let splitter = e.b.f64const(134_217_729.0);
    let scaled = e.b.fmul(x, splitter);
    let over = e.b.fsub(scaled, x);
    let high = e.b.fsub(scaled, over);
    (high, e.b.fsub(x, high))
}
