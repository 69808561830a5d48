//! Assignments on lines of their own, behind a query or a change of data without a semicolon.
//!
//! `let n = select max(a) from t` and `n = n + 1` on the next line are two statements: nothing goes on with `n =`, which could be an alias as far as the
//! grammar sees.
//!
//! Invariants: only a text that cannot be read as a whole is cut, and only if all its parts can be read; an UPDATE is never cut, which may lack a comma.
//!
//! Does not: cut within brackets.

use crate::keywords::is_keyword;
use crate::scan::{Kind, Token};

/// Where the tokens of a text begin an assignment on a line of its own.
pub(super) fn cuts(script: &str, tokens: &[Token]) -> Vec<usize> {
    let text = |token: &Token| script.get(token.start..token.end).unwrap_or_default();
    let (mut cuts, mut depth, mut has_set) = (Vec::new(), 0_usize, false);
    for (at, token) in tokens.iter().enumerate() {
        match text(token) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            word => has_set |= token.kind == Kind::Word && word.eq_ignore_ascii_case("set"),
        }
        let Some(before) = at.checked_sub(1).and_then(|before| tokens.get(before)) else {
            continue;
        };
        let gap = script.get(before.end..token.start).unwrap_or_default();
        let rest = tokens.get(at..).unwrap_or_default();
        if depth == 0
            && !has_set
            && gap.contains('\n')
            && ends_operand(before.kind, text(before))
            && assigns(rest, &text)
        {
            cuts.push(token.start);
        }
        if text(token).eq_ignore_ascii_case("let") && gap.contains('\n') {
            has_set = false;
        }
    }
    cuts
}

/// Whether nothing has to come behind a token.
fn ends_operand(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Symbol => matches!(text, ")" | "]" | "}" | "*"),
        Kind::Word => {
            !is_keyword(text)
                || ["end", "null", "true", "false"]
                    .iter()
                    .any(|word| text.eq_ignore_ascii_case(word))
        }
        _ => true,
    }
}

/// Whether tokens begin with `name =`, `name.field =`, `name[…] =`, or the same with `:=`.
fn assigns<'s>(tokens: &[Token], text: &dyn Fn(&Token) -> &'s str) -> bool {
    let Some((first, rest)) = tokens.split_first() else {
        return false;
    };
    let is_name = |token: &Token| match token.kind {
        Kind::Word => !is_keyword(text(token)),
        kind => kind == Kind::Backtick,
    };
    if !is_name(first) {
        return false;
    }
    let (mut depth, mut rest) = (0_usize, rest.iter());
    while let Some(token) = rest.next() {
        match text(token) {
            "[" => depth += 1,
            "]" => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            "." => {
                if !rest
                    .next()
                    .is_some_and(|name| name.kind == Kind::Word || name.kind == Kind::Backtick)
                {
                    return false;
                }
            }
            "=" | ":=" => return true,
            _ => return false,
        }
    }
    false
}
