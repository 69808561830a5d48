//! What a parameter takes, and the type that several arguments have in common.
//!
//! `Param::Double` takes an `integer` by widening it; `Param::Float` takes a `real` as it is.
//!
//! Invariants: widening never loses more than a float's precision; nothing becomes text but for [`Param::Text`].
//!
//! Does not: choose between overloads.

use crate::types::{Field, LogicalType};

/// The types that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// boolean.
    Boolean,
    /// bigint, or what widens to it.
    BigInt,
    /// Any integer type, as it is.
    Integer,
    /// Any decimal type, as it is; integers become decimals of scale 0.
    Decimal,
    /// real or double as they are; other numbers become double.
    Float,
    /// double, or what widens to it.
    Double,
    /// string.
    String,
    /// json, or a text that is JSON.
    Json,
    /// Any type, converted to string.
    Text,
    /// blob.
    Blob,
    /// date.
    Date,
    /// time.
    Time,
    /// timestamp or timestamptz as they are; dates become timestamps.
    Timestamp,
    /// date, timestamp or timestamptz, as they are.
    Instant,
    /// interval.
    Interval,
    /// An array; all arrays and [`Param::Item`]s of a call get one element type.
    List,
    /// A value of the element type.
    Item,
    /// An array of numbers.
    Numbers,
    /// An array of arrays.
    Lists,
    /// A struct.
    Struct,
    /// An array, as it is.
    Array,
    /// A map; its keys and [`Param::Key`] get one type, its values and [`Param::Held`] another.
    Map,
    /// A key of the map.
    Key,
    /// A value of the map.
    Held,
    /// Any type, as it is.
    Anything,
    /// All arguments of this kind are converted to the type that they have in common.
    Common(Class),
}

/// Which types may be a common type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Integers.
    Integer,
    /// Integers, decimals, floats.
    Number,
    /// date, timestamp, timestamptz.
    Instant,
    /// Whatever can be compared.
    Any,
}

impl Param {
    /// The type that an argument is converted to, and how far that is from its own; `None` if it is not taken.
    /// Common parameters take what their class allows; the caller unifies them.
    pub(super) fn accept(self, ty: &LogicalType) -> Option<(LogicalType, u32)> {
        use LogicalType as T;
        let same = || Some((ty.clone(), 0));
        match (self, ty) {
            (Param::Common(class), ty) => class.takes(ty).then(|| (ty.clone(), 0)),
            (Param::Text, T::String) => same(),
            (Param::Text, _) => Some((T::String, 5)),
            (Param::Item | Param::Anything | Param::Key | Param::Held, _) => same(),
            (Param::List | Param::Array, T::Array(_)) | (Param::Struct, T::Struct(_)) | (Param::Map, T::Map(_)) => {
                same()
            }
            // Whatever takes texts takes labels and JSON.
            (Param::String, T::Enum(_) | T::Json) => Some((T::String, 4)),
            (Param::Json, T::Json) => same(),
            (Param::Json, T::String) => Some((T::Json, 3)),
            (Param::Numbers, T::Array(item)) if item.is_numeric() => same(),
            (Param::Numbers, T::Array(item)) if **item == T::Null => Some((array_of(T::BigInt), 1)),
            (Param::Lists, T::Array(item)) if matches!(**item, T::Array(_) | T::Null) => same(),
            (param, T::Null) => Some((param.for_null(), 1)),
            (Param::BigInt, T::BigInt) | (Param::Boolean, T::Boolean) | (Param::String, T::String) => same(),
            (Param::BigInt, ty) if fits_bigint(ty) => Some((T::BigInt, 1)),
            (Param::Integer, ty) if ty.is_integer() => same(),
            (Param::Decimal, T::Decimal { .. }) => same(),
            (Param::Decimal, ty) => Some((integer_as_decimal(ty)?, 2)),
            (Param::Float, ty) if ty.is_float() => same(),
            (Param::Double, T::Double) => same(),
            (Param::Double, T::Real) => Some((T::Double, 1)),
            (Param::Float | Param::Double, T::Decimal { .. }) => Some((T::Double, 3)),
            (Param::Float | Param::Double, ty) if ty.is_integer() => Some((T::Double, 4)),
            (Param::Blob, T::Blob) | (Param::Date, T::Date) | (Param::Time, T::Time) => same(),
            (Param::Interval, T::Interval) => same(),
            (Param::Timestamp | Param::Instant, T::Timestamp | T::TimestampTz) => same(),
            (Param::Instant, T::Date) => same(),
            (Param::Timestamp, T::Date) => Some((T::Timestamp, 1)),
            _ => None,
        }
    }

    /// The type of a bare NULL here.
    fn for_null(self) -> LogicalType {
        match self {
            Param::Boolean => LogicalType::Boolean,
            Param::BigInt | Param::Integer => LogicalType::BigInt,
            Param::Decimal => LogicalType::Decimal {
                precision: 18,
                scale: 3,
            },
            Param::Float | Param::Double => LogicalType::Double,
            Param::String | Param::Text => LogicalType::String,
            Param::Json => LogicalType::Json,
            Param::Blob => LogicalType::Blob,
            Param::Date => LogicalType::Date,
            Param::Time => LogicalType::Time,
            Param::Timestamp | Param::Instant => LogicalType::Timestamp,
            Param::Interval => LogicalType::Interval,
            Param::List | Param::Lists | Param::Array => array_of(LogicalType::Null),
            Param::Numbers => array_of(LogicalType::BigInt),
            Param::Struct => LogicalType::Struct(Vec::new()),
            Param::Map => LogicalType::Map(Box::new((LogicalType::Null, LogicalType::Null))),
            Param::Item | Param::Anything | Param::Key | Param::Held => LogicalType::Null,
            Param::Common(class) => class.for_null(),
        }
    }
}

