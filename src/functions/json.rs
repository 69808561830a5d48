//! JSON: parts of it, what it is, and making it of values.
//!
//! `json_extract('{"a": [1, 2.50]}', '$.a[1]')` is the JSON `2.50`, a piece of its argument.
//!
//! Invariants: a part that is not there is NULL, not an error; a path that is none is one.
//!
//! Does not: read JSON; `types::json` does.

use super::body::{Answer, Call, FunctionError, Scalar, ValuesCall, push};
use super::entry::{on_values, strict};
use super::{Function, Param as P, returns};
use crate::types::json::{self, Kind, Step};
use crate::types::text::{json_of, write_string};
use crate::types::{LogicalType, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("json_extract", &[P::Json, P::String], returns::json, |call, _| {
        part(call)
    })
    .sees_nulls()
    .fallible()
    .doc(
        "The part at a path such as `$.a.b[0]`, or with a key, as JSON. NULL if it is not there",
        "json_extract('{\"a\": [1, 2.50]}', '$.a[1]') → 2.50",
    ),
    strict("json_extract", &[P::Json, P::BigInt], returns::json, |call, _| {
        part(call)
    })
    .sees_nulls()
    .doc(
        "The element at a position of a JSON array, below zero from its end, as JSON. NULL if it is not there",
        "json_extract('[1, \"x\"]', -1) → \"x\"",
    ),
    strict("json_extract_string", &[P::Json, P::String], returns::string, said)
        .sees_nulls()
        .fallible()
        .doc(
            "The part at a path or with a key, as text: strings without quotes. NULL if it is not there, or `null`",
            "json_extract_string('{\"a\": \"x\"}', 'a') → x",
        ),
    strict("json_extract_string", &[P::Json, P::BigInt], returns::string, said)
        .sees_nulls()
        .fallible()
        .doc(
            "The element at a position of a JSON array, as text. NULL if it is not there, or `null`",
            "json_extract_string('[1, \"x\"]', 1) → x",
        ),
    strict("json_type", &[P::Json], returns::string, |call, _| {
        Ok(Scalar::Bytes(Kind::of(call.text(0)?).name().as_bytes()))
    })
    .aka(&["json_typeof"])
    .doc(
        "What JSON is: `object`, `array`, `string`, `number`, `boolean` or `null`",
        "json_type('[1]') → array",
    ),
    strict("json_valid", &[P::String], returns::boolean, |call, _| {
        Ok(Scalar::boolean(json::check(call.text(0)?).is_ok()))
    })
    .doc("Whether a text is JSON", "json_valid('{\"a\": }') → false"),
    strict("json_array_length", &[P::Json], returns::bigint, |call, _| {
        let Some(Scalar::Bytes(_)) = call.args.first() else {
            return Ok(Scalar::Null);
        };
        let length = json::items(call.text(0)?).map(|items| items.len() as i128);
        Ok(length.map_or(Scalar::Null, Scalar::Int))
    })
    .sees_nulls()
    .doc(
        "The number of elements of a JSON array. NULL if it is none",
        "json_array_length('[1, [2, 3]]') → 2",
    ),
    on_values("json_keys", &[P::Json], texts, |call| {
        let Some(Value::String(text)) = call.args.first() else {
            return Ok(Value::Null);
        };
        let key = |(key, _): (String, _)| Value::String(key.into());
        let keys = json::entries(text).map(|entries| entries.into_iter().map(key).collect());
        Ok(keys.map_or(Value::Null, Value::Array))
    })
    .sees_nulls()
    .doc(
        "The keys of a JSON object, in their order. NULL if it is none",
        "json_keys('{\"b\": 1, \"a\": {}}') → [b, a]",
    ),
    on_values("to_json", &[P::Anything], returns::json, |call| {
        Ok(Value::String(argument(call, 0).into()))
    })
    .doc(
        "A value as JSON: structs and maps are objects; dates, times and UUIDs strings",
        "to_json(row(1, [true], 'x')) → {\"f1\":1,\"f2\":[true],\"f3\":\"x\"}",
    ),
    on_values("json_array", &[P::Anything], returns::json, |call| {
        let items: Vec<String> = (0..call.args.len()).map(|i| argument(call, i)).collect();
        Ok(Value::String(format!("[{}]", items.join(",")).into()))
    })
    .variadic()
    .sees_nulls()
    .doc(
        "A JSON array of the arguments, NULLs as `null`",
        "json_array(1, 'x', NULL) → [1,\"x\",null]",
    ),
    on_values("json_object", &[P::Anything, P::Anything], returns::json, object)
        .variadic()
        .sees_nulls()
        .fallible()
        .doc(
            "A JSON object of keys and values in turn, NULLs as `null`",
            "json_object('a', 1, 'b', [2]) → {\"a\":1,\"b\":[2]}",
        ),
];

fn texts(_: &[LogicalType]) -> LogicalType {
    LogicalType::Array(Box::new(LogicalType::String))
}

/// An argument as JSON.
fn argument(call: &ValuesCall<'_>, i: usize) -> String {
    let ty = call.types.get(i).unwrap_or(&LogicalType::Null);
    call.args
        .get(i)
        .map_or_else(|| "null".to_owned(), |value| json_of(value, ty))
}

/// The piece of the first argument that the second one says; `None` if it is not there.
fn found<'a>(call: &Call<'a>) -> Result<Option<&'a str>, FunctionError> {
    if call.args.contains(&Scalar::Null) {
        return Ok(None);
    }
    let text = call.text(0)?;
    if let Some(Scalar::Int(index)) = call.args.get(1) {
        let index = i64::try_from(*index).unwrap_or(i64::MAX);
        return Ok(json::part(text, &[Step::Index(index)]));
    }
    let path = json::path(call.text(1)?).map_err(|message| FunctionError::new("22023", message))?;
    Ok(json::part(text, &path))
}

fn part<'a>(call: &Call<'a>) -> Answer<'a> {
    Ok(found(call)?.map_or(Scalar::Null, |text| Scalar::Bytes(text.as_bytes())))
}

fn said<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let Some(text) = found(call)?.filter(|text| Kind::of(text) != Kind::Null) else {
        return Ok(Scalar::Null);
    };
    push(out, json::unquoted(text)?.as_bytes())?;
    Ok(Scalar::Bytes(out))
}

fn object(call: &ValuesCall<'_>) -> Result<Value, FunctionError> {
    if !call.args.len().is_multiple_of(2) {
        return Err(FunctionError::new(
            "22023",
            "the last key of `json_object` has no value",
        ));
    }
    let mut out = String::from("{");
    for i in (0..call.args.len()).step_by(2) {
        let key = call.args.get(i).filter(|key| **key != Value::Null);
        let key = key.ok_or_else(|| FunctionError::new("22004", "a key of a JSON object is NULL"))?;
        out.push_str(if i == 0 { "" } else { "," });
        write_string(&mut out, &key.display(call.types.get(i).unwrap_or(&LogicalType::Null)));
        out.push(':');
        out.push_str(&argument(call, i + 1));
    }
    out.push('}');
    Ok(Value::String(out.into()))
}
