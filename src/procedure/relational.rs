//! A chain of calls over a relation as a query.
//!
//! `{orders} |> filter(o => o.status = 'open') |> map(o => o.total) |> sum()` is
//! `SELECT sum(total) FROM (SELECT o.total FROM (SELECT o.* FROM orders AS o WHERE o.status = 'open') AS o)`, and so the same plan as
//! that of the query that one would have written.
//!
//! Invariants: a stage that no clause stands for is left to the loop over what the query gives.
//!
//! Does not: know which relations there are.

use gobi_grammar::ast::{
    self, ArmBody, Expr, ExprKind, Ident, Lambda, Query, QueryBody, Select, SelectItem, Span, TableRef, TableRefKind,
};

use super::chain::{self, Chain, End, Stage, Step};
use super::lambda_names::with_variables;

/// What an element of a relation is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Element {
    /// A row.
    Row,
    /// The value of a column.
    Column(Ident),
}

/// A query, and how many stages of a chain it has done.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) query: Query,
    pub(super) element: Element,
    pub(super) done: usize,
}

/// The relation that an expression may be: a name, `{name}`, or a query.
pub(super) fn relation(expr: &Expr) -> Option<TableRefKind> {
    Some(match &expr.kind {
        ExprKind::Braced(name) => TableRefKind::Braced(name.clone()),
        ExprKind::Name(path) => TableRefKind::Name(path.clone()),
        ExprKind::Subquery(query) => TableRefKind::Query(query.clone()),
        _ => return None,
    })
}

/// All rows of a relation.
pub fn all_of(from: TableRefKind, span: Span) -> Query {
    select(star(None, span), table(from, None, span), None, span)
}

