//! Garbage: what no kept commit leads to.
//!
//! After a month of small commits, `gc` with a horizon of a week keeps the snapshots of the last seven days and those that
//! branches and tags point to; packs that are mostly superseded nodes are copied without them, and removed.
//!
//! Invariants: every commit record is kept, so that the log can always be proved, whatever snapshots were given up; a
//! snapshot younger than the horizon, or pointed to, is kept whole. The old packs go only after a HEAD that no longer names
//! them, so a crash leaves one set or the other; what is left over is removed when the folder is opened for writing. What a dry run
//! promises is what would be done, to the byte; a collection that finds nothing to free writes no pack.
//!
//! Does not: run beside commits, which wait. It must not run while a load has put objects whose commit is still to come;
//! the caller holds it off.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use hashbrown::HashSet;

use super::open::without_readers;
use super::write::Writer;
use super::{Timeline, lock};
use crate::host::{Disk, MemoryDisk};
use crate::store::StoreError;
use crate::store::object::{CommitId, Kind, NewObject, ObjectId, Packing, References, all_references};
use crate::store::pack::{Encoder, GroupDraft, PACK_HEADER, PackFile, PackWriter, Stored, read_group};
use crate::store::wire::Malformed;

/// What to keep, and how hard to try.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Snapshots of commits from this time on are kept.
    pub horizon_us: i64,
    /// Further commits whose snapshots are kept: those of watermarks and open readers.
    pub keep: Vec<CommitId>,
    /// A pack is copied if less than this share of it, in percent, is in use.
    pub fill_percent: u64,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// What a collection found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects that are in use.
    pub live_objects: u64,
    /// Bytes of all packs before.
    pub bytes_before: u64,
    /// Bytes of records in use.
    pub bytes_live: u64,
    /// Packs copied, or that would be.
    pub packs_copied: u64,
    /// Bytes of all packs after.
    pub bytes_after: u64,
    /// Files of the layer above that were removed, or would be.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Snapshots of commits from this time on are kept; `i64::MIN`: all are.
    pub horizon_us: i64,
    /// Packs and files stay for now, because other processes read.
    pub put_off: bool,
}

/// What the layer above has to say.
pub trait Layer {
    /// Snapshots of commits from this time on are needed. Nothing is committed between this and the end of the collection.
    fn keeps_from_us(&self) -> Result<i64, StoreError>;

    /// Counts its files that belong to objects which are not live, and removes them if it may.
    fn removes(
        &self,
        is_live: &dyn Fn(Kind, ObjectId) -> bool,
        remove: bool,
        collected: &mut Collected,
    ) -> Result<(), StoreError>;
}

/// No layer above.
struct Nothing;

impl Layer for Nothing {
    fn keeps_from_us(&self) -> Result<i64, StoreError> {
        Ok(i64::MAX)
    }

    fn removes(&self, _: &dyn Fn(Kind, ObjectId) -> bool, _: bool, _: &mut Collected) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Records written at a time when copying.
const COPY_BYTES: usize = 4 << 20;

/// Objects that kept commits lead to.
#[derive(Default)]
pub(super) struct Marked {
    pub seen: HashSet<(Kind, ObjectId)>,
    pub missing: Vec<(Kind, ObjectId)>,
}

impl Timeline {
    /// Snapshots of commits before this time may have been given up; `i64::MIN` if none was.
    pub fn horizon_us(&self) -> i64 {
        self.view().horizon_us
    }

    /// Gives up old snapshots, and the space that only they needed.
    pub fn gc(&self, retention: &Retention, references: &dyn References) -> Result<Collected, StoreError> {
        self.gc_with(retention, references, &Nothing)
    }

    /// The same for a layer above that has more to keep, and files of its own.
    pub fn gc_with(
        &self,
        retention: &Retention,
        references: &dyn References,
        layer: &dyn Layer,
    ) -> Result<Collected, StoreError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.drain()?;
        let mut encoder = lock(&self.encoder);
        let mut guard = lock(&self.writer);
        let writer = guard.as_mut().ok_or(StoreError::ReadOnly)?;
        lock(&self.queue).check()?;
        let wanted_us = retention.horizon_us.min(layer.keeps_from_us()?);
        let horizon_us = wanted_us.max(self.horizon_us());
        let marked = self.mark(horizon_us, &retention.keep, references)?;
        if let Some((kind, id)) = marked.missing.first().copied() {
            return Err(StoreError::Missing { kind, id });
        }
        let live: HashSet<(Kind, u64)> = marked.seen.iter().map(|(kind, id)| (*kind, id.prefix())).collect();
        let mut collected = Collected {
            live_objects: marked.seen.len() as u64,
            ..Collected::default()
        };
        // Readers of other processes find what they have begun to read; what they keep is removed some other time, and until then it
        // is not copied either.
        let alone = without_readers(&*self.machine.disk, &self.folder);
        collected.put_off = alone.is_none();
        let mut old = Vec::new();
        for pack in self.view().packs.clone() {
            let (all, in_use) = (pack.end(), live_bytes(&pack, &live)?);
            collected.bytes_before += all;
            collected.bytes_live += in_use;
            if alone.is_some() && in_use * 100 < (all - PACK_HEADER) * retention.fill_percent.min(100) {
                old.push(pack);
            }
        }
        collected.packs_copied = old.len() as u64;
        collected.bytes_after = match retention.dry_run {
            true => collected.bytes_before + self.copied_bytes(writer, &old, &live)?,
            false => {
                let before: u64 = self.view().packs.iter().map(|pack| pack.end()).sum();
                let done = self.replace((&mut encoder, writer), &old, &live, horizon_us);
                before + done.inspect_err(|error| self.stop(error))?
            }
        };
        collected.bytes_after -= old.iter().map(|pack| pack.end()).sum::<u64>();
        if alone.is_some() {
            let is_live = |kind, id| marked.seen.contains(&(kind, id));
            layer.removes(&is_live, !retention.dry_run, &mut collected)?;
        }
        collected.horizon_us = horizon_us;
        Ok(collected)
    }