impl Class {
    fn takes(self, ty: &LogicalType) -> bool {
        use LogicalType as T;
        match (self, ty) {
            (_, T::Null) => true,
            (Class::Integer, ty) => ty.is_integer(),
            (Class::Number, ty) => ty.is_numeric(),
            (Class::Instant, ty) => matches!(ty, T::Date | T::Timestamp | T::TimestampTz),
            (Class::Any, ty) => !ty.is_nested(),
        }
    }

    /// The common type if all arguments are NULL.
    pub(super) fn for_null(self) -> LogicalType {
        match self {
            Class::Integer | Class::Number | Class::Any => LogicalType::BigInt,
            Class::Instant => LogicalType::Timestamp,
        }
    }
}

impl std::fmt::Display for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Param::Boolean => "boolean",
            Param::BigInt => "bigint",
            Param::Integer | Param::Common(Class::Integer) => "integer",
            Param::Decimal => "decimal",
            Param::Float => "float",
            Param::Double => "double",
            Param::String => "string",
            Param::Json => "json",
            Param::Text | Param::Item | Param::Anything | Param::Key | Param::Held | Param::Common(Class::Any) => "any",
            Param::List | Param::Lists | Param::Numbers | Param::Array => "array",
            Param::Struct => "struct",
            Param::Map => "map",
            Param::Blob => "blob",
            Param::Date => "date",
            Param::Time => "time",
            Param::Timestamp => "timestamp",
            Param::Instant | Param::Common(Class::Instant) => "date | timestamp",
            Param::Interval => "interval",
            Param::Common(Class::Number) => "number",
        })
    }
}

/// The narrowest type to which values of both types convert without loss, but for floats; `None` if there is none.
pub fn common_type(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    Some(match (a, b) {
        (a, b) if a == b => a.clone(),
        (T::Null, other) | (other, T::Null) => other.clone(),
        (a, b) if a.is_integer() && b.is_integer() => common_integer(a, b),
        (T::Real, T::Real) => T::Real,
        (a, b) if a.is_numeric() && b.is_numeric() && (a.is_float() || b.is_float()) => T::Double,
        (a, b) if a.is_numeric() && b.is_numeric() => common_decimal(a, b)?,
        (T::Date, T::Timestamp | T::TimestampTz) | (T::Timestamp, T::TimestampTz) => b.clone(),
        (T::Timestamp | T::TimestampTz, T::Date) | (T::TimestampTz, T::Timestamp) => a.clone(),
        (T::Array(a), T::Array(b)) => T::Array(Box::new(common_type(a, b)?)),
        (T::Map(a), T::Map(b)) => T::Map(Box::new((common_type(&a.0, &b.0)?, common_type(&a.1, &b.1)?))),
        (T::Struct(a), T::Struct(b)) => T::Struct(common_fields(a, b)?),
        (T::Enum(_), T::String) | (T::String, T::Enum(_)) => T::String,
        _ => return None,
    })
}

/// Fields for the values of both, which have the same names in the same order.
fn common_fields(a: &[Field], b: &[Field]) -> Option<Vec<Field>> {
    let both = a.iter().zip(b).map(|(a, b)| {
        let is_same = a.name.to_lowercase() == b.name.to_lowercase();
        Some(Field {
            name: a.name.clone(),
            ty: common_type(&a.ty, &b.ty).filter(|_| is_same)?,
            nullable: true,
        })
    });
    let fields = both.collect::<Option<_>>()?;
    (a.len() == b.len()).then_some(fields)
}

/// An array of that type.
fn array_of(item: LogicalType) -> LogicalType {
    LogicalType::Array(Box::new(item))
}

fn fits_bigint(ty: &LogicalType) -> bool {
    ty.int_range()
        .is_some_and(|(low, high)| low >= i64::MIN.into() && high <= i64::MAX.into())
}

/// The narrowest integer type that holds both; of two equally wide ones the signed.
fn common_integer(a: &LogicalType, b: &LogicalType) -> LogicalType {
    use LogicalType as T;
    const BY_WIDTH: [T; 9] = [
        T::TinyInt,
        T::UTinyInt,
        T::SmallInt,
        T::USmallInt,
        T::Integer,
        T::UInteger,
        T::BigInt,
        T::UBigInt,
        T::HugeInt,
    ];
    let holds = |wide: &T, narrow: &T| match (wide.int_range(), narrow.int_range()) {
        (Some(wide), Some(narrow)) => wide.0 <= narrow.0 && wide.1 >= narrow.1,
        _ => false,
    };
    let found = BY_WIDTH.iter().find(|ty| holds(ty, a) && holds(ty, b));
    found.cloned().unwrap_or(T::HugeInt)
}

/// Digits before and after the point of an exact number.
fn digits(ty: &LogicalType) -> Option<(u8, u8)> {
    match integer_as_decimal(ty).as_ref().unwrap_or(ty) {
        LogicalType::Decimal { precision, scale } => Some((precision.saturating_sub(*scale), *scale)),
        _ => None,
    }
}

/// Past 38 digits those before the point give way: a value that needs them is out of range.
fn common_decimal(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    let (a, b) = (digits(a)?, digits(b)?);
    let scale = a.1.max(b.1);
    Some(LogicalType::Decimal {
        precision: (a.0.max(b.0) + scale).min(38),
        scale,
    })
}

fn integer_as_decimal(ty: &LogicalType) -> Option<LogicalType> {
    let precision = match ty {
        LogicalType::HugeInt => 38,
        LogicalType::UBigInt => 20,
        ty => u8::try_from(ty.int_range()?.1.ilog10() + 1).ok()?,
    };
    Some(LogicalType::Decimal { precision, scale: 0 })
}
