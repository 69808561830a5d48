//! Semi and anti joins whose preserved side is the smaller one: its rows are kept in the table, and the other side marks those
//! that have a partner.
//!
//! `EXISTS (SELECT … FROM lineitem WHERE l_orderkey = o_orderkey AND …)` for 75,000 orders: they are built, six million
//! lineitems look them up and set a byte in the rows they match; then the rows with (or, for NOT EXISTS, without) a mark are
//! read from the table.
//!
//! Invariants: a mark only ever goes from 0 to 1, so workers may set it side by side.
//!
//! Does not: decide which side is built.

use gobi_jit::ir::{IntCond, Type};

use super::emit::{Emitter, Shared};
use super::stages::{Flight, Probe, each_row, keep};
use super::value::Nullable;
use super::{Kernel, Stage, keys};
use crate::plan::physical::logical::JoinKind;
use crate::plan::physical::{JoinStrategy, PhysicalPlan, Pipeline, SourceKind};

/// The sink that marks the partners of each row.
pub(super) fn sink(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &Flight,
    probe: &Probe<'_>,
) -> Kernel {
    let table = &plan.joins[probe.join];
    let mark = table
        .mark
        .map_or(0, |field| table.layout.fields[field].offset)
        .cast_signed();
    let hashed = table.strategy == JoinStrategy::Hash;
    let mut e = Emitter::new("mark", shared, plan, pipeline);
    let row = e.b.local(Type::I64);
    let l = each_row(&mut e, flight);
    let values: Vec<Nullable> = probe.keys.iter().map(|key| e.expr(key)).collect();
    let head = probe.head(&mut e, table, &values);
    e.b.set(row, head);
    let (test, body, matched, advance, done) = (e.b.block(), e.b.block(), e.b.block(), e.b.block(), e.b.block());
    let zero = e.b.iconst(Type::I64, 0);
    e.b.jump(test);
    e.b.switch_to(test);
    let at = e.b.get(row);
    let there = e.b.icmp(IntCond::Ne, at, zero);
    e.b.branch(there, body, done);
    e.b.switch_to(body);
    e.set_row(probe.source, at);
    let address = e.row_address(probe.source, table.layout.stride);
    let marked = e.b.load(Type::I8, address, mark);
    let none = e.b.iconst(Type::I8, 0);
    let unmarked = e.b.icmp(IntCond::Eq, marked, none);
    if hashed {
        let same = keys::equal_row(&mut e, &values, table, address);
        let wanted = e.b.and(unmarked, same);
        probe.residual(&mut e, wanted, matched, advance);
    } else if probe.residual.is_empty() {
        // The rows of a chain have the same key: they are marked together.
        e.b.branch(unmarked, matched, done);
    } else {
        probe.residual(&mut e, unmarked, matched, advance);
    }
    e.b.switch_to(matched);
    let one = e.b.iconst(Type::I8, 1);
    e.b.store(one, address, mark);
    e.b.jump(advance);
    e.b.switch_to(advance);
    let link = e.b.load(Type::I32, address, 0);
    let link = e.b.uext(link, Type::I64);
    e.b.set(row, link);
    e.b.jump(test);
    e.b.switch_to(done);
    e.end_loop(l);
    let count = e.count();
    e.finish(count)
}

/// A filter of the rows with, or without, a mark, for pipelines that read such a table.
pub(super) fn wanted(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &mut Flight,
) -> Option<Stage> {
    let SourceKind::Join(join) = pipeline.sources[0].kind else {
        return None;
    };
    let table = &plan.joins[join];
    let mark = &table.layout.fields[table.mark?];
    let mut e = Emitter::new("marked", shared, plan, pipeline);
    let before = flight.clone();
    let after = before.clone().compacted();
    let out = e.b.local(Type::I64);
    let l = each_row(&mut e, &before);
    let address = e.row_address(0, table.layout.stride);
    let marked = e.b.load(Type::I8, address, mark.offset.cast_signed());
    let zero = e.b.iconst(Type::I8, 0);
    let wanted = match table.kind {
        JoinKind::Semi => IntCond::Ne,
        _ => IntCond::Eq,
    };
    let passes = e.b.icmp(wanted, marked, zero);
    keep(&mut e, &after, out, passes);
    e.end_loop(l);
    let kept = e.b.get(out);
    let kernel = e.finish(kept);
    *flight = after;
    Some(Stage::Filter { kernel })
}
