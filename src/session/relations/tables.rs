//! The relations of one statement, numbered as it names them.
//!
//! `SELECT * FROM t AS a, t AS b` has two relations, 0 and 1, which are the same table; the name of a view leads to its query, whose names are
//! looked up where the view is.
//!
//! Invariants: within one statement a relation has one [`TableId`]; what was named is known behind it, for dependencies.
//!
//! Does not: find files or tables; [`Relations`] does.

use std::collections::BTreeSet;
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::{Opened, Relations, qualified};
use crate::catalog::{Entity, EntityId, MAIN_SCHEMA};
use crate::formats::{BatchRelation, Relation};
use crate::host;
use crate::plan::NamedTypes;
use crate::plan::access::{Index, Wanted};
use crate::plan::change::Shape;
use crate::plan::logical::{Query, TableId};
use crate::plan::routine::Program;
use crate::plan::{
    Callee, LambdaCall, Moment, Named, Parameter, QueryFunction, ResolveError, RoutineCall, TableInfo, TableResolver,
};
use crate::procedure::Instances;
use crate::session::change::shape;
use crate::session::databases::{TEMP, Which};
use crate::session::define::views;
use crate::session::kept::Resolved;
use crate::session::picks::Origin;
use crate::session::points::point_error;
use crate::session::reads;
use crate::session::routines::entries_of;
use crate::session::unread::Unread;
use crate::session::{history, system};
use crate::types::{Field, LogicalType, Value};

/// Relations of a statement, by their numbers, as far as somebody wanted all of their rows.
pub type Scanned = Vec<Option<Arc<dyn Relation>>>;

/// The relations of one statement, numbered as it names them.
pub struct StatementTables<'r> {
    relations: &'r mut Relations,
    opened: Vec<Opened>,
    /// What the statement itself names in the database, views as such.
    named: Vec<(Which, EntityId)>,
    /// Views that are being bound: where their names are looked up. None: where the session's are.
    inside: Vec<Option<Which>>,
    /// How many texts of the database are being bound, one in the other.
    kept: usize,
    /// Where the view that was named last is.
    view_in: Option<Which>,
    /// What went wrong where it could not be reported.
    pub(in crate::session) failed: Option<ResolveError>,
    /// Functions that the statement calls.
    instances: Option<Instances>,
    /// A plan is to be kept: how the relations were found; `None` if they cannot be found so again.
    resolved: Option<Vec<Resolved>>,
    keeps: bool,
    /// An index was asked for rows.
    pub(in crate::session) picks: bool,
    /// Views are relations like others, not their queries: the relations that were named, and what they are.
    objects: Option<Vec<(TableId, EntityId)>>,
    /// The rows of calls that are made already.
    called: Vec<Arc<dyn Relation>>,
}

impl<'r> StatementTables<'r> {
    /// None yet.
    pub fn new(relations: &'r mut Relations) -> Self {
        Self {
            instances: None,
            relations,
            opened: Vec::new(),
            named: Vec::new(),
            inside: Vec::new(),
            kept: 0,
            view_in: None,
            failed: None,
            resolved: Some(Vec::new()),
            keeps: false,
            picks: false,
            objects: None,
            called: Vec::new(),
        }
    }

    /// The same, after calls that were made.
    pub fn after_calls(relations: &'r mut Relations) -> Self {
        let called = std::mem::take(&mut relations.called);
        Self {
            called,
            ..Self::new(relations)
        }
    }

    /// From here on a view is a relation of its columns, which has no rows.
    pub fn take_views_as_tables(&mut self) {
        self.objects = Some(Vec::new());
    }

    /// The object and the name, in lower case, of a column of a relation that was named since then.
    pub fn column_of(&self, table: TableId, at: usize) -> Option<(EntityId, String)> {
        let (_, object) = self.objects.iter().flatten().find(|(known, _)| *known == table)?;
        let field = self.opened_relation(table)?.info.schema.get(at)?;
        Some((*object, field.name.to_lowercase()))
    }

    fn note_object(&mut self, table: TableId, object: EntityId) -> Named {
        if let Some(objects) = &mut self.objects {
            objects.push((table, object));
        }
        Named::Table(table)
    }

    /// Begins anew; `keeps`: for a plan that is kept.
    pub fn restart(&mut self, keeps: bool) {
        self.opened.clear();
        self.named.clear();
        self.failed = None;
        self.instances = None;
        self.resolved = Some(Vec::new());
        self.keeps = keeps;
        self.picks = false;
    }

