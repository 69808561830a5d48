//! Names of commits: snapshots, which stay where they are, and branches, which move with each commit on them.
//!
//! `SNAPSHOT 'q1'` gives the last commit a name; `CREATE BRANCH b FROM TAG 'q1'` begins a branch there.
//!
//! Invariants: a name is durable when the statement ends. The branch `main`, and the one in use, are not dropped; what was committed
//! on a branch, and nothing else leads to, goes only with CASCADE.
//!
//! Does not: copy anything.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{CreateBranch, CreateSnapshot, Drop, DropBehavior, Ident, ObjectKind, Span, When};

use super::{Column, list, point, resolved, user};
use crate::session::change::Running;
use crate::session::store::{MAIN, View, store_error};
use crate::session::{Error, ResultStream, Session, StatementResult};
use crate::store::StoreError;
use crate::store::object::CommitId;
use crate::store::table::COMPACTION;
use crate::store::timeline::RefKind;

/// CREATE SNAPSHOT.
pub fn create_snapshot(
    session: &mut Session,
    create: &CreateSnapshot,
    view: &View,
    running: Running,
) -> Result<StatementResult, Error> {
    let commit = commit_at(session, create.at.as_ref(), view, running)?;
    create_ref(view, RefKind::Tag, &create.name, create.if_not_exists, commit)
}

/// CREATE BRANCH.
pub fn create_branch(
    session: &mut Session,
    create: &CreateBranch,
    view: &View,
    running: Running,
) -> Result<StatementResult, Error> {
    let commit = commit_at(session, create.from.as_ref(), view, running)?;
    create_ref(view, RefKind::Branch, &create.name, create.if_not_exists, commit)
}

/// The commit of a point, which must still be kept; the last one, if none is named.
fn commit_at(session: &mut Session, when: Option<&When>, view: &View, running: Running) -> Result<CommitId, Error> {
    let Some(when) = when else {
        return last(view, running.span);
    };
    let point = point(session, when, running)?;
    let commit = view.commit_of(&point);
    let kept = commit.and_then(|commit| view.kept(commit).map(|_| commit));
    kept.map_err(|error| resolved(error, when.span))
}

/// USE BRANCH.
pub fn use_branch(session: &mut Session, name: &Ident) -> Result<StatementResult, Error> {
    let Some(store) = &mut session.store else {
        return Ok(StatementResult::Done);
    };
    store.alone("USE BRANCH", name.span)?;
    // The branch in use may have been dropped; the first one is always there.
    let before = store.branch().to_string();
    store.use_branch(MAIN);
    let found = match store.view(name.span) {
        Ok(Some(view)) => view
            .named(RefKind::Branch, &name.text)
            .map_err(|error| resolved(error, name.span)),
        Ok(None) => Err(store.none_yet(name.span)),
        Err(error) => Err(error),
    };
    store.use_branch(if found.is_ok() { &name.text } else { &before });
    found.map(|_| StatementResult::Done)
}

/// DROP SNAPSHOT and DROP BRANCH.
pub fn drop(session: &mut Session, drop: &Drop, view: &View, span: Span) -> Result<StatementResult, Error> {
    let kind = match drop.kind {
        ObjectKind::Branch => RefKind::Branch,
        _ => RefKind::Tag,
    };
    let mut going = Vec::with_capacity(drop.names.len());
    for path in &drop.names {
        let [name] = path.as_slice() else {
            return Err(user("42601", span, "snapshots and branches have a single name"));
        };
        let in_use = session.store.as_ref().is_some_and(|store| store.branch() == name.text);
        if kind == RefKind::Branch && (in_use || name.text == MAIN) {
            let why = if in_use { "is in use" } else { "is always there" };
            return Err(user("55006", name.span, format!("the branch `{}` {why}", name.text)));
        }
        match view.named(kind, &name.text) {
            Ok(commit) => going.push((name, commit)),
            Err(_) if drop.if_exists => {}
            Err(error) => return Err(resolved(error, name.span)),
        }
    }
    if kind == RefKind::Branch && drop.behavior != Some(DropBehavior::Cascade) {
        going
            .iter()
            .try_for_each(|(name, commit)| check_reached(view, name, *commit, &going))?;
    }
    for (name, commit) in going {
        let dropped = view.database.set_ref(kind, &name.text, Some(commit), None);
        dropped.map_err(|error| store_error(&error, name.span))?;
    }
    Ok(StatementResult::Done)
}

