//! Definitions through the binary: what they write, and what they leave as it was.
//!
//! Does not: show what each form means; `tests/slt/define` does.

use std::path::Path;

use super::store::{done, lines, now_micros, run};

/// Bytes of the files below a folder, but for the log, whose space is prepared ahead.
fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes += bytes_below(&path);
        } else if !path.ends_with("log") {
            bytes += path.metadata().unwrap().len();
        }
    }
    bytes
}

#[test]
fn altering_a_table_writes_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t AS SELECT range AS a, (range % 100)::smallint AS b, 'text ' || range AS c FROM range(30000)",
    );
    let before = bytes_below(&folder.join("db"));
    assert!(before > 100_000, "{before}");
    // The process that made the table has ended, and the next one has not begun.
    let then = now_micros();
    done(
        folder,
        "ALTER TABLE t ADD d string DEFAULT 'old', ALTER b TYPE bigint; ALTER TABLE t RENAME c TO e; ALTER TABLE t DROP a",
    );
    let written = bytes_below(&folder.join("db")) - before;
    assert!(written < 8192, "{written} bytes");
    assert_eq!(
        lines(folder, "SELECT sum(b), max(e), min(d), count(*) FROM t"),
        "1485000,text 9999,old,30000"
    );
    done(folder, "INSERT INTO t VALUES (100000, 'new', 'new')");
    let past = format!("SELECT *, typeof(b) AS ty FROM t AS OF to_timestamp({then}.0 / 1000000) WHERE a = 7");
    assert_eq!(lines(folder, &past), "7,7,text 7,smallint");
    assert_eq!(lines(folder, "FROM t WHERE b = 100000"), "100000,new,new");
}

#[test]
fn a_plan_names_the_index_that_it_uses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b string); CREATE INDEX by_a ON t (a, b);
         INSERT INTO t SELECT range, range % 1000, 'b' || range FROM range(50000)",
    );
    let plan = |query: &str| run(folder, "auto", &format!("EXPLAIN {query}")).out;
    for (query, index) in [
        ("SELECT b FROM t WHERE id = 7", Some("t_pkey")),
        ("SELECT b FROM t WHERE id IN (7, 8) AND a > 3", Some("t_pkey")),
        ("SELECT id FROM t WHERE a = 7", Some("by_a")),
        ("SELECT id FROM t WHERE a = 7 AND b > 'b3'", Some("by_a")),
        ("SELECT id FROM t WHERE id BETWEEN 10 AND 20", Some("t_pkey")),
        (
            "SELECT x.b FROM t x JOIN t y ON x.id = y.a WHERE y.id = 5",
            Some("t_pkey"),
        ),
        // As good as all rows, or no first column.
        ("SELECT id FROM t WHERE a > 3", None),
        ("SELECT id FROM t WHERE b = 'b7'", None),
    ] {
        let plan = plan(query);
        match index {
            Some(index) => assert!(plan.contains(&format!("t by index {index} [")), "{query}: {plan}"),
            None => assert!(!plan.contains("by index"), "{query}: {plan}"),
        }
    }
    done(folder, "DROP INDEX by_a");
    assert!(!plan("SELECT id FROM t WHERE a = 7").contains("by index"));
}
