//! LATERAL: relations of FROM that use columns of those before them.
//!
//! `t, LATERAL (SELECT x FROM u WHERE u.k = t.k ORDER BY x LIMIT 2) AS b` is `t` joined on `t.k = u.k` with the rows of `u` whose number
//! within their `k` is at most 2; `t, LATERAL (SELECT t.a + 1 AS b)` is a projection of `t`.
//!
//! What works on rows one by one is done over the rows before it, as if it stood behind a join with them. What looks at several rows is
//! decorrelated as a subquery of an expression is, for the distinct values that these rows have; see [`super::domain`].
//!
//! Invariants: a plan that comes out mentions no column of the left side that it does not produce.
//!
//! Does not: say which names LATERAL sees; they are in [`Binder::outer`] by then.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, TableRefKind as T};

use super::decorrelate::{self, Blocked, Pulled, or_zero};
use super::domain;
use super::from::cross;
use super::scope::Scope;
use super::subquery::{Joined, keyed};
use super::{Binder, Bound};
use crate::plan::logical::{AggregateFunction as F, ColumnId, Expr, JoinKind, Plan};

impl<'a> Binder<'a> {
    /// A relation that sees the columns of those before it.
    pub(super) fn lateral_ref(
        &mut self,
        left: &Plan,
        left_scope: &Scope,
        table: &'a ast::TableRef,
    ) -> Bound<(Plan, Scope)> {
        self.declare_nullable(left);
        let before = std::mem::take(&mut self.beside);
        let mut reach = Scope::default();
        before
            .iter()
            .chain([left_scope])
            .for_each(|scope| reach.extend(scope.clone()));
        self.outer.push(reach);
        let bound = self.table_ref(table);
        self.outer.pop();
        self.beside = before;
        bound
    }

    /// A relation in which LATERAL may stand and see the columns of those before it.
    pub(super) fn sibling_ref(
        &mut self,
        left: &Plan,
        left_scope: &Scope,
        table: &'a ast::TableRef,
    ) -> Bound<(Plan, Scope)> {
        if !matches!(table.kind, T::Join(_)) {
            return self.table_ref(table);
        }
        self.declare_nullable(left);
        self.beside.push(left_scope.clone());
        let bound = self.table_ref(table);
        self.beside.pop();
        bound
    }

    /// Whoever sees these columns from within has to know that they may be NULL here, if only here.
    pub(super) fn declare_nullable(&mut self, plan: &Plan) {
        for id in self.nullable_columns(plan) {
            if let Some(info) = self.columns.get_mut(id.0 as usize) {
                info.nullable = true;
            }
        }
    }

