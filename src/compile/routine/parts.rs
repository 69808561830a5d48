//! Assigning an element, a field or the value of a key, in place.
//!
//! `orders[2].total = 5` finds the array's mark, the element's, and stores one number; where a mark is missing, the host makes a marked copy
//! first, whose address takes the place of the other one's.
//!
//! Invariants: what others may have is never written to: reading an array or a struct as a whole takes its mark away, and only
//! reading a part of it does not; a struct that is NULL gets the field alone, a map the entry. An array that is NULL has no elements to assign:
//! that fails before anything is changed.
//!
//! Does not: say what a path means; the checker has.

use gobi_jit::ir::{IntCond, Type, Value};

use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::keys::store_as;
use crate::compile::maps::value_at;
use crate::compile::value::{Kind, Nullable};
use crate::plan::physical::logical::{ColumnId, Expr};
use crate::plan::physical::routine::Part;
use crate::plan::physical::{Facts, Span};
use crate::types::nested::{ELEMENTS_AT, NestedLayout, ROOM_AT};
use crate::types::{LogicalType, Physical};

/// Where the address of an object is kept.
#[derive(Clone, Copy)]
enum Holder {
    Variable(ColumnId),
    Part(Place),
}

/// Where an element or a field lies, and the byte that says whether there is one, unless there always is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    at: Value,
    flag: Option<Value>,
}