    /// All that kept commits lead to; what else is there is garbage.
    pub fn needed(&self, references: &dyn References) -> Result<HashSet<(Kind, ObjectId)>, StoreError> {
        Ok(self.mark(self.horizon_us(), &[], references)?.seen)
    }

    /// All that kept commits lead to, read anew.
    pub(super) fn mark(
        &self,
        horizon_us: i64,
        keep: &[CommitId],
        references: &dyn References,
    ) -> Result<Marked, StoreError> {
        let mut marked = Marked::default();
        let kept: HashSet<CommitId> = {
            let view = self.view();
            view.refs
                .values()
                .map(|(_, id)| *id)
                .chain(keep.iter().copied())
                .collect()
        };
        let mut open = Vec::new();
        for index in 0..self.log_head().size {
            let id = self.commit_at(index)?;
            let commit = self.commit_record(id)?;
            marked.seen.insert((Kind::COMMIT, id));
            if commit.time_us < horizon_us && !kept.contains(&id) {
                continue;
            }
            let body = commit.encode();
            open.extend(all_references(references, Kind::COMMIT, &body)?);
            while let Some((kind, id)) = open.pop() {
                if kind == Kind::COMMIT || !marked.seen.insert((kind, id)) {
                    continue;
                }
                match self.find(kind, id)? {
                    Some(body) => open.extend(all_references(references, kind, &body)?),
                    None => marked.missing.push((kind, id)),
                }
            }
        }
        Ok(marked)
    }

    /// Bytes that copies of some packs would have, and the open pack that takes the place of the one that is.
    fn copied_bytes(
        &self,
        writer: &Writer,
        old: &[Arc<PackFile>],
        live: &HashSet<(Kind, u64)>,
    ) -> Result<u64, StoreError> {
        let disk = Arc::new(MemoryDisk::default());
        let folder = self.packs_folder();
        disk.create_folder(&folder)
            .map_err(|error| StoreError::io(&folder, error))?;
        let mut copy = Copy::new(self, disk, writer.next_pack);
        copy.is_thrown_away = true;
        copy.packs(old, live)?;
        let opens = old.iter().any(|pack| pack.number() == writer.pack.pack().number());
        Ok(copy.bytes + if opens { PACK_HEADER } else { 0 })
    }

    /// Copies what is in use of some packs, and puts the copies in their place; the bytes that came.
    fn replace(
        &self,
        (encoder, writer): (&mut Encoder, &mut Writer),
        old: &[Arc<PackFile>],
        live: &HashSet<(Kind, u64)>,
        horizon_us: i64,
    ) -> Result<u64, StoreError> {
        let mut bytes = 0;
        if old.iter().any(|pack| pack.number() == writer.pack.pack().number()) {
            self.rotate(encoder, writer)?;
            bytes += writer.pack.end();
        }
        let mut copy = Copy::new(self, Arc::clone(&self.machine.disk), writer.next_pack);
        copy.packs(old, live)?;
        writer.next_pack = copy.next_pack;
        bytes += copy.bytes;
        let done = copy.done;
        {
            let mut view = self.view_mut();
            let gone = |pack: &Arc<PackFile>| old.iter().any(|old| old.number() == pack.number());
            view.packs.retain(|pack| !gone(pack));
            let before_last = view.packs.len().saturating_sub(1);
            view.packs.splice(before_last..before_last, done);
            view.horizon_us = horizon_us;
        }
        self.write_head(writer)?;
        // What is garbage now must not be taken for something that the store has.
        self.cache.clear();
        for pack in old {
            self.remove_file(pack.path())?;
            if let Some(index) = pack.index() {
                self.remove_file(index.path())?;
            }
        }
        Ok(bytes)
    }

    pub(super) fn remove_file(&self, path: &Path) -> Result<(), StoreError> {
        self.machine
            .disk
            .remove(path)
            .map_err(|error| StoreError::io(path, error))
    }
}

