//! ORDER BY, and LIMIT behind it, over finished batches.
//!
//! Ten rows out of eleven thousand groups: all groups are put into one batch, their keys into rows that compare like bytes, and
//! the first ten are taken.
//!
//! Invariants: equal keys keep the order in which the rows came.
//!
//! Does not: sort more than fits into memory.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};

use super::ExecError;
use crate::plan::physical::Finish;

/// Sorts and cuts all batches together.
pub fn finish_batches(
    batches: Vec<RecordBatch>,
    schema: &SchemaRef,
    finish: &Finish,
) -> Result<Vec<RecordBatch>, ExecError> {
    let all = concat_batches(schema, &batches).map_err(internal)?;
    drop(batches);
    let rows = keys(&all, finish)?;
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    let wanted = finish.limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit.saturating_add(finish.offset)).unwrap_or(usize::MAX)
    });
    let compare = |a: &u32, b: &u32| rows.row(*a as usize).cmp(&rows.row(*b as usize)).then(a.cmp(b));
    if wanted < order.len() {
        if wanted > 0 {
            order.select_nth_unstable_by(wanted - 1, compare);
        }
        order.truncate(wanted);
    }
    order.sort_unstable_by(compare);
    let skipped = usize::try_from(finish.offset).unwrap_or(usize::MAX).min(order.len());
    let order = UInt32Array::from(order.split_off(skipped));
    Ok(vec![take_record_batch(&all, &order).map_err(internal)?])
}

fn keys(all: &RecordBatch, finish: &Finish) -> Result<Rows, ExecError> {
    let field = |(column, key): &(usize, crate::plan::physical::logical::SortKey)| {
        let options = SortOptions {
            descending: key.desc,
            nulls_first: key.nulls_first,
        };
        SortField::new_with_options(all.column(*column).data_type().clone(), options)
    };
    let converter = RowConverter::new(finish.sort.iter().map(field).collect()).map_err(internal)?;
    let columns: Vec<_> = finish
        .sort
        .iter()
        .map(|(column, _)| all.column(*column).clone())
        .collect();
    converter.convert_columns(&columns).map_err(internal)
}

fn internal(error: arrow::error::ArrowError) -> ExecError {
    ExecError::internal(&format!("sorting failed: {error}"))
}
