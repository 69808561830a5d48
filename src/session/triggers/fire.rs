//! Fires triggers for the rows that a statement changes, batch by batch.
//!
//! `INSERT INTO orders SELECT … FROM range(100000)` with a trigger before rows that sets `NEW.total`, and one after rows that adds to
//! `audit`: each batch goes through the first one's kernel, is staged, and goes through the second one's, whose rows are one
//! INSERT into `audit`.
//!
//! Invariants: what a trigger before rows skips is not staged; what is staged is what the triggers before it left. A trigger
//! after rows that reads anything sees all rows of the statement.
//!
//! Does not: check or compile.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field as ArrowField, Int64Type, Schema};
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Assignment;

use super::MAX_DEPTH;
use super::explained::explained;
use super::ready::{Ready, Target, names_of_rows, of_table};
use super::within::inside;
use crate::catalog::{EntityId, Event, Timing};
use crate::plan::change::{Action, Change, Layout, Source};
use crate::procedure::{CALLED, RowInput, RowOutput, SKIPPED};
use crate::session::change::{Running, foreign};
use crate::session::explain::Capture;
use crate::session::routines::Answering;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, statement};
use crate::types::Field;
use crate::types::arrow::to_arrow;

/// The triggers of a statement.
#[derive(Debug)]
pub struct Firing {
    target: Target,
    running: Running,
    before: Vec<Fires>,
    after: Vec<Fires>,
    /// Once, before the statement.
    first: Vec<Fires>,
    /// Once, after it.
    last: Vec<Fires>,
    /// Places of columns whose values before the change are wanted.
    pub old: Vec<usize>,
    /// Rows for triggers that come after all of them.
    queue: Vec<Changed>,
    /// The statement's rows, for triggers that read them.
    kept: Option<[Vec<RecordBatch>; 2]>,
}

/// A trigger of a statement.
#[derive(Debug)]
struct Fires {
    ready: Arc<Ready>,
    /// Rows that it was run for so far, and microseconds.
    done: Cell<(u64, u64)>,
    /// For each arm of the statement, whether it fires for rows that are inserted, updated, deleted.
    arms: Vec<[bool; 3]>,
}

/// Rows that have changed.
#[derive(Clone, Debug)]
struct Changed {
    /// By the places of the table's columns; those that are not wanted are not there.
    old: Vec<Option<ArrayRef>>,
    new: Vec<ArrayRef>,
    /// The number of the arm, and what happened: 0 inserted, 1 updated, 2 deleted.
    kinds: Vec<(usize, usize)>,
}

