//! Arrays: taking them apart, putting them together, looking for elements.
//!
//! `array_position([7, 9], 9)` is 1: positions count from 0, as in `a[0]`, and negative ones from the end.
//!
//! Invariants: inside arrays a NULL equals a NULL and is greater than anything else, as comparisons of arrays have it; an
//! argument that is an array has the type of the others' elements.
//!
//! Does not: know where arrays lie in memory.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::body::{self, Answer, FunctionError, ItemsCall, Scalar, ValuesCall, push, room};
use super::entry::on_values;
use super::{Function, Native, Param as P, returns};
use crate::types::value::total_order;
use crate::types::{LogicalType, Value};

type Made = Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Function] = &[
    on_values("array_length", &[P::List], returns::bigint, |call| {
        Ok(count(items(call, 0)?.len()))
    })
    .native(Native::Length)
    .aka(&["length", "len", "list_length", "cardinality"])
    .doc("Number of elements", "array_length([7, NULL, 9]) → 3"),
    on_values("list_value", &[P::Item], array_of_first, |call| {
        Ok(Value::Array(call.args.to_vec()))
    })
    .variadic()
    .sees_nulls()
    .aka(&["array_value", "list_pack"])
    .doc("An array of the arguments, NULLs included; what `[a, b]` means", "list_value(1, NULL) → [1, NULL]"),
    on_values("array_get", &[P::List, P::BigInt], item, |call| element(call, true))
        .native(Native::Element { checked: true })
        .sees_nulls()
        .fallible()
        .doc("The element at a position, what `a[i]` means: outside the array an error; NULL if it or an argument is NULL", "array_get([7, 9], -1) → 9"),
    on_values("array_extract", &[P::List, P::BigInt], item, |call| element(call, false))
        .native(Native::Element { checked: false })
        .sees_nulls()
        .aka(&["list_extract", "list_element"])
        .doc("The element at a position, what `a?[i]` means: NULL outside the array", "array_extract([7, 9], 5) → NULL"),
    on_values("array_set", &[P::List, P::BigInt, P::Item], returns::first, with_element)
        .sees_nulls()
        .fallible()
        .doc("The array with another element at a position, what `a[i] = x` assigns: outside the array an error; NULL if the array or the position is", "array_set([7, 9], -1, 5) → [7, 5]"),
    on_values("array_slice", &[P::List, P::BigInt, P::BigInt], returns::first, slice)
        .sees_nulls()
        .aka(&["list_slice"])
        .doc("The elements from a position up to another, which is left out; what `a[i:j]` means. NULL is the array's end", "array_slice([1, 2, 3], 1, NULL) → [2, 3]"),
    on_values("array_contains", &[P::List, P::Item], returns::boolean, |call| {
        let wanted = arg(call, 1);
        Ok(Value::Boolean(items(call, 0)?.iter().any(|v| v == wanted || same(v, wanted))))
    })
    .aka(&["contains", "array_has", "list_contains", "list_has"])
    .doc("Whether the value is among the elements", "array_contains([1, 2], 2) → true"),
    on_values("array_position", &[P::List, P::Item], returns::bigint, |call| {
        let (Value::Array(items), wanted) = (arg(call, 0), arg(call, 1)) else {
            return Ok(Value::Null);
        };
        Ok(items.iter().position(|v| same(v, wanted)).map_or(Value::Null, count))
    })
    .sees_nulls()
    .aka(&["array_indexof", "list_position", "list_indexof"])
    .doc("Where the value first stands among the elements, counted from 0; NULL if it does not", "array_position(['a', 'b'], 'b') → 1"),
    on_values("array_concat", &[P::List, P::List], returns::first, |call| {
        let mut all = Vec::new();
        for i in 0..call.args.len() {
            all.extend_from_slice(items(call, i)?);
            room(all.len())?;
        }
        Ok(Value::Array(all))
    })
    .variadic()
    .fallible()
    .aka(&["array_cat", "list_concat", "list_cat"])
    .doc("The elements of all arguments in one array; what `a || b` means", "array_concat([1], [2, 3]) → [1, 2, 3]"),
    on_values("array_append", &[P::List, P::Item], returns::first, |call| {
        let mut all = existing(call, 0);
        all.push(arg(call, 1).clone());
        Ok(Value::Array(all))
    })
    .sees_nulls()
    .aka(&["array_push_back", "list_append"])
    .doc("The array with an element more at its end; NULL counts as an empty array", "array_append([1], 2) → [1, 2]"),
    on_values("array_prepend", &[P::Item, P::List], returns::second, |call| {
        let mut all = existing(call, 1);
        all.insert(0, arg(call, 0).clone());
        Ok(Value::Array(all))
    })
    .sees_nulls()
    .aka(&["array_push_front", "list_prepend"])
    .doc("The array with an element more at its front; NULL counts as an empty array", "array_prepend(0, [1]) → [0, 1]"),
    on_values("array_to_string", &[P::List, P::String], returns::string, join)
        .over_items(join_items)
        .fallible()
        .aka(&["join", "array_join", "list_to_string"])
        .doc("The elements as one text with the other between them; NULLs are left out", "array_to_string([1, NULL, 2], ', ') → 1, 2"),
    on_values("array_sort", &[P::List], returns::first, sort)
        .aka(&["list_sort"])
        .doc("The elements in ascending order, NULLs last", "array_sort([3, NULL, 1]) → [1, 3, NULL]"),
    on_values("array_sort", &[P::List, P::String], returns::first, sort)
        .fallible()
        .aka(&["list_sort"])
        .doc("The elements in the order `asc` or `desc`, NULLs last", "array_sort([1, 3, NULL], 'desc') → [3, 1, NULL]"),
    on_values("array_sort", &[P::List, P::String, P::String], returns::first, sort)
        .fallible()
        .aka(&["list_sort"])
        .doc("The elements in the order `asc` or `desc`, with `nulls first` or `nulls last`", "array_sort([1, NULL], 'asc', 'nulls first') → [NULL, 1]"),
    on_values("array_distinct", &[P::List], returns::first, |call| {
        let mut seen = BTreeSet::new();
        let mut kept = items(call, 0)?.to_vec();
        kept.retain(|v| *v != Value::Null && seen.insert(Key(v.clone())));
        Ok(Value::Array(kept))
    })
    .aka(&["list_distinct"])
    .doc("The different elements, each where it first stands; NULLs are left out", "array_distinct([2, 1, 2]) → [2, 1]"),
    on_values("array_reverse", &[P::List], returns::first, |call| {
        Ok(Value::Array(items(call, 0)?.iter().rev().cloned().collect()))
    })
    .aka(&["reverse", "list_reverse"])
    .doc("The elements from last to first", "array_reverse([1, 2]) → [2, 1]"),
    on_values("flatten", &[P::Lists], inner_array, |call| {
        let mut all = Vec::new();
        for inner in items(call, 0)? {
            if let Value::Array(inner) = inner {
                all.extend_from_slice(inner);
            }
        }
        Ok(Value::Array(all))
    })
    .doc("The elements of all elements, which are arrays, in one array; NULLs among them are left out", "flatten(list_value([1], [2, 3])) → [1, 2, 3]"),
    on_values("array_sum", &[P::Numbers], sum_type, sum)
        .sees_nulls()
        .fallible()
        .aka(&["list_sum"])
        .doc("The sum of the elements; NULLs are left out, and without any other element it is NULL", "array_sum([1, NULL, 2]) → 3"),
    on_values("array_avg", &[P::Numbers], returns::double, average)
        .sees_nulls()
        .aka(&["list_avg"])
        .doc("The mean of the elements; NULLs are left out, and without any other element it is NULL", "array_avg([1, 2]) → 1.5"),
    on_values("array_min", &[P::List], item, |call| extreme(call, Ordering::Less))
        .sees_nulls()
        .aka(&["list_min"])
        .doc("The least element; NULLs are left out, and without any other element it is NULL", "array_min([3, 1, NULL]) → 1"),
    on_values("array_max", &[P::List], item, |call| extreme(call, Ordering::Greater))
        .sees_nulls()
        .aka(&["list_max"])
        .doc("The greatest element; NULLs are left out, and without any other element it is NULL", "array_max([1, 3, NULL]) → 3"),
];

