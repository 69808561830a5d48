//! Rewriting a bound query into an equivalent, cheaper one, rule after rule.
//!
//! 1. [`fold`] computes what is constant and simplifies boolean expressions, 2. [`pushdown`] moves filters to where
//!    rows are made, turns outer joins into inner ones and derives filters ([`implied`]), 3. [`access`] scans by index where
//!    that pays, 4. [`join_order`] orders joins by statistics, 5. [`merge`] joins adjacent projections, sorts and limits,
//!    6. [`prune`] drops columns that nobody needs.
//!
//! Invariants: every rule keeps the multiset of rows, and their order where it is asked for; rules may run in any order, this
//! one is the cheapest.
//!
//! Does not: choose physical operators.

mod boolean;
mod fold;
mod implied;
mod join_order;
mod join_search;
mod merge;
mod prune;
mod pushdown;

use std::collections::BTreeSet;

use super::estimate::Estimator;
use super::given::GivenValues;
use super::logical::{ColumnId, ColumnInfo, Plan, Query, Recursion, Stage, TableId};
use super::{TableResolver, access};

/// Applies to a query, its subqueries and its recursive CTEs those rules that need to know nothing of the rows.
pub(super) fn simplify(mut query: Query) -> Query {
    query.subqueries = query.subqueries.into_iter().map(simplify).collect();
    let recursions = query.recursions.into_iter().map(|recursion| Recursion {
        base: simplify(recursion.base),
        step: simplify(recursion.step),
        ..recursion
    });
    query.recursions = recursions.collect();
    let stages = query.stages.into_iter().map(|stage| Stage {
        input: simplify(stage.input),
        ..stage
    });
    query.stages = stages.collect();
    fold::plan(&mut query.root);
    query.root = pushdown::push_filters(query.root, &query.columns);
    fold::plan(&mut query.root);
    query
}

/// Pushes the filters of one plan, so that calls are made for no row that they drop.
pub(super) fn push_filters(plan: Plan, columns: &[ColumnInfo]) -> Plan {
    pushdown::push_filters(plan, columns)
}

/// Applies the others.
pub(super) fn place(query: Query, tables: &mut dyn TableResolver) -> Query {
    let given = query.given_values();
    place_given(query, &given, tables)
}

fn place_given(mut query: Query, given: &GivenValues, tables: &mut dyn TableResolver) -> Query {
    let subqueries = std::mem::take(&mut query.subqueries).into_iter();
    query.subqueries = subqueries.map(|sub| place_given(sub, given, tables)).collect();
    let recursions = std::mem::take(&mut query.recursions).into_iter();
    let recursions = recursions.map(|recursion| Recursion {
        base: place_given(recursion.base, given, tables),
        step: place_given(recursion.step, given, tables),
        ..recursion
    });
    query.recursions = recursions.collect();
    access::choose(&mut query, given, tables);
    tables.settle(&scanned(&query.root));
    let tables = &*tables;
    let estimator = Estimator::new(&query.root, tables);
    query.root = join_order::order_joins(query.root, &estimator);
    merge::plan(&mut query.root, true);
    let wanted = query.output.iter().map(|(id, _)| *id).collect();
    prune::plan(&mut query.root, &wanted);
    query
}

/// Leaves out of a plan the columns that are not needed for these.
pub(super) fn without_unused(root: &mut Plan, wanted: impl Iterator<Item = ColumnId>) {
    prune::plan(root, &wanted.collect());
}

/// The columns of a relation that a query, or what is done before it, reads.
pub(super) fn columns_read(query: &Query, table: TableId) -> BTreeSet<usize> {
    let mut root = query.root.clone();
    let wanted = query.output.iter().map(|(id, _)| *id).collect();
    prune::plan(&mut root, &wanted);
    let mut read = BTreeSet::new();
    add_read(&root, table, &mut read);
    let recursive = query
        .recursions
        .iter()
        .flat_map(|recursion| [&recursion.base, &recursion.step]);
    let stages = query.stages.iter().map(|stage| &stage.input);
    for part in query.subqueries.iter().chain(recursive).chain(stages) {
        read.extend(columns_read(part, table));
    }
    read
}

fn add_read(plan: &Plan, table: TableId, read: &mut BTreeSet<usize>) {
    if let Plan::Scan {
        table: own, columns, ..
    } = plan
        && *own == table
    {
        read.extend(columns.iter().map(|(_, at)| *at));
    }
    plan.children()
        .into_iter()
        .for_each(|child| add_read(child, table, read));
}

/// The relations that a plan scans.
fn scanned(plan: &Plan) -> BTreeSet<TableId> {
    let mut scanned = BTreeSet::new();
    add_scanned(plan, &mut scanned);
    scanned
}

fn add_scanned(plan: &Plan, scanned: &mut BTreeSet<TableId>) {
    if let Plan::Scan { table, .. } = plan {
        scanned.insert(*table);
    }
    plan.children()
        .into_iter()
        .for_each(|child| add_scanned(child, scanned));
}

/// An operator without rows that produces the columns of another.
fn empty_like(plan: &Plan) -> Plan {
    Plan::Values {
        columns: plan.output(),
        rows: Vec::new(),
    }
}
