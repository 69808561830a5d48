//! Partitions: rows that share the values of a table's `partition_by` columns, and so may share segments.
//!
//! A load of 1,000 rows of three days into a table that is partitioned by day becomes three segments; a query for one of the days
//! reads one of them, since the facts of the others rule it out.
//!
//! Invariants: no segment has rows of two partitions, whoever writes it.
//!
//! Does not: lay files out in folders; a segment goes by its hash.

use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use super::cell::value_at;
use super::core::Core;
use super::relation::Part;
use super::rows::{Column, Rows};
use super::segment::Segment;
use crate::catalog::{ColumnDef, TableDef};
use crate::store::StoreError;
use crate::types::Value;

/// What tells a partition's rows from others.
pub(super) type PartitionKey = Arc<[u8]>;

/// Rows by partition, in the order in which the partitions come.
pub(super) fn split(def: &TableDef, rows: Rows) -> Result<Vec<(PartitionKey, Rows)>, String> {
    let columns = def.partition_by.iter().filter_map(|no| rows.column(*no));
    let arrays: Vec<_> = columns.map(Column::array).collect::<Result<_, _>>()?;
    let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone()));
    let converter = RowConverter::new(fields.collect()).map_err(|error| error.to_string())?;
    let keys = converter.convert_columns(&arrays).map_err(|error| error.to_string())?;
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    let mut found: Vec<(&[u8], Vec<u32>)> = Vec::new();
    for at in 0..rows.len {
        let key = keys.row(at).data();
        let place = *places.entry(key).or_insert_with(|| {
            found.push((key, Vec::new()));
            found.len() - 1
        });
        if let Some((_, members)) = found.get_mut(place) {
            members.push(super::position(at));
        }
    }
    if let [(key, _)] = found.as_slice() {
        let key = PartitionKey::from(*key);
        return Ok(vec![(key, rows)]);
    }
    let part = |(key, members): (&[u8], Vec<u32>)| Ok((key.into(), rows.take(&UInt32Array::from(members))?));
    found.into_iter().map(part).collect()
}

/// Segments of a table by partition, each group in the order in which they were.
pub(super) fn groups(core: &Core, def: &TableDef, parts: &[Part]) -> Result<Vec<Vec<Part>>, StoreError> {
    if def.partition_by.is_empty() {
        return Ok(vec![parts.to_vec()]);
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        let values = def.partition_by.iter().filter_map(|no| def.by_no(*no));
        let values = values.map(|column| value_of(core, column, &part.segment));
        let key = format!("{:?}", values.collect::<Result<Vec<_>, _>>()?);
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.push(part.clone());
        }
    }
    Ok(groups)
}

/// The value that all rows of a segment have in a column.
fn value_of(core: &Core, column: &ColumnDef, segment: &Segment) -> Result<Value, StoreError> {
    if let Some(facts) = segment.facts()?.iter().find(|facts| facts.no == column.no) {
        match &facts.range {
            _ if facts.null_count == segment.rows as u64 => return Ok(Value::Null),
            Some((min, max)) if min == max && facts.ty == column.ty && !column.ty.is_reordered() => {
                return Ok(min.clone());
            }
            _ => {}
        }
    }
    let array = segment.array(core, 0, column)?;
    value_at(&array, 0, &column.ty).map_err(StoreError::Unfit)
}
