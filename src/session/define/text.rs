//! Statements that make a database's definitions again.
//!
//! `gobi -d shop schema orders` prints `CREATE TABLE orders (…);` with its constraints and options, and its indexes.
//!
//! Invariants: run in their order in an empty database, the statements make the same definitions: schemas, types, tables, foreign
//! keys (which may lead to any table), indexes, views, functions, triggers.
//!
//! Does not: write rows.

use crate::catalog::{
    Catalog, Entity, EntityId, Entry, ForeignKeyDef, KeyAction, KeyDef, MAIN_SCHEMA, Source, Storage, TableDef,
    TriggerDef,
};
use crate::session::types;

/// The statements of all entities, or of one table or view and what belongs to it.
pub fn statements(catalog: &Catalog, only: Option<EntityId>) -> Vec<String> {
    let wanted = |entry: &&Entry| only.is_none_or(|id| id == entry.id);
    let mut out = Vec::new();
    for entry in catalog.entries().filter(wanted) {
        if let Entity::Schema(schema) = &*entry.entity {
            out.push(format!("CREATE SCHEMA {};", quoted(&schema.name)));
        }
    }
    if only.is_none() {
        out.extend(types::statements(catalog));
    }
    let mut keys = Vec::new();
    for entry in catalog.entries().filter(wanted) {
        if let Entity::Table(def) = &*entry.entity {
            out.push(table(entry, def));
            let foreign = def
                .foreign_keys
                .iter()
                .filter_map(|key| foreign_key(catalog, entry, def, key));
            keys.extend(foreign);
        }
    }
    out.extend(keys);
    for entry in catalog.entries() {
        if let Entity::Index(index) = &*entry.entity
            && only.is_none_or(|id| id == index.table)
            && let Some(of) = catalog.get(index.table)
            && let Entity::Table(def) = &*of.entity
        {
            let unique = if index.unique { "UNIQUE " } else { "" };
            let (name, columns) = (quoted(&index.name), columns(def, &index.columns));
            out.push(format!("CREATE {unique}INDEX {name} ON {} ({columns});", path(of)));
        }
    }
    for entry in catalog.entries().filter(wanted) {
        if let Entity::View(def) = &*entry.entity {
            let named: Vec<String> = def
                .columns
                .iter()
                .take(def.named_columns)
                .map(|field| quoted(&field.name))
                .collect();
            let named = if named.is_empty() {
                String::new()
            } else {
                format!(" ({})", named.join(", "))
            };
            let text = format!("CREATE VIEW {}{named} AS {};", path(entry), def.query.text);
            out.push(in_dialect(text, [&def.query]));
        }
    }
    out.extend(routines(catalog, only));
    out.extend(triggers(catalog, only));
    out
}

/// Functions and procedures, as they were written.
fn routines(catalog: &Catalog, only: Option<EntityId>) -> impl Iterator<Item = String> {
    let wanted = move |entry: &&Entry| only.is_none_or(|id| id == entry.id);
    catalog
        .entries()
        .filter(wanted)
        .filter_map(|entry| match &*entry.entity {
            Entity::Routine(def) => {
                let text = def.source.text.trim_end().trim_end_matches(';');
                Some(in_dialect(format!("{text};"), [&def.source]))
            }
            _ => None,
        })
}

/// Triggers: all, or those of a table or view.
fn triggers(catalog: &Catalog, only: Option<EntityId>) -> impl Iterator<Item = String> {
    catalog.entries().filter_map(move |entry| match &*entry.entity {
        Entity::Trigger(def) if only.is_none_or(|id| def.targets.contains(&id)) => Some(trigger(catalog, def)),
        _ => None,
    })
}

/// The statement that makes a trigger.
pub fn trigger(catalog: &Catalog, def: &TriggerDef) -> String {
    let string = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let targets = def
        .targets
        .iter()
        .filter_map(|id| catalog.get(*id))
        .map(|entry| match &*entry.schema {
            MAIN_SCHEMA => entry.entity.name().to_owned(),
            schema => format!("{schema}.{}", entry.entity.name()),
        });
    let targets: Vec<String> = targets.collect();
    let events: Vec<&str> = def.events.iter().map(|event| event.name()).collect();
    let call = def.callee(catalog).unwrap_or_default();
    let mut options = vec![
        format!("timing: '{}'", def.timing.name()),
        format!("event: '{}'", events.join("|")),
        format!("target: {}", string(&targets.join("|"))),
        format!("for: '{}'", if def.each_row { "row" } else { "statement" }),
    ];
    if !def.of.is_empty() {
        let names: Vec<String> = def.of.iter().map(|name| string(name)).collect();
        options.push(format!("of: [{}]", names.join(", ")));
    }
    if let Some(when) = &def.when {
        options.push(format!("when: {}", when.text));
    }
    if def.order != 0 {
        options.push(format!("order: {}", def.order));
    }
    options.push(format!("call: {}", string(call)));
    let named = def.args.iter().any(|(name, _)| !name.is_empty());
    let args = def.args.iter().map(|(name, value)| match named {
        true => format!("{}: {}", quoted(name), value.text),
        false => value.text.clone(),
    });
    let args: Vec<String> = args.collect();
    match (args.is_empty(), named) {
        (true, _) => {}
        (false, true) => options.push(format!("args: {{{}}}", args.join(", "))),
        (false, false) => options.push(format!("args: [{}]", args.join(", "))),
    }
    for (option, name) in [("old_rows", &def.old_rows), ("new_rows", &def.new_rows)] {
        options.extend(name.iter().map(|name| format!("{option}: {}", string(name))));
    }
    if def.disabled {
        options.push("enabled: false".into());
    }
    let text = format!("upsert trigger as {} ({});", quoted(&def.name), options.join(", "));
    in_dialect(text, def.when.iter().chain(def.args.iter().map(|(_, value)| value)))
}

