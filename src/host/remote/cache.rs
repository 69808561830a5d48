//! Pieces of remote objects on the local disk, as they are there: compressed.
//!
//! The megabyte 3 of `s3://bucket/db/packs/00000000.pack` in the version `"9bb5…"` is a file in the cache's folder (`GOBI_CACHE_DIR`, else
//! `$XDG_CACHE_HOME/gobi`, else `~/.cache/gobi`), found by the hash of all three.
//!
//! Invariants: a piece is found only under the version that it was read as, and only as it was written: it has a checksum; those of
//! stores in memory only by the process that has them. At most
//! `GOBI_CACHE_BYTES` are kept, 8 GiB if nothing is said; what was used longest ago goes first. Without a folder nothing is kept.
//!
//! Does not: fail. What cannot be kept is read again.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

/// Size of a piece.
pub const BLOCK_BYTES: u64 = 1 << 20;
const CHECKSUM_BYTES: usize = 8;
const DEFAULT_LIMIT_BYTES: u64 = 8 << 30;

static HITS: AtomicU64 = AtomicU64::new(0);
static MISSES: AtomicU64 = AtomicU64::new(0);
static EVICTIONS: AtomicU64 = AtomicU64::new(0);

/// What the cache did so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Pieces found.
    pub hits: u64,
    /// Pieces read from their store.
    pub misses: u64,
    /// Pieces dropped for room.
    pub evictions: u64,
    /// Pieces held.
    pub blocks: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Bytes that may be held.
    pub limit_bytes: u64,
}

struct Folder {
    path: PathBuf,
    limit_bytes: u64,
    /// About how much is there; counted anew when something has to go.
    held: Mutex<Option<u64>>,
}

fn folder() -> Option<&'static Folder> {
    static FOLDER: OnceLock<Option<Folder>> = OnceLock::new();
    let found = FOLDER.get_or_init(|| {
        let var = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let path = var("GOBI_CACHE_DIR")
            .or_else(|| Some(var("XDG_CACHE_HOME")?.join("gobi")))
            .or_else(|| Some(var("HOME")?.join(".cache/gobi")))?;
        fs::create_dir_all(&path).ok()?;
        let limit = std::env::var("GOBI_CACHE_BYTES")
            .ok()
            .and_then(|text| text.parse().ok());
        Some(Folder {
            path,
            limit_bytes: limit.unwrap_or(DEFAULT_LIMIT_BYTES),
            held: Mutex::new(None),
        })
    });
    found.as_ref()
}

/// A number that no other process has.
fn this_process() -> u64 {
    static NUMBER: OnceLock<u64> = OnceLock::new();
    *NUMBER.get_or_init(|| RandomState::new().hash_one(std::process::id()))
}

/// A piece of an object.
pub struct Block<'a> {
    /// The object.
    pub url: &'a str,
    /// Its version; none: pieces are not kept.
    pub version: Option<&'a str>,
    /// Which piece.
    pub number: u64,
    /// Its length.
    pub len: u64,
}

impl Block<'_> {
    fn path(&self, folder: &Folder) -> Option<PathBuf> {
        let mut hash = Sha256::new();
        for part in [self.url, self.version?] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(self.number.to_le_bytes());
        if self.url.starts_with("memory://") {
            // Another process has another store under this name, with the same versions.
            hash.update(this_process().to_le_bytes());
        }
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(folder.path.join(format!("{name}.block")))
    }

    /// Whether it is here.
    pub fn is_kept(&self) -> bool {
        folder()
            .and_then(|folder| self.path(folder))
            .is_some_and(|path| path.exists())
    }

    /// Its bytes, if they are here.
    pub fn kept(&self) -> Option<Vec<u8>> {
        let found = folder().and_then(|folder| read(&self.path(folder)?, self.len));
        let counter = if found.is_some() { &HITS } else { &MISSES };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps its bytes.
    pub fn keep(&self, bytes: &[u8]) {
        let Some(folder) = folder() else { return };
        let Some(path) = self.path(folder).filter(|_| bytes.len() as u64 <= folder.limit_bytes) else {
            return;
        };
        let mut whole = bytes.to_vec();
        whole.extend(XxHash3_64::oneshot(bytes).to_le_bytes());
        // Whoever reads it sees all of it, or nothing.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        if fs::write(&temporary, &whole)
            .and_then(|()| fs::rename(&temporary, &path))
            .is_ok()
        {
            folder.grew(whole.len() as u64);
        }
    }
}

fn read(path: &Path, len: u64) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let checksum = bytes.split_off(bytes.len().checked_sub(CHECKSUM_BYTES)?);
    let is_whole = bytes.len() as u64 == len && checksum == XxHash3_64::oneshot(&bytes).to_le_bytes();
    if is_whole {
        // What was used lately stays; a clock that cannot be set changes nothing but that.
        let file = fs::File::options().write(true).open(path).ok();
        file.and_then(|file| file.set_modified(SystemTime::now()).ok());
    }
    is_whole.then_some(bytes)
}

impl Folder {
    /// Path, size and time of last use of each piece.
    fn blocks(&self) -> Vec<(PathBuf, u64, SystemTime)> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let block = |entry: fs::DirEntry| {
            let path = entry.path();
            let meta = entry
                .metadata()
                .ok()
                .filter(|_| path.extension().is_some_and(|ext| ext == "block"))?;
            Some((path, meta.len(), meta.modified().ok()?))
        };
        entries.filter_map(block).collect()
    }

    /// More is here; what was used longest ago goes, until nine tenths of the limit are left.
    fn grew(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.map(|held| held + bytes);
        let total = known.unwrap_or_else(|| self.blocks().iter().map(|(_, bytes, _)| bytes).sum());
        *held = Some(total);
        if total <= self.limit_bytes {
            return;
        }
        let mut blocks = self.blocks();
        blocks.sort_by_key(|(.., used)| *used);
        let mut total: u64 = blocks.iter().map(|(_, bytes, _)| bytes).sum();
        for (path, bytes, _) in blocks {
            if total <= self.limit_bytes / 10 * 9 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                EVICTIONS.fetch_add(1, Ordering::Relaxed);
                total -= bytes;
            }
        }
        *held = Some(total);
    }
}

/// Counters of this process, and what is held now.
pub fn stats() -> CacheStats {
    let blocks = folder().map(Folder::blocks).unwrap_or_default();
    CacheStats {
        hits: HITS.load(Ordering::Relaxed),
        misses: MISSES.load(Ordering::Relaxed),
        evictions: EVICTIONS.load(Ordering::Relaxed),
        blocks: blocks.len() as u64,
        bytes: blocks.iter().map(|(_, bytes, _)| bytes).sum(),
        limit_bytes: folder().map_or(0, |folder| folder.limit_bytes),
    }
}

/// Removes all pieces.
pub fn clear() {
    if let Some(folder) = folder() {
        for (path, ..) in folder.blocks() {
            // What somebody else has removed is gone, too.
            drop(fs::remove_file(path));
        }
        *folder.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(0);
    }
}
