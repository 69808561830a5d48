//! What becomes of a page's values: narrow integers, floats, string views, codes of the relation's dictionary.
//!
//! The plain INT64 values 904, 1200 of an `I16` column become two `i16`, after a check that none leaves the range
//! that the footer promised.
//!
//! Invariants: see [`super::fast`].
//!
//! Does not: know pages' headers or levels.

use arrow::buffer::Buffer;
use arrow::datatypes::ArrowNativeType;
use bytes::Bytes;

use super::super::convert::Target;
use super::fast::Stop;
use super::kind::{Kind, Leaf, Unit, big_endian};
use super::layout::PlainTexts;
use crate::types::{Dictionary, uuid};

/// Turns stored values into those of a layout.
pub(super) trait Sink {
    /// A value of the layout.
    type Out: ArrowNativeType;

    /// The values of a dictionary page of `count` entries.
    fn dictionary(&mut self, page: Bytes, count: usize) -> Result<Vec<Self::Out>, Stop>;

    /// Plain values, exactly as many as `out` has room for.
    fn plain(&mut self, values: &Bytes, out: &mut [Self::Out]) -> Result<(), Stop>;

    /// Values point into the pages they came from.
    fn keeps_pages(&self) -> bool {
        false
    }

    /// The pages that values point into.
    fn owners(self) -> Vec<Buffer>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// An integer layout; wider values are cut once they are known to fit.
pub(super) trait Narrow: ArrowNativeType {
    /// The low bits.
    fn cut(value: i64) -> Self;
    /// The low bits.
    fn cut_wide(value: i128) -> Self;
}

macro_rules! narrow {
    ($($native:ty)*) => {$(
        impl Narrow for $native {
            fn cut(value: i64) -> Self { value as Self }
            fn cut_wide(value: i128) -> Self { value as Self }
        }
    )*};
}
narrow!(i8 i16 i32 i64 i128);

/// Integers, decimals, dates and times.
pub(super) struct IntSink<T> {
    kind: Kind,
    width: usize,
    low: i128,
    high: i128,
    out: std::marker::PhantomData<T>,
}

impl<T: Narrow> IntSink<T> {
    /// For a leaf whose values must lie in the target's range.
    pub(super) fn new(leaf: &Leaf, target: &Target) -> Self {
        let (low, high) = target.range.unwrap_or((i128::MIN, i128::MAX));
        Self {
            kind: leaf.kind,
            width: leaf.width,
            low,
            high,
            out: std::marker::PhantomData,
        }
    }

    fn checked(&self, value: Option<i128>) -> Result<T, Stop> {
        match value {
            Some(value) if self.low <= value && value <= self.high => Ok(T::cut_wide(value)),
            Some(value) => Err(self.outside(value)),
            None => Err(Stop::Corrupt("a time is out of range".into())),
        }
    }

    fn outside(&self, value: i128) -> Stop {
        Stop::Corrupt(format!("the value {value} is outside {}..={}", self.low, self.high))
    }

    fn each(&self, values: &[u8], out: &mut [T]) -> Result<(), Stop> {
        let width = self.stored_width()?;
        let values = exactly(values, out.len(), width)?;
        for (slot, bytes) in out.iter_mut().zip(values.chunks_exact(width)) {
            *slot = self.checked(self.value(bytes))?;
        }
        Ok(())
    }

    fn stored_width(&self) -> Result<usize, Stop> {
        match self.kind {
            Kind::Int32(_) => Ok(4),
            Kind::Int64(_) => Ok(8),
            Kind::FixedDecimal | Kind::Uuid if self.width > 0 => Ok(self.width),
            _ => Err(Stop::Fallback),
        }
    }

