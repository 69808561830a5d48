//! Object stores as a disk: S3, Azure and Google storage, and one in memory for tests.
//!
//! `disk_of("s3://bucket/db/HEAD")?.open(Path::new("s3://bucket/db/HEAD"))?` reads the object `db/HEAD` of the bucket; who it is to be read
//! as comes from the environment (`AWS_ACCESS_KEY_ID`, `AZURE_STORAGE_ACCOUNT_NAME`, `GOOGLE_SERVICE_ACCOUNT` and so on).
//!
//! An object is written as a whole, so a file that is written at positions is kept in memory, and put when it is synced: on the
//! condition that the object is still the one that was read, or that there is none. So of two processes that write the same
//! database, the one that comes second fails at its next commit, and nothing is lost or mixed: the put of the open pack is the
//! commit point, and that of HEAD, on the same condition, its checkpoint.
//!
//! Invariants: nothing is overwritten that somebody else has written since, but for what is named by its hash. What is read goes
//! through a cache on the local disk, under the version that the store gave the object.
//!
//! Does not: lock, but within the process. Reading what a process has written and not yet put is reading its memory.

mod cache;
mod file;
mod runtime;

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};

use super::{Disk, Lock, LockOutcome, ReadAt, Staged, Stat, WriteAt};
pub use cache::{CacheStats, clear as clear_cache, stats as cache_stats};
use file::{RemoteFile, RemoteReader};
use runtime::wait;

/// The disk that a URL is on; one for all paths of a bucket.
pub fn disk_of(url: &str) -> io::Result<Arc<dyn Disk>> {
    bucket_of(url).map(|disk| disk as Arc<dyn Disk>)
}

/// The same bucket as another process has it: it knows nothing of what is open here.
pub fn as_another_process(url: &str) -> io::Result<Arc<dyn Disk>> {
    let disk = bucket_of(url)?;
    Ok(Arc::new(RemoteDisk::new(disk.base.clone(), Arc::clone(&disk.store))))
}

fn bucket_of(url: &str) -> io::Result<Arc<RemoteDisk>> {
    static DISKS: Mutex<Vec<Arc<RemoteDisk>>> = Mutex::new(Vec::new());
    let invalid =
        |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, format!("`{url}`: {error}"));
    let parsed = url::Url::parse(url).map_err(|error| invalid(&error))?;
    let bucket = &parsed[url::Position::BeforeUsername..url::Position::BeforePath];
    let base = format!("{}://{bucket}/", parsed.scheme());
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(disk) = disks.iter().find(|disk| disk.base == base) {
        return Ok(Arc::clone(disk));
    }
    let store: Arc<dyn ObjectStore> = match parsed.scheme() {
        "memory" => Arc::new(InMemory::new()),
        _ => {
            let (store, _) =
                object_store::parse_url_opts(&parsed, std::env::vars()).map_err(|error| invalid(&error))?;
            Arc::from(store)
        }
    };
    let disk = Arc::new(RemoteDisk::new(base, store));
    disks.push(Arc::clone(&disk));
    Ok(disk)
}

/// A bucket.
#[derive(Debug)]
struct RemoteDisk {
    /// `s3://bucket/`.
    base: String,
    store: Arc<dyn ObjectStore>,
    /// Files that are open for writing.
    written: Mutex<HashMap<Key, Weak<RemoteFile>>>,
    /// The version of checkpoints that was read or put last.
    versions: Arc<Mutex<HashMap<Key, UpdateVersion>>>,
    /// Databases that this process writes.
    locks: Arc<Mutex<HashSet<Key>>>,
}

/// An object store's error.
fn failed(error: object_store::Error) -> io::Error {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => io::ErrorKind::NotFound.into(),
        E::Precondition { path, .. } | E::AlreadyExists { path, .. } => {
            io::Error::other(format!("another process has written `{path}` meanwhile"))
        }
        other => io::Error::other(other),
    }
}

fn stat_of(meta: &ObjectMeta) -> Stat {
    Stat {
        size_bytes: meta.size,
        mtime_ns: i128::from(meta.last_modified.timestamp_micros()) * 1000,
        is_folder: false,
    }
}

fn version_of(meta: &ObjectMeta) -> UpdateVersion {
    UpdateVersion {
        e_tag: meta.e_tag.clone(),
        version: meta.version.clone(),
    }
}

/// What is replaced from time to time, under one name.
fn is_checkpoint(key: &Key) -> bool {
    key.filename() == Some("HEAD")
}