/// The element type of the first argument.
pub(super) fn item(args: &[LogicalType]) -> LogicalType {
    match args.first() {
        Some(LogicalType::Array(item)) => (**item).clone(),
        other => other.cloned().unwrap_or(LogicalType::Null),
    }
}

fn array_of_first(args: &[LogicalType]) -> LogicalType {
    LogicalType::Array(Box::new(returns::first(args)))
}

fn inner_array(args: &[LogicalType]) -> LogicalType {
    match item(args) {
        inner @ LogicalType::Array(_) => inner,
        _ => LogicalType::Array(Box::new(LogicalType::Null)),
    }
}

/// As the aggregate `sum` has it.
fn sum_type(args: &[LogicalType]) -> LogicalType {
    match item(args) {
        ty if ty.is_float() => LogicalType::Double,
        LogicalType::Decimal { scale, .. } => LogicalType::Decimal { precision: 38, scale },
        _ => LogicalType::HugeInt,
    }
}

fn count(n: usize) -> Value {
    Value::Int(i128::try_from(n).unwrap_or(i128::MAX))
}

fn arg<'a>(call: &ValuesCall<'a>, i: usize) -> &'a Value {
    call.args.get(i).unwrap_or(&Value::Null)
}

/// The elements of an argument that is not NULL.
fn items<'a>(call: &ValuesCall<'a>, i: usize) -> Result<&'a [Value], FunctionError> {
    match arg(call, i) {
        Value::Array(items) => Ok(items),
        _ => Err(FunctionError::new(
            "XX000",
            format!("argument {} is not an array", i + 1),
        )),
    }
}

