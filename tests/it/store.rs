//! Databases through the binary: tables, rows, transactions, the past; after each command another process.

use std::path::Path;

use crate::run::{Ran, gobi};

pub fn run(folder: &Path, jit: &str, script: &str) -> Ran {
    gobi(folder, &["-d", "db", "--format", "csv", "--jit", jit, "-c", script])
}

pub fn lines(folder: &Path, script: &str) -> String {
    let found: Vec<String> = ["on", "off"].map(|jit| run(folder, jit, script).out).to_vec();
    assert_eq!(found[0], found[1], "{script}");
    found[0].lines().skip(1).collect::<Vec<_>>().join(" ")
}

pub fn done(folder: &Path, script: &str) {
    let ran = run(folder, "auto", script);
    assert_eq!(ran.code, Some(0), "{script}: {}", ran.err);
}

pub fn fails(folder: &Path, script: &str, code: &str) {
    let ran = run(folder, "auto", script);
    assert_eq!(ran.code, Some(1), "{script}: {}", ran.out);
    assert!(ran.err.contains(&format!("error[{code}]")), "{script}: {}", ran.err);
}

#[test]
fn rows_come_and_go_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run(folder, "auto", "SELECT 1 AS x").out, "x\n1\n");
    assert!(!folder.join("db").exists(), "reading makes nothing");
    done(
        folder,
        "CREATE TABLE t (a int PRIMARY KEY, b string NOT NULL, c array<int>)",
    );
    done(
        folder,
        "INSERT INTO t SELECT range, 'row ' || range, [range, NULL] FROM range(100000)",
    );
    assert_eq!(
        lines(folder, "SELECT count(*), sum(a), max(b), sum(c[0]) FROM t"),
        "100000,4999950000,row 99999,4999950000"
    );
    done(
        folder,
        "UPDATE t SET b = upper(b), a = a + 1000000 WHERE a % 10 = 3; DELETE FROM t WHERE a % 10 = 4",
    );
    assert_eq!(
        lines(
            folder,
            "SELECT count(*), count(DISTINCT a), count(*) FILTER (WHERE b LIKE 'ROW%') FROM t"
        ),
        "90000,90000,10000"
    );
    assert_eq!(
        lines(folder, "SELECT a, b FROM t WHERE a IN (7, 14, 1000013) ORDER BY a"),
        "7,row 7 1000013,ROW 13"
    );
    assert_eq!(
        lines(
            folder,
            "SELECT x.a FROM t x JOIN t y ON x.a = y.a + 1 WHERE y.a < 4 ORDER BY x.a"
        ),
        "1 2"
    );
    done(
        folder,
        "UPDATE t SET b = s.b FROM (SELECT a + 1 AS a, b FROM t) s WHERE t.a = s.a AND t.a = 2",
    );
    assert_eq!(lines(folder, "SELECT b FROM t WHERE a = 2"), "row 1");
    done(folder, "TRUNCATE t");
    assert_eq!(lines(folder, "SELECT count(*) FROM t"), "0");
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE); INSERT INTO t VALUES (1, 10), (2, NULL), (3, NULL)",
    );
    fails(folder, "INSERT INTO t VALUES (4, 40), (1, 50)", "23505");
    fails(folder, "INSERT INTO t VALUES (4, 10)", "23505");
    fails(folder, "UPDATE t SET a = 3 WHERE a = 2", "23505");
    fails(folder, "INSERT INTO t VALUES (NULL, 1)", "23502");
    fails(
        folder,
        "INSERT INTO t SELECT 10 - range, 1 / (range - 5) FROM range(10) WHERE 10 % (range - 5) = 0",
        "22012",
    );
    fails(folder, "INSERT INTO t VALUES (1)", "42601");
    fails(folder, "INSERT INTO t (a, z) VALUES (1, 2)", "42703");
    fails(folder, "INSERT INTO t VALUES ({a: 1}, 2)", "42804");
    fails(folder, "CREATE TABLE T (x int)", "42P07");
    fails(folder, "DROP TABLE u", "42P01");
    assert_eq!(lines(folder, "FROM t ORDER BY a"), "1,10 2, 3,");
}

#[test]
fn transactions_are_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "CREATE TABLE t (a int)");
    done(folder, "BEGIN; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
    assert_eq!(lines(folder, "SELECT count(*) FROM t"), "0", "no COMMIT");
    done(
        folder,
        "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s; INSERT INTO t VALUES (3); COMMIT",
    );
    assert_eq!(lines(folder, "FROM t ORDER BY a"), "1 3");
    fails(
        folder,
        "BEGIN; INSERT INTO t VALUES (4); SELECT 1 / 0 % 0 FROM nope; COMMIT",
        "42P01",
    );
    fails(folder, "BEGIN READ ONLY; INSERT INTO t VALUES (4)", "25006");
    fails(folder, "COMMIT", "25P01");
    assert_eq!(lines(folder, "SELECT count(*) FROM t"), "2");
}

#[test]
fn the_past_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    // The first process has ended, the next one has not begun: the moment lies between their commits.
    let now = now_micros();
    done(folder, "INSERT INTO t VALUES (2); DELETE FROM t WHERE a = 1");
    let then = format!("SELECT a FROM t AS OF to_timestamp({now}.0 / 1000000)");
    assert_eq!(lines(folder, &then), "1");
    assert_eq!(lines(folder, "SELECT a FROM t"), "2");
    assert_eq!(lines(folder, "SELECT a FROM t AS OF BRANCH 'main'"), "2");
    fails(folder, "SELECT a FROM t AS OF '1 year ago'", "22007");
    fails(folder, "SELECT a FROM t AS OF '9 weeks ago'", "22023");
    fails(folder, "SELECT a FROM t AS OF TAG 'q1'", "42704");
}

pub fn now_micros() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_micros()
}
