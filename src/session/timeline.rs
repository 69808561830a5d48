//! The statements about history: snapshots, branches, watermarks, and what is asked of the past.
//!
//! `CREATE BRANCH b; USE BRANCH b` moves this session to a branch of its own; `LOG` lists its commits; `DIFF t BETWEEN TAG 'q1' AND
//! BRANCH 'main'` gives the rows that differ.
//!
//! The walk: [`refs`] names commits, [`watermarks`] are part of the catalog and change in transactions, [`past`] asks, [`proofs`]
//! proves, [`rollback`] goes back, and [`merge`] brings branches together.
//!
//! Invariants: snapshots and branches are no part of a transaction, so they are refused in one.
//!
//! Does not: resolve points; see [`super::points`].

mod merge;
mod past;
pub mod proofs;
mod record;
mod refs;
mod rollback;
pub mod watermarks;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{ObjectKind, Rollback, Show, Span, StatementKind as K, When};

use super::change::Running;
use super::relations::StatementTables;
use super::store::View;
use super::{Error, ResultStream, Session, StatementResult, transactions};
use crate::plan::{self, Point, ResolveError};
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType};

/// Whether a statement is about history, and no part of a transaction.
fn is_ours(kind: &K) -> bool {
    match kind {
        K::CreateSnapshot(_) | K::CreateBranch(_) | K::UseBranch(_) => true,
        K::Rollback(Rollback::To(_)) | K::MergeBranch(_) => true,
        K::Diff(_) | K::Log(_) | K::Blame(_) | K::VerifyTable(_) | K::Prove(_) => true,
        K::Drop(drop) => matches!(drop.kind, ObjectKind::Snapshot | ObjectKind::Branch),
        _ => false,
    }
}

/// Runs a statement about history; `None` for any other one.
pub fn run(session: &mut Session, kind: &K, running: Running) -> Option<Result<StatementResult, Error>> {
    if !is_ours(kind) {
        return None;
    }
    if session.store.is_none() {
        return Some(Err(transactions::no_database(kind, running.span)));
    }
    Some(ours(session, kind, running))
}

fn ours(session: &mut Session, kind: &K, running: Running) -> Result<StatementResult, Error> {
    match kind {
        K::UseBranch(name) => return refs::use_branch(session, name),
        K::Rollback(Rollback::To(when)) => {
            alone(session, "ROLLBACK TO a point of the timeline", running.span)?;
            return rollback::to(session, when, running);
        }
        K::MergeBranch(merge) => {
            alone(session, "MERGE BRANCH", running.span)?;
            return merge::run(session, merge, running);
        }
        _ => {}
    }
    let mut view = viewed(session, running.span)?;
    if let (K::CreateSnapshot(_) | K::CreateBranch(_) | K::Drop(_), Some(store)) = (kind, &mut session.store) {
        store.alone(&kind.name(), running.span)?;
        view = store.writing(running.span)?;
    }
    let stream = match kind {
        K::CreateSnapshot(create) => return refs::create_snapshot(session, create, &view, running),
        K::CreateBranch(create) => return refs::create_branch(session, create, &view, running),
        K::Drop(drop) => return refs::drop(session, drop, &view, running.span),
        K::Diff(diff) => past::diff(session, diff, &view, running)?,
        K::Log(log) => past::log(log, &view, running.span)?,
        K::Blame(blame) => past::blame(session, blame, &view, running)?,
        K::Prove(query) => proofs::prove(session, query, &view, running)?,
        K::VerifyTable(path) => past::verify(path, &view, running.span)?,
        other => return Err(super::define::unsupported(&other.name(), running.span)),
    };
    Ok(StatementResult::Rows(stream))
}

fn alone(session: &Session, what: &str, span: Span) -> Result<(), Error> {
    session.store.as_ref().map_or(Ok(()), |store| store.alone(what, span))
}

/// What others keep from committing is begun again so often.
const ATTEMPTS: usize = 5;

/// Does something that has to be done anew when others have committed meanwhile.
fn retried<T>(session: &mut Session, work: &mut dyn FnMut(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match work(session) {
            Err(error) if left > 0 && error.diagnostics.first().is_some_and(|first| first.code == "40001") => {}
            done => return done,
        }
    }
}

/// What the session sees now.
fn viewed(session: &mut Session, span: Span) -> Result<View, Error> {
    let view = match &mut session.store {
        Some(store) => store.view(span)?,
        None => None,
    };
    session.relations.view.clone_from(&view);
    view.ok_or_else(|| match &session.store {
        Some(store) => store.none_yet(span),
        None => user("22023", span, "nothing was committed yet"),
    })
}

/// `SHOW SNAPSHOTS | BRANCHES | WATERMARKS`; `None` for anything else.
pub fn show(session: &mut Session, what: &str, show: &Show, span: Span) -> Result<Option<ResultStream>, Error> {
    if !matches!(what, "snapshots" | "branches" | "watermarks") || !show.of.is_empty() || show.like.is_some() {
        return Ok(None);
    }
    let (Some(store), Some(view)) = (&session.store, &session.relations.view) else {
        return Ok(None);
    };
    match what {
        "snapshots" => refs::snapshots(view, span),
        "branches" => refs::branches(view, store.branch(), span),
        _ => watermarks::show(view, span),
    }
    .map(Some)
}

pub use record::{commit_named, log_root, parent_of, record_of};

/// The point that a statement names.
pub fn point(session: &mut Session, when: &When, running: Running) -> Result<Point, Error> {
    let mut tables = StatementTables::new(&mut session.relations);
    plan::bind_point(when, running.dialect, &mut tables).map_err(Error::all)
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}

fn resolved(error: ResolveError, span: Span) -> Error {
    user(error.code, span, error.message)
}

/// A column of a list.
enum Column {
    Texts(Vec<Option<String>>),
    Times(Vec<i64>),
    Counts(Vec<u64>),
}

/// Some columns as rows.
fn list(columns: Vec<(&str, Column)>, span: Span) -> Result<ResultStream, Error> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (name, column) in columns {
        let (ty, array): (_, ArrayRef) = match column {
            Column::Texts(texts) => (
                LogicalType::String,
                Arc::new(texts.into_iter().collect::<StringViewArray>()),
            ),
            Column::Times(times) => {
                let times = TimestampMicrosecondArray::from_iter_values(times);
                (LogicalType::TimestampTz, Arc::new(times.with_timezone("UTC")))
            }
            Column::Counts(counts) => {
                let counts = counts.into_iter().map(|count| i64::try_from(count).unwrap_or(i64::MAX));
                (LogicalType::BigInt, Arc::new(Int64Array::from_iter_values(counts)))
            }
        };
        fields.push(Field {
            name: name.to_string(),
            ty,
            nullable: true,
        });
        arrays.push(array);
    }
    let batch = RecordBatch::try_new(arrow_schema(&fields), arrays);
    let batch = batch.map_err(|error| user("XX000", span, error.to_string()))?;
    Ok(ResultStream::ready(fields, batch, span))
}
