//! What wide vectors do best: from a byte mask to the numbers of the rows that pass; least and greatest of many integers.
//!
//! `[0, 1, 1, 0, 1]` at row 100 becomes `[101, 102, 104]`.
//!
//! Invariants: every variant writes the same numbers; a variant runs only where the processor has it.
//!
//! Does not: know what was tested. The AVX-512 variant follows the compress-store idiom (`vpcompressd`); the AVX2 variant looks
//! the places of eight rows up in a table of 256 entries, as Lemire and Boytsov decode integers by bit sets.

/// Writes `base + i` for each byte of the mask that is not 0, and gives how many there were. `out` holds at least as many
/// numbers as the mask, and 16 more.
pub fn compact(mask: &[u8], base: u32, out: &mut [u32]) -> usize {
    assert!(out.len() >= mask.len() + 16, "room for a whole vector past the end");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has what the function is compiled for, and `out` has room for a vector past the end.
        return unsafe { compact_avx512(mask, base, out) };
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: as above.
        return unsafe { compact_avx2(mask, base, out) };
    }
    compact_scalar(mask, base, out, 0)
}

fn compact_scalar(mask: &[u8], base: u32, out: &mut [u32], mut count: usize) -> usize {
    for (i, byte) in mask.iter().enumerate() {
        out[count] = base + i as u32;
        count += usize::from(*byte != 0);
    }
    count
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn compact_avx512(mask: &[u8], base: u32, out: &mut [u32]) -> usize {
    use std::arch::x86_64::*;
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut count = 0;
    let whole = mask.len() / 64 * 64;
    for start in (0..whole).step_by(64) {
        // SAFETY: `start + 64` is within the mask.
        let bytes = unsafe { _mm512_loadu_si512(mask.as_ptr().add(start).cast()) };
        let bits = _mm512_test_epi8_mask(bytes, bytes);
        if bits == 0 {
            continue;
        }
        for part in 0..4 {
            let chosen = (bits >> (16 * part)) as u16;
            let first = base + start as u32 + 16 * part;
            let numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32(first.cast_signed()));
            let packed = _mm512_maskz_compress_epi32(chosen, numbers);
            // SAFETY: `count` is at most the rows seen so far, and `out` has 16 places more than the mask has bytes.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(count).cast(), packed) };
            count += chosen.count_ones() as usize;
        }
    }
    compact_scalar(&mask[whole..], base + whole as u32, out, count)
}

/// For each set of eight rows, the places of its members, one in a byte, the first in the lowest.
#[cfg(target_arch = "x86_64")]
const PLACES: [u64; 256] = {
    let mut table = [0; 256];
    let mut set = 0;
    while set < 256 {
        let (mut places, mut found, mut place) = (0u64, 0, 0);
        while place < 8 {
            if set >> place & 1 == 1 {
                places |= place << (8 * found);
                found += 1;
            }
            place += 1;
        }
        table[set] = places;
        set += 1;
    }
    table
};

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
unsafe fn compact_avx2(mask: &[u8], base: u32, out: &mut [u32]) -> usize {
    use std::arch::x86_64::*;
    let mut count = 0;
    let whole = mask.len() / 32 * 32;
    for start in (0..whole).step_by(32) {
        // SAFETY: `start + 32` is within the mask.
        let bytes = unsafe { _mm256_loadu_si256(mask.as_ptr().add(start).cast()) };
        let zeros = _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256());
        let bits = !_mm256_movemask_epi8(zeros).cast_unsigned();
        if bits == 0 {
            continue;
        }
        for part in 0..4 {
            let chosen = (bits >> (8 * part)) as u8;
            let places = _mm_cvtsi64_si128(PLACES[usize::from(chosen)].cast_signed());
            let first = base + start as u32 + 8 * part;
            let numbers = _mm256_add_epi32(_mm256_cvtepu8_epi32(places), _mm256_set1_epi32(first.cast_signed()));
            // SAFETY: `count` is at most the rows seen so far, and `out` has 16 places more than the mask has bytes.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(count).cast(), numbers) };
            count += chosen.count_ones() as usize;
        }
    }
    compact_scalar(&mask[whole..], base + whole as u32, out, count)
}

/// The least and the greatest of some integers; none of none.
pub fn bounds<T: Copy + Ord>(values: &[T]) -> Option<(T, T)> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { bounds_avx2(values) };
    }
    bounds_of(values)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn bounds_avx2<T: Copy + Ord>(values: &[T]) -> Option<(T, T)> {
    bounds_of(values)
}

#[inline(always)]
fn bounds_of<T: Copy + Ord>(values: &[T]) -> Option<(T, T)> {
    let first = *values.first()?;
    let wider = |(low, high): (T, T), value: &T| (low.min(*value), high.max(*value));
    Some(values.iter().fold((first, first), wider))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree() {
        for len in [0usize, 1, 15, 16, 63, 64, 65, 200, 2048] {
            let mask: Vec<u8> = (0..len)
                .map(|i| if (i * 7 + i / 3) % 5 < 2 { 0xff } else { 0 })
                .collect();
            let (mut a, mut b) = (vec![0; len + 16], vec![0; len + 16]);
            let n = compact(&mask, 100, &mut a);
            let m = compact_scalar(&mask, 100, &mut b, 0);
            assert_eq!((n, &a[..n]), (m, &b[..m]));
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
                // SAFETY: the processor has it, and there is room.
                let n = unsafe { compact_avx2(&mask, 100, &mut a) };
                assert_eq!((n, &a[..n]), (m, &b[..m]));
            }
        }
    }

    #[test]
    fn bounds_of_nothing_one_and_many() {
        assert_eq!(bounds::<i32>(&[]), None);
        assert_eq!(bounds(&[7i8]), Some((7, 7)));
        let many: Vec<i64> = (0..1000).map(|i| (i * 7919) % 1009 - 500).collect();
        assert_eq!(
            bounds(&many),
            many.iter().min().copied().zip(many.iter().max().copied())
        );
    }
}
