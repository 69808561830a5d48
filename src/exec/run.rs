//! Runs a prepared query: its pipelines one after the other, each by all workers at once.
//!
//! For TPC-H query 3: customer is scanned into join table 0, orders probes it and is built into join table 1, lineitem probes that
//! and is grouped, the groups are sorted and leave as one batch.
//!
//! Invariants: a table is set once, when the pipeline that builds it has ended; after an error no further pipeline starts.
//!
//! Does not: compile.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::engine::Shared;
use super::finish::finish_batches;
use super::frame::Frame;
use super::host::Host;
use super::memory::{Budget, Reservation};
use super::prepare::Prepared;
use super::tables::{BuiltJoin, Groups, PartialBuild, finish_join};
use super::temp::{Parameter, TempData};
use super::worker::{Counts, Morsel, Part, Worker, failure, point_to_groups};
use super::{ExecError, Progress, QueryOptions};
use crate::compile::BLOCK_ROWS;
use crate::compile::frame::Slot;
use crate::formats::{Bound, Relation};
use crate::plan::physical::logical::{CompareOp, ExprKind};
use crate::plan::physical::{Binding, Finish, GroupStrategy, Pipeline, Sink, SourceKind, Step};
use crate::types::arrow::arrow_schema;
use crate::types::{ColumnChunk, Field};

/// Rows of a morsel, at most.
const MORSEL_ROWS: usize = 1 << 16;
/// With so many units for each worker, a unit is one morsel.
const UNITS_PER_WORKER: usize = 6;
/// A unit of a range has 2^20 rows, so that row numbers stay small.
pub const RANGE_UNIT_BITS: u32 = 20;

/// What one worker made of a pipeline.
type Share = (Part, Counts);

/// One running query.
pub struct Query {
    pub shared: Arc<Shared>,
    pub prepared: Arc<Prepared>,
    pub relations: Vec<Arc<dyn Relation>>,
    pub options: QueryOptions,
    pub budget: Arc<Budget>,
    pub joins: Vec<OnceLock<BuiltJoin>>,
    pub groups: Vec<OnceLock<Groups>>,
    pub temps: Vec<OnceLock<TempData>>,
    pub parameters: Vec<Parameter>,
    pub now_micros: i64,
    pub seed: u64,
    pub profile: Mutex<Vec<Counts>>,
    /// Rows read of all that will be, as far as that is known.
    pub progress: Progress,
    rows_read: AtomicU64,
    /// Chunks and texts that rows of tables point into.
    pins: Mutex<Vec<Arc<ColumnChunk>>>,
    // INVARIANT: boxed, since kernels hold the address of their host.
    #[allow(clippy::vec_box)]
    hosts: Mutex<Vec<Box<Host>>>,
    valid: Mutex<Vec<Arc<Vec<u8>>>>,
    /// Batches made for the result (0) or an intermediate result by some of the pipelines that feed it (UNION ALL).
    waiting: Mutex<Vec<Vec<RecordBatch>>>,
    /// Rows of the result sent or skipped.
    streamed_rows: AtomicU64,
    results: Option<SyncSender<Result<RecordBatch, ExecError>>>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("pipelines", &self.prepared.pipelines.len())
            .finish_non_exhaustive()
    }
}

/// A pipeline while it runs.
#[derive(Debug)]
pub struct Running {
    /// Which.
    pub index: usize,
    /// Enough rows were given, or something failed.
    pub stop: AtomicBool,
    /// Columns of the batches, if the sink makes any.
    pub fields: Vec<Field>,
    /// The same for Arrow.
    pub schema: SchemaRef,
    /// Batches are not kept but sent on at once.
    streams: bool,
    finish: Finish,
    taken: AtomicU64,
    reserved: Mutex<Vec<Reservation>>,
}

type Results = SyncSender<Result<RecordBatch, ExecError>>;

