//! Rows that a statement has written out, kept as the values that they are.
//!
//! `INSERT INTO t VALUES (7, 'ada')` stages [7] and ['ada']. Its redo record and its keys are made of those; arrays are made of them only
//! if somebody reads the rows before they are committed, or others come behind them.
//!
//! Invariants: the bytes are those that the arrays would give. Only values are taken that arrays of the columns' types have as they are,
//! and a store, too.
//!
//! Does not: check NOT NULL beyond refusing what breaks it.

use super::RowAddress;
use super::block::{NO_NULLS, ONLY_NULLS, SOME_NULLS, write_numbers, write_texts};
use super::changes::TableChanges;
use super::index::{Located, index_key};
use super::rows::{Column, Content, Rows};
use crate::catalog::{ColumnNo, KeyDef, TableDef};
use crate::store::StoreError;
use crate::types::{LogicalType, Value};

/// More rows are better off as arrays.
const MOST_ROWS: usize = 64;

/// Rows that can be staged as they are.
#[derive(Debug)]
pub struct Given(Rows);

impl Given {
    /// Whether rows of a table can be, unless a value keeps them from it.
    pub fn suits(def: &TableDef) -> bool {
        def.columns
            .iter()
            .all(|column| is_plain(&column.ty) && !column.ty.is_reordered())
    }

    /// Rows, by column in the table's order; gives them back if they cannot be staged so.
    pub fn new(def: &TableDef, columns: Vec<Vec<Value>>) -> Result<Self, Vec<Vec<Value>>> {
        let len = columns.first().map_or(0, Vec::len);
        let fits = columns.len() == def.columns.len() && (1..=MOST_ROWS).contains(&len) && {
            let mut pairs = def.columns.iter().zip(&columns);
            pairs.all(|(column, values)| {
                let has = |value: &Value| can_have(&column.ty, value, column.not_null);
                values.len() == len && values.iter().all(has)
            })
        };
        if !fits {
            return Err(columns);
        }
        let columns = def.columns.iter().zip(columns).map(|(column, values)| Column {
            no: column.no,
            ty: column.ty.clone(),
            content: Content::Given(values),
        });
        Ok(Self(Rows {
            len,
            columns: columns.collect(),
            kept: None,
        }))
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.0.len
    }
}

/// Types whose values are one number or one text each, without anything lost.
fn is_plain(ty: &LogicalType) -> bool {
    let is_text = matches!(ty, LogicalType::String | LogicalType::Blob);
    is_text || *ty == LogicalType::Double || ty.stored_range().is_some() && *ty != LogicalType::HugeInt
}

fn can_have(ty: &LogicalType, value: &Value, not_null: bool) -> bool {
    match value {
        Value::Null => !not_null,
        Value::Boolean(_) => *ty == LogicalType::Boolean,
        Value::Int(value) => ty
            .stored_range()
            .is_some_and(|(least, most)| (least..=most).contains(value)),
        Value::Float(_) => *ty == LogicalType::Double,
        Value::String(_) => *ty == LogicalType::String,
        Value::Blob(_) => *ty == LogicalType::Blob,
        Value::Interval(_) | Value::Array(_) | Value::Struct(_) => false,
    }
}

impl TableChanges {
    /// Stages rows that were written out.
    pub fn append_given(&mut self, def: &TableDef, rows: Given) -> Result<(), StoreError> {
        self.append_rows(def, rows.0)
    }
}

/// The memory of a value.
pub(super) fn memory_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            _ => 0,
        }
}

/// A column of a block: see [`super::block`].
pub(super) fn write_column(out: &mut Vec<u8>, values: &[Value]) {
    let valid = || values.iter().filter(|value| **value != Value::Null);
    let count = valid().count();
    if count == 0 && !values.is_empty() {
        return out.push(ONLY_NULLS);
    }
    if count == values.len() {
        out.push(NO_NULLS);
    } else {
        out.push(SOME_NULLS);
        let bits = values.chunks(8).map(|chunk| {
            let bit = |(at, value): (usize, &Value)| u8::from(*value != Value::Null) << at;
            chunk.iter().enumerate().map(bit).sum::<u8>()
        });
        out.extend(bits);
    }
    match valid().next() {
        Some(Value::Float(_)) => valid().for_each(|value| {
            if let Value::Float(value) = value {
                out.extend(value.to_le_bytes());
            }
        }),
        Some(Value::String(_) | Value::Blob(_)) => write_texts(out, valid().map(text)),
        _ => write_numbers(out, valid().map(number)),
    }
}

