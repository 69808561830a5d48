//! `gobi -c SQL`, `gobi run FILE`: scripts from first statement to last.
//!
//! `gobi -c "SELECT 1; SELECT 2"` prints two results; if the first fails, the second does not run.
//!
//! Invariants: rows go to standard output as they come; rows affected and diagnostics to standard error.
//!
//! Does not: choose formats.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use super::failure::Failure;
use super::meaning::Meaning;
use super::output::{Output, OutputError};
use super::source::Source;
use super::{interrupt, progress};
use crate::client::{Error, Session, StatementResult};

/// Scripts given as text, one after the other in one session.
pub fn run_texts(meaning: &Meaning, texts: &[OsString]) -> Result<(), Failure> {
    let load = |text: &OsString| Source::argument(meaning, text);
    run_sources(meaning, texts.iter().map(load))
}

/// Scripts from files, one after the other in one session.
pub fn run_files(meaning: &Meaning, files: &[PathBuf]) -> Result<(), Failure> {
    let load = |file: &PathBuf| Source::file(meaning, file);
    run_sources(meaning, files.iter().map(load))
}

fn run_sources(meaning: &Meaning, sources: impl Iterator<Item = Result<Source, Failure>>) -> Result<(), Failure> {
    let mut output = Output::of(meaning)?;
    let mut session = meaning.client().session();
    for source in sources {
        let source = source?;
        let done = run_statements(meaning, &mut session, &mut output, &source);
        session.end_jobs();
        tell_notices(meaning, &mut session, &source);
        done?;
    }
    Ok(output.finish()?)
}

/// Runs one script and prints its results.
pub fn run_script(
    meaning: &Meaning,
    session: &mut Session,
    output: &mut Output,
    source: &Source,
) -> Result<(), Failure> {
    let done = run_statements(meaning, session, output, source);
    tell_notices(meaning, session, source);
    done
}

/// Prints what is to be told beside results.
pub(super) fn tell_notices(meaning: &Meaning, session: &mut Session, source: &Source) {
    let notices = session.notices();
    if !notices.is_empty() {
        source.report(meaning, &Error::all(notices));
    }
}

fn run_statements(
    meaning: &Meaning,
    session: &mut Session,
    output: &mut Output,
    source: &Source,
) -> Result<(), Failure> {
    let _guard = interrupt::guard(session.interrupt());
    for result in session.execute(&source.text) {
        let shown = match result {
            Ok(StatementResult::Rows(stream)) => {
                let handle = stream.progress().filter(|_| meaning.stderr_terminal);
                let bar = progress::watch(handle);
                let affected = stream.rows_affected();
                let shown = output.rows(stream, bar);
                shown.and_then(|()| affected.map_or(Ok(()), tell_affected).map_err(OutputError::Io))
            }
            Ok(StatementResult::RowsAffected(rows)) => tell_affected(rows).map_err(OutputError::Io),
            Ok(StatementResult::Done) => Ok(()),
            Err(error) => Err(OutputError::Query(error)),
        };
        match shown {
            Ok(()) => {}
            Err(OutputError::Io(error)) => return Err(Failure::Io(error)),
            Err(OutputError::Message(message)) => return Err(Failure::Message(message)),
            Err(OutputError::Query(error)) => {
                output.flush()?;
                return Err(source.fail(meaning, &error));
            }
        }
    }
    output.flush()?;
    Ok(())
}

/// Standard output is for rows.
pub(super) fn tell_affected(rows: u64) -> std::io::Result<()> {
    let plural = if rows == 1 { "" } else { "s" };
    writeln!(std::io::stderr(), "{rows} row{plural} written")
}
