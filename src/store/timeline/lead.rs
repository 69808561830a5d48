//! Who writes what is queued, and who waits.
//!
//! Sixteen threads have queued something. The first to wait becomes the leader, and writes a group; what the others have queued meanwhile is
//! the next one. It wakes one of those that are done, and that one wakes the others.
//!
//! Invariants: there is one leader at a time. Nobody hears of a ticket before all up to it are durable.
//!
//! Does not: write bytes; see [`super::write`].

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::thread;

use super::queue::{Item, Queue};
use super::{Timeline, lock};
use crate::store::StoreError;

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
            if !queue.leading {
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
        queue.leading = true;
        for round in 1.. {
            let items = queue.take(GROUP_BYTES);
            drop(queue);
            let settled: Vec<_> = items.iter().map(Item::summary).collect();
            let leading = Leading(self);
            let written = self.write_items(items);
            drop(leading);
            // Whoever only reads has the objects nowhere else.
            if written.is_ok() && self.is_writable() {
                let mut in_flight = self.in_flight_mut();
                settled.iter().for_each(|item| in_flight.remove(&item.objects));
            }
            queue = lock(&self.queue);
            match written {
                Ok(()) => queue.settle(&settled),
                Err(error) => queue.stopped = Some(Arc::new(error)),
            }
            // Commits of what is durable are left to whoever made them.
            let is_awaited = queue.items.iter().any(|item| !item.is_done_again());
            let goes_on = round < ROUNDS && queue.stopped.is_none() && is_awaited;
            queue.leading = goes_on;
            self.wakes(&mut queue);
            if !goes_on {
                break;
            }
        }
        queue
    }

    /// Wakes the next leader, and one of those whose tickets are durable: it wakes the others. Nobody learns that a ticket is durable before
    /// the list of those is there, so whoever leaves finds it.
    fn wakes(&self, queue: &mut Queue) {
        let (leader, mut woken) = queue.take_woken();
        let first = woken.pop();
        lock(&self.woken).append(&mut woken);
        self.durable.store(queue.done, Ordering::Release);
        leader.into_iter().chain(first).for_each(|thread| thread.unpark());
    }

    /// Waits for everything queued.
    pub(super) fn drain(&self) -> Result<(), StoreError> {
        let last = lock(&self.queue).tickets;
        self.wait(last)
    }

    /// Nothing may be written any more.
    pub(super) fn stop(&self, error: &StoreError) {
        let mut queue = lock(&self.queue);
        queue.stopped.get_or_insert_with(|| Arc::new(error.clone()));
        self.wakes(&mut queue);
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
