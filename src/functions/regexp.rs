//! Regular expressions.
//!
//! `regexp_replace('a-b-c', '-', '+', 'g')` is `a+b+c`; `regexp_extract('2024-05', '(\d+)-(\d+)', 2)` is `05`.
//!
//! Invariants: an expression is compiled once per worker, not once per row; matching takes time linear in the text (finite automata, no
//! backtracking).
//!
//! Does not: look-around and back-references in patterns, which such automata cannot do.

use std::cell::RefCell;
use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};

use super::body::{Answer, Call, FunctionError, Scalar, ValuesCall, push, room_of_values};
use super::entry::{on_values, strict};
use super::{Function, Param as P, returns};
use crate::types::{LogicalType, Value};

const T: P = P::String;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("regexp_matches", &[T, T], returns::boolean, matches)
        .fallible()
        .aka(&["regexp_like"])
        .doc("Whether the pattern is found in the text", r"regexp_matches('gobi 42', '\d+') → true"),
    strict("regexp_matches", &[T, T, T], returns::boolean, matches)
        .fallible()
        .aka(&["regexp_like"])
        .doc(
            "The same with options: `i` for any case, `s` for a dot that takes line breaks, `m` for ^ and $ at every line, `x` for spaces \
             that mean nothing, `l` for a pattern that is plain text",
            "regexp_matches('GOBI', 'o', 'i') → true",
        ),
    strict("regexp_full_match", &[T, T], returns::boolean, full_match)
        .fallible()
        .doc("Whether the pattern is the whole text", "regexp_full_match('gobi', 'g.*') → true"),
    strict("regexp_full_match", &[T, T, T], returns::boolean, full_match)
        .fallible()
        .doc("The same with the options of `regexp_matches`", "regexp_full_match('Gobi', 'g.*', 'i') → true"),
    strict("regexp_replace", &[T, T, T], returns::string, replace)
        .fallible()
        .doc(
            r"The text with the first piece that matches replaced; `\1` in the replacement is the first group",
            r"regexp_replace('May 2024', '(\w+) (\d+)', '\2 \1') → 2024 May",
        ),
    strict("regexp_replace", &[T, T, T, T], returns::string, replace)
        .fallible()
        .doc(
            "The same with the options of `regexp_matches`, and `g` for all pieces",
            "regexp_replace('a-b-c', '-', '+', 'g') → a+b+c",
        ),
    strict("regexp_extract", &[T, T], returns::string, extract)
        .fallible()
        .aka(&["regexp_substr"])
        .doc("The first piece that matches; empty if none does", r"regexp_extract('gobi 42', '\d+') → 42"),
    strict("regexp_extract", &[T, T, P::BigInt], returns::string, extract)
        .fallible()
        .doc("A group of the first piece that matches", r"regexp_extract('gobi 42', '(\w+) (\d+)', 1) → gobi"),
    strict("regexp_extract", &[T, T, P::BigInt, T], returns::string, extract)
        .fallible()
        .doc("The same with the options of `regexp_matches`", "regexp_extract('GOBI', '(o)b', 1, 'i') → O"),
    strict("regexp_count", &[T, T], returns::bigint, count)
        .fallible()
        .doc("How many pieces match", "regexp_count('banana', 'an') → 2"),
    strict("regexp_escape", &[T], returns::string, |call, out| {
        push(out, regex::escape(call.text(0)?).as_bytes())?;
        Ok(Scalar::Bytes(out))
    })
    .fallible()
    .doc("A pattern that matches just the text", r"regexp_escape('a.b') → a\.b"),
    on_values("regexp_extract_all", &[T, T], texts, extract_all)
        .fallible()
        .doc("All pieces that match", r"regexp_extract_all('a1b22', '\d+') → [1, 22]"),
    on_values("regexp_extract_all", &[T, T, P::BigInt], texts, extract_all)
        .fallible()
        .doc("A group of all pieces that match", r"regexp_extract_all('a1b22', '([a-z])\d', 1) → [a, b]"),
    on_values("regexp_split_to_array", &[T, T], texts, split)
        .fallible()
        .aka(&["string_split_regex", "str_split_regex"])
        .doc("The pieces between those that match", r"regexp_split_to_array('a1b22c', '\d+') → [a, b, c]"),
    on_values("string_split", &[T, T], texts, split_plain)
        .aka(&["str_split", "string_to_array", "split"])
        .doc("The pieces between separators", "string_split('a,b', ',') → [a, b]"),
];

