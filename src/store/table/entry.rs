//! What the snapshot tree says of tables: keys and values, byte for byte.
//!
//! Table 7 with the segments 1 and 4 has the keys `02|7|1`, `02|7|4` and `03|7`. Numbers in keys are big-endian, so that
//! the tree's order is theirs.
//!
//! ```text
//! 01 | entity (8)               schema (text), id of the definition, a CATALOG object (32)
//! 02 | table (8) | segment (4)  a segment, see below
//! 03 | table (8)                next segment, next row id, rows (varints), the indexes of keys: how many (varint), per key:
//!                               columns (varint), their numbers (varints), root (32); the plain indexes likewise
//! 04 | name                     `next entity`: varint
//! 05 | …                        entries of key indexes, which are trees of their own: see `index`
//!
//! segment   place (1), lineage, deletes (varint): 0, or how many rows, followed by the id of a DELETES object (32), then
//! place 0   a block (the rest)
//! place 1   a SEGMENT object: rows, bytes (varints), id (32), columns
//! place 2   a file: rows, bytes (varints), id of its FILE object (32), columns
//! lineage   first row id (varint), then with place + 00: place in the log of the commit that wrote it (varint); place + 10:
//!           bytes, as `lineage` has them; place + 20: the id of a LINEAGE object (32)
//! columns   how many (varint), per column in the order of the file: number (varint), type (as in a block), NULLs (varint),
//!           range (1): 0 none, 1 one value, 2 two; its values
//! ```
//!
//! A FILE object lists the parts of a Parquet file in the order of the file: per part its length (varint) and SHA-256 (32).
//! Its id is the root over them, and the file's name: `segments/ID.parquet`.
//!
//! Invariants: what a range says is promised; values that are too long are left out of it.
//!
//! Does not: read objects.

use std::path::Path;
use std::sync::Arc;

use super::block::{read_type, write_type};
use super::cell::{read_value, write_value};
use crate::catalog::{ColumnNo, EntityId};
use crate::store::object::{Kind, ObjectId, References};
use crate::store::tree::visit_leaf;
use crate::store::wire::{Malformed, Reader, write_bytes, write_varint};
use crate::store::{Damage, StoreError};
use crate::types::{LogicalType, Value};

const ENTITY: u8 = 1;
const SEGMENT: u8 = 2;
const STATE: u8 = 3;
const META: u8 = 4;
/// What keys of index trees begin with.
pub(super) const INDEX: u8 = 5;

/// Flags beside a segment's place.
const INLINE_LINEAGE: u8 = 0x10;
const LINEAGE_OBJECT: u8 = 0x20;

/// All entities.
pub(super) const ENTITIES: [u8; 1] = [ENTITY];
/// The number of the next entity.
pub(super) const NEXT_ENTITY: &[u8] = b"\x04next entity";

/// A value longer than this promises too little for its length.
const MAX_FACT_BYTES: usize = 72;

pub(super) fn entity_key(id: EntityId) -> Vec<u8> {
    [&[ENTITY][..], &id.0.to_be_bytes()].concat()
}

/// What the keys of a table's segments begin with.
pub(super) fn segments_prefix(table: EntityId) -> Vec<u8> {
    [&[SEGMENT][..], &table.0.to_be_bytes()].concat()
}

pub(super) fn segment_key(table: EntityId, segment: u32) -> Vec<u8> {
    [&segments_prefix(table)[..], &segment.to_be_bytes()].concat()
}

pub(super) fn state_key(table: EntityId) -> Vec<u8> {
    [&[STATE][..], &table.0.to_be_bytes()].concat()
}

/// The entity of an entity's key.
pub(super) fn entity_of_key(key: &[u8]) -> Option<EntityId> {
    let id = key.get(1..)?.try_into().ok()?;
    Some(EntityId(u64::from_be_bytes(id)))
}

/// The number of a segment's key.
pub(super) fn segment_of_key(key: &[u8]) -> Option<u32> {
    let number = key.get(9..)?.try_into().ok()?;
    Some(u32::from_be_bytes(number))
}

/// An entity's place: its schema and its definition.
pub(super) fn write_entity(schema: &str, definition: ObjectId) -> Vec<u8> {
    let mut out = Vec::new();
    write_bytes(&mut out, schema.as_bytes());
    out.extend(definition.0);
    out
}

pub(super) fn read_entity(bytes: &[u8]) -> Result<(String, ObjectId), Malformed> {
    let mut reader = Reader::new(bytes);
    let entity = (reader.text()?, reader.id()?);
    reader.finish()?;
    Ok(entity)
}

/// Where a segment's rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Here.
    Inline(Arc<[u8]>),
    /// In a SEGMENT object.
    Block(ObjectId),
    /// In a file.
    File(ObjectId),
}

