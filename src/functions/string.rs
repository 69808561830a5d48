//! Strings as wholes: length, case, search, replacement, joining, encoding.
//!
//! `replace('a-b', '-', '+')` is `a+b`; positions and lengths count characters (code points), not bytes.
//!
//! Invariants: what is made is valid UTF-8, and not longer than 256 MB.
//!
//! Does not: know collations; comparison is by bytes.

use memchr::memmem;

use super::body::{Answer, Call, FunctionError, Scalar, push, room};
use super::entry::strict;
use super::{Function, Param as P, returns};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("length", &[P::String], returns::bigint, length)
        .aka(&["len", "char_length", "character_length"])
        .doc("Number of characters", "length('größe') → 5"),
    strict("strlen", &[P::String], returns::bigint, byte_length).doc("Number of bytes", "strlen('größe') → 7"),
    strict("octet_length", &[P::String], returns::bigint, byte_length)
        .doc("Number of bytes", "octet_length('größe') → 7"),
    strict("octet_length", &[P::Blob], returns::bigint, byte_length)
        .doc("Number of bytes", "octet_length(unhex('00ff')) → 2"),
    strict("bit_length", &[P::String], returns::bigint, bit_length).doc("Number of bits", "bit_length('abc') → 24"),
    strict("lower", &[P::String], returns::string, lower)
        .aka(&["lcase"])
        .doc("All letters small", "lower('ÄB1') → äb1"),
    strict("upper", &[P::String], returns::string, upper)
        .aka(&["ucase"])
        .doc("All letters large", "upper('äb1') → ÄB1"),
    strict("initcap", &[P::String], returns::string, initcap).doc(
        "The first letter of every word large, all others small",
        "initcap('hello wORLD') → Hello World",
    ),
    strict("reverse", &[P::String], returns::string, reverse)
        .doc("The characters from last to first", "reverse('größe') → eßörg"),
    strict("repeat", &[P::String, P::BigInt], returns::string, repeat)
        .fallible()
        .doc(
            "The text so many times; nothing for a count below 1",
            "repeat('ab', 3) → ababab",
        ),
    strict("replace", &[P::String, P::String, P::String], returns::string, replace)
        .fallible()
        .doc(
            "Every occurrence of the second text replaced by the third",
            "replace('a-b-c', '-', '') → abc",
        ),
    strict(
        "translate",
        &[P::String, P::String, P::String],
        returns::string,
        translate,
    )
    .doc(
        "Each character of the second text replaced by the one at its place in the third, or removed if there is none",
        "translate('12345', '143', 'ax') → a2x5",
    ),
    strict("concat", &[P::Text], returns::string, concat)
        .variadic()
        .sees_nulls()
        .fallible()
        .doc(
            "All arguments as one text; NULLs are left out",
            "concat('a', NULL, 1, true) → a1true",
        ),
    strict("concat_ws", &[P::String, P::Text], returns::string, concat_ws)
        .variadic()
        .sees_nulls()
        .fallible()
        .doc(
            "The other arguments with the first between them; NULLs are left out",
            "concat_ws(', ', 'a', NULL, 'b') → a, b",
        ),
    strict("starts_with", &[P::String, P::String], returns::boolean, starts_with)
        .aka(&["prefix", "^@"])
        .doc(
            "Whether the text begins with the other",
            "starts_with('gobi', 'go') → true",
        ),
    strict("ends_with", &[P::String, P::String], returns::boolean, ends_with)
        .aka(&["suffix"])
        .doc("Whether the text ends with the other", "ends_with('gobi', 'bi') → true"),
    strict("contains", &[P::String, P::String], returns::boolean, contains)
        .doc("Whether the other occurs in the text", "contains('gobi', 'ob') → true"),
    strict("position", &[P::String, P::String], returns::bigint, position)
        .aka(&["strpos", "instr"])
        .doc(
            "Where the second text first occurs in the first, from 1; 0 if it does not",
            "position('größe', 'ß') → 4",
        ),
    strict("ascii", &[P::String], returns::integer, ascii)
        .aka(&["unicode", "ord"])
        .doc(
            "The code point of the first character; 0 for the empty text",
            "ascii('A') → 65",
        ),
    strict("chr", &[P::BigInt], returns::string, chr)
        .fallible()
        .doc("The character of a code point", "chr(8364) → €"),
    strict("hex", &[P::String], returns::string, hex)
        .aka(&["to_hex"])
        .fallible()
        .doc("The bytes in hexadecimal", "hex('gobi') → 676F6269"),
    strict("hex", &[P::Blob], returns::string, hex)
        .aka(&["to_hex"])
        .fallible()
        .doc("The bytes in hexadecimal", "hex(unhex('00ff')) → 00FF"),
    strict("hex", &[P::Integer], returns::string, hex_integer)
        .aka(&["to_hex"])
        .doc(
            "The number in hexadecimal; negative ones as 64-bit two's complement",
            "hex(255) → FF",
        ),
    strict("unhex", &[P::String], returns::blob, unhex)
        .aka(&["from_hex"])
        .fallible()
        .doc(
            "The bytes that hexadecimal digits stand for",
            "unhex('676f') → \\x67\\x6F",
        ),
];

