//! Rows of join and group tables: fixed-size records with inline keys.
//!
//! A customer row of a join, keyed by `c_custkey` with payload `c_nationkey`, is 16 bytes: a header of 8 (link and hash), then
//! two 4-byte integers.
//!
//! Invariants: fields are aligned to their size (at most 16); the size of a row is a multiple of 8 (of 16 if a field has 16
//! bytes); row number 0 is never a real row; NULL-able fields have a validity byte.
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

impl RowLayout {
    /// Rows with a header: those of join tables and of hashed groups.
    pub fn new(fields: Vec<Facts>) -> Self {
        Self::after(HEADER_BYTES, fields)
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
        let wide = fields.iter().any(|facts| facts.stored.bytes() == 16);
        let mut placed: Vec<RowField> = fields
            .into_iter()
            .map(|facts| RowField {
                facts,
                offset: 0,
                validity: None,
            })
            .collect();
        let mut at = header;
        if wide && header > 0 {
            // 8-byte fields fill the gap between the header and the first 16-byte field, where there are any.
            at = place(&mut placed, &mut order, at, 8, 1);
            at = at.next_multiple_of(16);
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
        Self {
            fields: placed,
            stride: at.max(8).next_multiple_of(if wide { 16 } else { 8 }),
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
