//! The text of a script, and where it came from.
//!
//! A file that is not UTF-8 gives a `22021` diagnostic that points at its first bad byte.
//!
//! Invariants: the text is valid UTF-8.
//!
//! Does not: parse.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::failure::Failure;
use super::meaning::Meaning;
use crate::client::Error;

/// A script.
#[derive(Clone, Debug)]
pub struct Source {
    /// File name for diagnostics; `None` for text from the command line or the prompt.
    pub file: Option<String>,
    /// The script.
    pub text: String,
    /// Lines that came before it, and have run.
    pub lines_before: usize,
}

impl Source {
    /// Text that is known to be good.
    pub fn text(text: &str) -> Self {
        Self {
            file: None,
            text: text.to_string(),
            lines_before: 0,
        }
    }

    /// An argument.
    pub fn argument(meaning: &Meaning, text: &OsStr) -> Result<Self, Failure> {
        Self::of_bytes(meaning, None, text.as_encoded_bytes().to_vec())
    }

    /// A file; `-` is standard input.
    pub fn file(meaning: &Meaning, path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        if name == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            return Self::of_bytes(meaning, None, bytes);
        }
        let bytes = std::fs::read(path).map_err(|error| Failure::Usage(format!("cannot read `{name}`: {error}")))?;
        Self::of_bytes(meaning, Some(name), bytes)
    }

    /// What came through a pipe.
    pub fn bytes(meaning: &Meaning, bytes: Vec<u8>) -> Result<Self, Failure> {
        Self::of_bytes(meaning, None, bytes)
    }

    fn of_bytes(meaning: &Meaning, file: Option<String>, bytes: Vec<u8>) -> Result<Self, Failure> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => {
                return Ok(Self {
                    file,
                    text,
                    lines_before: 0,
                });
            }
            Err(error) => error,
        };
        let start = error.utf8_error().valid_up_to();
        let source = Self {
            file,
            text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            lines_before: 0,
        };
        let span = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8());
        let diagnostic = Diagnostic::new("22021", span, "the script is not UTF-8: this byte cannot stand here");
        Err(source.fail(meaning, &Error::new(diagnostic)))
    }

    /// Prints an error's diagnostics on standard error.
    pub fn report(&self, meaning: &Meaning, error: &Error) {
        // The lines before it count.
        let lines = "\n".repeat(self.lines_before);
        let mut diagnostics = error.diagnostics.clone();
        for label in diagnostics.iter_mut().flat_map(|diagnostic| &mut diagnostic.labels) {
            let moved = |at: u32| at as usize + lines.len();
            label.span = Span::new(moved(label.span.start), moved(label.span.end));
        }
        let text = gobi_grammar::render::render(
            &(lines + &self.text),
            self.file.as_deref(),
            &diagnostics,
            meaning.stderr_color,
        );
        // Nobody is left to tell if standard error is closed.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }

    /// Prints an error, and is one.
    pub fn fail(&self, meaning: &Meaning, error: &Error) -> Failure {
        self.report(meaning, error);
        Failure::Reported
    }
}
