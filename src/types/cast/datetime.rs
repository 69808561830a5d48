//! Dates, times and timestamps in text.
//!
//! `1994-01-01T08:30+02` is the timestamp 757405800000000: half past six in UTC.
//!
//! Invariants: what is returned can be stored in its type and is shown by [`crate::types::Value::display`] as a text that
//! reads back as the same value.
//!
//! Does not: know named time zones other than `UTC`.

use super::CastError;
use super::scan::Scan;
use crate::types::civil::{self, MICROS_PER_DAY};

/// Days since 1970-01-01 of `YYYY-MM-DD` (or with slashes; a sign for years before 0 or after 9999).
pub fn parse_date(text: &str) -> Result<i32, CastError> {
    let mut scan = Scan::new(text);
    let parts = date(&mut scan).filter(|_| scan.is_done());
    let days = parts.ok_or_else(|| CastError::invalid_datetime(text, &"date"))?.days();
    days.and_then(|days| i32::try_from(days).ok())
        .ok_or_else(|| CastError::datetime_range(text, &"date"))
}

/// Microseconds since midnight of `HH:MM[:SS[.ffffff]]`, up to and with `24:00:00`.
pub fn parse_time(text: &str) -> Result<i64, CastError> {
    let mut scan = Scan::new(text);
    let parts = time(&mut scan).filter(|_| scan.is_done());
    parts
        .ok_or_else(|| CastError::invalid_datetime(text, &"time"))?
        .micros()
        .ok_or_else(|| CastError::datetime_range(text, &"time"))
}

/// Microseconds since 1970-01-01 UTC of `YYYY-MM-DD[( |T)HH:MM[:SS[.ffffff]][Z|UTC|±hh[[:]mm]]]`; without an offset the
/// text is taken as UTC.
pub fn parse_timestamp(text: &str) -> Result<i64, CastError> {
    let mut scan = Scan::new(text);
    let (date, time, offset) = timestamp(&mut scan).ok_or_else(|| CastError::invalid_datetime(text, &"timestamp"))?;
    let micros = || {
        let day = date.days()?.checked_mul(MICROS_PER_DAY)?;
        day.checked_add(time.micros()?)?.checked_sub(offset)
    };
    micros().ok_or_else(|| CastError::datetime_range(text, &"timestamp"))
}

struct DateParts {
    year: i64,
    month: i64,
    day: i64,
}

impl DateParts {
    fn days(&self) -> Option<i64> {
        civil::valid_day(self.year, self.month, self.day)
    }
}

#[derive(Default)]
struct TimeParts {
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl TimeParts {
    fn micros(&self) -> Option<i64> {
        let micros = ((self.hour * 60 + self.minute) * 60 + self.second) * 1_000_000 + self.micros;
        (self.minute < 60 && self.second < 60 && micros <= MICROS_PER_DAY).then_some(micros)
    }
}

fn date(scan: &mut Scan<'_>) -> Option<DateParts> {
    let sign = scan.eat_any(b"+-");
    let year = scan.number(6)?;
    let separator = scan.eat_any(b"-/")?;
    let month = scan.number(2)?;
    if !scan.eat(separator) {
        return None;
    }
    Some(DateParts {
        year: if sign == Some(b'-') { -year } else { year },
        month,
        day: scan.number(2)?,
    })
}

fn time(scan: &mut Scan<'_>) -> Option<TimeParts> {
    let hour = scan.number(2)?;
    if !scan.eat(b':') {
        return None;
    }
    let mut parts = TimeParts {
        hour,
        minute: scan.number(2)?,
        ..TimeParts::default()
    };
    if scan.eat(b':') {
        parts.second = scan.number(2)?;
        if scan.eat(b'.') {
            parts.micros = scan.millionths()?;
        }
    }
    Some(parts)
}

fn timestamp(scan: &mut Scan<'_>) -> Option<(DateParts, TimeParts, i64)> {
    let date = date(scan)?;
    if scan.is_done() {
        return Some((date, TimeParts::default(), 0));
    }
    scan.eat_any(b" Tt")?;
    scan.spaces();
    let time = time(scan)?;
    scan.spaces();
    let offset = offset(scan)?;
    scan.is_done().then_some((date, time, offset))
}

/// Microseconds east of UTC.
fn offset(scan: &mut Scan<'_>) -> Option<i64> {
    let sign = match scan.eat_any(b"+-") {
        Some(b'-') => -1,
        Some(_) => 1,
        None => {
            let zone = scan.word().to_ascii_uppercase();
            return matches!(zone.as_slice(), b"" | b"Z" | b"UTC").then_some(0);
        }
    };
    // `+0530` is one run of digits; `+05:30` and `+05` are two and one.
    let (hours, minutes) = match (scan.number(2), scan.number(4)) {
        (Some(hours), _) if scan.eat(b':') => (hours, scan.number(2)?),
        (Some(hours), None) => (hours, 0),
        (None, Some(both)) => (both / 100, both % 100),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000_000)
}
