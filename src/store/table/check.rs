//! A table read whole: every segment hashed, every row counted, every key looked up.
//!
//! A table of a file and two blocks is checked in three steps, and then each of its keys is found in its index, at its row.
//!
//! Invariants: what is read is read from the medium or from a cache that was filled through hashes; files are read anew.
//!
//! Does not: mend.

use super::core::malformed;
use super::file;
use super::index::{all_but, find};
use super::keyed::keys_of;
use super::snapshot::TableSnapshot;
use crate::catalog::KeyDef;
use crate::store::StoreError;
use crate::store::object::{Kind, ReadObjects};

/// What was found to be as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Segments.
    pub segments: u64,
    /// Rows that are not deleted.
    pub rows: u64,
    /// Entries of key indexes.
    pub keys: u64,
    /// Bytes of segments.
    pub bytes: u64,
}

impl TableSnapshot {
    /// Reads everything; damage is an error that names object and file.
    pub fn verify(&self) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        let keys: Vec<KeyDef> = self.def.keys().cloned().collect();
        for part in self.parts()? {
            let segment = &part.segment;
            if let Some(id) = segment.file_id() {
                let body = self.core.read(Kind::FILE, id)?;
                let checked = file::verify(&self.core, &[(id, body.to_vec())], true);
                checked.into_iter().try_for_each(|checked| checked.map(drop))?;
            }
            segment.open(&self.core)?;
            segment.lineage(&self.core)?;
            let deleted = part.deletes.as_ref().map_or(0, |deletes| deletes.len());
            checked.segments += 1;
            checked.rows += segment.rows as u64 - deleted.min(segment.rows as u64);
            checked.bytes += segment.bytes;
            let live = all_but(part.deletes.as_deref());
            let found = keys_of(&self.core, &self.def, &keys, segment, &live, false)?;
            for (key, found) in keys.iter().zip(found) {
                let Some(root) = self.state.index(&key.columns) else {
                    continue;
                };
                for (bytes, located) in found {
                    let known = find(&*self.core, root, &bytes)?;
                    if known.map(|known| known.address) != Some(located.address) {
                        let what = format!("the index of `{}` does not lead to the row of a key", key.name);
                        return Err(malformed(Kind::NODE, root, what));
                    }
                    checked.keys += 1;
                }
            }
        }
        if checked.rows != self.state.rows {
            let what = format!("{} rows where {} were counted", checked.rows, self.state.rows);
            return Err(malformed(Kind::NODE, self.root, what));
        }
        Ok(checked)
    }
}
