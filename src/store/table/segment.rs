//! A segment: rows that were written together, wherever they lie.
//!
//! Segment 12 of table 7 is a block of one row inside its entry; segment 13 is a file; segment 14 is in memory, appended by
//! a transaction that is under way. All give a column as an array, or as a chunk of some layout.
//!
//! Invariants: a segment's rows never change; which of them are deleted is said beside it. What is read is converted to the
//! column's type of today: missing columns are what rows had that were written before.
//!
//! Does not: choose layouts.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast as cast_array;
use roaring::RoaringBitmap;

use super::block;
use super::cell::{memory_bytes, value_at};
use super::core::{Core, Held, as_format_error, as_store_error, malformed, token};
use super::entry::{Facts, Origin, Place, SegmentEntry};
use super::file::{NewFile, OpenFile};
use super::labels::numbered;
use super::lineage::{Kept, Lineage};
use super::rows::Rows;
use crate::catalog::{ColumnDef, ColumnNo};
use crate::formats::{FormatError, Target, chunk_from_arrow};
use crate::store::StoreError;
use crate::store::object::{Kind, ObjectId, ReadObjects, tagged};
use crate::types::array::constant_array;
use crate::types::arrow::to_arrow;
use crate::types::cast::cast;
use crate::types::{ColumnChunk, LogicalType, Value};

/// Rows that are deleted, by their positions in a segment.
pub(super) type Deletes = Arc<RoaringBitmap>;

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u32,
    /// Rows, deleted ones too.
    pub rows: usize,
    /// As it is stored; in memory, if it is not.
    pub bytes: u64,
    /// The id of its first row; greater than any before there is one.
    pub first_row: u64,
    /// A hash of the contents, or of something that nothing else in this process goes by.
    pub content: [u8; 32],
    source: Source,
    who: Who,
    rows_facts: OnceLock<Vec<Facts>>,
}

/// Who the rows are.
#[derive(Debug)]
enum Who {
    /// Rows that are not committed.
    Staged(Option<Arc<Kept>>),
    /// A commit's.
    Committed(Origin, OnceLock<Arc<Lineage>>),
}

#[derive(Debug)]
enum Source {
    Rows(Arc<Rows>),
    Block {
        id: ObjectId,
        facts: Vec<Facts>,
        rows: OnceLock<Arc<Rows>>,
    },
    File {
        id: ObjectId,
        facts: Vec<Facts>,
        /// Before it is committed.
        _held: Option<Arc<Held>>,
    },
}

/// What [`Segment::open`] of a segment comes to.
pub(super) enum Open {
    Rows(Arc<Rows>),
    File(Arc<OpenFile>),
}

impl Segment {
    /// A segment of the snapshot tree.
    pub(super) fn of_entry(number: u32, entry: &SegmentEntry) -> Result<Self, StoreError> {
        let (facts, len) = (entry.columns.clone(), usize::try_from(entry.rows).unwrap_or(usize::MAX));
        let (source, content, rows) = match &entry.place {
            Place::Inline(bytes) => {
                let id = ObjectId::of(Kind::SEGMENT, bytes);
                let rows = block::decode(bytes).map_err(|what| malformed(Kind::SEGMENT, id, what))?;
                let len = rows.len;
                (Source::Rows(Arc::new(rows)), id, len)
            }
            Place::Block(id) => {
                let rows = OnceLock::new();
                (Source::Block { id: *id, facts, rows }, *id, len)
            }
            Place::File(id) => {
                let (id, _held) = (*id, None);
                (Source::File { id, facts, _held }, id, len)
            }
        };
        Ok(Self {
            number,
            rows,
            bytes: entry.bytes,
            first_row: entry.origin.first_row(),
            content: content.0,
            source,
            who: Who::Committed(entry.origin.clone(), OnceLock::new()),
            rows_facts: OnceLock::new(),
        })
    }

    /// A segment in memory.
    pub(super) fn staged(number: u32, rows: Arc<Rows>) -> Self {
        Self {
            number,
            rows: rows.len,
            bytes: rows.bytes() as u64,
            first_row: u64::MAX,
            content: tagged(Kind::BLOB, &[b"staged", &token().to_le_bytes()]),
            who: Who::Staged(rows.kept.clone().map(Arc::new)),
            source: Source::Rows(rows),
            rows_facts: OnceLock::new(),
        }
    }

