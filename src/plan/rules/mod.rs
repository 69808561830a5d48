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
use super::logical::{Plan, Query, Recursion, TableId};
use super::{TableResolver, access};

/// Applies all rules to a query, its subqueries and its recursive CTEs.
pub(super) fn optimize(mut query: Query, tables: &mut dyn TableResolver) -> Query {
    let subqueries = std::mem::take(&mut query.subqueries).into_iter();
    query.subqueries = subqueries.map(|sub| optimize(sub, tables)).collect();
    let recursions = std::mem::take(&mut query.recursions).into_iter();
    let recursions = recursions.map(|recursion| Recursion {
        base: optimize(recursion.base, tables),
        step: optimize(recursion.step, tables),
        ..recursion
    });
    query.recursions = recursions.collect();
    fold::plan(&mut query.root);
    query.root = pushdown::push_filters(query.root, &query.columns);
    fold::plan(&mut query.root);
    access::choose(&mut query, tables);
    tables.settle(&scanned(&query.root));
    let tables = &*tables;
    let estimator = Estimator::new(&query.root, tables);
    query.root = join_order::order_joins(query.root, &estimator);
    merge::plan(&mut query.root, true);
    let wanted = query.output.iter().map(|(id, _)| *id).collect();
    prune::plan(&mut query.root, &wanted);
    query
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
