//! The queue in front of the disk: commits of many threads, made durable by one sync.
//!
//! Sixteen threads commit. Each checks and encodes its commit under the queue's lock and waits; the first becomes the
//! leader and writes what is queued, while the others queue up behind; then one of them leads. So a sync serves all that
//! came during the one before it.
//!
//! Invariants: a commit's place in the log is decided when it is queued, on top of all that is queued before it. Queued
//! objects can be read at once, by the next commit on the same branch for one. If a group fails, so does all behind it.
//!
//! Does not: write; see [`super::write`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError, RwLockWriteGuard};
use std::thread::Thread;

use hashbrown::HashMap;

use super::{Place, Timeline, lock};
use crate::store::StoreError;
use crate::store::commit::{Commit, MAX_AUTHOR_BYTES, MAX_MESSAGE_BYTES, MAX_PARENTS};
use crate::store::head::{MAX_NAME_BYTES, RefChange, RefKind, Refs};
use crate::store::object::{CommitId, Kind, NewObject, ObjectId, Packing};
use crate::store::pack::{MAX_GROUP_BYTES, MAX_OBJECT_BYTES};
use crate::store::redo::{Redo, RedoRecord, Unfinished};

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
}

impl Pending<'_> {
    /// Its id, known before it is durable: the parent of the next commit on the branch.
    pub fn id(&self) -> CommitId {
        self.id
    }

    /// What [`Timeline::wait`] waits for.
    pub(in crate::store) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Returns when it is durable.
    pub fn wait(self) -> Result<CommitId, StoreError> {
        self.timeline.wait(self.ticket)?;
        Ok(self.id)
    }
}

/// A redo record that is queued.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct QueuedRedo {
    /// Counts records.
    pub number: u64,
    /// When it was queued.
    pub time_us: i64,
    /// What to wait for.
    pub ticket: u64,
}

/// Something to be written in a group.
#[derive(Debug)]
pub(super) struct Item {
    pub objects: Vec<NewObject>,
    pub commit: Option<(Commit, NewObject)>,
    pub change: Option<RefChange>,
    pub redo: Option<Redo>,
    pub ticket: u64,
    pub bytes: u64,
}

/// What is queued, and the state of things as if it were durable.
#[derive(Debug)]
pub(super) struct Queue {
    pub items: VecDeque<Item>,
    /// Commits queued or being written, by their log index.
    commits: BTreeMap<u64, CommitId>,
    refs: Refs,
    log_size: u64,
    /// The time of the last commit.
    time_us: i64,
    /// The last redo record, and the last that is part of a commit.
    redo: (u64, u64),
    /// Tickets given out; those up to `done` are durable.
    pub tickets: u64,
    pub done: u64,
    pub leading: bool,
    /// Threads that wait, and for which ticket.
    pub waiting: Vec<(u64, Thread)>,
    pub stopped: Option<Arc<StoreError>>,
}

impl Queue {
    pub(super) fn new(refs: Refs, log_size: u64, time_us: i64, redo: &Unfinished) -> Self {
        let first = redo.records().next().map_or(1, |record| record.number);
        let last = redo.records().last().map_or(0, |record| record.number);
        Self {
            redo: (last, first - 1),
            items: VecDeque::new(),
            commits: BTreeMap::new(),
            refs,
            log_size,
            time_us,
            tickets: 0,
            done: 0,
            leading: false,
            waiting: Vec::new(),
            stopped: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.stopped {
            Some(why) => Err(StoreError::Stopped(Arc::clone(why))),
            None => Ok(()),
        }
    }

    /// Only commits of redo records may be queued while there are any.
    fn check_redone(&self, redone: Option<(u64, i64)>) -> Result<(), StoreError> {
        let (last, done) = self.redo;
        match redone {
            None if done < last => Err(StoreError::Unfit(format!(
                "redo record {last} is not part of a commit yet"
            ))),
            Some((number, _)) if number <= done || number > last => {
                Err(StoreError::Unfit(format!("redo record {number} is not to be done now")))
            }
            _ => Ok(()),
        }
    }

    fn push(
        &mut self,
        objects: Vec<NewObject>,
        commit: Option<(Commit, NewObject)>,
        change: Option<RefChange>,
        redo: Option<Redo>,
    ) -> u64 {
        self.tickets += 1;
        let bytes = objects.iter().map(|object| object.body.len() as u64).sum();
        self.items.push_back(Item {
            objects,
            commit,
            change,
            redo,
            ticket: self.tickets,
            bytes,
        });
        self.tickets
    }

    /// Takes what one group can hold.
    pub(super) fn take(&mut self, limit_bytes: u64) -> Vec<Item> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(item) = self
            .items
            .pop_front_if(|item| taken.is_empty() || bytes + item.bytes <= limit_bytes)
        {
            bytes += item.bytes;
            taken.push(item);
        }
        taken
    }

    /// One to lead the next group if nobody does, and those whose tickets are durable; all of them if there will be no next group.
    /// Waking everybody each time costs more than a sync does.
    pub(super) fn take_woken(&mut self) -> (Option<Thread>, Vec<Thread>) {
        let (done, is_stopped) = (self.done, self.stopped.is_some());
        let (mut leader, mut woken) = (None, Vec::new());
        let needs_leader = !self.leading;
        self.waiting.retain(|(ticket, thread)| {
            if *ticket <= done || is_stopped {
                woken.push(thread.clone());
                return false;
            }
            let leads = needs_leader && leader.is_none();
            if leads {
                leader = Some(thread.clone());
            }
            !leads
        });
        (leader, woken)
    }

