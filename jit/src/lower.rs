//! Lowers one function from IR to CLIF, operation by operation.
//!
//! ```text
//! %4: i64 = load %3 + 8        v12 = load.i64 notrap v9+24     ; %3 = index %0 + %1 * 8 + 16
//! ```
//!
//! Locals become variables of `cranelift-frontend`, which makes SSA of them. An address made by `index` keeps its constant
//! offset apart, so that loads and stores take it into their own. Functions with the signature of a kernel use the
//! platform's calling convention; all others Cranelift's own, which returns any two values in registers.
//!
//! Invariants: only reachable blocks are lowered, definitions before uses; every CLIF instruction carries as its source
//! location the number of its IR instruction, counted through the function, terminators included.
//!
//! Does not: optimise; that is Cranelift's. Expects IR that verifies.

mod arith;
mod convert;
mod memory;
mod types;
mod vector;

use cranelift_codegen::ir::{self as clif, InstBuilder, SourceLoc};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Switch, Variable};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId as LinkId, Module as _};

pub(crate) use types::{function_signature, host_signature, runtime_signature};

use crate::flow::Flow;
use crate::ir::{Block, Function, Inst, Local, Op, Terminator, Type, Value};
use crate::quiet;
use crate::runtime::Runtime;

/// What names in IR stand for in the Cranelift module.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// Per function of the module.
    pub functions: Vec<LinkId>,
    /// Per host function of the module.
    pub hosts: Vec<LinkId>,
    /// The call of [`quiet`], if there is one.
    pub quiet: Option<LinkId>,
    /// Per runtime function, in the order of [`Runtime::ALL`]; there if the module has 128-bit integers.
    pub runtime: Vec<LinkId>,
}

/// Lowers `function` into the empty `out`.
pub(crate) fn lower(
    function: &Function,
    jit: &mut JITModule,
    links: &Links,
    context: &mut FunctionBuilderContext,
    out: &mut clif::Function,
) {
    out.signature = function_signature(&function.sig, jit.isa());
    let mut lowering = Lowering::new(function, jit, links, FunctionBuilder::new(out, context));
    lowering.prologue();
    let numbers = first_numbers(function);
    let flow = Flow::of(function);
    let cold = cold_blocks(function, &flow);
    for block in flow.order {
        lowering.is_cold = cold[block.idx()];
        lowering.block(block, numbers[block.idx()]);
    }
    lowering.b.seal_all_blocks();
    lowering.b.finalize(lowering.jit.target_config());
}

/// Number of the first instruction of every block.
pub(crate) fn first_numbers(function: &Function) -> Vec<u32> {
    let mut next = 0;
    let number = |block: &crate::ir::BlockData| {
        let first = next;
        next += block.insts.len() as u32 + 1;
        first
    };
    function.blocks.iter().map(number).collect()
}

/// Which blocks are executed rarely: those that say so, and those to which only they lead.
fn cold_blocks(function: &Function, flow: &Flow) -> Vec<bool> {
    let mut cold = vec![true; function.blocks.len()];
    cold[0] = false;
    // In this order all ways to a block but those back to the head of a loop are seen before it.
    for block in &flow.order {
        let data = &function.blocks[block.idx()];
        cold[block.idx()] |= data.cold;
        if !cold[block.idx()] {
            data.term
                .for_each_target(|to| cold[to.idx()] = function.blocks[to.idx()].cold);
        }
    }
    cold
}

/// What lowering knows of a value.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// Not lowered yet.
    Nothing,
    /// Any value.
    Value(clif::Value),
    /// An integer constant.
    Const(clif::Value, i128),
    /// `base + offset`.
    Address { base: clif::Value, offset: i32 },
}

struct Lowering<'a, 'b> {
    b: FunctionBuilder<'b>,
    jit: &'a mut JITModule,
    links: &'a Links,
    function: &'a Function,
    values: Vec<Known>,
    blocks: Vec<clif::Block>,
    locals: Vec<Variable>,
    slots: Vec<clif::StackSlot>,
    /// References to callees that this function has made so far, by link.
    callees: Vec<(LinkId, clif::FuncRef)>,
    /// Where runtime functions write their result.
    wide_slot: Option<clif::StackSlot>,
    /// Where calls of [`quiet`] have their arguments and their result.
    quiet_slot: Option<clif::StackSlot>,
    /// The block being lowered is executed rarely.
    is_cold: bool,
}

impl<'a, 'b> Lowering<'a, 'b> {
    fn new(
        function: &'a Function,
        jit: &'a mut JITModule,
        links: &'a Links,
        mut b: FunctionBuilder<'b>,
    ) -> Lowering<'a, 'b> {
        let blocks = function.blocks.iter().map(|_| b.create_block()).collect();
        let locals = function
            .locals
            .iter()
            .map(|ty| b.declare_var(types::clif_type(*ty)))
            .collect();
        let slot = |bytes: &u32| {
            b.create_sized_stack_slot(clif::StackSlotData::new(clif::StackSlotKind::ExplicitSlot, *bytes, 4))
        };
        let slots = function.slots.iter().map(slot).collect();
        let values = vec![Known::Nothing; function.values.len()];
        Lowering {
            b,
            jit,
            links,
            function,
            values,
            blocks,
            locals,
            slots,
            callees: Vec::new(),
            wide_slot: None,
            quiet_slot: None,
            is_cold: false,
        }
    }

