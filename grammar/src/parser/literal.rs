//! Numbers, strings with escapes, blobs, intervals and typed literals, and the names of types.
//!
//! `0xff` is the integer `255`; `INTERVAL '7 days'` is the interval `7 day`.
//!
//! Invariants: the tree holds digits without separators and strings without quotes.
//!
//! Does not: check that a date exists or that a number fits a type.

use super::Builder;
use super::expr::missing;
use super::operand::{literal, unquote};
use super::rules::Rule;
use super::tree::{Node, parts};
use crate::ast::{Expr, ExprKind, Literal, Span, TypeName};

impl Builder<'_> {
    pub(super) fn number(&mut self, text: &str, span: Span) -> ExprKind {
        let digits = text.replace('_', "");
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            return match u128::from_str_radix(hex, 16) {
                Ok(value) => literal(Literal::Integer(value.to_string())),
                Err(_) => {
                    self.error("22003", span, "hexadecimal number is longer than 128 bits");
                    missing()
                }
            };
        }
        literal(if digits.contains(['e', 'E']) {
            Literal::Float(digits)
        } else if digits.contains('.') {
            Literal::Decimal(digits)
        } else {
            Literal::Integer(digits)
        })
    }

    /// `e'a\n'`.
    pub(super) fn escaped(&mut self, text: &str, span: Span) -> String {
        let inner = text.get(2..text.len().saturating_sub(1)).unwrap_or_default();
        let mut out = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    // INVARIANT: the grammar lets a quote through only doubled.
                    chars.next();
                    out.push('\'');
                }
                '\\' => {
                    match escape(&mut chars) {
                        Some(c) => out.push(c),
                        None => {
                            self.error("22025", span, "invalid escape in this string");
                            self.help(r"known escapes are `\n`, `\r`, `\t`, `\b`, `\f`, `\0`, `\\`, `\'`, `\xHH` and `\uHHHH`");
                        }
                    }
                }
                c => out.push(c),
            }
        }
        out
    }

    /// `x'00ff'`.
    pub(super) fn blob(&mut self, text: &str, span: Span) -> ExprKind {
        let inner = text.get(2..text.len().saturating_sub(1)).unwrap_or_default();
        let digits: Option<Vec<u8>> = inner
            .chars()
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        match digits {
            Some(digits) if digits.len() % 2 == 0 => {
                let bytes = digits
                    .chunks_exact(2)
                    .map(|pair| pair.iter().fold(0u8, |byte, digit| byte << 4 | digit));
                literal(Literal::Blob(bytes.collect()))
            }
            _ => {
                self.error(
                    "22P02",
                    span,
                    "a blob literal needs an even number of hexadecimal digits",
                );
                missing()
            }
        }
    }

    /// `DATE '…'` and its kin.
    pub(super) fn typed_literal(&mut self, node: Node<'_>) -> ExprKind {
        let mut inner = parts(node);
        let (Some(word), Some(text)) = (inner.next(), inner.next()) else {
            return missing();
        };
        let span = self.span(&text);
        let value = unquote(text.as_str());
        let name = word.as_str().to_ascii_lowercase();
        literal(match name.as_str() {
            "date" => Literal::Date(value),
            "time" => Literal::Time(value),
            "timestamp" => Literal::Timestamp(value),
            _ => {
                let expr = Box::new(Expr {
                    kind: literal(Literal::String(value)),
                    span,
                });
                let ty = TypeName {
                    name,
                    params: vec![],
                    args: vec![],
                    fields: vec![],
                    span: self.span(&word),
                };
                return ExprKind::Cast { expr, ty, try_: false };
            }
        })
    }

    /// `INTERVAL '7 days'`, `INTERVAL '7' DAY`, `INTERVAL 7 DAY`.
    pub(super) fn interval(&mut self, node: Node<'_>) -> ExprKind {
        let mut text = String::new();
        for part in parts(node) {
            match part.as_rule() {
                Rule::squoted => text.push_str(&unquote(part.as_str())),
                Rule::op_neg => text.push('-'),
                Rule::interval_unit => {
                    text.push(' ');
                    text.push_str(part.as_str());
                }
                _ => text.push_str(&part.as_str().replace('_', "")),
            }
        }
        literal(Literal::Interval(normal_interval(&text)))
    }

    pub(super) fn type_name(&mut self, node: Node<'_>) -> TypeName {
        let span = self.span(&node);
        let mut ty = TypeName {
            name: String::new(),
            params: vec![],
            args: vec![],
            fields: vec![],
            span,
        };
        for part in parts(node) {
            match part.as_rule() {
                Rule::type_words => ty.name = self.type_words(part),
                Rule::type_params => ty.params = self.type_params(part),
                Rule::type_generic => self.type_generic(&mut ty, part),
                Rule::type_struct => self.type_struct(&mut ty, part),
                Rule::array_suffix => {
                    let array = TypeName {
                        name: "array".to_owned(),
                        params: vec![],
                        args: vec![],
                        fields: vec![],
                        span,
                    };
                    let element = std::mem::replace(&mut ty, array);
                    ty.args.push(element);
                }
                _ => {}
            }
        }
        ty
    }

    fn type_words(&mut self, node: Node<'_>) -> String {
        let text = node.as_str();
        let names: Vec<Node<'_>> = parts(node).collect();
        let is_quoted = |name: &Node<'_>| matches!(name.as_rule(), Rule::backtick | Rule::dquoted);
        if names.len() == 2 || names.iter().any(is_quoted) {
            let names = names.iter().map(|name| self.ident(name).text.to_ascii_lowercase());
            return names.collect::<Vec<_>>().join(".");
        }
        text.split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn type_params(&mut self, node: Node<'_>) -> Vec<u32> {
        let mut params = Vec::new();
        for part in parts(node) {
            match part.as_str().replace('_', "").parse() {
                Ok(value) => params.push(value),
                Err(_) => {
                    let span = self.span(&part);
                    self.error("42601", span, "type parameter is too large");
                }
            }
        }
        params
    }

    fn type_generic(&mut self, ty: &mut TypeName, node: Node<'_>) {
        for part in parts(node) {
            match part.as_rule() {
                Rule::type_name => ty.args.push(self.type_name(part)),
                _ => ty.name = part.as_str().to_ascii_lowercase(),
            }
        }
    }

    fn type_struct(&mut self, ty: &mut TypeName, node: Node<'_>) {
        "struct".clone_into(&mut ty.name);
        for field in parts(node) {
            let mut inner = parts(field);
            if let (Some(name), Some(field_type)) = (inner.next(), inner.next()) {
                let name = self.ident(&name);
                ty.fields.push((name, self.type_name(field_type)));
            }
        }
    }
}

fn escape(chars: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        '0' => '\0',
        'x' => return hex(chars, 2),
        'u' => return hex(chars, 4),
        'U' => return hex(chars, 8),
        c @ ('\\' | '\'' | '"') => c,
        _ => return None,
    })
}

fn hex(chars: &mut std::str::Chars<'_>, count: usize) -> Option<char> {
    let mut value = 0u32;
    for _ in 0..count {
        value = value.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?)?;
    }
    char::from_u32(value)
}

/// `7 days 2 HOURS` as `7 day 2 hour`; a text of another shape stays as it is.
fn normal_interval(text: &str) -> String {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for pair in words.chunks(2) {
        let [amount, unit] = pair else { return text.to_owned() };
        let is_number = amount
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_'));
        if !is_number || !unit.chars().all(|c| c.is_ascii_alphabetic()) {
            return text.to_owned();
        }
        let unit = unit.to_ascii_lowercase();
        let singular = match unit.as_str() {
            "centuries" => "century",
            unit if unit.len() > 2 => unit.strip_suffix('s').unwrap_or(unit),
            unit => unit,
        };
        out.push((*amount).to_owned());
        out.push(singular.to_owned());
    }
    out.join(" ")
}
