//! Memory of queries: a budget that everything large is taken from, and blocks of zeroed memory.
//!
//! A join table of 24 MB is one [`Block`]: mapped directly, on huge pages where the system has them, and given back as a
//! whole.
//!
//! Invariants: a block is zeroed when it is made, aligned to 64 bytes, and its bytes are reserved from the budget as long as it
//! lives.
//!
//! Does not: count the chunk cache, which has a limit of its own, and holds no more than what the query leaves of its budget.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::ExecError;
use crate::store::cache::ChunkCache;

/// What a query may use, and uses.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    /// What it holds is only there as long as nobody needs the memory.
    beside: Option<Arc<ChunkCache>>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Self::with(limit_bytes, None)
    }

    /// The same beside a cache, which gets what is left.
    pub fn beside(limit_bytes: usize, cache: Arc<ChunkCache>) -> Arc<Self> {
        Self::with(limit_bytes, Some(cache))
    }

    fn with(limit_bytes: usize, beside: Option<Arc<ChunkCache>>) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
            beside,
        })
    }

    /// Takes bytes, or fails naming the operator that wanted them.
    pub fn reserve(self: &Arc<Self>, bytes: usize, operator: &str) -> Result<Reservation, ExecError> {
        let before = self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes);
        if after > self.limit_bytes {
            self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(ExecError::out_of_memory(operator, bytes, before, self.limit_bytes));
        }
        self.peak_bytes.fetch_max(after, Ordering::Relaxed);
        self.squeeze();
        Ok(Reservation {
            budget: self.clone(),
            bytes,
        })
    }

    /// A reservation of nothing yet.
    pub fn empty(self: &Arc<Self>) -> Reservation {
        Reservation {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Sees that the cache holds no more than what is left.
    pub fn squeeze(&self) {
        let Some(cache) = &self.beside else { return };
        let left = self.left_bytes() as u64;
        if cache.held_bytes() > left {
            cache.shrink_to(left);
        }
    }

    /// Bytes that nobody has taken.
    pub fn left_bytes(&self) -> usize {
        self.limit_bytes.saturating_sub(self.used_bytes.load(Ordering::Relaxed))
    }

    /// The bytes that may be taken in all.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// The most that was in use at once.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }
}

/// From this size on the allocator gives whole steps of it.
const STEP_BYTES: usize = 1 << 19;

/// What an allocation of so many bytes takes.
pub fn taken(bytes: usize) -> usize {
    match bytes {
        0..=STEP_BYTES => bytes,
        _ => bytes.next_multiple_of(STEP_BYTES),
    }
}

/// A part of a memory limit, and no more than so much.
pub fn share(limit_bytes: usize, parts: usize, most_bytes: usize) -> usize {
    (limit_bytes / parts).min(most_bytes)
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// What it is taken from.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it so many bytes: takes what is missing, or fails naming the operator; gives back what is too much.
    pub fn resize(&mut self, bytes: usize, operator: &str) -> Result<(), ExecError> {
        if bytes > self.bytes {
            let more = self.budget.reserve(bytes - self.bytes, operator)?;
            self.join(more);
        } else {
            self.budget.used_bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
        Ok(())
    }

    /// Takes over the bytes of another one of the same budget.
    fn join(&mut self, mut other: Reservation) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// From this size on, memory is mapped rather than allocated.
const MAP_FROM_BYTES: usize = 1 << 20;
/// Size of a huge page.
const HUGE_PAGE_BYTES: usize = 1 << 21;
const ALIGNMENT: usize = 64;
/// Size of a page, at most.
#[cfg(target_os = "linux")]
const SMALL_PAGE_BYTES: usize = 1 << 16;

/// Zeroed memory that generated code reads and writes.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    bytes: usize,
    /// Start and length of the mapping, if it is one.
    mapping: Option<(NonNull<u8>, usize)>,
    /// `None`: whoever uses parts of the block reserves them.
    reservation: Option<Reservation>,
}

// SAFETY: a block is plain memory that it owns; who may write when is decided by the operators that share it.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// Zeroed memory of at least so many bytes.
    pub fn zeroed(bytes: usize, budget: &Arc<Budget>, operator: &str) -> Result<Self, ExecError> {
        let bytes = bytes.max(1).next_multiple_of(ALIGNMENT);
        let reservation = budget.reserve(bytes, operator)?;
        let failed = || ExecError::out_of_memory(operator, bytes, 0, bytes);
        if bytes < MAP_FROM_BYTES {
            let layout = Layout::from_size_align(bytes, ALIGNMENT).map_err(|_| failed())?;
            // SAFETY: the size is not zero.
            let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(failed)?;
            return Ok(Self {
                start,
                bytes,
                mapping: None,
                reservation: Some(reservation),
            });
        }
        let (start, mapping) = map(bytes, 0).ok_or_else(failed)?;
        Ok(Self {
            start,
            bytes,
            mapping: Some(mapping),
            reservation: Some(reservation),
        })
    }

    /// Addresses for so many bytes, of which memory is used only where it is touched; nothing is reserved for them.
    pub fn addresses(bytes: usize, operator: &str) -> Result<Self, ExecError> {
        let bytes = bytes.max(1).next_multiple_of(ALIGNMENT);
        // The first pages stay small: most tables end in them.
        let (start, mapping) =
            map(bytes, HUGE_PAGE_BYTES).ok_or_else(|| ExecError::out_of_memory(operator, bytes, 0, bytes))?;
        Ok(Self {
            start,
            bytes,
            mapping: Some(mapping),
            reservation: None,
        })
    }

    /// The same bytes, then zeros, in a larger block. Pages are moved rather than copied where the system can, so that
    /// they are never there twice.
    pub fn grown(self, bytes: usize, budget: &Arc<Budget>, operator: &str) -> Result<Self, ExecError> {
        let kept = self.bytes.min(bytes);
        if let Some(mapping) = self.mapping {
            // What is moved is not held twice.
            let bytes = bytes.next_multiple_of(ALIGNMENT);
            let reservation = budget.reserve(bytes.saturating_sub(self.bytes), operator)?;
            if let Some((start, mapped)) = moved(self.start, mapping, kept, bytes) {
                return Ok(self.now_at(start, bytes, mapped, reservation));
            }
        }
        let grown = Block::zeroed(bytes, budget, operator)?;
        // SAFETY: both blocks hold at least so many bytes and do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(self.address(), grown.address(), kept) };
        Ok(grown)
    }

    /// The block after its pages were moved; what they left behind was given back.
    fn now_at(mut self, start: NonNull<u8>, bytes: usize, mapping: Mapping, more: Reservation) -> Self {
        self.start = start;
        self.bytes = bytes;
        self.mapping = Some(mapping);
        match &mut self.reservation {
            Some(held) => held.join(more),
            None => self.reservation = Some(more),
        }
        self
    }

    /// Address of the first byte.
    pub fn address(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Size.
    pub fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// The block as integers.
    pub fn as_slice<T: Plain>(&self) -> &[T] {
        // SAFETY: the memory is initialised, aligned for any plain type, and borrowed with the block.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / size_of::<T>()) }
    }

    /// The block as integers that several workers write at once.
    pub fn as_atomics<T: Atomic>(&self) -> &[T] {
        // SAFETY: the memory is initialised, aligned for any integer, and an atomic has the layout of its integer.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / size_of::<T>()) }
    }

    /// The block as integers, to be written.
    pub fn as_mut_slice<T: Plain>(&mut self) -> &mut [T] {
        // SAFETY: as above, and the block is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.bytes / size_of::<T>()) }
    }
}

/// Types of which every bit pattern is a value.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for i64 {}

/// Atomic integers.
pub trait Atomic {}
impl Atomic for AtomicU32 {}
impl Atomic for AtomicU64 {}

impl Drop for Block {
    fn drop(&mut self) {
        match self.mapping {
            // SAFETY: exactly what was mapped, once.
            Some((start, bytes)) => unsafe {
                libc::munmap(start.as_ptr().cast(), bytes);
            },
            None => {
                if let Ok(layout) = Layout::from_size_align(self.bytes, ALIGNMENT) {
                    // SAFETY: allocated with this layout.
                    unsafe { dealloc(self.start.as_ptr(), layout) };
                }
            }
        }
    }
}

type Mapping = (NonNull<u8>, usize);

/// Maps fresh pages, aligned to huge pages and with the wish to get them from a byte on.
fn map(bytes: usize, huge_from: usize) -> Option<(NonNull<u8>, Mapping)> {
    // One huge page to align in, and one to spare.
    let whole = bytes.checked_add(2 * HUGE_PAGE_BYTES)?;
    // SAFETY: a private anonymous mapping at an address of the system's choice.
    let mapped = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            whole,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    let mapped = NonNull::new(mapped.cast::<u8>())?;
    let offset = mapped.as_ptr().align_offset(HUGE_PAGE_BYTES);
    // SAFETY: the offset is less than a huge page.
    let start = unsafe { mapped.add(offset) };
    #[cfg(target_os = "linux")]
    if bytes > huge_from {
        // SAFETY: within the mapping; the advice has no effect on contents.
        unsafe {
            libc::madvise(
                start.as_ptr().add(huge_from).cast(),
                bytes - huge_from,
                libc::MADV_HUGEPAGE,
            );
        }
    }
    Some((start, (mapped, whole)))
}

/// Maps room for `bytes` and moves the first `kept` bytes of another mapping there, page tables rather than contents;
/// gives back the rest of the other. `None`, and nothing happened, if the system cannot.
#[cfg(target_os = "linux")]
fn moved(start: NonNull<u8>, old: Mapping, kept: usize, bytes: usize) -> Option<(NonNull<u8>, Mapping)> {
    let (target, mapping) = map(bytes, 0)?;
    // A mapping has a huge page to spare, so whole small pages are inside both.
    let pages = kept.next_multiple_of(SMALL_PAGE_BYTES);
    // SAFETY: `pages` bytes from `start` and from `target` are inside mappings that nothing else refers to; both are
    // aligned to pages. The move replaces what is mapped at the target.
    let result = unsafe {
        libc::mremap(
            start.as_ptr().cast(),
            pages,
            pages,
            libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
            target.as_ptr().cast::<libc::c_void>(),
        )
    };
    if result == libc::MAP_FAILED {
        // SAFETY: exactly what was mapped above, and nothing was put there.
        unsafe { libc::munmap(mapping.0.as_ptr().cast(), mapping.1) };
        return None;
    }
    let (head, (old_start, old_bytes)) = (start.as_ptr() as usize - old.0.as_ptr() as usize, old);
    let tail = head + pages;
    // The moved range is not ours any more: others may have mapped it by now.
    for (from, len) in [(0, head), (tail, old_bytes - tail)] {
        if len > 0 {
            // SAFETY: still mapped by the old mapping, outside of what was moved.
            unsafe { libc::munmap(old_start.as_ptr().add(from).cast(), len) };
        }
    }
    Some((target, mapping))
}

#[cfg(not(target_os = "linux"))]
fn moved(_start: NonNull<u8>, _old: Mapping, _kept: usize, _bytes: usize) -> Option<(NonNull<u8>, Mapping)> {
    None
}

/// Fixed-size rows that grow in number; row 0 is never a real row.
#[derive(Debug)]
pub struct RowBuffer {
    block: Option<Block>,
    stride: usize,
    /// Rows in use, row 0 included.
    pub count: usize,
    capacity: usize,
    operator: &'static str,
}

impl RowBuffer {
    /// No rows yet.
    pub fn new(stride: u32, operator: &'static str) -> Self {
        Self {
            block: None,
            stride: stride as usize,
            count: 1,
            capacity: 0,
            operator,
        }
    }

    /// No rows, of the same size.
    pub fn empty(&self) -> Self {
        Self {
            block: None,
            stride: self.stride,
            count: 1,
            capacity: 0,
            operator: self.operator,
        }
    }

    /// Makes room for `more` rows beyond those in use.
    pub fn make_room(&mut self, more: usize, budget: &Arc<Budget>) -> Result<(), ExecError> {
        let needed = self.count + more;
        if needed <= self.capacity {
            return Ok(());
        }
        if needed > u32::MAX as usize {
            return Err(ExecError::resource(format!(
                "{} holds more than 4 billion rows",
                self.operator
            )));
        }
        let capacity = needed.max(self.capacity * 2).max(1024);
        let bytes = capacity * self.stride;
        self.block = Some(match self.block.take() {
            Some(block) => block.grown(bytes, budget, self.operator)?,
            None => Block::zeroed(bytes, budget, self.operator)?,
        });
        self.capacity = capacity;
        Ok(())
    }

    /// Address of row 0; null while there is no memory.
    pub fn address(&self) -> *mut u8 {
        self.block.as_ref().map_or(std::ptr::null_mut(), Block::address)
    }

    /// Address of a row in use.
    pub fn row(&self, number: usize) -> *mut u8 {
        debug_assert!(number < self.capacity);
        self.address().wrapping_add(number * self.stride)
    }

    /// Rows in use, as integers.
    pub fn words(&self, first: usize, count: usize) -> Option<&[u64]> {
        let words = |rows: usize| rows * self.stride / 8;
        let all = self.block.as_ref()?.as_slice::<u64>();
        all.get(words(first)..words(first + count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_bytes_when_it_grows() {
        let budget = Budget::new(1 << 30);
        let mut block = Block::zeroed(1000, &budget, "test").expect("room");
        block.as_mut_slice::<u8>()[..1000].fill(7);
        for (step, bytes) in [5056, 1 << 20, (3 << 20) + 64, 9 << 20, 64 << 20]
            .into_iter()
            .enumerate()
        {
            let before = block.len_bytes();
            block = block.grown(bytes, &budget, "test").expect("room");
            assert_eq!((block.len_bytes(), block.address() as usize % ALIGNMENT), (bytes, 0));
            let all = block.as_mut_slice::<u8>();
            assert!(all[..1000].iter().all(|byte| *byte == 7));
            assert!(all[before..].iter().all(|byte| *byte == 0));
            // The first block had some bytes to spare.
            assert_eq!(all[before - 1], if step == 0 { 0 } else { 9 });
            all[bytes - 1] = 9;
        }
        assert_eq!(budget.used_bytes.load(Ordering::Relaxed), 64 << 20);
        drop(block);
        assert_eq!(budget.used_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_block_that_may_not_grow_is_given_back() {
        let budget = Budget::new(5 << 20);
        let block = Block::zeroed(4 << 20, &budget, "test").expect("room");
        assert!(block.grown(8 << 20, &budget, "test").is_err());
        assert_eq!(budget.used_bytes.load(Ordering::Relaxed), 0);
    }
}
