//! Gives back what a body has made and nobody reaches any more.
//!
//! A loop takes batch after batch of a stream. When some megabytes were made since the routine began, what its variables hold is read, all
//! that was made since is forgotten, and what was read is made again.
//!
//! Invariants: what was there before the routine began stays where it is, for those who have called it; a cell that holds nothing
//! is left alone.
//!
//! Does not: know which variables there are; generated code passes all of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ExecError;
use super::host::{CELL_BYTES, Host, VALID_AT, cell_value};
use super::routine::{hand_over, put};
use crate::types::nested::Made;
use crate::types::{LogicalType, Value};

/// So many bytes are made before it is worth a look.
const WORTH_BYTES: usize = 4 << 20;

/// What there was when a routine began, and how much there may be before something is given back.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Mark {
    made: Made,
    limit_bytes: usize,
    before_bytes: usize,
}

const _: () = assert!(size_of::<Mark>() <= 64);

/// Writes the mark of a routine that begins.
pub(super) extern "C" fn mark(host: *mut u8, mark: *mut u8) -> i64 {
    // SAFETY: the frame's host slot holds the kernel's `Host`, which nothing else uses meanwhile; a mark has room for one.
    unsafe {
        let host = &mut *host.cast::<Host>();
        mark.cast::<Mark>().write_unaligned(Mark {
            made: host.arena.made(),
            limit_bytes: host.arena.bytes() + WORTH_BYTES,
            before_bytes: host.arena.bytes(),
        });
    }
    0
}

/// 1: much was made since.
pub(super) extern "C" fn crowded(host: *mut u8, mark: *mut u8) -> i64 {
    // SAFETY: as above; the mark was set.
    let (host, mark) = unsafe { (&*host.cast::<Host>(), mark.cast::<Mark>().read_unaligned()) };
    i64::from(host.arena.bytes() > mark.limit_bytes)
}

/// 0: the cells hold what they held, and nothing else is there that was made since.
pub(super) extern "C" fn tidy(host: *mut u8, question: i64, mark: *mut u8, cells: *mut u8) -> i64 {
    // SAFETY: as above; generated code passes the cells of this question.
    let (host, since) = unsafe { (&mut *host.cast::<Host>(), mark.cast::<Mark>().read_unaligned()) };
    let number = usize::try_from(question).unwrap_or(usize::MAX);
    // SAFETY: as above.
    let tidied = catch_unwind(AssertUnwindSafe(|| unsafe { move_all(host, number, since, cells) }));
    match tidied.unwrap_or_else(|_| Err(ExecError::internal("memory of a body could not be given back"))) {
        Ok(now) => {
            // SAFETY: as above.
            unsafe { mark.cast::<Mark>().write_unaligned(now) };
            0
        }
        Err(error) => {
            host.error = Some(error);
            1
        }
    }
}

/// # Safety
/// `cells` has a cell for each variable of the question.
unsafe fn move_all(host: &mut Host, number: usize, since: Mark, cells: *mut u8) -> Result<Mark, ExecError> {
    let questions = host.asking.as_ref().map(|asking| asking.questions.clone());
    let types = questions.as_ref().and_then(|questions| questions.get(number));
    let types = types.ok_or_else(|| ExecError::internal("an unknown question"))?;
    // Rows that were collected refer to what was made.
    hand_over(host)?;
    let before = host.arena.bytes();
    // SAFETY: the caller's promise.
    if unsafe { host.admit_values(cells, &types.taken) }.is_err() {
        // There is no room to do it in.
        host.settle()?;
        return Ok(Mark {
            limit_bytes: 2 * before,
            ..since
        });
    }
    // SAFETY: the caller's promise.
    let held = types
        .taken
        .iter()
        .enumerate()
        .map(|(at, ty)| unsafe { held(cells.add(CELL_BYTES * at), ty) });
    let held: Vec<Value> = held.collect();
    host.arena.forget_since(since.made);
    host.maps.forget();
    for (at, (value, ty)) in held.iter().zip(&types.taken).enumerate() {
        let bits = host.arena.bits(value, ty);
        // SAFETY: the caller's promise.
        unsafe { put(cells.add(CELL_BYTES * at), bits) };
    }
    host.settle()?;
    let kept = host.arena.bytes().saturating_sub(since.before_bytes);
    Ok(Mark {
        limit_bytes: since.before_bytes + 2 * kept + WORTH_BYTES,
        ..since
    })
}

/// The value of a cell; NULL if it is one of a variable that has none yet.
///
/// # Safety
/// `cell` is the address of a cell with a value of this type.
unsafe fn held(cell: *mut u8, ty: &LogicalType) -> Value {
    // SAFETY: the caller's promise.
    unsafe {
        if ty.is_nested() && cell.cast::<u64>().read_unaligned() == 0 {
            cell.add(VALID_AT).write(0);
        }
        cell_value(cell, ty)
    }
}
