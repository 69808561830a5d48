//! IN (query) as a value: with three truths, anywhere else than as a condition by itself.
//!
//! `x IN (SELECT y FROM t)` below OR is a join with the distinct `y` that marks the rows which have a partner; what the set lacks to tell true
//! from unknown is a value computed before. Where the query depends on the row and something may be NULL, three counts of its rows decide.
//!
//! Invariants: three-valued logic is kept.
//!
//! Does not: bind conditions that filter; those are semi and anti joins.

use gobi_grammar::ast::{self, Span};

use super::decorrelate;
use super::select::Block;
use super::subquery::count_of;
use super::{Binder, Bound};
use crate::plan::logical::{Aggregate, CompareOp, Expr, ExprKind, Plan, SubqueryId};
use crate::types::{LogicalType, Value};

impl<'a> Binder<'a> {
    /// IN (query) anywhere else than as a conjunct.
    pub(super) fn in_query_value(
        &mut self,
        block: &mut Block<'a>,
        expr: &'a ast::Expr,
        query: &'a ast::Query,
        negated: bool,
        span: Span,
    ) -> Bound<Expr> {
        let (tested, relation, column) = self.in_sides(block, expr, query)?;
        let nullable = self.in_nullable(block, &tested, &relation, column);
        let (outer, inner) = self.in_key(tested, column, span)?;
        let correlated = !relation.plan.free_columns().is_empty();
        if correlated && nullable {
            let found = self.found_for_row(block, relation.plan, outer, inner, span)?;
            return Ok(match negated {
                true => Expr::boolean(ExprKind::Not(Box::new(found)), span),
                false => found,
            });
        }
        let equal = Expr::compare(CompareOp::Eq, outer.clone(), inner);
        let found = self.marked(block, relation.plan, Some(equal), span)?;
        let test = match nullable {
            false => found,
            true => {
                let state = self.set_state(block, query)?;
                three_valued(found, outer, state, span)
            }
        };
        Ok(match negated {
            true => Expr::boolean(ExprKind::Not(Box::new(test)), span),
            false => test,
        })
    }

    /// Whether a value is among those of a query that depends on the row: three counts of its rows decide.
    fn found_for_row(
        &mut self,
        block: &mut Block<'a>,
        plan: Plan,
        tested: Expr,
        element: Expr,
        span: Span,
    ) -> Bound<Expr> {
        let mut aggregates = Vec::new();
        let mut count = |binder: &mut Self, arg: Option<Expr>, filter: Option<Expr>| {
            let id = binder.new_column("count", LogicalType::BigInt, true);
            aggregates.push((
                id,
                Aggregate {
                    filter,
                    ..count_of(arg)
                },
            ));
            decorrelate::or_zero(Expr::column(id, LogicalType::BigInt, span))
        };
        let equal = Expr::compare(CompareOp::Eq, tested.clone(), element.clone());
        let all = count(self, None, None);
        let known = count(self, Some(element), None);
        let found = count(self, None, Some(equal));
        self.join_aggregates(block, plan, aggregates, span)?;
        let zero = Expr::literal(Value::Int(0), LogicalType::BigInt, span);
        let found = Expr::compare(CompareOp::Gt, found, zero.clone());
        let empty = Expr::compare(CompareOp::Eq, all.clone(), zero);
        let no_value = ExprKind::IsNull {
            expr: Box::new(tested),
            negated: false,
        };
        let has_null = Expr::compare(CompareOp::Lt, known, all);
        let unknown = Expr::or(vec![Expr::boolean(no_value, span), has_null], span);
        let kind = ExprKind::Case {
            arms: vec![
                (found, Expr::truth(true, span)),
                (empty, Expr::truth(false, span)),
                (unknown, Expr::literal(Value::Null, LogicalType::Boolean, span)),
            ],
            otherwise: Box::new(Expr::truth(false, span)),
        };
        Ok(Expr::boolean(kind, span))
    }

    /// 0: the set is empty; 2: it has a NULL; else 1.
    fn set_state(&mut self, block: &Block<'a>, query: &'a ast::Query) -> Bound<SubqueryId> {
        let span = query.span;
        let relation = self.subquery(block, query)?;
        let column = self.one_column(&relation, span)?;
        let element = self.column_expr(column, span);
        let all = self.new_column("count", LogicalType::BigInt, false);
        let known = self.new_column("count", LogicalType::BigInt, false);
        let counted = Plan::Aggregate {
            input: Box::new(relation.plan),
            keys: Vec::new(),
            aggregates: vec![(all, count_of(None)), (known, count_of(Some(element)))],
        };
        let number = |v: i128| Expr::literal(Value::Int(v), LogicalType::BigInt, span);
        let (all, known) = (self.column_expr(all, span), self.column_expr(known, span));
        let empty = Expr::compare(CompareOp::Eq, all.clone(), number(0));
        let has_null = Expr::compare(CompareOp::Gt, all, known);
        let state = Expr {
            kind: ExprKind::Case {
                arms: vec![(empty, number(0)), (has_null, number(2))],
                otherwise: Box::new(number(1)),
            },
            ty: LogicalType::BigInt,
            span,
        };
        let id = self.new_column("state", LogicalType::BigInt, false);
        let plan = Plan::Project {
            input: Box::new(counted),
            columns: vec![(id, state)],
        };
        Ok(self.add_value(plan, id))
    }
}

/// True if found; unknown if the set has a NULL, or the value is NULL and the set is not empty.
fn three_valued(found: Expr, tested: Expr, state: SubqueryId, span: Span) -> Expr {
    let state = Expr {
        kind: ExprKind::Subquery(state),
        ty: LogicalType::BigInt,
        span,
    };
    let is = |n: i128| {
        let literal = Expr::literal(Value::Int(n), LogicalType::BigInt, span);
        Expr::compare(CompareOp::Eq, state.clone(), literal)
    };
    let absent = ExprKind::IsNull {
        expr: Box::new(tested),
        negated: false,
    };
    let no_value = Expr::and(vec![is(1), Expr::boolean(absent, span)], span);
    let unknown = Expr::or(vec![is(2), no_value], span);
    let kind = ExprKind::Case {
        arms: vec![
            (found, Expr::truth(true, span)),
            (unknown, Expr::literal(Value::Null, LogicalType::Boolean, span)),
        ],
        otherwise: Box::new(Expr::truth(false, span)),
    };
    Expr::boolean(kind, span)
}
