//! Strings in generated code: equality, order, hash and prefix tests over 16-byte views.
//!
//! `l_shipinstruct = 'NONE'` compares two 8-byte words with constants: length and first four bytes, then the rest, which short
//! strings keep inside the view, padded with zeros.
//!
//! Invariants: a string of up to 12 bytes is equal to another iff both words of their views are; no byte outside a string is
//! read.
//!
//! Does not: call the host.

use gobi_jit::FunctionBuilder;
use gobi_jit::ir::{Function, IntCond, Signature, Type, Value};

use super::emit::Emitter;
use super::value::invert;
use crate::plan::physical::logical::CompareOp;

/// A function that is written into a module once, when first needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Helper {
    /// `(view, view) -> i8`: equal?
    Equal,
    /// `(view, view) -> i64`: negative, zero or positive.
    Compare,
    /// `(view) -> i64`.
    Hash,
}

const MULTIPLIER: i64 = 0x9E37_79B9_7F4A_7C15_u64.cast_signed();

impl Helper {
    pub(super) fn signature(self) -> Signature {
        let (params, result) = match self {
            Helper::Equal => (vec![Type::Ptr, Type::Ptr], Type::I8),
            Helper::Compare => (vec![Type::Ptr, Type::Ptr], Type::I64),
            Helper::Hash => (vec![Type::Ptr], Type::I64),
        };
        Signature {
            params,
            results: vec![result],
        }
    }
}

pub(super) fn write(helper: Helper) -> Function {
    match helper {
        Helper::Equal => write_equal(),
        Helper::Compare => write_compare(),
        Helper::Hash => write_hash(),
    }
}

/// Address and length (`i64`) of the bytes of a view.
fn bytes_of(b: &mut FunctionBuilder, view: Value) -> (Value, Value) {
    let length = b.load(Type::I32, view, 0);
    let length = b.uext(length, Type::I64);
    let twelve = b.iconst(Type::I64, 12);
    let short = b.icmp(IntCond::Ule, length, twelve);
    let zero = b.iconst(Type::I64, 0);
    let inside = b.index(view, zero, 1, 4);
    let outside = b.load(Type::Ptr, view, 8);
    (b.select(short, inside, outside), length)
}

/// `hash(h, word)`: one round of a multiplicative hash.
pub(super) fn mix(b: &mut FunctionBuilder, hash: Value, word: Value) -> Value {
    let rotation = b.iconst(Type::I64, 29);
    let multiplier = b.iconst(Type::I64, MULTIPLIER);
    let turned = b.rotl(hash, rotation);
    let mixed = b.xor(turned, word);
    let product = b.mul(mixed, multiplier);
    let shift = b.iconst(Type::I64, 32);
    let high = b.ushr(product, shift);
    b.xor(product, high)
}

fn write_equal() -> Function {
    let mut b = FunctionBuilder::new("text_equal", &[Type::Ptr, Type::Ptr], &[Type::I8]);
    let (x, y) = (b.param(0), b.param(1));
    let (same_head, differ, long, short) = (b.block(), b.block(), b.block(), b.block());
    let (x0, y0) = (b.load(Type::I64, x, 0), b.load(Type::I64, y, 0));
    let equal = b.icmp(IntCond::Eq, x0, y0);
    b.branch(equal, same_head, differ);
    b.switch_to(differ);
    let no = b.iconst(Type::I8, 0);
    b.ret(&[no]);
    b.switch_to(same_head);
    let (length, twelve) = (b.load(Type::I32, x, 0), b.iconst(Type::I32, 12));
    let is_short = b.icmp(IntCond::Ule, length, twelve);
    b.branch(is_short, short, long);
    b.switch_to(short);
    let (x1, y1) = (b.load(Type::I64, x, 8), b.load(Type::I64, y, 8));
    let equal = b.icmp(IntCond::Eq, x1, y1);
    b.ret(&[equal]);
    b.switch_to(long);
    let (x_bytes, y_bytes) = (b.load(Type::Ptr, x, 8), b.load(Type::Ptr, y, 8));
    let length = b.uext(length, Type::I64);
    equal_words(&mut b, x_bytes, y_bytes, length);
    b.finish()
}

