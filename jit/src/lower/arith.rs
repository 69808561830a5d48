//! Integer and float arithmetic.
//!
//! Example: `sdiv.i64 a, b` guards the divisor, since the instruction traps where the IR gives 0 or `MIN`:
//! `select(b == 0, 0, sdiv(a, select(b == 0 || a == MIN && b == -1, 1, b)))`; a constant divisor needs no guard.
//!
//! Invariants: no instruction emitted here can trap.
//!
//! Does not: handle lanes apart; most instructions take vectors as they are.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, BlockArg, InstBuilder, types};

use super::Lowering;
use crate::ir::{Checked, FloatBinary, FloatUnary, Inst, IntBinary, IntUnary, Type, Value};
use crate::runtime::Runtime;

impl Lowering<'_, '_> {
    /// An integer or pointer constant.
    pub(super) fn constant(&mut self, ty: Type, value: i128) -> clif::Value {
        let bits = ty.bytes() * 8;
        if bits == 128 {
            let low = self.b.ins().iconst(types::I64, value as i64);
            let high = self.b.ins().iconst(types::I64, (value >> 64) as i64);
            return self.b.ins().iconcat(low, high);
        }
        let mask = u64::MAX >> (64 - bits);
        self.b
            .ins()
            .iconst(super::types::clif_type(ty), (value as u64 & mask) as i64)
    }

    /// Zero of any type.
    pub(super) fn zero(&mut self, ty: Type) -> clif::Value {
        match ty {
            Type::F32 => self.b.ins().f32const(0.0),
            Type::F64 => self.b.ins().f64const(0.0),
            _ if ty.is_vector() => {
                let zeros = self.b.func.dfg.constants.insert([0_u8; 16].as_slice().into());
                self.b.ins().vconst(super::types::clif_type(ty), zeros)
            }
            _ => self.constant(ty, 0),
        }
    }

    pub(super) fn int_binary(&mut self, op: IntBinary, a: Value, b: Value) -> clif::Value {
        let ty = self.ty(a);
        let divisor = self.const_of(b);
        let (x, y) = (self.value(a), self.value(b));
        match op {
            IntBinary::Add => self.b.ins().iadd(x, y),
            IntBinary::Sub => self.b.ins().isub(x, y),
            IntBinary::Mul => self.b.ins().imul(x, y),
            IntBinary::SDiv | IntBinary::UDiv | IntBinary::SRem | IntBinary::URem if ty == Type::I128 => {
                self.wide_division(op, x, y)
            }
            IntBinary::SDiv | IntBinary::UDiv | IntBinary::SRem | IntBinary::URem => {
                self.division(op, ty, x, y, divisor)
            }
            IntBinary::And => self.b.ins().band(x, y),
            IntBinary::Or => self.b.ins().bor(x, y),
            IntBinary::Xor => self.b.ins().bxor(x, y),
            IntBinary::AndNot => self.b.ins().band_not(x, y),
            IntBinary::Shl | IntBinary::SShr | IntBinary::UShr | IntBinary::Rotl => self.shift(op, ty, x, y),
            IntBinary::SMin | IntBinary::SMax | IntBinary::UMin | IntBinary::UMax => self.extreme(op, ty, x, y),
            IntBinary::SMulHi => self.b.ins().smulhi(x, y),
            IntBinary::UMulHi => self.b.ins().umulhi(x, y),
        }
    }

    /// Shifts take the amount modulo the width by themselves.
    fn shift(&mut self, op: IntBinary, ty: Type, x: clif::Value, amount: clif::Value) -> clif::Value {
        let amount = if ty == Type::I128 {
            self.b.ins().ireduce(types::I64, amount)
        } else {
            amount
        };
        match op {
            IntBinary::Shl => self.b.ins().ishl(x, amount),
            IntBinary::SShr => self.b.ins().sshr(x, amount),
            IntBinary::UShr => self.b.ins().ushr(x, amount),
            _ => self.b.ins().rotl(x, amount),
        }
    }

