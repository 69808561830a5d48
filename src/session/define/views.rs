//! CREATE VIEW, and what a change of a table means for the views that read it.
//!
//! `CREATE VIEW big AS SELECT id FROM orders WHERE total > 100` keeps the query's text; `ALTER TABLE orders DROP total` then fails
//! with "`total` of `orders` is needed by view `big`".
//!
//! Invariants: a view's query could be bound when it was made, and every change that would end that is refused. What a view
//! reads is what its own query names: a view that it names stands for itself.
//!
//! Does not: expand views (the binder does).

use std::collections::{BTreeSet, HashSet};

use gobi_grammar::ast::{CreateView, Query, Span, Statement, StatementKind};
use gobi_grammar::{Diagnostic, Dialect};

use super::{catalog_error, schema_and_name, unsupported};
use crate::catalog::{Entity, EntityId, Source, ViewDef};
use crate::plan::{self, ResolveError};
use crate::procedure;
use crate::session::relations::StatementTables;
use crate::session::routines::{Broken, direct};
use crate::session::settings::{dialect_name, parse_dialect};
use crate::session::store::View;
use crate::session::{Error, Session, statement};
use crate::types::Field;

/// CREATE VIEW.
pub fn create(session: &mut Session, create: &CreateView, view: &mut View, dialect: Dialect) -> Result<(), Error> {
    let (schema, name) = schema_and_name(&create.name)?;
    refuse_parts(create, name.span)?;
    let known = view.catalog().find(&[&schema, &name.text]).cloned();
    if known.is_some() && create.if_not_exists {
        return Ok(());
    }
    let def = defined(session, create, view, dialect)?;
    let replaced = known.filter(|entry| create.or_replace && matches!(&*entry.entity, Entity::View(_)));
    if let Some(entry) = replaced {
        return replace(session, view, (entry.id, def), name.span);
    }
    let made = view.changes.catalog.create(&schema, Entity::View(def));
    made.map(drop).map_err(|error| catalog_error(&error, name.span))
}

/// What CREATE VIEW defines.
pub fn defined(session: &mut Session, create: &CreateView, view: &View, dialect: Dialect) -> Result<ViewDef, Error> {
    let (_, name) = schema_and_name(&create.name)?;
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = statement::bind(&create.query, dialect, &mut tables)?;
    let mut reads = if create.temporary { Vec::new() } else { tables.named() };
    if let Some(other) = tables.named_elsewhere().filter(|_| !create.temporary) {
        let message = format!("a view reads its own database, not `{other}`");
        let help = "CREATE TEMP VIEW makes one that reads whatever the session sees";
        return Err(Error::new(Diagnostic::new("0A000", name.span, message).with_help(help)));
    }
    direct(view.catalog(), &mut reads, &words(&create.query, dialect));
    let mut columns: Vec<Field> = bound.output.into_iter().map(|(_, field)| field).collect();
    if create.columns.len() > columns.len() {
        let message = format!("{} names for {} columns", create.columns.len(), columns.len());
        return Err(Error::new(Diagnostic::new("42601", name.span, message)));
    }
    for (field, name) in columns.iter_mut().zip(&create.columns) {
        field.name.clone_from(&name.text);
    }
    check_twice(&columns, name.span)?;
    Ok(ViewDef {
        name: name.text.clone(),
        query: Source {
            text: text_of(&create.query, dialect),
            dialect: dialect_name(dialect).into(),
        },
        columns,
        named_columns: create.columns.len(),
        reads,
        made_by: None,
    })
}

/// Puts a view in the place of another one.
pub fn replace(
    session: &mut Session,
    view: &mut View,
    (id, def): (EntityId, ViewDef),
    span: Span,
) -> Result<(), Error> {
    let before = view.clone();
    check_reads(view, &def, id, span)?;
    let name = def.name.clone();
    let replaced = view.changes.catalog.replace(id, Entity::View(def));
    replaced.map_err(|error| catalog_error(&error, span))?;
    keep_dependants(session, &before, view, id, &name, span)
}

/// An error if a view that takes the place of something would read it.
pub fn check_reads(view: &View, def: &ViewDef, id: EntityId, span: Span) -> Result<(), Error> {
    if leads_to(view, &def.reads, id) {
        let message = format!("the view `{}` would lead to itself", def.name);
        return Err(Error::new(Diagnostic::new("42P17", span, message)));
    }
    Ok(())
}

/// The words of a query, in lower case.
fn words(query: &Query, dialect: Dialect) -> HashSet<String> {
    let statement = Statement {
        kind: StatementKind::Query(query.clone()),
        span: query.span,
    };
    procedure::words_of(&statement, dialect)
}

fn refuse_parts(create: &CreateView, span: Span) -> Result<(), Error> {
    let refused = [
        (create.materialized, "CREATE MATERIALIZED VIEW"),
        (!create.options.is_empty(), "CREATE VIEW WITH"),
    ];
    match refused.into_iter().find(|(written, _)| *written) {
        Some((_, what)) => Err(unsupported(what, span)),
        None => Ok(()),
    }
}

