//! A table whose rows are all about to be others: it takes their columns.
//!
//! A model of the kind `full` whose query gives a column more has a table with that column, in its place; views that read the table stay, as long as
//! they still check.
//!
//! Invariants: a column that keeps its name and its type keeps its number, and with it what is made of it: keys, conditions, indexes.
//!
//! Does not: write rows.

use super::Altering;
use crate::catalog::{ColumnNo, Entity, EntityId, TableDef};
use crate::session::change::Running;
use crate::session::store::View;
use crate::session::{Error, Session, triggers};
use crate::types::Field;

/// Gives a table other columns; what names it has to check with them.
pub fn take_columns(
    session: &mut Session,
    view: &mut View,
    (id, fields): (EntityId, &[Field]),
    running: Running,
) -> Result<(), Error> {
    let mut altering = Altering {
        session,
        view,
        id,
        schema: String::new(),
        running,
    };
    let old = altering.def()?;
    let def = with_columns(&old, fields);
    for index in altering.indexes_without(&def) {
        altering.drop(index, running.span)?;
    }
    let what = format!("`{}` with the columns that it had", old.name);
    altering.put_visible(def, None, &what, running.span)?;
    triggers::check_all(session, view, id, &what, running)
}

fn with_columns(old: &TableDef, fields: &[Field]) -> TableDef {
    let mut def = TableDef {
        columns: Vec::with_capacity(fields.len()),
        ..old.clone()
    };
    for field in fields {
        match old.column(&field.name).filter(|column| column.ty == field.ty) {
            Some(column) => def.columns.push(column.clone()),
            None => def.add(&field.name, field.ty.clone()),
        }
    }
    let is_there = |no: &ColumnNo| def.by_no(*no).is_some();
    let gone: Vec<&str> = old
        .columns
        .iter()
        .filter(|column| !is_there(&column.no))
        .map(|column| column.name.as_str())
        .collect();
    let keeps = |columns: &[ColumnNo]| columns.iter().all(is_there);
    let primary_key = old.primary_key.clone().filter(|key| keeps(&key.columns));
    let unique = old.unique.iter().filter(|key| keeps(&key.columns)).cloned().collect();
    let foreign_keys = old
        .foreign_keys
        .iter()
        .filter(|key| keeps(&key.columns))
        .cloned()
        .collect();
    let named = |text: &str| {
        gone.iter()
            .any(|name| text.to_lowercase().contains(&name.to_lowercase()))
    };
    let checks = old
        .checks
        .iter()
        .filter(|check| !named(&check.condition.text))
        .cloned()
        .collect();
    let sort_by = old
        .sort_by
        .iter()
        .filter(|sort| is_there(&sort.column))
        .cloned()
        .collect();
    let partition_by = match keeps(&old.partition_by) {
        true => old.partition_by.clone(),
        false => Vec::new(),
    };
    TableDef {
        primary_key,
        unique,
        foreign_keys,
        checks,
        sort_by,
        partition_by,
        ..def
    }
}

impl Altering<'_> {
    /// The indexes of columns that a definition has not.
    fn indexes_without(&self, def: &TableDef) -> Vec<EntityId> {
        let entries = self.view.catalog().entries();
        let gone = entries.filter(|entry| match &*entry.entity {
            Entity::Index(index) => index.table == self.id && index.columns.iter().any(|no| def.by_no(*no).is_none()),
            _ => false,
        });
        gone.map(|entry| entry.id).collect()
    }
}
