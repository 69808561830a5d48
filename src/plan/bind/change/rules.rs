//! What a table's definition says of its rows: defaults, generated columns, checks.
//!
//! With `c int GENERATED ALWAYS AS (a + b)` and `CHECK (a > 0)` the new row has `c` computed from its own `a` and `b`, and a column
//! that is true where `a > 0` is false. (NULL passes.)
//!
//! Invariants: these expressions see the columns of the row and nothing else. What goes wrong in them is reported where the
//! statement stands, since their own text is not in the script.
//!
//! Does not: decide when a definition may have such an expression, beyond what binding it says.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::super::scope::Scope;
use super::super::select::{Block, Item, Place};
use super::super::{Binder, Bound};
use super::Flight;
use crate::plan::change::{Change, Rule};
use crate::plan::logical::{ColumnId, Expr, ExprKind, Plan};

impl<'a> Binder<'a> {
    /// Generated columns of the new row.
    pub(super) fn generated(&mut self, flight: Flight, change: &'a Change<'a>) -> Bound<Flight> {
        if flight.new.is_empty() {
            return Ok(flight);
        }
        let (plan, new) = self.with_generated(flight.plan, &flight.new, change)?;
        Ok(Flight { plan, new, ..flight })
    }

    /// A row's columns, the generated ones computed from the others.
    pub(super) fn with_generated(
        &mut self,
        plan: Plan,
        columns: &[ColumnId],
        change: &'a Change<'a>,
    ) -> Bound<(Plan, Vec<ColumnId>)> {
        // A generated column is not computed from another one: there would have to be an order.
        let both = change.shape.columns.iter().zip(columns);
        let generated: Vec<ColumnId> = both.filter(|(c, _)| c.generated.is_some()).map(|(_, id)| *id).collect();
        let mut made = Vec::new();
        for (at, column) in change.shape.columns.iter().enumerate() {
            if let Some(rule) = &column.generated {
                let mut scope = row_scope(change, columns);
                scope.columns.retain(|known| !generated.contains(&known.id));
                let value = self.rule(rule, scope, change.span)?;
                let value = self.for_column(value, column, false)?;
                made.push((at, (column.field.name.clone(), value)));
            }
        }
        if made.is_empty() {
            return Ok((plan, columns.to_vec()));
        }
        let (places, made): (Vec<usize>, Vec<_>) = made.into_iter().unzip();
        let (plan, ids) = self.extended(plan, made);
        let mut all = columns.to_vec();
        for (at, id) in places.into_iter().zip(ids) {
            if let Some(column) = all.get_mut(at) {
                *column = id;
            }
        }
        Ok((plan, all))
    }

    /// For each check, whether the new row breaks it.
    pub(super) fn checks(&mut self, flight: &Flight, change: &'a Change<'a>) -> Bound<Vec<Item>> {
        let mut items = Vec::new();
        if flight.new.is_empty() {
            return Ok(items);
        }
        for check in &change.shape.checks {
            let condition = self.rule(check, row_scope(change, &flight.new), change.span)?;
            let condition = self.require_boolean(condition, "CHECK")?;
            let passes = ExprKind::Coalesce(vec![condition, Expr::truth(true, change.span)]);
            let passes = Expr::boolean(passes, change.span);
            items.push(Item {
                expr: Expr::boolean(ExprKind::Not(Box::new(passes)), change.span),
                name: check.name.clone(),
                shown: true,
            });
        }
        Ok(items)
    }

    /// An expression of the definition.
    pub(super) fn rule(&mut self, rule: &'a Rule, scope: Scope, span: Span) -> Bound<Expr> {
        let errors = self.errors.len();
        let subqueries = self.subqueries.len();
        let ctes = std::mem::take(&mut self.ctes);
        let outer = std::mem::take(&mut self.outer);
        let dialect = std::mem::replace(&mut self.dialect, rule.dialect);
        let mut block = Block::new(scope, Place::Other);
        let bound = self.expr(&mut block, &rule.expr);
        (self.ctes, self.outer, self.dialect) = (ctes, outer, dialect);
        for error in self.errors.split_off(errors) {
            let message = format!("in the definition of `{}`: {}", rule.name, error.message);
            self.errors.push(Diagnostic::new(error.code, span, message));
        }
        let mut bound = bound?;
        if !block.joins_below.is_empty() || !block.joins_above.is_empty() || self.subqueries.len() > subqueries {
            let message = format!("in the definition of `{}`: a subquery cannot stand here", rule.name);
            return self.fail(Diagnostic::new("0A000", span, message));
        }
        bound.rewrite(&mut |expr| expr.span = span);
        Ok(bound)
    }
}

/// The columns of the row under the table's name.
fn row_scope(change: &Change<'_>, columns: &[ColumnId]) -> Scope {
    let names = change.shape.columns.iter().map(|column| column.field.name.clone());
    let mut scope = Scope::default();
    scope.push_relation(Some(&change.shape.name), names.zip(columns.iter().copied()));
    scope
}