/// Who the rows of a segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Ids one after the other, all of one commit.
    Plain {
        /// The first row's.
        first_row: u64,
        /// Its place in the log.
        commit: u64,
    },
    /// A lineage, here.
    Inline {
        /// The first row's id.
        first_row: u64,
        /// Its bytes.
        bytes: Arc<[u8]>,
    },
    /// A LINEAGE object.
    Object {
        /// The first row's id.
        first_row: u64,
        /// Its id.
        id: ObjectId,
    },
}

/// What is promised of a column of a segment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    /// The column.
    pub no: ColumnNo,
    /// Its type when the segment was written.
    pub ty: LogicalType,
    /// No value is less than the first or greater than the second.
    pub range: Option<(Value, Value)>,
    /// Exact number of NULLs.
    pub null_count: u64,
}

/// A segment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SegmentEntry {
    pub place: Place,
    /// Ids of its rows, and commits that wrote them.
    pub origin: Origin,
    /// How many rows are deleted, and which.
    pub deletes: Option<(u64, ObjectId)>,
    /// Rows, deleted ones too; 0 where a block is here.
    pub rows: u64,
    /// Bytes of the block or file.
    pub bytes: u64,
    /// By column; none where a block is here.
    pub columns: Vec<Facts>,
}

impl Origin {
    /// The id of the first row.
    pub(super) fn first_row(&self) -> u64 {
        match self {
            Self::Plain { first_row, .. } | Self::Inline { first_row, .. } | Self::Object { first_row, .. } => {
                *first_row
            }
        }
    }
}

impl SegmentEntry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let place = match self.place {
            Place::Inline(_) => 0,
            Place::Block(_) => 1,
            Place::File(_) => 2,
        };
        let mut out = Vec::new();
        match &self.origin {
            Origin::Plain { first_row, commit } => {
                out.push(place);
                write_varint(&mut out, *first_row);
                write_varint(&mut out, *commit);
            }
            Origin::Inline { first_row, bytes } => {
                out.push(place | INLINE_LINEAGE);
                write_varint(&mut out, *first_row);
                write_bytes(&mut out, bytes);
            }
            Origin::Object { first_row, id } => {
                out.push(place | LINEAGE_OBJECT);
                write_varint(&mut out, *first_row);
                out.extend(id.0);
            }
        }
        write_varint(&mut out, self.deletes.map_or(0, |(count, _)| count));
        if let Some((_, id)) = self.deletes {
            out.extend(id.0);
        }
        match &self.place {
            Place::Inline(block) => out.extend(&**block),
            Place::Block(id) | Place::File(id) => {
                write_varint(&mut out, self.rows);
                write_varint(&mut out, self.bytes);
                out.extend(id.0);
                write_varint(&mut out, self.columns.len() as u64);
                self.columns.iter().for_each(|facts| facts.write(&mut out));
            }
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let tag = reader.byte()?;
        let place = tag & 0x0f;
        let first_row = reader.varint()?;
        let origin = match tag & 0xf0 {
            0 => Origin::Plain {
                first_row,
                commit: reader.varint()?,
            },
            INLINE_LINEAGE => Origin::Inline {
                first_row,
                bytes: reader.bytes()?.into(),
            },
            LINEAGE_OBJECT => Origin::Object {
                first_row,
                id: reader.id()?,
            },
            _ => return Err(Malformed("a lineage of an unknown form")),
        };
        let deletes = match reader.varint()? {
            0 => None,
            count => Some((count, reader.id()?)),
        };
        let mut entry = Self {
            place: Place::Inline(Arc::default()),
            origin,
            deletes,
            rows: 0,
            bytes: 0,
            columns: Vec::new(),
        };
        if place == 0 {
            let block = reader.take(reader.left())?;
            entry.bytes = block.len() as u64;
            entry.place = Place::Inline(block.into());
            return Ok(entry);
        }
        (entry.rows, entry.bytes) = (reader.varint()?, reader.varint()?);
        let id = reader.id()?;
        entry.place = match place {
            1 => Place::Block(id),
            2 => Place::File(id),
            _ => return Err(Malformed("a segment lies in an unknown place")),
        };
        let count = reader.size()?;
        for _ in 0..count {
            entry.columns.push(Facts::read(&mut reader)?);
        }
        reader.finish()?;
        Ok(entry)
    }
}

impl Facts {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.no.0.into());
        write_type(out, &self.ty);
        write_varint(out, self.null_count);
        let bytes = |value: &Value| {
            let mut bytes = Vec::new();
            write_value(&mut bytes, value);
            bytes
        };
        let range = self.range.as_ref().map(|(min, max)| (bytes(min), bytes(max)));
        match range.filter(|(min, max)| min.len().max(max.len()) <= MAX_FACT_BYTES) {
            None => out.push(0),
            Some((min, max)) if min == max => {
                out.push(1);
                out.extend(min);
            }
            Some((min, max)) => {
                out.push(2);
                out.extend(min);
                out.extend(max);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let no = u32::try_from(reader.varint()?).map_err(|_| Malformed("a column's number is too large"))?;
        let (ty, null_count) = (read_type(reader, 0)?, reader.varint()?);
        let range = match reader.byte()? {
            0 => None,
            1 => {
                let value = read_value(reader)?;
                Some((value.clone(), value))
            }
            2 => Some((read_value(reader)?, read_value(reader)?)),
            _ => return Err(Malformed("a range of an unknown form")),
        };
        let no = ColumnNo(no);
        Ok(Self {
            no,
            ty,
            range,
            null_count,
        })
    }
}

