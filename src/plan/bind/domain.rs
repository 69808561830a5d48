//! Decorrelation in general: the subquery is computed for every combination of values that its outer columns have.
//!
//! `(SELECT count(*) FROM nation WHERE n_regionkey < r_regionkey)` over `region`: with `d` the distinct `r_regionkey`s, the subquery
//! becomes `SELECT d, count(*) FROM d JOIN nation ON n_regionkey < d GROUP BY d`, to be joined on `r_regionkey = d`.
//!
//! After Neumann and Kemper, "Unnesting Arbitrary Queries", 2015. The domain `d` is the block's FROM bound once more, without
//! its filters: a superset of the values needed is as right, and the join with it drops the rest. Where functions are called in the
//! subquery it is not as right: then the domain is a copy of the rows that the subquery is joined with, as soon as these are known.
//!
//! Invariants: the result produces one column for each outer column and mentions none of those.
//!
//! LIMIT is then a number within the rows of a combination, and a window function sees the rows of its combination.
//!
//! Does not: handle full joins.

use std::collections::{HashMap, HashSet};

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::decorrelate::{self, Blocked, Pulled, or_zero};
use super::from::cross;
use super::scope::Scope;
use super::{Binder, Reported};
use crate::plan::logical::{AggregateFunction as F, ColumnId, CompareOp, Each, Expr, ExprKind, JoinKind, Plan};

/// The rows of the block depend on others themselves.
pub(super) const OUTER_ROWS: Blocked = Blocked("outer references across several levels");

/// Outer column → the column that stands for it.
type Renames = HashMap<ColumnId, ColumnId>;

/// Where the values of the outer columns come from.
pub(super) struct Source<'s, 'a> {
    /// What has them.
    pub(super) rows: Rows<'s, 'a>,
    /// The columns that the subquery takes from it.
    pub(super) outer: Vec<ColumnId>,
    /// Those of them that are never NULL.
    pub(super) present: HashSet<ColumnId>,
    /// An aggregate without keys that the subquery is need not have a row where there is none below.
    pub(super) lacks: bool,
}

/// Rows that have the values of the outer columns.
pub(super) enum Rows<'s, 'a> {
    /// Those of the block's FROM, with its scope.
    From(&'a [ast::TableRef], &'s Scope),
    /// A copy of these; the values are expressions of them.
    Copy(&'s Plan, &'s Each),
}

/// The subquery for all combinations, and what it is to be joined on.
pub(super) fn unnest<'a>(binder: &mut Binder<'a>, plan: Plan, source: &Source<'_, 'a>) -> Result<Pulled, Blocked> {
    let lacks = source.lacks;
    let (plan, renames) = Unnesting { binder, source, lacks }.apply(plan)?;
    let mut predicates = Vec::with_capacity(source.outer.len());
    for outer in &source.outer {
        let inner = *renames.get(outer).ok_or(Blocked("this outer reference"))?;
        let (outer_expr, inner_expr) = (
            binder.column_expr(*outer, Span::default()),
            binder.column_expr(inner, Span::default()),
        );
        predicates.push(Expr::compare(equality(source), outer_expr, inner_expr));
    }
    Ok(Pulled { plan, predicates })
}

/// NULL is a value of the domain like others.
fn equality(source: &Source<'_, '_>) -> CompareOp {
    match source.outer.iter().all(|outer| source.present.contains(outer)) {
        true => CompareOp::Eq,
        false => CompareOp::NotDistinct,
    }
}

/// The rows before a relation that uses columns of theirs, and that relation for the distinct values which these have.
pub(super) fn for_rows(
    binder: &mut Binder<'_>,
    left: Plan,
    right: Plan,
    lacks: bool,
    span: Span,
) -> Result<(Plan, Pulled), Blocked> {
    let own = left.output_set();
    let mut outer: Vec<ColumnId> = right.free_columns().intersection(&own).copied().collect();
    outer.sort_unstable();
    binder.declare_nullable(&left);
    let nullable = binder.nullable_columns(&left);
    let present = outer.iter().copied().filter(|id| !nullable.contains(id)).collect();
    let wanted = outer.iter().copied().collect();
    let (left, values) = binder.rows_and_values(left, &wanted, decorrelate::has_calls(&right))?;
    let value = |id: &ColumnId| (*id, binder.column_expr(*id, span), *id);
    let each = Each {
        values: outer.iter().map(value).collect(),
        only_if: None,
        lacks,
        span,
    };
    let source = Source {
        rows: Rows::Copy(&values, &each),
        present,
        outer,
        lacks,
    };
    let pulled = unnest(binder, right, &source)?;
    Ok((left, pulled))
}

