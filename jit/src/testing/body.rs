//! Random bodies of functions: operations from [`templates`](super::templates), memory, locals, calls, control flow.
//!
//! Example: a row loop reads a validity byte and a value per row, adds checked, and leaves through a cold block on overflow,
//! as a compiled query does.
//!
//! Invariants: addresses are masked so that every access stays in the buffer or a slot; a slot's address never becomes a
//! value that could be compared or stored, since it differs between the two ways to run.
//!
//! Does not: leave NaNs as they fall; every float result is made canonical.

use super::generate::{BUFFER_BYTES, Scope};
use super::templates::{TEMPLATES, Template};
use super::{HOSTS, Source, constants};
use crate::abi::{ERROR_ROW, ERROR_SITE, STATUS_ERROR};
use crate::ir::{Block, Checked, Convert, FloatCond, Function, IntCond, Local, Op, Signature, Type, Value};
use crate::{FunctionBuilder, ModuleBuilder};

/// Bytes of the slot that every function has.
const SLOT_BYTES: u32 = 64;

/// Writes one function.
pub(super) struct Body<'a> {
    b: FunctionBuilder,
    source: &'a mut Source,
    module: &'a mut ModuleBuilder,
    scope: &'a Scope,
    sig: Signature,
    /// Values that dominate the current block, by type.
    pool: Vec<Vec<Value>>,
    locals: Vec<(Local, Type)>,
    buffer: Value,
    slot: Value,
    loops: u32,
    is_main: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        name: &str,
        sig: &Signature,
        source: &'a mut Source,
        module: &'a mut ModuleBuilder,
        scope: &'a Scope,
        is_main: bool,
    ) -> Body<'a> {
        let mut b = FunctionBuilder::new(name, &sig.params, &sig.results);
        let slot = b.slot(SLOT_BYTES);
        let slot = b.slot_addr(slot);
        // Slots hold anything on entry natively.
        let zero = b.iconst(Type::I64, 0);
        for offset in (0..SLOT_BYTES as i32).step_by(8) {
            b.store(zero, slot, offset);
        }
        let buffer = b.param(0);
        let pool = vec![Vec::new(); Type::ALL.len()];
        let mut body = Body {
            b,
            source,
            module,
            scope,
            sig: sig.clone(),
            pool,
            locals: Vec::new(),
            buffer,
            slot,
            loops: 0,
            is_main,
        };
        for i in 0..sig.params.len() {
            let param = body.b.param(i);
            body.keep(param);
        }
        for _ in 0..body.source.below(6) {
            let ty = body.source.pick(&Type::ALL);
            let local = body.b.local(ty);
            body.locals.push((local, ty));
        }
        body
    }

    /// Writes about this many statements and the end.
    pub(super) fn write(mut self, statements: usize) -> Function {
        self.region(statements, 0);
        self.leave();
        if self.source.one_in(8) {
            // Nothing leads here; both ways to run must not mind.
            let nowhere = self.b.block();
            self.b.switch_to(nowhere);
            self.pool.iter_mut().for_each(Vec::clear);
            self.leave();
        }
        self.b.finish()
    }

    fn leave(&mut self) {
        let results: Vec<Value> = self.sig.results.clone().into_iter().map(|ty| self.any(ty)).collect();
        self.b.ret(&results);
    }

    fn region(&mut self, statements: usize, depth: u32) {
        for _ in 0..statements {
            if self.source.is_empty() {
                return;
            }
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        let note = if self.source.one_in(6) {
            Some(self.source.pick(&self.scope.notes))
        } else {
            None
        };
        self.b.set_note(note);
        match self.source.below(40) {
            0 => self.constant(),
            1..=3 => self.load(),
            4..=6 => self.store(),
            7..=9 => self.locals(),
            10 => self.call(),
            11..=12 => self.call_host(),
            13 if depth < 3 => self.choose(depth),
            14 if self.loops < 2 => self.repeat(depth),
            15 if depth < 3 => self.switch(depth),
            16 if depth < 3 => self.error_exit(),
            17 if self.loops < 1 => self.rows(),
            18 => self.pointer(),
            _ => self.compute(),
        }
    }

    fn keep(&mut self, value: Value) {
        let ty = self.b.ty(value);
        self.pool[ty as usize].push(value);
    }

    /// A value of the type, a new constant if there is none.
    fn any(&mut self, ty: Type) -> Value {
        let have = self.pool[ty as usize].len();
        if have == 0 || self.source.one_in(5) {
            let made = constants::emit(&mut self.b, self.source, ty);
            self.keep(made);
            return made;
        }
        // Mostly late values, so that chains grow.
        let back = self.source.below(have.min(6));
        self.pool[ty as usize][have - 1 - back]
    }

    fn constant(&mut self) {
        let ty = self.source.pick(&Type::ALL);
        let made = constants::emit(&mut self.b, self.source, ty);
        self.keep(made);
    }

    fn compute(&mut self) {
        let at = self.source.below(TEMPLATES.len());
        let Template { op, operands, result } = &TEMPLATES[at];
        let [a, b, c] = std::array::from_fn(|i| operands.get(i).map_or(Value(0), |ty| self.any(*ty)));
        let made = self.emit(op, *result, [a, b, c]);
        self.keep(made);
        if !self.source.one_in(3) {
            // A result that reaches no memory would not be compared.
            let offset = self.source.below(BUFFER_BYTES - 15) as i32;
            self.b.store(made, self.buffer, offset);
        }
    }

    /// Emits the template's operation on these operands; a flag is kept, a NaN made canonical.
    fn emit(&mut self, op: &Op, ty: Type, [a, b, c]: [Value; 3]) -> Value {
        let (made, flag) = self.b.raw(substitute(op, [a, b, c]), Some(ty));
        if let Some(flag) = flag {
            self.keep(flag);
        }
        let computes = matches!(
            op,
            Op::Float(..) | Op::FloatUnary(..) | Op::Convert(Convert::Promote | Convert::Demote, _)
        );
        if computes { self.canonical(made) } else { made }
    }

    fn canonical(&mut self, value: Value) -> Value {
        let ty = self.b.ty(value);
        let nan = match ty {
            Type::F32 | Type::F32x4 => self.b.f32const(f32::NAN),
            _ => self.b.f64const(f64::NAN),
        };
        let is_nan = self.b.fcmp(FloatCond::Uno, value, value);
        if !ty.is_vector() {
            return self.b.select(is_nan, nan, value);
        }
        let nan = self.b.splat(ty, nan);
        let mask = self.b.bitcast(is_nan, ty);
        self.b.bit_select(mask, nan, value)
    }

    /// An address with at least 16 bytes behind it, and the offset to use.
    fn address(&mut self) -> (Value, i32) {
        let (base, bytes) = if self.source.one_in(4) {
            (self.slot, SLOT_BYTES)
        } else {
            (self.buffer, BUFFER_BYTES as u32)
        };
        if self.source.one_in(3) {
            return (base, self.source.below(bytes as usize - 15) as i32);
        }
        let scale = self.source.pick(&[1_u32, 2, 3, 4, 8, 12, 16]);
        let room = (bytes - 32) / scale + 1;
        let mask = self
            .b
            .iconst(Type::I64, i64::from((room / 2).max(1).next_power_of_two() - 1));
        let index = self.any(Type::I64);
        let index = self.b.and(index, mask);
        let total = self.source.below(17) as i32;
        let first = self.source.below(64) as i32 - 32;
        let ptr = self.b.index(base, index, scale, first);
        if base == self.buffer {
            self.keep(ptr);
        }
        (ptr, total - first)
    }

    fn load(&mut self) {
        let ty = self.source.pick(&Type::ALL);
        let (ptr, offset) = self.address();
        let made = self.b.load(ty, ptr, offset);
        self.keep(made);
    }

    fn store(&mut self) {
        let ty = self.source.pick(&Type::ALL);
        let value = self.any(ty);
        let (ptr, offset) = self.address();
        self.b.store(value, ptr, offset);
    }

    /// Arithmetic on any pointer, which is not then followed.
    fn pointer(&mut self) {
        let (ptr, index) = (self.any(Type::Ptr), self.any(Type::I64));
        let scale = self.source.word() as u32;
        let offset = self.source.word() as i32;
        let made = self.b.index(ptr, index, scale, offset);
        self.keep(made);
    }

    fn locals(&mut self) {
        if self.locals.is_empty() {
            return self.compute();
        }
        let (local, ty) = self.source.pick(&self.locals);
        if self.source.one_in(2) {
            let value = self.any(ty);
            self.b.set(local, value);
        } else {
            let made = self.b.get(local);
            self.keep(made);
        }
    }

    fn call(&mut self) {
        if self.scope.helpers.is_empty() || self.loops > 1 {
            return self.compute();
        }
        let at = self.source.below(self.scope.helpers.len());
        let (callee, sig) = self.scope.helpers[at].clone();
        let mut args = vec![self.buffer];
        args.extend(sig.params[1..].iter().map(|ty| self.any(*ty)));
        for result in self.b.call(callee, &sig, &args) {
            self.keep(result);
        }
    }

    fn call_host(&mut self) {
        let host = &HOSTS[self.source.below(HOSTS.len())];
        let sig = host.signature();
        let id = self.module.host(host.name(), sig.clone());
        let args: Vec<Value> = sig.params.iter().map(|ty| self.host_arg(host.name(), *ty)).collect();
        if let Some(result) = self.b.call_host(id, &sig, &args) {
            self.keep(result);
        }
    }

    /// A Rust `bool` may only be 0 or 1.
    fn host_arg(&mut self, host: &str, ty: Type) -> Value {
        let value = self.any(ty);
        if host != "test.mix" || ty != Type::I8 {
            return value;
        }
        let one = self.b.iconst(Type::I8, 1);
        self.b.and(value, one)
    }

    /// Writes statements whose values end with them, then goes to `next`.
    fn arm(&mut self, block: Block, next: Block, depth: u32) {
        let marks: Vec<usize> = self.pool.iter().map(Vec::len).collect();
        self.b.switch_to(block);
        let statements = self.source.below(5);
        self.region(statements, depth + 1);
        self.b.jump(next);
        self.forget(&marks);
    }

    fn forget(&mut self, marks: &[usize]) {
        self.pool
            .iter_mut()
            .zip(marks)
            .for_each(|(values, mark)| values.truncate(*mark));
    }

    fn choose(&mut self, depth: u32) {
        let cond = self.any(Type::I8);
        let (then, otherwise, next) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(cond, then, otherwise);
        self.arm(then, next, depth);
        self.arm(otherwise, next, depth);
        self.b.switch_to(next);
    }

    fn switch(&mut self, depth: u32) {
        let ty = self.source.pick(&[Type::I32, Type::I64]);
        let on = self.any(ty);
        let next = self.b.block();
        let arms: Vec<Block> = (0..1 + self.source.below(3)).map(|_| self.b.block()).collect();
        let mut values: Vec<i64> = Vec::new();
        for _ in 0..self.source.below(6) {
            let value = constants::integer(self.source, ty.bytes() * 8) as i64;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let cases: Vec<(i64, Block)> = values
            .iter()
            .enumerate()
            .map(|(i, v)| (*v, arms[i % arms.len()]))
            .collect();
        self.b.switch(on, &cases, next);
        for block in arms {
            self.arm(block, next, depth);
        }
        self.b.switch_to(next);
    }

    /// Starts a loop over `0..count`; gives the counter, its value and the block after the loop.
    fn start_loop(&mut self, count: Value) -> (Local, Value, Block, Block) {
        let counter = self.b.local(Type::I64);
        let zero = self.b.iconst(Type::I64, 0);
        self.b.set(counter, zero);
        let (head, body, next) = (self.b.block(), self.b.block(), self.b.block());
        self.b.jump(head);
        self.b.switch_to(head);
        let at = self.b.get(counter);
        let more = self.b.icmp(IntCond::Slt, at, count);
        self.b.branch(more, body, next);
        self.b.switch_to(body);
        self.loops += 1;
        (counter, at, head, next)
    }

    fn end_loop(&mut self, counter: Local, at: Value, head: Block, next: Block) {
        let one = self.b.iconst(Type::I64, 1);
        let after = self.b.add(at, one);
        self.b.set(counter, after);
        self.b.jump(head);
        self.b.switch_to(next);
        self.loops -= 1;
    }

    fn repeat(&mut self, depth: u32) {
        let times = self.source.below(if self.is_main { 6 } else { 3 }) as i64;
        let count = self.b.iconst(Type::I64, times);
        let marks: Vec<usize> = self.pool.iter().map(Vec::len).collect();
        let (counter, at, head, next) = self.start_loop(count);
        self.keep(at);
        let statements = self.source.below(6);
        self.region(statements, depth + 1);
        self.end_loop(counter, at, head, next);
        self.forget(&marks);
    }

    /// Leaves the function from a cold block if some truth value says so.
    fn error_exit(&mut self) {
        let cond = self.any(Type::I8);
        let (exit, next) = (self.b.cold_block(), self.b.block());
        self.b.branch(cond, exit, next);
        self.b.switch_to(exit);
        let marks: Vec<usize> = self.pool.iter().map(Vec::len).collect();
        let site = self.b.iconst(Type::I64, 7);
        self.b.store(site, self.buffer, ERROR_SITE);
        self.leave();
        self.forget(&marks);
        self.b.switch_to(next);
    }

    /// Sums a nullable column, checked, as a kernel does. The kernel's row count is its third parameter.
    fn rows(&mut self) {
        if !self.is_main {
            return self.compute();
        }
        let sum = self.b.local(Type::I64);
        let (counter, row, head, next) = self.start_loop(self.b.param(2));
        let valid_at = self.b.index(self.buffer, row, 1, 1024);
        let valid = self.b.load(Type::I8, valid_at, 0);
        let (use_it, overflow, skip) = (self.b.block(), self.b.cold_block(), self.b.block());
        self.b.branch(valid, use_it, skip);

        self.b.switch_to(use_it);
        let value_at = self.b.index(self.buffer, row, 8, 2048);
        let value = self.b.load(Type::I64, value_at, 8);
        let before = self.b.get(sum);
        let op = self.source.pick(&[Checked::Add, Checked::Sub, Checked::Mul]);
        let (after, overflowed) = self.b.checked(op, before, value);
        self.b.set(sum, after);
        self.b.branch(overflowed, overflow, skip);

        self.b.switch_to(overflow);
        self.b.store(row, self.buffer, ERROR_ROW);
        let status = self.b.iconst(Type::I64, STATUS_ERROR);
        self.b.ret(&[status]);

        self.b.switch_to(skip);
        self.end_loop(counter, row, head, next);
        let total = self.b.get(sum);
        self.keep(total);
    }
}

/// The template with these operands.
fn substitute(op: &Op, [a, b, c]: [Value; 3]) -> Op {
    match op {
        Op::Int(op, ..) => Op::Int(*op, a, b),
        Op::Checked(op, ..) => Op::Checked(*op, a, b),
        Op::IntUnary(op, _) => Op::IntUnary(*op, a),
        Op::Float(op, ..) => Op::Float(*op, a, b),
        Op::FloatUnary(op, _) => Op::FloatUnary(*op, a),
        Op::ICmp(cond, ..) => Op::ICmp(*cond, a, b),
        Op::FCmp(cond, ..) => Op::FCmp(*cond, a, b),
        Op::Select { .. } => Op::Select {
            cond: a,
            then: b,
            otherwise: c,
        },
        Op::BitSelect { .. } => Op::BitSelect {
            mask: a,
            then: b,
            otherwise: c,
        },
        Op::Convert(op, _) => Op::Convert(*op, a),
        Op::Splat(_) => Op::Splat(a),
        Op::ExtractLane(_, lane) => Op::ExtractLane(a, *lane),
        Op::InsertLane(_, lane, _) => Op::InsertLane(a, *lane, b),
        Op::HighBits(_) => Op::HighBits(a),
        Op::SNarrow(..) => Op::SNarrow(a, b),
        Op::Widen(how, _) => Op::Widen(*how, a),
        Op::AnyTrue(_) => Op::AnyTrue(a),
        other => unreachable!("{other:?} is no template"),
    }
}
