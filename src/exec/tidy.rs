//! Gives back what a body has made and nobody reaches any more.
//!
//! A loop makes a text in each round. When some megabytes were made since the routine began, what its variables hold is copied to
//! another place, and all that was made since is forgotten.
//!
//! Invariants: what was there before the routine began stays where it is, for those who have called it; what several variables
//! share they share afterwards; a cell that holds nothing is left alone.
//!
//! Does not: know which variables there are; generated code passes all of them.

use std::collections::HashMap;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ExecError;
use super::host::{CELL_BYTES, Host, VALID_AT, text_of};
use super::nested::{length, room};
use super::routine::hand_over;
use crate::compile::frame::{MARK_BYTES, MARK_COUNT, MARK_LIMIT};
use crate::types::nested::{ELEMENTS_AT, Made, NestedLayout, Objects, Shape, array_bytes};
use crate::types::{LogicalType, Physical};

/// So many bytes are made before it is worth a look: this share of what is left of the memory limit, within bounds.
const SHARE: usize = 16;
const LEAST_BYTES: usize = 4 << 20;
const MOST_BYTES: usize = 32 << 20;
/// So many times what is kept is made before the next look.
const TIMES: usize = 3;
/// Texts of so many bytes lie in their view.
const SHORT: usize = 12;
const WORD_BYTES: usize = 16;

/// What there was when a routine began, and how much there may be before something is given back.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Mark {
    /// Where it is counted how many words there are.
    count: *const usize,
    limit_words: i64,
    made: Made,
    before_bytes: usize,
}

const _: () = assert!(
    size_of::<Mark>() <= MARK_BYTES
        && offset_of!(Mark, count) == MARK_COUNT as usize
        && offset_of!(Mark, limit_words) == MARK_LIMIT as usize
);

/// Writes the mark of a routine that begins.
pub(super) extern "C" fn mark(host: *mut u8, mark: *mut u8) -> i64 {
    // SAFETY: the frame's host slot holds the kernel's `Host`, which nothing else uses meanwhile; a mark has room for one.
    unsafe {
        let host = host.cast::<Host>();
        let count = Objects::count_of(&raw const (*host).arena);
        let host = &*host;
        let before_bytes = host.arena.bytes();
        mark.cast::<Mark>().write_unaligned(Mark {
            count,
            limit_words: words(before_bytes + worth_bytes(host)),
            made: host.arena.made(),
            before_bytes,
        });
    }
    0
}

fn words(bytes: usize) -> i64 {
    i64::try_from(bytes / WORD_BYTES).unwrap_or(i64::MAX)
}

fn worth_bytes(host: &Host) -> usize {
    (host.left_bytes() / SHARE).clamp(LEAST_BYTES, MOST_BYTES)
}

/// 0: the cells hold what they held, and nothing else is there that was made since.
pub(super) extern "C" fn tidy(host: *mut u8, number: i64, mark: *mut u8, cells: *mut u8) -> i64 {
    // SAFETY: as above; generated code passes the cells of what is kept under this number.
    let (host, since) = unsafe { (&mut *host.cast::<Host>(), mark.cast::<Mark>().read_unaligned()) };
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    // SAFETY: as above.
    let tidied = catch_unwind(AssertUnwindSafe(|| unsafe { move_all(host, number, since, cells) }));
    match tidied.unwrap_or_else(|_| Err(ExecError::internal("memory of a body could not be given back"))) {
        Ok(limit_bytes) => {
            let limit_words = words(limit_bytes);
            // SAFETY: as above.
            unsafe { mark.cast::<Mark>().write_unaligned(Mark { limit_words, ..since }) };
            0
        }
        Err(error) => {
            host.error = Some(error);
            1
        }
    }
}

