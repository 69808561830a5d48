//! Rows that are known once a query is planned: constants, and the few rows that an index found, filtered, joined and projected
//! perhaps.
//!
//! `INSERT INTO t (b) VALUES (1 + 1, ?)` proposes rows of literals; `SELECT b + 1 FROM t WHERE id = ?` reads one row by its key;
//! `UPSERT INTO t VALUES (?, 1)` joins one such row with one of those. No pipeline is built to move them.
//!
//! Invariants: what is given here is what the engine would give, in the same order. Whatever may fail, or differ from run to
//! run, is left to the engine.
//!
//! Does not: read tables itself; it asks the resolver for values.

use gobi_grammar::ast::Span;

use super::TableResolver;
use super::eval::evaluate;
use super::given::GivenValues;
use super::logical::{ColumnId, ColumnInfo, CompareOp, Expr, JoinKind, Plan, Query, TableId};
use crate::types::Value;

/// More pairs than this are for the engine.
const MOST_PAIRS: usize = 64;

/// The values of a query's output columns, column by column, and how many rows there are; `None` if the engine must find out.
pub fn rows(query: &Query, tables: &dyn TableResolver) -> Option<(Vec<Vec<Value>>, usize)> {
    let given = query.given_values();
    let values = Values {
        types: &query.columns,
        given: &given,
    };
    let known = known(&query.root, &values, &mut |table, places| {
        tables.few_rows(table, places)
    })?;
    let column = |id: &ColumnId| known.columns.iter().position(|known| known == id);
    let places: Vec<usize> = query.output.iter().map(|(id, _)| column(id)).collect::<Option<_>>()?;
    let values = |at: &usize| {
        let cells = known.rows.iter().map(|row| row.get(*at).cloned());
        cells.collect::<Option<Vec<Value>>>()
    };
    let columns = places.iter().map(values).collect::<Option<_>>()?;
    Some((columns, known.rows.len()))
}

/// What a plan over one scan makes of these rows of it: rows of the output columns.
pub(super) fn made(
    plan: &Plan,
    output: &[ColumnId],
    values: &Values<'_>,
    rows: Vec<Vec<Value>>,
) -> Option<Vec<Vec<Value>>> {
    let mut rows = Some(rows);
    let known = known(plan, values, &mut |_, _| rows.take())?;
    if known.columns == output {
        return Some(known.rows);
    }
    let column = |id: &ColumnId| known.columns.iter().position(|known| known == id);
    let places: Vec<usize> = output.iter().map(column).collect::<Option<_>>()?;
    let row = |row: &Vec<Value>| places.iter().map(|at| row.get(*at).cloned()).collect();
    known.rows.iter().map(row).collect()
}

/// What is known besides the rows.
pub(super) struct Values<'q> {
    pub(super) types: &'q [ColumnInfo],
    pub(super) given: &'q GivenValues,
}

/// Gives some columns of the rows of a relation, by their places.
type FewRows<'t> = &'t mut dyn FnMut(TableId, &[usize]) -> Option<Vec<Vec<Value>>>;

struct Known {
    columns: Vec<ColumnId>,
    rows: Vec<Vec<Value>>,
}

impl Known {
    /// Those rows of which all predicates are true.
    fn filtered(mut self, predicates: &[Expr], others: &Values<'_>) -> Option<Self> {
        let mut kept = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let mut values = predicates
                .iter()
                .map(|predicate| projected(predicate, others, &self.columns, &row));
            // The engine looks at all of them too, and any may fail.
            let all = values.try_fold(true, |all, value| Some(all & is_true(&value?)))?;
            if all {
                kept.push(row);
            }
        }
        self.rows = kept;
        Some(self)
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Boolean(value) => *value,
        Value::Int(value) => *value != 0,
        _ => false,
    }
}

