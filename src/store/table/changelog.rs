//! What became of a table's rows between two commits: the rows written since, the log of changes, the difference.
//!
//! Commit 41 inserts the rows 5, 6, 7, commit 42 updates 6, commit 43 puts both segments into one. The log of 41 to 43 has the
//! images of row 6 before and after, and nothing of 43: there each row is as it was, by the commit that it was.
//!
//! Two snapshots are compared as trees, so what they share is not read; of segments that differ, rows are told by their
//! ids. A row that left and came back under the same id was updated, or, by the same commit, moved.
//!
//! Invariants: a log is complete, or an error. Within a commit deletes come before updates and those before inserts, each in
//! the order of the rows' ids, and an update's two images are neighbours.
//!
//! Does not: read columns; a relation does, when it is scanned.

use std::sync::Arc;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use super::core::{Core, malformed};
use super::entry::{segment_of_key, segments_prefix};
use super::relation::{Extra, Part, TableRelation};
use super::segment::Deletes;
use super::snapshot::{Snapshot, TableSnapshot, load_part, load_state};
use super::{COMPACTION, TableChanges};
use crate::catalog::EntityId;
use crate::formats::Relation;
use crate::store::StoreError;
use crate::store::commit::Commit;
use crate::store::object::{CommitId, Kind, ObjectId};
use crate::store::tree::diff_prefix;

/// What was done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Op {
    Delete,
    UpdatePre,
    UpdatePost,
    Insert,
}

impl Op {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::UpdatePre => "update_pre",
            Self::UpdatePost => "update_post",
            Self::Insert => "insert",
        }
    }
}

/// The commit of some changes.
#[derive(Debug)]
pub(super) struct By {
    /// Its hash, as text.
    pub id: String,
    pub time_us: i64,
}

/// How rows of a piece were changed.
#[derive(Debug)]
pub(super) struct Note {
    pub op: Op,
    pub by: Arc<By>,
    /// Of each row.
    pub seqs: Vec<u32>,
}

/// Rows of a segment that were changed alike.
#[derive(Debug)]
pub(super) struct Noted {
    pub part: Part,
    pub op: Op,
    pub by: Arc<By>,
    /// Positions, ascending, and their numbers in the commit.
    pub rows: Vec<(u32, u32)>,
}

/// What a log shows beside the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Operation, commit, time and sequence; then, hidden, the row's id.
    Log,
    /// All of it hidden.
    Difference,
}

impl TableSnapshot {
    /// The rows that were written after a commit, with what is staged. The commit is an ancestor of this snapshot's.
    pub fn since(&self, since: CommitId, staged: Option<&TableChanges>) -> Result<Arc<dyn Relation>, StoreError> {
        let record = self.core.timeline.commit_record(since)?;
        let mut parts = match staged.is_some_and(TableChanges::is_truncated) {
            true => Vec::new(),
            false => differing(&self.core, self.id, (record.root, self.root))?.new,
        };
        for segment in staged.map(TableChanges::segments).transpose()?.unwrap_or_default() {
            let deletes = None;
            parts.push(Part { segment, deletes });
        }
        parts.sort_by_key(|part| part.segment.number);
        let mut written = Vec::with_capacity(parts.len());
        for mut part in parts {
            let mut gone: RoaringBitmap = part.deletes.as_deref().cloned().unwrap_or_default();
            if let Some(staged) = staged.and_then(|staged| staged.deletes_of(part.segment.number)) {
                gone |= staged;
            }
            let rows = super::position(part.segment.rows);
            if let Some(lineage) = part.segment.lineage(&self.core)? {
                let older = lineage.commits(rows).filter(|(_, commit)| *commit <= record.index);
                for (rows, _) in older {
                    gone.insert_range(rows);
                }
            }
            if gone.len() < u64::from(rows) {
                part.deletes = (!gone.is_empty()).then(|| Deletes::new(gone));
                written.push(part);
            }
        }
        let has_deletes = written.iter().any(|part| part.deletes.is_some());
        let made = TableRelation::new(Arc::clone(&self.core), &self.def, written, has_deletes)?;
        Ok(Arc::new(made))
    }

