//! What triggers have done since the database was opened: calls, rows, errors and times.
//!
//! After `INSERT INTO orders SELECT … FROM range(10000)` an audit trigger shows 10000 rows, and as many calls as there were batches.
//!
//! Invariants: times are counted in buckets of powers of two, so that a percentile is known up to a factor of two.
//!
//! Does not: outlive the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::catalog::EntityId;

/// Counts of all triggers of a database.
#[derive(Debug, Default)]
pub struct Statistics(Mutex<HashMap<EntityId, Counts>>);

/// Counts of one trigger.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// How often its body was run, for a batch of rows or a statement.
    pub calls: u64,
    /// Rows that it was run for; those that WHEN leaves out are none.
    pub rows: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls by the logarithm of their nanoseconds.
    buckets: [u64; 48],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            calls: 0,
            rows: 0,
            errors: 0,
            buckets: [0; 48],
        }
    }
}

impl Statistics {
    /// A call has ended; none: with an error.
    pub fn called(&self, trigger: EntityId, rows: Option<u64>, time: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(trigger).or_default();
        counts.calls += 1;
        counts.rows += rows.unwrap_or(0);
        counts.errors += u64::from(rows.is_none());
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let bucket = (nanos.ilog2() as usize).min(counts.buckets.len() - 1);
        if let Some(count) = counts.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    /// The counts of a trigger.
    pub fn of(&self, trigger: EntityId) -> Counts {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&trigger).copied().unwrap_or_default()
    }
}

impl Counts {
    /// Microseconds in which so many of a hundred calls are done; `None` before the first.
    pub fn percentile_us(&self, percent: u64) -> Option<u64> {
        let wanted = (self.calls * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some((1u64 << (bucket + 1)).div_ceil(1000));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_ends_of_buckets() {
        let statistics = Statistics::default();
        let trigger = EntityId(7);
        assert_eq!(statistics.of(trigger).percentile_us(50), None);
        for micros in 1..=100 {
            statistics.called(trigger, Some(2), Duration::from_micros(micros));
        }
        statistics.called(trigger, None, Duration::from_millis(900));
        let counts = statistics.of(trigger);
        assert_eq!((counts.calls, counts.rows, counts.errors), (101, 200, 1));
        assert_eq!(counts.percentile_us(50), Some(66));
        assert_eq!(counts.percentile_us(100), Some(1_073_742));
    }
}
