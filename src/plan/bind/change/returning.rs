//! RETURNING: expressions over the changed row, and over the relations beside it.
//!
//! `UPDATE t SET b = u.b FROM u WHERE t.a = u.a RETURNING t.b, old.b, u.c` gives the new `b`, the one before, and a column of `u`.
//! After DELETE the table's columns are those of the row that went.
//!
//! Invariants: `*` is the table's columns, then those of the relations beside it; `old` and `new` are reached by their names only.
//!
//! Does not: let aggregates stand here.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::super::scope::Scope;
use super::super::select::{Block, Item, Place};
use super::super::{Binder, Bound};
use super::Flight;
use super::flight::target_name;
use crate::plan::change::Change;
use crate::plan::logical::{ColumnId, Expr, ExprKind, Plan};

impl<'a> Binder<'a> {
    /// What is returned, over the plan that has it.
    pub(super) fn returned(&mut self, flight: Flight, change: &'a Change<'a>) -> Bound<(Plan, Vec<Item>)> {
        if change.returning.is_empty() {
            return Ok((flight.plan, Vec::new()));
        }
        let (flight, shown) = self.shown_columns(flight, change);
        let mut scope = Scope::default();
        let names = || change.shape.columns.iter().map(|column| column.field.name.clone());
        let name = target_name(change.target);
        scope.push_relation(Some(name), names().zip(shown.iter().copied()));
        let beside = flight.scope.columns.iter().skip_while(|column| {
            let relation = column.relation.as_deref();
            relation.is_some_and(|relation| super::super::scope::same(relation, name))
        });
        scope.columns.extend(beside.filter(|column| !column.hidden).cloned());
        for (name, columns) in [("old", &flight.old), ("new", &flight.new)] {
            if !columns.is_empty() && !scope.has_relation(name) {
                let first = scope.columns.len();
                scope.push_relation(Some(name), names().zip(columns.iter().copied()));
                scope
                    .columns
                    .iter_mut()
                    .skip(first)
                    .for_each(|column| column.hidden = true);
            }
        }
        let mut block = Block::new(scope, Place::Select);
        let items = self.items(&mut block, change.returning)?;
        if !block.aggregates.is_empty() {
            let message = "an aggregate cannot stand in RETURNING";
            return self.fail(Diagnostic::new("42803", change.span, message));
        }
        let plan = self.attach(flight.plan, block.joins_below);
        Ok((self.attach(plan, block.joins_above), items))
    }

    /// The row that the table's name stands for: the new one, or the one that went.
    fn shown_columns(&mut self, flight: Flight, change: &Change<'_>) -> (Flight, Vec<ColumnId>) {
        let deletes: Vec<usize> = change
            .arms
            .iter()
            .enumerate()
            .filter(|(_, arm)| !arm.action.makes_a_row())
            .map(|(i, _)| i)
            .collect();
        if flight.new.is_empty() {
            let old = flight.old.clone();
            return (flight, old);
        }
        let (Some(action), false) = (flight.action, deletes.is_empty()) else {
            let new = flight.new.clone();
            return (flight, new);
        };
        let mut columns = Vec::with_capacity(flight.new.len());
        for (new, old) in flight.new.iter().zip(&flight.old) {
            let arms = deletes.iter().map(|arm| {
                let gone = self.column_expr(*old, change.span);
                (self.takes(action, *arm, change.span), gone)
            });
            let new = self.column_expr(*new, change.span);
            let case = Expr {
                ty: new.ty.clone(),
                kind: ExprKind::Case {
                    arms: arms.collect(),
                    otherwise: Box::new(new),
                },
                span: Span::default(),
            };
            columns.push(("row".to_string(), case));
        }
        let (plan, shown) = self.extended(flight.plan, columns);
        (Flight { plan, ..flight }, shown)
    }
}
