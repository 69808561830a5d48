//! What types the values of a JSON file have, from its first records.
//!
//! `{"id": 1, "tags": ["a"]}` and `{"id": 2.5}` together are `id double, tags array<string>`; strings that all are dates are a date.
//!
//! Invariants: every record seen can be read with the types found; columns stand in the order in which they first
//! appear.
//!
//! Does not: recognise numbers in strings.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::csv::values::{parse_date, parse_hugeint, parse_time, parse_timestamp};
use super::words;
use crate::types::{Field, LogicalType};

/// The least type of some values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Null,
    Boolean,
    Integer,
    /// Integers beyond 64 bits.
    HugeInt,
    Double,
    /// Strings that all are dates, times or timestamps.
    Date,
    Time,
    Timestamp,
    String,
    /// Strings where UUIDs are wanted.
    Uuid,
    /// Any value, where JSON is wanted.
    Json,
    /// Scalars of several kinds: kept as their JSON text.
    Mixed,
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
    /// An object of which each record has keys of its own: where a map is wanted.
    Map(Box<Shape>),
}

impl Shape {
    /// The least shape of both; an error where a scalar meets a list or an object.
    pub(super) fn merge(self, other: Shape) -> Result<Shape, String> {
        Ok(match (self, other) {
            (Shape::Null, shape) | (shape, Shape::Null) => shape,
            (a, b) if a == b => a,
            (Shape::Integer | Shape::HugeInt, Shape::Integer | Shape::HugeInt) => Shape::HugeInt,
            (a, b) if a.is_number() && b.is_number() => Shape::Double,
            (Shape::Date | Shape::Timestamp, Shape::Date | Shape::Timestamp) => Shape::Timestamp,
            (a, b) if a.is_text() && b.is_text() => Shape::String,
            (Shape::List(a), Shape::List(b)) => Shape::List(Box::new(a.merge(*b)?)),
            (Shape::Object(mut fields), Shape::Object(others)) => {
                for (name, shape) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => {
                            let merged = std::mem::replace(known, Shape::Null).merge(shape);
                            *known = merged.map_err(|e| format!("`{name}`: {e}"))?;
                        }
                        None => fields.push((name, shape)),
                    }
                }
                Shape::Object(fields)
            }
            (a, b) if a.is_scalar() && b.is_scalar() => Shape::Mixed,
            (a, b) => return Err(format!("{} in one record, {} in another", a.name(), b.name())),
        })
    }

    /// The shape with nothing known of what goes into JSON of a type, which may be of any.
    pub(super) fn opaque(self, ty: &LogicalType) -> Shape {
        match (self, ty) {
            (_, LogicalType::Json) => Shape::Json,
            (Shape::List(item), LogicalType::Array(wanted)) => Shape::List(Box::new(item.opaque(wanted))),
            (Shape::Object(fields), LogicalType::Map(of)) => {
                let typed = fields.into_iter().map(|(name, shape)| (name, shape.opaque(&of.1)));
                Shape::Object(typed.collect())
            }
            (Shape::Object(fields), LogicalType::Struct(wanted)) => Shape::Object(known_as(fields, wanted)),
            (shape, _) => shape,
        }
    }

    /// The shape with maps in the places of the objects that go into maps of a type, and UUIDs in those of the strings that go into such.
    pub(super) fn wanted_as(self, ty: &LogicalType) -> Result<Shape, String> {
        Ok(match (self, ty) {
            (Shape::Object(fields), LogicalType::Map(of)) => {
                let mut values = fields.into_iter().map(|(_, shape)| shape);
                let all = values.try_fold(Shape::Null, Shape::merge)?;
                Shape::Map(Box::new(all.wanted_as(&of.1)?))
            }
            (Shape::Null | Shape::String, LogicalType::Uuid) => Shape::Uuid,
            (Shape::Null, LogicalType::Map(of)) => Shape::Map(Box::new(Shape::Null.wanted_as(&of.1)?)),
            (Shape::List(item), LogicalType::Array(wanted)) => Shape::List(Box::new(item.wanted_as(wanted)?)),
            (Shape::Object(fields), LogicalType::Struct(wanted)) => {
                let typed = fields.into_iter().map(|(name, shape)| {
                    let known = wanted.iter().find(|field| field.name.eq_ignore_ascii_case(&name));
                    let shape = match known {
                        Some(field) => shape.wanted_as(&field.ty)?,
                        None => shape,
                    };
                    Ok((name, shape))
                });
                Shape::Object(typed.collect::<Result<_, String>>()?)
            }
            (shape, _) => shape,
        })
    }

    /// A string without a narrower type is a string; which one it has is seen from its text.
    fn of_text(text: &str) -> Shape {
        match text {
            _ if parse_date(text).is_some() => Shape::Date,
            _ if parse_timestamp(text).is_some() => Shape::Timestamp,
            _ if parse_time(text).is_some() => Shape::Time,
            _ if words::value_of(text).is_some() => Shape::Double,
            _ => Shape::String,
        }
    }

    fn of_digits(digits: &str) -> Shape {
        match parse_hugeint(digits) {
            Some(value) if i64::try_from(value).is_ok() => Shape::Integer,
            Some(_) => Shape::HugeInt,
            None => Shape::Double,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Shape::Integer | Shape::HugeInt | Shape::Double)
    }

    fn is_text(&self) -> bool {
        matches!(self, Shape::Date | Shape::Time | Shape::Timestamp | Shape::String)
    }

    fn is_scalar(&self) -> bool {
        !matches!(self, Shape::List(_) | Shape::Object(_) | Shape::Map(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Shape::List(_) => "an array",
            Shape::Object(_) | Shape::Map(_) => "an object",
            _ => "a scalar",
        }
    }

    /// The type of a column of this shape.
    pub(super) fn ty(&self) -> LogicalType {
        match self {
            Shape::Boolean => LogicalType::Boolean,
            Shape::Integer => LogicalType::BigInt,
            Shape::HugeInt => LogicalType::HugeInt,
            Shape::Double => LogicalType::Double,
            Shape::Date => LogicalType::Date,
            Shape::Time => LogicalType::Time,
            Shape::Timestamp => LogicalType::Timestamp,
            Shape::Uuid => LogicalType::Uuid,
            Shape::Json => LogicalType::Json,
            Shape::Null | Shape::String | Shape::Mixed => LogicalType::String,
            Shape::List(item) => LogicalType::Array(Box::new(item.ty())),
            // A struct needs a field; an object that never had one is shown as text.
            Shape::Object(fields) if fields.is_empty() => LogicalType::String,
            Shape::Object(fields) => LogicalType::Struct(fields_of(fields)),
            Shape::Map(value) => LogicalType::Map(Box::new((LogicalType::String, value.ty()))),
        }
    }
}

