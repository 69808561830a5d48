//! JSON texts: whether they are any, their parts, and the values that they stand for.
//!
//! Of `{"a": [1, 2.50]}` the part at `$.a[1]` is the text `2.50`, which as a decimal is 2.50.
//!
//! Invariants: a part is a piece of the text, with every digit, space and key in its place; what is no JSON has no parts.
//!
//! Does not: build trees of values, or change a text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cast::{CastError, from_text};
use super::{Field, LogicalType, Value};

/// What a JSON text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`.
    Object,
    /// `[…]`.
    Array,
    /// `"…"`.
    String,
    /// Digits.
    Number,
    /// true, false.
    Boolean,
    /// null.
    Null,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'p> {
    /// The value of a key.
    Key(Cow<'p, str>),
    /// An element; below zero, counted from the end.
    Index(i64),
}

/// The error says what is wrong with a text, and where.
pub fn check(text: &str) -> Result<(), CastError> {
    let checked = serde_json::from_str::<IgnoredAny>(text);
    checked.map(drop).map_err(|error| CastError::no_json(text, &error))
}

impl Kind {
    /// What a JSON text is, by its first letter.
    pub fn of(text: &str) -> Self {
        match text.trim_start().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Null => "null",
        }
    }
}

/// The steps of a path: `$.a."b c"[0]['d']`, or a key if it does not begin with `$`. The error says what is wrong with it.
pub fn path(text: &str) -> Result<Vec<Step<'_>>, String> {
    let Some(mut rest) = text.strip_prefix('$') else {
        return Ok(vec![Step::Key(text.into())]);
    };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = step(rest).ok_or_else(|| format!("`{text}` is no path: write it as `$.key[0]`"))?;
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

/// The first step of a path, and what is behind it.
fn step(text: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        if rest.starts_with(['"', '\'']) {
            let (key, rest) = quoted(rest)?;
            return Some((Step::Key(key.into()), rest.strip_prefix(']')?));
        }
        let (index, rest) = rest.split_once(']')?;
        return Some((Step::Index(index.trim().parse().ok()?), rest));
    }
    let rest = text.strip_prefix('.')?;
    if rest.starts_with('"') {
        return quoted(rest).map(|(key, rest)| (Step::Key(key.into()), rest));
    }
    let (key, rest) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
    let plain = !key.is_empty() && key != "*";
    plain.then_some((Step::Key(key.into()), rest))
}

/// What stands in the quotes that a text begins with, and what is behind them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    text.get(1..)?.split_once(quote)
}

/// The part that a path leads to.
pub fn part<'t>(text: &'t str, path: &[Step<'_>]) -> Option<&'t str> {
    path.iter().try_fold(text.trim(), |text, step| match step {
        Step::Key(key) => value_of(text, key),
        Step::Index(index) => {
            let items = items(text)?;
            let at = match index {
                0.. => usize::try_from(*index).ok(),
                _ => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
            };
            items.get(at?).map(|item| item.get())
        }
    })
}

/// The elements of an array; `None` if it is none.
pub fn items(text: &str) -> Option<Vec<&RawValue>> {
    let is_array = Kind::of(text) == Kind::Array;
    is_array.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Keys and values of an object; `None` if it is none.
pub fn entries(text: &str) -> Option<Vec<(String, &RawValue)>> {
    let mut entries = Vec::new();
    over_entries(text, |key, value| entries.push((key.to_owned(), value)))?;
    Some(entries)
}

/// The value of a key, the first of several.
fn value_of<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    let mut found = None;
    over_entries(text, |key, value| {
        if found.is_none() && key == wanted {
            found = Some(value.get());
        }
    })?;
    found
}

/// Hands each entry of an object to `see`; `None` if it is none.
fn over_entries<'t>(text: &'t str, see: impl FnMut(&str, &'t RawValue)) -> Option<()> {
    if Kind::of(text) != Kind::Object {
        return None;
    }
    serde_json::Deserializer::from_str(text)
        .deserialize_map(Entries(see))
        .ok()
}

struct Entries<F>(F);

impl<'t, F: FnMut(&str, &'t RawValue)> Visitor<'t> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut entries: A) -> Result<(), A::Error> {
        // Keys without escapes are pieces of the text.
        while let Some(key) = entries.next_key_seed(Key)? {
            let value: &'t RawValue = entries.next_value()?;
            (self.0)(&key, value);
        }
        Ok(())
    }
}

struct Key;

impl<'t> DeserializeSeed<'t> for Key {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Key {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'t str) -> Result<Self::Value, E> {
        Ok(key.into())
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(key.to_owned().into())
    }
}

