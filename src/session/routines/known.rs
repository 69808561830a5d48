//! The functions and procedures that a statement can call: those of the session, and those of the database.
//!
//! `CREATE FUNCTION f(a int) RETURN a + 1` is kept as this text; it is read once, and again when the text has changed.
//!
//! Invariants: one of the session hides one of the database, and both hide those of modules that were imported.
//!
//! Does not: check them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gobi_grammar::Dialect;
use gobi_grammar::ast::{DefineException, DefineMacro, Ident, Span, StatementKind};

use super::Sources;
use crate::catalog::{Catalog, Entity, EntityId, Entry, MAIN_SCHEMA, RoutineDef};
use crate::plan::NamedTypes;
use crate::procedure::{Definition, Definitions, Exception, Module};
use crate::session::settings::parse_dialect;
use crate::session::store::View;
use crate::types::LogicalType;

/// Macros by name, in lower case.
pub type Macros = Arc<BTreeMap<String, Arc<DefineMacro>>>;

/// Exceptions by name, in lower case.
type Exceptions = Arc<BTreeMap<String, Exception>>;

/// Stands for all names.
pub const ANY_NAME: &str = "*";

/// What can be called.
#[derive(Clone, Debug, Default)]
pub struct Known {
    local: Arc<BTreeMap<String, Arc<Definition>>>,
    /// Those of the session that have a receiver.
    methods: Arc<BTreeMap<String, Vec<Arc<Definition>>>>,
    stored: Arc<BTreeMap<String, Arc<Definition>>>,
    /// Those of the database that have a receiver.
    stored_methods: Arc<BTreeMap<String, Vec<Arc<Definition>>>>,
    /// Modules of the session, whose members are among the above.
    modules: Arc<BTreeMap<String, Arc<Module>>>,
    /// Modules of the database, likewise.
    stored_modules: Arc<BTreeMap<String, Arc<Module>>>,
    /// Modules whose members go by their short names.
    imports: Arc<Vec<String>>,
    /// Types of the session, and of the database.
    local_types: Arc<BTreeMap<String, (String, LogicalType)>>,
    stored_types: Arc<Vec<(String, LogicalType)>>,
    /// Types that the script declares, perhaps later, in lower case.
    announced: Arc<BTreeSet<String>>,
    /// Names that the script gives to functions by other statements than FUNCTION, in lower case; all names, if it may give any.
    expected: Arc<BTreeSet<String>>,
    /// Macros of the session.
    macros: Macros,
    /// Exceptions of the session, and of the database, by their names in lower case.
    exceptions: Exceptions,
    stored_exceptions: Exceptions,
    /// The texts that the stored ones were read from.
    texts: Arc<BTreeMap<EntityId, (String, Read)>>,
    /// Where those texts lie: their first places, and the places behind them.
    ranges: Arc<BTreeMap<u32, u32>>,
    /// The catalog that has them.
    catalog: Option<Catalog>,
}

/// What a text of the database defines.
#[derive(Clone, Debug)]
pub enum Read {
    /// A function or procedure.
    Routine(Arc<Definition>),
    /// A module.
    Module(Arc<Module>),
}

/// The functions and types of a session at some time, to be told from others.
#[derive(Clone, Debug)]
pub struct Functions {
    local: Arc<BTreeMap<String, Arc<Definition>>>,
    methods: Arc<BTreeMap<String, Vec<Arc<Definition>>>>,
    types: Arc<BTreeMap<String, (String, LogicalType)>>,
    macros: Macros,
    modules: Arc<BTreeMap<String, Arc<Module>>>,
    imports: Arc<Vec<String>>,
    exceptions: Exceptions,
}

impl Functions {
    /// Whether the types are the other's, unchanged.
    pub fn has_types_of(&self, other: &Functions) -> bool {
        Arc::ptr_eq(&self.types, &other.types)
    }

    /// Whether the other is this one, unchanged.
    pub fn is(&self, other: &Functions) -> bool {
        Arc::ptr_eq(&self.local, &other.local)
            && Arc::ptr_eq(&self.methods, &other.methods)
            && Arc::ptr_eq(&self.types, &other.types)
            && Arc::ptr_eq(&self.macros, &other.macros)
            && Arc::ptr_eq(&self.modules, &other.modules)
            && Arc::ptr_eq(&self.imports, &other.imports)
            && Arc::ptr_eq(&self.exceptions, &other.exceptions)
    }
}

