//! How a table lies in the store: partitions that are not read, segments that are copied; and plans of changes.
//!
//! Does not: show what queries give; `tests/slt/storage` does.

use std::path::Path;

use super::run::gobi;
use super::store::{done, lines, run};

/// The plan of a statement, as text.
fn plan(folder: &Path, statement: &str, options: &[&str]) -> String {
    let mut args = vec!["-d", "db", "explain"];
    args.extend(options);
    args.push(statement);
    let ran = gobi(folder, &args);
    assert_eq!(ran.code, Some(0), "{statement}: {}", ran.err);
    ran.out
}

/// The rows of a script that is run once.
fn rows(folder: &Path, script: &str) -> String {
    let ran = run(folder, "auto", script);
    assert_eq!(ran.code, Some(0), "{script}: {}", ran.err);
    ran.out
}

#[test]
fn other_partitions_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t (day int, a int, s string) WITH (partition_by = day);
         INSERT INTO t SELECT range % 10, range, 'text ' || range FROM range(200000);
         CREATE TABLE u AS SELECT * FROM t",
    );
    let shown = plan(folder, "SELECT sum(a) FROM t WHERE day = 3", &[]);
    assert!(shown.contains("1 of 10 parts"), "{shown}");
    let shown = plan(folder, "SELECT sum(a) FROM t WHERE day >= 8", &[]);
    assert!(shown.contains("2 of 10 parts"), "{shown}");
    let shown = plan(folder, "SELECT sum(a) FROM u WHERE day = 3", &[]);
    assert!(!shown.contains("of 10 parts"), "{shown}");
    assert_eq!(
        lines(folder, "SELECT count(*), min(a), max(a) FROM t WHERE day = 3"),
        "20000,3,199993"
    );
    assert_eq!(lines(folder, "SELECT count(*) FROM (FROM t EXCEPT FROM u)"), "0");
    // Not even by who puts them together.
    done(
        folder,
        "SET auto_compact = off; DELETE FROM t WHERE a % 4 = 0; INSERT INTO t VALUES (3, -1, 'new'), (4, -2, 'new')",
    );
    let compacted = rows(folder, "COMPACT t");
    assert!(compacted.contains("t,12,10,50000,0,"), "{compacted}");
    assert_eq!(
        lines(
            folder,
            "SELECT day, count(*), min(a) FROM t WHERE day IN (3, 4) GROUP BY day ORDER BY day"
        ),
        "3,20001,-1 4,10001,-2"
    );
}

#[test]
fn copying_on_write_leaves_no_deleted_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for storage in ["cow", "mor"] {
        done(
            folder,
            &format!(
                "SET auto_compact = off; CREATE TABLE {storage} (a int PRIMARY KEY, b string) WITH (storage = '{storage}');
                 INSERT INTO {storage} SELECT range, 'b' || range FROM range(20000); DELETE FROM {storage} WHERE a % 7 = 0;
                 UPDATE {storage} SET b = 'c' WHERE a % 11 = 0"
            ),
        );
    }
    let deleted = |table: &str| {
        rows(folder, &format!("COMPACT {table}"))
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .nth(3)
            .unwrap()
            .to_string()
    };
    assert_eq!(deleted("cow"), "0");
    assert_ne!(deleted("mor"), "0");
    assert_eq!(lines(folder, "SELECT count(*) FROM (FROM cow EXCEPT FROM mor)"), "0");
    assert_eq!(
        lines(folder, "SELECT count(*), count(*) FILTER (WHERE b = 'c') FROM cow"),
        "17142,1559"
    );
    assert_eq!(lines(folder, "SELECT b FROM cow WHERE a = 22"), "c");
}

#[test]
fn the_plan_of_a_change_changes_nothing_unless_it_is_analysed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t SELECT range, range FROM range(1000); CREATE TABLE s (a int, b int);
         INSERT INTO s VALUES (5, 50), (5000, 1)",
    );
    let changes = [
        ("insert into t", "INSERT INTO t VALUES (1, 1), (2000, 2)"),
        (
            "insert into t",
            "INSERT INTO t SELECT a, b FROM s ON CONFLICT (a) DO NOTHING RETURNING a",
        ),
        ("upsert into t", "UPSERT INTO t SELECT a, b FROM s"),
        ("update t", "UPDATE t SET b = b + 1 WHERE a = 3"),
        ("delete from t", "DELETE FROM t WHERE b < 100"),
        (
            "merge into t",
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b)",
        ),
    ];
    for (operator, change) in changes {
        let shown = plan(folder, change, &[]);
        assert!(shown.contains(&format!("plan\n  {operator}\n    ")), "{shown}");
        assert!(!shown.contains(" rows, "), "{shown}");
        let json = plan(folder, change, &["--format", "json"]);
        assert!(json.contains(&format!("\"change\": \"{operator}\"")), "{json}");
    }
    assert_eq!(lines(folder, "SELECT count(*), sum(b) FROM t"), "1000,499500");
    let shown = plan(folder, "UPDATE t SET b = 0 WHERE a = 3", &[]);
    assert!(shown.contains("by index t_pkey"), "{shown}");
    let shown = plan(folder, "DELETE FROM t WHERE b < 100", &["--analyze"]);
    let operator = shown
        .lines()
        .find(|line| line.trim_start().starts_with("delete from t "))
        .unwrap();
    assert!(operator.contains("100 rows"), "{shown}");
    assert_eq!(lines(folder, "SELECT count(*), min(b) FROM t"), "900,100");
    let shown = rows(folder, "BEGIN; EXPLAIN ANALYZE DELETE FROM t; ROLLBACK");
    assert!(shown.contains("900 rows"), "{shown}");
    assert_eq!(lines(folder, "SELECT count(*) FROM t"), "900");
}
