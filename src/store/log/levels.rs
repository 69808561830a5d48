//! Where the log's hashes lie: one file per eighth level of the tree, each a plain array of 32-byte hashes.
//!
//! `log/00` has the commits' ids, `log/08` the roots over 256 of them each, `log/16` those over 65,536. The hash of any
//! other complete subtree is computed from at most 128 hashes of the file below it, so that a proof in a log of ten million
//! commits reads some 20 KB, and a commit costs 32.1 bytes.
//!
//! Invariants: the first `size >> level` hashes of each file are durable before a HEAD names that size; what lies behind
//! them is without meaning. Everything here follows from the commit records: it is an index, and HEAD's root checks it.
//!
//! Does not: say when to write; the timeline's checkpoint does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Hash, Subtrees, node_hash};
use crate::host::{Disk, ReadAt};
use crate::store::object::{CommitId, ObjectId};
use crate::store::{Damage, StoreError};

/// Levels between two files.
const STRIDE: u32 = 8;
/// Files, enough for 2^64 commits.
const FILES: usize = 8;
const HASH_BYTES: u64 = 32;

/// The hashes of a log: those up to the last checkpoint in files, later ones in memory.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    folder: PathBuf,
    levels: Vec<Level>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    /// Hashes in the file.
    stored: u64,
    file: Option<Arc<dyn ReadAt>>,
    /// Those after them.
    recent: Vec<Hash>,
}

/// What a checkpoint has to write: hashes from a position of a file on.
#[derive(Debug)]
pub(crate) struct Unsaved {
    level: usize,
    from: u64,
    hashes: Vec<Hash>,
}

impl Levels {
    /// The hashes of a log that had `size` commits at its last checkpoint.
    pub(crate) fn open(disk: &dyn Disk, folder: &Path, size: u64) -> Result<Self, StoreError> {
        let mut levels = Vec::with_capacity(FILES);
        for index in 0..FILES {
            let stored = count(size, index);
            let path = file_name(folder, index);
            let file = match stored {
                0 => None,
                _ => Some(disk.open(&path).map_err(|error| StoreError::reading(&path, 0, error))?),
            };
            let recent = Vec::new();
            levels.push(Level { stored, file, recent });
        }
        let folder = folder.to_path_buf();
        Ok(Self { folder, levels })
    }

    /// The files, and bytes of each that are durable.
    pub(crate) fn files(&self) -> Vec<(String, u64)> {
        let of = |(index, level): (usize, &Level)| {
            let name = file_name(Path::new(""), index);
            (name.display().to_string(), level.stored * HASH_BYTES)
        };
        let files = self.levels.iter().enumerate().map(of);
        files.filter(|(_, len)| *len > 0).collect()
    }

    /// Commits in the log.
    pub(crate) fn size(&self) -> u64 {
        self.levels.first().map_or(0, Level::len)
    }

    /// The id of a commit.
    pub(crate) fn leaf(&self, index: u64) -> Result<CommitId, StoreError> {
        let size = self.size();
        if index >= size {
            let what = "commit";
            let asked = index;
            return Err(StoreError::OutOfLog { what, asked, size });
        }
        self.subtree(0, index)
    }

    /// Adds a commit.
    pub(crate) fn append(&mut self, leaf: CommitId) -> Result<(), StoreError> {
        let mut hash = leaf;
        for index in 0..self.levels.len() {
            self.levels[index].recent.push(hash);
            let len = self.levels[index].len();
            if !len.is_multiple_of(1 << STRIDE) {
                break;
            }
            let level = u32::try_from(index + 1).unwrap_or(u32::MAX) * STRIDE;
            hash = self.compute(level, (len >> STRIDE) - 1)?;
        }
        Ok(())
    }

    /// What is not in the files yet.
    pub(crate) fn unsaved(&self) -> Vec<Unsaved> {
        let with_recent = self
            .levels
            .iter()
            .enumerate()
            .filter(|(_, level)| !level.recent.is_empty());
        with_recent
            .map(|(index, level)| Unsaved {
                level: index,
                from: level.stored,
                hashes: level.recent.clone(),
            })
            .collect()
    }

