//! `unnest` in a select list.
//!
//! `SELECT id, unnest(tags) FROM t` gives each row once for every tag: the list is computed over the rows of an [`Plan::Unnest`],
//! which stands above grouping, windows and QUALIFY. `SELECT unnest(a), unnest(b)` spreads the positions of the longer array, and has
//! `a?[position]` and `b?[position]` for each of them.
//!
//! Invariants: the same call again is the same element.
//!
//! Does not: bind `unnest` in FROM.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::from::cross;
use super::nested::call;
use super::select::{Block, Place};
use super::{Binder, Bound};
use crate::plan::eval;
use crate::plan::logical::{ColumnId, Expr, Plan};
use crate::types::{LogicalType, Value};

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
        if let Some(pending) = block.unnest.iter().find(|pending| pending.array == array) {
            return Ok(self.column_expr(pending.element, span));
        }
        let mentioned = array.columns();
        if block.unnest.iter().any(|pending| mentioned.contains(&pending.element)) {
            return self.unsupported("`unnest` of what `unnest` gives is", span);
        }
        if !block.spreads || block.place != Place::Select || block.in_window {
            return self.unsupported("`unnest` outside of FROM and the select list is", span);
        }
        let element = self.new_column("unnest", item, true);
        block.unnest.push(PendingUnnest { array, element });
        Ok(self.column_expr(element, span))
    }

    /// The rows over which the select list is computed.
    pub(super) fn spread(&mut self, plan: Plan, mut pending: Vec<PendingUnnest>) -> Bound<Plan> {
        match pending.pop() {
            None => Ok(plan),
            Some(only) if pending.is_empty() => self.spread_one(plan, only),
            Some(last) => {
                pending.push(last);
                self.spread_all(plan, pending)
            }
        }
    }

    fn spread_one(&mut self, plan: Plan, PendingUnnest { array, element }: PendingUnnest) -> Bound<Plan> {
        if array.as_literal().is_none() {
            let position = self.new_column("index", LogicalType::BigInt, false);
            return Ok(self.unnested(plan, array, (element, position)));
        }
        let rows = self.array_rows(&array, "unnest")?;
        let Some((value, _)) = rows.output.first() else {
            return Ok(plan);
        };
        let value = self.column_expr(*value, array.span);
        let columns = self.with_columns_of(&plan, vec![(element, value)]);
        Ok(Plan::Project {
            input: Box::new(cross(plan, rows.plan)),
            columns,
        })
    }

    /// Several arrays beside each other; one that has no more elements gives NULL.
    fn spread_all(&mut self, mut plan: Plan, pending: Vec<PendingUnnest>) -> Bound<Plan> {
        let mut arrays = Vec::with_capacity(pending.len());
        let mut lengths = Vec::with_capacity(pending.len());
        for PendingUnnest { array, element } in pending {
            let (stored, array) = self.stored(plan, array);
            plan = stored;
            // `unnest(NULL)` gives no rows.
            let item = match array.ty.clone() {
                LogicalType::Array(item) => {
                    lengths.push(self.named_function("array_length", vec![array.clone()], array.span)?);
                    *item
                }
                _ => LogicalType::Null,
            };
            arrays.push((element, array, item));
        }
        let span = arrays.first().map(|(_, array, _)| array.span).unwrap_or_default();
        let longest = match lengths.len() {
            0 => Expr::literal(Value::Int(0), LogicalType::BigInt, span),
            1 => lengths.remove(0),
            _ => self.named_function("greatest", lengths, span)?,
        };
        let array = self.numbers_below(eval::fold(longest), span)?;
        let element = self.new_column("position", LogicalType::BigInt, true);
        let plan = self.spread_one(plan, PendingUnnest { array, element })?;
        let made = arrays.into_iter().map(|(made, array, item)| {
            let position = Expr::column(element, LogicalType::BigInt, span);
            let value = match item {
                LogicalType::Null => Expr::literal(Value::Null, LogicalType::Null, span),
                item => call("array_extract", vec![array, position], item, span),
            };
            (made, value)
        });
        let made = made.collect();
        let columns = self.with_columns_of(&plan, made);
        let input = Box::new(plan);
        Ok(Plan::Project { input, columns })
    }
}
