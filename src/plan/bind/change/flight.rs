//! The rows that a change is about, with the columns of the table beside whatever the statement reads.
//!
//! `DELETE FROM t USING u WHERE t.a = u.a` has the pairs of `t` and `u`; `MERGE INTO t USING s ON …` with an arm for rows of `s`
//! alone has `s LEFT JOIN t`.
//!
//! Invariants: the table's columns come first in the scope. Where a row of the table may be missing, its address is NULL.
//!
//! Does not: decide what becomes of a row.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::super::from::resolve_error;
use super::super::scope::Scope;
use super::super::select::{Block, Place};
use super::super::{Binder, Bound, Relation};
use super::Flight;
use super::narrow::narrowed;
use crate::plan::change::{ArmRows, Change, Layout, Source};
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind, JoinKind, Plan};
use crate::plan::{Named, ROW_COLUMN};
use crate::types::{LogicalType, Value};

/// The relation that a proposed row goes by in ON CONFLICT.
const EXCLUDED: &str = "excluded";

impl<'a> Binder<'a> {
    /// The rows of a change.
    pub(super) fn flight(&mut self, change: &'a Change<'a>, layout: &mut Layout) -> Bound<Flight> {
        match &change.source {
            Source::Proposed(proposed) => {
                let (plan, columns) = self.proposed(change, proposed, layout)?;
                Ok(Flight {
                    proposed: columns,
                    ..Flight::of(plan, Scope::default())
                })
            }
            Source::Conflicting { proposed, keys, update } => {
                let (plan, columns) = self.proposed(change, proposed, layout)?;
                let plan = self.with_generated(plan, &columns, change)?;
                self.conflicting(change, plan, keys, *update)
            }
            Source::From { others, filter } => self.rows_from(change, others, *filter),
            Source::Merge { source, on } => self.merged(change, source, on),
        }
    }

    /// A scan of the table: its columns in the scope under its name.
    pub(super) fn target(&mut self, change: &'a Change<'a>) -> Bound<Flight> {
        let target = change.target;
        let texts: Vec<&str> = target.table.iter().map(|part| part.text.as_str()).collect();
        let relation = match self.tables.by_name(&texts, None) {
            Ok(Some(Named::Table(id))) => self.scan(id),
            Ok(Some(Named::View(view))) => {
                let relation = self.view(*view, &target.table, target.span)?;
                return Ok(self.target_view(relation, change));
            }
            Ok(None) => {
                let message = format!("`{}` is not a table whose rows can be changed", change.shape.name);
                return self.fail(Diagnostic::new("42809", target.span, message));
            }
            Err(error) => return self.fail(resolve_error(error, target.span)),
        };
        let width = change.shape.columns.len();
        let address = relation
            .output
            .iter()
            .skip(width)
            .find(|(_, field)| field.name == ROW_COLUMN);
        let address = address.map(|(id, _)| *id);
        let old: Vec<ColumnId> = relation.output.iter().take(width).map(|(id, _)| *id).collect();
        let mut scope = Scope::default();
        let columns = relation.output.into_iter().map(|(id, field)| (field.name, id));
        scope.push_relation(Some(target_name(target)), columns);
        Ok(Flight {
            address,
            old,
            ..Flight::of(relation.plan, scope)
        })
    }

    /// The same for a view. Its rows have no addresses, since whoever changes them does not do so in place, but where one may be
    /// missing, that has to be told.
    fn target_view(&mut self, relation: Relation, change: &Change<'_>) -> Flight {
        let zero = Expr::literal(Value::Int(0), LogicalType::BigInt, change.span);
        let (plan, made) = self.extended(relation.plan, vec![("there".into(), zero)]);
        let mut scope = Scope::default();
        let old: Vec<ColumnId> = relation.output.iter().map(|(id, _)| *id).collect();
        let columns = relation.output.into_iter().map(|(id, field)| (field.name, id));
        scope.push_relation(Some(target_name(change.target)), columns);
        Flight {
            address: made.first().copied(),
            old,
            ..Flight::of(plan, scope)
        }
    }

