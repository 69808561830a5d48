//! Looking up ranges in a sorted join table.
//!
//! For `e_at BETWEEN 10 AND 20` over events at `[3, 10, 12, 20, 21]` the first place that is not below 10 is 1 and the first above 20 is
//! 4: the partners stand at 1, 2 and 3.
//!
//! Invariants: a place is given as its number plus one, and 0 where there is none.
//!
//! Does not: read the rows; only their keys, which the index holds in order.

use gobi_jit::ir::{IntCond, Type, Value};

use super::emit::Emitter;
use super::frame::Slot;
use super::stages::as_int;
use super::value::{Nullable, both};
use crate::plan::physical::{JoinStrategy, JoinTable};

/// The first and the last place of the range that the keys bound.
pub(super) fn find(e: &mut Emitter<'_>, join: usize, table: &JoinTable, keys: &[Nullable]) -> (Value, Value) {
    let JoinStrategy::Sorted { lower, upper } = table.strategy else {
        let none = e.b.iconst(Type::I64, 0);
        return (none, none);
    };
    let count = e.slot_number(Slot::JoinShift { join });
    let mut keys_left = keys.iter();
    let mut place = |e: &mut Emitter<'_>, side: Option<bool>, strict_passes: bool| {
        let (strict, key) = (side?, keys_left.next()?);
        let limit = as_int(e, key);
        // Keys below the range: those less than its lower limit, or as large if that is outside. And those in it and below:
        // the ones that the upper limit lets pass.
        let passed = if strict == strict_passes {
            IntCond::Sle
        } else {
            IntCond::Slt
        };
        Some(search(e, join, count, limit, passed))
    };
    let zero = e.b.iconst(Type::I64, 0);
    let from = place(e, lower, true).unwrap_or(zero);
    let to = place(e, upper, false).unwrap_or(count);
    let one = e.b.iconst(Type::I64, 1);
    let first = e.b.add(from, one);
    let mut there = e.b.icmp(IntCond::Slt, from, to);
    let valid = keys.iter().fold(None, |valid, key| both(&mut e.b, valid, key.valid));
    if let Some(valid) = valid {
        there = e.b.and(there, valid);
    }
    (e.b.select(there, first, zero), to)
}

/// How many of the sorted keys pass `key cond limit`, all of which stand before the others.
fn search(e: &mut Emitter<'_>, join: usize, count: Value, limit: Value, cond: IntCond) -> Value {
    let keys = e.slot(Slot::JoinIndex { join });
    let (base, length) = (e.b.local(Type::I64), e.b.local(Type::I64));
    let (zero, one) = (e.b.iconst(Type::I64, 0), e.b.iconst(Type::I64, 1));
    e.b.set(base, zero);
    e.b.set(length, count);
    let (test, body, done) = (e.b.block(), e.b.block(), e.b.block());
    e.b.jump(test);
    e.b.switch_to(test);
    let left = e.b.get(length);
    let more = e.b.icmp(IntCond::Sgt, left, zero);
    e.b.branch(more, body, done);
    e.b.switch_to(body);
    let half = e.b.ushr(left, one);
    let start = e.b.get(base);
    let middle = e.b.add(start, half);
    let address = e.b.index(keys, middle, 8, 0);
    let key = e.b.load(Type::I64, address, 0);
    let passes = e.b.icmp(cond, key, limit);
    let behind = e.b.add(middle, one);
    let next = e.b.select(passes, behind, start);
    e.b.set(base, next);
    let rest = e.b.sub(left, half);
    let rest = e.b.sub(rest, one);
    let next = e.b.select(passes, rest, half);
    e.b.set(length, next);
    e.b.jump(test);
    e.b.switch_to(done);
    e.b.get(base)
}

/// The row at a place, and the place behind it, or 0 behind the last.
pub(super) fn partner(e: &mut Emitter<'_>, join: usize, place: Value, last: Value) -> (Value, Value) {
    let keys = e.slot(Slot::JoinIndex { join });
    let count = e.slot_number(Slot::JoinShift { join });
    let numbers = e.b.index(keys, count, 8, 0);
    let address = e.b.index(numbers, place, 4, -4);
    let row = e.b.load(Type::I32, address, 0);
    let row = e.b.uext(row, Type::I64);
    let (zero, one) = (e.b.iconst(Type::I64, 0), e.b.iconst(Type::I64, 1));
    let next = e.b.add(place, one);
    let more = e.b.icmp(IntCond::Slt, place, last);
    (row, e.b.select(more, next, zero))
}
