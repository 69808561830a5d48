//! CSV output that reads back as it was: NULL is an empty field, the empty string is `""`.
//!
//! The row `(1, NULL, "a, b", "")` becomes `1,,"a, b",""`.
//!
//! Invariants: a field is quoted if it is empty or holds the delimiter, a quote or a line end.
//!
//! Does not: format numbers for people.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Failure, Out, Sink};
use crate::types::arrow::from_arrow;
use crate::types::{LogicalType, cell};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 16;

/// Writes lines.
pub(super) struct CsvSink<'a> {
    out: Out<'a>,
    delimiter: u8,
    buffer: Vec<u8>,
    /// Types of the columns that are arrays or structs, which are written as they are shown.
    nested: Vec<Option<LogicalType>>,
}

impl<'a> CsvSink<'a> {
    /// Writes the header at once.
    pub(super) fn new(out: Out<'a>, schema: &Schema, delimiter: u8, header: bool) -> Result<Self, Failure> {
        let mut sink = Self {
            out,
            delimiter,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            nested: schema.fields().iter().map(|field| nested_type(field)).collect(),
        };
        if header {
            for (i, field) in schema.fields().iter().enumerate() {
                sink.separate(i);
                sink.text(field.name());
            }
            sink.buffer.push(b'\n');
        }
        Ok(sink)
    }

    fn separate(&mut self, column: usize) {
        if column > 0 {
            self.buffer.push(self.delimiter);
        }
    }

    fn text(&mut self, text: &str) {
        let special = |byte: &u8| *byte == self.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
        if !text.is_empty() && !text.as_bytes().iter().any(special) {
            return self.buffer.extend_from_slice(text.as_bytes());
        }
        self.buffer.push(b'"');
        for (i, part) in text.split('"').enumerate() {
            if i > 0 {
                self.buffer.extend_from_slice(b"\"\"");
            }
            self.buffer.extend_from_slice(part.as_bytes());
        }
        self.buffer.push(b'"');
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.write_all(&self.buffer).map_err(Failure::Io)?;
        self.buffer.clear();
        Ok(())
    }
}

fn nested_type(field: &Field) -> Option<LogicalType> {
    from_arrow(field.data_type()).filter(LogicalType::is_nested)
}

impl Sink for CsvSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let options = FormatOptions::default();
        let columns = batch
            .columns()
            .iter()
            .map(|array| ArrayFormatter::try_new(array, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Failure::from_library)?;
        let nulls: Vec<_> = batch.columns().iter().map(|array| array.logical_nulls()).collect();
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (i, (column, nulls)) in columns.iter().zip(&nulls).enumerate() {
                self.separate(i);
                let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                if let Some(ty) = self.nested[i].as_ref().filter(|_| valid) {
                    let text = cell::value(batch.column(i), row).display(ty);
                    self.text(&text);
                } else if valid {
                    text.clear();
                    let written = column.value(row).write(&mut text);
                    written.map_err(|_| Failure::Unsupported("a value of this type in CSV".into()))?;
                    self.text(&text);
                }
            }
            self.buffer.push(b'\n');
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
