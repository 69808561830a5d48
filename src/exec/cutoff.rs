//! The value that a row must reach to be among the first: the worst first sort key of the best rows so far.
//!
//! For `ORDER BY revenue DESC LIMIT 20` a worker keeps the twenty greatest revenues that it has given; the least of them is the
//! parameter that the pipeline's cutoff compares with.
//!
//! Invariants: the parameter is NULL until as many values as are wanted were seen, and never gets worse.
//!
//! Does not: count NULLs, which only makes the cutoff later than it could be.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::host::text_of;
use crate::plan::physical::{Pipeline, Sink, Step};
use crate::types::Physical;
use crate::types::chunk::string_view;

/// A worker's best keys.
#[derive(Debug)]
pub struct Cutoff {
    column: usize,
    physical: Physical,
    desc: bool,
    wanted: usize,
    best: Best,
    /// 16 bytes of value, then a validity byte.
    cell: Box<[u128; 2]>,
    /// The text that the value points to.
    text: Box<[u8]>,
}

/// The best keys, the worst on top.
#[derive(Debug)]
enum Best {
    /// Ranks; less is better.
    Numbers(BinaryHeap<i128>),
    /// Texts, the least being the best.
    Least(BinaryHeap<Box<[u8]>>),
    /// Texts, the greatest being the best.
    Greatest(BinaryHeap<Reverse<Box<[u8]>>>),
}

impl Cutoff {
    /// The cutoff of a pipeline that has one, and its parameter.
    pub fn of(pipeline: &Pipeline) -> Option<(usize, Self)> {
        let parameter = pipeline.steps.iter().find_map(|step| match step {
            Step::Cutoff { parameter, .. } => Some(*parameter),
            _ => None,
        })?;
        let Sink::Batches { columns, finish, .. } = &pipeline.sink else {
            return None;
        };
        let (column, sort) = finish.sort.first()?;
        let wanted = usize::try_from(finish.limit?.checked_add(finish.offset)?).ok()?;
        let cutoff = Self::new(*column, columns.get(*column)?.ty.physical(), sort.desc, wanted);
        Some((parameter, cutoff))
    }

    fn new(column: usize, physical: Physical, desc: bool, wanted: usize) -> Self {
        Self {
            column,
            physical,
            desc,
            wanted,
            best: match (physical, desc) {
                (Physical::Str, false) => Best::Least(BinaryHeap::new()),
                (Physical::Str, true) => Best::Greatest(BinaryHeap::new()),
                _ => Best::Numbers(BinaryHeap::new()),
            },
            cell: Box::default(),
            text: Box::default(),
        }
    }

    /// Where kernels find the parameter.
    pub fn address(&self) -> u64 {
        self.cell.as_ptr() as u64
    }

    /// The sort key among the sink's columns, and the bytes of its values.
    pub fn column(&self) -> (usize, usize) {
        (self.column, self.physical.bytes())
    }

    /// Takes note of a row's key, as it lies in memory.
    ///
    /// # Safety
    /// The text that a view points to is alive.
    pub unsafe fn saw(&mut self, value: &[u8]) {
        let wanted = self.wanted;
        // SAFETY: views have 16 bytes; the caller's promise.
        let text = || unsafe { text_of(value.as_ptr()) };
        match &mut self.best {
            Best::Numbers(best) => {
                let rank = rank(value, self.physical);
                let rank = if self.desc { !rank } else { rank };
                note(best, wanted, |worst| rank < *worst, || rank);
            }
            Best::Least(best) => note(best, wanted, |worst| *text() < **worst, || text().into()),
            Best::Greatest(best) => note(best, wanted, |worst| *text() > *worst.0, || Reverse(text().into())),
        }
    }

    /// Sets the parameter to the worst key that still counts.
    pub fn publish(&mut self) {
        let worst = match &self.best {
            Best::Numbers(best) if best.len() >= self.wanted => best.peek().map(|worst| {
                let rank = if self.desc { !*worst } else { *worst };
                value_of(rank, self.physical)
            }),
            Best::Least(best) if best.len() >= self.wanted => best.peek().map(|worst| view(&mut self.text, worst)),
            Best::Greatest(best) if best.len() >= self.wanted => {
                best.peek().map(|worst| view(&mut self.text, &worst.0))
            }
            _ => None,
        };
        if let Some(worst) = worst {
            *self.cell = [worst, 1];
        }
    }
}