/// What a JSON string says; any other text as it is.
pub fn unquoted(text: &str) -> Result<Cow<'_, str>, CastError> {
    if Kind::of(text) != Kind::String {
        return Ok(text.trim().into());
    }
    let said = Key.deserialize(&mut serde_json::Deserializer::from_str(text));
    said.map_err(|error| CastError::no_json(text, &error))
}

/// The value of a type that a text stands for: null is NULL; strings, numbers and truth values are read as texts of the type are; of
/// an object, a struct has the keys that are its fields.
pub fn to_value(text: &str, ty: &LogicalType) -> Result<Value, CastError> {
    let misfit = || CastError::misfit(text, ty);
    match (Kind::of(text), ty) {
        (_, LogicalType::Json) => Ok(Value::String(text.trim().into())),
        (Kind::Null, _) => Ok(Value::Null),
        (_, LogicalType::String) => Ok(Value::String(unquoted(text)?.into())),
        (_, LogicalType::Array(item)) => {
            let items = items(text).ok_or_else(misfit)?;
            let values = items.iter().map(|value| to_value(value.get(), item));
            values.collect::<Result<_, _>>().map(Value::Array)
        }
        (_, LogicalType::Map(of)) => {
            let entries = entries(text).ok_or_else(misfit)?;
            let entry = |(key, value): &(String, &RawValue)| {
                let key = match &of.0 {
                    LogicalType::String => Value::String(key.as_str().into()),
                    ty => from_text(key, ty)?,
                };
                Ok(Value::Struct(vec![key, to_value(value.get(), &of.1)?]))
            };
            entries.iter().map(entry).collect::<Result<_, _>>().map(Value::Array)
        }
        (_, LogicalType::Struct(fields)) => {
            let entries = entries(text).ok_or_else(misfit)?;
            let value = |field: &Field| {
                let exact = entries.iter().find(|(key, _)| *key == field.name);
                let found = exact.or_else(|| entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(&field.name)));
                found.map_or(Ok(Value::Null), |(_, value)| to_value(value.get(), &field.ty))
            };
            fields.iter().map(value).collect::<Result<_, _>>().map(Value::Struct)
        }
        (Kind::Array | Kind::Object, _) => Err(misfit()),
        _ => from_text(&unquoted(text)?, ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'t>(text: &'t str, path: &str) -> Option<&'t str> {
        part(text, &super::path(path).unwrap())
    }

    #[test]
    fn parts_are_pieces_of_the_text() {
        let text = r#" {"a": {"b c": [1.50, {"d" : "\u00e9"}, null]}, "a": 2, "$": 3} "#;
        for (path, wanted) in [
            ("$", Some(text.trim())),
            ("a", Some(r#"{"b c": [1.50, {"d" : "\u00e9"}, null]}"#)),
            (r#"$.a."b c"[0]"#, Some("1.50")),
            (r#"$['a']["b c"][1].d"#, Some(r#""\u00e9""#)),
            (r#"$.a."b c"[-1]"#, Some("null")),
            (r#"$.a."b c"[3]"#, None),
            (r#"$.a."b c"[-4]"#, None),
            ("$.a.b", None),
            ("$[0]", None),
            ("b", None),
            ("$.$", Some("3")),
        ] {
            assert_eq!(at(text, path), wanted, "{path}");
        }
        assert_eq!(at("no json {", "a"), None);
        assert_eq!(at("{\"a\": ", "a"), None);
        assert_eq!(unquoted(r#""\u00e9""#).unwrap(), "é");
    }

    #[test]
    fn paths_that_are_none() {
        for text in ["$a", "$.", "$.*", "$[", "$[x]", "$[1", "$..a", "$['a", "$.\"a", "$[*]"] {
            assert!(path(text).is_err(), "{text}");
        }
        assert_eq!(path("a.b").unwrap(), [Step::Key("a.b".into())]);
    }

    #[test]
    fn errors_say_where() {
        let message = |text: &str| check(text).unwrap_err().to_string();
        assert_eq!(
            message("{\"a\": 1, }"),
            "cannot convert `{\"a\": 1, }` to json: key must be a string at line 1 column 10"
        );
        assert_eq!(
            message(""),
            "cannot convert `` to json: EOF while parsing a value at line 1 column 0"
        );
        assert!(check(" [1, 2.500000000000000000000000000000001e999] ").is_ok());
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(check(&deep).is_ok());
        assert_eq!(at(&deep, "$[0]").map(str::len), Some(199_998));
    }
}
