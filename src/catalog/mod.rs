//! What a database has: names and what they stand for, as of one commit.
//!
//! `catalog.find(&["main", "Orders"])` is the table that was made by `CREATE TABLE orders`; a transaction that adds a column
//! works on a [`Catalog`] of its own, which shares everything else.
//!
//! Invariants: a catalog never changes, a changed one is another value; names differ in more than case within a schema;
//! what something needs is there too.
//!
//! Does not: read or write files (the store keeps entities), or parse the texts that it holds.

mod entity;
mod indexed;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

pub use entity::{
    CheckDef, ColumnDef, ColumnNo, Entity, EntityId, Event, ForeignKeyDef, IndexDef, KeyAction, KeyDef, MemberDef,
    NotAnEntity, RoutineDef, SchemaDef, SortColumn, Source, Storage, TableDef, Timing, TriggerDef, TypeDef, ViewDef,
    WatermarkDef,
};

pub use indexed::Indexed;

use crate::types::LogicalType;

/// The schema that unqualified names are looked up in.
pub const MAIN_SCHEMA: &str = "main";

/// An entity and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntityId,
    /// The schema's name, in lower case; empty for schemas themselves.
    pub schema: Arc<str>,
    /// What it is.
    pub entity: Arc<Entity>,
}

/// All entities of a commit, or of a transaction that goes on. Copies share everything until one of them is changed.
#[derive(Clone, Debug, Default)]
pub struct Catalog(Arc<Entities>);

#[derive(Clone, Debug, Default)]
struct Entities {
    by_id: BTreeMap<EntityId, Entry>,
    /// By schema, then by name, both in lower case.
    by_name: BTreeMap<Arc<str>, BTreeMap<String, EntityId>>,
    /// Triggers of tables and views.
    triggers: BTreeMap<EntityId, Vec<EntityId>>,
    next_id: u64,
    /// What stands for all of it.
    hash: OnceLock<[u8; 32]>,
    /// What stands for each of them.
    hashes: BTreeMap<EntityId, Arc<OnceLock<[u8; 32]>>>,
    indexed: indexed::Known,
}

/// Why a catalog cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The name is taken.
    #[error("the {kind} `{name}` exists already")]
    Exists {
        /// What is there.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// There is no such schema.
    #[error("there is no schema `{0}`")]
    NoSchema(String),
    /// Other entities need it.
    #[error("`{}` {} needed by {needed_by}", names.join("`, `"), if names.len() > 1 { "are" } else { "is" })]
    Needed {
        /// What was to go.
        names: Vec<String>,
        /// What would break: kinds and names.
        needed_by: String,
    },
}

impl CatalogError {
    /// SQLSTATE.
    pub fn code(&self) -> &'static str {
        match self {
            CatalogError::Exists { kind: "schema", .. } => "42P06",
            CatalogError::Exists { .. } => "42P07",
            CatalogError::NoSchema(_) => "3F000",
            CatalogError::Needed { .. } => "2BP01",
        }
    }
}

impl Catalog {
    /// Whether the other is this one, unchanged. It may also be equal without that.
    pub fn is(&self, other: &Catalog) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// From what a store keeps.
    pub fn new(entries: impl IntoIterator<Item = Entry>, next_id: u64) -> Self {
        let mut catalog = Self::default();
        catalog.entities().next_id = next_id;
        for entry in entries {
            catalog.put(entry);
        }
        catalog
    }

    /// The number that the next entity gets.
    pub fn next_id(&self) -> u64 {
        self.0.next_id
    }

    /// New entities get numbers that are at least this: another transaction has taken those below.
    pub fn reserve(&mut self, least: u64) {
        if self.0.next_id < least {
            self.entities().next_id = least;
        }
    }

    /// An entity by number.
    pub fn get(&self, id: EntityId) -> Option<&Entry> {
        self.0.by_id.get(&id)
    }

