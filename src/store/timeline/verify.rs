//! Reading everything again, and saying what is not as it was written.
//!
//! `verify_folder(…)` of a folder in which one byte of a node was flipped reports `packs/00000000.pack: byte 91244: tree
//! node: the record's checksum does not match (commit 17)`, and goes on.
//!
//! Invariants: every byte that anything refers to is read, and every object hashed: each group, record and body, each
//! index, each hash of the log, HEAD. What is not reported is sound, or outside of anything referenced: the space prepared
//! behind the last group, and the lock.
//!
//! Does not: repair.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;

use hashbrown::{HashMap, HashSet};

use super::{Machine, Mode, Options, Timeline, View};
use crate::store::commit::Commit;
use crate::store::head::Head;
use crate::store::log::Subtrees;
use crate::store::object::{Kind, ObjectId, References, all_references};
use crate::store::pack::{GROUP_HEADER, GroupHeader, PACK_HEADER, PackFile, Record, Stored, find_group};
use crate::store::wire::Malformed;
use crate::store::{Damage, StoreError};

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Pack files.
    pub packs: u64,
    /// Objects hashed.
    pub objects: u64,
    /// Commits among them.
    pub commits: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Files of which no more was looked at than that they are there, and how long they are.
    pub unread_files: u64,
    /// Their bytes.
    pub unread_bytes: u64,
    /// What is not as it was written.
    pub damages: Vec<Damage>,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty()
    }

    /// Notes damage; other errors end the verification.
    fn note(&mut self, error: StoreError, commit: Option<u64>) -> Result<(), StoreError> {
        match error {
            StoreError::Corrupt(damage) => {
                let commit = damage.commit.or(commit);
                self.damages.push(damage.by(commit));
                Ok(())
            }
            StoreError::Missing { kind, id } => {
                self.damages
                    .push(Damage::new(Path::new("packs"), "it is missing").of(kind, id).by(commit));
                Ok(())
            }
            other => Err(other),
        }
    }
}

/// Verifies a folder that may be too damaged to be opened. `deep` reads all packs; otherwise HEAD, the last groups and the
/// log are checked, and that the commits which branches and tags point to can be read.
pub fn verify_folder(
    machine: Machine,
    folder: &Path,
    deep: bool,
    references: &dyn References,
) -> Result<Report, StoreError> {
    match Timeline::open(machine, folder, Mode::Read, Options::default()) {
        Ok(timeline) => timeline.verify(deep, references),
        Err(error) => {
            let mut report = Report::default();
            report.note(error, None)?;
            Ok(report)
        }
    }
}

impl Timeline {
    /// Reads what is durable again; see [`verify_folder`].
    pub fn verify(&self, deep: bool, references: &dyn References) -> Result<Report, StoreError> {
        // A collection would put packs away under our eyes; it waits.
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let mut report = Report::default();
        let view = self.view().clone();
        let steps = Head::read(&*self.machine.disk, &self.folder).map(drop);
        steps.or_else(|error| report.note(error, None))?;
        match view.levels.check() {
            Ok(damages) => report.damages.extend(damages),
            Err(error) => report.note(error, None)?,
        }
        if !deep {
            for (index, id) in view.refs.values() {
                let read = self
                    .commit_record(*id)
                    .and_then(|commit| self.fresh(Kind::NODE, commit.root));
                read.map(drop).or_else(|error| report.note(error, Some(*index)))?;
            }
            return Ok(report);
        }
        let mut walk = Walk::new(references);
        walk.report = report;
        for other in self.walks(&view, references) {
            walk.take_over(other?);
        }
        for index in 0..view.levels.size() {
            let path = view.levels.path(0);
            match (view.levels.subtree(0, index), walk.commits.get(&index)) {
                (Ok(leaf), Some(commit)) if leaf == *commit => {}
                (Ok(leaf), None) => walk
                    .report
                    .damages
                    .push(missing(&path, Kind::COMMIT, leaf, Some(index))),
                (Ok(_), Some(_)) => {
                    let damage = Damage::new(&path, "a hash is not that of its commit").at(index * 32);
                    walk.report.damages.push(damage.by(Some(index)));
                }
                (Err(error), _) => walk.report.note(error, Some(index))?,
            }
        }
        // Once snapshots were given up, only a walk tells what must be there.
        if view.horizon_us > i64::MIN && walk.report.is_clean() {
            walk.wanted.clear();
            let missing = self.mark(view.horizon_us, &[], references)?.missing;
            walk.wanted.extend(missing.into_iter().map(|object| (object, None)));
        }
        Ok(walk.finish(&self.packs_folder()))
    }

