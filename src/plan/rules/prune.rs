//! Column pruning: every operator produces only what somebody above it needs.
//!
//! ```text
//! Aggregate sum(l_tax) (Project l_tax, l_extendedprice * 2 as x (Scan lineitem [16 columns]))
//! Aggregate sum(l_tax) (Scan lineitem [l_tax])
//! ```
//!
//! Why it is right: a column that no expression, key or result mentions cannot be observed. The number of rows is kept:
//! a scan may produce rows without any column.
//!
//! Invariants: keys of an aggregate stay, since they decide how many rows there are. Does not: remove joins.

use std::collections::HashSet;

use crate::plan::logical::{ColumnId, Plan};

/// Drops what is not in `wanted`, throughout.
pub(super) fn plan(plan: &mut Plan, wanted: &HashSet<ColumnId>) {
    match plan {
        Plan::Scan { columns, filters, .. } => {
            let mut used = wanted.clone();
            filters.iter().for_each(|e| e.add_columns(&mut used));
            columns.retain(|(id, _)| used.contains(id));
        }
        Plan::Values { columns, rows } => prune_values(columns, rows, wanted),
        Plan::Range { .. } => {}
        Plan::Recursive { columns, .. } => columns.retain(|(id, _)| wanted.contains(id)),
        Plan::Filter { input, predicates } => {
            let mut below = wanted.clone();
            predicates.iter().for_each(|e| e.add_columns(&mut below));
            self::plan(input, &below);
        }
        Plan::Project { input, columns } => {
            columns.retain(|(id, _)| wanted.contains(id));
            let mut below = HashSet::new();
            columns.iter().for_each(|(_, e)| e.add_columns(&mut below));
            self::plan(input, &below);
            drop_plain_projection(plan);
        }
        Plan::Aggregate {
            input,
            keys,
            aggregates,
        } => {
            aggregates.retain(|(id, _)| wanted.contains(id));
            let mut below = HashSet::new();
            keys.iter().for_each(|(_, e)| e.add_columns(&mut below));
            aggregates
                .iter()
                .for_each(|(_, a)| a.for_each_expr(&mut |e| e.add_columns(&mut below)));
            self::plan(input, &below);
        }
        Plan::Sort { input, keys, .. } => {
            let mut below = wanted.clone();
            below.extend(keys.iter().map(|key| key.column));
            self::plan(input, &below);
        }
        Plan::Limit { input, .. } => self::plan(input, wanted),
        Plan::Window { .. } => prune_window(plan, wanted),
        Plan::Unnest { input, array, .. } => {
            let mut below = wanted.clone();
            array.add_columns(&mut below);
            self::plan(input, &below);
        }
        Plan::Called { .. } | Plan::ForEach { .. } => {
            let mut below = wanted.clone();
            plan.for_each_expr(&mut |e| e.add_columns(&mut below));
            for child in plan.children_mut() {
                self::plan(child, &below);
            }
        }
        Plan::UnionAll { columns, inputs } => prune_union(columns, inputs, wanted),
        Plan::Join { .. } => prune_join(plan, wanted),
    }
}

fn prune_window(plan: &mut Plan, wanted: &HashSet<ColumnId>) {
    let Plan::Window {
        input,
        partition,
        order,
        calls,
    } = plan
    else {
        return;
    };
    calls.retain(|(id, _)| wanted.contains(id));
    if calls.is_empty() {
        *plan = input.take();
        return self::plan(plan, wanted);
    }
    let mut below = wanted.clone();
    below.extend(partition.iter().copied());
    below.extend(order.iter().map(|key| key.column));
    calls.iter().for_each(|(_, call)| {
        call.for_each(&mut |id| {
            below.insert(*id);
        });
    });
    self::plan(input, &below);
}

fn prune_join(plan: &mut Plan, wanted: &HashSet<ColumnId>) {
    let mut below = wanted.clone();
    plan.for_each_expr(&mut |e| e.add_columns(&mut below));
    for child in plan.children_mut() {
        self::plan(child, &below);
    }
}

fn prune_values<T>(columns: &mut Vec<ColumnId>, rows: &mut [Vec<T>], wanted: &HashSet<ColumnId>) {
    let keep: Vec<bool> = columns.iter().map(|id| wanted.contains(id)).collect();
    if keep.iter().all(|keep| *keep) {
        return;
    }
    let mut flags = keep.iter();
    columns.retain(|_| flags.next().is_none_or(|keep| *keep));
    for row in rows {
        let mut flags = keep.iter();
        row.retain(|_| flags.next().is_none_or(|keep| *keep));
    }
}

fn prune_union(columns: &mut Vec<ColumnId>, inputs: &mut [(Plan, Vec<ColumnId>)], wanted: &HashSet<ColumnId>) {
    let mut taken: Vec<Vec<ColumnId>> = inputs.iter().map(|_| Vec::new()).collect();
    for (at, id) in columns.iter().enumerate() {
        if wanted.contains(id) {
            for (out, (_, from)) in taken.iter_mut().zip(inputs.iter()) {
                out.extend(from.get(at));
            }
        }
    }
    columns.retain(|id| wanted.contains(id));
    for ((input, from), taken) in inputs.iter_mut().zip(taken) {
        let below: HashSet<ColumnId> = taken.iter().copied().collect();
        self::plan(input, &below);
        *from = taken;
    }
}

/// A projection that only passes on what its input produces anyway is not needed.
fn drop_plain_projection(plan: &mut Plan) {
    let Plan::Project { input, columns } = plan else {
        return;
    };
    let plain = columns.iter().all(|(id, e)| e.as_column() == Some(*id));
    if plain && input.output().len() <= columns.len() {
        *plan = input.take();
    }
}