    /// A table by number.
    pub fn table(&self, id: EntityId) -> Option<&TableDef> {
        match &*self.get(id)?.entity {
            Entity::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What a table has indexes of.
    pub fn indexed(&self, id: EntityId) -> Arc<Indexed> {
        let of_table = || self.table(id).map(|def| Indexed::of(self, id, def));
        self.0.indexed.get(id, || of_table().unwrap_or_default())
    }

    /// An entity by `name` or `schema.name`.
    pub fn find(&self, parts: &[&str]) -> Option<&Entry> {
        let (schema, name) = match parts {
            [name] => (MAIN_SCHEMA, name),
            [schema, name] => (*schema, name),
            _ => return None,
        };
        self.get(self.0.named(&lower(schema), &lower(name))?)
    }

    /// A trigger by name.
    pub fn trigger(&self, schema: &str, name: &str) -> Option<(EntityId, &TriggerDef)> {
        let key = format!("{}{name}", entity::TRIGGER_KEY);
        let entry = self.find(&[schema, &key])?;
        match &*entry.entity {
            Entity::Trigger(trigger) => Some((entry.id, trigger)),
            _ => None,
        }
    }

    /// A type, or an exception, by name.
    pub fn named_type(&self, schema: &str, name: &str) -> Option<(EntityId, &TypeDef)> {
        let key = format!("{}{name}", entity::TYPE_KEY);
        let entry = self.find(&[schema, &key])?;
        match &*entry.entity {
            Entity::Type(def) => Some((entry.id, def)),
            _ => None,
        }
    }

    /// A module by name.
    pub fn module(&self, schema: &str, name: &str) -> Option<(&Entry, &RoutineDef)> {
        let key = format!("{}{name}", entity::MODULE_KEY);
        let entry = self.find(&[schema, &key])?;
        match &*entry.entity {
            Entity::Routine(def) => Some((entry, def)),
            _ => None,
        }
    }

    /// The functions and procedures of a name: one, or one for each receiver.
    pub fn routines(&self, schema: &str, name: &str) -> Vec<(&Entry, &RoutineDef)> {
        let plain = self.find(&[schema, name]);
        let of_receivers = self.entries().filter(|entry| {
            matches!(&*entry.entity, Entity::Routine(def) if def.name.eq_ignore_ascii_case(name))
                && entry.schema.eq_ignore_ascii_case(schema)
        });
        let all = plain.into_iter().chain(of_receivers);
        let routines = all.filter_map(|entry| match &*entry.entity {
            Entity::Routine(def) if def.members.is_none() => Some((entry, def)),
            _ => None,
        });
        let mut routines: Vec<_> = routines.collect();
        routines.dedup_by_key(|(entry, _)| entry.id);
        routines
    }

    /// All types that have names.
    pub fn types(&self) -> impl Iterator<Item = (EntityId, &TypeDef)> {
        self.entries().filter_map(|entry| match &*entry.entity {
            Entity::Type(def) if def.says.is_none() => Some((entry.id, def)),
            _ => None,
        })
    }

    /// All exceptions, with what they say.
    pub fn exceptions(&self) -> impl Iterator<Item = (EntityId, &str, &str)> {
        self.entries().filter_map(|entry| match &*entry.entity {
            Entity::Type(def) => Some((entry.id, def.name.as_str(), def.says.as_deref()?)),
            _ => None,
        })
    }

    /// The triggers of a table or view, in no order.
    pub fn triggers_of(&self, target: EntityId) -> impl Iterator<Item = (EntityId, &TriggerDef)> {
        let ids = self.0.triggers.get(&target).into_iter().flatten();
        ids.filter_map(|id| match &*self.get(*id)?.entity {
            Entity::Trigger(trigger) => Some((*id, trigger)),
            _ => None,
        })
    }

    /// Takes a target that goes from its triggers; those that have no other go too, and are given back.
    fn forget_target(&mut self, target: EntityId) -> Result<Vec<Entry>, CatalogError> {
        let mut gone = Vec::new();
        for id in self.entities().triggers.remove(&target).unwrap_or_default() {
            let Some(entry) = self.get(id).cloned() else { continue };
            let Entity::Trigger(trigger) = &*entry.entity else {
                continue;
            };
            let mut trigger = trigger.clone();
            trigger.targets.retain(|known| *known != target);
            if trigger.targets.is_empty() {
                self.forget(&entry);
                gone.push(entry);
            } else {
                self.replace(id, Entity::Trigger(trigger))?;
            }
        }
        Ok(gone)
    }

    /// Everything, by number.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.by_id.values()
    }

    /// Whether there is a schema of this name.
    pub fn has_schema(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(MAIN_SCHEMA) || self.0.named("", &lower(name)).is_some()
    }

    /// Adds something new.
    pub fn create(&mut self, schema: &str, entity: Entity) -> Result<EntityId, CatalogError> {
        let schema = match entity {
            Entity::Schema(_) => String::new(),
            _ if self.has_schema(schema) => schema.to_ascii_lowercase(),
            _ => return Err(CatalogError::NoSchema(schema.into())),
        };
        let taken = self.0.named(&schema, &entity.key()).and_then(|id| self.get(id));
        if let Some(taken) = taken {
            return Err(CatalogError::Exists {
                kind: taken.entity.kind(),
                name: taken.entity.name().into(),
            });
        }
        let id = EntityId(self.0.next_id);
        self.entities().next_id += 1;
        self.put(Entry {
            id,
            schema: schema.into(),
            entity: Arc::new(entity),
        });
        Ok(id)
    }

    /// Puts another definition in the place of an entity, perhaps under another name.
    pub fn replace(&mut self, id: EntityId, entity: Entity) -> Result<(), CatalogError> {
        let Some(old) = self.0.by_id.get(&id).cloned() else {
            return Ok(());
        };
        let other = self.0.named(&old.schema, &entity.key());
        if let Some(other) = other.filter(|other| *other != id) {
            let kind = self.get(other).map_or("table", |entry| entry.entity.kind());
            return Err(CatalogError::Exists {
                kind,
                name: entity.name().into(),
            });
        }
        self.forget(&old);
        self.put(Entry {
            entity: Arc::new(entity),
            ..old
        });
        Ok(())
    }

    /// What would break if this went: what needs it, and what needs that. A table whose foreign key leads here would only
    /// lose the key; see [`Catalog::referencing`].
    pub fn dependants(&self, id: EntityId) -> Vec<EntityId> {
        let mut users: HashMap<EntityId, Vec<EntityId>> = HashMap::new();
        for entry in self.entries() {
            for needed in self.needs(entry) {
                users.entry(needed).or_default().push(entry.id);
            }
        }
        let mut found: Vec<EntityId> = Vec::new();
        let mut known = HashSet::from([id]);
        let mut next = vec![id];
        while let Some(needed) = next.pop() {
            for user in users.get(&needed).into_iter().flatten() {
                if known.insert(*user) {
                    found.push(*user);
                    next.push(*user);
                }
            }
        }
        found
    }

    fn needs(&self, entry: &Entry) -> Vec<EntityId> {
        let mut needs = match &*entry.entity {
            Entity::Table(_) => Vec::new(),
            other => other.needs(),
        };
        // A struct is of a declared type wherever it has its fields.
        needs.extend(
            self.types()
                .filter(|(id, def)| *id != entry.id && uses(&entry.entity, &def.ty))
                .map(|(id, _)| id),
        );
        let schema = self.0.named("", &entry.schema);
        needs.extend(schema.filter(|_| !entry.schema.is_empty()));
        needs
    }

    /// Tables whose foreign keys lead to a table.
    pub fn referencing(&self, id: EntityId) -> Vec<(EntityId, &TableDef)> {
        let leads = |entry: &Entry| {
            let table = self.table(entry.id)?;
            let leads = entry.id != id && table.foreign_keys.iter().any(|key| key.table == id);
            leads.then_some((entry.id, table))
        };
        self.entries().filter_map(leads).collect()
    }

    /// Foreign keys that lead to a table, its own ones included, with the tables that have them.
    pub fn foreign_keys_to(&self, id: EntityId) -> Vec<(&Entry, &TableDef, &ForeignKeyDef)> {
        let mut found = Vec::new();
        for entry in self.entries() {
            if let Entity::Table(table) = &*entry.entity {
                let keys = table.foreign_keys.iter().filter(|key| key.table == id);
                found.extend(keys.map(|key| (entry, table, key)));
            }
        }
        found
    }

    /// Kinds and names of entities, for messages.
    pub fn described(&self, ids: &[EntityId]) -> String {
        let name = |entry: &Entry| format!("{} `{}`", entry.entity.kind(), entry.entity.name());
        let names: Vec<String> = ids.iter().filter_map(|id| self.get(*id)).map(name).collect();
        names.join(", ")
    }

    /// What goes with some entities: they, and all that need them.
    pub fn going(&self, ids: &[EntityId]) -> Vec<EntityId> {
        let mut going: Vec<EntityId> = Vec::new();
        for id in ids {
            let all = self.dependants(*id).into_iter().chain([*id]);
            let new: Vec<EntityId> = all.filter(|id| !going.contains(id)).collect();
            going.extend(new);
        }
        going
    }

    /// Drops an entity and its indexes; anything else that needs it must be dropped too (`cascade`) or prevents it. Foreign
    /// keys that lead to what goes go with it. Gives what went.
    pub fn drop(&mut self, id: EntityId, cascade: bool) -> Result<Vec<Entry>, CatalogError> {
        self.drop_all(&[id], cascade, &[])
    }

    /// Drops several, which may need each other. `also` says what else would break without them.
    pub fn drop_all(&mut self, ids: &[EntityId], cascade: bool, also: &[String]) -> Result<Vec<Entry>, CatalogError> {
        let mut referencing: Vec<EntityId> = Vec::new();
        let going = self.going(ids);
        for gone in &going {
            let tables = self.referencing(*gone).into_iter().map(|(other, _)| other);
            referencing.extend(tables.filter(|other| !going.contains(other)));
        }
        if !cascade {
            self.check_free(ids, also)?;
        }
        for other in referencing {
            if let Some(mut table) = self.table(other).cloned() {
                table.foreign_keys.retain(|key| !going.contains(&key.table));
                self.replace(other, Entity::Table(table))?;
            }
        }
        let mut gone = Vec::new();
        for id in going {
            if let Some(entry) = self.0.by_id.get(&id).cloned() {
                self.forget(&entry);
                gone.push(entry);
            }
            gone.extend(self.forget_target(id)?);
        }
        Ok(gone)
    }

    /// An error if something else needs one of some entities.
    fn check_free(&self, ids: &[EntityId], also: &[String]) -> Result<(), CatalogError> {
        let (mut names, mut needed_by) = (Vec::<String>::new(), Vec::<String>::new());
        for id in ids {
            let going = self.going(&[*id]);
            let holds = |id: &&EntityId| {
                !ids.contains(id) && !matches!(self.get(**id).map(|e| &*e.entity), Some(Entity::Index(_)) | None)
            };
            let mut found: Vec<String> = going.iter().filter(holds).map(|id| self.described(&[*id])).collect();
            for gone in &going {
                for (other, table) in self.referencing(*gone) {
                    let keys = table.foreign_keys.iter().filter(|key| key.table == *gone);
                    let keys = keys.filter(|_| !going.contains(&other) && !ids.contains(&other));
                    found.extend(keys.map(|key| format!("foreign key `{}` of table `{}`", key.name, table.name)));
                }
            }
            if !found.is_empty() {
                let name = self.get(*id).map(|entry| entry.entity.name().to_owned());
                // Functions with other receivers have the same.
                names.extend(name.filter(|name| !names.contains(name)));
            }
            found.retain(|found| !needed_by.contains(found));
            needed_by.extend(found);
        }
        if names.is_empty() && !also.is_empty() {
            names = ids
                .iter()
                .filter_map(|id| Some(self.get(*id)?.entity.name().to_owned()))
                .collect();
        }
        needed_by.extend(also.iter().cloned());
        match needed_by.is_empty() {
            true => Ok(()),
            false => Err(CatalogError::Needed {
                names,
                needed_by: needed_by.join(", "),
            }),
        }
    }

    /// Puts an entity of another kind, with a number of its own, in the place of a table or view: what reads that by its name reads the new
    /// one. Its indexes go; triggers, watermarks and foreign keys that lead to it prevent it.
    pub fn supplant(&mut self, id: EntityId, entity: Entity) -> Result<EntityId, CatalogError> {
        let Some(old) = self.get(id).cloned() else {
            return Ok(id);
        };
        let holding = self.foreign_keys_to(id).into_iter();
        let keys = holding.filter(|(table, _, _)| table.id != id);
        let mut needed_by: Vec<String> = keys
            .map(|(_, table, key)| format!("foreign key `{}` of table `{}`", key.name, table.name))
            .collect();
        needed_by.extend(self.triggers_of(id).map(|(_, def)| format!("trigger `{}`", def.name)));
        let marks = self.entries().filter_map(|entry| match &*entry.entity {
            Entity::Watermark(mark) if mark.table == id => Some(format!("watermark `{}`", mark.name)),
            _ => None,
        });
        needed_by.extend(marks);
        if !needed_by.is_empty() {
            return Err(CatalogError::Needed {
                names: vec![old.entity.name().to_owned()],
                needed_by: needed_by.join(", "),
            });
        }
        let indexes = self.entries().filter(|entry| match &*entry.entity {
            Entity::Index(index) => index.table == id,
            _ => false,
        });
        let mut gone: Vec<Entry> = indexes.cloned().collect();
        gone.push(old.clone());
        gone.iter().for_each(|entry| self.forget(entry));
        let new = self.create(&old.schema, entity)?;
        let users: Vec<Entry> = self
            .entries()
            .filter(|entry| entry.entity.needs().contains(&id))
            .cloned()
            .collect();
        for mut user in users {
            Arc::make_mut(&mut user.entity).renumber(id, new);
            self.forget(&user);
            self.put(user);
        }
        Ok(new)
    }

    /// The entities that differ from those of another catalog: their numbers, and what they are here.
    pub fn changes_since<'a>(&'a self, base: &'a Catalog) -> Vec<(EntityId, Option<&'a Entry>)> {
        if Arc::ptr_eq(&self.0, &base.0) {
            return Vec::new();
        }
        let changed = self.entries().filter(|entry| base.get(entry.id) != Some(entry));
        let gone = base.entries().filter(|entry| self.get(entry.id).is_none());
        changed
            .map(|entry| (entry.id, Some(entry)))
            .chain(gone.map(|entry| (entry.id, None)))
            .collect()
    }

