//! From physical pipelines to IR: one module of kernels for each pipeline.
//!
//! TPC-H query 6 becomes one pipeline of two kernels: `mask_0` tests ship date, discount and quantity of sixteen rows at a
//! time; `aggregate` multiplies and adds for the rows that passed. `exec` calls them for each block of [`BLOCK_ROWS`] rows.
//!
//! Where do I look? `stages` has filters and probes, `walk` what gives several rows for one, `groups` aggregation, `sinks` join
//! builds and output, `expr` and `arith` expressions, `strings` text, `nested` arrays and structs, `value` everything about NULL,
//! `frame` the memory that kernels see, `routine` functions and bodies of the language.
//!
//! Invariants: a kernel is `fn(frame: ptr, start: i64, count: i64) -> i64` and returns a number of rows, or -1 after an error.
//!
//! Does not: run anything, or know threads, files and memory.

mod arith;
mod emit;
mod exact;
mod expr;
pub mod frame;
pub mod groups;
mod keys;
mod maps;
mod marks;
mod mask;
mod narrow;
mod nested;
mod range;
mod repeat;
pub mod routine;
mod sinks;
mod stages;
mod strings;
mod texts;
mod value;
mod walk;

use crate::plan::physical::Span;
use gobi_jit::ir::{FuncId, Module};

use crate::functions::FunctionId;
use crate::functions::like::LikePattern;
use crate::plan::physical::logical::JoinKind;
use crate::plan::physical::{DictionaryRef, PhysicalPlan, Pipeline, Sink};
use crate::types::LogicalType;
use crate::types::nested::{NestedLayout, Objects};
use frame::FrameLayout;

/// Rows that one call of a kernel works on, at most.
pub const BLOCK_ROWS: usize = 2048;

/// The code of one pipeline.
#[derive(Debug)]
pub struct PipelineCode {
    /// The kernels.
    pub module: Module,
    /// What the slots of a frame mean.
    pub frame: FrameLayout,
    /// The steps, in order.
    pub stages: Vec<Stage>,
    /// How many stages there are before the first step, and up to and with each.
    pub stage_ends: Vec<usize>,
    /// The sink's kernel.
    pub sink: Kernel,
    /// Merges another worker's groups into the sink.
    pub merge: Option<Kernel>,
    /// How many vectors of row numbers the stages use.
    pub vectors: usize,
    /// Stack that the functions which the kernels call may take.
    pub stack_bytes: usize,
    /// A function that the kernels call has loops, or calls itself: one row may be much work.
    pub repeats: bool,
    /// Places where a kernel can fail.
    pub sites: Vec<Site>,
    /// Dictionaries whose strings the kernels read.
    pub dictionaries: Vec<DictionaryRef>,
    /// Constants.
    pub constants: Vec<Constant>,
    /// Tables of passing codes.
    pub lookups: Vec<Lookup>,
    /// LIKE patterns.
    pub patterns: Vec<Pattern>,
    /// Calls of scalar functions that are not compiled inline.
    pub host_calls: Vec<HostCall>,
    /// The types of what is kept where a loop gives back memory.
    pub kept: Vec<Vec<LogicalType>>,
    /// Literal arrays and structs.
    pub objects: Objects,
    /// Layouts that host functions compare and hash by; the kernels hold their addresses.
    // INVARIANT: boxed, so that they stay where they are.
    #[allow(clippy::vec_box)]
    pub layouts: Vec<Box<NestedLayout>>,
}

/// A kernel of the module.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Which function.
    pub id: FuncId,
    /// Fields of the pipeline's source whose values it reads.
    pub fields: Vec<usize>,
}

/// One call (or two) for each block.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Writes a mask over the rows of the block; what passes goes into a vector.
    Mask {
        /// The kernel.
        kernel: Kernel,
        /// The vector.
        vector: usize,
    },
    /// Keeps some of the rows.
    Filter {
        /// The kernel.
        kernel: Kernel,
    },
    /// Keeps the rows that may be among the first.
    Cutoff {
        /// The kernel.
        kernel: Kernel,
    },
    /// Keeps rows by a bitmap of keys.
    Exists {
        /// The kernel.
        kernel: Kernel,
        /// Which join.
        join: usize,
        /// Its kind.
        kind: JoinKind,
    },
    /// Finds the chain that may hold partners.
    Lookup {
        /// The kernel.
        kernel: Kernel,
        /// Which join.
        join: usize,
        /// Its kind.
        kind: JoinKind,
    },
    /// Gives rows once for every element of an array.
    Expand {
        /// The kernel.
        kernel: Kernel,
    },
    /// Follows the chains.
    Walk {
        /// The kernel.
        kernel: Kernel,
        /// Which join.
        join: usize,
        /// With unique keys the heads are the partners already, and the walk can be left out.
        skip_if_unique: bool,
        /// Then these vectors take the place of those: (input, output).
        aliases: Vec<(usize, usize)>,
    },
}

