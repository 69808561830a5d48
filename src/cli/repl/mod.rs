//! `gobi repl`: statements from the prompt, from a pipe, or as the line protocol.
//!
//! On a terminal `FROM [1,` waits for more; `2]` completes it, and its rows are printed. From a pipe each statement runs as soon as it is
//! complete. `--format json` without a terminal is the line protocol of [`super::protocol`].
//!
//! Invariants: an error ends the statement, not the session; Ctrl-C cancels a running query; at the prompt it clears
//! the line, and a second one leaves.
//!
//! Does not: parse; what is complete, and what is coloured how, the grammar says.

mod complete;
mod editor;

use std::io::{self, BufRead};

use reedline::Signal;

use super::args::Format;
use super::failure::Failure;
use super::meaning::Meaning;
use super::output::Output;
use super::source::Source;
use super::{protocol, script};
use crate::client::Session;

const HELP: &str = "\
Statements end with a semicolon and may span lines; their rows are printed at once.
  .help          this text
  .tables        SHOW TABLES
  .settings      SHOW ALL
  .quit, Ctrl-D  leave
Tab completes keywords, tables, columns and, inside quotes, files.";

/// Reads statements until the input ends.
pub fn run(meaning: &Meaning) -> Result<(), Failure> {
    match (meaning.stdin_terminal, meaning.format) {
        (false, Some(Format::Json)) => protocol::run(meaning),
        (false, _) => from_pipe(meaning),
        (true, _) => from_terminal(meaning),
    }
}

/// Statements from a pipe: one that fails does not stop the next, but the exit code remembers.
fn from_pipe(meaning: &Meaning) -> Result<(), Failure> {
    let mut output = Output::of(meaning)?;
    let mut session = meaning.client().session();
    let mut input = io::stdin().lock();
    let mut failed = false;
    let mut pending = Vec::new();
    let mut lines_before = 0;
    loop {
        let ended = input.read_until(b'\n', &mut pending)? == 0;
        let complete = std::str::from_utf8(&pending).map_or(true, |text| is_finished(meaning, text));
        if !ended && !complete {
            continue;
        }
        let lines = pending.iter().filter(|byte| **byte == b'\n').count();
        let result = Source::bytes(meaning, std::mem::take(&mut pending)).and_then(|mut source| {
            source.lines_before = lines_before;
            script::run_script(meaning, &mut session, &mut output, &source)
        });
        lines_before += lines;
        match result {
            Ok(()) => {}
            Err(Failure::Reported) => failed = true,
            Err(other) => return Err(other),
        }
        if ended {
            break;
        }
    }
    leave(meaning, &mut session);
    output.finish()?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// Without a terminal a statement runs when its semicolon is there: the next line could still belong to it otherwise.
fn is_finished(meaning: &Meaning, text: &str) -> bool {
    text.trim_end().ends_with(';') && gobi_grammar::is_complete(text, meaning.settings.dialect)
}

fn from_terminal(meaning: &Meaning) -> Result<(), Failure> {
    let mut output = Output::of(meaning)?;
    let mut session = meaning.client().session();
    let done = prompt(meaning, &mut session, &mut output);
    leave(meaning, &mut session);
    done
}

/// Waits for what the session has begun, and tells what failed of it.
fn leave(meaning: &Meaning, session: &mut Session) {
    session.end_jobs();
    script::tell_notices(meaning, session, &Source::text(""));
}

fn prompt(meaning: &Meaning, session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let mut editor = editor::Editor::new(meaning.settings.dialect, meaning.stdout_color);
    output.line(&format!("gobi {}, .help for help", env!("CARGO_PKG_VERSION")))?;
    output.flush()?;
    let mut leaving = false;
    loop {
        editor.offer(session.names());
        let line = match editor.read()? {
            Signal::Success(line) => line,
            Signal::CtrlC if leaving => return Ok(()),
            Signal::CtrlC => {
                leaving = true;
                output.line("press Ctrl-C again to leave")?;
                output.flush()?;
                continue;
            }
            Signal::CtrlD => return Ok(()),
            _ => continue,
        };
        leaving = false;
        match line.trim() {
            "" => {}
            ".quit" | ".exit" | "quit" | "exit" => return Ok(()),
            ".help" => output.line(HELP)?,
            ".tables" => execute(meaning, session, output, "SHOW TABLES")?,
            ".settings" => execute(meaning, session, output, "SHOW ALL")?,
            _ => execute(meaning, session, output, &line)?,
        }
        output.flush()?;
    }
}

fn execute(meaning: &Meaning, session: &mut Session, output: &mut Output, text: &str) -> Result<(), Failure> {
    match script::run_script(meaning, session, output, &Source::text(text)) {
        Err(Failure::Reported) => Ok(()),
        other => other,
    }
}
