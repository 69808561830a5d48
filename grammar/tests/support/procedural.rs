//! Random statements of programs, and triggers.

use gobi_grammar::ast::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{expr, ident, query, span, type_name};

/// Any statement of a program that the tree can hold.
pub fn kind() -> BoxedStrategy<StatementKind> {
    prop_oneof![
        4 => leaf(),
        3 => nested(leaf()),
        2 => nested(prop_oneof![2 => leaf(), 1 => nested(leaf())].boxed()),
        2 => routine(prop_oneof![2 => leaf(), 1 => nested(leaf())].boxed()),
        2 => trigger(),
    ]
    .boxed()
}

/// A name that no statement begins with.
fn name() -> BoxedStrategy<Ident> {
    let word = prop::sample::select(&["x", "n", "total", "r", "größe"][..]).prop_map(|text| Ident {
        text: text.to_owned(),
        quoted: false,
        span: span(),
    });
    let quoted = "[a-z ]{1,5}".prop_map(|text| Ident {
        text,
        quoted: true,
        span: span(),
    });
    prop_oneof![4 => word, 1 => quoted].boxed()
}

fn flag() -> BoxedStrategy<bool> {
    any::<bool>().boxed()
}

fn text() -> BoxedStrategy<String> {
    "[ -~é]{0,6}".boxed()
}

fn value() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => plain().prop_map(Value::Expr),
        1 => query(expr()).prop_map(|query| Value::Query(Box::new(query))),
    ]
    .boxed()
}

/// An expression that no query stands around in parentheses: as a whole value that would be the query itself.
fn plain() -> BoxedStrategy<Expr> {
    let simple = prop_oneof![
        name().prop_map(|name| ExprKind::Name(vec![name])),
        (0u32..100).prop_map(|number| ExprKind::Literal(Literal::Integer(number.to_string()))),
        text().prop_map(|text| ExprKind::Literal(Literal::String(text))),
        (name(), name()).prop_map(|(row, column)| ExprKind::Name(vec![row, column])),
        (name(), 0u32..9).prop_map(|(name, number)| ExprKind::Compare {
            op: CompareOp::Lt,
            left: Box::new(of(ExprKind::Name(vec![name]))),
            right: Box::new(of(ExprKind::Literal(Literal::Integer(number.to_string())))),
        }),
        (name(), vec(name(), 0..3)).prop_map(|(called, args)| ExprKind::Call(Call {
            name: Ident {
                quoted: false,
                text: "f".to_owned(),
                ..called
            },
            distinct: false,
            star: false,
            args: args.into_iter().map(|name| of(ExprKind::Name(vec![name]))).collect(),
            filter: None,
        })),
    ];
    simple.prop_map(of).boxed()
}

fn of(kind: ExprKind) -> Expr {
    Expr { kind, span: span() }
}

fn leaf() -> BoxedStrategy<StatementKind> {
    let step = prop_oneof![name().prop_map(Step::Field), plain().prop_map(Step::Index)];
    let argument = (option::of(name()), plain()).prop_map(|(name, value)| Argument { name, value });
    prop_oneof![
        2 => (name(), option::of(type_name()), value())
            .prop_map(|(name, ty, value)| StatementKind::Let(Box::new(Let { name, ty, value }))),
        2 => (name(), vec(step, 0..3), value())
            .prop_map(|(name, path, value)| StatementKind::Assign(Box::new(Assign { name, path, value }))),
        1 => option::of(value()).prop_map(|value| StatementKind::Return(value.map(Box::new))),
        1 => Just(StatementKind::Break),
        1 => Just(StatementKind::Continue),
        1 => option::of(plain()).prop_map(|value| StatementKind::Throw(value.map(Box::new))),
        1 => (plain(), option::of(plain()))
            .prop_map(|(condition, message)| StatementKind::Assert(Box::new(Assert { condition, message }))),
        1 => (name(), vec(argument, 0..3), option::of((plain(), plain()))).prop_map(|(name, args, restate)| {
            let restate = restate.map(|(from, to)| Box::new(Restate { from, to }));
            StatementKind::CallRoutine(CallRoutine { name: vec![name], args, as_of: None, restate })
        }),
        1 => (name(), option::of(text())).prop_map(|(name, message)| StatementKind::DefineException(DefineException { name, message })),
        1 => define_type(),
        1 => (name(), vec((name(), option::of(plain())), 0..3), expr()).prop_map(|(name, params, body)| {
            let param = |(name, default)| Param { name, ty: None, default };
            let params = params.into_iter().map(param).collect();
            StatementKind::DefineMacro(Box::new(DefineMacro { name, params, body }))
        }),
        1 => vec(name(), 1..3).prop_map(StatementKind::Import),
        1 => query(expr()).prop_map(StatementKind::Query),
    ]
    .boxed()
}

