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
        let entry = entries.get_mut(&key).filter(|entry| entry.module == *module)?;
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

    /// Drops everything; code that runs lives until it has ended.
    pub fn clear(&self) {
        lock(&self.entries).clear();
    }
}