    /// How its relations were found, by their numbers; `None` if that cannot be done again.
    pub fn resolved(&self) -> Option<Vec<Resolved>> {
        let resolved = self.resolved.as_ref()?;
        (resolved.len() == self.opened.len()).then(|| resolved.clone())
    }

    /// What the session's statements can name.
    pub fn relations(&self) -> &Relations {
        self.relations
    }

    /// All rows of a relation, planned.
    pub fn all_rows(&mut self, table: TableId) -> Option<Arc<dyn Relation>> {
        self.plan_all(table);
        self.opened_relation(table)?.relation.clone()
    }

    /// The relations of which somebody wanted all rows; `None` if others were looked up by an index.
    pub fn all_scanned(&self) -> Option<Scanned> {
        let opened = self.opened.iter().map(|opened| opened.relation.clone());
        (!self.picks).then(|| opened.collect())
    }

    /// Notes how a relation was found that is new.
    fn note_resolved(&mut self, parts: &[&str], is_file: bool, moment: Option<&Moment>, id: TableId) {
        let home = self.home();
        let Some(resolved) = &mut self.resolved else { return };
        if moment.is_some() {
            self.resolved = None;
        } else if id.0 as usize == resolved.len()
            && let Some(opened) = self.opened.get(id.0 as usize)
        {
            resolved.push(Resolved::new(parts, is_file, home, &opened.info.schema));
        }
    }

    /// The database that names are looked up in, if it is not the session's to say.
    fn home(&self) -> Option<Which> {
        let of_view = self.inside.last().copied().flatten();
        of_view.or((self.kept > 0).then_some(Which::Own))
    }

    /// What a name stands for inside of a view of a database.
    pub fn by_name_in(&mut self, parts: &[&str], home: Option<Which>) -> Result<Option<Named>, ResolveError> {
        self.inside.push(home);
        let named = self.by_name(parts, None);
        self.inside.pop();
        named
    }

    /// What went wrong while rows were looked up.
    pub fn failed(&self) -> Option<&ResolveError> {
        self.failed.as_ref()
    }

    /// A relation and the table that it shows.
    pub(in crate::session) fn origin(&self, table: TableId) -> Option<(&Opened, &Origin)> {
        let opened = self.opened.get(table.0 as usize)?;
        Some((opened, opened.origin.as_ref()?))
    }

    /// How many there are.
    pub(in crate::session) fn len(&self) -> usize {
        self.opened.len()
    }

    /// A relation.
    pub(in crate::session) fn opened_relation(&self, table: TableId) -> Option<&Opened> {
        self.opened.get(table.0 as usize)
    }

    /// Gives a relation its rows.
    pub(in crate::session) fn set_relation(&mut self, table: TableId, relation: Arc<dyn Relation>) {
        if let Some(opened) = self.opened.get_mut(table.0 as usize) {
            opened.relation = Some(relation);
        }
    }

    /// Tables and views of the session's database that the statement names, but not what its views name.
    pub fn named(&self) -> Vec<EntityId> {
        let own = self.named.iter().filter(|(which, _)| *which == Which::Own);
        let mut named: Vec<EntityId> = own.map(|(_, id)| *id).collect();
        let called = self.instances.iter().flat_map(Instances::called);
        let types = self.relations.types();
        for called in called.filter(|called| !self.relations.routines.known.is_local(&called.name)) {
            for id in entries_of(self.relations.view.as_ref(), &types, &called) {
                if !named.contains(&id) {
                    named.push(id);
                }
            }
        }
        named
    }

    /// The table or view that it names first, in whatever database.
    pub fn first_named(&self) -> Option<(Which, EntityId)> {
        self.named.first().copied()
    }

    /// What it names in another database than the session's own.
    pub fn named_elsewhere(&self) -> Option<String> {
        let (which, id) = self.named.iter().find(|(which, _)| *which != Which::Own)?;
        let view = self.relations.view_of(*which)?;
        let entry = view.catalog().get(*id)?;
        Some(format!(
            "{}.{}",
            view.name,
            qualified(&entry.schema, entry.entity.name())
        ))
    }

    /// Notes what a query over these reads, if its transaction wants to know.
    pub fn note_reads(&self, query: &Query) {
        let others = (0..self.relations.others.len()).map(Which::Other);
        for which in others.chain([Which::Own]) {
            self.note_reads_of(which, query);
        }
    }

