//! Join and group tables: what sinks fill and later pipelines read.
//!
//! While the build side of `orders JOIN customer` runs, each worker appends rows and notes their numbers by `c_custkey - 1`; when it
//! has ended, the rows whose key had another row too are linked through their headers.
//!
//! Invariants: an index is complete before anything reads it; row 0 is nobody's partner.
//!
//! Does not: evaluate keys (kernels stored them in the rows).

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::memory::{Block, Budget, RowBuffer};
use super::pool::Team;
use super::rows::{Appender, SharedRows, SpareRows};
use super::run::lock;
use super::{CancelToken, ExecError};
use crate::formats::Rows;
use crate::plan::physical::{GroupStrategy, GroupTable, JoinStrategy, JoinTable, RowField};
use crate::types::Physical;

/// What all workers of a build fill.
#[derive(Debug, Clone)]
pub struct SharedBuild {
    rows: Arc<SharedRows>,
    /// For dense tables: the last row seen of each key.
    places: Option<Arc<Block>>,
}

/// What a worker collects of a join's build side.
#[derive(Debug)]
pub enum PartialBuild {
    /// Rows.
    Rows(BuildRows),
    /// A bit per possible key.
    Bits(Block),
}

/// A worker's rows.
#[derive(Debug)]
pub struct BuildRows {
    /// Where they go.
    pub appender: Appender,
    /// Rows whose texts lie where they were read.
    pub unsettled: Vec<Range<usize>>,
    places: Option<Arc<Block>>,
}

/// A finished join table.
#[derive(Debug)]
pub struct BuiltJoin {
    /// The rows; none for a bitmap.
    pub rows: Option<Arc<SharedRows>>,
    /// Bitmap, dense index or directory.
    pub index: Option<Arc<Block>>,
    /// For directories: 64 minus the bits of a place. For sorted rows: how many there are.
    pub shift: u64,
    /// No two rows have the same key.
    pub unique: bool,
    /// The build side had no row at all.
    pub empty: bool,
    /// A build row had a NULL key.
    pub saw_null: bool,
}

const OPERATOR: &str = "join build";

impl SharedBuild {
    /// An empty table; `None` for bitmaps, of which each worker has its own.
    pub fn new(
        table: &JoinTable,
        rows_bound: Option<u64>,
        threads: usize,
        budget: &Arc<Budget>,
        spare: &Arc<SpareRows>,
    ) -> Result<Option<Self>, ExecError> {
        let places = match table.strategy {
            JoinStrategy::Bitmap { .. } => return Ok(None),
            JoinStrategy::Dense { range, .. } => {
                Some(Arc::new(Block::zeroed((range as usize + 1) * 4, budget, OPERATOR)?))
            }
            JoinStrategy::Sorted { .. } | JoinStrategy::Hash => None,
        };
        let rows = SharedRows::new(table.layout.stride, rows_bound, threads, budget, spare, OPERATOR)?;
        Ok(Some(Self { rows, places }))
    }

    /// A worker's part of it.
    pub fn part(&self) -> BuildRows {
        BuildRows {
            appender: Appender::new(self.rows.clone()),
            unsettled: Vec::new(),
            places: self.places.clone(),
        }
    }
}

impl BuildRows {
    /// Takes over the rows that a kernel wrote up to the number `end`, while they are in the cache.
    pub fn wrote(&mut self, table: &JoinTable, end: usize) {
        let written = self.appender.next..end;
        self.appender.next = end;
        match self.unsettled.last_mut() {
            Some(last) if last.end == written.start => last.end = end,
            _ => self.unsettled.push(written.clone()),
        }
        if let (Some(places), JoinStrategy::Dense { min, .. }) = (&self.places, table.strategy) {
            let places = places.as_atomics::<AtomicU32>();
            for number in written {
                let place = dense_place(table, self.appender.rows(), number, min);
                places[place].store(number as u32, Ordering::Relaxed);
            }
        }
    }
}

