//! The relations that a session's queries can name: files by path or glob, and the files of its folder by table name.
//!
//! With `-d data/`, the name `lineitem` is `data/lineitem.parquet`, and `'data/lineitem.parquet'` in the same statement is the
//! same relation.
//!
//! Invariants: within one statement a relation has one [`TableId`]; every statement looks at its files anew (`formats`
//! remembers what has not changed).
//!
//! Does not: read data, or know formats.

mod tables;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::Session;
use super::check::blocks::Unsure;
use super::check::points::Points;
use super::databases::{Other, Seen, TEMP, Which};
use super::error::format_code;
use super::history;
use super::kept::Slot;
use super::lineage::Collected;
use super::picks::Origin;
use super::points::point_error;
use super::routines::{Naming, Routines};
use super::store::View;
use crate::catalog::{Entity, EntityId, Entry, MAIN_SCHEMA, TableDef};
use crate::formats::{self, FormatError, OpenOptions, Relation};
use crate::plan::logical::TableId;
use crate::plan::{Moment, Parameter, ResolveError, TableInfo};
use crate::store::table::{ROW_COLUMN, RowAddress, Snapshot};
use crate::types::{Field, TableStats};

pub use tables::{Scanned, StatementTables};

/// What a session's queries can name.
#[derive(Debug, Default)]
pub struct Relations {
    /// Snapshots that the statement reads.
    pub held: Vec<Snapshot>,
    folder: Option<PathBuf>,
    columns: BTreeSet<String>,
    /// How the statement that runs wants files to be read, by their paths.
    options: HashMap<String, OpenOptions>,
    /// What the statement that runs reads of the database.
    pub view: Option<View>,
    /// The folder of the session's database, if there is none in it.
    pub no_database: Option<PathBuf>,
    /// What it sees of other databases.
    pub others: Vec<Other>,
    /// What the parameters of the statement that runs stand for.
    pub parameters: Vec<(String, Parameter)>,
    /// Rows that the engine gives a name of its own, for statements that it makes itself.
    pub given: Vec<(String, Arc<dyn Relation>)>,
    /// The table whose rows those are, while lineage is asked for.
    pub given_of: Option<EntityId>,
    /// What changes that are only looked at would make columns from, while somebody asks.
    pub written: Option<Collected>,
    /// What those name, and write, while somebody asks.
    pub naming: Option<Naming>,
    /// What is named is named by a text of the database, which sees no temporary tables but those that such texts have made.
    pub kept: bool,
    /// The names of those, in lower case.
    pub kept_temporaries: BTreeSet<String>,
    /// Points that a script which is only looked at makes.
    pub points: Points,
    /// Names that its blocks may have made or dropped.
    pub unsure: Unsure,
    /// Variables and functions.
    pub routines: Routines,
    /// Where the plan of what runs next is kept.
    pub slot: Option<Slot>,
    /// The rows of calls that what is bound next is made after.
    pub called: Vec<Arc<dyn Relation>>,
}

