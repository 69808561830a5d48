//! Reading a pack from front to back: what recovery and verification do.
//!
//! After a crash the pack's last group may be torn: the scan ends before it. A group that does not check out although a
//! later one says that it had been synced is damage.
//!
//! Invariants: groups are handed out in order, each checked as a whole; a group before `synced`, or before what a later
//! group knew to be synced, is never dropped.
//!
//! Does not: change the file.

use super::record::{GROUP_HEADER, GROUP_MAGIC, GroupHeader, Record};
use super::{MAX_GROUP_BYTES, PackFile};
use crate::store::wire::Malformed;
use crate::store::{Damage, StoreError};

/// Bytes looked through at a time for later groups.
const WINDOW: usize = 1 << 18;

/// A group that checked out.
#[derive(Debug)]
pub(crate) struct Group {
    pub offset: u64,
    pub header: GroupHeader,
    pub body: Vec<u8>,
}

/// A record of a group.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub offset: u64,
    pub record: Record<'a>,
}

impl Group {
    /// Where the next one begins.
    pub(crate) fn end(&self) -> u64 {
        self.offset + GROUP_HEADER + self.body.len() as u64
    }

    /// The group's records, in order.
    pub(crate) fn records(&self, pack: &PackFile) -> Result<Vec<Found<'_>>, StoreError> {
        let start = self.offset + GROUP_HEADER;
        let mut out = Vec::new();
        let mut at = 0;
        while at < self.body.len() {
            let offset = start + at as u64;
            let record = Record::decode(&self.body[at..], pack.salt(), offset);
            let record = record.map_err(|Malformed(what)| pack.damage(offset, what))?;
            at += record.header.total_len();
            out.push(Found { offset, record });
        }
        Ok(out)
    }
}

/// Hands out the groups from a position on, and tells where they end. All of the first `synced` bytes must be sound. The
/// first group must have number `sequence`, if one is given.
pub(crate) fn scan(
    pack: &PackFile,
    from: u64,
    synced: u64,
    mut sequence: Option<u64>,
    visit: &mut dyn FnMut(Group) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut at = from;
    loop {
        match read_group(pack, at, sequence)? {
            Ok(group) => {
                sequence = Some(group.header.sequence + 1);
                let end = group.end();
                visit(group)?;
                at = end;
            }
            Err(Malformed(what)) if at < synced || was_synced(pack, at, sequence)? => {
                return Err(Damage::new(pack.path(), what).at(at).by(commit_of(pack, at)).into());
            }
            Err(_) => return Ok(at),
        }
    }
}

/// The first commit of a group whose header is sound.
fn commit_of(pack: &PackFile, at: u64) -> Option<u64> {
    let bytes = pack.read_bytes(at, GROUP_HEADER as usize).ok()?;
    GroupHeader::decode(&bytes, pack.salt(), at)
        .ok()
        .map(|header| header.log_size)
}

/// The group at a position, or why there is none.
pub(crate) fn read_group(
    pack: &PackFile,
    at: u64,
    sequence: Option<u64>,
) -> Result<Result<Group, Malformed>, StoreError> {
    let left = pack.size_bytes().saturating_sub(at);
    if left < GROUP_HEADER {
        return Ok(Err(Malformed("the file ends here")));
    }
    let bytes = pack.read_bytes(at, GROUP_HEADER as usize)?;
    let header = match GroupHeader::decode(&bytes, pack.salt(), at) {
        Ok(header) => header,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let len = u64::from(header.body_len);
    if len > MAX_GROUP_BYTES || len > left - GROUP_HEADER {
        return Ok(Err(Malformed("the group is cut off")));
    }
    if sequence.is_some_and(|expected| header.sequence != expected) {
        return Ok(Err(Malformed("the group is out of order")));
    }
    let body = pack.read_bytes(at + GROUP_HEADER, usize::try_from(len).unwrap_or(0))?;
    if !header.checks(pack.salt(), at, &body) {
        return Ok(Err(Malformed("the group's checksum does not match")));
    }
    Ok(Ok(Group {
        offset: at,
        header,
        body,
    }))
}

/// Whether a group further on knew that what lies at `at` was synced.
fn was_synced(pack: &PackFile, at: u64, sequence: Option<u64>) -> Result<bool, StoreError> {
    let size = pack.size_bytes();
    let mut from = at + 1;
    while from + GROUP_HEADER <= size {
        let len = usize::try_from(size - from).unwrap_or(usize::MAX).min(WINDOW);
        let bytes = pack.read_bytes(from, len)?;
        for index in memchr::memmem::find_iter(&bytes, &GROUP_MAGIC) {
            let header = GroupHeader::decode(&bytes[index..], pack.salt(), from + index as u64);
            let later = |header: &GroupHeader| sequence.is_none_or(|expected| header.sequence > expected);
            if header.is_ok_and(|header| later(&header) && u64::from(header.synced) > at) {
                return Ok(true);
            }
        }
        from += (len as u64).saturating_sub(GROUP_HEADER - 1).max(1);
    }
    Ok(false)
}

/// The next position from one on at which a sound group header lies; `end` if there is none.
pub(crate) fn find_group(pack: &PackFile, from: u64, end: u64) -> Result<u64, StoreError> {
    let mut at = from;
    while at + GROUP_HEADER <= end {
        let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(WINDOW);
        let bytes = pack.read_bytes(at, len)?;
        for index in memchr::memmem::find_iter(&bytes, &GROUP_MAGIC) {
            let offset = at + index as u64;
            if GroupHeader::decode(&bytes[index..], pack.salt(), offset).is_ok() {
                return Ok(offset);
            }
        }
        at += (len as u64).saturating_sub(GROUP_HEADER - 1).max(1);
    }
    Ok(end)
}
