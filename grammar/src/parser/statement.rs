//! Statements.
//!
//! `EXPLAIN ANALYZE SELECT 1` becomes [`Explain`] around a query; `upsert procedure p as …` becomes
//! [`StatementKind::Unsupported`] with the feature `UPSERT PROCEDURE`.
//!
//! Invariants: a statement that ends with a query may give several statements, where a repeated SELECT or FROM begins the
//! next one.
//!
//! Does not: split a script; see [`crate::parser`]. Read the statements of `define`, `change`, `transaction`, `timeline`
//! and `session`.

use super::Builder;
use super::define::object_kind;
use super::errors;
use super::operand::{literal, unquote};
use super::rules::Rule;
use super::select::from_table;
use super::tree::{Node, has, parts};
use crate::Diagnostic;
use crate::ast::{
    Copy, DescribeObject, Explain, Expr, ExprKind, Ident, Literal, ObjectKind, Path, Query, QueryBody, SelectItem, Set,
    Show, Span, Statement, StatementKind, TableRef, TableRefKind,
};

/// Words that no expression goes on with: what begins so is another statement, on the same line, too.
const PLAIN_BEGINNINGS: [&str; 16] = [
    "let", "if", "while", "for", "return", "break", "continue", "throw", "try", "insert", "update", "delete", "merge",
    "upsert", "call", "assert",
];

