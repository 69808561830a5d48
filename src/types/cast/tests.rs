//! Conversions in table form: source type, value as text, target type, result as text or the error's code.

use super::*;
use LogicalType as T;

fn dec(precision: u8, scale: u8) -> T {
    T::Decimal { precision, scale }
}

/// Reads `text` as a value of `from`, converts it, and shows the result or the error.
fn convert(from: &T, text: &str, to: &T) -> String {
    let value = cast(&Value::String(text.into()), &T::String, from).expect("the source is valid");
    match cast(&value, from, to) {
        Ok(value) => value.display(to),
        Err(error) => format!("{} {error}", error.code),
    }
}

fn check(rows: &[(T, &str, T, &str)]) {
    for (from, text, to, expected) in rows {
        assert_eq!(convert(from, text, to), *expected, "{from} {text} to {to}");
    }
}

#[test]
fn text_to_numbers() {
    check(&[
        (T::String, " 42 ", T::BigInt, "42"),
        (T::String, "+1_000", T::Integer, "1000"),
        (T::String, "1.5", T::BigInt, "2"),
        (T::String, "-1e3", T::SmallInt, "-1000"),
        (T::String, "abc", T::BigInt, "22P02 cannot convert `abc` to bigint"),
        (T::String, "", T::BigInt, "22P02 cannot convert `` to bigint"),
        (T::String, "300", T::TinyInt, "22003 300 does not fit in tinyint"),
        (T::String, "-1", T::UTinyInt, "22003 -1 does not fit in utinyint"),
        (
            T::String,
            "-170141183460469231731687303715884105728",
            T::HugeInt,
            "-170141183460469231731687303715884105728",
        ),
        (
            T::String,
            "170141183460469231731687303715884105728",
            T::HugeInt,
            "22003 170141183460469231731687303715884105728 does not fit in hugeint",
        ),
        (T::String, "1.255", dec(5, 2), "1.26"),
        (T::String, "-1.255", dec(5, 2), "-1.26"),
        (
            T::String,
            "1.2549999999999999999999999999999999999999999999999",
            dec(5, 2),
            "1.25",
        ),
        (
            T::String,
            "999.995",
            dec(5, 2),
            "22003 999.995 does not fit in decimal(5,2)",
        ),
        (T::String, "1e-100000000", dec(5, 2), "0.00"),
        (
            T::String,
            "1e100000000",
            dec(5, 2),
            "22003 1e100000000 does not fit in decimal(5,2)",
        ),
        (T::String, "0e100000000", dec(5, 2), "0.00"),
        (T::String, "1e5", T::Double, "100000.0"),
        (T::String, "-inf", T::Double, "-inf"),
        (T::String, "nan", T::Real, "nan"),
        (T::String, "1e400", T::Double, "22003 1e400 does not fit in double"),
        (T::String, "1e40", T::Real, "22003 1e40 does not fit in real"),
        (T::String, "1.2.3", T::Double, "22P02 cannot convert `1.2.3` to double"),
    ]);
}

#[test]
fn text_to_booleans_and_dates() {
    check(&[
        (T::String, "Yes", T::Boolean, "true"),
        (T::String, " f", T::Boolean, "false"),
        (
            T::String,
            "maybe",
            T::Boolean,
            "22P02 cannot convert `maybe` to boolean",
        ),
        (T::String, "1994-01-01", T::Date, "1994-01-01"),
        (T::String, "1994/1/2", T::Date, "1994-01-02"),
        (T::String, "1994-01-01 23:59:59", T::Date, "1994-01-01"),
        (
            T::String,
            "1994-02-29",
            T::Date,
            "22008 `1994-02-29` is out of range for date",
        ),
        (T::String, "1994-01", T::Date, "22007 cannot convert `1994-01` to date"),
        (T::String, "-0044-03-15", T::Date, "-0044-03-15"),
        (T::String, "+12345-03-15", T::Date, "+12345-03-15"),
        (
            T::String,
            "999999-01-01",
            T::Date,
            "22008 `999999-01-01` is out of range for date",
        ),
    ]);
}

