//! What transactions of several sessions see of each other, and who waits for whom.
//!
//! Each session is a [`Player`]: a thread that runs what it is told, so that a test can start a statement that waits and go on
//! when SHOW LOCKS says that it does. Nothing here sleeps, or depends on who is faster.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use gobi::client::{Client, Error, Interrupt, Session, Settings, StatementResult, cells};

pub const LEVELS: [&str; 3] = ["READ COMMITTED", "SNAPSHOT", "SERIALIZABLE"];

/// What a script gave: the rows of its last query, values separated by commas, rows by spaces.
type Outcome = Result<String, Error>;

pub fn run(session: &mut Session, script: &str) -> Outcome {
    let mut rows = String::new();
    for result in session.execute(script) {
        let StatementResult::Rows(stream) = result? else {
            continue;
        };
        let types: Vec<_> = stream.fields().iter().map(|field| field.ty.clone()).collect();
        let mut lines = Vec::new();
        for batch in stream {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().zip(&types);
                let texts = cells.map(|(column, ty)| cells::text(column, row, ty).unwrap_or_else(|| "NULL".into()));
                lines.push(texts.collect::<Vec<_>>().join(","));
            }
        }
        rows = lines.join(" ");
    }
    Ok(rows)
}

/// A session in a thread of its own.
pub struct Player {
    scripts: Option<Sender<String>>,
    outcomes: Receiver<Outcome>,
    interrupt: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    fn new(mut session: Session) -> Self {
        let (scripts, asked) = channel::<String>();
        let (tell, outcomes) = channel();
        let interrupt = session.interrupt();
        let thread = std::thread::spawn(move || {
            for script in asked {
                tell.send(run(&mut session, &script)).unwrap();
            }
        });
        Self {
            scripts: Some(scripts),
            outcomes,
            interrupt,
            thread: Some(thread),
        }
    }

    /// Starts a script.
    pub fn start(&self, script: &str) {
        self.scripts.as_ref().unwrap().send(script.to_string()).unwrap();
    }

    /// How the script that was started ended.
    pub fn end(&self) -> Outcome {
        self.outcomes.recv().unwrap()
    }

    pub fn run(&self, script: &str) -> Outcome {
        self.start(script);
        self.end()
    }

    pub fn ok(&self, script: &str) -> String {
        self.run(script).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    fn fails(&self, script: &str, code: &str) -> String {
        failed(self.run(script), code)
    }

    pub fn begin(&self, level: &str) {
        self.ok(&format!("BEGIN ISOLATION LEVEL {level}"));
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.scripts = None;
        // A test that has failed may have left it waiting.
        if !std::thread::panicking() {
            self.thread.take().map_or(Ok(()), JoinHandle::join).unwrap();
        }
    }
}

fn failed(outcome: Outcome, code: &str) -> String {
    let error = outcome.expect_err("it must fail");
    assert_eq!(error.code(), code, "{error}");
    error.to_string()
}

/// A database, and who looks at its locks.
pub struct Stage {
    client: Client,
    observer: Session,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = client(&folder.path().join("db"));
        let mut observer = client.session();
        run(&mut observer, script).unwrap();
        Self {
            client,
            observer,
            _folder: folder,
        }
    }

    fn player(&self) -> Player {
        Player::new(self.client.session())
    }

    pub fn players<const N: usize>(&self) -> [Player; N] {
        std::array::from_fn(|_| self.player())
    }

    pub fn read(&mut self, query: &str) -> String {
        run(&mut self.observer, query).unwrap()
    }

    /// Returns when so many transactions wait.
    pub fn waiting(&mut self, count: usize) -> String {
        let mut locks = String::new();
        for _ in 0..1_000_000 {
            locks = self.read("SHOW LOCKS");
            if locks.matches(",waits,").count() == count {
                return locks;
            }
            std::thread::yield_now();
        }
        panic!("not {count} wait: {locks}");
    }
}

