//! List and struct arrays: to objects in memory, a whole chunk at once.
//!
//! The lists `[1, 2]` and `[3]` of one array are two objects in one buffer; their elements are copied from a chunk that was made of
//! the list's child array, which has them in the same layout already.
//!
//! Invariants: the objects, and what their texts point into, are among the chunk's owners.
//!
//! Does not: keep the Arrow arrays, but for the buffers of long texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::Buffer;
use arrow::datatypes::Field as ArrowField;

use super::{Target, chunk_from_arrow, filled};
use crate::types::nested::{ELEMENTS_AT, NestedLayout, array_bytes, array_head};
use crate::types::{ColumnChunk, LogicalType};

/// Fills `values` and `owners` of a chunk.
pub(super) fn objects(array: &ArrayRef, ty: &LogicalType, chunk: &mut ColumnChunk) -> Result<(), String> {
    match ty {
        LogicalType::Map(of) => lists(&entries(array), &LogicalType::entry(of), chunk),
        LogicalType::Array(item) => lists(array, item, chunk),
        LogicalType::Struct(_) => structs(array, ty, chunk),
        other => Err(format!("{other} where an array or a struct was expected")),
    }
}

/// The lists of entries that Arrow's maps are.
fn entries(array: &ArrayRef) -> ArrayRef {
    let Some(maps) = array.as_map_opt() else {
        return array.clone();
    };
    let entries: ArrayRef = Arc::new(maps.entries().clone());
    let field = Arc::new(ArrowField::new_list_field(entries.data_type().clone(), false));
    Arc::new(ListArray::new(
        field,
        maps.offsets().clone(),
        entries,
        maps.nulls().cloned(),
    ))
}

fn lists(array: &ArrayRef, item: &LogicalType, chunk: &mut ColumnChunk) -> Result<(), String> {
    let list = array.as_list_opt::<i32>().ok_or("a list was expected")?;
    let elements = chunk_from_arrow(list.values(), &Target::natural(item))?;
    let stride = item.physical().bytes();
    let offsets = list.value_offsets();
    let span = |row: usize| (offsets[row] as usize, offsets[row + 1] as usize);
    let valid = |row: usize| list.is_valid(row);
    let rows = 0..list.len();
    let size = |row: usize| {
        let (from, to) = span(row);
        array_bytes(to - from, stride)
    };
    let total: usize = rows.clone().filter(|row| valid(*row)).map(size).sum();
    let mut addresses = vec![0u64; list.len()];
    let objects = filled::<u8>(total, |out| {
        let base = out.as_ptr() as u64;
        let mut at = 0;
        for row in rows.filter(|row| valid(*row)) {
            let (from, to) = span(row);
            let (length, object) = (to - from, &mut out[at..at + size(row)]);
            object[..ELEMENTS_AT].copy_from_slice(&array_head(length));
            let end = ELEMENTS_AT + length * stride;
            object[ELEMENTS_AT..end].copy_from_slice(&elements.values[from * stride..to * stride]);
            match &elements.validity {
                Some(bytes) => object[end..end + length].copy_from_slice(&bytes[from..to]),
                None => object[end..end + length].fill(1),
            }
            addresses[row] = base + at as u64;
            at += object.len();
        }
    });
    give(chunk, addresses, objects, [elements]);
    Ok(())
}

fn structs(array: &ArrayRef, ty: &LogicalType, chunk: &mut ColumnChunk) -> Result<(), String> {
    let (Some(NestedLayout::Struct { fields: places, bytes }), LogicalType::Struct(fields)) =
        (NestedLayout::of(ty), ty)
    else {
        return Err("a struct was expected".into());
    };
    let source = array.as_struct_opt().ok_or("a struct was expected")?;
    let mut columns = Vec::with_capacity(fields.len());
    for (column, field) in source.columns().iter().zip(fields) {
        columns.push(chunk_from_arrow(column, &Target::natural(&field.ty))?);
    }
    let mut addresses = vec![0u64; source.len()];
    let objects = filled::<u8>(source.len() * bytes, |out| {
        let base = out.as_ptr() as u64;
        for (row, object) in out.chunks_exact_mut(bytes).enumerate() {
            if !source.is_valid(row) {
                continue;
            }
            addresses[row] = base + (row * bytes) as u64;
            for (i, (column, place)) in columns.iter().zip(&places).enumerate() {
                let width = place.shape.bytes();
                object[i] = column.validity.as_ref().map_or(1, |bytes| bytes[row]);
                object[place.offset..place.offset + width]
                    .copy_from_slice(&column.values[row * width..(row + 1) * width]);
            }
        }
    });
    give(chunk, addresses, objects, columns);
    Ok(())
}

/// Hands the objects, and what the parts point into, to the chunk.
fn give(chunk: &mut ColumnChunk, addresses: Vec<u64>, objects: Buffer, parts: impl IntoIterator<Item = ColumnChunk>) {
    chunk.values = Buffer::from_vec(addresses);
    chunk.owners.push(objects);
    for part in parts {
        chunk.owners.extend(part.owners);
    }
}
