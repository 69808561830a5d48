//! Which worker works on which morsel.
//!
//! Of a hundred morsels, two workers take 0, 1, 2 … and 50, 51, 52 …; who is done first takes over half of what the other has left.
//!
//! Workers keep to neighbouring morsels since data are often clustered: then each touches a part of a directly addressed table
//! of its own, instead of both touching all of it.
//!
//! Invariants: every morsel is given once; a worker that never comes is missed by nobody.
//!
//! Does not: know what a morsel is.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Numbers of morsels still to be given, in one share for each worker.
///
/// One lock is held for all shares: a morsel is many thousand rows, so it is asked for rarely, and what is taken over
/// from another share must never be out of everybody's sight.
#[derive(Debug)]
pub struct Schedule {
    shares: Mutex<Vec<Range<usize>>>,
}

impl Schedule {
    /// Cuts the numbers below `morsels` into shares. With one share, the numbers are given in order.
    pub fn new(morsels: usize, shares: usize) -> Self {
        let shares = shares.max(1);
        let bound = |share: usize| (morsels as u128 * share as u128 / shares as u128) as usize;
        Self {
            shares: Mutex::new((0..shares).map(|i| bound(i)..bound(i + 1)).collect()),
        }
    }

    /// The next morsel for a worker.
    pub fn next(&self, worker: usize) -> Option<usize> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let own = worker % shares.len();
        if shares[own].is_empty() {
            let largest = (0..shares.len()).max_by_key(|&share| shares[share].len())?;
            let share = &mut shares[largest];
            let middle = share.start + share.len() / 2;
            let taken = middle..share.end;
            share.end = middle;
            shares[own] = taken;
        }
        shares[own].next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_given_once() {
        for shares in [1, 2, 3, 7] {
            let schedule = Schedule::new(1000, shares);
            let given: Mutex<Vec<usize>> = Mutex::default();
            std::thread::scope(|scope| {
                for worker in 0..5 {
                    let (schedule, given) = (&schedule, &given);
                    scope.spawn(move || {
                        while let Some(number) = schedule.next(worker) {
                            given.lock().unwrap().push(number);
                        }
                    });
                }
            });
            let mut given = given.into_inner().unwrap();
            given.sort_unstable();
            assert_eq!(given, (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_worker_gets_all_and_one_share_is_given_in_order() {
        let schedule = Schedule::new(10, 4);
        assert_eq!(std::iter::from_fn(|| schedule.next(2)).count(), 10);
        let schedule = Schedule::new(5, 1);
        assert_eq!(
            std::iter::from_fn(|| schedule.next(3)).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(Schedule::new(0, 2).next(0), None);
    }
}
