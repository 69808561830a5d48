//! Which rows of a unit: what a filter leaves, what a scan asks for, what a chunk holds.
//!
//! A unit of 100,000 rows in pages of 20,000, whose third page alone may match, has the candidates `[40000..60000]`.
//!
//! Invariants: ranges are not empty, ascend, and neither overlap nor touch, so equal sets are equal lists.
//!
//! Does not: know columns or pages.

use std::ops::Range;
use std::sync::Arc;

/// A set of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(Arc<[Range<usize>]>);

impl Rows {
    /// The first `rows` rows.
    pub fn all(rows: usize) -> Self {
        Self::range(0..rows)
    }

    /// The rows of a range.
    pub fn range(range: Range<usize>) -> Self {
        Self::of(std::iter::once(range))
    }

    /// The union of ranges that come in the order of their starts.
    pub fn of(ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self(joined.into())
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// No row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Some row of the range is in the set.
    pub fn touches(&self, range: &Range<usize>) -> bool {
        let first = self.0.partition_point(|own| own.end <= range.start);
        !range.is_empty() && self.0.get(first).is_some_and(|own| own.start < range.end)
    }

    /// Every row of the other set is in this one.
    pub fn contains(&self, other: &Rows) -> bool {
        let within = |range: &Range<usize>| {
            let first = self.0.partition_point(|own| own.end <= range.start);
            self.0
                .get(first)
                .is_some_and(|own| own.start <= range.start && range.end <= own.end)
        };
        Arc::ptr_eq(&self.0, &other.0) || other.0.iter().all(within)
    }

    /// The rows of both.
    #[must_use]
    pub fn and(&self, other: &Rows) -> Rows {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            common.push(a.start.max(b.start)..a.end.min(b.end));
            if a.end < b.end {
                mine.next();
            } else {
                theirs.next();
            }
        }
        Self::of(common)
    }

    /// The rows of either.
    #[must_use]
    pub fn or(&self, other: &Rows) -> Rows {
        let mut ranges = [self.ranges(), other.ranges()].concat();
        ranges.sort_by_key(|range| range.start);
        Self::of(ranges)
    }

    /// The `count` first rows.
    #[must_use]
    pub fn first(&self, count: usize) -> Rows {
        self.split(count).0
    }

    /// All but the `count` first rows.
    #[must_use]
    pub fn without_first(&self, count: usize) -> Rows {
        self.split(count).1
    }

    fn split(&self, count: usize) -> (Rows, Rows) {
        let mut left = count;
        let mut parts = (Vec::new(), Vec::new());
        for range in self.0.iter() {
            let middle = range.start + left.min(range.len());
            left -= middle - range.start;
            parts.0.push(range.start..middle);
            parts.1.push(middle..range.end);
        }
        (Self::of(parts.0), Self::of(parts.1))
    }

    /// The rows before `end`.
    #[must_use]
    pub fn before(&self, end: usize) -> Rows {
        Self::of(self.0.iter().map(|range| range.start..range.end.min(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(rows: &Rows) -> Vec<usize> {
        rows.ranges().iter().cloned().flatten().collect()
    }

    #[test]
    fn sets_are_those_of_single_rows() {
        // Every set of six rows against every other.
        let sets: Vec<Rows> = (0..64usize)
            .map(|bits| Rows::of((0..6).filter(move |row| bits >> row & 1 == 1).map(|row| row..row + 1)))
            .collect();
        for (a_bits, a) in sets.iter().enumerate() {
            assert_eq!((a.count(), a.is_empty()), (a_bits.count_ones() as usize, a_bits == 0));
            for (b_bits, b) in sets.iter().enumerate() {
                assert_eq!(members(&a.and(b)), members(&sets[a_bits & b_bits]));
                assert_eq!(a.or(b), sets[a_bits | b_bits]);
                assert_eq!(a.contains(b), a_bits & b_bits == b_bits);
            }
            for start in 0..6 {
                for end in start..7 {
                    let expect = members(a).iter().any(|row| (start..end).contains(row));
                    assert_eq!(a.touches(&(start..end)), expect, "{a:?} {start}..{end}");
                }
                assert_eq!(a.before(start), sets[a_bits & ((1 << start) - 1)]);
                let (first, rest) = (a.first(start), a.without_first(start));
                assert_eq!([members(&first), members(&rest)].concat(), members(a));
                assert_eq!(first.count(), start.min(a.count()));
            }
        }
        assert_eq!(Rows::all(6), sets[63]);
    }
}
