//! From text to syntax tree.
//!
//! `SELECT 1; SELEC 2` gives one statement and one diagnostic, which suggests `SELECT`.
//!
//! Invariants: no input makes it panic; the grammar sees one statement's text at a time once there is an error.
//!
//! Does not: resolve names.

mod change;
mod covered;
mod define;
mod errors;
mod expr;
mod interpolation;
mod lambda;
pub(crate) mod lines;
mod literal;
mod operand;
mod plain;
mod procedure;
mod query;
pub(crate) mod rules;
mod select;
mod session;
mod statement;
mod timeline;
mod transaction;
pub(crate) mod tree;
mod trigger;
mod types;
mod window;
mod words;

use pest::Parser as _;

use self::errors::Place;
use self::operand::unquote;
use self::rules::{Rule, Script};
use self::tree::Node;
use crate::ast::{Ident, Query, Span, Window};
use crate::guard::{self, Fault, FaultKind};
use crate::keywords::begins_statement;
use crate::scan::{self, Kind, Token};
use crate::{Diagnostic, Dialect, Parsed};

/// Nesting up to here is parsed on the caller's stack.
const SHALLOW: usize = if cfg!(debug_assertions) { 8 } else { 24 };

/// Stack for the deepest nesting that the guard lets through.
const DEEP_STACK_BYTES: usize = 128 << 20;

/// More errors than this are not reported.
const MAX_DIAGNOSTICS: usize = 100;

/// Parses a whole script: all statements, all errors.
pub fn parse(script: &str, dialect: Dialect) -> Parsed {
    parse_at(script, dialect, 0)
}

/// Parses a script that was read before without errors; its spans begin at `origin`.
pub fn parse_at(script: &str, dialect: Dialect, origin: u32) -> Parsed {
    if u32::try_from(script.len()).is_err() {
        let diagnostic = Diagnostic::new("54000", Span::new(0, 0), "script is longer than 4 GiB");
        return Parsed {
            statements: Vec::new(),
            diagnostics: vec![diagnostic],
            warnings: Vec::new(),
        };
    }
    let tokens = scan::tokens(script, dialect);
    let report = guard::check(script, &tokens);
    let is_too_deep = report.faults.iter().any(|fault| fault.kind == FaultKind::Depth);
    let mut driver = Driver::new(script, dialect, &tokens, report.faults);
    driver.origin = usize::try_from(origin).unwrap_or(0);
    let depth = if is_too_deep && report.semicolons.is_empty() {
        0
    } else {
        report.depth
    };
    on_deep_stack(depth, || driver.run(&report.semicolons)).unwrap_or_else(|| {
        let message = "no stack could be had for a statement that is nested this deeply";
        Parsed {
            statements: Vec::new(),
            diagnostics: vec![Diagnostic::new("54001", Span::new(0, 0), message)],
            warnings: Vec::new(),
        }
    })
}

/// How deeply a script is nested.
pub(crate) fn depth(script: &str, dialect: Dialect) -> usize {
    guard::check(script, &scan::tokens(script, dialect)).depth
}

/// Runs something that recurses once per bracket: deep nesting gets a thread whose stack is to match.
pub(crate) fn on_deep_stack<T: Send>(depth: usize, run: impl FnOnce() -> T + Send) -> Option<T> {
    if depth <= SHALLOW {
        return Some(run());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("gobi-parse".to_owned())
            .stack_size(DEEP_STACK_BYTES);
        thread.spawn_scoped(scope, run).ok()?.join().ok()
    })
}

/// Takes a script apart at its semicolons and, where there are errors, at lines that begin a statement.
struct Driver<'a> {
    script: &'a str,
    /// The script with comments blanked out.
    text: String,
    dialect: Dialect,
    /// Without comments.
    tokens: Vec<Token>,
    faults: Vec<Fault>,
    marks: Vec<usize>,
    /// What is added to the places of trees.
    origin: usize,
    parsed: Parsed,
}

impl<'a> Driver<'a> {
    fn new(script: &'a str, dialect: Dialect, tokens: &[Token], faults: Vec<Fault>) -> Self {
        let text = scan::blanked(script, tokens);
        let tokens: Vec<Token> = tokens
            .iter()
            .filter(|token| token.kind != Kind::Comment)
            .copied()
            .collect();
        let is_mark = |token: &&Token| token.kind == Kind::Parameter && script.get(token.start..token.end) == Some("?");
        let marks = tokens.iter().filter(is_mark).map(|token| token.start).collect();
        Self {
            script,
            text,
            dialect,
            tokens,
            faults,
            marks,
            origin: 0,
            parsed: Parsed::default(),
        }
    }

