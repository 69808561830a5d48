//! Reading objects: to values, to compare, and to hash.
//!
//! `[1, NULL] < [1, 2]` is false: elements are compared one after the other, and inside arrays and structs a NULL equals a NULL and
//! is greater than anything else, so that the order is total and `=` agrees with GROUP BY.
//!
//! Invariants: what compares equal hashes equally; zeros of both signs are equal, and so are all NaNs.
//!
//! Does not: make objects (`types::nested` does).

use std::cmp::Ordering;
use std::hash::Hasher;

use super::host::{read_scalar, text_of, to_value};
use crate::types::nested::{ELEMENTS_AT, NestedLayout, ROOM_AT, Shape};
use crate::types::value::TEXT_HEAD_BYTES;
use crate::types::{Interval, LogicalType, Physical, Value};

/// A part of an object: where it lies, if it is not NULL.
type Part = Option<*const u8>;

/// # Safety
/// `at` is the address of an array object.
pub unsafe fn length(at: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<u64>().read() as usize }
}

/// How many elements an array has room for.
///
/// # Safety
/// `at` is the address of an array object.
pub unsafe fn room(at: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { at.add(ROOM_AT).cast::<u32>().read() as usize }
}

/// # Safety
/// `at` is the address of an array object whose elements have so many bytes, and it has more than `i` of them.
pub unsafe fn element(at: *const u8, stride: usize, i: usize) -> Part {
    // SAFETY: the caller's promise.
    unsafe {
        let validity = at.add(ELEMENTS_AT + room(at) * stride + i).read();
        (validity != 0).then(|| at.add(ELEMENTS_AT + i * stride))
    }
}

/// # Safety
/// `at` is the address of a struct object that has such a field.
pub unsafe fn field(at: *const u8, offset: usize, i: usize) -> Part {
    // SAFETY: the caller's promise.
    unsafe { (at.add(i).read() != 0).then(|| at.add(offset)) }
}

/// Bytes that an object takes as a [`Value`], or, with another number of bytes for each value, anywhere else where nothing is
/// shared: of two arrays that are the same one each counts. It stops counting once there are more than `most`.
///
/// # Safety
/// `at` is the address of an object of this layout, or null for NULL.
pub unsafe fn weight(at: *const u8, layout: &NestedLayout, (each, most): (usize, usize)) -> usize {
    if at.is_null() {
        return each;
    }
    // SAFETY: the caller's promise, passed on for each part.
    unsafe {
        match layout {
            NestedLayout::Array { item } => {
                let count = length(at);
                let mut bytes = each + count.saturating_mul(each);
                if matches!(item, Shape::Nested(_) | Shape::Flat(Physical::Str)) {
                    let stride = item.bytes();
                    for i in 0..count {
                        if bytes > most {
                            break;
                        }
                        bytes = bytes.saturating_add(part_weight(element(at, stride, i), item, (each, most)));
                    }
                }
                bytes
            }
            NestedLayout::Struct { fields, .. } => {
                let mut bytes = each * (fields.len() + 1);
                for (i, place) in fields.iter().enumerate() {
                    bytes = bytes.saturating_add(part_weight(field(at, place.offset, i), &place.shape, (each, most)));
                }
                bytes
            }
        }
    }
}

/// What a part takes beside its own place.
///
/// # Safety
/// The part, if there is one, has this shape.
unsafe fn part_weight(part: Part, shape: &Shape, limits: (usize, usize)) -> usize {
    let Some(at) = part else { return 0 };
    // SAFETY: the caller's promise.
    unsafe {
        match shape {
            Shape::Nested(layout) => weight(at.cast::<*const u8>().read_unaligned(), layout, limits),
            Shape::Flat(Physical::Str) => TEXT_HEAD_BYTES + text_of(at).len(),
            Shape::Flat(_) => 0,
        }
    }
}

/// # Safety
/// `at` is the address of an object of this type, or null for NULL.
pub unsafe fn read(at: *const u8, ty: &LogicalType) -> Value {
    if at.is_null() {
        return Value::Null;
    }
    // SAFETY: the caller's promise, passed on for each part.
    unsafe {
        match (&*ty.laid_out(), NestedLayout::of(ty)) {
            (LogicalType::Array(item), Some(NestedLayout::Array { item: shape })) => {
                let stride = shape.bytes();
                let items = (0..length(at)).map(|i| read_part(element(at, stride, i), item));
                Value::Array(items.collect())
            }
            (LogicalType::Struct(types), Some(NestedLayout::Struct { fields, .. })) => {
                let parts = fields.iter().zip(types).enumerate();
                Value::Struct(
                    parts
                        .map(|(i, (place, f))| read_part(field(at, place.offset, i), &f.ty))
                        .collect(),
                )
            }
            _ => Value::Null,
        }
    }
}

/// # Safety
/// The part, if there is one, holds a value of the type in its natural layout.
unsafe fn read_part(part: Part, ty: &LogicalType) -> Value {
    let Some(at) = part else { return Value::Null };
    // SAFETY: the caller's promise.
    unsafe { read_value(at, ty) }
}

/// # Safety
/// `at` holds a value of the type in its natural layout.
pub unsafe fn read_value(at: *const u8, ty: &LogicalType) -> Value {
    // SAFETY: the caller's promise.
    unsafe {
        if ty.is_nested() {
            return read(at.cast::<*const u8>().read_unaligned(), ty);
        }
        to_value(&read_scalar(at, ty.physical()), ty)
    }
}

