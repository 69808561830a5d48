//! Which segments became which in a compaction, and where rows are found again after it.
//!
//! A transaction deleted row 3 of segment 4; meanwhile the segments 1 to 9 became segment 12. The row has id 41, which is at
//! position 38 of segment 12: that is what its commit deletes.
//!
//! ```text
//! extra of a compaction's commit   version 1 (1), table, length of the first set (varints), old segments, new segments:
//!                                  sets in the portable form of Roaring bitmaps
//! ```
//!
//! Invariants: a row that is not found again was deleted by somebody else.
//!
//! Does not: move anything.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

use super::RowAddress;
use super::commit::segment_at;
use super::compact::COMPACTION;
use super::core::{Core, malformed};
use super::segment::Segment;
use super::snapshot::Snapshot;
use crate::catalog::EntityId;
use crate::store::StoreError;
use crate::store::object::Kind;
use crate::store::wire::{Malformed, Reader, write_varint};

const VERSION: u8 = 1;

/// Segments of a table that others have taken the place of.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The table.
    pub table: EntityId,
    /// Segments that went.
    pub from: RoaringBitmap,
    /// Segments that came.
    pub into: RoaringBitmap,
}

impl Moved {
    /// What stands in the commit.
    pub(in crate::store) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let set = |set: &RoaringBitmap| {
            let (mut set, mut out) = (set.clone(), Vec::new());
            set.optimize();
            let written = set.serialize_into(&mut out);
            written
                .map(|()| out)
                .map_err(|error| StoreError::Unfit(error.to_string()))
        };
        let (from, into) = (set(&self.from)?, set(&self.into)?);
        let mut out = vec![VERSION];
        write_varint(&mut out, self.table.0);
        write_varint(&mut out, from.len() as u64);
        out.extend(from);
        out.extend(into);
        Ok(out)
    }

    /// What the record of a compaction's commit says.
    pub fn decode(extra: &[u8]) -> Option<Self> {
        Self::read(extra).ok()
    }

    fn read(extra: &[u8]) -> Result<Self, Malformed> {
        let failed = |_| Malformed("a set of segments is malformed");
        let mut reader = Reader::new(extra);
        if reader.byte()? != VERSION {
            return Err(Malformed("a compaction has an unknown version"));
        }
        let table = EntityId(reader.varint()?);
        let len = reader.size()?;
        let from = RoaringBitmap::deserialize_from(reader.take(len)?).map_err(failed)?;
        let into = RoaringBitmap::deserialize_from(reader.take(reader.left())?).map_err(failed)?;
        Ok(Self { table, from, into })
    }
}

/// The compactions of a table between two snapshots of a branch.
pub(super) struct Moves<'a> {
    base: &'a Snapshot,
    newest: &'a Snapshot,
    table: EntityId,
    /// Oldest first.
    moves: Vec<Moved>,
}

impl<'a> Moves<'a> {
    /// Looks through the commits once, however many segments are then looked for.
    pub(super) fn between(base: &'a Snapshot, newest: &'a Snapshot, table: EntityId) -> Result<Self, StoreError> {
        let mut moves = Vec::new();
        if let Some(tip) = newest.commit_id() {
            for found in newest.core().timeline.first_parents(tip) {
                let (commit, record) = found?;
                if Some(commit) == base.commit_id() {
                    break;
                }
                if record.flavor == COMPACTION {
                    let moved = Moved::read(&record.extra);
                    let moved = moved.map_err(|Malformed(what)| malformed(Kind::COMMIT, commit, what))?;
                    moves.extend(Some(moved).filter(|moved| moved.table == table));
                }
            }
        }
        moves.reverse();
        Ok(Self {
            base,
            newest,
            table,
            moves,
        })
    }

    /// Where rows of a segment of the older snapshot are in the newer one: by new segment.
    ///
    /// `Err` has the first row that is nowhere any more.
    pub(super) fn find_again(
        &self,
        segment: u32,
        rows: &RoaringBitmap,
    ) -> Result<Result<BTreeMap<u32, RoaringBitmap>, RowAddress>, StoreError> {
        let Self {
            base, newest, table, ..
        } = *self;
        let core = newest.core();
        let lost = || RowAddress::new(segment, rows.min().unwrap_or(0) as usize);
        let places = self.follow(segment);
        let old = segment_at(core, base.root(), table, segment)?;
        let Some((entry, _)) = old.filter(|_| !places.contains(segment)) else {
            return Ok(Err(lost()));
        };
        let ids = ids_of(core, &Segment::of_entry(segment, &entry)?)?;
        let mut wanted: HashMap<u64, u32> = HashMap::new();
        for row in rows {
            let Some(id) = ids.get(row as usize) else {
                return Ok(Err(lost()));
            };
            wanted.insert(*id, row);
        }
        let mut found: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
        for place in places {
            let Some((entry, _)) = segment_at(core, newest.root(), table, place)? else {
                continue;
            };
            let ids = ids_of(core, &Segment::of_entry(place, &entry)?)?;
            for (at, id) in ids.iter().enumerate() {
                if wanted.remove(id).is_some() {
                    found.entry(place).or_default().insert(super::position(at));
                }
            }
        }
        match wanted.values().min() {
            Some(row) => Ok(Err(RowAddress::new(segment, *row as usize))),
            None => Ok(Ok(found)),
        }
    }

    /// The segments that a segment's rows went to.
    fn follow(&self, segment: u32) -> RoaringBitmap {
        let mut places = RoaringBitmap::from_iter([segment]);
        for moved in &self.moves {
            if !places.is_disjoint(&moved.from) {
                places -= &moved.from;
                places |= &moved.into;
            }
        }
        places
    }
}

fn ids_of(core: &Core, segment: &Segment) -> Result<Vec<u64>, StoreError> {
    let id = |row| Ok(segment.who(core, super::position(row))?.0.unwrap_or(u64::MAX));
    (0..segment.rows).map(id).collect()
}
