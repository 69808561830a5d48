//! A table as a relation: all of its segments as one, in one layout.
//!
//! A table of one file of two row groups and 9,000 segments of one row is four units: the row groups, and two of blocks put
//! together. Behind the table's columns come `_row`, the address of each row, its `_row_id` and `_commit`,
//! and `_live` if some are deleted.
//!
//! Invariants: a column has one layout in all units. Rows keep their places: segment after segment, in the order of their
//! first rows' ids. A chunk's key follows from the contents of its unit and from its layout.
//!
//! Does not: leave out deleted rows; whoever scans filters on `_live`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringViewBuilder, TimestampMicrosecondArray, UInt32Array};
use arrow::buffer::Buffer;
use arrow::compute::{concat, take};
use sha2::{Digest, Sha256};

use super::changelog::{Note, Noted};
use super::core::{Core, as_format_error};
use super::labels::numbered_range;
use super::plan::{Known, Plan, plan, union};
use super::segment::{Deletes, Open, Segment, same_integers};
use super::{COMMIT_COLUMN, LIVE_COLUMN, OP_COLUMN, ROW_COLUMN, ROW_ID_COLUMN, RowAddress, SEQ_COLUMN, TIME_COLUMN};
use crate::catalog::{ColumnDef, TableDef};
use crate::formats::{Bound, ChunkKey, FormatError, Relation, Rows, Target, chunk_from_arrow};
use crate::store::StoreError;
use crate::types::{ColumnChunk, ColumnStats, Field, Layout, LogicalType, Physical, TableStats, Value};

/// Blocks are put together until a unit has so many rows.
const UNIT_ROWS: usize = 1 << 14;
/// Staged rows of a unit with more are worth keeping for the next query of the transaction.
const SOON_READ: usize = 1 << 14;

/// A segment, and what is deleted of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub segment: Arc<Segment>,
    pub deletes: Option<Deletes>,
}

impl Part {
    /// Where its rows stand among those of other segments: in the order in which they came, whatever was compacted since.
    pub(super) fn place(&self) -> (u64, u32) {
        (self.segment.first_row, self.segment.number)
    }
}

/// A table at some time.
#[derive(Debug)]
pub(super) struct TableRelation {
    core: Arc<Core>,
    def: TableDef,
    fields: Vec<Field>,
    stats: TableStats,
    plans: Vec<Plan>,
    extras: Vec<Extra>,
    units: Vec<Unit>,
}

/// A column behind the table's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// Where the row is.
    Address,
    /// Its id.
    RowId,
    /// Who wrote it; in a log, who changed it.
    Commit,
    /// Whether it is there.
    Live,
    /// What was done.
    Op,
    /// When.
    Time,
    /// In which order, within a commit.
    Seq,
}

#[derive(Debug)]
struct Unit {
    rows: usize,
    pieces: Vec<Piece>,
    /// By column: no value lies outside.
    ranges: Vec<Option<(Value, Value)>>,
    content: [u8; 32],
    /// Of the rows' places, and of which are deleted.
    places: [u8; 32],
}

/// Some rows of a segment: all, or a row group.
#[derive(Debug)]
struct Piece {
    part: Part,
    group: usize,
    /// Position in the segment of the first row.
    start: usize,
    rows: usize,
    /// Only these rows of it, by their positions in the group.
    picked: Option<UInt32Array>,
    /// In a log: how they were changed.
    note: Option<Note>,
}

impl Piece {
    /// Positions in the segment.
    fn positions(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match &self.picked {
            None => Box::new(self.start..self.start + self.rows),
            Some(picked) => Box::new(picked.values().iter().map(|row| self.start + *row as usize)),
        }
    }

    fn array(&self, core: &Core, column: &ColumnDef) -> Result<ArrayRef, StoreError> {
        match &self.picked {
            None => self.part.segment.array(core, self.group, column),
            Some(picked) => {
                let all = self.part.segment.kept_array(core, self.group, column)?;
                let taken = take(&all, picked, None);
                taken.map_err(|error| StoreError::Unfit(error.to_string()))
            }
        }
    }
}