/// Characters in UTF-8: the bytes that do not continue one.
pub(super) fn char_count(text: &[u8]) -> usize {
    // Few enough at a time for a byte to count them, so that the processor counts many at once.
    let begins = |byte: &u8| u8::from(*byte & 0xC0 != 0x80);
    let chunks = text.chunks(u8::MAX.into());
    chunks
        .map(|chunk| usize::from(chunk.iter().map(begins).sum::<u8>()))
        .sum()
}

/// A count as an integer scalar.
pub(super) fn count<'a>(n: usize) -> Answer<'a> {
    Ok(Scalar::Int(i128::try_from(n).unwrap_or(i128::MAX)))
}

fn length<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    count(char_count(call.bytes(0)?))
}

fn byte_length<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    count(call.bytes(0)?.len())
}

fn bit_length<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    count(call.bytes(0)?.len().saturating_mul(8))
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The character's simple case mapping: one that maps to several stays as it is.
fn only(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

pub(super) fn lower_char(c: char) -> char {
    only(c, c.to_lowercase())
}

fn upper_char(c: char) -> char {
    only(c, c.to_uppercase())
}

fn lower<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let bytes = call.bytes(0)?;
    room(bytes.len())?;
    if bytes.is_ascii() {
        out.extend(bytes.iter().map(u8::to_ascii_lowercase));
    } else {
        call.text(0)?.chars().for_each(|c| push_char(out, lower_char(c)));
    }
    Ok(Scalar::Bytes(out))
}

fn upper<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let bytes = call.bytes(0)?;
    room(bytes.len())?;
    if bytes.is_ascii() {
        out.extend(bytes.iter().map(u8::to_ascii_uppercase));
    } else {
        call.text(0)?.chars().for_each(|c| push_char(out, upper_char(c)));
    }
    Ok(Scalar::Bytes(out))
}

fn initcap<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let mut in_word = false;
    room(call.bytes(0)?.len())?;
    for c in call.text(0)?.chars() {
        push_char(out, if in_word { lower_char(c) } else { upper_char(c) });
        in_word = c.is_alphanumeric();
    }
    Ok(Scalar::Bytes(out))
}

fn reverse<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    room(call.bytes(0)?.len())?;
    call.text(0)?.chars().rev().for_each(|c| push_char(out, c));
    Ok(Scalar::Bytes(out))
}

fn repeat<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let text = call.bytes(0)?;
    let times = usize::try_from(call.small(1)?).unwrap_or(0);
    let bytes = text.len().saturating_mul(times);
    room(bytes)?;
    out.reserve(bytes);
    if !text.is_empty() {
        (0..times).for_each(|_| out.extend_from_slice(text));
    }
    Ok(Scalar::Bytes(out))
}