fn texts(_: &[LogicalType]) -> LogicalType {
    LogicalType::Array(Box::new(LogicalType::String))
}

/// The expressions that a worker compiled last.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    known: RefCell<Vec<Known>>,
}

/// One of them, with the text that it came from.
#[derive(Debug)]
struct Known {
    pattern: Vec<u8>,
    options: Vec<u8>,
    regex: Arc<Regex>,
}

/// A query has a few patterns; where they come from a column, the last ones are likely to come again.
const MOST_KNOWN: usize = 16;

impl Compiled {
    fn get(&self, pattern: &[u8], options: &[u8]) -> Result<Arc<Regex>, FunctionError> {
        let mut known = self.known.borrow_mut();
        if let Some(same) = known.iter().find(|k| k.pattern == pattern && k.options == options) {
            return Ok(same.regex.clone());
        }
        let regex = Arc::new(compile(pattern, options)?);
        if known.len() == MOST_KNOWN {
            known.remove(0);
        }
        known.push(Known {
            pattern: pattern.to_vec(),
            options: options.to_vec(),
            regex: regex.clone(),
        });
        Ok(regex)
    }
}

fn compile(pattern: &[u8], options: &[u8]) -> Result<Regex, FunctionError> {
    let pattern = String::from_utf8_lossy(pattern);
    let pattern = match options.contains(&b'l') {
        true => regex::escape(&pattern),
        false => pattern.into_owned(),
    };
    let mut builder = RegexBuilder::new(&pattern);
    for option in options {
        match option {
            b'i' => _ = builder.case_insensitive(true),
            b'c' => _ = builder.case_insensitive(false),
            b's' => _ = builder.dot_matches_new_line(true),
            b'm' | b'n' | b'p' => _ = builder.multi_line(true),
            b'x' => _ = builder.ignore_whitespace(true),
            b'g' | b'l' => {}
            other => {
                let message = format!("`{}` is not an option of regular expressions", char::from(*other));
                return Err(FunctionError::new("22023", message));
            }
        }
    }
    builder.build().map_err(|error| {
        // The library draws the pattern with a caret below it; its last line says what is wrong.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        FunctionError::new("2201B", format!("`{pattern}` is not a regular expression: {last}"))
    })
}

impl Call<'_> {
    /// The expression that the second argument is, with the options of another one, if there are that many.
    fn pattern(&self, options: usize) -> Result<Arc<Regex>, FunctionError> {
        let options = if self.args.len() > options {
            self.bytes(options)?
        } else {
            &[]
        };
        self.env.compiled().get(self.bytes(1)?, options)
    }
}

fn matches<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::boolean(call.pattern(2)?.is_match(call.text(0)?)))
}

fn full_match<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let options = if call.args.len() > 2 { call.bytes(2)? } else { &[] };
    let whole = match options.contains(&b'l') {
        true => format!(r"\A(?:{})\z", regex::escape(call.text(1)?)),
        false => format!(r"\A(?:{})\z", call.text(1)?),
    };
    let options: Vec<u8> = options.iter().copied().filter(|option| *option != b'l').collect();
    let pattern = call.env.compiled().get(whole.as_bytes(), &options)?;
    Ok(Scalar::boolean(pattern.is_match(call.text(0)?)))
}

