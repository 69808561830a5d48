//! Machine code in memory, and who may call it.
//!
//! Example: `compiled.kernel("scan")` gives the id of a kernel, `compiled.call_kernel(id, frame, 0, 1024)` runs it.
//!
//! Invariants: the memory lives as long as the [`CompiledModule`] and is freed with it, so no code pointer may outlive it;
//! pages are writable while code is emitted and executable afterwards, never both.
//!
//! Does not: generate code (see [`crate::Compiler`]).

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::time::Duration;

use cranelift_jit::JITModule;

use crate::abi::{self, KernelFn};
use crate::dump::Dump;
use crate::interp::Interpreter;
use crate::ir::FuncId;

/// A module's machine code.
pub struct CompiledModule {
    /// Owns what `kernels` point to.
    _memory: Memory,
    kernels: Box<[KernelFn]>,
    names: HashMap<String, FuncId>,
    code_bytes: usize,
    compile_time: Duration,
    dump: Option<Dump>,
}

/// The Cranelift module that owns code pages, and frees them when it is dropped, which Cranelift's own does not.
pub(crate) struct Memory(ManuallyDrop<JITModule>);

impl Memory {
    pub(crate) fn new(module: JITModule) -> Memory {
        Memory(ManuallyDrop::new(module))
    }
}

impl std::ops::Deref for Memory {
    type Target = JITModule;
    fn deref(&self) -> &JITModule {
        &self.0
    }
}

impl std::ops::DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut JITModule {
        &mut self.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the pointers into the memory are kept beside it and go with it, and it is taken only here.
        unsafe { ManuallyDrop::take(&mut self.0).free_memory() };
    }
}

// SAFETY: once the module is compiled nothing but `drop` touches `_memory`, and the code is immutable.
unsafe impl Sync for CompiledModule {}

/// What a compilation hands over.
pub(crate) struct Parts {
    pub memory: Memory,
    /// Per function of the module its address, if it is a kernel.
    pub kernels: Vec<Option<KernelFn>>,
    /// Kernels by name.
    pub names: HashMap<String, FuncId>,
    pub code_bytes: usize,
    pub compile_time: Duration,
    pub dump: Option<Dump>,
}

impl CompiledModule {
    pub(crate) fn new(parts: Parts) -> CompiledModule {
        let kernels = parts
            .kernels
            .into_iter()
            .map(|kernel| kernel.unwrap_or(not_a_kernel))
            .collect();
        CompiledModule {
            _memory: parts.memory,
            kernels,
            names: parts.names,
            code_bytes: parts.code_bytes,
            compile_time: parts.compile_time,
            dump: parts.dump,
        }
    }

    /// Id of the kernel with this name.
    pub fn kernel(&self, name: &str) -> Option<FuncId> {
        self.names.get(name).copied()
    }

    /// Calls a kernel; `STATUS_NOT_A_KERNEL` if the function is none.
    ///
    /// # Safety
    /// Whatever the kernel reads and writes through `frame` must be valid; the id must come from the module compiled.
    #[inline]
    pub unsafe fn call_kernel(&self, kernel: FuncId, frame: *mut u8, a: i64, b: i64) -> i64 {
        // SAFETY: the memory is alive while `self` is, and the rest is the caller's promise.
        unsafe { self.kernels[kernel.idx()](frame, a, b) }
    }

    /// Bytes of machine code.
    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// How long compiling took.
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// The texts of the compilation, if they were asked for.
    pub fn dump(&self) -> Option<&Dump> {
        self.dump.as_ref()
    }
}

impl std::fmt::Debug for CompiledModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledModule")
            .field("names", &self.names)
            .field("code_bytes", &self.code_bytes)
            .finish()
    }
}

unsafe extern "C" fn not_a_kernel(_: *mut u8, _: i64, _: i64) -> i64 {
    abi::STATUS_NOT_A_KERNEL
}
/// A module that can be run, one way or the other.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "kept behind an `Arc`; a box would cost every call a load"
)]
pub enum Executable {
    /// As machine code.
    Native(CompiledModule),
    /// By the interpreter.
    Interpreted(Interpreter),
}

impl Executable {
    /// Id of the kernel with this name.
    pub fn kernel(&self, name: &str) -> Option<FuncId> {
        match self {
            Executable::Native(code) => code.kernel(name),
            Executable::Interpreted(code) => code.kernel(name),
        }
    }

    /// Calls a kernel; `STATUS_NOT_A_KERNEL` if the function is none.
    ///
    /// # Safety
    /// Whatever the kernel reads and writes through `frame` must be valid; the id must come from the module compiled.
    #[inline]
    pub unsafe fn call_kernel(&self, kernel: FuncId, frame: *mut u8, a: i64, b: i64) -> i64 {
        match self {
            // SAFETY: the caller's promise.
            Executable::Native(code) => unsafe { code.call_kernel(kernel, frame, a, b) },
            // SAFETY: the caller's promise.
            Executable::Interpreted(code) => unsafe { code.call_kernel(kernel, frame, a, b) },
        }
    }

    /// Whether it is machine code.
    pub fn is_native(&self) -> bool {
        matches!(self, Executable::Native(_))
    }

    /// Bytes of machine code; 0 if interpreted.
    pub fn code_bytes(&self) -> usize {
        match self {
            Executable::Native(code) => code.code_bytes(),
            Executable::Interpreted(_) => 0,
        }
    }
}