/// Both sides of a join with a plan; what the right one is to compute for values of that plan's rows, is.
pub(super) fn for_each(binder: &mut Binder<'_>, left: Plan, mut right: Plan) -> (Plan, Plan) {
    let mut span = None;
    first_place(&right, &mut span);
    let Some(span) = span else { return (left, right) };
    let mut wanted = HashSet::new();
    for_each_value(&mut right, &mut |value| value.add_columns(&mut wanted));
    let columns = left.output();
    let (left, rows) = match binder.rows_and_values(left, &wanted, true) {
        Ok(both) => both,
        Err(blocked) => {
            binder.errors.push(refused(&blocked, span));
            let rows = Vec::new();
            return (Plan::Values { columns, rows }, right);
        }
    };
    let mut errors = Vec::new();
    right.rewrite(&mut |part| {
        let (input, each) = match part {
            Plan::ForEach { input, each } => (input.take(), each.clone()),
            _ => return,
        };
        match for_each_of(binder, &rows, input, &each) {
            Ok(plan) => *part = plan,
            Err(blocked) => errors.push(refused(&blocked, each.span)),
        }
    });
    binder.errors.extend(errors);
    (left, right)
}

fn refused(Blocked(what): &Blocked, span: Span) -> Diagnostic {
    let message = format!("a correlated subquery with {what} is not supported yet");
    Diagnostic::new("0A000", span, message)
}

/// Calls `f` on the values of a block that a subquery is computed for, and on what says for which rows.
pub(super) fn for_each_value(plan: &mut Plan, f: &mut dyn FnMut(&mut Expr)) {
    match plan {
        Plan::ForEach { each, .. } => each.for_each_expr_mut(f),
        _ => plan
            .children_mut()
            .into_iter()
            .for_each(|child| for_each_value(child, f)),
    }
}

/// Where the first subquery is written that is computed for values.
fn first_place(plan: &Plan, found: &mut Option<Span>) {
    match plan {
        Plan::ForEach { each, .. } => _ = found.get_or_insert(each.span),
        _ => plan.children().into_iter().for_each(|child| first_place(child, found)),
    }
}

fn for_each_of(binder: &mut Binder<'_>, rows: &Plan, input: Plan, each: &Each) -> Result<Plan, Blocked> {
    let rows = rows.clone().filtered(each.only_if.iter().cloned().collect());
    let never_null = each.values.iter().filter(|(_, _, held)| !binder.info(*held).nullable);
    let source = Source {
        present: never_null.map(|(of, ..)| *of).collect(),
        outer: each.values.iter().map(|(of, ..)| *of).collect(),
        rows: Rows::Copy(&rows, each),
        lacks: each.lacks,
    };
    let made = input.output();
    let (input, renames) = Unnesting {
        binder,
        source: &source,
        lacks: each.lacks,
    }
    .apply(input)?;
    let mut columns: Vec<(ColumnId, Expr)> = Vec::with_capacity(made.len() + each.values.len());
    columns.extend(made.into_iter().map(|id| (id, binder.column_expr(id, each.span))));
    for (of, _, held) in &each.values {
        let value = *renames.get(of).ok_or(Blocked("this outer reference"))?;
        columns.push((*held, binder.column_expr(value, each.span)));
    }
    let input = Box::new(input);
    Ok(Plan::Project { input, columns })
}

/// Whether a plan may have other rows each time.
pub(super) fn varies(plan: &Plan) -> bool {
    let mut any = false;
    plan.for_each_expr(&mut |e| any |= e.is_volatile());
    any || plan.children().into_iter().any(varies)
}

