//! Types and signatures in Cranelift's terms.
//!
//! Example: `(ptr, i64, i64) -> i64` becomes a signature of four `I64` in the platform's C convention.
//!
//! Invariants: pointers are `I64`; narrow arguments of host functions are extended, as C compilers assume.
//!
//! Does not: lower operations.

use cranelift_codegen::ir::{AbiParam, Signature as ClifSignature, Type as ClifType, types};
use cranelift_codegen::isa::{CallConv, TargetIsa};

use crate::abi;
use crate::ir::{Signature, Type};

/// The type of a register.
pub(crate) fn clif_type(ty: Type) -> ClifType {
    match ty {
        Type::I8 => types::I8,
        Type::I16 => types::I16,
        Type::I32 => types::I32,
        Type::I64 | Type::Ptr => types::I64,
        Type::I128 => types::I128,
        Type::F32 => types::F32,
        Type::F64 => types::F64,
        Type::I8x16 => types::I8X16,
        Type::I16x8 => types::I16X8,
        Type::I32x4 => types::I32X4,
        Type::I64x2 => types::I64X2,
        Type::F32x4 => types::F32X4,
        Type::F64x2 => types::F64X2,
    }
}

/// Signature of a function of the module.
pub(crate) fn function_signature(sig: &Signature, isa: &dyn TargetIsa) -> ClifSignature {
    let conv = if abi::is_kernel(sig) {
        isa.default_call_conv()
    } else {
        CallConv::Tail
    };
    let mut made = ClifSignature::new(conv);
    made.params
        .extend(sig.params.iter().map(|ty| AbiParam::new(clif_type(*ty))));
    made.returns
        .extend(sig.results.iter().map(|ty| AbiParam::new(clif_type(*ty))));
    made
}

/// Signature of a host function.
pub(crate) fn host_signature(sig: &Signature, isa: &dyn TargetIsa) -> ClifSignature {
    let mut made = ClifSignature::new(isa.default_call_conv());
    let param = |ty: &Type| match ty {
        Type::I8 | Type::I32 => AbiParam::new(clif_type(*ty)).sext(),
        _ => AbiParam::new(clif_type(*ty)),
    };
    made.params.extend(sig.params.iter().map(param));
    made.returns
        .extend(sig.results.iter().map(|ty| AbiParam::new(clif_type(*ty))));
    made
}

/// Signature of the functions in [`crate::runtime`].
pub(crate) fn runtime_signature(isa: &dyn TargetIsa) -> ClifSignature {
    let mut made = ClifSignature::new(isa.default_call_conv());
    made.params.extend([AbiParam::new(types::I64); 5]);
    made.returns.push(AbiParam::new(types::I64));
    made
}
