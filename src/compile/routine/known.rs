//! What is known of a routine's variables at the place that is being written.
//!
//! Behind `while child < n` the variable `child` is less than the greatest bigint, so `child + 1` needs no check; behind `a[i]` the
//! position `i` lies in `a`, so `a[i] = 0` needs none either.
//!
//! Invariants: what is known holds on every way to the place; what is assigned is forgotten, and so is, at the head of a loop, whatever
//! the loop assigns.
//!
//! Does not: look at expressions; [`conditions`](super::conditions) does.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::physical::logical::ColumnId;

/// No position in an array is greater.
const MOST: i128 = u32::MAX as i128;

/// Bounds of a whole number.
pub(super) type Range = (i128, i128);

/// What is known of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::compile) struct Known {
    ranges: BTreeMap<ColumnId, Range>,
    /// Variables that hold the same number as another one.
    same: BTreeMap<ColumnId, ColumnId>,
    /// An array, and a position in it.
    inside: BTreeSet<(ColumnId, ColumnId)>,
    /// A number that is not greater than the length of an array.
    at_most_length: BTreeMap<ColumnId, ColumnId>,
    /// How many elements an array has at least.
    at_least: BTreeMap<ColumnId, i128>,
    /// Arrays and structs that their variable has for itself.
    owned: BTreeSet<ColumnId>,
}

impl Known {
    /// The bounds of a number.
    pub(super) fn range(&self, id: ColumnId) -> Option<Range> {
        self.ranges.get(&id).copied()
    }

    /// A number lies in a range.
    pub(super) fn bound(&mut self, id: ColumnId, range: Range) {
        for id in [id, self.first(id)] {
            let own = self.ranges.entry(id).or_insert(range);
            let both = (own.0.max(range.0), own.1.min(range.1));
            // What contradicts itself is never reached.
            if both.0 <= both.1 {
                *own = both;
            }
        }
    }

    /// A variable holds the number of another one.
    pub(super) fn copied(&mut self, id: ColumnId, of: ColumnId) {
        if id != of {
            self.same.insert(id, self.first(of));
        }
    }

    fn first(&self, id: ColumnId) -> ColumnId {
        self.same.get(&id).copied().unwrap_or(id)
    }

    /// Whether a position is one of an array's.
    pub(super) fn is_inside(&self, array: ColumnId, position: ColumnId) -> bool {
        self.inside.contains(&(array, self.first(position)))
    }

    /// A position is one of an array's.
    pub(super) fn found_inside(&mut self, array: ColumnId, position: ColumnId) {
        self.inside.insert((array, self.first(position)));
        self.bound(position, (0, MOST));
    }

    /// The array whose length a number does not exceed.
    pub(super) fn measured(&self, number: ColumnId) -> Option<ColumnId> {
        self.at_most_length.get(&self.first(number)).copied()
    }

    /// A number does not exceed the length of an array.
    pub(super) fn measures(&mut self, number: ColumnId, array: ColumnId) {
        self.at_most_length.insert(self.first(number), array);
    }

    /// An array has so many elements, or more.
    pub(super) fn has_at_least(&mut self, array: ColumnId, count: i128) {
        self.at_least.insert(array, count);
    }

    /// Whether all numbers of a range are positions in an array.
    pub(super) fn is_range_inside(&self, array: ColumnId, range: Range) -> bool {
        range.0 >= 0 && self.at_least.get(&array).is_some_and(|count| range.1 < *count)
    }

    /// Whether a variable has its object for itself.
    pub(super) fn owns(&self, id: ColumnId) -> bool {
        self.owned.contains(&id)
    }

    /// It has.
    pub(super) fn owned(&mut self, id: ColumnId) {
        self.owned.insert(id);
    }

    /// Others may have it.
    pub(in crate::compile) fn shared(&mut self, id: ColumnId) {
        self.owned.remove(&id);
    }

    /// Nothing is known of a variable any more.
    pub(super) fn forget(&mut self, id: ColumnId) {
        self.ranges.remove(&id);
        self.owned.remove(&id);
        self.same.retain(|copy, of| *copy != id && *of != id);
        self.inside.retain(|(array, position)| *array != id && *position != id);
        self.at_most_length
            .retain(|number, array| *number != id && *array != id);
        self.at_least.remove(&id);
    }

    /// What holds here and there.
    pub(in crate::compile) fn meet(&mut self, other: &Known) {
        self.ranges.retain(|id, own| {
            let range = other.ranges.get(id);
            range.is_some_and(|range| {
                *own = (own.0.min(range.0), own.1.max(range.1));
                true
            })
        });
        self.same.retain(|copy, of| other.same.get(copy) == Some(of));
        self.inside.retain(|pair| other.inside.contains(pair));
        self.at_most_length
            .retain(|number, array| other.at_most_length.get(number) == Some(array));
        self.at_least.retain(|array, count| {
            let there = other.at_least.get(array);
            there.is_some_and(|there| {
                *count = (*count).min(*there);
                true
            })
        });
        self.owned.retain(|id| other.owned.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ColumnId = ColumnId(0);
    const I: ColumnId = ColumnId(1);
    const J: ColumnId = ColumnId(2);

    #[test]
    fn a_copy_is_as_good_until_one_of_them_changes() {
        let mut known = Known::default();
        known.bound(I, (0, 9));
        known.found_inside(A, I);
        known.copied(J, I);
        assert_eq!(known.range(I), Some((0, 9)));
        assert!(known.is_inside(A, J));
        known.forget(I);
        assert!(!known.is_inside(A, I) && !known.is_inside(A, J) && known.range(I).is_none());
    }

    #[test]
    fn what_holds_on_both_ways_holds() {
        let (mut one, mut other) = (Known::default(), Known::default());
        one.bound(I, (0, 3));
        one.owned(A);
        other.bound(I, (2, 8));
        other.bound(J, (1, 1));
        one.meet(&other);
        assert_eq!((one.range(I), one.range(J), one.owns(A)), (Some((0, 8)), None, false));
    }
}
