//! Runs physical plans: batches in, batches out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use gobi_grammar::ast::Span;

use crate::formats::Relation;
use crate::plan::logical::Query as LogicalQuery;

/// Sizes of what all queries share.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// Workers at most.
    pub threads: usize,
    /// Bytes of decoded chunks kept.
    pub cache_bytes: usize,
}

/// What sessions share: workers and caches.
#[derive(Debug)]
pub struct Engine;

/// How generated code is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JitMode {
    /// Where it pays.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never: the interpreter runs the IR.
    Off,
}

/// How one query is run.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// Workers used.
    pub threads: usize,
    /// Budget.
    pub memory_limit_bytes: usize,
    /// Generated code.
    pub jit: JitMode,
    /// Rows of a block.
    pub batch_rows: usize,
    /// Keep the texts of the code.
    pub dump_code: bool,
    /// Count rows and time per operator.
    pub analyze: bool,
    /// Stops the query.
    pub cancel: CancelToken,
}

/// Asks a query to stop.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// An engine that has started nothing yet.
    pub fn new(_config: EngineConfig) -> Engine {
        Engine
    }

    /// Drops decoded chunks and compiled kernels.
    pub fn clear_caches(&self) {}

    /// Drops compiled kernels.
    pub fn clear_kernels(&self) {}

    /// Plans and compiles.
    pub fn prepare(
        &self,
        _query: &LogicalQuery,
        _tables: &[Arc<dyn Relation>],
        _options: &QueryOptions,
    ) -> Result<Prepared, ExecError> {
        Err(ExecError {
            kind: ErrorKind::Unsupported,
            code: "0A000",
            message: "queries are not run yet".into(),
            span: None,
            help: None,
        })
    }

    /// Runs.
    pub fn run(self: &Arc<Self>, prepared: Prepared) -> Result<BatchStream, ExecError> {
        match prepared.never {}
    }
}

#[derive(Debug)]
enum Never {}

/// A compiled query.
#[derive(Debug)]
pub struct Prepared {
    never: Never,
}

/// Time taken before a query runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// Physical planning.
    pub plan_us: u64,
    /// Code generation.
    pub compile_us: u64,
}

impl Prepared {
    /// What will run.
    pub fn explain(&self) -> Explain {
        match self.never {}
    }

    /// Time taken so far.
    pub fn phases(&self) -> Phases {
        match self.never {}
    }
}

/// What a query runs.
#[derive(Clone, Debug, Default)]
pub struct Explain {
    /// In the order in which they run.
    pub pipelines: Vec<PipelineExplain>,
}

/// One pipeline.
#[derive(Clone, Debug, Default)]
pub struct PipelineExplain {
    /// Source first, sink last.
    pub operators: Vec<String>,
    /// IR text.
    pub ir: String,
    /// CLIF with the IR op beside it.
    pub clif: Vec<String>,
    /// Offset, hex bytes, instruction.
    pub code: Vec<String>,
    /// Time.
    pub compile_us: u64,
}

/// What happened while a query ran.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Per pipeline, per operator.
    pub pipelines: Vec<PipelineProfile>,
}

/// What happened in a pipeline.
#[derive(Clone, Debug, Default)]
pub struct PipelineProfile {
    /// In the order of [`PipelineExplain::operators`].
    pub operators: Vec<OperatorProfile>,
}

/// What happened at an operator.
#[derive(Clone, Debug, Default)]
pub struct OperatorProfile {
    /// Rows that left it.
    pub rows: u64,
    /// Time in it, all workers.
    pub micros: u64,
    /// Bytes read.
    pub bytes_read: u64,
}

/// The result of a query, as it comes.
#[derive(Debug)]
pub struct BatchStream {
    never: Never,
}

impl BatchStream {
    /// Columns.
    pub fn schema(&self) -> SchemaRef {
        match self.never {}
    }

    /// After the end.
    pub fn profile(&self) -> Profile {
        match self.never {}
    }

    /// How far the query is; can be asked from another thread.
    pub fn progress(&self) -> Progress {
        match self.never {}
    }
}

impl Iterator for BatchStream {
    type Item = Result<RecordBatch, ExecError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.never {}
    }
}

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Change the query or the data.
    User,
    /// Wait for a release.
    Unsupported,
    /// Give it more memory.
    Resource,
    /// Mend the file.
    Corrupt,
    /// Nothing: it was asked for.
    Cancelled,
    /// Report it.
    Internal,
}

/// Why a query failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExecError {
    /// Kind.
    pub kind: ErrorKind,
    /// SQLSTATE.
    pub code: &'static str,
    /// What.
    pub message: String,
    /// Where in the script.
    pub span: Option<Span>,
    /// What would help.
    pub help: Option<String>,
}

/// How far a query is.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<std::sync::atomic::AtomicU32>);

impl Progress {
    /// Share of the work that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        f64::from(self.0.load(Ordering::Relaxed)) / 1e6
    }
}
