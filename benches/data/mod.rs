//! TPC-H data for the benches, and a session over it.
//!
//! Does not: measure anything.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use gobi::client::{Client, JitMode, Session, Settings, StatementResult};
use parquet::arrow::ArrowWriter;
use tpchgen::generators::{CustomerGenerator, LineItemGenerator, OrderGenerator};
use tpchgen_arrow::{CustomerArrow, LineItemArrow, OrderArrow, RecordBatchIterator};

/// Scale of the data.
pub const SCALE: f64 = 0.05;

/// The tables that queries 1, 3 and 6 read, as Parquet in a temporary folder.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write(
        folder.path(),
        "customer",
        CustomerArrow::new(CustomerGenerator::new(SCALE, 1, 1)),
    );
    write(
        folder.path(),
        "orders",
        OrderArrow::new(OrderGenerator::new(SCALE, 1, 1)),
    );
    write(
        folder.path(),
        "lineitem",
        LineItemArrow::new(LineItemGenerator::new(SCALE, 1, 1)),
    );
    folder
}

fn write(folder: &Path, table: &str, batches: impl RecordBatchIterator) {
    let file = File::create(folder.join(format!("{table}.parquet"))).expect("the file can be made");
    let mut writer = ArrowWriter::try_new(file, batches.schema().clone(), None).expect("the schema can be written");
    for batch in batches {
        writer.write(&batch).expect("the batch can be written");
    }
    writer.close().expect("the file can be ended");
}

/// A session whose tables are the files of a folder.
pub fn session(folder: &Path, threads: usize) -> Session {
    let settings = Settings {
        jit: JitMode::On,
        threads,
        ..Settings::default()
    };
    Client::embedded(settings, Some(folder.to_path_buf())).session()
}

/// The text of a query of TPC-H.
#[allow(dead_code, reason = "one of the benches has queries of its own")]
pub fn query(number: u32) -> String {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests/tpch/queries",
        &format!("q{number:02}.sql"),
    ]
    .iter()
    .collect();
    fs::read_to_string(path).expect("the query is in the clone")
}

/// Runs a query to its last batch; gives the number of rows.
#[allow(dead_code, reason = "one of the benches runs nothing")]
pub fn run(session: &mut Session, query: &str) -> usize {
    let mut rows = 0;
    for result in session.execute(query) {
        if let StatementResult::Rows(batches) = result.expect("the query is right") {
            rows += batches
                .map(|batch| batch.expect("the query runs").num_rows())
                .sum::<usize>();
        }
    }
    rows
}
