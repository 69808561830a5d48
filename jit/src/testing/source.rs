//! Decisions drawn from bytes, so that a fuzzer's bytes and a seed both make modules.
//!
//! Example: `Source::seeded(1)` has 4 KiB of reproducible noise; `Source::new(data)` is the fuzzer's.
//!
//! Invariants: never ends: after the last byte every decision is 0, the smallest choice.
//!
//! Does not: know what is decided.

/// A stream of decisions.
#[derive(Clone, Debug)]
pub struct Source {
    bytes: Vec<u8>,
    at: usize,
}

impl Source {
    /// From given bytes.
    pub fn new(bytes: &[u8]) -> Source {
        Source {
            bytes: bytes.to_vec(),
            at: 0,
        }
    }

    /// From noise: SplitMix64 of the seed.
    pub fn seeded(seed: u64) -> Source {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Source {
            bytes: (0..512).flat_map(|_| next().to_le_bytes()).collect(),
            at: 0,
        }
    }

    /// Whether the bytes are used up.
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// A number of 64 bits.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number below `n`, which is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        if n <= 256 {
            usize::from(self.byte()) * n / 256
        } else {
            (usize::from(self.byte()) << 8 | usize::from(self.byte())) % n
        }
    }

    /// True in one of `n` cases.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of the items.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}
