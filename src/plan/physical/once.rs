//! Columns that are another value each time they are computed, and which a pipeline would compute more than once for a row.
//!
//! In `SELECT min(r) FROM (SELECT random() AS r FROM t) WHERE r > 0.5` the filter and the aggregate mention `r`: the projection that
//! computes it ends a pipeline, and the filter reads what that has kept. `SELECT … FROM t WHERE random() < 0.01` mentions its number once,
//! and keeps nothing.
//!
//! Invariants: what is computed in a pipeline without being kept is computed at most once for each row of the projection.
//!
//! Does not: cut pipelines (the builder does, where this says so).

use std::collections::HashMap;

use super::{Binding, PhysicalPlan, Pipeline, Sink, Step};
use crate::plan::logical::{ColumnId, Expr, JoinKind};

/// What an expression counts that is computed more than once for a row.
const SEVERAL: usize = 2;

/// A column of those made by volatile expressions, each behind so many steps, that has to be kept.
pub(super) fn repeated(plan: &PhysicalPlan, made: &HashMap<ColumnId, usize>) -> Option<ColumnId> {
    if made.is_empty() {
        return None;
    }
    plan.pipelines.iter().find_map(|pipeline| {
        let mut columns: Vec<ColumnId> = made.keys().copied().collect();
        columns.retain(|id| matches!(pipeline.bindings.get(id), Some(Binding::Expr(expr)) if expr.is_volatile()));
        columns.sort_unstable();
        columns.into_iter().find(|id| {
            let behind = made.get(id).copied().unwrap_or_default();
            uses(plan, pipeline, *id, behind) > 1
        })
    })
}

/// Whether an expression mentions, be it through other columns, something volatile.
pub(super) fn is_volatile(pipeline: &Pipeline, expr: &Expr) -> bool {
    expr.is_volatile()
        || expr
            .columns()
            .into_iter()
            .any(|id| matches!(pipeline.bindings.get(&id), Some(Binding::Expr(of)) if is_volatile(pipeline, of)))
}

/// How often a pipeline computes a column for a row.
fn uses(plan: &PhysicalPlan, pipeline: &Pipeline, column: ColumnId, behind: usize) -> usize {
    let mut times = Times {
        pipeline,
        known: HashMap::from([(column, 1)]),
    };
    let mut total = 0usize;
    let mut rows = 1usize;
    for (at, step) in pipeline.steps.iter().enumerate() {
        let (alone, repeated) = step_exprs(step);
        let once: usize = alone.into_iter().map(|expr| times.of(expr)).sum();
        let each: usize = repeated.into_iter().map(|expr| times.of(expr)).sum();
        total = total.saturating_add(rows * (once + SEVERAL * each));
        if at >= behind && multiplies(plan, step) {
            rows = SEVERAL;
        }
    }
    let (alone, repeated) = sink_exprs(plan, &pipeline.sink);
    let once: usize = alone.into_iter().map(|expr| times.of(expr)).sum();
    let each: usize = repeated.into_iter().map(|expr| times.of(expr)).sum();
    total.saturating_add(rows * (once + SEVERAL * each))
}

/// How often expressions compute one column.
struct Times<'p> {
    pipeline: &'p Pipeline,
    known: HashMap<ColumnId, usize>,
}

impl Times<'_> {
    fn of(&mut self, expr: &Expr) -> usize {
        let mut mentioned = Vec::new();
        expr.visit(&mut |part| mentioned.extend(part.as_column()));
        let sum: usize = mentioned.into_iter().map(|id| self.of_column(id)).sum();
        // More than twice is as bad as twice.
        sum.min(SEVERAL)
    }

    fn of_column(&mut self, id: ColumnId) -> usize {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let times = match self.pipeline.bindings.get(&id) {
            Some(Binding::Expr(expr)) => self.of(expr),
            _ => 0,
        };
        self.known.insert(id, times);
        times
    }
}

/// The expressions of a step: what is computed once for a row, and what is computed more often. Keys are hashed first, and then compared.
fn step_exprs(step: &Step) -> (Vec<&Expr>, Vec<&Expr>) {
    match step {
        Step::Filter { predicates } => (predicates.iter().collect(), Vec::new()),
        Step::Cutoff { predicate, .. } => (vec![predicate], Vec::new()),
        Step::Probe { keys, residual, .. } => (Vec::new(), keys.iter().chain(residual).collect()),
        Step::Unnest { array, .. } => (vec![array], Vec::new()),
    }
}

/// The same for a sink.
fn sink_exprs<'p>(plan: &'p PhysicalPlan, sink: &'p Sink) -> (Vec<&'p Expr>, Vec<&'p Expr>) {
    match sink {
        Sink::Build { keys, payload, .. } => (payload.iter().collect(), keys.iter().collect()),
        Sink::Mark { keys, residual, .. } => (Vec::new(), keys.iter().chain(residual).collect()),
        Sink::Aggregate { group, keys } => {
            let states = plan.groups.get(*group).into_iter().flat_map(|table| &table.states);
            let states = states.flat_map(|state| state.arg.iter().chain(&state.filter));
            (states.collect(), keys.iter().collect())
        }
        Sink::Batches { columns, .. } => (columns.iter().collect(), Vec::new()),
    }
}

/// Whether a row may be several behind a step.
fn multiplies(plan: &PhysicalPlan, step: &Step) -> bool {
    match step {
        Step::Probe { join, .. } => {
            let kind = plan.joins.get(*join).map(|table| table.kind);
            matches!(kind, Some(JoinKind::Inner | JoinKind::Left | JoinKind::Full))
        }
        Step::Unnest { .. } => true,
        Step::Filter { .. } | Step::Cutoff { .. } => false,
    }
}
