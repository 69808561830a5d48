//! JSON output that reads back as it was: an array of objects, or an object per line.
//!
//! The row `(1.50, NULL, DATE '1994-01-01')` becomes `{"a":1.50,"b":null,"c":"1994-01-01"}`.
//!
//! Invariants: numbers keep all their digits; doubles that JSON has no number for are the words `NaN`, `Infinity` and `-Infinity`,
//! so that they do not turn into NULLs or strings; keys of an object are distinct.
//!
//! Does not: indent.

use arrow::array::RecordBatch;

use super::{Columns, Failure, Out, Sink};
use crate::types::LogicalType;
use crate::types::text::{NonFinite, distinct_names, write_json, write_string};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 16;

/// Writes objects.
pub(super) struct JsonSink<'a> {
    out: Out<'a>,
    /// Whether they stand in an array.
    array: bool,
    first: bool,
    buffer: String,
    /// What stands before each value, `{"a":` or `,"b":`, and its type.
    columns: Vec<(String, LogicalType)>,
}

impl<'a> JsonSink<'a> {
    /// Nothing is written yet.
    pub(super) fn new(out: Out<'a>, columns: Columns, array: bool) -> Self {
        let (names, types): (Vec<String>, Vec<LogicalType>) = columns.into_iter().unzip();
        let columns = distinct_names(names).into_iter().zip(types);
        let key = |(i, (name, ty)): (usize, (String, LogicalType))| {
            let mut key = String::from(if i == 0 { "{" } else { "," });
            write_string(&mut key, &name);
            key.push(':');
            (key, ty)
        };
        Self {
            out,
            array,
            first: true,
            buffer: String::with_capacity(BUFFER_BYTES),
            columns: columns.enumerate().map(key).collect(),
        }
    }

    fn begin(&mut self) {
        match (self.array, std::mem::take(&mut self.first)) {
            (true, true) => self.buffer.push('['),
            (true, false) => self.buffer.push_str(",\n "),
            (false, true) => {}
            (false, false) => self.buffer.push('\n'),
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.write_all(self.buffer.as_bytes()).map_err(Failure::Io)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Sink for JsonSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        for row in 0..batch.num_rows() {
            self.begin();
            for (array, (key, ty)) in batch.columns().iter().zip(&self.columns) {
                self.buffer.push_str(key);
                write_json(&mut self.buffer, array, row, ty, NonFinite::Bare);
            }
            self.buffer.push('}');
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.buffer.push_str(match (self.array, self.first) {
            (true, true) => "[]\n",
            (true, false) => "]\n",
            (false, true) => "",
            (false, false) => "\n",
        });
        self.flush()
    }
}