    /// Parameters, and zeros for the locals.
    fn prologue(&mut self) {
        let entry = self.blocks[0];
        self.b.append_block_params_for_function_params(entry);
        self.b.switch_to_block(entry);
        for (i, param) in self.b.block_params(entry).to_vec().into_iter().enumerate() {
            self.values[i] = Known::Value(param);
        }
        for (i, ty) in self.function.locals.iter().enumerate() {
            let zero = self.zero(*ty);
            self.b.def_var(self.locals[i], zero);
        }
    }

    fn block(&mut self, block: Block, first_number: u32) {
        let data = &self.function.blocks[block.idx()];
        let target = self.blocks[block.idx()];
        if block.0 != 0 {
            self.b.switch_to_block(target);
        }
        if self.is_cold {
            self.b.set_cold_block(target);
        }
        for (i, inst) in data.insts.iter().enumerate() {
            self.b.set_srcloc(SourceLoc::new(first_number + i as u32));
            self.inst(inst);
        }
        self.b
            .set_srcloc(SourceLoc::new(first_number + data.insts.len() as u32));
        self.terminator(&data.term);
    }

    fn inst(&mut self, inst: &Inst) {
        let ty = inst.result.map_or(Type::I64, |value| self.ty(value));
        let result = match &inst.op {
            Op::Const(value) => {
                let made = self.constant(ty, *value);
                self.know(inst, Known::Const(made, *value));
                return;
            }
            Op::F32Const(bits) => self.b.ins().f32const(clif::immediates::Ieee32::with_bits(*bits)),
            Op::F64Const(bits) => self.b.ins().f64const(clif::immediates::Ieee64::with_bits(*bits)),
            Op::Int(op, a, b) => self.int_binary(*op, *a, *b),
            Op::Checked(op, a, b) => return self.checked(*op, *a, *b, inst),
            Op::IntUnary(op, a) => self.int_unary(*op, *a),
            Op::Float(op, a, b) => self.float_binary(*op, *a, *b),
            Op::FloatUnary(op, a) => self.float_unary(*op, *a),
            Op::ICmp(cond, a, b) => self.icmp(*cond, *a, *b),
            Op::FCmp(cond, a, b) => self.fcmp(*cond, *a, *b),
            Op::Select { cond, then, otherwise } => {
                let (cond, then, otherwise) = (self.value(*cond), self.value(*then), self.value(*otherwise));
                self.select(cond, then, otherwise)
            }
            Op::BitSelect { mask, then, otherwise } => self.bit_select(*mask, *then, *otherwise),
            Op::Convert(op, a) => self.convert(*op, *a, ty),
            Op::Splat(a) => {
                let a = self.value(*a);
                self.b.ins().splat(types::clif_type(ty), a)
            }
            Op::ExtractLane(v, lane) => {
                let v = self.value(*v);
                self.b.ins().extractlane(v, *lane)
            }
            Op::InsertLane(v, lane, x) => {
                let (v, x) = (self.value(*v), self.value(*x));
                self.b.ins().insertlane(v, x, *lane)
            }
            Op::HighBits(v) => self.high_bits(*v),
            Op::SNarrow(a, b) => {
                let (a, b) = (self.value(*a), self.value(*b));
                self.b.ins().snarrow(a, b)
            }
            Op::Widen(how, v) => self.widen(*how, *v),
            Op::AnyTrue(v) => self.any_true(*v),
            Op::Load(ptr, offset) => self.load(ty, *ptr, *offset),
            Op::Store { value, ptr, offset } => return self.store(*value, *ptr, *offset),
            Op::Index {
                ptr,
                index,
                scale,
                offset,
            } => return self.index(*ptr, *index, *scale, *offset, inst),
            Op::SlotAddr(slot) => self.b.ins().stack_addr(clif::types::I64, self.slots[slot.idx()], 0),
            Op::Get(local) => self.b.use_var(self.locals[local.idx()]),
            Op::Set(local, value) => return self.set(*local, *value),
            Op::Call(callee, args) => return self.call(self.links.functions[callee.idx()], args, inst),
            Op::CallHost(callee, args) => return self.call_host(self.links.hosts[callee.idx()], args, inst),
        };
        self.define(inst, &[result]);
    }

    fn set(&mut self, local: Local, value: Value) {
        let value = self.value(value);
        self.b.def_var(self.locals[local.idx()], value);
    }

    fn call(&mut self, callee: LinkId, args: &[Value], inst: &Inst) {
        let args: Vec<clif::Value> = args.iter().map(|arg| self.value(*arg)).collect();
        let callee = self.callee(callee);
        let call = self.b.ins().call(callee, &args);
        let results = self.b.inst_results(call).to_vec();
        self.define(inst, &results);
    }