/// Bytes of the records of a pack that are in use.
fn live_bytes(pack: &PackFile, live: &HashSet<(Kind, u64)>) -> Result<u64, StoreError> {
    let mut bytes = 0;
    scan_all(pack, &mut |_, kind, prefix, len| {
        if live.contains(&(kind, prefix)) {
            bytes += len;
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// Hands out position, kind, prefix and length of a pack's records.
fn scan_all(
    pack: &PackFile,
    visit: &mut dyn FnMut(u64, Kind, u64, u64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut at = PACK_HEADER;
    while at < pack.end() {
        let group = read_group(pack, at, None)?.map_err(|Malformed(what)| pack.damage(at, what))?;
        for found in group.records(pack)? {
            let header = found.record.header;
            visit(found.offset, header.kind, header.prefix, header.total_len() as u64)?;
        }
        at = group.end();
    }
    Ok(())
}

/// Packs being copied into new ones.
struct Copy<'a> {
    timeline: &'a Timeline,
    /// Where they are written to.
    disk: Arc<dyn Disk>,
    next_pack: u32,
    target: Option<(PackWriter, GroupDraft)>,
    encoder: Encoder,
    done: Vec<Arc<PackFile>>,
    /// Of all that are done.
    bytes: u64,
    /// Only their bytes are wanted.
    is_thrown_away: bool,
    /// Groups of copies are counted by themselves: nobody replays them.
    sequence: u64,
}

impl<'a> Copy<'a> {
    fn new(timeline: &'a Timeline, disk: Arc<dyn Disk>, next_pack: u32) -> Self {
        Self {
            timeline,
            disk,
            next_pack,
            target: None,
            encoder: Encoder::default(),
            done: Vec::new(),
            bytes: 0,
            is_thrown_away: false,
            sequence: 0,
        }
    }

    fn packs(&mut self, old: &[Arc<PackFile>], live: &HashSet<(Kind, u64)>) -> Result<(), StoreError> {
        old.iter().try_for_each(|pack| self.pack(pack, live))?;
        self.end_target()
    }

    fn pack(&mut self, pack: &PackFile, live: &HashSet<(Kind, u64)>) -> Result<(), StoreError> {
        let mut offsets = Vec::new();
        scan_all(pack, &mut |offset, kind, prefix, _| {
            if !kind.is_nameless() && live.contains(&(kind, prefix)) {
                offsets.push(offset);
            }
            Ok(())
        })?;
        let mut names = HashMap::new();
        for offset in offsets {
            let body = pack.body_at(offset)?;
            let (header, _) = pack.record_at(offset)?;
            let packing = match header.stored {
                Stored::Plain => Packing::Plain,
                Stored::Zstd => Packing::Compress,
                Stored::Delta { distance, .. } => names
                    .get(&(offset - distance))
                    .copied()
                    .map_or(Packing::Compress, Packing::Delta),
            };
            let object = NewObject::new(body.kind, body.bytes).packed(packing);
            names.insert(offset, object.id);
            self.add(&object)?;
        }
        Ok(())
    }

    fn add(&mut self, object: &NewObject) -> Result<(), StoreError> {
        let timeline = self.timeline;
        if self.target.is_none() {
            let salt = timeline.machine.random.next_u64();
            let number = (self.next_pack, salt);
            let folder = timeline.packs_folder();
            let target = PackWriter::create(&*self.disk, &folder, number, timeline.options.step_bytes)?;
            self.next_pack += 1;
            self.sequence = 0;
            self.encoder.forget();
            self.target = Some((target, self.next_group()));
        }
        let Some((target, group)) = &mut self.target else {
            return Ok(());
        };
        target.pack_into(group, &mut self.encoder, object)?;
        if group.len() >= COPY_BYTES as u64 || target.end() + group.len() >= timeline.options.pack_bytes {
            self.end_group()?;
        }
        match &self.target {
            Some((target, _)) if target.end() >= timeline.options.pack_bytes => self.end_target(),
            _ => Ok(()),
        }
    }

    fn next_group(&mut self) -> GroupDraft {
        self.sequence += 1;
        GroupDraft::new(self.sequence - 1, self.timeline.log_head().size)
    }

    fn end_group(&mut self) -> Result<(), StoreError> {
        let next = self.next_group();
        if let Some((target, group)) = &mut self.target {
            target.append(std::mem::replace(group, next), false)?.publish();
        }
        Ok(())
    }

    /// Makes the pack being written durable, with its index.
    fn end_target(&mut self) -> Result<(), StoreError> {
        let Some((mut target, group)) = self.target.take() else {
            return Ok(());
        };
        if !group.is_empty() {
            target.append(group, false)?.publish();
        }
        self.bytes += target.end();
        if self.is_thrown_away {
            let path = target.pack().path();
            return self.disk.remove(path).map_err(|error| StoreError::io(path, error));
        }
        target.seal()?;
        self.timeline.write_index(target.pack())?;
        self.done.push(Arc::clone(target.pack()));
        Ok(())
    }
}
