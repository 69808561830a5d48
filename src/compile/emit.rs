//! The frame of mind of one kernel being written: its builder, the row at hand, and the memory it can reach.
//!
//! A kernel is `fn(frame: ptr, start: i64, count: i64) -> i64`; it returns how many rows it gives, or -1 after an error whose
//! site it has left in the frame's header.
//!
//! Invariants: slots are read once, in the entry block, which stays open until the kernel is finished; a column of the row at
//! hand is computed at most once.
//!
//! Does not: decide which kernels there are.

use std::collections::{BTreeSet, HashMap};

use crate::plan::physical::Span;
use gobi_jit::ir::{Block, FuncId, HostId, IntCond, Local, Signature, Type, Value};
use gobi_jit::{FunctionBuilder, ModuleBuilder};

use super::frame::{self, FrameLayout, Slot};
use super::routine::Frame;
use super::routine::StackNeed;
use super::value::{Kind, Nullable};
use super::{Constant, HostCall, Kernel, Lookup, Pattern, Site, strings};
use crate::plan::physical::logical::{ColumnId, Expr};
use crate::plan::physical::routine::RoutineId;
use crate::plan::physical::{
    Binding, DictionaryRef, Dim, Facts, GroupStrategy, PhysicalPlan, Pipeline, RowField, SourceKind, facts,
};
use crate::types::nested::{NestedLayout, Objects};
use crate::types::{LogicalType, Physical};

/// What all kernels of a pipeline share while they are written.
pub(super) struct Shared {
    pub(super) module: ModuleBuilder,
    pub(super) frame: FrameLayout,
    pub(super) sites: Vec<Site>,
    pub(super) dictionaries: Vec<DictionaryRef>,
    pub(super) constants: Vec<Constant>,
    pub(super) lookups: Vec<Lookup>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) host_calls: Vec<HostCall>,
    pub(super) kept: Vec<Vec<LogicalType>>,
    pub(super) objects: Objects,
    #[allow(clippy::vec_box)]
    pub(super) layouts: Vec<Box<NestedLayout>>,
    pub(super) helpers: HashMap<strings::Helper, FuncId>,
    pub(super) routines: HashMap<RoutineId, FuncId>,
    /// The stack that they take.
    pub(super) stack: StackNeed,
    /// Which routines have loops, or call others that have.
    pub(super) loops: HashMap<RoutineId, bool>,
    /// One of those that are called has.
    pub(super) repeats: bool,
    /// Instructions of bodies carry the places of their statements.
    pub(super) notes_places: bool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            module: ModuleBuilder::new(),
            frame: FrameLayout::new(),
            sites: Vec::new(),
            dictionaries: Vec::new(),
            constants: Vec::new(),
            lookups: Vec::new(),
            patterns: Vec::new(),
            host_calls: Vec::new(),
            kept: Vec::new(),
            objects: Objects::default(),
            layouts: Vec::new(),
            helpers: HashMap::new(),
            routines: HashMap::new(),
            stack: StackNeed::default(),
            loops: HashMap::new(),
            repeats: false,
            notes_places: false,
        }
    }

    /// Writes a string helper into the module at its first use.
    pub(super) fn helper(&mut self, helper: strings::Helper) -> FuncId {
        if let Some(id) = self.helpers.get(&helper) {
            return *id;
        }
        let id = self.module.add_function(strings::write(helper));
        self.helpers.insert(helper, id);
        id
    }
}

/// One kernel being written.
pub(super) struct Emitter<'a> {
    pub(super) b: FunctionBuilder,
    pub(super) shared: &'a mut Shared,
    pub(super) plan: &'a PhysicalPlan,
    pub(super) pipeline: &'a Pipeline,
    entry: Block,
    body: Block,
    slots: HashMap<Slot, Value>,
    /// Row number of each source for the row at hand.
    rows: Vec<Option<Value>>,
    row_addresses: HashMap<usize, Value>,
    columns: HashMap<ColumnId, Nullable>,
    /// Fields of the pipeline's source that the kernel reads.
    pub(super) fields: BTreeSet<usize>,
    /// What is known of the routine being written, if this is no kernel over rows.
    pub(super) routine: Option<Box<Frame>>,
    /// Errors count only if this is true.
    pub(super) counts_if: Option<Value>,
    /// An element is looked for that is assigned, not read.
    pub(super) stores: bool,
}