    fn value(&self, bytes: &[u8]) -> Option<i128> {
        match self.kind {
            Kind::Int32(Unit::Unsigned) => Some(u32::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::Int32(unit) => unit.map(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::Int64(unit) => unit.map(i64::from_le_bytes(bytes.try_into().ok()?)),
            Kind::Uuid => uuid::of_bytes(bytes),
            _ => big_endian(bytes),
        }
    }

    /// Values as they are: the loop that must be fast has no branch.
    fn same<const WIDTH: usize>(
        &self,
        values: &[u8],
        out: &mut [T],
        read: impl Fn([u8; WIDTH]) -> i64,
    ) -> Result<(), Stop> {
        let values = exactly(values, out.len(), WIDTH)?;
        let (chunks, _) = values.as_chunks::<WIDTH>();
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (slot, bytes) in out.iter_mut().zip(chunks) {
            let value = read(*bytes);
            least = least.min(value);
            most = most.max(value);
            *slot = T::cut(value);
        }
        if out.is_empty() || (self.low <= least.into() && i128::from(most) <= self.high) {
            return Ok(());
        }
        let worst = if i128::from(least) < self.low { least } else { most };
        Err(self.outside(worst.into()))
    }
}

impl<T: Narrow> Sink for IntSink<T> {
    type Out = T;

    fn dictionary(&mut self, page: Bytes, count: usize) -> Result<Vec<T>, Stop> {
        let width = self.stored_width()?;
        exactly(&page, count, width)?;
        let mut table = vec![T::default(); count];
        match self.plain(&page, &mut table) {
            // An entry that no row uses may lie outside the range; the generic path looks at the rows.
            Err(Stop::Corrupt(_)) => Err(Stop::Fallback),
            other => other.map(|()| table),
        }
    }

    fn plain(&mut self, values: &Bytes, out: &mut [T]) -> Result<(), Stop> {
        match self.kind {
            Kind::Int32(Unit::Same) => self.same(values, out, |bytes| i32::from_le_bytes(bytes).into()),
            Kind::Int64(Unit::Same) => self.same(values, out, i64::from_le_bytes),
            _ => self.each(values, out),
        }
    }
}

/// The bytes of `count` values of one width.
fn exactly(values: &[u8], count: usize, width: usize) -> Result<&[u8], Stop> {
    let len = count.checked_mul(width);
    let values = len.and_then(|len| values.get(..len));
    values.ok_or_else(|| Stop::Corrupt("a page has fewer values than it says".into()))
}

/// Floats.
pub(super) struct FloatSink<T> {
    low: T,
    high: T,
}

/// The two float layouts.
pub(super) trait Float: ArrowNativeType + PartialOrd {
    /// Bytes of a value.
    const WIDTH: usize;
    /// From a wider bound, which was made from a value of this type.
    fn bound(value: f64) -> Self;
    /// From little-endian bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! float {
    ($($native:ty)*) => {$(
        impl Float for $native {
            const WIDTH: usize = size_of::<$native>();
            fn bound(value: f64) -> Self { value as Self }
            fn read(bytes: &[u8]) -> Self { bytes.try_into().map_or(Self::NAN, Self::from_le_bytes) }
        }
    )*};
}
float!(f32 f64);

impl<T: Float> FloatSink<T> {
    /// For values that must lie in the target's range, or be NaN.
    pub(super) fn new(target: &Target) -> Self {
        let (low, high) = target.float_range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        Self {
            low: T::bound(low),
            high: T::bound(high),
        }
    }
}

impl<T: Float> Sink for FloatSink<T> {
    type Out = T;

    fn dictionary(&mut self, page: Bytes, count: usize) -> Result<Vec<T>, Stop> {
        exactly(&page, count, T::WIDTH)?;
        let mut table = vec![T::default(); count];
        self.plain(&page, &mut table).map_err(|_| Stop::Fallback)?;
        Ok(table)
    }

    fn plain(&mut self, values: &Bytes, out: &mut [T]) -> Result<(), Stop> {
        let values = exactly(values, out.len(), T::WIDTH)?;
        let mut broken = false;
        for (slot, bytes) in out.iter_mut().zip(values.chunks_exact(T::WIDTH)) {
            let value = T::read(bytes);
            broken |= value < self.low || value > self.high;
            *slot = value;
        }
        if broken {
            let message = format!("a value outside the statistics {:?}..={:?}", self.low, self.high);
            return Err(Stop::Corrupt(message));
        }
        Ok(())
    }
}

/// Codes of the relation's dictionary.
pub(super) struct CodeSink<'a, T> {
    dictionary: &'a Dictionary,
    out: std::marker::PhantomData<T>,
}

impl<'a, T> CodeSink<'a, T> {
    /// For a column laid out by a dictionary.
    pub(super) fn new(dictionary: &'a Dictionary) -> Self {
        Self {
            dictionary,
            out: std::marker::PhantomData,
        }
    }
}

impl<T: ArrowNativeType> Sink for CodeSink<'_, T> {
    type Out = T;