impl Definitions for Known {
    fn find(&self, name: &str) -> Option<Arc<Definition>> {
        let key = name.to_lowercase();
        let named = |key: &str| self.local.get(key).or_else(|| self.stored.get(key)).cloned();
        named(&key).or_else(|| self.imported(&key).find_map(|key| named(&key)))
    }

    fn methods(&self, name: &str) -> Vec<Arc<Definition>> {
        let key = name.to_lowercase();
        let all = std::iter::once(key.clone()).chain(self.imported(&key));
        let of = |key: String| {
            let kept = [&self.methods, &self.stored_methods];
            kept.into_iter()
                .filter_map(move |kept| kept.get(&key).cloned())
                .flatten()
        };
        all.flat_map(of).collect()
    }

    fn is_stored(&self, place: Span) -> bool {
        let before = self.ranges.range(..=place.start).next_back();
        before.is_some_and(|(_, end)| place.start < *end)
    }

    fn stored(&self, name: &str) -> (Option<Arc<Definition>>, Vec<Arc<Definition>>) {
        let key = name.to_lowercase();
        let methods = self.stored_methods.get(&key).cloned().unwrap_or_default();
        (self.stored.get(&key).cloned(), methods)
    }

    fn is_expected(&self, name: &str) -> bool {
        self.expected.contains(ANY_NAME) || self.expected.contains(&name.to_lowercase())
    }

    fn names(&self) -> Vec<String> {
        let stored = self.stored.values().chain(self.stored_methods.values().flatten());
        let all = self.local().chain(stored);
        all.map(|definition| definition.name.clone()).collect()
    }

    fn types(&self) -> NamedTypes {
        let local = self.local_types.values().cloned();
        NamedTypes::new(self.stored_types.iter().cloned().chain(local)).importing(&self.imports)
    }

    fn macro_named(&self, name: &str) -> Option<Arc<DefineMacro>> {
        if self.macros.is_empty() && self.modules.is_empty() && self.stored_modules.is_empty() {
            return None;
        }
        let key = name.to_lowercase();
        let named = |key: &str| {
            let of_module = || {
                let (module, _) = key.split_once('.')?;
                let module = self.module(module)?;
                let mut macros = module.macros.iter();
                macros.find(|made| made.name.text.to_lowercase() == key).cloned()
            };
            self.macros.get(key).cloned().or_else(of_module)
        };
        named(&key).or_else(|| self.imported(&key).find_map(|key| named(&key)))
    }

    fn members(&self, name: &str) -> Option<Vec<String>> {
        if self.modules.is_empty() && self.stored_modules.is_empty() {
            return None;
        }
        self.module(name).map(|module| module.names().cloned().collect())
    }

    fn exception(&self, name: &Ident) -> Option<Exception> {
        let key = name.text.to_lowercase();
        let is_stored = self.is_stored(name.span);
        let named = |key: &str| {
            let own = self.exceptions.get(key).filter(|_| !is_stored);
            let kept = own.or_else(|| self.stored_exceptions.get(key)).cloned();
            kept.or_else(|| {
                let (module, _) = key.split_once('.')?;
                let module = self.modules.get(module).filter(|_| !is_stored);
                let module = module.or_else(|| self.stored_modules.get(key.split_once('.')?.0))?;
                let mut own = module.exceptions.iter().map(declared);
                own.find(|exception| exception.name.eq_ignore_ascii_case(key))
            })
        };
        let imported = || self.imported(&key).filter(|_| !is_stored).find_map(|key| named(&key));
        named(&key).or_else(imported)
    }

    fn exceptions(&self) -> Vec<String> {
        let all = self.exceptions.values().chain(self.stored_exceptions.values());
        all.map(|exception| exception.name.clone()).collect()
    }

    fn exceptions_of(&self, module: &str) -> Vec<String> {
        let own = self.module(module).into_iter().flat_map(|module| &module.exceptions);
        own.map(|define| define.name.text.clone()).collect()
    }
}

