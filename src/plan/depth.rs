//! How deep plans are.
//!
//! A join of a thousand relations is a thousand operators within one another, and everything that walks through it calls itself as often.
//!
//! Invariants: plans of the usual size ask for nothing.
//!
//! Does not: limit anything.

use super::logical::{Plan, Query};

/// Stack that a walk may take for each level.
const LEVEL_BYTES: usize = 32 << 10;
/// For so many levels there always is enough.
const LEVELS_FOR_FREE: usize = 32;

impl Query {
    /// The stack that it takes to optimise and compile it; 0 where it is not worth asking.
    pub fn stack_bytes(&self) -> usize {
        let subqueries = self.subqueries.iter().map(|query| depth(&query.root));
        match subqueries.fold(depth(&self.root), usize::max) {
            ..=LEVELS_FOR_FREE => 0,
            levels => levels.saturating_mul(LEVEL_BYTES),
        }
    }
}

/// Operators within one another.
fn depth(plan: &Plan) -> usize {
    plan.children().into_iter().map(depth).max().unwrap_or(0) + 1
}