impl TableRelation {
    /// Unites segments.
    pub(super) fn new(
        core: Arc<Core>,
        def: &TableDef,
        parts: Vec<Part>,
        has_deletes: bool,
    ) -> Result<Self, StoreError> {
        let segments: Vec<_> = parts.iter().map(|part| Arc::clone(&part.segment)).collect();
        let plans = def.columns.iter().map(|column| plan(&core, column, &segments));
        let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
        let mut fields = def.fields();
        let mut columns: Vec<_> = plans.iter().map(|plan| plan.stats.clone()).collect();
        let extras = extras(has_deletes);
        add_extras(&extras, &mut fields, &mut columns, &segments);
        let units = Units::cut(&core, def, parts)?;
        Ok(Self::of_units(core, def, (fields, columns), plans, extras, units))
    }

    /// Some rows of some segments, in their order, all of them live.
    pub(super) fn of_rows(
        core: Arc<Core>,
        def: &TableDef,
        plans: Vec<Plan>,
        fields: &[Field],
        picked: Vec<(Part, Vec<usize>)>,
    ) -> Result<Self, StoreError> {
        let mut columns: Vec<_> = plans.iter().map(|plan| plan.stats.clone()).collect();
        let segments: Vec<_> = picked.iter().map(|(part, _)| Arc::clone(&part.segment)).collect();
        let extras: Vec<Extra> = fields.iter().skip(plans.len()).filter_map(Extra::of).collect();
        add_extras(&extras, &mut Vec::new(), &mut columns, &segments);
        let mut units = Units::new(&core, def);
        for (mut part, rows) in picked {
            part.deletes = None;
            units.pick(part, &rows)?;
        }
        units.close()?;
        let units = units.done;
        Ok(Self::of_units(
            core,
            def,
            (fields.to_vec(), columns),
            plans,
            extras,
            units,
        ))
    }

    /// Rows that were changed, in no particular order.
    pub(super) fn of_log(
        core: Arc<Core>,
        def: &TableDef,
        changed: Vec<Noted>,
        extras: Vec<Extra>,
    ) -> Result<Self, StoreError> {
        let segments: Vec<_> = changed.iter().map(|noted| Arc::clone(&noted.part.segment)).collect();
        let plans = def.columns.iter().map(|column| plan(&core, column, &segments));
        let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
        let mut fields = def.fields();
        // Images of before may lack what the column requires today.
        fields.iter_mut().for_each(|field| field.nullable = true);
        let mut columns: Vec<_> = plans.iter().map(|plan| plan.stats.clone()).collect();
        columns
            .iter_mut()
            .for_each(|stats| stats.null_count = stats.null_count.filter(|nulls| *nulls == 0));
        add_extras(&extras, &mut fields, &mut columns, &segments);
        let mut units = Units::new(&core, def);
        for noted in changed {
            units.pick_noted(noted)?;
        }
        units.close()?;
        let units = units.done;
        Ok(Self::of_units(core, def, (fields, columns), plans, extras, units))
    }

    fn of_units(
        core: Arc<Core>,
        def: &TableDef,
        (fields, columns): (Vec<Field>, Vec<ColumnStats>),
        plans: Vec<Plan>,
        extras: Vec<Extra>,
        units: Vec<Unit>,
    ) -> Self {
        let rows = units.iter().map(|unit| unit.rows as u64).sum();
        Self {
            core,
            def: def.clone(),
            fields,
            stats: TableStats {
                rows: Some(rows),
                columns,
            },
            plans,
            extras,
            units,
        }
    }

    /// Several pieces of a column, put together.
    fn united(&self, unit: &Unit, column: usize) -> Result<(ColumnChunk, u64), FormatError> {
        let (def, target) = (&self.def.columns[column], &self.plans[column].target);
        let arrays = unit.pieces.iter().map(|piece| piece.array(&self.core, def));
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_, _>>().map_err(as_format_error)?;
        let all: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
        let unfit = |message: String| match unit.pieces.first() {
            Some(piece) => piece.part.segment.unfit(def, message),
            None => FormatError::Corrupt {
                path: "packs".into(),
                message,
            },
        };
        let array = concat(&all).map_err(|error| unfit(error.to_string()))?;
        if array.len() != unit.rows {
            return Err(unfit(format!("{} rows where there must be {}", array.len(), unit.rows)));
        }
        Ok((chunk_from_arrow(&array, target).map_err(unfit)?, 0))
    }
}