impl Builder<'_> {
    /// Appends what a statement's pair stands for.
    pub(super) fn statement(&mut self, node: Node<'_>, out: &mut Vec<Statement>) {
        let mut span = self.span(&node);
        self.separated(&node);
        let errors = self.diagnostics.len();
        self.unsupported = None;
        (self.extra, self.cut) = (Vec::new(), None);
        let is_open = self.blocks > 0 || is_procedural(node.as_rule());
        let is_closed = node.as_str().trim_end().ends_with('}');
        let mut statements = self.statement_kinds(node, span);
        let end = (span.end as usize).saturating_sub(self.origin);
        self.open_end = (!is_closed).then_some((end, is_open));
        if let Some(last) = self.cut {
            span.end = last.end;
            statements
                .iter_mut()
                .for_each(|statement| statement.span.end = last.end);
            statements.extend(self.extra.drain(..).map(query_statement));
        }
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

    /// Behind an expression the next statement needs a semicolon or a line of its own, and an assignment or a value behind all others.
    fn separated(&mut self, node: &Node<'_>) {
        let Some((end, is_open)) = self.open_end.take() else {
            return;
        };
        if !is_open && !matches!(node.as_rule(), Rule::assignment | Rule::value_stmt) {
            return;
        }
        let here = node.as_span();
        let gap = here.get_input().get(end.saturating_sub(self.base)..here.start());
        if gap.is_some_and(|gap| !gap.contains(['\n', ';', '{', '}'])) {
            let start = self.base + here.start();
            let word = node.as_str().split_whitespace().next().unwrap_or_default();
            let before = here
                .get_input()
                .get(..end.saturating_sub(self.base))
                .unwrap_or_default();
            let last = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let is_named = matches!(node.as_rule(), Rule::assignment | Rule::value_stmt)
                || ["begin", "call"].iter().any(|word| last.eq_ignore_ascii_case(word));
            if !is_named && PLAIN_BEGINNINGS.iter().any(|known| word.eq_ignore_ascii_case(known)) {
                return;
            }
            let span = Span::new(start, start + word.len());
            let input = here.get_input();
            let behind = input.get(here.start()..).unwrap_or_default().split_whitespace().skip(1);
            if errors::is_change(last, word, behind) {
                let change = Span::new(end - last.len(), end);
                return self.diagnostics.push(errors::no_value(change));
            }
            let is_behind = |known: &Diagnostic| {
                let from = (known.span().start as usize).saturating_sub(self.base);
                let between = input.get(from..here.start());
                known.code == "0A000" && between.is_some_and(|between| !between.contains(['\n', ';']))
            };
            if self.diagnostics.last().is_some_and(is_behind) {
                // The words behind a change of data.
                return;
            }
            self.error("42601", span, format!("expected `;` or a new line before `{word}`"));
            if last.eq_ignore_ascii_case("call") {
                self.help("a call that is a value is written without `call`: `let x = p(1)`");
            } else if last.eq_ignore_ascii_case("begin") {
                self.help("a body stands in braces: `{ … }`");
            }
        }
    }

    pub(super) fn statement_kinds(&mut self, node: Node<'_>, span: Span) -> Vec<Statement> {
        let kind = match node.as_rule() {
            Rule::query_stmt => {
                let mut inner = parts(node);
                let queries = inner.next().map(|query| self.queries(query)).unwrap_or_default();
                let mut statements: Vec<Statement> = queries.into_iter().map(query_statement).collect();
                if let Some(then) = inner.next() {
                    self.then(then, &mut statements);
                }
                return statements;
            }
            Rule::copy_stmt => self.copy(node),
            Rule::explain_stmt => self.explain(node),
            Rule::set_stmt => self.set(node),
            Rule::show_stmt => self.show(node),
            Rule::describe_stmt => self.describe(node),
            Rule::change_stmt => self.change(node),
            Rule::create_stmt => self.create(node),
            Rule::drop_stmt => self.drop_object(node),
            Rule::alter_stmt => self.alter_table(node),
            Rule::alter_type_stmt => self.alter_type(node),
            Rule::refresh_stmt => self.refresh(node),
            Rule::truncate_stmt => Some(self.truncate(node)),
            Rule::begin_stmt => Some(self.begin(node)),
            Rule::commit_stmt => Some(self.commit(node)),
            Rule::rollback_stmt => self.rollback(node),
            Rule::savepoint_stmt => self.first_ident(node).map(StatementKind::Savepoint),
            Rule::release_stmt => self.first_ident(node).map(StatementKind::Release),
            Rule::upsert_trigger_stmt | Rule::create_trigger_stmt | Rule::toggle_trigger_stmt | Rule::audit_stmt => {
                self.trigger(node)
            }
            rule if is_timeline(rule) => self.timeline(node),
            rule if is_session(rule) => self.session(node),
            rule if is_procedural(rule) => self.procedural(node),
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
        let into = has(&node, Rule::copy_from);
        let mut inner = parts(node).peekable();
        let first = inner.next()?;
        if first.as_rule() == Rule::copy_file {
            return self.copy_from(parts(first));
        }
        if into {
            if first.as_rule() == Rule::table_paren_query {
                let span = self.span(&first);
                self.error("42601", span, "a file can be copied into a table, not into a query");
            }
            return self.copy_from(std::iter::once(first).chain(inner));
        }
        let source = match first.as_rule() {
            Rule::table_paren_query => self.query(parts(first).next()?),
            _ => {
                let span = self.span(&first);
                let path = self.idents(first);
                let columns = inner.next_if(|part| part.as_rule() == Rule::columns);
                let columns = columns.map(|list| self.idents(list)).unwrap_or_default();
                columns_of(path, columns, span)
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

    /// `name = value`, `name value`, or a name alone, which is TRUE.
    pub(super) fn copy_option(&mut self, node: Node<'_>) -> Option<(Ident, Expr)> {
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let value = match inner.next() {
            Some(value) => self.option_value(value),
            None => Expr {
                kind: literal(Literal::Boolean(true)),
                span: name.span,
            },
        };
        Some((name, value))
    }

    /// A setting, or a list in parentheses, which is an array.
    fn option_value(&mut self, node: Node<'_>) -> Expr {
        let Some(items) = listed(&node) else {
            return self.setting(node);
        };
        let span = self.span(&node);
        let kind = ExprKind::Array(items.into_iter().map(|item| self.expr(item)).collect());
        Expr { kind, span }
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
            statement = self.inner_statement(part);
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
        let (mut of, mut like) = (Vec::new(), None);
        for part in inner {
            match (part.as_rule(), parts(part).next()) {
                (Rule::show_of, Some(path)) => of = self.idents(path),
                (_, Some(pattern)) => like = Some(unquote(pattern.as_str())),
                _ => {}
            }
        }
        Some(StatementKind::Show(Show { what, of, like }))
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
            Rule::query => self.open_query(first, false),
            Rule::describe_object => return self.describe_object(first),
            _ => Query::of(from_table(self.table_item(first)?), span),
        };
        Some(StatementKind::Describe(query))
    }

    /// `DESCRIBE TABLE t` is `DESCRIBE t`.
    fn describe_object(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let kind = object_kind(&inner.next()?)?;
        let name = self.idents(inner.next()?);
        Some(match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView => {
                StatementKind::Describe(columns_of(name, Vec::new(), span))
            }
            kind => StatementKind::DescribeObject(DescribeObject { kind, name }),
        })
    }
}

fn query_statement(query: Query) -> Statement {
    Statement {
        span: query.span,
        kind: StatementKind::Query(query),
    }
}

fn is_timeline(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::snapshot_stmt
            | Rule::use_branch_stmt
            | Rule::merge_branch_stmt
            | Rule::advance_stmt
            | Rule::diff_stmt
            | Rule::diff_routine_stmt
            | Rule::log_stmt
            | Rule::blame_stmt
            | Rule::verify_stmt
            | Rule::prove_stmt
    )
}

fn is_session(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::prepare_stmt
            | Rule::execute_stmt
            | Rule::deallocate_stmt
            | Rule::attach_stmt
            | Rule::detach_stmt
            | Rule::use_stmt
            | Rule::analyze_stmt
            | Rule::maintain_stmt
            | Rule::cache_stmt
    )
}

