//! Compiles modules to machine code with Cranelift.
//!
//! ```
//! use gobi_jit::{Compiler, FunctionBuilder, HostTable, ModuleBuilder, Options, ir::Type};
//! let mut b = FunctionBuilder::new("add", &[Type::Ptr, Type::I64, Type::I64], &[Type::I64]);
//! let sum = b.add(b.param(1), b.param(2));
//! b.ret(&[sum]);
//! let mut module = ModuleBuilder::new();
//! let add = module.add_function(b.finish());
//! let compiled = Compiler::new(HostTable::default(), Options::default())?.compile(&module.finish())?;
//! // SAFETY: the kernel touches no memory.
//! assert_eq!(unsafe { compiled.call_kernel(add, std::ptr::null_mut(), 40, 2) }, 42);
//! # Ok::<(), gobi_jit::CompileError>(())
//! ```
//!
//! Invariants: every symbol is resolved against the host table before the code is made executable; a module that cannot
//! be compiled is an error, never a panic, so that the caller can fall back to the interpreter.
//!
//! Does not: cache; the caller does, by the module's content.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cranelift_codegen::Context;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId as LinkId, Linkage, Module as _, ModuleError};

use crate::abi;
use crate::code::{CompiledModule, Executable, Memory, Parts};
use crate::dump::{Dump, Dumper};
use crate::host::{HostError, HostTable};
use crate::interp::Interpreter;
use crate::ir::{FuncId, Function, Module, Type};
use crate::lower::{self, Links};
use crate::quiet;
use crate::runtime::{self, Runtime};
use crate::verify::{VerifyError, verify};

/// How hard Cranelift tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opt {
    /// Its optimiser runs.
    #[default]
    Speed,
    /// Its optimiser is skipped: compiles 25–40 % faster.
    None,
}

/// How to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Effort.
    pub opt: Opt,
    /// Verify the CLIF too, which takes a third of the time; on in debug builds.
    pub verify: bool,
    /// Collect the texts of `explain --jit`.
    pub dump: bool,
    /// Refuse modules that have a function whose name contains this text: a test of the fallback to the interpreter.
    pub fail_on: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            opt: Opt::Speed,
            verify: cfg!(debug_assertions),
            dump: false,
            fail_on: None,
        }
    }
}

/// Why a module cannot be compiled. The interpreter may still run it, unless it does not verify or bind.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The module is not well formed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A host function is missing or has another signature.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Cranelift does not support the machine.
    #[error("no code can be generated for this machine: {0}")]
    Machine(String),
    /// Cranelift failed.
    #[error("code generation failed: {0}")]
    Backend(String),
    /// [`Options::fail_on`] asked for it.
    #[error("compiling @{0} was made to fail")]
    Forced(String),
}

impl From<ModuleError> for CompileError {
    fn from(error: ModuleError) -> CompileError {
        CompileError::Backend(match error {
            ModuleError::Compilation(error) => format!("{error:?}"),
            error => error.to_string(),
        })
    }
}

/// Compiles modules; reusable and shareable.
pub struct Compiler {
    isa: OwnedTargetIsa,
    hosts: HostTable,
    options: Options,
    /// Buffers of past compilations.
    scratch: Mutex<Vec<Scratch>>,
}

struct Scratch {
    context: Context,
    builder: FunctionBuilderContext,
}

impl Compiler {
    /// A compiler for this machine.
    pub fn new(hosts: HostTable, options: Options) -> Result<Compiler, CompileError> {
        let isa = host_isa(&options).map_err(CompileError::Machine)?;
        Ok(Compiler {
            isa,
            hosts,
            options,
            scratch: Mutex::default(),
        })
    }

    /// The functions that modules can call.
    pub fn hosts(&self) -> &HostTable {
        &self.hosts
    }

