//! Sinks that keep rows: join tables and batches.
//!
//! A build writes each row in flight to `rows + count * stride` and adds 1 to the count, or 0 if its key is NULL.
//!
//! Invariants: the caller has made room for a whole block before it calls the kernel.
//!
//! Does not: link rows into chains (that is done once all are there).

use gobi_jit::ir::Type;

use super::Kernel;
use super::emit::{Emitter, Shared};
use super::frame::Slot;
use super::keys;
use super::stages::{Flight, each_row};
use super::value::{Nullable, invert};
use crate::plan::physical::logical::Expr;
use crate::plan::physical::{JoinStrategy, JoinTable, PhysicalPlan, Pipeline};

/// Writes the kernel that stores the build side of a join.
pub(super) fn build(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &Flight,
    (table, key_exprs, payload): (&JoinTable, &[Expr], &[Expr]),
) -> Kernel {
    let mut e = Emitter::new("build", shared, plan, pipeline);
    let l = each_row(&mut e, flight);
    let values: Vec<Nullable> = key_exprs.iter().map(|key| e.expr(key)).collect();
    let valid = if table.null_equal {
        None
    } else {
        keys::all_valid(&mut e, &values)
    };
    if let Some(valid) = valid {
        let saw = e.slot(Slot::SawNullKey);
        let old = e.b.load(Type::I8, saw, 0);
        let null = invert(&mut e.b, valid);
        let new = e.b.or(old, null);
        e.b.store(new, saw, 0);
    }
    if let JoinStrategy::Bitmap { min, range } = table.strategy {
        let at = keys::dense_offset(&mut e, &values[0], min, range);
        // Keys that are NULL share the place past the end with nothing.
        keys::set_bit(&mut e, Slot::JoinIndex { join: usize::MAX }, at);
    } else {
        store_row(&mut e, table, &values, key_exprs, payload, valid);
    }
    e.end_loop(l);
    let count = e.count();
    e.finish(count)
}

fn store_row(
    e: &mut Emitter<'_>,
    table: &JoinTable,
    values: &[Nullable],
    key_exprs: &[Expr],
    payload: &[Expr],
    valid: Option<gobi_jit::ir::Value>,
) {
    let rows = e.slot(Slot::SinkRows);
    let offset = e.shared.frame.offset(Slot::SinkCount);
    let frame = e.frame();
    let count = e.b.load(Type::I64, frame, offset);
    let row = e.b.index(rows, count, table.layout.stride, 0);
    if table.strategy == JoinStrategy::Hash {
        // The hash stands where the link will be.
        let hash = keys::hash(e, values, key_exprs);
        e.b.store(hash, row, 0);
    } else {
        let none = e.b.iconst(Type::I32, 0);
        e.b.store(none, row, 0);
    }
    for (value, field) in values.iter().zip(&table.layout.fields) {
        keys::store_field(e, value.clone(), field, row);
    }
    for (expr, field) in payload.iter().zip(&table.layout.fields[table.key_count..]) {
        let value = e.expr(expr);
        keys::store_field(e, value, field, row);
    }
    let one = e.b.iconst(Type::I64, 1);
    let step = match valid {
        Some(valid) => e.b.uext(valid, Type::I64),
        None => one,
    };
    let next = e.b.add(count, step);
    e.set_slot(Slot::SinkCount, next);
}

/// Writes the kernel that gives columns of a batch; each in the natural layout of its type.
pub(super) fn batches(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &Flight,
    columns: &[Expr],
) -> Kernel {
    let mut e = Emitter::new("output", shared, plan, pipeline);
    let first = e.slot_number(Slot::OutPosition);
    let l = each_row(&mut e, flight);
    let at = e.b.add(first, l.i);
    for (column, expr) in columns.iter().enumerate() {
        let value = e.expr(expr);
        let value = e.natural(value, &expr.ty);
        let stored = expr.ty.physical();
        let base = e.slot(Slot::Out { column });
        let address = e.b.index(base, at, stored.bytes() as u32, 0);
        keys::store_as(&mut e, &value, stored, address, 0);
        let valid = match value.valid {
            Some(valid) => valid,
            None => e.b.iconst(Type::I8, 1),
        };
        let base = e.slot(Slot::OutValidity { column });
        let address = e.b.index(base, at, 1, 0);
        e.b.store(valid, address, 0);
    }
    e.end_loop(l);
    let count = e.count();
    e.finish(count)
}
