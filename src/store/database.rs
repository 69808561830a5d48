//! A database: a timeline whose commits are snapshots of tables.
//!
//! ```text
//! let database = Database::open(machine, folder, Mode::Write)?;
//! let base = database.head("main")?;
//! let mut changes = Changes::new(&base);
//! let id = changes.catalog.create("main", Entity::Table(def))?;
//! changes.table(id)?.append(&def, &batch)?;
//! let next = database.commit("main", &base, changes, About::default())?;      // durable
//! let rows = next.table(id)?.relation(None)?;
//! ```
//!
//! Invariants: what [`Database::head`] shows is durable. Commits of a branch are queued one at a time, each on top of the one before,
//! and wait for the disk together.
//!
//! Does not: know SQL, or who may do what.

use std::path::Path;
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;

use super::StoreError;
use super::ahead::Ahead;
use super::background::Background;
use super::group::{Group, Request, Work};
use super::locks::Locks;
use super::object::{CommitId, Kind};
use super::table::core::{Core, Opened, lock};
use super::table::{About, COMPACTION, Changes, CommitError, Compaction, Effort, Prepared, Snapshot};
use super::timeline::{Machine, Mode, ObjectStats, Options, Pending, RefKind, Timeline, has_commits};
use crate::catalog::EntityId;
use crate::host::Disk;

/// An open database.
#[derive(Debug)]
pub struct Database {
    pub(super) core: Arc<Core>,
    /// The newest snapshot of each branch, which may not be durable yet. Held while a commit is queued.
    pub(super) queued: Mutex<HashMap<String, Snapshot>>,
    /// Snapshots that were asked for or made lately.
    known: Mutex<HashMap<CommitId, Snapshot>>,
    locks: Arc<Locks>,
    pub(super) group: Group,
    pub(super) ahead: Ahead,
    /// Whether transactions that add a few rows are durable before they are a commit.
    pub(super) goes_ahead: bool,
    pub(super) background: Background,
}

/// Snapshots kept.
const MAX_KNOWN: usize = 64;

impl Database {
    /// Opens the database in a folder. For writing, an empty one is made if the folder is missing or empty.
    pub fn open(machine: Machine, folder: &Path, mode: Mode) -> Result<Arc<Self>, StoreError> {
        Self::open_with(machine, folder, mode, Options::default())
    }

    /// The same, with sizes of one's own.
    pub fn open_with(machine: Machine, folder: &Path, mode: Mode, options: Options) -> Result<Arc<Self>, StoreError> {
        Self::open_beside(machine, folder, mode, options, None)
    }

    /// The same for a folder that is open already, by whose lock table its transactions go on.
    pub fn open_beside(
        machine: Machine,
        folder: &Path,
        mode: Mode,
        options: Options,
        locks: Option<Arc<Locks>>,
    ) -> Result<Arc<Self>, StoreError> {
        let timeline = match Timeline::open(machine.clone(), folder, mode, options) {
            Err(StoreError::NoDatabase(_)) if mode == Mode::Write => {
                Timeline::create(machine.clone(), folder, options)?
            }
            other => other?,
        };
        let locks = locks.unwrap_or_else(|| Locks::new(Arc::clone(&machine.clock)));
        let core = Core::new(machine, folder, timeline);
        if mode == Mode::Write {
            prepare_segments(&core)?;
        }
        let database = Arc::new(Self {
            core: Arc::new(core),
            queued: Mutex::default(),
            known: Mutex::default(),
            locks,
            group: Group::default(),
            ahead: Ahead::default(),
            goes_ahead: options.goes_ahead && mode == Mode::Write,
            background: Background::default(),
        });
        database.found_ahead()?;
        Ok(database)
    }

    /// Whether a folder holds a database, be it one that has lost its HEAD, which opening it says then.
    pub fn is_database(disk: &dyn Disk, folder: &Path) -> bool {
        disk.stat(&folder.join("HEAD")).is_ok_and(|stat| !stat.is_folder) || has_commits(disk, folder)
    }

