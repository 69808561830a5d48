//! JSON: one array of objects, or one object per line.
//!
//! `SELECT 1.50 AS a, NULL AS b` is `[{"a":1.50,"b":null}]`.
//!
//! Invariants: decimals and integers keep all their digits; what JSON has no number for is a string; keys of an object are
//! distinct.
//!
//! Does not: write the line protocol; see [`crate::cli::protocol`].

use std::io::Write;

use arrow::array::RecordBatch;

use super::OutputError;
use crate::client::{ResultStream, cells};

/// One array; every object on a line of its own.
pub fn write_array(out: &mut dyn Write, stream: ResultStream) -> Result<(), OutputError> {
    let mut before = "[";
    write_objects(stream, |object| {
        write!(out, "{before}{object}")?;
        before = ",\n ";
        Ok(())
    })?;
    Ok(out.write_all(if before == "[" { b"[]\n" } else { b"]\n" })?)
}

/// One object per line.
pub fn write_lines(out: &mut dyn Write, stream: ResultStream) -> Result<(), OutputError> {
    write_objects(stream, |object| Ok(writeln!(out, "{object}")?))
}

fn write_objects(
    stream: ResultStream,
    mut write: impl FnMut(&str) -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    let fields = stream.fields().to_vec();
    let names = cells::distinct_names(fields.iter().map(|field| field.name.clone()));
    let keys: Vec<String> = names.iter().map(|name| key(name)).collect();
    let mut object = String::new();
    for batch in stream {
        let batch: RecordBatch = batch?;
        for row in 0..batch.num_rows() {
            object.clear();
            for (i, column) in batch.columns().iter().enumerate() {
                object.push(if i == 0 { '{' } else { ',' });
                object.push_str(&keys[i]);
                cells::write_json(&mut object, column, row, &fields[i].ty);
            }
            object.push('}');
            write(&object)?;
        }
    }
    Ok(())
}

fn key(name: &str) -> String {
    let mut text = String::new();
    cells::write_string(&mut text, name);
    text + ":"
}
