//! What a catalog names: tables, views, indexes, schemas.
//!
//! `CREATE TABLE t (a int PRIMARY KEY, b string DEFAULT 'x')` is a [`TableDef`] with two columns, numbered 0 and 1, the key
//! `[0]`, and the default kept as the text `'x'`.
//!
//! Invariants: a column's number is never used again in its table, so data written under an older definition are read by
//! number, whatever a column is called today. Expressions and queries are kept as the text that was written, with its
//! dialect. The JSON form is what a store keeps: a field that is added later has a default.
//!
//! Does not: parse those texts, or hold rows.

use serde::{Deserialize, Serialize};

use crate::types::{Field, LogicalType};

/// Number of an entity; never used again in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityId(pub u64);

/// Number of a column in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnNo(pub u32);

/// A text of the language, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The text.
    pub text: String,
    /// `grizzly` or `ansi`.
    pub dialect: String,
}

/// Something that has a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entity {
    /// A namespace.
    Schema(SchemaDef),
    /// A table of the store.
    Table(TableDef),
    /// A named query.
    View(ViewDef),
    /// An index of a table.
    Index(IndexDef),
    /// A function or procedure.
    Routine(RoutineDef),
    /// How far a reader of a table's changes has come.
    Watermark(WatermarkDef),
    /// What is done when rows change.
    Trigger(TriggerDef),
    /// A type with a name.
    Type(TypeDef),
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDef {
    /// Name.
    pub name: String,
}

/// A table of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDef {
    /// Name, case preserved.
    pub name: String,
    /// In the order in which `SELECT *` gives them.
    pub columns: Vec<ColumnDef>,
    /// The number of the next column that is added.
    pub next_column: u32,
    /// PRIMARY KEY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<KeyDef>,
    /// UNIQUE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<KeyDef>,
    /// CHECK.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckDef>,
    /// FOREIGN KEY.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKeyDef>,
    /// How updates are stored.
    #[serde(default)]
    pub storage: Storage,
    /// Columns whose values no two of which share a segment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<ColumnNo>,
    /// Order of the rows of a segment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort_by: Vec<SortColumn>,
    /// The model that has made it, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDef {
    /// Number in the table.
    pub no: ColumnNo,
    /// Name, case preserved.
    pub name: String,
    /// Type.
    pub ty: LogicalType,
    /// NOT NULL, or part of the primary key.
    #[serde(default)]
    pub not_null: bool,
    /// DEFAULT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Source>,
    /// GENERATED ALWAYS AS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Source>,
    /// What rows have that were written before the column was added: text that casts to the type; none: NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// Columns that tell rows apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDef {
    /// Name, for messages and for ALTER TABLE … DROP CONSTRAINT.
    pub name: String,
    /// Columns.
    pub columns: Vec<ColumnNo>,
}

/// A condition that every row satisfies (or for which it is NULL).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckDef {
    /// Name.
    pub name: String,
    /// The condition.
    pub condition: Source,
}

/// Columns whose values a key of another table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeyDef {
    /// Name.
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<ColumnNo>,
    /// The other table.
    pub table: EntityId,
    /// Its columns, a key of it.
    pub referenced: Vec<ColumnNo>,
    /// What deleting a referenced row does.
    #[serde(default)]
    pub on_delete: KeyAction,
    /// What changing a referenced key does.
    #[serde(default)]
    pub on_update: KeyAction,
}

/// What becomes of rows whose foreign key leads to a row that goes, or whose key changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAction {
    /// There may be none at the end of the statement: NO ACTION.
    #[default]
    Refuse,
    /// There may be none at all: RESTRICT.
    Restrict,
    /// They are deleted, or changed, too.
    Cascade,
    /// Their columns become NULL.
    SetNull,
    /// Their columns become what they are by default.
    SetDefault,
}

/// How updates and deletes are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// Deletion vectors, and new segments for changed rows.
    Mor,
    /// Touched segments are written anew.
    Cow,
    /// One or the other, by the share of a segment that changes.
    #[default]
    Hybrid,
}

/// A column of a sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortColumn {
    /// Which.
    pub column: ColumnNo,
    /// Descending.
    #[serde(default)]
    pub desc: bool,
}

/// A named query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDef {
    /// Name, case preserved.
    pub name: String,
    /// The query.
    pub query: Source,
    /// Its columns when it, or what it reads, last changed.
    pub columns: Vec<Field>,
    /// How many of them have names of the view's own; the others are called what the query calls them.
    #[serde(default)]
    pub named_columns: usize,
    /// What it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<EntityId>,
    /// The model that has made it, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDef {
    /// Name, case preserved.
    pub name: String,
    /// The table.
    pub table: EntityId,
    /// Its columns, most significant first.
    pub columns: Vec<ColumnNo>,
    /// UNIQUE.
    #[serde(default)]
    pub unique: bool,
}

