//! Loads, stores and addresses.
//!
//! Example: `index %p + %i * 8 + 16` makes `iadd p, (ishl i, 3)` and remembers the 16; a load of it at `+ 8` becomes
//! `load.i64 notrap v+24`, which x64 does with one addressing mode.
//!
//! Invariants: no alignment is assumed; accesses are marked as never trapping, so unused loads may vanish.
//!
//! Does not: check bounds.

use cranelift_codegen::ir::{self as clif, InstBuilder, MemFlagsData};

use super::{Known, Lowering, types};
use crate::ir::{Inst, Type, Value};

pub(super) const FLAGS: MemFlagsData = MemFlagsData::new().with_trap_code(None);

impl Lowering<'_, '_> {
    pub(super) fn load(&mut self, ty: Type, ptr: Value, offset: i32) -> clif::Value {
        let (base, offset) = self.address(ptr, offset);
        self.b.ins().load(types::clif_type(ty), FLAGS, base, offset)
    }

    pub(super) fn store(&mut self, value: Value, ptr: Value, offset: i32) {
        let value = self.value(value);
        let (base, offset) = self.address(ptr, offset);
        self.b.ins().store(FLAGS, value, base, offset);
    }

    pub(super) fn index(&mut self, ptr: Value, index: Value, scale: u32, offset: i32, inst: &Inst) {
        let (base, offset) = self.address(ptr, offset);
        let index = self.value(index);
        let bytes = match scale {
            1 => index,
            scale if scale.is_power_of_two() => self.b.ins().ishl_imm_u(index, i64::from(scale.trailing_zeros())),
            scale => self.b.ins().imul_imm_s(index, i64::from(scale)),
        };
        let base = self.b.ins().iadd(base, bytes);
        self.know(inst, Known::Address { base, offset });
    }

    /// Base and offset of an access at `ptr + offset`.
    fn address(&mut self, ptr: Value, offset: i32) -> (clif::Value, i32) {
        if let Known::Address { base, offset: inner } = self.values[ptr.idx()]
            && let Some(sum) = inner.checked_add(offset)
        {
            return (base, sum);
        }
        (self.value(ptr), offset)
    }
}
