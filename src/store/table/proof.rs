//! Proofs about the database that can be checked without it, against the 32 bytes of the log's root.
//!
//! That the row with `id = 7` of `orders` was there as of a commit takes: the commit's record and its path to the log's root; the nodes
//! of the snapshot tree that lead to the table's definition and to its state; and those of the key's index that lead to the
//! hash of the row. That no such row was there takes the same nodes: they show what stands where it would be.
//!
//! A proof is a JSON text. The checker computes everything from the bytes of records, nodes and values; what is there for
//! people to read is compared with what follows from those, and the whole text with how it would be written: a proof of
//! which any byte was changed is refused.
//!
//! Invariants: [`check`] needs nothing but text and root, and reads no file. It never panics.
//!
//! Does not: prove what a query computes.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cell::{read_value, write_value};
use super::core::malformed;
use super::entry::{TableState, entity_key, read_entity, state_key};
use super::index::{Located, find, index_key, row_values_at};
use super::labels::{coded_value, numbered_value};
use super::snapshot::TableSnapshot;
use crate::catalog::{ColumnNo, Entity, EntityId, KeyDef, TableDef};
use crate::store::StoreError;
use crate::store::commit::Commit;
use crate::store::log::{ConsistencyProof, InclusionProof, LogHead};
use crate::store::object::{CommitId, Kind, ObjectId, ReadObjects};
use crate::store::timeline::Timeline;
use crate::store::tree::{ProofNodes, Recorder, Tree};
use crate::store::wire::{Malformed, Reader, write_varint};
use crate::types::{LogicalType, Value};

const VERSION: u32 = 1;

/// A proof, as JSON has it; bytes are hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proves", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proof {
    /// That a commit is in the log.
    Commit(CommitProof),
    /// That the log of one root begins with that of another.
    Consistency(Consistency),
    /// That a row is there, or that none is.
    Row(Box<RowProof>),
}

/// That a commit is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitProof {
    /// Of this form.
    pub version: u32,
    /// The log.
    pub log: Head,
    /// The commit's id.
    pub commit: String,
    /// Its record.
    pub record: String,
    /// Hashes on the way from the commit to the log's root.
    pub path: Vec<String>,
}

/// That one log begins with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// Of this form.
    pub version: u32,
    /// The longer log.
    pub log: Head,
    /// The shorter one.
    pub old: Head,
    /// Hashes from which both roots follow.
    pub path: Vec<String>,
}

/// Size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Commits.
    pub size: u64,
    /// Root over them.
    pub root: String,
}

/// That a row with a key is there as of a commit, or that none is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowProof {
    /// As of which commit.
    pub at: CommitProof,
    /// Schema and name of the table.
    pub table: (String, String),
    /// Its number.
    pub entity: u64,
    /// Its definition.
    pub definition: String,
    /// Values of the primary key.
    pub key: Vec<Cell>,
    /// The row; none: there is none.
    pub row: Option<Vec<Cell>>,
    /// Nodes of the snapshot tree and of the key's index.
    pub nodes: Vec<String>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The column's number.
    pub no: u32,
    /// Its name.
    pub column: String,
    /// As it is shown.
    pub text: String,
    /// As it is hashed.
    pub value: String,
}

