//! The schema `system`: what a database keeps, as relations.
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
use super::store::View;
use crate::catalog::{Catalog, Entity};
use crate::formats::Relation;
use crate::plan::ResolveError;
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType, Value, array};

/// The schema's name.
pub const SCHEMA: &str = "system";

/// A relation of the schema, over a catalog that the view has or had; `None` if there is none of that name.
pub fn relation(view: &View, catalog: &Catalog, name: &str) -> Result<Option<Arc<dyn Relation>>, ResolveError> {
    let procedures = match name.to_lowercase().as_str() {
        "procedures" => true,
        "functions" => false,
        _ => return Ok(None),
    };
    let rows: Vec<Vec<Value>> = rows(catalog, procedures);
    let failed = |message: String| ResolveError { code: "XX000", message };
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for (at, (_, ty)) in COLUMNS.iter().enumerate() {
        let values: Vec<Value> = rows.iter().filter_map(|row| row.get(at).cloned()).collect();
        columns.push(array::from_values(&values, ty).map_err(failed)?);
    }
    let field = |(name, ty): &(&str, LogicalType)| Field {
        name: (*name).to_owned(),
        ty: ty.clone(),
        nullable: true,
    };
    let fields: Vec<Field> = COLUMNS.iter().map(field).collect();
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
