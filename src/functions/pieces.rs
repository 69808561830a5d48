//! Pieces of strings: substrings, trimming, padding, splitting.
//!
//! `substring('gobi', -2)` is `bi`: positions count characters from 1, negative ones from the end.
//!
//! Invariants: a piece is a slice of the argument, cut between characters.
//!
//! Does not: fail for positions outside the text; what is not there is empty.

use super::body::{Answer, Call, FunctionError, Scalar, room};
use super::entry::strict;
use super::string::char_count;
use super::{Function, Param as P, returns};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("substring", &[P::String, P::BigInt], returns::string, substring)
        .aka(&["substr"])
        .doc(
            "The text from a position on, which counts from 1, or from the end if negative",
            "substring('größe', 3) → öße",
        ),
    strict(
        "substring",
        &[P::String, P::BigInt, P::BigInt],
        returns::string,
        substring,
    )
    .aka(&["substr"])
    .doc(
        "So many characters from a position on; those before it for a negative number",
        "substring('größe', 2, 3) → röß",
    ),
    strict("left", &[P::String, P::BigInt], returns::string, left).doc(
        "The first characters; all but the last for a negative number",
        "left('größe', 3) → grö",
    ),
    strict("right", &[P::String, P::BigInt], returns::string, right).doc(
        "The last characters; all but the first for a negative number",
        "right('größe', 3) → öße",
    ),
    strict("trim", &[P::String], returns::string, |call, _| trim(call, true, true))
        .aka(&["btrim"])
        .doc("Without spaces on either side", "trim('  a b ') → a b"),
    strict("trim", &[P::String, P::String], returns::string, |call, _| {
        trim(call, true, true)
    })
    .aka(&["btrim"])
    .doc(
        "Without any of the second text's characters on either side",
        "trim('xyaxb', 'xyb') → a",
    ),
    strict("ltrim", &[P::String], returns::string, |call, _| {
        trim(call, true, false)
    })
    .doc("Without spaces at the beginning", "ltrim('  a ') → a "),
    strict("ltrim", &[P::String, P::String], returns::string, |call, _| {
        trim(call, true, false)
    })
    .doc(
        "Without any of the second text's characters at the beginning",
        "ltrim('xxa', 'x') → a",
    ),
    strict("rtrim", &[P::String], returns::string, |call, _| {
        trim(call, false, true)
    })
    .doc("Without spaces at the end", "rtrim('a  ') → a"),
    strict("rtrim", &[P::String, P::String], returns::string, |call, _| {
        trim(call, false, true)
    })
    .doc(
        "Without any of the second text's characters at the end",
        "rtrim('axx', 'x') → a",
    ),
    strict("lpad", &[P::String, P::BigInt, P::String], returns::string, lpad)
        .fallible()
        .doc(
            "So many characters, filled up at the beginning with the third text or cut at the end",
            "lpad('7', 3, '0') → 007",
        ),
    strict("rpad", &[P::String, P::BigInt, P::String], returns::string, rpad)
        .fallible()
        .doc(
            "So many characters, filled up at the end with the third text or cut there",
            "rpad('a', 3, '.') → a..",
        ),
    strict(
        "split_part",
        &[P::String, P::String, P::BigInt],
        returns::string,
        split_part,
    )
    .doc(
        "The part of that number between separators, from 1, or from the end if negative; empty if there is none",
        "split_part('a,b,c', ',', 2) → b",
    ),
];

/// The characters `from..to` of a text; both may lie past its end.
fn chars(text: &str, from: usize, to: usize) -> &str {
    if text.is_ascii() {
        let from = from.min(text.len());
        return &text[from..to.clamp(from, text.len())];
    }
    let byte_of = |text: &str, n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let rest = &text[byte_of(text, from)..];
    &rest[..byte_of(rest, to.saturating_sub(from))]
}

fn piece<'a>(text: &'a str, from: i64, to: i64) -> Answer<'a> {
    let index = |n: i64| usize::try_from(n).unwrap_or(0);
    Ok(Scalar::Bytes(chars(text, index(from), index(to)).as_bytes()))
}

fn len(text: &str) -> i64 {
    i64::try_from(char_count(text.as_bytes())).unwrap_or(i64::MAX)
}