/// The query that a statement is: a relation in braces, or a chain over one of which a query does all.
pub fn statement_rows(
    value: &Expr,
    is_variable: &dyn Fn(&str) -> bool,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<Query> {
    let is_relation = |from: &TableRefKind| is_relation(from, is_variable);
    if let ExprKind::Braced(_) = &value.kind {
        let from = relation(value).filter(|from| is_relation(from))?;
        return Some(all_of(from, value.span));
    }
    let chain = piped(value, is_own)?;
    let from = relation(&chain.source).filter(|from| is_relation(from))?;
    let rows = rows(&with_variables(&chain, is_variable), from);
    (rows.done == chain.stages.len() && chain.end == End::Array).then_some(rows.query)
}

/// Whether a statement is a chain over a relation that gives an array, which is shown as rows.
pub fn gives_rows(value: &Expr, is_variable: &dyn Fn(&str) -> bool, is_own: &dyn Fn(&str) -> bool) -> bool {
    if !matches!(value.kind, ExprKind::Pipe { .. }) {
        return false;
    }
    let mut value = value.clone();
    loop {
        if let Some(from) = relation(&value) {
            return is_relation(&from, is_variable);
        }
        let unpiped = chain::unpiped(&value).clone();
        let ExprKind::Call(call) = &unpiped.kind else {
            return false;
        };
        let is_sorted = call.name.text.eq_ignore_ascii_case("sort_by") && !is_own(&call.name.text);
        let source = match call_of(call, unpiped.span, is_own) {
            Some(chain) if chain.end == End::Array => Some(chain.source),
            None if is_sorted => call.args.first().cloned(),
            _ => None,
        };
        let Some(source) = source else { return false };
        value = source;
    }
}

/// The chain that a pipe is.
fn piped(value: &Expr, is_own: &dyn Fn(&str) -> bool) -> Option<Chain> {
    let is_piped = matches!(value.kind, ExprKind::Pipe { .. });
    let value = chain::unpiped(value);
    let ExprKind::Call(call) = &value.kind else { return None };
    call_of(call, value.span, is_own).filter(|_| is_piped)
}

/// The chain that a call is.
fn call_of(call: &ast::Call, span: Span, is_own: &dyn Fn(&str) -> bool) -> Option<Chain> {
    let is_function = |arg: &Expr| match &arg.kind {
        ExprKind::Lambda(_) => true,
        ExprKind::Name(path) => path.first().is_some_and(|name| is_own(&name.text)),
        _ => false,
    };
    chain::of(call, span, is_own, &is_function)
}

fn is_relation(from: &TableRefKind, is_variable: &dyn Fn(&str) -> bool) -> bool {
    match from.path() {
        Some(path) => path.first().is_some_and(|first| !is_variable(&first.text)),
        None => true,
    }
}

/// The query that does the first stages of a chain.
pub(super) fn rows(chain: &Chain, from: TableRefKind) -> Rows {
    let span = chain.source.span;
    let mut rows = Rows {
        query: all_of(from, span),
        element: Element::Row,
        done: 0,
    };
    for stage in &chain.stages {
        let Some((query, element)) = staged(&rows, stage) else {
            break;
        };
        rows = Rows {
            query,
            element,
            done: rows.done + 1,
        };
    }
    rows
}

/// The query of one value for the end of a chain, if it is one that rows have.
pub(super) fn ended(rows: &Rows, chain: &Chain) -> Option<Query> {
    let name = match chain.end {
        End::Sum => "sum",
        End::Count => "count",
        End::Min => "min",
        End::Max => "max",
        End::Avg => "avg",
        _ => return None,
    };
    let span = chain.source.span;
    let (alias, value) = match (chain.args.first(), &rows.element) {
        (Some(function), _) => {
            let (param, body) = body_of(function, &rows.element)?;
            (param, Some(body))
        }
        (None, Element::Column(column)) => {
            let alias = ident("rows", span);
            let path = vec![alias.clone(), column.clone()];
            let value = Expr {
                kind: ExprKind::Name(path),
                span,
            };
            (alias, Some(value))
        }
        (None, Element::Row) => (ident("rows", span), None),
    };
    let counts = chain.end == End::Count;
    let (args, star, filter) = match (value, counts) {
        (Some(condition), true) if !chain.args.is_empty() => (Vec::new(), true, Some(Box::new(condition))),
        (_, true) => (Vec::new(), true, None),
        (Some(value), false) => (vec![value], false, None),
        (None, false) => return None,
    };
    let call = ast::Call {
        name: ident(name, span),
        distinct: false,
        star,
        args,
        filter,
    };
    let expr = Expr {
        kind: ExprKind::Call(call),
        span,
    };
    let item = SelectItem::Expr { expr, alias: None };
    let from = table(TableRefKind::Query(Box::new(rows.query.clone())), Some(alias), span);
    Some(select(item, from, None, span))
}

/// A value over the rows of a query.
pub(super) fn column_of(expr: Expr, rows: Query) -> Query {
    let span = expr.span;
    let from = table(TableRefKind::Query(Box::new(rows)), None, span);
    select(SelectItem::Expr { expr, alias: None }, from, None, span)
}

/// The query that gives one value.
pub(super) fn value(expr: Expr) -> Query {
    let span = expr.span;
    select(SelectItem::Expr { expr, alias: None }, None, None, span)
}

/// The query that gives all elements as one array; the columns are those of the rows.
pub(super) fn gathered(rows: &Rows, columns: &[String], span: Span) -> Query {
    let alias = ident("rows", span);
    let column = |name: &Ident| Expr {
        kind: ExprKind::Name(vec![alias.clone(), name.clone()]),
        span,
    };
    let element = match &rows.element {
        Element::Column(name) => column(name),
        Element::Row => {
            let fields = columns.iter().map(|name| {
                let name = quoted(name, span);
                (name.clone(), column(&name))
            });
            Expr {
                kind: ExprKind::Struct(fields.collect()),
                span,
            }
        }
    };
    let call = ast::Call {
        name: ident("array_agg", span),
        distinct: false,
        star: false,
        args: vec![element],
        filter: None,
    };
    let list = Expr {
        kind: ExprKind::Call(call),
        span,
    };
    let none = Expr {
        kind: ExprKind::Array(Vec::new()),
        span,
    };
    let expr = Expr {
        kind: ExprKind::Coalesce(vec![list, none]),
        span,
    };
    let item = SelectItem::Expr { expr, alias: None };
    let from = table(TableRefKind::Query(Box::new(rows.query.clone())), Some(alias), span);
    select(item, from, None, span)
}

fn staged(rows: &Rows, stage: &Stage) -> Option<(Query, Element)> {
    let span = stage.span;
    let inner = TableRefKind::Query(Box::new(rows.query.clone()));
    match stage.step {
        Step::Filter => {
            let (param, condition) = body_of(&stage.by, &rows.element)?;
            let item = star(Some(param.clone()), span);
            let query = select(item, table(inner, Some(param), span), Some(condition), span);
            Some((query, rows.element.clone()))
        }
        Step::Map => {
            let (param, body) = body_of(&stage.by, &rows.element)?;
            let (items, element) = items_of(&param, body, &rows.element);
            let mut query = select(star(None, span), table(inner, Some(param), span), None, span);
            if let QueryBody::Select(select) = &mut query.body {
                select.items = items;
            }
            Some((query, element))
        }
        Step::Take | Step::Skip => {
            let mut query = select(
                star(None, span),
                table(inner, Some(ident("rows", span)), span),
                None,
                span,
            );
            match stage.step {
                Step::Take => query.limit = Some(stage.by.clone()),
                _ => query.offset = Some(stage.by.clone()),
            }
            Some((query, rows.element.clone()))
        }
        Step::FlatMap | Step::TakeWhile | Step::SkipWhile => None,
    }
}

/// The columns that MAP makes of a row, and what its elements are then.
fn items_of(param: &Ident, body: Expr, before: &Element) -> (Vec<SelectItem>, Element) {
    let span = body.span;
    match body.kind {
        ExprKind::Struct(fields) if !fields.is_empty() => {
            let items = fields.into_iter().map(|(name, expr)| SelectItem::Expr {
                expr,
                alias: Some(name),
            });
            (items.collect(), Element::Row)
        }
        ExprKind::Name(path) if path.len() == 2 && before == &Element::Row => {
            let column = path[1].clone();
            let expr = Expr {
                kind: ExprKind::Name(path),
                span,
            };
            (vec![SelectItem::Expr { expr, alias: None }], Element::Column(column))
        }
        kind => {
            let column = match before {
                Element::Column(column) => column.clone(),
                Element::Row => ident(
                    if param.text.eq_ignore_ascii_case("value") {
                        "result"
                    } else {
                        "value"
                    },
                    span,
                ),
            };
            let expr = Expr { kind, span };
            let alias = Some(column.clone());
            (vec![SelectItem::Expr { expr, alias }], Element::Column(column))
        }
    }
}

/// The parameter of a function, and what it gives, over the columns of what is called like it; `None` if no expression of a query is
/// that.
fn body_of(function: &Expr, element: &Element) -> Option<(Ident, Expr)> {
    let (param, mut body) = match &function.kind {
        ExprKind::Lambda(lambda) => match (lambda.params.as_slice(), &lambda.body) {
            ([param], ArmBody::Expr(body)) => (param.clone(), body.clone()),
            _ => return None,
        },
        ExprKind::Name(path) => {
            let param = ident("element", function.span);
            let arg = Expr {
                kind: ExprKind::Name(vec![param.clone()]),
                span: function.span,
            };
            let call = ast::Call {
                name: path.first()?.clone(),
                distinct: false,
                star: false,
                args: vec![arg],
                filter: None,
            };
            let body = Expr {
                kind: ExprKind::Call(call),
                span: function.span,
            };
            (param, body)
        }
        _ => return None,
    };
    place(&mut body, &param, element).then_some((param, body))
}

/// Puts the column in the place of the parameter; `false` if the expression takes a row as a whole, or has parts that only a body
/// can have.
fn place(expr: &mut Expr, param: &Ident, element: &Element) -> bool {
    match (&mut expr.kind, element) {
        (ExprKind::Try(_) | ExprKind::Spawn(_) | ExprKind::Await(_), _) => return false,
        (ExprKind::Name(path), _)
            if path
                .first()
                .is_some_and(|first| first.text.eq_ignore_ascii_case(&param.text)) =>
        {
            match element {
                Element::Row => return path.len() > 1,
                Element::Column(column) => path.insert(1, column.clone()),
            }
            return true;
        }
        (ExprKind::Lambda(lambda), _) => return place_inside(lambda, param, element),
        _ => {}
    }
    let mut fine = true;
    expr.for_each_child_mut(&mut |child| fine &= place(child, param, element));
    fine
}

fn place_inside(lambda: &mut Lambda, param: &Ident, element: &Element) -> bool {
    if lambda
        .params
        .iter()
        .any(|own| own.text.eq_ignore_ascii_case(&param.text))
    {
        return true;
    }
    match &mut lambda.body {
        ArmBody::Expr(body) => place(body, param, element),
        ArmBody::Block(_) => false,
    }
}

pub(super) fn ident(text: &str, span: Span) -> Ident {
    Ident {
        text: text.to_owned(),
        quoted: false,
        span,
    }
}

fn quoted(text: &str, span: Span) -> Ident {
    Ident {
        quoted: true,
        ..ident(text, span)
    }
}

fn star(qualifier: Option<Ident>, span: Span) -> SelectItem {
    SelectItem::Star {
        qualifier,
        exclude: Vec::new(),
        span,
    }
}

pub(super) fn table(kind: TableRefKind, alias: Option<Ident>, span: Span) -> TableRef {
    TableRef {
        kind,
        time: None,
        alias,
        columns: Vec::new(),
        span,
    }
}

fn select(item: SelectItem, from: impl Into<Option<TableRef>>, filter: Option<Expr>, span: Span) -> Query {
    let from = from.into().into_iter().collect();
    let select = Select::of(vec![item], from, span);
    Select { filter, ..select }.query()
}
