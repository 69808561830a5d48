//! Logical types, values, and how both are laid out in memory.
//!
//! A column `l_discount decimal(15,2)` has the [`LogicalType`] `Decimal { precision: 15, scale: 2 }`. In the engine its
//! values are unscaled integers; where statistics show that they lie in `0..=10`, the column is stored as [`Physical::I8`].
//!
//! Invariants: every logical type but nested ones has exactly one natural [`Physical`] layout; narrower integer layouts
//! may replace it, never wider ones.
//!
//! Does not: know expressions, files or batches in flight.

pub mod array;
pub mod arrow;
pub mod cast;
pub mod cell;
pub mod chunk;
pub mod civil;
pub mod exact;
pub mod json;
pub mod labels;
pub mod nested;
pub mod outside;
pub mod size;
pub mod special;
pub mod stack;
pub mod stats;
pub mod text;
pub mod uuid;
pub mod value;

use std::sync::Arc;

pub use chunk::{ColumnChunk, Dictionary, Layout};
pub use labels::EnumType;
pub use stats::{ColumnStats, TableStats};
pub use value::{Interval, Value};

/// The type of a value as the language sees it.
///
/// Serialised by the names of the variants, which catalogs on disk contain: they stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum LogicalType {
    /// The type of a bare NULL.
    Null,
    /// true, false.
    Boolean,
    /// 8 bits, signed.
    TinyInt,
    /// 16 bits, signed.
    SmallInt,
    /// 32 bits, signed (`integer`; `int` in the ansi dialect).
    Integer,
    /// 64 bits, signed (`bigint`; `int` in the grizzly dialect).
    BigInt,
    /// 128 bits, signed.
    HugeInt,
    /// 8 bits, unsigned.
    UTinyInt,
    /// 16 bits, unsigned.
    USmallInt,
    /// 32 bits, unsigned.
    UInteger,
    /// 64 bits, unsigned.
    UBigInt,
    /// IEEE single.
    Real,
    /// IEEE double.
    Double,
    /// Exact decimal: an unscaled integer divided by 10^scale.
    Decimal {
        /// Digits in all, 1..=38.
        precision: u8,
        /// Digits after the point, 0..=precision.
        scale: u8,
    },
    /// UTF-8 text.
    String,
    /// Bytes.
    Blob,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 1970-01-01T00:00:00, UTC.
    Timestamp,
    /// An instant, shown in the session's zone; stored like [`LogicalType::Timestamp`].
    TimestampTz,
    /// Months, days and microseconds.
    Interval,
    /// A list of values of one type.
    Array(Box<LogicalType>),
    /// Named fields.
    Struct(Vec<Field>),
    /// Values by keys: types of the keys and of the values.
    Map(Box<(LogicalType, LogicalType)>),
    /// One of some labels; its number here, and its code in a store.
    Enum(Arc<EnumType>),
    /// 16 bytes that name something; stored as an integer (see [`uuid`]).
    Uuid,
    /// Text that is JSON; see [`json`].
    Json,
}

/// A named, typed column of a relation, or a field of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// Name, case preserved.
    pub name: String,
    /// Type.
    pub ty: LogicalType,
    /// May hold NULL.
    pub nullable: bool,
}

/// How the values of a column or of an expression lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Physical {
    /// One byte, signed; booleans are 0 or 1.
    I8,
    /// Two bytes, signed.
    I16,
    /// Four bytes, signed.
    I32,
    /// Eight bytes, signed.
    I64,
    /// Sixteen bytes, signed.
    I128,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
    /// A string view of 16 bytes: length (u32), then either 12 bytes of text, or 4 bytes of prefix and the text's
    /// address (u64).
    Str,
    /// Months (i32), days (i32), microseconds (i64).
    Interval,
    /// A nested value: the address of an object (see [`nested`]).
    Nested,
}

impl Physical {
    /// Bytes per value.
    pub fn bytes(self) -> usize {
        match self {
            Physical::I8 => 1,
            Physical::I16 => 2,
            Physical::I32 | Physical::F32 => 4,
            Physical::I64 | Physical::F64 | Physical::Nested => 8,
            Physical::I128 | Physical::Str | Physical::Interval => 16,
        }
    }

    /// A signed integer layout.
    pub fn is_int(self) -> bool {
        self <= Physical::I128
    }

