//! MERGE BRANCH: what was done on one branch is done on another, too.
//!
//! `MERGE BRANCH trial` takes the rows that `trial` changed since it began into the branch in use. It shows what both changed, one row for
//! each conflict; if there is one, nothing is merged, and `MERGE BRANCH trial USING THEIRS` decides.
//!
//! Invariants: the commit has both branches' commits as its parents, and is made on top of the state that was compared. Foreign
//! keys lead to rows also where one branch has the row and the other what refers to it, and definitions check also where one branch has
//! redefined what the other has made something of. If nothing was committed on the branch
//! that is merged into, it moves to the other's commit, and no row is copied; unless that had other watermarks, which stay what they
//! are, however a merge is made.
//!
//! Does not: drop the branch that was merged.

use std::sync::Arc;

use gobi_grammar::ast::{Ident, MergeBranch, MergePick};

use super::{Column, list, resolved, retried, user};
use crate::catalog::{Catalog, Entity, EntityId};
use crate::session::change::{Running, orphans};
use crate::session::routines::settled;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, StatementResult, define, transactions};
use crate::store::StoreError;
use crate::store::object::CommitId;
use crate::store::table::{Changes, MergeConflict, Other, Pick, Snapshot};
use crate::store::timeline::RefKind;

/// MERGE BRANCH.
pub fn run(session: &mut Session, merge: &MergeBranch, running: Running) -> Result<StatementResult, Error> {
    let lost = || user("XX000", running.span, "the session has no database");
    let store = session.store.as_mut().ok_or_else(lost)?;
    let before = store.branch().to_string();
    if let Some(into) = &merge.into {
        check_branch(session, into)?;
        session.store.as_mut().ok_or_else(lost)?.use_branch(&into.text);
    }
    let merged = retried(session, &mut |session| {
        transactions::framed(session, "MERGE BRANCH", running.span, &mut |session, view| {
            merge_into(session, merge, view, running)
        })
    });
    if let Some(store) = &mut session.store {
        store.use_branch(&before);
    }
    let conflicts = merged?;
    let text = |of: &dyn Fn(&MergeConflict) -> Option<String>| Column::Texts(conflicts.iter().map(of).collect());
    let columns = vec![
        ("table", text(&|conflict| Some(conflict.name.clone()))),
        ("conflict", text(&|conflict| Some(conflict.on.into()))),
        (
            "key",
            text(&|conflict| Some(conflict.key.clone()).filter(|key| !key.is_empty())),
        ),
        ("base", text(&|conflict| conflict.base.clone())),
        ("ours", text(&|conflict| conflict.ours.clone())),
        ("theirs", text(&|conflict| conflict.theirs.clone())),
    ];
    list(columns, running.span).map(StatementResult::Rows)
}

fn check_branch(session: &mut Session, name: &Ident) -> Result<(), Error> {
    let view = super::viewed(session, name.span)?;
    let found = view.named(RefKind::Branch, &name.text);
    found.map(drop).map_err(|error| resolved(error, name.span))
}

/// Stages the merge; what stands against it.
fn merge_into(
    session: &mut Session,
    merge: &MergeBranch,
    view: &mut View,
    running: Running,
) -> Result<Vec<MergeConflict>, Error> {
    let failed = |error: StoreError| store_error(&error, running.span);
    let name = &merge.name;
    let theirs = view.named(RefKind::Branch, &name.text);
    let theirs = theirs.map_err(|error| resolved(error, name.span))?;
    view.changes = Changes::new(&view.base);
    let Some(tip) = view.base.commit_id() else {
        return Err(user("22023", running.span, "nothing was committed yet"));
    };
    let timeline = view.timeline_for(running.span)?;
    let base = timeline.merge_base(tip, theirs).map_err(failed)?;
    let base = base.ok_or_else(|| user("22023", name.span, "the branches have no commit in common"))?;
    if base == theirs {
        return Ok(Vec::new());
    }
    let branch = merge.into.as_ref().map(|into| into.text.as_str());
    let branch = branch.or_else(|| session.store.as_ref().map(|store| store.branch()));
    let kept = |commit| view.kept(commit).map_err(|error| resolved(error, running.span));
    let moves = base == tip && is_straight(view, tip, theirs).map_err(failed)? && same_marks(view, &kept(theirs)?);
    if let (true, Some(branch)) = (moves, branch) {
        let moved = view.database.set_ref(RefKind::Branch, branch, Some(tip), Some(theirs));
        return moved.map(|()| Vec::new()).map_err(failed);
    }
    let other = Other {
        commit: theirs,
        snapshot: kept(theirs)?,
        base: kept(base)?,
    };
    let pick = merge.pick.map(|pick| match pick {
        MergePick::Ours => Pick::Ours,
        MergePick::Theirs => Pick::Theirs,
    });
    let merged = view.changes.merge(&other, pick).map_err(failed)?;
    let mut conflicts = merged.conflicts;
    let catalogs = [&other.base, &view.base, &other.snapshot].map(|side| side.catalog());
    conflicts
        .iter_mut()
        .for_each(|conflict| tell_definitions(conflict, catalogs));
    if conflicts.is_empty() {
        conflicts = orphans::of_merge(session, view, (&merged.ours, &merged.theirs), running)?;
    }
    if conflicts.is_empty() {
        settled::check_merge(session, &other.snapshot, view, running)?;
    } else {
        view.changes = Changes::new(&view.base);
    }
    Ok(conflicts)
}

/// Puts definitions as they are written in the place of names.
fn tell_definitions(conflict: &mut MergeConflict, catalogs: [&Arc<Catalog>; 3]) {
    let MergeConflict {
        base,
        ours,
        theirs,
        entities,
        ..
    } = conflict;
    for ((shown, id), catalog) in [base, ours, theirs].into_iter().zip(entities).zip(catalogs) {
        let Some(id) = id.filter(|id| catalog.get(*id).is_some()) else {
            continue;
        };
        let statements = define::text::of_one(catalog, id).join(" ");
        if !statements.is_empty() {
            *shown = Some(statements.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

/// Whether a branch has the watermarks of another, where they stand: they are no part of what a merge takes over.
fn same_marks(view: &View, theirs: &Snapshot) -> bool {
    let marks = |catalog: &Catalog| -> Vec<(EntityId, Arc<Entity>)> {
        let marks = catalog
            .entries()
            .filter(|entry| matches!(&*entry.entity, Entity::Watermark(_)));
        marks.map(|entry| (entry.id, Arc::clone(&entry.entity))).collect()
    };
    marks(view.base.catalog()) == marks(theirs.catalog())
}

/// Whether a commit leads to another by first parents, so that a branch that moves there keeps its own history.
fn is_straight(view: &View, from: CommitId, to: CommitId) -> Result<bool, StoreError> {
    let timeline = view.database.timeline()?;
    let height = timeline.commit_record(from)?.height;
    Ok(timeline.at_height(to, height)? == Some(from))
}
