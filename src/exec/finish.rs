//! ORDER BY, and LIMIT behind it, over finished batches.
//!
//! Six million rows in ninety batches: each batch's keys become bytes that compare like them; a row is eight telling bytes of its
//! key and its place; rows go into buckets between sampled bounds, buckets are sorted side by side, and the result is gathered
//! from the batches piece by piece, in order.
//!
//! Leading bytes that all keys have in common (the upper half of a decimal, say) tell nothing and are skipped; that eight bytes
//! decide most comparisons is the idea of abbreviated keys, as in PostgreSQL's tuplesort.
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
/// Buckets for each thread: so many that one that came out large holds up nobody.
const BUCKETS_PER_THREAD: usize = 4;
/// Rows looked at for each bucket to find its bounds.
const SAMPLES_PER_BUCKET: usize = 64;
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
    /// The first bytes of the key that not all keys share, as a number.
    prefix: u64,
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
    /// How many leading bytes all keys share.
    common: OnceLock<usize>,
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
            common: OnceLock::new(),
            batches,
            cancel: cancel.clone(),
        })
    }

    /// Makes the keys of all batches, and finds out what they share.
    fn make_keys(self: &Arc<Self>, team: &Team<'_>) -> Result<Vec<Reservation>, ExecError> {
        let reserved: Arc<Mutex<Vec<Reservation>>> = Arc::default();
        let (sorting, budget, held) = (self.clone(), team.budget.clone(), reserved.clone());
        let common: Arc<Mutex<usize>> = Arc::new(Mutex::new(usize::MAX));
        let shared = common.clone();
        team.each(self.batches.len(), move |number| {
            sorting.cancel.check()?;
            let batch = &sorting.batches[number];
            let columns: Vec<_> = sorting.columns.iter().map(|&i| batch.column(i).clone()).collect();
            let rows = sorting.converter.convert_columns(&columns).map_err(internal)?;
            lock(&held).push(budget.reserve(rows.size(), OPERATOR)?);
            let own = common_to_all(&rows);
            let mut least = lock(&shared);
            *least = own.min(*least);
            drop(least);
            let _ = sorting.keys[number].set(rows);
            Ok(())
        })?;
        let first = self.key(0, 0);
        let between = (1..self.batches.len()).map(|batch| shared_bytes(first, self.key(batch, 0)));
        let between = between.min().unwrap_or(usize::MAX);
        let _ = self.common.set(between.min(*lock(&common)));
        Ok(std::mem::take(&mut *lock(&reserved)))
    }

    fn key(&self, batch: usize, row: usize) -> &[u8] {
        self.keys[batch].get().map_or(&[], |keys| keys.row(row).data())
    }

    fn entry(&self, batch: usize, row: usize) -> Entry {
        let telling = self.common.get().copied().unwrap_or(0);
        let key = self.key(batch, row).get(telling..).unwrap_or(&[]);
        let mut bytes = [0u8; 8];
        let len = key.len().min(8);
        bytes[..len].copy_from_slice(&key[..len]);
        Entry {
            prefix: u64::from_be_bytes(bytes),
            batch: batch as u32,
            row: row as u32,
        }
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let key = |entry: &Entry| self.key(entry.batch as usize, entry.row as usize);
        let keys = || key(a).cmp(key(b));
        let places = || (a.batch, a.row).cmp(&(b.batch, b.row));
        a.prefix.cmp(&b.prefix).then_with(keys).then_with(places)
    }

    /// The first `wanted` rows in order.
    fn order(self: &Arc<Self>, wanted: usize, team: &Team<'_>) -> Result<Vec<Entry>, ExecError> {
        let count: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        let alone = wanted < count || count < Team::WORTH_SHARING || team.threads < 2;
        let bounds = match alone {
            true => Vec::new(),
            false => self.bounds(count, team.threads * BUCKETS_PER_THREAD),
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

/// How many leading bytes all keys of a batch share.
fn common_to_all(keys: &Rows) -> usize {
    let mut common = keys.row(0).data().len();
    for row in 1..keys.num_rows() {
        let (first, other) = (keys.row(0).data(), keys.row(row).data());
        if first.get(..common) != other.get(..common) {
            common = shared_bytes(&first[..common], other);
        }
    }
    common
}

fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("sorting failed: {error}"))
}
