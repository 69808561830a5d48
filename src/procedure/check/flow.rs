//! Which variables have a value where.
//!
//! Behind `if c { let x = 1 } else { let x = 2 }` `x` has a value; without the ELSE it may have none.
//!
//! Invariants: behind a RETURN, BREAK, CONTINUE or THROW nothing is reached, and every variable counts as assigned.
//!
//! Does not: know types.

use std::collections::HashSet;

use crate::plan::logical::ColumnId;

/// The variables that have a value at a place.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    known: HashSet<ColumnId>,
    reachable: bool,
}

impl Default for Assigned {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            reachable: true,
        }
    }
}

impl Assigned {
    pub(super) fn assign(&mut self, id: ColumnId) {
        self.known.insert(id);
    }

    pub(super) fn forget(&mut self, id: ColumnId) {
        self.known.remove(&id);
    }

    pub(super) fn has(&self, id: ColumnId) -> bool {
        !self.reachable || self.known.contains(&id)
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// Nothing that follows is reached.
    pub(super) fn end(&mut self) {
        self.reachable = false;
    }

    /// Where this way and another one meet.
    pub(super) fn meet(&mut self, other: &Assigned) {
        match (self.reachable, other.reachable) {
            (_, false) => {}
            (false, true) => *self = other.clone(),
            (true, true) => self.known.retain(|id| other.known.contains(id)),
        }
    }
}
