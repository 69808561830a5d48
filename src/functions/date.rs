//! Dates, times, timestamps and intervals.
//!
//! `date_diff('month', DATE '1994-01-31', DATE '1994-02-01')` is 1: it counts the boundaries crossed.
//!
//! Invariants: a timestamp is in UTC; the current time is the statement's, from [`super::Env`].
//!
//! Does not: hold the operators `+` and `-` on dates.

use super::body::{Answer, Call, FunctionError, Scalar};
use super::entry::strict;
use super::part::{Part, interval_seconds};
use super::{Class, Function, Param as P, emit_date, returns, strftime};
use crate::types::civil::{self, MICROS_PER_DAY};
use crate::types::{Interval, LogicalType};

pub(super) const FUNCTIONS: &[Function] = &[
    of_instant("year", |call, _| part(call, Part::Year))
        .inline(emit_date::year)
        .doc("The year", "year(DATE '1994-03-15') → 1994"),
    of_instant("quarter", |call, _| part(call, Part::Quarter))
        .inline(emit_date::quarter)
        .doc("The quarter, 1 to 4", "quarter(DATE '1994-03-15') → 1"),
    of_instant("month", |call, _| part(call, Part::Month))
        .inline(emit_date::month)
        .doc("The month, 1 to 12", "month(DATE '1994-03-15') → 3"),
    of_instant("day", |call, _| part(call, Part::Day))
        .aka(&["dayofmonth"])
        .inline(emit_date::day)
        .doc("The day of the month", "day(DATE '1994-03-15') → 15"),
    of_instant("dayofweek", |call, _| part(call, Part::DayOfWeek))
        .aka(&["dow", "weekday"])
        .inline(emit_date::day_of_week)
        .doc("The day of the week, Sunday is 0", "dayofweek(DATE '1994-03-15') → 2"),
    of_instant("isodow", |call, _| part(call, Part::IsoDayOfWeek))
        .inline(emit_date::iso_day_of_week)
        .doc(
            "The day of the week, Monday is 1 and Sunday 7",
            "isodow(DATE '1994-03-20') → 7",
        ),
    of_instant("dayofyear", |call, _| part(call, Part::DayOfYear))
        .aka(&["doy"])
        .doc("The day of the year, 1 to 366", "dayofyear(DATE '1994-03-15') → 74"),
    of_instant("week", |call, _| part(call, Part::Week))
        .aka(&["weekofyear"])
        .doc("The ISO week, 1 to 53", "week(DATE '2021-01-03') → 53"),
    of_instant("isoyear", |call, _| part(call, Part::IsoYear)).doc(
        "The year that the ISO week belongs to",
        "isoyear(DATE '2021-01-03') → 2020",
    ),
    of_instant("decade", |call, _| part(call, Part::Decade))
        .doc("The year divided by ten", "decade(DATE '1994-03-15') → 199"),
    of_instant("century", |call, _| part(call, Part::Century)).doc("The century", "century(DATE '2000-12-31') → 20"),
    of_instant("millennium", |call, _| part(call, Part::Millennium))
        .doc("The millennium", "millennium(DATE '2001-01-01') → 3"),
    of_clock("hour", P::TIMESTAMP, |call, _| part(call, Part::Hour))
        .inline(emit_date::hour)
        .doc("The hour", "hour(TIMESTAMP '1994-03-15 08:30:59') → 8"),
    of_clock("hour", P::TIME, |call, _| part(call, Part::Hour))
        .inline(emit_date::hour)
        .doc("The hour", "hour(TIME '08:30:59') → 8"),
    of_clock("minute", P::TIMESTAMP, |call, _| part(call, Part::Minute))
        .inline(emit_date::minute)
        .doc("The minute", "minute(TIMESTAMP '1994-03-15 08:30:59') → 30"),
    of_clock("minute", P::TIME, |call, _| part(call, Part::Minute))
        .inline(emit_date::minute)
        .doc("The minute", "minute(TIME '08:30:59') → 30"),
    of_clock("second", P::TIMESTAMP, |call, _| part(call, Part::Second))
        .inline(emit_date::second)
        .doc(
            "The second, without its fraction",
            "second(TIMESTAMP '1994-03-15 08:30:59.5') → 59",
        ),
    of_clock("second", P::TIME, |call, _| part(call, Part::Second))
        .inline(emit_date::second)
        .doc("The second, without its fraction", "second(TIME '08:30:59') → 59"),
    of_clock("millisecond", P::TIMESTAMP, |call, _| part(call, Part::Millisecond)).doc(
        "The milliseconds of the minute",
        "millisecond(TIMESTAMP '1994-03-15 08:30:59.5') → 59500",
    ),
    of_clock("microsecond", P::TIMESTAMP, |call, _| part(call, Part::Microsecond)).doc(
        "The microseconds of the minute",
        "microsecond(TIMESTAMP '1994-03-15 08:30:00.5') → 500000",
    ),
    of_clock("year", P::INTERVAL, |call, _| part(call, Part::Year))
        .doc("Whole years", "year(INTERVAL '14 months') → 1"),
    of_clock("month", P::INTERVAL, |call, _| part(call, Part::Month))
        .doc("Months beyond the years", "month(INTERVAL '14 months') → 2"),
    of_clock("day", P::INTERVAL, |call, _| part(call, Part::Day)).doc("Days", "day(INTERVAL '40 days') → 40"),
    of_clock("hour", P::INTERVAL, |call, _| part(call, Part::Hour)).doc("Hours", "hour(INTERVAL '36:30:00') → 36"),
    of_clock("minute", P::INTERVAL, |call, _| part(call, Part::Minute))
        .doc("Minutes beyond the hours", "minute(INTERVAL '36:30:00') → 30"),
    of_clock("second", P::INTERVAL, |call, _| part(call, Part::Second))
        .doc("Seconds beyond the minutes", "second(INTERVAL '36:30:07') → 7"),
    strict("epoch", &[P::Instant], returns::double, epoch).doc(
        "Seconds since 1970-01-01",
        "epoch(TIMESTAMP '1970-01-02 00:00:00.5') → 86400.5",
    ),
    strict("epoch", &[P::Time], returns::double, epoch).doc("Seconds since midnight", "epoch(TIME '00:01:00') → 60.0"),
    strict("epoch", &[P::Interval], returns::double, epoch).doc(
        "Seconds, with years of 365.25 days and months of 30",
        "epoch(INTERVAL '1 day') → 86400.0",
    ),
    of_instant("epoch_ms", |call, _| Ok(Scalar::Int(micros(call, 0)?.div_euclid(1000)))).doc(
        "Milliseconds since 1970-01-01",
        "epoch_ms(DATE '1970-01-02') → 86400000",
    ),
    of_instant("epoch_us", |call, _| call.checked(Some(micros(call, 0)?), "epoch_us"))
        .fallible()
        .doc(
            "Microseconds since 1970-01-01",
            "epoch_us(DATE '1970-01-02') → 86400000000",
        ),
    strict("date_part", &[P::String, P::Instant], returns::bigint, date_part)
        .aka(&["datepart"])
        .fallible()
        .doc("The part of that name", "date_part('year', DATE '1994-03-15') → 1994"),
    strict("date_part", &[P::String, P::Time], returns::bigint, date_part)
        .aka(&["datepart"])
        .fallible()
        .doc("The part of that name", "date_part('hour', TIME '08:30:00') → 8"),
    strict("date_part", &[P::String, P::Interval], returns::bigint, date_part)
        .aka(&["datepart"])
        .fallible()
        .doc("The part of that name", "date_part('day', INTERVAL '40 days') → 40"),
    strict("date_trunc", &[P::String, P::Instant], returns::second, date_trunc)
        .aka(&["datetrunc"])
        .fallible()
        .doc(
            "The beginning of the unit that the value lies in",
            "date_trunc('month', DATE '1994-03-15') → 1994-03-01",
        ),
    strict("date_diff", BETWEEN, returns::bigint, date_diff)
        .aka(&["datediff"])
        .fallible()
        .doc(
            "How many boundaries of the unit lie between",
            "date_diff('year', DATE '1994-12-31', DATE '1995-01-01') → 1",
        ),
    strict("date_diff", &[P::String, P::Time, P::Time], returns::bigint, date_diff)
        .aka(&["datediff"])
        .fallible()
        .doc(
            "How many boundaries of the unit lie between",
            "date_diff('hour', TIME '08:59:00', TIME '09:00:00') → 1",
        ),
    strict("date_sub", BETWEEN, returns::bigint, date_sub)
        .aka(&["datesub"])
        .fallible()
        .doc(
            "How many complete units lie between",
            "date_sub('year', DATE '1994-12-31', DATE '1995-01-01') → 0",
        ),
    strict("add_days", &[P::Date, P::BigInt], returns::date, |call, _| {
        call.checked(call.int(0)?.checked_add(call.int(1)?), "add_days")
    })
    .fallible()
    .doc(
        "The date so many days later; `+` does the same",
        "add_days(DATE '2024-02-28', 2) → 2024-03-01",
    ),
    strict("subtract_days", &[P::Date, P::BigInt], returns::date, |call, _| {
        call.checked(call.int(0)?.checked_sub(call.int(1)?), "subtract_days")
    })
    .fallible()
    .doc(
        "The date so many days earlier; `-` does the same",
        "subtract_days(DATE '2024-03-01', 2) → 2024-02-28",
    ),
    strict("date_add", &[P::Timestamp, P::Interval], returns::first, date_add)
        .fallible()
        .doc(
            "The time so much later",
            "date_add(DATE '1994-01-31', INTERVAL '1 month') → 1994-02-28 00:00:00",
        ),
    strict(
        "make_date",
        &[P::BigInt, P::BigInt, P::BigInt],
        returns::date,
        make_date,
    )
    .fallible()
    .doc(
        "The date of a year, month and day",
        "make_date(1994, 3, 15) → 1994-03-15",
    ),
    strict(
        "make_timestamp",
        &[P::BigInt, P::BigInt, P::BigInt, P::BigInt, P::BigInt, P::Double],
        returns::timestamp,
        make_timestamp,
    )
    .fallible()
    .doc(
        "The timestamp of year, month, day, hour, minute and second",
        "make_timestamp(1994, 3, 15, 8, 30, 1.5) → 1994-03-15 08:30:01.5",
    ),
    strict("to_timestamp", &[P::Double], returns::timestamptz, to_timestamp)
        .fallible()
        .doc(
            "The time so many seconds after 1970-01-01",
            "to_timestamp(86400) → 1970-01-02 00:00:00",
        ),
    strict("last_day", &[P::Instant], returns::date, last_day)
        .doc("The last day of the month", "last_day(DATE '2024-02-10') → 2024-02-29"),
    strict("dayname", &[P::Instant], returns::string, |call, out| {
        strftime::write(call, "%A", out)
    })
    .doc("The English name of the day", "dayname(DATE '1994-03-15') → Tuesday"),
    strict("monthname", &[P::Instant], returns::string, |call, out| {
        strftime::write(call, "%B", out)
    })
    .doc("The English name of the month", "monthname(DATE '1994-03-15') → March"),
    strict("strftime", &[P::Instant, P::String], returns::string, |call, out| {
        strftime::write(call, call.text(1)?, out)
    })
    .fallible()
    .doc(
        "The date or time as the format says (`%Y %m %d %H %M %S %f %y %b %B %a %A %j %p %I …`, `%-d` without padding)",
        "strftime(DATE '1994-03-05', '%a, %-d %B %Y') → Sat, 5 March 1994",
    ),
    strict("current_date", &[], returns::date, |call, _| {
        Ok(Scalar::Int(call.env.now_micros().div_euclid(MICROS_PER_DAY).into()))
    })
    .aka(&["today"])
    .stable()
    .doc(
        "The day on which the statement began, in UTC",
        "current_date() → 2026-01-31",
    ),
    strict("now", &[], returns::timestamptz, |call, _| {
        Ok(Scalar::Int(call.env.now_micros().into()))
    })
    .aka(&["current_timestamp", "get_current_timestamp", "transaction_timestamp"])
    .stable()
    .doc("When the statement began", "now() → 2026-01-31 12:00:00"),
    strict("localtimestamp", &[], returns::timestamp, |call, _| {
        Ok(Scalar::Int(call.env.now_micros().into()))
    })
    .stable()
    .doc(
        "When the statement began, in UTC, as a timestamp without a zone",
        "localtimestamp() → 2026-01-31 12:00:00",
    ),
    strict("current_time", &[], returns::time, |call, _| {
        Ok(Scalar::Int(call.env.now_micros().rem_euclid(MICROS_PER_DAY).into()))
    })
    .aka(&["localtime", "get_current_time"])
    .stable()
    .doc(
        "The time of day at which the statement began, in UTC",
        "current_time() → 12:00:00",
    ),
    strict(
        "time_between",
        &[P::Common(Class::Instant), P::Common(Class::Instant)],
        returns::interval,
        time_between,
    )
    .fallible()
    .doc(
        "The days and the time from the second to the first; what `-` between timestamps means",
        "time_between(TIMESTAMP '2024-03-01 12:00:00', TIMESTAMP '2024-02-28 06:00:00') → 2 days 06:00:00",
    ),
];