    fn note_reads_of(&self, which: Which, query: &Query) {
        let Some(view) = self.relations.view_of(which) else {
            return;
        };
        let Some(noted) = &view.changes.reads else { return };
        let prefix = self.relations.prefix(which);
        let mut current = Vec::new();
        for (at, opened) in self.opened.iter().enumerate() {
            let Some(path) = opened.path.strip_prefix(&prefix) else {
                continue;
            };
            let digits = path.find(|c: char| !c.is_ascii_digit()).unwrap_or(path.len());
            let (number, rest) = path.split_at(digits);
            let Ok(id) = number.parse().map(EntityId) else { continue };
            match (view.catalog().table(id), rest) {
                (Some(def), "") => current.push((TableId(u32::try_from(at).unwrap_or(u32::MAX)), id, def.clone())),
                (Some(_), rest) if !rest.starts_with('@') => noted.add(id, Vec::new()),
                _ => {}
            }
        }
        let replaced: Vec<TableId> = self.opened.iter().filter_map(|opened| opened.replaces).collect();
        reads::note(noted, query, &current, &replaced);
    }

    /// The relations by their numbers.
    pub fn into_relations(self) -> Vec<Arc<dyn Relation>> {
        let unread: Arc<dyn Relation> = Arc::new(Unread::default());
        let relations = self.opened.into_iter().map(|opened| opened.relation);
        relations
            .map(|relation| relation.unwrap_or_else(|| unread.clone()))
            .collect()
    }

    /// Plans how all rows of a relation are read.
    fn plan_all(&mut self, table: TableId) {
        let Some(opened) = self.opened.get_mut(table.0 as usize) else {
            return;
        };
        let (None, Some(origin)) = (&opened.relation, &opened.origin) else {
            return;
        };
        match origin.table.relation(origin.staged.as_ref()) {
            Ok(relation) => {
                opened.info.stats = relation.stats().clone();
                opened.relation = Some(relation);
            }
            Err(error) => _ = self.failed.get_or_insert(point_error(&error)),
        }
    }

    /// The number of a relation, a new one if it is not known yet.
    fn opened(&mut self, opened: Opened) -> TableId {
        match self.opened.iter().position(|other| other.path == opened.path) {
            Some(index) => TableId(u32::try_from(index).unwrap_or(u32::MAX)),
            None => self.add(opened),
        }
    }

    /// The number of a new relation.
    pub(in crate::session) fn add(&mut self, opened: Opened) -> TableId {
        self.opened.push(opened);
        TableId(u32::try_from(self.opened.len() - 1).unwrap_or(u32::MAX))
    }

    fn found(&mut self, parts: &[&str], moment: Option<&Moment>) -> Result<Option<Named>, ResolveError> {
        if let Some(given) = self.relations.given(parts) {
            let table = self.opened(given);
            if let Some(of) = self.relations.given_of {
                return Ok(Some(self.note_object(table, of)));
            }
            return Ok(Some(Named::Table(table)));
        }
        let home = self.home();
        let Some((which, parts)) = self.relations.seek(parts, home) else {
            return Ok(None);
        };
        if let Some(found) = self.relations.entity(which, parts, moment)? {
            let named = (found.which, found.entry.id);
            if self.inside.is_empty() && !self.named.contains(&named) {
                self.named.push(named);
            }
            match &*Arc::clone(&found.entry.entity) {
                Entity::Table(def) => {
                    if let Some(opened) = self.relations.table(&found, def, moment)? {
                        let table = self.opened(opened);
                        return Ok(Some(self.note_object(table, named.1)));
                    }
                }
                Entity::View(def) if self.objects.is_some() => {
                    let path = format!("\u{1}view {}", named.1.0);
                    let opened = self.relations.opened(path, &def.name, 0, def.columns.clone());
                    let table = self.opened(opened);
                    return Ok(Some(self.note_object(table, named.1)));
                }
                Entity::View(def) => {
                    self.view_in = Some(found.which);
                    return views::meaning(def).map(|view| Some(Named::View(Box::new(view))));
                }
                Entity::Schema(_)
                | Entity::Index(_)
                | Entity::Routine(_)
                | Entity::Watermark(_)
                | Entity::Trigger(_)
                | Entity::Type(_) => {}
            }
        }
        if moment.is_some() && self.relations.view_of(which).is_none() {
            return Err(ResolveError {
                code: "0A000",
                message: format!("{} without a database is not supported yet", clause(moment)),
            });
        }
        if let [schema, name] = parts
            && let Some(schema) = system::schema(schema)
        {
            return self.of_system(which, (schema, name), moment);
        }
        let [name] = parts else { return Ok(None) };
        let Some(file) = self.relations.file(which, name)? else {
            return Ok(None);
        };
        let path = file.to_str().ok_or_else(|| ResolveError {
            code: "58030",
            message: format!("the path `{}` is not UTF-8", file.display()),
        })?;
        self.number(path, name).map(|id| Some(Named::Table(id)))
    }

