//! Values during code generation, and all logic of NULL.
//!
//! `a + b` where only `b` may be NULL becomes the sum of both stored integers, valid where `b` is valid: a NULL is stored as
//! zero, so the sum may be computed anyway.
//!
//! Invariants: an integer that is known to fit is held in `i64`, whatever its SQL type; `valid` is an `i8` of 0 or 1, absent where
//! the value cannot be NULL.
//!
//! Does not: know expressions.

use gobi_jit::FunctionBuilder;
use gobi_jit::ir::{IntCond, Op, Type, Value};

use crate::plan::physical::DictionaryRef;
use crate::types::{LogicalType, Physical};

/// How a value is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `i8`, 0 or 1.
    Bool,
    /// `i64`.
    Int,
    /// `i128`.
    Wide,
    /// `f32`.
    F32,
    /// `f64`.
    F64,
    /// Address of a string view.
    Text,
    /// Address of an interval.
    Interval,
    /// Address of an object; null for NULL.
    Nested,
}

/// A value and whether it is one.
#[derive(Clone, Debug)]
pub(super) struct Nullable {
    /// The value; unspecified but harmless where it is not valid.
    pub(super) value: Value,
    /// How it is held.
    pub(super) kind: Kind,
    /// 1: a value; 0: NULL. `None`: never NULL.
    pub(super) valid: Option<Value>,
    /// Bounds of an integer.
    pub(super) range: Option<(i128, i128)>,
    /// The value is a code of this dictionary.
    pub(super) dictionary: Option<DictionaryRef>,
}

impl Nullable {
    pub(super) fn new(value: Value, kind: Kind, valid: Option<Value>) -> Self {
        Self {
            value,
            kind,
            valid,
            range: None,
            dictionary: None,
        }
    }

    pub(super) fn bool(value: Value, valid: Option<Value>) -> Self {
        Self::new(value, Kind::Bool, valid)
    }

    pub(super) fn int(value: Value, valid: Option<Value>, range: Option<(i128, i128)>) -> Self {
        Self {
            range,
            ..Self::new(value, Kind::Int, valid)
        }
    }

    pub(super) fn with_valid(mut self, valid: Option<Value>) -> Self {
        self.valid = valid;
        self
    }
}

/// The kind in which values of a type are held when nothing is known of their range.
pub(super) fn kind_of(ty: &LogicalType) -> Kind {
    match (ty, ty.physical()) {
        (LogicalType::Boolean | LogicalType::Null, _) => Kind::Bool,
        (_, Physical::I8 | Physical::I16 | Physical::I32 | Physical::I64) => Kind::Int,
        (_, Physical::I128) => Kind::Wide,
        (_, Physical::F32) => Kind::F32,
        (_, Physical::F64) => Kind::F64,
        (_, Physical::Str) => Kind::Text,
        (_, Physical::Interval) => Kind::Interval,
        (_, Physical::Nested) => Kind::Nested,
    }
}

impl Kind {
    pub(super) fn ir(self) -> Type {
        match self {
            Kind::Bool => Type::I8,
            Kind::Int => Type::I64,
            Kind::Wide => Type::I128,
            Kind::F32 => Type::F32,
            Kind::F64 => Type::F64,
            Kind::Text | Kind::Interval | Kind::Nested => Type::Ptr,
        }
    }
}

/// Valid where both are.
pub(super) fn both(b: &mut FunctionBuilder, x: Option<Value>, y: Option<Value>) -> Option<Value> {
    match (x, y) {
        (Some(x), Some(y)) if x != y => Some(b.and(x, y)),
        (x, y) => x.or(y),
    }
}

/// `not` of a truth value; of a comparison that was just written, its opposite.
pub(super) fn invert(b: &mut FunctionBuilder, x: Value) -> Value {
    let block = &b.function().blocks[b.current().idx()];
    let made = block.insts.iter().rev().take(4).find(|inst| inst.result == Some(x));
    if let Some(&Op::ICmp(cond, left, right)) = made.map(|inst| &inst.op)
        && b.ty(x) == Type::I8
    {
        return b.icmp(opposite(cond), left, right);
    }
    let one = b.iconst(Type::I8, 1);
    b.xor(x, one)
}

fn opposite(cond: IntCond) -> IntCond {
    match cond {
        IntCond::Eq => IntCond::Ne,
        IntCond::Ne => IntCond::Eq,
        IntCond::Slt => IntCond::Sge,
        IntCond::Sle => IntCond::Sgt,
        IntCond::Sgt => IntCond::Sle,
        IntCond::Sge => IntCond::Slt,
        IntCond::Ult => IntCond::Uge,
        IntCond::Ule => IntCond::Ugt,
        IntCond::Ugt => IntCond::Ule,
        IntCond::Uge => IntCond::Ult,
    }
}

/// True, and not NULL.
pub(super) fn is_true(b: &mut FunctionBuilder, x: &Nullable) -> Value {
    match x.valid {
        Some(valid) => b.and(x.value, valid),
        None => x.value,
    }
}

/// Three-valued AND: false wins over NULL.
pub(super) fn and(b: &mut FunctionBuilder, x: &Nullable, y: &Nullable) -> Nullable {
    let value = b.and(x.value, y.value);
    let valid = junction_validity(b, x, y, true);
    Nullable::bool(value, valid)
}

/// Three-valued OR: true wins over NULL.
pub(super) fn or(b: &mut FunctionBuilder, x: &Nullable, y: &Nullable) -> Nullable {
    // An unspecified value under an invalid flag must not leak into the result.
    let (left, right) = (is_true(b, x), is_true(b, y));
    let value = b.or(left, right);
    let valid = junction_validity(b, x, y, false);
    Nullable::bool(value, valid)
}

/// The junction is known if both sides are, or if one side alone decides it (`false AND …`, `true OR …`).
fn junction_validity(b: &mut FunctionBuilder, x: &Nullable, y: &Nullable, decides_on_false: bool) -> Option<Value> {
    if x.valid.is_none() && y.valid.is_none() {
        return None;
    }
    let one = b.iconst(Type::I8, 1);
    let (vx, vy) = (x.valid.unwrap_or(one), y.valid.unwrap_or(one));
    let known = b.and(vx, vy);
    let mut decides = |side: &Nullable, valid: Value| {
        let value = if decides_on_false {
            invert(b, side.value)
        } else {
            side.value
        };
        b.and(value, valid)
    };
    let (dx, dy) = (decides(x, vx), decides(y, vy));
    let decided = b.or(dx, dy);
    Some(b.or(known, decided))
}
