//! `x = ANY (…)`, `x > ALL (…)`: a comparison with all elements of an array, or all rows of a query.
//!
//! `x > ALL (SELECT y …)` needs four values of the query, each computed once: how many rows there are, how many are not NULL, the least
//! and the greatest. Then it is true if there is no row, false if `x` is not above the greatest, unknown if there was a NULL.
//!
//! Invariants: SQL's three-valued logic, as if every element were compared; SOME is ANY.
//!
//! Does not: bind `= ANY` and `<> ALL` of a query, which are IN.

use gobi_grammar::ast::{self, Span};

use super::decorrelate;
use super::expr::compare_op;
use super::select::Block;
use super::{Binder, Bound, Relation};
use crate::plan::logical::{Aggregate, AggregateFunction, CompareOp, Expr, ExprKind, Plan};
use crate::types::{LogicalType, Value};

/// The right side of a quantified comparison.
#[derive(Clone, Copy)]
pub(super) struct Quantified<'a> {
    /// ALL; else ANY or SOME.
    pub(super) all: bool,
    /// What is compared with.
    pub(super) of: &'a ast::Expr,
}

/// What a set of values is known by.
struct Set {
    /// It has no element.
    empty: Expr,
    /// One of them is NULL.
    has_null: Expr,
    least: Expr,
    greatest: Expr,
}

impl<'a> Quantified<'a> {
    /// `ANY (…)`, `SOME (…)`, `ALL (…)`.
    pub(super) fn of(right: &'a ast::Expr) -> Option<Self> {
        let ast::ExprKind::Call(call) = &right.kind else {
            return None;
        };
        let [of] = call.args.as_slice() else { return None };
        let all = match call.name.text.to_ascii_lowercase().as_str() {
            "all" => true,
            "any" | "some" => false,
            _ => return None,
        };
        let plain = !call.distinct && !call.star && call.filter.is_none() && !call.name.quoted;
        plain.then_some(Self { all, of })
    }

    /// The query of `= ANY (query)` or `<> ALL (query)`, and whether it is the latter: `IN` and `NOT IN`.
    pub(super) fn membership(self, op: ast::CompareOp) -> Option<(&'a ast::Query, bool)> {
        match (&self.of.kind, op, self.all) {
            (ast::ExprKind::Subquery(query), ast::CompareOp::Eq, false) => Some((query, false)),
            (ast::ExprKind::Subquery(query), ast::CompareOp::NotEq, true) => Some((query, true)),
            _ => None,
        }
    }
}

