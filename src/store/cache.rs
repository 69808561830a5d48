//! The chunk cache: decoded column chunks, bounded in bytes, shared by all queries.
//!
//! The first query over `l_shipdate` reads 53 chunks (53 misses, 12 MB); the second takes them from here (53 hits).
//!
//! Invariants: the bytes held never exceed the limit once a call returns, the counters are exact, and a chunk that
//! several threads ask for at once is decoded by one of them. A file that changed has another identity, and what is
//! immutable goes by its hash, so no chunk can be stale. A chunk of which only some rows were decoded answers only those
//! who ask for no others; whoever needs more decodes the rows of both, so that what is held only grows.
//!
//! Does not: know formats, or write anything back.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::formats::{ChunkKey, FormatError, PartialChunk, Relation, Rows};
use crate::types::ColumnChunk;

/// Locks that independent chunks do not share.
const SHARDS: usize = 16;

/// Decoded chunks, least recently used out first.
#[derive(Debug)]
pub struct ChunkCache {
    limit_bytes: u64,
    shards: [Mutex<Shard>; SHARDS],
    hasher: DefaultHashBuilder,
    /// Counts uses: the age of a chunk is the tick of its last one.
    clock: AtomicU64,
    held_bytes: AtomicU64,
    counters: Counters,
    /// Held while chunks are evicted, so that two threads do not both evict for the same need.
    evicting: Mutex<()>,
}

/// What the cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Chunks found.
    pub hits: u64,
    /// Chunks read.
    pub misses: u64,
    /// Chunks dropped for room.
    pub evictions: u64,
    /// Chunks held.
    pub chunks: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Bytes that may be held.
    pub limit_bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<ChunkKey, Slot>,
    /// Ready chunks by the tick of their last use.
    by_age: BTreeMap<u64, ChunkKey>,
}

#[derive(Debug)]
enum Slot {
    Ready {
        chunk: Arc<ColumnChunk>,
        /// The rows that were decoded, if not all.
        rows: Option<Rows>,
        bytes: u64,
        tick: u64,
    },
    Loading(Arc<Loading>),
}

/// A chunk that some thread is decoding.
#[derive(Debug, Default)]
struct Loading {
    done: Mutex<bool>,
    changed: Condvar,
}

