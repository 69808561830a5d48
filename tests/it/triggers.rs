//! Triggers from wherever rows come, and what they survive; what they do is told by `tests/golden/language/triggers.grz`.

use std::fs;
use std::sync::Arc;

use gobi::Database;
use gobi::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use gobi::client::{JitMode, Session, StatementResult, cells};

use super::isolation::run;
use super::session::cancelled;

const DEFINITIONS: &str = "
    CREATE TABLE t (a int, b int);
    CREATE TABLE trail (op string, a int, b int);
    upsert procedure double_it() { NEW.b = NEW.a * 2; if NEW.a % 10 = 9 { return skip } }
    upsert procedure note() { insert into trail values (TG_OP, NEW.a, NEW.b) }
    upsert trigger as double_it (timing: 'before', event: 'insert', target: 't')
    upsert trigger as note (event: 'insert', target: 't', when: NEW.a % 2 = 0)";

fn folder_and_database() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path().join("db")).unwrap();
    (folder, database)
}

fn totals(session: &mut Session) -> String {
    run(
        session,
        "SELECT (SELECT count(*) FROM t), (SELECT sum(b) FROM t), (SELECT count(*) FROM trail), (SELECT sum(b) FROM trail)",
    )
    .unwrap()
}

#[test]
fn copy_appenders_and_selects_fire_alike() {
    for jit in [JitMode::On, JitMode::Off] {
        let (folder, database) = folder_and_database();
        let mut session = database.session();
        session.settings.jit = jit;
        session.run(DEFINITIONS).unwrap();
        session.run("INSERT INTO t (a) SELECT range FROM range(30000)").unwrap();
        let inserted = totals(&mut session);
        assert_eq!(inserted, "27000,809946000,15000,449970000");
        session.run("DELETE FROM t; DELETE FROM trail").unwrap();
        let file = folder.path().join("a.csv");
        let lines: Vec<String> = (0..30000).map(|a| a.to_string()).collect();
        fs::write(&file, format!("a\n{}\n", lines.join("\n"))).unwrap();
        session.run(&format!("COPY t FROM '{}'", file.display())).unwrap();
        assert_eq!(totals(&mut session), inserted, "COPY");
        session.run("DELETE FROM t; DELETE FROM trail").unwrap();
        let mut rows = session.appender("t").unwrap();
        let columns: [(&str, ArrayRef); 2] = [
            ("a", Arc::new(Int64Array::from_iter_values(0..30000))),
            ("b", Arc::new(Int64Array::from_iter_values(0..30000))),
        ];
        rows.append(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        rows.finish().unwrap();
        assert_eq!(totals(&mut session), inserted, "an appender");
        session.run("COMPACT t").unwrap();
        assert_eq!(totals(&mut session), inserted, "compaction");
    }
}

#[test]
fn triggers_outlive_the_process_and_are_part_of_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let database = Database::open(&path).unwrap();
    let mut session = database.session();
    session.run(DEFINITIONS).unwrap();
    session
        .run("CREATE SNAPSHOT 'with'; DROP TRIGGER note; CREATE SNAPSHOT 'without'")
        .unwrap();
    drop(session);
    drop(database);
    let database = Database::open(&path).unwrap();
    let mut session = database.session();
    session.run("INSERT INTO t (a) VALUES (4), (9)").unwrap();
    assert_eq!(totals(&mut session), "1,8,0,NULL");
    session
        .run("CREATE BRANCH back FROM TAG 'with'; USE BRANCH back")
        .unwrap();
    session.run("INSERT INTO t (a) VALUES (4), (9)").unwrap();
    assert_eq!(totals(&mut session), "1,8,1,8");
}

