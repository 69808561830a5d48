//! The timeline: commits made durable, found again, and proved.
//!
//! ```text
//! let timeline = Timeline::create(machine, folder, Options::default())?;
//! let edited = tree::edit(&timeline, tree_root, edits)?;
//! let draft = Draft { objects: edited.nodes, ..Draft::new("main", parent, edited.root) };
//! let id = timeline.commit(draft)?;                    // durable, together with whoever commits at the same time
//! let then = timeline.as_of(id, time_us)?;             // the commit of an earlier time
//! let proof = timeline.prove_inclusion(id)?;           // for who knows the log's root only
//! ```
//!
//! Invariants: what [`Timeline::commit`] returned is found again after any crash; of commits that had not returned, whole
//! groups are found, in order, or nothing. An object is handed out only if it has the hash that it is asked for by. One
//! process writes; any number read. After a failed write nothing more is written until the folder is opened anew.
//!
//! Does not: know tables. Roots are trees whose values only the layers above understand; they say what a value refers to
//! through [`super::object::References`].

mod cache;
mod files;
mod follow;
mod gc;
mod history;
mod lead;
mod open;
mod queue;
mod submit;
mod verify;
mod write;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::Thread;

use hashbrown::HashMap;

use super::StoreError;
use super::head::Refs;
use super::log::{Frontier, Levels};
use super::object::{CommitId, Kind, ObjectId, ReadObjects};
use super::pack::{Encoder, PackFile};
use super::redo::RedoRecord;
use crate::host::{Clock, Disk, Lock, Random};

pub use super::head::RefKind;
pub use cache::ObjectStats;
pub use gc::{Collected, Layer, Retention};
pub use history::FirstParents;
pub use open::has_commits;
pub use submit::{Draft, Pending};
pub use verify::{Report, verify_folder};

use cache::ObjectCache;
use queue::Queue;
use submit::{InFlight, Tail};
use write::Writer;

/// The machine that a timeline lives on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// What commits are dated by.
    pub clock: Arc<dyn Clock>,
    /// What packs are salted with.
    pub random: Arc<dyn Random>,
}

/// For what a folder is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading and writing; one process at a time.
    Write,
    /// Reading what was committed before.
    Read,
}

/// Sizes that do not change what is stored.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A pack so long is closed, and the next one begun.
    pub pack_bytes: u64,
    /// So much is written between checkpoints; opening after a crash reads no more than that.
    pub checkpoint_bytes: u64,
    /// So much of a pack may be without an index when a timeline is closed.
    pub unindexed_bytes: u64,
    /// Space in packs is prepared ahead in steps of at least this, and of at most 4 MB.
    pub step_bytes: u64,
    /// Bodies kept in memory.
    pub cache_bytes: usize,
    /// Whether a few rows are durable before they are part of a commit: where a sync costs little.
    pub goes_ahead: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pack_bytes: 64 << 20,
            checkpoint_bytes: 4 << 20,
            unindexed_bytes: 1 << 20,
            step_bytes: 128 << 10,
            cache_bytes: 16 << 20,
            goes_ahead: true,
        }
    }
}

/// A folder with a database, open.
#[derive(Debug)]
pub struct Timeline {
    machine: Machine,
    folder: PathBuf,
    options: Options,
    view: RwLock<View>,
    /// Locked before the queue.
    tail: Mutex<Tail>,
    queue: Mutex<Queue>,
    in_flight: RwLock<InFlight>,
    /// Threads that are to be woken by whoever is.
    woken: Mutex<Vec<Thread>>,
    /// The last ticket that is durable.
    durable: AtomicU64,
    writer: Mutex<Option<Writer>>,
    /// Held by whoever writes commits, or objects for them.
    encoder: Mutex<Encoder>,
    /// The ticket of the last lazy commit that can be read.
    lazy_done: AtomicU64,
    cache: ObjectCache,
    /// Where commits stand that were asked for lately.
    places: Mutex<HashMap<CommitId, Place>>,
    /// Held by whoever relies on an object being in the store until that is queued; a collection holds all others off.
    gate: RwLock<()>,
    writable: bool,
    /// Records that were found when it was opened, until somebody makes commits of them.
    found: Mutex<Vec<RedoRecord>>,
    /// Held until the timeline is closed.
    lock: Mutex<Option<Box<dyn Lock>>>,
    /// Keeps another process from removing what is read here.
    _shared: Option<Box<dyn Lock>>,
}

/// Where a commit stands in history: see [`Commit`](super::commit::Commit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its position in the log.
    pub index: u64,
    /// First parents before it.
    pub height: u64,
    /// The log index of one of them.
    pub jump: u64,
}

/// Places kept.
const MAX_PLACES: usize = 1 << 12;

/// What is durable, and known to be.
#[derive(Clone, Debug)]
struct View {
    /// Oldest first; the last is the open one.
    packs: Vec<Arc<PackFile>>,
    levels: Levels,
    frontier: Frontier,
    refs: Refs,
    time_us: i64,
    /// Snapshots before this time may have been given up.
    horizon_us: i64,
}

impl View {
    fn append(&mut self, id: CommitId, time_us: i64) -> Result<(), StoreError> {
        self.levels.append(id)?;
        self.frontier.append(id);
        self.time_us = time_us;
        Ok(())
    }
}

impl Timeline {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was found among the objects kept in memory, and what was not.
    pub fn cache_stats(&self) -> ObjectStats {
        self.cache.stats()
    }

    /// Forgets the objects kept in memory.
    pub fn clear_cache(&self) {
        self.cache.clear();
    }

    /// Whether an object is in the store.
    pub fn contains(&self, kind: Kind, id: ObjectId) -> Result<bool, StoreError> {
        Ok(self.find(kind, id)?.is_some())
    }

    fn find(&self, kind: Kind, id: ObjectId) -> Result<Option<Arc<[u8]>>, StoreError> {
        if let Some(body) = self.cache.get(kind, id) {
            return Ok(Some(body));
        }
        let in_flight = self
            .in_flight
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kind, id);
        if in_flight.is_some() {
            return Ok(in_flight);
        }
        let packs = self.view().packs.clone();
        for pack in packs.iter().rev() {
            if let Some(body) = pack.read(kind, id)? {
                let body: Arc<[u8]> = body.bytes.into();
                self.cache.insert(kind, id, &body);
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    /// Does something while nothing is being collected.
    pub(in crate::store) fn between_collections<T>(&self, work: impl FnOnce() -> T) -> T {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadObjects for Timeline {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        self.find(kind, id)?.ok_or(StoreError::Missing { kind, id })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
