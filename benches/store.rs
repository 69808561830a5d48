//! What the store does for one statement at a time, beside SQLite: `cargo bench --bench store -- FOLDER MODE CLIENTS ROWS`.
//!
//! Modes: `commits` and `commits-text` insert ROWS rows, each in a durable commit of its own, with a prepared statement or as
//! text; `lookup`, `update` and `delete` go by primary key through a table of ROWS rows; `open` opens a database that has ROWS
//! commits of a row each. Prints one line of JSON. `benches/compare/store.py` runs it and its peers in turns.
//!
//! Does not: judge.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gobi::Database;
use gobi::arrow::array::{Float64Array, Int64Array, RecordBatch, StringViewArray};
use gobi::client::{Session, StatementResult, Value};

/// What the binary uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Statements that are timed one by one.
const TIMED: u64 = 2000;

fn main() -> Outcome<()> {
    // `cargo bench` adds an argument of its own.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [folder, mode, clients, rows] = args.as_slice() else {
        eprintln!("usage: store FOLDER commits|commits-text|lookup|update|delete|open CLIENTS ROWS");
        return Ok(());
    };
    let (folder, clients, rows) = (PathBuf::from(folder), clients.parse()?, rows.parse()?);
    let (count, seconds) = match mode.as_str() {
        "commits" => commits(&folder, clients, rows, true)?,
        "commits-text" => commits(&folder, clients, rows, false)?,
        "lookup" => by_key(&folder, rows, "SELECT id, name, amount FROM t WHERE id = ?")?,
        "update" => by_key(&folder, rows, "UPDATE t SET amount = amount + 1 WHERE id = ?")?,
        "delete" => by_key(&folder, rows, "DELETE FROM t WHERE id = ?")?,
        "open" => open(&folder, rows)?,
        other => return Err(format!("no mode `{other}`").into()),
    };
    let seconds = seconds.as_secs_f64();
    println!("{{\"mode\": \"{mode}\", \"count\": {count}, \"seconds\": {seconds:.6}}}");
    Ok(())
}

/// Each client inserts its share of the rows, a commit each.
fn commits(folder: &Path, clients: u64, rows: u64, prepared: bool) -> Outcome<(u64, Duration)> {
    let database = Arc::new(Database::open(folder)?);
    make_table(&mut database.session())?;
    let share = rows / clients;
    let start = Instant::now();
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let database = Arc::clone(&database);
            thread::spawn(move || insert(&mut database.session(), client * share..(client + 1) * share, prepared))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a client failed")??;
    }
    Ok((share * clients, start.elapsed()))
}

fn insert(session: &mut Session, ids: std::ops::Range<u64>, prepared: bool) -> Outcome<()> {
    let statement = session.prepare("INSERT INTO t VALUES (?, ?, ?)")?;
    for id in ids {
        let amount = id as f64 * 0.5;
        if prepared {
            let name = Value::String(format!("name {id}").into());
            statement.execute(session, &[Value::Int(id.into()), name, Value::Float(amount)])?;
        } else {
            session.run(&format!("INSERT INTO t VALUES ({id}, 'name {id}', {amount:?})"))?;
        }
    }
    Ok(())
}

/// Statements about one key each, all over the table.
fn by_key(folder: &Path, rows: u64, statement: &str) -> Outcome<(u64, Duration)> {
    let database = Database::open(folder)?;
    let mut session = database.session();
    make_table(&mut session)?;
    fill(&mut session, rows)?;
    let statement = session.prepare(statement)?;
    let mut run = |n: u64| -> Outcome<()> {
        if let StatementResult::Rows(stream) =
            statement.execute(&mut session, &[Value::Int((n * 7919 % rows).into())])?
        {
            for batch in stream {
                assert_eq!(batch?.num_rows(), 1);
            }
        }
        Ok(())
    };
    for n in TIMED..TIMED + 100 {
        run(n)?;
    }
    let start = Instant::now();
    for n in 0..TIMED {
        run(n)?;
    }
    Ok((TIMED, start.elapsed()))
}

fn open(folder: &Path, rows: u64) -> Outcome<(u64, Duration)> {
    if !folder.exists() {
        commits(folder, 16, rows, true)?;
    }
    let start = Instant::now();
    let database = Database::open(folder)?;
    let mut session = database.session();
    for batch in session.query("SELECT id FROM t WHERE id = 1")? {
        assert_eq!(batch?.num_rows(), 1);
    }
    Ok((1, start.elapsed()))
}

fn make_table(session: &mut Session) -> Outcome<()> {
    session.run("CREATE TABLE t (id bigint PRIMARY KEY, name string, amount double)")?;
    Ok(())
}

fn fill(session: &mut Session, rows: u64) -> Outcome<()> {
    let mut appender = session.appender("t")?;
    for first in (0..rows).step_by(1 << 14) {
        let ids = first..rows.min(first + (1 << 14));
        let batch = RecordBatch::try_from_iter([
            (
                "id",
                Arc::new(Int64Array::from_iter_values(ids.clone().map(u64::cast_signed))) as _,
            ),
            (
                "name",
                Arc::new(StringViewArray::from_iter_values(
                    ids.clone().map(|id| format!("name {id}")),
                )) as _,
            ),
            (
                "amount",
                Arc::new(Float64Array::from_iter_values(ids.map(|id| id as f64 * 0.5))) as _,
            ),
        ])?;
        appender.append(&batch)?;
    }
    appender.finish()?;
    Ok(())
}