impl RemoteDisk {
    fn new(base: String, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            base,
            store,
            written: Mutex::default(),
            versions: Arc::default(),
            locks: Arc::default(),
        }
    }

    fn key(&self, path: &Path) -> io::Result<Key> {
        // Patterns are taken apart as paths, where `//` is `/`.
        let bare = |text: &str| text.replacen("://", ":/", 1);
        let (whole, base) = (path.to_str().map(bare), bare(&self.base));
        let text = whole.as_ref().map(|whole| whole.strip_prefix(base.as_str()));
        let text = text.map(|text| text.or_else(|| (whole.as_deref() == base.strip_suffix('/')).then_some("")));
        let text = text.flatten();
        let invalid = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{}` is not in `{}`", path.display(), self.base),
            )
        };
        Key::parse(text.ok_or_else(invalid)?.trim_end_matches('/')).map_err(|_| invalid())
    }

    fn path(&self, key: &Key) -> PathBuf {
        PathBuf::from(format!("{}{key}", self.base))
    }

    fn written(&self) -> MutexGuard<'_, HashMap<Key, Weak<RemoteFile>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<Key, UpdateVersion>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that is open for writing here.
    fn open_here(&self, key: &Key) -> Option<Arc<RemoteFile>> {
        self.written().get(key).and_then(Weak::upgrade)
    }

    fn head(&self, key: &Key) -> io::Result<ObjectMeta> {
        wait(self.store.head(key)).map_err(failed)
    }

    fn opened(&self, key: Key, bytes: Vec<u8>, version: Option<UpdateVersion>) -> Arc<RemoteFile> {
        let file = Arc::new(RemoteFile::new(Arc::clone(&self.store), key.clone(), bytes, version));
        let mut written = self.written();
        written.retain(|_, file| file.strong_count() > 0);
        written.insert(key, Arc::downgrade(&file));
        file
    }
}

impl Disk for RemoteDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>> {
        let key = self.key(path)?;
        if let Some(file) = self.open_here(&key) {
            return Ok(file);
        }
        let meta = self.head(&key)?;
        if is_checkpoint(&key) {
            self.versions().insert(key, version_of(&meta));
        }
        Ok(Arc::new(RemoteReader::new(Arc::clone(&self.store), &self.base, meta)))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let key = self.key(path)?;
        if let Some(file) = self.open_here(&key) {
            return Ok(ReadAt::stat(&*file));
        }
        match self.head(&key) {
            Ok(meta) => Ok(stat_of(&meta)),
            // A folder is there as long as something is in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.list(path)?.is_empty() {
                true => Err(error),
                false => Ok(Stat {
                    size_bytes: 0,
                    mtime_ns: 0,
                    is_folder: true,
                }),
            },
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let key = self.key(folder)?;
        let listed = wait(self.store.list_with_delimiter(Some(&key))).map_err(failed)?;
        let objects = listed.objects.iter().map(|meta| &meta.location);
        let mut paths: Vec<PathBuf> = objects
            .chain(&listed.common_prefixes)
            .map(|key| self.path(key))
            .collect();
        paths.sort();
        Ok(paths)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.path(&self.key(path)?))
    }

    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>> {
        let key = self.key(target)?;
        let mode = match is_checkpoint(&key) {
            true => match self.versions().get(&key) {
                Some(version) => PutMode::Update(version.clone()),
                None => PutMode::Create,
            },
            // It is named by its contents.
            false => PutMode::Overwrite,
        };
        Ok(Box::new(RemoteStaged {
            store: Arc::clone(&self.store),
            noted: is_checkpoint(&key).then(|| Arc::clone(&self.versions)),
            key,
            mode,
            bytes: Vec::new(),
        }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let key = self.key(path)?;
        if self.open_here(&key).is_some() || self.head(&key).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(self.opened(key, Vec::new(), None))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn WriteAt>> {
        let key = self.key(path)?;
        if let Some(file) = self.open_here(&key) {
            return Ok(file);
        }
        let (meta, bytes) = wait(async {
            let found = self.store.get(&key).await?;
            let meta = found.meta.clone();
            Ok::<_, object_store::Error>((meta, found.bytes().await?))
        })
        .map_err(failed)?;
        Ok(self.opened(key, bytes.into(), Some(version_of(&meta))))
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        // A folder is no more than the beginning of names.
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.key(from)?, self.key(to)?);
        wait(self.store.rename(&from, &to)).map_err(failed)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let key = self.key(path)?;
        self.written().remove(&key);
        wait(self.store.delete(&key)).map_err(failed)
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        // Only within the process: puts on condition keep others away, see the module's doc.
        let key = self.key(path)?;
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if !locks.insert(key.clone()) {
            return Ok(LockOutcome::Busy(Some(std::process::id())));
        }
        let locks = Arc::clone(&self.locks);
        Ok(LockOutcome::Held(Box::new(Locked { locks, key })))
    }
}

#[derive(Debug)]
struct Locked {
    locks: Arc<Mutex<HashSet<Key>>>,
    key: Key,
}

impl Lock for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.remove(&self.key);
    }
}

struct RemoteStaged {
    store: Arc<dyn ObjectStore>,
    /// Where the version of a checkpoint is noted.
    noted: Option<Arc<Mutex<HashMap<Key, UpdateVersion>>>>,
    key: Key,
    mode: PutMode,
    bytes: Vec<u8>,
}

impl io::Write for RemoteStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Staged for RemoteStaged {
    fn publish(self: Box<Self>) -> io::Result<()> {
        let put = self
            .store
            .put_opts(&self.key, PutPayload::from(self.bytes), self.mode.into());
        let put = wait(put).map_err(failed)?;
        if let Some(versions) = self.noted {
            let mut versions = versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.insert(self.key, put.into());
        }
        Ok(())
    }
}
