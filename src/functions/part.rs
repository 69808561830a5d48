//! The parts of dates, times and intervals.
//!
//! `Part::Week` of 2021-01-03 is 53: that Sunday ends the last ISO week of 2020.
//!
//! Invariants: the same part of the same value is the same whether it is reached by its own function or by `date_part`.
//!
//! Does not: know time zones.

use super::FunctionError;
use crate::types::Interval;
use crate::types::civil;

/// A part of a date, time or interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Part {
    Millennium,
    Century,
    Decade,
    /// The year that the ISO week belongs to.
    IsoYear,
    Year,
    Quarter,
    Month,
    /// ISO week, 1 to 53.
    Week,
    Day,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1, Sunday 7.
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    /// With the seconds.
    Millisecond,
    /// With the seconds.
    Microsecond,
    /// Seconds since 1970-01-01.
    Epoch,
}

impl Part {
    /// By name, singular or plural, or one of the usual abbreviations.
    pub fn parse(name: &str) -> Option<Part> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "millennium" | "millennia" | "millenniums" => Part::Millennium,
            "century" | "centuries" | "cent" => Part::Century,
            "decade" | "decades" | "dec" => Part::Decade,
            "isoyear" => Part::IsoYear,
            "year" | "years" | "yr" | "yrs" | "y" => Part::Year,
            "quarter" | "quarters" => Part::Quarter,
            "month" | "months" | "mon" | "mons" => Part::Month,
            "week" | "weeks" | "w" | "weekofyear" => Part::Week,
            "day" | "days" | "d" | "dayofmonth" => Part::Day,
            "dow" | "dayofweek" | "weekday" => Part::DayOfWeek,
            "isodow" => Part::IsoDayOfWeek,
            "doy" | "dayofyear" => Part::DayOfYear,
            "hour" | "hours" | "hr" | "hrs" | "h" => Part::Hour,
            "minute" | "minutes" | "min" | "mins" | "m" => Part::Minute,
            "second" | "seconds" | "sec" | "secs" | "s" => Part::Second,
            "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => Part::Millisecond,
            "microsecond" | "microseconds" | "usec" | "usecs" | "us" => Part::Microsecond,
            "epoch" => Part::Epoch,
            _ => return None,
        })
    }

    /// By name, or the error that the function fails with.
    pub(super) fn named(name: &str) -> Result<Part, FunctionError> {
        let unknown = || FunctionError::new("22023", format!("`{name}` is not a part of a date or time"));
        Part::parse(name).ok_or_else(unknown)
    }

    /// Of a day (since 1970-01-01) and the microseconds since its midnight.
    pub(super) fn of_instant(self, day: i64, micros: i64) -> i64 {
        match self {
            Part::Hour => micros / 3_600_000_000,
            Part::Minute => micros / 60_000_000 % 60,
            Part::Second => micros / 1_000_000 % 60,
            Part::Millisecond => micros / 1000 % 60_000,
            Part::Microsecond => micros % 60_000_000,
            Part::Epoch => day * 86_400 + micros / 1_000_000,
            Part::Week => civil::iso_week(day).1,
            Part::IsoYear => civil::iso_week(day).0,
            Part::DayOfWeek => civil::weekday(day),
            Part::IsoDayOfWeek => civil::iso_weekday(day),
            Part::DayOfYear => civil::day_of_year(day),
            _ => self.of_civil(civil::civil_from_days(day)),
        }
    }

    fn of_civil(self, (year, month, day): (i64, i64, i64)) -> i64 {
        match self {
            Part::Day => day,
            Part::Month => month,
            Part::Quarter => (month - 1) / 3 + 1,
            Part::Decade => year.div_euclid(10),
            Part::Century => era(year, 100),
            Part::Millennium => era(year, 1000),
            _ => year,
        }
    }

    /// Of an interval; `None` for those that only dates have.
    pub(super) fn of_interval(self, v: Interval) -> Option<i64> {
        let (months, micros) = (i64::from(v.months), v.micros);
        Some(match self {
            Part::Millennium => months / 12_000,
            Part::Century => months / 1200,
            Part::Decade => months / 120,
            Part::Year => months / 12,
            Part::Quarter => months % 12 / 3 + 1,
            Part::Month => months % 12,
            Part::Day => v.days.into(),
            Part::Hour => micros / 3_600_000_000,
            Part::Minute => micros / 60_000_000 % 60,
            Part::Second => micros / 1_000_000 % 60,
            Part::Millisecond => micros / 1000 % 60_000,
            Part::Microsecond => micros % 60_000_000,
            Part::Epoch => interval_seconds(v),
            _ => return None,
        })
    }
}

/// Whole seconds; years have 365.25 days, other months 30.
pub(super) fn interval_seconds(v: Interval) -> i64 {
    let months = i64::from(v.months);
    months / 12 * 31_557_600 + (months % 12 * 30 + i64::from(v.days)) * 86_400 + v.micros / 1_000_000
}

/// Centuries and millennia count from year 1.
fn era(year: i64, years: i64) -> i64 {
    if year > 0 {
        (year - 1) / years + 1
    } else {
        year / years - 1
    }
}
