//! What a line editor asks: the kinds of tokens, and whether a text is complete.
//!
//! `highlight("SELECT 1")` gives a keyword at `0..6` and a number at `7..8`; `is_complete("SELECT (")` is false.
//!
//! Invariants: ranges are in order, do not overlap, and lie on character boundaries, whatever the text.
//!
//! Does not: know colours.

use std::ops::Range;

use crate::keywords::{begins_statement, is_keyword};
use crate::scan::{self, Kind};
use crate::{Dialect, guard, parser};

/// What a token is, for colouring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// `SELECT`.
    Keyword,
    /// `'text'`.
    String,
    /// `12`.
    Number,
    /// `-- text`.
    Comment,
    /// `l_orderkey`, `$1`.
    Name,
    /// `+`, `(`, `,`.
    Operator,
}

/// The tokens of a text and their kinds; spaces are in none.
pub fn highlight(script: &str, dialect: Dialect) -> Vec<(Range<usize>, TokenKind)> {
    let mut after_dot = false;
    let mut out = Vec::new();
    for token in scan::tokens(script, dialect) {
        let text = script.get(token.start..token.end).unwrap_or_default();
        let kind = match token.kind {
            Kind::Word if !after_dot && is_keyword(text) => TokenKind::Keyword,
            Kind::Word | Kind::Backtick | Kind::Parameter => TokenKind::Name,
            Kind::DoubleQuoted if dialect == Dialect::Ansi => TokenKind::Name,
            Kind::DoubleQuoted | Kind::String => TokenKind::String,
            Kind::Number => TokenKind::Number,
            Kind::Comment => TokenKind::Comment,
            Kind::Symbol => TokenKind::Operator,
        };
        after_dot = text == ".";
        out.push((token.start..token.end, kind));
    }
    out
}

/// Whether a text can be run as it stands; false if something is open, or if it ends where a clause must go on.
pub fn is_complete(script: &str, dialect: Dialect) -> bool {
    let tokens = scan::tokens(script, dialect);
    if tokens.iter().any(|token| !token.closed) {
        return false;
    }
    if guard::check(script, &tokens).open_at_end {
        return false;
    }
    let mut visible = tokens.iter().rev().filter(|token| token.kind != Kind::Comment);
    let Some(last) = visible.next() else { return true };
    let text = script.get(last.start..last.end).unwrap_or_default();
    if text == ";" {
        return true;
    }
    let begins = visible
        .next()
        .is_none_or(|before| script.get(before.start..before.end) == Some(";"));
    if begins && begins_statement(text) && !is_statement(text) {
        return false;
    }
    let parsed = parser::parse(script, dialect);
    let at_end = |start: u32| usize::try_from(start).is_ok_and(|start| start >= last.end);
    !parsed
        .diagnostics
        .iter()
        .any(|diagnostic| at_end(diagnostic.span().start))
}

/// Whether a word is a statement by itself.
fn is_statement(word: &str) -> bool {
    matches!(
        word.to_ascii_uppercase().as_str(),
        "BEGIN" | "COMMIT" | "ROLLBACK" | "ABORT" | "LOG" | "ANALYZE" | "VACUUM" | "CHECKPOINT" | "COMPACT"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ends_are_incomplete() {
        for text in [
            "SELECT",
            "SELECT a,",
            "SELECT (1",
            "SELECT 'a",
            "SELECT /* a",
            "SELECT a FROM",
            "FROM t WHERE",
            "SELECT 1 +",
            "SELECT [1,",
            "SELECT CASE WHEN a THEN b",
            "WITH x AS (SELECT 1)",
            "SELECT 1; SELECT",
            "SELECT a FROM t ORDER BY",
            "function f() {",
            "CREATE TABLE t (a int",
            "CREATE TABLE t",
            "INSERT INTO t",
            "INSERT INTO t VALUES",
            "UPDATE t",
            "UPDATE t SET a =",
            "DELETE FROM",
            "MERGE INTO t USING u ON a",
            "SELECT * FROM t SINCE",
            "ALTER TABLE t",
            "PREPARE p AS",
        ] {
            assert!(!is_complete(text, Dialect::Grizzly), "{text}");
        }
        for text in [
            "",
            "-- note",
            "SELECT 1",
            "SELECT a FROM t",
            "SELEC a",
            "SELECT a FROM t;",
            "SELECT FROM t",
            "COMMIT",
            "LOG",
            "VACUUM",
            "CREATE TABLE t (a int)",
            "DELETE FROM t",
            "UPDATE t SET a = 1",
            "ROLLBACK TO s",
            "SELECT a)",
            "SELECT 1; -- note",
        ] {
            assert!(is_complete(text, Dialect::Grizzly), "{text}");
        }
    }

    #[test]
    fn kinds_follow_the_dialect() {
        let kinds = |dialect| -> Vec<TokenKind> {
            highlight("SELECT \"a\", t.from FROM t # x", dialect)
                .into_iter()
                .map(|(_, kind)| kind)
                .collect()
        };
        use TokenKind::{Comment, Keyword, Name, Operator, String};
        let common = [Operator, Name, Operator, Name, Keyword, Name];
        assert_eq!(
            kinds(Dialect::Grizzly),
            [&[Keyword, String][..], &common, &[Comment]].concat()
        );
        assert_eq!(
            kinds(Dialect::Ansi),
            [&[Keyword, Name][..], &common, &[Operator, Name]].concat()
        );
    }
}
