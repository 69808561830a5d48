//! From a name to a relation: patterns, folders, format by extension or magic, and a memory of what is open.
//!
//! `open("sales/*.parquet", &OpenOptions::default())` is one relation over all files that match, in the order of their
//! names. Opening it again while no file has changed costs one `stat` per file.
//!
//! Invariants: a remembered relation is used only while path, size and modification time of all its files are the
//! same.
//!
//! Does not: decode.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::blocks::{BlockRelation, Blocks};
use super::{CsvOptions, FormatError, Relation, csv, ipc, json, orc, parquet};
use crate::host::{self, Disk, read_range};
use crate::types::LogicalType;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated and its kin.
    Csv,
    /// Tab-separated.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object per line.
    JsonLines,
    /// Arrow IPC, file or stream.
    Arrow,
    /// Apache ORC.
    Orc,
}

impl Format {
    /// By the extension of a name, without case.
    pub fn from_path(path: &Path) -> Option<Format> {
        Format::from_name(&path.extension()?.to_string_lossy())
    }

    /// By a name as in `FORMAT parquet`.
    pub fn from_name(name: &str) -> Option<Format> {
        Some(match name.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Format::Parquet,
            "csv" | "txt" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "json" => Format::Json,
            "jsonl" | "ndjson" => Format::JsonLines,
            "feather" | "arrow" | "ipc" | "arrows" => Format::Arrow,
            "orc" => Format::Orc,
            _ => return None,
        })
    }
}

/// How to read files; what is left out is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenOptions {
    /// Format, if the extension does not tell.
    pub format: Option<Format>,
    /// For CSV and TSV.
    pub csv: CsvOptions,
    /// Types that columns of JSON are wanted as, by name: objects that go into maps are maps, strings that go into UUIDs are those.
    pub json_types: Vec<(String, LogicalType)>,
}

/// A file as it was when a relation was opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    pub(super) path: Arc<Path>,
    pub(super) size_bytes: u64,
    pub(super) mtime_ns: i128,
}

/// Opens a file, a folder or a pattern as one relation.
pub fn open(pattern: &str, options: &OpenOptions) -> Result<Arc<dyn Relation>, FormatError> {
    open_on(&*host::disk_of(Path::new(pattern)), pattern, options)
}

/// Like [`open()`], on any disk.
pub fn open_on(disk: &dyn Disk, pattern: &str, options: &OpenOptions) -> Result<Arc<dyn Relation>, FormatError> {
    let files = resolve(disk, pattern)?;
    Registry::of_process().get_or_open(files, options, |files| open_files(disk, files, options))
}

/// Closes every file that the process remembers; the next [`open()`] reads footers and dictionaries again.
pub fn forget_opened() {
    Registry::of_process().clear();
    super::csv::forget();
}

/// The tables of a folder of data files, by name: `(file stem, path)`.
pub fn open_folder(folder: &Path) -> Result<Vec<(String, PathBuf)>, FormatError> {
    let paths = host::disk_of(folder)
        .list(folder)
        .map_err(|e| FormatError::io(folder, e))?;
    let mut tables: Vec<(String, PathBuf)> = Vec::new();
    for path in paths
        .into_iter()
        .filter(|path| !is_hidden(path) && Format::from_path(path).is_some())
    {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if tables.iter().all(|(known, _)| *known != name) {
            tables.push((name, path));
        }
    }
    Ok(tables)
}

fn open_files(disk: &dyn Disk, files: &[FileKey], options: &OpenOptions) -> Result<Arc<dyn Relation>, FormatError> {
    let Some(first) = files.first() else {
        return Err(FormatError::NoMatch { pattern: String::new() });
    };
    let format = match options.format {
        Some(format) => format,
        None => detect(disk, first)?,
    };
    if format == Format::Parquet {
        return Ok(Arc::new(parquet::open(disk, files)?));
    }
    let blocks = files.iter().map(|file| open_blocks(disk, file, format, options));
    Ok(Arc::new(BlockRelation::new(blocks.collect::<Result<_, _>>()?)?))
}

fn open_blocks(
    disk: &dyn Disk,
    file: &FileKey,
    format: Format,
    options: &OpenOptions,
) -> Result<Arc<dyn Blocks>, FormatError> {
    match format {
        Format::Csv => csv::open(disk, file, &options.csv),
        Format::Tsv => {
            let mut tabs = options.csv.clone();
            tabs.delimiter = tabs.delimiter.or(Some(b'\t'));
            csv::open(disk, file, &tabs)
        }
        Format::Json => json::open(disk, file, false, &options.json_types),
        Format::JsonLines => json::open(disk, file, true, &options.json_types),
        Format::Arrow => ipc::open(disk, file),
        Format::Orc => orc::open(disk, file),
        Format::Parquet => Err(FormatError::unsupported(&file.path, "Parquet in blocks")),
    }
}

fn detect(disk: &dyn Disk, file: &FileKey) -> Result<Format, FormatError> {
    if let Some(format) = Format::from_path(&file.path) {
        return Ok(format);
    }
    let handle = disk.open(&file.path).map_err(|e| FormatError::io(&file.path, e))?;
    let len = usize::try_from(file.size_bytes.min(8)).unwrap_or(8);
    let head = read_range(&*handle, 0, len).map_err(|e| FormatError::io(&file.path, e))?;
    match head.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => Ok(Format::Parquet),
        [b'O', b'R', b'C', ..] => Ok(Format::Orc),
        b"ARROW1\0\0" => Ok(Format::Arrow),
        _ => Err(FormatError::unsupported(&file.path, "a file of unknown format")),
    }
}