    /// What the commits after `since` did to the table, up to `until`, this snapshot's own; and to `others`, which had its name and its
    /// columns before.
    pub fn log(&self, since: CommitId, until: CommitId, others: &[EntityId]) -> Result<Arc<dyn Relation>, StoreError> {
        let timeline = &self.core.timeline;
        let mut steps = Vec::new();
        let mut newer: Option<(CommitId, Commit)> = None;
        for found in timeline.first_parents(until) {
            let (id, record) = found?;
            if let Some((newer, by)) = newer
                && by.root != record.root
                && by.flavor != COMPACTION
            {
                let roots = (record.root, by.root);
                let by = Arc::new(By {
                    id: newer.to_string(),
                    time_us: by.time_us,
                });
                steps.push((by, roots));
            }
            timeline.check_kept(id)?;
            if id == since {
                return self.log_of(steps, None, others, Shown::Log);
            }
            newer = Some((id, record));
        }
        Err(StoreError::NoAncestor {
            ancestor: since,
            of: until,
        })
    }

    /// What makes this snapshot of another one; `base` is where the histories of both parted. `others` had the table's name and its
    /// columns there.
    pub fn difference(
        &self,
        from: &Snapshot,
        base: &Snapshot,
        others: &[EntityId],
    ) -> Result<Arc<dyn Relation>, StoreError> {
        let by = Arc::new(By {
            id: String::new(),
            time_us: 0,
        });
        self.log_of(
            vec![(by, (from.root(), self.root))],
            Some(base.root()),
            others,
            Shown::Difference,
        )
    }

    fn log_of(
        &self,
        steps: Vec<(Arc<By>, (ObjectId, ObjectId))>,
        base: Option<ObjectId>,
        others: &[EntityId],
        shown: Shown,
    ) -> Result<Arc<dyn Relation>, StoreError> {
        let mut changed = Vec::new();
        for (by, roots) in steps.into_iter().rev() {
            let common = base.unwrap_or(roots.0);
            let mut before = 0;
            for table in others.iter().chain([&self.id]) {
                let mut noted = Step::of(&self.core, *table, roots, common)?.noted(&by);
                let rows = noted.iter_mut().flat_map(|noted| &mut noted.rows);
                let last = rows.map(|(_, seq)| {
                    *seq += before;
                    *seq
                });
                before = last.max().unwrap_or(before);
                changed.extend(noted);
            }
        }
        let extras = match shown {
            Shown::Log => vec![Extra::Op, Extra::Commit, Extra::Time, Extra::Seq, Extra::RowId],
            Shown::Difference => vec![Extra::Op, Extra::Seq, Extra::RowId],
        };
        let made = TableRelation::of_log(Arc::clone(&self.core), &self.def, changed, extras)?;
        Ok(Arc::new(made))
    }
}

/// How many rows were inserted, updated and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New ones.
    pub inserted: u64,
    /// Written anew.
    pub updated: u64,
    /// Gone.
    pub deleted: u64,
}

impl Snapshot {
    /// What became of the rows of a table since another snapshot.
    pub fn counts_since(&self, from: &Snapshot, base: &Snapshot, table: EntityId) -> Result<Counts, StoreError> {
        let step = Step::of(self.core(), table, (from.root(), self.root()), base.root())?;
        Ok(Counts {
            inserted: step.inserted.len() as u64,
            updated: step.updated.len() as u64,
            deleted: step.deleted.len() as u64,
        })
    }

    /// Whether a table's rows or their places differ from those of another snapshot.
    pub fn differs(&self, from: ObjectId, table: EntityId) -> Result<bool, StoreError> {
        let core = self.core();
        Ok(load_state(core, from, table)? != load_state(core, self.root(), table)?)
    }
}

/// Segments whose entries differ.
struct Differing {
    old: Vec<Part>,
    new: Vec<Part>,
}

fn differing(core: &Core, table: EntityId, (old, new): (ObjectId, ObjectId)) -> Result<Differing, StoreError> {
    let mut found = Differing {
        old: Vec::new(),
        new: Vec::new(),
    };
    for change in diff_prefix(core, old, new, &segments_prefix(table)) {
        let change = change?;
        if segment_of_key(&change.key).is_none() {
            return Err(malformed(Kind::NODE, new, "a segment's key is malformed"));
        }
        if let Some(value) = change.old {
            found.old.push(load_part(core, old, &change.key, &value)?);
        }
        if let Some(value) = change.new {
            found.new.push(load_part(core, new, &change.key, &value)?);
        }
    }
    Ok(found)
}

/// A row of a part: the part's place in the list, the position, the row's id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub part: usize,
    pub row: u32,
    pub id: u64,
}

/// What became of rows from one root to another.
pub(super) struct Step {
    pub old: Vec<Part>,
    pub new: Vec<Part>,
    pub deleted: Vec<Place>,
    /// Before, and after.
    pub updated: Vec<(Place, Place)>,
    pub inserted: Vec<Place>,
    /// In other segments than before, and otherwise as they were.
    pub moved: Vec<(Place, Place)>,
}

