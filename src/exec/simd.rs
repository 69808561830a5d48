//! From a byte mask to the numbers of the rows that pass.
//!
//! `[0, 1, 1, 0, 1]` at row 100 becomes `[101, 102, 104]`.
//!
//! Invariants: every variant writes the same numbers; a variant runs only where the processor has it.
//!
//! Does not: know what was tested. The AVX-512 variant follows the compress-store idiom (`vpcompressd`).

/// Writes `base + i` for each byte of the mask that is not 0, and gives how many there were. `out` holds at least as many
/// numbers as the mask, and 16 more.
pub fn compact(mask: &[u8], base: u32, out: &mut [u32]) -> usize {
    assert!(out.len() >= mask.len() + 16, "room for a whole vector past the end");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has what the function is compiled for, and `out` has room for a vector past the end.
        return unsafe { compact_avx512(mask, base, out) };
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
        }
    }
}
