//! From text to syntax tree.
//!
//! `SELECT 1; SELEC 2` gives one statement and one diagnostic, which suggests `SELECT`.
//!
//! Invariants: no input makes it panic; the grammar sees one statement's text at a time once there is an error.
//!
//! Does not: resolve names.

mod expr;
mod literal;
mod operand;
mod query;
pub(crate) mod rules;
mod select;
mod statement;
mod tree;
mod words;

use pest::Parser as _;

use self::operand::unquote;
use self::rules::{Rule, Script};
use self::tree::Node;
use crate::ast::{Ident, Span};
use crate::scan::{self, Kind, Token};
use crate::{Diagnostic, Dialect, Parsed};

/// Parses a whole script: all statements, all errors.
pub fn parse(script: &str, dialect: Dialect) -> Parsed {
    let tokens = scan::tokens(script, dialect);
    let text = scan::blanked(script, &tokens);
    let mut parsed = Parsed::default();
    let is_mark = |token: &&Token| token.kind == Kind::Parameter && script.get(token.start..token.end) == Some("?");
    let marks: Vec<usize> = tokens.iter().filter(is_mark).map(|token| token.start).collect();
    let mut builder = Builder {
        base: 0,
        dialect,
        marks: &marks,
        unsupported: None,
        diagnostics: Vec::new(),
    };
    match Script::parse(Rule::script, &text) {
        Ok(pairs) => {
            for pair in pairs.flat_map(|script| script.into_inner()) {
                if pair.as_rule() != Rule::EOI {
                    builder.statement(pair, &mut parsed.statements);
                }
            }
        }
        Err(error) => {
            builder
                .diagnostics
                .push(Diagnostic::new("42601", Span::new(0, 0), error.to_string()));
        }
    }
    parsed.diagnostics = builder.diagnostics;
    parsed
}

/// Turns pest's tree of one piece of text into syntax trees.
struct Builder<'a> {
    /// Where the piece begins in the script.
    base: usize,
    dialect: Dialect,
    /// Where each `?` stands in the script.
    marks: &'a [usize],
    /// The first clause of the current statement that has no node in the tree.
    unsupported: Option<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn span(&self, node: &Node<'_>) -> Span {
        let span = node.as_span();
        let start = self.base + span.start();
        // pest's spans may end in the spaces before an optional part that is not there.
        Span::new(start, start + span.as_str().trim_end().len())
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, span, message));
    }

    /// Adds help to the latest error.
    fn help(&mut self, help: impl Into<String>) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.help = Some(help.into());
        }
    }

    /// Marks the whole statement as one that cannot be run yet.
    fn odd(&mut self, feature: &str) {
        self.unsupported.get_or_insert_with(|| feature.to_owned());
    }

    fn ident(&self, node: &Node<'_>) -> Ident {
        let span = self.span(node);
        let text = node.as_str();
        let quoted = matches!(node.as_rule(), Rule::backtick | Rule::dquoted | Rule::squoted);
        let text = if quoted {
            unquote(text)
        } else {
            text.trim_end().to_owned()
        };
        Ident { text, quoted, span }
    }

    /// The number of a `?`, or the name behind `$`.
    fn parameter(&self, text: &str, span: Span) -> String {
        match text.strip_prefix('$') {
            Some(name) => name.to_owned(),
            None => {
                let place = usize::try_from(span.start).unwrap_or(usize::MAX);
                (self.marks.partition_point(|mark| *mark < place) + 1).to_string()
            }
        }
    }
}