/// An exception as it is declared: where it has no message, it says its name.
pub fn declared(define: &DefineException) -> Exception {
    let name = define.name.text.clone();
    let says = define.message.clone().unwrap_or_else(|| name.clone());
    Exception { name, says }
}

impl Known {
    /// Notes names that the script gives to functions as it goes on.
    pub fn expect(&mut self, names: BTreeSet<String>) {
        if *self.expected != names {
            self.expected = Arc::new(names);
        }
    }

    /// Those of the session.
    pub fn functions(&self) -> Functions {
        Functions {
            local: self.local.clone(),
            methods: self.methods.clone(),
            types: self.local_types.clone(),
            macros: self.macros.clone(),
            modules: self.modules.clone(),
            imports: self.imports.clone(),
            exceptions: self.exceptions.clone(),
        }
    }

    /// Keeps an exception of the session.
    pub fn keep_exception(&mut self, define: &DefineException) {
        let kept = declared(define);
        if self.exceptions.get(&kept.name.to_lowercase()) != Some(&kept) {
            Arc::make_mut(&mut self.exceptions).insert(kept.name.to_lowercase(), kept);
        }
    }

    /// Forgets an exception of the session; whether there was one.
    pub fn forget_exception(&mut self, name: &str) -> bool {
        Arc::make_mut(&mut self.exceptions)
            .remove(&name.to_lowercase())
            .is_some()
    }

    /// Exceptions of the session, and of the database.
    pub fn exceptions(&self) -> impl Iterator<Item = &Exception> {
        self.exceptions.values().chain(self.stored_exceptions.values())
    }

    /// Modules whose members go by their short names.
    pub fn imports(&self) -> &Arc<Vec<String>> {
        &self.imports
    }

    /// The names that imported modules may have something under.
    pub fn imported(&self, key: &str) -> impl Iterator<Item = String> {
        let imports = if key.contains('.') { &[][..] } else { &self.imports };
        imports.iter().map(move |module| format!("{module}.{key}"))
    }

    /// A module.
    pub fn module(&self, name: &str) -> Option<&Arc<Module>> {
        let key = name.to_lowercase();
        self.modules.get(&key).or_else(|| self.stored_modules.get(&key))
    }

    /// The modules of the session, and those of the database.
    pub fn modules(&self) -> [impl Iterator<Item = &Arc<Module>>; 2] {
        [self.modules.values(), self.stored_modules.values()]
    }

    /// Whether the session has a module of that name.
    pub fn is_local_module(&self, name: &str) -> bool {
        self.modules.contains_key(&name.to_lowercase())
    }

    /// Members go by their short names from here on.
    pub fn import(&mut self, module: &str) {
        let key = module.to_lowercase();
        if !self.imports.contains(&key) {
            Arc::make_mut(&mut self.imports).push(key);
        }
    }

    /// The imported modules that have something of a short name.
    pub fn importing(&self, name: &str) -> Vec<String> {
        let found = self.imports.iter().filter_map(|module| self.module(module));
        let has = |module: &&Arc<Module>| {
            let whole = format!("{}.{name}", module.name);
            module.names().any(|known| known.eq_ignore_ascii_case(&whole))
        };
        found.filter(has).map(|module| module.name.clone()).collect()
    }

    /// Keeps a module for the session, in the place of one of that name.
    pub fn keep_module(&mut self, module: Arc<Module>) {
        self.forget_module(&module.name);
        for routine in &module.routines {
            self.keep(routine.clone());
        }
        Arc::make_mut(&mut self.modules).insert(module.name.to_lowercase(), module);
    }

    /// Forgets a module of the session; whether there was one.
    pub fn forget_module(&mut self, name: &str) -> bool {
        let Some(module) = Arc::make_mut(&mut self.modules).remove(&name.to_lowercase()) else {
            return false;
        };
        module.routines.iter().for_each(|routine| self.forget(&routine.name));
        for name in module.types.iter().flat_map(|define| &define.name) {
            self.forget_type(&name.text);
        }
        true
    }

