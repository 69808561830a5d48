//! Key indexes: where the row of a key is, and the hash of what it says.
//!
//! The row (7, 'ada') at position 3 of segment 12, in a table whose primary key is its first column, has the entry
//! `05 81 07` → address, SHA-256 of the row. So a look-up reads a node per level, and a proof of them shows that the row is
//! there, or that the key is not.
//!
//! ```text
//! key     05, then the values in an order-preserving form: see `cell::key_bytes`; one that is longer than 1,024 bytes is its
//!         first 992 bytes and the SHA-256 of all
//! value   address of the row (8, big-endian), SHA-256 of the row (32)
//! row     per column in the order of their numbers: number (varint), value as `cell::write_value` has it
//! ```
//!
//! In a plain index, where several rows may have the same values, each value has 01 before it, NULL is 02, and the address
//! stands behind them.
//!
//! Invariants: the index of a key has the live rows whose key has no NULL, a plain one all live rows, and no others. A key
//! is there once.
//!
//! Does not: hold rows.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use arrow::array::ArrayRef;
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

use super::RowAddress;
use super::cell::{key_bytes, value_at};
use super::core::{Core, lock, malformed};
use super::entry::INDEX;
use super::keyed::keys_of;
use super::labels::coded;
use super::runs::{EntryRef, Merged, Run, merge};
use super::segment::{Open, Segment};
use crate::catalog::{ColumnDef, ColumnNo, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::object::{Kind, NewObject, ObjectId, Packing, ReadObjects};
use crate::store::tree::{self, Direction, Edit, Tree};
use crate::types::{LogicalType, Value};

/// A longer key is cut, and hashed.
const MAX_KEY: usize = 1024;
/// Many edits that are beyond this share of an index are merged with all of it.
const MERGE_SHARE: u64 = 16;
/// So many edits are put into an index at once.
const MOST_EDITS: usize = 1 << 14;
/// Nodes are given to the store in portions of so many bytes.
const PUT_BYTES: usize = 8 << 20;

/// An entry of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub address: RowAddress,
    pub hash: [u8; 32],
}

impl Located {
    /// An entry of the index with this root.
    pub(super) fn read(root: ObjectId, bytes: &[u8]) -> Result<Self, StoreError> {
        located(root, bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (address, hash) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            address: RowAddress(u64::from_be_bytes(*address)),
            hash: hash.try_into().ok()?,
        })
    }
}

/// Keys of rows, and what an index says of them.
pub(super) type Keys = Vec<(Vec<u8>, Located)>;

/// The form in which an index has some values; `None` if one is NULL or of a type that no index takes.
pub(super) fn index_key<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<Vec<u8>> {
    let mut out = vec![INDEX];
    for value in values {
        key_bytes(&mut out, value)?;
    }
    cut_hashed(&mut out);
    Some(out)
}

pub(super) fn cut_hashed(key: &mut Vec<u8>) {
    if key.len() > MAX_KEY {
        let hash: [u8; 32] = Sha256::digest(&*key).into();
        key.truncate(MAX_KEY - hash.len());
        key.extend(hash);
    }
}

fn plain_value(out: &mut Vec<u8>, value: &Value) -> Option<()> {
    match value {
        Value::Null => {
            out.push(2);
            Some(())
        }
        value => {
            out.push(1);
            key_bytes(out, value)
        }
    }
}

/// Where an index has a key.
pub(super) fn find(source: &dyn ReadObjects, root: ObjectId, key: &[u8]) -> Result<Option<Located>, StoreError> {
    let value = Tree::new(source, root).get(key)?;
    value.map(|value| located(root, &value)).transpose()
}

/// Rows whose keys lie in a range of an index, in the order of their keys, unless there are more than `most`.
pub(super) fn find_range(
    source: &dyn ReadObjects,
    root: ObjectId,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
    most: usize,
) -> Result<Option<Vec<RowAddress>>, StoreError> {
    let mut rows = Vec::new();
    for entry in Tree::new(source, root).scan(low, high, Direction::Forward) {
        let (_, value) = entry?;
        if rows.len() >= most {
            return Ok(None);
        }
        rows.push(located(root, &value)?.address);
    }
    Ok(Some(rows))
}

fn located(root: ObjectId, value: &[u8]) -> Result<Located, StoreError> {
    Located::decode(value).ok_or_else(|| malformed(Kind::NODE, root, "an entry of an index is malformed"))
}

