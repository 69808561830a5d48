//! One worker on one pipeline: morsels in, blocks through the stages, rows into its part of the sink.
//!
//! A morsel of 120,000 lineitems is worked on in 59 blocks: mask, compaction, probe, aggregate; the columns that only later stages
//! need are not read at all if no row gets there.
//!
//! Invariants: a chunk stays alive while a slot, a row or an output buffer may point into it; the cancel token is looked at
//! before every block.
//!
//! Does not: share anything that it writes, until it is finished.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow::array::RecordBatch;
use gobi_jit::Executable;

use super::cutoff::Cutoff;
use super::frame::Frame;
use super::group_sink::GroupSink;
use super::held::HeldChunk;
use super::host::{Host, read_scalar, to_value};
use super::morsels::Morsel;
use super::output::{self, Output};
use super::pins::{OwnRows, Pins};
use super::run::{Query, Running};
use super::tables::{Groups, PartialBuild, bitmap};
use super::{ExecError, simd};
use crate::compile::frame::{CANCEL, ERROR_SITE, HEADER_BYTES, Slot};
use crate::compile::{BLOCK_ROWS, Kernel, PipelineCode, Stage};
use crate::formats::Rows;
use crate::functions::Scalar;
use crate::plan::physical::logical::{AggregateFunction, JoinKind};
use crate::plan::physical::{GroupTable, JoinStrategy, PhysicalPlan, Pipeline, RowField, Sink, SourceKind, StateKind};
use crate::types::stack::with_bytes;
use crate::types::{LogicalType, Physical};

/// What a worker has collected.
#[derive(Debug)]
pub enum Part {
    /// Of a join's build side; and whether it saw a NULL key.
    Build(PartialBuild, bool),
    /// Groups of the worker's own.
    Groups(Option<Groups>),
    /// Nothing: rows of a join table were marked.
    Marks,
    /// Batches that are to be sorted.
    Batches(Vec<RecordBatch>),
}

enum SinkState {
    Build {
        part: PartialBuild,
        saw_null: Box<u8>,
    },
    Groups(GroupSink),
    Marks,
    Batches {
        output: Output,
        done: Vec<RecordBatch>,
        cutoff: Option<Cutoff>,
    },
}

/// What functions may make for a block before blocks grow no more: what they made is read again from a second-level cache.
const MADE_BYTES: usize = 1 << 19;

/// A batch is given on when functions made so many bytes for it.
const TEXT_BYTES: usize = 16 << 20;

/// Counters of a stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageCount {
    /// Rows that left it.
    pub rows: u64,
    /// Time in it.
    pub nanos: u64,
}

/// What a worker counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Rows read, and time to read them.
    pub source: StageCount,
    /// Per stage; the last is the sink.
    pub stages: Vec<StageCount>,
    /// From the last worker's end to the end of the pipeline.
    pub end_nanos: u64,
    /// Bytes read from files.
    pub bytes_read: u64,
    /// Chunks found in the cache, and not.
    pub cache_hits: u64,
    /// Chunks decoded.
    pub cache_misses: u64,
}

/// One worker's state.
pub struct Worker<'q> {
    query: &'q Arc<Query>,
    running: &'q Running,
    pipeline: &'q Pipeline,
    code: &'q Arc<PipelineCode>,
    executable: &'q Executable,
    frame: Frame,
    host: Box<Host>,
    sink: SinkState,
    unit: Option<usize>,
    /// The number of the morsel, and its rows.
    morsel: usize,
    rows: Rows,
    /// The rows of the unit that columns are read for, if not all.
    wanted: Option<Rows>,
    loaded: Vec<Option<HeldChunk>>,
    /// Chunks that rows of the sink may point into.
    pins: Pins,
    /// The sink keeps nothing that functions made.
    transient: bool,
    /// Arrays of the sink have their elements in the order of the rows.
    keeps_order: bool,
    /// Rows of the next block, at most [`BLOCK_ROWS`].
    block: usize,
    /// What happened.
    pub counts: Counts,
}