    /// Writes and syncs hashes; the names of files made are durable too.
    pub(crate) fn save(disk: &dyn Disk, folder: &Path, unsaved: &[Unsaved]) -> Result<(), StoreError> {
        let mut created = false;
        for part in unsaved {
            let path = file_name(folder, part.level);
            let exists = disk.stat(&path).is_ok();
            created |= !exists;
            let opened = if exists {
                disk.open_write(&path)
            } else {
                disk.create(&path)
            };
            let bytes: Vec<u8> = part.hashes.iter().flat_map(|hash| hash.0).collect();
            opened
                .and_then(|file| {
                    file.write_at(part.from * HASH_BYTES, &bytes)?;
                    file.sync_data()
                })
                .map_err(|error| StoreError::io(&path, error))?;
        }
        if created {
            disk.sync_folder(folder)
                .map_err(|error| StoreError::io(folder, error))?;
        }
        Ok(())
    }

    /// Notes that hashes are in the files now.
    pub(crate) fn saved(&mut self, disk: &dyn Disk, unsaved: &[Unsaved]) -> Result<(), StoreError> {
        for part in unsaved {
            let path = file_name(&self.folder, part.level);
            let file = disk.open(&path).map_err(|error| StoreError::reading(&path, 0, error))?;
            if let Some(level) = self.levels.get_mut(part.level) {
                level.file = Some(file);
                level.stored += part.hashes.len() as u64;
                level.recent.drain(..part.hashes.len().min(level.recent.len()));
            }
        }
        Ok(())
    }

    /// Computes every hash of the upper files anew from the lowest; says which are not as they should be.
    pub(crate) fn check(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damages = Vec::new();
        for (file, level) in self.levels.iter().enumerate().skip(1) {
            let above = u32::try_from(file).unwrap_or(u32::MAX) * STRIDE;
            for index in 0..level.len() {
                let is = self.read(file, index, 1)?;
                if is.first() != Some(&self.compute(above, index)?) {
                    let path = file_name(&self.folder, file);
                    damages.push(Damage::new(&path, "a hash is not that of what is below").at(index * HASH_BYTES));
                }
            }
        }
        Ok(damages)
    }

    /// The file that has a level's hashes.
    pub(crate) fn path(&self, level: u32) -> PathBuf {
        file_name(&self.folder, usize::try_from(level / STRIDE).unwrap_or(0))
    }

    /// Hashes of a file, in order.
    fn read(&self, file: usize, from: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
        let level = &self.levels[file.min(FILES - 1)];
        let in_file = level.stored.saturating_sub(from).min(count);
        let mut hashes = Vec::new();
        if let (1.., Some(open)) = (in_file, &level.file) {
            let mut bytes = vec![0; usize::try_from(in_file * HASH_BYTES).unwrap_or(0)];
            open.read_at(from * HASH_BYTES, &mut bytes)
                .map_err(|error| StoreError::reading(&file_name(&self.folder, file), from * HASH_BYTES, error))?;
            hashes.extend(
                bytes
                    .chunks_exact(32)
                    .filter_map(|chunk| chunk.try_into().ok().map(ObjectId)),
            );
        }
        let skip = usize::try_from((from + in_file).saturating_sub(level.stored)).unwrap_or(usize::MAX);
        let left = usize::try_from(count - in_file).unwrap_or(0);
        hashes.extend(level.recent.iter().skip(skip).take(left));
        Ok(hashes)
    }

    /// A subtree's root, from the file at or below `level - 1`.
    fn compute(&self, level: u32, index: u64) -> Result<Hash, StoreError> {
        let file = level.saturating_sub(1) / STRIDE;
        let rise = level - file * STRIDE;
        let mut hashes = self.read(usize::try_from(file).unwrap_or(FILES), index << rise, 1 << rise)?;
        if hashes.len() != 1 << rise {
            return Err(StoreError::OutOfLog {
                what: "commit",
                asked: index << level,
                size: self.size(),
            });
        }
        while hashes.len() > 1 {
            hashes = hashes
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
        }
        hashes.pop().ok_or(StoreError::OutOfLog {
            what: "commit",
            asked: index << level,
            size: self.size(),
        })
    }
}

impl Level {
    fn len(&self) -> u64 {
        self.stored + self.recent.len() as u64
    }
}

impl Subtrees for Levels {
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, StoreError> {
        if level.is_multiple_of(STRIDE)
            && let Some(hash) = self
                .read(usize::try_from(level / STRIDE).unwrap_or(FILES), index, 1)?
                .pop()
        {
            return Ok(hash);
        }
        self.compute(level, index)
    }
}

/// Hashes that a file of a log of some size has.
fn count(size: u64, file: usize) -> u64 {
    size >> (file * 8)
}

fn file_name(folder: &Path, file: usize) -> PathBuf {
    folder.join(format!("{:02}", file * 8))
}
