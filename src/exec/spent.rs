//! Where a body's time goes: to what it asks, and to loops that run long.
//!
//! `for i in range(10_000_000) { x = x + i }` looks every 4,096 rounds whether it is to stop; the time since the look before is that of the
//! loop. `(SELECT …)` has the time until its answer is there.
//!
//! Invariants: what is spent between two events belongs to the later one, so that the sum is the body's time; nothing is
//! measured in the rounds themselves.
//!
//! Does not: know lines; the session does.

use std::collections::BTreeMap;
use std::time::Instant;

/// What happened at a place of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was come to; of loops, as far as they were counted.
    pub calls: u64,
    /// Rows that were given, or taken.
    pub rows: u64,
    /// Time.
    pub nanos: u64,
    /// It ran as machine code.
    pub native: bool,
    /// It was interpreted.
    pub interpreted: bool,
}

impl Count {
    /// Adds another one.
    pub fn add(&mut self, other: Count) {
        self.calls += other.calls;
        self.rows += other.rows;
        self.nanos += other.nanos;
        self.native |= other.native;
        self.interpreted |= other.interpreted;
    }
}

/// Something that time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// A question, by its number.
    Question(usize),
    /// A place in the text.
    Place(u32),
}

/// What a body has spent so far.
#[derive(Debug)]
pub struct Spent {
    counts: BTreeMap<At, Count>,
    since: Instant,
}

impl Default for Spent {
    fn default() -> Self {
        Self {
            counts: BTreeMap::new(),
            since: Instant::now(),
        }
    }
}

impl Spent {
    /// What was done since the last event was for this.
    pub(super) fn on(&mut self, at: At, calls: u64, rows: u64) {
        let now = Instant::now();
        let nanos = u64::try_from(now.duration_since(self.since).as_nanos()).unwrap_or(u64::MAX);
        self.since = now;
        let count = self.counts.entry(at).or_default();
        count.calls += calls;
        count.rows += rows;
        count.nanos += nanos;
    }

    /// Says what ran: machine code, or the interpreter.
    pub(super) fn ran(&mut self, native: bool) {
        for count in self.counts.values_mut() {
            count.native = native;
            count.interpreted = !native;
        }
    }

    /// The counts, and the time behind the last event.
    pub fn end(self) -> (BTreeMap<At, Count>, u64) {
        let rest = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (self.counts, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_counts_where_it_is_said_to() {
        let mut spent = Spent::default();
        spent.on(At::Question(1), 1, 5);
        spent.on(At::Place(7), 4_096, 0);
        spent.on(At::Question(1), 1, 2);
        let (counts, _) = spent.end();
        let of = |at| counts.get(&at).map(|count| (count.calls, count.rows));
        assert_eq!(of(At::Question(1)), Some((2, 7)));
        assert_eq!(of(At::Place(7)), Some((4_096, 0)));
    }
}
