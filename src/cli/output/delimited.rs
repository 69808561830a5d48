//! CSV and TSV, as RFC 4180 has them.
//!
//! `('a,b', NULL, '')` is the line `"a,b",,""`: NULL is an empty field, an empty string is quoted.
//!
//! Invariants: what is written reads back as the same texts; numbers have all their digits.
//!
//! Does not: guess a dialect.

use std::io::Write;

use super::OutputError;
use crate::client::{ResultStream, cells};

/// A delimited format.
#[derive(Clone, Copy, Debug)]
pub struct Delimited {
    delimiter: char,
    null: &'static str,
}

impl Delimited {
    /// Commas.
    pub const CSV: Delimited = Delimited {
        delimiter: ',',
        null: "",
    };
    /// Tabs.
    pub const TSV: Delimited = Delimited {
        delimiter: '\t',
        null: "",
    };
    /// Commas, and `NULL` for NULL: the form in which benchmark answers are published.
    pub const ANSWERS: Delimited = Delimited {
        delimiter: ',',
        null: "NULL",
    };

    /// Writes a header and all rows; nothing if the query fails before its first batch.
    pub fn write(self, out: &mut dyn Write, stream: ResultStream) -> Result<(), OutputError> {
        let types: Vec<_> = stream.fields().iter().map(|field| field.ty.clone()).collect();
        let names: Vec<_> = stream.fields().iter().map(|field| Some(field.name.clone())).collect();
        let mut line = String::new();
        self.push_line(&mut line, names.into_iter());
        for batch in stream {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                out.write_all(line.as_bytes())?;
                line.clear();
                let texts = batch.columns().iter().zip(&types);
                self.push_line(&mut line, texts.map(|(column, ty)| cells::text(column, row, ty)));
            }
        }
        Ok(out.write_all(line.as_bytes())?)
    }

    fn push_line(self, line: &mut String, texts: impl Iterator<Item = Option<String>>) {
        for (i, text) in texts.enumerate() {
            if i > 0 {
                line.push(self.delimiter);
            }
            match text {
                None => line.push_str(self.null),
                Some(text) => cells::write_field(line, &text, self.delimiter, self.null),
            }
        }
        line.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Delimited, texts: &[Option<&str>], expected: &str) {
        let mut line = String::new();
        format.push_line(&mut line, texts.iter().map(|text| text.map(str::to_string)));
        assert_eq!(line, expected);
    }

    #[test]
    fn null_and_empty_differ() {
        check(Delimited::CSV, &[Some("a,b"), None, Some("")], "\"a,b\",,\"\"\n");
        check(Delimited::ANSWERS, &[None, Some("NULL"), Some("")], "NULL,\"NULL\",\n");
        check(Delimited::TSV, &[Some("a,b"), Some("a\tb")], "a,b\t\"a\tb\"\n");
    }

    #[test]
    fn quotes_are_doubled() {
        check(
            Delimited::CSV,
            &[Some("say \"hi\"\nagain")],
            "\"say \"\"hi\"\"\nagain\"\n",
        );
    }
}
