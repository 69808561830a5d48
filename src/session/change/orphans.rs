//! Rows whose foreign keys lead nowhere, found by looking at all of them.
//!
//! One branch deleted customer 7, the other inserted an order of customer 7. Each was right; what a merge of both staged has an
//! order without a customer.
//!
//! Invariants: only tables are looked at of which either side changed rows.
//!
//! Does not: cascade: neither side has said so.

use std::collections::BTreeSet;

use super::foreign::{quoted, table_name};
use super::{Running, user};
use crate::catalog::{Entity, EntityId, ForeignKeyDef, TableDef};
use crate::session::store::View;
use crate::session::{Error, Session, statement};
use crate::store::table::MergeConflict;
use crate::types::cell;
use gobi_grammar::Dialect;
use gobi_grammar::ast::StatementKind;

/// At most so many are told of a key.
const MAX_TOLD: usize = 100;

/// What a staged merge leaves without a partner, as conflicts.
pub fn of_merge(
    session: &mut Session,
    view: &View,
    (ours, theirs): (&BTreeSet<EntityId>, &BTreeSet<EntityId>),
    running: Running,
) -> Result<Vec<MergeConflict>, Error> {
    let changed = |id: &EntityId| ours.contains(id) || theirs.contains(id);
    let before = session.relations.view.replace(view.clone());
    let mut found = Vec::new();
    let mut looked = Ok(());
    for entry in view.catalog().entries() {
        let Entity::Table(child) = &*entry.entity else { continue };
        for key in &child.foreign_keys {
            let Some(parent) = view.catalog().get(key.table) else {
                continue;
            };
            let Some(def) = view.catalog().table(key.table) else {
                continue;
            };
            if looked.is_ok() && (changed(&entry.id) || changed(&key.table)) {
                let names = (table_name(entry, child), table_name(parent, def));
                looked = of_key(session, (child, def), key, names, running).map(|orphans| found.extend(orphans));
            }
        }
    }
    session.relations.view = before;
    looked.map(|()| found)
}

fn of_key(
    session: &mut Session,
    (child, parent): (&TableDef, &TableDef),
    key: &ForeignKeyDef,
    (child_name, parent_name): (String, String),
    running: Running,
) -> Result<Vec<MergeConflict>, Error> {
    let name = |def: &TableDef, no| quoted(def.by_no(no).map_or("", |column| column.name.as_str()));
    let own: Vec<String> = key.columns.iter().map(|no| format!("c.{}", name(child, *no))).collect();
    let present: Vec<String> = own.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let pairs = own.iter().zip(&key.referenced);
    let pairs: Vec<String> = pairs
        .map(|(own, theirs)| format!("p.{} = {own}", name(parent, *theirs)))
        .collect();
    let text = format!(
        "SELECT DISTINCT {} FROM {child_name} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {parent_name} AS p WHERE {}) LIMIT {MAX_TOLD}",
        own.join(", "),
        present.join(" AND "),
        pairs.join(" AND "),
    );
    let parsed = gobi_grammar::parse(&text, Dialect::Ansi);
    let Some(StatementKind::Query(query)) = parsed.statements.into_iter().next().map(|found| found.kind) else {
        return Err(user("XX000", running.span, format!("cannot read `{text}`")));
    };
    let stream = statement::query_stream(session, &query, Dialect::Ansi, running.phases, running.span);
    let mut found = Vec::new();
    for batch in stream.map_err(|error| error.placed(running.span))? {
        let batch = batch.map_err(|error| error.placed(running.span))?;
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().zip(&key.columns);
            let values = values.filter_map(|(array, no)| Some(cell::value(array, row).display(&child.by_no(*no)?.ty)));
            let values = values.collect::<Vec<_>>().join(", ");
            found.push(MergeConflict {
                entities: [None; 3],
                name: child.name.clone(),
                on: "foreign key",
                key: format!("{} ({values})", key.name),
                base: None,
                ours: None,
                theirs: None,
            });
        }
    }
    Ok(found)
}
