//! Runs a prepared query: its pipelines one after the other, each by all workers at once.
//!
//! For TPC-H query 3: customer is scanned into join table 0, orders probes it and is built into join table 1, lineitem probes that
//! and is grouped, the groups are sorted and leave as one batch.
//!
//! Invariants: a table is set once, when the pipeline that builds it has ended; after an error no further pipeline starts.
//!
//! Does not: compile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::engine::Shared;
use super::finish::finish_batches;
use super::group_sink::SharedGroups;
use super::held::{HeldChunk, HeldChunks};
use super::host::Host;
use super::memory::{self, Budget, Reservation};
use super::merge::merge;
use super::moment::Moment;
use super::morsels::Morsels;
use super::ordered::Ordered;
use super::pool::Team;
use super::prepare::Prepared;
use super::results::Results;
use super::schedule::Schedule;
use super::tables::{BuiltJoin, Groups, PartialBuild, SharedBuild, finish_join};
use super::temp::{Parameter, TempData};
use super::window;
use super::worker::{Counts, Part, Worker};
use super::{ExecError, Progress, QueryOptions};
use crate::compile::BLOCK_ROWS;
use crate::formats::{ChunkKey, Relation, Rows};
use crate::plan::physical::{Finish, Pipeline, Sink, SourceKind};
use crate::store::cache::ChunkCache;
use crate::types::Field;
use crate::types::arrow::arrow_schema;

/// A worker whose rows have to wait for others' goes on for so many morsels.
const MORSELS_AHEAD: usize = 4;
/// Chunks that are not kept for others are shared by workers as far as this share of the memory limit goes.
const PASSING_SHARE: usize = 32;
/// And no further than this.
const PASSING_BYTES: usize = 64 << 20;
/// Who takes memory for rows in order.
const SORTED: &str = "sort or intermediate result";
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
    pub groups: Vec<OnceLock<Arc<Groups>>>,
    pub temps: Vec<OnceLock<Arc<TempData>>>,
    pub parameters: Vec<Parameter>,
    /// Rows of recursive CTEs, by number, as far as they are known.
    pub recursive: Vec<Option<Arc<TempData>>>,
    pub moment: Moment,
    profile: Mutex<Vec<Counts>>,
    /// The same for its subqueries, then for base and step of its recursive CTEs.
    inner_profiles: Vec<Vec<Counts>>,
    /// Rows read of all that will be, as far as that is known.
    pub progress: Progress,
    rows_read: AtomicU64,
    /// Chunks and texts that rows of tables point into.
    pins: Mutex<Vec<HeldChunk>>,
    held: Arc<HeldChunks>,
    // INVARIANT: boxed, since kernels hold the address of their host.
    #[allow(clippy::vec_box)]
    hosts: Mutex<Vec<Box<Host>>>,
    valid: Mutex<Vec<Arc<Vec<u8>>>>,
    /// Batches made for the result (0) or an intermediate result by some of the pipelines that feed it (UNION ALL).
    waiting: Mutex<Vec<Waiting>>,
    /// For the same places: rows that were handed on or skipped.
    streamed_rows: Vec<AtomicU64>,
    results: Option<Results>,
    /// Chunks of files that are read once, and of rows that are soon others; they are not to drive out what other queries need again.
    passing: Arc<ChunkCache>,
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
    /// Batches are handed on in the order of their rows; otherwise they are kept until all are there.
    streams: bool,
    /// Where they go: 0 is the result, 1 the first intermediate result.
    place: usize,
    ordered: Ordered,
    /// The join table that is built, if it has rows.
    pub build: Option<SharedBuild>,
    /// Groups that all workers fill.
    pub groups: Option<Arc<SharedGroups>>,
    finish: Finish,
}

