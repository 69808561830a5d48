//! Arrays that are made of the elements of another one, where these lie: a part of it, or all in another order.
//!
//! `a[0:3]` copies three elements, however many `a` has; `array_sort(a)` sorts an array of bigints as a vector of `i64`. Texts, structs
//! and arrays are sorted by their beginnings, 8 bytes that compare like them, and looked at only where these are equal.
//!
//! Invariants: what is made has the elements themselves, not copies of what they point to, and nobody may write into those in
//! their place any more. The order is that of [`nested`], and equal elements keep theirs.
//!
//! Does not: call functions.

use std::cmp::Ordering;

use super::ExecError;
use super::growing::{of_nulls, stride, unmark_parts};
use super::host::{CELL_BYTES, Host, VALID_AT, read_cell, text_of};
use super::nested::{compare_parts, element, field, length, room};
use crate::compile::{HostCall, HostWork};
use crate::functions::{self, LONG_RUN, SHORT_RUN, Scalar, SortOrder, sort_in_runs};
use crate::types::nested::{ELEMENTS_AT, NestedLayout, Shape};
use crate::types::{Interval, LogicalType, Physical};

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Slice,
    Reverse,
    Sort,
    Distinct,
}

/// Whether a call is such a one.
pub(super) fn work(call: &HostCall) -> Option<Work> {
    let HostWork::Function(function) = call.work else {
        return None;
    };
    match call.args.first() {
        Some(LogicalType::Array(item)) if **item != LogicalType::Null && call.args[0] == call.result => {}
        _ => return None,
    }
    match functions::function(function).name {
        "array_slice" => Some(Work::Slice),
        "array_reverse" => Some(Work::Reverse),
        "array_sort" => Some(Work::Sort),
        "array_distinct" => Some(Work::Distinct),
        _ => None,
    }
}

/// # Safety
/// `cells` has a cell for each argument.
pub(super) unsafe fn arranged(
    host: &mut Host,
    call: &HostCall,
    work: Work,
    cells: *const u8,
) -> Result<Option<u128>, ExecError> {
    let Some(layout) = NestedLayout::of(&call.result) else {
        return Err(ExecError::internal("an array without elements"));
    };
    let NestedLayout::Array { item } = &layout else {
        return Err(ExecError::internal("a struct in the place of an array"));
    };
    // SAFETY: the caller's promise; a value is the address of an array of this layout, and the others are as their types say.
    unsafe {
        let object = match cells.add(VALID_AT).read() {
            0 => std::ptr::null(),
            _ => cells.cast::<*const u8>().read_unaligned(),
        };
        if object.is_null() {
            return Ok(None);
        }
        let mut rest = [Scalar::Null; 2];
        for (at, (scalar, ty)) in rest.iter_mut().zip(&call.args[1..]).enumerate() {
            *scalar = read_cell(cells.add(CELL_BYTES * (at + 1)), ty);
        }
        let elements = Elements {
            object,
            stride: stride(&layout),
            item,
        };
        let is_given = |at: usize| call.args.len() <= at + 1 || rest[at] != Scalar::Null;
        let new = match work {
            Work::Slice => elements.part(host, bounds(rest, length(object))),
            Work::Reverse => {
                let count = length(object);
                elements.picked(host, count, (0..count).rev())
            }
            Work::Sort if is_given(0) && is_given(1) => {
                let order = functions::sort_order(word(&rest[0]), word(&rest[1])).map_err(ExecError::of_function)?;
                elements.sorted(host, order)
            }
            Work::Sort => return Ok(None),
            Work::Distinct => elements.distinct(host),
        }?;
        unmark_parts(new, &layout);
        Ok(Some(u128::from(new as u64)))
    }
}

