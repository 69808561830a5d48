//! Threads that run queries, one each, and wait for the next one.
//!
//! `drivers.run(work)` gives `work` to a thread that has nothing to do, or to a new one, and returns at once. A query that is asked a thousand
//! times by a body so starts no thousand threads, and finds the memory that the one before it has given back.
//!
//! Invariants: whatever is given runs at once; nothing waits for another query. Threads that wait end with the engine.
//!
//! Does not: catch panics; who gives work does.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// So many threads wait at most.
const MOST_WAITING: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// The threads that have nothing to do.
#[derive(Debug, Default)]
pub struct Drivers {
    waiting: Mutex<Vec<Sender<Work>>>,
}

impl Drivers {
    /// Runs something on a thread of its own.
    pub fn run(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut work: Work = Box::new(work);
        loop {
            let Some(driver) = self.waiting().pop() else { break };
            match driver.send(work) {
                Ok(()) => return Ok(()),
                Err(gone) => work = gone.0,
            }
        }
        let drivers = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("gobi-query".into());
        thread.spawn(move || drive(&drivers, work)).map(drop)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Work>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does one piece of work after the other, until nobody is left to give some, or enough threads wait.
fn drive(drivers: &Weak<Drivers>, first: Work) {
    let mut work = first;
    loop {
        work();
        let (sender, receiver) = channel();
        {
            let Some(drivers) = drivers.upgrade() else { return };
            let mut waiting = drivers.waiting();
            if waiting.len() >= MOST_WAITING {
                return;
            }
            waiting.push(sender);
        }
        let Ok(next) = receiver.recv() else { return };
        work = next;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_takes_the_next_work_and_ends_with_the_engine() {
        let drivers = Arc::new(Drivers::default());
        let (sender, receiver) = sync_channel(1);
        let id_to = |sender: SyncSender<_>| -> Work { Box::new(move || sender.send(thread::current().id()).unwrap()) };
        let (first, known) = (id_to(sender.clone()), Arc::downgrade(&drivers));
        let driver = thread::spawn(move || drive(&known, first));
        let mut ids = vec![receiver.recv().unwrap()];
        for _ in 0..2 {
            while drivers.waiting().is_empty() {
                thread::yield_now();
            }
            drivers.run(id_to(sender.clone())).unwrap();
            ids.push(receiver.recv().unwrap());
        }
        assert_eq!(ids, [driver.thread().id(); 3]);
        drop(drivers);
        driver.join().unwrap();
    }

    #[test]
    fn works_run_beside_each_other() {
        let drivers = Arc::new(Drivers::default());
        let barrier = Arc::new(std::sync::Barrier::new(7));
        for _ in 0..6 {
            let barrier = barrier.clone();
            drivers.run(move || _ = barrier.wait()).unwrap();
        }
        barrier.wait();
    }
}
