//! Proofs: as they were written before, and refused whatever is changed in them.
//!
//! Invariants: the database is the same each time, so its proofs are, too; `tests/golden/proofs` has them and the root of the log.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use gobi::catalog::{ColumnDef, ColumnNo, Entity, KeyDef, Storage, TableDef};
use gobi::client::{LogicalType, Value, verify_proof};
use gobi::host::sim::SimDisk;
use gobi::store::database::Database;
use gobi::store::table::proof::Proof;
use gobi::store::table::{About, Changes, Snapshot};
use gobi::store::timeline::Mode;

use crate::isolation::{client, run};
use crate::{golden, world};

fn column(no: u32, name: &str, ty: LogicalType) -> ColumnDef {
    ColumnDef {
        no: ColumnNo(no),
        name: name.into(),
        not_null: no == 0,
        ty,
        default: None,
        generated: None,
        missing: None,
    }
}

fn orders() -> TableDef {
    TableDef {
        name: "orders".into(),
        columns: vec![
            column(0, "id", LogicalType::BigInt),
            column(1, "who", LogicalType::String),
        ],
        next_column: 2,
        primary_key: Some(KeyDef {
            name: "orders_pkey".into(),
            columns: vec![ColumnNo(0)],
        }),
        unique: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        storage: Storage::Hybrid,
        partition_by: Vec::new(),
        sort_by: Vec::new(),
        made_by: None,
    }
}

fn about(message: &str) -> About {
    About {
        author: "ada".into(),
        message: message.into(),
        ..About::default()
    }
}

/// The proofs of a database of three commits, by name, and the root of its log.
fn proofs() -> (Vec<(&'static str, String)>, String) {
    let database = Database::open(world::machine(&SimDisk::new()), Path::new("db"), Mode::Write).unwrap();
    let base = database.head("main").unwrap();
    let mut changes = Changes::new(&base);
    let id = changes.catalog.create("main", Entity::Table(orders())).unwrap();
    let mut snapshot = database.commit("main", &base, changes, about("CREATE TABLE")).unwrap();
    let append = |snapshot: &Snapshot, first: i64| {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((first..first + 20).map(|k| k * 2)));
        let names = (first..first + 20).map(|k| format!("customer {k}"));
        let names: ArrayRef = Arc::new(StringViewArray::from_iter_values(names));
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("who", DataType::Utf8View, true),
        ]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![keys, names]).unwrap();
        let mut changes = Changes::new(snapshot);
        changes.table(id).unwrap().append(&orders(), &batch).unwrap();
        database.commit("main", snapshot, changes, about("INSERT")).unwrap()
    };
    for first in [0, 20] {
        snapshot = append(&snapshot, first);
    }
    let timeline = database.timeline().unwrap();
    let commit = snapshot.commit_id().unwrap();
    let row = |key: i64| {
        let table = snapshot.table(id).unwrap();
        let proof = table.proof_of_row(commit, &[Value::Int(key.into())]).unwrap().unwrap();
        Proof::Row(Box::new(proof)).to_text()
    };
    let first = timeline.commit_at(1).unwrap();
    let all = vec![
        (
            "commit",
            Proof::Commit(timeline.proof_of_commit(first).unwrap()).to_text(),
        ),
        (
            "growth",
            Proof::Consistency(timeline.proof_of_growth(2).unwrap()).to_text(),
        ),
        ("present", row(14)),
        ("absent", row(15)),
    ];
    (all, timeline.log_head().root.to_string())
}

#[test]
fn proofs_are_as_they_were() {
    let (proofs, root) = proofs();
    let mut texts: Vec<(String, String)> = proofs
        .iter()
        .map(|(name, text)| (format!("{name}.json"), text.clone()))
        .collect();
    texts.push(("root".into(), format!("{root}\n")));
    let said = proofs.iter().map(|(name, text)| {
        let said = verify_proof(text, &root).unwrap();
        format!("{name}: {said}\n")
    });
    texts.push(("said".into(), said.collect()));
    let wrong = texts
        .iter()
        .filter_map(|(name, text)| golden::difference(&format!("proofs/{name}"), text));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_byte_of_a_proof_can_be_changed() {
    let (proofs, root) = proofs();
    for (name, text) in &proofs {
        for at in 0..text.len() {
            // The second flip changes the case of letters; a few of them will do.
            for flip in [1, 0x20].into_iter().take(if at.is_multiple_of(7) { 2 } else { 1 }) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= flip;
                let Ok(changed) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(
                    verify_proof(&changed, &root).is_err(),
                    "{name}: byte {at} can be changed"
                );
            }
        }
        assert!(verify_proof(&text[..text.len() - 1], &root).is_err());
        assert!(verify_proof(&format!("{text} "), &root).is_err());
    }
}

