//! The control flow of one function: which blocks are reachable, in which order, and which dominate which.
//!
//! ```text
//! b0 → b1 → b2 → b1      order: b0 b1 b2 b3
//!       ↘ b3              b1 dominates b2 and b3; b2 dominates only itself
//! ```
//!
//! Dominators after Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm"; queries are O(1) through the
//! interval numbering of the tree.
//!
//! Invariants: the entry comes first; works in loops, never in recursion, so big functions are no danger to the stack.
//!
//! Does not: look at instructions. Targets must exist; the verifier checks them before it asks.

use crate::ir::{Block, Function};

/// Reachability, order and dominance.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Reachable blocks in reverse postorder.
    pub order: Vec<Block>,
    /// Per block, the interval of its subtree in the dominator tree; `None` if it is unreachable.
    intervals: Vec<Option<(u32, u32)>>,
}

impl Flow {
    /// Analyses the function.
    pub(crate) fn of(function: &Function) -> Flow {
        let targets: Vec<Vec<Block>> = function
            .blocks
            .iter()
            .map(|block| {
                let mut targets = Vec::new();
                block.term.for_each_target(|to| targets.push(to));
                targets
            })
            .collect();
        let order = reverse_postorder(&targets);
        let parents = dominators(&order, &targets);
        let intervals = intervals(targets.len(), &order, &parents);
        Flow { order, intervals }
    }

    /// Whether control can come to the block.
    pub(crate) fn is_reachable(&self, block: Block) -> bool {
        self.intervals[block.idx()].is_some()
    }

    /// Whether every way to `b` passes `a`; both must be reachable, else false.
    pub(crate) fn dominates(&self, a: Block, b: Block) -> bool {
        match (self.intervals[a.idx()], self.intervals[b.idx()]) {
            (Some((start, end)), Some((at, _))) => start <= at && at < end,
            _ => false,
        }
    }
}

fn reverse_postorder(targets: &[Vec<Block>]) -> Vec<Block> {
    let mut order = Vec::with_capacity(targets.len());
    let mut seen = vec![false; targets.len()];
    let mut stack = vec![(Block(0), 0)];
    seen[0] = true;
    while let Some((block, next)) = stack.last_mut() {
        match targets[block.idx()].get(*next) {
            Some(to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[to.idx()], true) {
                    stack.push((*to, 0));
                }
            }
            None => {
                order.push(*block);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}

const UNKNOWN: u32 = u32::MAX;

/// Immediate dominators as positions in `order`; the entry is its own.
fn dominators(order: &[Block], targets: &[Vec<Block>]) -> Vec<u32> {
    let mut position = vec![UNKNOWN; targets.len()];
    for (i, block) in order.iter().enumerate() {
        position[block.idx()] = i as u32;
    }
    let mut sources = vec![Vec::new(); order.len()];
    for (i, block) in order.iter().enumerate() {
        for to in &targets[block.idx()] {
            sources[position[to.idx()] as usize].push(i as u32);
        }
    }
    let mut parents = vec![UNKNOWN; order.len()];
    parents[0] = 0;
    let mut changed = true;
    while changed {
        changed = false;
        for at in 1..order.len() {
            let known = sources[at]
                .iter()
                .copied()
                .filter(|from| parents[*from as usize] != UNKNOWN);
            let parent = known.reduce(|a, b| common(&parents, a, b)).unwrap_or(UNKNOWN);
            changed |= std::mem::replace(&mut parents[at], parent) != parent;
        }
    }
    parents
}

fn common(parents: &[u32], mut a: u32, mut b: u32) -> u32 {
    while a != b {
        if a > b {
            a = parents[a as usize];
        } else {
            b = parents[b as usize];
        }
    }
    a
}

/// Numbers the dominator tree so that a subtree is an interval.
fn intervals(blocks: usize, order: &[Block], parents: &[u32]) -> Vec<Option<(u32, u32)>> {
    // A parent precedes its children in reverse postorder, so sizes add up backwards and starts spread forwards.
    let mut sizes = vec![1_u32; order.len()];
    for at in (1..order.len()).rev() {
        sizes[parents[at] as usize] += sizes[at];
    }
    let mut starts = vec![0_u32; order.len()];
    let mut next: Vec<u32> = vec![1; order.len()];
    for at in 1..order.len() {
        let parent = parents[at] as usize;
        starts[at] = starts[parent] + next[parent];
        next[parent] += sizes[at];
    }
    let mut intervals = vec![None; blocks];
    for (at, block) in order.iter().enumerate() {
        intervals[block.idx()] = Some((starts[at], starts[at] + sizes[at]));
    }
    intervals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FunctionBuilder, ir::Type};

    #[test]
    fn loops_and_unreachable_blocks() {
        let mut b = FunctionBuilder::new("f", &[Type::I8], &[]);
        let blocks: Vec<Block> = (0..4).map(|_| b.block()).collect();
        b.jump(blocks[0]);
        b.switch_to(blocks[0]);
        b.branch(b.param(0), blocks[1], blocks[2]);
        b.switch_to(blocks[1]);
        b.jump(blocks[0]);
        b.switch_to(blocks[2]);
        b.ret(&[]);
        b.switch_to(blocks[3]);
        b.jump(blocks[2]);
        let flow = Flow::of(&b.finish());
        assert_eq!(flow.order.len(), 4);
        assert!(flow.dominates(blocks[0], blocks[1]) && flow.dominates(blocks[0], blocks[2]));
        assert!(!flow.dominates(blocks[1], blocks[2]) && flow.dominates(blocks[1], blocks[1]));
        assert!(!flow.is_reachable(blocks[3]));
    }
}
