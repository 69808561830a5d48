//! TPC-H at scale 0.01: the ten queries of the first milestone in every mode, the other twelve where they are supported.
//!
//! The data is generated here, once per run of the tests, as Parquet in a temporary folder; the answers lie in
//! `tests/tpch/expected_sf0.01`.
//!
//! Invariants: decimals and texts must be equal; floats may differ in the last digits, since sums of floats depend on their order.
//!
//! Does not: measure time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gobi::client::{Client, Error, ErrorKind, JitMode, LogicalType, Session, Settings, StatementResult, cells};

use super::data;

/// The folder with the generated tables.
pub fn folder() -> &'static Path {
    DATA.path()
}

/// The text of a query.
pub fn query(number: u32) -> String {
    fs::read_to_string(file("queries", &format!("q{number:02}.sql"))).unwrap()
}

const TEN: [u32; 10] = [1, 3, 4, 5, 6, 10, 12, 14, 18, 19];

static DATA: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    data::tpch(folder.path(), 0.01);
    folder
});

#[test]
fn machine_code_on_two_threads() {
    check_ten(JitMode::On, 2);
}

#[test]
fn machine_code_on_one_thread() {
    check_ten(JitMode::On, 1);
}

#[test]
fn interpreted_on_two_threads() {
    check_ten(JitMode::Off, 2);
}

#[test]
fn interpreted_on_one_thread() {
    check_ten(JitMode::Off, 1);
}

#[test]
fn auto_on_two_threads() {
    check_ten(JitMode::Auto, 2);
}

#[test]
fn auto_on_one_thread() {
    check_ten(JitMode::Auto, 1);
}

#[test]
fn the_other_twelve_are_right_or_unsupported() {
    let mut session = session(JitMode::Auto, 2);
    let mut failures = Vec::new();
    for number in (1..=22).filter(|number| !TEN.contains(number)) {
        match run(&mut session, number) {
            Ok(rows) => failures.extend(difference(number, &rows)),
            Err(error) if error.kind == ErrorKind::Unsupported && error.code() == "0A000" => {}
            Err(error) => failures.push(format!("q{number:02}: {error:?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_ten(jit: JitMode, threads: usize) {
    let mut session = session(jit, threads);
    let mut failures = Vec::new();
    for number in TEN {
        match run(&mut session, number) {
            Ok(rows) => failures.extend(difference(number, &rows)),
            Err(error) => failures.push(format!("q{number:02}: {error:?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn session(jit: JitMode, threads: usize) -> Session {
    let settings = Settings {
        jit,
        threads,
        ..Settings::default()
    };
    Client::embedded(settings, Some(DATA.path().to_path_buf())).session()
}

fn file(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tpch")
        .join(folder)
        .join(name)
}

/// A row of texts, and which of them are floats.
type Row = Vec<(String, bool)>;

fn run(session: &mut Session, number: u32) -> Result<Vec<Row>, Error> {
    let query = query(number);
    let mut rows = Vec::new();
    for result in session.execute(&query) {
        let StatementResult::Rows(stream) = result? else {
            continue;
        };
        let types: Vec<LogicalType> = stream.fields().iter().map(|field| field.ty.clone()).collect();
        for batch in stream {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let columns = batch.columns().iter().zip(&types);
                let cell = |(column, ty)| cells::text(column, row, ty).unwrap_or_else(|| "NULL".into());
                rows.push(
                    columns
                        .map(|(column, ty)| (cell((column, ty)), ty.is_float()))
                        .collect(),
                );
            }
        }
    }
    Ok(rows)
}

/// Where an answer differs from the expected one; `None` if it does not.
fn difference(number: u32, rows: &[Row]) -> Option<String> {
    let expected = fs::read_to_string(file("expected_sf0.01", &format!("q{number:02}.csv"))).unwrap();
    let expected = data::read_csv(&expected);
    let expected = &expected[1..];
    if rows.len() != expected.len() {
        return Some(format!(
            "q{number:02}: {} rows, expected {}",
            rows.len(),
            expected.len()
        ));
    }
    for (index, (row, wanted)) in rows.iter().zip(expected).enumerate() {
        let same = row.len() == wanted.len()
            && row
                .iter()
                .zip(wanted)
                .all(|((text, float), wanted)| agree(text, wanted, *float));
        if !same {
            let texts: Vec<_> = row.iter().map(|(text, _)| text).collect();
            return Some(format!(
                "q{number:02} row {}: {texts:?}, expected {wanted:?}",
                index + 1
            ));
        }
    }
    None
}

fn agree(text: &str, wanted: &str, float: bool) -> bool {
    match (text.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(a), Ok(b)) if float => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => text == wanted,
    }
}
