//! Statements that make a database's definitions again.
//!
//! `gobi -d shop schema orders` prints `CREATE TABLE orders (…);` with its constraints and options, and its indexes.
//!
//! Invariants: run in their order in an empty database, the statements make the same definitions: schemas, types, tables, foreign
//! keys (which may lead to any table), indexes, views and functions, audits, triggers; what a definition names is made before it.
//!
//! Does not: write rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::{
    Catalog, Entity, EntityId, Entry, ForeignKeyDef, KeyAction, KeyDef, MAIN_SCHEMA, Source, Storage, TableDef,
    TriggerDef,
};
use crate::session::routines::circles;
use crate::session::triggers::written;
use crate::session::types;
use crate::types::{Field, LogicalType};

/// The statements of an entity, of what belongs to it, and of nothing else.
pub fn of_one(catalog: &Catalog, id: EntityId) -> Vec<String> {
    let Some(entry) = catalog.get(id) else {
        return Vec::new();
    };
    let mut out: Vec<String> = own(entry).into_iter().collect();
    if let Entity::Schema(schema) = &*entry.entity {
        out.push(format!("CREATE SCHEMA {};", quoted(&schema.name)));
    }
    out.extend(foreign_keys(catalog, Some(id)));
    out.extend(indexes(catalog, Some(id)));
    out.extend(triggers(catalog, Some(id)));
    out
}

/// What a database has that its catalog does not say.
#[derive(Default)]
pub struct Beside {
    /// Procedures that are models.
    pub models: Vec<EntityId>,
    /// Views that come with the models which have made them, and those models.
    pub made: HashMap<EntityId, EntityId>,
    /// Statements that make audits of no model, which models may name, and those of a model each.
    pub audits: [Vec<String>; 2],
}

/// The statements of all entities.
pub fn of_all(catalog: &Catalog, beside: &Beside) -> Vec<String> {
    let mut out = Vec::new();
    for entry in catalog.entries() {
        if let Entity::Schema(schema) = &*entry.entity {
            out.push(format!("CREATE SCHEMA {};", quoted(&schema.name)));
        }
    }
    out.extend(types::statements(catalog));
    let is_of = |kinds: &'static [&'static str]| {
        let entries = catalog
            .entries()
            .filter(move |entry| kinds.contains(&entry.entity.kind()));
        entries.map(|entry| entry.id)
    };
    let mut ordered = Ordered::new((catalog, &beside.made), out);
    is_of(&["table"]).for_each(|id| ordered.add(id));
    ordered.out.extend(foreign_keys(catalog, None));
    ordered.out.extend(indexes(catalog, None));
    let late: HashSet<EntityId> = beside
        .models
        .iter()
        .chain(beside.made.keys())
        .flat_map(|model| catalog.dependants(*model).into_iter().chain([*model]))
        .collect();
    let kinds = &["view", "function", "procedure", "module"];
    is_of(kinds)
        .filter(|id| !late.contains(id))
        .for_each(|id| ordered.add(id));
    let [of_none, of_models] = &beside.audits;
    ordered.out.extend(of_none.iter().cloned());
    is_of(kinds).for_each(|id| ordered.add(id));
    let mut out = ordered.out;
    out.extend(of_models.iter().cloned());
    out.extend(triggers(catalog, None));
    out
}

/// Statements, each behind those that make what it names.
struct Ordered<'c> {
    catalog: &'c Catalog,
    /// Views that come with models.
    made: &'c HashMap<EntityId, EntityId>,
    /// Functions, procedures and modules by name, in lower case.
    routines: Vec<(String, EntityId)>,
    /// Functions and procedures that call each other: they stand one behind another, so that they are made together.
    circles: HashMap<EntityId, Arc<[EntityId]>>,
    seen: HashSet<EntityId>,
    out: Vec<String>,
}

impl<'c> Ordered<'c> {
    fn new((catalog, made): (&'c Catalog, &'c HashMap<EntityId, EntityId>), out: Vec<String>) -> Self {
        let routines = catalog.entries().filter_map(|entry| match &*entry.entity {
            Entity::Routine(def) => Some((def.name.to_lowercase(), entry.id)),
            _ => None,
        });
        let routines: Vec<(String, EntityId)> = routines.collect();
        Self {
            catalog,
            made,
            circles: circles_of(catalog, &routines),
            routines,
            seen: HashSet::new(),
            out,
        }
    }

    fn add(&mut self, id: EntityId) {
        if !self.seen.insert(id) {
            return;
        }
        if let Some(model) = self.made.get(&id) {
            return self.add(*model);
        }
        let circle = self.circles.get(&id).cloned().unwrap_or_else(|| [id].into());
        self.seen.extend(circle.iter());
        for member in circle.iter().filter_map(|id| self.catalog.get(*id)) {
            let needs = match &*member.entity {
                Entity::Table(def) => self.called_by(def),
                other => other.needs(),
            };
            needs.into_iter().for_each(|id| self.add(id));
        }
        let members = circle.iter().filter_map(|id| self.catalog.get(*id));
        self.out.extend(members.filter_map(own));
    }

    /// What the expressions of a table may call.
    fn called_by(&self, def: &TableDef) -> Vec<EntityId> {
        let columns = def.columns.iter();
        let of_columns = columns.flat_map(|column| column.default.iter().chain(&column.generated));
        let conditions = def.checks.iter().map(|check| &check.condition);
        let words: HashSet<String> = of_columns
            .chain(conditions)
            .flat_map(|source| called_in(&source.text))
            .collect();
        // What a module has may be called with the module's name before its arguments.
        let is_module = |id: &EntityId| {
            let entity = self.catalog.get(*id).map(|entry| &*entry.entity);
            matches!(entity, Some(Entity::Routine(routine)) if routine.members.is_some())
        };
        let called = |(name, id): &&(String, EntityId)| words.contains(name) || is_module(id) && def.mentions(name);
        self.routines.iter().filter(called).map(|(_, id)| *id).collect()
    }
}

