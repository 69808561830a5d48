//! Text into records and fields, as RFC 4180 says: quotes open at the start of a field only.
//!
//! `1,"a ""b""\n",` is one record of the fields `1`, `a "b"\n` (quoted, on two lines) and an empty one.
//!
//! Invariants: every byte of a record belongs to one field, a delimiter or a quote; blank lines are no records unless
//! there is only one column.
//!
//! Does not: know types.

use memchr::{memchr, memchr2};

/// The characters that structure a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// The last byte of a line: a newline (which may follow a carriage return), or a carriage return alone.
    pub(super) newline: u8,
}

/// A field's place in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) quoting: Quoting,
}

/// How a field was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// As it is.
    None,
    /// In quotes, without quotes inside.
    Quoted,
    /// In quotes, with doubled quotes inside.
    Escaped,
}

impl Span {
    /// The bytes between the quotes, if any.
    pub(super) fn bytes<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[self.start as usize..self.end as usize]
    }
}

/// What is wrong with a record, at which byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Takes records off a block one by one.
#[derive(Debug)]
pub(super) struct Records<'a> {
    block: &'a [u8],
    dialect: Dialect,
    at: usize,
}

impl<'a> Records<'a> {
    /// From the start of a block, which is the start of a record.
    pub(super) fn new(block: &'a [u8], dialect: Dialect) -> Self {
        Self { block, dialect, at: 0 }
    }

    /// Where the next record starts.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Appends the fields of the next record; `None` at the end.
    pub(super) fn next_into(&mut self, fields: &mut Vec<Span>) -> Option<Result<usize, Malformed>> {
        if self.at >= self.block.len() {
            return None;
        }
        let before = fields.len();
        loop {
            match self.field() {
                Ok((span, ends)) => {
                    fields.push(span);
                    if ends {
                        return Some(Ok(fields.len() - before));
                    }
                }
                Err(malformed) => return Some(Err(malformed)),
            }
        }
    }

    /// One field, and whether it ends its record.
    fn field(&mut self) -> Result<(Span, bool), Malformed> {
        if self.block.get(self.at) == Some(&self.dialect.quote) {
            return self.quoted();
        }
        let start = self.at;
        let rest = &self.block[start..];
        let Dialect { delimiter, newline, .. } = self.dialect;
        let len = rest.iter().position(|byte| *byte == delimiter || *byte == newline);
        let len = len.unwrap_or(rest.len());
        let ends = rest.get(len) != Some(&delimiter);
        let text = if ends && newline == b'\n' {
            rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len])
        } else {
            &rest[..len]
        };
        self.at = start + len + 1;
        Ok((span(start, start + text.len(), Quoting::None), ends))
    }

    fn quoted(&mut self) -> Result<(Span, bool), Malformed> {
        let start = self.at + 1;
        let mut end = start;
        let mut quoting = Quoting::Quoted;
        loop {
            let Some(len) = memchr(self.dialect.quote, self.block.get(end..).unwrap_or_default()) else {
                return Err(malformed(self.at, "a quote is never closed"));
            };
            end += len;
            if self.block.get(end + 1) != Some(&self.dialect.quote) {
                break;
            }
            quoting = Quoting::Escaped;
            end += 2;
        }
        let (next, ends) = match &self.block[end + 1..] {
            [] => (end + 1, true),
            [byte, ..] if *byte == self.dialect.delimiter => (end + 2, false),
            [byte, ..] if *byte == self.dialect.newline => (end + 2, true),
            [b'\r', b'\n', ..] | [b'\r'] => (end + 3, true),
            _ => return Err(malformed(end, "text after a closing quote")),
        };
        self.at = next;
        Ok((span(start, end, quoting), ends))
    }
}

fn span(start: usize, end: usize, quoting: Quoting) -> Span {
    // Blocks are far smaller than 4 GiB, or refused when the file is opened.
    let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span {
        start: short(start),
        end: short(end),
        quoting,
    }
}

fn malformed(at: usize, message: &str) -> Malformed {
    Malformed {
        at,
        message: message.to_string(),
    }
}

