//! Intervals in text.
//!
//! `1 year 2 months 3 days 04:05:06` is 14 months, 3 days and 14,706,000,000 microseconds.
//!
//! Invariants: reads every text that [`Interval`]'s `Display` writes, as the same interval.
//!
//! Does not: read the ISO 8601 form (`P1Y2M`).

use super::CastError;
use super::scan::Scan;
use crate::types::Interval;

/// Numbers with units (`7 days`, `1.5 hours`, `2w`), and a time of `HH:MM[:SS[.ffffff]]`, each with a sign of its own; a
/// final `ago` turns the whole around.
pub fn parse_interval(text: &str) -> Result<Interval, CastError> {
    let mut scan = Scan::new(text);
    let sum = read(&mut scan).ok_or_else(|| CastError::invalid_datetime(text, &"interval"))?;
    sum.finish().ok_or_else(|| CastError::datetime_range(text, &"interval"))
}

/// What one unit of an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many months.
    Months(i64),
    /// So many days.
    Days(i64),
    /// So many microseconds.
    Micros(i64),
}

/// A unit by its name, singular or plural, or one of its usual abbreviations.
pub fn interval_unit(name: &str) -> Option<Unit> {
    Some(match name.to_ascii_lowercase().as_str() {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => Unit::Micros(1),
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => Unit::Micros(1000),
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Micros(1_000_000),
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Micros(60_000_000),
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Micros(3_600_000_000),
        "d" | "day" | "days" => Unit::Days(1),
        "w" | "week" | "weeks" => Unit::Days(7),
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "quarter" | "quarters" => Unit::Months(3),
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Months(12),
        "dec" | "decade" | "decades" => Unit::Months(120),
        "century" | "centuries" => Unit::Months(1200),
        "millennium" | "millennia" | "millenniums" => Unit::Months(12_000),
        _ => return None,
    })
}

/// Parts so far, wide enough that only the end needs a range check.
#[derive(Clone, Copy, Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
    /// A month was split: there is no such interval.
    split_month: bool,
}

impl Sum {
    /// `whole + millionths / 10^6` units, both already signed. Parts of a day become time.
    fn add(&mut self, whole: i64, millionths: i64, unit: Unit) {
        let (whole, millionths) = (i128::from(whole), i128::from(millionths));
        match unit {
            Unit::Months(n) => {
                let part = millionths * i128::from(n);
                self.months += whole * i128::from(n) + part / 1_000_000;
                self.split_month |= part % 1_000_000 != 0;
            }
            Unit::Days(n) => {
                self.days += whole * i128::from(n);
                self.micros += millionths * i128::from(n) * 86_400;
            }
            Unit::Micros(n) => self.micros += whole * i128::from(n) + millionths * i128::from(n) / 1_000_000,
        }
    }

    fn negate(&mut self) {
        (self.months, self.days, self.micros) = (-self.months, -self.days, -self.micros);
    }

    fn finish(self) -> Option<Interval> {
        if self.split_month {
            return None;
        }
        Some(Interval {
            months: self.months.try_into().ok()?,
            days: self.days.try_into().ok()?,
            micros: self.micros.try_into().ok()?,
        })
    }
}

fn read(scan: &mut Scan<'_>) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut parts = 0;
    while !scan.is_done() {
        if parts > 0 && scan.peek().is_some_and(|b| b.is_ascii_alphabetic()) {
            let last = scan.word().eq_ignore_ascii_case(b"ago") && scan.is_done();
            sum.negate();
            return last.then_some(sum);
        }
        part(scan, &mut sum)?;
        scan.spaces();
        parts += 1;
    }
    (parts > 0).then_some(sum)
}

/// `[+-]number unit` or `[+-]HH:MM[:SS[.ffffff]]`.
fn part(scan: &mut Scan<'_>, sum: &mut Sum) -> Option<()> {
    let sign = if scan.eat_any(b"+-") == Some(b'-') { -1 } else { 1 };
    scan.spaces();
    let whole = if scan.peek() == Some(b'.') { 0 } else { scan.number(18)? };
    if scan.eat(b':') {
        return clock(scan, sum, sign, whole);
    }
    let millionths = if scan.eat(b'.') { scan.millionths()? } else { 0 };
    scan.spaces();
    let unit = interval_unit(std::str::from_utf8(scan.word()).ok()?)?;
    sum.add(sign * whole, sign * millionths, unit);
    Some(())
}

fn clock(scan: &mut Scan<'_>, sum: &mut Sum, sign: i64, hours: i64) -> Option<()> {
    let minutes = scan.number(2).filter(|m| *m < 60)?;
    sum.add(sign * hours, 0, Unit::Micros(3_600_000_000));
    sum.add(sign * minutes, 0, Unit::Micros(60_000_000));
    if scan.eat(b':') {
        let seconds = scan.number(2).filter(|s| *s < 60)?;
        let millionths = if scan.eat(b'.') { scan.millionths()? } else { 0 };
        sum.add(sign * seconds, sign * millionths, Unit::Micros(1_000_000));
    }
    Some(())
}
