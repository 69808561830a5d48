//! ORDER BY, and LIMIT behind it, over finished batches.
//!
//! Six million rows in ninety batches: each batch's keys become bytes that compare like them; a row is sixteen telling bytes of
//! its key and its place; rows go into buckets between sampled bounds, buckets are sorted side by side, and the result is
//! gathered from the batches piece by piece, in order.
//!
//! Bytes in which no two keys differ (the upper half of a decimal, say) tell nothing and are left out; that a few bytes decide
//! most comparisons, without a look at the row, is the idea of abbreviated keys, as in PostgreSQL's tuplesort.
//!
//! Invariants: equal keys keep the order in which the rows came; batches and keys are taken from the budget.
//!
//! Does not: sort more than fits into memory.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

use arrow::array::RecordBatch;
use arrow::compute::{SortOptions, interleave_record_batch};
use arrow::row::{RowConverter, Rows, SortField};

use super::ExecError;
use super::memory::Reservation;
use super::pool::Team;
use super::run::lock;
use crate::compile::BLOCK_ROWS;
use crate::exec::CancelToken;
use crate::plan::physical::Finish;

const OPERATOR: &str = "sort";
/// Rows that a bucket is to have: so few that a large one holds up nobody, and a cancelled query ends soon.
const BUCKET_ROWS: usize = 1 << 16;
/// Rows looked at for each bucket to find its bounds.
const SAMPLES_PER_BUCKET: usize = 64;
/// Telling bytes that a row carries.
const TELLING_BYTES: usize = 16;
/// No byte behind so many is looked at for being telling.
const LONGEST_PREFIX: usize = 256;
/// Rows of a batch of the result.
const OUTPUT_ROWS: usize = 8 * BLOCK_ROWS;

/// Sorts and cuts all batches together, and hands on the result's in order.
pub fn finish_batches(
    batches: Vec<RecordBatch>,
    finish: &Finish,
    team: &Team<'_>,
    cancel: &CancelToken,
    mut give: impl FnMut(RecordBatch) -> Result<(), ExecError>,
) -> Result<(), ExecError> {
    let batches: Vec<RecordBatch> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let bound = |rows: Option<u64>| rows.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
    let skipped = bound(Some(finish.offset)).min(count);
    let wanted = bound(finish.limit.map(|limit| limit.saturating_add(finish.offset))).min(count);
    if wanted <= skipped {
        return Ok(());
    }
    let _entries = team.budget.reserve(2 * count * size_of::<Entry>(), OPERATOR)?;
    let sorting = Arc::new(Sorting::new(batches, finish, cancel)?);
    let _keys = sorting.make_keys(team)?;
    let order = Arc::new(sorting.order(wanted, team)?);
    let pieces: Vec<usize> = (skipped..wanted).step_by(OUTPUT_ROWS).collect();
    for wave in pieces.chunks(2 * team.threads.max(1)) {
        let made: Arc<Vec<OnceLock<RecordBatch>>> = Arc::new(wave.iter().map(|_| OnceLock::new()).collect());
        let (starts, places) = (wave.to_vec(), made.clone());
        let (sorting, order) = (sorting.clone(), order.clone());
        team.each(wave.len(), move |number| {
            let start = starts[number];
            let batch = sorting.gather(&order[start..wanted.min(start + OUTPUT_ROWS)])?;
            let _ = places[number].set(batch);
            Ok(())
        })?;
        for batch in made.iter() {
            give(
                batch
                    .get()
                    .cloned()
                    .ok_or_else(|| ExecError::internal("a piece of the order is missing"))?,
            )?;
        }
    }
    Ok(())
}

/// A row to be sorted.
#[derive(Clone, Copy)]
struct Entry {
    /// The key's telling bytes, as numbers.
    telling: [u64; TELLING_BYTES / 8],
    batch: u32,
    row: u32,
}

/// What the threads share.
struct Sorting {
    batches: Vec<RecordBatch>,
    converter: RowConverter,
    columns: Vec<usize>,
    /// Of each batch; made first.
    keys: Vec<OnceLock<Rows>>,
    telling: OnceLock<Telling>,
    cancel: CancelToken,
}

