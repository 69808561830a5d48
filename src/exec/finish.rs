//! ORDER BY, and LIMIT behind it, over finished batches.
//!
//! Six million rows in 184 buckets: a few buckets at a time are sorted and gathered side by side, and handed on in order, so that
//! the first rows come before the last are sorted, and LIMIT leaves the buckets behind it alone.
//!
//! Invariants: equal keys keep the order in which the rows came; batches are taken from the budget.
//!
//! Does not: find the order; [`super::sort`] does.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{SortOptions, interleave_record_batch};

use super::pool::Team;
use super::sort::{self, Place, SortBy};
use super::{CancelToken, ExecError};
use crate::compile::BLOCK_ROWS;
use crate::plan::physical::Finish;
use crate::plan::physical::logical::SortKey;

/// Rows of a batch of the result.
const OUTPUT_ROWS: usize = 4 * BLOCK_ROWS;
/// Buckets for each thread that are worked on at a time.
const BUCKETS_AHEAD: usize = 4;
/// Rows in order of so many bytes wait to be handed on; fewer buckets are worked on where rows are wide.
const AHEAD_BYTES: usize = 16 << 20;

/// Sorts and cuts all batches together, and hands on the result's in order.
pub fn finish_batches(
    batches: Vec<RecordBatch>,
    finish: &Finish,
    team: &Team<'_>,
    cancel: &CancelToken,
    mut give: impl FnMut(RecordBatch) -> Result<(), ExecError>,
) -> Result<(), ExecError> {
    let batches: Vec<RecordBatch> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let bound = |rows: Option<u64>| rows.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
    let skipped = bound(Some(finish.offset)).min(count);
    let wanted = bound(finish.limit.map(|limit| limit.saturating_add(finish.offset))).min(count);
    if wanted <= skipped {
        return Ok(());
    }
    if finish.sort.is_empty() {
        return cut(&batches, skipped..wanted).try_for_each(give);
    }
    let bytes: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
    let batches = Arc::new(batches);
    let by = SortBy {
        columns: finish
            .sort
            .iter()
            .map(|(column, key)| (*column, options(key)))
            .collect(),
        partition: 0,
        operator: "sort",
    };
    let buckets = sort::spread(&batches, &by, team, cancel)?;
    let parts: Vec<(usize, Range<usize>)> = parts(&buckets.sizes(), skipped..wanted);
    let affordable = AHEAD_BYTES / (bytes / buckets.sizes().len().max(1)).max(1);
    for wave in parts.chunks(affordable.clamp(1, BUCKETS_AHEAD * team.threads.max(1))) {
        let (wave, buckets) = (wave.to_vec(), buckets.clone());
        let (batches, cancel) = (batches.clone(), cancel.clone());
        let made = team.map(wave.len(), move |number| {
            cancel.check()?;
            let (bucket, rows) = wave[number].clone();
            let places = buckets.places(bucket, rows.end);
            let pieces = places[rows].chunks(OUTPUT_ROWS);
            pieces
                .map(|piece| cancel.check().and_then(|()| gather(&batches, piece)))
                .collect::<Result<Vec<_>, _>>()
        })?;
        made.into_iter().flatten().try_for_each(&mut give)?;
    }
    Ok(())
}

/// These rows of all batches.
fn cut(batches: &[RecordBatch], rows: Range<usize>) -> impl Iterator<Item = RecordBatch> {
    let sizes: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    let parts = parts(&sizes, rows).into_iter();
    parts.map(|(batch, rows)| batches[batch].slice(rows.start, rows.len()))
}

/// The options by which Arrow sorts.
pub fn options(key: &SortKey) -> SortOptions {
    SortOptions {
        descending: key.desc,
        nulls_first: key.nulls_first,
    }
}

/// Which rows of which buckets the wanted ones are.
fn parts(sizes: &[usize], wanted: Range<usize>) -> Vec<(usize, Range<usize>)> {
    let mut before = 0;
    let part = |(bucket, size): (usize, &usize)| {
        let start = wanted.start.saturating_sub(before).min(*size);
        let end = wanted.end.saturating_sub(before).min(*size);
        before += size;
        (start < end).then_some((bucket, start..end))
    };
    sizes.iter().enumerate().filter_map(part).collect()
}

/// The batch of these rows.
fn gather(batches: &[RecordBatch], places: &[Place]) -> Result<RecordBatch, ExecError> {
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    let places: Vec<(usize, usize)> = places.iter().map(Place::pair).collect();
    interleave_record_batch(&batches, &places).map_err(|error| ExecError::internal(&format!("sorting failed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn wanted_rows_are_found_in_their_buckets() {
        assert_eq!(parts(&[3, 0, 4, 5], 0..12), [(0, 0..3), (2, 0..4), (3, 0..5)]);
        assert_eq!(parts(&[3, 0, 4, 5], 2..4), [(0, 2..3), (2, 0..1)]);
        assert_eq!(parts(&[3, 0, 4, 5], 7..8), [(3, 0..1)]);
    }
}
