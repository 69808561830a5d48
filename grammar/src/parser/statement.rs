//! Statements.
//!
//! `EXPLAIN ANALYZE SELECT 1` becomes [`Explain`] around a query; `CREATE TABLE t (a int)` becomes
//! [`StatementKind::Unsupported`] with the feature `CREATE TABLE`.
//!
//! Invariants: a query statement may give several statements, where a repeated SELECT or FROM begins the next one.
//!
//! Does not: split a script; see [`crate::parser`].

use super::Builder;
use super::operand::{literal, unquote};
use super::rules::Rule;
use super::select::from_table;
use super::tree::{Node, has, parts};
use crate::ast::{
    Copy, Explain, Expr, ExprKind, Ident, Literal, Query, Set, Show, Span, Statement, StatementKind, TableRef,
    TableRefKind,
};

impl Builder<'_> {
    /// Appends what a statement's pair stands for.
    pub(super) fn statement(&mut self, node: Node<'_>, out: &mut Vec<Statement>) {
        let span = self.span(&node);
        let errors = self.diagnostics.len();
        self.unsupported = None;
        let mut statements = self.statement_kinds(node, span);
        if let Some(feature) = self.unsupported.take() {
            statements = vec![Statement {
                kind: StatementKind::Unsupported { feature },
                span,
            }];
        }
        if self.diagnostics.len() == errors {
            out.append(&mut statements);
        }
    }

    fn statement_kinds(&mut self, node: Node<'_>, span: Span) -> Vec<Statement> {
        let kind = match node.as_rule() {
            Rule::query_stmt => {
                let queries = parts(node).next().map(|query| self.queries(query)).unwrap_or_default();
                let statement = |query: Query| Statement {
                    span: query.span,
                    kind: StatementKind::Query(query),
                };
                return queries.into_iter().map(statement).collect();
            }
            Rule::copy_stmt => self.copy(node),
            Rule::explain_stmt => self.explain(node),
            Rule::set_stmt => self.set(node),
            Rule::show_stmt => self.show(node),
            Rule::describe_stmt => self.describe(node),
            _ => Some(StatementKind::Unsupported {
                feature: odd_feature(&node),
            }),
        };
        let unknown = || StatementKind::Unsupported {
            feature: "this form".to_owned(),
        };
        vec![Statement {
            kind: kind.unwrap_or_else(unknown),
            span,
        }]
    }

    fn copy(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = parts(node);
        let first = inner.next()?;
        let span = self.span(&first);
        let source = match first.as_rule() {
            Rule::copy_odd => {
                let into = first.as_str().starts_with('\'');
                let feature = if into { "COPY FILE TO TABLE" } else { "COPY FROM" };
                return Some(StatementKind::Unsupported {
                    feature: feature.to_owned(),
                });
            }
            Rule::table_paren_query => self.query(parts(first).next()?),
            _ => {
                let path = self.idents(first);
                let kind = TableRefKind::Name(path);
                Query::of(
                    from_table(TableRef {
                        kind,
                        alias: None,
                        columns: vec![],
                        span,
                    }),
                    span,
                )
            }
        };
        let target = inner.next()?;
        let mut options = Vec::new();
        for option in inner.flat_map(|list| parts(list).collect::<Vec<_>>()) {
            options.extend(self.copy_option(option));
        }
        let target_span = self.span(&target);
        Some(StatementKind::Copy(Copy {
            source,
            target: unquote(target.as_str()),
            target_span,
            options,
        }))
    }

    fn copy_option(&mut self, node: Node<'_>) -> Option<(Ident, Expr)> {
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let value = match inner.next() {
            Some(value) => self.setting(value),
            None => Expr {
                kind: literal(Literal::Boolean(true)),
                span: name.span,
            },
        };
        Some((name, value))
    }

    /// `on` and `all` are words that no expression may be.
    fn setting(&mut self, node: Node<'_>) -> Expr {
        if node.as_rule() != Rule::on_word {
            return self.expr(node);
        }
        let span = self.span(&node);
        let text = node.as_str().trim_end().to_owned();
        Expr {
            kind: ExprKind::Name(vec![Ident {
                text,
                quoted: false,
                span,
            }]),
            span,
        }
    }

    fn explain(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut analyze, mut jit) = (has(&node, Rule::kw_analyze), has(&node, Rule::kw_jit));
        let (mut json, mut statement) = (false, None);
        for part in parts(node) {
            if part.as_rule() == Rule::explain_option {
                analyze |= has(&part, Rule::kw_analyze);
                jit |= has(&part, Rule::kw_jit);
                for format in parts(part) {
                    json |= self.explain_format(&format);
                }
                continue;
            }
            let span = self.span(&part);
            let mut found = self.statement_kinds(part, span).into_iter();
            statement = found.next();
            if let Some(extra) = found.next() {
                self.error("42601", extra.span, "a second query begins here");
                self.help("put a `;` before it");
            }
        }
        Some(StatementKind::Explain(Explain {
            analyze,
            jit,
            json,
            statement: Box::new(statement?),
        }))
    }

    fn explain_format(&mut self, node: &Node<'_>) -> bool {
        let text = node.as_str().trim_matches('\'').to_ascii_lowercase();
        if text != "json" && text != "text" {
            let span = self.span(node);
            self.error("22023", span, format!("unknown format `{text}`"));
            self.help("known formats are `text` and `json`");
        }
        text == "json"
    }

    fn set(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = parts(node).filter(|part| part.as_rule() != Rule::set_head);
        let name = self.joined_name(inner.next()?);
        let value = self.setting(inner.next()?);
        Some(StatementKind::Set(Set { name, value }))
    }

    fn show(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = parts(node);
        let what = self.joined_name(inner.next()?);
        if inner.next().is_some() {
            let feature = format!("SHOW {}", what.text.to_ascii_uppercase());
            return Some(StatementKind::Unsupported { feature });
        }
        Some(StatementKind::Show(Show { what }))
    }

    fn joined_name(&mut self, node: Node<'_>) -> Ident {
        let span = self.span(&node);
        let parts = self.idents(node);
        let quoted = parts.iter().any(|part| part.quoted);
        let text = parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join(".");
        Ident { text, quoted, span }
    }

    fn describe(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let first = parts(node).next()?;
        let span = self.span(&first);
        let query = match first.as_rule() {
            Rule::query => self.query(first),
            _ => Query::of(from_table(self.table_item(first)?), span),
        };
        Some(StatementKind::Describe(query))
    }
}

/// The name of a statement that nothing can run yet: its first words in capitals.
fn odd_feature(node: &Node<'_>) -> String {
    match node.as_rule() {
        Rule::assignment => return "assignment".to_owned(),
        Rule::value_stmt => return "expression statement".to_owned(),
        Rule::if_stmt => return "IF".to_owned(),
        _ => {}
    }
    let head = node.clone().into_inner().next();
    let text = head.as_ref().map_or(node.as_str(), |head| head.as_str());
    let noise = [
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "UNIQUE",
        "GLOBAL",
        "LOCAL",
        "UNLOGGED",
        "EXTERNAL",
        "INTO",
        "FROM",
    ];
    let words = text.split_whitespace().map(str::to_ascii_uppercase);
    let words: Vec<String> = words.filter(|word| !noise.contains(&word.as_str())).take(3).collect();
    words.join(" ")
}