impl Sorting {
    fn new(batches: Vec<RecordBatch>, finish: &Finish, cancel: &CancelToken) -> Result<Self, ExecError> {
        let columns: Vec<usize> = finish.sort.iter().map(|(column, _)| *column).collect();
        let fields = finish.sort.iter().map(|(column, key)| {
            let options = SortOptions {
                descending: key.desc,
                nulls_first: key.nulls_first,
            };
            SortField::new_with_options(batches[0].column(*column).data_type().clone(), options)
        });
        Ok(Self {
            converter: RowConverter::new(fields.collect()).map_err(internal)?,
            columns,
            keys: batches.iter().map(|_| OnceLock::new()).collect(),
            telling: OnceLock::new(),
            batches,
            cancel: cancel.clone(),
        })
    }

    /// Makes the keys of all batches, and finds out where they differ.
    fn make_keys(self: &Arc<Self>, team: &Team<'_>) -> Result<Vec<Reservation>, ExecError> {
        let reserved: Arc<Mutex<Vec<Reservation>>> = Arc::default();
        let (sorting, budget, held) = (self.clone(), team.budget.clone(), reserved.clone());
        let differing: Arc<Mutex<Differing>> = Arc::default();
        let shared = differing.clone();
        team.each(self.batches.len(), move |number| {
            sorting.cancel.check()?;
            let batch = &sorting.batches[number];
            let columns: Vec<_> = sorting.columns.iter().map(|&i| batch.column(i).clone()).collect();
            let rows = sorting.converter.convert_columns(&columns).map_err(internal)?;
            lock(&held).push(budget.reserve(rows.size(), OPERATOR)?);
            let mut own = Differing::default();
            (1..rows.num_rows()).for_each(|row| own.add(rows.row(0).data(), rows.row(row).data()));
            lock(&shared).join(&own);
            let _ = sorting.keys[number].set(rows);
            Ok(())
        })?;
        let mut differing = lock(&differing);
        (1..self.batches.len()).for_each(|batch| differing.add(self.key(0, 0), self.key(batch, 0)));
        let _ = self.telling.set(differing.telling());
        Ok(std::mem::take(&mut *lock(&reserved)))
    }

    fn key(&self, batch: usize, row: usize) -> &[u8] {
        self.keys[batch].get().map_or(&[], |keys| keys.row(row).data())
    }

    fn entry(&self, batch: usize, row: usize) -> Entry {
        let key = self.key(batch, row);
        let mut bytes = [0u8; TELLING_BYTES];
        let places = self.telling.get().map_or(&[][..], |telling| &telling.places);
        for (byte, place) in bytes.iter_mut().zip(places) {
            *byte = key.get(*place).copied().unwrap_or(0);
        }
        let half = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
        Entry {
            telling: [half(0), half(8)],
            batch: batch as u32,
            row: row as u32,
        }
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let key = |entry: &Entry| self.key(entry.batch as usize, entry.row as usize);
        let keys = || match self.telling.get() {
            Some(telling) if telling.decides => Ordering::Equal,
            _ => key(a).cmp(key(b)),
        };
        let places = || (a.batch, a.row).cmp(&(b.batch, b.row));
        a.telling.cmp(&b.telling).then_with(keys).then_with(places)
    }

    /// The first `wanted` rows in order.
    fn order(self: &Arc<Self>, wanted: usize, team: &Team<'_>) -> Result<Vec<Entry>, ExecError> {
        let count: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        let alone = wanted < count || count < Team::WORTH_SHARING;
        let bounds = match alone {
            true => Vec::new(),
            false => self.bounds(count, count.div_ceil(BUCKET_ROWS).max(team.threads)),
        };
        let buckets: Arc<Vec<Mutex<Vec<Entry>>>> = Arc::new((0..=bounds.len()).map(|_| Mutex::default()).collect());
        let (sorting, filled) = (self.clone(), buckets.clone());
        team.each(self.batches.len(), move |batch| {
            sorting.cancel.check()?;
            sorting.spread(batch, &bounds, &filled);
            Ok(())
        })?;
        let (sorting, sorted) = (self.clone(), buckets.clone());
        team.each(buckets.len(), move |number| {
            sorting.cancel.check()?;
            let mut bucket = lock(&sorted[number]);
            if wanted < bucket.len() && alone {
                bucket.select_nth_unstable_by(wanted - 1, |a, b| sorting.compare(a, b));
                bucket.truncate(wanted);
            }
            bucket.sort_unstable_by(|a, b| sorting.compare(a, b));
            Ok(())
        })?;
        let mut order = Vec::with_capacity(wanted);
        for bucket in buckets.iter() {
            order.append(&mut lock(bucket));
        }
        Ok(order)
    }