/// Compares `length` (at least 8) bytes word by word; the last word overlaps the one before it.
fn equal_words(b: &mut FunctionBuilder, x: Value, y: Value, length: Value) {
    let at = b.local(Type::I64);
    let eight = b.iconst(Type::I64, 8);
    let last = b.sub(length, eight);
    let zero = b.iconst(Type::I64, 0);
    b.set(at, zero);
    let (head, next, differ, tail) = (b.block(), b.block(), b.block(), b.block());
    b.jump(head);
    b.switch_to(head);
    let i = b.get(at);
    let equal = equal_at(b, x, y, i);
    b.branch(equal, next, differ);
    b.switch_to(next);
    let i = b.add(i, eight);
    b.set(at, i);
    let again = b.icmp(IntCond::Slt, i, last);
    b.branch(again, head, tail);
    b.switch_to(tail);
    let equal = equal_at(b, x, y, last);
    b.ret(&[equal]);
    b.switch_to(differ);
    let no = b.iconst(Type::I8, 0);
    b.ret(&[no]);
}

fn equal_at(b: &mut FunctionBuilder, x: Value, y: Value, at: Value) -> Value {
    let (x, y) = (b.index(x, at, 1, 0), b.index(y, at, 1, 0));
    let (x, y) = (b.load(Type::I64, x, 0), b.load(Type::I64, y, 0));
    b.icmp(IntCond::Eq, x, y)
}

fn write_compare() -> Function {
    let mut b = FunctionBuilder::new("text_compare", &[Type::Ptr, Type::Ptr], &[Type::I64]);
    let (x, y) = (b.param(0), b.param(1));
    let (x, x_length) = bytes_of(&mut b, x);
    let (y, y_length) = bytes_of(&mut b, y);
    let x_shorter = b.icmp(IntCond::Slt, x_length, y_length);
    let common = b.select(x_shorter, x_length, y_length);
    let at = b.local(Type::I64);
    let (head, body, next, differ, ended) = (b.block(), b.block(), b.block(), b.block(), b.block());
    b.jump(head);
    b.switch_to(head);
    let i = b.get(at);
    let more = b.icmp(IntCond::Slt, i, common);
    b.branch(more, body, ended);
    b.switch_to(body);
    let (x_at, y_at) = (b.index(x, i, 1, 0), b.index(y, i, 1, 0));
    let (x_byte, y_byte) = (b.load(Type::I8, x_at, 0), b.load(Type::I8, y_at, 0));
    let same = b.icmp(IntCond::Eq, x_byte, y_byte);
    b.branch(same, next, differ);
    b.switch_to(next);
    let one = b.iconst(Type::I64, 1);
    let i = b.add(i, one);
    b.set(at, i);
    b.jump(head);
    b.switch_to(differ);
    let (x_byte, y_byte) = (b.uext(x_byte, Type::I64), b.uext(y_byte, Type::I64));
    let difference = b.sub(x_byte, y_byte);
    b.ret(&[difference]);
    b.switch_to(ended);
    let difference = b.sub(x_length, y_length);
    b.ret(&[difference]);
    b.finish()
}

fn write_hash() -> Function {
    let mut b = FunctionBuilder::new("text_hash", &[Type::Ptr], &[Type::I64]);
    let view = b.param(0);
    let (short, long, head, body, ended) = (b.block(), b.block(), b.block(), b.block(), b.block());
    let first = b.load(Type::I64, view, 0);
    let seed = b.iconst(Type::I64, MULTIPLIER);
    let start = mix(&mut b, seed, first);
    let (length, twelve) = (b.load(Type::I32, view, 0), b.iconst(Type::I32, 12));
    let is_short = b.icmp(IntCond::Ule, length, twelve);
    b.branch(is_short, short, long);
    b.switch_to(short);
    let second = b.load(Type::I64, view, 8);
    let result = mix(&mut b, start, second);
    b.ret(&[result]);
    b.switch_to(long);
    let (at, hash) = (b.local(Type::I64), b.local(Type::I64));
    let (bytes, length) = (b.load(Type::Ptr, view, 8), b.uext(length, Type::I64));
    let eight = b.iconst(Type::I64, 8);
    let last = b.sub(length, eight);
    b.set(hash, start);
    b.jump(head);
    b.switch_to(head);
    let i = b.get(at);
    let more = b.icmp(IntCond::Slt, i, last);
    b.branch(more, body, ended);
    b.switch_to(body);
    let address = b.index(bytes, i, 1, 0);
    let (word, so_far) = (b.load(Type::I64, address, 0), b.get(hash));
    let mixed = mix(&mut b, so_far, word);
    b.set(hash, mixed);
    let i = b.add(i, eight);
    b.set(at, i);
    b.jump(head);
    b.switch_to(ended);
    let address = b.index(bytes, last, 1, 0);
    let (word, so_far) = (b.load(Type::I64, address, 0), b.get(hash));
    let result = mix(&mut b, so_far, word);
    b.ret(&[result]);
    b.finish()
}