impl Proof {
    /// The text of a proof.
    pub fn to_text(&self) -> String {
        // Strings, numbers and lists of them: nothing here fails to become JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl Timeline {
    /// That a commit is in the log as it is now.
    pub fn proof_of_commit(&self, commit: CommitId) -> Result<CommitProof, StoreError> {
        let head = self.log_head();
        let inclusion = self.prove_inclusion_in(commit, head.size)?;
        Ok(CommitProof {
            version: VERSION,
            log: Head::of(&head),
            commit: commit.to_string(),
            record: hex(&self.commit_record(commit)?.encode()),
            path: inclusion.path.iter().map(ToString::to_string).collect(),
        })
    }

    /// That the log as it is now begins with what it was at a size.
    pub fn proof_of_growth(&self, old_size: u64) -> Result<Consistency, StoreError> {
        let head = self.log_head();
        let proof = self.prove_consistency(old_size, head.size)?;
        Ok(Consistency {
            version: VERSION,
            log: Head::of(&head),
            old: Head::of(&self.log_head_at(old_size)?),
            path: proof.path.iter().map(ToString::to_string).collect(),
        })
    }
}

impl TableSnapshot {
    /// That the row with these values of the primary key is there as of a commit, this snapshot's, or that none is. `None`: the table
    /// has no primary key, or a value is none of an index.
    pub fn proof_of_row(&self, commit: CommitId, key: &[Value]) -> Result<Option<RowProof>, StoreError> {
        let (Some(primary), Some(bytes)) = (&self.def.primary_key, index_key(key)) else {
            return Ok(None);
        };
        let recorder = Recorder::new(&*self.core);
        // Of the commit: a table that is the same in several of them is read from the first one's.
        let tree = Tree::new(&recorder, self.core.timeline.commit_record(commit)?.root);
        let entity = tree.get(&entity_key(self.id))?;
        let state = tree.get(&state_key(self.id))?;
        let failed = |what: &str| malformed(Kind::NODE, self.root, what);
        let entity = entity.ok_or_else(|| failed("the table has no definition"))?;
        let (schema, definition) = read_entity(&entity).map_err(|Malformed(what)| failed(what))?;
        let index = self.state.index(&primary.columns).filter(|_| state.is_some());
        let located = match index {
            Some(index) => find(&recorder, index, &bytes)?,
            None => None,
        };
        let row = located.map(|located| self.hashed_cells(located)).transpose()?;
        let stored = |(no, value): (&ColumnNo, &Value)| {
            let column = self.def.by_no(*no);
            let value = column.map(|column| coded_value(value.clone(), &column.ty));
            cell(&self.def, *no, value.as_ref().unwrap_or(&Value::Null))
        };
        let cells = primary.columns.iter().zip(key).map(stored);
        let nodes = recorder.into_nodes();
        Ok(Some(RowProof {
            at: self.core.timeline.proof_of_commit(commit)?,
            table: (schema, self.def.name.clone()),
            entity: self.id.0,
            definition: hex(&self.core.read(Kind::CATALOG, definition)?),
            key: cells.collect(),
            row,
            nodes: nodes.iter().map(|node| hex(node)).collect(),
        }))
    }

    /// The values that the hash of a row is of.
    fn hashed_cells(&self, located: Located) -> Result<Vec<Cell>, StoreError> {
        let part = self.part(None, located.address.segment())?;
        let part = part.ok_or_else(|| malformed(Kind::NODE, self.root, "an index leads to no row"))?;
        let row = located.address.row();
        // With the columns that the table has today, or those that it had when the row was written.
        let today = row_values_at(&self.core, &self.def, &part.segment, row)?;
        let then = self.def_of(&part.segment)?;
        for values in [today, row_values_at(&self.core, &then, &part.segment, row)?] {
            let cells: Vec<Cell> = values
                .iter()
                .filter(|(_, value)| *value != Value::Null)
                .map(|(no, value)| cell(&self.def, *no, value))
                .collect();
            if hash_of(&cells) == Some(located.hash) {
                return Ok(cells);
            }
        }
        Err(StoreError::BadProof(
            "the row was hashed under a definition that is gone".into(),
        ))
    }

    /// The columns that a segment was written with.
    fn def_of(&self, segment: &super::segment::Segment) -> Result<TableDef, StoreError> {
        let mut def = self.def.clone();
        let stored = segment.facts()?;
        def.columns
            .retain(|column| stored.iter().any(|facts| facts.no == column.no));
        for facts in stored {
            // Whenever values of a column became others, as numbers do that get decimal places, so did the hashes.
            if def.by_no(facts.no).is_none() {
                def.columns.push(crate::catalog::ColumnDef {
                    no: facts.no,
                    name: format!("column {}", facts.no.0),
                    ty: facts.ty.clone(),
                    not_null: false,
                    default: None,
                    generated: None,
                    missing: None,
                });
            }
        }
        Ok(def)
    }
}

impl Head {
    fn of(head: &LogHead) -> Self {
        Self {
            size: head.size,
            root: head.root.to_string(),
        }
    }

