//! Tables on a simulated disk, against models.
//!
//! Invariants: see [`super`].
//!
//! Does not: test files or trees by themselves.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::Schema;

use super::*;
use crate::catalog::{ColumnDef, ColumnNo, Entity, EntityId, KeyDef, Storage, TableDef};
use crate::formats::Relation;
use crate::formats::testing::chunk_texts;
use crate::host::sim::{SimClock, SimDisk, SimRandom};
use crate::store::database::Database;
use crate::store::timeline::{Machine, Mode};
use crate::types::arrow::arrow_schema;
use crate::types::{LogicalType, Value};

fn machine(disk: &SimDisk) -> Machine {
    Machine {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::new(1_000_000, 10)),
        random: Arc::new(SimRandom::new(7)),
    }
}

fn open(disk: &SimDisk) -> Arc<Database> {
    Database::open(machine(disk), Path::new("db"), Mode::Write).unwrap()
}

fn column(no: u32, name: &str, ty: LogicalType) -> ColumnDef {
    ColumnDef {
        no: ColumnNo(no),
        name: name.into(),
        ty,
        not_null: false,
        default: None,
        generated: None,
        missing: None,
    }
}

/// `(a bigint, b string)`.
fn pairs(name: &str) -> TableDef {
    TableDef {
        name: name.into(),
        columns: vec![column(0, "a", LogicalType::BigInt), column(1, "b", LogicalType::String)],
        next_column: 2,
        primary_key: None,
        unique: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        storage: Storage::Hybrid,
        partition_by: Vec::new(),
        sort_by: Vec::new(),
        made_by: None,
    }
}

fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let a: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(a, _)| *a)));
    let b: ArrayRef = Arc::new(StringViewArray::from_iter_values(rows.iter().map(|(_, b)| *b)));
    let schema: Arc<Schema> = arrow_schema(&pairs("t").fields());
    RecordBatch::try_new(schema, vec![a, b]).unwrap()
}

/// Live rows and their addresses: the table's values separated by spaces.
fn rows(relation: &dyn Relation) -> Vec<(RowAddress, String)> {
    let fields = relation.schema();
    let index = |name: &str| fields.iter().position(|field| field.name == name);
    let row = index(ROW_COLUMN).unwrap();
    let live = index(LIVE_COLUMN);
    let mut out = Vec::new();
    for unit in 0..relation.units() {
        let texts = |column: usize| {
            let (chunk, _) = relation.read(unit, column).unwrap();
            assert_eq!(chunk.rows, relation.unit_rows(unit));
            chunk_texts(&chunk, &relation.stats().columns[column].layout, &fields[column].ty)
        };
        let columns: Vec<_> = (0..row).map(texts).collect();
        let addresses = texts(row);
        let lives = live.map(texts);
        for at in 0..relation.unit_rows(unit) {
            if lives.as_ref().is_none_or(|lives| lives[at] == "true") {
                let values: Vec<_> = columns.iter().map(|column| column[at].as_str()).collect();
                out.push((RowAddress(addresses[at].parse().unwrap()), values.join(" ")));
            }
        }
    }
    out
}

fn texts(snapshot: &Snapshot, table: EntityId) -> Vec<String> {
    let table = snapshot.table(table).unwrap();
    let found = rows(&*table.relation(None).unwrap());
    assert_eq!(table.rows(), found.len() as u64);
    found.into_iter().map(|(_, text)| text).collect()
}

fn about() -> About {
    About {
        author: "ada".into(),
        message: "test".into(),
        ..About::default()
    }
}

/// A database with the table `t`.
fn with_table(disk: &SimDisk, def: TableDef) -> (Arc<Database>, EntityId, Snapshot) {
    let database = open(disk);
    let base = database.head("main").unwrap();
    let mut changes = Changes::new(&base);
    let id = changes.catalog.create("main", Entity::Table(def)).unwrap();
    let next = database.commit("main", &base, changes, about()).unwrap();
    (database, id, next)
}

