//! Aggregation: finding the group of a row, and bringing its states up to date.
//!
//! `GROUP BY l_returnflag, l_linestatus` over dictionaries of 3 and 2 entries addresses one of 6 groups as `flag * 2 + status`; each
//! sum is then one addition in memory. Without keys, the states stay in registers for a whole block.
//!
//! Invariants: a state is zero before its first row; the counter that tells whether a minimum has been seen is brought up to
//! date after it.
//!
//! Does not: divide a mean (that is done where the result is read), or grow tables.

use gobi_jit::ir::{IntCond, Local, Type, Value};

use super::emit::{Emitter, Shared};
use super::frame::Slot;
use super::repeat::Before;
use super::stages::{Flight, as_int, each_row, keep};
use super::value::{Kind, Nullable, both, is_true};
use super::{Kernel, Stage};
use super::{exact, keys};
use crate::plan::physical::logical::{ArithOp, CompareOp, Expr, ExprKind};
use crate::plan::physical::{
    Dim, GroupStrategy, GroupTable, PhysicalPlan, Pipeline, RowField, SourceKind, State, StateKind,
};
use crate::types::LogicalType;

/// A filter that leaves out the groups that no row fell into, for pipelines that read a directly addressed table.
pub(super) fn presence(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &mut Flight,
) -> Option<Stage> {
    let SourceKind::Group(group) = pipeline.sources[0].kind else {
        return None;
    };
    let table = &plan.groups[group];
    let count = presence_field(table)?;
    let mut e = Emitter::new("present", shared, plan, pipeline);
    let before = flight.clone();
    // The first compaction: the scanned rows get a vector.
    let after = before.clone().compacted();
    let out = e.b.local(Type::I64);
    let l = each_row(&mut e, &before);
    let address = e.row_address(0, table.layout.stride);
    let rows = e.b.load(Type::I64, address, count.offset.cast_signed());
    let zero = e.b.iconst(Type::I64, 0);
    let there = e.b.icmp(IntCond::Ne, rows, zero);
    keep(&mut e, &after, out, there);
    e.end_loop(l);
    let kept = e.b.get(out);
    let kernel = e.finish(kept);
    *flight = after;
    Some(Stage::Filter { kernel })
}

/// The state that counts the rows of a group.
pub fn presence_field(table: &GroupTable) -> Option<&RowField> {
    if !matches!(table.strategy, GroupStrategy::Direct { .. }) {
        return None;
    }
    let counts_rows = |s: &State| s.kind == StateKind::Count && s.arg.is_none() && s.filter.is_none();
    let state = table.states.iter().position(counts_rows)?;
    table.layout.fields.get(table.key_count + state)
}

/// Writes the kernel that brings groups up to date.
pub(super) fn update(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &Flight,
    (table, key_exprs): (&GroupTable, &[Expr]),
) -> Kernel {
    let mut e = Emitter::new("aggregate", shared, plan, pipeline);
    match &table.strategy {
        GroupStrategy::Single => return single(e, table, flight),
        GroupStrategy::Direct { dims, .. } => {
            let dims = dims.clone();
            let l = each_row(&mut e, flight);
            let group = direct_group(&mut e, &dims, key_exprs);
            let rows = e.slot(Slot::SinkRows);
            let row = e.b.index(rows, group, table.layout.stride, 0);
            update_states(&mut e, table, row);
            e.end_loop(l);
        }
        GroupStrategy::Hash => {
            let before = Before::of(&mut e, pipeline, key_exprs);
            let l = each_row(&mut e, flight);
            let row = match &before {
                Some(before) => before.or_else(&mut e, |e| hashed_group(e, table, key_exprs)),
                None => hashed_group(&mut e, table, key_exprs),
            };
            update_states(&mut e, table, row);
            e.end_loop(l);
        }
    }
    let count = e.count();
    e.finish(count)
}

