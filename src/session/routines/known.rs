//! The functions and procedures that a statement can call: those of the session, and those of the database.
//!
//! `CREATE FUNCTION f(a int) RETURN a + 1` is kept as this text; it is read once, and again when the text has changed.
//!
//! Invariants: one of the session hides one of the database.
//!
//! Does not: check them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gobi_grammar::Dialect;
use gobi_grammar::ast::{DefineException, DefineMacro, StatementKind};

use super::Sources;
use crate::catalog::{Catalog, Entity, EntityId, Entry, MAIN_SCHEMA, RoutineDef};
use crate::plan::NamedTypes;
use crate::procedure::{Definition, Definitions};
use crate::session::settings::parse_dialect;
use crate::session::store::View;
use crate::types::LogicalType;

/// Macros by name, in lower case.
pub type Macros = Arc<BTreeMap<String, Arc<DefineMacro>>>;

/// What can be called.
#[derive(Clone, Debug, Default)]
pub struct Known {
    local: Arc<BTreeMap<String, Arc<Definition>>>,
    /// Those of the session that have a receiver.
    methods: Arc<BTreeMap<String, Vec<Arc<Definition>>>>,
    stored: Arc<BTreeMap<String, Arc<Definition>>>,
    /// Types of the session, and of the database.
    local_types: Arc<BTreeMap<String, (String, LogicalType)>>,
    stored_types: Arc<Vec<(String, LogicalType)>>,
    /// Types that the script declares, perhaps later, in lower case.
    announced: Arc<BTreeSet<String>>,
    /// Macros of the session.
    macros: Macros,
    /// Exceptions of the session, and what they say.
    exceptions: Arc<BTreeMap<String, String>>,
    /// The texts that the stored ones were read from.
    texts: Arc<BTreeMap<EntityId, (String, Arc<Definition>)>>,
}

/// The functions and types of a session at some time, to be told from others.
#[derive(Clone, Debug)]
pub struct Functions {
    local: Arc<BTreeMap<String, Arc<Definition>>>,
    methods: Arc<BTreeMap<String, Vec<Arc<Definition>>>>,
    types: Arc<BTreeMap<String, (String, LogicalType)>>,
    macros: Macros,
}

impl Functions {
    /// Whether the other is this one, unchanged.
    pub fn is(&self, other: &Functions) -> bool {
        Arc::ptr_eq(&self.local, &other.local)
            && Arc::ptr_eq(&self.methods, &other.methods)
            && Arc::ptr_eq(&self.types, &other.types)
            && Arc::ptr_eq(&self.macros, &other.macros)
    }
}

impl Definitions for Known {
    fn find(&self, name: &str) -> Option<Arc<Definition>> {
        let key = name.to_lowercase();
        self.local.get(&key).or_else(|| self.stored.get(&key)).cloned()
    }

    fn methods(&self, name: &str) -> Vec<Arc<Definition>> {
        self.methods.get(&name.to_lowercase()).cloned().unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        let all = self.local().chain(self.stored.values());
        all.map(|definition| definition.name.clone()).collect()
    }

    fn types(&self) -> NamedTypes {
        let local = self.local_types.values().cloned();
        NamedTypes::new(self.stored_types.iter().cloned().chain(local))
    }

    fn macro_named(&self, name: &str) -> Option<Arc<DefineMacro>> {
        if self.macros.is_empty() {
            return None;
        }
        self.macros.get(&name.to_lowercase()).cloned()
    }

    fn exception(&self, name: &str) -> Option<String> {
        self.exceptions.get(&name.to_lowercase()).cloned()
    }
}

impl Known {
    /// Those of the session.
    pub fn functions(&self) -> Functions {
        Functions {
            local: self.local.clone(),
            methods: self.methods.clone(),
            types: self.local_types.clone(),
            macros: self.macros.clone(),
        }
    }

    /// Keeps an exception.
    pub fn keep_exception(&mut self, exception: &DefineException) {
        let message = exception.message.clone().unwrap_or_else(|| exception.name.text.clone());
        Arc::make_mut(&mut self.exceptions).insert(exception.name.text.to_lowercase(), message);
    }

    /// Puts other macros in the place of these, and gives these.
    pub fn swap_macros(&mut self, macros: Macros) -> Macros {
        std::mem::replace(&mut self.macros, macros)
    }

    /// Keeps a macro.
    pub fn keep_macro(&mut self, made: &DefineMacro) {
        Arc::make_mut(&mut self.macros).insert(made.name.text.to_lowercase(), Arc::new(made.clone()));
    }

    /// Forgets a macro; whether there was one.
    pub fn forget_macro(&mut self, name: &str) -> bool {
        Arc::make_mut(&mut self.macros).remove(&name.to_lowercase()).is_some()
    }

    /// A type of the session, as it was declared.
    pub fn local_type(&self, name: &str) -> Option<&(String, LogicalType)> {
        self.local_types.get(&name.to_lowercase())
    }

    /// Types of the session.
    pub fn local_types(&self) -> impl Iterator<Item = (String, LogicalType)> {
        self.local_types.values().cloned()
    }

    /// Keeps a type.
    pub fn keep_type(&mut self, name: &str, ty: LogicalType) {
        Arc::make_mut(&mut self.local_types).insert(name.to_lowercase(), (name.to_owned(), ty));
    }

    /// Forgets a type of the session; whether there was one.
    pub fn forget_type(&mut self, name: &str) -> bool {
        let key = name.to_lowercase();
        Arc::make_mut(&mut self.announced).remove(&key);
        Arc::make_mut(&mut self.local_types).remove(&key).is_some()
    }

    /// A script declares a type.
    pub fn announce_type(&mut self, name: &str) {
        Arc::make_mut(&mut self.announced).insert(name.to_lowercase());
    }

