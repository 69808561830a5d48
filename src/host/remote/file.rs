//! Objects that are open: for reading, piece by piece; and for writing, whole.
//!
//! `reader.read_at(5_000_000, &mut buffer)` gets the megabytes that the buffer touches, those that follow each other in one request, and
//! keeps them on the local disk; `file.sync_data()` puts the object, if it is still the one that was opened.
//!
//! Invariants: after a put that failed nothing is put any more. A reader reads the version that it opened, or fails.
//!
//! Does not: retry; the client of the store does.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, PutMode, PutPayload, UpdateVersion};

use super::cache::{BLOCK_BYTES, Block};
use super::runtime::wait;
use super::{failed, stat_of};
use crate::host::{ReadAt, Stat, WriteAt};

/// An object that is read.
#[derive(Debug)]
pub struct RemoteReader {
    store: Arc<dyn ObjectStore>,
    url: String,
    meta: ObjectMeta,
}

impl RemoteReader {
    /// The version that this is the description of.
    pub fn new(store: Arc<dyn ObjectStore>, base: &str, meta: ObjectMeta) -> Self {
        let url = format!("{base}{}", meta.location);
        Self { store, url, meta }
    }

    fn block(&self, number: u64) -> Block<'_> {
        Block {
            url: &self.url,
            version: self.meta.e_tag.as_deref().or(self.meta.version.as_deref()),
            number,
            len: BLOCK_BYTES.min(self.meta.size - number * BLOCK_BYTES),
        }
    }

    /// Gets blocks that follow each other.
    fn fetch(&self, first: u64, end: u64) -> io::Result<Vec<Vec<u8>>> {
        let range = first * BLOCK_BYTES..(end * BLOCK_BYTES).min(self.meta.size);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let bytes = wait(async { self.store.get_opts(&self.meta.location, options).await?.bytes().await });
        let bytes = bytes.map_err(failed)?;
        let mut blocks = Vec::new();
        for (number, bytes) in (first..end).zip(bytes.chunks(usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX))) {
            let block = self.block(number);
            if bytes.len() as u64 != block.len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            block.keep(bytes);
            blocks.push(bytes.to_vec());
        }
        if (blocks.len() as u64) < end - first {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(blocks)
    }
}

impl ReadAt for RemoteReader {
    fn stat(&self) -> Stat {
        stat_of(&self.meta)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|end| *end <= self.meta.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut number = offset / BLOCK_BYTES;
        let last = end.div_ceil(BLOCK_BYTES);
        let mut copy = |number: u64, bytes: &[u8]| {
            let start = number * BLOCK_BYTES;
            let (from, to) = (offset.max(start), end.min(start + bytes.len() as u64));
            let place = |at: u64, base: u64| usize::try_from(at - base).unwrap_or(usize::MAX);
            if from < to {
                buffer[place(from, offset)..place(to, offset)]
                    .copy_from_slice(&bytes[place(from, start)..place(to, start)]);
            }
        };
        while number < last {
            if let Some(bytes) = self.block(number).kept() {
                copy(number, &bytes);
                number += 1;
                continue;
            }
            let mut missing = number + 1;
            while missing < last && !self.block(missing).is_kept() {
                missing += 1;
            }
            for (number, bytes) in (number..missing).zip(self.fetch(number, missing)?) {
                copy(number, &bytes);
            }
            number = missing;
        }
        Ok(())
    }
}

/// An object that is written.
#[derive(Debug)]
pub struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    key: Key,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    /// The object as it was read or put; none: there is none yet.
    version: Option<UpdateVersion>,
    dirty: bool,
    broken: bool,
}

impl RemoteFile {
    /// With the contents and version that it has in the store.
    pub fn new(store: Arc<dyn ObjectStore>, key: Key, bytes: Vec<u8>, version: Option<UpdateVersion>) -> Self {
        let state = State {
            bytes,
            dirty: version.is_none(),
            version,
            broken: false,
        };
        Self {
            store,
            key,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buffer.len())?));
        let found = range.and_then(|range| state.bytes.get(range));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for RemoteFile {
    fn stat(&self) -> Stat {
        Stat {
            size_bytes: self.state().bytes.len() as u64,
            mtime_ns: 0,
            is_folder: false,
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fill(offset, buffer)
    }
}

impl WriteAt for RemoteFile {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fill(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[start..end].copy_from_slice(bytes);
        state.dirty = true;
        Ok(())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let len = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut state = self.state();
        state.dirty |= state.bytes.len() != len;
        state.bytes.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.broken {
            return Err(io::Error::other("an earlier write of the object failed"));
        }
        if !state.dirty {
            return Ok(());
        }
        let mode = match &state.version {
            Some(version) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        let payload = PutPayload::from(state.bytes.clone());
        match wait(self.store.put_opts(&self.key, payload, mode.into())) {
            Ok(put) => {
                state.version = Some(put.into());
                state.dirty = false;
                Ok(())
            }
            Err(error) => {
                state.broken = true;
                Err(failed(error))
            }
        }
    }
}