#[test]
fn text_to_times_and_blobs() {
    check(&[
        (T::String, "07:30", T::Time, "07:30:00"),
        (T::String, "07:30:01.25", T::Time, "07:30:01.25"),
        (T::String, "24:00:00", T::Time, "24:00:00"),
        (
            T::String,
            "24:00:01",
            T::Time,
            "22008 `24:00:01` is out of range for time",
        ),
        (T::String, "7", T::Time, "22007 cannot convert `7` to time"),
        (T::String, "1994-01-01", T::Timestamp, "1994-01-01 00:00:00"),
        (T::String, "1994-01-01T08:30", T::Timestamp, "1994-01-01 08:30:00"),
        (
            T::String,
            "1994-01-01 08:30:00.1234567",
            T::Timestamp,
            "1994-01-01 08:30:00.123456",
        ),
        (T::String, "1994-01-01 08:30:00Z", T::Timestamp, "1994-01-01 08:30:00"),
        (
            T::String,
            "1994-01-01 08:30:00 UTC",
            T::Timestamp,
            "1994-01-01 08:30:00",
        ),
        (T::String, "1994-01-01 00:30+02", T::TimestampTz, "1993-12-31 22:30:00"),
        (T::String, "1994-01-01 00:30-05:30", T::Timestamp, "1994-01-01 06:00:00"),
        (T::String, "1994-01-01 00:30+0530", T::Timestamp, "1993-12-31 19:00:00"),
        (
            T::String,
            "1994-01-01 00:30 CET",
            T::Timestamp,
            "22007 cannot convert `1994-01-01 00:30 CET` to timestamp",
        ),
        (
            T::String,
            "1994-01-01 25:30",
            T::Timestamp,
            "22008 `1994-01-01 25:30` is out of range for timestamp",
        ),
        (T::String, "a\\xffb", T::Blob, "\\x61\\xFF\\x62"),
        (T::String, "\\x4", T::Blob, "22P02 cannot convert `\\x4` to blob"),
    ]);
}

#[test]
fn text_to_intervals() {
    check(&[
        (T::String, "7 days", T::Interval, "7 days"),
        (T::String, "1 year 2 months", T::Interval, "1 year 2 months"),
        (T::String, "01:02:03", T::Interval, "01:02:03"),
        (T::String, "-1 day 100:00:00.5", T::Interval, "-1 day 100:00:00.5"),
        (T::String, "1.5 hours", T::Interval, "01:30:00"),
        (T::String, "0.5 days", T::Interval, "12:00:00"),
        (T::String, "1.5 years", T::Interval, "1 year 6 months"),
        (
            T::String,
            "0.1 months",
            T::Interval,
            "22008 `0.1 months` is out of range for interval",
        ),
        (T::String, "2 weeks ago", T::Interval, "-14 days"),
        (T::String, "1h30m", T::Interval, "01:30:00"),
        (T::String, "7", T::Interval, "22007 cannot convert `7` to interval"),
        (
            T::String,
            "7 parsecs",
            T::Interval,
            "22007 cannot convert `7 parsecs` to interval",
        ),
        (T::String, "ago", T::Interval, "22007 cannot convert `ago` to interval"),
        (
            T::String,
            "999999999999 years",
            T::Interval,
            "22008 `999999999999 years` is out of range for interval",
        ),
        (T::Interval, "-14 months", T::String, "-1 year -2 months"),
    ]);
}