fn define_type() -> BoxedStrategy<StatementKind> {
    let labels = vec(text().prop_map(|text| (text, span())), 1..3)
        .prop_map(TypeBody::Enum)
        .boxed();
    let fields = vec((name(), type_name()), 1..3).prop_map(TypeBody::Struct).boxed();
    let alias = prop::sample::select(&["int", "tier"][..]).prop_map(|name| TypeBody::Alias(super::named(name)));
    let values = vec((name(), plain()), 0..2);
    let declared =
        (name(), labels.clone(), fields.clone(), flag(), values).prop_map(|(name, labels, fields, is_enum, values)| {
            DefineType {
                form: TypeForm::Declare,
                name: vec![name],
                body: if is_enum { labels } else { fields },
                instance: if is_enum { Vec::new() } else { values },
            }
        });
    let body = prop_oneof![labels, fields, alias];
    let created =
        (vec(name(), 1..3), body, flag(), flag()).prop_map(|(name, body, or_replace, if_not_exists)| DefineType {
            form: TypeForm::Create {
                or_replace,
                if_not_exists: if_not_exists && !or_replace,
            },
            name,
            body,
            instance: Vec::new(),
        });
    let all = prop_oneof![declared, created];
    all.prop_map(|define| StatementKind::DefineType(Box::new(define)))
        .boxed()
}

fn block(inner: BoxedStrategy<StatementKind>) -> BoxedStrategy<Block> {
    let statement = inner.prop_map(|kind| Statement { kind, span: span() });
    vec(statement, 0..3)
        .prop_map(|statements| Block {
            statements,
            span: span(),
        })
        .boxed()
}

fn nested(inner: BoxedStrategy<StatementKind>) -> BoxedStrategy<StatementKind> {
    let arm = (plain(), block(inner.clone()));
    prop_oneof![
        (query(expr()), block(inner.clone()))
            .prop_map(|(query, body)| StatementKind::Then(Box::new(Then { query, body }))),
        (name(), block(inner.clone())).prop_map(|(name, body)| StatementKind::Test(Box::new(Test { name, body }))),
        (name(), block(inner.clone())).prop_map(|(name, body)| StatementKind::Module(Box::new(Module { name, body }))),
        (vec(arm, 1..3), option::of(block(inner.clone())))
            .prop_map(|(arms, otherwise)| StatementKind::If(If { arms, otherwise })),
        (plain(), block(inner.clone()))
            .prop_map(|(condition, body)| StatementKind::While(Box::new(While { condition, body }))),
        (name(), value(), block(inner.clone())).prop_map(|(name, values, body)| StatementKind::For(Box::new(For {
            name,
            values,
            body
        }))),
        (name(), holding(block(inner.clone()))).prop_map(|(name, value)| {
            let value = Value::Expr(value);
            StatementKind::Let(Box::new(Let { name, ty: None, value }))
        }),
        holding(block(inner.clone())).prop_map(|value| StatementKind::Eval(Box::new(value))),
        (name(), query(expr()), block(inner)).prop_map(|(name, query, body)| {
            let value = Value::Then(Box::new(Then { query, body }));
            StatementKind::Let(Box::new(Let { name, ty: None, value }))
        }),
    ]
    .boxed()
}

