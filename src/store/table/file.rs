//! Large segments: Parquet files that are checked part by part.
//!
//! A load of 245,760 rows becomes `segments/5f1c….parquet` of two row groups. Its FILE object lists the hash of each column
//! chunk; a query that reads `l_quantity` reads and hashes the two chunks of that column, and the footer, and nothing else.
//!
//! Invariants: no byte of a file is used before the part that it is in was hashed. A file is complete and durable under its
//! name before a commit refers to it.
//!
//! Does not: decode; see `formats::parquet`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StructArray};
use arrow::datatypes::{self as dt, DataType, Field as ArrowField, Fields, Schema, SchemaRef};
use bytes::Bytes;
use hashbrown::HashMap;
use sha2::{Digest, Sha256};

use super::core::{Core, Held, as_store_error, lock, malformed};
use super::entry::{Facts, FileParts};
use super::lineage::Kept;
use super::publish::Publishing;
use super::rows::Rows;
use crate::catalog::{ColumnNo, TableDef};
use crate::formats::{EncodedParquet, FormatError, ParquetPart, encode_parquet};
use crate::host::{Disk, ReadAt, Stat, read_range};
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects};
use crate::store::wire::Malformed;
use crate::store::{Damage, StoreError};
use crate::types::LogicalType;
use crate::types::array::intervals_to_array;
use crate::types::arrow::to_arrow;

/// Rows of a row group.
pub(super) const GROUP_ROWS: usize = 122_880;

/// Read at a time where a file is only hashed.
const PIECE_BYTES: usize = 256 << 10;

/// The dictionary of a column, if it has a small one throughout.
pub(super) type Texts = Option<Arc<[Arc<str>]>>;

/// A file, open: its footer is in memory, its parts are read from the disk as they are needed.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub part: ParquetPart,
    /// Rows of each row group.
    pub groups: Vec<usize>,
    dictionaries: std::sync::Mutex<HashMap<usize, Texts>>,
}

impl OpenFile {
    pub(super) fn open(core: &Core, id: ObjectId) -> Result<Self, StoreError> {
        let body = core.read(Kind::FILE, id)?;
        let parts = FileParts::decode(&body).map_err(|Malformed(what)| malformed(Kind::FILE, id, what))?;
        let path = core.segments_folder().join(file_name(id));
        let checked = CheckedFile::open(Arc::clone(&core.machine.disk), path.clone(), &parts)?;
        let part = ParquetPart::open(Arc::new(checked), &path).map_err(as_store_error)?;
        Ok(Self {
            groups: part.group_rows(),
            part,
            dictionaries: Default::default(),
        })
    }

    /// A column's dictionary, read once.
    pub(super) fn dictionary(&self, column: usize) -> Result<Texts, FormatError> {
        if let Some(known) = lock(&self.dictionaries).get(&column) {
            return Ok(known.clone());
        }
        let texts = self.part.dictionary(column)?.map(Arc::from);
        lock(&self.dictionaries).insert(column, texts.clone());
        Ok(texts)
    }

    /// A column of a row group, in the type's own Arrow type.
    pub(super) fn array(&self, group: usize, column: usize, ty: &LogicalType) -> Result<ArrayRef, FormatError> {
        let array = self.part.read_array(group, column)?;
        let name = || self.part.field(column).map_or("?", |field| field.name.as_str());
        from_stored(&array, ty).map_err(|message| FormatError::Corrupt {
            path: "segments".into(),
            message: format!("column `{}`: {message}", name()),
        })
    }
}

/// The name of a segment's file.
pub(super) fn file_name(id: ObjectId) -> String {
    format!("{id}.parquet")
}

/// A file of which each part is hashed when it is read for the first time.
#[derive(Debug)]
struct CheckedFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    stat: Stat,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    start: u64,
    len: u64,
    hash: [u8; 32],
    checked: AtomicBool,
}

impl CheckedFile {
    fn open(disk: Arc<dyn Disk>, path: PathBuf, parts: &FileParts) -> Result<Self, StoreError> {
        let stat = disk.stat(&path).map_err(|error| StoreError::reading(&path, 0, error))?;
        let mut start = 0;
        let mut placed = Vec::with_capacity(parts.parts.len());
        for (len, hash) in &parts.parts {
            placed.push(Part {
                start,
                len: *len,
                hash: *hash,
                checked: AtomicBool::new(false),
            });
            start += len;
        }
        if start != stat.size_bytes {
            return Err(Damage::new(&path, "the file does not have the size that it was written with").into());
        }
        Ok(Self {
            disk,
            path,
            stat,
            parts: placed,
        })
    }