    /// A segment that was written ahead of its commit.
    pub(super) fn written(number: u32, rows: usize, file: &NewFile) -> Self {
        Self {
            number,
            rows,
            bytes: file.bytes,
            first_row: u64::MAX,
            content: file.object.id.0,
            source: Source::File {
                id: file.object.id,
                facts: file.facts.clone(),
                _held: Some(Arc::clone(&file.held)),
            },
            who: Who::Staged(file.kept.clone()),
            rows_facts: OnceLock::new(),
        }
    }

    /// What its rows keep, if they are staged.
    pub(super) fn kept(&self) -> Option<&Kept> {
        match &self.who {
            Who::Staged(kept) => kept.as_deref(),
            Who::Committed(..) => None,
        }
    }

    /// Who its rows are; `None` before they are committed.
    pub(super) fn lineage(&self, core: &Core) -> Result<Option<Arc<Lineage>>, StoreError> {
        let Who::Committed(origin, known) = &self.who else {
            return Ok(None);
        };
        if let Some(known) = known.get() {
            return Ok(Some(Arc::clone(known)));
        }
        let rows = super::position(self.rows);
        let lineage = match origin {
            Origin::Plain { first_row, commit } => Lineage::plain(*first_row, *commit),
            Origin::Inline { bytes, .. } => Lineage::decode(bytes, rows).map_err(|what| self.malformed(what.0))?,
            Origin::Object { id, .. } => {
                let bytes = core.read(Kind::LINEAGE, *id)?;
                Lineage::decode(&bytes, rows).map_err(|what| malformed(Kind::LINEAGE, *id, what.0))?
            }
        };
        Ok(Some(Arc::clone(known.get_or_init(|| Arc::new(lineage)))))
    }

    /// A row's id and the place in the log of the commit that wrote it, as far as there are any yet.
    pub(super) fn who(&self, core: &Core, row: u32) -> Result<(Option<u64>, Option<u64>), StoreError> {
        if let Who::Committed(Origin::Plain { first_row, commit }, _) = &self.who {
            return Ok((Some(first_row.saturating_add(row.into())), Some(*commit)));
        }
        Ok(match self.lineage(core)? {
            Some(lineage) => (Some(lineage.id(row)), Some(lineage.commit(row))),
            None => self.kept().map_or((None, None), |kept| kept.of(row as usize)),
        })
    }

    /// What tells its rows' ids and commits from those of a segment of the same contents.
    pub(super) fn who_key(&self) -> Vec<u8> {
        match &self.who {
            Who::Staged(_) => self.content.to_vec(),
            Who::Committed(Origin::Plain { first_row, commit }, _) => {
                [first_row.to_le_bytes(), commit.to_le_bytes()].concat()
            }
            Who::Committed(Origin::Inline { bytes, .. }, _) => bytes.to_vec(),
            Who::Committed(Origin::Object { id, .. }, _) => id.0.to_vec(),
        }
    }

    /// Whether it lies in memory or nearly so.
    pub(super) fn is_small(&self) -> bool {
        !matches!(self.source, Source::File { .. })
    }

    /// Whether its rows are staged, and in memory: with the next one it is another segment.
    pub(super) fn is_pending(&self) -> bool {
        matches!((&self.source, &self.who), (Source::Rows(_), Who::Staged(_)))
    }

