//! Queries: set operations, CTEs, ORDER BY and LIMIT around SELECT blocks.
//!
//! `SELECT a FROM t UNION SELECT b FROM u ORDER BY 1` is a set operation whose ORDER BY belongs to the whole, although
//! the grammar hands it over as a clause of the last term.
//!
//! Invariants: no clause is dropped; one written twice is an error, or at the top level the start of a new statement.
//!
//! Does not: read the clauses of a SELECT block; see `select`.

use super::Builder;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{Cte, Expr, Ident, OrderBy, OrderItem, Query, QueryBody, SetOp, Span, When};

/// The set operator before a term, and whether it says ALL; none before the first.
type Joiner = Option<(SetOp, bool)>;

/// One term of a set operation, as nodes.
struct RawTerm<'i> {
    /// What joins it to the term before.
    set_op: Option<Node<'i>>,
    clauses: Vec<Node<'i>>,
}

/// AS OF, ORDER BY, LIMIT, OFFSET and CTEs, which belong to the whole query wherever they stand.
#[derive(Default)]
pub(super) struct Tail {
    as_of: Option<When>,
    pub(super) recursive: bool,
    pub(super) ctes: Vec<Cte>,
    order_by: Option<OrderBy>,
    limit: Option<Option<Expr>>,
    offset: Option<Expr>,
    /// The first of ORDER BY, LIMIT and OFFSET.
    place: Option<Span>,
    /// STREAM.
    stream: Option<Span>,
}

impl Query {
    /// A query that is only a body.
    pub fn of(body: QueryBody, span: Span) -> Self {
        Self {
            as_of: None,
            recursive: false,
            ctes: vec![],
            body,
            order_by: OrderBy::None,
            limit: None,
            offset: None,
            span,
        }
    }

    /// The query behind STREAM; the query itself, if there is none.
    pub fn unstreamed(&self) -> &Self {
        match &self.body {
            QueryBody::Stream(query) => query,
            _ => self,
        }
    }
}

