//! A typed SSA IR with a text form, a verifier, a reference interpreter and a Cranelift back end.
//!
//! Life of a kernel:
//! 1. A front end writes IR with [`FunctionBuilder`] and [`ModuleBuilder`]; [`ir`] says what each operation means.
//! 2. [`verify()`] says whether it is well formed. Whatever it accepts can be printed ([`text`]), interpreted and compiled.
//! 3. [`Compiler::compile`] binds host functions to the [`HostTable`], lowers each function to CLIF and has Cranelift make
//!    machine code of it, usually on a [`CompileThread`]; [`Options::dump`] keeps the texts.
//! 4. The [`CompiledModule`] owns the code. [`Executable::call_kernel`] runs a kernel on a frame laid out as [`abi`] says.
//! 5. Where no code can be generated, the [`Interpreter`] runs the same module with the same results.
//!
//! Where to look: types of operations in `typing`, their meaning natively in `lower`, their meaning by reference in `interp`.
//! To add an operation: `ir`, `typing`, `visit`, its word in `text::names` (or the three matches of `text`), one `emit` in
//! `lower`, one step in `interp`, a case in `filetests`; the random generator finds operations of the tables by itself.
//!
//! Invariants: interpreter and machine code agree bit for bit on every module that verifies, NaN payloads excepted; generated
//! code reaches nothing by name but the host table.
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
mod quiet;
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