    /// The narrowest integer layout that holds both ends of a range.
    pub fn for_range(min: i128, max: i128) -> Physical {
        let fits = |low: i128, high: i128| min >= low && max <= high;
        if fits(i8::MIN.into(), i8::MAX.into()) {
            Physical::I8
        } else if fits(i16::MIN.into(), i16::MAX.into()) {
            Physical::I16
        } else if fits(i32::MIN.into(), i32::MAX.into()) {
            Physical::I32
        } else if fits(i64::MIN.into(), i64::MAX.into()) {
            Physical::I64
        } else {
            Physical::I128
        }
    }
}

impl LogicalType {
    /// The layout that holds every value of the type.
    pub fn physical(&self) -> Physical {
        match self {
            LogicalType::Null | LogicalType::Boolean | LogicalType::TinyInt => Physical::I8,
            LogicalType::SmallInt | LogicalType::UTinyInt => Physical::I16,
            LogicalType::Integer | LogicalType::USmallInt | LogicalType::Date => Physical::I32,
            LogicalType::BigInt
            | LogicalType::UInteger
            | LogicalType::Time
            | LogicalType::Timestamp
            | LogicalType::TimestampTz => Physical::I64,
            LogicalType::HugeInt | LogicalType::UBigInt | LogicalType::Uuid => Physical::I128,
            LogicalType::Decimal { precision, .. } if *precision <= 18 => Physical::I64,
            LogicalType::Decimal { .. } => Physical::I128,
            LogicalType::Real => Physical::F32,
            LogicalType::Double => Physical::F64,
            LogicalType::String | LogicalType::Blob | LogicalType::Json => Physical::Str,
            LogicalType::Interval => Physical::Interval,
            LogicalType::Array(_) | LogicalType::Struct(_) | LogicalType::Map(_) => Physical::Nested,
            LogicalType::Enum(labels) => Physical::for_range(0, labels.last()).min(Physical::I16),
        }
    }

    /// An integer type (not decimal, date or boolean).
    pub fn is_integer(&self) -> bool {
        self.int_range().is_some()
    }

    /// Smallest and largest value of an integer type.
    pub fn int_range(&self) -> Option<(i128, i128)> {
        Some(match self {
            LogicalType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
            LogicalType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
            LogicalType::Integer => (i32::MIN.into(), i32::MAX.into()),
            LogicalType::BigInt => (i64::MIN.into(), i64::MAX.into()),
            LogicalType::HugeInt => (i128::MIN, i128::MAX),
            LogicalType::UTinyInt => (0, u8::MAX.into()),
            LogicalType::USmallInt => (0, u16::MAX.into()),
            LogicalType::UInteger => (0, u32::MAX.into()),
            LogicalType::UBigInt => (0, u64::MAX.into()),
            _ => return None,
        })
    }

    /// Smallest and largest stored integer of any type that is stored as an integer (decimals unscaled, dates as days).
    pub fn stored_range(&self) -> Option<(i128, i128)> {
        match self {
            LogicalType::Boolean => Some((0, 1)),
            LogicalType::Decimal { precision, .. } => {
                let limit = 10i128.pow((*precision).into()) - 1;
                Some((-limit, limit))
            }
            LogicalType::Date => Some((i32::MIN.into(), i32::MAX.into())),
            LogicalType::Time => Some((0, 86_400_000_000)),
            LogicalType::Timestamp | LogicalType::TimestampTz => Some((i64::MIN.into(), i64::MAX.into())),
            LogicalType::Enum(labels) => Some((0, labels.last())),
            LogicalType::Uuid => Some((i128::MIN, i128::MAX)),
            _ => self.int_range(),
        }
    }

