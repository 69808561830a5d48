//! Dates and times written as a format says.
//!
//! `%a, %-d %B %Y` of 1994-03-05 is `Sat, 5 March 1994`; what follows no `%` is copied.
//!
//! Invariants: names are English, whatever the locale.
//!
//! Does not: read dates.

use super::body::{Answer, Call, FunctionError, Scalar, push};
use super::date::day_and_time;
use super::part::Part;
use crate::types::civil;

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The first argument, a date or timestamp, in the format.
pub(super) fn write<'a>(call: &Call<'a>, format: &str, out: &'a mut Vec<u8>) -> Answer<'a> {
    let (day, time) = day_and_time(call, 0)?;
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        push(out, &rest.as_bytes()[..at])?;
        let code = &rest[at + 1..];
        let (padded, code) = match code.strip_prefix('-') {
            Some(code) => (false, code),
            None => (true, code),
        };
        let mut chars = code.chars();
        let item = chars.next().and_then(|code| item(code, day, time));
        let unknown = || FunctionError::new("22023", format!("`{format}` is not a date format: unknown `%` code"));
        match item.ok_or_else(unknown)? {
            Item::Number(v, width) => push(out, number(v, if padded { width } else { 1 }).as_bytes())?,
            Item::Text(text) => push(out, text.as_bytes())?,
            Item::Format(inner) => {
                let mut inner_out = Vec::new();
                write(call, inner, &mut inner_out)?;
                push(out, &inner_out)?;
            }
        }
        rest = chars.as_str();
    }
    push(out, rest.as_bytes())?;
    Ok(Scalar::Bytes(out))
}

enum Item {
    /// With so many digits at least.
    Number(i64, usize),
    Text(&'static str),
    Format(&'static str),
}

fn number(v: i64, width: usize) -> String {
    let sign = if v < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", v.unsigned_abs())
}

fn item(code: char, day: i64, time: i64) -> Option<Item> {
    let part = |part: Part, width: usize| Item::Number(part.of_instant(day, time), width);
    let (year, month, _) = civil::civil_from_days(day);
    let weekday = civil::weekday(day);
    let hour = time / 3_600_000_000;
    let name = |names: &[&'static str], i: i64| names[usize::try_from(i).unwrap_or(0).min(names.len() - 1)];
    Some(match code {
        'Y' => Item::Number(year, 4),
        'y' => Item::Number(year.rem_euclid(100), 2),
        'G' => part(Part::IsoYear, 4),
        'm' => Item::Number(month, 2),
        'd' => part(Part::Day, 2),
        'e' => part(Part::Day, 1),
        'j' => part(Part::DayOfYear, 3),
        'H' => Item::Number(hour, 2),
        'I' => Item::Number((hour + 11) % 12 + 1, 2),
        'M' => part(Part::Minute, 2),
        'S' => part(Part::Second, 2),
        'g' => Item::Number(time / 1000 % 1000, 3),
        'f' => Item::Number(time % 1_000_000, 6),
        'n' => Item::Number(time % 1_000_000 * 1000, 9),
        's' => part(Part::Epoch, 1),
        'w' => Item::Number(weekday, 1),
        'u' => part(Part::IsoDayOfWeek, 1),
        'V' => part(Part::Week, 2),
        'U' => Item::Number(week_from(day, weekday), 2),
        'W' => Item::Number(week_from(day, civil::iso_weekday(day) - 1), 2),
        'p' => Item::Text(if hour < 12 { "AM" } else { "PM" }),
        'A' => Item::Text(name(&DAYS, weekday)),
        'a' => Item::Text(&name(&DAYS, weekday)[..3]),
        'B' => Item::Text(name(&MONTHS, month - 1)),
        'b' | 'h' => Item::Text(&name(&MONTHS, month - 1)[..3]),
        'z' => Item::Text("+00"),
        'Z' => Item::Text("UTC"),
        'x' | 'F' => Item::Format("%Y-%m-%d"),
        'X' | 'T' => Item::Format("%H:%M:%S"),
        'c' => Item::Format("%Y-%m-%d %H:%M:%S"),
        '%' => Item::Text("%"),
        _ => return None,
    })
}

/// The week of the year if weeks begin on the day of which `weekday` is 0; days before the first are in week 0.
fn week_from(day: i64, weekday: i64) -> i64 {
    (civil::day_of_year(day) + 6 - weekday) / 7
}