    fn read(&self) -> Result<LogHead, StoreError> {
        let (size, root) = (self.size, id(&self.root)?);
        Ok(LogHead { size, root })
    }
}

fn cell(def: &TableDef, no: ColumnNo, value: &Value) -> Cell {
    let mut bytes = Vec::new();
    write_value(&mut bytes, value);
    let (column, text) = shown(def, no, value);
    Cell {
        no: no.0,
        column,
        text,
        value: hex(&bytes),
    }
}

/// A column's name, and a value as it is shown there.
fn shown(def: &TableDef, no: ColumnNo, value: &Value) -> (String, String) {
    match def.by_no(no) {
        Some(column) => {
            let value = numbered_value(value.clone(), &column.ty);
            (column.name.clone(), value.display(&column.ty))
        }
        None => (format!("column {}", no.0), value.display(&LogicalType::String)),
    }
}

/// The hash that an index has of a row: see `index`.
fn hash_of(cells: &[Cell]) -> Option<[u8; 32]> {
    let mut bytes = Vec::new();
    for cell in cells {
        write_varint(&mut bytes, cell.no.into());
        bytes.extend(unhex(&cell.value)?);
    }
    Some(Sha256::digest(&bytes).into())
}

/// What was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// In words.
    pub what: String,
}

/// Checks a proof against the root of the log.
pub fn check(text: &str, root: ObjectId) -> Result<Proved, StoreError> {
    let proof: Proof = serde_json::from_str(text).map_err(|error| bad(&format!("it is no proof: {error}")))?;
    if proof.to_text() != text {
        return Err(bad("it is not written as proofs are"));
    }
    let what = match &proof {
        Proof::Commit(proof) => {
            let (commit, _) = check_commit(proof, root)?;
            format!("commit {commit} is in the log")
        }
        Proof::Consistency(proof) => check_consistency(proof, root)?,
        Proof::Row(proof) => check_row(proof, root)?,
    };
    Ok(Proved { what })
}

fn check_version(version: u32) -> Result<(), StoreError> {
    match version {
        VERSION => Ok(()),
        other => Err(bad(&format!("it is of version {other}, and this gobi reads {VERSION}"))),
    }
}

fn check_root(log: &LogHead, root: ObjectId) -> Result<(), StoreError> {
    match log.root == root {
        true => Ok(()),
        false => Err(bad("it is about a log of another root")),
    }
}

fn check_commit(proof: &CommitProof, root: ObjectId) -> Result<(CommitId, Commit), StoreError> {
    check_version(proof.version)?;
    let log = proof.log.read()?;
    check_root(&log, root)?;
    let record = bytes(&proof.record)?;
    let commit = Commit::decode(&record).map_err(|error| bad(&error.to_string()))?;
    let id = commit.id();
    if id.to_string() != proof.commit || commit.encode() != record {
        return Err(bad("the record is not that of the commit"));
    }
    let path = proof.path.iter().map(|hash| self::id(hash));
    let inclusion = InclusionProof {
        index: commit.index,
        size: log.size,
        path: path.collect::<Result<_, _>>()?,
    };
    inclusion.verify(&id, &log)?;
    Ok((id, commit))
}

fn check_consistency(proof: &Consistency, root: ObjectId) -> Result<String, StoreError> {
    check_version(proof.version)?;
    let (old, log) = (proof.old.read()?, proof.log.read()?);
    check_root(&log, root)?;
    let path = proof.path.iter().map(|hash| id(hash));
    let consistency = ConsistencyProof {
        old_size: old.size,
        new_size: log.size,
        path: path.collect::<Result<_, _>>()?,
    };
    consistency.verify(&old, &log)?;
    Ok(format!(
        "the log of {} commits begins with the {} commits of root {}",
        log.size, old.size, old.root
    ))
}

