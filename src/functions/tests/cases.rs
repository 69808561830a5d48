//! Edge cases in table form: `call → result as shown`, an error as its code and message.

use super::eval::show;

fn check(cases: &str) {
    let mut wrong = String::new();
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (call, expected) = line.split_once(" → ").expect("a case is `call → result`");
        let found = show(call);
        if found != expected.trim_matches('"') {
            wrong += &format!("{call} → {found}\n");
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn strings() {
    check(
        "
        length('') → 0
        length(NULL) → NULL
        length('日本語') → 3
        strlen('日本語') → 9
        upper('straße ǆ') → STRAßE Ǆ
        lower('İ') → İ
        initcap('o''neil-smith 3rd') → O'Neil-Smith 3rd
        initcap('') → \"\"
        reverse('') → \"\"
        repeat('ab', 0) → \"\"
        repeat('ab', -5) → \"\"
        repeat('', 9223372036854775807) → \"\"
        repeat('ab', 9223372036854775807) → 54000 a text of 18446744073709551614 bytes is longer than 268435456
        replace('aaa', 'a', 'bb') → bbbbbb
        replace('abc', '', 'x') → abc
        replace('abc', 'z', 'x') → abc
        replace('größe', 'ö', 'oe') → groeße
        translate('größe', 'öß', 'os') → grose
        concat(NULL, NULL) → \"\"
        concat(1.50, DATE '1994-01-01', true) → 1.501994-01-01true
        concat_ws(NULL, 'a', 'b') → NULL
        concat_ws('-', NULL, NULL) → \"\"
        concat_ws('-', '', '') → -
        starts_with('gobi', '') → true
        starts_with('go', 'gobi') → false
        ends_with('', '') → true
        contains('abc', '') → true
        position('abc', '') → 1
        strpos('abcabc', 'c') → 3
        position('abc', 'z') → 0
        ascii('') → 0
        ascii('€') → 8364
        chr(-1) → 22023 -1 is not a code point
        chr(55296) → 22023 55296 is not a code point
        hex('') → \"\"
        hex(-1) → FFFFFFFFFFFFFFFF
        hex(HUGEINT '-1') → FFFFFFFFFFFFFFFF
        unhex('abc') → \\x0A\\xBC
        unhex('0g') → 22P02 `0g` is not hexadecimal
        octet_length(unhex('')) → 0
        ",
    );
}

#[test]
fn pieces_of_strings() {
    check(
        "
        substring('hello', 0) → hello
        substring('hello', 0, 2) → h
        substring('hello', 0, 0) → \"\"
        substring('hello', 2, 3) → ell
        substring('hello', -3) → llo
        substring('hello', -3, 2) → ll
        substring('hello', -10, 3) → hel
        substring('hello', 4, -2) → el
        substring('hello', 2, -5) → h
        substring('hello', 99) → \"\"
        substring('hello', 99, -98) → hello
        substring('hello', 1, 9223372036854775807) → hello
        substring('hello', 9223372036854775807, 9223372036854775807) → \"\"
        substring('hello', -9223372036854775808, -9223372036854775808) → \"\"
        substring('日本語', 2, 1) → 本
        substring('日本語', -1) → 語
        substring('', 1, 1) → \"\"
        left('hello', -2) → hel
        left('hello', -9) → \"\"
        left('hello', 99) → hello
        right('hello', -2) → llo
        right('hello', 0) → \"\"
        right('hello', -9223372036854775808) → \"\"
        right('hello', 9223372036854775807) → hello
        left('日本語', 1) → 日
        trim('') → \"\"
        trim('   ') → \"\"
        trim('abc', '') → abc
        trim('\u{a0}a\t') → \"a\t\"
        ltrim('öäöa', 'äö') → a
        rtrim('a...', '.') → a
        lpad('abc', 2, 'x') → ab
        lpad('abc', 0, 'x') → \"\"
        lpad('abc', -1, '') → \"\"
        lpad('abc', 8, 'xy') → xyxyxabc
        rpad('日', 3, '本語') → 日本語
        lpad('a', 5, '') → 22023 cannot pad with an empty text
        rpad('a', 9223372036854775807, 'x') → 54000 a text of 9223372036854775807 bytes is longer than 268435456
        split_part('a,b,c', ',', -1) → c
        split_part('a,b,c', ',', 0) → \"\"
        split_part('a,b,c', ',', 4) → \"\"
        split_part('a,b,c', ',', -4) → \"\"
        split_part('aaa', 'aa', -1) → a
        split_part('abc', '', 2) → b
        split_part('abc', '', -1) → c
        split_part('', ',', 1) → \"\"
        split_part('a', ',', -9223372036854775808) → \"\"
        ",
    );
}

#[test]
fn numbers() {
    check(
        "
        abs(-9223372036854775808) → 22003 abs(-9223372036854775808) does not fit in bigint
        abs(TINYINT '-128') → 22003 abs(-128) does not fit in tinyint
        abs(-0.00) → 0.00
        sign(nan()) → 42883 nan is unknown, Some(\"tan\") is near
        sign(DOUBLE 'nan') → 0
        round(-0.5e0) → -1.0
        round(0.5) → 1
        round(9.99) → 10
        round(99999999999999999999999999999999999999) → 99999999999999999999999999999999999999
        round(127, -1) → 130
        round(TINYINT '127', -1) → 22003 round(127, -1) does not fit in tinyint
        round(127, -3) → 0
        round(500, -3) → 1000
        round(127, -9223372036854775808) → 0
        round(9.99, 1) → 10.00
        round(1.255, 9223372036854775807) → 1.255
        round(-1.255, 2) → -1.260
        round(123.45, -1) → 120.00
        round(1.5e0, 400) → 1.5
        round(155e0, -1) → 160.0
        round(1e300, -400) → 0.0
        round(DOUBLE 'inf', 2) → inf
        trunc(-1.999, 2) → -1.990
        floor(-0.01) → -1
        ceil(-0.99) → 0
        ceil(DOUBLE 'nan') → nan
        mod(7, -3) → 1
        mod(7, 0) → 22012 division by zero: mod(7, 0)
        mod(-9223372036854775808, -1) → 0
        mod(7.5, 2) → 1.5
        mod(7.5e0, 2) → 1.5
        gcd(0, 0) → 0
        gcd(-42, 57) → 3
        gcd(-9223372036854775808, 0) → 22003 gcd(-9223372036854775808, 0) does not fit in bigint
        lcm(0, 5) → 0
        lcm(9223372036854775807, 2) → 22003 lcm(9223372036854775807, 2) does not fit in bigint
        factorial(33) → 8683317618811886495518194401280000000
        factorial(34) → 22003 factorial(34) does not fit in hugeint
        factorial(-1) → 22003 factorial(-1) is not defined
        bit_count(-1) → 64
        bit_count(TINYINT '-1') → 8
        bit_count(UTINYINT '255') → 8
        bit_count(HUGEINT '-1') → 128
        xor(-1, 1) → -2
        shift_left(1, 63) → 22003 shift_left(1, 63) does not fit in bigint
        shift_left(1, -1) → 22003 cannot shift by a negative number: -1
        shift_right(-8, 500) → -1
        ",
    );
}

#[test]
fn doubles() {
    check(
        "
        sqrt(-1) → 2201F cannot take the square root of a negative number: -1.0
        sqrt(-0e0) → -0.0
        ln(0) → 2201E cannot take the logarithm of zero
        log10(-5) → 2201E cannot take the logarithm of a negative number: -5.0
        log(100) → 2.0
        log(1, 5) → 2201E there is no logarithm to base 1
        exp(1000) → inf
        pow(0, -1) → inf
        pow(-8, 0.5) → nan
        sin(DOUBLE 'inf') → 22003 a trigonometric function is not defined for inf
        asin(2) → 22003 the inverse of sine or cosine is not defined for 2.0
        cot(0) → 22003 the cotangent is not defined for 0.0
        isnan(DOUBLE 'nan') → true
        isnan(REAL 'nan') → true
        isinf(REAL '-inf') → true
        isfinite(DOUBLE 'nan') → false
        ",
    );
}

#[test]
fn comparisons() {
    check(
        "
        greatest(NULL, NULL) → NULL
        greatest(1) → 1
        greatest(1, 2.5) → 2.5
        greatest(1e0, DOUBLE 'nan', 2) → nan
        least(DOUBLE 'nan', 1e0) → 1.0
        least('b', 'a', NULL) → a
        greatest(DATE '1994-01-01', TIMESTAMP '1994-01-01 00:00:01') → 1994-01-01 00:00:01
        greatest(INTERVAL '29 days', INTERVAL '1 month') → 1 month
        greatest(true, false) → true
        greatest(1, 'a') → 42883 greatest(any, …)
        ",
    );
}

#[test]
fn dates() {
    check(
        "
        year(DATE '-0001-12-31') → -1
        century(DATE '2001-01-01') → 21
        century(DATE '0000-01-01') → -1
        decade(DATE '-0005-01-01') → -1
        hour(DATE '1994-03-15') → 0
        hour(TIMESTAMP '1969-12-31 23:59:59') → 23
        hour(TIME '24:00:00') → 24
        second(TIMESTAMP '1969-12-31 23:59:59.25') → 59
        quarter(DATE '1994-12-31') → 4
        week(DATE '1994-01-01') → 52
        epoch(TIMESTAMP '1969-12-31 23:59:59.5') → -0.5
        epoch(INTERVAL '1 year 1 month') → 34149600.0
        date_part('DOW', DATE '1994-01-02') → 0
        date_part('fortnight', DATE '1994-01-02') → 22023 `fortnight` is not a part of a date or time
        date_part('dow', INTERVAL '1 day') → 22023 an interval has no dayofweek
        date_trunc('week', DATE '1994-01-01') → 1993-12-27
        date_trunc('quarter', TIMESTAMP '1994-06-30 23:59:59') → 1994-04-01 00:00:00
        date_trunc('hour', TIMESTAMP '1969-12-31 23:59:59.25') → 1969-12-31 23:00:00
        date_trunc('century', DATE '2000-06-01') → 1901-01-01
        date_trunc('isoyear', DATE '2021-01-03') → 2019-12-30
        date_trunc('dow', DATE '2021-01-03') → 22023 dayofweek is not a unit of time
        date_diff('day', DATE '1994-03-01', DATE '1994-02-01') → -28
        date_diff('week', DATE '2024-01-07', DATE '2024-01-08') → 1
        date_diff('hour', TIMESTAMP '1969-12-31 23:59:59', DATE '1970-01-01') → 1
        date_diff('microsecond', TIMESTAMP '0001-01-01', TIMESTAMP '9999-12-31') → 315537811200000000
        date_sub('month', DATE '1994-01-31', DATE '1994-02-28') → 1
        date_sub('month', DATE '1994-02-28', DATE '1994-01-31') → 0
        date_sub('month', DATE '1994-01-15', DATE '1994-03-14') → 1
        date_sub('hour', TIMESTAMP '1994-01-01 08:30:00', TIMESTAMP '1994-01-01 10:29:59') → 1
        date_add(TIMESTAMP '1994-12-31 23:00:00', INTERVAL '1 hour') → 1995-01-01 00:00:00
        date_add(TIMESTAMP '1994-12-31', INTERVAL '2147483647 months') → 22008 `1994-12-31 00:00:00` + `178956970 years 7 months` is out of range for timestamp
        make_date(2023, 2, 29) → 22008 there is no date 2023-2-29
        make_date(9223372036854775807, 1, 1) → 22008 there is no date 9223372036854775807-1-1
        make_timestamp(2023, 2, 28, 24, 0, 0) → 22008 there is no time 24:0:0
        to_timestamp(1e300) → 22003 to_timestamp(1e300) does not fit in timestamptz
        to_timestamp(DOUBLE 'nan') → 22003 to_timestamp(nan) does not fit in timestamptz
        last_day(DATE '1900-02-01') → 1900-02-28
        last_day(TIMESTAMP '1994-12-05 10:00:00') → 1994-12-31
        strftime(TIMESTAMP '1994-03-05 00:08:09.000123', '%y%m%d %I:%M:%S.%f %p %j %%') → 940305 12:08:09.000123 AM 064 %
        strftime(TIMESTAMP '1994-03-05 13:08:09', '%c|%x|%X|%-I|%U|%W|%V|%u|%w') → 1994-03-05 13:08:09|1994-03-05|13:08:09|1|09|09|09|6|6
        strftime(DATE '1994-03-05', '%Q') → 22023 `%Q` is not a date format: unknown `%` code
        strftime(DATE '1994-03-05', 'x%') → 22023 `x%` is not a date format: unknown `%` code
        strftime(DATE '1994-03-05', '') → \"\"
        ",
    );
}
