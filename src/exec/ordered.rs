//! Hands batches on in the order of the rows that they come from, whoever is done first.
//!
//! While one worker is on morsel 0 of a file, what another one makes of morsel 1 waits; when morsel 0 has ended, it leaves at
//! once. So `SELECT * FROM 'a.csv' LIMIT 5` gives the first five lines.
//!
//! Invariants: a batch leaves when all morsels before its own have ended; nobody runs so far ahead that much would wait. Whoever
//! works on the first morsel never waits for others, so that it always ends.
//!
//! Does not: order rows inside a morsel (its worker does), or give out morsels (they are given in order).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;

use super::ExecError;

/// How long a worker that is ahead waits before it looks whether the query was stopped.
const LOOK_UP: Duration = Duration::from_millis(5);

/// Batches that wait for earlier ones.
#[derive(Debug)]
pub struct Ordered {
    state: Mutex<State>,
    changed: Condvar,
    /// So many bytes wait at most, and a batch more.
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The first morsel that has not ended; its batches leave at once.
    first: usize,
    ended: BTreeSet<usize>,
    waiting: BTreeMap<usize, Vec<RecordBatch>>,
    waiting_bytes: usize,
}

impl Ordered {
    /// Nothing waits; later, at most about so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            most_bytes,
        }
    }

    /// Waits until fewer than `ahead` morsels lie between this one and the first that has not ended.
    pub fn wait(&self, morsel: usize, ahead: usize, stopped: impl Fn() -> bool) {
        let mut state = self.lock();
        while morsel >= state.first + ahead && !stopped() {
            state = self.look_up(state);
        }
    }

    /// Takes a batch of a morsel; `send` gets what may leave. A batch for which there is no room waits here, unless the query was
    /// stopped.
    pub fn give(
        &self,
        morsel: usize,
        batch: RecordBatch,
        stopped: impl Fn() -> bool,
        send: impl FnOnce(RecordBatch) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let mut state = self.lock();
        while morsel != state.first && state.waiting_bytes > self.most_bytes && !stopped() {
            state = self.look_up(state);
        }
        if morsel == state.first {
            return send(batch);
        }
        state.waiting_bytes += batch.get_array_memory_size();
        state.waiting.entry(morsel).or_default().push(batch);
        Ok(())
    }

    fn look_up<'s>(&'s self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let waited = self.changed.wait_timeout(state, LOOK_UP);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A morsel has given all its batches.
    pub fn end(
        &self,
        morsel: usize,
        mut send: impl FnMut(RecordBatch) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let mut state = self.lock();
        state.ended.insert(morsel);
        loop {
            let first = state.first;
            if !state.ended.remove(&first) {
                break;
            }
            state.first += 1;
            let next = state.first;
            for batch in state.waiting.remove(&next).unwrap_or_default() {
                state.waiting_bytes -= batch.get_array_memory_size();
                send(batch)?;
            }
        }
        self.changed.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).unwrap()
    }

    #[test]
    fn batches_leave_in_the_order_of_their_morsels() {
        let ordered = Ordered::new(usize::MAX);
        let sent = Mutex::new(Vec::new());
        let send = |batch: RecordBatch| {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            sent.lock().unwrap().push(column.value(0));
            Ok(())
        };
        for (morsel, value) in [(1, 10), (0, 0), (2, 20), (0, 1), (1, 11)] {
            ordered.give(morsel, batch(value), || false, send).unwrap();
        }
        assert_eq!(*sent.lock().unwrap(), [0, 1]);
        ordered.end(1, send).unwrap();
        assert_eq!(*sent.lock().unwrap(), [0, 1]);
        ordered.end(0, send).unwrap();
        assert_eq!(*sent.lock().unwrap(), [0, 1, 10, 11, 20]);
        ordered.give(2, batch(21), || false, send).unwrap();
        assert_eq!(sent.lock().unwrap().last(), Some(&21));
    }

    #[test]
    fn who_is_ahead_waits_until_stopped() {
        let ordered = Ordered::new(0);
        ordered.wait(3, 4, || false);
        let asked = std::cell::Cell::new(0);
        ordered.wait(4, 4, || {
            asked.set(asked.get() + 1);
            asked.get() > 1
        });
        assert_eq!(asked.get(), 2);
    }

    #[test]
    fn who_is_not_first_waits_for_room() {
        let ordered = Ordered::new(1);
        let sent = Mutex::new(Vec::new());
        let send = |batch: RecordBatch| {
            sent.lock().unwrap().push(batch.num_rows());
            Ok(())
        };
        // There is room for one, and for all of whoever is first.
        ordered.give(1, batch(10), || false, send).unwrap();
        ordered.give(0, batch(0), || panic!("the first waits"), send).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| ordered.give(1, batch(11), || false, send));
            ordered.end(0, send).unwrap();
            waiting.join().unwrap().unwrap();
        });
        assert_eq!(sent.lock().unwrap().len(), 3);
        ordered.give(2, batch(20), || false, send).unwrap();
        let asked = std::cell::Cell::new(0);
        let stopped = || {
            asked.set(asked.get() + 1);
            asked.get() > 1
        };
        ordered.give(2, batch(21), stopped, send).unwrap();
        assert_eq!(asked.get(), 2);
    }
}
