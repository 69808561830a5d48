//! Where the variables of a routine are: numbers and addresses in locals, texts and intervals in 16 bytes of stack each.
//!
//! `let n = 0; let s = 'a'` has an `i64` local and a stack slot that holds the view of the text.
//!
//! Invariants: a text's slot holds a view from the beginning on, the empty one if nothing else; a variable that is never NULL
//! has no flag.
//!
//! Does not: own texts; they lie in the arena of the host.

use gobi_jit::ir::{self, Local, Type, Value};

use super::Exit;
use super::call::Convention;
use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::value::{Kind, Nullable, kind_of};
use crate::plan::physical::Facts;
use crate::plan::physical::logical::ColumnId;
use crate::plan::physical::routine::{Routine, Variable};
use crate::types::LogicalType;

/// Bytes of a cell.
pub(super) const CELL: i32 = 32;

/// Where a variable is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    held: Held,
    valid: Option<Local>,
    kind: Kind,
    pub(super) ty: LogicalType,
    /// How many elements an array has.
    length: Option<Local>,
    /// How much room of its own a text that is built there has.
    room: Option<ir::Slot>,
}

#[derive(Clone, Copy, Debug)]
enum Held {
    Local(Local),
    Memory(ir::Slot),
}

impl Emitter<'_> {
    /// A place for a variable, which may be one that a text is built in.
    pub(super) fn place(&mut self, variable: &Variable, built: bool) -> Place {
        let kind = kind_of(&variable.ty);
        let held = match kind {
            Kind::Text | Kind::Interval => {
                let slot = self.b.slot(16);
                let (address, zero) = (self.b.slot_addr(slot), self.b.iconst128(0));
                self.b.store(zero, address, 0);
                Held::Memory(slot)
            }
            kind => Held::Local(self.b.local(kind.ir())),
        };
        Place {
            held,
            valid: variable.nullable.then(|| self.b.local(Type::I8)),
            kind,
            ty: variable.ty.clone(),
            length: matches!(variable.ty, LogicalType::Array(_)).then(|| self.b.local(Type::I64)),
            room: built.then(|| self.b.slot(16)),
        }
    }

    fn place_of(&mut self, id: ColumnId) -> Place {
        self.frame_of().places[id.0 as usize].clone()
    }

    /// The type of a variable.
    pub(in crate::compile) fn type_of(&mut self, id: ColumnId) -> LogicalType {
        self.place_of(id).ty
    }

    /// The room of a variable that a text is built in.
    pub(super) fn room_of(&mut self, id: ColumnId) -> Option<ir::Slot> {
        self.place_of(id).room
    }

    /// A variable that is handed in: others have what it holds.
    fn take(&mut self, id: ColumnId, value: Nullable) {
        let ty = self.type_of(id);
        let value = self.shared(value, &ty);
        self.set_variable(id, value);
    }

    /// The value of a variable.
    pub(in crate::compile) fn variable(&mut self, id: ColumnId) -> Nullable {
        let place = self.place_of(id);
        let value = match place.held {
            Held::Local(local) => self.b.get(local),
            Held::Memory(slot) => self.b.slot_addr(slot),
        };
        let valid = place.valid.map(|flag| self.b.get(flag));
        let range = match place.kind {
            Kind::Int | Kind::Wide => self.bounds_of(id).or_else(|| place.ty.stored_range()),
            _ => None,
        };
        Nullable {
            range,
            ..Nullable::new(value, place.kind, valid)
        }
    }

    /// How many elements the array of a variable has.
    pub(in crate::compile) fn length_of(&mut self, id: ColumnId) -> Option<Value> {
        let length = self.place_of(id).length?;
        Some(self.b.get(length))
    }

    /// Says how many elements the array of a variable has now.
    pub(super) fn set_length(&mut self, id: ColumnId, count: Value) {
        if let Some(length) = self.place_of(id).length {
            self.b.set(length, count);
        }
    }

    /// Puts another object with as many elements in the place of a variable's.
    pub(in crate::compile) fn set_object(&mut self, id: ColumnId, object: Value) {
        let place = self.place_of(id);
        if let Held::Local(local) = place.held {
            self.b.set(local, object);
        }
        if let Some(flag) = place.valid {
            let valid = self.b.iconst(Type::I8, 1);
            self.b.set(flag, valid);
        }
    }

    /// Assigns a variable.
    pub(super) fn set_variable(&mut self, id: ColumnId, value: Nullable) {
        let place = self.place_of(id);
        let value = self.natural(value, &place.ty);
        let known = &mut self.frame_of().known;
        known.forget(id);
        if let Some(range) = value.range.filter(|_| place.kind == Kind::Int && place.valid.is_none()) {
            known.bound(id, range);
        }
        match place.held {
            Held::Local(local) => self.b.set(local, value.value),
            Held::Memory(slot) => {
                let bits = self.b.load(Type::I128, value.value, 0);
                let address = self.b.slot_addr(slot);
                self.b.store(bits, address, 0);
            }
        }
        if let Some(room) = place.room {
            let (address, none) = (self.b.slot_addr(room), self.b.iconst(Type::I64, 0));
            self.b.store(none, address, 0);
        }
        if let Some(length) = place.length {
            let object = self.followable(&value, &place.ty);
            let count = self.b.load(Type::I64, object, 0);
            self.b.set(length, count);
        }
        if let Some(flag) = place.valid {
            let valid = match value.valid {
                Some(valid) => valid,
                None => self.b.iconst(Type::I8, 1),
            };
            self.b.set(flag, valid);
        }
    }

    /// A body's parameters, from the cells that it is handed.
    pub(super) fn take_cells(&mut self) {
        let cells = self.slot(Slot::Cells);
        for at in 0..self.frame_of().params {
            let id = ColumnId(at as u32);
            let value = self.load_cell(cells, CELL * (at as i32 + 1), id);
            self.take(id, value);
        }
    }

    /// A variable's new value, from a cell.
    pub(super) fn load_cell(&mut self, cells: Value, offset: i32, id: ColumnId) -> Nullable {
        let ty = self.place_of(id).ty;
        let valid = self.b.load(Type::I8, cells, offset + 16);
        let value = self.load_stored(cells, offset, &Facts::of_type(&ty, true));
        value.with_valid(Some(valid))
    }

    /// A function's parameters, from its arguments.
    pub(super) fn take_arguments(&mut self, routine: &Routine, convention: &Convention) {
        let mut at = 1;
        if routine.recursive {
            let depth = self.b.param(at);
            self.frame_of().depth = Some(depth);
            at += 1;
        }
        if convention.in_memory {
            let block = self.b.param(at);
            for param in 0..routine.params {
                let id = ColumnId(param as u32);
                let value = self.load_cell(block, CELL * param as i32, id);
                self.take(id, value);
            }
            return;
        }
        for (param, variable) in routine.variables.iter().take(routine.params).enumerate() {
            let kind = kind_of(&variable.ty);
            let value = self.b.param(at);
            let valid = variable.nullable.then(|| self.b.param(at + 1));
            at += 1 + usize::from(variable.nullable);
            self.take(ColumnId(param as u32), Nullable::new(value, kind, valid));
        }
    }

    /// Ends the block by leaving the routine with a result, or without.
    pub(super) fn give(&mut self, result: Option<Nullable>) {
        match &self.frame_of().exit {
            Exit::Body(ty) => {
                let ty = ty.clone();
                self.give_cells(result, ty);
            }
            Exit::Function(ty) => {
                let ty = ty.clone();
                self.give_values(result, ty);
            }
            Exit::Row(next) => {
                let next = *next;
                self.b.jump(next);
            }
        }
    }

    fn give_cells(&mut self, result: Option<Nullable>, ty: Option<LogicalType>) {
        let cells = self.slot(Slot::Cells);
        match (result, &ty) {
            (Some(value), Some(ty)) => {
                let value = self.natural(value, ty);
                self.store_cell(&value, cells, 0);
            }
            _ => {
                let never = self.b.iconst(Type::I8, 0);
                self.b.store(never, cells, 16);
            }
        }
        for at in 0..self.frame_of().params {
            let value = self.variable(ColumnId(at as u32));
            self.store_cell(&value, cells, CELL * (at as i32 + 1));
        }
        let done = self.b.iconst(Type::I64, 0);
        self.b.ret(&[done]);
    }

    fn give_values(&mut self, result: Option<Nullable>, ty: Option<LogicalType>) {
        let Some(ty) = ty else {
            let done = self.b.iconst(Type::I8, 1);
            return self.b.ret(&[done]);
        };
        let Some(value) = result else {
            let (value, null) = (self.no_result(kind_of(&ty)), self.b.iconst(Type::I8, 0));
            return self.b.ret(&[value, null]);
        };
        let value = self.natural(value, &ty);
        let state = match value.valid {
            Some(valid) => valid,
            None => self.b.iconst(Type::I8, 1),
        };
        let word = match value.kind {
            Kind::Text | Kind::Interval => self.b.load(Type::I128, value.value, 0),
            _ => value.value,
        };
        self.b.ret(&[word, state]);
    }
}
