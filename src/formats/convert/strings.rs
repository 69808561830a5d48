//! String and binary arrays: to views that point into their buffers, or to codes of a dictionary.
//!
//! `["AIR", "deliver in person"]` is one inline view and one that points into the array's value buffer.
//!
//! Invariants: every buffer that a long view points into is among the chunk's owners.
//!
//! Does not: copy text.

use std::hash::BuildHasher;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{ArrowNativeType, DataType};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::filled;
use crate::types::chunk::string_view;
use crate::types::{ColumnChunk, Dictionary, Physical};

/// The value of a row as bytes.
type Texts<'a> = Box<dyn Fn(usize) -> &'a [u8] + 'a>;

/// Fills `values` and `owners` of a chunk.
pub(super) fn views(array: &ArrayRef, chunk: &mut ColumnChunk) -> Result<(), String> {
    let text = texts(array)?;
    let mut long = false;
    chunk.values = filled::<i128>(array.len(), |out| {
        for (row, slot) in out.iter_mut().enumerate() {
            if array.is_valid(row) {
                let text = text(row);
                long |= text.len() > 12;
                *slot = string_view(text).cast_signed();
            }
        }
    });
    if long {
        chunk.owners = buffers(array);
    }
    Ok(())
}

fn texts(array: &ArrayRef) -> Result<Texts<'_>, String> {
    Ok(match array.data_type() {
        DataType::Utf8 => text_of(array.as_string::<i32>(), |a, row| a.value(row).as_bytes()),
        DataType::LargeUtf8 => text_of(array.as_string::<i64>(), |a, row| a.value(row).as_bytes()),
        DataType::Utf8View => text_of(array.as_string_view(), |a, row| a.value(row).as_bytes()),
        DataType::Binary => text_of(array.as_binary::<i32>(), |a, row| a.value(row)),
        DataType::LargeBinary => text_of(array.as_binary::<i64>(), |a, row| a.value(row)),
        DataType::BinaryView => text_of(array.as_binary_view(), |a, row| a.value(row)),
        DataType::FixedSizeBinary(_) => text_of(array.as_fixed_size_binary(), |a, row| a.value(row)),
        other => return Err(format!("{other} where a string was expected")),
    })
}

fn text_of<'a, A>(array: &'a A, value: impl Fn(&'a A, usize) -> &'a [u8] + 'a) -> Texts<'a> {
    Box::new(move |row| value(array, row))
}

fn buffers(array: &ArrayRef) -> Vec<Buffer> {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().data_buffers().to_vec(),
        DataType::BinaryView => array.as_binary_view().data_buffers().to_vec(),
        _ => array.to_data().buffers().last().cloned().into_iter().collect(),
    }
}

/// The codes of an array's strings; an unknown string is an error.
pub(crate) fn dictionary_codes(array: &ArrayRef, dictionary: &Dictionary, codes: Physical) -> Result<Buffer, String> {
    let text = texts(array)?;
    let index = CodeIndex::new(dictionary);
    let code = |row| match array.is_valid(row) {
        true => index.code(text(row)),
        false => Ok(0),
    };
    match codes {
        Physical::I8 => fill_codes::<i8>(array.len(), code),
        Physical::I16 => fill_codes::<i16>(array.len(), code),
        _ => fill_codes::<i32>(array.len(), code),
    }
}

fn fill_codes<T: ArrowNativeType>(
    rows: usize,
    code: impl Fn(usize) -> Result<usize, String>,
) -> Result<Buffer, String> {
    let mut error = None;
    let buffer = filled::<T>(rows, |out| {
        for (row, slot) in out.iter_mut().enumerate() {
            match code(row).map(T::from_usize) {
                Ok(Some(code)) => *slot = code,
                Ok(None) => error = Some("a dictionary code is out of range".to_string()),
                Err(message) => error = Some(message),
            }
        }
    });
    error.map_or(Ok(buffer), Err)
}

/// Finds codes by hash.
struct CodeIndex<'a> {
    dictionary: &'a Dictionary,
    hasher: DefaultHashBuilder,
    table: HashTable<usize>,
}

impl<'a> CodeIndex<'a> {
    fn new(dictionary: &'a Dictionary) -> Self {
        let hasher = DefaultHashBuilder::default();
        let hash = |code: &usize| hasher.hash_one(dictionary.entries()[*code].as_bytes());
        let mut table = HashTable::with_capacity(dictionary.len());
        for code in 0..dictionary.len() {
            table.insert_unique(hash(&code), code, hash);
        }
        Self {
            dictionary,
            hasher,
            table,
        }
    }

    fn code(&self, text: &[u8]) -> Result<usize, String> {
        let same = |code: &usize| self.dictionary.entries()[*code].as_bytes() == text;
        let found = self.table.find(self.hasher.hash_one(text), same);
        found
            .copied()
            .ok_or_else(|| format!("`{}` is not in the column's dictionary", String::from_utf8_lossy(text)))
    }
}
