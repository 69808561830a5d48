//! Arms of MATCH that earlier ones leave nothing.
//!
//! In `x match { 1..5 -> 'few', 3 -> 'three', _ -> 'many' }` the second arm is never reached.
//!
//! Invariants: a warning is right whatever the type of what is matched is; arms with guards leave everything to those behind them.
//!
//! Does not: know types. Ranges of texts, and values that are computed, are only what is written the same.

use std::cmp::Ordering;

use crate::ast::{Expr, ExprKind, Literal, Match, MatchArm, Pattern, Span};
use crate::{Diagnostic, Label};

/// A warning for each arm of which all patterns are covered.
pub(super) fn warnings(matching: &Match) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut before: Vec<Before<'_>> = Vec::new();
    for arm in &matching.arms {
        let by = arm.patterns.iter().map(|pattern| covered_by(pattern, &before));
        if let Some(by) = by.collect::<Option<Vec<Span>>>()
            && let Some(first) = by.first()
        {
            found.push(warning(arm, *first));
        }
        if arm.guard.is_none() {
            let span = span_of(arm);
            let patterns = arm.patterns.iter().flat_map(alternatives);
            before.extend(patterns.map(|pattern| Before::new(pattern, span)));
        }
    }
    found
}

fn warning(arm: &MatchArm, by: Span) -> Diagnostic {
    let mut warning = Diagnostic::new("01000", span_of(arm), "this arm is never reached");
    warning.labels.push(Label {
        span: by,
        text: "this one takes what it matches".to_owned(),
    });
    warning.with_help("the first arm that matches is taken: leave this one out, or put it first")
}

/// A pattern of an arm before.
struct Before<'p> {
    pattern: &'p Pattern,
    /// Where its arm stands.
    span: Span,
    numbers: Option<(Number, Number)>,
}

impl<'p> Before<'p> {
    fn new(pattern: &'p Pattern, span: Span) -> Self {
        let numbers = numbers(pattern);
        Self { pattern, span, numbers }
    }
}

/// Where the patterns of an arm stand.
fn span_of(arm: &MatchArm) -> Span {
    let mut spans = arm.patterns.iter().map(place);
    let first = spans.next().unwrap_or_default();
    spans.fold(first, Span::to)
}

fn place(pattern: &Pattern) -> Span {
    match pattern {
        Pattern::Any(span) | Pattern::Fields(_, span) => *span,
        Pattern::Bind(name) => name.span,
        Pattern::Value(value) => value.span,
        Pattern::Range(low, high) => low.span.to(high.span),
        Pattern::OneOf(patterns) => {
            let spans = patterns.iter().map(place);
            spans.reduce(Span::to).unwrap_or_default()
        }
    }
}

fn alternatives(pattern: &Pattern) -> Vec<&Pattern> {
    match pattern {
        Pattern::OneOf(patterns) => patterns.iter().flat_map(alternatives).collect(),
        _ => vec![pattern],
    }
}

/// The first arm that takes something of the pattern, if those before take all of it.
fn covered_by(pattern: &Pattern, before: &[Before<'_>]) -> Option<Span> {
    if let Pattern::OneOf(patterns) = pattern {
        let by = patterns.iter().map(|one| covered_by(one, before));
        return by.collect::<Option<Vec<Span>>>()?.first().copied();
    }
    let own = numbers(pattern);
    let whole = before.iter().find(|earlier| covers(earlier, pattern, own));
    match (whole, pattern, own) {
        (Some(whole), ..) => Some(whole.span),
        (None, Pattern::Range(..), Some(own)) => covered_in_parts(own, before),
        _ => None,
    }
}

/// Whether one pattern matches all that another one does.
fn covers(earlier: &Before<'_>, later: &Pattern, own: Option<(Number, Number)>) -> bool {
    match (earlier.pattern, later) {
        // Arms behind one that matches everything are errors.
        (Pattern::Any(_) | Pattern::Bind(_), _) => false,
        (Pattern::Value(a), Pattern::Value(b)) => is_same(a, b),
        (Pattern::Range(low, high), Pattern::Range(from, to)) if is_same(low, from) && is_same(high, to) => true,
        (Pattern::Fields(all, _), Pattern::Fields(some, _)) => all.iter().all(|(name, pattern)| {
            let same = some
                .iter()
                .find(|(other, _)| other.text.eq_ignore_ascii_case(&name.text));
            match (pattern, same) {
                (Pattern::Any(_) | Pattern::Bind(_), _) => true,
                (pattern, Some((_, other))) => {
                    let parts = alternatives(pattern).into_iter();
                    let parts: Vec<Before<'_>> = parts.map(|part| Before::new(part, Span::default())).collect();
                    covered_by(other, &parts).is_some()
                }
                (_, None) => false,
            }
        }),
        _ => match (earlier.numbers, own) {
            (Some(all), Some(some)) => all.0 <= some.0 && some.1 <= all.1,
            _ => false,
        },
    }
}

/// The same for a range that lies in several others, which meet.
fn covered_in_parts((low, high): (Number, Number), before: &[Before<'_>]) -> Option<Span> {
    let ranges = before
        .iter()
        .filter_map(|earlier| Some((earlier.numbers?, earlier.span)));
    let mut ranges: Vec<((Number, Number), Span)> = ranges.collect();
    ranges.sort_by_key(|range| range.0.0);
    let (mut reached, mut first) = (low, None);
    for ((from, to), span) in ranges {
        if from <= reached && reached <= to {
            first = first.or(Some(span));
            reached = to;
        }
    }
    first.filter(|_| high <= reached)
}

/// Whether two values are written the same, wherever they stand.
fn is_same(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (ExprKind::Literal(a), ExprKind::Literal(b)) => a == b,
        (ExprKind::Neg(a), ExprKind::Neg(b)) => is_same(a, b),
        _ => false,
    }
}

/// The numbers that a pattern matches, both ends included.
fn numbers(pattern: &Pattern) -> Option<(Number, Number)> {
    let (low, high) = match pattern {
        Pattern::Value(value) => (number(value)?, number(value)?),
        Pattern::Range(low, high) => (number(low)?, number(high)?),
        _ => return None,
    };
    (low <= high).then_some((low, high))
}

/// A decimal number that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    digits: i128,
    scale: u32,
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.digits.cmp(&other.digits);
        }
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Digits before and behind the point: any two such numbers have room for those of both.
const MOST_DIGITS: usize = 18;

