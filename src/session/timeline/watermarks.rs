//! Watermarks: how far the reader of a table's changes has come.
//!
//! `BEGIN; INSERT INTO totals SELECT … FROM orders CHANGES SINCE WATERMARK w; ADVANCE WATERMARK w; COMMIT` reads each change once: the
//! watermark moves in the commit that has what was made of the changes, or not at all.
//!
//! Invariants: a watermark advances to the commit that its transaction reads. Two transactions that advance the same one are in
//! conflict. The changes behind a watermark are kept.
//!
//! Does not: know who reads.

use gobi_grammar::ast::{CreateWatermark, Ident, Span};

use super::{Column, list, point, resolved, user};
use crate::catalog::{Entity, MAIN_SCHEMA, WatermarkDef};
use crate::session::change::{self, Running};
use crate::session::define::catalog_error;
use crate::session::store::{View, store_error};
use crate::session::{Error, ResultStream, Session};
use crate::store::object::CommitId;

/// CREATE WATERMARK.
pub fn create(session: &mut Session, create: &CreateWatermark, view: &mut View, running: Running) -> Result<(), Error> {
    let (table, _) = change::target(view, &create.table)?;
    if let Some(known) = view.catalog().find(&[&create.name.text])
        && create.if_not_exists
        && known.entity.kind() == "watermark"
    {
        return Ok(());
    }
    let commit = match &create.at {
        Some(when) => {
            let point = point(session, when, running)?;
            let snapshot = view.at(&point).map_err(|error| resolved(error, when.span))?;
            snapshot.commit_id()
        }
        None => view.base.commit_id(),
    };
    let commit = commit.ok_or_else(|| user("22023", running.span, "nothing was committed yet"))?;
    if view.base.catalog().get(table).is_none() {
        let message = "a watermark is of a table that was committed";
        return Err(user("55000", create.name.span, message));
    }
    let entity = Entity::Watermark(WatermarkDef {
        name: create.name.text.clone(),
        table,
        commit: commit.to_string(),
    });
    let made = view.changes.catalog.create(MAIN_SCHEMA, entity);
    made.map(|_| ())
        .map_err(|error| catalog_error(&error, create.name.span))
}

/// ADVANCE WATERMARK.
pub fn advance(name: &Ident, view: &mut View) -> Result<(), Error> {
    let found = view.catalog().find(&[&name.text]).cloned();
    let Some(Entity::Watermark(mark)) = found.as_ref().map(|entry| (*entry.entity).clone()) else {
        let message = format!("there is no watermark `{}`", name.text);
        return Err(user("42704", name.span, message));
    };
    let (Some(entry), Some(commit)) = (found, view.base.commit_id()) else {
        return Ok(());
    };
    // Changes that are gone cannot be said to have been read.
    let stands = view.watermark(&name.text, mark.table);
    let stands = stands.and_then(|commit| view.kept(commit));
    stands.map_err(|error| resolved(error, name.span))?;
    let entity = Entity::Watermark(WatermarkDef {
        commit: commit.to_string(),
        ..mark
    });
    let moved = view.changes.catalog.replace(entry.id, entity);
    moved.map(|_| ()).map_err(|error| catalog_error(&error, name.span))
}

/// The watermarks of a catalog, with where they stand.
fn marks(view: &View) -> Vec<(WatermarkDef, CommitId)> {
    let entries = view.catalog().entries();
    let mark = |entity: &Entity| match entity {
        Entity::Watermark(mark) => mark.commit.parse().ok().map(|commit| (mark.clone(), commit)),
        _ => None,
    };
    entries.filter_map(|entry| mark(&entry.entity)).collect()
}

/// SHOW WATERMARKS.
pub fn show(view: &View, span: Span) -> Result<ResultStream, Error> {
    let timeline = view.timeline_for(span)?;
    let failed = |error| store_error(&error, span);
    let (mut names, mut tables, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    let (mut times, mut behind) = (Vec::new(), Vec::new());
    let head = match view.base.commit_id() {
        Some(id) => timeline.commit_record(id).map_err(failed)?.height,
        None => 0,
    };
    let mut all = marks(view);
    all.sort_by_key(|(mark, _)| mark.name.to_lowercase());
    for (mark, commit) in all {
        let record = timeline.commit_record(commit).map_err(failed)?;
        let table = view.catalog().get(mark.table);
        tables.push(table.map(|entry| entry.entity.name().to_string()));
        names.push(Some(mark.name));
        commits.push(Some(mark.commit));
        times.push(record.time_us);
        behind.push(head.saturating_sub(record.height));
    }
    let columns = vec![
        ("name", Column::Texts(names)),
        ("table", Column::Texts(tables)),
        ("commit", Column::Texts(commits)),
        ("time", Column::Times(times)),
        ("commits_behind", Column::Counts(behind)),
    ];
    list(columns, span)
}
