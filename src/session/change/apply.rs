//! Runs a change's query, checks the new rows, and stages what it gives.
//!
//! A batch of `UPDATE t SET b = b + 1` has the columns `_row`, `a`, `b`: the rows at the addresses are deleted, `a` and `b`
//! appended. With `CHECK (b < 10)` it has one more column, which is true where a row breaks the check.
//!
//! Invariants: batches are staged as they come, so that a bulk load needs no memory for its rows; the view that they are
//! staged in is dropped when the statement fails.
//!
//! Does not: commit.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use gobi_grammar::ast::Span;

use super::repeated::{Repeats, Seen};
use super::watch::Watch;
use super::{Done, Running, Table, foreign, user};
use crate::catalog::EntityId;
use crate::exec::memory::Reservation;
use crate::plan::change::{Action, Change, Layout, Source};
use crate::session::explain::Capture;
use crate::session::store::{View, store_error};
use crate::session::triggers;
use crate::session::triggers::fire::Firing;
use crate::session::{Error, ResultStream, Session, lineage, statement};
use crate::store::table::{Given, RowAddress};
use crate::types::arrow::arrow_schema;
use crate::types::cell;

/// How a change is applied.
#[derive(Debug)]
pub struct How {
    /// The statement.
    pub running: Running,
    /// What is done about rows that come twice.
    pub repeats: Repeats,
}

impl How {
    /// No row comes twice.
    pub fn plain(running: Running) -> Self {
        Self {
            running,
            repeats: Repeats::None,
        }
    }
}

/// Runs a change.
pub fn apply(
    session: &mut Session,
    mut change: Change<'_>,
    table: &Table,
    view: &mut View,
    how: How,
) -> Result<Done, Error> {
    let span = how.running.span;
    if how.running.only_bind {
        return look_at(session, &change, table, how.running).map(|()| Done::default());
    }
    if view.catalog().table(table.id).is_none() {
        return triggers::change_view(session, change, table, view, how);
    }
    let watch = Watch::new(view.catalog(), table, &change);
    let (firing, raw) = firing_of(session, view, (table, &change), how.running)?;
    change.old.clone_from(&watch.lost);
    let is_first = session.explaining.as_ref().is_some_and(Capture::wants_triggers);
    explain_triggers(session, firing.as_ref(), view)?;
    if session.explaining.as_ref().is_some_and(Capture::only_plans) {
        return statement::compiled_change(session, &change, false, how.running).map(|_| Done::default());
    }
    if let Some(firing) = &firing {
        change.old.extend(&firing.old);
        firing.begin(session, view)?;
    }
    let is_plain = firing.is_none() && watch.is_idle() && session.explaining.is_none();
    if is_plain && let Some(given) = statement::given(session, &change, &table.def, how.running) {
        return stage_given(given, table, view, span);
    }
    let (mut stream, layout) = statement::changed_rows(session, &change, raw, how.running)?;
    let phases = stream.phases();
    let mut applying = Applying {
        change: &change,
        layout,
        raw,
        running: how.running,
        table,
        seen: Seen::new(how.repeats, table, span)?,
        watch,
        firing,
        span,
        rows: 0,
        returned: Vec::new(),
        held: Held::default(),
    };
    while let Some(batch) = stream.next() {
        let batch = batch.map_err(|error| applying.naming_column(error))?;
        applying.batch(session, batch, view)?;
        applying.reserve(&stream)?;
        foreign::check_many(session, &mut applying.watch, table, view, how.running)?;
    }
    let (rows, batches) = (applying.rows, std::mem::take(&mut applying.returned));
    if let Some(capture) = &mut session.explaining {
        capture.note_run(&stream, rows);
    }
    foreign::settle(session, &applying.watch, table, view, how.running)?;
    end_triggers(session, applying.firing.as_mut(), view, is_first)?;
    if change.returning.is_empty() {
        return Ok(Done { rows, returned: None });
    }
    let fields = match raw && batches.is_empty() {
        // Of no row was anything computed.
        true => statement::bind_change(session, &change, how.running)?.returned,
        false => applying.layout.returned,
    };
    let returned = Some(ResultStream::returned(fields, batches, phases, span));
    Ok(Done { rows, returned })
}

