//! Commits and names, checked and given their places on top of all that is queued.
//!
//! A thread submits a commit on branch `main`, whose tip is the commit that another thread has submitted a moment ago and that is not
//! written yet. It gets the next place of the log and its id at once; then it waits for the disk.
//!
//! Invariants: a commit's place in the log is decided when it is queued, on top of all that is queued before it. Queued objects can be
//! read at once, by the next commit on the same branch for one. The tail is locked before the queue.
//!
//! Does not: write, or decide who does; see [`super::lead`].

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLockWriteGuard};

use hashbrown::HashMap;

use super::queue::{Item, Settled};
use super::{Place, Timeline, lock};
use crate::store::StoreError;
use crate::store::commit::{Commit, MAX_AUTHOR_BYTES, MAX_MESSAGE_BYTES, MAX_PARENTS};
use crate::store::head::{MAX_NAME_BYTES, RefChange, RefKind, Refs};
use crate::store::object::{CommitId, Kind, NewObject, ObjectId, Packing};
use crate::store::pack::{MAX_GROUP_BYTES, MAX_OBJECT_BYTES};
use crate::store::redo::Redo;

/// A commit to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The branch that it moves.
    pub branch: String,
    /// Where the branch must be now: the commit's first parent. `None` begins a branch without a past.
    pub parent: Option<CommitId>,
    /// Further parents, for a merge.
    pub merged: Vec<CommitId>,
    /// The place in the log that it was made for, if it depends on it.
    pub index: Option<u64>,
    /// The root of the snapshot tree.
    pub root: ObjectId,
    /// The hash that stands for all definitions.
    pub schema: ObjectId,
    /// Who.
    pub author: String,
    /// Why.
    pub message: String,
    /// What sort of commit, as the layers above have it.
    pub flavor: u8,
    /// Whatever else belongs into the record.
    pub extra: Vec<u8>,
    /// If it takes in what is durable already: redo records up to a number, of which the last was queued at this time.
    pub redone: Option<(u64, i64)>,
    /// It says nothing that was not known before it, so that a crash may lose it, and it may come before what redo records say.
    pub is_lazy: bool,
    /// What the root leads to and the store lacks; those it has are left out.
    pub objects: Vec<NewObject>,
}

impl Draft {
    /// A commit without objects or words.
    pub fn new(branch: &str, parent: Option<CommitId>, root: ObjectId) -> Self {
        Self {
            branch: branch.to_string(),
            parent,
            merged: Vec::new(),
            index: None,
            root,
            schema: ObjectId([0; 32]),
            author: String::new(),
            message: String::new(),
            flavor: 0,
            extra: Vec::new(),
            redone: None,
            is_lazy: false,
            objects: Vec::new(),
        }
    }
}

impl Draft {
    /// The commit, given its place.
    fn place(self, index: u64, height: u64, jump: u64, time_us: i64) -> Commit {
        Commit {
            index,
            parents: self.parent.into_iter().chain(self.merged).collect(),
            height,
            jump,
            flavor: self.flavor,
            root: self.root,
            schema: self.schema,
            author: self.author,
            message: self.message,
            time_us,
            extra: self.extra,
        }
    }
}

/// A commit that is queued. It is written by whoever waits next, on this commit or a later one.
#[derive(Debug)]
#[must_use = "a commit is durable only once it was waited for"]
pub struct Pending<'a> {
    timeline: &'a Timeline,
    id: CommitId,
    ticket: u64,
    is_lazy: bool,
}

impl Pending<'_> {
    /// Its id, known before it is durable: the parent of the next commit on the branch.
    pub fn id(&self) -> CommitId {
        self.id
    }

    /// What [`Timeline::wait`] waits for; or [`Timeline::wait_lazy`], if it is a lazy one.
    pub(in crate::store) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Returns when it is durable.
    pub fn wait(self) -> Result<CommitId, StoreError> {
        match self.is_lazy {
            true => self.timeline.wait_lazy(self.ticket)?,
            false => self.timeline.wait(self.ticket)?,
        }
        Ok(self.id)
    }
}

/// The log and the names as if all that is queued were durable.
#[derive(Debug)]
pub(super) struct Tail {
    /// Commits queued or being written, by their log index.
    commits: BTreeMap<u64, CommitId>,
    refs: Refs,
    log_size: u64,
    /// The time of the last commit.
    time_us: i64,
}