/// Address of the group that the keys of the row at hand hash to.
fn hashed_group(e: &mut Emitter<'_>, table: &GroupTable, key_exprs: &[Expr]) -> Value {
    let values: Vec<Nullable> = key_exprs.iter().map(|key| e.expr(key)).collect();
    let types: Vec<&LogicalType> = key_exprs.iter().map(|key| &key.ty).collect();
    let hash = keys::hash_typed(e, &values, &types);
    find_or_insert(e, table, &values, hash)
}

/// Number of the group in a directly addressed table.
fn direct_group(e: &mut Emitter<'_>, dims: &[Dim], key_exprs: &[Expr]) -> Value {
    let mut group = None;
    for (dim, expr) in dims.iter().zip(key_exprs) {
        let key = e.expr(expr);
        let value = as_int(e, &key);
        let mut position = value;
        if dim.min != 0 {
            let least = e.b.iconst(Type::I64, dim.min);
            position = e.b.sub(value, least);
        }
        if let Some(valid) = key.valid {
            let null = e.b.iconst(Type::I64, dim.size - 1);
            position = e.b.select(valid, position, null);
        }
        group = Some(match group {
            None => position,
            Some(outer) => {
                let size = e.b.iconst(Type::I64, dim.size);
                let scaled = e.b.mul(outer, size);
                e.b.add(scaled, position)
            }
        });
    }
    group.unwrap_or_else(|| e.b.iconst(Type::I64, 0))
}

/// Address of the group with these keys in a hashed table; a new group has zeroed states.
fn find_or_insert(e: &mut Emitter<'_>, table: &GroupTable, values: &[Nullable], hash: Value) -> Value {
    let fields: Vec<&RowField> = table.layout.fields.iter().take(table.key_count).collect();
    let (rows, index) = (e.slot(Slot::SinkRows), e.slot(Slot::GroupIndex));
    let mask = e.slot_number(Slot::GroupMask);
    let (place, found) = (e.b.local(Type::I64), e.b.local(Type::Ptr));
    let thirty_two = e.b.iconst(Type::I64, 32);
    let high = e.b.ushr(hash, thirty_two);
    let start = e.b.and(high, mask);
    e.b.set(place, start);
    let (search, occupied, same_hash, next, insert, done) = (
        e.b.block(),
        e.b.block(),
        e.b.block(),
        e.b.block(),
        e.b.block(),
        e.b.block(),
    );
    e.b.jump(search);
    e.b.switch_to(search);
    let at = e.b.get(place);
    let entry = e.b.index(index, at, 4, 0);
    let number = e.b.load(Type::I32, entry, 0);
    let none = e.b.iconst(Type::I32, 0);
    let empty = e.b.icmp(IntCond::Eq, number, none);
    e.b.branch(empty, insert, occupied);

    e.b.switch_to(occupied);
    let number = e.b.uext(number, Type::I64);
    let row = e.b.index(rows, number, table.layout.stride, 0);
    e.b.set(found, row);
    let stored = e.b.load(Type::I64, row, 0);
    let equal = e.b.icmp(IntCond::Eq, stored, hash);
    e.b.branch(equal, same_hash, next);
    e.b.switch_to(same_hash);
    let equal = e.conditionally(|e| keys::equal_fields(e, values, &fields, row));
    e.b.branch(equal, done, next);

    e.b.switch_to(next);
    let one = e.b.iconst(Type::I64, 1);
    let following = e.b.add(at, one);
    let following = e.b.and(following, mask);
    e.b.set(place, following);
    e.b.jump(search);

    e.b.switch_to(insert);
    let offset = e.shared.frame.offset(Slot::SinkCount);
    let frame = e.frame();
    let count = e.b.load(Type::I64, frame, offset);
    let row = e.b.index(rows, count, table.layout.stride, 0);
    e.b.set(found, row);
    e.b.store(hash, row, 0);
    for (value, field) in values.iter().zip(&fields) {
        keys::store_field(e, value.clone(), field, row);
    }
    let number = e.b.trunc(count, Type::I32);
    e.b.store(number, entry, 0);
    let one = e.b.iconst(Type::I64, 1);
    let next_count = e.b.add(count, one);
    e.set_slot(Slot::SinkCount, next_count);
    e.b.jump(done);

    e.b.switch_to(done);
    e.b.get(found)
}