/// How much there may be now before the next look.
///
/// # Safety
/// `cells` has a cell for each type that is kept under this number.
unsafe fn move_all(host: &mut Host, number: usize, since: Mark, cells: *mut u8) -> Result<usize, ExecError> {
    host.cancel.check()?;
    // Rows that were collected refer to what was made.
    hand_over(host)?;
    let code = host.code.clone();
    let types = code
        .kept
        .get(number)
        .ok_or_else(|| ExecError::internal("unknown variables are kept"))?;
    let bytes = host.arena.bytes();
    let made_bytes = bytes.saturating_sub(since.before_bytes);
    // SAFETY: the caller's promise.
    if host.admit(made_bytes).is_err() && unsafe { host.admit_values(cells, types) }.is_err() {
        // There is no room to do it in.
        host.settle()?;
        return Ok(2 * bytes);
    }
    let mut moving = Moving {
        places: host.arena.places_since(since.made),
        moved: HashMap::new(),
        objects: Objects::default(),
    };
    for (at, ty) in types.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { moving.cell(cells.add(CELL_BYTES * at), ty) };
    }
    host.arena.forget_since(since.made);
    host.arena.absorb(moving.objects);
    host.maps.forget();
    host.settle()?;
    let kept = host.arena.bytes().saturating_sub(since.before_bytes);
    Ok(since.before_bytes + (TIMES + 1) * kept + worth_bytes(host))
}

/// Copies of what lies in certain places.
struct Moving {
    /// Addresses from one up to another, in their order.
    places: Vec<(u64, u64)>,
    /// Where objects and long texts are now.
    moved: HashMap<u64, u64>,
    objects: Objects,
}

impl Moving {
    /// # Safety
    /// `cell` is the address of a cell with a value of this type, or of a variable that has none yet.
    unsafe fn cell(&mut self, cell: *mut u8, ty: &LogicalType) {
        // SAFETY: the caller's promise.
        unsafe {
            if ty.is_nested() && cell.cast::<u64>().read_unaligned() == 0 {
                cell.add(VALID_AT).write(0);
            }
            if cell.add(VALID_AT).read() != 0 {
                self.part(cell, &Shape::of(ty));
            }
        }
    }

    fn concerns(&self, address: u64) -> bool {
        let at = self.places.partition_point(|(start, _)| *start <= address);
        let place = at.checked_sub(1).and_then(|at| self.places.get(at));
        place.is_some_and(|(_, end)| address < *end)
    }

    /// Moves what a value points to.
    ///
    /// # Safety
    /// `at` holds a value of this shape, which is not NULL.
    unsafe fn part(&mut self, at: *mut u8, shape: &Shape) {
        // SAFETY: the caller's promise; a long text has its address in the second half of its view.
        unsafe {
            let place = match shape {
                Shape::Flat(Physical::Str) if text_of(at).len() > SHORT => at.add(8).cast::<u64>(),
                Shape::Nested(_) => at.cast::<u64>(),
                Shape::Flat(_) => return,
            };
            let old = place.read_unaligned();
            if old == 0 || !self.concerns(old) {
                return;
            }
            let new = match self.moved.get(&old) {
                Some(new) => *new,
                None => {
                    let new = match shape {
                        Shape::Nested(layout) => self.object(old as *const u8, layout),
                        Shape::Flat(_) => self.copied(old as *const u8, text_of(at).len()),
                    };
                    self.moved.insert(old, new);
                    new
                }
            };
            place.write_unaligned(new);
        }
    }

    /// # Safety
    /// So many bytes are there.
    unsafe fn copied(&mut self, from: *const u8, bytes: usize) -> u64 {
        let new = self.objects.zeros(bytes);
        // SAFETY: the caller's promise; the new memory has as many.
        unsafe { (new as *mut u8).copy_from_nonoverlapping(from, bytes) };
        new
    }

    /// # Safety
    /// `old` is an object of this layout.
    unsafe fn object(&mut self, old: *const u8, layout: &NestedLayout) -> u64 {
        // SAFETY: the caller's promise; an object is as long as its layout, or its room, says. Parts that are there are moved.
        unsafe {
            match layout {
                NestedLayout::Array { item } => {
                    let (stride, flags) = (item.bytes(), ELEMENTS_AT + room(old) * item.bytes());
                    let new = self.copied(old, array_bytes(room(old), stride));
                    if matches!(item, Shape::Nested(_) | Shape::Flat(Physical::Str)) {
                        for i in (0..length(old)).filter(|i| old.add(flags + i).read() != 0) {
                            self.part((new as *mut u8).add(ELEMENTS_AT + i * stride), item);
                        }
                    }
                    new
                }
                NestedLayout::Struct { fields, bytes } => {
                    let new = self.copied(old, *bytes);
                    for (i, field) in fields.iter().enumerate() {
                        if old.add(i).read() != 0 {
                            self.part((new as *mut u8).add(field.offset), &field.shape);
                        }
                    }
                    new
                }
            }
        }
    }
}
