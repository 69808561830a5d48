//! The relations that a session's queries can name: files by path or glob, and the files of its folder by table name.
//!
//! With `-d data/`, the name `lineitem` is `data/lineitem.parquet`; the second query that says so reuses the opened file.
//!
//! Invariants: an opened relation is reused only while each of its files has the size and modification time it had when it
//! was opened; within one statement a relation has one [`TableId`].
//!
//! Does not: read data, or know formats.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::format_code;
use crate::formats::{FileIdentity, FormatError, Relation};
use crate::plan::logical::TableId;
use crate::plan::{ResolveError, TableInfo, TableResolver};

/// Endings of files that are tables of a folder.
const DATA_FILES: &[&str] = &[
    "parquet", "csv", "tsv", "json", "jsonl", "ndjson", "arrow", "feather", "ipc", "orc",
];

/// What a session has opened.
#[derive(Debug, Default)]
pub struct Relations {
    folder: Option<PathBuf>,
    opened: HashMap<String, Arc<Opened>>,
}

/// An opened file, or all files of a glob.
#[derive(Debug)]
struct Opened {
    info: TableInfo,
    relation: Arc<dyn Relation>,
    files: Vec<FileIdentity>,
}

impl Relations {
    /// The data files of a folder are tables.
    pub fn of_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            opened: HashMap::new(),
        }
    }

    /// Forgets every opened file.
    pub fn forget(&mut self) {
        self.opened.clear();
    }

    /// Tables of the folder and their files, sorted by name.
    pub fn folder_tables(&self) -> Result<Vec<(String, PathBuf)>, ResolveError> {
        let Some(folder) = &self.folder else {
            return Ok(Vec::new());
        };
        let unreadable = |error: std::io::Error| ResolveError {
            code: if error.kind() == std::io::ErrorKind::NotFound {
                "58P01"
            } else {
                "58030"
            },
            message: format!("cannot read the folder `{}`: {error}", folder.display()),
        };
        let mut tables = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if let Some(name) = table_name(&path) {
                tables.push((name, path));
            }
        }
        tables.sort();
        Ok(tables)
    }

    /// Names worth completing: tables, and columns of what is open.
    pub fn completions(&self) -> Vec<String> {
        let tables = self
            .folder_tables()
            .unwrap_or_default()
            .into_iter()
            .map(|(name, _)| name);
        let columns = self
            .opened
            .values()
            .flat_map(|opened| &opened.info.schema)
            .map(|field| field.name.clone());
        let mut names: Vec<_> = tables.chain(columns).collect();
        names.sort();
        names.dedup();
        names
    }

    fn table_file(&self, name: &str) -> Result<Option<PathBuf>, ResolveError> {
        let tables = self.folder_tables()?;
        let mut files = tables
            .into_iter()
            .filter(|(table, _)| table.eq_ignore_ascii_case(name))
            .map(|(_, file)| file);
        match (files.next(), files.next()) {
            (Some(first), Some(second)) => Err(ResolveError {
                code: "42P09",
                message: format!(
                    "table `{name}` could be `{}` or `{}`",
                    first.display(),
                    second.display()
                ),
            }),
            (file, _) => Ok(file),
        }
    }

    fn open(&mut self, path: &str, name: &str) -> Result<Arc<Opened>, ResolveError> {
        if let Some(opened) = self.opened.get(path)
            && opened.is_current(path)
        {
            return Ok(Arc::clone(opened));
        }
        let relation = open_file(path).map_err(|error| resolve_error(&error))?;
        let opened = Arc::new(Opened::new(relation, name));
        self.opened.insert(path.to_string(), Arc::clone(&opened));
        Ok(opened)
    }
}

impl Opened {
    fn new(relation: Arc<dyn Relation>, name: &str) -> Self {
        let info = TableInfo {
            name: name.to_string(),
            schema: relation.schema().to_vec(),
            stats: relation.stats().clone(),
        };
        let mut files: Vec<FileIdentity> = (0..relation.units()).map(|unit| relation.unit_source(unit).0).collect();
        files.dedup();
        Self { info, relation, files }
    }

    /// Every file is as it was, and a glob still means the same files.
    fn is_current(&self, path: &str) -> bool {
        let unchanged = !self.files.is_empty() && self.files.iter().all(is_unchanged);
        unchanged && (!path.contains(['*', '?', '[']) || self.matches_glob(path))
    }

    fn matches_glob(&self, pattern: &str) -> bool {
        let Ok(paths) = glob::glob(pattern) else { return false };
        let canonical = paths.flatten().filter_map(|path| path.canonicalize().ok());
        let mut found: Vec<PathBuf> = canonical.filter(|path| path.is_file()).collect();
        let mut known: Vec<&Path> = self.files.iter().map(|file| &*file.path).collect();
        found.sort();
        known.sort();
        known.dedup();
        found == known
    }
}

fn is_unchanged(file: &FileIdentity) -> bool {
    let Ok(metadata) = std::fs::metadata(&file.path) else {
        return false;
    };
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let mtime_ns = modified.and_then(|time| i128::try_from(time.as_nanos()).ok());
    metadata.len() == file.size_bytes && mtime_ns == Some(file.mtime_ns)
}

fn table_name(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    let is_data = DATA_FILES.iter().any(|known| known.eq_ignore_ascii_case(extension));
    (is_data && path.is_file())
        .then(|| path.file_stem()?.to_str().map(str::to_string))
        .flatten()
}

fn resolve_error(error: &FormatError) -> ResolveError {
    ResolveError {
        code: format_code(error),
        message: error.to_string(),
    }
}

fn open_file(path: &str) -> Result<Arc<dyn Relation>, FormatError> {
    Err(FormatError::NoMatch {
        pattern: path.to_string(),
    })
}

/// The relations of one statement, numbered as it names them.
pub struct StatementTables<'r> {
    relations: &'r mut Relations,
    tables: Vec<(String, Arc<Opened>)>,
}

impl<'r> StatementTables<'r> {
    /// None yet.
    pub fn new(relations: &'r mut Relations) -> Self {
        Self {
            relations,
            tables: Vec::new(),
        }
    }

    /// The relations by their numbers.
    pub fn into_relations(self) -> Vec<Arc<dyn Relation>> {
        self.tables
            .iter()
            .map(|(_, opened)| Arc::clone(&opened.relation))
            .collect()
    }

    fn number(&mut self, path: &str, name: &str) -> Result<TableId, ResolveError> {
        let known = self.tables.iter().position(|(known, _)| known == path);
        let index = match known {
            Some(index) => index,
            None => {
                let opened = self.relations.open(path, name)?;
                self.tables.push((path.to_string(), opened));
                self.tables.len() - 1
            }
        };
        Ok(TableId(u32::try_from(index).unwrap_or(u32::MAX)))
    }
}

impl TableResolver for StatementTables<'_> {
    fn by_name(&mut self, parts: &[&str]) -> Result<Option<TableId>, ResolveError> {
        let [name] = parts else { return Ok(None) };
        let Some(file) = self.relations.table_file(name)? else {
            return Ok(None);
        };
        let path = file.to_str().ok_or_else(|| ResolveError {
            code: "58030",
            message: format!("the path `{}` is not UTF-8", file.display()),
        })?;
        self.number(path, name).map(Some)
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        self.number(path, path)
    }

    fn info(&self, table: TableId) -> &TableInfo {
        &self.tables[table.0 as usize].1.info
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
