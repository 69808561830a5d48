//! Objects of a transaction that is not committed, on top of a store.
//!
//! A statement edits the key index, the next one reads it again: its new nodes are here, everything else below.
//!
//! Invariants: reads find what was staged first; only [`Staging::reachable`] says what a commit has to take along.
//!
//! Does not: spill. What is large is put into the store ahead of its commit ([`super::Timeline::put`]).

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::{HashMap, HashSet};

use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects, References, all_references};

/// New objects over those of a store.
pub struct Staging<T> {
    under: T,
    objects: RwLock<HashMap<ObjectId, NewObject>>,
}

impl<T: ReadObjects> Staging<T> {
    /// Nothing staged yet.
    pub fn new(under: T) -> Self {
        let objects = RwLock::default();
        Self { under, objects }
    }

    /// Stages objects.
    pub fn add(&self, objects: impl IntoIterator<Item = NewObject>) {
        let mut staged = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        staged.extend(objects.into_iter().map(|object| (object.id, object)));
    }

    /// The staged objects that some roots lead to; intermediate states are left behind.
    pub fn reachable(
        &self,
        roots: impl IntoIterator<Item = ObjectId>,
        references: &dyn References,
    ) -> Result<Vec<NewObject>, StoreError> {
        let staged = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        let mut open: Vec<ObjectId> = roots.into_iter().collect();
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            if let Some(object) = staged.get(&id).filter(|_| seen.insert(id)) {
                let all = all_references(references, object.kind, &object.body)?;
                open.extend(all.into_iter().map(|(_, id)| id));
                found.push(object.clone());
            }
        }
        for object in &mut found {
            object.packing = durable_base(&staged, object.packing);
        }
        Ok(found)
    }
}

/// A difference from a staged object that may be left behind becomes one from what that was made of.
fn durable_base(staged: &HashMap<ObjectId, NewObject>, mut packing: Packing) -> Packing {
    while let Packing::Delta(base) = packing
        && let Some(object) = staged.get(&base)
    {
        packing = object.packing;
    }
    packing
}

impl<T: ReadObjects> ReadObjects for Staging<T> {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        let staged = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = staged.get(&id).filter(|object| object.kind == kind) {
            return Ok(Arc::clone(&object.body));
        }
        drop(staged);
        self.under.read(kind, id)
    }
}
