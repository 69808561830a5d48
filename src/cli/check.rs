//! `gobi check`: all errors and warnings of scripts, for editors and gates; nothing is run.
//!
//! `echo 'select 1 + x' | gobi check -` prints the error as a run would, and ends with 1; `--format json` prints an array of objects.
//!
//! Invariants: every file is looked at, each with a session of its own; warnings alone are success.
//!
//! Does not: look for errors; the session does.

use std::io::Write;

use gobi_grammar::Diagnostic;
use gobi_grammar::render::line_col;
use serde_json::{Value, json};

use super::args::{Check, Format};
use super::failure::Failure;
use super::meaning::Meaning;
use super::source::Source;
use crate::client::Error;

/// Checks files, or standard input.
pub fn run(meaning: &Meaning, args: &Check) -> Result<(), Failure> {
    let as_json = json_wanted(meaning, "check")?;
    let mut shown = Vec::new();
    let mut failed = false;
    for path in &args.files {
        let source = Source::file(meaning, path)?;
        let found = meaning.client().session().with_scratch().check(&source.text);
        failed |= found.iter().any(|diagnostic| !diagnostic.is_warning());
        match as_json {
            true => shown.extend(found.iter().map(|diagnostic| object(&source, diagnostic))),
            false if found.is_empty() => {}
            false => source.report(meaning, &Error::all(found)),
        }
    }
    if as_json {
        writeln!(std::io::stdout(), "{:#}", Value::Array(shown))?;
    }
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// Whether `--format json` was typed; no other format is one of text.
pub fn json_wanted(meaning: &Meaning, command: &str) -> Result<bool, Failure> {
    match meaning.format {
        None | Some(Format::Text) => Ok(false),
        Some(Format::Json) => Ok(true),
        Some(_) => {
            let message = format!("{command} takes `--format text` or `--format json`");
            Err(Failure::Usage(message))
        }
    }
}

/// A diagnostic as an editor wants it; lines and columns count from 1.
pub fn object(source: &Source, diagnostic: &Diagnostic) -> Value {
    let span = diagnostic.span();
    let (line, column) = line_col(&source.text, span.start as usize);
    let (end_line, end_column) = line_col(&source.text, span.end as usize);
    json!({
        "file": source.file,
        "severity": if diagnostic.is_warning() { "warning" } else { "error" },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "help": diagnostic.help,
    })
}
