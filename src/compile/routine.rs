//! Functions and bodies of the language as functions of the IR.
//!
//! `function twice(x int) => x * 2` becomes `fn @twice_0(ptr, i64) -> (i64, i8)`: the frame and the argument in, the value and
//! its state out: 0 for NULL, 1 for a value, 2 after an error, whose site is in the frame. A query that calls it has the function
//! in the module of its kernel.
//!
//! Invariants: expressions are written by the same emitter as those of queries; a loop and a function that calls itself look
//! from time to time whether they are to stop; a function that calls itself counts its depth.
//!
//! Does not: check types or names; the routine is checked.

mod arrays;
mod bounds;
mod call;
mod changes;
mod conditions;
mod exits;
mod known;
mod loops;
mod parts;
mod rows;
mod statements;
mod texts;
mod tidy;
mod variables;

use std::collections::HashSet;
use std::sync::Arc;

use gobi_jit::ir::{Block, IntCond, Local, Type, Value};
use gobi_jit::{FunctionBuilder, ir};

use super::emit::{Emitter, Shared};
use super::frame::Slot;
use super::value::Kind;
use super::{Kernel, PipelineCode};
use crate::plan::physical::logical::ColumnId;
use crate::plan::physical::routine::{Program, Routine, RoutineId};
use crate::plan::physical::{Facts, Finish, PhysicalPlan, Pipeline, Sink, Span};
use crate::types::LogicalType;
use call::Convention;
use exits::ErrorExit;
use known::{Known, Range};
use loops::Meter;
pub use rows::compile_rows;
use variables::Place;

/// The deepest that a function may call itself.
const MAX_DEPTH: u32 = 1_000;
/// Bytes of stack that functions which call themselves may take together: no function is so large that it cannot be
/// [`MAX_DEPTH`] deep, unless it takes a page for each.
const STACK_BYTES: u32 = 256 << 20;
/// Rounds of loops, or calls, until the next look at whether to stop.
const FUEL: i64 = 4_096;
/// State of a result: an error.
const FAILED: i64 = 2;

/// What an emitter knows of the routine that it writes.
pub(super) struct Frame {
    places: Vec<Place>,
    facts: Vec<Facts>,
    exit: Exit,
    /// Where errors leave the routine, once one does.
    error_exit: Option<ErrorExit>,
    /// Where errors go, the innermost TRY last.
    handlers: Vec<Block>,
    /// The handlers that the statement stands in: where they keep the messages of what they have caught, and by which slots that is known.
    catching: Vec<(ColumnId, ir::Slot)>,
    /// Where BREAK and CONTINUE go.
    loops: Vec<(Block, Block)>,
    /// The questions that end the loops over rows around the statement.
    open_rows: Vec<usize>,
    /// What there was when the routine began.
    mark: Option<ir::Slot>,
    /// What counts the rounds of these loops.
    meters: Vec<Option<Meter>>,
    /// Rounds until the next look.
    fuel: Local,
    /// How deep the routine is in itself.
    depth: Option<Value>,
    /// The statement that is written.
    place: Span,
    /// How many of its variables are parameters.
    params: usize,
    /// Arrays and structs may have marks.
    in_place: bool,
    /// Variables whose arrays are handed over to the one place that reads them.
    handed_over: Vec<ColumnId>,
    /// Which variables are arrays without NULLs.
    full: Vec<bool>,
    /// Which are stored into.
    stored_into: HashSet<ColumnId>,
    /// The bounds of those that are whole numbers.
    bounds: Vec<Option<Range>>,
    /// What is known here.
    pub(super) known: Known,
}

/// How a routine is left.
enum Exit {
    /// A kernel that writes its result and its parameters into cells.
    Body(Option<LogicalType>),
    /// A function with a result of this type.
    Function(Option<LogicalType>),
    /// The body of a loop over rows, which goes on here.
    Row(Block),
}

impl Frame {
    /// What is known of a variable.
    pub(super) fn facts(&self, id: ColumnId) -> Facts {
        let facts = self.facts.get(id.0 as usize);
        let mut facts = facts.map_or_else(|| Facts::of_type(&LogicalType::Null, true), Clone::clone);
        facts.range = self.bounds_of(id).or(facts.range);
        facts
    }

    /// The bounds of a variable that is a whole number and never NULL.
    fn bounds_of(&self, id: ColumnId) -> Option<Range> {
        let always = self.bounds.get(id.0 as usize).copied().flatten()?;
        let here = self.known.range(id).unwrap_or(always);
        let both = (always.0.max(here.0), always.1.min(here.1));
        Some(if both.0 <= both.1 { both } else { always })
    }
}

