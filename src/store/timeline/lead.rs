//! Who writes what is queued, and who waits.
//!
//! Sixteen threads have queued something. The first to wait becomes the leader, and writes a group; what the others have queued meanwhile is
//! the next one. It wakes one of those that are done, and that one wakes the others. Once it has written redo records, and while it waits
//! for the medium, another may lead.
//!
//! Lazy commits need no sync: whoever wants to read them writes them, while a leader waits for the medium with redo records.
//!
//! Invariants: there is one leader at a time. Nobody hears of a ticket before all up to it are durable. Whoever takes commits out of the
//! queue has the encoder, and so writes them before anybody takes the next ones.
//!
//! Does not: write bytes; see [`super::write`].

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, Thread};

use super::queue::{Queue, Settled, Taken};
use super::{Timeline, lock};
use crate::store::StoreError;
use crate::store::pack::Encoder;

/// Bodies written at a time, by all commits of a group.
const GROUP_BYTES: u64 = 64 << 20;
/// Groups that one thread writes before another one has to.
const ROUNDS: usize = 8;

impl Timeline {
    /// The last ticket that is durable.
    pub(in crate::store) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Returns when the ticket's item is durable, having led if nobody else did.
    pub(in crate::store) fn wait(&self, ticket: u64) -> Result<(), StoreError> {
        if self.durable.load(Ordering::Acquire) >= ticket {
            return Ok(());
        }
        let waited = self.wait_for(ticket);
        // Whoever wrote has woken one of those that waited for it; that one wakes the others.
        let woken = std::mem::take(&mut *lock(&self.woken));
        woken.into_iter().for_each(|thread| thread.unpark());
        waited
    }

    fn wait_for(&self, ticket: u64) -> Result<(), StoreError> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.done >= ticket {
                return Ok(());
            }
            queue.check()?;
            if queue.wants_leader() {
                queue = self.lead(queue);
                continue;
            }
            queue.waiting.push((ticket, thread::current()));
            drop(queue);
            // Woken by the leader, or for no reason; then it waits again.
            thread::park();
            if self.durable.load(Ordering::Acquire) >= ticket {
                return Ok(());
            }
            queue = lock(&self.queue);
        }
    }

    /// Writes what is queued, and what is queued meanwhile, some groups of it: to give way to another thread after each takes as long as
    /// a sync does, and the disk would be idle. So it would be while all that waited for a group are woken.
    fn lead<'q>(&'q self, mut queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        let mut woken = Woken::default();
        for round in 1.. {
            queue.leading = true;
            let leading = Leading(self);
            let records = queue.take_records();
            // Whoever is woken needs the queue.
            drop(queue);
            woken.wake();
            queue = match records {
                Some(records) => self.write_records(records),
                None => {
                    let mut encoder = lock(&self.encoder);
                    let taken = lock(&self.queue).take(GROUP_BYTES);
                    let (written, settled) = self.write_taken(&mut encoder, taken);
                    drop(encoder);
                    let mut queue = self.settles(written, |queue| queue.settle(&settled));
                    queue.leading = false;
                    queue
                }
            };
            drop(leading);
            let goes_on = round < ROUNDS && queue.wants_leader();
            woken = self.woken_by(&mut queue, goes_on);
            if !goes_on {
                break;
            }
        }
        drop(queue);
        woken.wake();
        lock(&self.queue)
    }

    /// Writes redo records as a group, and makes them durable; somebody else may lead meanwhile.
    fn write_records(&self, taken: Taken) -> MutexGuard<'_, Queue> {
        let Taken { items, settled } = taken;
        let ticket = settled.last();
        let written = self.append_records(&items).and_then(|sync| {
            lock(&self.queue).begin_sync(items.len(), settled);
            sync.run()
        });
        self.settles(written, |queue| queue.end_sync(ticket))
    }

    /// Returns when a lazy commit can be read, having written it if nobody else did.
    pub(in crate::store) fn wait_lazy(&self, ticket: u64) -> Result<(), StoreError> {
        while self.lazy_done.load(Ordering::Acquire) < ticket {
            let mut encoder = lock(&self.encoder);
            let (taken, last) = {
                let mut queue = lock(&self.queue);
                if queue.lazy_done >= ticket {
                    break;
                }
                queue.check()?;
                (queue.take_lazy(GROUP_BYTES), queue.tickets)
            };
            if taken.items.is_empty() {
                // Its records are not durable yet, or there is something else before it.
                drop(encoder);
                self.wait(last)?;
                continue;
            }
            let leading = Leading(self);
            let (written, settled) = self.write_taken(&mut encoder, taken);
            drop(leading);
            let mut queue = self.settles(written, |queue| queue.settle(&settled));
            drop(encoder);
            if queue.stopped.is_some() {
                let woken = self.woken_by(&mut queue, false);
                drop(queue);
                woken.wake();
            }
        }
        Ok(())
    }

    fn write_taken(&self, encoder: &mut Encoder, taken: Taken) -> (Result<(), StoreError>, Settled) {
        let Taken { items, settled } = taken;
        let written = self.write_items(encoder, items);
        if written.is_ok() {
            lock(&self.tail).settle(&settled);
        }
        // Whoever only reads has the objects nowhere else.
        if written.is_ok() && self.is_writable() {
            self.in_flight_mut().remove(&settled.objects);
        }
        (written, settled)
    }

    /// Notes what was written, or that nothing may be written any more.
    fn settles(&self, written: Result<(), StoreError>, note: impl FnOnce(&mut Queue)) -> MutexGuard<'_, Queue> {
        let mut queue = lock(&self.queue);
        match written {
            Ok(()) => note(&mut queue),
            Err(error) => drop(queue.stopped.get_or_insert_with(|| Arc::new(error))),
        }
        self.lazy_done.store(queue.lazy_done, Ordering::Release);
        queue
    }

    /// Who is to be woken: the next leader, unless this thread goes on, and one of those whose tickets are durable. It wakes the others.
    /// Nobody learns that a ticket is durable before the list of those is there, so whoever leaves finds it.
    fn woken_by(&self, queue: &mut Queue, goes_on: bool) -> Woken {
        let (leader, mut woken) = queue.take_woken(!goes_on);
        let first = woken.pop();
        lock(&self.woken).append(&mut woken);
        self.durable.store(queue.done, Ordering::Release);
        Woken([leader, first])
    }

    /// Waits for everything queued.
    pub(super) fn drain(&self) -> Result<(), StoreError> {
        let (last, last_lazy) = {
            let queue = lock(&self.queue);
            (queue.tickets, queue.lazy_tickets)
        };
        self.wait(last)?;
        self.wait_lazy(last_lazy)
    }

    /// Nothing may be written any more.
    pub(super) fn stop(&self, error: &StoreError) {
        let mut queue = lock(&self.queue);
        queue.stopped.get_or_insert_with(|| Arc::new(error.clone()));
        let woken = self.woken_by(&mut queue, false);
        drop(queue);
        woken.wake();
    }
}

/// Threads to wake once the queue is given back.
#[derive(Default)]
struct Woken([Option<Thread>; 2]);

impl Woken {
    fn wake(&self) {
        self.0.iter().flatten().for_each(Thread::unpark);
    }
}

/// Wakes those who wait if the leader panics: nothing is known then of what it wrote.
struct Leading<'a>(&'a Timeline);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.queue).leading = false;
            self.0.stop(&StoreError::Interrupted);
        }
    }
}
