//! Rows that several workers append to at once: the build sides of joins.
//!
//! Two workers that store 1.5 million orders take spans of 16,384 row numbers in turn; nothing is moved when they are done.
//!
//! Invariants: a row keeps its number and its address; a span belongs to one worker, and its memory is reserved from the budget
//! before it is touched; row 0 is never a real row and is zero. What was not written holds anything: memory is used again by
//! later tables, since to have the system clear 24 MB takes as long as to fill them.
//!
//! Does not: know what the rows mean.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ExecError;
use super::memory::{Block, Budget, Reservation};
use crate::compile::BLOCK_ROWS;

/// Rows of a span, where there are many.
const SPAN_ROWS: usize = 1 << 14;
/// Least rows of a span: several blocks, so that little is left over at its end.
const LEAST_SPAN_ROWS: usize = 4 * BLOCK_ROWS;

/// Memory that ended tables have touched is kept up to this size.
const MOST_SPARE_BYTES: usize = 128 << 20;

/// Memory of ended tables, for the next ones.
#[derive(Debug, Default)]
pub struct SpareRows(Mutex<Vec<Spare>>);

#[derive(Debug)]
struct Spare {
    block: Block,
    touched_bytes: usize,
}

impl SpareRows {
    /// The block with the most touched memory that has so many addresses.
    fn take(&self, bytes: usize) -> Option<Block> {
        let mut spare = lock(&self.0);
        let fits = spare
            .iter()
            .enumerate()
            .filter(|(_, spare)| spare.block.len_bytes() >= bytes);
        let (at, _) = fits.max_by_key(|(_, spare)| spare.touched_bytes)?;
        Some(spare.swap_remove(at).block)
    }

    /// Keeps a block if that is little enough.
    fn give(&self, block: Block, touched_bytes: usize) {
        let mut spare = lock(&self.0);
        let held: usize = spare.iter().map(|spare| spare.touched_bytes).sum();
        if held + touched_bytes <= MOST_SPARE_BYTES {
            spare.push(Spare { block, touched_bytes });
        }
    }

    /// Gives all memory back.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// Fixed-size rows in one range of addresses.
#[derive(Debug)]
pub struct SharedRows {
    /// There until dropped.
    block: Option<Block>,
    address: *mut u8,
    spare: Arc<SpareRows>,
    stride: usize,
    capacity: usize,
    span_rows: usize,
    next: AtomicUsize,
    used: Mutex<Used>,
    budget: Arc<Budget>,
    operator: &'static str,
}

#[derive(Debug, Default)]
struct Used {
    ranges: Vec<Range<usize>>,
    reserved: Vec<Reservation>,
}

impl SharedRows {
    /// Addresses for as many rows as may come, or as the budget allows.
    pub fn new(
        stride: u32,
        rows_bound: Option<u64>,
        threads: usize,
        budget: &Arc<Budget>,
        spare: &Arc<SpareRows>,
        operator: &'static str,
    ) -> Result<Arc<Self>, ExecError> {
        let stride = (stride as usize).max(8);
        let affordable = budget.limit_bytes() / stride + LEAST_SPAN_ROWS;
        let bound = rows_bound.and_then(|rows| usize::try_from(rows).ok());
        let bound = bound.unwrap_or(usize::MAX).min(affordable);
        let span_rows = if bound < 8 * SPAN_ROWS {
            LEAST_SPAN_ROWS
        } else {
            SPAN_ROWS
        };
        // Each span may be left when less than a block fits into it.
        let spans = bound / (span_rows - BLOCK_ROWS) + threads + 1;
        let capacity = spans.saturating_mul(span_rows).saturating_add(1).min(u32::MAX as usize);
        let bytes = capacity.saturating_mul(stride);
        let mut block = match spare.take(bytes) {
            Some(block) => block,
            None => Block::addresses(bytes, operator)?,
        };
        block.as_mut_slice::<u8>()[..stride].fill(0);
        Ok(Arc::new(Self {
            address: block.address(),
            block: Some(block),
            spare: spare.clone(),
            stride,
            capacity,
            span_rows,
            next: AtomicUsize::new(1),
            used: Mutex::default(),
            budget: budget.clone(),
            operator,
        }))
    }

    /// Address of row 0.
    pub fn address(&self) -> *mut u8 {
        self.address
    }

