//! What the engine keeps: the Merkle timeline of all tables, and decoded chunks in memory.
//!
//! `timeline::Timeline::open(machine, folder, Mode::Write, options)?.commit(draft)?` returns when the commit is on the medium;
//! `cache::ChunkCache::new(1 << 30)` keeps up to a gibibyte of decoded columns between queries.
//!
//! Invariants: objects are immutable and named by their hash ([`object`]); a commit is durable before anyone hears of it
//! ([`timeline`]); equal contents have equal roots ([`tree`]); the log only grows, and can prove it ([`log`]). What is cached
//! can be made again from the files.
//!
//! [`database::Database`] puts tables on top: `database.commit("main", &base, changes, about)`.
//!
//! Does not: know SQL.
//!
//! # The life of a commit
//!
//! Transactions queue up, with their rows encoded if those are many; one of those that wait makes a commit of several, where they may
//! share one (`group`), and of each other by itself. Few rows that share a commit share a segment. It edits trees ([`tree::edit`]) and
//! submits a draft with the new nodes ([`timeline::Draft`]). Under the queue's lock the commit gets its place in the log and its id.
//! The first thread to wait writes all that is queued as one group at the end of the open pack, syncs it once, adds the commits to the
//! log and moves the branches. HEAD follows every few megabytes.
//!
//! A transaction that only adds a few rows, with keys that are there nowhere, is durable before it is a commit (`ahead`): it is written as a
//! redo record, and its rows become part of a commit when somebody reads, when anything else is committed, or some milliseconds later. That
//! commit is written without a sync of its own, since the next opening would make it again.
//!
//! # The format, version 1
//!
//! ```text
//! HEAD                            the checkpoint from which opening starts
//! lock                            locked by the writing process, whose id it holds as text
//! packs/00000000.pack             objects and journal; the last one is open
//! packs/00000000.04000120.index   the index over a pack's first 0x04000120 bytes
//! log/00  log/08  log/16 …        hashes of the log, every eighth level
//! segments/ID.parquet             large segments of tables; ID is that of the object that lists its parts
//! .NAME.*.tmp                     never published: removed when the folder is opened for writing
//! ```
//!
//! Numbers are little-endian; `varint` is LEB128 in the fewest bytes; `signed` is a varint after zigzag; `bytes` and `text`
//! are a varint length and so many bytes. Checksums are XXH3-64 under a seed. An id is SHA-256 of the object's kind, as one
//! byte, and its body. Kinds: 00 commit, 02 tree node, 03 catalog object, 04 segment, 05 deletion vector, 06 blob, 07 parts of
//! a segment file, 08 lineage of a segment's rows, 0e redo and 0f ref (in packs
//! only, without an id), 10 and above: the layers above. 01 is what the log's nodes are hashed with.
//!
//! **Pack.** 32 bytes, then groups without gaps, then zeros that were prepared ahead of their use.
//!
//! | bytes | pack header | | bytes | group header |
//! |---|---|---|---|---|
//! | 8 | `gobipack` | | 4 | `gGrp` |
//! | 4 | format version | | 4 | length of the records |
//! | 4 | number | | 8 | number of the group, counted through all packs |
//! | 8 | salt, random | | 8 | size of the log before it |
//! | 8 | checksum of the above, seed 0 | | 4 | bytes of the pack that were on the medium when it was written |
//! | | | | 4 | commits in it |
//! | | | | 8 | checksum of the records, seed salt + position of the group |
//! | | | | 8 | checksum of the above, same seed |
//!
//! **Record.** kind (1), packing (1: 0 plain, 1 Zstandard, 2 difference), length of the body (varint), length of what is stored
//! (varint), for a difference how many bytes before this record its base begins (varint) and how many bases are below it
//! (1, at most 128), the first 8 bytes of the id as a number, half a checksum (4: seeded by a checksum of what precedes it under
//! salt + position), what is stored. A difference is a sequence of varints `n`: odd, copy `n >> 1` bytes of the base from the
//! position that follows as a varint; even, insert the `n >> 1` bytes that follow.
//!
//! **Commit.** version 1 (1), flavor (1), index in the log, height, index of its jump (varints), time in µs (signed), number of
//! parents (varint) and their ids, root (32), schema (32), author (text), message (text), extra (bytes).
//!
//! **Ref.** 0 branch or 1 tag (1), name (text), log index of its commit plus one, or 0 if it goes (varint).
//!
//! **Redo.** 0 (1), number of the record (varint), time in µs (signed), and to its end: the last record that was acknowledged when it began
//! (varint), branch, author, message (texts), number of tables (varint), per table its number (varint), number of blocks (varint) and
//! blocks of rows (bytes; see [`table`]). Or 1 (1), and the number up to which records are part of commits of this group or earlier ones
//! (varint).
//!
//! **Tree node.** level (1, 0 for a leaf), number of entries (varint); per entry: bytes that its key shares with the one before
//! (varint), the rest of the key (bytes); in a leaf the value (bytes), else the child's id (32), the key being the child's last,
//! and the number of entries below it (varint). A node ends after an entry if it is at least 512 bytes long, counting
//! key + value + 4 per entry, where an inner entry's value is id and varint, and either 8,192 or more, or
//! XXH3(key, seed level) / 1536 < (2⁶⁴−1) / 1536² · min(entry's size, 1536); inner nodes have at least two entries unless they
//! are the last of their level.
//!
//! **Tables.** What the trees' keys and values say, and the form of small segments: [`table`].
//!
//! **Index.** blocks of 4,096 bytes: up to 340 entries (first 8 bytes of the id as a number, position: 8 + 4), zeros, a checksum
//! with seed salt + number of the block; then the first entry's number per block (8 each); then 56 bytes: `gobi-idx`, version
//! (4), zero (4), salt (8), entries (8), bytes of the pack that it covers (8), checksum of the numbers (8), checksum of the footer
//! so far (8), both with seed salt. Entries are sorted.
//!
//! **Log.** `log/00` is an array of commit ids, `log/08` of the roots over 256 of them each, and so on.
//!
//! **HEAD.** `gobihead`, version (4), length of the body (4), body, checksum of all before, seed 0. The body: size of the log
//! (varint), its root (32), time of the last commit, time before which snapshots may have
//! been given up (signed), number of the next group, number of the first group that the open
//! pack's index does not cover, number of the next pack, number of packs, per pack its number, length and indexed length
//! (varints); number of refs (varint), per ref kind (1), name (text), log index (varint), id (32); and if redo records are not part of a commit
//! yet, their number (varint), per record its number (varint), time (signed) and the rest of it (bytes).
//!
//! **A database in one file.** See [`packed`].
//!
//! # What is assumed of the medium
//!
//! - What `fdatasync` of a file reported as done stays, and stays as it is, until it is written again; so do names after `fsync`
//!   of their folder. After a sync that failed nothing is assumed: the store stops writing.
//! - A write that was not synced may be lost in any sectors, in any order. A rename happens or not.
//! - A page that is written again with the same bytes and more behind them keeps those, whatever becomes of the rest.
//! - Synced bytes that change all the same are noticed by checksums and hashes, never used, and reported with file and object.
//!
//! # Recovery
//!
//! A group whose checksum fails is the torn end of the journal, and dropped, if neither HEAD nor the header of a later group says
//! that it had been synced; else it is damage. Groups are written one at a time, so only the last that was not acknowledged
//! can be torn, together with what was put ahead of its commit. What is dropped is overwritten with zeros before anything
//! follows it, and the salt keeps bytes inside objects from passing for headers.

mod ahead;
mod background;
pub mod cache;
mod collect;
pub mod commit;
pub mod database;
pub(crate) mod delta;
mod error;
mod group;
pub(crate) mod head;
pub mod locks;
pub mod log;
pub mod object;
pub(crate) mod pack;
pub mod packed;
pub(crate) mod redo;
pub mod table;
pub mod timeline;
pub mod tree;
pub mod undo;
mod verify;
pub(crate) mod wire;

pub use error::{Damage, StoreError};

/// The version of the format of all files here.
pub const FORMAT_VERSION: u32 = 1;