/// A function or procedure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutineDef {
    /// Name, case preserved.
    pub name: String,
    /// Made as a procedure.
    #[serde(default)]
    pub procedure: bool,
    /// The type of its receiver, by which those of one name differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// It is a module: what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberDef>>,
    /// The whole statement that made it.
    pub source: Source,
    /// Its signature as it was checked: `(a bigint) -> double`.
    pub signature: String,
    /// How often its text has changed; the first is 1.
    pub version: u64,
    /// Tables, views, functions and types that it names, but for what only those need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<EntityId>,
    /// Tables and views whose rows it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<EntityId>,
    /// Runs with the rights of who made it, not of who calls it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub definer: bool,
}

/// A function, procedure or macro of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDef {
    /// `module.name`, case preserved.
    pub name: String,
    /// `function`, `procedure` or `macro`.
    pub kind: String,
    /// Its signature as it was checked.
    pub signature: String,
}

/// A type with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDef {
    /// Name, case preserved.
    pub name: String,
    /// What it stands for.
    pub ty: LogicalType,
    /// It is an exception: what it says where THROW gives no message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

/// What the keys of types begin with.
pub(super) const TYPE_KEY: &str = "\u{1}type ";

/// What the keys of modules begin with.
pub(super) const MODULE_KEY: &str = "\u{1}module ";

/// What the keys of functions with receivers begin with.
const METHOD_KEY: &str = "\u{1}method ";

/// What the keys of triggers begin with.
pub(super) const TRIGGER_KEY: &str = "\u{1}trigger ";

/// What is done when rows of a table or view change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerDef {
    /// Name, case preserved.
    pub name: String,
    /// Tables and views.
    pub targets: Vec<EntityId>,
    /// When.
    pub timing: Timing,
    /// For what.
    pub events: Vec<Event>,
    /// For each row, not once for each statement.
    pub each_row: bool,
    /// Fires for updates of these columns only; none: of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Source>,
    /// Those of a lower number are first; then it goes by name.
    #[serde(default)]
    pub order: i64,
    /// The procedure, or the module that has it.
    pub call: EntityId,
    /// Which of the module's it is: `module.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Its arguments, as text; an empty name: by its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<(String, Source)>,
    /// Tables, views and functions that its body names, but not its own tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<EntityId>,
    /// Those whose rows it changes by statements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<EntityId>,
    /// What its body calls the rows before the statement, if not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_rows: Option<String>,
    /// The same for those after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_rows: Option<String>,
    /// Does not fire.
    #[serde(default)]
    pub disabled: bool,
}

impl TriggerDef {
    /// What its procedure is called, as the catalog has it.
    pub fn callee<'c>(&'c self, catalog: &'c super::Catalog) -> Option<&'c str> {
        let of_entry = || catalog.get(self.call).map(|entry| entry.entity.name());
        self.member.as_deref().or_else(of_entry)
    }

    /// `insert|update of a, b`.
    pub fn events_text(&self) -> String {
        let events: Vec<&str> = self.events.iter().map(|event| event.name()).collect();
        match self.of.as_slice() {
            [] => events.join("|"),
            of => format!("{} of {}", events.join("|"), of.join(", ")),
        }
    }

    /// Whether a definition of that name, which its entry has, is its procedure.
    pub fn calls(&self, name: &str) -> bool {
        self.member
            .as_ref()
            .is_none_or(|member| member.eq_ignore_ascii_case(name))
    }
}

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Before the change.
    Before,
    /// After it.
    After,
    /// Instead of it.
    Instead,
}

impl Timing {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Timing::Before => "before",
            Timing::After => "after",
            Timing::Instead => "instead",
        }
    }
}

impl Event {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Event::Insert => "insert",
            Event::Update => "update",
            Event::Delete => "delete",
            Event::Upsert => "upsert",
        }
    }
}

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is new.
    Insert,
    /// It is changed.
    Update,
    /// It goes.
    Delete,
    /// It is inserted or updated by a statement that does either.
    Upsert,
}

/// A place in the history of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkDef {
    /// Name, case preserved.
    pub name: String,
    /// The table.
    pub table: EntityId,
    /// The hash of the commit up to which its changes were read.
    pub commit: String,
}

impl Entity {
    /// Name, case preserved.
    pub fn name(&self) -> &str {
        match self {
            Entity::Schema(schema) => &schema.name,
            Entity::Table(table) => &table.name,
            Entity::View(view) => &view.name,
            Entity::Index(index) => &index.name,
            Entity::Routine(routine) => &routine.name,
            Entity::Watermark(mark) => &mark.name,
            Entity::Trigger(trigger) => &trigger.name,
            Entity::Type(def) => &def.name,
        }
    }

    /// Whether a model has made it.
    pub fn is_made_by(&self, model: &str) -> bool {
        let by = match self {
            Entity::Table(def) => &def.made_by,
            Entity::View(def) => &def.made_by,
            _ => return false,
        };
        by.as_ref().is_some_and(|by| by.eq_ignore_ascii_case(model))
    }