/// An error if a branch has commits that no other branch but those that are going, and no snapshot, leads to.
fn check_reached(view: &View, name: &Ident, commit: CommitId, going: &[(&Ident, CommitId)]) -> Result<(), Error> {
    let failed = |error: StoreError| store_error(&error, name.span);
    let timeline = view.timeline_for(name.span)?;
    let mut commits = timeline.first_parents(commit);
    // What only moved rows is nothing to be missed.
    let last = commits.find(|found| !matches!(found, Ok((_, record)) if record.flavor == COMPACTION));
    let Some((last, _)) = last.transpose().map_err(failed)? else {
        return Ok(());
    };
    let branches = timeline.refs(RefKind::Branch).into_iter();
    let others = branches.filter(|(other, _)| going.iter().all(|(gone, _)| gone.text != *other));
    for (_, other) in others.chain(timeline.refs(RefKind::Tag)) {
        if timeline.is_ancestor(last, other).map_err(failed)? {
            return Ok(());
        }
    }
    let short: String = last.to_string().chars().take(12).collect();
    let message = format!(
        "the branch `{}` has commits that no other branch and no snapshot leads to, the last of them `{short}`",
        name.text
    );
    let help = "MERGE BRANCH takes them over; DROP BRANCH … CASCADE gives them up";
    Err(Error::new(Diagnostic::new("2BP01", name.span, message).with_help(help)))
}

fn create_ref(
    view: &View,
    kind: RefKind,
    name: &Ident,
    if_not_exists: bool,
    commit: CommitId,
) -> Result<StatementResult, Error> {
    let timeline = view.timeline_for(name.span)?;
    if timeline.resolve(kind, &name.text).is_some() {
        if if_not_exists {
            return Ok(StatementResult::Done);
        }
        let what = if kind == RefKind::Tag { "snapshot" } else { "branch" };
        let message = format!("{what} `{}` exists already", name.text);
        return Err(user("42710", name.span, message));
    }
    let made = view.database.set_ref(kind, &name.text, None, Some(commit));
    made.map_err(|error| store_error(&error, name.span))?;
    Ok(StatementResult::Done)
}

fn last(view: &View, span: Span) -> Result<CommitId, Error> {
    let commit = view.base.commit_id();
    commit.ok_or_else(|| user("22023", span, "nothing was committed yet"))
}

/// SHOW SNAPSHOTS.
pub fn snapshots(view: &View, span: Span) -> Result<ResultStream, Error> {
    let refs = view.timeline_for(span)?.refs(RefKind::Tag);
    list(named(view, refs, span)?, span)
}

/// SHOW BRANCHES.
pub fn branches(view: &View, in_use: &str, span: Span) -> Result<ResultStream, Error> {
    let refs = view.timeline_for(span)?.refs(RefKind::Branch);
    let used = refs.iter().map(|(name, _)| {
        let used = name.as_str() == in_use;
        Some(if used { "yes" } else { "no" }.to_string())
    });
    let used = Column::Texts(used.collect());
    let mut columns = named(view, refs, span)?;
    columns.push(("in_use", used));
    list(columns, span)
}

fn named(view: &View, refs: Vec<(String, CommitId)>, span: Span) -> Result<Vec<(&'static str, Column)>, Error> {
    let mut times = Vec::with_capacity(refs.len());
    for (_, commit) in &refs {
        let record = view.timeline_for(span)?.commit_record(*commit);
        times.push(record.map_err(|error| store_error(&error, span))?.time_us);
    }
    let commits = refs.iter().map(|(_, commit)| Some(commit.to_string())).collect();
    let names = refs.into_iter().map(|(name, _)| Some(name)).collect();
    Ok(vec![
        ("name", Column::Texts(names)),
        ("commit", Column::Texts(commits)),
        ("time", Column::Times(times)),
    ])
}
