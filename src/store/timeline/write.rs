//! How a group is written: in one append and one sync; and now and then a checkpoint, or a new pack.
//!
//! Three commits are queued: their nodes, records and tips become one group of 2 KB at the end of `packs/00000003.pack`;
//! after its sync they are published. Every 4 MB, HEAD follows.
//!
//! Invariants: nothing is published before its sync, but for lazy commits. HEAD is written after
//! everything that it names: log hashes, indexes, packs. A new pack takes a group only after a HEAD that names it. Whoever writes
//! objects or moves the log holds the encoder from before the first object is packed until all is published, so that commits come
//! in the order of the log and HEAD says of all that lies in the pack. Redo records need only the writer, for as long as the append
//! takes: commits are packed, and a sync is waited for, while other records are appended. The encoder is locked before the writer.
//!
//! Does not: decide who leads.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use hashbrown::HashSet;

use super::queue::Item;
use super::{Timeline, View, lock};
use crate::store::StoreError;
use crate::store::head::{Head, HeadPack, RefChange, Refs};
use crate::store::log::Levels;
use crate::store::object::{Kind, NewObject, Packing};
use crate::store::pack::{Appended, Batch, Encoder, GroupDraft, IndexFile, PackFile, PackWriter, Sync, index_name};
use crate::store::redo::Unfinished;

/// The open pack and the counters that go with it.
#[derive(Debug)]
pub(super) struct Writer {
    pub pack: PackWriter,
    /// The number of the next group.
    pub sequence: u64,
    /// The number of the first group that the open pack's index does not cover.
    pub indexed_sequence: u64,
    pub next_pack: u32,
    /// The open pack's end at the last checkpoint.
    pub checkpointed: u64,
    /// Commits in the log, with those that are appended and not published yet.
    pub log_size: u64,
    /// Something happened since the last checkpoint.
    pub changed: bool,
    /// What was written, and is part of no commit yet.
    pub redo: Unfinished,
}

impl Writer {
    pub(super) fn new(
        pack: PackWriter,
        sequence: u64,
        log_size: u64,
        (indexed_sequence, next_pack): (u64, u32),
    ) -> Self {
        Self {
            log_size,
            checkpointed: pack.end(),
            pack,
            sequence,
            indexed_sequence,
            next_pack,
            changed: false,
            redo: Unfinished::default(),
        }
    }

    /// Appends a group: packed objects, and items that may be those that they belong to. Where the objects lie.
    fn append(&mut self, batch: &Batch, items: &[Item]) -> Result<(Vec<u64>, Appended), StoreError> {
        let mut group = self.pack.begin(self.sequence, self.log_size);
        let positions = self.pack.add(&mut group, batch)?;
        for change in last_changes(items) {
            self.pack.add_nameless(&mut group, Kind::REF, &change.encode());
        }
        for redo in items.iter().filter_map(|item| item.redo.as_ref()) {
            self.pack.add_nameless(&mut group, Kind::REDO, &redo.encode());
        }
        let appended = self.pack.append(group, items.iter().any(|item| !item.is_lazy))?;
        self.sequence += 1;
        self.log_size += items.iter().filter(|item| item.commit.is_some()).count() as u64;
        self.changed = true;
        items
            .iter()
            .filter_map(|item| item.redo.clone())
            .for_each(|redo| self.redo.take(redo));
        Ok((positions, appended))
    }
}

/// Bodies in a group that goes ahead of its commit.
const PUT_BYTES: u64 = 16 << 20;

impl Timeline {
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn packs_folder(&self) -> PathBuf {
        self.folder.join("packs")
    }