impl Builder<'_> {
    /// A pair of the rule `query`, inside brackets.
    pub(super) fn query(&mut self, node: Node<'_>) -> Query {
        let span = self.span(&node);
        let terms = raw_terms(node);
        self.build_query(terms, span)
    }

    /// A pair of the rule `query` at statement level: a repeated SELECT or FROM begins the next statement.
    pub(super) fn queries(&mut self, node: Node<'_>) -> Vec<Query> {
        let mut groups: Vec<Vec<RawTerm<'_>>> = vec![Vec::new()];
        for term in raw_terms(node) {
            let mut current = RawTerm {
                set_op: term.set_op,
                clauses: Vec::new(),
            };
            for clause in term.clauses {
                let rule = clause.as_rule();
                let begins = matches!(rule, Rule::select_clause | Rule::from_clause);
                if begins && current.clauses.iter().any(|earlier| earlier.as_rule() == rule) {
                    let mut next = RawTerm {
                        set_op: None,
                        clauses: Vec::new(),
                    };
                    // `SELECT 1 WITH x AS (…) SELECT 2`: the CTE goes with what follows it.
                    next.clauses
                        .extend(current.clauses.pop_if(|last| last.as_rule() == Rule::with_clause));
                    let done = std::mem::replace(&mut current, next);
                    if let Some(group) = groups.last_mut() {
                        group.push(done);
                    }
                    groups.push(Vec::new());
                }
                current.clauses.push(clause);
            }
            if let Some(group) = groups.last_mut() {
                group.push(current);
            }
        }
        groups
            .into_iter()
            .map(|terms| {
                let span = self.terms_span(&terms);
                self.build_query(terms, span)
            })
            .collect()
    }

    /// A query that a statement ends with: what a repeated SELECT or FROM begins is a statement behind it.
    pub(super) fn open_query(&mut self, node: Node<'_>, followed: bool) -> Query {
        let mut queries = self.queries(node).into_iter();
        let first = queries.next();
        let first = first.unwrap_or_else(|| Query::of(QueryBody::Values(Vec::new()), Span::default()));
        let rest: Vec<Query> = queries.collect();
        if let Some(second) = rest.first() {
            if followed {
                self.error("42601", second.span, "a second query begins here");
                self.help("put a `;` before it");
            }
            self.cut = Some(first.span);
        }
        self.extra.extend(rest);
        first
    }

    /// Set operators and clauses behind a first term that is already a query.
    pub(super) fn query_rest(&mut self, first: Query, node: Node<'_>) -> Query {
        let span = first.span.to(self.span(&node));
        let mut terms = vec![RawTerm {
            set_op: None,
            clauses: Vec::new(),
        }];
        collect_terms(node, &mut terms);
        let mut rest = terms.into_iter();
        let tail_of_first = rest.next().map(|term| term.clauses).unwrap_or_default();
        let mut tail = Tail::default();
        for clause in tail_of_first {
            self.tail_clause(&mut tail, clause);
        }
        self.fold_terms(vec![(None, first, tail)], rest.collect(), span)
    }

    fn build_query(&mut self, terms: Vec<RawTerm<'_>>, span: Span) -> Query {
        self.fold_terms(Vec::new(), terms, span)
    }

    fn fold_terms(&mut self, mut built: Vec<(Joiner, Query, Tail)>, terms: Vec<RawTerm<'_>>, span: Span) -> Query {
        for term in terms {
            let op = term.set_op.as_ref().map(set_op);
            let (query, tail) = self.term(term);
            built.push((op, query, tail));
        }
        let mut whole = Tail::default();
        let last = built.len().saturating_sub(1);
        let mut operands = Vec::with_capacity(built.len());
        for (at, (op, query, tail)) in built.into_iter().enumerate() {
            match tail.stream {
                Some(place) if at > 0 => self.error("42601", place, "STREAM stands before the whole query"),
                stream => whole.stream = whole.stream.or(stream),
            }
            whole.as_of = whole.as_of.or(tail.as_of);
            whole.recursive |= tail.recursive;
            whole.ctes.extend(tail.ctes);
            if at == last {
                whole.order_by = tail.order_by;
                whole.limit = tail.limit;
                whole.offset = tail.offset;
            } else if let Some(place) = tail.place {
                self.error(
                    "42601",
                    place,
                    "ORDER BY, LIMIT and OFFSET belong behind the last query of a set operation",
                );
                self.help("put parentheses around the query that they are meant for");
            }
            operands.push((op, query));
        }
        let plain = whole.as_of.is_none()
            && whole.ctes.is_empty()
            && whole.order_by.is_none()
            && whole.limit.is_none()
            && whole.offset.is_none();
        let body = set_operations(operands);
        let streams = whole.stream.is_some();
        let query = whole_query(whole, body, plain, span);
        match streams {
            true => Query::of(QueryBody::Stream(Box::new(query)), span),
            false => query,
        }
    }

    fn term(&mut self, term: RawTerm<'_>) -> (Query, Tail) {
        let mut tail = Tail::default();
        let span = self.clauses_span(&term.clauses);
        let mut body = None;
        let mut block = Vec::new();
        for clause in term.clauses {
            match clause.as_rule() {
                Rule::values_clause => body = Some(QueryBody::Values(self.values(clause))),
                Rule::nested_query => {
                    body = parts(clause)
                        .next()
                        .map(|query| QueryBody::Nested(Box::new(self.query(query))));
                }
                Rule::as_of_clause => tail.as_of = self.when(clause),
                Rule::stream_mark => tail.stream = Some(self.span(&clause)),
                Rule::with_clause
                | Rule::order_clause
                | Rule::limit_clause
                | Rule::offset_clause
                | Rule::fetch_clause => {
                    self.tail_clause(&mut tail, clause);
                }
                _ => block.push(clause),
            }
        }
        let body = body.unwrap_or_else(|| QueryBody::Select(Box::new(self.select(block, span))));
        (Query::of(body, span), tail)
    }

    fn values(&mut self, node: Node<'_>) -> Vec<Vec<Expr>> {
        parts(node)
            .map(|row| parts(row).map(|value| self.expr(value)).collect())
            .collect()
    }

    fn tail_clause(&mut self, tail: &mut Tail, node: Node<'_>) {
        let span = self.span(&node);
        let repeated = match node.as_rule() {
            Rule::with_clause => return self.with(tail, node),
            Rule::order_clause => {
                let order_by = self.order_by(node);
                tail.order_by.replace(order_by).map(|_| "ORDER BY")
            }
            Rule::offset_clause => {
                let offset = parts(node).next().map(|value| self.expr(value));
                let earlier = tail.offset.take();
                tail.offset = offset;
                earlier.map(|_| "OFFSET")
            }
            rule => {
                if rule == Rule::fetch_clause && has(&node, Rule::kw_ties) {
                    self.odd("FETCH … WITH TIES");
                }
                let limit = parts(node).next().map(|value| self.expr(value));
                tail.limit.replace(limit).map(|_| "LIMIT")
            }
        };
        tail.place.get_or_insert(span);
        if let Some(name) = repeated {
            self.repeated(span, name);
        }
    }

    /// The error for a clause that a query has already.
    pub(super) fn repeated(&mut self, span: Span, clause: &str) {
        self.error("42601", span, format!("a query has only one {clause} clause"));
        self.help("if a new statement was meant to begin here, put a `;` before it");
    }

    pub(super) fn with(&mut self, tail: &mut Tail, node: Node<'_>) {
        tail.recursive |= has(&node, Rule::kw_recursive);
        for cte in parts(node) {
            let cte = self.cte(cte);
            tail.ctes.extend(cte);
        }
    }

    fn cte(&mut self, node: Node<'_>) -> Option<Cte> {
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let (mut columns, mut materialized, mut query) = (Vec::new(), None, None);
        for part in inner {
            match part.as_rule() {
                Rule::column_list => columns = self.idents(part),
                Rule::cte_change => {
                    let word = part.as_str().split_whitespace().next().unwrap_or_default();
                    self.odd(&format!("{} in WITH", word.to_ascii_uppercase()));
                }
                Rule::cte_mode => materialized = Some(!has(&part, Rule::kw_not)),
                _ => query = Some(self.query(part)),
            }
        }
        Some(Cte {
            name,
            columns,
            materialized,
            query: query?,
        })
    }

    pub(super) fn order_by(&mut self, node: Node<'_>) -> OrderBy {
        let mut items = Vec::new();
        for part in parts(node) {
            match part.as_rule() {
                Rule::order_all | Rule::order_bare => {
                    if has(&part, Rule::nulls) {
                        self.odd("ORDER BY ALL NULLS FIRST");
                    }
                    let desc = parts(part).any(|part| part.as_rule() == Rule::direction && is_desc(&part));
                    return OrderBy::All { desc };
                }
                _ => items.extend(self.order_item(part)),
            }
        }
        OrderBy::Items(items)
    }

    pub(super) fn order_item(&mut self, node: Node<'_>) -> Option<OrderItem> {
        let (mut expr, mut direction, mut nulls_first) = (None, None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::direction => {
                    if direction.replace(is_desc(&part)).is_some() {
                        let span = self.span(&part);
                        self.error("42601", span, "the direction of a sort key is written twice");
                    }
                }
                Rule::nulls => nulls_first = Some(has(&part, Rule::kw_first)),
                _ => expr = Some(self.expr(part)),
            }
        }
        Some(OrderItem {
            expr: expr?,
            desc: direction.unwrap_or(false),
            nulls_first,
        })
    }

    /// The names of a `column_list`.
    pub(super) fn idents(&mut self, node: Node<'_>) -> Vec<Ident> {
        parts(node).map(|name| self.ident(&name)).collect()
    }

    fn terms_span(&self, terms: &[RawTerm<'_>]) -> Span {
        let spans: Vec<Span> = terms
            .iter()
            .flat_map(|term| &term.clauses)
            .map(|clause| self.span(clause))
            .collect();
        join_spans(&spans)
    }

    fn clauses_span(&self, clauses: &[Node<'_>]) -> Span {
        let spans: Vec<Span> = clauses.iter().map(|clause| self.span(clause)).collect();
        join_spans(&spans)
    }
}

/// A query of its body and what stands behind it; `plain`: nothing does.
fn whole_query(whole: Tail, body: Query, plain: bool, span: Span) -> Query {
    if let (true, QueryBody::Nested(inner)) = (plain, &body.body) {
        return Query {
            span,
            ..(**inner).clone()
        };
    }
    Query {
        as_of: whole.as_of.map(Box::new),
        recursive: whole.recursive,
        ctes: whole.ctes,
        body: body.body,
        order_by: whole.order_by.unwrap_or_default(),
        limit: whole.limit.flatten(),
        offset: whole.offset,
        span,
    }
}

fn join_spans(spans: &[Span]) -> Span {
    spans.iter().copied().reduce(Span::to).unwrap_or_default()
}

fn raw_terms(node: Node<'_>) -> Vec<RawTerm<'_>> {
    let mut terms = vec![RawTerm {
        set_op: None,
        clauses: Vec::new(),
    }];
    collect_terms(node, &mut terms);
    terms
}

/// Appends the terms below a `query` or `query_rest`; what comes before the first set operator joins the last term.
fn collect_terms<'i>(node: Node<'i>, terms: &mut Vec<RawTerm<'i>>) {
    for part in node.into_inner() {
        match part.as_rule() {
            Rule::set_op => terms.push(RawTerm {
                set_op: Some(part),
                clauses: Vec::new(),
            }),
            Rule::query_term => {
                if let Some(term) = terms.last_mut() {
                    term.clauses.extend(part.into_inner());
                }
            }
            _ => {
                if let Some(term) = terms.last_mut() {
                    term.clauses.push(part);
                }
            }
        }
    }
}

fn set_op(node: &Node<'_>) -> (SetOp, bool) {
    let op = if has(node, Rule::kw_union) {
        SetOp::Union
    } else if has(node, Rule::kw_intersect) {
        SetOp::Intersect
    } else {
        SetOp::Except
    };
    (op, has(node, Rule::kw_all))
}

/// INTERSECT binds tighter than UNION and EXCEPT, which are read from left to right.
fn set_operations(operands: Vec<(Joiner, Query)>) -> Query {
    let mut loose: Vec<(Joiner, Query)> = Vec::with_capacity(operands.len());
    for (op, query) in operands {
        match (op, loose.pop()) {
            (Some((SetOp::Intersect, all)), Some((before, left))) => {
                loose.push((before, append(left, (SetOp::Intersect, all), query)));
            }
            (op, before) => {
                loose.extend(before);
                loose.push((op, query));
            }
        }
    }
    let mut loose = loose.into_iter();
    let first = loose.next().map(|(_, query)| query);
    let first = first.unwrap_or_else(|| Query::of(QueryBody::Values(Vec::new()), Span::default()));
    loose.fold(first, |left, (op, right)| {
        append(left, op.unwrap_or((SetOp::Union, false)), right)
    })
}

fn append(mut left: Query, (op, all): (SetOp, bool), right: Query) -> Query {
    let span = left.span.to(right.span);
    match &mut left.body {
        QueryBody::SetOp {
            op: same,
            all: same_all,
            inputs,
        } if *same == op && *same_all == all && !inputs.is_empty() => {
            inputs.push(right);
            left.span = span;
            left
        }
        _ => Query::of(
            QueryBody::SetOp {
                op,
                all,
                inputs: vec![left, right],
            },
            span,
        ),
    }
}

fn is_desc(node: &Node<'_>) -> bool {
    !has(node, Rule::kw_asc)
}