/// The state of a table as of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableState {
    /// Greater than the number of any segment.
    pub next_segment: u32,
    /// Greater than the id of any row.
    pub next_row: u64,
    /// Rows that are not deleted.
    pub rows: u64,
    /// Of each key, its columns and the root of its index.
    pub indexes: Vec<(Vec<ColumnNo>, ObjectId)>,
    /// The same of indexes in which several rows may have the same values.
    pub plain: Vec<(Vec<ColumnNo>, ObjectId)>,
}

impl TableState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_varint(&mut out, self.next_segment.into());
        write_varint(&mut out, self.next_row);
        write_varint(&mut out, self.rows);
        for indexes in [&self.indexes, &self.plain] {
            write_varint(&mut out, indexes.len() as u64);
            for (columns, root) in indexes {
                write_varint(&mut out, columns.len() as u64);
                columns.iter().for_each(|no| write_varint(&mut out, no.0.into()));
                out.extend(root.0);
            }
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let small = |number: u64| u32::try_from(number).map_err(|_| Malformed("a number is too large"));
        let mut state = Self {
            next_segment: small(reader.varint()?)?,
            next_row: reader.varint()?,
            rows: reader.varint()?,
            ..Self::default()
        };
        for indexes in [&mut state.indexes, &mut state.plain] {
            for _ in 0..reader.size()? {
                let count = reader.size()?;
                let mut columns = Vec::new();
                for _ in 0..count {
                    columns.push(ColumnNo(small(reader.varint()?)?));
                }
                indexes.push((columns, reader.id()?));
            }
        }
        reader.finish()?;
        Ok(state)
    }

    /// The root of a key's index.
    pub(super) fn index(&self, columns: &[ColumnNo]) -> Option<ObjectId> {
        let found = self.indexes.iter().find(|(known, _)| known == columns);
        found.map(|(_, root)| *root)
    }

    /// The root of a plain index.
    pub(super) fn plain_index(&self, columns: &[ColumnNo]) -> Option<ObjectId> {
        let found = self.plain.iter().find(|(known, _)| known == columns);
        found.map(|(_, root)| *root)
    }
}

/// The parts of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileParts {
    /// Length and hash of each.
    pub parts: Vec<(u64, [u8; 32])>,
}

impl FileParts {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.parts.len() * 36);
        for (len, hash) in &self.parts {
            write_varint(&mut out, *len);
            out.extend(hash);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut parts = Vec::new();
        let mut total = 0_u64;
        while !reader.is_empty() {
            let (len, hash) = (reader.varint()?, reader.array()?);
            total = total.checked_add(len).ok_or(Malformed("a file is too long"))?;
            parts.push((len, hash));
        }
        Ok(Self { parts })
    }
}

/// What the values of a snapshot tree refer to.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableReferences;

impl References for TableReferences {
    fn of(&self, kind: Kind, body: &[u8]) -> Result<Vec<(Kind, ObjectId)>, StoreError> {
        let mut found = Vec::new();
        if kind == Kind::NODE {
            let malformed = |Malformed(what)| Damage::new(Path::new("packs"), what).of(kind, ObjectId::of(kind, body));
            visit_leaf(body, |key, value| refer(key, value, &mut found)).map_err(malformed)?;
        }
        Ok(found)
    }
}

fn refer(key: &[u8], value: &[u8], found: &mut Vec<(Kind, ObjectId)>) -> Result<(), Malformed> {
    match key.first() {
        Some(&ENTITY) => found.push((Kind::CATALOG, read_entity(value)?.1)),
        Some(&SEGMENT) => {
            let entry = SegmentEntry::decode(value)?;
            match entry.place {
                Place::Inline(_) => {}
                Place::Block(id) => found.push((Kind::SEGMENT, id)),
                Place::File(id) => found.push((Kind::FILE, id)),
            }
            if let Origin::Object { id, .. } = entry.origin {
                found.push((Kind::LINEAGE, id));
            }
            found.extend(entry.deletes.map(|(_, id)| (Kind::DELETES, id)));
        }
        Some(&STATE) => {
            let state = TableState::decode(value)?;
            let indexes = state.indexes.into_iter().chain(state.plain);
            found.extend(indexes.map(|(_, root)| (Kind::NODE, root)));
        }
        Some(&(META | INDEX)) => {}
        _ => return Err(Malformed("a key of an unknown kind")),
    }
    Ok(())
}