pub fn client(folder: &Path) -> Client {
    let settings = Settings {
        threads: 1,
        ..Settings::default()
    };
    Client::embedded(settings, Some(folder.to_path_buf()))
}

pub const ACCOUNTS: &str = "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 10), (2, 20)";

#[test]
fn writers_of_different_rows_both_commit() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        one.ok("UPDATE t SET n = n + 1 WHERE id = 1");
        two.ok("UPDATE t SET n = n + 1 WHERE id = 2");
        one.ok("INSERT INTO t VALUES (3, 30)");
        two.ok("INSERT INTO t VALUES (4, 40)");
        one.ok("COMMIT");
        two.ok("COMMIT");
        stage.read("DELETE FROM t WHERE id > 2");
    }
    let times = LEVELS.len();
    assert_eq!(
        stage.read("FROM t ORDER BY id"),
        format!("1,{} 2,{}", 10 + times, 20 + times)
    );
    assert_eq!(stage.read("SHOW LOCKS"), "");
}

#[test]
fn who_comes_second_waits_for_the_row() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        for statement in ["UPDATE t SET n = n + 5 WHERE id = 2", "DELETE FROM t WHERE id = 2"] {
            let [one, two] = stage.players();
            one.begin(level);
            two.begin(level);
            one.ok("UPDATE t SET n = n + 1 WHERE id = 2");
            two.start(statement);
            let locks = stage.waiting(1);
            assert!(locks.contains(",row,(id) = (2),"), "{locks}");
            assert!(
                locks.contains(",holds,t,row,1 old and 1 new,,UPDATE t SET n = n + 1 WHERE id = 2,"),
                "{locks}"
            );
            one.ok("COMMIT");
            if level == "READ COMMITTED" {
                two.end().unwrap();
                two.ok("COMMIT");
                let expected = if statement.starts_with("UPDATE") {
                    "1,10 2,26"
                } else {
                    "1,10"
                };
                assert_eq!(stage.read("FROM t ORDER BY id"), expected);
            } else {
                let message = failed(two.end(), "40001");
                assert!(
                    message.starts_with("the row with key (id) = (2) of `t` was changed by transaction "),
                    "{message}"
                );
                two.fails("SELECT 1 FROM t", "25P02");
                two.ok("ROLLBACK");
                assert_eq!(stage.read("FROM t ORDER BY id"), "1,10 2,21");
            }
            stage.read("DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 20)");
        }
    }
}

#[test]
fn a_rollback_lets_the_other_go_on() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        one.ok("SAVEPOINT s; UPDATE t SET n = 0 WHERE id = 2; UPDATE t SET n = 0 WHERE id = 1");
        two.start("UPDATE t SET n = n + 1 WHERE id = 2");
        stage.waiting(1);
        // What was taken since the savepoint is given back.
        one.ok("ROLLBACK TO s");
        two.end().unwrap();
        one.start("UPDATE t SET n = 0 WHERE id = 2");
        stage.waiting(1);
        two.ok("ROLLBACK");
        one.end().unwrap();
        // A statement that fails ends the transaction, and with it what it held.
        two.begin(level);
        two.start("DELETE FROM t WHERE id = 2");
        stage.waiting(1);
        one.fails("INSERT INTO t VALUES (1, 2)", "23505");
        two.end().unwrap();
        two.ok("ROLLBACK");
        one.fails("COMMIT", "25P02");
        assert_eq!(stage.read("FROM t ORDER BY id"), "1,10 2,20");
    }
}

#[test]
fn a_session_that_ends_gives_its_locks_back() {
    let mut stage = Stage::new(ACCOUNTS);
    let [one, two] = stage.players();
    one.ok("BEGIN; UPDATE t SET n = 0 WHERE id = 2");
    two.start("UPDATE t SET n = 1 WHERE id = 2");
    stage.waiting(1);
    drop(one);
    two.end().unwrap();
    assert_eq!(stage.read("FROM t ORDER BY id"), "1,10 2,1");
}

