//! A process that writes is killed, two hundred times: what it acknowledged is there.
//!
//! `gobi repl --format json` is sent statements, many ahead of its answers; after some answers it is killed, in the middle of
//! whatever it does then. The next process goes on in the same folder.
//!
//! Invariants: every acknowledged row is there, of the statements that follow whole ones or nothing, and the folder verifies.
//!
//! Does not: make the disk forget; see [`super::crash`].

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use gobi::client::{DatabaseFolder, Engine, EngineConfig, Session, Settings};
use gobi::host::sim::SimRandom;

use crate::run::command;
use crate::world::rows;

/// Statements sent ahead.
const SENT: i64 = 60;

/// Rows of a statement: most have one, some a few hundred.
fn rows_of(statement: i64) -> i64 {
    if statement % 11 == 3 { 300 } else { 1 }
}

/// The statement that adds rows to those of all before it.
fn statement(number: i64, first: i64) -> String {
    let end = first + rows_of(number);
    let rows = format!("INSERT INTO t SELECT range, 'row ' || range FROM range({first}, {end})");
    match number % 5 {
        // Two statements, one commit.
        0 => format!("BEGIN; {rows}; UPDATE n SET v = '{number}' WHERE k = 1; COMMIT"),
        _ => rows,
    }
}

/// Writes until so many answers came, and is killed then; how many came.
fn write_and_die(folder: &Path, from: i64, first_row: i64, answers: i64) -> i64 {
    let mut child = command(folder)
        .args(["-d", "db", "repl", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let mut row = first_row;
        for number in from..from + SENT {
            // The pipe breaks when the reader is killed.
            if writeln!(stdin, "{{\"sql\": \"{}\"}}", statement(number, row)).is_err() {
                return;
            }
            row += rows_of(number);
        }
        // Kept open: its end would end the process in good order.
        std::thread::park();
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..answers {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains("\"ok\":true"), "{line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let late = lines.map_while(Result::ok).filter(|line| line.ends_with('}')).count();
    writer.thread().unpark();
    writer.join().unwrap();
    answers + i64::try_from(late).unwrap()
}

#[test]
fn two_hundred_killed_processes_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let made = command(folder.path())
        .args(["-d", "db", "-c", "CREATE TABLE t (k bigint PRIMARY KEY, v string)"])
        .args([
            "-c",
            "CREATE TABLE n (k bigint, v string); INSERT INTO n VALUES (1, '0')",
        ])
        .status();
    assert!(made.unwrap().success());
    let engine = Arc::new(Engine::new(EngineConfig {
        threads: 1,
        cache_bytes: 8 << 20,
    }));
    let random = SimRandom::new(5);
    let (mut next, mut row) = (1, 0);
    for kill in 0..KILLS {
        let answers = i64::try_from(random.below(12)).unwrap();
        let acknowledged = next + write_and_die(folder.path(), next, row, answers);
        let database = DatabaseFolder::of(&folder.path().join("db")).unwrap();
        let mut session = Session::new(Arc::clone(&engine), Settings::default()).with_database(Arc::clone(&database));
        let found = rows(&mut session, "SELECT count(*), max(v) FROM t").unwrap();
        let count = *found.keys().next().unwrap();
        while next < acknowledged || row < count {
            row += rows_of(next);
            next += 1;
        }
        assert_eq!(count, row, "kill {kill}: not whole statements, or too few");
        let last = rows(&mut session, "SELECT k, v FROM n").unwrap()[&1]
            .parse::<i64>()
            .unwrap();
        assert_eq!(last, (next - 1) / 5 * 5, "kill {kill}: half a transaction");
        if kill % 10 == 9 || kill + 1 == KILLS {
            let keys = rows(&mut session, "SELECT k, v FROM t").unwrap();
            assert!(keys.keys().copied().eq(0..row), "kill {kill}");
            assert!(keys.iter().all(|(k, v)| **v == *format!("row {k}")), "kill {kill}");
        }
        let database = database.database(false).unwrap().unwrap();
        let report = database.verify(kill % 10 == 9 || kill + 1 == KILLS).unwrap();
        assert!(report.is_clean(), "kill {kill}: {:?}", report.damages);
    }
}

const KILLS: u32 = 200;
