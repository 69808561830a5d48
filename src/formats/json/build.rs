//! Columns built from JSON values of known shapes.
//!
//! A builder of `Object([id: Integer, tags: List(String)])` takes `{"tags": null, "id": 7}` as one row.
//!
//! Invariants: after each record all fields have as many rows as their object; a key that the shape lacks is an error,
//! so nothing is dropped silently.
//!
//! Does not: coerce; a string is no number.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, ListArray,
    NullBufferBuilder, StringBuilder, StructArray, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field as ArrowField, Fields};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::csv::values::{fits_hugeint, parse_date, parse_time, parse_timestamp};
use super::shape::{NUMBER_KEY, Shape};
use super::words;
use crate::types::uuid;

/// Whether doubles may be marked words, so that a string can stand for one.
pub(super) type Words = bool;

/// One column, or one field, in the making.
pub(super) enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    HugeInt(Decimal128Builder),
    Uuid(Decimal128Builder),
    Double(Float64Builder, Words),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    String(StringBuilder),
    /// Any value, as it was written.
    Json(StringBuilder, Words),
    /// Any value, as its text.
    Text(StringBuilder),
    List(Box<Builder>, Vec<usize>, NullBufferBuilder),
    Object(ObjectBuilder),
    Map(MapBuilder),
}

/// Objects of which each has keys of its own.
pub(super) struct MapBuilder {
    keys: StringBuilder,
    values: Box<Builder>,
    lengths: Vec<usize>,
    valid: NullBufferBuilder,
}

/// The fields of an object.
pub(super) struct ObjectBuilder {
    fields: Vec<(String, Builder)>,
    valid: NullBufferBuilder,
    /// Where the next key is expected: records tend to have their keys in one order.
    next: usize,
}

impl ObjectBuilder {
    /// Without rows.
    pub(super) fn new(fields: &[(String, Shape)], words: Words) -> Self {
        Self {
            fields: fields
                .iter()
                .map(|(name, shape)| (name.clone(), Builder::new(shape, words)))
                .collect(),
            valid: NullBufferBuilder::new(0),
            next: 0,
        }
    }

    /// The finished columns.
    pub(super) fn finish(self) -> Vec<ArrayRef> {
        self.fields.into_iter().map(|(_, builder)| builder.finish()).collect()
    }

    fn append_null(&mut self) {
        self.fields.iter_mut().for_each(|(_, field)| field.append_null());
        self.valid.append_null();
    }

    fn find(&mut self, name: &str) -> Option<usize> {
        let guess = self.next;
        let found = match self.fields.get(guess) {
            Some((known, _)) if known == name => guess,
            _ => self.fields.iter().position(|(known, _)| known == name)?,
        };
        self.next = found + 1;
        Some(found)
    }
}

