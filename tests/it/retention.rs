//! What is given up, and what never is: tags, branches, watermarks, open readers, here and in other processes.
//!
//! Invariants: time is simulated, so everything but the newest commits is old.

use std::sync::Arc;

use gobi::client::{Client, Database as Connection, Session, Settings, StatementResult};
use gobi::host::sim::SimDisk;
use gobi::store::database::Database;
use gobi::store::object::CommitId;

use crate::world::{engine, open, rows, run};

struct Kept {
    database: Arc<Database>,
    session: Session,
    other: Session,
}

/// So many rows become a file.
const FILE_ROWS: usize = 17_000;

/// A table whose rows are all written anew by each of some commits; `other` is a second session.
fn history(commits: usize, rows: usize) -> (Kept, Vec<CommitId>) {
    let disk = SimDisk::new();
    let engine = engine();
    let (folder, mut session) = open(&disk, &engine).unwrap();
    run(&mut session, "CREATE TABLE t (k bigint PRIMARY KEY, v string)").unwrap();
    let database = folder.database(true).unwrap().unwrap();
    let mut all = vec![database.head("main").unwrap().commit_id().unwrap()];
    for commit in 0..commits {
        let script = format!("TRUNCATE t; INSERT INTO t SELECT range, '{commit}: ' || range FROM range({rows})");
        run(&mut session, &format!("BEGIN; {script}; COMMIT")).unwrap();
        all.push(database.head("main").unwrap().commit_id().unwrap());
    }
    let settings = Settings {
        threads: 1,
        auto_compact: false,
        ..Settings::default()
    };
    let other = Session::new(engine, settings).with_database(folder);
    let kept = Kept {
        database,
        session,
        other,
    };
    (kept, all)
}

fn read(session: &mut Session, at: CommitId) -> Result<usize, String> {
    let found = rows(session, &format!("SELECT k, v FROM t AS OF COMMIT '{at}'"));
    found
        .map(|rows| rows.len())
        .map_err(|error| error.diagnostics[0].message.clone())
}

fn is_gone(session: &mut Session, at: CommitId) -> bool {
    read(session, at).is_err_and(|error| error.contains("no longer kept; the earliest that can be read is of "))
}

#[test]
fn old_snapshots_go_with_their_files_and_the_log_stays() {
    let (mut kept, commits) = history(4, FILE_ROWS);
    let before = kept.database.files().unwrap().len();
    // What the session has read last, it holds.
    run(&mut kept.session, "SELECT 1").unwrap();
    let dry = kept.database.collect(Some(1), true).unwrap();
    assert!(dry.files >= 3, "{dry:?}");
    assert_eq!(read(&mut kept.session, commits[1]), Ok(FILE_ROWS));
    run(&mut kept.session, "SELECT 1").unwrap();
    let done = kept.database.collect(Some(1), false).unwrap();
    assert_eq!((done.files, done.put_off), (dry.files, false));
    assert!(kept.database.files().unwrap().len() < before);
    for commit in &commits[..4] {
        assert!(is_gone(&mut kept.session, *commit));
        kept.database.timeline().unwrap().prove_inclusion(*commit).unwrap();
    }
    assert_eq!(read(&mut kept.session, commits[4]), Ok(FILE_ROWS));
    assert!(kept.database.verify(true).unwrap().is_clean());
    // What is given up stays so, however much is kept later.
    kept.database.collect(None, false).unwrap();
    assert!(is_gone(&mut kept.session, commits[1]));
}

#[test]
fn tags_branches_and_watermarks_are_kept() {
    let (mut kept, commits) = history(1, 300);
    run(&mut kept.session, "SNAPSHOT 'tag'; CREATE BRANCH old; USE BRANCH old").unwrap();
    run(&mut kept.session, "DELETE FROM t WHERE k < 100; USE BRANCH main").unwrap();
    run(&mut kept.session, "DELETE FROM t WHERE k >= 200").unwrap();
    run(&mut kept.session, "CREATE WATERMARK w ON t").unwrap();
    run(
        &mut kept.session,
        "DELETE FROM t WHERE k >= 150; DELETE FROM t WHERE k >= 120",
    )
    .unwrap();
    kept.database.collect(Some(1), false).unwrap();
    assert_eq!(read(&mut kept.session, commits[1]), Ok(300));
    assert!(is_gone(&mut kept.session, commits[0]));
    let changes = "SELECT k, v FROM t CHANGES SINCE WATERMARK w";
    assert_eq!(rows(&mut kept.session, changes).unwrap().len(), 80);
    run(&mut kept.session, "MERGE BRANCH old; DROP BRANCH old").unwrap();
    assert_eq!(rows(&mut kept.session, "SELECT k, v FROM t").unwrap().len(), 20);
    run(&mut kept.session, "ADVANCE WATERMARK w; DROP SNAPSHOT 'tag'").unwrap();
    run(&mut kept.session, "INSERT INTO t VALUES (1000, 'x')").unwrap();
    kept.database.collect(Some(1), false).unwrap();
    assert!(is_gone(&mut kept.session, commits[1]));
    assert_eq!(rows(&mut kept.session, changes).unwrap().len(), 1);
    assert!(kept.database.verify(true).unwrap().is_clean());
}

