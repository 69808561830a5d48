//! Arrays and structs in memory: immutable objects laid out like C, described by their type alone.
//!
//! `[7, NULL]` of type `array<integer>` is 32 bytes: the length 2, how many elements there is room for (2 in four bytes) and a mark; the
//! elements 7 and 0 in four bytes each; behind the room for them a byte for each, 1 and 0, that tells values from NULLs. A value in
//! flight is the object's address, so `a[i]` and `length(a)` are plain loads in generated code. `{a: 1, b: 'x'}` has a validity byte
//! for each field first, then the mark, then the fields at their natural alignment.
//!
//! Invariants: an object starts at a multiple of 16 and has at least [`LEAST_BYTES`]; elements and fields have the natural
//! [`Physical`] layout of their types, nested ones being addresses; what is NULL holds zeros; an object stays where it is as long as the
//! [`Objects`] (or the chunk) that holds it, and never changes unless its mark is 1: then one variable of a body has it, or one
//! object that is marked too, and nobody else.
//!
//! Does not: read objects; that takes addresses for granted, and is the engine's.

use arrow::buffer::Buffer;

use super::chunk::string_view;
use super::{Interval, LogicalType, Physical, Value};

/// Where an array's first element lies; its length (u64) is at 0.
pub const ELEMENTS_AT: usize = 16;
/// Where an array says how many elements it has room for (u32).
pub const ROOM_AT: usize = 8;
/// Where an array has its mark: whether it belongs to one variable alone.
const ARRAY_MARK_AT: usize = 12;
/// Every object has at least so many bytes, so that an element may be loaded before it is known to exist.
pub const LEAST_BYTES: usize = 48;

/// Where the parts of a nested value lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NestedLayout {
    /// Length, elements, validity bytes.
    Array {
        /// What an element is.
        item: Shape,
    },
    /// Validity bytes, fields.
    Struct {
        /// In order; the validity byte of field i is at i.
        fields: Vec<FieldPlace>,
        /// Size of the object.
        bytes: usize,
    },
}

/// One field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPlace {
    /// Bytes from the object's start.
    pub offset: usize,
    /// What it is.
    pub shape: Shape,
}

/// How an element or a field is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In this layout.
    Flat(Physical),
    /// As the address of an object of its own.
    Nested(Box<NestedLayout>),
}

impl Shape {
    /// The shape of a type's values.
    pub fn of(ty: &LogicalType) -> Self {
        match NestedLayout::of(ty) {
            Some(layout) => Shape::Nested(Box::new(layout)),
            None => Shape::Flat(ty.physical()),
        }
    }

    /// Bytes per value.
    pub fn bytes(&self) -> usize {
        match self {
            Shape::Flat(physical) => physical.bytes(),
            Shape::Nested(_) => Physical::Nested.bytes(),
        }
    }
}

impl NestedLayout {
    /// The layout of a nested type; `None` for other types.
    pub fn of(ty: &LogicalType) -> Option<Self> {
        match ty {
            LogicalType::Map(_) => Self::of(&ty.laid_out()),
            LogicalType::Array(item) => Some(NestedLayout::Array { item: Shape::of(item) }),
            LogicalType::Struct(fields) => {
                let mut at = fields.len() + 1;
                let places = fields.iter().map(|field| {
                    let shape = Shape::of(&field.ty);
                    let offset = at.next_multiple_of(shape.bytes());
                    at = offset + shape.bytes();
                    FieldPlace { offset, shape }
                });
                let fields = places.collect();
                Some(NestedLayout::Struct {
                    fields,
                    bytes: at.next_multiple_of(16).max(LEAST_BYTES),
                })
            }
            _ => None,
        }
    }

    /// Where objects have their mark.
    pub fn mark_at(&self) -> usize {
        match self {
            NestedLayout::Array { .. } => ARRAY_MARK_AT,
            NestedLayout::Struct { fields, .. } => fields.len(),
        }
    }
}

/// The words that an array of so many elements begins with, room for no more among them.
pub fn array_head(length: usize) -> [u8; ELEMENTS_AT] {
    let room = u32::try_from(length).unwrap_or(u32::MAX);
    (length as u128 | u128::from(room) << (8 * ROOM_AT)).to_le_bytes()
}