    /// Reads all packs, on all cores, each by itself.
    fn walks<'a>(&self, view: &View, references: &'a dyn References) -> Vec<Result<Walk<'a>, StoreError>> {
        let next = AtomicUsize::new(0);
        let read = |pack: &PackFile| {
            let mut walk = Walk::new(references);
            // Opened anew, so that its size is what it is now.
            let (covered, folder) = (pack.index().map_or(0, |index| index.covered()), self.packs_folder());
            match PackFile::open(&*self.machine.disk, &folder, pack.number(), pack.end(), covered) {
                Ok(fresh) => walk.pack(&fresh, pack.end(), view.levels.size())?,
                Err(error) => walk.report.note(error, None)?,
            }
            Ok(walk)
        };
        let worker = || {
            let mut done = Vec::new();
            while let Some(pack) = view.packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((pack.number(), read(pack)));
            }
            done
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let mut done = thread::scope(|scope| {
            let others: Vec<_> = (1..workers.min(view.packs.len()))
                .map(|_| scope.spawn(worker))
                .collect();
            let mut done = worker();
            for other in others {
                done.extend(other.join().unwrap_or_else(|_| vec![(0, Err(StoreError::Interrupted))]));
            }
            done
        });
        // In the order of the packs, so that a report is the same each time.
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, walk)| walk).collect()
    }

    /// Reads an object from its pack, whatever the cache has.
    fn fresh(&self, kind: Kind, id: ObjectId) -> Result<(), StoreError> {
        let packs = self.view().packs.clone();
        for pack in packs.iter().rev() {
            if pack.read(kind, id)?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::Missing { kind, id })
    }
}

fn missing(file: &Path, kind: Kind, id: ObjectId, commit: Option<u64>) -> Damage {
    Damage::new(file, "it is missing").of(kind, id).by(commit)
}

/// A verification under way.
struct Walk<'a> {
    report: Report,
    references: &'a dyn References,
    known: HashSet<(Kind, ObjectId)>,
    /// What is referred to and was not met yet, and the commit that wrote the first reference.
    wanted: HashMap<(Kind, ObjectId), Option<u64>>,
    commits: HashMap<u64, ObjectId>,
}

/// Bodies that later records of the pack may be differences from.
#[derive(Default)]
struct Bases {
    young: HashMap<u64, Arc<Vec<u8>>>,
    old: HashMap<u64, Arc<Vec<u8>>>,
    young_bytes: usize,
}

impl Bases {
    const LIMIT: usize = 8 << 20;

    fn get(&self, offset: u64) -> Option<Arc<Vec<u8>>> {
        self.young.get(&offset).or_else(|| self.old.get(&offset)).cloned()
    }

