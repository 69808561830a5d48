//! The proleptic Gregorian calendar over days since 1970-01-01.
//!
//! Day 8766 is 1994-01-01: `civil_from_days(8766) == (1994, 1, 1)` and `days_from_civil(1994, 1, 1) == 8766`.
//!
//! Invariants: the two functions are inverse to each other for every day that fits in 32 bits; there is a year 0.
//!
//! Does not: know time zones or leap seconds.

use super::Interval;

/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Year, month (1..=12) and day of the month (1..=31) of a day.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day of a year, month (1..=12) and day of the month. A day past the month's end runs into the next month.
///
/// Howard Hinnant, `days_from_civil`.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * mp + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Years that can be shown; the calendar behind `Value::display` ends there.
const YEARS: std::ops::RangeInclusive<i64> = -262_142..=262_141;

/// The day of a date that exists and can be shown.
pub fn valid_day(year: i64, month: i64, day: i64) -> Option<i64> {
    let valid = YEARS.contains(&year) && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

/// Whether February has 29 days.
pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month (1..=12).
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day of the week, Sunday is 0.
pub fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// Day of the week as ISO 8601 counts: Monday is 1, Sunday 7.
pub fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// Day of the year, 1..=366.
pub fn day_of_year(days: i64) -> i64 {
    days - days_from_civil(civil_from_days(days).0, 1, 1) + 1
}

/// ISO 8601 year and week (1..=53): the week belongs to the year that its Thursday lies in.
pub fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days + 4 - iso_weekday(days);
    let year = civil_from_days(thursday).0;
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// A day moved by months; the day of the month is clipped to the target month's length.
pub fn add_months(days: i64, months: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(days);
    let total = year.checked_mul(12)?.checked_add(month - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    Some(days_from_civil(year, month, day.min(days_in_month(year, month))))
}

/// A timestamp moved by an interval: first the months, as [`add_months`] does, then days and microseconds.
pub fn add_interval(micros: i64, interval: Interval) -> Option<i64> {
    let (day, time) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    let day = add_months(day, interval.months.into())?.checked_add(interval.days.into())?;
    // Summed in 128 bits: a day near the end of the range may need a negative time to lie in it.
    let sum = i128::from(day) * i128::from(MICROS_PER_DAY) + i128::from(time) + i128::from(interval.micros);
    i64::try_from(sum).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (days, civil) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (8766, (1994, 1, 1)),
            (11_016, (2000, 2, 29)),
            (-719_528, (0, 1, 1)),
            (-719_529, (-1, 12, 31)),
        ] {
            assert_eq!(civil_from_days(days), civil);
            assert_eq!(days_from_civil(civil.0, civil.1, civil.2), days);
        }
    }

    #[test]
    fn weeks() {
        assert_eq!(weekday(0), 4);
        assert_eq!(iso_weekday(-4), 7);
        assert_eq!(iso_week(days_from_civil(2021, 1, 3)), (2020, 53));
        assert_eq!(iso_week(days_from_civil(2018, 12, 31)), (2019, 1));
        assert_eq!(day_of_year(days_from_civil(2000, 12, 31)), 366);
    }

    #[test]
    fn months_are_clipped() {
        let day = days_from_civil(2024, 1, 31);
        assert_eq!(add_months(day, 1), Some(days_from_civil(2024, 2, 29)));
        assert_eq!(add_months(day, -11), Some(days_from_civil(2023, 2, 28)));
    }

    #[test]
    fn round_trip_over_the_whole_range() {
        for days in (i64::from(i32::MIN)..=i64::from(i32::MAX)).step_by(99_991) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
            assert!((1..=12).contains(&m) && (1..=days_in_month(y, m)).contains(&d));
        }
    }
}
