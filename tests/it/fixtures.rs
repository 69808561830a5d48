//! Databases that released versions have written: this version opens them, reads all of them, and verifies them.
//!
//! `tests/fixtures/VERSION/` has a folder `db`, the same packed into `db.gobi`, and in `read.txt` what the queries of `read.sql` gave.
//! `GOBI_WRITE_FIXTURE=1 cargo test --test it fixtures` writes that of this version anew, by `make.sql`; that is done once, for a
//! release, and before it whenever the format changes.
//!
//! Invariants: a folder of a released version is never written again.

use std::fs;
use std::path::{Path, PathBuf};

use gobi::client::DatabaseFolder;

use super::run::gobi;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// What is in a folder, below another.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the queries of the fixtures give.
fn read(folder: &Path, database: &str) -> String {
    let script = fixtures().join("read.sql");
    let ran = gobi(
        folder,
        &["-d", database, "--format", "csv", "run", script.to_str().unwrap()],
    );
    assert_eq!(ran.code, Some(0), "{database}: {}", ran.err);
    ran.out
}

fn write_fixture() {
    let into = fixtures().join(env!("CARGO_PKG_VERSION"));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let script = fixtures().join("make.sql");
    let ran = gobi(folder, &["-d", "db", "run", script.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = gobi(folder, &["pack", "db", "db.gobi"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    // It only says who writes.
    fs::remove_file(folder.join("db/lock")).unwrap();
    fs::write(folder.join("read.txt"), read(folder, "db")).unwrap();
    if into.exists() {
        fs::remove_dir_all(&into).unwrap();
    }
    copy(folder, &into);
}

#[test]
fn what_released_versions_wrote_can_be_read() {
    if std::env::var_os("GOBI_WRITE_FIXTURE").is_some() {
        write_fixture();
    }
    let entries = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let versions: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty(), "there are fixtures");
    for version in versions {
        let folder = tempfile::tempdir().unwrap();
        copy(&version, folder.path());
        let folder = folder.path();
        let wanted = fs::read_to_string(version.join("read.txt")).unwrap();
        assert!(wanted.lines().count() > 40, "{wanted}");
        for database in ["db", "db.gobi"] {
            assert_eq!(read(folder, database), wanted, "{}: {database}", version.display());
            verify(&folder.join(database), &version);
        }
        // It can be written on, too.
        let script = "INSERT INTO orders VALUES (100, 'Edsger', 5, DATE '2026-03-01'); SELECT count(*) FROM orders";
        let ran = gobi(folder, &["-d", "db", "--format", "csv", "-c", script]);
        assert_eq!(ran.out.lines().last(), Some("6"), "{}", ran.err);
        verify(&folder.join("db"), &version);
    }
}

/// Everything is what its hash says.
fn verify(database: &Path, version: &Path) {
    let folder = DatabaseFolder::of(database).unwrap();
    let opened = folder.database(false).unwrap().unwrap();
    let report = opened.verify(true).unwrap();
    assert!(report.damages.is_empty(), "{}: {:?}", version.display(), report.damages);
    assert!(report.bytes > 10_000, "{}", report.bytes);
}
