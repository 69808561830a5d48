//! Bodies read or written lately.
//!
//! The nodes near a tree's root are asked for by every look-up; the first reads and hashes them, the others take them here.
//!
//! Invariants: what is here was checked against its id, or was hashed here; no more bytes are held than were allowed.
//!
//! Does not: keep bodies of more than an eighth of that.

use std::sync::{Arc, Mutex};

use hashbrown::HashMap;

use super::lock;
use crate::store::object::{Kind, ObjectId};

/// A bounded map in two generations: what is used moves to the younger; when that is half of the limit, the older goes.
#[derive(Debug)]
pub(super) struct ObjectCache {
    limit_bytes: usize,
    generations: Mutex<Generations>,
}

type Bodies = HashMap<(Kind, ObjectId), Arc<[u8]>>;

#[derive(Debug, Default)]
struct Generations {
    young: Bodies,
    young_bytes: usize,
    old: Bodies,
}

/// What an entry takes beside its body.
const OVERHEAD: usize = 80;

impl ObjectCache {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            generations: Mutex::default(),
        }
    }

    pub(super) fn get(&self, kind: Kind, id: ObjectId) -> Option<Arc<[u8]>> {
        let mut generations = lock(&self.generations);
        if let Some(body) = generations.young.get(&(kind, id)) {
            return Some(Arc::clone(body));
        }
        let body = generations.old.remove(&(kind, id))?;
        generations.insert((kind, id), &body, self.limit_bytes / 2);
        Some(body)
    }

    pub(super) fn clear(&self) {
        *lock(&self.generations) = Generations::default();
    }

    pub(super) fn insert(&self, kind: Kind, id: ObjectId, body: &Arc<[u8]>) {
        if body.len() + OVERHEAD <= self.limit_bytes / 8 {
            lock(&self.generations).insert((kind, id), body, self.limit_bytes / 2);
        }
    }
}

impl Generations {
    fn insert(&mut self, key: (Kind, ObjectId), body: &Arc<[u8]>, half_bytes: usize) {
        let bytes = body.len() + OVERHEAD;
        if self.young_bytes + bytes > half_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(key, Arc::clone(body)).is_none() {
            self.young_bytes += bytes;
        }
    }
}