    fn call_host(&mut self, callee: LinkId, args: &[Value], inst: &Inst) {
        let passes = args
            .iter()
            .chain(&inst.result)
            .all(|value| quiet::passes(self.ty(*value)));
        match self.links.quiet {
            Some(quiet) if self.is_cold && passes && args.len() <= quiet::WORDS => {
                self.call_quietly(quiet, callee, args, inst);
            }
            _ => self.call(callee, args, inst),
        }
    }

    /// A call that changes no register.
    fn call_quietly(&mut self, quiet: LinkId, callee: LinkId, args: &[Value], inst: &Inst) {
        let slot = match self.quiet_slot {
            Some(slot) => slot,
            None => {
                let bytes = 8 * quiet::WORDS as u32;
                let data = clif::StackSlotData::new(clif::StackSlotKind::ExplicitSlot, bytes, 4);
                *self.quiet_slot.insert(self.b.create_sized_stack_slot(data))
            }
        };
        let words = self.b.ins().stack_addr(clif::types::I64, slot, 0);
        for (at, arg) in args.iter().enumerate() {
            let (narrow, word) = (self.ty(*arg).bytes() < 8, self.value(*arg));
            let word = match narrow {
                true => self.b.ins().sextend(clif::types::I64, word),
                false => word,
            };
            self.b.ins().store(memory::FLAGS, word, words, 8 * at as i32);
        }
        let (quiet, callee) = (self.callee(quiet), self.callee(callee));
        let callee = self.b.ins().func_addr(clif::types::I64, callee);
        self.b.ins().call(quiet, &[callee, words]);
        if let Some(result) = inst.result {
            let ty = types::clif_type(self.ty(result));
            let result = self.b.ins().load(ty, memory::FLAGS, words, 0);
            self.define(inst, &[result]);
        }
    }

    fn callee(&mut self, link: LinkId) -> clif::FuncRef {
        if let Some((_, found)) = self.callees.iter().find(|(id, _)| *id == link) {
            return *found;
        }
        let made = self.jit.declare_func_in_func(link, self.b.func);
        // Code of one module may lie in several mappings, so calls must not assume that the callee is near.
        self.b.func.dfg.ext_funcs[made].colocated = false;
        self.callees.push((link, made));
        made
    }

    /// A runtime function: `(out, a_low, a_high, b_low, b_high) -> flag`.
    fn runtime(&mut self, which: Runtime) -> clif::FuncRef {
        self.callee(self.links.runtime[which as usize])
    }

    fn terminator(&mut self, term: &Terminator) {
        match term {
            // The verifier refuses these; should one come here after all, the code must not run on.
            Terminator::None => {
                self.b.ins().trap(clif::TrapCode::unwrap_user(1));
            }
            Terminator::Jump(to) => {
                self.b.ins().jump(self.blocks[to.idx()], &[]);
            }
            Terminator::Branch { cond, then, otherwise } => {
                let cond = self.value(*cond);
                self.b
                    .ins()
                    .brif(cond, self.blocks[then.idx()], &[], self.blocks[otherwise.idx()], &[]);
            }
            Terminator::Switch { on, cases, default } => self.switch(*on, cases, *default),
            Terminator::Return(values) => {
                let values: Vec<clif::Value> = values.iter().map(|value| self.value(*value)).collect();
                self.b.ins().return_(&values);
            }
        }
    }

    fn switch(&mut self, on: Value, cases: &[(i64, Block)], default: Block) {
        let narrow = self.ty(on) == Type::I32;
        let on = self.value(on);
        let mut switch = Switch::new();
        for (case, to) in cases {
            let entry = if narrow {
                u128::from(*case as u32)
            } else {
                u128::from(*case as u64)
            };
            switch.set_entry(entry, self.blocks[to.idx()]);
        }
        switch.emit(&mut self.b, on, self.blocks[default.idx()]);
    }

    fn ty(&self, value: Value) -> Type {
        self.function.values[value.idx()]
    }

    /// The CLIF value; an address has its offset added.
    fn value(&mut self, value: Value) -> clif::Value {
        match self.values[value.idx()] {
            Known::Value(made) | Known::Const(made, _) => made,
            Known::Address { base, offset: 0 } => base,
            Known::Address { base, offset } => self.b.ins().iadd_imm_s(base, i64::from(offset)),
            Known::Nothing => unreachable!("%{} is lowered before its definition, which dominates it", value.0),
        }
    }

    fn const_of(&self, value: Value) -> Option<i128> {
        match self.values[value.idx()] {
            Known::Const(_, value) => Some(value),
            _ => None,
        }
    }

    fn know(&mut self, inst: &Inst, known: Known) {
        for value in inst.results() {
            self.values[value.idx()] = known;
        }
    }

    fn define(&mut self, inst: &Inst, made: &[clif::Value]) {
        for (value, made) in inst.results().zip(made) {
            self.values[value.idx()] = Known::Value(*made);
        }
    }
}
