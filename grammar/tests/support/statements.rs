//! Random statements other than queries.

use gobi_grammar::ast::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{expr, ident, of, query, select_item, span, table, type_name};

/// Any statement that the tree can hold.
pub fn kind() -> BoxedStrategy<StatementKind> {
    let inner = prop_oneof![
        2 => query(expr()).prop_map(StatementKind::Query),
        1 => change(),
        1 => definition(),
        1 => copy(),
    ]
    .boxed();
    prop_oneof![
        6 => query(expr()).prop_map(StatementKind::Query),
        2 => copy(),
        5 => change(),
        5 => definition(),
        2 => transaction(),
        3 => timeline(),
        3 => session(inner),
        5 => super::procedural::kind(),
    ]
    .boxed()
}

fn flag() -> BoxedStrategy<bool> {
    any::<bool>().boxed()
}

fn e() -> BoxedStrategy<Expr> {
    expr()
}

fn idents() -> BoxedStrategy<Vec<Ident>> {
    vec(ident(), 0..3).boxed()
}

fn some_idents() -> BoxedStrategy<Vec<Ident>> {
    vec(ident(), 1..3).boxed()
}

fn path() -> BoxedStrategy<Path> {
    vec(ident(), 1..3).boxed()
}

fn text() -> BoxedStrategy<String> {
    "[ -~é]{0,6}".boxed()
}

/// A name that may be left out: never a word of a clause.
fn free_path() -> BoxedStrategy<Path> {
    let word = prop::sample::select(&["t", "log", "commit_", "key", "größe"][..]).prop_map(|text| Ident {
        text: text.to_owned(),
        quoted: false,
        span: span(),
    });
    let quoted = "[ -~é]{1,6}".prop_map(|text| Ident {
        text,
        quoted: true,
        span: span(),
    });
    (prop_oneof![word, quoted], idents())
        .prop_map(|(first, rest)| std::iter::once(first).chain(rest).collect())
        .boxed()
}

fn free_ident() -> BoxedStrategy<Ident> {
    free_path().prop_map(|mut path| path.swap_remove(0)).boxed()
}

fn options() -> BoxedStrategy<Vec<(Ident, Expr)>> {
    vec((ident(), e()), 0..3).boxed()
}

pub fn when(e: BoxedStrategy<Expr>) -> BoxedStrategy<When> {
    prop_oneof![
        3 => e.prop_map(|expr| WhenKind::At(Box::new(expr))),
        1 => text().prop_map(WhenKind::Commit),
        1 => text().prop_map(WhenKind::Tag),
        1 => text().prop_map(WhenKind::Branch),
    ]
    .prop_map(|kind| When { kind, span: span() })
    .boxed()
}

pub fn table_time(e: BoxedStrategy<Expr>) -> BoxedStrategy<TableTime> {
    let start = prop_oneof![
        when(e.clone()).prop_map(ChangesStart::When),
        free_ident().prop_map(ChangesStart::Watermark),
    ];
    prop_oneof![
        when(e.clone()).prop_map(TableTime::AsOf),
        (when(e.clone()), option::of(when(e.clone()))).prop_map(|(since, until)| TableTime::Since { since, until }),
        (start, option::of(when(e.clone()))).prop_map(|(since, until)| TableTime::Changes { since, until }),
    ]
    .boxed()
}

fn reference() -> BoxedStrategy<Reference> {
    let action = prop::sample::select(
        &[
            ReferentialAction::NoAction,
            ReferentialAction::Restrict,
            ReferentialAction::Cascade,
            ReferentialAction::SetNull,
            ReferentialAction::SetDefault,
        ][..],
    );
    (path(), idents(), option::of(action.clone()), option::of(action))
        .prop_map(|(table, columns, on_delete, on_update)| Reference {
            table,
            columns,
            on_delete,
            on_update,
            span: span(),
        })
        .boxed()
}

