//! Rows that are known once a query is planned: constants, projected perhaps.
//!
//! `INSERT INTO t (b) VALUES (1 + 1, ?)` proposes rows of literals; no pipeline is built to move them.
//!
//! Invariants: what is given here is what the engine would give, in the same order. Whatever may fail, or differ from run to
//! run, is left to the engine.
//!
//! Does not: read tables.

use gobi_grammar::ast::Span;

use super::eval::evaluate;
use super::logical::{ColumnId, ColumnInfo, Expr, Plan, Query};
use crate::types::Value;

/// The values of a query's output columns, column by column, and how many rows there are; `None` if the engine must find out.
pub fn rows(query: &Query) -> Option<(Vec<Vec<Value>>, usize)> {
    let known = known(&query.root, &query.columns)?;
    let column = |id: &ColumnId| known.columns.iter().position(|known| known == id);
    let places: Vec<usize> = query.output.iter().map(|(id, _)| column(id)).collect::<Option<_>>()?;
    let values = |at: &usize| {
        let cells = known.rows.iter().map(|row| row.get(*at).cloned());
        cells.collect::<Option<Vec<Value>>>()
    };
    let columns = places.iter().map(values).collect::<Option<_>>()?;
    Some((columns, known.rows.len()))
}

struct Known {
    columns: Vec<ColumnId>,
    rows: Vec<Vec<Value>>,
}

fn known(plan: &Plan, types: &[ColumnInfo]) -> Option<Known> {
    match plan {
        Plan::Values { columns, rows } => {
            let row = |row: &Vec<Expr>| row.iter().map(evaluate).collect::<Option<Vec<_>>>();
            Some(Known {
                columns: columns.clone(),
                rows: rows.iter().map(row).collect::<Option<_>>()?,
            })
        }
        Plan::Project { input, columns } => {
            let input = known(input, types)?;
            let row = |row: &Vec<Value>| {
                let cells = columns
                    .iter()
                    .map(|(_, expr)| projected(expr, types, &input.columns, row));
                cells.collect::<Option<Vec<_>>>()
            };
            Some(Known {
                rows: input.rows.iter().map(row).collect::<Option<_>>()?,
                columns: columns.iter().map(|(id, _)| *id).collect(),
            })
        }
        _ => None,
    }
}

/// An expression over a row.
fn projected(expr: &Expr, types: &[ColumnInfo], columns: &[ColumnId], row: &[Value]) -> Option<Value> {
    let value_of = |id: ColumnId| {
        let at = columns.iter().position(|known| *known == id);
        at.and_then(|at| row.get(at))
    };
    match expr.as_column() {
        Some(id) => value_of(id).cloned(),
        None => evaluate(expr).or_else(|| {
            let mut expr = expr.clone();
            let literal = |id: ColumnId| {
                let (ty, span) = (types.get(id.0 as usize)?.ty.clone(), Span::default());
                Some(Expr::literal(value_of(id)?.clone(), ty, span))
            };
            expr.substitute(&literal);
            evaluate(&expr)
        }),
    }
}