    fn insert(&mut self, offset: u64, body: Arc<Vec<u8>>) {
        self.young_bytes += body.len();
        self.young.insert(offset, body);
        if self.young_bytes > Self::LIMIT {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

impl<'a> Walk<'a> {
    fn new(references: &'a dyn References) -> Self {
        Self {
            report: Report::default(),
            references,
            known: HashSet::new(),
            wanted: HashMap::new(),
            commits: HashMap::new(),
        }
    }

    /// Adds what was found in another pack.
    fn take_over(&mut self, other: Self) {
        let Self {
            report,
            known,
            wanted,
            commits,
            ..
        } = other;
        self.report.packs += report.packs;
        self.report.objects += report.objects;
        self.report.commits += report.commits;
        self.report.bytes += report.bytes;
        self.report.damages.extend(report.damages);
        self.known.extend(known);
        self.commits.extend(commits);
        for (object, commit) in wanted {
            self.wanted.entry(object).or_insert(commit);
        }
        self.wanted.retain(|object, _| !self.known.contains(object));
    }

    /// Reads a pack from front to back. After damage it goes on with the next group that there is.
    fn pack(&mut self, pack: &PackFile, end: u64, log_size: u64) -> Result<(), StoreError> {
        self.report.packs += 1;
        let mut bases = Bases::default();
        let mut entries = Vec::new();
        let mut at = PACK_HEADER;
        let mut sequence = None;
        while at < end {
            let header = match self.group_header(pack, at, end, sequence) {
                Ok(header) => header,
                Err(error) => {
                    self.report.note(error, None)?;
                    sequence = None;
                    at = find_group(pack, at + 1, end)?;
                    continue;
                }
            };
            sequence = Some(header.sequence + 1);
            let body_at = at + GROUP_HEADER;
            let body = pack.read_bytes(body_at, usize::try_from(header.body_len).unwrap_or(0))?;
            // A group without commits belongs to the next one; so does damage in it.
            let commit = (header.log_size < log_size).then_some(header.log_size);
            let sound = header.checks(pack.salt(), at, &body);
            let found = self.records(pack, body_at, &body, commit, &mut bases, &mut entries)?;
            if !sound && found {
                let damage = Damage::new(pack.path(), "the group's checksum does not match").at(at);
                self.report.damages.push(damage.by(commit));
            }
            at = body_at + body.len() as u64;
        }
        self.index(pack, entries)
    }

    fn group_header(
        &self,
        pack: &PackFile,
        at: u64,
        end: u64,
        sequence: Option<u64>,
    ) -> Result<GroupHeader, StoreError> {
        if end - at < GROUP_HEADER {
            return Err(pack.damage(at, "a group is cut off"));
        }
        let bytes = pack.read_bytes(at, GROUP_HEADER as usize)?;
        let header = GroupHeader::decode(&bytes, pack.salt(), at);
        let header = header.map_err(|Malformed(what)| pack.damage(at, what))?;
        if u64::from(header.body_len) > end - at - GROUP_HEADER {
            return Err(pack.damage(at, "a group is cut off"));
        }
        if sequence.is_some_and(|expected| header.sequence != expected) {
            return Err(pack.damage(at, "the group is out of order"));
        }
        Ok(header)
    }

    /// Reads the records of a group; whether all are sound.
    fn records(
        &mut self,
        pack: &PackFile,
        start: u64,
        body: &[u8],
        commit: Option<u64>,
        bases: &mut Bases,
        entries: &mut Vec<(u64, u32)>,
    ) -> Result<bool, StoreError> {
        let mut rest = body;
        while !rest.is_empty() {
            let offset = start + (body.len() - rest.len()) as u64;
            let record = match Record::decode(rest, pack.salt(), offset) {
                Ok(record) => record,
                Err(Malformed(what)) => {
                    self.report.note(pack.damage(offset, what), commit)?;
                    return Ok(false);
                }
            };
            rest = rest.get(record.header.total_len()..).unwrap_or_default();
            if !record.header.kind.is_nameless() {
                entries.push((record.header.prefix, u32::try_from(offset).unwrap_or(u32::MAX)));
                let object = self.object(pack, offset, &record, commit, bases);
                object.or_else(|error| self.report.note(error, commit))?;
            }
        }
        Ok(true)
    }

    fn object(
        &mut self,
        pack: &PackFile,
        offset: u64,
        record: &Record<'_>,
        commit: Option<u64>,
        bases: &mut Bases,
    ) -> Result<(), StoreError> {
        let kind = record.header.kind;
        let body = pack.assemble(offset, record, |at| match bases.get(at) {
            Some(body) => Ok(body),
            None => pack.body_at(at).map(|body| Arc::new(body.bytes)),
        })?;
        let body = Arc::new(body);
        let id = ObjectId::of(kind, &body);
        if id.prefix() != record.header.prefix {
            return Err(Damage::new(pack.path(), "the object is not the one that was written")
                .at(offset)
                .into());
        }
        let is_base = kind == Kind::NODE || matches!(record.header.stored, Stored::Delta { .. });
        if is_base {
            bases.insert(offset, Arc::clone(&body));
        }
        self.report.objects += 1;
        self.report.bytes += body.len() as u64;
        self.wanted.remove(&(kind, id));
        if !self.known.insert((kind, id)) {
            return Ok(());
        }
        if kind == Kind::COMMIT {
            let read = Commit::read(&body).map_err(|Malformed(what)| pack.damage(offset, what))?;
            self.report.commits += 1;
            self.commits.insert(read.index, id);
        }
        for reference in all_references(self.references, kind, &body)? {
            if !self.known.contains(&reference) {
                self.wanted.entry(reference).or_insert(commit);
            }
        }
        Ok(())
    }

    /// An index must have the pack's objects, and nothing else.
    fn index(&mut self, pack: &PackFile, mut entries: Vec<(u64, u32)>) -> Result<(), StoreError> {
        let Some(index) = pack.index() else {
            return Ok(());
        };
        entries.retain(|(_, offset)| u64::from(*offset) < index.covered());
        entries.sort_unstable();
        match index.entries() {
            Ok(found) if found == entries => Ok(()),
            Ok(_) if !self.report.is_clean() => Ok(()),
            Ok(_) => {
                self.report
                    .damages
                    .push(Damage::new(index.path(), "it does not list what the pack has"));
                Ok(())
            }
            Err(error) => self.report.note(error, None),
        }
    }

    fn finish(mut self, packs: &Path) -> Report {
        // What is missing because its record is damaged was reported there.
        if self.report.is_clean() {
            let mut wanted: Vec<_> = self.wanted.into_iter().collect();
            wanted.sort_unstable();
            let damages = wanted
                .into_iter()
                .map(|((kind, id), commit)| missing(packs, kind, id, commit));
            self.report.damages.extend(damages);
        }
        self.report
    }
}
