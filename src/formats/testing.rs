//! Rows of relations as texts, for tests of every format.

use arrow::buffer::Buffer;

use super::Relation;
use crate::types::nested::{ELEMENTS_AT, NestedLayout};
use crate::types::{ColumnChunk, Interval, Layout, LogicalType, Physical, Value};

/// All rows, values separated by spaces.
pub(crate) fn relation_texts(relation: &dyn Relation) -> Vec<String> {
    let mut rows = Vec::new();
    for unit in 0..relation.units() {
        let columns: Vec<Vec<String>> = (0..relation.schema().len())
            .map(|column| {
                let (chunk, _) = relation.read(unit, column).expect("readable");
                assert_eq!(chunk.rows, relation.unit_rows(unit));
                let layout = &relation.stats().columns[column].layout;
                chunk_texts(&chunk, layout, &relation.schema()[column].ty)
            })
            .collect();
        rows.extend((0..relation.unit_rows(unit)).map(|row| {
            let values: Vec<_> = columns.iter().map(|column| column[row].as_str()).collect();
            values.join(" ")
        }));
    }
    rows
}

/// The values of a chunk as shown to a user.
pub(crate) fn chunk_texts(chunk: &ColumnChunk, layout: &Layout, ty: &LogicalType) -> Vec<String> {
    let values = chunk_values(chunk, layout, ty).into_iter();
    values.map(|value| value.display(ty)).collect()
}

/// The values of a chunk.
pub(crate) fn chunk_values(chunk: &ColumnChunk, layout: &Layout, ty: &LogicalType) -> Vec<Value> {
    assert_eq!(chunk.values.len(), chunk.rows * layout.stored().bytes());
    let value = |row: usize| -> Value {
        let bytes = &chunk.values[row * layout.stored().bytes()..][..layout.stored().bytes()];
        if chunk.validity.as_ref().is_some_and(|validity| validity[row] == 0) {
            assert!(bytes.iter().all(|byte| *byte == 0), "NULL rows hold zeros");
            return Value::Null;
        }
        value(bytes, layout, chunk, ty)
    };
    (0..chunk.rows).map(value).collect()
}

fn value(bytes: &[u8], layout: &Layout, chunk: &ColumnChunk, ty: &LogicalType) -> Value {
    let int = || {
        let negative = bytes[bytes.len() - 1] & 0x80 != 0;
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        i128::from_le_bytes(wide)
    };
    match (layout, layout.stored()) {
        (Layout::Dict { dictionary, .. }, _) => {
            let code = usize::try_from(int()).expect("codes are not negative");
            Value::String(dictionary.get(code).expect("a code of the dictionary").into())
        }
        (_, Physical::Str) => {
            let text = text_of(bytes, &chunk.owners);
            match ty {
                LogicalType::Blob => Value::Blob(text.into()),
                _ => Value::String(String::from_utf8(text).expect("UTF-8").into()),
            }
        }
        (_, Physical::F32) => Value::Float(f32::from_le_bytes(bytes.try_into().unwrap()).into()),
        (_, Physical::F64) => Value::Float(f64::from_le_bytes(bytes.try_into().unwrap())),
        (_, Physical::Interval) => Value::Interval(Interval {
            months: i32::from_le_bytes(bytes[..4].try_into().unwrap()),
            days: i32::from_le_bytes(bytes[4..8].try_into().unwrap()),
            micros: i64::from_le_bytes(bytes[8..].try_into().unwrap()),
        }),
        (_, Physical::Nested) => {
            let layout = NestedLayout::of(ty).expect("a nested type");
            let object = owned(int() as u64, &chunk.owners).expect("an object lies in an owner");
            nested(object, &layout, chunk, ty)
        }
        _ => Value::Int(int()),
    }
}

/// An array or struct, read from its object.
fn nested(object: &[u8], layout: &NestedLayout, chunk: &ColumnChunk, ty: &LogicalType) -> Value {
    let part = |valid: u8, at: usize, ty: &LogicalType| {
        let bytes = &object[at..at + ty.physical().bytes()];
        if valid == 0 {
            assert!(bytes.iter().all(|byte| *byte == 0), "NULLs are zeros");
            return Value::Null;
        }
        value(bytes, &Layout::Plain(ty.physical()), chunk, ty)
    };
    match (layout, &*ty.laid_out()) {
        (NestedLayout::Array { item: shape }, LogicalType::Array(item)) => {
            let length = u64::from_le_bytes(object[..8].try_into().unwrap()) as usize;
            let stride = shape.bytes();
            let flags = &object[ELEMENTS_AT + length * stride..][..length];
            let items = flags.iter().enumerate();
            Value::Array(
                items
                    .map(|(i, valid)| part(*valid, ELEMENTS_AT + i * stride, item))
                    .collect(),
            )
        }
        (NestedLayout::Struct { fields: places, .. }, LogicalType::Struct(fields)) => {
            let parts = places.iter().zip(fields).enumerate();
            Value::Struct(
                parts
                    .map(|(i, (place, f))| part(object[i], place.offset, &f.ty))
                    .collect(),
            )
        }
        _ => panic!("{ty} is not nested"),
    }
}

/// What lies at an address.
fn owned(address: u64, owners: &[Buffer]) -> Option<&[u8]> {
    owners.iter().find_map(|owner| {
        let at = usize::try_from(address.checked_sub(owner.as_ptr() as u64)?).ok()?;
        owner.as_slice().get(at..).filter(|rest| !rest.is_empty())
    })
}

/// Follows a view into the chunk's owners.
fn text_of(view: &[u8], owners: &[Buffer]) -> Vec<u8> {
    let len = u32::from_le_bytes(view[..4].try_into().unwrap()) as usize;
    if len <= 12 {
        return view[4..4 + len].to_vec();
    }
    let address = u64::from_le_bytes(view[8..].try_into().unwrap());
    let found = owners.iter().find_map(|owner| {
        let at = usize::try_from(address.checked_sub(owner.as_ptr() as u64)?).ok()?;
        owner.as_slice().get(at..at.checked_add(len)?)
    });
    let text = found.expect("a long view points into an owner");
    assert_eq!(text[..4], view[4..8]);
    text.to_vec()
}
