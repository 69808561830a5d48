//! What a transaction is told that comes too late, waits in a circle, or waits too long: goldens of the messages.
//!
//! Each names the table, the key where there is one, and the other transaction. Numbers of transactions and processes, and hashes
//! of commits, are left out. `GOBI_BLESS=1` writes the goldens.

use gobi::client::Error;

use super::golden;
use super::isolation::{ACCOUNTS, LEVELS, Player, Stage, client, run};
use super::run::gobi;

/// Code, message and help, without what differs from run to run.
fn told(title: &str, outcome: Result<String, Error>) -> String {
    let error = outcome.expect_err(title);
    let first = error.diagnostics.first().unwrap();
    let help = first
        .help
        .as_deref()
        .map_or_else(String::new, |help| format!("help: {help}\n"));
    format!(
        "-- {title}\nerror[{}]: {}\n{help}\n",
        first.code,
        same_in_every_run(&first.message)
    )
}

/// Words that are numbers of transactions or processes, or hashes, become `N`, `PID` and `HASH`.
fn same_in_every_run(message: &str) -> String {
    let mut before = "";
    let words = message.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', ';', ':']);
        let end = &word[bare.len()..];
        let kept = match before {
            "transaction" if bare.parse::<u64>().is_ok() => format!("N{end}"),
            "process" if bare.parse::<u32>().is_ok() => format!("PID{end}"),
            _ if bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) => format!("HASH{end}"),
            _ => word.to_string(),
        };
        before = word;
        kept
    });
    words.collect::<Vec<_>>().join(" ")
}

fn begun<const N: usize>(stage: &Stage, level: &str) -> [Player; N] {
    let players = stage.players();
    players.iter().for_each(|player: &Player| player.begin(level));
    players
}

#[test]
fn of_who_comes_too_late() {
    let mut stage = Stage::new(ACCOUNTS);
    let mut text = String::new();
    let update = "UPDATE t SET n = n + 1 WHERE id = 1";
    {
        let [one, two] = begun(&stage, "SNAPSHOT");
        one.ok(update);
        two.start(update);
        stage.waiting(1);
        one.ok("COMMIT");
        text += &told("a row that another one has changed", two.end());
    }
    {
        let [one, two] = begun(&stage, "SNAPSHOT");
        one.ok("INSERT INTO t VALUES (3, 30); COMMIT");
        text += &told(
            "a key that another one has inserted",
            two.run("UPSERT INTO t VALUES (3, 31)"),
        );
        text += &told("what is left of the transaction", two.run("SELECT 1 FROM t"));
    }
    {
        let [one, two] = begun(&stage, "SNAPSHOT");
        one.ok("ALTER TABLE t ADD COLUMN b int; COMMIT");
        let late = two.run("INSERT INTO t VALUES (4, 40); COMMIT");
        text += &told("a table that another one has altered", late);
    }
    {
        let [one, two] = begun(&stage, "SERIALIZABLE");
        one.ok("SELECT n FROM t WHERE id = 2; UPDATE t SET n = 0 WHERE id = 1");
        two.ok("UPDATE t SET n = 0 WHERE id = 2; COMMIT");
        text += &told(
            "a row that another one has changed since it was read",
            one.run("COMMIT"),
        );
    }
    stage.read(
        "CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c VALUES (1); CREATE TABLE o (id int PRIMARY KEY, c int REFERENCES c (id))",
    );
    {
        let [one, two] = begun(&stage, "SNAPSHOT");
        one.ok("DELETE FROM c WHERE id = 1");
        two.ok("INSERT INTO o VALUES (1, 1)");
        one.ok("COMMIT");
        text += &told("a row that another one refers to", two.run("COMMIT"));
    }
    let differs = golden::difference("conflicts/too_late.txt", &text);
    assert!(differs.is_none(), "{}", differs.unwrap_or_default());
}

