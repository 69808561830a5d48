//! The bytes of a pack: its header, the headers of groups, and records.
//!
//! A record of a new tree node: kind 02, packing 02 (difference), its length 2048, 68 bytes stored, base 3,100 bytes back
//! at depth 2, the first 8 bytes of its id, a checksum, and the 68 bytes.
//!
//! Invariants: every checksum is seeded with the pack's salt and the position, so that bytes from elsewhere, such as a
//! pack stored inside an object, never pass for a group or record.
//!
//! Does not: read files.

use crate::store::object::Kind;
use crate::store::wire::{Malformed, Reader, checksum, write_varint};

use super::{MAX_DEPTH, MAX_OBJECT_BYTES};

pub(crate) const PACK_HEADER: u64 = 32;
pub(crate) const GROUP_HEADER: u64 = 48;

const PACK_MAGIC: &[u8; 8] = b"gobipack";
pub(crate) const GROUP_MAGIC: [u8; 4] = *b"gGrp";
const VERSION: u32 = crate::store::FORMAT_VERSION;

/// The first bytes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackHeader {
    pub number: u32,
    /// Random; part of every checksum in the pack.
    pub salt: u64,
}

impl PackHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = PACK_MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend(self.salt.to_le_bytes());
        out.extend(checksum(0, &out).to_le_bytes());
        out
    }

    /// The header, or the version if it is another.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Result<Self, u32>, Malformed> {
        let mut reader = Reader::new(bytes);
        if &reader.array()? != PACK_MAGIC {
            return Err(Malformed("this is no pack file"));
        }
        let (version, number, salt) = (reader.u32()?, reader.u32()?, reader.u64()?);
        if reader.u64()? != checksum(0, bytes.get(..24).unwrap_or_default()) {
            return Err(Malformed("the header's checksum does not match"));
        }
        if version != VERSION {
            return Ok(Err(version));
        }
        Ok(Ok(Self { number, salt }))
    }
}

/// What precedes the records of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub body_len: u32,
    /// Counts groups, through all packs.
    pub sequence: u64,
    /// Commits in the log before this group.
    pub log_size: u64,
    /// How much of the pack was on the medium when this was written: nothing before it may be dropped as torn.
    pub synced: u32,
    /// Commits in the group.
    pub commits: u32,
    pub body_check: u64,
}

impl GroupHeader {
    pub(crate) fn encode(&self, salt: u64, offset: u64) -> Vec<u8> {
        let mut out = GROUP_MAGIC.to_vec();
        out.extend(self.body_len.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend(self.log_size.to_le_bytes());
        out.extend(self.synced.to_le_bytes());
        out.extend(self.commits.to_le_bytes());
        out.extend(self.body_check.to_le_bytes());
        out.extend(checksum(salt.wrapping_add(offset), &out).to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != GROUP_MAGIC {
            return Err(Malformed("no group begins here"));
        }
        let header = Self {
            body_len: reader.u32()?,
            sequence: reader.u64()?,
            log_size: reader.u64()?,
            synced: reader.u32()?,
            commits: reader.u32()?,
            body_check: reader.u64()?,
        };
        if reader.u64()? != checksum(salt.wrapping_add(offset), bytes.get(..40).unwrap_or_default()) {
            return Err(Malformed("the group header's checksum does not match"));
        }
        Ok(header)
    }

    pub(crate) fn checks(&self, salt: u64, offset: u64, body: &[u8]) -> bool {
        self.body_check == checksum(salt.wrapping_add(offset), body)
    }
}

/// How a record's bytes make the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Plain,
    Zstd,
    /// Against the record this many bytes before.
    Delta {
        distance: u64,
        depth: u8,
    },
}

impl Stored {
    pub(crate) fn depth(self) -> u8 {
        match self {
            Self::Plain | Self::Zstd => 0,
            Self::Delta { depth, .. } => depth,
        }
    }
}

/// What precedes a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub kind: Kind,
    pub stored: Stored,
    /// Of the body.
    pub len: usize,
    /// Of the bytes stored.
    pub stored_len: usize,
    /// The first bytes of the id.
    pub prefix: u64,
    check: u32,
    header_len: usize,
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub header: RecordHeader,
    pub bytes: &'a [u8],
}

impl RecordHeader {
    /// The record's length on the medium.
    pub(crate) fn total_len(&self) -> usize {
        self.header_len + self.stored_len
    }

