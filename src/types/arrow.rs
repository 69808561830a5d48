//! How logical types appear in Arrow, and back.
//!
//! `hugeint` leaves as `Decimal128(38, 0)`, strings as `Utf8View`, timestamps in microseconds. Within the engine an enum and a uuid
//! have the integers that they are stored as, and a map is a list of its entries; [`super::outside`] makes texts, bytes and maps of them.
//!
//! Invariants: `from_arrow(to_arrow(t)) == t` for every type that Arrow can express exactly (hugeint and uuid come back as
//! decimal(38,0), json as string, an enum as an integer, a map as a list).
//!
//! Does not: convert arrays.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::{Field, LogicalType, Physical};

/// The Arrow type in which results of a logical type leave the engine.
pub fn to_arrow(ty: &LogicalType) -> DataType {
    match ty {
        LogicalType::Null => DataType::Null,
        LogicalType::Boolean => DataType::Boolean,
        LogicalType::TinyInt => DataType::Int8,
        LogicalType::SmallInt => DataType::Int16,
        LogicalType::Integer => DataType::Int32,
        LogicalType::BigInt => DataType::Int64,
        LogicalType::HugeInt | LogicalType::Uuid => DataType::Decimal128(38, 0),
        LogicalType::UTinyInt => DataType::UInt8,
        LogicalType::USmallInt => DataType::UInt16,
        LogicalType::UInteger => DataType::UInt32,
        LogicalType::UBigInt => DataType::UInt64,
        LogicalType::Real => DataType::Float32,
        LogicalType::Double => DataType::Float64,
        LogicalType::Decimal { precision, scale } => DataType::Decimal128(*precision, scale.cast_signed()),
        LogicalType::String | LogicalType::Json => DataType::Utf8View,
        LogicalType::Blob => DataType::BinaryView,
        LogicalType::Date => DataType::Date32,
        LogicalType::Time => DataType::Time64(TimeUnit::Microsecond),
        LogicalType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        LogicalType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        LogicalType::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        LogicalType::Array(item) => DataType::List(Arc::new(ArrowField::new_list_field(to_arrow(item), true))),
        LogicalType::Struct(fields) => DataType::Struct(fields.iter().map(arrow_field).collect()),
        LogicalType::Map(_) => to_arrow(&ty.laid_out()),
        LogicalType::Enum(_) if ty.physical() == Physical::I8 => DataType::Int8,
        LogicalType::Enum(_) => DataType::Int16,
    }
}

/// Under this key a field says which type it is beyond Arrow's own.
pub const EXTENSION: &str = "ARROW:extension:name";
/// And under this one more about it.
pub const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
/// The name of UUIDs there.
pub const UUID: &str = "arrow.uuid";
/// And that of JSON.
pub const JSON: &str = "arrow.json";

/// The logical type that a field of an Arrow schema is read as; `None` if there is none.
pub fn from_field(field: &ArrowField) -> Option<LogicalType> {
    let extension = field.metadata().get(EXTENSION).map(String::as_str);
    match (extension, field.data_type()) {
        (Some(UUID), DataType::FixedSizeBinary(16)) => Some(LogicalType::Uuid),
        (Some(JSON), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Some(LogicalType::Json),
        (_, ty) => from_arrow(ty),
    }
}

/// The logical type that columns of an Arrow type are read as; `None` if there is none.
pub fn from_arrow(ty: &DataType) -> Option<LogicalType> {
    Some(match ty {
        DataType::Null => LogicalType::Null,
        DataType::Boolean => LogicalType::Boolean,
        DataType::Int8 => LogicalType::TinyInt,
        DataType::Int16 => LogicalType::SmallInt,
        DataType::Int32 => LogicalType::Integer,
        DataType::Int64 => LogicalType::BigInt,
        DataType::UInt8 => LogicalType::UTinyInt,
        DataType::UInt16 => LogicalType::USmallInt,
        DataType::UInt32 => LogicalType::UInteger,
        DataType::UInt64 => LogicalType::UBigInt,
        DataType::Float16 | DataType::Float32 => LogicalType::Real,
        DataType::Float64 => LogicalType::Double,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => LogicalType::Decimal {
            precision: *p,
            scale: u8::try_from(*s).ok()?,
        },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => LogicalType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            LogicalType::Blob
        }
        DataType::Date32 | DataType::Date64 => LogicalType::Date,
        DataType::Time32(_) | DataType::Time64(_) => LogicalType::Time,
        DataType::Timestamp(_, None) => LogicalType::Timestamp,
        DataType::Timestamp(_, Some(_)) => LogicalType::TimestampTz,
        DataType::Interval(_) => LogicalType::Interval,
        DataType::Dictionary(_, value) => from_arrow(value)?,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            LogicalType::Array(Box::new(from_field(item)?))
        }
        DataType::Struct(fields) => LogicalType::Struct(
            fields
                .iter()
                .map(|f| {
                    let ty = from_field(f)?;
                    Some(Field {
                        name: f.name().clone(),
                        ty,
                        // So that structs of one shape have one type, wherever they come from.
                        nullable: true,
                    })
                })
                .collect::<Option<_>>()?,
        ),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => match fields.as_ref() {
                [key, value] => {
                    let of = (from_field(key)?, from_field(value)?);
                    LogicalType::Map(Box::new(of))
                }
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// A field for an Arrow schema.
pub fn arrow_field(field: &Field) -> ArrowField {
    ArrowField::new(&field.name, to_arrow(&field.ty), field.nullable)
}

/// A schema for results.
pub fn arrow_schema(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(arrow_field).collect::<Vec<_>>()))
}
