//! A whole database in one file, `x.gobi`: written from a folder, unpacked into one, or read in place.
//!
//! `packed::write(&disk, "db", "x.gobi")` copies what a reader needs of the folder; `PackedDisk::open(&disk, "x.gobi")` is a disk on
//! which the file is a folder, from which a [`super::database::Database`] is opened for reading like from any other.
//!
//! ```text
//! header    `gobifile` (8), version 1 (4), format version of the files inside (4), size of the log (8), its root (32),
//!           checksum of the above, seed 0 (8)
//! files     one after the other, without gaps, in the order of their names
//! index     how many (varint), per file: name (text), length (varint), SHA-256 (32)
//! footer    position of the index (8), its length (8), checksum of the index, seed 0 (8), checksum of the footer so far (8)
//! ```
//!
//! Invariants: equal folders give equal files. What is packed was read and checked against its hashes before, and what is unpacked is
//! what was packed, or an error that leaves nothing behind. A writer beside the packing does no harm: what is packed is the database
//! as of some moment.
//!
//! Does not: write into a packed file.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::database::Database;
use super::log::LogHead;
use super::timeline::{Machine, Mode};
use super::undo::Undo;
use super::wire::{Malformed, Reader, checksum, write_bytes, write_varint};
use super::{Damage, FORMAT_VERSION, StoreError};
use crate::host::{Disk, LockOutcome, ReadAt, Staged, Stat, WriteAt};

const MAGIC: &[u8; 8] = b"gobifile";
const VERSION: u32 = 1;
const HEADER: u64 = 64;
const FOOTER: u64 = 32;
/// Copied at a time.
const COPY_BYTES: usize = 1 << 20;
/// A folder that a writer changes is begun anew so often.
const ATTEMPTS: usize = 10;

/// What a packed file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedSummary {
    /// Files in it.
    pub files: u64,
    /// Its size.
    pub bytes: u64,
    /// The log inside.
    pub log: LogHead,
}

/// A file inside.
#[derive(Clone, Debug)]
struct Entry {
    start: u64,
    len: u64,
    hash: [u8; 32],
}

/// Packs the database in a folder into a file, which may be on another disk; if anything in it is not as it was written, that is the
/// error.
pub fn write(machine: &Machine, folder: &Path, target: (&dyn Disk, &Path)) -> Result<PackedSummary, StoreError> {
    write_checked(machine, folder, target, &|database| {
        let damage = database.verify(true)?.damages.into_iter().next();
        damage.map_or(Ok(()), |damage| Err(damage.into()))
    })
}

fn write_checked(
    machine: &Machine,
    folder: &Path,
    target: (&dyn Disk, &Path),
    check: &dyn Fn(&Database) -> Result<(), StoreError>,
) -> Result<PackedSummary, StoreError> {
    let head = folder.join("HEAD");
    let mut attempt = 1;
    loop {
        let before = match read_all(&*machine.disk, &head) {
            // Opening it tells whether it is lost, or was never there.
            Err(error @ StoreError::NoDatabase(_)) => {
                return Err(Database::open(machine.clone(), folder, Mode::Read)
                    .err()
                    .unwrap_or(error));
            }
            before => before?,
        };
        let database = Database::open(machine.clone(), folder, Mode::Read)?;
        let written = check(&database).and_then(|()| write_once(machine, &database, &before, target));
        let changed = read_all(&*machine.disk, &head)? != before;
        match written {
            // Files may have been put away or replaced under our eyes, and look damaged then.
            _ if changed && attempt < ATTEMPTS => attempt += 1,
            written => {
                let (staged, summary) = written?;
                staged.publish().map_err(|error| StoreError::io(target.1, error))?;
                return Ok(summary);
            }
        }
    }
}

type Written = (Box<dyn Staged>, PackedSummary);