/// The same plan with columns of its own, and those by the old ones.
pub(super) fn copied(binder: &mut Binder<'_>, plan: &Plan) -> (Plan, Renames) {
    fn add_made(plan: &Plan, made: &mut Vec<ColumnId>) {
        made.extend(plan.output());
        plan.children().into_iter().for_each(|child| add_made(child, made));
    }
    let mut made = Vec::new();
    add_made(plan, &mut made);
    made.sort_unstable();
    made.dedup();
    let new = |id: ColumnId| {
        let info = binder.info(id).clone();
        (id, binder.new_column(info.name, info.ty, info.nullable))
    };
    let renames: Renames = made.into_iter().map(new).collect();
    let mut plan = plan.clone();
    plan.for_each_column_mut(&mut |id| {
        if let Some(new) = renames.get(id) {
            *id = *new;
        }
    });
    (plan, renames)
}

struct Unnesting<'u, 's, 'a, 'b> {
    binder: &'u mut Binder<'a>,
    source: &'b Source<'s, 'a>,
    /// What comes next is the outermost operator, and need not have all of its rows.
    lacks: bool,
}

impl Unnesting<'_, '_, '_, '_> {
    /// The plan for all combinations.
    fn apply(&mut self, plan: Plan) -> Result<(Plan, Renames), Blocked> {
        let lacks = std::mem::take(&mut self.lacks);
        if !self.mentions_outer(&plan) {
            let (domain, renames) = self.domain()?;
            return Ok((cross(domain, plan), renames));
        }
        match plan {
            Plan::Filter { input, mut predicates } => {
                let (input, renames) = self.apply(*input)?;
                predicates.iter_mut().for_each(|e| rename(e, &renames));
                Ok((input.filtered(predicates), renames))
            }
            Plan::Project { input, mut columns } => {
                let (input, renames) = self.apply(*input)?;
                columns.iter_mut().for_each(|(_, e)| rename(e, &renames));
                columns.extend(self.passed_on(&renames));
                let input = Box::new(input);
                Ok((Plan::Project { input, columns }, renames))
            }
            Plan::Aggregate {
                input,
                mut keys,
                mut aggregates,
            } => {
                let is_global = keys.is_empty() && !lacks;
                let (input, renames) = self.apply(*input)?;
                keys.iter_mut().for_each(|(_, e)| rename(e, &renames));
                for (_, aggregate) in &mut aggregates {
                    aggregate.for_each_expr_mut(&mut |e| rename(e, &renames));
                }
                keys.extend(self.passed_on(&renames));
                let grouped = Plan::Aggregate {
                    input: Box::new(input),
                    keys,
                    aggregates,
                };
                match is_global {
                    true => self.with_empty_groups(grouped, &renames),
                    false => Ok((grouped, renames)),
                }
            }
            Plan::Sort { input, .. } => self.apply(*input),
            Plan::Join { .. } => self.join(plan),
            Plan::UnionAll { columns, inputs } => self.union(columns, inputs),
            Plan::Values { columns, rows } => self.values(columns, rows),
            Plan::Called { input, mut call } => {
                let (input, renames) = self.apply(*input)?;
                call.for_each_expr_mut(&mut |e| rename(e, &renames));
                let input = Box::new(input);
                Ok((Plan::Called { input, call }, renames))
            }
            Plan::Limit { .. } | Plan::Unnest { .. } | Plan::Window { .. } => self.within_each(plan),
            Plan::ForEach { .. } => Err(Blocked("this operator")),
            Plan::Scan { .. } | Plan::Range { .. } | Plan::Recursive { .. } => Err(Blocked("this relation")),
        }
    }

    /// What looks at the rows of a combination.
    fn within_each(&mut self, plan: Plan) -> Result<(Plan, Renames), Blocked> {
        match plan {
            Plan::Limit { input, limit, offset } => {
                let order = decorrelate::order_of(&input);
                let (input, renames) = self.apply(*input)?;
                let each = self.passed_on(&renames).into_iter().map(|(_, column)| column);
                let rows = self.binder.some_of_each(input, each.collect(), order, (limit, offset));
                Ok((rows, renames))
            }
            Plan::Unnest {
                input,
                mut array,
                element,
                position,
            } => {
                let (input, renames) = self.apply(*input)?;
                rename(&mut array, &renames);
                Ok((self.binder.unnested(input, array, (element, position)), renames))
            }
            Plan::Window {
                input,
                mut partition,
                order,
                calls,
            } => {
                let (input, renames) = self.apply(*input)?;
                partition.extend(self.passed_on(&renames).into_iter().map(|(id, _)| id));
                let window = Plan::Window {
                    input: Box::new(input),
                    partition,
                    order,
                    calls,
                };
                Ok((window, renames))
            }
            _ => Err(Blocked("this operator")),
        }
    }

