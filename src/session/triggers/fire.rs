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

mod events;
mod rows;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use gobi_grammar::Diagnostic;

use events::{concerns, has_old};
use rows::{Changed, KeptRows};

use super::MAX_DEPTH;
use super::explained::explained;
use super::ready::{Ready, Target, names_of_rows, of_table};
use super::within::inside;
use crate::catalog::{EntityId, Timing};
use crate::plan::change::{Action, Change, Layout};
use crate::procedure::{CALLED, RowInput};
use crate::session::change::{Running, foreign};
use crate::session::explain::Capture;
use crate::session::routines::{Answering, Routines};
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, statement};

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
    kept: Option<Vec<KeptRows>>,
    /// What both take.
    pub kept_bytes: usize,
}

/// A trigger of a statement.
#[derive(Debug)]
struct Fires {
    ready: Arc<Ready>,
    /// Rows that its body was called for so far, and microseconds.
    done: Cell<(u64, u64)>,
    /// For each arm of the statement, whether it fires for rows that are inserted, updated, deleted.
    arms: Vec<[bool; 3]>,
}

impl Fires {
    /// Whether it fires for rows to which this has happened in an arm.
    fn is_for(&self, (arm, kind): (usize, usize)) -> bool {
        self.arms
            .get(arm)
            .and_then(|arm| arm.get(kind))
            .is_some_and(|fires| *fires)
    }
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
            kept_bytes: 0,
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
            firing.kept = Some(Vec::new());
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
            self.kept_bytes += changed.bytes();
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
                for (at, name) in names_of_rows(&fires.ready.def).into_iter().enumerate() {
                    let its = kept.iter().filter(|rows| fires.is_for(rows.happened));
                    let batches: Vec<RecordBatch> = its.filter_map(|rows| rows.batches[at].clone()).collect();
                    let rows = foreign::relation_of_fields(view, &self.target.columns, &batches);
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

    /// Runs the body of a trigger for rows.
    fn run(
        &self,
        session: &mut Session,
        view: &mut View,
        fires: &Fires,
        changed: &Changed,
    ) -> Result<Vec<ArrayRef>, Error> {
        let rows = changed.kinds.len();
        let events = changed
            .kinds
            .iter()
            .map(|row| if fires.is_for(*row) { row.1 as i64 + 1 } else { 0 });
        let events: ArrayRef = Arc::new(Int64Array::from_iter_values(events));
        let columns = fires.ready.trigger.inputs.iter().map(|input| match input {
            RowInput::Event => events.clone(),
            RowInput::Old(at) => self.column(*at, changed.old.get(*at).cloned().flatten(), rows),
            RowInput::New(at) => self.column(*at, changed.new.get(*at).cloned(), rows),
        });
        let columns: Vec<ArrayRef> = columns.collect();
        self.call(session, view, fires, &columns, rows)
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
            false => Routines::now(session, |session| {
                inside(session, view, |session| self.kernel(session, ready, columns, rows))
            }),
        };
        session.triggers.chain.pop();
        let (before, micros) = fires.done.get();
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let called = done.as_ref().ok().map(|out| count(out, |state| state >= CALLED as i64));
        fires
            .done
            .set((before + called.unwrap_or_default(), micros.saturating_add(took)));
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
}

/// How many rows have such a state.
fn count(out: &[ArrayRef], is: impl Fn(i64) -> bool) -> u64 {
    let states = out.first().map(|state| state.as_primitive::<Int64Type>().values());
    states.map_or(0, |states| states.iter().filter(|state| is(**state)).count() as u64)
}
