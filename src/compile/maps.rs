//! Maps in generated code: finding the value of a key, and putting one.
//!
//! `m[k]` calls the host with the map and the key in a cell; the address of the entry comes back, from which the value is loaded. `m[k] = v` in a
//! body hands the address of the map over as well: the host writes into the map, if the variable has it for itself.
//!
//! Invariants: a map that is NULL has no entries, and stays NULL.
//!
//! Does not: search; that is the host's.

use gobi_jit::ir::{Type, Value};

use super::emit::Emitter;
use super::frame::Slot;
use super::value::{Kind, Nullable, both, invert};
use crate::functions;
use crate::plan::physical::Facts;
use crate::plan::physical::logical::{ColumnId, Expr, ExprKind};
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

impl Emitter<'_> {
    /// A look-up in a map, if the call is one.
    pub(super) fn look_up(&mut self, name: &str, args: &[Expr], expr: &Expr) -> Option<Nullable> {
        let [map, key] = args else { return None };
        let LogicalType::Map(parts) = &map.ty else { return None };
        if key.ty != parts.0 || !matches!(name, "map_extract_value" | "map_contains") {
            return None;
        }
        let of = self.looked_into(map);
        let object = self.followable(&of, &map.ty);
        let key = self.expr(key);
        let key = self.natural(key, &parts.0);
        let slot = self.b.slot(CELL as u32);
        let cell = self.b.slot_addr(slot);
        self.store_cell(&key, cell, 0);
        let (host_state, layout) = (self.slot(Slot::Host), self.layout(&map.ty));
        let (host, sig) = self.host("map_find", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::Ptr]);
        let args = [host_state, object, layout, cell];
        let found = self.b.call_host(host, &sig, &args).unwrap_or(host_state);
        let found = self.b.trunc(found, Type::I8);
        if name == "map_contains" {
            let valid = both(&mut self.b, of.valid, key.valid);
            return Some(Nullable::bool(found, valid));
        }
        let entry = self.b.load(Type::Ptr, cell, 0);
        let value = self.entry_value(entry, found, &map.ty, &parts.1);
        Some(self.shared(value, &expr.ty))
    }

    fn entry_value(&mut self, entry: Value, found: Value, map: &LogicalType, ty: &LogicalType) -> Nullable {
        let present = self.b.load(Type::I8, entry, 1);
        let valid = self.b.and(found, present);
        let offset = match map.laid_out().as_ref() {
            LogicalType::Array(item) => match NestedLayout::of(item) {
                Some(NestedLayout::Struct { fields, .. }) => fields.get(1).map_or(0, |place| place.offset),
                _ => 0,
            },
            _ => 0,
        };
        self.load_stored(entry, offset as i32, &Facts::of_type(ty, true))
            .with_valid(Some(valid))
    }

    /// Puts an entry into the map of a variable.
    pub(super) fn put_entry(&mut self, id: ColumnId, (key, value): (&Expr, &Expr), put: &Expr) {
        let LogicalType::Map(parts) = &put.ty else { return };
        let map = self.variable(id);
        let cells = self.b.slot(2 * CELL as u32);
        let cells = self.b.slot_addr(cells);
        let (there, done) = (self.b.block(), self.b.block());
        let key_value = self.expr(key);
        let key_value = self.natural(key_value, &parts.0);
        let value = self.expr(value);
        let value = self.natural(value, &parts.1);
        match map.valid {
            Some(valid) => self.b.branch(valid, there, done),
            None => self.b.jump(there),
        }
        self.b.switch_to(there);
        if let Some(valid) = key_value.valid {
            let missing = invert(&mut self.b, valid);
            let site = self.site("22004", "a key of a map cannot be NULL", [None, None], put.span);
            self.fail_if(missing, None, site, &[]);
        }
        self.store_cell(&key_value, cells, 0);
        self.store_cell(&value, cells, CELL);
        let slot = self.b.slot(16);
        let place = self.b.slot_addr(slot);
        self.b.store(map.value, place, 0);
        let (host_state, layout) = (self.slot(Slot::Host), self.layout(&put.ty));
        let (host, sig) = self.host("map_put", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::Ptr]);
        let status = self.b.call_host(host, &sig, &[host_state, place, layout, cells]);
        self.fail_if_status(status);
        let object = self.b.load(Type::Ptr, place, 0);
        debug_assert!(map.kind == Kind::Nested, "a map is an object");
        self.set_object(id, object);
        self.b.jump(done);
        self.b.switch_to(done);
    }
}
