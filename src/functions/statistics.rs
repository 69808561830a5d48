//! What the elements of an array come to: medians, quantiles, modes, variances; and elements in the order of others.
//!
//! `array_median([1, 2, 10])` is 2.0. The aggregates of these names are computed so, over the array of a group's values.
//!
//! Invariants: NULLs are left out; without any other element the result is NULL.
//!
//! Does not: keep anything between calls.

use std::cmp::Ordering;

use super::array::{item, present};
use super::body::{FunctionError, ItemsCall, Scalar, ValuesCall, sort};
use super::entry::{on_items, on_values};
use super::{Function, Param as P, returns};
use crate::types::value::total_order;
use crate::types::{LogicalType, Value};

type Made = Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Function] = &[
    on_items("array_median", &[P::Numbers], returns::double, |call, items, _| Ok(between(numbers(call, items), 0.5)))
        .sees_nulls()
        .aka(&["list_median"])
        .doc("The middle element, or the mean of the two in the middle; NULLs are left out", "array_median([1, 10, 2, NULL]) → 2.0"),
    on_items("array_quantile_cont", &[P::Numbers, P::Double], returns::double, |call, items, _| {
        let share = match call.rest {
            [Scalar::Float(share)] => in_range(*share)?,
            _ => return Ok(Scalar::Null),
        };
        Ok(between(numbers(call, items), share))
    })
    .sees_nulls()
    .fallible()
    .aka(&["list_quantile_cont"])
    .doc("The number below which that share of the elements lies, between two of them if need be; NULLs are left out", "array_quantile_cont([1, 2], 0.25) → 1.25"),
    on_values("array_quantile_disc", &[P::List, P::Double], item, |call| {
        let Some(share) = fraction(call)? else { return Ok(Value::Null) };
        let values = sorted(call);
        let last = values.len().saturating_sub(1);
        let place = (share * values.len() as f64).ceil() as usize;
        Ok(values.get(place.saturating_sub(1).min(last)).cloned().unwrap_or(Value::Null))
    })
    .sees_nulls()
    .fallible()
    .aka(&["list_quantile_disc", "list_quantile", "array_quantile"])
    .doc("The first element that is not below that share of the elements; NULLs are left out", "array_quantile_disc(['a', 'b', 'c'], 0.5) → b"),
    on_values("array_mode", &[P::List], item, |call| Ok(mode(call)))
        .sees_nulls()
        .aka(&["list_mode"])
        .doc("The most frequent element; of several the least; NULLs are left out", "array_mode([3, 1, 3, 1, 2]) → 1"),
    on_items("array_var_samp", &[P::Numbers], returns::double, |call, items, _| Ok(variance(numbers(call, items), 1, false)))
        .sees_nulls()
        .aka(&["list_var_samp", "list_variance"])
        .doc("The variance of a sample; NULLs are left out", "array_var_samp([1, 2, 3, 4]) → 1.6666666666666667"),
    on_items("array_var_pop", &[P::Numbers], returns::double, |call, items, _| Ok(variance(numbers(call, items), 0, false)))
        .sees_nulls()
        .aka(&["list_var_pop"])
        .doc("The variance of a population; NULLs are left out", "array_var_pop([1, 2, 3, 4]) → 1.25"),
    on_items("array_stddev_samp", &[P::Numbers], returns::double, |call, items, _| Ok(variance(numbers(call, items), 1, true)))
        .sees_nulls()
        .aka(&["list_stddev_samp", "list_stddev"])
        .doc("The standard deviation of a sample; NULLs are left out", "array_stddev_samp([1, 2, 3]) → 1.0"),
    on_items("array_stddev_pop", &[P::Numbers], returns::double, |call, items, _| Ok(variance(numbers(call, items), 0, true)))
        .sees_nulls()
        .aka(&["list_stddev_pop"])
        .doc("The standard deviation of a population; NULLs are left out", "array_stddev_pop([1, 3]) → 1.0"),
    on_values("array_ordered", &[P::List, P::String], last_fields, ordered)
        .fallible()
        .doc(
            "The last fields of an array of structs, in the order of the other fields: for each a letter `a` or `d` for its direction and \
             one `f` or `l` for NULLs first or last",
            "array_ordered(list_value(row(1, 'a'), row(2, 'b')), 'dl') → [b, a]",
        ),
];

