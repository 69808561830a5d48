//! The rows of many batches in order, on all cores.
//!
//! Six million rows in ninety batches: each batch's keys become bytes that compare like them; a row is eight or sixteen telling
//! bytes of its key and its place; rows are spread over buckets between sampled bounds, and a bucket is sorted when its rows are
//! wanted.
//!
//! Bytes in which no two keys differ (the upper half of a decimal, say) tell nothing and are left out; that a few bytes decide
//! most comparisons, without a look at the row, is the idea of abbreviated keys, as in PostgreSQL's tuplesort.
//!
//! Invariants: equal keys keep the order in which the rows came; no row of a bucket comes before one of an earlier bucket; keys
//! and rows are taken from the budget.
//!
//! Does not: move columns, or sort more than fits into memory.

mod telling;

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};

use super::memory::{Reservation, taken};
use super::pool::Team;
use super::run::lock;
use super::{CancelToken, ExecError};
use telling::{Differing, Telling};

/// Rows that a bucket is to have: so few that they stay in the cache, and that a cancelled query ends soon.
const BUCKET_ROWS: usize = 1 << 15;
/// Rows looked at for each bucket to find its bounds.
const SAMPLES_PER_BUCKET: usize = 64;

/// What rows are sorted by.
#[derive(Clone, Debug)]
pub struct SortBy {
    /// Columns of the batches.
    pub columns: Vec<(usize, SortOptions)>,
    /// Rows that agree in so many of the first columns are of one partition.
    pub partition: usize,
    /// Who is named if there is not enough memory.
    pub operator: &'static str,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the batch.
    pub batch: u32,
    /// Row in it.
    pub row: u32,
}

impl Place {
    /// The same for Arrow.
    pub fn pair(&self) -> (usize, usize) {
        (self.batch as usize, self.row as usize)
    }
}

/// What begins with a row, seen from the row before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing: the keys are equal.
    Nothing,
    /// A new key.
    Key,
    /// A new partition.
    Partition,
}

/// Rows in buckets.
pub trait Buckets: Send + Sync {
    /// How many rows each has.
    fn sizes(&self) -> Vec<usize>;

    /// The rows of a bucket in order, or at least the first so many.
    fn places(&self, bucket: usize, first: usize) -> Vec<Place>;

    /// The rows of a bucket in order, and what begins with each; the first begins a partition as far as the bucket knows.
    fn starts(&self, bucket: usize) -> (Vec<Place>, Vec<Start>);

    /// What begins with a row, if it comes right behind another.
    fn start(&self, before: Place, at: Place) -> Start;
}