    /// Rows between which buckets lie, of a sample taken in even steps.
    fn bounds(&self, count: usize, buckets: usize) -> Vec<Entry> {
        let step = (count / (buckets * SAMPLES_PER_BUCKET)).max(1);
        let mut sample: Vec<Entry> = Vec::new();
        for (number, batch) in self.batches.iter().enumerate() {
            let rows = (0..batch.num_rows()).step_by(step);
            sample.extend(rows.map(|row| self.entry(number, row)));
        }
        sample.sort_unstable_by(|a, b| self.compare(a, b));
        let each = sample.len() / buckets;
        (1..buckets).map(|bucket| sample[bucket * each]).collect()
    }

    /// Puts the rows of a batch into their buckets.
    fn spread(&self, batch: usize, bounds: &[Entry], buckets: &[Mutex<Vec<Entry>>]) {
        let entries = (0..self.batches[batch].num_rows()).map(|row| self.entry(batch, row));
        if bounds.is_empty() {
            lock(&buckets[0]).extend(entries);
            return;
        }
        let mut own = vec![Vec::new(); buckets.len()];
        for entry in entries {
            let bucket = bounds.partition_point(|bound| self.compare(bound, &entry) != Ordering::Greater);
            own[bucket].push(entry);
        }
        for (bucket, mut entries) in buckets.iter().zip(own) {
            lock(bucket).append(&mut entries);
        }
    }

    /// The batch of these rows.
    fn gather(&self, order: &[Entry]) -> Result<RecordBatch, ExecError> {
        self.cancel.check()?;
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let places: Vec<(usize, usize)> = order
            .iter()
            .map(|entry| (entry.batch as usize, entry.row as usize))
            .collect();
        interleave_record_batch(&batches, &places).map_err(internal)
    }
}

/// Where keys differ from each other; a key ends with zeros.
#[derive(Default)]
struct Differing {
    /// Not 0 at the places where two keys were found to differ.
    bytes: Vec<u8>,
    /// Some differ, or may differ, behind that, or only in their length.
    behind: bool,
}

impl Differing {
    fn add(&mut self, a: &[u8], b: &[u8]) {
        self.behind |= a.len() != b.len() || a.len() > LONGEST_PREFIX;
        let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
        let long = &long[..long.len().min(LONGEST_PREFIX)];
        let short = &short[..short.len().min(long.len())];
        if self.bytes.len() < long.len() {
            self.bytes.resize(long.len(), 0);
        }
        let (both, alone) = self.bytes[..long.len()].split_at_mut(short.len());
        for ((byte, a), b) in both.iter_mut().zip(short).zip(long) {
            *byte |= a ^ b;
        }
        alone
            .iter_mut()
            .zip(&long[short.len()..])
            .for_each(|(byte, b)| *byte |= b);
    }

    fn join(&mut self, other: &Differing) {
        self.behind |= other.behind;
        let longest = self.bytes.len().max(other.bytes.len());
        self.bytes.resize(longest, 0);
        self.bytes.iter_mut().zip(&other.bytes).for_each(|(a, b)| *a |= b);
    }

    fn telling(&self) -> Telling {
        let differing = self.bytes.iter().enumerate().filter(|(_, byte)| **byte != 0);
        let mut places: Vec<usize> = differing.map(|(place, _)| place).collect();
        let decides = places.len() <= TELLING_BYTES && !self.behind;
        places.truncate(TELLING_BYTES);
        Telling { places, decides }
    }
}

/// The bytes of keys that rows carry.
struct Telling {
    /// Where they are in a key.
    places: Vec<usize>,
    /// Keys that agree in them are equal.
    decides: bool,
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("sorting failed: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Telling bytes never contradict the keys, and decide where they say so.
        #[test]
        fn telling_bytes_compare_like_keys(keys in prop::collection::vec(prop::collection::vec(0u8..3, 0..30), 2..20)) {
            let mut differing = Differing::default();
            keys[1..].iter().for_each(|key| differing.add(&keys[0], key));
            let telling = differing.telling();
            let bytes = |key: &Vec<u8>| -> Vec<u8> {
                telling.places.iter().map(|place| key.get(*place).copied().unwrap_or(0)).collect()
            };
            for (a, b) in keys.iter().flat_map(|a| keys.iter().map(move |b| (a, b))) {
                match bytes(a).cmp(&bytes(b)) {
                    Ordering::Equal => prop_assert!(!telling.decides || a == b),
                    order => prop_assert_eq!(order, a.cmp(b)),
                }
            }
        }
    }
}