/// The fields of an object, opaque as those of the same names say.
pub(super) fn known_as(fields: Vec<(String, Shape)>, wanted: &[Field]) -> Vec<(String, Shape)> {
    let typed = fields.into_iter().map(|(name, shape)| {
        let known = wanted.iter().find(|field| field.name.eq_ignore_ascii_case(&name));
        let shape = known.map_or(shape.clone(), |field| shape.opaque(&field.ty));
        (name, shape)
    });
    typed.collect()
}

/// Columns of an object's fields.
pub(super) fn fields_of(fields: &[(String, Shape)]) -> Vec<Field> {
    let field = |(name, shape): &(String, Shape)| Field {
        name: name.clone(),
        ty: shape.ty(),
        nullable: true,
    };
    fields.iter().map(field).collect()
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

/// How serde_json hands out numbers when it keeps all their digits.
pub(super) const NUMBER_KEY: &str = "$serde_json::private::Number";

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Boolean)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Integer)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Shape, E> {
        Ok(if i64::try_from(value).is_ok() {
            Shape::Integer
        } else {
            Shape::HugeInt
        })
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Double)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::of_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut item = Shape::Null;
        while let Some(next) = items.next_element()? {
            item = item.merge(next).map_err(Error::custom)?;
        }
        Ok(Shape::List(Box::new(item)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut fields: Vec<(String, Shape)> = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            if name == NUMBER_KEY {
                let digits: String = entries.next_value()?;
                return Ok(Shape::of_digits(&digits));
            }
            let shape = entries.next_value()?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(Error::custom(format!("the key `{name}` occurs twice")));
            }
            fields.push((name, shape));
        }
        Ok(Shape::Object(fields))
    }
}