impl Builder {
    fn new(shape: &Shape, words: Words) -> Self {
        match shape {
            Shape::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Shape::Integer => Builder::Integer(Int64Builder::new()),
            Shape::HugeInt => {
                let wide = DataType::Decimal128(38, 0);
                Builder::HugeInt(Decimal128Builder::new().with_data_type(wide))
            }
            Shape::Double => Builder::Double(Float64Builder::new(), words),
            Shape::Date => Builder::Date(Date32Builder::new()),
            Shape::Time => Builder::Time(Time64MicrosecondBuilder::new()),
            Shape::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new()),
            Shape::Uuid => {
                let wide = DataType::Decimal128(38, 0);
                Builder::Uuid(Decimal128Builder::new().with_data_type(wide))
            }
            Shape::Json => Builder::Json(StringBuilder::new(), words),
            Shape::Null | Shape::Mixed => Builder::Text(StringBuilder::new()),
            Shape::String => Builder::String(StringBuilder::new()),
            Shape::List(item) => Builder::List(
                Box::new(Builder::new(item, words)),
                Vec::new(),
                NullBufferBuilder::new(0),
            ),
            Shape::Object(fields) if fields.is_empty() => Builder::Text(StringBuilder::new()),
            Shape::Object(fields) => Builder::Object(ObjectBuilder::new(fields, words)),
            Shape::Map(value) => Builder::Map(MapBuilder {
                keys: StringBuilder::new(),
                values: Box::new(Builder::new(value, words)),
                lengths: Vec::new(),
                valid: NullBufferBuilder::new(0),
            }),
        }
    }

    /// What it takes, in words.
    fn wanted(&self) -> &'static str {
        match self {
            Builder::Boolean(_) => "a boolean",
            Builder::Integer(_) | Builder::HugeInt(_) => "an integer",
            Builder::Double(..) => "a number",
            Builder::Date(_) => "a date",
            Builder::Time(_) => "a time",
            Builder::Timestamp(_) => "a timestamp",
            Builder::Uuid(_) => "a uuid",
            Builder::String(_) => "a string",
            Builder::Json(..) | Builder::Text(_) => "a value",
            Builder::List(..) => "an array",
            Builder::Object(_) | Builder::Map(_) => "an object",
        }
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Builder::Boolean(b) => b.len(),
            Builder::Integer(b) => b.len(),
            Builder::HugeInt(b) | Builder::Uuid(b) => b.len(),
            Builder::Double(b, _) => b.len(),
            Builder::Date(b) => b.len(),
            Builder::Time(b) => b.len(),
            Builder::Timestamp(b) => b.len(),
            Builder::String(b) | Builder::Text(b) | Builder::Json(b, _) => b.len(),
            Builder::List(_, lengths, _) => lengths.len(),
            Builder::Object(object) => object.valid.len(),
            Builder::Map(map) => map.lengths.len(),
        }
    }

    fn append_null(&mut self) {
        match self {
            Builder::Boolean(b) => b.append_null(),
            Builder::Integer(b) => b.append_null(),
            Builder::HugeInt(b) | Builder::Uuid(b) => b.append_null(),
            Builder::Double(b, _) => b.append_null(),
            Builder::Date(b) => b.append_null(),
            Builder::Time(b) => b.append_null(),
            Builder::Timestamp(b) => b.append_null(),
            Builder::String(b) | Builder::Text(b) | Builder::Json(b, _) => b.append_null(),
            Builder::List(_, lengths, valid) => {
                lengths.push(0);
                valid.append_null();
            }
            Builder::Object(object) => object.append_null(),
            Builder::Map(map) => {
                map.lengths.push(0);
                map.valid.append_null();
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Boolean(mut b) => Arc::new(b.finish()),
            Builder::Integer(mut b) => Arc::new(b.finish()),
            Builder::HugeInt(mut b) | Builder::Uuid(mut b) => Arc::new(b.finish()),
            Builder::Double(mut b, _) => Arc::new(b.finish()),
            Builder::Date(mut b) => Arc::new(b.finish()),
            Builder::Time(mut b) => Arc::new(b.finish()),
            Builder::Timestamp(mut b) => Arc::new(b.finish()),
            Builder::String(mut b) | Builder::Text(mut b) | Builder::Json(mut b, _) => Arc::new(b.finish()),
            Builder::List(item, lengths, mut valid) => list(item.finish(), lengths, &mut valid),
            Builder::Map(mut map) => {
                let arrays: Vec<ArrayRef> = vec![Arc::new(map.keys.finish()), map.values.finish()];
                let fields = ["key", "value"].into_iter().zip(&arrays);
                let fields = fields.map(|(name, array)| ArrowField::new(name, array.data_type().clone(), true));
                let entries = StructArray::new(Fields::from_iter(fields), arrays, None);
                list(Arc::new(entries), map.lengths, &mut map.valid)
            }
            Builder::Object(mut object) => {
                let valid = object.valid.finish();
                let names: Vec<_> = object.fields.iter().map(|(name, _)| name.clone()).collect();
                let arrays = object.finish();
                let fields = names.iter().zip(&arrays);
                let fields = fields.map(|(name, array)| ArrowField::new(name, array.data_type().clone(), true));
                Arc::new(StructArray::new(Fields::from_iter(fields), arrays, valid))
            }
        }
    }
}

