//! A disk in memory, for what ends with the process.
//!
//! `MemoryDisk::default().create(Path::new("/temp/HEAD"))?.write_at(0, b"gobihead")?` keeps eight bytes until the last clone is gone.
//!
//! Invariants: what was written is there for whoever reads next; a file that was removed can be read by those who have it open.
//!
//! Does not: survive anything, or forget anything as [`super::sim`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{Disk, Lock, LockOutcome, ReadAt, Staged, Stat, WriteAt};

/// Files and folders in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Names>>);

#[derive(Debug, Default)]
struct Names {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Arc<MemoryFile>>,
    locks: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct MemoryFile(RwLock<Vec<u8>>);

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// A path without dots.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out
}

impl MemoryDisk {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        self.names().files.get(&plain(path)).cloned().ok_or_else(missing)
    }
}

impl MemoryFile {
    fn len(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buffer.len())?));
        let found = range.and_then(|range| bytes.get(range));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for MemoryFile {
    fn stat(&self) -> Stat {
        Stat {
            size_bytes: self.len(),
            mtime_ns: 0,
            is_folder: false,
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fill(offset, buffer)
    }
}

impl WriteAt for MemoryFile {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fill(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if held.len() < end {
            held.resize(end, 0);
        }
        held[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let len = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>> {
        Ok(self.file(path)?)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        if self.names().folders.contains(&plain(path)) {
            return Ok(Stat {
                size_bytes: 0,
                mtime_ns: 0,
                is_folder: true,
            });
        }
        Ok(self.file(path)?.stat())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let (folder, names) = (plain(folder), self.names());
        if !names.folders.contains(&folder) {
            return Err(missing());
        }
        let all = names.files.keys().chain(&names.folders);
        let mut inside: Vec<PathBuf> = all.filter(|path| path.parent() == Some(&folder)).cloned().collect();
        inside.sort();
        Ok(inside)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.stat(path).map(|_| plain(path))
    }

    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>> {
        Ok(Box::new(MemoryStaged {
            disk: self.clone(),
            target: plain(target),
            bytes: Vec::new(),
        }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let (path, mut names) = (plain(path), self.names());
        if names.files.contains_key(&path) || names.folders.contains(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        names.files.insert(path, Arc::clone(&file));
        Ok(file)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        Ok(self.file(path)?)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let (folder, mut names) = (plain(folder), self.names());
        for above in folder.ancestors() {
            names.folders.insert(above.to_path_buf());
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.stat(folder).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names();
        let file = names.files.remove(&plain(from)).ok_or_else(missing)?;
        names.files.insert(plain(to), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.names().files.remove(&plain(path)).map(drop).ok_or_else(missing)
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let (path, mut names) = (plain(path), self.names());
        names.files.entry(path.clone()).or_default();
        if !names.locks.insert(path.clone()) {
            return Ok(LockOutcome::Busy(Some(std::process::id())));
        }
        let disk = self.clone();
        Ok(LockOutcome::Held(Box::new(MemoryLock { disk, path })))
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.names().locks.remove(&self.path);
    }
}

struct MemoryStaged {
    disk: MemoryDisk,
    target: PathBuf,
    bytes: Vec<u8>,
}

impl io::Write for MemoryStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Staged for MemoryStaged {
    fn publish(self: Box<Self>) -> io::Result<()> {
        let file = Arc::new(MemoryFile(RwLock::new(self.bytes)));
        self.disk.names().files.insert(self.target, file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_are_kept_as_they_were_written() {
        let disk = MemoryDisk::default();
        let (folder, path) = (Path::new("/a/b"), Path::new("/a/b/f"));
        assert_eq!(disk.list(folder).unwrap_err().kind(), io::ErrorKind::NotFound);
        disk.create_folder(folder).unwrap();
        let file = disk.create(path).unwrap();
        assert!(disk.create(path).is_err());
        file.write_at(3, b"end").unwrap();
        let read = disk.open(path).unwrap();
        disk.remove(path).unwrap();
        let mut bytes = [9; 6];
        read.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0end");
        assert_eq!(
            read.read_at(1, &mut bytes).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );

        let mut staged = disk.stage(path).unwrap();
        staged.write_all(b"new").unwrap();
        assert!(disk.stat(path).is_err());
        staged.publish().unwrap();
        assert_eq!(disk.list(folder).unwrap(), [path]);
        assert_eq!(disk.list(Path::new("/a")).unwrap(), [folder]);
        disk.rename(path, Path::new("/a/g")).unwrap();
        assert_eq!(disk.canonical(Path::new("/a/b/../g")).unwrap(), Path::new("/a/g"));
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let disk = MemoryDisk::default();
        let LockOutcome::Held(lock) = disk.lock(Path::new("/lock")).unwrap() else {
            panic!("nobody has it")
        };
        assert!(matches!(
            disk.lock(Path::new("/lock")).unwrap(),
            LockOutcome::Busy(Some(_))
        ));
        drop(lock);
        assert!(matches!(disk.lock(Path::new("/lock")).unwrap(), LockOutcome::Held(_)));
    }
}
