//! Constants worth testing: the edges of every type, and now and then any bits.
//!
//! Example: for `i8` one of 0, 1, -1, -128, 127, 64, or a random byte.
//!
//! Invariants: NaN is always the canonical one.
//!
//! Does not: know the module that it is used in.

use super::Source;
use crate::FunctionBuilder;
use crate::ir::{Type, Value};

const DOUBLES: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.5,
    2.5,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN_POSITIVE,
    9_223_372_036_854_775_808.0,
    -2_147_483_648.5,
    1e-310,
];

/// Bits of an interesting integer of this width.
pub(super) fn integer(source: &mut Source, bits: u32) -> i128 {
    let min = i128::MIN >> (128 - bits);
    let edges = [
        0,
        1,
        -1,
        min,
        !min,
        2,
        7,
        10,
        100,
        min + 1,
        !min - 1,
        1 << (bits / 2 - 1),
        -(1 << (bits / 2)),
    ];
    if source.one_in(4) {
        let wide = i128::from(source.word() as i64) << 64 | i128::from(source.word());
        return wide >> (128 - bits);
    }
    source.pick(&edges).clamp(min, !min)
}

/// An interesting float.
pub(super) fn float(source: &mut Source) -> f64 {
    if source.one_in(4) {
        source.word() as i64 as f64 / 1024.0
    } else {
        source.pick(&DOUBLES)
    }
}

/// Emits a constant of any type; vectors are a constant in all lanes.
pub(super) fn emit(b: &mut FunctionBuilder, source: &mut Source, ty: Type) -> Value {
    match ty {
        Type::F32 => {
            let value = float(source) as f32;
            b.f32const(if value.is_nan() { f32::NAN } else { value })
        }
        Type::F64 => {
            let value = float(source);
            b.f64const(value)
        }
        _ => match ty.lane() {
            Some(lane) => {
                let lane = emit(b, source, lane);
                b.splat(ty, lane)
            }
            None => {
                let value = integer(source, ty.bytes() * 8);
                b.iconst(ty, value)
            }
        },
    }
}

/// Words for a buffer: edges of all types, bytes that read as truth values, small numbers.
pub(super) fn word(source: &mut Source) -> u64 {
    match source.below(5) {
        0 => integer(source, 64) as u64,
        1 => float(source).to_bits(),
        2 => u64::from(source.byte()),
        3 => u64::from_le_bytes(std::array::from_fn(|_| source.byte() & 1)),
        _ => source.word(),
    }
}