/// Finds where records end while a file streams by.
#[derive(Debug)]
pub(super) struct Boundaries {
    dialect: Dialect,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    InField,
    InQuotes,
    /// After a quote inside quotes: it closes the field, unless another quote follows.
    QuoteInQuotes,
}

impl Boundaries {
    /// At the start of a file.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            state: State::FieldStart,
        }
    }

    /// Inside quotes; at the end of a file, an error.
    pub(super) fn in_quotes(&self) -> bool {
        self.state == State::InQuotes
    }

    /// Goes over a piece of the file and calls `on_end` with the offset after each record's newline. Only newlines and quotes are
    /// looked at; a quote opens a field if a delimiter or a newline stands before it.
    pub(super) fn scan(&mut self, piece: &[u8], mut on_end: impl FnMut(usize)) {
        let Dialect {
            delimiter,
            quote,
            newline,
        } = self.dialect;
        let ends_a_field = |byte: &u8| *byte == delimiter || *byte == newline;
        let mut at = 0;
        if self.state == State::QuoteInQuotes && !piece.is_empty() {
            let doubled = piece.first() == Some(&quote);
            self.state = if doubled { State::InQuotes } else { State::InField };
            at = usize::from(doubled);
        }
        let begins_a_field = self.state == State::FieldStart;
        while at < piece.len() {
            let rest = &piece[at..];
            if self.state == State::InQuotes {
                let Some(len) = memchr(quote, rest) else { return };
                at += len + 1;
                self.state = match piece.get(at) {
                    None => State::QuoteInQuotes,
                    Some(byte) if *byte == quote => State::InQuotes,
                    Some(_) => State::InField,
                };
                at += usize::from(self.state == State::InQuotes);
                continue;
            }
            let Some(len) = memchr2(quote, newline, rest) else {
                let ended = piece.last().is_some_and(ends_a_field);
                self.state = if ended { State::FieldStart } else { State::InField };
                return;
            };
            let found = at + len;
            at = found + 1;
            let opens = || match found.checked_sub(1) {
                Some(before) => piece.get(before).is_some_and(ends_a_field),
                None => begins_a_field,
            };
            self.state = if piece[found] == newline {
                on_end(at);
                State::FieldStart
            } else if opens() {
                State::InQuotes
            } else {
                State::InField
            };
        }
    }
}

/// The text of an escaped field.
pub(super) fn unescape(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr(quote, rest) {
        out.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Dialect = Dialect {
        delimiter: b',',
        quote: b'"',
        newline: b'\n',
    };

    fn records(text: &str) -> Result<Vec<Vec<String>>, Malformed> {
        let mut records = Records::new(text.as_bytes(), COMMA);
        let mut spans = Vec::new();
        let mut out = Vec::new();
        while let Some(count) = records.next_into(&mut spans) {
            count?;
            out.push(
                spans
                    .drain(..)
                    .map(|s| String::from_utf8_lossy(s.bytes(text.as_bytes())).into())
                    .collect(),
            );
        }
        Ok(out)
    }

    #[test]
    fn fields() {
        let text = "1,\"a,b\"\r\n\"x\ny\",5\" disk\n,\n\"\"\"\",";
        assert_eq!(
            records(text).unwrap(),
            [["1", "a,b"], ["x\ny", "5\" disk"], ["", ""], ["\"\"", ""]]
        );
        assert_eq!(records("a,\"b").unwrap_err().message, "a quote is never closed");
        assert_eq!(records("\"a\"b").unwrap_err().message, "text after a closing quote");
    }

    #[test]
    fn boundaries_do_not_depend_on_pieces() {
        let text = b"1,\"a,\"\"b\n\"\r\n5\" disk,\"\"\n\"x\"\n\ny";
        let expect = [12, 23, 27, 28];
        for size in 1..=text.len() {
            let mut boundaries = Boundaries::new(COMMA);
            let mut ends = Vec::new();
            for (piece, start) in text.chunks(size).zip((0..).step_by(size)) {
                boundaries.scan(piece, |at| ends.push(start + at));
            }
            assert_eq!(ends, expect, "pieces of {size}");
            assert!(!boundaries.in_quotes());
        }
    }
}