/// Brings the states of one group up to date with the row at hand.
fn update_states(e: &mut Emitter<'_>, table: &GroupTable, row: Value) {
    for index in update_order(table) {
        let field = &table.layout.fields[table.key_count + index];
        let offset = field.offset.cast_signed();
        let seen = seen_count(table, index).map(|count| {
            let field = &table.layout.fields[table.key_count + count];
            e.b.load(Type::I64, row, field.offset.cast_signed())
        });
        if table.states[index].kind == StateKind::List {
            collect(e, &table.states[index], row, offset);
            continue;
        }
        let Some(input) = state_input(e, &table.states[index]) else {
            continue;
        };
        let old = e.load_row_field(row, field);
        let new = step(e, &table.states[index], &old, &input, seen);
        keys::store_as(e, &new, field.facts.stored, row, offset);
    }
}

/// Counters last, so that extremes see whether they are the first.
fn update_order(table: &GroupTable) -> Vec<usize> {
    let mut order: Vec<usize> = (0..table.states.len()).collect();
    order.sort_by_key(|&i| table.states[i].kind == StateKind::Count);
    order
}

/// The counter that tells whether an extreme has been seen.
fn seen_count(table: &GroupTable, state: usize) -> Option<usize> {
    let replaces = matches!(
        table.states[state].kind,
        StateKind::Min | StateKind::Max | StateKind::Any
    );
    table
        .aggregates
        .iter()
        .find(|a| replaces && a.value == state)
        .and_then(|a| a.count)
}

/// What a row adds to a state.
struct Input {
    /// The argument; none for counting rows.
    value: Option<Nullable>,
    /// What the argument is multiplied with, for exact sums of products.
    times: Option<Nullable>,
    /// Whether the row counts.
    counts: Option<Value>,
}

fn state_input(e: &mut Emitter<'_>, state: &State) -> Option<Input> {
    let mut counts = state.filter.as_ref().map(|filter| {
        let passes = e.expr(filter);
        is_true(&mut e.b, &passes)
    });
    let (arg, times) = match &state.arg {
        Some(arg) if state.kind == StateKind::SumExact => factors(arg),
        arg => (arg.as_ref(), None),
    };
    let filter = counts;
    let mut evaluate = |arg| {
        let value: Nullable = e.expr_where(filter, arg);
        counts = both(&mut e.b, counts, value.valid);
        value
    };
    let value = arg.map(&mut evaluate);
    let times = match (arg, times) {
        (Some(arg), Some(times)) if arg == times => value.clone(),
        (_, times) => times.map(&mut evaluate),
    };
    Some(Input { value, times, counts })
}

/// The two factors of a product, or what it is.
fn factors(arg: &Expr) -> (Option<&Expr>, Option<&Expr>) {
    match &arg.kind {
        ExprKind::Chain { first, rest } => match &rest[..] {
            [step] if step.op == ArithOp::Mul => (Some(first), Some(&step.operand)),
            _ => (Some(arg), None),
        },
        _ => (Some(arg), None),
    }
}

/// The new value of a state.
fn step(e: &mut Emitter<'_>, state: &State, old: &Nullable, input: &Input, seen: Option<Value>) -> Nullable {
    match state.kind {
        StateKind::Count => {
            let by = match input.counts {
                Some(counts) => e.b.uext(counts, Type::I64),
                None => e.b.iconst(Type::I64, 1),
            };
            Nullable::int(e.b.add(old.value, by), None, None)
        }
        StateKind::SumI64 | StateKind::SumI128 | StateKind::SumF64 => add(e, state.kind, old, input),
        StateKind::SumExact => match &input.value {
            Some(value) => exact::add(e, old, value, input.times.as_ref(), input.counts),
            None => old.clone(),
        },
        StateKind::Min | StateKind::Max | StateKind::Any => replace(e, state, old, input, seen),
        // Kept by the host.
        StateKind::List => old.clone(),
    }
}