    fn dictionary(&mut self, page: Bytes, count: usize) -> Result<Vec<T>, Stop> {
        let codes = PlainTexts(&page).take(count).map(|text| {
            let text = text.ok_or_else(|| Stop::Corrupt("a dictionary page is damaged".into()))?;
            let code = self.dictionary.code(text).and_then(T::from_usize);
            code.ok_or_else(|| Stop::Corrupt(format!("`{text}` is not in the column's dictionary")))
        });
        codes.collect()
    }

    fn plain(&mut self, _values: &Bytes, _out: &mut [T]) -> Result<(), Stop> {
        Err(Stop::Fallback)
    }
}

/// Views into the pages.
pub(super) struct TextSink {
    /// Bytes per value, if fixed.
    fixed: Option<usize>,
    utf8: bool,
    owners: Vec<Buffer>,
}

impl TextSink {
    /// For a leaf of strings or bytes.
    pub(super) fn new(leaf: &Leaf) -> Self {
        Self {
            fixed: (leaf.kind == Kind::FixedBytes).then_some(leaf.width),
            utf8: leaf.kind == Kind::Text,
            owners: Vec::new(),
        }
    }

    fn views(&mut self, page: &Bytes, out: &mut [i128]) -> Result<(), Stop> {
        // A page of ASCII only, lengths included, needs no look at its texts.
        let check = self.utf8 && !page.is_ascii();
        let base = page.as_ptr() as u64;
        let mut at = 0;
        let mut long = false;
        for slot in out {
            let len = match self.fixed {
                Some(width) => width,
                None => {
                    let len = page.get(at..).and_then(|rest| rest.first_chunk::<4>());
                    at += 4;
                    u32::from_le_bytes(*len.ok_or_else(short_page)?) as usize
                }
            };
            let end = at
                .checked_add(len)
                .filter(|end| *end <= page.len())
                .ok_or_else(short_page)?;
            if check && std::str::from_utf8(&page[at..end]).is_err() {
                return Err(Stop::Corrupt("a string is not UTF-8".into()));
            }
            long |= len > 12;
            *slot = view(page, at, len, base).cast_signed();
            at = end;
        }
        if long {
            self.owners.push(Buffer::from(page.clone()));
        }
        Ok(())
    }
}

fn short_page() -> Stop {
    Stop::Corrupt("a page has fewer values than it says".into())
}

/// The view of `page[at..at + len]`, which lies inside the page.
#[inline(always)]
fn view(page: &[u8], at: usize, len: usize, base: u64) -> u128 {
    let head = match page[at..].first_chunk::<16>() {
        Some(head) => u128::from_le_bytes(*head),
        None => {
            let mut head = [0; 16];
            let rest = &page[at..];
            head[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(head)
        }
    };
    let head_len = len as u128 & 0xffff_ffff;
    if len <= 12 {
        let mask = (1u128 << (8 * len)) - 1;
        return head_len | (head & mask) << 32;
    }
    head_len | (head & 0xffff_ffff) << 32 | u128::from(base + at as u64) << 64
}

impl Sink for TextSink {
    type Out = i128;

    fn dictionary(&mut self, page: Bytes, count: usize) -> Result<Vec<i128>, Stop> {
        // Every entry takes at least its width, or the length before it, so a count beyond that is damage.
        if count > page.len() / self.fixed.unwrap_or(4).max(1) {
            return Err(short_page());
        }
        let mut table = vec![0; count];
        self.views(&page, &mut table)?;
        Ok(table)
    }

    fn plain(&mut self, values: &Bytes, out: &mut [i128]) -> Result<(), Stop> {
        self.views(values, out)
    }

    fn keeps_pages(&self) -> bool {
        true
    }

    fn owners(self) -> Vec<Buffer> {
        self.owners
    }
}