/// The columns of a table, then the hidden ones.
pub(super) fn fields(def: &TableDef, has_deletes: bool) -> Vec<Field> {
    let mut fields = def.fields();
    add_extras(&extras(has_deletes), &mut fields, &mut Vec::new(), &[]);
    fields
}

/// The columns behind a table's own.
pub(super) fn extras(has_deletes: bool) -> Vec<Extra> {
    let mut extras = vec![Extra::Address, Extra::RowId, Extra::Commit];
    extras.extend(has_deletes.then_some(Extra::Live));
    extras
}

/// What is known of the columns behind the table's own.
fn add_extras(extras: &[Extra], fields: &mut Vec<Field>, columns: &mut Vec<ColumnStats>, segments: &[Arc<Segment>]) {
    columns.extend(stats_of_extras(extras, segments));
    for extra in extras {
        let (name, ty) = extra.field();
        fields.push(Field {
            nullable: !matches!(extra, Extra::Address | Extra::Live),
            ..hidden(name, ty)
        });
    }
}

/// The statistics of such columns, over some segments.
pub(super) fn stats_of_extras(extras: &[Extra], segments: &[Arc<Segment>]) -> Vec<ColumnStats> {
    let stats = |extra: &Extra| match extra {
        Extra::Address => row_stats(segments),
        Extra::Live => live_stats(),
        _ => ColumnStats::unknown(Target::natural(&extra.field().1).layout),
    };
    extras.iter().map(stats).collect()
}

impl Extra {
    /// The one that a column is.
    fn of(field: &Field) -> Option<Self> {
        let all = [Self::Address, Self::RowId, Self::Commit, Self::Live];
        all.into_iter().find(|extra| extra.field().0 == field.name)
    }

    fn field(self) -> (&'static str, LogicalType) {
        match self {
            Self::Address => (ROW_COLUMN, LogicalType::BigInt),
            Self::RowId => (ROW_ID_COLUMN, LogicalType::BigInt),
            Self::Commit => (COMMIT_COLUMN, LogicalType::String),
            Self::Live => (LIVE_COLUMN, LogicalType::Boolean),
            Self::Op => (OP_COLUMN, LogicalType::String),
            Self::Time => (TIME_COLUMN, LogicalType::TimestampTz),
            Self::Seq => (SEQ_COLUMN, LogicalType::BigInt),
        }
    }
}

fn hidden(name: &str, ty: LogicalType) -> Field {
    Field {
        name: name.into(),
        ty,
        nullable: false,
    }
}

fn row_stats(segments: &[Arc<Segment>]) -> ColumnStats {
    let mut stats = ColumnStats::unknown(Layout::Plain(Physical::I64));
    let ends = segments.iter().filter(|segment| segment.rows > 0).map(|segment| {
        let last = segment.rows - 1;
        (
            RowAddress::new(segment.number, 0),
            RowAddress::new(segment.number, last),
        )
    });
    let value = |address: RowAddress| Value::Int(address.0.into());
    stats.min = ends.clone().map(|(first, _)| first).min().map(value);
    stats.max = ends.map(|(_, last)| last).max().map(value);
    stats.null_count = Some(0);
    stats
}

fn live_stats() -> ColumnStats {
    let mut stats = ColumnStats::unknown(Layout::Plain(Physical::I8));
    stats.null_count = Some(0);
    stats
}

/// Units being cut.
struct Units<'a> {
    core: &'a Core,
    def: &'a TableDef,
    done: Vec<Unit>,
    open: Vec<Piece>,
    open_rows: usize,
}

impl<'a> Units<'a> {
    fn new(core: &'a Core, def: &'a TableDef) -> Self {
        Self {
            core,
            def,
            done: Vec::new(),
            open: Vec::new(),
            open_rows: 0,
        }
    }

    fn cut(core: &'a Core, def: &'a TableDef, parts: Vec<Part>) -> Result<Vec<Unit>, StoreError> {
        let mut units = Self::new(core, def);
        for part in parts {
            units.add(part)?;
        }
        units.close()?;
        Ok(units.done)
    }

