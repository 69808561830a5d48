//! What of the history is kept, and the space that is given back with the rest.
//!
//! `database.collect(Some(7 * 86_400_000_000), false)` keeps the snapshots of the last week, those of branches and tags, and all that is
//! needed by what is under way; `collect(None, false)` only removes what no commit leads to.
//!
//! Invariants: a snapshot that somebody of this process holds is kept, and all that followed it; so is what followed the
//! watermark that is furthest behind on any branch, and the commit where two branches parted, without which they cannot be merged.
//! While another process reads, no file is removed that it may have begun to read.
//!
//! Does not: run by itself.

use super::StoreError;
use super::database::Database;
use super::object::{CommitId, Kind, ObjectId};
use super::table::{Snapshot, TableReferences};
use super::timeline::{Collected, Layer, RefKind, Retention};
use crate::catalog::Entity;

/// A pack is copied if less than this share of it, in percent, is in use.
const FILL_PERCENT: u64 = 60;

impl Database {
    /// Gives up snapshots that are older than so many microseconds, none without a number, and removes what only they needed; or
    /// only says what would be removed.
    pub fn collect(&self, keep_us: Option<i64>, dry_run: bool) -> Result<Collected, StoreError> {
        self.catch_up()?;
        self.forget_known();
        let now = self.core.machine.clock.now_us();
        let retention = Retention {
            horizon_us: keep_us.map_or(i64::MIN, |keep| now.saturating_sub(keep)),
            keep: Vec::new(),
            fill_percent: FILL_PERCENT,
            dry_run,
        };
        self.core.timeline.gc_with(&retention, &TableReferences, self)
    }

    fn time_of(&self, commit: CommitId) -> Result<i64, StoreError> {
        Ok(self.core.timeline.commit_record(commit)?.time_us)
    }
}

impl Layer for Database {
    fn keeps_from_us(&self) -> Result<i64, StoreError> {
        let mut earliest = i64::MAX;
        for commit in self.core.opened() {
            earliest = earliest.min(self.time_of(commit)?);
        }
        let branches = self.core.timeline.refs(RefKind::Branch);
        for (at, (_, tip)) in branches.iter().enumerate() {
            // Not by way of `head`, which waits for the collection that asks.
            for entry in Snapshot::load(&self.core, Some(*tip))?.catalog().entries() {
                if let Entity::Watermark(mark) = &*entry.entity
                    && let Ok(commit) = mark.commit.parse()
                {
                    earliest = earliest.min(self.time_of(commit)?);
                }
            }
            for (_, other) in branches.iter().skip(at + 1) {
                if let Some(base) = self.core.timeline.merge_base(*tip, *other)? {
                    earliest = earliest.min(self.time_of(base)?);
                }
            }
        }
        Ok(earliest)
    }

    fn removes(
        &self,
        is_live: &dyn Fn(Kind, ObjectId) -> bool,
        remove: bool,
        collected: &mut Collected,
    ) -> Result<(), StoreError> {
        let folder = self.core.segments_folder();
        let disk = &self.core.machine.disk;
        let failed = |error| StoreError::io(&folder, error);
        for path in disk.list(&folder).map_err(failed)? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let id = name.as_deref().and_then(|name| name.strip_suffix(".parquet"));
            let Some(id) = id.and_then(|id| id.parse().ok()).filter(|id| !is_live(Kind::FILE, *id)) else {
                continue;
            };
            let size = disk.stat(&path).map_or(0, |stat| stat.size_bytes);
            let goes = match remove {
                true => self.core.remove_segment(id)?,
                false => !self.core.holds_segment(id),
            };
            if goes {
                collected.files += 1;
                collected.file_bytes += size;
            }
        }
        Ok(())
    }
}