    /// Compiles a module.
    pub fn compile(&self, module: &Module) -> Result<CompiledModule, CompileError> {
        if let Some(name) = self.forced_failure(module) {
            return Err(CompileError::Forced(name));
        }
        // Always: it is a hundredth of the time that compiling takes, and lowering relies on it.
        verify(module)?;
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = scratch.unwrap_or_else(|| Scratch {
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        });
        let compiled = Compilation::new(self, module)?.run(&mut scratch)?;
        // Only reached on success: after a failure the buffers may hold half a function.
        self.scratch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(scratch);
        Ok(compiled)
    }

    /// Decodes a module for the interpreter, with the same host functions.
    pub fn interpret(&self, module: &Module) -> Result<Interpreter, CompileError> {
        Interpreter::new(module, &self.hosts)
    }

    /// Compiles a module, or decodes it for the interpreter if no code can be generated for it.
    pub fn compile_or_interpret(&self, module: &Module) -> Result<Executable, CompileError> {
        match self.compile(module) {
            Ok(compiled) => Ok(Executable::Native(compiled)),
            Err(error @ (CompileError::Verify(_) | CompileError::Host(_))) => Err(error),
            Err(_) => self.interpret(module).map(Executable::Interpreted),
        }
    }

    fn forced_failure(&self, module: &Module) -> Option<String> {
        let text = self.options.fail_on.as_deref()?;
        module
            .functions
            .iter()
            .find(|function| function.name.contains(text))
            .map(|function| function.name.clone())
    }
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler")
            .field("isa", &self.isa.triple())
            .field("options", &self.options)
            .finish()
    }
}

fn host_isa(options: &Options) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    let opt = match options.opt {
        Opt::Speed => "speed",
        Opt::None => "none",
    };
    let verifier = if options.verify { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", opt),
        ("enable_verifier", verifier),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        // Big stack slots must not jump over the guard page.
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        // Profilers walk frame pointers; there is no unwind table.
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "false"),
        ("enable_llvm_abi_extensions", "true"),
    ] {
        flags.set(name, value).map_err(|error| format!("{name}: {error}"))?;
    }
    let builder = cranelift_native::builder()?;
    builder
        .finish(settings::Flags::new(flags))
        .map_err(|error| error.to_string())
}

/// One module on its way to machine code.
struct Compilation<'a> {
    module: &'a Module,
    jit: Memory,
    links: Links,
    /// Cold blocks can call without changing registers.
    has_quiet: bool,
    /// Set if a symbol was asked for that nobody knows.
    unresolved: Arc<AtomicBool>,
    dump: Option<Dump>,
    code_sizes: Vec<usize>,
    start: Instant,
}