    /// A whole part, checked.
    fn load(&self, file: &dyn ReadAt, part: &Part) -> io::Result<Vec<u8>> {
        let len = usize::try_from(part.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let bytes = read_range(file, part.start, len)?;
        self.check(part, &bytes)?;
        Ok(bytes)
    }

    fn check(&self, part: &Part, bytes: &[u8]) -> io::Result<()> {
        self.check_hash(part, Sha256::digest(bytes).into())
    }

    fn check_hash(&self, part: &Part, hash: [u8; 32]) -> io::Result<()> {
        if hash != part.hash {
            let what = format!(
                "bytes {} to {} do not have their hash",
                part.start,
                part.start + part.len
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        part.checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The part that holds a byte.
    fn part_at(&self, offset: u64) -> Option<&Part> {
        let after = self.parts.partition_point(|part| part.start <= offset);
        self.parts.get(after.checked_sub(1)?)
    }
}

impl ReadAt for CheckedFile {
    fn stat(&self) -> Stat {
        self.stat
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // Not kept open: a table may have more files than a process may open.
        let file = self.disk.open(&self.path)?;
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let part = self.part_at(at).ok_or(io::ErrorKind::UnexpectedEof)?;
            let skip = at - part.start;
            let len = usize::try_from(part.len - skip).map_or(rest.len(), |left| left.min(rest.len()));
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (now, later) = rest.split_at_mut(len);
            if part.checked.load(Ordering::Relaxed) {
                file.read_at(at, now)?;
            } else if len as u64 == part.len {
                file.read_at(at, now)?;
                self.check(part, now)?;
            } else {
                let start = usize::try_from(skip).unwrap_or(usize::MAX);
                let bytes = self.load(&*file, part)?;
                now.copy_from_slice(bytes.get(start..start + len).ok_or(io::ErrorKind::UnexpectedEof)?);
            }
            at += len as u64;
            rest = later;
        }
        Ok(())
    }
}

/// Hashes all parts of files, on all cores, or only looks whether they are there; bytes of each, or what is wrong with it.
pub(in crate::store) fn verify(core: &Core, files: &[(ObjectId, Vec<u8>)], deep: bool) -> Vec<Result<u64, StoreError>> {
    let checked = files.iter().map(|(id, body)| {
        let parts = FileParts::decode(body).map_err(|Malformed(what)| malformed(Kind::FILE, *id, what))?;
        let path = core.segments_folder().join(file_name(*id));
        CheckedFile::open(Arc::clone(&core.machine.disk), path, &parts)
    });
    let checked: Vec<Result<CheckedFile, StoreError>> = checked.collect();
    let found: Vec<Mutex<Option<StoreError>>> = files.iter().map(|_| Mutex::default()).collect();
    if deep {
        let work = checked
            .iter()
            .enumerate()
            .filter_map(|(at, file)| Some((at, file.as_ref().ok()?)));
        let work: Vec<(usize, &CheckedFile, &Part)> = work
            .flat_map(|(at, file)| file.parts.iter().map(move |part| (at, file, part)))
            .collect();
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut buffer = vec![0; PIECE_BYTES];
            // Parts come in the order of their files; opening one for each would cost a tenth of it all.
            let mut opened: Option<(usize, Arc<dyn ReadAt>)> = None;
            while let Some((at, file, part)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                let known = opened.take_if(|(known, _)| known == at).map(|(_, open)| Ok(open));
                let open = known.unwrap_or_else(|| file.disk.open(&file.path));
                let checked = open.and_then(|open| {
                    let (_, open) = opened.insert((*at, open));
                    file.read_again(&**open, part, &mut buffer)
                });
                if let Err(error) = checked
                    && let (Some(found), Some((id, _))) = (found.get(*at), files.get(*at))
                {
                    lock(found).get_or_insert_with(|| file.broken(part, *id, error));
                }
            }
        };
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 1..workers.min(work.len()) {
                scope.spawn(worker);
            }
            worker();
        });
    }
    let sizes = checked.into_iter().zip(found);
    let sizes = sizes.map(|(file, found)| match (file, lock(&found).take()) {
        (Ok(file), None) => Ok(file.stat.size_bytes),
        (Err(error), _) | (_, Some(error)) => Err(error),
    });
    sizes.collect()
}

