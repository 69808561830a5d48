//! A script, parsed whole, that may change its dialect on the way.
//!
//! `SET dialect = 'ansi'; SELECT "a" FROM t` is parsed as grizzly first; the statement after the SET is then read again
//! as ansi, where `"a"` is a name.
//!
//! Invariants: spans are byte offsets into the whole script; the diagnostics are all of the script's.
//!
//! Does not: run anything.

use gobi_grammar::ast::{self, ExprKind, Literal, Statement, StatementKind};
use gobi_grammar::{Diagnostic, Dialect, Parsed};

use super::settings;

/// A statement and the dialect that it was written in.
pub struct Parsing {
    /// In order.
    pub statements: Vec<(Statement, Dialect)>,
    /// In order; empty if the script is well formed.
    pub diagnostics: Vec<Diagnostic>,
    /// What is worth a look in the statements.
    pub warnings: Vec<Diagnostic>,
}

/// Parses a whole script.
pub fn parse(script: &str, dialect: Dialect) -> Parsing {
    let mut out = Parsing {
        statements: Vec::new(),
        diagnostics: Vec::new(),
        warnings: Vec::new(),
    };
    let mut text = std::borrow::Cow::Borrowed(script);
    let mut dialect = dialect;
    loop {
        let parsed = gobi_grammar::parse(&text, dialect);
        let Some((until, next)) = first_change(&parsed, dialect) else {
            out.take(parsed, dialect, usize::MAX);
            return out;
        };
        out.take(parsed, dialect, until);
        text = std::borrow::Cow::Owned(blank_until(&text, until));
        dialect = next;
    }
}

impl Parsing {
    /// Keeps what stands before a byte.
    fn take(&mut self, parsed: Parsed, dialect: Dialect, until: usize) {
        let before = |start: u32| (start as usize) < until;
        let statements = parsed
            .statements
            .into_iter()
            .filter(|statement| before(statement.span.start));
        self.statements.extend(statements.map(|statement| (statement, dialect)));
        let there = |diagnostic: &Diagnostic| before(diagnostic.span().start);
        self.diagnostics.extend(parsed.diagnostics.into_iter().filter(there));
        self.warnings.extend(parsed.warnings.into_iter().filter(there));
    }
}

/// Where the first statement that sets another dialect ends, and that dialect.
fn first_change(parsed: &Parsed, dialect: Dialect) -> Option<(usize, Dialect)> {
    parsed.statements.iter().find_map(|statement| {
        let StatementKind::Set(set) = &statement.kind else {
            return None;
        };
        if !set.name.text.eq_ignore_ascii_case("dialect") {
            return None;
        }
        let next = settings::parse_dialect(&value_text(&set.value)?)?;
        (next != dialect).then_some((statement.span.end as usize, next))
    })
}

/// The text with blanks for everything before a byte, so that offsets and lines stay.
fn blank_until(text: &str, until: usize) -> String {
    let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
    let head: String = text.bytes().take(until).map(blank).collect();
    head + text.get(until..).unwrap_or_default()
}

/// What SET assigns, as text: a literal, or a bare word such as `on`.
pub fn value_text(value: &ast::Expr) -> Option<String> {
    match &value.kind {
        ExprKind::Name(parts) if parts.len() == 1 => parts.first().map(|part| part.text.clone()),
        ExprKind::Literal(Literal::String(text) | Literal::Integer(text) | Literal::Decimal(text)) => {
            Some(text.clone())
        }
        ExprKind::Literal(Literal::Boolean(value)) => Some(value.to_string()),
        _ => None,
    }
}