#[test]
fn a_key_is_inserted_once() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        one.ok("INSERT INTO t VALUES (3, 30)");
        two.start("INSERT INTO t SELECT range + 3, 0 FROM range(3)");
        let locks = stage.waiting(1);
        assert!(locks.contains(",waits,t,key,(id) = (3),"), "{locks}");
        one.ok("ROLLBACK; BEGIN");
        two.end().unwrap();
        one.start("INSERT INTO t VALUES (5, 50)");
        stage.waiting(1);
        two.ok("COMMIT");
        let message = failed(one.end(), "23505");
        assert_eq!(message, "`t` has a row with (id) = (5) already, against `t_pkey`");
        one.ok("ROLLBACK");
        // Alone, too: the statement is its own transaction.
        two.ok("BEGIN; INSERT INTO t VALUES (9, 0)");
        one.start("INSERT INTO t VALUES (8, 0), (9, 0)");
        stage.waiting(1);
        two.ok("COMMIT");
        failed(one.end(), "23505");
        assert_eq!(
            stage.read("SELECT array_agg(id) FROM (SELECT id FROM t ORDER BY id)"),
            "[1, 2, 3, 4, 5, 9]"
        );
        stage.read("DELETE FROM t WHERE id > 2");
    }
}

/// Statements by themselves, transactions, and such as take the key in any case, all for the same keys at once.
#[test]
fn a_key_has_one_row_whoever_comes_first() {
    let stage = Stage::new("CREATE TABLE t (id int PRIMARY KEY, n int)");
    let scripts = [
        "INSERT INTO t VALUES (KEY, 0)",
        "INSERT INTO t VALUES (KEY, 1)",
        "BEGIN; INSERT INTO t VALUES (KEY, 2); INSERT INTO t VALUES (-1 - KEY, 2); COMMIT",
        "BEGIN; INSERT INTO t SELECT KEY, 3; COMMIT",
        "UPSERT INTO t VALUES (KEY, 4)",
        "INSERT INTO t VALUES (KEY, 5) ON CONFLICT DO NOTHING",
    ];
    let keys = 40;
    let outcomes: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
        let players = scripts.map(|script| {
            let mut session = stage.client.session();
            scope.spawn(move || {
                let one = |key: i32| {
                    let outcome = run(&mut session, &script.replace("KEY", &key.to_string()));
                    // After an error in the middle.
                    run(&mut session, "ROLLBACK").ok();
                    outcome
                };
                (0..keys).map(one).collect()
            })
        });
        players.map(|player| player.join().unwrap()).into()
    });
    let inserted = |key: usize| outcomes[..4].iter().filter(|of| of[key].is_ok()).count();
    for key in 0..keys as usize {
        assert!(inserted(key) <= 1, "key {key}: {outcomes:?}");
        for error in outcomes.iter().filter_map(|of| of[key].as_ref().err()) {
            assert!(["23505", "40001"].contains(&error.code()), "key {key}: {error}");
        }
    }
    let mut session = stage.client.session();
    let rows = run(&mut session, "SELECT count(*), count(DISTINCT id) FROM t WHERE id >= 0").unwrap();
    assert_eq!(rows, format!("{keys},{keys}"));
    // What a transaction inserted beside the key is there with it, and only then.
    let pairs = outcomes[2].iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(
        run(&mut session, "SELECT count(*) FROM t WHERE id < 0").unwrap(),
        pairs.to_string()
    );
    assert_eq!(
        run(&mut session, "VERIFY TABLE t")
            .map(drop)
            .map_err(|error| error.to_string()),
        Ok(())
    );
}