/// Bytes of an array of so many elements.
pub fn array_bytes(length: usize, stride: usize) -> usize {
    (ELEMENTS_AT + length * (stride + 1))
        .next_multiple_of(16)
        .max(LEAST_BYTES)
}

/// Words of a block of memory, unless an object alone needs more.
const BLOCK_WORDS: usize = 4096;

/// Memory that objects and long texts are made in; nothing moves until it is dropped or cleared.
#[derive(Debug, Default)]
pub struct Objects {
    // INVARIANT: a block is never grown beyond the capacity it was made with.
    blocks: Vec<Vec<u128>>,
    /// What has a block of its own.
    large: Vec<Vec<u128>>,
    scratch: Vec<u8>,
    words: usize,
}

/// How much was made up to a moment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Made {
    blocks: usize,
    words_of_last: usize,
    large: usize,
}

impl Objects {
    /// How much was made so far.
    pub fn made(&self) -> Made {
        Made {
            blocks: self.blocks.len(),
            words_of_last: self.blocks.last().map_or(0, Vec::len),
            large: self.large.len(),
        }
    }

    /// Where it is counted how many words of memory are held.
    ///
    /// # Safety
    /// `objects` is the address of objects that live as long as somebody looks there.
    pub unsafe fn count_of(objects: *const Self) -> *const usize {
        // SAFETY: the caller's promise.
        unsafe { &raw const (*objects).words }
    }

    /// The memory in which lies what was made since, as addresses of the first byte and of the one behind it, in their order.
    pub fn places_since(&self, made: Made) -> Vec<(u64, u64)> {
        let place = |block: &Vec<u128>, from: usize| {
            let start = block.as_ptr() as u64;
            (start + 16 * from as u64, start + 16 * block.len() as u64)
        };
        let last = made.blocks.checked_sub(1).and_then(|at| self.blocks.get(at));
        let rest = last.map(|block| place(block, made.words_of_last));
        let blocks = self.blocks.iter().skip(made.blocks);
        let whole = blocks.chain(self.large.iter().skip(made.large));
        let mut places: Vec<(u64, u64)> = rest.into_iter().chain(whole.map(|block| place(block, 0))).collect();
        places.sort_unstable();
        places
    }

    /// Takes over what others hold.
    pub fn absorb(&mut self, others: Self) {
        self.blocks.extend(others.blocks);
        self.large.extend(others.large);
        self.words += others.words;
    }

    /// Forgets what was made since; no address given out since may be used any more.
    pub fn forget_since(&mut self, made: Made) {
        self.large.truncate(made.large);
        self.blocks.truncate(made.blocks);
        if let Some(last) = self.blocks.last_mut() {
            last.truncate(made.words_of_last);
        }
        self.words = self.blocks.iter().chain(&self.large).map(Vec::capacity).sum();
    }

    /// Forgets everything but a block to begin with; no address given out may be used any more.
    pub fn clear(&mut self) {
        let first = self.blocks.pop().filter(|block| block.capacity() <= BLOCK_WORDS);
        self.blocks.clear();
        self.large.clear();
        self.words = 0;
        if let Some(mut block) = first {
            block.clear();
            self.words = block.capacity();
            self.blocks.push(block);
        }
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.words * 16
    }

    /// The memory, for an owner that outlives this one.
    pub fn into_buffers(self) -> Vec<Buffer> {
        let blocks = self.blocks.into_iter().chain(self.large);
        blocks.map(Buffer::from_vec).collect()
    }

    /// An object of zeros.
    pub fn zeros(&mut self, bytes: usize) -> u64 {
        let words = bytes.max(LEAST_BYTES).div_ceil(16);
        if words > BLOCK_WORDS {
            // Fresh pages are zeros already; nobody else's memory ends up in a block of its own.
            let block = vec![0u128; words];
            let address = block.as_ptr() as u64;
            self.words += block.capacity();
            self.large.push(block);
            return address;
        }
        let (block, address) = self.room(words);
        block.resize(block.len() + words, 0);
        address
    }

