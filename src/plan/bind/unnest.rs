//! `unnest` in a select list.
//!
//! `SELECT id, unnest(tags) FROM t` gives each row once for every tag: the list is computed over the rows of an [`Plan::Unnest`],
//! which stands above grouping, windows and QUALIFY.
//!
//! Invariants: a select list spreads one array; the same call again is the same element.
//!
//! Does not: bind `unnest` in FROM.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::from::cross;
use super::select::{Block, Place};
use super::{Binder, Bound};
use crate::plan::eval;
use crate::plan::logical::{ColumnId, Expr, Plan};
use crate::types::LogicalType;

/// An array that a select list spreads.
#[derive(Clone, Debug)]
pub(super) struct PendingUnnest {
    pub(super) array: Expr,
    /// The column that stands for its element.
    pub(super) element: ColumnId,
}

impl<'a> Binder<'a> {
    /// A call of `unnest` in an expression.
    pub(super) fn unnest_call(&mut self, block: &mut Block<'a>, call: &'a ast::Call, span: Span) -> Bound<Expr> {
        let [array] = call.args.as_slice() else {
            return self.fail(Diagnostic::new("42883", call.name.span, "`unnest` takes one array"));
        };
        let array = eval::fold(super::entries_of(self.expr(block, array)?));
        let item = match &array.ty {
            LogicalType::Array(item) => (**item).clone(),
            LogicalType::Null => LogicalType::Null,
            other => {
                let message = format!("`unnest` takes an array, not {other}");
                return self.fail(Diagnostic::new("42883", span, message));
            }
        };
        match &block.unnest {
            Some(pending) if pending.array == array => return Ok(self.column_expr(pending.element, span)),
            Some(_) => return self.unsupported("a second `unnest` in one select list is", span),
            None => {}
        }
        if !block.spreads || block.place != Place::Select || block.in_window {
            return self.unsupported("`unnest` outside of FROM and the select list is", span);
        }
        let element = self.new_column("unnest", item, true);
        block.unnest = Some(PendingUnnest { array, element });
        Ok(self.column_expr(element, span))
    }

    /// The rows over which the select list is computed.
    pub(super) fn spread(&mut self, plan: Plan, pending: Option<PendingUnnest>) -> Bound<Plan> {
        let Some(PendingUnnest { array, element }) = pending else {
            return Ok(plan);
        };
        if array.as_literal().is_none() {
            let position = self.new_column("index", LogicalType::BigInt, false);
            return Ok(self.unnested(plan, array, (element, position)));
        }
        let rows = self.array_rows(&array, "unnest")?;
        let Some((value, _)) = rows.output.first() else {
            return Ok(plan);
        };
        let passed = plan
            .output()
            .into_iter()
            .map(|id| (id, self.column_expr(id, array.span)));
        let mut columns: Vec<(ColumnId, Expr)> = passed.collect();
        columns.push((element, self.column_expr(*value, array.span)));
        Ok(Plan::Project {
            input: Box::new(cross(plan, rows.plan)),
            columns,
        })
    }
}
