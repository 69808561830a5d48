//! A machine made of memory: a disk that crashes and forgets as real ones do, a clock and chance that repeat.
//!
//! `disk.crash_at(17)` makes the 17th durable step (a write, sync, rename, …) and every later call fail; then
//! `disk.reboot(seed)` is the disk that a machine might find after the power came back: what was synced is there, and of
//! what was not, any 512-byte sectors and any names may be. `disk.observe(…)` sees the same of every step of one run.
//!
//! Invariants: the same calls and seeds give the same disk. A sector is written whole or not at all; what is synced is
//! kept. A rename is kept or lost as one.
//!
//! Does not: model a medium that loses what it promised to keep; [`SimDisk::flip`] and [`SimDisk::cut`] do such damage by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Clock, Disk, Lock, LockOutcome, Random, ReadAt, Staged, Stat, WriteAt};

/// What a disk writes whole.
const SECTOR: usize = 512;

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<SimFile>,
    names: Names,
    durable_names: Names,
    /// Changes of names since their folders were synced, in order.
    renames: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    steps: u64,
    syncs: u64,
    written_bytes: u64,
    crash_at: Option<u64>,
    fail_at: Option<u64>,
    crashed: bool,
    observer: Observer,
}

/// Sees what a power failure in each step would leave.
#[derive(Default)]
struct Observer(Option<Box<Watch>>);

type Watch = dyn FnMut(&PowerCut<'_>) + Send;

impl std::fmt::Debug for Observer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Observer({})", self.0.is_some())
    }
}

/// A step in which the power might fail.
#[derive(Debug)]
pub struct PowerCut<'a> {
    state: &'a State,
}

impl PowerCut<'_> {
    /// The step's number.
    pub fn step(&self) -> u64 {
        self.state.steps
    }

    /// The disk that a machine would find if it failed here.
    pub fn reboot(&self, seed: u64) -> SimDisk {
        self.state.after_crash(seed)
    }
}

#[derive(Clone, Debug, Default)]
struct Names {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, usize>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Folder(PathBuf),
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

#[derive(Clone, Debug, Default)]
struct SimFile {
    // Shared with images of the disk, and copied when one of them changes it.
    live: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    /// Changes since the last sync, in order.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Durable steps so far: writes, syncs, renames, creations, removals, truncations.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Syncs of file contents so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.state().written_bytes
    }

    /// The power fails in the step of this number: the step itself may take effect or not, everything after it fails.
    pub fn crash_at(&self, step: u64) {
        self.state().crash_at = Some(step);
    }

    /// The step of this number fails without effect; later ones work.
    pub fn fail_at(&self, step: u64) {
        self.state().fail_at = Some(step);
    }

    /// Whether the power failed.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Shows every step from now on, at the moment when the power could fail in it. The work goes on afterwards, so that one
    /// run shows all the crashes that it might have had. The observer must not use this disk itself.
    pub fn observe(&self, observer: impl FnMut(&PowerCut<'_>) + Send + 'static) {
        self.state().observer = Observer(Some(Box::new(observer)));
    }

    /// The disk that a machine finds after a power failure now.
    pub fn reboot(&self, seed: u64) -> Self {
        self.state().after_crash(seed)
    }

    /// A disk with the same contents, all of it durable.
    pub fn image(&self) -> Self {
        let state = self.state();
        let settled = |file: &SimFile| SimFile::settled(Arc::clone(&file.live));
        Self::from_parts(state.files.iter().map(settled).collect(), state.names.clone())
    }

    /// All files with their sizes, sorted by name.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let size = |id: &usize| state.files.get(*id).map_or(0, |file| file.live.len() as u64);
        state
            .names
            .files
            .iter()
            .map(|(path, id)| (path.clone(), size(id)))
            .collect()
    }