/// Puts the workers' parts together.
pub fn finish_join(
    table: &JoinTable,
    shared: Option<SharedBuild>,
    parts: Vec<PartialBuild>,
    saw_null: bool,
    (team, cancel): (&Team<'_>, &CancelToken),
) -> Result<BuiltJoin, ExecError> {
    let mut built = BuiltJoin {
        rows: None,
        index: None,
        shift: 0,
        unique: true,
        empty: false,
        saw_null,
    };
    let Some(shared) = shared else {
        let JoinStrategy::Bitmap { range, .. } = table.strategy else {
            return Err(ExecError::internal("a join table without rows"));
        };
        let block = all_bits(parts, range, team.budget)?;
        built.empty = !saw_null && block.as_slice::<u64>().iter().all(|word| *word == 0);
        built.index = Some(Arc::new(block));
        return Ok(built);
    };
    for part in parts {
        if let PartialBuild::Rows(mut rows) = part {
            rows.appender.close();
        }
    }
    built.empty = shared.rows.len() == 0 && !saw_null;
    match (table.strategy, shared.places) {
        (JoinStrategy::Dense { min, range }, Some(places)) => {
            built.unique = chain_equal_keys(table, &shared.rows, &places, (min, range), team)?;
            built.index = Some(places);
        }
        (JoinStrategy::Sorted { .. }, _) => {
            built.index = Some(sorted(table, &shared.rows, team, cancel)?);
            (built.shift, built.unique) = (shared.rows.len() as u64, false);
        }
        _ => {
            let (index, shift) = directory(&shared.rows, team)?;
            (built.index, built.shift, built.unique) = (Some(index), shift, false);
        }
    }
    built.rows = Some(shared.rows);
    Ok(built)
}

/// The bits of all workers.
fn all_bits(parts: Vec<PartialBuild>, range: u64, budget: &Arc<Budget>) -> Result<Block, ExecError> {
    let mut blocks = parts.into_iter().filter_map(|part| match part {
        PartialBuild::Bits(block) => Some(block),
        PartialBuild::Rows(_) => None,
    });
    let mut all = match blocks.next() {
        Some(block) => block,
        None => bitmap(range, budget)?,
    };
    for block in blocks {
        for (word, other) in all.as_mut_slice::<u64>().iter_mut().zip(block.as_slice::<u64>()) {
            *word |= other;
        }
    }
    // What fell outside (NULL keys) went to the bit past the end, where nothing may be found.
    let at = range as usize;
    all.as_mut_slice::<u8>()[at / 8] &= !(1 << (at % 8));
    Ok(all)
}

/// A bitmap with one bit more than there are keys.
pub fn bitmap(range: u64, budget: &Arc<Budget>) -> Result<Block, ExecError> {
    Block::zeroed((range as usize + 1).div_ceil(64) * 8, budget, OPERATOR)
}

/// Where the key of a row stands in a dense index.
fn dense_place(table: &JoinTable, rows: &SharedRows, number: usize, min: i64) -> usize {
    let key = &table.layout.fields[0];
    // SAFETY: the row is in use, so its key field lies in memory.
    let value = unsafe { read_int(rows.row(number).wrapping_add(key.offset as usize), key) };
    value.wrapping_sub(min) as usize
}

/// Links the rows that share their key with another one to the row that the index names. True if there are none.
///
/// Every row has written its number to the place of its key; those that are not found there any more lost it to another
/// row of the same key.
fn chain_equal_keys(
    table: &JoinTable,
    rows: &Arc<SharedRows>,
    places: &Arc<Block>,
    (min, range): (i64, u64),
    team: &Team<'_>,
) -> Result<bool, ExecError> {
    let pieces = pieces(&rows.ranges());
    let lost: Arc<Mutex<Vec<Vec<u32>>>> = Arc::default();
    {
        let (table, rows, places, lost) = (table.clone(), rows.clone(), places.clone(), lost.clone());
        team.each(pieces.len(), move |piece| {
            let places = places.as_atomics::<AtomicU32>();
            let beaten = |number: &usize| {
                let place = dense_place(&table, &rows, *number, min);
                places[place].load(Ordering::Relaxed) != *number as u32
            };
            let mine: Vec<u32> = pieces[piece].clone().filter(beaten).map(|n| n as u32).collect();
            if !mine.is_empty() {
                lock(&lost).push(mine);
            }
            Ok(())
        })?;
    }
    let lost = std::mem::take(&mut *lock(&lost));
    if lost.is_empty() {
        return Ok(true);
    }
    let parts = if lost.len() == 1 { 1 } else { team.threads };
    let share = (range as usize + 1).div_ceil(parts);
    let (table, rows, places) = (table.clone(), rows.clone(), places.clone());
    team.each(parts, move |part| {
        let mine = part * share..(part + 1) * share;
        let places = places.as_atomics::<AtomicU32>();
        for number in lost.iter().flatten() {
            let place = dense_place(&table, &rows, *number as usize, min);
            if mine.contains(&place) {
                let first = rows.row(places[place].load(Ordering::Relaxed) as usize).cast::<u32>();
                // SAFETY: the first four bytes of a row are its link, and only this part of the team touches rows of this key.
                unsafe {
                    rows.row(*number as usize).cast::<u32>().write(first.read());
                    first.write(*number);
                }
            }
        }
        Ok(())
    })?;
    Ok(false)
}

/// # Safety
/// `at` holds an integer stored as the field says.
unsafe fn read_int(at: *const u8, field: &RowField) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        match field.facts.stored {
            Physical::I8 => at.cast::<i8>().read_unaligned().into(),
            Physical::I16 => at.cast::<i16>().read_unaligned().into(),
            Physical::I32 => at.cast::<i32>().read_unaligned().into(),
            _ => at.cast::<i64>().read_unaligned(),
        }
    }
}