    /// The rows of `left`, each with those that `right` has for it, where `on` is true.
    pub(super) fn join_dependent(
        &mut self,
        kind: ast::JoinKind,
        (left, mut right): (Plan, Plan),
        mut on: Vec<Expr>,
        span: Span,
    ) -> Bound<Plan> {
        self.attached += 1;
        if matches!(kind, ast::JoinKind::Left | ast::JoinKind::Semi | ast::JoinKind::Anti) {
            let own = left.output_set();
            let decides = |e: &&Expr| e.within(&own) && !e.is_volatile();
            let conditions: Vec<Expr> = on.iter().filter(decides).cloned().collect();
            if !conditions.is_empty() {
                call_only_if(&mut right, &Expr::and(conditions, span));
            }
        }
        self.last_subquery = span;
        on.retain(|e| e.as_literal() != Some(&crate::types::Value::Boolean(true)));
        let joined = match kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => {
                self.beside_each(left, right, span).map(|plan| plan.filtered(on))
            }
            ast::JoinKind::Left if on.is_empty() && has_one_row(&right) => self.beside_each(left, right, span),
            ast::JoinKind::Left => self.joined_on(JoinKind::Left, left, right, on, span),
            ast::JoinKind::Semi => self.joined_on(JoinKind::Semi, left, right, on, span),
            ast::JoinKind::Anti => self.joined_on(JoinKind::Anti, left, right, on, span),
            ast::JoinKind::Right | ast::JoinKind::Full | ast::JoinKind::AsOf => {
                let message = "the right side of such a join cannot use columns of the left one";
                let help = "write `JOIN LATERAL` or `LEFT JOIN LATERAL`";
                return self.fail(Diagnostic::new("42P10", span, message).with_help(help));
            }
        };
        joined.or_else(|blocked| self.blocked(blocked, span))
    }

    fn joined_on(
        &mut self,
        kind: JoinKind,
        left: Plan,
        right: Plan,
        on: Vec<Expr>,
        span: Span,
    ) -> Result<Plan, Blocked> {
        let (left, mut pulled) = self.for_rows(left, right, false, span)?;
        pulled.predicates.extend(on);
        Ok(joined(left, keyed(kind, pulled)))
    }

    /// Each row of `left` with the rows that `right` has for it.
    fn beside_each(&mut self, left: Plan, right: Plan, span: Span) -> Result<Plan, Blocked> {
        let own = left.output_set();
        if right.free_columns().is_disjoint(&own) {
            return Ok(cross(left, right));
        }
        match right {
            Plan::Filter { input, predicates } => Ok(self.beside_each(left, *input, span)?.filtered(predicates)),
            Plan::Project { input, columns } => {
                let columns = self.with_columns_of(&left, columns);
                let input = Box::new(self.beside_each(left, *input, span)?);
                Ok(Plan::Project { input, columns })
            }
            Plan::Values { columns, mut rows } if rows.len() == 1 => {
                let made = columns.into_iter().zip(rows.pop().unwrap_or_default()).collect();
                let columns = self.with_columns_of(&left, made);
                let input = Box::new(left);
                Ok(Plan::Project { input, columns })
            }
            Plan::Sort { input, .. } => self.beside_each(left, *input, span),
            Plan::Unnest {
                input,
                array,
                element,
                position,
            } => {
                let input = self.beside_each(left, *input, span)?;
                Ok(self.unnested(input, array, (element, position)))
            }
            Plan::Called { input, call } => {
                let input = Box::new(self.beside_each(left, *input, span)?);
                Ok(Plan::Called { input, call })
            }
            Plan::Join { .. } => self.beside_join(left, right, &own, span),
            _ if decorrelate::is_global_aggregate(&right) => self.beside_group(left, right, span),
            _ => self.joined_on(JoinKind::Inner, left, right, Vec::new(), span),
        }
    }

    /// A join of which one side depends on the rows before it.
    fn beside_join(&mut self, rows: Plan, join: Plan, own: &HashSet<ColumnId>, span: Span) -> Result<Plan, Blocked> {
        let Plan::Join {
            kind,
            left,
            right,
            keys,
            null_equal,
            residual,
        } = join
        else {
            return Err(Blocked("this operator"));
        };
        let depends = |plan: &Plan| !plan.free_columns().is_disjoint(own);
        let key_depends = keys.iter().any(|(_, r)| !r.columns().is_disjoint(own));
        let is_simple = !matches!(kind, JoinKind::Full | JoinKind::NullAwareAnti);
        let (left, right) = match (depends(&left), depends(&right)) {
            (_, false) if is_simple && !key_depends => (self.beside_each(rows, *left, span)?, *right),
            (false, true) if kind == JoinKind::Inner && !key_depends => {
                let right = self.beside_each(rows, *right, span)?;
                let sides = keys.into_iter().map(|(l, r)| (r, l)).collect();
                return Ok(Plan::Join {
                    kind,
                    left: Box::new(right),
                    right: left,
                    keys: sides,
                    null_equal,
                    residual,
                });
            }
            _ => {
                let join = Plan::Join {
                    kind,
                    left,
                    right,
                    keys,
                    null_equal,
                    residual,
                };
                return self.joined_on(JoinKind::Inner, rows, join, Vec::new(), span);
            }
        };
        let (left, right) = (Box::new(left), Box::new(right));
        Ok(Plan::Join {
            kind,
            left,
            right,
            keys,
            null_equal,
            residual,
        })
    }

    /// An aggregate without keys has a row for each of the rows before it, whatever is below.
    fn beside_group(&mut self, left: Plan, mut group: Plan, span: Span) -> Result<Plan, Blocked> {
        let mut made = Vec::new();
        if let Plan::Aggregate { aggregates, .. } = &mut group {
            for (id, aggregate) in aggregates {
                let info = self.info(*id).clone();
                let computed = self.new_column(info.name, info.ty, true);
                let value = self.column_expr(computed, span);
                let is_count = matches!(aggregate.function, F::Count | F::ExactSum);
                made.push((*id, if is_count { or_zero(value) } else { value }));
                *id = computed;
            }
        }
        let columns = self.with_columns_of(&left, made);
        let (left, pulled) = self.for_rows(left, group, true, span)?;
        let input = Box::new(joined(left, keyed(JoinKind::Left, pulled)));
        Ok(Plan::Project { input, columns })
    }

    /// The rows before, a plan without their columns, and what it is to be joined on: by moving predicates if that is enough, else for the
    /// distinct values of these columns.
    fn for_rows(&mut self, left: Plan, right: Plan, lacks: bool, span: Span) -> Result<(Plan, Pulled), Blocked> {
        match decorrelate::pull(self, right.clone(), lacks) {
            Ok(pulled) => Ok((left, pulled)),
            Err(_) => domain::for_rows(self, left, right, lacks, span),
        }
    }

    /// The columns of a plan, and more.
    pub(super) fn with_columns_of(&self, plan: &Plan, more: Vec<(ColumnId, Expr)>) -> Vec<(ColumnId, Expr)> {
        let column = |id| (id, self.column_expr(id, Span::default()));
        plan.output().into_iter().map(column).chain(more).collect()
    }

    /// The elements of an array beside the rows that have it.
    pub(super) fn unnested(&mut self, input: Plan, array: Expr, (element, position): (ColumnId, ColumnId)) -> Plan {
        let (input, array) = self.stored(input, array);
        Plan::Unnest {
            input: Box::new(input),
            array,
            element,
            position,
        }
    }
}

fn joined(left: Plan, join: Joined) -> Plan {
    Plan::Join {
        kind: join.kind,
        left: Box::new(left),
        right: Box::new(join.right),
        keys: join.keys,
        null_equal: join.null_equal,
        residual: join.residual,
    }
}

/// Makes the calls of a plan only where a condition of the rows before it is true.
fn call_only_if(plan: &mut Plan, condition: &Expr) {
    if let Plan::Called { call, .. } = plan {
        let before = call.only_if.take();
        call.only_if = Some(Expr::and(
            before.into_iter().chain([condition.clone()]).collect(),
            call.span,
        ));
    }
    for child in plan.children_mut() {
        call_only_if(child, condition);
    }
}

/// Whether a plan has exactly one row, whatever it reads.
fn has_one_row(plan: &Plan) -> bool {
    match plan {
        Plan::Project { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Window { input, .. }
        | Plan::Called { input, .. } => has_one_row(input),
        Plan::Values { rows, .. } => rows.len() == 1,
        other => decorrelate::is_global_aggregate(other),
    }
}