    /// Damages one byte; whether there was one.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> bool {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        self.damage(path, |bytes| bytes.get_mut(at).map(|byte| *byte ^= mask).is_some())
    }

    /// Damages a file by cutting it off; whether there was one so long.
    pub fn cut(&self, path: &Path, size_bytes: u64) -> bool {
        let size = usize::try_from(size_bytes).unwrap_or(usize::MAX);
        self.damage(path, |bytes| {
            let longer = size < bytes.len();
            bytes.truncate(size);
            longer
        })
    }

    fn damage(&self, path: &Path, harm: impl Fn(&mut Vec<u8>) -> bool) -> bool {
        let mut state = self.state();
        let Ok(file) = state.file_mut(path) else {
            return false;
        };
        harm(Arc::make_mut(&mut file.durable));
        harm(Arc::make_mut(&mut file.live))
    }

    fn from_parts(files: Vec<SimFile>, names: Names) -> Self {
        let state = State {
            files,
            durable_names: names.clone(),
            names,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.crashed { Err(power_failure()) } else { Ok(state) }
    }

    fn handle(&self, id: usize) -> SimHandle {
        SimHandle { disk: self.clone(), id }
    }
}

fn power_failure() -> io::Error {
    io::Error::other("the simulated power failed")
}

/// How much of what was not synced survives.
struct Luck {
    mode: u64,
    random: SimRandom,
}

impl Luck {
    fn keeps(&self) -> bool {
        match self.mode {
            0 => false,
            1 => true,
            _ => self.random.next_u64().is_multiple_of(2),
        }
    }
}

impl SimFile {
    fn settled(live: Arc<Vec<u8>>) -> Self {
        Self {
            durable: Arc::clone(&live),
            live,
            pending: Vec::new(),
        }
    }

    fn after_crash(&self, luck: &Luck) -> Self {
        let mut bytes = Arc::clone(&self.durable);
        for change in &self.pending {
            match change {
                Change::SetLen(len) if luck.keeps() => Arc::make_mut(&mut bytes).resize(*len, 0),
                Change::SetLen(_) => {}
                Change::Write(offset, data) => tear(Arc::make_mut(&mut bytes), *offset, data, luck),
            }
        }
        Self::settled(bytes)
    }

    fn apply(&mut self, change: Change) {
        change.apply_to(Arc::make_mut(&mut self.live));
        self.pending.push(change);
    }
}

impl Change {
    fn apply_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len, 0),
            Self::Write(offset, data) => put(bytes, *offset, data),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

/// Writes those sectors that luck keeps.
fn tear(bytes: &mut Vec<u8>, offset: usize, data: &[u8], luck: &Luck) {
    let mut at = 0;
    while at < data.len() {
        let len = (SECTOR - (offset + at) % SECTOR).min(data.len() - at);
        if luck.keeps() {
            put(bytes, offset + at, &data[at..at + len]);
        }
        at += len;
    }
}

impl Names {
    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Folder(path) => drop(self.folders.insert(path.clone())),
            NameChange::Link(path, id) => drop(self.files.insert(path.clone(), *id)),
            NameChange::Unlink(path) => drop(self.files.remove(path)),
            NameChange::Rename(from, to, id) => {
                self.files.remove(from);
                self.files.insert(to.clone(), *id);
            }
        }
    }
}

impl NameChange {
    /// The folder whose sync makes it durable.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) | Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _) => path.parent(),
        }
    }
}

impl State {
    /// The disk after a power failure.
    fn after_crash(&self, seed: u64) -> SimDisk {
        let random = SimRandom::new(seed);
        // A third of the machines lose all that was not synced, a third keep all, a third any part.
        let luck = Luck {
            mode: random.next_u64() % 3,
            random,
        };
        let files = self.files.iter().map(|file| file.after_crash(&luck)).collect();
        let mut names = self.durable_names.clone();
        for change in &self.renames {
            if luck.keeps() {
                names.apply(change);
            }
        }
        SimDisk::from_parts(files, names)
    }

    /// Shows the step that was counted last.
    fn show(&mut self) {
        if let Some(mut observer) = self.observer.0.take() {
            observer(&PowerCut { state: self });
            self.observer.0 = Some(observer);
        }
    }