    /// Whether a name is that of a type, or of one that a script declares.
    pub fn is_type(&self, name: &str) -> bool {
        let key = name.to_lowercase();
        let stored = |(known, _): &(String, LogicalType)| known.eq_ignore_ascii_case(name);
        self.announced.contains(&key) || self.local_types.contains_key(&key) || self.stored_types.iter().any(stored)
    }

    /// Whether the session has one of that name.
    pub fn is_local(&self, name: &str) -> bool {
        let key = name.to_lowercase();
        self.local.contains_key(&key) || self.methods.contains_key(&key)
    }

    /// Keeps one for the session; in the place of one of that name, and of that receiver, if it has one.
    pub fn keep(&mut self, definition: Arc<Definition>) {
        if definition.routine.receiver.is_some() {
            let methods = Arc::make_mut(&mut self.methods);
            let methods = methods.entry(definition.name.to_lowercase()).or_default();
            methods.retain(|known| known.routine.receiver != definition.routine.receiver);
            return methods.push(definition);
        }
        Arc::make_mut(&mut self.local).insert(definition.name.to_lowercase(), definition);
    }

    /// Forgets one of the session.
    pub fn forget(&mut self, name: &str) {
        Arc::make_mut(&mut self.local).remove(&name.to_lowercase());
        Arc::make_mut(&mut self.methods).remove(&name.to_lowercase());
    }

    /// The session's own.
    pub fn local(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.local.values().chain(self.methods.values().flatten())
    }

    /// Without those of the session.
    pub fn stored_only(&self) -> Self {
        Self {
            local: Arc::default(),
            methods: Arc::default(),
            local_types: Arc::default(),
            macros: Arc::default(),
            ..self.clone()
        }
    }

    /// Puts another definition in the place of a stored one, to be checked.
    pub fn try_stored(&mut self, definition: Arc<Definition>) {
        Arc::make_mut(&mut self.local).remove(&definition.name.to_lowercase());
        Arc::make_mut(&mut self.stored).insert(definition.name.to_lowercase(), definition);
    }

    /// What a catalog has.
    pub fn of_catalog(catalog: &Catalog, sources: &mut Sources) -> Self {
        let mut known = Self {
            stored_types: types_of(catalog),
            ..Self::default()
        };
        let mut stored = BTreeMap::new();
        for entry in catalog.entries() {
            let Entity::Routine(def) = &*entry.entity else { continue };
            let read = definition(def, &|name| known.is_type(name), sources);
            stored.extend(read.map(|read| (def.name.to_lowercase(), read)));
        }
        known.stored = Arc::new(stored);
        known
    }

    /// Reads what the database has.
    pub fn read(&mut self, view: Option<&View>, sources: &mut Sources) {
        let mut stored = BTreeMap::new();
        let mut texts = BTreeMap::new();
        self.stored_types = view.map(|view| types_of(view.catalog())).unwrap_or_default();
        for (entry, def) in entries(view) {
            let known = self.texts.get(&entry.id).filter(|(text, _)| *text == def.source.text);
            let read = match known {
                Some((_, definition)) => Some(definition.clone()),
                None => definition(def, &|name| self.is_type(name), sources),
            };
            if let Some(read) = read {
                stored.insert(def.name.to_lowercase(), read.clone());
                texts.insert(entry.id, (def.source.text.clone(), read));
            }
        }
        (self.stored, self.texts) = (Arc::new(stored), Arc::new(texts));
    }
}

/// A stored definition, read; `None` if its text is damaged.
pub fn definition(def: &RoutineDef, is_type: &dyn Fn(&str) -> bool, sources: &mut Sources) -> Option<Arc<Definition>> {
    let dialect = parse_dialect(&def.source.dialect)?;
    let origin = sources.add(&def.name, &def.source.text, None);
    let name = (def.name.as_str(), is_type);
    read(name, &def.source.text, dialect, origin).map(Arc::new)
}

/// The types of a catalog.
fn types_of(catalog: &Catalog) -> Arc<Vec<(String, LogicalType)>> {
    Arc::new(
        catalog
            .types()
            .map(|(_, def)| (def.name.clone(), def.ty.clone()))
            .collect(),
    )
}

/// The definition of a text, by its name and what tells types from other names.
pub fn read(
    (name, is_type): (&str, &dyn Fn(&str) -> bool),
    text: &str,
    dialect: Dialect,
    origin: u32,
) -> Option<Definition> {
    let parsed = gobi_grammar::parse_at(text, dialect, origin);
    let statement = parsed.statements.into_iter().next().map(|statement| statement.kind);
    match statement {
        Some(StatementKind::Routine(routine)) if parsed.diagnostics.is_empty() => {
            Some(Definition::of_routine(name, *routine, dialect, is_type))
        }
        _ => None,
    }
}

/// Functions and procedures of the database.
pub fn entries(view: Option<&View>) -> impl Iterator<Item = (&Entry, &RoutineDef)> {
    let entries = view.into_iter().flat_map(|view| view.catalog().entries());
    entries.filter_map(|entry| match &*entry.entity {
        Entity::Routine(def) => Some((entry, def)),
        _ => None,
    })
}

/// The one of a name.
pub fn stored<'v>(view: Option<&'v View>, name: &str) -> Option<(&'v Entry, &'v RoutineDef)> {
    let entry = view?.catalog().find(&[MAIN_SCHEMA, name])?;
    match &*entry.entity {
        Entity::Routine(def) => Some((entry, def)),
        _ => None,
    }
}

/// The names of all.
pub fn stored_names(view: Option<&View>) -> Vec<String> {
    entries(view).map(|(_, def)| def.name.clone()).collect()
}
