//! The groups that a worker fills: a table of its own, or stretches of one that all workers fill.
//!
//! Lineitem lies in the order of `l_orderkey`: of six million places, one worker's morsels fall into the first half and the
//! other's into the second, so both fill one table, and nothing is to be merged. Of data in any order, the first morsel
//! claims nearly all places; workers that come later fill tables of their own.
//!
//! Invariants: a place of the shared table is filled by one worker, who has claimed it before its first row; what keys a
//! morsel has is read from the keys themselves, not from statistics.
//!
//! Does not: merge.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex};

use super::held::HeldChunk;
use super::memory::Budget;
use super::run::lock;
use super::tables::Groups;
use super::{ExecError, simd};
use crate::formats::Rows;
use crate::plan::physical::logical::ExprKind;
use crate::plan::physical::{Binding, Dim, GroupStrategy, GroupTable, Pipeline, Sink, SourceKind};
use crate::types::{ColumnChunk, Physical};

/// Smaller tables stay in a worker's cache, where nobody should write beside it.
const LEAST_SHARED_BYTES: u64 = 1 << 20;

/// A directly addressed table of all workers.
#[derive(Debug)]
pub struct SharedGroups {
    /// The groups.
    pub groups: Arc<Groups>,
    /// The first key: which field of the scanned source it is, and what its places are.
    field: usize,
    stored: Physical,
    dim: Dim,
    /// Places for each value of the first key.
    places: u64,
    claims: Mutex<Claims>,
}

/// Which worker has which values of the first key; claims of different workers do not overlap.
type Claims = BTreeMap<i64, (i64, usize)>;

impl SharedGroups {
    /// A table for a pipeline that groups by a column it scans; `None` if that would gain nothing.
    pub fn of(
        pipeline: &Pipeline,
        table: &GroupTable,
        threads: usize,
        budget: &Arc<Budget>,
    ) -> Result<Option<Self>, ExecError> {
        let GroupStrategy::Direct { dims, size } = &table.strategy else {
            return Ok(None);
        };
        let (Some((field, stored)), Some(dim)) = (first_key(pipeline), dims.first()) else {
            return Ok(None);
        };
        if threads < 2 || size * u64::from(table.layout.stride) < LEAST_SHARED_BYTES {
            return Ok(None);
        }
        Ok(Some(Self {
            groups: Arc::new(Groups::new(table, budget)?),
            field,
            stored,
            dim: *dim,
            places: size / dim.size.max(1),
            claims: Mutex::default(),
        }))
    }

    /// Claims the places of the rows for a worker: false if some are another worker's.
    fn claim(&self, worker: usize, keys: &RangeInclusive<i64>) -> bool {
        let (mut low, mut high) = (*keys.start(), *keys.end());
        let mut claims = lock(&self.claims);
        let touched = claims.range(..=high).rev().take_while(|(_, (end, _))| *end >= low);
        let touched: Vec<(i64, (i64, usize))> = touched.map(|(start, claim)| (*start, *claim)).collect();
        if touched.iter().any(|(_, (_, owner))| *owner != worker) {
            return false;
        }
        for (start, (end, _)) in touched {
            claims.remove(&start);
            (low, high) = (low.min(start), high.max(end));
        }
        claims.insert(low, (high, worker));
        true
    }

    /// The places of keys; all of them if the keys are not known.
    fn places_of(&self, keys: Option<&RangeInclusive<i64>>) -> Range<usize> {
        let place = |key: i64| (key.wrapping_sub(self.dim.min).cast_unsigned() * self.places) as usize;
        match keys {
            Some(keys) => place(*keys.start())..place(*keys.end()) + self.places as usize,
            None => 0..(self.dim.size * self.places) as usize,
        }
    }
}

/// The field of the scanned source that is the first key, and how it is stored.
fn first_key(pipeline: &Pipeline) -> Option<(usize, Physical)> {
    let Sink::Aggregate { keys, .. } = &pipeline.sink else {
        return None;
    };
    let source = &pipeline.sources[0];
    let (SourceKind::Table { .. } | SourceKind::Temp(_)) = source.kind else {
        return None;
    };
    let ExprKind::Column(id) = keys.first()?.kind else {
        return None;
    };
    match pipeline.bindings.get(&id)? {
        Binding::Field { source: 0, field } => Some((*field, source.fields[*field].facts.stored)),
        _ => None,
    }
}

/// The least and the greatest key of some rows; `None` if one is NULL.
fn keys_of(chunk: &ColumnChunk, stored: Physical, rows: &Rows) -> Option<RangeInclusive<i64>> {
    let mut all: Option<(i64, i64)> = None;
    for range in rows.ranges() {
        if let Some(validity) = &chunk.validity
            && validity.get(range.clone())?.contains(&0)
        {
            return None;
        }
        let (low, high) = match stored {
            Physical::I8 => part::<i8>(chunk, range)?,
            Physical::I16 => part::<i16>(chunk, range)?,
            Physical::I32 => part::<i32>(chunk, range)?,
            Physical::I64 => part::<i64>(chunk, range)?,
            _ => return None,
        };
        all = Some(all.map_or((low, high), |(least, most)| (least.min(low), most.max(high))));
    }
    all.map(|(low, high)| low..=high)
}