    fn rows_from(
        &mut self,
        change: &'a Change<'a>,
        others: &'a [ast::TableRef],
        filter: Option<&'a ast::Expr>,
    ) -> Bound<Flight> {
        let mut flight = self.target(change)?;
        for other in others {
            (flight.plan, flight.scope) = self.beside(flight.plan, flight.scope, other)?;
        }
        let mut block = Block::new(flight.scope.clone(), Place::Where);
        flight.plan = self.where_clause(&mut block, flight.plan, filter)?;
        Ok(flight)
    }

    /// Proposed rows and those in conflict with them.
    fn conflicting(
        &mut self,
        change: &'a Change<'a>,
        (mut plan, proposed): (Plan, Vec<ColumnId>),
        keys: &[Vec<usize>],
        update: bool,
    ) -> Bound<Flight> {
        let mut found = None;
        for key in keys {
            let target = self.target(change)?;
            let pairs = key.iter().filter_map(|at| {
                let (left, right) = (proposed.get(*at)?, target.old.get(*at)?);
                Some((
                    self.column_expr(*left, change.span),
                    self.column_expr(*right, change.span),
                ))
            });
            let kind = if update { JoinKind::Left } else { JoinKind::Anti };
            let pairs: Vec<(Expr, Expr)> = pairs.collect();
            let both = pairs.iter().map(|(new, own)| (new, own));
            let table = narrowed(target.plan.clone(), &plan, both, change.span);
            plan = join(kind, plan, table, pairs, Vec::new());
            found = Some(target);
        }
        let Some(target) = found.filter(|_| update) else {
            return Ok(Flight {
                proposed,
                ..Flight::of(plan, Scope::default())
            });
        };
        let mut scope = target.scope.clone();
        let names = change.shape.columns.iter().map(|column| column.field.name.clone());
        scope.push_relation(Some(EXCLUDED), names.zip(proposed.iter().copied()));
        let shown = scope.columns.len() - proposed.len();
        scope
            .columns
            .iter_mut()
            .skip(shown)
            .for_each(|column| column.hidden = true);
        Ok(Flight {
            plan,
            scope,
            proposed,
            ..target
        })
    }

    /// Whether a row is one that an arm is about.
    pub(super) fn concerns(&self, flight: &Flight, rows: ArmRows, span: Span) -> Option<Expr> {
        let is_there = |id: ColumnId, there: bool| {
            let expr = Box::new(self.column_expr(id, span));
            Expr::boolean(ExprKind::IsNull { expr, negated: there }, span)
        };
        let address = flight.address.map(|id| move |there| is_there(id, there));
        match rows {
            ArmRows::All => None,
            ArmRows::NotMatched => address.map(|there| there(false)),
            ArmRows::NotMatchedBySource => flight.partner.map(|id| is_there(id, false)),
            ArmRows::Matched => match (address, flight.partner) {
                (Some(there), Some(id)) => Some(Expr::and(vec![there(true), is_there(id, true)], span)),
                (there, _) => there.map(|there| there(true)),
            },
        }
    }

    /// `action = arm`.
    pub(super) fn takes(&self, action: ColumnId, arm: usize, span: Span) -> Expr {
        let action = self.column_expr(action, span);
        let arm = super::arms::number(arm, span);
        Expr::compare(CompareOp::Eq, action, arm)
    }
}

impl Flight {
    fn of(plan: Plan, scope: Scope) -> Self {
        Self {
            plan,
            scope,
            address: None,
            partner: None,
            old: Vec::new(),
            proposed: Vec::new(),
            action: None,
            new: Vec::new(),
        }
    }
}

/// The name that the target goes by.
pub(super) fn target_name(target: &ast::Target) -> &str {
    let last = target.table.last();
    target.alias.as_ref().or(last).map_or("", |name| name.text.as_str())
}

pub(super) fn join(kind: JoinKind, left: Plan, right: Plan, keys: Vec<(Expr, Expr)>, residual: Vec<Expr>) -> Plan {
    Plan::Join {
        kind,
        left: Box::new(left),
        right: Box::new(right),
        keys,
        null_equal: false,
        residual,
    }
}