fn text(value: &Value) -> &[u8] {
    match value {
        Value::String(text) => text.as_bytes(),
        Value::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn number(value: &Value) -> i128 {
    match value {
        Value::Boolean(value) => (*value).into(),
        Value::Int(value) => *value,
        _ => 0,
    }
}

/// The columns of each key, if all are values in the types that the definition has now.
pub(super) fn key_columns<'r>(rows: &'r Rows, def: &TableDef, keys: &[KeyDef]) -> Option<Vec<Vec<&'r [Value]>>> {
    let values = |no: &ColumnNo| {
        let column = rows.column(*no)?;
        match &column.content {
            Content::Given(values) if def.by_no(*no).is_some_and(|def| def.ty == column.ty) => Some(values.as_slice()),
            _ => None,
        }
    };
    let of_key = |key: &KeyDef| key.columns.iter().map(values).collect();
    keys.iter().map(of_key).collect()
}

/// The keys that an index has of some rows of a segment, of which so many are before them.
pub(super) fn keys<'r>(
    columns: &'r [&[Value]],
    len: usize,
    (segment, before): (u32, u32),
    wanted: &'r dyn Fn(u32) -> bool,
) -> impl Iterator<Item = (Vec<u8>, Located)> + 'r {
    let rows = (0..len).filter(move |row| wanted(before + super::position(*row)));
    rows.filter_map(move |row| {
        let key = index_key(columns.iter().filter_map(|values| values.get(row)))?;
        let address = RowAddress::new(segment, before as usize + row);
        Some((key, Located { address, hash: [0; 32] }))
    })
}

#[cfg(test)]
mod tests {
    use super::super::block;
    use super::*;
    use crate::catalog::ColumnNo;

    /// The bytes are the same as those of arrays.
    #[test]
    fn bytes_are_those_of_arrays() {
        let text = |text: &str| Value::String(text.into());
        let samples = [
            (
                LogicalType::BigInt,
                vec![Value::Int(7), Value::Int(-3), Value::Int(i64::MAX.into())],
            ),
            (
                LogicalType::TinyInt,
                vec![Value::Null, Value::Int(-128), Value::Int(127)],
            ),
            (
                LogicalType::UBigInt,
                vec![Value::Int(0), Value::Null, Value::Int(u64::MAX.into())],
            ),
            (
                LogicalType::Boolean,
                vec![Value::Boolean(true), Value::Null, Value::Boolean(false)],
            ),
            (
                LogicalType::Double,
                vec![Value::Float(0.5), Value::Float(f64::NAN), Value::Null],
            ),
            (LogicalType::Double, vec![Value::Null, Value::Null, Value::Null]),
            (LogicalType::String, vec![text("ada"), Value::Null, text("")]),
            (
                LogicalType::Blob,
                vec![Value::Blob([1, 0].as_slice().into()), Value::Null, Value::Null],
            ),
            (LogicalType::Date, vec![Value::Int(-1), Value::Int(20_000), Value::Null]),
            (
                LogicalType::Uuid,
                vec![Value::Int(i128::MIN), Value::Null, Value::Int(i128::MAX)],
            ),
            (
                LogicalType::TimestampTz,
                vec![Value::Int(1), Value::Int(2), Value::Int(3)],
            ),
            (
                LogicalType::Decimal {
                    precision: 20,
                    scale: 2,
                },
                vec![Value::Int(12_345), Value::Null, Value::Int(-1)],
            ),
        ];
        for (ty, values) in samples {
            assert!(is_plain(&ty), "{ty}");
            assert!(values.iter().all(|value| can_have(&ty, value, false)), "{ty}");
            for len in 1..=values.len() {
                let given = Column {
                    no: ColumnNo(4),
                    ty: ty.clone(),
                    content: Content::Given(values[..len].to_vec()),
                };
                let array = Column::new(given.no, ty.clone(), given.array().unwrap());
                assert_eq!(given.null_count(), array.null_count());
                let bytes = |column: Column| {
                    let rows = Rows {
                        len,
                        columns: vec![column],
                        kept: None,
                    };
                    block::encode(&rows).unwrap()
                };
                assert_eq!(bytes(given), bytes(array), "{ty} {len}");
            }
        }
    }

    #[test]
    fn what_arrays_cannot_have_is_not_taken() {
        for (ty, value) in [
            (LogicalType::TinyInt, Value::Int(128)),
            (LogicalType::UInteger, Value::Int(-1)),
            (LogicalType::Decimal { precision: 2, scale: 0 }, Value::Int(100)),
            (LogicalType::Integer, Value::String("1".into())),
            (LogicalType::Double, Value::Int(1)),
        ] {
            assert!(!can_have(&ty, &value, false), "{ty}");
        }
        assert!(!can_have(&LogicalType::String, &Value::Null, true));
        for ty in [LogicalType::Real, LogicalType::HugeInt, LogicalType::Interval] {
            assert!(!is_plain(&ty), "{ty}");
        }
    }
}
