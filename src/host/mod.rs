//! The only door to the outside: time, randomness and the disk.
//!
//! `real().open(Path::new("lineitem.parquet"))?.read_at(0, &mut magic)?` reads the four bytes `PAR1`.
//!
//! Invariants: nothing else in the house calls `std::fs` or a clock; every method is safe to call from any thread; a
//! staged file appears under its target name complete and durable, or not at all.
//!
//! Does not: cache, buffer, or know formats.

mod real;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use real::{RealClock, RealDisk, RealRandom};

/// Files and folders.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file for positioned reads.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>>;

    /// What lies at a path now.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// The entries of a folder, sorted by name.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// The absolute path without links or dots.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// A new file in the folder of `target` that becomes `target` when published and vanishes when dropped before.
    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>>;
}

/// An open file, read at positions; a short file is an error of kind `UnexpectedEof`.
pub trait ReadAt: Debug + Send + Sync {
    /// Size and times when the file was opened.
    fn stat(&self) -> Stat;

    /// Fills the whole buffer from an offset.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A file being written.
pub trait Staged: io::Write + Send {
    /// Makes the contents durable and gives the file its target name.
    fn publish(self: Box<Self>) -> io::Result<()>;
}

/// Size and time of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i128,
    /// A folder.
    pub is_folder: bool,
}

/// The time of day.
pub trait Clock: Debug + Send + Sync {
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    fn now_us(&self) -> i64;

    /// Nanoseconds since some fixed moment; never goes back.
    fn monotonic_ns(&self) -> u64;
}

/// Unpredictable numbers.
pub trait Random: Debug + Send + Sync {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}

/// The disk of the operating system.
pub fn real() -> Arc<dyn Disk> {
    static DISK: OnceLock<Arc<RealDisk>> = OnceLock::new();
    DISK.get_or_init(|| Arc::new(RealDisk)).clone()
}

/// Reads a range into a new vector.
pub fn read_range(file: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let size = file.stat().size_bytes;
    if offset.checked_add(len as u64).is_none_or(|end| end > size) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut buffer = vec![0; len];
    file.read_at(offset, &mut buffer)?;
    Ok(buffer)
}

/// Sequential reads from a position.
#[derive(Debug)]
pub struct Cursor {
    file: Arc<dyn ReadAt>,
    at: u64,
}

impl Cursor {
    /// From a byte of the file.
    pub fn new(file: Arc<dyn ReadAt>, at: u64) -> Self {
        Self { file, at }
    }
}

impl io::Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.stat().size_bytes.saturating_sub(self.at);
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.file.read_at(self.at, &mut buffer[..len])?;
        self.at += len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_staged_file_appears_when_published() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("t");
        let disk = real();
        let mut staged = disk.stage(&target).unwrap();
        staged.write_all(b"half").unwrap();
        drop(staged);
        assert!(disk.list(folder.path()).unwrap().is_empty());

        let mut staged = disk.stage(&target).unwrap();
        staged.write_all(b"hello").unwrap();
        assert!(disk.stat(&target).is_err());
        staged.publish().unwrap();
        assert_eq!(disk.list(folder.path()).unwrap(), std::slice::from_ref(&target));

        let file = disk.open(&target).unwrap();
        assert_eq!(read_range(&*file, 1, 3).unwrap(), b"ell");
        assert_eq!(
            read_range(&*file, 3, 3).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        let mut rest = String::new();
        Cursor::new(file, 2).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "llo");
        assert!(disk.open(folder.path()).is_err());
    }

    #[test]
    fn time_goes_on_and_chance_varies() {
        let clock = RealClock::default();
        let before = clock.monotonic_ns();
        assert!(clock.now_us() > 1_600_000_000_000_000);
        assert!(clock.monotonic_ns() >= before);
        assert_ne!(RealRandom.next_u64(), RealRandom.next_u64());
    }
}