impl Relations {
    /// The data files of a folder are tables.
    pub fn of_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..Self::default()
        }
    }

    /// What another session can name, too: files, and functions.
    pub fn another(&self) -> Self {
        Self {
            folder: self.folder.clone(),
            routines: self.routines.another(),
            ..Self::default()
        }
    }

    /// Tables of the folder and their files, in the order of the files' names.
    pub fn folder_tables(&self) -> Result<Vec<(String, PathBuf)>, ResolveError> {
        match &self.folder {
            Some(folder) => formats::open_folder(folder).map_err(|error| resolve_error(&error)),
            None => Ok(Vec::new()),
        }
    }

    /// Names worth completing: tables, and columns of what was opened so far.
    pub fn completions(&self) -> Vec<String> {
        let tables = self
            .folder_tables()
            .unwrap_or_default()
            .into_iter()
            .map(|(name, _)| name);
        tables.chain(self.columns.iter().cloned()).collect()
    }

    /// What a parameter of the statement that runs stands for.
    pub fn parameter(&self, name: &str) -> Option<Parameter> {
        let known = self.parameters.iter().find(|(known, _)| known == name);
        known.map(|(_, parameter)| parameter.clone())
    }

    /// Files of this path are read so.
    pub fn set_options(&mut self, path: &str, options: OpenOptions) {
        self.options.insert(path.to_string(), options);
    }

    /// They are read as they tell themselves.
    pub fn forget_options(&mut self, path: &str) {
        self.options.remove(path);
    }

    fn open(&mut self, path: &str, name: &str) -> Result<Opened, ResolveError> {
        let options = self.options.get(path).cloned().unwrap_or_default();
        let relation = formats::open(path, &options).map_err(|error| resolve_error(&error))?;
        Ok(self.planned(path.to_string(), name, 0, relation))
    }

    /// Whether a name stands for rows that the engine gave it.
    pub fn is_given(&self, parts: &[&str]) -> bool {
        matches!(parts, [name] if self.given.iter().any(|(known, _)| known == name))
    }

    /// Rows with a name of the engine's own.
    fn given(&mut self, parts: &[&str]) -> Option<Opened> {
        let [name] = parts else { return None };
        let (name, relation) = self.given.iter().rfind(|(known, _)| known == name)?.clone();
        Some(self.kept_rows(format!("\0given {name}"), &name, relation))
    }

    /// Rows in memory that are staged for no table.
    fn kept_rows(&mut self, path: String, name: &str, relation: Arc<dyn Relation>) -> Opened {
        let fields = relation.schema().iter();
        let shown = fields.take_while(|field| field.name != ROW_COLUMN).count();
        let system = relation.schema().len() - shown;
        self.planned(path, name, system, relation)
    }

    fn planned(&mut self, path: String, name: &str, system_columns: usize, relation: Arc<dyn Relation>) -> Opened {
        let mut opened = self.opened(path, name, system_columns, relation.schema().to_vec());
        opened.info.stats = relation.stats().clone();
        opened.relation = Some(relation);
        opened
    }

    fn opened(&mut self, path: String, name: &str, system_columns: usize, schema: Vec<Field>) -> Opened {
        let info = TableInfo {
            name: name.to_string(),
            schema,
            system_columns,
            stats: TableStats::default(),
        };
        let shown = info.schema.len() - system_columns;
        let names = info.schema.iter().take(shown).map(|field| field.name.clone());
        self.columns.extend(names);
        Opened {
            path,
            info,
            relation: None,
            origin: None,
            replaces: None,
            picked: Vec::new(),
        }
    }

    /// A statement writes to a database, as it is from here on; all names are its own, if `home`.
    pub fn writes(&mut self, which: Which, view: &View, home: bool) {
        let Which::Other(at) = which else { return };
        if let Some(other) = self.others.get_mut(at) {
            other.seen = Seen::View(Some(view.clone()));
        }
        if home {
            self.view = Some(view.clone());
        }
    }

    /// What a statement sees of a database.
    pub fn view_of(&self, which: Which) -> Option<&View> {
        let Which::Other(at) = which else {
            return self.view.as_ref();
        };
        match &self.others.get(at)?.seen {
            Seen::View(view) => view.as_ref(),
            Seen::Files(_) | Seen::Failed(_) => None,
        }
    }

    /// Does something as a text of the database, which sees no temporary tables.
    pub fn as_kept<T>(session: &mut Session, work: impl FnOnce(&mut Session) -> T) -> T {
        let outer = std::mem::replace(&mut session.relations.kept, true);
        let done = work(session);
        session.relations.kept = outer;
        done
    }

    /// All databases that a statement sees.
    pub fn databases(&self) -> impl Iterator<Item = &View> {
        let others = (0..self.others.len()).map(Which::Other);
        let all = std::iter::once(Which::Own).chain(others);
        all.filter_map(|which| self.view_of(which))
    }

    /// Whether a temporary table of that name may be meant.
    fn sees_temporary(&self, name: &str) -> bool {
        !self.kept || self.kept_temporaries.contains(&name.to_lowercase())
    }

    /// A temporary table or view is made.
    pub fn note_temporary(&mut self, name: &str) {
        let name = name.to_lowercase();
        match self.kept {
            true => self.kept_temporaries.insert(name),
            false => self.kept_temporaries.remove(&name),
        };
    }

    /// Which database a name is about, and what is left of it there. Names within a view are about that view's database
    /// (`home`); others first about temporary tables.
    pub fn seek<'p, 'n>(&self, parts: &'p [&'n str], home: Option<Which>) -> Option<(Which, &'p [&'n str])> {
        let has = |which, parts: &[&str]| {
            let view = self.view_of(which);
            view.is_some_and(|view| view.catalog().find(parts).is_some())
        };
        let own = home.unwrap_or(Which::Own);
        match parts {
            [] => None,
            [first, name, ..] if first.eq_ignore_ascii_case(TEMP) && !self.sees_temporary(name) => Some((own, parts)),
            [name] => {
                let temp = self.named_database(TEMP);
                let temp = temp.filter(|_| home.is_none() && self.sees_temporary(name));
                Some((temp.filter(|temp| has(*temp, parts)).unwrap_or(own), parts))
            }
            [first, rest @ ..] => {
                let is_schema =
                    rest.len() == 1 && self.view_of(own).is_some_and(|view| view.catalog().has_schema(first));
                let database = self.named_database(first).filter(|_| !is_schema);
                Some(database.map_or((own, parts), |database| (database, rest)))
            }
        }
    }

    /// The database that a name begins with, unless that is one of the session's own schemas or tables.
    pub fn database_in(&self, parts: &[&str]) -> Option<Which> {
        let first = parts.first()?;
        let catalog = self.view.as_ref().map(View::catalog);
        let is_own = catalog.is_some_and(|catalog| catalog.has_schema(first) || catalog.find(&[first]).is_some());
        self.named_database(first).filter(|_| parts.len() > 2 || !is_own)
    }

    /// The database that goes by a name.
    pub fn named_database(&self, name: &str) -> Option<Which> {
        let known = self
            .others
            .iter()
            .position(|other| other.name.eq_ignore_ascii_case(name));
        let is_own = || {
            self.view
                .as_ref()
                .is_some_and(|view| view.name.eq_ignore_ascii_case(name))
        };
        match known {
            Some(at) => Some(Which::Other(at)),
            None => is_own().then_some(Which::Own),
        }
    }

    /// What a name stands for in a database, as it is in the transaction or as it was.
    fn entity(&self, which: Which, parts: &[&str], moment: Option<&Moment>) -> Result<Option<Found>, ResolveError> {
        let Some(view) = self.view_of(which) else {
            return Ok(None);
        };
        let then = history::names_at(moment).map(|point| view.at(point)).transpose()?;
        let catalog = then.as_ref().map_or(view.catalog(), |snapshot| &**snapshot.catalog());
        let entry = catalog.find(parts).cloned();
        Ok(entry.map(|entry| Found { which, entry, then }))
    }

    /// What begins the names of the relations of a database.
    fn prefix(&self, which: Which) -> String {
        match which {
            Which::Own => "\0".into(),
            Which::Other(at) => format!("\0\u{2}{at}\0"),
        }
    }

    /// The file of a folder that goes by a name.
    fn file(&self, which: Which, name: &str) -> Result<Option<PathBuf>, ResolveError> {
        let tables = match which {
            Which::Own => self.folder_tables()?,
            Which::Other(at) => match self.others.get(at).map(|other| &other.seen) {
                Some(Seen::Files(folder)) => formats::open_folder(folder).map_err(|error| resolve_error(&error))?,
                Some(Seen::Failed(error)) => return Err(error.clone()),
                _ => Vec::new(),
            },
        };
        let file = tables.into_iter().find(|(table, _)| table.eq_ignore_ascii_case(name));
        Ok(file.map(|(_, file)| file))
    }

    /// The rows of a table of the database.
    fn table(
        &mut self,
        found: &Found,
        def: &TableDef,
        moment: Option<&Moment>,
    ) -> Result<Option<Opened>, ResolveError> {
        let Some(view) = self.view_of(found.which) else {
            return Ok(None);
        };
        let place = history::Place {
            id: found.entry.id,
            def,
            then: found.then.as_ref(),
        };
        let history = view.history(&place, moment)?;
        // What rows are read from stays until they are read.
        let since = history.since.map(|commit| view.database.snapshot(commit));
        let since = since.transpose().map_err(|error| point_error(&error))?;
        let then = found.then.clone().or_else(|| Some(view.base.clone()));
        let held: Vec<Snapshot> = since.into_iter().chain(then).collect();
        let origin = history.table.map(|table| match &found.then {
            Some(snapshot) => Origin::new(found.entry.id, def, snapshot.catalog(), table, None),
            None => {
                let staged = view.changes.tables.get(&found.entry.id).cloned();
                Origin::new(found.entry.id, def, view.catalog(), table, staged)
            }
        });
        // No path of a file begins with a NUL.
        let path = format!("{}{}", self.prefix(found.which), history.key);
        self.held.extend(held);
        let opened = match history.relation {
            Some(relation) => self.planned(path, &def.name, history.hidden, relation),
            None => self.opened(path, &def.name, history.hidden, history.fields),
        };
        Ok(Some(Opened { origin, ..opened }))
    }

    /// Tables and views of the database, as a query may name them.
    fn names(&self) -> Vec<String> {
        let relations = |view: &View, prefix: &str| {
            let entries = view.catalog().entries();
            let relations = entries.filter(|entry| matches!(&*entry.entity, Entity::Table(_) | Entity::View(_)));
            relations
                .map(|entry| format!("{prefix}{}", qualified(&entry.schema, entry.entity.name())))
                .collect::<Vec<_>>()
        };
        let mut names: Vec<String> = self.view.iter().flat_map(|view| relations(view, "")).collect();
        for other in &self.others {
            let prefix = match &*other.name {
                TEMP => String::new(),
                name => format!("{name}."),
            };
            match &other.seen {
                Seen::View(view) => names.extend(view.iter().flat_map(|view| relations(view, &prefix))),
                Seen::Files(folder) => {
                    let files = formats::open_folder(folder).unwrap_or_default();
                    names.extend(files.into_iter().map(|(name, _)| format!("{prefix}{name}")));
                }
                Seen::Failed(_) => {}
            }
        }
        names.sort();
        names
    }
}

/// `name` in the main schema, else `schema.name`.
pub fn qualified(schema: &str, name: &str) -> String {
    match schema.eq_ignore_ascii_case(MAIN_SCHEMA) {
        true => name.to_string(),
        false => format!("{schema}.{name}"),
    }
}

/// An entity, and the commit that it was found in if it is not the newest one.
struct Found {
    which: Which,
    entry: Entry,
    then: Option<Snapshot>,
}

/// A relation of a statement.
pub(super) struct Opened {
    pub path: String,
    pub info: TableInfo,
    /// None before somebody wants all rows of its origin.
    pub relation: Option<Arc<dyn Relation>>,
    pub origin: Option<Origin>,
    /// The relation of which it has some rows.
    pub replaces: Option<TableId>,
    /// Which rows these are. They become a relation when the engine is to scan them.
    pub picked: Vec<RowAddress>,
}

fn resolve_error(error: &FormatError) -> ResolveError {
    ResolveError {
        code: format_code(error),
        message: error.to_string(),
    }
}
