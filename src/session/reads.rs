//! What a query reads, for transactions whose commit depends on it.
//!
//! The scan `t [id, n] filter id = 2 and n + 1 > 3` reads the rows of `t` whose id is 2: the second condition is none of the
//! kind that is understood.
//!
//! Invariants: every table of the database that the query opened is read, if not by a scan that is left in the plan, then all
//! of it. Commits of the past do not change, so they are left out.
//!
//! Does not: run the query.

use crate::catalog::{EntityId, TableDef};
use crate::plan::logical::{CompareOp, Expr, ExprKind, Plan, Query, TableId};
use crate::store::table::{Allowed, Reads, Test};

/// Notes what a query reads; `tables` are those that it opened, `replaced` those of which it scans rows that an index found.
pub fn note(reads: &Reads, query: &Query, tables: &[(TableId, EntityId, TableDef)], replaced: &[TableId]) {
    let mut scanned = Vec::new();
    note_query(reads, query, tables, &mut scanned);
    for (table, id, _) in tables {
        if !scanned.contains(table) && !replaced.contains(table) {
            reads.add(*id, Vec::new());
        }
    }
}

fn note_query(reads: &Reads, query: &Query, tables: &[(TableId, EntityId, TableDef)], scanned: &mut Vec<TableId>) {
    note_plan(reads, &query.root, tables, scanned);
    let recursions = query.recursions.iter();
    let recursive = recursions.flat_map(|recursion| [&recursion.base, &recursion.step]);
    for inner in query.subqueries.iter().chain(recursive) {
        note_query(reads, inner, tables, scanned);
    }
}

fn note_plan(reads: &Reads, plan: &Plan, tables: &[(TableId, EntityId, TableDef)], scanned: &mut Vec<TableId>) {
    if let Plan::Scan {
        table,
        columns,
        filters,
        ..
    } = plan
        && let Some((_, id, def)) = tables.iter().find(|(known, ..)| known == table)
    {
        let column = |expr: &Expr| {
            let wanted = expr.as_column()?;
            let (_, index) = columns.iter().find(|(column, _)| *column == wanted)?;
            def.columns.get(*index).map(|column| column.no)
        };
        let test = |filter: &Expr| match &filter.kind {
            ExprKind::Compare { op, left, right } => {
                let (column, value, op) = match (column(left), right.as_literal()) {
                    (Some(column), Some(value)) => (column, value, *op),
                    _ => (column(right)?, left.as_literal()?, op.mirrored()),
                };
                let value = value.clone();
                let allowed = match op {
                    CompareOp::Eq => Allowed::OneOf(vec![value]),
                    CompareOp::Lt | CompareOp::LtEq => Allowed::AtMost(value),
                    CompareOp::Gt | CompareOp::GtEq => Allowed::AtLeast(value),
                    CompareOp::NotEq | CompareOp::Distinct | CompareOp::NotDistinct => return None,
                };
                Some(Test { column, allowed })
            }
            ExprKind::InList {
                expr,
                negated: false,
                list,
            } => {
                let (column, allowed) = (column(expr)?, Allowed::OneOf(list.clone()));
                Some(Test { column, allowed })
            }
            _ => None,
        };
        scanned.push(*table);
        reads.add(*id, filters.iter().filter_map(test).collect());
    }
    for child in plan.children() {
        note_plan(reads, child, tables, scanned);
    }
}
