//! From pest's failure to a message that a person can use.
//!
//! `SELECT a FORM t` becomes "expected … found `t`" with the help "did you mean `FROM`?".
//!
//! Invariants: the message names what was found; the help suggests only words that could stand there.
//!
//! Does not: decide where to go on after an error; see [`crate::parser`].

use pest::error::{Error, ErrorVariant, InputLocation};

use super::rules::Rule;
use super::words::{CHANGE, CONSTRAINT, Expected, OBJECT, expected};
use crate::Diagnostic;
use crate::ast::{ObjectKind, Span};
use crate::keywords::{begins_statement, is_keyword, statement_words};
use crate::scan::{Kind, Token};
use crate::similar::nearest;

/// The tokens around a failure, comments left out.
pub(super) struct Place<'a> {
    script: &'a str,
    /// The tokens of the failed statement.
    tokens: &'a [Token],
    /// The token that could not be read, by its index.
    at: usize,
    /// Where the text of the statement ends.
    end: usize,
}

impl<'a> Place<'a> {
    /// The place of byte `offset` among a statement's tokens.
    pub(super) fn new(script: &'a str, tokens: &'a [Token], offset: usize, end: usize) -> Self {
        let at = tokens.partition_point(|token| token.end <= offset);
        Self {
            script,
            tokens,
            at,
            end,
        }
    }

    fn token(&self, at: usize) -> Option<(&'a Token, &'a str)> {
        let token = self.tokens.get(at)?;
        Some((token, self.script.get(token.start..token.end)?))
    }

    fn found(&self) -> Option<(&'a Token, &'a str)> {
        self.token(self.at)
    }

    fn before(&self) -> Option<(&'a Token, &'a str)> {
        self.token(self.at.checked_sub(1)?)
    }

    /// Where to point: the token found, or just behind the last one.
    fn span(&self) -> Span {
        match (self.found(), self.before()) {
            (Some((token, _)), _) => Span::new(token.start, token.end),
            (None, Some((token, _))) => Span::new(token.end, token.end),
            (None, None) => Span::new(self.end, self.end),
        }
    }

    /// Whether a token is the first of its line.
    fn begins_line(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.token(before));
        let gap = match (before, self.token(at)) {
            (Some((before, _)), Some((token, _))) => self.script.get(before.end..token.start),
            _ => None,
        };
        gap.is_some_and(|gap| gap.contains('\n'))
    }

    /// The innermost bracket that is open at the failure.
    fn open_bracket(&self) -> Option<&'a str> {
        let mut open = Vec::new();
        for at in 0..self.at {
            match self.token(at)?.1 {
                text @ ("(" | "[" | "{") => open.push(text),
                ")" | "]" | "}" => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }
}

/// Whether a parenthesis stands behind a call, as in `f(1)(2)`.
fn calls_again(place: &Place<'_>) -> bool {
    let text = |at: usize| place.token(at).map(|(_, text)| text);
    let Some(close) = place.at.checked_sub(1) else {
        return false;
    };
    if text(place.at) != Some("(") || text(close) != Some(")") || place.begins_line(place.at) {
        return false;
    }
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        match text(at) {
            Some(")") => depth += 1,
            Some("(") if depth == 1 => {
                let called = at.checked_sub(1).and_then(|before| place.token(before));
                return called.is_some_and(|(token, word)| token.kind == Kind::Word && !is_keyword(word));
            }
            Some("(") => depth -= 1,
            _ => {}
        }
    }
    false
}

