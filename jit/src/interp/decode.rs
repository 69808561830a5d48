//! Decodes a function into segments of straight-line steps.
//!
//! ```text
//! b1:  %5 = get $0         segment 1:  copy 5 ← 9;  index …;  load …
//!      %6 = index …                    exit: branch 8 → 2, 3
//!      %7 = load %6
//!      branch %8, b2, b3
//! ```
//!
//! A block is one segment, or more if it calls. Constants and the addresses of stack slots never change, so they cost no
//! step: they are part of the template from which a frame's registers are copied.
//!
//! Invariants: parameters come first in the registers; only reachable blocks are decoded.
//!
//! Does not: run anything. Expects IR that verifies.

use super::step::{Run, Step};
use super::{memory, scalar, vector};
use crate::flow::Flow;
use crate::host::HostFn;
use crate::ir::{Block, Function, Inst, Local, Op, Terminator, Type, Value};

/// A decoded function.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// All steps; segments are ranges of it.
    pub steps: Vec<Step>,
    pub segments: Vec<Segment>,
    /// Registers of a new frame.
    pub template: Vec<u64>,
    /// Stack slots: the register that holds the address, and the offset in the frame's slot memory.
    pub slots: Vec<(u32, usize)>,
    /// Slot memory of a frame in units of 16 bytes.
    pub slot_units: usize,
}

/// Steps that run one after the other, and what comes then.
#[derive(Debug)]
pub(super) struct Segment {
    pub start: u32,
    pub end: u32,
    pub exit: Exit,
}

/// What comes after a segment; targets are segments.
#[derive(Debug)]
pub(super) enum Exit {
    Jump(u32),
    Branch {
        cond: u32,
        then: u32,
        otherwise: u32,
    },
    /// Cases are sorted.
    Switch {
        on: u32,
        narrow: bool,
        cases: Box<[(i64, u32)]>,
        default: u32,
    },
    Return(Box<[Place]>),
    Call(Box<Call>),
    Host(Box<HostCall>),
}

/// A call of a function of the module.
#[derive(Debug)]
pub(super) struct Call {
    pub callee: usize,
    pub args: Box<[Place]>,
    pub results: Box<[Place]>,
    pub next: u32,
}

/// A call of a host function.
#[derive(Debug)]
pub(super) struct HostCall {
    pub function: HostFn,
    pub args: Box<[Place]>,
    pub result: Option<Place>,
    pub next: u32,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub at: u32,
    /// Takes two registers.
    pub wide: bool,
}

/// Decodes a function; `hosts` are the module's, resolved.
pub(super) fn decode(function: &Function, hosts: &[HostFn]) -> Code {
    let mut decoder = Decoder::new(function, hosts);
    let order = Flow::of(function).order;
    for block in &order {
        decoder.block(*block);
    }
    decoder.link();
    decoder.code
}

struct Decoder<'a> {
    function: &'a Function,
    hosts: &'a [HostFn],
    code: Code,
    values: Vec<u32>,
    locals: Vec<u32>,
    /// First segment of every block.
    blocks: Vec<u32>,
    start: u32,
}

