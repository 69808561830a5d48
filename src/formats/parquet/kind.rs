//! How a flat column's stored values map to gobi's: units of time, signs, and statistics.
//!
//! A TIMESTAMP(NANOS) column is [`Kind::Int64`] with [`Unit::Divide`] by 1,000; its statistics are divided the same way.
//!
//! Invariants: a statistic that cannot be trusted (deprecated order, NaN, INT96) is treated as missing.
//!
//! Does not: read pages.

use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::Type as Stored;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

use crate::types::{LogicalType, Value, uuid};

/// A flat column's only leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// Index among the leaves of the schema.
    pub(super) index: usize,
    /// What the values are.
    pub(super) kind: Kind,
    /// Has definition levels.
    pub(super) optional: bool,
    /// Bytes per value of a FIXED_LEN_BYTE_ARRAY.
    pub(super) width: usize,
}

/// What the values of a leaf are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// INT32 to be mapped by a unit.
    Int32(Unit),
    /// INT64 to be mapped by a unit.
    Int64(Unit),
    /// FLOAT.
    Float,
    /// DOUBLE.
    Double,
    /// Big-endian decimals of fixed width up to 16 bytes.
    FixedDecimal,
    /// UUIDs, of 16 bytes.
    Uuid,
    /// BYTE_ARRAY that must be UTF-8.
    Text,
    /// BYTE_ARRAY of anything.
    Bytes,
    /// FIXED_LEN_BYTE_ARRAY of anything.
    FixedBytes,
    /// Anything else: read by the generic path, no statistics.
    Other,
}

/// From a stored integer to gobi's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// As it is.
    Same,
    /// Times a factor.
    Times(i64),
    /// Divided, rounding down.
    Divide(i64),
    /// The bits are unsigned.
    Unsigned,
}

impl Kind {
    /// From the physical type, the type of the column, the Arrow type wanted, and the Arrow type of what is stored.
    pub(super) fn of(column: &ColumnDescriptor, ty: &LogicalType, hinted: &DataType, stored: &DataType) -> Kind {
        let hinted = match hinted {
            DataType::Dictionary(_, value) => value,
            other => other,
        };
        // What is stored has its own unit, except plain integers that only the hint calls a time.
        let unit_of = match stored {
            DataType::Int32 | DataType::Int64 => hinted,
            other => other,
        };
        match column.physical_type() {
            Stored::INT32 => Unit::of(unit_of).map_or(Kind::Other, Kind::Int32),
            Stored::INT64 => Unit::of(unit_of).map_or(Kind::Other, Kind::Int64),
            Stored::FLOAT => Kind::Float,
            Stored::DOUBLE => Kind::Double,
            Stored::BYTE_ARRAY => match hinted {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Bytes,
                _ => Kind::Other,
            },
            Stored::FIXED_LEN_BYTE_ARRAY => match hinted {
                DataType::FixedSizeBinary(16) if *ty == LogicalType::Uuid => Kind::Uuid,
                DataType::FixedSizeBinary(_) => Kind::FixedBytes,
                DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..)
                    if (1..=16).contains(&column.type_length()) =>
                {
                    Kind::FixedDecimal
                }
                _ => Kind::Other,
            },
            Stored::BOOLEAN | Stored::INT96 => Kind::Other,
        }
    }

    /// Smallest and largest value of a row group, where the footer tells.
    pub(super) fn range(self, statistics: &Statistics) -> Option<(Value, Value)> {
        let reliable = !statistics.is_min_max_deprecated();
        match (self, statistics) {
            (Kind::Int32(unit), Statistics::Int32(s)) if reliable || unit != Unit::Unsigned => {
                let map = |v: i32| {
                    unit.map(if unit == Unit::Unsigned {
                        v.cast_unsigned().into()
                    } else {
                        v.into()
                    })
                };
                Some((Value::Int(map(*s.min_opt()?)?), Value::Int(map(*s.max_opt()?)?)))
            }
            (Kind::Int64(unit), Statistics::Int64(s)) if reliable || unit != Unit::Unsigned => Some((
                Value::Int(unit.map(*s.min_opt()?)?),
                Value::Int(unit.map(*s.max_opt()?)?),
            )),
            // The old fields were written by writers that let a NaN spoil them.
            (Kind::Float, Statistics::Float(s)) if reliable => floats((*s.min_opt()?).into(), (*s.max_opt()?).into()),
            (Kind::Double, Statistics::Double(s)) if reliable => floats(*s.min_opt()?, *s.max_opt()?),
            (Kind::FixedDecimal, Statistics::FixedLenByteArray(s)) if reliable => {
                let (min, max) = (s.min_bytes_opt()?, s.max_bytes_opt()?);
                Some((Value::Int(big_endian(min)?), Value::Int(big_endian(max)?)))
            }
            (Kind::Uuid, Statistics::FixedLenByteArray(s)) if reliable => {
                let (min, max) = (s.min_bytes_opt()?, s.max_bytes_opt()?);
                Some((Value::Int(uuid::of_bytes(min)?), Value::Int(uuid::of_bytes(max)?)))
            }
            (Kind::Text, Statistics::ByteArray(s)) if reliable => {
                let text = |bytes| std::str::from_utf8(bytes).ok().map(|text| Value::String(text.into()));
                Some((text(s.min_bytes_opt()?)?, text(s.max_bytes_opt()?)?))
            }
            _ => None,
        }
    }

    /// Smallest and largest value of a page, from plainly encoded bytes; `ordered` says that they were compared as the
    /// type wants it.
    pub(super) fn range_of_bytes(self, width: usize, ordered: bool, min: &[u8], max: &[u8]) -> Option<(Value, Value)> {
        let both = |map: &dyn Fn(&[u8]) -> Option<i128>| Some((Value::Int(map(min)?), Value::Int(map(max)?)));
        match self {
            Kind::Int32(Unit::Unsigned) if ordered => {
                both(&|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?).into()))
            }
            Kind::Int64(Unit::Unsigned) if ordered => {
                both(&|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?).into()))
            }
            Kind::Int32(Unit::Unsigned) | Kind::Int64(Unit::Unsigned) => None,
            Kind::Int32(unit) => both(&|bytes| unit.map(i32::from_le_bytes(bytes.try_into().ok()?).into())),
            Kind::Int64(unit) => both(&|bytes| unit.map(i64::from_le_bytes(bytes.try_into().ok()?))),
            Kind::Float => {
                let float = |bytes: &[u8]| Some(f32::from_le_bytes(bytes.try_into().ok()?).into());
                floats(float(min)?, float(max)?)
            }
            Kind::Double => {
                let float = |bytes: &[u8]| Some(f64::from_le_bytes(bytes.try_into().ok()?));
                floats(float(min)?, float(max)?)
            }
            // Cut bytes would not be a bound of numbers.
            Kind::FixedDecimal if ordered && min.len() == width && max.len() == width => both(&big_endian),
            Kind::Uuid if ordered => both(&uuid::of_bytes),
            Kind::Text if ordered => {
                let text = |bytes| std::str::from_utf8(bytes).ok().map(|text| Value::String(text.into()));
                Some((text(min)?, text(max)?))
            }
            _ => None,
        }
    }
}