    fn add(&mut self, part: Part) -> Result<(), StoreError> {
        if part.segment.rows == 0 {
            return Ok(());
        }
        if part.segment.is_small() {
            let rows = part.segment.rows;
            if self.open_rows + rows > UNIT_ROWS && self.open_rows > 0 {
                self.close()?;
            }
            self.open_rows += rows;
            self.open.push(Piece {
                part,
                group: 0,
                start: 0,
                rows,
                picked: None,
                note: None,
            });
            return Ok(());
        }
        self.close()?;
        let Open::File(file) = part.segment.open(self.core)? else {
            return Ok(());
        };
        let mut start = 0;
        for (group, rows) in file.groups.iter().copied().enumerate().filter(|(_, rows)| *rows > 0) {
            let part = part.clone();
            let piece = Piece {
                part,
                group,
                start,
                rows,
                picked: None,
                note: None,
            };
            start += rows;
            self.push(vec![piece])?;
        }
        Ok(())
    }

    /// Adds some rows of a segment.
    fn pick(&mut self, part: Part, rows: &[usize]) -> Result<(), StoreError> {
        let groups = match part.segment.open(self.core)? {
            Open::Rows(rows) => vec![rows.len],
            Open::File(file) => file.groups.clone(),
        };
        let mut start = 0;
        for (group, len) in groups.into_iter().enumerate() {
            let inside = rows
                .iter()
                .filter_map(|row| row.checked_sub(start).filter(|row| *row < len));
            let picked: UInt32Array = inside.map(super::position).collect::<Vec<_>>().into();
            if !picked.is_empty() {
                self.open.push(Piece {
                    part: part.clone(),
                    group,
                    start,
                    rows: picked.len(),
                    picked: Some(picked),
                    note: None,
                });
            }
            start += len;
        }
        Ok(())
    }