impl CheckedFile {
    /// Hashes a part, through a buffer that stays in the processor's cache.
    fn read_again(&self, file: &dyn ReadAt, part: &Part, buffer: &mut [u8]) -> io::Result<()> {
        let mut hasher = Sha256::new();
        let (mut at, end) = (part.start, part.start + part.len);
        while at < end {
            let len = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
            let (piece, _) = buffer.split_at_mut(len);
            file.read_at(at, piece)?;
            hasher.update(&*piece);
            at += len as u64;
        }
        self.check_hash(part, hasher.finalize().into())
    }

    fn broken(&self, part: &Part, id: ObjectId, error: io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::InvalidData => Damage::new(&self.path, error.to_string())
                .at(part.start)
                .of(Kind::FILE, id)
                .into(),
            _ => StoreError::reading(&self.path, part.start, error),
        }
    }
}

/// A file that was written, but is not part of a commit yet.
#[derive(Clone, Debug)]
pub(super) struct NewFile {
    /// Its FILE object.
    pub object: NewObject,
    pub bytes: u64,
    pub facts: Vec<Facts>,
    /// Ids and commits that its rows keep.
    pub kept: Option<Arc<Kept>>,
    pub held: Arc<Held>,
    /// Nobody finds the file before this is done.
    pub publishing: Arc<Publishing>,
}

/// Encodes a file, and has another thread write it; it is durable once that is done and its folder was synced, too.
pub(super) fn write(core: &Arc<Core>, def: &TableDef, rows: &[Rows]) -> Result<NewFile, StoreError> {
    let folder = core.segments_folder();
    let failed = |what: String| StoreError::from(Damage::new(&folder, format!("a segment cannot be written: {what}")));
    let (schema, batches) = batches(def, rows).map_err(failed)?;
    let encoded = encode_parquet(&schema, &batches, group_rows(rows)).map_err(failed)?;
    let hash = |range: &std::ops::Range<usize>| {
        let bytes = encoded.bytes.get(range.clone()).unwrap_or_default();
        (bytes.len() as u64, Sha256::digest(bytes).into())
    };
    let parts = FileParts {
        parts: encoded.parts.iter().map(hash).collect(),
    };
    let object = NewObject::new(Kind::FILE, parts.encode()).packed(Packing::Plain);
    let target = folder.join(file_name(object.id));
    let held = Arc::new(Held::new(core, &object));
    let kept = Rows::concat_kept(rows).map_err(failed)?.map(Arc::new);
    let (facts, bytes) = facts(&target, encoded, rows)?;
    Ok(NewFile {
        object,
        bytes: bytes.len() as u64,
        facts,
        kept,
        publishing: Arc::new(Publishing::start(core, target, bytes, Arc::clone(&held))?),
        held,
    })
}

/// Rows of a row group, so that all of a file have about as many: a small one at the end would cost a scan as much as a whole one.
fn group_rows(rows: &[Rows]) -> usize {
    let rows: usize = rows.iter().map(|rows| rows.len).sum();
    let groups = (rows + GROUP_ROWS * 3 / 4) / GROUP_ROWS;
    rows.div_ceil(groups.max(1)).max(1)
}

/// What the footer promises, over all row groups; and the file again.
fn facts(path: &Path, encoded: EncodedParquet, rows: &[Rows]) -> Result<(Vec<Facts>, Bytes), StoreError> {
    let bytes = Bytes::from(encoded.bytes);
    let part = ParquetPart::open(Arc::new(MemoryFile(bytes.clone())), path).map_err(as_store_error)?;
    let columns = rows.first().map_or(&[][..], |rows| &rows.columns);
    let facts_of = |(index, column): (usize, &super::rows::Column)| {
        let mut range = None;
        let mut complete = true;
        for (group, rows) in part.group_rows().into_iter().enumerate() {
            let facts = part.facts(group, index);
            if facts.null_count == Some(rows as u64) {
                continue;
            }
            match facts.range {
                Some(found) => range = Some(super::plan::union(range.take(), found)),
                None => complete = false,
            }
        }
        let parts = rows.iter().filter_map(|rows| rows.columns.get(index));
        Facts {
            no: column.no,
            ty: column.ty.clone(),
            range: range.filter(|_| complete),
            null_count: parts.map(|column| column.null_count() as u64).sum(),
        }
    };
    Ok((columns.iter().enumerate().map(facts_of).collect(), bytes))
}

