//! Entries of indexes in order, of more rows than memory is meant to hold.
//!
//! A load of six million rows makes a run of entries for each of its 25 files: sorted in memory, written to a temporary file, and
//! merged with the others when the load is committed.
//!
//! ```text
//! entry   length of the key (2, little-endian), key, address of the row (8, little-endian), SHA-256 of the row (32)
//! ```
//!
//! Invariants: a run is in the order of its keys, and of the rows' addresses under one key. The temporary file has no name any
//! more when it is first written, so that a crash leaves nothing.
//!
//! Does not: find keys that come twice; whoever merges sees them side by side.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::{Arc, Mutex};

use super::RowAddress;
use super::core::{Core, lock, token};
use super::index::{Keys, Located};
use crate::host::WriteAt;
use crate::store::StoreError;

/// Runs of so many entries stay in memory.
const KEPT: usize = 1 << 14;
/// Bytes read or written at a time.
const PORTION: usize = 128 << 10;
/// Bytes of an entry beside its key.
const FIXED: usize = 2 + 8 + 32;

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
    Memory(Arc<Keys>),
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
            Self::Memory(entries) => entries.len(),
            Self::Spilled { len, .. } => *len,
        }
    }

    fn cursor(&self) -> Cursor<'_> {
        match self {
            Self::Memory(entries) => Cursor::Memory(entries.iter()),
            Self::Spilled { spill, start, end, .. } => Cursor::Spilled {
                spill,
                at: *start,
                end: *end,
                buffer: Vec::new(),
                read: 0,
            },
        }
    }
}

/// Entries on their way into a run.
#[derive(Debug)]
pub(super) struct Sorter {
    keys: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    len: usize,
    located: Located,
}

impl Sorter {
    /// For so many entries.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            keys: Vec::with_capacity(count * 8),
            entries: Vec::with_capacity(count),
        }
    }

    pub(super) fn push(&mut self, key: &[u8], located: Located) {
        self.entries.push(Entry {
            start: self.keys.len(),
            len: key.len(),
            located,
        });
        self.keys.extend(key);
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        self.keys.get(entry.start..entry.start + entry.len).unwrap_or_default()
    }

    /// The run; many entries go to the file, which is made if there is none yet.
    pub(super) fn finish(mut self, core: &Core, spill: &mut Option<Arc<Spill>>) -> Result<Run, StoreError> {
        let mut entries = std::mem::take(&mut self.entries);
        let order = |a: &Entry, b: &Entry| {
            let keys = self.key(a).cmp(self.key(b));
            keys.then(a.located.address.cmp(&b.located.address))
        };
        // Rows often come in the order of their key.
        if !entries.is_sorted_by(|a, b| order(a, b) != Ordering::Greater) {
            entries.sort_unstable_by(order);
        }
        if entries.len() <= KEPT {
            let entry = |entry: &Entry| (self.key(entry).to_vec(), entry.located);
            return Ok(Run::Memory(Arc::new(entries.iter().map(entry).collect())));
        }
        let spill = match spill {
            Some(spill) => spill,
            None => spill.insert(Spill::new(core)?),
        };
        let bytes = entries.iter().map(|entry| (FIXED + entry.len) as u64).sum::<u64>();
        let mut at = {
            let mut end = lock(&spill.end);
            let start = *end;
            *end += bytes;
            start
        };
        let (start, len) = (at, entries.len());
        let mut buffer = Vec::with_capacity(PORTION + 2048);
        for entry in &entries {
            buffer.extend((entry.len as u16).to_le_bytes());
            buffer.extend(self.key(entry));
            buffer.extend(entry.located.address.0.to_le_bytes());
            buffer.extend(entry.located.hash);
            if buffer.len() >= PORTION {
                spill.file.write_at(at, &buffer).map_err(Spill::failed)?;
                at += buffer.len() as u64;
                buffer.clear();
            }
        }
        spill.file.write_at(at, &buffer).map_err(Spill::failed)?;
        Ok(Run::Spilled {
            spill: Arc::clone(spill),
            start,
            end: start + bytes,
            len,
        })
    }
}

enum Cursor<'a> {
    Memory(std::slice::Iter<'a, (Vec<u8>, Located)>),
    Spilled {
        spill: &'a Spill,
        at: u64,
        end: u64,
        buffer: Vec<u8>,
        read: usize,
    },
}

impl Cursor<'_> {
    fn next(&mut self) -> Result<Option<(Vec<u8>, Located)>, StoreError> {
        match self {
            Self::Memory(entries) => Ok(entries.next().cloned()),
            Self::Spilled { read, buffer, .. } => {
                if let Some((entry, len)) = decode(buffer.get(*read..).unwrap_or_default()) {
                    *read += len;
                    return Ok(Some(entry));
                }
                self.fill()?;
                let Self::Spilled { read, buffer, .. } = self else {
                    return Ok(None);
                };
                let Some((entry, len)) = decode(buffer) else {
                    return Ok(None);
                };
                *read = len;
                Ok(Some(entry))
            }
        }
    }

    /// Reads on behind what is left in the buffer.
    fn fill(&mut self) -> Result<(), StoreError> {
        if let Self::Spilled {
            spill,
            at,
            end,
            buffer,
            read,
        } = self
        {
            buffer.drain(..*read);
            *read = 0;
            let left = buffer.len();
            let more = usize::try_from(*end - *at).map_or(PORTION, |left| left.min(PORTION));
            buffer.resize(left + more, 0);
            spill
                .file
                .read_at(*at, buffer.get_mut(left..).unwrap_or_default())
                .map_err(Spill::failed)?;
            *at += more as u64;
        }
        Ok(())
    }
}

/// An entry at the beginning of some bytes, and its length; `None` if it is not all there.
fn decode(bytes: &[u8]) -> Option<((Vec<u8>, Located), usize)> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    let (address, rest) = rest.split_first_chunk::<8>()?;
    let hash = *rest.first_chunk::<32>()?;
    let address = RowAddress(u64::from_le_bytes(*address));
    Some(((key.to_vec(), Located { address, hash }), FIXED + key.len()))
}

/// The entries of all runs, in order.
pub(super) fn merge(runs: &[Run]) -> Result<Merged<'_>, StoreError> {
    let mut heads = BinaryHeap::with_capacity(runs.len());
    for run in runs {
        let mut cursor = run.cursor();
        if let Some(entry) = cursor.next()? {
            heads.push(Reverse(Head { entry, cursor }));
        }
    }
    Ok(Merged { heads })
}

/// See [`merge`].
pub(super) struct Merged<'a> {
    heads: BinaryHeap<Reverse<Head<'a>>>,
}

struct Head<'a> {
    entry: (Vec<u8>, Located),
    cursor: Cursor<'a>,
}

impl Head<'_> {
    fn rank(&self) -> (&[u8], RowAddress) {
        (&self.entry.0, self.entry.1.address)
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<(Vec<u8>, Located), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = self.heads.peek_mut()?;
        Some(match head.0.cursor.next() {
            Err(error) => Err(error),
            Ok(Some(next)) => Ok(std::mem::replace(&mut head.0.entry, next)),
            Ok(None) => Ok(PeekMut::pop(head).0.entry),
        })
    }
}

#[cfg(test)]
mod tests;
