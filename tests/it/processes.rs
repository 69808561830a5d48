//! Two processes at one folder: one writes, any number read.

use gobi::client::Client;

use crate::isolation::{client, run};
use crate::run::gobi;

#[test]
fn who_only_reads_needs_no_lock_and_sees_the_last_commit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let other = |script: &str| gobi(folder, &["-d", "db", "--format", "csv", "-c", script]);
    assert_eq!(
        other("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 10)").code,
        Some(0)
    );
    // This process reads, and another one writes.
    let reading = client(&folder.join("db"));
    let mut reader = reading.session();
    assert_eq!(run(&mut reader, "FROM t").unwrap(), "1,10");
    for n in 2..6 {
        let ran = other(&format!(
            "INSERT INTO t VALUES ({n}, 0); UPDATE t SET n = {n} WHERE id = 1"
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let seen = run(&mut reader, "SELECT count(*), max(n) FROM t").unwrap();
        assert_eq!(seen, format!("{n},{n}"));
    }
    // A transaction stays where it began.
    run(&mut reader, "BEGIN READ ONLY").unwrap();
    assert_eq!(other("DELETE FROM t WHERE id > 1").code, Some(0));
    assert_eq!(run(&mut reader, "SELECT count(*) FROM t").unwrap(), "5");
    run(&mut reader, "COMMIT").unwrap();
    assert_eq!(run(&mut reader, "SELECT count(*) FROM t").unwrap(), "1");
    // Now this process writes, and holds the lock; the other one reads what is committed.
    run(&mut reader, "UPDATE t SET n = 7").unwrap();
    assert_eq!(other("FROM t").out, "id,n\n1,7\n");
    run(&mut reader, "BEGIN; UPDATE t SET n = 8").unwrap();
    assert_eq!(other("BEGIN READ ONLY; FROM t; COMMIT").out, "id,n\n1,7\n");
    run(&mut reader, "COMMIT").unwrap();
    assert_eq!(other("BEGIN; FROM t; COMMIT").out, "id,n\n1,8\n");
    let pid = format!("is open for writing in process {}", std::process::id());
    for script in [
        "INSERT INTO t VALUES (9, 9)",
        "BEGIN; FROM t; DELETE FROM t; COMMIT",
        "CREATE TABLE u (a int)",
    ] {
        let ran = other(script);
        assert_eq!(ran.code, Some(1), "{script}");
        assert!(
            ran.err.contains("error[55006]") && ran.err.contains(&pid),
            "{script}: {}",
            ran.err
        );
    }
    drop((reader, reading));
    assert_eq!(other("INSERT INTO t VALUES (9, 9)").code, Some(0));
}

#[test]
fn reading_changes_nothing_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let writing = client(&path);
    run(
        &mut writing.session(),
        "CREATE TABLE t AS SELECT range AS a FROM range(1000); DELETE FROM t WHERE a = 3",
    )
    .unwrap();
    drop(writing);
    let files = || {
        let mut found = Vec::new();
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => found.push((entry.path(), std::fs::read(entry.path()).unwrap())),
                }
            }
        }
        found.sort();
        found
    };
    let before = files();
    let reading: Client = client(&path);
    let sum = "SELECT count(*), sum(a) FROM t";
    assert_eq!(run(&mut reading.session(), sum).unwrap(), "999,499497");
    run(
        &mut reading.session(),
        "BEGIN READ ONLY; SHOW TABLES; SHOW LOCKS; COMMIT",
    )
    .unwrap();
    drop(reading);
    assert!(before == files());
}

