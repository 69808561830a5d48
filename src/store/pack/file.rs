//! One pack, open for reading.
//!
//! `pack.body_at(81_920)` reads the record there, and if it is a difference, those it builds on, and gives the body.
//!
//! Invariants: a body is given out only if the checksum of every record it is made of holds; whether it is the object that
//! was wanted, the caller checks by its id.
//!
//! Does not: write, or cache bodies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::record::{PACK_HEADER, PackHeader, Record, RecordHeader, Stored};
use super::{IndexFile, MAX_DEPTH, index_name, pack_name};
use crate::host::{Disk, ReadAt};
use crate::store::delta;
use crate::store::object::{Kind, ObjectId};
use crate::store::wire::Malformed;
use crate::store::{Damage, FORMAT_VERSION, StoreError};

/// What a first read of a record takes, in the hope that it is all of it.
const GUESS: usize = 4096;

/// What is read of a chain of differences at once.
const WINDOW: u64 = 64 << 10;

/// A pack file and its index.
#[derive(Debug)]
pub(crate) struct PackFile {
    header: PackHeader,
    path: PathBuf,
    file: Arc<dyn ReadAt>,
    lookup: RwLock<Lookup>,
}

/// Where objects lie: those that the index file covers, and the later ones.
#[derive(Debug, Default)]
struct Lookup {
    index: Option<Arc<IndexFile>>,
    recent: BTreeSet<(u64, u32)>,
    /// Bytes that groups take.
    end: u64,
}

/// Bytes of a pack that were read at once.
#[derive(Debug)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            start: u64::MAX,
            bytes: Vec::new(),
        }
    }
}

/// A record's header and its body.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub kind: Kind,
    pub bytes: Vec<u8>,
    pub depth: u8,
    /// Where the chain of differences ends.
    pub root: u64,
}

