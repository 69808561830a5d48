//! Random syntax trees that the language can write.

use gobi_grammar::ast::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

mod procedural;
mod statements;

use statements::{table_time, when};

/// Statements that show themselves as text when a property fails.
#[derive(Clone)]
pub struct Script(pub Vec<Statement>);

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&gobi_grammar::print(&self.0, gobi_grammar::Dialect::Grizzly))
    }
}

/// A script of one or two statements.
pub fn script() -> BoxedStrategy<Script> {
    vec(statement(), 1..3).prop_map(Script).boxed()
}

fn span() -> Span {
    Span::default()
}

pub fn ident() -> BoxedStrategy<Ident> {
    let words = [
        "a",
        "b",
        "t1",
        "o_orderkey",
        "größe",
        "date",
        "value",
        "first",
        "Interval",
        "left",
        "end",
        "_x",
    ];
    prop_oneof![
        6 => prop::sample::select(words.to_vec()).prop_map(|text| Ident { text: text.to_owned(), quoted: false, span: span() }),
        1 => "[ -~é]{1,6}".prop_map(|text| Ident { text, quoted: true, span: span() }),
    ]
    .boxed()
}

fn call_name() -> BoxedStrategy<Ident> {
    prop::sample::select(&["f", "count", "sum", "left", "@Sum", "@Median"][..])
        .prop_map(|text| Ident {
            text: text.to_owned(),
            quoted: false,
            span: span(),
        })
        .boxed()
}

fn of(kind: ExprKind) -> Expr {
    Expr { kind, span: span() }
}

fn literal() -> BoxedStrategy<Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        "[0-9]{1,22}".prop_map(Literal::Integer),
        "[0-9]{0,3}\\.[0-9]{1,4}".prop_map(Literal::Decimal),
        "[0-9]{1,3}(\\.[0-9]{1,2})?e-?[0-9]{1,2}".prop_map(Literal::Float),
        "[ -~\\né日]{0,8}".prop_map(Literal::String),
        vec(any::<u8>(), 0..4).prop_map(Literal::Blob),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}".prop_map(Literal::Date),
        "[0-9]{2}:[0-9]{2}".prop_map(Literal::Time),
        "[0-9]{4}-[0-9]{2}-[0-9]{2} 00:00".prop_map(Literal::Timestamp),
        "[1-9]{1,3} (day|month|year)".prop_map(Literal::Interval),
    ]
    .boxed()
}

fn named(name: &str) -> TypeName {
    TypeName {
        name: name.to_owned(),
        params: vec![],
        args: vec![],
        fields: vec![],
        span: span(),
    }
}

pub fn type_name() -> BoxedStrategy<TypeName> {
    let leaf = prop_oneof![
        prop::sample::select(&["int", "varchar", "double precision", "timestamp with time zone", "date"][..])
            .prop_map(named),
        (1u32..38, 0u32..10).prop_map(|(p, s)| TypeName {
            params: vec![p, s],
            ..named("decimal")
        }),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ty| TypeName {
                args: vec![ty],
                ..named("array")
            }),
            (inner.clone(), inner.clone()).prop_map(|(k, v)| TypeName {
                args: vec![k, v],
                ..named("map")
            }),
            vec((ident(), inner), 1..3).prop_map(|fields| TypeName {
                fields,
                ..named("struct")
            }),
        ]
    })
    .boxed()
}

fn chain(inner: BoxedStrategy<Expr>) -> BoxedStrategy<ExprKind> {
    let additive = prop::sample::select(&[ChainOp::Add, ChainOp::Sub, ChainOp::Concat][..]).boxed();
    let tight = [ChainOp::Mul, ChainOp::Div, ChainOp::IntDiv, ChainOp::Rem];
    let multiplicative = prop::sample::select(tight.to_vec()).boxed();
    prop_oneof![Just(additive), Just(multiplicative)]
        .prop_flat_map(move |ops| (inner.clone(), vec((ops, Just(span()), inner.clone()), 1..4)))
        .prop_map(|(first, rest)| ExprKind::Chain {
            first: Box::new(first),
            rest,
        })
        .boxed()
}

