//! Relations over files that are cut into blocks when they are opened: CSV, JSON, Arrow IPC, ORC.
//!
//! `sales/*.csv`, two files of three blocks each, is a relation of six units.
//!
//! Invariants: layouts are the types' natural ones, so any files with the same columns fit together.
//!
//! Does not: prune; these formats have no statistics that it trusts.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::convert::Target;
use super::open::FileKey;
use super::{Bound, ChunkKey, FileIdentity, FormatError, Relation, Rows, require_same_columns};
use crate::host::{ReadAt, read_range};
use crate::types::{ColumnChunk, ColumnStats, Field, TableStats};

/// One file, cut into blocks.
pub(super) trait Blocks: Debug + Send + Sync {
    /// The file.
    fn identity(&self) -> &FileIdentity;

    /// Its columns.
    fn fields(&self) -> &[Field];

    /// Rows of each block.
    fn block_rows(&self) -> Vec<usize>;

    /// Decodes one column of one block; also gives the bytes read.
    fn read(&self, block: usize, column: usize, target: &Target) -> Result<(ColumnChunk, u64), FormatError>;
}

/// Several files as one relation.
#[derive(Debug)]
pub(super) struct BlockRelation {
    fields: Vec<Field>,
    targets: Vec<Target>,
    stats: TableStats,
    parts: Vec<Part>,
    units: Vec<Unit>,
}

#[derive(Debug)]
struct Part {
    file: Arc<dyn Blocks>,
    columns: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    part: usize,
    block: usize,
    rows: usize,
}

impl BlockRelation {
    /// Over one file or more; their columns must be the same by name and type.
    pub(super) fn new(files: Vec<Arc<dyn Blocks>>) -> Result<Self, FormatError> {
        let fields: Vec<Field> = files.first().map_or(Vec::new(), |first| first.fields().to_vec());
        let wanted: Vec<_> = fields.iter().collect();
        let mut parts = Vec::with_capacity(files.len());
        let mut units = Vec::new();
        for (part, file) in files.iter().enumerate() {
            let own: Vec<_> = file.fields().iter().collect();
            let first = &files[0].identity().path;
            let columns = require_same_columns(first, &wanted, &file.identity().path, &own)?;
            let rows = file.block_rows().into_iter().enumerate();
            units.extend(
                rows.filter(|(_, rows)| *rows > 0)
                    .map(|(block, rows)| Unit { part, block, rows }),
            );
            parts.push(Part {
                file: Arc::clone(file),
                columns,
            });
        }
        let targets: Vec<_> = fields.iter().map(|field| Target::natural(&field.ty)).collect();
        Ok(Self {
            stats: TableStats {
                rows: Some(units.iter().map(|unit| unit.rows as u64).sum()),
                columns: targets.iter().map(|t| ColumnStats::unknown(t.layout.clone())).collect(),
            },
            fields,
            targets,
            parts,
            units,
        })
    }
}

impl Relation for BlockRelation {
    fn schema(&self) -> &[Field] {
        &self.fields
    }

    fn stats(&self) -> &TableStats {
        &self.stats
    }

    fn units(&self) -> usize {
        self.units.len()
    }

    fn unit_rows(&self, unit: usize) -> usize {
        self.units[unit].rows
    }

    fn chunk_key(&self, unit: usize, column: usize) -> ChunkKey {
        let Unit { part, block, .. } = self.units[unit];
        ChunkKey::File {
            file: self.parts[part].file.identity().clone(),
            part: block,
            column,
        }
    }

    fn candidates(&self, unit: usize, _bounds: &[Bound]) -> Rows {
        Rows::all(self.units[unit].rows)
    }

    fn read(&self, unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError> {
        let Unit { part, block, .. } = self.units[unit];
        let part = &self.parts[part];
        part.file.read(block, part.columns[column], &self.targets[column])
    }
}

/// The last few blocks that were taken apart, so that reading their other columns need not do it again.
#[derive(Debug)]
pub(super) struct Memo<T> {
    blocks: Mutex<VecDeque<(usize, Arc<T>)>>,
}

/// Enough for every worker of a scan to have its own block, and not many more: a block taken apart is larger than its text.
fn memo_blocks() -> usize {
    static BLOCKS: LazyLock<usize> = LazyLock::new(|| 1 + std::thread::available_parallelism().map_or(1, NonZero::get));
    *BLOCKS
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self {
            blocks: Mutex::default(),
        }
    }
}

impl<T> Memo<T> {
    /// The block taken apart, and the bytes that `load` read for it (0 if it was here).
    pub(super) fn get_or_load(
        &self,
        block: usize,
        load: impl FnOnce() -> Result<(T, u64), FormatError>,
    ) -> Result<(Arc<T>, u64), FormatError> {
        if let Some(found) = self.known(block) {
            return Ok((found, 0));
        }
        let (loaded, bytes) = load()?;
        let loaded = Arc::new(loaded);
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        while blocks.len() >= memo_blocks() {
            blocks.pop_front();
        }
        blocks.push_back((block, Arc::clone(&loaded)));
        Ok((loaded, bytes))
    }

    /// The block, if it is here; it is the last to go then.
    fn known(&self, block: usize) -> Option<Arc<T>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let at = blocks.iter().position(|(known, _)| *known == block)?;
        let found = blocks.remove(at)?;
        let loaded = Arc::clone(&found.1);
        blocks.push_back(found);
        Some(loaded)
    }
}

/// Identity of a file without a footer: the hash is over its ends and whatever else decides how it is read.
pub(super) fn identity(file: &dyn ReadAt, key: &FileKey, how: impl Hash) -> Result<FileIdentity, FormatError> {
    const END_BYTES: u64 = 4096;
    let mut hasher = DefaultHasher::new();
    how.hash(&mut hasher);
    let len = key.size_bytes.min(END_BYTES);
    for start in [0, key.size_bytes - len] {
        read(file, &key.path, start, len)?.hash(&mut hasher);
    }
    Ok(FileIdentity {
        path: Arc::clone(&key.path),
        size_bytes: key.size_bytes,
        mtime_ns: key.mtime_ns,
        footer_hash: hasher.finish(),
    })
}

/// Reads a range; a file that became shorter is damaged.
pub(super) fn read(file: &dyn ReadAt, path: &Path, start: u64, len: u64) -> Result<Vec<u8>, FormatError> {
    let wanted = usize::try_from(len).map_err(|_| FormatError::corrupt(path, "a block is too large"))?;
    read_range(file, start, wanted).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => FormatError::corrupt(path, "it ends too early"),
        _ => FormatError::io(path, e),
    })
}