fn time_between<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let micros = micros(call, 0)? - micros(call, 1)?;
    let day = i128::from(MICROS_PER_DAY);
    let days = i32::try_from(micros / day);
    let rest = i64::try_from(micros % day);
    match (days, rest) {
        (Ok(days), Ok(micros)) => Ok(Scalar::Interval(Interval {
            months: 0,
            days,
            micros,
        })),
        _ => Err(FunctionError::new("22008", "interval out of range")),
    }
}

const BETWEEN: &[P] = &[P::String, P::Common(Class::Instant), P::Common(Class::Instant)];

impl P {
    const TIMESTAMP: &'static [P] = &[P::Timestamp];
    const TIME: &'static [P] = &[P::Time];
    const INTERVAL: &'static [P] = &[P::Interval];
}

const fn of_instant(name: &'static str, body: super::Body) -> Function {
    strict(name, &[P::Instant], returns::bigint, body)
}

const fn of_clock(name: &'static str, params: &'static [P], body: super::Body) -> Function {
    strict(name, params, returns::bigint, body)
}

/// Microseconds since 1970-01-01 (or midnight).
fn micros(call: &Call<'_>, i: usize) -> Result<i128, FunctionError> {
    let v = call.int(i)?;
    Ok(if *call.ty(i) == LogicalType::Date {
        v * i128::from(MICROS_PER_DAY)
    } else {
        v
    })
}

