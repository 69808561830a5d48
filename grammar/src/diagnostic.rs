//! What is wrong with a script, where, and what would help.
//!
//! A diagnostic is data; the command line, the line protocol and the network endpoints each render it.
//!
//! Invariants: `message` is lowercase without a full stop and puts names in backticks; the first label is the
//! place that the error is about.
//!
//! Does not: know about terminals or colours.

use crate::ast::Span;

/// One error in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Five-character SQLSTATE, such as `42601` (syntax error) or `0A000` (feature not supported).
    pub code: &'static str,
    /// One lowercase sentence.
    pub message: String,
    /// Places, the main one first.
    pub labels: Vec<Label>,
    /// What to do about it, such as ``did you mean `l_orderkey`?``.
    pub help: Option<String>,
}

/// A place in the script and what is to be said about it.
#[derive(Clone, Debug, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// Shown beside the caret; may be empty.
    pub text: String,
}

/// Two places with the same text are two labels, though trees are the same wherever they stand.
impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        (self.span.start, self.span.end, &self.text) == (other.span.start, other.span.end, &other.text)
    }
}

impl Diagnostic {
    /// An error at `span`.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            labels: vec![Label {
                span,
                text: String::new(),
            }],
            help: None,
        }
    }

    /// Adds a help line.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the text beside the main caret.
    #[must_use]
    pub fn with_label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Whether it is only worth a look: class 01 of the codes.
    pub fn is_warning(&self) -> bool {
        self.code.starts_with("01")
    }

    /// Where the error is.
    pub fn span(&self) -> Span {
        self.labels.first().map(|label| label.span).unwrap_or_default()
    }
}