impl<'q> Worker<'q> {
    /// A worker whose frame points to everything that is there before the pipeline runs.
    pub fn new(query: &'q Arc<Query>, running: &'q Running, number: usize) -> Result<Self, ExecError> {
        let prepared = &query.prepared.pipelines[running.index];
        let pipeline = &query.prepared.plan.pipelines[running.index];
        let code = &prepared.code;
        let operator = match pipeline.sink {
            Sink::Aggregate { .. } => "aggregation",
            _ => "texts and arrays",
        };
        let mut host = Host::new(code.clone(), query.moment.start(), (&query.budget, operator))?;
        host.cancel = query.options.cancel.clone();
        host.lines = query.options.lines.clone();
        let mut frame = Frame::new(code);
        frame.set(Slot::Host, std::ptr::from_mut(&mut *host) as u64);
        frame.set_header(CANCEL, query.options.cancel.address());
        let mut worker = Self {
            query,
            running,
            pipeline,
            code,
            executable: &prepared.executable,
            frame,
            host,
            sink: SinkState::Batches {
                output: Output::new(&[], 0, &query.budget)?,
                done: Vec::new(),
                cutoff: None,
            },
            unit: None,
            morsel: 0,
            rows: Rows::default(),
            wanted: None,
            loaded: pipeline.sources[0].fields.iter().map(|_| None).collect(),
            pins: Pins::default(),
            transient: !keeps_objects(&query.prepared.plan, &pipeline.sink),
            keeps_order: keeps_order(&query.prepared.plan, &pipeline.sink),
            block: if code.host_calls.is_empty() { BLOCK_ROWS } else { 1 },
            counts: Counts {
                stages: vec![StageCount::default(); code.stages.len() + 1],
                ..Counts::default()
            },
        };
        worker.point_to_tables();
        worker.sink = worker.open_sink(number)?;
        Ok(worker)
    }

    fn point_to_tables(&mut self) {
        for (source, row_source) in self.pipeline.sources.iter().enumerate() {
            match row_source.kind {
                SourceKind::Join(join) => {
                    if let Some(built) = self.query.joins[join].get() {
                        let rows = built.rows.as_ref().map_or(0, |rows| rows.address() as u64);
                        self.frame.set(Slot::RowsOf { source }, rows);
                        let index = built.index.as_ref().map_or(0, |block| block.address() as u64);
                        self.frame.set(Slot::JoinIndex { join }, index);
                        self.frame.set(Slot::JoinShift { join }, built.shift);
                        self.frame.set(Slot::JoinEmpty { join }, built.empty.into());
                    }
                }
                SourceKind::Group(group) => {
                    if let Some(groups) = self.query.groups[group].get() {
                        self.frame.set(Slot::RowsOf { source }, groups.rows.address() as u64);
                    }
                }
                _ => {}
            }
        }
        for (index, parameter) in self.query.parameters.iter().enumerate() {
            self.frame.set(Slot::Parameter { index }, parameter.address());
        }
        for stage in &self.code.stages {
            if let Stage::Walk {
                join,
                skip_if_unique: true,
                aliases,
                ..
            } = stage
                && self.skips(*join)
            {
                for (from, to) in aliases {
                    let address = self.frame.get(Slot::Vector { vector: *from });
                    self.frame.set(Slot::Vector { vector: *to }, address);
                }
            }
        }
    }

    fn skips(&self, join: usize) -> bool {
        self.query.joins[join].get().is_some_and(|built| built.unique)
    }

    fn open_sink(&mut self, number: usize) -> Result<SinkState, ExecError> {
        let budget = &self.query.budget;
        Ok(match &self.pipeline.sink {
            Sink::Build { join, .. } => {
                let table = &self.query.prepared.plan.joins[*join];
                let mut saw_null = Box::new(0u8);
                self.frame
                    .set(Slot::SawNullKey, std::ptr::from_mut(&mut *saw_null) as u64);
                let part = match (table.strategy, &self.running.build) {
                    (JoinStrategy::Bitmap { range, .. }, _) => {
                        let bits = bitmap(range, budget)?;
                        self.frame
                            .set(Slot::JoinIndex { join: usize::MAX }, bits.address() as u64);
                        PartialBuild::Bits(bits)
                    }
                    (_, Some(build)) => PartialBuild::Rows(build.part()),
                    (_, None) => return Err(ExecError::internal("a join table without rows")),
                };
                SinkState::Build { part, saw_null }
            }
            Sink::Mark { .. } => SinkState::Marks,
            Sink::Aggregate { .. } => SinkState::Groups(GroupSink::new(number, self.running.groups.clone())),
            Sink::Batches { .. } => {
                let output = Output::new(&self.running.fields, self.query.options.batch_rows, budget)?;
                let cutoff = Cutoff::of(self.pipeline);
                if let Some((parameter, cutoff)) = &cutoff {
                    self.frame.set(Slot::Parameter { index: *parameter }, cutoff.address());
                }
                SinkState::Batches {
                    output,
                    done: Vec::new(),
                    cutoff: cutoff.map(|(_, cutoff)| cutoff),
                }
            }
        })
    }