/// The day, and the microseconds since its midnight; a time lies on day 0.
pub(super) fn day_and_time(call: &Call<'_>, i: usize) -> Result<(i64, i64), FunctionError> {
    let v = call.small(i)?;
    Ok(match call.ty(i) {
        LogicalType::Date => (v, 0),
        LogicalType::Time => (0, v),
        _ => (v.div_euclid(MICROS_PER_DAY), v.rem_euclid(MICROS_PER_DAY)),
    })
}

fn part<'a>(call: &Call<'a>, part: Part) -> Answer<'a> {
    part_of(call, 0, part)
}

fn part_of<'a>(call: &Call<'a>, i: usize, part: Part) -> Answer<'a> {
    let value = if *call.ty(i) == LogicalType::Interval {
        let missing = || FunctionError::new("22023", format!("an interval has no {part:?}").to_lowercase());
        part.of_interval(call.interval(i)?).ok_or_else(missing)?
    } else {
        let (day, time) = day_and_time(call, i)?;
        part.of_instant(day, time)
    };
    Ok(Scalar::Int(value.into()))
}

fn date_part<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    part_of(call, 1, Part::named(call.text(0)?)?)
}

fn epoch<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let seconds = match call.ty(0) {
        LogicalType::Interval => {
            let v = call.interval(0)?;
            interval_seconds(v) as f64 + (v.micros % 1_000_000) as f64 / 1e6
        }
        _ => micros(call, 0)? as f64 / 1e6,
    };
    Ok(Scalar::Float(seconds))
}

