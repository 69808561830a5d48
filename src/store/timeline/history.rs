//! Questions about what was committed: branches, ancestors, times, proofs.
//!
//! `timeline.as_of(tip, time)` finds the last commit at or before a time among the first parents of `tip`, in some
//! 2·log₂ n steps, by the jumps that commit records carry.
//!
//! Invariants: answers are about what is durable, except that a commit just queued can be read by its id.
//!
//! Does not: follow a branch while it moves; a caller holds on to a commit's id.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use super::{MAX_PLACES, Place, Timeline, lock};
use crate::store::commit::Commit;
use crate::store::head::RefKind;
use crate::store::log::{ConsistencyProof, InclusionProof, LogHead, range_root};
use crate::store::object::{CommitId, Kind, ReadObjects};
use crate::store::wire::Malformed;
use crate::store::{Damage, StoreError};

impl Timeline {
    /// Branches or tags and their commits, sorted by name.
    pub fn refs(&self, kind: RefKind) -> Vec<(String, CommitId)> {
        let view = self.view();
        let of_kind = view.refs.iter().filter(|((found, _), _)| *found == kind);
        of_kind.map(|((_, name), (_, id))| (name.clone(), *id)).collect()
    }

    /// Where a branch or tag points.
    pub fn resolve(&self, kind: RefKind, name: &str) -> Option<CommitId> {
        self.view().refs.get(&(kind, name.to_string())).map(|(_, id)| *id)
    }

    /// A commit's record.
    pub fn commit_record(&self, id: CommitId) -> Result<Commit, StoreError> {
        let body = self.read(Kind::COMMIT, id)?;
        let malformed = |Malformed(what)| Damage::new(&self.packs_folder(), what).of(Kind::COMMIT, id);
        Ok(Commit::read(&body).map_err(malformed)?)
    }

    /// Where a commit stands in history.
    pub fn place(&self, id: CommitId) -> Result<Place, StoreError> {
        if let Some(place) = lock(&self.places).get(&id) {
            return Ok(*place);
        }
        let Commit {
            index, height, jump, ..
        } = self.commit_record(id)?;
        let place = Place { index, height, jump };
        self.stands(id, place);
        Ok(place)
    }

    /// Notes where a commit stands.
    pub(super) fn stands(&self, id: CommitId, place: Place) {
        let mut places = lock(&self.places);
        if places.len() >= MAX_PLACES {
            places.clear();
        }
        places.insert(id, place);
    }

    /// An error if a commit's snapshot may have been given up: it is older than the horizon, and no branch or tag points
    /// to it.
    pub fn check_kept(&self, commit: CommitId) -> Result<(), StoreError> {
        let time_us = self.commit_record(commit)?.time_us;
        let view = self.view();
        let horizon_us = view.horizon_us;
        if time_us >= horizon_us || view.refs.values().any(|(_, id)| *id == commit) {
            return Ok(());
        }
        Err(StoreError::Expired { commit, horizon_us })
    }

    /// The commit at a position of the log, or one that is queued and will be there.
    pub fn commit_at(&self, index: u64) -> Result<CommitId, StoreError> {
        let size = self.view().levels.size();
        if index >= size
            && let Some(queued) = self.queued_at(index)
        {
            return Ok(queued);
        }
        // It may have been written meanwhile.
        self.view().levels.leaf(index)
    }

