//! HEAD: the checkpoint from which opening starts.
//!
//! It names the packs and how much of each was on the medium, the log's size and root, and where branches and tags pointed;
//! what was committed later, recovery reads from the last pack.
//!
//! Invariants: HEAD is replaced as a whole, and names nothing that is not durable. The last pack is the open one.
//!
//! Does not: make anything durable by being written: a commit is one before any HEAD knows it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::log::LogHead;
use super::object::CommitId;
use super::redo::Unfinished;
use super::wire::{Malformed, Reader, checksum, write_bytes, write_signed, write_varint};
use super::{Damage, FORMAT_VERSION, StoreError};
use crate::host::{Disk, read_range};

const MAGIC: &[u8; 8] = b"gobihead";
const PREFIX: usize = 16;
/// The longest name of a branch or tag.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// Branches move with commits; tags stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefKind {
    /// A branch.
    Branch,
    /// A tag.
    Tag,
}

/// Branches and tags, and the commits they point to with their log indexes.
pub(crate) type Refs = BTreeMap<(RefKind, String), (u64, CommitId)>;

/// What HEAD says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub log: LogHead,
    /// The time of the last commit.
    pub time_us: i64,
    /// Snapshots of commits before this time may have been given up.
    pub horizon_us: i64,
    /// The number of the next group.
    pub sequence: u64,
    /// The number of the first group of the open pack that no index covers.
    pub indexed_sequence: u64,
    pub next_pack: u32,
    pub packs: Vec<HeadPack>,
    pub refs: Refs,
    /// What is durable, and part of no commit yet.
    pub redo: Unfinished,
}

/// A pack as HEAD knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadPack {
    pub number: u32,
    /// Bytes on the medium.
    pub end: u64,
    /// Bytes that its index covers; 0 without one.
    pub indexed: u64,
}

pub(crate) fn head_path(folder: &Path) -> PathBuf {
    folder.join("HEAD")
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        write_varint(&mut body, self.log.size);
        body.extend(self.log.root.0);
        write_signed(&mut body, self.time_us);
        write_signed(&mut body, self.horizon_us);
        write_varint(&mut body, self.sequence);
        write_varint(&mut body, self.indexed_sequence);
        write_varint(&mut body, u64::from(self.next_pack));
        write_varint(&mut body, self.packs.len() as u64);
        for pack in &self.packs {
            write_varint(&mut body, u64::from(pack.number));
            write_varint(&mut body, pack.end);
            write_varint(&mut body, pack.indexed);
        }
        write_varint(&mut body, self.refs.len() as u64);
        for ((kind, name), (index, id)) in &self.refs {
            body.push(kind.code());
            write_bytes(&mut body, name.as_bytes());
            write_varint(&mut body, *index);
            body.extend(id.0);
        }
        if !self.redo.is_empty() {
            self.redo.encode(&mut body);
        }
        let mut out = MAGIC.to_vec();
        out.extend(FORMAT_VERSION.to_le_bytes());
        out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(body);
        out.extend(checksum(0, &out).to_le_bytes());
        out
    }

    /// The head, or the version if it is another.
    fn decode(bytes: &[u8]) -> Result<Result<Self, u32>, Malformed> {
        let mut reader = Reader::new(bytes);
        if &reader.array()? != MAGIC {
            return Err(Malformed("this is no HEAD of a gobi database"));
        }
        let (version, len) = (reader.u32()?, reader.u32()?);
        let body = reader.take(usize::try_from(len).map_err(|_| Malformed("it is too long"))?)?;
        if reader.u64()? != checksum(0, bytes.get(..PREFIX + body.len()).unwrap_or_default()) {
            return Err(Malformed("the checksum does not match"));
        }
        reader.finish()?;
        if version != FORMAT_VERSION {
            return Ok(Err(version));
        }
        Self::decode_body(body).map(Ok)
    }

    fn decode_body(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (size, root) = (reader.varint()?, reader.id()?);
        let (time_us, horizon_us) = (reader.signed()?, reader.signed()?);
        let (sequence, indexed_sequence) = (reader.varint()?, reader.varint()?);
        let next_pack = narrow(reader.varint()?)?;
        let mut packs = Vec::new();
        for _ in 0..reader.varint()? {
            packs.push(HeadPack {
                number: narrow(reader.varint()?)?,
                end: reader.varint()?,
                indexed: reader.varint()?,
            });
        }
        let mut refs = Refs::new();
        for _ in 0..reader.varint()? {
            let key = (RefKind::of_code(reader.byte()?)?, reader.text()?);
            refs.insert(key, (reader.varint()?, reader.id()?));
        }
        let redo = match reader.left() {
            0 => Unfinished::default(),
            _ => Unfinished::decode(&mut reader)?,
        };
        reader.finish()?;
        Ok(Self {
            log: LogHead { size, root },
            time_us,
            horizon_us,
            sequence,
            indexed_sequence,
            next_pack,
            packs,
            refs,
            redo,
        })
    }

    pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> Result<Self, StoreError> {
        let path = head_path(folder);
        let file = disk.open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::NoDatabase(folder.to_path_buf()),
            _ => StoreError::io(&path, error),
        })?;
        let size = usize::try_from(file.stat().size_bytes).unwrap_or(usize::MAX);
        let bytes = read_range(&*file, 0, size).map_err(|error| StoreError::reading(&path, 0, error))?;
        match Self::decode(&bytes) {
            Ok(Ok(head)) => Ok(head),
            Ok(Err(found)) => Err(StoreError::Version {
                file: path,
                found,
                known: FORMAT_VERSION,
            }),
            Err(Malformed(what)) => Err(Damage::new(&path, what).at(0).into()),
        }
    }

    pub(crate) fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
        let path = head_path(folder);
        let write = || {
            let mut staged = disk.stage(&path)?;
            staged.write_all(&self.encode())?;
            staged.publish()
        };
        write().map_err(|error| StoreError::io(&path, error))
    }
}