impl Step {
    /// Ids that were given out before `base` mean the same rows on both sides, others do not.
    pub(super) fn of(
        core: &Core,
        table: EntityId,
        roots: (ObjectId, ObjectId),
        base: ObjectId,
    ) -> Result<Self, StoreError> {
        let Differing { old, new } = differing(core, table, roots)?;
        // In a segment that is in both, only what was deleted in one of them differs.
        let same = |other: &[Part], part: &Part| {
            let found = other.iter().find(|found| found.segment.number == part.segment.number)?;
            let mine =
                part.segment.who_key() == found.segment.who_key() && part.segment.content == found.segment.content;
            mine.then(|| found.deletes.clone())
        };
        let mut gone: HashMap<u64, (Place, u64)> = HashMap::new();
        for (at, part) in old.iter().enumerate() {
            for row in left(part, same(&new, part)) {
                let (id, commit) = who(core, part, row)?;
                gone.insert(id, (Place { part: at, row, id }, commit));
            }
        }
        let common = load_state(core, base, table)?.next_row;
        let (mut inserted, mut updated, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for (at, part) in new.iter().enumerate() {
            for row in left(part, same(&old, part)) {
                let (id, commit) = who(core, part, row)?;
                let place = Place { part: at, row, id };
                match gone.get(&id).copied() {
                    Some((before, by)) if by == commit => {
                        gone.remove(&id);
                        moved.push((before, place));
                    }
                    Some((before, _)) if id < common => {
                        gone.remove(&id);
                        updated.push((before, place));
                    }
                    _ => inserted.push(place),
                }
            }
        }
        let mut deleted: Vec<Place> = gone.into_values().map(|(place, _)| place).collect();
        deleted.sort_unstable_by_key(|place| place.id);
        updated.sort_unstable_by_key(|(place, _)| place.id);
        inserted.sort_unstable_by_key(|place| place.id);
        Ok(Self {
            old,
            new,
            deleted,
            updated,
            inserted,
            moved,
        })
    }

    /// The rows with their numbers, by part and operation.
    fn noted(self, by: &Arc<By>) -> Vec<Noted> {
        let mut seq = 0;
        let mut next = || {
            seq += 1;
            seq
        };
        let mut old: HashMap<(usize, Op), Vec<(u32, u32)>> = HashMap::new();
        let mut new: HashMap<(usize, Op), Vec<(u32, u32)>> = HashMap::new();
        for place in self.deleted {
            let rows = old.entry((place.part, Op::Delete)).or_default();
            rows.push((place.row, next()));
        }
        for (before, after) in self.updated {
            let rows = old.entry((before.part, Op::UpdatePre)).or_default();
            rows.push((before.row, next()));
            let rows = new.entry((after.part, Op::UpdatePost)).or_default();
            rows.push((after.row, next()));
        }
        for place in self.inserted {
            let rows = new.entry((place.part, Op::Insert)).or_default();
            rows.push((place.row, next()));
        }
        let mut noted = Vec::new();
        for (parts, found) in [(self.old, old), (self.new, new)] {
            let mut found: Vec<_> = found.into_iter().collect();
            found.sort_unstable_by_key(|(key, _)| *key);
            for ((at, op), mut rows) in found {
                let Some(part) = parts.get(at) else { continue };
                rows.sort_unstable();
                noted.push(Noted {
                    part: Part {
                        segment: Arc::clone(&part.segment),
                        deletes: None,
                    },
                    op,
                    by: Arc::clone(by),
                    rows,
                });
            }
        }
        noted
    }
}

/// The live rows of a part; if the other side has the segment too, those that are not live there.
fn left(part: &Part, other: Option<Option<Deletes>>) -> Vec<u32> {
    let mut rows = match other {
        None => RoaringBitmap::from_sorted_iter(0..super::position(part.segment.rows)).unwrap_or_default(),
        Some(deletes) => deletes.as_deref().cloned().unwrap_or_default(),
    };
    if let Some(deletes) = &part.deletes {
        rows -= &**deletes;
    }
    rows.into_iter().collect()
}

fn who(core: &Core, part: &Part, row: u32) -> Result<(u64, u64), StoreError> {
    match part.segment.who(core, row)? {
        (Some(id), Some(commit)) => Ok((id, commit)),
        _ => Err(StoreError::Unfit("a row that was not committed has no past".into())),
    }
}