impl<'a> Compilation<'a> {
    fn new(compiler: &'a Compiler, module: &'a Module) -> Result<Compilation<'a>, CompileError> {
        let start = Instant::now();
        let mut builder = JITBuilder::with_isa(compiler.isa.clone(), Box::new(runtime::libcall_name));
        for host in &module.hosts {
            builder.symbol(host_symbol(&host.name), compiler.hosts.resolve(host)?.address());
        }
        let quiet = (!module.hosts.is_empty())
            .then(|| quiet::address(&compiler.isa))
            .flatten();
        if let Some(address) = quiet {
            builder.symbol(quiet::NAME, address);
        }
        let unresolved = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&unresolved);
        // Asked before the process's own symbols; since it always answers, those are never asked.
        builder.symbol_lookup_fn(Box::new(move |name| {
            Some(runtime::address(name).unwrap_or_else(|| {
                flag.store(true, Ordering::Relaxed);
                unresolved_symbol as *const u8
            }))
        }));
        Ok(Compilation {
            module,
            jit: Memory::new(JITModule::new(builder)),
            links: Links::default(),
            has_quiet: quiet.is_some(),
            unresolved,
            dump: compiler.options.dump.then(Dump::default),
            code_sizes: Vec::new(),
            start,
        })
    }

    fn run(mut self, scratch: &mut Scratch) -> Result<CompiledModule, CompileError> {
        self.declare()?;
        for (i, function) in self.module.functions.iter().enumerate() {
            self.define(self.links.functions[i], function, scratch)?;
        }
        self.jit.finalize_definitions()?;
        if self.unresolved.load(Ordering::Relaxed) {
            return Err(CompileError::Backend("a runtime function is missing".to_owned()));
        }
        self.record_for_perf();
        Ok(self.finish())
    }

    fn declare(&mut self) -> Result<(), CompileError> {
        for function in &self.module.functions {
            let sig = lower::function_signature(&function.sig, self.jit.isa());
            let id = self
                .jit
                .declare_function(&function_symbol(&function.name), Linkage::Local, &sig)?;
            self.links.functions.push(id);
        }
        for host in &self.module.hosts {
            let sig = lower::host_signature(&host.sig, self.jit.isa());
            let id = self
                .jit
                .declare_function(&host_symbol(&host.name), Linkage::Import, &sig)?;
            self.links.hosts.push(id);
        }
        if self.has_quiet {
            let id = self
                .jit
                .declare_function(quiet::NAME, Linkage::Import, &quiet::signature())?;
            self.links.quiet = Some(id);
        }
        let is_wide = |function: &Function| function.values.contains(&Type::I128);
        if self.module.functions.iter().any(is_wide) {
            let sig = lower::runtime_signature(self.jit.isa());
            for which in Runtime::ALL {
                self.links
                    .runtime
                    .push(self.jit.declare_function(which.name(), Linkage::Import, &sig)?);
            }
        }
        Ok(())
    }

    fn define(&mut self, id: LinkId, function: &Function, scratch: &mut Scratch) -> Result<(), CompileError> {
        let Scratch { context, builder } = scratch;
        context.clear();
        lower::lower(function, &mut self.jit, &self.links, builder, &mut context.func);
        if self.dump.is_some() {
            context.func.dfg.resolve_all_aliases();
        }
        let dumper = self
            .dump
            .is_some()
            .then(|| Dumper::new(self.module, function, &context.func));
        self.jit.define_function(id, context)?;
        self.code_sizes
            .push(context.compiled_code().map_or(0, |code| code.code_buffer().len()));
        if let (Some(dump), Some(dumper)) = (&mut self.dump, dumper) {
            dump.functions.push(dumper.finish(context, self.jit.isa()));
        }
        Ok(())
    }

    /// Tells `perf report` the names of the functions, if `GOBI_PERF_MAP` is set.
    fn record_for_perf(&self) {
        if std::env::var_os("GOBI_PERF_MAP").is_none() {
            return;
        }
        let path = format!("/tmp/perf-{}.map", std::process::id());
        // A profile without names is no reason to fail.
        let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) else {
            return;
        };
        for ((function, id), bytes) in self
            .module
            .functions
            .iter()
            .zip(&self.links.functions)
            .zip(&self.code_sizes)
        {
            let start = self.jit.get_finalized_function(*id) as usize;
            let _ = writeln!(file, "{start:x} {bytes:x} {}", function.name);
        }
    }

    fn finish(mut self) -> CompiledModule {
        let mut kernels = Vec::new();
        let mut names = HashMap::new();
        for (i, function) in self.module.functions.iter().enumerate() {
            let is_kernel = abi::is_kernel(&function.sig);
            kernels.push(is_kernel.then(|| {
                let address = self.jit.get_finalized_function(self.links.functions[i]);
                // SAFETY: a function with the signature of a kernel was compiled to this address with the platform's
                // C calling convention.
                unsafe { std::mem::transmute::<*const u8, abi::KernelFn>(address) }
            }));
            if is_kernel {
                names.insert(function.name.clone(), FuncId(i as u32));
            }
        }
        let compile_time = self.start.elapsed();
        let mut dump = self.dump.take();
        if let Some(dump) = &mut dump {
            dump.compile_us = compile_time.as_micros() as u64;
        }
        let code_bytes = self.code_sizes.iter().sum();
        CompiledModule::new(Parts {
            memory: self.jit,
            kernels,
            names,
            code_bytes,
            compile_time,
            dump,
        })
    }
}

fn function_symbol(name: &str) -> String {
    format!("fn.{name}")
}

fn host_symbol(name: &str) -> String {
    format!("host.{name}")
}

extern "C" fn unresolved_symbol() {
    std::process::abort();
}