/// As DuckDB does it: position 0 stands before the first character and takes one off the length, and a negative length
/// takes the characters before the position.
fn substring<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let position = call.small(1)?;
    let mut length = if call.args.len() > 2 { call.small(2)? } else { i64::MAX };
    if position > 0
        && length >= 0
        && let Some(piece) = ascii_piece(call.bytes(0)?, position - 1, length)
    {
        return Ok(Scalar::Bytes(piece));
    }
    let text = call.text(0)?;
    let start = match position {
        1.. => position - 1,
        0 if length <= 0 => return piece(text, 0, 0),
        0 => {
            length -= i64::from(length < i64::MAX);
            0
        }
        _ => len(text).saturating_add(position).max(0),
    };
    if length >= 0 {
        return piece(text, start, start.saturating_add(length));
    }
    let start = start.min(len(text));
    piece(text, start.saturating_add(length).max(0), start)
}

/// So many characters behind others, if all up to there are ASCII: what follows need not be looked at.
fn ascii_piece(bytes: &[u8], start: i64, length: i64) -> Option<&[u8]> {
    let end = usize::try_from(start.saturating_add(length)).ok()?.min(bytes.len());
    let start = usize::try_from(start).ok()?.min(end);
    let read = &bytes[..end];
    read.is_ascii().then(|| &read[start..])
}

fn left<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, n) = (call.text(0)?, call.small(1)?);
    piece(text, 0, if n >= 0 { n } else { len(text).saturating_add(n) })
}

fn right<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, n) = (call.text(0)?, call.small(1)?);
    let from = if n >= 0 {
        len(text).saturating_sub(n)
    } else {
        n.saturating_neg()
    };
    piece(text, from, i64::MAX)
}

fn trim<'a>(call: &Call<'a>, start: bool, end: bool) -> Answer<'a> {
    let mut text = call.text(0)?;
    let set = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
    // Spaces are all of Unicode's, but neither tabs nor line ends.
    let drop = |c: char| match set {
        Some(set) => set.contains(c),
        None => c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'),
    };
    if start {
        text = text.trim_start_matches(drop);
    }
    if end {
        text = text.trim_end_matches(drop);
    }
    Ok(Scalar::Bytes(text.as_bytes()))
}

/// The text cut to `width` characters, and how many are missing.
fn fitted<'a>(call: &Call<'a>) -> Result<(&'a str, usize), FunctionError> {
    let width = usize::try_from(call.small(1)?).unwrap_or(0);
    let text = chars(call.text(0)?, 0, width);
    let missing = width - char_count(text.as_bytes());
    if missing > 0 && call.bytes(2)?.is_empty() {
        return Err(FunctionError::new("22023", "cannot pad with an empty text"));
    }
    room(width)?;
    Ok((text, missing))
}

fn fill(call: &Call<'_>, missing: usize, out: &mut Vec<u8>) -> Result<(), FunctionError> {
    let mut buffer = [0; 4];
    for c in call.text(2)?.chars().cycle().take(missing) {
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }
    Ok(())
}

fn lpad<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, missing) = fitted(call)?;
    fill(call, missing, out)?;
    out.extend_from_slice(text.as_bytes());
    Ok(Scalar::Bytes(out))
}

fn rpad<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, missing) = fitted(call)?;
    out.extend_from_slice(text.as_bytes());
    fill(call, missing, out)?;
    Ok(Scalar::Bytes(out))
}

fn split_part<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, separator, n) = (call.text(0)?, call.text(1)?, call.small(2)?);
    if separator.is_empty() {
        // Every character is a part.
        let at = if n > 0 { n - 1 } else { len(text).saturating_add(n) };
        return if n == 0 || at < 0 {
            piece(text, 0, 0)
        } else {
            piece(text, at, at.saturating_add(1))
        };
    }
    let index = match n {
        1.. => Some(n.unsigned_abs() - 1),
        0 => None,
        _ => (text.split(separator).count() as u64).checked_sub(n.unsigned_abs()),
    };
    let index = index.and_then(|i| usize::try_from(i).ok());
    let part = index.and_then(|i| text.split(separator).nth(i)).unwrap_or("");
    Ok(Scalar::Bytes(part.as_bytes()))
}
