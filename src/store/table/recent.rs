//! What was decoded lately, for whoever soon wants more of it.
//!
//! A row is looked up by its key in a block of 400; the next look-up finds the block decoded.
//!
//! Invariants: in two generations; what is used moves to the younger one, and when that is full the older one goes.
//!
//! Does not: know whether it is still true; keys are hashes of contents.

use std::hash::Hash;
use std::sync::Mutex;

use hashbrown::HashMap;

use super::core::lock;

/// Values by their keys.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    /// Bytes of a generation.
    limit: usize,
    generations: Mutex<[Generation<K, V>; 2]>,
}

#[derive(Debug)]
struct Generation<K, V> {
    values: HashMap<K, (V, usize)>,
    bytes: usize,
}

impl<K, V> Default for Generation<K, V> {
    fn default() -> Self {
        let values = HashMap::new();
        Self { values, bytes: 0 }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// Nothing yet; a generation takes so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            generations: Mutex::default(),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let [young, old] = &mut *lock(&self.generations);
        if let Some((value, _)) = young.values.get(key) {
            return Some(value.clone());
        }
        let (value, bytes) = old.values.remove(key)?;
        young.insert(key.clone(), value.clone(), bytes);
        Some(value)
    }

    /// Keeps a value, which takes so many bytes.
    pub(super) fn insert(&self, key: K, value: V, bytes: usize) {
        let [young, old] = &mut *lock(&self.generations);
        if young.bytes > self.limit {
            *old = std::mem::take(young);
        }
        young.insert(key, value, bytes);
    }
}

impl<K: Hash + Eq, V> Generation<K, V> {
    fn insert(&mut self, key: K, value: V, bytes: usize) {
        if self.values.insert(key, (value, bytes)).is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let recent = Recent::new(10);
        for number in 0..100 {
            recent.insert(number, number, 4);
            assert_eq!(recent.get(&0), Some(0));
        }
        assert_eq!(recent.get(&99), Some(99));
        assert_eq!(recent.get(&50), None);
        let [young, old] = &*lock(&recent.generations);
        assert!(young.bytes <= 14 && old.bytes <= 14, "{} {}", young.bytes, old.bytes);
    }
}