    /// Another entity that it needs has got another number.
    pub(super) fn renumber(&mut self, from: EntityId, to: EntityId) {
        let lists = match self {
            Entity::View(view) => vec![&mut view.reads],
            Entity::Routine(routine) => vec![&mut routine.names, &mut routine.writes],
            Entity::Trigger(trigger) => vec![&mut trigger.names, &mut trigger.writes],
            _ => Vec::new(),
        };
        for id in lists.into_iter().flatten().filter(|id| **id == from) {
            *id = to;
        }
    }

    /// What it is called in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Entity::Schema(_) => "schema",
            Entity::Table(_) => "table",
            Entity::View(_) => "view",
            Entity::Index(_) => "index",
            Entity::Routine(routine) if routine.members.is_some() => "module",
            Entity::Routine(routine) if routine.procedure => "procedure",
            Entity::Routine(_) => "function",
            Entity::Watermark(_) => "watermark",
            Entity::Trigger(_) => "trigger",
            Entity::Type(def) if def.says.is_some() => "exception",
            Entity::Type(_) => "type",
        }
    }

    /// What cannot go while this is there.
    pub fn needs(&self) -> Vec<EntityId> {
        match self {
            Entity::Schema(_) => Vec::new(),
            Entity::Table(table) => table.foreign_keys.iter().map(|key| key.table).collect(),
            Entity::View(view) => view.reads.clone(),
            Entity::Index(index) => vec![index.table],
            Entity::Routine(routine) => [&routine.names[..], &routine.writes].concat(),
            Entity::Watermark(mark) => vec![mark.table],
            // Which types it is made of is the catalog's to know.
            Entity::Type(_) => Vec::new(),
            // With its tables it goes, or does without them.
            Entity::Trigger(trigger) => [&trigger.names[..], &trigger.writes, &[trigger.call]].concat(),
        }
    }

    /// What tells it from others of its schema: triggers, types and modules may be called as tables and procedures are, and
    /// functions with other receivers like each other.
    pub fn key(&self) -> String {
        let name = self.name().to_ascii_lowercase();
        match self {
            Entity::Trigger(_) => format!("{TRIGGER_KEY}{name}"),
            Entity::Type(_) => format!("{TYPE_KEY}{name}"),
            Entity::Routine(routine) if routine.members.is_some() => format!("{MODULE_KEY}{name}"),
            Entity::Routine(routine) => match &routine.receiver {
                Some(receiver) => format!("{METHOD_KEY}{name} of {}", receiver.to_lowercase()),
                None => name,
            },
            _ => name,
        }
    }

    /// The form that a store keeps.
    pub fn encode(&self) -> Vec<u8> {
        // Maps with text keys, texts and numbers: nothing here fails to become JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads that form.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnEntity> {
        serde_json::from_slice(bytes).map_err(|error| NotAnEntity(error.to_string()))
    }
}

/// Bytes that are no entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a catalog entry: {0}")]
pub struct NotAnEntity(String);

impl TableDef {
    /// A table without columns.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            columns: Vec::new(),
            next_column: 0,
            primary_key: None,
            unique: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            storage: Storage::default(),
            partition_by: Vec::new(),
            sort_by: Vec::new(),
            made_by: None,
        }
    }

    /// Adds a column that may be NULL.
    pub fn add(&mut self, name: &str, ty: LogicalType) {
        self.columns.push(ColumnDef {
            no: ColumnNo(self.next_column),
            name: name.to_owned(),
            ty,
            not_null: false,
            default: None,
            generated: None,
            missing: None,
        });
        self.next_column += 1;
    }

    /// A column by name, whatever its case.
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// A column by number, if it was not dropped.
    pub fn by_no(&self, no: ColumnNo) -> Option<&ColumnDef> {
        self.columns.iter().find(|column| column.no == no)
    }

    /// The primary key and the unique keys.
    pub fn keys(&self) -> impl Iterator<Item = &KeyDef> {
        self.primary_key.iter().chain(&self.unique)
    }

    /// Whether a name stands in one of its expressions, as far as their texts tell.
    pub fn mentions(&self, name: &str) -> bool {
        let columns = self.columns.iter();
        let columns = columns.flat_map(|column| column.default.iter().chain(&column.generated));
        let mut sources = columns.chain(self.checks.iter().map(|check| &check.condition));
        let name = name.to_lowercase();
        sources.any(|source| source.text.to_lowercase().contains(&name))
    }

    /// The columns as a relation shows them.
    pub fn fields(&self) -> Vec<Field> {
        let field = |column: &ColumnDef| Field {
            name: column.name.clone(),
            ty: column.ty.clone(),
            nullable: !column.not_null,
        };
        self.columns.iter().map(field).collect()
    }

    /// Names of some columns, for messages.
    pub fn column_names(&self, columns: &[ColumnNo]) -> String {
        let name = |no: &ColumnNo| self.by_no(*no).map_or("?", |column| column.name.as_str());
        columns.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}
