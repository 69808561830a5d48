//! Why the program ends without success, and what its exit code is.
//!
//! `gobi -c "SELECT"` prints a diagnostic and ends with 1; `gobi --format xml` prints a usage message and ends with 2;
//! `gobi … | head -1` ends with 0 when `head` goes away.
//!
//! Invariants: every failure is reported once, on standard error.
//!
//! Does not: decide what is a failure.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Why the program ends without success.
#[derive(Debug)]
pub enum Failure {
    /// A script failed; its diagnostics are printed already.
    Reported,
    /// The arguments make no sense together, or name something that is not there.
    Usage(String),
    /// Something else failed, in one sentence.
    Message(String),
    /// Standard output or another file failed.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl Failure {
    /// Says what has not been said, and gives the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Reported => ExitCode::from(1),
            Failure::Usage(message) => say(&format!("error: {message}\n\nFor more information, try '--help'."), 2),
            Failure::Message(message) => say(&format!("error: {message}"), 1),
            Failure::Io(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Failure::Io(error) => say(&format!("error: {error}"), 1),
        }
    }
}

/// What clap has to say: help and version are no failures.
pub fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is no error here either.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn say(message: &str, code: u8) -> ExitCode {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
