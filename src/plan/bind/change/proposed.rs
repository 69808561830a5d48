//! Rows that are to be added: the values that are given, defaults for the rest, all in the columns' types.
//!
//! `INSERT INTO t (b) VALUES ('2026-01-31'), (DEFAULT)` into a table (a int DEFAULT 7, b date) proposes (7, 2026-01-31) and (7,
//! NULL): each value is converted by itself, so that the rows need no common type.
//!
//! Invariants: a text goes into a column that is no text only where it is a literal; anything else that would lose its meaning
//! needs a cast that is written out.
//!
//! Does not: compute generated columns; they are NULL here.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, InsertSource, Span};

use super::super::coerce::{cast, label_help};
use super::super::scope::Scope;
use super::super::select::{Block, Place};
use super::super::{Binder, Bound, Reported};
use crate::plan::change::{Change, Layout, Proposed, ShapeColumn};
use crate::plan::logical::{ColumnId, Expr, Plan};
use crate::plan::{constant, eval, properties};
use crate::types::LogicalType;
use crate::types::cast::castable;

impl<'a> Binder<'a> {
    /// The rows, with a column for each of the table's.
    pub(super) fn proposed(
        &mut self,
        change: &'a Change<'a>,
        proposed: &'a Proposed<'a>,
        layout: &mut Layout,
    ) -> Bound<(Plan, Vec<ColumnId>)> {
        let (plan, given) = match proposed.rows {
            InsertSource::DefaultValues => (Plan::unit(), Vec::new()),
            InsertSource::Values(rows) => self.given_values(change, proposed.places, rows)?,
            InsertSource::Query(query) => self.given_query(change, proposed, query, layout)?,
        };
        let mut columns = Vec::with_capacity(change.shape.columns.len());
        for (at, column) in change.shape.columns.iter().enumerate() {
            let found = proposed.places.iter().position(|place| *place == at);
            let expr = match found.and_then(|found| given.get(found)) {
                Some(expr) if column.generated.is_none() => expr.clone(),
                _ => self.default(column, change.span)?,
            };
            columns.push((column.field.name.clone(), expr));
        }
        Ok(self.extended(plan, columns))
    }

