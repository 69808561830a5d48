//! Prints results: one file per family of formats.
//!
//! `SELECT 1 AS a` as csv is `a`, `1`; as json `[{"a":1}]`.
//!
//! Invariants: a stream is printed as its batches come, except that a table's first rows are kept to know its widths; after
//! an error of the query, what was printed before stays.
//!
//! Does not: run queries, or know which command prints.

mod binary;
mod delimited;
mod json;
mod table;

use std::io::{self, BufWriter, Stdout, Write};

pub use delimited::Delimited;

use super::args::Format;
use super::failure::Failure;
use super::meaning::Meaning;
use super::progress;
use crate::client::{Error, ResultStream};

/// Why a result was not printed to its end.
#[derive(Debug)]
pub enum OutputError {
    /// The query failed.
    Query(Error),
    /// The writer failed.
    Io(io::Error),
    /// The format cannot hold this.
    Message(String),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        OutputError::Io(error)
    }
}

impl From<Error> for OutputError {
    fn from(error: Error) -> Self {
        OutputError::Query(error)
    }
}

/// Standard output, in a format.
pub struct Output {
    format: Format,
    layout: table::Layout,
    results: u64,
    terminal: bool,
    writer: BufWriter<Stdout>,
}

impl Output {
    /// As the arguments and the terminal say.
    pub fn of(meaning: &Meaning) -> Result<Self, Failure> {
        Ok(Self {
            format: meaning.row_format()?,
            layout: table::Layout::of(meaning.stdout_terminal, meaning.stdout_color),
            results: 0,
            terminal: meaning.stdout_terminal,
            writer: BufWriter::with_capacity(1 << 16, io::stdout()),
        })
    }

    /// Prints a result while a progress bar is shown, or not, until the terminal is needed for the rows.
    pub fn rows(&mut self, stream: ResultStream, bar: progress::Guard) -> Result<(), OutputError> {
        let out = &mut self.writer;
        self.results += 1;
        let drawing = match self.format {
            Format::Table | Format::Text => Some(table::PLAIN),
            Format::Box => Some(table::BOX),
            Format::Markdown => Some(table::MARKDOWN),
            _ => None,
        };
        if let Some(drawing) = drawing {
            return table::write(out, stream, drawing, self.layout, bar);
        }
        let _bar = (!self.terminal).then_some(bar);
        match self.format {
            Format::Csv => Delimited::CSV.write(out, stream),
            Format::Tsv => Delimited::TSV.write(out, stream),
            Format::Json => json::write_array(out, stream),
            Format::Jsonl => json::write_lines(out, stream),
            Format::Arrow => binary::write_arrow(out, stream),
            Format::Parquet if self.results > 1 => Err(OutputError::Message(
                "a Parquet file holds one result, and this script has more".into(),
            )),
            _ => binary::write_parquet(out, stream),
        }
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.writer, "{text}")
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// The same, at the end.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}
