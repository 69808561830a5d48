//! The commit record: what a commit is, byte for byte, and what its id is the hash of.
//!
//! Commit 4711 on top of 4710: its parents' ids, the roots of the snapshot and of the catalog, author, message, time; and
//! two numbers, height and jump, by which history is searched in logarithmic time.
//!
//! Invariants: one encoding for one record. `index` is its place in the log, times ascend with it, and parents have smaller
//! ones. `height` is the number of first parents before it; `jump` is the index of one of them, chosen as in E. W. Myers,
//! "An applicative random-access stack" (1983), so that any of them is O(log height) steps away.
//!
//! Does not: say on which branch it was made; branches move.

use super::object::{CommitId, Kind, ObjectId};
use super::wire::{Malformed, Reader, write_bytes, write_signed, write_varint};

/// The longest author, in bytes.
pub const MAX_AUTHOR_BYTES: usize = 1 << 10;
/// The longest message, in bytes; so for [`Commit::extra`].
pub const MAX_MESSAGE_BYTES: usize = 1 << 16;
/// The most parents.
pub const MAX_PARENTS: usize = 16;

const RECORD_VERSION: u8 = 1;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its position in the log.
    pub index: u64,
    /// What it follows: none for a first commit, several for a merge.
    pub parents: Vec<CommitId>,
    /// First parents before it.
    pub height: u64,
    /// The log index of one of them; its own for a first commit.
    pub jump: u64,
    /// What sort of commit, as the layers above have it; 0 for a user's.
    pub flavor: u8,
    /// The root of the snapshot tree.
    pub root: ObjectId,
    /// The hash that stands for all definitions.
    pub schema: ObjectId,
    /// Who.
    pub author: String,
    /// Why.
    pub message: String,
    /// When: microseconds since the epoch, more than that of the commit before in the log.
    pub time_us: i64,
    /// Whatever the layers above add.
    pub extra: Vec<u8>,
}

impl Commit {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![RECORD_VERSION, self.flavor];
        write_varint(&mut out, self.index);
        write_varint(&mut out, self.height);
        write_varint(&mut out, self.jump);
        write_signed(&mut out, self.time_us);
        write_varint(&mut out, self.parents.len() as u64);
        self.parents.iter().for_each(|parent| out.extend(parent.0));
        out.extend(self.root.0);
        out.extend(self.schema.0);
        write_bytes(&mut out, self.author.as_bytes());
        write_bytes(&mut out, self.message.as_bytes());
        write_bytes(&mut out, &self.extra);
        out
    }

    /// Its name: the hash of the record, and its leaf in the log.
    pub fn id(&self) -> CommitId {
        ObjectId::of(Kind::COMMIT, &self.encode())
    }

    /// Reads a record, as anyone can who was handed one with a proof.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotACommit> {
        Self::read(bytes).map_err(|Malformed(what)| NotACommit(what))
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != RECORD_VERSION {
            return Err(Malformed("a commit record has an unknown version"));
        }
        let flavor = reader.byte()?;
        let (index, height, jump) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let time_us = reader.signed()?;
        let count = reader.size()?;
        if count > MAX_PARENTS {
            return Err(Malformed("a commit has too many parents"));
        }
        let parents = (0..count).map(|_| reader.id()).collect::<Result<_, _>>()?;
        let commit = Self {
            index,
            parents,
            height,
            jump,
            flavor,
            root: reader.id()?,
            schema: reader.id()?,
            author: reader.text()?,
            message: reader.text()?,
            time_us,
            extra: reader.bytes()?.to_vec(),
        };
        reader.finish()?;
        if commit.jump > index || (commit.jump == index) != commit.parents.is_empty() {
            return Err(Malformed("a commit's way to its ancestors does not lead back"));
        }
        Ok(commit)
    }
}

/// Bytes that are no commit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no commit record: {0}")]
pub struct NotACommit(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back() {
        let root = ObjectId([7; 32]);
        let commit = Commit {
            index: 9,
            parents: vec![ObjectId([1; 32]), ObjectId([2; 32])],
            height: 5,
            jump: 3,
            flavor: 2,
            root,
            schema: root,
            author: "ada".into(),
            message: "añadir".into(),
            time_us: -5,
            extra: vec![1, 2],
        };
        let bytes = commit.encode();
        assert_eq!(Commit::decode(&bytes), Ok(commit.clone()));
        assert_eq!(commit.id(), ObjectId::of(Kind::COMMIT, &bytes));
        assert!((0..bytes.len()).all(|len| Commit::decode(&bytes[..len]).is_err()));
        let looping = Commit { jump: 9, ..commit };
        assert!(Commit::decode(&looping.encode()).is_err());
    }
}