#[test]
fn the_definitions_make_the_same_triggers_again() {
    let (_folder, database) = folder_and_database();
    let mut session = database.session();
    session.run(DEFINITIONS).unwrap();
    session
        .run(
            "upsert procedure many(what string, n int) { insert into trail values (what, n, n) }
             upsert trigger as `a trigger` (event: 'update|delete', of: ['a', 'b'], target: 't', order: -2, call: 'many',
               args: {what: 'it''s', n: 1 + 1}, for: 'statement', enabled: false)",
        )
        .unwrap();
    let text = session.definitions(None).unwrap().join("\n");
    let (_other, again) = folder_and_database();
    let mut other = again.session();
    other.run(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let list = "SHOW TRIGGERS";
    assert_eq!(run(&mut other, list).unwrap(), run(&mut session, list).unwrap());
    assert_eq!(other.definitions(None).unwrap().join("\n"), text);
}

#[test]
fn counts_are_kept() {
    let (_folder, database) = folder_and_database();
    let mut session = database.session();
    session.run(DEFINITIONS).unwrap();
    session.run("INSERT INTO t (a) VALUES (1), (2), (9)").unwrap();
    session
        .run("upsert procedure double_it() { NEW.b = (10 / NEW.a) :: int }")
        .unwrap();
    session.run("INSERT INTO t (a) VALUES (0)").unwrap_err();
    let shown = run(&mut session, "SHOW TRIGGERS LIKE 'double%'").unwrap();
    let cells: Vec<&str> = shown.split(',').collect();
    assert_eq!(&cells[9..12], ["2", "3", "1"], "{shown}");
}

#[test]
fn a_trigger_without_end_is_stopped() {
    for jit in [JitMode::On, JitMode::Off] {
        let (_folder, database) = folder_and_database();
        let mut session = database.session();
        session.settings.jit = jit;
        session
            .run(
                "CREATE TABLE t (a int); CREATE TABLE u (a int);
                 upsert procedure spin() { let n = 0
                   while true { n = (n + 1) % 7 } }
                 upsert procedure ask() { let n = 0
                   while true { n = (select count(*) from u) + n % 3 } }
                 upsert trigger as spin (timing: 'before', event: 'insert', target: 't', when: NEW.a = 1)
                 upsert trigger as ask (event: 'insert', target: 't', when: NEW.a = 2)",
            )
            .unwrap();
        for a in [1, 2] {
            let interrupt = session.interrupt();
            let error = cancelled(&interrupt, || session.run(&format!("INSERT INTO t VALUES ({a})"))).unwrap_err();
            assert_eq!(error.code(), "57014", "{error}");
        }
        assert_eq!(run(&mut session, "SELECT count(*) FROM t").unwrap(), "0");
    }
}

#[test]
fn explain_shows_the_bodies_of_triggers_beside_their_lines() {
    let (_folder, database) = folder_and_database();
    let mut session = database.session();
    session.settings.jit = JitMode::On;
    let all = |session: &mut Session, text: &str| -> String {
        let stream = session.query(text).unwrap();
        let types: Vec<_> = stream.fields().iter().map(|field| field.ty.clone()).collect();
        let mut lines = String::new();
        for batch in stream {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().zip(&types);
                let cells = cells.map(|(column, ty)| cells::text(column, row, ty).unwrap_or_default());
                lines.push_str(&cells.collect::<Vec<_>>().join(" "));
                lines.push('\n');
            }
        }
        lines
    };
    session
        .run(
            "CREATE TABLE t (a int, b int); CREATE TABLE log (a int);
            upsert procedure twice() {\n  NEW.b = NEW.a * 2\n}
            upsert procedure note() {\n  if NEW.b > 10 {\n    insert into log values (NEW.b)\n  }\n}
            upsert TRIGGER as twice (timing: 'before', event: 'insert', target: 't')
            upsert TRIGGER as note (event: 'insert', target: 't', when: NEW.b > 10)",
        )
        .unwrap();
    let plain = all(&mut session, "EXPLAIN INSERT INTO t SELECT range, 0 FROM range(100)");
    assert!(
        plain.contains("run twice() over the batch, row by row\n  set NEW.b\n"),
        "{plain}"
    );
    assert!(
        plain.contains("after each batch of rows is stored\n  only for rows for which NEW.b > 10\n  run note() over"),
        "{plain}"
    );
    assert!(
        plain.contains("insert into log, collected: once per batch\n"),
        "{plain}"
    );
    let code = all(
        &mut session,
        "EXPLAIN JIT INSERT INTO t SELECT range, 0 FROM range(100)",
    );
    // In the IR, and beside machine code, the product comes below its line.
    let line = "; twice:2  NEW.b = NEW.a * 2";
    let below: Vec<&str> = code.split(line).skip(1).collect();
    assert!(below.len() >= 3, "{code}");
    assert!(below[0].contains("mul_checked"), "{code}");
    assert!(code.contains("; note:3  insert into log values (NEW.b)"), "{code}");
    // Nothing was changed, and ANALYZE changes it.
    let run = all(
        &mut session,
        "EXPLAIN ANALYZE INSERT INTO t SELECT range, 0 FROM range(100)",
    );
    // What WHEN leaves out is not counted.
    for rows in [" 100 rows", " 94 rows"] {
        let counted = run
            .lines()
            .filter(|line| line.contains("each batch") && line.contains(rows));
        assert_eq!(counted.count(), 1, "{rows}: {run}");
    }
    assert_eq!(all(&mut session, "SELECT count(*), sum(b) FROM t"), "100 9900\n");
    assert_eq!(all(&mut session, "SELECT count(*) FROM log"), "94\n");
}

#[test]
fn returning_has_its_columns_where_all_rows_are_skipped() {
    let (_folder, database) = folder_and_database();
    let mut session = database.session();
    let script = "create table t (id int, v int); insert into t values (1, 2);
         upsert procedure dbl() { if NEW.v < 0 { return skip }; NEW.v = NEW.v * 2 };
         upsert trigger as br (timing: 'before', event: 'insert|update', target: 't', call: 'dbl')";
    session.run(script).unwrap();
    for (text, columns) in [
        ("update t set v = -v returning id, v", &["id", "v"][..]),
        ("insert into t values (3, -4) returning *", &["id", "v"]),
        ("update t set v = 4 where id = 99 returning v as q", &["q"]),
    ] {
        let results: Vec<_> = session.execute(text).collect();
        let [Ok(StatementResult::Rows(rows))] = results.as_slice() else {
            panic!("{text}");
        };
        let names: Vec<&str> = rows.fields().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, columns, "{text}");
    }
}