    fn mentions_outer(&self, plan: &Plan) -> bool {
        let free = plan.free_columns();
        self.source.outer.iter().any(|id| free.contains(id))
    }

    /// The distinct combinations of the outer columns' values.
    fn domain(&mut self) -> Result<(Plan, Renames), Blocked> {
        let (from, scope) = match self.source.rows {
            Rows::From(from, scope) => (from, scope),
            Rows::Copy(rows, each) => return Ok(self.domain_of(rows, each)),
        };
        let around = scope;
        let bound = self.binder.bind_from(from);
        let (plan, scope) = bound.map_err(|Reported| Blocked("this outer reference"))?;
        if !plan.free_columns().is_empty() {
            return Err(OUTER_ROWS);
        }
        let mut renames = Renames::new();
        for (old, new) in around.columns.iter().zip(&scope.columns) {
            renames.insert(old.id, new.id);
            renames.entry(old.bare_id()).or_insert(new.bare_id());
        }
        renames.retain(|old, _| self.source.outer.contains(old));
        let mut keys = self.passed_on(&renames);
        keys.dedup_by_key(|(id, _)| *id);
        let plan = Plan::Aggregate {
            input: Box::new(plan),
            keys,
            aggregates: Vec::new(),
        };
        Ok((plan, renames))
    }

    /// The distinct combinations of values of a plan's rows.
    fn domain_of(&mut self, rows: &Plan, each: &Each) -> (Plan, Renames) {
        let (plan, copies) = copied(self.binder, rows);
        let (mut renames, mut keys) = (Renames::new(), Vec::new());
        for (of, value, held) in &each.values {
            let mut value = value.clone();
            rename(&mut value, &copies);
            let info = self.binder.info(*held).clone();
            let id = self.binder.new_column(info.name, info.ty, info.nullable);
            keys.push((id, value));
            renames.insert(*of, id);
        }
        let plan = Plan::Aggregate {
            input: Box::new(plan),
            keys,
            aggregates: Vec::new(),
        };
        (plan, renames)
    }

    /// The domain's columns, unchanged, in a fixed order.
    fn passed_on(&self, renames: &Renames) -> Vec<(ColumnId, Expr)> {
        let mut ids: Vec<ColumnId> = renames.values().copied().collect();
        ids.sort_unstable();
        ids.into_iter()
            .map(|id| (id, self.binder.column_expr(id, Span::default())))
            .collect()
    }

    /// A row for each combination, where there is none in a group too: an aggregate without keys has one whatever is below.
    fn with_empty_groups(&mut self, grouped: Plan, renames: &Renames) -> Result<(Plan, Renames), Blocked> {
        let Plan::Aggregate {
            input,
            keys,
            mut aggregates,
        } = grouped
        else {
            return Err(Blocked("this operator"));
        };
        let (domain, own) = self.domain()?;
        let mut columns = self.passed_on(&own);
        for (id, aggregate) in &mut aggregates {
            let info = self.binder.info(*id).clone();
            let computed = self.binder.new_column(info.name, info.ty, true);
            let value = self.binder.column_expr(computed, Span::default());
            let is_count = matches!(aggregate.function, F::Count | F::ExactSum);
            columns.push((*id, if is_count { or_zero(value) } else { value }));
            *id = computed;
        }
        let pairs = self.same_combination(&own, renames);
        let inner: HashSet<ColumnId> = renames.values().copied().collect();
        let keys_of = pairs.iter().filter_map(|pair| decorrelate::sides(pair, &inner));
        let joined = Plan::Join {
            kind: JoinKind::Left,
            left: Box::new(domain),
            keys: keys_of.collect(),
            right: Box::new(Plan::Aggregate {
                input,
                keys,
                aggregates,
            }),
            null_equal: equality(self.source) == CompareOp::NotDistinct,
            residual: Vec::new(),
        };
        let input = Box::new(joined);
        Ok((Plan::Project { input, columns }, own))
    }

