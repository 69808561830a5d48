//! Rows that are written out: `INSERT … VALUES` with nothing but literals and parameters, which needs neither names nor a plan.
//!
//! `INSERT INTO t VALUES (?, ?, 0.5)` with the values 7 and 'ada' into a table (id bigint, name string, amount double) gives the columns
//! [7], ['ada'], [0.5]. It is what a program does most, a row at a time, and binding it as a query cost more than all else that
//! the statement did before its commit.
//!
//! Invariants: what is given here is what the bound query would give. Whatever is computed, depends on other columns, or does
//! not fit is left to that, errors too.
//!
//! Does not: check NOT NULL; who stages the rows does, as for any query.

use gobi_grammar::Dialect;
use gobi_grammar::ast::{Assigned, Expr, ExprKind, InsertSource};

use super::super::literal;
use super::proposed::assignable;
use crate::plan::change::{Action, ArmRows, Change, Layout, Source};
use crate::plan::{Parameter, TableResolver, constant};
use crate::types::cast::castable;
use crate::types::{LogicalType, Value};

/// The new rows, column by column, in the columns' types.
pub(in crate::plan) fn given(
    change: &Change<'_>,
    dialect: Dialect,
    tables: &dyn TableResolver,
) -> Option<(Vec<Vec<Value>>, Layout)> {
    let (places, rows) = plain_values(change)?;
    let columns = &change.shape.columns;
    let mut given: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        if row.len() != places.len() {
            return None;
        }
        for (value, at) in row.iter().zip(places) {
            let Assigned::Value(expr) = value else {
                return None;
            };
            let value = written(expr, dialect, tables)?;
            given.get_mut(*at)?.push(fitting(value, &columns.get(*at)?.field.ty)?);
        }
    }
    for (column, values) in columns.iter().zip(&mut given) {
        if values.is_empty() {
            column.default.is_none().then_some(())?;
            values.resize(rows.len(), Value::Null);
        }
    }
    let count = columns.len();
    let layout = Layout {
        new: (0, count),
        checks: count,
        returning: count,
        ..Layout::default()
    };
    Some((given, layout))
}

/// The places and values of a change that adds rows, and of which nothing is computed.
fn plain_values<'a>(change: &'a Change<'_>) -> Option<(&'a [usize], &'a [Vec<Assigned>])> {
    let [arm] = change.arms.as_slice() else {
        return None;
    };
    let adds = matches!(arm.action, Action::Propose) && arm.rows == ArmRows::All && arm.filter.is_none();
    let plain = change.with.is_none_or(|with| with.ctes.is_empty())
        && change.old.is_empty()
        && change.returning.is_empty()
        && change.shape.checks.is_empty()
        && change.shape.columns.iter().all(|column| column.generated.is_none());
    match &change.source {
        Source::Proposed(proposed) if adds && plain => match proposed.rows {
            InsertSource::Values(rows) if !rows.is_empty() => Some((proposed.places, rows)),
            _ => None,
        },
        _ => None,
    }
}

fn written(expr: &Expr, dialect: Dialect, tables: &dyn TableResolver) -> Option<Parameter> {
    match &expr.kind {
        ExprKind::Parameter(name) => tables.parameter(name),
        ExprKind::Name(path) => {
            let (ty, value) = match path.as_slice() {
                [name] => tables.variable(&name.text)?,
                [row, column] => tables.variable(&format!("{}.{}", row.text, column.text))?,
                _ => return None,
            };
            Some(Parameter { value, ty })
        }
        ExprKind::Literal(known) => {
            let (value, ty) = literal::typed(known, false, dialect)?;
            Some(Parameter { value, ty })
        }
        ExprKind::Neg(inner) => match &inner.kind {
            ExprKind::Literal(known) => {
                let (value, ty) = literal::typed(known, true, dialect)?;
                ty.is_numeric().then_some(Parameter { value, ty })
            }
            _ => None,
        },
        _ => None,
    }
}

/// A literal in the type of a column, if it goes there unasked.
fn fitting(given: Parameter, wanted: &LogicalType) -> Option<Value> {
    if given.ty == *wanted {
        return Some(given.value);
    }
    let goes = given.ty == LogicalType::String || assignable(&given.ty, wanted);
    if !goes || !castable(&given.ty, wanted) {
        return None;
    }
    constant::convert(&given.value, &given.ty, wanted).ok()
}
