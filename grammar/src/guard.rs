//! The bracket check: what is open, what is never closed, what is nested too deeply, where statements may end.
//!
//! In `f((a)` the first bracket is never closed; in `((((…` the 257th is one too many. Both are found here, in one pass
//! over the tokens, before a recursive parser sees the text.
//!
//! Invariants: a text without a fault of kind [`FaultKind::Depth`] has a syntax tree whose depth is bounded by a small
//! multiple of [`MAX_DEPTH`], whatever it is nested by: brackets, CASE, signs, NOT, casts, joins, set operations.
//!
//! Does not: know the grammar; the heights are upper bounds.

use crate::ast::Span;
use crate::scan::{Kind, Token};
use crate::{Diagnostic, Label};

/// How deeply brackets, CASE, NOT and the like may be nested in each other.
pub const MAX_DEPTH: usize = 256;

/// A fault and where it lies.
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) kind: FaultKind,
    pub(crate) diagnostic: Diagnostic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Nested too deeply; the statement must not be parsed.
    Depth,
    /// An unterminated string or comment, an unclosed or unmatched bracket.
    Open,
}

/// What the check found.
pub(crate) struct Report {
    pub(crate) faults: Vec<Fault>,
    /// Deepest nesting.
    pub(crate) depth: usize,
    /// Where semicolons end statements; those inside blocks do not.
    pub(crate) semicolons: Vec<usize>,
    /// A bracket is still open where the text ends.
    pub(crate) open_at_end: bool,
}

#[derive(Default)]
struct Level {
    /// The opening token; `None` at the outermost level.
    open: Option<(u8, usize)>,
    /// Levels around this one, signs and NOTs included.
    down: usize,
    /// Signs and NOTs in a row just now.
    prefix: usize,
    /// Height of the operand that ends here: casts, subscripts, fields.
    operand: usize,
    /// Greatest height of an operand so far.
    height: usize,
    joins: usize,
    /// Changes from one set operator to another.
    set_changes: usize,
    last_set_op: Option<(usize, bool)>,
    angles: usize,
    after_operand: bool,
    /// These are the parentheses of CAST, whose AS belongs to it.
    in_cast: bool,
    /// A statement of this level began with IF, and its THEN has not come.
    in_if: bool,
}

/// Checks the brackets and the nesting of a script.
pub(crate) fn check(script: &str, tokens: &[Token]) -> Report {
    let mut guard = Guard {
        script,
        levels: vec![Level::default()],
        faults: Vec::new(),
        depth: 0,
        semicolons: Vec::new(),
        previous: "",
        reported_depth: false,
    };
    let visible: Vec<&Token> = tokens.iter().filter(|token| token.kind != Kind::Comment).collect();
    for token in tokens.iter().filter(|token| !token.closed) {
        guard.unterminated(token);
    }
    for (at, token) in visible.iter().enumerate() {
        let next = visible.get(at + 1).map_or("", |next| text_of(script, next));
        guard.token(token, next);
    }
    guard.finish()
}

struct Guard<'a> {
    script: &'a str,
    levels: Vec<Level>,
    faults: Vec<Fault>,
    depth: usize,
    /// Each with the block that it lies in.
    semicolons: Vec<(usize, Option<usize>)>,
    previous: &'a str,
    reported_depth: bool,
}

impl<'a> Guard<'a> {
    fn top(&mut self) -> Option<&mut Level> {
        self.levels.last_mut()
    }

    fn token(&mut self, token: &Token, next: &str) {
        let text = text_of(self.script, token);
        match token.kind {
            Kind::Word => self.word(token, text, next),
            Kind::Symbol => self.symbol(token, text),
            _ => self.operand(),
        }
        self.previous = text;
    }

    /// An operand begins and ends here, unless it continues the one before it (`a.b`, `x::int`, `x AS int`).
    fn operand(&mut self) {
        let linked = matches!(self.previous, "." | "::") || self.previous.eq_ignore_ascii_case("as");
        if let Some(top) = self.top() {
            if !linked {
                top.operand = 0;
            }
            top.prefix = 0;
            top.after_operand = true;
        }
    }