fn column(typed: bool) -> BoxedStrategy<ColumnDef> {
    let kind = prop_oneof![
        Just(ColumnConstraintKind::NotNull),
        Just(ColumnConstraintKind::Null),
        Just(ColumnConstraintKind::PrimaryKey),
        Just(ColumnConstraintKind::Unique),
        e().prop_map(ColumnConstraintKind::Default),
        e().prop_map(ColumnConstraintKind::Check),
        (e(), option::of(flag())).prop_map(|(expr, stored)| ColumnConstraintKind::Generated { expr, stored }),
        reference().prop_map(ColumnConstraintKind::References),
    ];
    let constraint = (option::weighted(0.2, ident()), kind).prop_map(|(name, kind)| ColumnConstraint {
        name,
        kind,
        span: span(),
    });
    let ty = if typed {
        type_name().prop_map(Some).boxed()
    } else {
        option::of(type_name()).boxed()
    };
    (ident(), ty, vec(constraint, 0..3))
        .prop_map(|(name, ty, constraints)| ColumnDef {
            name,
            ty,
            constraints,
            span: span(),
        })
        .boxed()
}

fn table_constraint() -> BoxedStrategy<TableConstraint> {
    let kind = prop_oneof![
        some_idents().prop_map(TableConstraintKind::PrimaryKey),
        some_idents().prop_map(TableConstraintKind::Unique),
        e().prop_map(TableConstraintKind::Check),
        (some_idents(), reference())
            .prop_map(|(columns, reference)| TableConstraintKind::ForeignKey { columns, reference }),
    ];
    (option::of(ident()), kind)
        .prop_map(|(name, kind)| TableConstraint {
            name,
            kind,
            span: span(),
        })
        .boxed()
}

fn create_table() -> BoxedStrategy<StatementKind> {
    let plain = (vec(column(true), 1..3), vec(table_constraint(), 0..2), Just(None));
    let of_query = (
        vec(column(false), 0..3),
        vec(table_constraint(), 0..2),
        query(e()).prop_map(|query| Some(Box::new(query))),
    );
    (
        prop_oneof![plain.boxed(), of_query.boxed()],
        (flag(), flag(), flag()),
        path(),
        options(),
    )
        .prop_map(
            |((columns, constraints, query), (or_replace, temporary, if_not_exists), name, options)| {
                StatementKind::CreateTable(Box::new(CreateTable {
                    or_replace,
                    temporary,
                    if_not_exists: if_not_exists && !or_replace,
                    name,
                    columns,
                    constraints,
                    options,
                    query,
                }))
            },
        )
        .boxed()
}

fn create_view() -> BoxedStrategy<StatementKind> {
    let flags = (flag(), flag(), flag(), flag());
    (flags, path(), idents(), options(), query(e()))
        .prop_map(
            |((or_replace, temporary, materialized, if_not_exists), name, columns, options, query)| {
                StatementKind::CreateView(CreateView {
                    or_replace,
                    temporary: temporary && !materialized,
                    materialized,
                    if_not_exists: if_not_exists && !or_replace,
                    name,
                    columns,
                    options,
                    query: Box::new(query),
                })
            },
        )
        .boxed()
}

fn create_index() -> BoxedStrategy<StatementKind> {
    let key = (e(), flag(), option::of(flag())).prop_map(|(expr, desc, nulls_first)| OrderItem {
        expr,
        desc,
        nulls_first,
    });
    (flag(), flag(), option::of(ident()), path(), vec(key, 1..3))
        .prop_map(|(unique, if_not_exists, name, table, keys)| {
            StatementKind::CreateIndex(CreateIndex {
                unique,
                if_not_exists,
                name,
                table,
                keys,
            })
        })
        .boxed()
}

fn behavior() -> BoxedStrategy<Option<DropBehavior>> {
    option::of(prop::sample::select(
        &[DropBehavior::Cascade, DropBehavior::Restrict][..],
    ))
    .boxed()
}

