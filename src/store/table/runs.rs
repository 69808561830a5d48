//! Entries of indexes in order, of more rows than memory is meant to hold.
//!
//! A load of six million rows makes a run of entries for each of its 25 files: sorted in memory, written to a temporary file, and
//! merged with the others when the load is committed.
//!
//! ```text
//! entry   length of the key (2, little-endian), key, and what the index says: address of the row (8, big-endian), SHA-256 (32)
//! ```
//!
//! Invariants: a run is in the order of its keys, and of the rows' addresses under one key. The temporary file has no name any
//! more when it is first written, so that a crash leaves nothing.
//!
//! Does not: find keys that come twice; whoever merges sees them side by side.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex};

use super::core::{Core, lock, token};
use super::index::Located;
use crate::host::WriteAt;
use crate::store::StoreError;

/// Runs of so many entries stay in memory.
const KEPT: usize = 1 << 14;
/// Bytes read or written at a time.
const PORTION: usize = 128 << 10;
/// Bytes of what an index says of a key.
const VALUE: usize = 8 + 32;
/// Bytes of an entry beside its key.
const FIXED: usize = 2 + VALUE;

/// A temporary file for runs.
#[derive(Debug)]
pub(super) struct Spill {
    file: Arc<dyn WriteAt>,
    end: Mutex<u64>,
}

impl Spill {
    pub(super) fn new(core: &Core) -> Result<Arc<Self>, StoreError> {
        let folder = core.segments_folder();
        let path = folder.join(format!(".runs-{}.tmp", token()));
        let disk = &core.machine.disk;
        let failed = |error| StoreError::io(&path, error);
        disk.create_folder(&folder).map_err(failed)?;
        let file = disk.create(&path).map_err(failed)?;
        disk.remove(&path).map_err(failed)?;
        Ok(Arc::new(Self {
            file,
            end: Mutex::default(),
        }))
    }

    fn failed(error: std::io::Error) -> StoreError {
        StoreError::io(std::path::Path::new("a temporary file"), error)
    }
}

/// A run.
#[derive(Clone, Debug)]
pub(super) enum Run {
    Memory {
        entries: Arc<[u8]>,
        len: usize,
    },
    Spilled {
        spill: Arc<Spill>,
        start: u64,
        end: u64,
        len: usize,
    },
}

impl Run {
    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Memory { len, .. } | Self::Spilled { len, .. } => *len,
        }
    }

    fn cursor(&self) -> Cursor<'_> {
        let bytes = match self {
            Self::Memory { entries, .. } => Bytes::Memory(entries),
            Self::Spilled { spill, start, end, .. } => Bytes::Spilled {
                spill,
                at: *start,
                end: *end,
                buffer: Vec::new(),
            },
        };
        let (start, next) = (0, 0);
        Cursor { bytes, start, next }
    }
}

/// Entries on their way into a run.
#[derive(Debug)]
pub(super) struct Sorter {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    /// They came in order, as rows often do that are loaded in the order of their key.
    is_sorted: bool,
}

impl Sorter {
    /// For so many entries.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(count * (FIXED + 12)),
            starts: Vec::with_capacity(count),
            is_sorted: true,
        }
    }

    pub(super) fn push(&mut self, key: &[u8], located: Located) {
        let start = self.bytes.len();
        // No key is longer than an index allows, which is far less than this.
        self.bytes.extend((key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend(located.address.0.to_be_bytes());
        self.bytes.extend(located.hash);
        if let Some(last) = self.starts.last().filter(|_| self.is_sorted) {
            self.is_sorted = self.entry(*last).order(&self.entry(start)) != Ordering::Greater;
        }
        self.starts.push(start);
    }

    fn entry(&self, start: usize) -> EntryRef<'_> {
        EntryRef::at(&self.bytes, start).unwrap_or_default()
    }

    /// The run; many entries go to the file, which is made if there is none yet.
    pub(super) fn finish(mut self, core: &Core, spill: &mut Option<Arc<Spill>>) -> Result<Run, StoreError> {
        let len = self.starts.len();
        if !self.is_sorted {
            let mut starts = std::mem::take(&mut self.starts);
            starts.sort_unstable_by(|a, b| self.entry(*a).order(&self.entry(*b)));
            self.starts = starts;
        }
        if len <= KEPT {
            let entries = match self.is_sorted {
                true => self.bytes.into(),
                false => self
                    .starts
                    .iter()
                    .flat_map(|start| self.entry(*start).whole)
                    .copied()
                    .collect(),
            };
            return Ok(Run::Memory { entries, len });
        }
        let spill = match spill {
            Some(spill) => spill,
            None => spill.insert(Spill::new(core)?),
        };
        let start = {
            let mut end = lock(&spill.end);
            let start = *end;
            *end += self.bytes.len() as u64;
            start
        };
        self.write(&*spill.file, start).map_err(Spill::failed)?;
        Ok(Run::Spilled {
            spill: Arc::clone(spill),
            start,
            end: start + self.bytes.len() as u64,
            len,
        })
    }

    /// Writes the entries in their order.
    fn write(&self, file: &dyn WriteAt, start: u64) -> std::io::Result<()> {
        if self.is_sorted {
            return file.write_at(start, &self.bytes);
        }
        let mut at = start;
        let mut buffer = Vec::with_capacity(PORTION + 2048);
        for entry in &self.starts {
            buffer.extend_from_slice(self.entry(*entry).whole);
            if buffer.len() >= PORTION {
                file.write_at(at, &buffer)?;
                at += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.write_at(at, &buffer)
    }
}

/// An entry of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EntryRef<'a> {
    /// The key.
    pub key: &'a [u8],
    /// What the index says of it.
    pub value: &'a [u8],
    whole: &'a [u8],
}

impl<'a> EntryRef<'a> {
    /// The entry at a place among others; `None` if it is not all there.
    fn at(bytes: &'a [u8], start: usize) -> Option<Self> {
        let rest = bytes.get(start..)?;
        let len = usize::from(u16::from_le_bytes(*rest.first_chunk()?));
        let whole = rest.get(..FIXED + len)?;
        let (key, value) = whole.get(2..)?.split_at_checked(len)?;
        Some(Self { key, value, whole })
    }

    /// By the key, then by the address.
    fn order(&self, other: &Self) -> Ordering {
        let address = |entry: &Self| entry.value.first_chunk::<8>().copied();
        let keys = self.key.cmp(other.key);
        keys.then_with(|| address(self).cmp(&address(other)))
    }
}

/// A place in a run.
struct Cursor<'a> {
    bytes: Bytes<'a>,
    /// Where the entry begins, and the one behind it.
    start: usize,
    next: usize,
}

