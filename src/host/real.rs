//! The operating system's disk, clock and randomness.
//!
//! `RealDisk.open("out.csv")` opens the file, whose size and times are looked at once.
//!
//! Invariants: see [`super`].
//!
//! Does not: retry.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::direct::RealWrite;
use super::{Clock, Disk, Lock, LockOutcome, Random, ReadAt, Staged, Stat, WriteAt, staged};

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>> {
        let file = File::open(path)?;
        let stat = stat_of(&file.metadata()?);
        if stat.is_folder {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(RealFile { file, stat }))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        fs::metadata(path).map(|meta| stat_of(&meta))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(folder)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>> {
        staged::stage(target)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(RealWrite::new(file, path)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealWrite::new(file, path)))
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let whole = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(whole)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                Ok(LockOutcome::Held(Box::new(RealLock { _file: file })))
            }
            Err(TryLockError::WouldBlock) => {
                let text = io::read_to_string(file)?;
                Ok(LockOutcome::Busy(text.trim().parse().ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn share(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file = File::open(path)?;
        file.lock_shared()?;
        Ok(Some(Box::new(RealLock { _file: file })))
    }

    fn claim(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file = File::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(RealLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The lock lives as long as the open file.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl Lock for RealLock {}

fn stat_of(meta: &fs::Metadata) -> Stat {
    let mtime_ns = meta.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |ns| -ns),
    });
    Stat {
        size_bytes: meta.len(),
        mtime_ns,
        is_folder: meta.is_dir(),
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    stat: Stat,
}

impl ReadAt for RealFile {
    fn stat(&self) -> Stat {
        self.stat
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    start: Instant,
}

impl Default for RealClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn now_us(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Random bits from the standard library's keyed hasher, whose keys the operating system supplies.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealRandom;

impl Random for RealRandom {
    fn next_u64(&self) -> u64 {
        std::hash::RandomState::new().build_hasher().finish()
    }
}
