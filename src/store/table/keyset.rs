//! Hashes of the keys that a transaction gives to its rows: whether two of them may have one in common.
//!
//! Sixteen transactions insert a row each. Whoever claims locks compares 16 numbers with its own, and looks at no row of the
//! others.
//!
//! Invariants: two that have a key in common have a hash in common, or one of them has too many keys to say.
//!
//! Does not: decide; keys are compared where hashes are the same.

use std::collections::BTreeMap;

use super::changes::Changes;
use super::prepare::Keyed;
use crate::catalog::EntityId;
use crate::store::StoreError;
use crate::store::wire::checksum;

/// Of more rows, no hashes are made.
const MOST_ROWS: u64 = 256;

/// The hashes of the keys of all rows that some changes add.
#[derive(Debug, Default)]
pub struct KeyHashes(BTreeMap<EntityId, Hashes>);

#[derive(Debug)]
enum Hashes {
    /// In order.
    These(Vec<u64>),
    TooMany,
}

impl KeyHashes {
    /// Of what is staged.
    pub fn of(changes: &Changes) -> Result<Self, StoreError> {
        let mut tables = BTreeMap::new();
        for Keyed { id, table, def, keys } in changes.keyed() {
            if table.appended() > MOST_ROWS {
                tables.insert(id, Hashes::TooMany);
                continue;
            }
            let found = table.keys_since(def, &keys, None)?;
            let of_key =
                |(seed, keys): (u64, super::index::Keys)| keys.into_iter().map(move |(key, _)| checksum(seed, &key));
            let mut hashes: Vec<u64> = (0..).zip(found).flat_map(of_key).collect();
            hashes.sort_unstable();
            tables.insert(id, Hashes::These(hashes));
        }
        Ok(Self(tables))
    }

    /// Whether both may add the same key to a table.
    pub fn may_share(&self, other: &Self) -> bool {
        self.0.iter().any(|(id, mine)| match (mine, other.0.get(id)) {
            (_, None) => false,
            (Hashes::These(mine), Some(Hashes::These(theirs))) => {
                theirs.iter().any(|hash| mine.binary_search(hash).is_ok())
            }
            _ => true,
        })
    }
}
