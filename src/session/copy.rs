//! `COPY (query) TO 'file'`: a query whose batches go to a file.
//!
//! `COPY (SELECT 1 AS a) TO 'a.csv'` streams one batch into a temporary file beside `a.csv` and renames it.
//!
//! Invariants: the target is either as it was or complete; a query that fails half way leaves it as it was.
//!
//! Does not: know how a format is written.

use std::path::Path;

use gobi_grammar::ast::{Copy, Expr, Ident, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::{Error, Phases, Session, StatementResult, script, statement};
use crate::formats::{self, FormatError, WriteError, WriteOptions};

/// Runs the query into the file.
pub fn run(
    session: &mut Session,
    copy: &Copy,
    dialect: Dialect,
    phases: Phases,
    span: Span,
) -> Result<StatementResult, Error> {
    let mut options = WriteOptions::default();
    for (name, value) in &copy.options {
        set_option(&mut options, name, value)?;
    }
    let stream = statement::query_stream(session, &copy.source, dialect, phases, span)?.outside();
    let schema = stream.schema();
    let rows = formats::write(stream, &schema, Path::new(&copy.target), &options);
    rows.map(StatementResult::RowsAffected).map_err(|error| match error {
        WriteError::Source(error) => error,
        WriteError::Format(FormatError::Io { path, source }) => {
            let message = format!("cannot write `{path}`: {source}");
            Error::new(Diagnostic::new("58030", copy.target_span, message))
        }
        WriteError::Format(error) => Error::from_format(&error, copy.target_span),
    })
}

/// `DELIMITER '|'` sets the option `delimiter` to `|`.
fn set_option(options: &mut WriteOptions, name: &Ident, value: &Expr) -> Result<(), Error> {
    let invalid = |message: String| Error::new(Diagnostic::new("22023", value.span, message));
    let text = script::value_text(value)
        .ok_or_else(|| invalid(format!("the option `{}` takes a word, a string or a number", name.text)))?;
    options
        .set(&name.text, &text)
        .map_err(|error| Error::from_format(&error, name.span))
}