/// Batches that are kept until all are there, and their memory.
#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    reserved: Vec<Reservation>,
}

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
        Self {
            joins: plan.joins.iter().map(|_| OnceLock::new()).collect(),
            groups: plan.groups.iter().map(|_| OnceLock::new()).collect(),
            temps: plan.temps.iter().map(|_| OnceLock::new()).collect(),
            parameters: Vec::new(),
            recursive: Vec::new(),
            moment: Moment::now(),
            profile: Mutex::default(),
            inner_profiles: vec![Vec::new(); plan.subqueries.len() + 2 * plan.recursions.len()],
            progress: Progress::default(),
            rows_read: AtomicU64::new(0),
            pins: Mutex::default(),
            held: HeldChunks::new(&budget),
            hosts: Mutex::default(),
            valid: Mutex::default(),
            waiting: Mutex::new((0..=plan.temps.len()).map(|_| Waiting::default()).collect()),
            streamed_rows: (0..=plan.temps.len()).map(|_| AtomicU64::new(0)).collect(),
            shared,
            prepared,
            relations,
            passing: {
                let bytes = memory::share(options.memory_limit_bytes, PASSING_SHARE, PASSING_BYTES);
                Arc::new(ChunkCache::new(bytes as u64))
            },
            options,
            budget,
            results,
        }
    }

    /// Runs everything; result batches go to the channel.
    pub fn run(mut self) -> Result<Arc<Query>, ExecError> {
        let recursions = self.prepared.plan.recursions.len();
        self.recursive.resize(self.recursive.len().max(recursions), None);
        self.recursions_after(0)?;
        for index in 0..self.prepared.subqueries.len() {
            let (value, counts) = self.subquery(index)?;
            self.parameters.push(value);
            self.inner_profiles[index] = counts;
            self.recursions_after(index + 1)?;
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

    /// A query that is a part of this one, with what is known already.
    pub(super) fn inner(&self, prepared: Arc<Prepared>, results: Results) -> Query {
        let mut inner = Query::new(
            self.shared.clone(),
            prepared,
            self.relations.clone(),
            self.options.clone(),
            self.budget.clone(),
            Some(results),
        );
        inner.parameters = self.parameters.iter().map(Parameter::share).collect();
        inner.recursive.clone_from(&self.recursive);
        inner.passing.clone_from(&self.passing);
        inner
    }

    fn subquery(&self, index: usize) -> Result<(Parameter, Vec<Counts>), ExecError> {
        let prepared = self.prepared.subqueries[index].clone();
        if let (Some(value), Some(field)) = (&prepared.plan.value, prepared.plan.output.first()) {
            return Ok((Parameter::of_value(value, field), Vec::new()));
        }
        let (sender, receiver) = Results::ahead(1024);
        let inner = self.inner(prepared, sender);
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
        let counts = done?;
        if rows > 1 {
            return Err(ExecError::user(
                "21000",
                "a subquery used as a value gives more than one row",
            ));
        }
        let field = output.ok_or_else(|| ExecError::internal("a scalar subquery without a column"))?;
        Ok((Parameter::new(batch.as_ref(), &field)?, counts))
    }

    /// Runs, and drops everything that the run needed; what happened in each pipeline.
    pub(super) fn run_all(self) -> Result<Vec<Counts>, ExecError> {
        self.run().map(|query| query.counts())
    }

    /// What happened in each pipeline, in the order in which a plan is explained.
    pub fn counts(&self) -> Vec<Counts> {
        let inner = self.inner_profiles.iter().flatten().cloned();
        inner.chain(lock(&self.profile).iter().cloned()).collect()
    }

    /// Adds what happened in a part of the query that may run several times.
    pub(super) fn add_inner_profile(&mut self, part: usize, counts: Vec<Counts>) {
        let sums = &mut self.inner_profiles[part];
        sums.resize(sums.len().max(counts.len()), Counts::default());
        sums.iter_mut().zip(&counts).for_each(|(sum, counts)| sum.add(counts));
    }

    /// Intermediate results that are known beforehand.
    fn preset(&self, temp: usize) -> Result<(), ExecError> {
        let table = &self.prepared.plan.temps[temp];
        if let Some(recursion) = table.recursion {
            let rows = self.recursive.get(recursion).cloned().flatten();
            let rows = rows.ok_or_else(|| ExecError::internal("a recursive CTE has not run"))?;
            let _ = self.temps[temp].set(rows);
            return Ok(());
        }
        let fed = self.prepared.plan.pipelines.iter().any(|p| p.feeds(Some(temp)));
        if !fed {
            let _ = self.temps[temp].set(Arc::new(TempData::of_values(table)?));
        }
        Ok(())
    }

    fn pipeline(self: &Arc<Self>, index: usize) -> Result<(), ExecError> {
        let plan = &self.prepared.plan;
        let pipeline = &plan.pipelines[index];
        let running = Arc::new(self.running(index)?);
        let morsels = Arc::new(Morsels::of(self, pipeline, running.enough())?);
        let parts: Arc<Mutex<Vec<Result<Share, ExecError>>>> = Arc::default();
        let most = match running.streams && self.options.paused {
            true => 1,
            false => self.options.threads,
        };
        let threads = most.min(morsels.len()).max(1);
        let schedule = Arc::new(Schedule::new(morsels.len(), if running.streams { 1 } else { threads }));
        let work = {
            let (query, running, parts) = (self.clone(), running.clone(), parts.clone());
            move |number: usize| {
                // A worker that is lost would leave its rows out of the answer, or the query waiting for it.
                let worked = catch_unwind(AssertUnwindSafe(|| query.work(&running, number, &morsels, &schedule)));
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
        let ends = Instant::now();
        self.end(&running, pipeline, collected)?;
        if let Some(counts) = lock(&self.profile).last_mut() {
            counts.end_nanos = super::worker::elapsed(ends);
        }
        Ok(())
    }

    /// One worker's share: morsels until there are none left.
    fn work(
        self: &Arc<Self>,
        running: &Running,
        number: usize,
        morsels: &Morsels,
        schedule: &Schedule,
    ) -> Result<Share, ExecError> {
        let mut worker = Worker::new(self, running, number)?;
        while let Some(at) = schedule.next(number) {
            let Some(morsel) = morsels.get(at) else { break };
            running.wait_for_turn(self, at);
            if running.stop.load(Ordering::Relaxed) || self.options.cancel.is_cancelled() {
                break;
            }
            worker.morsel(&morsel, at)?;
            let rows = morsel.rows.count() as u64;
            let read = self.rows_read.fetch_add(rows, Ordering::Relaxed) + rows;
            self.progress.set(read, self.prepared.rows_bound());
        }
        worker.finish()
    }

    fn running(&self, index: usize) -> Result<Running, ExecError> {
        let plan = &self.prepared.plan;
        let (fields, finish, streams) = match &plan.pipelines[index].sink {
            Sink::Batches { columns, finish, .. } => {
                let named = |(i, e): (usize, &crate::plan::physical::logical::Expr)| Field {
                    name: format!("c{i}"),
                    ty: e.ty.clone(),
                    nullable: true,
                };
                let fields = columns.iter().enumerate().map(named).collect();
                (fields, finish.clone(), finish.sort.is_empty())
            }
            _ => (Vec::new(), Finish::default(), false),
        };
        let schema = arrow_schema(&fields);
        let build = match &plan.pipelines[index].sink {
            Sink::Build { join, .. } => {
                let bound = plan.pipelines[index].rows_bound;
                SharedBuild::new(
                    &plan.joins[*join],
                    bound,
                    self.options.threads,
                    &self.budget,
                    &self.shared.spare_rows,
                )?
            }
            _ => None,
        };
        let groups = match &plan.pipelines[index].sink {
            Sink::Aggregate { group, .. } => {
                let table = &plan.groups[*group];
                SharedGroups::of(&plan.pipelines[index], table, self.options.threads, &self.budget)?
            }
            _ => None,
        };
        Ok(Running {
            index,
            stop: AtomicBool::new(false),
            fields,
            schema,
            streams,
            place: match plan.pipelines[index].sink {
                Sink::Batches { temp: Some(temp), .. } => temp + 1,
                _ => 0,
            },
            ordered: Ordered::new(self.options.ahead_bytes),
            build,
            groups: groups.map(Arc::new),
            finish,
        })
    }

    /// A column of a unit of the pipeline's source, with the wanted rows of it at least; whether it was decoded before;
    /// bytes read.
    pub fn read(
        &self,
        pipeline: &Pipeline,
        unit: usize,
        field: usize,
        wanted: Option<&Rows>,
    ) -> Result<(HeldChunk, bool, u64), ExecError> {
        let source = &pipeline.sources[0];
        let column = source.fields[field].index;
        match &source.kind {
            SourceKind::Table { table, .. } => {
                let relation = &*self.relations[table.0 as usize];
                let is_read_once =
                    || !self.options.keeps_chunks && matches!(relation.chunk_key(unit, column), ChunkKey::File { .. });
                let chunks = match relation.passes(unit) || is_read_once() {
                    true => &self.passing,
                    false => &self.shared.chunks,
                };
                let (chunk, hit, bytes) = chunks.get_or_read(relation, unit, column, wanted)?;
                self.budget.squeeze();
                Ok((self.held.hold(chunk)?, hit, bytes))
            }
            SourceKind::Temp(temp) => {
                let data = self.temps[*temp]
                    .get()
                    .ok_or_else(|| ExecError::internal("an intermediate result is missing"))?;
                Ok((HeldChunk::uncounted(data.chunk(unit, column)?), true, 0))
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
    pub fn pin(&self, chunks: Vec<HeldChunk>) {
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
                let table = &self.prepared.plan.joins[*join];
                let built = finish_join(
                    table,
                    running.build.clone(),
                    builds,
                    saw_null,
                    (&self.team(), &self.options.cancel),
                )?;
                let _ = self.joins[*join].set(built);
                Ok(())
            }
            Sink::Mark { .. } => Ok(()),
            Sink::Aggregate { group, .. } => {
                let groups = parts.into_iter().filter_map(|part| match part {
                    Part::Groups(groups) => groups,
                    _ => None,
                });
                let merged = merge(self, running, *group, groups.collect())?;
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
        lock(&self.waiting)[running.place].batches.extend(batches);
        let later = &self.prepared.plan.pipelines[running.index + 1..];
        if later.iter().any(|pipeline| pipeline.feeds(temp)) {
            return Ok(());
        }
        let Waiting { batches, mut reserved } = std::mem::take(&mut lock(&self.waiting)[running.place]);
        let (mut finished, mut taken) = (Vec::new(), self.budget.empty());
        let give = |batch: RecordBatch| match temp {
            None => self.send(batch),
            Some(_) => {
                if !running.finish.sort.is_empty() {
                    // The rows in order are other ones than those that came.
                    taken.resize(taken.bytes() + batch.get_array_memory_size(), SORTED)?;
                }
                finished.push(batch);
                Ok(())
            }
        };
        self.finish(running, batches, &mut reserved, give)?;
        if let Some(temp) = temp {
            if !running.finish.sort.is_empty() {
                reserved = vec![taken];
            }
            let fields: Vec<Field> = self.prepared.plan.temps[temp].columns.clone();
            let rows = TempData::of_batches(finished, fields, reserved);
            let _ = self.temps[temp].set(Arc::new(rows));
        }
        Ok(())
    }

    /// What ORDER BY, LIMIT and window functions make of all batches of a place.
    fn finish(
        &self,
        running: &Running,
        batches: Vec<RecordBatch>,
        reserved: &mut Vec<Reservation>,
        give: impl FnMut(RecordBatch) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let finish = &running.finish;
        let cancel = &self.options.cancel;
        if !finish.windows.is_empty() {
            let bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
            reserved.push(self.budget.reserve(bytes, "window functions")?);
            return window::compute(batches, &finish.windows, &self.team(), cancel)?
                .into_iter()
                .try_for_each(give);
        }
        if running.streams {
            return batches.into_iter().try_for_each(give);
        }
        finish_batches(batches, finish, &self.team(), cancel, give)
    }

    /// Sends a batch of the sink's columns as a batch of the result's.
    fn send(&self, batch: RecordBatch) -> Result<(), ExecError> {
        let plan = &self.prepared.plan;
        let columns = plan.output_columns.iter().map(|&i| batch.column(i).clone()).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.prepared.schema.clone(), columns, &options)
            .map_err(|e| ExecError::internal(&format!("the result does not fit its schema: {e}")))?;
        let gone = self.results.as_ref().is_some_and(|results| !results.send(Ok(batch)));
        if gone { Err(ExecError::cancelled()) } else { Ok(()) }
    }

    /// The threads that may help.
    pub fn team(&self) -> Team<'_> {
        Team {
            pool: &self.shared.pool,
            threads: self.options.threads,
            budget: &self.budget,
        }
    }
}

impl Running {
    /// So many rows out of the pipeline end it, if any number does.
    pub fn enough(&self) -> Option<u64> {
        let limit = self.finish.limit.filter(|_| self.finish.sort.is_empty());
        limit.map(|limit| limit.saturating_add(self.finish.offset))
    }

    /// Hands on a batch: gives it back if it must be kept until the pipeline ends.
    pub fn give(&self, query: &Query, morsel: usize, batch: RecordBatch) -> Result<Option<RecordBatch>, ExecError> {
        if self.streams {
            let stopped = || self.is_stopped(query);
            self.ordered
                .give(morsel, batch, stopped, |batch| self.stream(query, batch))?;
            return Ok(None);
        }
        self.reserve(query, &batch)?;
        Ok(Some(batch))
    }

    fn reserve(&self, query: &Query, batch: &RecordBatch) -> Result<(), ExecError> {
        let bytes = batch.get_array_memory_size();
        let reserved = query.budget.reserve(bytes, SORTED)?;
        lock(&query.waiting)[self.place].reserved.push(reserved);
        Ok(())
    }

    /// All batches of a morsel were given.
    pub fn end_morsel(&self, query: &Query, morsel: usize) -> Result<(), ExecError> {
        if self.streams {
            self.ordered.end(morsel, |batch| self.stream(query, batch))?;
        }
        Ok(())
    }

    fn is_stopped(&self, query: &Query) -> bool {
        self.stop.load(Ordering::Relaxed) || query.options.cancel.is_cancelled()
    }

    /// Whether a batch must not hold rows of several morsels.
    pub fn keeps_order(&self) -> bool {
        self.streams
    }

    fn wait_for_turn(&self, query: &Query, morsel: usize) {
        if self.streams {
            let stopped = || self.is_stopped(query);
            // Where few rows may be enough, little is read in advance.
            let each = if self.enough().is_some() { 1 } else { MORSELS_AHEAD };
            self.ordered.wait(morsel, each * query.options.threads, stopped);
        }
    }

    /// Hands on what LIMIT and OFFSET leave of a batch.
    fn stream(&self, query: &Query, batch: RecordBatch) -> Result<(), ExecError> {
        let rows = batch.num_rows() as u64;
        let before = query.streamed_rows[self.place].fetch_add(rows, Ordering::Relaxed);
        let (from, to) = (self.finish.offset, self.enough().unwrap_or(u64::MAX));
        if before + rows >= to {
            self.stop.store(true, Ordering::Relaxed);
        }
        let start = from.saturating_sub(before).min(rows);
        let end = to.saturating_sub(before).min(rows);
        if start >= end {
            return Ok(());
        }
        let batch = batch.slice(start as usize, (end - start) as usize);
        if self.place == 0 {
            return query.send(batch);
        }
        self.reserve(query, &batch)?;
        lock(&query.waiting)[self.place].batches.push(batch);
        Ok(())
    }
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
