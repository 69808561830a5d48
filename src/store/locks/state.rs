//! Who has claimed what, and who has ended since: the table itself, which one mutex guards.
//!
//! Transaction 4 reads height 10 and claims two rows; 5, which was committed at height 11, is remembered until 4 has ended, since 4 has not seen it.
//!
//! Invariants: a claim has a number that no other goes by. Who ended is forgotten when every open transaction has seen its commit.
//!
//! Does not: wait, or compare.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::claim::{Claim, EndedOthers, Others};
use super::wait::Wait;
use super::{Lane, TxnId};
use crate::catalog::EntityId;
use crate::store::object::CommitId;
use crate::store::table::{Footprint, RowAddress};

/// Ended transactions that are compared with, at most; what is forgotten is found by the commit.
const MAX_ENDED: usize = 1 << 16;
/// Whether there are some to forget is looked up when so many more have come.
const FORGOTTEN_AT_ONCE: usize = 16;
/// Commits whose transactions are known by number.
const MAX_RECENT: usize = 1 << 12;

/// The table.
#[derive(Debug, Default)]
pub(super) struct State {
    pub versions: u64,
    pub holders: BTreeMap<TxnId, Holding>,
    /// In the order in which they were committed.
    pub ended: VecDeque<Ended>,
    pub recent: VecDeque<(CommitId, TxnId)>,
}

/// A transaction that has not ended.
#[derive(Debug)]
pub(super) struct Holding {
    pub branch: Arc<str>,
    /// Height of the commit that it reads; while that is not known, it may be any.
    pub reads: Option<u64>,
    pub statement: Arc<str>,
    pub since_us: i64,
    pub standing: Standing,
    pub waits: Option<Wait>,
    pub lane: Option<Lane>,
}

/// What a transaction claims, and a number that no other claim in the table goes by.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub claim: Option<Arc<Claim>>,
    pub version: u64,
}

/// A transaction that was committed while others were open.
#[derive(Debug)]
pub(super) struct Ended {
    pub id: TxnId,
    pub branch: Arc<str>,
    pub height: u64,
    pub footprint: Arc<Footprint>,
}

impl Holding {
    pub(super) fn writes(&self, table: EntityId, row: RowAddress) -> bool {
        let claim = self.standing.claim.as_ref();
        claim.is_some_and(|claim| claim.footprint.has_row(table, row))
    }
}

impl State {
    /// Transactions on the same branch that have not ended.
    pub(super) fn others(&self, id: TxnId) -> impl Iterator<Item = (TxnId, &Holding)> {
        let branch = self.holders.get(&id).map(|holding| Arc::clone(&holding.branch));
        let holders = self.holders.iter().filter(move |(other, _)| **other != id);
        holders
            .filter(move |(_, holding)| Some(&holding.branch) == branch.as_ref())
            .map(|(id, holding)| (*id, holding))
    }

    /// Committed transactions that this one's snapshot does not have.
    pub(super) fn newer(&self, id: TxnId) -> impl Iterator<Item = &Ended> {
        let mine = self.holders.get(&id);
        let reads = mine.and_then(|holding| holding.reads).unwrap_or(u64::MAX);
        let branch = mine.map(|holding| Arc::clone(&holding.branch));
        let newer = self.ended.iter().rev().filter(move |ended| ended.height > reads);
        newer.filter(move |ended| Some(&ended.branch) == branch.as_ref())
    }

    pub(super) fn overtaken(&self, id: TxnId, touches: impl Fn(&Ended) -> bool) -> Option<TxnId> {
        self.newer(id).find(|ended| touches(ended)).map(|ended| ended.id)
    }

    pub(super) fn standing(&self, id: TxnId) -> Standing {
        let holding = self.holders.get(&id);
        holding.map_or_else(Standing::default, |holding| holding.standing.clone())
    }

    /// Puts a claim in the place of the one before, and gives that and whatever it must be compared with.
    pub(super) fn publish(&mut self, id: TxnId, claim: &Arc<Claim>) -> (Standing, Others, EndedOthers) {
        let others = self.others(id).filter_map(|(id, holding)| {
            let Standing { claim: theirs, version } = &holding.standing;
            let theirs = theirs.as_ref().filter(|theirs| !claim.is_apart_from(theirs))?;
            Some((id, *version, Arc::clone(theirs)))
        });
        let others = others.collect();
        let newer = self
            .newer(id)
            .filter(|ended| !claim.footprint.both_only_add(&ended.footprint));
        let ended = newer.map(|ended| (ended.id, Arc::clone(&ended.footprint))).collect();
        self.versions += 1;
        let standing = Standing {
            claim: Some(Arc::clone(claim)),
            version: self.versions,
        };
        let holding = self.holders.get_mut(&id);
        let before = holding.map(|holding| std::mem::replace(&mut holding.standing, standing));
        (before.unwrap_or_default(), others, ended)
    }

    /// Puts the claim back that was there before; those who wait for what is given back with that look again. Those who wait
    /// for what stays do not: else transactions that look around before they wait could keep each other awake for ever.
    pub(super) fn withdraw(&mut self, id: TxnId, before: &Standing) {
        let Some(holding) = self.holders.get_mut(&id) else {
            return;
        };
        let tried = std::mem::replace(&mut holding.standing, before.clone()).version;
        if tried != before.version {
            self.release(id, |version| version == tried, false);
        }
    }

    pub(super) fn is_in(&mut self, commit: CommitId, id: TxnId) {
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((commit, id));
    }

    pub(super) fn end(&mut self, id: TxnId, commit: Option<(Option<CommitId>, u64)>) -> Option<Holding> {
        let holding = self.holders.remove(&id)?;
        self.release(id, |_| true, commit.is_some());
        if let (Some((commit, height)), Some(claim)) = (commit, &holding.standing.claim) {
            if let Some(commit) = commit {
                self.is_in(commit, id);
            }
            self.ended.push_back(Ended {
                id,
                branch: Arc::clone(&holding.branch),
                height,
                footprint: Arc::clone(&claim.footprint),
            });
        }
        self.forget();
        Some(holding)
    }

    /// Forgets those who ended before everybody's snapshot, once there are some.
    pub(super) fn forget(&mut self) {
        if !self.holders.is_empty() && !self.ended.len().is_multiple_of(FORGOTTEN_AT_ONCE) {
            return;
        }
        let reads = |holding: &Holding| holding.reads.unwrap_or(0);
        let Some(oldest) = self.holders.values().map(reads).min() else {
            self.ended.clear();
            return;
        };
        while self.ended.len() > MAX_ENDED || self.ended.front().is_some_and(|ended| ended.height <= oldest) {
            self.ended.pop_front();
        }
    }
}
