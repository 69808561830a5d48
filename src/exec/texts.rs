//! Texts that generated code makes: numbers as texts, pieces put together, and texts of bodies that grow in their place.
//!
//! `text = text || i || ','` writes the digits of `i` behind the text, where the variable has twice the room each time that it runs out of it;
//! `a || b || c` makes one text of three.
//!
//! Invariants: other values that begin with the same bytes keep their own length: only the variable whose room it is writes
//! behind a text.
//!
//! Does not: convert anything but whole numbers.

use super::ExecError;
use super::growing::fresh;
use super::host::{Host, text_of};

/// Most digits of a number, with its sign.
const MOST_DIGITS: usize = 20;
/// Bytes of a view.
const VIEW: usize = 16;
/// Texts of so many bytes lie in their view.
const SHORT: usize = 12;
/// Less is not worth asking for.
const LARGE: usize = 1 << 16;

/// The pairs of digits from 00 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// How many bytes a number's digits take, with its sign.
fn digit_count(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(number < 0)
}

/// Writes a number's digits in front of a place.
///
/// # Safety
/// There is room for as many bytes as [`digit_count`] says.
#[inline]
unsafe fn write_digits(number: i64, end: *mut u8) {
    let mut rest = number.unsigned_abs();
    let mut at = end;
    // SAFETY: the caller's promise; a pair is less than 100.
    unsafe {
        while rest >= 100 {
            let pair = PAIRS[(rest % 100) as usize];
            rest /= 100;
            at = at.sub(2);
            at.cast::<[u8; 2]>().write_unaligned(pair);
        }
        if rest >= 10 {
            at = at.sub(2);
            at.cast::<[u8; 2]>().write_unaligned(PAIRS[rest as usize]);
        } else {
            at = at.sub(1);
            at.write(b'0' + rest as u8);
        }
        if number < 0 {
            at.sub(1).write(b'-');
        }
    }
}

/// Puts the view of a number's digits into a place; 1: there is no memory.
pub(super) extern "C" fn int_text(host: *mut u8, view: *mut u8, number: i64) -> i64 {
    // SAFETY: generated code passes the host and the place of a view.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let mut buffer = [0; MOST_DIGITS];
        let text = &mut buffer[..digit_count(number)];
        write_digits(number, text.as_mut_ptr().add(text.len()));
        view.cast::<u128>().write_unaligned(host.arena.text(text));
        match text.len() <= SHORT {
            true => 0,
            false => host.settled(),
        }
    }
}

/// Puts the view of so many texts, one behind the other, into the place of the first one's; 1: there is no memory.
pub(super) extern "C" fn text_concat(host: *mut u8, views: *mut u8, count: i64) -> i64 {
    // SAFETY: generated code passes the host and so many views of texts that live.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let count = usize::try_from(count).unwrap_or(0);
        let total: usize = (0..count).map(|i| text_of(views.add(VIEW * i)).len()).sum();
        if u32::try_from(total).is_err() {
            return host.failed(too_long());
        }
        if total > LARGE
            && let Err(error) = host.admit(2 * total)
        {
            return host.failed(error);
        }
        let mut scratch = std::mem::take(&mut host.scratch);
        scratch.clear();
        scratch.reserve(total);
        (0..count).for_each(|i| scratch.extend_from_slice(text_of(views.add(VIEW * i))));
        views.cast::<u128>().write_unaligned(host.arena.text(&scratch));
        host.keep_scratch(scratch);
        host.settled()
    }
}

/// Adds a text behind one that is built in a variable, whose view is at `view`. `room` tells how many bytes there are where it
/// lies, if nobody but the variable may write behind it, else 0. 1: there is no memory.
pub(super) extern "C" fn text_extend(host: *mut u8, view: *mut u8, room: *mut u8, piece: *const u8) -> i64 {
    // SAFETY: generated code passes the host, the addresses of two views of texts that live, and of the variable's room.
    unsafe {
        let more = text_of(piece);
        // Behind the text is the variable's own room; the piece may be a part of the text, never of the room.
        extend(host, (view, room), more.len(), |place| {
            place.copy_from_nonoverlapping(more.as_ptr(), more.len());
        })
    }
}

/// As [`text_extend`], with a number's digits.
pub(super) extern "C" fn text_extend_int(host: *mut u8, view: *mut u8, room: *mut u8, number: i64) -> i64 {
    let count = digit_count(number);
    // SAFETY: as for `text_extend`.
    unsafe {
        extend(host, (view, room), count, |place| {
            write_digits(number, place.add(count));
        })
    }
}

/// Makes a text longer by bytes that are written where they belong; 1: there is no memory.
///
/// # Safety
/// As for [`text_extend`].
#[inline]
unsafe fn extend(host: *mut u8, (view, room): (*mut u8, *mut u8), more: usize, write: impl FnOnce(*mut u8)) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        let length = view.cast::<u32>().read() as usize;
        let room = room.cast::<u64>();
        if length + more <= room.read() as usize {
            view.cast::<u32>().write((length + more) as u32);
            let start = view.add(8).cast::<*mut u8>().read_unaligned();
            write(start.add(length));
            return 0;
        }
        let host = &mut *host.cast::<Host>();
        match moved(host, (view, room), more) {
            Ok(start) => {
                write(start.add(length));
                if length + more > SHORT {
                    // A long text's view begins like the text.
                    view.add(4).copy_from_nonoverlapping(start, 4);
                }
                0
            }
            Err(error) => host.failed(error),
        }
    }
}

/// Gives a text that becomes longer twice the room, or keeps it in its view where it is still short; where it begins.
///
/// # Safety
/// As for [`text_extend`].
#[cold]
unsafe fn moved(host: &mut Host, (view, room): (*mut u8, *mut u64), more: usize) -> Result<*mut u8, ExecError> {
    // SAFETY: the caller's promise; the new memory is as long as the text's room.
    unsafe {
        let text = text_of(view);
        let wanted = text.len() + more;
        if u32::try_from(wanted).is_err() {
            return Err(too_long());
        }
        if wanted <= SHORT {
            // What is behind a short text in its view is zeros.
            view.cast::<u32>().write(wanted as u32);
            room.write(0);
            return Ok(view.add(4));
        }
        let bytes = wanted.saturating_mul(2).min(u32::MAX as usize);
        let start = fresh(host, bytes)?;
        start.copy_from_nonoverlapping(text.as_ptr(), text.len());
        view.cast::<u32>().write(wanted as u32);
        view.add(8).cast::<*mut u8>().write_unaligned(start);
        room.write(bytes as u64);
        Ok(start)
    }
}

fn too_long() -> ExecError {
    ExecError::resource("a text has four billion bytes at most".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_display() {
        let edges = [0, 9, 10, 99, 100, 101, 999, 1_000, 65_536, i64::MAX, i64::MIN];
        let powers = (0..19).map(|power| 10i64.pow(power));
        let numbers = edges
            .into_iter()
            .chain(powers.flat_map(|power| [power - 1, power, power + 1]));
        for number in numbers.flat_map(|number| [number, number.wrapping_neg()]) {
            let mut buffer = [0; MOST_DIGITS];
            let text = &mut buffer[..digit_count(number)];
            // SAFETY: the bytes are as many as there are digits.
            unsafe { write_digits(number, text.as_mut_ptr().add(text.len())) };
            assert_eq!(text, number.to_string().as_bytes());
        }
    }
}