    /// Whether a database may be made in a folder: it is missing or empty, or has no more than a creation leaves that was
    /// cut short.
    pub fn is_unused(disk: &dyn Disk, folder: &Path) -> bool {
        match disk.list(folder) {
            Ok(entries) => entries.iter().all(|entry| is_ours(disk, entry)),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// History, proofs, branches and tags: all that was acknowledged when it is asked for is part of them, and durable.
    pub fn timeline(&self) -> Result<&Timeline, StoreError> {
        self.make_durable()?;
        Ok(&self.core.timeline)
    }

    /// Whether nothing was ever committed, or acknowledged.
    pub fn is_blank(&self) -> bool {
        self.timeline().is_ok_and(|timeline| timeline.log_head().size == 0)
    }

    /// Makes commits of all that was acknowledged, and makes them durable.
    pub fn make_durable(&self) -> Result<(), StoreError> {
        self.catch_up()?;
        self.core.timeline.settle()
    }

    /// Objects that are kept decoded.
    pub fn cache_stats(&self) -> ObjectStats {
        self.core.timeline.cache_stats()
    }

    /// Forgets objects that are kept decoded.
    pub fn clear_cache(&self) {
        self.core.timeline.clear_cache();
    }

    /// Who writes what.
    pub fn locks(&self) -> &Arc<Locks> {
        &self.locks
    }

    /// How many commits are below a snapshot's; none, if it has no commit.
    pub fn height(&self, snapshot: &Snapshot) -> Result<Option<u64>, StoreError> {
        let Some(commit) = snapshot.commit_id() else {
            return Ok(None);
        };
        Ok(Some(self.core.timeline.place(commit)?.height))
    }

    /// The number of the next entity that no branch has: so that a number means the same thing wherever it is met.
    pub fn next_entity(&self) -> Result<u64, StoreError> {
        let mut next = 0;
        for (branch, _) in self.core.timeline.refs(RefKind::Branch) {
            next = next.max(self.head(&branch)?.catalog().next_id());
        }
        Ok(next)
    }

    /// The last commit of a branch, with all that was acknowledged; an empty snapshot if it has none.
    pub fn head(&self, branch: &str) -> Result<Snapshot, StoreError> {
        if let Some(newest) = self.not_written_yet(branch)? {
            return Ok(newest);
        }
        match self.core.timeline.resolve(RefKind::Branch, branch) {
            Some(commit) => self.snapshot(commit),
            None => Snapshot::load(&self.core, None),
        }
    }

    /// The database as of a commit.
    pub fn snapshot(&self, commit: CommitId) -> Result<Snapshot, StoreError> {
        if let Some(known) = lock(&self.known).get(&commit) {
            return Ok(known.clone());
        }
        // A collection either sees that the commit is read, or is over, and then it is known what is left.
        let _opened = self
            .core
            .timeline
            .between_collections(|| Opened::new(&self.core, commit));
        self.core.timeline.check_kept(commit)?;
        let snapshot = Snapshot::load(&self.core, Some(commit))?;
        self.remember(commit, &snapshot);
        Ok(snapshot)
    }

    /// A snapshot of the same folder, as it was opened some other time; `None` if its commit was never written.
    pub fn same_as(&self, other: &Snapshot) -> Result<Option<Snapshot>, StoreError> {
        let Some(commit) = other.commit_id() else {
            return Snapshot::load(&self.core, None).map(Some);
        };
        self.make_durable()?;
        match self.core.timeline.contains(Kind::COMMIT, commit)? {
            true => self.snapshot(commit).map(Some),
            false => Ok(None),
        }
    }

    /// Forgets snapshots that nobody else has.
    pub(super) fn forget_known(&self) {
        self.forget_bases();
        lock(&self.known).clear();
    }

    pub(super) fn remember(&self, commit: CommitId, snapshot: &Snapshot) {
        let mut known = lock(&self.known);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(commit, snapshot.clone());
    }

    /// Commits changes that began at `base` on top of the newest commit of a branch; durable when it returns.
    pub fn commit(
        &self,
        branch: &str,
        base: &Snapshot,
        changes: Changes,
        about: About,
    ) -> Result<Snapshot, CommitError> {
        self.commit_changes(branch, base, &Arc::new(changes), about)
    }

    /// The same for changes that the caller keeps, to tell what went wrong with them.
    pub fn commit_changes(
        &self,
        branch: &str,
        base: &Snapshot,
        changes: &Arc<Changes>,
        about: About,
    ) -> Result<Snapshot, CommitError> {
        let work = match changes.adds_few() {
            true => Work::Few(Arc::clone(changes)),
            false => Work::Ready(changes.prepare(&self.core)?),
        };
        self.commit_together(Request {
            branch: branch.to_string(),
            base: base.clone(),
            work,
            about,
            flavor: (0, Vec::new()),
        })
    }

    /// Puts segments of a table together, or rewrites them without their deleted rows, in a commit that changes nothing else;
    /// `None` if that is not worth it, if `goes_on` said no, or if somebody changed the same rows meanwhile.
    pub fn compact(
        &self,
        branch: &str,
        table: EntityId,
        effort: Effort,
        about: About,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Snapshot>, CommitError> {
        let base = self.head(branch)?;
        let Some(compaction) = Compaction::write(&base, table, effort, goes_on)? else {
            return Ok(None);
        };
        let extra = compaction.moved.encode()?;
        let Some((base, prepared)) = compaction.prepared() else {
            return Ok(None);
        };
        let branch = branch.to_string();
        let flavor = (COMPACTION, extra);
        let request = Request {
            branch,
            base,
            work: Work::Ready(prepared),
            about,
            flavor,
        };
        let compacted = match self.commit_together(request) {
            Ok(snapshot) => Some(snapshot),
            Err(CommitError::Conflict(_)) => None,
            Err(error) => return Err(error),
        };
        // Whoever asks for all of it waits for it, too.
        if effort == Effort::All {
            self.core.timeline.settle()?;
        }
        Ok(compacted)
    }

    /// Makes one commit of some transactions, on top of the newest one, and queues it for the disk.
    pub(super) fn queue(
        &self,
        members: &[(&Prepared, &Snapshot)],
        branch: &str,
        about: &About,
        (flavor, extra): (u8, Vec<u8>),
    ) -> Result<(Pending<'_>, Snapshot), CommitError> {
        let is_lazy = flavor == COMPACTION;
        let mut queued = match is_lazy {
            true => self.queue_beside()?,
            false => self.queue_alone()?,
        };
        let newest = self.newest(&queued, branch, members)?;
        let mut made = Prepared::apply(members, branch, &newest, about)?;
        (made.draft.flavor, made.draft.extra, made.draft.is_lazy) = (flavor, extra, is_lazy);
        let pending = self.core.timeline.submit(made.draft)?;
        let snapshot = made.snapshot.committed(pending.id());
        queued.insert(branch.to_string(), snapshot.clone());
        Ok((pending, snapshot))
    }

    /// The snapshot that the next commit of a branch goes on top of.
    pub(super) fn newest(
        &self,
        queued: &HashMap<String, Snapshot>,
        branch: &str,
        members: &[(&Prepared, &Snapshot)],
    ) -> Result<Snapshot, StoreError> {
        let tip = self.core.timeline.queued_tip(branch);
        if let Some((_, base)) = members.iter().find(|(_, base)| base.commit_id() == tip) {
            return Ok((*base).clone());
        }
        if let Some(snapshot) = queued.get(branch).filter(|snapshot| snapshot.commit_id() == tip) {
            return Ok(snapshot.clone());
        }
        let known = tip.and_then(|tip| lock(&self.known).get(&tip).cloned());
        known.map_or_else(|| Snapshot::load(&self.core, tip), Ok)
    }

    /// The files that a reader needs beside HEAD, and how much of each.
    pub fn files(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.catch_up()?;
        let mut files = self.core.timeline.files()?;
        let folder = self.core.segments_folder();
        let disk = &self.core.machine.disk;
        let paths = disk.list(&folder).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(StoreError::io(&folder, error)),
        })?;
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let id = name.strip_suffix(".parquet").and_then(|id| id.parse().ok());
            if let Some(id) = id
                && self.core.timeline.contains(Kind::FILE, id)?
            {
                let stat = disk.stat(&path).map_err(|error| StoreError::reading(&path, 0, error))?;
                files.push((format!("segments/{name}"), stat.size_bytes));
            }
        }
        Ok(files)
    }

