//! Runs physical plans: batches in, batches out.
//!
//! Life of a run: `prepare` writes and compiles the kernels of each pipeline; `run` works through the pipelines, and `worker`
//! through the morsels of one; `tables` holds what joins and aggregations build, `output` and `finish` make batches; `sort` finds
//! the order of rows for `finish` and `window`.
//!
//! Invariants: every large allocation is taken from the query's budget first; a cancelled query stops within a block.
//!
//! Does not: parse, bind or optimise.

mod arranged;
mod collected;
mod cutoff;
mod drivers;
mod engine;
mod explain;
mod finish;
mod frame;
mod group_sink;
mod growing;
mod held;
mod host;
mod kernels;
mod lists;
mod maps;
pub mod memory;
mod merge;
mod moment;
mod morsels;
mod nested;
mod operators;
mod ordered;
mod output;
mod pins;
mod pool;
mod prepare;
mod recursion;
mod results;
pub mod routine;
mod row_body;
mod rows;
mod run;
mod schedule;
mod simd;
mod sort;
pub mod spent;
mod tables;
mod temp;
mod texts;
mod tidy;
mod window;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use engine::{BatchStream, Engine};
pub use explain::{Explain, OperatorProfile, PipelineExplain, PipelineProfile, Profile};
pub use prepare::{Phases, Prepared};
pub use recursion::Grown;
pub use row_body::RowBody;

use crate::formats::FormatError;
use crate::functions::{FunctionError, NO_MEMORY};
use crate::plan::physical::Span;

/// Sizes of what all queries share.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// Workers at most.
    pub threads: usize,
    /// Bytes of decoded chunks kept.
    pub cache_bytes: usize,
}

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
    /// Keep how many rows are expected where.
    pub estimates: bool,
    /// Count rows and time per operator.
    pub analyze: bool,
    /// Decoded chunks of files are kept for later queries.
    pub keeps_chunks: bool,
    /// Bytes of a result that are made before somebody takes them, more or less.
    pub ahead_bytes: usize,
    /// Its rows may be waited with for long: workers that others may need do not wait with them.
    pub paused: bool,
    /// Stops the query.
    pub cancel: CancelToken,
    /// Tells the lines of what handlers of errors have caught.
    pub lines: Lines,
}

/// Tells the line that a place of a text is in, counted from 1.
#[derive(Clone, Default)]
pub struct Lines(Option<Arc<dyn Fn(u32) -> Option<u32> + Send + Sync>>);

impl Lines {
    /// Of a text that is known.
    pub fn new(line: impl Fn(u32) -> Option<u32> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(line)))
    }

    /// The line; none if the place is not known.
    pub fn line(&self, place: u32) -> Option<u32> {
        self.0.as_ref()?(place)
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Lines").field(&self.0.is_some()).finish()
    }
}

/// Rows that wait for their reader take this share of the memory limit at most.
const AHEAD_SHARE: usize = 32;
/// And no more than this.
const AHEAD_BYTES: usize = 64 << 20;

impl QueryOptions {
    /// Bytes that may wait, of a result that is read as fast as it comes.
    pub fn ahead_of(memory_limit_bytes: usize) -> usize {
        memory::share(memory_limit_bytes, AHEAD_SHARE, AHEAD_BYTES)
    }

    /// Whether a query is compiled to the same code with the others, and tells as much of itself.
    pub fn makes_same_code(&self, other: &QueryOptions) -> bool {
        let of = |options: &QueryOptions| {
            let shown = (options.dump_code, options.estimates, options.analyze);
            (options.threads, options.jit, options.batch_rows, shown)
        };
        of(self) == of(other)
    }
}

/// Asks a query to stop, or has it stop at a time.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Stop>);

/// What a token says; generated code knows its address.
#[derive(Debug, Default)]
struct Stop {
    asked: AtomicBool,
    deadline: Option<Instant>,
}

impl Stop {
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.is_over()
    }
}