fn write_once(
    machine: &Machine,
    database: &Database,
    head: &[u8],
    (target_disk, target): (&dyn Disk, &Path),
) -> Result<Written, StoreError> {
    let disk = &*machine.disk;
    let folder = database.timeline()?.folder().to_path_buf();
    let failed = |error| StoreError::io(target, error);
    let log = database.timeline()?.log_head();
    let mut staged = target_disk.stage(target).map_err(failed)?;
    staged.write_all(&header(log)).map_err(failed)?;
    let named = database.files()?.into_iter();
    let mut files: BTreeMap<String, Option<u64>> = named.map(|(name, len)| (name, Some(len))).collect();
    files.insert("HEAD".into(), None);
    let mut index = Vec::new();
    write_varint(&mut index, files.len() as u64);
    let mut at = HEADER;
    for (name, len) in &files {
        let (len, hash) = match len {
            None => {
                staged.write_all(head).map_err(failed)?;
                (head.len() as u64, Sha256::digest(head).into())
            }
            Some(len) => {
                let path = folder.join(name);
                let source = disk.open(&path).map_err(|error| StoreError::reading(&path, 0, error))?;
                let entry = Entry {
                    start: 0,
                    len: *len,
                    hash: [0; 32],
                };
                let copied = copy(&*source, &entry, &mut |bytes| staged.write_all(bytes));
                (*len, copied.map_err(|error| StoreError::reading(&path, 0, error))?)
            }
        };
        write_bytes(&mut index, name.as_bytes());
        write_varint(&mut index, len);
        index.extend::<[u8; 32]>(hash);
        at += len;
    }
    let mut footer = Vec::new();
    footer.extend(at.to_le_bytes());
    footer.extend((index.len() as u64).to_le_bytes());
    footer.extend(checksum(0, &index).to_le_bytes());
    footer.extend(checksum(0, &footer).to_le_bytes());
    staged
        .write_all(&index)
        .and_then(|()| staged.write_all(&footer))
        .map_err(failed)?;
    let bytes = at + index.len() as u64 + FOOTER;
    let files = files.len() as u64;
    Ok((staged, PackedSummary { files, bytes, log }))
}

fn header(log: LogHead) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.extend(log.size.to_le_bytes());
    out.extend(log.root.0);
    out.extend(checksum(0, &out).to_le_bytes());
    out
}

/// A packed file as a machine on which it is a folder.
pub fn machine_of(machine: &Machine, path: &Path) -> Result<Machine, StoreError> {
    let disk = Arc::new(PackedDisk::open(&machine.disk, path)?);
    Ok(Machine {
        disk,
        ..machine.clone()
    })
}

/// Hands a part of a file out in pieces; gives its hash.
fn copy(file: &dyn ReadAt, entry: &Entry, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut done = 0;
    while done < entry.len {
        let len = usize::try_from(entry.len - done).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        let piece = buffer.get_mut(..len).unwrap_or_default();
        file.read_at(entry.start + done, piece)?;
        hasher.update(&*piece);
        take(piece)?;
        done += len as u64;
    }
    Ok(hasher.finalize().into())
}

fn read_all(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, StoreError> {
    let failed = |error| StoreError::reading(path, 0, error);
    let file = disk.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::NoDatabase(path.parent().unwrap_or(path).to_path_buf()),
        _ => failed(error),
    })?;
    let size = usize::try_from(file.stat().size_bytes).unwrap_or(usize::MAX);
    crate::host::read_range(&*file, 0, size).map_err(failed)
}

/// Unpacks a file, which may be on another disk, into a folder, which must be missing or empty.
pub fn unpack(
    (source_disk, source): (&Arc<dyn Disk>, &Path),
    (disk, folder): (&dyn Disk, &Path),
) -> Result<PackedSummary, StoreError> {
    let packed = PackedDisk::open(source_disk, source)?;
    match disk.list(folder) {
        Ok(entries) if !entries.is_empty() => return Err(StoreError::NotEmpty(folder.to_path_buf())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(folder, error)),
        _ => {}
    }
    let undo = Undo::of(disk, folder);
    match unpack_into(&packed, (disk, folder)) {
        Ok(()) => Ok(packed.summary),
        Err(error) => {
            undo.undo(disk);
            Err(error)
        }
    }
}