/// A loop over `0..count` that is being written; see [`Emitter::begin_loop`].
pub(super) struct Loop {
    /// Number of the iteration, `i64`.
    pub(super) i: Value,
    counter: Local,
    count: Value,
    head: Block,
    exit: Block,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(name: &str, shared: &'a mut Shared, plan: &'a PhysicalPlan, pipeline: &'a Pipeline) -> Self {
        let kernel = FunctionBuilder::new(name, &[Type::Ptr, Type::I64, Type::I64], &[Type::I64]);
        Self::over(kernel, shared, plan, pipeline)
    }

    /// Writes into a function that has just been begun.
    pub(super) fn over(
        mut b: FunctionBuilder,
        shared: &'a mut Shared,
        plan: &'a PhysicalPlan,
        pipeline: &'a Pipeline,
    ) -> Self {
        let entry = b.current();
        let body = b.block();
        b.switch_to(body);
        Self {
            b,
            shared,
            plan,
            pipeline,
            entry,
            body,
            slots: HashMap::new(),
            rows: vec![None; pipeline.sources.len()],
            row_addresses: HashMap::new(),
            columns: HashMap::new(),
            fields: BTreeSet::new(),
            routine: None,
            counts_if: None,
            stores: false,
        }
    }

    /// Closes the entry block by what is still to be done there, which ends in a jump to the body; the other blocks are all ended.
    pub(super) fn close_entry(&mut self, last: impl FnOnce(&mut Self, Block)) {
        self.b.switch_to(self.entry);
        self.b.clear_note();
        last(self, self.body);
    }

    /// Ends the kernel with its result.
    pub(super) fn finish(mut self, result: Value) -> Kernel {
        self.b.ret(&[result]);
        self.b.switch_to(self.entry);
        self.b.jump(self.body);
        let id = self.shared.module.add_function(self.b.finish());
        Kernel {
            id,
            fields: self.fields.into_iter().collect(),
        }
    }

    /// The kernel's frame.
    pub(super) fn frame(&self) -> Value {
        self.b.param(0)
    }

    /// Number of the first row, for kernels that read rows in order.
    pub(super) fn start(&self) -> Value {
        self.b.param(1)
    }

    /// Number of rows of the block.
    pub(super) fn count(&self) -> Value {
        self.b.param(2)
    }

    /// Emits into the entry block, so that the result can be used everywhere.
    pub(super) fn hoist<T>(&mut self, emit: impl FnOnce(&mut FunctionBuilder) -> T) -> T {
        let at = self.b.current();
        self.b.switch_to(self.entry);
        let result = emit(&mut self.b);
        self.b.switch_to(at);
        result
    }

    /// An address that a slot holds.
    pub(super) fn slot(&mut self, slot: Slot) -> Value {
        self.slot_as(slot, Type::Ptr)
    }

    /// A number that a slot holds.
    pub(super) fn slot_number(&mut self, slot: Slot) -> Value {
        self.slot_as(slot, Type::I64)
    }

    fn slot_as(&mut self, slot: Slot, ty: Type) -> Value {
        if let Some(value) = self.slots.get(&slot) {
            return *value;
        }
        if let Slot::Values { field } = slot {
            self.fields.insert(field);
        }
        let offset = self.shared.frame.offset(slot);
        let frame = self.frame();
        // It is loaded once, for all statements.
        let note = self.b.current_note();
        self.b.clear_note();
        let value = self.hoist(|b| b.load(ty, frame, offset));
        self.b.set_note(note);
        self.slots.insert(slot, value);
        value
    }