fn replace<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let (text, from, to) = (call.bytes(0)?, call.bytes(1)?, call.bytes(2)?);
    if from.is_empty() {
        return Ok(Scalar::Bytes(text));
    }
    let mut copied = 0;
    for at in memmem::find_iter(text, from) {
        push(out, &text[copied..at])?;
        push(out, to)?;
        copied = at + from.len();
    }
    if copied == 0 {
        return Ok(Scalar::Bytes(text));
    }
    push(out, &text[copied..])?;
    Ok(Scalar::Bytes(out))
}

fn translate<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let (from, to) = (call.text(1)?, call.text(2)?);
    for c in call.text(0)?.chars() {
        match from.chars().position(|f| f == c) {
            None => push_char(out, c),
            Some(i) => to.chars().nth(i).into_iter().for_each(|c| push_char(out, c)),
        }
    }
    Ok(Scalar::Bytes(out))
}

fn concat<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    for arg in call.args {
        if let Scalar::Bytes(text) = arg {
            push(out, text)?;
        }
    }
    Ok(Scalar::Bytes(out))
}

fn concat_ws<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let Some((Scalar::Bytes(separator), rest)) = call.args.split_first() else {
        return Ok(Scalar::Null);
    };
    let mut first = true;
    for arg in rest {
        if let Scalar::Bytes(text) = arg {
            push(out, if first { b"" } else { separator })?;
            push(out, text)?;
            first = false;
        }
    }
    Ok(Scalar::Bytes(out))
}

fn starts_with<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::boolean(call.bytes(0)?.starts_with(call.bytes(1)?)))
}

fn ends_with<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::boolean(call.bytes(0)?.ends_with(call.bytes(1)?)))
}

fn contains<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    Ok(Scalar::boolean(memmem::find(call.bytes(0)?, call.bytes(1)?).is_some()))
}

fn position<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let text = call.bytes(0)?;
    let found = memmem::find(text, call.bytes(1)?);
    count(found.map_or(0, |at| char_count(&text[..at]) + 1))
}

fn ascii<'a>(call: &Call<'a>, _: &'a mut Vec<u8>) -> Answer<'a> {
    let first = call.text(0)?.chars().next();
    Ok(Scalar::Int(first.map_or(0, u32::from).into()))
}

fn chr<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let code = call.int(0)?;
    let c = u32::try_from(code).ok().and_then(char::from_u32);
    push_char(
        out,
        c.ok_or_else(|| FunctionError::new("22023", format!("{code} is not a code point")))?,
    );
    Ok(Scalar::Bytes(out))
}

fn hex<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = call.bytes(0)?;
    room(bytes.len().saturating_mul(2))?;
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    Ok(Scalar::Bytes(out))
}

fn hex_integer<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let v = call.int(0)?;
    let text = match i64::try_from(v) {
        Ok(v) => format!("{v:X}"),
        Err(_) => format!("{v:X}"),
    };
    out.extend_from_slice(text.as_bytes());
    Ok(Scalar::Bytes(out))
}

fn unhex<'a>(call: &Call<'a>, out: &'a mut Vec<u8>) -> Answer<'a> {
    let text = call.bytes(0)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let invalid = || FunctionError::new("22P02", format!("`{}` is not hexadecimal", call.shown(0)));
    // An odd number of digits lacks a leading zero.
    let (odd, pairs) = text.split_at(text.len() % 2);
    for byte in odd {
        out.push(digit(*byte).ok_or_else(invalid)?);
    }
    for pair in pairs.chunks_exact(2) {
        let (high, low) = (digit(pair[0]).ok_or_else(invalid)?, digit(pair[1]).ok_or_else(invalid)?);
        out.push(high << 4 | low);
    }
    Ok(Scalar::Bytes(out))
}