#[test]
fn a_transaction_takes_the_lock_at_its_first_change() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let other = |script: &str| {
        let ran = gobi(folder, &["-d", "db", "--format", "csv", "-c", script]);
        assert_eq!(ran.code, Some(0), "{script}: {}", ran.err);
    };
    other("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 10), (2, 20)");
    let here = client(&folder.join("db"));
    let mut session = here.session();
    // What another process commits meanwhile is no conflict, and not seen.
    run(&mut session, "BEGIN; SAVEPOINT s; FROM t").unwrap();
    other("INSERT INTO t VALUES (3, 30)");
    assert_eq!(run(&mut session, "SELECT count(*) FROM t").unwrap(), "2");
    run(&mut session, "UPDATE t SET n = 11 WHERE id = 1").unwrap();
    assert_eq!(run(&mut session, "SELECT sum(n) FROM t").unwrap(), "31");
    run(&mut session, "ROLLBACK TO s; UPDATE t SET n = 12 WHERE id = 1; COMMIT").unwrap();
    assert_eq!(run(&mut session, "SELECT sum(n) FROM t").unwrap(), "62");
    drop((session, here));
    // A row that another process has changed is one.
    let here = client(&folder.join("db"));
    let mut session = here.session();
    run(&mut session, "BEGIN; FROM t").unwrap();
    other("UPDATE t SET n = 13 WHERE id = 1");
    let late = run(&mut session, "UPDATE t SET n = 14 WHERE id = 1").unwrap_err();
    assert_eq!(late.code(), "40001", "{late}");
    assert!(
        late.to_string()
            .contains("the row with key (id) = (1) of `t` was changed"),
        "{late}"
    );
    run(&mut session, "ROLLBACK").unwrap();
    drop((session, here));
    // Read committed sees it, statement by statement.
    let here = client(&folder.join("db"));
    let mut session = here.session();
    run(&mut session, "BEGIN ISOLATION LEVEL READ COMMITTED; FROM t").unwrap();
    other("UPDATE t SET n = 15 WHERE id = 1");
    assert_eq!(run(&mut session, "SELECT n FROM t WHERE id = 1").unwrap(), "15");
    run(&mut session, "UPDATE t SET n = n + 1 WHERE id = 1; COMMIT").unwrap();
    assert_eq!(run(&mut session, "SELECT n FROM t WHERE id = 1").unwrap(), "16");
    drop((session, here));
    // Nor does it make a database, or attach one for writing.
    other("BEGIN; SELECT 1; COMMIT; ATTACH 'new' AS fresh; BEGIN; FROM t; COMMIT");
    assert!(!folder.join("new").exists());
    let ran = gobi(folder, &["-d", "none", "-c", "BEGIN; SELECT 1; COMMIT"]);
    assert_eq!((ran.code, folder.join("none").exists()), (Some(0), false));
    let ran = gobi(folder, &["-d", "none", "-c", "BEGIN READ ONLY; CREATE TABLE t (a int)"]);
    assert!(
        ran.err.contains("error[25006]: the transaction is read only"),
        "{}",
        ran.err
    );
    assert!(!folder.join("none").exists());
    let made = "BEGIN; SAVEPOINT s; CREATE TABLE t (a int); ROLLBACK TO s; CREATE TABLE u (a int); COMMIT; FROM u";
    assert_eq!(gobi(folder, &["-d", "none", "-c", made]).code, Some(0));
}

#[test]
fn files_that_another_process_reads_are_not_told_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let other = |args: &[&str]| {
        let ran = gobi(folder, &[&["-d", "db", "--format", "jsonl"], args].concat());
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        ran.out
    };
    let collected = |args: &[&str]| {
        let told = other(&[&["gc", "--keep", "0s"], args].concat());
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let is_put_off = told["put_off"] == "yes";
        assert!(!is_put_off || told["bytes_after"] == told["bytes_before"], "{told}");
        (told["files_removed"].as_u64().unwrap(), is_put_off)
    };
    other(&[
        "-c",
        "CREATE TABLE t AS SELECT range AS a, 'x' || range AS b FROM range(200000)",
    ]);
    let here = client(&folder.join("db"));
    let mut session = here.session();
    run(&mut session, "BEGIN; SELECT count(*) FROM t").unwrap();
    other(&["-c", "TRUNCATE t; INSERT INTO t VALUES (1, 'one')"]);
    assert_eq!((collected(&["--dry-run"]), collected(&[])), ((0, true), (0, true)));
    assert_eq!(
        run(&mut session, "SELECT count(*), max(a) FROM t").unwrap(),
        "200000,199999"
    );
    drop((session, here));
    let after = [collected(&["--dry-run"]), collected(&[]), collected(&[])];
    assert_eq!(after, [(1, false), (1, false), (0, false)]);
}
