//! The operating system's disk, clock and randomness.
//!
//! `RealDisk.stage("out.csv")` writes `.out.csv.1f2e….tmp` beside it and renames that on publish.
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

use super::{Clock, Disk, Lock, LockOutcome, Random, ReadAt, Staged, Stat, WriteAt};

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
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let token = RealRandom.next_u64();
        let temp = target.with_file_name(format!(".{}.{token:016x}.tmp", name.to_string_lossy()));
        let file = File::create_new(&temp)?;
        Ok(Box::new(RealStaged {
            file: io::BufWriter::with_capacity(1 << 16, file),
            temp,
            target: target.to_path_buf(),
            published: false,
        }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(RealWrite { file }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealWrite { file }))
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
}

/// The lock lives as long as the open file.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl Lock for RealLock {}

#[derive(Debug)]
struct RealWrite {
    file: File,
}

impl WriteAt for RealWrite {
    fn size_bytes(&self) -> io::Result<u64> {
        self.file.metadata().map(|meta| meta.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.file.set_len(size_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

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

struct RealStaged {
    file: io::BufWriter<File>,
    temp: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Write for RealStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for RealStaged {
    fn publish(mut self: Box<Self>) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.temp, &self.target)?;
        self.published = true;
        let folder = self.target.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for RealStaged {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a temporary file that cannot be removed; its name says what it is.
            let _ = fs::remove_file(&self.temp);
        }
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