    /// A relation that the engine has, whose rows are those of now or then.
    fn of_system(
        &mut self,
        which: Which,
        (schema, name): (&str, &str),
        moment: Option<&Moment>,
    ) -> Result<Option<Named>, ResolveError> {
        let Some(view) = self.relations.view_of(which) else {
            return Ok(None);
        };
        let then = history::names_at(moment).map(|point| view.at(point)).transpose()?;
        let catalog = then.as_ref().map_or(view.catalog(), |snapshot| &**snapshot.catalog());
        let Some(relation) = system::relation(view, catalog, (schema, name))? else {
            return Ok(None);
        };
        if !matches!(moment, None | Some(Moment::AsOf(_))) {
            return Err(ResolveError {
                code: "42809",
                message: match schema {
                    system::SCHEMA => format!("`system.{name}` is no table; only tables have changes"),
                    _ => format!("`{schema}.{name}` is made by the first run; there are no changes of it yet"),
                },
            });
        }
        let path = format!("\0{schema} {} {name} {moment:?}", self.relations.prefix(which));
        let opened = self.relations.kept_rows(path, name, relation);
        // The rows are those of this time.
        self.resolved = None;
        Ok(Some(Named::Table(self.opened(opened))))
    }

    fn number(&mut self, path: &str, name: &str) -> Result<TableId, ResolveError> {
        let known = self.opened.iter().position(|opened| opened.path == path);
        let index = match known {
            Some(index) => index,
            None => {
                self.opened.push(self.relations.open(path, name)?);
                self.opened.len() - 1
            }
        };
        Ok(TableId(u32::try_from(index).unwrap_or(u32::MAX)))
    }
}

