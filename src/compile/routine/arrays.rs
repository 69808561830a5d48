//! Arrays that grow element by element, written in place.
//!
//! An element goes behind those that are there: two stores, one for the value and one for its validity byte; of arrays that are built
//! without NULLs, these bytes are written at once in the end. Where there is no room
//! for it, the host moves the array to twice the room. So does `a = array_append(a, x)`, if `a` has its array for itself.
//!
//! Invariants: nobody else has the address of an array that is not complete, or that has a mark.
//!
//! Does not: say when others may have an array; [`parts`](super::parts) does.

use std::collections::{HashMap, HashSet};

use gobi_jit::ir::{IntCond, Type, Value};

use super::parts::mark_at;
use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::maps;
use crate::compile::value::{Kind, Nullable};
use crate::functions;
use crate::plan::physical::Span;
use crate::plan::physical::logical::{ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::{Room, Routine, Statement};
use crate::types::{LogicalType, Value as Literal};

/// Whether a routine may mark arrays or structs.
pub(super) fn changes_in_place(routine: &Routine) -> bool {
    let mut changes = false;
    Statement::each(&routine.body, &mut |statement| {
        changes |= match statement {
            Statement::Store { .. } => true,
            Statement::Set(id, value) => appended(*id, value).is_some() || maps::entry_put(*id, value).is_some(),
            _ => false,
        };
    });
    changes
}

/// The variables of which a routine assigns parts.
pub(super) fn stored_into(routine: &Routine) -> HashSet<ColumnId> {
    let mut found = HashSet::new();
    Statement::each(&routine.body, &mut |statement| {
        if let Statement::Store { variable, .. } = statement {
            found.insert(*variable);
        }
    });
    found
}

/// How many elements or fields an array or struct has that is written out in the text: a copy of it costs no more than it does.
pub(super) fn written_out(value: &Expr) -> Option<usize> {
    match &value.kind {
        ExprKind::Literal(Literal::Array(items) | Literal::Struct(items)) => Some(items.len()),
        _ => match called(value)? {
            ("list_value" | "row", items) => Some(items.len()),
            _ => None,
        },
    }
}

/// Variables whose array, once it is complete, is read at one place only: who has it from there has it alone.
pub(super) fn handed_over(routine: &Routine) -> Vec<ColumnId> {
    let (mut complete, mut reads) = (Vec::new(), HashMap::new());
    Statement::each(&routine.body, &mut |statement| {
        if let Statement::Complete { array, .. } = statement {
            complete.push(*array);
        }
    });
    Statement::mentions(&routine.body, &mut |id, assigned| {
        *reads.entry(id).or_insert(0) += u32::from(!assigned);
    });
    complete.retain(|id| reads.get(id) == Some(&1));
    complete
}

/// What is added behind a variable's own elements, if that is all that its new value is.
pub(super) fn appended(id: ColumnId, value: &Expr) -> Option<Vec<Expr>> {
    let (name, args) = called(value)?;
    let own = args
        .first()
        .filter(|arg| matches!(arg.kind, ExprKind::Column(of) if of == id));
    own.filter(|own| own.ty == value.ty)?;
    match (name, args) {
        ("array_append", [_, element]) => Some(vec![element.clone()]),
        ("array_concat", [_, more]) => elements_of(more),
        _ => None,
    }
}

/// The elements of an array that is written out.
fn elements_of(array: &Expr) -> Option<Vec<Expr>> {
    match (&array.kind, &array.ty) {
        (ExprKind::Literal(Literal::Array(items)), LogicalType::Array(item)) => {
            let literal = |value: &Literal| Expr::literal(value.clone(), (**item).clone(), array.span);
            Some(items.iter().map(literal).collect())
        }
        _ => match called(array)? {
            ("list_value", elements) => Some(elements.to_vec()),
            _ => None,
        },
    }
}

fn called(expr: &Expr) -> Option<(&'static str, &[Expr])> {
    match &expr.kind {
        ExprKind::Call { function, args } => Some((functions::function(*function).name, args)),
        _ => None,
    }
}

impl Emitter<'_> {
    pub(super) fn begin_array(&mut self, array: ColumnId, count: ColumnId, room: Option<&Room>) {
        let ty = self.type_of(array);
        let empty = self.nested_literal(&Literal::Array(Vec::new()), &ty);
        self.set_variable(array, empty);
        let none = self.b.iconst(Type::I64, 0);
        self.set_variable(count, Nullable::int(none, None, None));
        let Some(room) = room else { return };
        let count = self.expr(&room.count);
        let exact = room.exact;
        let room = self.natural(count, &LogicalType::BigInt);
        // Where there is no number, there is nothing to make room for.
        let wanted = match room.valid {
            Some(valid) => self.b.select(valid, room.value, none),
            None => room.value,
        };
        // The host takes a negative number as one that may be too high.
        let wanted = match exact {
            true => wanted,
            false => self.b.sub(none, wanted),
        };
        self.make_room(array, none, wanted);
    }

    pub(super) fn append(&mut self, array: ColumnId, count: ColumnId, value: &Expr) {
        let item = self.item_of(array);
        let value = self.expr(value);
        let value = self.natural(value, &item);
        let at = self.variable(count).value;
        let object = self.variable(array).value;
        let room = self.array_room(object);
        let full = self.b.icmp(IntCond::Sge, at, room);
        let (grow, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(full, grow, go_on);
        self.b.switch_to(grow);
        let more = self.b.add(room, room);
        self.make_room(array, at, more);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
        let object = self.variable(array).value;
        // If none is NULL, the flags are written at once when the array is complete.
        let full = self.is_full(array);
        self.put_element((object, at), &value, &item, full);
        let one = self.b.iconst(Type::I64, 1);
        let next = self.b.add(at, one);
        self.set_variable(count, Nullable::int(next, None, None));
    }

    fn put_element(&mut self, (object, at): (Value, Value), value: &Nullable, item: &LogicalType, full: bool) {
        let place = self.element_place(object, at, item, full);
        self.put_part(place, value, item.physical());
    }

    pub(super) fn complete_array(&mut self, array: ColumnId, count: ColumnId) {
        let object = self.variable(array).value;
        let count = self.variable(count).value;
        self.set_length(array, count);
        let zero = self.b.iconst(Type::I64, 0);
        let empty = self.b.icmp(IntCond::Eq, count, zero);
        let (filled, go_on) = (self.b.block(), self.b.block());
        self.b.branch(empty, go_on, filled);
        self.b.switch_to(filled);
        self.b.store(count, object, 0);
        if self.is_full(array) {
            let stride = self.stride_of(array);
            let (host, sig) = self.host("array_filled", &[Type::Ptr, Type::I64]);
            let _ = self.b.call_host(host, &sig, &[object, stride]);
        }
        if self.frame_of().in_place {
            // An empty array has no elements that are stored into.
            self.frame_of().known.owned(array);
            let (one, ty) = (self.b.iconst(Type::I8, 1), self.type_of(array));
            self.b.store(one, object, mark_at(&ty));
        }
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }

    /// Whether a variable is an array without NULLs.
    pub(in crate::compile) fn is_full(&self, id: ColumnId) -> bool {
        let routine = self.routine.as_ref();
        routine.is_some_and(|routine| routine.full.get(id.0 as usize).is_some_and(|full| *full))
    }

    /// Whether a variable is never NULL.
    pub(super) fn always_has_a_value(&mut self, id: ColumnId) -> bool {
        self.variable(id).valid.is_none()
    }

    /// Adds elements at the end of a variable's array, in place if it has it for itself and there is room.
    pub(super) fn push(&mut self, array: ColumnId, elements: &[Expr]) {
        let (ty, item) = (self.type_of(array), self.item_of(array));
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.expr(element);
            values.push(self.natural(value, &item));
        }
        for value in &values {
            let object = self.variable(array).value;
            let length = match self.length_of(array) {
                Some(length) => length,
                None => self.b.load(Type::I64, object, 0),
            };
            let room = self.array_room(object);
            let fits = self.b.icmp(IntCond::Slt, length, room);
            let mark = self.b.load(Type::I8, object, mark_at(&ty));
            let fits = self.b.and(fits, mark);
            let (grow, go_on) = (self.b.cold_block(), self.b.block());
            self.b.branch(fits, go_on, grow);
            self.b.switch_to(grow);
            let new = self.replaced("array_grow", object, &ty);
            self.set_object(array, new);
            self.b.jump(go_on);
            self.b.switch_to(go_on);
            let object = self.variable(array).value;
            self.put_element((object, length), value, &item, false);
            let one = self.b.iconst(Type::I64, 1);
            let more = self.b.add(length, one);
            self.b.store(more, object, 0);
            self.set_length(array, more);
        }
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
