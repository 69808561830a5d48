//! Commands about whole databases: made, packed, verified, imported into; and folders in which there is none.

use std::fs;
use std::path::Path;

use super::run::{Ran, gobi};

const TABLE: &str = "CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 1), (2, 2)";

fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    ok(folder.path(), &["-d", "db", "-c", TABLE]);
    folder
}

fn ok(folder: &Path, args: &[&str]) -> Ran {
    let ran = gobi(folder, args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
    ran
}

fn fails(folder: &Path, args: &[&str], with: &str) {
    let ran = gobi(folder, args);
    let said = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, Some(1), "{args:?}: {said}");
    assert!(said.contains(with), "{args:?}: {said}");
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copied(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

fn harmed(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0xff;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_database_that_exists_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(ok(folder, &["init", "db"]).err, "");
    assert!(folder.join("db/HEAD").exists());
    assert_eq!(
        ok(folder, &["init", "db"]).err,
        "`db` is a database already, and stays as it is\n"
    );
}

#[test]
fn a_lost_head_is_damage() {
    let folder = made();
    let folder = folder.path();
    fs::remove_file(folder.join("db/HEAD")).unwrap();
    let lost = "HEAD: the file is missing, though there are commits in `packs`";
    for script in ["SHOW TABLES", "FROM t", "CREATE TABLE u (a int)", "LOG"] {
        fails(folder, &["-d", "db", "-c", script], lost);
    }
    for args in [
        &["-d", "db", "gc"][..],
        &["verify", "db"],
        &["init", "db"],
        &["pack", "db", "x.gobi"],
        &["-c", "ATTACH 'db' AS other"],
    ] {
        fails(folder, args, lost);
    }
    assert!(!folder.join("db/HEAD").exists() && !folder.join("x.gobi").exists());
}

#[test]
fn what_is_damaged_is_not_packed_and_not_half_unpacked() {
    let folder = made();
    let folder = folder.path();
    ok(folder, &["pack", "db", "good.gobi"]);
    copied(&folder.join("db"), &folder.join("bad"));
    harmed(&folder.join("bad/packs/00000000.pack"), 400);
    for command in ["pack", "backup"] {
        fails(folder, &[command, "bad", "bad.gobi"], "bad/packs/00000000.pack: byte");
        fails(folder, &[command, "bad", "bad.gobi"], "nothing was packed");
    }
    assert!(!folder.join("bad.gobi").exists());
    fs::copy(folder.join("good.gobi"), folder.join("harmed.gobi")).unwrap();
    harmed(&folder.join("harmed.gobi"), 400);
    fails(
        folder,
        &["unpack", "harmed.gobi", "deep/er"],
        "it does not have its hash",
    );
    assert!(!folder.join("deep").exists());
    fs::create_dir(folder.join("empty")).unwrap();
    fails(folder, &["unpack", "harmed.gobi", "empty"], "it does not have its hash");
    assert_eq!(fs::read_dir(folder.join("empty")).unwrap().count(), 0);
    ok(folder, &["unpack", "good.gobi", "deep/er"]);
    ok(folder, &["verify", "--deep", "deep/er"]);
}

#[test]
fn verify_says_what_it_has_read() {
    let folder = made();
    let folder = folder.path();
    let read = |args: &[&str]| ok(folder, args).err;
    assert!(read(&["verify", "db"]).ends_with(" bytes: all as it was written\n"));
    ok(
        folder,
        &[
            "-d",
            "db",
            "-c",
            "CREATE TABLE u AS SELECT range AS a, 'x' || range AS b FROM range(200000)",
        ],
    );
    let shallow = read(&["verify", "db"]);
    assert!(
        shallow.contains("; 1 file of ") && shallow.ends_with(" not read, which `--deep` does\n"),
        "{shallow}"
    );
    assert!(read(&["verify", "--deep", "db"]).ends_with(" bytes: all as it was written\n"));
    let rows = |args: &[&str]| {
        let ran = gobi(folder, args);
        let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        (ran.code, rows)
    };
    let (code, shallow) = rows(&["verify", "db", "--format", "json"]);
    let (_, deep) = rows(&["verify", "--deep", "db", "--format", "json"]);
    let count = |rows: &serde_json::Value, name: &str| rows[0][name].as_u64().unwrap();
    assert_eq!((code, &shallow[0]["damage"]), (Some(0), &serde_json::Value::Null));
    assert_eq!((count(&shallow, "unread_files"), count(&deep, "unread_files")), (1, 0));
    assert_eq!(
        count(&shallow, "bytes") + count(&shallow, "unread_bytes"),
        count(&deep, "bytes")
    );
    harmed(&folder.join("db/packs/00000000.pack"), 400);
    let (code, found) = rows(&["verify", "db", "--format", "json"]);
    let damage = found[0]["damage"].as_str().unwrap();
    assert!(code == Some(1) && damage.contains("packs/00000000.pack"), "{damage}");
}

#[test]
fn where_there_is_no_database_that_is_said_and_none_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let none = "there is no database in `a/typo`";
    for script in ["SHOW TABLES", "SHOW BRANCHES", "LOG", "VACUUM", "COMPACT", "CHECKPOINT"] {
        fails(folder, &["-d", "a/typo", "-c", script], none);
    }
    for args in [&["schema"][..], &["table", "list"], &["snapshot", "list"], &["gc"]] {
        fails(folder, &[&["-d", "a/typo"], args].concat(), none);
    }
    let unknown = "table `t` does not exist";
    for args in [&["-c", "FROM t"][..], &["-c", "DESCRIBE t"], &["export", "t", "t.csv"]] {
        let args = [&["-d", "a/typo"], args].concat();
        fails(folder, &args, unknown);
        fails(folder, &args, "help: there is no database in `typo`");
    }
    ok(folder, &["-d", "a/typo", "-c", "SELECT 1"]);
    fails(
        folder,
        &["-d", "a/typo", "-c", "CREATE TABLE t (a nonsense)"],
        "type `nonsense` does not exist",
    );
    ok(
        folder,
        &["-d", "a/typo", "-c", "BEGIN; CREATE TABLE t (a int); ROLLBACK"],
    );
    assert!(!folder.join("a").exists());
    fs::create_dir(folder.join("empty")).unwrap();
    fails(
        folder,
        &["-d", "empty", "-c", "CREATE TABLE t (a nonsense)"],
        "type `nonsense` does not exist",
    );
    assert_eq!(fs::read_dir(folder.join("empty")).unwrap().count(), 0);
    ok(folder, &["-d", "a/new", "-c", "CREATE TABLE t (a int); SHOW TABLES"]);
    fails(
        folder,
        &["-d", "a/new", "-c", "CREATE TABLE u (a nonsense)"],
        "type `nonsense` does not exist",
    );
    assert_eq!(
        ok(
            folder,
            &["-d", "a/new", "--format", "csv", "-c", "SELECT count(*) AS n FROM t"]
        )
        .out,
        "n\n0\n"
    );
}

#[test]
fn all_files_are_imported_or_none() {
    let folder = made();
    let folder = folder.path();
    fs::write(folder.join("x.csv"), "a,b\n3,3\n").unwrap();
    fs::write(folder.join("y.csv"), "a,b\n4,four\n").unwrap();
    fails(
        folder,
        &["-d", "db", "import", "--table", "t", "x.csv", "y.csv"],
        "`four` is not",
    );
    fails(folder, &["-d", "db", "import", "x.csv", "nowhere.csv"], "nowhere.csv");
    let tables = ok(folder, &["-d", "db", "--format", "csv", "table", "list"]).out;
    assert_eq!(tables.lines().count(), 2, "{tables}");
    assert!(tables.contains("t,table,2,"), "{tables}");
    assert_eq!(
        ok(
            folder,
            &["-d", "db", "import", "--table", "z", "x.csv", "x.csv", "x.csv"]
        )
        .err,
        "3 rows written\n"
    );
    let log = ok(folder, &["-d", "db", "--format", "csv", "-c", "LOG z"]).out;
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn commits_have_an_author() {
    let folder = made();
    let folder = folder.path();
    let mut command = super::run::command(folder);
    command.args(["-d", "db", "-c", "DELETE FROM t"]);
    for name in ["USER", "LOGNAME", "USERNAME"] {
        command.env_remove(name);
    }
    let ran = super::run::finish(command, b"");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let log = ok(folder, &["-d", "db", "--format", "jsonl", "-c", "LOG LIMIT 1"]).out;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert!(cfg!(not(target_os = "linux")) || log["author"] != "", "{log}");
}

#[test]
fn history_may_be_given_up_altogether() {
    let folder = made();
    let folder = folder.path();
    ok(
        folder,
        &[
            "-d",
            "db",
            "-c",
            "SET auto_compact = off; UPDATE t SET b = 3; UPDATE t SET b = 4",
        ],
    );
    let collected = |args: &[&str]| {
        let ran = ok(folder, &[&["-d", "db", "--format", "jsonl", "gc"], args].concat());
        serde_json::from_str::<serde_json::Value>(&ran.out).unwrap()
    };
    let dry = collected(&["--keep", "0s", "--dry-run"]);
    let done = collected(&["--keep", "0s"]);
    for name in ["live_objects", "packs_rewritten", "bytes_after"] {
        assert_eq!(dry[name], done[name], "{name}");
    }
    let again = collected(&["--keep", "0s"]);
    assert_eq!(again["packs_rewritten"], 0, "{again}");
    assert_eq!(again["bytes_before"], again["bytes_after"]);
    fails(folder, &["-d", "db", "-c", "SET retention = off"], "retention");
    ok(folder, &["verify", "--deep", "db"]);
}

#[test]
fn branches_and_snapshots_by_commands() {
    let folder = made();
    let folder = folder.path();
    ok(folder, &["-d", "db", "branch", "create", "f"]);
    ok(folder, &["-d", "db", "-c", "USE BRANCH f; DELETE FROM t"]);
    fails(
        folder,
        &["-d", "db", "branch", "drop", "f"],
        "error[2BP01]: the branch `f` has commits",
    );
    ok(folder, &["-d", "db", "snapshot", "create", "of f", "--at", "f"]);
    ok(folder, &["-d", "db", "branch", "drop", "f"]);
    ok(folder, &["-d", "db", "branch", "create", "f", "--from", "of f"]);
    ok(folder, &["-d", "db", "snapshot", "drop", "of f"]);
    ok(folder, &["-d", "db", "branch", "drop", "f", "--cascade"]);
}