/// Chains by the upper bits of the hash; an entry holds the first row of a chain and a bit for each hash in it.
///
/// Each part of the team fills a stretch of the directory of its own, and so looks at all rows: their hashes lie in a
/// row, which costs less than taking turns at entries that are spread over memory.
fn directory(rows: &Arc<SharedRows>, team: &Team<'_>) -> Result<(Arc<Block>, u64), ExecError> {
    let count = rows.len();
    let bits = ((count + 1) * 2).next_power_of_two().trailing_zeros().max(6);
    let index = Arc::new(Block::zeroed(8 << bits, team.budget, OPERATOR)?);
    let shift = u64::from(64 - bits);
    let ranges = rows.ranges();
    let parts = if count < Team::WORTH_SHARING { 1 } else { team.threads };
    let share = (1usize << bits).div_ceil(parts);
    let (rows, shared_index) = (rows.clone(), index.clone());
    team.each(parts, move |part| {
        let mine = part * share..(part + 1) * share;
        let places = shared_index.as_atomics::<AtomicU64>();
        for number in ranges.iter().flat_map(Clone::clone) {
            let row = rows.row(number);
            // SAFETY: the kernel stored the hash in the first eight bytes of the row; where another part has put the link
            // in the place of its lower half, the upper half still says that the row is not ours.
            let upper = unsafe { row.cast::<u32>().add(1).read() };
            let place = ((u64::from(upper) << 32) >> shift) as usize;
            if !mine.contains(&place) {
                continue;
            }
            let entry = places[place].load(Ordering::Relaxed);
            // SAFETY: as above; only this part reads and writes the first half of rows of this place.
            let hash = unsafe { row.cast::<u32>().replace(entry as u32) };
            let tag = 1u64 << (32 + (hash & 31));
            places[place].store((entry & !0xffff_ffff) | tag | number as u64, Ordering::Relaxed);
        }
        Ok(())
    })?;
    Ok((index, shift))
}

/// The keys of all rows in their order, and behind them the rows' numbers in that order.
fn sorted(
    table: &JoinTable,
    rows: &Arc<SharedRows>,
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<Arc<Block>, ExecError> {
    let count = rows.len();
    let mut index = Block::zeroed(count * SORTED_BYTES, team.budget, OPERATOR)?;
    // The pairs are there for as long as it takes to write them down in order.
    let _held = team.budget.reserve(count * size_of::<(i64, u32)>() * 2, OPERATOR)?;
    let pairs = sorted_pairs(table, rows, team, cancel)?;
    let (keys, numbers) = index.as_mut_slice::<u8>().split_at_mut(count * 8);
    let slots = keys.chunks_exact_mut(8).zip(numbers.chunks_exact_mut(4));
    for (at, ((key_slot, number_slot), (key, number))) in slots.zip(&pairs).enumerate() {
        if at % Team::WORTH_SHARING == 0 {
            cancel.check()?;
        }
        key_slot.copy_from_slice(&key.to_ne_bytes());
        number_slot.copy_from_slice(&number.to_ne_bytes());
    }
    Ok(Arc::new(index))
}

/// Sorted runs of a size that is soon done, merged two by two until one is left.
fn sorted_pairs(
    table: &JoinTable,
    rows: &Arc<SharedRows>,
    team: &Team<'_>,
    cancel: &CancelToken,
) -> Result<Pairs, ExecError> {
    let pieces = pieces(&rows.ranges());
    let (table, rows, token) = (table.clone(), rows.clone(), cancel.clone());
    let mut runs = team.map(pieces.len(), move |piece| {
        token.check()?;
        let key = &table.layout.fields[0];
        let pair = |number: usize| {
            // SAFETY: the row is in use, so its key field lies in memory.
            let value = unsafe { read_int(rows.row(number).wrapping_add(key.offset as usize), key) };
            (value, number as u32)
        };
        let mut pairs: Pairs = pieces[piece].clone().map(pair).collect();
        pairs.sort_unstable();
        Ok(pairs)
    })?;
    while runs.len() > 1 {
        let (count, token) = (runs.len().div_ceil(2), cancel.clone());
        let waiting: Vec<Mutex<Pairs>> = runs.into_iter().map(Mutex::new).collect();
        let take = move |number: usize| waiting.get(number).map(|run| std::mem::take(&mut *lock(run)));
        runs = team.map(count, move |number| {
            let first = take(2 * number).unwrap_or_default();
            match take(2 * number + 1) {
                Some(second) => merged(&first, &second, &token),
                None => Ok(first),
            }
        })?;
    }
    Ok(runs.pop().unwrap_or_default())
}

/// Keys with the numbers of their rows.
type Pairs = Vec<(i64, u32)>;

/// Bytes of a row in the index of a sorted table.
const SORTED_BYTES: usize = 12;

/// Two sorted runs as one.
fn merged(a: &[(i64, u32)], b: &[(i64, u32)], cancel: &CancelToken) -> Result<Pairs, ExecError> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if out.len() % Team::WORTH_SHARING == 0 {
            cancel.check()?;
        }
        if x <= y {
            out.push(*x);
            i += 1;
        } else {
            out.push(*y);
            j += 1;
        }
    }
    out.extend_from_slice(&a[i..]);
    out.extend_from_slice(&b[j..]);
    Ok(out)
}

