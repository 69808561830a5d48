//! Numbers that JSON has no digits for: `NaN`, `Infinity` and `-Infinity` as bare words, which we and others write.
//!
//! `{"a": NaN}` is rewritten to `{"a": "\u0000NaN"}`, which any parser takes and no string of the file can be confused with.
//!
//! Invariants: only what stands outside strings is rewritten; no byte is lost, so that other errors stay errors.
//!
//! Does not: parse.

use std::borrow::Cow;

/// What marks a word that was written bare.
const MARK: char = '\0';
const WORDS: [(&str, f64); 3] = [
    ("-Infinity", f64::NEG_INFINITY),
    ("Infinity", f64::INFINITY),
    ("NaN", f64::NAN),
];

/// A text that may hold such words at all.
pub(super) fn may_occur(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"NaN").is_some() || memchr::memmem::find(bytes, b"Infinity").is_some()
}

/// The record with its bare words as marked strings.
pub(super) fn marked(record: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = record.get(at) {
        if *byte == b'"' {
            at = after_string(record, at);
            continue;
        }
        let rest = record.get(at..).unwrap_or_default();
        let Some((word, _)) = WORDS.iter().find(|(word, _)| rest.starts_with(word.as_bytes())) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(record.get(copied..at).unwrap_or_default());
        out.extend_from_slice(b"\"\\u0000");
        out.extend_from_slice(word.as_bytes());
        out.push(b'"');
        at += word.len();
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(record);
    }
    out.extend_from_slice(record.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// Whether marked words are in the text of a value.
pub(super) fn are_in(json: &str) -> bool {
    WORDS
        .iter()
        .any(|(word, _)| json.contains(&format!("\"\\u0000{word}\"")))
}

/// The position after the string that begins at a quote.
fn after_string(record: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(byte) = record.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    record.len()
}

/// The number that a marked string stands for.
pub(super) fn value_of(text: &str) -> Option<f64> {
    let word = text.strip_prefix(MARK)?;
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, value)| *value)
}

/// The text without a mark, if it is one of the words.
pub(super) fn unmarked(text: &str) -> &str {
    match value_of(text) {
        Some(_) => text.trim_start_matches(MARK),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&marked(record.as_bytes())), expected);
    }

    #[test]
    fn words_are_marked_outside_strings() {
        check(r#"{"a":1}"#, r#"{"a":1}"#);
        check(
            r#"{"NaN":NaN,"b":["NaN","\"NaN",-Infinity,Infinity]}"#,
            r#"{"NaN":"\u0000NaN","b":["NaN","\"NaN","\u0000-Infinity","\u0000Infinity"]}"#,
        );
        check(r#"{"a":"Na"#, r#"{"a":"Na"#);
        assert!(value_of("\0NaN").unwrap().is_nan());
        assert_eq!(value_of("\0-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(value_of("NaN"), None);
    }
}