fn numbers(call: &ItemsCall<'_, '_>, items: &mut dyn Iterator<Item = Scalar<'_>>) -> Vec<f64> {
    let scale = match call.item {
        LogicalType::Decimal { scale, .. } => *scale,
        _ => 0,
    };
    let divisor = 10f64.powi(scale.into());
    let number = |item| match item {
        Scalar::Float(v) => Some(v),
        // Nearly all are this small, and machines know how to convert them.
        Scalar::Int(v) => Some(match i64::try_from(v) {
            Ok(small) => small as f64 / divisor,
            Err(_) => v as f64 / divisor,
        }),
        _ => None,
    };
    items.filter_map(number).collect()
}

fn sorted(call: &ValuesCall<'_>) -> Vec<Value> {
    let mut values = present(call);
    sort(&mut values, total_order);
    values
}

/// The share of 0 to 1 that the second argument is.
fn fraction(call: &ValuesCall<'_>) -> Result<Option<f64>, FunctionError> {
    match call.args.get(1) {
        Some(Value::Float(share)) => in_range(*share).map(Some),
        _ => Ok(None),
    }
}

fn in_range(share: f64) -> Result<f64, FunctionError> {
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(FunctionError::new("22003", "a quantile takes a share between 0 and 1")),
    }
}

fn between<'a>(mut values: Vec<f64>, share: f64) -> Scalar<'a> {
    if values.is_empty() {
        return Scalar::Null;
    }
    let place = share * (values.len() - 1) as f64;
    let (_, low, above) = values.select_nth_unstable_by(place.floor() as usize, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp);
    Scalar::Float(match next.filter(|_| place.fract() > 0.0) {
        Some(high) => *low + (high - *low) * place.fract(),
        None => *low,
    })
}

fn mode(call: &ValuesCall<'_>) -> Value {
    let values = sorted(call);
    let runs = values.chunk_by(|a, b| total_order(a, b) == Ordering::Equal);
    // `max_by_key` takes the last of equals, so the order is turned round.
    let runs: Vec<&[Value]> = runs.collect();
    let longest = runs.into_iter().rev().max_by_key(|run| run.len());
    longest.and_then(|run| run.first().cloned()).unwrap_or(Value::Null)
}

/// By the mean first and the squares of distances from it then, which loses no digits to large means.
fn variance<'a>(mut values: Vec<f64>, less: usize, root: bool) -> Scalar<'a> {
    if values.len() <= less {
        return Scalar::Null;
    }
    // In their order, so that the sum does not depend on who found which first.
    sort(&mut values, f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let variance = squares / (values.len() - less) as f64;
    Scalar::Float(if root { variance.sqrt() } else { variance })
}

fn last_fields(args: &[LogicalType]) -> LogicalType {
    let last = match item(args) {
        LogicalType::Struct(fields) => fields.last().map(|field| field.ty.clone()),
        _ => None,
    };
    LogicalType::Array(Box::new(last.unwrap_or(LogicalType::Null)))
}

fn ordered(call: &ValuesCall<'_>) -> Made {
    let (Some(Value::Array(items)), Some(Value::String(spec))) = (call.args.first(), call.args.get(1)) else {
        return Ok(Value::Null);
    };
    let directions: Vec<(bool, bool)> = spec
        .as_bytes()
        .chunks(2)
        .map(|pair| (pair.first() == Some(&b'd'), pair.get(1) == Some(&b'f')))
        .collect();
    let rows = items.iter().filter_map(|row| match row {
        Value::Struct(fields) => fields.split_last(),
        _ => None,
    });
    let mut rows: Vec<(&Value, &[Value])> = rows.collect();
    if rows.iter().any(|(_, keys)| keys.len() != directions.len()) {
        return Err(FunctionError::new(
            "22023",
            "`array_ordered` takes two letters for each field but the last",
        ));
    }
    sort(&mut rows, |(_, a), (_, b)| {
        let keys = a.iter().zip(*b).zip(&directions);
        let orders = keys.map(|((a, b), (desc, nulls_first))| key_order(a, b, *desc, *nulls_first));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    Ok(Value::Array(rows.into_iter().map(|(value, _)| value.clone()).collect()))
}

fn key_order(a: &Value, b: &Value, desc: bool, nulls_first: bool) -> Ordering {
    let null = |value: &Value| (*value == Value::Null) != nulls_first;
    let order = total_order(a, b);
    let order = if desc { order.reverse() } else { order };
    null(a).cmp(&null(b)).then(order)
}
