//! Texts into values, and what types a text may be read as.
//!
//! `parse_date("1994-01-31")` is day 8796; `"12"` may be bigint, double or string.
//!
//! Invariants: [`Guess::ty`] names a type only if parsing the text as that type succeeds.
//!
//! Does not: accept surrounding spaces, thousands separators or local date orders.

use crate::types::{LogicalType, uuid};

/// Types that are tried, most specific first; every text is a string.
pub(super) const GUESSES: [LogicalType; 7] = [
    LogicalType::Boolean,
    LogicalType::BigInt,
    LogicalType::HugeInt,
    LogicalType::Double,
    LogicalType::Date,
    LogicalType::Time,
    LogicalType::Timestamp,
];

/// Which of [`GUESSES`] all texts so far can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    possible: [bool; GUESSES.len()],
    seen: bool,
}

impl Guess {
    /// Anything is possible.
    pub(super) fn new() -> Self {
        Self {
            possible: [true; GUESSES.len()],
            seen: false,
        }
    }

    /// Takes a text into account; an empty one says nothing.
    pub(super) fn see(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.seen = true;
        for (possible, ty) in self.possible.iter_mut().zip(&GUESSES) {
            *possible = *possible && fits(text, ty);
        }
    }

    /// The most specific type.
    pub(super) fn ty(&self) -> LogicalType {
        let found = GUESSES
            .iter()
            .zip(self.possible)
            .find(|(_, possible)| *possible && self.seen);
        found.map_or(LogicalType::String, |(ty, _)| ty.clone())
    }
}

/// The text can be read as the type.
fn fits(text: &str, ty: &LogicalType) -> bool {
    match ty {
        LogicalType::String | LogicalType::Blob => true,
        LogicalType::Real | LogicalType::Double => parse_float(text).is_some(),
        _ => parse_int_like(text, ty).is_some(),
    }
}

/// A value of a type that is stored as an integer.
pub(super) fn parse_int_like(text: &str, ty: &LogicalType) -> Option<i128> {
    let value = match ty {
        LogicalType::Boolean => i128::from(parse_bool(text)?),
        LogicalType::Decimal { scale, .. } => parse_decimal(text, *scale)?,
        LogicalType::Date => parse_date(text)?.into(),
        LogicalType::Time => parse_time(text)?.into(),
        LogicalType::Timestamp | LogicalType::TimestampTz => parse_timestamp(text)?.into(),
        LogicalType::HugeInt => parse_hugeint(text)?,
        LogicalType::Enum(labels) => labels.number(text)?,
        LogicalType::Uuid => uuid::parse(text)?,
        _ => parse_bigint(text)?.into(),
    };
    let (low, high) = ty.stored_range()?;
    (low <= value && value <= high).then_some(value)
}

/// Reads texts of a type whose values are stored as integers of 64 bits at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntReader<'t> {
    ty: &'t LogicalType,
    low: i64,
    high: i64,
}

impl<'t> IntReader<'t> {
    /// `None` if values may need more bits.
    pub(super) fn of(ty: &'t LogicalType) -> Option<Self> {
        let (low, high) = ty.stored_range()?;
        let (low, high) = (low.try_into().ok()?, high.try_into().ok()?);
        Some(Self { ty, low, high })
    }

    /// The same as [`parse_int_like`].
    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let value = match self.ty {
            LogicalType::Boolean => i64::from(parse_bool(text)?),
            LogicalType::Decimal { scale, .. } => match short_decimal(text.as_bytes(), *scale) {
                Some(value) => value,
                None => parse_decimal(text, *scale)?.try_into().ok()?,
            },
            LogicalType::Date => parse_date(text)?.into(),
            LogicalType::Time => parse_time(text)?,
            LogicalType::Timestamp | LogicalType::TimestampTz => parse_timestamp(text)?,
            LogicalType::Enum(labels) => labels.number(text)?.try_into().ok()?,
            _ => parse_bigint(text)?,
        };
        (self.low <= value && value <= self.high).then_some(value)
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Digits with an optional sign.
pub(super) fn parse_bigint(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || digits.len() > 18 {
        return text.parse().ok();
    }
    let mut value = 0i64;
    for byte in digits.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return if byte == b'+' { text.parse().ok() } else { None };
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if digits.len() < text.len() { -value } else { value })
}

/// An integer of at most 38 digits, which is what a hugeint has.
pub(in crate::formats) fn parse_hugeint(text: &str) -> Option<i128> {
    text.parse().ok().filter(fits_hugeint)
}

/// At most 38 digits.
pub(in crate::formats) fn fits_hugeint(value: &i128) -> bool {
    value.unsigned_abs() < 10u128.pow(38)
}

/// A float; names such as `inf` and `nan` count.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A decimal of few digits, of which none is to be rounded away: what most are. `None` says nothing about the text.
fn short_decimal(text: &[u8], scale: u8) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return None;
    }
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = digits.split_at(whole);
    let fraction = match rest {
        [] => rest,
        [b'.', fraction @ ..] => fraction,
        _ => return None,
    };
    let missing = usize::from(scale).checked_sub(fraction.len())?;
    if whole.len() + fraction.len() == 0 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = whole.iter().chain(fraction);
    let value = digits.fold(0_i64, |value, byte| value * 10 + i64::from(byte - b'0'));
    let value = value.checked_mul(10_i64.checked_pow(u32::try_from(missing).ok()?)?)?;
    Some(if negative { -value } else { value })
}