fn comparison(e: BoxedStrategy<Expr>) -> BoxedStrategy<ExprKind> {
    let b = e.clone().prop_map(Box::new).boxed();
    let ops = [
        CompareOp::Eq,
        CompareOp::NotEq,
        CompareOp::Lt,
        CompareOp::LtEq,
        CompareOp::Gt,
        CompareOp::GtEq,
    ];
    let tests = [IsTest::Null, IsTest::True, IsTest::False];
    let compare = (prop::sample::select(ops.to_vec()), b.clone(), b.clone());
    let between = (b.clone(), any::<bool>(), b.clone(), b.clone());
    let like = (
        b.clone(),
        any::<bool>(),
        any::<bool>(),
        b.clone(),
        option::of(b.clone()),
    );
    prop_oneof![
        compare.prop_map(|(op, left, right)| ExprKind::Compare { op, left, right }),
        between.prop_map(|(expr, negated, low, high)| ExprKind::Between {
            expr,
            negated,
            low,
            high
        }),
        (b.clone(), any::<bool>(), vec(e, 1..4)).prop_map(|(expr, negated, list)| ExprKind::InList {
            expr,
            negated,
            list
        }),
        like.prop_map(|(expr, negated, case_insensitive, pattern, escape)| ExprKind::Like {
            expr,
            negated,
            case_insensitive,
            pattern,
            escape
        }),
        (b.clone(), any::<bool>(), prop::sample::select(tests.to_vec()))
            .prop_map(|(expr, negated, test)| ExprKind::Is { expr, negated, test }),
        (b.clone(), any::<bool>(), b).prop_map(|(left, negated, right)| ExprKind::IsDistinct { left, negated, right }),
    ]
    .boxed()
}

fn call(e: BoxedStrategy<Expr>) -> BoxedStrategy<ExprKind> {
    (
        call_name(),
        any::<bool>(),
        any::<bool>(),
        vec(e.clone(), 0..3),
        option::of(e),
    )
        .prop_map(|(name, star, distinct, args, filter)| {
            let args = if star { vec![] } else { args };
            let distinct = distinct && !args.is_empty();
            ExprKind::Call(Call {
                name,
                distinct,
                star,
                args,
                filter: filter.map(Box::new),
            })
        })
        .boxed()
}

fn postfix(e: BoxedStrategy<Expr>) -> BoxedStrategy<ExprKind> {
    let b = e.clone().prop_map(Box::new).boxed();
    prop_oneof![
        (b.clone(), ident()).prop_map(|(expr, name)| ExprKind::Field { expr, name }),
        (b.clone(), b.clone(), any::<bool>()).prop_map(|(expr, index, safe)| ExprKind::Index { expr, index, safe }),
        (b.clone(), option::of(b.clone()), option::of(b.clone())).prop_map(|(expr, low, high)| ExprKind::Slice {
            expr,
            low,
            high
        }),
        vec((e.clone(), e.clone()), 0..3).prop_map(ExprKind::Map),
        (ident(), vec((ident(), e), 1..3)).prop_map(|(name, fields)| ExprKind::Instance { name, fields }),
        (b.clone(), type_name(), any::<bool>()).prop_map(|(expr, ty, try_)| ExprKind::Cast { expr, ty, try_ }),
    ]
    .boxed()
}

fn piped(e: BoxedStrategy<Expr>) -> BoxedStrategy<ExprKind> {
    let lambda = (params(ident(), 0..3), e.clone()).prop_map(|(params, body)| {
        of(ExprKind::Lambda(Box::new(Lambda {
            params,
            body: ArmBody::Expr(body),
        })))
    });
    let arg = prop_oneof![2 => lambda, 1 => e.clone()];
    let stage = (call_name(), vec(arg, 0..3)).prop_map(|(name, args)| Call {
        name,
        distinct: false,
        star: false,
        args,
        filter: None,
    });
    (e.prop_map(Box::new), vec(stage, 1..3))
        .prop_map(|(source, stages)| ExprKind::Pipe { source, stages })
        .boxed()
}

fn queried(e: BoxedStrategy<Expr>) -> BoxedStrategy<ExprKind> {
    let query = query(e.clone()).prop_map(Box::new).boxed();
    prop_oneof![
        query.clone().prop_map(ExprKind::Exists),
        query.clone().prop_map(ExprKind::Subquery),
        (e, any::<bool>(), query).prop_map(|(expr, negated, query)| ExprKind::InQuery {
            expr: Box::new(expr),
            negated,
            query
        }),
    ]
    .boxed()
}

pub fn expr() -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![
        literal().prop_map(ExprKind::Literal),
        vec(ident(), 1..3).prop_map(ExprKind::Name),
        ident().prop_map(ExprKind::Braced),
        "[1-9]|[a-c]".prop_map(ExprKind::Parameter),
    ]
    .prop_map(of);
    leaf.prop_recursive(3, 8, 2, |inner| {
        let e = inner.boxed();
        let b = e.clone().prop_map(Box::new).boxed();
        let case = (
            option::of(b.clone()),
            vec((e.clone(), e.clone()), 1..3),
            option::of(b.clone()),
        );
        prop_oneof![
            3 => chain(e.clone()),
            2 => comparison(e.clone()),
            1 => vec(e.clone(), 2..4).prop_map(ExprKind::And),
            1 => vec(e.clone(), 2..4).prop_map(ExprKind::Or),
            1 => vec(e.clone(), 2..4).prop_map(ExprKind::Coalesce),
            1 => b.clone().prop_map(ExprKind::Not),
            1 => b.clone().prop_map(ExprKind::Neg),
            1 => case.prop_map(|(operand, arms, otherwise)| ExprKind::Case { operand, arms, otherwise }),
            2 => call(e.clone()),
            1 => (ident(), b).prop_map(|(field, expr)| ExprKind::Extract { field, expr }),
            1 => vec(e.clone(), 0..3).prop_map(ExprKind::Array),
            1 => vec((ident(), e.clone()), 0..3).prop_map(ExprKind::Struct),
            3 => postfix(e.clone()),
            1 => piped(e.clone()),
            1 => queried(e),
        ]
        .prop_map(of)
    })
    .boxed()
}

