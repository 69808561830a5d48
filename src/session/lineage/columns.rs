//! SHOW LINEAGE of a column: the columns that it is made from, and those that are made from it.
//!
//! With `create view big as select id, total * 2 as twice from orders`, `SHOW LINEAGE orders.total` gives
//! `downstream | 1 | view | big | twice`, and `SHOW LINEAGE big.twice` gives `upstream | 1 | table | orders | total`.
//!
//! Invariants: what the binder says is shown; a view is a step of its own, whatever it reads. A model is a step between its sources
//! and its table; so is a procedure or a trigger whose statements write a column, which is shown as `table.column` there.
//!
//! Does not: follow what only decides which rows there are.

use std::collections::{BTreeMap, BTreeSet};

use gobi_grammar::ast::{Ident, Span};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect};

use super::walk;
use super::written::{self, Written};
use crate::catalog::{Catalog, Entity, EntityId};
use crate::plan::origins::{Origins, origins};
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::{Error, Phases, ResultStream, Session, define, routines, statement};

/// A column of an object.
pub type Column = (EntityId, String);

/// Columns, and what each is made from at once.
type Edges = BTreeMap<Column, BTreeSet<Column>>;

/// The lineage of a column of an object that there is.
pub fn show(session: &mut Session, object: EntityId, column: &Ident, span: Span) -> Result<ResultStream, Error> {
    let Some(view) = session.relations.view.clone() else {
        return Ok(ResultStream::strings(&[], &[], span));
    };
    let catalog = view.catalog();
    let (edges, known) = edges(session, catalog, object);
    let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(&column.text)) else {
        let object = catalog.described(&[object]);
        let message = format!("{object} has no column `{}`", column.text);
        let mut error = Diagnostic::new("42703", column.span, message);
        let near = nearest(&column.text, known.iter().map(String::as_str));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    };
    let start = (object, name.to_lowercase());
    let upstream = walk(start.clone(), &|at| {
        edges.get(at).into_iter().flatten().cloned().collect()
    });
    let downstream = walk(start, &|at| {
        let made = edges.iter().filter(|(_, from)| from.contains(at));
        made.map(|(column, _)| column.clone()).collect()
    });
    let mut rows = Vec::new();
    for (side, all) in [("upstream", upstream), ("downstream", downstream)] {
        let row = |((id, column), distance): (Column, usize)| {
            let entity = &catalog.get(id)?.entity;
            let cells = [side, &distance.to_string(), entity.kind(), entity.name(), &column];
            Some(cells.map(str::to_owned).to_vec())
        };
        let mut side: Vec<Vec<String>> = all.into_iter().filter_map(row).collect();
        side.sort();
        rows.append(&mut side);
    }
    let names = ["side", "distance", "kind", "name", "column"];
    Ok(ResultStream::strings(&names, &rows, span))
}

/// All edges of a database, and the columns of one object.
fn edges(session: &mut Session, catalog: &Catalog, object: EntityId) -> (Edges, Vec<String>) {
    let mut edges = Edges::new();
    let mut known = match catalog.get(object).map(|entry| &*entry.entity) {
        Some(Entity::Table(def)) => def.columns.iter().map(|column| column.name.clone()).collect(),
        Some(Entity::View(def)) => def.columns.iter().map(|field| field.name.clone()).collect(),
        _ => Vec::new(),
    };
    statements(session, catalog, &mut edges);
    for entry in catalog.entries() {
        let outputs = match &*entry.entity {
            Entity::View(def) => of_view(session, def),
            Entity::Routine(def) => of_routine(session, &def.name),
            _ => continue,
        };
        if entry.id == object && known.is_empty() {
            known = outputs.iter().map(|(name, _)| name.clone()).collect();
        }
        let target = match &*entry.entity {
            Entity::Routine(def) => routines::model_target(session, &def.name),
            _ => None,
        };
        let target = target.and_then(|[schema, name]| catalog.find(&[&schema, &name]).map(|entry| entry.id));
        for (name, from) in outputs {
            let column = (entry.id, name.to_lowercase());
            if let Some(target) = target {
                edges
                    .entry((target, name.to_lowercase()))
                    .or_default()
                    .insert(column.clone());
            }
            edges.entry(column).or_default().extend(from);
        }
    }
    (edges, known)
}

/// The edges of what the statements of procedures and triggers write.
fn statements(session: &mut Session, catalog: &Catalog, edges: &mut Edges) {
    let Some(view) = session.relations.view.clone() else {
        return;
    };
    let running = Running {
        dialect: Dialect::Grizzly,
        phases: Phases::default(),
        span: Span::default(),
        only_bind: true,
    };
    for entry in catalog.entries() {
        let all = match &*entry.entity {
            Entity::Routine(_) => written::of_routine(session, entry.id),
            Entity::Trigger(def) => written::of_trigger(session, &view, entry.id, def, running),
            _ => continue,
        };
        for Written { column, from } in all {
            let Some(table) = catalog.get(column.0) else { continue };
            let step = (entry.id, format!("{}.{}", table.entity.name(), column.1));
            edges.entry(column).or_default().insert(step.clone());
            edges.entry(step).or_default().extend(from.columns);
        }
    }
}

type Outputs = Vec<(String, BTreeSet<Column>)>;

/// A view's columns; none, if it does not bind any more.
fn of_view(session: &mut Session, def: &crate::catalog::ViewDef) -> Outputs {
    let Ok(meaning) = define::views::meaning(def) else {
        return Vec::new();
    };
    let outputs = bound(session, &meaning.query, meaning.dialect);
    let named = def.columns.iter().map(|field| field.name.clone());
    named.zip(outputs.into_iter().map(|(_, from)| from)).collect()
}

/// The columns of what a routine gives, if it is one query.
fn of_routine(session: &mut Session, name: &str) -> Outputs {
    match routines::query_of(session, name) {
        Some((seen, dialect)) => seen.within(session, |session, query| bound(session, query, dialect)),
        None => Vec::new(),
    }
}

fn bound(session: &mut Session, query: &gobi_grammar::ast::Query, dialect: gobi_grammar::Dialect) -> Outputs {
    let mut tables = StatementTables::new(&mut session.relations);
    tables.take_views_as_tables();
    let Ok(bound) = statement::bind(query, dialect, &mut tables) else {
        return Vec::new();
    };
    let outputs = bound.output.iter().zip(origins(&bound));
    let columns = |from: Origins| {
        let columns = from.columns.into_iter();
        columns.filter_map(|(table, at)| tables.column_of(table, at)).collect()
    };
    outputs
        .map(|((_, field), from)| (field.name.clone(), columns(from)))
        .collect()
}
