//! The schema `system`: what a database keeps, as relations; and the tables of the schema `gobi` before they are made.
//!
//! `SELECT name, version FROM system.procedures AS OF TAG 'q1'` has the procedures of then.
//!
//! Invariants: a relation has the rows of the catalog that the statement sees, or of that of its moment; a table of that name in a schema that
//! somebody made comes first.
//!
//! Does not: show what a session has for itself; SHOW does.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::change::foreign::relation_of_fields;
use super::define;
use super::routines::models::kept;
use super::store::View;
use crate::catalog::{Catalog, Entity, EntityId, TriggerDef};
use crate::formats::Relation;
use crate::plan::ResolveError;
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType, Value, array};

/// The schema's name.
pub const SCHEMA: &str = "system";

/// The name of a schema that has relations which nobody has made.
pub fn schema(name: &str) -> Option<&'static str> {
    [SCHEMA, kept::SCHEMA]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// A relation of such a schema, over a catalog that the view has or had; `None` if there is none of that name.
pub fn relation(
    view: &View,
    catalog: &Catalog,
    (schema, name): (&str, &str),
) -> Result<Option<Arc<dyn Relation>>, ResolveError> {
    let (of, rows): (&[(&str, LogicalType)], Vec<Vec<Value>>) = match (schema, name.to_lowercase().as_str()) {
        (SCHEMA, "procedures") => (&COLUMNS, rows(catalog, true)),
        (SCHEMA, "functions") => (&COLUMNS, rows(catalog, false)),
        (SCHEMA, "triggers") => (&OF_TRIGGERS, triggers(catalog)),
        (SCHEMA, _) => return Ok(None),
        (_, name) => match kept::table(name) {
            Some(table) => (table.columns, Vec::new()),
            None => return Ok(None),
        },
    };
    let failed = |message: String| ResolveError { code: "XX000", message };
    let mut columns = Vec::with_capacity(of.len());
    for (at, (_, ty)) in of.iter().enumerate() {
        let values: Vec<Value> = rows.iter().filter_map(|row| row.get(at).cloned()).collect();
        columns.push(array::from_values(&values, ty).map_err(failed)?);
    }
    let field = |(name, ty): &(&str, LogicalType)| Field {
        name: (*name).to_owned(),
        ty: ty.clone(),
        nullable: true,
    };
    let fields: Vec<Field> = of.iter().map(field).collect();
    let batch = RecordBatch::try_new(arrow_schema(&fields), columns).map_err(|error| failed(error.to_string()))?;
    let relation = relation_of_fields(view, &fields, &[batch]).map_err(|error| failed(error.to_string()))?;
    Ok(Some(relation))
}

const COLUMNS: [(&str, LogicalType); 6] = [
    ("name", LogicalType::String),
    ("module", LogicalType::String),
    ("signature", LogicalType::String),
    ("version", LogicalType::BigInt),
    ("security", LogicalType::String),
    ("text", LogicalType::String),
];

const OF_TRIGGERS: [(&str, LogicalType); 10] = [
    ("name", LogicalType::String),
    ("target", LogicalType::String),
    ("timing", LogicalType::String),
    ("events", LogicalType::String),
    ("level", LogicalType::String),
    ("condition", LogicalType::String),
    ("position", LogicalType::BigInt),
    ("procedure", LogicalType::String),
    ("enabled", LogicalType::Boolean),
    ("text", LogicalType::String),
];

fn triggers(catalog: &Catalog) -> Vec<Vec<Value>> {
    let text = |text: &str| Value::String(text.into());
    let defs = catalog.entries().filter_map(|entry| match &*entry.entity {
        Entity::Trigger(def) => Some(def),
        _ => None,
    });
    let row = |def: &TriggerDef| {
        let name = |id: &EntityId| catalog.get(*id).map_or("?", |entry| entry.entity.name());
        let targets: Vec<&str> = def.targets.iter().map(name).collect();
        let when = def.when.as_ref();
        vec![
            text(&def.name),
            text(&targets.join("|")),
            text(def.timing.name()),
            text(&def.events_text()),
            text(if def.each_row { "row" } else { "statement" }),
            when.map_or(Value::Null, |when| text(&when.text)),
            Value::Int(i128::from(def.order)),
            text(def.callee(catalog).unwrap_or("?")),
            Value::Boolean(!def.disabled),
            text(&define::text::trigger(catalog, def)),
        ]
    };
    defs.map(row).collect()
}

fn rows(catalog: &Catalog, procedures: bool) -> Vec<Vec<Value>> {
    let text = |text: &str| Value::String(text.into());
    let kind = if procedures { "procedure" } else { "function" };
    let mut rows = Vec::new();
    for entry in catalog.entries() {
        let Entity::Routine(def) = &*entry.entity else { continue };
        let row = |name: &str, module: Value, signature: &str| {
            let version = Value::Int(i128::from(def.version));
            let security = if def.definer { "definer" } else { "invoker" };
            vec![
                text(name),
                module,
                text(signature),
                version,
                text(security),
                text(&def.source.text),
            ]
        };
        match &def.members {
            None if def.procedure == procedures => rows.push(row(&def.name, Value::Null, &def.signature)),
            None => {}
            Some(members) => {
                let members = members.iter().filter(|member| member.kind == kind);
                rows.extend(members.map(|member| row(&member.name, text(&def.name), &member.signature)));
            }
        }
    }
    rows
}