    /// Works on a morsel, block by block.
    pub fn morsel(&mut self, morsel: &Morsel, number: usize) -> Result<(), ExecError> {
        self.morsel = number;
        if self.keeps_order {
            self.host.enter(number);
        }
        if let SinkState::Groups(groups) = &mut self.sink {
            groups.next_morsel();
            self.rows.clone_from(&morsel.rows);
        }
        self.blocks(morsel)?;
        if self.running.keeps_order() {
            self.flush()?;
        }
        self.running.end_morsel(self.query, number)
    }

    fn blocks(&mut self, morsel: &Morsel) -> Result<(), ExecError> {
        if self.unit != Some(morsel.unit) || self.wanted != morsel.wanted {
            self.leave_unit()?;
            self.unit = Some(morsel.unit);
            self.wanted.clone_from(&morsel.wanted);
        }
        if let SourceKind::Range { .. } = self.pipeline.sources[0].kind {
            self.frame
                .set(Slot::FirstRow, (morsel.unit as u64) << super::run::RANGE_UNIT_BITS);
        }
        for range in morsel.rows.ranges() {
            let mut start = range.start;
            while start < range.end {
                if self.query.options.cancel.is_cancelled() || self.running.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let count = self.block.min(range.end - start);
                self.counts.source.rows += count as u64;
                let held = self.host.bytes();
                self.stages(0, start, count)?;
                self.adapt(count, self.host.bytes().saturating_sub(held));
                if self.transient {
                    self.host.reset()?;
                }
                start += count;
            }
        }
        // Others must learn soon that there are enough rows.
        if self.running.enough().is_some() {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Makes blocks as large as what functions make for their rows allows: `repeat(c, 1000000)` must not hold gigabytes for
    /// rows that nobody has taken yet. A worker begins with one row, as nobody knows.
    fn adapt(&mut self, rows: usize, made: usize) {
        if made > 2 * MADE_BYTES {
            self.block = (rows / 2).max(1);
        } else if made <= MADE_BYTES && rows == self.block {
            self.block = (2 * rows).min(BLOCK_ROWS);
        }
    }

    /// Nothing of the unit is needed any more, except what the sink's rows point into.
    fn leave_unit(&mut self) -> Result<(), ExecError> {
        let mut texts = false;
        for (chunk, field) in self.loaded.iter_mut().zip(&self.pipeline.sources[0].fields) {
            if let Some(chunk) = chunk.take()
                && !self.transient
                && matches!(field.facts.stored, Physical::Str | Physical::Nested)
            {
                texts = true;
                self.pins.push(chunk);
            }
        }
        if texts && self.pins.len() > 64 && matches!(self.sink, SinkState::Batches { .. }) {
            self.flush()?;
        }
        self.settle_texts()
    }

    /// Copies what tables have of the unit's texts, where that is little.
    fn settle_texts(&mut self) -> Result<(), ExecError> {
        let plan = &self.query.prepared.plan;
        let written;
        let own = match (&mut self.sink, &self.pipeline.sink) {
            (SinkState::Build { part, .. }, Sink::Build { join, .. }) => {
                let PartialBuild::Rows(rows) = part else { return Ok(()) };
                written = std::mem::take(&mut rows.unsettled);
                OwnRows {
                    layout: &plan.joins[*join].layout,
                    address: rows.appender.rows().address(),
                    rows: &written,
                }
            }
            (SinkState::Groups(groups), Sink::Aggregate { group, .. }) => {
                let table = &plan.groups[*group];
                let Some((address, rows)) = groups.own_rows() else {
                    return Ok(());
                };
                if !self.pins.is_worth(rows.len() * table.layout.stride as usize) || has_lists(table) {
                    return Ok(());
                }
                written = vec![rows];
                OwnRows {
                    layout: &table.layout,
                    address,
                    rows: &written,
                }
            }
            _ => return Ok(()),
        };
        let nested = |field: &RowField| field.facts.stored == Physical::Nested;
        if self.pins.len() == 0 || own.layout.fields.iter().any(nested) {
            return Ok(());
        }
        // SAFETY: the rows are the worker's own; a build's earlier rows point into chunks that were looked at before.
        unsafe { self.pins.settle(&own, &mut self.host) }
    }

    /// Reads the columns that a kernel needs and that are not there yet.
    fn load(&mut self, fields: &[usize]) -> Result<(), ExecError> {
        for &field in fields {
            if self.loaded[field].is_some() {
                continue;
            }
            let clock = Instant::now();
            let unit = self.unit.unwrap_or(0);
            let (chunk, hit, bytes) = self.query.read(self.pipeline, unit, field, self.wanted.as_ref())?;
            self.frame.set(Slot::Values { field }, chunk.values.as_ptr() as u64);
            let validity = match &chunk.validity {
                Some(bytes) => bytes.as_ptr() as u64,
                None => self.query.all_valid(chunk.rows).as_ptr() as u64,
            };
            self.frame.set(Slot::Validity { field }, validity);
            self.loaded[field] = Some(chunk);
            self.counts.bytes_read += bytes;
            self.counts.cache_hits += u64::from(hit);
            self.counts.cache_misses += u64::from(!hit);
            self.counts.source.nanos += elapsed(clock);
        }
        Ok(())
    }

    /// Takes `count` rows in flight through the stages from `from` on.
    fn stages(&mut self, from: usize, start: usize, mut count: usize) -> Result<(), ExecError> {
        let code = self.code.clone();
        for (number, stage) in code.stages.iter().enumerate().skip(from) {
            match stage {
                Stage::Mask { kernel, vector } => {
                    self.load(&kernel.fields)?;
                    let clock = self.clock();
                    self.call(kernel, start, count)?;
                    let out = &mut self.frame.vectors[*vector];
                    count = simd::compact(&self.frame.mask[..count], start as u32, out);
                    self.count(number, count, clock);
                }
                Stage::Filter { kernel } | Stage::Cutoff { kernel } => {
                    count = self.drop_rows(number, kernel, start, count)?
                }
                Stage::Exists { kernel, join, kind } | Stage::Lookup { kernel, join, kind } => {
                    let saw_null = self.query.joins[*join].get().is_some_and(|built| built.saw_null);
                    if *kind == JoinKind::NullAwareAnti && saw_null {
                        return Ok(());
                    }
                    count = self.drop_rows(number, kernel, start, count)?;
                }
                Stage::Walk {
                    skip_if_unique: true,
                    join,
                    ..
                } if self.skips(*join) => {
                    self.count(number, count, None);
                }
                Stage::Walk { kernel, .. } | Stage::Expand { kernel } => {
                    return self.walk(number, kernel, start, count);
                }
            }
            if count == 0 {
                return Ok(());
            }
        }
        self.sink(start, count)
    }

    fn drop_rows(&mut self, stage: usize, kernel: &Kernel, start: usize, count: usize) -> Result<usize, ExecError> {
        self.load(&kernel.fields)?;
        let clock = self.clock();
        let left = self.call(kernel, start, count)?;
        self.count(stage, left, clock);
        Ok(left)
    }

    /// Runs a walk until its input is used up; what it gives goes on through the later stages at once.
    fn walk(&mut self, stage: usize, kernel: &Kernel, start: usize, count: usize) -> Result<(), ExecError> {
        self.load(&kernel.fields)?;
        let mut at = (0, 0);
        loop {
            if self.query.options.cancel.is_cancelled() {
                return Ok(());
            }
            self.frame.resume(at);
            let clock = self.clock();
            let given = self.call(kernel, start, count)?;
            let stopped = self.frame.stopped();
            self.count(stage, given, clock);
            if given > 0 {
                self.stages(stage + 1, start, given)?;
            }
            match stopped {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
    }

    fn sink(&mut self, start: usize, count: usize) -> Result<(), ExecError> {
        let code = self.code.clone();
        self.load(&code.sink.fields)?;
        let clock = self.clock();
        let budget = &self.query.budget;
        match &mut self.sink {
            SinkState::Build {
                part: PartialBuild::Rows(rows),
                ..
            } => {
                rows.appender.make_room()?;
                self.frame.set(Slot::SinkRows, rows.appender.rows().address() as u64);
                self.frame.set(Slot::SinkCount, rows.appender.next as u64);
            }
            SinkState::Build { .. } | SinkState::Marks => {}
            SinkState::Groups(groups) => {
                let Sink::Aggregate { group, .. } = &self.pipeline.sink else {
                    return Err(ExecError::internal("groups of a sink that makes none"));
                };
                let table = &self.query.prepared.plan.groups[*group];
                let groups = groups.table(table, (&self.rows, &self.loaded), count, budget)?;
                point_to_groups(&mut self.frame, groups);
            }
            SinkState::Batches { output, .. } => {
                output.make_room(count, budget)?;
                output.attach(&mut self.frame);
            }
        }
        self.call(&code.sink, start, count)?;
        let used = self.frame.get(Slot::SinkCount) as usize;
        let mut full = false;
        match &mut self.sink {
            SinkState::Build {
                part: PartialBuild::Rows(rows),
                ..
            } => {
                if let Sink::Build { join, .. } = &self.pipeline.sink {
                    rows.wrote(&self.query.prepared.plan.joins[*join], used);
                }
            }
            SinkState::Build { .. } | SinkState::Marks => {}
            SinkState::Groups(groups) => groups.wrote(used),
            SinkState::Batches { output, cutoff, .. } => {
                if let Some(cutoff) = cutoff {
                    let (column, width) = cutoff.column();
                    // SAFETY: the texts of rows in the output are alive.
                    output.each_valid(column, width, count, |value| unsafe { cutoff.saw(value) });
                    cutoff.publish();
                }
                output.rows += count;
                let enough = self.running.enough().is_some_and(|enough| output.rows as u64 >= enough);
                // Long texts are copied into the batch: gigabytes would be there twice.
                full = enough || output.is_full() || self.host.bytes() > TEXT_BYTES.min(self.query.options.ahead_bytes);
            }
        }
        self.count(code.stages.len(), count, clock);
        if full { self.flush() } else { Ok(()) }
    }

    /// Makes a batch of what the sink holds.
    fn flush(&mut self) -> Result<(), ExecError> {
        if let SinkState::Batches { output, done, .. } = &mut self.sink {
            if output.rows > 0 {
                let (fields, schema) = (&self.running.fields, &self.running.schema);
                let mut start = 0;
                while start < output.rows {
                    self.query.options.cancel.check()?;
                    let most = TEXT_BYTES.min(self.query.options.ahead_bytes);
                    let (end, bytes) = output.end_of_part(fields, start, most);
                    let _held = self.query.budget.reserve(bytes, output::OPERATOR)?;
                    let batch = output.part(start..end, fields, schema)?;
                    if let Some(batch) = self.running.give(self.query, self.morsel, batch)? {
                        done.push(batch);
                    }
                    start = end;
                }
                output.rows = 0;
            }
            self.host.reset()?;
            self.pins.clear();
        }
        Ok(())
    }

    /// Ends the worker's part.
    pub fn finish(mut self) -> Result<(Part, Counts), ExecError> {
        self.leave_unit()?;
        self.flush()?;
        self.query.pin(self.pins.into_all());
        let part = match self.sink {
            SinkState::Build { part, saw_null } => Part::Build(part, *saw_null != 0),
            SinkState::Groups(groups) => Part::Groups(groups.finish()),
            SinkState::Marks => Part::Marks,
            SinkState::Batches { done, .. } => Part::Batches(done),
        };
        self.query.keep_host(self.host);
        Ok((part, self.counts))
    }

    fn clock(&self) -> Option<Instant> {
        self.query.options.analyze.then(Instant::now)
    }

    fn count(&mut self, stage: usize, rows: usize, clock: Option<Instant>) {
        let counts = &mut self.counts.stages[stage];
        counts.rows += rows as u64;
        counts.nanos += clock.map_or(0, elapsed);
    }

    fn call(&mut self, kernel: &Kernel, start: usize, count: usize) -> Result<usize, ExecError> {
        let address = self.frame.address();
        // SAFETY: the frame's slots point to memory that lives at least as long as the worker, with room for a block
        // wherever the kernel writes.
        let given = with_bytes(self.code.stack_bytes, || unsafe {
            self.executable
                .call_kernel(kernel.id, address, start as i64, count as i64)
        });
        usize::try_from(given).map_err(|_| failure(self.code, &self.frame, &mut self.host))
    }
}

/// Whether texts, arrays and structs that functions made may be pointed to from a sink after a block.
fn keeps_objects(plan: &PhysicalPlan, sink: &Sink) -> bool {
    let layout = match sink {
        Sink::Batches { .. } => return true,
        Sink::Mark { .. } => return false,
        Sink::Build { join, .. } => &plan.joins[*join].layout,
        Sink::Aggregate { group, .. } => {
            let table = &plan.groups[*group];
            if has_lists(table) {
                return true;
            }
            &table.layout
        }
    };
    let points = |field: &RowField| matches!(field.facts.stored, Physical::Str | Physical::Nested);
    layout.fields.iter().any(points)
}

/// Whether arrays of a sink have their elements in the order of the rows.
fn keeps_order(plan: &PhysicalPlan, sink: &Sink) -> bool {
    let Sink::Aggregate { group, .. } = sink else {
        return false;
    };
    let mut results = plan.groups[*group].aggregates.iter();
    results.any(|result| result.function == AggregateFunction::List)
}

/// Whether groups have states of `array_agg`.
fn has_lists(table: &GroupTable) -> bool {
    table.states.iter().any(|state| state.kind == StateKind::List)
}

/// Points the frame's slots to a group table.
pub fn point_to_groups(frame: &mut Frame, groups: &Groups) {
    frame.set(Slot::SinkRows, groups.rows.address() as u64);
    frame.set(Slot::SinkCount, groups.rows.count as u64);
    frame.set(
        Slot::GroupIndex,
        groups.index.as_ref().map_or(0, |block| block.address() as u64),
    );
    frame.set(Slot::GroupMask, groups.mask);
}

/// The error that a kernel left.
pub fn failure(code: &PipelineCode, frame: &Frame, host: &mut Host) -> ExecError {
    // SAFETY: the frame was made for this code.
    unsafe { failure_at(code, frame.start(), host) }
}

/// The same for the frame at an address.
///
/// # Safety
/// A frame of this code lies there.
pub unsafe fn failure_at(code: &PipelineCode, frame: *const u8, host: &mut Host) -> ExecError {
    // SAFETY: the caller's promise.
    let word = |offset: usize| unsafe { frame.add(offset).cast::<u64>().read_unaligned() };
    let operand = |slot: Slot| {
        let mut bytes = [0; 16];
        if let Some(index) = code.frame.find(slot) {
            let at = HEADER_BYTES + index * 8;
            bytes[..8].copy_from_slice(&word(at).to_le_bytes());
            bytes[8..].copy_from_slice(&word(at + 8).to_le_bytes());
        }
        bytes
    };
    let through = std::mem::take(&mut host.through);
    let site = code.sites.get(word(ERROR_SITE as usize) as usize);
    if let Some(mut error) = host.error.take() {
        // What was asked from here, and failed elsewhere.
        let before = error.through.iter().copied();
        error.through = before.chain(site.map(|site| site.span)).chain(through).collect();
        return error;
    }
    let Some(site) = site else {
        return ExecError::internal("a kernel failed at an unknown place");
    };
    if site.code == "57014" {
        return ExecError::cancelled();
    }
    let mut message = site.message.clone();
    for (i, (ty, slot)) in site
        .operands
        .iter()
        .zip([Slot::ErrorLeft, Slot::ErrorRight])
        .enumerate()
    {
        if let Some(ty) = ty {
            let bytes = operand(slot);
            message = message.replace(&format!("{{{i}}}"), &operand_text(&bytes, ty));
        }
    }
    ExecError {
        span: (site.span.end > 0).then_some(site.span),
        through: through.into(),
        ..ExecError::user(site.code, message)
    }
}

fn operand_text(bytes: &[u8; 16], ty: &LogicalType) -> String {
    let stored = match ty.physical() {
        // Integers were widened when they were stored.
        physical if physical.is_int() => Physical::I128,
        Physical::F32 => Physical::F64,
        other => other,
    };
    // SAFETY: the kernel stored an operand of this type; a text is still alive.
    let scalar: Scalar<'_> = unsafe { read_scalar(bytes.as_ptr(), stored) };
    to_value(&scalar, ty).display(ty)
}

pub(super) fn elapsed(clock: Instant) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
