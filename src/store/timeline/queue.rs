//! The queue in front of the disk: what many threads have to write, made durable by one sync.
//!
//! Sixteen threads commit. Each queues a record and waits; the first becomes the leader and writes what is queued, while the others queue
//! up behind. So a sync serves all that came during the one before it. While the medium makes one group of records durable, the next
//! may be written already, once it is half as large.
//!
//! Commits of what redo records said are durable as soon as those are, and commits of a compaction change nothing that anybody can see.
//! They are lazy: they have tickets of their own, and are written, without a sync, by whoever wants to read them, beside the leader, as
//! long as that has nothing but records to write.
//!
//! Invariants: items are written in the order in which they are queued, but for lazy commits: each comes after the one queued before
//! it, after its redo records, and before whatever other commit is queued after it. If a group fails, so does all behind it: groups
//! are durable in their order, whichever sync ends first.
//!
//! Does not: write; see [`super::write`].

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};
use std::thread::Thread;

use super::{Timeline, lock};
use crate::store::StoreError;
use crate::store::commit::Commit;
use crate::store::head::RefChange;
use crate::store::object::{NewObject, ObjectId};
use crate::store::redo::{Redo, RedoRecord, Unfinished};

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
    pub commit: Option<Box<(Commit, NewObject)>>,
    pub change: Option<RefChange>,
    pub redo: Option<Redo>,
    /// It is a commit that needs no sync.
    pub is_lazy: bool,
}

/// What is queued, and for what it waits.
#[derive(Debug)]
pub(super) struct Queue {
    /// In their order.
    items: VecDeque<(u64, Item)>,
    /// How many of them are more than redo records.
    commits: usize,
    /// Lazy commits, behind all commits that are among those.
    lazy: VecDeque<(u64, Item)>,
    /// The last redo record; the last that is part of a commit; and the last that is durable.
    redo: (u64, u64),
    durable_redo: u64,
    /// Tickets given out; those up to `done` are durable.
    pub tickets: u64,
    pub done: u64,
    /// The same for lazy commits; those up to `lazy_done` can be read.
    pub lazy_tickets: u64,
    pub lazy_done: u64,
    /// Somebody takes items and writes them.
    pub leading: bool,
    /// Groups of records that are written, and not durable yet.
    syncing: VecDeque<Syncing>,
    /// Threads that wait, and for which ticket.
    pub waiting: Vec<(u64, Thread)>,
    pub stopped: Option<Arc<StoreError>>,
}

/// A group of records whose sync is under way.
#[derive(Debug)]
struct Syncing {
    records: usize,
    settled: Settled,
    is_done: bool,
}

/// Syncs under way at a time. On ext4 with a virtual disk a write and a sync take 92 µs one after the other, and 72 if the next write is made
/// during a sync; four and eight clients commit 8 and 13 % faster. With three at a time groups are smaller, and it is no faster.
const SYNCS: usize = 2;

/// Items that are being written, and what is to be said when they are.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub items: Vec<Item>,
    pub settled: Settled,
}

/// What remains of items once they are written.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The last ticket among them, or 0; and the last of a lazy commit.
    ticket: u64,
    lazy: u64,
    /// The last redo record.
    record: u64,
    pub objects: Vec<ObjectId>,
    /// Log indexes.
    pub commits: Vec<u64>,
}

