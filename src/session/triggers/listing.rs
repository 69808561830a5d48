//! SHOW TRIGGERS and DESCRIBE TRIGGER: the triggers of a database, and what they have done.
//!
//! `LIST TRIGGERS` gives a row for each: its name, tables, timing, events, and how many rows its body was run for.
//!
//! Invariants: sorted in the order in which they fire.
//!
//! Does not: show definitions; `gobi schema` does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Show, Span};

use super::named::written;
use crate::catalog::{Catalog, Entity, MAIN_SCHEMA, TriggerDef};
use crate::functions::like::LikePattern;
use crate::session::{Error, ResultStream, Session};

const COLUMNS: &[&str] = &[
    "name",
    "target",
    "timing",
    "events",
    "for",
    "when",
    "order",
    "calls procedure",
    "enabled",
    "calls",
    "rows",
    "errors",
    "p50 µs",
    "p99 µs",
];

/// `SHOW TRIGGERS [ON table] [LIKE 'pattern']`.
pub fn list(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    let none = Catalog::default();
    let catalog = session.relations.view.as_ref().map_or(&none, |view| view.catalog());
    let parts: Vec<&str> = show.of.iter().map(|part| part.text.as_str()).collect();
    let only = match parts.as_slice() {
        [] => None,
        parts => Some(catalog.find(parts).map(|entry| entry.id).ok_or_else(|| {
            let message = format!("table or view `{}` does not exist", parts.join("."));
            Error::new(Diagnostic::new(
                "42P01",
                show.of.first().map_or(span, |part| part.span),
                message,
            ))
        })?),
    };
    let like = show
        .like
        .as_ref()
        .map(|pattern| LikePattern::new(pattern, None, true))
        .transpose();
    let like = like.map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))?;
    let mut rows: Vec<((i64, String), Vec<String>)> = Vec::new();
    for entry in catalog.entries() {
        let Entity::Trigger(def) = &*entry.entity else { continue };
        let wanted = only.is_none_or(|id| def.targets.contains(&id));
        if !wanted || like.as_ref().is_some_and(|like| !like.matches(def.name.as_bytes())) {
            continue;
        }
        let view = session.relations.view.as_ref();
        let statistics = view.and_then(|view| session.statistics(&view.database));
        let counts = statistics.map(|statistics| statistics.of(entry.id)).unwrap_or_default();
        let time = |percent| {
            counts
                .percentile_us(percent)
                .map(|us| us.to_string())
                .unwrap_or_default()
        };
        let mut row = described(catalog, def);
        row.extend([counts.calls, counts.rows, counts.errors].map(|count| count.to_string()));
        row.extend([time(50), time(99)]);
        rows.push(((def.order, def.name.to_lowercase()), row));
    }
    rows.sort();
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(ResultStream::strings(COLUMNS, &rows, span))
}

/// `DESCRIBE TRIGGER t`: a row for each of its properties.
pub fn describe(session: &mut Session, name: &Ident, span: Span) -> Result<ResultStream, Error> {
    let none = Catalog::default();
    let catalog = session.relations.view.as_ref().map_or(&none, |view| view.catalog());
    let Some((_, def)) = catalog.trigger(MAIN_SCHEMA, &name.text) else {
        let message = format!("trigger `{}` does not exist", name.text);
        return Err(Error::new(Diagnostic::new("42704", name.span, message)));
    };
    let values = described(catalog, def);
    let rows = COLUMNS
        .iter()
        .zip(values)
        .map(|(property, value)| vec![(*property).to_owned(), value]);
    Ok(ResultStream::strings(
        &["property", "value"],
        &rows.collect::<Vec<_>>(),
        span,
    ))
}

fn described(catalog: &Catalog, def: &TriggerDef) -> Vec<String> {
    let name = |id| catalog.get(id).map_or("?".into(), |entry| written(entry.entity.name()));
    let targets: Vec<String> = def.targets.iter().map(|id| name(*id)).collect();
    vec![
        def.name.clone(),
        targets.join("|"),
        def.timing.name().to_owned(),
        def.events_text(),
        if def.each_row { "row" } else { "statement" }.to_owned(),
        def.when.as_ref().map(|when| when.text.clone()).unwrap_or_default(),
        def.order.to_string(),
        def.callee(catalog).unwrap_or("?").to_owned(),
        if def.disabled { "no" } else { "yes" }.to_owned(),
    ]
}
