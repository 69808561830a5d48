//! What indexes say of rows: their keys, and the hashes of what they say.
//!
//! Of 100,000 rows in memory each has, for the primary key (a, b), an entry with the bytes of `a` and `b`, the address and the
//! SHA-256 of the row; the bytes are written column by column into a buffer that all rows share.
//!
//! Invariants: the entries are those that [`super::index`] describes.
//!
//! Does not: order entries, or keep them.

use arrow::array::ArrayRef;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

use super::RowAddress;
use super::cells::{Cells, Scratch};
use super::core::{Core, malformed};
use super::entry::INDEX;
use super::index::{Keys, Located, cut_hashed};
use super::labels::coded;
use super::segment::{Open, Segment, same_integers};
use crate::catalog::{ColumnDef, ColumnNo, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::object::{Kind, ObjectId};
use crate::store::wire::write_varint;
use crate::types::LogicalType;

/// Takes an entry: the number of its index, its key, and where its row is.
pub(super) type Emit<'e> = dyn FnMut(usize, &[u8], Located) -> Result<(), StoreError> + 'e;

/// Indexes of a table, of which those from a place on are plain ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub keys: &'a [KeyDef],
    pub unique: usize,
    /// Whether the rows' hashes are wanted.
    pub hashed: bool,
}

/// Rows of a segment.
#[derive(Clone, Copy)]
pub(super) enum Picked<'a> {
    /// Those of which this is true.
    Where(&'a dyn Fn(u32) -> bool),
    /// These, which are few.
    These(&'a RoaringBitmap),
}

impl Picked<'_> {
    /// Positions in a row group that begins at `start`.
    fn within(&self, start: usize, len: usize) -> Vec<usize> {
        match self {
            Self::Where(rows) => (0..len).filter(|row| rows(super::position(start + row))).collect(),
            Self::These(rows) => rows
                .range(super::position(start)..super::position(start + len))
                .map(|row| row as usize - start)
                .collect(),
        }
    }
}

impl Wanted<'_> {
    fn needs(&self, column: ColumnNo) -> bool {
        self.hashed || self.keys.iter().any(|key| key.columns.contains(&column))
    }
}

/// Whether an index of some columns is the same under two definitions: widened numbers, and labels that came between others, have other keys.
pub(super) fn same_keys(old: &TableDef, new: &TableDef, columns: &[ColumnNo]) -> bool {
    let same = |old: &LogicalType, new: &LogicalType| match (old, new) {
        (LogicalType::Enum(old), LogicalType::Enum(new)) => old == new || old.has_numbers_of(new),
        (old, new) => same_values(old, new),
    };
    columns.iter().all(|no| match (old.by_no(*no), new.by_no(*no)) {
        (Some(old), Some(new)) => same(&old.ty, &new.ty),
        _ => false,
    })
}

/// Whether the hashes of rows are the same under two definitions, as far as they are of columns that both have.
pub(super) fn same_hashes(old: &TableDef, new: &TableDef) -> bool {
    let same = |new: &ColumnDef| old.by_no(new.no).is_none_or(|old| same_values(&old.ty, &new.ty));
    new.columns.iter().all(same)
}

/// Whether a value of a store is the same under two types. What is made of others changes with the labels of those only, which keep
/// their codes.
fn same_values(old: &LogicalType, new: &LogicalType) -> bool {
    let both = |is: fn(&LogicalType) -> bool| is(old) && is(new);
    same_integers(old, new) || both(LogicalType::is_float) || both(LogicalType::is_nested)
}

/// The keys of some rows of a segment, with what an index says of them, for each of a table's keys.
pub(super) fn keys_of(
    core: &Core,
    def: &TableDef,
    keys: &[KeyDef],
    segment: &Segment,
    rows: &dyn Fn(u32) -> bool,
    hashed: bool,
) -> Result<Vec<Keys>, StoreError> {
    let unique = keys.len();
    keys_and_plain(core, def, Wanted { keys, unique, hashed }, segment, Picked::Where(rows))
}