    pub(super) fn log_folder(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Writes redo records as a group; what is left to do until they are durable.
    pub(super) fn append_records(&self, items: &[Item]) -> Result<Sync, StoreError> {
        let mut guard = lock(&self.writer);
        let writer = guard.as_mut().ok_or(StoreError::ReadOnly)?;
        writer.append(&Batch::default(), items)?.1.publish();
        Ok(writer.pack.to_sync())
    }

    /// Writes items as a group, makes them durable and publishes them. Lazy commits are written without a sync; and
    /// by whoever only reads, not even written.
    pub(super) fn write_items(&self, encoder: &mut Encoder, items: Vec<Item>) -> Result<(), StoreError> {
        let needs_sync = items.iter().any(|item| !item.is_lazy);
        if !self.writable && !needs_sync {
            return self.publish(items);
        }
        let pack = {
            let mut guard = lock(&self.writer);
            let writer = guard.as_mut().ok_or(StoreError::ReadOnly)?;
            self.rotate_if_full(encoder, writer)?;
            Arc::clone(writer.pack.pack())
        };
        let mut batch = Batch::default();
        for item in &items {
            item.new_objects()
                .try_for_each(|object| encoder.encode(&pack, &mut batch, object))?;
        }
        let ((positions, appended), sync) = {
            let mut guard = lock(&self.writer);
            let writer = guard.as_mut().ok_or(StoreError::ReadOnly)?;
            let appended = writer.append(&batch, &items)?;
            (appended, writer.pack.to_sync())
        };
        encoder.placed(batch, &positions);
        appended.publish();
        if needs_sync {
            sync.run()?;
        }
        self.publish(items)?;
        self.checkpoint_if_due(encoder);
        Ok(())
    }

    /// What was written is durable all the same if it fails.
    fn checkpoint_if_due(&self, encoder: &mut Encoder) {
        if let Some(writer) = lock(&self.writer).as_mut()
            && writer.pack.end() - writer.checkpointed >= self.options.checkpoint_bytes
            && let Err(error) = self.write_checkpoint(encoder, writer)
        {
            self.stop(&error);
        }
    }

    fn publish(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut view = self.view_mut();
        for item in items {
            if let Some((commit, object)) = item.commit.as_deref() {
                view.append(object.id, commit.time_us)?;
            }
            if let Some(change) = &item.change {
                let View { levels, refs, .. } = &mut *view;
                apply_ref(refs, levels, change.clone())?;
            }
            for object in item.new_objects() {
                self.cache.insert(object.kind, object.id, &object.body);
                if let Packing::Delta(base) = object.packing {
                    self.cache.replaced(object.kind, base);
                }
            }
        }
        Ok(())
    }

    /// Writes objects ahead of the commit that will need them, so that a large load does not pile up in memory. They are
    /// durable when that commit is; without one, they are garbage.
    pub fn put(&self, objects: Vec<NewObject>) -> Result<(), StoreError> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        lock(&self.queue).check()?;
        let mut encoder = lock(&self.encoder);
        let mut guard = lock(&self.writer);
        let writer = guard.as_mut().ok_or(StoreError::ReadOnly)?;
        let mut objects = objects.into_iter().peekable();
        while objects.peek().is_some() {
            let mut bytes = 0;
            let mut part = Vec::new();
            while let Some(object) = objects.next_if(|_| bytes < PUT_BYTES) {
                bytes += object.body.len() as u64;
                part.push(object);
            }
            self.put_group(&mut encoder, writer, &part)
                .inspect_err(|error| self.stop(error))?;
        }
        Ok(())
    }

    fn put_group(&self, encoder: &mut Encoder, writer: &mut Writer, objects: &[NewObject]) -> Result<(), StoreError> {
        self.rotate_if_full(encoder, writer)?;
        let mut group = GroupDraft::new(writer.sequence, writer.log_size);
        group.reserve(objects.iter().map(|object| object.body.len()).sum(), objects.len());
        objects
            .iter()
            .try_for_each(|object| writer.pack.pack_into(&mut group, encoder, object))?;
        writer.pack.append(group, false)?.publish();
        writer.changed = true;
        writer.sequence += 1;
        Ok(())
    }