/// The triggers of a change, and whether what is computed of its rows has to wait for them.
fn firing_of(
    session: &mut Session,
    view: &View,
    (table, change): (&Table, &Change<'_>),
    running: Running,
) -> Result<(Option<Firing>, bool), Error> {
    let mut firing = Firing::of(session, view, (table.id, change), running)?;
    let raw = firing.as_ref().is_some_and(Firing::changes_rows) && computes(change);
    if let Some(firing) = firing.as_mut().filter(|_| raw && shows_gone(change)) {
        firing.old = (0..table.def.columns.len()).collect();
    }
    Ok((firing, raw))
}

fn explain_triggers(session: &mut Session, firing: Option<&Firing>, view: &mut View) -> Result<(), Error> {
    match firing {
        Some(firing) => return firing.explain(session, view),
        None => session.explaining.iter_mut().for_each(Capture::note_no_triggers),
    }
    Ok(())
}

/// Triggers of statements; EXPLAIN of the statement that fires them first is told how long they took.
fn end_triggers(
    session: &mut Session,
    firing: Option<&mut Firing>,
    view: &mut View,
    is_first: bool,
) -> Result<(), Error> {
    let Some(firing) = firing else { return Ok(()) };
    firing.end(session, view)?;
    if let Some(capture) = session.explaining.as_mut().filter(|_| is_first) {
        firing.measured(capture);
    }
    Ok(())
}

/// Looks for errors, and at what is changed if somebody wants to know.
fn look_at(session: &mut Session, change: &Change<'_>, table: &Table, running: Running) -> Result<(), Error> {
    if let Some(naming) = &mut session.relations.naming {
        naming.writes.push(table.id);
    }
    match session.relations.written {
        Some(_) => lineage::note(session, change, table.id, running),
        None => look_for_errors(session, change, table.id, running),
    }
}

/// Looks for errors, and at what is named.
fn look_for_errors(session: &mut Session, change: &Change<'_>, table: EntityId, running: Running) -> Result<(), Error> {
    let before = session.relations.naming.as_ref().map_or(0, |naming| naming.names.len());
    let bound = statement::bind_change(session, change, running);
    if let Some(naming) = &mut session.relations.naming
        && !matches!(&change.source, Source::Proposed(proposed) | Source::Conflicting { proposed, .. } if proposed.is_query())
    {
        // What is changed is read only for that.
        let names = naming.names.split_off(before);
        naming.names.extend(names.into_iter().filter(|id| *id != table));
    }
    bound.map(drop)
}

/// Stages rows that were written out, and of which nothing is computed.
fn stage_given(given: Given, table: &Table, view: &mut View, span: Span) -> Result<Done, Error> {
    let rows = given.rows() as u64;
    let staged = view.changes.table(table.id);
    staged
        .and_then(|staged| staged.append_given(&table.def, given))
        .map_err(|error| store_error(&error, span))?;
    let returned = None;
    Ok(Done { rows, returned })
}

/// Whether something is computed of the new rows.
fn computes(change: &Change<'_>) -> bool {
    let generated = change.shape.columns.iter().any(|column| column.generated.is_some());
    let any = generated || !change.shape.checks.is_empty() || !change.returning.is_empty();
    any && change.arms.iter().any(|arm| arm.action.makes_a_row())
}

/// Whether RETURNING shows rows that go, beside those that come.
fn shows_gone(change: &Change<'_>) -> bool {
    !change.returning.is_empty() && change.arms.iter().any(|arm| matches!(arm.action, Action::Delete))
}

struct Applying<'c> {
    change: &'c Change<'c>,
    layout: Layout,
    /// What is computed of the rows is not there yet.
    raw: bool,
    running: Running,
    table: &'c Table,
    seen: Seen,
    watch: Watch,
    firing: Option<Firing>,
    span: Span,
    rows: u64,
    returned: Vec<RecordBatch>,
    held: Held,
}

/// What is taken of the query's memory.
#[derive(Debug, Default)]
struct Held {
    /// By batches for RETURNING.
    returned: Vec<Reservation>,
    /// By rows that wait for triggers.
    waiting: Vec<Reservation>,
}

