//! Three-way merges of trees.
//!
//! Base has a=1, b=2; ours a=9, theirs b=3: the merge edits b in ours. Had theirs changed a to 5, it would be a conflict;
//! to 9, it would be agreement.
//!
//! Invariants: what is edited was left alone by ours; every key that both changed, and differently, is a conflict.
//!
//! Does not: resolve conflicts, or look into values.

use std::iter::Peekable;

use super::{Diff, Edit, diff};
use crate::store::StoreError;
use crate::store::object::{ObjectId, ReadObjects};

/// A key that both sides changed, to different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: Vec<u8>,
    /// Its value where both come from.
    pub base: Option<Vec<u8>>,
    /// Its value in the tree merged into.
    pub ours: Option<Vec<u8>>,
    /// Its value in the other.
    pub theirs: Option<Vec<u8>>,
}

/// What a merge comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// What theirs changed and ours did not: edits for ours.
    pub edits: Edit,
    /// What both changed.
    pub conflicts: Vec<Conflict>,
}

/// Compares what two trees made of a third.
pub fn merge(source: &dyn ReadObjects, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> Result<Merged, StoreError> {
    let mut ours = diff(source, base, ours).peekable();
    let mut merged = Merged::default();
    for change in diff(source, base, theirs) {
        let theirs = change?;
        match own_change(&mut ours, &theirs.key)? {
            None => drop(merged.edits.insert(theirs.key, theirs.new)),
            Some(same) if same == theirs.new => {}
            Some(own) => merged.conflicts.push(Conflict {
                key: theirs.key,
                base: theirs.old,
                ours: own,
                theirs: theirs.new,
            }),
        }
    }
    Ok(merged)
}

/// What our side made of a key, if it changed it.
fn own_change(ours: &mut Peekable<Diff<'_>>, key: &[u8]) -> Result<Option<Option<Vec<u8>>>, StoreError> {
    let not_after =
        |change: &Result<super::Change, StoreError>| change.as_ref().map_or(true, |own| own.key.as_slice() <= key);
    while let Some(change) = ours.next_if(not_after) {
        let own = change?;
        if own.key == key {
            return Ok(Some(own.new));
        }
    }
    Ok(None)
}
