//! A body over the rows of a batch: a loop around its statements, which takes parameters from columns and leaves them in columns.
//!
//! `NEW.total = NEW.price * NEW.amount` over a batch of orders becomes one loop that loads `price` and `amount`, and stores `total`.
//!
//! Invariants: a RETURN of the body ends its row; what an output column gets is the variable's value then.
//!
//! Does not: decide which variables are columns.

use std::sync::Arc;

use gobi_jit::FunctionBuilder;
use gobi_jit::ir::{Type, Value};

use super::{Emitter, Exit};
use crate::compile::emit::Shared;
use crate::compile::frame::Slot;
use crate::compile::keys;
use crate::compile::{Kernel, PipelineCode, code_of};
use crate::plan::physical::logical::ColumnId;
use crate::plan::physical::routine::{Program, Routine, RoutineId, RowShape};
use crate::plan::physical::{Facts, PhysicalPlan, Pipeline};

/// Writes a body as a kernel over the rows `0..count`; `noted` as for [`compile`](super::compile).
pub fn compile_rows(program: &Arc<Program>, body: RoutineId, shape: &RowShape, noted: bool) -> PipelineCode {
    let plan = PhysicalPlan::of_program(program.clone());
    let pipeline = Pipeline::of_nothing();
    let mut shared = Shared::new();
    shared.notes_places = noted;
    let routine = &program.routines[body.0 as usize];
    let kernel = FunctionBuilder::new("rows", &[Type::Ptr, Type::I64, Type::I64], &[Type::I64]);
    let mut emitter = Emitter::over(kernel, &mut shared, &plan, &pipeline);
    emitter.row_loop(routine, shape);
    emitter.close_entry(|e, body| e.write_exit(routine, body));
    let id = {
        let function = emitter.b.finish();
        shared.module.add_function(function)
    };
    code_of(shared, Kernel { id, fields: Vec::new() })
}

impl Emitter<'_> {
    fn row_loop(&mut self, routine: &Routine, shape: &RowShape) {
        let next = self.b.block();
        self.begin_routine(routine, &shape.inputs, Exit::Row(next));
        let count = self.count();
        let l = self.begin_loop(count);
        for (field, id) in shape.inputs.iter().enumerate() {
            self.take_field(field, *id, l.i);
        }
        self.set_mark(routine);
        self.burn(1);
        self.statements(&routine.body);
        if !self.b.is_terminated() {
            self.b.jump(next);
        }
        self.b.switch_to(next);
        self.b.clear_note();
        for (column, id) in shape.outputs.iter().enumerate() {
            self.give_field(column, *id, l.i);
        }
        self.end_loop(l);
        let done = self.b.iconst(Type::I64, 0);
        self.b.ret(&[done]);
    }

    fn take_field(&mut self, field: usize, id: ColumnId, row: Value) {
        let facts = Facts::of_type(&self.type_of(id), true);
        let base = self.slot(Slot::Values { field });
        let address = self.b.index(base, row, facts.stored.bytes() as u32, 0);
        let base = self.slot(Slot::Validity { field });
        let flag = self.b.index(base, row, 1, 0);
        let valid = self.b.load(Type::I8, flag, 0);
        let value = self.load_stored(address, 0, &facts).with_valid(Some(valid));
        self.set_variable(id, value);
    }

    fn give_field(&mut self, column: usize, id: ColumnId, row: Value) {
        let ty = self.type_of(id);
        let value = self.variable(id);
        let value = self.natural(value, &ty);
        let stored = ty.physical();
        let base = self.slot(Slot::Out { column });
        let address = self.b.index(base, row, stored.bytes() as u32, 0);
        keys::store_as(self, &value, stored, address, 0);
        let valid = match value.valid {
            Some(valid) => valid,
            None => self.b.iconst(Type::I8, 1),
        };
        let base = self.slot(Slot::OutValidity { column });
        let flag = self.b.index(base, row, 1, 0);
        self.b.store(valid, flag, 0);
    }
}
