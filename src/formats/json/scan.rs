//! Where the objects of a JSON file start and end.
//!
//! `[{"a": 1}, {"a": "}"}]` holds two records, at bytes 1..9 and 11..21; in a file of lines every line is one.
//!
//! Invariants: records do not overlap, and only spaces, commas and the brackets of one array lie between them.
//!
//! Does not: check what is inside a record, except that brackets and strings close.

use memchr::{memchr, memchr2};

/// How records are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Framing {
    /// One per line.
    Lines,
    /// Elements of an array, or values one after the other.
    Values,
}

/// What is wrong at a byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: u64,
    pub(super) message: &'static str,
}

/// Finds records while a file streams by.
#[derive(Debug)]
pub(super) struct Scanner {
    framing: Framing,
    /// Bytes before the current piece.
    offset: u64,
    /// Brackets open inside a record.
    depth: u32,
    in_string: bool,
    escaped: bool,
    array: Array,
    /// Start of the record that is open.
    start: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Array {
    Unknown,
    None,
    Open { at: u64 },
    Closed,
}

impl Scanner {
    /// From an offset where no record is open.
    pub(super) fn new(framing: Framing, offset: u64) -> Self {
        Self {
            framing,
            offset,
            depth: 0,
            in_string: false,
            escaped: false,
            array: Array::Unknown,
            start: None,
        }
    }

    /// Commas may come between records.
    pub(super) fn inside_array(&mut self) {
        self.array = Array::Open { at: self.offset };
    }

    /// Goes over a piece; calls `on_record` with the start and end of each record that ends in it.
    pub(super) fn scan(&mut self, piece: &[u8], on_record: impl FnMut(u64, u64)) -> Result<(), Malformed> {
        match self.framing {
            Framing::Lines => self.scan_lines(piece, on_record),
            Framing::Values => self.scan_values(piece, on_record)?,
        }
        self.offset += piece.len() as u64;
        Ok(())
    }

    /// At the end of the file: the last line may lack its newline, anything else must be closed.
    pub(super) fn finish(&mut self, mut on_record: impl FnMut(u64, u64)) -> Result<(), Malformed> {
        match (self.framing, self.start, self.array) {
            (Framing::Lines, Some(start), _) => on_record(start, self.offset),
            (Framing::Values, Some(at), _) => return Err(malformed(at, "a value is never closed")),
            (_, _, Array::Open { at }) => return Err(malformed(at, "the array is never closed")),
            _ => {}
        }
        Ok(())
    }

    fn scan_lines(&mut self, piece: &[u8], mut on_record: impl FnMut(u64, u64)) {
        let mut at = 0;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            let len = memchr(b'\n', rest).unwrap_or(rest.len());
            if self.start.is_none() {
                let text = rest[..len].iter().position(|byte| !byte.is_ascii_whitespace());
                self.start = text.map(|skip| self.offset + (at + skip) as u64);
            }
            if len < rest.len()
                && let Some(start) = self.start.take()
            {
                on_record(start, self.offset + (at + len) as u64);
            }
            at += len + 1;
        }
    }

    fn scan_values(&mut self, piece: &[u8], mut on_record: impl FnMut(u64, u64)) -> Result<(), Malformed> {
        let mut at = 0;
        while at < piece.len() {
            if self.in_string {
                at = self.skip_string(piece, at);
                continue;
            }
            let position = self.offset + at as u64;
            match piece[at] {
                _ if self.depth == 0 => self.between(piece[at], position)?,
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if let Some(start) = self.start.take_if(|_| self.depth == 0) {
                        on_record(start, position + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// A byte outside all records.
    fn between(&mut self, byte: u8, position: u64) -> Result<(), Malformed> {
        match (byte, self.array) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b'[', Array::Unknown) => self.array = Array::Open { at: position },
            (b',', Array::Open { .. }) => {}
            (b']', Array::Open { .. }) => self.array = Array::Closed,
            (b'{', Array::Unknown | Array::None | Array::Open { .. }) => {
                if self.array == Array::Unknown {
                    self.array = Array::None;
                }
                self.start = Some(position);
                self.depth = 1;
            }
            _ => return Err(malformed(position, "an object was expected")),
        }
        Ok(())
    }

    /// The position after what belongs to an open string.
    fn skip_string(&mut self, piece: &[u8], at: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            return at + 1;
        }
        match memchr2(b'"', b'\\', &piece[at..]) {
            None => piece.len(),
            Some(len) => {
                self.in_string = piece[at + len] == b'\\';
                self.escaped = self.in_string;
                at + len + 1
            }
        }
    }
}

fn malformed(at: u64, message: &'static str) -> Malformed {
    Malformed { at, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, framing: Framing, piece: usize) -> Result<Vec<String>, Malformed> {
        let mut scanner = Scanner::new(framing, 0);
        let mut spans = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            scanner.scan(piece, |start, end| spans.push((start as usize, end as usize)))?;
        }
        scanner.finish(|start, end| spans.push((start as usize, end as usize)))?;
        Ok(spans
            .into_iter()
            .map(|(start, end)| text[start..end].to_string())
            .collect())
    }

    #[test]
    fn records_do_not_depend_on_pieces() {
        for piece in [1, 2, 3, 7, 100] {
            let values = records("[{\"a\": \"}\\\"]\"},\n {\"b\": [{}]} ]\n", Framing::Values, piece).unwrap();
            assert_eq!(values, ["{\"a\": \"}\\\"]\"}", "{\"b\": [{}]}"]);
            assert_eq!(
                records("{}\n{\"a\":\n1}", Framing::Values, piece).unwrap(),
                ["{}", "{\"a\":\n1}"]
            );
            let lines = records("{\"a\": 1}\n\n  {\"a\": 2}\r\n{", Framing::Lines, piece).unwrap();
            assert_eq!(lines, ["{\"a\": 1}", "{\"a\": 2}\r", "{"]);
        }
    }

    #[test]
    fn malformed_files() {
        let error = |text| records(text, Framing::Values, 5).unwrap_err();
        assert_eq!(
            (error("[{}, 1]").at, error("[{}, 1]").message),
            (5, "an object was expected")
        );
        assert_eq!(error("[{}").message, "the array is never closed");
        assert_eq!(error("{\"a").message, "a value is never closed");
        assert_eq!(error("[{}] x").message, "an object was expected");
    }
}