    /// Integer, decimal or float.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, LogicalType::Decimal { .. })
    }

    /// Real or double.
    pub fn is_float(&self) -> bool {
        matches!(self, LogicalType::Real | LogicalType::Double)
    }

    /// Is another type, or is made of it.
    pub fn has_type(&self, other: &LogicalType) -> bool {
        self == other
            || match self {
                LogicalType::Array(item) => item.has_type(other),
                LogicalType::Struct(fields) => fields.iter().any(|field| field.ty.has_type(other)),
                LogicalType::Map(of) => of.0.has_type(other) || of.1.has_type(other),
                _ => false,
            }
    }

    /// Whether an enum that it is, or is made of, has codes that are not its numbers.
    pub fn is_reordered(&self) -> bool {
        match self {
            LogicalType::Enum(labels) => labels.is_reordered(),
            LogicalType::Array(item) => item.is_reordered(),
            LogicalType::Struct(fields) => fields.iter().any(|field| field.ty.is_reordered()),
            LogicalType::Map(of) => of.0.is_reordered() || of.1.is_reordered(),
            _ => false,
        }
    }

    /// Whether what a store has of this type is the same in another one: the other may have more labels.
    pub fn is_part_of(&self, other: &LogicalType) -> bool {
        match (self, other) {
            (LogicalType::Enum(labels), LogicalType::Enum(others)) => labels == others || labels.is_part_of(others),
            (LogicalType::Array(item), LogicalType::Array(other)) => item.is_part_of(other),
            (LogicalType::Map(of), LogicalType::Map(others)) => {
                of.0.is_part_of(&others.0) && of.1.is_part_of(&others.1)
            }
            (LogicalType::Struct(fields), LogicalType::Struct(others)) => {
                let same = |(field, other): (&Field, &Field)| {
                    (&field.name, field.nullable) == (&other.name, other.nullable) && field.ty.is_part_of(&other.ty)
                };
                fields.len() == others.len() && fields.iter().zip(others).all(same)
            }
            (ty, other) => ty == other,
        }
    }

    /// The type with another one in the places of one that it is made of.
    #[must_use]
    pub fn with_type(&self, old: &LogicalType, new: &LogicalType) -> LogicalType {
        match self {
            ty if ty == old => new.clone(),
            LogicalType::Array(item) => LogicalType::Array(Box::new(item.with_type(old, new))),
            LogicalType::Map(of) => LogicalType::Map(Box::new((of.0.with_type(old, new), of.1.with_type(old, new)))),
            LogicalType::Struct(fields) => LogicalType::Struct(
                fields
                    .iter()
                    .map(|field| Field {
                        ty: field.ty.with_type(old, new),
                        ..field.clone()
                    })
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// Array, struct or map.
    pub fn is_nested(&self) -> bool {
        matches!(
            self,
            LogicalType::Array(_) | LogicalType::Struct(_) | LogicalType::Map(_)
        )
    }

    /// A map as it lies in memory, in stores and in [`Value`]s: the array of its entries, which are structs of `key` and `value`.
    pub fn laid_out(&self) -> std::borrow::Cow<'_, LogicalType> {
        match self {
            LogicalType::Map(of) => std::borrow::Cow::Owned(LogicalType::Array(Box::new(LogicalType::entry(of)))),
            other => std::borrow::Cow::Borrowed(other),
        }
    }

    /// An entry of a map of these keys and values.
    pub fn entry((key, value): &(LogicalType, LogicalType)) -> LogicalType {
        let field = |name: &str, ty: &LogicalType| Field {
            name: name.to_owned(),
            ty: ty.clone(),
            nullable: true,
        };
        LogicalType::Struct(vec![field("key", key), field("value", value)])
    }
}

impl std::fmt::Display for LogicalType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            LogicalType::Null => "null",
            LogicalType::Boolean => "boolean",
            LogicalType::TinyInt => "tinyint",
            LogicalType::SmallInt => "smallint",
            LogicalType::Integer => "integer",
            LogicalType::BigInt => "bigint",
            LogicalType::HugeInt => "hugeint",
            LogicalType::UTinyInt => "utinyint",
            LogicalType::USmallInt => "usmallint",
            LogicalType::UInteger => "uinteger",
            LogicalType::UBigInt => "ubigint",
            LogicalType::Real => "real",
            LogicalType::Double => "double",
            LogicalType::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            LogicalType::String => "string",
            LogicalType::Blob => "blob",
            LogicalType::Date => "date",
            LogicalType::Time => "time",
            LogicalType::Timestamp => "timestamp",
            LogicalType::TimestampTz => "timestamptz",
            LogicalType::Interval => "interval",
            LogicalType::Uuid => "uuid",
            LogicalType::Json => "json",
            LogicalType::Array(item) => return write!(f, "array<{item}>"),
            LogicalType::Map(of) => return write!(f, "map<{}, {}>", of.0, of.1),
            LogicalType::Enum(labels) => &labels.name,
            LogicalType::Struct(_) if self.is_exception() => "exception",
            LogicalType::Struct(_) if let Some(ty) = self.awaited() => return write!(f, "future<{ty}>"),
            LogicalType::Struct(fields) => {
                f.write_str("struct(")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {}", field.name, field.ty)?;
                }
                return f.write_str(")");
            }
        };
        f.write_str(name)
    }
}