fn append(database: &Database, base: &Snapshot, id: EntityId, batch: &RecordBatch) -> Result<Snapshot, CommitError> {
    let mut changes = Changes::new(base);
    let def = base.catalog().table(id).unwrap().clone();
    changes.table(id).unwrap().append(&def, batch).unwrap();
    database.commit("main", base, changes, about())
}

#[test]
fn rows_are_found_again() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, pairs("t"));
    assert!(texts(&base, id).is_empty());
    let first = append(&database, &base, id, &batch(&[(1, "one"), (2, "two")])).unwrap();
    let second = append(&database, &first, id, &batch(&[(300, "a longer text than views hold")])).unwrap();
    assert_eq!(texts(&first, id), ["1 one", "2 two"]);
    let all = ["1 one", "2 two", "300 a longer text than views hold"];
    assert_eq!(texts(&second, id), all);
    assert_eq!(database.head("main").unwrap().commit_id(), second.commit_id());
    database.close().unwrap();
    drop(database);
    assert!(Database::is_database(&disk, Path::new("db")));
    let database = open(&disk);
    let head = database.head("main").unwrap();
    assert_eq!(texts(&head, id), all);
    assert_eq!(
        texts(&database.snapshot(first.commit_id().unwrap()).unwrap(), id),
        all[..2]
    );
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn large_loads_are_files() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, pairs("t"));
    let many: Vec<(i64, String)> = (0..300_000)
        .map(|row| (row * 7 % 1000, format!("text {}", row % 50)))
        .collect();
    let borrowed: Vec<(i64, &str)> = many.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let next = append(&database, &base, id, &batch(&borrowed)).unwrap();
    let next = append(&database, &next, id, &batch(&[(-5, "another")])).unwrap();
    let expected: Vec<_> = many
        .iter()
        .map(|(a, b)| format!("{a} {b}"))
        .chain(["-5 another".into()])
        .collect();
    assert_eq!(texts(&next, id), expected);
    let relation = next.table(id).unwrap().relation(None).unwrap();
    assert_eq!(relation.units(), 4);
    assert_eq!(relation.stats().columns[0].int_range(), Some((-5, 999)));
    assert_eq!(relation.stats().columns[1].distinct, Some(51));
    database.close().unwrap();
    let database = open(&disk);
    assert_eq!(texts(&database.head("main").unwrap(), id), expected);
    let report = database.verify(true).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let (path, size) = disk
        .files()
        .into_iter()
        .find(|(path, _)| path.extension().is_some_and(|e| e == "parquet"))
        .unwrap();
    assert!(disk.flip(&path, size / 3, 4));
    assert_eq!(database.verify(true).unwrap().damages.len(), 1);
}

#[test]
fn deleted_rows_are_gone() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, pairs("t"));
    let base = append(&database, &base, id, &batch(&[(1, "one"), (2, "two"), (3, "three")])).unwrap();
    let all = rows(&*base.table(id).unwrap().relation(None).unwrap());
    let mut changes = Changes::new(&base);
    let def = base.catalog().table(id).unwrap().clone();
    let table = changes.table(id).unwrap();
    table.delete(&[all[1].0]);
    table.append(&def, &batch(&[(4, "four"), (5, "five")])).unwrap();
    let staged = rows(&*base.table(id).unwrap().relation(Some(table)).unwrap());
    let seen: Vec<_> = staged.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(seen, ["1 one", "3 three", "4 four", "5 five"]);
    let savepoint = changes.savepoint();
    changes.table(id).unwrap().delete(&[staged[2].0, staged[0].0]);
    let next = database.commit("main", &base, changes, about()).unwrap();
    assert_eq!(texts(&next, id), ["3 three", "5 five"]);
    assert_eq!(texts(&base, id).len(), 3);
    // What another transaction has deleted meanwhile cannot be deleted again.
    let lost = database.commit("main", &base, savepoint, about()).unwrap_err();
    let CommitError::Conflict(conflict) = lost else {
        panic!("{lost}");
    };
    assert_eq!(conflict.on, ConflictOn::Row(all[1].0));
    assert_eq!(conflict.by, next.commit_id());
    let mut changes = Changes::new(&base);
    changes.table(id).unwrap().delete(&[all[2].0]);
    let other = database.commit("main", &base, changes, about()).unwrap();
    assert_eq!(texts(&other, id), ["5 five"]);
}

