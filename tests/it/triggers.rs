//! Triggers from wherever rows come, and what they survive; what they do is told by `tests/golden/language/triggers.grz`.

use std::fs;
use std::sync::Arc;

use gobi::Database;
use gobi::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use gobi::client::{JitMode, Session};

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
