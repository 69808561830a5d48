//! Maps in generated code: finding the value of a key, and putting one.
//!
//! `m[k]` calls the host with the map and the key in a cell; the address of the entry comes back, from which the value is loaded. `m[k] = v` in a
//! body hands the address of the map over as well: the host writes into the map, if the variable has it for itself.
//!
//! Invariants: a map that is NULL has no entries; with one that is put it is a map.
//!
//! Does not: search; that is the host's.

use gobi_jit::ir::{Type, Value};

use super::emit::Emitter;
use super::frame::Slot;
use super::value::{Kind, Nullable, both, invert};
use crate::functions;
use crate::plan::physical::logical::{ColumnId, Expr, ExprKind};
use crate::plan::physical::{Facts, Span};
use crate::types::LogicalType;
use crate::types::nested::NestedLayout;

/// Bytes of a cell.
const CELL: i32 = 32;

/// The key and the value of an entry, if all that a variable's new value is is itself with this entry.
pub(super) fn entry_put(id: ColumnId, value: &Expr) -> Option<(&Expr, &Expr)> {
    let ExprKind::Call { function, args } = &value.kind else {
        return None;
    };
    let [map, key, held] = args.as_slice() else { return None };
    let own = map.as_column() == Some(id) && map.ty == value.ty && matches!(map.ty, LogicalType::Map(_));
    (own && functions::function(*function).name == "map_put").then_some((key, held))
}

/// Where an entry has its value; the byte behind its first says whether there is one.
pub(super) fn value_at(map: &LogicalType) -> i32 {
    let offset = match map.laid_out().as_ref() {
        LogicalType::Array(item) => match NestedLayout::of(item) {
            Some(NestedLayout::Struct { fields, .. }) => fields.get(1).map_or(0, |place| place.offset),
            _ => 0,
        },
        _ => 0,
    };
    offset as i32
}

impl Emitter<'_> {
    /// A look-up in a map, if the call is one.
    pub(super) fn look_up(&mut self, name: &str, args: &[Expr], expr: &Expr) -> Option<Nullable> {
        let found = self.looked_up(name, args)?;
        Some(self.shared(found, &expr.ty))
    }

    /// A look-up of what only a part is read of.
    pub(super) fn looked_up(&mut self, name: &str, args: &[Expr]) -> Option<Nullable> {
        let [map, key] = args else { return None };
        let LogicalType::Map(parts) = &map.ty else { return None };
        if key.ty != parts.0 || !matches!(name, "map_extract_value" | "map_contains") {
            return None;
        }
        let of = self.looked_into(map);
        let object = self.followable(&of, &map.ty);
        let key = self.expr(key);
        let key = self.natural(key, &parts.0);
        let (found, cell) = self.find(object, &map.ty, &key);
        if name == "map_contains" {
            let valid = both(&mut self.b, of.valid, key.valid);
            return Some(Nullable::bool(found, valid));
        }
        let entry = self.b.load(Type::Ptr, cell, 0);
        Some(self.entry_value(entry, found, &map.ty, &parts.1))
    }

    /// Whether a map has a key, and the cell with the address of its entry.
    fn find(&mut self, map: Value, ty: &LogicalType, key: &Nullable) -> (Value, Value) {
        let slot = self.b.slot(CELL as u32);
        let cell = self.b.slot_addr(slot);
        self.store_cell(key, cell, 0);
        let (host_state, layout) = (self.slot(Slot::Host), self.layout(ty));
        let (host, sig) = self.host("map_find", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::Ptr]);
        let args = [host_state, map, layout, cell];
        let found = self.b.call_host(host, &sig, &args).unwrap_or(host_state);
        (self.b.trunc(found, Type::I8), cell)
    }

    /// Whether a map has the key that a variable holds.
    pub(super) fn has_key(&mut self, map: Value, ty: &LogicalType, key: ColumnId) -> Value {
        let key = self.variable(key);
        self.find(map, ty, &key).0
    }

    fn entry_value(&mut self, entry: Value, found: Value, map: &LogicalType, ty: &LogicalType) -> Nullable {
        let present = self.b.load(Type::I8, entry, 1);
        let valid = self.b.and(found, present);
        self.load_stored(entry, value_at(map), &Facts::of_type(ty, true))
            .with_valid(Some(valid))
    }

    /// Puts an entry into the map of a variable.
    pub(super) fn put_entry(&mut self, id: ColumnId, (key, value): (&Expr, &Expr), put: &Expr) {
        let LogicalType::Map(parts) = &put.ty else { return };
        let map = self.variable(id);
        let cells = self.b.slot(2 * CELL as u32);
        let cells = self.b.slot_addr(cells);
        let key_value = self.expr(key);
        let key_value = self.natural(key_value, &parts.0);
        let value = self.expr(value);
        let value = self.natural(value, &parts.1);
        self.key_is_there(&key_value, put.span);
        self.store_cell(&key_value, cells, 0);
        self.store_cell(&value, cells, CELL);
        let slot = self.b.slot(16);
        let place = self.b.slot_addr(slot);
        let object = self.followable(&map, &put.ty);
        self.b.store(object, place, 0);
        let (host_state, layout) = (self.slot(Slot::Host), self.layout(&put.ty));
        let (host, sig) = self.host("map_put", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::Ptr]);
        let status = self.b.call_host(host, &sig, &[host_state, place, layout, cells]);
        self.fail_if_status(status);
        let object = self.b.load(Type::Ptr, place, 0);
        debug_assert!(map.kind == Kind::Nested, "a map is an object");
        self.set_object(id, object);
    }

    /// The address of the entry of a key that a variable holds, in the map at `place`, where another one's address may be behind this.
    pub(super) fn entry_in(&mut self, place: Value, ty: &LogicalType, key: ColumnId) -> Value {
        let key = self.variable(key);
        let slot = self.b.slot(CELL as u32);
        let cell = self.b.slot_addr(slot);
        self.store_cell(&key, cell, 0);
        let (host_state, layout) = (self.slot(Slot::Host), self.layout(ty));
        let (host, sig) = self.host("map_entry", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::Ptr]);
        let status = self.b.call_host(host, &sig, &[host_state, place, layout, cell]);
        self.fail_if_status(status);
        self.b.load(Type::Ptr, cell, 0)
    }

    /// Fails if a key is NULL.
    pub(super) fn key_is_there(&mut self, key: &Nullable, span: Span) {
        if let Some(valid) = key.valid {
            let missing = invert(&mut self.b, valid);
            let site = self.site("22004", "a key of a map cannot be NULL", [None, None], span);
            self.fail_if(missing, None, site, &[]);
        }
    }
}