    /// Puts another module in the place of a stored one, to be checked.
    pub fn try_module(&mut self, module: Arc<Module>) {
        let mut stored = Stored::of(self);
        if let Some(before) = stored.modules.remove(&module.name.to_lowercase()) {
            for routine in &before.routines {
                let key = routine.name.to_lowercase();
                stored.routines.remove(&key);
                stored.methods.remove(&key);
            }
        }
        stored.put(&Read::Module(module));
        stored.into(self);
        self.catalog = None;
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

    /// Forgets that of a receiver; whether there was one.
    pub fn forget_method(&mut self, types: &NamedTypes, name: &str, receiver: &LogicalType) -> bool {
        let wanted = Some(Some(receiver.to_string()));
        let Some(methods) = Arc::make_mut(&mut self.methods).get_mut(&name.to_lowercase()) else {
            return false;
        };
        let before = methods.len();
        methods.retain(|known| receiver_of(types, known) != wanted);
        methods.len() < before
    }

    /// The session's own of a name.
    pub fn local_named(&self, name: &str) -> impl Iterator<Item = &Arc<Definition>> {
        let key = name.to_lowercase();
        let methods = self.methods.get(&key).into_iter().flatten();
        self.local.get(&key).into_iter().chain(methods)
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
            modules: Arc::default(),
            imports: Arc::default(),
            exceptions: Arc::default(),
            ..self.clone()
        }
    }

    /// Puts another definition in the place of a stored one, to be checked.
    pub fn try_stored(&mut self, definition: Arc<Definition>) {
        let key = definition.name.to_lowercase();
        match &definition.routine.receiver {
            None if self.local.contains_key(&key) => _ = Arc::make_mut(&mut self.local).remove(&key),
            None => {}
            Some(receiver) => {
                if let Some(methods) = Arc::make_mut(&mut self.methods).get_mut(&key) {
                    methods.retain(|known| known.routine.receiver.as_ref() != Some(receiver));
                }
            }
        }
        // What is there is not that of the catalog any more.
        self.catalog = None;
        if definition.routine.receiver.is_none() {
            Arc::make_mut(&mut self.stored).insert(key, definition);
            return;
        }
        let methods = Arc::make_mut(&mut self.stored_methods).entry(key).or_default();
        methods.retain(|known| known.routine.receiver != definition.routine.receiver);
        methods.push(definition);
    }

    /// What a catalog has.
    pub fn of_catalog(catalog: &Catalog, sources: &mut Sources) -> Self {
        let mut known = Self {
            stored_types: types_of(catalog),
            stored_exceptions: exceptions_of(catalog),
            ..Self::default()
        };
        let (mut stored, mut ranges) = (Stored::default(), BTreeMap::new());
        for entry in catalog.entries() {
            let Entity::Routine(def) = &*entry.entity else { continue };
            if let Some(read) = definition(def, &|name| known.is_type(name), &mut ranges, sources) {
                stored.put(&read);
            }
        }
        stored.into(&mut known);
        known.ranges = Arc::new(ranges);
        known
    }

    /// The same with what the database had in a catalog of another time.
    pub fn at(&self, catalog: &Catalog, sources: &mut Sources) -> Self {
        let then = Self::of_catalog(catalog, sources);
        Self {
            stored: then.stored,
            stored_methods: then.stored_methods,
            stored_modules: then.stored_modules,
            stored_types: then.stored_types,
            stored_exceptions: then.stored_exceptions,
            ranges: then.ranges,
            catalog: None,
            ..self.clone()
        }
    }

    /// The definitions that were read from the text of an entry of the database: those of a module, or one.
    pub fn of_entry(&self, id: EntityId) -> Vec<Arc<Definition>> {
        match self.texts.get(&id).map(|(_, read)| read) {
            Some(Read::Routine(definition)) => vec![definition.clone()],
            Some(Read::Module(module)) => module.routines.clone(),
            None => Vec::new(),
        }
    }

    /// Reads what the database has.
    pub fn read(&mut self, view: Option<&View>, sources: &mut Sources) {
        let catalog = view.map(View::catalog);
        let is_read = self
            .catalog
            .as_ref()
            .zip(catalog)
            .is_some_and(|(then, now)| then.is(now));
        if is_read || self.read_added(view, sources) {
            return;
        }
        self.read_all(view, sources);
        self.catalog = catalog.cloned();
    }