impl Tail {
    pub(super) fn new(refs: Refs, log_size: u64, time_us: i64) -> Self {
        Self {
            commits: BTreeMap::new(),
            refs,
            log_size,
            time_us,
        }
    }

    /// Commits that are written are found in the log.
    pub(super) fn settle(&mut self, settled: &Settled) {
        for index in &settled.commits {
            self.commits.remove(index);
        }
    }
}

/// Objects queued or being written, and by how many items.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    objects: HashMap<ObjectId, (NewObject, usize)>,
}

impl InFlight {
    pub(super) fn get(&self, kind: Kind, id: ObjectId) -> Option<Arc<[u8]>> {
        let (object, _) = self.objects.get(&id)?;
        (object.kind == kind).then(|| Arc::clone(&object.body))
    }

    fn add<'a>(&mut self, objects: impl Iterator<Item = &'a NewObject>) {
        for object in objects {
            self.objects.entry(object.id).or_insert_with(|| (object.clone(), 0)).1 += 1;
        }
    }

    pub(super) fn remove(&mut self, ids: &[ObjectId]) {
        for id in ids {
            if let Some((_, count)) = self.objects.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    self.objects.remove(id);
                }
            }
        }
    }
}

impl Timeline {
    /// Makes a commit and returns when it is durable.
    pub fn commit(&self, draft: Draft) -> Result<CommitId, StoreError> {
        self.submit(draft)?.wait()
    }