/// Where in its text pest gave up.
pub(super) fn offset(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// The message for a failure.
pub(super) fn diagnostic(error: &Error<Rule>, place: &Place<'_>) -> Diagnostic {
    if let Some(diagnostic) = unknown_statement(place) {
        return diagnostic;
    }
    if let Some(diagnostic) = without_value(place).or_else(|| value_alone(place)) {
        return diagnostic;
    }
    if let Some(diagnostic) = change_as_value(place).or_else(|| statement_behind_arrow(place)) {
        return diagnostic;
    }
    let positives: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => {
            return Diagnostic::new("54001", place.span(), "statement is nested too deeply");
        }
    };
    let mut wanted: Vec<Expected> = positives.iter().copied().filter_map(expected).collect();
    wanted.sort();
    wanted.dedup();
    let found = match place.found() {
        Some((token, text)) if text.chars().count() <= 40 => describe(token, text),
        Some((token, _)) => describe_kind(token).to_owned(),
        None => "the end of the statement".to_owned(),
    };
    let list = words(&wanted, place);
    if list.iter().any(|word| word == "an operator") && calls_again(place) {
        let message = "a call of what a call gives is not supported yet";
        let help = "give it a name, and call that: `let f = …(…)`, then `f(…)`";
        return Diagnostic::new("0A000", place.span(), message).with_help(help);
    }
    let mut diagnostic = if let (true, Some(word)) = (list.is_empty() && place.at <= 1, first_word(place)) {
        Diagnostic::new(
            "42601",
            place.span(),
            format!("no statement that begins with `{word}` has this form"),
        )
    } else if list.is_empty() {
        Diagnostic::new("42601", place.span(), format!("unexpected {found}"))
    } else {
        let message = format!("expected {}{}, found {found}", join(&list), after(place, &wanted));
        Diagnostic::new("42601", place.span(), message)
    };
    if let Some(help) = suggestion(&wanted, place) {
        diagnostic.help = Some(help);
    }
    diagnostic
}

/// What begins a change of data, and the word behind it; that of UPDATE is a name, and SET follows soon.
const CHANGES: [(&str, &str); 5] = [
    ("insert", "into"),
    ("upsert", "into"),
    ("merge", "into"),
    ("delete", "from"),
    ("update", ""),
];

/// So many words may stand between UPDATE and SET: `s.t AS x`.
const MOST_UPDATED: usize = 6;

/// Whether a word begins a change of data, with the next one and those behind it.
pub(super) fn is_change<'t>(word: &str, next: &str, mut rest: impl Iterator<Item = &'t str>) -> bool {
    let is_word = next.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '`'));
    let known = CHANGES.iter().find(|(first, _)| word.eq_ignore_ascii_case(first));
    known.is_some_and(|(_, second)| match *second {
        "" => {
            is_word
                && rest
                    .by_ref()
                    .take(MOST_UPDATED)
                    .any(|word| word.eq_ignore_ascii_case("set"))
        }
        second => next.eq_ignore_ascii_case(second),
    })
}

/// The error of a change of data where a value stands.
pub(super) fn no_value(span: Span) -> Diagnostic {
    let message = "a change of data as a value is not supported yet";
    let help = "let it stand by itself, and ask for its rows behind it: `let r = select …`";
    Diagnostic::new("0A000", span, message).with_help(help)
}

/// `for x in insert into …`.
fn change_as_value(place: &Place<'_>) -> Option<Diagnostic> {
    let mut at = (place.at.saturating_sub(4)..=place.at).rev();
    at.find_map(|at| change_before(place.script, place.tokens, at + 1))
}

/// So many tokens may stand between such an arrow and the place of the error.
const MOST_BEHIND_ARROW: usize = 64;

/// `_ -> throw NoStock('none')`.
fn statement_behind_arrow(place: &Place<'_>) -> Option<Diagnostic> {
    let least = place.at.saturating_sub(MOST_BEHIND_ARROW);
    (least..place.at).rev().find_map(|at| {
        let (token, word) = place.token(at + 1)?;
        let known = ["throw", "return"];
        let is_one = known.iter().any(|known| word.eq_ignore_ascii_case(known));
        let is_behind = matches!(place.token(at), Some((_, "->" | "=>")));
        (is_one && is_behind).then(|| {
            let word = word.to_ascii_lowercase();
            let message = format!("`{word}` is a statement, and a value stands behind an arrow");
            let help = format!("put it in braces: `{{ {word} … }}`");
            Diagnostic::new("42601", Span::new(token.start, token.end), message).with_help(help)
        })
    })
}

