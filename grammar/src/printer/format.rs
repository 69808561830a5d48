//! `gobi fmt`: the user's own tokens, laid out anew.
//!
//! `select a,b from t -- all` becomes
//!
//! ```text
//! SELECT a, b
//! FROM t; -- all
//! ```
//!
//! Invariants: the sequence of tokens is kept but for semicolons and the case of keywords, so the meaning is too; every
//! comment is kept, in the same gap between two tokens; formatting twice gives the same text as once.
//!
//! Does not: touch a statement that the grammar only recognises by its first words.

use std::borrow::Cow;

use pest::Parser as _;

use super::events::{Closed, Tree, closes, is_left};
use super::layout::lay_out;
use crate::ast::Statement;
use crate::parser::lines::{ends, separate};
use crate::parser::on_deep_stack;
use crate::parser::rules::{Rule, Script};
use crate::scan::{self, Kind, Token};
use crate::{Diagnostic, Dialect, parser};

/// Lays a script out; its errors, if it has any.
pub fn format(script: &str, dialect: Dialect) -> Result<String, Vec<Diagnostic>> {
    let parsed = parser::parse(script, dialect);
    if !parsed.diagnostics.is_empty() {
        return Err(parsed.diagnostics);
    }
    let depth = parser::depth(script, dialect);
    Ok(
        on_deep_stack(depth, || Formatter::new(script, dialect).run(&parsed.statements))
            .unwrap_or_else(|| script.to_owned()),
    )
}

struct Formatter<'a> {
    script: &'a str,
    /// Comments blanked out.
    text: String,
    tokens: Vec<Token>,
    out: String,
    /// The end of what has been written, in the script.
    done: usize,
}

impl<'a> Formatter<'a> {
    fn new(script: &'a str, dialect: Dialect) -> Self {
        let tokens = scan::tokens(script, dialect);
        let text = scan::blanked(script, &tokens);
        Self {
            script,
            text,
            tokens,
            out: String::new(),
            done: 0,
        }
    }

    fn run(mut self, statements: &[Statement]) -> String {
        for statement in statements {
            let start = usize::try_from(statement.span.start).unwrap_or(usize::MAX);
            let end = usize::try_from(statement.span.end).unwrap_or(usize::MAX);
            self.gap(start);
            self.break_line(start);
            let text = self.statement(statement, start, end);
            self.out.push_str(&text);
            self.done = end;
        }
        self.gap(self.script.len());
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    /// The comments between what is done and the byte `until`.
    fn gap(&mut self, until: usize) {
        let comments = self
            .tokens_between(self.done, until)
            .into_iter()
            .filter(|token| token.kind == Kind::Comment);
        for comment in comments {
            let text = self
                .script
                .get(comment.start..comment.end)
                .unwrap_or_default()
                .trim_end();
            let own_line = self.newlines(self.done, comment.start) > 0;
            if own_line || self.out.is_empty() {
                self.break_line(comment.start);
            } else {
                self.out.push(' ');
            }
            self.out.push_str(text);
            self.done = comment.end;
        }
    }

    /// Begins a new line, after a blank one if the script has one here.
    fn break_line(&mut self, until: usize) {
        if self.out.is_empty() {
            return;
        }
        self.out.push('\n');
        if self.newlines(self.done, until) > 1 {
            self.out.push('\n');
        }
    }

    fn newlines(&self, from: usize, to: usize) -> usize {
        self.script
            .get(from..to)
            .unwrap_or_default()
            .bytes()
            .filter(|&byte| byte == b'\n')
            .count()
    }

    fn tokens_between(&self, from: usize, to: usize) -> Vec<Token> {
        let first = self.tokens.partition_point(|token| token.start < from);
        let last = self.tokens.partition_point(|token| token.end <= to);
        self.tokens.get(first..last).unwrap_or_default().to_vec()
    }

    /// A statement, with its semicolon if it takes one.
    fn statement(&self, statement: &Statement, start: usize, end: usize) -> String {
        let source = self.script.get(start..end).unwrap_or_default();
        let text = self.text.get(start..end).map(settled);
        let parsed = text.as_deref().map(|text| Script::parse(Rule::single, text));
        let node = match parsed {
            Some(Ok(mut pairs)) if !is_left(&statement.kind) => {
                pairs.next().and_then(|single| single.into_inner().next())
            }
            _ => None,
        };
        let Some(node) = node else {
            let ends_by_block = source.ends_with('}');
            let semicolon = self.wants_semicolon(if ends_by_block { Closed::Value } else { Closed::No }, end);
            return format!("{source}{}", if semicolon { ";" } else { "" });
        };
        let semicolon = self.wants_semicolon(closes(&node), end);
        let mut tree = Tree::new(self.script, start, self.tokens_between(start, end));
        tree.statement(node);
        lay_out(&tree.finish(semicolon))
    }

    /// A function or another block ends by its brace and takes no semicolon; a value that ends so has one if it had one.
    fn wants_semicolon(&self, closed: Closed, end: usize) -> bool {
        match closed {
            Closed::No => true,
            Closed::Block => false,
            Closed::Value => self.text.get(end..).unwrap_or_default().trim_start().starts_with(';'),
        }
    }
}

/// A statement with semicolons where the statements within it end because the next line begins one.
fn settled(text: &str) -> Cow<'_, str> {
    let ends = Script::parse(Rule::single, text).map(ends).unwrap_or_default();
    if ends.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_owned();
    separate(&mut text, 0, &ends);
    Cow::Owned(text)
}
