//! Random arguments of every type, and every body run on them: none may panic, make text that is not UTF-8, or give a
//! value that its type does not hold.

use proptest::prelude::*;

use super::*;
use crate::types::Interval;

/// A value of the type made from random bits: its extremes, small numbers, and anything.
pub(super) fn argument(ty: &LogicalType, bits: u128) -> Scalar<'static> {
    let (choice, bits) = (bits % 8, bits >> 3);
    match ty {
        LogicalType::Real => Scalar::Float((float(choice, bits, f32::from_bits(bits as u32).into()) as f32).into()),
        LogicalType::Double => Scalar::Float(float(choice, bits, f64::from_bits(bits as u64))),
        LogicalType::String => Scalar::Bytes(text(choice, bits).as_bytes()),
        LogicalType::Json => Scalar::Bytes(json(choice, bits).as_bytes()),
        LogicalType::Blob => Scalar::Bytes([b"".as_slice(), b"\xff\x00", b"abc"][(bits % 3) as usize]),
        LogicalType::Interval => Scalar::Interval(Interval {
            months: integer(choice, bits, i32::MIN.into(), i32::MAX.into()) as i32,
            days: integer(choice, bits >> 32, i32::MIN.into(), i32::MAX.into()) as i32,
            micros: integer(choice, bits >> 60, i64::MIN.into(), i64::MAX.into()) as i64,
        }),
        _ => {
            let (low, high) = ty.stored_range().expect("stored as an integer");
            Scalar::Int(integer(choice, bits, low, high))
        }
    }
}

fn float(choice: u128, bits: u128, any: f64) -> f64 {
    const SPECIAL: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5, f64::MIN_POSITIVE];
    match choice {
        0 => SPECIAL[(bits % 6) as usize],
        1 => (bits % 1000) as f64 / 8.0 - 60.0,
        _ => any,
    }
}

fn integer(choice: u128, bits: u128, low: i128, high: i128) -> i128 {
    let value = match choice {
        0 => low,
        1 => high,
        2 => 0,
        3 | 4 => (bits % 20) as i128 - 10,
        5 => (bits % 200_000) as i128 - 100_000,
        _ => low.wrapping_add((bits % (high.wrapping_sub(low) as u128).max(1)) as i128),
    };
    value.clamp(low, high)
}

fn text(choice: u128, bits: u128) -> &'static str {
    const TEXTS: [&str; 16] = [
        "",
        "a",
        "ab",
        "aba",
        "größe",
        "日本語",
        " x ",
        "year",
        "week",
        "dow",
        "epoch",
        "%Y-%m-%d %H",
        "%-",
        "0fA",
        "ß",
        "\u{10FFFF}\u{300}",
    ];
    TEXTS[((choice + bits) % 16) as usize]
}

fn json(choice: u128, bits: u128) -> &'static str {
    const TEXTS: [&str; 8] = [
        "null",
        "{}",
        "[]",
        " [1, 2.50, \"\\u00e9\", {\"a\" : [null]}]",
        "{\"a\": {\"a\": 1e999}, \"year\": \"\\ud800\"}",
        "\"größe\"",
        "-0.0",
        "true ",
    ];
    TEXTS[((choice + bits) % 8) as usize]
}