/// One transaction redefines what another one makes something of: whoever commits first, both never do.
#[test]
fn of_who_calls_what_another_one_redefines() {
    let made = "CREATE TABLE o (a int); CREATE VIEW v AS SELECT a FROM o; upsert function base(x int) returns int => x;
        upsert function f(x int) returns int => base(x); type enum as Tier('low', 'high')";
    let pairs = [
        (
            "a function with other parameters",
            "upsert function f(x int, y int) returns int => x",
            "upsert function g(x int) returns int => f(x) + 1",
        ),
        (
            "a function that is called by what is called",
            "upsert function base(x int) returns int => x + 1",
            "upsert function g(x int) returns int => f(x) + 1",
        ),
        (
            "a function that a view calls",
            "upsert function f(x int, y int) returns int => x",
            "CREATE VIEW w AS SELECT f(a) AS b FROM o",
        ),
        (
            "a function that a check calls",
            "upsert function f(x int, y int) returns int => x",
            "CREATE TABLE c (a int CHECK (f(a) > 0))",
        ),
        (
            "a function that is dropped",
            "DROP FUNCTION f",
            "upsert function g(x int) returns int => f(x) + 1",
        ),
        (
            "a view below a procedure",
            "CREATE OR REPLACE VIEW v AS SELECT a AS b FROM o",
            "upsert procedure p() returns relation { select a from v }",
        ),
        (
            "an enum",
            "ALTER TYPE tier RENAME VALUE 'low' TO 'least'",
            "CREATE TABLE c (t tier DEFAULT 'low')",
        ),
    ];
    let mut text = String::new();
    for (title, redefines, calls) in pairs {
        for (first, second) in [(redefines, calls), (calls, redefines)] {
            let mut stage = Stage::new(made);
            let [one, two] = begun(&stage, "SNAPSHOT");
            one.ok(first);
            let staged = two.run(second);
            one.ok("COMMIT");
            let order = if first == redefines { "before" } else { "behind" };
            let outcome = staged.and_then(|_| two.run("COMMIT"));
            text += &told(&format!("{title}, {order} the other"), outcome);
            drop((one, two));
            stage.read("SELECT 1");
        }
    }
    // What is made of other things is no matter.
    let stage = Stage::new(made);
    let [one, two] = begun(&stage, "SNAPSHOT");
    one.ok("upsert function f(x int, y int) returns int => x");
    two.ok("upsert function g(x int) returns int => base(x)");
    one.ok("COMMIT");
    two.ok("COMMIT");
    let differs = golden::difference("conflicts/redefined.txt", &text);
    assert!(differs.is_none(), "{}", differs.unwrap_or_default());
}

#[test]
fn of_who_waits() {
    let mut stage = Stage::new(ACCOUNTS);
    let mut text = String::new();
    for level in LEVELS {
        let [one, two] = begun(&stage, level);
        one.ok("UPDATE t SET n = 1 WHERE id = 1");
        two.ok("UPDATE t SET n = 2 WHERE id = 2");
        one.start("UPDATE t SET n = 1 WHERE id = 2");
        stage.waiting(1);
        let victim = two.run("UPDATE t SET n = 2 WHERE id = 1");
        text += &told(&format!("a deadlock, {}", level.to_lowercase()), victim);
        two.ok("ROLLBACK");
        one.end().unwrap();
        one.ok("ROLLBACK");
    }
    {
        let [one, two] = stage.players();
        one.ok("BEGIN; UPDATE t SET n = 0 WHERE id = 2; INSERT INTO t VALUES (7, 70)");
        two.ok("SET lock_timeout = '1ms'");
        text += &told(
            "a row that is held too long",
            two.run("UPDATE t SET n = 1 WHERE id = 2"),
        );
        text += &told("a key that is held too long", two.run("INSERT INTO t VALUES (7, 71)"));
        text += &told("a table that is held too long", two.run("DROP TABLE t"));
    }
    let differs = golden::difference("conflicts/waits.txt", &text);
    assert!(differs.is_none(), "{}", differs.unwrap_or_default());
}

#[test]
fn of_who_finds_the_folder_taken() {
    let folder = tempfile::tempdir().unwrap();
    let writing = client(&folder.path().join("db"));
    run(&mut writing.session(), ACCOUNTS).unwrap();
    let ran = gobi(folder.path(), &["-d", "db", "-c", "INSERT INTO t VALUES (3, 30)"]);
    assert_eq!(ran.code, Some(1));
    let text: Vec<String> = ran.err.lines().map(same_in_every_run).collect();
    let text = format!("-- a folder that another process writes to\n{}\n", text.join("\n"));
    let differs = golden::difference("conflicts/taken.txt", &text);
    assert!(differs.is_none(), "{}", differs.unwrap_or_default());
}