    /// Counts a durable step. `Ok(true)` if the power fails during it.
    fn step(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(power_failure());
        }
        self.steps += 1;
        if self.fail_at == Some(self.steps) {
            return Err(io::Error::other("a simulated fault"));
        }
        self.crashed = self.crash_at == Some(self.steps);
        Ok(self.crashed)
    }

    fn file_mut(&mut self, path: &Path) -> io::Result<&mut SimFile> {
        let id = self.names.files.get(&tidy(path)).ok_or(io::ErrorKind::NotFound)?;
        self.files.get_mut(*id).ok_or(io::ErrorKind::NotFound.into())
    }

    fn id_of(&self, path: &Path) -> io::Result<usize> {
        self.names
            .files
            .get(&tidy(path))
            .copied()
            .ok_or(io::ErrorKind::NotFound.into())
    }

    fn has_folder(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || path == Path::new("/") || self.names.folders.contains(path)
    }

    /// A step that changes names: it happened, though perhaps not durably, even if the power fails in it.
    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        let crashes = self.step()?;
        self.names.apply(&change);
        self.renames.push(change);
        self.show();
        if crashes { Err(power_failure()) } else { Ok(()) }
    }

    fn change_file(&mut self, id: usize, change: Change) -> io::Result<()> {
        let crashes = self.step()?;
        if let Change::Write(_, data) = &change {
            self.written_bytes += data.len() as u64;
        }
        self.files.get_mut(id).ok_or(io::ErrorKind::NotFound)?.apply(change);
        self.show();
        if crashes { Err(power_failure()) } else { Ok(()) }
    }

    fn sync_file(&mut self, id: usize) -> io::Result<()> {
        if self.step()? {
            return Err(power_failure());
        }
        self.show();
        self.syncs += 1;
        let file = self.files.get_mut(id).ok_or(io::ErrorKind::NotFound)?;
        let durable = Arc::make_mut(&mut file.durable);
        for change in std::mem::take(&mut file.pending) {
            change.apply_to(durable);
        }
        Ok(())
    }

    fn sync_names(&mut self, folder: &Path) -> io::Result<()> {
        if self.step()? {
            return Err(power_failure());
        }
        self.show();
        let (durable, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.renames)
            .into_iter()
            .partition(|change| change.folder() == Some(folder));
        durable.iter().for_each(|change| self.durable_names.apply(change));
        self.renames = rest;
        Ok(())
    }

    fn create(&mut self, path: PathBuf) -> io::Result<usize> {
        if self.names.files.contains_key(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|folder| self.has_folder(folder)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = self.files.len();
        self.files.push(SimFile::default());
        self.change_name(NameChange::Link(path, id))?;
        Ok(id)
    }
}

