//! A module ready to run both ways.
//!
//! Example: for `@f(i32, i64x2) -> i8` a kernel `@call.f` is added that loads the arguments from its frame, calls `@f`, and
//! stores the result there; so functions of any signature can be called from Rust.
//!
//! Invariants: both ways start from the same frame contents.
//!
//! Does not: compare; the tests do.

use crate::abi::{KERNEL_PARAMS, KERNEL_RESULTS, STATUS_OK};
use crate::ir::{FuncId, MAX_PARAMS, MAX_RESULTS, Module, Type};
use crate::testing::hosts::host_table;
use crate::{CompileError, Compiler, Executable, FunctionBuilder, Interpreter, Options};

/// A module as machine code and in the interpreter.
#[derive(Debug)]
pub struct Pair {
    /// Machine code.
    pub native: Executable,
    /// Interpreter.
    pub interpreted: Executable,
    functions: usize,
}

/// Status and results of a call; results as bits, zero-extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the wrapping kernel returned.
    pub status: i64,
    /// The results of the function, if the status is `STATUS_OK`.
    pub results: [u128; MAX_RESULTS],
}

impl Pair {
    /// Adds a calling kernel per function, then compiles and decodes.
    pub fn new(module: &Module, options: Options) -> Result<Pair, CompileError> {
        let mut wrapped = module.clone();
        for (i, function) in module.functions.iter().enumerate() {
            wrapped.functions.push(caller(FuncId(i as u32), function));
        }
        let interpreted = Interpreter::new(&wrapped, &host_table())?;
        let native = Compiler::new(host_table(), options)?.compile(&wrapped)?;
        Ok(Pair {
            native: Executable::Native(native),
            interpreted: Executable::Interpreted(interpreted),
            functions: module.functions.len(),
        })
    }

    /// Calls the function natively.
    pub fn call_native(&self, function: FuncId, args: &[u128]) -> Outcome {
        self.call(&self.native, function, args)
    }

    /// Calls the function in the interpreter.
    pub fn call_interpreted(&self, function: FuncId, args: &[u128]) -> Outcome {
        self.call(&self.interpreted, function, args)
    }

    fn call(&self, executable: &Executable, function: FuncId, args: &[u128]) -> Outcome {
        let mut frame = [0_u128; MAX_PARAMS + MAX_RESULTS];
        frame[..args.len()].copy_from_slice(args);
        let kernel = FuncId((self.functions + function.idx()) as u32);
        // SAFETY: the calling kernel touches only its frame; what the function touches is the test's affair.
        let status = unsafe { executable.call_kernel(kernel, frame.as_mut_ptr().cast(), 0, 0) };
        Outcome {
            status,
            results: [frame[MAX_PARAMS], frame[MAX_PARAMS + 1]],
        }
    }
}

fn caller(id: FuncId, function: &crate::ir::Function) -> crate::ir::Function {
    let mut b = FunctionBuilder::new(&format!("call.{}", function.name), &KERNEL_PARAMS, &KERNEL_RESULTS);
    let frame = b.param(0);
    let params = function.sig.params.iter().enumerate();
    let args: Vec<_> = params.map(|(i, ty)| b.load(*ty, frame, i as i32 * 16)).collect();
    let results = b.call(id, &function.sig, &args);
    for (i, result) in results.into_iter().enumerate() {
        b.store(result, frame, (MAX_PARAMS + i) as i32 * 16);
    }
    let ok = b.iconst(Type::I64, STATUS_OK);
    b.ret(&[ok]);
    b.finish()
}