fn check_twice(columns: &[Field], span: Span) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match columns.iter().find(|field| !seen.insert(field.name.to_lowercase())) {
        Some(field) => {
            let message = format!("column `{}` is there twice", field.name);
            let help = "give one of them another name with AS";
            Err(Error::new(Diagnostic::new("42701", span, message).with_help(help)))
        }
        None => Ok(()),
    }
}

/// A query as text that reads back as the same query.
pub fn text_of(query: &Query, dialect: Dialect) -> String {
    let statement = Statement {
        kind: StatementKind::Query(query.clone()),
        span: query.span,
    };
    let text = gobi_grammar::print(&[statement], dialect);
    text.trim_end().trim_end_matches(';').to_string()
}

/// What a view stands for.
pub fn meaning(def: &ViewDef) -> Result<plan::View, ResolveError> {
    let damaged = |what: &str| ResolveError {
        code: "XX001",
        message: format!("the view `{}` is damaged: {what}", def.name),
    };
    let dialect = parse_dialect(&def.query.dialect).ok_or_else(|| damaged("it has an unknown dialect"))?;
    let parsed = gobi_grammar::parse(&def.query.text, dialect);
    let mut statements = parsed.statements.into_iter().map(|statement| statement.kind);
    let (Some(StatementKind::Query(query)), None) = (statements.next(), statements.next()) else {
        return Err(damaged("its text is no query"));
    };
    let columns = def.columns.iter().take(def.named_columns);
    Ok(plan::View {
        query,
        dialect,
        columns: columns.map(|field| field.name.clone()).collect(),
    })
}

/// Whether some entities read an entity, through views or at once.
fn leads_to(view: &View, reads: &[EntityId], wanted: EntityId) -> bool {
    let dependants = view.catalog().dependants(wanted);
    reads.iter().any(|id| *id == wanted || dependants.contains(id))
}

/// Views that read an entity and cannot be what they are any more: they no longer bind, or lose a column.
pub fn broken(session: &mut Session, before: &View, after: &View, changed: EntityId) -> Vec<EntityId> {
    let broken = broken_with_reasons(session, before, after, changed);
    broken.into_iter().map(|broken| broken.id).collect()
}

/// The same, with what would be wrong.
pub fn broken_with_reasons(session: &mut Session, before: &View, after: &View, changed: EntityId) -> Vec<Broken> {
    let mut broken = Vec::new();
    for id in before.catalog().dependants(changed) {
        let Some(Entity::View(def)) = before.catalog().get(id).map(|entry| &*entry.entity) else {
            continue;
        };
        let Some(Entity::View(now)) = after.catalog().get(id).map(|entry| &*entry.entity) else {
            continue;
        };
        let lost = match shown(session, now, after) {
            Err(error) => error,
            Ok(_) if now.query != def.query => continue,
            Ok(fields) => match lost(def, &fields) {
                Some(error) => error,
                None => continue,
            },
        };
        let found = Broken::by(session, after, id, &lost);
        broken.push(found);
    }
    broken
}

/// A column that a view would have no more.
fn lost(def: &ViewDef, fields: &[Field]) -> Option<Error> {
    let kept = |field: &Field| fields.iter().any(|known| known.name.eq_ignore_ascii_case(&field.name));
    let lost = def.columns.iter().find(|field| !kept(field))?;
    let message = format!("it would have no column `{}`", lost.name);
    Some(Error::new(Diagnostic::new("42703", Span::default(), message)))
}

/// The columns that a view has in a catalog.
fn shown(session: &mut Session, def: &ViewDef, view: &View) -> Result<Vec<Field>, Error> {
    let meaning =
        meaning(def).map_err(|error| Error::new(Diagnostic::new(error.code, Span::default(), error.message)))?;
    let outer = session.relations.view.replace(view.clone());
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = statement::bind(&meaning.query, meaning.dialect, &mut tables);
    session.relations.view = outer;
    let mut fields: Vec<Field> = bound?.output.into_iter().map(|(_, field)| field).collect();
    for (field, name) in fields.iter_mut().zip(meaning.columns) {
        field.name = name;
    }
    Ok(fields)
}

/// Refuses a change that breaks views, and gives the others the columns that they have now.
pub fn keep_dependants(
    session: &mut Session,
    before: &View,
    after: &mut View,
    changed: EntityId,
    what: &str,
    span: Span,
) -> Result<(), Error> {
    let broken = broken(session, before, after, changed);
    if !broken.is_empty() {
        let names = after.catalog().described(&broken);
        let message = format!("{what} is needed by {names}");
        let help = "drop them first, or replace them with queries that do without";
        return Err(Error::new(Diagnostic::new("2BP01", span, message).with_help(help)));
    }
    refresh(session, after, changed);
    Ok(())
}

/// Gives the views that read an entity the columns that they have now.
pub fn refresh(session: &mut Session, after: &mut View, changed: EntityId) {
    for id in after.catalog().dependants(changed) {
        let Some(Entity::View(def)) = after.catalog().get(id).map(|entry| (*entry.entity).clone()) else {
            continue;
        };
        if let Ok(columns) = shown(session, &def, after)
            && columns != def.columns
        {
            // The name stays, so nothing else has it.
            drop(
                after
                    .changes
                    .catalog
                    .replace(id, Entity::View(ViewDef { columns, ..def })),
            );
        }
    }
}