    /// Writes a checkpoint and gives the folder free. Snapshots can be read on.
    pub fn close(&self) -> Result<(), StoreError> {
        self.stop_compacting();
        let caught_up = self.catch_up();
        self.core.close().and(caught_up)
    }
}

/// Whether a file or folder is one that a creation makes before HEAD, or that is left when what was made is taken away again.
fn is_ours(disk: &dyn Disk, entry: &Path) -> bool {
    let name = entry.file_name().map(|name| name.to_string_lossy());
    match name.as_deref().unwrap_or_default() {
        "packs" | "log" | "lock" => true,
        "segments" => disk.list(entry).is_ok_and(|files| files.is_empty()),
        name => name.starts_with(".HEAD.") && name.ends_with(".tmp"),
    }
}

/// Makes the folder of large segments, and removes what a crash left there.
fn prepare_segments(core: &Core) -> Result<(), StoreError> {
    let folder = core.segments_folder();
    let failed = |error| StoreError::io(&folder, error);
    let disk = &core.machine.disk;
    if disk.stat(&folder).is_err() {
        disk.create_folder(&folder).map_err(failed)?;
        disk.sync_folder(&core.folder).map_err(failed)?;
    }
    for path in disk.list(&folder).map_err(failed)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp")) {
            disk.remove(&path).map_err(failed)?;
        }
    }
    Ok(())
}