fn select_item(e: BoxedStrategy<Expr>) -> BoxedStrategy<SelectItem> {
    prop_oneof![
        3 => (e, option::of(ident())).prop_map(|(expr, alias)| SelectItem::Expr { expr, alias }),
        1 => (option::of(ident()), vec(ident(), 0..3))
            .prop_map(|(qualifier, exclude)| SelectItem::Star { qualifier, exclude, span: span() }),
    ]
    .boxed()
}

fn table(e: BoxedStrategy<Expr>) -> BoxedStrategy<TableRef> {
    let array = vec(e.clone(), 0..3).prop_map(|items| TableRefKind::Collection(Box::new(of(ExprKind::Array(items)))));
    let function = (call_name(), vec(e.clone(), 0..2)).prop_map(|(name, args)| TableRefKind::Function { name, args });
    let named = (vec(ident(), 1..3), option::weighted(0.2, table_time(e.clone())))
        .prop_map(|(path, time)| (TableRefKind::Name(path), time.map(Box::new)));
    let kind = prop_oneof![
        1 => "[ -~]{1,8}".prop_map(TableRefKind::File),
        1 => ident().prop_map(TableRefKind::Braced),
        1 => array,
        1 => function,
        1 => simple_query(e.clone()).prop_map(|query| TableRefKind::Query(Box::new(query))),
    ];
    let kind = prop_oneof![1 => named, 1 => kind.prop_map(|kind| (kind, None))];
    let alias = option::of((ident(), vec(ident(), 0..3)));
    let plain = (kind, alias).prop_map(|((kind, time), alias)| {
        let (alias, columns) = alias.map_or((None, vec![]), |(alias, columns)| (Some(alias), columns));
        TableRef {
            kind,
            time,
            alias,
            columns,
            span: span(),
        }
    });
    let each = (ident(), e.clone()).prop_map(|(alias, expr)| TableRef {
        kind: TableRefKind::Each(Box::new(expr)),
        time: None,
        alias: Some(alias),
        columns: vec![],
        span: span(),
    });
    prop_oneof![6 => plain, 1 => each]
        .prop_recursive(1, 3, 2, move |inner| join(inner.boxed(), e.clone()))
        .boxed()
}

fn join(inner: BoxedStrategy<TableRef>, e: BoxedStrategy<Expr>) -> BoxedStrategy<TableRef> {
    let kinds = [
        JoinKind::Inner,
        JoinKind::Left,
        JoinKind::Right,
        JoinKind::Full,
        JoinKind::Cross,
        JoinKind::Semi,
        JoinKind::Anti,
        JoinKind::AsOf,
    ];
    let on = prop_oneof![
        2 => e.prop_map(JoinCondition::On),
        1 => vec(ident(), 1..3).prop_map(JoinCondition::Using),
        1 => Just(JoinCondition::Natural),
    ];
    (
        inner.clone(),
        inner,
        prop::sample::select(kinds.to_vec()),
        any::<bool>(),
        on,
        option::of(ident()),
    )
        .prop_map(|(left, right, kind, lateral, on, alias)| {
            let on = if kind == JoinKind::Cross {
                JoinCondition::None
            } else {
                on
            };
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
                alias,
                columns: vec![],
                span: span(),
            }
        })
        .boxed()
}

fn select(e: BoxedStrategy<Expr>, table: BoxedStrategy<TableRef>) -> BoxedStrategy<Select> {
    let distinct = prop_oneof![
        3 => Just(Distinct::No),
        1 => Just(Distinct::Yes),
        1 => vec(e.clone(), 1..3).prop_map(Distinct::On),
    ];
    let group_by = prop_oneof![
        3 => Just(GroupBy::None),
        1 => Just(GroupBy::All),
        1 => vec(e.clone(), 1..3).prop_map(GroupBy::Items),
    ];
    let maybe = option::weighted(0.3, e.clone()).boxed();
    let tail = (maybe.clone(), group_by, maybe.clone(), maybe);
    (
        any::<bool>(),
        distinct,
        vec(select_item(e), 0..3),
        vec(table, 0..2),
        tail,
    )
        .prop_map(
            |(from_first, distinct, mut items, from, (filter, group_by, having, qualify))| {
                let from_first = from_first && !from.is_empty();
                if items.is_empty() && !from_first {
                    items.push(SelectItem::Star {
                        qualifier: None,
                        exclude: vec![],
                        span: span(),
                    });
                }
                let distinct = if items.is_empty() { Distinct::No } else { distinct };
                Select {
                    from_first,
                    distinct,
                    items,
                    from,
                    filter,
                    group_by,
                    having,
                    qualify,
                    span: span(),
                }
            },
        )
        .boxed()
}