/// Types that a parameter takes as they are; none where arguments are arrays or structs, whose objects lie in memory that
/// this test does not have.
pub(super) fn types_of(param: Param) -> Vec<LogicalType> {
    use LogicalType as T;
    let decimals =
        [(9, 2), (18, 18), (38, 0), (38, 10), (38, 38)].map(|(precision, scale)| T::Decimal { precision, scale });
    let integers = [
        T::TinyInt,
        T::SmallInt,
        T::Integer,
        T::BigInt,
        T::HugeInt,
        T::UTinyInt,
        T::UInteger,
        T::UBigInt,
    ];
    match param {
        Param::Boolean => vec![T::Boolean],
        Param::BigInt => vec![T::BigInt],
        Param::Integer | Param::Common(Class::Integer) => integers.to_vec(),
        Param::Decimal => decimals.to_vec(),
        Param::Float => vec![T::Real, T::Double],
        Param::Double => vec![T::Double],
        Param::String | Param::Text => vec![T::String],
        Param::Json => vec![T::Json],
        Param::Blob => vec![T::Blob],
        Param::Date => vec![T::Date],
        Param::Time => vec![T::Time],
        Param::Timestamp => vec![T::Timestamp, T::TimestampTz],
        Param::Instant | Param::Common(Class::Instant) => vec![T::Date, T::Timestamp, T::TimestampTz],
        Param::Interval => vec![T::Interval],
        // Alike in number and order, so that one choice fits all parameters.
        Param::Item | Param::Anything => items(),
        Param::List => items().into_iter().map(array).collect(),
        Param::Numbers => vec![
            array(T::TinyInt),
            array(decimals[0].clone()),
            array(T::Real),
            array(T::HugeInt),
        ],
        Param::Lists => vec![array(array(T::BigInt))],
        Param::Array => items().into_iter().map(array).collect(),
        Param::Key => vec![T::String, T::BigInt],
        Param::Held => vec![T::BigInt, array(T::String)],
        Param::Map => vec![map(T::String, T::BigInt), map(T::BigInt, array(T::String))],
        Param::Struct => vec![T::Struct(vec![crate::types::Field {
            name: "a".into(),
            ty: T::BigInt,
            nullable: true,
        }])],
        Param::Common(Class::Number) => [&integers[..], &decimals, &[T::Real, T::Double]].concat(),
        Param::Common(Class::Any) => vec![
            T::Boolean,
            T::BigInt,
            T::Double,
            T::String,
            T::Blob,
            T::Time,
            T::Interval,
            T::Uuid,
            T::Json,
        ],
    }
}

fn array(item: LogicalType) -> LogicalType {
    LogicalType::Array(Box::new(item))
}

fn map(key: LogicalType, value: LogicalType) -> LogicalType {
    LogicalType::Map(Box::new((key, value)))
}

fn items() -> Vec<LogicalType> {
    use LogicalType as T;
    vec![
        T::BigInt,
        T::String,
        T::Double,
        T::Interval,
        T::Boolean,
        T::Uuid,
        T::Json,
        array(T::Integer),
    ]
}

/// A value of any type made from random bits; NULLs inside.
pub(super) fn value(ty: &LogicalType, bits: u128) -> Value {
    let part = |i: u32, ty: &LogicalType| {
        let bits = bits.rotate_right(11 * i + 3);
        if bits.is_multiple_of(5) {
            Value::Null
        } else {
            value(ty, bits)
        }
    };
    match ty {
        LogicalType::Map(_) => value(&ty.laid_out(), bits),
        LogicalType::Array(item) => Value::Array((0..(bits % 5) as u32).map(|i| part(i, item)).collect()),
        LogicalType::Struct(fields) => Value::Struct((0..).zip(fields).map(|(i, field)| part(i, &field.ty)).collect()),
        flat => argument(flat, bits).to_value(flat).expect("text is UTF-8"),
    }
}

/// Whether the value is one of the type.
fn fits(value: &Value, ty: &LogicalType) -> bool {
    match (value, ty) {
        (Value::Null, _) => true,
        (Value::Array(_), LogicalType::Map(_)) => fits(value, &ty.laid_out()),
        (Value::Array(items), LogicalType::Array(item)) => items.iter().all(|value| fits(value, item)),
        (Value::Struct(values), LogicalType::Struct(fields)) => {
            values.len() == fields.len() && values.iter().zip(fields).all(|(value, field)| fits(value, &field.ty))
        }
        (Value::Boolean(_), ty) => *ty == LogicalType::Boolean,
        (Value::Int(v), ty) => ty.stored_range().is_some_and(|(low, high)| (low..=high).contains(v)),
        (Value::Float(_), ty) => ty.is_float(),
        (Value::String(text), LogicalType::Json) => crate::types::json::check(text).is_ok(),
        (Value::String(_), ty) => *ty == LogicalType::String,
        (Value::Blob(_), ty) => *ty == LogicalType::Blob,
        (Value::Interval(_), ty) => *ty == LogicalType::Interval,
        _ => false,
    }
}