fn is_procedural(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::assignment
            | Rule::let_stmt
            | Rule::if_stmt
            | Rule::while_stmt
            | Rule::for_stmt
            | Rule::return_stmt
            | Rule::break_stmt
            | Rule::continue_stmt
            | Rule::throw_stmt
            | Rule::yield_stmt
            | Rule::assert_stmt
            | Rule::call_stmt
            | Rule::test_stmt
            | Rule::value_stmt
            | Rule::bare_expr
            | Rule::exception_stmt
            | Rule::type_stmt
            | Rule::macro_stmt
            | Rule::module_stmt
            | Rule::import_stmt
            | Rule::function_stmt
            | Rule::upsert_routine_stmt
            | Rule::create_routine_stmt
    )
}

/// `FROM table SELECT columns`; none: all.
fn columns_of(table: Path, columns: Vec<Ident>, span: Span) -> Query {
    let mut body = from_table(TableRef {
        kind: TableRefKind::Name(table),
        time: None,
        alias: None,
        columns: vec![],
        span,
    });
    if let QueryBody::Select(select) = &mut body {
        let item = |name: Ident| SelectItem::Expr {
            expr: Expr {
                span: name.span,
                kind: ExprKind::Name(vec![name]),
            },
            alias: None,
        };
        select.items = columns.into_iter().map(item).collect();
    }
    Query::of(body, span)
}

/// The items of an expression that is nothing but `(a, b)`.
fn listed<'i>(node: &Node<'i>) -> Option<Vec<Node<'i>>> {
    let only = |node: Node<'i>, rule: Rule| {
        let mut inner = node.into_inner();
        let first = inner.next().filter(|first| first.as_rule() == rule)?;
        inner.next().is_none().then_some(first)
    };
    let paren = only(only(node.clone(), Rule::operand)?, Rule::paren_expr)?;
    let mut inner = parts(paren);
    let (first, rest) = (inner.next()?, inner.next()?);
    (rest.as_rule() == Rule::row_rest).then(|| std::iter::once(first).chain(parts(rest)).collect())
}

/// The name of a statement that nothing can run yet: its first words in capitals.
fn odd_feature(node: &Node<'_>) -> String {
    let head = node.clone().into_inner().next();
    let text = head.as_ref().map_or(node.as_str(), |head| head.as_str());
    let noise = ["OR", "REPLACE", "TEMP", "TEMPORARY"];
    let words = text.split_whitespace().map(str::to_ascii_uppercase);
    let words: Vec<String> = words.filter(|word| !noise.contains(&word.as_str())).take(3).collect();
    words.join(" ")
}