/// The elements of an argument; none for NULL.
fn existing(call: &ValuesCall<'_>, i: usize) -> Vec<Value> {
    items(call, i).map(<[Value]>::to_vec).unwrap_or_default()
}

fn same(a: &Value, b: &Value) -> bool {
    total_order(a, b) == Ordering::Equal
}

/// A place counted from the start, or from the end if negative; may lie outside.
fn place(at: i128, length: usize) -> i128 {
    let length = i128::try_from(length).unwrap_or(i128::MAX);
    if at < 0 { at.saturating_add(length) } else { at }
}

fn element(call: &ValuesCall<'_>, checked: bool) -> Made {
    let (Value::Array(items), Value::Int(at)) = (arg(call, 0), arg(call, 1)) else {
        return Ok(Value::Null);
    };
    let found = usize::try_from(place(*at, items.len()))
        .ok()
        .and_then(|at| items.get(at));
    match found {
        Some(value) => Ok(value.clone()),
        None if checked => Err(FunctionError::new(
            "2202E",
            format!("index {at} is out of range for an array of length {}", items.len()),
        )),
        None => Ok(Value::Null),
    }
}

fn with_element(call: &ValuesCall<'_>) -> Made {
    let Value::Array(items) = arg(call, 0) else {
        return Ok(Value::Null);
    };
    let Value::Int(at) = arg(call, 1) else {
        return Ok(Value::Null);
    };
    let found = usize::try_from(place(*at, items.len()))
        .ok()
        .filter(|at| *at < items.len());
    let Some(found) = found else {
        let message = format!("index {at} is out of range for an array of length {}", items.len());
        return Err(FunctionError::new("2202E", message));
    };
    let mut items = items.clone();
    if let Some(item) = items.get_mut(found) {
        *item = arg(call, 2).clone();
    }
    Ok(Value::Array(items))
}

fn slice(call: &ValuesCall<'_>) -> Made {
    let Value::Array(items) = arg(call, 0) else {
        return Ok(Value::Null);
    };
    let end = |value: &Value, open: usize| match value {
        Value::Int(at) => {
            let at = place(*at, items.len()).max(0);
            usize::try_from(at).unwrap_or(usize::MAX).min(items.len())
        }
        _ => open,
    };
    let (from, to) = (end(arg(call, 1), 0), end(arg(call, 2), items.len()));
    Ok(Value::Array(items.get(from..to).unwrap_or_default().to_vec()))
}

fn join(call: &ValuesCall<'_>) -> Made {
    let ty = item(call.types);
    let Value::String(separator) = arg(call, 1) else {
        return Ok(Value::Null);
    };
    let mut text = String::new();
    let mut first = true;
    for value in items(call, 0)?.iter().filter(|value| **value != Value::Null) {
        if !first {
            text.push_str(separator);
        }
        first = false;
        text.push_str(&value.display(&ty));
        room(text.len())?;
    }
    Ok(Value::String(text.into()))
}