    /// Writes a number back into its slot.
    pub(super) fn set_slot(&mut self, slot: Slot, value: Value) {
        let offset = self.shared.frame.offset(slot);
        let frame = self.frame();
        self.b.store(value, frame, offset);
    }

    /// Opens a loop; the builder stands in its body until [`Emitter::end_loop`].
    pub(super) fn begin_loop(&mut self, count: Value) -> Loop {
        let counter = self.b.local(Type::I64);
        let (head, exit) = (self.b.block(), self.b.block());
        let zero = self.b.iconst(Type::I64, 0);
        self.b.set(counter, zero);
        let any = self.b.icmp(IntCond::Sgt, count, zero);
        self.b.branch(any, head, exit);
        self.b.switch_to(head);
        let i = self.b.get(counter);
        self.forget_row();
        Loop {
            i,
            counter,
            count,
            head,
            exit,
        }
    }

    /// Closes a loop; the builder stands behind it.
    pub(super) fn end_loop(&mut self, l: Loop) {
        let one = self.b.iconst(Type::I64, 1);
        let next = self.b.add(l.i, one);
        self.b.set(l.counter, next);
        let again = self.b.icmp(IntCond::Slt, next, l.count);
        self.b.branch(again, l.head, l.exit);
        self.b.switch_to(l.exit);
        self.forget_row();
    }

    /// Nothing is known of the row at hand any more.
    pub(super) fn forget_row(&mut self) {
        self.rows.iter_mut().for_each(|row| *row = None);
        self.row_addresses.clear();
        self.columns.clear();
    }

    /// Says which row of a source is at hand.
    pub(super) fn set_row(&mut self, source: usize, row: Value) {
        self.rows[source] = Some(row);
        self.row_addresses.remove(&source);
        let stale: Vec<ColumnId> = self
            .columns
            .keys()
            .copied()
            .filter(|id| self.depends_on(*id, source))
            .collect();
        for id in stale {
            self.columns.remove(&id);
        }
    }

    fn depends_on(&self, id: ColumnId, source: usize) -> bool {
        match self.pipeline.bindings.get(&id) {
            Some(Binding::Field { source: s, .. } | Binding::Aggregate { source: s, .. }) => *s == source,
            _ => true,
        }
    }

    /// Number of the row of a source.
    pub(super) fn row(&mut self, source: usize) -> Value {
        match self.rows[source] {
            Some(row) => row,
            None => self.b.iconst(Type::I64, 0),
        }
    }

    /// Address of the row at hand in a join or group table.
    pub(super) fn row_address(&mut self, source: usize, stride: u32) -> Value {
        if let Some(address) = self.row_addresses.get(&source) {
            return *address;
        }
        let base = self.slot(Slot::RowsOf { source });
        let row = self.row(source);
        let address = self.b.index(base, row, stride, 0);
        self.row_addresses.insert(source, address);
        address
    }

    /// What is known of an expression's values here.
    pub(super) fn facts(&self, expr: &Expr) -> Facts {
        facts::facts_of(expr, &|id| match &self.routine {
            Some(routine) => routine.facts(id),
            None => facts::column_facts(&self.plan.groups, self.pipeline, id),
        })
    }

