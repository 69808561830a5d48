//! Definitions through the binary: what they write, and what they leave as it was.
//!
//! Does not: show what each form means; `tests/slt/define` does.

use std::path::Path;

use super::run::gobi;
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

#[test]
fn the_schema_makes_the_same_definitions_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE SCHEMA s; CREATE TABLE s.parent (id int PRIMARY KEY, `a b` string NOT NULL UNIQUE);
         CREATE TABLE child (id int, p int DEFAULT 1 + 1 REFERENCES s.parent ON DELETE CASCADE, d decimal(9,2) CHECK (d > 0), g decimal(10,2) GENERATED ALWAYS AS (d * 2), PRIMARY KEY (id, p)) WITH (sort_by = ('d desc', p));
         CREATE INDEX by_d ON child (d, p); CREATE VIEW v (x) AS SELECT id FROM child WHERE d > 1;
         SET dialect = 'ansi'; CREATE VIEW w AS SELECT x / 2 AS \"half of it\" FROM v",
    );
    let schema = |db: &str| gobi(folder, &["-d", db, "schema"]).out;
    let text = schema("db");
    assert!(
        text.contains("CREATE TABLE child (\n    id bigint,\n    p bigint DEFAULT 1 + 1,\n"),
        "{text}"
    );
    std::fs::write(folder.join("schema.sql"), &text).unwrap();
    let made = gobi(folder, &["-d", "other", "run", "schema.sql"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert_eq!(schema("other"), text);
    let one = gobi(folder, &["-d", "db", "schema", "child"]).out;
    assert!(
        one.starts_with("CREATE TABLE child") && one.contains("CREATE INDEX by_d") && !one.contains("VIEW"),
        "{one}"
    );
    assert_eq!(gobi(folder, &["-d", "db", "schema", "chlid"]).code, Some(1));
}

#[test]
fn the_schema_makes_what_a_definition_names_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "upsert function g(x int) => x + 1
         create table t (id int check (g(id) > 0), b int generated always as (g(id)));
         create view v as select g(id) as q from t;
         upsert function k() returns int { return (select count(*) from v) }
         create view w as select k() as n from t;
         create table base (a int);
         audit negative (blocking: false) as select a from base where a < k();
         upsert procedure m <{kind: 'full', audits: ['negative']}> => select a, k() as n from base
         upsert procedure runs() { call m() }
         upsert procedure later <{kind: 'full'}> => select a from models.m
         upsert procedure m <{kind: 'full', audits: ['negative']}> => select a, n from (select a, late(1) as n from base) as x
         set dialect = 'ansi';
         audit positive (on: 'm') as select \"a\" from models.m where a > 1000;";
    let text = text.replace(
        "upsert procedure later",
        "upsert function late(x int) => k() + x\n upsert procedure later",
    );
    std::fs::write(folder.join("made.grz"), text).unwrap();
    let made = gobi(folder, &["-d", "db", "run", "made.grz"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let schema = |db: &str| gobi(folder, &["-d", db, "schema"]).out;
    let text = schema("db");
    for audit in [
        "AUDIT negative (blocking: false) AS SELECT a FROM base WHERE a < k();",
        "SET dialect = 'ansi';\nAUDIT positive (on: 'm') AS SELECT \"a\" FROM models.m WHERE a > 1000;",
    ] {
        assert!(text.contains(audit), "{text}");
    }
    std::fs::write(folder.join("schema.grz"), &text).unwrap();
    let made = gobi(folder, &["-d", "other", "run", "schema.grz"]);
    assert_eq!(made.code, Some(0), "{}{text}", made.err);
    assert_eq!(schema("other"), text);
    let audits = |db: &str| gobi(folder, &["-d", db, "-c", "from gobi.audits order by name"]).out;
    assert_eq!(audits("db"), audits("other"));
}

#[test]
fn files_are_imported_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(gobi(folder, &["init", "db"]).code, Some(0));
    std::fs::write(folder.join("people.csv"), "name,age\nAda,36\nBo,7\n").unwrap();
    assert_eq!(gobi(folder, &["-d", "db", "import", "people.csv"]).code, Some(0));
    assert_eq!(
        gobi(folder, &["-d", "db", "import", "people.csv", "--table", "people"]).code,
        Some(0)
    );
    assert_eq!(
        lines(folder, "SELECT name, sum(age) FROM people GROUP BY name ORDER BY name"),
        "Ada,72 Bo,14"
    );
    assert_eq!(gobi(folder, &["-d", "db", "export", "people", "out.csv"]).code, Some(0));
    let out = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    assert_eq!(out.lines().count(), 5, "{out}");
    std::fs::write(folder.join("bad.csv"), "name,age\nCy,young\n").unwrap();
    let failed = gobi(folder, &["-d", "db", "import", "bad.csv", "--table", "people"]);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed
            .err
            .contains("bad.csv` line 2: `young` is not a bigint (column `age`)"),
        "{}",
        failed.err
    );
    let listed = gobi(folder, &["-d", "db", "--format", "csv", "table", "list"]).out;
    assert!(listed.contains("main,people,table,4,"), "{listed}");
    assert!(
        gobi(folder, &["-d", "db", "table", "show", "people"])
            .out
            .contains("name")
    );
    assert_eq!(
        gobi(folder, &["init", "."]).code,
        Some(2),
        "the folder holds other files"
    );
}
