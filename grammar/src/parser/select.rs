//! SELECT blocks and the relations of FROM.
//!
//! `FROM t SELECT a` and `SELECT a FROM t` give the same [`Select`], but for `from_first`.
//!
//! Invariants: a clause without a node in the tree makes the whole statement unsupported, by name.
//!
//! Does not: read ORDER BY and LIMIT, which belong to the query; see `query`.

use super::Builder;
use super::lambda::of_module;
use super::operand::unquote;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::Dialect;
use crate::ast::{
    Distinct, Expr, ExprKind, Ident, Join, JoinCondition, JoinKind, Query, QueryBody, Select, SelectItem, Span,
    TableRef, TableRefKind,
};

impl Builder<'_> {
    /// The clauses of one SELECT block, in the order of the text.
    pub(super) fn select(&mut self, clauses: Vec<Node<'_>>, span: Span) -> Select {
        let mut select = Select {
            from_first: clauses
                .first()
                .is_some_and(|first| first.as_rule() == Rule::from_clause),
            ..Select::of(Vec::new(), Vec::new(), span)
        };
        let outer_windows = std::mem::take(&mut self.windows);
        for clause in clauses.iter().filter(|clause| clause.as_rule() == Rule::window_clause) {
            self.define_windows(clause.clone());
        }
        let mut seen = Vec::new();
        for clause in clauses {
            let rule = clause.as_rule();
            if seen.contains(&rule) && rule != Rule::odd_clause {
                let place = self.span(&clause);
                self.repeated(place, super::words::clause_name(rule));
                continue;
            }
            seen.push(rule);
            self.clause(&mut select, clause);
        }
        self.windows = outer_windows;
        select
    }

    fn clause(&mut self, select: &mut Select, node: Node<'_>) {
        match node.as_rule() {
            Rule::select_clause => self.select_list(select, node),
            Rule::from_clause => select.from = self.from(node),
            Rule::where_clause => select.filter = self.only_expr(node),
            Rule::having_clause => select.having = self.only_expr(node),
            Rule::qualify_clause => select.qualify = self.only_expr(node),
            Rule::group_clause => select.group_by = self.group_by(node),
            // Read before the others, which use the names.
            Rule::window_clause => {}
            _ => self.odd_clause(&node),
        }
    }

    pub(super) fn only_expr(&mut self, node: Node<'_>) -> Option<Expr> {
        parts(node).next().map(|expr| self.expr(expr))
    }

    fn odd_clause(&mut self, node: &Node<'_>) {
        let words = node.as_str().split_whitespace();
        let feature: Vec<String> = match words.clone().next().map(str::to_ascii_uppercase).as_deref() {
            Some("FOR") => words.take(2).map(str::to_ascii_uppercase).collect(),
            Some(word) if word.starts_with("THEN") => vec!["SELECT … THEN".to_owned()],
            _ => words.take(1).map(str::to_ascii_uppercase).collect(),
        };
        self.odd(&feature.join(" "));
    }

    fn select_list(&mut self, select: &mut Select, node: Node<'_>) {
        for part in parts(node) {
            match part.as_rule() {
                Rule::select_distinct => select.distinct = Distinct::Yes,
                Rule::distinct_on => select.distinct = Distinct::On(parts(part).map(|expr| self.expr(expr)).collect()),
                Rule::select_item => select.items.extend(self.select_item(part)),
                _ => {}
            }
        }
    }

    pub(super) fn select_item(&mut self, node: Node<'_>) -> Option<SelectItem> {
        let mut inner = parts(node);
        let first = inner.next()?;
        if first.as_rule() == Rule::star_item {
            return Some(self.star(first));
        }
        let expr = self.expr(first);
        let alias = inner.next().map(|name| self.ident(&name));
        Some(SelectItem::Expr { expr, alias })
    }

    fn star(&mut self, node: Node<'_>) -> SelectItem {
        let span = self.span(&node);
        let (mut qualifier, mut exclude) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::star_exclude => exclude = self.idents(part),
                Rule::star_odd => self.odd("* REPLACE"),
                _ => {
                    let name = self.ident(&part);
                    if let Some(Ident { span, .. }) = qualifier.replace(name) {
                        self.error("42601", span, "`*` takes the name of one relation of FROM before it");
                    }
                }
            }
        }
        SelectItem::Star {
            qualifier,
            exclude,
            span,
        }
    }

    pub(super) fn from(&mut self, node: Node<'_>) -> Vec<TableRef> {
        let mut tables: Vec<TableRef> = Vec::new();
        for item in parts(node) {
            if item.as_rule() == Rule::from_let {
                let names = parts(item).filter_map(|named| self.let_item(named)).collect::<Vec<_>>();
                tables = names.into_iter().fold(tables, with_name);
                continue;
            }
            let lateral = parts(item.clone())
                .next()
                .is_some_and(|primary| has(&primary, Rule::lateral));
            let Some(right) = self.table_item(item) else { continue };
            // `a, LATERAL b` is `a CROSS JOIN LATERAL b`.
            match tables.pop() {
                Some(left) if lateral => {
                    tables.push(joined(left, right, JoinKind::Cross, true, JoinCondition::None));
                }
                before => {
                    tables.extend(before);
                    tables.push(right);
                }
            }
        }
        tables
    }

    /// `y = x * 10` behind FROM and LET.
    fn let_item(&mut self, node: Node<'_>) -> Option<(Ident, Expr)> {
        let mut inner = parts(node).filter(|part| part.as_rule() != Rule::equals);
        let name = self.ident(&inner.next()?);
        Some((name, self.expr(inner.next()?)))
    }

    /// A relation and the joins behind it.
    pub(super) fn table_item(&mut self, node: Node<'_>) -> Option<TableRef> {
        let mut inner = parts(node);
        let mut table = self.table_primary(inner.next()?)?;
        for suffix in inner {
            table = self.join(table, suffix)?;
        }
        Some(table)
    }

    fn join(&mut self, left: TableRef, node: Node<'_>) -> Option<TableRef> {
        let place = self.span(&node);
        let (mut kind, mut natural, mut lateral, mut right, mut on) = (JoinKind::Inner, false, false, None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::join_head => {
                    natural = has(&part, Rule::kw_natural);
                    kind = self.join_kind(&part);
                }
                Rule::lateral => lateral = true,
                Rule::join_condition => on = self.join_condition(part),
                _ => right = self.table_primary(part),
            }
        }
        let on = match (natural, on) {
            (true, None) => JoinCondition::Natural,
            (false, Some(_)) if kind == JoinKind::Cross => {
                self.error("42601", place, "`CROSS JOIN` takes no condition");
                JoinCondition::None
            }
            (false, Some(on)) => on,
            (true, Some(on)) => {
                self.error("42601", place, "`NATURAL JOIN` takes no condition of its own");
                on
            }
            (false, None) => {
                if kind != JoinKind::Cross {
                    self.error("42601", place, "a join needs a condition");
                    self.help("write `ON …`, `USING (…)`, or `CROSS JOIN` if every pair is meant");
                }
                JoinCondition::None
            }
        };
        Some(joined(left, right?, kind, lateral, on))
    }

    fn join_kind(&mut self, head: &Node<'_>) -> JoinKind {
        let side = [
            (Rule::kw_left, JoinKind::Left),
            (Rule::kw_right, JoinKind::Right),
            (Rule::kw_full, JoinKind::Full),
            (Rule::kw_cross, JoinKind::Cross),
            (Rule::kw_inner, JoinKind::Inner),
        ];
        let side = side
            .into_iter()
            .find(|(rule, _)| has(head, *rule))
            .map(|(_, kind)| kind);
        let extra = [
            (Rule::kw_asof, JoinKind::AsOf),
            (Rule::kw_semi, JoinKind::Semi),
            (Rule::kw_anti, JoinKind::Anti),
        ];
        let extra = extra
            .into_iter()
            .find(|(rule, _)| has(head, *rule))
            .map(|(_, kind)| kind);
        match (side, extra) {
            (side, None) => side.unwrap_or(JoinKind::Inner),
            (None | Some(JoinKind::Inner), Some(extra)) => extra,
            (Some(JoinKind::Left), Some(extra @ (JoinKind::Semi | JoinKind::Anti))) => extra,
            (Some(_), Some(extra)) => {
                let words: Vec<String> = head.as_str().split_whitespace().map(str::to_ascii_uppercase).collect();
                self.odd(&format!("{} JOIN", words.join(" ")));
                extra
            }
        }
    }

    fn join_condition(&mut self, node: Node<'_>) -> Option<JoinCondition> {
        let part = parts(node).next()?;
        Some(match part.as_rule() {
            Rule::column_list => JoinCondition::Using(self.idents(part)),
            _ => JoinCondition::On(self.expr(part)),
        })
    }

    pub(super) fn table_primary(&mut self, node: Node<'_>) -> Option<TableRef> {
        let span = self.span(&node);
        let (mut table, mut alias, mut columns) = (None, None, Vec::new());
        let (mut time, mut place) = (None, span);
        for part in parts(node) {
            match part.as_rule() {
                Rule::lateral => {}
                Rule::table_alias => {
                    let mut inner = parts(part);
                    alias = inner.next().map(|name| self.ident(&name));
                    columns = inner.next().map(|list| self.idents(list)).unwrap_or_default();
                }
                Rule::table_time => {
                    place = self.span(&part);
                    time = self.table_time(part);
                }
                Rule::table_odd => {
                    let feature = part
                        .as_str()
                        .split_whitespace()
                        .next()
                        .unwrap_or_default()
                        .to_ascii_uppercase();
                    self.odd(if feature == "WITH" { "WITH SECRET" } else { &feature });
                }
                Rule::table_paren => table = self.table_paren(part),
                Rule::each_item => {
                    let mut inner = parts(part);
                    alias = inner.next().map(|name| self.ident(&name));
                    table = inner
                        .next()
                        .map(|source| plain(TableRefKind::Each(Box::new(self.expr(source)))));
                }
                _ => table = self.table_kind(part).map(plain),
            }
        }
        let mut table = table?;
        self.set_time(&mut table, time, place);
        if alias.is_some() {
            if table.alias.is_some() {
                // `(t AS a) AS b`
                let inner = Query::of(from_table(table), span);
                table = plain(TableRefKind::Query(Box::new(inner)));
            }
            table.alias = alias;
            table.columns = columns;
        }
        table.span = span;
        Some(table)
    }

    fn table_kind(&mut self, node: Node<'_>) -> Option<TableRefKind> {
        let span = self.span(&node);
        Some(match node.as_rule() {
            Rule::squoted => TableRefKind::File(unquote(node.as_str())),
            Rule::table_brace => TableRefKind::Braced(self.ident(&parts(node).next()?)),
            Rule::array_lit => {
                let items = parts(node).map(|item| self.expr(item)).collect();
                TableRefKind::Collection(Box::new(Expr {
                    kind: ExprKind::Array(items),
                    span,
                }))
            }
            Rule::param => {
                let kind = ExprKind::Parameter(self.parameter(node.as_str(), span));
                TableRefKind::Collection(Box::new(Expr { kind, span }))
            }
            _ => self.table_name(node)?,
        })
    }

    fn table_name(&mut self, node: Node<'_>) -> Option<TableRefKind> {
        let (mut path, mut args): (Vec<Ident>, Option<Vec<Expr>>) = (Vec::new(), None);
        let mut text = false;
        for part in parts(node) {
            if part.as_rule() == Rule::table_args {
                args = Some(self.table_args(part));
            } else {
                text |= path.is_empty() && part.as_rule() == Rule::dquoted && self.dialect == Dialect::Grizzly;
                path.push(self.ident(&part));
            }
        }
        if text && path.len() == 1 && args.is_none() {
            return path.pop().map(|name| TableRefKind::File(name.text));
        }
        Some(match args {
            None => TableRefKind::Name(path),
            Some(args) => {
                let name = path.pop()?;
                let name = match path.as_slice() {
                    [] => name,
                    [module] => of_module(module.clone(), &name),
                    _ => {
                        self.odd("qualified table function");
                        name
                    }
                };
                TableRefKind::Function { name, args }
            }
        })
    }

    fn table_args(&mut self, node: Node<'_>) -> Vec<Expr> {
        let mut args = Vec::new();
        for part in parts(node) {
            match part.as_rule() {
                Rule::named_arg => args.extend(self.named_arg(part)),
                Rule::query => {
                    let span = self.span(&part);
                    let query = Box::new(self.query(part));
                    args.push(Expr {
                        kind: ExprKind::Subquery(query),
                        span,
                    });
                }
                _ => args.push(self.expr(part)),
            }
        }
        args
    }

    fn table_paren(&mut self, node: Node<'_>) -> Option<TableRef> {
        let mut inner = parts(node);
        let first = inner.next()?;
        if first.as_rule() == Rule::query {
            let query = self.query(first);
            return Some(plain(TableRefKind::Query(Box::new(query))));
        }
        let table = self.table_item(first)?;
        let Some(rest) = inner.next() else { return Some(table) };
        let span = table.span;
        let first = match table.kind {
            TableRefKind::Query(query) if table.alias.is_none() => Query::of(QueryBody::Nested(query), span),
            _ => {
                self.error("42601", span, "a set operation joins queries, not relations");
                self.help("write `FROM` before the relation");
                return None;
            }
        };
        let query = self.query_rest(first, rest);
        Some(plain(TableRefKind::Query(Box::new(query))))
    }
}