impl Queue {
    pub(super) fn new(redo: &Unfinished) -> Self {
        let first = redo.records().next().map_or(1, |record| record.number);
        let last = redo.records().last().map_or(0, |record| record.number);
        Self {
            items: VecDeque::new(),
            commits: 0,
            lazy: VecDeque::new(),
            redo: (last, first - 1),
            durable_redo: last,
            tickets: 0,
            done: 0,
            lazy_tickets: 0,
            lazy_done: 0,
            leading: false,
            syncing: VecDeque::new(),
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

    /// Queues something; what to wait for. Only lazy commits may be queued while there are redo records that are part of none.
    pub(super) fn push(&mut self, item: Item) -> Result<u64, StoreError> {
        let (last, done) = self.redo;
        match item.redo {
            None if done < last && !item.is_lazy => {
                let what = format!("redo record {last} is not part of a commit yet");
                return Err(StoreError::Unfit(what));
            }
            Some(Redo::Done(number)) if number <= done || number > last => {
                let what = format!("redo record {number} is not to be done now");
                return Err(StoreError::Unfit(what));
            }
            Some(Redo::Done(number)) => self.redo.1 = number,
            _ => {}
        }
        if item.is_lazy {
            self.lazy_tickets += 1;
            self.lazy.push_back((self.lazy_tickets, item));
            return Ok(self.lazy_tickets);
        }
        if item.redo.is_none() {
            // Those that were made before come before it.
            self.items.append(&mut self.lazy);
            self.commits += 1;
        }
        self.tickets += 1;
        self.items.push_back((self.tickets, item));
        Ok(self.tickets)
    }

    /// Whether somebody should lead now. A group that is small next to what is being made durable is better left to grow.
    pub(super) fn wants_leader(&self) -> bool {
        let is_due = match self.syncing.back() {
            None => !self.items.is_empty(),
            Some(last) => self.commits == 0 && self.syncing.len() < SYNCS && 2 * self.items.len() >= last.records,
        };
        is_due && !self.leading && self.stopped.is_none()
    }

    /// Takes the redo records, if there is nothing else.
    pub(super) fn take_records(&mut self) -> Option<Taken> {
        (self.commits == 0).then(|| Taken::of(self.items.drain(..)))
    }

    /// A group of records was written, and its sync begins: another may lead.
    pub(super) fn begin_sync(&mut self, records: usize, settled: Settled) {
        self.leading = false;
        self.syncing.push_back(Syncing {
            records,
            settled,
            is_done: false,
        });
    }

    /// The sync of a group of records is done: it is durable as soon as all before it are.
    pub(super) fn end_sync(&mut self, ticket: u64) {
        let ended = self.syncing.iter_mut().find(|syncing| syncing.settled.ticket == ticket);
        ended.into_iter().for_each(|syncing| syncing.is_done = true);
        while let Some(syncing) = self.syncing.pop_front_if(|first| first.is_done) {
            self.settle(&syncing.settled);
        }
    }

    /// Takes what one group can hold.
    pub(super) fn take(&mut self, limit_bytes: u64) -> Taken {
        let taken = Taken::within(&mut self.items, limit_bytes);
        let more = taken.items.iter().filter(|item| item.redo.is_none() && !item.is_lazy);
        self.commits -= more.count();
        taken
    }

    /// Takes lazy commits, as many as one group can hold, as far as their redo records are durable and no other commit comes before them.
    pub(super) fn take_lazy(&mut self, limit_bytes: u64) -> Taken {
        let durable = self.durable_redo;
        let waits = |item: &Item| matches!(item.redo, Some(Redo::Done(number)) if number > durable);
        let ready = match self.commits {
            0 => self.lazy.iter().take_while(|(_, item)| !waits(item)).count(),
            _ => 0,
        };
        let waiting = self.lazy.split_off(ready);
        let taken = Taken::within(&mut self.lazy, limit_bytes);
        self.lazy.extend(waiting);
        taken
    }

    /// One to lead the next group if somebody has to, and those whose tickets are durable; all of them if there will be no next group.
    /// Waking everybody each time costs more than a sync does.
    pub(super) fn take_woken(&mut self, may_lead: bool) -> (Option<Thread>, Vec<Thread>) {
        let (done, is_stopped) = (self.done, self.stopped.is_some());
        let (mut leader, mut woken) = (None, Vec::new());
        let needs_leader = may_lead && self.wants_leader();
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
    pub(super) fn settle(&mut self, settled: &Settled) {
        self.done = self.done.max(settled.ticket);
        self.lazy_done = self.lazy_done.max(settled.lazy);
        self.durable_redo = self.durable_redo.max(settled.record);
    }
}

impl Taken {
    fn of(items: impl Iterator<Item = (u64, Item)>) -> Self {
        let mut taken = Self::default();
        items.for_each(|(ticket, item)| taken.add(ticket, item));
        taken
    }

    /// Takes the first of some items whose objects are not longer than a limit in all; one in any case.
    fn within(items: &mut VecDeque<(u64, Item)>, limit_bytes: u64) -> Self {
        let mut taken = Self::default();
        let mut bytes = 0;
        while let Some((ticket, item)) = items.pop_front_if(|(_, item)| {
            bytes += item.bytes();
            taken.items.is_empty() || bytes <= limit_bytes
        }) {
            taken.add(ticket, item);
        }
        taken
    }

    fn add(&mut self, ticket: u64, item: Item) {
        let settled = &mut self.settled;
        match &item.redo {
            _ if item.is_lazy => settled.lazy = ticket,
            Some(Redo::Record(record)) => (settled.ticket, settled.record) = (ticket, record.number),
            _ => settled.ticket = ticket,
        }
        settled.objects.extend(item.new_objects().map(|object| object.id));
        settled.commits.extend(item.commit.iter().map(|commit| commit.0.index));
        self.items.push(item);
    }
}

impl Settled {
    /// The last ticket that is durable with it.
    pub(super) fn last(&self) -> u64 {
        self.ticket
    }
}

impl Item {
    /// What it adds to the store.
    pub(super) fn new_objects(&self) -> impl Iterator<Item = &NewObject> {
        let commit = self.commit.iter().map(|commit| &commit.1);
        self.objects.iter().chain(commit)
    }

    fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.body.len() as u64).sum()
    }
}

impl Timeline {
    /// The queue, if something may still be written; `anew` if it is not there already.
    pub(super) fn sound_queue(&self, anew: bool) -> Result<MutexGuard<'_, Queue>, StoreError> {
        let queue = lock(&self.queue);
        queue.check()?;
        if anew && !self.is_writable() {
            return Err(StoreError::ReadOnly);
        }
        Ok(queue)
    }