    /// The file that it is.
    pub(super) fn file_id(&self) -> Option<ObjectId> {
        match &self.source {
            Source::File { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The rows, or the file that they are in.
    pub(super) fn open(&self, core: &Core) -> Result<Open, StoreError> {
        match &self.source {
            Source::Rows(rows) => Ok(Open::Rows(Arc::clone(rows))),
            Source::Block { id, rows, .. } => {
                if let Some(known) = rows.get() {
                    return Ok(Open::Rows(Arc::clone(known)));
                }
                if let Some(known) = core.blocks.get(id).filter(|known| known.len == self.rows) {
                    return Ok(Open::Rows(Arc::clone(rows.get_or_init(|| known))));
                }
                let bytes = core.read(Kind::SEGMENT, *id)?;
                let read = block::decode(&bytes).map_err(|what| malformed(Kind::SEGMENT, *id, what))?;
                if read.len != self.rows {
                    return Err(malformed(
                        Kind::SEGMENT,
                        *id,
                        "the block does not have the rows that it should",
                    ));
                }
                let read = rows.get_or_init(|| Arc::new(read));
                core.blocks.insert(*id, Arc::clone(read), read.bytes());
                Ok(Open::Rows(Arc::clone(read)))
            }
            Source::File { id, .. } => core.file(*id).map(Open::File),
        }
    }

    /// What is promised of all its columns.
    pub(super) fn facts(&self) -> Result<&[Facts], StoreError> {
        match &self.source {
            Source::Block { facts, .. } | Source::File { facts, .. } => Ok(facts),
            Source::Rows(rows) => {
                if let Some(known) = self.rows_facts.get() {
                    return Ok(known);
                }
                let id = ObjectId(self.content);
                let facts = rows.facts().map_err(|what| malformed(Kind::SEGMENT, id, what))?;
                Ok(self.rows_facts.get_or_init(|| facts))
            }
        }
    }

    /// A column of a row group (of everything, unless it is a file), converted to the column's type.
    pub(super) fn array(&self, core: &Core, group: usize, column: &ColumnDef) -> Result<ArrayRef, StoreError> {
        match self.open(core)? {
            Open::Rows(rows) => {
                let Some(found) = rows.column(column.no) else {
                    return self.missing_array(column, rows.len);
                };
                let array = found.array().map_err(|what| self.malformed(what))?;
                self.converted(&array, &found.ty, column)
            }
            Open::File(file) => {
                let Some((index, ty)) = self.stored(column.no)? else {
                    return self.missing_array(column, file.groups.get(group).copied().unwrap_or(0));
                };
                let array = file.array(group, index, &ty).map_err(as_store_error)?;
                self.converted(&array, &ty, column)
            }
        }
    }

    /// The same, kept in memory for the next who wants some rows of it.
    pub(super) fn kept_array(&self, core: &Core, group: usize, column: &ColumnDef) -> Result<ArrayRef, StoreError> {
        if self.is_small() {
            return self.array(core, group, column);
        }
        let key = (self.content, group, column.no, column.ty.clone());
        if let Some(known) = core.arrays.get(&key) {
            return Ok(known);
        }
        let array = self.array(core, group, column)?;
        core.arrays.insert(key, Arc::clone(&array), memory_bytes(&array));
        Ok(array)
    }

    /// A value of a column: the row of a row group. The column is kept in memory for the next who wants a value of it.
    pub(super) fn kept_value(
        &self,
        core: &Core,
        (group, row): (usize, usize),
        column: &ColumnDef,
    ) -> Result<Value, StoreError> {
        let array = self.kept_array(core, group, column)?;
        if row >= array.len() {
            return Err(self.malformed("a row group has fewer rows than it says"));
        }
        value_at(&array, row, &column.ty).map_err(|what| self.malformed(what))
    }

    /// A column of a row group of a file in a layout; also gives the bytes read.
    pub(super) fn chunk(
        &self,
        core: &Core,
        group: usize,
        column: &ColumnDef,
        target: &Target,
    ) -> Result<(ColumnChunk, u64), FormatError> {
        if let Open::File(file) = self.open(core).map_err(as_format_error)?
            && let Some((index, ty)) = self.stored(column.no).map_err(as_format_error)?
            && same_integers(&ty, &column.ty)
            && !column.ty.is_reordered()
        {
            let interval = column.ty == LogicalType::Interval;
            if !interval {
                return file.part.read(group, index, target);
            }
        }
        let array = self.array(core, group, column).map_err(as_format_error)?;
        let chunk = chunk_from_arrow(&array, target).map_err(|message| self.unfit(column, message))?;
        Ok((chunk, 0))
    }

    /// An error about data that are not as promised.
    pub(super) fn unfit(&self, column: &ColumnDef, message: String) -> FormatError {
        FormatError::Corrupt {
            path: "packs".into(),
            message: format!("segment {}, column `{}`: {message}", self.number, column.name),
        }
    }

    /// Where a file has a column, and its type there.
    pub(super) fn stored(&self, no: ColumnNo) -> Result<Option<(usize, LogicalType)>, StoreError> {
        let mut facts = self.facts()?.iter().enumerate();
        let found = facts.find(|(_, facts)| facts.no == no);
        Ok(found.map(|(index, facts)| (index, facts.ty.clone())))
    }

    fn missing_array(&self, column: &ColumnDef, rows: usize) -> Result<ArrayRef, StoreError> {
        let value = missing_value(column);
        constant_array(&value, &column.ty, rows).map_err(|what| self.malformed(what))
    }

    fn converted(&self, array: &ArrayRef, from: &LogicalType, column: &ColumnDef) -> Result<ArrayRef, StoreError> {
        let wanted = to_arrow(&column.ty);
        if *array.data_type() == wanted {
            return numbered(array, &column.ty).map_err(|what| self.malformed(what));
        }
        if !column.ty.is_nested() && !same_integers(from, &column.ty) && arrow_differs(from, &column.ty) {
            return self.converted_one_by_one(array, from, column);
        }
        let array = cast_array(array, &wanted).map_err(|error| self.malformed(error.to_string()))?;
        numbered(&array, &column.ty).map_err(|what| self.malformed(what))
    }

    fn converted_one_by_one(
        &self,
        array: &ArrayRef,
        from: &LogicalType,
        column: &ColumnDef,
    ) -> Result<ArrayRef, StoreError> {
        let mut out = Vec::with_capacity(array.len());
        for row in 0..array.len() {
            let value = value_at(array, row, from).map_err(|what| self.malformed(what))?;
            let value = cast(&value, from, &column.ty).map_err(|error| self.malformed(error.to_string()))?;
            out.push(constant_array(&value, &column.ty, 1).map_err(|what| self.malformed(what))?);
        }
        let parts: Vec<&dyn Array> = out.iter().map(|array| &**array).collect();
        if parts.is_empty() {
            return Ok(arrow::array::new_empty_array(&to_arrow(&column.ty)));
        }
        arrow::compute::concat(&parts).map_err(|error| self.malformed(error.to_string()))
    }

    pub(super) fn malformed(&self, what: impl Into<String>) -> StoreError {
        malformed(Kind::SEGMENT, ObjectId(self.content), what)
    }
}

/// Whether Arrow's casts might not mean what SQL's do: only numbers to wider numbers, and dates to timestamps, are Arrow's.
fn arrow_differs(from: &LogicalType, to: &LogicalType) -> bool {
    use LogicalType as T;
    let is_decimal = |ty: &T| matches!(ty, T::Decimal { .. });
    let widening = from.is_integer() && (to.is_integer() || to.is_float() || is_decimal(to));
    let floats = from.is_float() && to.is_float();
    let decimals = is_decimal(from) && is_decimal(to);
    let times = matches!((from, to), (T::Date, T::Timestamp | T::TimestampTz));
    !(widening || floats || decimals || times)
}

/// Whether two types store a value as the same integer.
pub(super) fn same_integers(a: &LogicalType, b: &LogicalType) -> bool {
    use LogicalType as T;
    match (a, b) {
        (T::Decimal { scale: a, .. }, T::Decimal { scale: b, .. }) => a == b,
        (T::Timestamp | T::TimestampTz, T::Timestamp | T::TimestampTz) => true,
        (a, b) => a == b || is_integer(a) && is_integer(b),
    }
}

/// Codes of labels are integers, which stay what they are when there are more of them.
fn is_integer(ty: &LogicalType) -> bool {
    ty.is_integer() || matches!(ty, LogicalType::Enum(_))
}

/// What rows have that were written before a column was added.
pub(super) fn missing_value(column: &ColumnDef) -> Value {
    let text = column.missing.as_ref().map(|text| Value::String(text.as_str().into()));
    let value = text.and_then(|text| cast(&text, &LogicalType::String, &column.ty).ok());
    value.unwrap_or(Value::Null)
}
