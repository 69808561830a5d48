//! Arrays and structs of bodies that change in their place.
//!
//! `a[i] = x` asks for an `a` of its own before its first store: a copy with a mark, into which it may write from then on. `a.append(x)`
//! asks for twice the room where there is none left.
//!
//! Invariants: what is marked belongs to one variable alone; where an object is copied, those inside it belong to two, and lose their
//! marks; until an array that `map` and the like write is complete, the length in its head is 0.
//!
//! Does not: look at elements.

use super::ExecError;
use super::host::Host;
use super::nested::{element, field, length, room};
use crate::types::nested::{ELEMENTS_AT, NestedLayout, ROOM_AT, Shape, array_bytes};

/// Room of so many bytes is made at once at most; who has more asks again.
const MOST_AT_ONCE: usize = 64 << 20;
/// Room for fewer is not worth the call.
const LEAST: usize = 8;

/// Puts the address of an array with room for so many elements in the place of one that has `count`; 1: there is no memory. Below 0,
/// the room is what may be needed, not what will be.
pub(super) extern "C" fn array_room(host: *mut u8, place: *mut u8, count: i64, room: i64, stride: i64) -> i64 {
    let [count, stride] = [count, stride].map(|number| usize::try_from(number).unwrap_or(0));
    let wanted = usize::try_from(room.unsigned_abs()).unwrap_or(usize::MAX);
    let most = (MOST_AT_ONCE / (stride + 1)).max(count.saturating_mul(2));
    // SAFETY: generated code passes the host, the place of an array's address, and what it knows of the array.
    unsafe {
        replaced(host, place, |host, old| {
            if count == 0 && room > 0 {
                // It would end in an error after much work.
                host.affords(wanted.saturating_mul(stride + 1))?;
            }
            moved(host, old, (count, wanted.min(most).max(count + 1).max(LEAST)), stride)
        })
    }
}

/// Says of all elements of an array that they are there.
pub(super) extern "C" fn array_filled(object: *mut u8, stride: i64) -> i64 {
    let stride = usize::try_from(stride).unwrap_or(0);
    // SAFETY: generated code passes an array that it has made, whose length is in its head, and how its elements are stored.
    unsafe {
        let flags = object.add(ELEMENTS_AT + room(object) * stride);
        flags.write_bytes(1, length(object));
    }
    0
}

/// Puts the address of a marked array with room for more elements in the place of another; 1: there is no memory.
pub(super) extern "C" fn array_grow(host: *mut u8, place: *mut u8, layout: *const u8) -> i64 {
    // SAFETY: generated code passes the host, the place of an array's address, and the array's layout.
    unsafe {
        replaced(host, place, |host, old| {
            let layout = &*layout.cast::<NestedLayout>();
            let count = length(old);
            let new = moved(host, old, (count, count.saturating_mul(2).max(LEAST)), stride(layout))?;
            new.cast::<u64>().write(count as u64);
            taken_over(old, new, layout);
            Ok(new)
        })
    }
}

/// Puts the address of a marked copy in the place of an object that others may have; 1: there is no memory.
pub(super) extern "C" fn object_own(host: *mut u8, place: *mut u8, layout: *const u8) -> i64 {
    // SAFETY: as for `array_grow`.
    unsafe {
        replaced(host, place, |host, old| {
            let layout = &*layout.cast::<NestedLayout>();
            let new = match layout {
                NestedLayout::Array { .. } => {
                    let count = length(old);
                    let new = moved(host, old, (count, count), stride(layout))?;
                    new.cast::<u64>().write(count as u64);
                    new
                }
                NestedLayout::Struct { bytes, .. } => {
                    let new = fresh(host, *bytes)?;
                    new.copy_from_nonoverlapping(old, *bytes);
                    new
                }
            };
            taken_over(old, new, layout);
            Ok(new)
        })
    }
}

/// # Safety
/// `host` is the kernel's, and `place` holds the address of an object.
unsafe fn replaced(
    host: *mut u8,
    place: *mut u8,
    make: impl FnOnce(&mut Host, *const u8) -> Result<*mut u8, ExecError>,
) -> i64 {
    // SAFETY: the caller's promise; nothing else uses the host while a kernel asks for memory.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let place = place.cast::<*const u8>();
        match make(host, place.read_unaligned()) {
            Ok(new) => {
                place.write_unaligned(new);
                0
            }
            Err(error) => {
                host.error = Some(error);
                1
            }
        }
    }
}

/// Memory of zeros.
pub(super) fn fresh(host: &mut Host, bytes: usize) -> Result<*mut u8, ExecError> {
    host.admit(bytes)?;
    let address = host.arena.zeros(bytes) as *mut u8;
    host.settle()?;
    Ok(address)
}