    fn join(&mut self, plan: Plan) -> Result<(Plan, Renames), Blocked> {
        let Plan::Join {
            kind,
            left,
            right,
            mut keys,
            null_equal,
            mut residual,
        } = plan
        else {
            return Err(Blocked("this operator"));
        };
        if matches!(kind, JoinKind::Full | JoinKind::NullAwareAnti) {
            return Err(Blocked("a full join or NOT IN inside"));
        }
        let in_left = self.mentions_outer(&left);
        let in_right = self.mentions_outer(&right);
        let inner = kind == JoinKind::Inner;
        let (left, right, renames) = if inner && in_right && !in_left {
            let (right, renames) = self.apply(*right)?;
            (*left, right, renames)
        } else {
            let (left, renames) = self.apply(*left)?;
            let right = match in_right {
                false => *right,
                true => {
                    let (right, others) = self.apply(*right)?;
                    residual.extend(self.same_combination(&renames, &others));
                    right
                }
            };
            (left, right, renames)
        };
        keys.iter_mut().for_each(|(l, r)| {
            rename(l, &renames);
            rename(r, &renames);
        });
        residual.iter_mut().for_each(|e| rename(e, &renames));
        let joined = Plan::Join {
            kind,
            left: Box::new(left),
            right: Box::new(right),
            keys,
            null_equal,
            residual,
        };
        Ok((joined, renames))
    }

    fn same_combination(&self, left: &Renames, right: &Renames) -> Vec<Expr> {
        let mut outer: Vec<&ColumnId> = left.keys().collect();
        outer.sort_unstable();
        let pair = |id: &ColumnId| {
            let column = |renames: &Renames| self.binder.column_expr(renames[id], Span::default());
            right
                .contains_key(id)
                .then(|| Expr::compare(equality(self.source), column(left), column(right)))
        };
        outer.into_iter().filter_map(pair).collect()
    }

    fn union(
        &mut self,
        columns: Vec<ColumnId>,
        inputs: Vec<(Plan, Vec<ColumnId>)>,
    ) -> Result<(Plan, Renames), Blocked> {
        let mut renames = Renames::new();
        let mut outer = self.source.outer.clone();
        outer.sort_unstable();
        let mut all = columns;
        for id in &outer {
            let info = self.binder.info(*id).clone();
            let new = self.binder.new_column(info.name, info.ty, true);
            renames.insert(*id, new);
            all.push(new);
        }
        let mut made = Vec::with_capacity(inputs.len());
        for (input, mut taken) in inputs {
            let (input, own) = self.apply(input)?;
            for id in &outer {
                taken.push(*own.get(id).ok_or(Blocked("this outer reference"))?);
            }
            made.push((input, taken));
        }
        let union = Plan::UnionAll {
            columns: all,
            inputs: made,
        };
        Ok((union, renames))
    }

    /// One row, with columns of its own.
    fn row(&mut self, columns: &[ColumnId], row: Vec<Expr>) -> (Plan, Vec<ColumnId>) {
        let own = columns.iter().map(|id| {
            let info = self.binder.info(*id).clone();
            self.binder.new_column(info.name, info.ty, true)
        });
        let columns: Vec<ColumnId> = own.collect();
        let plan = Plan::Values {
            columns: columns.clone(),
            rows: vec![row],
        };
        (plan, columns)
    }

    /// One row of expressions over outer columns is a projection of the domain.
    fn values(&mut self, columns: Vec<ColumnId>, mut rows: Vec<Vec<Expr>>) -> Result<(Plan, Renames), Blocked> {
        if rows.len() > 1 {
            let inputs = rows.into_iter().map(|row| self.row(&columns, row)).collect();
            return self.union(columns, inputs);
        }
        let row = rows.pop().unwrap_or_default();
        let (domain, renames) = self.domain()?;
        let mut made: Vec<(ColumnId, Expr)> = columns.into_iter().zip(row).collect();
        made.iter_mut().for_each(|(_, e)| rename(e, &renames));
        made.extend(self.passed_on(&renames));
        let plan = Plan::Project {
            input: Box::new(domain),
            columns: made,
        };
        Ok((plan, renames))
    }
}

fn rename(expr: &mut Expr, renames: &Renames) {
    expr.rewrite(&mut |e| {
        if let Some(new) = e.as_column().and_then(|id| renames.get(&id)) {
            e.kind = ExprKind::Column(*new);
        }
    });
}
