//! When a query or a body began, and where the random numbers of its workers start.
//!
//! Two workers of a query have one time, and numbers that have nothing to do with each other's.
//!
//! Invariants: no two starts of a moment are the same, so that UUIDs made from them differ.
//!
//! Does not: go on; what asks for the time again gets the same.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::host::{Clock, Random, RealClock, RealRandom};

/// A time and a seed.
#[derive(Debug)]
pub struct Moment {
    now_micros: i64,
    seed: u128,
    starts: AtomicU64,
}

impl Moment {
    /// Of what begins now.
    pub fn now() -> Self {
        let (high, low) = (RealRandom.next_u64(), RealRandom.next_u64());
        Self {
            now_micros: RealClock::default().now_us(),
            seed: u128::from(high) << 64 | u128::from(low),
            starts: AtomicU64::new(0),
        }
    }

    /// The time, and where the random numbers of one more start.
    pub fn start(&self) -> (i64, u128) {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        (self.now_micros, self.seed.wrapping_add(number.into()))
    }
}