#[test]
fn numbers_to_numbers() {
    check(&[
        (T::BigInt, "300", T::TinyInt, "22003 300 does not fit in tinyint"),
        (T::BigInt, "-128", T::TinyInt, "-128"),
        (T::BigInt, "3", dec(3, 2), "3.00"),
        (T::BigInt, "10", dec(3, 2), "22003 10 does not fit in decimal(3,2)"),
        (
            T::HugeInt,
            "170141183460469231731687303715884105727",
            dec(38, 2),
            "22003 170141183460469231731687303715884105727 does not fit in decimal(38,2)",
        ),
        (T::BigInt, "2", T::Boolean, "true"),
        (T::Boolean, "true", T::Integer, "1"),
        (T::Boolean, "true", dec(3, 1), "1.0"),
        (T::BigInt, "9007199254740993", T::Double, "9007199254740992.0"),
        (dec(5, 2), "2.50", T::BigInt, "3"),
        (dec(5, 2), "-2.50", T::BigInt, "-3"),
        (dec(5, 2), "-2.49", T::BigInt, "-2"),
        (dec(5, 2), "1.25", dec(4, 1), "1.3"),
        (dec(5, 2), "-1.25", dec(4, 1), "-1.3"),
        (dec(5, 2), "1.25", dec(10, 4), "1.2500"),
        (
            dec(5, 2),
            "999.99",
            dec(3, 0),
            "22003 999.99 does not fit in decimal(3,0)",
        ),
        (dec(5, 2), "1.25", T::Double, "1.25"),
        (dec(5, 2), "0.00", T::Boolean, "false"),
        (T::Double, "2.5", T::BigInt, "2"),
        (T::Double, "3.5", T::BigInt, "4"),
        (T::Double, "nan", T::BigInt, "22003 nan does not fit in bigint"),
        (
            T::Double,
            "9223372036854775808",
            T::BigInt,
            "22003 9.223372036854776e18 does not fit in bigint",
        ),
        (T::Double, "1e39", T::HugeInt, "22003 1e39 does not fit in hugeint"),
        (T::Double, "1.005", dec(5, 2), "1.00"),
        (T::Double, "-1.5", dec(5, 0), "-2"),
        (T::Double, "1e300", T::Real, "22003 1e300 does not fit in real"),
        (T::Double, "inf", T::Real, "inf"),
        (T::Double, "0.0", T::Boolean, "false"),
    ]);
}

