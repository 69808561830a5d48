//! Sorting that can be stopped.
//!
//! Three million numbers are sorted in runs of some ten thousand, which are merged; between runs, and after so many merged items,
//! somebody is asked whether to go on.
//!
//! Invariants: equal items keep their order. After it was stopped all items are there, in no order.
//!
//! Does not: know why it is stopped.

use std::cmp::Ordering;

/// Items of a run whose comparisons are cheap.
pub const LONG_RUN: usize = 1 << 15;
/// Items of a run whose comparisons may be long.
pub const SHORT_RUN: usize = 1 << 12;
/// After so many merged items it is asked again.
const LOOK_ITEMS: usize = 1 << 16;

/// Sorts; false if it was stopped.
pub fn sort_in_runs<T: Clone>(
    items: &mut Vec<T>,
    run: usize,
    compare: impl Fn(&T, &T) -> Ordering + Copy,
    stopped: &dyn Fn() -> bool,
) -> bool {
    for part in items.chunks_mut(run) {
        if stopped() {
            return false;
        }
        part.sort_by(compare);
    }
    let mut merged = Vec::new();
    let mut length = run;
    while length < items.len() {
        merged.reserve(items.len());
        for pair in items.chunks(2 * length) {
            let (left, right) = pair.split_at(length.min(pair.len()));
            if !merge(left, right, &mut merged, (compare, stopped)) {
                return false;
            }
        }
        std::mem::swap(items, &mut merged);
        merged.clear();
        length *= 2;
    }
    true
}

/// Adds the items of two runs in their order; false if it was stopped.
fn merge<T: Clone>(
    mut left: &[T],
    mut right: &[T],
    merged: &mut Vec<T>,
    (compare, stopped): (impl Fn(&T, &T) -> Ordering, &dyn Fn() -> bool),
) -> bool {
    let in_order = |left: &[T], right: &[T]| match (left.last(), right.first()) {
        (Some(last), Some(first)) => compare(last, first) != Ordering::Greater,
        _ => true,
    };
    if !in_order(left, right) {
        let mut next = merged.len() + LOOK_ITEMS;
        while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
            if compare(a, b) == Ordering::Greater {
                merged.push(b.clone());
                right = right_rest;
            } else {
                merged.push(a.clone());
                left = left_rest;
            }
            if merged.len() >= next {
                if stopped() {
                    return false;
                }
                next += LOOK_ITEMS;
            }
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    true
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Numbers in no order, with the places that they had.
    fn mixed(count: u64) -> Vec<(u64, u64)> {
        (0..count).map(|i| (i * 7919 % 1009, i)).collect()
    }

    #[test]
    fn equal_items_keep_their_order() {
        for count in [0, 1, 2, 63, 64, 65, 1_000, 10_007] {
            let mut items = mixed(count);
            let mut wanted = items.clone();
            wanted.sort_by_key(|item| item.0);
            assert!(sort_in_runs(&mut items, 64, |a, b| a.0.cmp(&b.0), &|| false));
            assert_eq!(items, wanted);
            wanted.sort_by_key(|item| std::cmp::Reverse(item.0));
            assert!(sort_in_runs(&mut items, 64, |a, b| b.0.cmp(&a.0), &|| false));
            assert_eq!(items, wanted);
        }
    }

    #[test]
    fn it_asks_often_and_stops_at_once() {
        let count = 1_000_000;
        let asked = Cell::new(0);
        let ask = |most: u64| {
            asked.set(asked.get() + 1);
            asked.get() > most
        };
        assert!(sort_in_runs(&mut mixed(count), LONG_RUN, Ord::cmp, &|| ask(u64::MAX)));
        let all = asked.replace(0);
        // Once for each run, and more often in each of the last merges.
        assert!(all >= count.div_ceil(LONG_RUN as u64) + 40, "{all}");
        for most in [0, 20, all - 1] {
            asked.set(0);
            let mut items = mixed(count);
            assert!(!sort_in_runs(&mut items, LONG_RUN, Ord::cmp, &|| ask(most)));
            assert_eq!((asked.get(), items.len()), (most + 1, count as usize));
        }
    }
}
