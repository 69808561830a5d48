//! Writing groups to the open pack.
//!
//! `add` packs an object: as its difference from the node that it replaces, compressed, or as it is, whichever is shortest;
//! `append` writes the group behind the last one, and `sync` makes it durable.
//!
//! Invariants: space is filled with zeros ahead of its use, so that a sync has data to write and no metadata; what was
//! synced is never written again. After an error the writer must not be used any more.
//!
//! Does not: decide what belongs in a group, or when a pack is full.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;

use super::record::{GROUP_HEADER, GroupHeader, NewRecord, PACK_HEADER, PackHeader, Stored, write_record};
use super::{MAX_DEPTH, PackFile, pack_name};
use crate::host::{Disk, WriteAt, fill_zero};
use crate::store::object::{Kind, NewObject, ObjectId, Packing};
use crate::store::wire::checksum;
use crate::store::{StoreError, delta};

/// Bodies shorter than this are not worth a compressor's while.
const COMPRESS_FROM: usize = 256;
/// Zstandard's fastest level; higher ones gain little on nodes, which are mostly hashes.
const LEVEL: i32 = 1;
/// Bodies kept as likely bases of differences, in bytes per generation.
const RECENT_BYTES: usize = 4 << 20;
/// Of those, bases that others have taken the place of; one that becomes two nodes is asked for twice.
const MOST_REPLACED: usize = 64;
/// So many bytes are kept from group to group.
const MOST_SPARE: usize = 1 << 18;
/// Bytes of a group's header.
const HEADER: usize = GROUP_HEADER as usize;
/// About what a record takes beside its body.
const RECORD_BYTES: usize = 32;
/// Prepared space ends with a page of the system's cache.
const PAGE: u64 = 4096;
/// Space is prepared in steps of a pack's size, at most this.
const MAX_STEP: u64 = 4 << 20;

/// The pack that groups are appended to.
pub(crate) struct PackWriter {
    pack: Arc<PackFile>,
    file: Arc<dyn WriteAt>,
    /// Where the next group begins.
    end: u64,
    /// Bytes known to be on the medium.
    synced: u64,
    /// Bytes that the file has.
    allocated: u64,
    /// The smallest step in which it grows.
    step: u64,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    recent: Recent,
    /// Where the last group was put together.
    spare: Vec<u8>,
}

impl fmt::Debug for PackWriter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PackWriter({}, end {})", self.pack.path().display(), self.end)
    }
}

/// A group being put together.
#[derive(Debug)]
pub(crate) struct GroupDraft {
    sequence: u64,
    log_size: u64,
    commits: u32,
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    entries: Vec<(u64, u32)>,
}

impl GroupDraft {
    /// An empty group of a number, for a log of a size.
    pub(crate) fn new(sequence: u64, log_size: u64) -> Self {
        Self::within(Vec::new(), sequence, log_size)
    }

    fn within(mut bytes: Vec<u8>, sequence: u64, log_size: u64) -> Self {
        bytes.clear();
        bytes.resize(HEADER, 0);
        Self {
            sequence,
            log_size,
            commits: 0,
            bytes,
            entries: Vec::new(),
        }
    }

    /// Makes room for objects of so many bytes in all.
    pub(crate) fn reserve(&mut self, bytes: usize, objects: usize) {
        self.bytes.reserve(bytes + objects * RECORD_BYTES);
        self.entries.reserve(objects);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// Its length in the pack.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl PackWriter {
    /// Makes a pack; it is durable, name and all.
    pub(crate) fn create(
        disk: &dyn Disk,
        folder: &Path,
        (number, salt): (u32, u64),
        step: u64,
    ) -> Result<Self, StoreError> {
        let path = folder.join(pack_name(number));
        let failed = |error| StoreError::io(&path, error);
        let file = disk.create(&path).map_err(failed)?;
        file.write_at(0, &PackHeader { number, salt }.encode())
            .map_err(failed)?;
        let step = step.clamp(PACK_HEADER, MAX_STEP);
        fill_zero(&*file, PACK_HEADER, step).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        disk.sync_folder(folder)
            .map_err(|error| StoreError::io(folder, error))?;
        let pack = PackFile::open(disk, folder, number, PACK_HEADER, 0)?;
        Ok(Self::over(Arc::new(pack), file, step, step))
    }

    /// Goes on with a pack after its last group. What a crash left behind it is wiped, so that no later group can seem
    /// to follow from it; and the last group, which may be in the system's memory only, is synced.
    pub(crate) fn reopen(disk: &dyn Disk, pack: Arc<PackFile>, step: u64) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io(pack.path(), error);
        let file = disk.open_write(pack.path()).map_err(failed)?;
        let allocated = file.size_bytes().map_err(failed)?;
        let mut at = pack.end();
        let mut buffer = vec![0; 1 << 16];
        while at < allocated {
            let len = usize::try_from(allocated - at).map_or(buffer.len(), |left| left.min(buffer.len()));
            file.read_at(at, &mut buffer[..len]).map_err(failed)?;
            if buffer[..len].iter().any(|byte| *byte != 0) {
                fill_zero(&*file, at, at + len as u64).map_err(failed)?;
            }
            at += len as u64;
        }
        file.sync_data().map_err(failed)?;
        Ok(Self::over(pack, file, allocated, step.clamp(PACK_HEADER, MAX_STEP)))
    }