#[test]
fn a_key_of_a_row_that_may_go_is_waited_for() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        one.ok("DELETE FROM t WHERE id = 2");
        two.start("INSERT INTO t VALUES (2, 200)");
        stage.waiting(1);
        one.ok("ROLLBACK");
        failed(two.end(), "23505");
        two.ok("ROLLBACK");
        one.begin(level);
        two.begin(level);
        one.ok("UPDATE t SET id = 7 WHERE id = 2");
        two.start("INSERT INTO t VALUES (2, 200)");
        stage.waiting(1);
        one.ok("COMMIT");
        if level == "READ COMMITTED" {
            two.end().unwrap();
            two.ok("COMMIT");
        } else {
            failed(two.end(), "40001");
            two.ok("ROLLBACK; INSERT INTO t VALUES (2, 200)");
        }
        assert_eq!(stage.read("FROM t ORDER BY id"), "1,10 2,200 7,20");
        stage.read("DELETE FROM t WHERE id > 1; INSERT INTO t VALUES (2, 20)");
    }
}

#[test]
fn keys_are_checked_when_the_statement_ends() {
    let stage = Stage::new(ACCOUNTS);
    let [one] = stage.players();
    for level in LEVELS {
        let twice = "`t` has a row with (id) = (2) already, against `t_pkey`";
        one.begin(level);
        assert_eq!(one.fails("INSERT INTO t VALUES (2, 0)", "23505"), twice);
        one.ok("ROLLBACK");
        one.begin(level);
        one.fails("INSERT INTO t VALUES (3, 0), (3, 0)", "23505");
        one.ok("ROLLBACK");
        one.begin(level);
        one.ok("INSERT INTO t VALUES (3, 0); SAVEPOINT s");
        one.fails("INSERT INTO t VALUES (3, 1)", "23505");
        one.ok(
            "ROLLBACK TO s; UPDATE t SET id = id + 1; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (1, 1), (3, 3)",
        );
        one.fails("UPDATE t SET id = 4 WHERE id = 1", "23505");
        one.ok("ROLLBACK TO s; DELETE FROM t; INSERT INTO t SELECT range, 0 FROM range(20000)");
        one.fails("INSERT INTO t SELECT range * 3, 0 FROM range(5000, 8000)", "23505");
        one.ok("ROLLBACK");
    }
    let [two] = stage.players();
    one.ok("BEGIN");
    two.ok("INSERT INTO t VALUES (3, 30)");
    one.fails("INSERT INTO t VALUES (3, 31)", "23505");
}

#[test]
fn deadlocks_have_one_victim() {
    let mut stage =
        Stage::new("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT range, 0 FROM range(3)");
    for level in LEVELS {
        let [one, two, three] = stage.players();
        for (at, player) in [&one, &two, &three].into_iter().enumerate() {
            player.begin(level);
            player.ok(&format!("UPDATE t SET n = n + 1 WHERE id = {at}"));
        }
        one.start("UPDATE t SET n = n + 10 WHERE id = 1");
        stage.waiting(1);
        two.start("UPDATE t SET n = n + 20 WHERE id = 2");
        stage.waiting(2);
        let message = three.fails("UPDATE t SET n = n + 30 WHERE id = 0", "40P01");
        for statement in [
            "`UPDATE t SET n = n + 30 WHERE id = 0`",
            "`UPDATE t SET n = n + 20 WHERE id = 2`",
        ] {
            assert!(message.contains(statement), "{message}");
        }
        // The victim's locks are free at once.
        two.end().unwrap();
        two.ok("ROLLBACK");
        one.end().unwrap();
        one.ok("COMMIT");
        three.ok("ROLLBACK");
        assert_eq!(stage.read("FROM t ORDER BY id"), "0,1 1,10 2,0");
        stage.read("UPDATE t SET n = 0");
    }
}

