//! Rows that are durable before they are a commit.

use super::*;
use crate::store::StoreError;
use crate::store::timeline::{Options, RefKind};

fn about_insert() -> About {
    About {
        message: "INSERT".into(),
        ..about()
    }
}

/// Rows on top of the newest commit that is known.
fn adding(database: &Database, id: EntityId, rows: &[(i64, &str)]) -> Arc<Changes> {
    let base = database.base_for_rows("main").unwrap().unwrap();
    let mut changes = Changes::new(&base);
    let def = base.catalog().table(id).unwrap().clone();
    changes.table(id).unwrap().append(&def, &batch(rows)).unwrap();
    Arc::new(changes)
}

/// Whether a row went ahead.
fn goes_ahead(database: &Database, id: EntityId, a: i64) -> Result<bool, CommitError> {
    let changes = adding(database, id, &[(a, &a.to_string())]);
    let ahead = database.commit_ahead("main", &changes, &about_insert(), None)?;
    Ok(ahead.is_some())
}

fn sorted(snapshot: &Snapshot, id: EntityId) -> Vec<i64> {
    let first = |text: &String| text.split(' ').next().unwrap().parse().unwrap();
    let mut found: Vec<i64> = texts(snapshot, id).iter().map(first).collect();
    found.sort_unstable();
    found
}

#[test]
fn what_went_ahead_is_read_and_is_a_commit_each() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    let before = database.timeline().unwrap().log_head().size;
    for a in 0..5 {
        assert!(goes_ahead(&database, id, a).unwrap());
    }
    // Nobody has looked yet.
    assert_eq!(database.core.timeline.log_head().size, before);
    assert!(database.core.timeline.resolve(RefKind::Branch, "main") == base.commit_id());
    let head = database.head("main").unwrap();
    assert_eq!(sorted(&head, id), [0, 1, 2, 3, 4]);
    assert_eq!(database.timeline().unwrap().log_head().size, before + 5);
    let record = database
        .timeline()
        .unwrap()
        .commit_record(head.commit_id().unwrap())
        .unwrap();
    assert_eq!(record.message, "INSERT");
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn those_that_run_side_by_side_share_a_commit() {
    let disk = SimDisk::new();
    let (database, id, _) = with_table(&disk, keyed("t"));
    let before = database.timeline().unwrap().log_head().size;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let database = &database;
            scope.spawn(move || {
                for round in 0..40 {
                    assert!(goes_ahead(database, id, thread * 100 + round).unwrap());
                    if round % 16 == 7 {
                        // What is acknowledged is there.
                        let head = database.head("main").unwrap();
                        assert!(sorted(&head, id).contains(&(thread * 100 + round)));
                    }
                }
            });
        }
    });
    let head = database.head("main").unwrap();
    let expected: Vec<i64> = (0..8).flat_map(|t| (0..40).map(move |r| t * 100 + r)).collect();
    assert_eq!(sorted(&head, id), expected);
    assert!(database.timeline().unwrap().log_head().size <= before + 320);
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn a_key_is_there_once_whatever_is_no_commit_yet() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    append(&database, &base, id, &batch(&[(7, "7")])).unwrap();
    assert!(!goes_ahead(&database, id, 7).unwrap());
    assert!(goes_ahead(&database, id, 8).unwrap());
    // Of what went ahead, of what became a commit a moment ago, and twice in one transaction.
    assert!(!goes_ahead(&database, id, 8).unwrap());
    let old = adding(&database, id, &[(8, "other")]);
    database.head("main").unwrap();
    assert_eq!(
        database.commit_ahead("main", &old, &about_insert(), None).unwrap(),
        None
    );
    let twice = adding(&database, id, &[(9, "x"), (9, "y")]);
    assert_eq!(
        database.commit_ahead("main", &twice, &about_insert(), None).unwrap(),
        None
    );
    // The other way, the commit says why.
    let refused = database.commit_changes("main", old.base(), &old, about_insert());
    assert!(duplicate(refused).contains("(a) = (8)"));
    assert_eq!(sorted(&database.head("main").unwrap(), id), [7, 8]);
    // One key, many at a time, with nothing known of what came before: one has it.
    for a in 500..560 {
        database.forget_bases();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| goes_ahead(&database, id, a).unwrap()))
                .collect();
            tries
                .into_iter()
                .map(|tried| usize::from(tried.join().unwrap()))
                .sum::<usize>()
        });
        assert_eq!(won, 1, "{a}");
    }
}

