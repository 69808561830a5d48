//! Which rows of the table can have a partner, where the partners are literals: so that an index finds them.
//!
//! `INSERT INTO t VALUES (7, 'x') ON CONFLICT (a) …` joins the proposed row with `t` on `a`; only rows `WHERE a = 7` can be found, and
//! with that filter the scan looks one row up instead of reading all.
//!
//! Invariants: no row that the join would find is left out.
//!
//! Does not: decide how the rows are found.

use gobi_grammar::ast::Span;

use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind, Plan};
use crate::types::Value;

/// More literals than this are not listed.
const MOST: usize = 1000;

/// The table's plan without rows that no partner goes with; `keys` are pairs of what is equal: of the partner, of the table.
pub(super) fn narrowed<'k>(
    table: Plan,
    partners: &Plan,
    keys: impl IntoIterator<Item = (&'k Expr, &'k Expr)>,
    span: Span,
) -> Plan {
    let mut filters = Vec::new();
    for (partner, own) in keys {
        let same_type = partner.ty == own.ty && own.as_column().is_some();
        let values = partner
            .as_column()
            .filter(|_| same_type)
            .and_then(|id| literals(partners, id));
        let Some(mut values) = values else { continue };
        values.retain(|value| *value != Value::Null);
        let mut list: Vec<Value> = Vec::with_capacity(values.len());
        for value in values {
            if !list.contains(&value) {
                list.push(value);
            }
        }
        let own = Expr { span, ..own.clone() };
        match list.as_slice() {
            [] => {}
            [only] => {
                let only = Expr::literal(only.clone(), own.ty.clone(), span);
                filters.push(Expr::compare(CompareOp::Eq, own, only));
            }
            _ => {
                let expr = Box::new(own);
                let negated = false;
                filters.push(Expr::boolean(ExprKind::InList { expr, negated, list }, span));
            }
        }
    }
    match filters.is_empty() {
        true => table,
        false => table.filtered(filters),
    }
}

/// The values of a column, if all are literals.
fn literals(plan: &Plan, id: ColumnId) -> Option<Vec<Value>> {
    match plan {
        Plan::Project { input, columns } => {
            let (_, expr) = columns.iter().find(|(made, _)| *made == id)?;
            match (expr.as_column(), expr.as_literal()) {
                (Some(below), _) => literals(input, below),
                (None, Some(value)) => Some(vec![value.clone()]),
                (None, None) => None,
            }
        }
        Plan::Values { columns, rows } if rows.len() <= MOST => {
            let at = columns.iter().position(|made| *made == id)?;
            rows.iter().map(|row| row.get(at)?.as_literal().cloned()).collect()
        }
        Plan::Filter { input, .. } => literals(input, id),
        _ => None,
    }
}