fn date_trunc<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let part = Part::named(call.text(0)?)?;
    let (day, time) = day_and_time(call, 1)?;
    let (day, time) = truncate(part, day, time)?;
    if *call.ty(1) == LogicalType::Date {
        return call.checked(Some(day.into()), "date_trunc");
    }
    call.checked(
        Some(i128::from(day) * i128::from(MICROS_PER_DAY) + i128::from(time)),
        "date_trunc",
    )
}

fn truncate(part: Part, day: i64, time: i64) -> Result<(i64, i64), FunctionError> {
    let (year, month, _) = civil::civil_from_days(day);
    let years = |n: i64, first: i64| civil::days_from_civil((year - first).div_euclid(n) * n + first, 1, 1);
    let down_to = |micros: i64| (day, time - time % micros);
    Ok(match part {
        Part::Millennium => (years(1000, 1), 0),
        Part::Century => (years(100, 1), 0),
        Part::Decade => (years(10, 0), 0),
        Part::Year => (years(1, 0), 0),
        Part::Quarter => (civil::days_from_civil(year, (month - 1) / 3 * 3 + 1, 1), 0),
        Part::Month => (civil::days_from_civil(year, month, 1), 0),
        Part::Week => (monday(day), 0),
        Part::IsoYear => (monday(civil::days_from_civil(civil::iso_week(day).0, 1, 4)), 0),
        Part::Day => (day, 0),
        Part::Hour => down_to(3_600_000_000),
        Part::Minute => down_to(60_000_000),
        Part::Second => down_to(1_000_000),
        Part::Millisecond => down_to(1000),
        Part::Microsecond => (day, time),
        other => return Err(not_a_unit(other)),
    })
}