/// An expression with blocks in it.
fn holding(block: BoxedStrategy<Block>) -> BoxedStrategy<Expr> {
    let body = prop_oneof![
        1 => plain().prop_map(ArmBody::Expr),
        1 => block.clone().prop_map(ArmBody::Block),
    ]
    .boxed();
    let lambda = (super::params(name(), 1..3), body.clone())
        .prop_map(|(params, body)| of(ExprKind::Lambda(Box::new(Lambda { params, body }))))
        .boxed();
    let call = |name: &'static str, args: Vec<Expr>| Call {
        name: Ident {
            text: name.to_owned(),
            quoted: false,
            span: span(),
        },
        distinct: false,
        star: false,
        args,
        filter: None,
    };
    let stage = (vec(plain(), 0..2), option::of(lambda.clone())).prop_map(move |(mut args, last)| {
        args.extend(last);
        call("map", args)
    });
    let pattern = prop_oneof![
        Just(Pattern::Any(span())),
        (0u32..9).prop_map(|number| Pattern::Value(of(ExprKind::Literal(Literal::Integer(number.to_string()))))),
        (0u32..9, 10u32..19).prop_map(|(low, high)| {
            let number = |n: u32| of(ExprKind::Literal(Literal::Integer(n.to_string())));
            Pattern::Range(number(low), number(high))
        }),
    ];
    let several = vec(pattern.clone(), 2..4).prop_map(Pattern::OneOf);
    let of_field = prop_oneof![3 => pattern.clone(), 1 => several];
    let field = (name(), option::of(of_field)).prop_map(|(name, pattern)| {
        let pattern = pattern.unwrap_or_else(|| Pattern::Bind(name.clone()));
        (name, pattern)
    });
    let fields = vec(field, 1..4).prop_map(|fields| Pattern::Fields(fields, span()));
    let pattern = prop_oneof![3 => pattern, 1 => fields];
    let arm = (vec(pattern, 1..3), option::of(plain()), body.clone()).prop_map(|(patterns, guard, body)| MatchArm {
        patterns,
        guard,
        body,
    });
    let named = (option::of(name()), block.clone()).prop_map(|(name, body)| Catch::Block { name, body });
    let clause = (name(), name(), block).prop_map(|(exception, name, body)| CatchArm {
        exception,
        name: Some(name),
        body: ArmBody::Block(body),
    });
    let clauses = vec(clause, 1..3).prop_map(Catch::Arms);
    let arm_of = (name(), body.clone()).prop_map(|(exception, body)| CatchArm {
        exception,
        name: None,
        body,
    });
    let arms = vec(arm_of, 1..3).prop_map(Catch::Arms);
    let subject = name().prop_map(|name| of(ExprKind::Name(vec![name])));
    prop_oneof![
        (subject.clone(), vec(arm, 1..4))
            .prop_map(|(subject, arms)| of(ExprKind::Match(Box::new(Match { subject, arms })))),
        (body, option::of(prop_oneof![named, clauses, arms]))
            .prop_map(|(body, catch)| of(ExprKind::Try(Box::new(Try { body, catch })))),
        (subject, vec(stage, 1..4)).prop_map(|(source, stages)| of(ExprKind::Pipe {
            source: Box::new(source),
            stages
        })),
        (vec(plain(), 0..2), lambda).prop_map(move |(mut args, last)| {
            args.push(last);
            of(ExprKind::Call(call("f", args)))
        }),
    ]
    .boxed()
}