    /// The view of a text, which is copied if it is long.
    pub fn text(&mut self, text: &[u8]) -> u128 {
        if text.len() <= 12 {
            return string_view(text);
        }
        let address = self.copy(text);
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut view = [0u8; 16];
        view[..4].copy_from_slice(&len);
        view[4..8].copy_from_slice(&text[..4]);
        view[8..].copy_from_slice(&address.to_le_bytes());
        u128::from_le_bytes(view)
    }

    /// The 16 bytes in which a value is stored, narrower ones in the low bytes; `None` for NULL.
    pub fn bits(&mut self, value: &Value, ty: &LogicalType) -> Option<u128> {
        Some(match (value, ty) {
            (Value::Null, _) => return None,
            (Value::Boolean(v), _) => u128::from(*v),
            (Value::Int(v), _) => v.cast_unsigned(),
            (Value::Float(v), LogicalType::Real) => u128::from((*v as f32).to_bits()),
            (Value::Float(v), _) => u128::from(v.to_bits()),
            (Value::Interval(i), _) => interval_bits(*i),
            (Value::String(text), _) => self.text(text.as_bytes()),
            (Value::Blob(bytes), _) => self.text(bytes),
            (Value::Array(_), LogicalType::Map(_)) => return self.bits(value, &ty.laid_out()),
            (Value::Array(items), LogicalType::Array(item)) => {
                let cells: Vec<Option<u128>> = items.iter().map(|value| self.bits(value, item)).collect();
                u128::from(self.array(&cells, item.physical().bytes()))
            }
            (Value::Struct(values), LogicalType::Struct(fields)) => {
                let cells: Vec<Option<u128>> = values
                    .iter()
                    .zip(fields)
                    .map(|(value, field)| self.bits(value, &field.ty))
                    .collect();
                u128::from(self.structure(&cells, ty))
            }
            (Value::Array(_) | Value::Struct(_), _) => return None,
        })
    }

    /// An array of values of so many bytes each.
    pub fn array(&mut self, cells: &[Option<u128>], stride: usize) -> u64 {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend_from_slice(&array_head(cells.len()));
        for cell in cells {
            bytes.extend_from_slice(&cell.unwrap_or(0).to_le_bytes()[..stride]);
        }
        bytes.extend(cells.iter().map(|cell| u8::from(cell.is_some())));
        let address = self.copy(&bytes);
        self.scratch = bytes;
        address
    }

    /// An array whose elements and their validity bytes are there already.
    pub fn array_of_bytes(&mut self, values: &[u8], valid: &[u8]) -> u64 {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend_from_slice(&array_head(valid.len()));
        bytes.extend_from_slice(values);
        bytes.extend_from_slice(valid);
        let address = self.copy(&bytes);
        self.scratch = bytes;
        address
    }

    /// A struct of this type.
    pub fn structure(&mut self, cells: &[Option<u128>], ty: &LogicalType) -> u64 {
        let Some(NestedLayout::Struct { fields, bytes: size }) = NestedLayout::of(ty) else {
            return self.zeros(0);
        };
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.resize(size, 0);
        for (i, (cell, place)) in cells.iter().zip(&fields).enumerate() {
            let width = place.shape.bytes();
            bytes[i] = cell.is_some().into();
            bytes[place.offset..place.offset + width].copy_from_slice(&cell.unwrap_or(0).to_le_bytes()[..width]);
        }
        let address = self.copy(&bytes);
        self.scratch = bytes;
        address
    }

