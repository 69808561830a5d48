//! Compiled kernels, kept by what was compiled.
//!
//! The second run of a query writes the same IR, finds it here, and compiles nothing.
//!
//! Invariants: an entry is used only for a module equal to the one it was made from; the least recently used is dropped
//! first, and its code memory with it.
//!
//! Does not: compile.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gobi_jit::Executable;
use gobi_jit::ir::Module;

use super::run::lock;

/// Modules kept at most.
const CAPACITY: usize = 256;

/// The cache.
#[derive(Debug, Default)]
pub struct KernelCache {
    entries: Mutex<HashMap<u64, Entry>>,
    clock: AtomicU64,
    hasher: RandomState,
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

/// What the cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelStats {
    /// Modules found.
    pub hits: u64,
    /// Modules that had to be compiled.
    pub misses: u64,
    /// Modules dropped for room.
    pub evictions: u64,
    /// Modules held.
    pub modules: u64,
}

#[derive(Debug)]
struct Entry {
    module: Module,
    executable: Arc<Executable>,
    used: u64,
}

impl KernelCache {
    /// Hash of a module in this cache.
    pub fn key(&self, module: &Module) -> u64 {
        self.hasher.hash_one(module)
    }

    /// The code of a module, if it is here.
    pub fn get(&self, key: u64, module: &Module) -> Option<Arc<Executable>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut entries = lock(&self.entries);
        let found = entries.get_mut(&key).filter(|entry| entry.module == *module);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        let entry = found?;
        entry.used = now;
        Some(entry.executable.clone())
    }

    /// Keeps the code of a module.
    pub fn put(&self, key: u64, module: Module, executable: Arc<Executable>) {
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut entries = lock(&self.entries);
        if entries.len() >= CAPACITY
            && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
        {
            entries.remove(&oldest);
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        entries.insert(
            key,
            Entry {
                module,
                executable,
                used,
            },
        );
    }

    /// Counters and sizes now.
    pub fn stats(&self) -> KernelStats {
        KernelStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            modules: lock(&self.entries).len() as u64,
        }
    }

    /// Drops everything; code that runs lives until it has ended.
    pub fn clear(&self) {
        lock(&self.entries).clear();
    }
}