/// # Safety
/// Both are addresses of objects of this layout, or null.
pub unsafe fn compare(x: *const u8, y: *const u8, layout: &NestedLayout) -> Ordering {
    if x.is_null() || y.is_null() {
        return x.is_null().cmp(&y.is_null());
    }
    // SAFETY: the caller's promise, passed on for each part.
    unsafe {
        match layout {
            NestedLayout::Array { item } => {
                let stride = item.bytes();
                let (left, right) = (length(x), length(y));
                for i in 0..left.min(right) {
                    let order = compare_parts(element(x, stride, i), element(y, stride, i), item);
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                left.cmp(&right)
            }
            NestedLayout::Struct { fields, .. } => {
                for (i, place) in fields.iter().enumerate() {
                    let parts = (field(x, place.offset, i), field(y, place.offset, i));
                    let order = compare_parts(parts.0, parts.1, &place.shape);
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                Ordering::Equal
            }
        }
    }
}

/// # Safety
/// The parts, where there are any, have this shape.
pub(super) unsafe fn compare_parts(x: Part, y: Part, shape: &Shape) -> Ordering {
    let (Some(x), Some(y)) = (x, y) else {
        return x.is_none().cmp(&y.is_none());
    };
    // SAFETY: the caller's promise.
    unsafe {
        match shape {
            Shape::Nested(layout) => compare(
                x.cast::<*const u8>().read_unaligned(),
                y.cast::<*const u8>().read_unaligned(),
                layout,
            ),
            Shape::Flat(Physical::Str) => text_of(x).cmp(text_of(y)),
            Shape::Flat(Physical::Interval) => micros(x).cmp(&micros(y)),
            Shape::Flat(Physical::F32 | Physical::F64) => {
                let (x, y) = (float(x, shape), float(y, shape));
                x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
            }
            Shape::Flat(_) => integer(x, shape).cmp(&integer(y, shape)),
        }
    }
}

/// # Safety
/// `at` is the address of an object of this layout, or null.
pub unsafe fn hash(at: *const u8, layout: &NestedLayout) -> u64 {
    // A fixed key: workers must agree, and tables are per query.
    let mut hasher = std::hash::DefaultHasher::new();
    // SAFETY: the caller's promise.
    unsafe { hash_into(&mut hasher, at, layout) };
    hasher.finish()
}

/// Hash of a part.
///
/// # Safety
/// The part, if there is one, has this shape.
pub(super) unsafe fn hash_of(part: Part, shape: &Shape) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    // SAFETY: the caller's promise.
    unsafe { hash_part(&mut hasher, part, shape) };
    hasher.finish()
}

/// # Safety
/// As [`hash`].
unsafe fn hash_into(hasher: &mut impl Hasher, at: *const u8, layout: &NestedLayout) {
    if at.is_null() {
        return hasher.write_u8(0);
    }
    // SAFETY: the caller's promise, passed on for each part.
    unsafe {
        match layout {
            NestedLayout::Array { item } => {
                let stride = item.bytes();
                hasher.write_usize(length(at));
                for i in 0..length(at) {
                    hash_part(hasher, element(at, stride, i), item);
                }
            }
            NestedLayout::Struct { fields, .. } => {
                for (i, place) in fields.iter().enumerate() {
                    hash_part(hasher, field(at, place.offset, i), &place.shape);
                }
            }
        }
    }
}

/// # Safety
/// The part, if there is one, has this shape.
unsafe fn hash_part(hasher: &mut impl Hasher, part: Part, shape: &Shape) {
    let Some(at) = part else {
        return hasher.write_u8(0);
    };
    hasher.write_u8(1);
    // SAFETY: the caller's promise.
    unsafe {
        match shape {
            Shape::Nested(layout) => hash_into(hasher, at.cast::<*const u8>().read_unaligned(), layout),
            Shape::Flat(Physical::Str) => {
                let text = text_of(at);
                hasher.write_usize(text.len());
                hasher.write(text);
            }
            Shape::Flat(Physical::Interval) => hasher.write_i128(micros(at)),
            Shape::Flat(Physical::F32 | Physical::F64) => {
                let v = float(at, shape);
                let one = if v.is_nan() { f64::NAN } else { v + 0.0 };
                hasher.write_u64(one.to_bits());
            }
            Shape::Flat(_) => hasher.write_i128(integer(at, shape)),
        }
    }
}

/// # Safety
/// `at` holds an integer of this shape.
unsafe fn integer(at: *const u8, shape: &Shape) -> i128 {
    // SAFETY: the caller's promise.
    unsafe {
        match shape.bytes() {
            1 => at.cast::<i8>().read().into(),
            2 => at.cast::<i16>().read_unaligned().into(),
            4 => at.cast::<i32>().read_unaligned().into(),
            8 => at.cast::<i64>().read_unaligned().into(),
            _ => at.cast::<i128>().read_unaligned(),
        }
    }
}

/// # Safety
/// `at` holds a float of this shape.
unsafe fn float(at: *const u8, shape: &Shape) -> f64 {
    // SAFETY: the caller's promise.
    unsafe {
        match shape.bytes() {
            4 => at.cast::<f32>().read_unaligned().into(),
            _ => at.cast::<f64>().read_unaligned(),
        }
    }
}

/// # Safety
/// `at` holds an interval.
unsafe fn micros(at: *const u8) -> i128 {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<Interval>().read_unaligned() }.total_micros()
}