enum Bytes<'a> {
    Memory(&'a [u8]),
    Spilled {
        spill: &'a Spill,
        at: u64,
        end: u64,
        buffer: Vec<u8>,
    },
}

impl Cursor<'_> {
    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Memory(bytes) => bytes,
            Bytes::Spilled { buffer, .. } => buffer,
        }
    }

    fn entry(&self) -> EntryRef<'_> {
        EntryRef::at(self.bytes(), self.start).unwrap_or_default()
    }

    /// Goes on to the next entry; false if there is none.
    fn advance(&mut self) -> Result<bool, StoreError> {
        if EntryRef::at(self.bytes(), self.next).is_none() {
            self.fill()?;
        }
        let Some(entry) = EntryRef::at(self.bytes(), self.next) else {
            return Ok(false);
        };
        let len = entry.whole.len();
        self.start = self.next;
        self.next += len;
        Ok(true)
    }

    /// Reads on behind what is left in the buffer.
    fn fill(&mut self) -> Result<(), StoreError> {
        if let Bytes::Spilled { spill, at, end, buffer } = &mut self.bytes {
            buffer.drain(..self.next);
            self.next = 0;
            let left = buffer.len();
            let more = usize::try_from(*end - *at).map_or(PORTION, |left| left.min(PORTION));
            buffer.resize(left + more, 0);
            let room = buffer.get_mut(left..).unwrap_or_default();
            spill.file.read_at(*at, room).map_err(Spill::failed)?;
            *at += more as u64;
        }
        Ok(())
    }
}

/// The entries of all runs, in order.
pub(super) fn merge(runs: &[Run]) -> Result<Merged<'_>, StoreError> {
    let mut cursors = Vec::with_capacity(runs.len());
    for run in runs {
        let mut cursor = run.cursor();
        if cursor.advance()? {
            cursors.push(cursor);
        }
    }
    let mut merged = Merged { cursors };
    for place in (0..merged.cursors.len() / 2).rev() {
        merged.sink(place);
    }
    Ok(merged)
}

/// See [`merge`].
pub(super) struct Merged<'a> {
    /// INVARIANT: a heap: the entry of the cursor at `n` does not come behind those at `2n + 1` and `2n + 2`.
    cursors: Vec<Cursor<'a>>,
}

impl Merged<'_> {
    /// The first entry that was not taken.
    pub(super) fn peek(&self) -> Option<EntryRef<'_>> {
        self.cursors.first().map(Cursor::entry)
    }

    /// Takes it.
    pub(super) fn advance(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.cursors.first_mut() else {
            return Ok(());
        };
        if !first.advance()? {
            self.cursors.swap_remove(0);
        }
        self.sink(0);
        Ok(())
    }

    /// Brings a cursor to where it belongs below its place.
    fn sink(&mut self, mut place: usize) {
        while let Some(least) = self.least_of_three(place).filter(|least| *least != place) {
            self.cursors.swap(place, least);
            place = least;
        }
    }

    fn least_of_three(&self, place: usize) -> Option<usize> {
        let known = [place, 2 * place + 1, 2 * place + 2];
        let known = known
            .into_iter()
            .filter_map(|at| Some((at, self.cursors.get(at)?.entry())));
        known.min_by(|(_, a), (_, b)| a.order(b)).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests;