    fn extreme(&mut self, op: IntBinary, ty: Type, x: clif::Value, y: clif::Value) -> clif::Value {
        if ty.is_vector() {
            return match op {
                IntBinary::SMin => self.b.ins().smin(x, y),
                IntBinary::SMax => self.b.ins().smax(x, y),
                IntBinary::UMin => self.b.ins().umin(x, y),
                _ => self.b.ins().umax(x, y),
            };
        }
        let cond = match op {
            IntBinary::SMin => IntCC::SignedLessThan,
            IntBinary::SMax => IntCC::SignedGreaterThan,
            IntBinary::UMin => IntCC::UnsignedLessThan,
            _ => IntCC::UnsignedGreaterThan,
        };
        let first = self.b.ins().icmp(cond, x, y);
        self.select(first, x, y)
    }

    /// `cond != 0 ? x : y` on scalars. 128-bit integers are chosen by halves: of a choice between the operands of a
    /// comparison Cranelift makes `smin.i128` and the like, which its x64 back end cannot select.
    pub(super) fn select(&mut self, cond: clif::Value, x: clif::Value, y: clif::Value) -> clif::Value {
        if self.b.func.dfg.value_type(x) != types::I128 {
            return self.b.ins().select(cond, x, y);
        }
        let (x_low, x_high) = self.b.ins().isplit(x);
        let (y_low, y_high) = self.b.ins().isplit(y);
        let low = self.b.ins().select(cond, x_low, y_low);
        let high = self.b.ins().select(cond, x_high, y_high);
        self.b.ins().iconcat(low, high)
    }

