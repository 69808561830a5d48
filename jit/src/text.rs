//! The text form of the IR: what `explain --jit` shows and what test files are written in.
//!
//! ```text
//! note !0 "l_quantity < 24"
//! host @gobi.like(ptr, i64) -> i8
//!
//! fn @first(ptr, i64) -> i64 {
//!   local $0: i64
//!   slot s0: 16
//! b0(%0: ptr, %1: i64):
//!   %2: i64 = load %0 + 8
//!   %3: i8 = icmp slt %2, %1 !0
//!   branch %3, b1, b2
//! b1:
//!   return %2
//! b2 cold:
//!   return %1
//! }
//! ```
//!
//! Every result carries its type, so a line is understood on its own; `;` starts a comment.
//!
//! Invariants: for every module that verifies, parsing what is printed gives an equal module.
//!
//! Does not: verify.

mod inst;
mod lex;
pub(crate) mod names;
mod parse;
mod print;

pub use parse::parse;
pub use print::{print, print_block_head, print_function, print_inst, print_terminator};

/// Where and why a text is not a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}
