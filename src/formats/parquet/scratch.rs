//! Memory for bytes that are looked at once: compressed chunks and unpacked pages.
//!
//! Reading 53 chunks of 800 KB one after the other on a thread takes memory once, and it stays in the cache.
//!
//! Invariants: memory comes back only when nothing else points into it.
//!
//! Does not: clear what it hands out, or share between threads.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// A page or chunk larger than this is not kept.
const MAX_BYTES: usize = 4 << 20;
/// Pieces kept by a thread: a chunk and a page.
const MAX_PIECES: usize = 2;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// At least `len` bytes of anything.
pub(super) fn take(len: usize) -> BytesMut {
    let spare = SPARE.with_borrow_mut(|spare| {
        let fits = spare.iter().position(|memory| memory.len() >= len);
        fits.map(|at| spare.swap_remove(at))
    });
    spare.unwrap_or_else(|| BytesMut::zeroed(len))
}

/// Takes memory back, unless something still points into it.
pub(super) fn give(bytes: Bytes) {
    if let Ok(memory) = bytes.try_into_mut()
        && memory.len() <= MAX_BYTES
    {
        SPARE.with_borrow_mut(|spare| {
            spare.push(memory);
            if spare.len() > MAX_PIECES {
                // The smallest is the least likely to fit.
                let smallest = (0..spare.len()).min_by_key(|at| spare[*at].len());
                smallest.map(|at| spare.swap_remove(at));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_is_not_given_again() {
        let bytes = take(1000).freeze();
        let view = bytes.slice(..10);
        give(bytes);
        assert_ne!(take(1000).as_ptr(), view.as_ptr());
        let bytes = take(2000).freeze();
        let address = bytes.as_ptr();
        give(bytes);
        assert_eq!(take(1500).as_ptr(), address);
    }
}
