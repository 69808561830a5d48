//! COMPACT: puts a table's segments together, and shows what that changed.
//!
//! `COMPACT t` gives one row: the table, its segments, deleted rows and bytes before and after. `COMPACT` gives a row per table.
//!
//! Invariants: no row of any table changes, as of any commit.
//!
//! Does not: run inside a transaction.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Maintain, MaintainTask, Path, Span};

use super::listing::Cell;
use super::locking::commit_error;
use super::store::{View, store_error};
use super::{Error, Session, StatementResult, define, listing, transactions, vacuum};
use crate::catalog::{Entity, EntityId};
use crate::host;
use crate::store::table::{About, Effort, Fragmentation};

/// The columns of the result.
const COLUMNS: [(&str, bool); 7] = [
    ("table", false),
    ("segments_before", true),
    ("segments_after", true),
    ("deleted_before", true),
    ("deleted_after", true),
    ("bytes_before", true),
    ("bytes_after", true),
];
/// A compaction that others keep from committing is begun again so often.
const ATTEMPTS: usize = 5;

/// `COMPACT`; `VACUUM` and `CHECKPOINT` are handed on.
pub fn run(session: &mut Session, maintain: &Maintain, span: Span) -> Result<StatementResult, Error> {
    match maintain.task {
        MaintainTask::Compact => {}
        MaintainTask::Vacuum if maintain.table.is_some() => {
            return Err(define::unsupported("VACUUM of one table", span));
        }
        MaintainTask::Vacuum => return vacuum::run(session, false, span).map(StatementResult::Rows),
        MaintainTask::Checkpoint => return vacuum::checkpoint(session, span).map(|()| StatementResult::Done),
    }
    let Some(store) = &mut session.store else {
        return Err(transactions::without_database("COMPACT", span));
    };
    if store.in_transaction() {
        let message = "COMPACT cannot run inside a transaction";
        return Err(Error::new(Diagnostic::new("25001", span, message)));
    }
    let branch = store.branch().to_string();
    let rows = match store.maintaining(span)? {
        Some(view) => compact_all(&view, &branch, wanted(&view, maintain.table.as_ref())?, span)?,
        None => return Err(store.none_yet(span)),
    };
    Ok(StatementResult::Rows(listing::stream(&COLUMNS, rows, span)))
}

/// The tables that are meant.
fn wanted(view: &View, table: Option<&Path>) -> Result<Vec<(EntityId, String)>, Error> {
    let Some(path) = table else {
        let tables = view.catalog().entries().filter_map(|entry| match &*entry.entity {
            Entity::Table(def) => Some((entry.id, def.name.clone())),
            _ => None,
        });
        return Ok(tables.collect());
    };
    let (schema, name) = define::schema_and_name(path)?;
    let found = view.catalog().find(&[&schema, &name.text]);
    match found.map(|entry| (entry.id, &*entry.entity)) {
        Some((id, Entity::Table(def))) => Ok(vec![(id, def.name.clone())]),
        _ => Err(no_table(name)),
    }
}

fn no_table(name: &Ident) -> Error {
    let message = format!("table `{}` does not exist", name.text);
    Error::new(Diagnostic::new("42P01", name.span, message))
}

fn compact_all(
    view: &View,
    branch: &str,
    tables: Vec<(EntityId, String)>,
    span: Span,
) -> Result<Vec<Vec<Cell>>, Error> {
    let mut rows = Vec::new();
    for (id, name) in tables {
        let before = view.base.fragmentation(id).map_err(|error| store_error(&error, span))?;
        let after = compact(view, branch, id, span)?.unwrap_or(before);
        let numbers = [
            (before.segments, after.segments),
            (before.deleted, after.deleted),
            (before.bytes, after.bytes),
        ];
        let numbers = numbers.iter().flat_map(|(before, after)| [*before, *after]);
        rows.push(
            std::iter::once(Cell::Text(name))
                .chain(numbers.map(|number| Cell::Count(Some(number))))
                .collect(),
        );
    }
    Ok(rows)
}

/// Compacts a table; how it is then, or `None` if there was nothing to do.
fn compact(view: &View, branch: &str, id: EntityId, span: Span) -> Result<Option<Fragmentation>, Error> {
    for _ in 0..ATTEMPTS {
        let about = About {
            author: host::user_name(),
            message: "COMPACT".into(),
            ..About::default()
        };
        let done = view.database.compact(branch, id, Effort::All, about, &|_| true);
        if let Some(snapshot) = done.map_err(|error| commit_error(&view.database, &view.changes, &error, span))? {
            let after = snapshot.fragmentation(id);
            return after.map(Some).map_err(|error| store_error(&error, span));
        }
    }
    Ok(None)
}
