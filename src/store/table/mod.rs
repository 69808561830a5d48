//! Tables on top of the timeline: segments of rows, what is deleted of them, and the trees that say so.
//!
//! `INSERT INTO t VALUES (7, 'ada')` adds one entry of some 30 bytes to the snapshot tree, the row in it; a load of six
//! million rows adds 25 entries, and as many files. `DELETE` adds a set of positions beside an entry. A reader takes all
//! entries of a table as one `Relation`.
//!
//! Where do I look: what is stored, byte for byte: `entry` (keys and values of the snapshot tree), `block` (small
//! segments), `file` (large ones), `labels` (of enums), `index` (keys; `keyed` makes their entries, `runs` orders them). Reading: `segment`,
//! `plan` (layouts and promises), `relation`, [`Snapshot`]. Writing: [`Changes`], and `commit`; rewriting: `compact`, `lineage`
//! (whose rows keep their ids), `moved`; from one state to another: `changelog`, `restore`, `merge`, by `copy`.
//!
//! Invariants: segments never change, and their numbers are never used again in a table. Columns go by their numbers, so no
//! change of a definition touches data. A row's address stays what it is in a snapshot and in what is staged on top.
//!
//! Does not: know SQL, or who waits for whom: it says where two transactions meet (`footprint`, `unique`, `reads`), and
//! [`super::locks`] what follows from that.

mod ahead;
mod block;
mod cell;
mod cells;
mod changelog;
mod changes;
mod check;
mod commit;
mod compact;
mod copy;
pub(super) mod core;
mod entry;
mod error;
mod few;
mod file;
mod footprint;
mod given;
mod index;
mod keyed;
mod keyset;
mod labels;
mod lineage;
mod merge;
mod moved;
mod partition;
mod plan;
mod prepare;
pub mod proof;
mod publish;
mod reads;
mod rebase;
mod recent;
mod relation;
mod relies;
mod restore;
mod rows;
mod runs;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod together;
mod unique;

pub(in crate::store) use ahead::WrittenAhead;
pub use changelog::{Counts, Shown};
pub use changes::{Changes, TableChanges};
pub use check::Checked;
pub(in crate::store) use compact::Compaction;
pub use compact::{COMPACTION, Effort, Fragmentation};
pub use entry::TableReferences;
pub use error::{About, CommitError, Conflict, ConflictOn};
pub(super) use file::verify as verify_files;
pub use footprint::{AddedKeys, Footprint, Overlap, OverlapOn, Touched, moved_row, row_text};
pub use given::Given;
pub use index::KeyRange;
pub use keyset::{KeyHash, KeyHashes};
pub use merge::{MergeConflict, Merged, Other, Pick};
pub use moved::Moved;
pub(in crate::store) use prepare::Prepared;
pub use reads::{Allowed, Reads, Test};
pub use relies::{Presence, Relies};
pub use snapshot::{Snapshot, TableSnapshot};
pub use unique::{Twice, find_twice};

/// The hidden column of row addresses.
pub const ROW_COLUMN: &str = "_row";
/// The hidden column of row ids, which rows keep for life; NULL before a commit has given them.
pub const ROW_ID_COLUMN: &str = "_row_id";
/// The hidden column of the commits that wrote rows, by their hashes; NULL before there is one.
pub const COMMIT_COLUMN: &str = "_commit";
/// The hidden column that is false for deleted rows; there only if there are such rows.
pub const LIVE_COLUMN: &str = "_live";

/// In a log of changes: what was done.
pub const OP_COLUMN: &str = "_op";
/// In a log of changes: when.
pub const TIME_COLUMN: &str = "_ts";
/// In a log of changes: in which order, within a commit.
pub const SEQ_COLUMN: &str = "_seq";

/// Whether a name is that of a column of the engine's own, which no table may have.
pub fn is_hidden(name: &str) -> bool {
    let own = [
        ROW_COLUMN,
        ROW_ID_COLUMN,
        COMMIT_COLUMN,
        LIVE_COLUMN,
        OP_COLUMN,
        TIME_COLUMN,
        SEQ_COLUMN,
    ];
    own.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Where a row is: its segment's number, and its position there. As a number: segment << 32 | position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowAddress(pub u64);

impl RowAddress {
    fn new(segment: u32, row: usize) -> Self {
        Self(u64::from(segment) << 32 | u64::from(position(row)))
    }

    /// The segment's number.
    pub fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The position in it.
    pub fn row(self) -> u32 {
        (self.0 & u64::from(u32::MAX)) as u32
    }
}

/// A position in a segment; no segment has more rows.
fn position(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}