    /// Notes what is durable now.
    pub(super) fn settle(&mut self, items: &[Summary]) {
        for item in items {
            self.done = self.done.max(item.ticket);
            item.commit.map(|index| self.commits.remove(&index));
        }
    }
}

/// What remains of an item once it is written.
#[derive(Debug)]
pub(super) struct Summary {
    ticket: u64,
    pub objects: Vec<ObjectId>,
    /// Its commit's log index.
    commit: Option<u64>,
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
        let mut queue = match draft.redone {
            Some(_) => self.sound_queue()?,
            None => self.writable_queue()?,
        };
        queue.check_redone(draft.redone)?;
        let key = (RefKind::Branch, draft.branch.clone());
        let found = queue.refs.get(&key).map(|(_, id)| *id);
        if found != draft.parent {
            let (name, expected) = (draft.branch, draft.parent);
            return Err(StoreError::Conflict { name, expected, found });
        }
        let index = queue.log_size;
        if draft.index.is_some_and(|wanted| wanted != index) {
            let name = draft.branch;
            return Err(StoreError::Conflict {
                name,
                expected: None,
                found,
            });
        }
        let jump = match &parent {
            Some(parent) => self.jump_of(&queue.commits, *parent)?,
            None => index,
        };
        let wanted_us = draft.redone.map(|(_, time_us)| time_us);
        let wanted_us = wanted_us.unwrap_or_else(|| self.machine.clock.now_us());
        let time_us = wanted_us.max(queue.time_us.saturating_add(1));
        let redone = draft.redone.map(|(number, _)| number);
        let change = RefChange {
            kind: RefKind::Branch,
            name: std::mem::take(&mut draft.branch),
            target: Some(index),
        };
        let height = parent.map_or(0, |parent| parent.height + 1);
        let commit = draft.place(index, height, jump, time_us);
        let object = NewObject::new(Kind::COMMIT, commit.encode()).packed(Packing::Plain);
        let id = object.id;
        self.stands(id, Place { index, height, jump });
        queue.refs.insert(key, (index, id));
        queue.commits.insert(index, id);
        queue.log_size += 1;
        queue.time_us = time_us;
        queue.redo.1 = redone.unwrap_or(queue.redo.1);
        self.in_flight_mut().add(objects.iter().chain([&object]));
        let ticket = queue.push(objects, Some((commit, object)), Some(change), redone.map(Redo::Done));
        let timeline = self;
        Ok(Pending { timeline, id, ticket })
    }

    /// The commit that is queued for a position of the log.
    pub(super) fn queued_at(&self, index: u64) -> Option<CommitId> {
        lock(&self.queue).commits.get(&index).copied()
    }

    /// The place in the log of the commit that is queued next.
    pub fn queued_size(&self) -> u64 {
        lock(&self.queue).log_size
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
        let mut queue = self.writable_queue()?;
        queue.check_redone(None)?;
        let key = (kind, name.to_string());
        let found = queue.refs.get(&key).map(|(_, id)| *id);
        if found != expected {
            let name = name.to_string();
            return Err(StoreError::Conflict { name, expected, found });
        }
        let index = record.map(|record| record.index);
        match index.zip(target) {
            Some(target) => drop(queue.refs.insert(key, target)),
            None => drop(queue.refs.remove(&key)),
        }
        let change = RefChange {
            kind,
            name: name.to_string(),
            target: index,
        };
        let ticket = queue.push(Vec::new(), None, Some(change), None);
        drop(queue);
        drop(gate);
        self.wait(ticket)
    }

    pub(super) fn in_flight_mut(&self) -> RwLockWriteGuard<'_, InFlight> {
        self.in_flight.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a branch will be once all that is queued is durable: the parent for the next [`Timeline::submit`].
    pub fn queued_tip(&self, branch: &str) -> Option<CommitId> {
        let key = (RefKind::Branch, branch.to_string());
        lock(&self.queue).refs.get(&key).map(|(_, id)| *id)
    }

    /// Queues what is to become part of a commit later: it is durable when [`Timeline::wait`] has returned.
    pub(in crate::store) fn redo(&self, body: Arc<[u8]>) -> Result<QueuedRedo, StoreError> {
        let mut queue = self.writable_queue()?;
        let record = RedoRecord {
            number: queue.redo.0 + 1,
            time_us: self.machine.clock.now_us(),
            body,
        };
        queue.redo.0 = record.number;
        let (number, time_us) = (record.number, record.time_us);
        let ticket = queue.push(Vec::new(), None, None, Some(Redo::Record(record)));
        Ok(QueuedRedo {
            number,
            time_us,
            ticket,
        })
    }

    /// The redo records that were found when the folder was opened, once.
    pub(in crate::store) fn take_found(&self) -> Vec<RedoRecord> {
        std::mem::take(&mut lock(&self.found))
    }

    fn sound_queue(&self) -> Result<MutexGuard<'_, Queue>, StoreError> {
        let queue = lock(&self.queue);
        queue.check()?;
        Ok(queue)
    }

    fn writable_queue(&self) -> Result<MutexGuard<'_, Queue>, StoreError> {
        let queue = self.sound_queue()?;
        if self.is_writable() {
            Ok(queue)
        } else {
            Err(StoreError::ReadOnly)
        }
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

impl Item {
    /// Whether it says nothing but what redo records said before it.
    pub(super) fn is_done_again(&self) -> bool {
        matches!(self.redo, Some(Redo::Done(_)))
    }

    pub(super) fn summary(&self) -> Summary {
        let commit = self.commit.as_ref();
        let objects = self.objects.iter().chain(commit.map(|(_, object)| object));
        Summary {
            ticket: self.ticket,
            objects: objects.map(|object| object.id).collect(),
            commit: commit.map(|(commit, _)| commit.index),
        }
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
