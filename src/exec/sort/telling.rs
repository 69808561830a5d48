//! The bytes of keys that tell them apart.
//!
//! Of the keys `00 00 05 07`, `00 00 05 09` and `00 00 06 07` the last two bytes are telling.
//!
//! Invariants: telling bytes never contradict the keys; where they decide, keys that agree in them are equal.
//!
//! Does not: know columns.

use arrow::row::Rows;

/// Telling bytes that a row carries at most.
const TELLING_BYTES: usize = 16;
/// No byte behind so many is looked at for being telling.
const LONGEST_PREFIX: usize = 256;

/// Where keys differ from each other; a key ends with zeros.
#[derive(Default)]
pub(super) struct Differing {
    /// Not 0 at the places where two keys were found to differ.
    bytes: Vec<u8>,
    /// Some differ, or may differ, behind that, or only in their length.
    behind: bool,
}

impl Differing {
    /// Looks at two keys.
    pub(super) fn add(&mut self, a: &[u8], b: &[u8]) {
        if a.len() == b.len() && a.len() == self.bytes.len() {
            return self.add_alike(a, b);
        }
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

    /// Looks at keys as long as those before, eight bytes at a time.
    fn add_alike(&mut self, a: &[u8], b: &[u8]) {
        let (words, rest) = self.bytes.as_chunks_mut::<8>();
        let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        for ((word, a), b) in words.iter_mut().zip(a_words).zip(b_words) {
            let differ = u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b);
            *word = (u64::from_ne_bytes(*word) | differ).to_ne_bytes();
        }
        for ((byte, a), b) in rest.iter_mut().zip(a_rest).zip(b_rest) {
            *byte |= a ^ b;
        }
    }

    /// Looks at keys, each beside the first.
    pub(super) fn add_all(&mut self, keys: &Rows) {
        (1..keys.num_rows()).for_each(|row| self.add(keys.row(0).data(), keys.row(row).data()));
    }

    /// Adds what others found.
    pub(super) fn join(&mut self, other: &Differing) {
        self.behind |= other.behind;
        let longest = self.bytes.len().max(other.bytes.len());
        self.bytes.resize(longest, 0);
        self.bytes.iter_mut().zip(&other.bytes).for_each(|(a, b)| *a |= b);
    }

    /// Which bytes tell.
    pub(super) fn telling(&self) -> Telling {
        let differing = self.bytes.iter().enumerate().filter(|(_, byte)| **byte != 0);
        let mut places: Vec<usize> = differing.map(|(place, _)| place).collect();
        let decides = places.len() <= TELLING_BYTES && !self.behind;
        let known = match places.get(TELLING_BYTES) {
            Some(first_left_out) => *first_left_out,
            None => LONGEST_PREFIX,
        };
        places.truncate(TELLING_BYTES);
        Telling {
            stretches: stretches(&places),
            places,
            known,
            decides,
        }
    }
}

/// The bytes of keys that rows carry.
pub(super) struct Telling {
    /// Where they are in a key.
    pub(super) places: Vec<usize>,
    /// The same, as far as they lie side by side and go into one word.
    stretches: Vec<Stretch>,
    /// Among the first so many bytes there is no other telling one.
    known: usize,
    /// Keys that agree in them are equal.
    pub(super) decides: bool,
}

/// Telling bytes side by side.
struct Stretch {
    /// Where they are in a key.
    at: usize,
    /// How many bits they are.
    bits: u32,
    /// The word that they go into, and how many bits of it are below them.
    word: usize,
    below: u32,
}

fn stretches(places: &[usize]) -> Vec<Stretch> {
    let words = places.chunks(8).enumerate();
    let of_word = |(word, places): (usize, &[usize])| {
        let mut below = 64;
        let parts = places.chunk_by(|a, b| a + 1 == *b);
        let parts = parts.map(|part| {
            let bits = 8 * part.len() as u32;
            below -= bits;
            Stretch {
                at: part[0],
                bits,
                word,
                below,
            }
        });
        parts.collect::<Vec<_>>()
    };
    words.flat_map(of_word).collect()
}

impl Telling {
    /// The telling bytes of a key, the first in the highest bits.
    pub(super) fn of<const W: usize>(&self, key: &[u8]) -> [u64; W] {
        let mut words = [0u64; W];
        for stretch in &self.stretches {
            let bytes = key.get(stretch.at..).unwrap_or_default();
            let eight = bytes.first_chunk::<8>().copied().unwrap_or_else(|| {
                let mut eight = [0; 8];
                eight[..bytes.len()].copy_from_slice(bytes);
                eight
            });
            words[stretch.word] |= u64::from_be_bytes(eight) >> (64 - stretch.bits) << stretch.below;
        }
        words
    }

    /// Whether two keys agree in their first bytes, as far as telling bytes know. Every key has as many.
    pub(super) fn same_prefix<const W: usize>(&self, bytes: usize, a: &[u64; W], b: &[u64; W]) -> Option<bool> {
        let within = self.places.partition_point(|place| *place < bytes);
        let same = a.iter().zip(b).enumerate().all(|(word, (a, b))| {
            let bits = 8 * within.saturating_sub(8 * word).min(8) as u32;
            bits == 0 || (a ^ b) >> (64 - bits) == 0
        });
        (!same || bytes <= self.known).then_some(same)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    fn telling(keys: &[Vec<u8>]) -> Telling {
        let mut differing = Differing::default();
        keys[1..].iter().for_each(|key| differing.add(&keys[0], key));
        differing.telling()
    }

    proptest! {
        /// Telling bytes never contradict the keys, and decide where they say so.
        #[test]
        fn telling_bytes_compare_like_keys(keys in prop::collection::vec(prop::collection::vec(0u8..3, 0..30), 2..20)) {
            let telling = telling(&keys);
            for (a, b) in keys.iter().flat_map(|a| keys.iter().map(move |b| (a, b))) {
                match telling.of::<2>(a).cmp(&telling.of::<2>(b)) {
                    Ordering::Equal => prop_assert!(!telling.decides || a == b),
                    order => prop_assert_eq!(order, a.cmp(b)),
                }
            }
        }

        /// What they know of a prefix is so.
        #[test]
        fn prefixes_are_known(
            keys in prop::collection::vec(prop::collection::vec(0u8..3, 30..31), 2..20),
            bytes in 1usize..30,
        ) {
            let telling = telling(&keys);
            for (a, b) in keys.iter().flat_map(|a| keys.iter().map(move |b| (a, b))) {
                if let Some(same) = telling.same_prefix(bytes, &telling.of::<2>(a), &telling.of::<2>(b)) {
                    prop_assert_eq!(same, a[..bytes] == b[..bytes]);
                }
            }
        }
    }
}