#[derive(Debug)]
struct MemoryFile(Bytes);

impl ReadAt for MemoryFile {
    fn stat(&self) -> Stat {
        Stat {
            size_bytes: self.0.len() as u64,
            mtime_ns: 0,
            is_folder: false,
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = start.checked_add(buffer.len()).and_then(|end| self.0.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The rows as a file has them.
fn batches(def: &TableDef, rows: &[Rows]) -> Result<(SchemaRef, Vec<RecordBatch>), String> {
    let columns = rows.first().map_or(&[][..], |rows| &rows.columns);
    let fields = columns.iter().map(|column| {
        let name = def
            .by_no(column.no)
            .map_or_else(|| number_name(column.no), |def| def.name.clone());
        let id = column.no.0.saturating_add(1).to_string();
        let has_null = |rows: &Rows| {
            let found = rows.column(column.no);
            found.is_none_or(|column| column.null_count() > 0)
        };
        let nullable = column.ty == LogicalType::Null || rows.iter().any(has_null);
        // Parquet's ids are positive numbers of 32 bits.
        let metadata = std::collections::HashMap::from([("PARQUET:field_id".to_string(), id)]);
        ArrowField::new(name, stored_type(&column.ty), nullable).with_metadata(metadata)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = |rows: &Rows| {
        let arrays = rows
            .columns
            .iter()
            .map(|column| to_stored(&column.array()?, &column.ty));
        RecordBatch::try_new(schema.clone(), arrays.collect::<Result<_, _>>()?).map_err(|error| error.to_string())
    };
    let batches = rows.iter().map(batch).collect::<Result<_, _>>()?;
    Ok((schema, batches))
}

fn number_name(no: ColumnNo) -> String {
    format!("column {}", no.0)
}

/// Parquet has no interval of three parts: they are a struct.
fn interval_fields() -> Fields {
    [
        ("months", DataType::Int32),
        ("days", DataType::Int32),
        ("micros", DataType::Int64),
    ]
    .into_iter()
    .map(|(name, ty)| ArrowField::new(name, ty, false))
    .collect()
}

fn stored_type(ty: &LogicalType) -> DataType {
    match ty {
        LogicalType::Interval => DataType::Struct(interval_fields()),
        other => to_arrow(other),
    }
}

fn to_stored(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    if *ty != LogicalType::Interval {
        return Ok(Arc::clone(array));
    }
    let parts = array.as_primitive::<dt::IntervalMonthDayNanoType>().values();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(parts.iter().map(|part| part.months))),
        Arc::new(Int32Array::from_iter_values(parts.iter().map(|part| part.days))),
        Arc::new(Int64Array::from_iter_values(
            parts.iter().map(|part| part.nanoseconds / 1000),
        )),
    ];
    let array = StructArray::try_new(interval_fields(), columns, array.nulls().cloned());
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn from_stored(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef, String> {
    if *ty == LogicalType::Interval {
        let parts = array.as_struct_opt().filter(|parts| parts.num_columns() == 3);
        let parts = parts.ok_or("an interval that is no struct of three numbers")?;
        let numbers = parts.columns().iter().map(crate::formats::integers);
        let numbers: Vec<Vec<i128>> = numbers.collect::<Result<_, _>>()?;
        let [months, days, micros] = numbers.as_slice() else {
            return Err("an interval that is no struct of three numbers".into());
        };
        let values = intervals_to_array(months, days, micros)?;
        let data = values.to_data().into_builder().nulls(parts.nulls().cloned());
        return Ok(arrow::array::make_array(
            data.build().map_err(|error| error.to_string())?,
        ));
    }
    let wanted = to_arrow(ty);
    match *array.data_type() == wanted {
        true => Ok(Arc::clone(array)),
        false => arrow::compute::cast(array, &wanted).map_err(|error| error.to_string()),
    }
}
