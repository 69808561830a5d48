//! Three-way merges: what another branch did since both parted, done here too.
//!
//! Both branches have the row `(1, Ada, 10)`. One makes it `(1, Ada, 15)`, the other inserts `(2, Bo, 20)`: merged, both are there.
//! Had the other made it `(1, Ada, 12)`, that would be a [`MergeConflict`] with the three rows, and nothing would be merged.
//!
//! The walk: [`definitions`] puts the catalogs together, [`rows`] the rows of each table.
//!
//! Invariants: what one side changed and the other left alone is as that side has it. What both changed alike is no conflict, so
//! that a branch can be merged again. A row goes by its primary key, in a table without one by its id, which branches do not
//! give out twice. Watermarks stay what they are here.
//!
//! Does not: check keys, which a commit does, or foreign keys, which whoever merges does.

mod definitions;
mod rows;

use std::collections::BTreeSet;

use super::changes::Changes;
use super::snapshot::Snapshot;
use crate::catalog::{EntityId, TableDef};
use crate::store::StoreError;
use crate::store::object::CommitId;

/// Something that both branches changed, each in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeConflict {
    /// The table, or whatever it is, by name.
    pub name: String,
    /// `row`, `definition`, `name`.
    pub on: &'static str,
    /// The primary key, or the row's id; empty if it is no row.
    pub key: String,
    /// As it was where the branches parted.
    pub base: Option<String>,
    /// As it is on the branch that is merged into.
    pub ours: Option<String>,
    /// As it is on the other.
    pub theirs: Option<String>,
    /// What is defined otherwise, if it is no row: where the branches parted, here, and on the other.
    pub entities: [Option<EntityId>; 3],
}

/// Whose rows are taken where both branches changed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Those of the branch that is merged into.
    Ours,
    /// Those of the other.
    Theirs,
}

/// The other branch, and where both parted.
#[derive(Clone, Debug)]
pub struct Other {
    /// Its newest commit.
    pub commit: CommitId,
    /// That commit's snapshot.
    pub snapshot: Snapshot,
    /// The last one that both have.
    pub base: Snapshot,
}

/// What a merge found.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// If there are any, nothing may be committed.
    pub conflicts: Vec<MergeConflict>,
    /// Tables whose rows the branch that is merged into has changed since.
    pub ours: BTreeSet<EntityId>,
    /// Tables whose rows the other branch has changed since.
    pub theirs: BTreeSet<EntityId>,
    /// Tables that were dropped here, and come back as they are on the other branch.
    back: BTreeSet<EntityId>,
}

impl Changes {
    /// Stages what another branch did since it parted from the one that they are on top of.
    pub fn merge(&mut self, other: &Other, pick: Option<Pick>) -> Result<Merged, StoreError> {
        self.only_on_base = true;
        self.merges = Some(other.commit);
        let ours = self.base().clone();
        let mut merged = Merged::default();
        let sides = Sides { ours: &ours, other };
        for id in sides.tables() {
            if sides.differs(&ours, id)? {
                merged.ours.insert(id);
            }
            if sides.differs(&other.snapshot, id)? {
                merged.theirs.insert(id);
            }
        }
        self.catalog = definitions::merge(&sides, pick, &mut merged)?;
        for id in merged.back.clone() {
            if let Some(def) = self.catalog.table(id).cloned() {
                self.restore_table((id, &def), &other.snapshot)?;
            }
        }
        for id in merged.theirs.clone() {
            if let Some(def) = self.catalog.table(id).cloned() {
                self.merge_table((id, &def), &sides, pick, &mut merged)?;
            }
        }
        Ok(merged)
    }

    fn merge_table(
        &mut self,
        table: (EntityId, &TableDef),
        sides: &Sides<'_>,
        pick: Option<Pick>,
        merged: &mut Merged,
    ) -> Result<(), StoreError> {
        let mut merging = rows::Merging::new(table, sides)?;
        merging.compare(pick)?;
        merged.conflicts.append(&mut merging.conflicts);
        merging.stage(self.table(table.0)?)
    }
}

/// The three states.
struct Sides<'a> {
    ours: &'a Snapshot,
    other: &'a Other,
}

impl Sides<'_> {
    /// All tables of any of them.
    fn tables(&self) -> BTreeSet<EntityId> {
        let all = [self.ours, &self.other.snapshot, &self.other.base].into_iter();
        let ids = all.flat_map(|side| side.catalog().entries().map(|entry| entry.id));
        ids.filter(|id| self.is_table(*id)).collect()
    }

    fn is_table(&self, id: EntityId) -> bool {
        let mut all = [self.ours, &self.other.snapshot, &self.other.base].into_iter();
        all.any(|side| side.catalog().table(id).is_some())
    }

    /// Whether rows of a table are others than where the branches parted.
    fn differs(&self, side: &Snapshot, id: EntityId) -> Result<bool, StoreError> {
        Ok(!super::relies::same_rows(&self.other.base, side, id)?)
    }
}