    /// Queues what is to become part of a commit later: it is durable when [`Timeline::wait`] has returned.
    pub(in crate::store) fn redo(&self, body: Arc<[u8]>) -> Result<QueuedRedo, StoreError> {
        let mut queue = self.sound_queue(true)?;
        let (number, time_us) = (queue.redo.0 + 1, self.machine.clock.now_us());
        let record = RedoRecord { number, time_us, body };
        queue.redo.0 = number;
        let ticket = queue.push(Item {
            objects: Vec::new(),
            commit: None,
            change: None,
            redo: Some(Redo::Record(record)),
            is_lazy: false,
        })?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue) -> u64 {
        queue.redo.0 += 1;
        let (number, time_us) = (queue.redo.0, 0);
        let body = Arc::from(&b"a row"[..]);
        let item = Item {
            objects: Vec::new(),
            commit: None,
            change: None,
            redo: Some(Redo::Record(RedoRecord { number, time_us, body })),
            is_lazy: false,
        };
        queue.push(item).unwrap()
    }

    /// Writes what is queued; its last ticket.
    fn begin(queue: &mut Queue) -> u64 {
        let taken = queue.take_records().unwrap();
        let last = taken.settled.last();
        queue.begin_sync(taken.items.len(), taken.settled);
        last
    }

    #[test]
    fn groups_are_durable_in_their_order() {
        let mut queue = Queue::new(&Unfinished::default());
        assert!(!queue.wants_leader());
        for _ in 0..4 {
            push(&mut queue);
        }
        assert!(queue.wants_leader());
        let first = begin(&mut queue);
        assert_eq!(first, 4);
        // A group that is small next to the one before it may grow.
        push(&mut queue);
        assert!(!queue.wants_leader());
        push(&mut queue);
        assert!(queue.wants_leader());
        let second = begin(&mut queue);
        push(&mut queue);
        push(&mut queue);
        assert!(!queue.wants_leader(), "two syncs are under way");
        queue.end_sync(second);
        assert_eq!((queue.done, queue.durable_redo), (0, 0), "the first may still fail");
        queue.end_sync(first);
        assert_eq!((queue.done, queue.durable_redo), (6, 6));
        assert!(queue.wants_leader());
    }
}