/// The error of a change of data that stands as a value, if the token before this one begins such a one.
pub(super) fn change_before(script: &str, tokens: &[Token], at: usize) -> Option<Diagnostic> {
    let text = |token: &Token| script.get(token.start..token.end).unwrap_or_default();
    let (next, first) = (tokens.get(at)?, tokens.get(at.checked_sub(1)?)?);
    let before = text(tokens.get(at.checked_sub(2)?)?);
    let is_value = before == "=" || ["in", "return"].iter().any(|word| before.eq_ignore_ascii_case(word));
    let rest = tokens.get(at + 1..).unwrap_or_default().iter().map(text);
    (is_value && is_change(text(first), text(next), rest)).then(|| no_value(Span::new(first.start, first.end)))
}

/// The word that the statement begins with, if one may.
fn first_word(place: &Place<'_>) -> Option<String> {
    let (_, text) = place.token(0)?;
    begins_statement(text).then(|| text.to_ascii_uppercase())
}

/// A statement that begins with no word that could begin one.
fn unknown_statement(place: &Place<'_>) -> Option<Diagnostic> {
    let (first, text) = place.token(0)?;
    if place.at > 1 || matches!(text, "(" | "{") && place.at == 1 {
        return None;
    }
    let is_word = first.kind == Kind::Word;
    if is_word && begins_statement(text) {
        return None;
    }
    // `name = …` and `name(…)` are statements; what failed is behind the name.
    if place.at == 1
        && place
            .found()
            .is_some_and(|(_, next)| matches!(next, "=" | ":=" | "(" | "."))
    {
        return None;
    }
    let span = Span::new(first.start, first.end);
    let diagnostic = Diagnostic::new(
        "42601",
        span,
        format!("expected a statement, found {}", describe(first, text)),
    );
    if let Some(help) = read_as_an_alias(place) {
        return Some(diagnostic.with_help(help));
    }
    if is_if_as_a_value(place.script, first.start) {
        let help = "`if` has no value: write `if(a > 1, b, c)`, `match`, or assign in its branches";
        return Some(diagnostic.with_help(help));
    }
    if let Some(operator) = changes_in_place(place).filter(|_| is_word) {
        return Some(diagnostic.with_help(format!("write `{text} = {text} {operator} …`")));
    }
    if text.eq_ignore_ascii_case("catch") {
        let help = "write `catch {Name => …, _ => …}`, or `catch e { … }`, whose last expression is the value";
        return Some(Diagnostic::new("42601", span, "`catch` has neither arms nor a block").with_help(help));
    }
    Some(
        match nearest(text, statement_words().iter().copied()).filter(|_| is_word) {
            Some(word) => diagnostic.with_help(format!("did you mean `{word}`?")),
            None if is_word && !is_keyword(text) && shows_value(place, 1) => {
                diagnostic.with_help(format!("to see a value, write `select {text}`"))
            }
            None => diagnostic,
        },
    )
}

/// `let x = if`, before a place.
fn is_if_as_a_value(script: &str, at: usize) -> bool {
    let before = script.get(..at).unwrap_or_default().trim_end();
    let Some((rest, word)) = before.rsplit_once(char::is_whitespace) else {
        return false;
    };
    let rest = rest.trim_end();
    word.eq_ignore_ascii_case("if") && (rest.ends_with('=') || rest.to_ascii_lowercase().ends_with("return"))
}

/// The operator of `x += 1`, which is no form of an assignment.
fn changes_in_place<'p>(place: &Place<'p>) -> Option<&'p str> {
    const OPERATORS: [&str; 6] = ["+", "-", "*", "/", "%", "||"];
    let (_, text) = place.token(1)?;
    let operator = match text.strip_suffix('=') {
        Some(operator) => operator,
        None => place.token(2).filter(|(_, next)| *next == "=").map(|_| text)?,
    };
    OPERATORS.contains(&operator).then_some(operator)
}

/// Whether a statement ends before a token, or goes on with an operator: what stands before is a value.
fn shows_value(place: &Place<'_>, at: usize) -> bool {
    match place.token(at) {
        None => true,
        Some((_, text)) => place.begins_line(at) || matches!(text, "+" | "-" | "*" | "/" | "%" | "||" | "::" | "??"),
    }
}

