//! Which entry a call means.

use super::*;
use LogicalType as T;

fn types(name: &str, args: &[T]) -> String {
    match resolve(name, args) {
        Ok(resolved) => {
            let args: Vec<_> = resolved.arg_types.iter().map(ToString::to_string).collect();
            format!(
                "{}({}) {}",
                function(resolved.function).name,
                args.join(", "),
                resolved.result
            )
        }
        Err(failure) => format!("{failure:?}"),
    }
}

#[test]
fn overloads() {
    let dec = |precision, scale| T::Decimal { precision, scale };
    for (name, args, expected) in [
        ("round", vec![T::SmallInt], "round(smallint) smallint"),
        ("ROUND", vec![dec(15, 2)], "round(decimal(15,2)) decimal(14,0)"),
        (
            "round",
            vec![dec(15, 2), T::TinyInt],
            "round(decimal(15,2), bigint) decimal(16,2)",
        ),
        ("round", vec![T::Real], "round(real) real"),
        ("abs", vec![dec(15, 2)], "abs(decimal(15,2)) decimal(15,2)"),
        ("sqrt", vec![T::Integer], "sqrt(double) double"),
        ("sqrt", vec![dec(15, 2)], "sqrt(double) double"),
        ("power", vec![T::Integer, T::Real], "pow(double, double) double"),
        ("mod", vec![T::Integer, T::BigInt], "mod(bigint, bigint) bigint"),
        (
            "mod",
            vec![dec(5, 2), T::TinyInt],
            "mod(decimal(5,2), decimal(5,2)) decimal(5,2)",
        ),
        ("mod", vec![T::UBigInt, T::BigInt], "mod(hugeint, hugeint) hugeint"),
        ("greatest", vec![T::Null, T::String], "greatest(string, string) string"),
        ("greatest", vec![T::Null], "greatest(bigint) bigint"),
        (
            "greatest",
            vec![T::Date, T::TimestampTz, T::Date],
            "greatest(timestamptz, timestamptz, timestamptz) timestamptz",
        ),
        ("year", vec![T::Date], "year(date) bigint"),
        ("year", vec![T::Interval], "year(interval) bigint"),
        ("hour", vec![T::Date], "hour(timestamp) bigint"),
        ("hour", vec![T::Time], "hour(time) bigint"),
        (
            "date_trunc",
            vec![T::String, T::TimestampTz],
            "date_trunc(string, timestamptz) timestamptz",
        ),
        (
            "date_add",
            vec![T::Date, T::Interval],
            "date_add(timestamp, interval) timestamp",
        ),
        ("concat", vec![T::Date, T::BigInt], "concat(string, string) string"),
        ("upper", vec![T::Null], "upper(string) string"),
    ] {
        assert_eq!(types(name, &args), expected);
    }
}

#[test]
fn names_and_failures() {
    for (name, args, expected) in [
        ("@Upper", vec![T::String], "upper(string) string"),
        (
            "@StartsWith",
            vec![T::String, T::String],
            "starts_with(string, string) boolean",
        ),
        (
            "@starts_with",
            vec![T::String, T::String],
            "starts_with(string, string) boolean",
        ),
        (
            "startswith",
            vec![T::String, T::String],
            "UnknownName { nearest: Some(\"starts_with\") }",
        ),
        ("uper", vec![T::String], "UnknownName { nearest: Some(\"upper\") }"),
        ("xyzzy_plugh", vec![], "UnknownName { nearest: None }"),
        ("", vec![], "UnknownName { nearest: None }"),
        (
            "upper",
            vec![T::BigInt],
            "NoOverload { candidates: [\"upper(string)\"] }",
        ),
        (
            "left",
            vec![T::String],
            "NoOverload { candidates: [\"left(string, bigint)\"] }",
        ),
        (
            "gcd",
            vec![T::Double, T::Double],
            "NoOverload { candidates: [\"gcd(integer, integer)\"] }",
        ),
    ] {
        assert_eq!(types(name, &args), expected);
    }
}

#[test]
fn common_types() {
    let dec = |precision, scale| T::Decimal { precision, scale };
    for (a, b, expected) in [
        (T::TinyInt, T::UTinyInt, Some(T::SmallInt)),
        (T::UInteger, T::Integer, Some(T::BigInt)),
        (T::BigInt, T::UBigInt, Some(T::HugeInt)),
        (T::Integer, dec(5, 2), Some(dec(12, 2))),
        (dec(38, 0), dec(38, 38), Some(dec(38, 38))),
        (T::Real, T::TinyInt, Some(T::Double)),
        (T::Date, T::TimestampTz, Some(T::TimestampTz)),
        (T::Null, T::Interval, Some(T::Interval)),
        (T::String, T::BigInt, None),
        (T::Boolean, T::BigInt, None),
    ] {
        assert_eq!(common_type(&a, &b), expected);
        assert_eq!(common_type(&b, &a), expected);
    }
}