    /// The values of VALUES, each converted by itself.
    fn given_values(
        &mut self,
        change: &'a Change<'a>,
        places: &[usize],
        rows: &'a [Vec<ast::Assigned>],
    ) -> Bound<(Plan, Vec<Expr>)> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let mut bound = Vec::with_capacity(rows.len());
        let mut failed = false;
        for row in rows {
            match self.value_row(change, &mut block, places, row) {
                Ok(row) => bound.push(row),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        if !block.joins_below.is_empty() {
            return self.unsupported("this subquery in VALUES is", change.span);
        }
        let none = std::collections::HashSet::new();
        let mut ids = Vec::with_capacity(places.len());
        for (i, at) in places.iter().enumerate() {
            let Some(column) = change.shape.columns.get(*at) else {
                return Err(Reported);
            };
            let mut values = bound.iter().filter_map(|row| row.get(i));
            let nullable = values.any(|value| properties::may_be_null(value, &none));
            ids.push(self.new_column(&column.field.name, column.field.ty.clone(), nullable));
        }
        let given = ids.iter().map(|id| self.column_expr(*id, change.span)).collect();
        let plan = Plan::Values {
            columns: ids,
            rows: bound,
        };
        Ok((plan, given))
    }

    fn value_row(
        &mut self,
        change: &'a Change<'a>,
        block: &mut Block<'a>,
        places: &[usize],
        row: &'a [ast::Assigned],
    ) -> Bound<Vec<Expr>> {
        if row.len() != places.len() {
            let first = row.first().map(|value| match value {
                ast::Assigned::Value(expr) => expr.span,
                ast::Assigned::Default(span) => *span,
            });
            let message = format!("{} values for {} columns", row.len(), places.len());
            return self.fail(Diagnostic::new("42601", first.unwrap_or(change.span), message));
        }
        let mut out = Vec::with_capacity(row.len());
        let mut failed = false;
        for (value, at) in row.iter().zip(places) {
            match self.assigned(change, block, value, *at) {
                Ok(value) => out.push(eval::fold(value)),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(out) }
    }

    /// A query's output, converted.
    fn given_query(
        &mut self,
        change: &'a Change<'a>,
        proposed: &Proposed<'_>,
        query: &'a ast::Query,
        layout: &mut Layout,
    ) -> Bound<(Plan, Vec<Expr>)> {
        let places = proposed.places;
        let relation = self.query(query)?;
        if relation.output.len() != places.len() {
            let message = format!("{} values for {} columns", relation.output.len(), places.len());
            return self.fail(Diagnostic::new("42601", change.span, message));
        }
        let spans = item_spans(query, places.len());
        let mut given = Vec::with_capacity(places.len());
        let mut failed = false;
        for (i, ((id, _), at)) in relation.output.iter().zip(places).enumerate() {
            let span = spans.get(i).copied().unwrap_or(query.span);
            let column = change.shape.columns.get(*at).ok_or(Reported)?;
            self.check_not_generated(column, span).or_else(|Reported| {
                failed = true;
                Ok(())
            })?;
            layout.assigned.push((span, *at));
            let value = self.column_expr(*id, span);
            let literal = proposed.loose || is_literal(&relation.plan, *id);
            match self.for_column(value, column, literal) {
                Ok(value) => given.push(value),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            Err(Reported)
        } else {
            Ok((relation.plan, given))
        }
    }

    /// A value, or DEFAULT, for a column.
    pub(super) fn assigned(
        &mut self,
        change: &'a Change<'a>,
        block: &mut Block<'a>,
        value: &'a ast::Assigned,
        at: usize,
    ) -> Bound<Expr> {
        let column = change.shape.columns.get(at).ok_or(Reported)?;
        let expr = match value {
            ast::Assigned::Default(span) => return self.default(column, *span),
            ast::Assigned::Value(expr) => expr,
        };
        self.check_not_generated(column, expr.span)?;
        let mut bound = self.expr(block, expr)?;
        bound.span = expr.span;
        self.for_column(bound, column, false)
    }

    /// A generated column takes no value but DEFAULT.
    pub(super) fn check_not_generated(&mut self, column: &ShapeColumn, span: Span) -> Bound<()> {
        if column.generated.is_none() {
            return Ok(());
        }
        let message = format!("column `{}` is generated, and takes no value", column.field.name);
        self.fail(Diagnostic::new("428C9", span, message).with_help("leave it out, or write DEFAULT"))
    }

    /// The default of a column, in its type.
    pub(super) fn default(&mut self, column: &'a ShapeColumn, span: Span) -> Bound<Expr> {
        let Some(rule) = &column.default else {
            return Ok(Self::null(&column.field.ty, span));
        };
        let value = self.rule(rule, Scope::default(), span)?;
        self.for_column(value, column, false).map(eval::fold)
    }

    /// Converts a value to a column's type. A text that is `literal` in all rows is converted as a literal is.
    pub(super) fn for_column(&mut self, value: Expr, column: &ShapeColumn, literal: bool) -> Bound<Expr> {
        let wanted = &column.field.ty;
        let text = value.ty == LogicalType::String && value.as_literal().is_some();
        if !(literal || text || assignable(&value.ty, wanted)) || !castable(&value.ty, wanted) {
            let message = format!("column `{}` is {wanted}, not {}", column.field.name, value.ty);
            let error = Diagnostic::new("42804", value.span, message);
            return self.fail(match castable(&value.ty, wanted) {
                true => error.with_help(format!("cast it: `… :: {wanted}`")),
                false => error,
            });
        }
        if let Some(constant) = value.as_literal()
            && let Err(misfit) = constant::convert(constant, &value.ty, wanted)
        {
            let message = format!("column `{}`: {}", column.field.name, misfit.message);
            let mut error = Diagnostic::new(misfit.code, value.span, message);
            error.help = label_help(constant, wanted);
            return self.fail(error);
        }
        Ok(cast(value, wanted))
    }
}

/// A value as a column of a type takes it; `None` if it does not, or if an error would have to say why.
pub fn stored(value: Expr, wanted: &LogicalType) -> Option<Expr> {
    let constant = value.as_literal();
    let text = value.ty == LogicalType::String && constant.is_some();
    let goes = (text || assignable(&value.ty, wanted)) && castable(&value.ty, wanted);
    let fits = constant.is_none_or(|constant| constant::convert(constant, &value.ty, wanted).is_ok());
    (goes && fits).then(|| cast(value, wanted))
}

/// Whether a column of one type takes values of another without a cast, as in PostgreSQL: texts and truth values become nothing
/// else unasked.
pub(super) fn assignable(from: &LogicalType, to: &LogicalType) -> bool {
    use LogicalType as T;
    match (from, to) {
        _ if from == to => true,
        (T::Null, _) | (_, T::String) => true,
        (T::String, T::Enum(_)) => true,
        (T::Json, _) | (_, T::Json) => false,
        (T::String | T::Boolean, _) | (_, T::Boolean) => false,
        (T::Array(from), T::Array(to)) => assignable(from, to),
        _ => castable(from, to),
    }
}

/// Whether a column has a literal in every row.
fn is_literal(plan: &Plan, id: ColumnId) -> bool {
    match plan {
        Plan::Project { input, columns } => match columns.iter().find(|(made, _)| *made == id) {
            Some((_, expr)) => match expr.as_column() {
                Some(below) => is_literal(input, below),
                None => expr.as_literal().is_some(),
            },
            None => false,
        },
        Plan::Values { columns, rows } => match columns.iter().position(|made| *made == id) {
            Some(at) => rows
                .iter()
                .all(|row| row.get(at).is_some_and(|e| e.as_literal().is_some())),
            None => false,
        },
        Plan::Filter { input, .. } | Plan::Sort { input, .. } | Plan::Limit { input, .. } => is_literal(input, id),
        Plan::UnionAll { columns, inputs } => match columns.iter().position(|made| *made == id) {
            Some(at) => inputs
                .iter()
                .all(|(input, ids)| ids.get(at).is_some_and(|id| is_literal(input, *id))),
            None => false,
        },
        _ => false,
    }
}

/// Where the items of a plain SELECT stand.
fn item_spans(query: &ast::Query, count: usize) -> Vec<Span> {
    let ast::QueryBody::Select(select) = &query.body else {
        return Vec::new();
    };
    let span = |item: &ast::SelectItem| match item {
        ast::SelectItem::Expr { expr, .. } => Some(expr.span),
        ast::SelectItem::Star { .. } => None,
    };
    let spans: Option<Vec<Span>> = select.items.iter().map(span).collect();
    spans.filter(|spans| spans.len() == count).unwrap_or_default()
}
