//! Several transactions in one commit: what may share one, and what comes of it.

use super::*;
use crate::store::table::Prepared;

/// What rows of `(a, b)` are as a transaction that began at `base`.
fn adding(database: &Database, base: &Snapshot, id: EntityId, rows: &[(i64, &str)]) -> Prepared {
    let mut changes = Changes::new(base);
    let def = base.catalog().table(id).unwrap().clone();
    changes.table(id).unwrap().append(&def, &batch(rows)).unwrap();
    Arc::new(changes).prepare(&database.core).unwrap()
}

fn queue(database: &Database, members: &[(&Prepared, &Snapshot)]) -> Result<Snapshot, CommitError> {
    let (pending, snapshot) = database.queue(members, "main", &about(), (0, Vec::new()))?;
    pending.wait()?;
    Ok(snapshot)
}

#[test]
fn rows_of_several_transactions_make_one_commit() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    // One began before the other's base was there.
    let newer = append(&database, &base, id, &batch(&[(5, "five")])).unwrap();
    let one = adding(&database, &base, id, &[(1, "one"), (9, "nine")]);
    let two = adding(&database, &newer, id, &[(4, "four")]);
    assert!(one.joins(&base, &base) && two.joins(&newer, &base));
    let before = database.timeline().unwrap().place(newer.commit_id().unwrap()).unwrap();
    let next = queue(&database, &[(&one, &base), (&two, &newer)]).unwrap();
    let after = database.timeline().unwrap().place(next.commit_id().unwrap()).unwrap();
    assert_eq!(after.index, before.index + 1);
    let mut found = texts(&next, id);
    found.sort();
    assert_eq!(found, ["1 one", "4 four", "5 five", "9 nine"]);
    let table = next.table(id).unwrap();
    let key = keyed("t").primary_key.unwrap();
    for (address, text) in rows(&*table.relation(None).unwrap()) {
        let a = Value::Int(text.split(' ').next().unwrap().parse().unwrap());
        assert_eq!(table.find_key(&key, &[a]).unwrap(), Some(address));
    }
    // Each row has an id of its own.
    let mut ids: Vec<u64> = table
        .parts()
        .unwrap()
        .iter()
        .flat_map(|part| {
            (0..part.segment.rows).map(|row| part.segment.who(next.core(), row as u32).unwrap().0.unwrap())
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2, 3]);
    assert!(database.verify(true).unwrap().is_clean());
}

#[test]
fn their_rows_make_one_segment_of_a_table_and_of_each_partition() {
    let disk = SimDisk::new();
    let mut parted = pairs("t");
    parted.partition_by = vec![parted.columns[1].no];
    let (database, id, base) = with_table(&disk, parted);
    let mut changes = Changes::new(&base);
    let plain = changes.catalog.create("main", Entity::Table(pairs("u"))).unwrap();
    let base = database.commit("main", &base, changes, about()).unwrap();
    let staged = |table: EntityId, rows: &[(i64, &str)]| {
        let mut changes = Changes::new(&base);
        let def = base.catalog().table(table).unwrap().clone();
        changes.table(table).unwrap().append(&def, &batch(rows)).unwrap();
        assert!(changes.adds_few());
        Arc::new(changes)
    };
    let all = [
        staged(plain, &[(1, "x")]),
        staged(id, &[(1, "x"), (2, "y")]),
        staged(id, &[(3, "y")]),
        staged(plain, &[(2, "y")]),
        staged(id, &[(4, "x")]),
    ];
    let prepared = Prepared::together(&database.core, &all.each_ref()).unwrap();
    let members: Vec<_> = prepared.iter().map(|prepared| (prepared, &base)).collect();
    let next = queue(&database, &members).unwrap();
    let segments = |table: EntityId| next.table(table).unwrap().parts().unwrap().len();
    assert_eq!((segments(plain), segments(id)), (1, 2));
    assert_eq!(texts(&next, plain), ["1 x", "2 y"]);
    let mut found = texts(&next, id);
    found.sort();
    assert_eq!(found, ["1 x", "2 y", "3 y", "4 x"]);
    assert!(database.verify(true).unwrap().is_clean());
    // Rows that take the place of others, or are many, are encoded by themselves.
    let mut changes = Changes::new(&next);
    let def = next.catalog().table(plain).unwrap().clone();
    let first = rows(&*next.table(plain).unwrap().relation(None).unwrap())[0].0;
    changes.table(plain).unwrap().delete(&[first]);
    assert!(!changes.adds_few());
    let mut changes = Changes::new(&next);
    let many: Vec<(i64, &str)> = (0..65).map(|a| (a, "x")).collect();
    changes.table(plain).unwrap().append(&def, &batch(&many)).unwrap();
    assert!(!changes.adds_few());
}

