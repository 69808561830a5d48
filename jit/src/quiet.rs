//! The call that changes no register: what cold blocks call the host with.
//!
//! A loop that may have to ask for memory calls the host in a cold block. An ordinary call there would cost the loop all registers that
//! callees may change, every floating-point one among them: their values would live on the stack, for a call that hardly ever
//! happens. So the arguments are written to the stack, and `rt.quiet(callee, words)`, whose convention is to preserve everything, loads
//! them, calls, and leaves the result in the first word.
//!
//! Invariants: there is one such function, made when it is first needed, and never freed.
//!
//! Does not: take floats, or more than [`WORDS`] arguments; such calls are made the ordinary way.

use std::sync::OnceLock;

use cranelift_codegen::ir::{AbiParam, InstBuilder, MemFlagsData, Signature, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module as _};

use crate::ir::Type;
use crate::runtime;

/// Its symbol.
pub(crate) const NAME: &str = "rt.quiet";
/// Most arguments that it passes on.
pub(crate) const WORDS: usize = 6;

/// Whether a value of the type can be passed, or given back.
pub(crate) fn passes(ty: Type) -> bool {
    matches!(ty, Type::I8 | Type::I32 | Type::I64 | Type::Ptr)
}

/// `(callee, words)`.
pub(crate) fn signature() -> Signature {
    let mut made = Signature::new(CallConv::PreserveAll);
    made.params.extend([AbiParam::new(types::I64); 2]);
    made
}

/// Where it is, if the machine can have it.
pub(crate) fn address(isa: &OwnedTargetIsa) -> Option<*const u8> {
    static ADDRESS: OnceLock<Option<usize>> = OnceLock::new();
    let address = *ADDRESS.get_or_init(|| made(isa));
    address.map(|address| address as *const u8)
}

fn made(isa: &OwnedTargetIsa) -> Option<usize> {
    let builder = JITBuilder::with_isa(isa.clone(), Box::new(runtime::libcall_name));
    let mut module = JITModule::new(builder);
    let id = module.declare_function(NAME, Linkage::Local, &signature()).ok()?;
    let mut context = module.make_context();
    context.func.signature = signature();
    let mut scratch = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut context.func, &mut scratch);
    let callee = b.import_signature(callee_signature(&**isa));
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let (target, words) = (b.block_params(entry)[0], b.block_params(entry)[1]);
    let flags = MemFlagsData::new().with_trap_code(None);
    let args: Vec<_> = (0..WORDS)
        .map(|word| b.ins().load(types::I64, flags, words, 8 * word as i32))
        .collect();
    let call = b.ins().call_indirect(callee, target, &args);
    let result = b.inst_results(call)[0];
    b.ins().store(flags, result, words, 0);
    b.ins().return_(&[]);
    b.seal_all_blocks();
    b.finalize(module.target_config());
    module.define_function(id, &mut context).ok()?;
    module.finalize_definitions().ok()?;
    // Dropping the module leaves the code where it is.
    Some(module.get_finalized_function(id) as usize)
}

/// A host function with as many words as can be.
fn callee_signature(isa: &dyn TargetIsa) -> Signature {
    let mut made = Signature::new(isa.default_call_conv());
    made.params.extend([AbiParam::new(types::I64); WORDS]);
    made.returns.push(AbiParam::new(types::I64));
    made
}
