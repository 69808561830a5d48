//! Keys of joins and groups: hashing, comparing with stored rows, addressing dense domains.
//!
//! `c_custkey` in 1..=150,000 is found at offset `c_custkey - 1` of an array; a probe key outside the range, or NULL, goes to one place
//! past the end, where there is never a row.
//!
//! Invariants: equal keys of one SQL type hash equally, however each side holds them.
//!
//! Does not: know which join or group it works for.

use gobi_jit::ir::{IntCond, Type, Value};

use super::emit::Emitter;
use super::frame::Slot;
use super::stages::as_int;
use super::strings::{Helper, mix};
use super::value::{Kind, Nullable, both, kind_of};
use crate::plan::physical::logical::{CompareOp, Expr};
use crate::plan::physical::{JoinTable, RowField};
use crate::types::{LogicalType, Physical};

const SEED: i64 = 0x243F_6A88_85A3_08D3;

/// Offset of a key in a dense domain, or `range` (one past the last) if it is outside or NULL.
pub(super) fn dense_offset(e: &mut Emitter<'_>, key: &Nullable, min: i64, range: u64) -> Value {
    let outside = e.b.iconst(Type::I64, range);
    let value = as_int(e, key);
    let least = e.b.iconst(Type::I64, min);
    let offset = e.b.sub(value, least);
    let mut at = e.b.umin(offset, outside);
    if key.kind == Kind::Wide {
        let back = e.b.sext(value, Type::I128);
        let same = e.b.icmp(IntCond::Eq, back, key.value);
        at = e.b.select(same, at, outside);
    }
    match key.valid {
        Some(valid) => e.b.select(valid, at, outside),
        None => at,
    }
}

/// Bit number `at` of a bitmap, as 0 or 1.
pub(super) fn test_bit(e: &mut Emitter<'_>, bits: Slot, at: Value) -> Value {
    let (three, seven) = (e.b.iconst(Type::I64, 3), e.b.iconst(Type::I64, 7));
    let byte = e.b.ushr(at, three);
    let bit = e.b.and(at, seven);
    let base = e.slot(bits);
    let address = e.b.index(base, byte, 1, 0);
    let byte = e.b.load(Type::I8, address, 0);
    let byte = e.b.uext(byte, Type::I64);
    let moved = e.b.ushr(byte, bit);
    let one = e.b.iconst(Type::I64, 1);
    let bit = e.b.and(moved, one);
    e.b.trunc(bit, Type::I8)
}

/// Sets bit number `at` of a bitmap.
pub(super) fn set_bit(e: &mut Emitter<'_>, bits: Slot, at: Value) {
    let (three, seven) = (e.b.iconst(Type::I64, 3), e.b.iconst(Type::I64, 7));
    let byte = e.b.ushr(at, three);
    let bit = e.b.and(at, seven);
    let one = e.b.iconst(Type::I64, 1);
    let bit = e.b.shl(one, bit);
    let bit = e.b.trunc(bit, Type::I8);
    let base = e.slot(bits);
    let address = e.b.index(base, byte, 1, 0);
    let old = e.b.load(Type::I8, address, 0);
    let new = e.b.or(old, bit);
    e.b.store(new, address, 0);
}

/// Hash of some keys; NULL hashes as zero with a mark.
pub(super) fn hash(e: &mut Emitter<'_>, values: &[Nullable], keys: &[Expr]) -> Value {
    let types: Vec<&LogicalType> = keys.iter().map(|key| &key.ty).collect();
    hash_typed(e, values, &types)
}

pub(super) fn hash_typed(e: &mut Emitter<'_>, values: &[Nullable], types: &[&LogicalType]) -> Value {
    let mut hash = e.b.iconst(Type::I64, SEED);
    for (value, ty) in values.iter().zip(types) {
        let value = e.natural(value.clone(), ty);
        let mut word = match value.kind {
            Kind::Nested => e.hash_nested(value.value, ty),
            _ => word_of(e, &value),
        };
        if let Some(valid) = value.valid {
            let zero = e.b.iconst(Type::I64, 0);
            word = e.b.select(valid, word, zero);
        }
        hash = mix(&mut e.b, hash, word);
    }
    // A second round spreads the last key over the upper bits, which choose the place.
    let zero = e.b.iconst(Type::I64, 0);
    mix(&mut e.b, hash, zero)
}