/// `n.total`, `a[0]`: what would begin an assignment, and is none.
fn value_alone(place: &Place<'_>) -> Option<Diagnostic> {
    let (first, text) = place.token(0)?;
    let is_name = matches!(first.kind, Kind::Word | Kind::Backtick) && !begins_statement(text);
    if !is_name || place.at < 2 || place.open_bracket().is_some() || !shows_value(place, place.at) {
        return None;
    }
    let parts = (1..place.at).filter_map(|at| place.token(at));
    let (_, second) = place.token(1)?;
    if !matches!(second, "." | "[") || parts.clone().any(|(_, text)| matches!(text, "=" | ":=")) {
        return None;
    }
    let end = place.before()?.0.end;
    let written = place.script.get(first.start..end)?;
    let written: String = written.split_whitespace().collect();
    let message = "expected `=`, and a value, behind what is assigned";
    Some(
        Diagnostic::new("42601", Span::new(end, end), message)
            .with_help(format!("to see a value, write `select {written}`")),
    )
}

/// The last LET that begins a statement, if all brackets behind it are closed where the place is.
fn last_let(place: &Place<'_>) -> Option<usize> {
    let mut open = 0i32;
    for at in (0..place.at).rev() {
        match place.token(at)?.1 {
            ")" | "]" | "}" => open += 1,
            "(" | "[" | "{" => open -= 1,
            word if open == 0 && word.eq_ignore_ascii_case("let") => {
                let before = at.checked_sub(1).and_then(|before| place.token(before));
                let begins = place.begins_line(at) || before.is_none_or(|(_, text)| matches!(text, "{" | ";"));
                return begins.then_some(at);
            }
            _ => {}
        }
        if open < 0 {
            return None;
        }
    }
    None
}

/// LET without `=`, be it in a block.
fn without_value(place: &Place<'_>) -> Option<Diagnostic> {
    let begun = last_let(place)?;
    let (_, name) = place.token(begun + 1)?;
    let no_value = (begun + 1..=place.at).all(|at| !matches!(place.token(at), Some((_, "=" | ":="))));
    if place.at < begun + 2 || !no_value {
        return None;
    }
    let next = place.found().filter(|_| !place.begins_line(place.at));
    let end = place.before()?.0.end;
    let (span, found) = match next {
        Some((token, text)) => (place.span(), describe(token, text)),
        None => (Span::new(end, end), "the end of the statement".to_owned()),
    };
    let typed = matches!(place.token(begun + 2), Some((_, ":")));
    let (message, help) = if !typed && next.is_some_and(|(token, _)| token.kind == Kind::Word) {
        let message = format!("expected `=` and a value, or `:` and a type, found {found}");
        (message, format!("a type stands behind a colon: `let {name}: type = …`"))
    } else if !typed || place.at > begun + 3 && !matches!(place.before(), Some((_, "<" | ","))) {
        let behind = match typed {
            true => place.script.get(place.token(begun + 2)?.0.start..end)?,
            false => "",
        };
        let message = format!("expected `=` and a value, found {found}");
        (
            message,
            format!("a variable begins with a value: `let {name}{behind} = …`; `null` is one of every type"),
        )
    } else {
        return None;
    };
    Some(Diagnostic::new("42601", span, message).with_help(help))
}

/// A name that begins a line, and that the statement before it has taken.
fn read_as_an_alias(place: &Place<'_>) -> Option<String> {
    let (token, text) = place.token(0)?;
    if !matches!(text, "." | "[" | "(" | "=" | ":=" | "|>") {
        return None;
    }
    let before = place.script.get(..token.start)?;
    let line = before.rsplit('\n').next()?.trim();
    let is_name = !line.is_empty() && line.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| format!("`{line}` was read as a part of the statement before it: put a `;` between them"))
}