/// # Safety
/// `old` is an array of `count` elements of so many bytes.
pub(super) unsafe fn moved(
    host: &mut Host,
    old: *const u8,
    (count, wanted): (usize, usize),
    stride: usize,
) -> Result<*mut u8, ExecError> {
    let Ok(head) = u32::try_from(wanted) else {
        return Err(ExecError::resource("an array has four billion elements at most".into()));
    };
    let new = fresh(host, array_bytes(wanted, stride))?;
    // SAFETY: the old array has so many elements and, behind its room, their flags; the new one has room for them.
    unsafe {
        new.add(ROOM_AT).cast::<u32>().write(head);
        new.add(ELEMENTS_AT)
            .copy_from_nonoverlapping(old.add(ELEMENTS_AT), count * stride);
        let flags = old.add(ELEMENTS_AT + room(old) * stride);
        new.add(ELEMENTS_AT + wanted * stride)
            .copy_from_nonoverlapping(flags, count);
    }
    Ok(new)
}

/// The elements of arrays in one array, which nobody may write to.
///
/// # Safety
/// The objects are arrays of this layout.
pub(super) unsafe fn joined(
    host: &mut Host,
    arrays: &[*const u8],
    layout: &NestedLayout,
) -> Result<*mut u8, ExecError> {
    let stride = stride(layout);
    // SAFETY: the caller's promise.
    let count = arrays.iter().map(|array| unsafe { length(*array) }).sum::<usize>();
    let new = of_nulls(host, count, stride)?;
    // SAFETY: each array has its elements and, behind its room, their flags; the new one has room for all of them.
    unsafe {
        let mut at = 0;
        for array in arrays {
            let (length, flags) = (length(*array), ELEMENTS_AT + room(*array) * stride);
            new.add(ELEMENTS_AT + at * stride)
                .copy_from_nonoverlapping(array.add(ELEMENTS_AT), length * stride);
            new.add(ELEMENTS_AT + count * stride + at)
                .copy_from_nonoverlapping(array.add(flags), length);
            at += length;
        }
        unmark_parts(new, layout);
    }
    Ok(new)
}

/// An array of so many NULLs.
pub(super) fn of_nulls(host: &mut Host, count: usize, stride: usize) -> Result<*mut u8, ExecError> {
    let Ok(head) = u32::try_from(count) else {
        return Err(ExecError::resource("an array has four billion elements at most".into()));
    };
    let new = fresh(host, array_bytes(count, stride))?;
    // SAFETY: an array has a head.
    unsafe {
        new.cast::<u64>().write(count as u64);
        new.add(ROOM_AT).cast::<u32>().write(head);
    }
    Ok(new)
}

pub(super) fn stride(layout: &NestedLayout) -> usize {
    match layout {
        NestedLayout::Array { item } => item.bytes(),
        NestedLayout::Struct { .. } => 0,
    }
}

/// Marks a copy. Unless the other one was marked, which means that nobody will use it any more, both have the objects inside it.
///
/// # Safety
/// Both are objects of this layout.
pub(super) unsafe fn taken_over(old: *const u8, new: *mut u8, layout: &NestedLayout) {
    let at = layout.mark_at();
    // SAFETY: the caller's promise.
    unsafe {
        if old.add(at).read() == 0 {
            unmark_parts(new, layout);
        }
        new.add(at).write(1);
    }
}

/// # Safety
/// `object` is an object of this layout.
pub(super) unsafe fn unmark_parts(object: *const u8, layout: &NestedLayout) {
    let unmark = |part: Option<*const u8>, shape: &Shape| {
        let (Some(part), Shape::Nested(inner)) = (part, shape) else {
            return;
        };
        // SAFETY: a part of this shape holds the address of an object of the inner layout; only what bodies have made, and may
        // write to, is marked.
        unsafe {
            let mark = part.cast::<*mut u8>().read_unaligned().add(inner.mark_at());
            if mark.read() != 0 {
                mark.write(0);
            }
        }
    };
    // SAFETY: the caller's promise.
    unsafe {
        match layout {
            NestedLayout::Array { item } if matches!(item, Shape::Nested(_)) => {
                let stride = item.bytes();
                (0..length(object)).for_each(|i| unmark(element(object, stride, i), item));
            }
            NestedLayout::Array { .. } => {}
            NestedLayout::Struct { fields, .. } => {
                let parts = fields.iter().enumerate();
                parts.for_each(|(i, place)| unmark(field(object, place.offset, i), &place.shape));
            }
        }
    }
}