    /// A commit and its first parents, newest first.
    pub fn first_parents(&self, from: CommitId) -> FirstParents<'_> {
        FirstParents {
            timeline: self,
            next: Some(from),
        }
    }

    /// The last of a commit's first parents, itself included, that is not younger than a time; `None` if all are.
    pub fn as_of(&self, from: CommitId, time_us: i64) -> Result<Option<CommitId>, StoreError> {
        self.first_that(from, |commit| commit.time_us <= time_us)
    }

    /// The first parent that has so many before it.
    pub fn at_height(&self, from: CommitId, height: u64) -> Result<Option<CommitId>, StoreError> {
        let found = self.first_that(from, |commit| commit.height <= height)?;
        let Some(id) = found else {
            return Ok(None);
        };
        Ok((self.commit_record(id)?.height == height).then_some(id))
    }

    /// Walks back to the first commit that a question holds for; it must hold for all before it, too.
    fn first_that(&self, from: CommitId, holds: impl Fn(&Commit) -> bool) -> Result<Option<CommitId>, StoreError> {
        let mut id = from;
        let mut commit = self.commit_record(id)?;
        while !holds(&commit) {
            let Some(parent) = commit.parents.first() else {
                return Ok(None);
            };
            let far = self.commit_at(commit.jump)?;
            let jump = self.commit_record(far)?;
            (id, commit) = if holds(&jump) {
                (*parent, self.commit_record(*parent)?)
            } else {
                (far, jump)
            };
        }
        Ok(Some(id))
    }

    /// Whether a commit is another or one of its ancestors, by any parents.
    pub fn is_ancestor(&self, ancestor: CommitId, of: CommitId) -> Result<bool, StoreError> {
        let oldest = self.commit_record(ancestor)?.index;
        let mut seen = BTreeSet::new();
        let mut open = vec![of];
        while let Some(id) = open.pop() {
            if id == ancestor {
                return Ok(true);
            }
            let commit = self.commit_record(id)?;
            if commit.index > oldest && seen.insert(id) {
                open.extend(commit.parents);
            }
        }
        Ok(false)
    }

    /// The youngest commit that both descend from: what a merge starts at.
    pub fn merge_base(&self, a: CommitId, b: CommitId) -> Result<Option<CommitId>, StoreError> {
        let mut open = BinaryHeap::new();
        for (id, side) in [(a, 1_u8), (b, 2)] {
            open.push((self.commit_record(id)?.index, id, side));
        }
        while let Some((index, id, mut sides)) = open.pop() {
            while let Some((next, _, _)) = open.peek()
                && next.cmp(&index) == Ordering::Equal
                && let Some((_, _, side)) = open.pop()
            {
                sides |= side;
            }
            if sides == 3 {
                return Ok(Some(id));
            }
            for parent in self.commit_record(id)?.parents {
                open.push((self.commit_record(parent)?.index, parent, sides));
            }
        }
        Ok(None)
    }

    /// The log's size and root now.
    pub fn log_head(&self) -> LogHead {
        self.view().frontier.head()
    }

    /// The log's root when it had some size.
    pub fn log_head_at(&self, size: u64) -> Result<LogHead, StoreError> {
        let view = self.view();
        self.check_size(size, view.levels.size())?;
        let root = range_root(&view.levels, 0, size)?;
        Ok(LogHead { size, root })
    }

    /// Shows that a commit is in the log as it is now.
    pub fn prove_inclusion(&self, commit: CommitId) -> Result<InclusionProof, StoreError> {
        let size = self.log_head().size;
        self.prove_inclusion_in(commit, size)
    }

    /// Shows that a commit is in the log as it was at a size. What is given out has been checked.
    pub fn prove_inclusion_in(&self, commit: CommitId, size: u64) -> Result<InclusionProof, StoreError> {
        let index = self.commit_record(commit)?.index;
        let view = self.view();
        self.check_size(size, view.levels.size())?;
        let proof = InclusionProof::make(&view.levels, index, size)?;
        if size == view.levels.size() {
            let what = "the log's hashes do not have the log's root";
            let damaged = |_| Damage::new(&view.levels.path(0), what);
            proof.verify(&commit, &view.frontier.head()).map_err(damaged)?;
        }
        Ok(proof)
    }

    /// Shows that the log of one size is a prefix of that of a larger one.
    pub fn prove_consistency(&self, old_size: u64, new_size: u64) -> Result<ConsistencyProof, StoreError> {
        let view = self.view();
        self.check_size(new_size, view.levels.size())?;
        ConsistencyProof::make(&view.levels, old_size, new_size)
    }

    fn check_size(&self, asked: u64, size: u64) -> Result<(), StoreError> {
        if asked <= size {
            return Ok(());
        }
        let what = "size";
        Err(StoreError::OutOfLog { what, asked, size })
    }
}

/// A commit and its first parents.
pub struct FirstParents<'a> {
    timeline: &'a Timeline,
    next: Option<CommitId>,
}

impl Iterator for FirstParents<'_> {
    type Item = Result<(CommitId, Commit), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next.take()?;
        let commit = self.timeline.commit_record(id);
        if let Ok(commit) = &commit {
            self.next = commit.parents.first().copied();
        }
        Some(commit.map(|commit| (id, commit)))
    }
}
