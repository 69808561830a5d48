//! Comparisons and conversions.
//!
//! Example: `ftos.i64 x` becomes `fcvt_to_sint_sat.i64`, which saturates and gives 0 for NaN as the IR demands.
//!
//! Invariants: a truth value is 0 or 1 in an `I8`.
//!
//! Does not: round; conversions to float round as the hardware does, to nearest.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self as clif, Endianness, InstBuilder, MemFlagsData};

use super::{Lowering, types};
use crate::ir::{Convert, FloatCond, IntCond, Type, Value};

impl Lowering<'_, '_> {
    pub(super) fn icmp(&mut self, cond: IntCond, a: Value, b: Value) -> clif::Value {
        let cond = match cond {
            IntCond::Eq => IntCC::Equal,
            IntCond::Ne => IntCC::NotEqual,
            IntCond::Slt => IntCC::SignedLessThan,
            IntCond::Sle => IntCC::SignedLessThanOrEqual,
            IntCond::Sgt => IntCC::SignedGreaterThan,
            IntCond::Sge => IntCC::SignedGreaterThanOrEqual,
            IntCond::Ult => IntCC::UnsignedLessThan,
            IntCond::Ule => IntCC::UnsignedLessThanOrEqual,
            IntCond::Ugt => IntCC::UnsignedGreaterThan,
            IntCond::Uge => IntCC::UnsignedGreaterThanOrEqual,
        };
        let (a, b) = (self.value(a), self.value(b));
        self.b.ins().icmp(cond, a, b)
    }

    pub(super) fn fcmp(&mut self, cond: FloatCond, a: Value, b: Value) -> clif::Value {
        let cond = match cond {
            FloatCond::Eq => FloatCC::Equal,
            FloatCond::Ne => FloatCC::NotEqual,
            FloatCond::Lt => FloatCC::LessThan,
            FloatCond::Le => FloatCC::LessThanOrEqual,
            FloatCond::Gt => FloatCC::GreaterThan,
            FloatCond::Ge => FloatCC::GreaterThanOrEqual,
            FloatCond::Uno => FloatCC::Unordered,
        };
        let (a, b) = (self.value(a), self.value(b));
        self.b.ins().fcmp(cond, a, b)
    }

    pub(super) fn convert(&mut self, op: Convert, a: Value, to: Type) -> clif::Value {
        let a = self.value(a);
        let to = types::clif_type(to);
        match op {
            Convert::SExt => self.b.ins().sextend(to, a),
            Convert::UExt => self.b.ins().uextend(to, a),
            Convert::Trunc => self.b.ins().ireduce(to, a),
            Convert::SToF => self.b.ins().fcvt_from_sint(to, a),
            Convert::UToF => self.b.ins().fcvt_from_uint(to, a),
            Convert::FToS => self.b.ins().fcvt_to_sint_sat(to, a),
            Convert::Promote => self.b.ins().fpromote(to, a),
            Convert::Demote => self.b.ins().fdemote(to, a),
            Convert::Bitcast => self.bitcast(a, to),
        }
    }

    pub(super) fn bitcast(&mut self, a: clif::Value, to: clif::Type) -> clif::Value {
        if self.b.func.dfg.value_type(a) == to {
            return a;
        }
        self.b
            .ins()
            .bitcast(to, MemFlagsData::new().with_endianness(Endianness::Little), a)
    }
}
