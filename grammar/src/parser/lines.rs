//! Lines that begin a statement, although the grammar could go on with them.
//!
//! `let n = select max(a) from t` and `n = n + 1` on the next line are two statements: nothing goes on with `n =`, which could be an alias as far as the
//! grammar sees. So are `x = y` and `(select 1)`, which could be a call of `y`, `[1, 2]`, which could be a subscript, and `-1`.
//!
//! Invariants: an assignment is cut off only from what cannot be read with it, and never from an UPDATE, which may lack a comma; what ends at a `(`, `[` or `-`
//! is a LET, an assignment or an expression, and never lies in brackets that are not a block's.
//!
//! Does not: cut an assignment off within brackets.

use pest::iterators::Pairs;

use super::rules::Rule;
use super::tree::Node;
use crate::keywords::is_keyword;
use crate::scan::{Kind, Token};

/// Where tokens begin a line that could go on with the one before it, but may begin a statement.
pub(super) fn may_begin(script: &str, tokens: &[Token]) -> Vec<usize> {
    let text = |token: &Token| script.get(token.start..token.end).unwrap_or_default();
    let mut begins = Vec::new();
    for (before, token) in tokens.iter().zip(tokens.iter().skip(1)) {
        let begins_line = || script.get(before.end..token.start).unwrap_or_default().contains('\n');
        if matches!(text(token), "(" | "[" | "-") && begins_line() && ends_operand(before.kind, text(before)) {
            begins.push(token.start);
        }
    }
    begins
}

/// Where statements of a tree end, in its text, because a `(`, `[` or `-` begins the next line.
pub(crate) fn ends(pairs: Pairs<'_, Rule>) -> Vec<usize> {
    let mut ends = Vec::new();
    for node in pairs.flatten() {
        match node.as_rule() {
            Rule::let_stmt | Rule::assignment | Rule::bare_expr => ends_of_values(node, &mut ends),
            Rule::value_stmt => {
                let (start, own) = (node.as_span().start(), ends.len());
                let text = node.as_span().get_input();
                ends_of_values(node, &mut ends);
                // At the top of a script a name by itself is no statement, so that it is that of a call.
                let first = ends.get(own).and_then(|end| text.get(start..*end));
                if first.is_some_and(|text| {
                    !text.contains(|c: char| !c.is_alphanumeric() && !"_.`@\"".contains(c) && !c.is_whitespace())
                }) {
                    ends.remove(own);
                }
            }
            _ => {}
        }
    }
    ends
}

/// Puts a semicolon at each place of a text, counted from `start`.
pub(crate) fn separate(text: &mut String, start: usize, ends: &[usize]) {
    for end in ends {
        let place = start + end;
        if text.get(place..=place) == Some("\n") {
            text.replace_range(place..=place, ";");
        }
    }
}

/// The ends within the expressions that are a statement's value.
fn ends_of_values(statement: Node<'_>, ends: &mut Vec<usize>) {
    for value in statement.into_inner().filter(|part| part.as_rule() == Rule::expr) {
        ends_within(value, ends);
    }
}

/// The ends within an expression, but for what lies in brackets.
fn ends_within(expr: Node<'_>, ends: &mut Vec<usize>) {
    for part in expr.into_inner() {
        match part.as_rule() {
            Rule::op_add if part.as_str() == "-" => ends.extend(line_begun(&part)),
            Rule::call_tail | Rule::subscript => ends.extend(line_begun(&part)),
            Rule::operand
            | Rule::name_or_call
            | Rule::method
            | Rule::pipe_stage
            | Rule::in_suffix
            | Rule::in_coll
            | Rule::try_expr
            | Rule::effect_expr => ends_within(part, ends),
            _ => {}
        }
    }
}

/// The end of the line before a node, if it begins a line.
fn line_begun(node: &Node<'_>) -> Option<usize> {
    let span = node.as_span();
    let before = span.get_input().get(..span.start())?;
    let end = before.trim_end().len();
    let line = before.get(end..)?.rfind('\n')?;
    Some(end + line)
}

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
