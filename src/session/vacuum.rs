//! VACUUM and CHECKPOINT.
//!
//! `SET retention = '7d'; VACUUM` gives up the snapshots that are older than a week, and shows what came of it in one row.
//!
//! Invariants: a snapshot that a branch, a tag, a watermark or somebody who reads needs is not given up; the log keeps all commits.
//!
//! Does not: put segments together; COMPACT does.

use gobi_grammar::ast::Span;

use super::listing::Cell;
use super::points::time_text;
use super::store::store_error;
use super::{Error, ResultStream, Session, listing, transactions};

/// The columns of the result.
const COLUMNS: [(&str, bool); 8] = [
    ("earliest", false),
    ("live_objects", true),
    ("packs_rewritten", true),
    ("bytes_before", true),
    ("bytes_after", true),
    ("files_removed", true),
    ("file_bytes", true),
    ("put_off", false),
];

/// VACUUM; `dry_run`: only says what it would do.
pub fn run(session: &mut Session, dry_run: bool, span: Span) -> Result<ResultStream, Error> {
    let kept = session.settings.retention_ms;
    let keep_us = kept.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
    // The session's own last statement is over.
    session.relations.view = None;
    let Some(store) = &mut session.store else {
        return Err(transactions::without_database("VACUUM", span));
    };
    store.alone("VACUUM", span)?;
    let Some(view) = store.maintaining(span)? else {
        return Err(store.none_yet(span));
    };
    let collected = view.database.collect(keep_us, dry_run);
    let collected = collected.map_err(|error| store_error(&error, span))?;
    let earliest = match collected.horizon_us {
        i64::MIN => "all is kept".to_string(),
        horizon => time_text(horizon),
    };
    let mut row = vec![Cell::Text(earliest)];
    let numbers = [
        collected.live_objects,
        collected.packs_copied,
        collected.bytes_before,
        collected.bytes_after,
        collected.files,
        collected.file_bytes,
    ];
    row.extend(numbers.map(|number| Cell::Count(Some(number))));
    row.push(Cell::Text(if collected.put_off { "yes" } else { "no" }.to_string()));
    Ok(listing::stream(&COLUMNS, vec![row], span))
}

/// CHECKPOINT: opening reads no more than what comes after it.
pub fn checkpoint(session: &mut Session, span: Span) -> Result<(), Error> {
    let Some(store) = &mut session.store else {
        return Err(transactions::without_database("CHECKPOINT", span));
    };
    store.alone("CHECKPOINT", span)?;
    match store.maintaining(span)? {
        Some(view) => {
            let done = view.timeline_for(span)?.checkpoint();
            done.map_err(|error| store_error(&error, span))
        }
        None => Err(store.none_yet(span)),
    }
}