impl<'a> Decoder<'a> {
    fn new(function: &'a Function, hosts: &'a [HostFn]) -> Decoder<'a> {
        let mut next = 0;
        let mut place = |ty: &Type| {
            let at = next;
            next += ty.bytes().div_ceil(8);
            at
        };
        let values: Vec<u32> = function.values.iter().map(&mut place).collect();
        let locals = function.locals.iter().map(&mut place).collect();
        let slot_registers: Vec<u32> = function.slots.iter().map(|_| place(&Type::Ptr)).collect();
        let mut code = Code {
            template: vec![0; next as usize],
            ..Code::default()
        };
        for (bytes, register) in function.slots.iter().zip(slot_registers) {
            code.slots.push((register, code.slot_units * 16));
            code.slot_units += *bytes as usize / 16 + 1;
        }
        let blocks = vec![0; function.blocks.len()];
        Decoder {
            function,
            hosts,
            code,
            values,
            locals,
            blocks,
            start: 0,
        }
    }

    fn block(&mut self, block: Block) {
        self.blocks[block.idx()] = self.code.segments.len() as u32;
        let function = self.function;
        let data = &function.blocks[block.idx()];
        for inst in &data.insts {
            self.inst(inst);
        }
        let exit = match &data.term {
            Terminator::None => unreachable!("the verifier refuses blocks without a terminator"),
            Terminator::Jump(to) => Exit::Jump(to.0),
            Terminator::Branch { cond, then, otherwise } => Exit::Branch {
                cond: self.at(*cond),
                then: then.0,
                otherwise: otherwise.0,
            },
            Terminator::Switch { on, cases, default } => {
                let mut cases: Box<[(i64, u32)]> = cases.iter().map(|(case, to)| (*case, to.0)).collect();
                cases.sort_unstable();
                Exit::Switch {
                    on: self.at(*on),
                    narrow: self.ty(*on) == Type::I32,
                    cases,
                    default: default.0,
                }
            }
            Terminator::Return(values) => Exit::Return(self.places(values)),
        };
        self.end_segment(exit);
    }

    /// Turns block numbers in exits into segment numbers.
    fn link(&mut self) {
        for segment in &mut self.code.segments {
            let link = |to: &mut u32| *to = self.blocks[*to as usize];
            match &mut segment.exit {
                Exit::Jump(to) => link(to),
                Exit::Branch { then, otherwise, .. } => [then, otherwise].into_iter().for_each(link),
                Exit::Switch { cases, default, .. } => {
                    cases.iter_mut().map(|(_, to)| to).chain([default]).for_each(link);
                }
                // These go on in the next segment, which they know already.
                Exit::Return(_) | Exit::Call(_) | Exit::Host(_) => {}
            }
        }
    }

    fn end_segment(&mut self, exit: Exit) {
        let end = self.code.steps.len() as u32;
        self.code.segments.push(Segment {
            start: self.start,
            end,
            exit,
        });
        self.start = end;
    }

    fn inst(&mut self, inst: &Inst) {
        let d = inst.result.map_or(0, |value| self.at(value));
        let ty = inst.result.map_or(Type::I64, |value| self.ty(value));
        match &inst.op {
            Op::Const(value) => {
                let bits = ty.bytes() * 8;
                let mask = u128::MAX >> (128 - bits);
                self.preset(d, ty, *value as u128 & mask);
            }
            Op::F32Const(bits) => self.preset(d, ty, u128::from(*bits)),
            Op::F64Const(bits) => self.preset(d, ty, u128::from(*bits)),
            Op::Checked(op, a, b) => {
                let flag = inst.result2.map_or(0, |value| self.at(value));
                self.push(scalar::checked(*op, ty), d, [self.at(*a), self.at(*b), flag], 0);
            }
            Op::ExtractLane(v, lane) => {
                let run = vector::extract_lane(self.ty(*v));
                self.push(run, d, [self.at(*v), 0, 0], i64::from(*lane));
            }
            Op::InsertLane(v, lane, x) => {
                self.push(
                    vector::insert_lane(ty),
                    d,
                    [self.at(*v), self.at(*x), 0],
                    i64::from(*lane),
                );
            }
            Op::Call(callee, args) => {
                let results: Vec<Value> = inst.results().collect();
                let (args, results) = (self.places(args), self.places(&results));
                let next = self.code.segments.len() as u32 + 1;
                self.end_segment(Exit::Call(Box::new(Call {
                    callee: callee.idx(),
                    args,
                    results,
                    next,
                })));
            }
            Op::CallHost(callee, args) => {
                let result = inst.result.map(|value| self.place(value));
                let (function, args) = (self.hosts[callee.idx()], self.places(args));
                let next = self.code.segments.len() as u32 + 1;
                self.end_segment(Exit::Host(Box::new(HostCall {
                    function,
                    args,
                    result,
                    next,
                })));
            }
            Op::SlotAddr(_) | Op::Load(..) | Op::Store { .. } | Op::Index { .. } | Op::Get(_) | Op::Set(..) => {
                self.memory(&inst.op, d, ty);
            }
            op => self.compute(op, d, ty),
        }
    }

    fn memory(&mut self, op: &Op, d: u32, ty: Type) {
        match op {
            // The register of the slot is filled on entry, before anything can read its copy.
            Op::SlotAddr(slot) => self.push(scalar::copy(Type::Ptr), d, [self.code.slots[slot.idx()].0, 0, 0], 0),
            Op::Load(ptr, offset) => self.push(memory::load(ty), d, [self.at(*ptr), 0, 0], i64::from(*offset)),
            Op::Store { value, ptr, offset } => {
                let run = memory::store(self.ty(*value));
                self.push(run, 0, [self.at(*value), self.at(*ptr), 0], i64::from(*offset));
            }
            Op::Index {
                ptr,
                index,
                scale,
                offset,
            } => {
                self.push(
                    memory::index,
                    d,
                    [self.at(*ptr), self.at(*index), *scale],
                    i64::from(*offset),
                );
            }
            Op::Get(local) => self.push(scalar::copy(ty), d, [self.local(*local), 0, 0], 0),
            Op::Set(local, value) => {
                let run = scalar::copy(self.ty(*value));
                self.push(run, self.local(*local), [self.at(*value), 0, 0], 0);
            }
            other => unreachable!("{other:?} does not touch memory"),
        }
    }

    /// Operations that are a function of their operands' values alone.
    fn compute(&mut self, op: &Op, d: u32, ty: Type) {
        let mut operands = [0_u32; 3];
        let mut types = [Type::I64; 3];
        let mut count = 0;
        op.for_each_operand(|value| {
            operands[count] = self.at(value);
            types[count] = self.ty(value);
            count += 1;
        });
        let of = types[0];
        let run = match op {
            Op::Int(op, ..) if of.is_vector() => vector::int_binary(*op, of),
            Op::Int(op, ..) => scalar::int_binary(*op, of),
            Op::IntUnary(op, _) if of.is_vector() => vector::int_unary(*op, of),
            Op::IntUnary(op, _) => scalar::int_unary(*op, of),
            Op::Float(op, ..) if of.is_vector() => vector::float_binary(*op, of),
            Op::Float(op, ..) => scalar::float_binary(*op, of),
            Op::FloatUnary(op, _) => scalar::float_unary(*op, of),
            Op::ICmp(cond, ..) if of.is_vector() => vector::icmp(*cond, of),
            Op::ICmp(cond, ..) => scalar::icmp(*cond, of),
            Op::FCmp(cond, ..) if of.is_vector() => vector::fcmp(*cond, of),
            Op::FCmp(cond, ..) => scalar::fcmp(*cond, of),
            Op::Select { .. } => scalar::select(ty),
            Op::BitSelect { .. } => vector::bit_select(),
            Op::Convert(op, _) => scalar::convert(*op, of, ty),
            Op::Splat(_) => vector::splat(ty),
            Op::HighBits(_) => vector::high_bits(of),
            Op::SNarrow(..) => vector::snarrow(of),
            Op::Widen(how, _) => vector::widen(*how, of),
            Op::AnyTrue(_) => vector::any_true(),
            other => unreachable!("{other:?} is decoded apart"),
        };
        self.push(run, d, operands, 0);
    }

    fn push(&mut self, run: Run, d: u32, [a, b, c]: [u32; 3], imm: i64) {
        self.code.steps.push(Step { run, d, a, b, c, imm });
    }

    fn preset(&mut self, at: u32, ty: Type, bits: u128) {
        self.code.template[at as usize] = bits as u64;
        if ty.bytes() == 16 {
            self.code.template[at as usize + 1] = (bits >> 64) as u64;
        }
    }

    fn at(&self, value: Value) -> u32 {
        self.values[value.idx()]
    }

    fn ty(&self, value: Value) -> Type {
        self.function.values[value.idx()]
    }

    fn local(&self, local: Local) -> u32 {
        self.locals[local.idx()]
    }

    fn place(&self, value: Value) -> Place {
        Place {
            at: self.at(value),
            wide: self.ty(value).bytes() == 16,
        }
    }

    fn places(&self, values: &[Value]) -> Box<[Place]> {
        values.iter().map(|value| self.place(*value)).collect()
    }
}
