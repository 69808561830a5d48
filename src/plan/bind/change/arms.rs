//! What is done with each row, and what it looks like then.
//!
//! `WHEN MATCHED AND s.gone THEN DELETE WHEN MATCHED THEN UPDATE SET b = s.b` gives each pair the number of its arm, 0 or 1, and
//! the column `b` becomes `CASE arm WHEN 0 THEN NULL WHEN 1 THEN s.b END`.
//!
//! Invariants: the first arm that holds is taken; rows that none is for are left out. A value is computed only for the rows of
//! its arm.
//!
//! Does not: compute generated columns.

use gobi_grammar::ast::Span;

use super::super::select::{Block, Place};
use super::super::{Binder, Bound, Reported};
use super::Flight;
use crate::plan::change::{Action, Arm, ArmRows, Change, Layout};
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::types::{LogicalType, Value};

impl<'a> Binder<'a> {
    /// Numbers the arms, and computes the new row.
    pub(super) fn arms(&mut self, flight: Flight, change: &'a Change<'a>, layout: &mut Layout) -> Bound<Flight> {
        let mut block = Block::new(flight.scope.clone(), Place::Select);
        let mut conditions = Vec::with_capacity(change.arms.len());
        let mut values = Vec::with_capacity(change.arms.len());
        let mut failed = false;
        for arm in &change.arms {
            let condition = self.arm_condition(&mut block, &flight, arm, change.span);
            let new = self.arm_values(&mut block, &flight, arm, change, layout);
            match (condition, new) {
                (Ok(condition), Ok(new)) => {
                    conditions.push(condition);
                    values.push(new);
                }
                _ => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        self.refuse_aggregates(&block)?;
        let mut flight = flight;
        flight.plan = self.attach(flight.plan, std::mem::take(&mut block.joins_below));
        flight.plan = self.attach(flight.plan, std::mem::take(&mut block.joins_above));
        flight = self.numbered(flight, conditions, change);
        Ok(self.combined(flight, values, change))
    }

    fn refuse_aggregates(&mut self, block: &Block<'a>) -> Bound<()> {
        let Some((_, aggregate)) = block.aggregates.first() else {
            return Ok(());
        };
        let span = aggregate.arg.as_ref().map_or_else(Span::default, |arg| arg.span);
        let message = "an aggregate cannot stand here: there is one row for each row that is changed";
        let error = gobi_grammar::Diagnostic::new("42803", span, message);
        self.fail(error.with_help("use a subquery: `(SELECT …)`"))
    }

    /// What a row of the arm satisfies; `None`: all do.
    fn arm_condition(
        &mut self,
        block: &mut Block<'a>,
        flight: &Flight,
        arm: &'a Arm<'a>,
        span: Span,
    ) -> Bound<Option<Expr>> {
        let concerned = self.concerns(flight, arm.rows, span);
        let filter = match arm.filter {
            Some(filter) => {
                let bound = self.expr(block, filter)?;
                Some(self.require_boolean(bound, "this condition")?)
            }
            None => None,
        };
        let both: Vec<Expr> = concerned.into_iter().chain(filter).collect();
        Ok((!both.is_empty()).then(|| Expr::and(both, span)))
    }

    /// The new row; `None`: there is none.
    fn arm_values(
        &mut self,
        block: &mut Block<'a>,
        flight: &Flight,
        arm: &'a Arm<'a>,
        change: &'a Change<'a>,
        layout: &mut Layout,
    ) -> Bound<Option<Vec<Expr>>> {
        let columns =
            |ids: &[ColumnId]| -> Vec<Expr> { ids.iter().map(|id| self.column_expr(*id, change.span)).collect() };
        match arm.action {
            Action::Delete | Action::Nothing => Ok(None),
            Action::Propose => Ok(Some(columns(&flight.proposed))),
            Action::Replace(places) => {
                let (mut new, proposed) = (columns(&flight.old), columns(&flight.proposed));
                for at in places {
                    if let (Some(new), Some(proposed)) = (new.get_mut(*at), proposed.get(*at)) {
                        *new = proposed.clone();
                    }
                }
                Ok(Some(new))
            }
            Action::Update(set) => {
                let new = columns(&flight.old);
                self.set(block, new, set, change, layout).map(Some)
            }
            Action::InsertDefaults => self.inserted(block, &[], &[], change).map(Some),
            Action::Insert(places, values) => self.inserted(block, places, values, change).map(Some),
        }
    }

    fn inserted(
        &mut self,
        block: &mut Block<'a>,
        places: &'a [usize],
        values: &'a [gobi_grammar::ast::Assigned],
        change: &'a Change<'a>,
    ) -> Bound<Vec<Expr>> {
        if places.len() != values.len() {
            let message = format!("{} values for {} columns", values.len(), places.len());
            return self.fail(gobi_grammar::Diagnostic::new("42601", change.span, message));
        }
        let mut new = Vec::with_capacity(change.shape.columns.len());
        let mut failed = false;
        for (at, column) in change.shape.columns.iter().enumerate() {
            let given = places.iter().position(|place| *place == at).and_then(|i| values.get(i));
            let value = match given {
                Some(value) => self.assigned(change, block, value, at),
                None => self.default(column, change.span),
            };
            match value {
                Ok(value) => new.push(value),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(new) }
    }

    /// Gives each row the number of its arm, where there is a choice.
    fn numbered(&mut self, flight: Flight, conditions: Vec<Option<Expr>>, change: &Change<'_>) -> Flight {
        if let ([None], [arm]) = (conditions.as_slice(), change.arms.as_slice())
            && arm.rows == ArmRows::All
        {
            return flight;
        }
        let always = || Expr::truth(true, change.span);
        let mut arms = Vec::with_capacity(conditions.len());
        for (i, (condition, arm)) in conditions.into_iter().zip(&change.arms).enumerate() {
            let number = match arm.action {
                Action::Nothing => Self::null(&LogicalType::Integer, change.span),
                _ => number(i, change.span),
            };
            arms.push((condition.unwrap_or_else(always), number));
        }
        let case = Expr {
            kind: ExprKind::Case {
                arms,
                otherwise: Box::new(Self::null(&LogicalType::Integer, change.span)),
            },
            ty: LogicalType::Integer,
            span: change.span,
        };
        let (plan, made) = self.extended(flight.plan, vec![("action".into(), case)]);
        let action = made.first().copied();
        let taken = action.map(|id| {
            let expr = Box::new(self.column_expr(id, change.span));
            Expr::boolean(ExprKind::IsNull { expr, negated: true }, change.span)
        });
        Flight {
            plan: plan.filtered(taken.into_iter().collect()),
            action,
            ..flight
        }
    }

    /// One new row out of those of all arms.
    fn combined(&mut self, flight: Flight, values: Vec<Option<Vec<Expr>>>, change: &Change<'_>) -> Flight {
        if values.iter().all(Option::is_none) {
            return flight;
        }
        let mut columns = Vec::with_capacity(change.shape.columns.len());
        for (at, column) in change.shape.columns.iter().enumerate() {
            let of_arm = |new: &Option<Vec<Expr>>| new.as_ref().and_then(|new| new.get(at)).cloned();
            let of_arms: Vec<Option<Expr>> = values.iter().map(of_arm).collect();
            columns.push((
                column.field.name.clone(),
                self.chosen(&flight, of_arms, &column.field.ty, change),
            ));
        }
        let (plan, new) = self.extended(flight.plan, columns);
        Flight { plan, new, ..flight }
    }

    /// The value that the row's arm gives a column.
    fn chosen(&self, flight: &Flight, of_arms: Vec<Option<Expr>>, ty: &LogicalType, change: &Change<'_>) -> Expr {
        let Some(action) = flight.action else {
            let only = of_arms.into_iter().flatten().next();
            return only.unwrap_or_else(|| Self::null(ty, change.span));
        };
        if let [Some(first), rest @ ..] = of_arms.as_slice()
            && rest.iter().all(|other| other.as_ref() == Some(first))
        {
            return first.clone();
        }
        let arms = of_arms.into_iter().enumerate();
        let arms = arms.filter_map(|(i, value)| Some((self.takes(action, i, change.span), value?)));
        Expr {
            kind: ExprKind::Case {
                arms: arms.collect(),
                otherwise: Box::new(Self::null(ty, change.span)),
            },
            ty: ty.clone(),
            span: change.span,
        }
    }
}

/// The number of an arm.
pub(super) fn number(arm: usize, span: Span) -> Expr {
    let value = Value::Int(i128::try_from(arm).unwrap_or(i128::MAX));
    Expr::literal(value, LogicalType::Integer, span)
}