/// The same where no element is nested.
fn join_items<'a>(
    call: &ItemsCall<'_, 'a>,
    items: &mut dyn Iterator<Item = Scalar<'a>>,
    out: &'a mut Vec<u8>,
) -> Answer<'a> {
    let [Scalar::Bytes(separator)] = call.rest else {
        return Ok(Scalar::Null);
    };
    let mut first = true;
    for item in items.filter(|item| *item != Scalar::Null) {
        if !first {
            push(out, separator)?;
        }
        first = false;
        match item {
            Scalar::Bytes(text) if *call.item == LogicalType::String => push(out, text)?,
            other => push(out, other.to_value(call.item)?.display(call.item).as_bytes())?,
        }
    }
    Ok(Scalar::Bytes(out))
}

/// Which way elements are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SortOrder {
    /// The greatest first.
    pub descending: bool,
    /// NULLs before all others.
    pub nulls_first: bool,
}

/// The order that `array_sort` is told in words.
pub fn sort_order(direction: Option<&str>, nulls: Option<&str>) -> Result<SortOrder, FunctionError> {
    let unknown = |text: &str, words: &str| FunctionError::new("22023", format!("`{text}` is not one of {words}"));
    let descending = match direction.unwrap_or("asc").to_lowercase().as_str() {
        "asc" => false,
        "desc" | "dsc" => true,
        other => return Err(unknown(other, "`asc`, `desc`")),
    };
    let nulls_first = match nulls.unwrap_or("nulls last").to_lowercase().as_str() {
        "nulls first" => true,
        "nulls last" => false,
        other => return Err(unknown(other, "`nulls first`, `nulls last`")),
    };
    Ok(SortOrder {
        descending,
        nulls_first,
    })
}

fn sort(call: &ValuesCall<'_>) -> Made {
    let word = |i: usize| match arg(call, i) {
        Value::String(text) => Some(&**text),
        _ => None,
    };
    let order = sort_order(word(1), word(2))?;
    let mut sorted = items(call, 0)?.to_vec();
    let null = |value: &Value| (*value == Value::Null) != order.nulls_first;
    body::sort(&mut sorted, |a, b| {
        let values = total_order(a, b);
        let values = if order.descending { values.reverse() } else { values };
        null(a).cmp(&null(b)).then(values)
    });
    Ok(Value::Array(sorted))
}

/// A value in the order of comparisons.
struct Key(Value);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        total_order(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

pub(super) fn present(call: &ValuesCall<'_>) -> Vec<Value> {
    let mut values = existing(call, 0);
    values.retain(|value| *value != Value::Null);
    values
}

fn extreme(call: &ValuesCall<'_>, wanted: Ordering) -> Made {
    let best = present(call).into_iter().reduce(|best, next| {
        if total_order(&next, &best) == wanted {
            next
        } else {
            best
        }
    });
    Ok(best.unwrap_or(Value::Null))
}

fn sum(call: &ValuesCall<'_>) -> Made {
    let values = present(call);
    if values.is_empty() {
        return Ok(Value::Null);
    }
    if call.result.is_float() {
        return Ok(Value::Float(values.iter().map(|v| as_float(v, 0)).sum()));
    }
    let (low, high) = call.result.stored_range().unwrap_or((i128::MIN, i128::MAX));
    let total = values
        .iter()
        .try_fold(0i128, |sum, v| sum.checked_add(v.as_int().unwrap_or(0)))
        .filter(|total| (low..=high).contains(total));
    total.map(Value::Int).ok_or_else(|| {
        FunctionError::new(
            "22003",
            format!("the sum of the elements does not fit in {}", call.result),
        )
    })
}

fn average(call: &ValuesCall<'_>) -> Made {
    let scale = match item(call.types) {
        LogicalType::Decimal { scale, .. } => scale,
        _ => 0,
    };
    let values = present(call);
    if values.is_empty() {
        return Ok(Value::Null);
    }
    let total: f64 = values.iter().map(|v| as_float(v, scale)).sum();
    Ok(Value::Float(total / values.len() as f64))
}

pub(super) fn as_float(value: &Value, scale: u8) -> f64 {
    match value {
        Value::Float(v) => *v,
        other => crate::types::cast::decimal_to_float(other.as_int().unwrap_or(0), scale),
    }
}