fn check_values(resolved: &Resolved, seeds: &[u128]) {
    let function = function(resolved.function);
    let types = &resolved.arg_types;
    let args: Vec<Value> = types.iter().zip(seeds).map(|(ty, bits)| value(ty, *bits)).collect();
    let env = Env::new(0, 1);
    match call_values(resolved.function, &args, types, &resolved.result, &env) {
        // The type of a field is the binder's to say.
        Ok(_) if function.native == Some(Native::Field) => {}
        Ok(found) => assert!(fits(&found, &resolved.result), "{function:?} of {args:?} is {found:?}"),
        Err(error) => {
            assert!(function.fallible, "{function:?} of {args:?} must not fail: {error}");
            assert_ne!(error.code, "XX000", "{function:?} of {args:?}: {error}");
        }
    }
}

/// One type for each of the entry's parameters; common ones get the same.
fn choose(function: &Function, bits: u128) -> Vec<LogicalType> {
    let repeated = function.params.last().filter(|_| function.variadic);
    let params = function.params.iter().chain(repeated);
    let pick = |param: &Param| {
        let types = types_of(*param);
        types[(bits % types.len() as u128) as usize].clone()
    };
    params.map(pick).collect()
}

fn check(name: &str, types: &[LogicalType], seeds: &[u128]) {
    let resolved = resolve(name, types).expect("these types were found to fit");
    if function(resolved.function).values.is_some() {
        return check_values(&resolved, seeds);
    }
    let args: Vec<_> = resolved
        .arg_types
        .iter()
        .zip(seeds)
        .map(|(ty, bits)| argument(ty, *bits))
        .collect();
    let env = Env::new(0, 1);
    let row = Call {
        args: &args,
        types: &resolved.arg_types,
        result: &resolved.result,
        env: &env,
    };
    let function = function(resolved.function);
    let mut buffer = Vec::new();
    let found = match call(resolved.function, &row, &mut buffer) {
        Ok(found) => found,
        Err(error) => {
            assert!(function.fallible, "{function:?} of {args:?} must not fail: {error}");
            assert_ne!(error.code, "XX000", "{function:?} of {args:?}: {error}");
            return;
        }
    };
    found.to_value(&resolved.result).expect("text is UTF-8");
    match (found, resolved.result.stored_range()) {
        (Scalar::Int(v), Some((low, high))) => assert!((low..=high).contains(&v), "{function:?} of {args:?} is {v}"),
        (Scalar::Int(_), None) => panic!("{function:?} gives an integer for {}", resolved.result),
        (Scalar::Float(_), _) => assert!(resolved.result.is_float(), "{function:?}"),
        (Scalar::Null, _) if function.nulls == NullRule::Strict => panic!("{function:?} of {args:?} is NULL"),
        _ => {}
    }
}

#[test]
fn the_first_date_has_no_microseconds() {
    assert_eq!(argument(&LogicalType::Date, 0), Scalar::Int(i32::MIN.into()));
    check("epoch_us", &[LogicalType::Date], &[0]);
}

proptest! {
    #[test]
    fn bodies_take_any_argument(choice in any::<u128>(), seeds in any::<[u128; 7]>()) {
        let flat = |function: &&Function| function.params.iter().all(|param| !types_of(*param).is_empty());
        for function in all().iter().filter(flat) {
            check(function.name, &choose(function, choice), &seeds);
        }
    }
}