    /// Reads the header of the record that begins here.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (kind, how) = (Kind(reader.byte()?), reader.byte()?);
        let (len, stored_len) = (reader.size()?, reader.size()?);
        if len.max(stored_len) as u64 > MAX_OBJECT_BYTES {
            return Err(Malformed("a record is longer than any may be"));
        }
        let stored = match how {
            0 => Stored::Plain,
            1 => Stored::Zstd,
            2 => Stored::Delta {
                distance: reader.varint()?,
                depth: reader.byte()?,
            },
            _ => return Err(Malformed("a record is packed in an unknown way")),
        };
        let fits = match stored {
            Stored::Plain => len == stored_len,
            Stored::Zstd => true,
            Stored::Delta { distance, depth } => distance > 0 && (1..=MAX_DEPTH).contains(&depth),
        };
        if !fits {
            return Err(Malformed("a record's header contradicts itself"));
        }
        let (prefix, check) = (reader.u64()?, reader.u32()?);
        Ok(Self {
            kind,
            stored,
            len,
            stored_len,
            prefix,
            check,
            header_len: bytes.len() - reader.left(),
        })
    }
}

impl<'a> Record<'a> {
    /// Reads the record that begins here, and checks it.
    pub(crate) fn decode(bytes: &'a [u8], salt: u64, offset: u64) -> Result<Self, Malformed> {
        let header = RecordHeader::decode(bytes)?;
        let all = bytes
            .get(..header.total_len())
            .ok_or(Malformed("a record is cut off"))?;
        let (head, stored) = all.split_at(header.header_len);
        if record_check(salt, offset, &head[..head.len() - 4], stored) != header.check {
            return Err(Malformed("the record's checksum does not match"));
        }
        Ok(Self { header, bytes: stored })
    }
}

/// Appends a record that will begin at `offset` of its pack.
pub(crate) fn write_record(out: &mut Vec<u8>, salt: u64, offset: u64, record: &NewRecord<'_>) {
    let start = out.len();
    out.push(record.kind.0);
    out.push(match record.stored {
        Stored::Plain => 0,
        Stored::Zstd => 1,
        Stored::Delta { .. } => 2,
    });
    write_varint(out, record.len as u64);
    write_varint(out, record.bytes.len() as u64);
    if let Stored::Delta { distance, depth } = record.stored {
        write_varint(out, distance);
        out.push(depth);
    }
    out.extend_from_slice(&record.prefix.to_le_bytes());
    let head = out.get(start..).unwrap_or_default();
    let check = record_check(salt, offset, head, record.bytes);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(record.bytes);
}

/// A record to be written.
pub(crate) struct NewRecord<'a> {
    pub kind: Kind,
    pub stored: Stored,
    pub len: usize,
    pub prefix: u64,
    pub bytes: &'a [u8],
}

fn record_check(salt: u64, offset: u64, head: &[u8], stored: &[u8]) -> u32 {
    let seed = checksum(salt.wrapping_add(offset), head);
    // The low half is as good a checksum as any half.
    (checksum(seed, stored) & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_notice_every_flip() {
        let pack = PackHeader { number: 3, salt: 99 };
        let group = GroupHeader {
            body_len: 5,
            sequence: 7,
            log_size: 2,
            synced: 80,
            commits: 1,
            body_check: checksum(179, b"12345"),
        };
        let (pack_bytes, group_bytes) = (pack.encode(), group.encode(99, 80));
        assert_eq!(
            (pack_bytes.len() as u64, group_bytes.len() as u64),
            (PACK_HEADER, GROUP_HEADER)
        );
        assert_eq!(PackHeader::decode(&pack_bytes), Ok(Ok(pack)));
        assert_eq!(GroupHeader::decode(&group_bytes, 99, 80), Ok(group));
        assert!(group.checks(99, 80, b"12345"));
        assert!(GroupHeader::decode(&group_bytes, 99, 81).is_err());
        for at in 0..GROUP_HEADER as usize * 8 {
            let mut flipped = group_bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(GroupHeader::decode(&flipped, 99, 80).is_err());
            if at < PACK_HEADER as usize * 8 {
                let mut flipped = pack_bytes.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                assert!(PackHeader::decode(&flipped).is_err());
            }
        }
    }

    #[test]
    fn records_come_back_and_notice_every_flip() {
        for stored in [
            Stored::Plain,
            Stored::Delta {
                distance: 300,
                depth: 2,
            },
        ] {
            let mut out = Vec::new();
            let new = NewRecord {
                kind: Kind::NODE,
                stored,
                len: 5,
                prefix: 0xfeed,
                bytes: b"hello",
            };
            write_record(&mut out, 5, 1000, &new);
            let record = Record::decode(&out, 5, 1000).unwrap();
            assert_eq!((record.bytes, record.header.stored), (&b"hello"[..], stored));
            assert_eq!((record.header.total_len(), record.header.prefix), (out.len(), 0xfeed));
            for at in 0..out.len() * 8 {
                let mut flipped = out.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                assert!(Record::decode(&flipped, 5, 1000).is_err(), "bit {at}");
            }
        }
    }
}
