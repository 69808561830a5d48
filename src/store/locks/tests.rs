//! The lock table by itself, without a session: who is held up by whom.
//!
//! Invariants: see [`super`].
//!
//! Does not: wait for time to pass; a wait that is to end by itself is cancelled.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use super::*;
use crate::catalog::{ColumnDef, ColumnNo, Entity, KeyDef, Storage, TableDef};
use crate::host::sim::{SimClock, SimDisk, SimRandom};
use crate::store::database::Database;
use crate::store::table::{About, Effort, Snapshot};
use crate::store::timeline::{Machine, Mode};
use crate::types::LogicalType;
use crate::types::arrow::arrow_schema;

fn def() -> TableDef {
    TableDef {
        name: "t".into(),
        columns: vec![ColumnDef {
            no: ColumnNo(0),
            name: "a".into(),
            ty: LogicalType::BigInt,
            not_null: true,
            default: None,
            generated: None,
            missing: None,
        }],
        next_column: 1,
        primary_key: Some(KeyDef {
            name: "t_pkey".into(),
            columns: vec![ColumnNo(0)],
        }),
        unique: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        storage: Storage::default(),
        partition_by: Vec::new(),
        sort_by: Vec::new(),
        made_by: None,
    }
}

struct Stage {
    database: Arc<Database>,
    table: EntityId,
    base: Snapshot,
}

impl Stage {
    /// A table with the rows 0 to 9.
    fn new() -> Self {
        let machine = Machine {
            disk: Arc::new(SimDisk::new()),
            clock: Arc::new(SimClock::new(1_000_000, 10)),
            random: Arc::new(SimRandom::new(1)),
        };
        let database = Database::open(machine, Path::new("db"), Mode::Write).unwrap();
        let base = database.head("main").unwrap();
        let mut changes = Changes::new(&base);
        let table = changes.catalog.create("main", Entity::Table(def())).unwrap();
        let base = database.commit("main", &base, changes, About::default()).unwrap();
        let mut stage = Self { database, table, base };
        let rows = stage.appended(0..10);
        stage.base = stage
            .database
            .commit("main", &stage.base, rows, About::default())
            .unwrap();
        stage
    }

    fn appended(&self, rows: std::ops::Range<i64>) -> Changes {
        let mut changes = Changes::new(&self.base);
        self.append(&mut changes, rows);
        changes
    }

    fn append(&self, changes: &mut Changes, rows: std::ops::Range<i64>) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
        let batch = RecordBatch::try_new(arrow_schema(&def().fields()), vec![column]).unwrap();
        changes.table(self.table).unwrap().append(&def(), &batch).unwrap();
    }

    fn deleted(&self, row: i128) -> Changes {
        let mut changes = Changes::new(&self.base);
        self.delete(&mut changes, row);
        changes
    }

    fn delete(&self, changes: &mut Changes, row: i128) {
        let key = def().primary_key.unwrap();
        let found = self
            .base
            .table(self.table)
            .unwrap()
            .find_key(&key, &[crate::types::Value::Int(row)]);
        changes.table(self.table).unwrap().delete(&[found.unwrap().unwrap()]);
    }

    fn holder(&self, statement: &str) -> Holder {
        let holder = self.database.locks().begin("main", statement);
        holder.reads(self.database.height(&self.base).unwrap());
        holder
    }

    fn commit(&self, holder: Holder, changes: Changes) {
        let done = self
            .database
            .commit("main", &self.base, changes, About::default())
            .unwrap();
        holder.committed(done.commit_id().unwrap(), self.database.height(&done).unwrap());
    }
}

fn patience() -> Patience<'static> {
    Patience {
        cancelled: Box::new(|| false),
        timeout: None,
    }
}