/// The values of a row as its hash has them, in the order of the columns' numbers.
pub(super) fn row_values_at(core: &Core, def: &TableDef, segment: &Segment, row: u32) -> Result<RowValues, StoreError> {
    let groups = match segment.open(core)? {
        Open::Rows(rows) => vec![rows.len],
        Open::File(file) => file.groups.clone(),
    };
    let mut at = row as usize;
    for (group, rows) in groups.into_iter().enumerate() {
        if at < rows {
            let mut columns = Vec::new();
            for column in &def.columns {
                let array = segment.array(core, group, column)?;
                let array = coded(&array, &column.ty);
                columns.push((column, array.map_err(|what| segment.malformed(what))?));
            }
            columns.sort_by_key(|(column, _)| column.no);
            let values = row_values(&columns, at);
            return values.map_err(|what| malformed(Kind::SEGMENT, ObjectId(segment.content), what));
        }
        at -= rows;
    }
    Err(malformed(
        Kind::SEGMENT,
        ObjectId(segment.content),
        "a segment that has too few rows",
    ))
}

pub(super) type RowValues = Vec<(ColumnNo, Value)>;

fn row_values(columns: &[(&ColumnDef, ArrayRef)], row: usize) -> Result<RowValues, String> {
    let value = |(column, array): &(&ColumnDef, ArrayRef)| Ok((column.no, value_at(array, row, &column.ty)?));
    columns.iter().map(value).collect()
}

/// What an index is changed by.
#[derive(Debug, Default)]
pub(super) struct IndexChanges {
    /// Keys of rows that go, in runs, with no hashes.
    pub removed: Vec<Run>,
    /// Segments whose rows go, too: all of their keys are among those that come.
    pub moved: RoaringBitmap,
    /// Keys of rows that come, in runs.
    pub added: Vec<Run>,
}

/// Why an index was not changed.
#[derive(Debug)]
pub(super) enum Refused {
    Store(StoreError),
    /// Two rows have the same key; this is the one that is new.
    Duplicate(RowAddress),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The index after its changes: its root, and nodes that are not in the store.
pub(super) fn update(
    core: &Core,
    root: ObjectId,
    changes: IndexChanges,
) -> Result<(ObjectId, Vec<NewObject>), Refused> {
    let IndexChanges { removed, moved, added } = changes;
    let tree = Tree::new(core, root);
    let len = |runs: &[Run]| runs.iter().map(Run::len).sum::<usize>();
    let (count, going) = (len(&added), len(&removed));
    if count + going > MOST_EDITS && (count + going) as u64 > tree.len()? / MERGE_SHARE {
        let keys = merge(&removed)?;
        return rebuild(core, root, Gone { root, keys, moved }, merge(&added)?);
    }
    let mut gone: BTreeMap<Vec<u8>, RowAddress> = BTreeMap::new();
    let mut merged = merge(&removed)?;
    while let Some(EntryRef { key, value, .. }) = merged.peek() {
        gone.insert(key.to_vec(), located(root, value)?.address);
        merged.advance()?;
    }
    let mut edits: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::with_capacity(count);
    let mut merged = merge(&added)?;
    while let Some(EntryRef { key, value, .. }) = merged.peek() {
        if edits.last().is_some_and(|(last, _)| last == key) {
            return Err(Refused::Duplicate(located(root, value)?.address));
        }
        edits.push((key.to_vec(), Some(value.to_vec())));
        merged.advance()?;
    }
    // What comes in the place of what goes stands last, and so stays.
    let gone_first = gone.keys().map(|key| (key.clone(), None));
    let edits: Edit = gone_first.chain(edits).collect();
    let mut taken = None;
    let mut replaces = |key: &[u8], value: &[u8]| {
        let goes = Located::decode(value)
            .is_some_and(|known| moved.contains(known.address.segment()) || gone.get(key) == Some(&known.address));
        if !goes {
            taken = Some(key.to_vec());
        }
        goes
    };
    if let Some(edited) = tree::edit_if(core, root, edits, &mut replaces)? {
        return Ok((edited.root, edited.nodes));
    }
    let taken = taken.unwrap_or_default();
    let mut merged = merge(&added)?;
    while let Some(EntryRef { key, value, .. }) = merged.peek() {
        if key == taken {
            return Err(Refused::Duplicate(located(root, value)?.address));
        }
        merged.advance()?;
    }
    Err(malformed(Kind::NODE, root, "an index refuses a key that nobody gave it").into())
}

/// Merges all entries of an index with many new ones. Its nodes go ahead of the commit.
fn rebuild(
    core: &Core,
    root: ObjectId,
    gone: Gone<'_>,
    added: Merged<'_>,
) -> Result<(ObjectId, Vec<NewObject>), Refused> {
    let old = Tree::new(core, root).iter();
    let mut duplicate = None;
    let built = build_aside(core, |builder| {
        duplicate = merge_into(builder, root, old, gone, added)?;
        Ok(())
    })?;
    match duplicate {
        Some(address) => Err(Refused::Duplicate(address)),
        None => Ok(built),
    }
}

/// Builds a tree while another thread gives its nodes to the store; the root, and the last nodes, which go with the commit.
fn build_aside(
    core: &Core,
    fill: impl FnOnce(&mut tree::Builder<'_>) -> Result<(), StoreError>,
) -> Result<(ObjectId, Vec<NewObject>), StoreError> {
    std::thread::scope(|scope| {
        let (portions, writing) = sync_channel::<Vec<NewObject>>(1);
        let writer = scope.spawn(move || writing.into_iter().try_for_each(|nodes| core.timeline.put(nodes)));
        let mut nodes = Vec::new();
        let mut bytes = 0;
        let mut emit = |node: NewObject| {
            bytes += node.body.len();
            // Most of a leaf are hashes, which do not get smaller.
            nodes.push(node.packed(Packing::Plain));
            if bytes >= PUT_BYTES {
                bytes = 0;
                // A writer that is gone has failed, and says why below.
                drop(portions.send(std::mem::take(&mut nodes)));
            }
        };
        let mut builder = tree::Builder::new(&mut emit);
        let root = fill(&mut builder).and_then(|()| builder.finish());
        drop(portions);
        let written = writer.join();
        written.map_err(|_| StoreError::Unfit("the thread that writes nodes has failed".into()))??;
        Ok((root?, nodes))
    })
}

/// Rows that go.
struct Gone<'a> {
    root: ObjectId,
    /// Their keys, in order.
    keys: Merged<'a>,
    /// Segments that go with all of their rows.
    moved: RoaringBitmap,
}

impl Gone<'_> {
    /// Whether an entry is of a row that goes; none may come before those that were asked for.
    fn has(&mut self, (wanted, value): (&[u8], &[u8])) -> Result<bool, StoreError> {
        let row = located(self.root, value)?.address;
        while let Some(EntryRef { key, value, .. }) = self.keys.peek() {
            match key.cmp(wanted) {
                Ordering::Less => self.keys.advance()?,
                Ordering::Equal => return Ok(located(self.root, value)?.address == row),
                Ordering::Greater => break,
            }
        }
        Ok(self.moved.contains(row.segment()))
    }
}