fn not_a_unit(part: Part) -> FunctionError {
    FunctionError::new("22023", format!("{part:?} is not a unit of time").to_lowercase())
}

fn monday(day: i64) -> i64 {
    day + 1 - civil::iso_weekday(day)
}

/// The number of the unit that an instant lies in: two instants differ by the boundaries between them.
fn unit_index(part: Part, day: i64, time: i64) -> Result<i128, FunctionError> {
    let (year, month, _) = civil::civil_from_days(day);
    let micros = i128::from(day) * i128::from(MICROS_PER_DAY) + i128::from(time);
    let months = year * 12 + month - 1;
    let index = match part {
        Part::Millennium => year.div_euclid(1000),
        Part::Century => year.div_euclid(100),
        Part::Decade => year.div_euclid(10),
        Part::Year => year,
        Part::IsoYear => civil::iso_week(day).0,
        Part::Quarter => months.div_euclid(3),
        Part::Month => months,
        Part::Week => monday(day).div_euclid(7),
        Part::Day | Part::DayOfWeek | Part::IsoDayOfWeek | Part::DayOfYear => day,
        Part::Hour => return Ok(micros.div_euclid(3_600_000_000)),
        Part::Minute => return Ok(micros.div_euclid(60_000_000)),
        Part::Second | Part::Epoch => return Ok(micros.div_euclid(1_000_000)),
        Part::Millisecond => return Ok(micros.div_euclid(1000)),
        Part::Microsecond => return Ok(micros),
    };
    Ok(index.into())
}

