//! Arrays of bodies while they grow.
//!
//! `xs |> filter(x => x > 0)` asks for room for as many elements as `xs` has, has the kernel write those that are kept, and makes the
//! array as long as they are many.
//!
//! Invariants: until an array is complete, the length in its head is the number of elements that there is room for, and its
//! validity bytes lie behind all of that room.
//!
//! Does not: look at elements.

use super::ExecError;
use super::host::Host;
use crate::types::nested::{ELEMENTS_AT, array_bytes};

/// Room is made at once for so many elements at most; who has more asks again.
const MOST_AT_ONCE: usize = 1 << 20;
/// Room for fewer is not worth the call.
const LEAST: usize = 8;

/// Puts the address of an array with room for so many elements in the place of one that has `count`; 1: there is no memory.
pub(super) extern "C" fn array_room(host: *mut u8, place: *mut u8, count: i64, room: i64, stride: i64) -> i64 {
    // SAFETY: the frame's host slot holds the worker's `Host`, which nothing else uses while a kernel runs.
    let host = unsafe { &mut *host.cast::<Host>() };
    let [count, room, stride] = [count, room, stride].map(|number| usize::try_from(number).unwrap_or(0));
    // SAFETY: generated code passes the place of an array's address, and what it knows of the array.
    match unsafe { moved(host, place.cast(), (count, room), stride) } {
        Ok(()) => 0,
        Err(error) => {
            host.error = Some(error);
            1
        }
    }
}

/// # Safety
/// `place` holds the address of an array of `count` elements of so many bytes, which nobody else has.
unsafe fn moved(
    host: &mut Host,
    place: *mut u64,
    (count, wanted): (usize, usize),
    stride: usize,
) -> Result<(), ExecError> {
    let most = MOST_AT_ONCE.max(count.saturating_mul(2));
    let room = wanted.min(most).max(count + 1).max(LEAST);
    let bytes = array_bytes(room, stride);
    host.admit(bytes)?;
    let address = host.arena.zeros(bytes);
    // SAFETY: the old array has so many elements and, behind its room, their flags; the new one has room for them, and nobody
    // else has its address.
    unsafe {
        let (old, new) = (place.read_unaligned() as *const u8, address as *mut u8);
        let old_room = old.cast::<u64>().read_unaligned() as usize;
        new.cast::<u64>().write_unaligned(room as u64);
        let elements = count * stride;
        new.add(ELEMENTS_AT)
            .copy_from_nonoverlapping(old.add(ELEMENTS_AT), elements);
        let flags = old.add(ELEMENTS_AT + old_room * stride);
        new.add(ELEMENTS_AT + room * stride)
            .copy_from_nonoverlapping(flags, count);
        place.write_unaligned(address);
    }
    host.settle()
}

/// Makes an array as long as it has elements.
pub(super) extern "C" fn array_complete(array: *mut u8, count: i64, stride: i64) -> i64 {
    let [count, stride] = [count, stride].map(|number| usize::try_from(number).unwrap_or(0));
    // SAFETY: generated code passes an array that it has filled with so many elements, and that nobody else has.
    unsafe {
        let room = array.cast::<u64>().read_unaligned() as usize;
        if count < room {
            let flags = array.add(ELEMENTS_AT + room * stride);
            array.add(ELEMENTS_AT + count * stride).copy_from(flags, count);
            array.cast::<u64>().write_unaligned(count as u64);
        }
    }
    0
}