/// What was expected, as a list for people; long lists of clauses are cut to an example.
fn words(wanted: &[Expected], place: &Place<'_>) -> Vec<String> {
    let has = |what: &Expected| wanted.contains(what);
    let mut list: Vec<String> = Vec::new();
    for (what, text) in [
        (Expected::Statement, "a statement"),
        (Expected::Query, "a query"),
        (Expected::Expression, "an expression"),
        (Expected::Relation, "a relation"),
        (Expected::Type, "a type"),
        (Expected::String, "a string"),
        (Expected::Number, "a whole number"),
    ] {
        // A query or a string that may begin an expression goes without saying.
        let implied = matches!(what, Expected::Query | Expected::String)
            && (has(&Expected::Expression) || has(&Expected::Relation) || has(&Expected::Statement));
        if has(&what) && !implied {
            list.push(text.to_owned());
        }
    }
    let names_implied = has(&Expected::Expression) || has(&Expected::Relation) || has(&Expected::Type);
    let complete = has(&Expected::Operator);
    let operand = has(&Expected::Expression) || has(&Expected::Relation) || has(&Expected::Query);
    let closer = closer(place);
    // Where the bracket does close, something else is missing before it.
    let closes = closer.is_some() && place.found().map(|(_, text)| text) == closer;
    let in_query = closer.is_some() && wanted.iter().any(|what| matches!(what, Expected::Clause(_)));
    let constraint = has(&Expected::Other(CONSTRAINT));
    let ends = complete || constraint || has(&Expected::End) || in_query && !operand;
    if has(&Expected::Name) && !names_implied && !ends {
        list.push("a name".to_owned());
    }
    let keywords: Vec<String> = wanted
        .iter()
        .filter(|what| !has(&Expected::Statement) || !is_first_word(what))
        .filter(|what| !operand || **what != Expected::Keyword("AS".to_owned()))
        .filter_map(|what| keyword(what, complete && !closes, ends || operand))
        .collect();
    let in_case = ["`WHEN`", "`THEN`", "`END`"]
        .iter()
        .any(|word| keywords.iter().any(|keyword| keyword == word));
    if complete && !has(&Expected::Expression) {
        list.push("an operator".to_owned());
    }
    if ends && !in_case && !closes && !has(&Expected::Expression) {
        list.push("`,`".to_owned());
    }
    if let Some(closer) = closer.filter(|_| ends && !in_case && !closes) {
        list.push(format!("`{closer}`"));
    }
    list.extend(keywords.into_iter().take(5));
    if !in_case && !operand {
        list.extend(clauses(wanted, list.is_empty()));
    }
    if has(&Expected::End) && closer.is_none() {
        list.push("the end of the statement".to_owned());
    }
    list
}

fn keyword(what: &Expected, complete: bool, implied: bool) -> Option<String> {
    match what {
        Expected::Keyword(word) if implied && matches!(word.as_str(), "SELECT" | "WITH" | "STREAM" | "VALUES") => None,
        Expected::Keyword(word) if is_operator_word(word) && word != "AS" => None,
        Expected::Keyword(word) if is_noise(word) || complete && is_operator_word(word) => None,
        Expected::Keyword(word) => Some(format!("`{word}`")),
        Expected::Other(text) => Some((*text).to_owned()),
        _ => None,
    }
}

/// A word that goes without saying where any statement may stand; ANALYZE is a flag of EXPLAIN too.
fn is_first_word(what: &Expected) -> bool {
    matches!(what, Expected::Keyword(word) if begins_statement(word) && word != "ANALYZE")
}

fn is_operator_word(word: &str) -> bool {
    matches!(
        word,
        "AND" | "OR" | "NOT" | "IN" | "IS" | "LIKE" | "ILIKE" | "BETWEEN" | "ESCAPE" | "AS" | "DIV"
    )
}

fn clauses(wanted: &[Expected], alone: bool) -> Vec<String> {
    let clauses: Vec<&str> = wanted
        .iter()
        .filter_map(|what| match what {
            Expected::Clause(name) => Some(*name),
            _ => None,
        })
        .collect();
    match clauses.first() {
        Some(_) if clauses.len() <= 2 || alone && clauses.len() <= 3 => {
            clauses.iter().map(|name| format!("`{name}`")).collect()
        }
        Some(first) => vec![format!("a clause such as `{first}`")],
        None => Vec::new(),
    }
}

/// Keywords that begin rare forms of an expression and only lengthen a message.
fn is_noise(word: &str) -> bool {
    matches!(
        word,
        "NULL" | "TRUE" | "FALSE" | "CASE" | "CAST" | "TRY_CAST" | "LATERAL" | "DISTINCT" | "ALL" | "OVER"
    ) || matches!(
        word,
        "FILTER" | "IGNORE" | "RESPECT" | "WITHIN" | "NULLS" | "ROWS" | "OUTER"
    )
}