    /// What a column is, where there are columns.
    pub(super) fn binding(&self, id: ColumnId) -> Option<&'a Binding> {
        match self.routine {
            Some(_) => None,
            None => self.pipeline.bindings.get(&id),
        }
    }

    /// A column of the row at hand.
    pub(super) fn column(&mut self, id: ColumnId) -> Nullable {
        if let Some(routine) = &mut self.routine {
            routine.known.shared(id);
            let (value, ty) = (self.variable(id), self.type_of(id));
            return self.shared(value, &ty);
        }
        if let Some(value) = self.columns.get(&id) {
            return value.clone();
        }
        let value = match self.pipeline.bindings.get(&id) {
            Some(Binding::Field { source, field }) => self.field(*source, *field),
            Some(Binding::Expr(expr)) => self.expr(expr),
            Some(Binding::Aggregate { source, aggregate }) => self.aggregate_result(*source, *aggregate),
            None => self.null(&LogicalType::Null),
        };
        self.columns.insert(id, value.clone());
        value
    }

    /// Emits something that may not be executed: what it computes is not remembered for code that comes after it.
    pub(super) fn conditionally<T>(&mut self, emit: impl FnOnce(&mut Self) -> T) -> T {
        let (columns, addresses) = (self.columns.clone(), self.row_addresses.clone());
        let known = self.routine.as_ref().map(|routine| routine.known.clone());
        let result = emit(self);
        self.columns = columns;
        self.row_addresses = addresses;
        if let (Some(routine), Some(before)) = (&mut self.routine, known) {
            routine.known.meet(&before);
        }
        result
    }

    fn field(&mut self, source: usize, field: usize) -> Nullable {
        let pipeline = self.pipeline;
        let row_source = &pipeline.sources[source];
        let facts = &row_source.fields[field].facts;
        let index = row_source.fields[field].index;
        match &row_source.kind {
            SourceKind::Table { .. } | SourceKind::Temp(_) => {
                let base = self.slot(Slot::Values { field });
                let row = self.row(source);
                let address = self.b.index(base, row, facts.stored.bytes() as u32, 0);
                let valid = facts.nullable.then(|| {
                    let base = self.slot(Slot::Validity { field });
                    let address = self.b.index(base, row, 1, 0);
                    self.b.load(Type::I8, address, 0)
                });
                self.load_stored(address, 0, facts).with_valid(valid)
            }
            SourceKind::Join(join) => {
                let layout = &self.plan.joins[*join].layout;
                self.row_field(source, layout.stride, &layout.fields[index], row_source.optional)
            }
            SourceKind::Group(group) => {
                let table = &self.plan.groups[*group];
                if let GroupStrategy::Direct { dims, .. } = &table.strategy {
                    return self.implied_key(source, dims, index, facts);
                }
                self.row_field(source, table.layout.stride, &table.layout.fields[index], false)
            }
            SourceKind::Range { start, step, .. } => {
                let first = self.slot_number(Slot::FirstRow);
                let row = self.row(source);
                let number = self.b.add(first, row);
                let (step, start) = (self.b.iconst(Type::I64, *step), self.b.iconst(Type::I64, *start));
                let scaled = self.b.mul(number, step);
                let value = self.b.add(start, scaled);
                Nullable::int(value, None, facts.range)
            }
            SourceKind::Positions => {
                let position = self.row(source);
                Nullable::int(position, None, facts.range)
            }
            SourceKind::OneRow => self.null(&facts.ty),
        }
    }

    /// A key of a directly addressed group, computed from the group's number.
    fn implied_key(&mut self, source: usize, dims: &[Dim], index: usize, facts: &Facts) -> Nullable {
        let (dim, inner) = (dims[index], &dims[index + 1..]);
        let mut position = self.row(source);
        let stride: u64 = inner.iter().map(|d| d.size).product();
        if stride > 1 {
            let stride = self.b.iconst(Type::I64, stride);
            position = self.b.udiv(position, stride);
        }
        if index > 0 {
            let size = self.b.iconst(Type::I64, dim.size);
            position = self.b.urem(position, size);
        }
        let valid = dim.nullable.then(|| {
            let null = self.b.iconst(Type::I64, dim.size - 1);
            self.b.icmp(IntCond::Ne, position, null)
        });
        let least = self.b.iconst(Type::I64, dim.min);
        let value = self.b.add(position, least);
        if facts.ty == LogicalType::Boolean && facts.dictionary.is_none() {
            return Nullable::bool(self.b.trunc(value, Type::I8), valid);
        }
        let range = facts.stored_int_range();
        Nullable {
            dictionary: facts.dictionary.clone(),
            ..Nullable::int(value, valid, range)
        }
    }

    fn row_field(&mut self, source: usize, stride: u32, field: &RowField, optional: bool) -> Nullable {
        let address = self.row_address(source, stride);
        let mut valid = self.row_validity(address, field);
        if optional {
            let row = self.row(source);
            let zero = self.b.iconst(Type::I64, 0);
            let there = self.b.icmp(IntCond::Ne, row, zero);
            valid = super::value::both(&mut self.b, valid, Some(there));
        }
        self.load_row_field(address, field).with_valid(valid)
    }

    pub(super) fn row_validity(&mut self, address: Value, field: &RowField) -> Option<Value> {
        field
            .validity
            .map(|offset| self.b.load(Type::I8, address, offset.cast_signed()))
    }

    pub(super) fn load_row_field(&mut self, address: Value, field: &RowField) -> Nullable {
        self.load_stored(address, field.offset.cast_signed(), &field.facts)
    }

    /// Loads a value as its facts say it is stored.
    pub(super) fn load_stored(&mut self, address: Value, offset: i32, facts: &Facts) -> Nullable {
        let b = &mut self.b;
        let mut int = |ty: Type| {
            let narrow = b.load(ty, address, offset);
            if ty == Type::I64 {
                narrow
            } else {
                b.sext(narrow, Type::I64)
            }
        };
        let mut value = match facts.stored {
            Physical::I8 if facts.ty == LogicalType::Boolean || facts.ty == LogicalType::Null => {
                return Nullable::bool(b.load(Type::I8, address, offset), None);
            }
            Physical::I8 => Nullable::int(int(Type::I8), None, facts.range),
            Physical::I16 => Nullable::int(int(Type::I16), None, facts.range),
            Physical::I32 => Nullable::int(int(Type::I32), None, facts.range),
            Physical::I64 => Nullable::int(int(Type::I64), None, facts.range),
            Physical::I128 => {
                let wide = b.load(Type::I128, address, offset);
                Nullable {
                    range: facts.range,
                    ..Nullable::new(wide, Kind::Wide, None)
                }
            }
            Physical::F32 => Nullable::new(b.load(Type::F32, address, offset), Kind::F32, None),
            Physical::F64 => Nullable::new(b.load(Type::F64, address, offset), Kind::F64, None),
            Physical::Nested => Nullable::new(b.load(Type::Ptr, address, offset), Kind::Nested, None),
            Physical::Str | Physical::Interval => {
                let kind = if facts.stored == Physical::Str {
                    Kind::Text
                } else {
                    Kind::Interval
                };
                let zero = b.iconst(Type::I64, 0);
                let at = if offset == 0 {
                    address
                } else {
                    b.index(address, zero, 1, offset)
                };
                Nullable::new(at, kind, None)
            }
        };
        value.dictionary.clone_from(&facts.dictionary);
        if value.dictionary.is_some() {
            value.range = facts.stored_int_range();
        }
        value
    }

    /// NULL of a type.
    pub(super) fn null(&mut self, ty: &LogicalType) -> Nullable {
        let kind = super::value::kind_of(ty);
        let value = self.zero(kind);
        let never = self.b.iconst(Type::I8, 0);
        let mut null = Nullable::new(value, kind, Some(never));
        null.range = matches!(kind, Kind::Int | Kind::Wide).then_some((0, 0));
        null
    }

    /// A harmless value of a kind.
    pub(super) fn zero(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::F32 => self.b.f32const(0.0),
            Kind::F64 => self.b.f64const(0.0),
            Kind::Text => self.constant(0),
            Kind::Interval => self.constant(0),
            Kind::Wide => self.b.iconst128(0),
            Kind::Nested => self.b.null_ptr(),
            _ => self.b.iconst(kind.ir(), 0),
        }
    }

    /// Address of 16 constant bytes.
    pub(super) fn constant(&mut self, bits: u128) -> Value {
        self.constant_of(Constant::Bits(bits))
    }

    /// Address of the view of a literal.
    pub(super) fn text_constant(&mut self, text: &[u8]) -> Value {
        self.constant_of(Constant::Text(text.into()))
    }

    pub(super) fn constant_of(&mut self, constant: Constant) -> Value {
        let known = self.shared.constants.iter().position(|c| *c == constant);
        let index = known.unwrap_or_else(|| {
            self.shared.constants.push(constant);
            self.shared.constants.len() - 1
        });
        self.slot(Slot::Constant { index })
    }

    /// Registers a place where something can go wrong.
    pub(super) fn site(
        &mut self,
        code: &'static str,
        message: &str,
        operands: [Option<LogicalType>; 2],
        span: Span,
    ) -> usize {
        self.shared.sites.push(Site {
            code,
            message: message.to_owned(),
            operands,
            span,
        });
        self.shared.sites.len() - 1
    }

    /// Leaves the kernel with an error if `failed` (and the row is one for which it counts).
    pub(super) fn fail_if(&mut self, failed: Value, valid: Option<Value>, site: usize, operands: &[&Nullable]) {
        if operands.is_empty() && valid.is_none() && self.counts_if.is_none() && self.exit_if(failed, site) {
            return;
        }
        self.fail_with(failed, valid, site, |_| {
            operands.iter().map(|operand| (*operand).clone()).collect()
        });
    }

    /// The same, with operands that are computed only then.
    pub(super) fn fail_with(
        &mut self,
        failed: Value,
        valid: Option<Value>,
        site: usize,
        operands: impl FnOnce(&mut Self) -> Vec<Nullable>,
    ) {
        let counts = [valid, self.counts_if].into_iter().flatten();
        let failed = counts.fold(failed, |failed, counts| self.b.and(failed, counts));
        let (error, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(failed, error, go_on);
        self.b.switch_to(error);
        let operands = operands(self);
        for (operand, slot) in operands.iter().zip([Slot::ErrorLeft, Slot::ErrorRight]) {
            self.store_operand(operand, slot);
        }
        self.leave_with_error(site);
        self.b.switch_to(go_on);
    }

    /// Ends the current block by leaving the kernel with an error.
    pub(super) fn leave_with_error(&mut self, site: usize) {
        if self.exit_at(site) {
            return;
        }
        let frame = self.frame();
        let number = self.b.iconst(Type::I64, site as i64);
        self.b.store(number, frame, frame::ERROR_SITE);
        self.leave();
    }

    /// Ends the current block by leaving the kernel, the error being known already.
    pub(super) fn leave(&mut self) {
        if self.routine.is_some() {
            return self.leave_routine();
        }
        let failed = self.b.iconst(Type::I64, -1);
        self.b.ret(&[failed]);
    }

    fn store_operand(&mut self, operand: &Nullable, slot: Slot) {
        let offset = self.shared.frame.offset(slot);
        let frame = self.frame();
        match operand.kind {
            Kind::Int => {
                let wide = self.b.sext(operand.value, Type::I128);
                self.b.store(wide, frame, offset);
            }
            Kind::Bool => {
                let wide = self.b.uext(operand.value, Type::I128);
                self.b.store(wide, frame, offset);
            }
            Kind::F32 => {
                let double = self.b.promote(operand.value);
                self.b.store(double, frame, offset);
            }
            Kind::Wide | Kind::F64 | Kind::Nested => self.b.store(operand.value, frame, offset),
            Kind::Text | Kind::Interval => {
                let bits = self.b.load(Type::I128, operand.value, 0);
                self.b.store(bits, frame, offset);
            }
        }
    }

    /// A host function of the module.
    pub(super) fn host(&mut self, name: &str, params: &[Type]) -> (HostId, Signature) {
        let sig = Signature {
            params: params.to_vec(),
            results: vec![Type::I64],
        };
        (self.shared.module.host(name, sig.clone()), sig)
    }
}
