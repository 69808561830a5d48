//! The typed way to write IR: one method per operation, each checking its operands' types at once.
//!
//! ```
//! use gobi_jit::{FunctionBuilder, ir::Type};
//! let mut b = FunctionBuilder::new("twice", &[Type::I64], &[Type::I64]);
//! let x = b.param(0);
//! let y = b.add(x, x);
//! b.ret(&[y]);
//! let function = b.finish();
//! assert_eq!(function.blocks[0].insts.len(), 1);
//! ```
//!
//! Invariants: the builder always stands in one block; after a terminator the next call must be `switch_to`.
//! A misuse (wrong types, no current block) is a bug of the caller and panics with the operation's name.
//!
//! Does not: optimise; what is written is what the verifier and the interpreter see.

mod loops;
mod module;
mod ops;

pub use module::ModuleBuilder;

use crate::ir::{
    Block, BlockData, FuncId, Function, HostId, Inst, Local, NoteId, Op, Signature, Slot, Terminator, Type, Value,
};
use crate::typing::{self, Callees, Env};

/// Writes one function, block by block. See the module.
#[derive(Clone, Debug)]
pub struct FunctionBuilder {
    function: Function,
    current: Block,
    note: Option<NoteId>,
}

impl FunctionBuilder {
    /// Starts a function; the builder stands in its entry block.
    pub fn new(name: &str, params: &[Type], results: &[Type]) -> FunctionBuilder {
        let sig = Signature::new(params, results);
        if let Err(message) = typing::check_signature(&sig) {
            panic!("function @{name}: {message}");
        }
        let function = Function {
            name: name.to_owned(),
            sig,
            values: params.to_vec(),
            blocks: vec![BlockData::default()],
            ..Function::default()
        };
        FunctionBuilder {
            function,
            current: Block(0),
            note: None,
        }
    }

    /// The `i`-th parameter.
    pub fn param(&self, i: usize) -> Value {
        assert!(
            i < self.function.sig.params.len(),
            "@{} has no parameter {i}",
            self.function.name
        );
        Value(i as u32)
    }

    /// A new empty block; the builder stays where it is.
    pub fn block(&mut self) -> Block {
        self.function.blocks.push(BlockData::default());
        Block(self.function.blocks.len() as u32 - 1)
    }

    /// A new empty block that is executed rarely and laid out of line.
    pub fn cold_block(&mut self) -> Block {
        let block = self.block();
        self.function.blocks[block.idx()].cold = true;
        block
    }

    /// Continues writing at the end of `block`.
    pub fn switch_to(&mut self, block: Block) {
        assert!(
            block.idx() < self.function.blocks.len(),
            "switch_to: block b{} does not exist",
            block.0
        );
        self.current = block;
    }

    /// The block in which the builder stands.
    pub fn current(&self) -> Block {
        self.current
    }

    /// Whether the current block has its terminator already.
    pub fn is_terminated(&self) -> bool {
        self.function.blocks[self.current.idx()].term != Terminator::None
    }

    /// A new mutable local, zero on entry to the function.
    pub fn local(&mut self, ty: Type) -> Local {
        self.function.locals.push(ty);
        Local(self.function.locals.len() as u32 - 1)
    }

    /// A new stack slot of this many bytes, aligned to 16.
    pub fn slot(&mut self, bytes: u32) -> Slot {
        self.function.slots.push(bytes);
        Slot(self.function.slots.len() as u32 - 1)
    }

    /// Following instructions carry this note.
    pub fn note(&mut self, note: NoteId) {
        self.note = Some(note);
    }

    /// Following instructions carry no note.
    pub fn clear_note(&mut self) {
        self.note = None;
    }

    /// The note that following instructions carry, so that it can be restored with [`FunctionBuilder::set_note`].
    pub fn current_note(&self) -> Option<NoteId> {
        self.note
    }