fn closer(place: &Place<'_>) -> Option<&'static str> {
    match place.open_bracket()? {
        "(" => Some(")"),
        "[" => Some("]"),
        _ => Some("}"),
    }
}

fn join(list: &[String]) -> String {
    match list {
        [] => String::new(),
        [only] => only.clone(),
        [first, last] => format!("{first} or {last}"),
        [first, middle @ .., last] => format!("{first}, {} or {last}", middle.join(", ")),
    }
}

/// "after `,`", where what comes before is a symbol or a keyword that explains the expectation.
fn after(place: &Place<'_>, wanted: &[Expected]) -> String {
    match place.before() {
        Some((token, text))
            if !wanted.contains(&Expected::Operator)
                && !wanted.contains(&Expected::End)
                && (token.kind == Kind::Symbol || token.kind == Kind::Word && is_keyword(text)) =>
        {
            let text = if token.kind == Kind::Word {
                text.to_ascii_uppercase()
            } else {
                text.to_owned()
            };
            format!(" after `{text}`")
        }
        _ => String::new(),
    }
}

fn describe(token: &Token, text: &str) -> String {
    match token.kind {
        Kind::String => format!("the string {text}"),
        Kind::Number => format!("the number `{text}`"),
        _ if text.contains('`') => format!("the name {text}"),
        _ => format!("`{text}`"),
    }
}

fn describe_kind(token: &Token) -> &'static str {
    match token.kind {
        Kind::String | Kind::DoubleQuoted => "a string",
        Kind::Number => "a number",
        Kind::Word | Kind::Backtick => "a name",
        _ => "a symbol",
    }
}

/// The words that a coarse expectation stands for.
fn implied_words(what: &Expected) -> Vec<&'static str> {
    match what {
        Expected::Query => vec!["SELECT", "FROM", "VALUES", "WITH"],
        Expected::Other(text) if *text == OBJECT => ObjectKind::ALL.map(ObjectKind::words).to_vec(),
        Expected::Other(text) if *text == CHANGE => vec!["ADD", "ALTER", "DROP", "RENAME"],
        Expected::Other(text) if *text == CONSTRAINT => {
            vec![
                "PRIMARY",
                "UNIQUE",
                "NOT",
                "NULL",
                "DEFAULT",
                "CHECK",
                "REFERENCES",
                "GENERATED",
            ]
        }
        _ => Vec::new(),
    }
}

/// A keyword that the word found, or the one before it, may have been meant to be.
fn suggestion(wanted: &[Expected], place: &Place<'_>) -> Option<String> {
    let mut candidates: Vec<&str> = wanted
        .iter()
        .filter_map(|what| match what {
            Expected::Keyword(word) => Some(word.as_str()),
            Expected::Clause(name) => name.split_whitespace().next(),
            Expected::Other("`ON` or `USING`") => Some("USING"),
            _ => None,
        })
        .collect();
    candidates.extend(wanted.iter().flat_map(|what| implied_words(what)));
    let (token, text) = place.found().or_else(|| place.before())?;
    if token.kind == Kind::Number && text.ends_with(|c: char| c.is_alphabetic() || c == '_') {
        return Some("a name cannot begin with a digit; write it in backticks".to_owned());
    }
    let meant = nearest(text, candidates.iter().copied());
    if let Some(word) = meant.filter(|_| token.kind == Kind::Word && !is_keyword(text)) {
        return Some(format!("did you mean `{word}`?"));
    }
    let is_list =
        |what: &Expected| matches!(what, Expected::Other(text) if [OBJECT, CHANGE, CONSTRAINT].contains(text));
    if wanted.iter().any(is_list) {
        return None;
    }
    // The word before may have been taken for an alias.
    let (token, text) = place.before()?;
    if token.kind != Kind::Word || is_keyword(text) {
        return None;
    }
    candidates.extend([
        "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "JOIN", "UNION", "OFFSET", "QUALIFY",
    ]);
    candidates.extend([
        "LEFT",
        "RIGHT",
        "INNER",
        "CROSS",
        "BETWEEN",
        "SELECT",
        "AND",
        "LIKE",
        "INTERSECT",
        "EXCEPT",
    ]);
    let word = nearest(text, candidates)?;
    Some(format!("did you mean `{word}` instead of `{text}`?"))
}
