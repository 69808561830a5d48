//! Maps: making them of keys and values, and finding these again.
//!
//! `map {'a': 1}` is `map_from_arrays(['a'], [1])`, `m['a']` is `map_extract_value(m, 'a')`.
//!
//! Invariants: the keys of a map differ, and none is NULL; its entries stay in the order in which they came.
//!
//! Does not: know where maps lie in memory.

use super::body::{FunctionError, ValuesCall, room};
use super::entry::on_values;
use super::{Function, Native, Param as P, returns};
use crate::types::value::total_order;
use crate::types::{LogicalType, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    on_values("map_from_arrays", &[P::Array, P::Array], made, |call| {
        let (keys, values) = (items(call, 0), items(call, 1));
        if keys.len() != values.len() {
            let message = format!("{} keys for {} values", keys.len(), values.len());
            return Err(FunctionError::new("22023", message));
        }
        let mut entries = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(values) {
            add(&mut entries, key, value, call)?;
        }
        Ok(Value::Array(entries))
    })
    .fallible()
    .doc(
        "A map of an array of keys and an array of values; what `map {k: v}` means. A key that is NULL or there twice is an error",
        "map_from_arrays(['a', 'b'], [1, 2]) → {a=1, b=2}",
    ),
    on_values("map_extract_value", &[P::Map, P::Key], value, |call| {
        Ok(find(call).and_then(|entry| entry.get(1)).cloned().unwrap_or(Value::Null))
    })
    .sees_nulls()
    .aka(&["element_at"])
    .doc("The value of a key, what `m[k]` means; NULL if there is none", "map_extract_value(map_from_arrays(['a'], [1]), 'b') → NULL"),
    on_values("map_contains", &[P::Map, P::Key], returns::boolean, |call| Ok(Value::Boolean(find(call).is_some())))
        .aka(&["contains", "map_contains_key"])
        .doc("Whether the map has the key", "map_contains(map_from_arrays(['a'], [1]), 'a') → true"),
    on_values("map_keys", &[P::Map], keys, |call| Ok(part(call, 0)))
        .aka(&["keys"])
        .doc("The keys, in their order", "map_keys(map_from_arrays(['a', 'b'], [1, 2])) → [a, b]"),
    on_values("map_values", &[P::Map], values, |call| Ok(part(call, 1)))
        .aka(&["values"])
        .doc("The values, in the order of their keys", "map_values(map_from_arrays(['a', 'b'], [1, 2])) → [1, 2]"),
    on_values("map_entries", &[P::Map], |types| first(types).laid_out().into_owned(), |call| {
        Ok(Value::Array(items(call, 0).to_vec()))
    })
    .aka(&["entries"])
    .doc("The entries as structs of `key` and `value`", "map_entries(map_from_arrays(['a'], [1])) → [{'key': a, 'value': 1}]"),
    on_values("map_length", &[P::Map], returns::bigint, |call| {
        Ok(Value::Int(items(call, 0).len() as i128))
    })
    .native(Native::Length)
    .aka(&["length", "len", "cardinality"])
    .doc("Number of entries", "map_length(map_from_arrays(['a', 'b'], [1, 2])) → 2"),
    on_values("map_put", &[P::Map, P::Key, P::Held], returns::first, |call| {
        let (Some(LogicalType::Map(_)), [map, key, value]) = (call.types.first(), call.args) else {
            return Ok(Value::Null);
        };
        let mut entries = match map {
            Value::Array(entries) => entries.clone(),
            _ => Vec::new(),
        };
        put(&mut entries, key, value)?;
        Ok(Value::Array(entries))
    })
    .sees_nulls()
    .fallible()
    .doc("The map with another value for a key, what `m[k] = v` assigns; a map that is NULL has no entries", "map_put(map_from_arrays(['a'], [1]), 'b', 2) → {a=1, b=2}"),
    on_values("map_remove", &[P::Map, P::Key], returns::first, |call| {
        let key = call.args.get(1).unwrap_or(&Value::Null);
        let left = items(call, 0).iter().filter(|entry| !is_of(entry, key));
        Ok(Value::Array(left.cloned().collect()))
    })
    .doc("The map without a key", "map_remove(map_from_arrays(['a', 'b'], [1, 2]), 'a') → {b=2}"),
];

fn first(types: &[LogicalType]) -> LogicalType {
    types.first().cloned().unwrap_or(LogicalType::Null)
}

/// Types of the keys and of the values.
fn parts(types: &[LogicalType]) -> (LogicalType, LogicalType) {
    match types.first() {
        Some(LogicalType::Map(of)) => (**of).clone(),
        _ => (LogicalType::Null, LogicalType::Null),
    }
}

fn made(types: &[LogicalType]) -> LogicalType {
    let item = |at: usize| match types.get(at) {
        Some(LogicalType::Array(item)) => (**item).clone(),
        _ => LogicalType::Null,
    };
    LogicalType::Map(Box::new((item(0), item(1))))
}

fn value(types: &[LogicalType]) -> LogicalType {
    parts(types).1
}

fn keys(types: &[LogicalType]) -> LogicalType {
    LogicalType::Array(Box::new(parts(types).0))
}

fn values(types: &[LogicalType]) -> LogicalType {
    LogicalType::Array(Box::new(parts(types).1))
}

fn items<'c>(call: &ValuesCall<'c>, at: usize) -> &'c [Value] {
    match call.args.get(at) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn is_of(entry: &Value, key: &Value) -> bool {
    matches!(entry, Value::Struct(parts) if parts.first().is_some_and(|known| total_order(known, key).is_eq()))
}

/// The entry of the key that is the second argument.
fn find<'c>(call: &ValuesCall<'c>) -> Option<&'c [Value]> {
    let key = call.args.get(1).filter(|key| **key != Value::Null)?;
    match items(call, 0).iter().find(|entry| is_of(entry, key)) {
        Some(Value::Struct(parts)) => Some(parts),
        _ => None,
    }
}

/// The keys, or the values, of all entries.
fn part(call: &ValuesCall<'_>, at: usize) -> Value {
    let of = |entry: &Value| match entry {
        Value::Struct(parts) => parts.get(at).cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    };
    Value::Array(items(call, 0).iter().map(of).collect())
}

fn add(entries: &mut Vec<Value>, key: &Value, value: &Value, call: &ValuesCall<'_>) -> Result<(), FunctionError> {
    if entries.iter().any(|entry| is_of(entry, key)) {
        let ty = match call.result {
            LogicalType::Map(of) => of.0.clone(),
            _ => LogicalType::Null,
        };
        let message = format!("the key `{}` is there twice", key.display(&ty));
        return Err(FunctionError::new("22023", message));
    }
    put(entries, key, value)
}

fn put(entries: &mut Vec<Value>, key: &Value, value: &Value) -> Result<(), FunctionError> {
    if *key == Value::Null {
        return Err(FunctionError::new("22004", "a key of a map cannot be NULL"));
    }
    let entry = Value::Struct(vec![key.clone(), value.clone()]);
    match entries.iter().position(|entry| is_of(entry, key)) {
        Some(at) => entries[at] = entry,
        None => {
            room(entries.len() + 1)?;
            entries.push(entry);
        }
    }
    Ok(())
}
