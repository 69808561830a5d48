//! Writing groups to the open pack.
//!
//! `add` puts objects into a group that were packed before, `append` writes it behind the last one, and a [`Sync`] makes it durable.
//!
//! Invariants: space is filled with zeros ahead of its use, so that a sync has data to write and no metadata; what was
//! synced is never written again with anything else. After an error the writer must not be used any more.
//!
//! Does not: decide what belongs in a group, or when a pack is full.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::encode::{Batch, Encoder, How};
use super::record::{GROUP_HEADER, GroupHeader, NewRecord, PACK_HEADER, PackHeader, Stored, write_record};
use super::{PackFile, pack_name};
use crate::host::{Disk, WriteAt, fill_zero};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject};
use crate::store::wire::checksum;

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
    synced: Arc<AtomicU64>,
    /// Bytes that the file has.
    allocated: u64,
    /// The smallest step in which it grows.
    step: u64,
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
            synced: Arc::new(AtomicU64::new(pack.end())),
            pack,
            file,
            allocated,
            step,
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

    /// Puts packed objects into a group; their positions.
    pub(crate) fn add(&mut self, group: &mut GroupDraft, batch: &Batch) -> Result<Vec<u64>, StoreError> {
        let mut positions = Vec::with_capacity(batch.objects().len());
        for packed in batch.objects() {
            let offset = self.end + group.len();
            let object = &packed.object;
            let (stored, bytes) = match &packed.how {
                How::Plain => (Stored::Plain, &*object.body),
                How::Zstd(bytes) => (Stored::Zstd, bytes.as_slice()),
                How::Delta(base, ops) => {
                    let distance = base.position(&positions).and_then(|base| offset.checked_sub(base));
                    let distance =
                        distance.ok_or_else(|| StoreError::Unfit("a difference's base is not before it".into()))?;
                    let depth = packed.depth;
                    (Stored::Delta { distance, depth }, ops.as_slice())
                }
            };
            let record = NewRecord {
                kind: object.kind,
                stored,
                len: object.body.len(),
                prefix: object.id.prefix(),
                bytes,
            };
            write_record(&mut group.bytes, self.pack.salt(), offset, &record);
            group.entries.push((record.prefix, position(offset)?));
            group.commits += u32::from(object.kind == Kind::COMMIT);
            positions.push(offset);
        }
        Ok(positions)
    }

    /// Packs an object into a group that becomes part of the pack before anything else does.
    pub(crate) fn pack_into(
        &mut self,
        group: &mut GroupDraft,
        encoder: &mut Encoder,
        object: &NewObject,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        encoder.encode(&self.pack, &mut batch, object)?;
        let positions = self.add(group, &batch)?;
        encoder.placed(batch, &positions);
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

    /// Writes a group. It is durable after the next sync, which may be about to come. Its objects are found once they are in the
    /// [`PackFile`]'s lookup.
    pub(crate) fn append(&mut self, mut group: GroupDraft, syncs: bool) -> Result<Appended, StoreError> {
        let offset = self.end;
        let salt = self.pack.salt();
        let header = GroupHeader {
            body_len: position(group.body().len() as u64)?,
            sequence: group.sequence,
            log_size: group.log_size,
            synced: position(self.synced.load(Ordering::Acquire))?,
            commits: group.commits,
            body_check: checksum(salt.wrapping_add(offset), group.body()),
        };
        for (slot, byte) in group.bytes.iter_mut().zip(header.encode(salt, offset)) {
            *slot = byte;
        }
        let end = offset + group.len();
        position(end)?;
        self.write(offset, &group.bytes, syncs)
            .map_err(|error| StoreError::io(self.pack.path(), error))?;
        self.end = end;
        self.pack.extend(&[], end);
        if group.bytes.capacity() <= MOST_SPARE {
            self.spare = group.bytes;
        }
        Ok(Appended {
            pack: Arc::clone(&self.pack),
            entries: group.entries,
        })
    }

    fn write(&mut self, offset: u64, bytes: &[u8], syncs: bool) -> std::io::Result<()> {
        let end = offset + bytes.len() as u64;
        if end.next_multiple_of(PAGE) <= self.allocated {
            return self.file.append_at(offset, bytes, syncs);
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

    /// What makes all groups durable that are appended by now; others may be appended meanwhile.
    pub(crate) fn to_sync(&self) -> Sync {
        Sync {
            pack: Arc::clone(&self.pack),
            file: Arc::clone(&self.file),
            end: self.end,
            synced: Arc::clone(&self.synced),
        }
    }

    /// Whether there is something that is not known to be on the medium.
    pub(crate) fn is_dirty(&self) -> bool {
        self.synced.load(Ordering::Acquire) < self.end
    }

    /// Makes all groups durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.to_sync().run()
    }

    /// Cuts off the space that was prepared, since the pack is full, and makes all of it durable.
    pub(crate) fn seal(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(self.end)
            .map_err(|error| StoreError::io(self.pack.path(), error))?;
        self.allocated = self.end;
        self.sync()
    }
}

/// A group that was appended, whose objects nobody finds yet.
#[must_use = "its objects are not found yet"]
pub(crate) struct Appended {
    pack: Arc<PackFile>,
    entries: Vec<(u64, u32)>,
}

impl Appended {
    /// Lets its objects be found.
    pub(crate) fn publish(self) {
        if !self.entries.is_empty() {
            self.pack.extend(&self.entries, 0);
        }
    }
}

/// A sync of a pack up to a position.
#[derive(Debug)]
pub(crate) struct Sync {
    pack: Arc<PackFile>,
    file: Arc<dyn WriteAt>,
    end: u64,
    synced: Arc<AtomicU64>,
}

impl Sync {
    /// Waits for the medium.
    pub(crate) fn run(&self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(|error| StoreError::io(self.pack.path(), error))?;
        self.synced.fetch_max(self.end, Ordering::AcqRel);
        Ok(())
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
