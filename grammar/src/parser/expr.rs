//! Expressions: a flat list of operands and operators becomes a tree by precedence.
//!
//! `a + b * c = 7 AND d` arrives as operand, operator, operand, …; [`Builder::expr`] climbs from `??`, the loosest,
//! to the unary minus, the tightest.
//!
//! Invariants: one call level per precedence level, so that a flat chain of any length needs no deep stack; NOT and
//! minus in a row are folded in a loop.
//!
//! Does not: read literals and calls; see `operand`.

use std::iter::Peekable;

use super::Builder;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::Dialect;
use crate::ast::{Call, ChainOp, CompareOp, Expr, ExprKind, Ident, IsTest, Query, QueryBody, Span};

/// Comparisons in a row at one level; more have to be parenthesised, which keeps trees shallow.
const MAX_COMPARISONS: usize = 4;

/// The items of one flat expression, read from left to right.
pub(super) type Items<'i> = Peekable<std::vec::IntoIter<Node<'i>>>;

impl Builder<'_> {
    /// A pair of the rules `expr`, `plain_expr` or `in_coll`.
    pub(super) fn expr(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let items: Vec<Node<'_>> = node.into_inner().collect();
        self.flat(items, span)
    }

    /// The items of a flat expression.
    pub(super) fn flat(&mut self, items: Vec<Node<'_>>, span: Span) -> Expr {
        let ansi = self.dialect == Dialect::Ansi;
        if items.get(1).is_some_and(|item| is_arrow(item, ansi)) {
            return self.lambda(items, span);
        }
        if let Some(feature) = items.iter().find_map(unsupported_operator) {
            return Expr {
                kind: ExprKind::Unsupported {
                    feature: feature.to_owned(),
                },
                span,
            };
        }
        let mut items = items.into_iter().peekable();
        let expr = self.piped(&mut items);
        if let Some(extra) = items.next() {
            let span = self.span(&extra);
            self.error("42601", span, format!("unexpected `{}`", extra.as_str().trim_end()));
        }
        expr
    }

    pub(super) fn coalesce(&mut self, items: &mut Items<'_>) -> Expr {
        self.joined(items, Rule::op_coalesce, Self::or, ExprKind::Coalesce)
    }

    fn or(&mut self, items: &mut Items<'_>) -> Expr {
        self.joined(items, Rule::op_or, Self::and, ExprKind::Or)
    }

    fn and(&mut self, items: &mut Items<'_>) -> Expr {
        self.joined(items, Rule::op_and, Self::not, ExprKind::And)
    }

    fn joined<'i>(
        &mut self,
        items: &mut Items<'i>,
        joiner: Rule,
        operand: fn(&mut Self, &mut Items<'i>) -> Expr,
        make: fn(Vec<Expr>) -> ExprKind,
    ) -> Expr {
        let first = operand(self, items);
        if items.peek().is_none_or(|item| item.as_rule() != joiner) {
            return first;
        }
        let mut span = first.span;
        let mut all = vec![first];
        while items.next_if(|item| item.as_rule() == joiner).is_some() {
            let next = operand(self, items);
            span = span.to(next.span);
            all.push(next);
        }
        Expr { kind: make(all), span }
    }

    fn not(&mut self, items: &mut Items<'_>) -> Expr {
        let mut places = Vec::new();
        while let Some(item) = items.next_if(|item| matches!(item.as_rule(), Rule::op_not | Rule::op_bang)) {
            places.push(self.span(&item));
        }
        let inner = self.comparison(items);
        places.into_iter().rev().fold(inner, |inner, place| {
            let span = place.to(inner.span);
            Expr {
                kind: ExprKind::Not(Box::new(inner)),
                span,
            }
        })
    }

    fn comparison(&mut self, items: &mut Items<'_>) -> Expr {
        let mut left = self.additive(items);
        for count in 0.. {
            let Some(item) = items.next_if(|item| is_comparison(item.as_rule())) else {
                break;
            };
            if count >= MAX_COMPARISONS {
                let span = self.span(&item);
                self.error("42601", span, "too many comparisons in a row");
                self.help("put parentheses around them, or join them with AND");
                items.by_ref().for_each(drop);
                break;
            }
            left = self.compared(left, item, items);
        }
        left
    }

    fn compared(&mut self, left: Expr, item: Node<'_>, items: &mut Items<'_>) -> Expr {
        let start = left.span;
        let place = self.span(&item);
        let expr = Box::new(left);
        let negated = has(&item, Rule::kw_not);
        let kind = match item.as_rule() {
            Rule::op_compare => ExprKind::Compare {
                op: compare_op(item.as_str()),
                left: expr,
                right: Box::new(self.additive(items)),
            },
            Rule::op_distinct => ExprKind::IsDistinct {
                left: expr,
                negated,
                right: Box::new(self.additive(items)),
            },
            Rule::op_between => {
                let low = Box::new(self.additive(items));
                if items.next_if(|item| item.as_rule() == Rule::op_and).is_none() {
                    self.error("42601", place, "`BETWEEN` needs two bounds joined by `AND`");
                    return *low;
                }
                ExprKind::Between {
                    expr,
                    negated,
                    low,
                    high: Box::new(self.additive(items)),
                }
            }
            Rule::op_like => {
                let case_insensitive = has(&item, Rule::kw_ilike);
                let pattern = Box::new(self.additive(items));
                let escape = items.next_if(|item| item.as_rule() == Rule::op_escape);
                let escape = escape.map(|_| Box::new(self.additive(items)));
                ExprKind::Like {
                    expr,
                    negated,
                    case_insensitive,
                    pattern,
                    escape,
                }
            }
            Rule::is_suffix => is_test(expr, &item, negated),
            _ => self.in_suffix(expr, item, negated),
        };
        let end = right_end(&kind).unwrap_or(place);
        Expr {
            kind,
            span: start.to(end),
        }
    }

    fn in_suffix(&mut self, expr: Box<Expr>, item: Node<'_>, negated: bool) -> ExprKind {
        let Some(right) = parts(item).next() else {
            return missing();
        };
        if right.as_rule() == Rule::in_coll {
            return self.in_collection(*expr, right, negated);
        }
        let mut inner = parts(right).peekable();
        if let Some(query) = inner.next_if(|node| node.as_rule() == Rule::query) {
            return ExprKind::InQuery {
                expr,
                negated,
                query: Box::new(self.query(query)),
            };
        }
        let mut list = Vec::new();
        for node in inner {
            if node.as_rule() == Rule::query_rest {
                let Some(first) = list.pop() else { return missing() };
                return ExprKind::InQuery {
                    expr,
                    negated,
                    query: Box::new(self.continued_query(first, node)),
                };
            }
            list.push(self.expr(node));
        }
        ExprKind::InList { expr, negated, list }
    }

    /// `e IN array` is `array_contains(array, e)`.
    fn in_collection(&mut self, expr: Expr, node: Node<'_>, negated: bool) -> ExprKind {
        let array = self.expr(node);
        let span = expr.span.to(array.span);
        let name = Ident {
            text: "array_contains".to_owned(),
            quoted: false,
            span,
        };
        let call = ExprKind::Call(Call {
            name,
            distinct: false,
            star: false,
            args: vec![array, expr],
            filter: None,
        });
        match negated {
            true => ExprKind::Not(Box::new(Expr { kind: call, span })),
            false => call,
        }
    }

    /// A query that began as an operand in parentheses: `(SELECT 1) UNION …`.
    pub(super) fn continued_query(&mut self, first: Expr, rest: Node<'_>) -> Query {
        let span = first.span;
        let ExprKind::Subquery(query) = first.kind else {
            let place = self.span(&rest);
            let word = rest
                .as_str()
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_uppercase();
            self.error("42601", place, format!("`{word}` can only follow a query"));
            return Query::of(QueryBody::Values(Vec::new()), span);
        };
        let first = Query::of(QueryBody::Nested(query), span);
        self.query_rest(first, rest)
    }

    fn additive(&mut self, items: &mut Items<'_>) -> Expr {
        self.chain(items, Rule::op_add, Self::multiplicative)
    }

    fn multiplicative(&mut self, items: &mut Items<'_>) -> Expr {
        self.chain(items, Rule::op_mul, Self::accessed)
    }

    /// `j -> 'a' ->> 0`, which binds tighter than every operator but a sign.
    fn accessed(&mut self, items: &mut Items<'_>) -> Expr {
        let mut expr = self.unary(items);
        while let Some(arrow) = items.next_if(|item| item.as_rule() == Rule::op_arrow) {
            if items.peek().is_some_and(|item| item.as_rule() == Rule::block) {
                let span = self.span(&arrow);
                self.error("42601", span, "behind this arrow stands a key, a position or a path");
            }
            let path = self.unary(items);
            let span = expr.span.to(path.span);
            let kind = ExprKind::Access {
                expr: Box::new(expr),
                path: Box::new(path),
                text: arrow.as_str().starts_with("->>"),
            };
            expr = Expr { kind, span };
        }
        expr
    }

    fn chain<'i>(
        &mut self,
        items: &mut Items<'i>,
        joiner: Rule,
        operand: fn(&mut Self, &mut Items<'i>) -> Expr,
    ) -> Expr {
        let first = operand(self, items);
        let mut rest = Vec::new();
        let mut span = first.span;
        while let Some(item) = items.next_if(|item| item.as_rule() == joiner) {
            let next = operand(self, items);
            span = span.to(next.span);
            rest.push((chain_op(item.as_str()), self.span(&item), next));
        }
        if rest.is_empty() {
            return first;
        }
        Expr {
            kind: ExprKind::Chain {
                first: Box::new(first),
                rest,
            },
            span,
        }
    }

    fn unary(&mut self, items: &mut Items<'_>) -> Expr {
        let mut places = Vec::new();
        while let Some(item) = items.next_if(|item| matches!(item.as_rule(), Rule::op_neg | Rule::op_pos)) {
            if item.as_rule() == Rule::op_neg {
                places.push(self.span(&item));
            }
        }
        if items
            .peek()
            .is_some_and(|item| matches!(item.as_rule(), Rule::op_not | Rule::op_bang))
        {
            return self.misplaced_not(items);
        }
        let mut inner = match items.next() {
            Some(node) => self.operand(node),
            None => Expr {
                kind: missing(),
                span: Span::default(),
            },
        };
        while let Some(cast) = items.next_if(|item| item.as_rule() == Rule::as_cast) {
            inner = self.cast(inner, cast);
        }
        places.into_iter().rev().fold(inner, |inner, place| {
            let span = place.to(inner.span);
            Expr {
                kind: ExprKind::Neg(Box::new(inner)),
                span,
            }
        })
    }

    /// `a = NOT b`: NOT binds looser than the operator before it.
    fn misplaced_not(&mut self, items: &mut Items<'_>) -> Expr {
        if let Some(item) = items.peek() {
            let span = self.span(item);
            self.error("42601", span, "`NOT` binds looser than the operator before it");
            self.help("put parentheses around `NOT …`");
        }
        while items.next_if(|item| !matches!(item.as_rule(), Rule::operand)).is_some() {}
        match items.next() {
            Some(node) => self.operand(node),
            None => Expr {
                kind: missing(),
                span: Span::default(),
            },
        }
    }
}