/// Spreads rows over buckets; at least one batch, none empty.
pub fn spread(
    batches: &Arc<Vec<RecordBatch>>,
    by: &SortBy,
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<Arc<dyn Buckets>, ExecError> {
    let keys = Arc::new(Keys::new(batches.clone(), by, team, cancel)?);
    match keys.telling.decides && keys.telling.places.len() <= 8 {
        true => Ok(Arc::new(Spread::<1>::new(keys, by, team, cancel)?)),
        false => Ok(Arc::new(Spread::<2>::new(keys, by, team, cancel)?)),
    }
}

/// The keys of all batches as bytes.
struct Keys {
    rows: Vec<Rows>,
    telling: Telling,
    partition: Partition,
    _reserved: Vec<Reservation>,
}

/// How two rows are found to be of one partition.
enum Partition {
    /// They always are.
    Whole,
    /// So many bytes of the keys are the same.
    Prefix(usize),
    /// Keys of their own are the same.
    Keys(Vec<Rows>),
}

impl Keys {
    fn new(
        batches: Arc<Vec<RecordBatch>>,
        by: &SortBy,
        team: &Team<'_>,
        cancel: &CancelToken,
    ) -> Result<Self, ExecError> {
        let reserved: Arc<Mutex<Vec<Reservation>>> = Arc::default();
        let differing: Arc<Mutex<Differing>> = Arc::default();
        let shared = differing.clone();
        let rows = converted(
            &batches,
            &by.columns,
            by.operator,
            (team, cancel, &reserved),
            move |rows| {
                let mut own = Differing::default();
                own.add_all(rows);
                lock(&shared).join(&own);
            },
        )?;
        let mut differing = std::mem::take(&mut *lock(&differing));
        (1..rows.len()).for_each(|batch| differing.add(rows[0].row(0).data(), rows[batch].row(0).data()));
        let columns = &by.columns[..by.partition];
        let fixed = |(column, _): &(usize, SortOptions)| has_fixed_width(batches[0].column(*column).data_type());
        let partition = match columns {
            [] => Partition::Whole,
            columns if columns.iter().all(fixed) => {
                let first = of(&batches[0].slice(0, 1), columns);
                let key = converter(&batches[0], columns)?
                    .convert_columns(&first)
                    .map_err(internal)?;
                Partition::Prefix(key.row(0).data().len())
            }
            columns => Partition::Keys(converted(
                &batches,
                columns,
                by.operator,
                (team, cancel, &reserved),
                |_| (),
            )?),
        };
        let reserved = std::mem::take(&mut *lock(&reserved));
        Ok(Self {
            rows,
            telling: differing.telling(),
            partition,
            _reserved: reserved,
        })
    }

    fn key(&self, place: Place) -> &[u8] {
        self.rows[place.batch as usize].row(place.row as usize).data()
    }

    fn entry<const W: usize>(&self, place: Place) -> Entry<W> {
        Entry {
            telling: self.telling.of(self.key(place)),
            place,
        }
    }

    /// Compares where telling bytes may not decide.
    fn compare<const W: usize>(&self, a: &Entry<W>, b: &Entry<W>) -> Ordering {
        let keys = || self.key(a.place).cmp(self.key(b.place));
        a.telling
            .cmp(&b.telling)
            .then_with(keys)
            .then_with(|| a.place.cmp(&b.place))
    }

    fn sort<const W: usize>(&self, entries: &mut [Entry<W>]) {
        match self.telling.decides {
            true => entries.sort_unstable_by_key(Entry::rank),
            false => entries.sort_unstable_by(|a, b| self.compare(a, b)),
        }
    }

    /// How many of some sorted entries do not come behind one.
    fn rank_among<const W: usize>(&self, sorted: &[Entry<W>], entry: &Entry<W>) -> usize {
        match self.telling.decides {
            true => sorted.partition_point(|bound| bound.rank() <= entry.rank()),
            false => sorted.partition_point(|bound| self.compare(bound, entry) != Ordering::Greater),
        }
    }

    fn start<const W: usize>(&self, before: &Entry<W>, at: &Entry<W>) -> Start {
        let same = before.telling == at.telling;
        let same_keys = same && (self.telling.decides || self.key(before.place) == self.key(at.place));
        if same_keys {
            return Start::Nothing;
        }
        let same_partition = match &self.partition {
            Partition::Whole => true,
            Partition::Prefix(bytes) => match self.telling.same_prefix(*bytes, &before.telling, &at.telling) {
                Some(same) => same,
                None => self.key(before.place)[..*bytes] == self.key(at.place)[..*bytes],
            },
            Partition::Keys(rows) => {
                let key = |place: Place| rows[place.batch as usize].row(place.row as usize);
                key(before.place) == key(at.place)
            }
        };
        if same_partition { Start::Key } else { Start::Partition }
    }
}

/// A row to be sorted: so many times eight telling bytes, as numbers, and where it is.
#[derive(Clone, Copy)]
struct Entry<const W: usize> {
    telling: [u64; W],
    place: Place,
}

impl<const W: usize> Entry<W> {
    /// Orders entries whose telling bytes decide; wide numbers compare without branches.
    fn rank(&self) -> (u128, u64) {
        let place = u64::from(self.place.batch) << 32 | u64::from(self.place.row);
        let (first, second) = match self.telling.as_slice() {
            [first] => (u128::from(*first) << 64 | u128::from(place), 0),
            [first, second] => (u128::from(*first) << 64 | u128::from(*second), place),
            _ => (0, place),
        };
        (first, second)
    }
}

/// Rows in buckets, still in the order in which they came.
struct Spread<const W: usize> {
    keys: Arc<Keys>,
    /// Of each batch, bucket by bucket, and where each bucket ends.
    batches: Vec<(Vec<Entry<W>>, Vec<u32>)>,
    buckets: usize,
    _reserved: Reservation,
}

impl<const W: usize> Spread<W> {
    fn new(keys: Arc<Keys>, by: &SortBy, team: &Team<'_>, cancel: &CancelToken) -> Result<Self, ExecError> {
        let count: usize = keys.rows.iter().map(Rows::num_rows).sum();
        let reserved = team.budget.reserve(count * size_of::<Entry<W>>(), by.operator)?;
        let buckets = match count < Team::WORTH_SHARING {
            true => 1,
            false => count.div_ceil(BUCKET_ROWS).max(team.threads),
        };
        let bounds: Arc<Vec<Entry<W>>> = Arc::new(bounds(&keys, count, buckets));
        let (shared, cancel) = (keys.clone(), cancel.clone());
        let batches = team.map(keys.rows.len(), move |batch| {
            cancel.check()?;
            Ok(spread_batch(&shared, batch, &bounds))
        })?;
        Ok(Self {
            keys,
            batches,
            buckets,
            _reserved: reserved,
        })
    }

    fn entries(&self, bucket: usize) -> Vec<Entry<W>> {
        let parts = self.batches.iter().map(|(entries, ends)| &entries[part(ends, bucket)]);
        let mut all = Vec::with_capacity(parts.clone().map(<[_]>::len).sum());
        parts.for_each(|part| all.extend_from_slice(part));
        all
    }

    fn sorted(&self, bucket: usize, first: usize) -> Vec<Entry<W>> {
        let mut entries = self.entries(bucket);
        if first < entries.len() {
            entries.select_nth_unstable_by(first, |a, b| self.keys.compare(a, b));
            entries.truncate(first);
        }
        self.keys.sort(&mut entries);
        entries
    }
}

fn part(ends: &[u32], bucket: usize) -> Range<usize> {
    let start = bucket.checked_sub(1).map_or(0, |before| ends[before]);
    start as usize..ends[bucket] as usize
}

impl<const W: usize> Buckets for Spread<W> {
    fn sizes(&self) -> Vec<usize> {
        let size = |bucket| self.batches.iter().map(|(_, ends)| part(ends, bucket).len()).sum();
        (0..self.buckets).map(size).collect()
    }

    fn places(&self, bucket: usize, first: usize) -> Vec<Place> {
        self.sorted(bucket, first).iter().map(|entry| entry.place).collect()
    }

    fn starts(&self, bucket: usize) -> (Vec<Place>, Vec<Start>) {
        let entries = self.sorted(bucket, usize::MAX);
        let first = entries.first().map(|_| Start::Partition);
        let starts = entries.windows(2).map(|pair| self.keys.start(&pair[0], &pair[1]));
        let starts = first.into_iter().chain(starts).collect();
        (entries.iter().map(|entry| entry.place).collect(), starts)
    }

    fn start(&self, before: Place, at: Place) -> Start {
        let entry = |place| self.keys.entry::<W>(place);
        self.keys.start(&entry(before), &entry(at))
    }
}

/// Rows between which buckets lie, of a sample taken in even steps.
fn bounds<const W: usize>(keys: &Keys, count: usize, buckets: usize) -> Vec<Entry<W>> {
    let step = (count / (buckets * SAMPLES_PER_BUCKET)).max(1);
    let mut sample: Vec<Entry<W>> = Vec::new();
    for (batch, rows) in keys.rows.iter().enumerate() {
        let rows = (0..rows.num_rows()).step_by(step);
        sample.extend(rows.map(|row| keys.entry(place(batch, row))));
    }
    keys.sort(&mut sample);
    let each = sample.len() / buckets;
    (1..buckets).map(|bucket| sample[bucket * each]).collect()
}

/// The rows of a batch, bucket by bucket, and where each bucket ends.
fn spread_batch<const W: usize>(keys: &Keys, batch: usize, bounds: &[Entry<W>]) -> (Vec<Entry<W>>, Vec<u32>) {
    let rows = 0..keys.rows[batch].num_rows();
    let entries: Vec<Entry<W>> = rows.map(|row| keys.entry(place(batch, row))).collect();
    let mut ends = vec![0u32; bounds.len() + 1];
    if bounds.is_empty() {
        ends[0] = entries.len() as u32;
        return (entries, ends);
    }
    let buckets: Vec<u32> = entries
        .iter()
        .map(|entry| keys.rank_among(bounds, entry) as u32)
        .collect();
    buckets.iter().for_each(|bucket| ends[*bucket as usize] += 1);
    let mut before = 0;
    for end in &mut ends {
        // Where the bucket starts, for now; each row moves it on.
        before += std::mem::replace(end, before);
    }
    let mut spread = entries.clone();
    for (entry, bucket) in entries.iter().zip(&buckets) {
        let at = &mut ends[*bucket as usize];
        spread[*at as usize] = *entry;
        *at += 1;
    }
    (spread, ends)
}

fn place(batch: usize, row: usize) -> Place {
    Place {
        batch: batch as u32,
        row: row as u32,
    }
}

/// Keys of all batches, each shown to `see`.
fn converted(
    batches: &Arc<Vec<RecordBatch>>,
    columns: &[(usize, SortOptions)],
    operator: &'static str,
    (team, cancel, reserved): (&Team<'_>, &CancelToken, &Arc<Mutex<Vec<Reservation>>>),
    see: impl Fn(&Rows) + Send + Sync + 'static,
) -> Result<Vec<Rows>, ExecError> {
    let converter = converter(&batches[0], columns)?;
    let (batches, columns) = (batches.clone(), columns.to_vec());
    let (budget, held, cancel) = (team.budget.clone(), reserved.clone(), cancel.clone());
    team.map(batches.len(), move |number| {
        cancel.check()?;
        let rows = converter
            .convert_columns(&of(&batches[number], &columns))
            .map_err(internal)?;
        let ends = rows.num_rows() * size_of::<usize>();
        let bytes = taken(ends) + taken(rows.size().saturating_sub(ends));
        lock(&held).push(budget.reserve(bytes, operator)?);
        see(&rows);
        Ok(rows)
    })
}

fn of(batch: &RecordBatch, columns: &[(usize, SortOptions)]) -> Vec<ArrayRef> {
    let columns = columns.iter().map(|(column, _)| batch.column(*column));
    columns.map(one_zero).collect()
}

/// The column with -0.0 as 0.0: they are equal, but their bits are not.
fn one_zero(column: &ArrayRef) -> ArrayRef {
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        Arc::new(doubles.unary::<_, Float64Type>(|value| value + 0.0))
    } else if let Some(reals) = column.as_primitive_opt::<Float32Type>() {
        Arc::new(reals.unary::<_, Float32Type>(|value| value + 0.0))
    } else {
        column.clone()
    }
}

fn converter(batch: &RecordBatch, columns: &[(usize, SortOptions)]) -> Result<RowConverter, ExecError> {
    let field = |(column, options): &(usize, SortOptions)| {
        SortField::new_with_options(batch.column(*column).data_type().clone(), *options)
    };
    RowConverter::new(columns.iter().map(field).collect()).map_err(internal)
}

/// Whether every key of the type has as many bytes.
fn has_fixed_width(ty: &DataType) -> bool {
    ty.is_primitive() || *ty == DataType::Boolean
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("sorting failed: {error}"))
}