    fn over(pack: Arc<PackFile>, file: Arc<dyn WriteAt>, allocated: u64, step: u64) -> Self {
        Self {
            end: pack.end(),
            synced: pack.end(),
            pack,
            file,
            allocated,
            step,
            compressor: zstd::bulk::Compressor::new(LEVEL).ok(),
            recent: Recent::default(),
            spare: Vec::new(),
        }
    }

    pub(crate) fn pack(&self) -> &Arc<PackFile> {
        &self.pack
    }

    /// Where the next group begins.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Packs an object into a group.
    pub(crate) fn add(&mut self, group: &mut GroupDraft, object: &NewObject) -> Result<(), StoreError> {
        let offset = self.end + group.len();
        let (stored, bytes, root) = self.encode(object, offset)?;
        let record = NewRecord {
            kind: object.kind,
            stored,
            len: object.body.len(),
            prefix: object.id.prefix(),
            bytes: bytes.as_deref().unwrap_or(&object.body),
        };
        write_record(&mut group.bytes, self.pack.salt(), offset, &record);
        group.entries.push((record.prefix, position(offset)?));
        group.commits += u32::from(object.kind == Kind::COMMIT);
        if object.kind == Kind::NODE {
            let fresh = Fresh {
                offset,
                root,
                depth: stored.depth(),
                body: Arc::clone(&object.body),
            };
            self.recent.insert(object.id, fresh);
            if let Packing::Delta(base) = object.packing {
                self.recent.replaced(base);
            }
        }
        Ok(())
    }

    /// An empty group of a number, for a log of a size.
    pub(crate) fn begin(&mut self, sequence: u64, log_size: u64) -> GroupDraft {
        GroupDraft::within(std::mem::take(&mut self.spare), sequence, log_size)
    }

    /// Adds a record that has no name and is found by scanning only.
    pub(crate) fn add_nameless(&mut self, group: &mut GroupDraft, kind: Kind, bytes: &[u8]) {
        let record = NewRecord {
            kind,
            stored: Stored::Plain,
            len: bytes.len(),
            prefix: 0,
            bytes,
        };
        let offset = self.end + group.len();
        write_record(&mut group.bytes, self.pack.salt(), offset, &record);
    }

    /// Writes a group. It is durable after the next [`PackWriter::sync`].
    pub(crate) fn append(&mut self, mut group: GroupDraft) -> Result<(), StoreError> {
        let offset = self.end;
        let salt = self.pack.salt();
        let header = GroupHeader {
            body_len: position(group.body().len() as u64)?,
            sequence: group.sequence,
            log_size: group.log_size,
            synced: position(self.synced)?,
            commits: group.commits,
            body_check: checksum(salt.wrapping_add(offset), group.body()),
        };
        for (slot, byte) in group.bytes.iter_mut().zip(header.encode(salt, offset)) {
            *slot = byte;
        }
        let end = offset + group.len();
        position(end)?;
        self.write(offset, &group.bytes, end)
            .map_err(|error| StoreError::io(self.pack.path(), error))?;
        self.end = end;
        self.pack.extend(&group.entries, end);
        if group.bytes.capacity() <= MOST_SPARE {
            self.spare = group.bytes;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8], end: u64) -> std::io::Result<()> {
        if end.next_multiple_of(PAGE) <= self.allocated {
            return self.file.append_at(offset, bytes);
        }
        self.file.write_at(offset, bytes)?;
        if end > self.allocated {
            let step = end.clamp(self.step, MAX_STEP);
            let allocated = (end + step).next_multiple_of(PAGE);
            fill_zero(&*self.file, end, allocated)?;
            self.allocated = allocated;
        }
        Ok(())
    }

