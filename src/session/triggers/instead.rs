//! Changes of views: triggers do what the statement asks for.
//!
//! `DELETE FROM open_orders WHERE id = 7` runs the query of the view `open_orders`, and for each of its rows the triggers that stand for
//! DELETE, with the row as `OLD`.
//!
//! Invariants: a statement that no trigger stands for is an error; it changes nothing itself.
//!
//! Does not: know which tables a view reads.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Ident;

use super::fire::Firing;
use crate::catalog::{EntityId, TableDef, Timing, ViewDef};
use crate::plan::change::{Change, Source};
use crate::session::change::{Done, Running, Table};
use crate::session::explain::Capture;
use crate::session::store::View;
use crate::session::{Error, Session, statement};

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
    Ok(Table { id, def: table })
}

/// Runs a change of a view.
pub fn change_view(
    session: &mut Session,
    mut change: Change<'_>,
    table: &Table,
    view: &mut View,
    running: Running,
) -> Result<Done, Error> {
    let refuse = |what: &str| {
        let message = format!("{what} of a view is not supported yet");
        Err(Error::new(Diagnostic::new("0A000", running.span, message)))
    };
    match change.source {
        Source::Conflicting { .. } => return refuse("UPSERT and ON CONFLICT"),
        Source::Merge { .. } => return refuse("MERGE"),
        _ if !change.returning.is_empty() => return refuse("RETURNING"),
        _ => {}
    }
    let firing = Firing::of(session, view, (table.id, &change), running)?;
    let Some(firing) = firing.filter(Firing::fires_instead) else {
        let message = format!("no trigger of the view `{}` stands for this statement", table.def.name);
        return Err(Error::new(Diagnostic::new("42809", running.span, message)));
    };
    change.old.clone_from(&firing.old);
    if session.explaining.as_ref().is_some_and(Capture::only_plans) {
        return statement::compiled_change(session, &change, true, running).map(|_| Done::default());
    }
    firing.begin(session, view)?;
    let (stream, layout) = statement::changed_rows(session, &change, true, running)?;
    // The rows are those before any trigger has changed what the view reads.
    let batches = stream.collect::<Result<Vec<_>, _>>()?;
    let mut rows = 0;
    for batch in batches {
        rows += batch.num_rows() as u64;
        firing.before(session, view, batch, (&change, &layout, layout.old))?;
    }
    Ok(Done { rows, returned: None })
}
