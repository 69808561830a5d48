//! Filters and probes: kernels that turn a block of rows in flight into a smaller one (or, where a join multiplies rows, a
//! larger one).
//!
//! A row in flight is one row number for each active source. Number 0, the scanned source, needs no vector while nothing has
//! been filtered: its rows are `start..start + count`. A filter writes the numbers of every row to the next free place and moves on
//! by 0 or 1, so nothing depends on a branch.
//!
//! Invariants: a kernel that only drops rows may write over its input; one that may multiply rows writes to vectors of its
//! own and stops when they are full.
//!
//! Does not: run.

use gobi_jit::ir::{Block, IntCond, Local, Type, Value};

use super::emit::{Emitter, Loop, Shared};
use super::frame::Slot;
use super::mask::{self, all_true};
use super::value::{Kind, Nullable, both, is_true};
use super::walk::{Partners, Walk};
use super::{Kernel, Stage, keys, range};
use crate::plan::physical::logical::{Expr, JoinKind};
use crate::plan::physical::{JoinStrategy, JoinTable, PhysicalPlan, Pipeline, Step};

/// Where the row numbers of each source are at some point of the pipeline.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    /// For each active source: its vector; `None` for the scanned source while it is read in order.
    pub(super) vectors: Vec<(usize, Option<usize>)>,
    /// Vectors in use so far.
    pub(super) vector_count: usize,
}

impl Flight {
    pub(super) fn new() -> Self {
        Self {
            vectors: vec![(0, None)],
            vector_count: 0,
        }
    }

    fn fresh(&mut self) -> usize {
        self.vector_count += 1;
        self.vector_count - 1
    }

    /// The same rows after a first compaction.
    pub(super) fn compacted(mut self) -> Flight {
        self.leave_order();
        self
    }

    /// What a kernel that multiplies rows reads and writes, when it adds a source.
    fn expanded(&self, source: usize) -> (Flight, Flight) {
        let mut output = self.clone();
        for i in 0..output.vectors.len() {
            let vector = output.fresh();
            output.vectors[i].1 = Some(vector);
        }
        let vector = output.fresh();
        output.vectors.push((source, Some(vector)));
        (self.clone(), output)
    }

    /// Gives the scanned source a vector if it has none yet.
    fn leave_order(&mut self) -> Flight {
        let before = self.clone();
        for i in 0..self.vectors.len() {
            if self.vectors[i].1.is_none() {
                let vector = self.fresh();
                self.vectors[i].1 = Some(vector);
            }
        }
        before
    }

    /// Where the rows of a source are.
    pub(super) fn vector_of(&self, source: usize) -> Option<usize> {
        self.vectors
            .iter()
            .find(|(s, _)| *s == source)
            .and_then(|(_, vector)| *vector)
    }

    /// Reads the row numbers of position `i` of the block.
    pub(super) fn read(&self, e: &mut Emitter<'_>, i: Value) {
        for (source, vector) in &self.vectors {
            let row = match vector {
                None => {
                    let start = e.start();
                    e.b.add(start, i)
                }
                Some(vector) => read_vector(e, *vector, i),
            };
            e.set_row(*source, row);
        }
    }
}

pub(super) fn read_vector(e: &mut Emitter<'_>, vector: usize, i: Value) -> Value {
    let base = e.slot(Slot::Vector { vector });
    let address = e.b.index(base, i, 4, 0);
    let row = e.b.load(Type::I32, address, 0);
    e.b.uext(row, Type::I64)
}

pub(super) fn write_vector(e: &mut Emitter<'_>, vector: usize, at: Value, row: Value) {
    let base = e.slot(Slot::Vector { vector });
    let address = e.b.index(base, at, 4, 0);
    let narrow = e.b.trunc(row, Type::I32);
    e.b.store(narrow, address, 0);
}