/// The same, where some may be plain indexes.
fn keys_and_plain(
    core: &Core,
    def: &TableDef,
    wanted: Wanted<'_>,
    segment: &Segment,
    rows: Picked<'_>,
) -> Result<Vec<Keys>, StoreError> {
    let mut found: Vec<Keys> = wanted.keys.iter().map(|_| Vec::new()).collect();
    entries_of(core, def, wanted, (segment, 0), rows, &mut |number, key, located| {
        if let Some(found) = found.get_mut(number) {
            found.push((key.to_vec(), located));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Gives out the entries of some rows of a segment, which may be a part of one that has others before it.
pub(super) fn entries_of(
    core: &Core,
    def: &TableDef,
    wanted: Wanted<'_>,
    (segment, before): (&Segment, usize),
    rows: Picked<'_>,
    emit: &mut Emit<'_>,
) -> Result<(), StoreError> {
    let groups = match segment.open(core)? {
        Open::Rows(rows) => vec![rows.len],
        Open::File(file) => file.groups.clone(),
    };
    let mut start = before;
    for (group, len) in groups.into_iter().enumerate() {
        let positions = rows.within(start, len);
        if !positions.is_empty() {
            let mut columns = Vec::new();
            for column in def.columns.iter().filter(|column| wanted.needs(column.no)) {
                // A few rows are soon followed by others of the same group.
                columns.push(match rows {
                    Picked::Where(_) => (column, segment.array(core, group, column)?),
                    Picked::These(_) => (column, segment.kept_array(core, group, column)?),
                });
            }
            let address = |row: usize| RowAddress::new(segment.number, start + row);
            let failed = |what| malformed(Kind::SEGMENT, ObjectId(segment.content), what);
            entries(columns, wanted, positions.into_iter(), &address, &failed, emit)?;
        }
        start += len;
    }
    Ok(())
}

fn entries(
    mut columns: Vec<(&ColumnDef, ArrayRef)>,
    wanted: Wanted<'_>,
    rows: impl Iterator<Item = usize>,
    address: &dyn Fn(usize) -> RowAddress,
    failed: &dyn Fn(String) -> StoreError,
    emit: &mut Emit<'_>,
) -> Result<(), StoreError> {
    columns.sort_by_key(|(column, _)| column.no);
    let cells: Vec<Headed<'_>> = columns
        .iter()
        .map(|(column, array)| Headed::of(column, array))
        .collect();
    let stored = columns.iter().map(|(column, array)| coded(array, &column.ty));
    let stored: Vec<ArrayRef> = stored.collect::<Result<_, _>>().map_err(failed)?;
    let hashed = columns.iter().zip(&stored);
    let hashed: Vec<Headed<'_>> = hashed.map(|((column, _), array)| Headed::of(column, array)).collect();
    let place = |no: &ColumnNo| cells.iter().position(|known| known.no == *no);
    let keys: Vec<Option<Vec<usize>>> = wanted
        .keys
        .iter()
        .map(|key| key.columns.iter().map(place).collect())
        .collect();
    let (mut bytes, mut key) = (Scratch::default(), Vec::new());
    for row in rows {
        let hash = match wanted.hashed {
            true => row_hash(&hashed, row, &mut bytes).map_err(failed)?,
            false => [0; 32],
        };
        let address = address(row);
        for (number, places) in keys.iter().enumerate() {
            let Some(places) = places else { continue };
            let plain = number >= wanted.unique;
            if write_key(&mut key, &cells, places, row, plain).map_err(failed)? {
                if plain {
                    key.extend(address.0.to_be_bytes());
                }
                emit(number, &key, Located { address, hash })?;
            }
        }
    }
    Ok(())
}

/// A column, and what stands before each of its values in what is hashed of a row.
struct Headed<'a> {
    no: ColumnNo,
    head: Vec<u8>,
    cells: Cells<'a>,
}

impl<'a> Headed<'a> {
    fn of(column: &'a ColumnDef, array: &'a ArrayRef) -> Self {
        let mut head = Vec::new();
        write_varint(&mut head, column.no.0.into());
        Self {
            no: column.no,
            head,
            cells: Cells::of(array, &column.ty),
        }
    }
}

/// The key of a row; false if it is in no index.
fn write_key(
    key: &mut Vec<u8>,
    cells: &[Headed<'_>],
    places: &[usize],
    row: usize,
    plain: bool,
) -> Result<bool, String> {
    key.clear();
    key.push(INDEX);
    for Headed { cells, .. } in places.iter().filter_map(|place| cells.get(*place)) {
        if plain {
            if cells.is_null_cell(row) {
                key.push(2);
                continue;
            }
            key.push(1);
        }
        if !cells.write_key(key, row)? {
            return Ok(false);
        }
    }
    cut_hashed(key);
    Ok(true)
}

/// What an index says that a row is: NULLs are left out, so that a column added later does not change it.
fn row_hash(cells: &[Headed<'_>], row: usize, bytes: &mut Scratch) -> Result<[u8; 32], String> {
    bytes.clear();
    for Headed { head, cells, .. } in cells {
        cells.put_value(bytes, row, head)?;
    }
    Ok(Sha256::digest(bytes.as_slice()).into())
}
