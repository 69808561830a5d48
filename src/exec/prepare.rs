//! From a physical plan to kernels that can be called.
//!
//! Invariants: where compiling fails, or does not pay, the interpreter runs the same IR.
//!
//! Does not: run.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use gobi_jit::{Compiler, Executable, Interpreter, Options};

use super::engine::{Shared, compiler_options};
use super::explain::{self, Explain};
use super::memory::Budget;
use super::pool::Team;
use super::{ExecError, JitMode, QueryOptions, host};
use crate::compile::{self, PipelineCode};
use crate::formats::Relation;
use crate::plan::physical::{PhysicalPlan, Pipeline};
use crate::types::Value;
use crate::types::arrow::arrow_schema;

/// A query with its kernels.
#[derive(Debug)]
pub struct Prepared {
    /// What runs.
    pub plan: Arc<PhysicalPlan>,
    /// Code of each pipeline.
    pub pipelines: Vec<PreparedPipeline>,
    /// Scalar subqueries.
    pub subqueries: Vec<Arc<Prepared>>,
    /// Base and step of recursive CTEs.
    pub recursions: Vec<[Arc<Prepared>; 2]>,
    /// The result's columns.
    pub schema: SchemaRef,
    /// Relations by table id.
    pub relations: Vec<Arc<dyn Relation>>,
    /// How it runs.
    pub options: QueryOptions,
    phases: Phases,
}

/// The kernels of a pipeline.
#[derive(Clone, Debug)]
pub struct PreparedPipeline {
    /// IR, and what it needs.
    pub code: Arc<PipelineCode>,
    /// What runs it.
    pub executable: Arc<Executable>,
    /// Time to compile; 0 if it was in the cache or is interpreted.
    pub compile_us: u64,
    /// Why the interpreter runs it, if it does.
    pub interpreted: Option<String>,
}

/// Time taken before a query runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// Physical planning.
    pub plan_us: u64,
    /// Writing and compiling kernels.
    pub compile_us: u64,
}

/// Pipelines over fewer rows are interpreted in `auto` mode, unless they call functions with loops: compiling would take longer than running.
const COMPILE_FROM_ROWS: u64 = 4096;

pub(super) fn prepare(
    shared: &Arc<Shared>,
    plan: PhysicalPlan,
    relations: &[Arc<dyn Relation>],
    options: &QueryOptions,
) -> Result<Prepared, ExecError> {
    let clock = Instant::now();
    let mut subqueries = Vec::new();
    for subquery in plan.subqueries.clone() {
        subqueries.push(Arc::new(prepare(shared, subquery, relations, options)?));
    }
    let mut recursions = Vec::new();
    for recursion in plan.recursions.clone() {
        let base = prepare(shared, recursion.base, relations, options)?;
        let step = prepare(shared, recursion.step, relations, options)?;
        recursions.push([base, step].map(Arc::new));
    }
    let plan = Arc::new(plan);
    let pipelines = all_pipelines(shared, &plan, options)?;
    let schema = arrow_schema(&plan.output);
    let phases = Phases {
        plan_us: 0,
        compile_us: u64::try_from(clock.elapsed().as_micros()).unwrap_or(0),
    };
    Ok(Prepared {
        plan,
        pipelines,
        subqueries,
        recursions,
        schema,
        relations: relations.to_vec(),
        options: options.clone(),
        phases,
    })
}

/// Writes and compiles the pipelines, several at a time.
fn all_pipelines(
    shared: &Arc<Shared>,
    plan: &Arc<PhysicalPlan>,
    options: &QueryOptions,
) -> Result<Vec<PreparedPipeline>, ExecError> {
    let count = plan.pipelines.len();
    let team = Team {
        pool: &shared.pool,
        threads: options.threads,
        budget: &Budget::new(options.memory_limit_bytes),
    };
    let codes: Arc<Vec<OnceLock<Arc<PipelineCode>>>> = Arc::new((0..count).map(|_| OnceLock::new()).collect());
    let (slots, written) = (codes.clone(), plan.clone());
    team.each(count, move |number| {
        let code = compile::compile(&written, &written.pipelines[number]);
        let _ = slots[number].set(Arc::new(code));
        Ok(())
    })?;
    // The longest first, so that nobody has to wait for it in the end.
    let size = |number: &usize| codes[*number].get().map_or(0, |code| instructions(code));
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|number| std::cmp::Reverse(size(number)));
    let made: Arc<Vec<OnceLock<PreparedPipeline>>> = Arc::new((0..count).map(|_| OnceLock::new()).collect());
    let (slots, plan, own, options) = (made.clone(), plan.clone(), shared.clone(), options.clone());
    team.each(count, move |at| {
        let number = order[at];
        let code = codes[number].get().cloned();
        let code = code.ok_or_else(|| ExecError::internal("a pipeline was not written"))?;
        let _ = slots[number].set(executable(&own, &plan.pipelines[number], code, &options)?);
        Ok(())
    })?;
    let all = made.iter().map(|slot| slot.get().cloned());
    all.collect::<Option<_>>()
        .ok_or_else(|| ExecError::internal("a pipeline was not prepared"))
}