fn word<'a>(scalar: &Scalar<'a>) -> Option<&'a str> {
    match scalar {
        Scalar::Bytes(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// The first position of a part, and the one behind it.
fn bounds([low, high]: [Scalar<'_>; 2], length: usize) -> (usize, usize) {
    let end = |end: Scalar<'_>, open: usize| match end {
        Scalar::Int(at) => {
            let from_end = i128::try_from(length).unwrap_or(i128::MAX);
            let at = if at < 0 { at.saturating_add(from_end).max(0) } else { at };
            usize::try_from(at).unwrap_or(usize::MAX).min(length)
        }
        _ => open,
    };
    let (from, to) = (end(low, 0), end(high, length));
    (from, to.max(from))
}

/// The elements of an array.
// INVARIANT: the object is an array whose elements have this shape, and so many bytes; it stays where it is.
#[derive(Clone, Copy)]
struct Elements<'a> {
    object: *const u8,
    stride: usize,
    item: &'a Shape,
}

/// The beginning of an element, and its position.
type Beginning = (u64, u32);

impl Elements<'_> {
    fn len(&self) -> usize {
        // SAFETY: the invariant.
        unsafe { length(self.object) }
    }

    /// Where an element lies, if it is not NULL; there is one.
    fn at(&self, i: usize) -> Option<*const u8> {
        // SAFETY: the invariant.
        unsafe { element(self.object, self.stride, i) }
    }

    /// Those from a position up to another.
    fn part(&self, host: &mut Host, (from, to): (usize, usize)) -> Result<*mut u8, ExecError> {
        let count = to - from;
        let new = of_nulls(host, count, self.stride)?;
        // SAFETY: both arrays have so many elements, and behind their rooms the flags.
        unsafe {
            let flags = self.object.add(ELEMENTS_AT + room(self.object) * self.stride + from);
            new.add(ELEMENTS_AT)
                .copy_from_nonoverlapping(self.object.add(ELEMENTS_AT + from * self.stride), count * self.stride);
            new.add(ELEMENTS_AT + count * self.stride)
                .copy_from_nonoverlapping(flags, count);
        }
        Ok(new)
    }

    /// So many at these positions.
    fn picked(
        &self,
        host: &mut Host,
        count: usize,
        positions: impl Iterator<Item = usize>,
    ) -> Result<*mut u8, ExecError> {
        let new = of_nulls(host, count, self.stride)?;
        for (to, from) in positions.take(count).enumerate() {
            let Some(at) = self.at(from) else { continue };
            // SAFETY: the new array has so many elements.
            unsafe {
                new.add(ELEMENTS_AT + to * self.stride)
                    .copy_from_nonoverlapping(at, self.stride);
                new.add(ELEMENTS_AT + count * self.stride + to).write(1);
            }
        }
        Ok(new)
    }

    fn sorted(&self, host: &mut Host, order: SortOrder) -> Result<*mut u8, ExecError> {
        match self.item {
            Shape::Flat(Physical::I8) => self.sorted_as(host, order, i8::cmp),
            Shape::Flat(Physical::I16) => self.sorted_as(host, order, i16::cmp),
            Shape::Flat(Physical::I32) => self.sorted_as(host, order, i32::cmp),
            Shape::Flat(Physical::I64) => self.sorted_as(host, order, i64::cmp),
            Shape::Flat(Physical::I128) => self.sorted_as(host, order, i128::cmp),
            Shape::Flat(Physical::F32) => self.sorted_as(host, order, float_order::<f32>),
            Shape::Flat(Physical::F64) => self.sorted_as(host, order, float_order::<f64>),
            Shape::Flat(Physical::Str | Physical::Interval | Physical::Nested) | Shape::Nested(_) => {
                self.sorted_by_beginning(host, order)
            }
        }
    }

    /// Sorts values of the type that they are stored as.
    fn sorted_as<T: Copy>(
        &self,
        host: &mut Host,
        order: SortOrder,
        compare: impl Fn(&T, &T) -> Ordering + Copy,
    ) -> Result<*mut u8, ExecError> {
        let count = self.len();
        admit::<T>(host, count, self.stride)?;
        // SAFETY: elements are stored as this type.
        let values = (0..count).filter_map(|i| self.at(i).map(|at| unsafe { at.cast::<T>().read_unaligned() }));
        let mut values: Vec<T> = values.collect();
        match order.descending {
            false => sort(host, &mut values, LONG_RUN, compare)?,
            true => sort(host, &mut values, LONG_RUN, move |a, b| compare(b, a))?,
        }
        let new = of_nulls(host, count, self.stride)?;
        let first = if order.nulls_first { count - values.len() } else { 0 };
        // SAFETY: the new array has room for all of them, and their flags behind it.
        unsafe {
            let start = new.add(ELEMENTS_AT + first * self.stride).cast::<T>();
            for (i, value) in values.iter().enumerate() {
                start.add(i).write_unaligned(*value);
            }
            new.add(ELEMENTS_AT + count * self.stride + first)
                .write_bytes(1, values.len());
        }
        Ok(new)
    }

    fn sorted_by_beginning(&self, host: &mut Host, order: SortOrder) -> Result<*mut u8, ExecError> {
        let count = self.len();
        admit::<Beginning>(host, count, self.stride)?;
        let mut there = self.beginnings();
        match order.descending {
            false => sort(host, &mut there, SHORT_RUN, |a, b| self.compare(a, b))?,
            true => sort(host, &mut there, SHORT_RUN, |a, b| self.compare(b, a))?,
        }
        let nulls = count - there.len();
        let there = there.iter().map(|(_, at)| *at as usize);
        // A position of a NULL, as often as there are any.
        let null = (0..count).find(|i| self.at(*i).is_none()).unwrap_or(0);
        let nulls = std::iter::repeat_n(null, nulls);
        match order.nulls_first {
            true => self.picked(host, count, nulls.chain(there)),
            false => self.picked(host, count, there.chain(nulls)),
        }
    }

    /// Each element where it first stands, without NULLs.
    fn distinct(&self, host: &mut Host) -> Result<*mut u8, ExecError> {
        admit::<Beginning>(host, self.len(), self.stride)?;
        let mut there = self.beginnings();
        sort(host, &mut there, SHORT_RUN, |a, b| self.compare(a, b))?;
        // Of equal ones the first is the one that stood first.
        there.dedup_by(|later, first| self.compare(later, first) == Ordering::Equal);
        sort(host, &mut there, LONG_RUN, |a, b| a.1.cmp(&b.1))?;
        self.picked(host, there.len(), there.iter().map(|(_, at)| *at as usize))
    }

    /// The beginnings of all but NULLs.
    fn beginnings(&self) -> Vec<Beginning> {
        let of = |i: usize| {
            let at = self.at(i)?;
            // SAFETY: the invariant.
            let begin = unsafe { beginning(Some(at), self.item) };
            Some((begin, u32::try_from(i).unwrap_or(u32::MAX)))
        };
        (0..self.len()).filter_map(of).collect()
    }

    fn compare(&self, a: &Beginning, b: &Beginning) -> Ordering {
        a.0.cmp(&b.0).then_with(|| {
            let part = |at: u32| self.at(at as usize);
            // SAFETY: the invariant.
            unsafe { compare_parts(part(a.1), part(b.1), self.item) }
        })
    }
}

