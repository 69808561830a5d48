//! Who rows are, and who wrote them: row ids and commits.
//!
//! Rows 5, 6, 7 were inserted by commit 40; commit 42 updates rows 5 and 7. Its segment has the ids 5, 7, both written by 42: two
//! runs of ids, one of commits. A row keeps its id for life, and its commit until it is written again.
//!
//! ```text
//! lineage   runs of ids (varint), per run: rows (varint), its first id less the one that would come next (signed);
//!           runs of commits (varint), per run: rows (varint), place in the log less that of the run before (signed)
//! ```
//!
//! A segment of one run of each, as every insert and every update of a single row is, has no lineage but two numbers in its
//! entry.
//!
//! Invariants: the runs of each list cover all rows. Commits go by their place in the log, which no other commit has.
//!
//! Does not: give out ids; a commit does.

use arrow::array::{Array, BooleanArray, UInt32Array, UInt64Array};
use arrow::compute::{concat, filter, take};

use crate::store::wire::{Malformed, Reader, write_signed, write_varint};

/// What rows keep that were there before; NULL: a commit gives it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Row ids.
    pub ids: UInt64Array,
    /// Places in the log.
    pub commits: UInt64Array,
}

impl Kept {
    /// Rows that are written anew under ids that they have, or get.
    pub(super) fn updated(ids: Vec<Option<u64>>) -> Self {
        Self {
            commits: UInt64Array::new_null(ids.len()),
            ids: ids.into(),
        }
    }

    /// New rows.
    pub(super) fn none(rows: usize) -> Self {
        Self {
            ids: UInt64Array::new_null(rows),
            commits: UInt64Array::new_null(rows),
        }
    }

    pub(super) fn slice(&self, start: usize, len: usize) -> Self {
        Self {
            ids: self.ids.slice(start, len),
            commits: self.commits.slice(start, len),
        }
    }

    fn map(&self, change: impl Fn(&dyn Array) -> Result<arrow::array::ArrayRef, String>) -> Result<Self, String> {
        let numbers = |array: &UInt64Array| Ok::<_, String>(UInt64Array::from(change(array)?.to_data()));
        Ok(Self {
            ids: numbers(&self.ids)?,
            commits: numbers(&self.commits)?,
        })
    }

    pub(super) fn filter(&self, mask: &BooleanArray) -> Result<Self, String> {
        self.map(|array| filter(array, mask).map_err(|error| error.to_string()))
    }

    pub(super) fn take(&self, rows: &UInt32Array) -> Result<Self, String> {
        self.map(|array| take(array, rows, None).map_err(|error| error.to_string()))
    }

    /// Several, one after the other, each with its number of rows; `None` if none has any.
    pub(super) fn concat(parts: &[(usize, Option<&Self>)]) -> Result<Option<Self>, String> {
        if parts.iter().all(|(_, part)| part.is_none()) {
            return Ok(None);
        }
        let parts: Vec<Self> = parts
            .iter()
            .map(|(rows, part)| part.cloned().unwrap_or_else(|| Self::none(*rows)))
            .collect();
        let joined = |column: &dyn Fn(&Self) -> &UInt64Array| {
            let arrays: Vec<&dyn Array> = parts.iter().map(|part| column(part) as &dyn Array).collect();
            let joined = concat(&arrays).map_err(|error| error.to_string())?;
            Ok::<_, String>(UInt64Array::from(joined.to_data()))
        };
        Ok(Some(Self {
            ids: joined(&|part| &part.ids)?,
            commits: joined(&|part| &part.commits)?,
        }))
    }

    /// The id of a row and the commit that wrote it, as far as they are known.
    pub(super) fn of(&self, row: usize) -> (Option<u64>, Option<u64>) {
        let value = |array: &UInt64Array| (row < array.len() && array.is_valid(row)).then(|| array.value(row));
        (value(&self.ids), value(&self.commits))
    }

    /// How many rows get an id from their commit.
    pub(super) fn new_rows(&self) -> usize {
        self.ids.null_count()
    }

    /// The lineage of the rows in a commit: new rows get ids from `next` on, which moves past them.
    pub(super) fn resolve(&self, next: &mut u64, commit: u64) -> Lineage {
        let mut lineage = Lineage::default();
        for row in 0..self.ids.len() {
            let (id, by) = self.of(row);
            let id = id.unwrap_or(*next);
            // An id that is kept may be of a table that was dropped, or of another branch.
            *next = (*next).max(id.saturating_add(1));
            lineage.push(super::position(row), id, by.unwrap_or(commit));
        }
        lineage
    }
}

/// The ids of a segment's rows, and the commits that wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lineage {
    /// Where runs begin, and the id there.
    ids: Vec<(u32, u64)>,
    /// Where runs begin, and their commit.
    commits: Vec<(u32, u64)>,
}

impl Lineage {
    /// Ids one after the other, all of one commit.
    pub(super) fn plain(first_row: u64, commit: u64) -> Self {
        Self {
            ids: vec![(0, first_row)],
            commits: vec![(0, commit)],
        }
    }

    /// First id and commit, if there is one run of each.
    pub(super) fn as_plain(&self) -> Option<(u64, u64)> {
        match (self.ids.as_slice(), self.commits.as_slice()) {
            ([(_, first)], [(_, commit)]) => Some((*first, *commit)),
            _ => None,
        }
    }