fn part<T>(chunk: &ColumnChunk, rows: &Range<usize>) -> Option<(i64, i64)>
where
    T: arrow::datatypes::ArrowNativeType + Ord + Into<i64>,
{
    let (low, high) = simd::bounds(chunk.values.typed_data::<T>().get(rows.clone())?)?;
    Some((low.into(), high.into()))
}

/// What a worker fills.
#[derive(Debug)]
pub struct GroupSink {
    worker: usize,
    shared: Option<Arc<SharedGroups>>,
    own: Option<Groups>,
    /// Places of the worker's own table that rows may have come to, where there is a shared one.
    touched: Option<Range<usize>>,
    /// Whether the rows of the morsel at hand go to the shared table; `None` before the first of them.
    shares: Option<bool>,
}

impl GroupSink {
    /// Nothing yet.
    pub fn new(worker: usize, shared: Option<Arc<SharedGroups>>) -> Self {
        Self {
            worker,
            shared,
            own: None,
            touched: None,
            shares: None,
        }
    }

    /// The next rows are of another morsel.
    pub fn next_morsel(&mut self) {
        self.shares = None;
    }

    /// The table for `count` rows of a morsel, with room for as many new groups. `loaded` are the chunks of the scanned
    /// source, the keys among them.
    pub fn table(
        &mut self,
        table: &GroupTable,
        (rows, loaded): (&Rows, &[Option<HeldChunk>]),
        count: usize,
        budget: &Arc<Budget>,
    ) -> Result<&Groups, ExecError> {
        if let Some(shared) = &self.shared {
            let shares = *self.shares.get_or_insert_with(|| {
                let chunk = loaded.get(shared.field).and_then(Option::as_ref);
                let keys = chunk.and_then(|chunk: &HeldChunk| keys_of(chunk, shared.stored, rows));
                if keys.as_ref().is_some_and(|keys| shared.claim(self.worker, keys)) {
                    return true;
                }
                let places = shared.places_of(keys.as_ref());
                self.touched = Some(match &self.touched {
                    Some(touched) => touched.start.min(places.start)..touched.end.max(places.end),
                    None => places,
                });
                false
            });
            if shares {
                return Ok(&shared.groups);
            }
        }
        let own = match self.own.take() {
            Some(own) => own,
            None => Groups::new(table, budget)?,
        };
        let own = self.own.insert(own);
        own.make_room(count, budget)?;
        Ok(own)
    }

    /// A kernel has added groups: that many rows are in use.
    pub fn wrote(&mut self, used: usize) {
        if let Some(own) = self.own.as_mut().filter(|own| own.size.is_none()) {
            own.rows.count = used;
        }
    }

    /// The address of the first row of the worker's own groups, and which rows are in use; `None` if there are none, or if others fill
    /// the same table.
    pub fn own_rows(&self) -> Option<(*mut u8, Range<usize>)> {
        let own = self.own.as_ref().filter(|_| self.shared.is_none())?;
        let rows = match own.size {
            Some(size) => 0..size,
            None => 1..own.rows.count,
        };
        Some((own.rows.address(), rows))
    }

    /// The worker's own groups, if it has any.
    pub fn finish(self) -> Option<Groups> {
        let mut own = self.own?;
        if let Some(touched) = self.touched {
            own.touched = touched;
        }
        Some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::physical::RowLayout;

    fn shared() -> SharedGroups {
        let dim = Dim {
            min: -100,
            size: 1000,
            nullable: false,
        };
        let table = GroupTable {
            strategy: GroupStrategy::Direct {
                dims: vec![dim],
                size: 1000,
            },
            layout: RowLayout::default(),
            key_count: 0,
            states: Vec::new(),
            aggregates: Vec::new(),
        };
        SharedGroups {
            groups: Arc::new(Groups::new(&table, &Budget::new(1 << 20)).expect("room")),
            field: 0,
            stored: Physical::I64,
            dim,
            places: 3,
            claims: Mutex::default(),
        }
    }

    #[test]
    fn what_one_worker_has_claimed_no_other_gets() {
        let shared = shared();
        assert!(shared.claim(0, &(0..=10)));
        assert!(!shared.claim(1, &(10..=20)));
        assert!(shared.claim(1, &(11..=20)));
        assert!(shared.claim(0, &(-5..=4)));
        assert!(!shared.claim(0, &(-50..=11)));
        assert!(shared.claim(1, &(15..=30)));
        assert!(!shared.claim(2, &(-3..=-3)));
        assert!(shared.claim(2, &(31..=31)));
        let claims: Vec<_> = lock(&shared.claims).clone().into_iter().collect();
        assert_eq!(claims, [(-5, (10, 0)), (11, (30, 1)), (31, (31, 2))]);
        assert_eq!(shared.places_of(Some(&(-100..=-99))), 0..6);
        assert_eq!(shared.places_of(None), 0..3000);
    }

    #[test]
    fn keys_are_read_from_the_rows_themselves() {
        let chunk = ColumnChunk {
            rows: 5,
            values: arrow::buffer::Buffer::from_vec(vec![7i16, -3, 0, 9, 4]),
            validity: Some(arrow::buffer::Buffer::from_vec(vec![1u8, 1, 0, 1, 1])),
            owners: Vec::new(),
        };
        let keys = |rows| keys_of(&chunk, Physical::I16, &rows);
        assert_eq!(keys(Rows::of([0..2, 3..5])), Some(-3..=9));
        assert_eq!(keys(Rows::range(1..4)), None);
        assert_eq!(keys(Rows::default()), None);
    }
}
