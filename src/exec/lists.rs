//! Lists that grow: the states of `array_agg`.
//!
//! A group's state is the address of a [`Growing`] list, 0 before its first row; each row appends the bytes of its value and a
//! validity byte, and the result copies both into an array object, in the order that the rows have in the source of the pipeline:
//! each worker takes the morsels of the source in turn, so a list is a series of runs, each of the rows of one morsel, and two
//! workers' lists of morsels 0, 2 and 1, 3 become one of 0, 1, 2, 3.
//!
//! Invariants: a list is changed by one thread at a time: its worker while the pipeline runs, and whoever merges the groups after
//! that; it lives as long as the [`Lists`] of the worker that began it, which the query keeps to its end.
//!
//! Does not: look at the values.

use std::ops::Range;

use crate::types::nested::Objects;

/// One group's values so far, in the natural layout of their type.
#[derive(Debug, Default)]
struct Growing {
    values: Vec<u8>,
    valid: Vec<u8>,
    /// The morsels of the first value and of the last one.
    morsels: [u64; 2],
    /// Where the rows of another morsel begin.
    runs: Vec<Run>,
}

/// The values of one morsel, up to the next run.
#[derive(Clone, Copy, Debug)]
struct Run {
    morsel: u64,
    /// How many values are before.
    start: usize,
}

/// The lists that one worker began.
#[derive(Debug, Default)]
pub struct Lists {
    // INVARIANT: boxed, since rows of group tables hold their addresses.
    #[allow(clippy::vec_box)]
    all: Vec<Box<Growing>>,
    bytes: usize,
    /// The number of the morsel whose rows are added.
    morsel: u64,
}

impl Growing {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.capacity() + self.valid.capacity() + self.runs.capacity() * size_of::<Run>()
    }

    /// The values that come now are of this morsel.
    fn enter(&mut self, morsel: u64) {
        let start = self.valid.len();
        if start == 0 {
            self.morsels[0] = morsel;
        } else if self.morsels[1] != morsel {
            self.runs.push(Run { morsel, start });
        }
        self.morsels[1] = morsel;
    }

    /// Bytes of a value.
    fn stride(&self) -> usize {
        self.values.len().checked_div(self.valid.len()).unwrap_or(0)
    }

    /// The values lie in the order of their morsels.
    fn in_order(&self) -> bool {
        self.runs.is_sorted_by_key(|run| run.morsel) && self.runs.first().is_none_or(|run| run.morsel > self.morsels[0])
    }

    /// The numbers of the values in the order of their morsels.
    fn order(&self) -> Vec<Range<usize>> {
        let first = Run {
            morsel: self.morsels[0],
            start: 0,
        };
        let ends = self.runs.iter().map(|run| run.start).chain([self.valid.len()]);
        let mut runs: Vec<(u64, Range<usize>)> = std::iter::once(&first)
            .chain(&self.runs)
            .zip(ends)
            .map(|(run, end)| (run.morsel, run.start..end))
            .collect();
        runs.sort_by_key(|(morsel, _)| *morsel);
        runs.into_iter().map(|(_, values)| values).collect()
    }
}

/// Where a state lies in its group's row.
type Place = *mut u64;

impl Lists {
    /// Bytes of memory that its lists were grown by.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is added from now on is of this morsel.
    pub fn enter(&mut self, morsel: usize) {
        self.morsel = morsel as u64;
    }

    /// Appends a value of so many bytes.
    ///
    /// # Safety
    /// `place` holds 0 or the address of a list; `value` is `None` or the address of so many bytes.
    pub unsafe fn add(&mut self, place: Place, value: Option<*const u8>, stride: usize) {
        // SAFETY: the caller's promise; nothing else refers to the list.
        let list = unsafe { &mut *self.at(place) };
        let before = list.bytes();
        list.enter(self.morsel);
        list.valid.push(value.is_some().into());
        match value {
            // SAFETY: the caller's promise.
            Some(at) => list
                .values
                .extend_from_slice(unsafe { std::slice::from_raw_parts(at, stride) }),
            None => list.values.resize(list.values.len() + stride, 0),
        }
        self.bytes += list.bytes() - before;
    }

    /// Appends the values of another group's state, which is left without any.
    ///
    /// # Safety
    /// Both hold 0 or the address of a list, not the same one.
    pub unsafe fn merge(&mut self, into: Place, from: Place) {
        // SAFETY: the caller's promise.
        unsafe {
            let other = from.read_unaligned();
            if other == 0 {
                return;
            }
            if into.read_unaligned() == 0 {
                return into.write_unaligned(other);
            }
            let (list, other) = (&mut *self.at(into), &mut *(other as *mut Growing));
            let before = list.bytes();
            if other.valid.is_empty() {
                return;
            }
            let moved = list.valid.len();
            list.enter(other.morsels[0]);
            list.morsels[1] = other.morsels[1];
            list.runs
                .extend(std::mem::take(&mut other.runs).into_iter().map(|run| Run {
                    start: run.start + moved,
                    ..run
                }));
            list.values.extend_from_slice(&std::mem::take(&mut other.values));
            list.valid.extend_from_slice(&std::mem::take(&mut other.valid));
            self.bytes += list.bytes() - before;
        }
    }