/// Puts a key among the best, if it belongs there.
fn note<K: Ord>(best: &mut BinaryHeap<K>, wanted: usize, is_better: impl Fn(&K) -> bool, key: impl Fn() -> K) {
    if best.len() < wanted {
        best.push(key());
    } else if let Some(mut worst) = best.peek_mut()
        && is_better(&worst)
    {
        *worst = key();
    }
}

/// The view of a text, which stays in `place`.
fn view(place: &mut Box<[u8]>, text: &[u8]) -> u128 {
    if **place != *text {
        *place = text.into();
    }
    string_view(place)
}

/// A number that orders as the value does.
fn rank(value: &[u8], physical: Physical) -> i128 {
    let mut bytes = [0; 16];
    bytes[..value.len()].copy_from_slice(value);
    let bits = u128::from_le_bytes(bytes);
    match physical {
        Physical::F32 => flipped(i64::from(f32::from_bits(bits as u32).to_bits() as i32), 31).into(),
        Physical::F64 => flipped(bits as u64 as i64, 63).into(),
        _ => {
            let unused = 128 - 8 * value.len();
            (bits as i128) << unused >> unused
        }
    }
}

/// The bits of a value of this rank.
fn value_of(rank: i128, physical: Physical) -> u128 {
    match physical {
        Physical::F32 => u128::from(flipped(rank as i64, 31) as u32),
        Physical::F64 => u128::from(flipped(rank as i64, 63) as u64),
        _ => rank as u128,
    }
}

/// The bits of a float as an integer of the same order (IEEE 754 `totalOrder`), and back.
fn flipped(bits: i64, sign: u32) -> i64 {
    bits ^ ((bits >> 63) & ((1i64 << (sign - 1) << 1).wrapping_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cutoff(physical: Physical, desc: bool, wanted: usize) -> Cutoff {
        Cutoff::new(0, physical, desc, wanted)
    }

    fn saw(cutoff: &mut Cutoff, value: &[u8]) {
        // SAFETY: the texts of the tests are short or live as long as the tests.
        unsafe { cutoff.saw(value) };
    }

    #[test]
    fn the_parameter_is_the_worst_of_the_wanted() {
        for (desc, expected) in [(true, 7i64), (false, -4)] {
            let mut cutoff = cutoff(Physical::I64, desc, 2);
            for value in [3i64, 7, -4, 9, -5] {
                saw(&mut cutoff, &value.to_le_bytes());
                cutoff.publish();
            }
            assert_eq!((cutoff.cell[0] as i64, cutoff.cell[1]), (expected, 1));
        }
        let mut few = cutoff(Physical::I64, false, 3);
        saw(&mut few, &1i64.to_le_bytes());
        few.publish();
        assert_eq!(few.cell[1], 0);
    }

    #[test]
    fn texts_are_cut_off_at_the_worst_of_the_wanted() {
        for (desc, expected) in [(true, "the second greatest of them"), (false, "b")] {
            let mut cutoff = cutoff(Physical::Str, desc, 2);
            for text in ["m", "the second greatest of them", "a", "zz", "b", "k"] {
                saw(&mut cutoff, &string_view(text.as_bytes()).to_le_bytes());
                cutoff.publish();
            }
            assert_eq!((cutoff.cell[0], cutoff.cell[1]), (string_view(&cutoff.text), 1));
            assert_eq!(*cutoff.text, *expected.as_bytes());
        }
    }

    #[test]
    fn floats_rank_in_total_order_and_come_back() {
        let doubles = [f64::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-300, 3.5, f64::INFINITY, f64::NAN];
        let ranks: Vec<i128> = doubles.iter().map(|d| rank(&d.to_le_bytes(), Physical::F64)).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        for (double, rank) in doubles.iter().zip(ranks) {
            assert_eq!(value_of(rank, Physical::F64), u128::from(double.to_bits()));
        }
        let reals = [-1.5f32, -0.0, 0.0, 2.0];
        let ranks: Vec<i128> = reals.iter().map(|r| rank(&r.to_le_bytes(), Physical::F32)).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        for (real, rank) in reals.iter().zip(ranks) {
            assert_eq!(value_of(rank, Physical::F32) as u32, real.to_bits());
        }
    }
}