impl Query {
    /// A query that has not started. Subqueries are run first, into parameters.
    pub fn new(
        shared: Arc<Shared>,
        prepared: Arc<Prepared>,
        relations: Vec<Arc<dyn Relation>>,
        options: QueryOptions,
        budget: Arc<Budget>,
        results: Option<Results>,
    ) -> Self {
        let plan = &prepared.plan;
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            joins: plan.joins.iter().map(|_| OnceLock::new()).collect(),
            groups: plan.groups.iter().map(|_| OnceLock::new()).collect(),
            temps: plan.temps.iter().map(|_| OnceLock::new()).collect(),
            parameters: Vec::new(),
            now_micros: i64::try_from(now.as_micros()).unwrap_or(i64::MAX),
            seed: u64::from(now.subsec_nanos()),
            profile: Mutex::default(),
            progress: Progress::default(),
            rows_read: AtomicU64::new(0),
            pins: Mutex::default(),
            hosts: Mutex::default(),
            valid: Mutex::default(),
            waiting: Mutex::new(vec![Vec::new(); plan.temps.len() + 1]),
            streamed_rows: AtomicU64::new(0),
            shared,
            prepared,
            relations,
            options,
            budget,
            results,
        }
    }

    /// Runs everything; result batches go to the channel.
    pub fn run(mut self) -> Result<Arc<Query>, ExecError> {
        for index in 0..self.prepared.subqueries.len() {
            let value = self.subquery(index)?;
            self.parameters.push(value);
        }
        let query = Arc::new(self);
        for temp in 0..query.temps.len() {
            query.preset(temp)?;
        }
        for index in 0..query.prepared.pipelines.len() {
            query.options.cancel.check()?;
            query.pipeline(index)?;
        }
        query.options.cancel.check()?;
        Ok(query)
    }

    fn subquery(&self, index: usize) -> Result<Parameter, ExecError> {
        let prepared = self.prepared.subqueries[index].clone();
        let (sender, receiver) = std::sync::mpsc::sync_channel(1024);
        let mut inner = Query::new(
            self.shared.clone(),
            prepared,
            self.relations.clone(),
            self.options.clone(),
            self.budget.clone(),
            Some(sender),
        );
        inner.parameters = self.parameters.iter().map(Parameter::share).collect();
        let output = inner.prepared.plan.output.first().cloned();
        let collector = std::thread::spawn(move || {
            let mut first: Option<RecordBatch> = None;
            let mut rows = 0;
            for batch in receiver.into_iter().flatten() {
                rows += batch.num_rows();
                if first.is_none() && batch.num_rows() > 0 {
                    first = Some(batch);
                }
            }
            (first, rows)
        });
        let done = inner.run_all();
        let (batch, rows) = collector
            .join()
            .map_err(|_| ExecError::internal("a subquery's collector panicked"))?;
        done?;
        if rows > 1 {
            return Err(ExecError::user(
                "21000",
                "a subquery used as a value gives more than one row",
            ));
        }
        let field = output.ok_or_else(|| ExecError::internal("a scalar subquery without a column"))?;
        Parameter::new(batch.as_ref(), &field)
    }

    /// Runs, and drops everything that the run needed.
    fn run_all(self) -> Result<(), ExecError> {
        self.run().map(drop)
    }

    /// Intermediate results that are known beforehand.
    fn preset(&self, temp: usize) -> Result<(), ExecError> {
        let table = &self.prepared.plan.temps[temp];
        let fed = self.prepared.plan.pipelines.iter().any(|p| p.feeds(Some(temp)));
        if !fed {
            let _ = self.temps[temp].set(TempData::of_values(table)?);
        }
        Ok(())
    }

    fn pipeline(self: &Arc<Self>, index: usize) -> Result<(), ExecError> {
        let plan = &self.prepared.plan;
        let pipeline = &plan.pipelines[index];
        let running = Arc::new(self.running(index)?);
        let morsels = Arc::new(self.morsels(pipeline)?);
        let next = Arc::new(AtomicUsize::new(0));
        let parts: Arc<Mutex<Vec<Result<Share, ExecError>>>> = Arc::default();
        let threads = self.options.threads.min(morsels.len()).max(1);
        let work = {
            let (query, running, parts) = (self.clone(), running.clone(), parts.clone());
            move |number: usize| {
                // A worker that is lost would leave its rows out of the answer, or the query waiting for it.
                let worked = catch_unwind(AssertUnwindSafe(|| query.work(&running, number, &morsels, &next)));
                let result = worked.unwrap_or_else(|_| Err(ExecError::internal("a worker panicked")));
                if result.is_err() {
                    running.stop.store(true, Ordering::Relaxed);
                }
                lock(&parts).push(result);
            }
        };
        self.shared.pool.run(threads, Arc::new(work));
        let results = std::mem::take(&mut *lock(&parts));
        let mut collected = Vec::new();
        let mut counts = Counts::default();
        for result in results {
            let (part, count) = result?;
            counts.add(&count);
            collected.push(part);
        }
        lock(&self.profile).push(counts);
        self.options.cancel.check()?;
        self.end(&running, pipeline, collected)
    }

    /// One worker's share: morsels until there are none left.
    fn work(
        self: &Arc<Self>,
        running: &Running,
        number: usize,
        morsels: &Morsels,
        next: &AtomicUsize,
    ) -> Result<Share, ExecError> {
        let mut worker = Worker::new(self, running, number)?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(morsel) = morsels.get(at) else { break };
            if running.stop.load(Ordering::Relaxed) || self.options.cancel.is_cancelled() {
                break;
            }
            worker.morsel(&morsel)?;
            let rows = morsel.rows.len() as u64;
            let read = self.rows_read.fetch_add(rows, Ordering::Relaxed) + rows;
            self.progress.set(read, self.prepared.rows_bound());
        }
        worker.finish()
    }

    fn running(&self, index: usize) -> Result<Running, ExecError> {
        let plan = &self.prepared.plan;
        let (fields, finish, streams) = match &plan.pipelines[index].sink {
            Sink::Batches { temp, columns, finish } => {
                let named = |(i, e): (usize, &crate::plan::physical::logical::Expr)| Field {
                    name: format!("c{i}"),
                    ty: e.ty.clone(),
                    nullable: true,
                };
                let fields = columns.iter().enumerate().map(named).collect();
                (fields, finish.clone(), temp.is_none() && finish.sort.is_empty())
            }
            _ => (Vec::new(), Finish::default(), false),
        };
        let schema = arrow_schema(&fields);
        Ok(Running {
            index,
            stop: AtomicBool::new(false),
            fields,
            schema,
            streams,
            finish,
            taken: AtomicU64::new(0),
            reserved: Mutex::default(),
        })
    }

    fn morsels(&self, pipeline: &Pipeline) -> Result<Morsels, ExecError> {
        let whole = |unit: usize, rows: Range<usize>| cut(unit, rows);
        Ok(Morsels::Listed(match &pipeline.sources[0].kind {
            SourceKind::Table { table, .. } => {
                let relation = &self.relations[table.0 as usize];
                let bounds = bounds(pipeline);
                // Workers in one unit wait for each other's columns: units are only cut where there are too few.
                let whole_units = relation.units() >= UNITS_PER_WORKER * self.options.threads;
                let mut morsels = Vec::new();
                for unit in 0..relation.units() {
                    for rows in relation.candidates(unit, &bounds) {
                        if whole_units {
                            morsels.push(Morsel { unit, rows });
                        } else {
                            morsels.extend(whole(unit, rows));
                        }
                    }
                }
                morsels
            }
            SourceKind::Temp(temp) => match self.temps[*temp].get() {
                Some(data) => (0..data.units())
                    .flat_map(|unit| whole(unit, 0..data.rows(unit)))
                    .collect(),
                None => Vec::new(),
            },
            SourceKind::Group(group) => match self.groups[*group].get() {
                Some(groups) => {
                    let (first, end) = groups.row_range();
                    whole(0, first..end)
                }
                None => Vec::new(),
            },
            SourceKind::Join(_) | SourceKind::Positions => {
                return Err(ExecError::internal("a join table or an array is scanned"));
            }
            SourceKind::Range { count, .. } => return Ok(Morsels::Range { rows: *count }),
            SourceKind::OneRow => whole(0, 0..1),
        }))
    }

    /// A column of a unit of the pipeline's source; whether it was decoded before; bytes read.
    pub fn read(
        &self,
        pipeline: &Pipeline,
        unit: usize,
        field: usize,
    ) -> Result<(Arc<ColumnChunk>, bool, u64), ExecError> {
        let source = &pipeline.sources[0];
        let column = source.fields[field].index;
        match &source.kind {
            SourceKind::Table { table, .. } => {
                let relation = &self.relations[table.0 as usize];
                let (chunk, hit, bytes) = self.shared.chunks.get_or_read(&**relation, unit, column)?;
                Ok((chunk, hit, bytes))
            }
            SourceKind::Temp(temp) => {
                let data = self.temps[*temp]
                    .get()
                    .ok_or_else(|| ExecError::internal("an intermediate result is missing"))?;
                Ok((data.chunk(unit, column)?, true, 0))
            }
            _ => Err(ExecError::internal("a column of a source without columns")),
        }
    }

    /// At least so many bytes of 1.
    pub fn all_valid(&self, rows: usize) -> Arc<Vec<u8>> {
        let mut known = lock(&self.valid);
        if let Some(bytes) = known.iter().find(|bytes| bytes.len() >= rows) {
            return bytes.clone();
        }
        let bytes = Arc::new(vec![1u8; rows.next_power_of_two().max(BLOCK_ROWS) + 64]);
        known.push(bytes.clone());
        bytes
    }

    /// Keeps chunks alive until the query ends.
    pub fn pin(&self, chunks: Vec<Arc<ColumnChunk>>) {
        lock(&self.pins).extend(chunks);
    }

    /// Keeps a worker's texts alive until the query ends.
    pub fn keep_host(&self, host: Box<Host>) {
        lock(&self.hosts).push(host);
    }

    /// Puts the workers' parts together when a pipeline has ended.
    fn end(self: &Arc<Self>, running: &Running, pipeline: &Pipeline, parts: Vec<Part>) -> Result<(), ExecError> {
        match &pipeline.sink {
            Sink::Build { join, .. } => {
                let mut saw_null = false;
                let builds = parts.into_iter().filter_map(|part| match part {
                    Part::Build(part, saw) => {
                        saw_null |= saw;
                        Some(part)
                    }
                    _ => None,
                });
                let builds: Vec<PartialBuild> = builds.collect();
                let built = finish_join(&self.prepared.plan.joins[*join], builds, saw_null, &self.budget)?;
                let _ = self.joins[*join].set(built);
                Ok(())
            }
            Sink::Aggregate { group, .. } => {
                let groups = parts.into_iter().filter_map(|part| match part {
                    Part::Groups(groups) => Some(groups),
                    _ => None,
                });
                let merged = self.merge(running.index, *group, groups.collect())?;
                let _ = self.groups[*group].set(merged);
                Ok(())
            }
            Sink::Batches { temp, .. } => {
                let batches = parts.into_iter().flat_map(|part| match part {
                    Part::Batches(batches) => batches,
                    _ => Vec::new(),
                });
                self.end_batches(running, *temp, batches.collect())
            }
        }
    }

    fn end_batches(&self, running: &Running, temp: Option<usize>, batches: Vec<RecordBatch>) -> Result<(), ExecError> {
        let plan = &self.prepared.plan;
        let last = plan.pipelines[running.index + 1..].iter().all(|p| !p.feeds(temp));
        let place = temp.map_or(0, |temp| temp + 1);
        let mut collected = std::mem::take(&mut lock(&self.waiting)[place]);
        collected.extend(batches);
        if !last {
            lock(&self.waiting)[place] = collected;
            return Ok(());
        }
        let finished = if running.streams {
            collected
        } else {
            finish_batches(collected, &running.schema, &running.finish)?
        };
        match temp {
            Some(temp) => {
                let fields: Vec<Field> = self.prepared.plan.temps[temp].columns.clone();
                let _ = self.temps[temp].set(TempData::of_batches(finished, fields));
            }
            None => {
                for batch in finished {
                    self.send(batch)?;
                }
            }
        }
        Ok(())
    }

    /// Sends a batch of the sink's columns as a batch of the result's.
    fn send(&self, batch: RecordBatch) -> Result<(), ExecError> {
        let plan = &self.prepared.plan;
        let columns = plan.output_columns.iter().map(|&i| batch.column(i).clone()).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.prepared.schema.clone(), columns, &options)
            .map_err(|e| ExecError::internal(&format!("the result does not fit its schema: {e}")))?;
        let gone = self
            .results
            .as_ref()
            .is_some_and(|results| results.send(Ok(batch)).is_err());
        if gone { Err(ExecError::cancelled()) } else { Ok(()) }
    }

    /// Merges the workers' groups into one table.
    fn merge(self: &Arc<Self>, pipeline: usize, group: usize, mut parts: Vec<Groups>) -> Result<Groups, ExecError> {
        let table = &self.prepared.plan.groups[group];
        parts.sort_by_key(|groups| std::cmp::Reverse(groups.rows.count));
        let mut parts = parts.into_iter();
        let Some(mut target) = parts.next() else {
            return Groups::new(table, &self.budget);
        };
        let code = self.prepared.pipelines[pipeline].code.clone();
        let executable = &self.prepared.pipelines[pipeline].executable;
        let Some(merge) = &code.merge else { return Ok(target) };
        let mut frame = Frame::new(&code);
        let mut host = Host::new(code.clone(), self.now_micros, self.seed);
        frame.set(Slot::Host, std::ptr::from_mut(&mut *host) as u64);
        for part in parts {
            let (mut at, end) = part.row_range();
            frame.set(Slot::MergeRows, part.rows.address() as u64);
            while at < end {
                self.options.cancel.check()?;
                let count = (end - at).min(if table.strategy == GroupStrategy::Hash {
                    BLOCK_ROWS
                } else {
                    MORSEL_ROWS
                });
                target.make_room(count, &self.budget)?;
                point_to_groups(&mut frame, &target);
                // SAFETY: the slots point to the two tables, and the target has room for a block of new groups.
                let done = unsafe { executable.call_kernel(merge.id, frame.address(), at as i64, count as i64) };
                if done < 0 {
                    return Err(failure(&code, &frame, &mut host));
                }
                if target.size.is_none() {
                    target.rows.count = frame.get(Slot::SinkCount) as usize;
                }
                at += count;
            }
        }
        self.keep_host(host);
        Ok(target)
    }
}