/// Appends the argument, NULL or not, to the list whose address the state is.
fn collect(e: &mut Emitter<'_>, state: &State, row: Value, offset: i32) {
    let Some(arg) = &state.arg else { return };
    let counts = state.filter.as_ref().map(|filter| {
        let passes = e.expr(filter);
        is_true(&mut e.b, &passes)
    });
    let value = e.expr_where(counts, arg);
    let value = e.natural(value, &arg.ty);
    e.append_to_list(row, offset, &value, counts, arg.ty.physical().bytes());
}

fn add(e: &mut Emitter<'_>, kind: StateKind, old: &Nullable, input: &Input) -> Nullable {
    let Some(value) = input.value.clone() else {
        return old.clone();
    };
    let value = match kind {
        StateKind::SumI128 => e.widened(value),
        StateKind::SumF64 if value.kind == Kind::F32 => {
            let double = e.b.promote(value.value);
            Nullable::new(double, Kind::F64, None)
        }
        StateKind::SumI64 if value.kind == Kind::Wide => {
            let low = e.b.trunc(value.value, Type::I64);
            Nullable::int(low, None, None)
        }
        _ => value,
    };
    let kind_held = value.kind;
    let addend = match input.counts {
        Some(counts) => {
            let zero = e.zero(kind_held);
            e.b.select(counts, value.value, zero)
        }
        None => value.value,
    };
    let sum = if kind_held == Kind::F64 {
        e.b.fadd(old.value, addend)
    } else {
        e.b.add(old.value, addend)
    };
    Nullable::new(sum, kind_held, None)
}

fn replace(e: &mut Emitter<'_>, state: &State, old: &Nullable, input: &Input, seen: Option<Value>) -> Nullable {
    let kind = state.kind;
    let ty = state.arg.as_ref().map_or(&LogicalType::Null, |arg| &arg.ty);
    let Some(value) = input.value.clone() else {
        return old.clone();
    };
    let value = if old.dictionary.is_none() {
        e.decode(value)
    } else {
        value
    };
    let value = if old.kind == Kind::Wide {
        e.widened(value)
    } else {
        value
    };
    let zero = e.b.iconst(Type::I64, 0);
    let first = match seen {
        Some(seen) => e.b.icmp(IntCond::Eq, seen, zero),
        None => e.b.iconst(Type::I8, 0),
    };
    let mut takes = match kind {
        StateKind::Any => first,
        _ => {
            let op = if kind == StateKind::Min {
                CompareOp::Lt
            } else {
                CompareOp::Gt
            };
            // The first value is not compared with a state that holds none (a text's address may be anything).
            let better = e.compare_values(op, &value, old, ty);
            e.b.or(first, better)
        }
    };
    if let Some(counts) = input.counts {
        takes = e.b.and(takes, counts);
    }
    let chosen = e.b.select(takes, value.value, old.value);
    Nullable { value: chosen, ..value }
}

