//! A segment tree: what any stretch of values comes to, in logarithmic time.
//!
//! Over `[3, 1, 4, 1, 5]` with `min`, the stretch `2..5` is found from the nodes of `2..4` and `4..5`.
//!
//! Invariants: values are combined in their order, so that the operation need not commute.
//!
//! Does not: change once it is made.

use std::ops::Range;

/// The tree: node `i` stands for nodes `2i` and `2i + 1`, the leaves come last.
pub(super) struct Tree<T, F> {
    nodes: Vec<T>,
    leaves: usize,
    none: T,
    combine: F,
}

impl<T: Copy, F: Fn(T, T) -> T> Tree<T, F> {
    /// Over some values; `none` changes nothing it is combined with.
    pub(super) fn new(values: &[T], none: T, combine: F) -> Self {
        let leaves = values.len().next_power_of_two();
        let mut nodes = vec![none; leaves * 2];
        nodes[leaves..leaves + values.len()].copy_from_slice(values);
        for i in (1..leaves).rev() {
            nodes[i] = combine(nodes[2 * i], nodes[2 * i + 1]);
        }
        Self {
            nodes,
            leaves,
            none,
            combine,
        }
    }

    /// What the values of a stretch come to.
    pub(super) fn of(&self, stretch: Range<usize>) -> T {
        let (mut from, mut to) = (stretch.start + self.leaves, stretch.end + self.leaves);
        let (mut left, mut right) = (self.none, self.none);
        while from < to {
            if from % 2 == 1 {
                left = (self.combine)(left, self.nodes[from]);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                right = (self.combine)(self.nodes[to], right);
            }
            from /= 2;
            to /= 2;
        }
        (self.combine)(left, right)
    }

    /// Puts two results together.
    pub(super) fn both(&self, a: T, b: T) -> T {
        (self.combine)(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_is_combined_in_order() {
        for count in 0..20u32 {
            // Composition of x → a·x + b does not commute.
            let values: Vec<(u32, u32)> = (0..count).map(|i| (i % 3 + 1, i)).collect();
            let compose =
                |f: (u32, u32), g: (u32, u32)| (f.0.wrapping_mul(g.0), f.1.wrapping_mul(g.0).wrapping_add(g.1));
            let tree = Tree::new(&values, (1, 0), compose);
            for from in 0..values.len() {
                for to in from..=values.len() {
                    let expected = values[from..to].iter().fold((1, 0), |f, g| compose(f, *g));
                    assert_eq!(tree.of(from..to), expected, "{from}..{to} of {count}");
                }
            }
        }
    }
}