fn floats(min: f64, max: f64) -> Option<(Value, Value)> {
    (min <= max).then_some((Value::Float(min), Value::Float(max)))
}

/// A two's complement big-endian integer of at most 16 bytes.
pub(super) fn big_endian(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? & 0x80 != 0;
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    let start = 16usize.checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

impl Unit {
    fn of(ty: &DataType) -> Option<Unit> {
        Some(match ty {
            DataType::UInt32 | DataType::UInt64 => Unit::Unsigned,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Unit::Same,
            DataType::UInt8 | DataType::UInt16 | DataType::Date32 => Unit::Same,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => Unit::Same,
            DataType::Date64 => Unit::Divide(86_400_000),
            DataType::Time32(unit) | DataType::Time64(unit) | DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => Unit::Times(1_000_000),
                TimeUnit::Millisecond => Unit::Times(1_000),
                TimeUnit::Microsecond => Unit::Same,
                TimeUnit::Nanosecond => Unit::Divide(1_000),
            },
            _ => return None,
        })
    }

    /// The value in gobi's unit; `None` if it does not fit 64 bits.
    pub(super) fn map(self, stored: i64) -> Option<i128> {
        Some(match self {
            Unit::Same => stored.into(),
            Unit::Times(factor) => stored.checked_mul(factor)?.into(),
            Unit::Divide(by) => stored.div_euclid(by).into(),
            Unit::Unsigned => stored.cast_unsigned().into(),
        })
    }
}

/// What the footer says of one column of one row group.
#[derive(Clone, Debug)]
pub(super) struct ChunkFacts {
    /// No value lies outside.
    pub(super) range: Option<(Value, Value)>,
    /// Exact number of NULLs.
    pub(super) null_count: Option<u64>,
    /// Number of values, NULLs included.
    pub(super) rows: u64,
}

impl ChunkFacts {
    /// Reads them from the footer.
    pub(super) fn of(leaf: &Leaf, chunk: &ColumnChunkMetaData) -> Self {
        let statistics = chunk.statistics();
        let nulls = statistics.and_then(Statistics::null_count_opt);
        Self {
            range: statistics.and_then(|s| leaf.kind.range(s)),
            null_count: if leaf.optional { nulls } else { Some(0) },
            rows: u64::try_from(chunk.num_values()).unwrap_or(0),
        }
    }

    /// Holds NULLs only.
    pub(super) fn all_null(&self) -> bool {
        self.null_count == Some(self.rows)
    }
}
