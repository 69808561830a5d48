//! What an operation reads and where a terminator leads, for passes that do not care which operation it is.
//!
//! Example: the operands of `Store { value, ptr, .. }` are `value`, then `ptr`; the targets of a branch are its two blocks.
//!
//! Invariants: operands come in the order of the text form; every operand is visited, twice if it is used twice.
//!
//! Does not: check anything.

use crate::ir::{Block, Inst, Op, Terminator, Value};

impl Op {
    /// Calls `visit` for every value that the operation reads.
    pub fn for_each_operand(&self, mut visit: impl FnMut(Value)) {
        match self {
            Op::Const(_) | Op::F32Const(_) | Op::F64Const(_) | Op::SlotAddr(_) | Op::Get(_) => {}
            Op::IntUnary(_, a)
            | Op::FloatUnary(_, a)
            | Op::Convert(_, a)
            | Op::Splat(a)
            | Op::ExtractLane(a, _)
            | Op::HighBits(a)
            | Op::Widen(_, a)
            | Op::AnyTrue(a)
            | Op::Load(a, _)
            | Op::Set(_, a) => visit(*a),
            Op::Int(_, a, b)
            | Op::Checked(_, a, b)
            | Op::Float(_, a, b)
            | Op::ICmp(_, a, b)
            | Op::FCmp(_, a, b)
            | Op::InsertLane(a, _, b)
            | Op::SNarrow(a, b)
            | Op::Store { value: a, ptr: b, .. }
            | Op::Index { ptr: a, index: b, .. } => [*a, *b].into_iter().for_each(visit),
            Op::Select {
                cond: a,
                then: b,
                otherwise: c,
            }
            | Op::BitSelect {
                mask: a,
                then: b,
                otherwise: c,
            } => {
                [*a, *b, *c].into_iter().for_each(visit);
            }
            Op::Call(_, args) | Op::CallHost(_, args) => args.iter().copied().for_each(visit),
        }
    }
}

impl Inst {
    /// The values that the instruction defines.
    pub fn results(&self) -> impl Iterator<Item = Value> {
        self.result.into_iter().chain(self.result2)
    }
}

impl Terminator {
    /// Calls `visit` for every block to which control may go.
    pub fn for_each_target(&self, mut visit: impl FnMut(Block)) {
        match self {
            Terminator::None | Terminator::Return(_) => {}
            Terminator::Jump(to) => visit(*to),
            Terminator::Branch { then, otherwise, .. } => [*then, *otherwise].into_iter().for_each(visit),
            Terminator::Switch { cases, default, .. } => {
                cases.iter().map(|(_, to)| *to).chain([*default]).for_each(visit);
            }
        }
    }

    /// Calls `visit` for every value that the terminator reads.
    pub fn for_each_operand(&self, mut visit: impl FnMut(Value)) {
        match self {
            Terminator::None | Terminator::Jump(_) => {}
            Terminator::Branch { cond, .. } => visit(*cond),
            Terminator::Switch { on, .. } => visit(*on),
            Terminator::Return(values) => values.iter().copied().for_each(visit),
        }
    }
}
