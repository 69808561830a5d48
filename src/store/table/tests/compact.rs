//! Compaction: fewer segments, the same rows as of every commit, and nobody else the wiser.

use super::*;

const EFFORTS: [Effort; 2] = [Effort::Tiers, Effort::All];

fn compact(database: &Database, id: EntityId, effort: Effort) -> Option<Snapshot> {
    database.compact("main", id, effort, about(), &|_| true).unwrap()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// Live rows with their ids and commits.
fn origins(snapshot: &Snapshot, id: EntityId) -> Vec<(String, u64, u64)> {
    let table = snapshot.table(id).unwrap();
    let shown = rows(&*table.relation(None).unwrap());
    let mut out = Vec::new();
    for part in table.parts().unwrap() {
        let segment = &part.segment;
        for (address, text) in shown.iter().filter(|(address, _)| address.segment() == segment.number) {
            let (row, commit) = segment.who(snapshot.core(), address.row()).unwrap();
            out.push((text.clone(), row.unwrap(), commit.unwrap()));
        }
    }
    out.sort();
    out
}

fn fragmentation(snapshot: &Snapshot, id: EntityId) -> (u64, u64, u64) {
    let found = snapshot.fragmentation(id).unwrap();
    (found.segments, found.rows, found.deleted)
}

#[test]
fn small_segments_become_one_and_rows_keep_their_origins() {
    for def in [pairs("t"), keyed("t"), sorted_by("t")] {
        let disk = SimDisk::new();
        let (database, id, mut head) = with_table(&disk, def.clone());
        for a in 0..260 {
            head = append(&database, &head, id, &batch(&[(500 - a, &format!("{a}"))])).unwrap();
        }
        let mut changes = Changes::new(&head);
        let gone = rows(&*head.table(id).unwrap().relation(None).unwrap())[3].0;
        changes.table(id).unwrap().delete(&[gone]);
        let head = database.commit("main", &head, changes, about()).unwrap();
        let before = origins(&head, id);
        let (segments, ..) = fragmentation(&head, id);
        let after = compact(&database, id, Effort::Tiers).unwrap();
        assert_eq!(fragmentation(&after, id), (1, 259, 0), "{segments} before");
        assert_eq!(origins(&after, id), before);
        assert_eq!(sorted(texts(&after, id)), sorted(texts(&head, id)));
        assert_eq!(database.head("main").unwrap().commit_id(), after.commit_id());
        let record = database
            .timeline()
            .unwrap()
            .commit_record(after.commit_id().unwrap())
            .unwrap();
        assert_eq!(record.flavor, COMPACTION);
        let moved = Moved::decode(&record.extra).unwrap();
        assert_eq!((moved.table, moved.from.len(), moved.into.len()), (id, segments, 1));
        // What is appended goes on after the ids that were given out.
        let next = append(&database, &after, id, &batch(&[(1, "new")])).unwrap();
        let new = origins(&next, id)
            .into_iter()
            .find(|(text, ..)| text == "1 new")
            .unwrap();
        assert_eq!(new.1, 260);
        EFFORTS
            .iter()
            .for_each(|effort| assert!(*effort == Effort::All || compact(&database, id, *effort).is_none()));
        database.close().unwrap();
        drop((database, head, after, next));
        let database = open(&disk);
        assert_eq!(texts(&database.head("main").unwrap(), id).len(), 260);
        assert!(database.verify(true).unwrap().is_clean());
    }
}

fn sorted_by(name: &str) -> TableDef {
    let mut def = pairs(name);
    def.sort_by = vec![crate::catalog::SortColumn {
        column: ColumnNo(0),
        desc: false,
    }];
    def
}

#[test]
fn transactions_that_began_before_find_their_rows_again() {
    let disk = SimDisk::new();
    let (database, id, mut head) = with_table(&disk, keyed("t"));
    for a in 0..12 {
        head = append(
            &database,
            &head,
            id,
            &batch(&[(a, &format!("x{a}")), (a + 100, &format!("y{a}"))]),
        )
        .unwrap();
    }
    let shown = rows(&*head.table(id).unwrap().relation(None).unwrap());
    let deletes = |at: &[usize]| {
        let mut changes = Changes::new(&head);
        let gone: Vec<_> = at.iter().map(|at| shown[*at].0).collect();
        changes.table(id).unwrap().delete(&gone);
        changes
    };
    let (one, other, late) = (deletes(&[0, 7]), deletes(&[7, 9]), deletes(&[20, 23]));
    compact(&database, id, Effort::All).unwrap();
    let next = database.commit("main", &head, one, about()).unwrap();
    assert_eq!(next.table(id).unwrap().rows(), 22);
    let error = database.commit("main", &head, other, about()).unwrap_err();
    assert!(matches!(error, CommitError::Conflict(_)), "{error}");
    // A second compaction on top of the first, and appended rows between.
    append(&database, &next, id, &batch(&[(7000, "z")])).unwrap();
    compact(&database, id, Effort::All).unwrap();
    let rebased = late.rebased(&database.head("main").unwrap()).unwrap();
    assert_eq!(rebased.tables[&id].committed_deletes().count(), 1);
    let last = database.commit("main", &head, late, about()).unwrap();
    let mut expected: Vec<_> = shown.iter().map(|(_, text)| text.clone()).collect();
    for gone in [23, 20, 7, 0] {
        expected.remove(gone);
    }
    expected.push("7000 z".into());
    assert_eq!(sorted(texts(&last, id)), sorted(expected));
    let key = keyed("t").primary_key.unwrap();
    let table = last.table(id).unwrap();
    for (address, text) in rows(&*table.relation(None).unwrap()) {
        let a = Value::Int(text.split(' ').next().unwrap().parse().unwrap());
        assert_eq!(table.find_key(&key, &[a]).unwrap(), Some(address));
    }
}

#[test]
fn whoever_changes_the_same_rows_meanwhile_wins() {
    let disk = SimDisk::new();
    let (database, id, mut head) = with_table(&disk, pairs("t"));
    for a in 0..9 {
        head = append(&database, &head, id, &batch(&[(a, "x"), (a, "y")])).unwrap();
    }
    let shown = rows(&*head.table(id).unwrap().relation(None).unwrap());
    let asked = std::cell::Cell::new(false);
    let interfering = |_| {
        if !asked.replace(true) {
            let mut changes = Changes::new(&head);
            changes.table(id).unwrap().delete(&[shown[4].0]);
            database.commit("main", &head, changes, about()).unwrap();
        }
        true
    };
    let made = database
        .compact("main", id, Effort::All, about(), &interfering)
        .unwrap();
    assert!(made.is_none());
    assert_eq!(database.head("main").unwrap().table(id).unwrap().rows(), 17);
    assert!(
        database
            .compact("main", id, Effort::All, about(), &|_| false)
            .unwrap()
            .is_none()
    );
    assert!(compact(&database, id, Effort::All).is_some());
    assert_eq!(fragmentation(&database.head("main").unwrap(), id), (1, 17, 0));
}

#[test]
fn segments_are_few_and_rows_rewritten_seldom_however_many_commits() {
    let disk = SimDisk::new();
    let (database, id, mut head) = with_table(&disk, pairs("t"));
    let mut rewritten = 0;
    for a in 0..600 {
        head = append(&database, &head, id, &batch(&[(a, "some text")])).unwrap();
        let before = fragmentation(&head, id);
        if let Some(after) = compact(&database, id, Effort::Tiers) {
            rewritten += before.1.saturating_sub(fragmentation(&after, id).0);
            head = after;
        }
        assert!(
            fragmentation(&head, id).0 <= 128 + 8 * 3,
            "{:?}",
            fragmentation(&head, id)
        );
    }
    assert_eq!(texts(&head, id).len(), 600);
    let record = database.timeline().unwrap().log_head().size;
    assert!(record < 600 * 5 / 4, "{record} commits");
    assert!(rewritten > 0);
}