fn date_diff<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let part = Part::named(call.text(0)?)?;
    let (a, b) = (day_and_time(call, 1)?, day_and_time(call, 2)?);
    call.checked(
        Some(unit_index(part, b.0, b.1)? - unit_index(part, a.0, a.1)?),
        "date_diff",
    )
}

fn date_sub<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let part = Part::named(call.text(0)?)?;
    let (from, to) = (micros(call, 1)?, micros(call, 2)?);
    let complete = |unit: i128| (to - from) / unit;
    let months = |n: i64| Ok::<_, FunctionError>(i128::from(months_between(call)? / n));
    let units = match part {
        Part::Millennium => months(12_000)?,
        Part::Century => months(1200)?,
        Part::Decade => months(120)?,
        Part::Year | Part::IsoYear => months(12)?,
        Part::Quarter => months(3)?,
        Part::Month => months(1)?,
        Part::Week => complete(604_800_000_000),
        Part::Day | Part::DayOfWeek | Part::IsoDayOfWeek | Part::DayOfYear => complete(86_400_000_000),
        Part::Hour => complete(3_600_000_000),
        Part::Minute => complete(60_000_000),
        Part::Second | Part::Epoch => complete(1_000_000),
        Part::Millisecond => complete(1000),
        Part::Microsecond => complete(1),
    };
    call.checked(Some(units), "date_sub")
}

/// Complete months from the second to the third argument, rounded toward zero.
fn months_between(call: &Call<'_>) -> Result<i64, FunctionError> {
    let (from, to) = (day_and_time(call, 1)?, day_and_time(call, 2)?);
    let index = |day: i64| {
        let (year, month, _) = civil::civil_from_days(day);
        year * 12 + month
    };
    let months = index(to.0) - index(from.0);
    let moved = (civil::add_months(from.0, months).unwrap_or(from.0), from.1);
    Ok(match months.signum() {
        1 => months - i64::from(moved > to),
        -1 => months + i64::from(moved < to),
        _ => months,
    })
}

fn date_add<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (from, by) = (call.small(0)?, call.interval(1)?);
    let moved = civil::add_interval(from, by).ok_or_else(|| {
        let message = format!("`{}` + `{by}` is out of range for {}", call.shown(0), call.result);
        FunctionError::new("22008", message)
    })?;
    Ok(Scalar::Int(moved.into()))
}

fn day_of(call: &Call<'_>) -> Result<i64, FunctionError> {
    let (year, month, day) = (call.small(0)?, call.small(1)?, call.small(2)?);
    let missing = || FunctionError::new("22008", format!("there is no date {year}-{month}-{day}"));
    civil::valid_day(year, month, day).ok_or_else(missing)
}

fn make_date<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::Int(day_of(call)?.into()))
}

fn make_timestamp<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let day = day_of(call)?;
    let (hour, minute, second) = (call.small(3)?, call.small(4)?, call.float(5)?);
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(&second) {
        return Err(FunctionError::new(
            "22008",
            format!("there is no time {hour}:{minute}:{second}"),
        ));
    }
    let time = (hour * 60 + minute) * 60_000_000 + (second * 1e6).round() as i64;
    call.checked(
        Some(i128::from(day) * i128::from(MICROS_PER_DAY) + i128::from(time)),
        "make_timestamp",
    )
}

fn to_timestamp<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let micros = (call.float(0)? * 1e6).round();
    let fits = micros.abs() < 9.2e18;
    call.checked(fits.then_some(micros as i128), "to_timestamp")
}

fn last_day<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (day, _) = day_and_time(call, 0)?;
    let (year, month, _) = civil::civil_from_days(day);
    // Near the end of the range the month's last day may not fit a date; the day itself does.
    let last = civil::days_from_civil(year, month, civil::days_in_month(year, month)).min(i32::MAX.into());
    Ok(Scalar::Int(last.into()))
}
