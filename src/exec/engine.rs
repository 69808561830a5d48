//! The engine: what all sessions of a process share.
//!
//! `engine.prepare(plan, relations, options)` plans kernels and compiles them; `engine.run(prepared)` gives a stream of batches.
//!
//! Invariants: nothing is started or allocated before it is needed.
//!
//! Does not: know sessions.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use gobi_jit::{Compiler, Options};

use super::drivers::Drivers;
use super::explain::{self, Profile};
use super::host;
use super::kernels::{KernelCache, KernelStats};
use super::memory::{Budget, Reservation};
use super::output::BATCH_BYTES;
use super::pool::Pool;
use super::prepare::{self, Prepared};
use super::results::Results;
use super::rows::SpareRows;
use super::run::{Query, lock};
use super::{CancelToken, EngineConfig, ExecError, Progress, QueryOptions};
use crate::formats::Relation;
use crate::plan::physical::PhysicalPlan;
use crate::store::cache::ChunkCache;

/// What sessions share: workers and caches.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// The parts of the engine that running queries hold on to.
#[derive(Debug)]
pub struct Shared {
    /// Workers.
    pub pool: Pool,
    /// Threads that queries run on.
    pub drivers: Arc<Drivers>,
    /// Decoded chunks.
    pub chunks: Arc<ChunkCache>,
    /// Compiled kernels.
    pub kernels: KernelCache,
    /// Memory of ended join tables.
    pub spare_rows: Arc<SpareRows>,
    compiler: OnceLock<Result<Compiler, String>>,
}

impl Shared {
    /// The compiler, made when first needed.
    pub fn compiler(&self) -> Result<&Compiler, String> {
        let made = self
            .compiler
            .get_or_init(|| Compiler::new(host::table().clone(), compiler_options()).map_err(|e| e.to_string()));
        made.as_ref().map_err(Clone::clone)
    }
}

/// Setting `GOBI_FAIL_COMPILE` to a part of a kernel's name makes its compilation fail, to show that the interpreter takes over.
pub fn compiler_options() -> Options {
    Options {
        fail_on: std::env::var("GOBI_FAIL_COMPILE").ok(),
        ..Options::default()
    }
}

/// Batches of a result that are made ahead of their reader: some, if they may take the memory.
fn batches_ahead(options: &QueryOptions) -> usize {
    (options.ahead_bytes / BATCH_BYTES).clamp(2, 8)
}

impl Engine {
    /// An engine that has started nothing yet.
    pub fn new(config: EngineConfig) -> Engine {
        let shared = Shared {
            pool: Pool::default(),
            drivers: Arc::default(),
            chunks: Arc::new(ChunkCache::new(config.cache_bytes as u64)),
            kernels: KernelCache::default(),
            spare_rows: Arc::default(),
            compiler: OnceLock::new(),
        };
        Engine {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The cache of decoded chunks.
    pub fn chunk_cache(&self) -> &ChunkCache {
        &self.shared.chunks
    }

    /// What was found among compiled kernels, and what was not.
    pub fn kernel_stats(&self) -> KernelStats {
        self.shared.kernels.stats()
    }

    /// Drops decoded chunks, compiled kernels, spare memory, and what the process knows of files.
    pub fn clear_caches(&self) {
        self.shared.chunks.clear();
        self.shared.spare_rows.clear();
        crate::formats::forget_opened();
        self.clear_kernels();
    }

    /// Drops compiled kernels.
    pub fn clear_kernels(&self) {
        self.shared.kernels.clear();
    }

    /// Writes and compiles the kernels of a plan; `relations` are addressed by table id.
    pub fn prepare(
        &self,
        plan: PhysicalPlan,
        relations: &[Arc<dyn Relation>],
        options: &QueryOptions,
    ) -> Result<Prepared, ExecError> {
        prepare::prepare(&self.shared, plan, relations, options)
    }

    /// Starts a query; its batches come through the stream as they are made.
    pub fn run(&self, prepared: Prepared) -> Result<BatchStream, ExecError> {
        let prepared = Arc::new(prepared);
        let options = prepared.options.clone();
        let budget = Budget::beside(options.memory_limit_bytes, self.shared.chunks.clone());
        // What takes less time than to start a thread is run at once.
        let at_once = prepared.is_small();
        let (sender, receiver) = match at_once {
            true => Results::kept(),
            false => Results::ahead(batches_ahead(&options)),
        };
        let relations = prepared.relations.clone();
        let query = Query::new(
            self.shared.clone(),
            prepared.clone(),
            relations,
            options.clone(),
            budget,
            Some(sender.clone()),
        );
        let budget = Arc::clone(&query.budget);
        let progress = query.progress.clone();
        let outcome: Arc<Mutex<Option<Profile>>> = Arc::default();
        let (kept, explained) = (outcome.clone(), prepared.clone());
        let run = move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| query.run()));
            match done {
                Ok(Ok(query)) => *lock(&kept) = Some(explain::profile(&query, &explained)),
                Ok(Err(error)) => _ = sender.send(Err(error)),
                Err(_) => _ = sender.send(Err(ExecError::internal("the query's thread panicked"))),
            }
        };
        if at_once {
            run();
        } else {
            let started = self.shared.drivers.run(run);
            started.map_err(|e| ExecError::resource(format!("cannot start a thread: {e}")))?;
        }
        Ok(BatchStream {
            schema: prepared.schema.clone(),
            receiver,
            outcome,
            budget,
            cancel: options.cancel,
            watched: None,
            ended: false,
            progress,
        })
    }
}

/// The result of a query, as it comes.
#[derive(Debug)]
pub struct BatchStream {
    schema: SchemaRef,
    receiver: Receiver<Result<RecordBatch, ExecError>>,
    outcome: Arc<Mutex<Option<Profile>>>,
    budget: Arc<Budget>,
    cancel: CancelToken,
    /// Stops the query as well, but has a deadline of its own.
    watched: Option<CancelToken>,
    ended: bool,
    progress: Progress,
}

/// Who waits for a batch looks so often whether to stop.
const LOOK_UP: Duration = Duration::from_millis(5);

impl BatchStream {
    /// Columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What happened; complete after the last batch.
    pub fn profile(&self) -> Profile {
        lock(&self.outcome).clone().unwrap_or_default()
    }

    /// How far the query is.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Stops waiting for the next batch when this token asks, too: that of the statement which wants it now.
    pub fn watch(&mut self, stop: CancelToken) {
        self.watched = Some(stop);
    }

    /// The next batch, while nobody who is watched asks to stop.
    fn receive(&self) -> Option<Result<RecordBatch, ExecError>> {
        let Some(watched) = &self.watched else {
            return self.receiver.recv().ok();
        };
        loop {
            if let Err(error) = watched.check() {
                self.cancel.cancel();
                return Some(Err(error));
            }
            match self.receiver.recv_timeout(LOOK_UP) {
                Ok(item) => return Some(item),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Takes bytes from the query's budget, for what is kept of its result.
    pub fn reserve(&self, bytes: usize, what: &str) -> Result<Reservation, ExecError> {
        self.budget.reserve(bytes, what)
    }
}

impl Iterator for BatchStream {
    type Item = Result<RecordBatch, ExecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        // Batches that were made ahead are not waited for any more.
        if let Err(error) = self.cancel.check() {
            self.ended = true;
            return Some(Err(error));
        }
        let item = self.receive();
        self.ended = !matches!(item, Some(Ok(_)));
        item.map(|item| item.map_err(|error| self.cancel.named(error)))
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel.cancel();
        }
    }
}
