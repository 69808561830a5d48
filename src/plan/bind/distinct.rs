//! DISTINCT aggregates that two aggregations cannot compute.
//!
//! `count(DISTINCT a), sum(DISTINCT b)` are `array_length(array_distinct(l))` and `array_sum(array_distinct(m))` over the arrays `l` and `m`
//! of all `a` and `b` of a group; `avg(x)` beside `count(DISTINCT a)` is `sum(x) / count(x)`, which can be put together from parts.
//!
//! Invariants: what is left to the planner is DISTINCT of one argument, without FILTER, beside aggregates that can be merged.
//!
//! Does not: change anything where no aggregate is DISTINCT.

use gobi_grammar::ast::Span;

use super::coerce::cast;
use super::{Binder, Bound, Reported};
use crate::plan::logical::{Aggregate, AggregateFunction as F, ArithOp, ChainStep, ColumnId, Expr, ExprKind, Plan};
use crate::types::{LogicalType, Value};

/// Aggregates as they are computed, and what is made of them.
pub(super) struct Rewritten {
    /// To be computed.
    pub(super) aggregates: Vec<(ColumnId, Aggregate)>,
    /// Columns over them.
    made: Vec<(ColumnId, Expr)>,
}

impl Rewritten {
    /// The groups with the columns that are made of others.
    pub(super) fn finish(self, binder: &Binder<'_>, grouped: Plan) -> Plan {
        if self.made.is_empty() {
            return grouped;
        }
        let kept = grouped.output().into_iter();
        let kept = kept.map(|id| (id, binder.column_expr(id, Span::default())));
        let columns = kept.chain(self.made).collect();
        Plan::Project {
            input: Box::new(grouped),
            columns,
        }
    }
}

impl Binder<'_> {
    /// Rewrites what the planner cannot compute.
    pub(super) fn rewrite_distinct(&mut self, aggregates: Vec<(ColumnId, Aggregate)>) -> Bound<Rewritten> {
        let mut out = Rewritten {
            aggregates: Vec::with_capacity(aggregates.len()),
            made: Vec::new(),
        };
        if !aggregates.iter().any(|(_, a)| a.distinct) {
            out.aggregates = aggregates;
            return Ok(out);
        }
        let by_lists = !is_planned(&aggregates);
        for (id, aggregate) in aggregates {
            match (aggregate.distinct, aggregate.function) {
                (true, _) if by_lists => self.over_list(id, aggregate, &mut out)?,
                (false, F::Avg) if !by_lists => self.quotient_of_parts(id, aggregate, &mut out),
                _ => out.aggregates.push((id, aggregate)),
            }
        }
        Ok(out)
    }

    fn over_list(&mut self, id: ColumnId, aggregate: Aggregate, out: &mut Rewritten) -> Bound<()> {
        let arg = aggregate.arg.ok_or(Reported)?;
        let span = arg.span;
        let ty = LogicalType::Array(Box::new(arg.ty.clone()));
        let list = self.new_column("list", ty.clone(), true);
        let all = Aggregate {
            function: F::List,
            arg: Some(arg),
            distinct: false,
            filter: aggregate.filter,
            ty: ty.clone(),
        };
        out.aggregates.push((list, all));
        let values = self.named_function("array_distinct", vec![Expr::column(list, ty, span)], span)?;
        let value = match aggregate.function {
            F::List => values,
            F::Count => {
                let length = self.named_function("array_length", vec![values], span)?;
                let zero = Expr::literal(Value::Int(0), LogicalType::BigInt, span);
                self.coalesce_of(vec![length, zero], span)?
            }
            F::Sum => self.named_function("array_sum", vec![values], span)?,
            F::Avg => self.named_function("array_avg", vec![values], span)?,
            _ => return Err(Reported),
        };
        out.made.push((id, cast(value, &aggregate.ty)));
        Ok(())
    }

    /// The mean as a quotient.
    fn quotient_of_parts(&mut self, id: ColumnId, aggregate: Aggregate, out: &mut Rewritten) {
        let Some(arg) = &aggregate.arg else { return };
        let span = arg.span;
        let sum_ty = match &arg.ty {
            LogicalType::Decimal { scale, .. } => LogicalType::Decimal {
                precision: 38,
                scale: *scale,
            },
            ty if ty.is_float() => LogicalType::Double,
            _ => LogicalType::HugeInt,
        };
        let sum = self.new_column("sum", sum_ty.clone(), true);
        let count = self.new_column("count", LogicalType::BigInt, false);
        let part = |function, ty| Aggregate {
            function,
            ty,
            ..aggregate.clone()
        };
        out.aggregates.push((sum, part(F::Sum, sum_ty.clone())));
        out.aggregates.push((count, part(F::Count, LogicalType::BigInt)));
        let double = LogicalType::Double;
        let kind = ExprKind::Chain {
            first: Box::new(cast(Expr::column(sum, sum_ty, span), &double)),
            rest: vec![ChainStep {
                op: ArithOp::Div,
                left_ty: double.clone(),
                operand: cast(Expr::column(count, LogicalType::BigInt, span), &double),
                ty: double.clone(),
                span,
            }],
        };
        let quotient = Expr { kind, ty: double, span };
        // Without a value the sum is NULL, and the quotient is not computed.
        let none = ExprKind::IsNull {
            expr: Box::new(self.column_expr(sum, span)),
            negated: false,
        };
        let kind = ExprKind::Case {
            arms: vec![(
                Expr::boolean(none, span),
                Expr::literal(Value::Null, LogicalType::Double, span),
            )],
            otherwise: Box::new(quotient),
        };
        let value = Expr {
            kind,
            ty: LogicalType::Double,
            span,
        };
        out.made.push((id, value));
    }
}

/// Two aggregations are enough: one distinct argument, no filter on it, and nothing beside it that cannot be merged.
fn is_planned(aggregates: &[(ColumnId, Aggregate)]) -> bool {
    let distinct = || aggregates.iter().map(|(_, a)| a).filter(|a| a.distinct);
    let first = distinct().next().and_then(|a| a.arg.as_ref());
    let same = |arg: &Expr| match (arg.as_column(), first.and_then(Expr::as_column)) {
        (Some(a), Some(b)) => a == b,
        _ => first == Some(arg),
    };
    distinct().all(|a| a.filter.is_none() && a.arg.as_ref().is_some_and(same))
        && aggregates.iter().all(|(_, a)| a.function != F::List || a.distinct)
}