#[test]
fn a_wait_ends_when_it_is_cancelled_or_takes_too_long() {
    let mut stage = Stage::new(ACCOUNTS);
    let [one, two] = stage.players();
    one.ok("BEGIN; UPDATE t SET n = 0 WHERE id = 2");
    two.ok("SET lock_timeout = '1ms'");
    let message = two.fails("UPDATE t SET n = 1 WHERE id = 2", "55P03");
    assert!(
        message.contains("the row with key (id) = (2) of `t` is held by transaction "),
        "{message}"
    );
    two.ok("SET lock_timeout = off");
    two.start("UPDATE t SET n = 1 WHERE id = 2");
    stage.waiting(1);
    two.interrupt.cancel();
    failed(two.end(), "57014");
    one.ok("COMMIT");
    two.ok("UPDATE t SET n = n + 1 WHERE id = 2");
    assert_eq!(stage.read("FROM t ORDER BY id"), "1,10 2,1");
}

#[test]
fn definitions_lock_their_tables() {
    let mut stage = Stage::new(ACCOUNTS);
    let [one, two] = stage.players();
    one.ok("BEGIN; INSERT INTO t VALUES (3, 30)");
    two.start("TRUNCATE t");
    let locks = stage.waiting(1);
    assert!(locks.contains(",waits,t,table,,"), "{locks}");
    one.ok("ROLLBACK");
    two.end().unwrap();
    two.ok("BEGIN; DROP TABLE t");
    one.start("INSERT INTO t VALUES (4, 40)");
    let locks = stage.waiting(1);
    assert!(locks.contains(",holds,t,table,"), "{locks}");
    two.ok("COMMIT");
    let message = failed(one.end(), "40001");
    assert!(
        message.starts_with("the table `t` was changed by transaction "),
        "{message}"
    );
    // Names, too; things of different names do not get in each other's way.
    one.ok("BEGIN; CREATE TABLE u (a int); INSERT INTO u VALUES (1)");
    two.ok("BEGIN; CREATE TABLE v (a int); INSERT INTO v VALUES (2)");
    two.start("CREATE TABLE u (a int)");
    let locks = stage.waiting(1);
    assert!(locks.contains(",waits,u,name,,"), "{locks}");
    one.ok("ROLLBACK; BEGIN; CREATE TABLE w (a int); INSERT INTO w VALUES (3); COMMIT");
    two.end().unwrap();
    two.ok("COMMIT");
    assert_eq!(
        stage.read("SELECT v.a, w.a, (SELECT count(*) FROM u) FROM v, w"),
        "2,3,0"
    );
}

// The anomaly matrix: what each level does about each anomaly.

#[test]
fn dirty_writes_happen_nowhere() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        one.ok("UPDATE t SET n = 1 WHERE id = 1");
        two.start("UPDATE t SET n = 2 WHERE id = 1");
        stage.waiting(1);
        one.ok("UPDATE t SET n = 1 WHERE id = 2; COMMIT");
        match two.end() {
            Ok(_) => drop(two.ok("UPDATE t SET n = 2 WHERE id = 2; COMMIT")),
            Err(error) => assert_eq!(error.code(), "40001"),
        }
        let expected = if level == "READ COMMITTED" {
            "1,2 2,2"
        } else {
            "1,1 2,1"
        };
        assert_eq!(stage.read("FROM t ORDER BY id"), expected, "{level}");
        stage.read("UPDATE t SET n = id * 10");
    }
}

#[test]
fn dirty_reads_happen_nowhere() {
    let stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        one.ok("UPDATE t SET n = 99 WHERE id = 1; INSERT INTO t VALUES (3, 99); DELETE FROM t WHERE id = 2");
        assert_eq!(two.ok("FROM t ORDER BY id"), "1,10 2,20", "{level}");
        one.ok("ROLLBACK");
        assert_eq!(two.ok("FROM t ORDER BY id"), "1,10 2,20", "{level}");
    }
}

