//! The layout of blocks: one statement a line, two spaces a level.
//!
//! `{ a = 1; b = 2 }` stays on its line if the author wrote it on one and it fits; else each statement has a line of its own,
//! with the comments and the empty lines of the author between them, and a semicolon unless it ends with a block.
//!
//! Invariants: semicolons are the only tokens that come or go; those that go stand where nothing could go on behind them.
//!
//! Does not: lay out the heads of blocks; see `programs`.

use super::Tree;
use crate::ast::StatementKind;
use crate::keywords::begins_statement;
use crate::parser::rules::Rule;
use crate::parser::tree::Node;
use crate::printer::layout::Event;

impl Tree<'_> {
    /// A statement of a script or of a block.
    pub(in crate::printer) fn statement(&mut self, node: Node<'_>) {
        let brackets = std::mem::take(&mut self.brackets);
        let saved = (self.queries, self.compact, self.lower, self.first);
        let is_program = super::programs::is_procedural(node.as_rule());
        let wraps = self.blocks > 0 || is_program;
        self.compact = wraps && is_one_line(&node);
        (self.queries, self.lower) = (0, false);
        if wraps {
            self.push(Event::Begin);
        }
        self.first = self.events.len();
        self.node(node);
        if wraps {
            self.push(Event::End);
        }
        (self.queries, self.compact, self.lower, self.first) = saved;
        self.brackets = brackets;
    }

    /// A block that is a part of an expression, in a group of its own.
    pub(super) fn own_block(&mut self, node: Node<'_>, end: usize) {
        self.push(Event::Begin);
        let one_line = is_one_line(&node);
        self.block(node, end, one_line);
        self.push(Event::End);
    }

    /// `{ … }`, whose breaks are those of the group around it.
    pub(super) fn block(&mut self, node: Node<'_>, end: usize, one_line: bool) {
        self.symbol(false);
        self.blocks += 1;
        self.push(Event::Indent);
        let filled = self.items(node.into_inner(), end - 1, one_line);
        self.push(Event::Dedent);
        self.blocks -= 1;
        if filled {
            self.events.push(if one_line { Event::Line } else { Event::Hard });
        }
        self.symbol(!filled);
    }

    /// The statements before a byte of the script; false if there is nothing.
    pub(super) fn items<'i>(&mut self, nodes: impl Iterator<Item = Node<'i>>, until: usize, one_line: bool) -> bool {
        let mut nodes = nodes.filter(|node| !node.as_str().is_empty()).peekable();
        let before = self.events.len();
        while let Some(node) = nodes.next() {
            let is_first = self.events.len() == before;
            let start = self.base + node.as_span().start();
            self.between(start, is_first);
            let blank = !is_first && self.newlines_before(start) > 1;
            self.events.push(match (blank, one_line) {
                (true, _) => Event::Blank,
                (false, true) => Event::Line,
                (false, false) => Event::Hard,
            });
            let is_last = nodes.peek().is_none();
            let (closed, is_value) = (closes(&node), is_last && node.as_rule() == Rule::bare_expr);
            let end = start + node.as_str().trim_end().len();
            self.statement(node);
            let ends = match closed {
                Closed::No => true,
                Closed::Block => false,
                Closed::Value => self.is_continued(end),
            };
            if ends && !is_value {
                let is_last = is_last && one_line;
                self.events.push(if is_last {
                    Event::Last
                } else {
                    Event::Text(";".to_owned())
                });
            }
        }
        self.between(until, self.events.len() == before);
        self.events.len() > before
    }

    /// Steps over semicolons, and writes the comments between two statements.
    fn between(&mut self, until: usize, is_first: bool) {
        let mut is_first = is_first;
        while let Some(token) = self.tokens.get(self.at).copied().filter(|token| token.start < until) {
            let text = self.script.get(token.start..token.end).unwrap_or_default();
            if text == ";" {
                self.at += 1;
                continue;
            }
            let newlines = self.newlines_before(token.start);
            self.events.push(match newlines {
                0 => Event::Space,
                1 => Event::Hard,
                _ if is_first => Event::Hard,
                _ => Event::Blank,
            });
            self.events.push(Event::Text(text.trim_end().to_owned()));
            self.events.push(Event::Hard);
            is_first = false;
            self.at += 1;
        }
    }

    /// The newlines between a byte and the token before it.
    fn newlines_before(&self, start: usize) -> usize {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let gap = before.and_then(|before| self.script.get(before.end..start));
        gap.map_or(0, |gap| gap.bytes().filter(|&byte| byte == b'\n').count())
    }

    /// Whether a semicolon behind an expression keeps it from going on with what comes next.
    fn is_continued(&self, end: usize) -> bool {
        const OPERATORS: [&str; 17] = [
            "and", "or", "in", "is", "like", "ilike", "not", "between", "as", "match", "at", "similar", "regexp",
            "rlike", "glob", "div", "escape",
        ];
        let mut semicolon = false;
        let behind = self.tokens.partition_point(|token| token.start < end);
        for token in self.tokens.iter().skip(behind) {
            let text = self.script.get(token.start..token.end).unwrap_or_default();
            match token.kind {
                crate::scan::Kind::Comment => {}
                _ if text == ";" => semicolon = true,
                _ if text == "}" => return false,
                crate::scan::Kind::Word if begins_statement(text) => return false,
                crate::scan::Kind::Word => {
                    return semicolon && OPERATORS.iter().any(|word| word.eq_ignore_ascii_case(text));
                }
                _ => return semicolon,
            }
        }
        false
    }

    /// Writes the next token, which is no comment, as it is.
    pub(super) fn symbol(&mut self, glue: bool) {
        self.push(Event::Space);
        let Some(token) = self.tokens.get(self.at).copied() else {
            return;
        };
        let text = self.script.get(token.start..token.end).unwrap_or_default();
        if glue && self.events.last() == Some(&Event::Space) {
            self.events.pop();
        }
        self.events.push(Event::Text(text.to_owned()));
        (self.last, self.glue) = (text, false);
        self.at += 1;
    }
}

