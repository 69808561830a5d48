//! The relations that a session's queries can name: files by path or glob, and the files of its folder by table name.
//!
//! With `-d data/`, the name `lineitem` is `data/lineitem.parquet`, and `'data/lineitem.parquet'` in the same statement is the
//! same relation.
//!
//! Invariants: within one statement a relation has one [`TableId`]; every statement looks at its files anew (`formats`
//! remembers what has not changed).
//!
//! Does not: read data, or know formats.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::format_code;
use crate::formats::{self, FormatError, OpenOptions, Relation};
use crate::plan::logical::TableId;
use crate::plan::{Named, Point, ResolveError, TableInfo, TableResolver};

/// What a session's queries can name.
#[derive(Debug, Default)]
pub struct Relations {
    folder: Option<PathBuf>,
    columns: BTreeSet<String>,
}

impl Relations {
    /// The data files of a folder are tables.
    pub fn of_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            columns: BTreeSet::new(),
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

    fn open(&mut self, path: &str, name: &str) -> Result<Opened, ResolveError> {
        let relation = formats::open(path, &OpenOptions::default()).map_err(|error| resolve_error(&error))?;
        let info = TableInfo {
            name: name.to_string(),
            schema: relation.schema().to_vec(),
            system_columns: 0,
            stats: relation.stats().clone(),
        };
        self.columns.extend(info.schema.iter().map(|field| field.name.clone()));
        Ok(Opened {
            path: path.to_string(),
            info,
            relation,
        })
    }
}

/// A relation of a statement.
struct Opened {
    path: String,
    info: TableInfo,
    relation: Arc<dyn Relation>,
}

/// The relations of one statement, numbered as it names them.
pub struct StatementTables<'r> {
    relations: &'r mut Relations,
    opened: Vec<Opened>,
}

impl<'r> StatementTables<'r> {
    /// None yet.
    pub fn new(relations: &'r mut Relations) -> Self {
        Self {
            relations,
            opened: Vec::new(),
        }
    }

    /// The relations by their numbers.
    pub fn into_relations(self) -> Vec<Arc<dyn Relation>> {
        self.opened.into_iter().map(|opened| opened.relation).collect()
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
    fn by_name(&mut self, parts: &[&str], as_of: Option<&Point>) -> Result<Option<Named>, ResolveError> {
        if as_of.is_some() {
            return Err(ResolveError {
                code: "0A000",
                message: "AS OF is not supported yet".into(),
            });
        }
        let [name] = parts else { return Ok(None) };
        let tables = self.relations.folder_tables()?;
        let file = tables.into_iter().find(|(table, _)| table.eq_ignore_ascii_case(name));
        let Some((_, file)) = file else { return Ok(None) };
        let path = file.to_str().ok_or_else(|| ResolveError {
            code: "58030",
            message: format!("the path `{}` is not UTF-8", file.display()),
        })?;
        self.number(path, name).map(|id| Some(Named::Table(id)))
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        self.number(path, path)
    }

    fn info(&self, table: TableId) -> &TableInfo {
        &self.opened[table.0 as usize].info
    }

    fn names(&self) -> Vec<String> {
        self.relations
            .folder_tables()
            .unwrap_or_default()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }
}

fn resolve_error(error: &FormatError) -> ResolveError {
    ResolveError {
        code: format_code(error),
        message: error.to_string(),
    }
}