fn replace<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, with) = (call.text(0)?, call.bytes(2)?);
    let pattern = call.pattern(3)?;
    let all = call.args.len() > 3 && call.bytes(3)?.contains(&b'g');
    let mut copied = 0;
    let mut found = false;
    if with.contains(&b'\\') {
        for groups in pattern.captures_iter(text).take(if all { usize::MAX } else { 1 }) {
            let Some(piece) = groups.get(0) else { continue };
            push(out, &text.as_bytes()[copied..piece.start()])?;
            put_groups(out, with, &groups)?;
            copied = piece.end();
            found = true;
        }
    } else {
        for piece in pattern.find_iter(text).take(if all { usize::MAX } else { 1 }) {
            push(out, &text.as_bytes()[copied..piece.start()])?;
            push(out, with)?;
            copied = piece.end();
            found = true;
        }
    }
    if !found {
        return Ok(Scalar::Bytes(text.as_bytes()));
    }
    push(out, &text.as_bytes()[copied..])?;
    Ok(Scalar::Bytes(out))
}

/// The replacement with `\0` to `\9` put in; `\\` is a backslash.
fn put_groups(out: &mut Vec<u8>, with: &[u8], groups: &Captures<'_>) -> Result<(), FunctionError> {
    let mut rest = with;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        push(out, &rest[..at])?;
        match rest.get(at + 1) {
            Some(digit @ b'0'..=b'9') => {
                let group = groups.get(usize::from(digit - b'0'));
                push(out, group.map_or(&[][..], |group| group.as_str().as_bytes()))?;
            }
            Some(other) => push(out, &[*other])?,
            None => push(out, b"\\")?,
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    push(out, rest)
}

fn extract<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let text = call.text(0)?;
    let pattern = call.pattern(3)?;
    let group = if call.args.len() > 2 {
        group(call.small(2)?, &pattern)?
    } else {
        0
    };
    let piece = match group {
        0 => pattern.find(text),
        group => pattern.captures(text).and_then(|groups| groups.get(group)),
    };
    Ok(Scalar::Bytes(piece.map_or(&[][..], |piece| piece.as_str().as_bytes())))
}

fn group(number: i64, pattern: &Regex) -> Result<usize, FunctionError> {
    let group = usize::try_from(number)
        .ok()
        .filter(|group| *group < pattern.captures_len());
    group.ok_or_else(|| {
        let most = pattern.captures_len() - 1;
        let message = match most {
            0 => format!("there is no group {number}: `{pattern}` has none"),
            _ => format!("there is no group {number}: `{pattern}` has those from 1 to {most}"),
        };
        FunctionError::new("22023", message)
    })
}

fn count<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let pieces = call.pattern(2)?.find_iter(call.text(0)?).count();
    Ok(Scalar::Int(pieces as i128))
}

fn extract_all(call: &ValuesCall<'_>) -> Result<Value, FunctionError> {
    let (text, pattern) = (text(call, 0), call.env.compiled().get(text(call, 1).as_bytes(), &[])?);
    let group = match call.args.get(2) {
        Some(Value::Int(number)) => group(i64::try_from(*number).unwrap_or(-1), &pattern)?,
        _ => 0,
    };
    let pieces = pattern.captures_iter(text);
    let pieces = pieces.map(|groups| groups.get(group).map_or(Value::Null, |piece| string(piece.as_str())));
    gathered(pieces)
}

fn split(call: &ValuesCall<'_>) -> Result<Value, FunctionError> {
    let pattern = call.env.compiled().get(text(call, 1).as_bytes(), &[])?;
    gathered(pattern.split(text(call, 0)).map(string))
}

fn split_plain(call: &ValuesCall<'_>) -> Result<Value, FunctionError> {
    let (text, separator) = (text(call, 0), text(call, 1));
    match separator.is_empty() {
        true => gathered(text.chars().map(|c| string(c.encode_utf8(&mut [0; 4])))),
        false => gathered(text.split(separator).map(string)),
    }
}

/// Pieces of a text as an array, of which there may be as many as there is memory for.
fn gathered(pieces: impl Iterator<Item = Value>) -> Result<Value, FunctionError> {
    let (mut all, mut text_bytes) = (Vec::new(), 0);
    for piece in pieces {
        if let Value::String(text) = &piece {
            text_bytes += text.len();
        }
        all.push(piece);
        room_of_values(all.len(), text_bytes)?;
    }
    Ok(Value::Array(all))
}

fn text<'a>(call: &ValuesCall<'a>, i: usize) -> &'a str {
    match call.args.get(i) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

fn string(piece: &str) -> Value {
    Value::String(piece.into())
}
