//! Opening a folder: HEAD, and what was committed after it.
//!
//! After a crash HEAD says 4,000 commits and 2.1 MB of pack 3; the pack has 36 groups more, and half of one. The groups are
//! read, their commits added to the log, their branches moved; the half is wiped.
//!
//! Invariants: a folder opens only if the log's hashes have the root that HEAD says. Opening for reading changes nothing.
//!
//! Does not: read objects, or packs other than the last: that is [`Timeline::verify`]'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

use super::cache::ObjectCache;
use super::queue::Queue;
use super::submit::{InFlight, Tail};
use super::write::{Writer, apply_ref};
use super::{Machine, Mode, Options, Timeline, View};
use crate::host::{Disk, Lock, LockOutcome};
use crate::store::commit::Commit;
use crate::store::head::{Head, HeadPack, RefChange, Refs};
use crate::store::log::{Frontier, Levels, LogHead, empty_root};
use crate::store::object::{Kind, ObjectId};
use crate::store::pack::{Group, PACK_HEADER, PackFile, PackWriter, index_name, pack_name, read_group, scan};
use crate::store::redo::{Redo, Unfinished};
use crate::store::wire::Malformed;
use crate::store::{Damage, StoreError};

/// A reader tries so often: a writer may put files away while it reads.
const ATTEMPTS: usize = 5;

impl Timeline {
    /// Makes an empty database in a folder, which is made if need be, and opens it for writing.
    pub fn create(machine: Machine, folder: &Path, options: Options) -> Result<Self, StoreError> {
        let disk = Arc::clone(&machine.disk);
        let failed = |error| StoreError::io(folder, error);
        let (packs, log) = (folder.join("packs"), folder.join("log"));
        disk.create_folder(&packs).map_err(failed)?;
        disk.create_folder(&log).map_err(failed)?;
        let lock = take_lock(&*disk, folder)?;
        if !matches!(Head::read(&*disk, folder), Err(StoreError::NoDatabase(_))) || has_commits(&*disk, folder) {
            return Err(StoreError::NotEmpty(folder.to_path_buf()));
        }
        remove_strangers(&*disk, folder, &[])?;
        make_readers_file(&*disk, folder)?;
        disk.sync_folder(folder).map_err(failed)?;
        if let Some(parent) = folder.parent() {
            disk.sync_folder(parent).map_err(failed)?;
        }
        let writer = PackWriter::create(&*disk, &packs, (0, machine.random.next_u64()), options.step_bytes)?;
        let first = HeadPack {
            number: 0,
            end: PACK_HEADER,
            indexed: 0,
        };
        let head = Head {
            log: LogHead {
                size: 0,
                root: empty_root(),
            },
            time_us: i64::MIN,
            horizon_us: i64::MIN,
            sequence: 0,
            indexed_sequence: 0,
            next_pack: 1,
            packs: vec![first],
            refs: Refs::new(),
            redo: Unfinished::default(),
        };
        head.write(&*disk, folder)?;
        let view = View {
            packs: vec![Arc::clone(writer.pack())],
            levels: Levels::open(&*disk, &log, 0)?,
            frontier: Frontier::default(),
            refs: Refs::new(),
            time_us: head.time_us,
            horizon_us: head.horizon_us,
        };
        let writer = Writer::new(writer, 0, 0, (0, 1));
        let redo = Unfinished::default();
        Ok(Self::assemble(
            machine,
            folder,
            options,
            (view, redo),
            Some((writer, lock)),
        ))
    }

