//! What a query runs, and what happened when it ran.
//!
//! Does not: render; the session does.

use gobi_jit::{ClifLine, Executable, MachineLine, text};

use super::morsels::ruled_out;
use super::prepare::{Prepared, PreparedPipeline};
use super::run::Query;
use crate::compile::{PipelineCode, Stage};
use crate::plan::physical::{JoinStrategy, Pipeline, SourceKind, display};

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
    /// How many rows are expected to leave each, as far as that was estimated.
    pub expected: Vec<Option<u64>>,
    /// IR text.
    pub ir: String,
    /// CLIF with the IR op beside it.
    pub clif: Vec<String>,
    /// Offset, hex bytes, instruction.
    pub code: Vec<String>,
    /// Time.
    pub compile_us: u64,
    /// Why the interpreter runs it, if it does.
    pub interpreted: Option<String>,
}

/// What happened while a query ran.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Per pipeline, per operator.
    pub pipelines: Vec<PipelineProfile>,
    /// Most memory reserved at once.
    pub peak_bytes: usize,
}

/// What happened in a pipeline.
#[derive(Clone, Debug, Default)]
pub struct PipelineProfile {
    /// In the order of [`PipelineExplain::operators`].
    pub operators: Vec<OperatorProfile>,
    /// Chunks that were in the cache.
    pub cache_hits: u64,
    /// Chunks that were decoded.
    pub cache_misses: u64,
}

/// What happened at an operator.
#[derive(Clone, Debug, Default)]
pub struct OperatorProfile {
    /// Rows that left it.
    pub rows: u64,
    /// Time in it, all workers.
    pub micros: u64,
    /// Time from the last worker's end to the pipeline's, at the sink: tables merged, windows computed, rows sorted.
    pub end_micros: u64,
    /// Bytes read.
    pub bytes_read: u64,
}

pub(super) fn explain(prepared: &Prepared) -> Explain {
    let recursive = prepared.recursions.iter().flatten();
    let subqueries = prepared.subqueries.iter().chain(recursive);
    let subqueries = subqueries.flat_map(|s| explain(s).pipelines);
    let own = prepared
        .plan
        .pipelines
        .iter()
        .zip(&prepared.pipelines)
        .map(|(p, c)| one(prepared, p, c));
    Explain {
        pipelines: subqueries.chain(own).collect(),
    }
}

fn one(prepared: &Prepared, pipeline: &Pipeline, prepared_pipeline: &PreparedPipeline) -> PipelineExplain {
    let plan = &prepared.plan;
    let mut source = display::source(plan, pipeline);
    if let Some(SourceKind::Table { table, .. }) = pipeline.sources.first().map(|source| &source.kind)
        && let Some(relation) = prepared.relations.get(table.0 as usize)
    {
        let (units, out) = (relation.units(), ruled_out(&**relation, pipeline));
        if out > 0 {
            source.push_str(&format!(", {} of {units} parts", units - out));
        }
    }
    let mut operators = vec![source];
    let code = &prepared_pipeline.code;
    let before_steps = code.stage_ends.first().copied().unwrap_or(0);
    for (number, stage) in code.stages.iter().enumerate() {
        operators.push(match stage {
            Stage::Filter { kernel } if number < before_steps => {
                format!("keep those that are there (f{})", kernel.id.0)
            }
            Stage::Mask { kernel, .. } => format!("filter by mask (f{})", kernel.id.0),
            Stage::Filter { kernel } => format!("filter (f{})", kernel.id.0),
            Stage::Cutoff { kernel } => format!("drop what cannot be among the first (f{})", kernel.id.0),
            Stage::Exists { join, kernel, .. } => format!("probe {} (f{})", display::join(plan, *join), kernel.id.0),
            Stage::Lookup { join, kernel, .. } => format!("probe {} (f{})", display::join(plan, *join), kernel.id.0),
            Stage::Expand { kernel } => format!("unnest (f{})", kernel.id.0),
            Stage::Walk { join, kernel, .. } => match plan.joins[*join].strategy {
                JoinStrategy::Sorted { .. } => format!("take ranges of join {join} (f{})", kernel.id.0),
                _ => format!("follow chains of join {join} (f{})", kernel.id.0),
            },
        });
    }
    operators.push(display::sink(plan, pipeline));
    let mut expected = vec![None; operators.len()];
    for (steps, rows) in &pipeline.expected {
        if let Some(stages) = code.stage_ends.get(*steps) {
            expected[*stages] = Some(rows.round() as u64);
        }
    }
    PipelineExplain {
        operators,
        expected,
        compile_us: prepared_pipeline.compile_us,
        interpreted: prepared_pipeline.interpreted.clone(),
        ..of_code(code, &prepared_pipeline.executable)
    }
}

/// The texts of code; those of machine code if they were kept.
pub(super) fn of_code(code: &PipelineCode, executable: &Executable) -> PipelineExplain {
    let mut explain = PipelineExplain {
        ir: text::print(&code.module),
        ..PipelineExplain::default()
    };
    if let Executable::Native(module) = executable
        && let Some(dump) = module.dump()
    {
        for function in &dump.functions {
            explain.clif.push(format!("; {}", function.name));
            explain.clif.extend(function.clif.iter().map(clif_line));
            explain.code.push(format!("; {}", function.name));
            explain.code.extend(function.machine.iter().map(machine_line));
        }
    }
    explain
}

fn clif_line(line: &ClifLine) -> String {
    match (&line.ir, &line.note) {
        (Some(ir), Some(note)) => format!("{:<56} ; {ir}  -- {note}", line.clif),
        (Some(ir), None) => format!("{:<56} ; {ir}", line.clif),
        _ => line.clif.clone(),
    }
}

fn machine_line(line: &MachineLine) -> String {
    let text = format!("{:>6x}  {:<24} {}", line.offset, line.bytes, line.asm);
    match &line.ir {
        Some(ir) => format!("{text:<72} ; {ir}"),
        None => text,
    }
}

pub(super) fn profile(query: &Query, _: &Prepared) -> Profile {
    let counted = query.counts();
    let pipelines = counted.iter().map(|counts| {
        let source = OperatorProfile {
            rows: counts.source.rows,
            micros: counts.source.nanos / 1000,
            bytes_read: counts.bytes_read,
            end_micros: 0,
        };
        let stage = |count: &super::worker::StageCount| OperatorProfile {
            rows: count.rows,
            micros: count.nanos / 1000,
            bytes_read: 0,
            end_micros: 0,
        };
        let mut operators: Vec<OperatorProfile> =
            std::iter::once(source).chain(counts.stages.iter().map(stage)).collect();
        if let Some(sink) = operators.last_mut() {
            sink.end_micros = counts.end_nanos / 1000;
        }
        PipelineProfile {
            operators,
            cache_hits: counts.cache_hits,
            cache_misses: counts.cache_misses,
        }
    });
    Profile {
        pipelines: pipelines.collect(),
        peak_bytes: query.budget.peak_bytes(),
    }
}