    /// A hash of all definitions, made when it is first asked for.
    pub fn hash(&self, of: impl FnOnce(&Self) -> [u8; 32]) -> [u8; 32] {
        *self.0.hash.get_or_init(|| of(self))
    }

    /// A hash of one definition, made when it is first asked for.
    pub fn hash_of(&self, entry: &Entry, of: impl FnOnce(&Entity) -> [u8; 32]) -> [u8; 32] {
        match self.0.hashes.get(&entry.id) {
            Some(hash) => *hash.get_or_init(|| of(&entry.entity)),
            None => of(&entry.entity),
        }
    }

    fn entities(&mut self) -> &mut Entities {
        let entities = Arc::make_mut(&mut self.0);
        entities.hash = OnceLock::new();
        entities.indexed = indexed::Known::default();
        entities
    }

    fn put(&mut self, entry: Entry) {
        let entities = self.entities();
        if let Entity::Trigger(trigger) = &*entry.entity {
            for target in &trigger.targets {
                entities.triggers.entry(*target).or_default().push(entry.id);
            }
        }
        let schema = entities.by_name.entry(Arc::clone(&entry.schema)).or_default();
        schema.insert(entry.entity.key(), entry.id);
        entities.hashes.insert(entry.id, Arc::default());
        entities.by_id.insert(entry.id, entry);
    }

    fn forget(&mut self, entry: &Entry) {
        let entities = self.entities();
        if let Entity::Trigger(trigger) = &*entry.entity {
            for target in &trigger.targets {
                if let Some(triggers) = entities.triggers.get_mut(target) {
                    triggers.retain(|id| *id != entry.id);
                }
            }
        }
        if let Some(schema) = entities.by_name.get_mut(&entry.schema) {
            schema.remove(&entry.entity.key());
        }
        entities.hashes.remove(&entry.id);
        entities.by_id.remove(&entry.id);
    }
}

impl Entities {
    /// What has a name in a schema, both in lower case.
    fn named(&self, schema: &str, name: &str) -> Option<EntityId> {
        self.by_name.get(schema)?.get(name).copied()
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

/// Whether something is made of an enum or struct.
fn uses(entity: &Entity, ty: &LogicalType) -> bool {
    let found = |within: &LogicalType| within.has_type(ty);
    match entity {
        _ if !matches!(ty, LogicalType::Enum(_) | LogicalType::Struct(_)) => false,
        Entity::Table(table) => table.columns.iter().any(|column| found(&column.ty)),
        Entity::Type(def) if def.says.is_none() => found(&def.ty),
        _ => false,
    }
}