    /// Reads functions that have come or changed since the last time, if nothing else has happened that matters here.
    fn read_added(&mut self, view: Option<&View>, sources: &mut Sources) -> bool {
        let Some((then, now)) = self.catalog.clone().zip(view.map(View::catalog)) else {
            return false;
        };
        let mut added = Vec::new();
        for (id, entry) in now.changes_since(&then) {
            match entry.map(|entry| &*entry.entity) {
                Some(Entity::Routine(def)) if is_plain(def) && was_plain(&then, id, def) => added.push((id, def)),
                Some(Entity::Table(_) | Entity::Index(_) | Entity::View(_)) => {}
                _ => return false,
            }
        }
        for (id, def) in added {
            let ranges = &mut Arc::clone(&self.ranges);
            let read = definition(def, &|name| self.is_type(name), Arc::make_mut(ranges), sources);
            self.ranges = Arc::clone(ranges);
            if let Some(read) = read {
                if let Read::Routine(routine) = &read {
                    Arc::make_mut(&mut self.stored).insert(def.name.to_lowercase(), routine.clone());
                }
                Arc::make_mut(&mut self.texts).insert(id, (def.source.text.clone(), read));
            }
        }
        self.catalog = Some(now.clone());
        true
    }

    fn read_all(&mut self, view: Option<&View>, sources: &mut Sources) {
        let mut stored = Stored::default();
        let mut texts = BTreeMap::new();
        let mut ranges = (*self.ranges).clone();
        self.stored_types = view.map(|view| types_of(view.catalog())).unwrap_or_default();
        self.stored_exceptions = view.map(|view| exceptions_of(view.catalog())).unwrap_or_default();
        for (entry, def) in entries(view) {
            let known = self.texts.get(&entry.id).filter(|(text, _)| *text == def.source.text);
            let read = match known {
                Some((_, read)) => Some(read.clone()),
                None => definition(def, &|name| self.is_type(name), &mut ranges, sources),
            };
            if let Some(read) = read {
                stored.put(&read);
                texts.insert(entry.id, (def.source.text.clone(), read));
            }
        }
        self.texts = Arc::new(texts);
        self.ranges = Arc::new(ranges);
        stored.into(self);
    }
}

/// Whether it is no module, and has no receiver: its name is its own.
fn is_plain(def: &RoutineDef) -> bool {
    def.members.is_none() && def.receiver.is_none()
}

/// Whether an entry was not there in a catalog, or had the same name.
fn was_plain(then: &Catalog, id: EntityId, now: &RoutineDef) -> bool {
    match then.get(id).map(|entry| &*entry.entity) {
        None => true,
        Some(Entity::Routine(def)) => is_plain(def) && def.name.eq_ignore_ascii_case(&now.name),
        Some(_) => false,
    }
}

/// What a database has, by name.
#[derive(Default)]
struct Stored {
    routines: BTreeMap<String, Arc<Definition>>,
    methods: BTreeMap<String, Vec<Arc<Definition>>>,
    modules: BTreeMap<String, Arc<Module>>,
}

impl Stored {
    fn of(known: &Known) -> Self {
        Self {
            routines: (*known.stored).clone(),
            methods: (*known.stored_methods).clone(),
            modules: (*known.stored_modules).clone(),
        }
    }

    fn put(&mut self, read: &Read) {
        match read {
            Read::Routine(routine) => self.put_routine(routine.clone()),
            Read::Module(module) => {
                module
                    .routines
                    .iter()
                    .for_each(|routine| self.put_routine(routine.clone()));
                self.modules.insert(module.name.to_lowercase(), module.clone());
            }
        }
    }

    fn put_routine(&mut self, routine: Arc<Definition>) {
        let key = routine.name.to_lowercase();
        match routine.routine.receiver {
            Some(_) => self.methods.entry(key).or_default().push(routine),
            None => _ = self.routines.insert(key, routine),
        }
    }

    fn into(self, known: &mut Known) {
        known.stored = Arc::new(self.routines);
        known.stored_methods = Arc::new(self.methods);
        known.stored_modules = Arc::new(self.modules);
    }
}