    /// Address of a row.
    pub fn row(&self, number: usize) -> *mut u8 {
        debug_assert!(number < self.capacity);
        self.address().wrapping_add(number * self.stride)
    }

    /// The rows in use; complete once every worker has ended.
    pub fn ranges(&self) -> Vec<Range<usize>> {
        let mut ranges = lock(&self.used).ranges.clone();
        ranges.sort_by_key(|range| range.start);
        ranges
    }

    /// How many rows are in use.
    pub fn len(&self) -> usize {
        lock(&self.used).ranges.iter().map(Range::len).sum()
    }

    fn span(&self) -> Result<Range<usize>, ExecError> {
        let reserved = self.budget.reserve(self.span_rows * self.stride, self.operator)?;
        lock(&self.used).reserved.push(reserved);
        let start = self.next.fetch_add(self.span_rows, Ordering::Relaxed);
        if start + self.span_rows > self.capacity {
            return Err(ExecError::resource(format!("{} holds too many rows", self.operator)));
        }
        Ok(start..start + self.span_rows)
    }

    fn keep(&self, range: Range<usize>) {
        if !range.is_empty() {
            lock(&self.used).ranges.push(range);
        }
    }
}

// SAFETY: the address is that of the block, which is plain memory; who writes which rows is decided by the spans.
unsafe impl Send for SharedRows {}
// SAFETY: as above.
unsafe impl Sync for SharedRows {}

impl Drop for SharedRows {
    fn drop(&mut self) {
        let rows = self.next.load(Ordering::Relaxed).min(self.capacity);
        if let Some(block) = self.block.take() {
            self.spare.give(block, rows * self.stride);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's span.
#[derive(Debug)]
pub struct Appender {
    rows: Arc<SharedRows>,
    start: usize,
    /// The number of the next row.
    pub next: usize,
    end: usize,
}

impl Appender {
    /// Without a span yet.
    pub fn new(rows: Arc<SharedRows>) -> Self {
        Self {
            rows,
            start: 0,
            next: 0,
            end: 0,
        }
    }

    /// The rows of all workers.
    pub fn rows(&self) -> &SharedRows {
        &self.rows
    }

    /// Makes sure that a block fits.
    pub fn make_room(&mut self) -> Result<(), ExecError> {
        if self.end - self.next < BLOCK_ROWS {
            self.close();
            let span = self.rows.span()?;
            (self.start, self.next, self.end) = (span.start, span.start, span.end);
        }
        Ok(())
    }

    /// Counts what was written.
    pub fn close(&mut self) {
        self.rows.keep(self.start..self.next);
        self.start = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_spans_that_do_not_overlap() {
        let budget = Budget::new(64 << 20);
        let rows = SharedRows::new(16, Some(200_000), 4, &budget, &Arc::default(), "test").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut appender = Appender::new(rows.clone());
                    for _ in 0..50 {
                        appender.make_room().unwrap();
                        appender.next += 1000;
                    }
                    appender.close();
                });
            }
        });
        let ranges = rows.ranges();
        assert_eq!(rows.len(), 200_000);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(ranges[0].start >= 1);
    }

    #[test]
    fn memory_is_used_again() {
        let (budget, spare) = (Budget::new(64 << 20), Arc::new(SpareRows::default()));
        let rows = SharedRows::new(16, Some(1000), 1, &budget, &spare, "test").unwrap();
        let first = rows.address();
        let mut appender = Appender::new(rows);
        appender.make_room().unwrap();
        drop(appender);
        let again = SharedRows::new(8, Some(500), 1, &budget, &spare, "test").unwrap();
        assert_eq!(again.address(), first);
        let other = SharedRows::new(8, Some(500), 1, &budget, &spare, "test").unwrap();
        assert_ne!(other.address(), first);
    }

    #[test]
    fn the_budget_is_asked_for_each_span() {
        let budget = Budget::new(1 << 20);
        let rows = SharedRows::new(64, None, 1, &budget, &Arc::default(), "join build").unwrap();
        let mut appender = Appender::new(rows);
        let mut blocks = 0;
        let error = loop {
            if let Err(error) = appender.make_room() {
                break error;
            }
            appender.next += BLOCK_ROWS;
            blocks += 1;
        };
        assert!(blocks >= 4, "{blocks}");
        assert!(error.message.contains("join build"), "{error:?}");
    }
}