/// A path without dots.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>> {
        let id = self.alive()?.id_of(path)?;
        Ok(Arc::new(self.handle(id)))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.alive()?;
        let path = tidy(path);
        let is_folder = state.has_folder(&path);
        let size_bytes = match state.names.files.get(&path) {
            Some(id) => state.files.get(*id).map_or(0, |file| file.live.len() as u64),
            None if is_folder => 0,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Stat {
            size_bytes,
            mtime_ns: 0,
            is_folder,
        })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.alive()?;
        let folder = tidy(folder);
        if !state.has_folder(&folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let all = state.names.files.keys().chain(&state.names.folders);
        let mut inside: Vec<_> = all.filter(|path| path.parent() == Some(&folder)).cloned().collect();
        inside.sort();
        Ok(inside)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        drop(self.alive()?);
        Ok(tidy(path))
    }

    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>> {
        let target = tidy(target);
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut state = self.alive()?;
        let temp = target.with_file_name(format!(".{}.{:016x}.tmp", name.to_string_lossy(), state.steps));
        let id = state.create(temp.clone())?;
        Ok(Box::new(SimStaged {
            file: self.handle(id),
            bytes: Vec::new(),
            temp,
            target,
            published: false,
        }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let id = self.alive()?.create(tidy(path))?;
        Ok(Arc::new(self.handle(id)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let id = self.alive()?.id_of(path)?;
        Ok(Arc::new(self.handle(id)))
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        let folder = tidy(folder);
        let mut missing: Vec<_> = folder.ancestors().filter(|part| !state.has_folder(part)).collect();
        while let Some(part) = missing.pop() {
            state.change_name(NameChange::Folder(part.to_path_buf()))?;
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.alive()?.sync_names(&tidy(folder))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        let id = state.id_of(from)?;
        state.change_name(NameChange::Rename(tidy(from), tidy(to), id))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.id_of(path)?;
        state.change_name(NameChange::Unlink(tidy(path)))
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let mut state = self.alive()?;
        let path = tidy(path);
        if !state.locks.insert(path.clone()) {
            return Ok(LockOutcome::Busy(Some(1)));
        }
        if !state.names.files.contains_key(&path) {
            let created = state.create(path.clone());
            if let Err(error) = created {
                state.locks.remove(&path);
                return Err(error);
            }
        }
        drop(state);
        Ok(LockOutcome::Held(Box::new(SimLock {
            disk: self.clone(),
            path,
        })))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimHandle {
    disk: SimDisk,
    id: usize,
}

impl SimHandle {
    fn size(&self, state: &State) -> u64 {
        state.files.get(self.id).map_or(0, |file| file.live.len() as u64)
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.disk.alive()?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = state.files.get(self.id).map_or(&[][..], |file| file.live.as_slice());
        let found = from.checked_add(buffer.len()).and_then(|end| bytes.get(from..end));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for SimHandle {
    fn stat(&self) -> Stat {
        Stat {
            size_bytes: self.size(&self.disk.state()),
            mtime_ns: 0,
            is_folder: false,
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read(offset, buffer)
    }
}

impl WriteAt for SimHandle {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.size(&*self.disk.alive()?))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.disk
            .alive()?
            .change_file(self.id, Change::Write(offset, bytes.to_vec()))
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let size = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.disk.alive()?.change_file(self.id, Change::SetLen(size))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.alive()?.sync_file(self.id)
    }
}

struct SimStaged {
    file: SimHandle,
    bytes: Vec<u8>,
    temp: PathBuf,
    target: PathBuf,
    published: bool,
}

impl io::Write for SimStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Staged for SimStaged {
    fn publish(mut self: Box<Self>) -> io::Result<()> {
        self.file.write_at(0, &self.bytes)?;
        self.file.sync_data()?;
        self.file.disk.rename(&self.temp, &self.target)?;
        self.published = true;
        let folder = self.target.parent().unwrap_or(Path::new(""));
        self.file.disk.sync_folder(folder)
    }
}

impl Drop for SimStaged {
    fn drop(&mut self) {
        if !self.published {
            // After a crash the file stays, as it would on a real machine.
            let _ = self.file.disk.remove(&self.temp);
        }
    }
}

/// A clock that goes on by a fixed step whenever it is read.
#[derive(Debug)]
pub struct SimClock {
    now_us: AtomicI64,
    step_us: i64,
}

impl SimClock {
    /// Starts at a time and goes on by `step_us` per reading.
    pub fn new(now_us: i64, step_us: i64) -> Self {
        Self {
            now_us: AtomicI64::new(now_us),
            step_us,
        }
    }

    /// Sets the time, back too.
    pub fn set(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now_us(&self) -> i64 {
        self.now_us.fetch_add(self.step_us, Ordering::Relaxed)
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.now_us().saturating_mul(1_000)).unwrap_or(0)
    }
}

/// Numbers that repeat with their seed (SplitMix64).
#[derive(Debug)]
pub struct SimRandom {
    state: AtomicU64,
}

impl SimRandom {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    /// A number below a bound; 0 for a bound of 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}

impl Random for SimRandom {
    fn next_u64(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::host::read_range;

    fn contents(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(path)).ok()?;
        let size = usize::try_from(file.stat().size_bytes).unwrap();
        Some(read_range(&*file, 0, size).unwrap())
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_is_torn_by_sectors() {
        let disk = SimDisk::new();
        let path = Path::new("f");
        let file = disk.create(path).unwrap();
        file.write_at(0, &[1; 2048]).unwrap();
        file.sync_data().unwrap();
        disk.sync_folder(Path::new("")).unwrap();
        file.write_at(256, &[2; 2048]).unwrap();
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let after = contents(&disk.reboot(seed), "f").unwrap();
            assert!(after.len() >= 2048);
            assert_eq!(after[..256], [1; 256]);
            for sector in after[512..2048].chunks(SECTOR) {
                assert!(sector.iter().all(|byte| *byte == sector[0]));
            }
            seen.insert(after);
        }
        assert!(seen.len() > 10, "{}", seen.len());
        assert_eq!(disk.reboot(7).files(), disk.reboot(7).files());
    }

    #[test]
    fn names_are_lost_until_their_folder_is_synced() {
        let disk = SimDisk::new();
        disk.create(Path::new("a")).unwrap();
        disk.sync_folder(Path::new("")).unwrap();
        disk.rename(Path::new("a"), Path::new("b")).unwrap();
        let names = |disk: &SimDisk| -> Vec<String> {
            let text = |(path, _): &(PathBuf, u64)| path.to_string_lossy().into_owned();
            disk.files().iter().map(text).collect()
        };
        let seen: BTreeSet<_> = (0..50).map(|seed| names(&disk.reboot(seed))).collect();
        assert_eq!(seen.into_iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
        disk.sync_folder(Path::new("")).unwrap();
        assert!((0..50).all(|seed| names(&disk.reboot(seed)) == ["b"]));
    }

    #[test]
    fn a_staged_file_is_whole_or_absent_at_every_step() {
        for step in 1.. {
            let disk = SimDisk::new();
            disk.crash_at(step);
            let stage = || -> io::Result<()> {
                let mut staged = disk.stage(Path::new("t"))?;
                staged.write_all(&[7; 5000])?;
                staged.publish()
            };
            let done = stage().is_ok();
            for seed in 0..20 {
                let after = contents(&disk.reboot(seed), "t");
                assert!(after.is_none_or(|bytes| bytes == [7; 5000]));
            }
            if done {
                assert_eq!((step, disk.steps()), (6, 5));
                break;
            }
            assert!(disk.open(Path::new("t")).is_err());
        }
    }

    #[test]
    fn one_run_shows_the_crashes_of_all_its_steps() {
        let work = |disk: &SimDisk| -> io::Result<()> {
            let mut staged = disk.stage(Path::new("t"))?;
            staged.write_all(&[7; 5000])?;
            staged.publish()?;
            let file = disk.open_write(Path::new("t"))?;
            file.write_at(512, &[8; 3000])?;
            file.set_len(4000)?;
            file.sync_data()
        };
        let state = |disk: &SimDisk| (disk.files(), contents(disk, "t"));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let disk = SimDisk::new();
        let sink = Arc::clone(&shown);
        disk.observe(move |cut| {
            sink.lock()
                .unwrap()
                .push((cut.step(), state(&cut.reboot(cut.step() * 7))))
        });
        work(&disk).unwrap();
        let shown = shown.lock().unwrap();
        assert_eq!(shown.len(), 8);
        for (step, found) in &*shown {
            let disk = SimDisk::new();
            disk.crash_at(*step);
            work(&disk).unwrap_err();
            assert_eq!(*found, state(&disk.reboot(step * 7)), "step {step}");
        }
    }

    #[test]
    fn a_lock_ends_with_its_value() {
        let disk = SimDisk::new();
        let held = disk.lock(Path::new("lock")).unwrap();
        assert!(matches!(
            disk.lock(Path::new("lock")).unwrap(),
            LockOutcome::Busy(Some(1))
        ));
        drop(held);
        assert!(matches!(disk.lock(Path::new("lock")).unwrap(), LockOutcome::Held(_)));
    }
}
