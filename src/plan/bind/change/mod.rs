//! Statements that change rows, bound as queries: which rows go, which come, and what they look like.
//!
//! `UPDATE t SET b = b + 1 WHERE a < 10` is bound as `SELECT t._row, t.a, t.b + 1 FROM t WHERE a < 10`, the last column cast to the
//! type of `b`; generated columns are computed from the new ones, and each CHECK is one more column that says whether it is broken.
//!
//! The walk: [`flight`] (rows, by the kind of statement) → [`arms`] (what is done with each, and the new values) → [`rules`]
//! (generated columns, checks) → [`returning`].
//!
//! Invariants: all columns of the new row have the table's types; one row of the query is one row that is changed.
//!
//! Does not: remove duplicates; a row of the table that has two partners comes twice.

mod arms;
mod flight;
mod given;
mod merged;
mod narrow;
mod proposed;
mod returning;
mod rules;
mod set;

pub(in crate::plan) use given::given;
pub use proposed::stored;

use gobi_grammar::ast::Span;
use gobi_grammar::{Diagnostic, Dialect};

use super::scope::Scope;
use super::select::Item;
use super::{Binder, Bound, Relation, finish, new_binder};
use crate::plan::change::{Change, Layout};
use crate::plan::logical::{ColumnId, Expr, Plan, Query};
use crate::plan::{TableResolver, properties};
use crate::types::LogicalType;

/// Rows in flight.
pub(super) struct Flight {
    plan: Plan,
    scope: Scope,
    /// The address of the row of the table, if rows of the table are there.
    address: Option<ColumnId>,
    /// Not NULL where a partner of the table's row is there.
    partner: Option<ColumnId>,
    /// The table's columns before the change.
    old: Vec<ColumnId>,
    /// The columns of the proposed row.
    proposed: Vec<ColumnId>,
    /// The number of the arm.
    action: Option<ColumnId>,
    /// The table's columns after the change; none: the row goes.
    new: Vec<ColumnId>,
}

/// Binds a change; see [`crate::plan::bind_change`].
pub(in crate::plan) fn bind(
    change: &Change<'_>,
    raw: bool,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<(Query, Layout), Vec<Diagnostic>> {
    let views = elsa::FrozenVec::new();
    let mut binder = new_binder(dialect, tables, &views);
    let mut layout = Layout::default();
    let bound = binder.change(change, raw, &mut layout);
    finish(binder, bound).map(|query| (query, layout))
}

impl<'a> Binder<'a> {
    fn change(&mut self, change: &'a Change<'a>, raw: bool, layout: &mut Layout) -> Bound<Relation> {
        let before = self.ctes.len();
        if let Some(with) = change.with {
            self.declare_ctes(&with.ctes, with.recursive);
        }
        let bound = self.change_now(change, raw, layout);
        let unused = self.check_unused_ctes(before);
        self.ctes.truncate(before);
        unused.and(bound)
    }

    fn change_now(&mut self, change: &'a Change<'a>, raw: bool, layout: &mut Layout) -> Bound<Relation> {
        let flight = self.flight(change, layout)?;
        let mut flight = self.arms(flight, change, layout)?;
        let mut checks = Vec::new();
        if !raw {
            flight = self.generated(flight, change)?;
            checks = self.checks(&flight, change)?;
        }
        let mut items = Vec::new();
        let item = |id: ColumnId| Item {
            expr: self.column_expr(id, change.span),
            name: self.info(id).name.clone(),
            shown: true,
        };
        layout.address = flight.address.map(|id| push(&mut items, item(id)));
        layout.action = flight.action.map(|id| push(&mut items, item(id)));
        layout.old = items.len();
        items.extend(
            change
                .old
                .iter()
                .filter_map(|at| flight.old.get(*at))
                .map(|id| item(*id)),
        );
        layout.new = (items.len(), flight.new.len());
        items.extend(flight.new.iter().map(|id| item(*id)));
        layout.checks = items.len();
        items.extend(checks);
        layout.returning = items.len();
        let plan = match raw {
            true => flight.plan,
            false => {
                let (plan, returned) = self.returned(flight, change)?;
                items.extend(returned);
                plan
            }
        };
        let relation = self.assemble(plan, items, Vec::new(), false);
        let returned = relation.output.iter().skip(layout.returning);
        layout.returned = returned.map(|(_, field)| field.clone()).collect();
        Ok(relation)
    }

    /// More columns beside those that a plan has.
    fn extended(&mut self, plan: Plan, columns: Vec<(String, Expr)>) -> (Plan, Vec<ColumnId>) {
        let nullable = self.nullable_columns(&plan);
        let mut all: Vec<(ColumnId, Expr)> = Vec::new();
        for id in plan.output() {
            all.push((id, self.column_expr(id, Span::default())));
        }
        let mut made = Vec::with_capacity(columns.len());
        for (name, expr) in columns {
            let id = self.new_column(name, expr.ty.clone(), properties::may_be_null(&expr, &nullable));
            all.push((id, expr));
            made.push(id);
        }
        let input = Box::new(plan);
        (Plan::Project { input, columns: all }, made)
    }

    /// NULL, of a type.
    fn null(ty: &LogicalType, span: Span) -> Expr {
        Expr::literal(crate::types::Value::Null, ty.clone(), span)
    }
}

/// Where it went.
fn push(items: &mut Vec<Item>, item: Item) -> usize {
    items.push(item);
    items.len() - 1
}