impl Running {
    /// Hands on a batch: gives it back if it must be kept until the pipeline ends.
    pub fn give(&self, query: &Query, batch: RecordBatch) -> Result<Option<RecordBatch>, ExecError> {
        if !self.streams {
            let reserved = query
                .budget
                .reserve(batch.get_array_memory_size(), "sort or intermediate result")?;
            lock(&self.reserved).push(reserved);
            let unsorted = self.finish.sort.is_empty();
            let rows = self.taken.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
            if unsorted
                && self
                    .finish
                    .limit
                    .is_some_and(|limit| rows >= limit.saturating_add(self.finish.offset))
            {
                self.stop.store(true, Ordering::Relaxed);
            }
            return Ok(Some(batch));
        }
        let rows = batch.num_rows() as u64;
        let before = query.streamed_rows.fetch_add(rows, Ordering::Relaxed);
        let (from, to) = (
            self.finish.offset,
            self.finish
                .limit
                .map_or(u64::MAX, |l| l.saturating_add(self.finish.offset)),
        );
        if before + rows >= to {
            self.stop.store(true, Ordering::Relaxed);
        }
        let start = from.saturating_sub(before).min(rows);
        let end = to.saturating_sub(before).min(rows);
        if start < end {
            query.send(batch.slice(start as usize, (end - start) as usize))?;
        }
        Ok(None)
    }
}

