//! The typed way to write IR: one method per operation, each checking its operands' types at once.
//!
//! ```
//! use gobi_jit::ir::{IntCond, Type};
//! let mut b = gobi_jit::FunctionBuilder::new("twice", &[Type::I64], &[Type::I64]);
//! let x = b.param(0);
//! let y = b.add(x, x);
//! b.ret(&[y]);
//! let function = b.finish();
//! ```
//!
//! Invariants: the builder always stands in one block; after a terminator the next call must be `switch_to`.
//! A misuse (wrong types, no current block) is a bug of the caller and panics with the operation's name.
//!
//! Does not: optimise; what is written is what the verifier and the interpreter see.
