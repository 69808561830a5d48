//! Commits by any of their names, and what their records say.
//!
//! `commit_named("monday")` is where the snapshot `monday` is; so is `commit_named("5f1c")`, if its hash begins so.
//!
//! Invariants: a name comes before a hash, and a hash before a time.
//!
//! Does not: read tables.

use gobi_grammar::ast::Span;

use super::{Column, list, resolved, viewed};
use crate::plan::Point;
use crate::session::points::time_text;
use crate::session::store::store_error;
use crate::session::{Error, ResultStream, Session};
use crate::store::object::CommitId;

/// The commit that a text means: the name of a branch or a snapshot, the beginning of a hash, or a time.
pub fn commit_named(session: &mut Session, text: &str) -> Result<CommitId, Error> {
    let span = Span::default();
    let view = viewed(session, span)?;
    let mut points = vec![Point::Branch(text.into()), Point::Tag(text.into())];
    let is_hash = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Years and such are times, unless a commit begins so.
    if is_hash {
        points.push(Point::Commit(text.into()));
    }
    let found = points.iter().find_map(|point| view.commit_of(point).ok());
    match found {
        Some(commit) => Ok(commit),
        None => view.commit_of(&Point::Text(text.into())).map_err(|mut error| {
            if error.code == "22007" {
                error.code = "42704";
                error.message = format!("`{text}` is no branch, snapshot, commit or time");
            }
            resolved(error, span)
        }),
    }
}

/// The record of a commit, as names and values.
pub fn record_of(session: &mut Session, text: &str) -> Result<ResultStream, Error> {
    let span = Span::default();
    let commit = commit_named(session, text)?;
    let view = viewed(session, span)?;
    let record = view.timeline_for(span)?.commit_record(commit);
    let record = record.map_err(|error| store_error(&error, span))?;
    let parents: Vec<String> = record.parents.iter().map(ToString::to_string).collect();
    let lines = [
        ("commit", commit.to_string()),
        ("index", record.index.to_string()),
        ("parents", parents.join(" ")),
        ("root", record.root.to_string()),
        ("schema", record.schema.to_string()),
        ("time", time_text(record.time_us)),
        ("author", record.author),
        ("message", record.message),
    ];
    let (names, values): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .map(|(name, value)| (Some(name.to_string()), Some(value)))
        .unzip();
    list(
        vec![("field", Column::Texts(names)), ("value", Column::Texts(values))],
        span,
    )
}

/// The first parent of a commit.
pub fn parent_of(session: &mut Session, text: &str) -> Result<Option<String>, Error> {
    let commit = commit_named(session, text)?;
    let view = viewed(session, Span::default())?;
    let record = view.timeline_for(Span::default())?.commit_record(commit);
    let record = record.map_err(|error| store_error(&error, Span::default()))?;
    Ok(record.parents.first().map(ToString::to_string))
}

/// Size and root of the log.
pub fn log_root(session: &mut Session) -> Result<(u64, String), Error> {
    let view = viewed(session, Span::default())?;
    let head = view.timeline_for(Span::default())?.log_head();
    Ok((head.size, head.root.to_string()))
}
