//! What the global arguments mean here and now.
//!
//! No `--format` means `box` if standard output is a terminal and `table` if not; `--color auto` means colours on a terminal
//! unless `NO_COLOR` is set.
//!
//! Invariants: the only place that asks whether something is a terminal.
//!
//! Does not: parse arguments, or print.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::args::{Color, Format, Globals};
use super::failure::Failure;
use crate::client::{Client, JitMode, Settings};

/// What the global arguments mean.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// Tables' folder.
    pub folder: Option<PathBuf>,
    /// As typed.
    pub format: Option<Format>,
    /// Settings that sessions start with.
    pub settings: Settings,
    /// Standard input is a terminal.
    pub stdin_terminal: bool,
    /// Standard output is a terminal.
    pub stdout_terminal: bool,
    /// Standard error is a terminal.
    pub stderr_terminal: bool,
    /// Colours on standard output.
    pub stdout_color: bool,
    /// Colours on standard error.
    pub stderr_color: bool,
}

impl Meaning {
    /// Looks at the arguments, the terminal and the environment.
    pub fn of(globals: &Globals, jit: Option<JitMode>) -> Self {
        let mut settings = Settings::default();
        settings.threads = globals.threads.unwrap_or(settings.threads);
        settings.memory_limit_bytes = globals.memory_limit.unwrap_or(settings.memory_limit_bytes);
        settings.jit = jit.unwrap_or(settings.jit);
        settings.dialect = globals.dialect.unwrap_or(settings.dialect);
        let stdout_terminal = std::io::stdout().is_terminal();
        let stderr_terminal = std::io::stderr().is_terminal();
        let color = |terminal: bool| match globals.color {
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Color::Always => true,
            Color::Never => false,
        };
        Self {
            folder: globals.folder.clone(),
            format: globals.format,
            settings,
            stdin_terminal: std::io::stdin().is_terminal(),
            stdout_terminal,
            stderr_terminal,
            stdout_color: color(stdout_terminal),
            stderr_color: color(stderr_terminal),
        }
    }

    /// An engine of our own.
    pub fn client(&self) -> Client {
        Client::embedded(self.settings.clone(), self.folder.clone())
    }

    /// How rows are printed.
    pub fn row_format(&self) -> Result<Format, Failure> {
        match self.format {
            Some(Format::Text) => Err(Failure::Usage("`--format text` is for explain".into())),
            Some(Format::Arrow | Format::Parquet) if self.stdout_terminal => Err(Failure::Usage(
                "this format is binary: send standard output to a file".into(),
            )),
            Some(format) => Ok(format),
            None if self.stdout_terminal => Ok(Format::Box),
            None => Ok(Format::Table),
        }
    }
}