    fn word(&mut self, token: &Token, text: &'a str, next: &str) {
        let after_dot = self.previous == ".";
        let lower = if text.len() <= 10 && !after_dot {
            text.to_ascii_lowercase()
        } else {
            String::new()
        };
        let after_operand = self.top().is_some_and(|top| top.after_operand);
        match lower.as_str() {
            "case" if !after_operand && !ends_name(next) => self.open(b'C', token),
            "end"
                if self
                    .top()
                    .is_some_and(|top| top.open.is_some_and(|(kind, _)| matches!(kind, b'C' | b'T'))) =>
            {
                self.close_top()
            }
            "if" if begins_branch(self.previous, next) => {
                if let Some(top) = self.top() {
                    *top = Level {
                        open: top.open,
                        down: top.down,
                        in_if: true,
                        ..Level::default()
                    };
                }
            }
            "then" if next != "{" && self.top().is_some_and(|top| std::mem::take(&mut top.in_if)) => {
                self.open(b'T', token);
            }
            "not" if !after_operand => self.prefix(token),
            "join" | "lateral" => self.count(token, |top| {
                top.joins += 1;
                top.joins
            }),
            "union" | "except" | "intersect" => self.set_operator(token, lower.len(), next),
            "as" if !self.top().is_some_and(|top| top.in_cast) => self.grow(token),
            "as" => {}
            "from" | "select" => {
                if let Some(top) = self.top() {
                    (top.joins, top.angles, top.prefix) = (0, 0, 0);
                    (top.operand, top.after_operand) = (0, false);
                }
            }
            lower if is_joiner(lower) => {
                if let Some(top) = self.top() {
                    (top.prefix, top.operand, top.after_operand) = (0, 0, false);
                }
            }
            _ => self.operand(),
        }
    }

    fn symbol(&mut self, token: &Token, text: &'a str) {
        let after_operand = self.top().is_some_and(|top| top.after_operand);
        match text {
            "(" => self.open(b'(', token),
            "[" => self.open(b'[', token),
            "{" => self.open(b'{', token),
            ")" => self.close(b'(', token),
            "]" => self.close(b'[', token),
            "}" => self.close(b'{', token),
            ";" => self.semicolon(token),
            "-" | "+" | "!" if !after_operand => self.prefix(token),
            "::" | "." => self.grow(token),
            "<" if ["array", "map", "list", "future"]
                .iter()
                .any(|word| self.previous.eq_ignore_ascii_case(word)) =>
            {
                self.count(token, |top| {
                    top.angles += 1;
                    top.angles
                });
            }
            _ => {
                if let Some(top) = self.top() {
                    if text == ">" {
                        top.angles = top.angles.saturating_sub(1);
                    }
                    (top.prefix, top.after_operand) = (0, text == "?");
                }
            }
        }
    }

    fn prefix(&mut self, token: &Token) {
        self.count(token, |top| {
            top.prefix += 1;
            top.prefix
        });
    }

    /// A cast, a field, a subscript: the operand so far is nested once more.
    fn grow(&mut self, token: &Token) {
        self.count(token, |top| {
            top.operand += 1;
            top.height = top.height.max(top.operand);
            top.operand
        });
    }

    fn set_operator(&mut self, token: &Token, which: usize, next: &str) {
        let all = next.eq_ignore_ascii_case("all");
        self.count(token, |top| {
            if top
                .last_set_op
                .replace((which, all))
                .is_some_and(|last| last != (which, all))
            {
                top.set_changes += 1;
            }
            (top.prefix, top.operand, top.after_operand) = (0, 0, false);
            top.set_changes
        });
    }

    fn count(&mut self, token: &Token, add: impl FnOnce(&mut Level) -> usize) {
        let Some(top) = self.top() else { return };
        let depth = add(top) + top.down;
        self.check_depth(token, depth);
    }