/// Writes the kernels of all steps of a pipeline; and gives how many there are before the first step, and up to and with each.
pub(super) fn write(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &mut Flight,
) -> (Vec<Stage>, Vec<usize>) {
    let mut stages = Vec::new();
    stages.extend(super::groups::presence(shared, plan, pipeline, flight));
    stages.extend(super::marks::wanted(shared, plan, pipeline, flight));
    let mut ends = vec![stages.len()];
    for (number, step) in pipeline.steps.iter().enumerate() {
        match step {
            Step::Filter { predicates } => {
                let first = stages.is_empty();
                filters(shared, plan, pipeline, flight, predicates, (number, first), &mut stages);
            }
            Step::Cutoff { predicate, .. } => {
                let name = format!("cutoff_{number}");
                let kernel = filter(&name, shared, plan, pipeline, flight, &[predicate]);
                stages.push(Stage::Cutoff { kernel });
            }
            Step::Probe {
                join,
                keys,
                residual,
                source,
            } => {
                let probe = Probe {
                    join: *join,
                    keys,
                    residual,
                    source: *source,
                    number,
                };
                probe.write(shared, plan, pipeline, flight, &mut stages);
            }
            Step::Unnest { array, source } => {
                let mut e = Emitter::new(&format!("unnest_{number}"), shared, plan, pipeline);
                let (input, output) = flight.expanded(*source);
                *flight = output;
                let (walk, length) = Walk::begin(&mut e, &input, |e, _| e.array_length(array));
                walk.each(&mut e, length, flight, *source);
                let result = walk.end(&mut e);
                stages.push(Stage::Expand {
                    kernel: e.finish(result),
                });
            }
        }
        ends.push(stages.len());
    }
    (stages, ends)
}

/// A filter: first what the mask can test, then the cheap rest at once, then each costly or fallible predicate alone.
fn filters(
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &mut Flight,
    predicates: &[Expr],
    (number, first): (usize, bool),
    stages: &mut Vec<Stage>,
) {
    let (masked, rest) = if first {
        mask::split(pipeline, predicates)
    } else {
        (vec![], predicates.iter().collect())
    };
    if !masked.is_empty() {
        let kernel = mask::write(&format!("mask_{number}"), shared, plan, pipeline, &masked);
        flight.leave_order();
        stages.push(Stage::Mask {
            kernel,
            vector: flight.vectors[0].1.unwrap_or(0),
        });
    }
    let costly = |e: &&Expr| Emitter::new("cost", shared, plan, pipeline).may_fail(e) || is_costly(e);
    let (late, early): (Vec<&Expr>, Vec<&Expr>) = rest.into_iter().partition(costly);
    let groups = std::iter::once(early).chain(late.into_iter().map(|e| vec![e]));
    for (i, group) in groups.filter(|group| !group.is_empty()).enumerate() {
        let kernel = filter(&format!("filter_{number}_{i}"), shared, plan, pipeline, flight, &group);
        stages.push(Stage::Filter { kernel });
    }
}

/// Whether a predicate calls the host for each row.
fn is_costly(expr: &Expr) -> bool {
    use crate::plan::physical::logical::ExprKind;
    match &expr.kind {
        ExprKind::Like { .. } => true,
        ExprKind::Not(inner) => is_costly(inner),
        ExprKind::And(items) | ExprKind::Or(items) => items.iter().any(is_costly),
        _ => false,
    }
}

fn filter(
    name: &str,
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    flight: &mut Flight,
    predicates: &[&Expr],
) -> Kernel {
    let mut e = Emitter::new(name, shared, plan, pipeline);
    let before = flight.leave_order();
    let out = e.b.local(Type::I64);
    let count = e.count();
    let l = e.begin_loop(count);
    before.read(&mut e, l.i);
    let passes = all_true(&mut e, predicates);
    keep(&mut e, flight, out, passes);
    e.end_loop(l);
    let kept = e.b.get(out);
    e.finish(kept)
}

/// Writes the row at hand to the next free place, and keeps it there if `passes`.
pub(super) fn keep(e: &mut Emitter<'_>, flight: &Flight, out: Local, passes: Value) {
    let at = e.b.get(out);
    for (source, vector) in &flight.vectors {
        let row = e.row(*source);
        if let Some(vector) = vector {
            write_vector(e, *vector, at, row);
        }
    }
    let step = e.b.uext(passes, Type::I64);
    let next = e.b.add(at, step);
    e.b.set(out, next);
}

/// A probe being written.
pub(super) struct Probe<'p> {
    pub(super) join: usize,
    pub(super) keys: &'p [Expr],
    pub(super) residual: &'p [Expr],
    pub(super) source: usize,
    pub(super) number: usize,
}