fn cut(unit: usize, rows: Range<usize>) -> Vec<Morsel> {
    let end = rows.end;
    rows.step_by(MORSEL_ROWS)
        .map(|start| Morsel {
            unit,
            rows: start..end.min(start + MORSEL_ROWS),
        })
        .collect()
}

/// The parts of a source; those of a range are not listed, for there may be very many.
#[derive(Debug)]
enum Morsels {
    Listed(Vec<Morsel>),
    Range { rows: u64 },
}

impl Morsels {
    fn len(&self) -> usize {
        match self {
            Morsels::Listed(list) => list.len(),
            Morsels::Range { rows } => usize::try_from(rows.div_ceil(1 << RANGE_UNIT_BITS)).unwrap_or(usize::MAX),
        }
    }

    fn get(&self, at: usize) -> Option<Morsel> {
        match self {
            Morsels::Listed(list) => list.get(at).cloned(),
            Morsels::Range { rows } => {
                let first = (at as u64)
                    .checked_mul(1 << RANGE_UNIT_BITS)
                    .filter(|first| first < rows)?;
                let count = (rows - first).min(1 << RANGE_UNIT_BITS);
                Some(Morsel {
                    unit: at,
                    rows: 0..usize::try_from(count).unwrap_or(0),
                })
            }
        }
    }
}