/// The circles of more than one function or procedure, by each of their members.
fn circles_of(catalog: &Catalog, routines: &[(String, EntityId)]) -> HashMap<EntityId, Arc<[EntityId]>> {
    let numbers: HashMap<EntityId, usize> = routines.iter().map(|(_, id)| *id).zip(0..).collect();
    let needs = |(_, id): &(String, EntityId)| {
        let needs = catalog.get(*id).map(|entry| entry.entity.needs());
        let routines = needs.into_iter().flatten();
        routines.filter_map(|id| numbers.get(&id).copied()).collect()
    };
    let needs: Vec<Vec<usize>> = routines.iter().map(needs).collect();
    let mut found = HashMap::new();
    for circle in circles(&needs).into_iter().filter(|circle| circle.len() > 1) {
        let members = circle.iter().filter_map(|at| routines.get(*at));
        let members: Arc<[EntityId]> = members.map(|(_, id)| *id).collect();
        found.extend(members.iter().map(|id| (*id, members.clone())));
    }
    found
}

/// The words of an expression behind which `(` or `.` stands, in lower case.
fn called_in(text: &str) -> impl Iterator<Item = String> {
    text.match_indices(['(', '.']).filter_map(|(at, _)| {
        let before = text.get(..at)?.trim_end();
        let quote = before.chars().next_back().filter(|c| matches!(c, '`' | '"'));
        let word = match quote {
            Some(quote) => before.strip_suffix(quote)?.rsplit(quote).next()?,
            None => before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?,
        };
        Some(word.to_lowercase())
    })
}

/// The statement that makes a table, a view, a function, a procedure or a module.
fn own(entry: &Entry) -> Option<String> {
    match &*entry.entity {
        Entity::Table(def) => Some(table(entry, def)),
        Entity::View(def) => {
            let named = def.columns.iter().take(def.named_columns);
            let named: Vec<String> = named.map(|field| quoted(&field.name)).collect();
            let named = match named.is_empty() {
                true => String::new(),
                false => format!(" ({})", named.join(", ")),
            };
            let text = format!("CREATE VIEW {}{named} AS {};", path(entry), def.query.text);
            Some(in_dialect(text, [&def.query]))
        }
        Entity::Routine(def) => {
            let text = def.source.text.trim_end().trim_end_matches(';');
            Some(in_dialect(format!("{text};"), [&def.source]))
        }
        _ => None,
    }
}

/// The foreign keys of all tables, or of one.
fn foreign_keys(catalog: &Catalog, only: Option<EntityId>) -> Vec<String> {
    let mut keys = Vec::new();
    for entry in catalog.entries().filter(|entry| only.is_none_or(|id| id == entry.id)) {
        if let Entity::Table(def) = &*entry.entity {
            let own = def.foreign_keys.iter();
            keys.extend(own.filter_map(|key| foreign_key(catalog, entry, def, key)));
        }
    }
    keys
}

/// The indexes of all tables, or of one.
fn indexes(catalog: &Catalog, only: Option<EntityId>) -> Vec<String> {
    let mut indexes = Vec::new();
    for entry in catalog.entries() {
        if let Entity::Index(index) = &*entry.entity
            && only.is_none_or(|id| id == index.table)
            && let Some(of) = catalog.get(index.table)
            && let Entity::Table(def) = &*of.entity
        {
            let unique = if index.unique { "UNIQUE " } else { "" };
            let (name, columns) = (quoted(&index.name), columns(def, &index.columns));
            indexes.push(format!("CREATE {unique}INDEX {name} ON {} ({columns});", path(of)));
        }
    }
    indexes
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
            MAIN_SCHEMA => written(entry.entity.name()),
            schema => format!("{}.{}", written(schema), written(entry.entity.name())),
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
        let mut part = format!("{} {}", quoted(&column.name), type_text(&column.ty));
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

/// A type as it is written, with its names quoted where they have to be.
pub fn type_text(ty: &LogicalType) -> String {
    match ty {
        LogicalType::Array(item) => format!("array<{}>", type_text(item)),
        LogicalType::Map(of) => format!("map<{}, {}>", type_text(&of.0), type_text(&of.1)),
        LogicalType::Enum(labels) => match labels.name.split_once('.') {
            Some((module, name)) => format!("{}.{}", quoted(module), quoted(name)),
            None => quoted(&labels.name),
        },
        LogicalType::Struct(fields) if !ty.is_exception() && ty.awaited().is_none() => {
            format!("struct({})", fields_text(fields))
        }
        other => other.to_string(),
    }
}

/// The fields of a struct as they are written.
pub fn fields_text(fields: &[Field]) -> String {
    let fields = fields
        .iter()
        .map(|field| format!("{} {}", quoted(&field.name), type_text(&field.ty)));
    fields.collect::<Vec<_>>().join(", ")
}

/// Text of another dialect stands between statements that set it.
pub fn in_dialect<'s>(text: String, sources: impl IntoIterator<Item = &'s Source>) -> String {
    match sources.into_iter().any(|source| source.dialect == "ansi") {
        true => format!("SET dialect = 'ansi';\n{text}\nSET dialect = 'grizzly';"),
        false => text,
    }
}
