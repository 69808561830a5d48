//! Rows of join and group tables: fixed-size records with inline keys.
//!
//! A customer row of a hash join, keyed by `c_custkey` with payload `c_nationkey`, is 16 bytes: a header of 8 (link and hash),
//! then an integer of 4 bytes and one of 1. Where the table is addressed by the key itself, the header is the link alone and
//! the row has 12 bytes.
//!
//! Invariants: fields are aligned to their size (at most 16), and so are rows to that of their widest field and of their
//! header; row number 0 is never a real row; NULL-able fields have a validity byte.
//!
//! Does not: own memory.

use super::Facts;

/// Where the fields of a row lie.
#[derive(Clone, Debug, Default)]
pub struct RowLayout {
    /// In declaration order (not in the order of their offsets).
    pub fields: Vec<RowField>,
    /// Bytes per row.
    pub stride: u32,
}

/// One field.
#[derive(Clone, Debug)]
pub struct RowField {
    /// Type, range, NULL-ability.
    pub facts: Facts,
    /// Bytes from the start of the row.
    pub offset: u32,
    /// Offset of the validity byte (1: a value), if the field may be NULL.
    pub validity: Option<u32>,
}

/// Bytes 0..4 of a row link to the next row of its chain (0: none), bytes 4..8 hold the upper half of the hash.
pub const HEADER_BYTES: u32 = 8;
/// The link alone.
const LINK_BYTES: u32 = 4;

impl RowLayout {
    /// Rows with a header: those of hashed join tables and groups.
    pub fn new(fields: Vec<Facts>) -> Self {
        Self::after(HEADER_BYTES, fields)
    }

    /// Rows with a link but no hash: those of join tables that are addressed by the key.
    pub fn linked(fields: Vec<Facts>) -> Self {
        Self::after(LINK_BYTES, fields)
    }

    /// Rows without a header whose first fields, the keys, are known from the row's number and take no room.
    pub fn with_implied_keys(keys: Vec<Facts>, states: Vec<Facts>) -> Self {
        let mut layout = Self::after(0, states);
        let implied = keys.into_iter().map(|facts| RowField {
            facts,
            offset: u32::MAX,
            validity: None,
        });
        layout.fields.splice(0..0, implied);
        layout
    }

    /// Lays the fields out after a header, the widest first so that nothing but the end is padded.
    fn after(header: u32, fields: Vec<Facts>) -> Self {
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(fields[i].stored.bytes()));
        let widest = fields
            .iter()
            .map(|facts| facts.stored.bytes() as u32)
            .max()
            .unwrap_or(1);
        let mut placed: Vec<RowField> = fields
            .into_iter()
            .map(|facts| RowField {
                facts,
                offset: 0,
                validity: None,
            })
            .collect();
        let mut at = header;
        // Narrower fields fill the gap between the header and the first wide one, where there are any.
        for size in [4, 8] {
            if header > 0 && at % (size * 2) == size && widest > size {
                at = place(&mut placed, &mut order, at, size as usize, 1);
                at = at.next_multiple_of(size * 2);
            }
        }
        for i in order {
            let size = placed[i].facts.stored.bytes() as u32;
            at = at.next_multiple_of(size);
            placed[i].offset = at;
            at += size;
        }
        for field in placed.iter_mut().filter(|field| field.facts.nullable) {
            field.validity = Some(at);
            at += 1;
        }
        let alignment = widest.max(if header == LINK_BYTES { LINK_BYTES } else { 8 });
        Self {
            fields: placed,
            stride: at.max(alignment).next_multiple_of(alignment),
        }
    }
}

/// Places up to `count` fields of `size` bytes at `at` and takes them out of `order`.
fn place(fields: &mut [RowField], order: &mut Vec<usize>, mut at: u32, size: usize, count: usize) -> u32 {
    for _ in 0..count {
        let Some(position) = order.iter().position(|&i| fields[i].facts.stored.bytes() == size) else {
            break;
        };
        fields[order.remove(position)].offset = at;
        at += size as u32;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LogicalType, Physical};

    fn facts(stored: Physical, nullable: bool) -> Facts {
        Facts {
            stored,
            ..Facts::of_type(&LogicalType::BigInt, nullable)
        }
    }

    /// Offsets in declaration order, and the size of a row.
    fn layout(make: fn(Vec<Facts>) -> RowLayout, stored: &[Physical]) -> (Vec<u32>, u32) {
        let layout = make(stored.iter().map(|stored| facts(*stored, false)).collect());
        (layout.fields.iter().map(|field| field.offset).collect(), layout.stride)
    }

    #[test]
    fn rows_are_no_larger_than_they_must_be() {
        use Physical::{I8, I16, I32, I64, I128};
        assert_eq!(layout(RowLayout::new, &[I32, I16]), (vec![8, 12], 16));
        assert_eq!(layout(RowLayout::linked, &[I32, I16]), (vec![4, 8], 12));
        assert_eq!(layout(RowLayout::linked, &[I16]), (vec![4], 8));
        assert_eq!(layout(RowLayout::linked, &[]), (vec![], 4));
        assert_eq!(layout(RowLayout::linked, &[I64, I32]), (vec![8, 4], 16));
        assert_eq!(layout(RowLayout::linked, &[I64, I16]), (vec![8, 16], 24));
        assert_eq!(
            layout(RowLayout::linked, &[I128, I64, I32, I8]),
            (vec![16, 8, 4, 32], 48)
        );
        assert_eq!(layout(RowLayout::new, &[I128, I64]), (vec![16, 8], 32));
    }

    #[test]
    fn fields_are_aligned_and_apart() {
        let kinds = [
            Physical::I8,
            Physical::I16,
            Physical::I32,
            Physical::I64,
            Physical::I128,
        ];
        for number in 0..5usize.pow(4) {
            let fields = (0..4u32).map(|i| facts(kinds[number / 5usize.pow(i) % 5], number % 3 == 0));
            let fields: Vec<_> = fields.collect();
            for (layout, header) in [(RowLayout::new(fields.clone()), 8), (RowLayout::linked(fields), 4)] {
                let mut used: Vec<(u32, u32)> = vec![(0, header)];
                for field in &layout.fields {
                    let size = field.facts.stored.bytes() as u32;
                    assert_eq!((field.offset % size, layout.stride % size), (0, 0));
                    used.push((field.offset, field.offset + size));
                    used.extend(field.validity.map(|at| (at, at + 1)));
                }
                used.sort_unstable();
                assert!(used.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{used:?}");
                assert!(used.last().is_some_and(|last| last.1 <= layout.stride));
                assert_eq!(layout.stride % header, 0);
            }
        }
    }
}
