//! Objects as differences from others: copies out of a base, and bytes of their own.
//!
//! A leaf of 2 KB in which one entry of 60 bytes is new becomes `copy 0..1312, insert 60 bytes, copy 1312..2048`: 68 bytes.
//!
//! Invariants: `apply(base, &diff(base, target)) == target`; `apply` never gives more than it was told to, and refuses
//! what does not fit its base.
//!
//! Does not: decide whether a difference is worth it, or bound chains; packs do.

use hashbrown::HashMap;

use super::wire::{Malformed, Reader, write_varint};

/// Matches shorter than this are not looked for between the common ends.
const WINDOW: usize = 16;
/// About as many bytes are replaced by others at a time: a hash and a number.
const REPLACED: usize = 48;

/// The instructions that make `target` of `base`. Each is a number: odd for a copy of `n >> 1` bytes, followed by where
/// in the base it begins; even for an insertion of `n >> 1` bytes, followed by them.
pub(crate) fn diff(base: &[u8], target: &[u8]) -> Vec<u8> {
    let head = common_head(base, target);
    let tail = common_tail(&base[head..], &target[head..]);
    let mut out = Ops::default();
    out.copy(0, head);
    let (end, target_end) = (base.len() - tail, target.len() - tail);
    // Up to where something is put in, only a count or a hash differs here and there.
    let mut at = head;
    while let Some(skipped) = realigned(&base[at..end], &target[at..target_end]) {
        out.insert(&target[at..at + skipped]);
        at += skipped;
        let next = common_head(&base[at..end], &target[at..target_end]);
        out.copy(at, next);
        at += next;
    }
    diff_middle(&mut out, &base[at..end], at, &target[at..target_end]);
    out.copy(end, tail);
    out.finish()
}

/// Bytes compared at a time.
type Stride = [u8; 16];

/// How many pairs are of the same, before the first that is not.
fn same<'a>(pairs: impl Iterator<Item = (&'a Stride, &'a Stride)>) -> usize {
    // As a number: comparing slices is a call.
    let number = |stride: &Stride| u128::from_ne_bytes(*stride);
    pairs.take_while(|(a, b)| number(a) == number(b)).count()
}

/// With how many of the same bytes two sequences begin.
fn common_head(a: &[u8], b: &[u8]) -> usize {
    let (strides, others): (&[Stride], &[Stride]) = (a.as_chunks().0, b.as_chunks().0);
    let whole = size_of::<Stride>() * same(strides.iter().zip(others));
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
}

/// With how many of the same bytes they end.
fn common_tail(a: &[u8], b: &[u8]) -> usize {
    let (strides, others): (&[Stride], &[Stride]) = (a.as_rchunks().1, b.as_rchunks().1);
    let whole = size_of::<Stride>() * same(strides.iter().rev().zip(others.iter().rev()));
    let rest = a[..a.len() - whole].iter().rev().zip(b[..b.len() - whole].iter().rev());
    whole + rest.take_while(|(a, b)| a == b).count()
}

/// After how many bytes two sequences go on as one.
fn realigned(base: &[u8], target: &[u8]) -> Option<usize> {
    let windows = base.windows(WINDOW).zip(target.windows(WINDOW)).take(REPLACED);
    windows.map(|(a, b)| a == b).position(|same| same)
}

/// Finds windows of the target in the base, and extends each match as far as it goes.
fn diff_middle(out: &mut Ops, base: &[u8], shift: usize, target: &[u8]) {
    if base.len() < WINDOW || target.len() < WINDOW {
        return out.insert(target);
    }
    let windows: HashMap<&[u8], usize> = base
        .chunks_exact(WINDOW)
        .enumerate()
        .map(|(index, window)| (window, index * WINDOW))
        .collect();
    let (mut at, mut from) = (0, 0);
    while let Some(window) = target.get(at..at + WINDOW) {
        let Some(&found) = windows.get(window) else {
            at += 1;
            continue;
        };
        let after = common_head(&base[found..], &target[at..]);
        let before = common_tail(&base[..found], &target[from..at]);
        out.insert(&target[from..at - before]);
        out.copy(shift + found - before, before + after);
        at += after;
        from = at;
    }
    out.insert(&target[from..]);
}

#[derive(Default)]
struct Ops {
    out: Vec<u8>,
}

impl Ops {
    fn copy(&mut self, from: usize, len: usize) {
        if len > 0 {
            write_varint(&mut self.out, (len as u64) << 1 | 1);
            write_varint(&mut self.out, from as u64);
        }
    }

    fn insert(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            write_varint(&mut self.out, (bytes.len() as u64) << 1);
            self.out.extend_from_slice(bytes);
        }
    }

    fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Follows the instructions; the result must be `len` bytes long.
pub(crate) fn apply(base: &[u8], ops: &[u8], len: usize) -> Result<Vec<u8>, Malformed> {
    const PAST: Malformed = Malformed("its difference does not fit its base");
    let mut out = Vec::with_capacity(len);
    let mut reader = Reader::new(ops);
    while !reader.is_empty() {
        let op = reader.varint()?;
        let count = usize::try_from(op >> 1).map_err(|_| PAST)?;
        if count > len - out.len() {
            return Err(PAST);
        }
        if op & 1 == 0 {
            out.extend_from_slice(reader.take(count)?);
        } else {
            let from = reader.size()?;
            let piece = from.checked_add(count).and_then(|end| base.get(from..end));
            out.extend_from_slice(piece.ok_or(PAST)?);
        }
    }
    if out.len() == len { Ok(out) } else { Err(PAST) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0_u8..4, 0..300)
    }

    proptest! {
        #[test]
        fn a_difference_makes_the_target(base in bytes(), target in bytes()) {
            prop_assert_eq!(apply(&base, &diff(&base, &target), target.len()), Ok(target));
        }

        #[test]
        fn pieces_of_the_base_are_found(base in bytes(), cuts in prop::collection::vec((0_usize..300, 0_usize..300), 0..5)) {
            let piece = |(a, b): &(usize, usize)| base[(*a).min(base.len())..(*b).max(*a).min(base.len())].to_vec();
            let target: Vec<u8> = cuts.iter().flat_map(piece).collect();
            prop_assert_eq!(apply(&base, &diff(&base, &target), target.len()), Ok(target));
        }

        #[test]
        fn nonsense_is_refused(base in bytes(), ops in prop::collection::vec(any::<u8>(), 0..40), len in 0_usize..500) {
            if let Ok(made) = apply(&base, &ops, len) {
                prop_assert_eq!(made.len(), len);
            }
        }
    }

    #[test]
    fn an_entry_put_into_a_node_costs_little_more_than_itself() {
        let base: Vec<u8> = (0..2048_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut target = base.clone();
        target.splice(1312..1312, [9; 60]);
        target[40] ^= 1;
        assert!(diff(&base, &target).len() < 60 + 24);
    }
}
