//! What all snapshots and changes of one open database share: its machine, folder, timeline and counters.
//!
//! Two transactions append to table 7: one gets segment 12, the other 13, and neither waits.
//!
//! Invariants: a segment's number is given out once in a process, and is greater than those of the state that it follows.
//!
//! Does not: keep snapshots; a snapshot keeps this.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::ArrayRef;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::file::{OpenFile, file_name};
use super::recent::Recent;
use super::rows::Rows;
use super::snapshot::load_state;
use crate::catalog::{ColumnNo, EntityId};
use crate::formats::FormatError;
use crate::store::object::{CommitId, Kind, NewObject, ObjectId, ReadObjects};
use crate::store::timeline::{Machine, RefKind, Timeline};
use crate::store::{Damage, StoreError, tree};
use crate::types::LogicalType;

/// An open database, from below.
#[derive(Debug)]
pub(in crate::store) struct Core {
    pub machine: Machine,
    pub folder: PathBuf,
    pub timeline: Timeline,
    /// The empty tree, which is in no pack before somebody needs it.
    empty: NewObject,
    next_segments: Mutex<HashMap<EntityId, u32>>,
    /// Ids of rows that no branch has given, by table.
    next_rows: Mutex<HashMap<EntityId, u64>>,
    /// Columns of which single rows were read.
    pub(super) arrays: Recent<ArrayKey, ArrayRef>,
    /// Small segments that were decoded.
    pub(super) blocks: Recent<ObjectId, Arc<Rows>>,
    /// Commits whose snapshots somebody has, and how many have them.
    opened: Mutex<HashMap<CommitId, usize>>,
    /// FILE objects of files that somebody holds, and how many do.
    held: Mutex<HashMap<ObjectId, HeldFile>>,
    closed: AtomicBool,
    /// Files whose footers were read.
    files: Mutex<HashMap<ObjectId, Arc<OpenFile>>>,
}

/// Footers kept.
const MAX_FILES: usize = 4096;

impl Core {
    pub(in crate::store) fn new(machine: Machine, folder: &Path, timeline: Timeline) -> Self {
        Self {
            machine,
            folder: folder.to_path_buf(),
            timeline,
            empty: tree::empty(),
            next_segments: Mutex::default(),
            next_rows: Mutex::default(),
            arrays: Recent::new(ARRAY_BYTES),
            blocks: Recent::new(BLOCK_BYTES),
            opened: Mutex::default(),
            held: Mutex::default(),
            closed: AtomicBool::new(false),
            files: Mutex::default(),
        }
    }

    /// The empty tree.
    pub(in crate::store) fn empty(&self) -> &NewObject {
        &self.empty
    }

    /// The folder of large segments.
    pub(in crate::store) fn segments_folder(&self) -> PathBuf {
        self.folder.join("segments")
    }

    /// A number for a new segment of a table, at least `least`.
    pub(super) fn number(&self, table: EntityId, least: u32) -> Result<u32, StoreError> {
        let mut next = lock(&self.next_segments);
        let next = match next.entry(table) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(self.first_free(table)?),
        };
        let number = least.max(*next);
        *next = number.saturating_add(1);
        Ok(number)
    }

    /// A number that no branch has used: changes may begin at an older commit than they are committed on.
    fn first_free(&self, table: EntityId) -> Result<u32, StoreError> {
        let mut free = 0;
        for (_, commit) in self.timeline.refs(RefKind::Branch) {
            let root = self.timeline.commit_record(commit)?.root;
            free = free.max(load_state(self, root, table)?.next_segment);
        }
        Ok(free)
    }

    /// The first id for new rows of a table, at least `least`: branches do not give the same id to different rows, so that it
    /// means the same row wherever it is met.
    pub(super) fn first_row(&self, table: EntityId, least: u64) -> Result<u64, StoreError> {
        let mut next = lock(&self.next_rows);
        let next = match next.entry(table) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let mut free = 0;
                for (_, commit) in self.timeline.refs(RefKind::Branch) {
                    let root = self.timeline.commit_record(commit)?.root;
                    free = free.max(load_state(self, root, table)?.next_row);
                }
                vacant.insert(free)
            }
        };
        Ok(least.max(*next))
    }

    /// Ids below this were given to rows of a table.
    pub(super) fn rows_given(&self, table: EntityId, next: u64) {
        if let Some(known) = lock(&self.next_rows).get_mut(&table) {
            *known = next.max(*known);
        }
    }

    /// Commits whose snapshots somebody has.
    pub(in crate::store) fn opened(&self) -> Vec<CommitId> {
        lock(&self.opened).keys().copied().collect()
    }

    /// Whether somebody is about to commit a file of a segment, or reads it.
    pub(in crate::store) fn holds_segment(&self, id: ObjectId) -> bool {
        lock(&self.held).contains_key(&id)
    }

    /// Removes a file of a segment, unless somebody is about to commit it, or reads it from there.
    pub(in crate::store) fn remove_segment(&self, id: ObjectId) -> Result<bool, StoreError> {
        let held = lock(&self.held);
        if held.contains_key(&id) {
            return Ok(false);
        }
        lock(&self.files).remove(&id);
        let path = self.segments_folder().join(file_name(id));
        let removed = self.machine.disk.remove(&path);
        removed.map(|()| true).map_err(|error| StoreError::io(&path, error))
    }

    /// Nothing is removed any more: the folder may be another's soon.
    pub(in crate::store) fn close(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::SeqCst);
        self.timeline.close()
    }

    /// A file of a segment, opened once.
    pub(super) fn file(&self, id: ObjectId) -> Result<Arc<OpenFile>, StoreError> {
        if let Some(file) = lock(&self.files).get(&id) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(OpenFile::open(self, id)?);
        let mut files = lock(&self.files);
        if files.len() >= MAX_FILES {
            files.clear();
        }
        files.insert(id, Arc::clone(&file));
        Ok(file)
    }
}