impl Emitter<'_> {
    /// Stores a value in the part of a variable that a path leads to.
    pub(super) fn store_part(&mut self, variable: ColumnId, path: &[Part], value: &Expr, span: Span) {
        let value = self.expr(value);
        for step in path {
            if let Part::Key(key) = step {
                let key = self.variable(*key);
                self.key_is_there(&key, span);
            }
        }
        // What is NULL before an element of an array cannot be made.
        let elements = path.iter().rposition(|step| matches!(step, Part::Element(_)));
        let needed = |depth: usize| elements.filter(|last| depth <= *last).map(|_| span);
        let mut ty = self.type_of(variable);
        let whole = self.variable(variable);
        let mut holder = Holder::Variable(variable);
        let mut object = match self.frame_of().known.owns(variable) && whole.valid.is_none() {
            true => whole.value,
            false => self.owned(&whole, &ty, holder, needed(0)),
        };
        if whole.valid.is_none() {
            self.frame_of().known.owned(variable);
        }
        for (depth, step) in path.iter().enumerate() {
            let of = (depth == 0).then_some(variable);
            let (place, part) = match step {
                Part::Key(key) => self.value_of_key(object, (&ty, *key), holder, needed(depth + 1)),
                _ => self.place_in(object, (&ty, of), step, span),
            };
            ty = part;
            if depth + 1 == path.len() {
                let value = self.natural(value.clone(), &ty);
                self.put_part(place, &value, ty.physical());
                break;
            }
            let there = place.flag.map(|flag| self.b.load(Type::I8, flag, 0));
            let whole = self.load_stored(place.at, 0, &Facts::of_type(&ty, true));
            holder = Holder::Part(place);
            object = self.owned(&whole.with_valid(there), &ty, holder, needed(depth + 1));
        }
    }

    /// The place of the value of a key in a map, and its type; the entry has to be there if `needed` says where it stands.
    fn value_of_key(
        &mut self,
        map: Value,
        (ty, key): (&LogicalType, ColumnId),
        holder: Holder,
        needed: Option<Span>,
    ) -> (Place, LogicalType) {
        let LogicalType::Map(parts) = ty else {
            unreachable!("the checker follows types")
        };
        if let Some(span) = needed {
            let found = self.has_key(map, ty, key);
            self.needs(found, span);
        }
        let slot = self.b.slot(16);
        let place = self.b.slot_addr(slot);
        self.b.store(map, place, 0);
        let entry = self.entry_in(place, ty, key);
        let map = self.b.load(Type::Ptr, place, 0);
        self.hold(holder, map);
        let zero = self.b.iconst(Type::I64, 0);
        let at = self.b.index(entry, zero, 1, value_at(ty));
        let flag = Some(self.b.index(entry, zero, 1, 1));
        (Place { at, flag }, parts.1.clone())
    }

    /// Fails where there is no array to assign an element of.
    fn needs(&mut self, valid: Value, span: Span) {
        let missing = crate::compile::value::invert(&mut self.b, valid);
        let message = "an array that is NULL has no elements to assign";
        let site = self.site("22004", message, [None, None], span);
        self.fail_if(missing, None, site, &[]);
    }

    /// Another object is in a place from here on.
    fn hold(&mut self, holder: Holder, object: Value) {
        match holder {
            Holder::Variable(id) => self.set_object(id, object),
            Holder::Part(place) => self.put_part(place, &Nullable::new(object, Kind::Nested, None), Physical::Nested),
        }
    }

    /// Where a step leads to in an object, and the type of what is there.
    fn place_in(
        &mut self,
        object: Value,
        (ty, of): (&LogicalType, Option<ColumnId>),
        step: &Part,
        span: Span,
    ) -> (Place, LogicalType) {
        match (step, ty, NestedLayout::of(ty)) {
            (Part::Field(i), LogicalType::Struct(fields), Some(NestedLayout::Struct { fields: places, .. })) => {
                let zero = self.b.iconst(Type::I64, 0);
                let at = self.b.index(object, zero, 1, places[*i].offset as i32);
                let flag = Some(self.b.index(object, zero, 1, *i as i32));
                (Place { at, flag }, fields[*i].ty.clone())
            }
            (Part::Element(id), LogicalType::Array(item), _) => {
                let index = self.variable(*id);
                if let Some(valid) = index.valid {
                    let missing = crate::compile::value::invert(&mut self.b, valid);
                    let site = self.site("22004", "the position of an element is NULL", [None, None], span);
                    self.fail_if(missing, None, site, &[]);
                }
                let index = index.with_valid(None);
                self.stores = true;
                let at = self.position(object, (of, Some(*id)), (&index, None), span);
                self.stores = false;
                let full = of.is_some_and(|of| self.is_full(of));
                (self.element_place(object, at, item, full), (**item).clone())
            }
            _ => unreachable!("the checker follows types"),
        }
    }

    /// The place of an element, for which there is room; `full`: its byte says already that it is not NULL.
    pub(super) fn element_place(&mut self, object: Value, at: Value, item: &LogicalType, full: bool) -> Place {
        let stride = item.physical().bytes() as u32;
        let flag = (!full).then(|| {
            let room = self.array_room(object);
            let flags = self.b.index(object, room, stride, ELEMENTS_AT as i32);
            self.b.index(flags, at, 1, 0)
        });
        let at = self.b.index(object, at, stride, ELEMENTS_AT as i32);
        Place { at, flag }
    }

    /// How many elements an array has room for.
    pub(in crate::compile) fn array_room(&mut self, object: Value) -> Value {
        let room = self.b.load(Type::I32, object, ROOM_AT as i32);
        self.b.uext(room, Type::I64)
    }

    /// Writes an element or a field; a NULL is zeros.
    pub(super) fn put_part(&mut self, place: Place, value: &Nullable, stored: Physical) {
        let (Some(valid), Some(flag)) = (value.valid, place.flag) else {
            if let Some(flag) = place.flag {
                let one = self.b.iconst(Type::I8, 1);
                self.b.store(one, flag, 0);
            }
            return store_as(self, value, stored, place.at, 0);
        };
        self.b.store(valid, flag, 0);
        let (there, null, go_on) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(valid, there, null);
        self.b.switch_to(there);
        store_as(self, value, stored, place.at, 0);
        self.b.jump(go_on);
        self.b.switch_to(null);
        let zeros = match stored.bytes() {
            1 => self.b.iconst(Type::I8, 0),
            2 => self.b.iconst(Type::I16, 0),
            4 => self.b.iconst(Type::I32, 0),
            8 => self.b.iconst(Type::I64, 0),
            _ => self.b.iconst128(0),
        };
        self.b.store(zeros, place.at, 0);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }

    /// The object of a variable or part, which it has for itself from here on; it has to be there if `needed` says where it stands.
    fn owned(&mut self, value: &Nullable, ty: &LogicalType, holder: Holder, needed: Option<Span>) -> Value {
        let object = self.followable(value, ty);
        let held = self.b.local(Type::Ptr);
        self.b.set(held, object);
        let mark = self.b.load(Type::I8, object, mark_at(ty));
        let (copy, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(mark, go_on, copy);
        self.b.switch_to(copy);
        if let (Some(valid), Some(span)) = (value.valid, needed) {
            self.needs(valid, span);
        }
        let new = self.replaced("object_own", object, ty);
        self.b.set(held, new);
        self.hold(holder, new);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
        self.b.get(held)
    }

    /// A variable has its array or struct for itself from here on.
    pub(super) fn own_variable(&mut self, id: ColumnId) {
        let (value, ty) = (self.variable(id), self.type_of(id));
        if value.valid.is_none() && value.kind == Kind::Nested {
            let _ = self.owned(&value, &ty, Holder::Variable(id), None);
            self.frame_of().known.owned(id);
        }
    }

    /// The object that the host puts in the place of another one.
    pub(super) fn replaced(&mut self, function: &str, object: Value, ty: &LogicalType) -> Value {
        let slot = self.b.slot(16);
        let place = self.b.slot_addr(slot);
        self.b.store(object, place, 0);
        let (host_state, layout) = (self.slot(Slot::Host), self.layout(ty));
        let (host, sig) = self.host(function, &[Type::Ptr, Type::Ptr, Type::Ptr]);
        let status = self.b.call_host(host, &sig, &[host_state, place, layout]);
        self.fail_if_status(status);
        self.b.load(Type::Ptr, place, 0)
    }

    /// An object that is read as a whole: from here on others may have it.
    pub(in crate::compile) fn shared(&mut self, value: Nullable, ty: &LogicalType) -> Nullable {
        let in_place = self.routine.as_ref().is_some_and(|routine| routine.in_place);
        if value.kind != Kind::Nested || !in_place {
            return value;
        }
        let object = self.followable(&value, ty);
        let mark = self.b.load(Type::I8, object, mark_at(ty));
        let (take, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(mark, take, go_on);
        self.b.switch_to(take);
        let none = self.b.iconst(Type::I8, 0);
        self.b.store(none, object, mark_at(ty));
        self.b.jump(go_on);
        self.b.switch_to(go_on);
        value
    }

    /// A position in an array, which may be that of a variable, as another variable may be the position. Fails outside of it, unless
    /// what is read is not valid: then it is 0.
    pub(in crate::compile) fn position(
        &mut self,
        object: Value,
        (array, position): (Option<ColumnId>, Option<ColumnId>),
        (index, valid): (&Nullable, Option<Value>),
        span: Span,
    ) -> Value {
        if let (Some(array), Some(range), None) = (array, index.range, valid)
            && self.frame_of().known.is_range_inside(array, range)
        {
            return index.value;
        }
        let both = array.zip(position).filter(|_| valid.is_none());
        if let Some((array, position)) = both
            && self.frame_of().known.is_inside(array, position)
        {
            return index.value;
        }
        let length = match array.and_then(|array| self.length_of(array)) {
            Some(length) => length,
            None => self.b.load(Type::I64, object, 0),
        };
        let at = self.within(index, length, valid, span);
        if let Some((array, position)) = both
            && index.range.is_some_and(|(least, _)| least >= 0)
            && self.counts_if.is_none()
        {
            self.frame_of().known.found_inside(array, position);
        }
        at
    }

    /// A position in `0..length`; negative ones count from the end. Fails outside of it, unless the position is not valid: then
    /// it is 0.
    fn within(&mut self, index: &Nullable, length: Value, valid: Option<Value>, span: Span) -> Value {
        let inside = self.b.icmp(IntCond::Ult, index.value, length);
        if index.range.is_some_and(|(least, _)| least >= 0) {
            return self.within_from_start(index, (length, inside), valid, span);
        }
        let found = self.b.local(Type::I64);
        self.b.set(found, index.value);
        let (from_end, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(inside, go_on, from_end);
        self.b.switch_to(from_end);
        let at = self.b.add(index.value, length);
        let outside = self.b.icmp(IntCond::Uge, at, length);
        self.fail_outside(index, (length, outside), valid, span);
        let zero = self.b.iconst(Type::I64, 0);
        let at = self.b.select(outside, zero, at);
        self.b.set(found, at);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
        self.b.get(found)
    }

    /// The same for a position that is not negative.
    fn within_from_start(
        &mut self,
        index: &Nullable,
        (length, inside): (Value, Value),
        valid: Option<Value>,
        span: Span,
    ) -> Value {
        let outside = self.b.icmp(IntCond::Uge, index.value, length);
        self.fail_outside(index, (length, outside), valid, span);
        match valid {
            // Where there is no array, or no position, the first place is read, and not used.
            Some(_) => {
                let zero = self.b.iconst(Type::I64, 0);
                self.b.select(inside, index.value, zero)
            }
            None => index.value,
        }
    }

    fn fail_outside(&mut self, index: &Nullable, (length, outside): (Value, Value), valid: Option<Value>, span: Span) {
        let message = match self.stores {
            true => "there is no element {0} to assign in an array of length {1}",
            false => "index {0} is out of range for an array of length {1}",
        };
        let operands = [Some(LogicalType::BigInt), Some(LogicalType::BigInt)];
        let site = self.site("2202E", message, operands, span);
        self.fail_if(outside, valid, site, &[index, &Nullable::int(length, None, None)]);
    }
}

/// Where objects of a type have their mark.
pub(super) fn mark_at(ty: &LogicalType) -> i32 {
    NestedLayout::of(ty).map_or(0, |layout| layout.mark_at()) as i32
}