impl Firing {
    /// The triggers that a change of a table fires; `None`: there are none.
    pub fn of(
        session: &mut Session,
        view: &View,
        (target, change): (EntityId, &Change<'_>),
        running: Running,
    ) -> Result<Option<Self>, Error> {
        if view.catalog().triggers_of(target).next().is_none() {
            return Ok(None);
        }
        let Some(target) = Target::of(view, target) else {
            return Ok(None);
        };
        let mut firing = Self {
            running,
            before: Vec::new(),
            after: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
            old: Vec::new(),
            queue: Vec::new(),
            kept: None,
            target,
        };
        for ready in of_table(session, view, &firing.target.clone(), running)? {
            let arms: Vec<[bool; 3]> = change
                .arms
                .iter()
                .map(|arm| concerns(&ready, change, &arm.action))
                .collect();
            if !arms.iter().flatten().any(|fires| *fires) {
                continue;
            }
            let list = match (ready.def.timing, ready.def.each_row) {
                (Timing::After, true) => &mut firing.after,
                (Timing::After, false) => &mut firing.last,
                (_, true) => &mut firing.before,
                (_, false) => &mut firing.first,
            };
            list.push(Fires {
                ready,
                done: Cell::default(),
                arms,
            });
        }
        if firing.last.iter().any(|fires| fires.ready.reads_rows) {
            firing.kept = Some([Vec::new(), Vec::new()]);
        }
        if change.arms.iter().any(|arm| has_old(&arm.action)) {
            firing.old = firing.old_columns();
        }
        Ok(Some(firing))
    }

    fn old_columns(&self) -> Vec<usize> {
        if self.kept.is_some() {
            return (0..self.target.columns.len()).collect();
        }
        let rows = self.before.iter().chain(&self.after);
        let inputs = rows.flat_map(|fires| &fires.ready.trigger.inputs);
        let old = inputs.filter_map(|input| match input {
            RowInput::Old(at) => Some(*at),
            _ => None,
        });
        let mut old: Vec<usize> = old.collect();
        old.sort_unstable();
        old.dedup();
        old
    }

    /// All of them, in the order in which they fire.
    fn all(&self) -> impl Iterator<Item = &Fires> {
        let rows = self.before.iter().chain(&self.after);
        self.first.iter().chain(rows).chain(&self.last)
    }

    /// Tells EXPLAIN what there is, unless another statement has.
    pub fn explain(&self, session: &mut Session, view: &View) -> Result<(), Error> {
        let capture = session.explaining.as_ref().filter(|capture| capture.wants_triggers());
        let Some(jit) = capture.map(|capture| capture.options().jit) else {
            return Ok(());
        };
        let mut all = Vec::new();
        for fires in self.all() {
            let of = (&*fires.ready, self.target.columns.as_slice());
            all.push(explained(session, view, of, jit, self.running.span)?);
        }
        if let Some(capture) = &mut session.explaining {
            capture.note_triggers(all);
        }
        Ok(())
    }

    /// Tells EXPLAIN what they have done.
    pub fn measured(&self, capture: &mut Capture) {
        for (at, fires) in self.all().enumerate() {
            capture.measure_trigger(at, fires.done.get());
        }
    }

    /// Whether a trigger stands for the statement.
    pub fn fires_instead(&self) -> bool {
        self.before
            .iter()
            .any(|fires| fires.ready.def.timing == Timing::Instead)
    }

    /// What a statement on a view does that no trigger stands for.
    pub fn stands_not_for(&self, change: &Change<'_>) -> Option<&'static str> {
        change.arms.iter().enumerate().find_map(|(at, arm)| {
            let (kind, event) = match arm.action {
                Action::Nothing => return None,
                Action::Delete => (2, "DELETE"),
                Action::Update(_) | Action::Replace(_) => (1, "UPDATE"),
                Action::Propose | Action::Insert(..) | Action::InsertDefaults => (0, "INSERT"),
            };
            let stands = |fires: &Fires| fires.arms.get(at).is_some_and(|arm| arm[kind]);
            (!self.before.iter().any(stands)).then_some(event)
        })
    }

    /// Whether rows may become other ones before they are staged.
    pub fn changes_rows(&self) -> bool {
        self.before.iter().any(|fires| fires.ready.trigger.outputs.len() > 1)
    }

    /// Triggers before the statement, which sees what they have changed.
    pub fn begin(&self, session: &mut Session, view: &mut View) -> Result<(), Error> {
        if self.first.is_empty() {
            return Ok(());
        }
        for fires in &self.first {
            self.once(session, view, fires)?;
        }
        session.relations.view = Some(view.clone());
        Ok(())
    }

    /// Triggers before rows: the batch as they leave it. `first_old` is where the old values are that were asked for.
    pub fn before(
        &self,
        session: &mut Session,
        view: &mut View,
        mut batch: RecordBatch,
        (change, layout, first_old): (&Change<'_>, &Layout, usize),
    ) -> Result<RecordBatch, Error> {
        for fires in &self.before {
            if batch.num_rows() == 0 {
                break;
            }
            let changed = self.changed(&batch, (change, layout, first_old));
            let out = self.run(session, view, fires, &changed)?;
            batch = self.replaced(&batch, layout, &fires.ready, out)?;
        }
        Ok(batch)
    }

    /// Triggers after rows, for a batch that has been staged; some wait for the statement's end.
    pub fn after(
        &mut self,
        session: &mut Session,
        view: &mut View,
        batch: &RecordBatch,
        shape: (&Change<'_>, &Layout, usize),
    ) -> Result<(), Error> {
        if batch.num_rows() == 0 || self.after.is_empty() && self.kept.is_none() {
            return Ok(());
        }
        let changed = self.changed(batch, shape);
        self.keep(&changed)?;
        if self.after.iter().all(|fires| fires.ready.only_adds) {
            for fires in &self.after {
                self.run(session, view, fires, &changed)?;
            }
        } else {
            self.queue.push(changed);
        }
        Ok(())
    }

    /// Triggers that come after all rows, and after the statement.
    pub fn end(&mut self, session: &mut Session, view: &mut View) -> Result<(), Error> {
        for changed in std::mem::take(&mut self.queue) {
            for fires in &self.after {
                self.run(session, view, fires, &changed)?;
            }
        }
        let given = session.relations.given.len();
        let done = self.end_statement(session, view);
        session.relations.given.truncate(given);
        done
    }

    fn end_statement(&mut self, session: &mut Session, view: &mut View) -> Result<(), Error> {
        let kept = self.kept.take().unwrap_or_default();
        for fires in &self.last {
            let given = session.relations.given.len();
            if fires.ready.reads_rows {
                for (name, batches) in names_of_rows(&fires.ready.def).into_iter().zip(&kept) {
                    let rows = foreign::relation_of_fields(view, &self.target.columns, batches);
                    let rows = rows.map_err(|error| store_error(&error, self.running.span))?;
                    session.relations.given.push((name.to_owned(), rows));
                }
            }
            let done = self.once(session, view, fires);
            session.relations.given.truncate(given);
            done?;
        }
        Ok(())
    }

    /// The rows of a batch, as triggers see them.
    fn changed(&self, batch: &RecordBatch, (change, layout, first_old): (&Change<'_>, &Layout, usize)) -> Changed {
        let mut old = vec![None; self.target.columns.len()];
        for (at, place) in self.old.iter().enumerate() {
            if let Some(slot) = old.get_mut(*place) {
                *slot = batch.columns().get(first_old + at).cloned();
            }
        }
        let (first, count) = layout.new;
        let new = batch.columns().get(first..first + count).unwrap_or_default().to_vec();
        let addresses = layout
            .address
            .and_then(|at| batch.columns().get(at))
            .map(|c| c.as_primitive::<Int64Type>());
        let actions = layout.action.and_then(|at| batch.columns().get(at));
        let actions = actions.map(|column| column.as_primitive::<arrow::datatypes::Int32Type>());
        let kinds = (0..batch.num_rows()).map(|row| {
            let arm = actions.map_or(0, |actions| usize::try_from(actions.value(row)).unwrap_or_default());
            let makes = change.arms.get(arm).is_some_and(|arm| arm.action.makes_a_row());
            let had = addresses.is_some_and(|addresses| addresses.is_valid(row))
                || addresses.is_none() && has_old_row(change, arm);
            let kind = match (had, makes) {
                (true, true) => 1,
                (true, false) => 2,
                _ => 0,
            };
            (arm, kind)
        });
        Changed {
            old,
            new,
            kinds: kinds.collect(),
        }
    }

    /// Runs the body of a trigger for rows.
    fn run(
        &self,
        session: &mut Session,
        view: &mut View,
        fires: &Fires,
        changed: &Changed,
    ) -> Result<Vec<ArrayRef>, Error> {
        let rows = changed.kinds.len();
        let fires_for = |(arm, kind): &(usize, usize)| fires.arms.get(*arm).is_some_and(|arm| arm[*kind]);
        let events = changed
            .kinds
            .iter()
            .map(|row| if fires_for(row) { row.1 as i64 + 1 } else { 0 });
        let events: ArrayRef = Arc::new(Int64Array::from_iter_values(events));
        let columns = fires.ready.trigger.inputs.iter().map(|input| match input {
            RowInput::Event => events.clone(),
            RowInput::Old(at) => self.column(*at, changed.old.get(*at).cloned().flatten(), rows),
            RowInput::New(at) => self.column(*at, changed.new.get(*at).cloned(), rows),
        });
        let columns: Vec<ArrayRef> = columns.collect();
        self.call(session, view, fires, &columns, rows)
    }

    fn column(&self, at: usize, array: Option<ArrayRef>, rows: usize) -> ArrayRef {
        let ty = self
            .target
            .columns
            .get(at)
            .map_or(arrow::datatypes::DataType::Null, |field| to_arrow(&field.ty));
        array.unwrap_or_else(|| new_null_array(&ty, rows))
    }

    /// Runs the body of a trigger of the statement.
    fn once(&self, session: &mut Session, view: &mut View, fires: &Fires) -> Result<(), Error> {
        let kind = (0..3)
            .find(|kind| fires.arms.iter().any(|arm| arm[*kind]))
            .unwrap_or_default();
        let event: ArrayRef = Arc::new(Int64Array::from(vec![kind as i64 + 1]));
        self.call(session, view, fires, &[event], 1).map(drop)
    }

    fn call(
        &self,
        session: &mut Session,
        view: &mut View,
        fires: &Fires,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<Vec<ArrayRef>, Error> {
        let ready = &fires.ready;
        session.triggers.chain.push(ready.def.name.clone());
        let started = Instant::now();
        let done = match session.triggers.chain.len() > MAX_DEPTH {
            true => Err(self.too_deep(&session.triggers.chain)),
            // What asks nothing needs to see nothing.
            false if !ready.asks => self.kernel(session, ready, columns, rows),
            false => inside(session, view, |session| self.kernel(session, ready, columns, rows)),
        };
        session.triggers.chain.pop();
        let (before, micros) = fires.done.get();
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        fires.done.set((before + rows as u64, micros.saturating_add(took)));
        let called = done.as_ref().ok().map(|out| count(out, |state| state >= CALLED as i64));
        if called != Some(0)
            && let Some(statistics) = session.statistics(&view.database)
        {
            statistics.called(ready.id, called, started.elapsed());
        }
        done.map_err(|error| self.placed(error, ready))
    }

    fn kernel(
        &self,
        session: &mut Session,
        ready: &Ready,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<Vec<ArrayRef>, Error> {
        let options = statement::options_inside(session);
        let interrupt = session.interrupt.clone();
        let outer = interrupt.enter(options.cancel.clone());
        let mut answering = Answering::new(session, (&ready.trigger.checked, &ready.slots), self.running);
        let out = ready.body.run(columns, rows, &mut answering, &options);
        let out = out.map_err(|error| answering.error(error, self.running.span));
        interrupt.exit(outer);
        out
    }

    /// An error of a trigger says which it was.
    fn placed(&self, mut error: Error, ready: &Ready) -> Error {
        if let Some(first) = error.diagnostics.first_mut()
            && first.help.is_none()
        {
            first.help = Some(format!("in trigger `{}` of `{}`", ready.def.name, self.target.name));
        }
        error
    }

    fn too_deep(&self, chain: &[String]) -> Error {
        let message = format!(
            "triggers fire each other more than {MAX_DEPTH} deep: {}",
            chain.join(" → ")
        );
        let help = "let one of them leave alone the rows that another has changed, by WHEN";
        Error::new(Diagnostic::new("54001", self.running.span, message).with_help(help))
    }

    /// The batch as a trigger before rows leaves it.
    fn replaced(
        &self,
        batch: &RecordBatch,
        layout: &Layout,
        ready: &Ready,
        out: Vec<ArrayRef>,
    ) -> Result<RecordBatch, Error> {
        let internal = |error: arrow::error::ArrowError| {
            Error::new(Diagnostic::new("XX000", self.running.span, error.to_string()))
        };
        let keep: Option<BooleanArray> = out.first().map(|state| {
            let states = state.as_primitive::<Int64Type>().values().iter();
            states.map(|state| Some(*state != SKIPPED as i64)).collect()
        });
        let mut columns = batch.columns().to_vec();
        for (output, array) in ready.trigger.outputs.iter().zip(out) {
            if let RowOutput::New(at) = output
                && *at < layout.new.1
                && let Some(column) = columns.get_mut(layout.new.0 + at)
            {
                *column = array;
            }
        }
        let schema = batch.schema();
        let fields = schema
            .fields()
            .iter()
            .map(|field| ArrowField::clone(field).with_nullable(true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema.into(), columns, &options).map_err(internal)?;
        match keep {
            Some(keep) if keep.false_count() > 0 => filter_record_batch(&batch, &keep).map_err(internal),
            _ => Ok(batch),
        }
    }

    /// Keeps the rows for triggers that read them all.
    fn keep(&mut self, changed: &Changed) -> Result<(), Error> {
        let Some([old, new]) = &mut self.kept else {
            return Ok(());
        };
        let span = self.running.span;
        let columns = &self.target.columns;
        let values: Vec<ArrayRef> = changed.old.iter().flatten().cloned().collect();
        let both: [(&mut Vec<RecordBatch>, &[ArrayRef], [usize; 2]); 2] =
            [(old, &values, [1, 2]), (new, &changed.new, [0, 1])];
        for (batches, values, kinds) in both {
            if values.len() < columns.len() || columns.is_empty() {
                continue;
            }
            let mask: BooleanArray = changed
                .kinds
                .iter()
                .map(|(_, kind)| Some(kinds.contains(kind)))
                .collect();
            let batch = batch_of(columns, values).and_then(|batch| filter_record_batch(&batch, &mask));
            let batch = batch.map_err(|error| Error::new(Diagnostic::new("XX000", span, error.to_string())))?;
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
        }
        Ok(())
    }
}

fn batch_of(columns: &[Field], values: &[ArrayRef]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let fields = columns
        .iter()
        .map(|field| ArrowField::new(&field.name, to_arrow(&field.ty), true));
    RecordBatch::try_new(Schema::new(fields.collect::<Vec<_>>()).into(), values.to_vec())
}

/// How many rows have such a state.
fn count(out: &[ArrayRef], is: impl Fn(i64) -> bool) -> u64 {
    let states = out.first().map(|state| state.as_primitive::<Int64Type>().values());
    states.map_or(0, |states| states.iter().filter(|state| is(**state)).count() as u64)
}

/// Whether a row of the table was there that an arm is about, where there are no addresses: in a view.
fn has_old_row(change: &Change<'_>, arm: usize) -> bool {
    change.arms.get(arm).is_some_and(|arm| has_old(&arm.action))
}

fn has_old(action: &Action<'_>) -> bool {
    matches!(action, Action::Update(_) | Action::Replace(_) | Action::Delete)
}

/// Whether a trigger fires for rows that an arm inserts, updates, deletes.
fn concerns(ready: &Ready, change: &Change<'_>, action: &Action<'_>) -> [bool; 3] {
    let upserts = matches!(
        change.source,
        Source::Conflicting { update: true, .. } | Source::Merge { .. }
    );
    let has = |event: Event| ready.def.events.contains(&event);
    let upsert = upserts && has(Event::Upsert);
    match action {
        Action::Propose | Action::Insert(..) | Action::InsertDefaults => [has(Event::Insert) || upsert, false, false],
        Action::Update(set) => [false, (has(Event::Update) || upsert) && sets(ready, set), false],
        Action::Replace(places) => {
            let names = places
                .iter()
                .filter_map(|at| change.shape.columns.get(*at))
                .map(|c| c.field.name.as_str());
            let any = ready.def.of.is_empty() || names.into_iter().any(|name| is_of(ready, name));
            [false, (has(Event::Update) || upsert) && any, false]
        }
        Action::Delete => [false, false, has(Event::Delete)],
        Action::Nothing => [false; 3],
    }
}

/// Whether an UPDATE sets one of the trigger's columns.
fn sets(ready: &Ready, set: &[Assignment]) -> bool {
    ready.def.of.is_empty()
        || set
            .iter()
            .any(|assignment| assignment.columns().any(|name| is_of(ready, name)))
}

fn is_of(ready: &Ready, name: &str) -> bool {
    ready.def.of.iter().any(|of| of.eq_ignore_ascii_case(name))
}
