//! Changes of views: triggers do what the statement asks for.
//!
//! `DELETE FROM open_orders WHERE id = 7` runs the query of the view `open_orders`, and for each of its rows the triggers that stand for
//! DELETE, with the row as `OLD`.
//!
//! Invariants: a statement, or an arm of MERGE, that no trigger stands for is an error; the statement changes nothing itself.
//!
//! Does not: know which tables a view reads.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Span};

use super::fire::Firing;
use crate::catalog::{EntityId, TableDef, Timing, ViewDef};
use crate::plan::change::{Change, Layout};
use crate::session::change::apply::How;
use crate::session::change::repeated::Seen;
use crate::session::change::{Done, Table};
use crate::session::explain::Capture;
use crate::session::store::View;
use crate::session::{Error, ResultStream, Session, statement};
use crate::types::arrow::arrow_schema;

/// The view as a table whose rows triggers change; an error if it has no trigger of that kind.
pub fn table_of(view: &View, id: EntityId, def: &ViewDef, name: &Ident) -> Result<Table, Error> {
    let instead = |timing: Timing| timing == Timing::Instead;
    if !view
        .catalog()
        .triggers_of(id)
        .any(|(_, trigger)| instead(trigger.timing) && !trigger.disabled)
    {
        let message = format!("`{}` is a view, not a table", name.text);
        let help = "a trigger with `timing: 'instead'` can stand for changes of its rows";
        return Err(Error::new(Diagnostic::new("42809", name.span, message).with_help(help)));
    }
    let mut table = TableDef::new(&def.name);
    for field in &def.columns {
        table.add(&field.name, field.ty.clone());
    }
    Ok(Table::new(id, table))
}

/// Runs a change of a view.
pub fn change_view(
    session: &mut Session,
    mut change: Change<'_>,
    table: &Table,
    view: &mut View,
    how: How,
) -> Result<Done, Error> {
    let running = how.running;
    let wrong = |message: String| Error::new(Diagnostic::new("42809", running.span, message));
    let firing = Firing::of(session, view, (table.id, &change), running)?;
    let Some(firing) = firing.filter(Firing::fires_instead) else {
        let message = format!("no trigger of the view `{}` stands for this statement", table.def.name);
        return Err(wrong(message));
    };
    if let Some(event) = firing.stands_not_for(&change) {
        let message = format!("no trigger of the view `{}` stands for {event}", table.def.name);
        return Err(wrong(message));
    }
    change.old.clone_from(&firing.old);
    let raw = change.returning.is_empty();
    if session.explaining.as_ref().is_some_and(Capture::only_plans) {
        return statement::compiled_change(session, &change, raw, running).map(|_| Done::default());
    }
    firing.begin(session, view)?;
    let (stream, layout) = statement::changed_rows(session, &change, raw, running)?;
    let phases = stream.phases();
    // The rows are those before any trigger has changed what the view reads.
    let batches = stream.collect::<Result<Vec<_>, _>>()?;
    let mut seen = Seen::new(how.repeats, table, running.span)?;
    let (mut rows, mut returned) = (0, Vec::new());
    for batch in batches {
        let batch = distinct(&mut seen, batch, &layout, table, running.span)?;
        rows += batch.num_rows() as u64;
        if !raw {
            returned.push(returned_of(&batch, &layout, running.span)?);
        }
        firing.before(session, view, batch, (&change, &layout, layout.old))?;
    }
    let returned = (!raw).then(|| ResultStream::returned(layout.returned, returned, phases, running.span));
    Ok(Done { rows, returned })
}

/// The rows without those that were proposed before; they have no addresses that could tell.
fn distinct(
    seen: &mut Seen,
    batch: RecordBatch,
    layout: &Layout,
    table: &Table,
    span: Span,
) -> Result<RecordBatch, Error> {
    let (first, count) = layout.new;
    let new = batch.columns().get(first..first + count).unwrap_or_default();
    match seen.keep(None, new, table, span)? {
        Some(keep) => filter_record_batch(&batch, &keep).map_err(|error| internal(&error, span)),
        None => Ok(batch),
    }
}

fn returned_of(batch: &RecordBatch, layout: &Layout, span: Span) -> Result<RecordBatch, Error> {
    let columns = batch.columns().get(layout.returning..).unwrap_or_default().to_vec();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = arrow_schema(&layout.returned);
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(|error| internal(&error, span))
}

fn internal(error: &ArrowError, span: Span) -> Error {
    Error::new(Diagnostic::new("XX000", span, error.to_string()))
}