#[test]
fn fuzzy_reads_and_read_skew_happen_under_read_committed_only() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        assert_eq!(one.ok("SELECT n FROM t WHERE id = 1"), "10");
        two.ok("BEGIN; UPDATE t SET n = n + 5 WHERE id = 1; UPDATE t SET n = n - 5 WHERE id = 2; COMMIT");
        let again = one.ok("SELECT n FROM t WHERE id = 1");
        let other = one.ok("SELECT n FROM t WHERE id = 2");
        let expected = if level == "READ COMMITTED" { "15,15" } else { "10,20" };
        assert_eq!(format!("{again},{other}"), expected, "{level}");
        // Who only read is as if it had come first.
        one.ok("COMMIT");
        stage.read("UPDATE t SET n = id * 10");
    }
}

#[test]
fn lost_updates_happen_under_read_committed_only() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        let (mine, theirs) = (
            one.ok("SELECT n FROM t WHERE id = 1"),
            two.ok("SELECT n FROM t WHERE id = 1"),
        );
        one.ok(&format!("UPDATE t SET n = {mine} + 1 WHERE id = 1; COMMIT"));
        let second = two.run(&format!("UPDATE t SET n = {theirs} + 2 WHERE id = 1"));
        if level == "READ COMMITTED" {
            second.unwrap();
            two.ok("COMMIT");
            assert_eq!(stage.read("SELECT n FROM t WHERE id = 1"), "12");
        } else {
            let message = failed(second, "40001");
            assert!(
                message.starts_with("the row with key (id) = (1) of `t` was changed by transaction "),
                "{message}"
            );
            assert_eq!(stage.read("SELECT n FROM t WHERE id = 1"), "11");
        }
        stage.read("UPDATE t SET n = id * 10");
    }
}

#[test]
fn write_skew_does_not_happen_under_serializable() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        // Each may take 25 from one account as long as both have 30.
        assert_eq!(one.ok("SELECT sum(n) FROM t"), "30");
        assert_eq!(two.ok("SELECT sum(n) FROM t"), "30");
        one.ok("UPDATE t SET n = n - 25 WHERE id = 1");
        two.ok("UPDATE t SET n = n - 25 WHERE id = 2");
        one.ok("COMMIT");
        if level == "SERIALIZABLE" {
            let message = two.fails("COMMIT", "40001");
            let read = "the row with key (id) = (1) of `t`, which this transaction has read, changed in the meantime by commit ";
            assert!(
                message.starts_with(read) && message.contains(", which is transaction "),
                "{message}"
            );
            assert_eq!(stage.read("SELECT sum(n) FROM t"), "5");
        } else {
            two.ok("COMMIT");
            assert_eq!(stage.read("SELECT sum(n) FROM t"), "-20");
        }
        stage.read("UPDATE t SET n = id * 10");
    }
}

#[test]
fn phantoms_are_seen_under_read_committed_and_missed_under_snapshot() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        let [one, two] = stage.players();
        one.begin(level);
        two.begin(level);
        for player in [&one, &two] {
            assert_eq!(player.ok("SELECT count(*) FROM t WHERE n > 15"), "1");
        }
        one.ok("INSERT INTO t VALUES (3, 30); COMMIT");
        let expected = if level == "READ COMMITTED" { "2" } else { "1" };
        assert_eq!(two.ok("SELECT count(*) FROM t WHERE n > 15"), expected);
        two.ok("INSERT INTO t VALUES (4, 40)");
        match level {
            "SERIALIZABLE" => drop(two.fails("COMMIT", "40001")),
            _ => drop(two.ok("COMMIT")),
        }
        stage.read("DELETE FROM t WHERE id > 2");
    }
}

