//! Loads, stores and addresses as steps.
//!
//! Example: `%3: i32 = load %1 + 8` reads four bytes at the address in register 1 plus 8, at any alignment.
//!
//! Invariants: none beyond the caller's promise: whoever calls a function vouches for the memory it touches.
//!
//! Does not: check bounds.

use super::step::{Reg, Run, Step};
use crate::ir::Type;

fn address(regs: *const u64, at: u32, offset: i64) -> *mut u8 {
    // SAFETY: registers come from verified IR.
    let base = unsafe { u64::get(regs, at) };
    std::ptr::with_exposed_provenance_mut(base.wrapping_add_signed(offset) as usize)
}

unsafe fn load_step<T: Reg>(regs: *mut u64, step: &Step) {
    // SAFETY: the function's caller vouches for the memory that its loads touch.
    unsafe {
        address(regs, step.a, step.imm)
            .cast::<T>()
            .read_unaligned()
            .put(regs, step.d)
    }
}

/// `d = *(a + imm)`.
pub(super) fn load(ty: Type) -> Run {
    match ty {
        Type::I8 => load_step::<u8>,
        Type::I16 => load_step::<u16>,
        Type::I32 | Type::F32 => load_step::<u32>,
        Type::I64 | Type::F64 | Type::Ptr => load_step::<u64>,
        _ => load_step::<u128>,
    }
}

unsafe fn store_step<T: Reg>(regs: *mut u64, step: &Step) {
    // SAFETY: the function's caller vouches for the memory that its stores touch.
    unsafe {
        address(regs, step.b, step.imm)
            .cast::<T>()
            .write_unaligned(T::get(regs, step.a))
    }
}

/// `*(b + imm) = a`.
pub(super) fn store(ty: Type) -> Run {
    match ty {
        Type::I8 => store_step::<u8>,
        Type::I16 => store_step::<u16>,
        Type::I32 | Type::F32 => store_step::<u32>,
        Type::I64 | Type::F64 | Type::Ptr => store_step::<u64>,
        _ => store_step::<u128>,
    }
}

/// `d = a + b * c + imm`, where `c` is the factor itself.
pub(super) unsafe fn index(regs: *mut u64, step: &Step) {
    // SAFETY: registers come from verified IR.
    unsafe {
        let bytes = u64::get(regs, step.b).wrapping_mul(u64::from(step.c));
        u64::get(regs, step.a)
            .wrapping_add(bytes)
            .wrapping_add_signed(step.imm)
            .put(regs, step.d);
    }
}
