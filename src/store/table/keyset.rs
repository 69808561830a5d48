//! Hashes of the keys that a transaction gives to its rows: whether two of them may have one in common.
//!
//! Sixteen transactions insert a row each. Whoever claims locks compares 16 numbers with its own, and looks at no row of the
//! others.
//!
//! Invariants: two that have a key in common have a hash in common, or one of them has too many keys to say.
//!
//! Does not: decide; keys are compared where hashes are the same.

use super::changes::Changes;
use crate::catalog::EntityId;
use crate::store::StoreError;
use crate::store::wire::checksum;

/// Of more rows, no hashes are made.
const MOST_ROWS: u64 = 256;

/// A key that a transaction gives to a row, as a hash, with its table.
pub type KeyHash = (EntityId, u64);

/// The hashes of the keys of all rows that some changes add.
#[derive(Debug, Default)]
pub struct KeyHashes {
    /// Each with its table, in order.
    known: Vec<KeyHash>,
    /// Tables with too many rows.
    too_many: Vec<EntityId>,
}

impl KeyHashes {
    /// Of what is staged.
    pub fn of(changes: &Changes) -> Result<Self, StoreError> {
        let mut hashes = Self::default();
        for keyed in changes.keyed() {
            let id = keyed.id;
            if keyed.table.appended() > MOST_ROWS {
                hashes.too_many.push(id);
                continue;
            }
            let found = keyed.since(None)?;
            for (seed, keys) in (0..).zip(&found) {
                let of_keys = keys.iter().map(|(key, _)| (id, checksum(seed, key)));
                hashes.known.extend(of_keys);
            }
        }
        hashes.known.sort_unstable();
        Ok(hashes)
    }

    /// Whether both may add the same key to a table.
    pub fn may_share(&self, other: &Self) -> bool {
        let has = |one: &Self, hash| one.known.binary_search(hash).is_ok();
        let (few, many) = match self.known.len() < other.known.len() {
            true => (self, other),
            false => (other, self),
        };
        few.known.iter().any(|hash| has(many, hash)) || self.may_meet(other) || other.may_meet(self)
    }

    /// Whether all keys of a table are among them.
    pub fn are_all_of(&self, table: EntityId) -> bool {
        !self.too_many.contains(&table)
    }

    /// Whether one of some keys may be among them.
    pub fn may_have(&self, keys: &[KeyHash]) -> bool {
        let has = |key: &KeyHash| !self.are_all_of(key.0) || self.known.binary_search(key).is_ok();
        keys.iter().any(has)
    }

    /// Whether there are too many rows of a table of which the other has some.
    fn may_meet(&self, other: &Self) -> bool {
        let has = |id: &EntityId| other.too_many.contains(id) || other.known.iter().any(|(known, _)| known == id);
        self.too_many.iter().any(has)
    }
}
