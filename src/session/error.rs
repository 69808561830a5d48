//! The one error type of a session: what kind of thing went wrong, and the diagnostics that say so.
//!
//! `SELECT 1/0` fails with kind [`ErrorKind::User`] and one diagnostic of code `22012` that points at `1/0`.
//!
//! Invariants: at least one diagnostic; they are in the order of the script.
//!
//! Does not: render; see `gobi_grammar::render`.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::routines::Sources;
use crate::exec::{self, ExecError};
use crate::formats::FormatError;

/// What the caller can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Change the script or the data.
    User,
    /// Do without: the feature is not there.
    Unsupported,
    /// Try the transaction again.
    Conflict,
    /// Allow more memory or disk.
    Resource,
    /// Mend or replace the file that is named.
    Corrupt,
    /// Nothing: someone asked for it.
    Cancelled,
    /// Report it.
    Internal,
}

/// Why a script failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .diagnostics.first().map_or("", |first| &first.message))]
pub struct Error {
    /// What the caller can do next.
    pub kind: ErrorKind,
    /// What is wrong, and where in the script.
    pub diagnostics: Vec<Diagnostic>,
    /// The name of the exception, if the error was thrown under one.
    pub exception: Option<String>,
}

impl Error {
    /// An error with one diagnostic; its code decides the kind.
    pub fn new(diagnostic: Diagnostic) -> Self {
        Self::all(vec![diagnostic])
    }

    /// An error with several; the first one's code decides the kind.
    pub fn all(diagnostics: Vec<Diagnostic>) -> Self {
        let kind = kind_of(diagnostics.first().map_or("XX000", |first| first.code));
        Self {
            kind,
            diagnostics,
            exception: None,
        }
    }

    /// The same, with advice on the first diagnostic.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        if let Some(first) = self.diagnostics.first_mut() {
            first.help = Some(help.into());
        }
        self
    }

    /// A folder that has files in it, and is no database.
    pub fn no_database(folder: &std::path::Path) -> Self {
        let message = format!("`{}` is neither a database nor an empty folder", folder.display());
        Self::new(Diagnostic::new("3D000", Span::default(), message))
    }

    /// With places of the script that runs only.
    pub(super) fn resolved(mut self, sources: &super::routines::Sources, statement: Span) -> Self {
        let diagnostics = self.diagnostics.into_iter();
        self.diagnostics = diagnostics.map(|error| sources.resolve(error, statement)).collect();
        self
    }

    /// SQLSTATE of the first diagnostic.
    pub fn code(&self) -> &'static str {
        self.diagnostics.first().map_or("XX000", |first| first.code)
    }

    /// What execution reports; `statement` is where it is if execution does not know better.
    pub fn from_exec(error: ExecError, statement: Span) -> Self {
        let kind = match error.kind {
            exec::ErrorKind::User => ErrorKind::User,
            exec::ErrorKind::Unsupported => ErrorKind::Unsupported,
            exec::ErrorKind::Resource => ErrorKind::Resource,
            exec::ErrorKind::Corrupt => ErrorKind::Corrupt,
            exec::ErrorKind::Cancelled => ErrorKind::Cancelled,
            exec::ErrorKind::Internal => ErrorKind::Internal,
        };
        let advice = super::advice::of(error.code, &error.message).map(str::to_owned);
        let exception = error.exception.filter(|name| name != "P0001");
        let message = match &exception {
            Some(name) => format!("{name}: {}", error.message),
            None => error.message,
        };
        let mut diagnostic = Diagnostic::new(error.code, error.span.unwrap_or(statement), message);
        diagnostic.help = error.help.or(advice);
        Sources::set_calls(&mut diagnostic, &error.through);
        Self {
            kind,
            diagnostics: vec![diagnostic],
            exception,
        }
    }

    /// What a file reports, at the place that names the file.
    pub fn from_format(error: &FormatError, place: Span) -> Self {
        Self::new(Diagnostic::new(format_code(error), place, error.to_string()))
    }
}

/// The SQLSTATE of what can go wrong with a file.
pub fn format_code(error: &FormatError) -> &'static str {
    match error {
        FormatError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => "58P01",
        FormatError::Io { .. } => "58030",
        FormatError::NoMatch { .. } => "58P01",
        FormatError::Corrupt { .. } => "XX001",
        FormatError::Line { .. } => "22P04",
        FormatError::Unsupported { .. } => "0A000",
        FormatError::Option { .. } => "22023",
        FormatError::SchemaMismatch { .. } => "42804",
    }
}

fn kind_of(code: &str) -> ErrorKind {
    match code {
        "0A000" => ErrorKind::Unsupported,
        "40001" | "40P01" => ErrorKind::Conflict,
        "57014" => ErrorKind::Cancelled,
        "XX001" | "XX002" => ErrorKind::Corrupt,
        _ if code.starts_with("53") => ErrorKind::Resource,
        _ if code.starts_with("XX") => ErrorKind::Internal,
        _ => ErrorKind::User,
    }
}