fn table(entry: &Entry, def: &TableDef) -> String {
    let mut parts = Vec::new();
    let mut sources = Vec::new();
    for column in &def.columns {
        let mut part = format!("{} {}", quoted(&column.name), column.ty);
        let is_key = def
            .primary_key
            .as_ref()
            .is_some_and(|key| key.columns.contains(&column.no));
        if column.not_null && !is_key {
            part.push_str(" NOT NULL");
        }
        if let Some(default) = &column.default {
            part.push_str(&format!(" DEFAULT {}", default.text));
            sources.push(default);
        }
        if let Some(generated) = &column.generated {
            part.push_str(&format!(" GENERATED ALWAYS AS ({})", generated.text));
            sources.push(generated);
        }
        parts.push(part);
    }
    let key = |kind: &str, key: &KeyDef| {
        format!(
            "CONSTRAINT {} {kind} ({})",
            quoted(&key.name),
            columns(def, &key.columns)
        )
    };
    parts.extend(def.primary_key.iter().map(|primary| key("PRIMARY KEY", primary)));
    parts.extend(def.unique.iter().map(|unique| key("UNIQUE", unique)));
    for check in &def.checks {
        parts.push(format!(
            "CONSTRAINT {} CHECK ({})",
            quoted(&check.name),
            check.condition.text
        ));
        sources.push(&check.condition);
    }
    let text = format!(
        "CREATE TABLE {} (\n    {}\n){};",
        path(entry),
        parts.join(",\n    "),
        options(def)
    );
    in_dialect(text, sources)
}

fn options(def: &TableDef) -> String {
    let mut options = Vec::new();
    match def.storage {
        Storage::Mor => options.push("storage = 'mor'".to_string()),
        Storage::Cow => options.push("storage = 'cow'".to_string()),
        Storage::Hybrid => {}
    }
    if !def.partition_by.is_empty() {
        let columns = def.partition_by.iter().filter_map(|no| def.by_no(*no));
        let columns: Vec<String> = columns.map(|column| quoted(&column.name)).collect();
        options.push(format!("partition_by = ({})", columns.join(", ")));
    }
    if !def.sort_by.is_empty() {
        let sort = def
            .sort_by
            .iter()
            .filter_map(|sort| Some((def.by_no(sort.column)?, sort.desc)));
        let sort = sort.map(|(column, desc)| match desc {
            true => format!("'{} desc'", column.name.replace('\'', "''")),
            false => quoted(&column.name),
        });
        options.push(format!("sort_by = ({})", sort.collect::<Vec<_>>().join(", ")));
    }
    match options.is_empty() {
        true => String::new(),
        false => format!(" WITH ({})", options.join(", ")),
    }
}

fn foreign_key(catalog: &Catalog, entry: &Entry, def: &TableDef, key: &ForeignKeyDef) -> Option<String> {
    let other = catalog.get(key.table)?;
    let Entity::Table(target) = &*other.entity else {
        return None;
    };
    let action = |what: &str, action: KeyAction| match action {
        KeyAction::Refuse => String::new(),
        KeyAction::Restrict => format!(" ON {what} RESTRICT"),
        KeyAction::Cascade => format!(" ON {what} CASCADE"),
        KeyAction::SetNull => format!(" ON {what} SET NULL"),
        KeyAction::SetDefault => format!(" ON {what} SET DEFAULT"),
    };
    Some(format!(
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){}{};",
        path(entry),
        quoted(&key.name),
        columns(def, &key.columns),
        path(other),
        columns(target, &key.referenced),
        action("DELETE", key.on_delete),
        action("UPDATE", key.on_update)
    ))
}

fn columns(def: &TableDef, columns: &[crate::catalog::ColumnNo]) -> String {
    let names = columns
        .iter()
        .filter_map(|no| def.by_no(*no))
        .map(|column| quoted(&column.name));
    names.collect::<Vec<_>>().join(", ")
}

fn path(entry: &Entry) -> String {
    let name = quoted(entry.entity.name());
    match &*entry.schema {
        MAIN_SCHEMA => name,
        schema => format!("{}.{name}", quoted(schema)),
    }
}

/// A name, in backticks unless it is plain and no word of the language.
pub fn quoted(name: &str) -> String {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_word = gobi_grammar::keywords::is_keyword(name);
    match plain && !is_word {
        true => name.to_string(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

/// Text of another dialect stands between statements that set it.
fn in_dialect<'s>(text: String, sources: impl IntoIterator<Item = &'s Source>) -> String {
    match sources.into_iter().any(|source| source.dialect == "ansi") {
        true => format!("SET dialect = 'ansi';\n{text}\nSET dialect = 'grizzly';"),
        false => text,
    }
}
