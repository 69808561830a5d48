//! What a text names in the database: what it would break without, and what it writes.
//!
//! `{ insert into daily select net(total) from orders }` names `daily`, which it writes, `orders` and the function `net`; not what `net` names.
//!
//! Invariants: whatever a text needs is named, or needed by something that is.
//!
//! Does not: bind; those that do say what they have named.

use std::collections::{BTreeSet, HashSet};

use crate::catalog::{Catalog, EntityId};

/// What a text names.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// What it reads, calls, or is made of.
    pub names: Vec<EntityId>,
    /// Tables and views whose rows it changes.
    pub writes: Vec<EntityId>,
}

impl Naming {
    /// Takes what another text names, which is a part of this one.
    pub fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.writes.extend(other.writes);
    }

    /// In order, each of them once, without `of` itself, and without what only others of them need; `words` are those of the text, in
    /// lower case.
    pub fn settle(&mut self, catalog: &Catalog, of: impl Fn(EntityId) -> bool, words: &HashSet<String>) {
        for all in [&mut self.names, &mut self.writes] {
            all.retain(|id| !of(*id));
            all.sort_unstable();
            all.dedup();
        }
        direct(catalog, &mut self.names, words);
        let names = &self.names;
        self.writes
            .retain(|id| is_written(catalog, *id, words) || !leads_to(catalog, names.iter().copied(), *id));
    }
}

/// Leaves those that a text names itself: what stands in it, and what nothing else of them leads to.
pub fn direct(catalog: &Catalog, names: &mut Vec<EntityId>, words: &HashSet<String>) {
    let mut at = 0;
    while let Some(id) = names.get(at).copied() {
        let others = names.iter().copied().filter(|other| *other != id);
        if !is_written(catalog, id, words) && leads_to(catalog, others, id) {
            names.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Whether a name stands in a text.
fn is_written(catalog: &Catalog, id: EntityId, words: &HashSet<String>) -> bool {
    let name = catalog.get(id).map(|entry| entry.entity.name().to_lowercase());
    name.is_some_and(|name| name.split('.').all(|part| words.contains(part)))
}

/// Whether some entities need another one, at any distance.
fn leads_to(catalog: &Catalog, from: impl Iterator<Item = EntityId>, wanted: EntityId) -> bool {
    let mut next: Vec<EntityId> = from.collect();
    let mut known: BTreeSet<EntityId> = next.iter().copied().collect();
    while let Some(id) = next.pop() {
        let needs = catalog.get(id).map(|entry| entry.entity.needs()).unwrap_or_default();
        for needed in needs {
            if needed == wanted {
                return true;
            }
            if known.insert(needed) {
                next.push(needed);
            }
        }
    }
    false
}
