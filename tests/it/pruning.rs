//! Pages left out: the same answers as from files without a page index, and fewer bytes read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use gobi::client::{Client, ExplainOptions, JitMode, Session, Settings, StatementResult, cells};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

const ROWS: i64 = 40_000;

/// `t` has pages of 500 rows and their index, `whole` has neither; there are no dictionaries, which are always read.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let builder = || WriterProperties::builder().set_dictionary_enabled(false);
    let paged = builder().set_data_page_row_count_limit(500);
    write(
        &folder.path().join("t.parquet"),
        paged.set_write_batch_size(500).build(),
    );
    let whole = builder().set_offset_index_disabled(true);
    let whole = whole.set_statistics_enabled(EnabledStatistics::None).build();
    write(&folder.path().join("whole.parquet"), whole);
    folder
}

fn write(path: &Path, properties: WriterProperties) {
    let random = |i: i64| i.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(31) % 1000;
    let some = |i: i64| (i / 700 % 4 != 0).then_some(i / 10);
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("r", Arc::new(Int64Array::from_iter_values((0..ROWS).map(random)))),
        ("n", Arc::new(Int64Array::from_iter((0..ROWS).map(some)))),
        (
            "s",
            Arc::new(StringArray::from_iter_values(
                (0..ROWS).map(|i| format!("text number {i:08}")),
            )),
        ),
        (
            "f",
            Arc::new(Float64Array::from_iter_values(
                (0..ROWS).map(|i| if i % 9_000 == 0 { f64::NAN } else { i as f64 }),
            )),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn session(folder: &Path, threads: usize, jit: JitMode) -> Session {
    let settings = Settings {
        jit,
        threads,
        ..Settings::default()
    };
    Client::embedded(settings, Some(folder.to_path_buf())).session()
}

fn rows(session: &mut Session, query: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for result in session.execute(query) {
        let StatementResult::Rows(stream) = result.unwrap() else {
            continue;
        };
        let fields = stream.fields().to_vec();
        for batch in stream.map(Result::unwrap) {
            rows.extend((0..batch.num_rows()).map(|row| {
                let columns = batch.columns().iter().zip(&fields);
                let texts = columns.map(|(column, field)| cells::text(column, row, &field.ty).unwrap_or_default());
                texts.collect::<Vec<_>>().join(" ")
            }));
        }
    }
    rows
}

/// Bytes that a query reads when nothing is cached.
fn bytes_read(folder: &Path, query: &str) -> u64 {
    let options = ExplainOptions {
        jit: false,
        analyze: true,
    };
    let explained = session(folder, 2, JitMode::Auto).explain(query, options).unwrap();
    let operators = explained.pipelines.iter().flat_map(|pipeline| &pipeline.operators);
    operators
        .filter_map(|operator| Some(operator.measured.as_ref()?.bytes_read))
        .sum()
}

#[test]
fn pruned_answers_are_those_of_whole_reads() {
    let folder = folder();
    let filters = [
        "id BETWEEN 12345 AND 12400",
        "id < 700 OR id > 39000",
        "id >= 39999",
        "r > 990 AND id < 20000",
        "n = 2222",
        "n > 3000 AND n < 3100 AND id > 30500",
        "s >= 'text number 00039500'",
        "s = 'text number 00020000'",
        "f > 39990",
        "f <= 3.5",
        "id = 5 AND n = 7000",
    ];
    for (threads, jit) in [(1, JitMode::On), (3, JitMode::Auto)] {
        // One session, so that chunks with some of their rows serve queries that want others.
        let mut session = session(folder.path(), threads, jit);
        for filter in filters {
            let query = |table: &str| format!("SELECT * FROM {table} WHERE {filter} ORDER BY id");
            let (pruned, whole) = (rows(&mut session, &query("t")), rows(&mut session, &query("whole")));
            assert!(pruned == whole, "{filter}: {} and {} rows", pruned.len(), whole.len());
            let limited = rows(&mut session, &format!("SELECT * FROM t WHERE {filter} LIMIT 3"));
            assert_eq!(limited.len(), whole.len().min(3), "{filter}");
            assert!(limited.iter().all(|row| whole.contains(row)), "{filter}");
        }
        for (limit, offset) in [(1, 0), (10, 4_000), (100, 39_950), (50_000, 0)] {
            let got = rows(
                &mut session,
                &format!("SELECT id, s FROM t LIMIT {limit} OFFSET {offset}"),
            );
            assert_eq!(got.len(), (40_000 - offset).min(limit));
        }
    }
}

#[test]
fn only_the_bytes_of_pages_in_question_are_read() {
    let folder = folder();
    let all = bytes_read(folder.path(), "SELECT max(id), max(r), max(s) FROM t");
    let few = bytes_read(
        folder.path(),
        "SELECT max(id), max(r), max(s) FROM t WHERE id BETWEEN 12345 AND 12400",
    );
    assert!(few * 20 < all, "{few} of {all} bytes");
    let whole = bytes_read(folder.path(), "SELECT id, s FROM t");
    let first = bytes_read(folder.path(), "SELECT id, s FROM t LIMIT 1");
    assert!(0 < first && first * 20 < whole, "{first} of {whole} bytes");
    let found = bytes_read(folder.path(), "SELECT id, s FROM t WHERE r >= 0 LIMIT 5");
    // How far others are ahead of who finds the rows is left to chance, but bounded.
    assert!(found * 2 < whole, "{found} of {whole} bytes");
}

#[test]
fn cleared_caches_open_files_again() {
    let folder = folder();
    let mut session = session(folder.path(), 2, JitMode::Auto);
    let before = rows(&mut session, "SELECT sum(id), count(n) FROM t");
    session.clear_caches();
    assert_eq!(rows(&mut session, "SELECT sum(id), count(n) FROM t"), before);
}
