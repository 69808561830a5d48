//! Labels of enums on their way into a store and out of it: codes there, numbers in the engine.
//!
//! `'vip'` of `Tier('basic', 'silver', 'vip')`, to which `'silver'` came later, is the number 2, and lies in segments as the code 1: what
//! was written before there was a `'silver'` is read as what it is, under any definition.
//!
//! Invariants: rows of segments, of redo records and in hashes have codes; indexes, which are in the order of the labels, have numbers, as
//! everything has that a segment gives out. Where codes are numbers, nothing is copied.
//!
//! Does not: know segments.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, PrimitiveArray, StructArray};
use arrow::datatypes::{self as dt, ArrowPrimitiveType, DataType};

use crate::types::labels::{EnumType, look_up, renumbered};
use crate::types::{LogicalType, Value};

/// Values as a store has them.
pub(super) fn coded(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    replaced(array, ty, &EnumType::codes)
}

/// Values of a store as the engine has them.
pub(super) fn numbered(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    replaced(array, ty, &EnumType::numbers)
}

/// A value as a store has it.
pub(super) fn coded_value(value: Value, ty: &LogicalType) -> Value {
    match ty.is_reordered() {
        true => renumbered(value, ty, &|labels, number| look_up(&labels.codes(), number)),
        false => value,
    }
}

/// A value of a store as the engine has it.
pub(super) fn numbered_value(value: Value, ty: &LogicalType) -> Value {
    match ty.is_reordered() {
        true => renumbered(value, ty, &|labels, code| look_up(&labels.numbers(), code)),
        false => value,
    }
}

/// The least range that has the numbers of all codes of one.
pub(super) fn numbered_range((min, max): (Value, Value), ty: &LogicalType) -> Option<(Value, Value)> {
    if !ty.is_reordered() {
        return Some((min, max));
    }
    let (LogicalType::Enum(labels), Value::Int(min), Value::Int(max)) = (ty, min, max) else {
        return None;
    };
    let numbers = labels.numbers();
    if max >= numbers.len() as i128 {
        return None;
    }
    let codes = (0..=u16::MAX).zip(numbers);
    let inside = codes.filter(|(code, _)| (min..=max).contains(&i128::from(*code)));
    let range = inside.fold(None, |range: Option<(u16, u16)>, (_, number)| {
        let (least, most) = range.unwrap_or((number, number));
        Some((least.min(number), most.max(number)))
    });
    range.map(|(least, most)| (Value::Int(least.into()), Value::Int(most.into())))
}

fn replaced(array: &ArrayRef, ty: &LogicalType, table: &dyn Fn(&EnumType) -> Vec<u16>) -> Result<ArrayRef, String> {
    if !ty.is_reordered() {
        return Ok(Arc::clone(array));
    }
    let unfit = || format!("values of the type {} where {ty} was expected", array.data_type());
    match &*ty.laid_out() {
        LogicalType::Enum(labels) => match array.data_type() {
            DataType::Int8 => Ok(looked_up::<dt::Int8Type>(array.as_primitive(), &table(labels))),
            DataType::Int16 => Ok(looked_up::<dt::Int16Type>(array.as_primitive(), &table(labels))),
            _ => Err(unfit()),
        },
        LogicalType::Array(item) => {
            let lists = array.as_list_opt::<i32>().ok_or_else(unfit)?;
            let DataType::List(field) = lists.data_type() else {
                return Err(unfit());
            };
            let items = replaced(lists.values(), item, table)?;
            let made = ListArray::try_new(
                Arc::clone(field),
                lists.offsets().clone(),
                items,
                lists.nulls().cloned(),
            );
            Ok(Arc::new(made.map_err(|error| error.to_string())?))
        }
        LogicalType::Struct(fields) => {
            let structs = array.as_struct_opt().ok_or_else(unfit)?;
            let columns = structs.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| replaced(column, &field.ty, table));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let made = StructArray::try_new(structs.fields().clone(), columns, structs.nulls().cloned());
            Ok(Arc::new(made.map_err(|error| error.to_string())?))
        }
        _ => Err(unfit()),
    }
}

fn looked_up<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, table: &[u16]) -> ArrayRef
where
    T::Native: Into<i128> + TryFrom<i128>,
{
    // What stands where a value is NULL is looked up, too, and may be anything.
    let replaced = array.unary::<_, T>(|value| look_up(table, value.into()).try_into().unwrap_or(value));
    Arc::new(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;
    use crate::types::array::from_values;
    use crate::types::cell::value;

    fn tier() -> LogicalType {
        let mut labels = EnumType::new("tier", ["basic", "vip"].map(str::to_owned).to_vec());
        labels.insert(1, "silver".into());
        labels.insert(0, "none".into());
        LogicalType::Enum(Arc::new(labels))
    }

    #[test]
    fn values_come_back() {
        let tier = tier();
        let field = |ty: &LogicalType| Field {
            name: "f".into(),
            ty: ty.clone(),
            nullable: true,
        };
        let array = LogicalType::Array(Box::new(tier.clone()));
        let structs = LogicalType::Struct(vec![field(&tier), field(&array), field(&LogicalType::Integer)]);
        let map = LogicalType::Map(Box::new((tier.clone(), LogicalType::Integer)));
        let int = Value::Int;
        let list = |values: &[i128]| Value::Array(values.iter().copied().map(Value::Int).collect());
        let cases = [
            (
                tier,
                vec![int(0), int(1), Value::Null, int(2), int(3)],
                vec![int(3), int(0), Value::Null, int(2), int(1)],
            ),
            (
                array,
                vec![list(&[0, 3]), Value::Null, list(&[]), list(&[2])],
                vec![list(&[3, 1]), Value::Null, list(&[]), list(&[2])],
            ),
            (
                structs,
                vec![Value::Struct(vec![int(1), list(&[0]), int(1)]), Value::Null],
                vec![Value::Struct(vec![int(0), list(&[3]), int(1)]), Value::Null],
            ),
            (
                map,
                vec![Value::Array(vec![Value::Struct(vec![int(3), int(3)])])],
                vec![Value::Array(vec![Value::Struct(vec![int(1), int(3)])])],
            ),
        ];
        for (ty, numbers, codes) in cases {
            let array = from_values(&numbers, &ty).unwrap();
            let stored = coded(&array, &ty).unwrap();
            let shown = |array: &ArrayRef| (0..array.len()).map(|row| value(array, row)).collect::<Vec<_>>();
            assert_eq!(shown(&stored), codes, "{ty}");
            assert_eq!(shown(&numbered(&stored, &ty).unwrap()), numbers, "{ty}");
            for (number, code) in numbers.iter().zip(&codes) {
                assert_eq!(numbered_value(code.clone(), &ty), *number, "{ty}");
                assert_eq!(coded_value(number.clone(), &ty), *code, "{ty}");
            }
            // Not from the beginning.
            let part = numbered(&stored.slice(1, stored.len() - 1), &ty).unwrap();
            assert_eq!(shown(&part), numbers[1..], "{ty}");
        }
    }

    #[test]
    fn a_range_holds_all_of_its_codes() {
        let range = |min, max| numbered_range((Value::Int(min), Value::Int(max)), &tier());
        let int = |(least, most)| Some((Value::Int(least), Value::Int(most)));
        assert_eq!(range(0, 0), int((1, 1)));
        assert_eq!(range(0, 1), int((1, 3)));
        assert_eq!(range(1, 2), int((2, 3)));
        assert_eq!(range(0, 3), int((0, 3)));
        assert_eq!(range(0, 4), None);
    }
}
