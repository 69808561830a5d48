//! Random modules that verify, end, and touch only their own buffer.
//!
//! ```text
//! fn @helper0(ptr, f32, i64x2) -> i128        up to three, each calling only earlier ones
//! fn @main(ptr, i64, i64) -> i64              the kernel: the buffer, and two small numbers
//! ```
//!
//! Statements are in [`body`](super::body). Results agree bit for bit because NaNs are made canonical where they arise.
//!
//! Invariants: the same bytes make the same case; loops are bounded by counters, calls form no cycles.
//!
//! Does not: run anything.

use super::body::Body;
use super::{Source, constants};
use crate::ModuleBuilder;
use crate::abi::{KERNEL_PARAMS, KERNEL_RESULTS};
use crate::ir::{FuncId, MAX_PARAMS, Module, NoteId, Signature, Type};

/// Size of the buffer that `@main` gets.
pub const BUFFER_BYTES: usize = 4096;

/// A random module and what to call its `@main` with.
#[derive(Clone, Debug)]
pub struct Case {
    /// The module.
    pub module: Module,
    /// Id of `@main`.
    pub main: FuncId,
    /// Contents of the buffer before the call.
    pub buffer: Vec<u64>,
    /// Second argument.
    pub a: i64,
    /// Third argument, a row count from 0 to 16.
    pub b: i64,
}

/// Functions that a body may call.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub helpers: Vec<(FuncId, Signature)>,
    pub notes: Vec<NoteId>,
}

/// Makes a case of the source's decisions.
pub fn generate(source: &mut Source) -> Case {
    let mut module = ModuleBuilder::new();
    let mut scope = Scope::default();
    scope
        .notes
        .extend(["l_quantity < 24", "a \"quoted\"\nnote"].map(|text| module.note(text)));
    let buffer = (0..64)
        .map(|_| constants::word(source))
        .collect::<Vec<u64>>()
        .repeat(BUFFER_BYTES / 8 / 64);
    let (a, b) = (constants::integer(source, 64) as i64, source.below(17) as i64);
    for i in 0..source.below(4) {
        let sig = signature(source);
        let body = Body::new(&format!("helper{i}"), &sig, source, &mut module, &scope, false);
        let function = body.write(3 + i * 3);
        scope.helpers.push((module.add_function(function), sig));
    }
    let sig = Signature::new(&KERNEL_PARAMS, &KERNEL_RESULTS);
    let statements = 10 + source.below(40);
    let function = Body::new("main", &sig, source, &mut module, &scope, true).write(statements);
    let main = module.add_function(function);
    Case {
        module: module.finish(),
        main,
        buffer,
        a,
        b,
    }
}

/// The buffer first, then anything.
fn signature(source: &mut Source) -> Signature {
    let others = source.below(MAX_PARAMS);
    let params = std::iter::once(Type::Ptr)
        .chain((0..others).map(|_| source.pick(&Type::ALL)))
        .collect();
    let results = (0..source.below(3)).map(|_| source.pick(&Type::ALL)).collect();
    Signature { params, results }
}
