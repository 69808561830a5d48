//! Memory of queries: a budget that everything large is taken from, and blocks of zeroed memory.
//!
//! A join table of 24 MB is one [`Block`]: mapped directly, on huge pages where the system has them, and given back as a
//! whole.
//!
//! Invariants: a block is zeroed when it is made, aligned to 64 bytes, and its bytes are reserved from the budget as long as it
//! lives.
//!
//! Does not: count the chunk cache, which has a limit of its own.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::ExecError;

/// What a query may use, and uses.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
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
        Ok(Reservation {
            budget: self.clone(),
            bytes,
        })
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

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
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

/// Zeroed memory that generated code reads and writes.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    bytes: usize,
    /// Start and length of the mapping, if it is one.
    mapping: Option<(NonNull<u8>, usize)>,
    /// `None`: whoever uses parts of the block reserves them.
    _reservation: Option<Reservation>,
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
                _reservation: Some(reservation),
            });
        }
        let (start, mapping) = map(bytes, 0).ok_or_else(failed)?;
        Ok(Self {
            start,
            bytes,
            mapping: Some(mapping),
            _reservation: Some(reservation),
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
            _reservation: None,
        })
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
    let whole = bytes.checked_add(HUGE_PAGE_BYTES)?;
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
    // SAFETY: the offset is less than the extra page mapped.
    let start = unsafe { mapped.add(offset) };
    // SAFETY: within the mapping; the advice has no effect on contents.
    #[cfg(target_os = "linux")]
    if bytes > huge_from {
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
        let grown = Block::zeroed(capacity * self.stride, budget, self.operator)?;
        if let Some(old) = &self.block {
            // SAFETY: both blocks hold at least `count` rows and do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(old.address(), grown.address(), self.count * self.stride) };
        }
        self.block = Some(grown);
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