/// How a statement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::printer) enum Closed {
    /// Where nothing can continue it: it takes a semicolon.
    No,
    /// By its block.
    Block,
    /// By a block that a value ends with, which operators may follow.
    Value,
}

/// How a statement ends.
pub(in crate::printer) fn closes(node: &Node<'_>) -> Closed {
    let ends_by_block = |node: &Node<'_>| last_part(node).is_some_and(|inner| inner.as_rule() == Rule::block);
    match node.as_rule() {
        Rule::if_stmt | Rule::while_stmt | Rule::for_stmt | Rule::test_stmt | Rule::module_stmt => Closed::Block,
        Rule::function_stmt | Rule::upsert_routine_stmt | Rule::create_routine_stmt
            if last_part(node).is_some_and(|body| ends_by_block(&body)) =>
        {
            Closed::Block
        }
        Rule::macro_stmt if super::programs::is_braced_macro(node) => Closed::Block,
        Rule::query_stmt if last_part(node).is_some_and(|inner| inner.as_rule() == Rule::then_block) => Closed::Value,
        Rule::bare_expr | Rule::value_stmt if ends_by_try(node) => Closed::Value,
        _ => Closed::No,
    }
}

fn last_part<'i>(node: &Node<'i>) -> Option<Node<'i>> {
    let inner = node.clone().into_inner();
    inner.filter(|inner| !inner.as_str().is_empty()).last()
}

/// `try { … }` or `try { … } catch { … }`, with nothing behind it.
fn ends_by_try(node: &Node<'_>) -> bool {
    let mut node = node.clone();
    if !node.as_str().trim_end().ends_with('}') {
        return false;
    }
    loop {
        let mut inner = node.into_inner();
        let (Some(only), None) = (inner.next(), inner.next()) else {
            return false;
        };
        match only.as_rule() {
            Rule::try_expr => return true,
            Rule::expr | Rule::operand => node = only,
            _ => return false,
        }
    }
}

/// Whether the author wrote it on one line.
pub(super) fn is_one_line(node: &Node<'_>) -> bool {
    !node.as_str().trim_end().contains('\n')
}

/// Statements that are left as they are: those that are only recognised by their first words.
pub(in crate::printer) fn is_left(kind: &StatementKind) -> bool {
    matches!(kind, StatementKind::Unsupported { .. })
}