/// Gives a tree the entries of an index, without those that are gone, and new ones among them; ends where a key would be there
/// twice, and gives the row that has it.
fn merge_into(
    builder: &mut tree::Builder<'_>,
    root: ObjectId,
    old: impl Iterator<Item = Result<tree::Entry, StoreError>>,
    mut gone: Gone<'_>,
    mut added: Merged<'_>,
) -> Result<Option<RowAddress>, StoreError> {
    let mut old = old.peekable();
    // Keys are never empty.
    let mut last_added: Vec<u8> = Vec::new();
    loop {
        let order = match (old.peek(), added.peek()) {
            (None, None) => return Ok(None),
            (Some(Ok((key, _))), Some(new)) => key.as_slice().cmp(new.key),
            (Some(_), _) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        if order == Ordering::Less {
            match old.next().transpose()? {
                Some((key, value)) if !gone.has((&key, &value))? => builder.push(&key, &value)?,
                _ => {}
            }
            continue;
        }
        let Some(EntryRef { key, value, .. }) = added.peek() else {
            continue;
        };
        let is_replaced = match old.next_if(|_| order == Ordering::Equal).transpose()? {
            Some((key, known)) => gone.has((&key, &known))?,
            None => true,
        };
        if !is_replaced || last_added == key {
            return Ok(Some(located(root, value)?.address));
        }
        builder.push(key, value)?;
        last_added.clear();
        last_added.extend_from_slice(key);
        added.advance()?;
    }
}

/// Where keys are in rows that are staged: made when first asked for.
#[derive(Debug, Default)]
pub(super) struct StagedKeys(Mutex<HashMap<Vec<ColumnNo>, RowsByKey>>);

#[derive(Debug)]
struct RowsByKey {
    /// Of the key's columns; under others the keys are not the same.
    types: Vec<LogicalType>,
    rows: HashMap<Vec<u8>, u32>,
}

impl StagedKeys {
    /// The last row of a segment that has a key.
    pub(super) fn find(
        &self,
        core: &Core,
        def: &TableDef,
        key: &KeyDef,
        segment: &Segment,
        wanted: &[u8],
    ) -> Result<Option<u32>, StoreError> {
        let mut known = lock(&self.0);
        let types = || key.columns.iter().filter_map(|no| Some(&def.by_no(*no)?.ty));
        if let Some(known) = known.get(&key.columns).filter(|known| known.types.iter().eq(types())) {
            return Ok(known.rows.get(wanted).copied());
        }
        let keys = keys_of(core, def, std::slice::from_ref(key), segment, &|_| true, false)?;
        let rows: HashMap<Vec<u8>, u32> = keys
            .into_iter()
            .flatten()
            .map(|(key, located)| (key, located.address.row()))
            .collect();
        let found = rows.get(wanted).copied();
        let types = types().cloned().collect();
        known.insert(key.columns.clone(), RowsByKey { types, rows });
        Ok(found)
    }
}

/// Rows that are not in a set, by their positions.
pub(super) fn all_but(deletes: Option<&RoaringBitmap>) -> impl Fn(u32) -> bool + '_ {
    move |row| !deletes.is_some_and(|deletes| deletes.contains(row))
}