/// Rounds half away from zero to the scale.
fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i128::from(byte - b'0'));
    let mut value = 0i128;
    for byte in whole.bytes() {
        value = value.checked_mul(10)?.checked_add(digit(byte)?)?;
    }
    let mut fraction = fraction.bytes();
    for _ in 0..scale {
        let next = fraction.next().map_or(Some(0), digit)?;
        value = value.checked_mul(10)?.checked_add(next)?;
    }
    if let Some(byte) = fraction.next() {
        value += i128::from(digit(byte)? >= 5);
    }
    let clean = fraction.all(|byte| byte.is_ascii_digit());
    clean.then_some(if negative { -value } else { value })
}

/// `YYYY-MM-DD`.
pub(in crate::formats) fn parse_date(text: &str) -> Option<i32> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    days_of(i32::try_from(year).ok()?, month, day)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Days since 1970-01-01 (the algorithm of H. Hinnant's `days_from_civil`).
fn days_of(year: i32, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > last {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_index = i32::try_from((month + 9) % 12).ok()?;
    let day_of_year = (153 * month_index + 2) / 5 + i32::try_from(day).ok()? - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// `HH:MM:SS[.ffffff]`.
pub(in crate::formats) fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(c, f)| (c, Some(f)));
    let bytes: &[u8; 8] = clock.as_bytes().try_into().ok()?;
    if bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(&bytes[..2])?, number(&bytes[3..5])?, number(&bytes[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction {
        None => 0,
        Some(digits) if (1..=9).contains(&digits.len()) => {
            let scale = 10i64.pow(9 - u32::try_from(digits.len()).ok()?);
            i64::from(number(digits.as_bytes())?) * scale / 1000
        }
        Some(_) => return None,
    };
    Some(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
}

/// A date, a space or `T`, a time, and an optional offset (`Z`, `+02:00`).
pub(in crate::formats) fn parse_timestamp(text: &str) -> Option<i64> {
    let days = i64::from(parse_date(text.get(..10)?)?);
    let rest = &text[10..];
    let rest = match rest.as_bytes().first() {
        None => return Some(days * 86_400_000_000),
        Some(b' ' | b'T') => &rest[1..],
        Some(_) => return None,
    };
    let zone = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone);
    Some(days * 86_400_000_000 + parse_time(time)? - parse_offset(zone)?)
}

fn parse_offset(zone: &str) -> Option<i64> {
    let (sign, clock) = match zone.as_bytes() {
        [] | b"Z" => return Some(0),
        [b'+', ..] => (1, &zone[1..]),
        [b'-', ..] => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = match clock.as_bytes() {
        [h @ .., b':', m1, m2] => (number(h)?, number(&[*m1, *m2])?),
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes) * 60_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        let guess = |texts: &[&str]| {
            let mut guess = Guess::new();
            texts.iter().for_each(|text| guess.see(text));
            guess.ty().to_string()
        };
        assert_eq!(guess(&["1", "-20", ""]), "bigint");
        assert_eq!(guess(&["1", "1.5", "-1e3"]), "double");
        assert_eq!(guess(&["true", "FALSE"]), "boolean");
        assert_eq!(guess(&["1994-01-31", "2024-02-29"]), "date");
        assert_eq!(guess(&["1994-01-31 10:00:00", "1994-01-31T10:00:00.5Z"]), "timestamp");
        assert_eq!(guess(&["1994-01-31", "1994-01-31 10:00:00"]), "timestamp");
        assert_eq!(guess(&["2023-02-29"]), "string");
        assert_eq!(guess(&["1", "x"]), "string");
        assert_eq!(guess(&["", ""]), "string");
        assert_eq!(guess(&["99999999999999999999", "1"]), "hugeint");
        assert_eq!(guess(&["99999999999999999999", "1.5"]), "double");
        assert_eq!(guess(&["-99999999999999999999999999999999999999"]), "hugeint");
        assert_eq!(guess(&["100000000000000000000000000000000000000"]), "double");
        assert_eq!(guess(&["10:00:00", "23:59:59.5"]), "time");
        assert_eq!(guess(&["10:00:00", "2024-01-01"]), "string");
    }

    #[test]
    fn values() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("1994-01-31"), Some(8796));
        assert_eq!(parse_date("0001-01-01"), Some(-719_162));
        assert_eq!(parse_timestamp("1970-01-01 01:00:00+01:00"), Some(0));
        assert_eq!(parse_timestamp("1969-12-31T23:59:59.999999"), Some(-1));
        assert_eq!(parse_timestamp("1969-12-31T23:59:60"), None);
        assert_eq!(parse_decimal("-1.005", 2), Some(-101));
        assert_eq!(parse_decimal("7", 2), Some(700));
        assert_eq!(parse_decimal("1.2.3", 2), None);
        for (text, scale) in [
            ("-1.05", 2),
            ("7", 2),
            ("7.", 1),
            (".5", 3),
            ("-0.001", 3),
            ("12345678901234.567", 3),
        ] {
            assert_eq!(
                short_decimal(text.as_bytes(), scale).map(i128::from),
                parse_decimal(text, scale),
                "{text}"
            );
        }
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "1.005",
            "+1",
            "1e3",
            "1234567890123456789",
            "99999999999999999",
        ] {
            assert_eq!(short_decimal(text.as_bytes(), 2), None, "{text}");
        }
        let decimal = LogicalType::Decimal { precision: 4, scale: 2 };
        let reader = IntReader::of(&decimal).unwrap();
        for text in ["99.99", "99.994", "99.995", "100", "-99.99", "x", "+3"] {
            assert_eq!(
                reader.read(text).map(i128::from),
                parse_int_like(text, &decimal),
                "{text}"
            );
        }
        assert!(IntReader::of(&LogicalType::UBigInt).is_none());
        assert_eq!(parse_bigint("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_bigint("9223372036854775808"), None);
        assert_eq!(parse_bigint("-"), None);
    }
}