    /// Copies bytes to where they stay.
    fn copy(&mut self, bytes: &[u8]) -> u64 {
        let words = bytes.len().max(LEAST_BYTES).div_ceil(16);
        let (whole, rest) = bytes.as_chunks::<16>();
        let (block, address) = match words > BLOCK_WORDS {
            true => self.room_of_its_own(words),
            false => self.room(words),
        };
        let end = block.len() + words;
        block.extend(whole.iter().map(|word| u128::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut word = [0u8; 16];
            word[..rest.len()].copy_from_slice(rest);
            block.push(u128::from_le_bytes(word));
        }
        block.resize(end, 0);
        address
    }

    fn room_of_its_own(&mut self, words: usize) -> (&mut Vec<u128>, u64) {
        self.words += words;
        let at = self.large.len();
        self.large.push(Vec::with_capacity(words));
        let block = &mut self.large[at];
        let address = block.as_mut_ptr() as u64;
        (block, address)
    }

    /// A block that has room for so many words, and the address of the first.
    fn room(&mut self, words: usize) -> (&mut Vec<u128>, u64) {
        let fits = |block: &Vec<u128>| block.capacity() - block.len() >= words;
        if !self.blocks.last().is_some_and(fits) {
            // Small arenas start small: most hold a literal or two.
            let grown = self
                .blocks
                .last()
                .map_or(32, |block| block.capacity() * 4)
                .min(BLOCK_WORDS);
            self.words += grown.max(words);
            self.blocks.push(Vec::with_capacity(grown.max(words)));
        }
        let last = self.blocks.len() - 1;
        let block = &mut self.blocks[last];
        let address = block.as_mut_ptr() as u64 + block.len() as u64 * 16;
        (block, address)
    }
}

/// The 16 bytes of an interval.
pub fn interval_bits(i: Interval) -> u128 {
    u128::from(i.months.cast_unsigned())
        | (u128::from(i.days.cast_unsigned()) << 32)
        | (u128::from(i.micros.cast_unsigned()) << 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;

    fn structure(types: &[LogicalType]) -> LogicalType {
        let field = |ty: &LogicalType| Field {
            name: "f".into(),
            ty: ty.clone(),
            nullable: true,
        };
        LogicalType::Struct(types.iter().map(field).collect())
    }

    #[test]
    fn fields_lie_at_their_alignment() {
        let inner = structure(&[LogicalType::Boolean]);
        let ty = structure(&[LogicalType::TinyInt, LogicalType::String, LogicalType::Integer, inner]);
        let Some(NestedLayout::Struct { fields, bytes }) = NestedLayout::of(&ty) else {
            panic!("a struct");
        };
        let offsets: Vec<usize> = fields.iter().map(|place| place.offset).collect();
        assert_eq!((offsets, bytes), (vec![5, 16, 32, 40], 48));
    }

    #[test]
    fn objects_are_aligned_and_stay() {
        let mut objects = Objects::default();
        let ty = LogicalType::Array(Box::new(LogicalType::BigInt));
        let value = Value::Array((0..300).map(Value::Int).collect());
        let addresses: Vec<u64> = (0..100)
            .filter_map(|_| objects.bits(&value, &ty))
            .map(|bits| bits as u64)
            .collect();
        assert!(addresses.len() == 100 && addresses.iter().all(|address| address % 16 == 0));
        let buffers = objects.into_buffers();
        let held = |address: &u64| {
            let inside = |b: &Buffer| (b.as_ptr() as u64..b.as_ptr() as u64 + b.len() as u64).contains(address);
            buffers.iter().any(inside)
        };
        assert!(addresses.iter().all(held));
        assert_eq!(array_bytes(300, 8), 2720);
    }

    #[test]
    fn what_was_made_before_stays() {
        let mut objects = Objects::default();
        let ty = LogicalType::Array(Box::new(LogicalType::BigInt));
        let small = Value::Array((0..30).map(Value::Int).collect());
        let large = Value::Array((0..100_000).map(Value::Int).collect());
        let first = [&small, &large].map(|value| objects.bits(value, &ty).unwrap() as u64);
        let (made, bytes) = (objects.made(), objects.bytes());
        for _ in 0..100 {
            let _ = [&large, &small].map(|value| objects.bits(value, &ty));
            let _ = objects.zeros(1 << 20);
        }
        assert!(objects.bytes() > 100 << 20);
        objects.forget_since(made);
        assert_eq!(objects.bytes(), bytes);
        // SAFETY: these were made before, and lie where they were.
        let lengths = first.map(|address| unsafe { (address as *const u64).read() });
        assert_eq!(lengths, [30, 100_000]);
        let again = objects.bits(&small, &ty).unwrap() as u64;
        assert!(again.abs_diff(first[0]) >= array_bytes(30, 8) as u64);
    }
}