/// The files that a pattern names, sorted.
fn resolve(disk: &dyn Disk, pattern: &str) -> Result<Vec<FileKey>, FormatError> {
    let literal = Path::new(pattern);
    let paths = match disk.stat(literal) {
        Ok(stat) if stat.is_folder => data_files(disk, literal)?,
        Ok(_) => vec![literal.to_path_buf()],
        Err(_) if pattern.contains("://") && !host::is_remote(literal) => {
            return Err(FormatError::unsupported(literal, "reading remote files"));
        }
        Err(_) if is_pattern(pattern) => expand(disk, pattern)?,
        Err(source) => return Err(FormatError::io(literal, source)),
    };
    if paths.is_empty() {
        return Err(FormatError::NoMatch {
            pattern: pattern.to_string(),
        });
    }
    paths.iter().map(|path| key_of(disk, path)).collect()
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn key_of(disk: &dyn Disk, path: &Path) -> Result<FileKey, FormatError> {
    let io = |e| FormatError::io(path, e);
    let stat = disk.stat(path).map_err(io)?;
    Ok(FileKey {
        path: disk.canonical(path).map_err(io)?.into(),
        size_bytes: stat.size_bytes,
        mtime_ns: stat.mtime_ns,
    })
}

/// The files of a folder that share the format of its first data file.
fn data_files(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let mut paths = disk.list(folder).map_err(|e| FormatError::io(folder, e))?;
    paths.retain(|path| !is_hidden(path) && Format::from_path(path).is_some());
    let format = paths.first().and_then(|path| Format::from_path(path));
    paths.retain(|path| Format::from_path(path) == format);
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['.', '_'])
}

/// Expands a pattern folder by folder; `**` stands for any number of folders.
fn expand(disk: &dyn Disk, pattern: &str) -> Result<Vec<PathBuf>, FormatError> {
    let invalid = |_| FormatError::NoMatch {
        pattern: pattern.to_string(),
    };
    let matcher = glob::Pattern::new(pattern).map_err(invalid)?;
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy()))
        .collect();
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        case_sensitive: true,
    };
    let depth = match pattern.contains("**") {
        true => usize::MAX,
        false => Path::new(pattern).components().count() - fixed.components().count(),
    };
    let mut found = Vec::new();
    walk(disk, &fixed, depth, &mut |path| {
        if matcher.matches_path_with(path, options) {
            found.push(path.to_path_buf());
        }
    });
    found.sort();
    Ok(found)
}

/// Calls `visit` for every file at most `depth` levels below a folder; folders that cannot be read hold nothing.
fn walk(disk: &dyn Disk, folder: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    for path in disk.list(here).unwrap_or_default() {
        let path = path.strip_prefix("./").map_or(path.clone(), Path::to_path_buf);
        match disk.stat(&path) {
            Ok(stat) if stat.is_folder && depth > 1 => walk(disk, &path, depth - 1, visit),
            Ok(stat) if !stat.is_folder => visit(&path),
            _ => {}
        }
    }
}

/// What the process has open.
#[derive(Debug, Default)]
struct Registry {
    entries: Mutex<Vec<Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    hash: u64,
    files: Vec<FileKey>,
    options: OpenOptions,
    relation: Arc<dyn Relation>,
}

/// Relations remembered; the one used least recently is forgotten first.
const REMEMBERED: usize = 256;

impl Registry {
    fn of_process() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(Registry::default)
    }

    fn get_or_open(
        &self,
        files: Vec<FileKey>,
        options: &OpenOptions,
        open: impl FnOnce(&[FileKey]) -> Result<Arc<dyn Relation>, FormatError>,
    ) -> Result<Arc<dyn Relation>, FormatError> {
        let mut hasher = DefaultHasher::new();
        (&files, options).hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(relation) = self.find(hash, &files, options) {
            return Ok(relation);
        }
        let relation = open(&files)?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= REMEMBERED {
            entries.remove(0);
        }
        entries.push(Remembered {
            hash,
            files,
            options: options.clone(),
            relation: Arc::clone(&relation),
        });
        Ok(relation)
    }

    fn clear(&self) {
        // Dropped after the lock is released, since closing many files takes a while.
        let closed = std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner));
        drop(closed);
    }

    fn find(&self, hash: u64, files: &[FileKey], options: &OpenOptions) -> Option<Arc<dyn Relation>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries
            .iter()
            .position(|e| e.hash == hash && e.files == files && e.options == *options)?;
        let entry = entries.remove(found);
        let relation = Arc::clone(&entry.relation);
        entries.push(entry);
        Some(relation)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::host::real;

    #[test]
    fn what_was_forgotten_is_opened_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "a\n1\n").expect("writable");
        let registry = Registry::default();
        let opened = AtomicUsize::new(0);
        let get = || {
            let files = resolve(&*real(), &path.display().to_string()).expect("there");
            let options = OpenOptions::default();
            let open = |files: &[FileKey]| {
                opened.fetch_add(1, Ordering::Relaxed);
                open_files(&*real(), files, &options)
            };
            registry.get_or_open(files, &options, open).expect("readable")
        };
        let (first, second) = (get(), get());
        assert!(Arc::ptr_eq(&first, &second));
        registry.clear();
        let third = get();
        assert!(!Arc::ptr_eq(&first, &third));
        assert_eq!(opened.load(Ordering::Relaxed), 2);
    }
}