    fn division(
        &mut self,
        op: IntBinary,
        ty: Type,
        x: clif::Value,
        y: clif::Value,
        divisor: Option<i128>,
    ) -> clif::Value {
        let signed = matches!(op, IntBinary::SDiv | IntBinary::SRem);
        // What the divisor is, whichever way the constant was written.
        let bits = ty.bytes() * 8;
        let divisor = divisor.map(|value| value << (128 - bits) >> (128 - bits));
        if divisor.is_some_and(|value| value != 0 && !(signed && value == -1)) {
            return self.plain_division(op, x, y);
        }
        let one = self.constant(ty, 1);
        let zero = self.constant(ty, 0);
        let by_zero = self.b.ins().icmp(IntCC::Equal, y, zero);
        let unsafe_divisor = match op {
            IntBinary::SDiv => {
                let min = self.constant(ty, -(1 << (bits - 1)));
                let all = self.constant(ty, -1);
                let is_min = self.b.ins().icmp(IntCC::Equal, x, min);
                let is_all = self.b.ins().icmp(IntCC::Equal, y, all);
                let overflow = self.b.ins().band(is_min, is_all);
                self.b.ins().bor(by_zero, overflow)
            }
            // x % 1 is 0, which is right for both 0 and -1.
            IntBinary::SRem => {
                let next = self.b.ins().iadd(y, one);
                self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, next, one)
            }
            _ => by_zero,
        };
        let safe = self.b.ins().select(unsafe_divisor, one, y);
        let result = self.plain_division(op, x, safe);
        match op {
            IntBinary::SDiv | IntBinary::UDiv => self.b.ins().select(by_zero, zero, result),
            _ => result,
        }
    }

    fn plain_division(&mut self, op: IntBinary, x: clif::Value, y: clif::Value) -> clif::Value {
        match op {
            IntBinary::SDiv => self.b.ins().sdiv(x, y),
            IntBinary::UDiv => self.b.ins().udiv(x, y),
            IntBinary::SRem => self.b.ins().srem(x, y),
            _ => self.b.ins().urem(x, y),
        }
    }

    fn wide_division(&mut self, op: IntBinary, x: clif::Value, y: clif::Value) -> clif::Value {
        let which = match op {
            IntBinary::SDiv => Runtime::SDiv,
            IntBinary::UDiv => Runtime::UDiv,
            IntBinary::SRem => Runtime::SRem,
            _ => Runtime::URem,
        };
        self.call_runtime(which, x, y).0
    }

    /// Result and flag of a runtime function of two 128-bit operands.
    fn call_runtime(&mut self, which: Runtime, x: clif::Value, y: clif::Value) -> (clif::Value, clif::Value) {
        let callee = self.runtime(which);
        let slot = match self.wide_slot {
            Some(slot) => slot,
            None => {
                let data = clif::StackSlotData::new(clif::StackSlotKind::ExplicitSlot, 16, 4);
                *self.wide_slot.insert(self.b.create_sized_stack_slot(data))
            }
        };
        let out = self.b.ins().stack_addr(types::I64, slot, 0);
        let (x_low, x_high) = self.b.ins().isplit(x);
        let (y_low, y_high) = self.b.ins().isplit(y);
        let call = self.b.ins().call(callee, &[out, x_low, x_high, y_low, y_high]);
        let flag = self.b.inst_results(call)[0];
        let result = self.b.ins().stack_load(types::I64, types::I128, slot, 0);
        let flag = self.b.ins().ireduce(types::I8, flag);
        (result, flag)
    }

    pub(super) fn checked(&mut self, op: Checked, a: Value, b: Value, inst: &Inst) {
        let ty = self.ty(a);
        let (x, y) = (self.value(a), self.value(b));
        let (result, flag) = match op {
            Checked::Add => self.b.ins().sadd_overflow(x, y),
            Checked::Sub => self.b.ins().ssub_overflow(x, y),
            Checked::Mul if ty == Type::I128 => self.wide_product(x, y),
            Checked::Mul => self.b.ins().smul_overflow(x, y),
        };
        self.define(inst, &[result, flag]);
    }

    /// Checked 128-bit product. Where both factors fit in 64 bits, as most decimals do, it cannot overflow and needs no call.
    fn wide_product(&mut self, x: clif::Value, y: clif::Value) -> (clif::Value, clif::Value) {
        let slow = self.b.create_block();
        let fast = self.b.create_block();
        let done = self.b.create_block();
        self.b.set_cold_block(slow);
        let result = self.b.append_block_param(done, types::I128);
        let flag = self.b.append_block_param(done, types::I8);

        let (x_low, x_high) = self.b.ins().isplit(x);
        let (y_low, y_high) = self.b.ins().isplit(y);
        let x_sign = self.b.ins().sshr_imm_u(x_low, 63);
        let y_sign = self.b.ins().sshr_imm_u(y_low, 63);
        let x_rest = self.b.ins().bxor(x_high, x_sign);
        let y_rest = self.b.ins().bxor(y_high, y_sign);
        let rest = self.b.ins().bor(x_rest, y_rest);
        self.b.ins().brif(rest, slow, &[], fast, &[]);

        self.b.switch_to_block(fast);
        let high = self.b.ins().smulhi(x_low, y_low);
        let low = self.b.ins().imul(x_low, y_low);
        let product = self.b.ins().iconcat(low, high);
        let none = self.b.ins().iconst(types::I8, 0);
        self.b
            .ins()
            .jump(done, &[BlockArg::Value(product), BlockArg::Value(none)]);

        self.b.switch_to_block(slow);
        let (product, overflow) = self.call_runtime(Runtime::MulChecked, x, y);
        self.b
            .ins()
            .jump(done, &[BlockArg::Value(product), BlockArg::Value(overflow)]);

        self.b.switch_to_block(done);
        (result, flag)
    }

    pub(super) fn int_unary(&mut self, op: IntUnary, a: Value) -> clif::Value {
        let a = self.value(a);
        match op {
            IntUnary::Neg => self.b.ins().ineg(a),
            IntUnary::Not => self.b.ins().bnot(a),
            IntUnary::Clz => self.b.ins().clz(a),
            IntUnary::Ctz => self.b.ins().ctz(a),
            IntUnary::Popcnt => self.b.ins().popcnt(a),
            IntUnary::Bswap => self.b.ins().bswap(a),
        }
    }

    pub(super) fn float_binary(&mut self, op: FloatBinary, a: Value, b: Value) -> clif::Value {
        let (a, b) = (self.value(a), self.value(b));
        match op {
            FloatBinary::Add => self.b.ins().fadd(a, b),
            FloatBinary::Sub => self.b.ins().fsub(a, b),
            FloatBinary::Mul => self.b.ins().fmul(a, b),
            FloatBinary::Div => self.b.ins().fdiv(a, b),
        }
    }

    pub(super) fn float_unary(&mut self, op: FloatUnary, a: Value) -> clif::Value {
        let a = self.value(a);
        match op {
            FloatUnary::Neg => self.b.ins().fneg(a),
            FloatUnary::Abs => self.b.ins().fabs(a),
            FloatUnary::Sqrt => self.b.ins().sqrt(a),
            FloatUnary::Floor => self.b.ins().floor(a),
            FloatUnary::Ceil => self.b.ins().ceil(a),
            FloatUnary::Trunc => self.b.ins().trunc(a),
            FloatUnary::Nearest => self.b.ins().nearest(a),
        }
    }
}