fn alter_table() -> BoxedStrategy<StatementKind> {
    let change = prop_oneof![
        type_name().prop_map(ColumnChange::Type),
        e().prop_map(|expr| ColumnChange::SetDefault(Box::new(expr))),
        Just(ColumnChange::DropDefault),
        Just(ColumnChange::SetNotNull),
        Just(ColumnChange::DropNotNull),
    ];
    let kind = prop_oneof![
        (flag(), column(true)).prop_map(|(if_not_exists, column)| AlterActionKind::AddColumn {
            if_not_exists,
            column: Box::new(column)
        }),
        (flag(), ident(), behavior()).prop_map(|(if_exists, name, behavior)| AlterActionKind::DropColumn {
            if_exists,
            name,
            behavior
        }),
        (ident(), ident()).prop_map(|(name, to)| AlterActionKind::RenameColumn { name, to }),
        ident().prop_map(|to| AlterActionKind::RenameTable { to }),
        (ident(), change).prop_map(|(name, change)| AlterActionKind::AlterColumn { name, change }),
        table_constraint().prop_map(|constraint| AlterActionKind::AddConstraint(Box::new(constraint))),
        (flag(), ident(), behavior()).prop_map(|(if_exists, name, behavior)| AlterActionKind::DropConstraint {
            if_exists,
            name,
            behavior
        }),
    ];
    let action = kind.prop_map(|kind| AlterAction { kind, span: span() });
    (flag(), path(), vec(action, 1..3))
        .prop_map(|(if_exists, name, actions)| {
            StatementKind::AlterTable(AlterTable {
                if_exists,
                name,
                actions,
            })
        })
        .boxed()
}

fn alter_type() -> BoxedStrategy<StatementKind> {
    let label = || "[a-z' ]{0,6}".prop_map(|text: String| (text, span()));
    let place = (flag(), label()).prop_map(|(before, label)| LabelPlace { before, label });
    let change = prop_oneof![
        (flag(), label(), option::of(place)).prop_map(|(if_not_exists, label, place)| TypeChange::AddLabel {
            if_not_exists,
            label,
            place
        }),
        (label(), label()).prop_map(|(label, to)| TypeChange::RenameLabel { label, to }),
        ident().prop_map(TypeChange::Rename),
        (ident(), type_name()).prop_map(|(name, ty)| TypeChange::AddField { name, ty }),
        (flag(), ident(), behavior()).prop_map(|(if_exists, name, behavior)| TypeChange::DropField {
            if_exists,
            name,
            behavior
        }),
        (ident(), ident()).prop_map(|(name, to)| TypeChange::RenameField { name, to }),
        (ident(), type_name()).prop_map(|(name, ty)| TypeChange::FieldType { name, ty }),
    ];
    (path(), change)
        .prop_map(|(name, change)| StatementKind::AlterType(Box::new(AlterType { name, change })))
        .boxed()
}

fn definition() -> BoxedStrategy<StatementKind> {
    let drop = (
        prop::sample::select(ObjectKind::ALL.to_vec()),
        flag(),
        vec(path(), 1..3),
        option::of(path()),
        behavior(),
        option::of(type_name()),
    );
    let mode = prop::sample::select(&[RefreshMode::Full, RefreshMode::Incremental][..]);
    prop_oneof![
        3 => create_table(),
        2 => create_view(),
        1 => create_index(),
        2 => alter_table(),
        1 => alter_type(),
        1 => (flag(), path()).prop_map(|(if_not_exists, name)| StatementKind::CreateSchema(CreateSchema { if_not_exists, name })),
        1 => drop.prop_map(|(kind, if_exists, names, on, behavior, receiver)| {
            let on = on.filter(|_| kind == ObjectKind::Trigger);
            let of_receiver = matches!(kind, ObjectKind::Function | ObjectKind::Procedure) && names.len() == 1;
            let receiver = receiver.filter(|_| of_receiver);
            StatementKind::Drop(Drop { kind, if_exists, names, receiver, on, behavior })
        }),
        1 => (path(), option::of(mode)).prop_map(|(name, mode)| StatementKind::Refresh(Refresh { name, mode })),
        1 => vec(path(), 1..3).prop_map(StatementKind::Truncate),
    ]
    .boxed()
}