fn bare(body: QueryBody) -> Query {
    Query {
        as_of: None,
        recursive: false,
        ctes: vec![],
        body,
        order_by: OrderBy::None,
        limit: None,
        offset: None,
        span: span(),
    }
}

/// SELECT without FROM, or VALUES: enough inside a relation.
fn simple_query(e: BoxedStrategy<Expr>) -> BoxedStrategy<Query> {
    let name = vec(ident(), 1..2).prop_map(|path| TableRef {
        kind: TableRefKind::Name(path),
        time: None,
        alias: None,
        columns: vec![],
        span: span(),
    });
    term(e, name.boxed())
}

fn term(e: BoxedStrategy<Expr>, table: BoxedStrategy<TableRef>) -> BoxedStrategy<Query> {
    prop_oneof![
        4 => select(e.clone(), table).prop_map(|select| bare(QueryBody::Select(Box::new(select)))),
        1 => vec(vec(e, 1..3), 1..3).prop_map(|rows| bare(QueryBody::Values(rows))),
    ]
    .boxed()
}

fn body(e: BoxedStrategy<Expr>) -> BoxedStrategy<Query> {
    let term = term(e.clone(), table(e));
    let operand = prop_oneof![
        3 => term.clone(),
        1 => term.clone().prop_map(|query| bare(QueryBody::Nested(Box::new(query)))),
    ];
    let intersect = vec(operand.clone(), 2..3).prop_map(|inputs| {
        bare(QueryBody::SetOp {
            op: SetOp::Intersect,
            all: false,
            inputs,
        })
    });
    let loose = prop_oneof![3 => operand.clone(), 1 => intersect];
    let set = (
        prop::sample::select(&[SetOp::Union, SetOp::Except][..]),
        any::<bool>(),
        vec(loose, 2..4),
    )
        .prop_map(|(op, all, inputs)| bare(QueryBody::SetOp { op, all, inputs }));
    let tight = (any::<bool>(), vec(operand, 2..4)).prop_map(|(all, inputs)| {
        bare(QueryBody::SetOp {
            op: SetOp::Intersect,
            all,
            inputs,
        })
    });
    prop_oneof![4 => term, 1 => set, 1 => tight].boxed()
}

pub fn query(e: BoxedStrategy<Expr>) -> BoxedStrategy<Query> {
    let item = (e.clone(), any::<bool>(), option::of(any::<bool>())).prop_map(|(expr, desc, nulls_first)| OrderItem {
        expr,
        desc,
        nulls_first,
    });
    let order_by = prop_oneof![
        3 => Just(OrderBy::None),
        1 => any::<bool>().prop_map(|desc| OrderBy::All { desc }),
        1 => vec(item, 1..3).prop_map(OrderBy::Items),
    ];
    let cte = (
        ident(),
        vec(ident(), 0..3),
        option::of(any::<bool>()),
        simple_query(e.clone()),
    )
        .prop_map(|(name, columns, materialized, query)| Cte {
            name,
            columns,
            materialized,
            query,
        });
    let maybe = option::weighted(0.2, e.clone()).boxed();
    let as_of = when(e.clone());
    (
        any::<bool>(),
        prop_oneof![3 => Just(vec![]).boxed(), 1 => vec(cte, 1..3).boxed()],
        body(e),
        order_by,
        (maybe.clone(), maybe, option::weighted(0.1, as_of)),
    )
        .prop_map(|(recursive, ctes, body, order_by, (limit, offset, as_of))| Query {
            as_of: as_of.map(Box::new),
            recursive: recursive && !ctes.is_empty(),
            ctes,
            body: body.body,
            order_by,
            limit,
            offset,
            span: span(),
        })
        .boxed()
}

pub fn statement() -> BoxedStrategy<Statement> {
    statements::kind()
        .prop_map(|kind| Statement { kind, span: span() })
        .boxed()
}

/// Parameters of a lambda, each of another name.
pub fn params(name: impl Strategy<Value = Ident>, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Ident>> {
    vec(name, count).prop_map(|mut names: Vec<Ident>| {
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.text.to_lowercase()));
        names
    })
}
