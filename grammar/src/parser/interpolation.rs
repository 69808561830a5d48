//! Strings with expressions in them.
//!
//! `f'total {x + 1}!'` becomes the call `concat('total ', x + 1, '!')`, in which a NULL is an empty text.
//!
//! Invariants: `{{` and `}}` stand for a brace, `''` for a quote; an expression has the place where it stands in the script.
//!
//! Does not: convert values; `concat` does.

use pest::Parser as _;

use super::Builder;
use super::operand::{literal, unquote};
use super::rules::{Rule, Script};
use crate::ast::{Call, Expr, ExprKind, Ident, Literal, Span};

impl Builder<'_> {
    /// The value of `f'…'`, whose text begins at a place of the piece that is read.
    pub(super) fn interpolated(&mut self, text: &str, at: usize, span: Span) -> ExprKind {
        let inside = text.get(2..text.len().saturating_sub(1)).unwrap_or_default();
        let mut args = Vec::new();
        let mut plain = String::new();
        let mut rest = inside;
        while let Some(next) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(next);
            plain.push_str(before);
            let offset = inside.len() - from.len();
            if from.starts_with("{{") || from.starts_with("}}") {
                plain.push_str(from.get(..1).unwrap_or_default());
                rest = from.get(2..).unwrap_or_default();
                continue;
            }
            let end = closing(from);
            let (true, Some(end)) = (from.starts_with('{'), end) else {
                let place = Span::new(span.start as usize + 2 + offset, span.start as usize + 3 + offset);
                self.error("42601", place, "a brace in `f'…'` stands around an expression");
                self.help("write `{{` or `}}` for the brace itself");
                return literal(Literal::Null);
            };
            if !plain.is_empty() {
                args.push(text_of(&mut plain, span));
            }
            let source = from.get(1..end).unwrap_or_default();
            args.push(self.inside(source, at + 3 + offset, span));
            rest = from.get(end + 1..).unwrap_or_default();
        }
        plain.push_str(rest);
        if args.is_empty() {
            return literal(Literal::String(unquoted(&plain)));
        }
        if !plain.is_empty() {
            args.push(text_of(&mut plain, span));
        }
        ExprKind::Call(Call {
            name: Ident {
                text: "concat".to_owned(),
                quoted: false,
                span,
            },
            distinct: false,
            star: false,
            args,
            filter: None,
        })
    }

    /// The expression between braces.
    fn inside(&mut self, source: &str, at: usize, span: Span) -> Expr {
        let base = self.base;
        let start = self.origin + base + at;
        let parsed = Script::parse(Rule::interpolation, source);
        let node = parsed.ok().and_then(|mut pairs| pairs.next()?.into_inner().next());
        let Some(node) = node else {
            let place = Span::new(start, start + source.len().max(1));
            self.error("42601", place, "expected an expression between the braces of `f'…'`");
            return Expr {
                kind: literal(Literal::Null),
                span,
            };
        };
        self.base += at;
        let expr = self.expr(node);
        self.base = base;
        expr
    }
}

/// Where the bracket that a text begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return (c == '}').then_some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn text_of(plain: &mut String, span: Span) -> Expr {
    let text = std::mem::take(plain);
    Expr {
        kind: literal(Literal::String(unquoted(&text))),
        span,
    }
}

/// The text between quotes.
fn unquoted(text: &str) -> String {
    unquote(&format!("'{text}'"))
}