fn with() -> BoxedStrategy<With> {
    query(e())
        .prop_map(|query| With {
            recursive: query.recursive,
            ctes: query.ctes,
        })
        .boxed()
}

fn target() -> BoxedStrategy<Target> {
    (path(), option::of(ident()))
        .prop_map(|(table, alias)| Target {
            table,
            alias,
            span: span(),
        })
        .boxed()
}

fn assigned() -> BoxedStrategy<Assigned> {
    prop_oneof![1 => Just(Assigned::Default(span())), 3 => e().prop_map(Assigned::Value)].boxed()
}

fn assignments() -> BoxedStrategy<Vec<Assignment>> {
    let row = vec((ident(), assigned()), 1..3).prop_map(|pairs| {
        let (columns, mut values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let is_query =
            |value: &Assigned| matches!(value, Assigned::Value(expr) if matches!(expr.kind, ExprKind::Subquery(_)));
        if values.len() == 1 && values.iter().all(is_query) {
            values = vec![Assigned::Default(span())];
        }
        AssignmentKind::Row { columns, values }
    });
    let kind = prop_oneof![
        3 => (path(), assigned()).prop_map(|(column, value)| AssignmentKind::One { column, value }),
        1 => row,
        1 => (some_idents(), query(e())).prop_map(|(columns, query)| AssignmentKind::Query { columns, query: Box::new(query) }),
    ];
    vec(kind.prop_map(|kind| Assignment { kind, span: span() }), 1..3).boxed()
}

fn source() -> BoxedStrategy<InsertSource> {
    let plain = |query: &Query| {
        let bare = query.as_of.is_none() && query.ctes.is_empty() && query.order_by == OrderBy::None;
        bare && query.limit.is_none() && query.offset.is_none() && matches!(query.body, QueryBody::Values(_))
    };
    let query = query(e()).prop_map(move |query| {
        if plain(&query) {
            return InsertSource::DefaultValues;
        }
        InsertSource::Query(Box::new(query))
    });
    prop_oneof![
        1 => Just(InsertSource::DefaultValues),
        3 => vec(vec(assigned(), 1..3), 1..3).prop_map(InsertSource::Values),
        3 => query,
    ]
    .boxed()
}

fn returning() -> BoxedStrategy<Vec<SelectItem>> {
    vec(select_item(e()), 0..3).boxed()
}

fn maybe() -> BoxedStrategy<Option<Expr>> {
    option::weighted(0.3, e()).boxed()
}

fn insert() -> BoxedStrategy<StatementKind> {
    let action = prop_oneof![
        Just(ConflictAction::Nothing),
        (assignments(), maybe()).prop_map(|(set, filter)| ConflictAction::Update { set, filter }),
    ];
    let conflict = (idents(), action).prop_map(|(columns, action)| OnConflict {
        columns,
        action,
        span: span(),
    });
    (with(), target(), idents(), source(), option::of(conflict), returning())
        .prop_map(|(with, target, columns, source, on_conflict, returning)| {
            StatementKind::Insert(Box::new(Insert {
                with,
                target,
                columns,
                source,
                on_conflict,
                returning,
            }))
        })
        .boxed()
}

fn upsert() -> BoxedStrategy<StatementKind> {
    (with(), target(), idents(), idents(), source(), returning())
        .prop_map(|(with, target, columns, key, source, returning)| {
            StatementKind::Upsert(Box::new(Upsert {
                with,
                target,
                columns,
                key,
                source,
                returning,
            }))
        })
        .boxed()
}

fn update_or_delete() -> BoxedStrategy<StatementKind> {
    (
        with(),
        target(),
        assignments(),
        vec(table(e()), 0..2),
        maybe(),
        returning(),
        flag(),
    )
        .prop_map(|(with, target, set, from, filter, returning, delete)| {
            if delete {
                return StatementKind::Delete(Box::new(Delete {
                    with,
                    target,
                    using: from,
                    filter,
                    returning,
                }));
            }
            StatementKind::Update(Box::new(Update {
                with,
                target,
                set,
                from,
                filter,
                returning,
            }))
        })
        .boxed()
}

fn merge() -> BoxedStrategy<StatementKind> {
    let matched = prop_oneof![
        assignments().prop_map(MergeAction::Update),
        Just(MergeAction::Delete),
        Just(MergeAction::Nothing),
    ];
    let values = vec((ident(), assigned()), 1..3);
    let inserted = prop_oneof![
        (values, flag()).prop_map(|(pairs, named)| {
            let (columns, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let columns = if named { columns } else { vec![] };
            MergeAction::Insert { columns, values }
        }),
        Just(MergeAction::InsertDefaults),
    ];
    let rows = prop::sample::select(&[MergeRows::Matched, MergeRows::NotMatchedBySource][..]);
    let pair = prop_oneof![
        (rows, matched),
        inserted.prop_map(|action| (MergeRows::NotMatched, action))
    ];
    let clause = (pair, maybe()).prop_map(|((rows, action), filter)| MergeClause {
        rows,
        filter,
        action,
        span: span(),
    });
    (with(), target(), table(e()), e(), vec(clause, 1..3), returning())
        .prop_map(|(with, target, source, on, clauses, returning)| {
            StatementKind::Merge(Box::new(Merge {
                with,
                target,
                source,
                on,
                clauses,
                returning,
            }))
        })
        .boxed()
}

fn change() -> BoxedStrategy<StatementKind> {
    prop_oneof![3 => insert(), 1 => upsert(), 2 => update_or_delete(), 2 => merge()].boxed()
}

fn copy() -> BoxedStrategy<StatementKind> {
    let out = (query(e()), text(), options()).prop_map(|(source, target, options)| {
        StatementKind::Copy(Copy {
            source,
            target,
            target_span: span(),
            options,
        })
    });
    let into = (path(), idents(), text(), options()).prop_map(|(table, columns, source, options)| {
        StatementKind::CopyFrom(CopyFrom {
            table,
            columns,
            source,
            source_span: span(),
            options,
        })
    });
    prop_oneof![out, into].boxed()
}

fn transaction() -> BoxedStrategy<StatementKind> {
    let levels = [Isolation::ReadCommitted, Isolation::Snapshot, Isolation::Serializable];
    let begin = (option::of(flag()), option::of(prop::sample::select(levels.to_vec())));
    let rollback = prop_oneof![
        Just(Rollback::Transaction),
        ident().prop_map(Rollback::Savepoint),
        when(e()).prop_map(Rollback::To),
    ];
    prop_oneof![
        begin.prop_map(|(read_only, isolation)| StatementKind::Begin(Begin { read_only, isolation })),
        option::of(text()).prop_map(|message| StatementKind::Commit(Commit { message })),
        rollback.prop_map(StatementKind::Rollback),
        ident().prop_map(StatementKind::Savepoint),
        ident().prop_map(StatementKind::Release),
    ]
    .boxed()
}

fn timeline() -> BoxedStrategy<StatementKind> {
    let branch = (flag(), ident(), option::of(when(e())));
    let watermark = (flag(), ident(), path(), option::of(when(e())));
    prop_oneof![
        (flag(), ident(), option::of(when(e()))).prop_map(|(if_not_exists, name, at)| {
            StatementKind::CreateSnapshot(CreateSnapshot {
                if_not_exists,
                name,
                at,
            })
        }),
        branch.prop_map(|(if_not_exists, name, from)| StatementKind::CreateBranch(CreateBranch {
            if_not_exists,
            name,
            from
        })),
        watermark.prop_map(
            |(if_not_exists, name, table, at)| StatementKind::CreateWatermark(CreateWatermark {
                if_not_exists,
                name,
                table,
                at
            })
        ),
        ident().prop_map(StatementKind::UseBranch),
        (
            ident(),
            option::of(ident()),
            prop_oneof![Just(None), Just(Some(MergePick::Ours)), Just(Some(MergePick::Theirs))]
        )
            .prop_map(|(name, into, pick)| StatementKind::MergeBranch(MergeBranch { name, into, pick })),
        ident().prop_map(StatementKind::AdvanceWatermark),
        (
            prop_oneof![
                Just(ObjectKind::Procedure),
                Just(ObjectKind::Function),
                Just(ObjectKind::Module)
            ],
            free_path(),
            option::of((when(e()), when(e()))),
        )
            .prop_map(|(kind, name, between)| { StatementKind::DiffRoutine(DiffRoutine { kind, name, between }) }),
        (option::of(free_path()), when(e()), when(e())).prop_map(|(table, from, to)| StatementKind::Diff(Diff {
            table,
            from,
            to
        })),
        (option::of(free_path()), maybe()).prop_map(|(table, limit)| StatementKind::Log(Log { table, limit })),
        (path(), maybe()).prop_map(|(table, filter)| StatementKind::Blame(Blame { table, filter })),
        path().prop_map(StatementKind::VerifyTable),
        query(e()).prop_map(StatementKind::Prove),
    ]
    .boxed()
}

fn session(inner: BoxedStrategy<StatementKind>) -> BoxedStrategy<StatementKind> {
    let boxed = |kind| Box::new(Statement { kind, span: span() });
    let explain = (flag(), flag(), flag(), inner.clone()).prop_map(move |(analyze, jit, json, kind)| {
        StatementKind::Explain(Explain {
            analyze,
            jit,
            json,
            statement: boxed(kind),
        })
    });
    let prepare = (ident(), vec(type_name(), 0..3), inner).prop_map(move |(name, types, kind)| {
        StatementKind::Prepare(Prepare {
            name,
            types,
            statement: boxed(kind),
        })
    });
    let argument = (option::of(ident()), e()).prop_map(|(name, value)| Argument { name, value });
    let attached = prop_oneof![
        text().prop_map(|path| AttachSource::Path(path, span())),
        ident().prop_map(AttachSource::Name)
    ];
    let tasks = [MaintainTask::Vacuum, MaintainTask::Checkpoint, MaintainTask::Compact];
    let relations = [ObjectKind::Table, ObjectKind::View, ObjectKind::MaterializedView];
    let others = ObjectKind::ALL
        .into_iter()
        .filter(move |kind| !relations.contains(kind));
    prop_oneof![
        explain,
        prepare,
        (path(), vec(argument, 0..3)).prop_map(|(name, args)| StatementKind::Execute(Execute { name, args })),
        option::of(ident()).prop_map(|name| StatementKind::Deallocate(Deallocate { name })),
        (attached, option::of(ident()), flag()).prop_map(|(source, alias, read_only)| StatementKind::Attach(Attach {
            source,
            alias,
            read_only
        })),
        (flag(), ident()).prop_map(|(if_exists, name)| StatementKind::Detach(Detach { if_exists, name })),
        path().prop_map(StatementKind::Use),
        option::of((free_path(), idents())).prop_map(|given| {
            let (table, columns) = given.map_or((None, vec![]), |(table, columns)| (Some(table), columns));
            StatementKind::Analyze(Analyze { table, columns })
        }),
        (prop::sample::select(tasks.to_vec()), option::of(free_path()))
            .prop_map(|(task, table)| StatementKind::Maintain(Maintain { task, table })),
        prop::sample::select(&[Cache::Stats, Cache::Clear][..]).prop_map(StatementKind::Cache),
        (prop::sample::select(others.collect::<Vec<_>>()), free_path())
            .prop_map(|(kind, name)| StatementKind::DescribeObject(DescribeObject { kind, name })),
        (ident(), e()).prop_map(|(name, value)| StatementKind::Set(Set { name, value })),
        (ident(), idents(), option::of(text())).prop_map(|(what, of, like)| StatementKind::Show(Show {
            what,
            of,
            like
        })),
        query(e()).prop_map(StatementKind::Describe),
        Just(of(ExprKind::Parameter("name".to_owned()))).prop_map(|value| StatementKind::Set(Set {
            name: Ident {
                text: "x".to_owned(),
                quoted: false,
                span: span()
            },
            value
        })),
    ]
    .boxed()
}