/// One group: sums and counts stay in locals for the whole block.
fn single(mut e: Emitter<'_>, table: &GroupTable, flight: &Flight) -> Kernel {
    let row = e.slot(Slot::SinkRows);
    let locals: Vec<Option<Local>> = table
        .states
        .iter()
        .enumerate()
        .map(|(i, state)| {
            let in_register = !matches!(
                state.kind,
                StateKind::Min | StateKind::Max | StateKind::Any | StateKind::List
            );
            in_register.then(|| {
                let field = &table.layout.fields[i];
                let old = e.load_row_field(row, field);
                let local = e.b.local(old.kind.ir());
                e.b.set(local, old.value);
                local
            })
        })
        .collect();
    let l = each_row(&mut e, flight);
    for index in update_order(table) {
        let field = &table.layout.fields[index];
        let state = &table.states[index];
        let seen = seen_count(table, index)
            .and_then(|count| locals[count])
            .map(|local| e.b.get(local));
        if state.kind == StateKind::List {
            collect(&mut e, state, row, field.offset.cast_signed());
            continue;
        }
        let Some(input) = state_input(&mut e, state) else {
            continue;
        };
        match locals[index] {
            Some(local) => {
                let old = Nullable::new(e.b.get(local), super::value::kind_of(&field.facts.ty), None);
                let new = step(&mut e, state, &old, &input, seen);
                e.b.set(local, new.value);
            }
            None => {
                let old = e.load_row_field(row, field);
                let new = step(&mut e, state, &old, &input, seen);
                keys::store_as(&mut e, &new, field.facts.stored, row, field.offset.cast_signed());
            }
        }
    }
    e.end_loop(l);
    for (i, local) in locals.iter().enumerate() {
        if let Some(local) = local {
            let value = e.b.get(*local);
            e.b.store(value, row, table.layout.fields[i].offset.cast_signed());
        }
    }
    let count = e.count();
    e.finish(count)
}

/// Writes the kernel that merges rows `start..start + count` of another worker's table into the sink.
pub(super) fn merge(shared: &mut Shared, plan: &PhysicalPlan, pipeline: &Pipeline, table: &GroupTable) -> Kernel {
    let mut e = Emitter::new("merge", shared, plan, pipeline);
    let others = e.slot(Slot::MergeRows);
    let (start, count) = (e.start(), e.count());
    let l = e.begin_loop(count);
    let number = e.b.add(start, l.i);
    let other = e.b.index(others, number, table.layout.stride, 0);
    let row = match &table.strategy {
        GroupStrategy::Hash => {
            let values: Vec<Nullable> = table
                .layout
                .fields
                .iter()
                .take(table.key_count)
                .map(|field| {
                    let valid = e.row_validity(other, field);
                    e.load_row_field(other, field).with_valid(valid)
                })
                .collect();
            let hash = e.b.load(Type::I64, other, 0);
            find_or_insert(&mut e, table, &values, hash)
        }
        _ => {
            let rows = e.slot(Slot::SinkRows);
            e.b.index(rows, number, table.layout.stride, 0)
        }
    };
    for index in update_order(table) {
        merge_state(&mut e, table, index, other, row);
    }
    e.end_loop(l);
    e.finish(count)
}

fn merge_state(e: &mut Emitter<'_>, table: &GroupTable, index: usize, from: Value, into: Value) {
    let field = &table.layout.fields[table.key_count + index];
    let state = &table.states[index];
    if state.kind == StateKind::List {
        return e.merge_lists(into, from, field.offset.cast_signed());
    }
    let (old, other) = (e.load_row_field(into, field), e.load_row_field(from, field));
    let count_of = |e: &mut Emitter<'_>, row: Value| {
        seen_count(table, index).map(|count| {
            let field = &table.layout.fields[table.key_count + count];
            e.b.load(Type::I64, row, field.offset.cast_signed())
        })
    };
    let new = match state.kind {
        StateKind::Count => Nullable::int(e.b.add(old.value, other.value), None, None),
        StateKind::SumI64 | StateKind::SumI128 | StateKind::SumF64 => add(
            e,
            state.kind,
            &old,
            &Input {
                value: Some(other),
                times: None,
                counts: None,
            },
        ),
        StateKind::SumExact => exact::merge(e, &old, &other),
        _ => {
            let seen = count_of(e, into);
            let counts = count_of(e, from).map(|n| {
                let zero = e.b.iconst(Type::I64, 0);
                e.b.icmp(IntCond::Ne, n, zero)
            });
            replace(
                e,
                state,
                &old,
                &Input {
                    value: Some(other),
                    times: None,
                    counts,
                },
                seen,
            )
        }
    };
    keys::store_as(e, &new, field.facts.stored, into, field.offset.cast_signed());
}