impl PackFile {
    /// Opens a pack and the index over its first `indexed` bytes.
    pub(crate) fn open(
        disk: &dyn Disk,
        folder: &Path,
        number: u32,
        end: u64,
        indexed: u64,
    ) -> Result<Self, StoreError> {
        let path = folder.join(pack_name(number));
        let file = disk.open(&path).map_err(|error| StoreError::reading(&path, 0, error))?;
        let mut bytes = [0; PACK_HEADER as usize];
        file.read_at(0, &mut bytes)
            .map_err(|error| StoreError::reading(&path, 0, error))?;
        let header = match PackHeader::decode(&bytes) {
            Ok(Ok(header)) => header,
            Ok(Err(found)) => {
                let known = FORMAT_VERSION;
                return Err(StoreError::Version {
                    file: path,
                    found,
                    known,
                });
            }
            Err(Malformed(what)) => return Err(Damage::new(&path, what).at(0).into()),
        };
        if header.number != number {
            return Err(Damage::new(&path, format!("this is pack {}", header.number))
                .at(0)
                .into());
        }
        if file.stat().size_bytes < end {
            let what = format!("the file is cut off: {} bytes of {end}", file.stat().size_bytes);
            return Err(Damage::new(&path, what).at(file.stat().size_bytes).into());
        }
        let index = match indexed {
            0 => None,
            _ => Some(IndexFile::open(
                disk,
                &folder.join(index_name(number, indexed)),
                header.salt,
                indexed,
            )?),
        };
        let lookup = Lookup {
            index: index.map(Arc::new),
            recent: BTreeSet::new(),
            end,
        };
        Ok(Self {
            header,
            path,
            file,
            lookup: RwLock::new(lookup),
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.header.number
    }

    pub(crate) fn salt(&self) -> u64 {
        self.header.salt
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's length when it was opened, prepared space included, or where groups end now if that is further on.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.file.stat().size_bytes.max(self.end())
    }

    /// Bytes that groups take.
    pub(crate) fn end(&self) -> u64 {
        self.with_lookup(|lookup| lookup.end)
    }

    /// The index file, if there is one.
    pub(crate) fn index(&self) -> Option<Arc<IndexFile>> {
        self.with_lookup(|lookup| lookup.index.clone())
    }

    /// Adds records, and says where they end.
    pub(crate) fn extend(&self, records: &[(u64, u32)], end: u64) {
        let mut lookup = self.lookup.write().unwrap_or_else(PoisonError::into_inner);
        lookup.recent.extend(records);
        lookup.end = lookup.end.max(end);
    }

    /// All entries, sorted.
    pub(crate) fn entries(&self) -> Result<Vec<(u64, u32)>, StoreError> {
        let (index, recent) = self.with_lookup(|lookup| (lookup.index.clone(), lookup.recent.clone()));
        let mut all = index.map_or(Ok(Vec::new()), |index| index.entries())?;
        all.extend(recent);
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Puts an index file in the place of what it covers.
    pub(crate) fn set_index(&self, index: IndexFile) {
        let mut lookup = self.lookup.write().unwrap_or_else(PoisonError::into_inner);
        let covered = index.covered();
        lookup.recent.retain(|(_, offset)| u64::from(*offset) >= covered);
        lookup.index = Some(Arc::new(index));
    }

    /// Where objects lie whose ids begin so.
    pub(crate) fn find(&self, prefix: u64) -> Result<Vec<u32>, StoreError> {
        let (index, mut found) = self.with_lookup(|lookup| {
            let recent = lookup.recent.range((prefix, 0)..=(prefix, u32::MAX));
            (
                lookup.index.clone(),
                recent.map(|(_, offset)| *offset).collect::<Vec<_>>(),
            )
        });
        if let Some(index) = index {
            found.extend(index.find(prefix)?);
        }
        Ok(found)
    }

    /// The body of the object of this name, if it is here.
    pub(crate) fn read(&self, kind: Kind, id: ObjectId) -> Result<Option<Body>, StoreError> {
        Ok(self.locate(kind, id)?.map(|(_, body)| body))
    }

    /// Where the object of this name begins, and its body.
    pub(crate) fn locate(&self, kind: Kind, id: ObjectId) -> Result<Option<(u64, Body)>, StoreError> {
        let mut damage = None;
        for offset in self.find(id.prefix())? {
            match self.body_at(u64::from(offset)) {
                Ok(body) if body.kind == kind && ObjectId::of(kind, &body.bytes) == id => {
                    return Ok(Some((u64::from(offset), body)));
                }
                Ok(_) => {}
                Err(StoreError::Corrupt(found)) => damage = Some(found.of(kind, id)),
                Err(other) => return Err(other),
            }
        }
        damage.map_or(Ok(None), |damage| Err(damage.into()))
    }

    /// The body that the record at a position makes.
    pub(crate) fn body_at(&self, offset: u64) -> Result<Body, StoreError> {
        let mut steps = Vec::new();
        let mut at = offset;
        let mut window = Window::default();
        loop {
            let (header, bytes) = self.record_in(&mut window, at)?;
            let Stored::Delta { distance, depth } = header.stored else {
                return self.unwind(header, bytes, &steps, (offset, at));
            };
            let expected = steps
                .last()
                .map_or(depth, |(above, _): &(RecordHeader, _)| above.stored.depth() - 1);
            if depth != expected || steps.len() > usize::from(MAX_DEPTH) {
                return Err(self.damage(at, "a chain of differences is broken"));
            }
            steps.push((header, bytes));
            let base = at.checked_sub(distance);
            let base = base.ok_or_else(|| self.damage(at, "a difference has no base"))?;
            // Whole chains lie close together.
            if distance <= WINDOW && base < window.start {
                let start = at.saturating_sub(WINDOW).max(PACK_HEADER);
                let len = usize::try_from(at - start).unwrap_or_default();
                let bytes = self.read_bytes(start, len)?;
                window = Window { start, bytes };
            }
            at = base;
        }
    }

    /// The record at a position, its checksum checked, from a window if it lies there.
    fn record_in(&self, window: &mut Window, offset: u64) -> Result<(RecordHeader, Vec<u8>), StoreError> {
        let from = offset
            .checked_sub(window.start)
            .and_then(|from| usize::try_from(from).ok());
        let bytes = from.and_then(|from| window.bytes.get(from..)).unwrap_or_default();
        match Record::decode(bytes, self.salt(), offset) {
            Ok(record) => Ok((record.header, record.bytes.to_vec())),
            Err(_) => self.record_at(offset),
        }
    }

    /// The body of a record, given that of its base if it is a difference.
    pub(crate) fn assemble(
        &self,
        offset: u64,
        record: &Record<'_>,
        base: impl FnOnce(u64) -> Result<Arc<Vec<u8>>, StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        let header = record.header;
        let made = match header.stored {
            Stored::Plain => Ok(record.bytes.to_vec()),
            Stored::Zstd => inflate(record.bytes, header.len),
            Stored::Delta { distance, .. } => {
                let at = offset
                    .checked_sub(distance)
                    .ok_or_else(|| self.damage(offset, "a difference has no base"))?;
                delta::apply(&base(at)?, record.bytes, header.len)
            }
        };
        made.map_err(|Malformed(what)| self.damage(offset, what))
    }

    /// Applies differences to what they build on, last one first.
    fn unwind(
        &self,
        base: RecordHeader,
        bytes: Vec<u8>,
        steps: &[(RecordHeader, Vec<u8>)],
        (offset, root): (u64, u64),
    ) -> Result<Body, StoreError> {
        let failed = |Malformed(what): Malformed| self.damage(offset, what);
        if steps.last().is_some_and(|(first, _)| first.stored.depth() != 1) {
            return Err(self.damage(offset, "a chain of differences is broken"));
        }
        let mut body = match base.stored {
            Stored::Zstd => inflate(&bytes, base.len).map_err(failed)?,
            _ => bytes,
        };
        for (header, ops) in steps.iter().rev() {
            body = delta::apply(&body, ops, header.len).map_err(failed)?;
        }
        let top = steps.first().map_or(&base, |(header, _)| header);
        Ok(Body {
            kind: top.kind,
            bytes: body,
            depth: top.stored.depth(),
            root,
        })
    }

    /// The record at a position, its checksum checked.
    pub(crate) fn record_at(&self, offset: u64) -> Result<(RecordHeader, Vec<u8>), StoreError> {
        let end = self.end();
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = self.read_bytes(offset, left.min(GUESS))?;
        let header = RecordHeader::decode(&bytes).map_err(|Malformed(what)| self.damage(offset, what))?;
        if header.total_len() > left {
            return Err(self.damage(offset, "a record is cut off"));
        }
        if header.total_len() > bytes.len() {
            bytes = self.read_bytes(offset, header.total_len())?;
        }
        let record = Record::decode(&bytes, self.salt(), offset);
        let record = record.map_err(|Malformed(what)| self.damage(offset, what))?;
        Ok((record.header, record.bytes.to_vec()))
    }

    pub(crate) fn read_bytes(&self, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; len];
        self.file
            .read_at(offset, &mut bytes)
            .map_err(|error| StoreError::reading(&self.path, offset, error))?;
        Ok(bytes)
    }

    pub(crate) fn damage(&self, offset: u64, what: &str) -> StoreError {
        Damage::new(&self.path, what).at(offset).into()
    }

    fn with_lookup<T>(&self, ask: impl FnOnce(&Lookup) -> T) -> T {
        ask(&self.lookup.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Decompresses to exactly `len` bytes.
fn inflate(bytes: &[u8], len: usize) -> Result<Vec<u8>, Malformed> {
    match zstd::bulk::decompress(bytes, len) {
        Ok(body) if body.len() == len => Ok(body),
        _ => Err(Malformed("compressed bytes cannot be unpacked")),
    }
}
