//! The values that a query was given, where a rule or a row asks for them.
//!
//! `a = $0` is `a = 5` to whoever looks a row up by its key, if `$0` is `VALUES (5)`.
//!
//! Invariants: the plan itself stays without them.
//!
//! Does not: give any.

use super::eval::evaluate;
use super::logical::{Expr, ExprKind, Given, Plan, Query, SubqueryId};
use crate::types::Value;

/// Values by the subqueries that they are.
#[derive(Debug, Default)]
pub struct GivenValues(Vec<(SubqueryId, Value)>);

impl GivenValues {
    /// The values of what a query is given, in its order.
    pub fn of_query(query: &Query, values: Vec<Value>) -> Self {
        let named = query.given.iter().zip(values);
        Self(
            named
                .filter_map(|(given, value)| Some((given.subquery?, value)))
                .collect(),
        )
    }

    /// The value of an expression without columns; `None` if it is not known, or fails.
    pub(super) fn constant(&self, expr: &Expr) -> Option<Value> {
        if let Some(value) = expr.as_literal() {
            return Some(value.clone());
        }
        if self.0.is_empty() {
            return None;
        }
        match &expr.kind {
            ExprKind::Subquery(id) => self.of(*id).cloned(),
            ExprKind::Column(_) => None,
            _ if expr.columns().is_empty() => evaluate(&self.within(expr.clone())),
            _ => None,
        }
    }

    /// The expression with them.
    pub(super) fn within(&self, mut expr: Expr) -> Expr {
        if !self.0.is_empty() {
            expr.rewrite(&mut |part| {
                if let ExprKind::Subquery(id) = part.kind
                    && let Some(value) = self.of(id)
                {
                    part.kind = ExprKind::Literal(value.clone());
                }
            });
        }
        expr
    }

    fn of(&self, id: SubqueryId) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, value)| value)
    }
}

impl Query {
    /// The values that it was given.
    pub(super) fn given_values(&self) -> GivenValues {
        let value = |given: &Given| Some((given.subquery?, self.given_value(given)?.clone()));
        GivenValues(self.given.iter().filter_map(value).collect())
    }

    fn given_value(&self, given: &Given) -> Option<&Value> {
        self.subqueries.get(given.subquery?.0 as usize)?.only_value()
    }

    /// Its value, if it is one row of one literal.
    pub fn only_value(&self) -> Option<&Value> {
        let Plan::Values { rows, .. } = &self.root else {
            return None;
        };
        match rows.as_slice() {
            [row] if row.len() == 1 && self.output.len() == 1 => row.first()?.as_literal(),
            _ => None,
        }
    }

    /// Gives it another value.
    pub fn give(&mut self, given: SubqueryId, value: Value) {
        let Some(query) = self.subqueries.get_mut(given.0 as usize) else {
            return;
        };
        if let Plan::Values { rows, .. } = &mut query.root
            && let Some(expr) = rows.first_mut().and_then(|row| row.first_mut())
        {
            expr.kind = ExprKind::Literal(value);
        }
    }
}
