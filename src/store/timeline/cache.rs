//! Bodies read or written lately.
//!
//! The nodes near a tree's root are asked for by every look-up; the first reads and hashes them, the others take them here.
//!
//! A node that another has taken the place of is of use to those few who began before; soon it goes, and its memory with it, so that a
//! thousand commits take no more of the processor's caches than the nodes that they leave.
//!
//! Invariants: what is here was checked against its id, or was hashed here; no more bytes are held than were allowed.
//!
//! Does not: keep bodies of more than an eighth of that.

use std::collections::VecDeque;
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

/// What the cache of objects did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectStats {
    /// Bodies found.
    pub hits: u64,
    /// Bodies that had to be read.
    pub misses: u64,
    /// Bodies dropped for room.
    pub evictions: u64,
    /// Bodies held.
    pub objects: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Bytes that may be held.
    pub limit_bytes: u64,
}

type Bodies = HashMap<(Kind, ObjectId), Arc<[u8]>>;

#[derive(Debug, Default)]
struct Generations {
    young: Bodies,
    young_bytes: usize,
    old: Bodies,
    /// What others have taken the place of.
    replaced: VecDeque<(Kind, ObjectId)>,
    hits: u64,
    misses: u64,
    evictions: u64,
}

/// What an entry takes beside its body.
const OVERHEAD: usize = 80;
/// Bodies kept that others have taken the place of.
const MOST_REPLACED: usize = 256;

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
            let body = Arc::clone(body);
            generations.hits += 1;
            return Some(body);
        }
        let Some(body) = generations.old.remove(&(kind, id)) else {
            generations.misses += 1;
            return None;
        };
        generations.hits += 1;
        generations.insert((kind, id), &body, self.limit_bytes / 2);
        Some(body)
    }

    /// Forgets all bodies; the counters stay.
    pub(super) fn clear(&self) {
        let mut generations = lock(&self.generations);
        generations.young.clear();
        generations.old.clear();
        generations.young_bytes = 0;
    }

    pub(super) fn stats(&self) -> ObjectStats {
        let generations = lock(&self.generations);
        let bytes = |bodies: &Bodies| bodies.values().map(|body| (body.len() + OVERHEAD) as u64).sum::<u64>();
        ObjectStats {
            hits: generations.hits,
            misses: generations.misses,
            evictions: generations.evictions,
            objects: (generations.young.len() + generations.old.len()) as u64,
            bytes: bytes(&generations.young) + bytes(&generations.old),
            limit_bytes: self.limit_bytes as u64,
        }
    }

    pub(super) fn insert(&self, kind: Kind, id: ObjectId, body: &Arc<[u8]>) {
        if body.len() + OVERHEAD <= self.limit_bytes / 8 {
            lock(&self.generations).insert((kind, id), body, self.limit_bytes / 2);
        }
    }
}

impl ObjectCache {
    /// Another object has taken the place of this one.
    pub(super) fn replaced(&self, kind: Kind, id: ObjectId) {
        let mut generations = lock(&self.generations);
        generations.replaced.push_back((kind, id));
        if generations.replaced.len() > MOST_REPLACED
            && let Some(oldest) = generations.replaced.pop_front()
        {
            generations.remove(&oldest);
        }
    }
}

impl Generations {
    fn remove(&mut self, key: &(Kind, ObjectId)) {
        let young = self.young.remove(key);
        if let Some(body) = &young {
            self.young_bytes -= body.len() + OVERHEAD;
        }
        self.evictions += u64::from(young.or_else(|| self.old.remove(key)).is_some());
    }

    fn insert(&mut self, key: (Kind, ObjectId), body: &Arc<[u8]>, half_bytes: usize) {
        let bytes = body.len() + OVERHEAD;
        self.old.remove(&key);
        if self.young_bytes + bytes > half_bytes {
            self.evictions += self.old.len() as u64;
            // The room that the older ones took is there for the next.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.young_bytes = 0;
        }
        if self.young.insert(key, Arc::clone(body)).is_none() {
            self.young_bytes += bytes;
        }
    }
}