fn routine(inner: BoxedStrategy<StatementKind>) -> BoxedStrategy<StatementKind> {
    let form = prop_oneof![
        Just(RoutineForm::Local),
        Just(RoutineForm::Upsert),
        (flag(), flag()).prop_map(|(or_replace, if_not_exists)| RoutineForm::Create {
            or_replace,
            if_not_exists: if_not_exists && !or_replace,
        }),
    ];
    let param = (name(), option::of(type_name()), option::of(plain())).prop_map(|(name, ty, default)| Param {
        name,
        ty,
        default,
    });
    let returns = prop_oneof![
        Just(Returns::Inferred),
        Just(Returns::Void),
        vec((name(), type_name()), 0..3).prop_map(Returns::Rows),
        type_name().prop_map(Returns::Type)
    ];
    let generics = prop_oneof![
        2 => Just((None, Vec::new())),
        1 => type_name().prop_map(|ty| (Some(ty), Vec::new())),
        1 => vec(name(), 2..4).prop_map(|names| (None, names)),
    ];
    let body = prop_oneof![
        3 => block(inner.clone()).prop_map(RoutineBody::Block),
        1 => value().prop_map(RoutineBody::Value),
        1 => holding(block(inner)).prop_map(|value| RoutineBody::Value(Value::Expr(value))),
    ];
    let about = (
        vec((name(), plain()), 0..3),
        option::of(prop::sample::select(&[Mode::Sync, Mode::Async][..])),
        option::of(prop::sample::select(&[Rights::Definer, Rights::Invoker][..])),
    );
    (
        form,
        flag(),
        name(),
        generics,
        vec(param, 0..3),
        vec(name(), 0..2),
        returns,
        (about, body),
    )
        .prop_map(
            |(form, is_procedure, name, (receiver, type_params), params, raises, returns, (about, body))| {
                let (metadata, mode, rights) = about;
                let metadata = if form == RoutineForm::Upsert {
                    metadata
                } else {
                    Vec::new()
                };
                StatementKind::Routine(Box::new(Routine {
                    is_procedure: is_procedure && form != RoutineForm::Local,
                    form,
                    name: vec![name],
                    metadata,
                    receiver,
                    type_params,
                    params,
                    raises,
                    returns,
                    mode,
                    rights,
                    body,
                }))
            },
        )
        .boxed()
}

fn trigger() -> BoxedStrategy<StatementKind> {
    let key =
        prop::sample::select(&["timing", "event", "for", "when", "of", "order", "call"][..]).prop_map(|text| Ident {
            text: text.to_owned(),
            quoted: false,
            span: span(),
        });
    let upsert = (ident(), vec((key, plain()), 0..4))
        .prop_map(|(name, options)| StatementKind::UpsertTrigger(UpsertTrigger { name, options }));
    let toggle =
        (flag(), ident()).prop_map(|(enable, name)| StatementKind::ToggleTrigger(ToggleTrigger { enable, name }));
    let options = vec((name(), plain()), 0..3);
    let audit = (ident(), options, query(expr()))
        .prop_map(|(name, options, query)| StatementKind::Audit(Box::new(DefineAudit { name, options, query })));
    prop_oneof![2 => upsert, 1 => toggle, 1 => audit, 3 => create_trigger()].boxed()
}

fn create_trigger() -> BoxedStrategy<StatementKind> {
    let event = prop_oneof![
        Just(TriggerEvent::Insert),
        Just(TriggerEvent::Delete),
        Just(TriggerEvent::Upsert),
        vec(name(), 0..3).prop_map(TriggerEvent::Update),
    ];
    let timing = prop::sample::select(&[TriggerTiming::Before, TriggerTiming::After, TriggerTiming::Instead][..]);
    let argument = (option::of(name()), plain()).prop_map(|(name, value)| Argument { name, value });
    let head = (flag(), flag(), name(), timing, vec(event, 1..3));
    let tables = (option::of(name()), option::of(name()), option::of(flag()));
    (
        head,
        vec(name(), 1..3),
        tables,
        option::of(plain()),
        name(),
        vec(argument, 0..2),
    )
        .prop_map(|(head, target, (old_table, new_table, each_row), when, call, args)| {
            let (or_replace, if_not_exists, name, timing, events) = head;
            StatementKind::CreateTrigger(Box::new(CreateTrigger {
                or_replace,
                if_not_exists: if_not_exists && !or_replace,
                name,
                timing,
                events,
                target,
                old_table,
                new_table,
                each_row,
                when,
                call: vec![call],
                args,
            }))
        })
        .boxed()
}
