//! Inline code of date parts: calendar arithmetic on integers.
//!
//! The month of day 8766 (1994-01-01): day 307 of a year that begins in March, so month 10 counted from there: January.
//! Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`; as in
//! [`crate::types::civil::civil_from_days`], but with the days moved into unsigned numbers first.
//!
//! Invariants: right for every date (32 bits) and every timestamp (64 bits).
//!
//! Does not: know years before the shift of 14,700 eras of 400 years, which no date reaches.

use gobi_jit::FunctionBuilder;
use gobi_jit::ir::{IntCond, Type, Value};

use super::EmitArgs;
use crate::types::LogicalType;
use crate::types::civil::MICROS_PER_DAY;

/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;

/// Eras added to make every day positive.
const ERAS: i64 = 14_700;

/// Weeks added to make every day positive.
const WEEKS: i64 = 306_783_400;

pub(super) fn year(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let civil = Civil::of(b, args);
    let of_era = b.uext(civil.year_of_era, Type::I64);
    let eras = times(b, civil.era, 400);
    let year = b.add(eras, of_era);
    let year = plus(b, year, -400 * ERAS);
    // January and February end the year that began in March.
    let next = compare(b, IntCond::Uge, civil.month_from_march, 10);
    let next = b.uext(next, Type::I64);
    b.add(year, next)
}

pub(super) fn quarter(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let month = month_i32(b, args);
    let index = plus(b, month, 2);
    let quarter = divide(b, index, 3);
    b.uext(quarter, Type::I64)
}

pub(super) fn month(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let month = month_i32(b, args);
    b.uext(month, Type::I64)
}

pub(super) fn day(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let civil = Civil::of(b, args);
    let before = times(b, civil.month_from_march, 153);
    let before = plus(b, before, 2);
    let before = divide(b, before, 5);
    let day = b.sub(civil.day_of_year, before);
    let day = plus(b, day, 1);
    b.uext(day, Type::I64)
}

/// Sunday is 0; day 0 was a Thursday.
pub(super) fn day_of_week(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    week_position(b, args, 4)
}

pub(super) fn iso_day_of_week(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let from_monday = week_position(b, args, 3);
    plus(b, from_monday, 1)
}

pub(super) fn hour(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let time = time_of_day(b, args);
    divide(b, time, 3_600_000_000)
}

pub(super) fn minute(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    sixtieth(b, args, 60_000_000)
}

pub(super) fn second(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    sixtieth(b, args, 1_000_000)
}

/// What the calendar functions share; years here begin in March. All `i32` but the era.
struct Civil {
    /// `i64`.
    era: Value,
    year_of_era: Value,
    day_of_year: Value,
    month_from_march: Value,
}

impl Civil {
    fn of(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Civil {
        let days = days(b, args);
        let z = plus(b, days, 719_468 + ERAS * ERA_DAYS);
        let era = divide(b, z, ERA_DAYS);
        let era_start = times(b, era, ERA_DAYS);
        let day_of_era = b.sub(z, era_start);
        let day_of_era = b.trunc(day_of_era, Type::I32);
        let year_of_era = year_of_era(b, day_of_era);
        let day_of_year = day_of_year(b, day_of_era, year_of_era);
        let scaled = times(b, day_of_year, 5);
        let scaled = plus(b, scaled, 2);
        Civil {
            era,
            year_of_era,
            day_of_year,
            month_from_march: divide(b, scaled, 153),
        }
    }
}

fn year_of_era(b: &mut FunctionBuilder, day_of_era: Value) -> Value {
    let fours = divide(b, day_of_era, 1460);
    let centuries = divide(b, day_of_era, 36_524);
    let eras = divide(b, day_of_era, 146_096);
    let days = b.sub(day_of_era, fours);
    let days = b.add(days, centuries);
    let days = b.sub(days, eras);
    divide(b, days, 365)
}

fn day_of_year(b: &mut FunctionBuilder, day_of_era: Value, year_of_era: Value) -> Value {
    let days = times(b, year_of_era, 365);
    let leap = divide(b, year_of_era, 4);
    let centuries = divide(b, year_of_era, 100);
    let start = b.add(days, leap);
    let start = b.sub(start, centuries);
    b.sub(day_of_era, start)
}

fn month_i32(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    let civil = Civil::of(b, args);
    let early = compare(b, IntCond::Ult, civil.month_from_march, 10);
    let this_year = plus(b, civil.month_from_march, 3);
    let next_year = plus(b, civil.month_from_march, -9);
    b.select(early, this_year, next_year)
}

/// Days since the `offset` days before 1970-01-01, modulo 7.
fn week_position(b: &mut FunctionBuilder, args: &EmitArgs<'_>, offset: i64) -> Value {
    let days = days(b, args);
    let days = plus(b, days, offset + 7 * WEEKS);
    let seven = b.iconst(Type::I64, 7);
    b.urem(days, seven)
}

fn sixtieth(b: &mut FunctionBuilder, args: &EmitArgs<'_>, micros: i64) -> Value {
    let time = time_of_day(b, args);
    let units = divide(b, time, micros);
    let sixty = b.iconst(Type::I64, 60);
    b.urem(units, sixty)
}

/// Days since 1970-01-01, `i64`.
fn days(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    match args.types[0] {
        LogicalType::Date => b.sext(args.values[0], Type::I64),
        _ => split(b, args.values[0]).0,
    }
}

/// Microseconds since midnight, `i64`.
fn time_of_day(b: &mut FunctionBuilder, args: &EmitArgs<'_>) -> Value {
    match args.types[0] {
        LogicalType::Time => args.values[0],
        _ => split(b, args.values[0]).1,
    }
}

/// A timestamp as days and the microseconds since midnight: division that rounds down.
fn split(b: &mut FunctionBuilder, micros: Value) -> (Value, Value) {
    let day = b.iconst(Type::I64, MICROS_PER_DAY);
    let quotient = b.sdiv(micros, day);
    let start = b.mul(quotient, day);
    let rest = b.sub(micros, start);
    let below = compare(b, IntCond::Slt, rest, 0);
    let below = b.uext(below, Type::I64);
    let days = b.sub(quotient, below);
    let missing = b.mul(below, day);
    (days, b.add(rest, missing))
}

fn plus(b: &mut FunctionBuilder, value: Value, constant: i64) -> Value {
    let constant = b.iconst(b.ty(value), constant);
    b.add(value, constant)
}

fn times(b: &mut FunctionBuilder, value: Value, constant: i64) -> Value {
    let constant = b.iconst(b.ty(value), constant);
    b.mul(value, constant)
}

/// Of numbers that are not negative.
fn divide(b: &mut FunctionBuilder, value: Value, constant: i64) -> Value {
    let constant = b.iconst(b.ty(value), constant);
    b.udiv(value, constant)
}

fn compare(b: &mut FunctionBuilder, cond: IntCond, value: Value, constant: i64) -> Value {
    let constant = b.iconst(b.ty(value), constant);
    b.icmp(cond, value, constant)
}