/// A measure of how long compiling takes.
fn instructions(code: &PipelineCode) -> usize {
    let functions = code.module.functions.iter();
    functions
        .flat_map(|function| &function.blocks)
        .map(|block| block.insts.len())
        .sum()
}

fn executable(
    shared: &Arc<Shared>,
    pipeline: &Pipeline,
    code: Arc<PipelineCode>,
    options: &QueryOptions,
) -> Result<PreparedPipeline, ExecError> {
    let few = pipeline.rows_bound.is_some_and(|rows| rows < COMPILE_FROM_ROWS) && !code.repeats;
    let made = match options.jit {
        JitMode::Off => Err("jit is off".to_owned()),
        JitMode::Auto if few && !options.dump_code => Err(format!("fewer than {COMPILE_FROM_ROWS} rows")),
        JitMode::On | JitMode::Auto => {
            compiled(shared, &code, options).inspect_err(|message| tracing::warn!("interpreting a pipeline: {message}"))
        }
    };
    let reason = match made {
        Ok((executable, compile_us)) => {
            return Ok(PreparedPipeline {
                code,
                executable,
                compile_us,
                interpreted: None,
            });
        }
        Err(reason) => reason,
    };
    let interpreter = Interpreter::new(&code.module, host::table())
        .map_err(|e| ExecError::internal(&format!("a kernel is not well formed: {e}")))?;
    let executable = Arc::new(Executable::Interpreted(interpreter));
    Ok(PreparedPipeline {
        code,
        executable,
        compile_us: 0,
        interpreted: Some(reason),
    })
}

pub(super) fn compiled(
    shared: &Arc<Shared>,
    code: &PipelineCode,
    options: &QueryOptions,
) -> Result<(Arc<Executable>, u64), String> {
    let clock = Instant::now();
    let took = || u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    if options.dump_code {
        let options = Options {
            dump: true,
            ..compiler_options()
        };
        let compiler = Compiler::new(host::table().clone(), options).map_err(|e| e.to_string())?;
        let module = compiler.compile(&code.module).map_err(|e| e.to_string())?;
        return Ok((Arc::new(Executable::Native(module)), took()));
    }
    let key = shared.kernels.key(&code.module);
    if let Some(executable) = shared.kernels.get(key, &code.module) {
        return Ok((executable, 0));
    }
    let module = shared.compiler()?.compile(&code.module).map_err(|e| e.to_string())?;
    let executable = Arc::new(Executable::Native(module));
    shared.kernels.put(key, code.module.clone(), executable.clone());
    Ok((executable, took()))
}

impl Prepared {
    /// What will run.
    pub fn explain(&self) -> Explain {
        explain::explain(self)
    }

    /// The same with other values, by the subqueries that they are; how it runs is said anew, too.
    #[must_use]
    pub fn with_values(&self, values: &[(usize, Value)], options: &QueryOptions) -> Self {
        let mut subqueries = self.subqueries.clone();
        for (at, value) in values {
            let Some(slot) = subqueries.get_mut(*at).filter(|known| known.plan.value.is_some()) else {
                continue;
            };
            let plan = PhysicalPlan {
                value: Some(value.clone()),
                ..PhysicalPlan::clone(&slot.plan)
            };
            *slot = Arc::new(slot.like(Arc::new(plan), options));
        }
        Self {
            subqueries,
            ..self.like(self.plan.clone(), options)
        }
    }

    fn like(&self, plan: Arc<PhysicalPlan>, options: &QueryOptions) -> Self {
        Self {
            plan,
            pipelines: self.pipelines.clone(),
            subqueries: self.subqueries.clone(),
            recursions: self.recursions.clone(),
            schema: self.schema.clone(),
            relations: self.relations.clone(),
            options: options.clone(),
            phases: Phases::default(),
        }
    }

    /// Time taken so far.
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// Whether it is certain that few rows are read and made, as of VALUES or of a key that is looked up.
    pub(super) fn is_small(&self) -> bool {
        let few = |rows: Option<u64>| rows.is_some_and(|rows| rows < COMPILE_FROM_ROWS);
        let pipelines = &self.plan.pipelines;
        pipelines.iter().all(|p| few(p.rows_bound) && few(p.source_rows))
            && self.subqueries.iter().all(|s| s.is_small())
            && self.recursions.is_empty()
    }

    /// Rows that all pipelines read, as far as they are known.
    pub(super) fn rows_bound(&self) -> u64 {
        self.plan.pipelines.iter().filter_map(|p| p.rows_bound).sum()
    }
}