    /// Queues a commit. It has its place and id at once, and the branch is there for the next [`Timeline::submit`]; nobody
    /// may be told that it happened before [`Pending::wait`] returned.
    pub fn submit(&self, mut draft: Draft) -> Result<Pending<'_>, StoreError> {
        check_sizes(&draft)?;
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let objects = self.lacking(std::mem::take(&mut draft.objects))?;
        let parent = draft.parent.map(|id| self.place(id)).transpose()?;
        let mut tail = lock(&self.tail);
        let key = (RefKind::Branch, draft.branch.clone());
        let found = tail.refs.get(&key).map(|(_, id)| *id);
        if found != draft.parent {
            lock(&self.queue).check()?;
            let (name, expected) = (draft.branch, draft.parent);
            return Err(StoreError::Conflict { name, expected, found });
        }
        let index = tail.log_size;
        if draft.index.is_some_and(|wanted| wanted != index) {
            let name = draft.branch;
            return Err(StoreError::Conflict {
                name,
                expected: None,
                found,
            });
        }
        let jump = match &parent {
            Some(parent) => self.jump_of(&tail.commits, *parent)?,
            None => index,
        };
        let redone = draft.redone;
        let is_lazy = draft.is_lazy || redone.is_some();
        let wanted_us = redone.map_or_else(|| self.machine.clock.now_us(), |(_, time_us)| time_us);
        let time_us = wanted_us.max(tail.time_us.saturating_add(1));
        let change = RefChange {
            kind: RefKind::Branch,
            name: std::mem::take(&mut draft.branch),
            target: Some(index),
        };
        let height = parent.map_or(0, |parent| parent.height + 1);
        let commit = draft.place(index, height, jump, time_us);
        let object = NewObject::new(Kind::COMMIT, commit.encode()).packed(Packing::Plain);
        let id = object.id;
        let item = Item {
            redo: redone.map(|(number, _)| Redo::Done(number)),
            commit: Some(Box::new((commit, object))),
            change: Some(change),
            objects,
            is_lazy,
        };
        // Before the next commit looks for them.
        self.stands(id, Place { index, height, jump });
        self.in_flight_mut().add(item.new_objects());
        let ticket = self.queue(item, redone.is_none())?;
        tail.refs.insert(key, (index, id));
        tail.commits.insert(index, id);
        tail.log_size += 1;
        tail.time_us = time_us;
        Ok(Pending {
            timeline: self,
            id,
            ticket,
            is_lazy,
        })
    }

    /// Queues a commit whose objects can be read already.
    fn queue(&self, item: Item, anew: bool) -> Result<u64, StoreError> {
        let objects: Vec<_> = item.new_objects().map(|object| object.id).collect();
        let queued = self.sound_queue(anew).and_then(|mut queue| queue.push(item));
        queued.inspect_err(|_| self.in_flight_mut().remove(&objects))
    }

    /// The commit that is queued for a position of the log.
    pub(super) fn queued_at(&self, index: u64) -> Option<CommitId> {
        lock(&self.tail).commits.get(&index).copied()
    }

    /// The place in the log of the commit that is queued next.
    pub fn queued_size(&self) -> u64 {
        lock(&self.tail).log_size
    }

    /// The objects that the store does not have. A node that takes the place of another one is new as a rule, and not looked
    /// for, since that would cost more than to have it twice now and then.
    fn lacking(&self, objects: Vec<NewObject>) -> Result<Vec<NewObject>, StoreError> {
        let mut lacking = Vec::with_capacity(objects.len());
        for object in objects {
            if matches!(object.packing, Packing::Delta(_)) || !self.contains(object.kind, object.id)? {
                lacking.push(object);
            }
        }
        Ok(lacking)
    }

    /// Makes, moves or removes a branch or tag that is at `expected` now; durable when it returns.
    pub fn set_ref(
        &self,
        kind: RefKind,
        name: &str,
        expected: Option<CommitId>,
        target: Option<CommitId>,
    ) -> Result<(), StoreError> {
        check_len("a name", name.len(), MAX_NAME_BYTES)?;
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let record = target.map(|id| self.commit_record(id)).transpose()?;
        target.map_or(Ok(()), |id| self.check_kept(id))?;
        let index = record.map(|record| record.index);
        let key = (kind, name.to_string());
        let mut tail = lock(&self.tail);
        let mut queue = self.sound_queue(true)?;
        let found = tail.refs.get(&key).map(|(_, id)| *id);
        if found != expected {
            let name = name.to_string();
            return Err(StoreError::Conflict { name, expected, found });
        }
        let ticket = queue.push(Item {
            objects: Vec::new(),
            commit: None,
            change: Some(RefChange {
                kind,
                name: name.to_string(),
                target: index,
            }),
            redo: None,
            is_lazy: false,
        })?;
        match index.zip(target) {
            Some(target) => drop(tail.refs.insert(key, target)),
            None => drop(tail.refs.remove(&key)),
        }
        drop((queue, tail, gate));
        self.wait(ticket)
    }

    pub(super) fn in_flight_mut(&self) -> RwLockWriteGuard<'_, InFlight> {
        self.in_flight.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a branch will be once all that is queued is durable: the parent for the next [`Timeline::submit`].
    pub fn queued_tip(&self, branch: &str) -> Option<CommitId> {
        let key = (RefKind::Branch, branch.to_string());
        lock(&self.tail).refs.get(&key).map(|(_, id)| *id)
    }

    /// Where the jump of a commit on top of this one goes.
    fn jump_of(&self, queued: &BTreeMap<u64, CommitId>, parent: Place) -> Result<u64, StoreError> {
        let at = |index: u64| -> Result<Place, StoreError> {
            let id = queued
                .get(&index)
                .copied()
                .map_or_else(|| self.view().levels.leaf(index), Ok)?;
            self.place(id)
        };
        let near = at(parent.jump)?;
        let far = at(near.jump)?;
        let even = parent.height - near.height == near.height - far.height;
        Ok(if even { near.jump } else { parent.index })
    }
}

fn check_sizes(draft: &Draft) -> Result<(), StoreError> {
    check_len("a branch's name", draft.branch.len(), MAX_NAME_BYTES)?;
    check_len("an author", draft.author.len(), MAX_AUTHOR_BYTES)?;
    check_len("a message", draft.message.len(), MAX_MESSAGE_BYTES)?;
    check_len("a commit's extra", draft.extra.len(), MAX_MESSAGE_BYTES)?;
    check_len("the list of parents", draft.merged.len() + 1, MAX_PARENTS)?;
    let limit = usize::try_from(MAX_OBJECT_BYTES).unwrap_or(usize::MAX);
    for object in &draft.objects {
        check_len("an object", object.body.len(), limit)?;
    }
    let total = draft.objects.iter().map(|object| object.body.len()).sum();
    check_len(
        "a commit's objects",
        total,
        usize::try_from(MAX_GROUP_BYTES / 2).unwrap_or(usize::MAX),
    )
}

pub(super) fn check_len(what: &'static str, found: usize, limit: usize) -> Result<(), StoreError> {
    if found <= limit {
        return Ok(());
    }
    let (found, limit) = (found as u64, limit as u64);
    Err(StoreError::TooLarge { what, found, limit })
}
