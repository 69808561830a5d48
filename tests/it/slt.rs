//! Runs every `tests/slt/**.slt` four times: as machine code, interpreted, on one thread, and one row at a time.
//!
//! `query I` checks types too: `I` is an integer, `R` a float or decimal, `T` anything else. NULL is written `NULL`, an
//! empty string `(empty)`. `statement error (22012)` checks the SQLSTATE. `$__TEST_DIR__` is a folder of the file's own. A file
//! whose first line is `# database` runs in a database of its own; `connection a` is another session of it.
//!
//! Invariants: all failures of a run are reported together, each with file and line.
//!
//! Does not: start the binary; the session is in this process.

use std::path::{Path, PathBuf};

use gobi::client::{Client, Error, JitMode, LogicalType, Session, Settings, StatementResult, cells};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner, strict_column_validator};

#[test]
fn as_machine_code() {
    run_all(&Settings {
        jit: JitMode::On,
        ..Settings::default()
    });
}

#[test]
fn interpreted() {
    run_all(&Settings {
        jit: JitMode::Off,
        ..Settings::default()
    });
}

#[test]
fn on_one_thread() {
    run_all(&Settings {
        threads: 1,
        ..Settings::default()
    });
}

#[test]
fn one_row_at_a_time() {
    run_all(&Settings {
        batch_rows: 1,
        ..Settings::default()
    });
}

fn run_all(settings: &Settings) {
    let client = Client::embedded(settings.clone(), None);
    let mut failures = Vec::new();
    let mut files = slt_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt"));
    // Only some of them, by a part of their paths, for whoever works on those.
    if let Ok(wanted) = std::env::var("GOBI_SLT") {
        files.retain(|file| file.to_string_lossy().contains(&wanted));
    }
    assert!(!files.is_empty(), "there are .slt files");
    for file in files {
        // A file that begins so has a database of its own.
        let wants_database = std::fs::read_to_string(&file).unwrap().starts_with("# database");
        let folder = wants_database.then(|| tempfile::tempdir().unwrap());
        let own = folder
            .as_ref()
            .map(|folder| Client::embedded(settings.clone(), Some(folder.path().join("db"))));
        let client = own.as_ref().unwrap_or(&client);
        let mut runner = Runner::new(|| async {
            Ok(Connection {
                session: client.session(),
            })
        });
        runner.with_column_validator(strict_column_validator);
        if let Err(error) = runner.run_file(&file) {
            failures.push(format!("{}\n{}", file.display(), error.display(false)));
        }
    }
    assert!(
        failures.is_empty(),
        "{} files fail:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

fn slt_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(slt_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    files.sort();
    files
}

struct Connection {
    session: Session,
}

impl DB for Connection {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let mut last = DBOutput::StatementComplete(0);
        for result in self.session.execute(sql) {
            last = match result? {
                StatementResult::RowsAffected(rows) => DBOutput::StatementComplete(rows),
                StatementResult::Done => DBOutput::StatementComplete(0),
                StatementResult::Rows(stream) => {
                    let fields = stream.fields().to_vec();
                    let types = fields.iter().map(|field| column_type(&field.ty)).collect();
                    let mut rows = Vec::new();
                    for batch in stream {
                        let batch = batch?;
                        let cell =
                            |row: usize, column: usize| cells::text(batch.column(column), row, &fields[column].ty);
                        rows.extend((0..batch.num_rows()).map(|row| {
                            (0..fields.len())
                                .map(|column| shown(cell(row, column)))
                                .collect::<Vec<_>>()
                        }));
                    }
                    DBOutput::Rows { types, rows }
                }
            };
        }
        Ok(last)
    }

    fn engine_name(&self) -> &str {
        "gobi"
    }

    fn error_sql_state(error: &Error) -> Option<String> {
        Some(error.code().to_string())
    }
}

fn column_type(ty: &LogicalType) -> DefaultColumnType {
    match ty {
        ty if ty.is_integer() => DefaultColumnType::Integer,
        ty if ty.is_numeric() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

fn shown(text: Option<String>) -> String {
    match text {
        None => "NULL".into(),
        Some(text) if text.is_empty() => "(empty)".into(),
        Some(text) => text,
    }
}