#[test]
fn nothing_overtakes_it() {
    let disk = SimDisk::new();
    let (database, id, _) = with_table(&disk, keyed("t"));
    assert!(goes_ahead(&database, id, 1).unwrap());
    // A commit of another sort, on top of a base without the row.
    let base = database.base_for_rows("main").unwrap().unwrap();
    let mut changes = Changes::new(&base);
    changes.catalog.create("main", Entity::Table(pairs("u"))).unwrap();
    let next = database.commit("main", &base, changes, about()).unwrap();
    assert_eq!(sorted(&next, id), [1]);
    assert!(goes_ahead(&database, id, 2).unwrap());
    // A branch begins with all that was acknowledged, and a definition that changed is not gone past.
    let tip = database.head("main").unwrap().commit_id();
    database.set_ref(RefKind::Branch, "side", None, tip).unwrap();
    assert_eq!(sorted(&database.head("side").unwrap(), id), [1, 2]);
    let late = adding(&database, id, &[(3, "3")]);
    let head = database.head("main").unwrap();
    let mut changes = Changes::new(&head);
    changes.catalog.drop(id, false).unwrap();
    database.commit("main", &head, changes, about()).unwrap();
    assert_eq!(
        database.commit_ahead("main", &late, &about_insert(), None).unwrap(),
        None
    );
}

#[test]
fn another_process_reads_it_and_writes_nothing() {
    let disk = SimDisk::new();
    let (database, id, _) = with_table(&disk, keyed("t"));
    for a in 0..3 {
        assert!(goes_ahead(&database, id, a).unwrap());
    }
    let before = disk.files();
    let reader = Database::open(machine(&disk), Path::new("db"), Mode::Read).unwrap();
    assert_eq!(sorted(&reader.head("main").unwrap(), id), [0, 1, 2]);
    assert_eq!(reader.timeline().unwrap().log_head().size, 4);
    assert!(reader.is_current().unwrap());
    assert!(disk.files() == before);
    assert!(goes_ahead(&database, id, 3).unwrap());
    assert!(!reader.is_current().unwrap());
}

/// Sizes that end packs and write checkpoints every few rows.
fn small() -> Options {
    Options {
        pack_bytes: 4 << 10,
        checkpoint_bytes: 1 << 10,
        unindexed_bytes: 2 << 10,
        step_bytes: 512,
        ..Options::default()
    }
}

fn open_small(disk: &SimDisk) -> Result<Arc<Database>, StoreError> {
    Database::open_with(machine(disk), Path::new("db"), Mode::Write, small())
}

/// Rows that go ahead, and now and then something that they have to be a commit for; gives how many were acknowledged.
fn work(disk: &SimDisk) -> Result<i64, StoreError> {
    let mut acknowledged = -1;
    let unwrapped = |error: CommitError| match error {
        CommitError::Store(error) => error,
        other => panic!("{other}"),
    };
    let run = |acknowledged: &mut i64| -> Result<(), StoreError> {
        let mut database = open_small(disk)?;
        let head = database.head("main")?;
        let mut changes = Changes::new(&head);
        let id = changes.catalog.create("main", Entity::Table(keyed("t"))).unwrap();
        database.commit("main", &head, changes, about()).map_err(unwrapped)?;
        *acknowledged = 0;
        for a in 0..60 {
            // What is not known to go ahead fails, once the disk is gone.
            let ahead = database.base_for_rows("main").map(|base| base.is_some())?;
            assert!(ahead && goes_ahead(&database, id, a).map_err(unwrapped)?);
            *acknowledged = a + 1;
            match a {
                13 | 37 => drop(database.head("main")?),
                22 => database.core.timeline.checkpoint()?,
                29 => drop(database.collect(None, false)?),
                41 => {
                    database.close()?;
                    database = open_small(disk)?;
                }
                _ => {}
            }
        }
        database.close()
    };
    match run(&mut acknowledged) {
        Err(error) if !disk.has_crashed() => Err(error),
        _ => Ok(acknowledged),
    }
}

#[test]
fn crashes_lose_none_of_it() {
    let disk = SimDisk::new();
    assert_eq!(work(&disk).unwrap(), 60);
    for step in 0..disk.steps() {
        let disk = SimDisk::new();
        disk.crash_at(step);
        let acknowledged = work(&disk).unwrap();
        for seed in 0..3 {
            let back = disk.reboot(seed);
            let Ok(database) = open_small(&back) else {
                panic!("step {step}: the folder does not open");
            };
            let head = database.head("main").unwrap();
            let Some(id) = head.catalog().find(&["main", "t"]).map(|entry| entry.id) else {
                assert_eq!(acknowledged, -1, "step {step}: the table is gone");
                continue;
            };
            let found = sorted(&head, id);
            let known: Vec<i64> = (0..found.len() as i64).collect();
            assert_eq!(found, known, "step {step}: rows are missing in between");
            let count = found.len() as i64;
            assert!(
                count == acknowledged || count == acknowledged + 1 || acknowledged == -1 && count == 0,
                "step {step}: {count} rows, of which {acknowledged} were acknowledged"
            );
            assert!(database.verify(true).unwrap().is_clean(), "step {step}");
            assert!(goes_ahead(&database, id, 1000).unwrap());
            drop((database, head));
            let again = open_small(&back).unwrap();
            assert!(sorted(&again.head("main").unwrap(), id).contains(&1000), "step {step}");
        }
    }
}
