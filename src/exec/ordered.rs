//! Hands batches on in the order of the rows that they come from, whoever is done first.
//!
//! While one worker is on morsel 0 of a file, what another one makes of morsel 1 waits; when morsel 0 has ended, it leaves at
//! once. So `SELECT * FROM 'a.csv' LIMIT 5` gives the first five lines.
//!
//! Invariants: a batch leaves when all morsels before its own have ended; nobody runs so far ahead that much would wait.
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
#[derive(Debug, Default)]
pub struct Ordered {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first morsel that has not ended; its batches leave at once.
    first: usize,
    ended: BTreeSet<usize>,
    waiting: BTreeMap<usize, Vec<RecordBatch>>,
}

impl Ordered {
    /// Waits until fewer than `ahead` morsels lie between this one and the first that has not ended.
    pub fn wait(&self, morsel: usize, ahead: usize, stopped: impl Fn() -> bool) {
        let mut state = self.lock();
        while morsel >= state.first + ahead && !stopped() {
            let waited = self.changed.wait_timeout(state, LOOK_UP);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes a batch of a morsel; `send` gets what may leave.
    pub fn give(
        &self,
        morsel: usize,
        batch: RecordBatch,
        send: impl FnOnce(RecordBatch) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let mut state = self.lock();
        if morsel == state.first {
            return send(batch);
        }
        state.waiting.entry(morsel).or_default().push(batch);
        Ok(())
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
        let ordered = Ordered::default();
        let sent = Mutex::new(Vec::new());
        let send = |batch: RecordBatch| {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            sent.lock().unwrap().push(column.value(0));
            Ok(())
        };
        for (morsel, value) in [(1, 10), (0, 0), (2, 20), (0, 1), (1, 11)] {
            ordered.give(morsel, batch(value), send).unwrap();
        }
        assert_eq!(*sent.lock().unwrap(), [0, 1]);
        ordered.end(1, send).unwrap();
        assert_eq!(*sent.lock().unwrap(), [0, 1]);
        ordered.end(0, send).unwrap();
        assert_eq!(*sent.lock().unwrap(), [0, 1, 10, 11, 20]);
        ordered.give(2, batch(21), send).unwrap();
        assert_eq!(sent.lock().unwrap().last(), Some(&21));
    }

    #[test]
    fn who_is_ahead_waits_until_stopped() {
        let ordered = Ordered::default();
        ordered.wait(3, 4, || false);
        let asked = std::cell::Cell::new(0);
        ordered.wait(4, 4, || {
            asked.set(asked.get() + 1);
            asked.get() > 1
        });
        assert_eq!(asked.get(), 2);
    }
}
