//! Databases and files on object stores, with the one in memory.
//!
//! Does not: reach a network.

use std::path::Path;
use std::sync::Arc;

use gobi::client::{Client, DatabaseFolder, Engine, EngineConfig, Session, Settings, StatementResult, cells};
use gobi::host::{RealClock, RealRandom, remote};
use gobi::session;
use gobi::store::timeline::{Machine, Options};

/// The database of a URL as another process has it.
fn folder(url: &str) -> Arc<DatabaseFolder> {
    let machine = Machine {
        disk: remote::as_another_process(url).unwrap(),
        clock: Arc::new(RealClock::default()),
        random: Arc::new(RealRandom),
    };
    let options = Options {
        step_bytes: 4 << 10,
        ..Options::default()
    };
    DatabaseFolder::on(machine, options, Path::new(url)).unwrap()
}

fn session_on(url: &str) -> Session {
    session_in(folder(url))
}

fn session_in(folder: Arc<DatabaseFolder>) -> Session {
    let config = EngineConfig {
        threads: 1,
        cache_bytes: 1 << 20,
    };
    Session::new(Arc::new(Engine::new(config)), Settings::default()).with_database(folder)
}

fn value(session: &mut Session, query: &str) -> String {
    let mut values = Vec::new();
    for result in session.execute(query) {
        let StatementResult::Rows(stream) = result.unwrap() else {
            continue;
        };
        let fields = stream.fields().to_vec();
        for batch in stream {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let texts = batch.columns().iter().zip(&fields);
                let texts = texts.map(|(column, field)| cells::text(column, row, &field.ty).unwrap_or("NULL".into()));
                values.push(texts.collect::<Vec<_>>().join(","));
            }
        }
    }
    values.join(" ")
}

#[test]
fn a_database_on_an_object_store_is_like_any_other() {
    let url = "memory://one/deep/db";
    let mut writer = session_on(url);
    writer
        .run("CREATE TABLE t (a int PRIMARY KEY, b string); INSERT INTO t SELECT range, 'b' || range FROM range(30000)")
        .unwrap();
    writer
        .run("CREATE SNAPSHOT s; DELETE FROM t WHERE a % 2 = 1; INSERT INTO t VALUES (-1, 'x')")
        .unwrap();
    // A reader beside it sees what is committed, whether or not the writer has ended.
    let mut reader = session_on(url);
    assert_eq!(
        value(&mut reader, "SELECT count(*), min(a), max(b) FROM t"),
        "15001,-1,x"
    );
    writer.run("INSERT INTO t VALUES (-2, 'y')").unwrap();
    assert_eq!(
        value(&mut reader, "SELECT count(*), min(a), max(b) FROM t"),
        "15002,-2,y"
    );
    drop(writer);
    let mut again = session_on(url);
    assert_eq!(value(&mut again, "SELECT count(*) FROM t AS OF TAG 's'"), "30000");
    again.run("INSERT INTO t VALUES (-3, 'z')").unwrap();
    assert_eq!(value(&mut again, "SELECT b FROM t WHERE a = -3"), "z");
    let opened = folder(url).database(false).unwrap().unwrap();
    let report = opened.verify(true).unwrap();
    assert!(report.damages.is_empty(), "{:?}", report.damages);
}

#[test]
fn the_second_of_two_writers_fails_and_nothing_is_lost() {
    let url = "memory://two/db";
    let mut one = session_on(url);
    one.run("CREATE TABLE t (a int)").unwrap();
    let mut other = session_on(url);
    other.run("INSERT INTO t VALUES (1)").unwrap();
    let error = one.run("INSERT INTO t VALUES (2)").unwrap_err();
    let message = &error.diagnostics[0].message;
    assert!(message.contains("another process has written"), "{message}");
    drop(one);
    other.run("INSERT INTO t VALUES (3)").unwrap();
    drop(other);
    let mut again = session_on(url);
    again.run("INSERT INTO t VALUES (4)").unwrap();
    assert_eq!(value(&mut again, "SELECT count(*), sum(a) FROM t"), "3,8");
}

#[test]
fn databases_are_packed_to_object_stores_and_unpacked_from_there() {
    let (shop, packed, copy) = ("memory://pack/shop", "memory://pack/shop.gobi", "memory://pack/copy");
    let mut writer = session_in(DatabaseFolder::of(Path::new(shop)).unwrap());
    writer
        .run("CREATE TABLE t (a int); INSERT INTO t SELECT * FROM range(30000)")
        .unwrap();
    drop(writer);
    let local = tempfile::tempdir().unwrap();
    let folder = local.path().join("shop");
    let done = session::pack(Path::new(shop), Path::new(packed)).unwrap();
    assert!(session::pack(Path::new(shop), Path::new(packed)).is_err());
    for target in [folder.as_path(), Path::new(copy)] {
        let made = session::unpack(Path::new(packed), target).unwrap();
        assert_eq!((made.files, made.commits), (done.files, done.commits));
    }
    for place in [folder.as_path(), Path::new(copy), Path::new(packed), Path::new(shop)] {
        let verified = session::verify(place, true).unwrap();
        assert!(
            verified.damages.is_empty() && verified.commits == done.commits,
            "{verified:?}"
        );
        let mut reader = session_in(DatabaseFolder::of(place).unwrap());
        assert_eq!(value(&mut reader, "SELECT count(*), sum(a) FROM t"), "30000,449985000");
    }
}

#[test]
fn files_of_object_stores_are_relations() {
    let mut session = Client::embedded(Settings::default(), None).session();
    for (name, from) in [("a", 0), ("b", 100)] {
        let copy = format!("COPY (SELECT range + {from} AS n FROM range(100)) TO 'memory://files/in/{name}.parquet'");
        session.run(&copy).unwrap();
    }
    assert_eq!(
        value(
            &mut session,
            "SELECT count(*), max(n) FROM 'memory://files/in/b.parquet'"
        ),
        "100,199"
    );
    assert_eq!(
        value(
            &mut session,
            "SELECT count(*), sum(n) FROM 'memory://files/in/*.parquet'"
        ),
        "200,19900"
    );
    session
        .run("ATTACH 'memory://files/db' AS d; CREATE TABLE d.t AS SELECT 1 AS a")
        .unwrap();
    assert_eq!(value(&mut session, "FROM d.t"), "1");
    let error = session.run("SELECT * FROM 'memory://files/none.parquet'").unwrap_err();
    assert_eq!(error.diagnostics[0].code, "58P01");
}
