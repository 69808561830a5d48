//! Blocks of every type come back, and damaged ones are errors.

use std::sync::Arc;

use arrow::array::{Int32Array, ListArray, StringViewArray, StructArray, new_null_array};
use proptest::prelude::*;

use super::super::cell::value_at;
use super::super::rows::Column;
use super::*;
use crate::catalog::ColumnNo;
use crate::types::Value;
use crate::types::arrow::{arrow_field, to_arrow};

fn rows(columns: Vec<(LogicalType, ArrayRef)>) -> Rows {
    let len = columns.first().map_or(0, |(_, array)| array.len());
    let column = |(no, (ty, array)): (usize, (LogicalType, ArrayRef))| Column::new(ColumnNo(no as u32), ty, array);
    Rows {
        len,
        columns: columns.into_iter().enumerate().map(column).collect(),
        kept: None,
    }
}

fn values(rows: &Rows) -> Vec<Vec<Value>> {
    let column = |column: &Column| {
        (0..rows.len)
            .map(|row| value_at(&column.array().unwrap(), row, &column.ty).unwrap())
            .collect()
    };
    rows.columns.iter().map(column).collect()
}

#[test]
fn one_row_is_small() {
    let row = rows(vec![
        (LogicalType::Integer, Arc::new(Int32Array::from(vec![7]))),
        (
            LogicalType::String,
            Arc::new(StringViewArray::from_iter_values(["ada"])),
        ),
        (LogicalType::Date, new_null_array(&DataType::Date32, 1)),
    ]);
    let bytes = encode(&row).unwrap();
    assert_eq!(bytes.len(), 19, "{bytes:?}");
    assert_eq!(values(&decode(&bytes).unwrap()), values(&row));
}

#[test]
fn nested_values_come_back() {
    let numbers = ListArray::from_iter_primitive::<dt::Int64Type, _, _>([
        Some(vec![Some(1), None, Some(300)]),
        None,
        Some(vec![]),
        Some(vec![Some(-5)]),
    ]);
    let ty = LogicalType::Array(Box::new(LogicalType::BigInt));
    let list: ArrayRef = Arc::new(numbers);
    let list = arrow::compute::cast(&list, &to_arrow(&ty)).unwrap();
    let fields = vec![Field {
        name: "x".into(),
        ty: ty.clone(),
        nullable: true,
    }];
    let outer = LogicalType::Struct(fields.clone());
    let nulls = Some(arrow::buffer::NullBuffer::from(vec![true, true, false, true]));
    let fields = fields.iter().map(arrow_field).collect();
    let structs: ArrayRef = Arc::new(StructArray::try_new(fields, vec![list.clone()], nulls).unwrap());
    let all = rows(vec![(ty, list), (outer, structs)]);
    let bytes = encode(&all).unwrap();
    assert_eq!(values(&decode(&bytes).unwrap()), values(&all));
}

/// An array of a type made from some seeds; every third value is NULL if `nulls`.
fn array_of(ty: &LogicalType, seeds: &[i64], nulls: bool) -> ArrayRef {
    let value = |(row, seed): (usize, &i64)| {
        if nulls && row % 3 == 0 {
            return Value::Null;
        }
        match ty {
            LogicalType::Null => Value::Null,
            LogicalType::Boolean => Value::Boolean(seed % 2 == 0),
            LogicalType::Real | LogicalType::Double => Value::Float(f64::from(*seed as i32)),
            LogicalType::String | LogicalType::Json => Value::String(format!("{seed}").into()),
            LogicalType::Blob => Value::Blob(seed.to_le_bytes()[..(*seed as usize) % 9].into()),
            LogicalType::Interval => Value::Interval(crate::types::Interval {
                months: *seed as i32,
                days: 1,
                micros: seed / 2000,
            }),
            LogicalType::Uuid => Value::Int(i128::from(*seed) << 64 | 7),
            ty => {
                let (low, high) = ty.stored_range().unwrap();
                Value::Int(i128::from(*seed).clamp(low, high))
            }
        }
    };
    let arrays: Vec<_> = seeds
        .iter()
        .enumerate()
        .map(value)
        .map(|value| crate::types::array::constant_array(&value, ty, 1).unwrap())
        .collect();
    let parts: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
    arrow::compute::concat(&parts).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_type_comes_back(seeds in prop::collection::vec(any::<i64>(), 1..40), nulls: bool) {
        let decimal = LogicalType::Decimal { precision: 12, scale: 2 };
        let columns = PLAIN_TYPES.iter().chain([&decimal]).map(|ty| (ty.clone(), array_of(ty, &seeds, nulls)));
        let all = rows(columns.collect());
        let bytes = encode(&all).unwrap();
        let back = decode(&bytes).unwrap();
        prop_assert_eq!(values(&back), values(&all));
        prop_assert_eq!(encode(&back).unwrap(), bytes);
    }

    #[test]
    fn blocks_read_together_are_those_read_one_by_one(
        parts in prop::collection::vec((prop::collection::vec(any::<i64>(), 1..5), any::<bool>(), 0_usize..9), 1..9),
    ) {
        // Now and then one with other columns, of which the last differs.
        let block = |(seeds, nulls, kind): &(Vec<i64>, bool, usize)| {
            let last = if *kind == 0 { LogicalType::Blob } else { LogicalType::Null };
            let types = PLAIN_TYPES.iter().chain([&last]);
            rows(types.map(|ty| (ty.clone(), array_of(ty, seeds, *nulls))).collect())
        };
        let all: Vec<Rows> = parts.iter().map(block).collect();
        let blocks: Vec<Vec<u8>> = all.iter().map(|rows| encode(rows).unwrap()).collect();
        let together = decode_all(blocks.iter().map(Vec::as_slice)).unwrap();
        let changes = parts.windows(2).filter(|pair| (pair[0].2 == 0) != (pair[1].2 == 0)).count();
        prop_assert_eq!(together.len(), changes + 1);
        let by_row = |all: &[Rows]| -> Vec<Vec<Value>> {
            let row = |rows: &Rows, row: usize| values(rows).iter().map(|column| column[row].clone()).collect();
            all.iter().flat_map(|rows| (0..rows.len).map(|at| row(rows, at)).collect::<Vec<_>>()).collect()
        };
        prop_assert_eq!(by_row(&together), by_row(&all));
    }

    #[test]
    fn damage_is_an_error_or_other_rows(
        seeds in prop::collection::vec(any::<i64>(), 1..20),
        at: prop::sample::Index,
        to: u8,
    ) {
        let columns = PLAIN_TYPES.iter().map(|ty| (ty.clone(), array_of(ty, &seeds, true)));
        let mut bytes = encode(&rows(columns.collect())).unwrap();
        let at = at.index(bytes.len());
        let whole = bytes.clone();
        bytes[at] = to;
        drop(decode(&bytes));
        drop(decode_all([&*whole, &*bytes, &*whole].into_iter()));
        bytes.truncate(at);
        prop_assert!(decode(&bytes).is_err());
    }
}