    /// Makes all groups durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(|error| StoreError::io(self.pack.path(), error))?;
        self.synced = self.end;
        Ok(())
    }

    /// Cuts off the space that was prepared, since the pack is full, and makes all of it durable.
    pub(crate) fn seal(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(self.end)
            .map_err(|error| StoreError::io(self.pack.path(), error))?;
        self.allocated = self.end;
        self.sync()
    }

    /// The shortest way to store an object at a position: bytes, unless they are the body itself, and the end of its
    /// chain.
    fn encode(&mut self, object: &NewObject, offset: u64) -> Result<(Stored, Option<Vec<u8>>, Root), StoreError> {
        let itself = || Root {
            offset,
            body: Some(Arc::clone(&object.body)),
        };
        if let Packing::Delta(base) = object.packing
            && let Some((stored, ops, root)) = self.encode_delta(object, base, offset)?
        {
            return Ok((stored, Some(ops), root));
        }
        if object.packing != Packing::Plain
            && object.body.len() >= COMPRESS_FROM
            && let Some(compressor) = &mut self.compressor
            && let Ok(bytes) = compressor.compress(&object.body)
            && bytes.len() < object.body.len() / 8 * 7
        {
            return Ok((Stored::Zstd, Some(bytes), itself()));
        }
        Ok((Stored::Plain, None, itself()))
    }

    /// As a difference, if it is less than three quarters as long: from the base, or if its chain is at its longest, from where
    /// that begins.
    fn encode_delta(
        &mut self,
        object: &NewObject,
        base: ObjectId,
        offset: u64,
    ) -> Result<Option<(Stored, Vec<u8>, Root)>, StoreError> {
        let Some(base) = self.base(object.kind, base)? else {
            return Ok(None);
        };
        let (at, depth, ops) = if base.depth < MAX_DEPTH {
            (base.offset, base.depth + 1, delta::diff(&base.body, &object.body))
        } else if let Some(root) = &base.root.body {
            (base.root.offset, 1, delta::diff(root, &object.body))
        } else {
            let root = self.pack.body_at(base.root.offset)?;
            (base.root.offset, 1, delta::diff(&root.bytes, &object.body))
        };
        if ops.len() >= object.body.len() / 4 * 3 {
            return Ok(None);
        }
        let distance = offset - at;
        Ok(Some((Stored::Delta { distance, depth }, ops, base.root)))
    }

    fn base(&mut self, kind: Kind, id: ObjectId) -> Result<Option<Fresh>, StoreError> {
        if let Some(fresh) = self.recent.get(id) {
            return Ok(Some(fresh));
        }
        let found = self.pack.locate(kind, id)?;
        Ok(found.map(|(offset, body)| Fresh {
            offset,
            depth: body.depth,
            root: Root {
                offset: body.root,
                body: None,
            },
            body: body.bytes.into(),
        }))
    }
}

/// A position in a pack.
fn position(offset: u64) -> Result<u32, StoreError> {
    u32::try_from(offset).map_err(|_| StoreError::TooLarge {
        what: "a pack",
        found: offset,
        limit: u64::from(u32::MAX),
    })
}

/// A node written lately.
#[derive(Clone, Debug)]
struct Fresh {
    offset: u64,
    depth: u8,
    root: Root,
    body: Arc<[u8]>,
}

/// Where a chain of differences ends.
#[derive(Clone, Debug)]
struct Root {
    offset: u64,
    /// Unless it was written long ago: it may have to be read from the medium.
    body: Option<Arc<[u8]>>,
}

/// Nodes written or used lately, in two generations: when the younger is full, the older is forgotten.
#[derive(Debug, Default)]
struct Recent {
    young: HashMap<ObjectId, Fresh>,
    old: HashMap<ObjectId, Fresh>,
    young_bytes: usize,
    /// Those that others have taken the place of.
    replaced: VecDeque<ObjectId>,
}

impl Recent {
    fn get(&self, id: ObjectId) -> Option<Fresh> {
        self.young.get(&id).or_else(|| self.old.get(&id)).cloned()
    }

    /// Another node has taken the place of this one.
    fn replaced(&mut self, id: ObjectId) {
        self.replaced.push_back(id);
        if self.replaced.len() > MOST_REPLACED
            && let Some(oldest) = self.replaced.pop_front()
        {
            if let Some(fresh) = self.young.remove(&oldest) {
                self.young_bytes -= fresh.body.len();
            }
            self.old.remove(&oldest);
        }
    }

    fn insert(&mut self, id: ObjectId, fresh: Fresh) {
        self.young_bytes += fresh.body.len();
        self.young.insert(id, fresh);
        if self.young_bytes > RECENT_BYTES {
            // The room that the older ones took is there for the next.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.young_bytes = 0;
        }
    }
}