    /// # Safety
    /// `place` holds 0 or the address of a list.
    unsafe fn at(&mut self, place: Place) -> *mut Growing {
        // SAFETY: the caller's promise.
        unsafe {
            if place.read_unaligned() == 0 {
                let mut list = Box::<Growing>::default();
                place.write_unaligned(std::ptr::from_mut(&mut *list) as u64);
                self.bytes += list.bytes();
                self.all.push(list);
            }
            place.read_unaligned() as *mut Growing
        }
    }
}

/// Memory that a list asks for when it gets so many values of so many bytes: what it has is there until all is copied.
///
/// # Safety
/// `place` holds 0 or the address of a list.
pub unsafe fn grows(place: Place, (count, stride): (usize, usize)) -> usize {
    // SAFETY: the caller's promise.
    let Some(list) = (unsafe { (place.read_unaligned() as *const Growing).as_ref() }) else {
        return 0;
    };
    let grown = |bytes: &Vec<u8>, more: usize| match bytes.capacity() - bytes.len() {
        room if room >= more => 0,
        _ => (2 * bytes.capacity()).max(bytes.len() + more),
    };
    grown(&list.values, count * stride) + grown(&list.valid, count)
}

/// The same for a list that gets the values of another.
///
/// # Safety
/// As for [`Lists::merge`].
pub unsafe fn grows_by_merge(into: Place, from: Place) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        match (from.read_unaligned() as *const Growing).as_ref() {
            Some(other) if !other.valid.is_empty() => grows(into, (other.valid.len(), other.stride())),
            _ => 0,
        }
    }
}

/// Bytes that [`finished`] needs: the array, a copy of the values if they are put in order, and as much as the array's memory
/// grows by.
///
/// # Safety
/// As for [`finished`].
pub unsafe fn finishing_bytes(state: u64) -> usize {
    // SAFETY: the caller's promise.
    let list = unsafe { (state as *const Growing).as_ref() };
    list.map_or(0, |list| {
        let copies = if list.in_order() { 2 } else { 3 };
        copies * (list.values.len() + list.valid.len())
    })
}

/// The array of a state's values; 0 of 0.
///
/// # Safety
/// `state` is 0 or the address of a list that nobody changes any more.
pub unsafe fn finished(state: u64, objects: &mut Objects) -> u64 {
    if state == 0 {
        return 0;
    }
    // SAFETY: the caller's promise.
    let list = unsafe { &*(state as *const Growing) };
    if list.in_order() {
        return objects.array_of_bytes(&list.values, &list.valid);
    }
    let (order, stride) = (list.order(), list.stride());
    let valid: Vec<u8> = order.iter().flat_map(|run| &list.valid[run.clone()]).copied().collect();
    let values = order
        .iter()
        .map(|run| &list.values[run.start * stride..run.end * stride]);
    objects.array_of_bytes(&values.collect::<Vec<_>>().concat(), &valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(lists: &mut Lists, place: &mut u64, morsel: usize, values: &[Option<i64>]) {
        lists.enter(morsel);
        for value in values {
            let at = value.as_ref().map(|value| std::ptr::from_ref(value).cast::<u8>());
            // SAFETY: the place holds 0 or what this gave it, the value has eight bytes.
            unsafe { lists.add(place, at, 8) };
        }
    }

    #[test]
    fn lists_of_two_workers_come_in_the_order_of_the_morsels() {
        let (mut one, mut other) = (Lists::default(), Lists::default());
        let (mut into, mut from) = (0, 0);
        added(&mut one, &mut into, 0, &[Some(1), Some(2)]);
        added(&mut one, &mut into, 2, &[Some(5)]);
        added(&mut other, &mut from, 1, &[Some(3), None]);
        added(&mut other, &mut from, 3, &[Some(6)]);
        // SAFETY: both are lists, which live as long as what began them.
        let list = unsafe {
            one.merge(&mut into, &mut from);
            &*(into as *const Growing)
        };
        assert!(!list.in_order());
        assert_eq!(list.order(), [0..2, 3..5, 2..3, 5..6]);
        assert_eq!((list.valid.as_slice(), list.stride()), (&[1, 1, 1, 1, 0, 1][..], 8));
    }
}
