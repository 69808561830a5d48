//! Parquet's hybrid of run lengths and bit packing, for dictionary codes and definition levels.
//!
//! Width 2, bytes `[0x06, 0x01, 0x03, 0xe4, 0x00]`: three times 1, then the packed group 0 1 2 3 0 0 0 0.
//!
//! Invariants: fills the whole output or fails; a code outside the table is an error.
//!
//! Does not: know what codes stand for. Format: "Run Length Encoding / Bit-Packing Hybrid" in Parquet's Encodings.md.

use super::fast::Stop;

/// Values unpacked at a time; a buffer of them stays in the first-level cache.
const BLOCK: usize = 1024;
/// What unpacking eight values may read from their start.
const WINDOW: usize = 40;

/// Replaces codes by what they stand for.
pub(super) fn gather<T: Copy + Default>(bytes: &[u8], width: u8, table: &[T], out: &mut [T]) -> Result<(), Stop> {
    let unpack = unpacker(width)?;
    let small = SmallTable::new(width, table);
    let mut codes = [0u32; BLOCK];
    let mut rest = out;
    for run in Runs::new(bytes, width) {
        if rest.is_empty() {
            break;
        }
        match run? {
            Run::Repeat { value, count } => {
                let (now, later) = rest.split_at_mut(count.min(rest.len()));
                now.fill(*table.get(value as usize).ok_or_else(outside)?);
                rest = later;
            }
            Run::Packed { mut bytes, count } => {
                let (mut now, later) = rest.split_at_mut(count.min(rest.len()));
                while !now.is_empty() {
                    let (block, next) = now.split_at_mut(now.len().min(BLOCK));
                    let codes = &mut codes[..block.len().next_multiple_of(8)];
                    unpack(bytes, codes);
                    bytes = bytes.get(BLOCK / 8 * usize::from(width)..).unwrap_or_default();
                    match &small {
                        Some(small) => small.look_up(codes, block)?,
                        None => look_up(table, codes, block)?,
                    }
                    now = next;
                }
                rest = later;
            }
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(short()) }
}

/// Definition levels of an optional column: one byte per row, 1 for a value. Gives the number of values.
pub(super) fn levels(bytes: &[u8], out: &mut [u8]) -> Result<usize, Stop> {
    let mut rest = &mut *out;
    for run in Runs::new(bytes, 1) {
        if rest.is_empty() {
            break;
        }
        let count = match run? {
            Run::Repeat { value, count } => {
                let count = count.min(rest.len());
                rest[..count].fill(u8::from(value != 0));
                count
            }
            Run::Packed { bytes, count } => {
                let count = count.min(rest.len());
                for (group, byte) in rest[..count].chunks_mut(8).zip(bytes) {
                    for (bit, slot) in group.iter_mut().enumerate() {
                        *slot = byte >> bit & 1;
                    }
                }
                count
            }
        };
        rest = &mut rest[count..];
    }
    if !rest.is_empty() {
        return Err(short());
    }
    Ok(out.iter().map(|level| usize::from(*level)).sum())
}

fn look_up<T: Copy + Default>(table: &[T], codes: &[u32], out: &mut [T]) -> Result<(), Stop> {
    let mut inside = true;
    for (slot, code) in out.iter_mut().zip(codes) {
        match table.get(*code as usize) {
            Some(value) => *slot = *value,
            None => inside = false,
        }
    }
    if inside { Ok(()) } else { Err(outside()) }
}

/// A table padded to 256 entries, so that codes of up to eight bits need no bounds check.
struct SmallTable<T> {
    values: [T; 256],
    len: u32,
    /// Every code of the width is in the table.
    full: bool,
}

impl<T: Copy + Default> SmallTable<T> {
    fn new(width: u8, table: &[T]) -> Option<Self> {
        if width > 8 || table.len() > 256 {
            return None;
        }
        let mut values = [T::default(); 256];
        values[..table.len()].copy_from_slice(table);
        Some(Self {
            values,
            len: u32::try_from(table.len()).ok()?,
            full: table.len() >= 1 << width,
        })
    }

    fn look_up(&self, codes: &[u32], out: &mut [T]) -> Result<(), Stop> {
        if !self.full
            && codes[..out.len()]
                .iter()
                .fold(false, |bad, code| bad | (*code >= self.len))
        {
            return Err(outside());
        }
        for (slot, code) in out.iter_mut().zip(codes) {
            *slot = self.values[(*code & 0xff) as usize];
        }
        Ok(())
    }
}

enum Run<'a> {
    Repeat { value: u32, count: usize },
    Packed { bytes: &'a [u8], count: usize },
}

/// The runs of a stream.
struct Runs<'a> {
    bytes: &'a [u8],
    width: u8,
}

impl<'a> Runs<'a> {
    fn new(bytes: &'a [u8], width: u8) -> Self {
        Self { bytes, width }
    }

