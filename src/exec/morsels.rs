//! What a pipeline's source is cut into: the parts that workers take, one after the other.
//!
//! `WHERE l_shipdate >= DATE '1998-11-01'` on a table sorted by it: 52 of 53 units have no candidates, the last one is a
//! morsel of the rows of its last page, and no other page of any column is read.
//!
//! Invariants: every row that may be wanted is in exactly one morsel; all morsels of a unit ask for the same rows of
//! its columns, so that each column is decoded once. A LIMIT that may end a scan early is the exception: its first
//! morsels are small, and ask for no more than the unit's rows so far.
//!
//! Does not: read.

use std::ops::Range;

use super::ExecError;
use super::run::{Query, RANGE_UNIT_BITS};
use crate::compile::BLOCK_ROWS;
use crate::formats::{Bound, Relation, Rows};
use crate::plan::physical::logical::{CompareOp, Expr, ExprKind};
use crate::plan::physical::{Binding, Pipeline, SourceKind, Step};

/// Rows of a morsel, at most.
pub const MORSEL_ROWS: usize = 1 << 16;
/// With so many units for each worker, a unit is one morsel.
const UNITS_PER_WORKER: usize = 6;
/// Sources with fewer rows than that many full morsels are cut into so many for each worker, as far as rows suffice.
const MORSELS_PER_WORKER: usize = 4;
/// Rows of a morsel of a table, at least: what a unit's columns are read for.
const LEAST_TABLE_ROWS: usize = 4 * BLOCK_ROWS;

/// A part of a source.
#[derive(Clone, Debug)]
pub struct Morsel {
    /// Unit of the relation, batch of the intermediate result, or 0.
    pub unit: usize,
    /// Rows of it.
    pub rows: Rows,
    /// The rows that columns are read for, if not all of the unit.
    pub wanted: Option<Rows>,
}

/// The parts of a source; those of a range are not listed, for there may be very many.
#[derive(Debug)]
pub enum Morsels {
    /// These.
    Listed(Vec<Morsel>),
    /// The parts of a range of so many rows.
    Range {
        /// How many.
        rows: u64,
    },
}

impl Morsels {
    /// The parts of a pipeline's source; `enough` rows out of it end the pipeline.
    pub fn of(query: &Query, pipeline: &Pipeline, enough: Option<u64>) -> Result<Self, ExecError> {
        let whole = |unit: usize, rows: Range<usize>| pieces(unit, &Rows::range(rows), MORSEL_ROWS, None);
        Ok(Morsels::Listed(match &pipeline.sources[0].kind {
            SourceKind::Table { table, .. } => {
                let relation = &*query.relations[table.0 as usize];
                // Workers in one unit wait for each other's columns: units are only cut where there are too few.
                let whole_units = relation.units() >= UNITS_PER_WORKER * query.options.threads;
                let rows: usize = (0..relation.units()).map(|unit| relation.unit_rows(unit)).sum();
                let at_most = match whole_units {
                    true => usize::MAX,
                    false => share(query, rows, LEAST_TABLE_ROWS),
                };
                of_table(relation, pipeline, enough, at_most)
            }
            SourceKind::Temp(temp) => match query.temps[*temp].get() {
                Some(data) => (0..data.units())
                    .flat_map(|unit| whole(unit, 0..data.rows(unit)))
                    .collect(),
                None => Vec::new(),
            },
            SourceKind::Group(group) => match query.groups[*group].get() {
                Some(groups) => {
                    let rows = groups.in_use();
                    pieces(0, &rows, share(query, rows.count(), BLOCK_ROWS), None)
                }
                None => Vec::new(),
            },
            SourceKind::Join(join) => match query.joins[*join].get().and_then(|built| built.rows.as_ref()) {
                Some(rows) => {
                    let rows = Rows::of(rows.ranges());
                    pieces(0, &rows, share(query, rows.count(), BLOCK_ROWS), None)
                }
                None => Vec::new(),
            },
            SourceKind::Positions => return Err(ExecError::internal("an array is scanned")),
            SourceKind::Range { count, .. } => return Ok(Morsels::Range { rows: *count }),
            SourceKind::OneRow => whole(0, 0..1),
        }))
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Morsels::Listed(list) => list.len(),
            Morsels::Range { rows } => usize::try_from(rows.div_ceil(1 << RANGE_UNIT_BITS)).unwrap_or(usize::MAX),
        }
    }

    /// One of them.
    pub fn get(&self, at: usize) -> Option<Morsel> {
        match self {
            Morsels::Listed(list) => list.get(at).cloned(),
            Morsels::Range { rows } => {
                let first = (at as u64)
                    .checked_mul(1 << RANGE_UNIT_BITS)
                    .filter(|first| first < rows)?;
                let count = (rows - first).min(1 << RANGE_UNIT_BITS);
                Some(Morsel {
                    unit: at,
                    rows: Rows::all(usize::try_from(count).unwrap_or(0)),
                    wanted: None,
                })
            }
        }
    }
}