#[test]
fn open_readers_are_kept() {
    let (mut kept, commits) = history(3, FILE_ROWS);
    // A transaction, and a stream whose rows were not taken yet.
    run(&mut kept.other, "BEGIN READ ONLY; SELECT count(*) FROM t").unwrap();
    let script = format!("SELECT k, v FROM t AS OF COMMIT '{}'", commits[2]);
    let Some(Ok(StatementResult::Rows(stream))) = kept.session.execute(&script).next() else {
        panic!("a query gives rows");
    };
    run(&mut kept.session, "DELETE FROM t").unwrap();
    run(&mut kept.session, "INSERT INTO t VALUES (1, 'one')").unwrap();
    let dry = kept.database.collect(Some(1), true).unwrap();
    let done = kept.database.collect(Some(1), false).unwrap();
    // What they read is not among the files that are told to go.
    let left = kept.database.collect(Some(1), true).unwrap();
    assert_eq!(
        (dry.files, done.files, left.files),
        (done.files, dry.files, 0),
        "{dry:?} {done:?}"
    );
    assert!(is_gone(&mut kept.session, commits[1]));
    let found: usize = stream.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(found, FILE_ROWS);
    kept.database.collect(Some(1), false).unwrap();
    assert!(is_gone(&mut kept.session, commits[2]));
    assert_eq!(rows(&mut kept.other, "SELECT k, v FROM t").unwrap().len(), FILE_ROWS);
    run(&mut kept.other, "ROLLBACK; SELECT 1").unwrap();
    kept.database.collect(Some(1), false).unwrap();
    assert!(is_gone(&mut kept.session, commits[3]));
    assert!(kept.database.verify(true).unwrap().is_clean());
}

/// A reader that names a commit while it is being given up has its rows, or is told that it is not kept.
#[test]
fn what_is_read_while_it_is_given_up_is_whole_or_gone() {
    for round in 0..6_usize {
        let (kept, commits) = history(5, 40);
        let Kept {
            database,
            session: _writer,
            mut other,
        } = kept;
        let collector = std::thread::spawn({
            let database = Arc::clone(&database);
            move || (0..20).for_each(|_| assert!(!database.collect(Some(1), false).unwrap().put_off))
        });
        for turn in 0..40 {
            let commit = commits[1 + (turn + round) % 5];
            match read(&mut other, commit) {
                Ok(found) => assert_eq!(found, 40),
                Err(_) => assert!(is_gone(&mut other, commit)),
            }
        }
        collector.join().unwrap();
        assert!(database.verify(true).unwrap().is_clean());
    }
}

/// Another client is to the folder what another process is: it opens it anew.
#[test]
fn what_other_processes_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Connection::open(folder.path()).unwrap();
    let mut session = writer.session();
    session.run("CREATE TABLE t (k bigint, v string)").unwrap();
    let fill = "INSERT INTO t SELECT range, 'row ' || range FROM range(17000)";
    session.run(fill).unwrap();
    let reader = Client::embedded(Settings::default(), Some(folder.path().to_path_buf()));
    let mut reading = reader.session();
    assert_eq!(
        rows(&mut reading, "BEGIN READ ONLY; SELECT k, v FROM t").unwrap().len(),
        FILE_ROWS
    );
    session.run("TRUNCATE t").unwrap();
    session.run("INSERT INTO t VALUES (1, 'one')").unwrap();
    session.run("SET retention = '1ms'; VACUUM").unwrap();
    assert_eq!(rows(&mut reading, "SELECT k, v FROM t").unwrap().len(), FILE_ROWS);
    let files = || std::fs::read_dir(folder.path().join("segments")).unwrap().count();
    assert_eq!(files(), 1);
    drop((reading, reader));
    session.run("VACUUM").unwrap();
    assert_eq!(files(), 0);
    assert_eq!(rows(&mut session, "SELECT k, v FROM t").unwrap().len(), 1);
}
