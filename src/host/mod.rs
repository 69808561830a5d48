//! The only door to the outside: time, randomness and the disk.
//!
//! `real().open(Path::new("lineitem.parquet"))?.read_at(0, &mut magic)?` reads the four bytes `PAR1`.
//!
//! Invariants: nothing else in the house calls `std::fs` or a clock; every method is safe to call from any thread; a
//! staged file appears under its target name complete and durable, or not at all. What was written is durable once its
//! file was synced *and*, for a file just created, renamed or removed, its folder.
//!
//! Does not: cache, buffer, or know formats.

mod direct;
mod machine;
mod memory;
mod none;
mod real;
#[cfg(feature = "remote")]
pub mod remote;
pub mod sim;
mod staged;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use machine::{memory_bytes, user_name};
pub use memory::MemoryDisk;
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

    /// A new file in the folder of `target` that becomes `target` when published and vanishes when dropped before. Links are
    /// followed; what is no file (a device, a pipe) is written to as it is.
    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>>;

    /// Makes a file that must not exist yet, for positioned reads and writes; its name is durable once
    /// [`Disk::sync_folder`] returned.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>>;

    /// Opens a file that exists for positioned reads and writes.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>>;

    /// Makes a folder, and those above it that are missing; none that exists is an error.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of a file that had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; one that is open can still be read.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with nothing in it, where folders are more than a part of names.
    fn remove_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Takes the lock that a file stands for, which is made if need be and then names this process. The lock ends with
    /// the value or with the process; the file stays.
    fn lock(&self, path: &Path) -> io::Result<LockOutcome>;

    /// Keeps a file that exists from being claimed, together with any number of others; waits while it is claimed. Nothing
    /// is written. `None`: the medium knows no such thing, or need not.
    fn share(&self, _path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(None)
    }

    /// Keeps a file that exists from being shared, unless somebody does: then `None`.
    fn claim(&self, _path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(Some(Box::new(Alone)))
    }
}

/// A lock where nobody else can be.
#[derive(Debug)]
struct Alone;

impl Lock for Alone {}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum LockOutcome {
    /// It is ours until this is dropped.
    Held(Box<dyn Lock>),
    /// Another has it: the process of this id, if the file tells.
    Busy(Option<u32>),
}

/// A lock that is held.
pub trait Lock: Debug + Send + Sync {}

/// An open file that can be written at positions. A write past the end fills the gap with zeros.
pub trait WriteAt: Debug + Send + Sync {
    /// Size in bytes now.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Fills the whole buffer from an offset.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all bytes at an offset. They are durable once [`WriteAt::sync_data`] returned; before, any of their
    /// sectors may be lost.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// As [`WriteAt::write_at`], where the file has nothing but zeros behind the bytes, up to a multiple of 4,096 at least: what is
    /// appended like that, a little at a time, may have a shorter way to the medium, if a sync is about to follow.
    fn append_at(&self, offset: u64, bytes: &[u8], _is_synced_next: bool) -> io::Result<()> {
        self.write_at(offset, bytes)
    }

    /// Cuts the file off, or extends it by zeros.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;

    /// Makes the contents durable, and the size where they need it. After an error nothing is known about what was
    /// written since the last success, so the file must not be written on.
    fn sync_data(&self) -> io::Result<()>;
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

/// How URLs of object stores begin.
pub const REMOTE_SCHEMES: [&str; 7] = ["s3", "s3a", "az", "abfs", "abfss", "gs", "memory"];

/// Whether a path is a URL of an object store.
pub fn is_remote(path: &Path) -> bool {
    let text = path.to_str().and_then(|path| path.split_once("://"));
    text.is_some_and(|(scheme, _)| REMOTE_SCHEMES.contains(&scheme))
}

/// The disk that a path is on. What cannot be reached says why when it is used.
pub fn disk_of(path: &Path) -> Arc<dyn Disk> {
    match is_remote(path) {
        true => remote_disk(path).unwrap_or_else(|error| Arc::new(none::NoDisk(error))),
        false => real(),
    }
}

#[cfg(feature = "remote")]
fn remote_disk(path: &Path) -> io::Result<Arc<dyn Disk>> {
    remote::disk_of(path.to_str().unwrap_or_default())
}

#[cfg(not(feature = "remote"))]
fn remote_disk(_: &Path) -> io::Result<Arc<dyn Disk>> {
    let message = "this gobi was built without object stores (the feature `remote`)";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// Writes zeros over a range, so that later writes there change neither the file's size nor its blocks, and a sync of
/// them has nothing to do but the data.
pub fn fill_zero(file: &dyn WriteAt, mut offset: u64, end: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 18];
    while offset < end {
        let len = usize::try_from(end - offset).map_or(zeros.len(), |left| left.min(zeros.len()));
        file.write_at(offset, &zeros[..len])?;
        offset += len as u64;
    }
    Ok(())
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
    fn a_file_is_written_at_positions() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), folder.path().join("deep/er/f"));
        disk.create_folder(path.parent().unwrap()).unwrap();
        disk.create_folder(path.parent().unwrap()).unwrap();
        let file = disk.create(&path).unwrap();
        assert!(disk.create(&path).is_err());
        fill_zero(&*file, 0, 600_000).unwrap();
        file.write_at(600_000, b"end").unwrap();
        file.sync_data().unwrap();
        disk.sync_folder(path.parent().unwrap()).unwrap();
        let to = path.with_file_name("g");
        disk.rename(&path, &to).unwrap();
        let again = disk.open_write(&to).unwrap();
        let mut end = [0; 4];
        again.read_at(599_999, &mut end).unwrap();
        assert_eq!((&end, again.size_bytes().unwrap()), (b"\0end", 600_003));
        again.set_len(5).unwrap();
        assert_eq!(file.size_bytes().unwrap(), 5);
        disk.remove(&to).unwrap();
        assert!(disk.open_write(&to).is_err());
    }

    #[test]
    fn a_lock_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), folder.path().join("lock"));
        let LockOutcome::Held(held) = disk.lock(&path).unwrap() else {
            panic!("nobody else has it");
        };
        let busy = disk.lock(&path).unwrap();
        assert!(matches!(busy, LockOutcome::Busy(Some(pid)) if pid == std::process::id()));
        drop(held);
        assert!(matches!(disk.lock(&path).unwrap(), LockOutcome::Held(_)));
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