impl Applying<'_> {
    fn batch(&mut self, session: &mut Session, batch: RecordBatch, view: &mut View) -> Result<(), Error> {
        let batch = match &self.firing {
            Some(firing) => firing.before(session, view, batch, (self.change, &self.layout, self.first_old()))?,
            None => batch,
        };
        let batch = match self.raw && batch.num_rows() > 0 {
            true => {
                let batch = match self.makes_rows(&batch).filter(|_| shows_gone(self.change)) {
                    Some(makes) => super::computed::gone_as_before(&batch, &self.layout, self.first_old(), &makes)
                        .map_err(|error| self.internal(&error))?,
                    None => batch,
                };
                let made = super::computed::computed(session, view, self.change, (&batch, &self.layout), self.running)?;
                self.layout = made.1;
                made.0
            }
            false => batch,
        };
        let keep = {
            let addresses = self.addresses(&batch);
            self.seen
                .keep(addresses, self.new_columns(&batch), self.table, self.span)?
        };
        let batch = match keep {
            Some(keep) => filter_record_batch(&batch, &keep).map_err(|error| self.internal(&error))?,
            None => batch,
        };
        let added = self.added(&batch)?;
        self.check(&batch, added.as_ref())?;
        self.watch(&batch, added.as_ref())?;
        let failed = |error| store_error(&error, self.span);
        let ids = self.kept_ids(&batch, view)?;
        let staged = view.changes.table(self.table.id).map_err(failed)?;
        if let Some(addresses) = self.addresses(&batch) {
            let rows: Vec<RowAddress> = addresses
                .iter()
                .flatten()
                .map(|address| RowAddress(address.cast_unsigned()))
                .collect();
            staged.delete(&rows);
        }
        if let Some(added) = &added
            && added.num_rows() > 0
        {
            match ids {
                Some(ids) => staged.append_updated(&self.table.def, added, ids),
                None => staged.append(&self.table.def, added),
            }
            .map_err(failed)?;
        }
        self.rows += batch.num_rows() as u64;
        self.keep_returned(&batch)?;
        let first_old = self.first_old();
        match &mut self.firing {
            Some(firing) => firing.after(session, view, &batch, (self.change, &self.layout, first_old)),
            None => Ok(()),
        }
    }

    /// Where the old values are that triggers asked for: behind those of foreign keys.
    fn first_old(&self) -> usize {
        self.layout.old + self.watch.lost.len()
    }

    /// What foreign keys are about.
    fn watch(&mut self, batch: &RecordBatch, added: Option<&RecordBatch>) -> Result<(), Error> {
        let (first, count) = (self.layout.old, self.watch.lost.len());
        let mut watched = match added {
            Some(added) => self.watch.gain(added),
            None => Ok(()),
        };
        if let (Ok(()), Some(addresses)) = (&watched, self.addresses(batch)) {
            let had = arrow::compute::is_not_null(addresses).map_err(|error| self.internal(&error))?;
            let old = batch.columns().get(first..first + count).unwrap_or_default();
            let has = self.makes_rows(batch);
            let new = self.new_columns(batch);
            watched = self.watch.lose(old, new, &had, has.as_ref());
        }
        watched.map_err(|error| self.internal(&error))
    }

    /// The ids of the rows in whose place new ones come; `None`: all that come are new.
    fn kept_ids(&self, batch: &RecordBatch, view: &View) -> Result<Option<Vec<Option<u64>>>, Error> {
        let Some(addresses) = self.addresses(batch).filter(|_| self.layout.new.1 > 0) else {
            return Ok(None);
        };
        let mask = self.makes_rows(batch);
        let comes = |row: &usize| mask.as_ref().is_none_or(|mask| mask.value(*row));
        let old: Vec<Option<RowAddress>> = (0..addresses.len())
            .filter(comes)
            .map(|row| {
                addresses
                    .is_valid(row)
                    .then(|| RowAddress(addresses.value(row).cast_unsigned()))
            })
            .collect();
        let known: Vec<RowAddress> = old.iter().flatten().copied().collect();
        let failed = |error| store_error(&error, self.span);
        let table = view.table(self.table.id, &self.table.def).map_err(failed)?;
        let ids = table.row_ids(view.changes.tables.get(&self.table.id), &known);
        let mut ids = ids.map_err(failed)?.into_iter();
        Ok(Some(
            old.iter().map(|row| row.and_then(|_| ids.next().flatten())).collect(),
        ))
    }

    fn addresses<'b>(&self, batch: &'b RecordBatch) -> Option<&'b Int64Array> {
        let at = self.layout.address?;
        batch.columns().get(at).map(|column| column.as_primitive::<Int64Type>())
    }

    fn new_columns<'b>(&self, batch: &'b RecordBatch) -> &'b [ArrayRef] {
        let (first, count) = self.layout.new;
        batch.columns().get(first..first + count).unwrap_or_default()
    }

    /// The rows that come; `None`: none do.
    fn added(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>, Error> {
        let (first, count) = self.layout.new;
        if count == 0 {
            return Ok(None);
        }
        let new = match (first, batch.num_columns() == count) {
            (0, true) => batch.clone(),
            _ => {
                let columns: Vec<usize> = (first..first + count).collect();
                batch.project(&columns).map_err(|error| self.internal(&error))?
            }
        };
        match self.makes_rows(batch) {
            None => Ok(Some(new)),
            Some(mask) => filter_record_batch(&new, &mask)
                .map(Some)
                .map_err(|error| self.internal(&error)),
        }
    }

    /// Which rows of a batch have a new row; `None`: all.
    fn makes_rows(&self, batch: &RecordBatch) -> Option<BooleanArray> {
        let makes: Vec<bool> = self.change.arms.iter().map(|arm| arm.action.makes_a_row()).collect();
        if makes.iter().all(|makes| *makes) {
            return None;
        }
        let actions = batch.columns().get(self.layout.action?)?.as_primitive::<Int32Type>();
        let of = |arm: &i32| usize::try_from(*arm).ok().and_then(|arm| makes.get(arm)).copied();
        Some(
            actions
                .values()
                .iter()
                .map(|arm| of(arm).unwrap_or_default())
                .map(Some)
                .collect(),
        )
    }

    /// NOT NULL and CHECK.
    fn check(&self, batch: &RecordBatch, added: Option<&RecordBatch>) -> Result<(), Error> {
        let Some(added) = added else { return Ok(()) };
        let def = &self.table.def;
        for (column, values) in def.columns.iter().zip(added.columns()) {
            if column.not_null && values.null_count() > 0 {
                let row = (0..values.len()).find(|row| values.is_null(*row)).unwrap_or_default();
                let message = format!("column `{}` of `{}` cannot be NULL", column.name, def.name);
                let error = gobi_grammar::Diagnostic::new("23502", self.span, message);
                return Err(Error::new(
                    error.with_help(format!("the row is {}", self.row_text(added.columns(), row))),
                ));
            }
        }
        for (check, at) in def.checks.iter().zip(self.layout.checks..) {
            let Some(broken) = batch.columns().get(at).map(|column| column.as_boolean()) else {
                continue;
            };
            let mask = self.makes_rows(batch);
            let breaks = |row: &usize| broken.value(*row) && mask.as_ref().is_none_or(|mask| mask.value(*row));
            if broken.true_count() > 0
                && let Some(row) = (0..broken.len()).find(breaks)
            {
                let row = self.row_text(self.new_columns(batch), row);
                let message = format!("the row {row} breaks the check `{}` of `{}`", check.name, def.name);
                let help = format!("CHECK ({})", check.condition.text);
                return Err(Error::new(
                    gobi_grammar::Diagnostic::new("23514", self.span, message).with_help(help),
                ));
            }
        }
        Ok(())
    }

    fn row_text(&self, columns: &[ArrayRef], row: usize) -> String {
        let values = self.table.def.columns.iter().zip(columns);
        let values = values.map(|(column, array)| cell::value(array, row).display(&column.ty));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    }

    fn keep_returned(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if self.change.returning.is_empty() || batch.num_rows() == 0 {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = batch
            .columns()
            .get(self.layout.returning..)
            .unwrap_or_default()
            .to_vec();
        let schema = arrow_schema(&self.layout.returned);
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let returned = RecordBatch::try_new_with_options(schema, columns, &options);
        self.returned.push(returned.map_err(|error| self.internal(&error))?);
        Ok(())
    }

    /// What is kept for RETURNING and for triggers counts as memory of the query.
    fn reserve(&mut self, stream: &ResultStream) -> Result<(), Error> {
        let waiting = self.firing.as_ref().map_or(0, |firing| firing.kept_bytes);
        let counted = self.held.waiting.iter().map(Reservation::bytes).sum();
        if waiting > counted {
            let more = stream.reserve(waiting - counted, "rows for triggers")?;
            self.held.waiting.extend(more);
        }
        let Some(last) = self.returned.get(self.held.returned.len()) else {
            return Ok(());
        };
        let reserved = stream.reserve(last.get_array_memory_size(), "RETURNING")?;
        self.held.returned.extend(reserved);
        Ok(())
    }

    /// A value that cannot be converted: which column it was for.
    fn naming_column(&self, mut error: Error) -> Error {
        let Some(first) = error
            .diagnostics
            .first_mut()
            // A bad line of a file names its column itself.
            .filter(|first| first.code.starts_with("22") && first.code != "22P04")
        else {
            return error;
        };
        let span = first.span();
        let assigned = self.layout.assigned.iter().find(|(place, _)| *place == span);
        if let Some(column) = assigned.and_then(|(_, at)| self.table.def.columns.get(*at)) {
            first.message = format!("column `{}`: {}", column.name, first.message);
        }
        error
    }

    fn internal(&self, error: &arrow::error::ArrowError) -> Error {
        user("XX000", self.span, error.to_string())
    }
}