impl<'a> Binder<'a> {
    /// A quantified comparison.
    pub(super) fn quantified(
        &mut self,
        block: &mut Block<'a>,
        (left, op): (&'a ast::Expr, ast::CompareOp),
        right: Quantified<'a>,
        span: Span,
    ) -> Bound<Expr> {
        if let Some((query, negated)) = right.membership(op) {
            return self.in_query_value(block, left, query, negated, span);
        }
        let op = compare_op(op);
        if let ast::ExprKind::Array(items) = &right.of.kind {
            let value = self.expr(block, left)?;
            let items = self.exprs(block, items)?;
            let mut tests = Vec::with_capacity(items.len());
            for item in items {
                tests.push(self.compare(op, value.clone(), item)?);
            }
            return Ok(match right.all {
                true => Expr::and(tests, span),
                false => Expr::or(tests, span),
            });
        }
        let value = self.expr(block, left)?;
        if let ast::ExprKind::Subquery(query) = &right.of.kind {
            let set = self.set_of_rows(block, query, span)?;
            let test = self.extreme_test(&set, value, op, right.all, span)?;
            return self.three_valued_test(set, test, right.all, span);
        }
        let array = self.expr(block, right.of)?;
        if !matches!(array.ty, LogicalType::Array(_)) {
            let message = format!("ANY and ALL take an array or a query, not {}", array.ty);
            return self.fail(gobi_grammar::Diagnostic::new("42809", right.of.span, message));
        }
        let set = self.set_of_elements(&array, span)?;
        let among = matches!((op, right.all), (CompareOp::Eq, false) | (CompareOp::NotEq, true));
        let test = if among {
            let found = self.named_function("array_contains", vec![array, value], span)?;
            match right.all {
                true => Expr::boolean(ExprKind::Not(Box::new(found)), span),
                false => found,
            }
        } else {
            self.extreme_test(&set, value, op, right.all, span)?
        };
        self.three_valued_test(set, test, right.all, span)
    }

    /// The comparison with the one or two elements that decide it.
    fn extreme_test(&mut self, set: &Set, value: Expr, op: CompareOp, all: bool, span: Span) -> Bound<Expr> {
        let (least, greatest) = (set.least.clone(), set.greatest.clone());
        let only = match (op, all) {
            (CompareOp::Lt | CompareOp::LtEq, true) | (CompareOp::Gt | CompareOp::GtEq, false) => least,
            (CompareOp::Gt | CompareOp::GtEq, true) | (CompareOp::Lt | CompareOp::LtEq, false) => greatest,
            _ => {
                let both = vec![
                    self.compare(op, value.clone(), least)?,
                    self.compare(op, value, greatest)?,
                ];
                return Ok(if all {
                    Expr::and(both, span)
                } else {
                    Expr::or(both, span)
                });
            }
        };
        self.compare(op, value, only)
    }

    /// ANY: false without elements, true if the test is, unknown with a NULL, else the test. ALL: the mirror image.
    fn three_valued_test(&mut self, set: Set, test: Expr, all: bool, span: Span) -> Bound<Expr> {
        let decided = match all {
            true => Expr::boolean(ExprKind::Not(Box::new(test.clone())), span),
            false => test.clone(),
        };
        let unknown = Expr::literal(Value::Null, LogicalType::Boolean, span);
        let conditions = vec![set.empty, decided, set.has_null];
        let values = vec![Expr::truth(all, span), Expr::truth(!all, span), unknown, test];
        self.case_of(conditions, values, span)
    }

    fn set_of_elements(&mut self, array: &Expr, span: Span) -> Bound<Set> {
        let zero = Expr::literal(Value::Int(0), LogicalType::BigInt, span);
        let length = self.named_function("array_length", vec![array.clone()], span)?;
        let null = Expr::literal(Value::Null, LogicalType::Null, span);
        let place = self.named_function("array_position", vec![array.clone(), null], span)?;
        let has_null = ExprKind::IsNull {
            expr: Box::new(place),
            negated: true,
        };
        Ok(Set {
            empty: Expr::compare(CompareOp::Eq, length, zero),
            has_null: Expr::boolean(has_null, span),
            least: self.named_function("array_min", vec![array.clone()], span)?,
            greatest: self.named_function("array_max", vec![array.clone()], span)?,
        })
    }

    fn set_of_rows(&mut self, block: &mut Block<'a>, query: &'a ast::Query, span: Span) -> Bound<Set> {
        use AggregateFunction as F;
        let relation = self.subquery(block, query)?;
        if !relation.plan.free_columns().is_empty() {
            return self.set_for_row(block, relation, span);
        }
        let zero = Expr::literal(Value::Int(0), LogicalType::BigInt, span);
        let rows = self.value_of_rows(block, query, F::Count, false)?;
        let known = self.value_of_rows(block, query, F::Count, true)?;
        Ok(Set {
            empty: Expr::compare(CompareOp::Eq, rows.clone(), zero),
            has_null: Expr::compare(CompareOp::Lt, known, rows),
            least: self.value_of_rows(block, query, F::Min, true)?,
            greatest: self.value_of_rows(block, query, F::Max, true)?,
        })
    }

    /// What is known of the rows of a query that depends on the row.
    fn set_for_row(&mut self, block: &mut Block<'a>, relation: Relation, span: Span) -> Bound<Set> {
        use AggregateFunction as F;
        let column = self.one_column(&relation, span)?;
        let column = self.column_expr(column, span);
        let mut aggregates = Vec::new();
        let mut aggregate = |binder: &mut Self, function, arg: Option<Expr>| {
            let ty = match function {
                F::Count => LogicalType::BigInt,
                _ => column.ty.clone(),
            };
            let id = binder.new_column("value", ty.clone(), true);
            let aggregate = Aggregate {
                function,
                arg,
                distinct: false,
                filter: None,
                ty: ty.clone(),
            };
            aggregates.push((id, aggregate));
            Expr::column(id, ty, span)
        };
        let rows = aggregate(self, F::Count, None);
        let known = aggregate(self, F::Count, Some(column.clone()));
        let least = aggregate(self, F::Min, Some(column.clone()));
        let greatest = aggregate(self, F::Max, Some(column.clone()));
        self.join_aggregates(block, relation.plan, aggregates, span)?;
        let zero = Expr::literal(Value::Int(0), LogicalType::BigInt, span);
        let rows = decorrelate::or_zero(rows);
        Ok(Set {
            empty: Expr::compare(CompareOp::Eq, rows.clone(), zero),
            has_null: Expr::compare(CompareOp::Lt, known, rows),
            least,
            greatest,
        })
    }

    /// An aggregate of a query's column (or of its rows) as a value that is computed once.
    fn value_of_rows(
        &mut self,
        block: &Block<'a>,
        query: &'a ast::Query,
        function: AggregateFunction,
        of_column: bool,
    ) -> Bound<Expr> {
        let span = query.span;
        let relation = self.subquery(block, query)?;
        let column = self.one_column(&relation, span)?;
        let column = self.column_expr(column, span);
        let ty = match function {
            AggregateFunction::Count => LogicalType::BigInt,
            _ => column.ty.clone(),
        };
        let id = self.new_column("value", ty.clone(), true);
        let aggregate = Aggregate {
            function,
            arg: of_column.then_some(column),
            distinct: false,
            filter: None,
            ty: ty.clone(),
        };
        let plan = Plan::Aggregate {
            input: Box::new(relation.plan),
            keys: Vec::new(),
            aggregates: vec![(id, aggregate)],
        };
        let kind = ExprKind::Subquery(self.add_value(plan, id));
        Ok(Expr { kind, ty, span })
    }

    /// A function of the table, by its name.
    pub(super) fn named_function(&mut self, name: &str, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let name = ast::Ident {
            text: name.into(),
            quoted: false,
            span,
        };
        self.function(&name, args, span)
    }
}