impl Probe<'_> {
    fn write(
        &self,
        shared: &mut Shared,
        plan: &PhysicalPlan,
        pipeline: &Pipeline,
        flight: &mut Flight,
        stages: &mut Vec<Stage>,
    ) {
        let table = &plan.joins[self.join];
        if let JoinStrategy::Bitmap { .. } = table.strategy {
            let kernel = self.bitmap(shared, plan, pipeline, flight);
            stages.push(Stage::Exists {
                kernel,
                join: self.join,
                kind: table.kind,
            });
            return;
        }
        let heads = flight.fresh();
        let ends = match table.strategy {
            JoinStrategy::Sorted { .. } => flight.fresh(),
            _ => heads,
        };
        let kernel = self.lookup(shared, plan, pipeline, flight, (heads, ends));
        let input = flight.clone();
        let walk = self.walk(shared, plan, pipeline, flight, (heads, ends));
        let mut aliases: Vec<(usize, usize)> = Vec::new();
        for (source, vector) in &flight.vectors {
            let from = if *source == self.source {
                Some(heads)
            } else {
                input.vector_of(*source)
            };
            if let (Some(from), Some(to)) = (from, *vector) {
                aliases.push((from, to));
            }
        }
        let direct = matches!(table.strategy, JoinStrategy::Dense { .. }) && self.residual.is_empty();
        let skippable = direct && matches!(table.kind, JoinKind::Inner | JoinKind::Left);
        stages.push(Stage::Lookup {
            kernel,
            join: self.join,
            kind: table.kind,
        });
        stages.push(Stage::Walk {
            kernel: walk,
            join: self.join,
            skip_if_unique: skippable,
            aliases,
        });
    }

    /// Keeps rows whose key has (anti: has not) its bit set.
    fn bitmap(&self, shared: &mut Shared, plan: &PhysicalPlan, pipeline: &Pipeline, flight: &mut Flight) -> Kernel {
        let table = &plan.joins[self.join];
        let JoinStrategy::Bitmap { min, range } = table.strategy else {
            return self.lookup(shared, plan, pipeline, flight, (0, 0));
        };
        let mut e = Emitter::new(&format!("exists_{}", self.number), shared, plan, pipeline);
        let before = flight.leave_order();
        let out = e.b.local(Type::I64);
        let count = e.count();
        let l = e.begin_loop(count);
        before.read(&mut e, l.i);
        let key = e.expr(&self.keys[0]);
        let at = keys::dense_offset(&mut e, &key, min, range);
        let bit = keys::test_bit(&mut e, Slot::JoinIndex { join: self.join }, at);
        let passes = match table.kind {
            JoinKind::Semi => bit,
            _ => {
                let absent = super::value::invert(&mut e.b, bit);
                match (table.kind, key.valid) {
                    (JoinKind::NullAwareAnti, Some(valid)) => {
                        let known = self.known_absent(&mut e, valid);
                        e.b.and(absent, known)
                    }
                    _ => absent,
                }
            }
        };
        keep(&mut e, flight, out, passes);
        e.end_loop(l);
        let kept = e.b.get(out);
        e.finish(kept)
    }

    /// NOT IN: a NULL is only known to be absent from nothing.
    fn known_absent(&self, e: &mut Emitter<'_>, valid: Value) -> Value {
        let empty = e.slot_number(Slot::JoinEmpty { join: self.join });
        let empty = e.b.trunc(empty, Type::I8);
        e.b.or(valid, empty)
    }

    /// Finds the first row of the chain that may match; drops rows that cannot have a partner, unless the join keeps them.
    fn lookup(
        &self,
        shared: &mut Shared,
        plan: &PhysicalPlan,
        pipeline: &Pipeline,
        flight: &mut Flight,
        (heads, ends): (usize, usize),
    ) -> Kernel {
        let table = &plan.joins[self.join];
        let mut e = Emitter::new(&format!("probe_{}", self.number), shared, plan, pipeline);
        let before = flight.leave_order();
        let out = e.b.local(Type::I64);
        let count = e.count();
        let l = e.begin_loop(count);
        before.read(&mut e, l.i);
        let values: Vec<Nullable> = self.keys.iter().map(|key| e.expr(key)).collect();
        let head = match table.strategy {
            JoinStrategy::Sorted { .. } => {
                let (head, last) = range::find(&mut e, self.join, table, &values);
                let at = e.b.get(out);
                write_vector(&mut e, ends, at, last);
                head
            }
            _ => self.head(&mut e, table, &values),
        };
        let drops = matches!(table.kind, JoinKind::Inner | JoinKind::Semi);
        let passes = if drops {
            let zero = e.b.iconst(Type::I64, 0);
            e.b.icmp(IntCond::Ne, head, zero)
        } else if let (JoinKind::NullAwareAnti, Some(valid)) = (table.kind, values[0].valid) {
            self.known_absent(&mut e, valid)
        } else {
            e.b.iconst(Type::I8, 1)
        };
        let at = e.b.get(out);
        write_vector(&mut e, heads, at, head);
        keep(&mut e, flight, out, passes);
        e.end_loop(l);
        let kept = e.b.get(out);
        e.finish(kept)
    }

    /// The first row of the chain that may match, or 0.
    pub(super) fn head(&self, e: &mut Emitter<'_>, table: &JoinTable, values: &[Nullable]) -> Value {
        let index = Slot::JoinIndex { join: self.join };
        if let JoinStrategy::Dense { min, range } = table.strategy {
            let at = keys::dense_offset(e, &values[0], min, range);
            let base = e.slot(index);
            let address = e.b.index(base, at, 4, 0);
            let head = e.b.load(Type::I32, address, 0);
            return e.b.uext(head, Type::I64);
        }
        let hash = keys::hash(e, values, self.keys);
        let base = e.slot(index);
        let shift = e.slot_number(Slot::JoinShift { join: self.join });
        let place = e.b.ushr(hash, shift);
        let address = e.b.index(base, place, 8, 0);
        let entry = e.b.load(Type::I64, address, 0);
        // The upper half of an entry has a bit for each hash in its chain.
        let (thirty_two, thirty_one) = (e.b.iconst(Type::I64, 32), e.b.iconst(Type::I64, 31));
        let tags = e.b.ushr(entry, thirty_two);
        let tag = e.b.and(hash, thirty_one);
        let bit = e.b.ushr(tags, tag);
        let mut candidate = e.b.trunc(bit, Type::I8);
        let one = e.b.iconst(Type::I8, 1);
        candidate = e.b.and(candidate, one);
        if !table.null_equal {
            let valid = values.iter().fold(None, |valid, v| both(&mut e.b, valid, v.valid));
            if let Some(valid) = valid {
                candidate = e.b.and(candidate, valid);
            }
        }
        let low = e.b.trunc(entry, Type::I32);
        let head = e.b.uext(low, Type::I64);
        let zero = e.b.iconst(Type::I64, 0);
        e.b.select(candidate, head, zero)
    }

    /// Goes on with a pair whose keys are the same, if it satisfies the rest too.
    pub(super) fn residual(&self, e: &mut Emitter<'_>, same: Value, matched: Block, advance: Block) {
        if self.residual.is_empty() {
            e.b.branch(same, matched, advance);
            return;
        }
        let check = e.b.block();
        e.b.branch(same, check, advance);
        e.b.switch_to(check);
        let passes = e.conditionally(|e| {
            let mut passes = e.b.iconst(Type::I8, 1);
            for predicate in self.residual {
                let value = e.expr(predicate);
                let value = is_true(&mut e.b, &value);
                passes = e.b.and(passes, value);
            }
            passes
        });
        e.b.branch(passes, matched, advance);
    }

    /// Follows the chains and gives each pair that matches (or each row that has a partner, or none).
    fn walk(
        &self,
        shared: &mut Shared,
        plan: &PhysicalPlan,
        pipeline: &Pipeline,
        flight: &mut Flight,
        (heads, ends): (usize, usize),
    ) -> Kernel {
        let table = &plan.joins[self.join];
        let input = flight.clone();
        for i in 0..flight.vectors.len() {
            let vector = flight.fresh();
            flight.vectors[i].1 = Some(vector);
        }
        if matches!(table.kind, JoinKind::Inner | JoinKind::Left) {
            let vector = flight.fresh();
            flight.vectors.push((self.source, Some(vector)));
        }
        let mut e = Emitter::new(&format!("walk_{}", self.number), shared, plan, pipeline);
        let (walk, _) = Walk::begin(&mut e, &input, |e, i| read_vector(e, heads, i));
        let partners = match table.strategy {
            JoinStrategy::Sorted { .. } => Partners::Range { ends },
            _ => Partners::Chain,
        };
        walk.partners(&mut e, self, table, flight, partners);
        let result = walk.end(&mut e);
        e.finish(result)
    }
}

/// The kind in which a key is looked up.
pub(super) fn as_int(e: &mut Emitter<'_>, key: &Nullable) -> Value {
    match key.kind {
        Kind::Bool => e.b.uext(key.value, Type::I64),
        Kind::Wide => e.b.trunc(key.value, Type::I64),
        _ => key.value,
    }
}

/// Opens a loop over the block and reads each row.
pub(super) fn each_row(e: &mut Emitter<'_>, flight: &Flight) -> Loop {
    let count = e.count();
    let l = e.begin_loop(count);
    flight.read(e, l.i);
    l
}