    fn run(mut self, semicolons: &[usize]) -> Parsed {
        let mut start = 0;
        for end in semicolons.iter().copied().chain([self.script.len()]) {
            self.chunk(start, end);
            start = end + 1;
        }
        self.parsed
            .diagnostics
            .extend(self.faults.into_iter().map(|fault| fault.diagnostic));
        self.parsed
            .diagnostics
            .sort_by_key(|diagnostic| diagnostic.span().start);
        self.parsed.diagnostics.truncate(MAX_DIAGNOSTICS);
        self.parsed
    }

    fn chunk(&mut self, start: usize, end: usize) {
        let first = self.tokens.partition_point(|token| token.start < start);
        let last = self.tokens.partition_point(|token| token.start < end);
        if first == last {
            return;
        }
        let mut faults = self.faults.iter().filter(|fault| (start..end).contains(&fault.at));
        if faults.clone().any(|fault| fault.kind == FaultKind::Depth) {
            return;
        }
        let is_faulty = faults.next().is_some();
        let tokens = self.tokens.get(first..last).filter(|_| !is_faulty);
        if let Some(insert) = tokens.and_then(|tokens| plain::insert(self.script, tokens, self.origin)) {
            self.parsed.statements.push(insert);
        } else {
            let begins = lines::may_begin(self.script, self.tokens.get(first..last).unwrap_or_default());
            if is_faulty || !self.whole(start, end, &begins) {
                self.one_by_one(first, last, end, &begins);
            }
        }
    }

    /// The usual case: no error in this stretch of text, of which some lines may begin a statement.
    fn whole(&mut self, start: usize, end: usize, begins: &[usize]) -> bool {
        if !begins.is_empty() {
            let text = self.text.get(start..end).unwrap_or_default();
            let Ok(pairs) = Script::parse(Rule::script, text) else {
                return false;
            };
            let ends = lines::ends(pairs);
            lines::separate(&mut self.text, start, &ends);
        }
        let text = self.text.get(start..end).unwrap_or_default();
        let Ok(pairs) = Script::parse(Rule::script, text) else {
            return false;
        };
        let marks = marks_within(&self.marks, start, end);
        let mut builder = Builder::new(start, self.dialect, marks);
        builder.origin = self.origin;
        for pair in pairs.flat_map(|script| script.into_inner()) {
            if !is_end(pair.as_rule()) {
                builder.statement(pair, &mut self.parsed.statements);
            }
        }
        self.parsed.diagnostics.append(&mut builder.diagnostics);
        self.parsed.warnings.append(&mut builder.warnings);
        true
    }

    /// Statement by statement, reporting each that cannot be read.
    fn one_by_one(&mut self, first: usize, last: usize, end: usize, begins: &[usize]) {
        let cuts = lines::cuts(self.script, self.tokens.get(first..last).unwrap_or_default());
        let mut at = first;
        while at < last && self.parsed.diagnostics.len() < MAX_DIAGNOSTICS {
            let start = self.tokens.get(at).map_or(end, |token| token.start);
            let until = self.separated(start, end, &cuts, begins);
            let text = self.text.get(start..until).unwrap_or_default();
            match Script::parse(Rule::single, text) {
                Ok(pairs) => {
                    let mut builder = Builder::new(start, self.dialect, marks_within(&self.marks, start, end));
                    let mut next = start;
                    for pair in pairs.flat_map(|single| single.into_inner()) {
                        if !is_end(pair.as_rule()) {
                            next = usize::try_from(builder.span(&pair).end).unwrap_or(end);
                            builder.statement(pair, &mut self.parsed.statements);
                        }
                    }
                    self.parsed.diagnostics.append(&mut builder.diagnostics);
                    self.parsed.warnings.append(&mut builder.warnings);
                    let behind = self.tokens.partition_point(|token| token.start < next);
                    at = behind.max(at + 1);
                }
                Err(error) => {
                    let offset = start + errors::offset(&error);
                    let statement = self.tokens.get(at..last).unwrap_or_default();
                    // A bracket that is never closed explains whatever went wrong behind it.
                    let fault = self.faults.iter().find(|fault| (start..end).contains(&fault.at));
                    if fault.is_none_or(|fault| fault.at > offset) {
                        let place = Place::new(self.script, statement, offset, end);
                        // `let x = insert` was read by itself.
                        let around = self.tokens.get(first..last).unwrap_or_default();
                        let value = errors::change_before(self.script, around, at - first);
                        let diagnostic = value.unwrap_or_else(|| errors::diagnostic(&error, &place));
                        self.parsed.diagnostics.push(diagnostic);
                    }
                    let failed = self.tokens.partition_point(|token| token.end <= offset);
                    at = self.next_start(at, failed.max(at + 1), last);
                }
            }
        }
    }