fn plain(kind: TableRefKind) -> TableRef {
    TableRef {
        kind,
        time: None,
        alias: None,
        columns: Vec::new(),
        span: Span::default(),
    }
}

fn joined(left: TableRef, right: TableRef, kind: JoinKind, lateral: bool, on: JoinCondition) -> TableRef {
    let span = left.span.to(right.span);
    let join = Join {
        left,
        right,
        kind,
        lateral,
        on,
    };
    TableRef {
        kind: TableRefKind::Join(Box::new(join)),
        time: None,
        alias: None,
        columns: Vec::new(),
        span,
    }
}

/// The body of `FROM table`.
pub(super) fn from_table(table: TableRef) -> QueryBody {
    let span = table.span;
    QueryBody::Select(Box::new(Select {
        from_first: true,
        ..Select::of(Vec::new(), vec![table], span)
    }))
}

/// The relations with one column more, which is computed of each row.
fn with_name(from: Vec<TableRef>, (name, expr): (Ident, Expr)) -> Vec<TableRef> {
    let span = expr.span;
    let element = from.last().and_then(|element| element.alias.clone());
    let all = SelectItem::Star {
        qualifier: None,
        exclude: Vec::new(),
        span,
    };
    let alias = Some(name);
    let query = Select::of(vec![all, SelectItem::Expr { expr, alias }], from, span).query();
    vec![TableRef {
        kind: TableRefKind::Query(Box::new(query)),
        time: None,
        alias: element,
        columns: Vec::new(),
        span,
    }]
}