impl Number {
    fn at(self, scale: u32) -> i128 {
        self.digits * 10_i128.pow(scale - self.scale)
    }
}

fn number(value: &Expr) -> Option<Number> {
    match &value.kind {
        ExprKind::Neg(value) => {
            let Number { digits, scale } = number(value)?;
            let digits = -digits;
            Some(Number { digits, scale })
        }
        ExprKind::Literal(Literal::Integer(text) | Literal::Decimal(text)) => {
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            let part = part.trim_end_matches('0');
            if whole.len() > MOST_DIGITS || part.len() > MOST_DIGITS {
                return None;
            }
            let digits = format!("{whole}{part}").parse().ok()?;
            let scale = u32::try_from(part.len()).ok()?;
            Some(Number { digits, scale })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, parse};

    /// The warnings of a MATCH with these patterns, as what they are about and what takes that.
    fn told(patterns: &str) -> String {
        let arms: Vec<String> = patterns.split("; ").map(|arm| format!("{arm} -> 1")).collect();
        let script = format!("select x match {{ {}, _ -> 0 }} from t", arms.join(", "));
        let parsed = parse(&script, Dialect::Grizzly);
        assert!(parsed.diagnostics.is_empty(), "{script}: {:?}", parsed.diagnostics);
        let text = |at: usize, warning: &crate::Diagnostic| {
            let span = warning.labels[at].span;
            script[span.start as usize..span.end as usize].to_owned()
        };
        let told = parsed.warnings.iter();
        let told: Vec<String> = told.map(|w| format!("{} by {}", text(0, w), text(1, w))).collect();
        told.join(", ")
    }

    #[test]
    fn arms_that_are_taken_before_are_told() {
        assert_eq!(told("1; 2; 1"), "1 by 1");
        assert_eq!(told("1..5; 3; 2..4; 4..6"), "3 by 1..5, 2..4 by 1..5");
        assert_eq!(told("1 | 2; 3; 2 | 3 | 1; 3 | 4"), "2 | 3 | 1 by 1 | 2");
        assert_eq!(told("1..5; 5..9; 2..7"), "2..7 by 1..5");
        assert_eq!(
            told("-3..-1; -2; 0.5..1.5; 1; 1.50"),
            "-2 by -3..-1, 1 by 0.5..1.5, 1.50 by 0.5..1.5"
        );
        assert_eq!(
            told("'a'; 'b'; 'a'; 'a'..'c'; 'a'..'c'; null; null; true; true"),
            "'a' by 'a', 'a'..'c' by 'a'..'c', null by null, true by true"
        );
        assert_eq!(
            told("{k: 1}; {k: 1, n: 2}; {k: 2}; {k: 1 | 2}; {n: 3}"),
            "{k: 1, n: 2} by {k: 1}"
        );
        assert_eq!(told("{k: 1 | 2, n}; {k: 2}"), "{k: 2} by {k: 1 | 2, n}");
    }

    #[test]
    fn every_statement_is_looked_at() {
        let one = "select 1 match {1 -> 2, 1 -> 3, _ -> 4}";
        for script in [
            format!("{one}; {one}"),
            format!("{one}\n{one}"),
            format!("{one}; selec 1; {one}"),
        ] {
            let parsed = parse(&script, Dialect::Grizzly);
            assert_eq!(parsed.warnings.len(), 2, "{script}");
        }
    }

    #[test]
    fn arms_that_may_be_reached_are_not() {
        assert_eq!(told("1 if y; 1"), "");
        // What is matched may have a fraction.
        assert_eq!(told("1..5; 6..9; 3..8"), "");
        assert_eq!(told("'a'..'c'; 'b'; 5..1; 3"), "");
        assert_eq!(told("{k: 1}; {n: 1}; {k: 1..2}"), "");
        assert_eq!(told("f(1); f(1); 1e3; 1000"), "");
    }
}
