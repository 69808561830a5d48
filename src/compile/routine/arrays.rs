//! Arrays that grow element by element, written in place.
//!
//! An element goes behind those that are there: two stores, one for the value and one for its validity byte. The length in the
//! object's head is, until the array is complete, how many elements it has room for; where that is not enough, the host moves
//! it to twice the room.
//!
//! Invariants: nobody else has the address of an array that is not complete; what is NULL holds zeros, as the host hands them out.
//!
//! Does not: share arrays; a complete one never changes.

use gobi_jit::ir::{IntCond, Type, Value};

use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::keys::store_as;
use crate::compile::value::{Kind, Nullable};
use crate::plan::physical::Span;
use crate::plan::physical::logical::{ColumnId, Expr};
use crate::types::nested::ELEMENTS_AT;
use crate::types::{LogicalType, Value as Literal};

impl Emitter<'_> {
    pub(super) fn begin_array(&mut self, array: ColumnId, count: ColumnId, room: Option<&Expr>) {
        let ty = self.type_of(array);
        let empty = self.nested_literal(&Literal::Array(Vec::new()), &ty);
        self.set_variable(array, empty);
        let none = self.b.iconst(Type::I64, 0);
        self.set_variable(count, Nullable::int(none, None, None));
        let Some(room) = room else { return };
        let room = self.expr(room);
        let room = self.natural(room, &LogicalType::BigInt);
        // Where there is no number, there is nothing to make room for.
        let wanted = match room.valid {
            Some(valid) => self.b.select(valid, room.value, none),
            None => room.value,
        };
        self.make_room(array, none, wanted);
    }

    pub(super) fn append(&mut self, array: ColumnId, count: ColumnId, value: &Expr) {
        let item = self.item_of(array);
        let value = self.expr(value);
        let value = self.natural(value, &item);
        let at = self.variable(count).value;
        let object = self.variable(array).value;
        let room = self.b.load(Type::I64, object, 0);
        let full = self.b.icmp(IntCond::Sge, at, room);
        let (grow, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(full, grow, go_on);
        self.b.switch_to(grow);
        let more = self.b.add(room, room);
        self.make_room(array, at, more);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
        let object = self.variable(array).value;
        let room = self.b.load(Type::I64, object, 0);
        self.store_element(object, (at, room), &value, &item);
        let one = self.b.iconst(Type::I64, 1);
        let next = self.b.add(at, one);
        self.set_variable(count, Nullable::int(next, None, None));
    }

    fn store_element(&mut self, object: Value, (at, room): (Value, Value), value: &Nullable, item: &LogicalType) {
        let stored = item.physical();
        let stride = stored.bytes() as u32;
        let flags = self.b.index(object, room, stride, ELEMENTS_AT as i32);
        let flag = self.b.index(flags, at, 1, 0);
        let address = self.b.index(object, at, stride, ELEMENTS_AT as i32);
        match value.valid {
            None => {
                let one = self.b.iconst(Type::I8, 1);
                self.b.store(one, flag, 0);
                store_as(self, value, stored, address, 0);
            }
            Some(valid) => {
                let (there, go_on) = (self.b.block(), self.b.block());
                self.b.store(valid, flag, 0);
                self.b.branch(valid, there, go_on);
                self.b.switch_to(there);
                store_as(self, value, stored, address, 0);
                self.b.jump(go_on);
                self.b.switch_to(go_on);
            }
        }
    }

    pub(super) fn complete_array(&mut self, array: ColumnId, count: ColumnId) {
        let stride = self.stride_of(array);
        let object = self.variable(array).value;
        let count = self.variable(count).value;
        let room = self.b.load(Type::I64, object, 0);
        let exact = self.b.icmp(IntCond::Eq, count, room);
        let (shrink, go_on) = (self.b.block(), self.b.block());
        self.b.branch(exact, go_on, shrink);
        self.b.switch_to(shrink);
        let (host, sig) = self.host("array_complete", &[Type::Ptr, Type::I64, Type::I64]);
        let _ = self.b.call_host(host, &sig, &[object, count, stride]);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }

    /// Moves an array of `count` elements to where there is room for more.
    fn make_room(&mut self, array: ColumnId, count: Value, room: Value) {
        let stride = self.stride_of(array);
        let slot = self.b.slot(16);
        let place = self.b.slot_addr(slot);
        let object = self.variable(array).value;
        self.b.store(object, place, 0);
        let host_state = self.slot(Slot::Host);
        let types = [Type::Ptr, Type::Ptr, Type::I64, Type::I64, Type::I64];
        let (host, sig) = self.host("array_room", &types);
        let zero = self.b.iconst(Type::I64, 0);
        let args = [host_state, place, count, room, stride];
        let status = self.b.call_host(host, &sig, &args).unwrap_or(zero);
        let failed = self.b.icmp(IntCond::Ne, status, zero);
        let site = self.site("53200", "", [None, None], Span::default());
        self.fail_if(failed, None, site, &[]);
        let object = self.b.load(Type::Ptr, place, 0);
        self.set_variable(array, Nullable::new(object, Kind::Nested, None));
    }

    fn item_of(&mut self, array: ColumnId) -> LogicalType {
        match self.type_of(array) {
            LogicalType::Array(item) => *item,
            other => other,
        }
    }

    fn stride_of(&mut self, array: ColumnId) -> Value {
        let bytes = self.item_of(array).physical().bytes();
        self.b.iconst(Type::I64, bytes as i64)
    }
}
