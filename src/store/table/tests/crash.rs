//! Commits of many threads, and crashes at every step.

use super::*;
use crate::store::StoreError;

#[test]
fn threads_commit_side_by_side() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    std::thread::scope(|scope| {
        for thread in 0..8_i64 {
            let database = &database;
            scope.spawn(move || {
                for round in 0..20 {
                    let base = database.head("main").unwrap();
                    let a = thread * 100 + round;
                    append(database, &base, id, &batch(&[(a, &format!("{a}"))])).unwrap();
                }
            });
        }
    });
    let head = database.head("main").unwrap();
    let mut found = texts(&head, id);
    found.sort();
    let mut expected: Vec<_> = (0..8)
        .flat_map(|t| (0..20).map(move |r| format!("{0} {0}", t * 100 + r)))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    // All from the same base: one key, one winner.
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| append(&database, &base, id, &batch(&[(5000, "x")])).is_ok()))
            .collect();
        tries
            .into_iter()
            .map(|tried| u32::from(tried.join().unwrap()))
            .sum::<u32>()
    });
    assert_eq!(won, 1);
}

/// A few transactions with rows of every size; gives what was acknowledged.
fn work(disk: &SimDisk) -> Result<Vec<Vec<String>>, StoreError> {
    let unwrapped = |error: CommitError| match error {
        CommitError::Store(error) => error,
        other => panic!("{other}"),
    };
    let mut acknowledged = Vec::new();
    let run = |acknowledged: &mut Vec<Vec<String>>| -> Result<(), StoreError> {
        let database = Database::open(machine(disk), Path::new("db"), Mode::Write)?;
        let mut head = database.head("main")?;
        let mut changes = Changes::new(&head);
        let def = keyed("t");
        let id = changes.catalog.create("main", Entity::Table(def.clone())).unwrap();
        head = database.commit("main", &head, changes, about()).map_err(unwrapped)?;
        acknowledged.push(Vec::new());
        let mut a = 0;
        for count in [1, 2, 400, 17_000, 3] {
            let table = head.table(id)?;
            let shown = rows(&*table.relation(None)?);
            let mut changes = Changes::new(&head);
            let staged = changes.table(id)?;
            let gone = shown.iter().step_by(7).map(|(row, _)| *row).collect::<Vec<_>>();
            staged.delete(&gone);
            let new: Vec<_> = (a..a + count).map(|a| (a, format!("text {a}"))).collect();
            a += count;
            let new: Vec<_> = new.iter().map(|(a, b)| (*a, b.as_str())).collect();
            staged.append(&def, &batch(&new))?;
            head = database.commit("main", &head, changes, about()).map_err(unwrapped)?;
            acknowledged.push(texts(&head, id));
        }
        database.close()
    };
    match run(&mut acknowledged) {
        Err(error) if acknowledged.is_empty() && !disk.has_crashed() => Err(error),
        _ => Ok(acknowledged),
    }
}

#[test]
fn crashes_lose_nothing_acknowledged() {
    let disk = SimDisk::new();
    let complete = work(&disk).unwrap();
    assert_eq!(complete.len(), 6);
    let steps = disk.steps();
    for step in 0..steps {
        let disk = SimDisk::new();
        disk.crash_at(step);
        let acknowledged = work(&disk).unwrap();
        let disk = disk.reboot(step * 31 + 1);
        let database = match Database::open(machine(&disk), Path::new("db"), Mode::Write) {
            Ok(database) => database,
            Err(error) => panic!("step {step}: {error}"),
        };
        let head = database.head("main").unwrap();
        let found = match head.catalog().find(&["t"]) {
            Some(entry) => texts(&head, entry.id),
            None => {
                assert!(acknowledged.is_empty(), "step {step}");
                continue;
            }
        };
        // What was acknowledged, or one more.
        let last = acknowledged.len().max(1) - 1;
        let fits = complete[last..].iter().take(2).any(|state| *state == found);
        assert!(
            fits,
            "step {step}: {} rows after {} commits",
            found.len(),
            acknowledged.len()
        );
        let report = database.verify(true).unwrap();
        assert!(report.is_clean(), "step {step}: {report:?}");
    }
}