impl ChunkCache {
    /// An empty cache; with a limit of 0 it keeps nothing.
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            shards: Default::default(),
            hasher: DefaultHashBuilder::default(),
            clock: AtomicU64::new(0),
            held_bytes: AtomicU64::new(0),
            counters: Counters::default(),
            evicting: Mutex::new(()),
        }
    }

    /// The chunk, whether it was here already, and the bytes read from the file if it was not. Only the `wanted` rows
    /// of it may be looked at; `None` stands for all.
    pub fn get_or_read(
        &self,
        relation: &dyn Relation,
        unit: usize,
        column: usize,
        wanted: Option<&Rows>,
    ) -> Result<(Arc<ColumnChunk>, bool, u64), FormatError> {
        let key = relation.chunk_key(unit, column);
        let (loading, known) = loop {
            match self.claim(&key, wanted) {
                Claim::Found(chunk) => return Ok((chunk, true, 0)),
                Claim::Wait(other) => other.wait(),
                Claim::Mine(loading, known) => break (loading, known),
            }
        };
        let claimed = Claimed {
            cache: self,
            key,
            loading,
        };
        let PartialChunk {
            chunk,
            rows,
            bytes_read,
        } = match wanted {
            Some(wanted) => {
                relation.read_rows(unit, column, &known.map_or(wanted.clone(), |known| known.or(wanted)))?
            }
            None => PartialChunk::whole(relation.read(unit, column)?),
        };
        Ok((claimed.publish(Arc::new(chunk), rows), false, bytes_read))
    }

    /// Forgets all chunks; the counters stay.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            while let Some((_, key)) = shard.by_age.pop_first() {
                self.drop_slot(&mut shard, &key);
            }
        }
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Evicts the oldest chunks until no more than so many bytes are held: somebody needs the memory.
    pub fn shrink_to(&self, bytes: u64) {
        let _evicting = lock(&self.evicting);
        self.evict(self.held_bytes(), bytes.min(self.limit_bytes));
    }

    /// Counters and sizes now.
    pub fn stats(&self) -> CacheStats {
        let chunks = self.shards.iter().map(|shard| lock(shard).by_age.len() as u64).sum();
        CacheStats {
            hits: self.counters.hits.load(Ordering::Relaxed),
            misses: self.counters.misses.load(Ordering::Relaxed),
            evictions: self.counters.evictions.load(Ordering::Relaxed),
            chunks,
            bytes: self.held_bytes.load(Ordering::Relaxed),
            limit_bytes: self.limit_bytes,
        }
    }

    fn shard(&self, key: &ChunkKey) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        // The map inside uses the low bits; the shard takes the high ones.
        let index = usize::try_from(hash >> 60).unwrap_or(0) % SHARDS;
        lock(&self.shards[index])
    }

    fn claim(&self, key: &ChunkKey, wanted: Option<&Rows>) -> Claim {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let known = match shard.slots.get_mut(key) {
            Some(Slot::Ready { chunk, rows, tick, .. }) if suffices(rows.as_ref(), wanted) => {
                if let Some(key) = shard.by_age.remove(tick) {
                    shard.by_age.insert(now, key);
                }
                *tick = now;
                self.counters.hits.fetch_add(1, Ordering::Relaxed);
                return Claim::Found(Arc::clone(chunk));
            }
            Some(Slot::Loading(other)) => return Claim::Wait(Arc::clone(other)),
            Some(Slot::Ready { rows, tick, .. }) => {
                let rows = rows.take();
                shard.by_age.remove(tick);
                rows
            }
            None => None,
        };
        // Who asks for fewer rows meanwhile waits, and is answered by what is read now.
        self.drop_slot(shard, key);
        let loading = Arc::new(Loading::default());
        shard.slots.insert(key.clone(), Slot::Loading(Arc::clone(&loading)));
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
        Claim::Mine(loading, known)
    }

    fn insert(&self, key: &ChunkKey, chunk: &Arc<ColumnChunk>, rows: Option<Rows>) {
        let bytes = chunk.size_bytes() as u64;
        if bytes > self.limit_bytes {
            return;
        }
        let tick = self.clock.fetch_add(1, Ordering::Relaxed);
        let ready = Slot::Ready {
            chunk: Arc::clone(chunk),
            rows,
            bytes,
            tick,
        };
        let evicting = lock(&self.evicting);
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.evict(held, self.limit_bytes);
        let mut shard = self.shard(key);
        shard.slots.insert(key.clone(), ready);
        shard.by_age.insert(tick, key.clone());
        drop(evicting);
    }

    /// Evicts the oldest chunks until no more than `most` bytes are held.
    fn evict(&self, mut held: u64, most: u64) {
        while held > most {
            let oldest = |shard: &Mutex<Shard>| lock(shard).by_age.first_key_value().map(|(tick, _)| *tick);
            let ages = self.shards.iter().filter_map(|shard| Some((oldest(shard)?, shard)));
            let Some((_, shard)) = ages.min_by_key(|(tick, _)| *tick) else {
                return;
            };
            let mut shard = lock(shard);
            if let Some((_, key)) = shard.by_age.pop_first() {
                self.drop_slot(&mut shard, &key);
                self.counters.evictions.fetch_add(1, Ordering::Relaxed);
            }
            held = self.held_bytes.load(Ordering::Relaxed);
        }
    }

    fn drop_slot(&self, shard: &mut Shard, key: &ChunkKey) {
        if let Some(Slot::Ready { bytes, .. }) = shard.slots.remove(key) {
            self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

enum Claim {
    Found(Arc<ColumnChunk>),
    Wait(Arc<Loading>),
    /// To be read, with the rows that were here before.
    Mine(Arc<Loading>, Option<Rows>),
}

/// A chunk with these rows (`None` for all) answers who wants those.
fn suffices(rows: Option<&Rows>, wanted: Option<&Rows>) -> bool {
    match (rows, wanted) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(rows), Some(wanted)) => rows.contains(wanted),
    }
}

impl Loading {
    fn wait(&self) {
        let mut done = lock(&self.done);
        while !*done {
            done = self.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The duty to decode a chunk; whoever waits is woken even if decoding fails or panics.
struct Claimed<'a> {
    cache: &'a ChunkCache,
    key: ChunkKey,
    loading: Arc<Loading>,
}

impl Claimed<'_> {
    fn publish(self, chunk: Arc<ColumnChunk>, rows: Option<Rows>) -> Arc<ColumnChunk> {
        self.cache.insert(&self.key, &chunk, rows);
        chunk
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut shard = self.cache.shard(&self.key);
        if matches!(shard.slots.get(&self.key), Some(Slot::Loading(_))) {
            shard.slots.remove(&self.key);
        }
        drop(shard);
        *lock(&self.loading.done) = true;
        self.loading.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