/// Ranges cut into pieces that are worth handing out.
fn pieces(ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let cut = |range: &Range<usize>| {
        let end = range.end;
        range
            .clone()
            .step_by(Team::WORTH_SHARING)
            .map(move |start| start..end.min(start + Team::WORTH_SHARING))
            .collect::<Vec<_>>()
    };
    ranges.iter().flat_map(cut).collect()
}

/// Groups that a worker collects, and in the end all of them.
#[derive(Debug)]
pub struct Groups {
    /// Hashed groups with row 0 unused; or all possible groups.
    pub rows: RowBuffer,
    /// Row numbers by hash, for hashed groups.
    pub index: Option<Block>,
    /// Places in the index minus one.
    pub mask: u64,
    /// Groups possible, where they are addressed directly.
    pub size: Option<usize>,
    /// Of those, the ones that rows may have come to.
    pub touched: Range<usize>,
    /// Where hashed groups are that were merged in several parts; nothing is added to them.
    pub parts: OnceLock<Vec<Range<usize>>>,
}

const GROUP_OPERATOR: &str = "aggregation";

impl Groups {
    /// No groups yet.
    pub fn new(table: &GroupTable, budget: &Arc<Budget>) -> Result<Self, ExecError> {
        let mut rows = RowBuffer::new(table.layout.stride, GROUP_OPERATOR);
        let size = match &table.strategy {
            GroupStrategy::Single => Some(1),
            GroupStrategy::Direct { size, .. } => Some(*size as usize),
            GroupStrategy::Hash => None,
        };
        rows.make_room(size.unwrap_or(0), budget)?;
        let mut groups = Self {
            rows,
            index: None,
            mask: 0,
            size,
            touched: 0..size.unwrap_or(0),
            parts: OnceLock::new(),
        };
        if size.is_none() {
            groups.make_room(1, budget)?;
        }
        Ok(groups)
    }

    /// Makes room for so many new groups and keeps the index at most half full.
    pub fn make_room(&mut self, more: usize, budget: &Arc<Budget>) -> Result<(), ExecError> {
        if self.size.is_some() {
            return Ok(());
        }
        self.rows.make_room(more, budget)?;
        let needed = (self.rows.count + more) * 2;
        if self.index.is_some() && needed as u64 <= self.mask + 1 {
            return Ok(());
        }
        let places = (needed * 2).next_power_of_two().max(1024);
        let mut index = Block::zeroed(places * 4, budget, GROUP_OPERATOR)?;
        let mask = places - 1;
        let slots = index.as_mut_slice::<u32>();
        for number in 1..self.rows.count {
            // SAFETY: the first eight bytes of a group's row are its hash.
            let hash = unsafe { self.rows.row(number).cast::<u64>().read() };
            let mut at = (hash >> 32) as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = number as u32;
        }
        self.index = Some(index);
        self.mask = mask as u64;
        Ok(())
    }

    /// The rows to be read.
    pub fn in_use(&self) -> Rows {
        match (self.size, self.parts.get()) {
            (Some(size), _) => Rows::all(size),
            (None, Some(parts)) => Rows::of(parts.iter().cloned()),
            (None, None) => Rows::range(1..self.rows.count),
        }
    }
}