#[test]
fn serializable_transactions_on_different_rows_both_commit() {
    let mut stage = Stage::new(ACCOUNTS);
    let [one, two] = stage.players();
    for (mine, theirs) in [
        ("SELECT n FROM t WHERE id = 1", "SELECT n FROM t WHERE id = 2"),
        (
            "SELECT sum(n) FROM t WHERE id BETWEEN 0 AND 1",
            "SELECT n FROM t WHERE id IN (2, 7)",
        ),
        ("SELECT sum(n) FROM t WHERE 2 > id", "SELECT n FROM t WHERE id >= 2"),
    ] {
        one.begin("SERIALIZABLE");
        two.begin("SERIALIZABLE");
        one.ok(mine);
        two.ok(theirs);
        one.ok("UPDATE t SET n = n + 1 WHERE id = 1");
        two.ok("UPDATE t SET n = n + 1 WHERE id = 2");
        one.ok("COMMIT");
        two.ok("COMMIT");
    }
    assert_eq!(stage.read("FROM t ORDER BY id"), "1,13 2,23");
    // A row that was not there, and a row that goes.
    one.begin("SERIALIZABLE");
    one.ok("SELECT n FROM t WHERE id = 5; UPDATE t SET n = 0 WHERE id = 1");
    two.ok("INSERT INTO t VALUES (5, 50)");
    one.fails("COMMIT", "40001");
    one.begin("SERIALIZABLE");
    one.ok("SAVEPOINT s; SELECT n FROM t WHERE n < 23; ROLLBACK TO s; UPDATE t SET n = 0 WHERE id = 2");
    two.ok("DELETE FROM t WHERE id = 1");
    one.fails("COMMIT", "40001");
    // Alone, a statement is a transaction, too.
    one.ok("SET default_transaction_isolation = 'serializable'; UPDATE t SET n = 1 WHERE id = 2");
    assert_eq!(stage.read("FROM t ORDER BY id"), "2,1 5,50");
}

#[test]
fn upserts_change_what_another_one_has_inserted() {
    let mut stage = Stage::new(ACCOUNTS);
    for level in LEVELS {
        for upsert in [
            "INSERT INTO t VALUES (3, 5) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n",
            "INSERT INTO t VALUES (3, 5) ON CONFLICT DO NOTHING",
        ] {
            let [one, two] = stage.players();
            one.begin(level);
            two.begin(level);
            one.ok("INSERT INTO t VALUES (3, 30)");
            two.start(upsert);
            stage.waiting(1);
            one.ok("COMMIT");
            if level == "READ COMMITTED" {
                two.end().unwrap();
                two.ok("COMMIT");
                let expected = if upsert.ends_with("NOTHING") { "30" } else { "35" };
                assert_eq!(stage.read("SELECT n FROM t WHERE id = 3"), expected);
            } else {
                failed(two.end(), "40001");
                two.ok("ROLLBACK");
            }
            stage.read("DELETE FROM t WHERE id = 3");
        }
    }
}

#[test]
fn columns_that_are_added_wait_for_writers() {
    let mut stage = Stage::new(ACCOUNTS);
    let [one, two] = stage.players();
    one.ok("BEGIN; UPDATE t SET n = 0 WHERE id = 1");
    two.start("ALTER TABLE t ADD COLUMN b int");
    let locks = stage.waiting(1);
    assert!(locks.contains(",waits,t,table,,"), "{locks}");
    one.ok("ROLLBACK");
    two.end().unwrap();
    assert_eq!(stage.read("FROM t ORDER BY id"), "1,10,NULL 2,20,NULL");
}

#[test]
fn prepared_statements_wait_under_their_own_text() {
    let mut stage = Stage::new(ACCOUNTS);
    let [one, two] = stage.players();
    one.ok("BEGIN; UPDATE t SET n = 0 WHERE id = 1");
    two.ok("PREPARE add AS UPDATE t SET n = n + $1 WHERE id = $2");
    two.start("EXECUTE add(5, 1)");
    let locks = stage.waiting(1);
    let text = ",PREPARE add AS UPDATE t SET n = n + $1 WHERE id = $2,";
    assert!(
        locks.contains(",waits,t,row,(id) = (1),") && locks.contains(text),
        "{locks}"
    );
    one.ok("ROLLBACK");
    two.end().unwrap();
    assert_eq!(stage.read("FROM t ORDER BY id"), "1,15 2,20");
}