fn check_row(proof: &RowProof, root: ObjectId) -> Result<String, StoreError> {
    let (id, commit) = check_commit(&proof.at, root)?;
    let nodes = proof.nodes.iter().map(|node| bytes(node));
    let nodes = ProofNodes::new(nodes.collect::<Result<Vec<_>, _>>()?);
    let source = Recorder::new(&nodes);
    let tree = Tree::new(&source, commit.root);
    let entity = EntityId(proof.entity);
    let lacks = || bad("the table is not there as of that commit");
    let place = tree.get(&entity_key(entity))?.ok_or_else(lacks)?;
    let (schema, definition) = read_entity(&place).map_err(|Malformed(what)| bad(what))?;
    let body = bytes(&proof.definition)?;
    if ObjectId::of(Kind::CATALOG, &body) != definition {
        return Err(bad("the definition is not that of the table"));
    }
    let Ok(Entity::Table(def)) = Entity::decode(&body) else {
        return Err(bad("the definition is not that of a table"));
    };
    let key = def
        .primary_key
        .as_ref()
        .ok_or_else(|| bad("the table has no primary key"))?;
    if proof.table != (schema, def.name.clone()) {
        return Err(bad("the table has another name"));
    }
    let wanted = key_values(&def, key, &proof.key)?;
    let wanted = index_key(&wanted).ok_or_else(|| bad("the key has a NULL"))?;
    let state = tree.get(&state_key(entity))?;
    let state = state.map(|state| TableState::decode(&state)).transpose();
    let state = state.map_err(|Malformed(what)| bad(what))?.unwrap_or_default();
    let located = match state.index(&key.columns) {
        Some(index) => find(&source, index, &wanted)?,
        None => None,
    };
    let mut keys = proof
        .key
        .iter()
        .map(|cell| cell.text.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let _ = write!(keys, ") of `{}`", def.name);
    let found = match (&proof.row, located) {
        (None, None) => format!("no row ({keys} is there as of commit {id}"),
        (Some(row), Some(located)) => {
            check_cells(&def, key, row, &proof.key)?;
            if hash_of(row) != Some(located.hash) {
                return Err(bad("the row is not that of the key"));
            }
            format!("the row ({keys} is there as of commit {id}")
        }
        (None, Some(_)) => return Err(bad("the key is there")),
        (Some(_), None) => return Err(bad("the key is not there")),
    };
    if source.into_nodes().len() != proof.nodes.len() {
        return Err(bad("it has nodes that prove nothing"));
    }
    Ok(found)
}

/// The values of a proof's key, in the order of the key's columns.
fn key_values(def: &TableDef, key: &KeyDef, cells: &[Cell]) -> Result<Vec<Value>, StoreError> {
    if !key.columns.iter().map(|no| no.0).eq(cells.iter().map(|cell| cell.no)) {
        return Err(bad("the key has other columns"));
    }
    let value = |cell: &Cell| {
        let value = value_of(def, cell)?;
        Ok(match def.by_no(ColumnNo(cell.no)) {
            Some(column) => numbered_value(value, &column.ty),
            None => value,
        })
    };
    cells.iter().map(value).collect()
}

/// A value, if it is shown as it is.
fn value_of(def: &TableDef, cell: &Cell) -> Result<Value, StoreError> {
    let bytes = bytes(&cell.value)?;
    let mut reader = Reader::new(&bytes);
    let value = read_value(&mut reader).and_then(|value| reader.finish().map(|()| value));
    let value = value.map_err(|Malformed(what)| bad(what))?;
    let shown = shown(def, ColumnNo(cell.no), &value);
    if shown != (cell.column.clone(), cell.text.clone()) {
        return Err(bad("a value is not what is shown"));
    }
    Ok(value)
}

fn check_cells(def: &TableDef, key: &KeyDef, row: &[Cell], wanted: &[Cell]) -> Result<(), StoreError> {
    if row.windows(2).any(|pair| pair[0].no >= pair[1].no) {
        return Err(bad("the row's columns are not in order"));
    }
    row.iter().try_for_each(|cell| value_of(def, cell).map(drop))?;
    let is_there = |no: &ColumnNo| row.iter().any(|cell| cell.no == no.0 && wanted.contains(cell));
    match key.columns.iter().all(is_there) {
        true => Ok(()),
        false => Err(bad("the row has another key")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn bytes(text: &str) -> Result<Vec<u8>, StoreError> {
    unhex(text).ok_or_else(|| bad("bytes that are no hexadecimal digits"))
}

fn id(text: &str) -> Result<ObjectId, StoreError> {
    let id: ObjectId = text.parse().map_err(|_| bad("a hash that is none"))?;
    match id.to_string() == text {
        true => Ok(id),
        false => Err(bad("a hash that is written otherwise")),
    }
}

fn bad(why: &str) -> StoreError {
    StoreError::BadProof(why.to_string())
}
