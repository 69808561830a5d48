//! Arrays and structs in generated code: literals, elements, fields, lengths; comparing and hashing through the host.
//!
//! `a[i]` is four loads: the length, the room, the element's validity byte, the element, after a test that `i` lies in `0..length`. A
//! field of a struct is two.
//!
//! Invariants: the address of an object that is NULL is not followed; an object of zeros stands in for it.
//!
//! Does not: make objects at run time; functions of the table do, through the host.

use gobi_jit::ir::{IntCond, Type, Value};

use super::Constant;
use super::emit::Emitter;
use super::frame::Slot;
use super::value::{Kind, Nullable, both};
use crate::functions;
use crate::functions::Native;
use crate::plan::physical::logical::{ColumnId, CompareOp, Expr, ExprKind};
use crate::plan::physical::{Facts, Span};
use crate::types::nested::{ELEMENTS_AT, LEAST_BYTES, NestedLayout};
use crate::types::{LogicalType, Value as Literal};

/// Most elements of an array, for ranges.
const MOST: i128 = u32::MAX as i128;

impl Emitter<'_> {
    /// A literal array or struct: an object that the code holds.
    pub(super) fn nested_literal(&mut self, literal: &Literal, ty: &LogicalType) -> Nullable {
        let Some(bits) = self.shared.objects.bits(literal, ty) else {
            return self.null(ty);
        };
        let address = self.constant_of(Constant::Address(bits as u64));
        Nullable::new(address, Kind::Nested, None)
    }

    /// What the table calls native: computed here, by loads.
    pub(super) fn access(&mut self, native: Native, args: &[Expr], expr: &Expr) -> Nullable {
        let ty = &args[0].ty;
        let of = &self.looked_into(&args[0]);
        match native {
            Native::SquareRoot => self.square_root(of, expr),
            Native::Length => {
                let known = self.routine_variable(&args[0]).and_then(|id| self.length_of(id));
                let length = known.unwrap_or_else(|| {
                    let object = self.followable(of, ty);
                    self.b.load(Type::I64, object, 0)
                });
                Nullable::int(length, of.valid, Some((0, MOST)))
            }
            Native::Element { checked } => {
                let index = self.expr(&args[1]);
                let index = self.natural(index, &args[1].ty);
                let ids = (self.routine_variable(&args[0]), self.routine_variable(&args[1]));
                match checked {
                    true => self.element_at(of, (ids, &index), expr),
                    false => self.element_if_any(of, (ids.0, &index), expr),
                }
            }
            Native::Field => {
                let name = match args.get(1).map(|arg| &arg.kind) {
                    Some(ExprKind::Literal(Literal::String(name))) => name.clone(),
                    _ => "".into(),
                };
                self.struct_field(of, ty, &name, expr)
            }
        }
    }

    /// An array or struct of which only a part is read, so that a body that has it for itself keeps it so.
    pub(super) fn looked_into(&mut self, expr: &Expr) -> Nullable {
        match &expr.kind {
            ExprKind::Column(id) if self.routine.is_some() && expr.ty.is_nested() => self.variable(*id),
            ExprKind::Call { function, args } => match functions::function(*function).native {
                Some(native) => self.access(native, args, expr),
                None => {
                    let found = self.looked_up(functions::function(*function).name, args);
                    found.unwrap_or_else(|| self.expr(expr))
                }
            },
            _ => self.expr(expr),
        }
    }

    /// Number of elements; 0 for NULL.
    pub(super) fn array_length(&mut self, array: &Expr) -> Value {
        let value = self.looked_into(array);
        if let Some(length) = self.routine_variable(array).and_then(|id| self.length_of(id)) {
            return length;
        }
        let object = self.followable(&value, &array.ty);
        self.b.load(Type::I64, object, 0)
    }

    /// The variable of a routine that an expression is.
    fn routine_variable(&self, expr: &Expr) -> Option<ColumnId> {
        expr.as_column().filter(|_| self.routine.is_some())
    }

    /// An element; a position outside the array is an error.
    fn element_at(
        &mut self,
        array: &Nullable,
        ((of, position), index): ((Option<ColumnId>, Option<ColumnId>), &Nullable),
        expr: &Expr,
    ) -> Nullable {
        let object = self.followable(array, &LogicalType::Array(Box::new(expr.ty.clone())));
        let valid = both(&mut self.b, array.valid, index.valid);
        let at = self.position(object, (of, position), (index, valid), expr.span);
        self.element(object, (at, valid), of, expr)
    }

    /// An element; NULL for a position outside the array.
    fn element_if_any(
        &mut self,
        array: &Nullable,
        (of, index): (Option<ColumnId>, &Nullable),
        expr: &Expr,
    ) -> Nullable {
        let object = self.followable(array, &LogicalType::Array(Box::new(expr.ty.clone())));
        let length = match of.and_then(|of| self.length_of(of)) {
            Some(length) => length,
            None => self.b.load(Type::I64, object, 0),
        };
        let zero = self.b.iconst(Type::I64, 0);
        let from_end = self.b.icmp(IntCond::Slt, index.value, zero);
        let counted_back = self.b.add(index.value, length);
        let at = self.b.select(from_end, counted_back, index.value);
        let inside = self.b.icmp(IntCond::Ult, at, length);
        let valid = both(&mut self.b, array.valid, index.valid);
        let valid = both(&mut self.b, valid, Some(inside));
        // What is not there is not read: the first place of an object always exists.
        let at = self.b.select(inside, at, zero);
        self.element(object, (at, valid), of, expr)
    }

    /// The element at a place of an array, which may be that of a variable.
    fn element(
        &mut self,
        object: Value,
        (at, mut valid): (Value, Option<Value>),
        of: Option<ColumnId>,
        expr: &Expr,
    ) -> Nullable {
        let item = &expr.ty;
        let stride = item.physical().bytes() as u32;
        if !of.is_some_and(|of| self.is_full(of)) {
            let room = self.array_room(object);
            let flags = self.b.index(object, room, stride, ELEMENTS_AT as i32);
            let flag = self.b.index(flags, at, 1, 0);
            let present = self.b.load(Type::I8, flag, 0);
            valid = both(&mut self.b, valid, Some(present));
        }
        let address = self.b.index(object, at, stride, ELEMENTS_AT as i32);
        self.load_stored(address, 0, &Facts::of_type(item, true))
            .with_valid(valid)
    }

    fn struct_field(&mut self, of: &Nullable, ty: &LogicalType, name: &str, expr: &Expr) -> Nullable {
        let (LogicalType::Struct(fields), Some(NestedLayout::Struct { fields: places, .. })) =
            (ty, NestedLayout::of(ty))
        else {
            return self.null(&expr.ty);
        };
        let Some(i) = fields.iter().position(|field| field.name == name) else {
            return self.null(&expr.ty);
        };
        let object = self.followable(of, ty);
        let present = self.b.load(Type::I8, object, i as i32);
        let valid = both(&mut self.b, of.valid, Some(present));
        self.load_stored(object, places[i].offset as i32, &Facts::of_type(&expr.ty, true))
            .with_valid(valid)
    }

    /// An address that may be followed: that of an empty object where there is no value.
    pub(super) fn followable(&mut self, value: &Nullable, ty: &LogicalType) -> Value {
        let Some(valid) = value.valid else {
            return value.value;
        };
        let bytes = match NestedLayout::of(ty) {
            Some(NestedLayout::Struct { bytes, .. }) => bytes,
            _ => LEAST_BYTES,
        };
        let address = self.shared.objects.zeros(bytes);
        let nothing = self.constant_of(Constant::Address(address));
        self.b.select(valid, value.value, nothing)
    }

    /// Compares two objects of a type; null addresses are equal.
    pub(super) fn compare_nested(&mut self, op: CompareOp, x: Value, y: Value, ty: &LogicalType) -> Value {
        let layout = self.layout(ty);
        let (host, sig) = self.host("nested_compare", &[Type::Ptr, Type::Ptr, Type::Ptr]);
        let zero = self.b.iconst(Type::I64, 0);
        let order = self.b.call_host(host, &sig, &[layout, x, y]).unwrap_or(zero);
        self.b.icmp(super::expr::signed(op), order, zero)
    }

    /// Hash of an object; a null address has one too.
    pub(super) fn hash_nested(&mut self, x: Value, ty: &LogicalType) -> Value {
        let layout = self.layout(ty);
        let (host, sig) = self.host("nested_hash", &[Type::Ptr, Type::Ptr]);
        let hash = self.b.call_host(host, &sig, &[layout, x]);
        hash.unwrap_or_else(|| self.b.iconst(Type::I64, 0))
    }

    /// Appends a value to the list of a group's state, if the row counts.
    pub(super) fn append_to_list(
        &mut self,
        row: Value,
        offset: i32,
        value: &Nullable,
        counts: Option<Value>,
        stride: usize,
    ) {
        let cell = self.b.slot(32);
        let cell = self.b.slot_addr(cell);
        self.store_cell(value, cell, 0);
        let zero = self.b.iconst(Type::I64, 0);
        let place = self.b.index(row, zero, 1, offset);
        let counts = match counts {
            Some(counts) => self.b.uext(counts, Type::I64),
            None => self.b.iconst(Type::I64, 1),
        };
        let stride = self.b.iconst(Type::I64, stride as i64);
        let state = self.slot(Slot::Host);
        let (host, sig) = self.host("list_add", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::I64, Type::I64]);
        let status = self.b.call_host(host, &sig, &[state, place, cell, stride, counts]);
        self.fail_if_status(status);
    }

    /// Appends the list of one group's state to that of another's.
    pub(super) fn merge_lists(&mut self, into: Value, from: Value, offset: i32) {
        let zero = self.b.iconst(Type::I64, 0);
        let (into, from) = (self.b.index(into, zero, 1, offset), self.b.index(from, zero, 1, offset));
        let state = self.slot(Slot::Host);
        let (host, sig) = self.host("list_merge", &[Type::Ptr, Type::Ptr, Type::Ptr]);
        let status = self.b.call_host(host, &sig, &[state, into, from]);
        self.fail_if_status(status);
    }

    /// A host function that ran out of memory has left its error with the host.
    pub(super) fn fail_if_status(&mut self, status: Option<Value>) {
        let zero = self.b.iconst(Type::I64, 0);
        let failed = self.b.icmp(IntCond::Ne, status.unwrap_or(zero), zero);
        let site = self.site("53200", "", [None, None], Span::default());
        self.fail_if(failed, None, site, &[]);
    }

    /// The array of a state's list; NULL before its first row.
    pub(super) fn finished_list(&mut self, state: Value) -> Nullable {
        let host_state = self.slot(Slot::Host);
        let (host, sig) = self.host("list_finish", &[Type::Ptr, Type::I64]);
        let address = self.b.call_host(host, &sig, &[host_state, state]).unwrap_or(state);
        let zero = self.b.iconst(Type::I64, 0);
        let valid = self.b.icmp(IntCond::Ne, state, zero);
        let missing = self.b.icmp(IntCond::Eq, address, zero);
        let missing = self.b.and(valid, missing);
        let status = self.b.uext(missing, Type::I64);
        self.fail_if_status(Some(status));
        // The only way from a number to an address is through memory.
        let cell = self.b.slot(16);
        let cell = self.b.slot_addr(cell);
        self.b.store(address, cell, 0);
        let object = self.b.load(Type::Ptr, cell, 0);
        Nullable::new(object, Kind::Nested, Some(valid))
    }

    /// Address of a type's layout.
    pub(super) fn layout(&mut self, ty: &LogicalType) -> Value {
        // Only nested types are asked for; for others, a struct without fields would do.
        let layout = Box::new(NestedLayout::of(ty).unwrap_or(NestedLayout::Struct {
            fields: Vec::new(),
            bytes: LEAST_BYTES,
        }));
        let known = self.shared.layouts.iter().position(|known| *known == layout);
        let index = known.unwrap_or_else(|| {
            self.shared.layouts.push(layout);
            self.shared.layouts.len() - 1
        });
        let address = std::ptr::from_ref(&*self.shared.layouts[index]) as u64;
        self.constant_of(Constant::Address(address))
    }
}
