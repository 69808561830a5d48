//! Parquet files as relations: one unit per row group.
//!
//! `lineitem.parquet` at scale 1 opens as 53 units of 113,263 rows. `l_shipdate` is stored in two bytes per row,
//! `l_discount` in one, `l_shipmode` as one-byte codes of seven strings: the footer's statistics decide, and decoding
//! checks what they promise.
//!
//! Invariants: all files of a relation have the same columns by name; a column has one layout in all of them; damage
//! is an error, never a panic.
//!
//! Does not: cache chunks or write.

mod encode;
mod fast;
mod file;
mod generic;
mod header;
mod hybrid;
mod index;
mod kind;
mod layout;
mod pages;
mod part;
mod scratch;
mod sinks;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::convert::Target;
use super::open::FileKey;
use super::{Bound, ChunkKey, FormatError, PartialChunk, Relation, Rows, require_same_columns};
use crate::host::Disk;
use crate::types::{ColumnChunk, Field, TableStats};
pub(crate) use encode::{EncodedParquet, encode_parquet};
pub(crate) use part::ParquetPart;

use file::ParquetFile;
use kind::Leaf;

/// Several Parquet files as one relation.
#[derive(Debug)]
pub struct ParquetRelation {
    fields: Vec<Field>,
    stats: TableStats,
    targets: Vec<Target>,
    parts: Vec<Part>,
    units: Vec<Unit>,
    /// Tells apart relations over the same file that may differ in layout; 0 for a single file.
    signature: u64,
}

/// One file and where it has the relation's columns.
#[derive(Debug)]
struct Part {
    file: Arc<ParquetFile>,
    columns: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    part: usize,
    group: usize,
    rows: usize,
}

impl Part {
    fn leaf(&self, column: usize) -> Option<&Leaf> {
        self.file.columns[self.columns[column]].leaf.as_ref()
    }
}

/// Opens one or more files as one relation.
pub(super) fn open(disk: &dyn Disk, files: &[FileKey]) -> Result<ParquetRelation, FormatError> {
    let mut parts: Vec<Part> = Vec::with_capacity(files.len());
    for key in files {
        let handle = disk.open(&key.path).map_err(|e| FormatError::io(&key.path, e))?;
        let file = Arc::new(ParquetFile::open(handle, key)?);
        let own: Vec<_> = file.columns.iter().map(|column| &column.field).collect();
        let columns = match parts.first() {
            Some(first) => {
                let fields: Vec<_> = first.file.columns.iter().map(|c| &c.field).collect();
                require_same_columns(&first.file.identity.path, &fields, &key.path, &own)?
            }
            None => (0..own.len()).collect(),
        };
        parts.push(Part { file, columns });
    }
    assemble(parts)
}

fn assemble(parts: Vec<Part>) -> Result<ParquetRelation, FormatError> {
    let columns = parts.first().map_or(0, |part| part.columns.len());
    let mut fields = Vec::with_capacity(columns);
    let mut targets = Vec::with_capacity(columns);
    let mut stats = TableStats::default();
    for column in 0..columns {
        let mut field = parts[0].file.columns[column].field.clone();
        field.nullable = parts.iter().any(|p| p.file.columns[p.columns[column]].field.nullable);
        let (column_stats, target) = layout::plan(&field, column, &parts)?;
        stats.columns.push(column_stats);
        targets.push(target);
        fields.push(field);
    }
    let units = units_of(&parts);
    stats.rows = Some(units.iter().map(|unit| unit.rows as u64).sum());
    Ok(ParquetRelation {
        fields,
        stats,
        targets,
        signature: signature(&parts),
        units,
        parts,
    })
}

fn units_of(parts: &[Part]) -> Vec<Unit> {
    let groups = parts.iter().enumerate().flat_map(|(part, p)| {
        let groups = p.file.metadata().row_groups().iter().enumerate();
        groups.map(move |(group, metadata)| Unit {
            part,
            group,
            rows: usize::try_from(metadata.num_rows()).unwrap_or(0),
        })
    });
    groups.filter(|unit| unit.rows > 0).collect()
}

fn signature(parts: &[Part]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match parts {
        [] | [_] => return 0,
        many => many.iter().for_each(|part| part.file.identity.hash(&mut hasher)),
    }
    hasher.finish()
}

impl Relation for ParquetRelation {
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
        let Unit { part, group, .. } = self.units[unit];
        let mut file = self.parts[part].file.identity.clone();
        file.footer_hash ^= self.signature;
        ChunkKey::File {
            file,
            part: group,
            column,
        }
    }

    fn candidates(&self, unit: usize, bounds: &[Bound]) -> Rows {
        let Unit { part, group, .. } = self.units[unit];
        let part = &self.parts[part];
        let known = bounds
            .iter()
            .filter_map(|bound| Some((part.leaf(bound.column)?, bound)));
        index::candidates(&part.file, group, &known.collect::<Vec<_>>())
    }

    fn read(&self, unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError> {
        let Unit { part, group, .. } = self.units[unit];
        let part = &self.parts[part];
        let (root, target) = (part.columns[column], &self.targets[column]);
        if let Some(leaf) = part.leaf(column)
            && let Some(decoded) = fast::read(&part.file, group, root, leaf, target)?
        {
            return Ok(decoded);
        }
        generic::read(&part.file, group, root, target)
    }
    fn read_rows(&self, unit: usize, column: usize, rows: &Rows) -> Result<PartialChunk, FormatError> {
        let Unit { part, group, .. } = self.units[unit];
        let part = &self.parts[part];
        let target = &self.targets[column];
        let reading = part
            .leaf(column)
            .and_then(|leaf| Some((leaf, index::reading(&part.file, group, leaf, rows)?)));
        // Whatever is wrong with some pages or their index shows again when the chunk is read whole.
        if let Some((leaf, reading)) = reading
            && let Some((chunk, bytes_read)) = fast::read_pages(&part.file, group, leaf, target, &reading)
        {
            return Ok(PartialChunk {
                chunk,
                rows: Some(Rows::of(reading.places)),
                bytes_read,
            });
        }
        self.read(unit, column).map(PartialChunk::whole)
    }
}
