//! CSV output that reads back as it was: NULL is an empty field, the empty string is `""`.
//!
//! The row `(1, NULL, "a, b", "")` becomes `1,,"a, b",""`.
//!
//! Invariants: a field is quoted if it is empty or holds the delimiter, a quote or a line end; values are written as they are shown
//! everywhere else.
//!
//! Does not: format numbers for people.

use arrow::array::RecordBatch;

use super::{Columns, Failure, Out, Sink};
use crate::types::text::{write_field, write_text};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 16;

/// Writes lines.
pub(super) struct CsvSink<'a> {
    out: Out<'a>,
    delimiter: char,
    buffer: String,
    columns: Columns,
}

impl<'a> CsvSink<'a> {
    /// Writes the header at once.
    pub(super) fn new(out: Out<'a>, columns: Columns, delimiter: u8, header: bool) -> Self {
        let delimiter = char::from(delimiter);
        let mut buffer = String::with_capacity(BUFFER_BYTES);
        if header {
            for (i, (name, _)) in columns.iter().enumerate() {
                if i > 0 {
                    buffer.push(delimiter);
                }
                write_field(&mut buffer, name, delimiter, "");
            }
            buffer.push('\n');
        }
        Self {
            out,
            delimiter,
            buffer,
            columns,
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.write_all(self.buffer.as_bytes()).map_err(Failure::Io)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Sink for CsvSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (i, (array, (_, ty))) in batch.columns().iter().zip(&self.columns).enumerate() {
                if i > 0 {
                    self.buffer.push(self.delimiter);
                }
                text.clear();
                if write_text(&mut text, array, row, ty) {
                    write_field(&mut self.buffer, &text, self.delimiter, "");
                }
            }
            self.buffer.push('\n');
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.flush()
    }
}