fn word_of(e: &mut Emitter<'_>, value: &Nullable) -> Value {
    match value.kind {
        Kind::Bool => e.b.uext(value.value, Type::I64),
        Kind::Int => value.value,
        // Hashed by the caller, who knows the type.
        Kind::Nested => e.b.iconst(Type::I64, 0),
        Kind::Wide => {
            let shift = e.b.iconst128(64);
            let high = e.b.ushr(value.value, shift);
            let (high, low) = (e.b.trunc(high, Type::I64), e.b.trunc(value.value, Type::I64));
            mix(&mut e.b, high, low)
        }
        Kind::F32 => {
            let double = e.b.promote(value.value);
            float_word(e, double)
        }
        Kind::F64 => float_word(e, value.value),
        Kind::Text => e.call_helper(Helper::Hash, &[value.value]),
        Kind::Interval => {
            let micros = e.interval_micros(value.value);
            e.b.trunc(micros, Type::I64)
        }
    }
}

/// Zeros of both signs are equal, and so are all NaNs.
fn float_word(e: &mut Emitter<'_>, value: Value) -> Value {
    let zero = e.b.f64const(0.0);
    let positive = e.b.fadd(value, zero);
    let bits = e.b.bitcast(positive, Type::I64);
    let nan = e.b.fcmp(gobi_jit::ir::FloatCond::Uno, value, value);
    let one_nan = e.b.iconst(Type::I64, f64::NAN.to_bits().cast_signed());
    e.b.select(nan, one_nan, bits)
}

/// Whether a row of a join table has these keys.
pub(super) fn equal_row(e: &mut Emitter<'_>, values: &[Nullable], table: &JoinTable, row: Value) -> Value {
    let fields: Vec<&RowField> = table.layout.fields.iter().take(table.key_count).collect();
    equal_fields(e, values, &fields, row)
}

/// Whether a row has these values in these fields; NULL equals NULL.
pub(super) fn equal_fields(e: &mut Emitter<'_>, values: &[Nullable], fields: &[&RowField], row: Value) -> Value {
    let mut same = None;
    for (value, field) in values.iter().zip(fields) {
        let valid = e.row_validity(row, field);
        let stored = e.load_row_field(row, field).with_valid(valid);
        let op = if value.valid.is_some() || valid.is_some() {
            CompareOp::NotDistinct
        } else {
            CompareOp::Eq
        };
        let (value, stored) = align(e, value.clone(), stored, &field.facts.ty);
        let equal = e.compare(op, value, stored, &field.facts.ty).value;
        same = Some(same.map_or(equal, |so_far| e.b.and(so_far, equal)));
    }
    same.unwrap_or_else(|| e.b.iconst(Type::I8, 1))
}

/// Brings two values of one type to a kind in which they can be compared.
fn align(e: &mut Emitter<'_>, x: Nullable, y: Nullable, ty: &LogicalType) -> (Nullable, Nullable) {
    if kind_of(ty) == Kind::Wide && x.kind != y.kind {
        return (e.widened(x), e.widened(y));
    }
    (x, y)
}

/// Writes a value into a field of a row.
pub(super) fn store_field(e: &mut Emitter<'_>, value: Nullable, field: &RowField, row: Value) {
    let value = if field.facts.dictionary.is_some() {
        value
    } else {
        e.decode(value)
    };
    if let Some(offset) = field.validity {
        let valid = match value.valid {
            Some(valid) => valid,
            None => e.b.iconst(Type::I8, 1),
        };
        e.b.store(valid, row, offset.cast_signed());
    }
    store_as(e, &value, field.facts.stored, row, field.offset.cast_signed());
}

/// Writes a value in a physical layout.
pub(super) fn store_as(e: &mut Emitter<'_>, value: &Nullable, stored: Physical, address: Value, offset: i32) {
    let narrow = match stored {
        Physical::I8 => Some(Type::I8),
        Physical::I16 => Some(Type::I16),
        Physical::I32 => Some(Type::I32),
        Physical::I64 => Some(Type::I64),
        _ => None,
    };
    let bits = match (value.kind, stored) {
        (Kind::Text | Kind::Interval, _) => e.b.load(Type::I128, value.value, 0),
        (Kind::Int | Kind::Bool, Physical::I128) => e.b.sext(value.value, Type::I128),
        (Kind::Bool, Physical::I8) => value.value,
        (Kind::Int | Kind::Wide, _) => match narrow {
            Some(ty) if e.b.ty(value.value) != ty => e.b.trunc(value.value, ty),
            _ => value.value,
        },
        _ => value.value,
    };
    e.b.store(bits, address, offset);
}

/// The conjunction of the validity of all keys.
pub(super) fn all_valid(e: &mut Emitter<'_>, values: &[Nullable]) -> Option<Value> {
    values
        .iter()
        .fold(None, |valid, value| both(&mut e.b, valid, value.valid))
}