/// What stands in for a node that the grammar promises and the tree lacks.
pub(super) fn missing() -> ExprKind {
    ExprKind::Unsupported {
        feature: "this form".to_owned(),
    }
}

fn unsupported_operator(item: &Node<'_>) -> Option<&'static str> {
    match item.as_rule() {
        Rule::at_time_zone => Some("AT TIME ZONE"),
        Rule::op_other => Some(match item.as_str().get(..1).unwrap_or_default() {
            "s" | "S" => "SIMILAR TO",
            "g" | "G" => "GLOB",
            "~" | "!" | "r" | "R" => "regular expression operator",
            _ => "bit operator",
        }),
        _ => None,
    }
}

/// Whether an item is the arrow of a lambda; in the ANSI dialect, `->` takes JSON apart.
fn is_arrow(item: &Node<'_>, ansi: bool) -> bool {
    item.as_rule() == Rule::op_arrow && (!ansi || item.as_str().starts_with('='))
}

fn is_comparison(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::op_compare | Rule::op_distinct | Rule::op_between | Rule::op_like | Rule::is_suffix | Rule::in_suffix
    )
}

fn is_test(expr: Box<Expr>, item: &Node<'_>, negated: bool) -> ExprKind {
    let test = if has(item, Rule::kw_true) {
        IsTest::True
    } else if has(item, Rule::kw_false) {
        IsTest::False
    } else {
        // UNKNOWN is the NULL of booleans.
        IsTest::Null
    };
    ExprKind::Is { expr, negated, test }
}

/// Where the right side of a comparison lies, if it has one.
fn right_end(kind: &ExprKind) -> Option<Span> {
    match kind {
        ExprKind::Compare { right, .. } | ExprKind::IsDistinct { right, .. } => Some(right.span),
        ExprKind::Between { high, .. } => Some(high.span),
        ExprKind::Like { pattern, escape, .. } => Some(escape.as_ref().unwrap_or(pattern).span),
        _ => None,
    }
}

fn compare_op(text: &str) -> CompareOp {
    match text {
        "<>" | "!=" => CompareOp::NotEq,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::LtEq,
        ">" => CompareOp::Gt,
        ">=" => CompareOp::GtEq,
        _ => CompareOp::Eq,
    }
}

fn chain_op(text: &str) -> ChainOp {
    match text {
        "+" => ChainOp::Add,
        "-" => ChainOp::Sub,
        "||" => ChainOp::Concat,
        "*" => ChainOp::Mul,
        "/" => ChainOp::Div,
        "%" => ChainOp::Rem,
        _ => ChainOp::IntDiv,
    }
}