#[test]
fn a_proof_holds_for_one_root() {
    let (proofs, root) = proofs();
    for at in 0..root.len() {
        let mut other = root.clone().into_bytes();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        let other = String::from_utf8(other).unwrap();
        for (name, text) in &proofs {
            assert!(verify_proof(text, &other).is_err(), "{name} holds for {other}");
        }
    }
    assert!(verify_proof(&proofs[0].1, "no root").is_err());
}

/// What a liar would try: a whole field, hash or list that is good elsewhere.
#[test]
fn parts_of_proofs_cannot_be_exchanged() {
    let (proofs, root) = proofs();
    let (_, present) = &proofs[2];
    let (_, absent) = &proofs[3];
    let values = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (present, absent) = (values(present), values(absent));
    for field in present.as_object().unwrap().keys() {
        let mut mixed = present.clone();
        if absent[field] == present[field] {
            continue;
        }
        mixed[field] = absent[field].clone();
        let text = serde_json::to_string_pretty(&mixed).unwrap() + "\n";
        assert!(verify_proof(&text, &root).is_err(), "`{field}` of another proof");
    }
    for (field, list) in present.as_object().unwrap() {
        let Some(list) = list.as_array().filter(|list| !list.is_empty()) else {
            continue;
        };
        let mut shorter = present.clone();
        shorter[field] = list[1..].to_vec().into();
        let text = serde_json::to_string_pretty(&shorter).unwrap() + "\n";
        assert!(verify_proof(&text, &root).is_err(), "`{field}` without its first");
    }
}

/// What a proof of a row says of it, when it was checked.
fn proved(session: &mut gobi::client::Session, row: &str) -> String {
    let text = run(session, &format!("PROVE SELECT * FROM {row}")).unwrap();
    let text = format!("{}\n", text.trim_end());
    let Ok(Proof::Row(proof)) = serde_json::from_str(&text) else {
        panic!("{text}");
    };
    verify_proof(&text, &proof.at.log.root).unwrap();
    let cells = proof.row.unwrap_or_default();
    let cells = cells.iter().map(|cell| format!("{} {}", cell.column, cell.text));
    cells.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_row_is_proved_as_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let session = &mut client(folder.path()).session();
    let mut prove = |script: &str, row: &str| {
        run(session, script).unwrap();
        proved(session, row)
    };
    let start = "CREATE TABLE t (k int PRIMARY KEY, v int, w real); CREATE TABLE other (a int PRIMARY KEY); \
        INSERT INTO t VALUES (1, 5, 0.5), (2, 6, 1.5)";
    assert_eq!(prove(start, "t WHERE k = 1"), "k 1, v 5, w 0.5");
    // The table is the same in a commit that is about another one.
    assert_eq!(
        prove("INSERT INTO other VALUES (1)", "t WHERE k = 2"),
        "k 2, v 6, w 1.5"
    );
    // What a row says is what its hash is of, whichever column got decimal places.
    let widened = "ALTER TABLE t ALTER v TYPE decimal(22, 2), ALTER w TYPE double";
    assert_eq!(prove(widened, "t WHERE k = 1"), "k 1, v 5.00, w 0.5");
    let both = "ALTER TABLE t ALTER k TYPE decimal(22, 2); ALTER TABLE t ALTER v TYPE decimal(24, 3)";
    assert_eq!(prove(both, "t WHERE k = 1"), "k 1.00, v 5.000, w 0.5");
    assert_eq!(
        prove("INSERT INTO t VALUES (3, 7, 0)", "t WHERE k = 3"),
        "k 3.00, v 7.000, w 0.0"
    );
    assert_eq!(prove("COMPACT", "t WHERE k = 2"), "k 2.00, v 6.000, w 1.5");
}

#[test]
fn labels_are_proved_whatever_came_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let session = &mut client(folder.path()).session();
    let mut prove = |script: &str, row: &str| {
        run(session, script).unwrap();
        proved(session, row)
    };
    let start = "CREATE TYPE tier AS ENUM ('a', 'c'); CREATE TABLE t (k tier PRIMARY KEY, v tier, m array<tier>); \
        INSERT INTO t VALUES ('a', 'c', ['a', 'c']), ('c', 'a', NULL)";
    assert_eq!(prove(start, "t WHERE k = 'c'"), "k c, v a");
    let between = "ALTER TYPE tier ADD VALUE 'b' BEFORE 'c'";
    assert_eq!(prove(between, "t WHERE k = 'c'"), "k c, v a");
    assert_eq!(
        prove("INSERT INTO t VALUES ('b', 'b', ['c'])", "t WHERE k = 'b'"),
        "k b, v b, m [c]"
    );
    let first = "ALTER TYPE tier ADD VALUE 'first' BEFORE 'a'; COMPACT";
    assert_eq!(prove(first, "t WHERE k = 'a'"), "k a, v c, m [a, c]");
    assert_eq!(prove("SELECT 1", "t WHERE k = 'first'"), "");
}