impl TableResolver for StatementTables<'_> {
    fn now_micros(&self) -> i64 {
        host::Clock::now_us(&host::RealClock::default())
    }

    fn by_name(&mut self, parts: &[&str], moment: Option<&Moment>) -> Result<Option<Named>, ResolveError> {
        let moment = moment.and_then(|moment| self.relations.points.without(moment));
        let moment = moment.as_ref();
        let found = self.found(parts, moment)?;
        if let Some(Named::Table(id)) = &found {
            self.note_resolved(parts, false, moment, *id);
        }
        Ok(found)
    }

    fn written(&mut self, parts: &[&str]) -> Result<Option<Named>, ResolveError> {
        let named = self.named.len();
        let found = self.by_name(parts, None);
        self.named.truncate(named);
        found
    }

    fn shape(&mut self, parts: &[&str]) -> Option<Shape> {
        let home = self.home();
        let (which, parts) = self.relations.seek(parts, home)?;
        let found = self.relations.entity(which, parts, None).ok()??;
        match &*found.entry.entity {
            Entity::Table(def) => shape::shape(def, Span::default()).ok(),
            _ => None,
        }
    }

    fn why_unknown(&self) -> Option<String> {
        let folder = self.relations.no_database.as_ref()?.file_name()?;
        Some(format!("there is no database in `{}`", folder.display()))
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        let id = self.number(path, path)?;
        self.note_resolved(&[path], true, None, id);
        Ok(id)
    }

    fn indexes(&self, table: TableId) -> Vec<Index> {
        self.indexes_of(table)
    }

    fn pick(&mut self, table: TableId, index: &Index, wanted: &[Wanted], one: bool) -> Option<TableId> {
        self.picked(table, index, wanted, one)
    }

    fn few_rows(&self, table: TableId, columns: &[usize]) -> Option<Vec<Vec<Value>>> {
        self.picked_values(table, columns)
    }

    fn settle(&mut self, tables: &BTreeSet<TableId>) {
        tables.iter().for_each(|table| self.plan_all(*table));
    }

    fn enter_view(&mut self) {
        // A temporary view is about what the session sees.
        let is_temporary = self.view_in.is_some() && self.view_in == self.relations.named_database(TEMP);
        self.inside.push(self.view_in.filter(|_| !is_temporary));
    }

    fn leave_view(&mut self) {
        self.inside.pop();
    }

    fn enter_kept(&mut self) {
        self.kept += 1;
    }

    fn leave_kept(&mut self) {
        self.kept = self.kept.saturating_sub(1);
    }

    fn parameter(&self, name: &str) -> Option<Parameter> {
        self.relations.parameter(name)
    }

    fn keeps_plans(&self) -> bool {
        self.keeps
    }

    fn info(&self, table: TableId) -> &TableInfo {
        &self.opened[table.0 as usize].info
    }

    fn variables_of(&self, row: &str) -> Vec<String> {
        self.relations.routines.variables_of(row)
    }

    fn variable(&self, name: &str) -> Option<(LogicalType, Value)> {
        self.relations.routines.variable(name)
    }

    fn has_routine(&self, name: &str) -> bool {
        self.relations.has_routine(name)
    }

    fn gives_function(&mut self, call: &gobi_grammar::ast::Call) -> bool {
        if self.instances.is_none() {
            self.instances = Some(self.relations.instances());
        }
        self.instances
            .as_ref()
            .is_some_and(|instances| instances.gives_function(call))
    }

    fn routine(&mut self, call: &RoutineCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        if self.instances.is_none() {
            self.instances = Some(self.relations.instances());
        }
        self.instances.as_mut()?.call(call, None)
    }

    fn query_function(&mut self, call: &RoutineCall<'_>) -> Option<Result<QueryFunction, Diagnostic>> {
        if self.instances.is_none() {
            self.instances = Some(self.relations.instances());
        }
        self.instances.as_mut()?.query_function(call)
    }

    fn calls_for_rows(&self) -> bool {
        true
    }

    fn called_function(&mut self, call: &RoutineCall<'_>) -> Result<Callee, Diagnostic> {
        // What its body names is nothing that this statement names.
        let mut instances = self.relations.instances();
        instances.called_function(call, &mut StatementTables::new(self.relations))
    }

    fn lambda_asks(&mut self, call: &LambdaCall<'_>, functions: &[String]) -> bool {
        match &self.instances {
            Some(instances) => instances.lambda_asks(call, functions),
            None => self.relations.instances().lambda_asks(call, functions),
        }
    }

    fn called_lambda(&mut self, call: &LambdaCall<'_>) -> Result<Callee, Diagnostic> {
        // What its body names is nothing that this statement names.
        let mut instances = self.relations.instances();
        instances.called_lambda(call, &mut StatementTables::new(self.relations))
    }

    fn called_rows(&mut self, number: usize, name: &str, fields: Vec<Field>) -> Option<TableId> {
        let made = self.called.get(number).cloned();
        let relation = made.unwrap_or_else(|| Arc::new(BatchRelation::new(fields, Vec::new())));
        let opened = self.relations.planned(format!("\0called {number}"), name, 0, relation);
        // The rows are those of this time.
        self.resolved = None;
        Some(self.opened(opened))
    }

    fn lambda(&mut self, call: &LambdaCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        if self.instances.is_none() {
            self.instances = Some(self.relations.instances());
        }
        Some(self.instances.as_mut()?.lambda_of(call, None))
    }

    fn program(&self) -> Arc<Program> {
        self.instances.as_ref().map(Instances::program).unwrap_or_default()
    }

    fn routine_names(&self) -> Vec<String> {
        self.relations.routine_names()
    }

    fn types(&self) -> NamedTypes {
        self.relations.types()
    }

    fn module(&mut self, name: &str) -> Option<Vec<String>> {
        let relations = &mut *self.relations;
        relations.has_module(name).then(|| relations.members(name)).flatten()
    }

    fn macro_named(&mut self, name: &str) -> Option<Arc<gobi_grammar::ast::DefineMacro>> {
        self.relations.macro_named(name)
    }

    fn note_type(&mut self, name: &str) {
        let view = self.relations.view.as_ref();
        let found = view.and_then(|view| view.catalog().named_type(MAIN_SCHEMA, name));
        if let Some(named) = found.map(|(id, _)| (Which::Own, id))
            && self.inside.is_empty()
            && !self.named.contains(&named)
        {
            self.named.push(named);
        }
    }

    fn names(&self) -> Vec<String> {
        let files = self.relations.folder_tables().unwrap_or_default();
        let mut names = self.relations.names();
        names.extend(files.into_iter().map(|(name, _)| name));
        names
    }
}

/// What a moment is called.
fn clause(moment: Option<&Moment>) -> &'static str {
    match moment {
        None | Some(Moment::AsOf(_)) => "AS OF",
        Some(Moment::Since { .. }) => "SINCE",
        Some(Moment::Changes { .. }) => "CHANGES SINCE",
    }
}