#[test]
fn uuids() {
    let (written, shown) = (
        "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    );
    check(&[
        (T::String, written, T::Uuid, shown),
        (T::Uuid, written, T::String, shown),
        (T::String, "a0ee", T::Uuid, "22P02 cannot convert `a0ee` to uuid"),
        (T::BigInt, "1", T::Uuid, "42846 cannot convert bigint to uuid"),
        (T::HugeInt, "1", T::Uuid, "42846 cannot convert hugeint to uuid"),
        (T::Uuid, written, T::HugeInt, "42846 cannot convert uuid to hugeint"),
        (T::Uuid, written, T::Blob, "42846 cannot convert uuid to blob"),
    ]);
}

#[test]
fn json() {
    let object = "{\"a\": 1.50}";
    check(&[
        (T::String, object, T::Json, object),
        (T::Json, object, T::String, object),
        (T::Json, "\"x\"", T::String, "\"x\""),
        (T::Json, "1.255", dec(5, 2), "1.26"),
        (T::Json, "\"2024-01-31\"", T::Date, "2024-01-31"),
        (T::Json, "1e2", T::BigInt, "100"),
        (T::Json, "true", T::Boolean, "true"),
        (T::Json, "null", T::BigInt, "NULL"),
        (
            T::Json,
            object,
            T::BigInt,
            "22P02 cannot convert `{\"a\": 1.50}` to bigint",
        ),
        (T::BigInt, "7", T::Json, "7"),
        (T::Date, "2024-01-31", T::Json, "\"2024-01-31\""),
        (T::Boolean, "true", T::Json, "true"),
    ]);
    let map = T::Map(Box::new((T::BigInt, T::Array(Box::new(T::Json)))));
    check(&[
        (T::Json, "{\"1\": [1, {}], \"2\": null}", map, "{1=[1, {}], 2=NULL}"),
        (
            T::Json,
            "[{\"b\": \"x\"}]",
            T::Array(Box::new(T::String)),
            "[{\"b\": \"x\"}]",
        ),
    ]);
}

#[test]
fn dates_and_nested() {
    check(&[
        (T::Date, "1994-01-01", T::Timestamp, "1994-01-01 00:00:00"),
        (T::Timestamp, "1969-12-31 23:00:00", T::Date, "1969-12-31"),
        (T::Timestamp, "1969-12-31 23:00:00", T::Time, "23:00:00"),
        (T::Date, "1994-01-01", T::BigInt, "42846 cannot convert date to bigint"),
        (T::Date, "1994-01-01", T::String, "1994-01-01"),
    ]);
    let (from, to) = (T::Array(Box::new(T::BigInt)), T::Array(Box::new(T::TinyInt)));
    let value = Value::Array(vec![Value::Int(1), Value::Null]);
    assert_eq!(cast(&value, &from, &to), Ok(value.clone()));
    let error = cast(&Value::Array(vec![Value::Int(1000)]), &from, &to).expect_err("too large");
    assert_eq!(error.to_string(), "1000 does not fit in tinyint");
    let fields = |a: &str, b: &str, ty: T| {
        let field = |name: &str| Field {
            name: name.into(),
            ty: ty.clone(),
            nullable: true,
        };
        T::Struct(vec![field(a), field(b)])
    };
    let value = Value::Struct(vec![Value::Int(1), Value::Int(2)]);
    let swapped = cast(&value, &fields("a", "b", T::BigInt), &fields("B", "A", T::Double));
    assert_eq!(swapped, Ok(Value::Struct(vec![Value::Float(2.0), Value::Float(1.0)])));
    assert!(!castable(&fields("a", "b", T::BigInt), &fields("a", "c", T::BigInt)));
}

#[test]
fn nulls() {
    assert_eq!(cast(&Value::Null, &T::Null, &T::Date), Ok(Value::Null));
    assert_eq!(cast(&Value::Null, &T::BigInt, &T::String), Ok(Value::Null));
    assert!(!castable(&T::BigInt, &T::Date));
}

#[test]
fn decimal_literals() {
    for (text, expected) in [
        ("1.50", Ok((150, 3, 2))),
        ("0.05", Ok((5, 2, 2))),
        ("0", Ok((0, 1, 0))),
        ("-.5", Ok((-5, 1, 1))),
        ("5.", Ok((5, 1, 0))),
        ("1e3", Ok((1000, 4, 0))),
        ("1.5e-3", Ok((15, 4, 4))),
        ("1_000.5", Ok((10_005, 5, 1))),
        (
            "99999999999999999999999999999999999999",
            Ok((99_999_999_999_999_999_999_999_999_999_999_999_999, 38, 0)),
        ),
        ("100000000000000000000000000000000000000", Err("22003")),
        ("1e-39", Err("22003")),
        (".", Err("22P02")),
        ("1_", Err("22P02")),
        ("1e", Err("22P02")),
    ] {
        assert_eq!(parse_decimal(text).map_err(|e| e.code), expected, "{text}");
    }
}

#[test]
fn every_pair_agrees_with_castable() {
    let types = [
        T::Null,
        T::Boolean,
        T::TinyInt,
        T::UBigInt,
        T::HugeInt,
        dec(18, 3),
        dec(38, 38),
        T::Real,
        T::Double,
        T::String,
        T::Blob,
        T::Date,
        T::Time,
        T::Timestamp,
        T::TimestampTz,
        T::Interval,
        T::Array(Box::new(T::Date)),
    ];
    for from in &types {
        let texts = ["1", "1994-01-01", "07:30", "1 day", "\\x41", "12:00:00"];
        let values = texts
            .iter()
            .filter_map(|text| cast(&Value::String((*text).into()), &T::String, from).ok());
        let values: Vec<_> = values.chain([Value::Null]).collect();
        for (to, value) in types.iter().flat_map(|to| values.iter().map(move |value| (to, value))) {
            let refused = cast(value, from, to).is_err_and(|error| error.code == "42846");
            assert_eq!(refused, !castable(from, to), "{from} to {to}");
        }
    }
}
