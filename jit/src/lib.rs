//! A typed SSA IR with a text form, a verifier, a reference interpreter and a Cranelift back end.
//!
//! Life of a kernel: a front end writes IR with [`FunctionBuilder`] and [`ModuleBuilder`]; [`verify()`] says whether it is
//! well formed.
//!
//! Invariants: interpreter and machine code agree bit for bit on every module that verifies.
//!
//! Does not: know SQL, Arrow arrays or the store.

pub mod abi;
pub mod ir;

mod builder;
mod code;
mod compile;
mod dump;
mod flow;
mod host;
mod interp;
mod lower;
mod runtime;
#[doc(hidden)]
pub mod testing;
pub mod text;
mod thread;
mod typing;
mod verify;
mod visit;

pub use builder::{FunctionBuilder, ModuleBuilder};
pub use code::{CompiledModule, Executable};
pub use compile::{CompileError, Compiler, Opt, Options};
pub use dump::{ClifLine, Dump, FunctionDump, MachineLine};
pub use host::{HostError, HostFn, HostResult, HostTable, HostType};
pub use interp::Interpreter;
pub use thread::{CompileThread, Pending};
pub use verify::{VerifyError, verify};