    /// Writes what is queued, and a checkpoint, so that opening has little to recover.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.drain()?;
        let mut encoder = lock(&self.encoder);
        let mut guard = lock(&self.writer);
        let Some(writer) = guard.as_mut() else {
            return Ok(());
        };
        lock(&self.queue).check()?;
        if writer.changed {
            self.write_checkpoint(&mut encoder, writer)
                .inspect_err(|error| self.stop(error))?;
        }
        Ok(())
    }

    /// A checkpoint, after which nothing more can be written through this value, and another may take the lock. Without it
    /// nothing is lost, but the next opening takes longer.
    pub fn close(&self) -> Result<(), StoreError> {
        self.checkpoint()?;
        if lock(&self.writer).take().is_some() {
            self.stop(&StoreError::ReadOnly);
        }
        drop(lock(&self.lock).take());
        Ok(())
    }

    /// Makes everything durable that can be read: commits of what was durable before them, too.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.drain()?;
        let sync = lock(&self.writer)
            .as_ref()
            .filter(|writer| writer.pack.is_dirty())
            .map(|writer| writer.pack.to_sync());
        sync.map_or(Ok(()), |sync| sync.run().inspect_err(|error| self.stop(error)))
    }

    /// Nobody else moves the log meanwhile, having the encoder.
    fn write_checkpoint(&self, _: &mut Encoder, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.pack.is_dirty() {
            writer.pack.sync()?;
        }
        let pack = Arc::clone(writer.pack.pack());
        let covered = pack.index().map_or(0, |index| index.covered());
        let mut replaced = None;
        if pack.end() - covered >= self.options.unindexed_bytes {
            replaced = self.write_index(&pack)?;
            writer.indexed_sequence = writer.sequence;
        }
        self.write_head(writer)?;
        self.remove_index(replaced)
    }

    /// Makes the log's hashes durable, and then HEAD.
    pub(super) fn write_head(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let disk = &*self.machine.disk;
        let unsaved = self.view().levels.unsaved();
        Levels::save(disk, &self.log_folder(), &unsaved)?;
        let head = {
            let mut view = self.view_mut();
            view.levels.saved(disk, &unsaved)?;
            head_of(&view, writer)
        };
        head.write(disk, &self.folder)?;
        writer.checkpointed = writer.pack.end();
        writer.changed = false;
        Ok(())
    }

    /// Indexes a pack; gives the path of the index that is replaced.
    pub(super) fn write_index(&self, pack: &PackFile) -> Result<Option<PathBuf>, StoreError> {
        let disk = &*self.machine.disk;
        let (covered, salt) = (pack.end(), pack.salt());
        let path = self.packs_folder().join(index_name(pack.number(), covered));
        let replaced = pack.index().map(|index| index.path().to_path_buf());
        if replaced.as_ref() == Some(&path) {
            return Ok(None);
        }
        IndexFile::write(disk, &path, salt, covered, &pack.entries()?)?;
        pack.set_index(IndexFile::open(disk, &path, salt, covered)?);
        Ok(replaced)
    }

    fn remove_index(&self, path: Option<PathBuf>) -> Result<(), StoreError> {
        path.map_or(Ok(()), |path| self.remove_file(&path))
    }

    /// Ends the open pack if it is full, and begins the next.
    fn rotate_if_full(&self, encoder: &mut Encoder, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.pack.end() < self.options.pack_bytes {
            return Ok(());
        }
        self.rotate(encoder, writer)
    }

    /// Ends the open pack, and begins the next.
    pub(super) fn rotate(&self, encoder: &mut Encoder, writer: &mut Writer) -> Result<(), StoreError> {
        writer.pack.seal()?;
        encoder.forget();
        let replaced = self.write_index(writer.pack.pack())?;
        let disk = &*self.machine.disk;
        let salt = self.machine.random.next_u64();
        writer.pack = PackWriter::create(
            disk,
            &self.packs_folder(),
            (writer.next_pack, salt),
            self.options.step_bytes,
        )?;
        writer.next_pack += 1;
        writer.indexed_sequence = writer.sequence;
        self.view_mut().packs.push(Arc::clone(writer.pack.pack()));
        self.write_head(writer)?;
        self.remove_index(replaced)
    }
}

/// Where branches and tags point after a group, which is there as a whole or not at all: the steps in between are nobody's.
fn last_changes(items: &[Item]) -> Vec<&RefChange> {
    let mut seen = HashSet::new();
    let changes = items.iter().rev().filter_map(|item| item.change.as_ref());
    let mut last: Vec<&RefChange> = changes
        .filter(|change| seen.insert((change.kind, &change.name)))
        .collect();
    last.reverse();
    last
}

/// Lets a branch or tag point to a commit that the log has.
pub(super) fn apply_ref(refs: &mut Refs, levels: &Levels, change: RefChange) -> Result<(), StoreError> {
    let key = (change.kind, change.name);
    match change.target {
        Some(index) => drop(refs.insert(key, (index, levels.leaf(index)?))),
        None => drop(refs.remove(&key)),
    }
    Ok(())
}

fn head_of(view: &View, writer: &Writer) -> Head {
    let of_pack = |pack: &Arc<PackFile>| HeadPack {
        number: pack.number(),
        end: pack.end(),
        indexed: pack.index().map_or(0, |index| index.covered()),
    };
    Head {
        log: view.frontier.head(),
        time_us: view.time_us,
        horizon_us: view.horizon_us,
        sequence: writer.sequence,
        indexed_sequence: writer.indexed_sequence,
        next_pack: writer.next_pack,
        packs: view.packs.iter().map(of_pack).collect(),
        refs: view.refs.clone(),
        redo: writer.redo.clone(),
    }
}