/// A snapshot that somebody has: what it leads to is not collected.
#[derive(Debug)]
pub(in crate::store) struct Opened {
    core: Arc<Core>,
    commit: CommitId,
}

impl Opened {
    pub(in crate::store) fn new(core: &Arc<Core>, commit: CommitId) -> Self {
        *lock(&core.opened).entry(commit).or_insert(0) += 1;
        let core = Arc::clone(core);
        Self { core, commit }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut opened = lock(&self.core.opened);
        if let Some(count) = opened.get_mut(&self.commit) {
            *count -= 1;
            if *count == 0 {
                opened.remove(&self.commit);
            }
        }
    }
}

/// The body of a FILE object, and how many hold the file.
type HeldFile = (Arc<[u8]>, usize);

/// A file that is not part of a commit yet, or that somebody reads who began before it was. When nobody holds it any more
/// and no commit has it, it is removed.
#[derive(Debug)]
pub(super) struct Held {
    core: Arc<Core>,
    id: ObjectId,
}

impl Held {
    /// Holds a file that is about to be written, or found to be there.
    pub(super) fn new(core: &Arc<Core>, object: &NewObject) -> Self {
        let mut held = lock(&core.held);
        held.entry(object.id).or_insert_with(|| (Arc::clone(&object.body), 0)).1 += 1;
        drop(held);
        Self {
            core: Arc::clone(core),
            id: object.id,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Under the lock, so that nobody finds the file there and relies on it meanwhile.
        let mut held = lock(&self.core.held);
        if let Some((_, count)) = held.get_mut(&self.id) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        held.remove(&self.id);
        let unknown = matches!(self.core.timeline.contains(Kind::FILE, self.id), Ok(false));
        if unknown && !self.core.closed.load(Ordering::SeqCst) {
            let path = self.core.segments_folder().join(file_name(self.id));
            // A file that stays is garbage, and collected like any other.
            drop(self.core.machine.disk.remove(&path));
        }
    }
}

impl ReadObjects for Core {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        if id == self.empty.id && kind == Kind::NODE {
            return Ok(Arc::clone(&self.empty.body));
        }
        if kind == Kind::FILE
            && let Some((body, _)) = lock(&self.held).get(&id)
        {
            return Ok(Arc::clone(body));
        }
        self.timeline.read(kind, id)
    }
}

/// Contents, row group, column, and the type that it was converted to.
type ArrayKey = ([u8; 32], usize, ColumnNo, LogicalType);

/// Bytes of arrays in a generation.
const ARRAY_BYTES: usize = 32 << 20;
/// Bytes of rows of blocks in a generation.
const BLOCK_BYTES: usize = 8 << 20;

/// Something that no other rows in memory go by, of any database in the process.
pub(super) fn token() -> u64 {
    static TOKENS: AtomicU64 = AtomicU64::new(0);
    TOKENS.fetch_add(1, Ordering::Relaxed)
}

/// An object whose hash is right and whose contents make no sense.
pub(super) fn malformed(kind: Kind, id: ObjectId, what: impl Into<String>) -> StoreError {
    Damage::new(Path::new("packs"), what).of(kind, id).into()
}

/// What a relation says of an error here.
pub(super) fn as_format_error(error: StoreError) -> FormatError {
    match error {
        StoreError::Corrupt(damage) => FormatError::Corrupt {
            path: damage.file.display().to_string(),
            message: damage.to_string(),
        },
        other => FormatError::Corrupt {
            path: "packs".into(),
            message: other.to_string(),
        },
    }
}

/// What the store says of an error in a file of a segment.
pub(super) fn as_store_error(error: FormatError) -> StoreError {
    match error {
        FormatError::Corrupt { path, message } => Damage::new(Path::new(&path), message).into(),
        FormatError::Io { path, source } => StoreError::reading(Path::new(&path), 0, source),
        other => Damage::new(Path::new("segments"), other.to_string()).into(),
    }
}

pub(in crate::store) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