/// The values of a row's key, for messages.
pub(super) fn key_text(
    core: &Core,
    def: &TableDef,
    key: &KeyDef,
    segment: &Segment,
    row: u32,
) -> Result<String, StoreError> {
    let mut start = 0;
    let groups = match segment.open(core)? {
        Open::Rows(rows) => vec![rows.len],
        Open::File(file) => file.groups.clone(),
    };
    for (group, rows) in groups.into_iter().enumerate() {
        let at = (row as usize).checked_sub(start).filter(|at| *at < rows);
        if let Some(at) = at {
            let mut texts = Vec::new();
            for column in key.columns.iter().filter_map(|no| def.by_no(*no)) {
                let array = segment.array(core, group, column)?;
                let value = value_at(&array, at, &column.ty)
                    .map_err(|what| malformed(Kind::SEGMENT, ObjectId(segment.content), what))?;
                texts.push(value.display(&column.ty));
            }
            return Ok(format!("({}) = ({})", def.column_names(&key.columns), texts.join(", ")));
        }
        start += rows;
    }
    Ok(String::new())
}

/// A range of an index: values of its first columns, and what the next one may be.
#[derive(Clone, Debug, Default)]
pub struct KeyRange {
    /// The values of the first columns, in order.
    pub equal: Vec<Value>,
    /// The least value of the column after them, and whether it belongs.
    pub low: Option<(Value, bool)>,
    /// The greatest, likewise.
    pub high: Option<(Value, bool)>,
}

/// The ends of a range of keys.
type KeyBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl KeyRange {
    /// The range of keys, a little wider where values are cut off; `None` if no key can lie there.
    pub(super) fn bytes(&self, plain: bool) -> Option<KeyBounds> {
        let put = if plain { plain_value } else { key_bytes };
        let mut prefix = vec![INDEX];
        for value in &self.equal {
            put(&mut prefix, value)?;
        }
        let with = |value: &Value| {
            let mut bytes = prefix.clone();
            put(&mut bytes, value)?;
            Some(bytes)
        };
        // What is cut off has the same beginning.
        let cut = |bytes: &[u8]| bytes.get(..MAX_KEY - 32).unwrap_or(bytes).to_vec();
        let low = match &self.low {
            None => prefix.clone(),
            Some((value, true)) => cut(&with(value)?),
            Some((value, false)) => {
                let bytes = with(value)?;
                match after(&bytes) {
                    Some(next) if bytes.len() < MAX_KEY - 32 => next,
                    _ => cut(&bytes),
                }
            }
        };
        let high = match &self.high {
            None => after(&cut(&prefix)),
            Some((value, true)) => after(&cut(&with(value)?)),
            Some((value, false)) => {
                let bytes = with(value)?;
                match bytes.len() < MAX_KEY - 32 {
                    true => Some(bytes),
                    false => after(&cut(&bytes)),
                }
            }
        };
        Some((
            Bound::Included(cut(&low)),
            high.map_or(Bound::Unbounded, Bound::Excluded),
        ))
    }
}

/// The least key that is greater than all that begin so.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut after = prefix.to_vec();
    while after.pop_if(|last| *last == u8::MAX).is_some() {}
    let last = after.last_mut()?;
    *last += 1;
    Some(after)
}