/// Rows of a morsel, of so many in all: a row may cost much, so nobody should be left without any.
fn share(query: &Query, rows: usize, least: usize) -> usize {
    let share = rows / (MORSELS_PER_WORKER * query.options.threads);
    share.next_multiple_of(BLOCK_ROWS).clamp(least, MORSEL_ROWS)
}

fn of_table(relation: &dyn Relation, pipeline: &Pipeline, enough: Option<u64>, at_most: usize) -> Vec<Morsel> {
    let bounds = bounds(pipeline);
    let mut morsels = Vec::new();
    // Nothing drops rows on the way: the first ones are enough.
    let mut left = enough.filter(|_| pipeline.steps.is_empty()).unwrap_or(u64::MAX);
    for unit in 0..relation.units() {
        if left == 0 {
            break;
        }
        let mut rows = relation.candidates(unit, &bounds);
        if rows.is_empty() {
            continue;
        }
        if left < rows.count() as u64 {
            rows = rows.first(usize::try_from(left).unwrap_or(usize::MAX));
        }
        left = left.saturating_sub(rows.count() as u64);
        let all = rows.count() == relation.unit_rows(unit);
        match enough {
            Some(enough) if morsels.is_empty() => morsels = growing(unit, &rows, enough),
            _ => morsels.extend(pieces(unit, &rows, at_most, Some(&rows).filter(|_| !all))),
        }
    }
    morsels
}

/// Units of a table that the first filter rules out by what is known of them, so that they are not read.
pub(super) fn ruled_out(relation: &dyn Relation, pipeline: &Pipeline) -> usize {
    let bounds = bounds(pipeline);
    if bounds.is_empty() {
        return 0;
    }
    let units = 0..relation.units();
    units
        .filter(|unit| relation.candidates(*unit, &bounds).is_empty())
        .count()
}

/// Morsels of at most so many rows.
fn pieces(unit: usize, rows: &Rows, at_most: usize, wanted: Option<&Rows>) -> Vec<Morsel> {
    let mut rest = rows.clone();
    let mut morsels = Vec::new();
    while !rest.is_empty() {
        let rows = rest.first(at_most);
        rest = rest.without_first(at_most);
        morsels.push(Morsel {
            unit,
            rows,
            wanted: wanted.cloned(),
        });
    }
    morsels
}

/// Morsels that begin with as few rows as may be enough, each twice as large as the one before.
fn growing(unit: usize, rows: &Rows, enough: u64) -> Vec<Morsel> {
    let mut size = usize::try_from(enough)
        .unwrap_or(usize::MAX)
        .clamp(BLOCK_ROWS, MORSEL_ROWS);
    let mut rest = rows.clone();
    let mut morsels = Vec::new();
    while !rest.is_empty() {
        let piece = rest.first(size);
        rest = rest.without_first(size);
        let end = piece.ranges().last().map_or(0, |range| range.end);
        morsels.push(Morsel {
            unit,
            rows: piece,
            wanted: Some(rows.before(end)),
        });
        size = (size * 2).min(MORSEL_ROWS);
    }
    morsels
}

/// What the first filter allows for each column of the scanned table.
fn bounds(pipeline: &Pipeline) -> Vec<Bound> {
    let Some(Step::Filter { predicates }) = pipeline.steps.first() else {
        return Vec::new();
    };
    let mut bounds = Vec::new();
    let mut pending: Vec<&Expr> = predicates.iter().collect();
    while let Some(predicate) = pending.pop() {
        match &predicate.kind {
            ExprKind::And(items) => pending.extend(items),
            ExprKind::Compare { op, left, right } => {
                let (ExprKind::Column(id), ExprKind::Literal(value)) = (&left.kind, &right.kind) else {
                    continue;
                };
                let Some(Binding::Field { source: 0, field }) = pipeline.bindings.get(id) else {
                    continue;
                };
                let column = pipeline.sources[0].fields[*field].index;
                let (min, max) = match op {
                    CompareOp::Eq => (Some(value.clone()), Some(value.clone())),
                    CompareOp::Lt | CompareOp::LtEq => (None, Some(value.clone())),
                    CompareOp::Gt | CompareOp::GtEq => (Some(value.clone()), None),
                    _ => continue,
                };
                bounds.push(Bound { column, min, max });
            }
            _ => {}
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_rows_once() {
        let rows = Rows::of([0..3, 10..200_000, 300_000..300_001]);
        for morsels in [pieces(7, &rows, MORSEL_ROWS, Some(&rows)), growing(7, &rows, 1)] {
            let mut seen = Rows::default();
            for morsel in &morsels {
                assert!(seen.and(&morsel.rows).is_empty() && morsel.rows.count() <= MORSEL_ROWS);
                assert!(
                    morsel
                        .wanted
                        .as_ref()
                        .is_some_and(|wanted| wanted.contains(&morsel.rows))
                );
                seen = seen.or(&morsel.rows);
            }
            assert_eq!(seen, rows);
        }
        let sizes: Vec<_> = growing(0, &Rows::all(10_000), 1)
            .iter()
            .map(|m| m.rows.count())
            .collect();
        assert_eq!(sizes, [2048, 4096, 3856]);
        assert_eq!(pieces(0, &rows, usize::MAX, None).len(), 1);
    }
}