#[test]
fn a_key_that_two_of_them_add_is_refused() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    let one = adding(&database, &base, id, &[(1, "one")]);
    let two = adding(&database, &base, id, &[(2, "two"), (1, "uno")]);
    let error = queue(&database, &[(&one, &base), (&two, &base)]).unwrap_err();
    assert!(matches!(error, CommitError::Duplicate { .. }), "{error}");
    assert_eq!(database.head("main").unwrap().commit_id(), base.commit_id());
    queue(&database, &[(&one, &base)]).unwrap();
    let error = queue(&database, &[(&two, &base)]).unwrap_err();
    assert!(error.to_string().contains("(a) = (1)"), "{error}");
    assert_eq!(texts(&database.head("main").unwrap(), id), ["1 one"]);
}

#[test]
fn what_depends_on_others_makes_a_commit_of_its_own() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    let base = append(&database, &base, id, &batch(&[(1, "one"), (2, "two")])).unwrap();
    let def = base.catalog().table(id).unwrap().clone();
    let first = rows(&*base.table(id).unwrap().relation(None).unwrap())[0].0;
    let joins = |change: &dyn Fn(&mut Changes)| {
        let mut changes = Changes::new(&base);
        changes
            .table(id)
            .unwrap()
            .append(&def, &batch(&[(7, "seven")]))
            .unwrap();
        change(&mut changes);
        Arc::new(changes).prepare(&database.core).unwrap().joins(&base, &base)
    };
    assert!(joins(&|_| {}));
    assert!(!joins(&|changes| changes.table(id).unwrap().delete(&[first])));
    assert!(!joins(&|changes| changes.table(id).unwrap().truncate()));
    assert!(!joins(&|changes| changes.reads = Some(Reads::default())));
    assert!(!joins(&|changes| changes.only_on_base = true));
    assert!(!joins(&|changes| {
        changes.catalog.create("main", Entity::Table(pairs("u"))).unwrap();
    }));
}

#[test]
fn whoever_commits_beside_others_hears_of_its_own_success() {
    let disk = SimDisk::new();
    let (database, id, base) = with_table(&disk, keyed("t"));
    let before = database
        .timeline()
        .unwrap()
        .place(base.commit_id().unwrap())
        .unwrap()
        .index;
    // Every thread adds rows of its own, and one row that all add.
    let successes: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_i64)
            .map(|thread| {
                let (database, base) = (&database, &base);
                scope.spawn(move || {
                    let mut successes = 0;
                    for at in 0..40_i64 {
                        let a = if at == 20 { -1 } else { thread * 100 + at };
                        let text = format!("{thread} {at}");
                        let own = append(database, base, id, &batch(&[(a, &text)]));
                        assert!(own.is_ok() || a == -1, "{own:?}");
                        successes += usize::from(own.is_ok());
                    }
                    successes
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(successes, 8 * 39 + 1);
    let head = database.head("main").unwrap();
    assert_eq!(texts(&head, id).len(), successes);
    // The log says of how many transactions each commit is.
    let mut told = 0;
    for (_, record) in database
        .timeline()
        .unwrap()
        .first_parents(head.commit_id().unwrap())
        .map(Result::unwrap)
    {
        if record.index > before {
            let count = record
                .message
                .strip_prefix("test of ")
                .and_then(|rest| rest.split(' ').next());
            told += count.map_or(1, |count| count.parse::<usize>().unwrap());
        }
    }
    assert_eq!(told, successes);
    assert!(database.verify(true).unwrap().is_clean());
}