fn unpack_into(packed: &PackedDisk, (disk, folder): (&dyn Disk, &Path)) -> Result<(), StoreError> {
    // HEAD makes it a database, and comes last.
    let last = |name: &&String| (*name == "HEAD", (*name).clone());
    let mut names: Vec<&String> = packed.entries.keys().collect();
    names.sort_by_key(last);
    for inside in ["packs", "log", "segments"] {
        let path = folder.join(inside);
        disk.create_folder(&path)
            .map_err(|error| StoreError::io(&path, error))?;
    }
    for name in names {
        let Some(entry) = packed.entries.get(name) else {
            continue;
        };
        let target = folder.join(name);
        let failed = |error| StoreError::io(&target, error);
        let mut staged = disk.stage(&target).map_err(failed)?;
        packed.check(name, entry, &mut |bytes| staged.write_all(bytes))?;
        staged.publish().map_err(failed)?;
    }
    for path in [folder, folder.parent().unwrap_or(folder)] {
        disk.sync_folder(path).map_err(|error| StoreError::io(path, error))?;
    }
    Ok(())
}

/// A disk on which a packed file is a folder of the same name. Everything else is as on the disk below, and nothing can be
/// written.
#[derive(Debug)]
pub struct PackedDisk {
    path: PathBuf,
    file: Arc<dyn ReadAt>,
    entries: BTreeMap<String, Entry>,
    summary: PackedSummary,
}

impl PackedDisk {
    /// Opens a packed file.
    pub fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        let file = disk.open(path).map_err(|error| StoreError::reading(path, 0, error))?;
        let size = file.stat().size_bytes;
        let damage = |at: u64, what: &str| StoreError::from(Damage::new(path, what).at(at));
        let read = |at: u64, len: u64| -> Result<Vec<u8>, StoreError> {
            let len = usize::try_from(len).map_err(|_| damage(at, "it is too long"))?;
            crate::host::read_range(&*file, at, len).map_err(|error| StoreError::reading(path, at, error))
        };
        if size < HEADER + FOOTER {
            return Err(damage(0, "this is no packed database: it is too short"));
        }
        let log = read_header(&read(0, HEADER)?, path)?;
        let footer_at = size - FOOTER;
        let footer = read(footer_at, FOOTER)?;
        let malformed = |Malformed(what): Malformed| damage(footer_at, what);
        let (index_at, index_len, index_sum) = read_footer(&footer).map_err(malformed)?;
        if index_at.checked_add(index_len) != Some(footer_at) {
            return Err(damage(footer_at, "the index is not where the footer says"));
        }
        let index = read(index_at, index_len)?;
        if checksum(0, &index) != index_sum {
            return Err(damage(index_at, "the checksum of the index does not match"));
        }
        let entries = read_index(&index, index_at).map_err(|Malformed(what)| damage(index_at, what))?;
        let files = entries.len() as u64;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            entries,
            summary: PackedSummary {
                files,
                bytes: size,
                log,
            },
        })
    }

    /// What it says of itself.
    pub fn summary(&self) -> PackedSummary {
        self.summary
    }

    /// Hashes all files; what is damaged.
    pub fn verify(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damages = Vec::new();
        for (name, entry) in &self.entries {
            match self.check(name, entry, &mut |_| Ok(())) {
                Err(StoreError::Corrupt(damage)) => damages.push(*damage),
                other => other?,
            }
        }
        Ok(damages)
    }

    fn check(
        &self,
        name: &str,
        entry: &Entry,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let hash =
            copy(&*self.file, entry, take).map_err(|error| StoreError::reading(&self.path, entry.start, error))?;
        if hash != entry.hash {
            let damage = Damage::new(&self.path.join(name), "it does not have its hash");
            return Err(damage.at(entry.start).into());
        }
        Ok(())
    }

    /// A name inside, if the path leads there.
    fn inside(&self, path: &Path) -> Option<String> {
        let rest = path.strip_prefix(&self.path).ok()?;
        Some(rest.to_string_lossy().replace('\\', "/"))
    }

    fn entry(&self, path: &Path) -> io::Result<&Entry> {
        let name = self.inside(path).ok_or(io::ErrorKind::NotFound)?;
        self.entries.get(&name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn read_header(bytes: &[u8], path: &Path) -> Result<LogHead, StoreError> {
    let read = || -> Result<_, Malformed> {
        let mut reader = Reader::new(bytes);
        if &reader.array()? != MAGIC {
            return Err(Malformed("this is no packed database"));
        }
        let versions = (reader.u32()?, reader.u32()?);
        let log = LogHead {
            size: reader.u64()?,
            root: reader.id()?,
        };
        let sound = reader.u64()? == checksum(0, bytes.get(..bytes.len() - 8).unwrap_or_default());
        Ok((versions, log, sound))
    };
    let ((version, format), log, sound) = read().map_err(|Malformed(what)| Damage::new(path, what).at(0))?;
    if !sound {
        return Err(Damage::new(path, "the checksum of the header does not match")
            .at(0)
            .into());
    }
    for (found, known) in [(version, VERSION), (format, FORMAT_VERSION)] {
        if found != known {
            let file = path.to_path_buf();
            return Err(StoreError::Version { file, found, known });
        }
    }
    Ok(log)
}

/// Position, length and checksum of the index.
fn read_footer(bytes: &[u8]) -> Result<(u64, u64, u64), Malformed> {
    let mut reader = Reader::new(bytes);
    let index = (reader.u64()?, reader.u64()?, reader.u64()?);
    match reader.u64()? == checksum(0, bytes.get(..24).unwrap_or_default()) {
        true => Ok(index),
        false => Err(Malformed("the checksum of the footer does not match")),
    }
}

fn read_index(bytes: &[u8], end: u64) -> Result<BTreeMap<String, Entry>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut entries = BTreeMap::new();
    let mut start = HEADER;
    for _ in 0..reader.size()? {
        let (name, len, hash) = (reader.text()?, reader.varint()?, reader.array()?);
        // What is unpacked stays inside of its folder.
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains('\\') {
            return Err(Malformed("a file has a name that leads elsewhere"));
        }
        entries.insert(name.to_string(), Entry { start, len, hash });
        start = start.checked_add(len).ok_or(Malformed("a file is too long"))?;
    }
    reader.finish()?;
    match start == end {
        true => Ok(entries),
        false => Err(Malformed("the files do not end where the index begins")),
    }
}

/// A file inside, read like one of its own.
#[derive(Debug)]
struct Inside {
    file: Arc<dyn ReadAt>,
    start: u64,
    stat: Stat,
}

impl ReadAt for Inside {
    fn stat(&self) -> Stat {
        self.stat
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.stat.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_at(self.start + offset, buffer)
    }
}

fn read_only<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::ReadOnlyFilesystem,
        "a packed database is read only",
    ))
}

