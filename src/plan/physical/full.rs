//! FULL JOIN: a left join, and behind it the right rows without a partner.
//!
//! `a FULL JOIN b ON a.k = b.k` keeps the rows of `a` and of `b` as intermediate results; one pipeline reads `a` and probes a table of
//! `b`, a second one reads `b` and keeps what a table of `a` does not hold, with NULLs for the columns of `a`. Both feed the result.
//!
//! Invariants: each side is computed once.
//!
//! Does not: choose sides.

use super::build::{Builder, Columns, PlanError, mentioned_all, produced};
use super::joins::{Spec, attach, build_table, keys_or_one};
use super::{Finish, Pipeline, Sink};
use crate::plan::logical::{ColumnId, Expr, ExprKind, JoinKind, Plan};
use crate::types::Value;

/// The pipeline that reads its result.
pub(super) fn open(builder: &mut Builder<'_>, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
    let Plan::Join {
        left,
        right,
        keys,
        null_equal,
        residual,
        ..
    } = plan
    else {
        return Err(PlanError::Unsupported("this join".into()));
    };
    let mut needed = mentioned_all(keys.iter().flat_map(|(l, r)| [l, r]).chain(residual));
    needed.extend(required.iter().copied());
    let of = |side: &Plan| -> Vec<ColumnId> { needed.intersection(&produced(side)).copied().collect() };
    let (left_columns, right_columns) = (&of(left), &of(right));
    let left = keep(builder, left, left_columns)?;
    let right = keep(builder, right, right_columns)?;
    let both = left_columns.iter().chain(right_columns).copied();
    let columns: Vec<ColumnId> = both.filter(|id| required.contains(id)).collect();
    let result = builder.temp(&columns);
    let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = keys_or_one(keys).into_iter().unzip();

    let pairs = Spec {
        kind: JoinKind::Left,
        null_equal: *null_equal,
        build_keys: right_keys.clone(),
        payload: right_columns.clone(),
        has_residual: !residual.is_empty(),
        marks: false,
        sorted: None,
    };
    let rows = builder.read_temp(right, right_columns);
    let table = build_table(builder, rows, &pairs);
    let mut probe = builder.read_temp(left, left_columns);
    attach(builder, &mut probe, table, &pairs, left_keys.clone(), residual.clone());
    let values = columns.iter().map(|id| builder.column_expr(*id)).collect();
    feed(builder, probe, result, values);

    let tested = mentioned_all(residual);
    let alone = Spec {
        kind: JoinKind::Anti,
        null_equal: *null_equal,
        build_keys: left_keys,
        payload: left_columns.iter().copied().filter(|id| tested.contains(id)).collect(),
        has_residual: !residual.is_empty(),
        marks: false,
        sorted: None,
    };
    let rows = builder.read_temp(left, left_columns);
    let table = build_table(builder, rows, &alone);
    let mut probe = builder.read_temp(right, right_columns);
    attach(builder, &mut probe, table, &alone, right_keys, residual.clone());
    let value = |id: &ColumnId| {
        let mut expr = builder.column_expr(*id);
        if !right_columns.contains(id) {
            expr.kind = ExprKind::Literal(Value::Null);
        }
        expr
    };
    let values = columns.iter().map(value).collect();
    feed(builder, probe, result, values);
    Ok(builder.read_temp(result, &columns))
}

/// Runs a side into an intermediate result.
fn keep(builder: &mut Builder<'_>, plan: &Plan, columns: &[ColumnId]) -> Result<usize, PlanError> {
    let temp = builder.temp(columns);
    builder.emit_batches(plan, columns, Some(temp), Finish::default())?;
    Ok(temp)
}

fn feed(builder: &mut Builder<'_>, mut pipeline: Pipeline, temp: usize, columns: Vec<Expr>) {
    pipeline.sink = Sink::Batches {
        temp: Some(temp),
        columns,
        finish: Finish::default(),
    };
    builder.out.pipelines.push(pipeline);
}
