//! Which transactions may go ahead, and which of them become one commit.
//!
//! A transaction has looked for its keys in commit 10. Since then 40 rows have come, of which commit 11 was just made, and 3 more: its keys
//! are compared with those of the two generations, and become part of the younger one.
//!
//! Invariants: a key comes once between the commit that it was looked for in and the commit that it will be part of. Entries stand in the
//! order of their records.
//!
//! Does not: write, or make commits.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::catalog::Catalog;
use crate::store::locks::TxnId;
use crate::store::object::CommitId;
use crate::store::table::{About, KeyHash, KeyHashes, Snapshot};

/// Commits of a branch for which it is known which keys came since.
pub(super) const GENERATIONS: usize = 3;

/// What went ahead, and what keys are compared with.
#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order of their records.
    pub entries: Vec<Entry>,
    /// Keys of those of which commits are being made.
    pub leaving: Vec<KeyHash>,
    /// By branch, oldest first: what keys are compared with.
    pub branches: HashMap<String, VecDeque<Generation>>,
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Entry {
    pub branch: String,
    /// Its redo record: the one place where its rows are, whatever happens.
    pub record: Arc<[u8]>,
    /// The definitions that it was made with.
    pub catalog: Arc<Catalog>,
    pub about: About,
    pub by: Option<TxnId>,
    pub keys: Vec<KeyHash>,
    /// What is durable when it is.
    pub ticket: u64,
    /// The number of its record.
    pub number: u64,
    pub time_us: i64,
    /// The last record that had been acknowledged when it began.
    pub after: u64,
}

/// The time between two commits of a branch.
#[derive(Debug)]
pub(super) struct Generation {
    /// The commit at its beginning, once it is made.
    pub base: Option<Snapshot>,
    /// The least height that a commit of what goes ahead now can have.
    pub height: u64,
    /// Keys that came.
    pub keys: HashSet<KeyHash>,
}

impl State {
    pub(super) fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.leaving.is_empty()
    }

    /// Notes keys that came to a branch, if they have not come since a commit; the height that their commit will have, at least.
    pub(super) fn admit(&mut self, branch: &str, base: Option<CommitId>, keys: &[KeyHash]) -> Admitted {
        let Some(generations) = self.branches.get_mut(branch) else {
            return Admitted::Late;
        };
        let is_base = |generation: &Generation| generation.base.as_ref().is_some_and(|known| known.commit_id() == base);
        let Some(from) = generations.iter().position(is_base) else {
            return Admitted::Late;
        };
        let mut since = generations.iter().skip(from);
        if since.any(|generation| keys.iter().any(|key| generation.keys.contains(key))) {
            return Admitted::Taken;
        }
        let Some(last) = generations.back_mut() else {
            return Admitted::Late;
        };
        last.keys.extend(keys);
        Admitted::At(last.height)
    }

    /// Commits are about to be made of all entries, or of those that are durable: what else there is or comes is not among them.
    pub(super) fn take(&mut self, durable: Option<u64>) -> Vec<Entry> {
        let goes = |entry: &&Entry| durable.is_none_or(|durable| entry.ticket <= durable);
        let count = self.entries.iter().take_while(goes).count();
        // As many will come again.
        let mut left = Vec::with_capacity(self.entries.len());
        left.extend(self.entries.drain(count..));
        let entries = std::mem::replace(&mut self.entries, left);
        self.leaving = entries.iter().flat_map(|entry| entry.keys.iter().copied()).collect();
        for (branch, generations) in &mut self.branches {
            if let Some(height) = generations.back().map(|last| last.height)
                && entries.iter().any(|entry| entry.branch == *branch)
            {
                let left = self.entries.iter().filter(|entry| entry.branch == *branch);
                generations.push_back(Generation {
                    base: None,
                    height: height + 1,
                    keys: left.flat_map(|entry| entry.keys.iter().copied()).collect(),
                });
            }
        }
        entries
    }

    /// Whether something that may not be seen yet may have a key in common with others that come to a branch.
    pub(super) fn meets(&self, branch: &str, keys: &KeyHashes) -> bool {
        let mut entries = self.entries.iter().filter(|entry| entry.branch == branch);
        entries.any(|entry| keys.may_have(&entry.keys)) || keys.may_have(&self.leaving)
    }

    /// No commit could be made of entries that were taken.
    pub(super) fn give_back(&mut self, mut entries: Vec<Entry>) {
        for entry in &entries {
            let generations = self.branches.get_mut(&entry.branch);
            if let Some(last) = generations.and_then(|generations| generations.back_mut()) {
                last.keys.extend(&entry.keys);
            }
        }
        entries.append(&mut self.entries);
        self.entries = entries;
        self.leaving.clear();
    }

    /// A commit was made of what had come to a branch; whether it is what keys are compared with now.
    pub(super) fn begin(&mut self, branch: &str, base: &Snapshot, height: u64) -> bool {
        let Some(generations) = self.branches.get_mut(branch) else {
            return false;
        };
        let begins = generations.back_mut().filter(|last| last.base.is_none());
        let is_begun = begins.is_some();
        if let Some(last) = begins {
            last.base = Some(base.clone());
            last.height = last.height.max(height);
        }
        while generations.len() > GENERATIONS {
            generations.pop_front();
        }
        is_begun
    }
}

/// Whether a transaction may go ahead.
pub(super) enum Admitted {
    /// It does, and its commit will have at least this height.
    At(u64),
    /// One of its keys may have come meanwhile.
    Taken,
    /// Too much has happened since the commit that it looked its keys up in.
    Late,
}

/// How many entries may share a commit with the first one: each began before all that come before it were acknowledged.
pub(super) fn first_run(entries: &[Entry]) -> Option<usize> {
    let first = entries.first()?;
    let mut last = first;
    let alike = entries.iter().take_while(|entry| {
        let joins = entry.branch == first.branch
            && entry.about == first.about
            && (entry.number == first.number || entry.after < last.number)
            && Arc::ptr_eq(&entry.catalog, &first.catalog);
        last = entry;
        joins
    });
    Some(alike.count())
}