impl Disk for PackedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>> {
        let entry = self.entry(path)?;
        Ok(Arc::new(Inside {
            file: Arc::clone(&self.file),
            start: entry.start,
            stat: self.stat(path)?,
        }))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mtime_ns = self.file.stat().mtime_ns;
        if let Ok(entry) = self.entry(path) {
            let size_bytes = entry.len;
            return Ok(Stat {
                size_bytes,
                mtime_ns,
                is_folder: false,
            });
        }
        self.list(path)?;
        Ok(Stat {
            size_bytes: 0,
            mtime_ns,
            is_folder: true,
        })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let inside = self.inside(folder).ok_or(io::ErrorKind::NotFound)?;
        let prefix = if inside.is_empty() { inside } else { inside + "/" };
        let names = self.entries.keys().filter_map(|name| name.strip_prefix(&prefix));
        let mut found: Vec<PathBuf> = names
            .filter_map(|rest| rest.split('/').next())
            .map(|first| folder.join(first))
            .collect();
        found.dedup();
        match found.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(found),
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn stage(&self, _: &Path) -> io::Result<Box<dyn Staged>> {
        read_only()
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn WriteAt>> {
        read_only()
    }

    fn open_write(&self, _: &Path) -> io::Result<Arc<dyn WriteAt>> {
        read_only()
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn lock(&self, _: &Path) -> io::Result<LockOutcome> {
        read_only()
    }
}

#[cfg(test)]
mod tests;
