//! What is done before a query runs: calls of functions for rows, and the steps of recursive CTEs that make such calls.
//!
//! For `SELECT name, spent(id) FROM customers`, where `spent` has a loop over a query, the rows `name, id` are found, `spent` is called for
//! them, and the query is bound again, to read the rows that come of that.
//!
//! Invariants: all stages of a query, and the query, see the same; rows that are kept are taken from the memory limit.
//!
//! Does not: decide what is a stage; the binder does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use gobi_grammar::Diagnostic;

use super::change::Running;
use super::statement::{Bind, Bound, simplified, start};
use super::{Error, ResultStream, Session, routines};
use crate::exec::memory::Budget;
use crate::exec::{Engine, Grown, QueryOptions};
use crate::formats::{Batch, BatchRelation, Relation};
use crate::plan::change::Layout;
use crate::plan::logical::{ColumnId, Query, StageKind};
use crate::plan::{self, TableResolver as _};
use crate::types::Field;

/// Goes on with a query that is bound, after what has to be done before it runs.
pub fn with_bound<T>(
    session: &mut Session,
    bind: Bind<'_>,
    options: &QueryOptions,
    running: Running,
    go_on: impl FnOnce(&Engine, Bound<'_>, Layout) -> Result<T, Error>,
) -> Result<T, Error> {
    let (bound, layout) = bind(&mut session.relations)?;
    if bound.query.stages.is_empty() {
        return go_on(&session.engine, bound, layout);
    }
    drop(bound);
    // All of it sees the same.
    let outer = std::mem::replace(&mut session.reads_one_view, true);
    let done = after_stages(session, bind, options, running).and_then(|made| {
        session.relations.called = made;
        let (bound, layout) = bind(&mut session.relations)?;
        go_on(&session.engine, bound, layout)
    });
    session.reads_one_view = outer;
    done
}

/// Does the stages of a query one after the other: one may need the rows of those before.
fn after_stages(
    session: &mut Session,
    bind: Bind<'_>,
    options: &QueryOptions,
    running: Running,
) -> Result<Vec<Arc<dyn Relation>>, Error> {
    let mut made: Vec<Arc<dyn Relation>> = Vec::new();
    let mut grown: HashMap<usize, Grown> = HashMap::new();
    loop {
        session.relations.called.clone_from(&made);
        let (bound, _) = bind(&mut session.relations)?;
        let Some(stage) = bound.query.stages.get(made.len()).cloned() else {
            return Ok(made);
        };
        let fields = bound.tables.info(stage.table).schema.clone();
        let exec_error = |error| Error::from_exec(error, stage.span);
        match stage.kind {
            StageKind::Call {
                function,
                args,
                only_if,
            } => {
                let read = plan::columns_read(&bound.query, stage.table);
                let (rows, input) = rows_of(stage.input, (&args, only_if), &fields, &read);
                let stream = begin(&session.engine, bound, input, options, running)?;
                let call = routines::RowsCall {
                    function: &function,
                    rows: &rows,
                    span: stage.span,
                };
                let batches = routines::call_for_rows(session, &call, stream, options, running)?;
                made.push(Arc::new(BatchRelation::new(fields, batches)));
            }
            StageKind::Base { distinct, .. } => {
                let rows = all_rows(&session.engine, bound, stage.input, options, running)?;
                let budget = Budget::new(options.memory_limit_bytes);
                let mut all = Grown::new(&fields, distinct, &budget).map_err(exec_error)?;
                let new = all.add(rows).map_err(exec_error)?;
                grown.insert(made.len(), all);
                made.push(relation(fields, new));
            }
            StageKind::Step { base, .. } => {
                let rows = all_rows(&session.engine, bound, stage.input, options, running)?;
                let Some(mut all) = grown.remove(&base) else {
                    return Err(Error::new(Diagnostic::new(
                        "XX000",
                        stage.span,
                        "a step without a base",
                    )));
                };
                let new = all.add(rows).map_err(exec_error)?;
                if new.is_empty() {
                    let rows = all.into_batches().map_err(exec_error)?;
                    made.push(relation(fields, rows));
                } else {
                    options.cancel.check().map_err(exec_error)?;
                    grown.insert(base, all);
                    made.truncate(base);
                    made.push(relation(fields, new));
                }
            }
        }
    }
}

/// Starts the query of a stage.
fn begin(
    engine: &Engine,
    bound: Bound<'_>,
    input: Query,
    options: &QueryOptions,
    running: Running,
) -> Result<ResultStream, Error> {
    let bound = Bound {
        query: simplified(input),
        slot: None,
        ..bound
    };
    start(engine, bound, options, running.span)
}

fn all_rows(
    engine: &Engine,
    bound: Bound<'_>,
    input: Query,
    options: &QueryOptions,
    running: Running,
) -> Result<Vec<RecordBatch>, Error> {
    begin(engine, bound, input, options, running)?.collect()
}

fn relation(fields: Vec<Field>, rows: Vec<RecordBatch>) -> Arc<dyn Relation> {
    let batch = |batch: RecordBatch| Batch {
        rows: batch.num_rows(),
        columns: batch.columns().iter().cloned().map(Some).collect(),
    };
    Arc::new(BatchRelation::new(fields, rows.into_iter().map(batch).collect()))
}

/// The rows that a call is made for: the columns that are read later, the arguments, and whether there is a call.
fn rows_of(
    mut input: Query,
    (args, only_if): (&[ColumnId], Option<ColumnId>),
    fields: &[Field],
    read: &BTreeSet<usize>,
) -> (routines::CalledRows, Query) {
    let value = fields.len().saturating_sub(1);
    let kept: Vec<usize> = (0..value).filter(|at| read.contains(at)).collect();
    let mut output: Vec<_> = kept.iter().filter_map(|at| input.output.get(*at).cloned()).collect();
    let wanted = args.iter().chain(&only_if);
    output.extend(wanted.filter_map(|id| input.output.iter().find(|(known, _)| known == id).cloned()));
    let types = output.iter().skip(kept.len()).take(args.len());
    let rows = routines::CalledRows {
        columns: fields.len(),
        args: types.map(|(_, field)| field.ty.clone()).collect(),
        kept,
        has_condition: only_if.is_some(),
        value: fields
            .last()
            .filter(|_| read.contains(&value))
            .map(|field| field.ty.clone()),
    };
    input.output = output;
    (rows, input)
}
