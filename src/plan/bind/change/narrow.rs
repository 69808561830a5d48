//! Which rows of the table can have a partner, where the partners are literals, or computed of variables: so that an index finds
//! them.
//!
//! `INSERT INTO t VALUES (7, 'x') ON CONFLICT (a) …` joins the proposed row with `t` on `a`; only rows `WHERE a = 7` can be found, and
//! with that filter the scan looks one row up instead of reading all. In a body, `UPSERT INTO t VALUES (i % 100, 'x')` finds those
//! `WHERE a = i % 100`.
//!
//! Invariants: no row that the join would find is left out.
//!
//! Does not: decide how the rows are found.

use gobi_grammar::ast::Span;

use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind, Plan};
use crate::types::Value;

/// More literals than this are not listed.
const MOST: usize = 1000;
/// More values that are computed are not.
const MOST_COMPUTED: usize = 64;

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
            .and_then(|id| values(partners, id));
        let Some(values) = values else { continue };
        let own = Expr { span, ..own.clone() };
        filters.extend(one_of(own, &values, span));
    }
    match filters.is_empty() {
        true => table,
        false => table.filtered(filters),
    }
}

/// Whether a column is one of the values; `None` if they are too many to ask for, or none can be equal to anything.
fn one_of(own: Expr, values: &[&Expr], span: Span) -> Option<Expr> {
    if values.iter().any(|value| value.as_literal().is_none()) {
        let equal = |value: &&Expr| Expr::compare(CompareOp::Eq, own.clone(), (*value).clone());
        let mut equal: Vec<Expr> = values.iter().map(equal).collect();
        return match equal.len() {
            1 => equal.pop(),
            2..=MOST_COMPUTED => Some(Expr::boolean(ExprKind::Or(equal), span)),
            _ => None,
        };
    }
    let mut list: Vec<Value> = Vec::with_capacity(values.len());
    for value in values.iter().filter_map(|value| value.as_literal()) {
        if *value != Value::Null && !list.contains(value) {
            list.push(value.clone());
        }
    }
    match list.as_slice() {
        [] => None,
        [only] => {
            let only = Expr::literal(only.clone(), own.ty.clone(), span);
            Some(Expr::compare(CompareOp::Eq, own, only))
        }
        _ => {
            let expr = Box::new(own);
            let negated = false;
            Some(Expr::boolean(ExprKind::InList { expr, negated, list }, span))
        }
    }
}

/// The values of a column, if all are known before anything is read.
fn values(plan: &Plan, id: ColumnId) -> Option<Vec<&Expr>> {
    match plan {
        Plan::Project { input, columns } => {
            let (_, expr) = columns.iter().find(|(made, _)| *made == id)?;
            match expr.as_column() {
                Some(below) => values(input, below),
                None => is_known(expr).then(|| vec![expr]),
            }
        }
        Plan::Values { columns, rows } if rows.len() <= MOST => {
            let at = columns.iter().position(|made| *made == id)?;
            rows.iter()
                .map(|row| row.get(at).filter(|expr| is_known(expr)))
                .collect()
        }
        Plan::Filter { input, .. } => values(input, id),
        _ => None,
    }
}

/// Whether an expression has one value, and computing it a second time does nothing.
fn is_known(expr: &Expr) -> bool {
    let mut calls = expr.is_volatile();
    expr.visit(&mut |part| calls |= matches!(part.kind, ExprKind::Routine { .. }));
    !calls && expr.columns().is_empty()
}