impl CancelToken {
    /// A token that asks by itself at a time.
    pub fn until(deadline: Option<Instant>) -> Self {
        Self(Arc::new(Stop {
            asked: AtomicBool::new(false),
            deadline,
        }))
    }

    /// Asks.
    pub fn cancel(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// The address for generated code; valid while a clone of the token lives.
    fn address(&self) -> u64 {
        Arc::as_ptr(&self.0) as u64
    }

    /// Whether somebody asked, or the time has come.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// An error if somebody asked.
    pub fn check(&self) -> Result<(), ExecError> {
        if self.is_cancelled() {
            Err(self.named(ExecError::cancelled()))
        } else {
            Ok(())
        }
    }

    /// The error of a query that this token stopped says why it did.
    fn named(&self, error: ExecError) -> ExecError {
        match error.kind == ErrorKind::Cancelled && self.0.is_over() {
            true => ExecError {
                message: "the statement took longer than `statement_timeout` allows".into(),
                ..error
            },
            false => error,
        }
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
    /// The user's name for it, if it was thrown.
    pub exception: Option<String>,
    /// Calls that it went through on its way out, the innermost first.
    pub through: Box<[Span]>,
}

/// What helps where there is too little memory.
const MORE_MEMORY: &str = "raise `memory_limit`, or let the query keep fewer rows at once";

impl ExecError {
    fn new(kind: ErrorKind, code: &'static str, message: String) -> Self {
        Self {
            kind,
            code,
            message,
            span: None,
            help: None,
            exception: None,
            through: Box::default(),
        }
    }

    /// The query or its data are wrong.
    pub(crate) fn user(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::User, code, message.into())
    }

    /// A bug.
    pub(crate) fn internal(message: &str) -> Self {
        Self::new(ErrorKind::Internal, "XX000", message.to_owned())
    }

    /// Something cannot be done yet.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, "0A000", format!("{what} is not supported yet"))
    }

    /// Something ran out.
    pub(crate) fn resource(message: String) -> Self {
        Self::new(ErrorKind::Resource, "53000", message)
    }

    /// The error of a function.
    pub(crate) fn of_function(error: FunctionError) -> Self {
        match error.code {
            NO_MEMORY => Self {
                help: Some(MORE_MEMORY.into()),
                ..Self::new(ErrorKind::Resource, NO_MEMORY, error.message)
            },
            code => Self::user(code, error.message),
        }
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "57014", "the query was cancelled".into())
    }

    pub(crate) fn out_of_memory(operator: &str, wanted: usize, used: usize, limit: usize) -> Self {
        let size = |bytes: usize| match bytes {
            0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
            100_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
            _ => format!("{:.1} GB", bytes as f64 / 1e9),
        };
        let message = format!(
            "{operator} needs {} more, beside {} in use; the memory limit is {}",
            size(wanted),
            size(used),
            size(limit)
        );
        Self {
            help: Some(MORE_MEMORY.into()),
            ..Self::new(ErrorKind::Resource, "53200", message)
        }
    }
}

impl From<FormatError> for ExecError {
    fn from(error: FormatError) -> Self {
        let (kind, code) = match &error {
            FormatError::Io { .. } | FormatError::NoMatch { .. } => (ErrorKind::User, "58030"),
            FormatError::Corrupt { .. } => (ErrorKind::Corrupt, "XX001"),
            FormatError::Line { .. } => (ErrorKind::User, "22P04"),
            FormatError::Unsupported { .. } => (ErrorKind::Unsupported, "0A000"),
            _ => (ErrorKind::User, "42P17"),
        };
        Self::new(kind, code, error.to_string())
    }
}

/// How far a query is; can be asked from any thread.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<std::sync::atomic::AtomicU32>);

impl Progress {
    /// Share of the work that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        f64::from(self.0.load(Ordering::Relaxed)) / 1e6
    }

    fn set(&self, done: u64, all: u64) {
        let share = done
            .saturating_mul(1_000_000)
            .checked_div(all)
            .unwrap_or(1_000_000)
            .min(1_000_000);
        self.0.store(share as u32, Ordering::Relaxed);
    }
}