fn known(plan: &Plan, others: &Values<'_>, tables: FewRows<'_>) -> Option<Known> {
    match plan {
        Plan::Scan {
            table,
            columns,
            filters,
            ..
        } => {
            let places: Vec<usize> = columns.iter().map(|(_, at)| *at).collect();
            let rows = tables(*table, &places)?;
            let columns = columns.iter().map(|(id, _)| *id).collect();
            Known { columns, rows }.filtered(filters, others)
        }
        Plan::Filter { input, predicates } => known(input, others, tables)?.filtered(predicates, others),
        Plan::Values { columns, rows } => {
            let value = |expr: &Expr| evaluate(expr).or_else(|| others.given.constant(expr));
            let row = |row: &Vec<Expr>| row.iter().map(value).collect::<Option<Vec<_>>>();
            Some(Known {
                columns: columns.clone(),
                rows: rows.iter().map(row).collect::<Option<_>>()?,
            })
        }
        Plan::Project { input, columns } => {
            let input = known(input, others, tables)?;
            let row = |row: &Vec<Value>| {
                let cells = columns
                    .iter()
                    .map(|(_, expr)| projected(expr, others, &input.columns, row));
                cells.collect::<Option<Vec<_>>>()
            };
            Some(Known {
                rows: input.rows.iter().map(row).collect::<Option<_>>()?,
                columns: columns.iter().map(|(id, _)| *id).collect(),
            })
        }
        Plan::Join { .. } => joined(plan, others, tables),
        _ => None,
    }
}

/// Rows and those that go with them, at most one with each, so that no order is to be kept.
fn joined(plan: &Plan, others: &Values<'_>, tables: FewRows<'_>) -> Option<Known> {
    let Plan::Join {
        kind: kind @ (JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti),
        left,
        right,
        keys,
        null_equal: false,
        residual,
    } = plan
    else {
        return None;
    };
    let left = known(left, others, tables)?;
    let right = known(right, others, tables)?;
    if left.rows.len() * right.rows.len() > MOST_PAIRS {
        return None;
    }
    let columns: Vec<ColumnId> = left.columns.iter().chain(&right.columns).copied().collect();
    let equal = |(left, right): &(Expr, Expr)| Expr::compare(CompareOp::Eq, left.clone(), right.clone());
    let conditions: Vec<Expr> = keys.iter().map(equal).chain(residual.iter().cloned()).collect();
    let mut rows = Vec::with_capacity(left.rows.len());
    for row in left.rows {
        let pair = |other: &Vec<Value>| row.iter().chain(other).cloned().collect();
        let pairs = Known {
            columns: columns.clone(),
            rows: right.rows.iter().map(pair).collect(),
        };
        let mut pairs = pairs.filtered(&conditions, others)?.rows;
        match (kind, pairs.len()) {
            (JoinKind::Inner | JoinKind::Left, 1) => rows.append(&mut pairs),
            (JoinKind::Left, 0) => {
                let nulls = right.columns.iter().map(|_| Value::Null);
                rows.push(row.into_iter().chain(nulls).collect());
            }
            (JoinKind::Semi, 1..) | (JoinKind::Anti, 0) => rows.push(row),
            (JoinKind::Inner, 0) | (JoinKind::Semi, 0) | (JoinKind::Anti, _) => {}
            _ => return None,
        }
    }
    let alone = matches!(kind, JoinKind::Semi | JoinKind::Anti);
    Some(Known {
        columns: if alone { left.columns } else { columns },
        rows,
    })
}

/// An expression over a row.
fn projected(expr: &Expr, others: &Values<'_>, columns: &[ColumnId], row: &[Value]) -> Option<Value> {
    let value_of = |id: ColumnId| {
        let at = columns.iter().position(|known| *known == id);
        at.and_then(|at| row.get(at))
    };
    match expr.as_column() {
        Some(id) => value_of(id).cloned(),
        None => evaluate(expr).or_else(|| {
            let mut expr = others.given.within(expr.clone());
            let literal = |id: ColumnId| {
                let (ty, span) = (others.types.get(id.0 as usize)?.ty.clone(), Span::default());
                Some(Expr::literal(value_of(id)?.clone(), ty, span))
            };
            expr.substitute(&literal);
            evaluate(&expr)
        }),
    }
}