/// Writes a body: a kernel that takes the parameters of a routine from [`Slot::Cells`], from the second cell on, and leaves its
/// result in the first cell, and the parameters, which it may have changed, where they were. `noted`: each instruction carries the
/// place of the statement that it is of, as a note `@` and a number.
pub fn compile(program: &Arc<Program>, body: RoutineId, noted: bool) -> PipelineCode {
    let plan = PhysicalPlan::of_program(program.clone());
    let pipeline = Pipeline::of_nothing();
    let mut shared = Shared::new();
    shared.notes_places = noted;
    let routine = &program.routines[body.0 as usize];
    let kernel = FunctionBuilder::new("body", &[Type::Ptr, Type::I64, Type::I64], &[Type::I64]);
    let mut emitter = Emitter::over(kernel, &mut shared, &plan, &pipeline);
    emitter.begin_routine(routine, &[], Exit::Body(routine.result.clone().map(|(ty, _)| ty)));
    emitter.take_cells();
    emitter.set_mark(routine);
    emitter.routine_body(routine);
    emitter.close_entry(|e, body| e.write_exit(routine, body));
    let function = emitter.b.finish();
    let id = shared.module.add_function(function);
    super::code_of(shared, Kernel { id, fields: Vec::new() })
}

/// Writes a function, declared before.
fn write(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    (routine, convention): (&Routine, &Convention),
    name: &str,
) -> ir::Function {
    let sig = convention.signature();
    let builder = FunctionBuilder::new(name, &sig.params, &sig.results);
    let mut emitter = Emitter::over(builder, shared, plan, pipeline);
    emitter.begin_routine(routine, &[], Exit::Function(routine.result.clone().map(|(ty, _)| ty)));
    emitter.take_arguments(routine, convention);
    emitter.set_mark(routine);
    emitter.routine_body(routine);
    let frame_bytes = frame_bytes(emitter.b.function());
    emitter.shared.stack.add(frame_bytes, routine.recursive);
    emitter.close_entry(|e, body| {
        e.check_depth(routine, frame_bytes);
        e.write_exit(routine, body);
    });
    emitter.b.finish()
}

impl Emitter<'_> {
    fn frame_of(&mut self) -> &mut Frame {
        self.routine.as_deref_mut().expect("a routine is being written")
    }

    fn begin_routine(&mut self, routine: &Routine, given: &[ColumnId], exit: Exit) {
        let built = texts::built(routine);
        let variables = routine.variables.iter().enumerate();
        let places = variables
            .map(|(at, variable)| self.place(variable, built.contains(&ColumnId(at as u32))))
            .collect();
        let in_place = self.plan.program.routines.iter().any(arrays::changes_in_place);
        let facts = routine
            .variables
            .iter()
            .map(|v| Facts::of_type(&v.ty, v.nullable))
            .collect();
        let fuel = self.b.local(Type::I64);
        self.routine = Some(Box::new(Frame {
            places,
            facts,
            exit,
            error_exit: None,
            handlers: Vec::new(),
            catching: Vec::new(),
            loops: Vec::new(),
            open_rows: Vec::new(),
            mark: None,
            meters: Vec::new(),
            fuel,
            depth: None,
            place: Span::default(),
            params: routine.params,
            in_place,
            handed_over: arrays::handed_over(routine),
            full: routine.variables.iter().map(|variable| variable.full).collect(),
            stored_into: arrays::stored_into(routine),
            bounds: bounds::bounds(routine, given),
            known: Known::default(),
        }));
        let full = self.b.iconst(Type::I64, FUEL);
        self.b.set(fuel, full);
    }

    fn routine_body(&mut self, routine: &Routine) {
        self.statements(&routine.body);
        if !self.b.is_terminated() {
            self.give(None);
        }
    }

    /// In the entry block: an error if the routine is too deep in itself, and a look at whether to stop.
    fn check_depth(&mut self, routine: &Routine, frame_bytes: u32) {
        let Some(depth) = self.frame_of().depth else { return };
        let limit = deepest(frame_bytes);
        let most = self.b.iconst(Type::I64, i64::from(limit));
        let too_deep = self.b.icmp(IntCond::Sgt, depth, most);
        // Functions without a name, and those inside bodies, have their place behind it.
        let name = routine.name.split('@').next().unwrap_or_default();
        let message = format!("`{name}` calls itself more than {limit} times deep");
        let site = self.site("54001", &message, [None, None], Span::default());
        self.fail_if(too_deep, None, site, &[]);
        self.burn_call();
    }

    /// Once per call of a function that calls itself.
    fn burn_call(&mut self) {
        let frame = self.frame();
        let offset = self.shared.frame.offset(Slot::Fuel);
        let left = self.b.load(Type::I64, frame, offset);
        let one = self.b.iconst(Type::I64, 1);
        let less = self.b.sub(left, one);
        self.b.store(less, frame, offset);
        let zero = self.b.iconst(Type::I64, 0);
        let empty = self.b.icmp(IntCond::Slt, less, zero);
        let (look, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(empty, look, go_on);
        self.b.switch_to(look);
        let full = self.b.iconst(Type::I64, FUEL);
        self.b.store(full, frame, offset);
        self.stop_if_asked(go_on, FUEL);
        self.b.switch_to(go_on);
    }

    /// Once per round of a loop, which costs so much.
    fn burn(&mut self, weight: i64) {
        let fuel = self.frame_of().fuel;
        let left = self.b.get(fuel);
        let one = self.b.iconst(Type::I64, weight);
        let less = self.b.sub(left, one);
        self.b.set(fuel, less);
        let zero = self.b.iconst(Type::I64, 0);
        let empty = self.b.icmp(IntCond::Sle, less, zero);
        let (look, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(empty, look, go_on);
        self.b.switch_to(look);
        let full = self.b.iconst(Type::I64, FUEL);
        self.b.set(fuel, full);
        self.stop_if_asked(go_on, FUEL / weight);
        self.b.switch_to(go_on);
    }

    /// Ends the block, after so many rounds: out of the routine if somebody asked to stop, else to where it goes on.
    fn stop_if_asked(&mut self, go_on: Block, rounds: i64) {
        let frame = self.frame();
        let flag = self.b.load(Type::Ptr, frame, super::frame::CANCEL);
        // Not hoisted: the entry block itself may look.
        let offset = self.shared.frame.offset(Slot::Host);
        let host_state = self.b.load(Type::Ptr, frame, offset);
        let place = self.frame_of().place;
        let site = self.site("57014", "", [None, None], place);
        let site = self.b.iconst(Type::I64, site as i64);
        let rounds = self.b.iconst(Type::I64, rounds);
        let (host, sig) = self.host("tick", &[Type::Ptr, Type::Ptr, Type::I64, Type::I64]);
        let args = [host_state, flag, site, rounds];
        let asked = self.b.call_host(host, &sig, &args).unwrap_or(flag);
        let asked = self.b.trunc(asked, Type::I8);
        let site = self.site("57014", "the query was cancelled", [None, None], Span::default());
        self.fail_if(asked, None, site, &[]);
        self.b.jump(go_on);
    }

    /// What stands in the place of a result that there is not.
    fn no_result(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::Text | Kind::Interval => self.b.iconst128(0),
            kind => self.zero(kind),
        }
    }
}