fn list(items: ArrayRef, lengths: Vec<usize>, valid: &mut NullBufferBuilder) -> ArrayRef {
    let field = Arc::new(ArrowField::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(ListArray::new(field, offsets, items, valid.finish()))
}

/// Takes one value, or null.
impl<'de> DeserializeSeed<'de> for &mut Builder {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for &mut Builder {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.wanted())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.append_null();
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.append_null();
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            Builder::Boolean(_) => deserializer.deserialize_bool(self),
            Builder::Integer(_) => deserializer.deserialize_i64(self),
            Builder::HugeInt(_) => deserializer.deserialize_i128(self),
            Builder::Double(_, true) => deserializer.deserialize_any(self),
            Builder::Double(_, false) => deserializer.deserialize_f64(self),
            Builder::Date(_) | Builder::Time(_) | Builder::Timestamp(_) | Builder::Uuid(_) | Builder::String(_) => {
                deserializer.deserialize_str(self)
            }
            Builder::Text(texts) => {
                let value: serde_json::Value = serde::Deserialize::deserialize(deserializer)?;
                match value {
                    serde_json::Value::String(text) => texts.append_value(words::unmarked(&text)),
                    other => texts.append_value(other.to_string()),
                }
                Ok(())
            }
            Builder::Json(texts, words) => {
                let raw: Box<RawValue> = serde::Deserialize::deserialize(deserializer)?;
                if *words && words::are_in(raw.get()) {
                    return Err(Error::custom("there is no `NaN` or `Infinity` in JSON"));
                }
                texts.append_value(raw.get());
                Ok(())
            }
            Builder::List(..) => deserializer.deserialize_seq(self),
            Builder::Object(_) | Builder::Map(_) => deserializer.deserialize_map(self),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self {
            Builder::Boolean(b) => b.append_value(value),
            _ => return Err(Error::invalid_type(serde::de::Unexpected::Bool(value), &self)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        match self {
            Builder::Integer(b) => b.append_value(value),
            Builder::HugeInt(b) => b.append_value(value.into()),
            Builder::Double(b, _) => b.append_value(value as f64),
            _ => return Err(Error::invalid_type(serde::de::Unexpected::Signed(value), &self)),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match (&mut *self, i64::try_from(value)) {
            (Builder::Integer(b), Ok(value)) => b.append_value(value),
            (Builder::HugeInt(b), _) => b.append_value(value.into()),
            (Builder::Double(b, _), _) => b.append_value(value as f64),
            _ => return Err(Error::invalid_type(serde::de::Unexpected::Unsigned(value), &self)),
        }
        Ok(())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<(), E> {
        match self {
            Builder::HugeInt(b) if fits_hugeint(&value) => b.append_value(value),
            _ => return Err(Error::custom(format!("the integer {value} is out of range"))),
        }
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match self {
            Builder::Double(b, _) => b.append_value(value),
            _ => return Err(Error::invalid_type(serde::de::Unexpected::Float(value), &self)),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        let wanted = self.wanted();
        let misfit = || Error::invalid_value(serde::de::Unexpected::Str(value), &wanted);
        match self {
            Builder::String(b) if words::value_of(value).is_none() => b.append_value(value),
            Builder::Double(b, _) => b.append_value(words::value_of(value).ok_or_else(misfit)?),
            Builder::Date(b) => b.append_value(parse_date(value).ok_or_else(misfit)?),
            Builder::Time(b) => b.append_value(parse_time(value).ok_or_else(misfit)?),
            Builder::Timestamp(b) => b.append_value(parse_timestamp(value).ok_or_else(misfit)?),
            Builder::Uuid(b) => b.append_value(uuid::parse(value).ok_or_else(misfit)?),
            _ => return Err(Error::invalid_type(serde::de::Unexpected::Str(value), &self)),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Builder::List(item, lengths, valid) = self else {
            return Err(Error::invalid_type(serde::de::Unexpected::Seq, &self));
        };
        let mut len = 0;
        while items.next_element_seed(&mut **item)?.is_some() {
            len += 1;
        }
        lengths.push(len);
        valid.append_non_null();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        match self {
            // How serde_json hands out a number that it was not asked for.
            Builder::Double(b, true) => {
                let key: Option<String> = entries.next_key()?;
                let digits: String = entries.next_value()?;
                let number = digits.parse().ok().filter(|_| key.as_deref() == Some(NUMBER_KEY));
                b.append_value(number.ok_or_else(|| Error::custom("expected a number, found an object"))?);
                Ok(())
            }
            Builder::Object(object) => object.visit_map(entries),
            Builder::Map(map) => map.take(entries),
            _ => Err(Error::invalid_type(serde::de::Unexpected::Map, &self)),
        }
    }
}

impl MapBuilder {
    /// The entries of one object.
    fn take<'de, A: MapAccess<'de>>(&mut self, mut entries: A) -> Result<(), A::Error> {
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(Error::custom(format!("the key `{key}` occurs twice")));
            }
            self.keys.append_value(&key);
            entries.next_value_seed(&mut *self.values)?;
            seen.insert(key);
        }
        self.lengths.push(seen.len());
        self.valid.append_non_null();
        Ok(())
    }
}

/// Takes one record.
impl<'de> DeserializeSeed<'de> for &mut ObjectBuilder {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut ObjectBuilder {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let rows = self.valid.len();
        self.next = 0;
        while let Some(found) = entries.next_key_seed(KeySeed(self))? {
            let field = found.map_err(|name| {
                let message = format!("the key `{name}` is not among those of the first records");
                Error::custom(message)
            })?;
            let (name, builder) = &mut self.fields[field];
            if builder.len() > rows {
                return Err(Error::custom(format!("the key `{name}` occurs twice")));
            }
            entries.next_value_seed(builder)?;
        }
        for (_, field) in &mut self.fields {
            if field.len() == rows {
                field.append_null();
            }
        }
        self.valid.append_non_null();
        Ok(())
    }
}

/// Finds a key among the fields without keeping its text; an unknown one comes back.
struct KeySeed<'a>(&'a mut ObjectBuilder);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.find(name).ok_or_else(|| name.to_string()))
    }
}