    /// Separates a statement from the lines behind it that begin others; where what is to be read of it ends.
    fn separated(&mut self, start: usize, end: usize, cuts: &[usize], begins: &[usize]) -> usize {
        if cuts.is_empty() && begins.is_empty() {
            return end;
        }
        let mut until = end;
        let text = self.text.get(start..end).unwrap_or_default();
        let mut result = Script::parse(Rule::single, text);
        if let Err(error) = &result
            && let place = start + errors::offset(error)
            && place > start
            && cuts.binary_search(&place).is_ok()
            && let Some(before) = self.text.get(start..place)
            && let Ok(pairs) = Script::parse(Rule::single, before)
        {
            (until, result) = (place, Ok(pairs));
        }
        let ends = match result {
            Ok(pairs) if begins.iter().any(|place| (start..until).contains(place)) => lines::ends(pairs),
            _ => Vec::new(),
        };
        lines::separate(&mut self.text, start, &ends);
        until
    }

    /// The first token from `from` on that begins a line, begins a statement, and lies in no bracket.
    fn next_start(&self, statement: usize, from: usize, last: usize) -> usize {
        let mut depth = 0usize;
        for at in statement..last {
            let Some(token) = self.tokens.get(at) else { break };
            let text = self.script.get(token.start..token.end).unwrap_or_default();
            let is_fault = self.faults.iter().any(|fault| fault.at == token.start);
            match text {
                "(" | "[" | "{" if !is_fault => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let behind = at
                .checked_sub(1)
                .and_then(|before| self.tokens.get(before))
                .map_or(0, |token| token.end);
            let begins_line = self
                .script
                .get(behind..token.start)
                .is_some_and(|gap| gap.contains('\n'));
            if at >= from && depth == 0 && begins_line && token.kind == Kind::Word && begins_statement(text) {
                return at;
            }
        }
        last
    }
}

fn is_end(rule: Rule) -> bool {
    matches!(rule, Rule::EOI | Rule::statement_end)
}

fn marks_within(marks: &[usize], start: usize, end: usize) -> &[usize] {
    let from = marks.partition_point(|mark| *mark < start);
    let to = marks.partition_point(|mark| *mark < end);
    marks.get(from..to).unwrap_or_default()
}

/// Turns pest's tree of one piece of text into syntax trees.
struct Builder<'a> {
    /// Where the piece begins in the script.
    base: usize,
    dialect: Dialect,
    /// What is added to the places of the script.
    origin: usize,
    /// Where each `?` stands in the script.
    marks: &'a [usize],
    /// The first clause of the current statement that has no node in the tree.
    unsupported: Option<String>,
    /// Queries behind the one that the current statement ends with.
    extra: Vec<Query>,
    /// The last query of the current statement, where there are more behind it.
    cut: Option<Span>,
    /// Windows that the current SELECT block names.
    windows: Vec<(Ident, Window)>,
    /// Blocks around the statement.
    blocks: usize,
    /// The end of the statement before, and whether it is one that ends where nothing can continue it.
    open_end: Option<(usize, bool)>,
    diagnostics: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(base: usize, dialect: Dialect, marks: &'a [usize]) -> Self {
        Self {
            base,
            origin: 0,
            dialect,
            marks,
            unsupported: None,
            extra: Vec::new(),
            cut: None,
            windows: Vec::new(),
            blocks: 0,
            open_end: None,
            diagnostics: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn span(&self, node: &Node<'_>) -> Span {
        let span = node.as_span();
        let start = self.origin + self.base + span.start();
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

    /// The number of a `?`, or the name behind `$` or `:`.
    fn parameter(&self, text: &str, span: Span) -> String {
        match text.strip_prefix(['$', ':']) {
            Some(name) => name.to_owned(),
            None => {
                let place = usize::try_from(span.start)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(self.origin);
                (self.marks.partition_point(|mark| *mark < place) + 1).to_string()
            }
        }
    }
}