    fn check_depth(&mut self, token: &Token, depth: usize) {
        self.depth = self.depth.max(depth);
        if depth > MAX_DEPTH && !self.reported_depth {
            self.reported_depth = true;
            let diagnostic = Diagnostic::new("54001", span(token), "statement is nested too deeply")
                .with_label(format!("level {} begins here; the limit is {MAX_DEPTH}", MAX_DEPTH + 1));
            self.faults.push(Fault {
                at: token.start,
                kind: FaultKind::Depth,
                diagnostic,
            });
        }
    }

    fn open(&mut self, kind: u8, token: &Token) {
        let down = self.top().map_or(0, |top| top.down + top.prefix + 1);
        self.check_depth(token, down);
        if let Some(top) = self.top() {
            top.in_if &= kind != b'{';
        }
        let in_cast = ["cast", "try_cast"]
            .iter()
            .any(|word| self.previous.eq_ignore_ascii_case(word));
        self.levels.push(Level {
            open: Some((kind, token.start)),
            down,
            in_cast,
            ..Level::default()
        });
    }

    fn close_top(&mut self) {
        let Some(inner) = self.levels.pop() else { return };
        if let Some(top) = self.levels.last_mut() {
            let height = inner.height.max(inner.joins).max(inner.set_changes) + 1;
            // Behind an operand the bracket is a subscript or a call and adds to what it follows.
            let below = if top.after_operand { top.operand } else { 0 };
            let is_subscript = inner.open.is_some_and(|(kind, _)| kind == b'[');
            top.operand = height.max(below + usize::from(is_subscript));
            top.height = top.height.max(top.operand);
            (top.prefix, top.after_operand) = (0, true);
            let depth = top.down + top.operand;
            if let Some((_, at)) = inner.open {
                self.check_depth(
                    &Token {
                        kind: Kind::Symbol,
                        start: at,
                        end: at + 1,
                        closed: true,
                    },
                    depth,
                );
            }
        }
    }

    fn close(&mut self, kind: u8, token: &Token) {
        while self
            .top()
            .is_some_and(|top| top.open.is_some_and(|(open, _)| matches!(open, b'C' | b'T')))
        {
            self.close_top();
        }
        if self
            .top()
            .is_some_and(|top| top.open.is_some_and(|(open, _)| open == kind))
        {
            return self.close_top();
        }
        if self
            .levels
            .iter()
            .any(|level| level.open.is_some_and(|(open, _)| open == kind))
        {
            self.unclosed(Some(token));
            while self
                .top()
                .is_some_and(|top| top.open.is_some_and(|(open, _)| open != kind))
            {
                self.close_top();
            }
            return self.close_top();
        }
        let text = text_of(self.script, token);
        let diagnostic = Diagnostic::new("42601", span(token), format!("unexpected `{text}`"))
            .with_label(format!("no `{}` is open here", char::from(kind)));
        self.faults.push(Fault {
            at: token.start,
            kind: FaultKind::Open,
            diagnostic,
        });
    }

    /// Reports the innermost bracket that is open.
    fn unclosed(&mut self, closer: Option<&Token>) {
        let open = self
            .levels
            .iter()
            .rev()
            .filter_map(|level| level.open)
            .find(|(kind, _)| !matches!(kind, b'C' | b'T'));
        let Some((kind, at)) = open else { return };
        let place = Span::new(at, at + 1);
        let mut diagnostic =
            Diagnostic::new("42601", place, format!("unclosed `{}`", char::from(kind))).with_label("opened here");
        if let Some(token) = closer {
            let text = format!("`{}` does not close it", text_of(self.script, token));
            diagnostic.labels.push(Label {
                span: span(token),
                text,
            });
        }
        self.faults.push(Fault {
            at,
            kind: FaultKind::Open,
            diagnostic,
        });
    }

