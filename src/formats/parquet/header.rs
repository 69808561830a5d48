//! Page headers: the few Thrift structures that precede every page; and the protocol they are written in.
//!
//! `15 04 15 10 15 0e 4c 15 02 15 00 …` is a dictionary page of 8 bytes in 7, with one PLAIN value.
//!
//! Invariants: fields that are not known are skipped by their type; nesting is bounded.
//!
//! Does not: keep page statistics. Format: Thrift's compact protocol, `parquet.thrift`.

/// What a page is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) kind: i64,
    pub(super) uncompressed_bytes: usize,
    pub(super) compressed_bytes: usize,
    pub(super) values: usize,
    pub(super) encoding: i64,
    /// Version 1: how definition levels are encoded.
    pub(super) level_encoding: i64,
    /// Version 2: bytes of levels before the values, never compressed.
    pub(super) definition_bytes: usize,
    pub(super) repetition_bytes: usize,
    /// Version 2: the values are not compressed.
    pub(super) plain_body: bool,
}

/// Kinds of pages, as `parquet.thrift` numbers them.
pub(super) mod kind {
    pub(in super::super) const DATA: i64 = 0;
    pub(in super::super) const INDEX: i64 = 1;
    pub(in super::super) const DICTIONARY: i64 = 2;
    pub(in super::super) const DATA_V2: i64 = 3;
}

/// The compact protocol's types.
mod ty {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
}

/// Nesting of skipped fields beyond which a header is taken for damaged.
const MAX_DEPTH: u32 = 8;

/// Reads a header; gives it and its length, or `None` if it is damaged.
pub(super) fn read_header(bytes: &[u8]) -> Option<(PageHeader, usize)> {
    let mut reader = Compact::new(bytes);
    let mut header = PageHeader::default();
    reader.fields(|reader, id, ty| {
        match id {
            1 => header.kind = reader.int()?,
            2 => header.uncompressed_bytes = reader.size()?,
            3 => header.compressed_bytes = reader.size()?,
            5 | 7 | 8 => return reader.fields(|reader, field, ty| header.part(id, reader, field, ty)),
            _ => return reader.pass(ty),
        }
        Some(())
    })?;
    Some((header, bytes.len() - reader.bytes.len()))
}

impl PageHeader {
    /// A field of the structure that is particular to the kind of page.
    fn part(&mut self, part: i64, reader: &mut Compact, field: i64, ty: u8) -> Option<()> {
        match (part, field) {
            (_, 1) => self.values = reader.size()?,
            (5 | 7, 2) | (8, 4) => self.encoding = reader.int()?,
            (5, 3) => self.level_encoding = reader.int()?,
            (8, 5) => self.definition_bytes = reader.size()?,
            (8, 6) => self.repetition_bytes = reader.size()?,
            (8, 7) => self.plain_body = ty == ty::FALSE,
            _ => return reader.pass(ty),
        }
        Some(())
    }
}

/// A reader of Thrift's compact protocol.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Over bytes that begin with a structure.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Hands each field of a structure, by number and type, to `take`.
    pub(super) fn fields(&mut self, mut take: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Some(());
            }
            id = match byte >> 4 {
                0 => self.int()?,
                delta => id.checked_add(delta.into())?,
            };
            take(self, id, byte & 0x0f)?;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn int(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn size(&mut self) -> Option<usize> {
        usize::try_from(i32::try_from(self.int()?).ok()?).ok()
    }

    /// A list, item by item.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.list_len()?.0;
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(item(self)?);
        }
        Some(items)
    }

    /// Length of a list, and the type of its items.
    fn list_len(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let len = match head >> 4 {
            15 => self.varint()?,
            len => u64::from(len),
        };
        Some((len, head & 0x0f))
    }

    /// A boolean in a list.
    pub(super) fn listed_bool(&mut self) -> Option<bool> {
        Some(self.byte()? == ty::TRUE)
    }

    /// A string of bytes.
    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(bytes)
    }

    /// Passes over a field.
    pub(super) fn pass(&mut self, ty: u8) -> Option<()> {
        self.skip(ty, MAX_DEPTH)
    }

    fn skip(&mut self, ty: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match ty {
            ty::TRUE | ty::FALSE => {}
            ty::BYTE => self.advance(1)?,
            4..=ty::I64 => self.varint().map(drop)?,
            ty::DOUBLE => self.advance(8)?,
            ty::BINARY => self.binary().map(drop)?,
            ty::LIST | ty::SET => {
                let (len, item) = self.list_len()?;
                for _ in 0..len {
                    match item {
                        // In a list a boolean is a byte.
                        ty::TRUE | ty::FALSE => self.advance(1)?,
                        item => self.skip(item, depth)?,
                    }
                }
            }
            ty::STRUCT => self.fields(|reader, _, ty| reader.skip(ty, depth))?,
            _ => return None,
        }
        Some(())
    }

    fn advance(&mut self, len: usize) -> Option<()> {
        self.bytes = self.bytes.get(len..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let bytes = [0x15, 4, 0x15, 16, 0x15, 14, 0x4c, 0x15, 2, 0x15, 0, 0, 0, 9, 9];
        let (header, len) = read_header(&bytes).unwrap();
        assert_eq!(len, 13);
        let expect = PageHeader {
            kind: kind::DICTIONARY,
            uncompressed_bytes: 8,
            compressed_bytes: 7,
            values: 1,
            ..PageHeader::default()
        };
        assert_eq!(header, expect);
        for cut in 0..13 {
            assert!(read_header(&bytes[..cut]).is_none());
        }
        // A negative size.
        assert!(read_header(&[0x15, 4, 0x15, 15, 0]).is_none());
    }
}