impl Emitter<'_> {
    pub(super) fn compare_text(&mut self, op: CompareOp, x: Value, y: Value) -> Value {
        match op {
            CompareOp::Eq | CompareOp::NotDistinct => self.text_equal(x, y),
            CompareOp::NotEq | CompareOp::Distinct => {
                let equal = self.text_equal(x, y);
                invert(&mut self.b, equal)
            }
            _ => {
                let order = self.call_helper(Helper::Compare, &[x, y]);
                let zero = self.b.iconst(Type::I64, 0);
                self.b.icmp(super::expr::signed(op), order, zero)
            }
        }
    }

    fn text_equal(&mut self, x: Value, y: Value) -> Value {
        self.call_helper(Helper::Equal, &[x, y])
    }

    /// Calls a helper of the module.
    pub(super) fn call_helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        let id = self.shared.helper(helper);
        self.b.call(id, &helper.signature(), args)[0]
    }

    /// Whether a string equals a short literal: two words.
    pub(super) fn text_equals_short(&mut self, x: Value, literal: &[u8]) -> Value {
        let mut view = [0u8; 16];
        view[..4].copy_from_slice(&(literal.len() as u32).to_le_bytes());
        view[4..4 + literal.len()].copy_from_slice(literal);
        let (low, high) = view.split_at(8);
        let mut word = |bytes: &[u8], offset: i32| {
            let mut eight = [0u8; 8];
            eight.copy_from_slice(bytes);
            let expected = self.b.iconst(Type::I64, i64::from_le_bytes(eight));
            let actual = self.b.load(Type::I64, x, offset);
            self.b.icmp(IntCond::Eq, actual, expected)
        };
        let (first, second) = (word(low, 0), word(high, 8));
        self.b.and(first, second)
    }

    /// Whether a string starts with a literal.
    pub(super) fn text_starts_with(&mut self, x: Value, prefix: &[u8]) -> Value {
        if prefix.is_empty() {
            return self.b.iconst(Type::I8, 1);
        }
        let (text, length) = bytes_of(&mut self.b, x);
        let wanted = self.b.iconst(Type::I64, prefix.len() as i64);
        let long_enough = self.b.icmp(IntCond::Sge, length, wanted);
        // A shorter string is not read past its end: the literal stands in for it.
        let literal = self.text_constant(prefix);
        let (literal_bytes, _) = bytes_of(&mut self.b, literal);
        let text = self.b.select(long_enough, text, literal_bytes);
        let mut result = long_enough;
        let mut at = 0;
        while at < prefix.len() {
            let left = prefix.len() - at;
            let (size, ty) = match left {
                8.. => (8, Type::I64),
                4.. => (4, Type::I32),
                2.. => (2, Type::I16),
                _ => (1, Type::I8),
            };
            let mut bytes = [0u8; 8];
            bytes[..size].copy_from_slice(&prefix[at..at + size]);
            let expected = self.b.iconst(ty, sign_extended(i64::from_le_bytes(bytes), size));
            let actual = self.b.load(ty, text, at as i32);
            let same = self.b.icmp(IntCond::Eq, actual, expected);
            result = self.b.and(result, same);
            at += size;
        }
        result
    }
}

fn sign_extended(value: i64, bytes: usize) -> i64 {
    let shift = 64 - 8 * bytes as u32;
    (value << shift) >> shift
}