    fn semicolon(&mut self, token: &Token) {
        let block = self
            .levels
            .iter()
            .rposition(|level| level.open.is_some_and(|(kind, _)| matches!(kind, b'{' | b'T')));
        let brackets = self
            .levels
            .get(block.map_or(1, |block| block + 1)..)
            .unwrap_or_default();
        if brackets
            .iter()
            .any(|level| level.open.is_some_and(|(kind, _)| kind != b'C'))
        {
            self.unclosed(None);
        }
        self.levels.truncate(block.map_or(1, |block| block + 1));
        let open = self.levels.last().and_then(|level| level.open);
        if let Some(top) = self.top() {
            *top = Level {
                open: top.open,
                down: top.down,
                ..Level::default()
            };
        }
        if open.is_none() {
            self.reported_depth = false;
        }
        self.semicolons.push((token.start, open.map(|(_, at)| at)));
    }

    fn unterminated(&mut self, token: &Token) {
        let text = text_of(self.script, token);
        let (what, width) = match token.kind {
            Kind::Comment => ("comment", 2),
            Kind::Backtick => ("quoted name", 1),
            _ if text.starts_with(['\'', '"']) => ("string", 1),
            _ => ("string", 2),
        };
        let place = Span::new(token.start, token.start + width);
        let diagnostic = Diagnostic::new("42601", place, format!("unterminated {what}"))
            .with_label(format!("the {what} begins here"));
        self.faults.push(Fault {
            at: token.start,
            kind: FaultKind::Open,
            diagnostic,
        });
    }

    fn finish(mut self) -> Report {
        let open: Vec<usize> = self
            .levels
            .iter()
            .filter_map(|level| level.open)
            .map(|(_, at)| at)
            .collect();
        let is_bracket = |level: &Level| level.open.is_some_and(|(kind, _)| !matches!(kind, b'C'));
        let open_at_end = self.levels.iter().any(is_bracket);
        let text_is_cut = self
            .faults
            .iter()
            .any(|fault| fault.diagnostic.message.starts_with("unterminated"));
        if !text_is_cut {
            self.unclosed(None);
        }
        // A semicolon in a block that is never closed ends a statement after all.
        let ends = |block: Option<usize>| block.is_none_or(|block| open.contains(&block));
        let semicolons = self
            .semicolons
            .iter()
            .filter(|(_, block)| ends(*block))
            .map(|(at, _)| *at)
            .collect();
        self.faults.sort_by_key(|fault| fault.at);
        Report {
            faults: self.faults,
            depth: self.depth,
            semicolons,
            open_at_end,
        }
    }
}

fn text_of<'a>(script: &'a str, token: &Token) -> &'a str {
    script.get(token.start..token.end).unwrap_or_default()
}

fn span(token: &Token) -> Span {
    Span::new(token.start, token.end)
}

/// Whether IF begins a statement: not the IF of IF EXISTS, nor a call.
fn begins_branch(previous: &str, next: &str) -> bool {
    const OBJECTS: [&str; 18] = [
        "table",
        "view",
        "index",
        "schema",
        "snapshot",
        "branch",
        "watermark",
        "secret",
        "function",
        "procedure",
        "macro",
        "module",
        "type",
        "trigger",
        "schedule",
        "pipeline",
        "column",
        "constraint",
    ];
    let behind_object = OBJECTS.iter().any(|word| previous.eq_ignore_ascii_case(word));
    let in_expression = matches!(previous, "." | "," | "(" | "=" | "+" | "-" | "*" | "/" | "select");
    !behind_object && !in_expression && !ends_name(next) && !next.eq_ignore_ascii_case("exists")
}

/// After `case` these show that it is a name.
fn ends_name(next: &str) -> bool {
    matches!(
        next,
        "" | "," | ")" | "]" | "." | "=" | "==" | "<" | ">" | "+" | "*" | "/" | "%" | "||" | ":" | "::" | ";"
    ) || matches!(next, "<=" | ">=" | "<>")
}

/// Words after which an operand begins.
fn is_joiner(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "not"
            | "in"
            | "is"
            | "like"
            | "ilike"
            | "between"
            | "when"
            | "then"
            | "else"
            | "where"
            | "by"
            | "having"
            | "on"
            | "qualify"
            | "limit"
            | "offset"
            | "div"
            | "distinct"
            | "escape"
            | "return"
            | "set"
            | "all"
    )
}