/// What is in the way, if the claim would have to wait.
fn blocked(holder: &Holder, changes: &Changes) -> Option<String> {
    let impatience = Patience {
        cancelled: Box::new(|| true),
        timeout: None,
    };
    match holder.claim(&Arc::new(changes.savepoint()), &impatience) {
        Ok(Claimed::Held) => None,
        Ok(Claimed::Overtaken(overtaken)) => Some(overtaken.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn rows_and_keys_are_held_by_one() {
    let stage = Stage::new();
    let (one, two) = (stage.holder("one"), stage.holder("two"));
    let mine = stage.deleted(3);
    assert_eq!(blocked(&one, &mine), None);
    assert_eq!(blocked(&two, &stage.deleted(4)), None);
    let waits = "the statement was cancelled while it waited for transaction 1";
    assert_eq!(blocked(&two, &stage.deleted(3)).as_deref(), Some(waits));
    assert!(blocked(&one, &stage.deleted(4)).unwrap().ends_with("transaction 2"));
    assert_eq!(blocked(&one, &stage.appended(20..100)), None);
    assert!(
        blocked(&two, &stage.appended(99..120))
            .unwrap()
            .ends_with("transaction 1")
    );
    assert_eq!(blocked(&two, &stage.appended(100..120)), None);
    one.give_back(Some(&mine));
    assert_eq!(blocked(&two, &stage.appended(20..120)), None);
    let mut all = Changes::new(&stage.base);
    all.table(stage.table).unwrap().truncate();
    assert!(blocked(&one, &all).unwrap().ends_with("transaction 2"));
    drop(two);
    assert_eq!(blocked(&one, &all), None);
    // Another branch is another place.
    let elsewhere = one.locks.begin("other", "three");
    assert_eq!(blocked(&elsewhere, &all), None);
}

#[test]
fn a_row_that_a_compaction_has_moved_is_still_held() {
    let mut stage = Stage::new();
    let more = stage.appended(10..20);
    let with_more = stage
        .database
        .commit("main", &stage.base, more, About::default())
        .unwrap();
    stage.base = with_more;
    let one = stage.holder("one");
    assert_eq!(blocked(&one, &stage.deleted(3)), None);
    let compacted = stage
        .database
        .compact("main", stage.table, Effort::All, About::default(), &|_| true)
        .unwrap();
    stage.base = compacted.unwrap();
    let two = stage.holder("two");
    let waits = "the statement was cancelled while it waited for transaction 1";
    assert_eq!(blocked(&two, &stage.deleted(3)).as_deref(), Some(waits));
    assert_eq!(blocked(&two, &stage.deleted(4)), None);
    // The other way round, too.
    drop(one);
    assert_eq!(blocked(&two, &stage.deleted(3)), None);
    let old = stage
        .database
        .timeline()
        .unwrap()
        .first_parents(stage.base.commit_id().unwrap());
    let old = old.map(|found| found.unwrap().0).nth(1).unwrap();
    stage.base = stage.database.snapshot(old).unwrap();
    let three = stage.holder("three");
    assert!(blocked(&three, &stage.deleted(3)).unwrap().ends_with("transaction 2"));
    assert_eq!(blocked(&three, &stage.deleted(5)), None);
}

#[test]
fn who_was_committed_meanwhile_is_remembered_as_long_as_it_matters() {
    let stage = Stage::new();
    let (one, two) = (stage.holder("one"), stage.holder("two"));
    let mine = stage.deleted(3);
    assert_eq!(blocked(&one, &mine), None);
    stage.commit(one, mine);
    let late = "the row with key (a) = (3) of `t` was changed by transaction 1 in the meantime";
    assert_eq!(blocked(&two, &stage.deleted(3)).as_deref(), Some(late));
    assert_eq!(blocked(&two, &stage.deleted(4)), None);
    // Who reads the newer snapshot does not care.
    let newest = stage.database.head("main").unwrap();
    two.reads(stage.database.height(&newest).unwrap());
    assert_eq!(blocked(&two, &stage.deleted(3)), None);
    drop(two);
    assert!(lock(&stage.database.locks().state).ended.is_empty());
}

#[test]
fn of_many_who_want_the_same_each_gets_it_in_turn() {
    let stage = Stage::new();
    let (inside, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (stage, inside, turns) = (&stage, &inside, &turns);
            scope.spawn(move || {
                for _ in 0..20 {
                    let holder = stage.holder("all rows, in an order of its own");
                    let mut changes = Changes::new(&stage.base);
                    for row in 0..5 {
                        stage.delete(&mut changes, (row * 3 + thread) % 5);
                    }
                    stage.append(&mut changes, 50..60);
                    assert_eq!(holder.claim(&Arc::new(changes), &patience()).unwrap(), Claimed::Held);
                    assert!(!inside.swap(true, Ordering::SeqCst));
                    turns.fetch_add(1, Ordering::SeqCst);
                    inside.store(false, Ordering::SeqCst);
                    drop(holder);
                }
            });
        }
    });
    assert_eq!(turns.into_inner(), 160);
    assert!(stage.database.locks().lines().is_empty());
}

#[test]
fn circles_are_broken_wherever_they_close() {
    let stage = Stage::new();
    for _ in 0..20 {
        let victims = AtomicUsize::new(0);
        let barrier = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_i128)
                .map(|at| {
                    let (stage, victims, barrier) = (&stage, &victims, &barrier);
                    scope.spawn(move || {
                        let holder = stage.holder("round");
                        let mut changes = stage.deleted(at);
                        holder.claim(&Arc::new(changes.savepoint()), &patience()).unwrap();
                        barrier.wait();
                        stage.delete(&mut changes, (at + 1) % 4);
                        match holder.claim(&Arc::new(changes), &patience()) {
                            Ok(claimed) => assert_eq!(claimed, Claimed::Held),
                            Err(LockError::Deadlock { .. }) => drop(victims.fetch_add(1, Ordering::SeqCst)),
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(victims.into_inner(), 1);
    }
}

#[test]
fn rows_without_a_place_in_the_table_give_way_to_whoever_has_one() {
    let stage = Stage::new();
    let goes = |changes: Changes| {
        let changes = Arc::new(changes);
        let ahead = stage
            .database
            .commit_ahead("main", &changes, &About::default(), None)
            .unwrap();
        ahead.is_some()
    };
    let meets = |changes: &Changes| stage.database.meets_ahead("main", changes).unwrap();
    assert!(goes(stage.appended(20..21)));
    // A key that somebody has claimed is not gone past; others are.
    let one = stage.holder("INSERT");
    let claimed = Arc::new(stage.appended(30..33));
    assert_eq!(one.claim(&claimed, &patience()).unwrap(), Claimed::Held);
    assert!(!meets(&claimed));
    assert!(!stage.database.locks().are_busy_with("main", stage.table));
    assert!(!goes(stage.appended(31..32)));
    assert!(!goes(stage.appended(32..34)));
    assert!(goes(stage.appended(33..34)));
    // Whoever claims what went ahead before finds it, and can read it.
    let two = stage.holder("INSERT");
    let late = Arc::new(stage.appended(33..35));
    assert_eq!(two.claim(&late, &patience()).unwrap(), Claimed::Held);
    assert!(meets(&late));
    let key = def().primary_key.unwrap();
    let head = stage.database.head("main").unwrap();
    let found = head.table(stage.table).unwrap();
    assert!(found.find_key(&key, &[crate::types::Value::Int(33)]).unwrap().is_some());
    assert!(!meets(&late), "it is a commit by now");
    drop((one, two));
    assert!(goes(stage.appended(30..31)));
    // Rows that go, more rows than are told apart, and all of the table are waited for whatever the keys are.
    let all = || {
        let mut changes = Changes::new(&stage.base);
        changes.table(stage.table).unwrap().truncate();
        changes
    };
    for (row, changes) in (40..).zip([stage.deleted(1), stage.appended(1000..2000), all()]) {
        let holder = stage.holder("some");
        assert!(!stage.database.locks().are_busy_with("main", stage.table));
        assert_eq!(holder.claim(&Arc::new(changes), &patience()).unwrap(), Claimed::Held);
        assert!(stage.database.locks().are_busy_with("main", stage.table));
        assert!(!goes(stage.appended(row..row + 1)));
        drop(holder);
        assert!(goes(stage.appended(row..row + 1)));
    }
    // Who is open remembers what went ahead, and is too late for all of the table.
    let old = stage.holder("TRUNCATE");
    assert!(goes(stage.appended(50..51)));
    let claimed = old.claim(&Arc::new(all()), &patience()).unwrap();
    assert!(matches!(claimed, Claimed::Overtaken(_)), "{claimed:?}");
}
