//! Arrow and ORC files, patterns, folders, and what the process remembers.

use std::sync::Arc;

use arrow::array::*;
use arrow::ipc::writer::StreamWriter;

use super::testing::relation_texts;
use super::*;
use crate::host::real;

fn open_path(path: &Path) -> Result<Arc<dyn Relation>, FormatError> {
    open_on(&*real(), &path.display().to_string(), &OpenOptions::default())
}

fn sample() -> RecordBatch {
    let names: StringDictionary = vec!["Ann", "a name that is long", "Ann"].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]))),
        ("name", Arc::new(names)),
        ("small", Arc::new(UInt8Array::from(vec![0, 255, 7]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

type StringDictionary = DictionaryArray<arrow::datatypes::Int32Type>;

const ROWS: [&str; 3] = ["1 Ann 0", "NULL a name that is long 255", "-3 Ann 7"];

#[test]
fn arrow_files_and_streams() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.arrow");
    let batches = [Ok::<_, String>(sample()), Ok(sample())];
    write(batches.into_iter(), &sample().schema(), &file, &WriteOptions::default()).unwrap();
    let relation = open_path(&file).unwrap();
    assert_eq!(relation.units(), 2);
    assert_eq!(relation_texts(&*relation), [ROWS, ROWS].concat());

    let stream = folder.path().join("t.arrows");
    let mut writer = StreamWriter::try_new(std::fs::File::create(&stream).unwrap(), &sample().schema()).unwrap();
    writer.write(&sample()).unwrap();
    writer.finish().unwrap();
    assert_eq!(relation_texts(&*open_path(&stream).unwrap()), ROWS);
}

#[test]
fn damaged_arrow_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.feather");
    let batch = std::iter::once(Ok::<_, String>(sample()));
    write(batch, &sample().schema(), &path, &WriteOptions::default()).unwrap();
    let good = std::fs::read(&path).unwrap();
    let read_all = || open_path(&path).map(|r| (0..3).all(|column| r.read(0, column).is_ok()));
    for len in [1, 7, 100, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        assert!(read_all().is_err(), "cut to {len}");
    }
    for at in (0..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        std::fs::write(&path, &bad).unwrap();
        // Whatever comes back, it is no panic.
        let _ = read_all();
    }
}

#[test]
fn orc_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.orc");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)]))),
        (
            "name",
            Arc::new(StringArray::from(vec!["Ann", "a name that is long", ""])),
        ),
        ("score", Arc::new(Float64Array::from(vec![0.5, 1.0, -2.0]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = orc_rust::arrow_writer::ArrowWriterBuilder::new(file, batch.schema())
        .try_build()
        .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let relation = open_path(&path).unwrap();
    assert_eq!(
        relation_texts(&*relation),
        ["1 Ann 0.5", "NULL a name that is long 1.0", "-3  -2.0"]
    );
    let good = std::fs::read(&path).unwrap();
    for len in [0, 3, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        assert!(open_path(&path).is_err(), "cut to {len}");
    }
}

#[test]
fn folders_and_formats_without_extension() {
    let folder = tempfile::tempdir().unwrap();
    let write_text = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write_text("b.csv", "x\n2\n");
    write_text("a.csv", "x\n1\n");
    write_text("notes.md", "no table");
    write_text(".hidden.csv", "y\n");
    let tables = open_folder(folder.path()).unwrap();
    let names: Vec<_> = tables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(relation_texts(&*open_path(folder.path()).unwrap()), ["1", "2"]);

    let plain = folder.path().join("data");
    let options = WriteOptions {
        format: Some(Format::Parquet),
        ..WriteOptions::default()
    };
    write(
        std::iter::once(Ok::<_, String>(sample())),
        &sample().schema(),
        &plain,
        &options,
    )
    .unwrap();
    assert_eq!(relation_texts(&*open_path(&plain).unwrap()), ROWS);
    write_text("unknown", "what is this");
    assert!(matches!(
        open_path(&folder.path().join("unknown")),
        Err(FormatError::Unsupported { .. })
    ));
    assert!(matches!(
        open_path(&folder.path().join("missing.csv")),
        Err(FormatError::Io { .. })
    ));
}

#[test]
fn patterns_cross_folders() {
    let folder = tempfile::tempdir().unwrap();
    for (at, value) in [("2024/01/a.csv", 1), ("2024/02/a.csv", 2), ("2025/01/a.csv", 3)] {
        let path = folder.path().join(at);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("x\n{value}\n")).unwrap();
    }
    let rows = |pattern: &str| relation_texts(&*open_path(&folder.path().join(pattern)).unwrap());
    assert_eq!(rows("2024/*/a.csv"), ["1", "2"]);
    assert_eq!(rows("**/a.csv"), ["1", "2", "3"]);
    assert_eq!(rows("20[12]5/01/*.csv"), ["3"]);
}

#[test]
fn a_changed_file_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "x\n1\n").unwrap();
    let old = open_path(&path).unwrap();
    std::fs::write(&path, "x\n1\n2\n").unwrap();
    let new = open_path(&path).unwrap();
    assert_eq!((old.stats().rows, new.stats().rows), (Some(1), Some(2)));
    assert_ne!(old.chunk_key(0, 0), new.chunk_key(0, 0));
}