/// Sees that so many items can be sorted, and an array be made of them.
fn admit<T>(host: &mut Host, count: usize, stride: usize) -> Result<(), ExecError> {
    let each = 2 * size_of::<T>() + stride + 1;
    match count.saturating_mul(each) {
        small if small < 1 << 16 => Ok(()),
        bytes => host.affords(bytes),
    }
}

fn sort<T: Copy>(
    host: &Host,
    items: &mut Vec<T>,
    run: usize,
    compare: impl Fn(&T, &T) -> Ordering + Copy,
) -> Result<(), ExecError> {
    match sort_in_runs(items, run, compare, &|| host.cancel.is_cancelled()) {
        true => Ok(()),
        false => host.cancel.check(),
    }
}

/// NaN is the greatest, and zeros are equal.
fn float_order<T: Copy + Into<f64>>(a: &T, b: &T) -> Ordering {
    let (a, b): (f64, f64) = ((*a).into(), (*b).into());
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Bytes by which what has lesser ones is less; what has the same may be equal or not.
///
/// # Safety
/// The part, if there is one, has this shape.
unsafe fn beginning(part: Option<*const u8>, shape: &Shape) -> u64 {
    let Some(at) = part else { return u64::MAX };
    // SAFETY: the caller's promise, passed on for parts.
    unsafe {
        match shape {
            Shape::Flat(Physical::Str) => {
                let text = text_of(at);
                let mut bytes = [0; 8];
                let known = text.len().min(8);
                bytes[..known].copy_from_slice(&text[..known]);
                u64::from_be_bytes(bytes)
            }
            Shape::Flat(Physical::F32) => of_float(at.cast::<f32>().read_unaligned().into()),
            Shape::Flat(Physical::F64) => of_float(at.cast::<f64>().read_unaligned()),
            Shape::Flat(Physical::Interval) => of_int(at.cast::<Interval>().read_unaligned().total_micros()),
            Shape::Flat(Physical::I8) => of_int(at.cast::<i8>().read().into()),
            Shape::Flat(Physical::I16) => of_int(at.cast::<i16>().read_unaligned().into()),
            Shape::Flat(Physical::I32) => of_int(at.cast::<i32>().read_unaligned().into()),
            Shape::Flat(Physical::I64) => of_int(at.cast::<i64>().read_unaligned().into()),
            Shape::Flat(Physical::I128) => of_int(at.cast::<i128>().read_unaligned()),
            Shape::Flat(Physical::Nested) => 0,
            Shape::Nested(layout) => of_object(at.cast::<*const u8>().read_unaligned(), layout),
        }
    }
}

/// The beginning of the first part of an object.
///
/// # Safety
/// `object` is the address of an object of this layout, or null.
unsafe fn of_object(object: *const u8, layout: &NestedLayout) -> u64 {
    if object.is_null() {
        return u64::MAX;
    }
    // SAFETY: the caller's promise.
    unsafe {
        match layout {
            NestedLayout::Array { .. } if length(object) == 0 => 0,
            NestedLayout::Array { item } => beginning(element(object, item.bytes(), 0), item),
            NestedLayout::Struct { fields, .. } => match fields.first() {
                Some(first) => beginning(field(object, first.offset, 0), &first.shape),
                None => 0,
            },
        }
    }
}

fn of_int(value: i128) -> u64 {
    let near = i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
    near.cast_unsigned() ^ 1 << 63
}

fn of_float(value: f64) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    // Both zeros are the same.
    let bits = (value + 0.0).to_bits();
    match bits >> 63 {
        0 => bits | 1 << 63,
        _ => !bits,
    }
}