    /// Sets or clears the note of following instructions.
    pub fn set_note(&mut self, note: Option<NoteId>) {
        self.note = note;
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> Type {
        self.function.values[value.idx()]
    }

    /// The function as written so far.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// Calls a function of the module that has the signature; its results in order.
    pub fn call(&mut self, callee: FuncId, sig: &Signature, args: &[Value]) -> Vec<Value> {
        let (first, second) = self.emit(Op::Call(callee, args.to_vec()), None, Callees::Given(sig));
        first.into_iter().chain(second).collect()
    }

    /// Calls a host function that has the signature.
    pub fn call_host(&mut self, callee: HostId, sig: &Signature, args: &[Value]) -> Option<Value> {
        self.emit(Op::CallHost(callee, args.to_vec()), None, Callees::Given(sig))
            .0
    }

    /// Leaves the block for `to`.
    pub fn jump(&mut self, to: Block) {
        self.terminate(Terminator::Jump(to));
    }

    /// Leaves the block for `then` if `cond` (an `i8`) is not 0, else for `otherwise`.
    pub fn branch(&mut self, cond: Value, then: Block, otherwise: Block) {
        assert!(
            self.ty(cond) == Type::I8,
            "branch: the condition is {}, expected i8",
            self.ty(cond)
        );
        self.terminate(Terminator::Branch { cond, then, otherwise });
    }

    /// Leaves the block for the case that equals `on` (an `i32` or `i64`), else for `default`.
    pub fn switch(&mut self, on: Value, cases: &[(i64, Block)], default: Block) {
        let ty = self.ty(on);
        assert!(
            matches!(ty, Type::I32 | Type::I64),
            "switch: the selector is {ty}, expected i32 or i64"
        );
        self.terminate(Terminator::Switch {
            on,
            cases: cases.to_vec(),
            default,
        });
    }

    /// Returns the values to the caller.
    pub fn ret(&mut self, values: &[Value]) {
        let types: Vec<Type> = values.iter().map(|value| self.ty(*value)).collect();
        assert!(
            types == self.function.sig.results,
            "ret: {types:?}, expected {:?}",
            self.function.sig.results
        );
        self.terminate(Terminator::Return(values.to_vec()));
    }

    /// The finished function. Blocks without a terminator stay; the verifier refuses them.
    pub fn finish(self) -> Function {
        self.function
    }

    fn terminate(&mut self, term: Terminator) {
        assert!(
            !self.is_terminated(),
            "block b{} of @{} is left twice",
            self.current.0,
            self.function.name
        );
        self.function.blocks[self.current.idx()].term = term;
    }

    fn define(&mut self, ty: Type) -> Value {
        self.function.values.push(ty);
        Value(self.function.values.len() as u32 - 1)
    }

    fn emit(&mut self, op: Op, want: Option<Type>, callees: Callees<'_>) -> (Option<Value>, Option<Value>) {
        assert!(
            !self.is_terminated(),
            "{op:?}: block b{} of @{} has ended",
            self.current.0,
            self.function.name
        );
        let env = Env {
            function: &self.function,
            callees,
        };
        let (first, second) = match typing::result_types(&op, want, env) {
            Ok(results) => results,
            Err(message) => panic!("{op:?} in @{}: {message}", self.function.name),
        };
        let result = first.map(|ty| self.define(ty));
        let result2 = second.map(|ty| self.define(ty));
        let inst = Inst {
            op,
            result,
            result2,
            note: self.note,
        };
        self.function.blocks[self.current.idx()].insts.push(inst);
        (result, result2)
    }

    /// Emits an operation that computes, whichever it is, for the random generator; gives its first and second result.
    pub(crate) fn raw(&mut self, op: Op, want: Option<Type>) -> (Value, Option<Value>) {
        let (first, second) = self.emit(op, want, Callees::None);
        (first.expect("the operation computes a value"), second)
    }

    /// Emits an operation with one result; `want` is its type where the operation leaves that open.
    fn one(&mut self, op: Op, want: Option<Type>) -> Value {
        self.emit(op, want, Callees::None)
            .0
            .expect("the type rules give this operation a result")
    }
}