    /// Adds some rows of a segment, with how they were changed.
    fn pick_noted(&mut self, noted: Noted) -> Result<(), StoreError> {
        let groups = match noted.part.segment.open(self.core)? {
            Open::Rows(rows) => vec![rows.len],
            Open::File(file) => file.groups.clone(),
        };
        let mut rest = noted.rows.as_slice();
        let mut start = 0;
        for (group, len) in groups.into_iter().enumerate() {
            let end = super::position(start + len);
            let (inside, after) = rest.split_at(rest.partition_point(|(row, _)| *row < end));
            rest = after;
            if inside.is_empty() {
                start += len;
                continue;
            }
            let first = super::position(start);
            let whole = inside.len() == len && !noted.part.segment.is_small();
            let picked = inside.iter().map(|(row, _)| row - first).collect::<Vec<_>>();
            let piece = Piece {
                part: noted.part.clone(),
                group,
                start,
                rows: inside.len(),
                picked: (!whole).then(|| picked.into()),
                note: Some(Note {
                    op: noted.op,
                    by: Arc::clone(&noted.by),
                    seqs: inside.iter().map(|(_, seq)| *seq).collect(),
                }),
            };
            start += len;
            if whole || self.open_rows + piece.rows > UNIT_ROWS {
                self.close()?;
            }
            if whole {
                self.push(vec![piece])?;
            } else {
                self.open_rows += piece.rows;
                self.open.push(piece);
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.open_rows = 0;
        match std::mem::take(&mut self.open) {
            none if none.is_empty() => Ok(()),
            pieces => self.push(pieces),
        }
    }

    fn push(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let (mut content, mut places) = (Sha256::new(), Sha256::new());
        for piece in &pieces {
            content.update(piece.part.segment.content);
            content.update((piece.group as u64).to_le_bytes());
            for row in piece.picked.iter().flat_map(|picked| picked.values()) {
                content.update([1]);
                content.update(row.to_le_bytes());
                places.update(row.to_le_bytes());
            }
            places.update(piece.part.segment.number.to_le_bytes());
            let who = piece.part.segment.who_key();
            places.update((who.len() as u64).to_le_bytes());
            places.update(who);
            places.update((piece.start as u64).to_le_bytes());
            places.update((piece.rows as u64).to_le_bytes());
            if let Some(note) = &piece.note {
                places.update(note.op.name());
                places.update(note.by.id.as_bytes());
                note.seqs.iter().for_each(|seq| places.update(seq.to_le_bytes()));
            }
            if let Some(deletes) = &piece.part.deletes {
                places.update(deletes.len().to_le_bytes());
                deletes.iter().for_each(|row| places.update(row.to_le_bytes()));
            }
        }
        let columns = self.def.columns.iter().map(|column| self.range(&pieces, column));
        self.done.push(Unit {
            rows: pieces.iter().map(|piece| piece.rows).sum(),
            ranges: columns.collect::<Result<_, _>>()?,
            content: content.finalize().into(),
            places: places.finalize().into(),
            pieces,
        });
        Ok(())
    }

    /// What is promised of a column in a unit; an impossible range if all are NULL.
    fn range(&self, pieces: &[Piece], column: &ColumnDef) -> Result<Option<(Value, Value)>, StoreError> {
        let mut range = None;
        for piece in pieces {
            let mut known = Known::of(&piece.part.segment, column)?;
            if !piece.part.segment.is_small()
                && let Open::File(file) = piece.part.segment.open(self.core)?
                && let Some((index, ty)) = piece.part.segment.stored(column.no)?
                && same_integers(&ty, &column.ty)
            {
                let of_group = file.part.facts(piece.group, index).range;
                let of_group = of_group.and_then(|range| numbered_range(range, &column.ty));
                known.range = of_group.or(known.range);
            }
            match known.range {
                _ if known.all_null => {}
                Some(found) => range = Some(union(range.take(), found)),
                None => return Ok(None),
            }
        }
        Ok(range)
    }
}

impl Relation for TableRelation {
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

    fn passes(&self, unit: usize) -> bool {
        let unit = &self.units[unit];
        unit.rows <= SOON_READ && unit.pieces.iter().any(|piece| piece.part.segment.is_pending())
    }

    fn chunk_key(&self, unit: usize, column: usize) -> ChunkKey {
        let unit = &self.units[unit];
        match self.def.columns.get(column) {
            Some(def) => ChunkKey::Content {
                content: unit.content,
                column: def.no.0 as usize,
                shape: self.plans[column].shape,
            },
            None => ChunkKey::Content {
                content: unit.places,
                column: self.extras[column - self.def.columns.len()] as usize,
                shape: *b"places of rows..",
            },
        }
    }

    fn candidates(&self, unit: usize, bounds: &[Bound]) -> Rows {
        let unit = &self.units[unit];
        let possible = bounds.iter().all(|bound| match unit.ranges.get(bound.column) {
            Some(Some((min, max))) => crate::formats::may_match(min, max, bound),
            _ => true,
        });
        match possible {
            true => Rows::all(unit.rows),
            false => Rows::default(),
        }
    }

    fn read(&self, unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError> {
        let unit = &self.units[unit];
        if let Some(def) = self.def.columns.get(column) {
            let target: &Target = &self.plans[column].target;
            return match unit.pieces.as_slice() {
                [piece] if !piece.part.segment.is_small() && piece.picked.is_none() => {
                    piece.part.segment.chunk(&self.core, piece.group, def, target)
                }
                _ => self.united(unit, column),
            };
        }
        let extra = self.extras[column - self.def.columns.len()];
        let array = match extra {
            Extra::Address => return Ok((plain_chunk(unit.rows, unit.addresses()), 0)),
            Extra::Live => return Ok((plain_chunk(unit.rows, unit.liveness()), 0)),
            Extra::RowId => unit.row_ids(&self.core),
            Extra::Commit if unit.is_log() => Ok(unit.of_notes(|note| &note.by.id)),
            Extra::Commit => unit.commits(&self.core),
            Extra::Op => Ok(unit.of_notes(|note| note.op.name())),
            Extra::Time => Ok(unit.times()),
            Extra::Seq => Ok(unit.seqs()),
        };
        hidden_chunk(&array.map_err(as_format_error)?, &extra.field().1)
    }
}

fn plain_chunk(rows: usize, values: Buffer) -> ColumnChunk {
    ColumnChunk {
        rows,
        values,
        validity: None,
        owners: Vec::new(),
    }
}

impl Unit {
    fn addresses(&self) -> Buffer {
        let addresses = self.pieces.iter().flat_map(|piece| {
            let rows = piece.positions();
            rows.map(|row| RowAddress::new(piece.part.segment.number, row).0.cast_signed())
        });
        buffer(&addresses.collect::<Vec<i64>>())
    }

    fn row_ids(&self, core: &Core) -> Result<ArrayRef, StoreError> {
        let mut ids: Vec<Option<i64>> = Vec::with_capacity(self.rows);
        for piece in &self.pieces {
            for row in piece.positions() {
                let (id, _) = piece.part.segment.who(core, super::position(row))?;
                ids.push(id.map(u64::cast_signed));
            }
        }
        Ok(Arc::new(Int64Array::from(ids)))
    }

    fn commits(&self, core: &Core) -> Result<ArrayRef, StoreError> {
        let mut names = CommitNames::default();
        let mut commits = StringViewBuilder::with_capacity(self.rows).with_deduplicate_strings();
        for piece in &self.pieces {
            for row in piece.positions() {
                let (_, commit) = piece.part.segment.who(core, super::position(row))?;
                match commit {
                    Some(commit) => commits.append_value(names.name(core, commit)?),
                    None => commits.append_null(),
                }
            }
        }
        Ok(Arc::new(commits.finish()))
    }

    fn is_log(&self) -> bool {
        self.pieces.iter().any(|piece| piece.note.is_some())
    }

    fn notes(&self) -> impl Iterator<Item = &Note> {
        self.pieces.iter().filter_map(|piece| piece.note.as_ref())
    }

    fn of_notes<'n>(&'n self, text: impl Fn(&'n Note) -> &'n str) -> ArrayRef {
        let mut texts = StringViewBuilder::with_capacity(self.rows).with_deduplicate_strings();
        for note in self.notes() {
            note.seqs.iter().for_each(|_| texts.append_value(text(note)));
        }
        Arc::new(texts.finish())
    }

    fn times(&self) -> ArrayRef {
        let times = self.notes().flat_map(|note| note.seqs.iter().map(|_| note.by.time_us));
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    }

    fn seqs(&self) -> ArrayRef {
        let seqs = self.notes().flat_map(|note| note.seqs.iter().copied().map(i64::from));
        Arc::new(Int64Array::from_iter_values(seqs))
    }

    fn liveness(&self) -> Buffer {
        let mut live = vec![1_i8; self.rows];
        let mut first = 0;
        for piece in &self.pieces {
            let range = super::position(piece.start)..super::position(piece.start + piece.rows);
            for row in piece
                .part
                .deletes
                .iter()
                .flat_map(|deletes| deletes.range(range.clone()))
            {
                let at = first + (row as usize - piece.start);
                live.get_mut(at).into_iter().for_each(|live| *live = 0);
            }
            first += piece.rows;
        }
        buffer(&live)
    }
}

/// A hidden column, in the layout that its statistics promise.
fn hidden_chunk(array: &ArrayRef, ty: &LogicalType) -> Result<(ColumnChunk, u64), FormatError> {
    let chunk = chunk_from_arrow(array, &Target::natural(ty)).map_err(|message| FormatError::Corrupt {
        path: "packs".into(),
        message,
    })?;
    Ok((chunk, 0))
}

/// The hashes of commits, as text; many rows in a row have the same.
#[derive(Default)]
struct CommitNames(Option<(u64, String)>);

impl CommitNames {
    fn name(&mut self, core: &Core, commit: u64) -> Result<&str, StoreError> {
        let known = self.0.take_if(|(known, _)| *known == commit);
        let (_, name) = match known {
            Some(known) => self.0.insert(known),
            None => self.0.insert((commit, core.timeline.commit_at(commit)?.to_string())),
        };
        Ok(name)
    }
}

/// Values where the engine wants them: aligned as a mutable buffer is.
fn buffer<T: arrow::datatypes::ArrowNativeType>(values: &[T]) -> Buffer {
    let mut out = arrow::buffer::MutableBuffer::with_capacity(size_of_val(values));
    out.extend_from_slice(values);
    out.into()
}
