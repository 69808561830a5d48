//! Vector operations that need more than one instruction of the same name.
//!
//! Example: `high_bits` of `f64x2` first takes the bits as `i64x2`, since CLIF defines it on integers.
//!
//! Invariants: nothing wider than 128 bits is made.
//!
//! Does not: lower lane-wise arithmetic, which is the scalar instruction on a vector type.

use cranelift_codegen::ir::{self as clif, InstBuilder, types};

use super::Lowering;
use crate::ir::{Lanes, Type, Value};

impl Lowering<'_, '_> {
    /// The value as a vector of integers with lanes of the same width.
    fn int_lanes(&mut self, v: Value) -> clif::Value {
        let ty = self.ty(v);
        let v = self.value(v);
        match ty {
            Type::F32x4 => self.bitcast(v, types::I32X4),
            Type::F64x2 => self.bitcast(v, types::I64X2),
            _ => v,
        }
    }

    pub(super) fn bit_select(&mut self, mask: Value, then: Value, otherwise: Value) -> clif::Value {
        let ty = super::types::clif_type(self.ty(then));
        let (mask, then, otherwise) = (self.int_lanes(mask), self.int_lanes(then), self.int_lanes(otherwise));
        let chosen = self.b.ins().bitselect(mask, then, otherwise);
        self.bitcast(chosen, ty)
    }

    pub(super) fn high_bits(&mut self, v: Value) -> clif::Value {
        let v = self.int_lanes(v);
        self.b.ins().vhigh_bits(types::I32, v)
    }

    pub(super) fn any_true(&mut self, v: Value) -> clif::Value {
        let v = self.int_lanes(v);
        self.b.ins().vany_true(v)
    }

    pub(super) fn widen(&mut self, how: Lanes, v: Value) -> clif::Value {
        let v = self.value(v);
        match how {
            Lanes::SWidenLow => self.b.ins().swiden_low(v),
            Lanes::SWidenHigh => self.b.ins().swiden_high(v),
            Lanes::UWidenLow => self.b.ins().uwiden_low(v),
            Lanes::UWidenHigh => self.b.ins().uwiden_high(v),
        }
    }
}