/// The stack that functions take.
#[derive(Debug, Default)]
pub(super) struct StackNeed {
    /// One after the other, each once.
    once_bytes: usize,
    /// Those that call themselves, all of them as deep as they may be.
    deep_bytes: usize,
}

impl StackNeed {
    fn add(&mut self, frame_bytes: u32, recursive: bool) {
        self.once_bytes += frame_bytes as usize;
        if recursive {
            let deep = u64::from(frame_bytes) * u64::from(deepest(frame_bytes));
            self.deep_bytes = self.deep_bytes.max(usize::try_from(deep).unwrap_or(usize::MAX));
        }
    }

    /// The most that they can take together: how deep they are is counted for all that call each other.
    pub(super) fn bytes(&self) -> usize {
        self.once_bytes.saturating_add(self.deep_bytes)
    }
}

/// What a call of a function takes of the stack, at most.
fn frame_bytes(function: &ir::Function) -> u32 {
    let slots: u32 = function.slots.iter().sum();
    let locals = 16 * u32::try_from(function.locals.len()).unwrap_or(u32::MAX / 64);
    let values = 4 * u32::try_from(function.values.len()).unwrap_or(u32::MAX / 64);
    256_u32
        .saturating_add(slots)
        .saturating_add(locals)
        .saturating_add(values)
}

/// How deep a function may be in itself.
fn deepest(frame_bytes: u32) -> u32 {
    (STACK_BYTES / frame_bytes).clamp(16, MAX_DEPTH)
}

impl PhysicalPlan {
    /// A plan that does nothing but hold functions.
    pub(super) fn of_program(program: Arc<Program>) -> Self {
        Self {
            subqueries: Vec::new(),
            recursions: Vec::new(),
            pipelines: Vec::new(),
            joins: Vec::new(),
            groups: Vec::new(),
            temps: Vec::new(),
            output: Vec::new(),
            output_columns: Vec::new(),
            program,
            value: None,
        }
    }
}

impl Pipeline {
    /// A pipeline without rows.
    pub(super) fn of_nothing() -> Self {
        Self {
            sources: Vec::new(),
            bindings: std::collections::HashMap::new(),
            steps: Vec::new(),
            sink: Sink::Batches {
                temp: None,
                columns: Vec::new(),
                finish: Finish::default(),
            },
            rows_bound: None,
            source_rows: None,
            expected: Vec::new(),
        }
    }
}
