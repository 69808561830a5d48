//! DISTINCT aggregates that two aggregations cannot compute.
//!
//! `count(DISTINCT a), sum(DISTINCT b)` by `k` are two groupings of the same rows, joined by `k`. Where rows cannot be had twice (they
//! are random, say), or there is a FILTER, they are `array_length(array_distinct(l))` and `array_sum(array_distinct(m))` over the arrays
//! `l` and `m` of all `a` and `b` of a group. `avg(x)` beside `count(DISTINCT a)` is `sum(x) / count(x)`, which can be put together from
//! parts.
//!
//! Invariants: what is left to the planner in one grouping is DISTINCT of one argument, without FILTER, beside aggregates that can
//! be merged.
//!
//! Does not: change anything where no aggregate is DISTINCT.

use gobi_grammar::ast::Span;

use super::coerce::cast;
use super::{Binder, Bound, Reported};
use crate::plan::logical::{
    Aggregate, AggregateFunction as F, ArithOp, ChainStep, ColumnId, Expr, ExprKind, JoinKind, Plan,
};
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
    /// Groups rows; what is over distinct values of other arguments than the rest has a grouping of its own.
    pub(super) fn group_by_argument(
        &mut self,
        input: Plan,
        keys: Vec<(ColumnId, Expr)>,
        aggregates: Vec<(ColumnId, Aggregate)>,
    ) -> Plan {
        let parts = match is_planned(&aggregates) {
            true => vec![aggregates],
            false => by_argument(aggregates),
        };
        let mut parts = parts.into_iter();
        let group = |keys: &[(ColumnId, Expr)], aggregates| Plan::Aggregate {
            input: Box::new(input.clone()),
            keys: keys.to_vec(),
            aggregates,
        };
        let first = group(&keys, parts.next().unwrap_or_default());
        parts.fold(first, |left, aggregates| {
            let mut joined = Vec::with_capacity(keys.len());
            let mut own = Vec::with_capacity(keys.len());
            for (id, key) in &keys {
                let again = self.new_column("key", key.ty.clone(), true);
                own.push((again, key.clone()));
                joined.push((
                    Expr::column(*id, key.ty.clone(), key.span),
                    Expr::column(again, key.ty.clone(), key.span),
                ));
            }
            Plan::Join {
                kind: JoinKind::Inner,
                left: Box::new(left),
                right: Box::new(group(&own, aggregates)),
                keys: joined,
                null_equal: true,
                residual: Vec::new(),
            }
        })
    }

    /// Rewrites what the planner cannot compute; `again`: the rows may be grouped more than once.
    pub(super) fn rewrite_distinct(&mut self, aggregates: Vec<(ColumnId, Aggregate)>, again: bool) -> Bound<Rewritten> {
        let mut out = Rewritten {
            aggregates: Vec::with_capacity(aggregates.len()),
            made: Vec::new(),
        };
        if !aggregates.iter().any(|(_, a)| a.distinct) {
            out.aggregates = aggregates;
            return Ok(out);
        }
        let planned = is_planned(&aggregates);
        let filtered = aggregates.iter().any(|(_, a)| a.distinct && a.filter.is_some());
        let by_lists = !planned && (filtered || !again);
        for (id, aggregate) in aggregates {
            match (aggregate.distinct, aggregate.function) {
                (true, _) if by_lists => self.over_list(id, aggregate, &mut out)?,
                (false, F::Avg) if planned => self.quotient_of_parts(id, &aggregate, &mut out),
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
            F::List | F::Bag => values,
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
    fn quotient_of_parts(&mut self, id: ColumnId, aggregate: &Aggregate, out: &mut Rewritten) {
        let Some((sum, count)) = parts_of_mean(aggregate) else {
            return;
        };
        let mut part = |aggregate: Aggregate, name| {
            let ty = aggregate.ty.clone();
            let id = self.new_column(name, ty.clone(), true);
            out.aggregates.push((id, aggregate));
            Expr::column(id, ty, Span::default())
        };
        let (sum, count) = (part(sum, "sum"), part(count, "count"));
        out.made.push((id, quotient(sum, count, Span::default())));
    }
}

/// The sum and the count that a mean is the quotient of.
pub(super) fn parts_of_mean(aggregate: &Aggregate) -> Option<(Aggregate, Aggregate)> {
    let arg = aggregate.arg.as_ref().filter(|_| aggregate.function == F::Avg)?;
    let sum = match &arg.ty {
        LogicalType::Decimal { scale, .. } => LogicalType::Decimal {
            precision: 38,
            scale: *scale,
        },
        ty if ty.is_float() => LogicalType::Double,
        _ => LogicalType::HugeInt,
    };
    let part = |function, ty| Aggregate {
        function,
        ty,
        ..aggregate.clone()
    };
    Some((part(F::Sum, sum), part(F::Count, LogicalType::BigInt)))
}

/// The quotient as a double; NULL where the sum is.
pub(super) fn quotient(sum: Expr, count: Expr, span: Span) -> Expr {
    let double = LogicalType::Double;
    // Without a value the sum is NULL, and the quotient is not computed.
    let none = ExprKind::IsNull {
        expr: Box::new(sum.clone()),
        negated: false,
    };
    let kind = ExprKind::Chain {
        first: Box::new(cast(sum, &double)),
        rest: vec![ChainStep {
            op: ArithOp::Div,
            left_ty: double.clone(),
            operand: cast(count, &double),
            ty: double.clone(),
            span,
        }],
    };
    let quotient = Expr {
        kind,
        ty: double.clone(),
        span,
    };
    let kind = ExprKind::Case {
        arms: vec![(
            Expr::boolean(none, span),
            Expr::literal(Value::Null, double.clone(), span),
        )],
        otherwise: Box::new(quotient),
    };
    Expr { kind, ty: double, span }
}

/// Whether the same rows come when a plan is run a second time.
pub(super) fn can_be_run_again(plan: &Plan, keys: &[(ColumnId, Expr)]) -> bool {
    fn changes(expr: &Expr) -> bool {
        let mut changes = expr.is_volatile();
        expr.visit(&mut |part| changes |= matches!(part.kind, ExprKind::Routine { .. }));
        changes
    }
    fn varies(plan: &Plan) -> bool {
        let mut any = matches!(plan, Plan::Limit { .. });
        plan.for_each_expr(&mut |expr| any |= changes(expr));
        any || plan.children().into_iter().any(varies)
    }
    !varies(plan) && !keys.iter().any(|(_, key)| changes(key)) && plan.free_columns().is_empty()
}

/// Those over all values first, then those over distinct values of each argument.
fn by_argument(aggregates: Vec<(ColumnId, Aggregate)>) -> Vec<Vec<(ColumnId, Aggregate)>> {
    let (distinct, rest): (Vec<_>, Vec<_>) = aggregates.into_iter().partition(|(_, a)| a.distinct);
    let mut parts: Vec<Vec<(ColumnId, Aggregate)>> = Vec::new();
    for (id, aggregate) in distinct {
        let same = |part: &&mut Vec<(ColumnId, Aggregate)>| part.iter().all(|(_, a)| a.arg == aggregate.arg);
        match parts.iter_mut().find(same) {
            Some(part) => part.push((id, aggregate)),
            None => parts.push(vec![(id, aggregate)]),
        }
    }
    if !rest.is_empty() {
        parts.insert(0, rest);
    }
    parts
}

/// Two aggregations are enough: one distinct argument, no filter on it, and nothing beside it that cannot be merged.
fn is_planned(aggregates: &[(ColumnId, Aggregate)]) -> bool {
    let distinct = || aggregates.iter().map(|(_, a)| a).filter(|a| a.distinct);
    let first = distinct().next().and_then(|a| a.arg.as_ref());
    distinct().all(|a| a.filter.is_none() && a.arg.is_some() && a.arg.as_ref() == first)
        && aggregates
            .iter()
            .all(|(_, a)| !matches!(a.function, F::List | F::Bag | F::ExactSum) || a.distinct)
}
