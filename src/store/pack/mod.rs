//! Pack files: where small objects lie, and the journal that makes commits durable, in one.
//!
//! `packs/00000000.pack` begins with 32 bytes about itself; groups follow one another, each written by one append and
//! made durable by one sync. A group that commits one row is a header of 48 bytes, the changed tree nodes as differences
//! from their predecessors, the commit record and the branch's new tip: some 500 bytes.
//!
//! Invariants: a group is there as a whole, if its checksum holds, or not at all. Records never change and never move
//! within their pack. A difference's base lies before it in the same pack, and chains end within [`MAX_DEPTH`] steps.
//! Every record is found damaged, if it is, by its own checksum; every object by its id.
//!
//! Does not: know what objects say, except commits and refs that [`scan`] hands out, or which packs count: HEAD does.

mod encode;
mod file;
mod index;
mod record;
mod scan;
mod writer;

pub(crate) use encode::{Batch, Encoder};
pub(crate) use file::PackFile;
pub(crate) use index::IndexFile;
pub(crate) use record::{GROUP_HEADER, GroupHeader, PACK_HEADER, Record, Stored};
pub(crate) use scan::{Group, find_group, read_group, scan};
pub(crate) use writer::{Appended, GroupDraft, PackWriter, Sync};

/// Differences of differences, at most.
pub(crate) const MAX_DEPTH: u8 = 128;
/// The longest object.
pub(crate) const MAX_OBJECT_BYTES: u64 = 256 << 20;
/// The longest group.
pub(crate) const MAX_GROUP_BYTES: u64 = 1 << 30;

/// The name of a pack's file in its folder.
pub(crate) fn pack_name(number: u32) -> String {
    format!("{number:08}.pack")
}

/// The name of the index over a pack's first bytes.
pub(crate) fn index_name(number: u32, covered: u64) -> String {
    format!("{number:08}.{covered:08x}.index")
}
