//! What transactions claim, and whether two of them have something in common.
//!
//! One deletes rows 3 and 4 of a segment and adds the key (7); the other adds (7) and (8): they share the key. Had the second nothing but
//! keys to add, and other ones, their hashes would have said so at once.
//!
//! Invariants: two claims are apart only if neither can have touched what the other did.
//!
//! Does not: know who waits.

use std::sync::{Arc, OnceLock};

use super::{Overtaken, TxnId};
use crate::catalog::EntityId;
use crate::store::StoreError;
use crate::store::table::{AddedKeys, Changes, Footprint, KeyHash, KeyHashes, Overlap, OverlapOn, moved_row};

/// What a transaction has written so far.
#[derive(Debug)]
pub(super) struct Claim {
    pub footprint: Arc<Footprint>,
    pub changes: Arc<Changes>,
    /// Of the keys that it adds, once somebody has asked.
    pub keys: OnceLock<Result<KeyHashes, StoreError>>,
}

impl Claim {
    pub(super) fn of(changes: Arc<Changes>) -> Arc<Self> {
        Arc::new(Self {
            footprint: Arc::new(Footprint::of(&changes)),
            changes,
            keys: OnceLock::new(),
        })
    }

    /// Whether it is known at once that the two have nothing in common.
    pub(super) fn is_apart_from(&self, other: &Self) -> bool {
        let keys = (self.keys.get(), other.keys.get());
        let apart = matches!(keys, (Some(Ok(mine)), Some(Ok(theirs))) if !mine.may_share(theirs));
        apart && self.footprint.both_only_add(&other.footprint)
    }

    /// Whether it may be about rows that come to a table, whatever keys they have.
    pub(super) fn is_about_rows_of(&self, table: EntityId) -> bool {
        let keys_are_known = matches!(self.keys.get(), Some(Ok(keys)) if keys.are_all_of(table));
        self.footprint.has_table(table) && !(keys_are_known && self.footprint.only_adds())
    }

    /// The same of rows with these keys.
    pub(super) fn may_touch(&self, changes: &Changes, keys: &[KeyHash]) -> bool {
        let mut tables = changes.tables.keys();
        let has_one = || matches!(self.keys.get(), Some(Ok(mine)) if mine.may_have(keys));
        tables.any(|table| self.is_about_rows_of(*table)) || self.footprint.has_table_of(changes, false) && has_one()
    }

    pub(super) fn keys(&self) -> Result<&KeyHashes, StoreError> {
        let keys = self.keys.get_or_init(|| KeyHashes::of(&self.changes));
        keys.as_ref().map_err(Clone::clone)
    }
}

/// Who stands in the way.
pub(super) struct Blocked {
    pub by: TxnId,
    pub version: u64,
    pub overlap: Overlap,
}

/// What a claim was compared with.
pub(super) enum Compared {
    Free,
    Blocked(Blocked),
    Overtaken(Overtaken),
}

pub(super) type Others = Vec<(TxnId, u64, Arc<Claim>)>;
pub(super) type EndedOthers = Vec<(TxnId, Arc<Footprint>)>;

pub(super) fn compare(
    mine: &Claim,
    before: Option<&Claim>,
    others: Others,
    ended: EndedOthers,
) -> Result<Compared, StoreError> {
    for (by, footprint) in ended {
        if let Some(overlap) = mine.footprint.overlap(&mine.changes, &footprint)? {
            return Ok(Compared::Overtaken(Overtaken { by, overlap }));
        }
    }
    for (by, version, theirs) in others {
        let overlap = match touched_by_both(mine, &theirs)? {
            Some(overlap) => Some(overlap),
            None => shared_key(mine, before, &theirs)?,
        };
        match overlap {
            // Nobody has seen the number yet, so another one will do.
            Some(overlap) if matches!(overlap.on, OverlapOn::Number(_)) => {
                return Ok(Compared::Overtaken(Overtaken { by, overlap }));
            }
            Some(overlap) => return Ok(Compared::Blocked(Blocked { by, version, overlap })),
            None => {}
        }
    }
    Ok(Compared::Free)
}

/// What both touch, the keys of rows left aside.
pub(super) fn touched_by_both(mine: &Claim, theirs: &Claim) -> Result<Option<Overlap>, StoreError> {
    if mine.footprint.both_only_add(&theirs.footprint) {
        return Ok(None);
    }
    match mine.footprint.overlap(&mine.changes, &theirs.footprint)? {
        Some(overlap) => Ok(Some(overlap)),
        None => moved_row(&mine.changes, &theirs.changes),
    }
}

/// A key that both give to a row, and that the first had not given before.
pub(super) fn shared_key(mine: &Claim, before: Option<&Claim>, theirs: &Claim) -> Result<Option<Overlap>, StoreError> {
    let both = mine.footprint.has_table_of(&theirs.changes, false);
    if !both || !mine.keys()?.may_share(theirs.keys()?) {
        return Ok(None);
    }
    let before = before.map(|before| &*before.changes);
    AddedKeys::new(&mine.changes, before, &theirs.changes)?.shared(&theirs.changes)
}