fn narrow(value: u64) -> Result<u32, Malformed> {
    u32::try_from(value).map_err(|_| Malformed("a number is too large"))
}

impl RefKind {
    fn code(self) -> u8 {
        match self {
            Self::Branch => 0,
            Self::Tag => 1,
        }
    }

    fn of_code(code: u8) -> Result<Self, Malformed> {
        match code {
            0 => Ok(Self::Branch),
            1 => Ok(Self::Tag),
            _ => Err(Malformed("a ref is of an unknown kind")),
        }
    }
}

/// A branch or tag that comes to point elsewhere, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefChange {
    pub kind: RefKind,
    pub name: String,
    /// A commit's log index.
    pub target: Option<u64>,
}

impl RefChange {
    /// As it stands in a group.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.kind.code()];
        write_bytes(&mut out, self.name.as_bytes());
        write_varint(&mut out, self.target.map_or(0, |index| index + 1));
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let change = Self {
            kind: RefKind::of_code(reader.byte()?)?,
            name: reader.text()?,
            target: reader.varint()?.checked_sub(1),
        };
        reader.finish()?;
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::object::ObjectId;

    #[test]
    fn a_head_comes_back_and_notices_every_flip() {
        let root = ObjectId([3; 32]);
        let head = Head {
            log: LogHead { size: 7, root },
            time_us: 99,
            horizon_us: -7,
            sequence: 12,
            indexed_sequence: 10,
            next_pack: 2,
            packs: vec![HeadPack {
                number: 1,
                end: 4000,
                indexed: 300,
            }],
            refs: Refs::from([((RefKind::Branch, "main".into()), (6, root))]),
            redo: Unfinished::default(),
        };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Ok(Ok(head)));
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Head::decode(&flipped).is_err());
        }
        for target in [None, Some(0), Some(5)] {
            let (kind, name) = (RefKind::Tag, "t".into());
            let change = RefChange { kind, name, target };
            assert_eq!(RefChange::decode(&change.encode()), Ok(change));
        }
    }
}