fn keyed(name: &str) -> TableDef {
    let key = |name: &str, no| KeyDef {
        name: name.into(),
        columns: vec![ColumnNo(no)],
    };
    TableDef {
        primary_key: Some(key("t_pkey", 0)),
        unique: vec![key("t_b_key", 1)],
        ..pairs(name)
    }
}

fn duplicate(result: Result<Snapshot, CommitError>) -> String {
    match result {
        Err(error @ CommitError::Duplicate { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_there_once() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    let first = append(&database, &base, id, &batch(&[(1, "one"), (2, "two")])).unwrap();
    let key = keyed("t").primary_key.unwrap();
    let find = |snapshot: &Snapshot, a: i128| snapshot.table(id).unwrap().find_key(&key, &[Value::Int(a)]).unwrap();
    let all = rows(&*first.table(id).unwrap().relation(None).unwrap());
    assert_eq!(find(&first, 2), Some(all[1].0));
    assert_eq!(find(&first, 3), None);
    assert_eq!(
        duplicate(append(&database, &first, id, &batch(&[(3, "three"), (2, "zwei")]))),
        "`t` has a row with (a) = (2) already, against `t_pkey`"
    );
    // From an older snapshot, against the newest rows.
    assert_eq!(
        duplicate(append(&database, &base, id, &batch(&[(4, "one")]))),
        "`t` has a row with (b) = (one) already, against `t_b_key`"
    );
    duplicate(append(&database, &first, id, &batch(&[(3, "three"), (3, "drei")])));
    // A row replaced under its key.
    let mut changes = Changes::new(&first);
    let table = changes.table(id).unwrap();
    table.delete(&[all[1].0]);
    table.append(&keyed("t"), &batch(&[(2, "zwei")])).unwrap();
    let next = database.commit("main", &first, changes, about()).unwrap();
    assert_eq!(texts(&next, id), ["1 one", "2 zwei"]);
    assert_ne!(find(&next, 2), Some(all[1].0));
    let address = find(&next, 2).unwrap();
    let found = rows(&*next.table(id).unwrap().relation(None).unwrap());
    assert_eq!(found.iter().find(|(row, _)| *row == address).unwrap().1, "2 zwei");
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn many_keys_are_merged() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(
        &disk,
        TableDef {
            unique: vec![],
            ..keyed("t")
        },
    );
    let many = |from: i64, step: i64| (0..5000).map(|row| (from + row * step, "x")).collect::<Vec<_>>();
    let next = append(&database, &base, id, &batch(&many(0, 3))).unwrap();
    let next = append(&database, &next, id, &batch(&many(1, 3))).unwrap();
    duplicate(append(&database, &next, id, &batch(&many(4, 5))));
    let mut changes = Changes::new(&next);
    let table = changes.table(id).unwrap();
    let all = rows(&*next.table(id).unwrap().relation(None).unwrap());
    let gone: Vec<_> = all
        .iter()
        .filter(|(_, text)| text.len() < 6)
        .map(|(row, _)| *row)
        .collect();
    table.delete(&gone);
    table.append(&keyed("t"), &batch(&many(0, 2)[..499])).unwrap();
    let next = database.commit("main", &next, changes, about()).unwrap();
    let key = keyed("t").primary_key.unwrap();
    let table = next.table(id).unwrap();
    for (row, text) in rows(&*table.relation(None).unwrap()) {
        let a = text.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(table.find_key(&key, &[Value::Int(a)]).unwrap(), Some(row), "{text}");
    }
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn single_rows_are_read_alone() {
    let disk = SimDisk::new();
    let def = TableDef {
        unique: vec![],
        ..keyed("t")
    };
    let key = def.primary_key.clone().unwrap();
    let (database, id, base) = with_table(&disk, def.clone());
    let many: Vec<_> = (0..130_000).map(|a| (a, "many")).collect();
    let base = append(&database, &base, id, &batch(&many)).unwrap();
    let base = append(&database, &base, id, &batch(&[(200_000, "two"), (200_001, "three")])).unwrap();
    let table = base.table(id).unwrap();
    let mut changes = Changes::new(&base);
    let staged = changes.table(id).unwrap();
    for a in 300_000..300_500 {
        staged.append(&def, &batch(&[(a, "staged")])).unwrap();
    }
    let committed = |a: i128| table.find_key(&key, &[Value::Int(a)]).unwrap();
    let pending = |staged: &TableChanges, a: i128| staged.find_key(&def, &key, &[Value::Int(a)]).unwrap();
    assert_eq!(pending(staged, 5), None);
    let wanted: Vec<_> = [129_999, 7, 200_001].into_iter().filter_map(committed).collect();
    let wanted: Vec<_> = wanted.into_iter().chain(pending(staged, 300_123)).collect();
    let fields = table.relation(Some(staged)).unwrap().schema().to_vec();
    let relation = table.relation_of(Some(staged), &wanted, &fields).unwrap();
    let found = rows(&*relation);
    let shown: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(shown, ["7 many", "129999 many", "200001 three", "300123 staged"]);
    let addresses: std::collections::BTreeSet<_> = found.iter().map(|(row, _)| *row).collect();
    assert_eq!(addresses, wanted.iter().copied().collect());
    staged.delete(&wanted);
    assert_eq!(pending(staged, 300_123), None);
    assert!(rows(&*table.relation_of(Some(staged), &wanted, &fields).unwrap()).is_empty());
    let next = database.commit("main", &base, changes, about()).unwrap();
    assert_eq!(next.table(id).unwrap().rows(), 130_002 - 3 + 499);
    assert!(matches!(
        next.table(id).unwrap().find_key(&key, &[Value::Int(7)]),
        Ok(None)
    ));
}

#[test]
fn files_of_nothing_are_removed() {
    let disk = SimDisk::new();
    let def = TableDef {
        unique: vec![],
        ..keyed("t")
    };
    let (database, id, base) = with_table(&disk, def.clone());
    let many: Vec<_> = (0..500_000).map(|a| (a, "many")).collect();
    let files = || {
        disk.files()
            .iter()
            .filter(|(path, _)| path.starts_with("db/segments"))
            .count()
    };
    let staged = || {
        let mut changes = Changes::new(&base);
        changes.table(id).unwrap().append(&def, &batch(&many)).unwrap();
        changes
    };
    let (first, second) = (staged(), staged());
    assert_eq!(files(), 1);
    drop(first);
    assert_eq!(files(), 1);
    let relation = base.table(id).unwrap().relation(second.tables.get(&id)).unwrap();
    let third = second.savepoint();
    drop(second);
    database.commit("main", &base, third, about()).unwrap();
    let committed = files();
    duplicate(database.commit("main", &base, staged(), about()));
    assert_eq!(files(), committed);
    let (chunk, _) = relation.read(0, 0).unwrap();
    assert_eq!(chunk.rows, relation.unit_rows(0));
    let others: Vec<_> = (1_000_000..1_500_000).map(|a| (a, "others")).collect();
    let mut changes = Changes::new(&base);
    changes.table(id).unwrap().append(&def, &batch(&others)).unwrap();
    assert_eq!(files(), committed + 1);
    drop(changes);
    assert_eq!(files(), committed);
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn an_old_snapshot_takes_no_number_twice() {
    let disk = SimDisk::new();
    let (database, id, old) = with_table(&disk, pairs("t"));
    let mut head = old.clone();
    for a in 0..5 {
        head = append(&database, &head, id, &batch(&[(a, "x")])).unwrap();
    }
    database.close().unwrap();
    let database = open(&disk);
    let old = database.snapshot(old.commit_id().unwrap()).unwrap();
    let head = append(&database, &old, id, &batch(&[(5, "x")])).unwrap();
    assert_eq!(texts(&head, id).len(), 6);
}

mod ahead;
mod compact;
mod conflicts;
mod crash;
mod damage;
mod group;
mod model;
mod size;