    fn run(&mut self) -> Option<Run<'a>> {
        let header = varint(&mut self.bytes)?;
        let count = usize::try_from(header >> 1).ok()?;
        if header & 1 == 1 {
            let count = count.checked_mul(8)?;
            let len = (count / 8).checked_mul(self.width.into())?;
            // Some writers cut the padding of the last group; a run without a byte for a value is an error below.
            let (bytes, rest) = self.bytes.split_at(len.min(self.bytes.len()));
            self.bytes = rest;
            let count = if bytes.len() < len {
                bytes.len() * 8 / usize::from(self.width)
            } else {
                count
            };
            return Some(Run::Packed { bytes, count });
        }
        let (value, rest) = self.bytes.split_at_checked(usize::from(self.width).div_ceil(8))?;
        self.bytes = rest;
        let mut wide = [0; 4];
        wide[..value.len()].copy_from_slice(value);
        let value = u32::from_le_bytes(wide);
        Some(Run::Repeat { value, count })
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = Result<Run<'a>, Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let run = self.run();
        if run.is_none() {
            self.bytes = &[];
        }
        Some(run.ok_or_else(short))
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn short() -> Stop {
    Stop::Corrupt("a page has fewer values than it says".into())
}

fn outside() -> Stop {
    Stop::Corrupt("a dictionary code is outside the dictionary".into())
}

/// Unpacks as many values as there is room for; the output's length is a multiple of eight.
type Unpack = fn(&[u8], &mut [u32]);

fn unpacker(width: u8) -> Result<Unpack, Stop> {
    macro_rules! table {
        ($($width:literal)*) => { [$(unpack::<$width> as Unpack),*] };
    }
    const UNPACKERS: [Unpack; 33] = table!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28
        29 30 31 32);
    let found = UNPACKERS.get(usize::from(width)).copied();
    found.ok_or_else(|| Stop::Corrupt(format!("dictionary codes of {width} bits")))
}

fn unpack<const WIDTH: usize>(bytes: &[u8], out: &mut [u32]) {
    let (groups, _) = out.as_chunks_mut::<8>();
    for (group, out) in groups.iter_mut().enumerate() {
        let bytes = bytes.get(group * WIDTH..).unwrap_or_default();
        match bytes.first_chunk::<WINDOW>() {
            Some(window) => unpack_group::<WIDTH>(window, out),
            None => {
                let mut window = [0; WINDOW];
                window[..bytes.len()].copy_from_slice(bytes);
                unpack_group::<WIDTH>(&window, out);
            }
        }
    }
}

#[inline(always)]
fn unpack_group<const WIDTH: usize>(window: &[u8; WINDOW], out: &mut [u32; 8]) {
    let mask = (1u64 << WIDTH) - 1;
    // Written lane by lane, so that every offset is a constant and each word one load.
    macro_rules! lanes {
        ($($lane:literal)*) => {$(
            let (byte, bit) = ($lane * WIDTH / 8, $lane * WIDTH % 8);
            let word = u64::from_le_bytes([
                window[byte], window[byte + 1], window[byte + 2], window[byte + 3],
                window[byte + 4], window[byte + 5], window[byte + 6], window[byte + 7],
            ]);
            out[$lane] = (word >> bit & mask) as u32;
        )*};
    }
    lanes!(0 1 2 3 4 5 6 7);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups() {
        let bytes = [0x06, 0x01, 0x03, 0xe4, 0x00];
        let mut out = [0u8; 11];
        gather(&bytes, 2, &[10u8, 11, 12, 13], &mut out).unwrap();
        assert_eq!(out, [11, 11, 11, 10, 11, 12, 13, 10, 10, 10, 10]);
        assert!(gather(&bytes, 2, &[10u8, 11, 12], &mut out).is_err());
        assert!(gather(&bytes, 2, &[10u8, 11, 12, 13], &mut [0u8; 12]).is_err());
    }

    #[test]
    fn every_width_unpacks() {
        for width in 0..=32u8 {
            let values: Vec<u32> = (0..64u32).map(|i| i.wrapping_mul(0x9e37_79b9) & mask(width)).collect();
            let mut bits = vec![0u8; usize::from(width) * 8];
            for (i, value) in values.iter().enumerate() {
                for bit in 0..usize::from(width) {
                    let at = i * usize::from(width) + bit;
                    bits[at / 8] |= u8::from(value >> bit & 1 == 1) << (at % 8);
                }
            }
            let mut out = vec![0; 64];
            unpacker(width).unwrap()(&bits, &mut out);
            assert_eq!(out, values, "width {width}");
        }
    }

    fn mask(width: u8) -> u32 {
        u32::try_from((1u64 << width) - 1).unwrap()
    }

    #[test]
    fn levels_count_values() {
        let mut out = [9; 10];
        // A packed group 0b0000_0101, then two times 1.
        assert_eq!(levels(&[0x03, 0x05, 0x04, 0x01], &mut out).unwrap(), 4);
        assert_eq!(out, [1, 0, 1, 0, 0, 0, 0, 0, 1, 1]);
        assert!(levels(&[0x03], &mut out).is_err());
    }
}