/// What the first filter allows for each column of the scanned table.
fn bounds(pipeline: &Pipeline) -> Vec<Bound> {
    let Some(Step::Filter { predicates }) = pipeline.steps.first() else {
        return Vec::new();
    };
    let mut bounds = Vec::new();
    let mut pending: Vec<&crate::plan::physical::logical::Expr> = predicates.iter().collect();
    while let Some(predicate) = pending.pop() {
        match &predicate.kind {
            ExprKind::And(items) => pending.extend(items),
            ExprKind::Compare { op, left, right } => {
                let (ExprKind::Column(id), ExprKind::Literal(value)) = (&left.kind, &right.kind) else {
                    continue;
                };
                let Some(Binding::Field { source: 0, field }) = pipeline.bindings.get(id) else {
                    continue;
                };
                let column = pipeline.sources[0].fields[*field].index;
                let (min, max) = match op {
                    CompareOp::Eq => (Some(value.clone()), Some(value.clone())),
                    CompareOp::Lt | CompareOp::LtEq => (None, Some(value.clone())),
                    CompareOp::Gt | CompareOp::GtEq => (Some(value.clone()), None),
                    _ => continue,
                };
                bounds.push(Bound { column, min, max });
            }
            _ => {}
        }
    }
    bounds
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.source.rows += other.source.rows;
        self.source.nanos += other.source.nanos;
        self.bytes_read += other.bytes_read;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.stages
            .resize(other.stages.len().max(self.stages.len()), Default::default());
        for (mine, theirs) in self.stages.iter_mut().zip(&other.stages) {
            mine.rows += theirs.rows;
            mine.nanos += theirs.nanos;
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
