//! Arithmetic in 64 bits: which check an operation needs, and cheaper ways to compute some.
//!
//! `i + 1` fails if `i` is the greatest bigint, and is a bare addition behind that comparison; `x % 2` of an `x` that is not negative is its last
//! bit, and `3 * x` an address.
//!
//! Invariants: nothing wraps that is not refused.
//!
//! Does not: know types; ranges tell what can happen.

use gobi_jit::ir::{IntCond, Type, Value};

use super::arith::checked;
use super::emit::Emitter;
use super::value::{Kind, Nullable};
use crate::plan::physical::logical::ArithOp;

/// Bounds, if any are known.
type Range = Option<(i128, i128)>;

/// The value of what has only one.
pub(super) fn only(x: &Nullable) -> Option<i128> {
    x.range.filter(|(low, high)| low == high).map(|(value, _)| value)
}

/// A product with a constant is a multiple of it: three times something is at most the greatest bigint less one.
pub(super) fn multiples(op: ArithOp, range: Range, factors: [&Nullable; 2]) -> Range {
    let by = factors.into_iter().filter_map(only).find(|by| *by > 1);
    match (op, range, by) {
        (ArithOp::Mul, Some((low, high)), Some(by)) => Some((low, high - high.rem_euclid(by))),
        _ => range,
    }
}

/// The part of a range that lies within another one.
pub(super) fn common(inner: Range, outer: Range) -> Range {
    match (inner, outer) {
        (Some(inner), Some(outer)) => {
            let both = (inner.0.max(outer.0), inner.1.min(outer.1));
            // Where they have nothing in common, there is no value, but an error.
            Some(if both.0 <= both.1 { both } else { outer })
        }
        (inner, outer) => inner.or(outer),
    }
}

impl Emitter<'_> {
    /// An operation in 64 bits that may overflow. Where a constant takes part, a comparison of the other operand says so before: a flag
    /// of the processor would have to be brought into a register first.
    pub(super) fn narrow_step(
        &mut self,
        op: ArithOp,
        (x, y): (&Nullable, &Nullable),
        valid: Option<Value>,
        site: usize,
    ) -> Value {
        let (of, by) = match (op, only(x)) {
            (ArithOp::Add | ArithOp::Mul, Some(by)) => (y, Some(by)),
            _ => (x, only(y)),
        };
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        let never_negative = of.range.is_some_and(|(least, _)| least >= 0);
        let limit = match (op, by) {
            (ArithOp::Add, Some(by)) if by > 0 => Some((IntCond::Sgt, most - by)),
            (ArithOp::Add, Some(by)) => Some((IntCond::Slt, least - by)),
            (ArithOp::Sub, Some(by)) if by > 0 => Some((IntCond::Slt, least + by)),
            (ArithOp::Sub, Some(by)) => Some((IntCond::Sgt, most + by)),
            (ArithOp::Mul, Some(by)) if by > 0 && never_negative => Some((IntCond::Sgt, most / by)),
            _ => None,
        };
        if let Some((outside, limit)) = limit {
            let limit = self.b.iconst(Type::I64, limit);
            let overflow = self.b.icmp(outside, of.value, limit);
            self.fail_if(overflow, valid, site, &[x, y]);
            return match by {
                Some(by) if op == ArithOp::Mul => self.times(of.value, by),
                _ => self.plain(op, x.value, y.value),
            };
        }
        let (value, overflow) = self.b.checked(checked(op), x.value, y.value);
        // The left operand is computed back, so that its register is free for the result: it is often the variable that is assigned.
        self.fail_with(overflow, valid, site, |e| {
            let left = match op {
                ArithOp::Add => e.b.sub(value, y.value),
                ArithOp::Sub => e.b.add(value, y.value),
                _ => x.value,
            };
            [
                Nullable {
                    value: left,
                    ..x.clone()
                },
                y.clone(),
            ]
            .to_vec()
        });
        value
    }

    /// A product that fits; of some factors, the processor computes it as an address.
    pub(super) fn times(&mut self, x: Value, by: i128) -> Value {
        match by {
            3 | 5 | 9 => {
                let shift = self.b.iconst(Type::I64, i64::from((by - 1).trailing_zeros()));
                let more = self.b.shl(x, shift);
                self.b.add(x, more)
            }
            _ => {
                let by = self.b.iconst(Type::I64, by);
                self.b.mul(x, by)
            }
        }
    }

    /// Of a number that is not negative, divided by a power of two: a shift, or its low bits.
    pub(super) fn divide_by_power(&mut self, op: ArithOp, x: &Nullable, y: &Nullable) -> Option<Value> {
        let (least, _) = x.range?;
        let divisor = only(y)?;
        let is_power = divisor > 0 && divisor & (divisor - 1) == 0;
        if x.kind != Kind::Int || least < 0 || !is_power {
            return None;
        }
        match op {
            ArithOp::Rem => {
                let bits = self.b.iconst(Type::I64, divisor - 1);
                Some(self.b.and(x.value, bits))
            }
            ArithOp::IntDiv => {
                let by = self.b.iconst(Type::I64, i64::from(divisor.trailing_zeros()));
                Some(self.b.ushr(x.value, by))
            }
            _ => None,
        }
    }
}
