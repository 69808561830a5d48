//! The loop skeleton: counting upwards with the test at the end, so that an iteration costs one taken branch.
//!
//! ```
//! use gobi_jit::{FunctionBuilder, ir::Type};
//! let mut b = FunctionBuilder::new("sum", &[Type::I64, Type::I64], &[Type::I64]);
//! let sum = b.local(Type::I64);
//! let (from, to) = (b.param(0), b.param(1));
//! b.for_range(from, to, |b, i| {
//!     let before = b.get(sum);
//!     let after = b.add(before, i);
//!     b.set(sum, after);
//! });
//! let total = b.get(sum);
//! b.ret(&[total]);
//! ```
//!
//! ```text
//! b0: branch from < to, b1, b2        b1: i = get $i … set $i, i + 1; branch i + 1 < to, b1, b2        b2: …
//! ```
//!
//! Invariants: the builder stands after the loop when it returns; nothing runs if the range is empty.
//!
//! Does not: unroll or vectorise.

use crate::FunctionBuilder;
use crate::ir::{IntCond, Type, Value};

impl FunctionBuilder {
    /// Writes `body` once, to run for every `i64` in `from..to`. The body may leave the loop by ending its block.
    pub fn for_range(&mut self, from: Value, to: Value, body: impl FnOnce(&mut FunctionBuilder, Value)) {
        let counter = self.local(Type::I64);
        let (head, done) = (self.block(), self.block());
        self.set(counter, from);
        let enter = self.icmp(IntCond::Slt, from, to);
        self.branch(enter, head, done);

        self.switch_to(head);
        let i = self.get(counter);
        body(self, i);
        if !self.is_terminated() {
            let one = self.iconst(Type::I64, 1);
            let next = self.add(i, one);
            self.set(counter, next);
            let more = self.icmp(IntCond::Slt, next, to);
            self.branch(more, head, done);
        }
        self.switch_to(done);
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{FuncId, Type};
    use crate::testing::Pair;
    use crate::{FunctionBuilder, ModuleBuilder, Options};

    #[test]
    fn ranges_are_half_open() {
        let mut b = FunctionBuilder::new("sum", &[Type::I64, Type::I64], &[Type::I64]);
        let sum = b.local(Type::I64);
        b.for_range(b.param(0), b.param(1), |b, i| {
            let before = b.get(sum);
            let after = b.add(before, i);
            b.set(sum, after);
        });
        let total = b.get(sum);
        b.ret(&[total]);
        let mut module = ModuleBuilder::new();
        module.add_function(b.finish());
        let pair = Pair::new(&module.finish(), Options::default()).expect("the loop is well formed");
        for (from, to, expected) in [(0, 5, 10), (3, 3, 0), (4, 1, 0), (7, 8, 7)] {
            assert_eq!(pair.call_native(FuncId(0), &[from, to]).results[0], expected);
            assert_eq!(pair.call_interpreted(FuncId(0), &[from, to]).results[0], expected);
        }
    }
}