/// What a stored text defines; `None` if it is damaged.
fn definition(
    def: &RoutineDef,
    is_type: &dyn Fn(&str) -> bool,
    ranges: &mut BTreeMap<u32, u32>,
    sources: &mut Sources,
) -> Option<Read> {
    let dialect = parse_dialect(&def.source.dialect)?;
    let origin = sources.add(&def.name, &def.source.text, None);
    let length = u32::try_from(def.source.text.len()).unwrap_or(u32::MAX);
    ranges.insert(origin, origin.saturating_add(length));
    if def.members.is_some() {
        let module = read_module(&def.source.text, dialect, origin)?;
        let mut module = Module::of(&module, dialect, is_type).ok()?;
        for routine in &mut module.routines {
            Arc::make_mut(routine).stored = true;
        }
        return Some(Read::Module(Arc::new(module)));
    }
    let name = (def.name.as_str(), is_type);
    let mut routine = read(name, &def.source.text, dialect, origin)?;
    routine.stored = true;
    Some(Read::Routine(Arc::new(routine)))
}

/// The module of a text.
pub fn read_module(text: &str, dialect: Dialect, origin: u32) -> Option<gobi_grammar::ast::Module> {
    let parsed = gobi_grammar::parse_at(text, dialect, origin);
    match parsed.statements.into_iter().next()?.kind {
        StatementKind::Module(module) if parsed.diagnostics.is_empty() => Some(*module),
        _ => None,
    }
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

/// The exceptions of a catalog.
fn exceptions_of(catalog: &Catalog) -> Exceptions {
    let exception = |(_, name, says): (EntityId, &str, &str)| {
        let (name, says) = (name.to_owned(), says.to_owned());
        (name.to_lowercase(), Exception { name, says })
    };
    Arc::new(catalog.exceptions().map(exception).collect())
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

/// Functions, procedures and modules of the database.
pub fn entries(view: Option<&View>) -> impl Iterator<Item = (&Entry, &RoutineDef)> {
    let entries = view.into_iter().flat_map(|view| view.catalog().entries());
    entries.filter_map(|entry| match &*entry.entity {
        Entity::Routine(def) => Some((entry, def)),
        _ => None,
    })
}

/// Those of a name: one, or one for each receiver; or the member of a module, which is the module's entry.
pub fn stored<'v>(view: Option<&'v View>, name: &str) -> Vec<(&'v Entry, &'v RoutineDef)> {
    let Some(view) = view else { return Vec::new() };
    let plain = view.catalog().routines(MAIN_SCHEMA, name);
    if !plain.is_empty() {
        return plain;
    }
    let module = name
        .split_once('.')
        .and_then(|(module, _)| view.catalog().module(MAIN_SCHEMA, module));
    let has = |def: &RoutineDef| {
        let members = def.members.iter().flatten();
        members.into_iter().any(|member| member.name.eq_ignore_ascii_case(name))
    };
    module.into_iter().filter(|(_, def)| has(def)).collect()
}

/// What has a definition that is called, which another one of its name and another receiver is not.
pub fn entries_of(view: Option<&View>, types: &NamedTypes, definition: &Definition) -> Vec<EntityId> {
    let receiver = receiver_of(types, definition);
    let is_it =
        |def: &RoutineDef| def.members.is_some() || receiver.as_ref().is_none_or(|receiver| def.receiver == *receiver);
    let found = stored(view, &definition.name).into_iter();
    found.filter(|(_, def)| is_it(def)).map(|(entry, _)| entry.id).collect()
}

/// The type of a definition's receiver, which tells it from others of its name; none if that is no type.
fn receiver_of(types: &NamedTypes, definition: &Definition) -> Option<Option<String>> {
    let Some(bound) = crate::procedure::receiver_of(definition, types) else {
        return Some(None);
    };
    Some(Some(bound.ok()?.to_string()))
}

/// The names of all.
pub fn stored_names(view: Option<&View>) -> Vec<String> {
    let names = entries(view).flat_map(|(_, def)| match &def.members {
        None => vec![def.name.clone()],
        Some(members) => members.iter().map(|member| member.name.clone()).collect(),
    });
    names.collect()
}