/// A place where a kernel can fail.
#[derive(Clone, Debug)]
pub struct Site {
    /// SQLSTATE; `XX000` if the host function says which.
    pub code: &'static str,
    /// `{0}` and `{1}` stand for the operands.
    pub message: String,
    /// Types of the operands that the kernel leaves in the frame.
    pub operands: [Option<LogicalType>; 2],
    /// Where in the script.
    pub span: Span,
}

/// Sixteen constant bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constant {
    /// These.
    Bits(u128),
    /// The view of this text.
    Text(Box<[u8]>),
    /// Not bytes but an address: of an object or a layout that the code holds.
    Address(u64),
}

/// One byte per code: 1 passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup(pub Box<[u8]>);

/// A LIKE pattern that is matched by the host.
#[derive(Debug)]
pub struct Pattern(pub LikePattern);

/// A scalar computation that the host does.
#[derive(Clone, Debug)]
pub struct HostCall {
    /// What it computes.
    pub work: HostWork,
    /// Types of what it takes.
    pub args: Vec<LogicalType>,
    /// Type of what it gives.
    pub result: LogicalType,
    /// Where it was written.
    pub span: Span,
}

/// What the host computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostWork {
    /// A function of the table.
    Function(FunctionId),
    /// Two values, joined as texts.
    Concat,
    /// An operator that has no inline form: `add_interval`, `sub_interval`, `mul_interval`, `fmod`, `fdiv`.
    Operator(&'static str),
    /// An interval with the other sign.
    NegateInterval,
    /// A conversion.
    Cast {
        /// NULL instead of an error.
        try_: bool,
    },
    /// LIKE with a computed pattern.
    Like {
        /// Escape character.
        escape: Option<char>,
        /// ILIKE.
        case_insensitive: bool,
    },
}

/// Writes the kernels of a pipeline.
pub fn compile(plan: &PhysicalPlan, pipeline: &Pipeline) -> PipelineCode {
    let mut shared = emit::Shared::new();
    let mut flight = stages::Flight::new();
    let (stages, stage_ends) = stages::write(&mut shared, plan, pipeline, &mut flight);
    let mut merge = None;
    let sink = match &pipeline.sink {
        Sink::Build { join, keys, payload } => {
            let table = &plan.joins[*join];
            sinks::build(&mut shared, plan, pipeline, &flight, (table, keys, payload))
        }
        Sink::Mark {
            join,
            keys,
            residual,
            source,
        } => {
            let probe = stages::Probe {
                join: *join,
                keys,
                residual,
                source: *source,
                number: pipeline.steps.len(),
            };
            marks::sink(&mut shared, plan, pipeline, &flight, &probe)
        }
        Sink::Aggregate { group, keys } => {
            let table = &plan.groups[*group];
            merge = Some(groups::merge(&mut shared, plan, pipeline, table));
            groups::update(&mut shared, plan, pipeline, &flight, (table, keys))
        }
        Sink::Batches { columns, .. } => sinks::batches(&mut shared, plan, pipeline, &flight, columns),
    };
    let mut code = code_of(shared, sink);
    (code.stages, code.stage_ends) = (stages, stage_ends);
    (code.merge, code.vectors) = (merge, flight.vector_count);
    code
}

/// The code of kernels that are written.
fn code_of(shared: emit::Shared, sink: Kernel) -> PipelineCode {
    PipelineCode {
        module: shared.module.finish(),
        frame: shared.frame,
        stages: Vec::new(),
        stage_ends: Vec::new(),
        sink,
        merge: None,
        vectors: 0,
        stack_bytes: shared.stack.bytes(),
        repeats: shared.repeats,
        sites: shared.sites,
        dictionaries: shared.dictionaries,
        constants: shared.constants,
        lookups: shared.lookups,
        patterns: shared.patterns,
        host_calls: shared.host_calls,
        kept: shared.kept,
        objects: shared.objects,
        layouts: shared.layouts,
    }
}