    fn push(&mut self, row: u32, id: u64, commit: u64) {
        let follows = |(start, first): &(u32, u64)| first.checked_add(u64::from(row - start)) == Some(id);
        if !self.ids.last().is_some_and(follows) {
            self.ids.push((row, id));
        }
        if self.commits.last().is_none_or(|(_, known)| *known != commit) {
            self.commits.push((row, commit));
        }
    }

    /// A row's id.
    pub(super) fn id(&self, row: u32) -> u64 {
        run_of(&self.ids, row).map_or(0, |(start, first)| first + u64::from(row - start))
    }

    /// The commit that wrote a row, by its place in the log.
    pub(super) fn commit(&self, row: u32) -> u64 {
        run_of(&self.commits, row).map_or(0, |(_, commit)| commit)
    }

    /// Runs of rows that one commit wrote: where they begin and end.
    pub(super) fn commits(&self, rows: u32) -> impl Iterator<Item = (std::ops::Range<u32>, u64)> + '_ {
        let ends = self.commits.iter().skip(1).map(|(start, _)| *start).chain([rows]);
        self.commits
            .iter()
            .zip(ends)
            .map(|((start, commit), end)| (*start..end, *commit))
    }

    pub(super) fn encode(&self, rows: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut expected = 0_u64;
        write_runs(&mut out, &self.ids, rows, |out, first, rows| {
            write_signed(out, first.wrapping_sub(expected).cast_signed());
            expected = first + u64::from(rows);
        });
        let mut before = 0_u64;
        write_runs(&mut out, &self.commits, rows, |out, commit, _| {
            write_signed(out, commit.wrapping_sub(before).cast_signed());
            before = commit;
        });
        out
    }

    pub(super) fn decode(bytes: &[u8], rows: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut expected = 0_u64;
        let ids = read_runs(&mut reader, rows, |reader, rows| {
            let first = expected.wrapping_add_signed(reader.signed()?);
            expected = first
                .checked_add(u64::from(rows))
                .ok_or(Malformed("a row's id is too large"))?;
            Ok(first)
        })?;
        let mut before = 0_u64;
        let commits = read_runs(&mut reader, rows, |reader, _| {
            before = before.wrapping_add_signed(reader.signed()?);
            Ok(before)
        })?;
        reader.finish()?;
        Ok(Self { ids, commits })
    }
}

fn run_of(runs: &[(u32, u64)], row: u32) -> Option<(u32, u64)> {
    let after = runs.partition_point(|(start, _)| *start <= row);
    runs.get(after.checked_sub(1)?).copied()
}

fn write_runs(out: &mut Vec<u8>, runs: &[(u32, u64)], rows: u32, mut write: impl FnMut(&mut Vec<u8>, u64, u32)) {
    write_varint(out, runs.len() as u64);
    let ends = runs.iter().skip(1).map(|(start, _)| *start).chain([rows]);
    for ((start, value), end) in runs.iter().zip(ends) {
        let len = end.saturating_sub(*start);
        write_varint(out, len.into());
        write(out, *value, len);
    }
}

fn read_runs(
    reader: &mut Reader<'_>,
    rows: u32,
    mut read: impl FnMut(&mut Reader<'_>, u32) -> Result<u64, Malformed>,
) -> Result<Vec<(u32, u64)>, Malformed> {
    const WRONG: Malformed = Malformed("the runs of a lineage do not cover its rows");
    let count = reader.size()?;
    let mut runs = Vec::with_capacity(count.min(reader.left()));
    let mut start = 0_u32;
    for _ in 0..count {
        let len = u32::try_from(reader.varint()?).map_err(|_| WRONG)?;
        if len == 0 {
            return Err(WRONG);
        }
        runs.push((start, read(reader, len)?));
        start = start.checked_add(len).ok_or(WRONG)?;
    }
    if start != rows {
        return Err(WRONG);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updated_rows_keep_their_ids() {
        let kept = Kept::updated(vec![Some(5), Some(6), None, Some(9), None]);
        let mut next = 20;
        let lineage = kept.resolve(&mut next, 42);
        assert_eq!(next, 22);
        assert_eq!((0..5).map(|row| lineage.id(row)).collect::<Vec<_>>(), [5, 6, 20, 9, 21]);
        assert_eq!(lineage.commit(4), 42);
        assert_eq!(lineage.as_plain(), None);
        let bytes = lineage.encode(5);
        assert_eq!(Lineage::decode(&bytes, 5), Ok(lineage));
        assert!(Lineage::decode(&bytes, 6).is_err());
        assert!((0..bytes.len()).all(|len| Lineage::decode(&bytes[..len], 5).is_err()));
    }

    #[test]
    fn one_run_of_each_is_plain() {
        let mut next = 7;
        let lineage = Kept::none(3).resolve(&mut next, 4);
        assert_eq!((lineage.as_plain(), next), (Some((7, 4)), 10));
        assert_eq!(lineage, Lineage::plain(7, 4));
    }

    #[test]
    fn commits_come_in_runs() {
        let kept = Kept {
            ids: vec![1, 2, 3].into(),
            commits: vec![8, 8, 3].into(),
        };
        let lineage = kept.resolve(&mut 9, 10);
        let runs: Vec<_> = lineage.commits(3).collect();
        assert_eq!(runs, [(0..2, 8), (2..3, 3)]);
    }
}