    /// Opens the database in a folder.
    pub fn open(machine: Machine, folder: &Path, mode: Mode, options: Options) -> Result<Self, StoreError> {
        match mode {
            Mode::Write => Self::open_to_write(machine, folder, options),
            Mode::Read => {
                // A medium that cannot do it, or an empty log: there is nothing to be removed then, or nobody who would.
                let shared = machine.disk.share(&readers_file(folder)).ok().flatten();
                let mut attempt = 1;
                loop {
                    match Recovered::load(&*machine.disk, folder) {
                        Ok(found) => {
                            let mut timeline = Self::assemble(machine, folder, options, (found.view, found.redo), None);
                            timeline._shared = shared;
                            return Ok(timeline);
                        }
                        Err(StoreError::Corrupt(_)) if attempt < ATTEMPTS => attempt += 1,
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    fn open_to_write(machine: Machine, folder: &Path, options: Options) -> Result<Self, StoreError> {
        let disk = Arc::clone(&machine.disk);
        // Without HEAD there is nothing to lock.
        if let Err(StoreError::NoDatabase(_)) = Head::read(&*disk, folder) {
            return Err(missing_head(&*disk, folder));
        }
        let lock = take_lock(&*disk, folder)?;
        let found = Recovered::load(&*disk, folder)?;
        let packs = &found.view.packs;
        make_readers_file(&*disk, folder)?;
        remove_strangers(&*disk, folder, packs)?;
        let last = packs.last().cloned().ok_or_else(|| no_packs(folder))?;
        let pack = PackWriter::reopen(&*disk, last, options.step_bytes)?;
        let mut writer = Writer::new(
            pack,
            found.sequence,
            found.view.levels.size(),
            (found.head.indexed_sequence, found.head.next_pack),
        );
        writer.checkpointed = found.head.packs.last().map_or(0, |pack| pack.end);
        writer.changed = found.sequence != found.head.sequence;
        writer.redo.clone_from(&found.redo);
        Ok(Self::assemble(
            machine,
            folder,
            options,
            (found.view, found.redo),
            Some((writer, lock)),
        ))
    }

    fn assemble(
        machine: Machine,
        folder: &Path,
        options: Options,
        (view, redo): (View, Unfinished),
        writer: Option<(Writer, Box<dyn Lock>)>,
    ) -> Self {
        let queue = Queue::new(&redo);
        let tail = Tail::new(view.refs.clone(), view.levels.size(), view.time_us);
        let (writer, lock) = writer.unzip();
        Self {
            machine,
            folder: folder.to_path_buf(),
            options,
            view: RwLock::new(view),
            tail: Mutex::new(tail),
            queue: Mutex::new(queue),
            in_flight: RwLock::new(InFlight::default()),
            woken: Mutex::default(),
            durable: AtomicU64::new(0),
            writer: Mutex::new(writer),
            encoder: Mutex::default(),
            lazy_done: AtomicU64::new(0),
            cache: ObjectCache::new(options.cache_bytes),
            places: Mutex::default(),
            gate: RwLock::new(()),
            writable: lock.is_some(),
            found: Mutex::new(redo.records().cloned().collect()),
            lock: Mutex::new(lock),
            _shared: None,
        }
    }
}

/// The file that readers of other processes share while they are there: it is never another one, and nothing is written
/// for their sake.
pub(super) fn readers_file(folder: &Path) -> PathBuf {
    folder.join("log").join("00")
}

/// Makes that file where a log has no hashes in it yet.
fn make_readers_file(disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
    let path = readers_file(folder);
    if disk.stat(&path).is_ok() {
        return Ok(());
    }
    let made = disk.create(&path).and_then(|_| disk.sync_folder(&folder.join("log")));
    made.map_err(|error| StoreError::io(&path, error))
}

/// Keeps readers of other processes off while files are removed; `None` if there are some.
pub(super) fn without_readers(disk: &dyn Disk, folder: &Path) -> Option<Box<dyn Lock>> {
    let path = readers_file(folder);
    match disk.stat(&path) {
        Ok(_) => disk.claim(&path).ok().flatten(),
        // Without a log nobody has anything to read.
        Err(_) => Some(Box::new(NoLog)),
    }
}

#[derive(Debug)]
struct NoLog;

impl Lock for NoLog {}

/// What a folder holds.
struct Recovered {
    head: Head,
    view: View,
    /// The number of the next group.
    sequence: u64,
    /// What is durable, and part of no commit.
    redo: Unfinished,
}

impl Recovered {
    fn load(disk: &dyn Disk, folder: &Path) -> Result<Self, StoreError> {
        let head = match Head::read(disk, folder) {
            Err(StoreError::NoDatabase(_)) => return Err(missing_head(disk, folder)),
            other => other?,
        };
        let packs_folder = folder.join("packs");
        let open = |pack: &HeadPack| PackFile::open(disk, &packs_folder, pack.number, pack.end, pack.indexed);
        let packs = head
            .packs
            .iter()
            .map(|pack| open(pack).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let levels = Levels::open(disk, &folder.join("log"), head.log.size)?;
        let frontier = Frontier::load(head.log.size, &levels)?;
        if frontier.head() != head.log {
            let what = "the log's hashes do not have the root that HEAD says";
            let found = levels.check()?.into_iter().next();
            return Err(found.unwrap_or_else(|| Damage::new(&levels.path(0), what)).into());
        }
        let view = View {
            packs,
            levels,
            frontier,
            refs: head.refs.clone(),
            time_us: head.time_us,
            horizon_us: head.horizon_us,
        };
        let sequence = head.sequence;
        let redo = head.redo.clone();
        let mut found = Self {
            head,
            view,
            sequence,
            redo,
        };
        found.replay(folder)?;
        Ok(found)
    }

    /// Reads the open pack from where its index ends.
    fn replay(&mut self, folder: &Path) -> Result<(), StoreError> {
        let Some(last) = self.head.packs.last().copied() else {
            return Err(no_packs(folder));
        };
        let pack = self.view.packs.last().cloned().ok_or_else(|| no_packs(folder))?;
        let from = last.indexed.max(PACK_HEADER);
        let first = Some(self.head.indexed_sequence);
        scan(&pack, from, last.end, first, &mut |group| self.take(&pack, &group))?;
        Ok(())
    }

    fn take(&mut self, pack: &PackFile, group: &Group) -> Result<(), StoreError> {
        let is_new = group.header.sequence >= self.head.sequence;
        if is_new && group.header.log_size != self.view.levels.size() {
            return Err(pack.damage(group.offset, "the group belongs to another state of the log"));
        }
        let mut entries = Vec::new();
        for found in group.records(pack)? {
            let (header, bytes) = (found.record.header, found.record.bytes);
            let failed = |Malformed(what)| pack.damage(found.offset, what);
            match header.kind {
                Kind::REF if is_new => {
                    let change = RefChange::decode(bytes).map_err(failed)?;
                    let View { refs, levels, .. } = &mut self.view;
                    apply_ref(refs, levels, change)
                        .map_err(|_| pack.damage(found.offset, "a branch points past the log"))?;
                }
                Kind::COMMIT if is_new => {
                    let commit = Commit::read(bytes).map_err(failed)?;
                    if commit.index != self.view.levels.size() {
                        return Err(pack.damage(found.offset, "a commit is out of order"));
                    }
                    self.view.append(ObjectId::of(Kind::COMMIT, bytes), commit.time_us)?;
                }
                Kind::REDO if is_new => self.redo.take(Redo::decode(bytes).map_err(failed)?),
                _ => {}
            }
            if !header.kind.is_nameless() {
                entries.push((header.prefix, u32::try_from(found.offset).unwrap_or(u32::MAX)));
            }
        }
        pack.extend(&entries, group.end());
        self.sequence = self.sequence.max(group.header.sequence + 1);
        Ok(())
    }
}

fn take_lock(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn Lock>, StoreError> {
    let path = folder.join("lock");
    match disk.lock(&path).map_err(|error| StoreError::io(&path, error))? {
        LockOutcome::Held(lock) => Ok(lock),
        LockOutcome::Busy(pid) => Err(StoreError::Locked {
            folder: folder.to_path_buf(),
            pid,
        }),
    }
}

/// Without HEAD there is no database, unless there are commits.
fn missing_head(disk: &dyn Disk, folder: &Path) -> StoreError {
    match has_commits(disk, folder) {
        true => {
            let what =
                "the file is missing, though there are commits in `packs`; restore it, or the folder, from a backup";
            Damage::new(&folder.join("HEAD"), what).into()
        }
        false => StoreError::NoDatabase(folder.to_path_buf()),
    }
}

/// Whether a folder has more of a database than a creation leaves that was cut short, though HEAD may be missing. What cannot be read
/// counts: it is not for us to say that nothing was there.
pub fn has_commits(disk: &dyn Disk, folder: &Path) -> bool {
    has_groups(disk, folder).unwrap_or(true) || disk.stat(&readers_file(folder)).is_ok_and(|stat| stat.size_bytes > 0)
}

fn no_packs(folder: &Path) -> StoreError {
    Damage::new(&folder.join("HEAD"), "it names no packs").into()
}

/// Whether there is a pack with something in it: more than a creation that was cut short leaves.
fn has_groups(disk: &dyn Disk, folder: &Path) -> Result<bool, StoreError> {
    let packs = folder.join("packs");
    let Ok(files) = disk.list(&packs) else {
        return Ok(false);
    };
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
    {
        if path.file_name().is_none_or(|name| name != pack_name(0).as_str()) {
            return Ok(true);
        }
        // The header of a pack whose creation was cut short may be torn.
        if let Ok(pack) = PackFile::open(disk, &packs, 0, PACK_HEADER, 0)
            && read_group(&pack, PACK_HEADER, None)?.is_ok()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what a crash left, or a collection beside readers: packs and indexes that HEAD does not name, and files that were
/// never published.
fn remove_strangers(disk: &dyn Disk, folder: &Path, packs: &[Arc<PackFile>]) -> Result<(), StoreError> {
    let alone = without_readers(disk, folder);
    let mut known = BTreeMap::new();
    for pack in packs {
        known.insert(pack_name(pack.number()), ());
        if let Some(index) = pack.index() {
            known.insert(index_name(pack.number(), index.covered()), ());
        }
    }
    for inside in [folder.to_path_buf(), folder.join("packs")] {
        for path in disk.list(&inside).map_err(|error| StoreError::io(&inside, error))? {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let ours = name.ends_with(".pack") || name.ends_with(".index");
            let unpublished = name.starts_with('.') && name.ends_with(".tmp");
            if unpublished || ours && alone.is_some() && !known.contains_key(&name) {
                disk.remove(&path).map_err(|error| StoreError::io(&path, error))?;
            }
        }
    }
    Ok(())
}
