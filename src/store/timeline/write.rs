//! What the leader does: a group in one append and one sync; and now and then a checkpoint, or a new pack.
//!
//! Three commits are queued: their nodes, records and tips become one group of 2 KB at the end of `packs/00000003.pack`;
//! after its sync they are published. Every 4 MB, HEAD follows.
//!
//! Invariants: nothing is published before its sync. HEAD is written after everything that it names: log hashes, indexes,
//! packs. A new pack takes a group only after a HEAD that names it.
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
use crate::store::pack::{GroupDraft, IndexFile, PackFile, PackWriter, index_name};
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
    /// Groups were appended without a sync.
    pub dirty: bool,
    /// Something happened since the last checkpoint.
    pub changed: bool,
    /// What was written, and is part of no commit yet.
    pub redo: Unfinished,
}

impl Writer {
    pub(super) fn new(pack: PackWriter, sequence: u64, indexed_sequence: u64, next_pack: u32) -> Self {
        Self {
            checkpointed: pack.end(),
            pack,
            sequence,
            indexed_sequence,
            next_pack,
            dirty: false,
            changed: false,
            redo: Unfinished::default(),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.pack.sync()?;
        self.dirty = false;
        Ok(())
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

    /// Writes items as a group, makes them durable and publishes them. Commits of what is durable are written without a sync; and
    /// by whoever only reads, not even written.
    pub(super) fn write_items(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let needs_sync = items.iter().any(|item| !item.is_done_again());
        if !self.writable && !needs_sync {
            return self.publish(items);
        }
        let mut guard = lock(&self.writer);
        let writer = guard.as_mut().ok_or(StoreError::ReadOnly)?;
        self.rotate_if_full(writer)?;
        let mut group = writer.pack.begin(writer.sequence, self.view().levels.size());
        for item in &items {
            let commit = item.commit.iter().map(|(_, object)| object);
            item.objects
                .iter()
                .chain(commit)
                .try_for_each(|object| writer.pack.add(&mut group, object))?;
        }
        for change in last_changes(&items) {
            writer.pack.add_nameless(&mut group, Kind::REF, &change.encode());
        }
        for redo in items.iter().filter_map(|item| item.redo.as_ref()) {
            writer.pack.add_nameless(&mut group, Kind::REDO, &redo.encode());
        }
        writer.pack.append(group)?;
        (writer.dirty, writer.changed) = (true, true);
        if needs_sync {
            writer.sync()?;
        }
        writer.sequence += 1;
        items
            .iter()
            .filter_map(|item| item.redo.clone())
            .for_each(|redo| writer.redo.take(redo));
        self.publish(items)?;
        if writer.pack.end() - writer.checkpointed >= self.options.checkpoint_bytes
            && let Err(error) = self.write_checkpoint(writer)
        {
            // The group is durable all the same.
            self.stop(&error);
        }
        Ok(())
    }

    fn publish(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut view = self.view_mut();
        for item in items {
            if let Some((commit, object)) = &item.commit {
                view.append(object.id, commit.time_us)?;
            }
            if let Some(change) = item.change {
                let View { levels, refs, .. } = &mut *view;
                apply_ref(refs, levels, change)?;
            }
            for object in item.objects.iter().chain(item.commit.iter().map(|(_, object)| object)) {
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
            self.put_group(writer, &part).inspect_err(|error| self.stop(error))?;
        }
        Ok(())
    }

    fn put_group(&self, writer: &mut Writer, objects: &[NewObject]) -> Result<(), StoreError> {
        self.rotate_if_full(writer)?;
        let mut group = GroupDraft::new(writer.sequence, self.view().levels.size());
        group.reserve(objects.iter().map(|object| object.body.len()).sum(), objects.len());
        objects
            .iter()
            .try_for_each(|object| writer.pack.add(&mut group, object))?;
        writer.pack.append(group)?;
        (writer.dirty, writer.changed) = (true, true);
        writer.sequence += 1;
        Ok(())
    }

    /// Writes what is queued, and a checkpoint, so that opening has little to recover.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.drain()?;
        let mut guard = lock(&self.writer);
        let Some(writer) = guard.as_mut() else {
            return Ok(());
        };
        lock(&self.queue).check()?;
        if writer.changed {
            self.write_checkpoint(writer).inspect_err(|error| self.stop(error))?;
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
        match lock(&self.writer).as_mut().filter(|writer| writer.dirty) {
            Some(writer) => writer.sync().inspect_err(|error| self.stop(error)),
            None => Ok(()),
        }
    }

    fn write_checkpoint(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.dirty {
            writer.sync()?;
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
    fn rotate_if_full(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.pack.end() < self.options.pack_bytes {
            return Ok(());
        }
        self.rotate(writer)
    }

    /// Ends the open pack, and begins the next.
    pub(super) fn rotate(&self, writer: &mut Writer) -> Result<(), StoreError> {
        writer.pack.seal()?;
        writer.dirty = false;
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
